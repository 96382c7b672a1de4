package ear

import (
	"math"
	"math/cmplx"
	"slices"
	"time"

	"sotto/board"
)

// Segment is a stretch of sound of one make.
type Segment struct {
	Start  time.Duration // since the recording's first sample; edges at half the amplitude
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
		cuts := append(changes(x[s[0]:s[1]]), s[1]-s[0])
		from := 0
		for _, to := range cuts {
			segments = append(segments, analyse(x, s[0]+from, s[0]+to))
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
			from, to := halves(x[i:last+1], peak)
			found = append(found, [2]int{i + from, i + to})
		}
		i = last + minGap
	}
	return found
}

// halves gives where the envelope of x passes half of what it is near either end. It
// looks 6 ms inwards for the full level, which a ramp reaches in less.
func halves(x []float64, peak float64) (from, to int) {
	const look = 6 * ms
	rise := func(at func(int) float64) int {
		top := 0.0
		for i := range min(2*look, len(x)) {
			top = max(top, math.Abs(at(i)))
		}
		top = max(top, peak/8)
		for i := range min(look, len(x)) {
			if math.Abs(at(i)) >= top/2 {
				return i
			}
		}
		return 0
	}
	from = rise(func(i int) float64 { return x[i] })
	to = len(x) - rise(func(i int) float64 { return x[len(x)-1-i] })
	return from, to
}

// changes gives the samples at which the frequencies of x change: where the spectra
// of the 100 ms before and after differ most, if they do.
func changes(x []float64) (cuts []int) {
	const half, hop, least = 100 * ms, 10 * ms, 0.15
	var d []float64
	for c := half; c+half <= len(x); c += hop {
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
		at, most := half+best*hop, d[best]
		for c := at - hop; c <= at+hop; c += ms / 2 {
			if c < half || c+half > len(x) {
				continue
			}
			if v := difference(x[c-half:c], x[c:c+half]); v > most {
				at, most = c, v
			}
		}
		cuts = append(cuts, at)
		i = best + half/hop
	}
	return cuts
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

// analyse finds the sines of x[from:to]: the strongest of what is left is added and all
// are fitted together, until little is left or there are four.
func analyse(x []float64, from, to int) Segment {
	s := Segment{Start: span(from), Length: span(to - from)}
	inner := x[from:to]
	if cut := 5 * ms; len(inner) > 4*cut {
		inner = inner[cut : len(inner)-cut]
	}
	if most := board.SampleRate / 2; len(inner) > most {
		inner = inner[(len(inner)-most)/2:][:most]
	}
	total := energy(inner)
	s.Level = board.Level(math.Sqrt(total / float64(len(inner))))
	rest, left := slices.Clone(inner), total
	var sines []wave
	for len(sines) < 4 && left > total/1000 {
		c := spectrum(rest, false)
		best := 1
		for i := range len(c) / 2 {
			if cmplx.Abs(c[i]) > cmplx.Abs(c[best]) {
				best = i
			}
		}
		more := append(slices.Clone(sines), wave{hz: float64(best) * board.SampleRate / float64(len(c))})
		r := fit(inner, more)
		if e := energy(r); e < left*0.9 {
			sines, rest, left = more, r, e
		} else {
			break
		}
	}
	slices.SortFunc(sines, func(a, b wave) int {
		if a.hz < b.hz {
			return -1
		}
		return 1
	})
	for _, w := range sines {
		s.Freqs = append(s.Freqs, w.hz)
		s.Levels = append(s.Levels, board.Level(math.Hypot(w.re, w.im)/math.Sqrt2))
	}
	s.Rest = 10 * math.Log10(left/total)
	return s
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

// wave is re·cos - im·sin of its frequency, with phase 0 at the stretch's middle.
type wave struct{ hz, re, im float64 }

// fit sets frequencies, levels and phases of waves to the least squares of x, from the
// frequencies given on, and gives what is left of x. Each round solves for amplitudes
// and small changes of frequency at once (Gauss-Newton).
func fit(x []float64, waves []wave) []float64 {
	k := len(waves)
	mid := float64(len(x)-1) / 2
	rest := slices.Clone(x)
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
		for i, v := range x {
			t := (float64(i) - mid) / board.SampleRate
			for j, w := range waves {
				sin, cos := math.Sincos(2 * math.Pi * w.hz * t)
				row[2*j], row[2*j+1] = cos, -sin
				if cols > 2*k {
					row[2*k+j] = -2 * math.Pi * t * (w.re*sin + w.im*cos)
				}
			}
			for a := range cols {
				for b := a; b < cols; b++ {
					n[a][b] += row[a] * row[b]
				}
				n[a][cols] += row[a] * v
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
	for i, v := range x {
		t := (float64(i) - mid) / board.SampleRate
		for _, w := range waves {
			sin, cos := math.Sincos(2 * math.Pi * w.hz * t)
			v -= w.re*cos - w.im*sin
		}
		rest[i] = v
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
