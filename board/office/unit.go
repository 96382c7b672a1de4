package office

import (
	"context"
	"sync"
	"time"

	"sotto/board"
)

// chip is what the event reader needs of a driver.
type chip interface {
	Name() string // part and revision, empty before it was identified
	PowerUp(context.Context) error
	Recover(context.Context) error
	Apply(board.Line) error
	Set(board.SignalKind) error
	// Look reads what happened since the last look and tells it; edge is the time of
	// the interrupt that led here, or zero. An error puts the port out of service; a
	// *coolingError does so without a need for Recover: Look goes on, and gives nil when
	// the port works again.
	Look(now, edge time.Time, tell func(board.Event)) error
	Measure() (board.LineReport, error)
	Close() error
}

// pulser is a chip that can dial by breaks of the loop, and that glances at its released
// line between two looks.
type pulser interface {
	// Pulse adds a train to those under way.
	Pulse(t board.Train, now time.Time) error
	// Step does what is due of them and gives the time of the next edge, zero for none.
	Step(now time.Time) (next time.Time, err error)
}

// unit is a port with its chip. All but the queue belongs to the event reader.
type unit struct {
	port  board.Port
	kind  board.Kind
	label string
	chip  chip
	pulse pulser            // nil on a station
	due   time.Time         // when pulse.Step is next called; zero: not
	tell  func(board.Event) // puts out an event of this port

	err      error         // why it is out of service
	cools    bool          // out of service, and the chip comes back by itself
	failedAt time.Time     // when it failed, or was last tried in vain
	wait     time.Duration // until it is tried again
	healing  bool          // a goroutine brings it back; err says why
	upSince  time.Time
	state    board.SignalKind // last signalled, 0 before
	line     *board.Line      // last configured

	mu      sync.Mutex
	signals [maxSignals]board.Signal // asked for, not yet done
	n       int
	config  *board.Line
}

// maxSignals bounds the signals that wait for the event reader, which takes them within
// milliseconds.
const maxSignals = 16

// takes tells whether a signal is one for this kind of port.
func (u *unit) takes(k board.SignalKind) bool {
	switch k {
	case board.Configure:
		return true
	case board.Idle, board.Reverse, board.Ring, board.OnHookTransmit, board.OpenLoop:
		return u.kind == board.Station
	case board.Release, board.Seize, board.Pulses:
		return u.kind == board.ExchangeLine
	}
	return false
}

// busy tells whether a test would measure the signal and not the line.
func (u *unit) busy() bool {
	switch u.state {
	case board.Ring, board.OnHookTransmit, board.OpenLoop, board.Seize:
		return true
	}
	return false
}

// queue takes a signal. A queue that is full keeps the newest: all kinds but one are
// states, so what is lost are states that would have ended already, and pulses that came
// before them.
func (u *unit) queue(s board.Signal) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if s.Kind == board.Configure {
		l := s.Line
		u.config = &l
		return
	}
	if u.n == len(u.signals) {
		copy(u.signals[:], u.signals[1:])
		u.n--
	}
	u.signals[u.n] = board.Signal{Kind: s.Kind, Train: s.Train}
	u.n++
}

// next takes what was asked for first.
func (u *unit) next() (config *board.Line, s board.Signal) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.config != nil {
		config, u.config = u.config, nil
		return config, s
	}
	if u.n > 0 {
		s = u.signals[0]
		copy(u.signals[:], u.signals[1:u.n])
		u.n--
	}
	return nil, s
}

// obey does what was asked of the port. While it is out of service it only remembers
// the state; pulses are no state, and are dropped.
func (u *unit) obey() error {
	for {
		config, s := u.next()
		var err error
		switch {
		case config != nil:
			if u.line = config; u.err == nil {
				err = u.apply()
			}
		case s.Kind == board.Pulses:
			if u.err == nil {
				now := time.Now()
				err = u.pulse.Pulse(s.Train, now)
				u.due = now
			}
		case s.Kind != 0:
			if u.state = s.Kind; u.err == nil {
				err = u.set()
			}
		default:
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// apply and set try twice: one disturbance of the bus is no reason to end a call.

func (u *unit) apply() error {
	err := u.chip.Apply(*u.line)
	if err != nil {
		err = u.chip.Apply(*u.line)
	}
	return err
}

func (u *unit) set() error {
	err := u.chip.Set(u.state)
	if err != nil {
		err = u.chip.Set(u.state)
	}
	return err
}

// step does what is due of the pulses of a port.
func (u *unit) step(now time.Time) (err error) {
	if u.due.IsZero() || u.due.After(now) {
		return nil
	}
	if u.err != nil {
		u.due = time.Time{}
		return nil
	}
	u.due, err = u.pulse.Step(now)
	return err
}

// restore gives a port that works again what was asked of it last.
func (u *unit) restore() error {
	if u.line != nil {
		if err := u.apply(); err != nil {
			return err
		}
	}
	if u.state != 0 {
		return u.set()
	}
	return nil
}
