package ui

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"sotto/storage"
)

// Seeing a masked number.
//
//	calls ──► form, POST with a reason ──► granted, or asked ──► a second person agrees or not
//	  ▲                                       │                            │
//	  └──────────── the number, for minutes ◄─┴────────────────────────────┘
//
// The number itself comes out of storage as all others do: here nothing is unmasked.

// ends are the ends of a call as addresses name them.
var ends = map[string]storage.End{"from": storage.Caller, "to": storage.Called}

// unmaskAct is a way to a masked number of a record, or what has become of it.
type unmaskAct struct {
	Path, Word string
	Of         string // which number, for who does not see the table
}

// isMasked tells whether a party has a number that may be asked for.
func isMasked(p *storage.PartyView) bool {
	return p.State == storage.Masked && p.User == "" && p.Number != ""
}

// ownGrants are what the own account has asked for, newest first.
type ownGrants struct {
	list []storage.Grant
	now  time.Time
}

func (s *Server) grants(q *request) (ownGrants, error) {
	list, err := s.as(q).Grants(q.r.Context())
	return ownGrants{list, q.now}, err
}

// of gives the newest request for one end of a record; the zero Grant if there is none.
func (g *ownGrants) of(id storage.RecordID, end storage.End) storage.Grant {
	for _, x := range g.list {
		if x.Record == id && x.End == end {
			return x
		}
	}
	return storage.Grant{}
}

// acts gives what can be done about the numbers of a record.
func (g *ownGrants) acts(v *storage.RecordView) (l []unmaskAct) {
	for _, x := range []struct {
		name string
		end  storage.End
		p    *storage.PartyView
	}{{"from", storage.Caller, &v.From}, {"to", storage.Called, &v.To}} {
		a := unmaskAct{Path: unmaskPath(v.ID, x.name), Of: T("unmask.of", v.Began.Local().Format(T("time.clock")))}
		switch o := g.of(v.ID, x.end); {
		case o.State == storage.Lasting:
			a.Word = T("unmask.until", o.Until.Local().Format(T("time.clock")))
		case o.State == storage.Waiting:
			a.Word = T("unmask.waits")
		case isMasked(x.p):
			a.Word = T("unmask.key")
		default:
			continue
		}
		l = append(l, a)
	}
	return l
}

// refresh has the browser load the page again when the first of the numbers that it shows is
// to be masked again.
func (g *ownGrants) refresh(q *request, views []storage.RecordView) {
	var first time.Time
	for i := range views {
		for _, end := range ends {
			if o := g.of(views[i].ID, end); o.State == storage.Lasting && (first.IsZero() || o.Until.Before(first)) {
				first = o.Until
			}
		}
	}
	if !first.IsZero() {
		q.w.Header().Set("Refresh", seconds(max(first.Sub(q.now), 0)+time.Second))
	}
}

func unmaskPath(id storage.RecordID, end string) string {
	return "/calls/" + strconv.FormatUint(uint64(id), 10) + "/unmask/" + end
}

// unmaskView is one number of one record.
type unmaskView struct {
	Error, Reason string
	Path, Title   string
	Party         partyView
	Call          []recordView // the one record
	Lamp          lampView     // what has become of the request; no class: there is none
	State         string
	Form          bool
	ID            storage.GrantID // that can be taken back; 0: none
	Promise       string
	Least, Most   int
}

// unmask shows one number of one record, and the form that asks to see it whole.
func (s *Server) unmask(q *request) error {
	return s.showUnmask(q, http.StatusOK, unmaskView{})
}

// callOf gives the record and the end that an address names. The error is errNotFound if the
// viewer is not shown such a one.
func (s *Server) callOf(q *request) (v storage.RecordView, end storage.End, err error) {
	id, err := strconv.ParseUint(q.r.PathValue("id"), 10, 62)
	end, ok := ends[q.r.PathValue("end")]
	if err != nil || !ok || id == 0 {
		return v, 0, errNotFound
	}
	p, err := s.as(q).Page(q.r.Context(), storage.Query{Before: storage.RecordID(id + 1), Limit: 1})
	if err != nil {
		return v, 0, err
	}
	if len(p.Views) == 0 || p.Views[0].ID != storage.RecordID(id) {
		return v, 0, errNotFound
	}
	return p.Views[0], end, nil
}

func (s *Server) showUnmask(q *request, status int, v unmaskView) error {
	call, end, err := s.callOf(q)
	if err != nil {
		return err
	}
	grants, err := s.grants(q)
	if err != nil {
		return err
	}
	settings, _, err := s.as(q).Settings(q.r.Context())
	if err != nil {
		return err
	}
	p := call.From
	if end == storage.Called {
		p = call.To
	}
	grant := grants.of(call.ID, end)
	if !isMasked(&p) && grant.State != storage.Lasting {
		return errNotFound
	}
	v.Path, v.Party, v.Call = q.r.URL.Path, party(p), s.records(q.now, []storage.RecordView{call})
	v.Title = T("unmask.title", call.Began.Local().Format(T("time.day")))
	v.Least, v.Most = storage.MinReason, storage.MaxReason
	v.Promise = T(pick(settings.Unmask.Second, "unmask.promise.second", "unmask.promise"), minutes(settings.Unmask.Minutes))
	v.Form = true
	switch grant.State {
	case storage.Waiting:
		v.Lamp, v.State, v.Form, v.ID = lamp("busy", T("unmask.waits")), T("unmask.waiting", grant.Asked.Local().Format(T("time.day"))), false, grant.ID
	case storage.Lasting:
		left := grant.Until.Sub(q.now)
		v.Lamp, v.State, v.Form = lamp("ready", T("unmask.lasts")), T("unmask.left", grant.Until.Local().Format(T("time.clock")), waitWords(max(left, 0))), false
	case storage.Over:
		v.Lamp, v.State = lamp("done", T("unmask.over")), T("unmask.wasover", grant.Until.Local().Format(T("time.day")))
	case storage.Refused:
		v.Lamp, v.State = lamp("none", T("unmask.refused")), T("unmask.wasrefused")
	case storage.Unanswered:
		v.Lamp, v.State = lamp("none", T("unmask.unanswered")), T("unmask.wasunanswered")
	}
	grants.refresh(q, []storage.RecordView{call})
	s.show(q, status, "unmask", "unmask.head", v)
	return nil
}

// askUnmask asks to see a number, or takes that back.
func (s *Server) askUnmask(q *request) error {
	if err := q.r.ParseForm(); err != nil {
		return formError(err)
	}
	id, err := strconv.ParseUint(q.r.PathValue("id"), 10, 62)
	end, ok := ends[q.r.PathValue("end")]
	if err != nil || !ok || id == 0 {
		return errNotFound
	}
	if q.r.PostForm.Get("do") == "back" {
		grants, err := s.grants(q)
		if err != nil {
			return err
		}
		if g := grants.of(storage.RecordID(id), end); g.State == storage.Waiting {
			_, err = s.as(q).AgreeUnmask(q.r.Context(), g.ID, false)
		}
		if err != nil && !errors.Is(err, storage.ErrNoRequest) {
			return err
		}
		redirect(q, q.r.URL.Path)
		return nil
	}
	reason := q.r.PostForm.Get("why")
	_, err = s.as(q).AskUnmask(q.r.Context(), storage.RecordID(id), end, reason)
	if text, status := unmaskError(err); text != "" {
		if status == http.StatusGone {
			s.show(q, status, "problem", "wrong.title", problemView{Text: text})
			return nil
		}
		return s.showUnmask(q, status, unmaskView{Error: text, Reason: cutText(reason, 4*storage.MaxReason)})
	}
	if err != nil {
		return err
	}
	redirect(q, q.r.URL.Path)
	return nil
}

// unmaskError gives the sentence for an error of a request; nothing for others. With
// [http.StatusGone] there is nothing any more to ask for.
func unmaskError(err error) (text string, status int) {
	for _, x := range []struct {
		err    error
		key    string
		status int
	}{
		{storage.ErrReason, "unmask.reason", http.StatusUnprocessableEntity},
		{storage.ErrTooManyRequests, "unmask.toomany", http.StatusTooManyRequests},
		{storage.ErrNoRecord, "unmask.norecord", http.StatusGone},
		{storage.ErrDigitsGone, "unmask.digits", http.StatusGone},
		{storage.ErrPersonGone, "unmask.person", http.StatusGone},
		{storage.ErrNothingMasked, "unmask.nothing", http.StatusGone},
		{storage.ErrNoRequest, "request.gone", http.StatusConflict},
		{storage.ErrSamePerson, "request.same", http.StatusForbidden},
	} {
		if errors.Is(err, x.err) {
			return T(x.key), x.status
		}
	}
	return "", 0
}

// cutText gives what somebody typed for the form that shows it again: not more than n bytes.
func cutText(text string, n int) string {
	if len(text) > n {
		return ""
	}
	return text
}

// minutes gives a number of minutes in words.
func minutes(n int) string {
	if n == 1 {
		return T("wait.minute")
	}
	return T("wait.minutes", n)
}
