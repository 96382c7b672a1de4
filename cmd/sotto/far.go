package main

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// far is who started a sub-command, as the box sees that person: at the other end of a
// connection.
type far struct {
	conn    *net.UnixConn
	ctx     context.Context    // of the sub-command
	cancel  context.CancelFunc // of the sub-command
	answers chan answer        // one at the most
	asked   atomic.Bool        // one is due
	mu      sync.Mutex         // one writes
}

type answer struct {
	data []byte
	err  error
}

// desk gives the desk of the sub-command.
func (f *far) desk(ctx context.Context, q *request) *desk {
	d := &desk{out: farWriter{f, frameResult}, words: farWriter{f, frameWords}, sum: farWriter{f, frameSum}, err: io.Discard}
	if q.Watched {
		d.err = farWriter{f, frameProgress}
	}
	if q.File {
		d.in = &farReader{f: f, ctx: ctx}
	}
	d.ask = func(ctx context.Context, prompt string, hidden bool) (string, error) {
		kind := byte(frameLine)
		if hidden {
			kind = frameHidden
		}
		line, err := f.ask(ctx, kind, prompt)
		if err == nil && len(line) > maxTyped {
			return "", errTooLong
		}
		return string(line), err
	}
	return d
}

// listen takes answers until the connection ends, and the sub-command with it. Who says
// something unasked is none of ours.
func (f *far) listen() {
	defer f.cancel()
	for {
		kind, data, err := readFrame(f.conn)
		if err != nil || !f.asked.CompareAndSwap(true, false) {
			return
		}
		switch kind {
		case frameAnswer:
			f.answers <- answer{data: data}
		case frameNoAnswer:
			f.answers <- answer{err: errors.New(plainWords(string(data[:min(len(data), maxTyped)])))}
		default:
			return
		}
	}
}

// ask asks the other end, and waits.
func (f *far) ask(ctx context.Context, kind byte, prompt string) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f.asked.Store(true)
	if err := f.write(kind, []byte(prompt)); err != nil {
		return nil, err
	}
	limit := time.NewTimer(askLimit)
	defer limit.Stop()
	select {
	case a := <-f.answers:
		return a.data, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-limit.C:
		f.cancel() // a late answer would be taken for another question's
		return nil, errors.New("nobody answered")
	}
}

// write sends one frame. A connection that takes nothing ends the sub-command.
func (f *far) write(kind byte, data []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.conn.SetWriteDeadline(time.Now().Add(askLimit))
	if f.ctx.Err() != nil { // looked at after that: what ends ctx sets a nearer one
		return errGone
	}
	err := writeFrame(f.conn, kind, data)
	if err != nil {
		f.cancel()
		return errGone
	}
	return nil
}

var (
	errGone    = errors.New("who asked for this is gone")
	errTooLong = errors.New("the line is too long")
)

// farWriter is a stream of the other end.
type farWriter struct {
	f    *far
	kind byte
}

func (w farWriter) Write(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		piece := p[n:min(len(p), n+maxFrame)]
		if err = w.f.write(w.kind, piece); err == nil {
			n += len(piece)
		}
	}
	return n, err
}

// farReader is the file that the other end has opened.
type farReader struct {
	f    *far
	ctx  context.Context
	rest []byte
	end  bool
}

func (r *farReader) Read(p []byte) (int, error) {
	if len(r.rest) == 0 && !r.end {
		data, err := r.f.ask(r.ctx, frameRead, "")
		if err != nil {
			return 0, err
		}
		r.rest, r.end = data, len(data) == 0
	}
	if r.end {
		return 0, io.EOF
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}
