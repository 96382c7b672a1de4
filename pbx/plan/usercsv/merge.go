package usercsv

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"

	"sotto/pbx/plan"
)

// merge puts rows into a plan.
type merge struct {
	old    *plan.Plan
	plan   plan.Plan // what comes of it
	cols   []*column // by place in a row, nil for one without a name
	report Report

	byID  map[plan.UserID]int // places in old
	byExt map[plan.Ext]int    // without those whom a row names by id
	rows  map[int]int         // by place in plan.Users: which of report.Rows it is of
}

func newMerge(p *plan.Plan, cols []*column, table []line) *merge {
	m := &merge{old: p, plan: p.Clone(), cols: cols, byID: map[plan.UserID]int{}, byExt: map[plan.Ext]int{}, rows: map[int]int{}}
	for i := range p.Users {
		if u := &p.Users[i]; u.ID != "" {
			m.byID[u.ID] = i
		}
		m.byExt[p.Users[i].Ext] = i
	}
	if k := slices.IndexFunc(cols, func(c *column) bool { return c != nil && c.name == colID }); k >= 0 {
		for _, l := range table {
			if k < len(l.cells) {
				if i, ok := m.byID[plan.UserID(l.cells[k])]; ok {
					delete(m.byExt, p.Users[i].Ext)
				}
			}
		}
	}
	return m
}

// row takes one row in.
func (m *merge) row(l line) {
	m.report.Rows = append(m.report.Rows, Row{Number: l.number})
	k := len(m.report.Rows) - 1
	r := &m.report.Rows[k]
	id, ext := "", ""
	for i, s := range l.cells {
		switch {
		case i >= len(m.cols) || m.cols[i] == nil:
			if s != "" && len(r.Mistakes) == 0 {
				r.wrong("", fmt.Sprintf("cell %d stands in a column without a name", i+1))
			}
		case m.cols[i].name == colID:
			id = s
		case m.cols[i].name == colExt:
			ext = s
		}
	}
	if len(l.cells) < len(m.cols) {
		r.wrong("", fmt.Sprintf("has %d cells, and the first row %d", len(l.cells), len(m.cols)))
	}
	at, known := m.byExt[plan.Ext(ext)]
	by := colExt
	if id != "" {
		by = colID
		if at, known = m.byID[plan.UserID(id)]; !known {
			r.wrong(colID, "is not the id of a user: leave it empty for one who is to be added")
		}
	}
	if !known {
		at = len(m.plan.Users)
		m.plan.Users = append(m.plan.Users, plan.User{})
	} else {
		r.User = m.old.Users[at].ID
	}
	if other, twice := m.rows[at]; twice {
		r.wrong(by, fmt.Sprintf("is of the same user as row %d", m.report.Rows[other].Number))
		return
	}
	m.rows[at] = k
	m.fill(&m.plan.Users[at], known, r, l)
	switch {
	case !known:
		r.Outcome = Added
	case len(r.Fields) > 0:
		r.Outcome = Changed
	default:
		r.Outcome = Same
	}
}

// fill puts the cells of a row into its user, and notes what that changes.
func (m *merge) fill(u *plan.User, known bool, r *Row, l line) {
	for i, s := range l.cells[:min(len(l.cells), len(m.cols))] {
		c := m.cols[i]
		if c == nil {
			continue
		}
		if c.field != "" && s != "" && !m.plan.Keeps(c.field) {
			r.wrong(c.name, "is not kept by this office: switch the field on in the plan first, or empty the column")
			continue
		}
		before := c.get(u)
		if mistake := c.set(u, s); mistake != "" {
			r.wrong(c.name, mistake)
		} else if known && c.get(u) != before {
			r.Fields = append(r.Fields, c.name)
		}
	}
}

// wrong notes a mistake.
func (r *Row) wrong(column, text string) {
	r.Mistakes = append(r.Mistakes, Mistake{column, text})
}

// others does with users who are in no row, and with the lines that ring users, what follows.
func (m *merge) others(o Options) {
	now := map[plan.Ext]plan.Ext{} // extensions of old; those of who is removed are not in it
	var left []plan.User
	rows := map[int]int{}
	for i, u := range m.plan.Users {
		k, listed := m.rows[i]
		if !listed && o.RemoveOthers {
			m.report.Removed = append(m.report.Removed, u.ID)
			continue
		}
		if listed {
			rows[len(left)] = k
		}
		if i < len(m.old.Users) {
			now[m.old.Users[i].Ext] = u.Ext
		}
		left = append(left, u)
	}
	m.plan.Users, m.rows = left, rows
	for i := range m.plan.Lines {
		x := &m.plan.Lines[i]
		var rings []plan.Ext
		for _, e := range x.Rings {
			if e, ok := now[e]; ok {
				rings = append(rings, e)
			}
		}
		if len(rings) == 0 && len(x.Rings) > 0 {
			m.report.Other = append(m.report.Other, fmt.Sprintf("lines[%d].rings: all users whom the line rings would be removed, and it would ring everybody: say first whom it is to ring", i))
		}
		x.Rings = rings
	}
}

// ofUser is a path in a plan that leads to a user.
var ofUser = regexp.MustCompile(`users\[(\d+)\](?:\.([a-z_]+)(?:\[\d+\])?)?`)

// check notes what is wrong with the plan that came of it, at its row where it has one. Of two
// users who have the same, it is the one in a row who is wrong.
func (m *merge) check() {
	problems, _ := errors.AsType[plan.Problems](m.plan.Validate())
	for _, p := range problems {
		path, text := p.Path, ofUser.ReplaceAllStringFunc(p.Text, m.whose)
		k, ok := m.rowOf(path)
		if !ok && ofUser.MatchString(path) {
			if k, ok = m.rowOf(p.Text); ok {
				text = ofUser.ReplaceAllString(p.Text, noRow)
			}
		}
		if !ok {
			if len(m.report.Other) < plan.MaxProblems {
				m.report.Other = append(m.report.Other, ofUser.ReplaceAllStringFunc(path, m.whose)+": "+text)
			}
			continue
		}
		r := &m.report.Rows[k]
		name := ofUser.FindStringSubmatch(path)[2]
		if i := slices.IndexFunc(columns, func(c column) bool { return plain(c.name) == plain(name) || slices.Contains(c.words, name) }); i >= 0 {
			name = columns[i].name
		}
		if !slices.ContainsFunc(r.Mistakes, func(x Mistake) bool { return x.Column == name }) {
			r.wrong(name, text)
		}
	}
	for i := range m.report.Rows {
		if r := &m.report.Rows[i]; len(r.Mistakes) > 0 {
			r.Outcome, r.Fields = Wrong, nil
		}
	}
}

// rowOf gives which row the first user is of to whom something in s leads.
func (m *merge) rowOf(s string) (k int, ok bool) {
	at := ofUser.FindStringSubmatch(s)
	if at == nil {
		return 0, false
	}
	i, _ := strconv.Atoi(at[1])
	k, ok = m.rows[i]
	return k, ok
}

const noRow = "a user who is in no row"

// whose says in words what a path leads to: a row, or a user who is in none.
func (m *merge) whose(path string) string {
	if k, ok := m.rowOf(path); ok {
		return fmt.Sprintf("row %d", m.report.Rows[k].Number)
	}
	return noRow
}
