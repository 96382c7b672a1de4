package storage

import (
	"bytes"
	"context"
	"errors"
	"time"

	"go.etcd.io/bbolt"

	"sotto/pbx"
	"sotto/pbx/plan"
	"sotto/storage/keyring"
)

// journalPage is records for the journal of the viewer, who is a user. Entries are
// looked at one after the other, newest first: a journal has but a user's calls.
func (f *finder) journal(ctx context.Context) error {
	s, q, p := f.r.s, f.q, &f.page
	own, known := s.ring.Lookup(keyring.User, string(f.r.v.User))
	if !known {
		return nil
	}
	var far *keyring.Subject
	if q.Person != (Person{}) {
		subject, known, err := s.lookupPerson(&q.Person)
		if err != nil || !known {
			return err
		}
		far = &subject
		if subject == own { // all of it
			far = nil
		}
	}
	for size := q.Limit; ; size = min(2*size, chunk) {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(size, chunk, f.most-f.looked)
		rows, err := s.entriesBefore(own, far, q.Before, n)
		if err != nil {
			return err
		}
		for _, row := range rows {
			_, q.Before = splitEntryKey(row.key)
			v, fits, err := f.entry(row, far)
			switch {
			case err == errAged, err == errErased:
				s.aged.Add(1)
			case err != nil:
				s.unreadable.Add(1)
			case fits:
				p.Views = append(p.Views, v)
			}
			if len(p.Views) == q.Limit {
				p.Next, p.More = q.Before, true
				return nil
			}
		}
		if f.looked += len(rows); len(rows) < n {
			return nil
		}
		if f.looked >= f.most {
			p.Next, p.More = q.Before, true
			return nil
		}
	}
}

// entry opens an entry of the viewer's journal. fits tells whether it is one of those asked
// for. The error is errAged for one whose time is over, errErased if the user was erased in this
// moment.
func (f *finder) entry(row row, far *keyring.Subject) (v RecordView, fits bool, err error) {
	s := f.r.s
	parts, err := s.splitEntry(row)
	if err != nil {
		return v, false, err
	}
	if far != nil && (len(parts.list) < 2 || parts.list[1].subject != *far) {
		return v, false, errRow // an index led here
	}
	var e entryJSON
	if err := s.openJSON(&parts, 0, &e); err != nil {
		return v, false, err
	}
	c := e.call(len(parts.list) > 1)
	if !f.q.fits(&c) {
		return v, false, nil
	}
	_, id := splitEntryKey(row.key)
	v = c.view(id)
	v.From = f.r.party(&parts, c.From, c.FromLine, e.Private != 0, f.at)
	v.To = f.r.party(&parts, c.To, c.ToLine, e.Private != 0, f.at)
	own, other := &v.From, &v.To
	if e.In != 0 {
		own, other = other, own
	}
	*own = f.at.userView(f.r.v.User)
	// The other end's part ends with the owner's, or before it if the other end is a user who
	// has erased the own journal: that takes nothing from this one.
	if other.State == Aged {
		if kind, id, ok := s.ring.Name(parts.list[1].subject); ok && kind == keyring.User {
			*other = f.at.userView(plan.UserID(id))
			other.Place = "" // as in [sight.mask]
		}
	}
	return v, true, nil
}

// userView gives a user as the plan of today has it.
func (at *planAt) userView(id plan.UserID) PartyView {
	v := PartyView{State: Shown, User: id}
	if u := at.users[id]; u != nil {
		v.Name, v.Ext, v.Place = u.Name, u.Ext, u.Place
	}
	return v
}

// view gives what a record says of the call, without its parties.
func (c *callJSON) view(id RecordID) RecordView {
	return RecordView{
		ID: id, Direction: c.direction(), Began: c.began(),
		Rang: time.Duration(c.Rang) * time.Millisecond, Talked: time.Duration(c.Talked) * time.Millisecond,
		Outcome: c.Outcome, Cause: c.Cause, Held: c.Held != 0, Emergency: c.Emergency != 0, Code: c.Code,
		FromQuality: (*pbx.Quality)(c.FromQuality), ToQuality: (*pbx.Quality)(c.ToQuality),
	}
}

// lookupPerson gives the subject of a user or an outside number, in any form; false if the
// box does not know of any, [ErrPerson] if it is neither.
func (s *Store) lookupPerson(p *Person) (subject keyring.Subject, known bool, err error) {
	switch {
	case p.Account != "", (p.User != "") != p.Number.IsZero():
		return subject, false, ErrPerson
	case p.User != "":
		subject, known = s.ring.Lookup(keyring.User, string(p.User))
		return subject, known, nil
	}
	if subject, known = s.ring.Lookup(keyring.Outside, s.normal(p.Number.Reveal())); !known {
		subject, known = s.ring.Lookup(keyring.Outside, p.Number.Reveal()) // before the plan told the country, say
	}
	return subject, known, nil
}

// entriesBefore copies at most n entries of a user's journal out of the database, newest first,
// all older than before (0: from the newest): those with the other end far, if that is somebody.
// What an index leads to and is not there has no value.
func (s *Store) entriesBefore(own keyring.Subject, far *keyring.Subject, before RecordID, n int) (rows []row, err error) {
	err = guard(func() error {
		return s.db.View(func(tx *bbolt.Tx) error {
			journal, index := tx.Bucket(bucketJournal), tx.Bucket(bucketByFar)
			if journal == nil || index == nil {
				return ErrDamaged
			}
			c, prefix := journal.Cursor(), own[:]
			if far != nil {
				c, prefix = index.Cursor(), farKey(*far, own[:])
			}
			for len(rows) < n {
				id, ok := seekBefore(c, prefix, before)
				if !ok {
					return nil
				}
				key := indexKey(own[:], id)
				v := journal.Get(key)
				if len(v) > maxRecord {
					v = nil
				}
				rows, before = append(rows, row{key, bytes.Clone(v)}), id
			}
			return nil
		})
	})
	return rows, err
}

// eachJournal calls f with each entry of a user's journal, newest first, as the user sees it.
// Entries that do not open are counted in [Health] and left out. No transaction is open while f
// runs. It notes no look: the caller does.
func (s *Store) eachJournal(ctx context.Context, user plan.UserID, f func(*RecordView) error) error {
	q := Query{Limit: maxLimit}
	for {
		find := finder{r: s.As(Viewer{Role: Staff, User: user}), q: &q, most: maxLooked, at: s.plan.Load()}
		if err := find.journal(ctx); err != nil {
			return err
		}
		for i := range find.page.Views {
			if err := f(&find.page.Views[i]); err != nil {
				return err
			}
		}
		if !find.page.More {
			return nil
		}
		q.Before = find.page.Next
	}
}

// eachFar calls f with each entry of journals that has one of the subjects for its other end,
// in no order: what is kept of these persons there. From or To is the person, whole; the other
// end is Hidden, since whose journal it is concerns somebody else. ID is 0. What does not
// open is left out. See eachJournal.
func (s *Store) eachFar(ctx context.Context, of []keyring.Subject, f func(*RecordView) error) error {
	at := s.plan.Load()
	for _, far := range of {
		after := far[:]
		for {
			if err := ctx.Err(); err != nil {
				return err
			}
			rows, next, err := s.entriesNaming(far, after, chunk)
			if err != nil {
				return err
			}
			for _, row := range rows {
				v, err := s.farView(row, far, at)
				switch {
				case errors.Is(err, errAged), errors.Is(err, errErased):
					s.aged.Add(1)
					continue
				case err != nil:
					s.unreadable.Add(1)
					continue
				}
				if err := f(&v); err != nil {
					return err
				}
			}
			if after = next; after == nil {
				break
			}
		}
	}
	return nil
}

// entriesNaming copies at most n entries with the other end far, after a key of the index;
// next is where to go on, nil if there are no more.
func (s *Store) entriesNaming(far keyring.Subject, after []byte, n int) (rows []row, next []byte, err error) {
	err = guard(func() error {
		return s.db.View(func(tx *bbolt.Tx) error {
			journal, index := tx.Bucket(bucketJournal), tx.Bucket(bucketByFar)
			if journal == nil || index == nil {
				return ErrDamaged
			}
			c := index.Cursor()
			for k, _ := c.Seek(after); bytes.HasPrefix(k, far[:]); k, _ = c.Next() {
				if len(rows) == n {
					if bytes.Compare(k, after) > 0 {
						next = bytes.Clone(k)
					}
					return nil
				}
				key := bytes.Clone(k[len(far):])
				v := journal.Get(key)
				if len(v) > maxRecord {
					v = nil
				}
				rows = append(rows, row{key, bytes.Clone(v)})
			}
			return nil
		})
	})
	return rows, next, err
}

// farView opens an entry as what is kept of its other end.
func (s *Store) farView(row row, far keyring.Subject, at *planAt) (v RecordView, err error) {
	parts, err := s.splitEntry(row)
	if err != nil {
		return v, err
	}
	if len(parts.list) < 2 || parts.list[1].subject != far {
		return v, errRow
	}
	var e entryJSON
	if err := s.openJSON(&parts, 0, &e); err != nil {
		return v, err
	}
	c := e.call(true)
	v = c.view(0)
	r := s.As(Viewer{Role: Staff, User: "-"}) // whoever it is sees the own number whole
	v.From, v.To = PartyView{State: Hidden}, r.party(&parts, 1, c.ToLine, false, at)
	if e.In != 0 {
		v.From, v.To = r.party(&parts, 1, c.FromLine, false, at), v.From
	}
	return v, nil
}

// journalCount is what there is of journals.
type journalCount struct {
	All    int       // entries
	Before int       // of these, written on the box's days before the one asked for
	Oldest time.Time // date of the box's day of the oldest; zero if there is none
}

// countJournal counts the entries of all journals and those of the box's days before a day, in
// short transactions, and opens none.
func (s *Store) countJournal(ctx context.Context, before keyring.Day) (n journalCount, err error) {
	first := s.firstEntry(before)
	oldest := RecordID(0)
	for after := []byte{}; after != nil && err == nil; {
		if err := ctx.Err(); err != nil {
			return journalCount{}, err
		}
		err = guard(func() error {
			return s.db.View(func(tx *bbolt.Tx) error {
				b := tx.Bucket(bucketJournal)
				if b == nil {
					return ErrDamaged
				}
				c := b.Cursor()
				k, _ := c.Seek(after)
				for range 8 * maxLooked {
					_, id := splitEntryKey(k)
					if k == nil {
						break
					}
					if n.All++; id < first {
						n.Before++
					}
					if id != 0 && (oldest == 0 || id < oldest) {
						oldest = id
					}
					k, _ = c.Next()
				}
				if bytes.Compare(k, after) <= 0 {
					k = nil
				}
				after = bytes.Clone(k)
				return nil
			})
		})
	}
	if day, ok := s.dayOfEntry(oldest); ok && oldest > 0 {
		n.Oldest = time.Unix(int64(s.table()[day].term)*86400, 0).UTC()
	}
	return n, err
}
