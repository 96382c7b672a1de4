package pbx

import (
	"testing"
	"time"

	"sotto/board"
	"sotto/pbx/country"
	"sotto/pbx/loopstart"
	"sotto/pbx/media/progress"
	"sotto/pbx/plan"
)

// TestHowLineCallsEnd: each way in which an exchange ends a call, seen by caller and record.
func TestHowLineCallsEnd(t *testing.T) {
	reversal := func(p *plan.Plan) { p.Lines[0].Reversal = true }
	long := func(p *plan.Plan) { p.Lines[0].Break = 600 }
	gap := func(d time.Duration) func(*bench) {
		return func(b *bench) {
			b.event(fxo1, board.CurrentLost)
			b.pass(d)
			b.event(fxo1, board.CurrentBack)
		}
	}
	tone := func(k progress.Kind) func(*bench) { return func(b *bench) { b.heard(fxo1, k) } }
	both := func(l ...func(*bench)) func(*bench) {
		return func(b *bench) {
			for _, f := range l {
				f(b)
				b.pass(10 * time.Second)
			}
		}
	}
	turn := func(b *bench) { b.event(fxo1, board.PolarityReversed) }
	for _, c := range []struct {
		name   string
		plan   func(*plan.Plan)
		do     func(*bench)
		ends   bool
		hears  country.ToneKind
		out    Outcome
		cause  Cause
		talked bool
	}{
		{"short break", nil, gap(90 * time.Millisecond), false, 0, 0, 0, false},
		{"break of half the set length", nil, gap(100 * time.Millisecond), true, country.Busy, AnswerUnknown, NormalClearing, true},
		{"break of seconds", nil, gap(3 * time.Second), true, country.Busy, AnswerUnknown, NormalClearing, true},
		{"break shorter than this line's", long, gap(250 * time.Millisecond), false, 0, 0, 0, false},
		{"this line's break", long, gap(600 * time.Millisecond), true, country.Busy, AnswerUnknown, NormalClearing, true},
		{"busy first of all", nil, tone(progress.Busy), true, country.Busy, Busy, UserBusy, false},
		{"congestion first of all", nil, tone(progress.Congestion), true, country.Congestion, Failed, Congestion, false},
		{"unobtainable first of all", nil, tone(progress.Unobtainable), true, country.Unobtainable, Unobtainable, Unallocated, false},
		{"busy after ringback", nil, both(tone(progress.Ringback), tone(progress.Busy)), true, country.Busy, AnswerUnknown, NormalClearing, true},
		{"reversal that tells nothing", nil, both(turn, turn), false, 0, 0, 0, false},
		{"answer by reversal", reversal, turn, false, 0, 0, 0, false},
		{"end by reversal", reversal, both(turn, turn), true, country.Busy, Answered, NormalClearing, true},
		{"busy, and no answer was told", reversal, both(tone(progress.Ringback), tone(progress.Busy)), true, country.Busy, Busy, UserBusy, false},
		{"break, and no answer was told", reversal, gap(time.Second), true, country.Congestion, NoAnswer, NoAnswerFromUser, false},
		{"the port fails", nil, func(b *bench) { b.event(fxo1, board.PortFailed) }, true, country.Congestion, AnswerUnknown, OutOfOrder, true},
		{"stuck", nil, func(b *bench) { b.pass(11 * time.Minute); b.heard(fxo1, progress.Silence) }, true, country.Congestion, AnswerUnknown, RecoveryOnTimer, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := lineBench(t, c.plan)
			b.goesOut(t, 0, "0301234#", 0)
			b.pass(5 * time.Second)
			c.do(b)
			b.ok(t)
			if !c.ends {
				if len(b.records) != 0 || b.stations[0].active.state != Talking {
					t.Fatalf("ended: %+v", b.records)
				}
				return
			}
			r := b.oneRecord(t)
			if r.Outcome != c.out || r.Cause != c.cause || (r.Talked > 0) != c.talked {
				t.Errorf("%v, %v, talked %v", r.Outcome, r.Cause, r.Talked)
			}
			b.pass(time.Second)
			want := b.numbers.Country.Tone(c.hears)
			if b.ear(0).Tone != want {
				t.Errorf("the caller hears %v", b.hearsTone(0))
			}
			if st := b.state(0); st != loopstart.Resting && st != loopstart.OutOfService && st != loopstart.Free {
				t.Errorf("the line is %v", st)
			}
			if (b.count.Stuck == 1) != (c.cause == RecoveryOnTimer) {
				t.Errorf("stuck %d", b.count.Stuck)
			}
		})
	}
}

// TestReversalReachesTheTelephone: an answer that the exchange tells turns the caller's own
// line, and only then.
func TestReversalReachesTheTelephone(t *testing.T) {
	b := lineBench(t, func(p *plan.Plan) { p.Lines[0].Reversal, p.Users[0].ReverseOnAnswer = true, true })
	b.goesOut(t, 0, "0301234#", 0)
	if got := b.sent(0); len(got) != 0 {
		t.Fatalf("turned before the answer: %v", got)
	}
	b.event(fxo1, board.PolarityReversed)
	if got := b.sent(0); len(got) != 1 || got[0] != board.Reverse {
		t.Errorf("after the answer: %v", got)
	}
	b.pass(5 * time.Second)
	b.hangsUp(0)
	if r := b.oneRecord(t); r.Outcome != Answered || r.Talked < 4*time.Second || r.Talked > 6*time.Second {
		t.Errorf("%+v", r)
	}
}

// TestHeldLineCall: a flash holds the exchange, which hears the hold tone, is not taken for
// stuck, and comes back; whoever leaves it on hold is rung.
func TestHeldLineCall(t *testing.T) {
	b := lineBench(t, nil)
	b.goesOut(t, 0, "0301234#", 0)
	b.flash(0)
	if e := b.ear(fxo1); b.hearsTone(fxo1) != country.Hold || e.N != 0 || e.Watch != b.lines[0].watch.held || b.Snapshot().Ports[fxo1].State != "held" {
		t.Errorf("%+v", e)
	}
	b.heard(fxo1, progress.Silence) // a moment late
	b.digits(0, "103")
	b.lifts(2)
	b.ok(t)
	b.flash(0) // swaps
	if e := b.ear(0); e.From[0] != fxo1 || b.hearsTone(2) != country.Hold {
		t.Errorf("swapped: %+v", e)
	}
	b.flash(0)
	b.hangsUp(2)
	b.hangsUp(0)
	if s := b.stations[0].active; s == nil || s.state != Alerting {
		t.Fatal("nobody is called back to the held exchange")
	}
	b.lifts(0)
	if e := b.ear(0); e.From[0] != fxo1 || b.ear(fxo1).From[0] != 0 {
		t.Errorf("back: %+v", e)
	}
	b.flash(0)
	b.heard(fxo1, progress.Busy) // the far party leaves while on hold
	b.ok(t)
	if b.state(0) != loopstart.Resting || b.stations[0].held != nil {
		t.Errorf("line %v", b.state(0))
	}
}

// TestDigitsArePassedOn: a rotary dial within a call reaches the exchange, by DTMF or by
// pulses as the line wants; keys are sound already.
func TestDigitsArePassedOn(t *testing.T) {
	rotary := func(b *bench, n int) {
		for range n {
			b.event(0, board.LoopOpen)
			b.pass(60 * time.Millisecond)
			b.event(0, board.LoopClosed)
			b.pass(40 * time.Millisecond)
		}
		b.pass(400 * time.Millisecond)
	}
	b := lineBench(t, nil)
	b.goesOut(t, 0, "0301234#", 0)
	b.digits(0, "7")
	if b.state(0) != loopstart.Talking {
		t.Error("a key is sent twice")
	}
	rotary(b, 3)
	if digits, _ := b.lines[0].hook.Sends(); digits != "3" || b.ear(fxo1).Tone == nil || b.ear(fxo1).N != 0 {
		t.Errorf("sends %q, %+v", digits, b.ear(fxo1))
	}
	b.pass(time.Second)
	if e := b.ear(fxo1); e.Tone != nil || e.N != 1 {
		t.Errorf("afterwards %+v", e)
	}
	b.ok(t)

	b = lineBench(t, func(p *plan.Plan) { p.Lines[0].Pulse = true })
	b.lifts(0)
	b.digits(0, "023#")
	b.pass(time.Second)
	b.heard(fxo1, progress.Dial)
	b.pass(4 * time.Second)
	rotary(b, 5)
	b.pass(2 * time.Second)
	var counts []uint8
	for _, s := range b.signals {
		if s.sig.Kind == board.Pulses && s.port == fxo1 {
			counts = append(counts, s.sig.Train.Count)
			if s.sig.Train.Break != b.numbers.Country.Pulse.SendBreak || s.sig.Train.Make != b.numbers.Country.Pulse.SendMake {
				t.Errorf("train %+v", s.sig.Train)
			}
		}
	}
	if len(counts) != 3 || counts[0] != 2 || counts[1] != 3 || counts[2] != 5 {
		t.Errorf("trains of %v", counts)
	}
	b.ok(t)

	b = emergency(t)
	b.pass(5 * time.Second)
	rotary(b, 3)
	if b.state(0) != loopstart.Talking || b.ear(fxo1).Tone != nil {
		t.Error("a digit was put into a call for help")
	}
}
