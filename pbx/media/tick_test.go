package media

import (
	"fmt"
	"testing"

	"sotto/board"
	"sotto/pbx/media/dtmf"
	"sotto/pbx/media/tone"
)

// scenes are what the ports of a box may be doing, all of them at once.
var scenes = []struct {
	name string
	ear  func(p, n int) (Ear, bool)
}{
	{"idle", func(p, n int) (Ear, bool) { return Ear{}, false }},
	{"calls", func(p, n int) (Ear, bool) {
		return Ear{Port: Port(p), From: [MaxFrom]Port{Port(p ^ 1)}, N: 1}, true
	}},
	{"conferences", func(p, n int) (Ear, bool) {
		return Ear{Port: Port(p), From: [MaxFrom]Port{Port(p ^ 1), Port(p ^ 2), Port(p ^ 3)}, N: 3}, true
	}},
	{"dialtone", func(p, n int) (Ear, bool) { return Ear{Port: Port(p), Tone: dialTone, Digits: true}, true }},
	{"watched", func(p, n int) (Ear, bool) {
		return Ear{Port: Port(p), From: [MaxFrom]Port{Port(p ^ 1)}, N: 1, Watch: watchPlan}, true
	}},
	{"everything", func(p, n int) (Ear, bool) {
		return Ear{Port: Port(p), From: [MaxFrom]Port{Port(p ^ 1), Port(p ^ 2), Port(p ^ 3)}, N: 3, Tone: dialTone, Clip: clip, Digits: true, Watch: watchPlan}, true
	}},
}

var (
	dialTone  = steady(-13, 350, 440)
	watchPlan = compiled(nil)
	clip      = &Clip{Samples: make([]int16, 1<<16)}
)

// playing makes an engine of n ports in a scene, with voices that change from frame to
// frame: two tones beside each other, which a digit receiver has to look at closely.
func playing(n int, ear func(p, n int) (Ear, bool)) (e *Engine, tick func()) {
	e = still(n)
	patch := &Patch{}
	for p := range n {
		if x, ok := ear(p, n); ok {
			patch.Ears = append(patch.Ears, x)
		}
	}
	e.Publish(patch)
	voices := make([]board.Frame, 64)
	var p tone.Player
	p.Start(steady(-15, 480, 620, 1300))
	for i := range voices {
		p.Next(&voices[i])
	}
	k := 0
	return e, func() {
		k++
		for i := range e.in {
			e.in[i] = voices[(k+7*i)%len(voices)]
		}
		e.Tick()
	}
}

func TestTickDoesNotAllocate(t *testing.T) {
	for _, n := range []int{8, 32} {
		for _, s := range scenes {
			e, tick := playing(n, s.ear)
			patches := []*Patch{e.patch.Load(), {Ears: append([]Ear(nil), e.patch.Load().Ears...)}, {}}
			for i := range patches[1].Ears {
				patches[1].Ears[i].Run++
			}
			i := 0
			if a := testing.AllocsPerRun(200, func() {
				i++
				if i%5 == 0 { // patches come and go
					e.Publish(patches[i/5%len(patches)])
				}
				tick()
			}); a != 0 {
				t.Errorf("%d ports, %s: %v allocations a tick", n, s.name, a)
			}
		}
	}
}

// TestDigitsDoNotAllocate holds the same while digits come, taken by nobody in the end.
func TestDigitsDoNotAllocate(t *testing.T) {
	e := still(8)
	patch := &Patch{}
	frames := make([]board.Frame, 16)
	var g dtmf.Generator
	if err := g.Send("5", dtmf.DefaultKey); err != nil {
		t.Fatal(err)
	}
	for i := range frames {
		g.Add(&frames[i])
	}
	for p := range 8 {
		patch.Ears = append(patch.Ears, Ear{Port: Port(p), Digits: true})
	}
	e.Publish(patch)
	k := 0
	if a := testing.AllocsPerRun(2000, func() {
		for i := range e.in {
			e.in[i] = frames[k%len(frames)]
		}
		k++
		e.Tick()
	}); a != 0 {
		t.Errorf("%v allocations a tick", a)
	}
	if e.Counters().DroppedDigits == 0 || len(e.digits) != cap(e.digits) {
		t.Errorf("%d digits told, %d dropped: not what was to be tried", len(e.digits), e.Counters().DroppedDigits)
	}
}

// TestIdleTickTouchesNothing: what no ear names is left alone, so that idle ports are
// free.
func TestIdleTickTouchesNothing(t *testing.T) {
	e := still(4)
	e.Publish(&Patch{Ears: []Ear{{Port: 1, Tone: dialTone}, {Port: 2, Tone: dialTone}, {Port: 3, Tone: dialTone}}})
	e.Tick()
	e.Publish(&Patch{Ears: []Ear{{Port: 1, Tone: dialTone}, {Port: 2}}})
	e.Tick()
	e.out[0], e.out[2], e.out[3] = filled(77), filled(77), filled(77) // as nobody would
	for range 3 {
		e.Tick()
	}
	for _, p := range []int{0, 2, 3} {
		if e.out[p] != filled(77) {
			t.Errorf("the frame of port %d, which hears nothing, is written every tick", p)
		}
	}
	if *e.ports[0].det.Load() != (dtmf.Detector{}) || *e.ports[1].det.Load() != (dtmf.Detector{}) {
		t.Error("a detector ran where no digits are wanted")
	}
}

func BenchmarkTick(b *testing.B) {
	for _, n := range []int{8, 32} {
		for _, s := range scenes {
			b.Run(fmt.Sprintf("%s/%d", s.name, n), func(b *testing.B) {
				_, tick := playing(n, s.ear)
				b.ReportAllocs()
				for b.Loop() {
					tick()
				}
			})
		}
	}
}

// office makes an engine with 8 ports in calls with each other, n streams in calls with
// each other, and more streams that do nothing.
func office(t testing.TB, n, idle int) *Engine {
	e := still(8)
	patch := &Patch{}
	for p := range Port(8) {
		patch.Ears = append(patch.Ears, hears(p, p^1))
	}
	for range n / 2 {
		_, a := attached(t, e, 100)
		_, b := attached(t, e, 200)
		patch.Ears = append(patch.Ears, hears(a, b), hears(b, a))
	}
	for range idle {
		attached(t, e, 300)
	}
	e.Publish(patch)
	return e
}

func TestStreamsDoNotAllocate(t *testing.T) {
	e := office(t, 30, 100)
	busy := &Patch{Ears: append([]Ear(nil), e.patch.Load().Ears...)}
	for i := range busy.Ears {
		busy.Ears[i].Digits, busy.Ears[i].Tone = true, dialTone
	}
	patches := []*Patch{e.patch.Load(), busy, {}}
	e.Publish(busy) // makes the detectors
	k := 0
	if a := testing.AllocsPerRun(300, func() {
		if k++; k%5 == 0 {
			e.Publish(patches[k/5%len(patches)])
		}
		e.Tick()
	}); a != 0 {
		t.Errorf("%v allocations a tick", a)
	}
}

// BenchmarkStreams is the tick of an office: streams in calls, and streams that no ear
// names, which cost nothing.
func BenchmarkStreams(b *testing.B) {
	for _, c := range []struct{ n, idle int }{{0, 0}, {30, 0}, {0, 1000}, {200, 1000}} {
		b.Run(fmt.Sprintf("calls=%d/idle=%d", c.n, c.idle), func(b *testing.B) {
			e := office(b, c.n, c.idle)
			b.ReportAllocs()
			for b.Loop() {
				e.Tick()
			}
		})
	}
}

// BenchmarkAttach shows what a stream costs to come and go, and its memory in between.
func BenchmarkAttach(b *testing.B) {
	e := still(8)
	s := &phone{}
	b.ReportAllocs()
	for b.Loop() {
		p, _ := e.Attach(s)
		e.Detach(p)
	}
}
