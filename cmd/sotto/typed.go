package main

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	"sotto/storage/root"
)

// askHidden reads a number or a name from a terminal, where it does not show, or as the
// first line of what is sent in.
func (w person) askHidden(ctx context.Context, prompt string) (string, error) {
	if w.there() {
		word, err := root.ReadTyped(ctx, w.in.(*os.File), w.out, prompt, hiddenWait)
		return string(word), err
	}
	return readLine(ctx, w.in)
}

// hiddenWait is how long a number or a name is waited for.
const hiddenWait = 2 * time.Minute

// maxTyped bounds a line that is typed.
const maxTyped = 1024

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
		got <- answer{err: errTooLong}
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
