package ear

import (
	"slices"
	"time"

	"sotto/board"
)

const (
	// slack is how far a burst or pause may be from what the Spec says.
	slack = 15 * ms
	// sure is the pause after which a burst is taken for the first of a cadence whose
	// pauses are long, longPause: any shorter one must be followed by its next burst.
	sure      = 500 * ms
	longPause = 1000 * ms
	// lastPause is the silence that proves the end of a tone that is played once.
	lastPause = 200 * ms
	// stranger is how long a sound that fits nothing lasts before it is told.
	stranger = 3000 * ms
	// forgotten is the silence after which a sound that fits nothing is over.
	forgotten = 1000 * ms
	// levelStep is how far the change of level between bursts may be off, in dB.
	levelStep = 4.0
)

// spec is a Spec in samples.
type spec struct {
	name  string
	steps []step
	again int // first step of the loop; len(steps) without one
}

type step struct {
	kind    int
	level   float64
	on, off int // samples; on 0: without end
}

func (e *Ear) compile(s Spec) spec {
	c := spec{name: s.Name, again: len(s.Intro)}
	for _, b := range slices.Concat(s.Intro, s.Loop) {
		c.steps = append(c.steps, step{e.kindOf(b.Freqs), b.Level, samples(b.On), samples(b.Off)})
	}
	return c
}

func samples(d time.Duration) int { return int(d * board.SampleRate / time.Second) }

// next gives the step after step i; len(steps) when the tone is over.
func (s *spec) next(i int) int {
	if i++; i == len(s.steps) {
		return s.again
	}
	return i
}

// guess is one way in which what is heard may be a spec.
type guess struct {
	spec, step int
	from       int  // step before, none at the first burst
	whole      bool // heard from its very beginning; else from somewhere in the loop
	proved     bool // a burst or a pause has had its exact length
	over       bool // of a tone that is played once: it was
}

// match weighs the guesses that explain all runs since one of them, the attempt. The
// guesses that heard the tone from its beginning come first; those that came in the
// middle count when none of them is left.
type match struct {
	guesses []guess
	active  bool
	run     int // id of the run that the attempt begins with
	onset   int // its onset
	named   int // index of the spec told, none, or len(specs) for Unknown
	good    int // end of the last burst of the named tone
	strange int // onset of the first sound that fits nothing, none
}

func (m *match) init(specs []spec) {
	n := 0
	for _, s := range specs {
		n += 1 + len(s.steps)
	}
	*m = match{guesses: make([]guess, 0, n), named: none, strange: none}
}

// attempt begins anew with the present run. A run that began as the named tone and ran
// on may only be a tone without end.
func (e *Ear) attempt() {
	m := &e.match
	m.active, m.run, m.onset = true, e.run.id, e.run.onset
	m.guesses = m.guesses[:0]
	for i := range e.specs {
		if first := e.specs[i].steps[0]; !e.run.joined || first.on == 0 {
			m.guesses = append(m.guesses, guess{spec: i, from: none, whole: true})
		}
		for j := e.specs[i].again; j < len(e.specs[i].steps) && !e.run.joined; j++ {
			m.guesses = append(m.guesses, guess{spec: i, step: j, from: none})
		}
	}
}

// keep drops the guesses that f does not hold for, and draws the conclusions.
func (e *Ear) keep(f func(g *guess, s *spec) bool) {
	e.prune(f)
	e.conclude(false)
}

func (e *Ear) prune(f func(g *guess, s *spec) bool) {
	m := &e.match
	n := 0
	for i := range m.guesses {
		if g := &m.guesses[i]; f(g, &e.specs[g.spec]) {
			m.guesses[n] = *g
			n++
		}
	}
	m.guesses = m.guesses[:n]
}

// matchBegin: a run began after a pause.
func (e *Ear) matchBegin(pause int) {
	m := &e.match
	if m.strange == none {
		m.strange = e.run.onset
	}
	if !m.active {
		e.attempt()
		return
	}
	e.keep(func(g *guess, s *spec) bool {
		if g.over || !near(pause, s.steps[g.step].off) {
			return false
		}
		g.from, g.step, g.proved = g.step, s.next(g.step), true
		return g.step < len(s.steps)
	})
}

// matchKind: the run's kind and level became known.
func (e *Ear) matchKind() {
	e.keep(e.rightKind)
}

func (e *Ear) rightKind(g *guess, s *spec) bool {
	if s.steps[g.step].kind != e.run.kind {
		return false
	}
	if g.from == none {
		return true
	}
	d := (e.run.level - e.run.before) - (s.steps[g.step].level - s.steps[g.from].level)
	return d < levelStep && d > -levelStep
}

// matchEnd: the run ended.
func (e *Ear) matchEnd() {
	if e.match.named != none {
		e.match.good = e.run.end
	}
	e.keep(e.rightLength)
}

func (e *Ear) rightLength(g *guess, s *spec) bool {
	on, length := s.steps[g.step].on, e.run.end-e.run.onset
	switch {
	case on == 0, e.run.kind == pending && length > short:
		return false
	case near(length, on):
		g.proved = g.proved || g.whole
	case g.whole || g.from != none || length > on:
		return false
	}
	g.over = s.next(g.step) == len(s.steps)
	return true
}

// inTime tells whether g still holds although sound or pause last on.
func (e *Ear) inTime(g *guess, s *spec) bool {
	st := &s.steps[g.step]
	switch pause := e.end() - e.run.end; {
	case e.run.state == sound:
		lasted := e.end() - e.run.onset
		if e.run.kind != pending { // a change of kind shows late
			lasted = e.run.fitEnd - e.run.onset
		}
		return st.on == 0 || lasted <= st.on+slack+10*ms
	case g.over:
		return pause <= lastPause+slack
	default:
		return pause <= st.off+slack+ms
	}
}

func near(a, b int) bool { return a-b <= slack && b-a <= slack }

// conclude tells what the guesses that are left mean; late says that the others ran out
// of time. When none is left, a new attempt begins with the present run, unless the old
// one began there.
func (e *Ear) conclude(late bool) {
	m := &e.match
	if !m.active {
		return
	}
	joined := e.run.joined
	if m.named >= 0 && m.named < len(e.specs) {
		if slices.ContainsFunc(m.guesses, func(g guess) bool { return g.spec == m.named }) {
			return
		}
		e.tell(ToneOff, e.specs[m.named].name, 0, m.good, e.run.level)
		m.named, m.strange = none, none
		m.guesses = m.guesses[:0]
		if e.run.state == gap { // what was heard last was the named tone, cut off
			m.active = false
			return
		}
		m.strange = e.run.onset
		e.run.joined = late
	}
	if len(m.guesses) == 0 && (m.run != e.run.id || e.run.joined && !joined) {
		e.attempt()
		if e.run.kind != pending {
			e.prune(e.rightKind)
		}
		if e.run.state == gap {
			e.prune(e.rightLength)
		}
		e.prune(e.inTime)
	}
	if len(m.guesses) == 0 {
		m.active = false
		return
	}
	if g, ok := m.single(); ok && e.certain(g) {
		if m.named == len(e.specs) {
			e.tell(ToneOff, Unknown, 0, m.onset, e.run.level)
		}
		m.named, m.good, m.strange = g.spec, e.run.end, none
		e.tell(ToneOn, e.specs[g.spec].name, 0, m.onset, e.run.level)
	}
}

// single gives a guess of the one spec that is left.
func (m *match) single() (guess, bool) {
	var one guess
	found := false
	for _, whole := range []bool{true, false} {
		for _, g := range m.guesses {
			if g.whole != whole {
				continue
			}
			if found && g.spec != one.spec {
				return guess{}, false
			}
			one, found = g, true
		}
		if found {
			return one, whole || one.proved
		}
	}
	return guess{}, false
}

// certain tells whether g, the last guess, is proved by what was heard: a burst whose
// kind is known, or a pause that no chance end of another sound would leave.
func (e *Ear) certain(g guess) bool {
	pause := e.end() - e.run.end
	switch {
	case e.run.state == sound && e.run.joined:
		return e.run.fitEnd-e.run.onset > 2*e.longest(e.run.kind)+slack
	case e.run.state == sound:
		return e.run.kind != pending
	case g.over:
		return pause >= lastPause
	}
	return e.specs[g.spec].steps[g.step].off > longPause && pause >= sure
}

// longest gives the longest burst of a kind.
func (e *Ear) longest(kind int) (n int) {
	for i := range e.specs {
		for _, s := range e.specs[i].steps {
			if s.kind == kind {
				n = max(n, s.on)
			}
		}
	}
	return n
}

// tick lets time pass, sound or silence.
func (e *Ear) tick() {
	m := &e.match
	if m.active {
		e.prune(e.inTime)
		e.conclude(true)
	}
	pause := e.end() - e.run.end
	switch {
	case e.run.state == gap && !m.active && pause >= forgotten:
		if m.named == len(e.specs) {
			e.tell(ToneOff, Unknown, 0, e.run.end, e.run.level)
		}
		m.named, m.strange = none, none
		e.run.state = never
	case e.run.state == sound && !m.active && m.named == none && m.strange != none && e.end()-m.strange >= stranger:
		m.named = len(e.specs)
		e.tell(ToneOn, Unknown, 0, m.strange, e.run.level)
	}
}
