package storage

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"sotto/storage/keyring"
	"sotto/storage/policy"
)

// LedgerView is one line of the ledger of what left the box.
type LedgerView struct {
	Number  uint64
	At      time.Time // when it began, to the millisecond, in UTC
	Kind    LedgerKind
	To      string // name of the device or server; empty: who asked took it
	Role    Role   // of who asked; 0: the box itself
	By      string // pseudonym of the account that asked; empty: somebody at the terminal, or the box
	Account string // its name, if there still is such an account and the viewer may see it
	What    string // in words, nothing personal
	Rows    int
	Bytes   int64
	Ended   bool // false: it goes on, or the power was cut; Rows and Bytes are not known then
	Whole   bool // false: it was broken off, and what left is not whole
}

// LedgerQuery selects lines, newest first. The zero value is the newest 50.
type LedgerQuery struct {
	Before      uint64    // only lines with a lower number; 0: from the newest on
	Limit       int       // at most so many, 1 to 500; 0: 50
	From, Until time.Time // that began from From on and before Until; zero: no bound
}

// Ledger gives lines of what left the box, newest first; fewer than q.Limit are all there are.
// It needs the right [policy.SeePapers], else it is [ErrNotAllowed]. Lines that do not open are
// left out and counted in [Health]. The error may wrap [ErrDown] or be that of ctx.
func (r *Reader) Ledger(ctx context.Context, q LedgerQuery) ([]LedgerView, error) {
	if q.Limit <= 0 {
		q.Limit = defaultLimit
	}
	q.Limit = min(q.Limit, maxLimit)
	if err := r.mayLedger(ctx); err != nil {
		return nil, err
	}
	names := map[string]string{}
	if r.s.may(r.v, policy.SeeAccounts) {
		for _, a := range r.s.accounts.Load().list {
			if subject, ok := r.s.ring.Lookup(keyring.Admin, string(a.ID)); ok {
				names[subject.String()] = a.Name
			}
		}
	}
	var list []LedgerView
	if err := r.s.eachLedger(ctx, q.Before, func(n uint64, l *ledgerJSON) bool {
		at := time.UnixMilli(l.At).UTC()
		if (q.From.IsZero() || !at.Before(q.From)) && (q.Until.IsZero() || at.Before(q.Until)) {
			list = append(list, LedgerView{
				Number: n, At: at, Kind: l.Kind, To: l.To, Role: l.Role, By: l.By, Account: names[l.By], What: l.What,
				Rows: l.Rows, Bytes: l.Bytes, Ended: l.End != notEnded, Whole: l.End == endedWhole,
			})
		}
		return len(list) < q.Limit
	}); err != nil {
		return nil, fmt.Errorf("read ledger: %w", err)
	}
	return list, nil
}

// mayLedger checks the right and notes the look.
func (r *Reader) mayLedger(ctx context.Context) error {
	if !r.s.may(r.v, policy.SeePapers) {
		return ErrNotAllowed
	}
	if r.s.isDown() {
		return fmt.Errorf("read ledger: %w", ErrDown)
	}
	if err := r.s.note(ctx, look{viewer: r.v, what: "ledger", merge: again}); err != nil {
		return fmt.Errorf("note the look: %w", err)
	}
	return nil
}

// Recipient is the sum of what went to one recipient.
type Recipient struct {
	Kind        LedgerKind
	To          string // name of the device or server; empty: people of the role, or the box's own
	Role        Role
	Times       int
	Rows        int   // as far as that is known
	Bytes       int64 // as far as that is known
	First, Last time.Time
}

// Recipients gives the whole ledger by recipient, in the order of kind, device and role: for the
// record of processing. Rights and errors are those of [Reader.Ledger].
func (r *Reader) Recipients(ctx context.Context) ([]Recipient, error) {
	if err := r.mayLedger(ctx); err != nil {
		return nil, err
	}
	list, err := r.s.recipients(ctx)
	if err != nil {
		return nil, fmt.Errorf("read ledger: %w", err)
	}
	return list, nil
}

// recipients is Recipients without a viewer.
func (s *Store) recipients(ctx context.Context) ([]Recipient, error) {
	type to struct {
		kind LedgerKind
		to   string
		role Role
	}
	sums := map[to]*Recipient{}
	err := s.eachLedger(ctx, 0, func(_ uint64, l *ledgerJSON) bool {
		k := to{l.Kind, l.To, l.Role}
		if l.To != "" {
			k.role = 0 // whoever asked for it
		}
		sum, at := sums[k], time.UnixMilli(l.At).UTC()
		if sum == nil {
			sum = &Recipient{Kind: k.kind, To: k.to, Role: k.role, First: at, Last: at}
			sums[k] = sum
		}
		sum.Times, sum.Rows, sum.Bytes = sum.Times+1, sum.Rows+l.Rows, sum.Bytes+l.Bytes
		if at.Before(sum.First) {
			sum.First = at
		}
		if at.After(sum.Last) {
			sum.Last = at
		}
		return true
	})
	var list []Recipient
	for _, sum := range sums {
		list = append(list, *sum)
	}
	slices.SortFunc(list, func(a, b Recipient) int {
		return cmp.Or(strings.Compare(string(a.Kind), string(b.Kind)), strings.Compare(a.To, b.To), cmp.Compare(a.Role, b.Role))
	})
	return list, err
}
