package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"

	"sotto/pbx/number"
	"sotto/pbx/plan"
	"sotto/storage"
)

// whose is what names a person on the command line. A number or a name there stays in the
// history of the shell: - in its place has it asked for.
type whose struct{ number, user, account string }

func (w *whose) flags(f *flag.FlagSet) {
	f.StringVar(&w.number, "number", "", "`number` outside, in any form; - to be asked for it")
	f.StringVar(&w.user, "user", "", "`extension` of a user of the plan, or of one who has left it")
	f.StringVar(&w.account, "account", "", "`name` that somebody logs in to the page with, in any case; - to be asked for it")
}

// named tells whether somebody is named, oneNamed whether exactly one is.
func (w *whose) named() bool    { return w.number != "" || w.user != "" || w.account != "" }
func (w *whose) oneNamed() bool { return one(w.number != "", w.user != "", w.account != "") }

// person gives who that is.
func (w *whose) person(ctx context.Context, store *storage.Store, d *desk) (storage.Person, error) {
	if w.user != "" {
		return user(ctx, store, plan.Ext(w.user))
	}
	typed, prompt := w.number, "Number, which does not show: "
	if w.account != "" {
		typed, prompt = w.account, "Name, which does not show: "
	}
	if typed == "-" {
		var err error
		if typed, err = d.ask(ctx, prompt, true); err != nil {
			return storage.Person{}, err
		}
	}
	typed = strings.TrimSpace(typed)
	if w.account != "" {
		a, err := account(ctx, store, typed)
		return storage.Person{Account: a.ID}, err
	}
	n, err := number.Parse(typed)
	if err == nil && n.IsZero() {
		err = number.ErrNumber
	}
	return storage.Person{Number: n}, err
}

// unknown says that nothing is kept of a person. Of a number there may be calls that nothing
// leads to any more.
func unknown(p storage.Person) error {
	if p.User == "" && p.Account == "" {
		return fmt.Errorf("%w; calls whose last digits are gone cannot be found by a number any more", storage.ErrUnknownPerson)
	}
	return storage.ErrUnknownPerson
}

// user gives who has an extension today, or else the one user who had it and has left the plan.
func user(ctx context.Context, store *storage.Store, ext plan.Ext) (storage.Person, error) {
	if id, err := planUser(store, ext); err == nil {
		return storage.Person{User: id}, nil
	}
	former, err := store.As(atTerminal).FormerUsers(ctx)
	if err != nil {
		return storage.Person{}, err
	}
	former = slices.DeleteFunc(former, func(u storage.FormerUser) bool { return u.User.Ext != ext })
	switch len(former) {
	case 0:
		return storage.Person{}, exitError{errors.New("nobody has this extension, and no user who has left the plan had it"), exitUnknown}
	case 1:
		return storage.Person{User: former[0].ID}, nil
	}
	return storage.Person{}, errors.New("nothing was done: several users had this extension and have left the plan: choose on the page, under Privacy, which shows their names")
}

// planUser gives the user of the plan who has an extension.
func planUser(store *storage.Store, ext plan.Ext) (plan.UserID, error) {
	p, _ := store.CurrentPlan()
	for _, u := range p.Users {
		if u.Ext == ext {
			return u.ID, nil
		}
	}
	return "", exitError{errors.New("the plan has no user with this extension"), exitUnknown}
}

// account gives who logs in with a name.
func account(ctx context.Context, store *storage.Store, name string) (storage.Account, error) {
	all, err := store.As(atTerminal).Accounts(ctx)
	if err != nil {
		return storage.Account{}, fmt.Errorf("read accounts: %w", err)
	}
	for _, a := range all {
		if strings.EqualFold(a.Name, name) { // as the log-in takes it
			return a, nil
		}
	}
	return storage.Account{}, exitError{errors.New("nobody logs in with this name"), exitUnknown}
}
