package ui

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"sotto/storage"
)

// auditView is a page of the audit trail, newest first.
type auditView struct {
	Day             string // as chosen
	Days            []auditDay
	Empty           string
	Earlier, Latest string
}

// auditDay is the lines of one day.
type auditDay struct {
	Date, ID string
	Lines    []lineView
}

// lineView is one line of the trail in words.
type lineView struct {
	Clock, At     string // at a place and for programs; empty: not known
	Glyph         string
	Who, Did      string
	About         []string // beginnings of pseudonyms
	AboutMore     string
	Changes       []string // of settings; else Before and After
	Before, After string
	Number, Link  string
}

// maxAboutShown is how many pseudonyms a line shows.
const maxAboutShown = 4

// audit shows the trail. The filter is in the address: it holds a day, and nobody.
func (s *Server) audit(q *request) error {
	in := q.r.URL.Query()
	v := auditView{Day: in.Get("day"), Empty: T("audit.none")}
	query := storage.AuditQuery{From: day(&v.Day)}
	filter := url.Values{}
	if !query.From.IsZero() {
		query.Until = query.From.AddDate(0, 0, 1)
		filter.Set("day", v.Day)
	}
	if before, err := strconv.ParseUint(in.Get("before"), 10, 63); err == nil && before > 0 {
		query.Before = before
		v.Latest = "/privacy/audit?" + filter.Encode()
	}
	p, err := s.as(q).Audit(q.r.Context(), query)
	if err != nil {
		if !storeDown(err) {
			return err
		}
		v.Empty = T("audit.down")
	}
	v.Days = auditDays(p.Views)
	if p.More {
		filter.Set("before", strconv.FormatUint(p.Next, 10))
		v.Earlier = "/privacy/audit?" + filter.Encode()
		if len(p.Views) == 0 {
			v.Empty = T("audit.further")
		}
	}
	s.show(q, 200, "audit", "audit.title", v)
	return nil
}

// auditDays groups lines by day. A line that cannot be read stays with those that it stands
// between.
func auditDays(views []storage.AuditView) (l []auditDay) {
	last := ""
	for i := range views {
		v := &views[i]
		date := last
		if !v.At.IsZero() {
			date = v.At.Local().Format(T("time.date"))
		}
		if len(l) == 0 || date != last && last != "" {
			l = append(l, auditDay{ID: "d-" + strconv.FormatUint(v.Number, 10)})
		}
		last = date
		at := &l[len(l)-1]
		if at.Date == "" {
			at.Date = date
		}
		at.Lines = append(at.Lines, auditLine(v))
	}
	if len(l) > 0 && l[len(l)-1].Date == "" {
		l[len(l)-1].Date = T("audit.undated")
	}
	return l
}

// auditLine says a line in words.
func auditLine(v *storage.AuditView) lineView {
	l := lineView{Glyph: "call", Number: strconv.FormatUint(v.Number, 10), Link: strings.ReplaceAll(v.Link, "…", " … ")}
	switch {
	case v.Damaged:
		l.Glyph, l.Did = "fault", T("audit.damaged")
		return l
	case v.Aged:
		l.Glyph, l.Did = "none", T("audit.aged")
		return l
	}
	at := v.At.Local()
	l.Clock, l.At = at.Format(T("time.clock")), at.Format(time.RFC3339)
	l.Who, l.Did = actor(v.By, v.Role, v.Account, v.Pseudonym), auditWord(v.What)
	if v.Rows > 1 && v.Before+v.After == "" { // a change says how much it is
		l.Did += T("audit.rows", itoa(v.Rows))
	}
	if v.More > 0 {
		l.Did += count("audit.more.one", "audit.more", v.More)
	}
	for i, id := range v.About {
		if i == maxAboutShown {
			break
		}
		l.About = append(l.About, short(id))
	}
	if n := len(v.About) - len(l.About) + v.AboutMore; n > 0 {
		l.AboutMore = T("audit.about.more", itoa(n))
	}
	if l.Changes = changes(v.Before, v.After); l.Changes == nil {
		l.Before, l.After = v.Before, v.After
	}
	return l
}

// changes says a change of settings in words: "keep.records 30" before and "keep.records 60"
// after. It gives nothing for other texts, and for those that were cut.
func changes(before, after string) (l []string) {
	old, now := strings.Split(before, ", "), strings.Split(after, ", ")
	if len(old) != len(now) {
		return nil
	}
	for i := range old {
		field, was, ok := cutLast(old[i])
		same, is, ok2 := cutLast(now[i])
		name, known := words["setting."+field]
		if !ok || !ok2 || !known || same != field {
			return nil
		}
		l = append(l, T("audit.change", name, was, is))
	}
	return l
}

// cutLast splits at the last space.
func cutLast(s string) (before, after string, ok bool) {
	i := strings.LastIndexByte(s, ' ')
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

// actor names who looked or changed something.
func actor(by storage.Actor, role storage.Role, name, pseudonym string) string {
	switch by {
	case storage.ByBox:
		return T("audit.by.box")
	case storage.ByTerminal:
		return T("audit.by.terminal")
	case storage.ByStranger:
		return T("audit.by.stranger")
	}
	word := roleWord(role)
	switch {
	case name != "":
		return T("audit.by.name", word, name)
	case pseudonym != "":
		return word + " " + short(pseudonym)
	}
	return word
}

// short gives the beginning of a pseudonym, by which a reader tells one from another.
func short(id string) string { return id[:min(len(id), 8)] }

// auditWord says what somebody did. What an older or newer box has written stands as it is.
func auditWord(what string) string {
	if text, ok := words["did."+what]; ok {
		return text
	}
	return T("did", what)
}

// checkView is what a check of the chain has found.
type checkView struct {
	Lamp      lampView
	Lines     []fact
	Link      string // of the newest line
	Faults    []string
	FaultMore string
	NotFound  []string
}

// auditCheck goes through the whole trail.
func (s *Server) auditCheck(q *request) error {
	report, err := s.as(q).VerifyAudit(q.r.Context())
	if err != nil {
		return err
	}
	s.show(q, 200, "audit-check", "check.title", checkOf(&report))
	return nil
}

// checkOf says a report in words.
func checkOf(a *storage.AuditReport) checkView {
	v := checkView{Lamp: wellLamp(T("check.well")), Link: a.Link, NotFound: a.NotFound}
	v.Lines = []fact{{Name: T("check.lines"), Value: T("check.lines.of", itoa(a.Lines), a.First, a.Newest)}}
	if a.Dropped > 0 {
		v.Lines = append(v.Lines, fact{Name: T("check.dropped"), Value: count("check.dropped.one", "check.dropped.many", int(a.Dropped))})
		if !a.DroppedSince.IsZero() {
			v.Lines = append(v.Lines, fact{Name: T("check.since"), Value: a.DroppedSince.Local().Format(T("time.long"))})
		}
	}
	if a.DroppedBad > 0 {
		v.Lines = append(v.Lines, fact{Name: T("check.droppedbad"), Value: itoa(a.DroppedBad)})
	}
	if a.DroppedEarly > 0 {
		v.Lines = append(v.Lines, fact{Name: T("check.early"), Value: itoa(a.DroppedEarly)})
	}
	if a.OK() {
		return v
	}
	v.Lamp = lamp("fault", count("check.bad.one", "check.bad.many", int(a.Bad)))
	for _, f := range a.Faults {
		where := T("check.line", f.Line)
		if f.Lines > 1 {
			where = T("check.lines.from", f.Line, f.Line+f.Lines-1)
		}
		text, ok := words["fault."+string(f.Fault)]
		if !ok {
			text = string(f.Fault)
		}
		if f.Of > 0 {
			text = T("fault.moved.of", f.Of)
		}
		v.Faults = append(v.Faults, T("check.fault", where, text))
	}
	if len(a.Faults) >= 100 { // as many as a report has
		v.FaultMore = T("check.more")
	}
	return v
}
