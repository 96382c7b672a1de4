package display

import (
	"math"
	"time"

	"sotto/board"
)

// pitches are the rows and columns of DTMF (ITU-T Q.23) and the two tones of the DT-AS.
var pitches = [10]float64{697, 770, 852, 941, 1209, 1336, 1477, 1633, 2130, 2750}

// signs are the keys, by row and column.
const signs = "123A456B789C*0#D"

// dualTone stands for the DT-AS among the signs; 0 for none.
const dualTone = 'T'

const (
	window = 2 * board.FrameLen
	// pure is the part of the window's energy that the two tones must hold; less than
	// what 1 % of detuning leaves of DTMF, and 0.6 % of the DT-AS (the tightest of SIN
	// 227). A tone is seen from when it fills that part of the window.
	pure = 0.65
	// twist is the most that one tone may have more energy than the other: 10 dB.
	twist = 10
)

// waves holds the ten pitches over a frame, and how far each turns in one.
var waves, turns = func() (w [len(pitches)][board.FrameLen][2]float32, t [len(pitches)]complex64) {
	for i, hz := range pitches {
		for k := range w[i] {
			s, c := math.Sincos(2 * math.Pi * hz * float64(k) / board.SampleRate)
			w[i][k] = [2]float32{float32(c), float32(-s)}
		}
		s, c := math.Sincos(2 * math.Pi * hz * board.FrameLen / board.SampleRate)
		t[i] = complex(float32(c), float32(-s))
	}
	return w, t
}()

// tones looks for pairs of tones in a window of two frames, one frame at a time.
type tones struct {
	part   [len(pitches)]complex64 // of the frame before
	energy float32
}

// hear gives the sign that fills the last two frames, 0 for none.
func (t *tones) hear(f *board.Frame) byte {
	var energy float32
	for _, v := range f {
		energy += float32(v) * float32(v)
	}
	all := energy + t.energy
	t.energy = energy
	var e [len(pitches)]float32
	for i := range waves {
		var re, im float32
		for k, w := range &waves[i] {
			re += float32(f[k]) * w[0]
			im += float32(f[k]) * w[1]
		}
		now := complex(re, im)
		x := t.part[i] + turns[i]*now
		t.part[i] = now
		e[i] = (real(x)*real(x) + imag(x)*imag(x)) * 2 / window
	}
	if all < window*silentPeak*silentPeak/2 {
		return 0
	}
	lo, hi := loudest(e[:4]), 4+loudest(e[4:8])
	switch {
	case pair(e[lo], e[hi], all):
		return signs[lo*4+hi-4]
	case pair(e[8], e[9], all):
		return dualTone
	}
	return 0
}

func loudest(e []float32) int {
	k := 0
	for i := range e {
		if e[i] > e[k] {
			k = i
		}
	}
	return k
}

func pair(a, b, all float32) bool { return a+b > pure*all && a < twist*b && b < twist*a }

// alert keeps the last DT-AS.
type alert struct {
	frames int   // windows that held it
	end    int64 // sample at which it ended
	on     bool
}

// hear takes the sign of the frame that begins at sample n.
func (a *alert) hear(sign byte, n int64) {
	switch {
	case sign != dualTone:
		a.on = false
	case !a.on:
		a.on, a.frames, a.end = true, 0, 0
		fallthrough
	default:
		a.frames++
		// The last window seen ends up to a frame before it would be seen no more.
		a.end = n + board.FrameLen*3/2 - window*(1-pure)
	}
}

// before gives the length of the alert before a carrier or a digit, and the gap between.
func (a *alert) before(seizure int, carrier, digit int64) (length, gap time.Duration) {
	if a.frames < 5 {
		return 0, 0
	}
	begin := digit
	if seizure > 0 {
		begin = carrier
	}
	const sample = time.Second / board.SampleRate
	// A tone of n samples is seen by the windows of which it fills the pure part: so
	// many begin in n + window*(1-2*pure) samples.
	n := a.frames*board.FrameLen - int(window*(1-2*pure))
	if gap = time.Duration(begin-a.end) * sample; gap < 0 || gap > time.Second {
		return 0, 0
	}
	return time.Duration(n) * sample, gap
}
