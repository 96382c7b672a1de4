package tone

import (
	"math"

	"sotto/board"
)

const (
	tableBits  = 10
	tableLen   = 1 << tableBits
	fracBits   = 32 - tableBits
	rampLen    = int(Ramp / sample)
	fracToUnit = 1.0 / (1 << fracBits)
)

var (
	// sine holds one turn and the first value again, for interpolation: its error is
	// below -110 dB of the sine.
	sine [tableLen + 1]float32
	// ramp rises from 0 to 1 as a raised cosine, through 0.5 in its middle.
	ramp [rampLen]float32
)

func init() {
	for i := range sine {
		sine[i] = float32(math.Sin(2 * math.Pi * float64(i) / tableLen))
	}
	for i := range ramp {
		ramp[i] = float32(0.5 - 0.5*math.Cos(math.Pi*(float64(i)+0.5)/float64(rampLen)))
	}
}

// Player plays one tone at a time. The zero value is silent. It is used by one
// goroutine and holds no pointer but the one to its tone.
type Player struct {
	tone  *Tone
	step  int    // index into tone.steps
	at    uint64 // samples into the step
	clock uint32 // samples since Start, modulo 2^32: every phase is a multiple of it
}

// Start begins t from its first step, whatever was playing; nil stops.
func (p *Player) Start(t *Tone) { *p = Player{tone: t} }

// Playing tells whether there is more to come of the tone last started.
func (p *Player) Playing() bool { return p.tone != nil }

// Next adds the next ten milliseconds of the tone to dst, saturating, and tells
// whether more is to come; dst is left as it is when nothing plays. The phase of each
// frequency runs on through bursts and pauses, and steps are counted in samples: an
// hour of cadence ends on the sample it should.
func (p *Player) Next(dst *board.Frame) bool {
	if p.tone == nil {
		return false
	}
	for n := 0; n < len(dst); {
		if p.step == len(p.tone.steps) {
			p.Start(nil)
			return false
		}
		b := &p.tone.steps[p.step]
		m := len(dst) - n
		switch {
		case b.on == 0:
			p.sound(b, dst[n:])
		case p.at < b.on:
			m = int(min(uint64(m), b.on-p.at))
			p.sound(b, dst[n:n+m])
		default:
			m = int(min(uint64(m), b.all-p.at))
		}
		n += m
		p.clock += uint32(m)
		p.at += uint64(m)
		if b.on != 0 && p.at == b.all {
			p.next()
		}
	}
	return true
}

// next goes to the step after this one.
func (p *Player) next() {
	p.at = 0
	p.step++
	if p.step == len(p.tone.steps) && p.tone.again < len(p.tone.steps) {
		p.step = p.tone.again
	}
}

// sound adds len(dst) samples of b from p.at on.
func (p *Player) sound(b *burst, dst []int16) {
	var sum [board.FrameLen]float32
	acc := sum[:len(dst)]
	for s := range b.sines {
		inc, amp := b.inc[s], b.amp[s]
		phase := inc * p.clock
		for i := range acc {
			k := phase >> fracBits
			lo, hi := sine[k], sine[k+1]
			acc[i] += amp * (lo + (hi-lo)*(float32(phase&(1<<fracBits-1))*fracToUnit))
			phase += inc
		}
	}
	if p.at < uint64(rampLen) {
		for i := range min(len(acc), rampLen-int(p.at)) {
			acc[i] *= ramp[int(p.at)+i]
		}
	}
	if b.on != 0 && p.at+uint64(len(acc)) > b.on-uint64(rampLen) {
		for i := range acc {
			if left := b.on - 1 - p.at - uint64(i); left < uint64(rampLen) {
				acc[i] *= ramp[left]
			}
		}
	}
	for i, v := range acc {
		v += float32(dst[i])
		switch {
		case v >= math.MaxInt16:
			dst[i] = math.MaxInt16
		case v <= math.MinInt16:
			dst[i] = math.MinInt16
		case v >= 0:
			dst[i] = int16(v + 0.5)
		default:
			dst[i] = int16(v - 0.5)
		}
	}
}
