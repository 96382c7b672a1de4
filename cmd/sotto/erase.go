package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"sotto/pbx/number"
	"sotto/pbx/plan"
	"sotto/storage"
	"sotto/storage/keyring"
)

const eraseUsage = `Usage: sotto erase [flags] -number NUMBER, or -number - to be asked for it
       sotto erase [flags] -user EXTENSION
       sotto erase [flags] -list

Erases a person from a box that does not run, for good, and prints the proof, which names
nobody. While the box runs, its page does it, under Privacy. Before anything is erased you
see how much is kept and type the word erase. A number on the command line stays in the
history of the shell: say -number - and type it, or send it in as the first line.

It ends with 0 if the person is erased, 1 if nothing was erased, 3 if the box keeps nothing
of this person, and 4 if the erasure has begun and is not finished: then do it again.

`

// What the program ends with, beside 0 and 1.
const (
	exitUnknown    = 3
	exitUnfinished = 4
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

// atTerminal is who looks and erases here: whoever can open the data may do everything.
var atTerminal = storage.Viewer{Role: storage.Owner}

// eraseFlags are the flags of the sub-command.
type eraseFlags struct {
	options
	number, user    string
	list, yes, json bool
}

func parseErase(args []string, w io.Writer) (eraseFlags, error) {
	var o eraseFlags
	f := flag.NewFlagSet("sotto erase", flag.ContinueOnError)
	f.SetOutput(io.Discard) // a wrong flag is told once, by main
	f.StringVar(&o.data, "data", "sotto-data", "`folder` that everything is kept in")
	f.StringVar(&o.root, "root", "", rootUsage)
	f.StringVar(&o.passphraseFile, "passphrase-file", "", passphraseFileUsage)
	f.StringVar(&o.number, "number", "", "`number` outside, in any form; - to be asked for it")
	f.StringVar(&o.user, "user", "", "`extension` of a user of the plan")
	f.BoolVar(&o.list, "list", false, "print the proofs of all erasures, the oldest first, and erase nobody")
	f.BoolVar(&o.yes, "yes", false, "do not ask")
	f.BoolVar(&o.json, "json", false, "print proofs as JSON, and all else to the standard error")
	if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
		f.SetOutput(w)
		fmt.Fprint(w, eraseUsage)
		f.PrintDefaults()
		return o, err
	} else if err != nil {
		return o, errors.New("erase: this flag is not known or lacks its value; -h tells more") // the error repeats what was typed
	}
	named := 0
	for _, is := range []bool{o.number != "", o.user != "", o.list} {
		if is {
			named++
		}
	}
	if named != 1 || f.NArg() > 0 {
		return o, errors.New("erase: say one of -number, -user and -list, and nothing behind the flags; -h tells more")
	}
	dir, err := filepath.Abs(o.data)
	if err != nil {
		return o, fmt.Errorf("-data: %w", err)
	}
	if o.root == "" {
		o.root = dir + ".key"
	}
	_, err = parseRoot(o.root, o.passphraseFile)
	return o, err
}

// erase is the sub-command.
func erase(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) (err error) {
	o, err := parseErase(args, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	log, queue := newLog(stderr)
	defer queue.flush()
	who := person{stdin, stdout}
	if o.json {
		who.out = stderr
	}
	store, err := openStopped(ctx, o.options, who, log)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := store.Close(); cerr != nil && err == nil {
			err = fmt.Errorf("erase: the store did not close well: %w", cerr)
		}
	}()
	if o.list {
		list, err := store.As(atTerminal).Erasures(ctx)
		if err != nil {
			return err
		}
		return printProofs(stdout, list, o.json)
	}
	p, err := o.whom(ctx, store, who)
	if err != nil {
		return err
	}
	proof, err := o.confirmed(ctx, store, p, who)
	if err != nil {
		return err
	}
	if o.json {
		return printJSON(stdout, proofJSON(proof))
	}
	_, err = io.WriteString(stdout, "The person is erased.\n"+tellProof(proof))
	return err
}

// openStopped opens the data of a box that does not run. It makes nothing.
func openStopped(ctx context.Context, o options, who person, log *slog.Logger) (*storage.Store, error) {
	if !storage.Made(o.data) {
		return nil, errors.New("erase: there is no box's data in the folder that -data names")
	}
	unlock, err := lockFolder(o.data) // before a passphrase is asked for
	if err == nil {
		unlock()
		var root keyring.Root
		if root, err = openRoot(ctx, o, who); err == nil {
			var store *storage.Store
			if store, err = storage.Open(o.data, root, log); err == nil {
				return store, nil
			}
		}
	}
	if errors.Is(err, storage.ErrLocked) {
		return nil, errors.New("erase: the box runs on this folder: erase on its page, under Privacy, or stop it first")
	}
	return nil, err
}

// whom gives the person that the flags name.
func (o *eraseFlags) whom(ctx context.Context, store *storage.Store, who person) (storage.Person, error) {
	if o.user != "" {
		p, _ := store.CurrentPlan()
		for _, u := range p.Users {
			if u.Ext == plan.Ext(o.user) {
				return storage.Person{User: u.ID}, nil
			}
		}
		return storage.Person{}, exitError{errors.New("erase: the plan has no user with this extension"), exitUnknown}
	}
	typed := o.number
	if typed == "-" {
		var err error
		if typed, err = who.askNumber(ctx); err != nil {
			return storage.Person{}, fmt.Errorf("erase: %w", err)
		}
	}
	n, err := number.Parse(strings.TrimSpace(typed))
	if err == nil && n.IsZero() {
		err = number.ErrNumber
	}
	if err != nil {
		return storage.Person{}, fmt.Errorf("erase: %w", err)
	}
	return storage.Person{Number: n}, nil
}

// confirmed tells what is kept, asks, and erases.
func (o *eraseFlags) confirmed(ctx context.Context, store *storage.Store, p storage.Person, who person) (storage.Proof, error) {
	found, err := store.As(atTerminal).Find(ctx, p)
	if err != nil {
		return storage.Proof{}, err
	}
	if found.Known {
		fmt.Fprint(who.out, tellFound(found))
		if !o.yes {
			fmt.Fprint(who.out, "This cannot be undone. Type the word erase to go on: ")
			word, err := readLine(ctx, who.in)
			if err != nil || strings.TrimSpace(word) != "erase" {
				return storage.Proof{}, errors.Join(errors.New("erase: nothing was erased"), err)
			}
		}
	}
	// Also of somebody unknown: an erasure that was interrupted is finished then.
	proof, err := store.Erase(ctx, atTerminal, p)
	switch {
	case errors.Is(err, storage.ErrUnknownPerson):
		return proof, exitError{fmt.Errorf("erase: %w", storage.ErrUnknownPerson), exitUnknown}
	case errors.Is(err, storage.ErrLastOwner), errors.Is(err, storage.ErrPlanNeeds):
		return proof, err
	case err != nil:
		return proof, exitError{fmt.Errorf("not finished, do it again: %w", err), exitUnfinished}
	}
	return proof, nil
}

// tellFound tells how much is kept of a person, and what becomes of it.
func tellFound(f storage.Found) string {
	var b strings.Builder
	fmt.Fprintf(&b, "The box keeps of this person: %d call records, %d revisions of the plan, %d messages and recordings.\n", f.Records, f.Plans, f.Items)
	if f.InPlan {
		b.WriteString("It is a user of the plan, who leaves it with extension and passwords; a line that rang this user alone rings all.\n")
	}
	if f.Account {
		b.WriteString("It can log in to the page, and cannot any more then.\n")
	}
	b.WriteString("Names and numbers become unreadable at once. The other end of each call stays, with a pseudonym; a later call makes a new entry.\n")
	return b.String()
}

// printProofs prints the proofs of all erasures.
func printProofs(w io.Writer, list []storage.Proof, asJSON bool) error {
	if asJSON {
		all := make([]any, len(list))
		for i, p := range list {
			all[i] = proofJSON(p)
		}
		return printJSON(w, all)
	}
	var b strings.Builder
	for i, p := range list {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(tellProof(p))
	}
	if len(list) == 0 {
		b.WriteString("Nobody was erased yet.\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// tellProof tells what an erasure did, for a person who keeps it.
func tellProof(p storage.Proof) string {
	var b strings.Builder
	row := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-22s %s\n", name, fmt.Sprintf(format, args...))
	}
	row("asked for", "%s", p.At.Format(time.RFC3339))
	row("was known as", "%s", kindOf(p.Kind))
	for _, s := range p.Subjects {
		row("pseudonym", "%s", s)
	}
	row("call records", "%d", p.Records)
	row("revisions of the plan", "%d", p.Plans)
	row("messages, recordings", "%d", p.Items)
	if p.NewEpoch != [8]byte{} {
		row("keys", "sealed under %x before and %x after, in keyring number %d", p.OldEpoch, p.NewEpoch, p.Rewrite)
	}
	verified, swept := "not yet: the box goes on by itself, at its next start at the latest", "still in the records, where no key opens them; cleared while the box runs"
	if p.Verified {
		verified = "the old key is gone, and the keyring as read again knows nothing of the person"
	}
	if p.Swept {
		swept = "out of the records"
	}
	row("verified", "%s", verified)
	row("sealed remains", "%s", swept)
	return b.String()
}

func kindOf(k keyring.Kind) string {
	switch k {
	case keyring.User:
		return "user"
	case keyring.Outside:
		return "number"
	}
	return "account"
}

// proofJSON gives a proof in the shape that -json prints.
func proofJSON(p storage.Proof) any {
	ids := make([]string, len(p.Subjects))
	for i, s := range p.Subjects {
		ids[i] = s.String()
	}
	return struct {
		Subjects []string  `json:"subjects"`
		Kind     string    `json:"kind"`
		At       time.Time `json:"at"`
		Records  int       `json:"records"`
		Plans    int       `json:"plans"`
		Items    int       `json:"items"`
		OldEpoch string    `json:"old_epoch"`
		NewEpoch string    `json:"new_epoch"`
		Rewrite  uint64    `json:"rewrite"`
		Verified bool      `json:"verified"`
		Swept    bool      `json:"swept"`
	}{ids, kindOf(p.Kind), p.At, p.Records, p.Plans, p.Items, hex.EncodeToString(p.OldEpoch[:]), hex.EncodeToString(p.NewEpoch[:]), p.Rewrite, p.Verified, p.Swept}
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// askNumber reads a number from a terminal, where it does not show, or as the first line
// of what is sent in.
func (w person) askNumber(ctx context.Context) (string, error) {
	if w.there() {
		word, err := w.ask(ctx, "Number, which does not show")
		return string(word), err
	}
	return readLine(ctx, w.in)
}

// maxTyped bounds a line that is typed.
const maxTyped = 256

// readLine reads one line and nothing of what follows it. A read cannot be interrupted:
// when ctx ends, it is left alone.
func readLine(ctx context.Context, r io.Reader) (string, error) {
	type answer struct {
		line string
		err  error
	}
	got := make(chan answer, 1)
	go func() {
		var line []byte
		for b := make([]byte, 1); len(line) < maxTyped; {
			n, err := r.Read(b)
			if n == 1 && b[0] == '\n' || n == 0 && errors.Is(err, io.EOF) && len(line) > 0 {
				got <- answer{line: string(line)}
				return
			}
			line = append(line, b[:n]...)
			if err != nil {
				got <- answer{err: err}
				return
			}
		}
		got <- answer{err: errors.New("the line is too long")}
	}()
	select {
	case a := <-got:
		if errors.Is(a.err, io.EOF) {
			a.err = errors.New("nothing was typed")
		}
		return a.line, a.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}
