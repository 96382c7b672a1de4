package storage

import (
	"context"
	"fmt"
	"sync/atomic"

	"sotto/storage/password"
)

// maxWaiting is how many wait for the gate at most. Each takes its turn for some tenths
// of a second on the box.
const maxWaiting = 8

// gate lets one through at a time, because each needs the memory of one hash: many log-ins
// at once must not take that of the telephones. The memory is the collector's as soon as
// the hash is made; it is not forced back to the system, because that would stop the
// program for longer, and by one at a time it stays bounded.
type gate struct {
	turn    chan struct{} // holds a token while somebody is through
	waiting atomic.Int32  // who is through and who waits
}

func (g *gate) init() { g.turn = make(chan struct{}, 1) }

// enter waits for its turn: ErrBusy if too many do, or the error of ctx.
func (g *gate) enter(ctx context.Context) error {
	if g.waiting.Add(1) > 1+maxWaiting {
		g.waiting.Add(-1)
		return ErrBusy
	}
	select {
	case g.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		g.waiting.Add(-1)
		return fmt.Errorf("wait to check a password: %w", ctx.Err())
	}
}

func (g *gate) leave() {
	<-g.turn
	g.waiting.Add(-1)
}

// hash makes a hash of a password that [password.Check] has let pass.
func (s *Store) hash(ctx context.Context, pw string) (password.Hash, error) {
	if err := s.enter(ctx); err != nil {
		return password.Hash{}, err
	}
	defer s.leave()
	return password.New(pw, s.cost), nil
}

// matches tells whether a password is the one of h. One that can be nobody's is checked
// like any other, as far as its beginning goes.
func (s *Store) matches(ctx context.Context, h *password.Hash, pw string) (bool, error) {
	if err := s.enter(ctx); err != nil {
		return false, err
	}
	defer s.leave()
	fits := password.Check(pw) == nil
	if !fits {
		pw = ""
	}
	return h.Matches(pw) && fits, nil
}

// enter is gate.enter, with a count of who is sent away.
func (s *Store) enter(ctx context.Context) error {
	err := s.gate.enter(ctx)
	if err == ErrBusy {
		s.logInsBusy.Add(1)
	}
	return err
}

func (s *Store) leave() { s.gate.leave() }
