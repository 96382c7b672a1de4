package storage

import (
	"bytes"
	"errors"
	"testing"

	"go.etcd.io/bbolt"
)

// TestPageIdentity: it is made once, stays over restarts, and is made anew when damaged.
func TestPageIdentity(t *testing.T) {
	b := newBox(t)
	s := b.open()
	made := 0
	next := func() ([]byte, error) { made++; return []byte{byte(made), 2, 3}, nil }
	no := errors.New("no random numbers")
	if _, err := s.PageIdentity(func() ([]byte, error) { return nil, no }); !errors.Is(err, no) {
		t.Errorf("make fails: %v", err)
	}
	for _, bad := range [][]byte{nil, {}, make([]byte, maxOwn)} {
		if _, err := s.PageIdentity(func() ([]byte, error) { return bad, nil }); err == nil {
			t.Errorf("%d bytes are taken", len(bad))
		}
	}
	for range 3 {
		if got, err := s.PageIdentity(next); err != nil || !bytes.Equal(got, []byte{1, 2, 3}) || made != 1 {
			t.Errorf("made %d: %v, %v", made, got, err)
		}
		s.Close()
		s = b.open()
	}
	s.Close()
	if _, err := s.PageIdentity(next); !errors.Is(err, ErrDown) {
		t.Errorf("closed: %v", err)
	}
	b.edit(func(tx *bbolt.Tx) error {
		v := bytes.Clone(tx.Bucket(bucketBox).Get(keyPage))
		v[len(v)-1] ^= 1
		return tx.Bucket(bucketBox).Put(keyPage, v)
	})
	s = b.open()
	for range 2 {
		if got, err := s.PageIdentity(next); err != nil || got[0] != 2 || s.Health().Unreadable != 1 {
			t.Errorf("damaged: %v, %v", got, err)
		}
	}
}
