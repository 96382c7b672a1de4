package pbx

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sotto/board"
	"sotto/pbx/media"
	"sotto/pbx/media/progress"
	"sotto/pbx/plan"
)

// TestPlanChange: a new plan drops no call, and holds from the next one on.
func TestPlanChange(t *testing.T) {
	b := newBench(t)
	b.event(0, board.LoopClosed)
	b.pass(100 * time.Millisecond)
	b.digits(0, "103")
	b.event(2, board.LoopClosed)
	p := testPlan(t).Plan
	p.Country = "US"
	p.Users = append([]plan.User(nil), p.Users...)
	p.Users[0].Ext, p.Users[2].Ext = "71", "73" // 101 and 103 are gone
	n, err := plan.Compile(p)
	if err != nil {
		t.Fatal(err)
	}
	b.do(Event{Plan: n})
	b.pass(time.Hour)
	if len(b.calls) != 1 || b.calls[0].answered.IsZero() || len(b.patch.Ears) != 2 || b.patch.Ears[0].N != 1 {
		t.Fatalf("the call did not live: %+v", b.patch.Ears)
	}
	b.event(0, board.LoopOpen)
	b.pass(2 * time.Second)
	if len(b.records) != 1 || b.records[0].From.Ext != "101" || b.records[0].To.Ext != "103" {
		t.Errorf("record of the old plan: %+v", b.records)
	}
	b.event(2, board.LoopOpen)
	b.pass(2 * time.Second)
	b.event(0, board.LoopClosed)
	b.pass(100 * time.Millisecond)
	if got := b.patch.Ears[0].Tone; got != n.Country.Tone(0) {
		t.Error("the dial tone is not that of the new country")
	}
	b.digits(0, "73")
	if b.Snapshot().Ports[2].State != "alerting" {
		t.Errorf("73 is %v", b.Snapshot().Ports[2])
	}
	if err := b.invariants(); err != nil {
		t.Error(err)
	}
}

// TestSameCountryLeavesTheLines: saving a name touches no chip.
func TestSameCountryLeavesTheLines(t *testing.T) {
	b := newBench(t)
	configured := func() (n int) {
		for _, s := range b.signals {
			if s.sig.Kind == board.Configure {
				n++
			}
		}
		return n
	}
	if n := configured(); n != stations+lines {
		t.Errorf("at start %d ports were configured", n)
	}
	b.do(Event{Plan: testPlan(t)})
	if n := configured(); n != stations+lines {
		t.Errorf("a plan of the same country configured ports anew: %d", n)
	}
	p := testPlan(t).Plan
	p.Country = "US"
	n, err := plan.Compile(p)
	if err != nil {
		t.Fatal(err)
	}
	b.do(Event{Plan: n})
	if n := configured(); n != 2*(stations+lines) {
		t.Errorf("another country configured %d ports", n)
	}
}

// TestPostNeverBlocks: with nobody at the loop, Post drops and counts over its limit,
// but never an event of the board.
func TestPostNeverBlocks(t *testing.T) {
	b := newBench(t)
	for range MaxPosted + 10 {
		b.Post(Event{})
	}
	e := board.Event{Port: 0, Kind: board.LoopClosed, At: b.now, Seq: 1}
	b.Post(Event{Board: &e})
	if n := b.dropped.Load(); n != 10 {
		t.Errorf("%d dropped, want 10", n)
	}
	if n := len(b.posted); n != MaxPosted+1 {
		t.Errorf("%d wait, want %d", n, MaxPosted+1)
	}
}

// TestCrashTells: when the loop breaks, the log has the last events, without digits.
func TestCrashTells(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		b := newBench(t)
		events, digits := make(chan board.Event, 8), make(chan media.Digit, 8)
		b.Switch.log = slog.New(slog.NewTextHandler(&log, nil))
		b.cfg.Events, b.cfg.Digits = events, digits
		b.cfg.Signal = func(_ board.Port, s board.Signal) {
			if s.Kind == board.Ring {
				panic("test")
			}
		}
		broken := make(chan any)
		go func() {
			defer func() { broken <- recover() }()
			b.Run(context.Background())
		}()
		events <- board.Event{Port: 0, Kind: board.LoopClosed, At: time.Now(), Seq: 1}
		time.Sleep(200 * time.Millisecond)
		for _, d := range "103" {
			digits <- media.Digit{Port: 0, Sign: byte(d)}
		}
		if <-broken == nil {
			t.Fatal("the loop swallowed a panic")
		}
		for _, want := range []string{"switch loop broke", "FXS 1: loop closed (on hook)", "FXS 1: digit (dialling)"} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("the log does not say %q:\n%s", want, log.String())
			}
		}
		if told, _, _ := strings.Cut(log.String(), " stack="); strings.Contains(told, "103") { // a stack is full of addresses
			t.Errorf("the log holds digits:\n%s", log.String())
		}
	})
}

// TestPing: the watchdog's question is answered by the loop itself.
func TestPing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		ctx, stop := context.WithCancel(context.Background())
		go b.Run(ctx)
		ping := make(chan struct{})
		b.Post(Event{Ping: ping})
		select {
		case <-ping:
		case <-time.After(time.Second):
			t.Error("no answer")
		}
		stop()
		synctest.Wait()
	})
}

// TestLostEventsAreCounted: a gap in the board's numbers shows.
func TestLostEventsAreCounted(t *testing.T) {
	b := newBench(t)
	b.event(0, board.LoopClosed)
	b.seq += 3
	b.event(0, board.LoopOpen)
	if n := b.Snapshot().Counters.LostEvents; n != 3 {
		t.Errorf("%d lost, want 3", n)
	}
}

// TestTonesReachTheLoop: what the media engine hears on a line comes out of its channel.
func TestTonesReachTheLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := lineBench(t, nil)
		heard := make(chan media.Heard)
		b.cfg.Heard = heard
		ctx, stop := context.WithCancel(context.Background())
		go b.Run(ctx)
		heard <- media.Heard{Port: fxo1, Kind: progress.Busy, On: true} // of a call that is over
		heard <- media.Heard{Port: fxo1, Kind: progress.Busy}           // its end
		synctest.Wait()
		if n := b.Snapshot().Counters.LateTones; n != 1 {
			t.Errorf("%d late tones, want 1", n)
		}
		stop()
		synctest.Wait()
	})
}
