package storage

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"

	"go.etcd.io/bbolt"

	"sotto/pbx/plan"
	"sotto/storage/keyring"
	"sotto/storage/policy"
)

var (
	// ErrUnknownAccount says that there is no such account, or no longer.
	ErrUnknownAccount = errors.New("there is no such account any more")

	// ErrOwnPassword says that somebody's own password is changed with the present one.
	ErrOwnPassword = errors.New("this is your own account: change its password with the present one")
)

// SetRole gives an account another role, and of staff the user, and returns it once that is
// durable; a session of the account is bound by it with its next request. It needs the right
// policy.ChangeAccounts, else [ErrNotAllowed]. [ErrUnknownAccount]; [ErrAccountRole] if role and
// user do not go together, as in [Store.AddAccount]; [ErrLastOwner] if no owner would be left.
// It does not need Run.
func (s *Store) SetRole(ctx context.Context, v Viewer, id AccountID, role Role, user plan.UserID) (Account, error) {
	if !s.may(v, policy.ChangeAccounts) {
		return Account{}, ErrNotAllowed
	}
	if !rolesUser(role, user) {
		return Account{}, ErrAccountRole
	}
	s.wmu.Lock()
	defer s.wmu.Unlock()
	old, err := s.accountToChange(ctx, id)
	switch {
	case err != nil:
		return Account{}, err
	case role == Staff && s.plan.Load().users[user] == nil:
		return Account{}, ErrAccountRole
	case role != Owner && s.lastOwner(old):
		return Account{}, ErrLastOwner
	case old.Role == role && old.User == user:
		return old.public(), nil
	}
	a := *old
	a.Role, a.User = role, user
	if err := s.putAccount(&a, false, look{viewer: v, what: "change role", rows: 1, before: old.Role.String(), after: role.String()}); err != nil {
		return Account{}, fmt.Errorf("change role: %w", err)
	}
	return a.public(), nil
}

// RemoveAccount takes an account away and returns once that is durable; nobody can log in to it,
// and its sessions end with their next request. What the audit trail has of it stays, by
// pseudonym. It needs the right policy.ChangeAccounts, else [ErrNotAllowed]. [ErrUnknownAccount];
// [ErrLastOwner]. [Store.Erase] destroys its keys at once, too. It does not need Run.
func (s *Store) RemoveAccount(ctx context.Context, v Viewer, id AccountID) error {
	if !s.may(v, policy.ChangeAccounts) {
		return ErrNotAllowed
	}
	s.wmu.Lock()
	defer s.wmu.Unlock()
	old, err := s.accountToChange(ctx, id)
	switch {
	case err != nil:
		return err
	case s.lastOwner(old):
		return ErrLastOwner
	}
	subject, ok := s.ring.Lookup(keyring.Admin, string(id))
	if !ok {
		return ErrUnknownAccount
	}
	s.pend(look{viewer: v, what: "remove account", rows: 1, about: []keyring.Subject{subject}, before: old.Role.String()})
	if err := s.commit(func(tx *bbolt.Tx) error { return dropOwn(tx.Bucket(bucketAccounts), subject) }); err != nil {
		return fmt.Errorf("remove account: %w", err)
	}
	all := s.accounts.Load()
	stay := slices.DeleteFunc(slices.Clone(all.list), func(a *account) bool { return a.ID == id })
	s.accounts.Store(&accounts{claimed: all.claimed, list: stay})
	s.keeper.lonely = true // nothing is left of the person but pseudonyms
	return nil
}

// ResetPassword puts a new random password in place of that of an account, for somebody who has
// lost it, and gives it once that is durable; it is kept nowhere. Who logs in with it can do
// nothing but change it: until then the account's [Account.Viewer] is nobody, in sessions that
// run already too. It needs the right policy.ChangeAccounts, else [ErrNotAllowed]; nobody's own
// account, else [ErrOwnPassword]; [ErrUnknownAccount]; [ErrBusy]. It does not need Run.
func (s *Store) ResetPassword(ctx context.Context, v Viewer, id AccountID) (password string, err error) {
	switch {
	case !s.may(v, policy.ChangeAccounts):
		return "", ErrNotAllowed
	case v.Account == id:
		return "", ErrOwnPassword
	case s.accounts.Load().byID(id) == nil:
		return "", ErrUnknownAccount
	}
	password = rand.Text() // 130 bits
	hash, err := s.hash(ctx, password)
	if err != nil {
		return "", err
	}
	s.wmu.Lock()
	defer s.wmu.Unlock()
	old, err := s.accountToChange(ctx, id)
	if err != nil {
		return "", err
	}
	a := *old
	a.Hash, a.Once = hash, 1
	if err := s.putAccount(&a, false, look{viewer: v, what: "reset password", rows: 1}); err != nil {
		return "", fmt.Errorf("reset password: %w", err)
	}
	return password, nil
}

// accountToChange gives an account, under wmu.
func (s *Store) accountToChange(ctx context.Context, id AccountID) (*account, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	a := s.accounts.Load().byID(id)
	if a == nil {
		return nil, ErrUnknownAccount
	}
	return a, nil
}

// lastOwner tells whether an account is the only owner.
func (s *Store) lastOwner(a *account) bool {
	return a.Role == Owner && !slices.ContainsFunc(s.accounts.Load().list, func(b *account) bool { return b.Role == Owner && b != a })
}
