package ui

import (
	"crypto/rand"
	"errors"
	"net/http"
	"slices"
	"strings"

	"sotto/pbx/number"
	"sotto/storage"
)

// refusal says why a form that names a person cannot be used: the key of a sentence, and the
// field that it is about.
type refusal struct{ key, field string }

func (r refusal) Error() string { return "refused: " + r.key }

// named gives whom a form names: a user, an account or a number, one of the three. The error
// may be a [refusal].
func (s *Server) named(q *request) (*asked, error) {
	if err := q.r.ParseForm(); err != nil {
		return nil, formError(err)
	}
	ext, id, typed := q.r.PostForm.Get("user"), q.r.PostForm.Get("account"), q.r.PostForm.Get("number")
	a := &asked{token: rand.Text(), until: q.now.Add(askedFor)}
	switch n, err := parseNumber(typed); {
	case err != nil:
		return nil, refusal{"erase.badnumber", "number"}
	case !oneOf(ext != "", id != "", !n.IsZero()):
		return nil, refusal{pick(q.who.account.Role == storage.Owner, "erase.one.owner", "erase.one"), ""}
	case id != "":
		all, err := s.as(q).Accounts(q.r.Context())
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(all, func(x storage.Account) bool { return string(x.ID) == id })
		if i < 0 {
			return nil, refusal{"erase.noaccount", "account"}
		}
		a.who.Account, a.name, a.role = all[i].ID, all[i].Name, all[i].Role
		a.last = isOwner(all[i]) && !slices.ContainsFunc(slices.Delete(all, i, i+1), isOwner)
	case ext != "":
		var err error
		switch a.who.User, a.name, err = s.chosenUser(q, ext); {
		case err != nil:
			return nil, err
		case a.who.User == "":
			return nil, refusal{"erase.nouser", "user"}
		}
	default:
		a.who.Number, a.tail = n, strings.TrimPrefix(n.String(), "…")
	}
	return a, nil
}

// notFound answers when a person cannot be looked for.
func (s *Server) notFound(q *request, err error) error {
	var no refusal
	switch {
	case errors.As(err, &no):
		v := deskView{Error: T(no.key), Field: no.field, Plain: no.key == "erase.unknown" || no.key == "unknown.number"}
		if no.field != "user" {
			v.User = q.r.PostForm.Get("user")
		}
		if no.field != "account" {
			v.Account = q.r.PostForm.Get("account")
		}
		return s.showDesk(q, http.StatusUnprocessableEntity, v)
	case errors.Is(err, storage.ErrHelp):
		return s.showDesk(q, http.StatusUnprocessableEntity, deskView{Error: T("erase.help"), Field: "number"})
	case errors.Is(err, storage.ErrNotAllowed):
		return s.showDesk(q, http.StatusForbidden, deskView{Error: T("erase.role")})
	case storeDown(err):
		return s.showDesk(q, http.StatusServiceUnavailable, deskView{Error: T("erase.down")})
	}
	return err
}

func isOwner(a storage.Account) bool { return a.Role == storage.Owner }

func oneOf(is ...bool) bool {
	i := slices.Index(is, true)
	return i >= 0 && !slices.Contains(is[i+1:], true)
}

// parseNumber reads a number as people write it; the blanks that they copy with it go, too.
func parseNumber(typed string) (number.Number, error) {
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
