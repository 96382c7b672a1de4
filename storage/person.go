package storage

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.etcd.io/bbolt"

	"sotto/pbx/number"
	"sotto/pbx/plan"
	"sotto/storage/e164"
	"sotto/storage/keyring"
	"sotto/storage/policy"
)

var (
	// ErrUnknownPerson says that nothing is kept of a person: there never was anything, or
	// it was erased.
	ErrUnknownPerson = errors.New("the box keeps nothing of this person")

	// ErrHelp says that a number is no person's: it is the plan's or the nation's for help.
	ErrHelp = errors.New("this is an emergency number and not a person: records of calls for help stay for their time")

	// ErrPerson says that a [Person] does not name exactly one.
	ErrPerson = errors.New("a person is a user, a number or an account: one of them")
)

// Person is somebody to look for or to erase: exactly one of the fields is set. It prints
// and logs without digits, as [number.Number] does.
type Person struct {
	User    plan.UserID
	Number  number.Number // outside, in any form: national, international, with blanks
	Account AccountID
}

// kind tells what the person is known by.
func (p *Person) kind() (k keyring.Kind, err error) {
	n := 0
	if p.User != "" {
		k, n = keyring.User, n+1
	}
	if !p.Number.IsZero() {
		k, n = keyring.Outside, n+1
	}
	if p.Account != "" {
		k, n = keyring.Admin, n+1
	}
	if n != 1 {
		return 0, ErrPerson
	}
	return k, nil
}

// erasable gives the kind of a person if the viewer may erase such a one and have what is kept;
// else [ErrNotAllowed].
func (s *Store) erasable(v Viewer, p *Person) (keyring.Kind, error) {
	rights := map[keyring.Kind]policy.Right{keyring.User: policy.EraseUser, keyring.Outside: policy.EraseNumber, keyring.Admin: policy.EraseAccount}
	k, err := p.kind()
	switch {
	case err == nil && !s.may(v, rights[k]), err != nil && !s.may(v, policy.EraseNumber):
		return 0, ErrNotAllowed
	case err != nil:
		return 0, err
	}
	return k, nil
}

// subjectsOfPerson gives all the ids of a person, none if the box does not know of any. The
// accounts of a user are the user's. A number is known by its normal form, and by each that
// was dialled and had none then: before the plan told the country or the area, say.
func (s *Store) subjectsOfPerson(p *Person, k keyring.Kind) (list []keyring.Subject) {
	add := func(k keyring.Kind, text string) {
		if subject, ok := s.ring.Lookup(k, text); ok && !slices.Contains(list, subject) {
			list = append(list, subject)
		}
	}
	switch k {
	case keyring.User:
		add(k, string(p.User))
		for _, a := range s.accounts.Load().list {
			if a.User == p.User {
				add(keyring.Admin, string(a.ID))
			}
		}
	case keyring.Outside:
		digits := p.Number.Reveal()
		form := s.normal(digits)
		add(k, form)
		add(k, digits)
		at, end := &s.plan.Load().plan, digits[max(0, len(digits)-3):]
		is := func(text string) bool {
			return strings.HasSuffix(text, end) && e164.Normal(at.Country, at.AreaCode, text) == form
		}
		for _, subject := range s.ring.Subjects(k) {
			if _, text, ok := s.ring.Name(subject); ok && text[0] != '+' && text[:1] != fadedMark && (is(text) || is(behindPrefix(at, text))) {
				add(k, text)
			}
		}
	case keyring.Admin:
		add(k, string(p.Account))
	}
	return list
}

// Found tells what the box keeps of a person.
type Found struct {
	Known   bool // false: nothing, and all else is zero
	Records int  // call records that name the person
	Entries int  // of journals: the person's own, and those of others that name the person
	Plans   int  // revisions of the plan that do, of those that are kept
	Items   int  // messages and recordings
	InPlan  bool // a user of the plan of today
	Account bool // somebody who can log in, the accounts of a user included
}

// Find tells what [Store.Erase] would erase, to those who may erase this person: others get
// [ErrNotAllowed], and an emergency number is [ErrHelp]. What is queued is not counted. Of somebody unknown the answer is the zero
// Found, and no error.
func (r *Reader) Find(ctx context.Context, p Person) (Found, error) {
	k, err := r.s.erasable(r.v, &p)
	if err != nil {
		return Found{}, err
	}
	if err := ctx.Err(); err != nil {
		return Found{}, err
	}
	s := r.s
	if s.isHelp(p.Number) {
		return Found{}, ErrHelp
	}
	if s.isDown() {
		return Found{}, fmt.Errorf("find person: %w", ErrDown)
	}
	subjects := s.subjectsOfPerson(&p, k)
	if err := s.note(ctx, look{viewer: r.v, what: "find person", rows: len(subjects), about: subjects}); err != nil {
		return Found{}, fmt.Errorf("note the look: %w", err)
	}
	if len(subjects) == 0 {
		return Found{}, nil
	}
	f := Found{Known: true, InPlan: k == keyring.User && s.plan.Load().users[p.User] != nil}
	f.Account = slices.ContainsFunc(s.accounts.Load().list, func(a *account) bool {
		return k == keyring.Admin && a.ID == p.Account || k == keyring.User && a.User == p.User
	})
	f.Items = len(s.itemsOf(subjects))
	err = guard(func() error {
		return s.db.View(func(tx *bbolt.Tx) error {
			for _, subject := range subjects {
				f.Records += countOf(tx, subject)
				f.Entries += entriesOf(tx, subject)
				f.Plans += len(plansOf(tx, subject))
			}
			return nil
		})
	})
	if err != nil {
		return Found{}, fmt.Errorf("find person: %w", err)
	}
	return f, nil
}

// itemsOf gives the messages and recordings about any of the subjects.
func (s *Store) itemsOf(subjects []keyring.Subject) (items []keyring.Item) {
	seen := map[keyring.Item]bool{}
	for _, subject := range subjects {
		for _, item := range s.ring.ItemsOf(subject) {
			if !seen[item] {
				seen[item] = true
				items = append(items, item)
			}
		}
	}
	return items
}

// countOf tells how many records name a subject, by the index.
func countOf(tx *bbolt.Tx, subject keyring.Subject) (n int) {
	b := tx.Bucket(bucketBySubject)
	if b == nil {
		return 0
	}
	c := b.Cursor()
	for k, _ := c.Seek(subject[:]); bytes.HasPrefix(k, subject[:]); k, _ = c.Next() {
		n++
	}
	return n
}

// FormerUser is a user who has left the plan, as in its last revision with that user.
type FormerUser struct {
	plan.User
	Left time.Time // date, midnight in UTC
	Goes time.Time // date on which the box erases what it keeps of the user; both zero if it does not know yet
}

// FormerUsers gives the users who are in the plan no more and still stand in a revision that is
// kept, in the order of their extensions. It needs the right policy.EraseUser, else
// [ErrNotAllowed].
func (r *Reader) FormerUsers(ctx context.Context) ([]FormerUser, error) {
	if !r.s.may(r.v, policy.EraseUser) {
		return nil, ErrNotAllowed
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if r.s.isDown() {
		return nil, fmt.Errorf("read former users: %w", ErrDown)
	}
	var rows []row
	if err := guard(func() error {
		return r.s.db.View(func(tx *bbolt.Tx) error {
			b := tx.Bucket(bucketPlans)
			if b == nil {
				return ErrDamaged
			}
			for c, k, v := newest(b); k != nil; k, v = c.Prev() {
				rows = append(rows, row{bytes.Clone(k), bytes.Clone(v)})
			}
			return nil
		})
	}); err != nil {
		return nil, fmt.Errorf("read former users: %w", err)
	}
	known := map[plan.UserID]bool{}
	for id := range r.s.plan.Load().users {
		known[id] = true
	}
	var former []FormerUser
	for _, row := range rows {
		p, err := r.s.openPlan(row.key, row.value)
		if err != nil {
			r.s.unreadable.Add(1)
			continue
		}
		for _, u := range p.Users {
			if !known[u.ID] {
				known[u.ID] = true
				x := FormerUser{User: u}
				x.Left, x.Goes, _ = r.s.removedOn(u.ID)
				former = append(former, x)
			}
		}
	}
	if err := r.s.note(ctx, look{viewer: r.v, what: "former users", rows: len(former), merge: again}); err != nil {
		return nil, fmt.Errorf("note the look: %w", err)
	}
	slices.SortFunc(former, func(a, b FormerUser) int {
		return cmp.Or(strings.Compare(string(a.Ext), string(b.Ext)), strings.Compare(string(a.ID), string(b.ID)))
	})
	return former, nil
}

// newest gives the last row of a bucket, and a cursor on it.
func newest(b *bbolt.Bucket) (c *bbolt.Cursor, k, v []byte) {
	c = b.Cursor()
	k, v = c.Last()
	return c, k, v
}
