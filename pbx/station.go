package pbx

import (
	"time"

	"sotto/board"
	"sotto/pbx/analog"
	"sotto/pbx/country"
	"sotto/pbx/media"
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
}

// party names the station's user for a record; a port without one has none.
func (st *station) party() Party { return userParty(st.user) }

func (st *station) media() media.Port { return media.Port(st.port) }

// timing makes the analog machine's times of a country's.
func timing(c *country.Country) analog.Timing {
	return analog.Timing{
		Lift: c.Timers.Lift, PulseMin: c.Pulse.BreakMin, PulseMax: c.Pulse.BreakMax, InterDigit: c.Pulse.InterDigit,
		FlashMin: c.Flash.Min, FlashMax: c.Flash.Max, Clear: c.CPC.Send, Cadence: c.Ring, Digits: c.Pulse.Digits,
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
		s.digit(st, out.Digit)
	}
}

// digit is a digit by pulses or DTMF; 0 is a pulse train of no digit.
func (s *Switch) digit(st *station, d byte) {
	if st.active == nil {
		s.count.LateDigits++ // the leg was gone before the digit came out of the media loop
		return
	}
	if d == 0 {
		s.count.BadDigits++
		return
	}
	s.tell(st.active, GotDigit, legArg{digit: d})
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
