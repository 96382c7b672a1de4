package storage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"sotto/pbx/plan"
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

// Viewer is who looks. Every read names one. One that is Owner and has no account is whoever
// stands at the terminal of the box.
type Viewer struct {
	Role    Role
	User    plan.UserID // of Staff: whose calls are the viewer's own
	Account AccountID   // who it is, for the audit trail; empty for the box itself
}

// known tells whether somebody is anybody at all.
func (v Viewer) known() bool { return v.Role >= Owner && v.Role <= Staff }

// ErrNotAllowed says that the viewer's role does not permit this.
var ErrNotAllowed = errors.New("your role does not permit this")

// Reader reads on behalf of one viewer. It is cheap, keeps nothing, and may be used by
// several goroutines.
type Reader struct {
	s *Store
	v Viewer
}

// As is the only way to what is stored about persons: what comes out is masked as the
// viewer's role asks, and noted.
func (s *Store) As(v Viewer) *Reader { return &Reader{s, v} }

// Plan gives the plan as the viewer may see it, and its revision: whole with the right
// policy.SeePlan, to staff with the viewer as the only user and without accounting codes, and to
// others without the names of users and accounting codes and without what else is about somebody:
// extensions, ports and lines are left. Who is nobody gets [ErrNotAllowed].
func (r *Reader) Plan(ctx context.Context) (plan.Plan, Rev, error) {
	p, rev := r.s.CurrentPlan()
	switch {
	case !r.v.known():
		return plan.Plan{}, 0, ErrNotAllowed
	case r.s.may(r.v, policy.SeePlan):
	case r.v.Role == Staff:
		p.Users = slices.DeleteFunc(p.Users, func(u plan.User) bool { return u.ID != r.v.User })
		p.Codes = nil // names of clients
	default:
		for i, u := range p.Users {
			p.Users[i] = plan.User{ID: u.ID, Ext: u.Ext, Ports: u.Ports, SIP: u.SIP, ReverseOnAnswer: u.ReverseOnAnswer}
		}
		p.Codes = nil
	}
	if err := r.s.note(ctx, look{viewer: r.v, what: "plan", rows: len(p.Users), merge: r.v.often()}); err != nil {
		return plan.Plan{}, 0, fmt.Errorf("note the look: %w", err)
	}
	return p, rev, nil
}

// Office gives the name of the office and its country, for the head of a page: empty to who is
// nobody. It names no person, so no look is noted, and it needs no database.
func (r *Reader) Office() (name, country string) {
	if !r.v.known() {
		return "", ""
	}
	p := &r.s.plan.Load().plan
	return p.Office, p.Country
}

// Accounts gives who can log in to the page, in the order of their names. It needs the right
// policy.SeeAccounts, else [ErrNotAllowed].
func (r *Reader) Accounts(ctx context.Context) ([]Account, error) {
	if !r.s.may(r.v, policy.SeeAccounts) {
		return nil, ErrNotAllowed
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	all := r.s.accounts.Load().list
	if err := r.s.note(ctx, look{viewer: r.v, what: "accounts", rows: len(all), merge: again}); err != nil {
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
