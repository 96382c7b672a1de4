package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"sotto/storage"
	"sotto/storage/papers"
)

const papersUsage = `Usage: sotto papers -record [flags]
       sotto papers -notice [flags]

Writes the record of processing activities (GDPR, Article 30) or the notice to those whose
data is kept (Articles 13 and 14), as they follow from the settings of the box at this
moment. What the box cannot know is a marked blank: fill it in, or give some of it by
-contacts, a JSON file with any of

  {"controller": {"name": "", "address": "", "email": "", "phone": ""},
   "representative": {}, "officer": {}, "authority": ""}

`

// papersTask writes the papers.
type papersTask struct {
	*common
	record, notice, html, text bool
	lang                       string
}

func newPapers(c *common) task {
	c.dataOut = true
	return &papersTask{common: c}
}

func (t *papersTask) flags(f *flag.FlagSet) {
	f.BoolVar(&t.record, "record", false, "the record of processing activities")
	f.BoolVar(&t.notice, "notice", false, "the notice")
	f.BoolVar(&t.html, "html", false, "as a page for a browser or a printer")
	f.BoolVar(&t.text, "text", false, "as plain text, which it is without -html, too")
	f.StringVar(&t.lang, "lang", "en", "`language`: "+strings.Join(papers.Languages(), ", "))
	f.StringVar(&t.in, "contacts", "", "`file` with what the box does not know")
	f.StringVar(&t.out, "o", "", "`file` to write; without it, or with -, the standard output")
	f.BoolVar(&t.json, "json", false, "print what the paper follows from as JSON, and no paper")
}

func (t *papersTask) check(words []string) error {
	if !one(t.record, t.notice) || t.html && t.text {
		return errors.New("say one of -record and -notice, and one of -html and -text at most; -h tells more")
	}
	if !slices.Contains(papers.Languages(), t.lang) {
		return papers.ErrLanguage
	}
	return noWords(words)
}

func (t *papersTask) run(ctx context.Context, store *storage.Store, d *desk) error {
	in, err := paperInput(ctx, store, d)
	if err != nil {
		return err
	}
	kind, write := papers.Notice, papers.Text
	if t.record {
		kind = papers.Record
	}
	if t.html {
		write = papers.HTML
	}
	if t.json {
		return printJSON(d.out, in)
	}
	return write(d.out, kind, t.lang, in)
}

// paperInput gathers what the papers follow from.
func paperInput(ctx context.Context, store *storage.Store, d *desk) (papers.Input, error) {
	r := store.As(atTerminal)
	settings, _, err := r.Settings(ctx)
	if err != nil {
		return papers.Input{}, err
	}
	left, err := r.Recipients(ctx)
	if err != nil {
		return papers.Input{}, err
	}
	facts, err := r.Facts(ctx)
	if err != nil {
		return papers.Input{}, err
	}
	in := papers.Input{Date: time.Now(), Settings: settings, Facts: facts, Root: paperRoots[d.root]}
	in.Office, in.Country = r.Office()
	for _, x := range left {
		in.Recipients = append(in.Recipients, papers.Recipient{Kind: string(x.Kind), Name: x.To, Role: x.Role, Times: x.Times, Last: x.Last})
	}
	if d.in == nil {
		return in, nil
	}
	err = readContacts(d.in, &in)
	return in, err
}

var paperRoots = map[string]papers.Root{"file": papers.KeyFile, "passphrase": papers.Passphrase, "tpm": papers.TPM}

// maxContacts bounds the file of -contacts.
const maxContacts = 16 << 10

// readContacts reads what the box does not know.
func readContacts(r io.Reader, in *papers.Input) error {
	b, err := io.ReadAll(io.LimitReader(r, maxContacts+1))
	if err != nil {
		return err
	}
	var c struct {
		Controller     papers.Contact `json:"controller"`
		Representative papers.Contact `json:"representative"`
		Officer        papers.Contact `json:"officer"`
		Authority      string         `json:"authority"`
	}
	dec := json.NewDecoder(strings.NewReader(string(b)))
	dec.DisallowUnknownFields()
	if len(b) > maxContacts || dec.Decode(&c) != nil { // the error repeats what stands there
		return fmt.Errorf("-contacts: this is not JSON as -h shows it, or longer than %d KiB", maxContacts>>10)
	}
	in.Controller, in.Representative, in.Officer, in.Authority = c.Controller, c.Representative, c.Officer, c.Authority
	return nil
}
