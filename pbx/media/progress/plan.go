package progress

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"sotto/board"
	"sotto/pbx/media/tone"
)

const (
	maxSteps    = 6                      // of a cadence
	minOn       = 100 * time.Millisecond // of a burst that can be told from a click
	minOff      = 60 * time.Millisecond  // of a pause that can be told from a drop-out
	maxLen      = 20 * time.Second       // of a burst or a pause
	slack       = 0.20                   // of the length of a burst or a pause, and
	slackMore   = 15 * time.Millisecond  // what frames make of it
	dialNeed    = 40                     // frames of a dial tone without pauses
	stutterNeed = 35                     // frames of a burst of special dial tone
	steadyNeed  = 300                    // frames of another tone without pauses
	apart       = 37.5                   // Hz between sines that have bands of their own
	sameBand    = 0.012                  // of a frequency, within which another shares its band
)

// Plan is what to listen for. It is immutable and may be used by any number of detectors.
type Plan struct {
	bands    []band
	sounds   []sound
	patterns []pattern
	silence  int
}

// sound is what one burst may be made of.
type sound struct {
	bands  []int   // indices into Plan.bands
	shape  int     // whose energy it is measured by
	share  float32 // of the energy that the bands hold, at least
	smooth int     // frames of a beat, 1 for none
}

// step is a burst and the pause after it, in frames.
type step struct {
	sound               int // index into Plan.sounds
	on, minOn, maxOn    int
	off, minOff, maxOff int
	share               float32 // of the energy that the bands hold
	level               float32 // power
}

// pattern is a tone as bursts.
type pattern struct {
	kind   Kind
	steps  []step
	steady bool // without pauses: one step, that has no end
	need   int  // bursts; of one that is steady, frames
	onset  bool // told when the burst after them has begun

	longestOn, longestOff int // frames that are taken for one of its bursts or pauses
}

// Compile makes a plan. The error says which tone cannot be recognised, and why.
func Compile(t Tones) (*Plan, error) {
	if t.SilenceFrames < 0 {
		return nil, errors.New("silence: a negative time")
	}
	p := &Plan{silence: t.SilenceFrames}
	byKind := [Silence]*tone.Tone{Dial: t.Dial, Ringback: t.Ringback, Busy: t.Busy, Congestion: t.Congestion, Unobtainable: t.Unobtainable}
	for k, w := range byKind {
		if w == nil {
			continue
		}
		if err := p.add(Kind(k), w); err != nil {
			return nil, fmt.Errorf("%s: %w", Kind(k), err)
		}
	}
	if t.Stutter != nil {
		if err := p.stutter(t.Stutter); err != nil {
			return nil, fmt.Errorf("stutter: %w", err)
		}
	}
	p.even()
	p.part()
	return p, nil
}

// even lets sounds that hear each other be looked at over the same beat, so that the
// fainter one does not pass for the louder in between.
func (p *Plan) even() {
	for i := range p.sounds {
		for j := range p.sounds {
			for _, a := range p.sounds[i].bands {
				for _, b := range p.sounds[j].bands {
					if math.Abs(p.bands[a].hz-p.bands[b].hz) < apart {
						p.sounds[i].smooth = max(p.sounds[i].smooth, p.sounds[j].smooth)
					}
				}
			}
		}
	}
}

// stutter compiles a special dial tone: each of its bursts that is long enough is a dial
// tone by itself.
func (p *Plan) stutter(t *tone.Tone) error {
	for _, s := range t.Loop() {
		if s.On > 0 && s.On < stutterNeed*board.FrameTime+minOff/2 {
			continue
		}
		x, err := p.sound(s)
		if err != nil {
			return err
		}
		p.patterns = append(p.patterns, pattern{kind: Dial, steps: []step{x}, steady: true, need: stutterNeed})
	}
	return nil
}

// add compiles a tone: what it repeats.
func (p *Plan) add(k Kind, t *tone.Tone) error {
	steps := t.Loop()
	if len(steps) == 0 {
		return errors.New("the tone ends")
	}
	if len(steps) > maxSteps {
		return fmt.Errorf("%d bursts a period, at most %d can be followed", len(steps), maxSteps)
	}
	w := pattern{kind: k, onset: k != Dial && k != Ringback}
	for i, s := range steps {
		if s.On == 0 {
			w.steady = true
		} else if s.On < minOn || s.On > maxLen {
			return fmt.Errorf("a burst of %v", s.On)
		}
		x, err := p.sound(s)
		if err != nil {
			return err
		}
		next := steps[(i+1)%len(steps)]
		if s.Off > maxLen || s.Off < minOff && s.On > 0 && sameSines(s, next) {
			return fmt.Errorf("a pause of %v", s.Off)
		}
		x.on, x.minOn, x.maxOn = limits(s.On)
		x.off, x.minOff, x.maxOff = limits(s.Off)
		w.longestOn, w.longestOff = max(w.longestOn, x.maxOn), max(w.longestOff, x.maxOff)
		w.steps = append(w.steps, x)
	}
	switch {
	case w.steady && k == Dial:
		w.need = dialNeed
	case w.steady:
		w.need = steadyNeed
	case w.onset && !w.sequence():
		w.need = 2 * len(w.steps)
	default:
		w.need, w.onset = len(w.steps), false
	}
	p.patterns = append(p.patterns, w)
	return nil
}

// sequence tells whether the tone is at least three sounds, each another.
func (w *pattern) sequence() bool {
	var seen []int
	for _, s := range w.steps {
		if slices.Contains(seen, s.sound) {
			return false
		}
		seen = append(seen, s.sound)
	}
	return len(seen) >= 3
}

func sameSines(a, b tone.Step) bool {
	return slices.EqualFunc(a.Sines, b.Sines, func(x, y tone.Sine) bool { return x.Hz == y.Hz })
}

// limits gives a length in frames, and the least and most that is taken for it.
func limits(d time.Duration) (frames, low, high int) {
	more := time.Duration(float64(d)*slack) + slackMore
	round := func(d time.Duration) int { return int((d + board.FrameTime/2) / board.FrameTime) }
	return round(d), max(0, round(d-more)), round(d + more)
}

// sound finds the bands and the sound of a burst, or makes them.
func (p *Plan) sound(s tone.Step) (step, error) {
	sines := slices.Clone(s.Sines)
	slices.SortFunc(sines, func(a, b tone.Sine) int { return int(math.Copysign(1, a.Hz-b.Hz)) })
	var all, kept float64
	snd := sound{smooth: 1}
	for i := 0; i < len(sines); {
		if sines[i].Hz < 300 || sines[i].Hz > 3400 {
			return step{}, fmt.Errorf("a sine of %g Hz", sines[i].Hz)
		}
		// Those nearer than a window can part go together.
		j := i + 1
		for ; j < len(sines) && sines[j].Hz-sines[j-1].Hz < apart; j++ {
			snd.smooth = max(snd.smooth, int(math.Ceil(float64(board.SampleRate/board.FrameLen)/max(sines[j].Hz-sines[j-1].Hz, 12.5))))
		}
		var power, centre float64
		for _, w := range sines[i:j] {
			a := float64(peak2(w.Level))
			power += a
			centre += a * w.Hz
		}
		k := p.band(centre / power)
		if k < 0 {
			return step{}, fmt.Errorf("more than %d frequencies in all", maxBands)
		}
		snd.bands = append(snd.bands, k)
		for _, w := range sines[i:j] {
			kept += float64(peak2(w.Level)) * gain(p.bands[k].shape, w.Hz-p.bands[k].hz)
		}
		all += power
		i = j
	}
	snd.share = float32(kept / all)
	snd.shape = p.bands[snd.bands[0]].shape
	x := step{share: snd.share, level: float32(all), sound: slices.IndexFunc(p.sounds, func(o sound) bool { return slices.Equal(o.bands, snd.bands) })}
	if x.sound < 0 {
		x.sound = len(p.sounds)
		p.sounds = append(p.sounds, snd)
		return x, nil
	}
	old := &p.sounds[x.sound]
	old.share, old.smooth = min(old.share, snd.share), max(old.smooth, snd.smooth)
	return x, nil
}

// band finds a band near hz, or makes it; -1 is: there is no room for it.
func (p *Plan) band(hz float64) int {
	if i := slices.IndexFunc(p.bands, func(b band) bool { return math.Abs(b.hz-hz) < sameBand*hz }); i >= 0 {
		return i
	}
	if len(p.bands) == maxBands {
		return -1
	}
	p.bands = append(p.bands, newBand(hz))
	return len(p.bands) - 1
}

// part makes each pattern wait for so much that it can be no other of the plan.
func (p *Plan) part() {
	for i := range p.patterns {
		a := &p.patterns[i]
		least := a.need
		for j := range p.patterns {
			b := &p.patterns[j]
			switch {
			case i == j || b.steady:
			case a.steady:
				for _, s := range b.steps {
					if s.sound == a.steps[0].sound {
						a.need = max(a.need, s.maxOn+edges)
					}
				}
			default:
				for n := a.need; ; n++ {
					if n > remembered-1 { // they are alike
						break
					}
					if !b.looksLike(a, n) {
						a.need = n
						break
					}
				}
			}
		}
		if a.need > remembered-1 && !a.steady {
			a.need = least
		}
	}
}

// looksLike tells whether some n bursts of w fit a.
func (w *pattern) looksLike(a *pattern, n int) bool {
	for last := range w.steps {
		var h history
		for i := remembered - 1; i >= 0; i-- {
			s, before := w.step(last-i), w.step(last-i-1)
			h.add(burst{sound: s.sound, on: s.on, gap: before.off, level: s.level, share: s.share})
		}
		next := w.step(last + 1)
		open := burst{sound: next.sound, gap: w.steps[last].off, level: next.level}
		if a.fits(&h, n, &open) {
			return true
		}
	}
	return false
}

// step gives a step by its number, counted round and round.
func (w *pattern) step(i int) *step {
	n := len(w.steps)
	return &w.steps[(i%n+n)%n]
}
