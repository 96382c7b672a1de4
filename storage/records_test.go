package storage

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"sotto/pbx"
	"sotto/pbx/number"
	"sotto/pbx/plan"
)

// day0 is when the calls of these tests begin.
var day0 = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

// manyCalls are n calls, one every ten minutes, of all kinds; some of hours, so that they
// are not in the order in which they began.
func manyCalls(n int) []pbx.Record {
	rnd := rand.New(rand.NewPCG(8, 9))
	list := make([]pbx.Record, n)
	for i := range list {
		r := aRecord()
		ended := day0.Add(time.Duration(i) * 10 * time.Minute)
		r.Talked = time.Duration(rnd.Int64N(int64(5 * time.Minute)))
		if i%50 == 49 {
			r.Talked = time.Duration(rnd.Int64N(int64(20 * time.Hour)))
		}
		r.Began = ended.Add(-r.Talked)
		r.Outcome = []pbx.Outcome{pbx.Answered, pbx.NoAnswer, pbx.Busy}[i%3]
		switch i % 5 {
		case 0:
			r.From, r.To = r.To, pbx.Party{User: boris, Ext: "84062"}
		case 1:
			r.To = pbx.Party{User: boris, Ext: "84062"}
		}
		list[i] = r
	}
	return list
}

// appendAll makes all records durable, many at a time.
func appendAll(s *Store, list []pbx.Record) {
	for len(list) > 0 {
		n := min(len(list), maxQueue)
		for _, r := range list[:n] {
			s.Append(r)
		}
		s.flush()
		list = list[n:]
	}
}

func directionOf(r *pbx.Record) Direction {
	switch {
	case r.From.Line != "":
		return Incoming
	case r.To.Line != "":
		return Outgoing
	}
	return Internal
}

// TestPage asks for all kinds of things, page by page, against a slice.
func TestPage(t *testing.T) {
	s := newBox(t).open()
	setPlan(t, s, testPlan())
	list := manyCalls(3000)
	appendAll(s, list)
	end := list[len(list)-1].Began
	var entries []int // of journals: the record that each goes with
	boriss := map[int]RecordID{}
	for i := range list {
		for _, u := range []plan.UserID{list[i].From.User, list[i].To.User} {
			if u != "" {
				entries = append(entries, i)
			}
			if u == boris {
				boriss[i] = RecordID(len(entries))
			}
		}
	}
	rnd := rand.New(rand.NewPCG(10, 11))
	some := func() time.Time {
		if rnd.IntN(3) == 0 {
			return time.Time{}
		}
		return day0.Add(time.Duration(rnd.Int64N(int64(end.Sub(day0)) * 11 / 10))).Add(-24 * time.Hour)
	}
	outcomes := [][]pbx.Outcome{nil, {pbx.Busy}, {pbx.NoAnswer, pbx.Busy}, {pbx.Failed}}
	for range 60 {
		q := Query{From: some(), Until: some(), Direction: Direction(rnd.IntN(4)), Outcomes: outcomes[rnd.IntN(4)], Limit: 1 + rnd.IntN(400)}
		v := owner
		if rnd.IntN(4) == 0 {
			v = Viewer{Role: Staff, User: boris}
		}
		var want, got []RecordID
		for i := len(list) - 1; i >= 0; i-- {
			r := &list[i]
			if (q.From.IsZero() || !r.Began.Before(q.From)) && (q.Until.IsZero() || r.Began.Before(q.Until)) &&
				(q.Direction == AnyDirection || q.Direction == directionOf(r)) &&
				(q.Outcomes == nil || r.Outcome == q.Outcomes[0] || r.Outcome == q.Outcomes[len(q.Outcomes)-1]) &&
				(v == owner || r.To.User == boris) {
				if id := RecordID(i + 1); v == owner {
					want = append(want, id)
				} else {
					want = append(want, boriss[i])
				}
			}
		}
		what := fmt.Sprintf("%+v as %v", q, v.Role)
		for next := q; ; {
			p, err := s.As(v).Page(t.Context(), next)
			if err != nil || len(p.Views) > q.Limit {
				t.Fatal(what, len(p.Views), err)
			}
			for _, view := range p.Views {
				got = append(got, view.ID)
				i := int(view.ID - 1)
				if v != owner {
					i = entries[i]
				}
				if view.Direction != directionOf(&list[i]) {
					t.Fatalf("record %d is %v", view.ID, view.Direction)
				}
			}
			if !p.More {
				break
			}
			if p.Next == 0 || next.Before != 0 && p.Next >= next.Before {
				t.Fatalf("%s: after %d comes %d", what, next.Before, p.Next)
			}
			next.Before = p.Next
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("%s: %d records, want %d", what, len(got), len(want))
		}
		if q.Limit < 400 {
			continue
		}
		if views, err := s.As(v).Records(t.Context(), q); err != nil || len(views) != min(len(want), q.Limit) {
			t.Fatalf("%s: %d records at once, %v", what, len(views), err)
		}
	}
	if n := s.Health().Unreadable; n != 0 {
		t.Errorf("%d unreadable", n)
	}
}

// TestPageIsBounded: a page looks at so many rows and no more, and tells whether there are
// others.
func TestPageIsBounded(t *testing.T) {
	b := newBox(t)
	s := b.open()
	setPlan(t, s, testPlan())
	const n = maxLooked + 3000
	list := manyCalls(n)
	appendAll(s, list)
	looked := func(v Viewer, q Query) (Page, int) {
		t.Helper()
		p, err := s.As(v).Page(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if q.Before == 0 && v.Role != Staff {
			q.Before = n + 1
		}
		q.Limit = max(q.Limit, defaultLimit)
		f := finder{r: s.As(v), q: &q, most: maxLooked, at: s.plan.Load()}
		if v.Role == Staff {
			if f.journal(t.Context()) != nil || f.page.Next != p.Next {
				t.Fatal("another search")
			}
			return p, f.looked
		}
		if some, err := f.follow(); !some || err != nil || f.search(t.Context()) != nil || f.page.Next != p.Next {
			t.Fatal("another search")
		}
		return p, f.looked
	}
	rare := []pbx.Outcome{pbx.Failed}
	if p, k := looked(owner, Query{Outcomes: rare}); !p.More || k != maxLooked || p.Views != nil || p.Next != n+1-maxLooked {
		t.Errorf("no match: %d looked at, more %v", k, p.More)
	}
	if p, _ := looked(owner, Query{Outcomes: rare, Before: 3001}); p.More {
		t.Error("more than all")
	}
	if p, k := looked(Viewer{Role: Staff, User: anna}, Query{Direction: Incoming, Outcomes: rare}); !p.More || k != maxLooked {
		t.Errorf("staff: %d looked at, more %v", k, p.More)
	}
	if p, k := looked(Viewer{Role: Staff, User: boris}, Query{}); len(p.Views) != defaultLimit || k > chunk {
		t.Errorf("staff: %d looked at for %d", k, len(p.Views))
	}
	if p, k := looked(owner, Query{Outcomes: rare, From: list[n-100].Began}); p.More || k > 1000 {
		t.Errorf("of today: %d looked at, more %v", k, p.More)
	}
	p := must(s.As(owner).Page(t.Context(), Query{Until: list[500].Began, Limit: 10}))
	if len(p.Views) != 10 || p.Views[0].ID > 501+6*24 { // a call of a day began before and ended after
		t.Errorf("of long ago: %d found", len(p.Views))
	}
	if views, err := s.As(owner).Records(t.Context(), Query{Outcomes: rare}); err != nil || views != nil {
		t.Errorf("all of them: %v", err)
	}
}

// TestPageDamaged leaps over rows that are damaged or missing, and counts them.
func TestPageDamaged(t *testing.T) {
	b := newBox(t)
	s := b.open()
	setPlan(t, s, testPlan())
	list := manyCalls(1000)
	appendAll(s, list)
	s.db.Update(func(tx *bbolt.Tx) error {
		r := tx.Bucket(bucketRecords)
		for id := uint64(400); id < 600; id++ { // where the halving lands
			if id%2 == 0 {
				r.Delete(keyOf(id))
			} else {
				r.Put(keyOf(id), []byte("x"))
			}
		}
		return nil
	})
	for _, i := range []int{100, 399, 450, 700} {
		until := list[i].Began
		p, err := s.As(owner).Page(t.Context(), Query{Until: until, Limit: 500})
		if err != nil {
			t.Fatal(err)
		}
		want := 0
		for j := range list {
			if list[j].Began.Before(until) && (j+1 < 400 || j+1 >= 600) {
				want++
			}
		}
		if len(p.Views) != min(want, 500) {
			t.Errorf("until %d: %d found, want %d", i, len(p.Views), want)
		}
	}
	if s.Health().Unreadable == 0 {
		t.Error("none counted")
	}
	for _, v := range []Viewer{{}, {Role: Installer}, {Role: 99}} {
		if _, err := s.As(v).Page(t.Context(), Query{}); !errors.Is(err, ErrNotAllowed) {
			t.Errorf("%+v: %v", v, err)
		}
	}
}

// TestPageWrongClock: a box that has begun without the time, twice, loses nothing of what was
// asked for that is older.
func TestPageWrongClock(t *testing.T) {
	s := newBox(t).open()
	list := manyCalls(900)
	for i := range list {
		if i%300 >= 100 { // 200 after 100 of the right time
			list[i].Began = time.Unix(int64(i), 0)
		}
	}
	appendAll(s, list)
	p, err := s.As(owner).Page(t.Context(), Query{From: day0.Add(-24 * time.Hour), Limit: 500})
	if err != nil || len(p.Views) != 300 || p.More {
		t.Errorf("%d found, more %v, %v", len(p.Views), p.More, err)
	}
	p, err = s.As(owner).Page(t.Context(), Query{Until: list[99].Began.Add(24 * time.Hour), From: day0.Add(-24 * time.Hour), Limit: 500})
	if err != nil || len(p.Views) < 100 || p.Views[len(p.Views)-1].ID != 1 {
		t.Errorf("until the first time: %d found, more %v, %v", len(p.Views), p.More, err)
	}
}

// TestDirection: a call that was to go out and got no line is outgoing, whom the viewer may
// see it or not; one to an extension that nobody has is not.
func TestDirection(t *testing.T) {
	s := newBox(t).open()
	outside := pbx.Party{Number: number.Must("+4930901820")}
	line := pbx.Party{Line: "FXO 1"}
	a := pbx.Party{User: anna, Ext: "73911"}
	want := []Direction{Incoming, Incoming, Outgoing, Outgoing, Outgoing, Internal, Internal, Internal}
	for _, r := range []pbx.Record{
		{From: line, To: a}, {From: pbx.Party{Number: outside.Number, Line: "FXO 1"}},
		{From: a, To: line}, {From: a, To: outside, Outcome: pbx.Failed}, {From: a, Emergency: true, Outcome: pbx.Failed},
		{From: a, To: a}, {From: a, To: outside, Outcome: pbx.Unobtainable}, {From: a, Outcome: pbx.Abandoned},
	} {
		s.Append(r)
	}
	s.flush()
	for _, v := range []Viewer{owner, {Role: PrivacyOfficer}} {
		views, err := s.As(v).Records(t.Context(), Query{})
		if err != nil || len(views) != len(want) {
			t.Fatal(len(views), err)
		}
		for _, view := range views {
			if view.Direction != want[view.ID-1] {
				t.Errorf("%v: record %d is %v, want %v", v.Role, view.ID, view.Direction, want[view.ID-1])
			}
		}
	}
}

// BenchmarkPage is a page of 50 by time, person and line of 100,000; and the dearest page
// there is: 5,000 rows looked at and none found.
func BenchmarkPage(b *testing.B) {
	s := benchStore(b)
	list := manyCalls(100_000)
	appendAll(s, list)
	for name, q := range map[string]Query{
		"none found": {Outcomes: []pbx.Outcome{pbx.Failed}},
		"newest":     {},
		"person":     {Person: Person{User: boris}},
		"number":     {Person: Person{Number: number.Must("030901820")}},
		"line":       {Line: "FXO 1"},
		"long ago":   {From: list[20_000].Began, Until: list[20_100].Began},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := s.As(owner).Page(b.Context(), q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
