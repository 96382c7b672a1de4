package pbxtest

import (
	"testing"
	"testing/synctest"
	"time"

	"sotto/board/sim/exchange"
)

// TestRingAndSeizeSoak: a call comes in at every moment about that in which its line is
// seized. The call that was to go out always does, with its number whole. The one that
// came in rings here, or it came when the line was taken already; only in the moment in
// which the exchange takes the seizure for an answer, before the chip can tell a ring,
// is it lost.
func TestRingAndSeizeSoak(t *testing.T) {
	const ms = time.Millisecond
	// The exchange answers by a seizure that comes so soon after the first ringing.
	const blind = 100 * ms
	every := 40 * ms
	switch {
	case *soak:
		every = 10 * ms
	case underRace:
		every = 80 * ms
	}
	for _, code := range five {
		synctest.Test(t, func(t *testing.T) {
			o := Start(t, Scene{Country: code, Stations: 2, Lines: 2})
			defer o.Stop(t)
			line := o.Board.Lines[0]
			rang, refused := 0, 0
			var lost []time.Duration
			for at := -240 * ms; at <= 160*ms; at += every { // from when the last key goes down
				o.Do(t, "101 lifts", "101 hears dial", "101 dials 05550123")
				came := false
				call := func() { came = line.Call(exchange.Voice{}) }
				press := func() { o.Board.Room.Set("101").Press("#", 70*ms, 70*ms) }
				if at < 0 {
					call()
					time.Sleep(-at)
					press()
				} else {
					press()
					time.Sleep(at)
					call()
				}
				// Within the patience for dial tone on the first line, and a number on the next.
				number := time.Now()
				for line.State() != exchange.Alerting && o.Board.Lines[1].State() != exchange.Alerting {
					if time.Sleep(10 * ms); time.Since(number) > 20*second {
						t.Fatalf("%s, %v: the call did not go out: %v, %v", code, at, line.State(), o.Board.Lines[1].State())
					}
				}
				which := map[bool]string{true: "line 1", false: "line 2"}[line.State() == exchange.Alerting]
				o.Do(t, which+" hears 5550123", "101 and "+which+" talk")
				switch {
				case !came:
					refused++
				case line.State() == exchange.RingingIn || line.State() == exchange.Talking:
					rang++
					o.Do(t, "102 rings", "102 lifts", "102 and line 1 talk", "102 hangs up")
				default:
					lost = append(lost, at)
				}
				o.Do(t, "101 hangs up", "line 1 is idle", "line 2 is idle", "wait 9s")
			}
			t.Logf("%s: %d rang, %d came too late, lost at %v", code, rang, refused, lost)
			if rang == 0 || refused == 0 {
				t.Errorf("%s: %d rang, %d came too late", code, rang, refused)
			}
			if n := len(lost); n > 0 && lost[n-1]-lost[0] > blind {
				t.Errorf("%s: lost at %v from the seizure", code, lost)
			}
		})
	}
}
