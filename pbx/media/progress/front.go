package progress

import (
	"math"

	"sotto/board"
)

// The sound is cut into blocks of 5 ms. A window is a sum of blocks under a Hann shape:
// eight of them, or the middle four for a band of 700 Hz or more, where 1.5 % of the
// frequency is more than the main lobe of the long one can lose. Both have their centre
// 20 ms ago. A block is a rectangle, so a sound 190 Hz away leaks by -26 dB at most.
const (
	hop      = board.FrameLen / 2
	blocks   = 8
	depth    = 32 // frames remembered
	maxBands = 12
	shortHz  = 700
)

// The high-pass is a Butterworth of second order at 120 Hz: it takes away DC, and 15 dB of
// hum. The bass of music stays, and spoils what would be a beep.
var hpGain, hpA1, hpA2 float32

// shapes are the Hann windows over blocks; sum and squares are of their weights.
var shapes [2]struct {
	w            [blocks]float64
	sum, squares float64
}

func init() {
	k := math.Tan(math.Pi * 120 / board.SampleRate)
	norm := 1 / (1 + math.Sqrt2*k + k*k)
	hpGain, hpA1, hpA2 = float32(norm), float32(2*(k*k-1)*norm), float32((1-math.Sqrt2*k+k*k)*norm)
	for i, n := range []int{8, 4} {
		s := &shapes[i]
		first := (blocks - n) / 2
		for j := range n {
			w := 0.5 - 0.5*math.Cos(2*math.Pi*(float64(j)+0.5)/float64(n))
			s.w[first+j] = w
			s.sum += w
			s.squares += w * w
		}
	}
}

// gain is the response of a window to a sine off its centre by hz, as a ratio of powers.
func gain(shape int, hz float64) float64 {
	s := &shapes[shape]
	var re, im float64
	for j, w := range s.w {
		sin, cos := math.Sincos(2 * math.Pi * hz * float64(j) * hop / board.SampleRate)
		re += w * cos
		im += w * sin
	}
	block := 1.0
	if x := math.Pi * hz * hop / board.SampleRate; math.Abs(x) > 1e-9 {
		block = math.Sin(x) / x
	}
	return (re*re + im*im) / (s.sum * s.sum) * block * block
}

// band is one frequency that is listened to.
type band struct {
	hz             float64
	shape          int          // index into shapes
	cos, sin       [hop]float32 // of a block
	re, im         [blocks]float32
	turnRe, turnIm float64 // how far its phase turns back in a frame
}

func newBand(hz float64) band {
	b := band{hz: hz}
	if hz >= shortHz {
		b.shape = 1
	}
	w := 2 * math.Pi * hz / board.SampleRate
	for i := range hop {
		s, c := math.Sincos(w * float64(i))
		b.cos[i], b.sin[i] = float32(c), float32(-s)
	}
	s := &shapes[b.shape]
	for j, v := range s.w {
		sin, cos := math.Sincos(w * hop * float64(j))
		v *= 2 / (hop * s.sum) // the result is the peak of a sine
		b.re[j], b.im[j] = float32(v*cos), float32(-v*sin)
	}
	sin, cos := math.Sincos(w * board.FrameLen)
	b.turnRe, b.turnIm = cos, -sin
	return b
}

// look is what a frame's windows held. Powers are squares of the peak of a sine.
type look struct {
	energy [2]float32        // all of it, under each shape
	power  [maxBands]float32 // of each band
	re, im [maxBands]float32 // its phase and peak
}

// front measures. The zero value is ready.
type front struct {
	s1, s2 float32 // of the high-pass
	energy [blocks]float32
	re, im [blocks][maxBands]float32
	at     int // frames so far, modulo 2·depth·blocks: block 2·at is the next
	looks  [depth]look
}

// back gives the look of i frames ago; 0 is the newest.
func (f *front) back(i int) *look { return &f.looks[(f.at-1-i)&(depth-1)] }

// take adds a frame of sound, and gives its power after the high-pass.
func (f *front) take(p *Plan, in *board.Frame) float32 {
	f.at = (f.at + 1) & (2*depth*blocks - 1)
	first := 2 * (f.at - 1) & (blocks - 1)
	var sum, squares int64
	for _, s := range in {
		sum += int64(s)
		squares += int64(int32(s) * int32(s))
	}
	if power := float32(squares-sum*sum/board.FrameLen) * (2.0 / board.FrameLen); power < idle {
		dc := float32(sum) / board.FrameLen
		f.s1, f.s2 = -hpGain*dc, hpGain*dc
		for i := first; i < first+2; i++ {
			f.energy[i] = 0
			f.re[i], f.im[i] = [maxBands]float32{}, [maxBands]float32{}
		}
		return power
	}
	var y [board.FrameLen]float32
	s1, s2 := f.s1, f.s2
	var total float32
	for h := range 2 {
		var e float32
		for i := h * hop; i < (h+1)*hop; i++ {
			x := float32(in[i]) * hpGain
			v := x + s1
			s1 = -2*x - hpA1*v + s2
			s2 = x - hpA2*v
			y[i] = v
			e += v * v
		}
		f.energy[first+h] = e
		total += e
	}
	f.s1, f.s2 = s1, s2
	for k := range p.bands {
		b := &p.bands[k]
		for h := range 2 {
			f.re[first+h][k], f.im[first+h][k] = correlate((*[hop]float32)(y[h*hop:]), &b.cos, &b.sin)
		}
	}
	return total * (2.0 / board.FrameLen)
}

// correlate keeps four sums so that none waits for the other.
func correlate(x, cos, sin *[hop]float32) (re, im float32) {
	var r0, r1, i0, i1 float32
	for i := 0; i < hop; i += 2 {
		a, b := x[i], x[i+1]
		r0 += a * cos[i]
		i0 += a * sin[i]
		r1 += b * cos[i+1]
		i1 += b * sin[i+1]
	}
	return r0 + r1, i0 + i1
}

// measure fills the newest look.
func (f *front) measure(p *Plan) {
	l := f.back(0)
	if f.energy == ([blocks]float32{}) {
		*l = look{}
		return
	}
	oldest := 2 * f.at // of the blocks
	for s := range l.energy {
		var e float64
		for j, w := range shapes[s].w {
			e += w * w * float64(f.energy[(oldest+j)&(blocks-1)])
		}
		l.energy[s] = float32(e * 2 / (hop * shapes[s].squares))
	}
	for k := range p.bands {
		b := &p.bands[k]
		if l.energy[b.shape] < idle {
			l.power[k], l.re[k], l.im[k] = 0, 0, 0
			continue
		}
		var re, im float32
		for j := range blocks {
			i := (oldest + j) & (blocks - 1)
			x, y := f.re[i][k], f.im[i][k]
			re += b.re[j]*x - b.im[j]*y
			im += b.re[j]*y + b.im[j]*x
		}
		l.re[k], l.im[k] = re, im
		l.power[k] = re*re + im*im
	}
}
