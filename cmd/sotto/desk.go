package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// desk is where a sub-command meets the person who started it. The one of a stopped box
// writes to that person's terminal and files; the one of a running box has a socket
// between (see control.go). A sub-command cannot tell them apart.
type desk struct {
	out   io.Writer // the result: -o, or else the standard output
	words io.Writer // for the person
	sum   io.Writer // what is to be told in JSON of a result that is data
	err   io.Writer // how far it is
	in    io.Reader // the file that the command reads; nil: none

	root string // what opens the data: file, passphrase or tpm

	// ask asks for a line; what is typed for a hidden one does not show.
	ask func(ctx context.Context, prompt string, hidden bool) (string, error)

	told time.Time // when progress was last told
	long bool      // it was told at all
}

// newDesk gives the desk of who sits here.
func newDesk(o *common, stdin io.Reader, stdout, stderr io.Writer) *desk {
	d := &desk{out: stdout, words: stdout, sum: stderr, err: io.Discard}
	if o.json || o.dataOut && (o.out == "" || o.out == "-") {
		d.words = stderr
	}
	if o.progress || atTerm(stderr) && !(o.dataOut && d.words == stderr && atTerm(stdout)) {
		d.err = stderr
	}
	d.ask = func(ctx context.Context, prompt string, hidden bool) (string, error) {
		if hidden {
			return person{stdin, d.words}.askHidden(ctx, prompt)
		}
		fmt.Fprint(d.words, prompt)
		return readLine(ctx, stdin)
	}
	return d
}

// say writes words to the person. A terminal that is gone does not stop what was asked for.
func (d *desk) say(format string, args ...any) { fmt.Fprintf(d.words, format, args...) }

// confirm asks for a word before what cannot be undone. The error says that nothing was
// done.
func (d *desk) confirm(ctx context.Context, word string) error {
	typed, err := d.ask(ctx, "This cannot be undone. Type the word "+word+" to go on: ", false)
	if err == nil && strings.TrimSpace(typed) != word {
		err = errors.New("that was not the word")
	}
	return err
}

// progressEvery is how often it is told at most how far a command is.
const progressEvery = 200 * time.Millisecond

// progress tells how far it is, in place of what it told before.
func (d *desk) progress(format string, args ...any) {
	if now := time.Now(); now.Sub(d.told) >= progressEvery {
		d.told, d.long = now, true
		fmt.Fprintf(d.err, "\r"+format+"\x1b[K", args...)
	}
}

// progressEnds leaves the line of progress.
func (d *desk) progressEnds() {
	if d.long {
		fmt.Fprint(d.err, "\r\x1b[K")
	}
}

// working tells every second for how long something goes on that does not tell how far it is,
// until done is called. Nothing else may be told meanwhile.
func (d *desk) working(what string) (done func()) {
	if d.err == io.Discard {
		return func() {}
	}
	stop := make(chan struct{})
	var telling sync.WaitGroup
	telling.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for n := 1; ; n++ {
			select {
			case <-stop:
				if n > 1 {
					fmt.Fprint(d.err, "\r\x1b[K")
				}
				return
			case <-tick.C:
				fmt.Fprintf(d.err, "\r%s: %d s\x1b[K", what, n)
			}
		}
	})
	return func() {
		close(stop)
		telling.Wait()
	}
}

// meter is a writer that tells how much went through it.
type meter struct {
	d    *desk
	what string
	n    int64
}

func (m *meter) Write(p []byte) (int, error) {
	n, err := m.d.out.Write(p)
	m.n += int64(n)
	m.d.progress("%s: %d KiB", m.what, m.n>>10)
	return n, err
}
