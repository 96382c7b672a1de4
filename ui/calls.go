package ui

import (
	"context"
	"errors"
	"io"
	"net/url"
	"slices"
	"strconv"
	"time"

	"sotto/pbx"
	"sotto/storage"
	"sotto/storage/policy"
)

// recordView is one call record as a table shows it.
type recordView struct {
	Time     string
	From, To partyView
	Over     string // empty: inside
	Lamp     lampView
	Talked   string
	Acts     []unmaskAct // what can be done about its masked numbers
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
	Acting          bool // some row has something that can be done
	Empty           string
	Earlier, Latest string
	CSV, JSON       string // addresses of exports
	Requests        bool   // the viewer may answer requests
	Chart           *chartView
	Counts          *countsView
}

// missedOutcomes are those of an incoming call that nobody took.
var missedOutcomes = []pbx.Outcome{pbx.Busy, pbx.NoAnswer, pbx.Abandoned}

// kinds of calls that the filter knows, with what they ask of storage.
var kinds = []struct {
	value string
	query storage.Query
}{
	{"all", storage.Query{}},
	{"in", storage.Query{Direction: storage.Incoming}},
	{"out", storage.Query{Direction: storage.Outgoing}},
	{"inside", storage.Query{Direction: storage.Internal}},
	{"missed", storage.Query{Direction: storage.Incoming, Outcomes: missedOutcomes}},
}

// callsFilter is what the address of the page of calls, or of an export, selects. It has no
// field for a number, which belongs in no address.
type callsFilter struct {
	From, To, Kind string // as shown again; what cannot be read is empty, or all kinds
	query          storage.Query
}

func readFilter(in url.Values) callsFilter {
	f := callsFilter{From: in.Get("from"), To: in.Get("to"), Kind: kinds[0].value}
	for _, k := range kinds {
		if k.value == in.Get("kind") {
			f.query, f.Kind = k.query, k.value
		}
	}
	f.query.From = day(&f.From)
	if f.query.Until = day(&f.To); !f.query.Until.IsZero() {
		f.query.Until = f.query.Until.AddDate(0, 0, 1)
	}
	return f
}

// address gives path with the filter, and with more.
func (f *callsFilter) address(path string, more ...string) string {
	v := url.Values{}
	for i := 0; i+1 < len(more); i += 2 {
		v.Set(more[i], more[i+1])
	}
	for k, x := range map[string]string{"from": f.From, "to": f.To, "kind": f.Kind} {
		if x != "" && x != "all" {
			v.Set(k, x)
		}
	}
	if len(v) == 0 {
		return path
	}
	return path + "?" + v.Encode()
}

// calls shows call records; to staff the own journal. The filter is in the address.
func (s *Server) calls(q *request) error {
	in := q.r.URL.Query()
	f := readFilter(in)
	v := callsView{From: f.From, To: f.To, Kind: f.Kind, Empty: T("calls.none"), CSV: f.address("/calls.csv"), JSON: f.address("/calls.json"),
		Requests: slices.Contains(overseers, q.who.account.Role)}
	if q.who.account.Role == storage.Staff {
		v.Masking = T("calls.own")
		if !s.cfg.Store.JournalOn(q.who.account.User) {
			v.Empty = T("journal.isoff")
		}
	}
	for _, k := range kinds {
		v.Kinds = append(v.Kinds, choice{k.value, T("kind." + k.value)})
	}
	query := f.query
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
	if before, err := strconv.ParseUint(in.Get("before"), 10, 63); err == nil && before > 0 {
		query.Before = storage.RecordID(before)
		v.Latest = f.address("/calls")
	}
	p, err := s.as(q).Page(q.r.Context(), query)
	down := storeDown(err)
	switch {
	case down:
		v.Empty = T("calls.down")
	case err != nil:
		return err
	}
	v.Rows = s.records(q.now, p.Views)
	if p.More {
		v.Earlier = f.address("/calls", "before", strconv.FormatUint(uint64(p.Next), 10))
		if len(p.Views) == 0 {
			v.Empty = T("calls.further")
		}
	}
	if slices.Contains(guards, q.who.account.Role) && !down {
		grants, err := s.grants(q)
		if err != nil {
			return err
		}
		for i := range p.Views {
			v.Rows[i].Acts = grants.acts(&p.Views[i])
			v.Acting = v.Acting || len(v.Rows[i].Acts) > 0
		}
		grants.refresh(q, p.Views)
		settings, _, err := s.as(q).Settings(q.r.Context())
		if err != nil {
			return err
		}
		v.Masking = T(sights[settings.Sees(q.who.account.Role)])
		if !p.More {
			if v.Counts, err = s.counts(q, &f, &settings); err != nil {
				return err
			}
		}
	}
	s.show(q, 200, "calls", "calls.title", v)
	return nil
}

// sights says how a role sees outside numbers.
var sights = map[policy.Sight]string{policy.Whole: "calls.shown", policy.Masked: "calls.masked", policy.None: "calls.hidden"}

// callsCSV and callsJSON give the calls of a filter, masked as the page has them, as a file.
func (s *Server) callsCSV(q *request) error {
	return s.export(q, storage.CSV, "csv", "text/csv; charset=utf-8")
}
func (s *Server) callsJSON(q *request) error {
	return s.export(q, storage.JSON, "json", "application/json")
}

func (s *Server) export(q *request, form storage.Format, ending, kind string) error {
	f := readFilter(q.r.URL.Query())
	return s.download(q, fileName("calls", q.now, ending), kind, func(ctx context.Context, w io.Writer) error {
		_, err := s.as(q).Export(ctx, f.query, form, w)
		return err
	})
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
