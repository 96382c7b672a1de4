package analog

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"sotto/board"
)

var update = flag.Bool("update", false, "write golden files")

const ms = time.Millisecond

var us = Timing{Lift: 40 * ms, PulseMin: 20 * ms, PulseMax: 80 * ms, Digits: "1234567890", InterDigit: 200 * ms, FlashMin: 200 * ms, FlashMax: 1000 * ms,
	Clear: 500 * ms, Cadence: []time.Duration{2000 * ms, 4000 * ms}}

func TestDiagram(t *testing.T) {
	got := Table.Diagram()
	const file = "testdata/port.golden"
	if *update {
		os.MkdirAll("testdata", 0o755)
		os.WriteFile(file, []byte(got), 0o644)
	}
	want, err := os.ReadFile(file)
	if err != nil || string(want) != got {
		t.Errorf("the table differs from %s (%v); run with -update and read the change:\n%s", file, err, got)
	}
}

// player drives a Port with edges at given times and runs its deadlines in between.
type player struct {
	p    *Port
	now  time.Time
	late time.Duration // delivery delay of edges
	said []string
}

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func (y *player) take(o Output, ok bool, in Input) {
	for _, s := range o.Signals {
		if s != 0 {
			y.said = append(y.said, s.String())
		}
	}
	switch o.Act {
	case Lifted:
		y.said = append(y.said, "lifted")
	case HungUp:
		y.said = append(y.said, "hung up")
	case Flashed:
		y.said = append(y.said, "flashed")
	case Dialled:
		y.said = append(y.said, fmt.Sprintf("dialled %c", o.Digit))
	}
	if !ok {
		y.said = append(y.said, "refused "+in.String())
	}
}

func (y *player) runTo(t time.Time) {
	for {
		d := y.p.Deadline()
		if d.IsZero() || d.After(t) {
			break
		}
		y.now = d
		o, ok := y.p.Step(d, d, Timeout)
		y.take(o, ok, Timeout)
	}
	y.now = t
}

func (y *player) state() {
	y.said = append(y.said, "is "+y.p.State().String())
}

// edge delivers an edge that happened at, measured from the start.
func (y *player) edge(at time.Duration, in Input) {
	y.runTo(epoch.Add(at + y.late))
	o, ok := y.p.Step(y.now, epoch.Add(at), in)
	y.take(o, ok, in)
}

func (y *player) order(at time.Duration, in Input) {
	y.runTo(epoch.Add(at))
	o, ok := y.p.Step(y.now, y.now, in)
	y.take(o, ok, in)
}

func TestHook(t *testing.T) {
	pulses := func(y *player, at time.Duration, n int, brk, mk time.Duration) time.Duration {
		for range n {
			y.edge(at, LoopOpen)
			y.edge(at+brk, LoopClosed)
			at += brk + mk
		}
		return at - mk
	}
	cases := []struct {
		name string
		play func(y *player)
		want string
	}{
		{"lift and hang up", func(y *player) {
			y.edge(0, LoopClosed)
			y.edge(3000*ms, LoopOpen)
			y.runTo(epoch.Add(6 * time.Second))
		}, "lifted, hung up"},
		{"a glitch is no lift", func(y *player) {
			y.edge(0, LoopClosed)
			y.edge(30*ms, LoopOpen)
			y.runTo(epoch.Add(time.Second))
		}, ""},
		{"the shortest flash", func(y *player) { y.edge(0, LoopClosed); y.edge(1000*ms, LoopOpen); y.edge(1200*ms, LoopClosed) }, "lifted, flashed"},
		{"the longest flash", func(y *player) { y.edge(0, LoopClosed); y.edge(1000*ms, LoopOpen); y.edge(2000*ms, LoopClosed) }, "lifted, flashed"},
		{"longer than the longest flash", func(y *player) {
			y.edge(0, LoopClosed)
			y.edge(1000*ms, LoopOpen)
			y.edge(2020*ms, LoopClosed)
			y.runTo(epoch.Add(3 * time.Second))
		}, "lifted, hung up, lifted"},
		{"neither pulse nor flash", func(y *player) { y.edge(0, LoopClosed); y.edge(1000*ms, LoopOpen); y.edge(1120*ms, LoopClosed) }, "lifted"},
		{"a break of 10 ms is nothing", func(y *player) {
			y.edge(0, LoopClosed)
			y.edge(1000*ms, LoopOpen)
			y.edge(1010*ms, LoopClosed)
			y.runTo(epoch.Add(3 * time.Second))
		}, "lifted"},
		{"pulse digits 3 and 0", func(y *player) {
			y.edge(0, LoopClosed)
			end := pulses(y, 1000*ms, 3, 60*ms, 40*ms)
			end = pulses(y, end+300*ms, 10, 60*ms, 40*ms)
			y.runTo(epoch.Add(end + time.Second))
		}, "lifted, dialled 3, dialled 0"},
		{"inter-digit pause just long enough", func(y *player) {
			y.edge(0, LoopClosed)
			end := pulses(y, 1000*ms, 2, 60*ms, 40*ms)
			end = pulses(y, end+201*ms, 1, 60*ms, 40*ms)
			y.runTo(epoch.Add(end + time.Second))
		}, "lifted, dialled 2, dialled 1"},
		{"hang-up within a digit drops it", func(y *player) {
			y.edge(0, LoopClosed)
			end := pulses(y, 1000*ms, 2, 60*ms, 40*ms)
			y.edge(end+50*ms, LoopOpen)
			y.runTo(epoch.Add(end + 3*time.Second))
		}, "lifted, hung up"},
		{"rings in cadence until it is lifted", func(y *player) {
			y.order(0, Ring)
			y.edge(7000*ms, LoopClosed)
			y.runTo(epoch.Add(20 * time.Second))
		}, "ring, on-hook transmit, ring, idle, lifted"},
		{"lifted in the pause", func(y *player) { y.order(0, Ring); y.edge(3000*ms, LoopClosed) }, "ring, on-hook transmit, idle, lifted"},
		{"ringing stops", func(y *player) { y.order(0, Ring); y.order(1000*ms, Quiet); y.runTo(epoch.Add(20 * time.Second)) }, "ring, idle"},
		{"announced in the first pause", func(y *player) {
			y.p.timing.Announce = Announce{Lead: 600 * ms, Guard: 200 * ms}
			y.p.SetData(900 * ms)
			y.order(0, Ring)
			y.runTo(epoch.Add(2599 * ms))
			y.state()
			y.runTo(epoch.Add(2601 * ms))
			y.state()
			y.runTo(epoch.Add(3501*ms + Grace))
			y.state()
			y.runTo(epoch.Add(6001 * ms))
			y.state()
			y.runTo(epoch.Add(9000 * ms))
			y.state() // once only
			y.order(9500*ms, Quiet)
		}, "ring, on-hook transmit, is ring pause, is sending caller ID, is ring pause, ring, is ringing, on-hook transmit, is ring pause, idle"},
		{"announced before the first ring", func(y *player) {
			y.p.timing.Announce = Announce{Before: true, Reverse: true, Lead: 150 * ms, Guard: 250 * ms}
			y.p.SetData(800 * ms)
			y.order(0, Ring)
			y.runTo(epoch.Add(200 * ms))
			y.state()
			y.runTo(epoch.Add(1199 * ms))
			y.state()
			y.runTo(epoch.Add(3300 * ms))
			y.state()
			y.edge(4000*ms, LoopClosed)
		}, "reverse, on-hook transmit, is sending caller ID, is sending caller ID, ring, on-hook transmit, is ring pause, idle, lifted"},
		{"lifted while it is announced", func(y *player) {
			y.p.timing.Announce = Announce{Before: true, Reverse: true, Lead: 150 * ms, Guard: 250 * ms}
			y.p.SetData(800 * ms)
			y.order(0, Ring)
			y.edge(500*ms, LoopClosed)
		}, "reverse, on-hook transmit, idle, lifted"},
		{"no room for the announcement in the pause", func(y *player) {
			y.p.timing.Announce = Announce{Lead: 600 * ms, Guard: 200 * ms}
			y.p.SetData(3300 * ms)
			y.order(0, Ring)
			y.runTo(epoch.Add(5900 * ms))
			y.state()
		}, "ring, on-hook transmit, is ring pause"},
		{"lifted as the call comes", func(y *player) { y.edge(0, LoopClosed); y.order(20*ms, Ring) }, "lifted"},
		{"cleared, stays off hook", func(y *player) {
			y.edge(0, LoopClosed)
			y.order(1000*ms, Clear)
			y.edge(3000*ms, LoopOpen)
			y.runTo(epoch.Add(6 * time.Second))
		}, "lifted, open loop, idle, hung up"},
		{"cleared, hung up meanwhile", func(y *player) {
			y.edge(0, LoopClosed)
			y.order(1000*ms, Clear)
			y.edge(1550*ms, LoopOpen)
			y.runTo(epoch.Add(4 * time.Second))
		}, "lifted, open loop, idle, hung up"},
		{"cleared while it was being put down", func(y *player) {
			y.edge(0, LoopClosed)
			y.edge(950*ms, LoopOpen)
			y.order(1000*ms, Clear)
			y.runTo(epoch.Add(4 * time.Second))
		}, "lifted, open loop, idle, hung up"},
		{"the port fails in a call and comes back", func(y *player) {
			y.edge(0, LoopClosed)
			y.order(1000*ms, Failed)
			y.edge(1100*ms, LoopOpen)
			y.order(2000*ms, Ring)
			y.order(5000*ms, Restored)
			y.order(6000*ms, Ring)
		}, "lifted, idle, hung up, ring"},
		{"restored without a failure is refused", func(y *player) { y.order(0, Restored) }, "refused port restored"},
	}
	for _, c := range cases {
		for _, late := range []time.Duration{0, 15 * ms, Grace - ms} {
			y := &player{p: New(us), now: epoch, late: late}
			c.play(y)
			if got := strings.Join(y.said, ", "); got != c.want {
				t.Errorf("%s, edges %v late: got %q, want %q", c.name, late, got, c.want)
			}
		}
	}
}

// TestEuropeanFlash: the 100 ms R key of a European telephone is a flash, not the digit 1.
func TestEuropeanFlash(t *testing.T) {
	eu := us
	eu.PulseMax, eu.FlashMin, eu.FlashMax = 75*ms, 80*ms, 310*ms
	for d, want := range map[time.Duration]string{60 * ms: "lifted, dialled 1", 80 * ms: "lifted, flashed", 100 * ms: "lifted, flashed", 310 * ms: "lifted, flashed", 320 * ms: "lifted, hung up, lifted"} {
		y := &player{p: New(eu), now: epoch}
		y.edge(0, LoopClosed)
		y.edge(1000*ms, LoopOpen)
		y.edge(1000*ms+d, LoopClosed)
		y.runTo(epoch.Add(3 * time.Second))
		if got := strings.Join(y.said, ", "); got != want {
			t.Errorf("break of %v: got %q, want %q", d, got, want)
		}
	}
}

// TestCadenceKeepsTime: an hour of ringing ends where the data says, however late the loop runs.
func TestCadenceKeepsTime(t *testing.T) {
	p := New(us)
	now := epoch
	p.Step(now, now, Ring)
	for n := 0; n < 1200; n++ {
		now = p.Deadline().Add(7 * ms) // the loop is always late
		p.Step(now, now, Timeout)
	}
	want := epoch.Add(600*6*time.Second + 2*time.Second)
	if !p.Deadline().Equal(want) {
		t.Errorf("after an hour the burst ends %v off", p.Deadline().Sub(want))
	}
}

// TestEveryMoveIsInTheTable drives a port with every input in random order and holds
// each move against the table.
func FuzzPort(f *testing.F) {
	f.Add([]byte{1, 50, 2, 10, 3, 200, 4, 1, 1, 5})
	f.Fuzz(func(t *testing.T, data []byte) {
		timing := us
		timing.Announce = Announce{Before: len(data)%2 == 0, Reverse: true, Lead: 100 * ms, Guard: 200 * ms}
		p := New(timing)
		now := epoch
		for i := 0; i+1 < len(data); i += 2 {
			in := Input(data[i]%uint8(numInputs-1)) + 1
			now = now.Add(time.Duration(data[i+1]) * 7 * ms)
			from := p.State()
			out, ok := p.Step(now, now, in)
			m, allowed := Table.Find(from, in)
			if ok != (allowed || in == Timeout) {
				t.Fatalf("%v on %v: ok %v, the table says %v", from, in, ok, allowed)
			}
			if allowed && !m.Allows(from, p.State()) {
				t.Fatalf("%v on %v went to %v, which the table does not name", from, in, p.State())
			}
			if out.Act == Dialled && out.Digit != 0 && (out.Digit < '0' || out.Digit > '9') {
				t.Fatalf("digit %q", out.Digit)
			}
			ringing := p.State() == Ringing
			p.SetData(time.Duration(data[i+1]%3) * 400 * ms)
			for _, s := range out.Signals {
				if s == board.Ring && !ringing {
					t.Fatalf("ring signalled in %v", p.State())
				}
			}
		}
	})
}
