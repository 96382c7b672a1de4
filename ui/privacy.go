package ui

import (
	"net/url"
	"slices"

	"sotto/storage"
	"sotto/storage/policy"
)

// privacyView is the way to what there is about personal data, with the newest of each. The
// desk, where people ask for what is kept of them or want it gone, is a page of its own: see
// desk.go.
type privacyView struct {
	Terms   termsView
	Fade    fadeView
	Audit   bool // may see who did what
	Agree   bool // may answer requests to see a number
	Trail   []auditDay
	NoTrail string
	Proofs  []proofDay
	Wrong   []string
	NoProof string
	Left    []ledgerRow
	NoneOut string
}

// how many lines of each list stand on the page.
const (
	shownTrail  = 5
	shownProofs = 4
	shownLeft   = 3
)

// privacy shows it.
func (s *Server) privacy(q *request) error {
	done := ""
	if q.r.URL.Query().Has("saved") {
		done = T("terms.saved")
	}
	return s.showPrivacy(q, 200, nil, nil, "", done)
}

func (s *Server) showPrivacy(q *request, status int, typed url.Values, problems []settingProblem, plain, done string) error {
	terms, now, err := s.terms(q, typed, problems)
	if err != nil {
		return err
	}
	if terms.Plain, terms.Done = plain, done; len(problems) > 0 {
		terms.Error = T("terms.refused")
	}
	_, code := s.as(q).Office()
	v := privacyView{Terms: terms, Fade: fade(&now, code), Audit: s.may(q, policy.SeeAudit), Agree: s.may(q, policy.AgreeUnmask), NoTrail: T("audit.none"), NoProof: T("proofs.none"), NoneOut: T("ledger.none")}
	down := func(text *string, key string, err error) error {
		if storeDown(err) {
			*text = T(key)
			return nil
		}
		return err
	}
	r, ctx := s.as(q), q.r.Context()
	if v.Audit {
		p, err := r.Audit(ctx, storage.AuditQuery{Limit: shownTrail})
		if err := down(&v.NoTrail, "audit.down", err); err != nil {
			return err
		}
		v.Trail = auditDays(p.Views)
	}
	proofs, err := r.Proofs(ctx, q.now.AddDate(0, 0, -shownProofs-3), q.now.AddDate(0, 0, 2)) // the box may believe another date
	if err := down(&v.NoProof, "proofs.down", err); err != nil {
		return err
	}
	v.Proofs, v.Wrong = proofDays(proofs, q.now)
	v.Proofs = slices.Clip(v.Proofs[:min(len(v.Proofs), shownProofs)])
	left, err := r.Ledger(ctx, storage.LedgerQuery{Limit: shownLeft})
	if err := down(&v.NoneOut, "ledger.down", err); err != nil {
		return err
	}
	v.Left = ledgerRows(left, q.now)
	s.show(q, status, "privacy", "privacy.title", v)
	return nil
}
