package plan

import (
	"fmt"
	"slices"
	"strings"

	"sotto/pbx/country"
)

// Codes of accounting stand in front of a number: the prefix, the code, a star, then the
// number as ever. The star may be left out behind a code that no other code begins with, as
// it must be by those whose telephones have none.

// front is what stands in front of a number.
type front struct {
	private bool  // the private-call prefix
	code    *Code // the last one that was dialled, nil for none and for one that nobody has
	open    bool  // a code has been begun and is not over: nothing stands behind it yet
	unknown bool  // the last code that was dialled is nobody's
}

// cut takes off what stands in front of a number: the private-call prefix and an accounting
// code, in either order. Dialling one twice is the same as once; of several codes the last
// counts. With open, rest is the digits of the code so far.
func (n *Numbering) cut(digits string) (rest string, f front) {
	private, code := n.Plan.PrivatePrefix, n.Plan.CodePrefix
	for rest = digits; ; {
		switch {
		case private != "" && strings.HasPrefix(rest, private):
			rest, f.private = rest[len(private):], true
		case code != "" && strings.HasPrefix(rest, code):
			rest = rest[len(code):]
			at, over := n.findCode(rest)
			if f.code, f.unknown, f.open = at, over > 0 && at == nil, over == 0; f.open {
				return rest, f
			}
			rest = rest[over:]
		default:
			return rest, f
		}
	}
}

// findCode gives the code that s begins with, nil if nobody has it, and how much of s it is
// with its star: 0 while it is not over.
func (n *Numbering) findCode(s string) (c *Code, over int) {
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '*':
			return n.byCode[s[:i]], i + 1
		case s[i] < '0' || s[i] > '9':
			return nil, 0
		}
		if c = n.byCode[s[:i+1]]; c != nil && !n.longerCode(s[:i+1]) {
			if i+1 < len(s) && s[i+1] == '*' {
				i++
			}
			return c, i + 1
		}
	}
	return nil, 0
}

// longerCode tells whether a code begins with digits and is longer.
func (n *Numbering) longerCode(digits string) bool { return longer(n.codes, digits) }

// longer tells whether one of list, which is sorted and has nothing twice, begins with s and
// is longer.
func longer(list []string, s string) bool {
	i, exact := slices.BinarySearch(list, s)
	if exact {
		i++ // what is longer comes next
	}
	return i < len(list) && strings.HasPrefix(list[i], s)
}

// routeCode is Route for the digits of an accounting code that is not over. Help is not
// refused for want of a code: an emergency number counts here, too, if no code begins so.
func (n *Numbering) routeCode(d string) Route {
	t := &n.Country.Timers
	begins := n.byCode[d] != nil || n.longerCode(d)
	switch {
	case d == "":
		return Route{Kind: Incomplete, Wait: t.FirstDigit} // people look it up
	case begins:
		return Route{Kind: Incomplete, Wait: t.InterDigit}
	case n.beginsEmergency(strings.TrimSuffix(d, "#")), d[0] == '+':
		if r := n.route(d); r.Kind == ToEmergency {
			return r
		}
		if digits(d) {
			return Route{Kind: Incomplete, Wait: t.FirstDigit}
		}
	}
	return Route{Kind: Unobtainable}
}

// nothingYet tells whether of a number proper there is nothing in digits.
func (n *Numbering) nothingYet(digits string) bool {
	rest, _ := n.cut(digits)
	return rest == ""
}

// code tells that there is one in front, and not which: it may name somebody.
func (x *explainer) code() {
	if x.Code != nil {
		x.say("The %s in front and what follows it is an accounting code. It is kept with the call, by its name.", x.n.Plan.CodePrefix)
	}
}

// addCodes fills n.byCode and n.codes.
func (n *Numbering) addCodes() {
	for i := range n.Plan.Codes {
		c := &n.Plan.Codes[i]
		n.byCode[c.Digits] = c
		n.codes = append(n.codes, c.Digits)
	}
	slices.Sort(n.codes)
}

// codes checks the accounting codes. No code is in the way of another, as a star may end
// each.
func (c *check) codes(land *country.Country) {
	if len(c.Codes) > MaxCodes {
		c.add(fmt.Sprintf("has more than %d codes", MaxCodes), "codes")
	}
	names, all := map[string]int{}, map[string]int{}
	for i := range c.Codes[:min(len(c.Codes), MaxCodes)] {
		x := &c.Codes[i]
		at := fmt.Sprintf("codes[%d]", i)
		if c.text(x.Name, at+".name") {
			if k, twice := names[x.Name]; twice {
				c.add(fmt.Sprintf("is also the name of codes[%d]", k), "%s.name", at)
			} else {
				names[x.Name] = i
			}
		}
		if x.Digits == "" || len(x.Digits) > MaxCode || !digits(x.Digits) {
			c.add(fmt.Sprintf("must be 1 to %d digits and nothing else", MaxCode), "%s.digits", at)
		} else if k, twice := all[x.Digits]; twice {
			c.add(fmt.Sprintf("are also the digits of codes[%d]", k), "%s.digits", at)
		} else {
			all[x.Digits] = i
		}
	}
	switch p, q := c.CodePrefix, c.PrivatePrefix; {
	case p == "" && len(c.Codes) > 0:
		c.add("is missing: the codes could not be dialled", "code_prefix")
	case p != "" && q != "" && (strings.HasPrefix(p, q) || strings.HasPrefix(q, p)):
		c.add("is the private-call prefix, begins with it or is its beginning", "code_prefix")
	default:
		c.prefix(p, "code_prefix", land)
	}
}
