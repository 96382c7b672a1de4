package storage

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// TestRecordsInGroups: one record alone is written at once, those of the next tenth of a
// second together; whoever waits in Sync waits for no rest, nor do more than 256.
func TestRecordsInGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t)
		s, stop := b.run()
		defer stop()
		check := func(when string, commits, written uint64) {
			t.Helper()
			synctest.Wait()
			if h := s.Health(); h.Commits != commits || h.Written != written {
				t.Errorf("%s: %d records in %d transactions, want %d in %d", when, h.Written, h.Commits, written, commits)
			}
		}
		s.Append(aRecord())
		check("one alone", 1, 1)
		for range 9 {
			time.Sleep(10 * time.Millisecond)
			s.Append(aRecord())
		}
		check("in the next tenth of a second", 1, 1)
		time.Sleep(10 * time.Millisecond)
		check("after it", 2, 10)
		time.Sleep(time.Millisecond)
		s.Append(aRecord())
		now := time.Now()
		sync1(t, s)
		if time.Since(now) != 0 {
			t.Error("Sync has waited")
		}
		check("synced", 3, 11)
		for range maxGroup {
			s.Append(aRecord())
		}
		check("256", 3, 11)
		s.Append(aRecord())
		check("one more", 4, 11+maxGroup+1)
		time.Sleep(time.Hour)
		s.Append(aRecord())
		check("after a rest", 5, 11+maxGroup+2)
		before := s.Health().Commits
		for range 60_000 / 4 { // 250 records a second for a minute
			time.Sleep(4 * time.Millisecond)
			s.Append(aRecord())
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if h := s.Health(); h.Commits-before > 601 || h.Queued != 0 || h.Lost != 0 {
			t.Errorf("%d transactions, %+v", h.Commits-before, h)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		s.Append(aRecord())
		if err := s.Sync(ctx); err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		synctest.Wait()
		if s.syncing != 0 {
			t.Errorf("%d wait in Sync", s.syncing)
		}
	})
}

// breakDB puts another file in the place of the database's file descriptor.
func breakDB(t *testing.T, s *Store, path string, flag int) (mend func()) {
	fd := int(s.file.Fd())
	saved := must(syscall.Dup(fd))
	other := must(os.OpenFile(path, flag, 0))
	if err := syscall.Dup3(int(other.Fd()), fd, syscall.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	other.Close()
	return func() {
		if err := syscall.Dup3(saved, fd, syscall.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		syscall.Close(saved)
	}
}

// TestMediumFails makes the database's medium full, or read-only, for a while: what was to be
// written waits, with a clear error, and nothing is lost, doubled or shown before it is there.
func TestMediumFails(t *testing.T) {
	for _, c := range []struct {
		name string
		full bool
		want error
	}{{"full", true, syscall.ENOSPC}, {"read-only", false, syscall.EBADF}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBox(t)
				s := b.open()
				setPlan(t, s, testPlan())
				for range 300 { // some free pages, so that the file need not grow at first
					s.Append(aRecord())
					s.flush()
				}
				path, flag := "/dev/full", os.O_RDWR
				if !c.full {
					path, flag = filepath.Join(b.dir, fileName), os.O_RDONLY
				}
				mend := breakDB(t, s, path, flag)
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error)
				go func() { done <- s.Run(ctx) }()
				s.Append(aRecord())
				time.Sleep(20 * time.Second)
				synctest.Wait()
				if _, err := s.SetPlan(t.Context(), owner, 1, testPlan()); !errors.Is(err, c.want) {
					t.Errorf("set plan: %v", err)
				}
				if h := s.Health(); h.Failed != 6 || h.Newest != 300 || h.Queued != 1 || h.Down != nil { // at 0, 1, 3, 7, 15 s
					t.Errorf("%+v", h)
				}
				if v, err := s.As(owner).Records(t.Context(), Query{}); !errors.Is(err, c.want) || v != nil {
					t.Errorf("a look that cannot be noted: %d records, %v", len(v), err)
				}
				mend()
				if got := all(t, s); len(got) < 300 {
					t.Errorf("%d records", len(got))
				}
				sync1(t, s)
				if rev, err := s.SetPlan(t.Context(), owner, 1, testPlan()); err != nil || rev != 2 {
					t.Errorf("set plan: %v", err)
				}
				cancel()
				if err := <-done; err != nil {
					t.Error(err)
				}
				s.Close()
				s = b.open()
				if got := all(t, s); len(got) != 301 || s.Health().SetBack+s.Health().Unreadable != 0 {
					t.Errorf("%d records, %+v", len(got), s.Health())
				}
				s.Close()
			})
		})
	}
}

// TestPruneFails: what could not be removed counts as there.
func TestPruneFails(t *testing.T) {
	b := newBox(t)
	s := b.open()
	for range 300 {
		s.Append(aRecord())
		s.flush()
	}
	mend := breakDB(t, s, "/dev/full", os.O_RDWR)
	limit := s.limit
	s.limit = 1
	s.Append(aRecord())
	if err := s.flush(); !errors.Is(err, syscall.ENOSPC) || s.oldestID() != 1 || s.Health().Pruned != 0 {
		t.Errorf("%v, the oldest is %d", err, s.oldestID())
	}
	mend()
	s.limit = limit
	s.Close()
	s = b.open()
	if got := all(t, s); len(got) != 301 || s.Health().Unreadable != 0 {
		t.Errorf("%d records, %+v", len(got), s.Health())
	}
}
