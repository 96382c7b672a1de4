package storage

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"sotto/pbx/plan"
	"sotto/storage/policy"
)

// TestDrift: what makes the box collect more has a line of its own that says so, beside that of
// the change; what makes it collect less, or changes nothing of that kind, has none.
func TestDrift(t *testing.T) {
	s := newBox(t).open()
	p := testPlan()
	p.Country = "GB"
	p.Users[0].Protected, p.Users[1].Protected = true, true
	p.Lines[0].ShowOnly = true
	setPlan(t, s, p)
	drift := func(want ...string) {
		t.Helper()
		var got []string
		lines := linesOf(t, s)
		for _, j := range lines {
			if j.What == "collects more" || j.What == "privacy settings follow the country" {
				got = append(got, strings.Trim(j.Before+" > "+j.After, " >"))
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q\nwant %q", got, want)
		}
	}
	change := func(f func(*plan.Plan)) {
		t.Helper()
		next, rev := s.CurrentPlan()
		f(&next)
		if _, err := s.SetPlan(t.Context(), owner, rev, next); err != nil {
			t.Fatal(err)
		}
	}
	drift() // of the first plan

	change(func(p *plan.Plan) { p.PrivatePrefix = "*67"; p.Users[0].Name = "Anna Neu" })
	drift()
	change(func(p *plan.Plan) { p.PrivatePrefix = ""; p.Fields = []plan.Field{plan.Email} })
	want := []string{"The e-mail address of users can be kept; No caller can dial a prefix any more so that who is called is not kept"}
	drift(want...)

	// One who is protected leaves, and another comes who is: nothing changes for who stays.
	gone := p.Users[1]
	change(func(p *plan.Plan) {
		p.Users = slices.DeleteFunc(p.Users, func(u plan.User) bool { return u.Ext == gone.Ext })
		for i := range p.Lines {
			p.Lines[i].Rings = slices.DeleteFunc(p.Lines[i].Rings, func(e plan.Ext) bool { return e == gone.Ext })
		}
	})
	drift(want...)
	change(func(p *plan.Plan) {
		p.Users[0].Protected = false
		p.Users = append(p.Users, plan.User{Name: "Neu", Ext: "77", Protected: true})
	})
	want = append(want, "Users no longer protected: 1")
	drift(want...)
	change(func(p *plan.Plan) { p.Lines = slices.Delete(p.Lines, 0, 1); p.Rules = nil })
	drift(want...)

	// Terms follow the plan's country as long as nobody has saved any.
	change(func(p *plan.Plan) { p.Country = "DE" })
	want = append(want, "country GB, keep.messages 14, cut 4 > country DE, keep.messages 30, cut 3",
		"Voice messages are kept 30 days instead of 14; Masked numbers are without their last 3 digits instead of 4")
	drift(want...)
	if !s.keeper.asked {
		t.Error("the terms are another country's and nothing goes by them")
	}
	next, rev, err := s.As(owner).Settings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	next.Keep[policy.Records], next.Keep[policy.Journal] = 31, 29
	if _, _, err := s.SetSettings(t.Context(), owner, rev, next); err != nil {
		t.Fatal(err)
	}
	want = append(want, "Call records are kept 31 days instead of 30")
	drift(want...)
	next.Keep[policy.Records] = 30
	if _, _, err := s.SetSettings(t.Context(), owner, rev+1, next); err != nil {
		t.Fatal(err)
	}
	change(func(p *plan.Plan) { p.Country = "GB" })
	drift(want...)

	// A user's own choice is none of the office's.
	own := Viewer{Role: Staff, User: anna}
	for _, c := range []struct {
		who Viewer
		on  bool
	}{{owner, false}, {own, true}, {own, false}, {owner, true}} {
		if err := s.SetJournal(t.Context(), c.who, anna, c.on); err != nil {
			t.Fatal(err)
		}
	}
	want = append(want, "Users whose journal is on again: 1")
	drift(want...)
}

// TestFacts: figures of the plan, for who may see the papers.
func TestFacts(t *testing.T) {
	s := newBox(t).open()
	p := testPlan()
	p.Users[0].Protected, p.Users[1].ShowOnly = true, true
	setPlan(t, s, p)
	if err := s.SetJournal(t.Context(), owner, anna, false); err != nil {
		t.Fatal(err)
	}
	f, err := s.As(Viewer{Role: PrivacyOfficer}).Facts(t.Context())
	if err != nil || f.Users != len(p.Users) || f.Lines != len(p.Lines) || f.Protected != 1 || f.ShowOnlyUsers != 1 || f.NoJournal != 1 {
		t.Errorf("%+v, %v", f, err)
	}
	for _, r := range []Role{Installer, Staff, 0} {
		if _, err := s.As(Viewer{Role: r, User: anna}).Facts(t.Context()); !errors.Is(err, ErrNotAllowed) {
			t.Errorf("%v: %v", r, err)
		}
	}
}
