package conceal

import "math"

const (
	// PastSpan is how much of the past a Concealer wants: three and a quarter of the
	// longest period.
	PastSpan = 3*MaxLag + MaxLag/4

	stage     = 80 // samples after which one period more is repeated
	fadeFrom  = 80 // where the fade of missing speech begins, in samples of the gap
	fadeSpan  = 400
	pauseSpan = 80  // fade of sound that the sender ended
	mendMin   = 20  // samples of overlap with the sound that comes back
	mendMax   = 80  // ITU-T G.711 Appendix I: 10 ms at most
	mendStep  = 32  // more of it for each stage
	loudest   = 30  // -dBov of the loudest comfort noise that is made
	poor      = 0.3 // match below which there is no pitch to speak of
)

// Concealer fills the gaps of one stream. The zero value is in a gap that has faded into
// silence. It holds 0.8 kB and is used by one goroutine.
type Concealer struct {
	past    [PastSpan]int16
	lag     int     // samples; 0: there is nothing to repeat
	periods int     // repeated now
	pos     int     // in them
	old     int     // position in one period fewer, while blend > 0
	blend   int     // samples of the change to one period more still to do
	step    float32 // offset of the first sample, dying away
	made    int     // samples of this gap
	from    int     // where the fade begins
	span    int     // and how long it is
	amp     float32 // of the noise: uniform in ±amp
	seed    uint32
}

// Begin starts a gap where sound is missing. past is what was heard up to it; PastSpan
// samples of it are looked at, and a shorter past makes the gap noise.
func (c *Concealer) Begin(past []int16) { c.begin(past, fadeFrom, fadeSpan) }

// Pause starts a gap where the sender said that it is silent: the sound fades at once.
func (c *Concealer) Pause(past []int16) { c.begin(past, 0, pauseSpan) }

func (c *Concealer) begin(past []int16, from, span int) {
	c.made, c.from, c.span = 0, from, span
	c.periods, c.pos, c.blend, c.lag = 1, 0, 0, 0
	if len(past) < PastSpan {
		c.made = from + span
		return
	}
	past = past[len(past)-PastSpan:]
	copy(c.past[:], past)
	lag, match := Pitch(past)
	if match < poor {
		lag = MaxLag // the longest repetition buzzes least
	}
	c.lag = lag
	c.step = float32(past[PastSpan-1]) - float32(past[PastSpan-1-lag])
}

// Fill makes the next samples of the gap, for as long as it is asked.
func (c *Concealer) Fill(dst []int16) {
	for i := range dst {
		g := c.gain()
		v := (1 - g) * c.noise()
		if g > 0 {
			v += g * c.voice()
		}
		dst[i] = clip(v)
		if c.made < math.MaxInt32 {
			c.made++
		}
	}
}

// Faded tells whether the gap is down to noise.
func (c *Concealer) Faded() bool { return c.made >= c.from+c.span }

// Overlap gives the number of samples over which the sound that comes back is to be
// faded in, longer after a longer gap, as the pitch may have moved on.
func (c *Concealer) Overlap() int {
	if c.Faded() {
		return 40
	}
	return min(mendMax, max(mendMin, c.lag/4)+c.made/stage*mendStep)
}

// SetNoise sets the power of the noise: the mean square of its samples. What is louder
// than -30 dBov is made no louder than that.
func (c *Concealer) SetNoise(power float32) {
	c.amp = float32(math.Sqrt(3 * float64(min(max(power, 0), NoisePower(loudest)))))
}

// NoisePower gives the mean square of noise at level, in -dBov (RFC 3389, section 3): 0 is
// the power of a full-scale square wave.
func NoisePower(level byte) float32 {
	return float32(32768 * 32768 * math.Pow(10, -float64(level)/10))
}

func (c *Concealer) gain() float32 {
	switch {
	case c.lag == 0 || c.made >= c.from+c.span:
		return 0
	case c.made < c.from:
		return 1
	}
	return 1 - float32(c.made-c.from)/float32(c.span)
}

// voice is the next repeated sample.
func (c *Concealer) voice() float32 {
	q := c.lag / 4
	if c.made > 0 && c.made%stage == 0 && c.periods < 3 {
		// The older period is in phase with the one it takes the place of.
		c.old, c.blend = c.pos, q
		c.periods++
	}
	v := c.cycle(c.periods*c.lag, c.pos)
	if c.blend > 0 {
		n := (c.periods - 1) * c.lag
		v += (c.cycle(n, c.old) - v) * float32(c.blend) / float32(q)
		c.old = (c.old + 1) % n
		c.blend--
	}
	if c.made < q {
		v += c.step * float32(q-c.made) / float32(q)
	}
	c.pos = (c.pos + 1) % (c.periods * c.lag)
	return v
}

// cycle is sample i of the last n, n being whole periods. Its last quarter of a period
// goes over into what came before the first, so that it can go round.
func (c *Concealer) cycle(n, i int) float32 {
	v := float32(c.past[PastSpan-n+i])
	q := c.lag / 4
	if left := n - i; left <= q {
		before := float32(c.past[PastSpan-n-left])
		v += (before - v) * float32(q-left+1) / float32(q+1)
	}
	return v
}

// noise is white and uniform.
func (c *Concealer) noise() float32 {
	if c.amp == 0 {
		return 0
	}
	c.seed = c.seed*1664525 + 1013904223
	return float32(int32(c.seed)) * (1.0 / (1 << 31)) * c.amp
}

func clip(v float32) int16 {
	return int16(max(math.MinInt16, min(math.MaxInt16, v)))
}
