package ear

import (
	"cmp"
	"math"
	"math/cmplx"
	"slices"
	"time"

	"sotto/board"
)

// Segment is a stretch of sound of one make.
type Segment struct {
	Start  time.Duration // since the recording's first sample
	Length time.Duration
	Freqs  []float64 // Hz, rising; at most four
	Levels []float64 // dBm0, of each of Freqs
	Level  float64   // dBm0, of the whole
	Rest   float64   // dB: what Freqs leave unexplained, relative to Level
}

// Measure takes a recording of tones apart: its sounds of -50 dBm0 and louder, split at
// pauses of 8 ms and at changes of frequency. It is for tests; it allocates and takes
// its time.
func Measure(samples []int16) []Segment {
	x := make([]float64, len(samples))
	for i, v := range samples {
		x[i] = float64(v)
	}
	var segments []Segment
	for _, s := range sounds(x) {
		cuts := append(changes(x, s[0], s[1]), s[1])
		from := s[0]
		for i, to := range cuts {
			if to < s[1] {
				to = boundary(x, from, to, cuts[i+1])
			}
			segments = append(segments, analyse(x, from, to))
			from = to
		}
	}
	return segments
}

// sounds gives the beginning and end of each sound of 15 ms or more.
func sounds(x []float64) (found [][2]int) {
	for i := 0; i < len(x); i++ {
		if math.Abs(x[i]) < onPeak {
			continue
		}
		last, peak := i, 0.0
		for j := i; j < len(x) && j-last < minGap; j++ {
			a := math.Abs(x[j])
			peak = max(peak, a)
			if a >= max(onPeak, relPeak*peak) {
				last = j
			}
		}
		if last+1-i >= minSound {
			found = append(found, [2]int{i, last + 1})
		}
		i = last + minGap
	}
	return found
}

// changes gives where, to some 20 ms, the frequencies of x[from:to] change: where the
// spectra of the 100 ms before and after differ most, if they do.
func changes(x []float64, from, to int) (cuts []int) {
	const half, hop, least = 100 * ms, 10 * ms, 0.15
	var d []float64
	for c := from + half; c+half <= to; c += hop {
		d = append(d, difference(x[c-half:c], x[c:c+half]))
	}
	for i := 0; i < len(d); i++ {
		if d[i] < least {
			continue
		}
		best := i
		for j := i; j < len(d) && j-best < half/hop; j++ {
			if d[j] > d[best] {
				best = j
			}
		}
		cuts = append(cuts, from+half+best*hop)
		i = best + half/hop
	}
	return cuts
}

// boundary gives the sample near cut at which the sines of x[from:cut] give way to
// those of x[cut:to]: where both, extended to either side, leave the least unexplained.
func boundary(x []float64, from, cut, to int) int {
	const reach = 50 * ms
	low, high := max(from, cut-reach), min(to, cut+reach)
	before, _ := sines(x, from, low)
	after, _ := sines(x, high, to)
	left := make([]float64, high-low+1) // squared error of before, up to a sample
	right := 0.0                        // of after, from it on
	for i := low; i < high; i++ {
		v := x[i] - at(before, i)
		left[i-low+1] = left[i-low] + v*v
	}
	best, least := high, left[high-low]
	for i := high - 1; i >= low; i-- {
		v := x[i] - at(after, i)
		if right += v * v; left[i-low]+right < least {
			best, least = i, left[i-low]+right
		}
	}
	return best
}

// difference compares the magnitude spectra of two stretches: 0 alike, 1 nothing in common.
func difference(a, b []float64) float64 {
	p, q := spectrum(a, true), spectrum(b, true)
	var pp, qq, pq float64
	for i := range len(p) / 2 {
		m, n := cmplx.Abs(p[i]), cmplx.Abs(q[i])
		pp, qq, pq = pp+m*m, qq+n*n, pq+m*n
	}
	if pp == 0 || qq == 0 {
		return 0
	}
	return 1 - pq/math.Sqrt(pp*qq)
}

// spectrum gives the DFT of x, padded with zeros to a power of two and four times its
// length (twice when it is windowed).
func spectrum(x []float64, windowed bool) []complex128 {
	n := 1
	for n < len(x) {
		n *= 2
	}
	if !windowed {
		n *= 4
	}
	c := make([]complex128, n)
	for i, v := range x {
		if windowed {
			v *= 0.5 - 0.5*math.Cos(2*math.Pi*(float64(i)+0.5)/float64(len(x)))
		}
		c[i] = complex(v, 0)
	}
	fft(c)
	return c
}

// fft transforms c, of a power of two, in place.
func fft(c []complex128) {
	for i, j := 1, 0; i < len(c); i++ {
		bit := len(c) / 2
		for ; j&bit != 0; bit /= 2 {
			j ^= bit
		}
		j ^= bit
		if i < j {
			c[i], c[j] = c[j], c[i]
		}
	}
	for size := 2; size <= len(c); size *= 2 {
		turn := cmplx.Rect(1, -2*math.Pi/float64(size))
		for i := 0; i < len(c); i += size {
			w := complex(1, 0)
			for j := range size / 2 {
				a, b := c[i+j], c[i+j+size/2]*w
				c[i+j], c[i+j+size/2] = a+b, a-b
				w *= turn
			}
		}
	}
}

// analyse gives the figures of x[from:to].
func analyse(x []float64, from, to int) Segment {
	s := Segment{Start: span(from), Length: span(to - from)}
	waves, rest := sines(x, from, to)
	slices.SortFunc(waves, func(a, b wave) int { return cmp.Compare(a.hz, b.hz) })
	for _, w := range waves {
		s.Freqs = append(s.Freqs, w.hz)
		s.Levels = append(s.Levels, board.Level(math.Hypot(w.re, w.im)/math.Sqrt2))
	}
	inner := inside(from, to)
	total := energy(x[inner[0]:inner[1]])
	s.Level = board.Level(math.Sqrt(total / float64(inner[1]-inner[0])))
	s.Rest = 10 * math.Log10(rest/total)
	return s
}

// inside gives the part of x[from:to] that is analysed: at most a quarter of a second from its
// middle, without its edges.
func inside(from, to int) [2]int {
	if cut := 5 * ms; to-from > 4*cut {
		from, to = from+cut, to-cut
	}
	if more := to - from - board.SampleRate/4; more > 0 {
		from, to = from+more/2, to-more+more/2
	}
	return [2]int{from, to}
}

// sines finds the sines of x[from:to] and the energy they leave: the strongest of what
// is left is added and all are fitted together, until little is left or there are four.
func sines(x []float64, from, to int) (waves []wave, left float64) {
	in := inside(from, to)
	mid := float64(in[0]+in[1]-1) / 2
	inner := x[in[0]:in[1]]
	total := energy(inner)
	rest := inner
	left = total
	for len(waves) < 4 && left > total/1000 {
		c := spectrum(rest, false)
		best := 1
		for i := range len(c) / 2 {
			if cmplx.Abs(c[i]) > cmplx.Abs(c[best]) {
				best = i
			}
		}
		more := append(slices.Clone(waves), wave{hz: float64(best) * board.SampleRate / float64(len(c)), mid: mid})
		r := fit(x, in[0], in[1], more)
		e := energy(r)
		if e > left*0.9 {
			break
		}
		waves, rest, left = more, r, e
	}
	return waves, left
}

func span(samples int) time.Duration {
	return time.Duration(samples) * time.Second / board.SampleRate
}

func energy(x []float64) (e float64) {
	for _, v := range x {
		e += v * v
	}
	return e
}

// wave is re·cos - im·sin of its frequency, with phase 0 at sample mid.
type wave struct{ hz, re, im, mid float64 }

// at gives the sum of waves at sample i.
func at(waves []wave, i int) (v float64) {
	for _, w := range waves {
		sin, cos := math.Sincos(2 * math.Pi * w.hz * (float64(i) - w.mid) / board.SampleRate)
		v += w.re*cos - w.im*sin
	}
	return v
}

// fit sets frequencies, levels and phases of waves to the least squares of x[from:to],
// from the frequencies given on, and gives what is left. Each round solves for
// amplitudes and small changes of frequency at once (Gauss-Newton).
func fit(x []float64, from, to int, waves []wave) []float64 {
	k := len(waves)
	for round := range 12 {
		cols := 3 * k
		if round == 0 {
			cols = 2 * k // amplitudes first
		}
		n := make([][]float64, cols)
		for i := range n {
			n[i] = make([]float64, cols+1)
		}
		row := make([]float64, cols)
		for i := from; i < to; i++ {
			for j, w := range waves {
				t := 2 * math.Pi * (float64(i) - w.mid) / board.SampleRate
				sin, cos := math.Sincos(w.hz * t)
				row[2*j], row[2*j+1] = cos, -sin
				if cols > 2*k {
					row[2*k+j] = -t * (w.re*sin + w.im*cos)
				}
			}
			for a := range cols {
				for b := a; b < cols; b++ {
					n[a][b] += row[a] * row[b]
				}
				n[a][cols] += row[a] * x[i]
			}
		}
		u, ok := solve(n)
		if !ok {
			break
		}
		moved := 0.0
		for j := range waves {
			waves[j].re, waves[j].im = u[2*j], u[2*j+1]
			if cols > 2*k {
				d := max(-5, min(5, u[2*k+j]))
				waves[j].hz += d
				moved = max(moved, math.Abs(d))
			}
		}
		if round > 0 && moved < 1e-3 {
			break
		}
	}
	rest := make([]float64, to-from)
	for i := range rest {
		rest[i] = x[from+i] - at(waves, from+i)
	}
	return rest
}

// solve solves the symmetric equations n, of which the upper half and the right side
// are given, by Gauss elimination.
func solve(n [][]float64) ([]float64, bool) {
	k := len(n)
	for a := range k {
		for b := range a {
			n[a][b] = n[b][a]
		}
	}
	for a := range k {
		p := a
		for b := a; b < k; b++ {
			if math.Abs(n[b][a]) > math.Abs(n[p][a]) {
				p = b
			}
		}
		n[a], n[p] = n[p], n[a]
		if math.Abs(n[a][a]) < 1e-9 {
			return nil, false
		}
		for b := a + 1; b < k; b++ {
			f := n[b][a] / n[a][a]
			for c := a; c <= k; c++ {
				n[b][c] -= f * n[a][c]
			}
		}
	}
	u := make([]float64, k)
	for a := k - 1; a >= 0; a-- {
		u[a] = n[a][k]
		for b := a + 1; b < k; b++ {
			u[a] -= n[a][b] * u[b]
		}
		u[a] /= n[a][a]
	}
	return u, true
}
