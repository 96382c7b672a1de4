package si3050

import (
	"testing"
	"time"

	"sotto/board"
	"sotto/board/chipsim"
)

// TestPulseStandstill: a caller that came late makes no break shorter than it is to be.
func TestPulseStandstill(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, chipsim.Si3019, Config{}, us).up()
		r.set(board.Seize)
		r.run(500 * ms)
		if err := r.chip.Pulse(board.Train{Count: 3, Break: 60 * ms, Make: 40 * ms}, time.Now()); err != nil {
			t.Fatal(err)
		}
		var edges []time.Time
		for late := range 20 { // every third step comes 70 ms late
			before := r.daa.OffHook()
			next, err := r.chip.Step(time.Now())
			if err != nil {
				t.Fatal(err)
			}
			if r.daa.OffHook() != before {
				edges = append(edges, time.Now())
			}
			if next.IsZero() {
				break
			}
			if late%3 == 2 {
				next = next.Add(70 * ms)
			}
			time.Sleep(time.Until(next))
		}
		if len(edges) != 6 {
			t.Fatalf("%d edges", len(edges))
		}
		for i := 1; i < len(edges); i++ {
			want := 60 * ms
			if i%2 == 0 {
				want = 40 * ms
			}
			if d := edges[i].Sub(edges[i-1]); d < want {
				t.Errorf("interval %d is %v, want %v at least", i, d, want)
			}
		}
		r.clean()
	})
}

// TestTooManyTrains: what does not fit is dropped and counted, and the rest is dialled.
func TestTooManyTrains(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, chipsim.Si3019, Config{}, us).up()
		r.set(board.Seize)
		r.run(500 * ms)
		for range maxTrains + 5 {
			if err := r.chip.Pulse(board.Train{Count: 1, Break: 20 * ms, Make: 20 * ms}, time.Now()); err != nil {
				t.Fatal(err)
			}
		}
		if n := r.chip.Stats().TrainsLost; n != 5 {
			t.Errorf("%d trains lost, want 5", n)
		}
		breaks := 0
		for {
			before := r.daa.OffHook()
			next, err := r.chip.Step(time.Now())
			if err != nil {
				t.Fatal(err)
			}
			if before && !r.daa.OffHook() {
				breaks++
			}
			if next.IsZero() {
				break
			}
			time.Sleep(time.Until(next))
		}
		if breaks != maxTrains {
			t.Errorf("%d breaks, want %d", breaks, maxTrains)
		}
		r.clean()
	})
}

// TestPulseAllocs: neither a train nor a glance makes garbage.
func TestPulseAllocs(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, chipsim.Si3019, Config{}, us).up()
		if n := testing.AllocsPerRun(100, func() { r.chip.Step(time.Now()) }); n != 0 {
			t.Errorf("%v allocations a glance", n)
		}
		r.set(board.Seize)
		r.run(500 * ms)
		at := time.Now()
		if n := testing.AllocsPerRun(100, func() {
			r.chip.Pulse(board.Train{Count: 1, Break: 20 * ms, Make: 20 * ms}, at)
			r.chip.Step(at)
			at = at.Add(20 * ms)
		}); n != 0 {
			t.Errorf("%v allocations an edge", n)
		}
	})
}
