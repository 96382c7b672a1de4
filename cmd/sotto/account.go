package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"

	"sotto/pbx/plan"
	"sotto/storage"
)

const accountUsage = `Usage: sotto account list
       sotto account add -account NAME -role ROLE [-user EXTENSION]
       sotto account role -account NAME -role ROLE [-user EXTENSION]
       sotto account reset -account NAME
       sotto account remove -account NAME

Lists who may log in to the page, and changes it. Roles are owner, admin, privacy-officer,
installer and staff; one of staff is for a user of the plan, by -user. The first account of a
box is its owner. add asks for a password twice, which does not show, or takes it as the next
two lines that are sent in. reset prints a new password once, for somebody who has lost theirs,
to be changed at the next log-in. Before an account is removed you type the word remove; what
it did stays in the audit trail under a pseudonym. A name on the command line stays in the
history of the shell: say - in its place and type it, or send it in as the first line.

It ends with 0, with 1 if nothing was changed, and with 3 if nobody logs in with this name.

`

// accountTask lists and changes accounts.
type accountTask struct {
	*common
	verb       string
	name       string
	role, user string
	newRole    storage.Role
}

func newAccount(c *common) task { return &accountTask{common: c} }

func (t *accountTask) flags(f *flag.FlagSet) {
	f.StringVar(&t.name, "account", "", "`name` of the account; - to be asked for it")
	f.StringVar(&t.role, "role", "", "`role` of the account")
	f.StringVar(&t.user, "user", "", "`extension` of the user that an account of staff is for")
	f.BoolVar(&t.yes, "yes", false, "do not ask")
	f.BoolVar(&t.json, "json", false, "print JSON, and all else to the standard error")
}

func (t *accountTask) check(words []string) (err error) {
	if len(words) != 1 {
		return errors.New("say one of list, add, role, reset and remove; -h tells more")
	}
	t.verb = words[0]
	switch t.verb {
	case "list":
		if t.name+t.role+t.user != "" {
			return errors.New("list is of all; -h tells more")
		}
	case "add", "role":
		if t.name == "" || t.role == "" {
			return errors.New("say -account and -role; -h tells more")
		}
		t.newRole, err = parseRole(t.role)
		if err == nil && (t.newRole == storage.Staff) != (t.user != "") {
			err = storage.ErrAccountRole
		}
	case "reset", "remove":
		if t.name == "" || t.role+t.user != "" {
			return errors.New("say -account and nothing else; -h tells more")
		}
	default:
		return errors.New("say one of list, add, role, reset and remove; -h tells more")
	}
	return err
}

func (t *accountTask) run(ctx context.Context, store *storage.Store, d *desk) error {
	if t.verb == "list" {
		return t.list(ctx, store, d)
	}
	name := t.name
	if name == "-" {
		var err error
		if name, err = d.ask(ctx, "Name, which does not show: ", true); err != nil {
			return err
		}
		name = strings.TrimSpace(name)
	}
	var a storage.Account
	var err error
	done := map[string]string{"add": "added", "role": "changed", "reset": "reset", "remove": "removed"}[t.verb]
	password := ""
	if t.verb == "add" {
		a, err = t.add(ctx, store, d, name)
	} else if a, err = account(ctx, store, name); err == nil {
		switch t.verb {
		case "role":
			var who plan.UserID
			if who, err = t.staffOf(store); err == nil {
				a, err = store.SetRole(ctx, atTerminal, a.ID, t.newRole, who)
			}
		case "reset":
			password, err = store.ResetPassword(ctx, atTerminal, a.ID)
		case "remove":
			err = t.remove(ctx, store, d, a)
		}
	}
	if err != nil {
		return err
	}
	if t.json {
		return printJSON(d.out, struct {
			Done     string `json:"done"`
			Account  string `json:"account"`
			Role     string `json:"role"`
			Password string `json:"password,omitempty"`
		}{done, string(a.ID), a.Role.String(), password})
	}
	d.say("The account is %s. Role: %v.\n", done, a.Role)
	if password != "" {
		_, err = fmt.Fprintf(d.out, "Password, told only now: %s\n", password)
	}
	return err
}

// list prints all accounts.
func (t *accountTask) list(ctx context.Context, store *storage.Store, d *desk) error {
	all, err := store.As(atTerminal).Accounts(ctx)
	if err != nil {
		return err
	}
	p, _ := store.CurrentPlan()
	exts := map[plan.UserID]plan.Ext{}
	for _, u := range p.Users {
		exts[u.ID] = u.Ext
	}
	if t.json {
		type one struct {
			Account string   `json:"account"`
			Name    string   `json:"name"`
			Role    string   `json:"role"`
			Ext     plan.Ext `json:"extension,omitempty"`
		}
		list := make([]one, len(all))
		for i, a := range all {
			list[i] = one{string(a.ID), a.Name, a.Role.String(), exts[a.User]}
		}
		return printJSON(d.out, list)
	}
	if len(all) == 0 {
		_, err := io.WriteString(d.out, "There is no account yet.\n")
		return err
	}
	tab := newTable(d.out, "name", "role", "extension")
	for _, a := range all {
		tab.row(a.Name, a.Role.String(), string(exts[a.User]))
	}
	return tab.end()
}

// staffOf gives the user that -user names, none without it.
func (t *accountTask) staffOf(store *storage.Store) (plan.UserID, error) {
	if t.user == "" {
		return "", nil
	}
	return planUser(store, plan.Ext(t.user))
}

// add asks for the password and makes the account; the first one is the owner.
func (t *accountTask) add(ctx context.Context, store *storage.Store, d *desk, name string) (storage.Account, error) {
	first := !store.Claimed()
	if first && t.newRole != storage.Owner {
		return storage.Account{}, errors.New("this box has no owner yet: the first account is the owner's")
	}
	who, err := t.staffOf(store)
	if err != nil {
		return storage.Account{}, err
	}
	password, err := d.ask(ctx, "Password, which does not show: ", true)
	if err != nil {
		return storage.Account{}, err
	}
	again, err := d.ask(ctx, "The same again: ", true)
	if err == nil && again != password {
		err = errors.New("the two are not the same")
	}
	if err != nil {
		return storage.Account{}, err
	}
	if first {
		if err := store.Claim(ctx, name, password); err != nil {
			return storage.Account{}, err
		}
		return account(ctx, store, name)
	}
	return store.AddAccount(ctx, atTerminal, name, password, t.newRole, who)
}

// remove asks, and removes.
func (t *accountTask) remove(ctx context.Context, store *storage.Store, d *desk, a storage.Account) error {
	if !t.yes {
		d.say("Somebody with the role %v logs in with this name, and cannot any more then.\n", a.Role)
		if err := d.confirm(ctx, "remove"); err != nil {
			return fmt.Errorf("nothing was removed: %w", err)
		}
	}
	return store.RemoveAccount(ctx, atTerminal, a.ID)
}
