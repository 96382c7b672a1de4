package jitter

import (
	"math"
	"testing"
)

// TestFractions holds the filters to the delays that they stand for, in the telephone band.
func TestFractions(t *testing.T) {
	var worst, late float64
	for s, h := range fractions {
		for hz := 0.0; hz <= 3000; hz += 50 {
			w := 2 * math.Pi * hz / 8000
			var re, im float64
			for i, v := range h {
				re += float64(v) * math.Cos(w*float64(i-(ahead-1)))
				im += float64(v) * math.Sin(w*float64(i-(ahead-1)))
			}
			worst = math.Max(worst, math.Abs(20*math.Log10(math.Hypot(re, im))))
			if hz > 0 {
				late = math.Max(late, math.Abs(math.Atan2(im, re)/w-float64(s)/steps))
			}
		}
	}
	t.Logf("up to 3 kHz: %.3f dB, %.4f samples off", worst, late)
	if worst > 0.1 || late > 0.005 {
		t.Errorf("%.3f dB, %.4f samples off", worst, late)
	}
	for _, s := range []int{0, steps} {
		for i, v := range fractions[s] {
			if want := i == ahead-1+s/steps; math.Abs(float64(v)-map[bool]float64{true: 1}[want]) > 1e-6 {
				t.Errorf("filter %d, tap %d: %v", s, i, v)
			}
		}
	}
}
