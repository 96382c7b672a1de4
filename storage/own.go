package storage

import (
	"encoding/json"
	"errors"

	"go.etcd.io/bbolt"

	"sotto/pbx/plan"
	"sotto/storage/keyring"
	"sotto/storage/seal"
)

// The buckets of secrets and of bindings hold what is one user's own: one row a user, the
// user's subject for its key, JSON sealed under that subject's key for its value. The
// sequence number of the bucket is how many rows there are, so that a missing one shows.

// maxOwn bounds the value of such a row, sealed; longer ones are not written, and damaged
// when read.
const maxOwn = 64 << 10

var errTooLong = errors.New("too long for a row")

// sealOwn makes the row of a user who is in the plan, and so in the keyring.
func (s *Store) sealOwn(bucket []byte, user plan.UserID, v any) (row, error) {
	subject, k, ok := s.keyOfUser(user)
	if !ok {
		return row{}, errErased
	}
	return sealOwnRow(bucket, subject, k, v)
}

// sealOwnRow makes the row of a subject.
func sealOwnRow(bucket []byte, subject keyring.Subject, k seal.Key, v any) (row, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return row{}, errors.New("a value cannot be encoded")
	}
	value := seal.Seal(&k, ownPlace(bucket, subject), plain)
	clear(plain)
	if len(value) > maxOwn {
		return row{}, errTooLong
	}
	return row{subject[:], value}, nil
}

// openOwn opens the row of a user into the JSON value v; false if there is none.
func (s *Store) openOwn(b *bbolt.Bucket, bucket []byte, user plan.UserID, v any) (found bool, err error) {
	subject, k, ok := s.keyOfUser(user)
	if !ok {
		return false, nil
	}
	value := b.Get(subject[:])
	if value == nil {
		return false, nil
	}
	return true, openOwnRow(bucket, subject, k, value, v)
}

// openOwnRow opens the row of a subject into the JSON value v.
func openOwnRow(bucket []byte, subject keyring.Subject, k seal.Key, value []byte, v any) error {
	if len(value) > maxOwn {
		return errRow
	}
	plain, err := seal.Open(&k, ownPlace(bucket, subject), value)
	if err != nil || json.Unmarshal(plain, v) != nil {
		return errRow
	}
	clear(plain)
	return nil
}

func (s *Store) keyOfUser(user plan.UserID) (keyring.Subject, seal.Key, bool) {
	subject, ok := s.ring.Lookup(keyring.User, string(user))
	if !ok {
		return subject, seal.Key{}, false
	}
	k, ok := s.ring.Key(subject)
	return subject, k, ok
}

func ownPlace(bucket []byte, subject keyring.Subject) seal.Place {
	return seal.Place{Bucket: string(bucket), ID: subject[:], Subject: subject[:]}
}

// countOwn brings the sequence number of a bucket up to date.
func countOwn(b *bbolt.Bucket) error {
	n := uint64(0)
	c := b.Cursor()
	for k, _ := c.First(); k != nil; k, _ = c.Next() {
		n++
	}
	return b.SetSequence(n)
}

// missingRows tells how many rows fewer than there should be have been found. There are
// none of anybody but the users of the plan, see dropStrangers.
func missingRows(b *bbolt.Bucket, found uint64) uint64 { return max(b.Sequence(), found) - found }

// dropStrangers removes the rows of all that are not users of the plan at, what they chose
// included, and the bindings of users without SIP.
func (s *Store) dropStrangers(tx *bbolt.Tx, at *planAt) error {
	known, sip := map[keyring.Subject]bool{}, map[keyring.Subject]bool{}
	for id, u := range at.users {
		if subject, ok := s.ring.Lookup(keyring.User, string(id)); ok {
			known[subject], sip[subject] = true, u.SIP
		}
	}
	return errors.Join(keepOnly(tx.Bucket(bucketSecrets), known), keepOnly(tx.Bucket(bucketPeople), known), keepOnly(tx.Bucket(bucketBindings), sip))
}

func keepOnly(b *bbolt.Bucket, keep map[keyring.Subject]bool) error {
	if b == nil {
		return ErrDamaged
	}
	var gone [][]byte
	b.ForEach(func(k, _ []byte) error {
		if len(k) != len(keyring.Subject{}) || !keep[keyring.Subject(k)] {
			gone = append(gone, k)
		}
		return nil
	})
	if len(gone) == 0 {
		return nil
	}
	for _, k := range gone {
		if err := b.Delete(k); err != nil {
			return err
		}
	}
	return countOwn(b)
}
