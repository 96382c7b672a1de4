package pbx

import (
	"slices"
	"time"

	"sotto/pbx/analog"
	"sotto/pbx/country"
	"sotto/pbx/media/tone"
	"sotto/pbx/number"
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

func (s *Switch) startDialling(l *leg) {
	l.digits = l.digits[:0]
	l.recall = l.station().held != nil
	l.run++
	s.move(l, Dialling, l.numbers.Country.Timers.FirstDigit)
}

func (s *Switch) dialDigit(l *leg, a legArg) {
	if len(l.digits) >= number.MaxDigits {
		s.fail(l, Unobtainable, Unallocated)
		return
	}
	l.digits = append(l.digits, a.digit)
	r := l.numbers.Route(string(l.digits))
	switch {
	case r.Kind == plan.Incomplete && l.numbers.Urgent(string(l.digits)):
		l.deadline = s.now.Add(l.numbers.Country.Timers.FirstDigit) // nobody is hurried who may be calling for help
	case r.Kind == plan.Incomplete:
		l.deadline = s.now.Add(l.numbers.Country.Timers.InterDigit)
	case r.Kind == plan.ToUser && r.More:
		l.deadline = s.now.Add(l.numbers.Country.Timers.Match)
	default:
		s.place(l, r)
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
	r := plan.Route{Kind: plan.Unobtainable}
	if _, err := number.Parse(string(l.digits)); err == nil {
		l.digits = []byte(plan.Digits(string(l.digits)))
		r = l.numbers.Route(string(l.digits))
	} else {
		l.digits = l.digits[:0] // no number at all
	}
	s.place(l, r)
}

// place makes a call of what l has dialled.
func (s *Switch) place(l *leg, r plan.Route) {
	s.lastCall++
	c := &call{id: s.lastCall, caller: l, numbers: l.numbers, began: s.now, from: userParty(l.user), emergency: r.Kind == plan.ToEmergency}
	l.call = c
	s.calls = append(s.calls, c)
	switch r.Kind {
	case plan.ToUser:
		c.to = userParty(r.User)
		s.callUser(l, c, r.User)
	case plan.ToEmergency:
		c.to = Party{Number: dialled(r.Dial)}
		s.callEmergency(l, c, r.Dial)
	default:
		c.to = Party{Number: dialled(string(l.digits))}
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

func userParty(u *plan.User) Party {
	if u == nil {
		return Party{}
	}
	return Party{User: u.ID, Ext: u.Ext}
}

// callUser rings every free station of u, and its telephones on the network.
func (s *Switch) callUser(l *leg, c *call, u *plan.User) {
	busy := false
	var free []*station
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
	ring := func(at end, owner *plan.User) *leg {
		b := s.newLeg(at, c.numbers, owner)
		b.call = c
		c.ringing = append(c.ringing, b)
		s.move(b, Alerting, 0)
		return b
	}
	for _, st := range free {
		st.active = ring(st, st.user)
	}
	if net {
		p := &phone{}
		p.leg = ring(p, u)
	}
	for _, b := range append([]*leg(nil), c.ringing...) {
		if b.state == Alerting { // an earlier one may just have answered
			b.at.ring(s, b, c.from)
		}
	}
}

// alerts: a telephone that is called has begun to ring.
func (s *Switch) alerts(b *leg, _ legArg) {
	if c := b.call; !c.alerts {
		c.alerts = true
		c.caller.run++
		c.caller.at.rings(s, c.caller)
	}
}

// refused: a telephone does not take the call. The call goes on as long as another may.
func (s *Switch) refused(b *leg, a legArg) {
	c := b.call
	s.remove(b)
	if i := slices.Index(c.ringing, b); i >= 0 {
		c.ringing = slices.Delete(c.ringing, i, i+1)
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
	c.answered, c.called = s.now, b
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
	s.end(c, Answered, OutOfOrder, s.now)
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
		ringing := c.ringing
		s.end(c, o, cause, s.now)
		for _, b := range ringing {
			s.tell(b, FarLeft, legArg{cause: cause})
		}
		s.freeLine(c)
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
	c, was := l.call, l.state
	s.remove(l)
	if c != nil {
		s.clearCall(c, l, was, a.at)
	}
	if st := l.station(); st != nil && st.held != nil {
		s.tell(st.held, GotHangUp, a)
	}
}

// clearCall ends c because its leg l, which was in state was, left at at.
func (s *Switch) clearCall(c *call, l *leg, was LegState, at time.Time) {
	if c.answered.IsZero() {
		ringing := c.ringing
		s.end(c, Abandoned, NormalClearing, at)
		for _, b := range ringing {
			s.tell(b, FarLeft, legArg{cause: NormalClearing})
		}
		s.freeLine(c)
		return
	}
	o := Answered
	if c.blind {
		o = AnswerUnknown
	}
	s.end(c, o, NormalClearing, at)
	s.freeLine(c)
	if far := c.other(l); far != nil {
		s.tell(far, FarLeft, legArg{cause: NormalClearing})
	}
}

// end records c, once.
func (s *Switch) end(c *call, o Outcome, cause Cause, at time.Time) {
	if c.ended {
		return
	}
	c.ended = true
	if at.IsZero() || at.Before(c.began) {
		at = s.now
	}
	r := Record{From: c.from, To: c.to, Began: c.began, Outcome: o, Cause: cause, Held: c.held, Emergency: c.emergency}
	if c.answered.IsZero() {
		r.Rang = at.Sub(c.began)
	} else {
		r.Rang = c.answered.Sub(c.began)
		r.Talked = max(0, at.Sub(c.answered))
	}
	c.ringing = nil
	for i := range s.calls {
		if s.calls[i] == c {
			s.calls = append(s.calls[:i], s.calls[i+1:]...)
			break
		}
	}
	r.FromQuality = c.caller.at.quality()
	if c.called != nil {
		r.ToQuality = c.called.at.quality()
	}
	c.caller.at.ended(s)
	s.out.records = append(s.out.records, r)
}
