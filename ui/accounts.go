package ui

import (
	"crypto/rand"
	"errors"
	"net/http"
	"slices"
	"strings"

	"sotto/pbx/plan"
	"sotto/storage"
)

// Who may log in. Every change needs the own password: a log-in that a stranger makes at a
// browser that was left open would last. Nobody chooses a password for somebody else: the box
// makes one, shows it once, and it is good for nothing but to choose another.

// accountRow is an account in the list.
type accountRow struct {
	Path, Name, Role, User string
	Own                    bool
	Lamp                   lampView // of what is to be done; no class: nothing
}

// accountForm is what is typed of an account, shown again.
type accountForm struct {
	Error, Field string // as in formView
	Name         string
	Role, User   string // as chosen
}

type accountsView struct {
	Done  string
	Rows  []accountRow
	Form  accountForm
	Roles []choice
	Users []choice
	Own   string // the own name, for programs that keep passwords
	Full  bool   // there are as many as the box takes
}

// accounts lists who may log in, with the form that adds one.
func (s *Server) accounts(q *request) error {
	v := accountsView{}
	if q.r.URL.Query().Has("removed") {
		v.Done = T("accounts.removed")
	}
	return s.showAccounts(q, http.StatusOK, v)
}

func (s *Server) showAccounts(q *request, status int, v accountsView) error {
	list, err := s.as(q).Accounts(q.r.Context())
	if err != nil {
		return err
	}
	p, _, err := s.as(q).Plan(q.r.Context())
	if err != nil {
		return err
	}
	for _, a := range list {
		row := accountRow{Path: accountPath(a.ID), Name: a.Name, Role: roleWord(a.Role), User: userName(&p, a.User), Own: a.ID == q.who.account.ID}
		if a.MustChange {
			row.Lamp = lamp("todo", T("accounts.once"))
		}
		v.Rows = append(v.Rows, row)
	}
	v.Own, v.Roles, v.Users = q.who.account.Name, roleChoices(), userChoices(&p)
	v.Full = len(list) >= storage.MaxAccounts
	s.show(q, status, "accounts", "accounts.title", v)
	return nil
}

func accountPath(id storage.AccountID) string { return "/accounts/" + string(id) }

// roleValues are the roles as forms have them, the one that may do least first.
var roleValues = []struct {
	value string
	role  storage.Role
}{{"staff", storage.Staff}, {"installer", storage.Installer}, {"privacy", storage.PrivacyOfficer}, {"admin", storage.Admin}, {"owner", storage.Owner}}

func roleChoices() (l []choice) {
	for _, x := range roleValues {
		l = append(l, choice{x.value, roleWord(x.role) + ": " + T("may."+x.value)})
	}
	return l
}

// readRole reads a role, and the user of one of staff, from a form; text says what is wrong.
func readRole(q *request, p *plan.Plan) (role storage.Role, user plan.UserID, text, field string) {
	i := slices.IndexFunc(roleValues, func(x struct {
		value string
		role  storage.Role
	}) bool {
		return x.value == q.r.PostForm.Get("role")
	})
	if i < 0 {
		return 0, "", T("accounts.norole"), "role"
	}
	if role = roleValues[i].role; role != storage.Staff {
		return role, "", "", ""
	}
	u := userOf(p, q.r.PostForm.Get("user"))
	if u == nil {
		return role, "", T("accounts.nouser"), "user"
	}
	return role, u.ID, "", ""
}

// userChoices gives the users of a plan, by extension, with nobody first.
func userChoices(p *plan.Plan) []choice {
	l := []choice{{"", T("erase.nobody")}}
	for _, u := range p.Users {
		l = append(l, choice{string(u.Ext), person(p, u.Ext)})
	}
	return l
}

// userName names a user of a plan; empty if there is none.
func userName(p *plan.Plan, id plan.UserID) string {
	for i := range p.Users {
		if p.Users[i].ID == id && id != "" {
			return person(p, p.Users[i].Ext)
		}
	}
	return ""
}

// readAccount reads the form of an account: a role with its user, and the own password.
func (s *Server) readAccount(q *request) (f accountForm, role storage.Role, user plan.UserID, status int, err error) {
	f = accountForm{Name: cutText(q.r.PostForm.Get("name"), 4*storage.MaxAccountName), Role: cutText(q.r.PostForm.Get("role"), 16), User: cutText(q.r.PostForm.Get("user"), 32)}
	p, _, err := s.as(q).Plan(q.r.Context())
	if err != nil {
		return f, 0, "", 0, err
	}
	if role, user, f.Error, f.Field = readRole(q, &p); f.Error != "" {
		return f, 0, "", http.StatusUnprocessableEntity, nil
	}
	if status, f.Error, err = s.confirmed(q); f.Error != "" {
		f.Field = "own"
	}
	return f, role, user, status, err
}

// addAccount makes an account with a password that is good for one log-in.
func (s *Server) addAccount(q *request) error {
	if err := q.r.ParseForm(); err != nil {
		return formError(err)
	}
	f, role, user, status, err := s.readAccount(q)
	if err != nil {
		return err
	}
	if f.Error != "" {
		return s.showAccounts(q, status, accountsView{Form: f})
	}
	ctx, store := q.r.Context(), s.cfg.Store
	a, err := store.AddAccount(ctx, q.viewer(), strings.TrimSpace(q.r.PostForm.Get("name")), rand.Text(), role, user)
	if f.Error, f.Field = changeError(err); f.Error != "" {
		return s.showAccounts(q, http.StatusUnprocessableEntity, accountsView{Form: f})
	}
	if err != nil {
		return err
	}
	// The password so far is known to nobody. If this comes to nothing, the page of the account
	// makes another.
	password, err := store.ResetPassword(ctx, q.viewer(), a.ID)
	if err != nil {
		return err
	}
	s.show(q, http.StatusOK, "once", "once.title", onceView{Name: a.Name, Password: password, Added: true})
	return nil
}

// onceView is a password that is shown this once.
type onceView struct {
	Name, Password string
	Added          bool
}

// changeError gives the sentence for an error of a change of accounts, and the field that it
// is about; nothing for others.
func changeError(err error) (text, field string) {
	if text, field = accountError(err); text != "" {
		return text, field
	}
	for _, x := range []struct {
		err        error
		key, field string
	}{
		{storage.ErrNameTaken, "accounts.taken", "name"},
		{storage.ErrAccountRole, "accounts.nouser", "user"},
		{storage.ErrTooManyAccounts, "accounts.full", "name"},
		{storage.ErrLastOwner, "accounts.lastowner", "role"},
		{storage.ErrOwnPassword, "accounts.ownpassword", ""},
		{storage.ErrUnknownAccount, "erase.noaccount", ""},
	} {
		if errors.Is(err, x.err) {
			return T(x.key), x.field
		}
	}
	return "", ""
}
