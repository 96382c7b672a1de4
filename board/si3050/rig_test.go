package si3050

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"sotto/board"
	"sotto/board/chipsim"
	"sotto/board/sim/exchange"
)

// rig is a chip with its driver, its highway and an exchange at the other end of the
// line. One goroutine runs it all: a frame of voice, then a poll.
type rig struct {
	t       *testing.T
	breach  chipsim.Violations
	daa     *chipsim.DAA
	highway *chipsim.Highway
	line    *exchange.Line
	chip    *Chip
	out, in []int16
	events  []board.Event
	err     error // first of Poll
	every   int   // frames a poll
	frames  int
}

const testSlot = 3

// us is a North American exchange.
var us = exchange.Config{
	DialDelay: 100 * time.Millisecond,
	DialTone:  exchange.Tone{Hz: []float64{350, 440}, Level: -13},
	Ringback:  exchange.Tone{Hz: []float64{440, 480}, Level: -19, Cadence: []time.Duration{2 * time.Second, 4 * time.Second}},
	Busy:      exchange.Tone{Hz: []float64{480, 620}, Level: -24, Cadence: []time.Duration{500 * time.Millisecond, 500 * time.Millisecond}},
	Ring:      exchange.Ringing{Hz: 20, Vrms: 85, Cadence: []time.Duration{2 * time.Second, 4 * time.Second}},
}

func newRig(t *testing.T, side chipsim.LineSide, cfg Config, co exchange.Config) *rig {
	t.Helper()
	r := &rig{t: t, every: 1}
	cfg.Start = testSlot * 16
	r.daa = chipsim.NewDAA(side, &r.breach)
	r.line = exchange.New(co)
	r.daa.Plug(r.line)
	r.highway = chipsim.NewHighway(r.daa)
	r.out = make([]int16, board.FrameLen*chipsim.Slots)
	r.in = make([]int16, board.FrameLen*chipsim.Slots)
	if err := r.highway.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Millisecond)
	r.highway.SetReset(false)
	time.Sleep(5 * time.Millisecond)
	r.chip = New(r.daa.Conn(), cfg)
	return r
}

// up powers the chip up and lets the line settle.
func (r *rig) up() *rig {
	r.t.Helper()
	if err := r.chip.PowerUp(context.Background()); err != nil {
		r.t.Fatal(err)
	}
	r.run(500 * time.Millisecond)
	if len(r.events) > 0 {
		r.t.Fatalf("events of an idle line: %v", r.events)
	}
	return r
}

// run passes frames and polls for d.
func (r *rig) run(d time.Duration) {
	r.t.Helper()
	for range d / board.FrameTime {
		r.frame()
		if r.frames++; r.frames%r.every != 0 {
			r.chip.Step(time.Now())
			continue
		}
		got, err := r.chip.Poll(time.Now())
		if err != nil && r.err == nil {
			r.err = err
		}
		r.events = append(r.events, got...)
	}
}

func (r *rig) frame() {
	r.t.Helper()
	if err := r.highway.Exchange(r.out, r.in); err != nil {
		r.t.Fatal(err)
	}
}

// set signals, and fails on an error.
func (r *rig) set(kind board.SignalKind) {
	r.t.Helper()
	if err := r.chip.Set(kind); err != nil {
		r.t.Fatal(err)
	}
}

// take gives the events since the last take, which must be of the kinds given.
func (r *rig) take(kinds ...board.EventKind) []board.Event {
	r.t.Helper()
	got := r.events
	r.events = nil
	ok := len(got) == len(kinds)
	for i := 0; ok && i < len(got); i++ {
		ok = got[i].Kind == kinds[i]
	}
	if !ok {
		r.t.Fatalf("events %v, want %v (poll error %v)", got, kinds, r.err)
	}
	return got
}

// clean fails on a breach of the data sheet or a fault.
func (r *rig) clean() {
	r.t.Helper()
	if r.breach.Count() != 0 {
		r.t.Errorf("data sheet breached: %q", r.breach.List())
	}
	if r.err != nil {
		r.t.Errorf("poll: %v", r.err)
	}
}

// near fails unless got is within slack after want.
func near(t *testing.T, what string, got, want time.Time, slack time.Duration) {
	t.Helper()
	if d := got.Sub(want); d < 0 || d > slack {
		t.Errorf("%s at %v after the time expected, want 0 to %v", what, d, slack)
	}
}

// bubble runs f under synctest.
func bubble(t *testing.T, f func(t *testing.T)) { synctest.Test(t, f) }
