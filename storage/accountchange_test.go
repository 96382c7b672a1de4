package storage

import (
	"errors"
	"strings"
	"testing"

	"sotto/storage/keyring"
)

// TestChangeAccounts: roles are changed, accounts taken away and passwords made anew, and never
// so that nobody could rule the box.
func TestChangeAccounts(t *testing.T) {
	b := newBox(t)
	s := b.open()
	s.claim(t)
	setPlan(t, s, testPlan())
	first := must(s.LogIn(t.Context(), ownerName, ownerPassword))
	helper := must(s.AddAccount(t.Context(), owner, "Apfelmus-Gehilfin", ownerPassword, Admin, ""))
	v := first.Viewer()

	for _, c := range []struct {
		what string
		err  error
		do   func() error
	}{
		{"an admin", ErrNotAllowed, func() error { _, err := s.SetRole(t.Context(), helper.Viewer(), helper.ID, Owner, ""); return err }},
		{"an admin", ErrNotAllowed, func() error { return s.RemoveAccount(t.Context(), helper.Viewer(), first.ID) }},
		{"an admin", ErrNotAllowed, func() error { _, err := s.ResetPassword(t.Context(), helper.Viewer(), first.ID); return err }},
		{"the last owner", ErrLastOwner, func() error { _, err := s.SetRole(t.Context(), v, first.ID, Admin, ""); return err }},
		{"the last owner", ErrLastOwner, func() error { return s.RemoveAccount(t.Context(), v, first.ID) }},
		{"staff of nobody", ErrAccountRole, func() error { _, err := s.SetRole(t.Context(), v, helper.ID, Staff, ""); return err }},
		{"staff of a stranger", ErrAccountRole, func() error { _, err := s.SetRole(t.Context(), v, helper.ID, Staff, "stranger"); return err }},
		{"an admin with a user", ErrAccountRole, func() error { _, err := s.SetRole(t.Context(), v, helper.ID, Admin, anna); return err }},
		{"no role", ErrAccountRole, func() error { _, err := s.SetRole(t.Context(), v, helper.ID, 99, ""); return err }},
		{"no account", ErrUnknownAccount, func() error { _, err := s.SetRole(t.Context(), v, "gone", Admin, ""); return err }},
		{"no account", ErrUnknownAccount, func() error { return s.RemoveAccount(t.Context(), v, "gone") }},
		{"no account", ErrUnknownAccount, func() error { _, err := s.ResetPassword(t.Context(), v, "gone"); return err }},
		{"the own account", ErrOwnPassword, func() error { _, err := s.ResetPassword(t.Context(), v, first.ID); return err }},
	} {
		if err := c.do(); !errors.Is(err, c.err) {
			t.Errorf("%s: %v, want %v", c.what, err, c.err)
		}
	}

	a, err := s.SetRole(t.Context(), v, helper.ID, Staff, anna)
	if err != nil || a.Role != Staff || a.User != anna || a.Name != helper.Name || a.ID != helper.ID {
		t.Fatal(a, err)
	}
	if now, ok := s.Account(helper.ID); !ok || now != a {
		t.Error("a session does not see the role")
	}
	s.Close()
	s = b.open()
	s.hurry()
	if got := must(s.LogIn(t.Context(), helper.Name, ownerPassword)); got != a {
		t.Errorf("after a restart: %v", got)
	}
	if a = must(s.SetRole(t.Context(), v, helper.ID, Owner, "")); a.Role != Owner || a.User != "" {
		t.Errorf("%v", a)
	}
	if _, err := s.SetRole(t.Context(), v, first.ID, PrivacyOfficer, ""); err != nil {
		t.Errorf("one of two owners: %v", err)
	}
	if _, err := s.SetRole(t.Context(), owner, helper.ID, Admin, ""); !errors.Is(err, ErrLastOwner) {
		t.Errorf("the other owner: %v", err)
	}
	s.keeper.lonely = false
	if err := s.RemoveAccount(t.Context(), owner, first.ID); err != nil || !s.keeper.lonely {
		t.Fatal(err)
	}
	if _, ok := s.Account(first.ID); ok {
		t.Error("the account is still there")
	}
	if _, err := s.LogIn(t.Context(), ownerName, ownerPassword); !errors.Is(err, ErrWrongLogIn) {
		t.Errorf("log-in to an account that was removed: %v", err)
	}
	subject, _ := s.ring.Lookup(keyring.Admin, string(first.ID))
	s.wmu.Lock()
	err = s.lonely()
	s.wmu.Unlock()
	if _, _, known := s.ring.Name(subject); err != nil || known {
		t.Error("the keyring still knows who was removed")
	}
	s.Close()
	if s = b.open(); len(s.accounts.Load().list) != 1 || s.Health().Unreadable != 0 {
		t.Errorf("%d accounts after a restart, %d unreadable", len(s.accounts.Load().list), s.Health().Unreadable)
	}
}

// TestResetPassword: who logs in with a password that somebody else has made is nobody until it
// is changed.
func TestResetPassword(t *testing.T) {
	b := newBox(t)
	s := b.open()
	s.claim(t)
	setPlan(t, s, testPlan())
	helper := must(s.AddAccount(t.Context(), owner, "Apfelmus-Gehilfin", ownerPassword, Admin, ""))
	once, err := s.ResetPassword(t.Context(), owner, helper.ID)
	if err != nil || len(once) < 20 {
		t.Fatal(err)
	}
	if again := must(s.ResetPassword(t.Context(), owner, helper.ID)); again == once {
		t.Error("the same password twice")
	} else {
		once = again
	}
	if _, err := s.LogIn(t.Context(), helper.Name, ownerPassword); !errors.Is(err, ErrWrongLogIn) {
		t.Errorf("the old password: %v", err)
	}
	for range 2 {
		a, err := s.LogIn(t.Context(), helper.Name, once)
		if err != nil || !a.MustChange || a.Role != Admin {
			t.Fatal(a, err)
		}
		if now, _ := s.Account(helper.ID); now.Viewer() != (Viewer{Account: helper.ID}) {
			t.Errorf("a session of before is %+v", now.Viewer())
		}
		if _, _, err := s.As(a.Viewer()).Plan(t.Context()); !errors.Is(err, ErrNotAllowed) {
			t.Errorf("sees the plan: %v", err)
		}
		s.Close()
		s = b.open()
		s.hurry()
	}
	if err := s.ChangePassword(t.Context(), helper.ID, once, "a word of my own"); err != nil {
		t.Fatal(err)
	}
	a, err := s.LogIn(t.Context(), helper.Name, "a word of my own")
	if err != nil || a.MustChange || a.Viewer() != (Viewer{Role: Admin, Account: helper.ID}) {
		t.Fatal(a, err)
	}
	if _, err := s.LogIn(t.Context(), helper.Name, once); !errors.Is(err, ErrWrongLogIn) {
		t.Errorf("the password works twice: %v", err)
	}
	if strings.Contains(b.log.String(), once) {
		t.Error("the log holds the password")
	}
}
