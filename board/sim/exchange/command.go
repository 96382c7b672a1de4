package exchange

import (
	"time"

	"sotto/board"
)

func (l *Line) command(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
}

// Call makes the line ring with a call from v. It reports whether the line was free.
func (l *Line) Call(v Voice) (ok bool) {
	l.command(func() {
		if ok = l.state == Idle && !l.closed && !l.cut; ok {
			l.voice, l.voicePos = v, 0
			l.enter(RingingIn)
		}
	})
	return ok
}

// Abandon ends the ringing of a call that nobody answered.
func (l *Line) Abandon() {
	l.command(func() {
		if l.state == RingingIn {
			l.note(Note{At: l.now, Kind: NoteEnded})
			l.enter(Idle)
		}
	})
}

// SetFar says how the next dialled calls go on.
func (l *Line) SetFar(f Far) { l.command(func() { l.far = f }) }

// Answer makes the called party answer now.
func (l *Line) Answer() {
	l.command(func() {
		if l.state == Proceeding || l.state == Alerting {
			l.answer()
		}
	})
}

// Say changes what the far party says.
func (l *Line) Say(v Voice) { l.command(func() { l.voice, l.voicePos = v, 0 }) }

// Person gives the frame in which a person at the far end speaks: in each frame of a
// call whose [Voice] is silent it is what the port hears. It is read within
// [Line.Line], and belongs to the goroutine that calls that.
func (l *Line) Person(mouth *board.Frame) { l.command(func() { l.mouth = mouth }) }

// NoDialTone keeps a seized line silent until the first digit. Digits are taken all the
// same, so that it shows whether the box dials into silence. Without it, dial tone comes
// with the next frame.
func (l *Line) NoDialTone(on bool) {
	l.command(func() {
		if l.mute = on; on && l.state == Dialtone {
			l.enter(Seized)
		}
	})
}

// ReverseOnAnswer says whether the polarity turns when the called party answers, from
// the next answer on.
func (l *Line) ReverseOnAnswer(on bool) { l.command(func() { l.cfg.ReverseOnAnswer = on }) }

// Wires tells how the wires of the line are: cut, and with another set off the hook.
func (l *Line) Wires() (cut, other bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cut, l.other
}

// Silenced tells whether the line has no dial tone.
func (l *Line) Silenced() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mute
}

// Send puts samples on the line once, whatever its state: data on hook.
func (l *Line) Send(samples []int16) {
	l.command(func() { l.data = append(l.data[:0:0], samples...) })
}

// HangUp makes the far party hang up; the exchange tells it by e. The length of an
// EndBreak is d.
func (l *Line) HangUp(e Ending, d time.Duration) {
	l.command(func() {
		if l.state == Idle {
			return
		}
		if l.state == RingingIn {
			l.enter(Idle)
			return
		}
		l.finish(e)
		if e == EndBreak {
			l.breakTill = l.now.Add(d)
		}
	})
}

// Break takes the battery away for d, without a call ending.
func (l *Line) Break(d time.Duration) { l.command(func() { l.breakTill = l.now.Add(d) }) }

// Reverse turns the polarity of the line.
func (l *Line) Reverse() { l.command(func() { l.reversed = !l.reversed }) }

// Cut cuts the wires, or joins them again.
func (l *Line) Cut(cut bool) {
	l.command(func() {
		if l.cut == cut {
			return
		}
		l.cut = cut
		l.enter(Idle)
		if !cut && l.closed { // the port never let go: to the exchange that is a seizure
			l.note(Note{At: l.now, Kind: NoteSeized})
			l.enter(Seized)
		}
	})
}

// OtherSet lifts or hangs up another set on the same line. One that is lifted while
// the line rings takes the call.
func (l *Line) OtherSet(lifted bool) {
	l.command(func() {
		l.other = lifted
		if lifted && l.state == RingingIn {
			l.enter(Idle)
		}
	})
}

// State tells where the call stands.
func (l *Line) State() State {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state
}

// Digits gives what was dialled since the line was last seized.
func (l *Line) Digits() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.digits)
}

// Notes gives what happened, the first 256 things of it.
func (l *Line) Notes() []Note {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]Note(nil), l.notes...)
}

// Take appends to into what happened since the last Take: the first 256 things of it.
func (l *Line) Take(into []Note) []Note {
	l.mu.Lock()
	defer l.mu.Unlock()
	into = append(into, l.fresh...)
	l.fresh = l.fresh[:0]
	return into
}

// Forget clears the notes.
func (l *Line) Forget() { l.command(func() { l.notes = l.notes[:0] }) }

// Heard gives what the port sent in the last d, at most a second.
func (l *Line) Heard(d time.Duration) []int16 {
	n := min(int(d*board.SampleRate/time.Second), heardLen)
	out := make([]int16, n)
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range out {
		out[i] = l.heard[(l.at-n+i+heardLen)%heardLen]
	}
	return out
}

// Level gives the level in dBm0 of the frequency hz in what the port sent in the last
// 100 ms; minus infinity is silence.
func (l *Line) Level(hz float64) float64 { return Level(l.Heard(100*time.Millisecond), hz) }
