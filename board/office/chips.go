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

// hookUnsure is how long after its return to service the hook of a chip is not believed:
// it may still be what it was before, until the chip has seen current or none for a while.
const hookUnsure = 60 * time.Millisecond

// station joins a Si321x to the event reader.
type station struct {
	chip    *si321x.Chip
	label   string
	log     *slog.Logger
	name    string
	offHook bool      // told last
	hookAt  time.Time // of the last edge not yet told; zero: not known
	cools   *coolingError
	fresh   bool      // back in service and not looked at since
	sureAt  time.Time // the hook is not told before
	weak    string    // what was said of weak ringing

	lateEdge func() time.Time // of an interrupt that came after what it is about was found
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
	s.back()
	if s.name == "" {
		return s.PowerUp(ctx)
	}
	return s.chip.Recover(ctx)
}

// back forgets what was known of the hook: it is told anew.
func (s *station) back() { s.offHook, s.hookAt, s.cools, s.fresh = false, time.Time{}, nil, true }

// Apply hands the chip the line's parameters. Ringing that the battery cannot reach is
// done as well as it can be, and told once; parameters that the chip does not have leave
// it with those it had. Neither takes the port out of service.
func (s *station) Apply(l board.Line) error {
	err := s.chip.Apply(l)
	var weak *si321x.RingVoltageError
	switch {
	case errors.As(err, &weak):
		if s.weak != weak.Error() {
			s.weak = weak.Error()
			s.log.Warn("ringing is weaker than the country asks for", "port", s.label, "why", err)
		}
		return nil
	case errors.Is(err, si321x.ErrUnsupported):
		s.log.Warn("line parameters not taken", "port", s.label, "why", err)
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
		if s.cools != nil {
			s.back()
			return nil // what this look says of the hook is from before
		}
	case si321x.Cooling:
		if s.cools == nil {
			s.cools = &coolingError{rep.Cause}
			if rep.Alarm != 0 {
				s.cools.err = fmt.Errorf("power alarm of %v: %w", rep.Alarm, rep.Cause)
			}
		}
		return s.cools
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
	if s.fresh {
		s.fresh, s.sureAt = false, now.Add(hookUnsure)
	}
	if rep.Hook {
		if s.hookAt = rep.At; rep.At.Equal(now) { // found by a poll
			if edge = s.lateEdge(); edge.IsZero() {
				edge = now
			}
			s.hookAt = edge.Add(-si321x.HookDebounce) // this long ago at the least
		}
	}
	if now.Before(s.sureAt) {
		return nil
	}
	if rep.OffHook != s.offHook {
		e := board.Event{Kind: board.LoopOpen, At: now}
		if !s.hookAt.IsZero() {
			e.At = s.hookAt
		}
		if s.offHook = rep.OffHook; s.offHook {
			e.Kind = board.LoopClosed
		}
		tell(e)
	}
	s.hookAt = time.Time{}
	return nil
}

// coolingError says that the port is out of service and will come back by itself.
type coolingError struct{ err error }

func (e *coolingError) Error() string { return e.err.Error() }
func (e *coolingError) Unwrap() error { return e.err }

// exchangeLine joins a Si3050 to the event reader.
type exchangeLine struct {
	chip  *si3050.Chip
	label string
	log   *slog.Logger
	name  string
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

// Apply hands the chip the line's parameters; those that it does not have leave it with
// those it had.
func (l *exchangeLine) Apply(x board.Line) error {
	err := l.chip.Apply(x)
	if errors.Is(err, si3050.ErrLine) {
		l.log.Warn("line parameters not taken", "port", l.label, "why", err)
		return nil
	}
	return err
}

func (l *exchangeLine) Pulse(t board.Train, now time.Time) error { return l.chip.Pulse(t, now) }
func (l *exchangeLine) Step(now time.Time) (time.Time, error)    { return l.chip.Step(now) }

func (l *exchangeLine) Set(k board.SignalKind) error       { return l.chip.Set(k) }
func (l *exchangeLine) Measure() (board.LineReport, error) { return l.chip.Measure() }
func (l *exchangeLine) Close() error                       { return l.chip.Close() }

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
