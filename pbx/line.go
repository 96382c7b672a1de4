package pbx

import (
	"slices"
	"time"

	"sotto/board"
	"sotto/pbx/country"
	"sotto/pbx/media"
	"sotto/pbx/media/dtmf"
	"sotto/pbx/media/tone"
)

// lineState is what an exchange line is used for.
type lineState uint8

const (
	lineFree   lineState = iota
	lineClears           // off hook to be rid of a call that rang on it, before it is seized
	lineWaits            // for its rest to be over, before it is seized
	lineSeized           // waiting for the chip's voice path and the exchange's dial tone
	lineSends            // dialling
	lineTalks
	lineRests // released; not used again at once, so that the exchange sees it
	lineDead  // the port failed
)

var lineStateNames = [...]string{"free", "clears", "waits", "seized", "dials", "talks", "rests", "out of service"}

func (s lineState) String() string { return lineStateNames[s] }

// Times of an exchange line.
const (
	blindDial  = 1500 * time.Millisecond // from seizure to the first digit: 410 ms of chip calibration and the exchange's dial tone
	lineRest   = 2 * time.Second
	clearTime  = 700 * time.Millisecond // off hook, to take a ringing call and end it
	lostLimit  = 600 * time.Millisecond // no loop current for as long: the exchange cleared the call
	seizeLimit = 300 * time.Millisecond // no loop current for as long before the number is dialled: the line is dead
)

// line is a port that plugs into a line of the public exchange. In this version it
// carries emergency calls only.
type line struct {
	port     board.Port
	label    string
	name     string // by the present plan, empty when it has none
	state    lineState
	missing  bool // no exchange feeds it
	inUse    bool // another set is on it
	ringing  bool // a burst of ringing is on it
	rang     time.Time
	call     *call
	deadline time.Time // end of the state
	lost     time.Time // since when the loop current is missing
	cut      time.Time // when that ends the call
	digits   *tone.Tone
	run      uint32
}

func (ln *line) media() media.Port { return media.Port(ln.port) }

// due gives when the line needs the loop again, or the zero time.
func (ln *line) due() time.Time {
	if ln.deadline.IsZero() || !ln.cut.IsZero() && ln.cut.Before(ln.deadline) {
		return ln.cut
	}
	return ln.deadline
}

// enter puts the line into a state; limit 0 means that no time ends it.
func (ln *line) enter(st lineState, now time.Time, limit time.Duration) {
	ln.state, ln.deadline = st, time.Time{}
	if limit > 0 {
		ln.deadline = now.Add(limit)
	}
}

// callEmergency places an emergency call on an exchange line.
func (s *Switch) callEmergency(l *leg, c *call, digits string) {
	c.dial = digits
	if !s.takeLine(c) {
		s.fail(l, Failed, NoCircuit)
		return
	}
	s.log.Warn("emergency call", "from", l.at.name(), "line", c.line.label)
	s.move(l, Talking, 0)
	l.at.answered(s, l) // what the exchange says is to be heard from the start
}

// takeLine gives c the best exchange line that it has not tried yet, or tells that there
// is none. Lines of the plan come first, but in distress any will do, and what was
// noted of a line (missing, in use, ringing) only puts it behind the others: it may be
// out of date.
func (s *Switch) takeLine(c *call) bool {
	var best *line
	for _, ln := range s.lines {
		if ln.call != nil || ln.state == lineDead || slices.Contains(c.tried, ln) {
			continue
		}
		if best == nil || s.rank(ln) > s.rank(best) {
			best = ln
		}
	}
	if best == nil {
		return false
	}
	c.tried = append(c.tried, best)
	c.line, best.call = best, c
	c.to.Line = best.name
	if best.name == "" {
		c.to.Line = best.label
	}
	best.digits = digitTone(c.dial, &c.numbers.Country.DTMF)
	best.lost, best.cut = time.Time{}, time.Time{}
	switch {
	case best.state == lineRests:
		best.state = lineWaits // its deadline stays
	case s.rings(best):
		s.signal(best.port, board.Seize)
		best.enter(lineClears, s.now, clearTime)
	default:
		s.seizeLine(best)
	}
	return true
}

func (s *Switch) seizeLine(ln *line) {
	s.signal(ln.port, board.Seize)
	ln.enter(lineSeized, s.now, blindDial)
}

// rings tells whether a call from the exchange rings on the line: until the country's
// time without a burst is over.
func (s *Switch) rings(ln *line) bool {
	return ln.ringing || !ln.rang.IsZero() && s.now.Sub(ln.rang) < s.numbers.Country.Timers.RingLost
}

// rank orders lines for an emergency call.
func (s *Switch) rank(ln *line) (r int) {
	for i, good := range []bool{ln.name != "", ln.state == lineFree, !s.rings(ln), !ln.inUse, !ln.missing} {
		if good {
			r += 1 << i
		}
	}
	return r
}

// digitTone makes a tone of DTMF digits as the country's exchanges take them.
func digitTone(digits string, d *country.DTMF) *tone.Tone {
	var steps []tone.Step
	for i := range len(digits) {
		low, high, ok := dtmf.Frequencies(digits[i])
		if !ok {
			continue
		}
		steps = append(steps, tone.Step{Sines: []tone.Sine{{Hz: low, Level: d.Low}, {Hz: high, Level: d.High}}, On: d.On, Off: d.Off})
	}
	return tone.Must(steps, nil)
}

// freeLine releases the exchange line that c used.
func (s *Switch) freeLine(c *call) {
	ln := c.line
	if ln == nil || ln.call != c {
		return
	}
	was := ln.state
	ln.call, ln.digits = nil, nil
	ln.lost, ln.cut = time.Time{}, time.Time{}
	switch was {
	case lineDead:
	case lineWaits: // still on hook, and at rest for a while
		ln.state = lineRests
	default:
		s.signal(ln.port, board.Release)
		ln.enter(lineRests, s.now, lineRest)
	}
}

// lineTimeout: a deadline of the line is over.
func (s *Switch) lineTimeout(ln *line) {
	if !ln.cut.IsZero() && !ln.cut.After(s.now) {
		ln.cut = time.Time{}
		if ln.state == lineTalks {
			s.farLineLeft(ln, NormalClearing)
		} else {
			s.tryNext(ln)
		}
		return
	}
	ln.deadline = time.Time{}
	switch ln.state {
	case lineClears:
		s.signal(ln.port, board.Release)
		ln.ringing, ln.rang = false, time.Time{}
		ln.enter(lineWaits, s.now, lineRest)
	case lineWaits:
		s.seizeLine(ln)
	case lineSeized:
		ln.run++
		var all time.Duration
		for _, st := range ln.digits.Intro() {
			all += st.On + st.Off
		}
		ln.enter(lineSends, s.now, all)
	case lineSends:
		ln.enter(lineTalks, s.now, 0)
		ln.digits = nil
		ln.call.answered, ln.call.blind = s.now, true
		if !ln.lost.IsZero() {
			ln.cut = ln.lost.Add(lostLimit)
		}
	case lineRests:
		ln.state = lineFree
	}
}

// tryNext: the line proved dead before the number was dialled; the call goes to the
// next one, and only if there is none its caller is told.
func (s *Switch) tryNext(ln *line) {
	c := ln.call
	s.freeLine(c)
	c.line = nil
	if s.takeLine(c) {
		s.log.Warn("emergency call goes to another line", "from", ln.label, "line", c.line.label)
		return
	}
	s.end(c, Failed, NoCircuit, s.now)
	s.tell(c.caller, FarLeft, legArg{cause: NoCircuit})
}

// farLineLeft: the exchange cleared the call, or the port failed while it talked.
func (s *Switch) farLineLeft(ln *line, cause Cause) {
	c := ln.call
	at := s.now
	if !ln.lost.IsZero() {
		at = ln.lost
	}
	s.end(c, AnswerUnknown, cause, at)
	s.freeLine(c)
	s.tell(c.caller, FarLeft, legArg{cause: cause})
}

// lineEvent is an event of the board on an exchange-line port.
func (s *Switch) lineEvent(ln *line, e board.Event) {
	switch e.Kind {
	case board.PortFailed:
		s.log.Warn("port out of service", "port", ln.label, "why", e.Err)
		s.signal(ln.port, board.Release) // what it is to do once it works again
		was := ln.state
		ln.enter(lineDead, s.now, 0)
		ln.ringing, ln.rang = false, time.Time{}
		switch {
		case ln.call == nil:
		case was == lineTalks:
			s.farLineLeft(ln, OutOfOrder)
		default:
			s.tryNext(ln)
		}
	case board.PortRestored:
		if ln.state != lineDead {
			s.refuse("line", ln.label, ln.state.String(), e.Kind.String())
			return
		}
		s.log.Info("port back in service", "port", ln.label)
		ln.missing, ln.inUse = false, false
		ln.enter(lineRests, s.now, lineRest)
	case board.CurrentLost:
		if ln.call == nil {
			return // of a line just released
		}
		ln.lost = e.At
		switch ln.state {
		case lineTalks:
			ln.cut = e.At.Add(lostLimit)
		case lineSeized, lineSends:
			ln.cut = e.At.Add(seizeLimit)
		}
	case board.CurrentBack:
		ln.lost, ln.cut = time.Time{}, time.Time{}
	case board.LineMissing, board.LinePresent:
		ln.missing = e.Kind == board.LineMissing
	case board.LineInUse, board.LineFree:
		ln.inUse = e.Kind == board.LineInUse
	case board.RingOn:
		ln.ringing, ln.rang = true, s.now
		s.count.Unused++ // answering the exchange is not part of this version
	case board.RingOff:
		ln.ringing, ln.rang = false, s.now
	case board.PolarityReversed:
		s.count.Unused++
	default:
		s.refuse("line", ln.label, ln.state.String(), e.Kind.String())
	}
}

// onLine tells whether l talks to an exchange line.
func (l *leg) onLine() bool { return l.call != nil && l.call.line != nil }
