package analog

import (
	"time"

	"sotto/board"
	"sotto/pbx/table"
)

type do = func(p *Port, now, at time.Time, out *Output)
type row = table.Row[State, Input, do]
type moves = []table.Move[State, Input, do]

// Table is the machine. testdata/port.golden shows it as a diagram.
var Table *table.Table[State, Input, do]

func init() {
	fail := table.Move[State, Input, do]{On: Failed, Do: (*Port).fail, Next: []State{OutOfService}, Note: "hung up, if it was off hook"}
	Table = table.New("one station port",
		row{State: OnHook, Moves: moves{
			{On: LoopClosed, Do: (*Port).lifting, Next: []State{Lifting}},
			stay(LoopOpen, "an echo of a glitch"),
			{On: Ring, Do: (*Port).ring, Next: []State{Ringing, Announcing}, Note: "Announcing, where the number comes before the ring"},
			stay(Quiet, "nothing rings"), stay(Clear, "nobody to tell"), fail,
		}},
		row{State: Lifting, Limit: "hook debounce + grace", Moves: moves{
			{On: Timeout, Do: (*Port).lifted, Next: []State{OffHook}, Note: "lifted"},
			{On: LoopOpen, Do: (*Port).glitch, Next: []State{OnHook}, Note: "a glitch"},
			{On: Ring, Do: (*Port).answerAtOnce, Next: []State{OffHook}, Note: "lifted as the call came: that answers it"},
			stay(LoopClosed, "seen twice"), stay(Quiet, "nothing rings"), stay(Clear, "nobody to tell"), fail,
		}},
		row{State: Ringing, Limit: "length of the burst", Moves: called(fail, []State{Pause}, "")},
		row{State: Pause, Limit: "length of the pause, or lead of the caller ID", Moves: called(fail, []State{Ringing, Sending}, "")},
		row{State: Announcing, Limit: "lead of the caller ID", Moves: called(fail, []State{Sending}, "")},
		row{State: Sending, Limit: "length of the caller ID + guard", Moves: called(fail, []State{Ringing, Pause}, "the pause goes on, or the first ring comes")},
		row{State: OffHook, Moves: moves{
			{On: LoopOpen, Do: (*Port).opened, Next: []State{Break}},
			{On: Clear, Do: (*Port).clear, Next: []State{Clearing}},
			stay(LoopClosed, "seen twice"), stay(Quiet, "nothing rings"), stay(Ring, "nothing to ring: it is off hook"), fail,
		}},
		row{State: Break, Limit: "longest flash + grace", Moves: moves{
			{On: LoopClosed, Do: (*Port).closedAgain, Next: []State{OffHook, Pulsing, OnHook, Lifting}, Note: "pulse, flash or, if too long, the end"},
			{On: Timeout, Do: (*Port).hungUp, Next: []State{OnHook}, Note: "hung up"},
			{On: Clear, Do: (*Port).clear, Next: []State{Clearing}},
			stay(LoopOpen, "seen twice"), stay(Quiet, "nothing rings"), stay(Ring, "not decided yet whether it is on hook"), fail,
		}},
		row{State: Pulsing, Limit: "inter-digit pause + grace", Moves: moves{
			{On: LoopOpen, Do: (*Port).opened, Next: []State{Break}, Note: "dialled, if the pause was long enough"},
			{On: Timeout, Do: (*Port).digit, Next: []State{OffHook}, Note: "dialled"},
			{On: Clear, Do: (*Port).clear, Next: []State{Clearing}},
			stay(LoopClosed, "seen twice"), stay(Quiet, "nothing rings"), stay(Ring, "it is off hook"), fail,
		}},
		row{State: Clearing, Limit: "open loop towards the telephone", Moves: moves{
			{On: Timeout, Do: (*Port).feedAgain, Next: []State{OffHook, Break}, Note: "Break, if it was put down meanwhile"},
			{On: LoopOpen, Do: (*Port).openedClearing, Note: "remembered"},
			{On: LoopClosed, Do: (*Port).closedClearing, Note: "remembered"},
			stay(Clear, "clears already"), stay(Quiet, "nothing rings"), stay(Ring, "it is off hook"), fail,
		}},
		row{State: OutOfService, Moves: moves{
			{On: Restored, Do: (*Port).restored, Next: []State{OnHook}},
			stay(LoopClosed, "not to be trusted"), stay(LoopOpen, "not to be trusted"), stay(Quiet, ""), stay(Ring, ""), stay(Clear, ""),
			stay(Failed, "again"),
		}},
	)
}

func stay(on Input, note string) table.Move[State, Input, do] {
	return table.Move[State, Input, do]{On: on, Do: nothing, Note: note}
}

// called gives the moves of a state in which the telephone is being called.
func called(fail table.Move[State, Input, do], next []State, note string) moves {
	return moves{
		{On: Timeout, Do: (*Port).cadence, Next: next, Note: note},
		{On: LoopClosed, Do: (*Port).answered, Next: []State{OffHook}, Note: "lifted"},
		stay(LoopOpen, "an echo of a glitch"),
		{On: Quiet, Do: (*Port).quiet, Next: []State{OnHook}},
		stay(Ring, "rings already"), stay(Clear, "nobody to tell"), fail,
	}
}

func nothing(*Port, time.Time, time.Time, *Output) {}

func (p *Port) lifting(_, at time.Time, _ *Output) { p.enter(Lifting, at, p.timing.Lift+Grace) }

func (p *Port) lifted(_, _ time.Time, out *Output) {
	out.act(Lifted, p.since)
	p.enter(OffHook, p.deadline, 0)
}

func (p *Port) glitch(_, at time.Time, _ *Output) { p.enter(OnHook, at, 0) }

func (p *Port) answerAtOnce(now, _ time.Time, out *Output) {
	out.act(Lifted, now)
	p.enter(OffHook, now, 0)
}

func (p *Port) ring(now, _ time.Time, out *Output) {
	p.called = p.timing // a call rings as it began to
	if a := &p.called.Announce; p.data > 0 && a.Before {
		if a.Reverse {
			out.signal(board.Reverse)
		}
		out.signal(board.OnHookTransmit)
		p.enter(Announcing, now, max(a.Lead, time.Millisecond))
		return
	}
	p.burst(0, now, out)
}

// burst begins part n of the cadence at since.
func (p *Port) burst(n int, since time.Time, out *Output) {
	p.phase = n
	p.enter(Ringing, since, p.called.Cadence[n])
	out.signal(board.Ring)
}

// cadence goes to the next part of the call: announcement, burst, pause. Parts follow
// each other from their planned ends, so the cadence does not drift with the loop's
// lateness.
func (p *Port) cadence(_, _ time.Time, out *Output) {
	a, end := &p.called.Announce, p.deadline
	switch p.state {
	case Announcing:
		p.enter(Sending, end, p.data+a.Guard)
		p.data = 0
	case Sending:
		if a.Before {
			p.burst(0, end, out)
			return
		}
		p.enter(Pause, end, p.next.Sub(end))
	case Ringing:
		p.phase = (p.phase + 1) % len(p.called.Cadence)
		pause := p.called.Cadence[p.phase]
		p.next = end.Add(pause)
		out.signal(board.OnHookTransmit)
		if p.data > 0 && !a.Before && pause > a.Lead+p.data+Grace+a.Guard {
			pause = a.Lead
		}
		p.enter(Pause, end, pause)
	default: // Pause
		if p.data > 0 && end.Before(p.next) {
			p.enter(Sending, end, p.data+Grace) // the media loop begins a frame or two later
			p.data = 0
			return
		}
		p.burst((p.phase+1)%len(p.called.Cadence), end, out)
	}
}

func (p *Port) answered(_, at time.Time, out *Output) {
	p.enter(OffHook, at, 0)
	out.signal(board.Idle)
	out.act(Lifted, at)
}

func (p *Port) quiet(now, _ time.Time, out *Output) {
	p.enter(OnHook, now, 0)
	out.signal(board.Idle)
}

func (p *Port) opened(now, at time.Time, out *Output) {
	if p.state == Pulsing && at.Sub(p.since) >= p.timing.InterDigit { // the pause was long enough, its Timeout just not here yet
		p.digit(now, at, out)
	}
	p.enter(Break, at, p.timing.FlashMax+Grace)
}

// closedAgain decides what the break was by its length.
func (p *Port) closedAgain(_, at time.Time, out *Output) {
	t, d := &p.timing, at.Sub(p.since)
	switch {
	case t.PulseMax > 0 && d >= t.PulseMin && d < t.PulseMax:
		p.pulses++
		p.enter(Pulsing, at, t.InterDigit+Grace)
	case d >= t.FlashMin && d <= t.FlashMax:
		p.pulses = 0
		out.act(Flashed, p.since)
		p.enter(OffHook, at, 0)
	case d > t.FlashMax: // hung up and lifted again before the deadline came
		p.pulses = 0
		out.act(HungUp, p.since)
		p.enter(Lifting, at, t.Lift+Grace)
	case p.pulses > 0:
		p.enter(Pulsing, at, t.InterDigit+Grace) // a glitch within a digit
	default:
		p.enter(OffHook, at, 0)
	}
}

func (p *Port) digit(_, at time.Time, out *Output) {
	out.act(Dialled, at)
	if n := p.pulses; n >= 1 && n <= len(p.timing.Digits) {
		out.Digit = p.timing.Digits[n-1]
	}
	p.pulses = 0
	p.enter(OffHook, at, 0)
}

func (p *Port) hungUp(_, at time.Time, out *Output) {
	p.pulses = 0
	out.act(HungUp, p.since)
	p.enter(OnHook, at, 0)
}

func (p *Port) clear(now, _ time.Time, out *Output) {
	p.pulses = 0
	if p.timing.Clear <= 0 {
		return
	}
	p.broke = time.Time{}
	if p.state == Break {
		p.broke = p.since
	}
	p.enter(Clearing, now, p.timing.Clear)
	out.signal(board.OpenLoop)
}

func (p *Port) openedClearing(_, at time.Time, _ *Output) {
	if p.broke.IsZero() {
		p.broke = at
	}
}

func (p *Port) closedClearing(time.Time, time.Time, *Output) { p.broke = time.Time{} }

// feedAgain ends the open loop towards the telephone. The board tells of no hook change
// while it lasts; one that it tells of afterwards is treated like any other.
func (p *Port) feedAgain(now, _ time.Time, out *Output) {
	out.signal(board.Idle)
	if p.broke.IsZero() {
		p.enter(OffHook, now, 0)
		return
	}
	p.enter(Break, p.broke, p.timing.FlashMax+Grace) // it was being put down all the while
}

func (p *Port) fail(now, _ time.Time, out *Output) {
	if p.Up() {
		out.act(HungUp, now)
	}
	p.pulses = 0
	p.enter(OutOfService, now, 0)
	out.signal(board.Idle) // what it is to do once it works again
}

// restored: the board re-reads the hook and tells of a closed loop by an event.
func (p *Port) restored(now, _ time.Time, _ *Output) { p.enter(OnHook, now, 0) }
