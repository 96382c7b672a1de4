package storage

import (
	"context"
	"fmt"
	"sort"
	"time"

	"sotto/storage/keyring"
)

// Forget has every chain of a class, the box's too, forget the box's days before a time, and
// tells how many chains had any to forget. Nothing opens what was of these days from then
// on; the keys go from the medium with the next rotation, within the hour, and a power cut
// before that undoes it: so whoever keeps to a term asks again at each start. Records of
// which the box's part goes are removed, a piece at a time.
//
// Days are whole and in UTC, and the one that the time is in stays. Their dates are those
// that the box believed, see [belief]: the clock may have shown others.
func (s *Store) Forget(ctx context.Context, class keyring.Class, before time.Time) (chains int, err error) {
	if err := s.forget(ctx, before, func(day keyring.Day) {
		chains = s.ring.Forget(class, day)
		s.noteForgot(class, day)
	}); err != nil {
		return 0, fmt.Errorf("forget: %w", err)
	}
	return chains, nil
}

// ForgetOf is [Store.Forget] for one person, and tells whether there was anything to forget;
// [ErrUnknownPerson] if the box knows of none.
func (s *Store) ForgetOf(ctx context.Context, p Person, class keyring.Class, before time.Time) (any bool, err error) {
	k, err := p.kind()
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
	s.believe()
	step(firstDay(s.table(), min(dateOf(before), s.keeper.belief.date())))
	s.keeper.aged, s.keeper.lonely = s.agedBefore(), true
	s.nudge() // for the rotation, and to remove rows
	return nil
}

// firstDay gives the first of the days that stays if all before a date are forgotten, by the
// dates that were believed on them. The newest day always stays.
func firstDay(days []day, before int32) keyring.Day {
	n := sort.Search(len(days), func(n int) bool { return days[n].term >= before })
	return keyring.Day(max(min(n, len(days)-1), 0))
}

// agedBefore gives the id before which the box's part of records has aged; 0 if none has.
// What is sealed with no key of its own is worth nothing, so these rows are removed.
func (s *Store) agedBefore() RecordID {
	days := s.table()
	n := sort.Search(len(days), func(n int) bool {
		return s.ring.Opens(keyring.Subject{}, keyring.Calls, keyring.Day(n))
	})
	if n == 0 || n == len(days) {
		return 0
	}
	return days[n].first
}

// dropAged removes some of the rows that have aged. It is under wmu.
func (s *Store) dropAged() error {
	dropped, err := s.dropAgedRecords(0)
	if dropped == 0 && err == nil {
		s.keeper.aged = 0
	}
	return err
}
