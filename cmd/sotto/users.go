package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"

	"sotto/pbx/plan"
	"sotto/pbx/plan/usercsv"
	"sotto/storage"
)

const usersUsage = `Usage: sotto users import [flags] FILE.csv
       sotto users list [-json]
       sotto users fields [flags] [place,department,email,mobile, or none]
       sotto users journal [flags] -user EXTENSION on|off

import takes over users from a table, as spreadsheets save it: all of it or, if one row is wrong,
nothing. It tells for each row what becomes of it, by the number of the row and without what
stands in it. The first row names the columns, in English or German: name and extension, and
what else there is of ID, ports, SIP, place, department, e-mail, mobile, protected, show only.
A column that is not there leaves everybody's value as it is; an empty cell empties it.

Users whom the table does not have stay, unless -remove-others is said: then they leave the
plan, you type the word remove before, and what is kept of them goes after its term.

list shows all users. fields says what else of users is kept beside name and extension, which
is nothing until you name it here; of a field that is left out every user's value is deleted,
and you type the word delete before. journal turns a user's own list of calls on or off, from
now on; users can do that themselves on the page.

It ends with 0 if it is done, or with -preview could be, with 3 if nobody has the extension,
and else with 1.

`

// usersTask takes users over.
type usersTask struct {
	*common
	verb, word            string // import FILE, fields LIST, journal on
	ext                   string
	preview, removeOthers bool
}

func newUsers(c *common) task { return &usersTask{common: c} }

func (t *usersTask) flags(f *flag.FlagSet) {
	f.BoolVar(&t.preview, "preview", false, "tell what would become of each row, and change nothing")
	f.BoolVar(&t.removeOthers, "remove-others", false, "take users out of the plan whom the table does not have")
	f.StringVar(&t.ext, "user", "", "`extension` of the user whose journal it is")
	f.BoolVar(&t.yes, "yes", false, "do not ask")
	f.BoolVar(&t.json, "json", false, "print JSON, and all else to the standard error")
}

func (t *usersTask) check(words []string) error {
	if len(words) > 0 {
		t.verb = words[0]
	}
	if len(words) == 2 {
		t.word = words[1]
	}
	importing, right := t.verb == "import", false
	switch t.verb {
	case "import":
		right, t.in = t.word != "", t.word
	case "list":
		right = len(words) == 1
	case "fields":
		right = len(words) <= 2
	case "journal":
		right = t.word == "on" || t.word == "off"
	}
	if !right || len(words) > 2 || !importing && (t.preview || t.removeOthers) || (t.verb == "journal") != (t.ext != "") {
		return errors.New("say import and a file, list, fields, or journal with -user and on or off; -h tells more")
	}
	return nil
}

func (t *usersTask) run(ctx context.Context, store *storage.Store, d *desk) error {
	switch t.verb {
	case "list":
		return t.list(ctx, store, d)
	case "fields":
		return t.fields(ctx, store, d)
	case "journal":
		return t.journal(ctx, store, d)
	}
	old, rev := store.CurrentPlan()
	next, report, err := usercsv.Read(d.in, old, usercsv.Options{RemoveOthers: t.removeOthers})
	if err != nil {
		return fmt.Errorf("nothing was changed: %w", err)
	}
	if !t.json {
		d.say("%s", tellReport(&report))
	}
	done, err := t.keep(ctx, store, d, rev, next, &report)
	if t.json {
		if jerr := printJSON(d.out, reportJSON(&report, done)); err == nil {
			err = jerr
		}
	}
	if err != nil {
		return fmt.Errorf("nothing was changed: %w", err)
	}
	return nil
}

// keep asks where that is due, and makes next the plan.
func (t *usersTask) keep(ctx context.Context, store *storage.Store, d *desk, rev storage.Rev, next plan.Plan, report *usercsv.Report) (done bool, err error) {
	switch {
	case !report.OK():
		return false, errors.New("something in the table is wrong")
	case t.preview:
		d.say("Nothing was changed: this was a preview.\n")
		return false, nil
	case report.Count(usercsv.Changed)+report.Count(usercsv.Added)+len(report.Removed) == 0:
		d.say("The plan has all of it already.\n")
		return false, nil
	}
	if len(report.Removed) > 0 && !t.yes {
		if err := d.confirm(ctx, "remove"); err != nil {
			return false, err
		}
	}
	if _, err := store.SetPlan(ctx, atTerminal, rev, next); err != nil {
		if problems, ok := errors.AsType[plan.Problems](err); ok {
			return false, fmt.Errorf("the plan that came of it has %d problems", len(problems))
		}
		return false, err
	}
	d.say("The users are taken over. Who is new and telephones on the network gets a secret at the next start of the box.\n")
	return true, nil
}

// tellReport tells what becomes of each row that is not as it was.
func tellReport(r *usercsv.Report) string {
	var b strings.Builder
	for _, row := range r.Rows {
		switch row.Outcome {
		case usercsv.Same:
		case usercsv.Wrong:
			for _, m := range row.Mistakes {
				where := ""
				if m.Column != "" {
					where = ", " + m.Column
				}
				fmt.Fprintf(&b, "row %d%s: WRONG: %s\n", row.Number, where, m.Text)
			}
		case usercsv.Changed:
			fmt.Fprintf(&b, "row %d: changed: %s\n", row.Number, strings.Join(row.Fields, ", "))
		default:
			fmt.Fprintf(&b, "row %d: %v\n", row.Number, row.Outcome)
		}
	}
	for _, s := range r.Other {
		fmt.Fprintf(&b, "WRONG: %s\n", s)
	}
	fmt.Fprintf(&b, "Rows: added: %d, changed: %d, same: %d, wrong: %d. Users to be removed: %d.\n",
		r.Count(usercsv.Added), r.Count(usercsv.Changed), r.Count(usercsv.Same), r.Count(usercsv.Wrong), len(r.Removed))
	return b.String()
}

// reportJSON gives it in the shape that -json prints.
func reportJSON(r *usercsv.Report, done bool) any {
	type mistake struct {
		Column string `json:"column,omitempty"`
		Text   string `json:"text"`
	}
	type row struct {
		Row      int       `json:"row"`
		Outcome  string    `json:"outcome"`
		Fields   []string  `json:"fields,omitempty"`
		Mistakes []mistake `json:"mistakes,omitempty"`
	}
	rows := make([]row, len(r.Rows))
	for i, x := range r.Rows {
		rows[i] = row{Row: x.Number, Outcome: x.Outcome.String(), Fields: x.Fields}
		for _, m := range x.Mistakes {
			rows[i].Mistakes = append(rows[i].Mistakes, mistake(m))
		}
	}
	return struct {
		OK      bool     `json:"ok"`
		Done    bool     `json:"done"`
		Rows    []row    `json:"rows"`
		Removed int      `json:"removed"`
		Other   []string `json:"other,omitempty"`
	}{r.OK(), done, rows, len(r.Removed), r.Other}
}
