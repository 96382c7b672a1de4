package storage

import (
	"context"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"time"

	"sotto/pbx"
	"sotto/storage/keyring"
	"sotto/storage/policy"
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

// Query selects call records, newest first; for staff the entries of their own journal. Its
// zero value selects all.
type Query struct {
	Before RecordID // only records older than this one; 0: from the newest
	Limit  int      // at most so many, 1 to 500; 0: 50

	Person Person // only calls of this user or outside number, in any form; zero: of all
	Line   string // only calls over this exchange line or trunk, by its name at the time; empty: all

	From, Until time.Time     // only calls that began at From or later, and before Until; zero: no bound
	Direction   Direction     // only these
	Outcomes    []pbx.Outcome // only these; none named: all
}

// fits tells whether a call is one of those asked for, but for the person.
func (q *Query) fits(c *callJSON) bool {
	return (q.From.IsZero() || !c.began().Before(q.From)) && (q.Until.IsZero() || c.began().Before(q.Until)) &&
		(q.Line == "" || q.Line == c.FromLine || q.Line == c.ToLine) &&
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
// many there are. Those of a person or a line are found by an index, and no others are looked
// at. Staff get the entries of their own journal instead, which have ids of their own. None that is not durable is among the views. Rows that
// do not open or are missing are left out and counted in [Health]; those whose time is over
// are left out and not counted.
//
// Records stand in the order in which calls ended, by the box's clock. A search by time
// takes each stretch of days in which the clock went forwards by itself: it leaps over what
// is newer than q.Until, and leaves the stretch after 256 in a row that ended before q.From.
// What was recorded while the clock was wrong by less than a day may be missed by it, and is
// found without a time.
//
// The error is [ErrNotAllowed] for others than staff without the right to see records; [ErrPerson]; it
// wraps [ErrDamaged] or [ErrDown]; or it is that of ctx.
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
	p, err := r.find(ctx, q, most)
	if err != nil {
		return Page{}, fmt.Errorf("read call records: %w", err)
	}
	if err := r.s.note(ctx, r.lookAt(&q, len(p.Views))); err != nil {
		return Page{}, fmt.Errorf("note the look: %w", err)
	}
	return p, nil
}

// own tells whether the viewer reads the own journal and nothing else.
func (r *Reader) own() bool { return r.v.Role == Staff }

// lookAt is the look at what a query selects.
func (r *Reader) lookAt(q *Query, rows int) look {
	if r.own() {
		return look{viewer: r.v, what: "own journal", rows: rows, merge: ownData}
	}
	l := look{viewer: r.v, what: "call records", rows: rows}
	if q.Person != (Person{}) {
		if subject, known, _ := r.s.lookupPerson(&q.Person); known {
			l.about = append(l.about, subject)
		}
	}
	return l
}

// find is records without a note of the look.
func (r *Reader) find(ctx context.Context, q Query, most int) (Page, error) {
	if !r.own() && !r.s.may(r.v, policy.SeeRecords) {
		return Page{}, ErrNotAllowed
	}
	if q.Limit <= 0 {
		q.Limit = defaultLimit
	}
	q.Limit = min(q.Limit, maxLimit)
	q.From, q.Until = q.From.Truncate(time.Millisecond), q.Until.Truncate(time.Millisecond) // as records are kept
	if r.s.isDown() {
		return Page{}, ErrDown
	}
	f := finder{r: r, q: &q, most: most, at: r.s.plan.Load()}
	if r.own() {
		err := f.journal(ctx)
		return f.page, err
	}
	newest, _ := r.s.Follow()
	if q.Before == 0 || q.Before > newest {
		q.Before = newest + 1
	}
	some, err := f.follow()
	if some && err == nil {
		err = f.search(ctx)
	}
	return f.page, err
}

// finder is one search.
type finder struct {
	r    *Reader
	q    *Query
	at   *planAt
	most int // rows to look at

	subjects []keyring.Subject // a record must name them all
	paths    []path            // through the indexes; none: through all records
	looked   int
	page     Page
}

// follow finds out who is asked for and which indexes lead there; false if there can be
// nothing.
func (f *finder) follow() (some bool, err error) {
	s := f.r.s
	if f.q.Person != (Person{}) {
		subject, known, err := s.lookupPerson(&f.q.Person)
		if err != nil || !known {
			return false, err
		}
		f.subjects = append(f.subjects, subject)
		f.paths = append(f.paths, path{bucketBySubject, subject[:]})
	}
	if f.q.Line != "" {
		tag := s.lineTag(f.q.Line)
		f.paths = append(f.paths, path{bucketByLine, tag[:]})
	}
	return true, nil
}

// search goes through the stretches of records before q.Before, which it moves on.
func (f *finder) search(ctx context.Context) error {
	timed := !f.q.From.IsZero() || !f.q.Until.IsZero()
	for _, lo := range f.r.s.stretches(timed) {
		if f.q.Before <= lo {
			continue
		}
		if f.looked >= f.most { // there are many stretches
			f.page.Next, f.page.More = f.q.Before, true
			return nil
		}
		if !f.q.Until.IsZero() {
			var err error
			f.looked += min(bits.Len64(uint64(f.q.Before-lo)), f.most-f.looked-1)
			if f.q.Before, err = f.r.s.endedBefore(ctx, lo, f.q.Before, f.q.Until.Add(f.r.s.longestCall())); err != nil {
				return err
			}
		}
		if full, err := f.stretch(ctx, lo); full || err != nil {
			return err
		}
		f.q.Before = min(f.q.Before, lo)
	}
	return nil
}

// stretch goes through the records from q.Before down to lo. full tells that the page ends
// here.
func (f *finder) stretch(ctx context.Context, lo RecordID) (full bool, err error) {
	s, q, p := f.r.s, f.q, &f.page
	old := 0 // rows in a row that ended before q.From
	size := q.Limit
	for q.Before > lo {
		if err := ctx.Err(); err != nil {
			return true, err
		}
		rows, next, err := s.rowsBefore(f.paths, q.Before, lo, min(size, chunk, f.most-f.looked))
		size = min(2*size, chunk)
		if err != nil {
			return true, err
		}
		for _, row := range rows {
			id := idOf(row.key)
			f.missing(id + 1)
			q.Before = id
			v, ended, fits, err := f.view(row)
			switch {
			case err == errAged:
				s.aged.Add(1)
			case err != nil:
				s.unreadable.Add(1)
			case fits:
				p.Views = append(p.Views, v)
			}
			if ended.IsZero() || !ended.Before(q.From) {
				old = 0
			} else {
				old++
			}
			if len(p.Views) == q.Limit {
				p.Next, p.More = id, id > s.oldestID()
				return true, nil
			}
			if old == chunk {
				return false, nil
			}
		}
		f.missing(next)
		q.Before = next
		if f.looked += len(rows); f.looked >= f.most {
			p.Next, p.More = next, next > s.oldestID()
			return true, nil
		}
	}
	return false, nil
}

// missing counts the ids from next to q.Before: ids have no gaps. In an index they have.
func (f *finder) missing(next RecordID) {
	next = max(next, f.r.s.oldestID())
	if len(f.paths) == 0 && f.q.Before > next {
		f.r.s.unreadable.Add(uint64(f.q.Before - next))
	}
}

// endedBefore gives an id from lo to before, from which on all calls ended at t or later, by
// halving. A row that does not open counts as older: then more is looked at, never less.
func (s *Store) endedBefore(ctx context.Context, lo, before RecordID, t time.Time) (RecordID, error) {
	lo, hi := max(lo, 1)-1, before // lo is older than t or of another stretch; hi is not, or the end
	for hi-lo > 1 {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		mid := lo + (hi-lo)/2
		rows, _, err := s.rowsBefore(nil, mid+1, lo+1, 1)
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
	parts, err := s.splitRecord(row)
	if err != nil || s.openJSON(&parts, 0, &c) != nil {
		return time.Time{}
	}
	return c.ended()
}
