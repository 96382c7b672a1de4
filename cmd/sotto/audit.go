package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"sotto/storage"
)

const auditUsage = `Usage: sotto audit [flags]
       sotto audit verify [-json]

Tells who looked at what and who changed what, the newest first. Persons stand there as
pseudonyms. -user, -number or -account shows the lines about one person alone. With verify
it goes through the whole trail, says what is wrong with it, and what it cannot find. Note
the number and the link of the newest line elsewhere: so it shows if the whole data folder is
put back. Both are a line of the trail themselves.

It ends with 0, with 1 if the trail is not whole or could not be read, and with 3 if there is
no such person.

`

// auditTask shows the audit trail.
type auditTask struct {
	*common
	whose
	span
	n      int
	verify bool
}

func newAudit(c *common) task { return &auditTask{common: c} }

func (t *auditTask) flags(f *flag.FlagSet) {
	f.IntVar(&t.n, "n", 50, "`lines` at most")
	t.span.flags(f)
	t.whose.flags(f)
	f.BoolVar(&t.progress, "progress", false, "tell how long verifying takes, also where no terminal is")
	f.BoolVar(&t.json, "json", false, "print JSON, and all else to the standard error")
}

func (t *auditTask) check(words []string) error {
	if len(words) == 1 && words[0] == "verify" {
		t.verify, words = true, nil
	}
	if t.verify && (t.span.said() || t.named() || t.n != 50) {
		return errors.New("verify goes through all of it: say nothing more; -h tells more")
	}
	if t.n < 1 || t.named() && !t.oneNamed() {
		return errors.New("-n is 1 at least, and one of -user, -number and -account at most; -h tells more")
	}
	if err := t.span.check(); err != nil {
		return err
	}
	return noWords(words)
}

func (t *auditTask) run(ctx context.Context, store *storage.Store, d *desk) error {
	r := store.As(atTerminal)
	if t.verify {
		done := d.working("verifying")
		report, err := r.VerifyAudit(ctx)
		done()
		if err != nil {
			return err
		}
		return t.report(d.out, &report)
	}
	q := storage.AuditQuery{From: t.from, Until: t.until}
	if t.named() {
		var err error
		if q.About, err = t.person(ctx, store, d); err != nil {
			return err
		}
	}
	list := lister{w: d.out, json: t.json}
	for left := t.n; left > 0; {
		q.Limit = min(left, 500)
		page, err := r.Audit(ctx, q)
		if err != nil {
			return err
		}
		for i := range page.Views {
			if err := list.line(auditLine(&page.Views[i])); err != nil {
				return err
			}
		}
		if left -= len(page.Views); !page.More {
			break
		}
		q.Before = page.Next
	}
	return list.end("There is no such line.")
}

// auditJSON is a line of the trail as -json prints it.
type auditJSON struct {
	Number    uint64   `json:"number"`
	Link      string   `json:"link"`
	State     string   `json:"state"` // well, damaged or aged
	At        string   `json:"at,omitempty"`
	By        string   `json:"by,omitempty"`
	Role      string   `json:"role,omitempty"`
	Pseudonym string   `json:"pseudonym,omitempty"`
	What      string   `json:"what,omitempty"`
	Rows      int      `json:"rows,omitempty"`
	More      int      `json:"more,omitempty"`
	About     []string `json:"about,omitempty"`
	AboutMore int      `json:"about_more,omitempty"`
	Before    string   `json:"before,omitempty"`
	After     string   `json:"after,omitempty"`
}

var actors = map[storage.Actor]string{
	storage.ByAccount: "account", storage.ByBox: "the box", storage.ByTerminal: "terminal", storage.ByStranger: "somebody not logged in",
}

// auditLine gives one line of the trail, as JSON and in words.
func auditLine(v *storage.AuditView) (any, string) {
	j := auditJSON{Number: v.Number, Link: v.Link, State: "well"}
	switch {
	case v.Damaged:
		j.State = "damaged"
		return j, fmt.Sprintf("%6d  DAMAGED: sotto audit verify tells more", v.Number)
	case v.Aged:
		j.State = "aged"
		return j, fmt.Sprintf("%6d  its time is over", v.Number)
	}
	j.At, j.By, j.What, j.Rows, j.More, j.About, j.AboutMore = v.At.Format(time.RFC3339Nano), actors[v.By], v.What, v.Rows, v.More, v.About, v.AboutMore
	j.Pseudonym, j.Before, j.After = v.Pseudonym, v.Before, v.After
	who := j.By
	if v.By == storage.ByAccount {
		j.Role = v.Role.String()
		who = fmt.Sprintf("%s %.8s", j.Role, v.Pseudonym)
	}
	line := fmt.Sprintf("%6d  %s  %-24s  %s", v.Number, v.At.Format("2006-01-02 15:04:05"), who, v.What)
	if v.Rows > 1 {
		line += fmt.Sprintf(", %d rows", v.Rows)
	}
	if v.More > 0 {
		line += fmt.Sprintf(", %d times more", v.More)
	}
	for i, s := range v.About {
		if i == 0 {
			line += ", about"
		}
		line += fmt.Sprintf(" %.8s", s)
	}
	if v.AboutMore > 0 {
		line += fmt.Sprintf(" and %d more", v.AboutMore)
	}
	switch {
	case v.Before != "" && v.After != "":
		line += ": " + v.Before + " -> " + v.After
	case v.Before+v.After != "":
		line += ": " + v.Before + v.After
	}
	return j, line
}

// report prints what verify has found. A fault is an error.
func (t *auditTask) report(w io.Writer, a *storage.AuditReport) error {
	type fault struct {
		Line  uint64        `json:"line"`
		Lines uint64        `json:"lines"`
		Fault storage.Fault `json:"fault"`
		Of    uint64        `json:"of,omitempty"`
	}
	faults := make([]fault, len(a.Faults))
	var b strings.Builder
	fmt.Fprintf(&b, "lines: %d, from number %d to %d\nlink of the newest: %s\n", a.Lines, a.First, a.Newest, a.Link)
	if a.Dropped > 0 {
		fmt.Fprintf(&b, "removed before these: %d, since %s; before their time, as there were too many: %d; damaged or missing by then: %d\n",
			a.Dropped, date(a.DroppedSince), a.DroppedEarly, a.DroppedBad)
	}
	for i, f := range a.Faults {
		faults[i] = fault(f)
		fmt.Fprintf(&b, "FAULT at line %d: %s, lines: %d", f.Line, f.Fault, f.Lines)
		if f.Of > 0 {
			fmt.Fprintf(&b, "; it is line %d", f.Of)
		}
		b.WriteByte('\n')
	}
	if a.OK() {
		b.WriteString("Nothing is wrong with the trail.\n")
	}
	if len(a.NotFound) > 0 {
		b.WriteString("What this cannot find:\n")
	}
	for _, s := range a.NotFound {
		b.WriteString("- " + s + "\n")
	}
	var err error
	if t.json {
		err = printJSON(w, struct {
			OK         bool     `json:"ok"`
			Lines      uint64   `json:"lines"`
			First      uint64   `json:"first"`
			Newest     uint64   `json:"newest"`
			Link       string   `json:"link"`
			Dropped    uint64   `json:"dropped"`
			Early      uint64   `json:"dropped_early"`
			DroppedBad uint64   `json:"dropped_bad"`
			Bad        uint64   `json:"bad"`
			Faults     []fault  `json:"faults"`
			NotFound   []string `json:"not_found"`
		}{a.OK(), a.Lines, a.First, a.Newest, a.Link, a.Dropped, a.DroppedEarly, a.DroppedBad, a.Bad, faults, a.NotFound})
	} else {
		_, err = io.WriteString(w, b.String())
	}
	if err == nil && !a.OK() {
		err = errors.New("the audit trail is not whole")
	}
	return err
}
