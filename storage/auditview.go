package storage

import (
	"context"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"sotto/storage/keyring"
	"sotto/storage/policy"
)

// AuditQuery selects lines of the audit trail. The zero value is the newest 50.
type AuditQuery struct {
	Before uint64 // lines with a lower number; 0: from the newest on
	Limit  int    // views at most, 500 at most; 0: 50

	About       Person    // lines about this person alone; zero: all
	By          AccountID // lines of this account alone; empty: all
	From, Until time.Time // from From, before Until; zero: no bound
}

// AuditView is one line of the audit trail. All but Number and Link is zero if Damaged or
// Aged.
type AuditView struct {
	Number uint64
	Link   string // the first 4 and the last 4 of the 64 hexadecimal digits of its link

	Damaged bool // the line was changed or is worn; see [Reader.VerifyAudit]
	Aged    bool // its time is over, and it is to be removed

	At            time.Time // to the millisecond, UTC, by the box's clock
	By            Actor
	Role          Role     // of an account and at the terminal
	Pseudonym     string   // of an account: the keyring's id of it, 32 hexadecimal digits
	Account       string   // its name, if there still is such an account and the viewer may see it
	What          string   // "call records", "change plan" …
	Rows          int      // how many records or users it showed
	More          int      // 0; else the line stands for so many looks more, made since one like it
	About         []string // pseudonyms of whom it is about, 64 at most
	AboutMore     int      // how many more there are
	Before, After string   // of a change; no name and no number
}

// AuditPage is some of the lines that a query selects, newest first.
type AuditPage struct {
	Views []AuditView
	Next  uint64 // Before of the next page
	More  bool   // there may be more
}

const (
	auditLimit    = 50
	maxAuditLimit = 500
	maxAuditLooks = 20_000 // lines that one page looks at

	// auditOld is how many lines in a row that are older than From end a page: the clock may have
	// been set back meanwhile.
	auditOld = 1000
)

// Audit gives some of the lines that q selects, newest first: until q.Limit are found or
// 20,000 were looked at. Lines that are damaged or have aged are shown whatever q selects,
// because what they say is not known. It needs [policy.SeeAudit], else [ErrNotAllowed]; a
// q.About that is more than one person is [ErrPerson]. Looking at the trail is a line of it, one
// in ten minutes; the error tells if that cannot be written, or wraps [ErrDown] or
// [ErrDamaged], or is that of ctx.
func (r *Reader) Audit(ctx context.Context, q AuditQuery) (AuditPage, error) {
	s := r.s
	if !s.may(r.v, policy.SeeAudit) {
		return AuditPage{}, ErrNotAllowed
	}
	var about []keyring.Subject
	if q.About != (Person{}) {
		k, err := q.About.kind()
		if err != nil {
			return AuditPage{}, err
		}
		if about = s.subjectsOfPerson(&q.About, k); len(about) == 0 {
			about = []keyring.Subject{{}} // of nobody
		}
	}
	by := ""
	if q.By != "" {
		subject, _ := s.ring.Lookup(keyring.Admin, string(q.By))
		by = subject.String()
	}
	if err := s.note(ctx, look{viewer: r.v, what: "audit trail", about: about, merge: again}); err != nil {
		return AuditPage{}, fmt.Errorf("note the look: %w", err)
	}
	if q.Limit <= 0 {
		q.Limit = auditLimit
	}
	q.Limit = min(q.Limit, maxAuditLimit)
	fits := func(v *AuditView) bool {
		return v.Damaged || v.Aged || (by == "" || v.Pseudonym == by) && (len(about) == 0 || v.isAbout(about)) &&
			!v.At.Before(q.From) && (q.Until.IsZero() || v.At.Before(q.Until))
	}
	names := s.may(r.v, policy.SeeAccounts)
	var p AuditPage
	old, looked := 0, 0
	before := q.Before
	if before == 0 {
		before = math.MaxUint64
	}
	for {
		if err := ctx.Err(); err != nil {
			return AuditPage{}, err
		}
		var views []AuditView
		if err := s.viewAudit(func(b *bbolt.Bucket) error {
			c := b.Cursor()
			k, v := c.Seek(keyOf(before))
			for k != nil && uint64(idOf(k)) < before {
				k, v = c.Next() // a damaged page has led too far back
			}
			if k == nil {
				k, v = c.Last()
			}
			for ; k != nil && len(views) < chunk; k, v = c.Prev() {
				if uint64(idOf(k)) < before {
					views = append(views, s.auditView(k, v))
				}
			}
			return nil
		}); err != nil {
			return AuditPage{}, err
		}
		for i := range views {
			v := &views[i]
			before, looked = v.Number, looked+1
			if old++; v.Damaged || v.Aged || !v.At.Before(q.From) {
				old = 0
			}
			if fits(v) {
				if names {
					v.Account = s.accountOf(v.Pseudonym)
				}
				p.Views = append(p.Views, *v)
			}
			if p.Next = before; len(p.Views) == q.Limit || looked == maxAuditLooks {
				p.More = before > 1
				return p, nil
			}
			if old == auditOld {
				return p, nil
			}
		}
		if len(views) == 0 {
			return p, nil
		}
	}
}

// auditView gives a line as it is shown, without the name of an account.
func (s *Store) auditView(key, value []byte) AuditView {
	l, _, _, _ := splitLine(value)
	v := AuditView{Number: uint64(idOf(key)), Link: l.short()}
	j, err := s.openLine(key, value)
	if err != nil {
		v.Aged = err == errAged
		v.Damaged = !v.Aged
		return v
	}
	v.At, v.By, v.Role, v.Pseudonym = time.UnixMilli(j.At).UTC(), j.By, j.Role, j.Who
	v.What, v.Rows, v.More, v.About, v.AboutMore, v.Before, v.After = j.What, j.Rows, j.More, j.About, j.Others, j.Before, j.After
	return v
}

func (v *AuditView) isAbout(subjects []keyring.Subject) bool {
	return slices.ContainsFunc(subjects, func(s keyring.Subject) bool { return slices.Contains(v.About, s.String()) })
}

// accountOf gives the name of the account with a pseudonym, empty if there is none any more.
func (s *Store) accountOf(pseudonym string) string {
	var subject keyring.Subject
	if n, err := hex.Decode(subject[:], []byte(pseudonym)); err != nil || n != len(subject) {
		return ""
	}
	if _, id, ok := s.ring.Name(subject); ok {
		if a := s.accounts.Load().byID(AccountID(id)); a != nil {
			return a.Name
		}
	}
	return ""
}

// viewAudit reads the lines in one transaction, if the database can be read.
func (s *Store) viewAudit(f func(*bbolt.Bucket) error) error {
	if s.isDown() {
		return fmt.Errorf("read audit trail: %w", ErrDown)
	}
	if err := guard(func() error {
		return s.db.View(func(tx *bbolt.Tx) error { return f(tx.Bucket(bucketAudit)) })
	}); err != nil {
		return fmt.Errorf("read audit trail: %w", err)
	}
	return nil
}

// eachAudit calls f with each line by or about one of the subjects, oldest first, in short
// read transactions, until f returns an error, which it gives back. Names of accounts are not
// resolved, and lines that are damaged or have aged are left out. It notes nothing: the caller
// does.
func (s *Store) eachAudit(ctx context.Context, subjects []keyring.Subject, f func(AuditView) error) error {
	var ids []string
	for _, subject := range subjects {
		ids = append(ids, subject.String())
	}
	for from := uint64(1); from > 0; {
		if err := ctx.Err(); err != nil {
			return err
		}
		var views []AuditView
		if err := s.viewAudit(func(b *bbolt.Bucket) error {
			c := b.Cursor()
			k, v := c.Seek(keyOf(from))
			for n := 0; k != nil && n < chunk; n++ {
				view := s.auditView(k, v)
				if slices.Contains(ids, view.Pseudonym) || view.isAbout(subjects) {
					views = append(views, view)
				}
				k, v = c.Next()
			}
			from = further(from, uint64(idOf(k)))
			return nil
		}); err != nil {
			return err
		}
		for _, v := range views {
			if err := f(v); err != nil {
				return err
			}
		}
	}
	return nil
}
