package ui

import (
	"crypto/subtle"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

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

// asked is an erasure, or a copy, that was asked for and that waits for the password. It never
// changes.
type asked struct {
	token string // in the form that confirms it
	who   storage.Person
	found storage.Found
	name  string       // of a user or an account, as the page shows one; empty: it is a number
	role  storage.Role // of an account
	last  bool         // it is the last owner's
	give  bool         // a copy was asked for, not an erasure
	tail  string       // of a number, masked
	until time.Time
}

const (
	askedFor   = 10 * time.Minute
	eraseWord  = "erase"
	maxProblem = 5 // of a plan that are told
)

// asked gives what the form of the request confirms; nil if that is not what was asked for last
// in this session, or too long ago.
func (q *request) asked(give bool) *asked {
	a := q.who.asked
	if a == nil || a.give != give || a.over(q.now) || subtle.ConstantTimeCompare([]byte(a.token), []byte(q.r.PostForm.Get("token"))) != 1 {
		return nil
	}
	return a
}

func (a *asked) over(now time.Time) bool { return now.After(a.until) }

// previewView is what would go, and the form that asks for the password.
type previewView struct {
	Error, Field      string // as in formView
	Title, Token      string
	Account           string // its name, for programs that keep passwords
	Who               partyView
	Now, Later, Stays []string
	Word, WordHint    string // to be typed; empty: none
}

// erasePreview tells what the box keeps of a person and what would become of it.
func (s *Server) erasePreview(q *request) error {
	a, err := s.named(q)
	if err != nil {
		return s.notFound(q, err)
	}
	if a.last {
		return s.notFound(q, refusal{"erase.lastowner", "account"})
	}
	if a.found, err = s.as(q).Find(q.r.Context(), a.who); err != nil {
		return s.notFound(q, err)
	}
	if !a.found.Known && !a.found.InPlan {
		return s.notFound(q, refusal{unknownKey(a.who), ""})
	}
	s.sessions.ask(q.who.key, a)
	s.showPreview(q, http.StatusOK, a, "", "")
	return nil
}

func (s *Server) showPreview(q *request, status int, a *asked, text, field string) {
	f := a.found
	v := previewView{Error: text, Field: field, Token: a.token, Account: q.who.account.Name, Title: T("erase.number"), Who: partyView{Kind: "tail", Number: a.tail},
		Now:   []string{count("fate.record.one", "fate.record.many", f.Records)},
		Later: []string{T("fate.rows"), T("fate.rotate")},
		Stays: []string{T("fate.others"), T("fate.pseudonym"), T("fate.later.call"), T("fate.copies")},
	}
	switch {
	case a.who.Account != "":
		v.Title, v.Who = T("erase.account"), partyView{Kind: "user", Name: a.name, Ext: roleWord(a.role)}
		v.Word, v.WordHint = eraseWord, T("erase.word.login")
		v.Now = []string{T("fate.login"), T("fate.sessions")}
		v.Later, v.Stays = []string{T("fate.rotate")}, []string{T("fate.pseudonym"), T("fate.copies")}
		if a.who.Account == q.who.account.ID {
			v.Now[1] = T("fate.own")
		}
		if a.role == storage.Staff {
			v.Stays = append([]string{T("fate.user")}, v.Stays...)
		}
		f.Account = false // said already
	case a.name != "" && !f.InPlan:
		v.Title, v.Who = T("erase.user"), partyView{Kind: "user", Name: a.name, Ext: T("erase.left")}
		v.Word, v.WordHint = eraseWord, T("erase.word.login")
	case a.name != "":
		v.Title, v.Who = T("erase.user"), partyView{Kind: "user", Name: a.name}
		v.Word, v.WordHint = eraseWord, T("erase.word.hint")
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
	a := q.asked(false)
	if a == nil {
		return s.showDesk(q, http.StatusConflict, deskView{Error: T("erase.stale"), Plain: true})
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
	s.sessions.stopGone(func(id storage.AccountID) bool { _, there := s.cfg.Store.Account(id); return there })
	text, status := eraseError(err)
	if errors.Is(err, storage.ErrUnknownPerson) {
		text = T(unknownKey(a.who))
	}
	code := ""
	switch {
	case err == nil:
		s.cfg.Log.Info("a person was erased: the page asked for it")
	case text == "":
		s.count.failed.Add(1)
		code = s.faults.note(q.now)
		s.cfg.Log.Error("an erasure is not finished", "code", code, "why", err)
	}
	own := q.who.account.ID
	if _, there := s.cfg.Store.Account(own); !there {
		http.SetCookie(q.w, cookie(""))
		q.who = nil
		switch {
		case a.who.Account != own || text != "": // another owner was faster
			redirect(q, "/login?"+overMark)
		case err != nil:
			s.show(q, http.StatusInternalServerError, "problem", "wrong.title", problemView{Text: T("erase.ownunfinished", code)})
		default:
			s.showProof(q, proof, true)
		}
		return nil
	}
	switch {
	case text != "":
		return s.showDesk(q, status, deskView{Error: text, More: problems(err), Plain: errors.Is(err, storage.ErrUnknownPerson)})
	case err != nil:
		s.sessions.ask(q.who.key, a)
		return refuse(http.StatusInternalServerError, T("erase.unfinished", code), "")
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
	err = s.cfg.Store.CheckPassword(q.r.Context(), own.ID, password)
	if errors.Is(err, storage.ErrWrongLogIn) {
		return false, "", nil
	}
	s.guard.undone(t)
	return err == nil, "", err
}

// unknownKey is the key of the sentence for a person of whom nothing is kept. Of a number there
// may be calls that nothing leads to any more.
func unknownKey(p storage.Person) string {
	if p.User == "" && p.Account == "" {
		return "unknown.number"
	}
	return "erase.unknown"
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
		{storage.ErrHelp, "erase.help", http.StatusUnprocessableEntity},
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
