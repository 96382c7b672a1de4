package plan

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxEmail bounds an address, in bytes (RFC 5321 section 4.5.3.1.3, without the brackets).
const maxEmail = 254

var fields = [...]Field{Place, Department, Email, Mobile}

// Fields gives the fields there are, in the order in which pages show them.
func Fields() []Field { return slices.Clone(fields[:]) }

// Keeps tells whether the plan has f of its users.
func (p *Plan) Keeps(f Field) bool { return slices.Contains(p.Fields, f) }

// Field gives what u has in f, empty for a field that there is not.
func (u *User) Field(f Field) string {
	if at := u.field(f); at != nil {
		return *at
	}
	return ""
}

// SetField puts a value into f, and tells whether there is such a field.
func (u *User) SetField(f Field, value string) bool {
	at := u.field(f)
	if at != nil {
		*at = value
	}
	return at != nil
}

func (u *User) field(f Field) *string {
	switch f {
	case Place:
		return &u.Place
	case Department:
		return &u.Department
	case Email:
		return &u.Email
	case Mobile:
		return &u.Mobile
	}
	return nil
}

// fields checks what the plan keeps of its users.
func (c *check) fields() {
	all := fields[:]
	if len(c.Fields) > len(all) {
		c.add(fmt.Sprintf("has more than the %d fields there are", len(all)), "fields")
	}
	for i, f := range c.Fields[:min(len(c.Fields), len(all))] {
		if !slices.Contains(all, f) {
			c.add("must be one of "+fieldList(all), "fields[%d]", i)
		} else if slices.Contains(c.Fields[:i], f) {
			c.add("stands in this list already", "fields[%d]", i)
		}
	}
}

func fieldList(l []Field) string {
	s := make([]string, len(l))
	for i, f := range l {
		s[i] = string(f)
	}
	return strings.Join(s, ", ")
}

// userFields checks what stands at a user beside name and extension. What is not switched on
// is refused, not dropped: who wrote it down believes that the box keeps it.
func (c *check) userFields(u *User, at string) {
	for _, f := range fields {
		s := u.Field(f)
		if s == "" {
			continue
		}
		bad := badText(s)
		switch {
		case !c.Keeps(f):
			bad = "is not kept: this plan's fields do not name it"
		case f == Email:
			bad = badEmail(s)
		case f == Mobile && bad == "" && !isNumber(s):
			bad = fmt.Sprintf("must be a telephone number: digits, %d at most, perhaps a + in front", maxDial)
		}
		if bad != "" {
			c.add(bad, "%s.%s", at, f)
		}
	}
}

// isNumber tells whether s is a telephone number as people write it.
func isNumber(s string) bool {
	d := strings.TrimPrefix(Digits(s), "+")
	return len(d) >= 2 && len(d) <= maxDial && digits(d)
}

// badEmail tells what is wrong with an address, or "". It is the plain form that is in use
// (RFC 5321 section 4.1.2: dot-string and domain; letters of RFC 6531): no quotes, no
// comments, no address of a host. Nothing that means something in a header of a message
// gets through.
func badEmail(s string) string {
	const bad = "must be an e-mail address, as name@example.org"
	if len(s) > maxEmail {
		return fmt.Sprintf("is longer than %d bytes", maxEmail)
	}
	local, domain, ok := strings.Cut(s, "@")
	if !ok || len(local) > 64 || !dots(local, "!#$%&'*+-/=?^_`{|}~") || !dots(domain, "-") {
		return bad
	}
	for label := range strings.SplitSeq(domain, ".") {
		if len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return bad
		}
	}
	return ""
}

// dots tells whether s is words apart by single dots, of letters, digits and signs.
func dots(s, signs string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for word := range strings.SplitSeq(s, ".") {
		if word == "" || strings.ContainsFunc(word, func(r rune) bool {
			return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) && !strings.ContainsRune(signs, r)
		}) {
			return false
		}
	}
	return true
}
