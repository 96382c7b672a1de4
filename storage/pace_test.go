package storage

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"sotto/pbx"
	"sotto/pbx/plan"
)

// TestBindingsPace: one alone is written at once, those of the next second together, and
// call records wait for none of it.
func TestBindingsPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t)
		s, stop := b.run()
		defer stop()
		setPlan(t, s, testPlan())
		began := s.Health().Commits
		check := func(when string, commits uint64, queued, last int) {
			t.Helper()
			synctest.Wait()
			got := s.Bindings()
			if h := s.Health(); h.Commits-began != commits || h.BindingsQueued != queued || len(got) != 1 || got[0].CSeq != uint32(last) {
				t.Errorf("%s: %d commits, %d queued, %+v", when, h.Commits-began, h.BindingsQueued, got)
			}
		}
		save := func(n int) { s.SaveBindings(boris, []pbx.Binding{aBinding(n)}) }
		save(1)
		check("the first", 1, 0, 1)
		for n := range 900 {
			time.Sleep(time.Millisecond)
			save(2 + n)
		}
		check("in the next second", 1, 1, 1)
		s.Append(aRecord())
		check("a record", 2, 1, 1)
		if h := s.Health(); h.Written != 1 {
			t.Error("the record waits")
		}
		time.Sleep(100 * time.Millisecond)
		check("a second later", 3, 0, 901)
		time.Sleep(time.Minute)
		check("nothing more", 3, 0, 901)
		save(1000)
		check("after a pause", 4, 0, 1000)
	})
}

// TestBindingsStorm registers 8,000 times a second for half a minute.
func TestBindingsStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t)
		s, stop := b.run()
		defer stop()
		p := testPlan()
		p.Users = bigOffice(plan.MaxUsers)
		setPlan(t, s, p)
		before := s.Health()
		var early, late runtime.MemStats
		records, n := 0, 0
		for ms := range 30_000 {
			for range 8 {
				s.SaveBindings(p.Users[n%len(p.Users)].ID, []pbx.Binding{aBinding(n), aBinding(n)})
				n++
			}
			if ms%100 == 0 {
				s.Append(aRecord())
				records++
				now := time.Now()
				sync1(t, s)
				if waited := time.Since(now); waited != 0 {
					t.Fatalf("a record waited %v", waited)
				}
			}
			switch ms {
			case 5_000:
				runtime.GC()
				runtime.ReadMemStats(&early)
			case 29_999:
				runtime.GC()
				runtime.ReadMemStats(&late)
			}
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		h := s.Health()
		if h.BindingsLost+h.Lost+h.Failed != 0 || h.BindingsQueued != 0 || h.Written != uint64(records) {
			t.Errorf("%+v", h)
		}
		if got := h.Commits - before.Commits; got > uint64(records)+32 {
			t.Errorf("%d transactions", got)
		}
		if grown := int64(late.HeapAlloc) - int64(early.HeapAlloc); grown > 1<<20 {
			t.Errorf("memory grew by %d bytes", grown)
		}
		list := s.Bindings()
		if len(list) != 2*plan.MaxUsers || list[len(list)-1].CSeq != uint32(n-1) {
			t.Errorf("%d bindings, the last of %d", len(list), list[len(list)-1].CSeq)
		}
		t.Logf("%d lists, %d records, %d transactions; heap %+d KiB in the last 25 s, file %+d KiB in all",
			n, records, h.Commits-before.Commits, (int64(late.HeapAlloc)-int64(early.HeapAlloc))>>10, (h.FileBytes-before.FileBytes)>>10)
	})
}

// TestBindingsDown: a store that is down counts lists and keeps none.
func TestBindingsDown(t *testing.T) {
	b := newBox(t)
	s := b.open()
	setPlan(t, s, testPlan())
	save := func(n int) { s.SaveBindings(boris, []pbx.Binding{aBinding(n)}) }
	save(1)
	save(2)
	s.db.Close()
	if err := s.flush(); err == nil || !s.isDown() {
		t.Fatal(err)
	}
	save(3)
	if h := s.Health(); h.BindingsLost != 2 || h.BindingsQueued != 0 {
		t.Errorf("%+v", h)
	}
	if got := s.Bindings(); got != nil {
		t.Errorf("%v", got)
	}
}

// TestBindingsRetry makes writing fail for a while, because of a record: the newest list
// is there in the end.
func TestBindingsRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t)
		s := b.open()
		setPlan(t, s, sipPlan())
		mend := breakTail(t, b, s)
		late := aBinding(1)
		late.Expires = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)
		s.SaveBindings(anna, []pbx.Binding{late}) // does not fit
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		s.Append(aRecord()) // of somebody new
		for n := range 20 {
			s.SaveBindings(boris, []pbx.Binding{aBinding(n)})
			time.Sleep(time.Second)
		}
		if h := s.Health(); h.Failed != 5 || h.BindingsLost != 1 || len(s.Bindings()) != 0 { // at 0, 1, 3, 7, 15 s
			t.Errorf("%+v", h)
		}
		mend()
		time.Sleep(time.Minute)
		if got := s.Bindings(); len(got) != 1 || got[0].CSeq != 19 {
			t.Errorf("%+v", got)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		s.Close()
	})
}
