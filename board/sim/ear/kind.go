package ear

import (
	"math"
	"slices"

	"sotto/board"
)

// kind is a set of frequencies that sound together, with an orthonormal basis of the
// space that their sines of any phase and level span over one window.
type kind struct {
	freqs []float64
	basis [][window]float32
	digit string // of a DTMF pair
}

// fits is the share of a window's energy that a kind must explain. A sine 3 Hz off
// still does; one of a beating pair never.
const fits = 0.95

func newKind(freqs []float64) kind {
	k := kind{freqs: freqs}
	var cols [][window]float64
	for _, f := range freqs {
		for _, phase := range []float64{0, math.Pi / 2} {
			var c [window]float64
			for i := range c {
				c[i] = math.Cos(2*math.Pi*f*float64(i)/board.SampleRate + phase)
			}
			before := dot(&c, &c)
			for range 2 { // Gram-Schmidt, twice for the sake of close frequencies
				for j := range cols {
					p := dot(&c, &cols[j])
					for i := range c {
						c[i] -= p * cols[j][i]
					}
				}
			}
			after := dot(&c, &c)
			if after < 1e-6*before {
				continue
			}
			for i := range c {
				c[i] /= math.Sqrt(after)
			}
			cols = append(cols, c)
		}
	}
	for _, c := range cols {
		var b [window]float32
		for i := range c {
			b[i] = float32(c[i])
		}
		k.basis = append(k.basis, b)
	}
	return k
}

func dot(a, b *[window]float64) (s float64) {
	for i := range a {
		s += a[i] * b[i]
	}
	return s
}

// kindOf gives the index of the kind of freqs, a new one if need be.
func (e *Ear) kindOf(freqs []float64) int {
	f := slices.Clone(freqs)
	slices.Sort(f)
	for i, k := range e.kinds {
		if slices.EqualFunc(k.freqs, f, func(a, b float64) bool { return math.Abs(a-b) < 1 }) {
			return i
		}
	}
	e.kinds = append(e.kinds, newKind(f))
	return len(e.kinds) - 1
}

// addDigits adds the sixteen DTMF pairs (ITU-T Q.23).
func (e *Ear) addDigits() {
	e.digits = len(e.kinds)
	for r, low := range []float64{697, 770, 852, 941} {
		for c, high := range []float64{1209, 1336, 1477, 1633} {
			k := newKind([]float64{low, high})
			k.digit = "123A456B789C*0#D"[4*r+c : 4*r+c+1]
			e.kinds = append(e.kinds, k)
		}
	}
}

// none is what classify gives for a window that no kind fits.
const none = -1

// classify tells the kind of the last window of y: of those with the fewest
// frequencies that fit, the best. It also gives the window's energy.
func (e *Ear) classify() (int, float64) {
	y := (*[window]float32)(e.y[board.FrameLen:])
	var total float32
	for _, v := range y {
		total += v * v
	}
	best, bestFit, bestLen := none, float32(fits)*total, math.MaxInt
	for i := range e.kinds {
		k := &e.kinds[i]
		if len(k.freqs) > bestLen || i >= e.digits && best != none && best < e.digits {
			continue
		}
		var sum, first float32
		for b := range k.basis {
			var s0, s1 float32
			c := &k.basis[b]
			for j := 0; j < window; j += 2 {
				s0 += c[j] * y[j]
				s1 += c[j+1] * y[j+1]
			}
			sum += (s0 + s1) * (s0 + s1)
			if b == 1 {
				first = sum
			}
		}
		if k.digit != "" && (first < 0.05*sum || sum-first < 0.05*sum) {
			continue // one sine alone is no digit
		}
		if sum >= bestFit || sum >= fits*total && len(k.freqs) < bestLen {
			best, bestFit, bestLen = i, sum, len(k.freqs)
		}
	}
	return best, float64(total)
}
