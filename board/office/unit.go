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
	// *coolingError does so without a need for Recover.
	Look(now, edge time.Time, tell func(board.Event)) error
	Measure() (board.LineReport, error)
	Close() error
}

// unit is a port with its chip. All but the queue belongs to the event reader.
type unit struct {
	port  board.Port
	kind  board.Kind
	label string
	chip  chip
	tell  func(board.Event) // puts out an event of this port

	err      error         // why it is out of service
	failedAt time.Time     // when it failed, or was last tried in vain
	wait     time.Duration // until it is tried again
	healing  bool          // a goroutine brings it back
	upSince  time.Time
	state    board.SignalKind // last signalled
	line     *board.Line      // last configured

	mu     sync.Mutex
	kinds  [8]board.SignalKind // asked for, not yet done
	n      int
	config *board.Line
}

// queue takes a signal. A queue that is full keeps the newest: each kind is a state,
// so what is lost are states that would have ended already.
func (u *unit) queue(s board.Signal) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if s.Kind == board.Configure {
		l := s.Line
		u.config = &l
		return
	}
	if u.n == len(u.kinds) {
		copy(u.kinds[:], u.kinds[1:])
		u.n--
	}
	u.kinds[u.n] = s.Kind
	u.n++
}

// next takes what was asked for first.
func (u *unit) next() (config *board.Line, kind board.SignalKind) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.config != nil {
		config, u.config = u.config, nil
		return config, 0
	}
	if u.n > 0 {
		kind = u.kinds[0]
		copy(u.kinds[:], u.kinds[1:u.n])
		u.n--
	}
	return nil, kind
}

// obey does what was asked of the port. While it is out of service it only remembers.
func (u *unit) obey() error {
	for {
		config, kind := u.next()
		if config == nil && kind == 0 {
			return nil
		}
		var err error
		if config != nil {
			u.line = config
			if u.err == nil && !u.healing {
				err = u.chip.Apply(*config)
			}
		} else {
			u.state = kind
			if u.err == nil && !u.healing {
				err = u.chip.Set(kind)
			}
		}
		if err != nil {
			return err
		}
	}
}

// restore gives a port that works again what was asked of it meanwhile.
func (u *unit) restore() error {
	if u.line != nil {
		if err := u.chip.Apply(*u.line); err != nil {
			return err
		}
	}
	if u.state != 0 {
		return u.chip.Set(u.state)
	}
	return nil
}
