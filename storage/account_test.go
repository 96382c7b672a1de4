package storage

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"sotto/pbx/plan"
	"sotto/storage/password"
)

// The owner of test boxes.
const (
	ownerName     = "Rhabarberfürst"
	ownerPassword = "Kirschkern & 7 Zwerge"
)

// hurry lets hashes of this store cost next to nothing.
func (s *Store) hurry() {
	s.cost = password.Cost{Memory: 8, Time: 1, Lanes: 1}
	s.nobody = password.Nobody(s.cost)
}

func (s *Store) claim(t *testing.T) {
	t.Helper()
	s.hurry()
	if err := s.Claim(t.Context(), ownerName, ownerPassword); err != nil {
		t.Fatal(err)
	}
}

// TestClaim: an owner is made once, and can log in, then and after a restart.
func TestClaim(t *testing.T) {
	b := newBox(t)
	s := b.open() // at the full cost
	if s.Claimed() {
		t.Fatal("claimed by nobody")
	}
	if _, err := s.AddAccount(t.Context(), owner, "x", ownerPassword, Admin, ""); !errors.Is(err, ErrNotAllowed) {
		t.Errorf("an account before there is an owner: %v", err)
	}
	if _, err := s.LogIn(t.Context(), ownerName, ownerPassword); !errors.Is(err, ErrWrongLogIn) {
		t.Errorf("log-in before there is an owner: %v", err)
	}
	if err := s.Claim(t.Context(), ownerName, ownerPassword); err != nil {
		t.Fatal(err)
	}
	var first Account
	for range 2 {
		if err := s.Claim(t.Context(), "somebody else", "another password"); !errors.Is(err, ErrClaimed) || !s.Claimed() {
			t.Errorf("a second claim: %v", err)
		}
		a, err := s.LogIn(t.Context(), ownerName, ownerPassword)
		if err != nil || a.Name != ownerName || a.Role != Owner || a.User != "" || a.ID == "" || first.ID != "" && a != first {
			t.Fatal(a, err)
		}
		if a.Viewer() != (Viewer{Role: Owner, Account: a.ID}) {
			t.Errorf("%+v", a.Viewer())
		}
		if got, ok := s.Account(a.ID); !ok || got != a {
			t.Error("not found by its id")
		}
		if got := s.accounts.Load().list[0].Hash; got.Cost != password.Default {
			t.Errorf("a hash of cost %+v", got.Cost)
		}
		first = a
		s.Close()
		s = b.open()
	}
	if text := fmt.Sprintf("%v %+v %#v %+v", first, &first, first, []Account{first}); strings.Contains(text, ownerName) {
		t.Errorf("an account prints its name: %s", text)
	}
	if _, ok := s.Account(""); ok {
		t.Error("an account without an id")
	}
}

// TestClaimOnce: of many at the same time, one wins.
func TestClaimOnce(t *testing.T) {
	s := newBox(t).open()
	s.hurry()
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wg.Go(func() { errs[i] = s.Claim(t.Context(), fmt.Sprint("claims ", i), ownerPassword) })
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else if !errors.Is(err, ErrClaimed) {
			t.Error(err)
		}
	}
	if won != 1 || len(s.accounts.Load().list) != 1 || rowsIn(s, bucketAccounts) != 1 {
		t.Errorf("%d claims, %d accounts", won, len(s.accounts.Load().list))
	}
}

// TestAccountInput: what cannot be a name or password is refused, and the text of the
// error holds none of it.
func TestAccountInput(t *testing.T) {
	s := newBox(t).open()
	s.hurry()
	long := strings.Repeat("ß", 64)
	for _, c := range []struct {
		name, password string
		want           error
	}{
		{"", ownerPassword, ErrAccountName},
		{" ", ownerPassword, ErrAccountName},
		{"Anna ", ownerPassword, ErrAccountName},
		{"\tAnna", ownerPassword, ErrAccountName},
		{"An\nna", ownerPassword, ErrAccountName},
		{"An\x00na", ownerPassword, ErrAccountName},
		{"An\u202ena", ownerPassword, ErrAccountName}, // turns the direction of writing
		{"An\xffna", ownerPassword, ErrAccountName},
		{long + "ß", ownerPassword, ErrAccountName},
		{"Anna", "", ErrPasswordLength},
		{"Anna", "123456789", ErrPasswordLength},
		{"Anna", strings.Repeat("x", 257), ErrPasswordLength},
		{"Anna", strings.Repeat("x", 1<<20), ErrPasswordLength},
		{"Anna", "not text \xff\xff", ErrPasswordLength},
		{"Quittenkompott", "quittenKOMPOTT", ErrPasswordIsName},
		{long, strings.Repeat("𝄞", 256), nil},
	} {
		err := s.Claim(t.Context(), c.name, c.password)
		if !errors.Is(err, c.want) {
			t.Errorf("%.20q, %.20q: %v, want %v", c.name, c.password, err, c.want)
		}
		if err != nil && (s.Claimed() || strings.Contains(err.Error(), "ompott")) {
			t.Errorf("%.20q: %v", c.name, err)
		}
	}
	if _, err := s.LogIn(t.Context(), long, strings.Repeat("𝄞", 256)); err != nil {
		t.Error(err)
	}
}

// TestAddAccount: who may, what goes together, and what each then is.
func TestAddAccount(t *testing.T) {
	b := newBox(t)
	s := b.open()
	s.claim(t)
	setPlan(t, s, testPlan())
	for _, v := range []Viewer{{}, {Role: Admin}, {Role: PrivacyOfficer}, {Role: Installer}, {Role: Staff, User: anna}, {Role: 99}} {
		if _, err := s.AddAccount(t.Context(), v, "x", ownerPassword, Admin, ""); !errors.Is(err, ErrNotAllowed) {
			t.Errorf("%v adds an account: %v", v.Role, err)
		}
	}
	for _, c := range []struct {
		name string
		role Role
		user plan.UserID
		want error
	}{
		{"admin", Admin, "", nil},
		{"officer", PrivacyOfficer, "", nil},
		{"installer", Installer, "", nil},
		{"Apfelmus-Gehilfin", Staff, anna, nil},
		{"second owner", Owner, "", nil},
		{"INSTALLER", Admin, "", ErrNameTaken},
		{"rhabarberFÜRST", Admin, "", ErrNameTaken},
		{"a", 0, "", ErrAccountRole},
		{"a", 6, "", ErrAccountRole},
		{"a", Staff, "", ErrAccountRole},
		{"a", Staff, "gone", ErrAccountRole},
		{"a", Admin, anna, ErrAccountRole},
	} {
		a, err := s.AddAccount(t.Context(), owner, c.name, "password of "+c.name, c.role, c.user)
		if !errors.Is(err, c.want) || err == nil && (a.Name != c.name || a.Role != c.role || a.User != c.user) {
			t.Errorf("%s, %v: %v, %v", c.name, c.role, a, err)
		}
		if err != nil {
			continue
		}
		got, err := s.LogIn(t.Context(), strings.ToUpper(c.name), "password of "+c.name)
		if err != nil || got != a || got.Viewer() != (Viewer{c.role, c.user, a.ID}) {
			t.Errorf("%s logs in: %v, %v", c.name, got, err)
		}
	}
	for i := len(s.accounts.Load().list); i <= MaxAccounts; i++ {
		_, err := s.AddAccount(t.Context(), owner, fmt.Sprint("one of many ", i), ownerPassword, Installer, "")
		if full := i == MaxAccounts; full != errors.Is(err, ErrTooManyAccounts) || !full && err != nil {
			t.Fatalf("account %d: %v", i, err)
		}
	}
	s.Close()
	s = b.open()
	if n := len(s.accounts.Load().list); n != MaxAccounts || s.Health().Unreadable != 0 {
		t.Errorf("%d accounts after a restart", n)
	}
}

// TestAccountRace reads and changes accounts from many goroutines; it is for the race
// detector.
func TestAccountRace(t *testing.T) {
	s := newBox(t).open()
	s.claim(t)
	setPlan(t, s, testPlan())
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			name := fmt.Sprint("account ", i)
			a, err := s.AddAccount(t.Context(), owner, name, ownerPassword, Staff, anna)
			if err != nil {
				t.Error(err)
				return
			}
			for range 10 {
				if _, err := s.LogIn(t.Context(), name, ownerPassword); err != nil && err != ErrBusy {
					t.Error(err)
				}
				if _, ok := s.Account(a.ID); !ok {
					t.Error("gone")
				}
				s.Claimed()
				s.Health()
			}
			if err := s.ChangePassword(t.Context(), a.ID, ownerPassword, "another password"); err != nil && err != ErrBusy {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(s.accounts.Load().list) != 5 {
		t.Errorf("%d accounts", len(s.accounts.Load().list))
	}
}

func TestAccountsList(t *testing.T) {
	b := newBox(t)
	s := b.open()
	if err := s.Claim(t.Context(), "zoe", "correct horse battery"); err != nil {
		t.Fatal(err)
	}
	must(s.AddAccount(t.Context(), owner, "Adam", "correct horse battery", Installer, ""))
	list := must(s.As(owner).Accounts(t.Context()))
	if len(list) != 2 || list[0].Name != "Adam" || list[0].Role != Installer || list[1].Name != "zoe" {
		t.Errorf("%v", list)
	}
	for _, r := range []Role{0, Admin, PrivacyOfficer, Installer, Staff} {
		if list, err := s.As(Viewer{Role: r}).Accounts(t.Context()); !errors.Is(err, ErrNotAllowed) || list != nil {
			t.Errorf("%v: %v", r, err)
		}
	}
}
