package pbx

import "sotto/pbx/analog"

// Hold by hook flash. A station has at most two legs: the active one, whose sound is at
// the handset, and one that holds. A flash while talking holds and gives dial tone; the
// next flash comes back. With a second call up it swaps the two. Whoever hangs up with
// somebody on hold is rung by the held call.

// flashHold: the party of a talking leg flashed.
func (s *Switch) flashHold(l *leg, _ legArg) {
	st := l.station()
	if l.call.emergency { // it is not put on hold
		return
	}
	back := st.held
	s.hold(l)
	if back != nil {
		st.active = back
		s.tell(back, Retrieve, legArg{})
		return
	}
	st.active = nil
	s.seize(st)
}

// hold puts the other end of l on hold and makes l the held leg of its station.
func (s *Switch) hold(l *leg) {
	l.call.held = true
	if st := l.station(); st != nil {
		st.held = l
	}
	s.move(l, Holding, 0)
	if o := l.call.other(l); o != nil {
		s.tell(o, FarHolds, legArg{})
	}
}

// flashBack: the party flashed while dialling, waiting or hearing a tone.
func (s *Switch) flashBack(l *leg, a legArg) {
	st := l.station()
	if st.held == nil {
		switch l.state {
		case Dialling, Listening:
			s.startDialling(l)
		}
		return // Waiting, Warned, Silent: nothing to come back to
	}
	c := l.call
	s.remove(l)
	if c != nil {
		s.clearCall(c, l, a.at)
	}
	if st.held == nil { // the held party left in this very step
		s.seize(st)
		return
	}
	st.active = st.held
	s.tell(st.active, Retrieve, legArg{})
}

// retrieve joins l and the party it held.
func (s *Switch) retrieve(l *leg, _ legArg) {
	if st := l.station(); st != nil {
		if st.held == l {
			st.held = nil
		}
		st.active = l
		s.polarity(st)
	}
	s.move(l, Talking, 0)
	if o := l.call.other(l); o != nil {
		s.tell(o, FarRetrieves, legArg{})
	}
}

// heldGone: the party on hold left; its holder dials or talks on undisturbed.
func (s *Switch) heldGone(l *leg, a legArg) {
	st := l.station()
	if st == nil {
		s.farGone(l, a)
		return
	}
	if st.active != nil {
		st.active.recall = false
	}
	s.remove(l)
}

// leaveHeld: the party of a holding leg hung up. A telephone on the network has ended
// the held call by that; an analog one has not said which of its calls it ends.
func (s *Switch) leaveHeld(l *leg, a legArg) {
	if l.station() == nil {
		s.hangUp(l, a)
		return
	}
	s.recallHeld(l, a)
}

// phoneHolds: a telephone on the network put the other end on hold.
func (s *Switch) phoneHolds(l *leg, _ legArg) {
	if l.call.emergency { // it is not put on hold: the exchange goes on being heard
		return
	}
	s.hold(l)
}

// holdsToo, holdsNoMore: the telephone of a leg that is on hold itself holds, and takes
// the other end back.
func (s *Switch) holdsToo(l *leg, _ legArg)    { l.holds = true }
func (s *Switch) holdsNoMore(l *leg, _ legArg) { l.holds = false }

// farRetrieved: the other end took l back.
func (s *Switch) farRetrieved(l *leg, a legArg) {
	if l.holds {
		l.holds = false
		s.hold(l)
		return
	}
	s.talk(l, a)
}

// recallHeld: the party of a holding leg hung up; its own telephone rings.
func (s *Switch) recallHeld(l *leg, a legArg) {
	st := l.station()
	st.held = nil
	if st.hook.State() == analog.OutOfService {
		c := l.call
		s.remove(l)
		s.clearCall(c, l, a.at)
		return
	}
	st.active = l
	l.recall = true
	st.reversed = false // ringing and its end put the line as it normally is
	s.move(l, Alerting, l.call.numbers.Ring)
	from := l.call.from
	if l == l.call.caller {
		from = l.call.to
	}
	s.announce(l, from)
	s.hook(st, s.now, analog.Ring)
}

// recallOver: nobody came back to the held call.
func (s *Switch) recallOver(l *leg, a legArg) {
	st, c := l.station(), l.call
	s.remove(l)
	s.hook(st, s.now, analog.Quiet)
	s.clearCall(c, l, s.now)
}
