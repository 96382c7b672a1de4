package storage

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"sotto/pbx"
	"sotto/pbx/number"
	"sotto/pbx/plan"
	"sotto/storage/keyring"
	"sotto/storage/policy"
)

// withPolicy gives the box settings that are the general ones but for what change does.
func (s *Store) withPolicy(change func(*policy.Settings)) {
	p := policy.Preset("")
	p.Cut = 4
	for k := range p.Keep {
		p.Keep[k] = 9999
	}
	change(&p)
	s.settings.Store(&p)
}

func asBefore(*policy.Settings) {}

// TestMaskedNumber: a masked number has no more of it than one whose last digits have aged.
func TestMaskedNumber(t *testing.T) {
	for _, c := range []struct {
		number string
		cut    int
		want   string
	}{
		{"", 4, ""}, {"", 3, ""}, {"1", 4, "…"}, {"112", 3, "…"}, {"+1234", 4, "…"}, {"123456", 3, "…"}, {"+12345", 3, "…"},
		{"1234567", 4, "123…"}, {"1234567", 3, "1234…"}, {"+493090182", 4, "+49309…"}, {"+4930901820", 4, "+493090…"}, {"+4930901820", 3, "+4930901…"},
	} {
		got := maskNumber(c.number, c.cut)
		if got != c.want {
			t.Errorf("%d characters, %d digits cut: %q, want %q", len(c.number), c.cut, got, c.want)
		}
		if c.number == "" {
			continue
		}
		front, last := splitNumber(c.number, c.cut)
		sealed := make([]byte, len(last)+16)
		for _, see := range []policy.Sight{policy.Whole, policy.Masked} {
			if aged := cutNumber(front, sealed, sight{users: true, numbers: see, cut: c.cut}); aged != got {
				t.Errorf("%d characters, %d digits cut: masked %q, aged for %d %q", len(c.number), c.cut, got, see, aged)
			}
		}
		if aged := cutNumber(front, sealed, sight{users: true, numbers: policy.None, cut: c.cut}); aged != "" {
			t.Errorf("who sees no number sees %q of an aged one", aged)
		}
	}
	// Stored while three digits were cut, seen when four are.
	if got := cutNumber("+4930901", make([]byte, 3+16), sight{users: true, numbers: policy.Masked, cut: 4}); got != "+493090…" {
		t.Errorf("of a number whose last three digits have aged, four are masked: %q", got)
	}
	if got := cutNumber("+4930901", make([]byte, 3+16), sight{users: true, numbers: policy.Whole, cut: 4}); got != "+4930901…" {
		t.Errorf("of a number whose last three digits have aged: %q", got)
	}
	if got := cutNumber("1", make([]byte, 16), sight{users: true, numbers: policy.Masked, cut: 4}); got != "…" {
		t.Errorf("of a damaged row: %q", got)
	}
}

// TestSight: each role sees of a party what the settings let it, in records and in the live
// view alike, and a party is seen by nobody who is none.
func TestSight(t *testing.T) {
	s := newBox(t).open()
	setPlan(t, s, testPlan())
	r := pbx.Record{
		From: pbx.Party{User: anna, Ext: "73911", Place: "Hofzimmer"}, To: pbx.Party{Number: number.Must("+4930901820"), Line: "FXO 1"},
		Outcome: pbx.Answered, Began: time.UnixMilli(1_700_000_000_000).UTC(), Code: "Akte Zwetschgenbaum",
	}
	s.withPolicy(asBefore)
	s.Append(r)
	if err := s.flush(); err != nil {
		t.Fatal(err)
	}
	user := PartyView{User: anna, Name: "Anna Zwetschgenbaum", Ext: "73911", Place: "Hofzimmer"}
	far := PartyView{Line: "FXO 1"}
	seen := func(p PartyView, state State, number string) PartyView {
		p.State, p.Number = state, number
		return p
	}
	narrower := func(role Role, to policy.Sight) func(*policy.Settings) {
		return func(p *policy.Settings) { p.Numbers = map[Role]policy.Sight{role: to} }
	}
	for _, c := range []struct {
		v      Viewer
		change func(*policy.Settings)
		from   PartyView
		to     PartyView
	}{
		{owner, asBefore, seen(user, Shown, ""), seen(far, Shown, "+4930901820")},
		{owner, narrower(Owner, policy.Masked), seen(user, Masked, ""), seen(far, Masked, "+493090…")},
		{owner, narrower(Owner, policy.None), seen(user, Masked, ""), seen(far, Hidden, "")},
		{Viewer{Role: Admin}, asBefore, seen(user, Masked, ""), seen(far, Masked, "+493090…")},
		{Viewer{Role: Admin}, func(p *policy.Settings) { p.Cut = 3 }, seen(user, Masked, ""), seen(far, Masked, "+4930901…")},
		{Viewer{Role: Admin}, narrower(Admin, policy.None), seen(user, Masked, ""), seen(far, Hidden, "")},
		{Viewer{Role: Admin}, narrower(Admin, policy.Whole), seen(user, Masked, ""), seen(far, Masked, "+493090…")},
		{Viewer{Role: PrivacyOfficer}, asBefore, seen(user, Masked, ""), seen(far, Masked, "+493090…")},
		{Viewer{Role: Installer}, asBefore, PartyView{State: Hidden}, seen(far, Hidden, "")},
		{Viewer{Role: Staff, User: anna}, narrower(Staff, policy.None), seen(user, Shown, ""), seen(far, Shown, "+4930901820")},
		{Viewer{Role: Staff}, asBefore, PartyView{State: Hidden}, seen(far, Hidden, "")},
		{Viewer{}, asBefore, PartyView{State: Hidden}, seen(far, Hidden, "")},
		{Viewer{Role: 99, User: anna, Account: "a"}, asBefore, PartyView{State: Hidden}, seen(far, Hidden, "")},
	} {
		s.withPolicy(c.change)
		reader := s.As(c.v)
		view, err := reader.recordView(1)
		if err != nil || view.From != c.from || view.To != c.to {
			t.Errorf("%+v sees of a record %v %q, %v %q", c.v, view.From, view.From.Number, view.To, view.To.Number)
		}
		if (view.Code == "") != (c.from.State == Hidden) {
			t.Errorf("%+v sees the code %q", c.v, view.Code)
		}
		see := s.sees(c.v)
		if from, to := see.mask(&r.From, s.plan.Load()), see.mask(&r.To, s.plan.Load()); from != c.from || to != c.to {
			t.Errorf("%+v sees of a call %v %q, %v %q", c.v, from, from.Number, to, to.Number)
		}
		if text := fmt.Sprintf("%+v %#v", view, view); strings.Contains(text, "4930") || strings.Contains(text, "Anna") {
			t.Errorf("a view prints what it shows: %s", text)
		}
	}
	s.withPolicy(func(p *policy.Settings) { p.Cut = 3 })
	s.ring.Forget(keyring.Digits, s.today()+1)
	for _, c := range []struct {
		v    Viewer
		want PartyView
	}{
		{owner, seen(far, Cut, "+493090…")}, {Viewer{Role: Admin}, seen(far, Cut, "+493090…")},
		{Viewer{Role: Installer}, seen(far, Hidden, "")}, {Viewer{Role: PrivacyOfficer}, seen(far, Hidden, "")},
	} {
		s.withPolicy(func(p *policy.Settings) { p.Cut, p.Numbers = 3, map[Role]policy.Sight{PrivacyOfficer: policy.None} })
		if view, err := s.As(c.v).recordView(1); err != nil || view.To != c.want {
			t.Errorf("%+v sees of an aged number %v %q", c.v, view.To, view.To.Number)
		}
	}
}

// TestPlanForWhom: who may not see the plan sees no more of it than there is to wire.
func TestPlanForWhom(t *testing.T) {
	s := newBox(t).open()
	p := testPlan()
	p.CodePrefix, p.Codes = "*71", []plan.Code{{Name: "Akte Zwetschgenbaum", Digits: "42"}}
	p.Users[0].Protected = true
	setPlan(t, s, p)
	for _, c := range []struct {
		v     Viewer
		users int
		names bool
	}{
		{owner, 2, true}, {Viewer{Role: Admin}, 2, true}, {Viewer{Role: PrivacyOfficer}, 2, true},
		{Viewer{Role: Installer}, 2, false}, {Viewer{Role: Staff, User: anna}, 1, true}, {Viewer{Role: Staff}, 0, false},
	} {
		p, _, err := s.As(c.v).Plan(t.Context())
		if err != nil || len(p.Users) != c.users {
			t.Fatalf("%+v: %d users, %v", c.v, len(p.Users), err)
		}
		if (len(p.Codes) == 0) != (c.v.Role == Installer || c.v.Role == Staff) {
			t.Errorf("%+v sees %d codes", c.v, len(p.Codes))
		}
		for _, u := range p.Users {
			if (u.Name != "") != c.names || !c.names && u.Protected || u.Ext == "" || len(u.Ports) == 0 {
				t.Errorf("%+v: %+v", c.v, u)
			}
		}
	}
	for _, v := range []Viewer{{}, {Role: 99}, {Account: "a"}} {
		if p, _, err := s.As(v).Plan(t.Context()); !errors.Is(err, ErrNotAllowed) || len(p.Users) != 0 {
			t.Errorf("%+v: %v", v, err)
		}
	}
}
