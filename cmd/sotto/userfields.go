package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"sotto/pbx/plan"
	"sotto/storage"
)

// list prints the users of the plan.
func (t *usersTask) list(ctx context.Context, store *storage.Store, d *desk) error {
	p, _, err := store.As(atTerminal).Plan(ctx)
	if err != nil {
		return err
	}
	type user struct {
		ID        plan.UserID `json:"id"`
		Ext       plan.Ext    `json:"extension"`
		Name      string      `json:"name"`
		Journal   bool        `json:"journal"`
		Protected bool        `json:"protected"`
		ShowOnly  bool        `json:"show_only"`
	}
	all := make([]user, len(p.Users))
	for i, u := range p.Users {
		all[i] = user{u.ID, u.Ext, u.Name, store.JournalOn(u.ID), u.Protected, u.ShowOnly}
	}
	if t.json {
		return printJSON(d.out, all)
	}
	tab := newTable(d.out, "extension", "name", "journal", "kept of the other end", "ID")
	for _, u := range all {
		journal, far := "on", "as set"
		if !u.Journal {
			journal = "off"
		}
		if u.Protected {
			far = "nothing"
		} else if u.ShowOnly {
			far = "no caller's number"
		}
		tab.row(string(u.Ext), u.Name, journal, far, string(u.ID))
	}
	return tab.end()
}

// fields tells what of users is kept beside name and extension, or sets it.
func (t *usersTask) fields(ctx context.Context, store *storage.Store, d *desk) error {
	p, rev := store.CurrentPlan()
	if t.word != "" {
		var err error
		if rev, err = t.setFields(ctx, store, d, &p, rev); err != nil {
			return fmt.Errorf("nothing was changed: %w", err)
		}
	}
	if t.json {
		return printJSON(d.out, struct {
			Revision storage.Rev  `json:"revision"`
			Fields   []plan.Field `json:"fields"`
		}{rev, append([]plan.Field{}, p.Fields...)})
	}
	words := "nothing more"
	if len(p.Fields) > 0 {
		words = strings.Join(names(p.Fields), ", ")
	}
	_, err := fmt.Fprintf(d.out, "Of users the box keeps name, extension, and: %s.\n", words)
	return err
}

func names(fields []plan.Field) (l []string) {
	for _, f := range fields {
		l = append(l, string(f))
	}
	return l
}

// setFields makes the fields of the word those of the plan p.
func (t *usersTask) setFields(ctx context.Context, store *storage.Store, d *desk, p *plan.Plan, rev storage.Rev) (storage.Rev, error) {
	var next []plan.Field
	if t.word != "none" {
		for _, name := range strings.Split(t.word, ",") {
			f := plan.Field(strings.TrimSpace(name))
			if !slices.Contains(plan.Fields(), f) {
				return rev, fmt.Errorf("the fields are %s, or none", strings.Join(names(plan.Fields()), ", "))
			}
			if !slices.Contains(next, f) {
				next = append(next, f)
			}
		}
	}
	gone := 0
	for _, f := range plan.Fields() {
		for i := range p.Users {
			if u := &p.Users[i]; u.Field(f) != "" && !slices.Contains(next, f) {
				u.SetField(f, "")
				gone++
			}
		}
	}
	if gone > 0 {
		d.say("This will delete %d values of users. Revisions of the plan from before keep them until they are replaced.\n", gone)
		if !t.yes {
			if err := d.confirm(ctx, "delete"); err != nil {
				return rev, err
			}
		}
	}
	p.Fields = next
	rev, err := store.SetPlan(ctx, atTerminal, rev, *p)
	if problems, ok := errors.AsType[plan.Problems](err); ok {
		err = fmt.Errorf("the plan that came of it has %d problems", len(problems))
	}
	return rev, err
}

// journal turns a user's journal on or off.
func (t *usersTask) journal(ctx context.Context, store *storage.Store, d *desk) error {
	who, err := planUser(store, plan.Ext(t.ext))
	if err != nil {
		return err
	}
	on := t.word == "on"
	if err := store.SetJournal(ctx, atTerminal, who, on); err != nil {
		return fmt.Errorf("nothing was changed: %w", err)
	}
	if t.json {
		return printJSON(d.out, struct {
			Journal bool `json:"journal"`
		}{on})
	}
	if on {
		d.say("The journal is on. It begins now: nothing from before comes back.\n")
	} else {
		d.say("The journal is off. What is in it stays for its term; the user can erase it.\n")
	}
	return nil
}
