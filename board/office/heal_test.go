package office

import (
	"errors"
	"testing"
	"time"

	"sotto/board"
	"sotto/board/chipsim"
	"sotto/board/si3050"
	"sotto/board/si321x"
)

// TestDiesInService: one PortFailed, tries with growing pauses, one PortRestored, all
// that was asked of the port and its hook as they are then; the others go on.
func TestDiesInService(t *testing.T) {
	bubble(t, 2, 2, func(r *rig) {
		r.start()
		r.brd.Signal(0, board.Signal{Kind: board.Configure, Line: testLine(30)})
		r.signal(2, board.Seize)
		time.Sleep(time.Second)
		for _, p := range []board.Port{0, 2} {
			w := r.wires[p]
			r.kill(p, true)
			time.Sleep(300 * time.Millisecond)
			failed := r.expect(board.PortFailed)[0]
			if failed.Port != p || failed.Err == nil {
				r.Errorf("failed: %+v", failed)
			}
			w.note(true)
			r.signal(0, board.Reverse) // kept, for port 0
			r.works(1)
			r.rings(3)
			time.Sleep(32*time.Second - time.Since(failed.At))
			r.expect()
			want := failed.At
			pause := time.Second
			tries := w.tries()
			for i, at := range tries {
				want = want.Add(pause)
				r.near("try", at, want, 50*time.Millisecond*time.Duration(i+1)+100*time.Millisecond)
				want, pause = at, 2*pause
			}
			if len(tries) != 5 { // after 1, 3, 7, 15 and 31 s
				r.Errorf("%d tries in 32 s: %v", len(tries), tries)
			}
			w.note(false)
			if p == 0 {
				r.phones[0].hook(true)
			}
			r.kill(p, false)
			time.Sleep(35 * time.Second)
			if p == 2 {
				if got := r.expect(board.PortRestored)[0]; got.Port != 2 || !r.daas[0].OffHook() {
					r.Errorf("restored: %+v, seized: %v", got, r.daas[0].OffHook())
				}
				continue
			}
			if got := r.expect(board.PortRestored, board.LoopClosed); got[0].Port != 0 || got[1].Port != 0 || got[1].At.Sub(got[0].At) > 110*time.Millisecond {
				r.Errorf("restored: %+v", got)
			}
			if hz, _ := r.slics[0].RingTone(); hz < 29 || hz > 31 {
				r.Errorf("ringing at %.1f Hz, want 30", hz)
			}
			if _, volts, _ := r.phones[0].state(); volts >= 0 {
				r.Errorf("%.1f V, want a reversed line", volts)
			}
			r.phones[0].hook(false)
			time.Sleep(200 * time.Millisecond)
			r.expect(board.LoopOpen)
		}
	})
}

// TestPausesForgiven: a port that worked for long is tried soon, one that fails again at
// once is not.
func TestPausesForgiven(t *testing.T) {
	bubble(t, 1, 0, func(r *rig) {
		r.start()
		fail := func() (away time.Duration) {
			time.Sleep(3 * time.Millisecond) // between two polls: the chip starts first
			r.slics[0].BrownOut()
			for range 100 {
				time.Sleep(100 * time.Millisecond)
				if l := r.take(); len(l) > 0 && l[len(l)-1].Kind == board.PortRestored {
					return away
				}
				away += 100 * time.Millisecond
			}
			return away
		}
		first, second := fail(), fail()
		time.Sleep(5 * time.Minute)
		third := fail()
		if first > 2*time.Second || second < first+time.Second/2 || third != first {
			r.Errorf("away for %v, %v, and long after %v", first, second, third)
		}
	})
}

// TestHungUpWhileAway: a hook that the chip knew from before its failure is not told.
func TestHungUpWhileAway(t *testing.T) {
	for name, f := range map[string]func(*rig){
		"brown-out":   func(r *rig) { r.slics[0].BrownOut() },
		"power alarm": func(r *rig) { r.slics[0].PowerAlarm(1) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, 1, 0, func(r *rig) {
				r.start()
				r.phones[0].hook(true)
				time.Sleep(300 * time.Millisecond)
				r.expect(board.LoopClosed)
				f(r)
				time.Sleep(300 * time.Millisecond)
				r.expect(board.PortFailed)
				r.phones[0].hook(false)
				time.Sleep(10 * time.Second)
				r.expect(board.PortRestored)
				r.works(0)
			})
		})
	}
}

// TestPowerAlarm: the chip opens the line and feeds it again by itself.
func TestPowerAlarm(t *testing.T) {
	bubble(t, 2, 0, func(r *rig) {
		r.start()
		r.phones[0].hook(true)
		time.Sleep(300 * time.Millisecond)
		r.expect(board.LoopClosed)
		calls := r.wires[0].calls
		r.slics[0].PowerAlarm(5)
		time.Sleep(200 * time.Millisecond)
		failed := r.expect(board.PortFailed)[0]
		if !errors.Is(failed.Err, si321x.ErrPowerAlarm) {
			r.Errorf("failed of: %v", failed.Err)
		}
		if _, err := r.brd.Test(r.Context(), 0); !errors.Is(err, si321x.ErrPowerAlarm) {
			r.Errorf("test gives %v", err)
		}
		r.signal(0, board.Reverse)
		r.works(1)
		time.Sleep(2 * time.Second)
		got := r.expect(board.PortRestored, board.LoopClosed)
		r.near("restored", got[0].At, failed.At.Add(time.Second), 200*time.Millisecond)
		if n := r.wires[0].calls - calls; n > 2000 {
			r.Errorf("%d transfers: the chip was powered up anew", n)
		}
		if _, volts, _ := r.phones[0].state(); volts >= 0 {
			r.Errorf("%.1f V, want a reversed line", volts)
		}
	})
}

// TestPowerAlarmsWithoutEnd: an overloaded line fails and comes back, and at last stays
// away for longer; the pair of events is never out of step.
func TestPowerAlarmsWithoutEnd(t *testing.T) {
	bubble(t, 2, 0, func(r *rig) {
		r.start()
		r.slics[0].SetFaults(func(f *chipsim.SLICFaults) { f.Overload = 4 })
		r.slics[0].PowerAlarm(4)
		down := false
		for range 300 {
			time.Sleep(time.Second)
			for _, e := range r.take() {
				if e.Port != 0 || e.Kind != board.PortFailed && e.Kind != board.PortRestored || (e.Kind == board.PortFailed) == down {
					r.Fatalf("port %d: %v while it was out of service: %v", e.Port, e.Kind, down)
				}
				down = e.Kind == board.PortFailed
			}
		}
		r.slics[0].SetFaults(func(f *chipsim.SLICFaults) { f.Overload = 0 })
		time.Sleep(10 * time.Minute)
		r.take()
		r.works(0)
		r.works(1)
	})
}

// TestDiesWhileCooling: a chip that dies in the pause after a power alarm fails once.
func TestDiesWhileCooling(t *testing.T) {
	bubble(t, 1, 0, func(r *rig) {
		r.start()
		r.slics[0].PowerAlarm(1)
		time.Sleep(200 * time.Millisecond)
		r.expect(board.PortFailed)
		r.kill(0, true)
		time.Sleep(10 * time.Second)
		r.expect()
		r.kill(0, false)
		time.Sleep(20 * time.Second)
		r.expect(board.PortRestored)
		r.works(0)
	})
}

// TestBrownOut: a dip of the supply is found and mended, of either chip.
func TestBrownOut(t *testing.T) {
	bubble(t, 1, 1, func(r *rig) {
		r.start()
		r.slics[0].BrownOut()
		time.Sleep(500 * time.Millisecond)
		if e := r.expect(board.PortFailed)[0]; e.Port != 0 || !errors.Is(e.Err, si321x.ErrChipReset) {
			r.Errorf("failed: %+v", e)
		}
		time.Sleep(3 * time.Second)
		r.expect(board.PortRestored)
		r.works(0)
		r.daas[0].Brownout()
		time.Sleep(500 * time.Millisecond)
		if e := r.expect(board.PortFailed)[0]; e.Port != 1 || !errors.Is(e.Err, si3050.ErrReset) {
			r.Errorf("failed: %+v", e)
		}
		time.Sleep(3 * time.Second)
		r.expect(board.PortRestored)
		r.rings(1)
	})
}

// TestDisturbedBus: what is over soon is told to nobody, what lasts is a failure.
func TestDisturbedBus(t *testing.T) {
	bubble(t, 1, 1, func(r *rig) {
		r.start()
		for p, w := range r.wires {
			w.disturb(1)
			time.Sleep(time.Second)
			r.expect()
			w.disturb(1)
			r.brd.Signal(board.Port(p), board.Signal{Kind: board.Configure, Line: testLine(30)})
			time.Sleep(time.Second)
			r.expect()
			// In a signal, when it matters most.
			k := []board.SignalKind{board.Reverse, board.Seize}[p]
			w.disturb(1)
			r.signal(board.Port(p), k)
			time.Sleep(time.Second)
			r.expect()
		}
		if _, volts, _ := r.phones[0].state(); volts >= 0 || !r.daas[0].OffHook() {
			r.Errorf("the signals did not get through: %.1f V, seized %v", volts, r.daas[0].OffHook())
		}
		for p, w := range r.wires {
			w.disturb(1 << 30)
			time.Sleep(time.Second)
			if e := r.expect(board.PortFailed)[0]; e.Port != board.Port(p) || !errors.Is(e.Err, errBus) {
				r.Errorf("failed: %+v", e)
			}
			time.Sleep(2 * time.Second)
			w.disturb(0)
			time.Sleep(8 * time.Second)
			r.expect(board.PortRestored)
		}
	})
}

// TestSignalsWhileAway: the last of each is what counts when the port is back.
func TestSignalsWhileAway(t *testing.T) {
	bubble(t, 1, 0, func(r *rig) {
		r.start()
		r.kill(0, true)
		time.Sleep(500 * time.Millisecond)
		r.expect(board.PortFailed)
		for _, k := range []board.SignalKind{board.Idle, board.Reverse, board.Idle, board.OpenLoop, board.Ring} {
			r.signal(0, k)
		}
		for hz := range 3 {
			r.brd.Signal(0, board.Signal{Kind: board.Configure, Line: testLine(20 + 5*float64(hz))})
		}
		r.kill(0, false)
		time.Sleep(4 * time.Second)
		r.expect(board.PortRestored)
		if ringing, _, _ := r.phones[0].state(); !ringing {
			r.Error("it does not ring")
		}
		if hz, _ := r.slics[0].RingTone(); hz < 29 || hz > 31 {
			r.Errorf("ringing at %.1f Hz, want 30", hz)
		}
	})
}

// TestWrongWords: what is not for the port takes it not out of service.
func TestWrongWords(t *testing.T) {
	bubble(t, 1, 1, func(r *rig) {
		r.start()
		for k := range board.SignalKind(20) {
			if k != board.Ring && k != board.Seize {
				r.signal(0, k)
				r.signal(1, k)
			}
		}
		bad := testLine(20)
		bad.Impedance, bad.TransmitGain, bad.Ringing.Hz = board.NumImpedances, 99, 1000
		for p := range board.Port(2) {
			r.brd.Signal(p, board.Signal{Kind: board.Configure, Line: bad})
		}
		weak := testLine(20)
		weak.Ringing.Vrms = 100
		r.brd.Signal(0, board.Signal{Kind: board.Configure, Line: weak})
		r.signal(0, board.Idle)
		time.Sleep(time.Second)
		r.expect()
		r.works(0)
		r.rings(1)
		// Nor does it keep the port from coming back.
		r.brd.Signal(0, board.Signal{Kind: board.Configure, Line: bad})
		r.slics[0].BrownOut()
		time.Sleep(5 * time.Second)
		r.expect(board.PortFailed, board.PortRestored)
	})
}
