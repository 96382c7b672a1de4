package seal

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"math/big"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

var wycheproof = flag.String("wycheproof", "../../tmp/wycheproof",
	"`folder` testvectors_v1 of github.com/C2SP/wycheproof")

// TestKnownAnswers walks testdata/known.txt, with the package's own ciphers and
// derivation and with the other implementation that makes the rest of the vectors.
func TestKnownAnswers(t *testing.T) {
	n := walk(t, "known.txt", func(t *testing.T, v vector) {
		key := Key(v.bytes(t, "key"))
		if okm := v.bytes(t, "okm"); len(okm) > 0 {
			info := string(v.bytes(t, "info"))
			if got := key.Derive(info); !bytes.Equal(got[:], okm[:KeyLen]) {
				t.Errorf("derived %x", got[:])
			}
			if got := key.Tag(info); !bytes.Equal(got[:], okm[:8]) {
				t.Errorf("tag %x", got)
			}
			if got := refExpand(key[:], info, len(okm)); !bytes.Equal(got, okm) {
				t.Errorf("the other implementation: %x", got)
			}
			return
		}
		a := aesGCM
		if v["algorithm"] == "2" {
			a = chaChaPoly
		}
		nonce, ad, plain, sealed := v.bytes(t, "nonce"), v.bytes(t, "additional"), v.bytes(t, "plain"), v.bytes(t, "sealed")
		checkAEAD(t, a, &key, nonce, ad, plain, sealed)
		if got := refAEAD(a, key[:], nonce, ad, plain); !bytes.Equal(got, sealed) {
			t.Errorf("the other implementation: %x", got)
		}
	})
	if n < 8 {
		t.Errorf("only %d known answers", n)
	}
}

func checkAEAD(t *testing.T, a algorithm, k *Key, nonce, ad, plain, sealed []byte) {
	t.Helper()
	c := newAEAD(a, k)
	if got := c.Seal(nil, nonce, plain, ad); !bytes.Equal(got, sealed) {
		t.Errorf("sealed to %x, want %x", got, sealed)
	}
	if got, err := c.Open(nil, nonce, sealed, ad); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("opened to %x, %v, want %x", got, err, plain)
	}
}

// TestAgainstReference seals texts of every length around the ciphers' blocks, and
// tries every tag that is wrong in one bit, or all.
func TestAgainstReference(t *testing.T) {
	both(t, func(t *testing.T, a algorithm) {
		rnd := rand.NewChaCha8([32]byte{byte(a)})
		for n := range 150 {
			var k Key
			nonce, ad, plain := make([]byte, nonceLen), make([]byte, n*7%65), make([]byte, n)
			for _, b := range [][]byte{k[:], nonce, ad, plain} {
				rnd.Read(b)
			}
			sealed := refAEAD(a, k[:], nonce, ad, plain)
			checkAEAD(t, a, &k, nonce, ad, plain, sealed)
			if n%50 != 0 {
				continue
			}
			c := newAEAD(a, &k)
			for bit := range 8*tagLen + 1 {
				bad := slices.Clone(sealed)
				if tag := bad[n:]; bit < 8*tagLen {
					tag[bit/8] ^= 1 << (bit % 8)
				} else {
					clear(tag)
				}
				if _, err := c.Open(nil, nonce, bad, ad); err == nil {
					t.Fatalf("%d bytes: opens with a wrong tag, bit %d", n, bit)
				}
			}
		}
	})
}

// TestPoly1305Edges seals texts that were chosen so that the sum of Poly1305 (RFC 8439
// §2.5.1) before the last addition is a number at which carries go wrong: near 0, near
// the prime, near the words of an implementation.
func TestPoly1305Edges(t *testing.T) {
	one := big.NewInt(1)
	power := func(n uint) *big.Int { return new(big.Int).Lsh(one, n) }
	p := new(big.Int).Sub(power(130), big.NewInt(5))
	var targets []*big.Int
	for _, n := range []uint{0, 26, 32, 52, 64, 78, 96, 104, 128, 129, 130} {
		for d := int64(-8); d <= 4; d++ {
			targets = append(targets, new(big.Int).Mod(new(big.Int).Add(power(n), big.NewInt(d)), p))
		}
	}
	// A text of two blocks; its length, the block after it, is hashed at the end.
	length := new(big.Int).Add(power(128), new(big.Int).Lsh(big.NewInt(32), 64))
	le := func(b []byte) *big.Int {
		b = slices.Clone(b)
		slices.Reverse(b)
		return new(big.Int).SetBytes(b)
	}
	found := 0
	for _, target := range targets {
		for try := range 64 {
			nonce := make([]byte, nonceLen)
			nonce[0] = byte(try)
			poly := refChaChaBlock(testKey[:], nonce, 0)[:32]
			mask := le([]byte{255, 255, 255, 15, 252, 255, 255, 15, 252, 255, 255, 15, 252, 255, 255, 15})
			r := new(big.Int).And(le(poly[:16]), mask)
			back := new(big.Int).ModInverse(r, p)
			first := bytes.Repeat([]byte{0xff}, 16)
			// target = (((first + 2¹²⁸)·r + second)·r + length)·r, solved for second.
			x := new(big.Int).Mul(target, back)
			x.Sub(x, length).Mul(x, back)
			x.Sub(x, new(big.Int).Mul(new(big.Int).Add(le(first), power(128)), r)).Mod(x, p)
			x.Sub(x, power(128))
			if x.Sign() < 0 || x.BitLen() > 128 {
				continue // no text does it with this key
			}
			found++
			second := x.FillBytes(make([]byte, 16))
			slices.Reverse(second)
			text := slices.Concat(first, second)
			plain := xor(text, refChaChaBlock(testKey[:], nonce, 1))
			s := le(poly[16:])
			tag := new(big.Int).Mod(s.Add(s, target), power(128)).FillBytes(make([]byte, 16))
			slices.Reverse(tag)
			checkAEAD(t, chaChaPoly, &testKey, nonce, nil, plain, slices.Concat(text, tag))
			break
		}
	}
	if found < len(targets)*9/10 {
		t.Errorf("texts for %d of %d sums", found, len(targets))
	}
}

// TestWycheproof runs the vectors of the project of that name, as far as they are for
// what the package uses: keys of 256 bits, nonces of 96, tags of 128, SHA-256.
func TestWycheproof(t *testing.T) {
	if _, err := os.Stat(*wycheproof); err != nil {
		t.Skip("no folder of vectors; see -wycheproof")
	}
	type hexBytes = string
	type file struct {
		TestGroups []struct {
			KeySize, IvSize, TagSize int
			Tests                    []struct {
				TcID                         int
				Key, Iv, Aad, Msg, Ct, Tag   hexBytes
				Ikm, Salt, Info, Okm, Result hexBytes
				Size                         int
			}
		}
	}
	load := func(name string) (f file) {
		b, err := os.ReadFile(filepath.Join(*wycheproof, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, &f); err != nil {
			t.Fatal(err)
		}
		return f
	}
	un := func(s hexBytes) []byte {
		b, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for name, a := range map[string]algorithm{"aes_gcm_test.json": aesGCM, "chacha20_poly1305_test.json": chaChaPoly} {
		n := 0
		for _, g := range load(name).TestGroups {
			if g.KeySize != 256 || g.IvSize != 96 || g.TagSize != 128 {
				continue
			}
			for _, c := range g.Tests {
				n++
				k := Key(un(c.Key))
				sealed := slices.Concat(un(c.Ct), un(c.Tag))
				if c.Result == "valid" {
					checkAEAD(t, a, &k, un(c.Iv), un(c.Aad), un(c.Msg), sealed)
				} else if _, err := newAEAD(a, &k).Open(nil, un(c.Iv), sealed, un(c.Aad)); err == nil {
					t.Errorf("%s %d: opens", name, c.TcID)
				}
			}
		}
		t.Logf("%s: %d vectors", name, n)
	}
	n := 0
	for _, g := range load("hkdf_sha256_test.json").TestGroups {
		for _, c := range g.Tests {
			if c.Result != "valid" {
				continue
			}
			n++
			prk, err := hkdf.Extract(sha256.New, un(c.Ikm), un(c.Salt))
			if err != nil {
				t.Fatal(err)
			}
			k, m := Key(prk), min(c.Size, KeyLen)
			if got := k.Derive(string(un(c.Info))); !bytes.Equal(got[:m], un(c.Okm)[:m]) {
				t.Errorf("hkdf %d: %x", c.TcID, got[:])
			}
		}
	}
	t.Logf("hkdf: %d vectors", n)
}
