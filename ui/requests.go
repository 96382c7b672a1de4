package ui

import (
	"net/http"
	"strconv"

	"sotto/storage"
)

// requestView is a request that waits for a second person.
type requestView struct {
	ID               storage.GrantID
	Asked, Who, Role string
	Reason           string
	Party            partyView
	Call             []recordView // the one; nil: no longer kept
}

type requestsView struct {
	Error, Done string
	Field       storage.GrantID // the request that the error is about
	Account     string          // the own name, for programs that keep passwords
	Minutes     string
	Rows        []requestView
}

// requests shows what others have asked to see.
func (s *Server) requests(q *request) error {
	v := requestsView{}
	switch in := q.r.URL.Query(); {
	case in.Has("agreed"):
		v.Done = T("request.agreed")
	case in.Has("refused"):
		v.Done = T("request.refused")
	}
	return s.showRequests(q, http.StatusOK, v)
}

func (s *Server) showRequests(q *request, status int, v requestsView) error {
	list, err := s.as(q).Requests(q.r.Context())
	if err != nil {
		return err
	}
	settings, _, err := s.as(q).Settings(q.r.Context())
	if err != nil {
		return err
	}
	v.Account, v.Minutes = q.who.account.Name, minutes(settings.Unmask.Minutes)
	for _, x := range list {
		r := requestView{ID: x.ID, Asked: x.Asked.Local().Format(T("time.day")), Who: x.Name, Role: roleWord(x.Role), Reason: x.Reason}
		if x.Call.ID != 0 {
			r.Party, r.Call = party(x.Call.From), s.records(q.now, []storage.RecordView{x.Call})
			if x.End == storage.Called {
				r.Party = party(x.Call.To)
			}
		}
		v.Rows = append(v.Rows, r)
	}
	s.show(q, status, "requests", "requests.title", v)
	return nil
}

// answerRequest agrees to a request, for which the own password is needed: who asks may stand
// at somebody else's browser. Or it refuses.
func (s *Server) answerRequest(q *request) error {
	if err := q.r.ParseForm(); err != nil {
		return formError(err)
	}
	n, err := strconv.ParseUint(q.r.PathValue("id"), 10, 62)
	id, do := storage.GrantID(n), q.r.PostForm.Get("do")
	if err != nil || do != "agree" && do != "refuse" {
		return errNotFound
	}
	yes, to := do == "agree", "refused"
	if yes {
		to = "agreed"
		if status, text, err := s.confirmed(q); err != nil || text != "" {
			if err == nil {
				err = s.showRequests(q, status, requestsView{Error: text, Field: id})
			}
			return err
		}
	}
	_, err = s.as(q).AgreeUnmask(q.r.Context(), id, yes)
	if text, status := unmaskError(err); text != "" {
		if status == http.StatusGone {
			status = http.StatusConflict
		}
		return s.showRequests(q, status, requestsView{Error: text})
	}
	if err != nil {
		return err
	}
	redirect(q, "/privacy/requests?"+to)
	return nil
}
