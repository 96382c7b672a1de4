package ui

import (
	"context"
	"errors"
	"io"
	"net/http"

	"sotto/storage"
)

// Handing over what is kept of a person, as one archive.
//
//	choose ──POST──► who, how much ──POST, password──► file
//
// As with an erasure, what was typed goes no further than the first form.

// copyView is what will be handed over, and the form that asks for the password.
type copyView struct {
	Error, Token string
	Account      string // the own name, for programs that keep passwords
	Who          partyView
	Kind         string // user, number or log-in
	Facts        []fact
	Nothing      string // says that nothing is kept; empty: something is
}

// copyPreview tells how much the box keeps of whom, before it is handed over.
func (s *Server) copyPreview(q *request) error {
	a, err := s.named(q)
	if err != nil {
		return s.notFound(q, err)
	}
	if a.found, err = s.as(q).Find(q.r.Context(), a.who); err != nil {
		return s.notFound(q, err)
	}
	a.give = true
	s.sessions.ask(q.who.key, a)
	s.showCopy(q, http.StatusOK, a, "")
	return nil
}

func (s *Server) showCopy(q *request, status int, a *asked, text string) {
	v := copyView{Error: text, Token: a.token, Account: q.who.account.Name, Who: partyView{Kind: "tail", Number: a.tail}, Kind: T("person.number")}
	switch {
	case a.who.Account != "":
		v.Who, v.Kind = partyView{Kind: "user", Name: a.name, Ext: roleWord(a.role)}, T("person.account")
	case a.who.User != "":
		v.Who, v.Kind = partyView{Kind: "user", Name: a.name}, T("person.user")
	}
	if f := a.found; f.Known || f.InPlan {
		v.Facts = []fact{{Name: T("person.is"), Value: v.Kind}}
		if a.who.Account == "" {
			v.Facts = append(v.Facts, fact{Name: T("proof.records"), Value: itoa(f.Records)}, fact{Name: T("copy.entries"), Value: itoa(f.Entries)},
				fact{Name: T("proof.items"), Value: itoa(f.Items)})
		}
	} else {
		v.Nothing = T(unknownKey(a.who)) + " " + T("copy.says")
	}
	s.show(q, status, "copy", "copy.title", v)
}

// copyNow hands it over, if the token is that of the preview and the password the own one. It
// can be asked for again for as long as the token lasts: a file may have come to nothing.
func (s *Server) copyNow(q *request) error {
	if err := q.r.ParseForm(); err != nil {
		return formError(err)
	}
	a := q.asked(true)
	if a == nil {
		return s.showDesk(q, http.StatusConflict, deskView{Error: T("copy.stale"), Plain: true})
	}
	return s.handOver(q, a.who, func(status int, text string) error {
		s.showCopy(q, status, a, text)
		return nil
	})
}

// handOver answers with the archive of a person, if the form has the own password. What is
// wrong is told by refuse.
func (s *Server) handOver(q *request, p storage.Person, refuse func(status int, text string) error) error {
	if status, text, err := s.confirmed(q); err != nil || text != "" {
		if err == nil {
			err = refuse(status, text)
		}
		return err
	}
	err := s.download(q, fileName("archive", q.now, "zip"), "application/zip", func(ctx context.Context, w io.Writer) error {
		_, err := s.as(q).Access(ctx, p, w, nil)
		return err
	})
	switch {
	case errors.Is(err, errDownloading):
		return refuse(http.StatusTooManyRequests, T("copy.second"))
	case errors.Is(err, storage.ErrUnknownPerson):
		return refuse(http.StatusConflict, T("copy.gone"))
	case errors.Is(err, storage.ErrHelp):
		return refuse(http.StatusUnprocessableEntity, T("erase.help"))
	case storeDown(err):
		return refuse(http.StatusServiceUnavailable, T("erase.down"))
	}
	return err
}

// confirmed tells whether the field "password" of the form is the own password: text says why
// not, with the status of the answer; empty: it is.
func (s *Server) confirmed(q *request) (status int, text string, err error) {
	ok, text, err := s.isMe(q, q.r.PostForm.Get("password"))
	switch {
	case err != nil || text != "":
		return http.StatusTooManyRequests, text, err
	case !ok:
		return http.StatusUnprocessableEntity, T("password.notyours"), nil
	}
	return http.StatusOK, "", nil
}
