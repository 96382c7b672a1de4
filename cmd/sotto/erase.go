package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"

	"sotto/pbx/number"
	"sotto/pbx/plan"
	"sotto/storage"
	"sotto/storage/keyring"
)

const eraseUsage = `Usage: sotto erase [flags] -number NUMBER, or -number - to be asked for it
       sotto erase [flags] -user EXTENSION
       sotto erase [flags] -account NAME, or -account - to be asked for it
       sotto erase [flags] -list

Erases a person from a box that does not run, for good, and prints the proof, which names
nobody. While the box runs, its page does it, under Privacy. Before anything is erased you
see how much is kept and type the word erase. An extension that nobody has any more names the
user who left the plan with it, if that was one; then the word is asked for even with -yes. A
number or a name on the command line stays in the history of the shell: say - in its place
and type it, or send it in as the first line.

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
	number, user, account string
	list, yes, json       bool
}

func parseErase(args []string, w io.Writer) (eraseFlags, error) {
	var o eraseFlags
	f := flag.NewFlagSet("sotto erase", flag.ContinueOnError)
	f.SetOutput(io.Discard) // a wrong flag is told once, by main
	f.StringVar(&o.data, "data", "sotto-data", "`folder` that everything is kept in")
	f.StringVar(&o.root, "root", "", rootUsage)
	f.StringVar(&o.passphraseFile, "passphrase-file", "", passphraseFileUsage)
	f.StringVar(&o.number, "number", "", "`number` outside, in any form; - to be asked for it")
	f.StringVar(&o.user, "user", "", "`extension` of a user of the plan, or of one who has left it")
	f.StringVar(&o.account, "account", "", "`name` that somebody logs in to the page with, in any case; - to be asked for it")
	f.BoolVar(&o.list, "list", false, "print the proofs of all erasures, the oldest first, and erase nobody")
	f.BoolVar(&o.yes, "yes", false, "do not ask, unless the user has left the plan")
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
	for _, is := range []bool{o.number != "", o.user != "", o.account != "", o.list} {
		if is {
			named++
		}
	}
	if named != 1 || f.NArg() > 0 {
		return o, errors.New("erase: say one of -number, -user, -account and -list, and nothing behind the flags; -h tells more")
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
		var key keyring.Root
		if key, err = openRoot(ctx, o, who); err == nil {
			var store *storage.Store
			if store, err = storage.Open(o.data, key, log); err == nil {
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
		return user(ctx, store, plan.Ext(o.user))
	}
	typed, prompt := o.number, "Number, which does not show: "
	if o.account != "" {
		typed, prompt = o.account, "Name, which does not show: "
	}
	if typed == "-" {
		var err error
		if typed, err = who.askHidden(ctx, prompt); err != nil {
			return storage.Person{}, fmt.Errorf("erase: %w", err)
		}
	}
	if o.account != "" {
		return account(ctx, store, strings.TrimSpace(typed))
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

// user gives who has an extension today, or else the one user who had it and has left the plan.
func user(ctx context.Context, store *storage.Store, ext plan.Ext) (storage.Person, error) {
	p, _ := store.CurrentPlan()
	has := func(u plan.User) bool { return u.Ext == ext }
	if i := slices.IndexFunc(p.Users, has); i >= 0 {
		return storage.Person{User: p.Users[i].ID}, nil
	}
	former, err := store.As(atTerminal).FormerUsers(ctx)
	if err != nil {
		return storage.Person{}, fmt.Errorf("erase: %w", err)
	}
	former = slices.DeleteFunc(former, func(u plan.User) bool { return !has(u) })
	switch len(former) {
	case 0:
		return storage.Person{}, exitError{errors.New("erase: nobody has this extension, and no user who has left the plan had it"), exitUnknown}
	case 1:
		return storage.Person{User: former[0].ID}, nil
	}
	return storage.Person{}, errors.New("erase: nothing was erased: several users had this extension and have left the plan: erase on the page, under Privacy, which shows their names")
}

// account gives who logs in with a name.
func account(ctx context.Context, store *storage.Store, name string) (storage.Person, error) {
	all, err := store.As(atTerminal).Accounts(ctx)
	if err != nil {
		return storage.Person{}, fmt.Errorf("erase: %w", err)
	}
	for _, a := range all {
		if strings.EqualFold(a.Name, name) { // as the log-in takes it
			return storage.Person{Account: a.ID}, nil
		}
	}
	return storage.Person{}, exitError{errors.New("erase: nobody logs in with this name"), exitUnknown}
}

// confirmed tells what is kept, asks, and erases.
func (o *eraseFlags) confirmed(ctx context.Context, store *storage.Store, p storage.Person, who person) (storage.Proof, error) {
	found, err := store.As(atTerminal).Find(ctx, p)
	if err != nil {
		return storage.Proof{}, err
	}
	if found.Known {
		fmt.Fprint(who.out, tellFound(found, &p))
		// The same command twice may reach who had the extension before: no -yes for that.
		if !o.yes || p.User != "" && !found.InPlan {
			fmt.Fprint(who.out, "This cannot be undone. Type the word erase to go on: ")
			word, err := readLine(ctx, who.in)
			if err == nil && strings.TrimSpace(word) != "erase" {
				err = errors.New("that was not the word")
			}
			if err != nil {
				return storage.Proof{}, fmt.Errorf("erase: nothing was erased: %w", err)
			}
		}
	}
	// Also of somebody unknown: an erasure that was interrupted is finished then.
	proof, err := store.Erase(ctx, atTerminal, p)
	switch {
	case errors.Is(err, storage.ErrUnknownPerson):
		return proof, exitError{fmt.Errorf("erase: %w", storage.ErrUnknownPerson), exitUnknown}
	case errors.Is(err, storage.ErrLastOwner), errors.Is(err, storage.ErrPlanNeeds), errors.Is(err, storage.ErrHelp):
		return proof, fmt.Errorf("erase: nothing was erased: %w", err)
	case err != nil:
		return proof, exitError{fmt.Errorf("not finished, do it again: %w", err), exitUnfinished}
	}
	return proof, nil
}

// tellFound tells how much is kept of a person, or of a log-in alone, and what becomes of it.
func tellFound(f storage.Found, p *storage.Person) string {
	if p.Account != "" {
		return "Somebody logs in to the page with this name, and cannot any more then. Name, role and password become unreadable at once; a user stays.\n"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "The box keeps of this person: call records: %d, revisions of the plan: %d, messages and recordings: %d.\n", f.Records, f.Plans, f.Items)
	if f.InPlan {
		b.WriteString("It is a user of the plan, who leaves it with extension and passwords; a line that rang this user alone rings all.\n")
	} else if p.User != "" {
		b.WriteString("It is a user who had this extension and is no longer in the plan.\n")
	}
	if f.Account {
		b.WriteString("It can log in to the page, and cannot any more then.\n")
	}
	b.WriteString("Names and numbers become unreadable at once. The other end of each call stays, with a pseudonym; a later call makes a new entry.\n")
	return b.String()
}
