package storage

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"

	"sotto/storage/keyring"
)

// TestClaimPowerCut cuts the power at each step: before the transaction, with the person's
// key durable, nobody owns the box and it can be claimed; after it, it has an owner.
func TestClaimPowerCut(t *testing.T) {
	b := newBox(t)
	b.open().Close()
	db := filepath.Join(b.dir, fileName)
	before := must(os.ReadFile(db))
	s := b.open()
	s.claim(t)
	after := must(os.ReadFile(db)) // as it is on the medium, the store still open
	s.Close()
	os.WriteFile(db, before, 0o600)
	s = b.open()
	if s.Claimed() || s.Health().Unreadable != 0 {
		t.Error("half a claim counts")
	}
	s.claim(t)
	if _, err := s.LogIn(t.Context(), ownerName, ownerPassword); err != nil {
		t.Errorf("after a claim that was cut: %v", err)
	}
	s.Close()

	os.WriteFile(db, after, 0o600)
	s = b.open()
	s.hurry()
	if err := s.Claim(t.Context(), "x", ownerPassword); !errors.Is(err, ErrClaimed) {
		t.Errorf("an acknowledged claim is lost: %v", err)
	}
	if _, err := s.LogIn(t.Context(), ownerName, ownerPassword); err != nil {
		t.Error(err)
	}
	s.Close() // what cannot be written any more is not acknowledged
	if err := s.ChangePassword(t.Context(), s.accounts.Load().list[0].ID, ownerPassword, "another password"); !errors.Is(err, ErrDown) {
		t.Errorf("on a closed store: %v", err)
	}
}

// TestStaffGoes: the account of a user goes with the user, for good.
func TestStaffGoes(t *testing.T) {
	b := newBox(t)
	s := b.open()
	s.claim(t)
	setPlan(t, s, testPlan())
	a := must(s.AddAccount(t.Context(), owner, "Anna", ownerPassword, Staff, anna))
	bo := must(s.AddAccount(t.Context(), owner, "Boris", ownerPassword, Staff, boris))
	p := testPlan()
	p.Users = p.Users[1:]
	setPlan(t, s, p)
	for range 2 {
		if _, ok := s.Account(a.ID); ok {
			t.Error("the account has outlived its user")
		}
		if _, err := s.LogIn(t.Context(), "Anna", ownerPassword); !errors.Is(err, ErrWrongLogIn) {
			t.Errorf("log-in without a user: %v", err)
		}
		if got, ok := s.Account(bo.ID); !ok || got != bo || rowsIn(s, bucketAccounts) != 2 || s.Health().Unreadable != 0 {
			t.Error("the other is gone too")
		}
		setPlan(t, s, testPlan()) // the user comes back, the account does not
		s.Close()
		s = b.open()
		s.hurry()
	}
}

// TestAccountsDamaged changes rows behind the store's back: an account that was changed
// cannot log in and is counted, and the box never becomes free.
func TestAccountsDamaged(t *testing.T) {
	b := newBox(t)
	s := b.open()
	s.claim(t)
	second := must(s.AddAccount(t.Context(), owner, "admin", "password of admin", Admin, ""))
	one, _ := s.ring.Lookup(keyring.Admin, string(s.accounts.Load().list[0].ID))
	two, _ := s.ring.Lookup(keyring.Admin, string(second.ID))
	k, _ := s.ring.Key(two)
	other := s.accounts.Load().list[0]
	stolen := must(sealOwnRow(bucketAccounts, two, k, other)).value // the owner's, under the admin's key
	free := s.sealCheck(checkFree)
	s.Close()
	good := must(os.ReadFile(filepath.Join(b.dir, fileName)))
	for _, c := range []struct {
		name     string
		damage   func(tx *bbolt.Tx, a *bbolt.Bucket)
		left     int
		counted  uint64
		elsewise bool // it does not open at all
	}{
		{"nothing", func(*bbolt.Tx, *bbolt.Bucket) {}, 2, 0, false},
		{"cut", func(_ *bbolt.Tx, a *bbolt.Bucket) { a.Put(one[:], bytes.Clone(a.Get(one[:]))[:50]) }, 1, 1, false},
		{"exchanged", func(_ *bbolt.Tx, a *bbolt.Bucket) {
			x, y := bytes.Clone(a.Get(one[:])), bytes.Clone(a.Get(two[:]))
			a.Put(one[:], y)
			a.Put(two[:], x)
		}, 0, 2, false},
		{"of another account", func(_ *bbolt.Tx, a *bbolt.Bucket) { a.Put(two[:], stolen) }, 1, 1, false},
		{"of nobody", func(_ *bbolt.Tx, a *bbolt.Bucket) { a.Put(bytes.Repeat([]byte{7}, 16), stolen) }, 2, 1, false},
		{"odd key", func(_ *bbolt.Tx, a *bbolt.Bucket) { a.Put([]byte("x"), nil) }, 2, 1, false},
		{"missing", func(_ *bbolt.Tx, a *bbolt.Bucket) { a.Delete(one[:]) }, 1, 1, false},
		{"all missing", func(_ *bbolt.Tx, a *bbolt.Bucket) { a.Delete(one[:]); a.Delete(two[:]) }, 0, 2, false},
		{"all missing, and not to be missed", func(_ *bbolt.Tx, a *bbolt.Bucket) {
			a.Delete(one[:])
			a.Delete(two[:])
			a.SetSequence(0)
		}, 0, 1, false},
		{"an old check", func(tx *bbolt.Tx, _ *bbolt.Bucket) { tx.Bucket(bucketFormat).Put(keyCheck, free) }, 2, 0, false},
		{"as if it were old", func(tx *bbolt.Tx, _ *bbolt.Bucket) {
			tx.DeleteBucket(bucketAccounts)
			tx.DeleteBucket(bucketBox)
		}, 0, 0, true},
	} {
		b.edit(func(tx *bbolt.Tx) error { c.damage(tx, tx.Bucket(bucketAccounts)); return nil })
		s, err := b.tryOpen()
		if c.elsewise {
			if !errors.Is(err, ErrDamaged) {
				t.Errorf("%s: %v", c.name, err)
			}
		} else if err != nil {
			t.Errorf("%s: %v", c.name, err)
		} else {
			s.hurry()
			if n := len(s.accounts.Load().list); n != c.left || s.Health().Unreadable != c.counted || !s.Claimed() {
				t.Errorf("%s: %d accounts, %d counted, claimed %v", c.name, n, s.Health().Unreadable, s.Claimed())
			}
			if err := s.Claim(t.Context(), "thief", ownerPassword); err != ErrClaimed {
				t.Errorf("%s: claimed again: %v", c.name, err)
			}
			s.Close()
		}
		os.WriteFile(filepath.Join(b.dir, fileName), good, 0o600)
	}
}
