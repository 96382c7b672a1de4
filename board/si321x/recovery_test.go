package si321x

import (
	"errors"
	"testing"
	"time"

	"sotto/board"
	"sotto/board/chipsim"
)

// The alarm opens the line; it comes back after pauses that double, and stays open
// after the tenth.
func TestPowerAlarms(t *testing.T) {
	withPort(t, func(t *testing.T, r *rig) {
		r.slic.SetFaults(func(f *chipsim.SLICFaults) { f.Overload = 1<<0 | 1<<2 })
		began := time.Now()
		var opened []time.Duration
		var last Report
		for time.Since(began) < 10*time.Minute && last.Condition != OutOfService {
			r.run(1)
			rep := r.service()
			if rep.Changed && rep.Condition != InService {
				opened = append(opened, time.Since(began).Truncate(time.Second))
				if rep.Alarm.String() != "Q1 Q3" {
					t.Errorf("alarm of %v", rep.Alarm)
				}
				if rep.Condition == Cooling && !errors.Is(rep.Cause, ErrPowerAlarm) {
					t.Errorf("cause %v", rep.Cause)
				}
			}
			last = rep
		}
		want := []time.Duration{0, 1, 3, 7, 15, 31, 61, 91, 121, 151, 181}
		if len(opened) != len(want) {
			t.Fatalf("opened at %v", opened)
		}
		for i, w := range want {
			if opened[i] != w*time.Second {
				t.Errorf("alarm %d after %v, want %d s", i+1, opened[i], w)
			}
		}
		if last.Condition != OutOfService || !errors.Is(last.Cause, ErrPowerAlarms) {
			t.Errorf("report %+v", last)
		}
		if err := r.chip.Set(board.Reverse); err != nil {
			t.Errorf("signal while out of service: %v", err)
		}
		r.slic.SetFaults(func(f *chipsim.SLICFaults) { f.Overload = 0 })
		if err := r.chip.Recover(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.run(2)
		if v := r.phone.last().Volts; v != -48 {
			t.Errorf("%g V", v)
		}
	})
}

// Alarms that are rare never add up.
func TestPowerAlarmsForgiven(t *testing.T) {
	withPort(t, func(t *testing.T, r *rig) {
		for i := range 30 {
			r.slic.PowerAlarm(1)
			if rep := r.service(); rep.Condition != Cooling {
				t.Fatalf("alarm %d: %+v", i, rep)
			}
			began := time.Now()
			for r.service().Condition != InService {
				r.run(1)
			}
			if d := time.Since(began); d < time.Second || d > 1030*time.Millisecond {
				t.Fatalf("alarm %d: open for %v", i, d)
			}
			for range 110 {
				r.run(10)
				r.service()
			}
		}
	})
}

func TestPowerAlarmWhileRinging(t *testing.T) {
	withPort(t, func(t *testing.T, r *rig) {
		r.set(board.Ring)
		r.run(5)
		r.slic.PowerAlarm(1 << 5)
		r.service()
		r.set(board.Ring) // signalled in the pause: too late to be worth anything
		for r.service().Condition != InService {
			r.run(1)
		}
		r.run(2)
		if f := r.phone.last(); f.Ringing || f.Volts != 48 {
			t.Errorf("ringing %v, %g V", f.Ringing, f.Volts)
		}
		r.set(board.Ring)
		r.run(2)
		if !r.phone.last().Ringing {
			t.Error("does not ring")
		}
	})
}

func TestBrownOut(t *testing.T) {
	for name, part := range parts {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t, part, Config{Slot: 2})
				r.powerUp()
				saved := r.chip.results
				r.phone.at(time.Now(), true)
				r.run(5)
				r.service()
				r.set(board.Reverse)
				r.slic.BrownOut()
				r.run(1)
				rep := r.service()
				if rep.Condition != NeedsRecovery || !errors.Is(rep.Cause, ErrChipReset) || !rep.Changed || !rep.OffHook {
					t.Fatalf("report %+v", rep)
				}
				began := time.Now()
				if err := r.chip.Recover(t.Context()); err != nil {
					t.Fatal(err)
				}
				if d := time.Since(began); d > 300*time.Millisecond {
					t.Errorf("took %v", d)
				}
				for i, want := range saved {
					if got, _ := r.chip.bus.read(regCalFirst + byte(i)); got != want {
						t.Errorf("register %d reads %#02x, was %#02x", regCalFirst+i, got, want)
					}
				}
				for range 20 {
					if rep := r.service(); rep.Condition != InService || !rep.OffHook || rep.Hook {
						t.Fatalf("report %+v", rep)
					}
					r.run(1)
				}
				if f := r.phone.last(); f.Volts >= 0 || !f.Talk {
					t.Errorf("%g V, talk %v", f.Volts, f.Talk)
				}
				r.clean()
			})
		})
	}
}

// Writes of the linefeed get lost: Set repeats them, and gives up by name.
func TestLostLinefeed(t *testing.T) {
	withPort(t, func(t *testing.T, r *rig) {
		lose := func(n int) {
			r.slic.SetFaults(func(f *chipsim.SLICFaults) { f.Write = chipsim.LoseWrites(regLinefeed, n) })
		}
		lose(3)
		r.set(board.Reverse)
		lose(feedTries)
		if err := r.chip.Set(board.Idle); !errors.Is(err, ErrVerify) {
			t.Errorf("error %v", err)
		}
		if rep := r.service(); rep.LinefeedLost {
			t.Errorf("report %+v", rep)
		}
		r.set(board.OnHookTransmit)
		r.run(2)
		if v := r.phone.last().Volts; v != -48 {
			t.Errorf("%g V: the signal that was not taken left its polarity", v)
		}
		r.set(board.Idle) // the signal is not taken for done
		r.run(2)
		if v := r.phone.last().Volts; v != 48 {
			t.Errorf("%g V", v)
		}
		// Another state than ours, from a disturbance on the bus.
		if err := r.slic.Conn().Tx([]byte{regLinefeed, feedTransmit | feedReverse}, nil); err != nil {
			t.Fatal(err)
		}
		if rep := r.service(); !rep.LinefeedLost {
			t.Errorf("report %+v", rep)
		}
		r.run(2)
		if v := r.phone.last().Volts; v != 48 {
			t.Errorf("%g V", v)
		}
	})
}

func TestChipDies(t *testing.T) {
	withPort(t, func(t *testing.T, r *rig) {
		r.slic.SetFaults(func(f *chipsim.SLICFaults) { f.Dead = true })
		for i := range badLimit {
			rep, err := r.chip.Service(time.Now(), time.Time{})
			if !errors.Is(err, ErrNoChip) || rep.Hook || (rep.Condition == NeedsRecovery) != (i == badLimit-1) {
				t.Errorf("service %d: %+v, %v", i, rep, err)
			}
		}
		if err := r.chip.Recover(t.Context()); !errors.Is(err, ErrNoChip) {
			t.Errorf("recover: %v", err)
		}
		r.slic.SetFaults(func(f *chipsim.SLICFaults) { f.Dead = false })
		if err := r.chip.Recover(t.Context()); err != nil {
			t.Fatal(err)
		}
		if rep := r.service(); rep.Condition != InService {
			t.Errorf("report %+v", rep)
		}
	})
}

// The bus may fail for a moment.
func TestBusError(t *testing.T) {
	withPort(t, func(t *testing.T, r *rig) {
		bus := errors.New("bus is stuck")
		r.slic.SetFaults(func(f *chipsim.SLICFaults) { f.SPI = bus })
		if _, err := r.chip.Service(time.Now(), time.Time{}); !errors.Is(err, bus) {
			t.Errorf("error %v", err)
		}
		if err := r.chip.Set(board.Ring); !errors.Is(err, bus) {
			t.Errorf("error %v", err)
		}
		r.slic.SetFaults(func(f *chipsim.SLICFaults) { f.SPI = nil })
		if rep := r.service(); rep.Condition != InService {
			t.Errorf("report %+v", rep)
		}
	})
}

// An alarm whose status bit was lost is known by the open line; an actual state that
// lags behind the request for one service is none.
func TestSilentPowerAlarm(t *testing.T) {
	withPort(t, func(t *testing.T, r *rig) {
		n := 1
		lag := func(reg, v byte) byte {
			if reg == regLinefeed && n > 0 {
				n--
				return v & feedRequestedMask
			}
			return v
		}
		r.slic.SetFaults(func(f *chipsim.SLICFaults) { f.Read = lag })
		for range 3 {
			if rep := r.service(); rep.Condition != InService {
				t.Fatalf("report %+v", rep)
			}
		}
		n = 3
		r.service()
		if rep := r.service(); rep.Condition != Cooling || rep.Alarm != 0 {
			t.Errorf("report %+v", rep)
		}
	})
}

// The ring-trip bit was lost with an error on the bus: the state tells.
func TestSilentRingTrip(t *testing.T) {
	withPort(t, func(t *testing.T, r *rig) {
		r.set(board.Ring)
		r.phone.at(time.Now(), true)
		r.run(10)
		if err := r.slic.Conn().Tx([]byte{regStatus2, 0xff}, nil); err != nil {
			t.Fatal(err)
		}
		if rep := r.service(); !rep.RingTrip || !rep.Hook || !rep.OffHook || rep.LinefeedLost {
			t.Errorf("report %+v", rep)
		}
	})
}
