package pbx

import (
	"strings"
	"testing"
	"time"

	"sotto/board"
	"sotto/pbx/country"
	"sotto/pbx/loopstart"
	"sotto/pbx/media"
	"sotto/pbx/media/progress"
	"sotto/pbx/plan"
)

// lineBench is a bench whose plan has both lines, and 0 for outside calls.
func lineBench(t testing.TB, change func(*plan.Plan)) *bench {
	t.Helper()
	b := newBench(t)
	p := testPlan(t).Plan
	p.OutsidePrefix = "0"
	p.Lines = []plan.Line{{Name: "Front", Port: "FXO 1"}, {Name: "Back", Port: "FXO 2"}}
	if change != nil {
		change(&p)
	}
	n, err := plan.Compile(p)
	if err != nil {
		t.Fatal(err)
	}
	b.do(Event{Plan: n})
	return b
}

func (b *bench) heard(p int, k progress.Kind) {
	b.do(Event{Heard: &media.Heard{Port: media.Port(p), Kind: k, On: true}})
}

func (b *bench) lifts(p int) {
	b.event(p, board.LoopClosed)
	b.pass(100 * time.Millisecond)
}

func (b *bench) hangsUp(p int) {
	b.event(p, board.LoopOpen)
	b.pass(2 * time.Second)
}

// goesOut lets port p dial keys and line ln take the call; it talks at the end.
func (b *bench) goesOut(t testing.TB, p int, keys string, ln int) {
	t.Helper()
	b.lifts(p)
	b.digits(p, keys)
	b.dialTone(t, ln)
	b.ok(t)
}

// dialTone gives dial tone a second after the seizure of line ln, and lets the number go out.
func (b *bench) dialTone(t testing.TB, ln int) {
	t.Helper()
	for range 300 {
		if b.state(ln) == loopstart.Listening {
			break
		}
		b.pass(10 * time.Millisecond)
	}
	b.heard(fxo1+ln, progress.Dial)
	if b.state(ln) != loopstart.Sending {
		t.Fatalf("FXO %d is %v\n%s", ln+1, b.state(ln), b.trace.String())
	}
	b.pass(3 * time.Second)
	if b.state(ln) != loopstart.Talking {
		t.Fatalf("FXO %d is %v\n%s", ln+1, b.state(ln), b.trace.String())
	}
}

// ok holds the invariants, and that nothing was refused.
func (b *bench) ok(t testing.TB) {
	t.Helper()
	if err := b.invariants(); err != nil {
		t.Errorf("%v\n%s", err, b.trace.String())
	}
	if b.count.Refused > 0 {
		t.Errorf("refused %d\n%s", b.count.Refused, b.log)
	}
}

func (b *bench) hearsTone(p int) country.ToneKind {
	for k := range country.NumTones {
		if x := b.ear(p).Tone; x != nil && x == b.numbers.Country.Tone(k) {
			return k
		}
	}
	return country.NumTones
}

// TestStationCallsOut: what both ends hear from the first digit to the end.
func TestStationCallsOut(t *testing.T) {
	b := lineBench(t, nil)
	b.lifts(0)
	run := b.ear(0).Run
	b.digits(0, "0")
	if e := b.ear(0); b.hearsTone(0) != country.Dial || e.Run == run || !e.Digits || len(b.sent(fxo1)) != 0 {
		t.Errorf("after the digit for outside calls: %+v, line %v", e, b.sent(fxo1))
	}
	b.digits(0, "3")
	if e := b.ear(0); e.Tone != nil {
		t.Error("dial tone goes on")
	}
	b.digits(0, "01234#")
	if got := b.sent(fxo1); len(got) != 1 || got[0] != board.Seize {
		t.Fatalf("the line was signalled %v", got)
	}
	if e := b.ear(0); e.Tone != nil || e.N != 0 {
		t.Errorf("the caller hears %+v", e)
	}
	b.pass(400 * time.Millisecond)
	if e := b.ear(fxo1); e.Watch != nil {
		t.Error("the line is listened to while its chip is deaf")
	}
	b.pass(20 * time.Millisecond)
	if e := b.ear(fxo1); e.Watch == nil || e.Watch != b.lines[0].watch.dial || e.N != 0 || e.Tone != nil {
		t.Errorf("waiting for dial tone: %+v", e)
	}
	b.heard(fxo1, progress.Dial)
	if e := b.ear(fxo1); e.Tone == nil || len(e.Tone.Intro()) != 6 || e.N != 0 {
		t.Errorf("dialling: %+v", e)
	}
	b.pass(1150 * time.Millisecond)
	if s := b.Snapshot(); s.Ports[0].State != "waiting" || s.Ports[fxo1].State != "dialling" || s.Ports[0].Lamp != LampCall || s.Ports[fxo1].Lamp != LampCall || s.Ports[fxo1].Call != s.Calls[0].ID || s.Ports[0].Call != s.Calls[0].ID {
		t.Errorf("%+v", s.Ports)
	}
	b.pass(60 * time.Millisecond)
	if e, l := b.ear(0), b.ear(fxo1); e.N != 1 || e.From[0] != fxo1 || l.N != 1 || l.From[0] != 0 || l.Watch != b.lines[0].watch.call || l.Tone != nil {
		t.Errorf("talking: %+v, %+v", e, l)
	}
	b.ok(t)
	b.pass(time.Minute)
	b.hangsUp(0)
	if r := b.oneRecord(t); r.From.Ext != "101" || r.To.Number.Reveal() != "301234" || r.To.Line != "Front" || r.Outcome != AnswerUnknown || r.Emergency ||
		r.Talked < time.Minute || r.Talked > 62*time.Second {
		t.Errorf("%+v", r)
	}
	if got := b.sent(fxo1); len(got) != 2 || got[1] != board.Release || b.ear(fxo1).N != 0 {
		t.Errorf("signals %v", got)
	}
	if l := b.log.String() + b.trace.String(); strings.Contains(l, "1234") {
		t.Errorf("log or trace holds digits:\n%s", l)
	}
}

// TestPhoneCallsOut: a telephone on the network is answered when the exchange can be heard,
// and not before.
func TestPhoneCallsOut(t *testing.T) {
	b := lineBench(t, nil)
	r := b.dials("0301234")
	if r.answers != 0 {
		t.Fatal("answered before the exchange can be heard")
	}
	b.dialTone(t, 0)
	if r.answers != 1 || r.peer != fxo1 {
		t.Fatalf("answered %d times, by %d", r.answers, r.peer)
	}
	if e, l := b.ear(int(r.port)), b.ear(fxo1); e.From[0] != fxo1 || l.From[0] != r.port || e.Relay || l.Relay {
		t.Errorf("%+v %+v", e, l)
	}
	b.phone(r, PhoneHolds, 0)
	if e := b.ear(fxo1); b.hearsTone(fxo1) != country.Hold || e.Watch != b.lines[0].watch.held || e.N != 0 {
		t.Errorf("held: %+v", e)
	}
	b.phone(r, PhoneRetrieves, 0)
	if e := b.ear(fxo1); e.N != 1 || e.Tone != nil || e.Watch != b.lines[0].watch.call {
		t.Errorf("taken back: %+v", e)
	}
	b.ok(t)
	b.event(fxo1, board.CurrentLost)
	b.pass(300 * time.Millisecond)
	b.event(fxo1, board.CurrentBack)
	if r.released != 1 || r.why != NormalClearing {
		t.Errorf("released %d, %v", r.released, r.why)
	}
	if x := b.oneRecord(t); x.From.Ext != "104" || x.Outcome != AnswerUnknown || !x.Held {
		t.Errorf("%+v", x)
	}
	b = lineBench(t, nil) // given up while the line is seized
	r = b.dials("0301234")
	b.pass(time.Second)
	b.phone(r, PhoneHangsUp, NormalClearing)
	if x := b.oneRecord(t); x.Outcome != Abandoned || x.Talked != 0 || b.state(0) != loopstart.Resting {
		t.Errorf("%+v, line %v", x, b.state(0))
	}
}

// TestLineFailsOver: a line that is no good gives way to the next before the caller is told
// anything; only with none left there is congestion tone.
func TestLineFailsOver(t *testing.T) {
	for _, c := range []struct {
		name  string
		fails func(b *bench, p int)
		count func(c *Counters) uint64
	}{
		{"no dial tone", func(b *bench, p int) { b.pass(6 * time.Second) }, func(c *Counters) uint64 { return c.NoDialTone }},
		{"no loop current", func(b *bench, p int) {
			b.pass(200 * time.Millisecond)
			b.event(p, board.CurrentLost)
			b.pass(400 * time.Millisecond)
		}, func(c *Counters) uint64 { return c.DeadLines }},
		{"the port fails", func(b *bench, p int) { b.event(p, board.PortFailed) }, func(c *Counters) uint64 { return c.DeadLines }},
		{"the port fails as it dials", func(b *bench, p int) {
			b.pass(500 * time.Millisecond)
			b.heard(p, progress.Dial)
			b.event(p, board.PortFailed)
		}, func(c *Counters) uint64 { return c.DeadLines }},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := lineBench(t, nil)
			b.lifts(0)
			b.digits(0, "0301234#")
			c.fails(b, fxo1)
			if s := b.stations[0].active.state; s != Waiting || b.ear(0).Tone != nil {
				t.Fatalf("the caller is %v", s)
			}
			if w := b.Snapshot().Ports[fxo1].Lamp; w != LampWarn && w != LampFault {
				t.Errorf("lamp %v", w)
			}
			b.dialTone(t, 1)
			b.ok(t)
			if e := b.ear(0); e.From[0] != fxo2 || c.count(&b.count) != 1 {
				t.Errorf("%+v, %+v", e, b.count)
			}
			b.hangsUp(0)
			if r := b.oneRecord(t); r.To.Line != "Back" || r.Outcome != AnswerUnknown {
				t.Errorf("%+v", r)
			}

			b = lineBench(t, nil)
			b.lifts(0)
			b.digits(0, "0301234#")
			c.fails(b, fxo1)
			c.fails(b, fxo2)
			if b.hearsTone(0) != country.Congestion || c.count(&b.count) != 2 {
				t.Errorf("no line left: %+v, %+v", b.ear(0), b.count)
			}
			if r := b.oneRecord(t); r.Outcome != Failed || r.Cause != NoCircuit {
				t.Errorf("%+v", r)
			}
			r := b.dials("0301234") // both rest or failed
			b.pass(20 * time.Second)
			if r.why != NoCircuit || r.answers != 0 {
				t.Errorf("a telephone on the network is told %v", r.why)
			}
			b.ok(t)
		})
	}
}

// TestRules: which line an outside number takes, what goes out on it, and what is refused.
func TestRules(t *testing.T) {
	b := lineBench(t, func(p *plan.Plan) {
		p.Rules = []plan.Rule{{Name: "Mobile", Prefix: "01", Lines: []string{"Back"}, Strip: 1, Prepend: "99", Digits: 5},
			{Name: "Dear", Prefix: "0900", Forbid: true}}
	})
	b.lifts(0)
	b.digits(0, "001234")
	if b.state(1) != loopstart.Seizing || b.state(0) != loopstart.Free {
		t.Fatalf("lines %v, %v", b.state(0), b.state(1))
	}
	b.pass(time.Second)
	b.heard(fxo2, progress.Dial)
	if digits, _ := b.lines[1].hook.Sends(); digits != "991234" {
		t.Errorf("sent %q", digits)
	}
	b.lifts(1) // the only line of the rule is taken
	b.digits(1, "001234")
	if b.hearsTone(1) != country.Congestion {
		t.Errorf("the second hears %v", b.hearsTone(1))
	}
	b.lifts(2)
	b.digits(2, "00900")
	if b.hearsTone(2) != country.Congestion {
		t.Errorf("forbidden: hears %v", b.hearsTone(2))
	}
	b.ok(t)
	if len(b.records) != 2 || b.records[0].Cause != NoCircuit || b.records[1].Cause != NotPermitted || b.records[1].Outcome != Failed || b.records[1].To.Number.Reveal() != "0900" {
		t.Errorf("%+v", b.records)
	}
	if r := b.dials("00900123"); r.why != NotPermitted {
		t.Errorf("a telephone on the network is told %v", r.why)
	}
}

// TestTwoAfterOneLine: the second gets the next line, the third congestion.
func TestTwoAfterOneLine(t *testing.T) {
	b := lineBench(t, nil)
	for p := range 3 {
		b.lifts(p)
		b.digits(p, "0123#")
	}
	if b.state(0) != loopstart.Seizing && b.state(0) != loopstart.Listening || b.state(1) != loopstart.Seizing || b.hearsTone(2) != country.Congestion {
		t.Errorf("%v, %v, the third hears %v", b.state(0), b.state(1), b.hearsTone(2))
	}
	b.ok(t)
}

// TestUnfitLinesAreSkipped: missing, used by another set, ringing or out of service.
func TestUnfitLinesAreSkipped(t *testing.T) {
	for _, k := range []board.EventKind{board.LineMissing, board.LineInUse, board.RingOn, board.PortFailed} {
		b := lineBench(t, func(p *plan.Plan) { p.Lines[0].Rings = []plan.Ext{"104"} })
		b.event(fxo1, k)
		b.lifts(2)
		b.digits(2, "0123#")
		if b.state(1) != loopstart.Seizing {
			t.Errorf("%v: FXO 2 is %v", k, b.state(1))
		}
		b.ok(t)
	}
}

// TestEmergencyTakesALine: with every line in an ordinary call, one of them ends for a call
// for help; a second call for help takes the other, and a third finds none.
func TestEmergencyTakesALine(t *testing.T) {
	b := lineBench(t, nil)
	b.goesOut(t, 0, "0301234#", 0)
	r := b.dials("0555")
	b.dialTone(t, 1)
	b.lifts(1)
	b.digits(1, "112")
	ln := b.lines[1]
	if c := ln.leg.call; !c.emergency {
		ln = b.lines[0]
	}
	if ln.leg == nil || !ln.leg.call.emergency || ln.hook.State() != loopstart.Waiting || b.count.Preempted != 1 || len(b.records) != 1 || b.records[0].Cause != Congestion {
		t.Fatalf("%v, %+v, %+v", ln.hook.State(), b.count, b.records)
	}
	b.ok(t)
	if ln == b.lines[0] && b.hearsTone(0) != country.Congestion || ln == b.lines[1] && r.why != Congestion {
		t.Errorf("whose line was taken hears %v, or is told %v", b.hearsTone(0), r.why)
	}
	b.pass(10 * time.Second)
	if ln.hook.State() != loopstart.Talking || b.ear(1).From[0] != ln.media() {
		t.Errorf("the call for help is %v", ln.hook.State())
	}
	b.lifts(2)
	b.digits(2, "112")
	b.pass(10 * time.Second)
	if b.count.Preempted != 2 || b.state(0) != loopstart.Talking || b.state(1) != loopstart.Talking {
		t.Errorf("the second: %v, %v", b.state(0), b.state(1))
	}
	b.ok(t)
	x := b.dials("112")
	if x.why != NoCircuit || b.count.Preempted != 2 {
		t.Errorf("the third: %v, %+v", x.why, b.count)
	}
	b.ok(t)
}

// TestEmergencyTakesALineBeingDialled: also from a call that is on its way, or comes in.
func TestEmergencyTakesALineBeingDialled(t *testing.T) {
	b := lineBench(t, nil)
	b.event(fxo2, board.PortFailed)
	b.lifts(0)
	b.digits(0, "0301234#")
	b.pass(time.Second)
	b.lifts(2)
	b.digits(2, "112")
	if b.hearsTone(0) != country.Congestion {
		t.Errorf("hears %v", b.hearsTone(0))
	}
	b.pass(10 * time.Second)
	if b.state(0) != loopstart.Talking || b.ear(2).From[0] != fxo1 {
		t.Errorf("%v", b.state(0))
	}
	b.ok(t)

	b = lineBench(t, nil)
	b.event(fxo2, board.PortFailed)
	b.event(fxo1, board.RingOn)
	b.pass(time.Second)
	b.event(fxo1, board.RingOff)
	r := b.dials("112") // the telephones of the office ring
	if b.stations[0].active != nil || b.state(0) != loopstart.Clearing || len(b.records) != 1 || b.records[0].Outcome != Abandoned {
		t.Errorf("%v, %+v", b.state(0), b.records)
	}
	b.ok(t)
	b.pass(10 * time.Second)
	if b.state(0) != loopstart.Talking || b.ear(int(r.port)).From[0] != fxo1 {
		t.Errorf("%v", b.state(0))
	}
	b.ok(t)
}

// TestEmergencySparesCalls: with one line in an ordinary call, a call for help takes the other
// if that may work, though it rings or rests; not if it is noted as missing or in use.
func TestEmergencySparesCalls(t *testing.T) {
	for k, spared := range map[board.EventKind]bool{board.LineFree: true, board.RingOn: true, board.LineMissing: false, board.LineInUse: false} {
		b := lineBench(t, func(p *plan.Plan) { p.Lines[1].Rings = []plan.Ext{"102"} })
		b.goesOut(t, 0, "0301234#", 0)
		b.event(fxo2, k)
		b.lifts(2)
		b.digits(2, "112")
		if got := b.stations[0].active.state == Talking; got != spared || (b.count.Preempted == 0) != (spared && k != board.RingOn) {
			t.Errorf("%v: spared %v, preempted %d", k, got, b.count.Preempted)
		}
		b.ok(t)
		b.pass(10 * time.Second)
		if o := b.lineCalls(2); o == nil || o.hook.State() != loopstart.Talking {
			t.Errorf("%v: no call for help", k)
		}
		b.flash(2)
		if s := b.stations[2].active.state; s != Talking {
			t.Errorf("%v: a flash made the call for help %v", k, s)
		}
		b.ok(t)
	}
}

// lineCalls gives the line that the station at port p calls on.
func (b *bench) lineCalls(p int) *line {
	if l := b.stations[p].active; l != nil && l.call != nil {
		return lineOf(l.call)
	}
	return nil
}

// TestOldTone: a tone of a call that is gone does nothing but count.
func TestOldTone(t *testing.T) {
	b := lineBench(t, nil)
	b.goesOut(t, 0, "0301234#", 0)
	b.hangsUp(0)
	b.heard(fxo1, progress.Busy)
	b.heard(0, progress.Busy)   // no line
	b.heard(999, progress.Busy) // no port
	b.heard(fxo1, 200)
	if b.count.LateTones != 1 || b.count.Refused != 0 || len(b.records) != 1 {
		t.Errorf("%+v", b.count)
	}
}

// TestTonesOfEveryCountry: what is listened for on lines can be, in every country.
func TestTonesOfEveryCountry(t *testing.T) {
	for _, code := range country.Codes() {
		b := lineBench(t, func(p *plan.Plan) { p.Country, p.OutsidePrefix, p.Lines, p.Users = code, "", nil, nil })
		w := b.watchesFor(b.numbers.Country)
		if w.dial == nil || w.call == nil || w.held == nil {
			t.Errorf("%s: %s", code, b.log)
		}
	}
}
