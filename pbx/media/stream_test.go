package media

import (
	"fmt"
	"testing"

	"sotto/board"
	"sotto/pbx/media/dtmf"
	"sotto/pbx/media/tone"
)

// phone is a stream whose party says the same all the time, or presses keys.
type phone struct {
	says          int16
	keys          dtmf.Generator
	heard         board.Frame
	reads, writes int
}

func (p *phone) Read(f *board.Frame) {
	p.reads++
	*f = filled(p.says)
	p.keys.Add(f)
}

func (p *phone) Write(f *board.Frame) {
	p.writes++
	p.heard = *f
}

// attached attaches a phone that says v.
func attached(t testing.TB, e *Engine, v int16) (*phone, Port) {
	t.Helper()
	s := &phone{says: v}
	p, ok := e.Attach(s)
	if !ok {
		t.Fatal("not attached")
	}
	return s, p
}

func hears(p Port, from ...Port) Ear {
	ear := Ear{Port: p}
	for _, f := range from {
		ear.Hear(f)
	}
	return ear
}

// TestStreams mixes streams and ports of the board: each is read once a frame, however
// many hear it, and what an ear says is written once.
func TestStreams(t *testing.T) {
	e := still(2)
	e.in[0], e.in[1] = filled(1), filled(2)
	a, pa := attached(t, e, 10)
	b, pb := attached(t, e, 20)
	c, pc := attached(t, e, 32760)
	if pa != 2 || pb != 3 || pc != 4 {
		t.Errorf("the numbers are %d, %d and %d, want those behind the board's", pa, pb, pc)
	}
	e.Publish(&Patch{Ears: []Ear{hears(0, pa), hears(1, pa, pb, pc), hears(pa, 0), hears(pb, pa, 0, 1), hears(pc, pa, pc)}})
	for k := 1; k <= 3; k++ {
		e.Tick()
		got := []board.Frame{e.out[0], e.out[1], a.heard, b.heard, c.heard}
		for i, want := range []int16{10, 32767, 1, 13, 32767} {
			if got[i] != filled(want) {
				t.Errorf("port %d hears %d, want %d", i, got[i][0], want)
			}
		}
		if n := []int{a.reads, b.reads, c.reads, a.writes, b.writes, c.writes}; fmt.Sprint(n) != fmt.Sprint([]int{k, k, k, k, k, k}) {
			t.Errorf("after %d frames, reads and writes are %v", k, n)
		}
	}
	if c := e.Counters(); c.Astray != 0 || c.Streams != 3 {
		t.Errorf("%+v", c)
	}
}

// TestStreamsLeftAlone: who is not heard is not read, who has no ear is not written, and
// who has one that hears nothing gets silence.
func TestStreamsLeftAlone(t *testing.T) {
	e := still(1)
	idle, _ := attached(t, e, 5)
	deaf, pd := attached(t, e, 6)
	mute, pm := attached(t, e, 7)
	ear := hears(pm, pd)
	ear.Tone = dialTone
	e.Publish(&Patch{Ears: []Ear{ear}})
	e.Tick()
	if mute.heard == silence {
		t.Fatal("nothing is heard")
	}
	for name, p := range map[string]*Patch{"an empty ear": {Ears: []Ear{{Port: pm}}}, "a source that is gone": {Ears: []Ear{hears(pm, 99)}}} {
		e.Publish(p)
		mute.heard = filled(1)
		if e.Tick(); mute.heard != silence {
			t.Errorf("%s: there is sound", name)
		}
	}
	if *idle != (phone{says: 5}) || deaf.writes != 0 || deaf.reads != 1 || mute.reads != 0 || mute.writes != 3 {
		t.Errorf("idle %d %d, deaf %d %d, mute %d %d", idle.reads, idle.writes, deaf.reads, deaf.writes, mute.reads, mute.writes)
	}
	e.Publish(nil)
	if e.Tick(); mute.writes != 3 || deaf.reads != 1 {
		t.Error("streams are read or written without an ear")
	}
}

// TestRelay: a stream whose packets go straight through is left alone, and begins anew
// when they no longer do. A port of the board cannot be relayed.
func TestRelay(t *testing.T) {
	e := still(1)
	a, pa := attached(t, e, 10)
	b, pb := attached(t, e, 20)
	straight := func(p, from Port) Ear {
		ear := hears(p, from)
		ear.Relay, ear.Digits, ear.Tone = true, true, dialTone
		return ear
	}
	tone1 := Ear{Port: pa, Tone: dialTone}
	e.Publish(&Patch{Ears: []Ear{tone1}})
	e.Tick()
	first := a.heard
	e.Tick()
	e.Publish(&Patch{Ears: []Ear{straight(pa, pb), straight(pb, pa)}})
	for range 3 {
		e.Tick()
	}
	if a.reads != 0 || b.reads != 0 || a.writes != 2 || b.writes != 0 {
		t.Errorf("reads %d and %d, writes %d and %d", a.reads, b.reads, a.writes, b.writes)
	}
	e.Publish(&Patch{Ears: []Ear{tone1, hears(pb, pa), {Port: 0, From: [MaxFrom]Port{pa}, N: 1, Relay: true, Tone: dialTone}}})
	e.Tick()
	if a.heard != first {
		t.Error("the tone did not begin anew after the relay")
	}
	if b.heard != filled(10) || a.reads != 1 {
		t.Error("the voice is not mixed again")
	}
	var p tone.Player
	p.Start(dialTone)
	for range 3 {
		want := filled(10)
		if p.Next(&want); e.out[0] != want {
			t.Fatal("a port of the board with Relay does not hear what its ear says")
		}
		e.Tick()
	}
}

func TestStreamDigits(t *testing.T) {
	e := still(2)
	s, p := attached(t, e, 0)
	_, other := attached(t, e, 0)
	e.Publish(&Patch{Ears: []Ear{{Port: p}, {Port: other, Digits: true, Relay: true}}})
	if e.port(p).det.Load() != nil || e.port(other).det.Load() != nil {
		t.Error("a stream has a detector before its digits are wanted")
	}
	e.Publish(&Patch{Ears: []Ear{{Port: p, Tone: dialTone, Digits: true}, hears(0, p)}})
	if err := s.keys.Send(dtmf.Digits, dtmf.DefaultKey); err != nil {
		t.Fatal(err)
	}
	var got []byte
	for range 300 {
		e.Tick()
		for len(e.digits) > 0 {
			d := <-e.Digits()
			if d.Port != p {
				t.Errorf("a digit from port %d", d.Port)
			}
			got = append(got, d.Sign)
		}
	}
	if string(got) != dtmf.Digits || s.reads != 300 {
		t.Errorf("told %q, want %q; read %d times", got, dtmf.Digits, s.reads)
	}
}

// TestDigitsOfTheUnattached: a patch wants the digits of a stream that comes after it.
// They are not heard before the next patch, which is counted.
func TestDigitsOfTheUnattached(t *testing.T) {
	e := still(1)
	patch := &Patch{Ears: []Ear{{Port: 1, Digits: true}}}
	e.Publish(patch)
	e.Tick()
	s, _ := attached(t, e, 0)
	e.Tick()
	if n := e.Counters().Astray; n != 2 || s.reads != 0 || s.writes != 1 {
		t.Errorf("%d astray, %d reads, %d writes", n, s.reads, s.writes)
	}
	e.Publish(patch)
	e.Tick()
	if n := e.Counters().Astray; n != 2 || s.reads != 1 {
		t.Errorf("%d astray, %d reads", n, s.reads)
	}
}

// TestStreamTone: a tone goes on from patch to patch, and begins anew for a stream that
// had no ear for a frame.
func TestStreamTone(t *testing.T) {
	e := still(1)
	s, p := attached(t, e, 0)
	var gen tone.Player
	gen.Start(dialTone)
	for k := range 40 {
		e.Publish(&Patch{Ears: []Ear{{Port: p, Tone: dialTone}, {Port: 0, Run: uint32(k)}}})
		if k == 20 {
			e.Publish(nil)
			e.Tick()
			e.Publish(&Patch{Ears: []Ear{{Port: p, Tone: dialTone}}})
			gen.Start(dialTone)
		}
		e.Tick()
		var want board.Frame
		if gen.Next(&want); s.heard != want {
			t.Fatalf("frame %d is not that of the tone", k)
		}
	}
}

func TestDetach(t *testing.T) {
	e := still(2)
	a, pa := attached(t, e, 10)
	b, pb := attached(t, e, 20)
	e.Publish(&Patch{Ears: []Ear{hears(0, pa, pb), hears(pa, pb), hears(pb, pa)}})
	e.Tick()
	e.Detach(pa)
	e.Detach(pa) // a second time
	e.Detach(0)  // the board's
	e.Detach(1)
	e.Detach(65535)
	e.Tick()
	if e.out[0] != filled(20) || b.heard != silence || a.reads != 1 || a.writes != 1 {
		t.Errorf("port 0 hears %d, the other %d; %d reads, %d writes", e.out[0][0], b.heard[0], a.reads, a.writes)
	}
	if c := e.Counters(); c.Astray != 3 || c.Streams != 1 {
		t.Errorf("%+v", c)
	}
}

// TestNumbersRest: a number is not given again before MaxStreams others were, however
// streams come and go.
func TestNumbersRest(t *testing.T) {
	e := still(3)
	var all []Port
	for range MaxStreams {
		_, p := attached(t, e, 0)
		all = append(all, p)
	}
	if _, ok := e.Attach(&phone{}); ok {
		t.Errorf("more than %d are attached", MaxStreams)
	}
	gone := map[Port]int{} // at which attachment
	for k := range 5 * MaxStreams {
		i := k * 7919 % len(all)
		e.Detach(all[i])
		gone[all[i]] = k
		_, p := attached(t, e, 0)
		if p < 3 {
			t.Fatalf("the number %d is the board's", p)
		}
		if at, ok := gone[p]; ok && k-at < MaxStreams {
			t.Fatalf("%d is given again after %d others", p, k-at)
		}
		delete(gone, p)
		all[i] = p
	}
	seen := map[Port]bool{}
	for _, p := range all {
		seen[p] = true
		e.Detach(p)
	}
	if len(seen) != MaxStreams || e.Counters().Streams != 0 {
		t.Errorf("%d numbers for %d streams, %d left", len(seen), MaxStreams, e.Counters().Streams)
	}
}

// TestAttachWhileRunning lets streams come and go beside a running loop, with patches that
// name them too early, too late and in time; the race detector looks on.
func TestAttachWhileRunning(t *testing.T) {
	const frames = 2000
	e := New(lines(func(k int, out, in []board.Frame) error {
		if k == frames {
			return board.ErrClosed
		}
		return nil
	}).of(), 2)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for e.Counters().Frames < frames-1 {
			_, pa := attached(t, e, 1)
			_, pb := attached(t, e, 2)
			e.Publish(&Patch{Ears: []Ear{{Port: pa, From: [MaxFrom]Port{pb, 0}, N: 2, Tone: dialTone, Digits: true}, hears(pb, pa), hears(0, pa, pb), {Port: pb + 1, Digits: true}}})
			e.Detach(pb)
			e.Publish(&Patch{Ears: []Ear{{Port: pa, From: [MaxFrom]Port{pb}, N: 1, Digits: true}}})
			e.Detach(pa)
		}
	}()
	if err := e.Run(t.Context()); err != nil {
		t.Error(err)
	}
	<-done
	if n := e.Counters().Streams; n != 0 {
		t.Errorf("%d streams are left", n)
	}
}
