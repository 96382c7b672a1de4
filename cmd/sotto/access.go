package main

import (
	"context"
	"errors"
	"flag"

	"sotto/storage"
)

const accessUsage = `Usage: sotto access [flags] -o FILE.zip -user EXTENSION
       sotto access [flags] -o FILE.zip -number NUMBER, or -number - to be asked for it
       sotto access [flags] -o FILE.zip -account NAME, or -account - to be asked for it

Writes all that the box keeps of one person into an archive to hand over: a page to read,
the same as JSON, and the audio. Others are masked in it. The file must not be there yet,
only you can read it, and it is not sealed: hand it over in a safe way, and destroy it then.
The audit trail and the ledger note that it was made. A number or a name on the command line
stays in the history of the shell: say - in its place.

It ends with 0 if the archive is whole, 1 if there is none, and 3 if the box keeps nothing of
this person; if it can say so in an archive, there is one. Once the last digits of all calls
of a number are gone, none of them can be found by that number.

`

// accessTask writes one person's data.
type accessTask struct {
	*common
	whose
}

func newAccess(c *common) task {
	c.dataOut = true
	return &accessTask{common: c}
}

func (t *accessTask) flags(f *flag.FlagSet) {
	t.whose.flags(f)
	f.StringVar(&t.out, "o", "", "`file` to write, or - for the standard output")
	f.BoolVar(&t.progress, "progress", false, "tell how far it is, also where no terminal is")
	f.BoolVar(&t.json, "json", false, "tell what is in the archive as JSON, and all else on the standard error")
}

func (t *accessTask) check(words []string) error {
	if !t.oneNamed() || t.out == "" {
		return errors.New("say one of -user, -number and -account, and -o FILE.zip; -h tells more")
	}
	return noWords(words)
}

func (t *accessTask) run(ctx context.Context, store *storage.Store, d *desk) error {
	p, err := t.person(ctx, store, d)
	if err != nil {
		return err
	}
	a, err := store.As(atTerminal).Access(ctx, p, d.out, func(done, total int) { d.progress("%d of %d", done, total) })
	d.progressEnds()
	if err != nil {
		return err
	}
	if t.json {
		err = printJSON(d.sum, struct {
			Known   bool  `json:"known"`
			Records int   `json:"records"`
			Journal int   `json:"journal"`
			Items   int   `json:"items"`
			Lines   int   `json:"audit_lines"`
			Damaged int   `json:"damaged"`
			Bytes   int64 `json:"bytes"`
		}{a.Known, a.Records, a.Journal, a.Items, a.Lines, a.Damaged, a.Bytes})
	} else if a.Known {
		d.say("The archive is whole: call records: %d, journal: %d, messages and recordings: %d, lines of the audit trail: %d, KiB: %d.\n", a.Records, a.Journal, a.Items, a.Lines, (a.Bytes+1023)>>10)
	}
	if a.Damaged > 0 {
		d.say("Damaged, and so not in it: %d. The archive says so.\n", a.Damaged)
	}
	if err == nil && !a.Known {
		err = exitError{unknown(p), exitUnknown}
	}
	return err
}
