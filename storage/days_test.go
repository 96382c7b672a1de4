package storage

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"

	"sotto/pbx"
	"sotto/storage/keyring"
)

// at sets the clock's date and time; it goes on from there.
func (s *Store) at(t time.Time) {
	from := time.Now()
	s.clock = func() time.Time { return t.Add(time.Since(from)) }
}

// TestDays lets a box begin at 1970, be set right, lose its clock and get it back: each is a
// new day, none comes within ten minutes of another, and every record stays readable.
func TestDays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t)
		s := b.open()
		right := time.Date(2026, 3, 2, 23, 45, 0, 0, time.UTC)
		var want []day
		n := RecordID(0)
		call := func(what string, days int) {
			t.Helper()
			n++
			r := aRecord()
			r.Began = s.clock()
			s.Append(r)
			s.flush()
			if got := s.table(); len(got) != days || s.today() != keyring.Day(days-1) {
				t.Fatalf("%s: days %v, today is %d", what, got, s.today())
			} else if d := got[days-1]; days > len(want) && (d.date != dateOf(s.clock()) || d.first != n || d.entry != 1 || d.most != 1) {
				t.Fatalf("%s: day %v", what, d)
			} else {
				want = got
			}
			if d, ok := s.dayOf(n); !ok || d != keyring.Day(days-1) {
				t.Fatalf("%s: record of day %d", what, d)
			}
		}
		if _, ok := s.dayOf(1); ok || s.today() != 0 {
			t.Error("a day before the first record")
		}
		s.at(time.Unix(30, 0))
		call("first", 1)
		s.at(right)
		call("set right at once", 1)
		time.Sleep(dayPause - time.Second)
		call("within ten minutes", 1)
		time.Sleep(time.Second)
		call("then", 2)
		call("the same date", 2)
		time.Sleep(9 * time.Minute)
		call("past midnight, too early", 2)
		time.Sleep(time.Minute)
		call("past midnight", 3)
		time.Sleep(time.Hour)
		s.at(time.Unix(-86400*400, 0))
		call("before 1970", 4)
		s.Close()
		s = b.open()
		s.at(right.Add(24 * time.Hour))
		call("after a start, at once", 5)
		s.at(right)
		call("and not again", 5)
		time.Sleep(24 * time.Hour)
		call("long after", 5)
		s.Close()
		s = b.open()
		for i, d := range s.table() {
			if d != want[i] {
				t.Errorf("day %d is %v, want %v", i, d, want[i])
			}
		}
		if got := all(t, s); len(got) != int(n) || s.Health().Unreadable+s.Health().Lost != 0 {
			t.Errorf("%d records, %+v", len(got), s.Health())
		}
		if _, ok := s.dayOf(0); ok {
			t.Error("a day of no record")
		}
		s.Close()
	})
}

// TestWrongClockIsFound: what was recorded before and after the clock was wrong is found by
// its time, whatever is between.
func TestWrongClockIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newBox(t).open()
		right := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
		calls := func(n int) {
			for range n {
				r := aRecord()
				r.Began, r.Talked = s.clock().Add(-time.Minute), time.Minute
				s.Append(r)
				time.Sleep(time.Second)
			}
			s.flush()
			time.Sleep(time.Hour)
		}
		s.at(right)
		calls(400)
		s.at(time.Unix(0, 0))
		calls(600)
		s.at(right.Add(48 * time.Hour))
		calls(400)
		s.at(time.Unix(0, 0))
		calls(600)
		s.at(right.Add(96 * time.Hour))
		calls(400)
		for _, c := range []struct {
			from, until time.Time
			want        int
		}{
			{right.Add(-time.Hour), right.Add(10 * time.Hour), 400},
			{right.Add(47 * time.Hour), right.Add(60 * time.Hour), 400},
			{right.Add(90 * time.Hour), time.Time{}, 400},
			{right.Add(10 * time.Hour), right.Add(40 * time.Hour), 0},
			{time.Time{}, time.Unix(1e6, 0), 500}, // the limit
		} {
			v, err := s.As(owner).Records(t.Context(), Query{From: c.from, Until: c.until, Limit: 500})
			if err != nil || len(v) != c.want {
				t.Errorf("from %v until %v: %d records, want %d, %v", c.from, c.until, len(v), c.want, err)
			}
		}
		s.Close()
	})
}

// TestManyStretches: a box whose clock was never right is searched by time a page at a time,
// and each page costs about the same.
func TestManyStretches(t *testing.T) {
	s := newBox(t).open()
	n := 3000
	for i := range n {
		s.Append(aRecord())
		if i%500 == 499 {
			s.flush()
		}
	}
	table := make([]day, n) // a day a record, each before the last
	for i := range table {
		table[i] = day{date: int32(n - i), first: RecordID(i + 1)}
	}
	d, _ := s.dayOf(1)
	if d != 0 || len(s.table()) != 1 {
		t.Fatal("more than a day")
	}
	s.days.Store(&table)
	q := Query{Until: day0.AddDate(-10, 0, 0)}
	pages := 0
	for {
		p, err := s.As(owner).Page(t.Context(), q)
		if err != nil || p.More && q.Before != 0 && p.Next >= q.Before {
			t.Fatal(p.Next, err)
		}
		pages++
		if !p.More {
			break
		}
		q.Before = p.Next
	}
	if pages < 2 {
		t.Errorf("all in %d page", pages)
	}
}

// TestDayDamaged: the records of a damaged day are lost and counted, all others stay, and
// new ones are written.
func TestDayDamaged(t *testing.T) {
	for _, gone := range []bool{false, true} {
		b := newBox(t)
		s := b.open()
		for i := range 5 {
			s.at(day0.AddDate(0, 0, i))
			s.dayBegan = time.Time{}
			s.Append(aRecord())
			s.Append(aRecord())
			s.flush()
		}
		s.Close()
		b.edit(func(tx *bbolt.Tx) error {
			for _, n := range []int{2, 4} {
				if gone {
					tx.Bucket(bucketDays).Delete(dayKey(n))
				} else {
					tx.Bucket(bucketDays).Put(dayKey(n), tx.Bucket(bucketDays).Get(dayKey(1)))
				}
			}
			return nil
		})
		s = b.open()
		s.at(day0.AddDate(0, 0, 4))
		if h := s.Health(); h.Unreadable != 2 || len(s.table()) != 5 || s.today() != 4 {
			t.Errorf("%d counted, %d days", h.Unreadable, len(s.table()))
		}
		if got := all(t, s); len(got) != 6 || s.Health().Unreadable != 6 {
			t.Errorf("%d records, %d counted", len(got), s.Health().Unreadable)
		}
		s.Append(aRecord())
		s.flush()
		if got := all(t, s); len(got) != 7 || len(s.table()) != 6 {
			t.Errorf("%d records after a new one", len(got))
		}
		s.Close()
		if !strings.Contains(b.log.String(), "days of the box are damaged") {
			t.Error("not logged")
		}
	}
}

// TestAged lets keys of days go: digits first, then a person's part, then the call.
func TestAged(t *testing.T) {
	b := newBox(t)
	s := b.open()
	s.at(day0)
	setPlan(t, s, testPlan())
	call := func(i int) {
		s.at(day0.AddDate(0, 0, i))
		s.dayBegan = time.Time{}
		s.Append(aRecord())
		short := aRecord()
		short.To.Number = must(parseNumber(203947))
		s.Append(short)
		s.flush()
	}
	for i := range 4 {
		call(i)
	}
	s.ring.Forget(keyring.Digits, 2)
	outside, _ := s.ring.Lookup(keyring.Outside, s.normal("+4930901820"))
	look := func(when string, v Viewer, n int, want map[RecordID]PartyView) {
		t.Helper()
		views, err := s.As(v).Records(t.Context(), Query{})
		if err != nil || len(views) != n {
			t.Fatalf("%s: %d records, %v", when, len(views), err)
		}
		for _, view := range views {
			if to, ok := want[view.ID]; ok && view.To != to {
				t.Errorf("%s, %v: record %d is to %v %q, want %v %q", when, v.Role, view.ID, view.To, view.To.Number, to, to.Number)
			}
			if view.From.State != Shown && view.From.State != Masked && view.From.State != Hidden || view.From.State != Hidden && view.From.User != anna {
				t.Errorf("%s: from %v", when, view.From)
			}
		}
		if h := s.Health(); h.Unreadable != 0 {
			t.Errorf("%s: %d unreadable", when, h.Unreadable)
		}
	}
	cut := func(n string) PartyView { return PartyView{State: Cut, Number: n, Line: "FXO 1"} }
	full := func(n string) PartyView { return PartyView{State: Shown, Number: n, Line: "FXO 1"} }
	for range 2 {
		look("digits", owner, 8, map[RecordID]PartyView{1: cut("+4930901…"), 2: cut("…"), 4: cut("…"), 5: full("+4930901820"), 6: full("203947")})
		look("digits", Viewer{Role: Admin}, 8, map[RecordID]PartyView{1: cut("+4930901…"), 2: cut("…"), 5: {State: Masked, Number: "+4930901…", Line: "FXO 1"}})
		look("digits", Viewer{Role: Staff, User: anna}, 8, map[RecordID]PartyView{3: cut("+4930901…"), 8: full("203947")})
		if err := s.flush(); err != nil {
			t.Fatal(err)
		}
		must(s.ring.Rotate())
		s.Close()
		s = b.open()
	}
	s.ring.ForgetOf(outside, keyring.Calls, 3)
	aged := PartyView{State: Aged, Line: "FXO 1"}
	look("person", owner, 8, map[RecordID]PartyView{1: aged, 5: aged, 7: full("+4930901820"), 8: full("203947"), 2: cut("…")})
	s.ring.Forget(keyring.Calls, 2)
	look("calls", owner, 4, map[RecordID]PartyView{5: aged, 7: full("+4930901820")})
	if h := s.Health(); h.Aged != 4 {
		t.Errorf("%d aged", h.Aged)
	}
	call(4)
	look("new", owner, 6, map[RecordID]PartyView{9: full("+4930901820"), 10: full("203947")})
}

// TestNotKept: a party that was not to be kept shows as that, and only to who sees parties.
func TestNotKept(t *testing.T) {
	s := newBox(t).open()
	setPlan(t, s, testPlan())
	s.Append(pbx.Record{From: pbx.Party{User: anna, Ext: "73911"}, To: pbx.Party{Line: "FXO 1"}, Private: true})
	s.Append(pbx.Record{From: pbx.Party{User: anna, Ext: "73911"}, To: pbx.Party{Line: "FXO 1"}})
	s.flush()
	for _, c := range []struct {
		v    Viewer
		want [2]State
	}{
		{owner, [2]State{NotKept, Nobody}}, {Viewer{Role: Admin}, [2]State{NotKept, Nobody}},
		{Viewer{Role: Staff, User: anna}, [2]State{NotKept, Nobody}},
	} {
		v, err := s.As(c.v).Records(t.Context(), Query{})
		if err != nil || len(v) != 2 || v[1].To.State != c.want[0] || v[0].To.State != c.want[1] || v[1].From.State == NotKept {
			t.Errorf("%v: %v, %v", c.v.Role, v, err)
		}
	}
}

// TestDaysEnd: a box that has met as many days as it can count goes on with the last.
func TestDaysEnd(t *testing.T) {
	s := newBox(t).open()
	full := make([]day, maxDays)
	for i := range full {
		full[i] = day{date: int32(i % 2), first: 1, entry: 1}
	}
	s.days.Store(&full)
	s.Append(callFrom(callerShown, anna))
	s.flush()
	if n := len(s.table()); n != maxDays || s.Health().Written != 1 {
		t.Errorf("%d days, %d records", n, s.Health().Written)
	}
}

// TestLongestCall: a search by time leaps over no call that began before its end, however
// long it lasted, and looks at no more than it must.
func TestLongestCall(t *testing.T) {
	b := newBox(t)
	s := b.open()
	setPlan(t, s, testPlan())
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	now := noon
	s.clock = func() time.Time { return now }
	call := func(began time.Time, lasted time.Duration) {
		r := callFrom(callerShown, anna)
		r.Began, r.Rang, r.Talked = began, time.Second, lasted-time.Second
		now, s.dayBegan = began.Add(lasted), time.Time{}
		s.Append(r)
		s.flush()
	}
	for i := range 600 { // a call a minute, and one that ends when they are over
		call(noon.Add(time.Duration(i)*time.Minute), 30*time.Second)
	}
	call(noon.Add(-time.Minute), 601*time.Minute)
	for i := range 600 {
		call(noon.Add(24*time.Hour+time.Duration(i)*time.Minute), 30*time.Second)
	}
	check := func(when string) {
		t.Helper()
		got := must(s.As(owner).Records(t.Context(), Query{Until: noon, Limit: 500}))
		if len(got) != 1 || got[0].Talked != 601*time.Minute-time.Second {
			t.Errorf("%s: %d calls before noon, want the one of ten hours", when, len(got))
		}
		if d := s.longestCall(); d != 1024*time.Minute {
			t.Errorf("%s: calls of %v are looked for", when, d)
		}
	}
	check("at once")
	s.Close()
	s = b.open()
	check("opened again")
}
