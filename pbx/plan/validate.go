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
	MaxExt       = 8  // digits of an extension or an emergency number
	MaxEmergency = 32 // numbers beside the country's
	MaxRules     = 200
	MaxPrivate   = 8 // signs of the private-call prefix, and of that of accounting codes
	MaxCodes     = 1000
	MaxCode      = 12 // digits of an accounting code
	MaxArea      = 5  // digits of the area code
)

// Validate gives nil or Problems: everything that is wrong, without lines.
func (p *Plan) Validate() error {
	if l := p.problems(); len(l) > 0 {
		return l
	}
	return nil
}

// check collects the problems of one plan.
type check struct {
	*Plan
	found     Problems
	emergency []string          // every number of an emergency, own and the country's
	ports     map[string]string // by label: the path that has it
	exts      map[Ext]int       // extensions that are well formed: whose
	lineNames map[string]int
	abroad    string // digits dialled before the number of another country
}

func (p *Plan) problems() Problems {
	c := &check{Plan: p, ports: map[string]string{}, exts: map[Ext]int{}, lineNames: map[string]int{}}
	c.text(p.Office, "office")
	land, ok := country.Lookup(p.Country)
	if !ok {
		c.add("must be a country code: one of "+strings.Join(country.Codes(), ", "), "country")
	}
	if p.OutsidePrefix != "" && (len(p.OutsidePrefix) != 1 || !digits(p.OutsidePrefix)) {
		c.add("must be one digit, or left out", "outside_prefix")
	}
	if p.RingSeconds != 0 && (p.RingSeconds < 10 || p.RingSeconds > 300) {
		c.add("must be from 10 to 300, or left out", "ring_seconds")
	}
	if ok {
		c.emergency = append(c.emergency, land.Emergency...)
		c.abroad = land.Dialling.International
	}
	c.ownEmergency()
	c.fields()
	c.users()
	c.lines()
	c.rules()
	c.prefix(c.PrivatePrefix, "private_prefix", land)
	c.codes(land)
	if len(c.AreaCode) > MaxArea || !digits(c.AreaCode) {
		c.add(fmt.Sprintf("must be at most %d digits and nothing else, or left out", MaxArea), "area_code")
	} else if ok && land.Dialling.National != "" && strings.HasPrefix(c.AreaCode, land.Dialling.National) {
		c.add("must be without the digit for national calls", "area_code")
	}
	return c.found
}

// add notes a problem at the path that format and args make.
func (c *check) add(text, format string, args ...any) {
	c.found = append(c.found, Problem{Path: fmt.Sprintf(format, args...), Text: text})
}

// ownEmergency also refuses numbers that begin with one another: the shorter is put
// through as soon as it is dialled, so the longer could never be.
func (c *check) ownEmergency() {
	if len(c.Emergency) > MaxEmergency {
		c.add(fmt.Sprintf("has more than %d numbers", MaxEmergency), "emergency")
	}
	for i, e := range c.Emergency[:min(len(c.Emergency), MaxEmergency)] {
		if len(e) < 2 || len(e) > MaxExt || !digits(e) {
			c.add(fmt.Sprintf("must be 2 to %d digits", MaxExt), "emergency[%d]", i)
			continue
		}
		for _, other := range c.emergency {
			if e != other && strings.HasPrefix(e, other) {
				c.add("begins with another emergency number, so it could never be dialled", "emergency[%d]", i)
				break
			}
			if e != other && strings.HasPrefix(other, e) {
				c.add("is the beginning of another emergency number, which could then never be dialled", "emergency[%d]", i)
				break
			}
		}
		c.emergency = append(c.emergency, e)
	}
}

func (c *check) users() {
	if len(c.Users) > MaxUsers {
		c.add(fmt.Sprintf("has more than %d users", MaxUsers), "users")
	}
	ids := map[UserID]int{}
	for i := range c.Users[:min(len(c.Users), MaxUsers)] {
		u := &c.Users[i]
		at := fmt.Sprintf("users[%d]", i)
		c.text(u.Name, at+".name")
		if u.ID != "" && c.text(string(u.ID), at+".id") {
			if k, twice := ids[u.ID]; twice {
				c.add(fmt.Sprintf("is also the id of users[%d]", k), "%s.id", at)
			}
			ids[u.ID] = i
		}
		if bad := c.badExt(u.Ext); bad != "" {
			c.add(bad, "%s.ext", at)
		} else if k, twice := c.exts[u.Ext]; twice {
			c.add(fmt.Sprintf("is also the extension of users[%d]", k), "%s.ext", at)
		} else {
			c.exts[u.Ext] = i
		}
		for j, label := range u.Ports {
			c.port(label, fmt.Sprintf("%s.ports[%d]", at, j))
		}
		c.userFields(u, at)
	}
}

func (c *check) badExt(x Ext) string {
	s := string(x)
	switch {
	case s == "":
		return "is missing or empty"
	case len(s) > MaxExt || !digits(s):
		return fmt.Sprintf("must be 1 to %d digits and nothing else", MaxExt)
	}
	for _, e := range c.emergency {
		if strings.HasPrefix(s, e) {
			return "is an emergency number or begins with one, so it could never be reached"
		}
		if strings.HasPrefix(e, s) {
			return "is the beginning of an emergency number: who dials that slowly would reach this extension instead"
		}
	}
	if len(c.OutsidePrefix) == 1 && strings.HasPrefix(s, c.OutsidePrefix) {
		return "begins with the digit for outside calls"
	}
	return ""
}

func (c *check) lines() {
	if len(c.Lines) > MaxLines {
		c.add(fmt.Sprintf("has more than %d lines", MaxLines), "lines")
	}
	for i := range c.Lines[:min(len(c.Lines), MaxLines)] {
		x := &c.Lines[i]
		at := fmt.Sprintf("lines[%d]", i)
		if c.text(x.Name, at+".name") {
			if k, twice := c.lineNames[x.Name]; twice {
				c.add(fmt.Sprintf("is also the name of lines[%d]", k), "%s.name", at)
			} else {
				c.lineNames[x.Name] = i
			}
		}
		c.port(x.Port, at+".port")
		if x.Break != 0 && (x.Break < 80 || x.Break > 600) {
			c.add("must be from 80 to 600, or left out", "%s.break", at)
		}
		if len(x.Rings) > MaxUsers {
			c.add(fmt.Sprintf("has more than %d extensions", MaxUsers), "%s.rings", at)
		}
		listed := map[Ext]bool{}
		for j, e := range x.Rings[:min(len(x.Rings), MaxUsers)] {
			if _, known := c.exts[e]; !known {
				c.add("is not the extension of a user", "%s.rings[%d]", at, j)
			} else if listed[e] {
				c.add("stands in this list already", "%s.rings[%d]", at, j)
			}
			listed[e] = true
		}
	}
}

// port claims the port of a label for path: a port has one owner.
func (c *check) port(label, path string) {
	if !c.text(label, path) {
		return
	}
	if !isPort(label) { // no free text: labels stand unsealed in the lifeline, and in the log
		c.add("must be the name of a port as it stands on the box, such as FXS 1 or FXO 1", "%s", path)
		return
	}
	if other := c.ports[label]; other != "" {
		c.add("this port is also that of "+other, "%s", path)
		return
	}
	c.ports[label] = path
}

// isPort tells whether s is FXS or FXO and a number of one or two digits.
func isPort(s string) bool {
	n, ok := strings.CutPrefix(s, "FXS ")
	if !ok {
		n, ok = strings.CutPrefix(s, "FXO ")
	}
	return ok && len(n) >= 1 && len(n) <= 2 && n[0] != '0' && digits(n)
}

// text checks a name, which must be there.
func (c *check) text(s, path string) bool {
	bad := badText(s)
	if bad != "" {
		c.add(bad, "%s", path)
	}
	return bad == ""
}

// badText tells what is wrong with a name, or "".
func badText(s string) string {
	switch {
	case s == "":
		return "is missing or empty"
	case !utf8.ValidString(s):
		return "is not UTF-8 text"
	case utf8.RuneCountInString(s) > MaxName:
		return fmt.Sprintf("is longer than %d characters", MaxName)
	case strings.TrimSpace(s) != s:
		return "begins or ends with a space"
	}
	for _, r := range s {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' || r == '\ufeff' {
			return "holds a control character, which cannot be seen"
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
