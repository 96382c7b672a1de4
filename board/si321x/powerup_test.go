package si321x

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"sotto/board"
	"sotto/board/chipsim"
)

func TestPowerUp(t *testing.T) {
	for name, part := range parts {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t, part, Config{Slot: 3})
				began := time.Now()
				r.powerUp()
				if d := time.Since(began); d > 2*time.Second {
					t.Errorf("took %v", d)
				}
				if f := r.chip.Findings(); f != (Findings{}) {
					t.Errorf("findings %+v", f)
				}
				want := map[string]string{"Si3210": "Si3210 rev E", "Si3210M": "Si3210M rev E", "Si3215": "Si3215 rev D", "Si3215M": "Si3215M rev D"}
				if got := r.chip.ident.String(); got != want[name] {
					t.Errorf("ident %q", got)
				}
				m, err := r.chip.Measure()
				if err != nil {
					t.Fatal(err)
				}
				if m.OffHook || m.Volts != 48 || m.Milliamps != 0 || m.FeedVolts < 71 || m.TipVolts > -5 || m.RingVolts > -53 {
					t.Errorf("line %+v", m)
				}
				if rep := r.service(); rep != (Report{Condition: InService}) {
					t.Errorf("report %+v", rep)
				}
				if err := r.chip.Close(); err != nil {
					t.Fatal(err)
				}
				r.run(1)
				if f := r.phone.last(); f.Volts != 0 {
					t.Errorf("%g V after Close", f.Volts)
				}
				for reg, want := range map[byte]byte{regPCMMode: 0, regPowerDown: converterOff, regEnable2: 0} {
					if v, _ := r.chip.bus.read(reg); v&^familyBit != want {
						t.Errorf("register %d reads %#02x after Close", reg, v)
					}
				}
				if err := r.highway.Stop(); err != nil {
					t.Fatal(err)
				}
				r.clean()
			})
		})
	}
}

// The order in which things are written, as it goes over the bus.
func TestPowerUpOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, chipsim.Si3210, Config{Slot: 20}) // slot at bit 320
		var got []string
		var data [2]byte
		indirects := 0
		r.slic.SetFaults(func(f *chipsim.SLICFaults) {
			f.Write = func(reg, v byte) bool {
				switch reg {
				case regIDALow, regIDAHigh:
					data[reg-regIDALow] = v
				case regIAA:
					if indirects++; flushed(v) {
						got = append(got, fmt.Sprintf("i%d=%02x%02x", v, data[1], data[0]))
					}
				case regPowerDown, regLinefeed, regCalibrate1, regPCMMode, regTXSLow, regTXSHigh, regEnable2, regPWMDelay:
					got = append(got, fmt.Sprintf("%d=%02x", reg, v))
				}
				return true
			}
		})
		r.powerUp()
		// Reading an indirect register writes its address too.
		want := "64=00 14=10 " +
			"i35=8000 i35=8000 i36=8000 i36=8000 i37=8000 i37=8000 i38=8000 i38=8000 i39=8000 i39=8000 " +
			"22=00 93=19 14=00 " +
			"64=00 14=10 14=00 64=01 64=00 96=5f 93=99 " +
			"i35=8000 i36=0320 i37=008c i38=0100 i39=0010 " +
			"i35=0000 i36=0000 i37=0000 i38=0000 i39=0000 " +
			"2=40 3=01 1=3c 22=ff 64=01"
		if s := strings.Join(got, " "); s != want {
			t.Errorf("got  %s\nwant %s", s, want)
		}
	})
}

// Every way of failing that power-up knows, with the step and the cause in its error.
func TestPowerUpFails(t *testing.T) {
	bus := errors.New("bus is stuck")
	reads := func(reg, value byte) func(*chipsim.SLICFaults) {
		return func(f *chipsim.SLICFaults) {
			f.Read = func(r, v byte) byte {
				if r == reg {
					return value
				}
				return v
			}
		}
	}
	loses := func(reg byte) func(*chipsim.SLICFaults) {
		return func(f *chipsim.SLICFaults) { f.Write = chipsim.LoseWrites(reg, 1<<30) }
	}
	badIndirect := func(addr byte, after int) func(*chipsim.SLICFaults) {
		return func(f *chipsim.SLICFaults) {
			f.ReadIndirect = func(a byte, v uint16) uint16 {
				if a == addr {
					if after--; after < 0 {
						return v ^ 0x10
					}
				}
				return v
			}
		}
	}
	for _, tt := range []struct {
		name  string
		fault func(*chipsim.SLICFaults)
		want  error
		text  string
	}{
		{"dead", func(f *chipsim.SLICFaults) { f.Dead = true }, ErrNoChip, "identify: no chip answers: register 0 reads 0xFF"},
		{"all zero", func(f *chipsim.SLICFaults) { f.Read = func(_, _ byte) byte { return 0 } }, ErrNoChip, "register 0 reads 0x00"},
		{"not reset", reads(regLoopback, 0), ErrNoChip, "identify: no chip answers: register 8 reads 0x00, not 0x02 as after reset"},
		{"hybrid", reads(regHybrid, 0), ErrNoChip, "register 11"},
		{"unknown part", reads(regPNI, 0x20), ErrNoChip, "register 6"},
		{"bus", func(f *chipsim.SLICFaults) { f.SPI = bus }, bus, "identify"},
		{"indirect hangs", func(f *chipsim.SLICFaults) { f.IndirectHangs = true }, ErrIndirectBusy, "write indirect registers"},
		{"indirect wrong", badIndirect(14, 0), ErrVerify, "write indirect registers: indirect register 14"},
		{"indirect wrong later", badIndirect(14, 1), ErrVerify, "verify indirect registers: indirect register 14"},
		{"register lost", loses(regAutomatic), ErrVerify, "write registers: register 67 reads 0x1f"},
		{"register stuck", reads(regVBATL, 0), ErrVerify, "write registers: register 75"},
		{"foreign voltage", func(f *chipsim.SLICFaults) { f.ForeignVolts = 48 }, ErrForeignVoltage, "look for foreign voltage: 4"},
		{"no supply", func(f *chipsim.SLICFaults) { f.NoSupply = true }, ErrConverter, "raise converter: battery reads 0.0 V after 500ms"},
		{"low battery", reads(regVBAT, 33), ErrConverter, "raise converter: battery reads 12.4 V after 500ms"},
		{"linefeed lost", loses(regLinefeed), ErrVerify, "look at the hook: linefeed reads 0x00 after 5 writes of 1"},
		{"loop status", reads(regLoopStatus, 0xff), ErrNoChip, "look at the hook"},
		{"calibration", func(f *chipsim.SLICFaults) { f.CalibrationHangs = true }, ErrCalibration, "calibrate: register 96 reads 0x5f after 2s, twice"},
		{"converter calibration", reads(regPWMDelay, 0x99), ErrCalibration, "calibrate converter: register 93"},
		{"slot", loses(regRXSLow), ErrVerify, "program slots: register 4"},
		{"PCM", loses(regPCMMode), ErrVerify, "program slots: register 1"},
		{"interrupts", loses(regEnable2), ErrVerify, "enable interrupts: register 22"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t, chipsim.Si3215, Config{Slot: 1})
				r.slic.SetFaults(tt.fault)
				err := r.chip.PowerUp(t.Context())
				if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.text) {
					t.Fatalf("error %q, want %q and %q", err, tt.want, tt.text)
				}
				if rep, err := r.chip.Service(time.Now(), time.Time{}); rep.Condition != NeedsRecovery || rep.Cause == nil || err != nil {
					t.Errorf("report %+v, %v", rep, err)
				}
				r.slic.SetFaults(func(f *chipsim.SLICFaults) { *f = chipsim.SLICFaults{} })
				time.Sleep(50 * time.Millisecond)
				if m := r.slic.LineVolts(); m != 0 {
					t.Errorf("line is fed with %g V", m)
				}
				// What was broken is repaired: the same Chip comes up, calibration and all.
				if err := r.chip.Recover(t.Context()); err != nil {
					t.Fatal(err)
				}
				if rep := r.service(); rep.Condition != InService {
					t.Errorf("report %+v", rep)
				}
			})
		})
	}
}

func TestPowerUpFindings(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault func(*chipsim.SLICFaults)
		want  Findings
	}{
		{"leak", func(f *chipsim.SLICFaults) { f.Leak = true }, Findings{Leak: true}},
		{"second try", func(f *chipsim.SLICFaults) { f.Write = chipsim.LoseWrites(regCalibrate1, 1) }, Findings{SecondTry: true}},
		{"balance", func(f *chipsim.SLICFaults) {
			f.Read = func(r, v byte) byte {
				if r == regStatus3 {
					v |= calBalanceFailed
				}
				return v
			}
		}, Findings{Unbalanced: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t, chipsim.Si3210, Config{})
				r.slic.SetFaults(tt.fault)
				r.powerUp()
				if f := r.chip.Findings(); f != tt.want {
					t.Errorf("findings %+v", f)
				}
				r.clean()
			})
		})
	}
}

func TestPowerUpEndsWithContext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, chipsim.Si3215, Config{})
		ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond)
		defer cancel()
		began := time.Now()
		if err := r.chip.PowerUp(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		if d := time.Since(began); d != 700*time.Millisecond {
			t.Errorf("ended after %v", d)
		}
		if v := r.slic.LineVolts(); v != 0 {
			t.Errorf("line is fed with %g V", v)
		}
	})
}

// A telephone that is off the hook at power-up works; the calibration waits for it.
func TestPowerUpOffHook(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, chipsim.Si3215, Config{})
		r.phone.closed = true
		r.run(1)
		r.powerUp()
		if f := r.chip.Findings(); f != (Findings{OffHook: true}) {
			t.Fatalf("findings %+v", f)
		}
		if rep := r.service(); !rep.OffHook || !rep.Hook {
			t.Errorf("report %+v", rep)
		}
		hangUp := time.Now().Add(time.Second)
		r.phone.at(hangUp, false)
		for {
			r.run(10)
			rep := r.service()
			if rep.Recalibrate {
				break
			}
			if time.Since(hangUp) > time.Minute {
				t.Fatal("never calibrated")
			}
		}
		if d := time.Since(hangUp); d < quietTime || d > quietTime+time.Second {
			t.Errorf("asked for after %v", d)
		}
		if err := r.chip.Recover(t.Context()); err != nil {
			t.Fatal(err)
		}
		if f := r.chip.Findings(); f != (Findings{}) || r.service().Recalibrate {
			t.Errorf("findings %+v", f)
		}
		r.clean()
	})
}

func TestSignalsWaitForPowerUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, chipsim.Si3215, Config{})
		r.set(board.Reverse)
		r.powerUp()
		r.run(1)
		if v := r.phone.last().Volts; v != -48 {
			t.Errorf("%g V", v)
		}
		r.clean()
	})
}
