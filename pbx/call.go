package pbx

import (
	"slices"
	"time"

	"sotto/pbx/analog"
	"sotto/pbx/country"
	"sotto/pbx/media/tone"
	"sotto/pbx/plan"
)

// howlLimit is how long the howler sounds; then the line falls silent.
const howlLimit = 60 * time.Second

// seize gives the party of a station that lifted its handset a leg to dial with.
func (s *Switch) seize(st *station) {
	l := s.newLeg(st, s.numbers, st.user)
	st.active = l
	s.startDialling(l)
}

func (s *Switch) newLeg(at end, n *plan.Numbering, u *plan.User) *leg {
	s.lastLeg++
	l := &leg{id: s.lastLeg, at: at, numbers: n, user: u}
	s.legs = append(s.legs, l)
	return l
}

func userParty(u *plan.User) Party {
	if u == nil {
		return Party{}
	}
	return Party{User: u.ID, Ext: u.Ext, Place: u.Place}
}

// idle gives the stations of u that can be rung, and whether another is busy.
func (s *Switch) idle(u *plan.User) (free []*station, busy bool) {
	for _, label := range u.Ports {
		st := s.byLabel[label]
		if st == nil || st.hook.State() == analog.OutOfService {
			continue
		}
		if st.active != nil || st.held != nil || st.hook.Up() {
			busy = true
			continue
		}
		free = append(free, st)
	}
	return free, busy
}

// callUser rings every free station of u, and its telephones on the network.
func (s *Switch) callUser(l *leg, c *call, u *plan.User) {
	free, busy := s.idle(u)
	if busy {
		c.miss(u)
	}
	net := u.SIP && s.cfg.Phones != nil
	switch {
	case len(free) > 0 || net:
	case busy:
		s.fail(l, Busy, UserBusy)
		return
	default:
		s.fail(l, Failed, OutOfOrder)
		return
	}
	l.run++
	s.move(l, Waiting, c.numbers.Ring)
	if busy {
		c.refused = UserBusy
	}
	var users []*plan.User
	if net {
		users = append(users, u)
	}
	s.alert(c, free, users)
}

// alert rings stations, and the telephones on the network of users, for c.
func (s *Switch) alert(c *call, free []*station, net []*plan.User) {
	var all []*leg
	ring := func(at end, owner *plan.User) *leg {
		b := s.newLeg(at, c.numbers, owner)
		b.call = c
		all = append(all, b)
		c.ringing = append(c.ringing, b)
		s.move(b, Alerting, 0)
		return b
	}
	for _, st := range free {
		st.active = ring(st, st.user)
	}
	for _, u := range net {
		p := &phone{}
		p.leg = ring(p, u)
	}
	for _, b := range all {
		if b.state == Alerting { // an earlier one may just have answered
			b.at.ring(s, b, c.from)
		}
	}
}

// alerts: a telephone that is called has begun to ring.
func (s *Switch) alerts(b *leg, _ legArg) {
	c := b.call
	c.miss(b.user)
	if !c.alerts {
		c.alerts = true
		c.caller.run++
		c.caller.at.rings(s, c.caller)
	}
}

// refused: a telephone does not take the call. The call goes on as long as another may.
func (s *Switch) refused(b *leg, a legArg) {
	c := b.call
	if a.cause == UserBusy || a.cause == Rejected {
		c.miss(b.user)
	}
	s.remove(b)
	if i := slices.Index(c.ringing, b); i >= 0 {
		c.ringing = slices.Delete(c.ringing, i, i+1)
	}
	if c.caller.line() != nil { // an exchange goes on ringing
		return
	}
	if c.refused == 0 || a.cause.Telling() > c.refused.Telling() {
		c.refused = a.cause
	}
	if a.all || len(c.ringing) == 0 {
		s.fail(c.caller, refusal(c.refused), c.refused)
	}
}

func refusal(c Cause) Outcome {
	switch c {
	case Rejected, UserBusy:
		return Busy
	case NoAnswerFromUser, NoUserResponding:
		return NoAnswer
	case Unallocated:
		return Unobtainable
	}
	return Failed
}

// answer: the party of a leg that rings lifted its handset.
func (s *Switch) answer(b *leg, _ legArg) {
	c := b.call
	if b.recall {
		b.recall = false
		s.retrieve(b, legArg{})
		return
	}
	c.answered, c.called, c.missed = s.now, b, nil
	switch ln := b.line(); {
	case ln != nil:
		c.connected(ln)
	case c.caller.line() != nil:
		c.to = userParty(b.user)
	}
	for _, o := range c.ringing {
		if o != b {
			s.tell(o, FarLeft, legArg{cause: NonSelectedUser})
		}
	}
	c.ringing = nil
	s.move(b, Talking, 0)
	s.tell(c.caller, FarAnswered, legArg{})
}

// farAnswered: the party that l called lifted its handset.
func (s *Switch) farAnswered(l *leg, a legArg) {
	s.talk(l, a)
	l.at.answered(s, l)
}

func (s *Switch) talk(l *leg, _ legArg) { s.move(l, Talking, 0) }

func (s *Switch) beHeld(l *leg, _ legArg) {
	l.run++
	s.move(l, Held, 0)
}

// stopAlerting: nobody needs this leg to ring any more.
func (s *Switch) stopAlerting(b *leg, a legArg) {
	if p, ok := b.at.(*phone); ok {
		p.why = a.cause
	}
	s.remove(b)
	b.at.quiet(s)
}

// alertFailed: a port failed while it rang.
func (s *Switch) alertFailed(b *leg, _ legArg) {
	if !b.recall {
		s.refused(b, legArg{cause: OutOfOrder})
		return
	}
	c := b.call
	s.remove(b)
	s.end(c, c.outcome(), OutOfOrder, s.now)
	s.tell(c.other(b), FarLeft, legArg{cause: OutOfOrder})
}

func (s *Switch) noAnswer(l *leg, _ legArg) {
	s.fail(l, NoAnswer, NoAnswerFromUser)
}

func (s *Switch) notReached(l *leg, a legArg) { s.fail(l, Failed, a.cause) }

// fail ends the call that l is placing and lets its party hear why.
func (s *Switch) fail(l *leg, o Outcome, cause Cause) {
	c := l.call
	if c != nil {
		s.finish(c, o, cause, s.now)
	}
	l.call = nil
	l.at.over(s, l, cause, false)
}

// listen lets the party of l, at a station, hear a tone. Its call is over.
func (s *Switch) listen(l *leg, t *tone.Tone) {
	l.call = nil
	l.tone = t
	l.run++
	s.move(l, Listening, l.numbers.Country.Timers.Howler)
}

// farGone: the other end of a call in progress left.
func (s *Switch) farGone(l *leg, a legArg) {
	l.call = nil
	l.at.over(s, l, a.cause, true)
}

func (s *Switch) howl(l *leg, _ legArg) {
	l.tone = l.numbers.Country.Tone(country.Howler)
	l.run++
	s.move(l, Warned, howlLimit)
}

func (s *Switch) silence(l *leg, _ legArg) { s.move(l, Silent, 0) }

// hangUp: the party of l hung up (or its port failed). A call that it holds rings it.
func (s *Switch) hangUp(l *leg, a legArg) {
	c := l.call
	s.remove(l)
	if c != nil {
		s.clearCall(c, l, a.at)
	}
	if st := l.station(); st != nil && st.held != nil {
		s.tell(st.held, GotHangUp, a)
	}
}

// clearCall ends c because its leg l left at at.
func (s *Switch) clearCall(c *call, l *leg, at time.Time) {
	s.finish(c, c.outcome(), NormalClearing, at)
	if far := c.other(l); far != nil {
		s.tell(far, FarLeft, legArg{cause: c.why})
	}
}

// outcome says how c went if nobody says otherwise.
func (c *call) outcome() Outcome {
	switch {
	case c.answered.IsZero():
		return Abandoned
	case c.blind:
		return AnswerUnknown
	}
	return Answered
}

// finish records c, once, and ends the legs that are still being rung.
func (s *Switch) finish(c *call, o Outcome, cause Cause, at time.Time) {
	ringing := c.ringing
	s.end(c, o, cause, at)
	for _, b := range ringing {
		s.tell(b, FarLeft, legArg{cause: cause})
	}
}

// end records c, once.
func (s *Switch) end(c *call, o Outcome, cause Cause, at time.Time) {
	if c.ended {
		return
	}
	c.ended, c.why = true, cause
	if at.IsZero() || at.Before(c.began) {
		at = s.now
	}
	r := Record{From: c.from, To: c.to, Began: c.began, Outcome: o, Cause: cause, Held: c.held, Emergency: c.emergency, Code: c.code, Missed: c.missed}
	if c.answered.IsZero() {
		r.Rang = at.Sub(c.began)
	} else {
		r.Rang = c.answered.Sub(c.began)
		r.Talked = max(0, at.Sub(c.answered))
	}
	c.ringing = nil
	if i := slices.Index(s.calls, c); i >= 0 {
		s.calls = slices.Delete(s.calls, i, i+1)
	}
	r.FromQuality = c.caller.at.quality()
	if c.called != nil {
		r.ToQuality = c.called.at.quality()
	}
	if n := dialled(c.dial); n != r.To.Number && !c.emergency {
		r.Sent = n
	}
	s.keep(c, &r)
	c.caller.at.ended(s)
	s.out.records = append(s.out.records, r)
}
