package formattest

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"hash"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/chacha20"
)

// scan is a look at every byte of a folder with every key that somebody has. Nothing is
// asked of a tag: whatever a key makes of sealed bytes, whole or not, is looked at.
type scan struct {
	h     *hunter
	keys  []expander
	last  map[string]string // the last digits of a number, alone in a part: what they are of
	found map[string]int    // by what, and where

	values, parts, swept, tries int
	seen                        map[string]bool
}

// expander is a key, ready to be expanded often.
type expander struct{ mac hash.Hash }

func (e expander) derive(info string) (k key) {
	e.mac.Reset()
	e.mac.Write([]byte(info))
	e.mac.Write([]byte{1})
	e.mac.Sum(k[:0])
	return k
}

// keysOf gives every key that a keyring holds or leads to, for days 0 to last.
func keysOf(r *ring, slots [2]*key, last uint32) []key {
	all := map[key]bool{r.epoch: true}
	for _, k := range slots {
		if k != nil {
			all[*k] = true
		}
	}
	for _, e := range slices.AppendSeq([]*entry{r.box}, maps.Values(r.all)) {
		all[e.own] = true
		for _, c := range e.chains {
			all[c.link], all[c.ahead] = true, true
			for n := c.first; n <= last; n++ {
				d, _ := c.linkOf(n)
				k, _ := c.day(n)
				all[d], all[k] = true, true
			}
		}
	}
	return slices.Collect(maps.Keys(all))
}

// stream undoes the encryption of b, whether or not it is whole.
func stream(alg byte, k key, nonce, b []byte) []byte {
	out := make([]byte, len(b))
	if alg == 2 {
		c, err := chacha20.NewUnauthenticatedCipher(k[:], nonce)
		if err != nil {
			panic(err)
		}
		c.SetCounter(1) // RFC 8439 section 2.8: block 0 makes the key of the tag
		c.XORKeyStream(out, b)
		return out
	}
	c, err := aes.NewCipher(k[:])
	if err != nil {
		panic(err)
	}
	iv := append(slices.Clone(nonce), 0, 0, 0, 2) // NIST SP 800-38D section 7.1: 1 is for the tag
	cipher.NewCTR(c, iv).XORKeyStream(out, b)
	return out
}

func (s *scan) hit(where string) func(what, form string) {
	return func(what, form string) { s.found[what+" "+where]++ }
}

// value tries every key on bytes that may begin a sealed value or a row.
func (s *scan) value(b []byte) {
	if len(b) < 18 || b[1] != 1 && b[1] != 2 || s.seen[string(b)] {
		return
	}
	s.seen[string(b)] = true
	switch b[0] {
	case 1:
		if len(b) < 27 {
			return
		}
		s.values++
		for _, k := range s.keys {
			s.tries++
			s.plain(stream(b[1], k.derive("sotto seal 1"+string(b[1:14])), b[14:26], b[26:]))
		}
	case 2:
		r, _ := parseRow(b[:min(len(b), 1<<20)])
		for n, p := range r.parts {
			if p.sealed == nil {
				continue
			}
			s.parts++
			for _, k := range s.keys {
				s.tries++
				s.plain(stream(b[1], k.derive(partInfo(r.header, n)), make([]byte, 12), p.sealed))
			}
		}
	}
}

func (s *scan) plain(b []byte) {
	s.h.look(b, s.hit("sealed"))
	s.h.lookHashes(b, s.hit("sealed"))
	if len(b) >= 16 {
		if what := s.last[string(b[:len(b)-16])]; what != "" {
			s.found[what+" sealed"]++
		}
	}
}

// file looks at a file: its bytes as they are, all elements of all pages if it is of
// bbolt, and then at every place where something sealed might begin.
func (s *scan) file(b []byte, base int, name string) {
	window := len(b)
	if name == "sotto.db" {
		window = 2048 // what is whole there is an element
	}
	s.h.look(b, s.hit("raw"))
	s.h.lookHashes(b, s.hit("raw"))
	done := map[int]bool{}
	if f, err := openBolt(b); err == nil {
		l, _ := f.elements()
		for _, e := range l {
			done[e.at] = true
			s.value(e.value)
		}
	}
	for at := base; at+18 <= len(b); at++ {
		if b[at] == 0 || b[at] > 2 || b[at+1] == 0 || b[at+1] > 2 || done[at] {
			continue
		}
		s.swept++
		s.value(b[at:min(at+window, len(b))])
	}
	if strings.HasPrefix(name, "messages/") && len(b) > 18 && b[0] == 3 && b[1] >= 1 && b[1] <= 2 {
		for _, k := range s.keys {
			k := k.derive("sotto audio 1" + string(b[1:18]))
			for n, c := 0, b[18:]; len(c) > 0; n++ {
				w := min(chunk+16, len(c))
				for _, last := range []bool{false, true} {
					s.tries++
					s.plain(stream(b[1], k, chunkNonce(n, last), c[:w]))
				}
				c = c[w:]
			}
		}
	}
}

// scanFolder looks at every file of a data folder, its names, and the root.
func scanFolder(t *testing.T, h *hunter, last map[string]string, keys []key, dir, rootFile string) *scan {
	t.Helper()
	s := &scan{h: h, last: last, found: map[string]int{}, seen: map[string]bool{}}
	for _, k := range keys {
		s.keys = append(s.keys, expander{hmac.New(sha256.New, k[:])})
	}
	names, err := files(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		s.h.look([]byte(name), s.hit("name of a file"))
		s.file(b, 0, name)
	}
	b, err := os.ReadFile(rootFile)
	if err != nil {
		t.Fatal(err)
	}
	s.file(b, 0, "root")
	return s
}

// what gives what was found, less where.
func (s *scan) what() (l []string) {
	for w := range s.found {
		for _, where := range []string{" sealed", " raw", " name of a file"} {
			w = strings.TrimSuffix(w, where)
		}
		l = append(l, w)
	}
	slices.Sort(l)
	return slices.Compact(l)
}
