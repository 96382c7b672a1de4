package storage

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"time"

	"go.etcd.io/bbolt"

	"sotto/storage/keyring"
)

// Forget has every chain of a class, the box's too, forget the box's days before a time, and
// tells how many chains had any to forget. Nothing opens what was of these days from then
// on; the keys go from the medium with the next rotation, within the hour, and a power cut
// before that undoes it: so whoever keeps to a term asks again at each start. Records of
// which the box's part goes are removed, a piece at a time.
//
// Days are whole and in UTC, and the one that the time is in stays. They are by the box's
// clock: one that is ahead forgets too much. Days whose dates make no sense, because they
// lie in the future or before an earlier day's, go with those around them.
func (s *Store) Forget(ctx context.Context, class keyring.Class, before time.Time) (chains int, err error) {
	if err := s.forget(ctx, before, func(day keyring.Day) { chains = s.ring.Forget(class, day) }); err != nil {
		return 0, fmt.Errorf("forget: %w", err)
	}
	return chains, nil
}

// ForgetOf is [Store.Forget] for one person, and tells whether there was anything to forget;
// [ErrUnknownPerson] if the box knows of none.
func (s *Store) ForgetOf(ctx context.Context, p Person, class keyring.Class, before time.Time) (any bool, err error) {
	k, err := p.kind(Viewer{Role: Owner})
	if err != nil {
		return false, err
	}
	known := false
	if err := s.forget(ctx, before, func(day keyring.Day) {
		for _, subject := range s.subjectsOfPerson(&p, k) {
			known, any = true, s.ring.ForgetOf(subject, class, day) || any
		}
	}); err != nil {
		return false, fmt.Errorf("forget: %w", err)
	}
	if !known {
		return false, fmt.Errorf("forget: %w", ErrUnknownPerson)
	}
	return any, nil
}

func (s *Store) forget(ctx context.Context, before time.Time, step func(keyring.Day)) error {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.closed || s.broken {
		return ErrDown
	}
	step(firstDay(s.table(), dateOf(before), dateOf(s.clock())))
	s.keeper.aged, s.keeper.lonely = s.agedBefore(), true
	s.nudge() // for the rotation, and to remove rows
	return nil
}

// firstDay gives the first of the days that stays if all before a date are forgotten: the
// first on which a date from then on had been met, those after today left out of account,
// for they are wrong. So a day with a slow clock, as at 1970, takes none with it that came
// before, and one with a fast clock keeps none for years. The newest day always stays.
func firstDay(days []day, before, today int32) keyring.Day {
	before = min(before, today) // a clock at 1970 does not make all that there is old
	newest := int32(-1)
	known := 0 // days before the first whose date is none after today
	for n := range days {
		if days[n].date <= today {
			newest = max(newest, days[n].date)
		}
		switch {
		case newest < 0:
			known = n + 1
		case newest >= before && known == n:
			return 0
		case newest >= before:
			return keyring.Day(n)
		}
	}
	if newest < 0 {
		return 0
	}
	return keyring.Day(len(days) - 1)
}

// agedBefore gives the id before which the box's part of records has aged; 0 if none has.
// What is sealed with no key of its own is worth nothing, so these rows are removed.
func (s *Store) agedBefore() RecordID {
	days := s.table()
	n := sort.Search(len(days), func(n int) bool {
		key, err := s.ring.DayKey(keyring.Subject{}, keyring.Calls, keyring.Day(n))
		clear(key[:])
		return !errors.Is(err, keyring.ErrAged)
	})
	if n == 0 || n == len(days) {
		return 0
	}
	return days[n].first
}

// dropAged removes some of the rows that have aged. It is under wmu.
func (s *Store) dropAged() error {
	dropped := 0
	if err := s.commit(func(tx *bbolt.Tx) (err error) {
		dropped, err = s.dropRecords(tx, s.keeper.aged-1)
		return err
	}); err != nil {
		return fmt.Errorf("remove aged records: %w", err)
	}
	if dropped == 0 {
		s.keeper.aged = 0
	}
	s.keeper.lonely = true
	return nil
}
