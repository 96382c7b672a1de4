package storage

import (
	"errors"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"sotto/pbx"
	"sotto/storage/keyring"
	"sotto/storage/policy"
)

// TestCounts holds the counts of random calls on random days to a map: over restarts, with
// and without records, and after these have gone.
func TestCounts(t *testing.T) {
	b := newBox(t)
	s := b.open()
	setPlan(t, s, testPlan())
	rnd := rand.New(rand.NewPCG(7, 1))
	type key struct {
		day       time.Time
		hour      int
		direction Direction
		outcome   pbx.Outcome
	}
	want := map[key]DayCount{}
	for i := range 12 {
		s.set(func(p *policy.Settings) { p.Record.Incoming, p.Record.Failed = i%2 == 0, i%3 == 0 })
		day := day0.AddDate(0, 0, i/2).Truncate(24 * time.Hour)
		s.clock = func() time.Time { return day }
		s.dayBegan = time.Time{}
		for range 1 + rnd.IntN(300) {
			r := someCalls()[rnd.IntN(8)]
			r.Began = day.Add(time.Duration(rnd.Int64N(int64(24*time.Hour - 1))))
			r.Outcome = pbx.Outcome(1 + rnd.IntN(7))
			r.Talked = time.Duration(rnd.IntN(500)) * time.Second
			s.Append(r)
			k := key{day, r.Began.Hour(), between(r.From.Line, r.To.Line, r.Emergency, noLine(&r)), r.Outcome}
			c := want[k]
			want[k] = DayCount{day, k.hour, k.direction, k.outcome, c.Calls + 1, c.Talked + r.Talked}
		}
		s.flush()
		if i%4 == 1 {
			s.Close()
			s = b.open()
		}
	}
	check := func(when string, from, until time.Time) {
		t.Helper()
		got := must(s.As(owner).Counts(t.Context(), from, until))
		n := 0
		for k, c := range want {
			if !k.day.Before(from.Truncate(24*time.Hour)) && (until.IsZero() || k.day.Before(until)) {
				if n++; !slices.Contains(got, c) {
					t.Errorf("%s: %+v is missing", when, c)
				}
			}
		}
		if len(got) != n {
			t.Errorf("%s: %d counts, want %d", when, len(got), n)
		}
	}
	day := day0.Truncate(24 * time.Hour)
	check("all", time.Time{}, time.Time{})
	check("some", day.AddDate(0, 0, 1), day.AddDate(0, 0, 3))
	check("from noon", day.AddDate(0, 0, 4).Add(12*time.Hour), time.Time{})
	check("none", day.AddDate(1, 0, 0), time.Time{})
	s.ring.Forget(keyring.Calls, s.today()+1)
	check("records have gone", time.Time{}, time.Time{})
	for k := range want {
		if k.day.Before(day.AddDate(0, 0, 3)) {
			delete(want, k)
		}
	}
	var first keyring.Day
	for n, d := range s.table() {
		if d.date < dateOf(day.AddDate(0, 0, 3)) {
			first = keyring.Day(n + 1)
		}
	}
	s.ring.Forget(keyring.Counts, first)
	check("counts have gone", time.Time{}, time.Time{})
	if n := s.Health().Unreadable; n != 0 {
		t.Errorf("%d unreadable", n)
	}
	for role := Role(0); role < Staff+2; role++ {
		_, err := s.As(Viewer{Role: role, User: anna}).Counts(t.Context(), time.Time{}, time.Time{})
		if may := role == Owner || role == Admin || role == PrivacyOfficer; may != (err == nil) || !may && !errors.Is(err, ErrNotAllowed) {
			t.Errorf("%v: %v", role, err)
		}
	}
}

// TestCountsNamesNobody: what is kept is numbers alone.
func TestCountsNamesNobody(t *testing.T) {
	s := newBox(t).open()
	setPlan(t, s, testPlan())
	for _, r := range someCalls() {
		s.Append(r)
	}
	s.flush()
	s.db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket(bucketCounts).ForEach(func(k, v []byte) error {
			r := must(splitRow(bucketCounts, k, s.today(), v))
			plain := string(must(s.openPart(&r, 0)))
			if want := `{"c":[[9,1,1,3,183],[9,1,3,1,0],[9,2,1,2,122],[9,2,6,1,0],[9,3,1,1,61]]}`; plain != want || len(r.list) != 1 {
				t.Errorf("%s, want %s", plain, want)
			}
			return nil
		})
	})
}

// TestCountsDamage: a day that does not open is counted, left out, and begun anew.
func TestCountsDamage(t *testing.T) {
	b := newBox(t)
	s := b.open()
	setPlan(t, s, testPlan())
	s.Append(aRecord())
	s.flush()
	s.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(bucketCounts).Put(dayKey(0), []byte("x")) })
	s.Close()
	s = b.open()
	if list, err := s.As(owner).Counts(t.Context(), time.Time{}, time.Time{}); err != nil || len(list) != 0 || s.Health().Unreadable == 0 {
		t.Errorf("%v, %v, %d unreadable", list, err, s.Health().Unreadable)
	}
	s.Append(aRecord())
	s.flush()
	if list := must(s.As(owner).Counts(t.Context(), time.Time{}, time.Time{})); len(list) != 1 || list[0].Calls != 1 {
		t.Errorf("%v", list)
	}
}

// TestCountsFailedCommit: what was not written is not counted twice.
func TestCountsFailedCommit(t *testing.T) {
	b := newBox(t)
	s := b.open()
	setPlan(t, s, testPlan())
	s.Append(aRecord())
	s.flush()
	s.Append(callFrom(must(parseNumber(4930222222)), boris)) // somebody new
	mend := breakTail(t, b, s)
	for range 3 {
		if s.flush() == nil {
			t.Fatal("written")
		}
	}
	mend()
	if err := s.flush(); err != nil {
		t.Fatal(err)
	}
	calls := 0
	for _, c := range must(s.As(owner).Counts(t.Context(), time.Time{}, time.Time{})) {
		calls += c.Calls
	}
	if calls != 2 || !reflect.DeepEqual(journalOf(t, s, staff(boris), Query{}), []string{"4930222222>boris"}) {
		t.Errorf("%d calls", calls)
	}
}
