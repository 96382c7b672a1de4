package office

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"periph.io/x/conn/v3/spi"

	"sotto/board"
	"sotto/board/chipsim"
	"sotto/board/sim/exchange"
)

// rig is a board of chip models in a synctest bubble, with a media loop that runs.
type rig struct {
	*testing.T
	brd     *Board
	breach  chipsim.Violations
	highway *chipsim.Highway
	parts   Parts
	slics   []*chipsim.SLIC
	daas    []*chipsim.DAA
	phones  []*phone
	lines   []*exchange.Line
	wires   []*wire // stations first
	deaf    atomic.Bool
	edges   chan time.Time
	log     syncBuffer
	media   sync.WaitGroup
	frames  atomic.Int64
}

// bubble builds a board of so many ports and runs f in a bubble; f calls start.
func bubble(t *testing.T, stations, lines int, f func(*rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{T: t, edges: make(chan time.Time, 64)}
		r.parts = Parts{Interrupt: r.edges, Log: slog.New(slog.NewTextHandler(&r.log, nil))}
		var chips []chipsim.Chip
		for i := range stations {
			s := chipsim.NewSLIC(chipsim.SLICPart(i%4), &r.breach)
			s.OnInterrupt(func(at time.Time) {
				if r.deaf.Load() {
					return
				}
				select {
				case r.edges <- at:
				default:
				}
			})
			p, w := &phone{}, &wire{Conn: s.Conn()}
			s.Plug(p)
			r.slics, r.phones, r.wires, chips = append(r.slics, s), append(r.phones, p), append(r.wires, w), append(chips, s)
			r.parts.Stations = append(r.parts.Stations, Station{Label: "FXS " + string(rune('1'+i)), Conn: w, Slot: i})
		}
		for i := range lines {
			d, x := chipsim.NewDAA(chipsim.Si3019, &r.breach), exchange.New(exchange.Config{Ring: exchange.Ringing{Hz: 25, Vrms: 75}})
			d.Plug(x)
			w := &wire{Conn: d.Conn()}
			r.daas, r.lines, r.wires, chips = append(r.daas, d), append(r.lines, x), append(r.wires, w), append(chips, d)
			r.parts.Lines = append(r.parts.Lines, Line{Label: "FXO " + string(rune('1'+i)), Conn: w, Slot: stations + i})
		}
		r.highway = chipsim.NewHighway(chips...)
		r.parts.PCM = r.highway
		r.parts.Reset = func(on bool) error { r.highway.SetReset(on); return nil }
		f(r)
	})
}

// start opens the board, starts the media loop and closes all at the end of the test.
func (r *rig) start() {
	r.Helper()
	r.open()
	r.run()
	time.Sleep(500 * time.Millisecond)
	r.expect()
}

func (r *rig) open() {
	r.Helper()
	var err error
	if r.brd, err = Open(context.Background(), r.parts); err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() {
		r.brd.Close()
		r.media.Wait()
		for _, v := range r.breach.List() {
			r.Errorf("chip: %s", v)
		}
	})
}

// run runs the media loop.
func (r *rig) run() {
	n := len(r.brd.Ports())
	out, in := make([]board.Frame, n), make([]board.Frame, n)
	r.media.Go(func() {
		for !errors.Is(r.brd.Exchange(out, in), board.ErrClosed) {
			r.frames.Add(1)
		}
	})
}

// take gives the events so far.
func (r *rig) take() (l []board.Event) {
	synctest.Wait()
	for {
		select {
		case e, ok := <-r.brd.Events():
			if ok {
				l = append(l, e)
				continue
			}
		default:
		}
		return l
	}
}

// expect wants these events since the last take, no more, and gives them.
func (r *rig) expect(kinds ...board.EventKind) []board.Event {
	r.Helper()
	got := r.take()
	var l []board.EventKind
	for _, e := range got {
		l = append(l, e.Kind)
	}
	if !slices.Equal(l, kinds) {
		for _, e := range got {
			r.Logf("port %d: %v %v", e.Port, e.Kind, e.Err)
		}
		r.Fatalf("events %v, want %v", l, kinds)
	}
	return got
}

func (r *rig) signal(p board.Port, k board.SignalKind) { r.brd.Signal(p, board.Signal{Kind: k}) }

// kill makes the chip of a port stop answering, or answer again fresh from reset.
func (r *rig) kill(p board.Port, dead bool) {
	if i := int(p) - len(r.slics); i >= 0 {
		r.daas[i].SetFaults(chipsim.DAAFaults{Dead: dead})
		if !dead {
			r.daas[i].Brownout()
		}
		return
	}
	r.slics[p].SetFaults(func(f *chipsim.SLICFaults) { f.Dead = dead })
	if !dead {
		r.slics[p].BrownOut()
	}
}

// works wants a station to see a telephone that is lifted and put down.
func (r *rig) works(p board.Port) {
	r.Helper()
	for _, k := range []board.EventKind{board.LoopClosed, board.LoopOpen} {
		r.phones[p].hook(k == board.LoopClosed)
		time.Sleep(200 * time.Millisecond)
		e := r.expect(k)[0]
		if e.Port != p {
			r.Errorf("%v on port %d, want %d", k, e.Port, p)
		}
	}
}

// rings wants an exchange line to see ringing.
func (r *rig) rings(p board.Port) {
	r.Helper()
	x := r.lines[int(p)-len(r.slics)]
	x.Call(exchange.Voice{})
	time.Sleep(time.Second)
	if e := r.expect(board.RingOn)[0]; e.Port != p {
		r.Errorf("ringing on port %d, want %d", e.Port, p)
	}
	x.Abandon()
	time.Sleep(time.Second)
	r.expect(board.RingOff)
}

// near wants two times to be within slack of each other.
func (r *rig) near(what string, got, want time.Time, slack time.Duration) {
	r.Helper()
	if d := got.Sub(want); d.Abs() > slack {
		r.Errorf("%s: %v off, at most %v", what, d, slack)
	}
}

// phone is a telephone that does nothing but lift and hang up.
type phone struct {
	mu        sync.Mutex
	want, off bool
	at        time.Time
	moves     []time.Time
	ringing   bool
	volts     float64
}

func (x *phone) Line(start time.Time, feed *chipsim.Feed, draw *chipsim.Draw) {
	x.mu.Lock()
	defer x.mu.Unlock()
	*draw = chipsim.Draw{Edges: draw.Edges[:0], REN: 1, Closed: x.off}
	if x.want != x.off {
		x.off, x.at = x.want, start
		x.moves = append(x.moves, start)
		draw.Edges = append(draw.Edges, chipsim.Edge{Closed: x.off})
	}
	x.ringing, x.volts = feed.Ringing, feed.Volts
}

func (x *phone) hook(off bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.want = off
}

// state gives ringing, feed, and when the hook last moved.
func (x *phone) state() (ringing bool, volts float64, at time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.ringing, x.volts, x.at
}

// wire is the SPI bus of a port: it notes the times of transfers and can fail some.
type wire struct {
	spi.Conn
	mu    sync.Mutex
	at    []time.Time
	watch bool
	fails int
	calls int
}

var errBus = errors.New("bus disturbed")

func (w *wire) TxPackets(p []spi.Packet) error {
	w.mu.Lock()
	w.calls++
	if w.watch {
		w.at = append(w.at, time.Now())
	}
	fail := w.fails > 0
	if fail {
		w.fails--
	}
	w.mu.Unlock()
	if fail {
		return errBus
	}
	return w.Conn.TxPackets(p)
}

// disturb fails the next n transfers.
func (w *wire) disturb(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fails = n
}

func (w *wire) note(on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.watch, w.at = on, nil
}

// tries gives when transfers began after a pause of half a second.
func (w *wire) tries() (l []time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var last time.Time
	for _, t := range w.at {
		if t.Sub(last) > 500*time.Millisecond {
			l = append(l, t)
		}
		last = t
	}
	return l
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
