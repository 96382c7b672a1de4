package ui

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"sotto/storage"
)

// Policies of pages. There is nothing inline and nothing from elsewhere.
const (
	pagePolicy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
	simPolicy  = pagePolicy + "; media-src 'self'; worker-src 'self'"
	allOff     = "accelerometer=(), camera=(), display-capture=(), fullscreen=(), geolocation=(), gyroscope=(), midi=(), payment=(), serial=(), usb=(), "
)

// request is one request on its way to a page.
type request struct {
	w   http.ResponseWriter
	r   *http.Request
	now time.Time
	who *session // nil: nobody is logged in
}

// as reads on behalf of who is logged in.
func (s *Server) as(q *request) *storage.Reader { return s.cfg.Store.As(q.viewer()) }

func (q *request) viewer() storage.Viewer {
	if q.who == nil {
		return storage.Viewer{}
	}
	return q.who.account.Viewer()
}

// source gives the address that limits count by.
func (q *request) source() netip.Addr { return source(q.r.RemoteAddr) }

// chain gives the checks that every request passes, in this order, and then the pages.
func (s *Server) chain(pages http.Handler) http.Handler {
	var protection http.CrossOriginProtection
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.count.crossOrigin.Add(1)
		s.problem(&request{w: w, r: r, now: time.Now()}, http.StatusForbidden, "wrong.origin")
	}))
	pages = protection.Handler(pages)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer s.caught(w, r)
		header(w.Header(), r.URL.Path)
		if !s.knows(r.Host) {
			s.count.refusedHosts.Add(1)
			http.Error(w, "This is not the name of this box.", http.StatusMisdirectedRequest)
			return
		}
		most := int64(maxBody)
		if r.URL.Path == importPath { // read once somebody is logged in who may
			most = maxImport
		}
		r.Body = http.MaxBytesReader(w, r.Body, most)
		pages.ServeHTTP(w, r)
	})
}

// header sets what every answer has. There is no Strict-Transport-Security: with a
// certificate of the box's own it would lock its owner out after a wipe.
func header(h http.Header, path string) {
	csp, microphone := pagePolicy, "microphone=()"
	if path == simPath || strings.HasPrefix(path, simPath) {
		csp, microphone = simPolicy, "microphone=(self)"
	}
	h.Set("Content-Security-Policy", csp)
	h.Set("Permissions-Policy", allOff+microphone)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cross-Origin-Embedder-Policy", "require-corp")
	h.Set("Cache-Control", "no-store")
}

// knows tells whether host, of a request, is a name of this box. A page of a stranger
// that has its own name resolve to the box's address is not answered: that would make it
// one origin with the box.
func (s *Server) knows(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	for _, h := range append([]string{"localhost", "sotto.local"}, s.cfg.Hosts...) {
		if strings.EqualFold(h, host) {
			return true
		}
	}
	return false
}

// caught answers for a page that panicked.
func (s *Server) caught(w http.ResponseWriter, r *http.Request) {
	v := recover()
	if v == nil {
		return
	}
	if v == http.ErrAbortHandler {
		panic(v)
	}
	s.count.panics.Add(1)
	code := s.faults.note(time.Now())
	s.cfg.Log.Error("a page broke", "code", code, "route", r.Pattern, "why", fmt.Sprint(v), "stack", string(debug.Stack()))
	s.ourFault(&request{w: w, r: r, now: time.Now()}, code)
}

var (
	errNotFound = errors.New("no such page")
	errForm     = errors.New("the form cannot be read")
)

// fail answers a request that came to nothing. It is the one place where an error becomes
// a sentence; its own text goes to the log at most.
func (s *Server) fail(q *request, err error) {
	tooLarge := (*http.MaxBytesError)(nil)
	switch {
	case errors.Is(err, storage.ErrNotAllowed):
		s.problem(q, http.StatusForbidden, "wrong.role")
	case errors.Is(err, errNotFound):
		s.problem(q, http.StatusNotFound, "wrong.address")
	case errors.As(err, &tooLarge):
		s.problem(q, http.StatusRequestEntityTooLarge, "wrong.size")
	case errors.Is(err, errForm):
		s.problem(q, http.StatusBadRequest, "wrong.form")
	case errors.Is(err, storage.ErrBusy):
		q.w.Header().Set("Retry-After", "5")
		s.problem(q, http.StatusServiceUnavailable, "wrong.busy")
	case errors.Is(err, errDownloading):
		s.problem(q, http.StatusTooManyRequests, "wrong.downloading")
	case storeDown(err): // what cannot be noted is not shown
		s.problem(q, http.StatusServiceUnavailable, "wrong.storage")
	case errors.Is(err, errSessionOver):
		redirect(q, "/login?"+overMark)
	case errors.Is(err, context.Canceled): // the browser went away
	default:
		s.count.failed.Add(1)
		code := s.faults.note(q.now)
		s.cfg.Log.Error("a page failed", "code", code, "route", q.r.Pattern, "why", err)
		s.ourFault(q, code)
	}
}

func (s *Server) ourFault(q *request, code string) {
	s.show(q, http.StatusInternalServerError, "problem", "wrong.title", problemView{Text: T("wrong.fault", code)})
}

func (s *Server) problem(q *request, status int, key string) {
	s.show(q, status, "problem", "wrong.title", problemView{Text: T(key)})
}

type problemView struct{ Text string }

// faults are the last answers of "our fault", for the health page.
type faults struct {
	mu   sync.Mutex
	list []fault // the newest last
}

type fault struct {
	Code string
	At   time.Time
}

const maxFaults = 16

// note gives a code for a fault, by which the log and the person who saw it can be
// brought together.
func (f *faults) note(now time.Time) string {
	var b [2]byte
	rand.Read(b[:])
	code := fmt.Sprintf("%02X%02X", b[0], b[1])
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.list) == maxFaults {
		f.list = append(f.list[:0], f.list[1:]...)
	}
	f.list = append(f.list, fault{code, now})
	return code
}

func (f *faults) all() []fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]fault(nil), f.list...)
}
