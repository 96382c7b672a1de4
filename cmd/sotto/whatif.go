package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"

	"sotto/pbx/plan"
	"sotto/storage"
	"sotto/storage/keyring"
)

const whatIfUsage = `Usage: sotto what-if [flags] EXTENSION NUMBER

Tells what happens if the user with that extension dials the number: which rule counts,
what the exchange is sent and on which lines. It calls nobody.

`

// whatIf is the sub-command that explains a number. It asks the same numbering that the
// switch asks, and it shows no name: whoever may start it need not be one who may see them.
func whatIf(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	f := flag.NewFlagSet("sotto what-if", flag.ContinueOnError)
	f.SetOutput(io.Discard) // a wrong flag is told once, by main
	var o options
	f.StringVar(&o.data, "data", "sotto-data", "`folder` that everything is kept in")
	f.StringVar(&o.root, "root", "", rootUsage)
	f.StringVar(&o.passphraseFile, "passphrase-file", "", passphraseFileUsage)
	file := f.String("plan", "", "plan `file` to look at in place of the stored plan")
	if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
		f.SetOutput(stdout)
		fmt.Fprint(stdout, whatIfUsage)
		f.PrintDefaults()
		return nil
	} else if err != nil {
		return fmt.Errorf("what-if: %w", err)
	}
	if f.NArg() < 2 {
		return errors.New("what-if: say who dials and what: an extension and a number; -h tells more")
	}
	log, queue := newLog(stderr)
	defer queue.flush()
	p, about, err := whatPlan(ctx, o, *file, person{stdin, stdout}, log)
	if err != nil {
		return err
	}
	n, err := plan.Compile(p)
	if err != nil {
		return fmt.Errorf("plan: %w", err)
	}
	from := n.ByExt(plan.Ext(f.Arg(0)))
	if from == nil {
		return errors.New("what-if: the plan has no user with this extension")
	}
	_, err = io.WriteString(stdout, tellExplained(n.Explain(from, strings.Join(f.Args()[1:], " ")), about))
	return err
}

// whatPlan gives the plan that a box with this data would run on, or that of file, and what
// is to be said about it.
func whatPlan(ctx context.Context, o options, file string, who person, log *slog.Logger) (p plan.Plan, about string, err error) {
	if file != "" {
		n, err := firstPlan(file)
		if err != nil {
			return p, "", err
		}
		return n.Plan, "By the plan file.", nil
	}
	dir, err := filepath.Abs(o.data)
	if err != nil {
		return p, "", fmt.Errorf("-data: %w", err)
	}
	if o.root == "" {
		o.root = dir + ".key"
	}
	if _, err := parseRoot(o.root, o.passphraseFile); err != nil {
		return p, "", err
	}
	why := errors.New("the database is missing")
	if storage.Made(o.data) {
		var root keyring.Root
		var store *storage.Store
		if root, why = openRoot(ctx, o, who); why == nil {
			store, why = storage.Open(o.data, root, log)
		}
		if why == nil {
			p, rev := store.CurrentPlan()
			if err := store.Close(); err != nil {
				return p, "", err
			}
			if rev > 0 {
				return p, "By the stored plan.", nil
			}
		}
	}
	const reduced = "by the lifeline, which knows no names and no telephones on the network."
	switch p, err = storage.ReadLifeline(o.data); {
	case err == nil && errors.Is(why, storage.ErrLocked):
		return p, "A box runs on the data folder, so this is " + reduced, nil
	case err == nil && why != nil:
		log.Warn("the store cannot be opened", "why", why)
		return p, "The store cannot be opened, so this is " + reduced, nil
	case why != nil && storage.Made(o.data):
		return p, "", why
	}
	n, err := firstPlan("")
	if err != nil {
		return p, "", err
	}
	return n.Plan, "There is no plan yet. By the demo office.", nil
}

// tellExplained writes an explanation for a person at a terminal. Names of lines and rules
// hold no control character: the plan is validated.
func tellExplained(x plan.Explanation, about string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\nResult: %s\n", about, x.Kind)
	n := 0
	for _, s := range x.Steps {
		if !s.Hint {
			n++
			fmt.Fprintf(&b, "%3d. %s\n", n, s.Text)
		}
	}
	for _, s := range x.Steps {
		if s.Hint {
			fmt.Fprintf(&b, "  Hint: %s\n", s.Text)
		}
	}
	return b.String()
}
