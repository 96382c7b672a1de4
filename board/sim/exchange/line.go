package exchange

import (
	"math"
	"time"

	"sotto/board"
	"sotto/board/chipsim"
)

// Line implements [chipsim.CO].
func (l *Line) Line(start time.Time, seizure *chipsim.Seizure, supply *chipsim.Supply) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now = start.Add(board.FrameTime)
	*supply = chipsim.Supply{}

	l.loop(start, seizure)
	l.listen(seizure)
	l.advance()
	if l.cut {
		return
	}
	l.feed(supply)
	l.ring(supply)
	l.speak(seizure, supply)
}

// enter begins a state.
func (l *Line) enter(s State) {
	l.state, l.since, l.samples = s, l.now, 0
	l.osc = [8]float64{}
	switch s {
	case Idle:
		l.turned = false
	case Seized:
		l.digits = l.digits[:0]
		l.dtmf, l.pulses = receiver{}, pulseCounter{}
	}
}

func (l *Line) note(n Note) {
	if len(l.notes) < maxNotes {
		l.notes = append(l.notes, n)
	}
	if len(l.fresh) < maxNotes {
		l.fresh = append(l.fresh, n)
	}
}

// loop follows the port's hook switch.
func (l *Line) loop(start time.Time, s *chipsim.Seizure) {
	if s.Closed != l.closed {
		l.edge(start, s.Closed)
	}
	for _, e := range s.Edges {
		if e.Closed != l.closed {
			l.edge(start.Add(e.After), e.Closed)
		}
	}
	if !l.closed && l.state != Idle && l.state != RingingIn && l.now.Sub(l.openAt) >= l.cfg.ReleaseTime {
		l.note(Note{At: l.openAt, Kind: NoteReleased})
		l.enter(Idle)
	}
	if n := l.pulses.count(l.now, l.closed); n > 0 && n <= len(l.cfg.Pulses) {
		l.dialled(l.cfg.Pulses[n-1], true)
	}
}

func (l *Line) edge(at time.Time, closed bool) {
	l.closed = closed
	if !closed {
		l.openAt = at
		return
	}
	switch {
	case l.cut:
	case l.state == Idle:
		l.note(Note{At: at, Kind: NoteSeized})
		l.enter(Seized)
	case l.state == RingingIn:
		l.note(Note{At: at, Kind: NoteSeized})
		l.answer()
	case l.takesDigits():
		l.pulses.made(at, at.Sub(l.openAt))
	}
}

// listen takes what the port sends.
func (l *Line) listen(s *chipsim.Seizure) {
	// A silent port is the common case; its silence has to be kept all the same.
	l.at += copy(l.heard[l.at:], s.Mouth[:])
	l.at %= heardLen
	if l.takesDigits() {
		if d := l.dtmf.frame(&s.Mouth); d != 0 {
			l.dialled(d, false)
		}
	}
}

func (l *Line) dialled(d byte, pulse bool) {
	if len(l.digits) < maxDigits {
		l.digits = append(l.digits, d)
	}
	l.lastWord = l.now
	l.note(Note{At: l.now, Kind: NoteDigit, Digit: d, Pulse: pulse})
	if l.state != Dialling {
		l.enter(Dialling)
	}
}

// takesDigits tells whether digits are taken: from the time of dial tone on, with it or
// without.
func (l *Line) takesDigits() bool {
	return l.state == Dialtone || l.state == Dialling || l.state == Seized && l.now.Sub(l.since) > l.cfg.DialDelay
}

// advance moves the call on by what time alone does.
func (l *Line) advance() {
	in := l.now.Sub(l.since)
	switch l.state {
	case Seized:
		if in >= l.cfg.DialDelay && !l.mute {
			l.enter(Dialtone)
		}
	case Dialling:
		if n := l.far.Digits; n > 0 && len(l.digits) >= n || n == 0 && l.now.Sub(l.lastWord) >= l.cfg.NumberPause {
			l.enter(Proceeding)
		}
	case Proceeding:
		switch {
		case in < l.far.Delay:
		case l.far.Refuse == EndBusy || l.far.Refuse == EndCongestion:
			l.finish(l.far.Refuse)
		default:
			l.note(Note{At: l.now, Kind: NoteAlerting})
			l.enter(Alerting)
		}
	case Alerting:
		if l.far.Rings >= 0 && bursts(l.cfg.Ringback.Cadence, l.samples) >= l.far.Rings {
			l.answer()
		}
	}
}

func (l *Line) answer() {
	outgoing := l.state != RingingIn
	if outgoing {
		l.voice, l.voicePos = l.far.Voice, 0
		l.turned = l.cfg.ReverseOnAnswer
	}
	l.note(Note{At: l.now, Kind: NoteAnswered})
	l.enter(Talking)
}

// finish ends the call on the far side.
func (l *Line) finish(e Ending) {
	l.note(Note{At: l.now, Kind: NoteEnded})
	l.end = e
	switch {
	case e == EndReversal:
		l.turned = !l.turned
	case l.cfg.ReverseOnAnswer:
		l.turned = false
	}
	l.enter(Ended)
}

// feed gives the line its battery.
func (l *Line) feed(s *chipsim.Supply) {
	s.InUse = l.other
	if !l.now.After(l.breakTill) {
		return
	}
	s.Volts, s.Milliamps = l.cfg.Volts, math.Copysign(l.cfg.Milliamps, l.cfg.Volts)
	if l.other {
		s.Milliamps *= 0.6
	}
	if l.reversed != l.turned {
		s.Volts, s.Milliamps = -s.Volts, -s.Milliamps
	}
}

// ring gives the line its ringing.
func (l *Line) ring(s *chipsim.Supply) {
	if l.state != RingingIn {
		return
	}
	peak := l.cfg.Ring.Vrms * math.Sqrt2
	step := 2 * math.Pi * l.cfg.Ring.Hz / board.SampleRate
	for i := range s.Ring {
		if !sounding(l.cfg.Ring.Cadence, l.samples+int64(i)) {
			l.ringOsc = 0
			continue
		}
		s.Ringing = true
		s.Ring[i] = float32(peak * math.Sin(l.ringOsc))
		l.ringOsc = math.Mod(l.ringOsc+step, 2*math.Pi)
	}
}

// speak gives the line what the port hears.
func (l *Line) speak(seizure *chipsim.Seizure, s *chipsim.Supply) {
	switch {
	case l.state == Dialtone && !l.pulses.counting():
		l.tone(&l.cfg.DialTone, &s.Audio)
	case l.state == Alerting:
		l.tone(&l.cfg.Ringback, &s.Audio)
	case l.state == Talking:
		l.say(&s.Audio)
	case l.state == Ended && l.end == EndBusy:
		l.tone(&l.cfg.Busy, &s.Audio)
	case l.state == Ended && l.end == EndCongestion:
		l.tone(&l.cfg.Congestion, &s.Audio)
	}
	l.samples += board.FrameLen
	for i := 0; i < board.FrameLen && len(l.data) > 0; i++ {
		s.Audio[i] = add(s.Audio[i], float64(l.data[0]))
		l.data = l.data[1:]
	}
	if l.cfg.EchoLoss > 0 && seizure.Talk {
		k := math.Pow(10, -l.cfg.EchoLoss/20)
		for i, v := range seizure.Mouth {
			s.Audio[i] = add(s.Audio[i], k*float64(v))
		}
	}
}

// say adds the voice of the far party.
func (l *Line) say(f *board.Frame) {
	if len(l.voice.Samples) > 0 {
		l.voicePos += copy(f[:], l.voice.Samples[min(l.voicePos, len(l.voice.Samples)):])
		return
	}
	if l.voice.Hz > 0 {
		l.voiceOsc = sine(f, l.voiceOsc, l.voice.Hz, board.Amplitude(l.voice.Level))
		return
	}
	if l.mouth != nil {
		*f = *l.mouth
	}
}

func (l *Line) tone(t *Tone, f *board.Frame) {
	on := false
	for i := range f {
		on = on || sounding(t.Cadence, l.samples+int64(i))
	}
	if !on {
		return
	}
	for i, hz := range t.Hz[:min(len(t.Hz), len(l.osc))] {
		level := t.Level
		if i < len(t.Levels) {
			level = t.Levels[i]
		}
		l.osc[i] = sine(f, l.osc[i], hz, board.Amplitude(level))
	}
	for i := range f {
		if !sounding(t.Cadence, l.samples+int64(i)) {
			f[i] = 0
		}
	}
}
