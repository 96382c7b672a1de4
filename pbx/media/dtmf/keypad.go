package dtmf

import (
	"errors"
	"math"
	"time"

	"sotto/board"
)

// Digits lists the sixteen keys row by row, the rows from 697 Hz down to 941 Hz, the
// columns from 1209 to 1633 Hz (ITU-T Q.23).
const Digits = "123A456B789C*0#D"

// frequencies of the rows (low group), then of the columns (high group), in Hz.
var frequencies = [8]float64{697, 770, 852, 941, 1209, 1336, 1477, 1633}

// Frequencies gives the two tones of a key in Hz, false for what is no key.
func Frequencies(digit byte) (low, high float64, ok bool) {
	for i := range len(Digits) {
		if Digits[i] == digit {
			return frequencies[i/4], frequencies[4+i%4], true
		}
	}
	return 0, 0, false
}

// ErrKey says that a string to be sent holds something that is no key.
var ErrKey = errors.New("dtmf: not a key")

// Key says how a key is pressed. [DefaultKey] is what the box itself sends.
type Key struct {
	Low, High           float64       // level of each tone, dBm0
	LowShift, HighShift float64       // of the frequency, relative: 0.015 is 1.5 % up
	LowPhase, HighPhase float64       // of each sine at its first sample, radians
	Wait                time.Duration // silence before the tone; like the next two to the sample, an hour at most
	On                  time.Duration // the tone
	Off                 time.Duration // silence after it
}

// DefaultKey has the levels usual on European lines, the column 2 dB above the
// row, and times that every exchange takes.
var DefaultKey = Key{Low: -11, High: -9, On: 80 * time.Millisecond, Off: 80 * time.Millisecond}

// Generator sends digits as tones, sample by sample. The zero value is silent. It never
// allocates after Send and keeps no more than the digits still to go.
type Generator struct {
	digits   string
	key      Key
	at       int // sample of the digit that is sent
	low      osc
	high     osc
	wait, on int // in samples from the digit's start: tone begins, tone ends
	end      int // digit ends
}

// osc is a sine as a turning pointer.
type osc struct{ re, im, cos, sin float64 }

func newOsc(hz, phase, peak float64) osc {
	s, c := math.Sincos(phase)
	o := osc{re: peak * c, im: peak * s}
	o.sin, o.cos = math.Sincos(2 * math.Pi * hz / board.SampleRate)
	return o
}

func (o *osc) next() float64 {
	v := o.im
	o.re, o.im = o.re*o.cos-o.im*o.sin, o.re*o.sin+o.im*o.cos
	return v
}

// Send begins to send digits, each in the way of k, and forgets those still to go. Case
// does not matter; anything but a key gives ErrKey and changes nothing.
func (g *Generator) Send(digits string, k Key) error {
	up := make([]byte, len(digits))
	for i := range up {
		c := digits[i]
		if 'a' <= c && c <= 'd' {
			c -= 'a' - 'A'
		}
		if _, _, ok := Frequencies(c); !ok {
			return ErrKey
		}
		up[i] = c
	}
	*g = Generator{digits: string(up), key: k}
	g.wait = samples(k.Wait)
	g.on = g.wait + samples(k.On)
	g.end = g.on + samples(k.Off)
	return nil
}

func samples(t time.Duration) int {
	return int(min(max(t, 0), time.Hour) * board.SampleRate / time.Second)
}

// Busy says whether there is still something to send.
func (g *Generator) Busy() bool { return g.digits != "" }

// Add adds the next frame of the tones to f, clipped to the range of a sample, and says
// whether there was any to add, pauses included.
func (g *Generator) Add(f *board.Frame) bool {
	if g.digits == "" {
		return false
	}
	for i := range f {
		if g.at == g.wait {
			lo, hi, _ := Frequencies(g.digits[0])
			k := &g.key
			g.low = newOsc(lo*(1+k.LowShift), k.LowPhase, board.Amplitude(k.Low))
			g.high = newOsc(hi*(1+k.HighShift), k.HighPhase, board.Amplitude(k.High))
		}
		if g.at >= g.wait && g.at < g.on {
			v := float64(f[i]) + math.Round(g.low.next()+g.high.next())
			f[i] = int16(min(max(v, math.MinInt16), math.MaxInt16))
		}
		if g.at++; g.at >= g.end {
			g.at = 0
			if g.digits = g.digits[1:]; g.digits == "" {
				break
			}
		}
	}
	return true
}
