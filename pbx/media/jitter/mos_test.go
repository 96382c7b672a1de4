package jitter

import (
	"math"
	"testing"
	"time"
)

func TestMOS(t *testing.T) {
	// G.107 annex B, table B.1 gives R and MOS for the limits of its classes.
	for _, c := range []struct{ r, mos float64 }{{93.2, 4.41}, {90, 4.34}, {80, 4.03}, {70, 3.60}, {60, 3.10}, {50, 2.58}, {0, 1}, {-5, 1}, {100, 4.5}} {
		if got := mos(c.r); math.Abs(got-c.mos) > 0.01 {
			t.Errorf("R %.1f: MOS %.3f, want %.2f", c.r, got, c.mos)
		}
	}
	for _, c := range []struct {
		loss, burst float64
		delay       time.Duration
		r, within   float64
	}{
		{0, 1, 0, 93.2, 0.05},
		{0.01, 1, 0, 93.2 - 95/26.1, 0.05}, // by the formula: 95·1/(1+25.1)
		{0.05, 1, 0, 93.2 - 95*5/30.1, 0.05},
		{0.05, 2, 0, 93.2 - 95*5/27.6, 0.05},
		// The well-known fit to the delay, 0.024 a ms and 0.11 more beyond 177.3 ms.
		{0, 1, 150 * time.Millisecond, 93.2 - 3.6, 2},
		{0, 1, 250 * time.Millisecond, 93.2 - 14, 4},
		{0, 1, 400 * time.Millisecond, 93.2 - 34.1, 4},
		{1, 1, 0, 93.2 - 9500/125.1, 0.05},
		{-1, 0, -time.Second, 93.2, 0.05},
	} {
		if got := Rating(c.loss, c.burst, c.delay); math.Abs(got-c.r) > c.within {
			t.Errorf("loss %v, burst %v, delay %v: R %.2f, want %.2f", c.loss, c.burst, c.delay, got, c.r)
		}
	}
	for d, was := time.Duration(0), 94.0; d < 2*time.Second; d += 5 * time.Millisecond {
		r := Rating(0, 1, d)
		if r > was+1e-9 {
			t.Fatalf("R grows with the delay at %v", d)
		}
		was = r
	}
	if got := Burst(30, 10, 1000); math.Abs(got-3*0.97) > 1e-9 {
		t.Errorf("burst ratio %v", got)
	}
	for _, c := range [][3]uint64{{0, 0, 0}, {5, 0, 10}, {10, 1, 10}, {1, 5, 100}} {
		if got := Burst(c[0], c[1], c[2]); got != 1 {
			t.Errorf("burst ratio of %v: %v", c, got)
		}
	}
}
