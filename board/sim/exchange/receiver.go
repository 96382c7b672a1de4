package exchange

import (
	"math"
	"time"

	"sotto/board"
)

// The DTMF receiver of the exchange: blocks of 12.75 ms, a digit after two alike, the
// next one after three without (ITU-T Q.23, Q.24).
const (
	blockLen  = 102
	dtmfFloor = -36.0 // dBm0 a tone
	maxTwist  = 9.0   // dB
	purity    = 0.7   // share of the block's energy that the two tones must have
)

var (
	dtmfHz   = [8]float64{697, 770, 852, 941, 1209, 1336, 1477, 1633}
	dtmfKeys = [4]string{"123A", "456B", "789C", "*0#D"}
)

// receiver finds DTMF digits in the port's voice. The zero value is ready.
type receiver struct {
	g      [8]goertzel
	n      int
	energy float64
	last   byte // of the last block
	held   byte // the digit that sounds
	misses int
}

// frame takes a frame and gives the digit that was recognised in it, or 0.
func (r *receiver) frame(f *board.Frame) (digit byte) {
	for _, v := range f {
		if r.n == 0 {
			r.energy = 0
			for i := range r.g {
				r.g[i].tune(dtmfHz[i])
			}
		}
		x := float64(v)
		r.energy += x * x
		for i := range r.g {
			r.g[i].add(x)
		}
		if r.n++; r.n == blockLen {
			r.n = 0
			if d := r.block(); d != 0 {
				digit = d
			}
		}
	}
	return digit
}

// block judges a block and gives a digit that it completes.
func (r *receiver) block() byte {
	d := r.judge()
	alike := d == r.last
	r.last = d
	if d == r.held {
		r.misses = 0
		return 0
	}
	if r.held != 0 {
		if r.misses++; r.misses >= 3 {
			r.held, r.misses = 0, 0
		}
	}
	if d == 0 || !alike || r.held != 0 {
		return 0
	}
	r.held = d
	return d
}

// judge gives the digit of a block, or 0.
func (r *receiver) judge() byte {
	row, col := r.strongest(0), r.strongest(4)
	pr, pc := r.g[row].power(), r.g[col].power()
	if (pr+pc) < purity*r.energy*blockLen/2 || min(level(pr), level(pc)) < dtmfFloor {
		return 0
	}
	if math.Abs(level(pr)-level(pc)) > maxTwist {
		return 0
	}
	return dtmfKeys[row][col-4]
}

func (r *receiver) strongest(from int) int {
	best := from
	for i := from; i < from+4; i++ {
		if r.g[i].power() > r.g[best].power() {
			best = i
		}
	}
	return best
}

func level(power float64) float64 {
	return board.Level(math.Sqrt(2*max(0, power)) / blockLen)
}

// Limits of dial pulses: 10 pulses a second, about 60 to 40.
const (
	minBreak   = 20 * time.Millisecond
	maxBreak   = 150 * time.Millisecond
	digitPause = 250 * time.Millisecond
)

// pulseCounter counts dial pulses. The zero value is ready.
type pulseCounter struct {
	n    int
	last time.Time // end of the last pulse
}

// made notes that the loop closed after it was open for d.
func (p *pulseCounter) made(at time.Time, d time.Duration) {
	if d < minBreak || d > maxBreak {
		return
	}
	p.n++
	p.last = at
}

func (p *pulseCounter) counting() bool { return p.n > 0 }

// count gives the number of pulses of a digit that is complete, or 0.
func (p *pulseCounter) count(now time.Time, closed bool) int {
	if p.n == 0 || !closed || now.Sub(p.last) < digitPause {
		return 0
	}
	n := p.n
	p.n = 0
	return n
}
