package ui

import (
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"sotto/pbx/number"
	"sotto/pbx/plan"
	"sotto/storage"
)

// Erasing a person from the page.
//
//	choose ──POST──► preview ──POST, password──► erased, with the proof
//	                    │  ▲
//	                    ▼  │ by a token alone
//	               the session
//
// What was typed goes no further than the first form: who is meant waits in the session,
// and no page, address or log holds it after.

// asked is an erasure that was asked for and that waits for the password. It never changes.
type asked struct {
	token string // in the form that confirms it
	who   storage.Person
	found storage.Found
	name  string // of a user, as the page shows one; empty: it is a number
	tail  string // of a number, masked
	until time.Time
}

const (
	askedFor   = 10 * time.Minute
	maxNumber  = 64 // characters that are read of a number, its blanks included
	eraseWord  = "erase"
	maxProblem = 5 // of a plan that are told
)

func (a *asked) over(now time.Time) bool { return now.After(a.until) }

// previewView is what would go, and the form that asks for the password.
type previewView struct {
	Error, Field      string // as in formView
	Title, Token      string
	Account           string // its name, for programs that keep passwords
	Who               partyView
	Now, Later, Stays []string
	Word              string // to be typed; empty: none
}

// erasePreview tells what the box keeps of a person and what would become of it.
func (s *Server) erasePreview(q *request) error {
	if err := q.r.ParseForm(); err != nil {
		return formError(err)
	}
	ext, typed := q.r.PostForm.Get("user"), q.r.PostForm.Get("number")
	refuse := func(key, field string) error {
		v := privacyView{Error: T(key), Field: field}
		if field != "user" && len(ext) <= plan.MaxExt {
			v.User = ext
		}
		return s.showPrivacy(q, http.StatusUnprocessableEntity, v)
	}
	a := &asked{token: rand.Text(), until: q.now.Add(askedFor)}
	switch n, err := parseNumber(typed); {
	case err != nil:
		return refuse("erase.badnumber", "number")
	case n.IsZero() == (ext == ""):
		return refuse("erase.one", "")
	case ext != "":
		p, _, err := s.as(q).Plan(q.r.Context())
		if err != nil {
			return err
		}
		u := userOf(&p, ext)
		if u == nil {
			return refuse("erase.nouser", "user")
		}
		a.who.User, a.name = u.ID, person(&p, u.Ext)
	default:
		a.who.Number, a.tail = n, strings.TrimPrefix(n.String(), "…")
	}
	found, err := s.as(q).Find(q.r.Context(), a.who)
	switch {
	case errors.Is(err, storage.ErrNotAllowed):
		v := privacyView{Error: T("erase.role")}
		return s.showPrivacy(q, http.StatusForbidden, v)
	case storeDown(err):
		return s.showPrivacy(q, http.StatusServiceUnavailable, privacyView{Error: T("erase.down")})
	case err != nil:
		return err
	case !found.Known && !found.InPlan:
		return refuse("erase.unknown", "")
	}
	a.found = found
	s.sessions.ask(q.who.key, a)
	s.showPreview(q, http.StatusOK, a, "", "")
	return nil
}

// parseNumber reads a number as people write it; the blanks that they copy with it go, too.
func parseNumber(typed string) (number.Number, error) {
	if len(typed) > maxNumber {
		return number.Number{}, number.ErrNumber
	}
	return number.Parse(strings.Map(func(r rune) rune {
		switch r {
		case '\u00a0', '\u2009', '\u202f', '\t', '\u200e', '\u202a', '\u202c':
			return -1
		case '\u2010', '\u2011', '\u2013':
			return '-'
		}
		return r
	}, strings.TrimSpace(typed)))
}

func (s *Server) showPreview(q *request, status int, a *asked, text, field string) {
	f := a.found
	v := previewView{Error: text, Field: field, Token: a.token, Account: q.who.account.Name, Title: T("erase.number"), Who: partyView{Kind: "masked", Number: a.tail},
		Now:   []string{count("fate.record.one", "fate.record.many", f.Records)},
		Later: []string{T("fate.rows"), T("fate.rotate")},
		Stays: []string{T("fate.others"), T("fate.pseudonym"), T("fate.later.call"), T("fate.copies")},
	}
	if a.name != "" {
		v.Title, v.Who, v.Word = T("erase.user"), partyView{Kind: "user", Name: a.name}, eraseWord
		v.Now = append(v.Now, T("fate.plan"), T("fate.phones"))
	}
	if f.Plans > 0 {
		v.Now = append(v.Now, count("fate.revision.one", "fate.revision.many", f.Plans))
	}
	if f.Account {
		v.Now = append(v.Now, T("fate.account"))
	}
	if f.Items > 0 {
		v.Now = append(v.Now, count("fate.item.one", "fate.item.many", f.Items))
	}
	s.show(q, status, "erase", "erase.title", v)
}

// eraseNow erases who was chosen, if the token is that of the preview and the password the
// own one.
func (s *Server) eraseNow(q *request) error {
	if err := q.r.ParseForm(); err != nil {
		return formError(err)
	}
	a := q.who.asked
	if a == nil || a.over(q.now) || subtle.ConstantTimeCompare([]byte(a.token), []byte(q.r.PostForm.Get("token"))) != 1 {
		return s.showPrivacy(q, http.StatusConflict, privacyView{Error: T("erase.stale")})
	}
	refuse := func(status int, text, field string) error {
		s.showPreview(q, status, a, text, field)
		return nil
	}
	if a.name != "" && !strings.EqualFold(strings.TrimSpace(q.r.PostForm.Get("word")), eraseWord) {
		return refuse(http.StatusUnprocessableEntity, T("erase.noword", eraseWord), "word")
	}
	ok, text, err := s.isMe(q, q.r.PostForm.Get("password"))
	switch {
	case err != nil:
		return err
	case text != "":
		return refuse(http.StatusTooManyRequests, text, "password")
	case !ok:
		return refuse(http.StatusUnprocessableEntity, T("erase.notme"), "password")
	}
	s.sessions.ask(q.who.key, nil)
	proof, err := s.cfg.Store.Erase(q.r.Context(), q.viewer(), a.who)
	if text, status := eraseError(err); text != "" {
		return s.showPrivacy(q, status, privacyView{Error: text, More: problems(err)})
	}
	if err != nil {
		s.sessions.ask(q.who.key, a)
		s.count.failed.Add(1)
		code := s.faults.note(q.now)
		s.cfg.Log.Error("an erasure is not finished", "code", code, "why", err)
		return refuse(http.StatusInternalServerError, T("erase.unfinished", code), "")
	}
	s.cfg.Log.Info("a person was erased: the page asked for it")
	s.sessions.stopGone(func(id storage.AccountID) bool { _, there := s.cfg.Store.Account(id); return there })
	if _, there := s.cfg.Store.Account(q.who.account.ID); !there {
		http.SetCookie(q.w, cookie("")) // the own account
		q.who = nil
	}
	s.showProof(q, proof, true)
	return nil
}

// isMe tells whether a password is the own one. Whoever finds a browser logged in may not
// guess here either: text says how long the wait is.
func (s *Server) isMe(q *request, password string) (ok bool, text string, err error) {
	own := q.who.account
	t, wait := s.guard.begin("change "+string(own.ID), q.source(), q.now)
	if wait > 0 {
		q.w.Header().Set("Retry-After", seconds(wait))
		return false, T("login.wait", waitWords(wait)), nil
	}
	a, err := s.cfg.Store.LogIn(q.r.Context(), own.Name, password)
	if errors.Is(err, storage.ErrWrongLogIn) {
		return false, "", nil
	}
	s.guard.undone(t)
	return err == nil && a.ID == own.ID, "", err
}

// eraseError gives the sentence for an erasure that did not begin; nothing for others.
func eraseError(err error) (text string, status int) {
	for _, x := range []struct {
		err    error
		key    string
		status int
	}{
		{storage.ErrNotAllowed, "erase.role", http.StatusForbidden},
		{storage.ErrUnknownPerson, "erase.unknown", http.StatusUnprocessableEntity},
		{storage.ErrLastOwner, "erase.lastowner", http.StatusConflict},
		{storage.ErrPlanNeeds, "erase.planneeds", http.StatusConflict},
		{storage.ErrDown, "erase.down", http.StatusServiceUnavailable},
	} {
		if errors.Is(err, x.err) {
			return T(x.key), x.status
		}
	}
	return "", 0
}

// problems gives what a plan lacks without the person. The texts name no person.
func problems(err error) (l []string) {
	var p plan.Problems
	if errors.As(err, &p) {
		for _, x := range p[:min(len(p), maxProblem)] {
			l = append(l, x.String())
		}
	}
	return slices.Compact(l)
}
