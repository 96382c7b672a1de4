package storage

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"unicode"
	"unicode/utf8"

	"sotto/pbx/plan"
	"sotto/storage/password"
	"sotto/storage/policy"
)

// AccountID names an account for as long as it exists. It is made at random and says
// nothing about the person.
type AccountID string

// Account is somebody who can log in to the page. The name is personal data of the one
// who logs in, to be shown to that person, to who sees all accounts and to who is asked to agree
// to something by it. It logs and prints its id and role only.
type Account struct {
	ID   AccountID
	Name string
	Role Role
	User plan.UserID // of Staff: the user whose calls are the account's own, else empty

	MustChange bool // the password was made by [Store.ResetPassword]: nothing can be done but to change it
}

// Viewer is the account as one who looks: nobody while the password is to be changed.
func (a Account) Viewer() Viewer {
	if a.MustChange {
		return Viewer{Account: a.ID}
	}
	return Viewer{Role: a.Role, User: a.User, Account: a.ID}
}

// String gives id and role.
func (a Account) String() string { return fmt.Sprintf("account %s (%v)", a.ID, a.Role) }

// GoString is String, so that %#v shows no more than %v.
func (a Account) GoString() string { return a.String() }

// LogValue implements [slog.LogValuer].
func (a Account) LogValue() slog.Value { return slog.StringValue(a.String()) }

// MaxAccounts bounds the accounts of a box.
const MaxAccounts = 100

// MaxAccountName is how many characters the name of an account has at most.
const MaxAccountName = 64

// Errors of accounts. Those about a password or a name say what is wrong with it and hold
// nothing of it.
var (
	// ErrClaimed says that the box has an owner already.
	ErrClaimed = errors.New("this box has an owner already: log in")

	// ErrWrongLogIn says that name and password do not belong together: there is no such
	// account, or the password is another. Which of the two it was is not told.
	ErrWrongLogIn = errors.New("name or password is wrong")

	// ErrBusy says that too many log-ins are being checked at this moment.
	ErrBusy = errors.New("too many people log in at this moment: try again in a few seconds")

	// ErrPasswordLength says that a password is too short or too long.
	ErrPasswordLength = password.ErrLength

	// ErrPasswordIsName says that a password is the name of its account.
	ErrPasswordIsName = errors.New("the password is the name")

	// ErrAccountName says that the name of an account cannot be used.
	ErrAccountName = errors.New("a name has 1 to 64 characters, and no space at either end")

	// ErrNameTaken says that another account has this name, or one that differs in
	// capitals only.
	ErrNameTaken = errors.New("another account has this name")

	// ErrAccountRole says that role and user of an account do not go together.
	ErrAccountRole = errors.New("an account of staff is for a user of the plan, any other role is for none")

	// ErrTooManyAccounts says that there are [MaxAccounts].
	ErrTooManyAccounts = errors.New("there are as many accounts as the box takes: remove one")
)

func (a *account) public() Account { return Account{a.ID, a.Name, a.Role, a.User, a.Once != 0} }

// accounts are all accounts at one time; they never change once published.
type accounts struct {
	claimed bool // an owner was made, once; true even if the row is damaged now
	list    []*account
}

// named gives the account with this name, whatever its capitals, or nil.
func (l *accounts) named(name string) *account {
	for _, a := range l.list {
		if strings.EqualFold(a.Name, name) {
			return a
		}
	}
	return nil
}

func (l *accounts) byID(id AccountID) *account {
	for _, a := range l.list {
		if a.ID == id {
			return a
		}
	}
	return nil
}

// Claimed tells whether the box has an owner. It stays true when the owner's row is
// damaged: a box that was claimed is never free again but by a wipe.
func (s *Store) Claimed() bool { return s.accounts.Load().claimed }

// Account gives the account as it is now; false if there is none with this id any more.
// It reads memory only: a page asks at each request of a session.
func (s *Store) Account(id AccountID) (Account, bool) {
	a := s.accounts.Load().byID(id)
	if a == nil {
		return Account{}, false
	}
	return a.public(), true
}

// Claim makes the first account of the box, its owner, and returns once it is durable.
// [ErrClaimed] if there is one. Errors of name and password are those of
// [Store.AddAccount]. It does not need Run.
func (s *Store) Claim(ctx context.Context, name, password string) error {
	if s.Claimed() {
		return ErrClaimed
	}
	_, err := s.addAccount(ctx, look{stranger: true, what: claiming}, account{Name: name, Role: Owner}, password)
	return err
}

// AddAccount makes an account and returns it once it is durable. It needs the right
// policy.ChangeAccounts, else [ErrNotAllowed]. The user is that of an account of staff and must be in the plan; other
// roles have none: [ErrAccountRole]. The name is 1 to 64 characters, else
// [ErrAccountName], and no other account's, else [ErrNameTaken]. The password has 10 to
// 256 characters, taken as they are typed without a Unicode normal form, else
// [ErrPasswordLength], and is not the name, else [ErrPasswordIsName]. [ErrBusy] when too
// many passwords are being checked. It does not need Run.
func (s *Store) AddAccount(ctx context.Context, v Viewer, name, password string, role Role, user plan.UserID) (Account, error) {
	if !s.may(v, policy.ChangeAccounts) || !s.Claimed() {
		return Account{}, ErrNotAllowed
	}
	return s.addAccount(ctx, look{viewer: v, what: "add account", after: role.String()}, account{Name: name, Role: role, User: user}, password)
}

// checkAccount tells what is wrong with an account by itself.
func checkAccount(a *account, pw string) error {
	n := utf8.RuneCountInString(a.Name)
	switch {
	case n == 0, n > MaxAccountName, !utf8.ValidString(a.Name), strings.TrimSpace(a.Name) != a.Name,
		strings.ContainsFunc(a.Name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return ErrAccountName
	case !rolesUser(a.Role, a.User):
		return ErrAccountRole
	}
	return checkPassword(a.Name, pw)
}

// rolesUser tells whether a role and a user go together.
func rolesUser(role Role, user plan.UserID) bool {
	return role >= Owner && role <= Staff && (role == Staff) == (user != "")
}

func checkPassword(name, pw string) error {
	if err := password.Check(pw); err != nil {
		return err
	}
	if strings.EqualFold(pw, name) {
		return ErrPasswordIsName
	}
	return nil
}

// claiming is what is noted when the first account is made.
const claiming = "claim"

func (s *Store) addAccount(ctx context.Context, l look, a account, pw string) (Account, error) {
	if err := checkAccount(&a, pw); err != nil {
		return Account{}, err
	}
	var err error
	if a.Hash, err = s.hash(ctx, pw); err != nil {
		return Account{}, err
	}
	a.ID = AccountID(rand.Text())
	s.wmu.Lock()
	defer s.wmu.Unlock()
	if err := ctx.Err(); err != nil {
		return Account{}, err
	}
	old := s.accounts.Load()
	switch {
	case l.what == claiming && old.claimed:
		return Account{}, ErrClaimed
	case old.named(a.Name) != nil:
		return Account{}, ErrNameTaken
	case len(old.list) >= MaxAccounts:
		return Account{}, ErrTooManyAccounts
	case a.Role == Staff && s.plan.Load().users[a.User] == nil:
		return Account{}, ErrAccountRole
	}
	l.after = a.Role.String()
	if err := s.putAccount(&a, !old.claimed, l); err != nil {
		return Account{}, fmt.Errorf("save account: %w", err)
	}
	return a.public(), nil
}
