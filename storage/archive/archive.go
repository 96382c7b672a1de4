// Package archive writes what a box keeps of one person as one ZIP file: the audio of
// messages and recordings, the data for a program and the same as a page that anybody can
// read. It answers a request for access (GDPR Article 15) without a tool and without a net:
//
//	audio/0001.wav …   16-bit PCM, 8 kHz, mono
//	data.json          see [Content] for its fields
//	index.html         one page, no script, nothing loaded from elsewhere; prints on A4
//
// The page comes last, so it can tell of the audio what became of it. The names of the files
// are of this package alone, never of the data. An archive that was broken off has no central
// directory: no ZIP reader takes it for a whole one.
//
// Package storage calls it and decides what stands in it; here nothing is masked, looked up
// or left out. What it is given may be hostile text. It holds no more than one row and one
// piece of audio at a time, starts no goroutine and reads no clock.
package archive

import (
	"archive/zip"
	"bufio"
	"context"
	"fmt"
	"io"
	"iter"
	"time"
)

// Kind says what the person is known to the box by.
type Kind string

// The kinds of persons.
const (
	User    Kind = "user"    // has an extension
	Number  Kind = "number"  // an outside number
	Account Kind = "account" // logs in to the page
)

// Content is all that goes into an archive. The sequences are gone through twice, and must give
// the same each time, newest first but for Looks; one that gives an error ends the archive.
type Content struct {
	Made   time.Time // in UTC
	Office string
	Kind   Kind
	Who    string // the person, as asked for
	Known  bool   // false: the box keeps nothing, and all lists are empty

	Terms      []Term // how long each kind is kept
	Facts      []Fact // the person in the plan
	Former     []Past // the same as it was before, newest first
	Accounts   []Login
	Telephones []Telephone
	Recipients []Recipient
	Notices    []Notice

	Calls   iter.Seq2[Call, error]
	Journal iter.Seq2[Call, error] // the person's own
	Others  iter.Seq2[Call, error] // the person in journals of others
	Looks   iter.Seq2[Look, error] // lines of the audit trail by or about the person, oldest first
	Audio   []Audio

	Rules   []string     // how others are masked in it, in sentences
	Damaged func() int   // rows that did not open, asked once the sequences were gone through
	Valid   func() error // asked last: an error ends the archive
}

// Term is how long a kind of data is kept.
type Term struct {
	Kind string `json:"kind"`
	Days int    `json:"days"`
}

// Fact is one thing that is known of the person.
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Past is how something was before it was changed.
type Past struct {
	Revision uint64 `json:"revision"` // of the plan, the newest in which it stands so
	Facts    []Fact `json:"facts"`
}

// Login is an account of the page. Its password is not among what the box knows.
type Login struct {
	Name string `json:"name"`
	Role string `json:"role"`
}

// Telephone is one that is registered over the network.
type Telephone struct {
	Model   string    `json:"model,omitempty"` // as it says itself
	Address string    `json:"address"`         // where it registered from
	Contact string    `json:"contact"`         // where it wants to be called
	Until   time.Time `json:"until"`           // its registration ends
}

// Recipient is where data of this box went, the person's or not.
type Recipient struct {
	What  string    `json:"what"`
	To    string    `json:"to"`
	Times int       `json:"times"`
	Last  time.Time `json:"last"`
}

// Notice tells that somebody asked to see a masked number whole: the person's own, or one of the
// person's calls.
type Notice struct {
	At      time.Time `json:"at"`      // when it was asked
	By      string    `json:"by"`      // role
	Agreed  string    `json:"agreed"`  // role of who agreed, if somebody had to
	Outcome string    `json:"outcome"` // in words
	Reason  string    `json:"reason"`
}

// Call is one call, as a call record or a journal has it.
type Call struct {
	Began     time.Time `json:"began"`     // in UTC
	Direction string    `json:"direction"` // "incoming", "outgoing", "internal"
	Came      bool      `json:"came"`      // it came to the person; else the person made it
	Own       End       `json:"own"`       // the person
	Other     End       `json:"other"`     // who was at the other end
	RangMS    int64     `json:"rang_ms"`   // until the answer or the end
	TalkedMS  int64     `json:"talked_ms"` // from the answer to the end
	Outcome   string    `json:"outcome"`   // in a word
	Held      bool      `json:"held"`      // it was on hold for some time
	Emergency bool      `json:"emergency"` // to an emergency number
}

// End is one end of a call: what may be told of it, and in words why there is no more.
type End struct {
	Name   string `json:"name,omitempty"`
	Ext    string `json:"extension,omitempty"`
	Number string `json:"number,omitempty"` // an ellipsis at its end stands for digits that are not there
	Line   string `json:"line,omitempty"`   // exchange line or trunk
	Place  string `json:"place,omitempty"`  // of the telephone
	Note   string `json:"note,omitempty"`
}

// Look is a line of the audit trail: who did what and when.
type Look struct {
	At   time.Time `json:"at"`  // in UTC
	Own  bool      `json:"own"` // it was the person
	By   string    `json:"by"`  // else role; nobody is named
	What string    `json:"what"`
	Rows int       `json:"rows,omitempty"`

	Before string `json:"before,omitempty"` // of a change
	After  string `json:"after,omitempty"`
}

// Audio is one message or recording.
type Audio struct {
	Size int64                     // bytes of G.711 A-law, 8,000 a second
	Cut  bool                      // its end is missing
	Open func() (AudioFile, error) // it is closed after use
}

// AudioFile is sound as the box keeps it.
type AudioFile interface {
	io.ReaderAt
	io.Closer
}

// Heard is what became of one [Audio].
type Heard struct {
	File    string  `json:"file,omitempty"` // in the archive; empty: there is none
	Seconds float64 `json:"seconds"`
	Cut     bool    `json:"end_missing"` // its end is missing, as after a power cut
	Broken  bool    `json:"damaged"`     // it does not open, or is silence from where it does not
}

// Summary tells what was written.
type Summary struct {
	Calls, Journal, Others, Looks int
	Damaged                       int // rows that did not open
	Audio                         []Heard
	Bytes                         int64
}

// Write writes the archive to w. step, which may be nil, is told of each row as 1 and of each
// second of audio as 1; rows are told twice. On an error, that of ctx, of w or of a sequence,
// what was written is no whole archive.
func Write(ctx context.Context, w io.Writer, c *Content, step func(n int)) (Summary, error) {
	if step == nil {
		step = func(int) {}
	}
	out := &counter{w: w}
	z := zip.NewWriter(out)
	a := writer{ctx: ctx, c: c, step: step}
	err := a.audio(z)
	if err == nil {
		err = entry(z, "data.json", c.Made, zip.Deflate, a.data)
	}
	if err == nil {
		err = entry(z, "index.html", c.Made, zip.Deflate, a.page)
	}
	if err == nil {
		err = ctx.Err()
	}
	if err == nil && c.Valid != nil {
		err = c.Valid()
	}
	if err == nil {
		err = z.Close()
	}
	a.sum.Bytes = out.n
	if err != nil {
		return a.sum, fmt.Errorf("write archive, which is not whole: %w", err)
	}
	return a.sum, nil
}

// writer is one archive being written.
type writer struct {
	ctx  context.Context
	c    *Content
	step func(int)
	sum  Summary
}

// entry writes one file of the archive through a buffer.
func entry(z *zip.Writer, name string, at time.Time, method uint16, write func(*bufio.Writer) error) error {
	f, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: method, Modified: at.UTC()})
	if err != nil {
		return err
	}
	b := bufio.NewWriterSize(f, 32<<10)
	if err := write(b); err != nil {
		return err
	}
	return b.Flush()
}

// rows gives the elements of a sequence until its error, which it leaves in err, and counts
// them in n.
func rows[T any](a *writer, seq iter.Seq2[T, error], n *int, err *error) iter.Seq[T] {
	return func(yield func(T) bool) {
		if seq == nil {
			return
		}
		for v, e := range seq {
			if e == nil {
				e = a.ctx.Err()
			}
			if e != nil {
				*err = e
				return
			}
			*n++
			a.step(1)
			if !yield(v) {
				return
			}
		}
	}
}

// counter counts bytes.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}
