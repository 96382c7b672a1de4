// Package papers writes what an office must have in writing about its telephone box: the record of
// processing activities (Regulation (EU) 2016/679, GDPR, Article 30(1)) and the notice to those
// whose data is kept (Articles 13 and 14). Both follow from the settings as they are at the
// moment of writing: what is switched off is not in them, and what is on is. What the box cannot
// know (on which legal basis the office relies, who the data protection officer is) is a marked
// blank, never a guess. The page and the sub-command "papers" call it. It is pure: it reads no
// store and no clock, and is given no call, no name of a user and no number of one.
//
//	Input ── record.go, notice.go ──► document: sections of sentences and tables
//	            ▲                         ├── HTML
//	        lang/*.json                   └── Text
package papers

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"sotto/storage/policy"
)

// Root is what keeps the key that opens the data.
type Root string

// The roots there are. Any other becomes a blank.
const (
	KeyFile    Root = "key file"
	Passphrase Root = "passphrase"
	TPM        Root = "tpm"
)

// Contact is how to reach somebody; what is empty becomes a blank of the paper.
type Contact struct {
	Name    string `json:"name,omitempty"`
	Address string `json:"address,omitempty"`
	Email   string `json:"email,omitempty"`
	Phone   string `json:"phone,omitempty"`
}

// Recipient is one to whom something left the box, from its ledger.
type Recipient struct {
	Kind  string      `json:"kind"`           // export, access, backup, mail, feed, syslog
	Name  string      `json:"name,omitempty"` // of the device or server, as the office calls it; empty: who asked for it
	Role  policy.Role `json:"role,omitempty"` // of who asked for it; 0: not known
	Times int         `json:"times"`          // how many times
	Last  time.Time   `json:"last"`           // the last of them
}

// Input is all that a paper follows from. Texts are taken up to 200 characters, Recipients up
// to 200 of them.
type Input struct {
	Office   string          `json:"office"`
	Country  string          `json:"country"` // of the office, a code of package country: says which law the paper names; empty: that of Settings
	Date     time.Time       `json:"date"`    // of the paper
	Settings policy.Settings `json:"settings"`
	Facts    policy.Facts    `json:"facts"`
	Root     Root            `json:"root"`
	Backups  int             `json:"backups"` // how many sealed backups are kept on a stick; 0: the box makes none
	Secure   bool            `json:"secure"`  // signalling and sound of telephones on the network are encrypted

	Recipients []Recipient `json:"recipients,omitempty"` // within the time that the ledger is kept; in the order of the paper

	Controller     Contact `json:"controller"`          // for Articles 30(1)(a) and 13(1)(a); Name empty: Office
	Representative Contact `json:"representative"`      // joint controller, or representative of a controller outside the Union
	Officer        Contact `json:"officer"`             // data protection officer
	Authority      string  `json:"authority,omitempty"` // where one can complain, Article 77
}

// Kind is one of the papers.
type Kind string

// The papers there are.
const (
	Record Kind = "record" // of processing activities, Article 30(1)
	Notice Kind = "notice" // Articles 13 and 14
)

var (
	// ErrKind says that there is no such paper.
	ErrKind = errors.New("no such paper")
	// ErrLanguage says that there is no paper in a language.
	ErrLanguage = errors.New("no paper in this language")
)

// HTML writes one paper as a page that needs nothing beside it: no script, no request. It
// writes all of it or, but for an error of w, nothing. Errors are [ErrKind], [ErrLanguage],
// those of Validate of the settings, and those of w.
func HTML(w io.Writer, k Kind, lang string, in Input) error {
	return write(w, k, lang, in, (*document).html)
}

// Text is as [HTML], as plain text in UTF-8, in lines of 78 characters at most, a longer word
// excepted.
func Text(w io.Writer, k Kind, lang string, in Input) error {
	return write(w, k, lang, in, (*document).text)
}

func write(out io.Writer, k Kind, lang string, in Input, render func(*document, *bytes.Buffer) error) error {
	words, ok := languages[lang]
	if !ok {
		return ErrLanguage
	}
	if err := in.Settings.Validate(); err != nil {
		return fmt.Errorf("write a paper: %w", err)
	}
	w := writer{words: words, in: &in}
	var d *document
	switch k {
	case Record:
		d = w.record()
	case Notice:
		d = w.notice()
	default:
		return ErrKind
	}
	if w.missing != "" {
		return fmt.Errorf("write a paper: no words for %q in %s", w.missing, lang)
	}
	d.Lang = lang
	var b bytes.Buffer
	if err := render(d, &b); err != nil {
		return fmt.Errorf("write a paper: %w", err)
	}
	_, err := out.Write(b.Bytes())
	return err
}
