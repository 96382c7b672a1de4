package si3050

import (
	"fmt"
	"testing"
	"time"

	"sotto/board"
	"sotto/board/chipsim"
	"sotto/board/sim/exchange"
)

const ms = time.Millisecond

// TestSeizeTiming: silence both ways for 402.75 ms after going off hook, then every
// sample as it was sent.
func TestSeizeTiming(t *testing.T) {
	for _, side := range []chipsim.LineSide{chipsim.Si3018, chipsim.Si3019} {
		t.Run(fmt.Sprint(side), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				co := us
				co.DialTone = exchange.Tone{}
				r := newRig(t, side, Config{}, co).up()
				ramp := make([]int16, 8000)
				for i := range ramp {
					ramp[i] = int16(i + 1)
				}
				r.line.Send(ramp)
				for i := range board.FrameLen {
					r.out[i*chipsim.Slots+testSlot] = 1000
				}
				r.set(board.Seize)
				begin := time.Now()
				last, heard := int16(0), -1
				for n := range 60 {
					now := time.Now()
					r.run(10 * ms)
					if ready := r.chip.VoiceReady(now); ready != (now.Sub(begin) >= 402750*time.Microsecond) {
						t.Fatalf("VoiceReady is %t after %v", ready, now.Sub(begin))
					}
					for i := range board.FrameLen {
						v := r.in[i*chipsim.Slots+testSlot]
						if v != 0 && heard < 0 {
							heard = n*board.FrameLen + i
						}
						if side == chipsim.Si3019 && heard >= 0 && last != 0 && v != last+1 {
							t.Fatalf("sample %d after %d", v, last)
						}
						last = v
					}
				}
				// The frame in which the hook was written began with it.
				if want := 3222; heard != want {
					t.Errorf("first sample heard after %d, want %d", heard, want)
				}
				got := r.line.Heard(200 * ms)
				open := 0
				for _, v := range got {
					if v >= 999 && v <= 1001 {
						open++
					}
				}
				if want := 1600 - max(0, 3222-(60*80-1600)); open != want {
					t.Errorf("exchange heard %d samples, want %d", open, want)
				}
				r.take()
				r.clean()
			})
		})
	}
}

func TestSeizeHearsDialTone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, chipsim.Si3019, Config{}, us).up()
		r.set(board.Seize)
		r.set(board.Seize)
		r.run(500 * ms)
		got := make([]int16, 0, 800)
		for range 10 {
			r.run(10 * ms)
			for i := range board.FrameLen {
				got = append(got, r.in[i*chipsim.Slots+testSlot])
			}
		}
		for _, hz := range []float64{350, 440} {
			if l := exchange.Level(got, hz); l < -13.1 || l > -12.9 {
				t.Errorf("%v Hz at %.2f dBm0, want -13", hz, l)
			}
		}
		m, err := r.chip.Measure()
		if err != nil || m.Milliamps > -23 || m.Milliamps < -26 || !m.OffHook || m.Volts > -5 || m.Volts < -8 {
			t.Errorf("Measure: %+v, %v", m, err)
		}
		if r.daa.Register(17)&0x08 == 0 {
			t.Error("overload protection is off")
		}
		r.set(board.Release)
		r.run(time.Second)
		if r.line.State() != exchange.Idle || r.daa.Register(17)&0x08 != 0 {
			t.Error("not released")
		}
		r.set(board.Seize)
		r.run(time.Second)
		r.take()
		r.clean()
	})
}

// TestRing: each ring once, with its true times, at every way to poll.
func TestRing(t *testing.T) {
	for _, c := range []struct {
		name    string
		ring    exchange.Ringing
		cfg     Config
		on, off time.Duration // of one ring as reported
	}{
		{"US", exchange.Ringing{Hz: 20, Vrms: 85, Cadence: []time.Duration{2000 * ms, 4000 * ms}}, Config{}, 2000 * ms, 4000 * ms},
		{"US weak", exchange.Ringing{Hz: 20, Vrms: 20, Cadence: []time.Duration{2000 * ms, 4000 * ms}}, Config{}, 2000 * ms, 4000 * ms},
		{"GB", exchange.Ringing{Hz: 25, Vrms: 60, Cadence: []time.Duration{400 * ms, 200 * ms, 400 * ms, 2000 * ms}}, Config{}, 1000 * ms, 2000 * ms},
		{"GB apart", exchange.Ringing{Hz: 25, Vrms: 60, Cadence: []time.Duration{400 * ms, 600 * ms}}, Config{RingTimeout: 256 * ms}, 400 * ms, 600 * ms},
		{"JP", exchange.Ringing{Hz: 16, Vrms: 75, Cadence: []time.Duration{1000 * ms, 2000 * ms}}, Config{}, 1000 * ms, 2000 * ms},
		{"JP caller ID", exchange.Ringing{Hz: 16, Vrms: 75, Cadence: []time.Duration{500 * ms, 500 * ms}}, Config{RingTimeout: 256 * ms}, 500 * ms, 500 * ms},
		{"FR", exchange.Ringing{Hz: 50, Vrms: 80, Cadence: []time.Duration{1500 * ms, 3500 * ms}}, Config{}, 1500 * ms, 3500 * ms},
	} {
		for every := 1; every <= 2; every++ {
			for _, side := range []chipsim.LineSide{chipsim.Si3018, chipsim.Si3019} {
				t.Run(fmt.Sprintf("%s/%d/%d", c.name, every, side), func(t *testing.T) {
					bubble(t, func(t *testing.T) {
						co := us
						co.Ring = c.ring
						r := newRig(t, side, c.cfg, co)
						r.every = every
						r.up()
						begin := time.Now()
						r.line.Call(exchange.Voice{})
						r.run(3 * (c.on + c.off))
						r.line.Abandon()
						r.run(3 * time.Second)
						got := r.take(board.RingOn, board.RingOff, board.RingOn, board.RingOff, board.RingOn, board.RingOff)
						for i := range 3 {
							at := begin.Add(time.Duration(i) * (c.on + c.off))
							near(t, "ring on", got[2*i].At, at, 65*ms)
							near(t, "ring off", got[2*i+1].At, at.Add(c.on-35*ms), 70*ms)
						}
						r.clean()
					})
				})
			}
		}
	}
}

func TestRingAnswered(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, chipsim.Si3019, Config{}, us).up()
		r.line.Call(exchange.Voice{Hz: 1000, Level: -10})
		r.run(time.Second)
		r.take(board.RingOn)
		r.set(board.Seize)
		at := time.Now()
		r.run(2 * time.Second)
		off := r.take(board.RingOff)
		near(t, "ring off", off[0].At, at, 0)
		if r.line.State() != exchange.Talking {
			t.Error("not answered")
		}
		r.clean()
	})
}

// TestNoRing: what is not to be taken for a ring.
func TestNoRing(t *testing.T) {
	for _, ring := range []exchange.Ringing{
		{Hz: 20, Vrms: 12, Cadence: []time.Duration{2000 * ms, 1000 * ms}},  // too weak
		{Hz: 150, Vrms: 85, Cadence: []time.Duration{2000 * ms, 1000 * ms}}, // too fast
		{Hz: 6, Vrms: 85, Cadence: []time.Duration{2000 * ms, 1000 * ms}},   // too slow
		{Hz: 20, Vrms: 85, Cadence: []time.Duration{180 * ms, 250 * ms}},    // too short
	} {
		bubble(t, func(t *testing.T) {
			co := us
			co.Ring = ring
			r := newRig(t, chipsim.Si3019, Config{}, co).up()
			r.line.Call(exchange.Voice{})
			r.run(6 * time.Second)
			r.line.Abandon()
			r.run(time.Second)
			r.take()
			r.clean()
		})
	}
}

// TestReversal: one event with the time of the turn, on hook and off, and no ring.
func TestReversal(t *testing.T) {
	for every := 1; every <= 2; every++ {
		for _, side := range []chipsim.LineSide{chipsim.Si3018, chipsim.Si3019} {
			if side == chipsim.Si3018 && every > 1 {
				continue // it shows for too short a time
			}
			t.Run(fmt.Sprintf("%d/%d", side, every), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					r := newRig(t, side, Config{}, us)
					r.every = every
					r.up()
					for range 2 {
						at := time.Now()
						r.line.Reverse()
						r.run(2 * time.Second)
						got := r.take(board.PolarityReversed)
						near(t, "reversal", got[0].At, at, 20*ms)
					}
					r.set(board.Seize)
					r.run(time.Second)
					if side == chipsim.Si3018 {
						return
					}
					at := time.Now()
					r.line.Reverse()
					r.run(time.Second)
					got := r.take(board.PolarityReversed)
					near(t, "reversal", got[0].At, at, 20*ms)
					r.clean()
				})
			})
		}
	}
}

// TestReversalThenRing is the British order: reversal, then ringing.
func TestReversalThenRing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, chipsim.Si3019, Config{}, us).up()
		r.line.Reverse()
		r.run(600 * ms)
		r.line.Call(exchange.Voice{})
		r.run(4 * time.Second)
		r.take(board.PolarityReversed, board.RingOn, board.RingOff)
		r.clean()
	})
}

func TestCurrent(t *testing.T) {
	for _, c := range []struct {
		length time.Duration
		every  int
		seen   bool
	}{
		{10 * ms, 1, false}, {20 * ms, 1, false}, {20 * ms, 2, false},
		{80 * ms, 1, true}, {80 * ms, 2, true}, {250 * ms, 1, true}, {250 * ms, 2, true}, {900 * ms, 1, true},
	} {
		for _, side := range []chipsim.LineSide{chipsim.Si3018, chipsim.Si3019} {
			t.Run(fmt.Sprintf("%v/%d/%d", c.length, c.every, side), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					r := newRig(t, side, Config{}, us)
					r.every = c.every
					r.up()
					r.set(board.Seize)
					r.run(time.Second)
					at := time.Now()
					r.line.Break(c.length)
					r.run(2 * time.Second)
					if !c.seen {
						r.take()
						return
					}
					got := r.take(board.CurrentLost, board.CurrentBack)
					near(t, "current lost", got[0].At, at, 20*ms)
					near(t, "current back", got[1].At, at.Add(c.length), 20*ms)
					r.clean()
				})
			})
		}
	}
}

// TestLongLine: a current below the least that the chip measures is a current.
func TestLongLine(t *testing.T) {
	bubble(t, func(t *testing.T) {
		co := us
		co.Milliamps = 8
		r := newRig(t, chipsim.Si3019, Config{}, co).up()
		r.set(board.Seize)
		r.run(2 * time.Second)
		r.take()
		r.line.Break(300 * ms)
		r.run(time.Second)
		r.take(board.CurrentLost, board.CurrentBack)
		r.clean()
	})
}

// TestSeizeDeadLine: nobody feeds the line that is seized.
func TestSeizeDeadLine(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, chipsim.Si3019, Config{}, us).up()
		r.line.Cut(true)
		r.set(board.Seize)
		at := time.Now()
		r.run(time.Second)
		got := r.take(board.CurrentLost)
		near(t, "current lost", got[0].At, at.Add(hookSettle), 20*ms)
		r.line.Cut(false)
		r.run(time.Second)
		r.take(board.CurrentBack)
		r.clean()
	})
}

func TestLineMissing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, chipsim.Si3019, Config{}, us).up()
		r.line.Break(900 * ms) // a line test
		r.run(3 * time.Second)
		r.take()
		at := time.Now()
		r.line.Cut(true)
		r.run(time.Second)
		r.take()
		r.run(100 * ms)
		near(t, "missing", r.take(board.LineMissing)[0].At, at, 20*ms)
		r.run(5 * time.Second)
		at = time.Now()
		r.line.Cut(false)
		r.run(time.Second)
		near(t, "present", r.take(board.LinePresent)[0].At, at, 20*ms)
		r.clean()
	})
}

func TestLineInUse(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, chipsim.Si3019, Config{}, us).up()
		at := time.Now()
		r.line.OtherSet(true)
		r.run(time.Second)
		near(t, "in use", r.take(board.LineInUse)[0].At, at, 40*ms)
		if m, err := r.chip.Measure(); err != nil || !m.OffHook || m.Volts != -8 {
			t.Errorf("Measure: %+v, %v", m, err)
		}
		at = time.Now()
		r.line.OtherSet(false)
		r.run(time.Second)
		near(t, "free", r.take(board.LineFree)[0].At, at, 20*ms)

		r.line.OtherSet(true)
		r.run(time.Second)
		r.line.Cut(true)
		r.run(2 * time.Second)
		r.take(board.LineInUse, board.LineFree, board.LineMissing)
		r.clean()
	})
}

// TestIdleDay: a quiet line says nothing, through a call of each kind in between.
func TestIdleDay(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, chipsim.Si3019, Config{Watchdog: true}, us).up()
		for range 3 {
			r.run(30 * time.Second)
			r.set(board.Seize)
			r.run(10 * time.Second)
			r.set(board.Release)
		}
		r.run(30 * time.Second)
		r.take()
		if s := r.chip.Stats(); s != (Stats{}) {
			t.Errorf("stats: %+v", s)
		}
		r.clean()
	})
}

// TestRingAtTheEdges: a lone short burst, and the ends of the range of frequencies.
func TestRingAtTheEdges(t *testing.T) {
	for _, hz := range []float64{15, 17, 25, 50, 68} {
		for _, burst := range []time.Duration{400 * ms, 2000 * ms} {
			bubble(t, func(t *testing.T) {
				co := us
				co.Ring = exchange.Ringing{Hz: hz, Vrms: 60, Cadence: []time.Duration{burst, time.Hour}}
				r := newRig(t, chipsim.Si3019, Config{}, co).up()
				r.every = 2
				begin := time.Now()
				r.line.Call(exchange.Voice{})
				r.run(4 * time.Second)
				e := r.take(board.RingOn, board.RingOff)
				near(t, fmt.Sprintf("%g Hz, %v: RingOn", hz, burst), e[0].At, begin, 70*ms)
				near(t, fmt.Sprintf("%g Hz, %v: RingOff", hz, burst), e[1].At, begin.Add(burst-70*ms), 100*ms)
				r.clean()
			})
		}
	}
}

// TestGlare: a ring that begins up to 300 ms before the line is seized, and that the chip
// had no time to confirm, is told; a reversal as short before is none.
func TestGlare(t *testing.T) {
	for _, side := range []chipsim.LineSide{chipsim.Si3018, chipsim.Si3019} {
		for _, hz := range []float64{15, 20, 25, 47, 68} {
			for lead := 60 * ms; lead <= 320*ms; lead += 20 * ms {
				bubble(t, func(t *testing.T) {
					co := us
					co.Ring = exchange.Ringing{Hz: hz, Vrms: 70, Cadence: []time.Duration{2000 * ms, 4000 * ms}}
					r := newRig(t, side, Config{}, co).up()
					r.every = 2
					begin := time.Now()
					r.line.Call(exchange.Voice{})
					r.run(lead)
					seized := time.Now()
					r.set(board.Seize)
					r.run(time.Second)
					e := r.take(board.RingOn, board.RingOff)
					near(t, fmt.Sprintf("%g Hz, seized after %v: RingOn", hz, lead), e[0].At, begin, 80*ms)
					if e[1].At != seized {
						t.Errorf("RingOff at %v, seized at %v", e[1].At, seized)
					}
					r.clean()
				})
			}
		}
	}
	for lead := 10 * ms; lead <= 200*ms; lead += 10 * ms {
		bubble(t, func(t *testing.T) {
			r := newRig(t, chipsim.Si3019, Config{}, us).up()
			r.line.Reverse()
			r.run(lead)
			r.set(board.Seize)
			r.run(time.Second)
			for _, e := range r.events {
				if e.Kind == board.RingOn {
					t.Errorf("a reversal %v before is taken for ringing", lead)
				}
			}
			r.clean()
		})
	}
}
