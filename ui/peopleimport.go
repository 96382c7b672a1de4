package ui

import (
	"bytes"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"sotto/pbx/plan"
	"sotto/pbx/plan/usercsv"
	"sotto/storage"
)

// Users from a table.
//
//	file ──POST──► what becomes of each row ──POST──► the plan
//	                      │  ▲
//	                      ▼  │ by a token alone
//	                     the session
//
// The table goes no further than the first form. What came of it waits in the session, with
// the revision of the plan that it was made from.

const (
	importPath = "/people/import"

	// maxImport bounds the form with the table: what is about it is a few hundred bytes.
	maxImport = usercsv.MaxSize + 16<<10

	maxImportRows = 500 // of the report that are listed
)

// imported is a plan that waits to be confirmed. It never changes.
type imported struct {
	token    string
	next     plan.Plan
	rev      storage.Rev
	removed  int
	until    time.Time
	report   usercsv.Report
	previous plan.Plan
}

func (i *imported) over(now time.Time) bool { return now.After(i.until) }

// importView is the form, and what becomes of the rows of a table.
type importView struct {
	Error    string
	More     []string // what else is to be said of it
	Others   bool     // as ticked
	MaxRows  int
	Token    string // empty: there is nothing that can be confirmed
	Headline string
	Wrong    []importRow
	Changed  []importRow
	Added    []string
	Removed  []string
	Cut      string // said when there is more than is listed
	Secrets  bool   // somebody needs a new secret
	Key      string
	Own      string // the own name, for programs that keep passwords
	Refused  bool   // the error is about the own password
}

type importRow struct {
	Number int
	Name   string // of the user, who is in the plan
	What   []string
}

// importForm shows where a table is chosen.
func (s *Server) importForm(q *request) error {
	return s.showImport(q, http.StatusOK, importView{})
}

func (s *Server) showImport(q *request, status int, v importView) error {
	v.MaxRows, v.Own = usercsv.MaxRows, q.who.account.Name
	s.show(q, status, "import", "import.title", v)
	return nil
}

// readTable reads the form with a table, which is never on a disk.
func readTable(q *request) (table []byte, o usercsv.Options, err error) {
	parts, err := q.r.MultipartReader()
	if err != nil {
		return nil, o, errForm
	}
	for n := 0; ; n++ {
		p, err := parts.NextPart()
		switch {
		case err == io.EOF:
			return table, o, nil
		case err != nil || n > 4:
			return nil, o, formError(err)
		case p.FormName() == "others":
			o.RemoveOthers = true
		case p.FormName() == "table":
			if table, err = io.ReadAll(io.LimitReader(p, usercsv.MaxSize+1)); err != nil {
				return nil, o, formError(err)
			}
			if len(table) > usercsv.MaxSize {
				return nil, o, &http.MaxBytesError{Limit: usercsv.MaxSize}
			}
		}
	}
}

// importPreview tells what would become of each row of a table.
func (s *Server) importPreview(q *request) error {
	table, o, err := readTable(q)
	v := importView{Others: o.RemoveOthers}
	tooLarge := (*http.MaxBytesError)(nil)
	switch {
	case errors.As(err, &tooLarge):
		v.Error = T("import.large")
		return s.showImport(q, http.StatusRequestEntityTooLarge, v)
	case err != nil:
		return err
	case len(bytes.TrimSpace(table)) == 0:
		v.Error = T("import.none")
		return s.showImport(q, http.StatusUnprocessableEntity, v)
	}
	p, rev, err := s.as(q).Plan(q.r.Context())
	if err != nil {
		return err
	}
	next, report, err := usercsv.Read(bytes.NewReader(table), p, o)
	if err != nil {
		v.Error, v.More = T("import.notable"), []string{strings.TrimPrefix(err.Error(), usercsv.ErrTable.Error()+": ")}
		return s.showImport(q, http.StatusUnprocessableEntity, v)
	}
	i := &imported{token: rand.Text(), next: next, rev: rev, removed: len(report.Removed), until: q.now.Add(askedFor), report: report, previous: p}
	v.tell(i)
	if !report.OK() {
		v.Error = T("import.wrong")
		return s.showImport(q, http.StatusUnprocessableEntity, v)
	}
	if v.Token != "" {
		s.sessions.keep(q.who.key, i)
	}
	return s.showImport(q, http.StatusOK, v)
}

// tell fills in what becomes of the rows. The report repeats nothing of the table, so names are
// those of the plan before, and of who comes new those of the plan after.
func (v *importView) tell(i *imported) {
	r, users := &i.report, i.previous.Users
	name := func(id plan.UserID) string {
		if k := slices.IndexFunc(users, func(u plan.User) bool { return u.ID == id && id != "" }); k >= 0 {
			return person(&i.previous, users[k].Ext)
		}
		return ""
	}
	for _, row := range r.Rows {
		x := importRow{Number: row.Number, Name: name(row.User)}
		switch row.Outcome {
		case usercsv.Wrong:
			for _, m := range row.Mistakes {
				text := m.Text
				if m.Column != "" {
					text = m.Column + ": " + text
				}
				x.What = append(x.What, text)
			}
			v.Wrong = append(v.Wrong, x)
		case usercsv.Changed:
			x.What = row.Fields
			v.Changed = append(v.Changed, x)
			v.Secrets = v.Secrets || slices.Contains(row.Fields, "extension")
		}
	}
	v.More = r.Other
	for _, id := range r.Removed {
		v.Removed = append(v.Removed, name(id))
	}
	if r.OK() {
		for k := range i.next.Users {
			if u := &i.next.Users[k]; u.ID == "" {
				v.Added = append(v.Added, person(&plan.Plan{Users: []plan.User{*u}}, u.Ext))
				v.Secrets = v.Secrets || u.SIP
			}
		}
	}
	added, changed := r.Count(usercsv.Added), len(v.Changed)
	v.Headline = T("import.headline", itoa(added), itoa(changed), itoa(r.Count(usercsv.Same)), itoa(len(v.Wrong)), itoa(len(r.Removed)))
	if r.OK() && added+changed+len(r.Removed) > 0 {
		v.Token = i.token
		v.Key = count("import.key.one", "import.key.many", added+changed)
		if len(r.Removed) > 0 {
			v.Key = count("import.key.remove.one", "import.key.remove.many", len(r.Removed))
		}
	}
	cut := func(n int) int {
		if n > maxImportRows {
			v.Cut = T("import.cut", itoa(maxImportRows))
		}
		return min(n, maxImportRows)
	}
	v.Wrong, v.Changed, v.Added, v.Removed = v.Wrong[:cut(len(v.Wrong))], v.Changed[:cut(len(v.Changed))], v.Added[:cut(len(v.Added))], v.Removed[:cut(len(v.Removed))]
}

// importNow makes what was looked at the plan, if nobody has changed the plan since. With users
// who leave, the own password is needed.
func (s *Server) importNow(q *request) error {
	if err := q.r.ParseForm(); err != nil {
		return formError(err)
	}
	i := q.who.imported
	if i == nil || i.over(q.now) || subtle.ConstantTimeCompare([]byte(i.token), []byte(q.r.PostForm.Get("token"))) != 1 {
		return s.showImport(q, http.StatusConflict, importView{Error: T("import.stale")})
	}
	if i.removed > 0 {
		if status, text, err := s.confirmed(q); err != nil || text != "" {
			if err == nil {
				v := importView{Error: text, Refused: true}
				v.tell(i)
				err = s.showImport(q, status, v)
			}
			return err
		}
	}
	s.sessions.keep(q.who.key, nil)
	_, err := s.cfg.Store.SetPlan(q.r.Context(), q.viewer(), i.rev, i.next)
	s.sessions.stopGone(func(id storage.AccountID) bool { _, there := s.cfg.Store.Account(id); return there })
	var wrong plan.Problems
	switch {
	case errors.Is(err, storage.ErrConflict):
		return s.showImport(q, http.StatusConflict, importView{Error: T("import.conflict")})
	case errors.As(err, &wrong):
		return s.showImport(q, http.StatusConflict, importView{Error: T("import.wrong"), More: problems(err)})
	case err != nil:
		return err
	}
	redirect(q, "/people?imported")
	return nil
}
