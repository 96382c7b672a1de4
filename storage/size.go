package storage

import (
	"os"

	"go.etcd.io/bbolt"
)

// A bbolt file never shrinks: pages that were freed are taken again before it grows. What
// counts is what is in use. At the limit the oldest records give way to new ones, so that
// the file stays below the mapping and no record is ever refused.

// perDrop is how many rows are written for each transaction that removes at most 500.
const perDrop = 250

// nearLimit tells whether so much is in use that somebody should know: 90 % of the limit.
func (s *Store) nearLimit() bool { return s.used.Load() >= s.limit/10*9 }

// measureFirst measures before the first transaction. bbolt counts its free pages when a
// transaction for writing ends, be it without having written.
func (s *Store) measureFirst() error {
	tx, err := s.db.Begin(true)
	if err != nil {
		return err
	}
	if err := tx.Rollback(); err != nil {
		return err
	}
	s.measure()
	return nil
}

// measure notes how much of the database is in use.
func (s *Store) measure() {
	var size int64
	if s.db.View(func(tx *bbolt.Tx) error { size = tx.Size(); return nil }) != nil {
		return
	}
	stats := s.db.Stats()
	s.used.Store(size - int64(stats.FreePageN+stats.PendingPageN)*int64(os.Getpagesize()))
}

// makeRoom removes the oldest records and so many entries of journals as are of about the same
// time, at most 500 each; with no records left, entries alone.
func (s *Store) makeRoom(tx *bbolt.Tx) (dropped int, err error) {
	all := uint64(s.last - s.oldestID() + 1)
	dropped, err = s.dropRecords(tx, s.last)
	if err != nil {
		return 0, err
	}
	oldest := oldestEntryID(tx)
	if oldest == 0 {
		return dropped, nil
	}
	share := uint64(maxDrop)
	if dropped > 0 {
		share = uint64(s.lastEntry-oldest+1)*uint64(dropped)/all + 1
	}
	n, err := dropEntries(tx, nil, maxDrop, func(id RecordID) bool { return id < oldest+RecordID(share) })
	return dropped + n, err
}

// prune makes room for n rows while the database is at its limit. It is under wmu.
func (s *Store) prune(n int) error {
	for range 1 + n/perDrop {
		if s.used.Load() < s.limit {
			return nil
		}
		dropped := 0
		if err := s.commit(func(tx *bbolt.Tx) (err error) {
			dropped, err = s.makeRoom(tx)
			return err
		}); err != nil || dropped == 0 {
			return err
		}
		s.keeper.lonely = true
		if s.pruned.Add(uint64(dropped)) == uint64(dropped) {
			s.log.Error("the database is full: the oldest call records and entries of journals are removed to make room")
		}
	}
	return nil
}
