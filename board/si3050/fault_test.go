package si3050

import (
	"context"
	"errors"
	"testing"
	"time"

	"periph.io/x/conn/v3"
	"periph.io/x/conn/v3/spi"

	"sotto/board"
	"sotto/board/chipsim"
)

// TestFaults: a fault of the chip in the midst of a call has its name, is not a missing
// line, stays until Recover, and leaves the line seized after it.
func TestFaults(t *testing.T) {
	boom := errors.New("bus gone")
	for name, c := range map[string]struct {
		faults chipsim.DAAFaults
		want   error
	}{
		"frame lock": {chipsim.DAAFaults{NoFrameLock: true}, ErrFrameLock},
		"dead":       {chipsim.DAAFaults{Dead: true}, ErrNoChip},
		"bus":        {chipsim.DAAFaults{SPI: boom}, boom},
		"hook":       {chipsim.DAAFaults{StuckRegister: 5, StuckValue: 0x08}, ErrHook},
		"nonsense":   {chipsim.DAAFaults{StuckRegister: 5, StuckValue: 0xFF}, ErrHook},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t, chipsim.Si3019, Config{}, us).up()
				r.set(board.Seize)
				r.run(time.Second)
				r.daa.SetFaults(c.faults)
				r.run(2 * time.Second)
				r.take()
				if !errors.Is(r.err, c.want) {
					t.Fatalf("Poll: %v, want %v", r.err, c.want)
				}
				if err := r.chip.Set(board.Release); !errors.Is(err, c.want) {
					t.Errorf("Set: %v", err)
				}
				if err := r.chip.Set(board.Seize); !errors.Is(err, c.want) {
					t.Errorf("Set: %v", err)
				}
				if err := r.chip.Recover(context.Background()); err == nil {
					t.Error("Recover of a broken chip")
				}
				r.daa.SetFaults(chipsim.DAAFaults{})
				if err := r.chip.Recover(context.Background()); err != nil {
					t.Fatal(err)
				}
				r.err = nil
				r.run(time.Second)
				r.take()
				if !r.daa.OffHook() {
					t.Error("not seized again")
				}
				if r.err != nil {
					t.Error(r.err)
				}
			})
		})
	}
}

func TestChipReset(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, chipsim.Si3019, Config{}, us).up()
		r.daa.Brownout()
		time.Sleep(20 * ms)
		r.run(100 * ms)
		if !errors.Is(r.err, ErrReset) {
			t.Fatalf("Poll: %v", r.err)
		}
		r.err = nil
		r.line.Reverse() // while nobody looks: nothing to report
		r.run(100 * ms)
		r.err = nil
		if err := r.chip.Recover(context.Background()); err != nil {
			t.Fatal(err)
		}
		r.run(2 * time.Second)
		r.take()
		r.clean()
	})
}

// TestLostHookWrite: writes of register 5 that the chip did not take.
func TestLostHookWrite(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, chipsim.Si3019, Config{}, us).up()
		r.daa.SetFaults(chipsim.DAAFaults{LostHookWrites: 2})
		r.set(board.Seize)
		if !r.daa.OffHook() {
			t.Fatal("not off hook")
		}
		r.run(100 * ms)
		r.daa.SetFaults(chipsim.DAAFaults{LostHookWrites: 4})
		if err := r.chip.Set(board.Release); !errors.Is(err, ErrHook) {
			t.Fatalf("Set: %v", err)
		}
		r.run(100 * ms) // polling tries on
		if r.daa.OffHook() {
			t.Error("still off hook")
		}
		if n := r.chip.Stats().Repairs; n != 2 {
			t.Errorf("%d repairs, want 2", n)
		}
		r.set(board.Seize) // the overload protection of the last call is off again
		r.clean()
	})
}

// TestWatchdog: the chip releases the line when nobody polls, and the driver that
// comes back seizes it again.
func TestWatchdog(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, chipsim.Si3019, Config{Watchdog: true}, us).up()
		r.set(board.Seize)
		r.run(time.Second)
		for range 450 {
			r.frame()
		}
		if r.daa.OffHook() {
			t.Error("off hook with a dead driver")
		}
		r.run(50 * ms)
		if !r.daa.OffHook() || r.chip.Stats().Repairs != 1 {
			t.Errorf("off hook %t, stats %+v", r.daa.OffHook(), r.chip.Stats())
		}
		if r.chip.VoiceReady(time.Now()) {
			t.Error("voice ready during calibration")
		}
		r.clean()
	})
}

// TestOverload: too much current releases the line and is a fault.
func TestOverload(t *testing.T) {
	bubble(t, func(t *testing.T) {
		co := us
		co.Milliamps = 200
		r := newRig(t, chipsim.Si3019, Config{}, co).up()
		r.set(board.Seize)
		r.run(time.Second)
		if !errors.Is(r.err, ErrOverload) || r.daa.OffHook() {
			t.Fatalf("Poll: %v, off hook %t", r.err, r.daa.OffHook())
		}
		if err := r.chip.Recover(context.Background()); err != nil || r.daa.OffHook() {
			t.Errorf("Recover: %v, off hook %t", err, r.daa.OffHook())
		}
	})
}

// TestCurrentLimit: where the chip limits the current, a short line is no overload.
func TestCurrentLimit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		co := us
		co.Milliamps = 90
		r := newRig(t, chipsim.Si3019, Config{}, co)
		if err := r.chip.Apply(board.Line{DC: board.DC{Limit60: true}}); err != nil {
			t.Fatal(err)
		}
		r.up()
		r.set(board.Seize)
		r.run(2 * time.Second)
		if m, err := r.chip.Measure(); err != nil || m.Milliamps < -60 || m.Milliamps > -58 {
			t.Errorf("Measure: %+v, %v", m, err)
		}
		r.take()
		r.clean()
	})
}

// TestOneBusError: a single failure of the bus is no fault.
func TestOneBusError(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, chipsim.Si3019, Config{}, us).up()
		flaky := &flakyConn{Conn: r.daa.Conn()}
		r.chip.conn = flaky
		for range 20 {
			flaky.fail = 1
			r.run(20 * ms)
		}
		r.take()
		if r.chip.Stats().BadReads != 20 {
			t.Errorf("stats: %+v", r.chip.Stats())
		}
		r.clean()
	})
}

type flakyConn struct {
	spi.Conn
	fail int
}

func (f *flakyConn) TxPackets(p []spi.Packet) error {
	if f.fail > 0 {
		f.fail--
		return errors.New("flaky")
	}
	return f.Conn.TxPackets(p)
}

func TestSetRefuses(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, chipsim.Si3019, Config{}, us).up()
		for _, k := range []board.SignalKind{0, board.Idle, board.Ring, board.OpenLoop, board.Configure} {
			if err := r.chip.Set(k); err == nil {
				t.Errorf("Set(%v) was taken", k)
			}
		}
	})
}

func TestAllocs(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, chipsim.Si3019, Config{}, us).up()
		var drx, dtx chipsim.Bus
		at := time.Now()
		for name, f := range map[string]func(){
			"Poll": func() {
				if _, err := r.chip.Poll(at); err != nil {
					t.Fatal(err)
				}
				at = at.Add(10 * ms)
			},
			"Set":   func() { r.set(board.Seize); r.set(board.Release) },
			"Frame": func() { r.daa.Frame(at, &drx, &dtx); at = at.Add(10 * ms) },
			"call": func() {
				r.set(board.Seize)
				for range 60 {
					r.daa.Frame(at, &drx, &dtx)
					if _, err := r.chip.Poll(at); err != nil {
						t.Fatal(err)
					}
					at = at.Add(10 * ms)
				}
				r.set(board.Release)
			},
		} {
			if n := testing.AllocsPerRun(100, f); n != 0 {
				t.Errorf("%s allocates %v times", name, n)
			}
		}
	})
}

// FuzzAnswers runs the driver on a bus that answers what it likes: it ends, within its
// limits, with or without an error.
func FuzzAnswers(f *testing.F) {
	f.Add([]byte{3})
	f.Add([]byte{3, 0, 0xFF})
	f.Add([]byte{0x5A, 0xA5, 3, 3, 3, 0x30, 0x40, 0x58})
	f.Fuzz(func(t *testing.T, answers []byte) {
		bubble(t, func(t *testing.T) {
			c := New(&randomConn{answers: answers}, Config{})
			begin := time.Now()
			_, _ = c.Identify(t.Context())
			_ = c.PowerUp(t.Context())
			c.up, c.fault = true, nil
			for range 100 {
				_, _ = c.Poll(time.Now())
				_ = c.Set(board.Seize)
				_, _ = c.Measure()
				_ = c.Set(board.Release)
				c.fault = nil
				time.Sleep(10 * ms)
			}
			_ = c.Apply(board.Line{})
			_ = c.Close()
			if d := time.Since(begin); d > 10*time.Second {
				t.Errorf("took %v", d)
			}
		})
	})
}

type randomConn struct {
	answers []byte
	n       int
}

func (r *randomConn) String() string        { return "random" }
func (r *randomConn) Duplex() conn.Duplex   { return conn.Full }
func (r *randomConn) Tx(w, in []byte) error { return r.TxPackets([]spi.Packet{{W: w, R: in}}) }
func (r *randomConn) TxPackets(p []spi.Packet) error {
	if len(r.answers) == 0 {
		return errors.New("silence")
	}
	for i := range p {
		for j := range p[i].R {
			p[i].R[j] = r.answers[r.n%len(r.answers)]
		}
	}
	r.n++
	return nil
}
