package ui

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"sotto/storage"
	"sotto/storage/policy"
)

// changeView is what a change of the settings would do, and the form that asks for the
// password.
type changeView struct {
	Error, Field, Account string // as in previewView
	Conflict              bool   // somebody else has saved meanwhile
	Settings              string // as JSON
	Rev                   storage.Rev
	More, Less, Other     []string // what changes
	Now, Later, Stays     []string // what goes; Now empty: nothing
	Headline, Key, Back   string
}

// termsPreview tells what a form would change and delete.
func (s *Server) termsPreview(q *request) error {
	if err := q.r.ParseForm(); err != nil {
		return formError(err)
	}
	now, rev, err := s.as(q).Settings(q.r.Context())
	if err != nil {
		return err
	}
	_, code := s.as(q).Office()
	f := q.r.PostForm
	next := settingsOf(f, now, code)
	if problems := problemsOf(next.Validate()); problems != nil {
		return s.showPart(q, http.StatusUnprocessableEntity, f, problems, "")
	}
	if len(policy.Compare(now, next)) == 0 {
		return s.showPart(q, http.StatusOK, f, nil, T("terms.same"))
	}
	return s.showChange(q, http.StatusOK, now, rev, next, changeView{Back: partPath(f)})
}

// showPart shows the page that a form came from again.
func (s *Server) showPart(q *request, status int, f url.Values, problems []settingProblem, plain string) error {
	if f.Get("part") == partMasking {
		return s.showMasking(q, status, f, problems, plain)
	}
	return s.showPrivacy(q, status, f, problems, plain, "")
}

func partPath(f url.Values) string {
	if f.Get("part") == partMasking || f.Get("back") == "/privacy/masking" {
		return "/privacy/masking"
	}
	return "/privacy"
}

// showChange shows what would become of now with next.
func (s *Server) showChange(q *request, status int, now policy.Settings, rev storage.Rev, next policy.Settings, v changeView) error {
	list, err := s.as(q).PreviewSettings(q.r.Context(), next)
	if err != nil {
		return err
	}
	plain, err := json.Marshal(&next)
	if err != nil {
		return err
	}
	v.Settings, v.Rev, v.Account = string(plain), rev, q.who.account.Name
	for _, c := range policy.Compare(now, next) {
		switch c.Way {
		case policy.More:
			v.More = append(v.More, c.Text)
		case policy.Less:
			v.Less = append(v.Less, c.Text)
		default:
			v.Other = append(v.Other, c.Text)
		}
	}
	v.Key = T("change.save")
	var goes []string
	for _, p := range list {
		if p.Goes == 0 || next.Keep[p.Kind] >= now.Keep[p.Kind] {
			continue // what goes without this change is none of its doing
		}
		what := count("goes.one."+string(p.Kind), "goes."+string(p.Kind), p.Goes)
		goes = append(goes, what)
		v.Now = append(v.Now, capital(T("change.before", what, boxDate(p.Before, q.now))))
		if stays, ok := words["stays."+string(p.Kind)]; ok {
			v.Stays = append(v.Stays, stays)
		}
	}
	switch n := len(goes); n {
	case 0:
	case 1:
		v.Headline, v.Key = T("change.deletes", goes[0]), T("change.save.delete", goes[0])
	default:
		v.Headline = T("change.deletes", T("list.and", strings.Join(goes[:n-1], ", "), goes[n-1]))
		v.Key = T("change.save.all")
	}
	if len(v.Now) > 0 {
		v.Later = []string{T("change.keys"), T("change.places")}
		if v.Stays == nil {
			v.Stays = []string{T("stays.nothing")}
		}
	}
	s.show(q, status, "change", "change.title", v)
	return nil
}

// capital begins a text with a capital letter.
func capital(text string) string {
	r, n := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(r)) + text[n:]
}

// termsSave saves what a preview has shown, if the password is the own one and nobody else
// has saved meanwhile.
func (s *Server) termsSave(q *request) error {
	if err := q.r.ParseForm(); err != nil {
		return formError(err)
	}
	f := q.r.PostForm
	next, err := policy.Decode([]byte(f.Get("settings")))
	rev, rerr := strconv.ParseUint(f.Get("rev"), 10, 63)
	if err != nil || rerr != nil {
		return errForm
	}
	now, current, err := s.as(q).Settings(q.r.Context())
	if err != nil {
		return err
	}
	v := changeView{Back: partPath(f)}
	conflict := func() error {
		v.Conflict, v.Error = true, T("change.conflict")
		if len(policy.Compare(now, next)) == 0 {
			redirect(q, v.Back+"?saved") // by somebody else
			return nil
		}
		return s.showChange(q, http.StatusConflict, now, current, next, v)
	}
	if storage.Rev(rev) != current {
		return conflict()
	}
	ok, text, err := s.isMe(q, f.Get("password"))
	switch {
	case err != nil:
		return err
	case text != "":
		v.Error, v.Field = text, "password"
		return s.showChange(q, http.StatusTooManyRequests, now, current, next, v)
	case !ok:
		v.Error, v.Field = T("change.notme"), "password"
		return s.showChange(q, http.StatusUnprocessableEntity, now, current, next, v)
	}
	_, _, err = s.cfg.Store.SetSettings(q.r.Context(), q.viewer(), current, next)
	if errors.Is(err, storage.ErrSettingsConflict) {
		if now, current, err = s.as(q).Settings(q.r.Context()); err != nil {
			return err
		}
		return conflict()
	}
	if err != nil {
		return err
	}
	redirect(q, v.Back+"?saved")
	return nil
}
