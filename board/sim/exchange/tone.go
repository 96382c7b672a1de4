package exchange

import (
	"math"
	"time"

	"sotto/board"
)

// position gives the index of the cadence's element in which sample n lies and the
// number of whole turns before it. No cadence is one endless element.
func position(cadence []time.Duration, n int64) (element, turns int) {
	var total int64
	for _, d := range cadence {
		total += samplesOf(d)
	}
	if total == 0 {
		return 0, 0
	}
	turns = int(n / total)
	n %= total
	for i, d := range cadence {
		if n -= samplesOf(d); n < 0 {
			return i, turns
		}
	}
	return 0, turns
}

func samplesOf(d time.Duration) int64 { return int64(d * board.SampleRate / time.Second) }

// sounding tells whether a tone sounds at sample n.
func sounding(cadence []time.Duration, n int64) bool {
	i, _ := position(cadence, n)
	return i%2 == 0
}

// bursts gives the number of whole turns of a cadence that are over with their last
// sound at sample n: the rings that a caller has heard. A steady tone counts one a second.
func bursts(cadence []time.Duration, n int64) int {
	if len(cadence) == 0 {
		return int(n / board.SampleRate)
	}
	i, turns := position(cadence, n)
	if last := (len(cadence) - 1) &^ 1; i > last {
		turns++
	}
	return turns
}

// sine adds a sine to f and gives the phase with which it goes on.
func sine(f *board.Frame, phase, hz, peak float64) float64 {
	step := 2 * math.Pi * hz / board.SampleRate
	for i := range f {
		f[i] = add(f[i], peak*math.Sin(phase))
		phase += step
	}
	return math.Mod(phase, 2*math.Pi)
}

func add(v int16, x float64) int16 {
	return int16(max(-32768, min(32767, float64(v)+math.Round(x))))
}

// Level gives the level in dBm0 of the frequency hz in samples (Goertzel's algorithm);
// minus infinity is silence.
func Level(samples []int16, hz float64) float64 {
	if len(samples) == 0 {
		return math.Inf(-1)
	}
	var g goertzel
	g.tune(hz)
	for _, v := range samples {
		g.add(float64(v))
	}
	n := float64(len(samples))
	return board.Level(math.Sqrt(2*max(0, g.power())) / n)
}

// goertzel measures one frequency.
type goertzel struct{ coeff, s1, s2 float64 }

func (g *goertzel) tune(hz float64) {
	*g = goertzel{coeff: 2 * math.Cos(2*math.Pi*hz/board.SampleRate)}
}

func (g *goertzel) add(x float64) {
	g.s1, g.s2 = x+g.coeff*g.s1-g.s2, g.s1
}

// power gives the squared magnitude of the bin: (peak·n/2)² for a sine of n samples.
func (g *goertzel) power() float64 {
	return g.s1*g.s1 + g.s2*g.s2 - g.coeff*g.s1*g.s2
}
