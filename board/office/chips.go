package office

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"sotto/board"
	"sotto/board/si3050"
	"sotto/board/si321x"
)

// errCalibrating is why a port that came up off hook is away for a second or two.
var errCalibrating = errors.New("calibrates, now that the telephone is on the hook")

// station joins a Si321x to the event reader.
type station struct {
	chip    *si321x.Chip
	label   string
	log     *slog.Logger
	name    string
	offHook bool // told last
	away    bool // PortFailed was told and the chip comes back by itself
}

// Name gives part and revision.
func (s *station) Name() string { return s.name }

// PowerUp identifies the chip and brings it up.
func (s *station) PowerUp(ctx context.Context) error {
	err := s.chip.PowerUp(ctx)
	if id, ok := s.chip.Ident(); ok {
		s.name = id.String()
	}
	return err
}

// Recover brings the chip back; the hook is told anew.
func (s *station) Recover(ctx context.Context) error {
	s.offHook, s.away = false, false
	if s.name == "" {
		return s.PowerUp(ctx)
	}
	return s.chip.Recover(ctx)
}

// Apply hands the chip the line's parameters. Ringing that the battery cannot reach is
// done as well as it can be, and told once.
func (s *station) Apply(l board.Line) error {
	err := s.chip.Apply(l)
	var weak *si321x.RingVoltageError
	if errors.As(err, &weak) {
		s.log.Warn("ringing is weaker than the country asks for", "port", s.label, "why", err)
		return nil
	}
	return err
}

// Set signals the line. A telephone that was lifted this very moment is not rung: its
// event is on the way.
func (s *station) Set(k board.SignalKind) error {
	err := s.chip.Set(k)
	if errors.Is(err, si321x.ErrOffHook) {
		return nil
	}
	return err
}

func (s *station) Measure() (board.LineReport, error) { return s.chip.Measure() }
func (s *station) Close() error                       { return s.chip.Close() }

// Look serves the chip.
func (s *station) Look(now, edge time.Time, tell func(board.Event)) error {
	rep, err := s.chip.Service(now, edge)
	switch rep.Condition {
	case si321x.InService:
		if s.away {
			s.away, s.offHook = false, false
			tell(board.Event{Kind: board.PortRestored, At: now})
		}
	case si321x.Cooling:
		if !s.away {
			s.away = true
			if rep.Alarm != 0 {
				return &coolingError{fmt.Errorf("power alarm of %v: %w", rep.Alarm, rep.Cause)}
			}
			return &coolingError{rep.Cause}
		}
		return nil
	default:
		if rep.Cause != nil {
			return rep.Cause
		}
		return fmt.Errorf("port is %v", rep.Condition)
	}
	if err != nil {
		return nil // once is a disturbance; the third time changes the condition
	}
	if rep.Recalibrate {
		return errCalibrating
	}
	if rep.OffHook != s.offHook {
		at := now
		if rep.Hook {
			at = rep.At
		}
		s.offHook = rep.OffHook
		kind := board.LoopOpen
		if rep.OffHook {
			kind = board.LoopClosed
		}
		tell(board.Event{Kind: kind, At: at})
	}
	return nil
}

// coolingError says that the port is out of service and will come back by itself.
type coolingError struct{ err error }

func (e *coolingError) Error() string { return e.err.Error() }
func (e *coolingError) Unwrap() error { return e.err }

// exchangeLine joins a Si3050 to the event reader.
type exchangeLine struct {
	chip *si3050.Chip
	name string
}

// Name gives parts and revisions.
func (l *exchangeLine) Name() string { return l.name }

// PowerUp identifies the chip and brings it up.
func (l *exchangeLine) PowerUp(ctx context.Context) error {
	err := l.chip.PowerUp(ctx)
	if id := l.chip.Ident(); id.Revision != 0 {
		l.name = id.String()
	}
	return err
}

// Recover brings the chip back.
func (l *exchangeLine) Recover(ctx context.Context) error {
	if l.name == "" {
		return l.PowerUp(ctx)
	}
	return l.chip.Recover(ctx)
}

func (l *exchangeLine) Apply(x board.Line) error           { return l.chip.Apply(x) }
func (l *exchangeLine) Measure() (board.LineReport, error) { return l.chip.Measure() }
func (l *exchangeLine) Close() error                       { return l.chip.Close() }

// Set does what exchange lines know; the signals of stations are not for them.
func (l *exchangeLine) Set(k board.SignalKind) error {
	if k != board.Seize && k != board.Release {
		return nil
	}
	return l.chip.Set(k)
}

// Look polls the chip.
func (l *exchangeLine) Look(now, _ time.Time, tell func(board.Event)) error {
	events, err := l.chip.Poll(now)
	if err != nil {
		return err
	}
	for _, e := range events {
		tell(e)
	}
	return nil
}
