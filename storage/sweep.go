package storage

import (
	"bytes"
	"fmt"

	"go.etcd.io/bbolt"

	"sotto/storage/keyring"
)

// The sweep takes out of the rows what no key opens any more. The keys have gone before, so
// it is in no hurry: it changes at most 500 rows a transaction, and records that are to be
// written come between.

// sweepRows is how many rows a transaction of the sweep changes at most.
const sweepRows = 500

// loadErasures finds at a start what is not finished and what is not swept. The sequence
// number of the bucket tells whether there is anything to read at all.
func (s *Store) loadErasures() error {
	k := &s.keeper
	waiting := false
	if err := guard(func() error {
		return s.db.View(func(tx *bbolt.Tx) error {
			b := tx.Bucket(bucketErased)
			if b == nil {
				return ErrDamaged
			}
			waiting = b.Sequence() > 0
			c := b.Cursor()
			for key, _ := c.First(); key != nil && !waiting; key, _ = c.Next() {
				if len(key) == len(keyring.Subject{}) {
					_, _, waiting = s.ring.Name(keyring.Subject(key))
				}
			}
			return nil
		})
	}); err != nil || !waiting {
		return err
	}
	list, err := s.tombstones()
	for i := range list {
		t := &list[i]
		_, _, known := s.ring.Name(t.subject)
		switch {
		case known, t.Done == 0:
			k.unfinished = append(k.unfinished, t.subject)
		case t.Left > 0:
			k.left = append(k.left, t.subject)
		}
	}
	return err
}

// sweep does one transaction for the first of those that are left. It is under wmu.
func (s *Store) sweep() error {
	k := &s.keeper
	subject := k.left[0]
	ids, err := s.idsOf(subject, 0, sweepRows)
	if err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	last := false
	list, err := s.tombstones(subject)
	if err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	var bad uint64
	if err := s.commit(func(tx *bbolt.Tx) error {
		records, index, plans := tx.Bucket(bucketRecords), tx.Bucket(bucketBySubject), tx.Bucket(bucketPlans)
		if records == nil || index == nil || plans == nil {
			return ErrDamaged
		}
		bad = 0
		for _, id := range ids {
			key := keyOf(uint64(id))
			if value := records.Get(key); value != nil {
				without, changed, err := removePart(value, subject)
				if err != nil {
					bad++
				} else if changed {
					if err := records.Put(key, without); err != nil {
						return err
					}
				}
			}
			if err := index.Delete(indexKey(subject[:], id)); err != nil {
				return err
			}
		}
		n, damaged, err := sweepJournals(tx, subject, sweepRows-len(ids))
		if err != nil {
			return err
		}
		bad += damaged
		if last = len(ids)+n < sweepRows; !last {
			return nil
		}
		for _, r := range plansOf(tx, subject) {
			if err := plans.Put(r.key, r.value); err != nil {
				return err
			}
		}
		for _, r := range grantsOf(tx, subject) {
			if err := tx.Bucket(bucketGrants).Put(r.key, r.value); err != nil {
				return err
			}
		}
		for i := range list {
			list[i].Left = 0
		}
		return s.putTombstones(tx, list)
	}); err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	s.unreadable.Add(bad)
	if last {
		k.left = k.left[1:]
	}
	return nil
}

// sweepJournals takes a subject out of journals, with at most n changes: the own one whole, and
// what others have of the person. It tells how many there were, and how many of others' entries
// are damaged.
func sweepJournals(tx *bbolt.Tx, subject keyring.Subject, n int) (changes int, bad uint64, err error) {
	changes, err = dropEntriesOf(tx, subject, n)
	if err != nil {
		return changes, 0, err
	}
	journal, index := tx.Bucket(bucketJournal), tx.Bucket(bucketByFar)
	if journal == nil || index == nil {
		return changes, 0, ErrDamaged
	}
	var keys [][]byte
	c := index.Cursor()
	for k, _ := c.Seek(subject[:]); bytes.HasPrefix(k, subject[:]) && changes < n; k, _ = c.Next() {
		keys = append(keys, bytes.Clone(k))
		changes++
	}
	for _, k := range keys {
		key := k[len(subject):]
		if value := journal.Get(key); value != nil {
			without, changed, err := removePart(value, subject)
			if err != nil {
				bad++
			} else if changed {
				if err := journal.Put(key, without); err != nil {
					return changes, bad, err
				}
			}
		}
		if err := index.Delete(k); err != nil {
			return changes, bad, err
		}
	}
	return changes, bad, nil
}

// plansOf gives the revisions of the plan that hold something of a subject, without that.
func plansOf(tx *bbolt.Tx, subject keyring.Subject) (rows []row) {
	b := tx.Bucket(bucketPlans)
	if b == nil {
		return nil
	}
	b.ForEach(func(k, v []byte) error {
		if without, changed, err := removePart(v, subject); err == nil && changed {
			rows = append(rows, row{bytes.Clone(k), without})
		}
		return nil
	})
	return rows
}
