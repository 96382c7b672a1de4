package storage

import (
	"bufio"
	"context"
	"flag"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"sotto/pbx"
	"sotto/storage/keyring"
	"sotto/storage/policy"
)

var (
	millionDir   = flag.String("million", "", "folder for the store of TestMillionMake and TestMillion; without it they are left out")
	emulated     = flag.Bool("emulated", false, "TestMillion runs under an emulator: its times are not judged, and its memory is what Go took")
	millionCount = flag.Int("records", 1_000_000, "how many records it has")
)

// What a full store must keep to, on the machine that it is measured on.
const (
	maxOpen    = time.Second
	maxPage    = 50 * time.Millisecond
	maxErase   = time.Second
	minRecords = 500 // acknowledged a second, in groups
	maxAnon    = 64 << 20
)

// TestMillionMake makes the store, if there is none of this kind. It is a run of its own, so
// that its memory is not counted.
func TestMillionMake(t *testing.T) {
	if *millionDir == "" {
		t.Skip("needs -million")
	}
	newMany(*millionCount).make(t, *millionDir)
}

// copy makes the store, if there is none, and a copy of it that the test may change, as the
// box finds it at a start.
func (m *many) copy(t *testing.T) (dir string) {
	t.Helper()
	m.make(t, *millionDir)
	dir = filepath.Join(*millionDir, "run")
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.CopyFS(filepath.Join(dir, "data"), os.DirFS(filepath.Join(*millionDir, "data"))); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(*millionDir, "root.key"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "root.key"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	uncache(t, filepath.Join(dir, "data"))
	old := debug.SetGCPercent(50) // as the box has it
	t.Cleanup(func() { debug.SetGCPercent(old) })
	return dir
}

func took(f func()) time.Duration { began := time.Now(); f(); return time.Since(began) }

// within prints how long something took, and judges it.
func within(t *testing.T, what string, d, most time.Duration) {
	t.Helper()
	t.Logf("%-44s %v", what, short(d))
	if d > most && !*emulated {
		t.Errorf("%s took %v: over %v", what, d, most)
	}
}

func short(d time.Duration) time.Duration { return d.Round(10 * time.Microsecond) }

// TestMillion prints what a store of a million records costs, and fails over a limit. It
// works on a copy.
func TestMillion(t *testing.T) {
	if *millionDir == "" {
		t.Skip("needs -million")
	}
	m := newMany(*millionCount)
	dir := m.copy(t)
	mem := watchMemory()
	defer mem.stop()
	within := func(what string, d, most time.Duration) { t.Helper(); within(t, what, d, most) }
	var s *Store
	within("open", took(func() { s = m.open(t, dir) }), maxOpen)
	mem.note(t, "open")
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- s.Run(ctx) }()
	defer func() { cancel(); <-ran }()

	t.Logf("%v", sizes(t, s))
	w := busy{t: t, s: s, m: m, ctx: ctx}
	record, one := w.record, w.one

	// Reading: what it costs, and with the line of the audit trail that is synced before the
	// page is shown.
	date := time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		what string
		q    func(i int) Query
	}{
		{"newest", func(int) Query { return Query{} }},
		{"from anywhere", func(i int) Query { return Query{Before: RecordID(1 + i*m.records/100)} }},
		{"of a number heard often", func(i int) Query {
			return Query{Person: Person{Number: m.number(i % often)}, Before: RecordID(m.records - i)}
		}},
		{"of a number heard rarely", func(i int) Query { return Query{Person: Person{Number: m.number(m.numbers - 1 - i)}} }},
		{"of a user", func(i int) Query { return Query{Person: Person{User: m.plan.Users[i].ID}} }},
		{"of a user on a day", func(i int) Query {
			return Query{Person: Person{User: m.plan.Users[i].ID}, From: date.AddDate(0, 0, i), Until: date.AddDate(0, 0, i+1)}
		}},
		{"of a day", func(i int) Query { return Query{From: date.AddDate(0, 0, i), Until: date.AddDate(0, 0, i+1)} }},
		{"of a line", func(i int) Query { return Query{Line: m.plan.Lines[i%8].Name, Before: RecordID(m.records - 1000*i)} }},
		{"of a line and a user", func(i int) Query {
			return Query{Line: m.plan.Lines[i%8].Name, Person: Person{User: m.plan.Users[i].ID}}
		}},
	} {
		pages(t, c.what, func(int) *Reader { return s.As(owner) }, c.q)
	}
	mem.note(t, "reading")

	// Writing.
	var alone []time.Duration
	for i := range 200 {
		alone = append(alone, one(i))
	}
	slices.Sort(alone)
	t.Logf("%-44s p50 %v, p99 %v", "a record alone, until it is acknowledged", alone[100].Round(10*time.Microsecond), alone[197].Round(10*time.Microsecond))
	const each = 250
	records := make([][each]pbx.Record, 8)
	for i := range records {
		for j := range each {
			records[i][j] = record(i*each + j)
		}
	}
	before := s.Health()
	d := took(func() {
		var wg sync.WaitGroup
		for i := range records {
			wg.Go(func() {
				for j := range each {
					s.Append(records[i][j])
					if err := s.Sync(ctx); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
	})
	after := s.Health()
	group := func(what string, n int) (rate float64) {
		t.Helper()
		rate = float64(n) / d.Seconds()
		t.Logf("%-44s %.0f/s in groups of %.1f", what, rate, float64(after.Written-before.Written)/float64(after.Commits-before.Commits))
		return rate
	}
	group("acknowledged records, 8 at a time", 8*each)
	before = after
	d = took(func() {
		for i := range 4000 {
			s.Append(record(i))
			if i%1000 == 999 {
				if err := s.Sync(ctx); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
	after = s.Health()
	if rate := group("acknowledged records, a thousand at a time", 4000); rate < minRecords && !*emulated {
		t.Errorf("%.0f acknowledged records a second: under %d", rate, minRecords)
	}
	mem.note(t, "writing")

	// While somebody reads all of it, slowly.
	reading, read := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(read)
		if err := s.db.View(func(tx *bbolt.Tx) error { _, err := tx.WriteTo(&slowly{until: reading}); return err }); err != nil {
			t.Error(err)
		}
	}()
	alone = alone[:0]
	for i := range 200 {
		alone = append(alone, one(i))
	}
	close(reading)
	<-read
	slices.Sort(alone)
	t.Logf("%-44s p50 %v, longest %v", "a record alone, beside an open read", alone[100].Round(10*time.Microsecond), alone[199].Round(10*time.Microsecond))
	mem.note(t, "an open read")

	// Erasing.
	target := Person{Number: m.number(0)}
	var proof Proof
	within("erasure of a person", took(func() {
		var err error
		if proof, err = s.Erase(ctx, owner, target); err != nil {
			t.Fatal(err)
		}
	}), maxErase)
	commits, began := s.Health().Commits, time.Now()
	alone = alone[:0]
	for i := 0; ; i++ {
		s.wmu.Lock()
		left := len(s.keeper.left)
		s.wmu.Unlock()
		if left == 0 {
			break
		}
		alone = append(alone, one(6+i*100%94))
	}
	slices.Sort(alone)
	if len(alone) == 0 {
		t.Fatal("there was nothing to sweep")
	}
	t.Logf("%-44s %d records and %d entries of journals named the person; %d transactions beside %d records in %v; a record waited %v, at most %v", "sweep of the person", proof.Records, proof.Entries,
		s.Health().Commits-commits-uint64(len(alone)), len(alone), time.Since(began).Round(time.Millisecond), alone[len(alone)/2].Round(10*time.Microsecond), alone[len(alone)-1].Round(10*time.Microsecond))
	within("erasure of a person heard rarely", took(func() {
		if _, err := s.Erase(ctx, owner, Person{Number: m.rare()}); err != nil {
			t.Fatal(err)
		}
	}), maxErase)
	within("erasure of a user", took(func() {
		if _, err := s.Erase(ctx, owner, Person{User: m.plan.Users[0].ID}); err != nil {
			t.Fatal(err)
		}
	}), maxErase)
	mem.note(t, "erasing")
	var rotation time.Duration
	for range 5 {
		rotation = max(rotation, took(func() {
			if _, err := s.ring.Rotate(); err != nil {
				t.Fatal(err)
			}
		}))
	}
	t.Logf("%-44s %v", "rotation of the keyring, longest of 5", rotation.Round(10*time.Microsecond))
	t.Logf("%-44s %v", "forgetting the digits of the first 100 days", took(func() {
		if _, err := s.Forget(ctx, keyring.Digits, time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, 100)); err != nil {
			t.Fatal(err)
		}
	}).Round(10*time.Microsecond))
	mem.note(t, "forgetting")

	// Terms: what a preview tells of, and the sweep that does it, beside records that are written.
	half := time.Date(2025, 7, 20, 0, 0, 0, 0, time.UTC)
	next := policy.Preset("DE")
	for _, kind := range []policy.Kind{policy.Digits, policy.Records, policy.Journal, policy.Counts} {
		next.Keep[kind] = int(time.Since(half) / (24 * time.Hour))
	}
	previewed := make(chan []Preview, 1)
	go func() {
		list, err := s.As(owner).PreviewSettings(ctx, next)
		if err != nil {
			t.Error(err)
		}
		previewed <- list
	}()
	w.beside("preview of what goes with half of the days", func() bool { return len(previewed) > 0 })
	goes, oldest := (<-previewed)[slices.Index(policy.Kinds(), policy.Records)], s.oldestID()
	if _, _, err := s.SetSettings(ctx, owner, 0, next); err != nil {
		t.Fatal(err)
	}
	s.wmu.Lock()
	s.keeper.calm = false
	s.wmu.Unlock()
	s.nudge()
	before = s.Health()
	swept := make(chan bool, 1)
	go func() { // records that are written must not wait for it in who asks
		for over := false; !over; time.Sleep(50 * time.Millisecond) {
			s.wmu.Lock()
			over = s.keeper.run != nil && s.keeper.run.proved
			s.wmu.Unlock()
		}
		swept <- true
	}()
	w.beside("the sweep of that", func() bool { return len(swept) > 0 })
	after = s.Health()
	t.Logf("%-44s %d call records of %d, in %d transactions", "it removed", s.oldestID()-oldest, goes.Here, after.Commits-before.Commits-(after.Written-before.Written))
	if goes.Goes != int(s.oldestID()-oldest) || goes.Goes == 0 {
		t.Errorf("the preview told of %d records, and %d went", goes.Goes, s.oldestID()-oldest)
	}
	mem.note(t, "the sweep")
	if h := s.Health(); h.Unreadable+h.Lost+h.Failed != 0 {
		t.Errorf("%d unreadable, %d lost, %d failed", h.Unreadable, h.Lost, h.Failed)
	}
	if most := mem.most.Load(); most > maxAnon {
		t.Errorf("%d MiB of anonymous memory: over %d", most>>20, maxAnon>>20)
	}
}

// busy writes records beside what is measured.
type busy struct {
	t   *testing.T
	s   *Store
	m   *many
	ctx context.Context
}

func (w *busy) record(i int) pbx.Record {
	return w.m.record(i, time.Date(2026, 2, 10, 12, 0, 0, 0, time.UTC))
}

// one writes a record, and tells how long it waited to be acknowledged.
func (w *busy) one(i int) time.Duration {
	return took(func() {
		w.s.Append(w.record(i))
		if err := w.s.Sync(w.ctx); err != nil {
			w.t.Error(err)
		}
	})
}

// beside writes records until something is done, one after the other, and prints how long
// that took and what the records waited.
func (w *busy) beside(what string, done func() bool) time.Duration {
	w.t.Helper()
	var waits []time.Duration
	began := time.Now()
	for i := 0; !done(); i++ {
		waits = append(waits, w.one(6+i*100%94))
	}
	took := time.Since(began)
	slices.Sort(waits)
	waits = append(waits, 0) // there may be none
	n := max(len(waits)-1, 1)
	w.t.Logf("%-44s %v; beside it %d records, each alone, waited %v, at most %v", what, took.Round(time.Millisecond), len(waits)-1, short(waits[(n-1)/2]), short(waits[n-1]))
	return took
}

// pages prints what a hundred pages cost, before the look is noted in the audit trail and with that, and
// judges both.
func pages(t *testing.T, what string, r func(i int) *Reader, q func(i int) Query) {
	t.Helper()
	var bare, whole []time.Duration
	found := 0
	for i := range 100 {
		bare = append(bare, took(func() {
			p, err := r(i).find(t.Context(), q(i), maxLooked)
			if err != nil {
				t.Fatal(err)
			}
			found += len(p.Views)
		}))
		whole = append(whole, took(func() {
			if _, err := r(i).Page(t.Context(), q(i)); err != nil {
				t.Fatal(err)
			}
		}))
	}
	slices.Sort(bare)
	slices.Sort(whole)
	t.Logf("page %-39s p50 %v, p95 %v, p99 %v; with the look noted %v, %v, %v; %d records", what, short(bare[50]), short(bare[94]), short(bare[98]),
		short(whole[50]), short(whole[94]), short(whole[98]), found/100)
	if whole[98] > maxPage && !*emulated {
		t.Errorf("a page %s took %v: over %v", what, whole[98], maxPage)
	}
}

// uncache has the kernel forget what it has of files, as after a start of the box.
func uncache(t *testing.T, dir string) {
	t.Helper()
	l, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range l {
		f, err := os.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			continue // a folder
		}
		f.Sync()
		if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
			t.Log(err)
		}
		f.Close()
	}
}

// slowly takes what is written to it a little at a time, until it is told to hurry.
type slowly struct{ until chan struct{} }

func (w *slowly) Write(p []byte) (int, error) {
	select {
	case <-w.until:
		return io.Discard.Write(p)
	case <-time.After(10 * time.Millisecond):
		return len(p), nil
	}
}

// memory watches the anonymous memory of the process.
type memory struct {
	most atomic.Int64
	end  chan struct{}
}

func watchMemory() *memory {
	m := &memory{end: make(chan struct{})}
	m.most.Store(anonymous())
	go func() {
		for tick := time.NewTicker(20 * time.Millisecond); ; {
			select {
			case <-tick.C:
				m.most.Store(max(m.most.Load(), anonymous()))
			case <-m.end:
				tick.Stop()
				return
			}
		}
	}()
	return m
}

func (m *memory) stop() { close(m.end) }

func (m *memory) note(t *testing.T, after string) {
	t.Helper()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	t.Logf("%-44s %d MiB now, %d at most; heap %d, from the system %d", "memory after "+after, anonymous()>>20, m.most.Load()>>20, s.HeapAlloc>>20, (s.Sys-s.HeapReleased)>>20)
}

// anonymous gives RssAnon of the process in bytes (proc_pid_status(5)). An emulator's would be
// its own.
func anonymous() int64 {
	if *emulated {
		var s runtime.MemStats
		runtime.ReadMemStats(&s)
		return int64(s.Sys - s.HeapReleased)
	}
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return 0
	}
	defer f.Close()
	for l := bufio.NewScanner(f); l.Scan(); {
		if v, ok := strings.CutPrefix(l.Text(), "RssAnon:"); ok {
			n, _ := strconv.ParseInt(strings.Fields(v)[0], 10, 64)
			return n << 10
		}
	}
	return 0
}
