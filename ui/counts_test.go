package ui

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"sotto/pbx"
	"sotto/storage"
	"sotto/storage/policy"
)

// TestCounts: days of which only counts are left are summed, newest first, and no more of them
// than a page takes.
func TestCounts(t *testing.T) {
	day := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	list := []storage.DayCount{
		{Day: day, Hour: 8, Direction: storage.Incoming, Outcome: pbx.Answered, Calls: 3, Talked: 61 * time.Second},
		{Day: day, Hour: 8, Direction: storage.Incoming, Outcome: pbx.Abandoned, Calls: 2},
		{Day: day, Hour: 9, Direction: storage.Outgoing, Outcome: pbx.AnswerUnknown, Calls: 1200, Talked: time.Hour},
		{Day: day, Hour: 9, Direction: storage.Internal, Outcome: pbx.Busy, Calls: 7},
		{Day: day.AddDate(0, 0, 1), Hour: 9, Direction: storage.Internal, Outcome: pbx.Answered, Calls: 1, Talked: time.Second},
	}
	v := countDays(list)
	want := []countRow{{"2 March 2026", "0", "0", "1", "0", "0:01"}, {"1 March 2026", "3", "1,200", "7", "2", "1:01:01"}}
	if len(v.Rows) != 2 || v.Rows[0] != want[0] || v.Rows[1] != want[1] || v.More {
		t.Errorf("%+v", v)
	}
	for i := range 100 {
		list = append(list, storage.DayCount{Day: day.AddDate(0, 0, 2+i), Direction: storage.Internal, Calls: 1})
	}
	if v := countDays(list); len(v.Rows) != maxCountDays || !v.More || !strings.HasPrefix(v.Rows[0].Day, "10 June") {
		t.Errorf("%d rows, %v, %s", len(v.Rows), v.More, v.Rows[0].Day)
	}
	if countDays(nil) != nil {
		t.Error("a table of nothing")
	}
	r := owned(t)
	text, err := r.s.pages.part("calls", callsView{Counts: v})
	if err != nil {
		t.Fatal(err)
	}
	contains(t, "page", string(text), T("counts.title"), "1,200", "2 March 2026")
}

// TestCountsRange: a day is listed once its records are over by the settings, and within the
// days of the filter.
func TestCountsRange(t *testing.T) {
	r := owned(t)
	a := r.account(storage.Admin)
	who, _ := r.s.sessions.find(r.s.sessions.start(a, time.Now()), time.Now(), true)
	settings := policy.Preset("DE")
	today := dateOf(time.Now().UTC())
	for _, x := range []struct {
		what     string
		later    int // days that have passed since the calls
		from, to int // days of the filter before the calls and after; 0: none
		kind     string
		rows     int
	}{
		{"today", 0, 0, 0, "all", 0},
		{"on the last day", settings.Keep[policy.Records], 0, 0, "all", 0},
		{"over", settings.Keep[policy.Records] + 2, 0, 0, "all", 1},
		{"within", settings.Keep[policy.Records] + 9, 3, 3, "all", 1},
		{"before the filter", settings.Keep[policy.Records] + 9, -3, 0, "all", 0},
		{"after the filter", settings.Keep[policy.Records] + 9, 9, -3, "all", 0},
		{"a kind alone", settings.Keep[policy.Records] + 9, 0, 0, "in", 0},
	} {
		q := &request{r: httptest.NewRequest("GET", "/calls", nil), now: time.Now().AddDate(0, 0, x.later), who: &who}
		f := callsFilter{Kind: x.kind}
		if x.from != 0 {
			f.query.From = today.AddDate(0, 0, -x.from)
		}
		if x.to != 0 {
			f.query.Until = today.AddDate(0, 0, x.to)
		}
		w, err := r.s.counts(q, &f, &settings)
		n := 0
		if w != nil {
			n = len(w.Rows)
		}
		if err != nil || n != x.rows {
			t.Errorf("%s: %d rows, %v", x.what, n, err)
		}
	}
}
