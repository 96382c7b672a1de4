package jitter

import (
	"math"
	"testing"
	"time"

	"sotto/board"
)

// TestNetworks holds what the buffer makes of a minute over each network: how much more
// sound is made up than was lost, and what delay that costs.
func TestNetworks(t *testing.T) {
	talk := func(t float64) bool { return math.Mod(t, 4) >= 3 }
	for _, c := range []struct {
		name  string
		net   network
		delay float64 // ms at most, mean
		more  float64 // share of the time made up beyond what was lost, at most
	}{
		{"clean", network{}, 35, 0},
		{"loss 1 %", network{loss: 0.01}, 35, 0.0005},
		{"loss 3 %", network{loss: 0.03}, 35, 0.0005},
		{"loss 5 %", network{loss: 0.05}, 35, 0.0005},
		{"loss 10 %", network{loss: 0.10}, 35, 0.001},
		{"loss 5 % in bursts", network{loss: 0.05, burst: 3}, 35, 0.001},
		{"loss 10 % in bursts", network{loss: 0.10, burst: 5}, 35, 0.001},
		{"jitter 10 ms", network{jitter: 10}, 45, 0},
		{"jitter 20 ms", network{jitter: 20}, 50, 0.0005},
		{"jitter 40 ms", network{jitter: 40}, 65, 0.001},
		{"jitter 80 ms", network{jitter: 80}, 110, 0.002},
		{"jitter 80 ms in order", network{jitter: 80, fifo: true}, 110, 0.002},
		{"5 % held back", network{swap: 0.05}, 55, 0.001},
		{"5 % twice", network{dup: 0.05}, 35, 0},
		{"all at once", network{loss: 0.05, jitter: 80, swap: 0.05, dup: 0.05, ppm: 100}, 135, 0.006},
		{"packets of 5 ms", network{ptime: 5, jitter: 20}, 50, 0.0005},
		{"packets of 60 ms", network{ptime: 60, jitter: 40}, 70, 0.002},
		{"packets of 200 ms", network{ptime: 200, jitter: 20}, 50, 0.004},
		{"pauses", network{jitter: 20, pause: talk}, 50, 0.001},
	} {
		const d = time.Minute
		c.net.sound = speech
		var delay, far, n float64
		b := c.net.run(t, d, 3, func(f int, b *Buffer, _ *board.Frame) {
			l := b.Stats().Delay.Seconds() * 1e3
			delay, n = delay+l, n+1
			far = math.Max(far, l)
		})
		s := b.Stats()
		ptime := 20 * ms
		if c.net.ptime > 0 {
			ptime = time.Duration(c.net.ptime) * ms
		}
		made := s.Concealed.Seconds() / d.Seconds()
		lost := float64(s.Lost) * ptime.Seconds() / d.Seconds()
		sent := s.Received - s.Duplicate + s.Lost
		burst := Burst(s.Lost+s.Late, s.Gaps, sent)
		t.Logf("%-22s delay %3.0f ms (%3.0f worst), target %v, lost %.2f %%, late %.2f %%, made up %.2f %% in %d gaps, slipped %v, spliced %v, MOS %.2f",
			c.name, delay/n, far, s.Target, 100*lost, 100*float64(s.Late)/float64(sent), 100*made, s.Gaps, s.Slipped.Round(ms), s.Spliced.Round(ms),
			MOS(float64(s.Lost+s.Late)/float64(sent), burst, time.Duration(delay/n*1e6)+50*ms))
		if delay/n > c.delay || made-lost > c.more || s.Overflowed != 0 || s.Discarded != 0 {
			t.Errorf("%s: delay %.1f ms, made up %.4f for %.4f lost: %+v", c.name, delay/n, made, lost, s)
		}
		if c.net.dup == 0 && s.Duplicate != 0 || c.net.pause == nil && s.Comforted != 0 {
			t.Errorf("%s: %+v", c.name, s)
		}
	}
}

// TestOutage: half a minute without a packet is noise at the background's level after 60 ms,
// and the sound is back with the first packet and the old delay.
func TestOutage(t *testing.T) {
	n := network{sound: tone(1000), outage: [2]time.Duration{20 * time.Second, 50 * time.Second}}
	back := 0
	b := n.run(t, time.Minute, 1, func(f int, b *Buffer, out *board.Frame) {
		p := power(out[:])
		switch at := time.Duration(f) * 10 * ms; {
		case at > 20150*ms && at < 50*time.Second && p > loudestFloor*1.6:
			t.Fatalf("%v: power %.0f in the outage", at, p)
		case at >= 50*time.Second && p > 4e7 && back == 0:
			back = f
		}
	})
	s := b.Stats()
	t.Logf("sound back after %d ms, %+v", back*10-50000, s)
	if back*10-50000 > 60 || s.Delay > 45*ms || s.Lost != 1500 || s.Gaps != 1 || s.Overflowed != 0 {
		t.Errorf("back at %d0 ms: %+v", back, s)
	}
}

// TestStandstill: when the network stands still and then brings all at once, up to 200 ms are
// heard late, more is dropped, and the delay comes down again.
func TestStandstill(t *testing.T) {
	for _, still := range []time.Duration{100 * ms, 200 * ms, 400 * ms, time.Second, 3 * time.Second} {
		for _, sound := range []func(float64) float64{tone(1000), speech} {
			b := New()
			var far, last time.Duration
			var held []func()
			seq := uint16(0)
			pcm := network{sound: sound}.codes(60 * 8000)
			var out board.Frame
			for f := range 6000 {
				at := time.Duration(f) * 10 * ms
				if f%2 == 0 {
					n, p := seq, pcm[int(seq)*160:][:160]
					seq++
					held = append(held, func() { b.Put(at, n, uint32(n)*160, false, 0, p) })
				}
				if at < 20*time.Second || at >= 20*time.Second+still {
					for _, put := range held {
						put()
					}
					held = held[:0]
				}
				b.Get(&out)
				if last = b.Stats().Delay; f > 100 {
					far = max(far, last)
				}
			}
			s := b.Stats()
			t.Logf("%v: delay %v worst, %v at the end, made up %v, dropped %v, spliced %v, slipped %v, not taken %d", still, far, last, s.Concealed, s.Overflowed, s.Spliced, s.Slipped, s.Discarded)
			if last > 60*ms || s.Overflowed > still || still <= 200*ms && s.Overflowed+time.Duration(s.Discarded) > 0 || s.Gaps > 3 {
				t.Errorf("%v: %+v", still, s)
			}
		}
	}
}

// TestSlowerWay: the way becomes 100 ms longer, and shorter again: one gap at most, and the
// delay follows.
func TestSlowerWay(t *testing.T) {
	b := New()
	pcm := network{sound: speech}.codes(120 * 8000)
	var wait []func()
	var due []time.Duration
	var out board.Frame
	seq := uint16(0)
	for f := range 12000 {
		at := time.Duration(f) * 10 * ms
		if f%2 == 0 {
			n, p := seq, pcm[int(seq)*160:][:160]
			seq++
			way := 5 * ms
			if f > 4000 && f < 8000 {
				way += 100 * ms
			}
			due = append(due, at+way)
			wait = append(wait, func() { b.Put(at+way, n, uint32(n)*160, false, 0, p) })
		}
		for i := 0; i < len(due); i++ {
			if due[i] <= at {
				wait[i]()
				wait, due = append(wait[:i:i], wait[i+1:]...), append(due[:i:i], due[i+1:]...)
				i--
			}
		}
		b.Get(&out)
		if f == 3999 || f == 7999 || f == 11999 {
			s := b.Stats()
			t.Logf("%v: %+v", at, s)
			if s.Delay > 70*ms || s.Gaps > 1 || s.Overflowed != 0 || s.Late != 0 {
				t.Errorf("%v: %+v", at, s)
			}
		}
	}
}

// TestConcealedQuality compares what is heard with what was said, and with silence in the
// place of what is missing.
func TestConcealedQuality(t *testing.T) {
	for _, c := range []struct {
		loss, gain float64 // dB better than silence at least
	}{{0.03, 3}, {0.05, 3}, {0.10, 1.5}} {
		var said, off, muted float64
		network{loss: c.loss, sound: speech}.run(t, 90*time.Second, 5, func(f int, b *Buffer, out *board.Frame) {
			if f < 4000 || b.line.moves() || b.line.frac != 0 {
				return // the delay moves at first
			}
			first := b.play - ahead - board.FrameLen - b.at + int64(int32(b.ts-(math.MaxUint32-90000)))
			for k, v := range out {
				s := speech(float64(first+int64(k)) / 8000)
				e := s - float64(v)
				said, off = said+s*s, off+e*e
				if b.inGap {
					e = s
				}
				muted += e * e
			}
		})
		got, mute := 10*math.Log10(said/off), 10*math.Log10(said/muted)
		t.Logf("loss %2.0f %%: %.1f dB from what was said, silence would be %.1f dB", 100*c.loss, got, mute)
		if got < mute+c.gain {
			t.Errorf("loss %v: %.1f dB, silence %.1f dB", c.loss, got, mute)
		}
	}
}
