package storage

import (
	"errors"
	"testing"
	"time"

	"sotto/pbx"
	"sotto/pbx/number"
	"sotto/storage/keyring"
)

// TestNothingLeft: a number leaves the keyring when the last record that says it has aged,
// and not before.
func TestNothingLeft(t *testing.T) {
	b := newBox(t)
	s := b.open()
	now := daysOfCalls(t, s)
	last := number.Must("02079460999") // calls today only
	s.Append(callFrom(last, anna))
	s.flush()
	lookup := func(n number.Number) keyring.Subject {
		t.Helper()
		subject, ok := s.ring.Lookup(keyring.Outside, s.normal(n.Reveal()))
		if !ok {
			t.Fatal("not known")
		}
		return subject
	}
	early, late := lookup(callerShown), lookup(last)
	check := func(when string, subject keyring.Subject, want bool) {
		t.Helper()
		if _, _, ok := s.ring.Name(subject); ok != want {
			t.Errorf("%s: known %v, want %v", when, ok, want)
		}
	}
	s.keepHouse(t)
	check("at first", early, true)
	if must(s.ForgetOf(t.Context(), Person{Number: callerShown}, keyring.Calls, now)); !s.ring.Waiting() {
		t.Error("nothing waits")
	}
	s.keeper.looked = time.Time{}
	s.keepHouse(t)
	check("the newest record is of today", early, true)
	s.at(now.AddDate(0, 0, 2))
	s.dayBegan, s.keeper.belief = time.Time{}, belief{}
	s.Append(callFrom(otherCaller, anna))
	s.flush()
	must(s.ForgetOf(t.Context(), Person{Number: callerShown}, keyring.Calls, now.AddDate(0, 0, 2)))
	s.keeper.looked = time.Time{}
	s.keepHouse(t)
	check("the records have aged, and the journal not", early, true)
	must(s.ForgetOf(t.Context(), Person{Number: callerShown}, keyring.Journal, now.AddDate(0, 0, 2)))
	s.keepHouse(t)
	check("looked less than an hour ago", early, true)
	s.keeper.looked = time.Time{}
	s.keepHouse(t)
	check("all has aged", early, false)
	check("another of the same day", late, true)
	for _, v := range must(s.As(owner).Records(t.Context(), Query{Limit: 5})) {
		if v.From.State == Erased {
			t.Errorf("record %d is shown as of somebody erased", v.ID)
		}
	}
	if _, err := s.ring.Rotate(); err != nil {
		t.Fatal(err)
	}
	if err := s.ring.Verify(early); err != nil {
		t.Error(err)
	}
	s.Append(callFrom(callerShown, anna))
	s.flush()
	if lookup(callerShown) == early {
		t.Error("who calls again is the same as before")
	}
	s.Close()
	s = b.open()
	check("opened again", early, false)
	check("opened again", late, true)
}

// TestHelpIsNobody: an emergency number is no person, however it is written.
func TestHelpIsNobody(t *testing.T) {
	s := newBox(t).open()
	setPlan(t, s, testPlan())
	r := callFrom(callerShown, anna)
	r.From, r.To = r.To, pbx.Party{Number: number.Must("112"), Line: "FXO 1"}
	r.Emergency = true
	s.Append(r)
	s.flush()
	for _, n := range []string{"112", "1-1-2"} {
		p := Person{Number: number.Must(n)}
		if _, err := s.Erase(t.Context(), owner, p); !errors.Is(err, ErrHelp) {
			t.Errorf("%v", err)
		}
		if _, err := s.As(owner).Find(t.Context(), p); !errors.Is(err, ErrHelp) {
			t.Errorf("%v", err)
		}
	}
	if v := must(s.As(owner).Records(t.Context(), Query{})); len(v) != 1 || v[0].To.Number != "112" {
		t.Errorf("%v", v)
	}
}

// TestFaded: once the last digits of a number have gone from all rows, the keyring does not know
// it either; its calls stay, without them, and a later call is from somebody new.
func TestFaded(t *testing.T) {
	b := newBox(t)
	s := b.open()
	at := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	s.at(at)
	s.keepForever()
	setPlan(t, s, testPlan())
	call := func(n number.Number) {
		t.Helper()
		s.Append(callFrom(n, anna))
		if err := s.flush(); err != nil {
			t.Fatal(err)
		}
	}
	call(callerShown)
	call(otherCaller)
	form := func(n number.Number) string { return s.normal(n.Reveal()) }
	faded, _ := s.ring.Lookup(keyring.Outside, form(callerShown))
	s.at(at.AddDate(0, 0, 1))
	s.dayBegan = time.Time{}
	call(otherCaller) // keeps its number
	if _, err := s.Forget(t.Context(), keyring.Digits, at.AddDate(0, 0, 1)); err != nil {
		t.Fatal(err)
	}
	for s.keeper.lonely || len(s.keeper.toLook) > 0 {
		s.keeper.looked = time.Time{}
		if err := s.lonely(); err != nil {
			t.Fatal(err)
		}
	}
	must(s.ring.Rotate())
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = b.open()
	if _, known := s.ring.Lookup(keyring.Outside, form(callerShown)); known {
		t.Error("the keyring knows the number still")
	}
	if kind, text, ok := s.ring.Name(faded); !ok || kind != keyring.Outside || text != fadedMark+faded.String() {
		t.Errorf("known as %c %q, %v", kind, text, ok)
	}
	if _, known := s.ring.Lookup(keyring.Outside, form(otherCaller)); !known {
		t.Error("the number of a newer call has gone as well")
	}
	find := func(n number.Number) int {
		t.Helper()
		return must(s.As(owner).Find(t.Context(), Person{Number: n})).Records
	}
	if got := find(callerShown); got != 0 {
		t.Errorf("%d records are found by the number", got)
	}
	views := must(s.As(owner).Records(t.Context(), Query{}))
	if len(views) != 3 || views[2].From.State != Cut {
		t.Errorf("records: %v", views)
	}
	s.at(at.AddDate(0, 0, 2))
	s.keepForever()
	call(callerShown)
	if got := find(callerShown); got != 1 {
		t.Errorf("%d records of who calls again, want 1", got)
	}
}
