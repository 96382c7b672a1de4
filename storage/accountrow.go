package storage

import (
	"go.etcd.io/bbolt"

	"sotto/pbx/plan"
	"sotto/storage/keyring"
	"sotto/storage/password"
)

// account is an account as it is kept: a row of the bucket of accounts.
type account struct {
	ID   AccountID     `json:"id"`
	Name string        `json:"name"`
	Role Role          `json:"role"`
	User plan.UserID   `json:"user,omitempty"`
	Hash password.Hash `json:"hash"`
	Once bit           `json:"once,omitempty"` // the password is good for nothing but to change it
}

// putAccount makes a durable, in place of what it was before, with its line of the audit trail,
// and publishes it. It is under wmu.
func (s *Store) putAccount(a *account, claim bool, note look) error {
	subject, err := s.ring.Subject(keyring.Admin, string(a.ID))
	if err != nil {
		return err
	}
	k, _ := s.ring.Key(subject)
	r, err := sealOwnRow(bucketAccounts, subject, k, a)
	if err != nil {
		return err
	}
	note.about = []keyring.Subject{subject}
	s.pend(note)
	if err := s.commit(func(tx *bbolt.Tx) error {
		b := tx.Bucket(bucketAccounts)
		if b == nil {
			return ErrDamaged
		}
		if err := b.Put(r.key, r.value); err != nil {
			return err
		}
		if claim {
			if err := tx.Bucket(bucketFormat).Put(keyCheck, s.sealCheck(checkClaimed)); err != nil {
				return err
			}
		}
		return countOwn(b)
	}); err != nil {
		return err
	}
	next := &accounts{claimed: true}
	for _, other := range s.accounts.Load().list {
		if other.ID != a.ID {
			next.list = append(next.list, other)
		}
	}
	next.list = append(next.list, a)
	s.accounts.Store(next)
	return nil
}

// loadAccounts reads the accounts. A row that does not open or is missing is counted, and
// its account cannot log in.
func (s *Store) loadAccounts(b *bbolt.Bucket, claimed bool) {
	all := &accounts{claimed: claimed}
	s.accounts.Store(all)
	if b == nil {
		return
	}
	var rows, bad uint64
	b.ForEach(func(key, value []byte) error {
		rows++
		a := &account{}
		if s.openAccount(key, value, a) != nil || len(all.list) == MaxAccounts {
			bad++
			return nil
		}
		all.list = append(all.list, a)
		return nil
	})
	bad += missingRows(b, rows)
	all.claimed = claimed || rows > 0 || bad > 0
	if claimed && rows == 0 && bad == 0 {
		bad++ // the owner's at least
	}
	if bad > 0 {
		s.unreadable.Add(bad)
		s.log.Error("accounts are damaged or missing and cannot log in", "count", bad)
	}
}

func (s *Store) openAccount(key, value []byte, a *account) error {
	if len(key) != len(keyring.Subject{}) {
		return errRow
	}
	subject := keyring.Subject(key)
	k, ok := s.ring.Key(subject)
	if !ok {
		return errErased
	}
	if err := openOwnRow(bucketAccounts, subject, k, value, a); err != nil {
		return err
	}
	if known, ok := s.ring.Lookup(keyring.Admin, string(a.ID)); !ok || known != subject || a.Role < Owner || a.Role > Staff {
		return errRow
	}
	return a.Hash.Valid()
}

// dropStaff removes the accounts of staff who are not in the plan at, and gives those
// that stay.
func (s *Store) dropStaff(tx *bbolt.Tx, at *planAt) (*accounts, error) {
	old := s.accounts.Load()
	stay := &accounts{claimed: old.claimed}
	b := tx.Bucket(bucketAccounts)
	if b == nil {
		return nil, ErrDamaged
	}
	for _, a := range old.list {
		if a.Role != Staff || at.users[a.User] != nil {
			stay.list = append(stay.list, a)
			continue
		}
		subject, _ := s.ring.Lookup(keyring.Admin, string(a.ID))
		if err := b.Delete(subject[:]); err != nil {
			return nil, err
		}
	}
	if len(stay.list) == len(old.list) {
		return old, nil
	}
	return stay, countOwn(b)
}
