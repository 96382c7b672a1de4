package storage

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"sotto/storage/password"
)

// TestLogIn: whatever is wrong, the answer is the same, and it waits for its turn to be
// checked.
func TestLogIn(t *testing.T) {
	s := newBox(t).open()
	s.claim(t)
	if s.nobody.Cost != s.accounts.Load().list[0].Hash.Cost {
		t.Error("a name that nobody has costs another time")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	wrong := [][2]string{
		{ownerName, ""}, {ownerName, "wrong password"}, {ownerName, ownerPassword + " "}, {ownerName, strings.Repeat("x", 1<<20)},
		{ownerName, strings.ToUpper(ownerPassword)}, {"nobody", ownerPassword}, {"", ""}, {strings.Repeat("x", 1<<20), ownerPassword}, {"\xff", "\xff"},
	}
	for i, c := range wrong {
		a, err := s.LogIn(t.Context(), c[0], c[1])
		if err != ErrWrongLogIn || a != (Account{}) || s.Health().LogInsFailed != uint64(i+1) {
			t.Errorf("case %d: %v, %d counted", i, err, s.Health().LogInsFailed)
		}
		s.gate.turn <- struct{}{}
		if _, err := s.LogIn(ctx, c[0], c[1]); !errors.Is(err, context.Canceled) {
			t.Errorf("case %d is answered without a check: %v", i, err)
		}
		<-s.gate.turn
	}
	if h := s.Health(); h.LogInsFailed != uint64(len(wrong)) || h.LogInsBusy != 0 || s.gate.waiting.Load() != 0 {
		t.Errorf("%+v", h)
	}
}

// TestGate: one is checked at a time, some wait, and all others are sent away at once.
func TestGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newBox(t).open()
		s.claim(t)
		s.gate.turn <- struct{}{} // somebody's password is being checked
		s.gate.waiting.Add(1)
		var wg sync.WaitGroup
		var mu sync.Mutex
		var good int
		for range maxWaiting {
			wg.Go(func() {
				_, err := s.LogIn(t.Context(), ownerName, ownerPassword)
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					good++
				}
			})
		}
		synctest.Wait()
		for i := range 1000 {
			if _, err := s.LogIn(t.Context(), "x", "x"); err != ErrBusy || s.Health().LogInsBusy != uint64(i+1) {
				t.Fatalf("one too many: %v", err)
			}
		}
		if err := s.ChangePassword(t.Context(), s.accounts.Load().list[0].ID, "x", "another password"); err != ErrBusy {
			t.Errorf("a change: %v", err)
		}
		if good != 0 {
			t.Error("two at a time")
		}
		s.leave()
		wg.Wait()
		if good != maxWaiting || s.gate.waiting.Load() != 0 {
			t.Errorf("%d of %d got their turn", good, maxWaiting)
		}
	})
}

// TestLogInMeanwhile: a log-in that waits for its turn does not outlive the password that it
// is with, nor its account.
func TestLogInMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newBox(t).open()
		s.claim(t)
		setPlan(t, s, testPlan())
		must(s.AddAccount(t.Context(), owner, "Anna", ownerPassword, Staff, anna))
		s.gate.turn <- struct{}{}
		s.gate.waiting.Add(1)
		var wg sync.WaitGroup
		for _, name := range []string{ownerName, "Anna"} {
			wg.Go(func() {
				if a, err := s.LogIn(t.Context(), name, ownerPassword); err != ErrWrongLogIn {
					t.Errorf("logged in all the same: %v, %v", a, err)
				}
			})
		}
		synctest.Wait()
		changed := *s.accounts.Load().named(ownerName)
		changed.Hash = password.New("another password", s.cost)
		s.wmu.Lock()
		s.putAccount(&changed, false, look{})
		s.wmu.Unlock()
		p := testPlan()
		p.Users = p.Users[1:]
		setPlan(t, s, p)
		s.leave()
		wg.Wait()
	})
}

func TestChangePassword(t *testing.T) {
	b := newBox(t)
	s := b.open()
	s.claim(t)
	a := must(s.LogIn(t.Context(), ownerName, ownerPassword))
	const next = "Quittenkompott 8"
	for _, c := range []struct {
		id            AccountID
		current, next string
		want          error
	}{
		{a.ID, "wrong password", next, ErrWrongLogIn},
		{"nobody", ownerPassword, next, ErrWrongLogIn},
		{a.ID, ownerPassword, "short", ErrPasswordLength},
		{a.ID, ownerPassword, ownerName, ErrPasswordIsName},
		{a.ID, ownerPassword, next, nil},
		{a.ID, ownerPassword, next, ErrWrongLogIn},
	} {
		if err := s.ChangePassword(t.Context(), c.id, c.current, c.next); !errors.Is(err, c.want) {
			t.Errorf("%q: %v, want %v", c.next, err, c.want)
		}
	}
	for range 2 {
		if got, err := s.LogIn(t.Context(), ownerName, next); err != nil || got != a {
			t.Errorf("with the new one: %v", err)
		}
		if _, err := s.LogIn(t.Context(), ownerName, ownerPassword); err != ErrWrongLogIn {
			t.Errorf("with the old one: %v", err)
		}
		if rowsIn(s, bucketAccounts) != 1 {
			t.Error("two rows")
		}
		s.Close()
		s = b.open()
		s.hurry()
	}
}

// TestAccountAudit: log-ins and changes are noted, and what cannot be noted is refused.
func TestAccountAudit(t *testing.T) {
	s := newBox(t).open()
	s.hurry()
	s.Claim(t.Context(), ownerName, ownerPassword)
	a := must(s.LogIn(t.Context(), ownerName, ownerPassword))
	s.LogIn(t.Context(), ownerName, "wrong password")
	s.AddAccount(t.Context(), a.Viewer(), "x", ownerPassword, Admin, "")
	s.ChangePassword(t.Context(), a.ID, ownerPassword, "another password")
	if err := s.CheckPassword(t.Context(), a.ID, "another password"); err != nil { // makes no line
		t.Error(err)
	}
	if err := s.CheckPassword(t.Context(), a.ID, ownerPassword); err != ErrWrongLogIn {
		t.Error(err)
	}
	if err := s.CheckPassword(t.Context(), "nobody", ownerPassword); err != ErrWrongLogIn {
		t.Error(err)
	}
	wantTrail(t, s, 1, "stranger: claim [ > owner]", "account owner: log in", "stranger: failed log-in",
		"account owner: add account [ > admin]", "account owner: change password 1", "account owner: wrong password for a change")
	answer := ErrDown
	s.wmu.Lock()
	s.broken = true
	s.wmu.Unlock()
	if got, err := s.LogIn(t.Context(), ownerName, "another password"); !errors.Is(err, answer) || got != (Account{}) {
		t.Errorf("log in: %v", err)
	}
	if _, err := s.LogIn(t.Context(), ownerName, "wrong password"); err == nil {
		t.Error("logged in")
	}
	if _, err := s.AddAccount(t.Context(), a.Viewer(), "y", ownerPassword, Admin, ""); !errors.Is(err, answer) || len(s.accounts.Load().list) != 2 {
		t.Errorf("add account: %v", err)
	}
	if err := s.ChangePassword(t.Context(), a.ID, "another password", ownerPassword); !errors.Is(err, answer) {
		t.Errorf("change password: %v", err)
	}
}
