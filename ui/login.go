package ui

import (
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"net/http"
	"sync"
	"time"

	"sotto/storage"
)

// setup is the one-time link by which the box gets its owner.
type setup struct {
	token string     // 130 random bits
	mu    sync.Mutex // one at a time uses it
}

func (s *setup) init() { s.token = rand.Text() }

func (s *setup) is(token string) bool {
	return subtle.ConstantTimeCompare([]byte(token), []byte(s.token)) == 1
}

// formView is a form that may come back refused.
type formView struct {
	Error string // a sentence; empty: none
	Note  string // a sentence before the form; empty: none
	Field string // that it is about: "name", "password", "again", "current"; empty: all
	Name  string // as typed
	Path  string // that the form goes to
	Min   int    // characters of a password
}

const minPassword = 10

// setupWhere says where the link is printed.
func (s *Server) setupWhere(q *request) error {
	s.show(q, http.StatusOK, "setup-where", "setup.title", nil)
	return nil
}

// token checks the token of a set-up link, and answers for a wrong one. Those who guess
// wait, each address for itself; who has the right one never does.
func (s *Server) token(q *request) bool {
	if s.setup.is(q.r.PathValue("token")) {
		return true
	}
	status, text := http.StatusNotFound, T("setup.wrong")
	if _, wait := s.guard.begin("", q.source(), q.now); wait > 0 {
		status, text = http.StatusTooManyRequests, T("setup.wait", waitWords(wait))
		q.w.Header().Set("Retry-After", seconds(wait))
	}
	s.show(q, status, "setup-where", "setup.title", formView{Error: text})
	return false
}

func (s *Server) setupForm(q *request) error {
	if s.token(q) {
		s.showForm(q, http.StatusOK, "setup", "setup.title", formView{})
	}
	return nil
}

// setupDone makes the owner and logs in. The token is burnt by that: there is an owner.
func (s *Server) setupDone(q *request) error {
	if !s.token(q) {
		return nil
	}
	if err := q.r.ParseForm(); err != nil {
		return formError(err)
	}
	s.setup.mu.Lock()
	defer s.setup.mu.Unlock()
	f := formView{Name: q.r.PostForm.Get("name")}
	password := q.r.PostForm.Get("password")
	if password != q.r.PostForm.Get("again") {
		f.Error, f.Field = T("password.differs"), "again"
		s.showForm(q, http.StatusUnprocessableEntity, "setup", "setup.title", f)
		return nil
	}
	err := s.cfg.Store.Claim(q.r.Context(), f.Name, password)
	if f.Error, f.Field = accountError(err); f.Error != "" {
		s.showForm(q, http.StatusUnprocessableEntity, "setup", "setup.title", f)
		return nil
	}
	if errors.Is(err, storage.ErrClaimed) {
		redirect(q, "/login")
		return nil
	}
	if err != nil {
		return err
	}
	s.cfg.Log.Info("the box has an owner now")
	a, err := s.cfg.Store.LogIn(q.r.Context(), f.Name, password)
	if err != nil {
		return err
	}
	s.enter(q, a)
	return nil
}

// overMark in the address of the log-in says that a session was over.
const overMark = "over"

func (s *Server) loginForm(q *request) error {
	f := formView{}
	if q.r.URL.Query().Has(overMark) {
		f.Note = T("login.over")
	}
	s.showForm(q, http.StatusOK, "login", "login.title", f)
	return nil
}

// login logs in, or says how long to wait. What it says does not depend on whether there
// is such a name.
func (s *Server) login(q *request) error {
	if err := q.r.ParseForm(); err != nil {
		return formError(err)
	}
	name, password := q.r.PostForm.Get("name"), q.r.PostForm.Get("password")
	f := formView{Name: name}
	if len(name) > 4*storage.MaxAccountName {
		f.Name = ""
	}
	t, wait := s.guard.begin(name, q.source(), q.now)
	if wait > 0 {
		f.Error = T("login.wait", waitWords(wait))
		q.w.Header().Set("Retry-After", seconds(wait))
		s.showForm(q, http.StatusTooManyRequests, "login", "login.title", f)
		return nil
	}
	a, err := s.cfg.Store.LogIn(q.r.Context(), name, password)
	switch {
	case errors.Is(err, storage.ErrWrongLogIn):
		f.Error = T("login.wrong") + " "
		free, wait := s.guard.left(t, q.now)
		switch free {
		case 0:
			f.Error += T("login.now", waitWords(wait))
		case 1:
			f.Error += T("login.one", waitWords(firstWait))
		default:
			f.Error += T("login.more", free, waitWords(firstWait))
		}
		s.showForm(q, http.StatusUnprocessableEntity, "login", "login.title", f)
		return nil
	case err != nil:
		s.guard.undone(t)
		return err
	}
	s.guard.succeeded(t, q.now)
	s.enter(q, a)
	return nil
}

// enter begins a session, always a new one, and shows the front panel.
func (s *Server) enter(q *request, a storage.Account) {
	if q.who != nil {
		s.sessions.stop(q.who.key)
	}
	http.SetCookie(q.w, cookie(s.sessions.start(a, q.now)))
	redirect(q, "/")
}

func (s *Server) logout(q *request) error {
	s.sessions.stop(q.who.key)
	http.SetCookie(q.w, cookie(""))
	q.w.Header().Set("Clear-Site-Data", `"cache", "storage"`)
	redirect(q, "/login")
	return nil
}

// accountError gives the sentence for an error of a name or a password, and the field it
// is about; nothing for others.
func accountError(err error) (text, field string) {
	switch {
	case errors.Is(err, storage.ErrAccountName):
		return T("account.name"), "name"
	case errors.Is(err, storage.ErrPasswordLength):
		return T("password.length"), "password"
	case errors.Is(err, storage.ErrPasswordIsName):
		return T("password.name"), "password"
	}
	return "", ""
}

func (s *Server) showForm(q *request, status int, name, title string, f formView) {
	f.Path, f.Min = q.r.URL.Path, minPassword
	s.show(q, status, name, title, f)
}

// formError gives the error of a form that cannot be read.
func formError(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return err
	}
	return errForm
}

// seconds gives a wait as Retry-After has it, not too short.
func seconds(d time.Duration) string { return itoa(int((d + time.Second - 1) / time.Second)) }

// waitWords gives a wait in words.
func waitWords(d time.Duration) string {
	n := int((d + time.Second - 1) / time.Second)
	switch {
	case n == 1:
		return T("wait.second")
	case n < 120:
		return T("wait.seconds", n)
	default:
		return T("wait.minutes", (n+59)/60)
	}
}
