package display

import (
	"math"

	"sotto/board"
)

const (
	// centre is the middle of both modems: 1200 and 2200 Hz, 1300 and 2100 Hz. One frame
	// holds 17 turns of it.
	centre = 1700.0
	// taps is the length of the low pass behind the mixer, a Hamming-windowed sinc: it
	// lets ±1100 Hz through and holds the mirror image, from 2800 Hz on, 50 dB down.
	taps   = 15
	cutoff = 1500.0
	// smooth is the length of the average behind the discriminator; less than a bit.
	smooth = 5
	hertz  = board.SampleRate / (2 * math.Pi) // of a turn of one radian a sample
)

var (
	mixer   [board.FrameLen][2]float32
	lowPass [taps]float32
)

func init() {
	for i := range mixer {
		s, c := math.Sincos(2 * math.Pi * centre * float64(i) / board.SampleRate)
		mixer[i] = [2]float32{float32(c), float32(-s)}
	}
	sum := 0.0
	var h [taps]float64
	for i := range h {
		x := float64(i - taps/2)
		h[i] = 2 * cutoff / board.SampleRate
		if x != 0 {
			h[i] = math.Sin(2*math.Pi*cutoff/board.SampleRate*x) / (math.Pi * x)
		}
		h[i] *= 0.54 + 0.46*math.Cos(math.Pi*x/(taps/2+0.5))
		sum += h[i]
	}
	for i := range h {
		lowPass[i] = float32(h[i] / sum)
	}
}

// demod is a frequency discriminator: samples in, frequency above centre in Hz out,
// delayed by about 9 samples.
type demod struct {
	re, im [taps - 1 + board.FrameLen]float32 // around centre, before the low pass
	lastR  float32
	lastI  float32
	hz     [smooth]float64 // the last frequencies
	at     int             // the oldest of them
	out    [board.FrameLen]float64
}

// frame demodulates one frame. The slice is valid until the next call.
func (d *demod) frame(f *board.Frame) []float64 {
	copy(d.re[:taps-1], d.re[board.FrameLen:])
	copy(d.im[:taps-1], d.im[board.FrameLen:])
	for i, v := range f {
		d.re[taps-1+i] = float32(v) * mixer[i][0]
		d.im[taps-1+i] = float32(v) * mixer[i][1]
	}
	for i := range f {
		re, im := (*[taps]float32)(d.re[i:]), (*[taps]float32)(d.im[i:])
		var r, q float32
		for k, h := range lowPass {
			r += h * re[k]
			q += h * im[k]
		}
		turn := math.Atan2(float64(q*d.lastR-r*d.lastI), float64(r*d.lastR+q*d.lastI))
		d.lastR, d.lastI = r, q
		d.hz[d.at] = turn * hertz
		if d.at++; d.at == smooth {
			d.at = 0
		}
		sum := 0.0
		for _, h := range d.hz {
			sum += h
		}
		d.out[i] = sum / smooth
	}
	return d.out[:]
}
