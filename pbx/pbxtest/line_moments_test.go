package pbxtest

import (
	"testing"
	"testing/synctest"
	"time"

	"sotto/board/sim/exchange"
)

// mishaps are what may happen to a call on line 1, or be done by its parties, and how things
// are put right afterwards.
var mishaps = []struct {
	name     string
	do, undo []string
}{
	{"the caller hangs up", []string{"101 hangs up"}, nil},
	{"a flash", []string{"101 flashes"}, nil},
	{"two flashes", []string{"101 flashes", "wait 1s", "101 flashes"}, nil},
	{"keys and pulses", []string{"101 dials 5#", "101 pulses 3"}, nil},
	{"the wires are cut", []string{"line 1 is cut"}, []string{"line 1 is joined"}},
	{"the wires are loose", []string{"line 1 is cut", "wait 200ms", "line 1 is joined", "wait 200ms", "line 1 is cut", "wait 1s", "line 1 is joined"}, nil},
	{"another set", []string{"line 1 lifts another set"}, []string{"line 1 hangs up another set"}},
	{"the polarity turns", []string{"line 1 reverses"}, nil},
	{"the chip fails", []string{"port FXO 1 fails"}, []string{"port FXO 1 works"}},
	{"the chip fails for a moment", []string{"port FXO 1 fails", "wait 300ms", "port FXO 1 works"}, nil},
	{"the telephone's chip fails", []string{"port FXS 1 fails"}, []string{"port FXS 1 works"}},
	{"a call for help", []string{"102 dials 112"}, nil},
}

// TestMishapsSoak lets each mishap happen at every moment of a call that goes out
// and of one that comes in. Whatever comes of the call, in the end all is free and works.
func TestMishapsSoak(t *testing.T) {
	if underRace {
		t.Skip("the scenarios are enough for the race detector")
	}
	step := 3 * time.Second
	switch {
	case testing.Short():
		step = 6 * time.Second
	case *soak:
		step = 100 * time.Millisecond
	}
	n := 0
	for _, m := range mishaps {
		for _, out := range []bool{true, false} {
			for at := time.Duration(n%10) * step / 10; at < 6*time.Second; at += step {
				code := five[n%len(five)]
				n++
				synctest.Test(t, func(t *testing.T) {
					o := Start(t, Scene{Country: code, Stations: 2, Lines: 2})
					defer o.Stop(t)
					defer func() {
						if t.Failed() {
							t.Logf("%s, %v after the beginning of a call, out %v, %s", m.name, at, out, code)
						}
					}()
					o.Do(t, "102 lifts", "102 hears dial")
					if out {
						o.Do(t, "101 lifts", "101 hears dial", "101 dials 05550123#")
						time.Sleep(at)
					} else {
						o.Do(t, "line 1 calls")
						if ring := 3 * time.Second; at < ring {
							time.Sleep(at)
						} else {
							time.Sleep(ring)
							o.Do(t, "101 lifts")
							time.Sleep(at - ring)
						}
					}
					if out || at >= 3*time.Second || m.do[0][:3] != "101" {
						o.Do(t, m.do...)
					}
					time.Sleep(8 * time.Second)
					o.Do(t, m.undo...)
					o.Do(t, "101 hangs up", "102 hangs up")
					for _, l := range o.Board.Lines {
						l.Abandon()
					}
					time.Sleep(3 * time.Second)
					for _, l := range o.Board.Lines { // whoever was left on hold rang for it
						l.HangUp(exchange.EndBreak, time.Second)
					}
					time.Sleep(40 * time.Second) // also for a chip that comes back
					if s := o.Switch.Snapshot(); len(s.Calls) > 0 {
						t.Errorf("%d calls are left", len(s.Calls))
					}
					for i, l := range o.Board.Lines {
						if l.State() != exchange.Idle {
							t.Errorf("line %d is %v", i+1, l.State())
						}
					}
					o.Do(t, "101 lifts", "101 hears dial", "101 dials 05550199#", "line 1 hears 5550199", "101 and line 1 talk", "101 hangs up", "line 1 is idle")
				})
			}
		}
	}
}
