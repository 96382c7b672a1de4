package plan

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode"
)

func TestValidateFields(t *testing.T) {
	const (
		email  = "must be an e-mail address, as name@example.org"
		mobile = "must be a telephone number: digits, 32 at most, perhaps a + in front"
		off    = "is not kept: this plan's fields do not name it"
	)
	for _, c := range []struct {
		change func(p *Plan)
		want   string // empty: nothing is wrong
	}{
		{func(p *Plan) {}, ""},
		{func(p *Plan) { p.Fields = nil }, ""},
		{func(p *Plan) { p.Fields = []Field{Place, Email, Place} }, "fields[2]: stands in this list already"},
		{func(p *Plan) { p.Fields = []Field{"Place"} }, "fields[0]: must be one of place, department, email, mobile"},
		{func(p *Plan) { p.Fields = []Field{"birthday"} }, "fields[0]: must be one of place, department, email, mobile"},
		{func(p *Plan) { p.Fields = slices.Repeat([]Field{Place}, 5) }, "fields: has more than the 4 fields there are; fields[1]: stands in this list already; fields[2]: stands in this list already; fields[3]: stands in this list already"},
		{func(p *Plan) { p.Fields, p.Users[1].Place = []Field{Department}, "Secret" }, "users[1].place: " + off},
		{func(p *Plan) { p.Fields, p.Users[1].Department = nil, "Secret" }, "users[1].department: " + off},
		{func(p *Plan) { p.Fields, p.Users[1].Email = nil, "Secret" }, "users[1].email: " + off},
		{func(p *Plan) { p.Fields, p.Users[1].Mobile = nil, "Secret" }, "users[1].mobile: " + off},
		{func(p *Plan) { p.Users[1].Place = strings.Repeat("ü", 64) }, ""},
		{func(p *Plan) { p.Users[1].Place = strings.Repeat("ü", 65) }, "users[1].place: is longer than 64 characters"},
		{func(p *Plan) { p.Users[1].Place = " " }, "users[1].place: begins or ends with a space"},
		{func(p *Plan) { p.Users[1].Department = "a\r\nBcc: b" }, "users[1].department: holds a control character, which cannot be seen"},
		{func(p *Plan) { p.Users[1].Email = "anna.o'hara+x@mail.example.org" }, ""},
		{func(p *Plan) { p.Users[1].Email = "jürgen@müller.example" }, ""},
		{func(p *Plan) { p.Users[1].Email = "anna@box" }, ""},
		{func(p *Plan) { p.Users[1].Mobile = "+49 (170) 1234-567" }, ""},
		{func(p *Plan) { p.Users[1].Mobile = "0170/1234567" }, ""},
		{func(p *Plan) { p.Users[1].Mobile = "anna" }, "users[1].mobile: " + mobile},
		{func(p *Plan) { p.Users[1].Mobile = "1" }, "users[1].mobile: " + mobile},
		{func(p *Plan) { p.Users[1].Mobile = "0+1" }, "users[1].mobile: " + mobile},
		{func(p *Plan) { p.Users[1].Mobile = "*21*5#" }, "users[1].mobile: " + mobile},
		{func(p *Plan) { p.Users[1].Mobile = "+" + strings.Repeat("1", 33) }, "users[1].mobile: " + mobile},
	} {
		p := office()
		p.Fields = Fields()
		c.change(&p)
		if got := strings.Join(told(p.Validate()), "; "); got != c.want {
			t.Errorf("told %q, want %q", got, c.want)
		}
	}
	for _, s := range []string{"anna", "@example.org", "anna@", "a@b@c", "a..b@example.org", ".a@example.org", "a.@example.org", "anna @example.org", "<anna@example.org>", "\"a b\"@example.org",
		"anna@[10.0.0.1]", "anna@exa_mple.org", "anna@-example.org", "anna@example-.org", "anna@example..org", "a@b.org\n", "a@b.org,c@d.org", "a@b.org\x00", "a\xff@b.org", "anna@" + strings.Repeat("a", 64) + ".org", strings.Repeat("a", 65) + "@example.org"} {
		if badEmail(s) != email {
			t.Errorf("%q: %q", s, badEmail(s))
		}
	}
	label := strings.Repeat("a", 62) + "."
	long := "a@" + strings.Repeat(label, 3) + strings.Repeat("a", 63)
	if badEmail(long) != "" || badEmail("a"+long) != "is longer than 254 bytes" {
		t.Errorf("%q, %q", badEmail(long), badEmail("a"+long))
	}
}

// TestEveryFieldIsOne: by name, value and JSON it is the same.
func TestEveryFieldIsOne(t *testing.T) {
	var u User
	for _, f := range Fields() {
		if u.Field(f) != "" || !u.SetField(f, "x"+string(f)) || u.Field(f) != "x"+string(f) {
			t.Errorf("%s is not kept", f)
		}
	}
	if want := (User{Place: "xplace", Department: "xdepartment", Email: "xemail", Mobile: "xmobile"}); fmt.Sprint(u) != fmt.Sprint(want) {
		t.Errorf("%+v", u)
	}
	if u.SetField("name", "x") || u.Field("name") != "" {
		t.Error("a name is a field")
	}
}

// FuzzEmail: nothing that could mean something in a header of a message is an address.
func FuzzEmail(f *testing.F) {
	for _, s := range []string{"a@b", "jürgen@example.org", "a b@c", "a@b\r\nBcc: c@d", "<a@b>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if badEmail(s) != "" {
			return
		}
		if strings.Count(s, "@") != 1 || strings.ContainsAny(s, " \t\r\n<>()[],;:\"\\") || strings.ContainsFunc(s, unicode.IsControl) || len(s) > 254 || badText(s) != "" && len([]rune(s)) <= MaxName {
			t.Errorf("%q is an address", s)
		}
	})
}
