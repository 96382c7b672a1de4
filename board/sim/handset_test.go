package sim

import (
	"testing"
	"time"

	"sotto/board"
	"sotto/board/chipsim"
	"sotto/board/sim/ear"
)

// table is a handset on a line that is fed, run frame by frame.
type table struct {
	*Handset
	now    time.Time
	feed   chipsim.Feed
	draw   chipsim.Draw
	edges  []time.Time
	mouth  []int16
	events []Event
}

func newTable() *table {
	x := &table{now: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}
	x.Handset = newHandset("101", 0, func() *ear.Ear { return ear.New(nil, []float64{MarkerHz(0), MarkerHz(1)}) }, func(e Event) { x.events = append(x.events, e) })
	x.flash = 100 * time.Millisecond
	x.feed.Talk = true
	return x
}

// run passes frames until the hand is free, and for d more.
func (x *table) run(d time.Duration) {
	for d > 0 || x.Busy() {
		if !x.Busy() {
			d -= board.FrameTime
		}
		x.Line(x.now, &x.feed, &x.draw)
		for _, e := range x.draw.Edges {
			x.edges = append(x.edges, x.now.Add(e.After))
		}
		x.mouth = append(x.mouth, x.draw.Mouth[:]...)
		x.now = x.now.Add(board.FrameTime)
	}
}

// gaps gives the times between the edges of the hook, and forgets them.
func (x *table) gaps() (l []time.Duration) {
	for i := 1; i < len(x.edges); i++ {
		l = append(l, x.edges[i].Sub(x.edges[i-1]))
	}
	x.edges = nil
	return l
}

// bursts gives the lengths of sound and silence in what the mouth said, beginning with
// sound, and forgets it. Under 2 ms counts as part of what is around it.
func (x *table) bursts() (l []time.Duration) {
	on, from, quiet := false, 0, 0
	for i, v := range x.mouth {
		if v != 0 {
			if !on {
				if l != nil {
					l = append(l, time.Duration(i-from)*sample)
				}
				on, from = true, i
			}
			quiet = 0
		} else if quiet++; on && quiet > 16 {
			l = append(l, time.Duration(i-quiet+1-from)*sample)
			on, from = false, i-quiet+1
		}
	}
	if on {
		l = append(l, time.Duration(len(x.mouth)-from)*sample)
	}
	x.mouth = nil
	return l
}

func TestPulses(t *testing.T) {
	x := newTable()
	x.Hush(true)
	x.Lift()
	x.run(500 * time.Millisecond)
	x.edges = nil
	x.Pulse("120")
	x.run(time.Second)
	var want []time.Duration
	for i, n := range []int{1, 2, 10} {
		if i > 0 {
			want = append(want, 740*time.Millisecond)
		}
		for k := range n {
			if k > 0 {
				want = append(want, 40*time.Millisecond)
			}
			want = append(want, 60*time.Millisecond)
		}
	}
	got := x.gaps()
	if len(got) != len(want) {
		t.Fatalf("%v, want %v", got, want)
	}
	for i := range got {
		if got[i] != want[i] {
			t.Errorf("edge %d after %v, want %v", i, got[i], want[i])
		}
	}
	if !x.OffHook() {
		t.Error("the handset is on the hook")
	}
}

func TestFlash(t *testing.T) {
	for _, d := range ms(1, 45, 100, 333, 1500) {
		x := newTable()
		x.Lift()
		x.run(500 * time.Millisecond)
		x.edges = nil
		x.Flash(d)
		x.run(0)
		if got := x.gaps(); len(got) != 1 || got[0] != d {
			t.Errorf("a flash of %v opens the loop for %v", d, got)
		}
	}
}

func TestKeys(t *testing.T) {
	x := newTable()
	x.Hush(true)
	x.Lift()
	x.run(500 * time.Millisecond)
	x.bursts()
	const keys = "1234567890*#ABCD"
	x.Press(keys, 50*time.Millisecond, 45*time.Millisecond)
	x.run(200 * time.Millisecond)
	whole := x.mouth
	got := x.bursts()
	for i := range 2*len(keys) - 1 {
		want := []time.Duration{50 * time.Millisecond, 45 * time.Millisecond}[i%2]
		if i >= len(got) || (got[i]-want).Abs() > time.Millisecond {
			t.Fatalf("part %d of %v, want %v", i, got, want)
		}
	}
	e := ear.New(nil, nil)
	var digits string
	x.now = time.Time{}
	for ; len(whole) >= board.FrameLen; whole = whole[board.FrameLen:] {
		for _, ev := range e.Hear(x.now, (*board.Frame)(whole)) {
			digits += ev.Name
		}
		x.now = x.now.Add(board.FrameTime)
	}
	// Keys this short are below what the ear promises; that those it names are right counts.
	if len(digits) > 0 && digits != keys {
		t.Errorf("heard %q, pressed %q", digits, keys)
	}
}

// TestHandRests: a handset that was put down stays down longer than every flash.
func TestHandRests(t *testing.T) {
	x := newTable()
	x.Lift()
	x.run(2 * time.Second)
	x.edges = nil
	x.HangUp()
	x.Lift()
	x.run(0)
	if got := x.gaps(); len(got) != 1 || got[0] < downTime || got[0] > downTime+time.Millisecond {
		t.Errorf("down for %v, want %v", got, downTime)
	}
}

// TestMouth: off the hook it speaks when nothing else is heard, on the hook never.
func TestMouth(t *testing.T) {
	x := newTable()
	x.Press("5", 100*time.Millisecond, 100*time.Millisecond)
	x.run(time.Second)
	if l := x.bursts(); l != nil || x.edges != nil {
		t.Errorf("on the hook: sound %v, edges %v", l, x.edges)
	}
	x.Lift()
	x.run(2 * time.Second)
	if l := x.bursts(); len(l) != 1 || l[0] < 1500*time.Millisecond {
		t.Errorf("it speaks for %v of 2 s", l)
	}
	next := newOsc(425, board.Amplitude(-10))
	for i := range x.feed.Audio {
		x.feed.Audio[i] = int16(next.next())
	}
	x.run(time.Second)
	if l := x.bursts(); len(l) > 0 && l[len(l)-1] > 100*time.Millisecond {
		t.Errorf("it speaks over a tone for %v", l)
	}
	x.feed.Audio = board.Frame{}
	x.Say([]int16{1, 2, 3})
	x.HangUp()
	x.run(time.Second)
	x.bursts()
	x.run(time.Second)
	if l := x.bursts(); l != nil || x.draw.Mouth != (board.Frame{}) {
		t.Errorf("put down, it says %v", l)
	}
	if n := len(x.events); n == 0 || x.events[n-1].What != PutDown {
		t.Errorf("events %v, the last must tell that it was put down", x.events)
	}
}

// TestDigitsHeard: those of the other end are told, one's own that come back are not.
func TestDigitsHeard(t *testing.T) {
	x := newTable()
	x.Lift()
	x.run(time.Second)
	far := [2]osc{newOsc(770, board.Amplitude(-15)), newOsc(1336, board.Amplitude(-13))}
	digit := func() {
		for range 10 {
			for i := range x.feed.Audio {
				x.feed.Audio[i] = int16(far[0].next() + far[1].next())
			}
			x.run(board.FrameTime)
		}
		x.feed.Audio = board.Frame{}
		x.run(300 * time.Millisecond)
	}
	digit()
	x.Press("7", 100*time.Millisecond, 0)
	for x.Busy() {
		x.Line(x.now, &x.feed, &x.draw)
		for i, v := range x.draw.Mouth {
			x.feed.Audio[i] = v / 4
		}
		x.now = x.now.Add(board.FrameTime)
	}
	x.feed.Audio = board.Frame{}
	x.run(300 * time.Millisecond)
	digit()
	got := ""
	for _, e := range x.events {
		if e.What == HearsDigit {
			got += e.Name
		}
	}
	if got != "55" {
		t.Errorf("heard %q", got)
	}
}

// TestDialOfTheCountry: a rotary dial makes the pulses of its country.
func TestDialOfTheCountry(t *testing.T) {
	for _, c := range []struct {
		dial string
		want int
	}{{"1234567890", 10}, {"0123456789", 1}, {"9876543210", 10}} {
		h := newHandset("101", 0, func() *ear.Ear { return ear.New(nil, nil) }, func(Event) {})
		h.dial = c.dial
		h.Pulse("0")
		breaks := 0
		for _, a := range h.acts {
			if a.kind == actOpen {
				breaks++
			}
		}
		if breaks != c.want {
			t.Errorf("%s: 0 is %d pulses, want %d", c.dial, breaks, c.want)
		}
	}
}
