package pbx

import (
	"fmt"
	"strings"
	"time"

	"sotto/board"
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
	State   string // in words: "on hook", "ringing", "talking", "out of service"
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
}

func (s *Switch) snapshot() *Snapshot {
	count := s.count
	count.Dropped = s.dropped.Load()
	v := &Snapshot{At: s.now, Counters: count, Ports: make([]PortView, 0, len(s.byPort)), Calls: make([]CallView, 0, len(s.calls))}
	for _, d := range s.byPort {
		switch d := d.(type) {
		case *station:
			p := PortView{Port: d.port, Kind: board.Station, Label: d.label, State: d.hook.State().String(), Holding: d.held != nil}
			if d.active != nil {
				p.State = d.active.state.String()
			}
			v.Ports = append(v.Ports, p)
		case *line:
			state := d.state.String()
			if d.missing && d.state == lineFree {
				state = "no line"
			}
			v.Ports = append(v.Ports, PortView{Port: d.port, Kind: board.ExchangeLine, Label: d.label, State: state})
		}
	}
	for _, c := range s.calls {
		v.Calls = append(v.Calls, CallView{ID: c.id, From: c.from, To: c.to, Began: c.began, Answered: c.answered,
			Held: c.caller.state == Held || c.called != nil && c.called.state == Held, Emergency: c.emergency})
	}
	return v
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
