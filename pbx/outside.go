package pbx

import (
	"slices"
	"time"

	"sotto/pbx/loopstart"
	"sotto/pbx/plan"
)

// Calls to the exchange. A line is a called party that is alerted from its seizure until
// the number is sent; until then the next line takes over from one that fails, and the
// caller knows nothing of it. In a call for help the caller is joined with the line from
// the start, and hears what the exchange says.

// callOutside places an ordinary call on one of the lines of its route.
func (s *Switch) callOutside(l *leg, c *call, r plan.Route) {
	c.dial = r.Dial
	for _, x := range r.Lines {
		if i := slices.IndexFunc(s.lines, func(ln *line) bool { return ln.label == x.Port }); i >= 0 {
			c.lines = append(c.lines, s.lines[i])
		}
	}
	l.run++
	s.move(l, Waiting, 0) // the times of the line bound it
	if !s.takeLine(c) {
		s.fail(l, Failed, NoCircuit)
	}
}

// callEmergency places a call for help.
func (s *Switch) callEmergency(l *leg, c *call, digits string) {
	c.dial = digits
	if !s.takeLine(c) {
		s.fail(l, Failed, NoCircuit)
		return
	}
	s.log.Warn("emergency call", "from", l.at.name(), "line", c.called.at.name())
	s.move(l, Talking, 0)
	l.at.answered(s, l) // what the exchange says is to be heard from the start
}

// takeLine gives c the best line that it has not tried yet, or tells that there is none.
func (s *Switch) takeLine(c *call) bool {
	ln := s.freeLine(c)
	if c.emergency {
		ln = s.anyLine(c)
	}
	if ln == nil {
		return false
	}
	if ln.leg != nil {
		s.preempt(ln)
	}
	c.tried = append(c.tried, ln)
	c.to.Line = ln.fullName()
	b := s.newLeg(ln, c.numbers, nil)
	b.call = c
	s.join(ln, b)
	if c.emergency {
		c.called = b
		s.move(b, Talking, 0)
	} else {
		c.ringing = append(c.ringing, b)
		s.move(b, Alerting, 0)
	}
	ln.ring(s, b, c.from)
	return true
}

// freeLine gives the first line of an ordinary call's route that is free and not noted as
// missing or in use; one that rests only if no other is free.
func (s *Switch) freeLine(c *call) *line {
	for _, want := range []loopstart.State{loopstart.Free, loopstart.Resting} {
		for _, ln := range c.lines {
			if ln.hook.State() == want && ln.leg == nil && !ln.hook.Missing() && !ln.hook.Others() && !slices.Contains(c.tried, ln) {
				return ln
			}
		}
	}
	return nil
}

// anyLine gives the best line for a call for help. In distress any will do, in the plan or
// not, and what was noted of a line (missing, in use, ringing) only puts it behind the
// others: it may be out of date. The line of an ordinary call comes before those that
// cannot work.
func (s *Switch) anyLine(c *call) (best *line) {
	for _, ln := range s.lines {
		if ln.hook.State() == loopstart.OutOfService || ln.leg != nil && ln.leg.call.emergency || slices.Contains(c.tried, ln) {
			continue
		}
		if best == nil || ln.rank() > best.rank() {
			best = ln
		}
	}
	return best
}

// rank orders lines for a call for help.
func (ln *line) rank() (r int) {
	st := ln.hook.State()
	rings := st == loopstart.Ringing || st == loopstart.Talking && ln.leg == nil // the latter: just taken by collision
	for i, good := range []bool{ln.plan != nil, st == loopstart.Free, !rings, ln.leg == nil || rings, !ln.hook.Others(), !ln.hook.Missing()} {
		if good {
			r += 1 << i
		}
	}
	return r
}

// preempt ends the ordinary call on a line because a call for help needs it.
func (s *Switch) preempt(ln *line) {
	l := ln.leg
	c := l.call
	s.count.Preempted++
	s.log.Warn("call ended for an emergency call", "line", ln.label)
	s.finish(c, c.outcome(), Congestion, s.now)
	if l.state == Gone { // the number was not sent yet, so its leg was one of those that were rung
		s.tell(c.caller, FarLeft, legArg{cause: Congestion})
		return
	}
	s.tell(l, GotHangUp, legArg{at: s.now})
}

// drop takes a line's leg out of its call, which goes on.
func (s *Switch) drop(l *leg) *call {
	c := l.call
	if c.called == l {
		c.called = nil
	}
	c.ringing = slices.DeleteFunc(c.ringing, func(b *leg) bool { return b == l })
	s.tell(l, FarLeft, legArg{cause: NoCircuit})
	return c
}

// nextLine: the line failed before the number was sent; the call goes to the next one, and
// only if there is none its caller is told.
func (s *Switch) nextLine(ln *line, why string) {
	if ln.leg == nil {
		s.lineStep(ln, s.now, loopstart.Release)
		return
	}
	ln.warn = true
	s.log.Warn("exchange line fails", "line", ln.label, "why", why)
	s.tryNext(s.drop(ln.leg))
}

// tryNext gives the call, which has no line now, another one.
func (s *Switch) tryNext(c *call) {
	if s.takeLine(c) {
		return
	}
	if c.emergency {
		s.end(c, Failed, NoCircuit, s.now)
	}
	s.tell(c.caller, FarLeft, legArg{cause: NoCircuit})
}

// collided: a call came in on the line as it was seized, or was to be. The call that was to
// go out goes to the next line; a call for help that has no other rids this one of its
// caller first.
func (s *Switch) collided(ln *line) {
	s.count.Glare++
	if ln.leg == nil {
		return
	}
	l := ln.leg
	ln.leg = nil // so that the line is not released with it
	c := s.drop(l)
	if c.emergency {
		c.tried = slices.DeleteFunc(c.tried, func(x *line) bool { return x == ln })
	}
	s.tryNext(c)
	if ln.leg == nil {
		s.lineRang(ln)
	}
}

// lineDialled: the number is sent. From now on the exchange is to be heard.
func (s *Switch) lineDialled(ln *line) {
	ln.warn = false
	l := ln.leg
	if c := l.call; c.emergency {
		c.answered, c.blind = s.now, true
		return
	}
	s.tell(l, GotAnswer, legArg{at: s.now})
}

// connected notes on c what its line ln knows of the answer, once the number is sent.
func (c *call) connected(ln *line) {
	switch {
	case !ln.hook.Tells():
		c.blind = true
	case !ln.hook.Answered():
		c.answered = time.Time{}
	}
}

// lineAnswered: the exchange says that the called party has answered.
func (s *Switch) lineAnswered(ln *line) {
	c := ln.leg.call
	c.answered = s.now
	if st := c.caller.station(); st != nil {
		s.polarity(st)
	}
}

// lineCleared: the exchange ended the call, or its port failed in it.
func (s *Switch) lineCleared(ln *line, why loopstart.Why, at time.Time) {
	l := ln.leg
	if l == nil {
		s.lineStep(ln, s.now, loopstart.Release)
		return
	}
	c := l.call
	o, cause := c.outcome(), NormalClearing
	if c.called == l && c.answered.IsZero() { // where an answer would have been told
		o, cause = NoAnswer, NoAnswerFromUser
	}
	switch why {
	case loopstart.ByBusy:
		o, cause = Busy, UserBusy
	case loopstart.ByCongestion:
		o, cause = Failed, Congestion
	case loopstart.ByUnobtainable:
		o, cause = Unobtainable, Unallocated
	case loopstart.ByFailure:
		cause = OutOfOrder
	case loopstart.BySilence:
		cause = RecoveryOnTimer
		ln.warn = true
		s.count.Stuck++
		s.log.Warn("exchange line released: nothing was heard for long", "line", ln.label)
	}
	if why.Early() { // nobody ever talked
		c.answered, c.blind = time.Time{}, false
	}
	s.finish(c, o, cause, at)
	s.tell(l, GotHangUp, legArg{at: at})
}

// passDigit passes a digit by pulses on to an exchange that l talks to; what a keypad
// sends it hears anyway.
func (s *Switch) passDigit(l *leg, a legArg) {
	o := l.call.other(l)
	if !a.pulses || o == nil || o.line() == nil || l.call.emergency {
		return
	}
	ln := o.line()
	if st := ln.hook.State(); st != loopstart.Talking && st != loopstart.Keying || !ln.hook.Queue(a.digit) {
		s.count.BadKeys++
		return
	}
	s.lineStep(ln, s.now, loopstart.Key)
}
