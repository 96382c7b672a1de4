package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"sotto/pbx"
	"sotto/pbx/number"
	"sotto/pbx/plan"
	"sotto/storage/keyring"
)

func aRecord() pbx.Record {
	return pbx.Record{
		From:  pbx.Party{User: anna, Ext: "73911"},
		To:    pbx.Party{Number: number.Must("+4930901820"), Line: "FXO 1"},
		Began: time.Unix(1_700_000_000, 0), Outcome: pbx.Answered, Cause: pbx.NormalClearing,
	}
}

// TestInBubble runs the store in a bubble, which fails if a goroutine or timer is left.
func TestInBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t)
		s, stop := b.run()
		newest, changed := s.Follow()
		if newest != 0 {
			t.Fatalf("newest is %d", newest)
		}
		s.Append(aRecord())
		<-changed
		if newest, _ = s.Follow(); newest != 1 {
			t.Fatalf("newest is %d", newest)
		}
		sync1(t, s)
		stop()
	})
}

// TestGroupCommit appends from many goroutines, each waiting for its own record.
func TestGroupCommit(t *testing.T) {
	b := newBox(t)
	s, stop := b.run()
	defer stop()
	const n = 400
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			s.Append(aRecord())
			sync1(t, s)
		})
	}
	wg.Wait()
	h := s.Health()
	if h.Written != n || h.Newest != n || h.Commits > n/4 {
		t.Errorf("%d records in %d transactions", h.Written, h.Commits)
	}
	t.Logf("%d records in %d transactions", h.Written, h.Commits)
}

// TestClosedDatabase takes bbolt away below the store: records are lost and counted,
// Sync and Follow say so at once, nothing blocks, and Run goes on until its end.
func TestClosedDatabase(t *testing.T) {
	b := newBox(t)
	s := b.open()
	_, changed := s.Follow()
	s.Append(aRecord())
	s.db.Close()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	<-changed
	if err := s.Sync(t.Context()); !errors.Is(err, ErrDown) {
		t.Errorf("sync: %v", err)
	}
	for range 3 * maxQueue {
		s.Append(aRecord())
	}
	if h := s.Health(); h.Lost != 3*maxQueue+1 || h.Written != 0 || !errors.Is(h.Down, ErrDown) {
		t.Errorf("%+v", h)
	}
	if _, err := s.As(Viewer{Role: Owner}).Records(t.Context(), Query{}); !errors.Is(err, ErrDown) {
		t.Errorf("read: %v", err)
	}
	if _, err := s.SetPlan(t.Context(), Viewer{Role: Owner}, 0, testPlan()); !errors.Is(err, ErrDown) {
		t.Errorf("set plan: %v", err)
	}
	cancel()
	if err := <-done; !errors.Is(err, ErrDown) {
		t.Errorf("run: %v", err)
	}
	s.Close()
	b.open() // the lock is let go of
}

// TestQueueFull appends with no writer: the queue is bounded, what is over it counted.
func TestQueueFull(t *testing.T) {
	b := newBox(t)
	s := b.open()
	for range maxQueue + 7 {
		s.Append(aRecord())
	}
	if h := s.Health(); h.Lost != 7 || h.Queued != maxQueue {
		t.Errorf("%+v", h)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Sync(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("sync without writer: %v", err)
	}
	if err := s.Close(); err != nil { // writes the rest
		t.Fatal(err)
	}
	s.Append(aRecord())
	if h := s.Health(); h.Lost != 8 || h.Written != maxQueue {
		t.Errorf("%+v", h)
	}
	if got := len(all(t, b.open())); got != maxQueue {
		t.Errorf("%d records", got)
	}
}

// TestRetry makes the keyring's tail unwritable for a while: the writer tries again at
// growing intervals, and nothing is lost or doubled.
func TestRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t)
		s := b.open()
		mend := breakTail(t, b, s)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		s.Append(aRecord())
		time.Sleep(time.Minute)
		s.Append(aRecord())
		synctest.Wait()
		if h := s.Health(); h.Failed != 6 || h.Lost != 0 || h.Queued != 2 || h.Down != nil { // at 0, 1, 3, 7, 15, 31 s
			t.Errorf("%+v", h)
		}
		mend()
		sync1(t, s)
		if got := all(t, s); len(got) != 2 {
			t.Errorf("%d records", len(got))
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		s.Close()
	})
}

// breakTail puts a reading handle in the place of the tail's file descriptor.
func breakTail(t *testing.T, b *box, s *Store) (mend func()) {
	tails, _ := filepath.Glob(filepath.Join(b.dir, "keyring.tail-*"))
	fd := -1
	for _, e := range must(os.ReadDir("/proc/self/fd")) {
		if to, _ := os.Readlink("/proc/self/fd/" + e.Name()); len(tails) == 1 && to == tails[0] {
			fd, _ = strconv.Atoi(e.Name())
		}
	}
	if fd < 0 {
		t.Fatal("the tail is not open")
	}
	saved := must(syscall.Dup(fd))
	ro := must(os.Open(tails[0]))
	if err := syscall.Dup3(int(ro.Fd()), fd, syscall.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	ro.Close()
	return func() {
		if err := syscall.Dup3(saved, fd, syscall.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		syscall.Close(saved)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestUnfitRecord(t *testing.T) {
	b := newBox(t)
	s, stop := b.run()
	defer stop()
	bad := aRecord()
	bad.From.User = plan.UserID(strings.Repeat("x", 300)) // no subject has such a name
	s.Append(aRecord())
	s.Append(bad)
	s.Append(aRecord())
	sync1(t, s)
	if h := s.Health(); h.Lost != 1 || h.Written != 2 || h.Newest != 2 {
		t.Errorf("%+v", h)
	}
}

func TestAppendAllocs(t *testing.T) {
	b := newBox(t)
	s := b.open()
	s.records = make([]pbx.Record, 0, maxQueue)
	r := aRecord()
	if n := testing.AllocsPerRun(1000, func() { s.Append(r) }); n != 0 {
		t.Errorf("%v allocations an Append", n)
	}
}

func BenchmarkAppend(b *testing.B) {
	s := benchStore(b)
	s.records = make([]pbx.Record, 0, maxQueue)
	r := aRecord()
	b.ReportAllocs()
	for b.Loop() {
		s.Append(r)
		if len(s.records) == maxQueue {
			s.records = s.records[:0]
		}
	}
}

// BenchmarkAcknowledged is one caller that waits for each record, and 64 that do.
func BenchmarkAcknowledged(b *testing.B) {
	for _, callers := range []int{1, 64} {
		b.Run(fmt.Sprint(callers), func(b *testing.B) {
			s := benchStore(b)
			if _, err := s.SetPlan(b.Context(), owner, 0, testPlan()); err != nil { // so that each call has an entry in a journal
				b.Fatal(err)
			}
			ctx, cancel := context.WithCancel(b.Context())
			done := make(chan error)
			go func() { done <- s.Run(ctx) }()
			before := s.Health()
			b.SetParallelism(callers)
			b.RunParallel(func(pb *testing.PB) {
				r := aRecord()
				rnd := rand.New(rand.NewPCG(1, rand.Uint64()))
				for pb.Next() {
					r.To.Number = number.Must(fmt.Sprint(rnd.IntN(1000)))
					s.Append(r)
					if err := s.Sync(ctx); err != nil {
						b.Fatal(err)
					}
				}
			})
			h := s.Health()
			b.ReportMetric(float64(h.Written-before.Written)/b.Elapsed().Seconds(), "records/s")
			b.ReportMetric(float64(h.Commits)/float64(h.Written), "commits/record")
			cancel()
			<-done
		})
	}
}

// BenchmarkRead is a page of 50 records of 20,000.
func BenchmarkRead(b *testing.B) {
	s := benchStore(b)
	for range 20000 {
		s.Append(aRecord())
		if len(s.records) == maxQueue {
			s.flush()
		}
	}
	s.flush()
	for b.Loop() {
		if v, err := s.As(Viewer{Role: Owner}).Records(b.Context(), Query{}); err != nil || len(v) != 50 {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(s.Health().FileUsed)/20000, "bytes/record")
}

func benchStore(b *testing.B) *Store {
	dir := b.TempDir()
	s, err := Open(filepath.Join(dir, "data"), keyring.NewFileRoot(filepath.Join(dir, "root.key")), slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	return s
}
