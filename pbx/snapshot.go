package pbx

import (
	"fmt"
	"strings"
	"time"

	"sotto/board"
	"sotto/pbx/analog"
	"sotto/pbx/loopstart"
)

// Snapshot is the state of the exchange after one event. It is never changed. It holds
// personal data: pages will get it through a reader of package storage that names its
// viewer, and in no other way.
type Snapshot struct {
	At       time.Time
	Ports    []PortView
	Calls    []CallView
	Counters Counters
}

// PortView is one port in a snapshot.
type PortView struct {
	Port    board.Port
	Kind    board.Kind
	Label   string
	Lamp    Lamp
	State   string // in words: "on hook", "ringing", "talking", "out of service", "no line", "used by another set"
	Holding bool   // somebody is on hold
	Call    CallID // that its party is in, 0 for none
}

// Lamp is what the lamp of a port shows.
type Lamp uint8

const (
	LampReady Lamp = iota // works, nothing goes on
	LampRing              // rings, or is rung
	LampCall              // in a call, or on the way to one
	LampBusy              // exchange line: another set is on it
	LampNone              // exchange line: no exchange feeds it
	LampWarn              // works, but somebody should look: off the hook for long, stuck
	LampFault             // out of service
)

// CallView is one call in a snapshot.
type CallView struct {
	ID        CallID
	From, To  Party
	Began     time.Time
	Answered  time.Time // zero while it rings
	Held      bool      // one of the ends is on hold now
	Emergency bool

	// FromUnkept and ToUnkept: the party would not be in the record if the call were over
	// now, so who is not in the call is not shown it; see [Record.Private]. They are false
	// of an emergency call: who asks for help is shown, even if the plan has the user no more.
	FromUnkept, ToUnkept bool
}

func (s *Switch) snapshot() *Snapshot {
	count := s.count
	count.Dropped = s.dropped.Load()
	v := &Snapshot{At: s.now, Counters: count, Ports: make([]PortView, 0, len(s.byPort)), Calls: make([]CallView, 0, len(s.calls))}
	for _, d := range s.byPort {
		switch d := d.(type) {
		case *station:
			v.Ports = append(v.Ports, d.view())
		case *line:
			v.Ports = append(v.Ports, d.view())
		}
	}
	for _, c := range s.calls {
		x := CallView{ID: c.id, From: c.from, To: c.to, Began: c.began, Answered: c.answered,
			Held: c.caller.state == Held || c.called != nil && c.called.state == Held, Emergency: c.emergency}
		if !c.emergency {
			x.FromUnkept, x.ToUnkept = s.unkept(c)
		}
		v.Calls = append(v.Calls, x)
	}
	return v
}

func (st *station) view() PortView {
	p := PortView{Port: st.port, Kind: board.Station, Label: st.label, State: st.hook.State().String(), Holding: st.held != nil}
	l := st.active
	if l == nil {
		l = st.held
	}
	switch {
	case st.hook.State() == analog.OutOfService:
		p.Lamp = LampFault
	case l == nil:
	case l.state == Alerting:
		p.Lamp = LampRing
	case l.state == Warned || l.state == Silent:
		p.Lamp = LampWarn
	default:
		p.Lamp = LampCall
	}
	if st.active != nil {
		p.State = st.active.state.String()
	}
	if l != nil && l.call != nil {
		p.Call = l.call.id
	}
	return p
}

func (ln *line) view() PortView {
	st := ln.hook.State()
	p := PortView{Port: ln.port, Kind: board.ExchangeLine, Label: ln.label, State: st.String()}
	switch {
	case st == loopstart.OutOfService:
		p.Lamp = LampFault
	case st == loopstart.Ringing:
		p.Lamp = LampRing
	case ln.leg != nil:
		p.Lamp = LampCall
	case ln.hook.Missing():
		p.Lamp, p.State = LampNone, "no line"
	case ln.warn:
		p.Lamp = LampWarn
	case ln.hook.Others():
		p.Lamp, p.State = LampBusy, "used by another set"
	}
	if l := ln.leg; l != nil {
		p.Call = l.call.id
		if l.state == Held {
			p.State = l.state.String()
		}
	}
	return p
}

// trace keeps the last events for a bug report. It holds no digits.
type trace struct {
	ring [256]traced
	n    int
}

type traced struct {
	at                 time.Time
	event, port, state string
}

func (t *trace) add(at time.Time, event, port, state string) {
	t.ring[t.n%len(t.ring)] = traced{at, event, port, state}
	t.n++
}

// String lists the events, the oldest first, with times from the first on.
func (t *trace) String() string {
	var b strings.Builder
	first := max(0, t.n-len(t.ring))
	var zero time.Time
	for i := first; i < t.n; i++ {
		e := &t.ring[i%len(t.ring)]
		if zero.IsZero() {
			zero = e.at
		}
		fmt.Fprintf(&b, "%v %s: %s (%s)\n", e.at.Sub(zero), e.port, e.event, e.state)
	}
	return b.String()
}
