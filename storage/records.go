package storage

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"sotto/pbx"
	"sotto/storage/keyring"
)

// Direction says between whom a call was.
type Direction uint8

const (
	AnyDirection Direction = iota // in a [Query]: no matter
	Incoming                      // from an exchange line or trunk
	Outgoing                      // to the outside, whether or not it got a line
	Internal                      // all else
)

func (d Direction) String() string {
	return [...]string{"any", "incoming", "outgoing", "internal"}[d%4]
}

// Query selects call records, newest first. Its zero value selects all.
type Query struct {
	Before RecordID // only records older than this one; 0: from the newest
	Limit  int      // at most so many, 1 to 500; 0: 50

	From, Until time.Time     // only calls that began at From or later, and before Until; zero: no bound
	Direction   Direction     // only these
	Outcomes    []pbx.Outcome // only these; none named: all
}

// fits tells whether a call is one of those asked for.
func (q *Query) fits(c *callJSON) bool {
	return (q.From.IsZero() || !c.Began.Before(q.From)) && (q.Until.IsZero() || c.Began.Before(q.Until)) &&
		(q.Direction == AnyDirection || q.Direction == c.direction()) &&
		(len(q.Outcomes) == 0 || slices.Contains(q.Outcomes, c.Outcome))
}

// Page is a part of the records that a [Query] selects.
type Page struct {
	Views []RecordView // newest first
	Next  RecordID     // Query.Before of the part that follows, if More
	More  bool         // older records were not looked at; they may select none
}

const (
	defaultLimit = 50
	maxLimit     = 500
	maxLooked    = 5000 // rows that one page looks at
	chunk        = 256  // rows a read transaction holds at most

	// longest is more than any call lasts: records are in the order in which calls ended,
	// and are asked for by when they began.
	longest = 24 * time.Hour
)

// Page gives some of the records that q selects and the viewer may see, newest first:
// until q.Limit are found or 5,000 were looked at, so that a page costs the same however
// many there are. None that is not durable is among them. Rows that do not open or are
// missing are left out and counted in [Health].
//
// Records stand in the order in which calls ended, by the box's clock; a search by time
// leaps over what is newer than q.Until, and ends after 256 in a row that ended before
// q.From. What was recorded while the clock was wrong may be missed by it, and is found
// without a time.
//
// The error is [ErrNotAllowed], wraps [ErrDamaged] or [ErrDown], or is that of ctx.
func (r *Reader) Page(ctx context.Context, q Query) (Page, error) {
	return r.records(ctx, q, maxLooked)
}

// Records is [Reader.Page] without a bound of what it looks at: fewer views than
// q.Limit are all there are.
func (r *Reader) Records(ctx context.Context, q Query) ([]RecordView, error) {
	p, err := r.records(ctx, q, math.MaxInt)
	return p.Views, err
}

func (r *Reader) records(ctx context.Context, q Query, most int) (Page, error) {
	if r.v.Role < Owner || r.v.Role > Staff {
		return Page{}, ErrNotAllowed
	}
	if q.Limit <= 0 {
		q.Limit = defaultLimit
	}
	q.Limit = min(q.Limit, maxLimit)
	if r.s.isDown() {
		return Page{}, fmt.Errorf("read call records: %w", ErrDown)
	}
	newest, _ := r.s.Follow()
	if q.Before == 0 || q.Before > newest {
		q.Before = newest + 1
	}
	p, err := r.search(ctx, &q, most)
	if err != nil {
		return Page{}, fmt.Errorf("read call records: %w", err)
	}
	if err := r.s.audit(ctx, look{r.v, "call records", len(p.Views)}); err != nil {
		return Page{}, fmt.Errorf("note the look: %w", err)
	}
	return p, nil
}

// search goes through the rows before q.Before, which it moves on.
func (r *Reader) search(ctx context.Context, q *Query, most int) (p Page, err error) {
	own, known := r.s.ring.Lookup(keyring.User, string(r.v.User))
	if !known && r.v.Role == Staff {
		return p, nil
	}
	if !q.Until.IsZero() {
		if q.Before, err = r.s.endedBefore(ctx, q.Before, q.Until.Add(longest)); err != nil {
			return p, err
		}
	}
	at := r.s.plan.Load()
	old := 0 // rows in a row that ended before q.From
	for looked := 0; q.Before > 1; {
		if err := ctx.Err(); err != nil {
			return p, err
		}
		rows, err := r.s.rowsBefore(q.Before, min(chunk, most-looked))
		if err != nil {
			return p, err
		}
		for _, row := range rows {
			id := idOf(row.key)
			r.s.unreadable.Add(uint64(q.Before - id - 1)) // ids have no gaps
			q.Before = id
			v, ended, fits, err := r.view(row, own, at, q)
			switch {
			case err != nil:
				r.s.unreadable.Add(1)
			case fits:
				p.Views = append(p.Views, v)
			}
			if ended.IsZero() || !ended.Before(q.From) {
				old = 0
			} else {
				old++
			}
			if len(p.Views) == q.Limit || old == chunk {
				p.Next, p.More = id, id > 1 && old < chunk
				return p, nil
			}
		}
		if len(rows) == 0 {
			r.s.unreadable.Add(uint64(q.Before - 1))
			return p, nil
		}
		if looked += len(rows); looked >= most {
			p.Next, p.More = q.Before, q.Before > 1
			return p, nil
		}
	}
	return p, nil
}

// endedBefore gives an id, at most before, from which on all calls ended at t or later, by
// halving. A row that does not open counts as older: then more is looked at, never less.
func (s *Store) endedBefore(ctx context.Context, before RecordID, t time.Time) (RecordID, error) {
	lo, hi := RecordID(0), before // lo is older than t or no id; hi is not, or the end
	for hi-lo > 1 {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		mid := lo + (hi-lo)/2
		rows, err := s.rowsBefore(mid+1, 1)
		if err != nil {
			return 0, err
		}
		if len(rows) == 1 && s.endOf(rows[0]).Before(t) || len(rows) == 0 {
			lo = mid
		} else {
			hi = mid
		}
	}
	return hi, nil
}

// endOf tells when the call of a row ended; the zero time if the row does not open.
func (s *Store) endOf(row row) time.Time {
	var c callJSON
	sections, err := splitRow(row.value)
	if err != nil || s.openSection(bucketRecords, row.key, 0, sections, &c) != nil {
		return time.Time{}
	}
	return c.ended()
}

func (c *callJSON) ended() time.Time { return c.Began.Add(c.Rang + c.Talked) }

func (c *callJSON) direction() Direction {
	switch {
	case c.FromLine != "":
		return Incoming
	case c.ToLine != "", c.Emergency, c.Outside:
		return Outgoing
	}
	return Internal
}

// rowsBefore copies at most n rows out of the database, newest first, so that they are
// opened with no transaction held.
func (s *Store) rowsBefore(before RecordID, n int) (rows []row, err error) {
	err = guard(func() error {
		return s.db.View(func(tx *bbolt.Tx) error {
			b := tx.Bucket(bucketRecords)
			if b == nil {
				return ErrDamaged
			}
			c := b.Cursor()
			k, v := c.Seek(keyOf(uint64(before)))
			if k == nil {
				k, v = c.Last()
			}
			last := before
			for ; k != nil && len(rows) < n; k, v = c.Prev() {
				id := idOf(k)
				if id == 0 || id >= last || len(v) > maxRow {
					continue // not older, or damaged: then its id is missed and counted
				}
				last = id
				rows = append(rows, row{bytes.Clone(k), bytes.Clone(v)})
			}
			return nil
		})
	})
	return rows, err
}

// maxRow is more than any record needs; a longer one is a damaged page.
const maxRow = 64 << 10
