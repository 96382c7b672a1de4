package pbxtest

import (
	"flag"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sotto/board"
	"sotto/board/sim"
)

var soak = flag.Bool("soak", false, "hours instead of one")

// TestHourCall: a call of an hour is whole to its end, and exact.
func TestHourCall(t *testing.T) {
	length := time.Hour
	switch {
	case testing.Short():
		length = 5 * time.Minute
	case *soak:
		length = 10 * time.Hour
	}
	synctest.Test(t, func(t *testing.T) {
		o := Start(t, Scene{Country: "DE", Stations: 8, Lines: 2})
		defer o.Stop(t)
		o.Do(t, "101 lifts", "101 hears dial", "101 dials 102", "102 rings", "102 lifts", "101 and 102 talk")
		// Both voices must be there in every second of it.
		var gaps atomic.Int64
		for _, name := range []string{"101", "102"} {
			var frames, loud int
			o.Board.Room.Set(name).Tap(func(_ time.Time, _, ear *board.Frame) {
				if peak(ear) > int16(board.Amplitude(-35)) {
					loud++
				}
				if frames++; frames%100 == 0 {
					if loud < 99 {
						gaps.Add(1)
					}
					loud = 0
				}
			})
		}
		began, before := time.Now(), o.Board.Highway.Late()
		time.Sleep(length - time.Since(began))
		o.Board.Room.Set("101").Tap(nil)
		o.Board.Room.Set("102").Tap(nil)
		o.Do(t, "101 and 102 talk", "101 hangs up")
		time.Sleep(2 * time.Second)
		if n := gaps.Load(); n > 0 {
			t.Errorf("the voices were gone in %d seconds", n)
		}
		l := o.Records.List()
		if len(l) != 1 || math.Abs((l[0].Talked-length).Seconds()) > 1 {
			t.Errorf("records %+v", l)
		}
		o.Do(t, "102 hangs up")
		if late := o.Board.Highway.Late() - before; late > 0 {
			t.Errorf("%d frames late", late)
		}
	})
}

func peak(f *board.Frame) (p int16) {
	for _, v := range f {
		p = max(p, v, -v)
	}
	return p
}

// TestMouthToEar measures the delay from one handset's mouth to the other's ear with a
// click, and the level.
func TestMouthToEar(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := Start(t, Scene{Country: "DE", Stations: 2})
		defer o.Stop(t)
		o.Do(t, "101 lifts", "101 hears dial", "101 dials 102", "102 rings", "102 lifts", "101 and 102 talk", "101 hushes & 102 hushes", "wait 500ms")
		var said, heard atomic.Int64 // UnixNano
		find := func(into *atomic.Int64) func(time.Time, *board.Frame) {
			return func(start time.Time, f *board.Frame) {
				for i, v := range f {
					if v > 3000 {
						into.CompareAndSwap(0, start.Add(time.Duration(i)*time.Second/board.SampleRate).UnixNano())
					}
				}
			}
		}
		m, e := find(&said), find(&heard)
		o.Board.Room.Set("101").Tap(func(s time.Time, mouth, _ *board.Frame) { m(s, mouth) })
		o.Board.Room.Set("102").Tap(func(s time.Time, _, ear *board.Frame) { e(s, ear) })
		click := make([]int16, 123)
		click[37] = 20000
		o.Board.Room.Set("101").Say(click)
		time.Sleep(time.Second)
		delay := time.Duration(heard.Load() - said.Load())
		t.Logf("mouth to ear: %v", delay)
		if said.Load() == 0 || heard.Load() == 0 || delay > 20*time.Millisecond || delay <= 0 {
			t.Errorf("mouth to ear %v, want at most 20 ms", delay)
		}
		o.Do(t, "101 hangs up", "102 hangs up", "wait 2s")
	})
}

// TestDelays measures what a person waits for, with seven calls up, many times at
// offsets that shift against the frames, and holds it against the product's figures.
func TestDelays(t *testing.T) {
	rounds := 40
	if testing.Short() {
		rounds = 5
	}
	synctest.Test(t, func(t *testing.T) {
		o := Start(t, Scene{Country: "DE", Stations: 16})
		defer o.Stop(t)
		for i := range 7 {
			a, b := Name(2+2*i), Name(3+2*i)
			o.Do(t, a+" lifts", a+" hears dial", a+" dials "+b, b+" rings", b+" lifts", a+" and "+b+" talk")
		}
		var mu sync.Mutex
		var events []sim.Event
		o.Board.Room.Follow(func(e sim.Event) {
			mu.Lock()
			defer mu.Unlock()
			events = append(events, e)
		})
		find := func(what sim.What, who string, since time.Time) time.Duration {
			mu.Lock()
			defer mu.Unlock()
			for _, e := range events {
				if e.What == what && e.Who == who && !e.At.Before(since) {
					return e.At.Sub(since)
				}
			}
			return time.Hour
		}
		var tone, ring, talk []time.Duration
		a, b := o.Board.Room.Set("101"), o.Board.Room.Set("102")
		for i := range rounds {
			mu.Lock()
			events = events[:0]
			mu.Unlock()
			time.Sleep(time.Duration(i) * 1370 * time.Microsecond)
			o.Do(t, "101 lifts")
			lifted := a.Moved()
			o.Do(t, "101 hears dial")
			tone = append(tone, find(sim.Hears, "101", lifted))
			o.Do(t, "101 dials 102")
			pressed := a.Moved().Add(-70 * time.Millisecond) // the last key went down
			o.Do(t, "102 rings")
			ring = append(ring, find(sim.Rings, "102", pressed))
			time.Sleep(time.Duration(i) * 110 * time.Millisecond)
			o.Do(t, "102 lifts")
			answered := b.Moved()
			o.Do(t, "101 and 102 talk")
			talk = append(talk, max(find(sim.HearsVoice, "101", answered), find(sim.HearsVoice, "102", answered)))
			o.Do(t, "101 hangs up & 102 hangs up", "wait 2s")
		}
		for _, m := range []struct {
			name       string
			l          []time.Duration
			p95, worst time.Duration
		}{
			{"off-hook to dial tone", tone, 300 * time.Millisecond, 500 * time.Millisecond},
			{"last key down to ringing", ring, 300 * time.Millisecond, 300 * time.Millisecond},
			{"answer to both-way voice", talk, 200 * time.Millisecond, 200 * time.Millisecond},
		} {
			slices.Sort(m.l)
			p50, p95, worst := m.l[len(m.l)/2], m.l[len(m.l)*95/100], m.l[len(m.l)-1]
			t.Logf("%s: median %v, 95th percentile %v, worst %v", m.name, p50.Round(time.Millisecond), p95.Round(time.Millisecond), worst.Round(time.Millisecond))
			if p95 > m.p95 || worst > m.worst {
				t.Errorf("%s: 95th percentile %v, worst %v", m.name, p95, worst)
			}
		}
		for i := range 7 {
			o.Do(t, Name(2+2*i)+" hangs up", Name(3+2*i)+" hangs up")
		}
		o.Do(t, "wait 2s")
	})
}
