package progress

import (
	"math"

	"sotto/board"
)

const (
	frameSeconds = float64(board.FrameLen) / board.SampleRate
	remembered   = 16 // bursts

	minShare   = 0.92  // of what a burst is to be of all, over its length
	maxShift   = 0.023 // of a frequency: 1.5 % is taken, 3.5 % refused
	maxDrift   = 0.008 // of a frequency, from one burst to the next
	levelRange = 5.0   // dB between bursts that are to be equally loud, and
	sameRange  = 1.5   // dB between those of the same place in the period
	quieter    = 10.0  // dB by which a pause is
	late       = 14    // frames until a burst that has begun is sure
)

var (
	mostRange  = ratio(levelRange)
	leastRange = ratio(sameRange)
	quietRatio = ratio(-quieter)
)

// history is the last bursts.
type history struct {
	bursts [remembered]burst
	n      int // ever, at most remembered
	at     int // of the next
}

func (h *history) add(b burst) {
	h.bursts[h.at] = b
	h.at = (h.at + 1) % remembered
	h.n = min(h.n+1, remembered)
}

// back gives a burst; 0 is the last.
func (h *history) back(i int) *burst { return &h.bursts[(h.at-1-i+remembered)%remembered] }

// fits tells whether the last n bursts are of the pattern, and the one that has begun
// goes on with it (nil: none).
func (w *pattern) fits(h *history, n int, open *burst) bool {
	if h.n < n || w.steady {
		return false
	}
	for last := range w.steps {
		if w.fitsAt(h, n, open, last) {
			return true
		}
	}
	return false
}

// fitsAt is fits where the last whole burst is of the step last.
func (w *pattern) fitsAt(h *history, n int, open *burst, last int) bool {
	low, high := float32(math.MaxFloat32), float32(0)
	level := func(s *step, b *burst) {
		v := b.level / s.level
		low, high = min(low, v), max(high, v)
	}
	newer := open
	if open != nil {
		s := w.step(last + 1)
		if open.sound != s.sound {
			return false
		}
		level(s, open)
	}
	for i := range n {
		b, s := h.back(i), w.step(last-i)
		if b.sound != s.sound || b.on < s.minOn || b.on > s.maxOn || b.share < minShare*s.share {
			return false
		}
		if b.shifted() {
			return false
		}
		if newer != nil {
			if newer.gap < s.minOff || newer.gap > s.maxOff || newer.noise > quietRatio*b.level {
				return false
			}
			if newer != open && newer.sound == b.sound && drift(newer, b) {
				return false
			}
		}
		if j := i - len(w.steps); j >= 0 {
			if l := h.back(j).level; l > leastRange*b.level || b.level > leastRange*l {
				return false
			}
		}
		level(s, b)
		newer = b
	}
	return high <= mostRange*low
}

// drift tells whether two bursts of a sound differ in frequency.
func drift(a, b *burst) bool {
	for i := range a.off {
		if v := a.off[i] - b.off[i]; v > maxDrift || v < -maxDrift {
			return true
		}
	}
	return false
}

// holds tells whether the burst that is on, brought up to date, is the pattern's steady
// sound. It may have been taken for another that hears the same, as 425 Hz is as loud in the
// band of 400 and 425 Hz together: its frequency tells.
func (p *Plan) holds(w *pattern, b *burst) bool {
	s := &w.steps[0]
	own, want := p.sounds[b.sound].bands, p.sounds[s.sound].bands
	if len(own) != len(want) || b.share < minShare*s.share {
		return false
	}
	for i, k := range own {
		is := p.bands[k].hz * (1 + float64(b.off[i]))
		if math.Abs(is/p.bands[want[i]].hz-1) > maxShift {
			return false
		}
	}
	return true
}

// shifted tells whether a frequency of b is off.
func (b *burst) shifted() bool {
	for _, v := range b.off {
		if v > maxShift || v < -maxShift {
			return true
		}
	}
	return false
}

// follow tells what begins and ends.
func (d *Detector) follow(c change) {
	t := &d.burst
	var open *burst
	switch c {
	case ended:
		d.past.add(t.cur)
	case began:
		t.cur.level = t.ref
		open = &t.cur
	}
	if d.told >= 0 && d.over(c) {
		d.tell(d.plan.patterns[d.told].kind, false)
		d.told = -1
	}
	if d.told >= 0 {
		return
	}
	for i := range d.plan.patterns {
		w := &d.plan.patterns[i]
		var is bool
		switch {
		case w.steady:
			if n := t.length() - w.need; t.open && t.lost == 0 && n >= 0 && n%10 == 0 {
				t.sum(d.plan)
				is = d.plan.holds(w, &t.cur)
			}
		case w.onset:
			is = c == began && w.fits(&d.past, w.need, open)
		default:
			is = c == ended && w.fits(&d.past, w.need, nil)
		}
		if is {
			d.told = i
			d.tell(w.kind, true)
			return
		}
	}
}

// over tells whether the tone that is on is over.
func (d *Detector) over(c change) bool {
	w, t := &d.plan.patterns[d.told], &d.burst
	switch {
	case w.steady:
		return !t.open
	case c == ended:
		return !w.fits(&d.past, 2, nil)
	case t.open:
		return t.length() > w.longestOn
	}
	return t.now-t.end > int64(w.longestOff+late)
}
