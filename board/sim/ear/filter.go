package ear

import (
	"math"

	"sotto/board"
)

const (
	// taps is the length of the low pass: a Hamming-windowed sinc that passes tones up
	// to 2060 Hz and holds markers, from 2650 Hz on, 50 dB down.
	taps   = 49
	delay  = taps / 2
	cutoff = 2345.0 // Hz, -6 dB
)

var lowPass = func() (h [taps]float32) {
	var w [taps]float64
	sum := 0.0
	for i := range w {
		x := float64(i - delay)
		s := 2 * cutoff / board.SampleRate
		if x != 0 {
			s = math.Sin(2*math.Pi*cutoff/board.SampleRate*x) / (math.Pi * x)
		}
		w[i] = s * (0.54 + 0.46*math.Cos(math.Pi*x/(delay+0.5)))
		sum += w[i]
	}
	for i := range w {
		h[i] = float32(w[i] / sum)
	}
	return h
}()

// filter takes f into x and its two halves into y and z.
func (e *Ear) filter(f *board.Frame) {
	copy(e.x[:taps-1], e.x[board.FrameLen:])
	for i, v := range f {
		e.x[taps-1+i] = float32(v)
	}
	copy(e.y[:window], e.y[board.FrameLen:])
	copy(e.z[:window], e.z[board.FrameLen:])
	for i := range board.FrameLen {
		x := (*[taps]float32)(e.x[i:])
		s := lowPass[delay] * x[delay]
		for j := range delay { // the filter is symmetric
			s += lowPass[j] * (x[j] + x[taps-1-j])
		}
		e.y[window+i] = s
		e.z[window+i] = x[delay] - s
	}
}

// hann is the window of the marker filters; it sums to window/2.
var hann = func() (h [window]float64) {
	for i := range h {
		h[i] = 0.5 - 0.5*math.Cos(2*math.Pi*(float64(i)+0.5)/window)
	}
	return h
}()
