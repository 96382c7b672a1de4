package storage

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"sotto/storage/keyring"
	"sotto/storage/policy"
)

// Preview tells of one kind what is here, and what of that would be gone at once with
// settings. Kinds that the box does not keep yet have no counts.
type Preview struct {
	Kind   policy.Kind
	Days   int       // the term in these settings
	Here   int       // call records that show their last digits, call records, entries, days of counts, lines, users who have left
	Oldest time.Time // date of the oldest of these, midnight in UTC; zero if there is none
	Goes   int       // of Here, what goes with the next sweep
	Before time.Time // what was stored before this date goes, midnight in UTC
}

// PreviewSettings tells what would go if next were saved now, in the order of [policy.Kinds];
// with the settings of now it tells what is here. It
// counts exactly, what is queued left out, in short read transactions, and opens nothing: some seconds
// for a million records. It needs the right [policy.SeePapers], else it is [ErrNotAllowed]; settings
// that do not validate are an error that wraps [policy.Problems]. Counts are no personal
// data, so no look is noted.
func (r *Reader) PreviewSettings(ctx context.Context, next policy.Settings) ([]Preview, error) {
	s := r.s
	if !s.may(r.v, policy.SeePapers) {
		return nil, ErrNotAllowed
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := next.Validate(); err != nil {
		return nil, fmt.Errorf("preview settings: %w", err)
	}
	s.wmu.Lock()
	down := s.closed || s.broken
	if !down {
		s.believe()
	}
	date, newest := s.keeper.belief.date(), s.last
	s.wmu.Unlock()
	if down {
		return nil, fmt.Errorf("preview settings: %w", ErrDown)
	}
	list := make([]Preview, 0, len(policy.Kinds()))
	for _, kind := range policy.Kinds() {
		p := Preview{Kind: kind, Days: next.Keep[kind], Before: dateTime(max(date-int32(next.Keep[kind]), 0))}
		if err := s.preview(ctx, &p, date, newest); err != nil {
			return nil, fmt.Errorf("preview settings: %w", err)
		}
		list = append(list, p)
	}
	return list, nil
}

// preview counts what there is of a kind.
func (s *Store) preview(ctx context.Context, p *Preview, date int32, newest RecordID) (err error) {
	t := s.table()
	first := firstDay(t, date-int32(p.Days))
	oldest := func(day keyring.Day, any bool) {
		if any && int(day) < len(t) {
			p.Oldest = dateTime(t[day].term)
		}
	}
	switch p.Kind {
	case policy.Digits:
		return s.previewDigits(ctx, p, t, first, newest)
	case policy.Records:
		if len(t) == 0 {
			return nil
		}
		from := max(s.oldestID(), s.agedBefore())
		p.Here = int(max(newest+1, from) - from)
		p.Goes = int(max(min(t[first].first, newest+1), from) - from)
		oldest(s.dayOf(from))
		if p.Here == 0 {
			p.Oldest = time.Time{}
		}
	case policy.Journal:
		n, err := s.countJournal(ctx, first)
		p.Here, p.Goes, p.Oldest = n.All, n.Before, n.Oldest
		return err
	case policy.Counts:
		return s.view(func(tx *bbolt.Tx) error {
			oldest(oldestCounts(s, tx))
			c := tx.Bucket(bucketCounts).Cursor()
			for k, _ := c.First(); k != nil; k, _ = c.Next() {
				if p.Here++; dayOfKey(k) < first {
					p.Goes++
				}
			}
			return nil
		})
	case policy.Audit:
		if p.Here, p.Goes, err = s.countAudit(ctx, first); err != nil {
			return err
		}
		return s.view(func(tx *bbolt.Tx) error {
			oldest(oldestLine(s, tx))
			return nil
		})
	case policy.Removed:
		day, any := keyring.Day(0), false
		for _, d := range s.keeper.former() {
			if p.Here++; !any || d < day {
				day, any = d, true
			}
		}
		oldest(day, any)
		p.Goes = len(s.dueUsers(p.Days, date))
	}
	return nil
}

// previewRows bounds the rows of a read transaction.
const previewRows = 2000

// previewDigits counts the call records that still show the last digits of somebody: those of
// the days that no chain of digits has forgotten are looked at, and none is opened.
func (s *Store) previewDigits(ctx context.Context, p *Preview, t []day, first keyring.Day, newest RecordID) error {
	chain, any := s.ring.Oldest(keyring.Digits)
	if !any || int(chain) >= len(t) {
		return nil
	}
	d := digits{s: s, opens: map[keyring.Subject]keyring.Day{}}
	day := int(chain)
	for from := max(t[chain].first, s.oldestID()); from <= newest; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, began := 0, from
		if err := s.view(func(tx *bbolt.Tx) error {
			c := tx.Bucket(bucketRecords).Cursor()
			k, v := c.Seek(keyOf(uint64(from)))
			for ; k != nil && n < previewRows && idOf(k) <= newest; k, v = c.Next() {
				n++
				id := idOf(k)
				for from = id + 1; day+1 < len(t) && t[day+1].first <= id; day++ {
				}
				if !d.shown(bytes.Clone(k), v, keyring.Day(day)) {
					continue
				}
				if p.Here++; p.Here == 1 {
					p.Oldest = dateTime(t[day].term)
				}
				if keyring.Day(day) < first {
					p.Goes++
				}
			}
			return nil
		}); err != nil {
			return err
		}
		if n < previewRows || from <= began {
			return nil
		}
	}
	return nil
}

// digits tells whether a record shows the last digits of somebody. Records are asked for from
// the oldest on.
type digits struct {
	s     *Store
	opens map[keyring.Subject]keyring.Day // from that day on, the person's chain is known to open
}

func (d *digits) shown(key, value []byte, day keyring.Day) bool {
	r, err := splitRow(bucketRecords, key, day, value)
	if err != nil {
		return false
	}
	for i := range r.list {
		part := &r.list[i]
		if part.class != keyring.Digits || len(part.data) == 0 {
			continue
		}
		if from, ok := d.opens[part.subject]; ok && from <= day {
			return true
		}
		if d.s.ring.Opens(part.subject, keyring.Digits, day) {
			d.opens[part.subject] = day
			return true
		}
	}
	return false
}
