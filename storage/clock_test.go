package storage

import (
	"reflect"
	"testing"
	"time"

	"sotto/pbx"
	"sotto/storage/keyring"
)

// TestClockAt1970 takes a box without a battery through its life: it begins at 1970, its clock
// is set right, lost again at a start, and set right again. All records are shown in full
// throughout, and what is forgotten is what was recorded before, and no more.
func TestClockAt1970(t *testing.T) {
	b := newBox(t)
	var s *Store
	var want []pbx.Record // the first has the id 1
	start := func(now time.Time) {
		t.Helper()
		if s != nil {
			if err := s.putState(nil); err != nil { // as each hour
				t.Fatal(err)
			}
			s.Close()
		}
		s = b.open()
		s.at(now)
		s.keepForever()
	}
	calls := func() {
		t.Helper()
		for i := range 5 {
			r := callFrom(callerShown, anna)
			if i%2 == 1 {
				r = callFrom(otherCaller, boris)
			}
			r.Began = s.clock().Add(time.Duration(i) * time.Second).UTC().Truncate(time.Millisecond)
			s.Append(r)
			want = append(want, r)
			if err := s.flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	check := func(when string, from int, days int) {
		t.Helper()
		views := must(s.As(owner).Records(t.Context(), Query{Limit: 500}))
		if len(views) != len(want)-from {
			t.Fatalf("%s: %d records, want %d", when, len(views), len(want)-from)
		}
		for i, v := range views {
			r := want[len(want)-1-i]
			if got := v.record(t); v.ID != RecordID(len(want)-i) || !reflect.DeepEqual(got, r) || v.From.State != Shown || v.To.State != Shown {
				t.Errorf("%s: record %d is %v, want %v", when, v.ID, v, r)
			}
		}
		if h := s.Health(); h.Unreadable+h.Lost+h.SetBack != 0 || h.KeysLost || h.Down != nil || len(s.table()) != days {
			t.Errorf("%s: %+v, %d days", when, h, len(s.table()))
		}
	}
	wrong, right := time.Unix(40, 0), time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

	start(wrong)
	setPlan(t, s, testPlan())
	calls()
	check("first start at 1970", 0, 1)
	start(right)
	calls()
	check("set right", 0, 2)
	start(right.AddDate(0, 0, 1))
	calls()
	start(wrong)
	calls()
	check("1970 again", 0, 4)
	start(wrong)
	check("and at the next start", 0, 4)
	for _, q := range []struct {
		from, until time.Time
		want        int
	}{
		{time.Time{}, time.Unix(1000, 0), 10},
		{right.Add(-time.Hour), right.Add(time.Hour), 5},
		{right.Add(time.Hour), time.Time{}, 5},
	} {
		if got := must(s.As(owner).Records(t.Context(), Query{From: q.from, Until: q.until})); len(got) != q.want {
			t.Errorf("from %v until %v: %d records, want %d", q.from, q.until, len(got), q.want)
		}
	}

	// A date that is counted back from the wrong clock takes nothing.
	must(s.Forget(t.Context(), keyring.Calls, s.clock().AddDate(0, 0, -30)))
	s.keepHouse(t)
	check("a term by the wrong clock", 0, 4)

	// Nor does the date on which the clock was set first: what was before is of that date.
	must(s.Forget(t.Context(), keyring.Calls, right))
	s.keepHouse(t)
	check("a date by the wrong clock", 0, 4)

	start(right.AddDate(0, 0, 2))
	calls()
	check("set right again", 0, 5)
	must(s.Forget(t.Context(), keyring.Calls, right.AddDate(0, 0, 1)))
	s.keepHouse(t)
	check("forgotten", 10, 5) // the first of 1970 was the day before, the second was that day
	must(s.ring.Rotate())
	start(right.AddDate(0, 0, 2))
	s.keepHouse(t)
	check("forgotten for good", 10, 5)
	start(wrong)
	check("forgotten, and 1970", 10, 6) // a look is noted
	calls()
	check("calls of that", 10, 6)
}
