package storage

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"sotto/storage/keyring"
)

// TestSetJournal: who wants no journal has none from then on, and the choice goes with the
// user.
func TestSetJournal(t *testing.T) {
	b := newBox(t)
	s := b.open()
	setPlan(t, s, testPlan())
	call := func() {
		t.Helper()
		s.Append(callFrom(callerShown, anna))
		s.flush()
	}
	entries := func(when string, n int) {
		t.Helper()
		if got := len(journalOf(t, s, staff(anna), Query{})); got != n {
			t.Errorf("%s: %d entries, want %d", when, got, n)
		}
	}
	for _, v := range []Viewer{{}, {Role: Installer}, {Role: PrivacyOfficer}, staff(boris), {Role: Staff}, {Role: 99}} {
		if err := s.SetJournal(t.Context(), v, anna, false); !errors.Is(err, ErrNotAllowed) {
			t.Errorf("%+v: %v", v, err)
		}
	}
	if err := s.SetJournal(t.Context(), staff("stranger"), "stranger", false); !errors.Is(err, ErrUnknownPerson) {
		t.Errorf("%v", err)
	}
	call()
	entries("on", 1)
	s.Append(callFrom(callerShown, anna)) // waits: it is of before
	if err := s.SetJournal(t.Context(), staff(anna), anna, false); err != nil {
		t.Fatal(err)
	}
	entries("what waited", 2)
	call()
	entries("off", 2)
	if s.JournalOn(anna) || !s.JournalOn(boris) || s.JournalOn("stranger") {
		t.Error("who has a journal")
	}
	if got := len(states(t, s)); got != 3 {
		t.Errorf("%d records", got)
	}
	s.Close()
	s = b.open()
	call()
	entries("off after a start", 2)
	if n := rowsIn(s, bucketPeople); n != 1 {
		t.Errorf("%d rows", n)
	}
	if err := s.SetJournal(t.Context(), Viewer{Role: Admin}, anna, true); err != nil {
		t.Fatal(err)
	}
	call()
	entries("on again", 3)
	if n := rowsIn(s, bucketPeople); n != 0 {
		t.Errorf("%d rows", n)
	}
	if err := s.SetJournal(t.Context(), owner, anna, false); err != nil {
		t.Fatal(err)
	}
	p := testPlan()
	p.Users = p.Users[1:]
	setPlan(t, s, p)
	if n := rowsIn(s, bucketPeople); n != 0 || s.JournalOn(anna) {
		t.Errorf("%d rows of who has left", n)
	}
	call()
	entries("who has left", 3)
	setPlan(t, s, testPlan())
	if !s.JournalOn(anna) {
		t.Error("the choice has outlived its row")
	}
}

// TestPeopleDamage: a choice that cannot be read is one for no journal.
func TestPeopleDamage(t *testing.T) {
	b := newBox(t)
	s := b.open()
	setPlan(t, s, testPlan())
	if err := s.SetJournal(t.Context(), owner, anna, false); err != nil {
		t.Fatal(err)
	}
	a, _ := s.ring.Lookup(keyring.User, string(anna))
	s.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(bucketPeople).Put(a[:], []byte("x")) })
	s.Close()
	s = b.open()
	if s.JournalOn(anna) || s.Health().Unreadable != 1 {
		t.Errorf("%v, %d unreadable", s.JournalOn(anna), s.Health().Unreadable)
	}
	if err := s.SetJournal(t.Context(), owner, anna, true); err != nil || !s.JournalOn(anna) {
		t.Error(err)
	}
}

// TestEraseJournal: what was in a journal opens no more, not with an old copy of the database
// either, and colleagues and the office lose nothing.
func TestEraseJournal(t *testing.T) {
	b := newBox(t)
	s := b.open()
	setPlan(t, s, testPlan())
	for range 120 {
		for _, r := range someCalls() {
			s.Append(r)
		}
	}
	s.flush()
	for _, v := range []Viewer{{}, owner, {Role: Admin}, staff(boris), {Role: Staff}} {
		if err := s.EraseJournal(t.Context(), v, anna); !errors.Is(err, ErrNotAllowed) {
			t.Errorf("%+v: %v", v, err)
		}
	}
	office, colleague := journalOf(t, s, owner, Query{Limit: 500}), journalOf(t, s, staff(boris), Query{Limit: 500})
	old := must(os.ReadFile(filepath.Join(b.dir, fileName)))
	s.Append(callFrom(callerShown, anna)) // waits
	if err := s.EraseJournal(t.Context(), staff(anna), anna); err != nil {
		t.Fatal(err)
	}
	check := func(when string, want ...string) {
		t.Helper()
		same(t, when, journalOf(t, s, staff(anna), Query{}), want...)
		same(t, when+", a colleague", journalOf(t, s, staff(boris), Query{Limit: 500}), colleague...)
		same(t, when+", the office", journalOf(t, s, owner, Query{Limit: 500})[len(want)+1:], office[:500-len(want)-1]...)
		if n := s.Health().Unreadable; n != 0 {
			t.Errorf("%s: %d unreadable", when, n)
		}
		checkJournals(t, s)
	}
	check("erased")
	if s.ring.Waiting() {
		t.Error("the keys wait for a rotation")
	}
	commits, day := s.Health().Commits, s.today()
	if err := s.EraseJournal(t.Context(), staff(anna), anna); err != nil || s.Health().Commits != commits {
		t.Errorf("an empty journal is erased again: %v", err)
	}
	s.Append(callFrom(callerShown, anna))
	s.flush()
	if s.today() != day+1 {
		t.Errorf("day %d", s.today())
	}
	check("another call", "030901820>anna")
	s.Close()
	s = b.open()
	check("opened again", "030901820>anna")
	s.Close()
	if err := os.WriteFile(filepath.Join(b.dir, fileName), old, 0o600); err != nil {
		t.Fatal(err)
	}
	s = b.open()
	same(t, "an old copy of the database", journalOf(t, s, staff(anna), Query{}))
	s.Close()
}

// TestSetJournalOften: a user who turns the own journal on and off for ever fills no trail, and
// whoever may change the plan still can.
func TestSetJournalOften(t *testing.T) {
	s := newBox(t).open()
	setPlan(t, s, testPlan())
	for i := range 3 * maxTurned {
		if err := s.SetJournal(t.Context(), staff(anna), anna, i%2 == 1); i < maxTurned && err != nil || i >= maxTurned && !errors.Is(err, ErrTooOften) && i%2 == 0 {
			t.Fatalf("time %d: %v", i, err)
		}
	}
	if err := s.SetJournal(t.Context(), staff(boris), boris, false); err != nil {
		t.Error(err)
	}
	if err := s.SetJournal(t.Context(), owner, anna, false); err != nil || s.JournalOn(anna) {
		t.Error(err)
	}
	s.at(time.Now().AddDate(0, 0, 1))
	if err := s.SetJournal(t.Context(), staff(anna), anna, true); err != nil || !s.JournalOn(anna) {
		t.Error(err)
	}
}

// TestEraseJournalPieces: a long one goes whole, too, and a call that ends meanwhile stays.
func TestEraseJournalPieces(t *testing.T) {
	s := newBox(t).open()
	setPlan(t, s, testPlan())
	for range 2600 {
		s.Append(callFrom(callerShown, anna))
	}
	s.flush()
	var other sync.WaitGroup
	other.Go(func() {
		for must(s.countJournal(t.Context(), 0)).All == 2600 {
			time.Sleep(time.Millisecond)
		}
		s.Append(callFrom(otherCaller, anna))
		s.flush()
	})
	if err := s.EraseJournal(t.Context(), staff(anna), anna); err != nil {
		t.Fatal(err)
	}
	other.Wait()
	if c := must(s.countJournal(t.Context(), 0)); c.All != 1 {
		t.Errorf("%d are left", c.All)
	}
	checkJournals(t, s)
}

// TestEraseJournalFails: when the keyring cannot be written it is no success, nothing is shown
// any more, and the next try is the end of it.
func TestEraseJournalFails(t *testing.T) {
	broken := errors.New("the root is on fire")
	fail := false
	_, s := office(t, func(step string, before bool) error {
		if fail && strings.HasPrefix(step, "fill") {
			return broken
		}
		return nil
	})
	fail = true
	if err := s.EraseJournal(t.Context(), staff(anna), anna); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	same(t, "half done", journalOf(t, s, staff(anna), Query{}))
	fail = false
	if err := s.EraseJournal(t.Context(), staff(anna), anna); err != nil || s.ring.Waiting() {
		t.Errorf("%v", err)
	}
	if c := must(s.countJournal(t.Context(), 0)); c.All != 5 { // boris's
		t.Errorf("%d entries", c.All)
	}
}
