package office

import (
	"slices"
	"sync"
	"testing"
	"time"

	"sotto/board"
	"sotto/board/chipsim"
	"sotto/board/sim/exchange"
)

// clerk stands between a port and its exchange and notes each edge of the loop.
type clerk struct {
	*exchange.Line
	mu    sync.Mutex
	edges []edge
}

type edge struct {
	at     time.Time
	closed bool
}

func (c *clerk) note(start time.Time, s *chipsim.Seizure) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range s.Edges {
		c.edges = append(c.edges, edge{start.Add(e.After), e.Closed})
	}
}

// co is the clerk as a line.
type co struct{ *clerk }

func (c co) Line(start time.Time, s *chipsim.Seizure, supply *chipsim.Supply) {
	c.note(start, s)
	c.clerk.Line.Line(start, s, supply)
}

// take gives the lengths of breaks and makes since the last take, the first a break.
func (c *clerk) take() (l []time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := 1; i < len(c.edges); i++ {
		l = append(l, c.edges[i].at.Sub(c.edges[i-1].at))
	}
	c.edges = c.edges[:0]
	return l
}

// pulsing runs f on a board of lines whose edges are noted.
func pulsing(t *testing.T, lines int, f func(r *rig, c []*clerk)) {
	bubble(t, 1, lines, func(r *rig) {
		var l []*clerk
		for i, d := range r.daas {
			c := &clerk{Line: r.lines[i]}
			d.Plug(co{c})
			l = append(l, c)
		}
		r.start()
		f(r, l)
	})
}

func (r *rig) pulses(p board.Port, n uint8, open, closed time.Duration) {
	r.brd.Signal(p, board.Signal{Kind: board.Pulses, Train: board.Train{Count: n, Break: open, Make: closed}})
}

// edgeSlack is how exact each break and make must be.
const edgeSlack = 2 * time.Millisecond

func (r *rig) lengths(what string, got []time.Duration, want ...time.Duration) {
	r.Helper()
	ok := len(got) == len(want)
	for i := 0; ok && i < len(got); i++ {
		ok = (got[i] - want[i]).Abs() <= edgeSlack
	}
	if !ok {
		r.Errorf("%s: %v, want %v", what, got, want)
	}
}

const (
	ms       = time.Millisecond
	settling = 500 * ms // seized, and calibrated
)

// TestPulses: breaks and makes have their lengths on the wire at every speed of the hook
// switch, on several lines at once; a train follows the one before; no event tells of
// them; the voice path is open again at once.
func TestPulses(t *testing.T) {
	for _, c := range []struct {
		name string
		dc   board.DC
		br   time.Duration
	}{
		{"fast", board.DC{}, 60 * ms},
		{"ETSI", board.DC{Hook: board.HookETSI}, 60 * ms},
		{"slow", board.DC{Hook: board.HookSlow}, 67 * ms},
	} {
		t.Run(c.name, func(t *testing.T) {
			pulsing(t, 2, func(r *rig, l []*clerk) {
				mk := 100*ms - c.br
				for p := range l {
					r.brd.Signal(board.Port(p+1), board.Signal{Kind: board.Configure, Line: board.Line{DC: c.dc}})
					r.signal(board.Port(p+1), board.Seize)
				}
				time.Sleep(settling)
				for p := range l {
					l[p].take()
					r.pulses(board.Port(p+1), 3, c.br, mk)
					r.pulses(board.Port(p+1), 10, c.br, mk)
				}
				time.Sleep(1500 * ms)
				want := slices.Repeat([]time.Duration{c.br, mk}, 13)
				for p := range l {
					r.lengths(r.brd.Ports()[p+1].Label, l[p].take(), want[:25]...)
				}
				r.expect()
				for p := range l {
					r.signal(board.Port(p+1), board.Release)
				}
				time.Sleep(time.Second)
				r.expect()
				// The next call calibrates as the first did.
				r.signal(1, board.Seize)
				time.Sleep(time.Second)
				if v := r.daas[0].Register(17); v&0x20 != 0 {
					r.Errorf("register 17 is %#02x after the call: no calibration", v)
				}
				r.signal(1, board.Release)
				time.Sleep(200 * ms)
			})
		})
	}
}

// TestPulsesDial: the exchange reads digits.
func TestPulsesDial(t *testing.T) {
	pulsing(t, 1, func(r *rig, l []*clerk) {
		r.signal(1, board.Seize)
		time.Sleep(settling)
		for _, n := range []uint8{1, 1, 2, 10} {
			r.pulses(1, n, 60*ms, 40*ms)
			time.Sleep(time.Duration(n)*100*ms + 700*ms)
		}
		if d := l[0].Digits(); d != "1120" {
			r.Errorf("the exchange received %q", d)
		}
		r.expect()
	})
}

// TestFlashOnLine: one long break is as long as it is to be, and is no loss of the line.
func TestFlashOnLine(t *testing.T) {
	for _, d := range []time.Duration{100 * ms, 270 * ms, 600 * ms, time.Second} {
		pulsing(t, 1, func(r *rig, l []*clerk) {
			r.signal(1, board.Seize)
			time.Sleep(settling)
			l[0].take()
			r.pulses(1, 1, d, 0)
			time.Sleep(d + time.Second)
			r.lengths("flash", l[0].take(), d)
			r.expect()
			// A loss that begins within the break is told after it.
			r.pulses(1, 1, d, 0)
			l[0].Cut(true)
			time.Sleep(d + time.Second)
			r.expect(board.CurrentLost)
			r.pulses(1, 1, d, 0) // and not a second time
			time.Sleep(d + time.Second)
			r.expect()
			l[0].Cut(false)
			time.Sleep(time.Second)
			r.expect(board.CurrentBack)
		})
	}
}

// TestPulsesEnd: Release and Seize end what is left; a train on a released line, one that
// cannot be, and one on a station do nothing.
func TestPulsesEnd(t *testing.T) {
	pulsing(t, 1, func(r *rig, l []*clerk) {
		for _, at := range []time.Duration{130 * ms, 170 * ms} { // in a break, in a make
			r.signal(1, board.Seize)
			time.Sleep(settling)
			l[0].take()
			r.pulses(1, 5, 60*ms, 40*ms)
			r.pulses(1, 5, 60*ms, 40*ms)
			time.Sleep(at)
			r.signal(1, board.Seize)
			time.Sleep(time.Second)
			if got := l[0].take(); len(got) != 3 {
				r.Errorf("breaks and makes %v after Seize", got)
			}
			if !r.daas[0].OffHook() {
				r.Error("not seized after Seize")
			}
			r.expect()
			r.pulses(1, 5, 60*ms, 40*ms)
			time.Sleep(at)
			r.signal(1, board.Release)
			time.Sleep(time.Second)
			if l[0].take(); r.daas[0].OffHook() {
				r.Error("seized after Release")
			}
			r.expect()
		}
		r.pulses(1, 3, 60*ms, 40*ms)
		r.pulses(0, 3, 60*ms, 40*ms)
		time.Sleep(time.Second)
		if got := l[0].take(); got != nil {
			r.Errorf("a released line pulses: %v", got)
		}
		r.signal(1, board.Seize)
		time.Sleep(settling)
		l[0].take()
		for _, b := range []board.Train{{}, {Count: 11, Break: 60 * ms, Make: 40 * ms}, {Count: 1, Break: 9 * ms}, {Count: 1, Break: 1001 * ms}, {Count: 2, Break: 60 * ms, Make: 9 * ms}, {Count: 1, Break: 60 * ms, Make: -1}, {Count: 255, Break: -60 * ms, Make: -40 * ms}} {
			r.brd.Signal(1, board.Signal{Kind: board.Pulses, Train: b})
			time.Sleep(200 * ms)
			if got := l[0].take(); got != nil {
				r.Errorf("%+v: %v", b, got)
			}
		}
		r.expect()
	})
}

// TestPulsesWait: a train that comes while the chip calibrates waits for the end of it.
func TestPulsesWait(t *testing.T) {
	pulsing(t, 1, func(r *rig, l []*clerk) {
		r.signal(1, board.Seize)
		began := time.Now()
		r.pulses(1, 2, 60*ms, 40*ms)
		time.Sleep(time.Second)
		l[0].mu.Lock()
		e := slices.Clone(l[0].edges)
		l[0].mu.Unlock()
		if len(e) != 5 || e[1].at.Sub(began) < 402*ms || e[1].at.Sub(began) > 410*ms {
			r.Errorf("edges %v, seized at %v", e, began)
		}
		r.expect()
	})
}

// TestPulsesOnFailingChip: a bus that fails ends the train, and the port comes back seized.
func TestPulsesOnFailingChip(t *testing.T) {
	pulsing(t, 1, func(r *rig, l []*clerk) {
		r.signal(1, board.Seize)
		time.Sleep(settling)
		r.pulses(1, 10, 60*ms, 40*ms)
		time.Sleep(220 * ms)
		r.kill(1, true)
		time.Sleep(300 * ms)
		r.expect(board.PortFailed)
		r.pulses(1, 3, 60*ms, 40*ms) // lost
		r.kill(1, false)
		time.Sleep(3 * time.Second)
		r.expect(board.PortRestored)
		l[0].take()
		time.Sleep(time.Second)
		if got := l[0].take(); got != nil || !r.daas[0].OffHook() {
			r.Errorf("after the fault: seized %t, %v", r.daas[0].OffHook(), got)
		}
	})
	pulsing(t, 1, func(r *rig, l []*clerk) { // one disturbance is forgiven
		r.signal(1, board.Seize)
		time.Sleep(settling)
		l[0].take()
		r.pulses(1, 5, 60*ms, 40*ms)
		time.Sleep(230 * ms)
		r.wires[1].disturb(1)
		time.Sleep(time.Second)
		if got := l[0].take(); len(got) != 9 {
			r.Errorf("breaks and makes %v", got)
		}
		r.expect()
	})
}

// TestGlareInStep: ringing in step with the polls is seen before it is confirmed.
func TestGlareInStep(t *testing.T) {
	for _, hz := range []float64{16, 25, 50} {
		for lead := 60 * ms; lead <= 300*ms; lead += 30 * ms {
			bubble(t, 0, 1, func(r *rig) {
				r.lines[0] = exchange.New(exchange.Config{Ring: exchange.Ringing{Hz: hz, Vrms: 75}})
				r.daas[0].Plug(r.lines[0])
				r.start()
				began := time.Now()
				r.lines[0].Call(exchange.Voice{})
				time.Sleep(lead)
				r.signal(0, board.Seize)
				time.Sleep(time.Second)
				e := r.expect(board.RingOn, board.RingOff)
				r.near("ringing", e[0].At, began, 80*ms)
			})
		}
	}
}
