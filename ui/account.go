package ui

import (
	"net/http"
	"slices"

	"sotto/pbx/plan"
	"sotto/storage"
)

// accountView is one account, with the forms that change it.
type accountView struct {
	Done, Path string
	Name, Role string // of the account
	Own, Last  bool   // it is the own one; it is the last owner's
	Once       bool   // its password is to be changed
	Form       accountForm
	Roles      []choice
	Users      []choice
	OwnName    string // for programs that keep passwords
	Removing   bool   // the error is about the removal
	Now, Stays []string
}

// account shows one account, and the forms that change it.
func (s *Server) account(q *request) error {
	v := accountView{}
	if q.r.URL.Query().Has("changed") {
		v.Done = T("accounts.changed")
	}
	return s.showAccount(q, http.StatusOK, v)
}

func (s *Server) showAccount(q *request, status int, v accountView) error {
	list, err := s.as(q).Accounts(q.r.Context())
	if err != nil {
		return err
	}
	i := slices.IndexFunc(list, func(a storage.Account) bool { return string(a.ID) == q.r.PathValue("id") })
	if i < 0 {
		return errNotFound
	}
	p, _, err := s.as(q).Plan(q.r.Context())
	if err != nil {
		return err
	}
	a := list[i]
	v.Path, v.Name, v.Role, v.Once, v.OwnName = accountPath(a.ID), a.Name, roleWord(a.Role), a.MustChange, q.who.account.Name
	v.Own = a.ID == q.who.account.ID
	v.Last = isOwner(a) && !slices.ContainsFunc(slices.Delete(list, i, i+1), isOwner)
	v.Roles, v.Users = roleChoices(), userChoices(&p)
	if v.Form.Role == "" {
		for _, x := range roleValues {
			if x.role == a.Role {
				v.Form.Role = x.value
			}
		}
		for _, u := range p.Users {
			if u.ID == a.User {
				v.Form.User = string(u.Ext)
			}
		}
	}
	v.Now = []string{T("fate.login"), T("fate.sessions")}
	if v.Own {
		v.Now[1] = T("fate.own")
	}
	v.Stays = []string{T("accounts.trail")}
	if a.Role == storage.Staff {
		v.Stays = append(v.Stays, T("fate.user"))
	}
	s.show(q, status, "account", "accounts.one", v)
	return nil
}

// changeAccount gives an account another role, a new password, or an end.
func (s *Server) changeAccount(q *request) error {
	if err := q.r.ParseForm(); err != nil {
		return formError(err)
	}
	id, do := storage.AccountID(q.r.PathValue("id")), q.r.PostForm.Get("do")
	a, there := s.cfg.Store.Account(id)
	if !there {
		return errNotFound
	}
	v := accountView{Removing: do == "remove"}
	var role storage.Role
	var user plan.UserID
	var status int
	var err error
	switch do {
	case "role":
		v.Form, role, user, status, err = s.readAccount(q)
	case "reset", "remove":
		v.Form.Field = pick(v.Removing, "rm", "own")
		status, v.Form.Error, err = s.confirmed(q)
	default:
		return errForm
	}
	if err != nil {
		return err
	}
	if v.Form.Error != "" {
		return s.showAccount(q, status, v)
	}
	ctx, store := q.r.Context(), s.cfg.Store
	password := ""
	switch do {
	case "role":
		_, err = store.SetRole(ctx, q.viewer(), id, role, user)
	case "reset":
		password, err = store.ResetPassword(ctx, q.viewer(), id)
	case "remove":
		err = store.RemoveAccount(ctx, q.viewer(), id)
	}
	if text, field := changeError(err); text != "" {
		v.Form.Error, v.Form.Field = text, field
		return s.showAccount(q, http.StatusConflict, v)
	}
	if err != nil {
		return err
	}
	if do != "role" { // by which sessions are bound with their next request
		s.sessions.stopAccount(id)
	}
	switch {
	case do == "reset":
		s.show(q, http.StatusOK, "once", "once.title", onceView{Name: a.Name, Password: password})
	case do == "remove" && id == q.who.account.ID:
		http.SetCookie(q.w, cookie(""))
		redirect(q, "/login?"+overMark)
	case do == "remove":
		redirect(q, "/accounts?removed")
	case id == q.who.account.ID && role != storage.Owner:
		redirect(q, "/") // which is all that is sure to be open now
	default:
		redirect(q, accountPath(id)+"?changed")
	}
	return nil
}
