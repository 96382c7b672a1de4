package storage

import (
	"math/rand/v2"
	"testing"
	"time"
)

// TestMidnightInATransaction turns the date every other time that the clock is read, so that
// midnight lies between any two things that one transaction writes: all of it is of one day still, and
// what the days have to tell is on the medium afterwards.
func TestMidnightInATransaction(t *testing.T) {
	b := newBox(t)
	s := b.open()
	s.at(time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC))
	s.keepForever()
	setPlan(t, s, testPlan())
	rnd := rand.New(rand.NewPCG(1, 1))
	now := time.Date(2026, 3, 2, 23, 59, 0, 0, time.UTC)
	s.clock = func() time.Time {
		s.dayBegan = time.Time{} // no pause between days
		now = now.AddDate(0, 0, rnd.IntN(2))
		return now
	}
	const calls = 40
	for i := range calls {
		r := callFrom(callerShown, anna)
		r.Talked = time.Duration(i) * time.Hour / 2
		s.Append(r)
		s.wmu.Lock()
		s.pend(look{viewer: owner, what: "change plan"}) // goes with the record
		err := s.writeQueued(true)
		s.wmu.Unlock()
		if err != nil {
			t.Fatal(err)
		}
		must(s.As(owner).Records(t.Context(), Query{Limit: maxLimit}))
	}
	longest := s.longestCall()
	for range 2 {
		if got := len(must(s.As(owner).Records(t.Context(), Query{Limit: maxLimit}))); got != calls {
			t.Errorf("%d records can be read, want %d", got, calls)
		}
		if report := must(s.As(owner).VerifyAudit(t.Context())); !report.OK() {
			t.Error(report.Faults)
		}
		if got := s.longestCall(); got != longest || s.Health().Unreadable != 0 {
			t.Errorf("the longest call is %v, want %v; %d unreadable", got, longest, s.Health().Unreadable)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = b.open()
	}
	s.Close()
}
