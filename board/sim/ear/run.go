package ear

import (
	"math"

	"sotto/board"
)

const (
	ms = board.SampleRate / 1000

	// onPeak is the peak of a sine of -50 dBm0, the softest sound.
	onPeak = 72
	// relPeak, of the peak of the sound so far, is where an edge is seen: -22 dB.
	relPeak = 0.08
	// minGap is the shortest pause; the beats of a pair 25 Hz apart stay below it.
	minGap = 8 * ms
	// minSound is the shortest sound; less is a click.
	minSound = 15 * ms
	// short is the longest burst that may end before its kind could be judged.
	short = 80 * ms
)

// edge follows the level of y, sample by sample.
type edge struct {
	on    bool
	begun bool // on for minSound, and told
	onset int  // first sample of the sound
	last  int  // last sample above the threshold
	peak  float32
}

type runState uint8

const (
	never runState = iota // nothing was heard lately
	sound
	gap
)

// pending is the kind of a run that is too short to tell.
const pending = -2

// run is a stretch of sound of one kind, and the pause after it.
type run struct {
	id         int // rises
	state      runState
	onset, end int
	kind       int
	level      float64 // dBm0
	before     float64 // level of the run before
	fitEnd     int     // end of the last window of this kind
	joined     bool    // it began as the burst of a named tone and ran on

	other      int // what the last windows were instead
	otherN     int
	otherStart int
}

// hearTones judges the 10 ms of y that are new.
func (e *Ear) hearTones() {
	g := &e.edge
	base := e.n - delay
	threshold := max(onPeak, relPeak*g.peak)
	for i, v := range e.y[window:] {
		at := base + i
		if a := float32(math.Abs(float64(v))); a >= threshold {
			if !g.on {
				g.on, g.begun, g.onset = true, false, at
			}
			g.last = at
			if a > g.peak {
				g.peak = a
				threshold = max(onPeak, relPeak*a)
			}
		} else if g.on && at-g.last >= minGap {
			g.on = false
			if g.begun {
				e.runEnds(g.last + 1)
			}
		}
		if g.on && !g.begun && at-g.onset >= minSound {
			g.begun = true
			e.runBegins(g.onset)
		}
	}
	if !g.on {
		g.peak *= 0.5
		return
	}
	g.peak *= 0.93
	if g.begun && e.end()-g.onset >= window+5*ms && e.end()-g.last < 5*ms {
		e.judge()
	}
}

// judge tells the kind of the last window and what it makes of the run.
func (e *Ear) judge() {
	r := &e.run
	k, energy := e.classify()
	level := board.Level(math.Sqrt(energy / window))
	if k == r.kind {
		r.fitEnd, r.other, r.otherN = e.end(), pending, 0
		return
	}
	if k != r.other {
		r.other, r.otherN, r.otherStart = k, 0, e.end()-window
	}
	r.otherN++
	switch {
	case k == none && r.otherN < 8 || k != none && r.otherN < 2:
		return
	case r.kind == pending:
	case k == none:
		e.runEnds(r.fitEnd)
		e.runBegins(r.fitEnd)
	case r.kind == none:
		e.runEnds(r.otherStart)
		e.runBegins(r.otherStart)
	default:
		at := (r.fitEnd + r.otherStart) / 2
		e.runEnds(at)
		e.runBegins(at)
	}
	r.fitEnd = e.end()
	e.runIs(k, level)
}

func (e *Ear) runBegins(at int) {
	r := &e.run
	pause := at - r.end
	*r = run{id: r.id + 1, state: sound, onset: at, kind: pending, other: pending, before: r.level}
	e.matchBegin(pause)
}

func (e *Ear) runIs(kind int, level float64) {
	e.run.kind, e.run.level = kind, level
	if kind >= e.digits {
		e.tell(Digit, e.kinds[kind].digit, 0, e.run.onset, level)
		e.match.strange = none
	}
	e.matchKind()
}

func (e *Ear) runEnds(at int) {
	e.run.state, e.run.end = gap, at
	e.matchEnd()
}
