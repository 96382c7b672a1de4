package si3050

import (
	"time"

	"sotto/board"
)

// Times by which samples of the line become events. They remove glitches, no more: the
// event carries the time of the first sample that showed it.
const (
	hookSettle     = 200 * time.Millisecond // after a change of our own hook switch
	currentHold    = 20 * time.Millisecond  // loop current, to be exceeded
	polarityHold   = 40 * time.Millisecond  // over half a period of 15 Hz: no ring (§5.25.1)
	voltageHold    = 64 * time.Millisecond  // line present, in use, free
	missingHold    = time.Second            // exchanges take the battery away for line tests
	missingVolts   = 3
	inUseVolts     = 26
	maxPulseLength = 40 * time.Millisecond // of the ring bits at a reversal
)

// sample is one look at the line.
type sample struct {
	at       time.Time
	rdt      bool // ring, validated by the chip
	edges    byte // RDTN, RDTP: beyond the ring threshold now
	current  bool // loop current flows
	hasVolts bool
	volts    int
}

type lineState uint8

const (
	lineFree lineState = iota // fed by the exchange, or not known
	lineInUse
	lineMissing
)

// senses turns samples into events. It is pure: time comes with the samples.
type senses struct {
	n int // events of the last step

	since   time.Time // last change of our hook switch
	seized  bool
	ringing bool
	ringAt  time.Time
	stirs   stirs
	glare   time.Time // a ring that our own hook switch ended before it was told; zero: none

	lost   bool // CurrentLost told
	change run  // of the loop current

	sign     int // of the voltage; 0 while not known
	turn     run // of the sign
	edgeAt   time.Time
	pulse    run  // of the ring bits
	pulseBit byte // which of them

	state lineState
	next  lineState
	shift run // towards next
}

// run is a stretch of samples that show the same thing.
type run struct {
	on bool
	at time.Time
}

// hold notes a sample and gives how long the run has lasted, or -1 when there is none.
func (r *run) hold(on bool, now time.Time) time.Duration {
	if on && !r.on {
		r.at = now
	}
	r.on = on
	if !on {
		return -1
	}
	return now.Sub(r.at)
}

// seize and restart note that our own hook switch closed or opened.
func (s *senses) seize(now time.Time) { s.hook(now, true) }

func (s *senses) restart(now time.Time) { s.hook(now, false) }

func (s *senses) hook(now time.Time, seized bool) {
	if seized && s.rang(now) {
		s.glare = s.stirs.at
	}
	s.stirs = stirs{}
	s.since, s.seized = now, seized
	s.lost = false
	s.change, s.turn, s.pulse, s.shift = run{}, run{}, run{}, run{}
}

// pulsed notes a break of our own making that ended.
func (s *senses) pulsed(now time.Time) {
	s.since = now
	s.change, s.turn, s.pulse, s.shift = run{}, run{}, run{}, run{}
}

// stirs is what the ring bits have shown lately, before the chip takes it for a ring.
type stirs struct {
	at, last time.Time
	bits     byte
}

const (
	stirGap  = 70 * time.Millisecond // without a ring bit: over a period of 15 Hz
	stirLong = 30 * time.Millisecond // one polarity only: no reversal stirs for so long
)

// stir notes the ring bits: none on a seized line.
func (s *senses) stir(now time.Time, bits byte) {
	if bits == 0 {
		return
	}
	if now.Sub(s.stirs.last) > stirGap {
		s.stirs = stirs{at: now}
	}
	s.stirs.last = now
	s.stirs.bits |= bits
	s.edgeAt = now
	if s.pulse.on {
		s.pulseBit |= bits
	}
}

// rang tells whether what stirs at now is ringing that the chip has not confirmed yet.
// A reversal has one polarity, for a moment.
func (s *senses) rang(now time.Time) bool {
	x := &s.stirs
	return !s.ringing && !x.at.IsZero() && now.Sub(x.last) <= stirGap && (x.bits == bitsRing || x.last.Sub(x.at) >= stirLong)
}

// step takes a sample; timeout is the silence after which the chip ends a ring.
func (s *senses) step(x sample, timeout time.Duration, events *[8]board.Event) {
	s.n = 0
	emit := func(kind board.EventKind, at time.Time) {
		events[s.n] = board.Event{Kind: kind, At: at}
		s.n++
	}
	if !s.glare.IsZero() {
		emit(board.RingOn, s.glare)
		emit(board.RingOff, later(s.since, s.glare))
		s.glare = time.Time{}
	}
	s.stir(x.at, x.edges)
	s.ring(x, timeout, emit)
	settled := x.at.Sub(s.since) >= hookSettle
	if s.seized {
		if settled && s.change.hold(x.current == s.lost, x.at) > currentHold {
			kind := board.CurrentLost
			if s.lost {
				kind = board.CurrentBack
			}
			emit(kind, s.change.at)
			s.lost, s.change.on = !s.lost, false
		}
	} else if !x.hasVolts && settled {
		s.reversalByEdge(x, emit)
	}
	if x.hasVolts && settled {
		quiet := !s.ringing && x.edges == 0
		s.polarity(x, quiet, emit)
		if !s.seized {
			s.line(x, quiet, emit)
		}
	}
}

// ring follows the validated ring bit. It rises when the ring has lasted ringConfirm
// and falls when it has been over for timeout; the events carry the times of the ring
// itself.
func (s *senses) ring(x sample, timeout time.Duration, emit func(board.EventKind, time.Time)) {
	if x.rdt == s.ringing {
		return
	}
	s.ringing = x.rdt
	at := x.at
	switch {
	case x.rdt:
		at = later(x.at.Add(-ringConfirm), s.since)
		s.ringAt = at
		emit(board.RingOn, at)
		return
	case s.seized: // going off hook ended it
		at = s.since
	default:
		at = x.at.Add(-timeout)
	}
	emit(board.RingOff, later(at, s.ringAt))
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// polarity follows the sign of the line voltage. It has to hold while no ring bit
// shows; below 3 V there is no sign.
func (s *senses) polarity(x sample, quiet bool, emit func(board.EventKind, time.Time)) {
	sign := 0
	switch {
	case s.ringing:
		return
	case x.volts >= missingVolts:
		sign = 1
	case x.volts <= -missingVolts:
		sign = -1
	}
	if sign == 0 {
		s.turn.on = false
		return
	}
	if s.sign == 0 {
		if quiet {
			s.sign = sign
		}
		return
	}
	held := s.turn.hold(sign != s.sign, x.at)
	if held >= polarityHold && x.at.Sub(s.edgeAt) >= polarityHold {
		emit(board.PolarityReversed, s.turn.at)
		s.sign, s.turn.on = sign, false
	}
}

// reversalByEdge tells a reversal where the line side does not measure the voltage: one
// short pulse of one ring bit, and nothing for 40 ms after it. A line that is cut, or
// taken by another set, looks the same.
func (s *senses) reversalByEdge(x sample, emit func(board.EventKind, time.Time)) {
	if x.edges != 0 {
		if !s.pulse.on {
			s.pulse, s.pulseBit = run{true, x.at}, 0
		}
		s.pulseBit |= x.edges
		return
	}
	if !s.pulse.on || x.at.Sub(s.edgeAt) < polarityHold {
		return
	}
	s.pulse.on = false
	if !s.ringing && s.pulseBit != bitsRing && s.edgeAt.Sub(s.pulse.at) < maxPulseLength {
		emit(board.PolarityReversed, s.pulse.at)
	}
}

// line follows the voltage of the released line.
func (s *senses) line(x sample, quiet bool, emit func(board.EventKind, time.Time)) {
	if !quiet { // ringing swings the voltage through 0
		s.shift.on = false
		return
	}
	volts := max(x.volts, -x.volts)
	state, hold := lineFree, voltageHold
	switch {
	case volts < missingVolts:
		state, hold = lineMissing, missingHold
	case volts < inUseVolts:
		state = lineInUse
	}
	if state != s.next {
		s.shift.on = false
		s.next = state
	}
	if s.shift.hold(state != s.state, x.at) < hold {
		return
	}
	switch s.state {
	case lineInUse:
		emit(board.LineFree, s.shift.at)
	case lineMissing:
		emit(board.LinePresent, s.shift.at)
	}
	switch state {
	case lineInUse:
		emit(board.LineInUse, s.shift.at)
	case lineMissing:
		emit(board.LineMissing, s.shift.at)
		s.sign = 0
	}
	s.state, s.shift.on = state, false
}
