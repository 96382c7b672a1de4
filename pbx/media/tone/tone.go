// Package tone makes call-progress tones: what a telephone hears instead of a voice.
// A [Tone] is a cadence as a value, built once from country data by [New]; a [Player]
// plays it frame by frame. The media engine calls Player.Next on its tick; package
// country builds the tones.
//
// The package is pure. It does not know what a tone means, reads no clock and never
// allocates while it plays.
package tone

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"sotto/board"
)

const (
	// MaxSines bounds the sines of one step.
	MaxSines = 4
	// Ramp is the length of the raised-cosine edge at either end of a step. It lies
	// inside the step, so a burst is half as loud Ramp/2 after its start and Ramp/2
	// before its end.
	Ramp = 2 * time.Millisecond
)

// Sine is one component of a tone. An amplitude-modulated tone is its carrier and its
// two side tones.
type Sine struct {
	Hz    float64
	Level float64 // dBm0 of this sine alone
}

// Step is one burst of a tone and the pause after it.
type Step struct {
	Sines []Sine        // 1 to MaxSines, summed
	On    time.Duration // length of the burst; 0: without end, in the last step only
	Off   time.Duration // length of the pause; 0: the next step follows at once
}

// Tone is a cadence: steps played once, then steps played round and round. It is
// immutable and may be shared by any number of players.
type Tone struct {
	intro, loop []Step
	steps       []burst // of intro, then of loop
	again       int     // index of the loop's first step; len(steps) when there is none
}

// burst is a step in samples. Phases are fractions of a turn in units of 2^-32.
type burst struct {
	inc     [MaxSines]uint32
	amp     [MaxSines]float32
	sines   int
	on, all uint64 // samples of sound, and of sound and pause; on is 0 for a burst without end
}

// New builds a tone that plays intro once and then repeats loop; either may be empty,
// not both. Without a loop the tone ends in silence. It refuses a step without sines,
// a frequency that 8 kHz cannot carry, a sum that would clip, a burst shorter than its
// two ramps, and a duration that is not a whole number of samples.
func New(intro, loop []Step) (*Tone, error) {
	t := &Tone{intro: slices.Clone(intro), loop: slices.Clone(loop)}
	all := slices.Concat(intro, loop)
	if len(all) == 0 {
		return nil, errors.New("tone has no steps")
	}
	t.again = len(intro)
	for i, s := range all {
		last := i == len(all)-1 && (len(loop) == 0 || len(loop) == 1)
		b, err := compile(s, last)
		if err != nil {
			return nil, fmt.Errorf("step %d: %w", i+1, err)
		}
		t.steps = append(t.steps, b)
	}
	return t, nil
}

func compile(s Step, last bool) (burst, error) {
	var b burst
	if len(s.Sines) == 0 || len(s.Sines) > MaxSines {
		return b, fmt.Errorf("%d sines, want 1 to %d", len(s.Sines), MaxSines)
	}
	var peak float64
	for i, w := range s.Sines {
		if !(w.Hz > 0 && w.Hz < board.SampleRate/2) {
			return b, fmt.Errorf("a sine of %g Hz", w.Hz)
		}
		a := board.Amplitude(w.Level)
		peak += a
		b.inc[i] = uint32(math.Round(w.Hz / board.SampleRate * (1 << 32)))
		b.amp[i] = float32(a)
	}
	if !(peak <= math.MaxInt16) {
		return b, errors.New("the sines clip")
	}
	b.sines = len(s.Sines)
	switch {
	case s.On == 0 && !last:
		return b, errors.New("a burst without end before the last step")
	case s.On == 0 && s.Off != 0:
		return b, errors.New("a pause after a burst without end")
	case s.On != 0 && s.On < 2*Ramp, s.Off < 0:
		return b, fmt.Errorf("burst of %v with a pause of %v", s.On, s.Off)
	case s.On%sample != 0, s.Off%sample != 0:
		return b, fmt.Errorf("%v and %v are not whole samples", s.On, s.Off)
	}
	b.on = uint64(s.On / sample)
	b.all = b.on + uint64(s.Off/sample)
	return b, nil
}

// sample is the length of one sample.
const sample = time.Second / board.SampleRate

// Must is New for tones known at compile time; it panics on a wrong one.
func Must(intro, loop []Step) *Tone {
	t, err := New(intro, loop)
	if err != nil {
		panic("tone: " + err.Error())
	}
	return t
}

// Intro gives the steps that are played once. The slice is shared and must not be changed.
func (t *Tone) Intro() []Step { return t.intro }

// Loop gives the steps that are repeated. The slice is shared and must not be changed.
func (t *Tone) Loop() []Step { return t.loop }
