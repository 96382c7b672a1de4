package ui

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"sotto/storage"
)

// proofsView is the proofs that terms are kept, day by day, newest first.
type proofsView struct {
	Wrong           []string // what failed, in sentences
	Days            []proofDay
	One             *proofKinds // the day that is looked at
	Empty           string
	Earlier, Latest string
}

type proofDay struct {
	Date, Path         string
	Due, Deleted, Left string
	Lamp               lampView
	Current            bool
}

// proofKinds is a day, kind by kind.
type proofKinds struct {
	Title string
	Kinds []proofKind
}

type proofKind struct {
	Name, Oldest, Limit string
	Due, Deleted, Left  string
	Lamp                lampView
}

// proofDays is how many days a page shows.
const proofPage = 31

// proofs shows them. Days are those of the box, in UTC.
func (s *Server) proofs(q *request) error {
	in := q.r.URL.Query()
	v := proofsView{Empty: T("proofs.none")}
	until := utcDay(in.Get("until"))
	if !until.IsZero() {
		v.Latest = "/privacy/proofs"
	}
	all, err := s.as(q).Proofs(q.r.Context(), time.Time{}, until)
	if err != nil {
		if !storeDown(err) {
			return err
		}
		v.Empty = T("proofs.down")
	}
	days, wrong := proofDays(all, q.now)
	v.Wrong = wrong
	back := url.Values{}
	if v.Latest != "" {
		back.Set("until", until.Format(time.DateOnly))
	}
	one := utcDay(in.Get("day"))
	if one.IsZero() && len(all) > 0 {
		one = all[len(all)-1].Date
	}
	if v.One = proofsOf(all, one, q.now); v.One == nil && len(all) > 0 {
		return errNotFound
	}
	if len(days) > proofPage {
		last := days[proofPage-1]
		v.Earlier = "/privacy/proofs?" + url.Values{"until": {last.Path}}.Encode()
		days = days[:proofPage]
	}
	for i := range days {
		d := &days[i]
		d.Current = d.Path == one.Format(time.DateOnly)
		back.Set("day", d.Path)
		d.Path = "/privacy/proofs?" + back.Encode()
	}
	v.Days = days
	s.show(q, 200, "proofs", "proofs.title", v)
	return nil
}

func utcDay(text string) time.Time {
	t, _ := time.Parse(time.DateOnly, text)
	return t
}

// proofDays sums the proofs of each day up, newest first, with the date for Path, and says
// what failed.
func proofDays(all []storage.DayProof, now time.Time) (l []proofDay, wrong []string) {
	for len(all) > 0 {
		n := slices.IndexFunc(all, func(p storage.DayProof) bool { return !p.Date.Equal(all[0].Date) })
		if n < 0 {
			n = len(all)
		}
		due, deleted, left := 0, 0, 0
		at, lampOf := all[0].Date, storage.ProofPass
		for _, p := range all[:n] {
			due, deleted, left = due+p.Due, deleted+p.Deleted, left+p.Left
			if p.State == storage.ProofFail || p.State == storage.ProofWait && lampOf == storage.ProofPass {
				lampOf = p.State
			}
			if p.State == storage.ProofFail {
				wrong = append(wrong, T("proofs.wrong", boxDate(at, now), failed(p)))
			}
		}
		l = append(l, proofDay{Date: boxDate(at, now), Path: at.Format(time.DateOnly), Due: itoa(due), Deleted: itoa(deleted), Left: itoa(left), Lamp: stateLamp(lampOf)})
		all = all[n:]
	}
	slices.Reverse(l)
	slices.Reverse(wrong)
	return l, wrong
}

// failed says what is wrong with a proof.
func failed(p storage.DayProof) string {
	name := T("term." + string(p.Kind))
	var l []string
	if p.Left > 0 {
		l = append(l, T("proofs.left", name))
	}
	if !p.Canary {
		l = append(l, T("proofs.canary", name))
	}
	if l == nil {
		return T("proofs.failed", name)
	}
	return strings.Join(l, " ")
}

func stateLamp(s storage.ProofState) lampView {
	switch s {
	case storage.ProofPass:
		return wellLamp(T("proofs.pass"))
	case storage.ProofWait:
		return lamp("busy", T("proofs.wait"))
	}
	return lamp("fault", T("proofs.fail"))
}

// wellLamp is the lamp of a check that has found nothing wrong.
func wellLamp(word string) lampView { return lampView{"ready", "done", word} }

// proofsOf gives one day kind by kind; nil if it has no proof.
func proofsOf(all []storage.DayProof, day, now time.Time) *proofKinds {
	v := &proofKinds{Title: T("proofs.day", boxDate(day, now))}
	for _, p := range all {
		if !p.Date.Equal(day) {
			continue
		}
		k := proofKind{Name: T("term." + string(p.Kind)), Oldest: "–", Limit: boxDate(p.Limit, now), Due: itoa(p.Due), Deleted: itoa(p.Deleted), Left: itoa(p.Left), Lamp: stateLamp(p.State)}
		if !p.Oldest.IsZero() {
			k.Oldest = boxDate(p.Oldest, now)
		}
		v.Kinds = append(v.Kinds, k)
	}
	if v.Kinds == nil {
		return nil
	}
	return v
}
