package pbx

import (
	"time"

	"sotto/board"
	"sotto/pbx/media"
	"sotto/pbx/media/dtmf"
	"sotto/pbx/media/tone"
)

// lineState is what an exchange line is used for.
type lineState uint8

const (
	lineFree   lineState = iota
	lineSeized           // waiting for the chip's voice path and the exchange's dial tone
	lineSends            // dialling
	lineTalks
	lineRests // released; not used again at once, so that the exchange sees it
	lineDead  // the port failed
)

var lineStateNames = [...]string{"free", "seized", "dials", "talks", "rests", "out of service"}

func (s lineState) String() string { return lineStateNames[s] }

// Times of an exchange line.
const (
	blindDial = 1500 * time.Millisecond // from seizure to the first digit: 410 ms of chip calibration and the exchange's dial tone
	dialOn    = 100 * time.Millisecond  // DTMF sent: safe for every exchange
	dialOff   = 100 * time.Millisecond
	lineRest  = 2 * time.Second
	lostLimit = 600 * time.Millisecond // no loop current for as long: the exchange cleared the call
	dialLevel = -9.0                   // dBm0 of the low group; the high group is 2 dB louder
	dialTwist = 2.0
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
	call     *call
	deadline time.Time
	lost     time.Time // since when the loop current is missing
	digits   *tone.Tone
	run      uint32
}

func (ln *line) media() media.Port { return media.Port(ln.port) }

// callEmergency takes the first exchange line that can be had. Lines of the plan come
// first, but in distress any line will do.
func (s *Switch) callEmergency(l *leg, c *call, digits string) {
	var best *line
	for _, ln := range s.lines {
		if ln.state != lineFree && ln.state != lineRests || ln.missing {
			continue
		}
		if best == nil || rank(ln) > rank(best) {
			best = ln
		}
	}
	if best == nil {
		s.fail(l, Failed, NoCircuit)
		return
	}
	s.log.Warn("emergency call", "from", l.st.label, "line", best.label)
	best.call, best.lost = c, time.Time{}
	best.digits = digitTone(digits)
	best.state = lineSeized
	best.deadline = s.now.Add(blindDial)
	c.line = best
	c.to.Line = best.name
	c.answered, c.blind = s.now, true
	s.signal(best.port, board.Seize)
	s.move(l, Talking, 0)
}

// rank orders lines for an emergency call.
func rank(ln *line) int {
	r := 0
	if !ln.inUse {
		r += 4
	}
	if ln.state == lineFree {
		r += 2
	}
	if ln.name != "" {
		r++
	}
	return r
}

// digitTone makes a tone of DTMF digits.
func digitTone(digits string) *tone.Tone {
	var steps []tone.Step
	for i := range len(digits) {
		low, high, ok := dtmf.Frequencies(digits[i])
		if !ok {
			continue
		}
		steps = append(steps, tone.Step{Sines: []tone.Sine{{Hz: low, Level: dialLevel}, {Hz: high, Level: dialLevel + dialTwist}}, On: dialOn, Off: dialOff})
	}
	return tone.Must(steps, nil)
}

// freeLine releases the exchange line that c used.
func (s *Switch) freeLine(c *call) {
	ln := c.line
	if ln == nil || ln.call != c {
		return
	}
	ln.call, ln.digits = nil, nil
	if ln.state == lineDead {
		return
	}
	ln.state, ln.deadline, ln.lost = lineRests, s.now.Add(lineRest), time.Time{}
	s.signal(ln.port, board.Release)
}

// lineTimeout: the limit of the line's state is over.
func (s *Switch) lineTimeout(ln *line) {
	ln.deadline = time.Time{}
	switch ln.state {
	case lineSeized:
		ln.run++
		ln.state = lineSends
		var all time.Duration
		for _, st := range ln.digits.Intro() {
			all += st.On + st.Off
		}
		ln.deadline = s.now.Add(all)
	case lineSends:
		ln.state, ln.digits = lineTalks, nil
	case lineTalks: // loop current did not come back
		s.farLineLeft(ln, NormalClearing)
	case lineRests:
		ln.state = lineFree
	}
}

// farLineLeft: the exchange cleared the call, or the port failed.
func (s *Switch) farLineLeft(ln *line, cause Cause) {
	c := ln.call
	if c == nil {
		return
	}
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
		ln.state, ln.deadline = lineDead, time.Time{}
		s.farLineLeft(ln, OutOfOrder)
	case board.PortRestored:
		if ln.state != lineDead {
			s.refuse("line", ln.label, ln.state.String(), e.Kind.String())
			return
		}
		s.log.Info("port back in service", "port", ln.label)
		ln.state, ln.missing, ln.inUse = lineRests, false, false
		ln.deadline = s.now.Add(lineRest)
		s.signal(ln.port, board.Release)
	case board.CurrentLost:
		ln.lost = e.At
		if ln.state == lineTalks {
			ln.deadline = e.At.Add(lostLimit)
		}
	case board.CurrentBack:
		ln.lost = time.Time{}
		if ln.state == lineTalks {
			ln.deadline = time.Time{}
		}
	case board.LineMissing, board.LinePresent:
		ln.missing = e.Kind == board.LineMissing
	case board.LineInUse, board.LineFree:
		ln.inUse = e.Kind == board.LineInUse
	case board.RingOn, board.RingOff, board.PolarityReversed:
		s.count.Unused++ // answering the exchange is not part of this version
	default:
		s.refuse("line", ln.label, ln.state.String(), e.Kind.String())
	}
}

// onLine tells whether l talks to an exchange line.
func (st *station) onLine(l *leg) bool { return l.call != nil && l.call.line != nil }
