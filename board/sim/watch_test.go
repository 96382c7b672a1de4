package sim

import (
	"math"
	"strings"
	"testing"
	"time"

	"sotto/board"
)

// told gives what the display and the eye were told, and forgets it.
func (x *table) told() (l []string) {
	for _, e := range x.events {
		switch e.What {
		case Shows, Sees:
			l = append(l, e.String())
		case ShowsNot:
			l = append(l, "dark")
		}
	}
	x.events = nil
	return l
}

// send puts DTMF digits on the line of a telephone, 70 ms each, as a caller's number.
func (x *table) send(digits string) {
	const keys = "123A456B789C*0#D"
	low, high := [4]float64{697, 770, 852, 941}, [4]float64{1209, 1336, 1477, 1633}
	x.feed.Talk = true
	for _, d := range digits {
		k := strings.IndexRune(keys, d)
		a, b := newOsc(low[k/4], board.Amplitude(-12)), newOsc(high[k%4], board.Amplitude(-12))
		for range 7 {
			for i := range x.feed.Audio {
				x.feed.Audio[i] = int16(a.next() + b.next())
			}
			x.run(board.FrameTime)
		}
		x.feed.Audio = board.Frame{}
		x.run(70 * time.Millisecond)
	}
}

// bell rings the telephone for d.
func (x *table) bell(d time.Duration) {
	ring := newOsc(25, 60)
	x.feed.Talk, x.feed.Ringing = false, true
	for ; d > 0; d -= board.FrameTime {
		for i := range x.feed.Ring {
			x.feed.Ring[i] = float32(ring.next())
		}
		x.run(board.FrameTime)
	}
	x.feed.Ringing = false
}

func TestDisplay(t *testing.T) {
	for _, c := range []struct {
		name string
		call func(x *table)
		want string
	}{
		{"a number", func(x *table) { x.send("A101C") }, "101 shows 101"},
		{"withheld", func(x *table) { x.send("B10C") }, "101 shows withheld"},
		{"unavailable", func(x *table) { x.send("B00C") }, "101 shows unavailable"},
		{"cut short", func(x *table) { x.send("A12"); x.feed.Talk = false; x.run(time.Second) }, "101 shows a broken message (cut short), dark"},
		{"never rung", func(x *table) { x.send("A101C"); x.feed.Talk = false; x.run(time.Second) }, "101 shows 101, dark"},
		{"rung, and given up", func(x *table) { x.send("A101C"); x.bell(2 * time.Second); x.run(6 * time.Second) }, "101 shows 101"},
		{"and it stopped", func(x *table) { x.send("A101C"); x.bell(2 * time.Second); x.run(8 * time.Second) }, "101 shows 101, dark"},
		{"answered", func(x *table) { x.send("A101C"); x.bell(2 * time.Second); x.Lift(); x.run(0) }, "101 shows 101, dark"},
		{"lifted meanwhile", func(x *table) { x.send("A10"); x.Lift(); x.run(time.Second); x.HangUp(); x.run(time.Second) }, ""},
		{"off the hook", func(x *table) { x.Lift(); x.run(0); x.send("A101C") }, ""},
		{"two calls", func(x *table) {
			for _, digits := range []string{"A1", "A102C", "A103C"} { // the first is cut short
				x.send(digits)
				x.bell(time.Second)
				x.run(8 * time.Second)
			}
		}, "101 shows 102, dark, 101 shows 103, dark"},
	} {
		x := newTable()
		x.feed.Talk = false
		x.run(2 * time.Second)
		c.call(x)
		if got := strings.Join(x.told(), ", "); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// TestIdleDisplayRests: a telephone on the hook has nothing to do, and allocates nothing.
func TestIdleDisplayRests(t *testing.T) {
	x := newTable()
	x.send("A101C")
	x.feed.Talk = false
	x.run(time.Second)
	if x.watching != 0 {
		t.Errorf("it listens for %d frames more", x.watching)
	}
	for _, talk := range []bool{false, true} {
		x.feed.Talk = talk
		if n := testing.AllocsPerRun(100, func() { x.Line(x.now, &x.feed, &x.draw) }); n > 0 {
			t.Errorf("voice %v: %v allocations a frame", talk, n)
		}
	}
}

// TestReversal: a turn of the feed is seen off the hook, the end of the one that went
// with a caller's number is not, nor is a loop that is open.
func TestReversal(t *testing.T) {
	x := newTable()
	feed := func(volts float64) {
		x.feed.Volts = volts
		x.run(500 * time.Millisecond)
	}
	feed(48)
	feed(-48)
	x.Lift()
	x.run(50 * time.Millisecond)
	feed(6)
	if got := x.told(); got != nil {
		t.Errorf("before: %q", got)
	}
	feed(0)
	feed(6)
	x.Flash(100 * time.Millisecond)
	feed(6)
	if got := x.told(); got != nil {
		t.Errorf("a loop that was open: %q", got)
	}
	feed(-6)
	feed(-5)
	feed(0)
	feed(-6)
	feed(6)
	if got := strings.Join(x.told(), ", "); got != "101 sees reversal, 101 sees reversal" {
		t.Errorf("%q", got)
	}
	x.HangUp()
	feed(-48)
	if got := x.told(); got != nil {
		t.Errorf("after: %q", got)
	}
}

// TestSay: the mouth says what it is told to its end, and then speaks as before.
func TestSay(t *testing.T) {
	x := newTable()
	x.Lift()
	x.run(time.Second)
	words := make([]int16, 1234)
	for i := range words {
		words[i] = int16(1 + i)
	}
	x.mouth = nil
	x.Say(words)
	x.run(0)
	if n := len(x.mouth); n != 1280 {
		t.Errorf("it is busy for %d samples", n)
	}
	for i, v := range words {
		if x.mouth[i] != v {
			t.Fatalf("sample %d is %d, want %d", i, x.mouth[i], v)
		}
	}
	x.mouth = nil
	x.run(200 * time.Millisecond)
	if l := x.bursts(); len(l) != 1 || math.Abs(l[0].Seconds()-0.2) > 0.002 {
		t.Errorf("then it speaks for %v", l)
	}
}
