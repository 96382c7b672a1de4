package ui

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"sotto/storage"
)

type meView struct {
	Name, Role, Done string
	Look             look
	Form             formView // of the password
	Must             bool     // the password is to be changed before all else
	Own              *ownView // of staff
	Copy             string   // why there is no copy; empty: none was asked for
	Journal          string   // why the journal was not turned; empty: it was not to be
}

// ownView is what staff have here beside their log-in.
type ownView struct {
	Person  string // name and extension
	On      bool   // a journal is kept
	Error   string // why it was not turned
	Rows    []recordView
	More    bool
	Empty   string
	Notices []noticeView
	Unread  int
	Newest  storage.GrantID
	Down    bool // nothing can be read
}

// noticeView tells that a number of an own call was shown to somebody.
type noticeView struct {
	At, Text, Reason string
	Unread           bool
}

// maxOwnRows is how many calls the page of everybody's own data shows; all are on their page.
const maxOwnRows = 10

// me is what everybody has: how pages look, the own password, and the own data.
func (s *Server) me(q *request) error {
	done := ""
	for k, key := range map[string]string{"changed": "me.changed", "journal": "me.journal", "erased": "me.erased"} {
		if q.r.URL.Query().Has(k) {
			done = T(key)
		}
	}
	if q.who.account.MustChange {
		done = T("me.must")
	}
	return s.showMe(q, http.StatusOK, meView{Done: done})
}

func (s *Server) showMe(q *request, status int, v meView) error {
	a := q.who.account
	v.Form.Min, v.Name, v.Role, v.Look, v.Must = minPassword, a.Name, roleWord(a.Role), q.who.look, a.MustChange
	if a.Role == storage.Staff && !a.MustChange {
		own, err := s.own(q)
		if err != nil {
			return err
		}
		v.Own, own.Error = own, v.Journal
	}
	s.show(q, status, "me", pick(v.Own != nil, "me.rail", "me.title"), v)
	return nil
}

// own gives what staff have here.
func (s *Server) own(q *request) (*ownView, error) {
	ctx, r, user := q.r.Context(), s.as(q), q.who.account.User
	v := &ownView{On: s.cfg.Store.JournalOn(user), Empty: T("journal.none")}
	if !v.On {
		v.Empty = T("journal.isoff")
	}
	p, _, err := r.Plan(ctx)
	if err == nil {
		v.Person = userName(&p, user)
		var calls storage.Page
		if calls, err = r.Page(ctx, storage.Query{Limit: maxOwnRows}); err == nil {
			v.Rows, v.More = s.records(q.now, calls.Views), calls.More
			err = s.notices(q, v)
		}
	}
	if storeDown(err) {
		return &ownView{On: v.On, Down: true}, nil
	}
	return v, err
}

func (s *Server) notices(q *request, v *ownView) error {
	list, err := s.as(q).Notices(q.r.Context())
	if err != nil {
		return err
	}
	for _, n := range list {
		x := noticeView{At: n.At.Local().Format(T("time.day")), Reason: n.Reason, Unread: n.Unread}
		call := T("notice.somecall")
		if !n.CallAt.IsZero() {
			call = T("notice.call", n.CallAt.Local().Format(T("time.day")))
		}
		x.Text = T("notice.shown", roleWord(n.Role), call, minutes(int(n.For/time.Minute)))
		if n.Agreed != 0 {
			x.Text += " " + T("notice.agreed", roleWord(n.Agreed))
		}
		if n.Unread {
			v.Unread++
		}
		v.Newest = max(v.Newest, n.ID)
		v.Notices = append(v.Notices, x)
	}
	return nil
}

// readNotices marks notices as read, up to the newest that was on the page.
func (s *Server) readNotices(q *request) error {
	if err := q.r.ParseForm(); err != nil {
		return formError(err)
	}
	n, err := strconv.ParseUint(q.r.PostForm.Get("upto"), 10, 64)
	if err != nil {
		return errForm
	}
	if err := s.as(q).ReadNotices(q.r.Context(), storage.GrantID(n)); err != nil {
		return err
	}
	redirect(q, "/me")
	return nil
}

// setJournal turns the own journal on or off.
func (s *Server) setJournal(q *request) error {
	if err := q.r.ParseForm(); err != nil {
		return formError(err)
	}
	on := q.r.PostForm.Get("journal")
	if on != "on" && on != "off" {
		return errForm
	}
	err := s.cfg.Store.SetJournal(q.r.Context(), q.viewer(), q.who.account.User, on == "on")
	switch {
	case errors.Is(err, storage.ErrTooOften):
		return s.showMe(q, http.StatusTooManyRequests, meView{Journal: T("journal.often")})
	case err != nil:
		return err
	}
	redirect(q, "/me?journal")
	return nil
}

type journalView struct{ Error, Account string }

// eraseJournalForm says what goes with the own journal, and asks for the password.
func (s *Server) eraseJournalForm(q *request) error {
	s.show(q, http.StatusOK, "journal-erase", "journal.erase", journalView{Account: q.who.account.Name})
	return nil
}

// eraseJournal takes everything out of the own journal.
func (s *Server) eraseJournal(q *request) error {
	if err := q.r.ParseForm(); err != nil {
		return formError(err)
	}
	if status, text, err := s.confirmed(q); err != nil || text != "" {
		if err == nil {
			s.show(q, status, "journal-erase", "journal.erase", journalView{Error: text, Account: q.who.account.Name})
		}
		return err
	}
	if err := s.cfg.Store.EraseJournal(q.r.Context(), q.viewer(), q.who.account.User); err != nil {
		return err
	}
	redirect(q, "/me?erased")
	return nil
}

// ownCopy hands over the own data: of staff all that is kept of the user, the log-in with it,
// of others what is kept of the log-in.
func (s *Server) ownCopy(q *request) error {
	if err := q.r.ParseForm(); err != nil {
		return formError(err)
	}
	who := storage.Person{Account: q.who.account.ID}
	if a := q.who.account; a.Role == storage.Staff {
		who = storage.Person{User: a.User}
	}
	return s.handOver(q, who, func(status int, text string) error {
		return s.showMe(q, status, meView{Copy: text})
	})
}

// setLook keeps how pages are to look as long as the session lasts.
func (s *Server) setLook(q *request) error {
	if err := q.r.ParseForm(); err != nil {
		return formError(err)
	}
	l := q.who.look
	switch q.r.PostForm.Get("theme") {
	case "device":
		l.Theme = ""
	case "light":
		l.Theme = "light"
	case "dark":
		l.Theme = "dark"
	}
	switch q.r.PostForm.Get("motion") {
	case "still":
		l.Still = true
	case "move":
		l.Still = false
	}
	s.sessions.setLook(q.who.key, l)
	if q.r.PostForm.Get("back") == "panel" {
		redirect(q, "/")
	} else {
		redirect(q, "/me")
	}
	return nil
}

// changePassword changes the own password. All sessions of the account end; this one
// begins anew.
func (s *Server) changePassword(q *request) error {
	if err := q.r.ParseForm(); err != nil {
		return formError(err)
	}
	refuse := func(status int, text, field string) error {
		return s.showMe(q, status, meView{Form: formView{Error: text, Field: field}})
	}
	a := q.who.account
	next := q.r.PostForm.Get("password")
	if next != q.r.PostForm.Get("again") {
		return refuse(http.StatusUnprocessableEntity, T("password.differs"), "again")
	}
	// Whoever finds a browser logged in may not guess here either.
	t, wait := s.guard.begin("change "+string(a.ID), q.source(), q.now)
	if wait > 0 {
		q.w.Header().Set("Retry-After", seconds(wait))
		return refuse(http.StatusTooManyRequests, T("login.wait", waitWords(wait)), "current")
	}
	err := s.cfg.Store.ChangePassword(q.r.Context(), a.ID, q.r.PostForm.Get("current"), next)
	if errors.Is(err, storage.ErrWrongLogIn) {
		return refuse(http.StatusUnprocessableEntity, T("password.notcurrent"), "current")
	}
	s.guard.undone(t)
	if text, field := accountError(err); text != "" {
		return refuse(http.StatusUnprocessableEntity, text, field)
	}
	if err != nil {
		return err
	}
	s.sessions.stopAccount(a.ID)
	id := s.sessions.start(a, q.now)
	http.SetCookie(q.w, cookie(id))
	if who, ok := s.sessions.find(id, q.now, true); ok {
		s.sessions.setLook(who.key, q.who.look)
	}
	redirect(q, "/me?changed")
	return nil
}
