package storage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"sotto/pbx/plan"
	"sotto/storage/keyring"
	"sotto/storage/policy"
)

// Role is what a viewer may see and do; package policy has what that is.
type Role = policy.Role

const (
	Owner          = policy.Owner
	Admin          = policy.Admin
	PrivacyOfficer = policy.PrivacyOfficer
	Installer      = policy.Installer
	Staff          = policy.Staff
)

// Viewer is who looks. Every read names one.
type Viewer struct {
	Role    Role
	User    plan.UserID // of Staff: whose calls are the viewer's own
	Account AccountID   // who it is, for the audit trail; empty for the box itself
}

// ErrNotAllowed says that the viewer's role does not permit this.
var ErrNotAllowed = errors.New("your role does not permit this")

// look is one look at personal data, or one change, as the audit trail has it. It is noted
// before anything is given out or changed, and an error is the answer then: what cannot be
// noted is not shown.
type look struct {
	viewer Viewer
	what   string // "call records", "live view", "plan", "change plan", "log in", "failed log-in" …
	rows   int    // how many records or users it shows

	about         []keyring.Subject // whom it is about, if that is somebody in particular; stands there as a pseudonym
	before, after string            // of a change: as the viewer may see it, without a digit or a name; else empty
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
	if err := r.s.audit(ctx, look{viewer: r.v, what: "plan", rows: len(p.Users)}); err != nil {
		return plan.Plan{}, 0, fmt.Errorf("note the look: %w", err)
	}
	return p, rev, nil
}

// Accounts gives who can log in to the page, in the order of their names: to an owner, who
// alone may erase one; others get [ErrNotAllowed].
func (r *Reader) Accounts(ctx context.Context) ([]Account, error) {
	if r.v.Role != Owner {
		return nil, ErrNotAllowed
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	all := r.s.accounts.Load().list
	if err := r.s.audit(ctx, look{viewer: r.v, what: "accounts", rows: len(all)}); err != nil {
		return nil, fmt.Errorf("note the look: %w", err)
	}
	list := make([]Account, len(all))
	for i, a := range all {
		list[i] = a.public()
	}
	slices.SortFunc(list, func(a, b Account) int {
		return cmp.Or(strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), strings.Compare(string(a.ID), string(b.ID)))
	})
	return list, nil
}
