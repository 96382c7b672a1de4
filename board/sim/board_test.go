package sim_test

import (
	"math"
	"sync"
	"testing"
	"time"

	"sotto/board"
	"sotto/board/boardtest"
	"sotto/board/chipsim"
	"sotto/board/sim"
	"sotto/board/sim/exchange"
)

// TestBoard runs the suite of all boards on the simulated one.
func TestBoard(t *testing.T) {
	boardtest.Run(t, boardtest.Suite{Bubble: true, Delay: 20 * time.Millisecond, Open: func(t *testing.T) (board.Board, boardtest.Far) {
		return openFar(t, sim.Config{Telephones: []string{"101", "102", "103", "104"}, Lines: 2})
	}})
}

// TestBoardWithDeadChips: the behaviour is the same on the ports that are left.
func TestBoardWithDeadChips(t *testing.T) {
	boardtest.Run(t, boardtest.Suite{Bubble: true, Delay: 20 * time.Millisecond, Open: func(t *testing.T) (board.Board, boardtest.Far) {
		return openFar(t, sim.Config{Telephones: []string{"101", "102", "103"}, Lines: 2, Dead: []string{"FXS 1", "FXO 2"}})
	}})
}

// TestBoardWithoutFarEnd: what is left of the suite when nothing is plugged in.
func TestBoardWithoutFarEnd(t *testing.T) {
	boardtest.Run(t, boardtest.Suite{Bubble: true, Open: func(t *testing.T) (board.Board, boardtest.Far) {
		brd, _ := openFar(t, sim.Config{Telephones: []string{"101"}, Lines: 1})
		return brd, nil
	}})
}

func openFar(t *testing.T, cfg sim.Config) (board.Board, boardtest.Far) {
	t.Helper()
	cfg.Exchange = exchange.Config{ReleaseTime: 10 * time.Millisecond, Ring: exchange.Ringing{Hz: 25, Vrms: 75}}
	b, err := sim.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, v := range b.Violations.List() {
			t.Errorf("chip: %s", v)
		}
	})
	f, frames := far{}, &lastFrame{}
	b.Highway.Before = frames.note
	for i, name := range cfg.Telephones {
		c := b.Chip(name)
		c.SetReturnLoss(math.Inf(1)) // an echo is not crosstalk
		tel := &telephone{chip: c, frames: frames}
		c.Plug(tel)
		f[board.Port(i)] = tel
	}
	for i, l := range b.Lines {
		x := &trunk{Line: l, chip: b.LineChip(i), frames: frames, co: b.Line(i)}
		b.LineChip(i).Plug(wire{x})
		f[board.Port(len(cfg.Telephones)+i)] = x
	}
	return b, f
}

type far map[board.Port]any

func (f far) Telephone(p board.Port) boardtest.Telephone {
	x, _ := f[p].(boardtest.Telephone)
	return x
}

func (f far) Exchange(p board.Port) boardtest.Exchange {
	x, _ := f[p].(boardtest.Exchange)
	return x
}

// lastFrame knows when the highway passed a frame.
type lastFrame struct {
	mu    sync.Mutex
	start time.Time
}

func (l *lastFrame) note(start time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.start = start
}

// pass passes frames by a chip whose highway has stopped, as the line lives on.
func (l *lastFrame) pass(c chipsim.Chip) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var bus chipsim.Bus
	if now := time.Now(); now.Sub(l.start) > 5*board.FrameTime {
		for at := l.start; at.Before(now); at = at.Add(board.FrameTime) {
			c.Frame(at.Add(board.FrameTime), &bus, &bus)
		}
	}
}

// telephone is as bare as one can be: no hand, no person.
type telephone struct {
	chip   *chipsim.SLIC
	frames *lastFrame

	mu         sync.Mutex
	want, off  bool
	at         time.Time
	words      []int16
	mouth, ear []int16
	rings      bool
}

func (x *telephone) Line(start time.Time, feed *chipsim.Feed, draw *chipsim.Draw) {
	x.mu.Lock()
	defer x.mu.Unlock()
	*draw = chipsim.Draw{Edges: draw.Edges[:0], REN: 1, Closed: x.off}
	if x.want != x.off {
		const after = 3125 * time.Microsecond // somewhere in the frame
		x.off, x.at = x.want, start.Add(after)
		draw.Edges = append(draw.Edges, chipsim.Edge{After: after, Closed: x.off})
	}
	x.words = x.words[copy(draw.Mouth[:], x.words):]
	x.mouth = append(x.mouth, draw.Mouth[:]...)
	var ear board.Frame
	if feed.Talk {
		ear = feed.Audio
	}
	x.ear = append(x.ear, ear[:]...)
	x.rings = feed.Ringing && feed.Ring != [board.FrameLen]float32{}
}

func (x *telephone) do(f func()) {
	x.mu.Lock()
	defer x.mu.Unlock()
	f()
}

func (x *telephone) Hook(off bool)          { x.do(func() { x.want = off }) }
func (x *telephone) HookAt() (at time.Time) { x.do(func() { at = x.at }); return at }
func (x *telephone) Speak(words []int16)    { x.do(func() { x.words = words }) }
func (x *telephone) Volts() float64         { return x.chip.LineVolts() }
func (x *telephone) Rings() (on bool) {
	x.frames.pass(x.chip)
	x.do(func() { on = x.rings })
	return on
}

func (x *telephone) Record() (mouth, ear []int16) {
	x.do(func() { mouth, ear, x.mouth, x.ear = x.mouth, x.ear, nil, nil })
	return mouth, ear
}

type trunk struct {
	*exchange.Line
	chip   *chipsim.DAA
	frames *lastFrame
	co     chipsim.CO

	mu    sync.Mutex
	edges []time.Time // of the loop, from an opening on
}

// wire is what the port is plugged into: it notes the edges.
type wire struct{ x *trunk }

func (w wire) Line(start time.Time, seizure *chipsim.Seizure, supply *chipsim.Supply) {
	w.x.mu.Lock()
	for _, e := range seizure.Edges {
		if !e.Closed || len(w.x.edges) > 0 {
			w.x.edges = append(w.x.edges, start.Add(e.After))
		}
	}
	w.x.mu.Unlock()
	w.x.co.Line(start, seizure, supply)
}

func (x *trunk) Loop() (l []time.Duration) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for i := 1; i < len(x.edges); i++ {
		l = append(l, x.edges[i].Sub(x.edges[i-1]))
	}
	x.edges = nil
	return l
}

func (x *trunk) Feed(on bool)          { x.Cut(!on) }
func (x *trunk) Speak(samples []int16) { x.Send(samples) }
func (x *trunk) Hear() []int16         { return x.Heard(100 * time.Millisecond) }
func (x *trunk) Seized() bool {
	x.frames.pass(x.chip)
	return x.State() >= exchange.Seized
}

func (x *trunk) Ring(on bool) {
	if !on {
		x.Abandon()
	} else if !x.Call(exchange.Voice{}) {
		panic("the line is not free")
	}
}
