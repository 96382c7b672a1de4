package storage

import (
	"context"
	"fmt"
)

// LogIn gives the account of this name if the password is its own, else [ErrWrongLogIn],
// after the same work whether or not there is such an account. [ErrBusy] when too many
// passwords are being checked; or the error of ctx while it waits for its turn. Success
// and failure are noted. How often anybody may try is for the page to say.
func (s *Store) LogIn(ctx context.Context, name, password string) (Account, error) {
	a := s.accounts.Load().named(name)
	hash := &s.nobody
	if a != nil {
		hash = &a.Hash
	}
	ok, err := s.matches(ctx, hash, password)
	if err != nil {
		return Account{}, err
	}
	// The account may have gone, or have got another password, in the meantime.
	if ok = ok && a != nil && s.accounts.Load().byID(a.ID) == a; !ok {
		s.logInsFailed.Add(1)
		if err := s.note(ctx, look{stranger: true, what: "failed log-in"}); err != nil {
			return Account{}, fmt.Errorf("note the log-in: %w", err)
		}
		return Account{}, ErrWrongLogIn
	}
	if err := s.note(ctx, look{viewer: a.public().Viewer(), what: "log in"}); err != nil {
		return Account{}, fmt.Errorf("note the log-in: %w", err)
	}
	return a.public(), nil
}

// CheckPassword tells whether a password is that of an account, for what needs it once more:
// [ErrWrongLogIn] if not, or if there is no such account. A wrong one is noted, a right one
// is not: what follows it is. Other errors are those of [Store.LogIn].
func (s *Store) CheckPassword(ctx context.Context, id AccountID, password string) error {
	a := s.accounts.Load().byID(id)
	if a == nil {
		return ErrWrongLogIn
	}
	ok, err := s.matches(ctx, &a.Hash, password)
	if err != nil || ok {
		return err
	}
	s.logInsFailed.Add(1)
	if err := s.note(ctx, look{viewer: a.public().Viewer(), what: "wrong password for a change", merge: flood}); err != nil {
		return fmt.Errorf("note the attempt: %w", err)
	}
	return ErrWrongLogIn
}

// ChangePassword puts next in place of the password of an account, and returns once that
// is durable. [ErrWrongLogIn] if current is not the one that it has or there is no such
// account; errors of next are those of [Store.AddAccount]. The page then ends the other
// sessions of the account. It does not need Run.
func (s *Store) ChangePassword(ctx context.Context, id AccountID, current, next string) error {
	a := s.accounts.Load().byID(id)
	if a == nil {
		return ErrWrongLogIn
	}
	if err := checkPassword(a.Name, next); err != nil {
		return err
	}
	if err := s.CheckPassword(ctx, id, current); err != nil {
		return err
	}
	changed := *a
	var err error
	changed.Once = 0
	if changed.Hash, err = s.hash(ctx, next); err != nil {
		return err
	}
	s.wmu.Lock()
	defer s.wmu.Unlock()
	if s.accounts.Load().byID(id) != a {
		return ErrWrongLogIn // somebody else has changed it in the meantime
	}
	if err := s.putAccount(&changed, false, look{viewer: changed.public().Viewer(), what: "change password", rows: 1}); err != nil {
		return fmt.Errorf("save account: %w", err)
	}
	return nil
}
