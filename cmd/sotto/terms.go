package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"

	"sotto/storage"
	"sotto/storage/policy"
)

const termsUsage = `Usage: sotto terms [flags]
       sotto terms [flags] [-preset COUNTRY] [-set records=21,digits=3]
       sotto terms [flags] -proofs [-from DATE] [-until DATE]

Without a change: shows for each kind of data how many days it is kept, how much of it is
here, from when the oldest is, and what the preset of the country would be. With -preset or
-set it shows what would change and how much that deletes, asks for the word delete if it
deletes anything, and changes it. A box that runs deletes soon after, a stopped one when it
runs again. A longer term brings nothing back. -proofs prints what the box found each day
when it checked that nothing is older than it may be.

-set takes, apart by commas: digits, records, journal, counts, messages, recordings,
removed, traces and audit, each with a number of days; cut=3 or 4, the last digits that are
masked and go first; record.internal, record.incoming, record.outgoing and record.failed,
yes or no; unmask.minutes; unmask.second, yes or no; and how a role sees outside numbers,
as in numbers.admin=none.

It ends with 0, or with 1 if nothing was changed, or if -proofs finds one that failed.

`

// termsTask shows and sets how long things are kept.
type termsTask struct {
	*common
	span
	set, preset string
	proofs      bool
}

func newTerms(c *common) task { return &termsTask{common: c} }

func (t *termsTask) flags(f *flag.FlagSet) {
	f.StringVar(&t.set, "set", "", "what to change, as `records=21,digits=3`")
	f.StringVar(&t.preset, "preset", "", "begin with the preset of a `country`, such as DE, or with the general one")
	f.BoolVar(&t.proofs, "proofs", false, "print the daily proofs, the oldest first")
	t.span.flags(f)
	f.BoolVar(&t.yes, "yes", false, "do not ask")
	f.BoolVar(&t.progress, "progress", false, "tell how long counting takes, also where no terminal is")
	f.BoolVar(&t.json, "json", false, "print JSON, and all else to the standard error")
}

func (t *termsTask) check(words []string) error {
	if t.proofs && (t.set != "" || t.preset != "") {
		return errors.New("say -proofs or a change, not both; -h tells more")
	}
	if err := t.span.check(); err != nil {
		return err
	}
	if t.span.said() && !t.proofs {
		return errors.New("-from and -until are for -proofs; -h tells more")
	}
	return noWords(words)
}

func (t *termsTask) run(ctx context.Context, store *storage.Store, d *desk) error {
	r := store.As(atTerminal)
	if t.proofs {
		return t.printProofs(ctx, r, d)
	}
	now, rev, err := r.Settings(ctx)
	if err != nil {
		return err
	}
	if t.set == "" && t.preset == "" {
		list, err := preview(ctx, r, d, now)
		if err != nil {
			return err
		}
		return t.print(d.out, now, rev, list)
	}
	next, err := t.changed(now)
	if err != nil {
		return fmt.Errorf("nothing was changed: %w", err)
	}
	list, err := preview(ctx, r, d, next)
	if err != nil {
		return fmt.Errorf("nothing was changed: %w", err)
	}
	diff := policy.Compare(now, next)
	if len(diff) == 0 {
		d.say("All of it is so already.\n")
		return t.told(d, rev, diff, nil)
	}
	more := diff.More()
	for _, c := range diff {
		if c.Way != policy.More {
			d.say("%s.\n", c)
		}
	}
	if len(more) > 0 {
		d.say("With this the box collects, keeps or shows more, which the audit trail notes:\n")
	}
	for _, c := range more {
		d.say("%s.\n", c)
	}
	goes := slices.DeleteFunc(slices.Clone(list), func(p storage.Preview) bool { return p.Goes == 0 })
	for _, p := range goes {
		d.say("This will delete %d %s from before %s.\n", p.Goes, kindWords[p.Kind], date(p.Before))
	}
	if len(goes) > 0 && !t.yes {
		if err := d.confirm(ctx, "delete"); err != nil {
			return fmt.Errorf("nothing was changed: %w", err)
		}
	}
	rev, diff, err = store.SetSettings(ctx, atTerminal, rev, next)
	if err != nil {
		return fmt.Errorf("nothing was changed: %w", err)
	}
	d.say("This is set now.\n")
	return t.told(d, rev, diff, goes)
}

// preview counts what is here and what of that settings would delete.
func preview(ctx context.Context, r *storage.Reader, d *desk, s policy.Settings) ([]storage.Preview, error) {
	defer d.working("counting")()
	return r.PreviewSettings(ctx, s)
}

// kindWords says of how many what there are.
var kindWords = map[policy.Kind]string{
	policy.Digits: "endings of numbers", policy.Records: "call records", policy.Journal: "entries of journals", policy.Counts: "days of counts",
	policy.Messages: "voice messages", policy.Recordings: "recordings", policy.Removed: "users who have left", policy.Traces: "traces", policy.Audit: "lines of the audit trail and of the ledger",
}

// print prints the terms of now.
func (t *termsTask) print(w io.Writer, now policy.Settings, rev storage.Rev, list []storage.Preview) error {
	preset := policy.Preset(now.Country)
	if t.json {
		type term struct {
			Kind   policy.Kind `json:"kind"`
			Days   int         `json:"days"`
			Preset int         `json:"preset"`
			Here   int         `json:"here"`
			Oldest string      `json:"oldest,omitempty"`
		}
		all := make([]term, len(list))
		for i, p := range list {
			all[i] = term{p.Kind, p.Days, preset.Keep[p.Kind], p.Here, date(p.Oldest)}
		}
		return printJSON(w, struct {
			Revision storage.Rev     `json:"revision"`
			Settings policy.Settings `json:"settings"`
			Terms    []term          `json:"terms"`
		}{rev, now, all})
	}
	tab := newTable(w, "kind", "days", "preset", "here now", "oldest")
	for _, p := range list {
		tab.row(string(p.Kind), fmt.Sprint(p.Days), fmt.Sprint(preset.Keep[p.Kind]), fmt.Sprint(p.Here), date(p.Oldest))
	}
	if err := tab.end(); err != nil {
		return err
	}
	_, err := io.WriteString(w, tellSettings(now, rev))
	return err
}

// told prints what was changed, as JSON.
func (t *termsTask) told(d *desk, rev storage.Rev, diff policy.Diff, goes []storage.Preview) error {
	if !t.json {
		return nil
	}
	type change struct {
		Field string `json:"field"`
		More  bool   `json:"more"` // the box collects, keeps or shows more
		Old   string `json:"old"`
		New   string `json:"new"`
		Text  string `json:"text"`
	}
	type gone struct {
		Kind   policy.Kind `json:"kind"`
		Count  int         `json:"count"`
		Before string      `json:"before"`
	}
	changes, deletes := []change{}, []gone{}
	for _, c := range diff {
		changes = append(changes, change{c.Field, c.Way == policy.More, c.Old, c.New, c.Text})
	}
	for _, p := range goes {
		deletes = append(deletes, gone{p.Kind, p.Goes, date(p.Before)})
	}
	return printJSON(d.out, struct {
		Revision storage.Rev `json:"revision"`
		Changes  []change    `json:"changes"`
		Deletes  []gone      `json:"deletes"`
	}{rev, changes, deletes})
}

// printProofs prints the daily proofs. One that failed is an error.
func (t *termsTask) printProofs(ctx context.Context, r *storage.Reader, d *desk) error {
	list, err := r.Proofs(ctx, t.from, t.until)
	if err != nil {
		return err
	}
	failed := 0
	for _, p := range list {
		if p.State == storage.ProofFail {
			failed++
		}
	}
	if err := t.writeProofs(d.out, list); err != nil {
		return err
	}
	if failed > 0 {
		return fmt.Errorf("%d proofs failed", failed)
	}
	return nil
}

func (t *termsTask) writeProofs(w io.Writer, list []storage.DayProof) error {
	if t.json {
		type proof struct {
			Date    string             `json:"date"`
			Kind    policy.Kind        `json:"kind"`
			State   storage.ProofState `json:"state"`
			Oldest  string             `json:"oldest,omitempty"`
			Limit   string             `json:"limit"`
			Due     int                `json:"due"`
			Deleted int                `json:"deleted"`
			Left    int                `json:"left"`
			Canary  bool               `json:"canary"`
		}
		all := make([]proof, len(list))
		for i, p := range list {
			all[i] = proof{date(p.Date), p.Kind, p.State, date(p.Oldest), date(p.Limit), p.Due, p.Deleted, p.Left, p.Canary}
		}
		return printJSON(w, all)
	}
	if len(list) == 0 {
		_, err := io.WriteString(w, "There is no proof yet: the box writes them once a day.\n")
		return err
	}
	tab := newTable(w, "day", "kind", "result", "oldest", "limit", "due", "deleted", "left", "canary")
	for _, p := range list {
		canary := "well"
		if !p.Canary {
			canary = "WRONG"
		}
		tab.row(date(p.Date), string(p.Kind), string(p.State), date(p.Oldest), date(p.Limit), fmt.Sprint(p.Due), fmt.Sprint(p.Deleted), fmt.Sprint(p.Left), canary)
	}
	return tab.end()
}
