package storage

import (
	"bytes"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"sotto/storage/seal"
)

// keyPage is the key of the page's identity in the bucket of the box.
var keyPage = []byte("page")

// PageIdentity gives what the page shows itself by, its key and certificate as PEM, and has
// it made at the first call ever: make is called once at most, must not use the store, and
// what it gives is durable when PageIdentity returns. It is sealed under the box's own key.
// One that is damaged is counted in [Health] and made anew; browsers then warn once. It is
// at most 64 KiB. Errors are those of make, or wrap [ErrDown] or [ErrDamaged]. It does
// not need Run.
func (s *Store) PageIdentity(make func() ([]byte, error)) ([]byte, error) {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	if s.closed || s.broken {
		return nil, fmt.Errorf("read the page's identity: %w", ErrDown)
	}
	var sealed []byte
	if err := guard(func() error {
		return s.db.View(func(tx *bbolt.Tx) error {
			b := tx.Bucket(bucketBox)
			if b == nil {
				return ErrDamaged
			}
			sealed = bytes.Clone(b.Get(keyPage))
			return nil
		})
	}); err != nil {
		return nil, fmt.Errorf("read the page's identity: %w", err)
	}
	k := s.ring.Box()
	place := seal.Place{Bucket: string(bucketBox), ID: keyPage}
	if sealed != nil && len(sealed) <= maxOwn {
		if plain, err := seal.Open(&k, place, sealed); err == nil {
			return plain, nil
		}
	}
	if sealed != nil {
		s.unreadable.Add(1)
		s.log.Error("the certificate of the page is damaged; a new one is made and browsers will warn")
	}
	plain, err := make()
	if err != nil {
		return nil, fmt.Errorf("make the page's identity: %w", err)
	}
	sealed = seal.Seal(&k, place, plain)
	if len(plain) == 0 || len(sealed) > maxOwn {
		return nil, errors.New("make the page's identity: it is empty or too long")
	}
	if err := s.commit(func(tx *bbolt.Tx) error {
		b := tx.Bucket(bucketBox)
		if b == nil {
			return ErrDamaged
		}
		return b.Put(keyPage, sealed)
	}); err != nil {
		return nil, fmt.Errorf("save the page's identity: %w", err)
	}
	return plain, nil
}
