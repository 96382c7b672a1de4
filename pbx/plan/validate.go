package plan

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"sotto/pbx/country"
)

// Limits of a plan.
const (
	MaxUsers     = 1000
	MaxLines     = 64
	MaxName      = 64 // characters of a name
	MaxExt       = 8  // digits of an extension
	MaxEmergency = 32
)

// Validate gives nil or Problems: everything that is wrong.
func (p *Plan) Validate() error {
	if l := p.problems(); len(l) > 0 {
		return l
	}
	return nil
}

func (p *Plan) problems() Problems {
	var l Problems
	add := func(text, path string, args ...any) {
		l = append(l, Problem{Path: fmt.Sprintf(path, args...), Text: text})
	}
	if bad := badText(p.Office, true); bad != "" {
		add(bad, "office")
	}
	land, ok := country.Lookup(p.Country)
	if !ok {
		add("must be a country code: one of "+strings.Join(country.Codes(), ", "), "country")
	}
	if p.OutsidePrefix != "" && (len(p.OutsidePrefix) != 1 || !digits(p.OutsidePrefix)) {
		add("must be one digit, or left out", "outside_prefix")
	}
	if p.RingSeconds != 0 && (p.RingSeconds < 10 || p.RingSeconds > 300) {
		add("must be from 10 to 300, or left out", "ring_seconds")
	}
	emergency := p.Emergency
	if len(p.Emergency) > MaxEmergency {
		add("has more than 32 numbers", "emergency")
	}
	for i, e := range p.Emergency {
		if len(e) < 2 || len(e) > MaxExt || !digits(e) {
			add("must be 2 to 8 digits", "emergency[%d]", i)
		}
	}
	if ok {
		emergency = append(append([]string(nil), emergency...), land.Emergency...)
	}

	if len(p.Users) > MaxUsers {
		add("has more than 1000 users", "users")
	}
	ports := map[string]string{} // label to the path that has it
	exts := map[Ext]int{}
	ids := map[UserID]int{}
	claim := func(label, path string) {
		switch bad := badText(label, true); {
		case bad != "":
			add(bad, "%s", path)
		case ports[label] != "":
			add("this port is also that of "+ports[label], "%s", path)
		default:
			ports[label] = path
		}
	}
	for i := range p.Users {
		u := &p.Users[i]
		at := fmt.Sprintf("users[%d]", i)
		if bad := badText(u.Name, true); bad != "" {
			add(bad, "%s.name", at)
		}
		if len(u.ID) > MaxName {
			add("is longer than 64 characters", "%s.id", at)
		}
		if u.ID != "" {
			if k, twice := ids[u.ID]; twice {
				add(fmt.Sprintf("is also that of users[%d]", k), "%s.id", at)
			}
			ids[u.ID] = i
		}
		if !digits(string(u.Ext)) || len(u.Ext) < 1 || len(u.Ext) > MaxExt {
			add("must be 1 to 8 digits", "%s.ext", at)
		} else {
			if k, twice := exts[u.Ext]; twice {
				add(fmt.Sprintf("is also the extension of users[%d]", k), "%s.ext", at)
			}
			exts[u.Ext] = i
			for _, e := range emergency {
				if strings.HasPrefix(string(u.Ext), e) {
					add("begins with an emergency number, so it could never be reached", "%s.ext", at)
					break
				}
				if strings.HasPrefix(e, string(u.Ext)) {
					add("is the beginning of an emergency number, which would then have to wait", "%s.ext", at)
					break
				}
			}
			if p.OutsidePrefix != "" && strings.HasPrefix(string(u.Ext), p.OutsidePrefix) {
				add("begins with the digit for outside calls", "%s.ext", at)
			}
		}
		for j, label := range u.Ports {
			claim(label, fmt.Sprintf("%s.ports[%d]", at, j))
		}
	}
	if len(p.Lines) > MaxLines {
		add("has more than 64 lines", "lines")
	}
	names := map[string]int{}
	for i := range p.Lines {
		x := &p.Lines[i]
		at := fmt.Sprintf("lines[%d]", i)
		if bad := badText(x.Name, true); bad != "" {
			add(bad, "%s.name", at)
		} else if k, twice := names[x.Name]; twice {
			add(fmt.Sprintf("is also the name of lines[%d]", k), "%s.name", at)
		}
		names[x.Name] = i
		claim(x.Port, at+".port")
	}
	return l
}

// badText tells what is wrong with a name, or "".
func badText(s string, required bool) string {
	switch {
	case s == "" && required:
		return "is missing"
	case !utf8.ValidString(s):
		return "is not UTF-8 text"
	case utf8.RuneCountInString(s) > MaxName:
		return "is longer than 64 characters"
	case strings.TrimSpace(s) != s:
		return "begins or ends with a space"
	}
	for _, r := range s {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return "holds a control character"
		}
	}
	return ""
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
