package pbx

import (
	"time"

	"sotto/board"
	"sotto/pbx/analog"
	"sotto/pbx/country"
	"sotto/pbx/media"
	"sotto/pbx/media/fsk"
	"sotto/pbx/number"
	"sotto/pbx/plan"
)

// station is a port that a telephone plugs into, with at most one leg at the handset
// and one that holds a call.
type station struct {
	port   board.Port
	label  string
	hook   *analog.Port
	user   *plan.User // by the present plan, nil when it has none
	active *leg
	held   *leg

	reversed bool // for the call under way
}

// polarity reverses the line while a call that its telephone made is answered, if the
// telephone's user wants that, and turns it back when the last such call is over.
func (s *Switch) polarity(st *station) {
	want := false
	for _, c := range s.calls {
		want = want || c.caller.at == end(st) && !c.answered.IsZero() && !c.blind && c.caller.user != nil && c.caller.user.ReverseOnAnswer
	}
	if want == st.reversed {
		return
	}
	st.reversed = want
	if want {
		s.signal(st.port, board.Reverse)
	} else {
		s.signal(st.port, board.Idle)
	}
}

// announce prepares the caller's number for the display of b's telephone.
func (s *Switch) announce(b *leg, from Party) {
	b.clip = nil
	c := b.numbers.Country
	style, ok := fsk.StyleFor(c.CallerID.Modem, c.CallerID.Alert, c.Code)
	if ok {
		caller := fsk.Caller{Reason: fsk.Unavailable}
		if n, err := number.Parse(string(from.Ext)); err == nil && from.Ext != "" {
			caller = fsk.Caller{Number: n}
		}
		if u := b.numbers.User(from.User); u != nil {
			caller.Name = u.Name
		}
		at := s.now.Local()
		if at.Year() < 2025 {
			at = time.Time{} // the box does not know the time: it must not set the telephones' clocks
		}
		samples, err := fsk.Clip(style, caller, at)
		if err != nil {
			s.log.Warn("caller not announced", "port", b.at.name(), "why", err)
		} else {
			b.clip = &media.Clip{Samples: samples}
			b.run++
		}
	}
	var length time.Duration
	if b.clip != nil {
		length = time.Duration(len(b.clip.Samples)) * time.Second / board.SampleRate
	}
	b.station().hook.SetData(length)
}

// announcement gives the times that go with a country's way to announce a caller
// (GR-30: at least 500 ms after the first ring; EN 300 659-1: 100 ms after a reversal,
// 200 ms before the ring).
func announcement(c *country.Country) analog.Announce {
	switch c.CallerID.Alert {
	case country.AfterFirstRing:
		return analog.Announce{Lead: 600 * time.Millisecond, Guard: 300 * time.Millisecond}
	case country.ReversalAndDTAS:
		return analog.Announce{Before: true, Reverse: true, Lead: 150 * time.Millisecond, Guard: 300 * time.Millisecond}
	case country.Reversal:
		return analog.Announce{Before: true, Reverse: true, Lead: 300 * time.Millisecond, Guard: 300 * time.Millisecond}
	}
	return analog.Announce{}
}

// timing makes the analog machine's times of a country's.
func timing(c *country.Country) analog.Timing {
	return analog.Timing{
		Lift: c.Timers.Lift, PulseMin: c.Pulse.BreakMin, PulseMax: c.Pulse.BreakMax, InterDigit: c.Pulse.InterDigit,
		FlashMin: c.Flash.Min, FlashMax: c.Flash.Max, Clear: c.CPC.Send, Cadence: c.Ring, Digits: c.Pulse.Digits, Announce: announcement(c),
	}
}

// hook gives the station's machine an input and does what comes of it.
func (s *Switch) hook(st *station, at time.Time, in analog.Input) {
	out, ok := st.hook.Step(s.now, at, in)
	if !ok {
		s.refuse("station", st.label, st.hook.State().String(), in.String())
		return
	}
	for _, k := range out.Signals {
		if k != 0 {
			s.signal(st.port, k)
		}
	}
	switch out.Act {
	case analog.Lifted:
		if st.active != nil {
			s.tell(st.active, GotAnswer, legArg{at: out.At})
		} else {
			s.seize(st)
		}
	case analog.HungUp:
		a := legArg{at: out.At}
		switch {
		case st.active != nil:
			s.tell(st.active, GotHangUp, a)
		case st.held != nil:
			s.tell(st.held, GotHangUp, a)
		}
	case analog.Flashed:
		if st.active != nil {
			s.tell(st.active, GotFlash, legArg{at: out.At})
		}
	case analog.Dialled:
		s.digit(st, out.Digit, true)
	}
}

// digit is a digit by pulses or DTMF; 0 is a pulse train of no digit.
func (s *Switch) digit(st *station, d byte, pulses bool) {
	if st.active == nil {
		s.count.LateDigits++ // the leg was gone before the digit came out of the media loop
		return
	}
	if d == 0 {
		s.count.BadDigits++
		return
	}
	s.tell(st.active, GotDigit, legArg{digit: d, pulses: pulses})
}

// stationEvent is an event of the board on a station port.
func (s *Switch) stationEvent(st *station, e board.Event) {
	switch e.Kind {
	case board.LoopClosed:
		s.hook(st, e.At, analog.LoopClosed)
	case board.LoopOpen:
		s.hook(st, e.At, analog.LoopOpen)
	case board.PortFailed:
		s.log.Warn("port out of service", "port", st.label, "why", e.Err)
		ringing := st.active != nil && st.active.state == Alerting
		s.hook(st, e.At, analog.Failed)
		if ringing && st.active != nil {
			s.tell(st.active, GotHangUp, legArg{at: e.At})
		}
	case board.PortRestored:
		s.log.Info("port back in service", "port", st.label)
		s.hook(st, e.At, analog.Restored)
	default:
		s.refuse("station", st.label, "any", e.Kind.String())
	}
}
