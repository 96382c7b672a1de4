package jitter

import (
	"flag"
	"math"
	"testing"
	"time"

	"sotto/board"
)

var soak = flag.Bool("soak", false, "three hours of drift instead of one")

// TestDriftHour holds an hour of a tone against clocks that differ: the notch lets only
// noise of the code and seams through, the phase of each frame shows any jump, and no
// sound is made up.
func TestDriftHour(t *testing.T) {
	d := 5 * time.Minute
	if *soak {
		d = 3 * time.Hour
	} else if !testing.Short() {
		d = time.Hour
	}
	const hz = 1004
	w := 2 * math.Pi * hz / 8000.
	for _, c := range []struct{ ppm, jitter float64 }{{100, 0}, {-100, 0}, {20, 0}, {-20, 0}, {100, 10}, {-100, 10}, {0, 0}} {
		var x1, x2, seam, turn, was, low, high float64
		low = 1e9
		d := d
		if c.ppm != 100 && c.ppm != -100 {
			d /= 4
		}
		b := network{ppm: c.ppm, jitter: c.jitter, sound: tone(hz)}.run(t, d, 1, func(f int, b *Buffer, out *board.Frame) {
			var re, im float64
			s, cs := math.Sincos(w)
			zr, zi := math.Cos(w*float64(f%2000*80)), math.Sin(w*float64(f%2000*80))
			for _, v := range out {
				x := float64(v)
				if f > 100 {
					seam = math.Max(seam, math.Abs(x-2*cs*x1+x2))
				}
				x2, x1 = x1, x
				re += x * zr
				im += x * zi
				zr, zi = zr*cs-zi*s, zr*s+zi*cs
			}
			p := math.Atan2(im, re)
			if f > 100 {
				turn = math.Max(turn, math.Abs(math.Remainder(p-was, 2*math.Pi)))
				lag := float64(b.Stats().Delay) / 1e6
				low, high = math.Min(low, lag), math.Max(high, lag)
			}
			was = p
		})
		s := b.Stats()
		t.Logf("%+4.0f ppm, jitter %2.0f ms, %v: seam %.3f of the amplitude, phase step %.2f°, delay %.1f to %.1f ms, slipped %v, spliced %v, concealed %v",
			c.ppm, c.jitter, d, seam/10000, turn*180/math.Pi, low, high, s.Slipped, s.Spliced, s.Concealed)
		if s.Concealed != 0 || s.Gaps != 0 || s.Spliced != 0 || s.Late != 0 || s.Overflowed != 0 {
			t.Errorf("%+v ppm: made up or cut: %+v", c.ppm, s)
		}
		if seam > 0.1*10000 || turn > 3*math.Pi/180 {
			t.Errorf("%+v ppm: seam %.0f, phase step %.3f rad", c.ppm, seam, turn)
		}
		if low < 9 || high > 50 {
			t.Errorf("%+v ppm: delay %.1f to %.1f ms", c.ppm, low, high)
		}
	}
}
