// Package usercsv reads users from a table, as spreadsheets save it (CSV, RFC 4180 and its
// dialects), and says row by row what would become of a plan. Sub-commands and pages call
// [Read], show its [Report] as a preview, and store the plan that it gave in one go: all of
// it or nothing.
//
// It is pure: it changes no plan that it is given, reads no file and no clock, and stores
// nothing. No report or error repeats what stands in the table: no name, no number.
//
// # The table
//
// UTF-8, with or without a byte order mark; cells apart by commas, semicolons or tabs,
// whichever the first line has most of. The first row names the columns, in English or
// German, in any order; letters may be small or large:
//
//	id              ID                       of the user, as the box made it; may be left out
//	name            Name                     needed
//	extension       Nebenstelle, Durchwahl   needed
//	ports           Anschlüsse               labels, apart by commas, semicolons or |: FXS 1|FXS 2
//	sip             SIP                      yes or no
//	place           Ort, Raum
//	department      Abteilung
//	email           E-Mail
//	mobile          Mobil, Handy
//	protected       Geschützt                yes or no
//	show only       Nur anzeigen             yes or no
//	reverse on answer  Umpolung              yes or no
//
// A column that is not there leaves everybody's value as it is. A cell that is empty empties
// the value, or means no. A row is of the user that it names by id; without one, of the user
// who has its extension, unless another row names that user by id. Whom the plan does not
// have is added.
//
// Spaces around a cell are dropped, and one apostrophe in front of one of = + - @ * ', a tab
// or a digit: it is what keeps a spreadsheet from taking the cell for a formula or a number,
// and what exports of the box put there.
//
// Lines that ring a user go on ringing that user under another extension, and ring whoever is
// removed no more. A line that would have nobody left is refused: it would ring everybody.
//
// Telephones on the network of a user whose extension changes need a new secret: theirs is
// of the extension.
package usercsv

import (
	"errors"
	"io"

	"sotto/pbx/plan"
)

// Limits of a table.
const (
	MaxRows = 2000     // of users, without the row that names the columns
	MaxSize = 1 << 20  // bytes
	MaxCell = 64 << 10 // bytes of one cell
)

// Options says what becomes of users that the table does not have.
type Options struct {
	RemoveOthers bool // they are taken out of the plan, and of the lines that ring them; off: they stay
}

// Outcome is what becomes of one row.
type Outcome uint8

const (
	Wrong   Outcome = iota // something in it is wrong, so nothing is done at all
	Same                   // the plan has all of it already
	Changed                // of a user whom the plan has
	Added                  // of one whom it does not have
)

var outcomes = [...]string{"wrong", "same", "changed", "added"}

// String gives the outcome in one word.
func (o Outcome) String() string {
	if int(o) < len(outcomes) {
		return outcomes[o]
	}
	return "unknown"
}

// Mistake is one thing wrong with a row. Neither text repeats anything of the row.
type Mistake struct {
	Column string // as [Row.Fields] names it; empty: the row as a whole
	Text   string // begins in lower case and has no full stop
}

// Row is what becomes of one row of the table.
type Row struct {
	Number   int         // of the row, as a spreadsheet counts: the one with the names of the columns is 1
	Outcome  Outcome     //
	User     plan.UserID // whom it is of; empty for one who is added
	Fields   []string    // Changed: the columns in which the user differs, by their English name: "extension"
	Mistakes []Mistake   // Wrong: at least one
}

// Report tells of every row with something in it, in the order of the table.
type Report struct {
	Rows    []Row
	Removed []plan.UserID // users of the plan who are in no row, if those are to go; in the order of the plan
	Other   []string      // what is wrong with the plan that came of it, and belongs to no row; nothing is done then
}

// OK tells whether nothing is wrong.
func (r *Report) OK() bool { return r.Count(Wrong) == 0 && len(r.Other) == 0 }

// Count gives how many rows have an outcome.
func (r *Report) Count(o Outcome) (n int) {
	for i := range r.Rows {
		if r.Rows[i].Outcome == o {
			n++
		}
	}
	return n
}

// ErrTable is what errors of [Read] wrap when it cannot make out rows and columns at all.
var ErrTable = errors.New("not a table of users")

// Read gives p with the users of the table, and what became of each row. p itself stays as
// it is. If anything is wrong, by [Report.OK], the plan given back is p unchanged. Users who
// are added have no id yet: see [plan.Plan.FillIDs]. The error wraps [ErrTable], or is that
// of r; there is no report then.
func Read(r io.Reader, p plan.Plan, o Options) (plan.Plan, Report, error) {
	table, err := readTable(r)
	if err != nil {
		return p, Report{}, err
	}
	if len(table) == 0 {
		return p, Report{}, bad("it is empty")
	}
	cols, err := header(table[0].cells)
	if err != nil {
		return p, Report{}, err
	}
	if len(table) == 1 {
		return p, Report{}, bad("it has no row of a user")
	}
	m := newMerge(&p, cols, table[1:])
	for _, l := range table[1:] {
		m.row(l)
	}
	m.others(o)
	m.check()
	if !m.report.OK() {
		return p, m.report, nil
	}
	return m.plan, m.report, nil
}
