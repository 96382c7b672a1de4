package ui

import (
	"errors"
	"net/http"

	"sotto/storage"
)

type meView struct {
	Name, Role, Done string
	Look             look
	Form             formView
}

// me is what everybody has: how pages look, and the own password.
func (s *Server) me(q *request) error {
	done := ""
	if q.r.URL.Query().Has("changed") {
		done = T("me.changed")
	}
	return s.showMe(q, http.StatusOK, formView{}, done)
}

func (s *Server) showMe(q *request, status int, f formView, done string) error {
	f.Min = minPassword
	a := q.who.account
	s.show(q, status, "me", "me.title", meView{Name: a.Name, Role: roleWord(a.Role), Done: done, Look: q.who.look, Form: f})
	return nil
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
		return s.showMe(q, status, formView{Error: text, Field: field}, "")
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
