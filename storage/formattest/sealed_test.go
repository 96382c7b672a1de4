package formattest

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"
)

// aead gives the cipher of an algorithm: 1 or 2.
func aead(alg byte, k key) (cipher.AEAD, error) {
	switch alg {
	case 1:
		b, err := aes.NewCipher(k[:])
		if err != nil {
			return nil, err
		}
		return cipher.NewGCM(b)
	case 2:
		return chacha20poly1305.New(k[:])
	}
	return nil, fmt.Errorf("%w: algorithm %d", errFormat, alg)
}

func counted(b, s []byte) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}

// unseal opens a value in the form of the chapter "Sealed".
func unseal(k key, b []byte, bucket string, name, subject []byte) ([]byte, error) {
	if len(b) < 42 || b[0] != 1 {
		return nil, fmt.Errorf("%w: no sealed value", errFormat)
	}
	c, err := aead(b[1], derive(k, "sotto seal 1"+string(b[1:14])))
	if err != nil {
		return nil, err
	}
	ad := counted(counted(counted([]byte{b[0], b[1]}, []byte(bucket)), name), subject)
	return c.Open(nil, b[14:26], b[26:], ad)
}

// part is a part of a row. Its sealed bytes are nil if it was removed.
type part struct {
	class  byte
	who    id
	sealed []byte
}

// row is a row in parts.
type row struct {
	header []byte
	parts  []part
}

// parseRow takes a row apart. With an error it gives what is there of the parts.
func parseRow(b []byte) (row, error) { return parseRowOf(id{}, b) }

// parseRowOf is parseRow for a row whose first part is somebody's.
func parseRowOf(who id, b []byte) (r row, err error) {
	if len(b) < 18 || b[0] != 2 || len(b) > 1<<20 {
		return r, fmt.Errorf("%w: no row", errFormat)
	}
	r.header = b[:18]
	c := cursor{b: b[18:]}
	for len(c.b) > 0 {
		var p part
		p.class = c.take(1)[0]
		switch {
		case p.class&0x80 == 0:
			p.who = id(c.take(16))
		case len(r.parts) == 0:
			return r, fmt.Errorf("%w: the first part is of the one before", errFormat)
		default:
			p.class, p.who = p.class&0x7f, r.parts[len(r.parts)-1].who
		}
		n, w := binary.Uvarint(c.b)
		if c.bad || w <= 0 || n > uint64(len(c.b)-w) || n > 0 && n < 16 || len(r.parts) == 1024 {
			if w > 0 && w < len(c.b) {
				p.sealed = c.b[w:]
				r.parts = append(r.parts, p)
			}
			return r, fmt.Errorf("%w: part %d", errFormat, len(r.parts))
		}
		c.take(w)
		if n > 0 {
			p.sealed = c.take(int(n))
		}
		r.parts = append(r.parts, p)
	}
	if len(r.parts) == 0 || r.parts[0].who != who {
		return r, fmt.Errorf("%w: the first part is another's", errFormat)
	}
	return r, nil
}

// partInfo is what the key of a part's cipher is expanded with.
func partInfo(header []byte, n int) string {
	return "sotto part 1" + string(header[1:18]) + string([]byte{byte(n >> 8), byte(n)})
}

// open opens part n under the subject's key.
func (r row) open(k key, n int, bucket string, name []byte) ([]byte, error) {
	p := r.parts[n]
	ad := counted(counted(bytes.Clone(r.header), []byte(bucket)), name)
	ad = append(ad, byte(n>>8), byte(n), p.class)
	ad = append(ad, p.who[:]...)
	if n == 0 {
		for _, q := range r.parts[1:] {
			ad = append(append(ad, q.class), q.who[:]...)
		}
	}
	c, err := aead(r.header[1], derive(k, partInfo(r.header, n)))
	if err != nil {
		return nil, err
	}
	return c.Open(nil, make([]byte, 12), p.sealed, ad)
}

const chunk = 4096

// chunkNonce is the nonce of chunk n of audio.
func chunkNonce(n int, last bool) []byte {
	nonce := make([]byte, 12)
	binary.BigEndian.PutUint64(nonce[3:], uint64(n))
	if last {
		nonce[11] = 1
	}
	return nonce
}

// readAudio opens the file of an item. Cut tells that its last chunk has no mark.
func readAudio(k key, item id, b []byte) (audio []byte, cut bool, err error) {
	if len(b) < 18 || b[0] != 3 {
		return nil, true, fmt.Errorf("%w: no audio", errFormat)
	}
	c, err := aead(b[1], derive(k, "sotto audio 1"+string(b[1:18])))
	if err != nil {
		return nil, true, err
	}
	ad := append(bytes.Clone(b[:18]), item[:]...)
	for n, b := 0, b[18:]; ; n++ {
		if len(b) >= 16 && len(b) <= chunk+16 {
			if p, err := c.Open(nil, chunkNonce(n, true), b, ad); err == nil {
				return append(audio, p...), false, nil
			}
		}
		if len(b) < chunk+16 {
			return audio, true, nil
		}
		p, err := c.Open(nil, chunkNonce(n, false), b[:chunk+16], ad)
		if err != nil {
			return audio, true, nil
		}
		audio, b = append(audio, p...), b[chunk+16:]
	}
}
