package storage

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"sotto/storage/keyring"
)

// whatOf gives what each view says, newest first.
func whatOf(p AuditPage) (list []string) {
	for _, v := range p.Views {
		list = append(list, v.What)
	}
	return list
}

// TestAuditPage: who sees what of the trail, page by page.
func TestAuditPage(t *testing.T) {
	b := newBox(t)
	s := b.open()
	s.claim(t)
	setPlan(t, s, testPlan())
	a := must(s.LogIn(t.Context(), ownerName, ownerPassword))
	officer := must(s.AddAccount(t.Context(), a.Viewer(), "Apfelmus-Gehilfin", ownerPassword, PrivacyOfficer, ""))
	s.Append(callFrom(callerShown, anna))
	s.flush()
	must(s.As(officer.Viewer()).Find(t.Context(), Person{Number: callerShown}))
	must(s.As(officer.Viewer()).Find(t.Context(), Person{Number: callerShown}))
	all, err := s.As(a.Viewer()).Audit(t.Context(), AuditQuery{})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"audit trail", "find person", "find person", "add account", "log in", "change plan", "claim"}; !slices.Equal(whatOf(all), want) || all.More {
		t.Fatalf("%q", whatOf(all))
	}
	caller, _ := s.ring.Lookup(keyring.Outside, s.normal(callerShown.Reveal()))
	who, _ := s.ring.Lookup(keyring.Admin, string(officer.ID))
	v := all.Views[1]
	if v.By != ByAccount || v.Role != PrivacyOfficer || v.Account != "Apfelmus-Gehilfin" || v.Pseudonym != who.String() ||
		!slices.Equal(v.About, []string{caller.String()}) || v.Number != 6 || len([]rune(v.Link)) != 9 || time.Since(v.At) > time.Hour || v.At.Location() != time.UTC {
		t.Errorf("%+v", v)
	}
	if v := all.Views[3]; v.After != "privacy officer" || v.Account != ownerName || !slices.Equal(v.About, []string{who.String()}) {
		t.Errorf("%+v", v)
	}
	if v := all.Views[6]; v.By != ByStranger || v.Role != 0 || v.Pseudonym != "" {
		t.Errorf("%+v", v)
	}
	// Page by page it is the same.
	var paged []AuditView
	for q := (AuditQuery{Limit: 2}); ; {
		p := must(s.As(a.Viewer()).Audit(t.Context(), q))
		paged = append(paged, p.Views...)
		if q.Before = p.Next; !p.More {
			break
		}
	}
	if !reflect.DeepEqual(paged, all.Views) {
		t.Errorf("paged: %+v", paged)
	}
	page := func(q AuditQuery) []string {
		t.Helper()
		return whatOf(must(s.As(a.Viewer()).Audit(t.Context(), q)))
	}
	if got := page(AuditQuery{About: Person{Number: callerShown}}); !slices.Equal(got, []string{"audit trail", "find person", "find person"}) {
		t.Errorf("about a number: %q", got)
	}
	if got := page(AuditQuery{About: Person{User: "nobody"}}); len(got) != 0 && !slices.Equal(got, []string{"audit trail"}) {
		t.Errorf("about nobody: %q", got)
	}
	if got := page(AuditQuery{By: officer.ID}); !slices.Equal(got, []string{"find person", "find person"}) {
		t.Errorf("by an account: %q", got)
	}
	if got := page(AuditQuery{By: "none"}); len(got) != 0 {
		t.Errorf("by no account: %q", got)
	}
	if got := page(AuditQuery{Until: all.Views[6].At}); len(got) != 0 {
		t.Errorf("before the first: %q", got)
	}
	if got := page(AuditQuery{From: time.Now().Add(time.Hour)}); len(got) != 0 {
		t.Errorf("later than all: %q", got)
	}
	if _, err := s.As(a.Viewer()).Audit(t.Context(), AuditQuery{About: Person{User: anna, Account: "x"}}); !errors.Is(err, ErrPerson) {
		t.Error(err)
	}
	// The name of an account is for those who may see accounts.
	p := must(s.As(officer.Viewer()).Audit(t.Context(), AuditQuery{}))
	for _, v := range p.Views {
		if s.may(officer.Viewer(), "accounts") != (v.Account != "") && v.By == ByAccount {
			t.Errorf("the officer sees %+v", v)
		}
	}
	for _, v := range []Viewer{{}, {Role: Installer}, {Role: Staff, User: anna}, {Role: 99}} {
		if p, err := s.As(v).Audit(t.Context(), AuditQuery{}); !errors.Is(err, ErrNotAllowed) || p.Views != nil {
			t.Errorf("%v: %v", v.Role, err)
		}
		if r, err := s.As(v).VerifyAudit(t.Context()); !errors.Is(err, ErrNotAllowed) || r.Lines != 0 {
			t.Errorf("%v: %v", v.Role, err)
		}
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.As(owner).Audit(gone, AuditQuery{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	// Of an account that was erased the pseudonym stays.
	must(s.Erase(t.Context(), owner, Person{Account: officer.ID}))
	p = must(s.As(owner).Audit(t.Context(), AuditQuery{Limit: 500}))
	found := false
	for _, v := range p.Views {
		if v.What == "find person" {
			found = true
			if v.Account != "" || v.Pseudonym != who.String() || v.Role != PrivacyOfficer {
				t.Errorf("erased: %+v", v)
			}
		}
		if text := fmt.Sprintf("%+v", v); strings.Contains(text, "Apfelmus") {
			t.Errorf("erased, and named: %s", text)
		}
	}
	if !found {
		t.Error("the lines of an erased account are gone")
	}
	s.Close()
	if _, err := s.As(owner).Audit(t.Context(), AuditQuery{}); !errors.Is(err, ErrDown) {
		t.Error(err)
	}
}

// TestEachAudit: all lines by or about somebody, oldest first, over many transactions.
func TestEachAudit(t *testing.T) {
	s := newBox(t).open()
	one, two, me := keyring.Subject{1}, keyring.Subject{2}, AccountID("me")
	mine := must(s.ring.Subject(keyring.Admin, string(me)))
	var want []uint64
	s.wmu.Lock()
	for n := range 3*chunk + 5 {
		l := look{viewer: owner, what: "x", about: []keyring.Subject{one}}
		switch {
		case n%50 == 0:
			l.about = append(l.about, two)
			want = append(want, uint64(n+1))
		case n%70 == 0:
			l = look{viewer: Viewer{Role: Admin, Account: me}, what: "x"}
			want = append(want, uint64(n+1))
		}
		s.pend(l)
	}
	if err := s.commit(func(*bbolt.Tx) error { return nil }); err != nil {
		t.Fatal(err)
	}
	s.wmu.Unlock()
	var got []uint64
	if err := s.eachAudit(t.Context(), []keyring.Subject{two, mine}, func(v AuditView) error {
		got = append(got, v.Number)
		return nil
	}); err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	enough := errors.New("enough")
	if err := s.eachAudit(t.Context(), []keyring.Subject{two}, func(v AuditView) error { return enough }); err != enough {
		t.Error(err)
	}
	if p := must(s.As(owner).Audit(t.Context(), AuditQuery{Before: 10, Limit: 3})); len(p.Views) != 3 || p.Views[0].Number != 9 || p.Next != 7 || !p.More {
		t.Errorf("%+v", p)
	}
}
