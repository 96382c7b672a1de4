package jitter

import (
	"math"

	"sotto/board"
	"sotto/pbx/media/conceal"
)

const (
	steps = 32 // of the fractional delay, to the sample
	taps  = 16 // of its filter
	ahead = taps / 2
)

// line is the sound as it is fed. The frame that goes out ends ahead samples before its
// end, so it is 1 ms older than what is fed, and up to a sample is between the samples.
type line struct {
	buf  [conceal.PastSpan + frame + taps]int16
	frac int // where the next frame begins, in steps after the sample
	next int // and where the one after that will
}

// need tells how many samples the next frame takes, if the delay is to move by way: a
// frame, or one more or less where a move by a sample begins or ends. A move that began
// goes on to its end.
func (l *line) need(way int) int {
	n := frame
	switch dir := l.next - l.frac; {
	case dir != 0 && l.next != 0 && l.next != steps:
		l.frac, l.next = l.next, l.next+dir
		return n
	case dir != 0:
		l.frac = l.next
	}
	switch { // between two moves: frac is 0 or steps, which are one place
	case l.frac == steps && way >= 0:
		l.frac, n = 0, frame+1
	case l.frac == 0 && way < 0:
		l.frac, n = steps, frame-1
	}
	l.next = l.frac + way
	return n
}

// moves tells whether the fractional delay changes in this frame.
func (l *line) moves() bool { return l.frac != l.next }

// shift makes room for n samples and gives it.
func (l *line) shift(n int) []int16 {
	copy(l.buf[:], l.buf[n:])
	return l.buf[len(l.buf)-n:]
}

// past is the sound before the last n samples of the line.
func (l *line) past(n int) []int16 { return l.buf[:len(l.buf)-n] }

// read gives the frame: the samples as they are, or between two neighbouring fractional
// delays, going over from one to the other.
func (l *line) read(out *board.Frame) {
	x := l.buf[len(l.buf)-ahead-frame-(ahead-1):]
	if !l.moves() {
		copy(out[:], x[ahead-1:])
		return
	}
	var w [frame + taps - 1]float32
	for i := range w {
		w[i] = float32(x[i])
	}
	from, to := &fractions[l.frac], &fractions[l.next]
	for k := range out {
		var a, b float32
		for i, v := range (*[taps]float32)(w[k : k+taps]) {
			a += v * from[i]
			b += v * to[i]
		}
		a += (b - a) * (float32(k) * (1.0 / frame))
		out[k] = int16(max(math.MinInt16, min(math.MaxInt16, math.Round(float64(a)))))
	}
}

// fractions are the filters of the fractional delays: a sinc under a Kaiser window of
// β 5, flat to 0.1 dB up to 3 kHz.
var fractions = func() (f [steps + 1][taps]float32) {
	bessel := func(x float64) float64 {
		sum, term := 1.0, 1.0
		for k := 1.0; k < 30; k++ {
			term *= x / 2 / k * x / 2 / k
			sum += term
		}
		return sum
	}
	for s := range f {
		var h [taps]float64
		all := 0.0
		for i := range h {
			t := float64(i-(ahead-1)) - float64(s)/steps
			v := 1.0
			if t != 0 {
				v = math.Sin(math.Pi*t) / (math.Pi * t)
			}
			if u := t / ahead; u*u < 1 {
				v *= bessel(5*math.Sqrt(1-u*u)) / bessel(5)
			} else {
				v = 0
			}
			h[i] = v
			all += v
		}
		for i, v := range h {
			f[s][i] = float32(v / all)
		}
	}
	return f
}()
