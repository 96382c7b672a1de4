package media

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"sotto/board"
	"sotto/pbx/media/tone"
)

const ms = time.Millisecond

// lines is a board that calls back for each frame, with its number from 1.
type lines func(frame int, out, in []board.Frame) error

// of makes an Exchanger of a callback.
func (l lines) of() Exchanger { return &counted{l, 0} }

type counted struct {
	l     lines
	frame int
}

func (c *counted) Exchange(out, in []board.Frame) error {
	c.frame++
	return c.l(c.frame, out, in)
}

// still makes an engine of n ports that is ticked by hand; its in-frames are e.in.
func still(n int) *Engine { return New(nil, n) }

func steady(level float64, hz ...float64) *tone.Tone {
	s := tone.Step{}
	for _, f := range hz {
		s.Sines = append(s.Sines, tone.Sine{Hz: f, Level: level})
	}
	return tone.Must(nil, []tone.Step{s})
}

func filled(v int16) board.Frame {
	var f board.Frame
	for i := range f {
		f[i] = v
	}
	return f
}

var silence board.Frame

// TestOneFrameLater: what came in with one exchange goes out with the next.
func TestOneFrameLater(t *testing.T) {
	var heard [2][]int16
	e := New(lines(func(k int, out, in []board.Frame) error {
		for p := range heard {
			heard[p] = append(heard[p], out[p][0])
			if out[p] != filled(out[p][0]) {
				t.Errorf("frame %d of port %d is of pieces", k, p)
			}
		}
		if k == 5 {
			return board.ErrClosed
		}
		in[0], in[1] = filled(int16(k)), filled(int16(-k))
		return nil
	}).of(), 2)
	e.Publish(&Patch{Ears: []Ear{{Port: 0, From: [MaxFrom]Port{1}, N: 1}, {Port: 1, From: [MaxFrom]Port{0}, N: 1}}})
	if err := e.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(heard), "[[0 -1 -2 -3 -4] [0 1 2 3 4]]"; got != want {
		t.Errorf("heard %s, want %s", got, want)
	}
}

func TestMix(t *testing.T) {
	for _, c := range []struct {
		said []int16
		want int16
	}{
		{nil, 0}, {[]int16{-7}, -7}, {[]int16{100, -30}, 70}, {[]int16{1, 2, 3}, 6},
		{[]int16{30000, 30000}, 32767}, {[]int16{-30000, -30000}, -32768},
		{[]int16{30000, 30000, -30000}, 30000}, // limited at the end, not on the way
		{[]int16{32767, 32767, 32767}, 32767}, {[]int16{-32768, -32768, -32768}, -32768},
	} {
		e := still(4)
		ear := Ear{Port: 3}
		for i, v := range c.said {
			e.in[i] = filled(v)
			if !ear.Hear(Port(i)) {
				t.Fatalf("%d sources are refused", i+1)
			}
		}
		if full := ear.N == MaxFrom; ear.Hear(3) == full {
			t.Errorf("with %d sources, another is taken: %v", len(c.said), !full)
		}
		ear.N = len(c.said)
		e.Publish(&Patch{Ears: []Ear{ear}})
		e.Tick()
		if e.out[3] != filled(c.want) {
			t.Errorf("%v mix to %d, want %d", c.said, e.out[3][0], c.want)
		}
	}
}

func TestToneIsAddedToVoices(t *testing.T) {
	e := still(2)
	loud := steady(3, 1000)
	e.in[0] = filled(20000)
	e.Publish(&Patch{Ears: []Ear{{Port: 1, From: [MaxFrom]Port{0}, N: 1, Tone: loud}}})
	var p tone.Player
	p.Start(loud)
	top := false
	for range 10 {
		e.Tick()
		want := filled(20000)
		p.Next(&want)
		if e.out[1] != want {
			t.Fatal("voice and tone are not the sum of both")
		}
		for _, v := range e.out[1] {
			top = top || v == math.MaxInt16
		}
	}
	if !top {
		t.Error("the sum never reached the limit")
	}
}

// TestToneGoesOn publishes a patch a frame: a tone goes on by itself as long as its Run
// is the same, and begins anew with another Run, another tone, or after a pause.
func TestToneGoesOn(t *testing.T) {
	a := tone.Must(nil, []tone.Step{{Sines: []tone.Sine{{Hz: 425, Level: -10}}, On: 55 * ms, Off: 35 * ms}})
	b := steady(-10, 440)
	for _, c := range []struct {
		name   string
		later  Ear   // from frame 20 on
		gap    []Ear // for one frame between
		begins bool
	}{
		{"nothing changes", Ear{Port: 0, Tone: a, Run: 1}, nil, false},
		{"digits are wanted", Ear{Port: 0, Tone: a, Run: 1, Digits: true}, nil, false},
		{"another Run", Ear{Port: 0, Tone: a, Run: 2}, nil, true},
		{"another tone", Ear{Port: 0, Tone: b, Run: 1}, nil, true},
		{"after no ear", Ear{Port: 0, Tone: a, Run: 1}, []Ear{}, true},
		{"after an empty ear", Ear{Port: 0, Tone: a, Run: 1}, []Ear{{Port: 0, Run: 1}}, true},
		{"after a voice", Ear{Port: 0, Tone: a, Run: 1}, []Ear{{Port: 0, Run: 1, From: [MaxFrom]Port{1}, N: 1}}, true},
	} {
		e := still(2)
		var p tone.Player
		p.Start(a)
		for k := range 50 {
			ear := Ear{Port: 0, Tone: a, Run: 1}
			if k >= 20 {
				ear = c.later
			}
			patch := &Patch{Ears: []Ear{ear, {Port: 1, Tone: b, Run: uint32(k)}}}
			if k == 20 && c.gap != nil {
				e.Publish(&Patch{Ears: append(c.gap, patch.Ears[1])})
				e.Tick()
				if e.out[0] != silence {
					t.Fatalf("%s: no silence in between", c.name)
				}
			}
			if k == 20 && c.begins {
				p.Start(c.later.Tone)
			}
			e.Publish(patch)
			e.Tick()
			var want board.Frame
			p.Next(&want)
			if e.out[0] != want {
				t.Fatalf("%s: frame %d is not that of the tone", c.name, k)
			}
		}
	}
}

func TestClipIsPlayedOnce(t *testing.T) {
	samples := make([]int16, 2*board.FrameLen+30)
	for i := range samples {
		samples[i] = int16(i + 1)
	}
	clip := &Clip{Samples: samples}
	e := still(2)
	play := func(frames int, ear Ear) (got []int16) {
		e.Publish(&Patch{Ears: []Ear{ear}})
		for range frames {
			e.Tick()
			got = append(got, e.out[1][:]...)
		}
		return got
	}
	want := append(append([]int16(nil), samples...), make([]int16, 2*board.FrameLen-30)...)
	same := func(a, b []int16) bool { return fmt.Sprint(a) == fmt.Sprint(b) }
	if got := play(4, Ear{Port: 1, Clip: clip, Run: 1}); !same(got, want) {
		t.Errorf("played %v", got)
	}
	if got := play(4, Ear{Port: 1, Clip: clip, Run: 1}); !same(got, make([]int16, len(got))) {
		t.Error("played again with the same Run")
	}
	if got := play(1, Ear{Port: 1, Clip: clip, Run: 2}); !same(got, want[:board.FrameLen]) {
		t.Error("not played anew with another Run")
	}
	if got := play(3, Ear{Port: 1, Clip: clip, Run: 2, Digits: true}); !same(got, want[board.FrameLen:]) {
		t.Error("it did not go on with the next patch")
	}
	e.in[0] = filled(32760)
	if got := play(1, Ear{Port: 1, Clip: clip, Run: 3, From: [MaxFrom]Port{0}, N: 1}); got[6] != 32767 || got[79] != 32767 || got[0] != 32761 {
		t.Errorf("with a voice: %d, %d, %d", got[0], got[6], got[79])
	}
}

// TestSilence: who loses ear, sources or tone hears silence at once, and nothing is left
// of it when a tone begins later.
func TestSilence(t *testing.T) {
	busy := steady(-10, 425)
	for name, before := range map[string]Ear{
		"voice": {Port: 0, From: [MaxFrom]Port{1}, N: 1}, "tone": {Port: 0, Tone: busy}, "clip": {Port: 0, Clip: &Clip{make([]int16, 8000)}},
		"conference": {Port: 0, From: [MaxFrom]Port{1, 2}, N: 2}, "all": {Port: 0, From: [MaxFrom]Port{1, 2}, N: 2, Tone: busy, Digits: true},
	} {
		for after, p := range map[string]*Patch{"no ear": {}, "nil": nil, "an empty ear": {Ears: []Ear{{Port: 0}}}, "an ear for digits": {Ears: []Ear{{Port: 0, Digits: true}}}} {
			e := still(3)
			e.in[1], e.in[2] = filled(5), filled(6)
			e.Publish(&Patch{Ears: []Ear{before}})
			e.Tick()
			if name != "clip" && e.out[0] == silence {
				t.Fatalf("%s: nothing is heard", name)
			}
			e.Publish(p)
			for range 2 {
				if e.Tick(); e.out[0] != silence {
					t.Errorf("%s, then %s: there is sound", name, after)
				}
			}
		}
	}
}

// TestAstray: what names no port is left out, and a port has one ear.
func TestAstray(t *testing.T) {
	busy := steady(-10, 425)
	for _, c := range []struct {
		ears []Ear
		want int16 // heard on port 0
		n    uint64
	}{
		{[]Ear{{Port: 2, From: [MaxFrom]Port{1}, N: 1, Tone: busy, Digits: true}}, 0, 1},
		{[]Ear{{Port: 65535, N: 1}, {Port: 0, From: [MaxFrom]Port{1}, N: 1}}, 5, 1},
		{[]Ear{{Port: 0, From: [MaxFrom]Port{2}, N: 1}}, 0, 1},
		{[]Ear{{Port: 0, From: [MaxFrom]Port{65535, 1, 2}, N: 3}}, 5, 2},
		{[]Ear{{Port: 0, From: [MaxFrom]Port{1, 1, 1}, N: 99}}, 15, 0},
		{[]Ear{{Port: 0, From: [MaxFrom]Port{1}, N: -1}}, 0, 0},
		{[]Ear{{Port: 0, From: [MaxFrom]Port{1}, N: 1}, {Port: 0, Tone: busy, Digits: true}}, 5, 1},
	} {
		e := still(2)
		e.in[1] = filled(5)
		e.Publish(&Patch{Ears: c.ears})
		e.Tick()
		if e.out[0] != filled(c.want) || e.Counters().Astray != c.n {
			t.Errorf("%+v: hears %d, %d astray; want %d, %d", c.ears, e.out[0][0], e.Counters().Astray, c.want, c.n)
		}
	}
}

func TestNoPorts(t *testing.T) {
	e := still(0)
	e.Publish(&Patch{Ears: []Ear{{Port: 0, N: 1}}})
	e.Tick()
}

// TestStall: an exchange that fails is survived and counted, and nobody hears the last
// frame again. Tones and digits go on.
func TestStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var heard, toned []bool
		errClock := errors.New("the clock stands still")
		e := New(lines(func(k int, out, in []board.Frame) error {
			heard, toned = append(heard, out[1] != silence), append(toned, out[0] != silence)
			switch {
			case k == 10:
				return fmt.Errorf("close: %w", board.ErrClosed)
			case k >= 4 && k < 8:
				time.Sleep(50 * ms)
				return errClock // in is as it was
			}
			time.Sleep(board.FrameTime)
			in[0] = filled(100)
			return nil
		}).of(), 2)
		e.Publish(&Patch{Ears: []Ear{{Port: 0, Tone: steady(-10, 425), Digits: true}, {Port: 1, From: [MaxFrom]Port{0}, N: 1}}})
		begin := time.Now()
		if err := e.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got, want := fmt.Sprint(heard), "[false true true true false false false false true true]"; got != want {
			t.Errorf("voice in %s, want %s", got, want)
		}
		if got, want := fmt.Sprint(toned), "[false true true true true true true true true true]"; got != want {
			t.Errorf("tone in %s, want %s", got, want)
		}
		if c := e.Counters(); c.Stalls != 4 || c.Frames != 9 {
			t.Errorf("%+v, want 4 stalls and 9 frames", c)
		}
		if d := time.Since(begin); d != 5*board.FrameTime+4*50*ms {
			t.Errorf("took %v", d)
		}
	})
}

func TestRunEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := New(lines(func(_ int, out, in []board.Frame) error {
			time.Sleep(board.FrameTime)
			return nil
		}).of(), 2)
		ctx, stop := context.WithTimeout(t.Context(), time.Second+5*ms)
		defer stop()
		begin := time.Now()
		if err := e.Run(ctx); err != nil {
			t.Error(err)
		}
		if d := time.Since(begin); d != time.Second+10*ms || e.Counters().Frames != 101 {
			t.Errorf("ended after %v and %d frames", d, e.Counters().Frames)
		}
	})
}

// TestPublishWhileRunning publishes from elsewhere as fast as it can; the race detector
// looks on. Every frame is that of one patch, never of two.
func TestPublishWhileRunning(t *testing.T) {
	const frames = 3000
	e := New(lines(func(k int, out, in []board.Frame) error {
		if a, b := out[0], out[1]; a != b && k > 1 {
			t.Errorf("frame %d is of two patches", k)
		}
		if k == frames {
			return board.ErrClosed
		}
		in[2], in[3] = filled(2), filled(3)
		return nil
	}).of(), 4)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ; i++ {
			from := [MaxFrom]Port{Port(2 + i%2)}
			e.Publish(&Patch{Ears: []Ear{{Port: 0, From: from, N: 1}, {Port: 1, From: from, N: 1}}})
			if e.Counters().Frames >= frames-1 {
				return
			}
		}
	}()
	if err := e.Run(t.Context()); err != nil {
		t.Error(err)
	}
	<-done
}
