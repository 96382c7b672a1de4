package plan

import (
	"fmt"
	"slices"
	"strings"

	"sotto/pbx/country"
)

// prefix refuses p, a prefix for private calls or accounting codes, if it is in the way of
// something else, above all of an emergency number in any way that it may be dialled. An
// office without a digit for outside calls has no digits to spare, so there it begins with a
// star.
func (c *check) prefix(p, path string, land *country.Country) {
	if p == "" {
		return
	}
	plain := strings.ReplaceAll(p, "*", "")
	if len(p) < 2 || len(p) > MaxPrivate || plain == "" || !digits(plain) {
		c.add(fmt.Sprintf("must be 2 to %d signs, digits and *, with at least one digit, or left out", MaxPrivate), "%s", path)
		return
	}
	clash := func(s string) bool { return strings.HasPrefix(s, p) || strings.HasPrefix(p, s) }
	if c.OutsidePrefix == "" && p[0] != '*' {
		c.add("must begin with * in an office without a digit for outside calls", "%s", path)
	} else if c.OutsidePrefix != "" && clash(c.OutsidePrefix) {
		c.add("begins with the digit for outside calls", "%s", path)
	}
	urgent := c.emergency
	if land != nil {
		urgent = slices.Concat(urgent, land.Tolerated)
	}
	if slices.ContainsFunc(urgent, clash) {
		c.add("is an emergency number, begins with one or is the beginning of one", "%s", path)
	}
	for i := range c.Users[:min(len(c.Users), MaxUsers)] {
		if x := c.Users[i].Ext; x != "" && clash(string(x)) {
			c.add(fmt.Sprintf("is the extension of users[%d], begins with it or is its beginning", i), "%s", path)
			return
		}
	}
}

// private tells what of the call is not kept.
func (x *explainer) private() {
	var l []string
	if x.Private {
		l = append(l, "The "+x.n.Plan.PrivatePrefix+" in front makes this a private call: who is called is not kept.")
	}
	if x.from != nil && x.from.Protected {
		l = append(l, "The caller is protected: who is called is not kept.")
	}
	if x.Kind == ToUser && x.User.Protected {
		l = append(l, "Who is called is protected: who calls is not kept.")
	}
	if x.Kind == ToEmergency && len(l) > 0 {
		l = []string{"An emergency call is kept with its number all the same."}
	}
	for _, s := range l {
		x.say("%s", s)
	}
}

// front gives what was dialled in front of the number proper.
func (x *explainer) front() string { return strings.TrimSuffix(x.Dialled, x.Behind) }
