package ui

import (
	"encoding/hex"
	"slices"
	"strings"

	"sotto/pbx/plan"
	"sotto/storage"
	"sotto/storage/keyring"
)

// deskView is the page on which an erasure begins, and which lists those that were.
type deskView struct {
	Error    string   // a sentence; empty: none
	More     []string // what else is to be said of it
	Field    string   // that it is about: "user", "account", "number"; empty: all
	Plain    bool     // nothing went wrong
	Users    []choice // who can be erased; nil: this role erases no users
	Former   []choice // who has left the plan and can be, too
	User     string   // as chosen, of either
	Accounts []choice // who can log in; nil: this role erases no log-ins
	Account  string   // as chosen
	Proofs   []proofRow
	Older    string // says that there are more; empty: there are not
	Unlisted string // why there is no list; empty: there is
}

// proofRow is one erasure in the list.
type proofRow struct {
	ID, At, Kind          string
	Records, Plans, Items string
	Lamp                  lampView
}

// proofView is one erasure on paper.
type proofView struct {
	Done  bool // it was this request
	Own   bool // the log-in of who asked for it
	Lamp  lampView
	Facts []fact
	IDs   []string // pseudonyms
	Root  Root
	After string // what a later call or log-in is
}

// maxProofs bounds the list; the program lists all at its terminal.
const maxProofs = 100

// desk shows who can be erased and who was.
func (s *Server) desk(q *request) error { return s.showDesk(q, 200, deskView{}) }

func (s *Server) showDesk(q *request, status int, v deskView) error {
	if slices.Contains(keepers, q.who.account.Role) {
		p, _, err := s.as(q).Plan(q.r.Context())
		if err != nil && !storeDown(err) { // which the list below tells
			return err
		}
		v.Users = []choice{{"", T("erase.nobody")}}
		for _, u := range p.Users {
			v.Users = append(v.Users, choice{string(u.Ext), person(&p, u.Ext)})
		}
		former, err := s.as(q).FormerUsers(q.r.Context())
		if err != nil && !storeDown(err) {
			return err
		}
		for _, u := range former {
			name := formerName(&u.User)
			if !u.Goes.IsZero() {
				name = T("desk.goes", name, u.Goes.Format(T("time.date")))
			}
			v.Former = append(v.Former, choice{formerMark + string(u.ID), name})
		}
	}
	if q.who.account.Role == storage.Owner {
		all, err := s.as(q).Accounts(q.r.Context())
		if err != nil && !storeDown(err) {
			return err
		}
		v.Accounts = []choice{{"", T("erase.nobody")}}
		for _, a := range all {
			v.Accounts = append(v.Accounts, choice{string(a.ID), a.Name + " (" + roleWord(a.Role) + ")"})
		}
	}
	list, err := s.as(q).Erasures(q.r.Context())
	switch {
	case storeDown(err):
		v.Unlisted = T("erased.down")
	case err != nil:
		return err
	}
	slices.Reverse(list)
	if len(list) > maxProofs {
		v.Older = T("erased.older", maxProofs, itoa(len(list)))
		list = list[:maxProofs]
	}
	for _, p := range list {
		v.Proofs = append(v.Proofs, proofRow{p.Subjects[0].String(), p.At.Local().Format(T("time.dated")), kindWord(p.Kind),
			itoa(p.Records), itoa(p.Plans), itoa(p.Items), proofLamp(p)})
	}
	s.show(q, status, "desk", "desk.title", v)
	return nil
}

// eraseProof shows the proof of one erasure. The pseudonym comes in the body of a form:
// it belongs in no address either.
func (s *Server) eraseProof(q *request) error {
	if err := q.r.ParseForm(); err != nil {
		return formError(err)
	}
	list, err := s.as(q).Erasures(q.r.Context())
	if storeDown(err) {
		return s.showDesk(q, 503, deskView{})
	}
	if err != nil {
		return err
	}
	id := q.r.PostForm.Get("id")
	for _, p := range list {
		if p.Subjects[0].String() == id {
			s.showProof(q, p, false)
			return nil
		}
	}
	return errNotFound
}

// showProof shows an erasure on paper. It holds pseudonyms and counts alone. To whom nobody
// is logged in any more, it was the own log-in.
func (s *Server) showProof(q *request, p storage.Proof, done bool) {
	v := proofView{Done: done, Own: q.who == nil, Lamp: lamp("done", T("proof.erased")), Root: s.cfg.Root, After: T("proof.later.account"), Facts: []fact{
		{Name: T("proof.at"), Value: p.At.Local().Format(T("time.second")) + " " + zone(p.At)},
		{Name: T("proof.kind"), Value: kindWord(p.Kind)},
	}}
	if p.Kind != keyring.Admin { // nothing else is kept of a log-in
		v.After = T("proof.later")
		v.Facts = append(v.Facts, fact{Name: T("proof.records"), Value: count("proof.record.one", "proof.record.many", p.Records)},
			fact{Name: T("proof.plans"), Value: itoa(p.Plans)}, fact{Name: T("proof.items"), Value: itoa(p.Items)})
	}
	if p.NewEpoch != [8]byte{} {
		v.Facts = append(v.Facts, fact{Name: T("proof.keyring"), Value: T("proof.epochs", hex.EncodeToString(p.OldEpoch[:]), hex.EncodeToString(p.NewEpoch[:]), itoa(p.Rewrite))})
	}
	v.Facts = append(v.Facts, fact{Name: T("proof.verified"), Value: T("proof.notverified")}, fact{Name: T("proof.rows"), Value: T("proof.notswept")})
	n := len(v.Facts)
	if p.Verified {
		v.Facts[n-2].Value = T("proof.isverified")
	}
	if p.Swept {
		v.Facts[n-1].Value = T("proof.isswept")
	}
	for _, x := range p.Subjects {
		v.IDs = append(v.IDs, x.String())
	}
	s.show(q, 200, "proof", "proof.title", v)
}

// proofLamp tells how far an erasure has come.
func proofLamp(p storage.Proof) lampView {
	switch {
	case !p.Verified:
		return lamp("warn", T("erased.unfinished"))
	case !p.Swept:
		return lamp("busy", T("erased.sweeping"))
	}
	return lamp("done", T("erased.done"))
}

func kindWord(k keyring.Kind) string {
	switch k {
	case keyring.User:
		return T("person.user")
	case keyring.Outside:
		return T("person.number")
	}
	return T("person.account")
}

// count gives a number with its noun.
func count(one, many string, n int) string {
	if n == 1 {
		return T(one)
	}
	return T(many, itoa(n))
}

// formerMark stands before the id of a user who has left the plan, where others are chosen by
// extension: that one may be somebody else's by now.
const formerMark = "left "

// chosenUser gives the user whom the form names, and how a page calls the user; none if
// there is no such user any more.
func (s *Server) chosenUser(q *request, chosen string) (id plan.UserID, name string, err error) {
	if left, ok := strings.CutPrefix(chosen, formerMark); ok {
		former, err := s.as(q).FormerUsers(q.r.Context())
		if i := slices.IndexFunc(former, func(u storage.FormerUser) bool { return string(u.ID) == left }); i >= 0 {
			return former[i].ID, formerName(&former[i].User), nil
		}
		return "", "", err
	}
	p, _, err := s.as(q).Plan(q.r.Context())
	if err != nil {
		return "", "", err
	}
	if u := userOf(&p, chosen); u != nil {
		return u.ID, person(&p, u.Ext), nil
	}
	return "", "", nil
}

// formerName names a user as [person] does, from no plan.
func formerName(u *plan.User) string {
	return person(&plan.Plan{Users: []plan.User{*u}}, u.Ext)
}

// userOf finds a user of a plan by extension.
func userOf(p *plan.Plan, ext string) *plan.User {
	for i := range p.Users {
		if string(p.Users[i].Ext) == strings.TrimSpace(ext) {
			return &p.Users[i]
		}
	}
	return nil
}
