package storage

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"sotto/storage/keyring"
)

func TestFirstDay(t *testing.T) {
	for name, c := range map[string]struct {
		terms  []int32
		before int32
		want   keyring.Day
	}{
		"no day":                     {nil, 100, 0},
		"none is older":              {[]int32{100, 101, 102}, 100, 0},
		"some are":                   {[]int32{100, 101, 102}, 102, 2},
		"all are, the newest stays":  {[]int32{100, 101, 102}, 500, 2},
		"days without calls":         {[]int32{100, 150}, 120, 1},
		"the only day":               {[]int32{100}, 120, 0},
		"several of a date":          {[]int32{100, 101, 101, 101, 102}, 101, 1},
		"several of a date, all old": {[]int32{100, 101, 101, 101, 102}, 102, 4},
		"before all":                 {[]int32{100, 101}, -20000, 0},
	} {
		var days []day
		for _, term := range c.terms {
			days = append(days, day{term: term})
		}
		if got := firstDay(days, c.before); got != c.want {
			t.Errorf("%s: day %d, want %d", name, got, c.want)
		}
	}
}

// daysOfCalls writes calls on three days, the first two longer ago than the third.
func daysOfCalls(t *testing.T, s *Store) (now time.Time) {
	t.Helper()
	s.keepForever()
	now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	s.clock = func() time.Time { return now.AddDate(0, 0, -40) }
	setPlan(t, s, testPlan())
	for _, ago := range []int{40, 39, 0} {
		s.clock = func() time.Time { return now.AddDate(0, 0, -ago) }
		s.dayBegan, s.keeper.belief = time.Time{}, belief{}
		for range 300 {
			s.Append(callFrom(callerShown, anna))
			s.Append(callFrom(otherCaller, boris))
		}
		s.flush()
	}
	if n := len(s.table()); n != 3 {
		t.Fatalf("%d days", n)
	}
	return now
}

func TestForget(t *testing.T) {
	b := newBox(t)
	s := b.open()
	now := daysOfCalls(t, s)
	if n, err := s.Forget(t.Context(), keyring.Digits, now.AddDate(0, 0, -39)); err != nil || n != 2 {
		t.Fatal(n, err)
	}
	views := must(s.As(owner).Records(t.Context(), Query{Before: 602, Limit: 2}))
	if len(views) != 2 || views[0].From.State != Shown || views[1].From.State != Cut {
		t.Errorf("%v", views)
	}
	if n, err := s.Forget(t.Context(), keyring.Digits, now.AddDate(0, 0, -39)); err != nil || n != 0 {
		t.Errorf("a second time: %d, %v", n, err)
	}
	if n, err := s.Forget(t.Context(), keyring.Calls, now.AddDate(0, 0, -38)); err != nil || n != 5 { // four persons and the box
		t.Fatal(n, err)
	}
	if got := all(t, s); len(got) != 600 {
		t.Errorf("%d records are shown", len(got))
	}
	if n := s.keepHouse(t); n < 3 {
		t.Errorf("removed in %d pieces", n)
	}
	check := func(when string) {
		t.Helper()
		if err := s.db.View(func(tx *bbolt.Tx) error {
			for bucket, want := range map[string]int{"records": 600, "bySubject": 1200, "byLine": 600} {
				n := 0
				tx.Bucket([]byte(bucket)).ForEach(func(_, _ []byte) error { n++; return nil })
				if n != want {
					t.Errorf("%s: %d rows in %s, want %d", when, n, bucket, want)
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if got := all(t, s); len(got) != 600 || s.Health().Unreadable != 0 {
			t.Errorf("%s: %d records, %d unreadable", when, len(got), s.Health().Unreadable)
		}
	}
	check("forgotten")
	if !s.ring.Waiting() {
		t.Error("no rotation is waited for")
	}
	if _, err := s.ring.Rotate(); err != nil {
		t.Fatal(err)
	}
	s.Close()
	s = b.open()
	check("opened again")
	if _, err := s.ring.DayKey(keyring.Subject{}, keyring.Calls, 1); !errors.Is(err, keyring.ErrAged) {
		t.Errorf("the box's key of a day before: %v", err)
	}
}

// TestForgetCut: a power cut between forgetting and rotating undoes it, and rows that were
// removed already are not counted as damaged; asking again forgets for good.
func TestForgetCut(t *testing.T) {
	b := newBox(t)
	s := b.open()
	now := daysOfCalls(t, s)
	must(s.Forget(t.Context(), keyring.Calls, now))
	if _, err := s.housekeep(); err != nil {
		t.Fatal(err)
	}
	s.ring.Close() // and nothing else: the end
	s.db.Close()
	s.lock.Close()
	s = b.open()
	s.clock = func() time.Time { return now }
	if got := all(t, s); len(got) != 1300 || s.Health().Unreadable != 0 {
		t.Errorf("%d records, %d unreadable", len(got), s.Health().Unreadable)
	}
	must(s.Forget(t.Context(), keyring.Calls, now))
	s.keepHouse(t)
	if got := all(t, s); len(got) != 600 || s.Health().Unreadable != 0 {
		t.Errorf("%d records, %d unreadable", len(got), s.Health().Unreadable)
	}
}

// TestForgetResumes: rows that have aged for good are removed after a restart.
func TestForgetResumes(t *testing.T) {
	b := newBox(t)
	s := b.open()
	now := daysOfCalls(t, s)
	must(s.Forget(t.Context(), keyring.Calls, now))
	must(s.ring.Rotate())
	s.Close()
	s = b.open()
	if got := all(t, s); len(got) != 600 || s.oldestID() != 1 {
		t.Errorf("%d records, from %d on", len(got), s.oldestID())
	}
	s.keepHouse(t)
	if got := all(t, s); len(got) != 600 || s.oldestID() != 1201 || s.Health().Unreadable != 0 {
		t.Errorf("%d records, from %d on", len(got), s.oldestID())
	}
}

func TestForgetOf(t *testing.T) {
	b := newBox(t)
	s := b.open()
	now := daysOfCalls(t, s)
	if any, err := s.ForgetOf(t.Context(), Person{Number: callerLetter}, keyring.Calls, now); err != nil || !any {
		t.Fatal(any, err)
	}
	if any, err := s.ForgetOf(t.Context(), Person{Number: callerLetter}, keyring.Calls, now); err != nil || any {
		t.Errorf("a second time: %v, %v", any, err)
	}
	for _, v := range must(s.As(owner).Records(t.Context(), Query{Before: 605, Limit: 8})) {
		want := Shown
		if v.ID <= 1200 && v.ID%2 == 1 {
			want = Aged
		}
		if v.From.State != want || v.To.State != Shown {
			t.Errorf("record %d: %v", v.ID, v)
		}
	}
	s.keepHouse(t)
	if got := s.oldestID(); got != 1 {
		t.Errorf("records up to %d are removed", got)
	}
	if _, err := s.ForgetOf(t.Context(), Person{User: "nobody"}, keyring.Calls, now); !errors.Is(err, ErrUnknownPerson) {
		t.Errorf("%v", err)
	}
	if _, err := s.ForgetOf(t.Context(), Person{}, keyring.Calls, now); !errors.Is(err, ErrPerson) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Forget(ctx, keyring.Calls, now); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	s.Close()
	if _, err := s.Forget(t.Context(), keyring.Calls, now); !errors.Is(err, ErrDown) {
		t.Errorf("%v", err)
	}
}
