package papers

import (
	"embed"
	"encoding/json"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// A language is a file of sentences, lang/en.json. Another one is another file with the same
// keys and the same {places} in each; a test holds them in step.

//go:embed lang/*.json
var files embed.FS

var languages = func() map[string]map[string]string {
	m := map[string]map[string]string{}
	list, err := files.ReadDir("lang")
	if err != nil {
		panic(err) // a test opens what is built in, so it never happens in the field
	}
	for _, f := range list {
		b, err := files.ReadFile(path.Join("lang", f.Name()))
		if err != nil {
			panic(err)
		}
		var w map[string]string
		if err := json.Unmarshal(b, &w); err != nil {
			panic(f.Name() + ": " + err.Error())
		}
		m[strings.TrimSuffix(f.Name(), ".json")] = w
	}
	return m
}()

// Languages gives the codes (BCP 47) of the languages that there are papers in, in order:
// "de", "en".
func Languages() []string { return slices.Sorted(maps.Keys(languages)) }

// A blank stands between these two signs, which no text from outside can hold: see clean.
const (
	blankBegins = "\x01"
	blankEnds   = "\x02"
)

// say gives a sentence with its {places} filled: name, value, name, value. What a value holds
// is not looked at again.
func (w *writer) say(key string, places ...string) string {
	text, ok := w.words[key]
	if !ok {
		w.missing = key
	}
	for i := 0; i < len(places); i += 2 {
		places[i] = "{" + places[i] + "}"
	}
	return strings.NewReplacer(places...).Replace(text)
}

// blank gives the mark of something that the office has to fill in.
func (w *writer) blank(key string) string {
	return blankBegins + w.say("blank", "what", w.say("blank."+key)) + blankEnds
}

// orBlank gives a text from outside, or the mark if there is none.
func (w *writer) orBlank(text, key string) string {
	if text = clean(text); text != "" {
		return text
	}
	return w.blank(key)
}

// count gives "1 day", "2 days".
func (w *writer) count(n int, one, many string) string {
	if n == 1 {
		return w.say(one)
	}
	return w.say(many, "n", strconv.Itoa(n))
}

func (w *writer) days(n int) string { return w.count(n, "day", "days") }

// date gives a date in UTC.
func (w *writer) date(t time.Time) string {
	t = t.UTC()
	months := strings.Split(w.say("months"), ",")
	return w.say("date", "day", strconv.Itoa(t.Day()), "month", months[(int(t.Month())-1)%len(months)], "year", strconv.Itoa(t.Year()))
}

// list joins "a, b and c".
func (w *writer) list(l []string) string {
	if len(l) < 2 {
		return strings.Join(l, "")
	}
	return strings.Join(l[:len(l)-1], ", ") + " " + w.say("and") + " " + l[len(l)-1]
}

// maxText is how many characters of a text from outside a paper takes.
const maxText = 200

// clean makes one line of a text from outside: white space becomes one space each, and signs
// that are not to be seen (controls, turns of the direction of writing) are left out.
func clean(s string) string {
	var b strings.Builder
	n := 0
	for _, word := range strings.Fields(s[:min(len(s), 8*maxText)]) {
		if n > 0 {
			b.WriteByte(' ')
			n++
		}
		for _, r := range word {
			if !unicode.IsPrint(r) {
				continue
			}
			if n == maxText {
				return b.String() + "…"
			}
			b.WriteRune(r)
			n++
		}
	}
	return strings.TrimSpace(b.String())
}
