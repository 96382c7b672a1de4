package boardtest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"time"

	"sotto/board"
)

// frameParts hold for the board as a whole.
var frameParts = []part{
	{"Ports", false, ports},
	{"Clock", false, clock},
	{"Idle", false, idle},
	{"SignalNeverBlocks", false, signalNeverBlocks},
	{"Test", false, testLine},
	{"Voice", true, voicePaths},
	{"Delay", true, delay},
	{"Close", false, closing},
}

func ports(r *rig) {
	labels := map[string]bool{}
	works := false
	for i, p := range r.ports {
		switch {
		case int(p.Port) != i:
			r.Errorf("port %d is number %d of the list", p.Port, i)
		case p.Kind != board.Station && p.Kind != board.ExchangeLine:
			r.Errorf("%s is a %v", p.Label, p.Kind)
		case p.Label == "" || labels[p.Label]:
			r.Errorf("port %d has the label %q, which is empty or not its own", i, p.Label)
		case p.Err == nil && p.Chip == "":
			r.Errorf("%s works and names no chip", p.Label)
		}
		labels[p.Label] = true
		works = works || p.Err == nil
	}
	if !works {
		r.Error("no port works")
	}
	before := fmt.Sprint(r.ports)
	r.brd.Ports()[0].Label = "changed by the caller"
	if !reflect.DeepEqual(r.brd.Ports(), r.ports) || fmt.Sprint(r.ports) != before {
		r.Error("the list changed")
	}
}

func clock(r *rig) {
	const n = 200
	began := time.Now()
	r.run(n * board.FrameTime)
	took, want := time.Since(began), n*board.FrameTime
	if r.s.Bubble && took != want || (took-want).Abs() > want/20 {
		r.Errorf("%d frames took %v, want %v", n, took, want)
	}
}

func idle(r *rig) {
	r.listen()
	r.nothing(time.Second)
	for p, s := range r.heard {
		r.hears(r.ports[p].Label, s, 0, false)
	}
}

func signalNeverBlocks(r *rig) {
	began := time.Now()
	for i := range 1000 {
		for p := board.Port(-1); int(p) <= len(r.ports); p++ {
			r.brd.Signal(p, board.Signal{Kind: board.SignalKind(i % 12)}) // beyond those that there are
		}
	}
	for p := range r.ports {
		r.brd.Signal(board.Port(p), board.Signal{Kind: board.Release})
		r.brd.Signal(board.Port(p), board.Signal{Kind: board.Idle})
	}
	if took := time.Since(began); r.s.Bubble && took != 0 || took > time.Second {
		r.Errorf("signals took %v", took)
	}
	r.run(time.Second)
	for _, e := range r.take() {
		if e.Kind == board.PortFailed {
			r.Errorf("%s failed of signals: %v", r.ports[e.Port].Label, e.Err)
		}
	}
}

func testLine(r *rig) {
	for _, p := range r.ports {
		rep, err := r.brd.Test(context.Background(), p.Port)
		switch {
		case p.Err != nil:
			if err == nil {
				r.Errorf("%s: the test of a port that does not work has no error", p.Label)
			}
			continue
		case err != nil:
			r.Errorf("%s: %v", p.Label, err)
			continue
		case rep.OffHook:
			r.Errorf("%s: off hook", p.Label)
		case p.Kind == board.Station && (math.Abs(rep.Volts) < 35 || rep.FeedVolts < math.Abs(rep.Volts)):
			r.Errorf("%s: %.1f V of a battery of %.1f V, want 35 V or more", p.Label, rep.Volts, rep.FeedVolts)
		case p.Kind == board.ExchangeLine && !rep.Registered:
			r.Errorf("%s: the line side does not answer", p.Label)
		}
		busy := board.Ring
		quiet := board.Idle
		if p.Kind == board.ExchangeLine {
			busy, quiet = board.Seize, board.Release
		}
		r.signal(p.Port, busy)
		if _, err := r.brd.Test(context.Background(), p.Port); !errors.Is(err, board.ErrBusy) {
			r.Errorf("%s: the test after %v gives %v, want %v", p.Label, busy, err, board.ErrBusy)
		}
		r.signal(p.Port, quiet)
	}
	for _, p := range []board.Port{-1, board.Port(len(r.ports))} {
		if _, err := r.brd.Test(context.Background(), p); err == nil {
			r.Errorf("the test of port %d, which there is not, has no error", p)
		}
	}
	if r.far != nil {
		for _, p := range r.working(board.Station) {
			r.far.Telephone(p).Hook(true)
			r.run(100 * time.Millisecond)
			if rep, err := r.brd.Test(context.Background(), p); err != nil || !rep.OffHook || math.Abs(rep.Milliamps) < 10 {
				r.Errorf("%s off the hook: %+v, %v", r.ports[p].Label, rep, err)
			}
		}
		r.take()
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	began := time.Now()
	r.brd.Test(ctx, 0)
	if took := time.Since(began); took > time.Second {
		r.Errorf("the test with a context that has ended took %v", took)
	}
}

// voicePaths speaks on each path alone and listens on all.
func voicePaths(r *rig) {
	stations, lines := r.working(board.Station), []board.Port(nil)
	for _, p := range stations {
		r.far.Telephone(p).Hook(true)
	}
	for _, p := range r.ports {
		if p.Kind == board.ExchangeLine && p.Err == nil && r.far.Exchange(p.Port) != nil {
			lines = append(lines, p.Port)
			r.brd.Signal(p.Port, board.Signal{Kind: board.Seize})
		}
	}
	r.run(time.Second)
	hz := func(p board.Port) float64 { return 500 + 130*float64(p) }
	check := func(way string, from board.Port, hears func(board.Port) []int16) {
		for _, p := range append(append([]board.Port(nil), stations...), lines...) {
			r.hears(fmt.Sprintf("%s of %s, heard at %s", way, r.ports[from].Label, r.ports[p].Label), hears(p), hz(from), p == from)
		}
	}
	far := func(p board.Port) []int16 {
		if r.ports[p].Kind == board.ExchangeLine {
			return r.far.Exchange(p).Hear()
		}
		_, ear := r.far.Telephone(p).Record()
		return ear
	}
	const length = 400 * time.Millisecond
	for _, p := range append(append([]board.Port(nil), stations...), lines...) {
		r.play[p] = sine(hz(p))
		r.run(length)
		check("the voice out", p, far)
		r.play[p] = nil
		r.run(100 * time.Millisecond)

		if r.ports[p].Kind == board.Station {
			r.far.Telephone(p).Speak(speech(hz(p), length))
		} else {
			r.far.Exchange(p).Speak(speech(hz(p), length))
		}
		r.run(length - 50*time.Millisecond)
		check("the voice in", p, func(p board.Port) []int16 { return r.heard[p] })
		r.run(150 * time.Millisecond)
		r.listen()
	}
}

// delay measures mouth to ear: what came in goes out with the next frame.
func delay(r *rig) {
	stations := r.working(board.Station)
	if len(stations) < 2 {
		r.Skip("the board has one station only")
	}
	from, to := stations[0], stations[1]
	a, b := r.far.Telephone(from), r.far.Telephone(to)
	a.Hook(true)
	b.Hook(true)
	r.run(500 * time.Millisecond)
	r.play[to] = func(f *board.Frame) { *f = r.in[from] }
	a.Record()
	b.Record()
	a.Speak(speech(800, 200*time.Millisecond))
	r.run(500 * time.Millisecond)
	mouth, _ := a.Record()
	_, ear := b.Record()
	said, heard := onset(mouth), onset(ear)
	if said < 0 || heard < 0 {
		r.Fatalf("sample %d was said, %d heard", said, heard)
	}
	took := time.Duration(heard-said) * time.Second / board.SampleRate
	r.Logf("mouth to ear: %v", took)
	if took < 0 || took > r.s.Delay {
		r.Errorf("mouth to ear takes %v, at most %v", took, r.s.Delay)
	}
}

// onset gives the first sample that is loud.
func onset(samples []int16) int {
	for i, v := range samples {
		if math.Abs(float64(v)) > board.Amplitude(voice)/4 {
			return i
		}
	}
	return -1
}

func closing(r *rig) {
	for _, p := range r.ports {
		r.brd.Signal(p.Port, board.Signal{Kind: board.Ring})
		r.brd.Signal(p.Port, board.Signal{Kind: board.Seize})
	}
	r.run(100 * time.Millisecond)
	if err := r.brd.Close(); err != nil {
		r.Errorf("close: %v", err)
	}
	if err := r.brd.Close(); err != nil {
		r.Errorf("close again: %v", err)
	}
	for range 3 {
		if err := r.brd.Exchange(r.out, r.in); !errors.Is(err, board.ErrClosed) {
			r.Errorf("exchange after close gives %v, want %v", err, board.ErrClosed)
		}
	}
	for n := 0; ; n++ {
		e, more := <-r.brd.Events()
		if !more {
			break
		}
		if n > 1000 {
			r.Fatalf("events without end: %v", e.Kind)
		}
	}
	r.brd.Signal(0, board.Signal{Kind: board.Idle})
	if _, err := r.brd.Test(context.Background(), 0); !errors.Is(err, board.ErrClosed) {
		r.Errorf("test after close gives %v, want %v", err, board.ErrClosed)
	}
	if !reflect.DeepEqual(r.brd.Ports(), r.ports) {
		r.Error("the list of ports changed")
	}
	if r.far == nil {
		return
	}
	time.Sleep(100 * time.Millisecond) // the far end settles
	for _, p := range r.ports {
		if x := r.far.Telephone(p.Port); p.Kind == board.Station && x != nil && (x.Rings() || x.Volts() != 0) {
			r.Errorf("%s: ringing %v, %.1f V after close", p.Label, x.Rings(), x.Volts())
		}
		if x := r.far.Exchange(p.Port); p.Kind == board.ExchangeLine && x != nil && x.Seized() {
			r.Errorf("%s: still seized after close", p.Label)
		}
	}
}
