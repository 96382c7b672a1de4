package formattest

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"hash/crc64"
	"hash/fnv"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"sotto/pbx/media/g711"
)

// needle is something of a person, in one of the forms in which it might lie about. Where
// a number does not begin or end at a byte, a nibble more on either side must be as given;
// -1 is any.
type needle struct {
	what, form    string
	b             []byte
	before, after int // the byte there, under the mask
	beforeMask    byte
	afterMask     byte
}

// hunter finds needles in bytes.
type hunter struct {
	needles []needle
	first   [1 << 16]bool // first two bytes of a needle
	byFirst map[[2]byte][]int
	digests map[[8]byte]string // of hashes: first or last 8 bytes
	digest3 []uint64           // a bit for the first three bytes of each
}

func newHunter() *hunter {
	return &hunter{byFirst: map[[2]byte][]int{}, digests: map[[8]byte]string{}, digest3: make([]uint64, 1<<18)}
}

func (h *hunter) add(n needle) {
	if len(n.b) < 5 {
		panic("too short to be told from chance: " + n.what + " " + n.form)
	}
	at := [2]byte(n.b)
	h.first[binary.BigEndian.Uint16(n.b)] = true
	h.byFirst[at] = append(h.byFirst[at], len(h.needles))
	h.needles = append(h.needles, n)
}

// text adds a text in every form.
func (h *hunter) text(what, s string) {
	put := func(form string, b []byte) { h.add(needle{what: what, form: form, b: b, before: -1, after: -1}) }
	seen := map[string]bool{}
	for _, v := range []struct{ form, s string }{
		{"", s}, {" lower", strings.ToLower(s)}, {" upper", strings.ToUpper(s)}, {" decomposed", decomposed(s)},
	} {
		if seen[v.s] {
			continue
		}
		seen[v.s] = true
		b := []byte(v.s)
		put("UTF-8"+v.form, b)
		r := bytes.Clone(b)
		slices.Reverse(r)
		put("reversed"+v.form, r)
		put("hex"+v.form, []byte(hex.EncodeToString(b)))
		put("HEX"+v.form, []byte(strings.ToUpper(hex.EncodeToString(b))))
		for i := range 3 {
			e := base64.RawStdEncoding.EncodeToString(append(make([]byte, i), b...))
			put(fmt.Sprint("base64 ", i, v.form), []byte(e[(8*i+5)/6:8*(i+len(b))/6]))
		}
		var le, be []byte
		for _, u := range utf16.Encode([]rune(v.s)) {
			le, be = binary.LittleEndian.AppendUint16(le, u), binary.BigEndian.AppendUint16(be, u)
		}
		put("UTF-16LE"+v.form, le)
		put("UTF-16BE"+v.form, be)
		var latin, escaped []byte
		for _, c := range v.s {
			latin = append(latin, byte(c))
			if c < 0x80 {
				escaped = append(escaped, byte(c))
			} else {
				escaped = fmt.Appendf(escaped, `\u%04x`, c)
			}
		}
		if string(latin) != v.s {
			put("ISO 8859-1"+v.form, latin)
			put("JSON"+v.form, escaped)
			put("percent"+v.form, []byte(url.QueryEscape(v.s)))
		}
	}
}

// decomposed has the umlauts of the tests in Unicode's form D.
func decomposed(s string) string {
	return strings.NewReplacer("Ö", "O\u0308", "ö", "o\u0308", "ü", "u\u0308", "ä", "a\u0308").Replace(s)
}

// number adds a number in every form.
func (h *hunter) number(what, s string) {
	h.text(what, s)
	d := strings.TrimPrefix(s, "+")
	if d != s {
		h.text(what, d)
	}
	nib := make([]int, len(d))
	for i := range d {
		nib[i] = int(d[i] - '0')
	}
	for _, swap := range []bool{false, true} {
		for odd := range 2 {
			// Digits from odd on fill whole bytes; what is left over is half a byte.
			n := needle{what: what, form: fmt.Sprintf("BCD swapped=%v odd=%d", swap, odd), before: -1, after: -1}
			hi, lo := 4, 0
			if swap {
				hi, lo = 0, 4
			}
			i := odd
			for ; i+1 < len(nib); i += 2 {
				n.b = append(n.b, byte(nib[i]<<hi|nib[i+1]<<lo))
			}
			if odd == 1 {
				n.before, n.beforeMask = nib[0]<<lo, 0xf<<lo
			}
			if i < len(nib) {
				n.after, n.afterMask = nib[i]<<hi, 0xf<<hi
			}
			h.add(n)
		}
	}
}

// voice adds pieces of audio, given in A-law, in the codings of ITU-T G.711 and linear.
func (h *hunter) voice(what string, alaw []byte) {
	const piece, step = 24, 400
	for at := 0; at+piece <= len(alaw); at += step {
		var a, inverted, mu, le, be []byte
		for _, b := range alaw[at : at+piece] {
			s := g711.ALaw.Decode(b)
			a, inverted, mu = append(a, b), append(inverted, b^0x55), append(mu, g711.MuLaw.Encode(s))
			le, be = binary.LittleEndian.AppendUint16(le, uint16(s)), binary.BigEndian.AppendUint16(be, uint16(s))
		}
		for form, b := range map[string][]byte{"A-law": a, "A-law, bits even": inverted, "µ-law": mu, "linear LE": le, "linear BE": be} {
			h.add(needle{what: what, form: form, b: b, before: -1, after: -1})
		}
	}
}

// hashes adds every hash of a number that anybody might take for its index: plain, and under every key.
func (h *hunter) hashes(what string, keys []key, forms ...string) {
	put := func(how string, sum []byte) {
		for _, d := range [][]byte{sum[:8], sum[len(sum)-8:]} {
			h.digests[[8]byte(d)] = what + " hash " + how
			i := int(d[0])<<16 | int(d[1])<<8 | int(d[2])
			h.digest3[i/64] |= 1 << (i % 64)
		}
	}
	hashes := map[string]func() hash.Hash{"MD5": md5.New, "SHA-1": sha1.New, "SHA-224": sha256.New224, "SHA-256": sha256.New, "SHA-384": sha512.New384, "SHA-512": sha512.New,
		"SHA-512/256": sha512.New512_256, "FNV-1": func() hash.Hash { return fnv.New64() }, "FNV-1a": func() hash.Hash { return fnv.New64a() },
		"FNV-1 128": fnv.New128, "FNV-1a 128": fnv.New128a,
		"CRC-64 ISO": func() hash.Hash { return crc64.New(crc64.MakeTable(crc64.ISO)) }, "CRC-64 ECMA": func() hash.Hash { return crc64.New(crc64.MakeTable(crc64.ECMA)) }}
	for _, s := range forms {
		for _, t := range []string{s, "N" + s, "number " + s, s + "\x00", s + "\n"} {
			for name, n := range hashes {
				d := n()
				d.Write([]byte(t))
				put(name, d.Sum(nil))
			}
			for _, k := range keys {
				for name, n := range map[string]func() hash.Hash{"HMAC-MD5": md5.New, "HMAC-SHA-1": sha1.New, "HMAC-SHA-256": sha256.New, "HMAC-SHA-512": sha512.New} {
					d := hmac.New(n, k[:])
					d.Write([]byte(t))
					put(name, d.Sum(nil))
				}
				d := sha256.New()
				d.Write(k[:])
				d.Write([]byte(t))
				put("SHA-256 of key and number", d.Sum(nil))
			}
		}
		for _, k := range keys {
			for _, label := range []string{"", "sotto ", "sotto number 1", "sotto line 1", "sotto subject 1", "sotto key id 1", "sotto tag 1", "sotto N"} {
				put("HKDF "+label, expand(k, label+s, 32))
			}
		}
	}
}

// look calls found for every needle in b.
func (h *hunter) look(b []byte, found func(what, form string)) {
	for i := 0; i+1 < len(b); i++ {
		if !h.first[int(b[i])<<8|int(b[i+1])] {
			continue
		}
		for _, n := range h.byFirst[[2]byte(b[i:])] {
			n := &h.needles[n]
			if !bytes.HasPrefix(b[i:], n.b) {
				continue
			}
			end := i + len(n.b)
			if n.before >= 0 && (i == 0 || b[i-1]&n.beforeMask != byte(n.before)) || n.after >= 0 && (end == len(b) || b[end]&n.afterMask != byte(n.after)) {
				continue
			}
			found(n.what, n.form)
		}
	}
}

// lookHashes calls found for every digest in b.
func (h *hunter) lookHashes(b []byte, found func(what, form string)) {
	for i := 0; i+8 <= len(b); i++ {
		if p := int(b[i])<<16 | int(b[i+1])<<8 | int(b[i+2]); h.digest3[p/64]>>(p%64)&1 != 0 {
			if d, ok := h.digests[[8]byte(b[i:])]; ok {
				found(d, "raw")
			}
		}
	}
}

// TestHunter plants everything among noise, and finds it.
func TestHunter(t *testing.T) {
	h := newHunter()
	h.text("name", "Öllinger-Groß")
	h.number("number", "+498999998042")
	h.voice("voice", noise(2000, 3))
	keys := []key{{1}, {2}}
	h.hashes("number", keys, "+498999998042")
	quiet := noise(1<<20, 4)
	lookFor := func(b []byte) (got []string) {
		f := func(what, form string) { got = append(got, what+" "+form) }
		h.look(b, f)
		h.lookHashes(b, f)
		return got
	}
	if got := lookFor(quiet); got != nil {
		t.Fatalf("found %v in noise", got)
	}
	plant := func(b []byte) []byte {
		c := slices.Clone(quiet[:1<<12])
		copy(c[777:], b)
		return c
	}
	for _, n := range h.needles {
		b := plant(n.b)
		if n.before >= 0 {
			b[776] = byte(n.before)
		}
		if n.after >= 0 {
			b[777+len(n.b)] = byte(n.after)
		}
		if got := lookFor(b); !slices.Contains(got, n.what+" "+n.form) {
			t.Errorf("%s as %s was planted and not found: %v", n.what, n.form, got)
		}
	}
	// What others write, not by the code above.
	for _, b := range [][]byte{
		[]byte(`{"n":"\u00d6llinger-Gro\u00df"}`), []byte("QW5uYSDDlmxsaW5nZXItR3Jvw58sIEJlcmxpbg=="), {0x94, 0x98, 0x99, 0x99, 0x08, 0x24}, {0xf4, 0x98, 0x99, 0x99, 0x98, 0x04, 0x2f}, {0x4f, 0x89, 0x99, 0x99, 0x89, 0x40, 0xf2},
		mac(key{2}, "+498999998042"), mac(key{2}, "+498999998042")[:8],
	} {
		if got := lookFor(plant(b)); len(got) == 0 {
			t.Errorf("%q was planted and not found", b)
		}
	}
}

func mac(k key, s string) []byte {
	m := hmac.New(sha256.New, k[:])
	m.Write([]byte(s))
	return m.Sum(nil)
}
