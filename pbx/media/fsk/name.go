package fsk

import (
	"slices"
	"strings"
	"unicode"
)

// cleanName gives what displays can show of a name: at most 15 characters of ASCII, no
// control characters, single spaces. Letters with marks become one or two without
// (ä ae, ß ss, é e); a brace, bracket or backslash, whose places national variants of
// the code give to letters (ISO/IEC 646), becomes what looks like it; all else becomes a
// question mark. A name of which no letter or digit is left is none.
func cleanName(name string) string {
	name = name[:min(len(name), maxNameBytes)]
	out := make([]byte, 0, maxName+2)
	var last rune // the base letter that a combining mark may belong to
	for _, r := range name {
		if len(out) > maxName {
			break
		}
		switch {
		case unicode.Is(unicode.Mn, r):
			if r == 0x0308 && strings.ContainsRune("aouAOU", last) {
				out = append(out, 'e')
			}
			last = 0
			continue
		case unicode.Is(unicode.Cf, r): // invisible: joiners, direction marks
			continue
		case unicode.IsSpace(r):
			if n := len(out); n > 0 && out[n-1] != ' ' {
				out = append(out, ' ')
			}
		case unicode.IsControl(r):
			continue
		default:
			out = append(out, letters(r)...)
		}
		last = r
	}
	out = out[:min(len(out), maxName)]
	if !slices.ContainsFunc(out, isLetterOrDigit) {
		return ""
	}
	s := string(out)
	if strings.ToUpper(name) == name { // MÜLLER is not MUeLLER
		s = strings.ToUpper(s)
	}
	return strings.TrimRight(s, " ")
}

// maxNameBytes bounds the work on a name.
const maxNameBytes = 256

func isLetterOrDigit(c byte) bool {
	return '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}

// letters gives the ASCII of one printable character, never empty.
func letters(r rune) string {
	if r > ' ' && r < 0x7F && !strings.ContainsRune(`[\]^{|}~`+"`", r) {
		return string(r)
	}
	if s, ok := plain[r]; ok {
		return s
	}
	return "?"
}

// plain is built from rows of a plain text and the characters that it replaces.
var plain = func() map[rune]string {
	m := map[rune]string{}
	for _, row := range [...][2]string{
		{"ae", "äæ"}, {"oe", "öøœ"}, {"ue", "ü"}, {"ss", "ß"}, {"Ae", "ÄÆ"}, {"Oe", "ÖØŒ"}, {"Ue", "Ü"}, {"SS", "ẞ"},
		{"A", "ÀÁÂÃÅĀĂĄǍ"}, {"a", "àáâãåāăąǎª"}, {"B", "Ḃ"}, {"b", "ḃ"},
		{"C", "ÇĆĈĊČ"}, {"c", "çćĉċč"}, {"D", "ĎĐÐ"}, {"d", "ďđð"},
		{"E", "ÈÉÊËĒĔĖĘĚẼ"}, {"e", "èéêëēĕėęěẽ"}, {"G", "ĜĞĠĢǦ"}, {"g", "ĝğġģǧ"},
		{"H", "ĤĦ"}, {"h", "ĥħ"}, {"I", "ÌÍÎÏĨĪĬĮİǏ"}, {"i", "ìíîïĩīĭįıǐ"}, {"IJ", "Ĳ"}, {"ij", "ĳ"},
		{"J", "Ĵ"}, {"j", "ĵ"}, {"K", "ĶǨ"}, {"k", "ķĸǩ"}, {"L", "ĹĻĽĿŁ"}, {"l", "ĺļľŀł"},
		{"N", "ÑŃŅŇŊ"}, {"n", "ñńņňŋŉ"}, {"O", "ÒÓÔÕŌŎŐǑ"}, {"o", "òóôõōŏőǒº"},
		{"R", "ŔŖŘ"}, {"r", "ŕŗř"}, {"S", "ŚŜŞŠȘ"}, {"s", "śŝşšșſ"}, {"T", "ŢŤŦȚ"}, {"t", "ţťŧț"},
		{"Th", "Þ"}, {"th", "þ"}, {"U", "ÙÚÛŨŪŬŮŰŲǓ"}, {"u", "ùúûũūŭůűųǔ"}, {"W", "ŴẀẂẄ"}, {"w", "ŵẁẃẅ"},
		{"Y", "ÝŶŸỲ"}, {"y", "ýŷÿỳ"}, {"Z", "ŹŻŽ"}, {"z", "źżž"},
		{"'", "`´‘’‚‛ʼ"}, {"\"", "“”„‟«»"}, {"-", "~‐‑‒–—―−"}, {"(", "[{"}, {")", "]}"}, {"/", "\\|¦"},
		{".", "·•…"}, {"1", "¹"}, {"2", "²"}, {"3", "³"},
	} {
		for _, r := range row[1] {
			m[r] = row[0]
		}
	}
	return m
}()
