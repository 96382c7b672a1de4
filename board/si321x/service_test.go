package si321x

import (
	"errors"
	"testing"
	"time"

	"sotto/board"
	"sotto/board/chipsim"
)

// Each movement of the hook raises the interrupt exactly a debounce later, and the
// report has the time of the movement itself.
func TestHookEdges(t *testing.T) {
	withPort(t, func(t *testing.T, r *rig) {
		base := time.Now()
		moves := []time.Duration{3, 503, 564, 604, 665} // off hook, then two dial pulses, in ms
		for i, m := range moves {
			r.phone.at(base.Add(m*time.Millisecond), i%2 == 0)
		}
		// 4 ms of contact bounce that leave everything as it was
		r.phone.at(base.Add(800*time.Millisecond), false)
		r.phone.at(base.Add(804*time.Millisecond), true)
		var got []time.Duration
		for range 100 {
			r.run(1)
			if !r.slic.Interrupt() {
				continue
			}
			if len(r.edges) != 1 {
				t.Fatalf("%d interrupt edges", len(r.edges))
			}
			at := r.edges[0].Sub(base)
			rep := r.service()
			if r.slic.Interrupt() {
				t.Fatal("interrupt not cleared")
			}
			if !rep.Hook || rep.Missed || rep.OffHook != (len(got)%2 == 0) {
				t.Errorf("report %+v", rep)
			}
			if d := base.Add(at).Sub(rep.At); d != HookDebounce {
				t.Errorf("edge %v after the hook", d)
			}
			got = append(got, rep.At.Sub(base))
		}
		if len(got) != len(moves) {
			t.Fatalf("%d changes: %v", len(got), got)
		}
		for i, m := range moves {
			if got[i] != m*time.Millisecond {
				t.Errorf("change %d at %v, want %v ms", i, got[i], m)
			}
		}
	})
}

// Without interrupts the poll finds the hook, and notices what it was too slow for.
func TestHookByPoll(t *testing.T) {
	withPort(t, func(t *testing.T, r *rig) {
		r.phone.at(time.Now(), true)
		r.run(5)
		r.edges = nil
		if rep := r.service(); !rep.Hook || !rep.OffHook || rep.At != time.Now() {
			t.Errorf("report %+v", rep)
		}
		r.run(10)
		r.phone.at(time.Now(), false)
		r.phone.at(time.Now().Add(40*time.Millisecond), true)
		r.run(10)
		if rep := r.service(); rep.Hook || !rep.Missed {
			t.Errorf("report %+v", rep)
		}
		if rep := r.service(); rep.Hook || rep.Missed {
			t.Errorf("report %+v", rep)
		}
	})
}

func TestRingTrip(t *testing.T) {
	withPort(t, func(t *testing.T, r *rig) {
		r.set(board.Ring)
		r.run(30)
		if rep := r.service(); rep.Hook || rep.OffHook {
			t.Errorf("report %+v", rep)
		}
		r.run(10)
		lift := time.Now().Add(2 * time.Millisecond)
		r.phone.keep = true
		r.phone.at(lift, true)
		for !r.slic.Interrupt() {
			r.run(1)
		}
		rep := r.service()
		if !rep.RingTrip || !rep.Hook || !rep.OffHook || !rep.At.Equal(lift) {
			t.Errorf("report %+v, lifted %v", rep, lift)
		}
		// The chip has not yet seen the loop current, which is no hang-up.
		if rep := r.service(); rep.Hook || !rep.OffHook {
			t.Errorf("report %+v", rep)
		}
		// 25 Hz: debounce of 11 steps. The ringing stops with the trip, to the sample.
		after := 2*time.Millisecond + 11*debounceStep
		last := 0
		for i, v := range r.phone.rang {
			if v != 0 {
				last = i
			}
		}
		if want := int(after * board.SampleRate / time.Second); last != want-1 {
			t.Errorf("last ringing sample %d, want %d", last, want-1)
		}
		for range 20 {
			r.run(1)
			if rep := r.service(); rep.Hook || rep.Missed || !rep.OffHook {
				t.Fatalf("report %+v", rep)
			}
		}
		if f := r.phone.last(); !f.Talk || f.Ringing {
			t.Error("no voice after the trip")
		}
		if err := r.chip.Set(board.Ring); !errors.Is(err, ErrOffHook) {
			t.Errorf("ringing an off-hook telephone: %v", err)
		}
		r.phone.at(time.Now(), false)
		r.run(4)
		if rep := r.service(); !rep.Hook || rep.OffHook {
			t.Errorf("report %+v", rep)
		}
		r.set(board.Ring)
		r.run(2)
		if !r.phone.last().Ringing {
			t.Error("does not ring again")
		}
	})
}

// A chip that shows its own step to talking as if it had been asked for is not made to
// ring into the ear.
func TestRingTripShown(t *testing.T) {
	withPort(t, func(t *testing.T, r *rig) {
		r.slic.SetFaults(func(f *chipsim.SLICFaults) {
			f.Read = func(reg, v byte) byte {
				if reg == regLinefeed && v == feedActive<<feedActualShift|feedRinging {
					return feedActive<<feedActualShift | feedActive
				}
				return v
			}
		})
		r.set(board.Ring)
		r.run(10)
		r.phone.at(time.Now(), true)
		r.run(5)
		r.phone.keep = true
		if rep := r.service(); !rep.RingTrip || rep.LinefeedLost || !rep.OffHook {
			t.Errorf("report %+v", rep)
		}
		r.run(5)
		for _, v := range r.phone.rang {
			if v != 0 {
				t.Fatal("rings into the ear")
			}
		}
	})
}

// A telephone lifted in the pause of the ringing talks at once.
func TestLiftInPause(t *testing.T) {
	withPort(t, func(t *testing.T, r *rig) {
		r.set(board.Ring)
		r.run(100)
		r.set(board.OnHookTransmit)
		r.run(10)
		if rep := r.service(); rep.Hook {
			t.Errorf("report %+v", rep)
		}
		r.phone.at(time.Now(), true)
		r.run(3)
		if rep := r.service(); !rep.Hook || !rep.OffHook || rep.RingTrip {
			t.Errorf("report %+v", rep)
		}
		if r.chip.want != board.Idle || r.chip.feed != feedActive {
			t.Errorf("signal %v, linefeed %d", r.chip.want, r.chip.feed)
		}
	})
}

// A calling-party-control pulse is no hang-up.
func TestOpenLoop(t *testing.T) {
	withPort(t, func(t *testing.T, r *rig) {
		r.phone.at(time.Now(), true)
		r.run(5)
		r.service()
		r.set(board.OpenLoop)
		for range 50 {
			r.run(1)
			if f := r.phone.last(); f.Volts != 0 || f.Talk {
				t.Fatalf("%g V in an open loop", f.Volts)
			}
			if rep := r.service(); rep.Hook || !rep.OffHook || rep.Condition != InService {
				t.Fatalf("report %+v", rep)
			}
		}
		r.set(board.Idle)
		for range 50 {
			if rep := r.service(); rep.Hook || !rep.OffHook {
				t.Fatalf("report %+v", rep)
			}
			r.run(1)
		}
		// Hung up during the pulse: seen after it.
		r.set(board.OpenLoop)
		r.phone.at(time.Now(), false)
		r.run(20)
		r.set(board.Idle)
		r.service()
		r.run(6)
		if rep := r.service(); !rep.Hook || rep.OffHook {
			t.Errorf("report %+v", rep)
		}
	})
}

func TestServiceAllocates(t *testing.T) {
	withPort(t, func(t *testing.T, r *rig) {
		now := time.Now()
		if n := testing.AllocsPerRun(100, func() {
			if _, err := r.chip.Service(now, time.Time{}); err != nil {
				t.Error(err)
			}
		}); n != 0 {
			t.Errorf("Service: %g allocations", n)
		}
		kinds := [...]board.SignalKind{board.Reverse, board.OnHookTransmit, board.Ring, board.Idle, board.Idle}
		if n := testing.AllocsPerRun(100, func() {
			for _, k := range kinds {
				if err := r.chip.Set(k); err != nil {
					t.Error(err)
				}
			}
		}); n != 0 {
			t.Errorf("Set: %g allocations", n)
		}
	})
}
