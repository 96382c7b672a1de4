package si321x

import (
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"sotto/board"
	"sotto/board/chipsim"
)

// The settings of the data sheet's examples (section 2.5, recomputed).
func TestRingingRegisters(t *testing.T) {
	for _, tt := range []struct {
		hz, vrms  float64
		rco, rngx uint16
	}{
		{16.67, 45, 0x7f4c, 0x011d},
		{20, 45, 0x7efe, 0x0156},
		{20, 60, 0x7efe, 0x01c8},
		{25, 55, 0x7e6d, 0x020a},
		{50, 50, 0x79bc, 0x03bc},
	} {
		s, err := settingsOf(board.Line{Ringing: board.Ringing{Hz: tt.hz, Vrms: tt.vrms}})
		if near := func(a, b uint16) bool { return max(a, b)-min(a, b) <= 1 }; err != nil || s.rco != tt.rco || !near(s.rngx, tt.rngx) {
			t.Errorf("%g Hz: RCO %04X, RNGX %04X, %v", tt.hz, s.rco, s.rngx, err)
		}
	}
}

// The feed on hook stays below the ringing's peak, the battery above it with its margin.
func TestBattery(t *testing.T) {
	for vrms := 20.0; vrms <= 61; vrms++ {
		s, err := settingsOf(board.Line{Ringing: board.Ringing{Hz: 25, Vrms: vrms}})
		peak := vrms * math.Sqrt2
		if voc, vbath := stepVolts*float64(s.voc), stepVolts*float64(s.vbath); err != nil || voc >= peak || voc > 48 || vbath < peak+headroom || vbath < 60 {
			t.Errorf("%g V rms: on hook %g V, battery %g V, %v", vrms, voc, vbath, err)
		}
	}
}

// Frequency and voltage as the telephone gets them.
func TestRinging(t *testing.T) {
	for _, hz := range []float64{16.67, 20, 25, 50} {
		for _, vrms := range []float64{40, 45, 60} {
			t.Run(fmt.Sprintf("%g Hz %g V", hz, vrms), func(t *testing.T) {
				withPort(t, func(t *testing.T, r *rig) {
					if err := r.chip.Apply(board.Line{Ringing: board.Ringing{Hz: hz, Vrms: vrms}}); err != nil {
						t.Fatal(err)
					}
					r.run(10) // the battery follows
					r.set(board.Ring)
					r.phone.keep = true
					r.run(600)
					gotHz, gotV := measureRing(r.phone.rang)
					if math.Abs(gotHz-hz) > hz/200 {
						t.Errorf("%.3f Hz", gotHz)
					}
					if math.Abs(gotV-vrms) > vrms/100 {
						t.Errorf("%.2f V rms", gotV)
					}
				})
			})
		}
	}
}

// measureRing counts upward zero crossings, with their fractions, and takes the mean
// square between the first and the last.
func measureRing(v []float32) (hz, rms float64) {
	first, last, n, sum, upTo := -1.0, 0.0, 0, 0.0, 0.0
	for i := 1; i < len(v); i++ {
		a, b := float64(v[i-1]), float64(v[i])
		sum += a * a
		if a <= 0 && b > 0 {
			at := float64(i-1) + -a/(b-a)
			if first < 0 {
				first, sum = at, 0
			} else {
				n++
			}
			last, upTo = at, sum
		}
	}
	return float64(n) / (last - first) * board.SampleRate, math.Sqrt(upTo / (last - first))
}

func TestRingingTooStrong(t *testing.T) {
	withPort(t, func(t *testing.T, r *rig) {
		err := r.chip.Apply(board.Line{Impedance: board.ZCTR21, Ringing: board.Ringing{Hz: 25, Vrms: 75}})
		var e *RingVoltageError
		if !errors.As(err, &e) || e.Want != 75 || math.Abs(e.Got-61.5) > 0.1 {
			t.Fatalf("error %v", err)
		}
		r.run(10)
		r.set(board.Ring)
		r.phone.keep = true
		r.run(200)
		if _, v := measureRing(r.phone.rang); math.Abs(v-e.Got) > 0.6 {
			t.Errorf("%.2f V rms", v)
		}
		if v, _ := r.chip.bus.read(regImpedance); v != 0x0c {
			t.Errorf("register 10 reads %#02x", v)
		}
	})
}

func TestApplyRefuses(t *testing.T) {
	good := board.Ringing{Hz: 25, Vrms: 50}
	for _, l := range []board.Line{
		{}, {Impedance: board.ZGlobal, Ringing: good}, {Impedance: board.NumImpedances, Ringing: good},
		{TransmitGain: 6.5, Ringing: good}, {ReceiveGain: -40, Ringing: good}, {ReceiveGain: math.NaN(), Ringing: good},
		{Ringing: board.Ringing{Hz: 10, Vrms: 50}}, {Ringing: board.Ringing{Hz: 25, Vrms: math.NaN()}},
	} {
		if err := New(nil, Config{}).Apply(l); !errors.Is(err, ErrUnsupported) {
			t.Errorf("%+v: %v", l, err)
		}
	}
}

// Voice passes both ways in the programmed slot and in no other, sample by sample.
func TestVoice(t *testing.T) {
	for _, slot := range []int{0, 7, chipsim.Slots - 1} {
		t.Run(fmt.Sprint(slot), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t, chipsim.Si3215, Config{Slot: slot})
				r.powerUp()
				r.phone.at(time.Now(), true)
				r.run(5)
				var sent, got []int16
				n := 0
				r.out = func(f []int16) {
					for i := range f {
						n++
						f[i] = int16(n * 7919) // another one in each slot, all values
						if i%chipsim.Slots == slot {
							sent = append(sent, f[i])
						}
					}
				}
				r.in = func(f []int16) {
					for i, v := range f {
						if i%chipsim.Slots == slot {
							got = append(got, v)
						} else if v != 0 {
							t.Fatalf("sample %d in slot %d", v, i%chipsim.Slots)
						}
					}
				}
				said := func(i int) int16 { return int16(i * 31) }
				r.phone.mu.Lock()
				r.phone.n, r.phone.mouth, r.phone.keep = 0, said, true
				r.phone.mu.Unlock()
				r.run(100)
				if len(r.phone.heard) != len(sent) || len(got) != len(sent) {
					t.Fatalf("%d sent, %d heard, %d got", len(sent), len(r.phone.heard), len(got))
				}
				for i := range sent {
					if r.phone.heard[i] != sent[i] {
						t.Fatalf("sample %d: heard %d, sent %d", i, r.phone.heard[i], sent[i])
					}
					if got[i] != said(i) {
						t.Fatalf("sample %d: got %d, said %d", i, got[i], said(i))
					}
				}
				r.clean()
			})
		})
	}
}

func TestGains(t *testing.T) {
	withPort(t, func(t *testing.T, r *rig) {
		r.phone.mouth = func(int) int16 { return 8000 }
		r.phone.keep = true
		r.phone.at(time.Now(), true)
		r.out = func(f []int16) {
			for i := range f {
				f[i] = 8000
			}
		}
		var got int16
		r.in = func(f []int16) { got = f[2] }
		if err := r.chip.Apply(board.Line{TransmitGain: 6, ReceiveGain: -7, Ringing: board.Ringing{Hz: 25, Vrms: 45}}); err != nil {
			t.Fatal(err)
		}
		r.run(10)
		if dB := 20 * math.Log10(float64(got)/8000); math.Abs(dB-6) > 0.01 {
			t.Errorf("transmit gain %.3f dB", dB)
		}
		heard := r.phone.last().Audio[0]
		if dB := 20 * math.Log10(float64(heard)/8000); math.Abs(dB+7) > 0.01 {
			t.Errorf("receive gain %.3f dB", dB)
		}
	})
}

// In the pause between bursts the on-hook telephone hears, also with turned polarity.
func TestOnHookTransmission(t *testing.T) {
	withPort(t, func(t *testing.T, r *rig) {
		r.out = func(f []int16) {
			for i := range f {
				f[i] = 1234
			}
		}
		for _, tt := range []struct {
			kind  board.SignalKind
			volts float64
			talk  bool
		}{
			{board.Idle, 48, false}, {board.OnHookTransmit, 48, true}, {board.Reverse, -48, false}, {board.OnHookTransmit, -48, true},
			{board.OpenLoop, 0, false}, {board.OnHookTransmit, -48, true}, {board.Idle, 48, false},
		} {
			if tt.kind != board.Idle || r.chip.want != board.Idle {
				r.set(tt.kind)
			}
			r.run(2)
			f := r.phone.last()
			if f.Volts != tt.volts || f.Talk != tt.talk || (f.Audio[40] == 1234) != tt.talk {
				t.Errorf("%v: %g V, talk %v, sample %d", tt.kind, f.Volts, f.Talk, f.Audio[40])
			}
			if rep := r.service(); rep.Hook || rep.LinefeedLost {
				t.Errorf("%v: report %+v", tt.kind, rep)
			}
		}
		for _, k := range []board.SignalKind{0, board.Release, board.Seize, board.Configure} {
			if err := r.chip.Set(k); !errors.Is(err, ErrUnsupported) {
				t.Errorf("%v: %v", k, err)
			}
		}
	})
}

// Two chips share a highway and each keeps to its slot.
func TestTwoChips(t *testing.T) {
	bubble(t, func(t *testing.T) {
		viol := new(chipsim.Violations)
		var slics [2]*chipsim.SLIC
		var phones [2]*handset
		for i, part := range []chipsim.SLICPart{chipsim.Si3210, chipsim.Si3215} {
			slics[i], phones[i] = chipsim.NewSLIC(part, viol), &handset{closed: true}
			phones[i].mouth = func(int) int16 { return int16(1000 * (i + 1)) }
			slics[i].Plug(phones[i])
		}
		h := chipsim.NewHighway(slics[0], slics[1])
		if err := h.Start(); err != nil {
			t.Fatal(err)
		}
		h.SetReset(false)
		time.Sleep(2 * time.Millisecond)
		for i, s := range slics {
			if err := New(s.Conn(), Config{Slot: 4 + i}).PowerUp(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		out, in := make([]int16, board.FrameLen*chipsim.Slots), make([]int16, board.FrameLen*chipsim.Slots)
		for i := range out {
			out[i] = int16(i % chipsim.Slots)
		}
		for range 10 {
			if err := h.Exchange(out, in); err != nil {
				t.Fatal(err)
			}
		}
		// What each hears returns 20 dB weaker.
		if in[4] != 1000 || in[5] != 2000+1 || phones[0].last().Audio[9] != 4 || phones[1].last().Audio[9] != 5 {
			t.Errorf("got %d and %d, heard %d and %d", in[4], in[5], phones[0].last().Audio[9], phones[1].last().Audio[9])
		}
		if viol.Count() > 0 {
			t.Error(viol.List())
		}
	})
}

// A short frame sync delays everything by one bit; the highway of the model has a long
// one, so what comes back is half of what was sent.
func TestSyncOffset(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, chipsim.Si3215, Config{Slot: 3, TXOffset: 1, RXOffset: 1})
		r.powerUp()
		r.phone.at(time.Now(), true)
		r.phone.mouth = func(int) int16 { return 0x1234 }
		r.out = func(f []int16) { f[3] = 0x1234 }
		var got int16
		r.in = func(f []int16) { got = f[3] }
		r.run(5)
		if a := r.phone.last().Audio[0]; a != 0x2468 || got != 0x1234>>1 {
			t.Errorf("heard %#x, got %#x", a, got)
		}
		r.clean()
	})
}
