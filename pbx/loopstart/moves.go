package loopstart

import (
	"time"

	"sotto/board"
)

// due tells whether a deadline is over at now, and clears it.
func due(t *time.Time, now time.Time) bool {
	if t.IsZero() || now.Before(*t) {
		return false
	}
	*t = time.Time{}
	return true
}

// timeout does what a deadline is for. Of several that are over, the others come by the
// next Timeout.
func (l *Line) timeout(now, at time.Time, out *Output) {
	end := l.deadline
	switch {
	case due(&l.alarm, now):
		out.act(HeldLongBy, now)
		return
	case due(&l.cut, now):
		if l.state == Talking || l.state == Keying {
			out.cleared(ByBreak, l.lost)
		} else {
			out.act(Dead, l.lost)
		}
		return
	case !due(&l.deadline, now):
		return
	}
	switch l.state {
	case Ringing:
		l.ringLost(now, out)
	case Resting:
		l.enter(Free, end, 0)
	case Waiting:
		l.seize(now, at, out)
	case Clearing:
		out.signal(board.Signal{Kind: board.Release})
		l.enter(Waiting, now, Rest)
	case Seizing:
		l.listen(end)
	case Listening:
		if l.call.Urgent || l.use.Deaf {
			l.dial(now, at, out)
			return
		}
		out.act(NoDialTone, now)
	case Sending:
		l.next(now, out)
	case Talking, Keying:
		l.key(now, at, out)
	}
}

func (l *Line) noteMissing(time.Time, time.Time, *Output) { l.missing = true }
func (l *Line) notePresent(time.Time, time.Time, *Output) { l.missing = false }

func (l *Line) noteTaken(_, at time.Time, _ *Output) { l.others, l.alarm = true, at.Add(HeldLong) }

func (l *Line) noteLeft(time.Time, time.Time, *Output) { l.others, l.alarm = false, time.Time{} }

// ring: a call comes in on a line that is on hook.
func (l *Line) ring(now, at time.Time, out *Output) {
	what := Rang
	if l.state == Waiting {
		what = Collided
	}
	l.missing, l.others, l.alarm = false, false, time.Time{} // else it could not ring
	l.enter(Ringing, at, l.timing.RingLost)
	out.act(what, at)
}

func (l *Line) burst(_, at time.Time, out *Output) {
	l.deadline = at.Add(l.timing.RingLost)
	out.act(RangAgain, at)
}

func (l *Line) pause(_, at time.Time, _ *Output) { l.deadline = at.Add(l.timing.RingLost) }

func (l *Line) ringLost(now time.Time, out *Output) {
	l.enter(Free, now, 0)
	out.act(RingLost, now)
}

func (l *Line) takenElsewhere(now, at time.Time, out *Output) {
	l.noteTaken(now, at, out)
	l.ringLost(at, out)
}

func (l *Line) unplugged(now, at time.Time, out *Output) {
	l.noteMissing(now, at, out)
	l.ringLost(at, out)
}

// begin begins a use of the line.
func (l *Line) begin(now time.Time, incoming bool) {
	l.use, l.incoming, l.seized = l.timing, incoming, now
	l.forget()
	if incoming {
		l.call = Call{}
	}
}

// forget clears what was found out in a use.
func (l *Line) forget() {
	l.lost, l.cut, l.turned, l.dialled = time.Time{}, time.Time{}, time.Time{}, time.Time{}
	l.answered, l.rang, l.sent, l.keys = false, false, 0, l.keys[:0]
}

func (l *Line) answer(now, _ time.Time, out *Output) {
	out.signal(board.Signal{Kind: board.Seize})
	l.begin(now, true)
	l.enter(Talking, now, 0)
}

func (l *Line) seize(now, _ time.Time, out *Output) {
	out.signal(board.Signal{Kind: board.Seize})
	l.begin(now, false)
	l.enter(Seizing, now, Mute)
}

// wait keeps the end of the rest.
func (l *Line) wait(time.Time, time.Time, *Output) { l.state = Waiting }

func (l *Line) waitNoMore(time.Time, time.Time, *Output) { l.state = Resting }

// clear takes the call that rings, or that was taken by collision, only to end it.
func (l *Line) clear(now, _ time.Time, out *Output) {
	if l.state == Ringing {
		out.signal(board.Signal{Kind: board.Seize})
	}
	call := l.call
	l.begin(now, false)
	l.call = call
	l.enter(Clearing, now, ClearTime)
}

// collide: what was meant as a seizure has answered a call.
func (l *Line) collide(now, at time.Time, out *Output) {
	l.begin(l.seized, true)
	l.enter(Talking, now, 0)
	out.act(Collided, at)
}

func (l *Line) listen(since time.Time) {
	limit := Patience
	switch {
	case l.call.Urgent:
		limit = Blind
	case l.use.Deaf:
		limit = Deaf
	}
	l.enter(Listening, since, limit-Mute)
}

// dial begins to send the number.
func (l *Line) dial(now, _ time.Time, out *Output) {
	l.sent = 0
	if l.use.Pulse {
		l.next(now, out)
		return
	}
	all := time.Duration(len(l.call.Digits)) * (l.use.On + l.use.Off)
	l.enter(Sending, now, max(all, time.Millisecond))
	l.play(l.call.Digits)
	l.sent = len(l.call.Digits)
}

// play says what is to be played, in a state that has just begun.
func (l *Line) play(digits string) {
	l.sends = digits
	l.nth++
}

// next sends the next digit by pulses; after the last the number is dialled.
func (l *Line) next(now time.Time, out *Output) {
	for l.sent < len(l.call.Digits) {
		d := l.call.Digits[l.sent]
		l.sent++
		if n := l.pulses(d); n > 0 {
			l.enter(Sending, now, l.train(n, out))
			return
		}
	}
	l.enter(Talking, now, 0)
	l.dialled = now
	if !l.lost.IsZero() {
		l.breaks(l.lost)
	}
	out.act(Dialled, now)
}

// train signals n pulses and gives how long they last, with the pause after them.
func (l *Line) train(n uint8, out *Output) time.Duration {
	out.signal(board.Signal{Kind: board.Pulses, Train: board.Train{Count: n, Break: l.use.PulseBreak, Make: l.use.PulseMake}})
	return max(time.Duration(n)*(l.use.PulseBreak+l.use.PulseMake)+l.use.PulsePause, time.Millisecond)
}

// key sends the next digit that waits, once the chip is no longer mute, or ends the last.
func (l *Line) key(now, _ time.Time, out *Output) {
	if len(l.keys) == 0 {
		l.enter(Talking, now, 0)
		return
	}
	if ready := l.seized.Add(Mute); now.Before(ready) {
		l.deadline = ready
		return
	}
	d := l.keys[0]
	l.keys = append(l.keys[:0], l.keys[1:]...)
	if l.use.Pulse {
		l.enter(Keying, now, l.train(l.pulses(d), out))
		return
	}
	l.enter(Keying, now, max(l.use.On+l.use.Off, time.Millisecond))
	l.play(string(rune(d)))
}

func (l *Line) currentLost(_, at time.Time, _ *Output) { l.breaks(at) }

// breaks notes that the loop current is missing since at.
func (l *Line) breaks(at time.Time) {
	l.lost = at
	switch {
	case l.state != Talking && l.state != Keying:
		l.cut = at.Add(NoCurrent)
	case l.call.Urgent:
		l.cut = at.Add(UrgentLost)
	default:
		l.cut = at.Add(l.use.Break + LongBreak)
	}
}

func (l *Line) currentBack(time.Time, time.Time, *Output) { l.lost, l.cut = time.Time{}, time.Time{} }

// breakOver: a break of half the set length or more ended the call; in the first moments
// after the call was taken, when exchanges switch, one of the whole length. In a call for
// help a short one is the exchange's own business.
func (l *Line) breakOver(now, at time.Time, out *Output) {
	lost := l.lost
	l.currentBack(now, at, out)
	need := l.use.Break / 2
	if lost.Before(l.seized.Add(SafeZone)) {
		need = l.use.Break
	}
	if lost.IsZero() || l.call.Urgent || at.Sub(lost) < need {
		return
	}
	out.cleared(ByBreak, lost)
}

func (l *Line) answeredEarly(_, at time.Time, _ *Output) {
	if l.Tells() {
		l.answered, l.turned = true, at
	}
}

func (l *Line) reversed(_, at time.Time, out *Output) {
	switch {
	case !l.Tells():
	case l.incoming:
		if at.Sub(l.seized) >= SafeZone {
			out.cleared(ByReversal, at)
		}
	case !l.answered:
		l.answered, l.turned = true, at
		out.act(Answered, at)
	case at.Sub(l.turned) >= TurnApart:
		out.cleared(ByReversal, at)
	}
}

func (l *Line) heardRing(time.Time, time.Time, *Output) { l.rang = true }

// tone gives what is done on a tone that ends a call. Why is told as w if the call never
// got through: before the answer where the exchange tells of it, else if the tone comes
// soon and first of all.
func tone(w Why) do {
	return func(l *Line, now, _ time.Time, out *Output) {
		if l.call.Urgent {
			return
		}
		early := !l.incoming && !l.answered && (l.Tells() || !l.rang && now.Sub(l.dialled) < EarlyTone)
		if !early {
			out.cleared(ByTone, now)
			return
		}
		out.cleared(w, now)
	}
}

func (l *Line) heardSilence(now, _ time.Time, out *Output) {
	if !l.call.Urgent {
		out.cleared(BySilence, now)
	}
}

func (l *Line) release(now, _ time.Time, out *Output) {
	out.signal(board.Signal{Kind: board.Release})
	l.forget()
	l.enter(Resting, now, Rest)
}

func (l *Line) failed(now, _ time.Time, out *Output) {
	switch l.state {
	case Ringing:
		out.act(RingLost, now)
	case Waiting, Clearing, Seizing, Listening, Sending:
		out.act(Dead, now)
	case Talking, Keying:
		out.cleared(ByFailure, now)
	}
	out.signal(board.Signal{Kind: board.Release}) // what it is to do once it works again
	l.forget()
	l.alarm = time.Time{}
	l.enter(OutOfService, now, 0)
}

// restored: the board tells anew what there is to note.
func (l *Line) restored(now, _ time.Time, _ *Output) {
	l.missing, l.others, l.alarm = false, false, time.Time{}
	l.enter(Resting, now, Rest)
}
