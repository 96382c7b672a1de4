package plan

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestFiles parses the plans of testdata. Beside each stands a .want file: comments, and
// the problems that are to be told, none for a good plan; an ellipsis is any list.
func TestFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			b, err := os.ReadFile(strings.TrimSuffix(name, ".json") + ".want")
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			for line := range strings.Lines(string(b)) {
				if !strings.HasPrefix(line, "#") {
					want = append(want, strings.TrimSpace(line))
				}
			}
			p, err := Parse(data)
			same := func(got, want string) bool {
				begin, cut := strings.CutSuffix(want, " …") // and the list of what is known
				return got == want || cut && strings.HasPrefix(got, begin)
			}
			if got := told(err); !slices.EqualFunc(got, want, same) {
				t.Errorf("told:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			if err != nil && !reflect.DeepEqual(p, Plan{}) {
				t.Error("there is a plan beside the error")
			}
			if err == nil && p.Office == "" {
				t.Error("neither plan nor error")
			}
		})
	}
}

// told gives the problems of err, a line each.
func told(err error) []string {
	if err == nil {
		return nil
	}
	l, ok := errors.AsType[Problems](err)
	if !ok || len(l) == 0 {
		return []string{"not Problems: " + err.Error()}
	}
	var s []string
	for _, p := range l {
		s = append(s, p.String())
	}
	return s
}

func TestParseFull(t *testing.T) {
	data, err := os.ReadFile("testdata/full.json")
	if err != nil {
		t.Fatal(err)
	}
	got, err := Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	want := Plan{Office: "Praxis Dr. Öztürk", Country: "DE", OutsidePrefix: "0", PrivatePrefix: "*67", AreaCode: "30", RingSeconds: 45, Emergency: []string{"19222", "112"},
		CodePrefix: "*71", Codes: []Code{{"Mandat 12/26", "1226"}, {"Eigenes", "0"}}, Fields: []Field{Mobile, Place, Department, Email},
		Users: []User{
			{ID: "u1", Name: "Empfang", Ext: "10", Ports: []string{"FXS 1", "FXS 2"}},
			{ID: "u2", Name: "Labor", Ext: "101", Ports: []string{"FXS 3"}},
			{Name: "Labor", Ext: "2", SIP: true, Protected: true, ShowOnly: true, ReverseOnAnswer: true,
				Place: "Keller", Department: "Labor", Email: "labor@praxis.example", Mobile: "+49 170 1234567"},
			{Name: "Anna Zwetschgenbaum", Ext: "84062199", Ports: []string{}},
		},
		Lines: []Line{{Name: "Amt 1", Port: "FXO 1", Rings: []Ext{"10", "2"}, Reversal: true, ShowOnly: true, Break: 120}, {Name: "Amt 2", Port: "FXO 2", Pulse: true}},
		Rules: []Rule{
			{Name: "Ausland", Prefix: "00", Lines: []string{"Amt 2", "Amt 1"}},
			{Name: "Ort", Prefix: "3", Digits: 7, Strip: 1, Prepend: "030"},
			{Name: "0900", Prefix: "0900", Forbid: true},
			{Name: "Rest"},
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// TestEditors parses what cannot be seen in a file: how editors save it.
func TestEditors(t *testing.T) {
	const good = "{\n \"office\": \"Büro\",\n \"country\": \"DE\"\n}\n"
	utf16 := func(s string, big bool) string {
		out := []byte{0xff, 0xfe}
		if big {
			out = []byte{0xfe, 0xff}
		}
		for _, r := range s {
			if hi, lo := byte(r>>8), byte(r); big {
				out = append(out, hi, lo)
			} else {
				out = append(out, lo, hi)
			}
		}
		return string(out)
	}
	const (
		unicode = "line 1: the file is not UTF-8 text, it looks like UTF-16 (\"Unicode\"): save it as UTF-8"
		empty   = "line 1: the file is empty"
	)
	for _, c := range []struct{ name, data, want string }{
		{"plain", good, ""},
		{"byte order mark", "\ufeff" + good, ""},
		{"Windows line ends", strings.ReplaceAll(good, "\n", "\r\n"), ""},
		{"both", "\ufeff" + strings.ReplaceAll(good, "\n", "\r\n"), ""},
		{"Windows line ends and a mistake", "{\r\n\"office\": \"x\",\r\n\"country\": \"D\r\n", "line 3: a text is not closed by a double quote on its line, or holds a \\ that must be doubled"},
		{"Latin-1", strings.ReplaceAll(good, "ü", "\xfc"), "line 2: a letter here is not UTF-8 (\"ANSI\" or Latin-1?): save the file as UTF-8"},
		{"UTF-16", utf16(good, false), unicode},
		{"UTF-16, big end first", utf16(good, true), unicode},
		{"UTF-16 without a mark", utf16(good, true)[2:], unicode},
		{"nothing", "", empty},
		{"white", "\r\n \t\n", "line 3: the file is empty"},
		{"byte order mark alone", "\ufeff", empty},
		{"too large", good + strings.Repeat(" ", MaxSize), "line 1: the file is larger than 1 MiB"},
		{"as large as may be", good + strings.Repeat(" ", MaxSize-len(good)), ""},
		{"too deep", strings.Repeat("[", MaxSize), "line 1: brackets stand too deep in one another"},
		{"other brackets too deep", strings.Repeat(`{"a":`, MaxSize/8), "line 1: brackets stand too deep in one another"},
		{"two commas", `{"office": "x",, "country": "DE"}`, "line 1: a comma stands where it does not belong: two in a row, or something is missing before it"},
		{"no colon", `{"office" "x"}`, "line 1: a comma or colon is missing before this"},
		{"equals sign", `{"office" = "x"}`, "line 1: a name and its value stand apart by one colon, and only in curly brackets"},
		{"no value", `{"office": }`, "line 1: a closing bracket stands where it does not belong: one too many, a wrong one, or something is missing before it"},
		{"block comment", "/* plan */ {}", "line 1: JSON has no comments: take this out"},
		{"hash", "# plan\n{}", "line 1: JSON has no comments: take this out"},
		{"single quotes", "{'office': 'x'}", "line 1: text must stand in straight double quotes"},
		{"tab in text", "{\"office\": \"a\tb\"}", "line 1: a text is not closed by a double quote on its line, or holds a \\ that must be doubled"},
		{"no comma between users", "{\"users\": [{}\n{}]}", "line 2: a comma or colon is missing before this bracket"},
		{"larger than an int", `{"office": "x", "country": "DE", "ring_seconds": 18446744073709551676}`, "line 1: ring_seconds: must be a whole number without quotes"},
		{"broken number", `{"office": "x", "country": "DE", "ring_seconds": 6.5e1}`, "line 1: ring_seconds: must be a whole number without quotes"},
	} {
		want := []string{c.want}
		if c.want == "" {
			want = nil
		}
		if _, err := Parse([]byte(c.data)); !slices.Equal(told(err), want) {
			t.Errorf("%s: told %q, want %q", c.name, told(err), want)
		}
	}
}

// TestLargeNumber: on a 32-bit processor it must not wrap round to a good one.
func TestLargeNumber(t *testing.T) {
	if _, err := Parse([]byte(`{"office": "x", "country": "DE", "ring_seconds": 4294967356}`)); len(told(err)) != 1 {
		t.Errorf("told %q, want one problem", told(err))
	}
}

// TestParseIsBounded gives Parse files that cost much for their size: it is to come to
// an end, and to say no more than a person reads.
func TestParseIsBounded(t *testing.T) {
	fill := func(before, each, after string) string {
		return before + strings.TrimSuffix(strings.Repeat(each, (MaxSize-len(before)-len(after))/len(each)), ",") + after
	}
	for name, data := range map[string]string{
		"empty users":    fill(`{"users":[`, "{},", `]}`),
		"unknown fields": fill(`{`, `"a":1,`, `}`),
		"emergency":      fill(`{"emergency":[`, `"12345671",`, `]}`),
		"both":           fill(`{"emergency":[`+strings.Repeat(`"12345671",`, MaxSize/22)+`"22"],"users":[`, `{"ext":"1"},`, `]}`),
		"line ends":      strings.Repeat("\n[", maxDepth) + strings.Repeat("\n", MaxSize/2),
	} {
		_, err := Parse([]byte(data))
		l, _ := errors.AsType[Problems](err)
		if len(l) == 0 || len(l) > MaxProblems+1 {
			t.Errorf("%s: %d problems, want 1 to %d: %.200v", name, len(l), MaxProblems+1, err)
		}
	}
}

var (
	index    = regexp.MustCompile(`\[\d+\]`)
	anyPath  = regexp.MustCompile(`^(|` + fieldPaths(reflect.TypeFor[Plan]()) + `)$`)
	anyText  = map[string]bool{}
	allTexts = []string{
		"a closing bracket stands where it does not belong: one too many, a wrong one, or something is missing before it",
		"a comma or colon is missing before this",
		"a comma or colon is missing before this bracket",
		"a comma stands where it does not belong: two in a row, or something is missing before it",
		"a letter here is not UTF-8 (\"ANSI\" or Latin-1?): save the file as UTF-8",
		"a name and its value stand apart by one colon, and only in curly brackets",
		"a number is not written as JSON wants it, or a comma or colon is missing before it; numbers that are dialled stand in double quotes",
		"a text is not closed by a double quote on its line, or holds a \\ that must be doubled",
		"begins or ends with a space",
		"begins with another emergency number, so it could never be dialled",
		"begins with the digit for outside calls",
		"brackets stand too deep in one another",
		"has more than 1000 users",
		"has more than 1000 extensions",
		"has more than 200 rules",
		"has no meaning in a rule that forbids: leave it out",
		"is also the name of rules[]",
		"is also the prefix of rules[], so this rule could never count",
		"is an emergency number or begins with one, which no rule can change",
		"is less than the prefix has digits",
		"is more than the prefix has digits: a rule takes away nothing else",
		"is not the extension of a user",
		"is not the name of a line",
		"is the extension of users[] or begins with it, so it could never be dialled",
		"must be digits and nothing else, 32 at most",
		"must be from 1 to 32, or left out",
		"must be from 80 to 600, or left out",
		"must be the number of digits to take away, or left out",
		"stands in this list already",
		"takes away all digits, so nothing would be dialled",
		"holds a field that is not known here; known are " + fieldNames(reflect.TypeFor[Rule]()),
		"has more than 32 numbers",
		"has more than 64 lines",
		"holds a control character, which cannot be seen",
		"holds a field that is not known here; known are " + fieldNames(reflect.TypeFor[Plan]()),
		"holds a field that is not known here; known are " + fieldNames(reflect.TypeFor[User]()),
		"holds a field that is not known here; known are " + fieldNames(reflect.TypeFor[Line]()),
		"is also the extension of users[]",
		"is also the id of users[]",
		"is also the name of lines[]",
		"is an emergency number or begins with one, so it could never be reached",
		"is longer than 64 characters",
		"is missing or empty",
		"is the beginning of an emergency number: who dials that slowly would reach this extension instead",
		"is the beginning of another emergency number, which could then never be dialled",
		"JSON has no comments: take this out",
		"must be 1 to 8 digits and nothing else",
		"must be 2 to 8 digits",
		"must be a country code: one of AT, AU, CA, CH, DE, ES, ETSI, FR, GB, IT, JP, NL, NZ, SE, US",
		"must be a list in square brackets",
		"must be a whole number without quotes",
		"must be an object in curly brackets",
		"must be from 10 to 300, or left out",
		"must be one digit, or left out",
		"must be text in double quotes",
		"must be true or false, without quotes",
		"names and text must stand in double quotes, and a comma between one and the next",
		"something stands after the closing bracket of the plan",
		"stands twice",
		"text must stand in straight double quotes",
		"the file ends too early: a bracket is not closed",
		"the file is empty",
		"the file is larger than 1 MiB",
		"the file is not UTF-8 text, it looks like UTF-16 (\"Unicode\"): save it as UTF-8",
		"the last entry before a closing bracket has a comma after it: take the comma out",
		"there are more problems than are shown here",
		"must be the name of a port as it stands on the box, such as FXS 1 or FXO 1",
		"this port is also that of lines[].port",
		"this port is also that of users[].ports[]",
	}
)

// fieldPaths gives an expression for the paths of the fields of t, indices without their number.
func fieldPaths(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Slice:
		return `(\[\]` + fieldPaths(t.Elem()) + `)?`
	case reflect.Struct:
		var l []string
		for i := range t.NumField() {
			l = append(l, tagName(t.Field(i))+fieldPaths(t.Field(i).Type))
		}
		return `(\.?(` + strings.Join(l, "|") + `))?`
	}
	return ""
}

func init() {
	for _, s := range allTexts {
		anyText[s] = true
	}
}

// FuzzParse holds that Parse never panics, that what it takes is a valid plan that is
// read back as it was, and that what it says is one of its own sentences about one of
// its own fields, so that nothing of the file can be in it.
func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.json")
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Parse(data)
		if err != nil {
			l, ok := errors.AsType[Problems](err)
			if !ok || len(l) == 0 {
				t.Fatalf("not Problems: %v", err)
			}
			last := 0
			for _, x := range l {
				if !anyText[index.ReplaceAllString(x.Text, "[]")] || !anyPath.MatchString(index.ReplaceAllString(x.Path, "[]")) {
					t.Errorf("not a sentence of ours: %v", x)
				}
				if more := x.Line == 0 && len(l) > MaxProblems; !more && (x.Line < last || x.Line < 1) {
					t.Errorf("line %d after line %d", x.Line, last)
				}
				last = x.Line
			}
			return
		}
		if err := p.Validate(); err != nil {
			t.Errorf("taken, but not valid: %v", err)
		}
		if _, err := Compile(p); err != nil {
			t.Errorf("taken, but not compiled: %v", err)
		}
		b, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse(b)
		if c, _ := json.Marshal(again); err != nil || string(c) != string(b) {
			t.Errorf("not read back: %v\n%s\n%s", err, b, c)
		}
	})
}
