package pbx

import (
	"slices"
	"time"

	"sotto/board"
	"sotto/pbx/analog"
	"sotto/pbx/loopstart"
	"sotto/pbx/media"
)

// step takes the loop from one state to the next: deadlines that are over, then the
// event, then what follows from both. It does no input or output. With an event of the
// board, deadlines are over that were so when it happened: a loop that comes late must
// not take a flash for a hang-up.
func (s *Switch) step(now time.Time, e Event) {
	s.now = now
	s.count.Steps++
	if e.Board != nil && e.Board.At.Before(now) {
		s.expire(e.Board.At)
	} else {
		s.expire(now)
	}
	switch {
	case e.Board != nil:
		s.boardEvent(*e.Board)
	case e.Digit != nil:
		if int(e.Digit.Port) < len(s.byPort) {
			if st, ok := s.byPort[e.Digit.Port].(*station); ok {
				s.trace.add(now, "digit", st.label, "·")
				s.digit(st, e.Digit.Sign, false)
			}
		}
	case e.Heard != nil:
		s.heard(*e.Heard)
	case e.Phone != nil:
		s.phoneEvent(*e.Phone)
	case e.Plan != nil:
		s.adopt(e.Plan)
	case e.Ping != nil:
		close(e.Ping)
	}
	s.publish()
}

func (s *Switch) boardEvent(e board.Event) {
	if gap := int32(e.Seq - s.lastSeq); s.seqKnown && gap > 1 {
		s.count.LostEvents += uint64(gap - 1)
	}
	s.lastSeq, s.seqKnown = e.Seq, true
	if int(e.Port) < 0 || int(e.Port) >= len(s.byPort) {
		s.refuse("board", "no such port", "any", e.Kind.String())
		return
	}
	switch d := s.byPort[e.Port].(type) {
	case *station:
		s.trace.add(s.now, e.Kind.String(), d.label, d.hook.State().String())
		s.stationEvent(d, e)
	case *line:
		s.trace.add(s.now, e.Kind.String(), d.label, d.hook.State().String())
		s.lineEvent(d, e)
	}
}

// expire fires the deadlines that are not after limit, the oldest first.
func (s *Switch) expire(limit time.Time) {
	for range 10000 {
		d, st, l, ln := s.earliest()
		if d.IsZero() || d.After(limit) {
			return
		}
		switch {
		case st != nil:
			s.hook(st, s.now, analog.Timeout)
		case l != nil:
			l.deadline = time.Time{}
			s.tell(l, GotTimeout, legArg{at: s.now})
		case ln != nil:
			s.lineStep(ln, s.now, loopstart.Timeout)
		}
	}
	s.log.Error("deadlines without end", "events", s.trace.String())
}

func (s *Switch) earliest() (d time.Time, st *station, l *leg, ln *line) {
	sooner := func(t time.Time) bool { return !t.IsZero() && (d.IsZero() || t.Before(d)) }
	for _, x := range s.stations {
		if t := x.hook.Deadline(); sooner(t) {
			d, st, l, ln = t, x, nil, nil
		}
	}
	for _, x := range s.legs {
		if sooner(x.deadline) {
			d, st, l, ln = x.deadline, nil, x, nil
		}
	}
	for _, x := range s.lines {
		if t := x.hook.Deadline(); sooner(t) {
			d, st, l, ln = t, nil, nil, x
		}
	}
	return
}

// deadline gives when the loop must come by again, or the zero time.
func (s *Switch) deadline() time.Time {
	d, _, _, _ := s.earliest()
	return d
}

// tell lets an event happen to a leg.
func (s *Switch) tell(l *leg, e LegEvent, a legArg) {
	if l == nil {
		return
	}
	from := l.state
	m, ok := LegTable.Find(from, e)
	s.trace.add(s.now, e.String(), l.at.name(), from.String())
	if !ok {
		s.refuse("leg", l.at.name(), from.String(), e.String())
		return
	}
	m.Do(s, l, a)
	if !m.Allows(from, l.state) {
		s.count.Refused++
		s.log.Error("leg went where its table does not lead", "port", l.at.name(), "from", from.String(), "event", e.String(), "to", l.state.String())
	}
}

// move puts l into state n; after limit a timeout is due (0: never).
func (s *Switch) move(l *leg, n LegState, limit time.Duration) {
	l.state = n
	l.deadline = time.Time{}
	if limit > 0 {
		l.deadline = s.now.Add(limit)
	}
}

// remove ends a leg's life.
func (s *Switch) remove(l *leg) {
	s.move(l, Gone, 0)
	l.at.forget(s, l)
	if i := slices.Index(s.legs, l); i >= 0 {
		s.legs = slices.Delete(s.legs, i, i+1)
	}
}

// refuse counts and logs what a table does not allow.
func (s *Switch) refuse(what, port, state, event string) {
	s.count.Refused++
	s.log.Warn("not allowed here", "what", what, "port", port, "state", state, "event", event)
}

// A snapshot costs as much as there are calls. With many, it is not made after every
// event, and what a page shows may be older by this much.
const (
	manyCalls     = 64
	snapshotEvery = 50 * time.Millisecond
)

// publish derives the patch and the snapshot, and hands them out if they changed.
func (s *Switch) publish() {
	before := s.scratch.Ears
	p := s.derive()
	if !slices.Equal(p.Ears, s.patch.Ears) {
		s.patch = &media.Patch{Ears: slices.Clone(p.Ears)}
		s.cfg.Publish(s.patch)
	}
	if n := len(p.Ears); n < len(before) {
		clear(before[n:]) // what a display is told is a name, and does not outlast the ringing
	}
	if len(s.calls) < manyCalls || !s.now.Before(s.snapped.Add(snapshotEvery)) {
		s.snapped = s.now
		s.snap.Store(s.snapshot())
	}
}
