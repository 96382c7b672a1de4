package storage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"sotto/storage/keyring"
	"sotto/storage/policy"
)

// What lists of grants give at most.
const (
	maxOwnGrants = 100
	maxNotices   = 500
)

// Requests gives the requests that wait and that the viewer may answer, oldest first. It needs
// the right policy.AgreeUnmask and an account, else [ErrNotAllowed].
func (r *Reader) Requests(ctx context.Context) ([]Request, error) {
	s := r.s
	own, ok := s.ownAccount(r.v)
	if !ok || !s.may(r.v, policy.AgreeUnmask) {
		return nil, ErrNotAllowed
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if s.isDown() {
		return nil, fmt.Errorf("read requests: %w", ErrDown)
	}
	var list []Request
	var about []keyring.Subject
	for _, g := range s.grants.load().list {
		if g.by == own || g.state(s.clock()) != Waiting {
			continue
		}
		q := Request{Grant: g.public(s.clock()), Role: g.Role}
		if _, id, ok := s.ring.Name(g.by); ok {
			if a := s.accounts.Load().byID(AccountID(id)); a != nil {
				q.Account, q.Name = a.ID, a.Name
			}
		}
		var err error
		if q.Reason, err = s.reasonOf(g.id); err != nil {
			return nil, fmt.Errorf("read requests: %w", err)
		}
		if q.Call, err = r.recordView(g.Record); err != nil {
			return nil, fmt.Errorf("read requests: %w", err)
		}
		list = append(list, q)
		about = append(about, g.about)
	}
	if err := s.note(ctx, look{viewer: r.v, what: "requests to see a number", rows: len(list), about: about, merge: again}); err != nil {
		return nil, fmt.Errorf("note the look: %w", err)
	}
	return list, nil
}

// WaitingRequests tells how many requests wait that the viewer may answer; 0 for who may answer
// none. It reads memory only and notes no look.
func (r *Reader) WaitingRequests() (n int) {
	s := r.s
	own, ok := s.ownAccount(r.v)
	if !ok || !s.may(r.v, policy.AgreeUnmask) {
		return 0
	}
	now := s.clock()
	for _, g := range s.grants.load().list {
		if g.by != own && g.state(now) == Waiting {
			n++
		}
	}
	return n
}

// recordView gives one record as the viewer may see it; the zero view if it is no longer kept.
func (r *Reader) recordView(id RecordID) (RecordView, error) {
	row, ok, err := r.s.recordByID(id)
	if err != nil || !ok {
		return RecordView{}, err
	}
	f := finder{r: r, q: &Query{}, at: r.s.plan.Load()}
	v, _, _, err := f.view(row)
	switch {
	case errors.Is(err, errAged):
		return RecordView{}, nil
	case err != nil:
		r.s.unreadable.Add(1)
		return RecordView{}, nil
	}
	return v, nil
}

// Grants gives what the viewer's own account has asked for, newest first, 100 at most. It needs
// the right policy.AskUnmask and an account, else [ErrNotAllowed].
func (r *Reader) Grants(ctx context.Context) ([]Grant, error) {
	own, ok := r.s.asks(r.v)
	if !ok {
		return nil, ErrNotAllowed
	}
	var list []Grant
	for _, g := range slices.Backward(r.s.grants.load().list) {
		if g.by == own && len(list) < maxOwnGrants {
			list = append(list, g.public(r.s.clock()))
		}
	}
	return list, ctx.Err()
}

// notices gives the grants that a viewer has notices of, newest first; false if there can be
// none.
func (s *Store) notices(v Viewer) (list []*grant, ok bool) {
	if v.Role != Staff || v.User == "" {
		return nil, false
	}
	own, known := s.ring.Lookup(keyring.User, string(v.User))
	if !known {
		return nil, true
	}
	for _, g := range slices.Backward(s.grants.load().list) {
		if g.user == own && g.State == Lasting {
			list = append(list, g)
		}
	}
	return list, true
}

// Notices gives what was shown of the viewer's own calls, newest first, 500 at most. It is for
// staff; others get [ErrNotAllowed].
func (r *Reader) Notices(ctx context.Context) ([]Notice, error) {
	s := r.s
	all, ok := s.notices(r.v)
	if !ok {
		return nil, ErrNotAllowed
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if s.isDown() {
		return nil, fmt.Errorf("read notices: %w", ErrDown)
	}
	list := make([]Notice, 0, min(len(all), maxNotices))
	for _, g := range all[:cap(list)] {
		n := Notice{ID: g.id, At: time.UnixMilli(g.Answered).UTC(), For: g.lasts(), Role: g.Role, Agreed: g.AgreedRole, Unread: g.Read == 0, Record: g.Record, End: g.End}
		reason, err := s.reasonOf(g.id)
		if err == nil {
			n.Reason = reason
		} else if !errors.Is(err, errRow) {
			return nil, fmt.Errorf("read notices: %w", err)
		} else {
			s.unreadable.Add(1)
		}
		row, ok, err := s.recordByID(g.Record)
		if err != nil {
			return nil, fmt.Errorf("read notices: %w", err)
		}
		var c callJSON
		if parts, err := s.splitRecord(row); ok && err == nil && s.openJSON(&parts, 0, &c) == nil {
			n.CallAt, n.Outward = c.began(), c.direction() == Outgoing
		}
		list = append(list, n)
	}
	if err := s.note(ctx, look{viewer: r.v, what: "notices", rows: len(list), merge: ownData}); err != nil {
		return nil, fmt.Errorf("note the look: %w", err)
	}
	return list, nil
}

// UnreadNotices tells how many notices there are that the viewer has not marked as read; 0 for
// all but staff. It reads memory only.
func (r *Reader) UnreadNotices() (n int) {
	all, _ := r.s.notices(r.v)
	for _, g := range all {
		if g.Read == 0 {
			n++
		}
	}
	return n
}

// ReadNotices marks the viewer's notices up to one as read, and returns once that is durable. It
// is for staff; others get [ErrNotAllowed].
func (r *Reader) ReadNotices(ctx context.Context, upTo GrantID) error {
	s := r.s
	if _, ok := s.notices(r.v); !ok {
		return ErrNotAllowed
	}
	s.wmu.Lock()
	defer s.wmu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.closed || s.broken {
		return fmt.Errorf("mark notices: %w", ErrDown)
	}
	all, _ := s.notices(r.v)
	var changed []*grant
	var rows []row
	for _, old := range all {
		if old.id > upTo || old.Read != 0 {
			continue
		}
		g := *old
		g.Read = 1
		reason, err := s.reasonOf(g.id)
		var r row
		if err == nil {
			r, err = s.sealGrant(&g, reason)
		}
		switch {
		case errors.Is(err, errRow), errors.Is(err, errAged), errors.Is(err, keyring.ErrAged):
			continue // damaged, or on its way out
		case err != nil:
			return fmt.Errorf("mark notices: %w", err)
		}
		changed, rows = append(changed, &g), append(rows, r)
	}
	if len(rows) == 0 {
		return nil
	}
	newest := s.grants.load().newest
	if err := s.commit(func(tx *bbolt.Tx) error { return putGrants(tx, rows, newest) }); err != nil {
		return fmt.Errorf("mark notices: %w", err)
	}
	s.publishGrants(newest, changed...)
	return nil
}
