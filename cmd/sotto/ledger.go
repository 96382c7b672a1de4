package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"time"

	"sotto/storage"
)

const ledgerUsage = `Usage: sotto ledger [flags]
       sotto ledger -sum [-json]

Tells what left the box, when, to whom and how much, the newest first: exports, archives,
and what goes to other devices by itself. With -sum it tells one line for each recipient. What
it was that left is in no line.

`

// ledgerTask shows the ledger.
type ledgerTask struct {
	*common
	span
	n   int
	sum bool
}

func newLedger(c *common) task { return &ledgerTask{common: c} }

func (t *ledgerTask) flags(f *flag.FlagSet) {
	f.IntVar(&t.n, "n", 50, "`lines` at most")
	t.span.flags(f)
	f.BoolVar(&t.sum, "sum", false, "one line for each recipient")
	f.BoolVar(&t.json, "json", false, "print JSON, and all else to the standard error")
}

func (t *ledgerTask) check(words []string) error {
	if t.n < 1 || t.sum && t.span.said() {
		return errors.New("-n is 1 at least, and -sum is of all lines; -h tells more")
	}
	if err := t.span.check(); err != nil {
		return err
	}
	return noWords(words)
}

func (t *ledgerTask) run(ctx context.Context, store *storage.Store, d *desk) error {
	r, list := store.As(atTerminal), lister{w: d.out, json: t.json}
	const none = "Nothing has left the box."
	if t.sum {
		all, err := r.Recipients(ctx)
		if err != nil {
			return err
		}
		for _, to := range all {
			if err := list.line(recipientLine(&to)); err != nil {
				return err
			}
		}
		return list.end(none)
	}
	q := storage.LedgerQuery{From: t.from, Until: t.until}
	for left := t.n; left > 0; {
		q.Limit = min(left, 500)
		page, err := r.Ledger(ctx, q)
		if err != nil {
			return err
		}
		for i := range page {
			if err := list.line(ledgerLine(&page[i])); err != nil {
				return err
			}
			q.Before = page[i].Number
		}
		if left -= len(page); len(page) < q.Limit {
			break
		}
	}
	return list.end(none)
}

// ledgerLine gives one line, as JSON and in words.
func ledgerLine(v *storage.LedgerView) (any, string) {
	state := "whole"
	switch {
	case !v.Ended:
		state = "not ended"
	case !v.Whole:
		state = "broken off"
	}
	by := "the box"
	if v.Role != 0 {
		by = v.Role.String()
		if v.By != "" {
			by += fmt.Sprintf(" %.8s", v.By)
		}
	}
	to := v.To
	if to == "" {
		to = by
	}
	line := fmt.Sprintf("%6d  %s  %-7s to %s: %s, %s", v.Number, v.At.Format("2006-01-02 15:04:05"), v.Kind, to, v.What, state)
	if v.Ended {
		line += fmt.Sprintf(", rows: %d, bytes: %d", v.Rows, v.Bytes)
	}
	return struct {
		Number    uint64             `json:"number"`
		At        string             `json:"at"`
		Kind      storage.LedgerKind `json:"kind"`
		To        string             `json:"to,omitempty"`
		Role      string             `json:"role,omitempty"`
		Pseudonym string             `json:"pseudonym,omitempty"`
		What      string             `json:"what"`
		Rows      int                `json:"rows"`
		Bytes     int64              `json:"bytes"`
		State     string             `json:"state"`
	}{v.Number, v.At.Format(time.RFC3339Nano), v.Kind, v.To, roleName(v.Role), v.By, v.What, v.Rows, v.Bytes, state}, line
}

func recipientLine(v *storage.Recipient) (any, string) {
	to := v.To
	if to == "" {
		if to = roleName(v.Role); to == "" {
			to = "the box"
		}
	}
	return struct {
			Kind  storage.LedgerKind `json:"kind"`
			To    string             `json:"to,omitempty"`
			Role  string             `json:"role,omitempty"`
			Times int                `json:"times"`
			Rows  int                `json:"rows"`
			Bytes int64              `json:"bytes"`
			First string             `json:"first"`
			Last  string             `json:"last"`
		}{v.Kind, v.To, roleName(v.Role), v.Times, v.Rows, v.Bytes, v.First.Format(time.RFC3339), v.Last.Format(time.RFC3339)},
		fmt.Sprintf("%-7s to %s: %d times from %s to %s, rows: %d, bytes: %d", v.Kind, to, v.Times, date(v.First), date(v.Last), v.Rows, v.Bytes)
}

// roleName gives a role, and nothing for none.
func roleName(r storage.Role) string {
	if r == 0 {
		return ""
	}
	return r.String()
}
