package storage

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"sotto/pbx"
	"sotto/storage/keyring"
	"sotto/storage/policy"
)

// Counts are brought up to date in the transaction of the records and whether or not these are
// kept: one row for each of the box's days, of the box alone, with a key of a class of its own.

// countKey is what calls are counted by.
type countKey struct {
	hour      int // in UTC, in which the call began
	direction Direction
	outcome   pbx.Outcome
}

// countSum is a count: calls, and seconds talked.
type countSum struct{ calls, talked int64 }

// countsJSON is a row: lists of hour, direction, outcome, calls, seconds talked.
type countsJSON struct {
	Counts [][5]int64 `json:"c"`
}

// tally is the counts of one day, as they are durable.
type tally struct {
	day keyring.Day
	of  map[countKey]countSum
}

// add counts a call.
func (t *tally) add(r *pbx.Record) {
	k := countKey{r.Began.UTC().Hour(), between(r.From.Line, r.To.Line, r.Emergency, noLine(r)), r.Outcome}
	sum := t.of[k]
	sum.calls++
	sum.talked += int64(r.Talked.Round(time.Second) / time.Second)
	t.of[k] = sum
}

// tallyOf gives the counts of a day, to add to; those of the newest day are remembered. What
// cannot be read is counted and begun anew: the commit that follows tells whether the database
// is any good. It is under wmu.
func (s *Store) tallyOf(day keyring.Day) tally {
	if s.tally.of != nil && s.tally.day == day {
		return tally{day, maps.Clone(s.tally.of)}
	}
	t := tally{day, map[countKey]countSum{}}
	var value []byte
	err := guard(func() error {
		return s.db.View(func(tx *bbolt.Tx) error {
			b := tx.Bucket(bucketCounts)
			if b == nil {
				return ErrDamaged
			}
			value = bytes.Clone(b.Get(dayKey(int(day))))
			return nil
		})
	})
	if err == nil && value == nil {
		return t
	}
	if err == nil {
		t.of, err = s.openCounts(day, value)
	}
	if err != nil {
		s.unreadable.Add(1)
		t.of = map[countKey]countSum{}
	}
	return t
}

// sealCounts makes the row of a day's counts.
func (s *Store) sealCounts(t *tally) (row, error) {
	var j countsJSON
	for k, sum := range t.of {
		j.Counts = append(j.Counts, [5]int64{int64(k.hour), int64(k.direction), int64(k.outcome), sum.calls, sum.talked})
	}
	slices.SortFunc(j.Counts, func(a, b [5]int64) int { return slices.Compare(a[:], b[:]) })
	data, err := json.Marshal(j)
	if err != nil {
		return row{}, err
	}
	key := dayKey(int(t.day))
	value, err := s.sealRow(bucketCounts, key, t.day, []part{{class: keyring.Counts, data: data}})
	return row{key, value}, err
}

// openCounts opens the row of a day. Errors are those of openPart.
func (s *Store) openCounts(day keyring.Day, value []byte) (map[countKey]countSum, error) {
	r, err := splitRow(bucketCounts, dayKey(int(day)), day, value)
	if err == nil && r.list[0].class != keyring.Counts {
		err = errRow
	}
	if err != nil {
		return nil, err
	}
	var j countsJSON
	if err := s.openJSON(&r, 0, &j); err != nil {
		return nil, err
	}
	of := map[countKey]countSum{}
	for _, c := range j.Counts {
		of[countKey{int(c[0]), Direction(c[1]), pbx.Outcome(c[2])}] = countSum{c[3], c[4]}
	}
	return of, nil
}

func putCounts(tx *bbolt.Tx, r row) error {
	if r.key == nil {
		return nil
	}
	b := tx.Bucket(bucketCounts)
	if b == nil {
		return ErrDamaged
	}
	return b.Put(r.key, r.value)
}

// DayCount is how many calls of a kind ended on a day, recorded or not. It is about nobody
// and stays when the records have gone.
type DayCount struct {
	Day       time.Time // midnight in UTC
	Hour      int       // in UTC, 0 to 23, in which the calls began
	Direction Direction
	Outcome   pbx.Outcome
	Calls     int
	Talked    time.Duration // of all of them, in whole seconds
}

// Counts gives the counts of the days from from on and before until, both by their date in
// UTC and without a bound if zero, in the order of day, hour, direction and outcome. It needs
// the right to see call records or papers, else it is [ErrNotAllowed]. Days that do not open are
// left out and counted in [Health].
func (r *Reader) Counts(ctx context.Context, from, until time.Time) ([]DayCount, error) {
	s := r.s
	if !s.may(r.v, policy.SeeRecords) && !s.may(r.v, policy.SeePapers) {
		return nil, ErrNotAllowed
	}
	if s.isDown() {
		return nil, fmt.Errorf("read counts: %w", ErrDown)
	}
	rows, err := s.countRows(ctx, from, until)
	if err != nil {
		return nil, fmt.Errorf("read counts: %w", err)
	}
	if err := s.note(ctx, look{viewer: r.v, what: "counts", rows: len(rows), merge: again}); err != nil {
		return nil, fmt.Errorf("note the look: %w", err)
	}
	type dated struct {
		date int32
		countKey
	}
	sums := map[dated]countSum{} // the box may have had several days of a date
	days := s.table()
	for _, row := range rows {
		n := binary.BigEndian.Uint32(row.key)
		of, err := s.openCounts(keyring.Day(n), row.value)
		if errors.Is(err, errAged) {
			continue
		}
		if err != nil {
			s.unreadable.Add(1)
			continue
		}
		for k, sum := range of {
			at := dated{days[n].date, k}
			sums[at] = countSum{sums[at].calls + sum.calls, sums[at].talked + sum.talked}
		}
	}
	list := make([]DayCount, 0, len(sums))
	for k, sum := range sums {
		list = append(list, DayCount{time.Unix(int64(k.date)*86400, 0).UTC(), k.hour, k.direction, k.outcome,
			int(sum.calls), time.Duration(sum.talked) * time.Second})
	}
	slices.SortFunc(list, func(a, b DayCount) int {
		return cmp.Or(a.Day.Compare(b.Day), cmp.Compare(a.Hour, b.Hour), cmp.Compare(a.Direction, b.Direction), cmp.Compare(a.Outcome, b.Outcome))
	})
	return list, nil
}

// countRows copies the rows of the days of some dates.
func (s *Store) countRows(ctx context.Context, from, until time.Time) (rows []row, err error) {
	days := s.table()
	for n := 0; n < len(days) && err == nil; {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		err = guard(func() error {
			return s.db.View(func(tx *bbolt.Tx) error {
				b := tx.Bucket(bucketCounts)
				if b == nil {
					return ErrDamaged
				}
				for last := n + maxLooked; n < len(days) && n < last; n++ {
					date := time.Unix(int64(days[n].date)*86400, 0)
					if !from.IsZero() && date.Before(from.UTC().Truncate(24*time.Hour)) || !until.IsZero() && !date.Before(until) {
						continue
					}
					if v := b.Get(dayKey(n)); v != nil && len(v) <= maxRecord {
						rows = append(rows, row{dayKey(n), bytes.Clone(v)})
					}
				}
				return nil
			})
		})
	}
	return rows, err
}
