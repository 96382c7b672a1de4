package main

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"html"
	"io"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// level is how much of a mark somebody sees.
type level uint8

const (
	nothing level = iota
	front         // of a number: all but the last digits
	whole
	either // it does not matter
)

func (l level) String() string {
	return [...]string{"nothing", "all but the last digits", "the whole", "anything"}[l]
}

// mark is a text or a number that stands nowhere else, so that whoever finds it has found whose it is.
type mark struct {
	id   string
	text string // a name, or another text
	num  string // a number outside, as it is dialled within the country
}

// cutDigits is how many digits are cut off in the scenario.
const cutDigits = 4

// nameForms gives a name, and each longer word of it alone, as it may be written: composed,
// decomposed, without umlauts, in the letters of telegrams, in Latin-1. All are in lower case.
func nameForms(name string) (l []string) {
	name = strings.ToLower(name)
	words := []string{name}
	for w := range strings.FieldsSeq(name) {
		if len(w) > 6 {
			words = append(words, w)
		}
	}
	for _, w := range words {
		latin1 := make([]byte, 0, len(w))
		for _, r := range w {
			latin1 = append(latin1, byte(r))
		}
		l = append(l, w, string(latin1),
			strings.NewReplacer("ä", "a\u0308", "ö", "o\u0308", "ü", "u\u0308").Replace(w),
			strings.NewReplacer("ä", "a", "ö", "o", "ü", "u", "ß", "ss").Replace(w),
			strings.NewReplacer("ä", "ae", "ö", "oe", "ü", "ue", "ß", "ss").Replace(w))
	}
	return l
}

// packedDigits gives how machines keep digits: packed decimals in both orders, whichever half of
// a byte they begin in, and integers.
func packedDigits(n string) (l []string) {
	for _, s := range []string{n, n[1:]} {
		var bcd, swapped []byte
		for i := 0; i+1 < len(s); i += 2 {
			hi, lo := s[i]-'0', s[i+1]-'0'
			bcd, swapped = append(bcd, hi<<4|lo), append(swapped, lo<<4|hi)
		}
		l = append(l, string(bcd), string(swapped))
	}
	v, _ := strconv.ParseUint(n, 10, 64)
	return append(l, string(binary.BigEndian.AppendUint64(nil, v)[2:]), string(binary.LittleEndian.AppendUint64(nil, v)[:6]))
}

// searcher finds marks.
type searcher struct {
	words  needles // names, and last digits that stand alone
	digits needles // in texts without what stands between digits
	packed needles // in files

	known map[string]map[*mark]level // what was found, by what it was found in
}

// newSearcher makes one. Numbers are looked for from behind the digit for national calls, and
// without area code: so they are found in all ways to write them.
func newSearcher(marks map[string]*mark) *searcher {
	s := &searcher{known: map[string]map[*mark]level{}}
	for _, m := range marks {
		if m.num == "" {
			for _, f := range nameForms(m.text) {
				s.words.add(needle{m, f, whole, false})
			}
			continue
		}
		n := len(m.num) - cutDigits
		s.words.add(needle{m, m.num[n:], whole, true})
		s.words.add(needle{m, m.num[n-2:], whole, true})
		s.digits.add(needle{m, m.num[1 : n+1], whole, false}) // more than a mask shows
		s.digits.add(needle{m, m.num[3 : n+1], whole, false})
		s.digits.add(needle{m, m.num[3:], whole, false})
		s.digits.add(needle{m, m.num[1:n], front, false})
		for _, f := range append(packedDigits(m.num[1:]), packedDigits(m.num)...) {
			s.packed.add(needle{m, f, whole, false})
		}
	}
	return s
}

// needle is one form of a mark.
type needle struct {
	m     *mark
	form  string
	shows level
	alone bool // it is not found within a word or a number
}

// needles are looked for all at once: by the first four bytes.
type needles struct {
	maybe [1 << 16]bool
	begin map[string][]needle
}

func hash4(s string) uint16 {
	return uint16((uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24) * 2654435761 >> 16)
}

func (l *needles) add(n needle) {
	if l.begin == nil {
		l.begin = map[string][]needle{}
	}
	l.maybe[hash4(n.form)] = true
	l.begin[n.form[:4]] = append(l.begin[n.form[:4]], n)
}

func (l *needles) in(text string, found map[*mark]level) {
	for i := 0; i+4 <= len(text); i++ {
		if !l.maybe[hash4(text[i:])] {
			continue
		}
		for _, n := range l.begin[text[i:i+4]] {
			if strings.HasPrefix(text[i:], n.form) && !(n.alone && (inWord(text[:i], true) || inWord(text[i+len(n.form):], false))) {
				found[n.m] = max(found[n.m], n.shows)
			}
		}
	}
}

// inWord tells whether s goes on into a word or a number at its end, or at its beginning.
func inWord(s string, end bool) bool {
	if s == "" {
		return false
	}
	c := s[0]
	if end {
		c = s[len(s)-1]
	}
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte("+/_=.:#-", c) >= 0
}

// doc is what somebody got from somewhere.
type doc struct {
	from  string
	raw   []byte
	file  bool            // of the box: packed forms are looked for, too
	typed map[string]bool // marks that who got it knew before

	found map[*mark]level // nil: not looked for yet
}

var (
	uEscape   = regexp.MustCompile(`\\u[0-9a-fA-F]{4}`)
	pEscape   = regexp.MustCompile(`%[0-9a-fA-F]{2}`)
	auditLink = regexp.MustCompile(`\b[0-9a-f]{4} ?(?:…|\.\.\.) ?[0-9a-f]{4}\b`) // of a line of the audit trail: no telephone has such a number
	base64s   = signs("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_")
	hexs      = signs("0123456789abcdefABCDEF")
	digits    = signs("0123456789")
	between   = signs(" -/().\u00a0\u2009\u202f\u200b\u2060") // by their bytes: what people write between digits, and what browsers do
	zipMagic  = "PK\x03\x04"
)

// docsOf gives what was got, and what is packed in it.
func docsOf(from string, raw []byte, file bool) (l []*doc) {
	l = append(l, &doc{from: from, raw: raw, file: file})
	if !strings.HasPrefix(string(raw), zipMagic) {
		return l
	}
	z, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		return l
	}
	for _, f := range z.File {
		if r, err := f.Open(); err == nil {
			b, _ := io.ReadAll(r)
			l = append(l, docsOf(from+": "+f.Name, b, file)...)
		}
	}
	return l
}

// look finds all marks in d: in the text as it is, unescaped, decoded from what looks like base64
// or hex, and without the zeros of UTF-16.
func (s *searcher) look(d *doc) {
	d.found = map[*mark]level{}
	text := string(d.raw)
	all := []string{text}
	if !d.file {
		for next := unescaped(text); next != all[len(all)-1] && len(all) < 4; next = unescaped(next) { // what is escaped in an escape
			all = append(all, next)
		}
	}
	for _, x := range all {
		if !d.file {
			x = auditLink.ReplaceAllString(x, "")
		}
		s.words.in(lower(x), d.found)
		s.digits.in(tight(x), d.found)
		if !d.file {
			s.digits.in(tight(withoutMarkup(x)), d.found)
		}
	}
	var rest []string
	if strings.Contains(text, "\x00") {
		rest = append(rest, strings.ReplaceAll(text, "\x00", ""))
	}
	for _, x := range piecesOf(text, base64s, 14) {
		x = strings.NewReplacer("-", "+", "_", "/").Replace(x)
		for from := range 4 { // it may begin within a word
			b, _ := base64.RawStdEncoding.DecodeString(x[from : from+(len(x)-from)/4*4])
			rest = append(rest, string(b))
		}
	}
	for _, x := range piecesOf(text, hexs, 14) {
		for from := range 2 {
			b, _ := hex.DecodeString(x[from : from+(len(x)-from)/2*2])
			rest = append(rest, string(b))
		}
	}
	for _, x := range rest {
		s.words.in(lower(x), d.found)
		s.digits.in(x, d.found)
	}
	if d.file {
		s.packed.in(text, d.found)
	}
}

func signs(s string) (l [256]bool) {
	for i := range len(s) {
		l[s[i]] = true
	}
	return l
}

// piecesOf gives the longest pieces of a text that are of some signs alone, and have n at least.
func piecesOf(text string, of [256]bool, n int) (l []string) {
	from := 0
	for i := range len(text) + 1 {
		if i < len(text) && of[text[i]] {
			continue
		}
		if i-from >= n {
			l = append(l, text[from:i])
		}
		from = i + 1
	}
	return l
}

func withoutMarkup(s string) string {
	b := make([]byte, 0, len(s))
	for s != "" {
		from := strings.IndexByte(s, '<')
		n := strings.IndexByte(s[max(from, 0):], '>')
		if from < 0 || n < 0 {
			break
		}
		b = append(b, s[:from]...)
		s = s[from+n+1:]
	}
	return string(append(b, s...))
}

// unescaped takes off one layer of escapes of JSON, HTML and addresses.
func unescaped(s string) string {
	s = uEscape.ReplaceAllStringFunc(s, func(e string) string {
		n, _ := strconv.ParseUint(e[2:], 16, 16)
		return string(rune(n))
	})
	s = strings.ReplaceAll(html.UnescapeString(s), `\"`, `"`)
	return pEscape.ReplaceAllStringFunc(s, func(e string) string {
		n, _ := strconv.ParseUint(e[1:], 16, 8)
		return string([]byte{byte(n)})
	})
}

// lower is strings.ToLower that leaves alone what is no UTF-8.
func lower(s string) string {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			b = append(b, s[i])
		} else {
			b = utf8.AppendRune(b, unicode.ToLower(r))
		}
		i += n
	}
	return string(b)
}

// tight gives a text without what stands between digits.
func tight(s string) string {
	b := make([]byte, 0, len(s))
	last := 0 // how long b was behind the last digit
	for i := range len(s) {
		switch c := s[i]; {
		case digits[c]:
			if last > 0 {
				b = b[:last]
			}
			b = append(b, c)
			last = len(b)
		case between[c]:
			b = append(b, c)
		default:
			b = append(b, c)
			last = 0
		}
	}
	return string(b)
}

// sees gives how much of m stands in d.
func (s *searcher) sees(d *doc, m *mark) level {
	if d.found == nil {
		key := fmt.Sprint(d.file, sha256.Sum256(d.raw))
		if d.found = s.known[key]; d.found == nil {
			s.look(d)
			s.known[key] = d.found
		}
	}
	return d.found[m]
}

// TestMarks plants marks in all ways, and finds each: a search that finds nothing proves nothing.
func TestMarks(t *testing.T) {
	name, num := &mark{text: "Jörglinde Überquast"}, &mark{num: "0305211020413"}
	search := newSearcher(map[string]*mark{"name": name, "number": num})
	enc16 := func(s string) string {
		var b []byte
		for _, u := range utf16.Encode([]rune(s)) {
			b = binary.LittleEndian.AppendUint16(b, u)
		}
		return string(b)
	}
	for _, c := range []struct {
		m    *mark
		text string
		want level
		raw  bool
	}{
		{name, "<td>Jörglinde &#220;berquast</td>", whole, false},
		{name, "JÖRGLINDE", whole, false},
		{name, "u=J%C3%B6rglinde%20%C3%9Cberquast", whole, false},
		{name, "u=%25C3%259Cberquast", whole, false},
		{name, `{"n":"J\u00f6rglinde"}`, whole, false},
		{name, `{"html":"\u0026Uuml;berquast"}`, whole, false},
		{name, "Ueberquast", whole, false},
		{name, "U\u0308berquast", whole, false},
		{name, "J\xf6rglinde", whole, true},
		{name, "x" + base64.StdEncoding.EncodeToString([]byte("abJörglinde Überquast")), whole, false},
		{name, "\x01" + enc16("jörglinde überquast"), whole, true},
		{name, "Jörg, Quast, linde", nothing, false},
		{num, "0305211020413", whole, false},
		{num, "+49 (30) 5211 02-0413", whole, false},
		{num, "0049305211020413", whole, false},
		{num, "<span>030 5211</span><span>020413</span>", whole, false},
		{num, "5211020413", whole, false},
		{num, "0305211<b>02…</b>", front, false},
		{num, "030521102", front, false},
		{num, "03052110204", whole, false},
		{num, "03052110…", nothing, false},
		{num, "…0413", whole, false},
		{num, "ends in 020413.", nothing, false},
		{num, "ends in 020413", whole, false},
		{num, "a0413b 20413 0413x x.0413 12:0413", nothing, false},
		{num, `"MDMwNTIxMTAyMDQxMw=="`, whole, false},
		{num, "\x03\x05\x21\x10\x20\x41\x30", whole, true},
		{num, "\x30\x50\x12\x01\x02\x14\x03", whole, true},
		{num, "\x50\x12\x01\x02\x14\x03", whole, true},
		{num, string(binary.BigEndian.AppendUint64(nil, 305211020413)), whole, true},
		{num, enc16("0305211020413"), whole, true},
		{num, "305211", nothing, true},
		{num, "link <td>0413…98ab</td>, 98ab…0413", nothing, false},
		{num, "0305211…0413", whole, false},
		{num, "030 5 2 1-1 0 2 04 13", whole, false},
	} {
		if got := search.sees(docsOf("", []byte(c.text), c.raw)[0], c.m); got != c.want {
			t.Errorf("%q: %v, wanted %v", c.text, got, c.want)
		}
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, _ := z.Create("page.html")
	fmt.Fprint(w, "030 5211 020413")
	z.Close()
	if d := docsOf("", b.Bytes(), false); len(d) != 2 || search.sees(d[1], num) != whole {
		t.Error("not found in an archive")
	}
}
