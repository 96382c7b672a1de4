package plan

import "strings"

// maxDial bounds an outside number, as dialled and as sent: package number's MaxDigits.
const maxDial = 32

// rule is a Rule with its lines looked up.
type rule struct {
	*Rule
	lines []*Line
}

// addRules fills n.lines and n.rules.
func (n *Numbering) addRules() {
	byName := map[string]*Line{}
	for i := range n.Plan.Lines {
		x := &n.Plan.Lines[i]
		n.lines, byName[x.Name] = append(n.lines, x), x
	}
	for i := range n.Plan.Rules {
		r := rule{Rule: &n.Plan.Rules[i]}
		for _, name := range r.Lines {
			r.lines = append(r.lines, byName[name])
		}
		if len(r.lines) == 0 {
			r.lines = n.lines
		}
		n.rules = append(n.rules, r)
	}
}

// beginsAbroad tells whether a number of another country begins with digits as dialled.
func (n *Numbering) beginsAbroad(digits string) bool {
	return strings.HasPrefix(n.Plan.OutsidePrefix+n.Country.Dialling.International, digits)
}

// outside gives the outside number that digits are the beginning of, empty after the digit
// for outside calls alone. It is false for what is none, however it goes on.
func (n *Numbering) outside(dialled string) (number string, ok bool) {
	prefix := n.Plan.OutsidePrefix
	if len(n.lines) == 0 || dialled == "" || !digits(dialled) || len(dialled)-len(prefix) > maxDial {
		return "", false
	}
	// Extensions and emergency numbers are short. What is complete with fewer digits than
	// this was never dialled this far.
	for i := 1; i < len(dialled) && i <= MaxExt+len(prefix); i++ {
		if e, is := n.emergency[dialled[:i]]; is && !e.weak || n.byExt[Ext(dialled[:i])] != nil {
			return "", false
		}
	}
	return strings.CutPrefix(dialled, prefix)
}

// routePlus is Route for what stands behind a +. Some telephones put it, with the code of
// their country, before an emergency number, too.
func (n *Numbering) routePlus(whole string) Route {
	d := &n.Country.Dialling
	own, home := strings.CutPrefix(whole, d.CountryCode)
	home = home && d.CountryCode != ""
	for _, s := range []string{whole, own} {
		if e, ok := n.emergency[s]; ok {
			return Route{Kind: ToEmergency, Dial: e.dial}
		}
	}
	if len(n.lines) == 0 || !digits(whole) || len(whole) > maxDial || home && own == "" || whole == "" {
		return Route{Kind: Unobtainable}
	}
	return n.routeOutside(d.International+whole, true)
}

// atHome gives a number that is dialled by way of abroad but is of this country as it is
// dialled at home, so that no rule is got round: 0049 30… in Germany is 030….
func (n *Numbering) atHome(number string) string {
	d := &n.Country.Dialling
	if d.CountryCode == "" || !strings.HasPrefix(number, d.International) {
		return number
	}
	own, home := strings.CutPrefix(number[len(d.International):], d.CountryCode)
	switch {
	case !home || own == "":
		return number
	case strings.HasPrefix(own, d.National): // +49 (0)30, as people write it
		return own
	}
	return d.National + own
}

// ruleFor gives the rule for an outside number, nil for none, and whether with further
// digits another might count.
func (n *Numbering) ruleFor(number string) (best *rule, longer bool) {
	for i := range n.rules {
		r := &n.rules[i]
		switch {
		case !strings.HasPrefix(number, r.Prefix):
			longer = longer || strings.HasPrefix(r.Prefix, number)
		case best == nil || len(r.Prefix) > len(best.Prefix):
			best = r
		}
	}
	return best, longer
}

// routeOutside tells what becomes of an outside number so far.
func (n *Numbering) routeOutside(number string, ended bool) Route {
	t := &n.Country.Timers
	switch {
	case number == "" && ended:
		return Route{Kind: Unobtainable}
	case number == "":
		return Route{Kind: Incomplete, Wait: t.InterDigit, DialTone: true}
	}
	number = n.atHome(number)
	r := Route{Kind: ToOutside, Dial: number, Number: number, Lines: n.lines}
	best, longer := n.ruleFor(number)
	longer = longer && !ended
	complete := ended || len(number) >= maxDial
	if best != nil {
		r.Rule = best.Rule
		if best.Forbid {
			r.Kind, r.Dial, r.Lines = Forbidden, "", nil
			complete = true
		} else {
			r.Dial, r.Lines = number[best.Strip:], best.lines
			if best.Prepend != "" {
				r.Dial = best.Prepend + r.Dial
			}
			complete = complete || best.Digits > 0 && len(number) >= best.Digits
		}
	}
	switch {
	case r.Kind == ToOutside && len(r.Dial) > maxDial, r.Kind == ToOutside && r.Dial == "" && complete && !longer:
		return Route{Kind: Unobtainable}
	case r.Kind == ToOutside && r.Dial == "":
		return Route{Kind: Incomplete, Wait: t.InterDigit} // all digits so far are taken away
	case longer && complete:
		r.More, r.Wait = true, t.Match
	case !complete:
		r.More, r.Wait = true, t.InterDigit
	}
	return r
}
