package pbx

import (
	"sotto/pbx/loopstart"
	"sotto/pbx/plan"
)

// Calls from the exchange. The line is the caller: its leg waits while telephones of the
// office are rung, and only an answer takes the call. If nobody answers it is let ring out:
// taking it would cost the caller money and tell nothing.

// lineRang: a call comes in on a line.
func (s *Switch) lineRang(ln *line) {
	if ln.plan == nil { // nobody has said whose it is
		s.count.Unused++
		if ln.hook.Up() {
			s.lineStep(ln, s.now, loopstart.Release)
		}
		return
	}
	l := s.newLeg(ln, s.numbers, nil)
	s.join(ln, l)
	s.lastCall++
	c := &call{id: s.lastCall, caller: l, numbers: s.numbers, began: s.now, from: Party{Line: ln.plan.Name}, rings: s.rungBy(ln.plan)}
	if len(c.rings) == 1 {
		c.to = userParty(c.rings[0])
	}
	l.call = c
	s.calls = append(s.calls, c)
	s.move(l, Waiting, c.numbers.Ring)
	var free []*station
	var net []*plan.User
	for _, u := range c.rings {
		st, busy := s.idle(u)
		if busy {
			c.miss(u)
		}
		free = append(free, st...)
		if u.SIP && s.cfg.Phones != nil {
			net = append(net, u)
		}
	}
	s.alert(c, free, net)
}

// rungBy gives the users whom a call on line x rings.
func (s *Switch) rungBy(x *plan.Line) (l []*plan.User) {
	for _, e := range x.Rings {
		if u := s.numbers.ByExt(e); u != nil {
			l = append(l, u)
		}
	}
	if len(x.Rings) > 0 {
		return l
	}
	for i := range s.numbers.Plan.Users {
		l = append(l, &s.numbers.Plan.Users[i])
	}
	return l
}

// ringMore: another burst of the call that rings on the line. Telephones that have become
// free since are rung, too, but nobody whom the plan has no more.
func (s *Switch) ringMore(ln *line) {
	if ln.leg == nil || ln.leg.state != Waiting {
		return
	}
	var free []*station
	for _, u := range ln.leg.call.rings {
		if u = s.numbers.User(u.ID); u != nil {
			st, _ := s.idle(u)
			free = append(free, st...)
		}
	}
	s.alert(ln.leg.call, free, nil)
}
