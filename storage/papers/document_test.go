package papers

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

var (
	tag   = regexp.MustCompile(`<(/?)([a-z0-9]+)((?: [^>]*)?)>`)
	scope = regexp.MustCompile(`^ scope="(row|col)"$`)
)

// TestHTMLIsSound holds the pages against what a browser, a printer and a screen reader need.
func TestHTMLIsSound(t *testing.T) {
	for _, k := range []Kind{Record, Notice} {
		for _, lang := range Languages() {
			var b bytes.Buffer
			if err := HTML(&b, k, lang, full()); err != nil {
				t.Fatal(err)
			}
			s := b.String()
			if !strings.HasPrefix(s, "<!doctype html>\n<html lang=\""+lang+"\">") || !strings.Contains(s, "size:A4") {
				t.Errorf("%s, %s: begins %.60q", k, lang, s)
			}
			for _, bad := range []string{"<script", "src=", "href=", "url(", "@import", "://", "onload", blankBegins, blankEnds, "{", "ZgotmplZ"} {
				if i := strings.Index(s, bad); i >= 0 && !(bad == "{" && i < strings.Index(s, "</style>")) {
					t.Errorf("%s, %s: has %q", k, lang, bad)
				}
			}
			if _, body, _ := strings.Cut(s, "</style>"); strings.ContainsAny(body, "{}") {
				t.Errorf("%s, %s: a place was not filled", k, lang)
			}
			var open []string
			count := map[string]int{}
			for _, m := range tag.FindAllStringSubmatch(s, -1) {
				switch {
				case m[2] == "meta":
				case m[1] == "":
					open = append(open, m[2])
					count[m[2]]++
					if m[2] == "th" && !scope.MatchString(m[3]) {
						t.Errorf("%s, %s: a heading of a table without its scope: %s", k, lang, m[0])
					}
				default:
					if len(open) == 0 || open[len(open)-1] != m[2] {
						t.Fatalf("%s, %s: %s closes %v", k, lang, m[0], open)
					}
					open = open[:len(open)-1]
				}
			}
			if len(open) > 0 || count["h1"] != 1 || count["main"] != 1 || count["title"] != 1 || count["table"] < 3 || count["mark"] < 3 {
				t.Errorf("%s, %s: %v open, %v", k, lang, open, count)
			}
			named := strings.Count(s, "<caption>") + strings.Count(s, "<table aria-labelledby=")
			if named != count["table"] {
				t.Errorf("%s, %s: %d tables, %d with a name", k, lang, count["table"], named)
			}
			for _, m := range regexp.MustCompile(`aria-labelledby="([^"]*)"`).FindAllStringSubmatch(s, -1) {
				if n := strings.Count(s, `id="`+m[1]+`"`); n != 1 {
					t.Errorf("%s, %s: %d things have the id %s", k, lang, n, m[1])
				}
			}
		}
	}
}

// TestHostileTexts: what comes from a plan or a ledger is text and nothing else, and bounded.
func TestHostileTexts(t *testing.T) {
	in := full()
	const evil = "\x01legal basis\x02</td><script>alert(1)</script>\"'\u202e\x00\xff {date} [x]\n\n  b"
	in.Office, in.Controller.Name, in.Authority = evil, evil, strings.Repeat("ä", 100_000)
	in.Recipients = slices.Repeat([]Recipient{{Kind: evil, Name: evil}}, 1000)
	in.Facts.Fields = slices.Repeat([]string{evil}, 1000)
	for _, k := range []Kind{Record, Notice} {
		var b bytes.Buffer
		if err := HTML(&b, k, "en", in); err != nil {
			t.Fatal(err)
		}
		s := b.String()
		for _, bad := range []string{"<script", "<mark>legal basis<", "\u202e", "\x00", "\x01", "\x02"} {
			if strings.Contains(s, bad) {
				t.Errorf("%s: has %q", k, bad)
			}
		}
		if !strings.Contains(s, "legal basis&lt;/td&gt;&lt;script&gt;") || !strings.Contains(s, "{date}") {
			t.Errorf("%s: the text is not shown as it is", k)
		}
		if n := len(s); n > 200_000 {
			t.Errorf("%s: %d bytes", k, n)
		}
		if !utf8.ValidString(s) {
			t.Errorf("%s: not UTF-8", k)
		}
		out := text(t, k, "en", in)
		if !strings.Contains(out, "that are not listed here: 800.") {
			t.Errorf("%s: does not say how many recipients it leaves out", k)
		}
	}
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"": "", " \n ": "", "a": "a", " a\t\nb ": "a b", "a\x01b": "ab", "a\u200bb": "ab",
		strings.Repeat("x", 200): strings.Repeat("x", 200), strings.Repeat("x", 201): strings.Repeat("x", 200) + "…",
	} {
		if got := clean(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestTextHasShortLines(t *testing.T) {
	for _, lang := range Languages() {
		for _, k := range []Kind{Record, Notice} {
			for _, line := range strings.Split(text(t, k, lang, full()), "\n") {
				if n := utf8.RuneCountInString(line); n > width || strings.ContainsAny(line, "{}\x01\x02") || strings.HasSuffix(line, " ") {
					t.Errorf("%s, %s: %d characters: %q", k, lang, n, line)
				}
			}
		}
	}
}
