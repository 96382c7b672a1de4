package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"

	"sotto/storage"
)

const eraseUsage = `Usage: sotto erase [flags] -number NUMBER, or -number - to be asked for it
       sotto erase [flags] -user EXTENSION
       sotto erase [flags] -account NAME, or -account - to be asked for it
       sotto erase [flags] -list

Erases a person from the box for good, whether it runs or not, and prints the proof, which
names nobody. Before anything is erased you see how much is kept and type the word erase. An
extension that nobody has any more names the user who left the plan with it, if that was one;
then the word is asked for even with -yes. A number or a name on the command line stays in
the history of the shell: say - in its place and type it, or send it in as the first line.

It ends with 0 if the person is erased, 1 if nothing was erased, 3 if the box keeps nothing
of this person, and 4 if the erasure has begun and is not finished: then do it again. Once the
last digits of all calls of a number are gone, none of them can be found by that number.

`

// eraseTask erases somebody.
type eraseTask struct {
	*common
	whose
	list bool
}

func newErase(c *common) task { return &eraseTask{common: c} }

func (t *eraseTask) flags(f *flag.FlagSet) {
	t.whose.flags(f)
	f.BoolVar(&t.list, "list", false, "print the proofs of all erasures, the oldest first, and erase nobody")
	f.BoolVar(&t.yes, "yes", false, "do not ask, unless the user has left the plan")
	f.BoolVar(&t.json, "json", false, "print proofs as JSON, and all else to the standard error")
}

func (t *eraseTask) check(words []string) error {
	if len(words) > 0 || !one(t.number != "", t.user != "", t.account != "", t.list) {
		return errors.New("say one of -number, -user, -account and -list, and nothing behind the flags; -h tells more")
	}
	return nil
}

func (t *eraseTask) run(ctx context.Context, store *storage.Store, d *desk) error {
	if t.list {
		list, err := store.As(atTerminal).Erasures(ctx)
		if err != nil {
			return err
		}
		return printProofs(d.out, list, t.json)
	}
	p, err := t.person(ctx, store, d)
	if err != nil {
		return err
	}
	proof, err := t.confirmed(ctx, store, p, d)
	if err != nil {
		return err
	}
	if t.json {
		return printJSON(d.out, proofJSON(proof))
	}
	_, err = io.WriteString(d.out, "The person is erased.\n"+tellProof(proof))
	return err
}

// confirmed tells what is kept, asks, and erases.
func (t *eraseTask) confirmed(ctx context.Context, store *storage.Store, p storage.Person, d *desk) (storage.Proof, error) {
	found, err := store.As(atTerminal).Find(ctx, p)
	if err != nil {
		return storage.Proof{}, err
	}
	if found.Known {
		d.say("%s", tellFound(found, &p))
		// The same command twice may reach who had the extension before: no -yes for that.
		if !t.yes || p.User != "" && !found.InPlan {
			if err := d.confirm(ctx, "erase"); err != nil {
				return storage.Proof{}, fmt.Errorf("nothing was erased: %w", err)
			}
		}
	}
	// Also of somebody unknown: an erasure that was interrupted is finished then.
	proof, err := store.Erase(ctx, atTerminal, p)
	switch {
	case errors.Is(err, storage.ErrUnknownPerson):
		return proof, exitError{unknown(p), exitUnknown}
	case errors.Is(err, storage.ErrLastOwner), errors.Is(err, storage.ErrPlanNeeds), errors.Is(err, storage.ErrHelp):
		return proof, fmt.Errorf("nothing was erased: %w", err)
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
	fmt.Fprintf(&b, "The box keeps of this person: call records: %d, entries of journals: %d, revisions of the plan: %d, messages and recordings: %d.\n", f.Records, f.Entries, f.Plans, f.Items)
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
