package storage

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strings"
	"testing"
)

// mayOpen are the files that may reach what is kept of persons, and why each does: digits of a
// number (Reveal), sealed parts of rows (openPart, openJSON), both ends of a call before they
// are masked (party of a Store), rows that are one person's own (openOwn, openOwnRow). All that
// leaves the package goes through the masks of view.go; a file that is added here says how.
var mayOpen = map[string]struct {
	calls []string
	why   string
}{
	"view.go": {[]string{"Reveal", "openJSON", "party"}, "the masks"},

	"row.go":       {[]string{"openPart"}, "makes openJSON of it"},
	"own.go":       {[]string{"openOwnRow"}, "makes openOwn of it"},
	"recordrow.go": {[]string{"Reveal", "openJSON", "openPart"}, "seals both ends of a call and opens them again"},
	"plan.go":      {[]string{"openJSON"}, "the plan, for the switch and for Reader.Plan, which leaves out what a role does not see"},

	"access.go":      {[]string{"Reveal"}, "what is kept of one person goes to that person: the own number at the head"},
	"accessrows.go":  {[]string{"Reveal", "openJSON", "party"}, "the same, of the rows: the person's own parts whole, others as masked"},
	"accessuser.go":  {[]string{"openOwn"}, "the same, of what is the user's own"},
	"erase.go":       {[]string{"Reveal"}, "asks whether a number is one for help"},
	"person.go":      {[]string{"Reveal"}, "finds a person by the number that was typed"},
	"journalread.go": {[]string{"Reveal", "openJSON"}, "finds a person by the number that was typed; the box's part of an entry"},
	"grantrow.go":    {[]string{"openJSON", "openPart", "party"}, "asks whether a number is there to be seen, and reads reasons for those who answer"},

	"records.go":      {[]string{"openJSON"}, "the box's part of a record: when a call ended"},
	"grantview.go":    {[]string{"openJSON"}, "the box's part of a record: when a call began"},
	"auditline.go":    {[]string{"openJSON"}, "lines are the box's"},
	"ledger.go":       {[]string{"openJSON"}, "lines are the box's"},
	"counts.go":       {[]string{"openJSON"}, "counts are the box's"},
	"retaincanary.go": {[]string{"openPart"}, "canaries are the box's"},

	"accountrow.go": {[]string{"openOwnRow"}, "accounts, for log-in and for Reader.Accounts"},
	"binding.go":    {[]string{"openOwn"}, "where telephones are, for what serves them"},
	"secret.go":     {[]string{"openOwn"}, "what telephones log in with, for what serves them"},
	"people.go":     {[]string{"openOwn"}, "whether a user has a journal"},
}

// guarded are the methods that mayOpen is about.
var guarded = []string{"Reveal", "openPart", "openJSON", "openOwn", "openOwnRow", "party"}

// TestChokePoint finds what reaches persons from files of the package that are not meant to,
// and rows of the table that nothing needs any more.
func TestChokePoint(t *testing.T) {
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if name := f.Name(); strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			used, err := reaches(name, string(text))
			if err != nil {
				t.Fatal(err)
			}
			if want := mayOpen[name].calls; !slices.Equal(used, want) {
				t.Errorf("%s uses %v, and may use %v", name, used, want)
			}
			if _, ok := mayOpen[name]; ok && mayOpen[name].why == "" {
				t.Errorf("%s is in the table without a reason", name)
			}
		}
	}
	for name := range mayOpen {
		if _, err := os.Stat(name); err != nil {
			t.Errorf("%s is in the table and not here", name)
		}
	}
	// What is called by its value counts, too.
	for _, text := range []string{"f(n.Reveal)", "f((*Store).openPart)", "_ = openOwnRow(x)", "s.party(x)"} {
		if used, err := reaches("x.go", "package x\nfunc g() { "+strings.ReplaceAll("f()\n"+text, "\n", "; ")+" }"); err != nil || len(used) != 1 {
			t.Errorf("not found in %s: %v, %v", text, used, err)
		}
	}
}

// reaches gives which of the guarded methods the text of a file names other than where it
// defines them.
func reaches(name, text string) (used []string, err error) {
	file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	ast.Inspect(file, func(n ast.Node) bool {
		is := ""
		switch n := n.(type) {
		case *ast.SelectorExpr:
			if is = n.Sel.Name; is == "party" && strings.HasSuffix(receiver(n.X), "r") {
				is = "" // of a Reader: masked
			}
		case *ast.CallExpr:
			if id, ok := n.Fun.(*ast.Ident); ok && id.Name == "openOwnRow" {
				is = id.Name
			}
		}
		if slices.Contains(guarded, is) && !slices.Contains(used, is) {
			used = append(used, is)
		}
		return true
	})
	slices.Sort(used)
	return used, nil
}

// receiver gives the last name of what a method is called on: r, as in f.r.party.
func receiver(x ast.Expr) string {
	switch x := x.(type) {
	case *ast.Ident:
		return x.Name
	case *ast.SelectorExpr:
		return x.Sel.Name
	}
	return ""
}
