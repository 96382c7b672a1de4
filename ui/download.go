package ui

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"sotto/storage"
)

// stallLimit is how long a browser may take nothing of a file before it is let go.
const stallLimit = 30 * time.Second

// errDownloading says that a file is on its way to this account already.
var errDownloading = errors.New("a file for this account is being made already")

// downloads are the accounts that a file is made for at this moment, one each: a file is work
// for the box, and nobody needs two at once.
type downloads struct {
	mu  sync.Mutex
	now map[storage.AccountID]bool
}

// begin takes the place of an account; false if it is taken. end gives it back.
func (d *downloads) begin(id storage.AccountID) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.now[id] {
		return false
	}
	if d.now == nil {
		d.now = map[storage.AccountID]bool{}
	}
	d.now[id] = true
	return true
}

func (d *downloads) end(id storage.AccountID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.now, id)
}

// download answers with a file that is written while it is made, so that it may be of any
// length. It is broken off when the browser goes, takes nothing any more or is logged out, and
// when the account gets another role. An error before the first byte is given back, for a page
// that tells of it; after that the connection ends in the middle, by which the browser knows
// that the file is not whole. kind is a media type; name holds nothing of a person.
func (s *Server) download(q *request, name, kind string, write func(ctx context.Context, w io.Writer) error) error {
	if q.r.Method == http.MethodHead { // nothing leaves the box
		return nil
	}
	own := q.who.account.ID
	if !s.downloads.begin(own) {
		return errDownloading
	}
	defer s.downloads.end(own)
	ctx, cancel := context.WithCancelCause(q.r.Context())
	defer cancel(nil)
	defer context.AfterFunc(q.who.ctx, func() { cancel(errSessionOver) })()
	out := &file{s: s, q: q, rc: http.NewResponseController(q.w), name: name, kind: kind}
	err := write(ctx, out)
	switch {
	case err == nil:
		return nil
	case !out.begun && q.who.ctx.Err() != nil:
		return errSessionOver
	case !out.begun:
		return err
	}
	if ctx.Err() == nil && !errors.Is(err, errSessionOver) && !errors.As(err, new(*stalled)) {
		s.count.failed.Add(1)
		s.cfg.Log.Error("a file was broken off", "code", s.faults.note(time.Now()), "route", q.r.Pattern, "why", err)
	}
	panic(http.ErrAbortHandler)
}

// file is the answer of a download.
type file struct {
	s          *Server
	q          *request
	rc         *http.ResponseController
	name, kind string
	begun      bool
}

// stalled is an error of the connection.
type stalled struct{ err error }

func (e *stalled) Error() string { return "write to the browser: " + e.err.Error() }
func (e *stalled) Unwrap() error { return e.err }

// Write implements [io.Writer].
func (f *file) Write(p []byte) (int, error) {
	// The role is the one of now, as with pages.
	if a, ok := f.s.cfg.Store.Account(f.q.who.account.ID); !ok || a.Viewer() != f.q.viewer() {
		return 0, errSessionOver
	}
	if !f.begun {
		f.begun = true
		h := f.q.w.Header()
		h.Set("Content-Type", f.kind)
		h.Set("Content-Disposition", `attachment; filename="`+f.name+`"`)
	}
	f.rc.SetWriteDeadline(time.Now().Add(stallLimit))
	n, err := f.q.w.Write(p)
	if err != nil {
		err = &stalled{err}
	}
	return n, err
}

// fileName gives the name of a file of today.
func fileName(what string, now time.Time, ending string) string {
	return "sotto-" + what + "-" + now.Format(time.DateOnly) + "." + ending
}
