package progress

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"sotto/board"
	"sotto/pbx/country"
	"sotto/pbx/media/tone"
)

const ms = time.Millisecond

// kinds gives the tone of the country for each kind.
var kinds = map[Kind]country.ToneKind{
	Dial: country.Dial, Ringback: country.Ringback, Busy: country.Busy,
	Congestion: country.Congestion, Unobtainable: country.Unobtainable,
}

// tones gives all tones of a country, and silence of three seconds.
func tones(c *country.Country) Tones {
	return Tones{Dial: c.Tone(country.Dial), Ringback: c.Tone(country.Ringback), Busy: c.Tone(country.Busy),
		Congestion: c.Tone(country.Congestion), Unobtainable: c.Tone(country.Unobtainable), SilenceFrames: 300}
}

func compiled(t testing.TB, w Tones) *Plan {
	t.Helper()
	p, err := Compile(w)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// line is how an exchange and its line differ from what the data says.
type line struct {
	level float64        // dB added
	pitch float64        // factor of the frequencies
	pace  func() float64 // factor of each burst and pause
	twist float64        // dB by which the highest sine is weaker
	noise float64        // dBm0, 0 is none
	skip  time.Duration  // of the beginning of the tone
	hum   float64        // dBm0 of 50 Hz, 0 is none
	rng   *rand.Rand     // of noise
}

// exact is a line that changes nothing.
var exact = line{pitch: 1, pace: func() float64 { return 1 }}

// play gives d of a tone over the line.
func (l line) play(w *tone.Tone, d time.Duration) []int16 {
	n := int(d * board.SampleRate / time.Second)
	skip := int(l.skip * board.SampleRate / time.Second)
	out := make([]float64, 0, n+skip)
	clock := 0
	steps, again := append(append([]tone.Step(nil), w.Intro()...), w.Loop()...), len(w.Intro())
	for i := 0; len(out) < n+skip && i < len(steps); {
		s := steps[i]
		on, off := n+skip, 0
		if s.On > 0 {
			on = int(s.On.Seconds() * board.SampleRate * l.pace())
			off = int(s.Off.Seconds() * board.SampleRate * l.pace())
		}
		burst := make([]float64, on)
		for k, x := range s.Sines {
			level := x.Level + l.level
			if k > 0 && k == len(s.Sines)-1 {
				level -= l.twist
			}
			// A sine as the recurrence of its samples.
			w := 2 * math.Pi * x.Hz * l.pitch / board.SampleRate
			a, turn := board.Amplitude(level), 2*math.Cos(w)
			v, before := a*math.Sin(w*float64(clock)), a*math.Sin(w*float64(clock-1))
			for j := range burst {
				burst[j] += v
				v, before = turn*v-before, v
			}
		}
		for j := range min(16, on/2) {
			burst[j] *= float64(j+1) / 17
			burst[on-1-j] *= float64(j+1) / 17
		}
		clock += on
		out = append(out, burst...)
		out = append(out, make([]float64, off)...)
		clock += off
		if i++; i == len(steps) {
			i = again
		}
	}
	for len(out) < n+skip {
		out = append(out, 0)
	}
	return l.send(out[skip : n+skip])
}

// send adds what the line adds.
func (l line) send(x []float64) []int16 {
	out := make([]int16, len(x))
	var noise, hum float64
	if l.noise != 0 {
		noise = board.Amplitude(l.noise) / math.Sqrt2
	}
	if l.hum != 0 {
		hum = board.Amplitude(l.hum)
	}
	for i, v := range x {
		if noise != 0 {
			v += noise * l.rng.NormFloat64()
		}
		if hum != 0 {
			v += hum * math.Sin(2*math.Pi*50*float64(i)/board.SampleRate)
		}
		out[i] = int16(max(-32768, min(32767, math.Round(v))))
	}
	return out
}

// told is an event and the sample at whose frame's end it came.
type told struct {
	Event
	at time.Duration
}

// hear gives what a detector tells of a sound.
func hear(d *Detector, pcm []int16) []told {
	var l []told
	var f board.Frame
	for i := 0; i+board.FrameLen <= len(pcm); i += board.FrameLen {
		copy(f[:], pcm[i:])
		if e := d.Next(&f); e.Kind != None {
			l = append(l, told{e, time.Duration(i/board.FrameLen+1) * board.FrameTime})
		}
	}
	return l
}

// quietFor is silence.
func quietFor(d time.Duration) []int16 { return make([]int16, d*board.SampleRate/time.Second) }

// period gives the length of a tone's loop; an endless one has none.
func period(w *tone.Tone) (d time.Duration) {
	for _, s := range w.Loop() {
		d += s.On + s.Off
	}
	return d
}

// total gives the level of a tone's loudest step.
func total(w *tone.Tone) float64 {
	most := math.Inf(-1)
	for _, s := range w.Loop() {
		p := 0.0
		for _, x := range s.Sines {
			p += math.Pow(10, x.Level/10)
		}
		most = max(most, 10*math.Log10(p))
	}
	return most
}
