package ui

import (
	"errors"
	"net/url"
	"strconv"
	"time"

	"sotto/pbx"
	"sotto/storage"
)

// recordView is one call record as a table shows it.
type recordView struct {
	Time     string
	From, To partyView
	Over     string // empty: inside
	Lamp     lampView
	Talked   string
}

// records gives views of storage in what the table needs. Those of another day than now
// say which.
func (s *Server) records(now time.Time, list []storage.RecordView) []recordView {
	var l []recordView
	for _, r := range list {
		at := r.Began.Local()
		layout := T("time.clock")
		if !sameDay(at, now) {
			layout = T("time.day")
		}
		v := recordView{Time: at.Format(layout), From: party(r.From), To: party(r.To), Over: over(r.From, r.To), Lamp: outcome(r), Talked: "–"}
		if r.Talked > 0 {
			v.Talked = duration(r.Talked)
		}
		l = append(l, v)
	}
	return l
}

func outcome(r storage.RecordView) lampView {
	l := lamp("none", T("outcome.unknown"))
	switch r.Outcome {
	case pbx.Answered:
		l = lamp("ready", T("outcome.answered"))
	case pbx.AnswerUnknown:
		l = lamp("none", T("outcome.notknown"))
	case pbx.Busy:
		l = lamp("warn", T("outcome.busy"))
	case pbx.NoAnswer:
		l = lamp("warn", T("outcome.noanswer"))
	case pbx.Abandoned:
		l = lamp("warn", T("outcome.abandoned"))
		if r.Direction == storage.Incoming {
			l.Word = T("outcome.missed")
		}
	case pbx.Unobtainable:
		l = lamp("warn", T("outcome.unobtainable"))
	case pbx.Failed:
		l = lamp("fault", T("outcome.failed"))
	}
	if r.Emergency {
		l.Word = T("call.emergency", l.Word)
	}
	return l
}

func sameDay(a, b time.Time) bool {
	return a.Year() == b.Year() && a.YearDay() == b.YearDay()
}

type choice struct{ Value, Name string }

type callsView struct {
	Masking         string
	From, To, Kind  string
	Kinds           []choice
	Rows            []recordView
	Empty           string
	Earlier, Latest string
	Chart           *chartView
}

// kinds of calls that the filter knows, with what they ask of storage.
var kinds = []struct {
	value string
	query storage.Query
}{
	{"all", storage.Query{}},
	{"in", storage.Query{Direction: storage.Incoming}},
	{"out", storage.Query{Direction: storage.Outgoing}},
	{"inside", storage.Query{Direction: storage.Internal}},
	{"missed", storage.Query{Direction: storage.Incoming, Outcomes: []pbx.Outcome{pbx.Busy, pbx.NoAnswer, pbx.Abandoned}}},
}

// calls shows call records. The filter is in the address; it has no field for a number,
// which belongs in no address.
func (s *Server) calls(q *request) error {
	in := q.r.URL.Query()
	v := callsView{From: in.Get("from"), To: in.Get("to"), Kind: "all", Masking: T("calls.masked"), Empty: T("calls.none")}
	if r := q.who.account.Role; r == storage.Owner || r == storage.Staff {
		v.Masking = T("calls.shown")
	}
	query := kinds[0].query
	for _, k := range kinds {
		if k.value == in.Get("kind") {
			query, v.Kind = k.query, k.value
		}
		v.Kinds = append(v.Kinds, choice{k.value, T("kind." + k.value)})
	}
	query.From = day(&v.From)
	if query.Until = day(&v.To); !query.Until.IsZero() {
		query.Until = query.Until.AddDate(0, 0, 1)
	}
	if !in.Has("before") && v.Kind == "all" && v.From == v.To {
		on := query.From
		if v.From == "" {
			on = time.Date(q.now.Year(), q.now.Month(), q.now.Day(), 0, 0, 0, 0, q.now.Location())
		}
		chart, err := s.chart(q.r.Context(), s.as(q), on)
		if err != nil && !storeDown(err) {
			return err
		}
		v.Chart = chart
	}
	filter := url.Values{}
	for k, x := range map[string]string{"from": v.From, "to": v.To, "kind": v.Kind} {
		if x != "" && x != "all" {
			filter.Set(k, x)
		}
	}
	if before, err := strconv.ParseUint(in.Get("before"), 10, 63); err == nil && before > 0 {
		query.Before = storage.RecordID(before)
		v.Latest = "/calls?" + filter.Encode()
	}
	p, err := s.as(q).Page(q.r.Context(), query)
	if err != nil {
		if !storeDown(err) {
			return err
		}
		v.Empty = T("calls.down")
	}
	v.Rows = s.records(q.now, p.Views)
	if p.More {
		filter.Set("before", strconv.FormatUint(uint64(p.Next), 10))
		v.Earlier = "/calls?" + filter.Encode()
		if len(p.Views) == 0 {
			v.Empty = T("calls.further")
		}
	}
	s.show(q, 200, "calls", "calls.title", v)
	return nil
}

// day reads a day as forms send it, and empties what is none.
func day(text *string) time.Time {
	t, err := time.ParseInLocation(time.DateOnly, *text, time.Local)
	if err != nil {
		*text = ""
		return time.Time{}
	}
	return t
}

// storeDown tells whether records cannot be read because the store is down, which pages
// say in their own words.
func storeDown(err error) bool { return errors.Is(err, storage.ErrDown) }
