package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"sotto/pbx/plan"
	"sotto/storage/keyring"
)

// Role is what a viewer may see. The zero Role may see nothing.
type Role uint8

const (
	Owner          Role = iota + 1 // everything
	Admin                          // users in full, outside numbers masked
	PrivacyOfficer                 // as Admin; changes nothing
	Installer                      // no party of any call, no name
	Staff                          // own calls, in full
)

// Viewer is who looks. Every read names one.
type Viewer struct {
	Role Role
	User plan.UserID // of Staff: whose calls are the viewer's own
}

// ErrNotAllowed says that the viewer's role does not permit this.
var ErrNotAllowed = errors.New("your role does not permit this")

// look is one look at personal data, or one change, as the audit trail will have it.
// The Store's audit function is called before anything is given out or changed, and its
// error is the answer then: what cannot be noted is not shown. The trail itself is
// still to come; until then nothing is noted.
type look struct {
	viewer Viewer
	what   string // "call records", "plan", "change plan"
	rows   int    // how many records or users it shows
}

// Reader reads on behalf of one viewer. It is cheap, keeps nothing, and may be used by
// several goroutines.
type Reader struct {
	s *Store
	v Viewer
}

// As is the only way to what is stored about persons: what comes out is masked as the
// viewer's role asks, and noted.
func (s *Store) As(v Viewer) *Reader { return &Reader{s, v} }

// Query selects call records, newest first.
type Query struct {
	Before RecordID // only records older than this one; 0: from the newest
	Limit  int      // at most so many, 1 to 500; 0: 50
}

const (
	defaultLimit = 50
	maxLimit     = 500
	chunk        = 256 // rows a read transaction holds at most
)

// Records gives the records that q selects and the viewer may see, newest first, none
// that is not durable. Rows that do not open or are missing are left out and counted
// in [Health]. It returns [ErrNotAllowed] or an error that wraps [ErrDamaged] or
// [ErrDown], or that of ctx.
func (r *Reader) Records(ctx context.Context, q Query) ([]RecordView, error) {
	if r.v.Role < Owner || r.v.Role > Staff {
		return nil, ErrNotAllowed
	}
	if q.Limit <= 0 {
		q.Limit = defaultLimit
	}
	q.Limit = min(q.Limit, maxLimit)
	if r.s.isDown() {
		return nil, fmt.Errorf("read call records: %w", ErrDown)
	}
	newest, _ := r.s.Follow()
	if q.Before == 0 || q.Before > newest {
		q.Before = newest + 1
	}
	own, known := r.s.ring.Lookup(keyring.User, string(r.v.User))
	names := r.names()
	var views []RecordView
	for len(views) < q.Limit && q.Before > 1 && (known || r.v.Role != Staff) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		rows, err := r.s.rowsBefore(q.Before)
		if err != nil {
			return nil, fmt.Errorf("read call records: %w", err)
		}
		for _, row := range rows {
			if len(views) == q.Limit {
				break
			}
			id := idOf(row.key)
			r.s.unreadable.Add(uint64(q.Before - id - 1)) // ids have no gaps
			q.Before = id
			v, mine, err := r.view(row, own, names)
			if err != nil {
				r.s.unreadable.Add(1)
			} else if mine {
				views = append(views, v)
			}
		}
		if len(rows) == 0 {
			r.s.unreadable.Add(uint64(q.Before - 1))
			break
		}
	}
	if err := r.s.audit(ctx, look{r.v, "call records", len(views)}); err != nil {
		return nil, fmt.Errorf("note the look: %w", err)
	}
	return views, nil
}

// rowsBefore copies a chunk of rows out of the database, newest first, so that they are
// opened with no transaction held.
func (s *Store) rowsBefore(before RecordID) (rows []row, err error) {
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
			for ; k != nil && len(rows) < chunk; k, v = c.Prev() {
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

// Plan gives the plan as the viewer may see it, and its revision: whole for owner, admin
// and privacy officer, without names for the installer, and with the viewer as the only
// user for staff.
func (r *Reader) Plan(ctx context.Context) (plan.Plan, Rev, error) {
	p, rev := r.s.CurrentPlan()
	switch r.v.Role {
	case Owner, Admin, PrivacyOfficer:
	case Installer:
		for i := range p.Users {
			p.Users[i].Name = ""
		}
	case Staff:
		users := p.Users
		p.Users = nil
		for _, u := range users {
			if u.ID == r.v.User {
				p.Users = append(p.Users, u)
			}
		}
	default:
		return plan.Plan{}, 0, ErrNotAllowed
	}
	if err := r.s.audit(ctx, look{r.v, "plan", len(p.Users)}); err != nil {
		return plan.Plan{}, 0, fmt.Errorf("note the look: %w", err)
	}
	return p, rev, nil
}
