package seal

import (
	"bytes"
	"flag"
	"io"
	"slices"
	"testing"
)

var many = flag.Bool("many", false, "ten million seals instead of a million to look for a repeated salt and nonce")

// TestNoRepeat looks for a repeated salt and nonce, of values, rows and audio under one
// key: the first ones to repeat would show that they are not random.
func TestNoRepeat(t *testing.T) {
	n := 1_000_000
	switch {
	case *many:
		n = 10_000_000
	case testing.Short():
		n = 20_000
	}
	type random [saltLen + nonceLen]byte
	look := func(name string, n int, next func() random) {
		t.Run(name, func(t *testing.T) {
			seen := make([]random, n)
			for i := range seen {
				seen[i] = next()
			}
			slices.SortFunc(seen, func(a, b random) int { return bytes.Compare(a[:], b[:]) })
			if all := len(slices.Compact(seen)); all != n {
				t.Errorf("%d of %d", n-all, n)
			}
		})
	}
	look("values", n, func() (b random) {
		copy(b[:], Seal(&testKey, Place{}, nil)[2:headerLen])
		return b
	})
	look("rows", n, func() (b random) {
		h := NewRow()
		copy(b[:], h[2:])
		return b
	})
	look("audio", n/10, func() (b random) {
		var head bytes.Buffer
		NewAudio(&head, &testKey, [16]byte{})
		copy(b[:], head.Bytes()[2:])
		return b
	})
}

// nonces counts how often each nonce is used.
type nonces struct {
	aead
	seen map[[nonceLen]byte]int
}

func (s *nonces) Seal(dst, nonce, plain, ad []byte) []byte {
	s.seen[[nonceLen]byte(nonce)]++
	return s.aead.Seal(dst, nonce, plain, ad)
}

// TestAudioNonces: no two chunks of a file have the same nonce, and after a torn write
// nothing is sealed any more, for a chunk of the same number would differ.
func TestAudioNonces(t *testing.T) {
	for fail := range 8 {
		w := &limited{left: 18 + fail*sealedLen - 1}
		if fail == 0 {
			w.left = 1 << 30
		}
		a, err := NewAudio(w, &testKey, [16]byte{})
		if err != nil {
			t.Fatal(err)
		}
		s := &nonces{a.c.aead, map[[nonceLen]byte]int{}}
		a.c.aead = s
		for range 2000 {
			a.Write(make([]byte, 160))
		}
		err = a.Close()
		want := fail
		if fail == 0 {
			want = 2000*160/chunkLen + 1
		}
		if len(s.seen) != want || (err != nil) != (fail > 0) {
			t.Errorf("write %d fails: %d nonces, want %d; close: %v", fail, len(s.seen), want, err)
		}
		for nonce, n := range s.seen {
			if n != 1 {
				t.Errorf("nonce %x sealed %d times", nonce, n)
			}
		}
	}
}

// limited fails when so many bytes were written, as a full disk.
type limited struct{ left int }

func (w *limited) Write(p []byte) (int, error) {
	if len(p) > w.left {
		n := w.left
		w.left = 0
		return n, io.ErrShortWrite
	}
	w.left -= len(p)
	return len(p), nil
}
