package dtmf

import (
	"math"

	"sotto/board"
)

// A window is 10 ms of filtered signal under a Hann shape, and a new one is taken every
// 5 ms, a hop. The Hann shape keeps the groups apart (32 dB and more) at the price of a
// main lobe 200 Hz to either side, far wider than the distance between two rows: which
// row it is, and how far off, is told by the turning of the phase from hop to hop.
const (
	hop    = board.FrameLen / 2
	window = 2 * hop
)

// windowState is what one window left behind.
type windowState struct {
	re, im [8]float32 // correlation with the nominal frequencies, phase at the window's centre
	energy float32    // under the squared Hann shape
	pass   float32    // energy of the newest hop after the filter
	low    float32    // energy of the newest hop that the filter's notches took out
	digit  int8       // what it looks like: index into Digits, or -1
}

// share turns the squared correlation of a sine into its energy in the window.
const share = 15.0 / (20 * 20)

// sineEnergy is the windowed energy of a sine of level dBm0.
func sineEnergy(dBm0 float64) float64 {
	a := board.Amplitude(dBm0)
	return 15 * a * a
}

// The tables are of the half of the window that begins at its centre: the window is
// folded there, its even part goes with the cosines, its odd part with the sines.
var (
	cosTable, sinTable [hop][8]float32 // with the Hann shape
	shapeTable         [hop]float32    // the Hann shape squared, halved for the folding
	turnRe, turnIm     [8]float64      // by how much the phase of each frequency turns back in a hop
)

func init() {
	for i := range hop {
		w := 0.5 + 0.5*math.Cos(2*math.Pi*float64(i)/window)
		shapeTable[i] = float32(w * w / 2)
		for k, hz := range frequencies {
			s, c := math.Sincos(2 * math.Pi * hz / board.SampleRate * float64(i))
			cosTable[i][k], sinTable[i][k] = float32(w*c), float32(w*s)
		}
	}
	for k, hz := range frequencies {
		s, c := math.Sincos(2 * math.Pi * hz / board.SampleRate * hop)
		turnRe[k], turnIm[k] = c, -s
	}
}

// measure fills w from the last two hops. The window's centre is the first sample of the
// newer one.
func (w *windowState) measure(older, newer *[hop]float32) {
	var even, odd [hop]float32
	even[0] = newer[0]
	energy := newer[0] * newer[0]
	for i := 1; i < hop; i++ {
		a, b := newer[i], older[hop-i]
		even[i], odd[i] = a+b, a-b
		energy += shapeTable[i] * (even[i]*even[i] + odd[i]*odd[i])
	}
	w.energy = energy
	w.re = correlate(&even, &cosTable)
	w.im = correlate(&odd, &sinTable)
	for k := range w.im {
		w.im[k] = -w.im[k]
	}
	w.pass = 0
	for _, v := range newer {
		w.pass += v * v
	}
}

// correlate has its eight sums in variables of their own so that they stay in registers.
func correlate(x *[hop]float32, table *[hop][8]float32) [8]float32 {
	var s0, s1, s2, s3, s4, s5, s6, s7 float32
	for i, v := range x {
		t := &table[i]
		s0 += v * t[0]
		s1 += v * t[1]
		s2 += v * t[2]
		s3 += v * t[3]
		s4 += v * t[4]
		s5 += v * t[5]
		s6 += v * t[6]
		s7 += v * t[7]
	}
	return [8]float32{s0, s1, s2, s3, s4, s5, s6, s7}
}

// power is the energy of a sine near frequency k in the window.
func (w *windowState) power(k int) float32 {
	return share * (w.re[k]*w.re[k] + w.im[k]*w.im[k])
}

// look says which digit the window looks like by itself, -1 if none: a row and a column
// strong enough, of levels near each other, that are most of what is there.
func (w *windowState) look() int8 {
	if w.energy < 2*minEnergy {
		return -1
	}
	row, low := 0, w.power(0)
	for k := 1; k < 4; k++ {
		if p := w.power(k); p > low {
			row, low = k, p
		}
	}
	col, high := 4, w.power(4)
	for k := 5; k < 8; k++ {
		if p := w.power(k); p > high {
			col, high = k, p
		}
	}
	if low < minEnergy || high < minEnergy || low > high*float32(lowStronger*looser) || high > low*float32(highStronger*looser) || low+high < windowShare*w.energy {
		return -1
	}
	return int8(4*row + col - 4)
}
