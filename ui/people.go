package ui

import (
	"slices"
	"strings"

	"sotto/board"
	"sotto/pbx/plan"
)

// personRow is one user in the list.
type personRow struct {
	Name, Ext, Phones string
	Fields            []string // in the order of the columns
	Marks             []string // "protected", "numbers not kept"
}

type peopleView struct {
	Done, Count string
	Fields      []choice // what the plan keeps of users beside name and extension
	Rows        []personRow
	Marks       bool // somebody has marks
}

// people lists the users of the office, with what else the plan keeps of them.
func (s *Server) people(q *request) error {
	p, _, err := s.as(q).Plan(q.r.Context())
	if err != nil {
		return err
	}
	v := peopleView{Count: count("people.one", "people.many", len(p.Users))}
	if q.r.URL.Query().Has("imported") {
		v.Done = T("import.done")
	}
	kept := []plan.Field{}
	for _, f := range plan.Fields() {
		if p.Keeps(f) {
			kept = append(kept, f)
			v.Fields = append(v.Fields, choice{string(f), T("field." + string(f))})
		}
	}
	for i := range p.Users {
		u := &p.Users[i]
		r := personRow{Name: u.Name, Ext: string(u.Ext), Phones: s.phones(u), Marks: marks(u)}
		for _, f := range kept {
			r.Fields = append(r.Fields, u.Field(f))
		}
		v.Rows, v.Marks = append(v.Rows, r), v.Marks || len(r.Marks) > 0
	}
	s.show(q, 200, "people", "people.title", v)
	return nil
}

// phones says where a user is rung, in the words of the front panel.
func (s *Server) phones(u *plan.User) string {
	var l []string
	n := 0
	for _, p := range s.cfg.Ports {
		if p.Kind != board.Station {
			continue
		}
		if n++; slices.Contains(u.Ports, p.Label) {
			l = append(l, T("port.phone", n))
		}
	}
	for _, label := range u.Ports { // of a board that this box does not have
		if !slices.ContainsFunc(s.cfg.Ports, func(p board.PortInfo) bool { return p.Label == label }) {
			l = append(l, label)
		}
	}
	if u.SIP {
		l = append(l, T("people.sip"))
	}
	if len(l) == 0 {
		return T("people.nophone")
	}
	return strings.Join(l, ", ")
}

// marks says what is not kept of a user's calls.
func marks(u *plan.User) (l []string) {
	if u.Protected {
		l = append(l, T("people.protected"))
	}
	if u.ShowOnly {
		l = append(l, T("people.showonly"))
	}
	return l
}
