package storage

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"sotto/storage/keyring"
	"sotto/storage/policy"
)

// TestTermsRun lets a box run by itself for days: each day has its proof, which passes within two
// hours, and a clock that leaps ahead for some hours takes nothing with it.
func TestTermsRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t)
		s := b.open()
		s.keeper.calm = false
		s.at(march)
		setPlan(t, s, testPlan())
		s.keepFor(3)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		s.Append(callFrom(callerShown, anna))
		time.Sleep(3*24*time.Hour + 8*time.Hour)
		opensStill := func() bool { return opens(s, keyring.Calls, 0) }
		if !opensStill() {
			t.Error("gone before its term")
		}
		s.wmu.Lock()
		s.at(march.AddDate(5, 0, 0))
		s.wmu.Unlock()
		time.Sleep(5 * time.Hour)
		if !opensStill() {
			t.Error("gone because a clock was ahead for five hours")
		}
		s.wmu.Lock()
		s.at(march.Add(3*24*time.Hour + 13*time.Hour))
		s.wmu.Unlock()
		time.Sleep(14 * time.Hour)
		if opensStill() {
			t.Error("there after its term")
		}
		cancel()
		<-done
		list := must(s.As(owner).Proofs(t.Context(), time.Time{}, time.Time{}))
		days := map[time.Time]int{}
		for _, l := range list {
			if days[l.Date]++; l.State != ProofPass {
				t.Errorf("%+v", l)
			}
		}
		if len(days) != 5 {
			t.Errorf("proofs of %d days: %v", len(days), days)
		}
		for date, n := range days {
			if n != len(allKept)+1 {
				t.Errorf("%v: %d lines", date, n)
			}
		}
		if list[len(list)-1].Kind != policy.Audit {
			t.Errorf("%+v", list[len(list)-1])
		}
		s.Close()
	})
}
