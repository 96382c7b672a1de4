package pbx

import (
	"testing"
	"time"

	"sotto/board"
	"sotto/pbx/loopstart"
	"sotto/pbx/media"
)

// Ports of the bench: stations are 0 to 3, lines 4 and 5.
const fxo1, fxo2 = 4, 5

// emergency lets port 0 dial 112.
func emergency(t *testing.T) *bench {
	t.Helper()
	b := newBench(t)
	b.event(0, board.LoopClosed)
	b.pass(100 * time.Millisecond)
	b.digits(0, "112")
	if err := b.invariants(); err != nil {
		t.Fatal(err)
	}
	return b
}

// signals of a port since the start, Configure left out.
func (b *bench) sent(p int) (l []board.SignalKind) {
	for _, s := range b.signals {
		if int(s.port) == p && s.sig.Kind != board.Configure {
			l = append(l, s.sig.Kind)
		}
	}
	return l
}

// flash opens the loop of a port for as long as an R key does.
func (b *bench) flash(p int) {
	b.event(p, board.LoopOpen)
	b.pass(100 * time.Millisecond)
	b.event(p, board.LoopClosed)
}

func (b *bench) ear(p int) media.Ear {
	for _, e := range b.patch.Ears {
		if int(e.Port) == p {
			return e
		}
	}
	return media.Ear{}
}

func (b *bench) state(n int) loopstart.State { return b.lines[n].hook.State() }

func (b *bench) lineOf(t *testing.T) *line {
	t.Helper()
	if len(b.calls) != 1 || lineOf(b.calls[0]) == nil {
		t.Fatalf("%d calls", len(b.calls))
	}
	return lineOf(b.calls[0])
}

func (b *bench) oneRecord(t *testing.T) Record {
	t.Helper()
	if err := b.invariants(); err != nil {
		t.Error(err)
	}
	if len(b.records) != 1 {
		t.Fatalf("records %+v", b.records)
	}
	return b.records[0]
}

// TestNothingBeforeTheNumber: the exchange hears the caller only once the number is
// dialled, for a key may still be down.
func TestNothingBeforeTheNumber(t *testing.T) {
	b := emergency(t)
	for b.state(0) != loopstart.Talking {
		e := b.ear(fxo1)
		if e.Watch != nil {
			t.Fatal("a tone could end a call for help")
		}
		if e.N != 0 {
			t.Fatalf("the line hears the caller while it is %v", b.state(0))
		}
		if (e.Tone != nil) != (b.state(0) == loopstart.Sending) {
			t.Fatalf("tone %v while %v", e.Tone, b.state(0))
		}
		b.pass(50 * time.Millisecond)
	}
	if e := b.ear(fxo1); e.N != 1 || e.From[0] != 0 {
		t.Errorf("talking, the line hears %+v", e)
	}
}

// TestDeadLineGivesWay: a line whose current is gone, or whose port fails, before the
// number is dialled makes room for the next one; a call that talks ends with its line.
func TestDeadLineGivesWay(t *testing.T) {
	for _, kind := range []board.EventKind{board.CurrentLost, board.PortFailed} {
		for _, after := range []time.Duration{0, 200 * time.Millisecond, 1600 * time.Millisecond} {
			b := emergency(t)
			b.pass(after)
			b.event(fxo1, kind)
			b.pass(500 * time.Millisecond)
			if ln := b.lineOf(t); ln != b.lines[1] {
				t.Fatalf("%v after %v: the call is on %s", kind, after, ln.label)
			}
			b.pass(5 * time.Second)
			if b.state(1) != loopstart.Talking || len(b.records) != 0 {
				t.Fatalf("%v after %v: FXO 2 is %v, records %+v", kind, after, b.state(1), b.records)
			}
			b.event(0, board.LoopOpen)
			b.pass(2 * time.Second)
			if r := b.oneRecord(t); r.Outcome != AnswerUnknown || r.To.Line != "FXO 2" || !r.Emergency {
				t.Errorf("%v after %v: %+v", kind, after, r)
			}
		}
	}
	b := emergency(t)
	b.event(fxo1, board.PortFailed)
	b.event(fxo2, board.PortFailed)
	if r := b.oneRecord(t); r.Outcome != Failed || r.Cause != NoCircuit {
		t.Errorf("no line left: %+v", r)
	}
	b = emergency(t)
	b.pass(10 * time.Second)
	b.event(fxo1, board.CurrentLost)
	b.pass(500 * time.Millisecond)
	b.event(fxo1, board.CurrentBack)
	b.pass(5 * time.Second)
	if b.state(0) != loopstart.Talking {
		t.Error("a break of 500 ms ended the call")
	}
	b.event(fxo1, board.CurrentLost)
	b.pass(700 * time.Millisecond)
	if r := b.oneRecord(t); r.Outcome != AnswerUnknown || r.Talked < 13*time.Second || r.Talked > 14*time.Second {
		t.Errorf("cleared by the exchange: %+v", r)
	}
}

// TestWhichLine: free before noted as bad, but noted as bad before none at all.
func TestWhichLine(t *testing.T) {
	for _, c := range []struct {
		name   string
		before func(b *bench)
		want   int
	}{
		{"both good", func(b *bench) {}, 0},
		{"first missing", func(b *bench) { b.event(fxo1, board.LineMissing) }, 1},
		{"first in use", func(b *bench) { b.event(fxo1, board.LineInUse) }, 1},
		{"first rings", func(b *bench) { b.event(fxo1, board.RingOn) }, 1},
		{"first rings, in its pause", func(b *bench) {
			b.event(fxo1, board.RingOn)
			b.pass(time.Second)
			b.event(fxo1, board.RingOff)
			b.pass(3 * time.Second)
		}, 1},
		{"first rang long ago", func(b *bench) {
			b.event(fxo1, board.RingOn)
			b.event(fxo1, board.RingOff)
			b.pass(time.Minute)
		}, 0},
		{"first failed", func(b *bench) { b.event(fxo1, board.PortFailed) }, 1},
		{"both missing", func(b *bench) { b.event(fxo1, board.LineMissing); b.event(fxo2, board.LineMissing) }, 0},
		{"first missing, second in use", func(b *bench) { b.event(fxo1, board.LineMissing); b.event(fxo2, board.LineInUse) }, 1},
	} {
		b := newBench(t)
		c.before(b)
		b.event(0, board.LoopClosed)
		b.pass(100 * time.Millisecond)
		b.digits(0, "112")
		if ln := b.lineOf(t); ln != b.lines[c.want] {
			t.Errorf("%s: took %s", c.name, ln.label)
		}
	}
}

// TestRestingLineIsLetRest: with one line, a second emergency call right after the first
// waits until the exchange has seen the release.
func TestRestingLineIsLetRest(t *testing.T) {
	b := emergency(t)
	b.event(fxo2, board.PortFailed)
	b.pass(5 * time.Second)
	b.event(0, board.LoopOpen)
	b.event(1, board.LoopClosed)
	b.pass(400 * time.Millisecond) // the flash time of 0 is over, it has hung up
	if b.state(0) != loopstart.Resting {
		t.Fatalf("the line is %v", b.state(0))
	}
	b.digits(1, "112")
	released := b.now
	for b.state(0) != loopstart.Seizing {
		b.pass(10 * time.Millisecond)
	}
	if d := b.now.Sub(released); d < 1500*time.Millisecond || d > loopstart.Rest {
		t.Errorf("seized after %v", d)
	}
	b.pass(5 * time.Second)
	if got := b.sent(fxo1); len(got) != 3 || got[1] != board.Release || got[2] != board.Seize || b.state(0) != loopstart.Talking {
		t.Errorf("signals %v, line %v", got, b.state(0))
	}
}

// TestRingingLineIsClearedFirst: with nothing but a ringing line, that call is taken and
// ended, and then the number is dialled.
func TestRingingLineIsClearedFirst(t *testing.T) {
	b := newBench(t)
	b.event(fxo2, board.PortFailed)
	b.event(fxo1, board.RingOn)
	b.event(0, board.LoopClosed)
	b.pass(100 * time.Millisecond)
	b.digits(0, "112")
	if e := b.ear(0); e.N != 0 {
		t.Error("the caller hears who rang")
	}
	b.pass(8 * time.Second)
	if got := b.sent(fxo1); len(got) != 3 || got[0] != board.Seize || got[1] != board.Release || got[2] != board.Seize || b.state(0) != loopstart.Talking {
		t.Errorf("signals %v, line %v", got, b.state(0))
	}
}

// TestShortEmergencyCall: hung up before the number was dialled, it is abandoned.
func TestShortEmergencyCall(t *testing.T) {
	b := emergency(t)
	b.pass(500 * time.Millisecond)
	b.event(0, board.LoopOpen)
	b.pass(time.Second)
	if r := b.oneRecord(t); r.Outcome != Abandoned || r.Talked != 0 || !r.Emergency {
		t.Errorf("%+v", r)
	}
	if got := b.sent(fxo1); len(got) != 2 || got[1] != board.Release {
		t.Errorf("signals %v", got)
	}
}

// TestSlowEmergencyDialling: nobody is hurried who may be calling for help.
func TestSlowEmergencyDialling(t *testing.T) {
	b := newBench(t)
	b.event(0, board.LoopClosed)
	b.pass(100 * time.Millisecond)
	for _, d := range []string{"1", "1", "2"} {
		b.pass(14 * time.Second)
		b.digits(0, d)
	}
	b.lineOf(t)
}

// TestLateLoop: events that wait while the loop is late count from when they happened.
func TestLateLoop(t *testing.T) {
	talk := func() *bench {
		b := newBench(t)
		b.event(0, board.LoopClosed)
		b.pass(100 * time.Millisecond)
		b.digits(0, "103")
		b.event(2, board.LoopClosed)
		b.pass(time.Second)
		return b
	}
	at := func(b *bench, p int, k board.EventKind, when time.Time) {
		b.seq++
		b.do(Event{Board: &board.Event{Port: board.Port(p), Kind: k, At: when, Seq: b.seq}})
	}
	b := talk()
	t0 := b.now
	b.now = t0.Add(2 * time.Second) // the loop slept
	at(b, 0, board.LoopOpen, t0)
	at(b, 0, board.LoopClosed, t0.Add(195*time.Millisecond))
	b.do(Event{})
	if len(b.calls) != 1 || b.calls[0].caller.state != Holding {
		t.Error("a flash seen late was no flash")
	}
	b = talk()
	t0 = b.now
	b.now = t0.Add(2 * time.Second)
	at(b, 0, board.LoopOpen, t0)
	b.do(Event{})
	if len(b.calls) != 0 || len(b.records) != 1 || b.records[0].Talked != time.Second {
		t.Errorf("a hang-up seen late: %d calls, %+v", len(b.calls), b.records)
	}
	e := emergency(t)
	e.pass(10 * time.Second)
	t0 = e.now
	e.now = t0.Add(700 * time.Millisecond)
	at(e, fxo1, board.CurrentLost, t0)
	at(e, fxo1, board.CurrentBack, t0.Add(510*time.Millisecond))
	e.do(Event{})
	if len(e.calls) != 1 {
		t.Error("a short break seen late ended the emergency call")
	}
}

// TestReverseOnAnswer: the line of who called turns with the answer and back at the end,
// also with a second call in between.
func TestReverseOnAnswer(t *testing.T) {
	b := newBench(t)
	n := testPlan(t)
	n.Plan.Users[0].ReverseOnAnswer = true
	b.do(Event{Plan: n})
	b.event(0, board.LoopClosed)
	b.pass(100 * time.Millisecond)
	b.digits(0, "103")
	b.event(2, board.LoopClosed)
	b.pass(time.Second)
	b.flash(0)
	b.pass(time.Second)
	b.digits(0, "102")
	b.pass(time.Second)
	b.event(1, board.LoopClosed)
	b.pass(time.Second)
	if got := b.sent(0); len(got) != 1 || got[0] != board.Reverse {
		t.Fatalf("two answered calls: %v", got)
	}
	b.event(1, board.LoopOpen)
	b.pass(time.Second)
	if !b.stations[0].reversed {
		t.Error("the end of the second call turned the line back under the first")
	}
	b.event(2, board.LoopOpen)
	b.pass(2 * time.Second)
	if b.stations[0].reversed {
		t.Errorf("all calls are over: %v", b.sent(0))
	}
}

// TestFlashFromTheHowler: whoever left a call on hold comes back to it however long the
// handset lay beside the telephone.
func TestFlashFromTheHowler(t *testing.T) {
	b := newBench(t)
	b.event(0, board.LoopClosed)
	b.pass(100 * time.Millisecond)
	b.digits(0, "103")
	b.event(2, board.LoopClosed)
	b.pass(time.Second)
	b.flash(0)
	b.pass(10 * time.Minute)
	if s := b.stations[0].active.state; s != Silent {
		t.Fatalf("after ten minutes: %v", s)
	}
	b.flash(0)
	if s := b.stations[0].active.state; s != Talking {
		t.Errorf("after the flash: %v", s)
	}
}
