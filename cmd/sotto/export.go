package main

import (
	"bufio"
	"context"
	"errors"
	"flag"

	"sotto/storage"
)

const exportUsage = `Usage: sotto export [flags] -format csv
       sotto export [flags] -format json

Writes call records, the newest first, to a file or the standard output: all, or those of a
time, a user, a number or a line. Outside numbers stand there as the owner of the box may see
them. A cell that a spreadsheet could take for a formula has an apostrophe in front. The
audit trail and the ledger note the export. A file must not be there yet, only you can read
it, and it is not sealed.

It ends with 0 if the export is whole, else with 1, and with 3 if there is no such user.

`

// exportTask writes call records.
type exportTask struct {
	*common
	whose
	span
	format, line string
}

func newExport(c *common) task {
	c.dataOut = true
	return &exportTask{common: c}
}

func (t *exportTask) flags(f *flag.FlagSet) {
	f.StringVar(&t.format, "format", "", "csv or json")
	t.span.flags(f)
	f.StringVar(&t.user, "user", "", "only calls of the user with this `extension`")
	f.StringVar(&t.number, "number", "", "only calls with this `number`; - to be asked for it")
	f.StringVar(&t.line, "line", "", "only calls over the line with this `name`")
	f.StringVar(&t.out, "o", "", "`file` to write; without it, or with -, the standard output")
	f.BoolVar(&t.progress, "progress", false, "tell how far it is, also where no terminal is")
	f.BoolVar(&t.json, "json", false, "tell how many records there were as JSON")
}

func (t *exportTask) check(words []string) error {
	if t.format != "csv" && t.format != "json" || t.named() && !t.oneNamed() {
		return errors.New("say -format csv or -format json, and one of -user and -number at most; -h tells more")
	}
	if err := t.span.check(); err != nil {
		return err
	}
	return noWords(words)
}

func (t *exportTask) run(ctx context.Context, store *storage.Store, d *desk) error {
	q := storage.Query{From: t.from, Until: t.until, Line: t.line}
	if t.named() {
		var err error
		if q.Person, err = t.person(ctx, store, d); err != nil {
			return err
		}
	}
	format := storage.CSV
	if t.format == "json" {
		format = storage.JSON
	}
	w := bufio.NewWriterSize(&meter{d: d, what: "written"}, readSize)
	rows, err := store.As(atTerminal).Export(ctx, q, format, w)
	if err == nil {
		err = w.Flush()
	}
	d.progressEnds()
	if err != nil {
		return err
	}
	if t.json {
		return printJSON(d.sum, struct {
			Rows int `json:"rows"`
		}{rows})
	}
	d.say("The export is whole: call records: %d.\n", rows)
	return nil
}
