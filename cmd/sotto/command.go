package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"sotto/storage"
	"sotto/storage/keyring"
	"sotto/storage/root"
)

// A sub-command works on the data of the box, and its function is the same whether the box
// runs or not: it gets the open store and a desk, and knows nothing else. The data of a
// stopped box is opened here. A running box has its own open: the sub-command asks it, over
// the socket in its data folder (see control.go), to run the function there.
//
//	             stopped: openStopped ──► store ─┐
//	sotto WORD ─┤                                ├─► task.run(store, desk)
//	             running: attach ══socket══► box ┘

// command is a sub-command by the word that it is called with.
type command struct {
	name  string
	about string // one line of sotto -h
	usage string // what -h says before the flags
	make  func(*common) task
}

// task is what a sub-command does once its flags are read.
type task interface {
	// flags names the flags of this sub-command beside the common ones.
	flags(*flag.FlagSet)
	// check judges what was said. It repeats nothing of it: that may be a number or a name.
	check(words []string) error
	// run does it. It ends soon after ctx does, and opens no file.
	run(context.Context, *storage.Store, *desk) error
}

// commands are the sub-commands on the data of the box, in the order of sotto -h.
func commands() []command {
	return []command{
		{"access", "writes all that is kept of one person into an archive", accessUsage, newAccess},
		{"account", "lists, adds and changes who may log in to the page", accountUsage, newAccount},
		{"audit", "tells who looked and who changed what, and verifies that trail", auditUsage, newAudit},
		{"erase", "erases a person for good, and lists the proofs", eraseUsage, newErase},
		{"export", "writes call records as CSV or JSON", exportUsage, newExport},
		{"ledger", "tells what left the box, and to whom", ledgerUsage, newLedger},
		{"papers", "writes the record of processing or the notice", papersUsage, newPapers},
		{"terms", "shows and sets how long things are kept, and the daily proofs", termsUsage, newTerms},
		{"users", "lists users, takes them over from a table, and says what is kept of them", usersUsage, newUsers},
	}
}

// alone are the sub-commands that do without the open data.
var alone = []struct {
	name, about string
	run         func(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error
}{
	{"what-if", "tells what happens if somebody dials a number", whatIf},
	{"passphrase", "changes the passphrase that opens the data of a box that does not run", func(ctx context.Context, args []string, stdin io.Reader, stdout, _ io.Writer) error {
		return changePassphrase(ctx, args, stdin, stdout)
	}},
}

// tellCommands lists all sub-commands, one a line.
func tellCommands(w io.Writer) {
	fmt.Fprintln(w, "Sub-commands, each with a -h of its own:")
	for _, c := range commands() {
		fmt.Fprintf(w, "  sotto %-11s %s\n", c.name, c.about)
	}
	for _, c := range alone {
		fmt.Fprintf(w, "  sotto %-11s %s\n", c.name, c.about)
	}
}

// subCommand runs the sub-command that the first word names; false: it names none.
func subCommand(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) (bool, error) {
	if len(args) == 0 {
		return false, nil
	}
	for _, c := range alone {
		if c.name == args[0] {
			return true, c.run(ctx, args[1:], stdin, stdout, stderr)
		}
	}
	for _, c := range commands() {
		if c.name == args[0] {
			err := c.start(ctx, args, stdin, stdout, stderr)
			if err != nil {
				err = fmt.Errorf("%s: %w", c.name, err)
			}
			return true, err
		}
	}
	return false, nil
}

// What the program ends with, beside 0 and 1.
const (
	exitUnknown    = 3 // there is nothing, or nobody, of that kind
	exitUnfinished = 4 // begun and not finished: do it again
)

// exitError is an error that ends the program with a code of its own.
type exitError struct {
	error
	code int
}

func (e exitError) Unwrap() error { return e.error }

// exitCode gives what the program ends with after an error.
func exitCode(err error) int {
	if e, ok := errors.AsType[exitError](err); ok {
		return e.code
	}
	return 1
}

// atTerminal is who looks and changes here: whoever can open the data may do everything.
var atTerminal = storage.Viewer{Role: storage.Owner}

// common are the flags that several sub-commands have.
type common struct {
	options
	json     bool
	yes      bool   // do not ask
	progress bool   // tell how far it is, also where nobody sits
	out      string // file for the result; empty or -: the standard output
	in       string // file that is read; empty: none
	dataOut  bool   // the result is data for a file: words for the person do not go there
}

// read reads the flags of a sub-command. Nothing is opened. The error is [flag.ErrHelp] if
// help was asked for, which is written to w then.
func (c *command) read(args []string, w io.Writer) (*common, task, error) {
	o := &common{}
	t := c.make(o)
	f := flag.NewFlagSet("sotto "+c.name, flag.ContinueOnError)
	f.SetOutput(io.Discard) // a wrong flag is told once, by main
	f.StringVar(&o.data, "data", "sotto-data", "`folder` that everything is kept in")
	f.StringVar(&o.root, "root", "", rootUsage+"; not needed while the box runs")
	f.StringVar(&o.passphraseFile, "passphrase-file", "", passphraseFileUsage)
	t.flags(f)
	if err := f.Parse(args[1:]); errors.Is(err, flag.ErrHelp) {
		f.SetOutput(w)
		fmt.Fprint(w, c.usage)
		f.PrintDefaults()
		return nil, nil, err
	} else if err != nil { // the error repeats what was typed
		return nil, nil, errFlag
	}
	words, err := parseRest(f)
	if err == nil {
		err = t.check(words)
	}
	if err != nil {
		return nil, nil, err
	}
	dir, err := filepath.Abs(o.data)
	if err != nil {
		return nil, nil, fmt.Errorf("-data: %w", err)
	}
	if o.root == "" {
		o.root = dir + ".key"
	}
	_, err = parseRoot(o.root, o.passphraseFile)
	return o, t, err
}

var errFlag = errors.New("this flag is not known or lacks its value; -h tells more")

// parseRest gives the words of a command line, which flags may stand behind.
func parseRest(f *flag.FlagSet) (words []string, err error) {
	for f.NArg() > 0 {
		words = append(words, f.Arg(0))
		if f.Parse(f.Args()[1:]) != nil {
			return nil, errFlag
		}
	}
	return words, nil
}

// noWords is check for a sub-command that takes flags alone.
func noWords(words []string) error {
	if len(words) > 0 {
		return errors.New("say nothing behind the flags; -h tells more")
	}
	return nil
}

// start reads the flags and runs the sub-command, here or in the box that runs.
func (c *command) start(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) (err error) {
	o, t, err := c.read(args, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	if !storage.Made(o.data) {
		return errors.New("there is no box's data in the folder that -data names")
	}
	d := newDesk(o, stdin, stdout, stderr)
	d.root = rootKind(o.root)
	if o.in != "" {
		f, err := openInput(o.in)
		if err != nil {
			return err
		}
		defer f.Close()
		d.in = f
	}
	if o.out != "" && o.out != "-" {
		f, ferr := makeFile(o.out)
		if ferr != nil {
			return fmt.Errorf("-o: %w", ferr)
		}
		d.out, d.sum = f, stdout
		defer func() { err = finishFile(f, err) }()
	}
	unlock, err := lockFolder(o.data) // before a passphrase is asked for
	if errors.Is(err, storage.ErrLocked) {
		return attach(ctx, o, args, d)
	} else if err != nil {
		return err
	}
	unlock()
	log, queue := newLog(stderr)
	defer queue.flush()
	store, err := openStopped(ctx, o.options, person{stdin, d.words}, log)
	if errors.Is(err, storage.ErrLocked) { // started meanwhile
		return attach(ctx, o, args, d)
	} else if err != nil {
		return err
	}
	defer func() {
		if cerr := store.Close(); cerr != nil && err == nil {
			err = fmt.Errorf("the store did not close well: %w", cerr)
		}
	}()
	return t.run(ctx, store, d)
}

// openStopped opens the data of a box that does not run. It makes nothing.
func openStopped(ctx context.Context, o options, who person, log *slog.Logger) (*storage.Store, error) {
	var key keyring.Root
	key, err := openRoot(ctx, o, who)
	if err != nil {
		return nil, err
	}
	return storage.Open(o.data, key, log)
}

// atTerm tells whether a stream is a terminal.
func atTerm(w any) bool {
	f, ok := w.(*os.File)
	return ok && root.Terminal(f)
}

// one tells whether exactly one of these was said.
func one(said ...bool) bool {
	n := 0
	for _, is := range said {
		if is {
			n++
		}
	}
	return n == 1
}
