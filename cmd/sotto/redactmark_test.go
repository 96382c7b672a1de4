package main

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"html"
	"io"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"
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

// The forms in which a mark is looked for. Those of a number begin behind the digit for national
// calls: so they are found in all ways to write it.
func (m *mark) wholeForms() []string {
	if m.num == "" {
		return nameForms(m.text)
	}
	return []string{m.num[1:], m.num[3:]} // with and without the area code
}

// moreForms are those that a mask of the last digits does not show.
func (m *mark) moreForms() []string {
	n := len(m.num) - cutDigits
	return []string{m.num[1 : n+1], m.num[3 : n+1], m.num[n-1:]}
}

func (m *mark) frontForm() string { return m.num[1 : len(m.num)-cutDigits] }

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
	slices.Sort(l)
	return slices.Compact(l)
}

// doc is what somebody got from somewhere, made ready to be searched.
type doc struct {
	from  string
	raw   []byte
	plain []string // unescaped in some ways, in lower case
	tight []string // the same without mark-up, and without what stands between digits
	asRaw bool     // a file of the box: packed forms are looked for, too
}

var (
	uEscape  = regexp.MustCompile(`\\u[0-9a-fA-F]{4}`)
	markup   = regexp.MustCompile(`<[^<>]*>`)
	between  = regexp.MustCompile(`([0-9])[ \-/().\x{a0}\x{2009}\x{202f}\x{200b}\x{2060}]+([0-9])`)
	zipMagic = []byte("PK\x03\x04")
)

// docsOf makes something ready, and what is packed in it.
func docsOf(from string, raw []byte, asRaw bool) (l []*doc) {
	d := &doc{from: from, raw: raw, asRaw: asRaw}
	l = append(l, d)
	if bytes.HasPrefix(raw, zipMagic) {
		z, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
		if err != nil {
			return l
		}
		for _, f := range z.File {
			if r, err := f.Open(); err == nil {
				b, _ := io.ReadAll(r)
				l = append(l, docsOf(from+": "+f.Name, b, asRaw)...)
			}
		}
		return l
	}
	if !asRaw {
		text := string(raw)
		for range 3 { // what is escaped in an escape
			d.plain = append(d.plain, strings.ToLower(text))
			next := unescaped(text)
			if next == text {
				break
			}
			text = next
		}
	}
	for _, s := range d.plain {
		d.tight = append(d.tight, tight(s), tight(markup.ReplaceAllString(s, "")))
	}
	slices.Sort(d.tight)
	d.tight = slices.Compact(d.tight)
	return l
}

// unescaped takes off one layer of escapes of JSON, HTML and addresses.
func unescaped(s string) string {
	s = uEscape.ReplaceAllStringFunc(s, func(e string) string {
		n, _ := strconv.ParseUint(e[2:], 16, 16)
		return string(rune(n))
	})
	s = strings.ReplaceAll(html.UnescapeString(s), `\"`, `"`)
	var b strings.Builder
	for len(s) > 0 { // one after the other: a % may stand for itself
		if p, err := url.PathUnescape(s[:min(3, len(s))]); s[0] == '%' && err == nil {
			b.WriteString(p)
			s = s[3:]
			continue
		}
		b.WriteByte(s[0])
		s = s[1:]
	}
	return b.String()
}

func tight(s string) string {
	s = between.ReplaceAllString(s, "$1$2")
	return between.ReplaceAllString(s, "$1$2") // 1 2 3: two matches share the 2
}

// holds tells whether something stands in d in one of the ways it may be written.
func (d *doc) holds(form string, number bool) bool {
	in := d.plain
	if number {
		in = d.tight
	}
	for _, s := range in {
		if strings.Contains(s, form) {
			return true
		}
	}
	for _, packed := range packedForms(form, number && d.asRaw) {
		if bytes.Contains(d.raw, packed) {
			return true
		}
	}
	return false
}

// packedForms gives form in encodings in which it cannot be read: UTF-16, base64 wherever it may begin, hex.
// digits adds how machines keep numbers: packed decimals in both orders and an integer.
func packedForms(form string, digits bool) (l [][]byte) {
	units := utf16.Encode([]rune(form))
	var be, le []byte
	for _, u := range units {
		be, le = binary.BigEndian.AppendUint16(be, u), binary.LittleEndian.AppendUint16(le, u)
	}
	l = append(l, []byte(form), be[1:], le[:len(le)-1])
	for _, text := range []string{form, titled(form)} {
		l = append(l, []byte(text), []byte(hex.EncodeToString([]byte(text))), []byte(strings.ToUpper(hex.EncodeToString([]byte(text)))))
		for shift := range 3 { // the first and the last sign depend on what is beside it
			padded := append(make([]byte, shift), text...)
			padded = padded[:len(padded)/3*3]
			if from := (shift + 2) / 3 * 4; len(padded)/3*4 > from+6 {
				l = append(l, []byte(base64.StdEncoding.EncodeToString(padded)[from:]), []byte(base64.URLEncoding.EncodeToString(padded)[from:]))
			}
		}
	}
	if !digits {
		return l
	}
	for _, s := range []string{form, form[1:]} { // whichever half of a byte it begins in
		var bcd, swapped []byte
		for i := 0; i+1 < len(s); i += 2 {
			hi, lo := s[i]-'0', s[i+1]-'0'
			bcd, swapped = append(bcd, hi<<4|lo), append(swapped, lo<<4|hi)
		}
		if len(bcd) > 3 {
			l = append(l, bcd, swapped)
		}
	}
	if n, err := strconv.ParseUint(form, 10, 64); err == nil && len(form) >= 10 {
		l = append(l, binary.BigEndian.AppendUint64(nil, n)[2:], binary.LittleEndian.AppendUint64(nil, n)[:6])
	}
	return l
}

// titled gives a name as it is written in most places: words begin with capitals.
func titled(s string) string {
	words := strings.Split(s, " ")
	for i, w := range words {
		for j := range w {
			if j > 0 {
				words[i] = strings.ToUpper(w[:j]) + w[j:]
				break
			}
		}
	}
	return strings.Join(words, " ")
}

// last tells whether the last digits of a number stand in d alone. All begin with a 0, as
// neither a count nor a port does; what is longer is found as a piece of the number.
func (d *doc) last(m *mark) bool {
	for _, n := range []int{cutDigits, cutDigits + 2} {
		tail := m.num[len(m.num)-n:]
		for _, s := range d.plain {
			for at := 0; ; {
				i := strings.Index(s[at:], tail)
				if i < 0 {
					break
				}
				i += at
				if !inWord(s[:i], true) && !inWord(s[i+n:], false) {
					return true
				}
				at = i + 1
			}
		}
	}
	return false
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
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || strings.IndexByte("+/_=.:#-", c) >= 0
}

// sees gives how much of m stands in d.
func (d *doc) sees(m *mark) level {
	for _, f := range m.wholeForms() {
		if d.holds(f, m.num != "") {
			return whole
		}
	}
	if m.num == "" {
		return nothing
	}
	for _, f := range m.moreForms() {
		if len(f) > 6 && d.holds(f, true) {
			return whole
		}
	}
	switch {
	case d.last(m):
		return whole
	case d.holds(m.frontForm(), true):
		return front
	}
	return nothing
}

// TestMarks plants marks in all ways, and finds each: a search that finds nothing proves nothing.
func TestMarks(t *testing.T) {
	name, num := &mark{text: "Jörglinde Überquast"}, &mark{num: "0305211020413"}
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
	} {
		if got := docsOf("", []byte(c.text), c.raw)[0].sees(c.m); got != c.want {
			t.Errorf("%q: %v, wanted %v", c.text, got, c.want)
		}
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, _ := z.Create("page.html")
	fmt.Fprint(w, "030 5211 020413")
	z.Close()
	if d := docsOf("", b.Bytes(), false); len(d) != 2 || d[1].sees(num) != whole {
		t.Error("not found in an archive")
	}
}
