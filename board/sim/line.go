package sim

import (
	"fmt"
	"sync"
	"time"

	"sotto/board"
	"sotto/board/chipsim"
	"sotto/board/sim/ear"
	"sotto/board/sim/exchange"
)

// Line is an exchange line with a person at its far end: the [exchange.Line] that a port
// is plugged into, and the telephone of whoever called or was called. That telephone is
// a [Handset] that is off the hook as long as the call is through: it has a marker voice,
// an ear, keys and taps like those in the office.
//
// What is told of the line is what can be measured on its wires. Its methods may be
// called by any goroutine and take effect with the next frame.
type Line struct {
	// Exchange is the line itself. What is done to it directly is noticed as well.
	Exchange *exchange.Line

	name, label string
	far         *Handset
	out         func(Event)

	// Of the board's goroutine
	feed   chipsim.Feed // of the far telephone
	draw   chipsim.Draw
	bell   chipsim.Feed // what rings on the line
	closed bool         // the port's loop
	openAt time.Time
	held   bool          // by the box
	open   time.Duration // a loop is open for good after
	state  exchange.State
	ringer ringer
	number []byte // dialled, and not told yet
	tones  bool   // not all of it by pulses
	dialAt time.Time
	notes  []exchange.Note

	mu    sync.Mutex
	rings bool // within a burst
}

func newLine(i, marker int, cfg exchange.Config, newEar func() *ear.Ear, out func(Event)) *Line {
	name := fmt.Sprintf("line %d", i+1)
	if cfg.ReleaseTime == 0 {
		cfg.ReleaseTime = 300 * time.Millisecond
	}
	l := &Line{open: cfg.ReleaseTime, Exchange: exchange.New(cfg), name: name, label: fmt.Sprintf("FXO %d", i+1), out: out,
		far: newHandset(name, marker%MaxMarkers, newEar, out), ringer: ringer{name: name, out: out}}
	l.Exchange.Person(&l.draw.Mouth)
	l.Answers(1)
	return l
}

// Name gives "line 1", by which words call it.
func (l *Line) Name() string { return l.name }

// Far gives the telephone at the far end: for [Handset.Say], KeyDown, KeyUp, Hush and
// Tap. Its hook goes by the call; Lift and HangUp are not for it.
func (l *Line) Far() *Handset { return l.far }

// Attach lets t hear and speak at the far end, as [Handset.Attach] does.
func (l *Line) Attach(t Tap) (detach func()) { return l.far.Attach(t) }

// Call makes the line ring with a call. It reports whether the line was free.
func (l *Line) Call() (ok bool) { return l.Exchange.Call(exchange.Voice{}) }

// Abandon ends the ringing of a call that nobody answered.
func (l *Line) Abandon() { l.Exchange.Abandon() }

// farDelay is from the number to ringback or refusal.
const farDelay = 500 * time.Millisecond

// Answer makes the called party answer now.
func (l *Line) Answer() { l.Exchange.Answer() }

// Answers says how calls from now on go: answered after so many bursts of ringback,
// or never if it is negative. A new line answers after one.
func (l *Line) Answers(rings int) {
	l.Exchange.SetFar(exchange.Far{Delay: farDelay, Rings: rings})
}

// Refuses says that calls from now on are refused: with exchange.EndBusy or
// exchange.EndCongestion.
func (l *Line) Refuses(e exchange.Ending) {
	l.Exchange.SetFar(exchange.Far{Delay: farDelay, Refuse: e, Rings: -1})
}

// HangUp makes the far party hang up, which the exchange tells by e. The length of a
// break is d; 0 is 250 ms.
func (l *Line) HangUp(e exchange.Ending, d time.Duration) {
	if d == 0 {
		d = 250 * time.Millisecond
	}
	l.Exchange.HangUp(e, d)
}

// Cut cuts the wires, or joins them again.
func (l *Line) Cut(cut bool) { l.Exchange.Cut(cut) }

// OtherSet lifts or hangs up another set on the same line.
func (l *Line) OtherSet(lifted bool) { l.Exchange.OtherSet(lifted) }

// NoDialTone keeps the line silent when it is seized, or not any more; digits are taken all
// the same.
func (l *Line) NoDialTone(on bool) { l.Exchange.NoDialTone(on) }

// Line implements [chipsim.CO].
func (l *Line) Line(start time.Time, seizure *chipsim.Seizure, supply *chipsim.Supply) {
	through := l.state == exchange.Talking
	l.feed.Talk = through && seizure.Talk
	l.feed.Audio = seizure.Mouth
	l.far.connect(start, through, &l.draw)
	l.far.Line(start, &l.feed, &l.draw)

	l.Exchange.Line(start, seizure, supply)
	l.loop(start, seizure)
	l.watch(start, supply)
}

// loop follows the loop of the port.
func (l *Line) loop(start time.Time, s *chipsim.Seizure) {
	if s.Closed != l.closed { // it moved while nobody looked
		l.edge(start, s.Closed)
	}
	for _, e := range s.Edges {
		l.edge(start.Add(e.After), e.Closed)
	}
	if l.held && !l.closed && start.Add(board.FrameTime).Sub(l.openAt) >= l.open {
		l.held = false
		l.tellNumber()
		l.out(Event{At: l.openAt, Who: l.name, What: IsIdle})
	}
}

func (l *Line) edge(at time.Time, closed bool) {
	l.closed = closed
	switch {
	case !closed:
		l.openAt = at
	case !l.held:
		l.held = true
		l.ringer.lifted(at)
		l.out(Event{At: at, Who: l.name, What: IsSeized})
	}
}

// watch tells what became of the call, and rings the bell of the line.
func (l *Line) watch(start time.Time, supply *chipsim.Supply) {
	l.notes = l.Exchange.Take(l.notes[:0])
	for _, n := range l.notes {
		if n.Kind == exchange.NoteDigit {
			l.number = append(l.number, n.Digit)
			l.tones = l.tones || !n.Pulse
			l.dialAt = n.At
		}
	}
	state := l.Exchange.State()
	if state != l.state {
		l.state = state
		if state != exchange.Dialling {
			l.tellNumber()
		}
		l.out(Event{At: start, Who: l.name, What: moved})
	}
	if !l.held {
		if l.bell.Ringing = supply.Ringing; l.bell.Ringing {
			l.bell.Ring = supply.Ring
		}
		l.ringer.frame(start, &l.bell)
	}
	if l.rings != l.ringer.on {
		l.mu.Lock()
		l.rings = l.ringer.on
		l.mu.Unlock()
		l.out(Event{At: start, Who: l.name, What: moved})
	}
}

// tellNumber tells the number that was dialled, once it is whole.
func (l *Line) tellNumber() {
	if len(l.number) == 0 {
		return
	}
	e := Event{At: l.dialAt, Who: l.name, What: HearsPulses, Name: string(l.number)}
	if l.tones {
		e.What = HearsNumber
	}
	l.number, l.tones = l.number[:0], false
	l.out(e)
}
