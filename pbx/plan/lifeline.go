package plan

import "strconv"

// Lifeline gives what of the plan is needed to make calls: ports, extensions, country,
// emergency numbers, lines, rules and accounting codes, and nothing that names a person:
// users have made-up ids and their extension for a name, lines the label of their port,
// rules and codes their place in the list. Nor does it say who is protected: it has no records. Telephones on the network are no part of it, because what they log in with is a
// secret; their users stay, with no telephone, so that all digits mean what they always
// did. It is built up and not cut down: a field that is added to a plan is left out until
// someone thinks of it.
func (p *Plan) Lifeline() Plan {
	c := p.Clone()
	l := Plan{Office: "Sotto", Country: c.Country, Emergency: c.Emergency, OutsidePrefix: c.OutsidePrefix, PrivatePrefix: c.PrivatePrefix, CodePrefix: c.CodePrefix, RingSeconds: c.RingSeconds}
	for i, u := range c.Users {
		l.Users = append(l.Users, User{ID: UserID("lifeline-" + strconv.Itoa(i+1)), Name: string(u.Ext), Ext: u.Ext, Ports: u.Ports, ReverseOnAnswer: u.ReverseOnAnswer})
	}
	ports := map[string]string{} // by the name of the line
	for _, x := range c.Lines {
		ports[x.Name] = x.Port
		l.Lines = append(l.Lines, Line{Name: x.Port, Port: x.Port, Rings: x.Rings, Pulse: x.Pulse, Reversal: x.Reversal, Break: x.Break})
	}
	for i, r := range c.Rules {
		for j, name := range r.Lines {
			r.Lines[j] = ports[name]
		}
		l.Rules = append(l.Rules, Rule{Name: "rule " + strconv.Itoa(i+1), Prefix: r.Prefix, Digits: r.Digits, Strip: r.Strip, Prepend: r.Prepend, Lines: r.Lines, Forbid: r.Forbid})
	}
	for i, x := range c.Codes {
		l.Codes = append(l.Codes, Code{Name: "code " + strconv.Itoa(i+1), Digits: x.Digits})
	}
	return l
}
