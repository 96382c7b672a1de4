package pbx

import (
	"sotto/pbx/country"
	"sotto/pbx/number"
	"sotto/pbx/plan"
)

func (s *Switch) startDialling(l *leg) {
	l.digits, l.again = l.digits[:0], false
	l.recall = l.station().held != nil
	l.run++
	s.move(l, Dialling, l.numbers.Country.Timers.FirstDigit)
}

func (s *Switch) dialDigit(l *leg, a legArg) {
	if len(l.digits) >= l.numbers.MaxDialled() {
		s.fail(l, Unobtainable, Unallocated)
		return
	}
	l.digits, l.again = append(l.digits, a.digit), false
	r := l.numbers.Route(string(l.digits))
	if r.Wait == 0 {
		s.place(l, r)
		return
	}
	l.deadline = s.now.Add(r.Wait)
	if r.DialTone {
		l.again = true
		l.run++
	}
}

func (s *Switch) dialTimeout(l *leg, _ legArg) {
	if len(l.digits) == 0 {
		s.listen(l, l.numbers.Country.Tone(country.Congestion))
		return
	}
	r := l.numbers.Route(string(l.digits))
	if r.Kind == plan.Incomplete {
		r.Kind = plan.Unobtainable
	}
	s.place(l, r)
}

// dialWhole: a telephone on the network sends the whole number at once.
func (s *Switch) dialWhole(l *leg, _ legArg) {
	r := l.numbers.Route(plan.Digits(string(l.digits)))
	if _, err := number.Parse(r.Behind); err != nil { // no number at all
		r = plan.Route{Kind: plan.Unobtainable, Private: r.Private, Code: r.Code}
	}
	s.place(l, r)
}

// place makes a call of what l has dialled.
func (s *Switch) place(l *leg, r plan.Route) {
	s.lastCall++
	c := &call{id: s.lastCall, caller: l, numbers: l.numbers, began: s.now, from: userParty(l.user), emergency: r.Kind == plan.ToEmergency, private: r.Private}
	if r.Code != nil {
		c.code = r.Code.Name
	}
	l.call = c
	s.calls = append(s.calls, c)
	switch r.Kind {
	case plan.ToUser:
		c.to = userParty(r.User)
		s.callUser(l, c, r.User)
	case plan.ToEmergency:
		c.to = Party{Number: dialled(r.Dial)}
		s.callEmergency(l, c, r.Dial)
	case plan.ToOutside:
		c.to = Party{Number: dialled(r.Number)}
		s.callOutside(l, c, r)
	case plan.Forbidden:
		c.to = Party{Number: dialled(r.Number)}
		s.fail(l, Failed, NotPermitted)
	default:
		c.to = Party{Number: dialled(r.Behind)}
		why := Unallocated
		if r.Kind == plan.Incomplete { // of a telephone that sends the whole number
			why = InvalidFormat
		}
		s.fail(l, Unobtainable, why)
	}
}

// dialled makes a number of digits that came from a keypad.
func dialled(digits string) number.Number {
	n, _ := number.Parse(digits) // a keypad sends nothing else
	return n
}
