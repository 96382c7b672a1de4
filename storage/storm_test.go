package storage

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	"sotto/pbx"
	"sotto/storage/keyring"
	"sotto/storage/policy"
)

// stuck takes some bytes and then none until it is let go of.
type stuck struct {
	took int
	hang chan struct{} // closed once it hangs
	open chan struct{} // closed to go on
}

func (w *stuck) Write(p []byte) (int, error) {
	if w.took += len(p); w.took > 1000 && w.hang != nil {
		close(w.hang)
		w.hang = nil
		<-w.open
	}
	return len(p), nil
}

// TestStorm does everything at once: calls, pages, exports, archives, settings, journals on and off,
// erasures, looks at the trail, sweeps. Nothing waits for another for ever, and the
// trail holds.
func TestStorm(t *testing.T) {
	b := newBox(t)
	s, stop := b.run()
	s.claim(t)
	setPlan(t, s, testPlan())
	for range 300 {
		s.Append(callFrom(callerShown, anna))
	}
	sync1(t, s)
	s.wmu.Lock()
	s.keeper.calm = false
	s.wmu.Unlock()
	s.nudge()

	// Who takes nothing holds nobody up.
	var slow sync.WaitGroup
	export := &stuck{hang: make(chan struct{}), open: make(chan struct{})}
	archive := &stuck{hang: make(chan struct{}), open: make(chan struct{})}
	hangs := []chan struct{}{export.hang, archive.hang}
	slow.Go(func() {
		if _, err := s.As(owner).Export(t.Context(), Query{}, CSV, export); err != nil {
			t.Error(err)
		}
	})
	slow.Go(func() {
		if _, err := s.As(owner).Access(t.Context(), Person{User: anna}, archive, nil); err != nil {
			t.Error(err)
		}
	})
	for _, h := range hangs {
		<-h
	}
	if n := s.db.Stats().OpenTxN; n != 0 {
		t.Errorf("%d transactions are open while nobody takes what is given", n)
	}

	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	var all sync.WaitGroup
	often := func(what string, f func(i int) error) {
		all.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				if err := f(i); err != nil && ctx.Err() == nil {
					t.Errorf("%s: %v", what, err)
					return
				}
			}
		})
	}
	often("append", func(i int) error {
		r := aRecord()
		if i%2 == 0 {
			r = callFrom(otherCaller, boris)
			r.Missed = append(r.Missed, anna)
		}
		s.Append(r)
		return s.Sync(ctx)
	})
	often("page", func(int) error { _, err := s.As(owner).Page(ctx, Query{}); return err })
	often("journal", func(int) error { _, err := s.As(Viewer{Role: Staff, User: anna}).Page(ctx, Query{}); return err })
	often("live", func(int) error { _, err := s.As(owner).Live(ctx, &pbx.Snapshot{}); return err })
	often("export", func(i int) error {
		_, err := s.As(owner).Export(ctx, Query{}, CSV+Format(i%2), io.Discard)
		return err
	})
	often("access", func(int) error { _, err := s.As(owner).Access(ctx, Person{User: boris}, io.Discard, nil); return err })
	often("settings", func(i int) error {
		p, rev, err := s.As(owner).Settings(ctx)
		if err != nil {
			return err
		}
		p.Keep[policy.Counts] = 400 + i%2
		_, _, err = s.SetSettings(ctx, owner, rev, p)
		return err
	})
	often("preview", func(int) error { _, err := s.As(owner).PreviewSettings(ctx, *s.policy()); return err })
	often("journal off and on", func(i int) error { return s.SetJournal(ctx, owner, boris, i%2 == 1) })
	often("erase", func(int) error {
		_, err := s.Erase(ctx, owner, outsider)
		if errors.Is(err, ErrUnknownPerson) {
			err = nil
		}
		time.Sleep(20 * time.Millisecond)
		return err
	})
	often("audit", func(int) error { _, err := s.As(owner).Audit(ctx, AuditQuery{}); return err })
	often("verify", func(int) error {
		r, err := s.As(owner).VerifyAudit(ctx)
		if err == nil && !r.OK() {
			t.Errorf("%+v", r)
		}
		return err
	})
	often("forget", func(int) error {
		_, err := s.Forget(ctx, keyring.Digits, time.Now().AddDate(0, 0, -1))
		time.Sleep(10 * time.Millisecond)
		return err
	})
	all.Wait()
	close(export.open)
	close(archive.open)
	slow.Wait()
	if h := s.Health(); h.Unreadable+h.Lost+h.Failed != 0 || h.Down != nil {
		t.Errorf("%+v", h)
	}
	stop()
	s = b.open()
	if h := s.Health(); h.Unreadable+h.SetBack != 0 {
		t.Errorf("%+v", h)
	}
	if r, err := s.As(owner).VerifyAudit(t.Context()); err != nil || !r.OK() {
		t.Errorf("%+v, %v", r, err)
	}
}
