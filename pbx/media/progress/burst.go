package progress

import (
	"math"

	"sotto/pbx/media/tone"
)

const (
	confirm = 5  // frames in which a sound is most of what there is, before it is a burst
	bridge  = 4  // frames without it that end a burst
	edges   = 3  // frames beside an edge in which a window holds both sides, and a beat more
	reach   = 24 // frames back that a beginning is looked for

	presentShare = 0.5  // of what a sound is to be of all, in a frame
	balance      = 0.1  // of the strongest band, that each must have
	edge         = 0.25 // of a burst's power, that it has at its edges: half a window is full
)

// burst is one that was heard, and the pause before it.
type burst struct {
	sound   int
	on, gap int                    // frames
	level   float32                // power
	share   float32                // of all energy that the sound was
	noise   float32                // power of all in the pause before; 0 is not known
	off     [tone.MaxSines]float32 // of each band, how far its frequency is off, relative
}

// change is what a frame brought.
type change uint8

const (
	same  change = iota
	began        // a burst is sure to be there
	ended
)

// tracker finds bursts.
type tracker struct {
	now, end int64 // frames; when the last burst ended
	cand     int   // sound that may be the next, -1 for none
	count    int   // frames of it

	open  bool
	start int64
	lost  int
	ref   float32
	cur   burst

	// Of the pause: frames looked at and their energy.
	pauses int
	pause  float64

	// Of the burst: frames looked at, their energy, and of each band the power and how
	// far its phase turns in a frame.
	n      int
	energy float64
	power  [tone.MaxSines]float64
	re, im [tone.MaxSines]float64

	level float32 // of the last burst
	after int64   // frames after it in which a window may still hold some of it
}

// power gives the power of a sound and all energy i frames ago, over its beat; ok is that
// no band of it is missing.
func (p *Plan) power(s *sound, f *front, i int) (power, energy float32, ok bool) {
	var bands [tone.MaxSines]float32
	for j := range s.smooth {
		l := f.back(i + j)
		for k, b := range s.bands {
			bands[k] += l.power[b]
		}
		energy += l.energy[s.shape]
	}
	strongest := float32(0)
	for _, v := range bands[:len(s.bands)] {
		power += v
		strongest = max(strongest, v)
	}
	ok = true
	for _, v := range bands[:len(s.bands)] {
		ok = ok && v >= balance*strongest
	}
	m := float32(s.smooth)
	return power / m, energy / m, ok
}

// present gives the sound that is most of what there is, -1 for none.
func (p *Plan) present(f *front) int {
	best, most := -1, float32(0)
	if e := f.back(0).energy; e[0] < idle && e[1] < idle {
		return best
	}
	for i := range p.sounds {
		s := &p.sounds[i]
		power, energy, ok := p.power(s, f, 0)
		power /= s.share
		if ok && power >= faintest && power >= presentShare*energy && power > most {
			best, most = i, power
		}
	}
	return best
}

// step takes the newest look.
func (t *tracker) step(p *Plan, f *front) change {
	t.now++
	if t.open {
		return t.follow(p, f)
	}
	t.hush(f, depth-1, t.end+t.after) // so late that no burst can begin before it
	best := p.present(f)
	if best != t.cand || best < 0 {
		t.cand, t.count = best, 0
	}
	if best < 0 {
		return same
	}
	s := &p.sounds[best]
	if t.count++; t.count < confirm+s.smooth-1 {
		return same
	}
	power, _, _ := p.power(s, f, 0)
	back := 1
	for ; back < reach && t.now-int64(back) >= t.end; back++ {
		if was, _, _ := p.power(s, f, back); was < edge*power {
			break
		}
	}
	for i := depth - 2; i >= back+edges+s.smooth; i-- {
		t.hush(f, i, t.end+t.after)
	}
	*t = tracker{now: t.now, end: t.end, open: true, start: t.now - int64(back) + 1, ref: power, pause: t.pause, pauses: t.pauses, level: t.level, after: t.after}
	t.cur = burst{sound: best, gap: int(min(t.start-t.end, 1<<20))}
	if t.pauses > 0 {
		t.cur.noise = float32(t.pause / float64(t.pauses))
	}
	return began
}

// follow takes a frame of a burst.
func (t *tracker) follow(p *Plan, f *front) change {
	s := &p.sounds[t.cur.sound]
	power, _, _ := p.power(s, f, 0)
	if power < edge*t.ref {
		if t.lost++; t.lost < bridge {
			return same
		}
		if t.sum(p); t.stray(s) {
			t.forget()
			return same
		}
		*t = tracker{now: t.now, end: t.now - bridge + 1, cand: -1, cur: t.cur, level: t.cur.level, after: int64(edges + s.smooth)}
		return ended
	}
	if power*edge > t.ref { // only now it begins: what was before was something else
		t.forget()
		return same
	}
	t.lost = 0
	t.ref += (power - t.ref) / 16
	new, old := f.back(0), f.back(1)
	t.n++
	t.energy += float64(new.energy[s.shape])
	for i, b := range s.bands {
		x, y, u, v := float64(new.re[b]), float64(new.im[b]), float64(old.re[b]), float64(old.im[b])
		t.power[i] += float64(new.power[b])
		t.re[i] += x*u + y*v
		t.im[i] += y*u - x*v
	}
	return same
}

// hush adds the look of i frames ago to the pause, if it was after a time.
func (t *tracker) hush(f *front, i int, after int64) {
	if t.now-int64(i) >= after {
		t.pause += float64(f.back(i).energy[0])
		t.pauses++
	}
}

// stray tells whether the burst is none, but a sound in a pause, such as a vowel of the
// near party's echo: fainter by far than the last burst, and not pure.
func (t *tracker) stray(s *sound) bool {
	return t.cur.level < quietRatio*t.level && (t.cur.share < minShare*s.share || t.cur.shifted())
}

// forget makes the burst a part of the pause.
func (t *tracker) forget() {
	*t = tracker{now: t.now, end: t.end, cand: -1, pause: t.pause + t.energy, pauses: t.pauses + t.n, level: t.level, after: t.after}
}

// length gives the frames of the burst so far.
func (t *tracker) length() int { return int(min(t.now-int64(t.lost)-t.start, 1<<20)) }

// sum brings the burst up to date.
func (t *tracker) sum(p *Plan) {
	s := &p.sounds[t.cur.sound]
	t.cur.on = t.length()
	t.cur.level, t.cur.share = t.ref, 0
	if t.n == 0 {
		return
	}
	power := 0.0
	for i, k := range s.bands {
		b := &p.bands[k]
		turn := math.Atan2(t.im[i]*b.turnRe+t.re[i]*b.turnIm, t.re[i]*b.turnRe-t.im[i]*b.turnIm)
		hz := turn / (2 * math.Pi) * (1 / frameSeconds)
		t.cur.off[i] = float32(hz / b.hz)
		power += t.power[i] / max(gain(b.shape, hz), 0.1)
	}
	t.cur.level = float32(power / float64(t.n))
	t.cur.share = float32(power / max(t.energy, 1))
}
