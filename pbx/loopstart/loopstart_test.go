package loopstart

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

var (
	de = Timing{RingLost: 8 * time.Second, Break: 200 * ms, On: 100 * ms, Off: 100 * ms, PulseBreak: 60 * ms, PulseMake: 40 * ms,
		PulsePause: 750 * ms, Digits: "1234567890"}
	epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
)

func with(f func(t *Timing)) Timing {
	t := de
	f(&t)
	return t
}

func TestDiagram(t *testing.T) {
	got := Table.Diagram()
	const file = "testdata/line.golden"
	if *update {
		os.MkdirAll("testdata", 0o755)
		os.WriteFile(file, []byte(got), 0o644)
	}
	want, err := os.ReadFile(file)
	if err != nil || string(want) != got {
		t.Errorf("the table differs from %s (%v); run with -update and read the change:\n%s", file, err, got)
	}
}

// player drives a Line at given times and runs its deadlines in between.
type player struct {
	l    *Line
	now  time.Time
	late time.Duration // delivery delay of edges
	nth  uint32
	said []string
}

func (y *player) say(format string, a ...any) {
	y.said = append(y.said, fmt.Sprintf("%d ", y.now.Sub(epoch).Milliseconds())+fmt.Sprintf(format, a...))
}

func (y *player) take(in Input, at time.Time) {
	o, ok := y.l.Step(y.now, at, in)
	if !ok {
		y.say("refused %v", in)
	}
	for _, s := range o.Signals {
		switch s.Kind {
		case 0:
		case board.Pulses:
			y.say("%d pulses", s.Train.Count)
		default:
			y.say("%v", s.Kind)
		}
	}
	if digits, n := y.l.Sends(); n != y.nth {
		y.nth = n
		y.say("plays %s", digits)
	}
	switch o.Act {
	case 0, RangAgain:
	case Cleared:
		y.say("cleared by %v at %d", o.Why, o.At.Sub(epoch).Milliseconds())
	case Dialled:
		y.say("dialled, answered %v", y.l.Answered())
	default:
		y.say("%s", [...]string{Rang: "rang", RingLost: "ring lost", Collided: "collided", NoDialTone: "no dial tone", Dead: "dead", Answered: "answered", HeldLongBy: "held long"}[o.Act])
	}
}

func (y *player) runTo(at time.Duration) {
	t := epoch.Add(at)
	for {
		d := y.l.Deadline()
		if d.IsZero() || d.After(t) {
			break
		}
		y.now = d
		y.take(Timeout, d)
	}
	y.now = t
}

// edge delivers an edge that happened at.
func (y *player) edge(at time.Duration, in Input) {
	y.runTo(at + y.late)
	y.take(in, epoch.Add(at))
}

func (y *player) order(at time.Duration, in Input) {
	y.runTo(at)
	y.take(in, y.now)
}

// call seizes the line at 0.
func (y *player) call(digits string, urgent bool) {
	y.l.Prepare(Call{Digits: digits, Urgent: urgent})
	y.order(0, Seize)
}

// talk is a call of one digit whose dial tone comes at 1 s: the number is sent at 1200 ms.
func (y *player) talk() { y.call("1", false); y.order(1000*ms, HeardDial); y.runTo(1300 * ms) }

const talks = "0 seize, 1000 plays 1, 1200 dialled, answered false"

func TestLine(t *testing.T) {
	reversal := with(func(t *Timing) { t.Reversal = true })
	pulse := with(func(t *Timing) { t.Pulse = true })
	for _, c := range []struct {
		name   string
		timing Timing
		play   func(y *player)
		want   string
	}{
		{"rings and is lost", de, func(y *player) {
			y.edge(0, RingOn)
			y.edge(1000*ms, RingOff)
			y.edge(5000*ms, RingOn)
			y.edge(6000*ms, RingOff)
			y.runTo(time.Minute)
		}, "0 rang, 14000 ring lost"},
		{"a burst of 400 ms rings", de, func(y *player) { y.edge(0, RingOn); y.edge(400*ms, RingOff); y.runTo(time.Minute) }, "0 rang, 8400 ring lost"},
		{"a double ring is one call", de, func(y *player) {
			for i := range 4 {
				at := time.Duration(i) * 3000 * ms
				y.edge(at, RingOn)
				y.edge(at+400*ms, RingOff)
				y.edge(at+600*ms, RingOn)
				y.edge(at+1000*ms, RingOff)
			}
			y.runTo(time.Minute)
		}, "0 rang, 18000 ring lost"},
		{"the end of a burst is never told", de, func(y *player) { y.edge(0, RingOn); y.runTo(time.Minute) }, "0 rang, 8000 ring lost"},
		{"a reversal is no ring", reversal, func(y *player) { y.edge(0, Reversed); y.edge(500*ms, Reversed) }, ""},
		{"another set answers", de, func(y *player) { y.edge(0, RingOn); y.edge(1000*ms, RingOff); y.edge(1064*ms, Taken) }, "0 rang, 1064 ring lost"},
		{"unplugged while it rings", de, func(y *player) { y.edge(0, RingOn); y.edge(1000*ms, RingOff); y.edge(2000*ms, Missing) }, "0 rang, 2000 ring lost"},
		{"fails while it rings", de, func(y *player) { y.edge(0, RingOn); y.edge(500*ms, Failed); y.edge(600*ms, RingOff) }, "0 rang, 500 release, 500 ring lost"},
		{"answered, and the caller leaves", de, func(y *player) {
			y.edge(0, RingOn)
			y.order(2000*ms, Answer)
			y.edge(2100*ms, RingOff)
			y.edge(9000*ms, Lost)
			y.edge(9250*ms, Back)
			y.order(9300*ms, Release)
		}, "0 rang, 2000 seize, 9250 cleared by loop break at 9000, 9300 release"},
		{"rings again at once", de, func(y *player) {
			y.edge(0, RingOn)
			y.order(2000*ms, Answer)
			y.order(5000*ms, Release)
			y.edge(5500*ms, RingOn)
		}, "0 rang, 2000 seize, 5000 release, 5500 rang"},
		{"breaks and turns of the exchange as we answer", reversal, func(y *player) {
			y.edge(0, RingOn)
			y.order(2000*ms, Answer)
			y.edge(2300*ms, Lost)
			y.edge(2450*ms, Back)
			y.edge(2600*ms, Reversed)
			y.runTo(time.Minute)
		}, "0 rang, 2000 seize"},
		{"a caller who leaves as we answer", de, func(y *player) {
			y.edge(0, RingOn)
			y.order(2000*ms, Answer)
			y.edge(2300*ms, Lost)
			y.edge(2550*ms, Back)
		}, "0 rang, 2000 seize, 2550 cleared by loop break at 2300"},
		{"a caller who leaves by reversal", reversal, func(y *player) { y.edge(0, RingOn); y.order(2000*ms, Answer); y.edge(4000*ms, Reversed) },
			"0 rang, 2000 seize, 4000 cleared by reversal at 4000"},
		{"dial tone as soon as the chip hears", de, func(y *player) { y.call("12", false); y.order(420*ms, HeardDial); y.runTo(time.Minute) },
			"0 seize, 420 plays 12, 820 dialled, answered false"},
		{"what is heard before the chip hears is late", de, func(y *player) { y.call("1", false); y.order(400*ms, HeardDial); y.runTo(4 * time.Second) }, "0 seize"},
		{"no dial tone", de, func(y *player) { y.call("1", false); y.runTo(10 * time.Second); y.order(10*time.Second, Release) }, "0 seize, 5000 no dial tone, 10000 release"},
		{"a dial tone that cannot be recognised", with(func(t *Timing) { t.Deaf = true }), func(y *player) { y.call("1", false); y.runTo(10 * time.Second) }, "0 seize, 3000 plays 1, 3200 dialled, answered false"},
		{"help is not kept waiting", de, func(y *player) { y.call("112", true); y.runTo(10 * time.Second) }, "0 seize, 1500 plays 112, 2100 dialled, answered false"},
		{"by pulses", pulse, func(y *player) { y.call("1*20", false); y.order(1000*ms, HeardDial); y.runTo(time.Minute) },
			"0 seize, 1000 1 pulses, 1850 2 pulses, 2800 10 pulses, 4550 dialled, answered false"},
		{"no loop current", de, func(y *player) { y.call("1", false); y.edge(200*ms, Lost); y.runTo(time.Second) }, "0 seize, 500 dead"},
		{"loop current late", de, func(y *player) {
			y.call("1", false)
			y.edge(200*ms, Lost)
			y.edge(400*ms, Back)
			y.order(1000*ms, HeardDial)
		}, "0 seize, 1000 plays 1"},
		{"the line is cut as it dials", de, func(y *player) {
			y.call("123", false)
			y.order(1000*ms, HeardDial)
			y.edge(1100*ms, Lost)
			y.runTo(1500 * ms)
		}, "0 seize, 1000 plays 123, 1400 dead"},
		{"the port fails as it dials", de, func(y *player) {
			y.call("1", false)
			y.edge(500*ms, Failed)
			y.edge(3000*ms, Restored)
			y.runTo(time.Minute)
		}, "0 seize, 500 release, 500 dead"},
		{"a break of half the set length", de, func(y *player) { y.talk(); y.edge(3000*ms, Lost); y.edge(3100*ms, Back); y.runTo(time.Minute) }, talks + ", 3100 cleared by loop break at 3000"},
		{"a break of less", de, func(y *player) { y.talk(); y.edge(3000*ms, Lost); y.edge(3090*ms, Back); y.runTo(time.Minute) }, talks},
		{"a break without end", de, func(y *player) { y.talk(); y.edge(3000*ms, Lost); y.runTo(time.Minute) }, talks + ", 3700 cleared by loop break at 3000"},
		{"a line of long breaks", with(func(t *Timing) { t.Break = 600 * ms }), func(y *player) {
			y.talk()
			y.edge(3000*ms, Lost)
			y.edge(3290*ms, Back)
			y.edge(5000*ms, Lost)
			y.edge(5310*ms, Back)
		}, talks + ", 5310 cleared by loop break at 5000"},
		{"a reversal where the exchange tells nothing by it", de, func(y *player) { y.talk(); y.edge(3000*ms, Reversed); y.edge(5000*ms, Reversed) }, talks},
		{"answer and end by reversal", reversal, func(y *player) {
			y.talk()
			y.edge(3000*ms, Reversed)
			y.edge(3400*ms, Reversed)
			y.edge(5000*ms, Reversed)
		},
			talks + ", 3000 answered, 5000 cleared by reversal at 5000"},
		{"an answer before the last digit is out", reversal, func(y *player) {
			y.call("1", false)
			y.order(1000*ms, HeardDial)
			y.edge(1100*ms, Reversed)
			y.runTo(time.Minute)
		},
			"0 seize, 1000 plays 1, 1200 dialled, answered true"},
		{"busy first of all", de, func(y *player) { y.talk(); y.order(5000*ms, HeardBusy) }, talks + ", 5000 cleared by busy at 5000"},
		{"congestion first of all", de, func(y *player) { y.talk(); y.order(5000*ms, HeardCongestion) }, talks + ", 5000 cleared by congestion at 5000"},
		{"unobtainable first of all", de, func(y *player) { y.talk(); y.order(5000*ms, HeardUnobtainable) }, talks + ", 5000 cleared by unobtainable at 5000"},
		{"busy after ringback", de, func(y *player) { y.talk(); y.order(3000*ms, HeardRing); y.order(9000*ms, HeardBusy) }, talks + ", 9000 cleared by tone at 9000"},
		{"busy after a talk", de, func(y *player) { y.talk(); y.order(30*time.Second, HeardBusy) }, talks + ", 30000 cleared by tone at 30000"},
		{"busy before a told answer", reversal, func(y *player) { y.talk(); y.order(3000*ms, HeardRing); y.order(40*time.Second, HeardBusy) }, talks + ", 40000 cleared by busy at 40000"},
		{"busy after a told answer", reversal, func(y *player) { y.talk(); y.edge(3000*ms, Reversed); y.order(5000*ms, HeardBusy) }, talks + ", 3000 answered, 5000 cleared by tone at 5000"},
		{"stuck", de, func(y *player) { y.talk(); y.order(700*time.Second, HeardSilence) }, talks + ", 700000 cleared by silence at 700000"},
		{"nothing that is heard ends a call for help", reversal, func(y *player) {
			y.call("112", true)
			y.runTo(10 * time.Second)
			for _, in := range []Input{HeardBusy, HeardCongestion, HeardUnobtainable, HeardSilence, Reversed, Reversed, Lost} {
				y.order(10*time.Second, in)
			}
			y.edge(10500*ms, Back)
			y.edge(12000*ms, Lost)
			y.runTo(time.Minute)
		}, "0 seize, 1500 plays 112, 2100 dialled, answered false, 12600 cleared by loop break at 12000"},
		{"the port fails in a call", de, func(y *player) { y.talk(); y.order(3000*ms, Failed); y.order(3100*ms, Release) }, talks + ", 3000 release, 3000 cleared by port failed at 3000"},
		{"digits are passed on one by one", de, func(y *player) {
			y.talk()
			y.l.Queue('5')
			y.order(3000*ms, Key)
			y.l.Queue('5')
			y.order(3050*ms, Key)
			y.edge(3100*ms, Lost)
			y.edge(3300*ms, Back)
			y.runTo(4 * time.Second)
		}, talks + ", 3000 plays 5, 3200 plays 5, 3300 cleared by loop break at 3100"},
		{"digits are passed on by pulses", pulse, func(y *player) {
			y.call("1", false)
			y.order(1000*ms, HeardDial)
			y.runTo(2 * time.Second)
			y.l.Queue('3')
			y.order(3000*ms, Key)
			y.runTo(5 * time.Second)
		}, "0 seize, 1000 1 pulses, 1850 dialled, answered false, 3000 3 pulses"},
		{"seized within its rest", de, func(y *player) {
			y.talk()
			y.order(2000*ms, Release)
			y.order(3000*ms, Seize)
			y.runTo(5 * time.Second)
		},
			talks + ", 2000 release, 4000 seize"},
		{"given up within its rest", de, func(y *player) {
			y.talk()
			y.order(2000*ms, Release)
			y.order(3000*ms, Seize)
			y.order(3500*ms, Release)
			y.runTo(5 * time.Second)
		}, talks + ", 2000 release"},
		{"rings as it is to be seized", de, func(y *player) {
			y.talk()
			y.order(2000*ms, Release)
			y.order(3000*ms, Seize)
			y.edge(3500*ms, RingOn)
			y.order(4000*ms, Answer)
		}, talks + ", 2000 release, 3500 collided, 4000 seize"},
		{"rings at the instant of its seizure", de, func(y *player) {
			y.call("1", false)
			y.edge(0, RingOn)
			y.edge(100*ms, RingOff)
			y.order(3000*ms, Answer)
			y.edge(6000*ms, Lost)
			y.edge(6300*ms, Back)
		}, "0 seize, 0 collided, 6300 cleared by loop break at 6000"},
		{"rings at the instant of its seizure for help", de, func(y *player) {
			y.call("112", true)
			y.edge(0, RingOn)
			y.l.Prepare(Call{Digits: "112", Urgent: true})
			y.order(100*ms, Seize)
			y.runTo(10 * time.Second)
		}, "0 seize, 0 collided, 800 release, 2800 seize, 4300 plays 112, 4900 dialled, answered false"},
		{"a call that comes in after one for help is an ordinary one", de, func(y *player) {
			y.call("112", true)
			y.runTo(5 * time.Second)
			y.order(5*time.Second, Release)
			y.edge(8*time.Second, RingOn)
			y.order(9*time.Second, Answer)
			y.order(20*time.Second, HeardBusy)
		}, "0 seize, 1500 plays 112, 2100 dialled, answered false, 5000 release, 8000 rang, 9000 seize, 20000 cleared by tone at 20000"},
		{"a ringing line is cleared for help", de, func(y *player) {
			y.edge(0, RingOn)
			y.l.Prepare(Call{Digits: "112", Urgent: true})
			y.order(1000*ms, Seize)
			y.edge(1100*ms, RingOff)
			y.runTo(10 * time.Second)
		}, "0 rang, 1000 seize, 1700 release, 3700 seize, 5200 plays 112, 5800 dialled, answered false"},
		{"held by others for hours", de, func(y *player) { y.edge(0, Taken); y.runTo(5 * time.Hour); y.edge(5*time.Hour, Left) }, "14400000 held long"},
		{"used by others now and then", de, func(y *player) {
			y.edge(0, Taken)
			y.edge(3*time.Hour, Left)
			y.edge(4*time.Hour, Taken)
			y.runTo(7 * time.Hour)
		}, ""},
		{"answered without a ring is refused", de, func(y *player) { y.order(0, Answer) }, "0 refused answer"},
		{"restored without a failure is refused", de, func(y *player) { y.order(0, Restored) }, "0 refused port restored"},
	} {
		y := &player{l: New(c.timing), now: epoch}
		c.play(y)
		if got := strings.Join(y.said, ", "); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}

// TestLateEdges: what an edge means goes by when it happened, not by when it is told.
func TestLateEdges(t *testing.T) {
	for _, late := range []time.Duration{0, 20 * ms, 90 * ms} {
		for length, cleared := range map[time.Duration]bool{80 * ms: false, 99 * ms: false, 100 * ms: true, 400 * ms: true, 3 * time.Second: true} {
			y := &player{l: New(de), now: epoch}
			y.talk()
			y.late = late
			y.edge(3000*ms, Lost)
			y.edge(3000*ms+length, Back)
			if got := strings.Contains(strings.Join(y.said, ", "), "cleared by loop break at 3000"); got != cleared {
				t.Errorf("break of %v told %v late: %q", length, late, y.said)
			}
		}
	}
}

// TestQueueIsBounded: and takes no digit that the line cannot send.
func TestQueueIsBounded(t *testing.T) {
	y := &player{l: New(de), now: epoch}
	y.talk()
	for range MaxKeys {
		if !y.l.Queue('1') {
			t.Fatal("refused before it is full")
		}
	}
	if y.l.Queue('1') || y.l.Queue('A') {
		t.Error("takes what it should not")
	}
	y = &player{l: New(with(func(t *Timing) { t.Pulse = true })), now: epoch}
	y.call("1", false)
	if y.l.Queue('*') || !y.l.Queue('9') {
		t.Error("pulses: * is taken, or 9 is not")
	}
}

// FuzzLine drives a line with every input in random order and holds each move against the
// table, and each signal against where it may come.
func FuzzLine(f *testing.F) {
	f.Add([]byte{0, 18, 50, 11, 100, 16, 200, 16, 10, 4, 30, 5, 1, 20, 5})
	f.Add([]byte{3, 0, 10, 18, 1, 0, 5, 16, 200, 19, 4, 20, 9, 9, 1, 10, 200})
	f.Add([]byte{2, 18, 1, 16, 60, 11, 2, 16, 255, 16, 255, 21, 1, 16, 200, 20, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) == 0 {
			return
		}
		timing := de
		timing.Pulse, timing.Reversal, timing.Deaf = data[0]&1 != 0, data[0]&2 != 0, data[0]&4 != 0
		l := New(timing)
		now := epoch
		hook, seized := false, epoch
		for i := 1; i+1 < len(data); i += 2 {
			in := Input(data[i]%uint8(numInputs-1)) + 1
			now = now.Add(time.Duration(data[i+1]) * 13 * ms)
			if d := l.Deadline(); in == Timeout && d.After(now) && data[i+1]&1 != 0 {
				now = d
			}
			switch in {
			case Seize:
				l.Prepare(Call{Digits: "0123#9"[:data[i+1]%7], Urgent: data[i+1]&8 != 0})
			case Key:
				l.Queue("0123456789*#A\x00"[data[i+1]%14])
			}
			from := l.State()
			out, ok := l.Step(now, now, in)
			m, allowed := Table.Find(from, in)
			if ok != (allowed || in == Timeout) {
				t.Fatalf("%v on %v: ok %v, the table says %v", from, in, ok, allowed)
			}
			if allowed && !m.Allows(from, l.State()) {
				t.Fatalf("%v on %v went to %v, which the table does not name", from, in, l.State())
			}
			for _, s := range out.Signals {
				switch s.Kind {
				case 0:
				case board.Seize:
					hook, seized = true, now
				case board.Release:
					hook = false
				case board.Pulses:
					if tr := s.Train; !hook || now.Sub(seized) < Mute || tr.Count < 1 || tr.Count > 10 || tr.Break < 10*ms || tr.Break > time.Second {
						t.Fatalf("%v on %v: train %+v, off hook %v for %v", from, in, tr, hook, now.Sub(seized))
					}
				default:
					t.Fatalf("%v on %v: signal %v", from, in, s.Kind)
				}
			}
			if l.Up() != hook {
				t.Fatalf("%v on %v: %v, but the hook is up %v", from, in, l.State(), hook)
			}
			digits, _ := l.Sends()
			if st := l.State(); digits != "" && (st != Sending && st != Keying || timing.Pulse || now.Sub(seized) < Mute) {
				t.Fatalf("%v on %v: plays in %v, %v after the seizure", from, in, st, now.Sub(seized))
			}
			if l.call.Urgent && out.Act == Cleared && out.Why != ByBreak && out.Why != ByFailure {
				t.Fatalf("a call for help was cleared by %v", out.Why)
			}
			// What the switch must answer, or the line stays off hook for ever.
			if out.Act == NoDialTone || out.Act == Dead || out.Act == Cleared {
				out, _ = l.Step(now, now, Release)
				hook = hook && out.Signals[0].Kind == 0
			}
			if st := l.State(); st != Free && st != Talking && st != OutOfService && l.Deadline().IsZero() {
				t.Fatalf("%v on %v: nothing ever ends %v", from, in, st)
			}
		}
	})
}
