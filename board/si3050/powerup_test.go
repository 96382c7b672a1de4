package si3050

import (
	"context"
	"errors"
	"testing"
	"time"

	"sotto/board"
	"sotto/board/chipsim"
)

func TestPowerUp(t *testing.T) {
	for side, name := range map[chipsim.LineSide]string{
		chipsim.Si3018: "Si3050 rev E + Si3018 rev F",
		chipsim.Si3019: "Si3050 rev E + Si3019 rev F",
		chipsim.Si3011: "Si3050 rev E + Si3011 rev F",
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t, side, Config{Watchdog: true}, us)
				id, err := r.chip.Identify(context.Background())
				if err != nil || id.String() != name {
					t.Fatalf("Identify: %v, %v", id, err)
				}
				if r.daa.Register(6) != 0x10 {
					t.Error("Identify left the line side on")
				}
				begin := time.Now()
				r.up()
				if d := time.Since(begin); d > 650*time.Millisecond {
					t.Errorf("power up took %v", d)
				}
				for reg, want := range map[byte]byte{2: 0x13, 4: 0, 5: 0x08, 6: 0, 22: 0x16, 23: 0x23, 24: 0x99, 33: 0x39, 34: 48, 36: 48} {
					if got := r.daa.Register(reg); got != want {
						t.Errorf("register %d = %#02x, want %#02x", reg, got, want)
					}
				}
				m, err := r.chip.Measure()
				want := -48.0
				if side == chipsim.Si3018 {
					want = 0
				}
				if err != nil || m.Volts != want || !m.Registered || m.OffHook {
					t.Errorf("Measure: %+v, %v", m, err)
				}
				if err := r.chip.Close(); err != nil {
					t.Error(err)
				}
				if r.daa.Register(6) != 0x10 || r.daa.Register(5) != 0 {
					t.Error("Close left the line side on")
				}
				r.clean()
			})
		})
	}
}

// TestPowerUpAgain: a driver that starts on a running chip, watchdog set, without a
// pulse of the RESET pin.
func TestPowerUpAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, chipsim.Si3019, Config{Watchdog: true}, us).up()
		r.set(board.Seize)
		r.run(time.Second)
		r.chip = New(r.daa.Conn(), r.chip.cfg)
		r.up()
		if r.daa.OffHook() {
			t.Error("still off hook")
		}
		r.clean()
	})
}

// TestPowerUpFails breaks the chip in each way that bring-up can meet.
func TestPowerUpFails(t *testing.T) {
	boom := errors.New("no such bus")
	for name, c := range map[string]struct {
		faults chipsim.DAAFaults
		want   error
	}{
		"dead":           {chipsim.DAAFaults{Dead: true}, ErrNoChip},
		"bus":            {chipsim.DAAFaults{SPI: boom}, boom},
		"register 2":     {chipsim.DAAFaults{StuckRegister: 2}, ErrNoChip},
		"scratch":        {chipsim.DAAFaults{StuckRegister: 36, StuckValue: 0x5A}, ErrVerify},
		"slot":           {chipsim.DAAFaults{StuckRegister: 35, StuckValue: 3}, ErrVerify},
		"pcm":            {chipsim.DAAFaults{StuckRegister: 33}, ErrVerify},
		"ring":           {chipsim.DAAFaults{StuckRegister: 24, StuckValue: 0x19}, ErrVerify},
		"link":           {chipsim.DAAFaults{NoFrameLock: true}, ErrFrameLock},
		"status":         {chipsim.DAAFaults{StuckRegister: 12, StuckValue: 0xFF}, ErrFrameLock},
		"no line side":   {chipsim.DAAFaults{StuckRegister: 11, StuckValue: 0x05}, ErrLineSide},
		"odd line side":  {chipsim.DAAFaults{StuckRegister: 11, StuckValue: 0x95}, ErrLineSide},
		"line revision":  {chipsim.DAAFaults{StuckRegister: 13}, ErrLineSide},
		"termination":    {chipsim.DAAFaults{StuckRegister: 26}, ErrVerify},
		"gain":           {chipsim.DAAFaults{StuckRegister: 41, StuckValue: 5}, ErrVerify},
		"hook":           {chipsim.DAAFaults{LostHookWrites: tries}, ErrHook},
		"slow hook (ok)": {chipsim.DAAFaults{LostHookWrites: tries - 1}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t, chipsim.Si3019, Config{}, us)
				r.daa.SetFaults(c.faults)
				begin := time.Now()
				err := r.chip.PowerUp(context.Background())
				if !errors.Is(err, c.want) {
					t.Fatalf("PowerUp: %v, want %v", err, c.want)
				}
				if d := time.Since(begin); d > 3*time.Second {
					t.Errorf("took %v", d)
				}
				if c.want == nil {
					return
				}
				if _, err := r.chip.Poll(time.Now()); !errors.Is(err, ErrDown) {
					t.Errorf("Poll: %v, want ErrDown", err)
				}
				if err := r.chip.Set(board.Seize); !errors.Is(err, ErrDown) {
					t.Errorf("Set: %v, want ErrDown", err)
				}
				r.daa.SetFaults(chipsim.DAAFaults{})
				if err := r.chip.Recover(context.Background()); err != nil || !r.daa.OffHook() {
					t.Errorf("Recover: %v, off hook %t", err, r.daa.OffHook())
				}
			})
		})
	}
}

func TestPowerUpStops(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, chipsim.Si3019, Config{}, us)
		r.daa.SetFaults(chipsim.DAAFaults{NoFrameLock: true})
		ctx, stop := context.WithTimeout(context.Background(), 300*time.Millisecond)
		defer stop()
		begin := time.Now()
		if err := r.chip.PowerUp(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("PowerUp: %v", err)
		}
		if d := time.Since(begin); d != 300*time.Millisecond {
			t.Errorf("took %v", d)
		}
	})
}

// TestApply: lines of the country table of the data sheet (table 13) and what they are
// in registers.
func TestApply(t *testing.T) {
	fcc := board.DC{DropVolts: 3.5, MinMilliamps: 10, RingVolts: 15}
	for _, c := range []struct {
		name string
		side chipsim.LineSide
		line board.Line
		regs map[byte]byte
		acim byte
	}{
		{"zero", chipsim.Si3019, board.Line{}, map[byte]byte{16: 0, 17: 0, 26: 0xC0, 31: 0xA2, 59: 0, 38: 0, 39: 0, 40: 0, 41: 0}, 0},
		{"US", chipsim.Si3019, board.Line{DC: fcc}, map[byte]byte{16: 0, 26: 0xC0, 31: 0xA2, 59: 0}, 0},
		{"US 21 V", chipsim.Si3019, board.Line{DC: board.DC{RingVolts: 21}}, map[byte]byte{16: 1, 17: 0}, 0},
		{"45 V", chipsim.Si3019, board.Line{DC: board.DC{RingVolts: 45}}, map[byte]byte{16: 1, 17: 0x10}, 0},
		{"GB", chipsim.Si3019, board.Line{Impedance: board.ZUK, DC: board.DC{DropVolts: 3.5, MinMilliamps: 10, Limit60: true, Hook: board.HookETSI}},
			map[byte]byte{16: 0, 26: 0xC2, 31: 0xAA}, 5},
		{"DE", chipsim.Si3019, board.Line{Impedance: board.ZDE, DC: board.DC{DropVolts: 3.5, MinMilliamps: 10, Limit60: true, Hook: board.HookETSI}},
			map[byte]byte{26: 0xC2, 31: 0xAA}, 3},
		{"AU", chipsim.Si3019, board.Line{Impedance: board.ZAU, DC: board.DC{DropVolts: 3.2, MinMilliamps: 12, Hook: board.HookSlow}},
			map[byte]byte{16: 0x40, 26: 0x50, 31: 0x22, 59: 0x50, 38: 3, 40: 2, 39: 0x13, 41: 0x12}, 3},
		{"JP", chipsim.Si3019, board.Line{DC: board.DC{DropVolts: 3.35, MinMilliamps: 12}}, map[byte]byte{16: 0, 26: 0x90, 31: 0x22}, 0},
		{"ZA", chipsim.Si3019, board.Line{Impedance: board.ZAU, DC: board.DC{LowRinger: true}}, map[byte]byte{16: 2, 26: 0xC0}, 3},
		{"CN", chipsim.Si3019, board.Line{Impedance: board.ZCN}, map[byte]byte{26: 0xC0}, 10},
		{"gains", chipsim.Si3019, board.Line{TransmitGain: -2.5, ReceiveGain: 13.1}, map[byte]byte{39: 0x12, 41: 0x15, 38: 12, 40: 11}, 0},
		{"Si3018 GB", chipsim.Si3018, board.Line{Impedance: board.ZUK}, map[byte]byte{31: 0x22, 38: 3, 40: 2, 39: 0x13, 41: 0x12}, 15},
		{"Si3018 DE", chipsim.Si3018, board.Line{Impedance: board.ZDE}, map[byte]byte{26: 0xC0}, 3},
		{"Si3018 900", chipsim.Si3018, board.Line{Impedance: board.Z900}, map[byte]byte{30: 0}, 0},
		{"Si3011 EU", chipsim.Si3011, board.Line{Impedance: board.ZCTR21}, map[byte]byte{26: 0x80, 31: 0x22}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t, c.side, Config{}, us)
				if err := r.chip.Apply(board.Line{Impedance: board.ZUK}); err != nil { // before power-up
					t.Fatal(err)
				}
				r.up()
				if err := r.chip.Apply(c.line); err != nil {
					t.Fatal(err)
				}
				for reg, want := range c.regs {
					if got := r.daa.Register(reg); got != want {
						t.Errorf("register %d = %#02x, want %#02x", reg, got, want)
					}
				}
				if got := r.daa.ACIM(); got != c.acim {
					t.Errorf("impedance code %d, want %d", got, c.acim)
				}
				if r.daa.Register(25) != 0x05 {
					t.Error("RCAL changed")
				}
				r.clean()
			})
		})
	}
}

func TestApplyRefuses(t *testing.T) {
	c := New(nil, Config{})
	for _, line := range []board.Line{
		{Impedance: board.NumImpedances},
		{TransmitGain: 14},
		{ReceiveGain: -17},
		{DC: board.DC{DropVolts: 3.3}},
		{DC: board.DC{MinMilliamps: 11}},
		{DC: board.DC{RingVolts: 30}},
		{DC: board.DC{Hook: 9}},
	} {
		if err := c.Apply(line); !errors.Is(err, ErrLine) {
			t.Errorf("Apply(%+v): %v", line, err)
		}
	}
	if c.line != (board.Line{}) {
		t.Error("a refused line was kept")
	}
}
