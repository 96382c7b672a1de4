package number

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"html/template"
	"log/slog"
	"strings"
	"testing"
	texttemplate "text/template"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		in, want string
		ok       bool
	}{
		{"", "", true},
		{" (-) ", "", true},
		{"101", "101", true},
		{"+49 30 901-820", "+4930901820", true},
		{"(030) 90.18/20", "030901820", true},
		{" +1", "+1", true},
		{"*21*0301#", "*21*0301#", true},
		{"ABCD", "ABCD", true},
		{strings.Repeat("9", MaxDigits), strings.Repeat("9", MaxDigits), true},
		{strings.Repeat("9-", MaxDigits), strings.Repeat("9", MaxDigits), true},
		{strings.Repeat("9", MaxDigits+1), "", false},
		{"+" + strings.Repeat("9", MaxDigits), "", false},
		{"+", "", false},
		{"1+1", "", false},
		{"++1", "", false},
		{"abcd", "", false},
		{"E", "", false},
		{"12x", "", false},
		{"12\n", "", false},
		{"1\x002", "", false},
		{"٣", "", false}, // a digit, but none of a keypad
		{"1,2", "", false},
		{"sip:12@host", "", false},
	} {
		n, err := Parse(c.in)
		switch {
		case (err == nil) != c.ok:
			t.Errorf("Parse(%q): error %v", c.in, err)
		case err != nil && err != ErrNumber:
			t.Errorf("Parse(%q): error %v, want ErrNumber itself", c.in, err)
		case n.Reveal() != c.want:
			t.Errorf("Parse(%q) reveals %q, want %q", c.in, n.Reveal(), c.want)
		case n.IsZero() != (c.want == ""):
			t.Errorf("Parse(%q).IsZero() is %v", c.in, n.IsZero())
		}
	}
}

func TestMustPanicsWithoutTheNumber(t *testing.T) {
	defer func() {
		if r := recover(); r != ErrNumber {
			t.Errorf("panicked with %v, want ErrNumber", r)
		}
	}()
	Must("84062x")
}

func TestEqual(t *testing.T) {
	if Must("030 90") != Must("03090") {
		t.Error("two numbers of the same digits differ")
	}
	if Must("03090") == Must("+3090") {
		t.Error("two numbers of different digits are equal")
	}
	if m := map[Number]int{Must("84062"): 7}; m[Must("840-62")] != 7 {
		t.Error("a number is not found as the key of a map")
	}
}

func TestMask(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "1": "…", "1234": "…", "+1234": "…", "12345": "…45", "+12345": "…45", "84062": "…62", "*21*0301#": "…1#",
	} {
		if got := Must(in).String(); got != want {
			t.Errorf("%q is shown as %q, want %q", in, got, want)
		}
	}
}

func TestFormat(t *testing.T) {
	n := Must("+4930901820")
	for _, c := range []struct{ format, want string }{
		{"%v", "…20"}, {"%+v", "…20"}, {"%#v", "…20"}, {"%s", "…20"}, {"%d", "…20"}, {"%x", "…20"}, {"%t", "…20"},
		{"%q", `"…20"`}, {"%6s", "   …20"}, {"%-6s|", "…20   |"}, {"%6d", "   …20"}, {"%.2s", "…2"},
	} {
		if got := fmt.Sprintf(c.format, n); got != c.want {
			t.Errorf("%s prints %q, want %q", c.format, got, c.want)
		}
	}
}

// holders are the ways in which a number is carried about.
func holders(n Number) map[string]any {
	type exported struct{ N Number }
	type embedded struct{ Number }
	type hidden struct{ n Number }
	type deep struct{ h []map[string]*hidden }
	return map[string]any{
		"number": n, "pointer": &n, "slice": []Number{n}, "array": [1]Number{n},
		"key": map[Number]int{n: 1}, "value": map[string]Number{"n": n},
		"struct": exported{n}, "pointer to struct": &exported{n}, "embedded": embedded{n},
		"hidden": hidden{n}, "pointer to hidden": &hidden{n}, "hidden slice": struct{ l []Number }{[]Number{n}},
		"hidden key": struct{ m map[Number]bool }{map[Number]bool{n: true}}, "hidden interface": struct{ a any }{n},
		"deep": deep{[]map[string]*hidden{{"x": {n}}}},
	}
}

// outlets are the ways in which something is shown by mistake.
func outlets(t testing.TB, v any) map[string]string {
	shown := map[string]string{}
	for _, verb := range "vsqdxXobBcCUtTpeEgGfFyz!" {
		for _, flags := range []string{"", "+", "#", " ", "0", "-", "20", ".3", "+#"} {
			f := "%" + flags + string(verb)
			shown[f] = fmt.Sprintf(f, v)
		}
	}
	tooFew := "no verb"
	shown["Sprint"], shown["extra"], shown["error"] = fmt.Sprint(v), fmt.Sprintf(tooFew, v), fmt.Errorf("%v", v).Error()
	if b, err := json.Marshal(v); err == nil {
		shown["json"] = string(b)
	}
	if b, err := xml.Marshal(v); err == nil {
		shown["xml"] = string(b)
	}
	var b bytes.Buffer
	slog.New(slog.NewTextHandler(&b, nil)).Info("m", "k", v)
	slog.New(slog.NewJSONHandler(&b, nil)).Info("m", "k", v)
	slog.New(slog.NewTextHandler(&b, nil)).Info("m", slog.Group("g", "k", v))
	shown["slog"] = b.String()
	b.Reset()
	if err := texttemplate.Must(texttemplate.New("").Parse("{{.}} {{printf `%d` .}}")).Execute(&b, v); err != nil {
		t.Error(err)
	}
	shown["text/template"] = b.String()
	b.Reset()
	if err := template.Must(template.New("").Parse("<a title='{{.}}'>{{.}}</a><script>x={{.}}</script>")).Execute(&b, v); err == nil {
		shown["html/template"] = b.String()
	}
	return shown
}

// leaked gives four signs in a row of n that s shows, as text, as hexadecimal or as a
// list of bytes.
func leaked(n Number, s string) string {
	s = strings.ToLower(s)
	d := n.Reveal()
	for i := 0; i+4 <= len(d); i++ {
		part := d[i : i+4]
		for _, form := range []string{part, fmt.Sprintf("%x", part), fmt.Sprintf("% x", part), strings.Trim(fmt.Sprint([]byte(part)), "[]")} {
			if strings.Contains(s, strings.ToLower(form)) {
				return form
			}
		}
	}
	return ""
}

func TestNothingShowsTheDigits(t *testing.T) {
	n := Must("*A#*B#*C#*D#*A#") // signs that no address and no time holds
	for holder, v := range holders(n) {
		for outlet, s := range outlets(t, v) {
			if l := leaked(n, s); l != "" {
				t.Errorf("%s by %s shows %s: %s", holder, outlet, l, s)
			}
		}
	}
}

func TestMaskReachesTheOutlets(t *testing.T) {
	for outlet, s := range outlets(t, struct{ N Number }{Must("0301827364")}) {
		if s == "" || strings.HasPrefix(outlet, "%") || outlet == "extra" {
			continue
		}
		if !strings.Contains(s, "…64") {
			t.Errorf("%s shows no mask: %s", outlet, s)
		}
	}
	var nowhere *Number
	if s := fmt.Sprintf("%v %s", nowhere, nowhere); s != "<nil> <nil>" {
		t.Errorf("a nil pointer prints %q", s)
	}
	b, err := json.Marshal(map[Number]*Number{Must("0301827364"): nil})
	if string(b) != `{"…64":null}` || err != nil {
		t.Errorf("as a key of JSON: %s, %v", b, err)
	}
	var back Number
	if err := json.Unmarshal([]byte(`"0301827364"`), &back); err == nil || strings.Contains(err.Error(), "0301") {
		t.Errorf("reading JSON gives %v, want an error without the digits", err)
	}
}

func FuzzNumber(f *testing.F) {
	f.Add("+49 (30) 901-820", 'v', "+#")
	f.Add("84062", 'd', "")
	f.Add("12", 'q', "+")
	f.Fuzz(func(t *testing.T, s string, verb rune, flags string) {
		n, err := Parse(s)
		if err != nil {
			if err != ErrNumber || !n.IsZero() {
				t.Fatalf("error %v, want ErrNumber; zero: %v", err, n.IsZero())
			}
			return
		}
		d := n.Reveal()
		if again, err := Parse(d); err != nil || again != n || len(d) > MaxDigits {
			t.Fatalf("%q is not read back: %v", d, err)
		}
		mask := n.String()
		if body := strings.TrimPrefix(mask, "…"); len(body) > 2 || len(d) > 0 && body == mask || !strings.HasSuffix(d, body) {
			t.Fatalf("%q is masked as %q", d, mask)
		}
		if verb == 'p' || verb == 'w' || strings.ContainsRune("0123456789*#", verb) || strings.Trim(flags, "+-# ") != "" {
			return // %p, and %w outside Errorf, print an address
		}
		out := fmt.Sprintf("%"+flags+string(verb), n)
		rest := strings.Replace(strings.Replace(out, `\u2026`, "…", 1), mask, "", 1) // %+q
		if strings.ContainsAny(rest, "0123456789*#") {
			t.Fatalf("%q by %%%s%c is %q", d, flags, verb, out)
		}
	})
}
