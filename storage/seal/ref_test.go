package seal

import (
	"bytes"
	"crypto/aes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"math/big"
	"math/bits"
	"slices"
)

// Another implementation of what the package uses and of its formats, slow and by the
// letter of the standards and of FORMAT.md. It makes the vectors in testdata, and is
// held against the known answers of the standards itself.

// refExpand is HKDF-Expand of RFC 5869 §2.3.
func refExpand(key []byte, info string, n int) []byte {
	var t, okm []byte
	for i := byte(1); len(okm) < n; i++ {
		h := hmac.New(sha256.New, key)
		h.Write(t)
		h.Write([]byte(info))
		h.Write([]byte{i})
		t = h.Sum(nil)
		okm = append(okm, t...)
	}
	return okm[:n]
}

// refAEAD gives ciphertext and tag.
func refAEAD(a algorithm, key, nonce, additional, plain []byte) []byte {
	if a == aesGCM {
		return refGCM(key, nonce, additional, plain)
	}
	return refChaChaPoly(key, nonce, additional, plain)
}

// refGCM is GCM-AE of NIST SP 800-38D §7.1 for nonces of 96 bits.
func refGCM(key, nonce, additional, plain []byte) []byte {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	stream := func(n uint32) []byte {
		b := binary.BigEndian.AppendUint32(slices.Clone(nonce), n)
		block.Encrypt(b, b)
		return b
	}
	var out []byte
	for i := 0; i < len(plain); i += 16 {
		out = append(out, xor(stream(uint32(2+i/16)), plain[i:min(i+16, len(plain))])...)
	}
	h := make([]byte, 16)
	block.Encrypt(h, h)
	y := make([]byte, 16)
	for x := range slices.Chunk(hashed(binary.BigEndian, additional, out, 8), 16) {
		y = gcmTimes(xor(x, y), h)
	}
	return append(out, xor(stream(1), y)...)
}

// gcmTimes is the multiplication of blocks of SP 800-38D §6.3.
func gcmTimes(x, y []byte) []byte {
	z, v := make([]byte, 16), slices.Clone(y)
	for i := range 128 {
		if x[i/8]>>(7-i%8)&1 == 1 {
			z = xor(z, v)
		}
		odd := v[15] & 1
		for j := 15; j > 0; j-- {
			v[j] = v[j]>>1 | v[j-1]<<7
		}
		v[0] >>= 1
		if odd == 1 {
			v[0] ^= 0xe1
		}
	}
	return z
}

// refChaChaPoly is AEAD_CHACHA20_POLY1305 of RFC 8439 §2.8.
func refChaChaPoly(key, nonce, additional, plain []byte) []byte {
	var out []byte
	for i := 0; i < len(plain); i += 64 {
		out = append(out, xor(refChaChaBlock(key, nonce, uint32(1+i/64)), plain[i:min(i+64, len(plain))])...)
	}
	tag := refPoly1305(refChaChaBlock(key, nonce, 0)[:32], hashed(binary.LittleEndian, additional, out, 1))
	return append(out, tag...)
}

// refChaChaBlock is the block function of RFC 8439 §2.3.
func refChaChaBlock(key, nonce []byte, counter uint32) []byte {
	var s [16]uint32
	head := append([]byte("expand 32-byte k"), key...)
	head = binary.LittleEndian.AppendUint32(head, counter)
	head = append(head, nonce...)
	for i := range s {
		s[i] = binary.LittleEndian.Uint32(head[4*i:])
	}
	w := s
	quarter := func(a, b, c, d int) {
		for _, r := range [][4]int{{a, b, d, 16}, {c, d, b, 12}, {a, b, d, 8}, {c, d, b, 7}} {
			w[r[0]] += w[r[1]]
			w[r[2]] = bits.RotateLeft32(w[r[2]]^w[r[0]], r[3])
		}
	}
	for range 10 {
		for i := range 4 {
			quarter(i, 4+i, 8+i, 12+i)
		}
		for i := range 4 {
			quarter(i, 4+(i+1)%4, 8+(i+2)%4, 12+(i+3)%4)
		}
	}
	var out []byte
	for i := range s {
		out = binary.LittleEndian.AppendUint32(out, s[i]+w[i])
	}
	return out
}

// refPoly1305 is the authenticator of RFC 8439 §2.5, with big numbers.
func refPoly1305(key, message []byte) []byte {
	number := func(little []byte) *big.Int {
		b := slices.Clone(little)
		slices.Reverse(b)
		return new(big.Int).SetBytes(b)
	}
	r := slices.Clone(key[:16])
	for _, i := range []int{3, 7, 11, 15} {
		r[i] &= 0x0f
	}
	for _, i := range []int{4, 8, 12} {
		r[i] &= 0xfc
	}
	p := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 130), big.NewInt(5))
	sum := new(big.Int)
	for b := range slices.Chunk(message, 16) {
		sum.Add(sum, number(append(slices.Clone(b), 1)))
		sum.Mod(sum.Mul(sum, number(r)), p)
	}
	sum.Add(sum, number(key[16:]))
	tag := sum.FillBytes(make([]byte, 18))[2:]
	slices.Reverse(tag)
	return tag
}

// hashed is what both algorithms authenticate: both texts filled up to 16 bytes, then
// their lengths, in bytes times unit.
func hashed(order binary.AppendByteOrder, additional, text []byte, unit uint64) []byte {
	fill := func(b []byte) []byte { return append(b, make([]byte, (16-len(b)%16)%16)...) }
	b := append(fill(slices.Clone(additional)), fill(slices.Clone(text))...)
	b = order.AppendUint64(b, unit*uint64(len(additional)))
	return order.AppendUint64(b, unit*uint64(len(text)))
}

func xor(a, b []byte) []byte {
	out := make([]byte, min(len(a), len(b)))
	for i := range out {
		out[i] = a[i] ^ b[i]
	}
	return out
}

// refPart seals a part by FORMAT.md, chapter "Rows in parts".
func refPart(header, key []byte, p Part, plain []byte) []byte {
	n := []byte{byte(p.N >> 8), byte(p.N)}
	k := refExpand(key, "sotto part 1"+string(header[1:])+string(n), 32)
	ad := bytes.Join([][]byte{
		header,
		{byte(len(p.Bucket) >> 8), byte(len(p.Bucket))}, []byte(p.Bucket),
		{byte(len(p.ID) >> 8), byte(len(p.ID))}, p.ID,
		n, {p.Class}, p.Subject[:], p.List,
	}, nil)
	return refAEAD(algorithm(header[1]), k, make([]byte, 12), ad, plain)
}

// refAudio seals audio by FORMAT.md, chapter "Audio"; the lengths are those of the chunks.
func refAudio(header, key []byte, id [16]byte, plain []byte, lengths ...int) []byte {
	k := refExpand(key, "sotto audio 1"+string(header[1:]), 32)
	out := slices.Clone(header)
	for i, n := range lengths {
		nonce := make([]byte, 12)
		nonce[10] = byte(i)
		if i == len(lengths)-1 {
			nonce[11] = 1
		}
		out = append(out, refAEAD(algorithm(header[1]), k, nonce, slices.Concat(header, id[:]), plain[:n])...)
		plain = plain[n:]
	}
	return out
}
