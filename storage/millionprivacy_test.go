package storage

import (
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"sotto/pbx"
	"sotto/storage/keyring"
)

// What looking after personal data must keep to in a full store.
const (
	maxLook   = 5 * time.Millisecond // that noting a look adds, of 95 in a hundred
	maxAccess = 10 * time.Second     // the archive of a person with 10,000 records and 100 messages
)

// TestMillionPrivacy prints what looks, journals, exports, archives, the audit trail and the
// daily check cost in the store of [TestMillion], and fails over a limit. It works on a copy.
func TestMillionPrivacy(t *testing.T) {
	if *millionDir == "" {
		t.Skip("needs -million")
	}
	m := newMany(*millionCount)
	dir := m.copy(t)
	s := m.open(t, dir)
	mem := watchMemory()
	defer mem.stop()
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- s.Run(ctx) }()
	defer func() { cancel(); <-ran }()
	w := busy{t: t, s: s, m: m, ctx: ctx}

	// Looks. The viewer has no account, whose looks would be counted after a thousand.
	var looks []time.Duration
	once := func() {
		if err := s.note(ctx, look{viewer: owner, what: "call records", rows: 50}); err != nil {
			t.Error(err)
		}
	}
	for range 200 {
		looks = append(looks, took(once))
	}
	slices.Sort(looks)
	t.Logf("%-44s p50 %v, p95 %v, p99 %v", "a look, until its line is durable", short(looks[100]), short(looks[189]), short(looks[197]))
	if looks[189] > maxLook && !*emulated {
		t.Errorf("noting a look took %v: over %v", looks[189], maxLook)
	}
	commits := s.Health().Commits
	d := took(func() {
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 100 {
					once()
				}
			})
		}
		wg.Wait()
	})
	t.Logf("%-44s %.0f/s, %.1f in a transaction", "looks, 8 at a time", 800/d.Seconds(), 800/float64(s.Health().Commits-commits))

	// Journals.
	staff := func(i int) *Reader { return s.As(Viewer{Role: Staff, User: m.plan.Users[i].ID}) }
	newest := RecordID(s.newestEntry.Load())
	pages(t, "newest of a journal", staff, func(int) Query { return Query{} })
	pages(t, "from anywhere in a journal", staff, func(i int) Query { return Query{Before: 1 + newest*RecordID(i)/100} })
	pages(t, "of a number heard often in a journal", staff, func(i int) Query { return Query{Person: Person{Number: m.number(i % often)}} })
	mem.note(t, "looks")

	// Out of the box.
	var rows int
	var out counted
	background(&w, "CSV export of all call records", func() (err error) {
		out.w = io.Discard
		rows, err = s.As(owner).Export(ctx, Query{}, CSV, &out)
		return err
	})
	t.Logf("%-44s %d rows, %d MiB", "it gave", rows, out.n>>20)
	if rows < m.records {
		t.Errorf("%d rows", rows)
	}
	mem.note(t, "the export")
	person := m.number(0)
	minute := make([]byte, 60*audioSecond)
	for i := range 100 {
		a, err := s.NewAudio(pbx.Party{Number: person}, pbx.Party{User: m.plan.Users[i].ID})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.Write(minute); err != nil {
			t.Fatal(err)
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
	}
	var of Archive
	if d := background(&w, "archive of a person with 100 messages", func() (err error) {
		of, err = s.As(owner).Access(ctx, Person{Number: person}, io.Discard, nil)
		return err
	}); d > maxAccess && !*emulated {
		t.Errorf("the archive of a person took %v: over %v", d, maxAccess)
	}
	t.Logf("%-44s %d records, %d entries of journals, %d messages of a minute, %d MiB", "it holds", of.Records, of.Others, of.Items, of.Bytes>>20)
	if of.Records < m.records/100 || of.Others < m.records/100 || of.Items != 100 || of.Damaged != 0 {
		t.Errorf("%+v", of)
	}
	mem.note(t, "the archive")

	// The audit trail.
	lines, bytes := s.Health().AuditLines, trailBytes(t, s)
	d = took(func() { fillTrail(t, s, m, 100_000-int(lines)) })
	t.Logf("%-44s %v; %.0f bytes a line", "100,000 lines of the audit trail, written", d.Round(time.Millisecond), float64(trailBytes(t, s)-bytes)/float64(100_000-lines))
	var report AuditReport
	background(&w, "verifying them", func() (err error) {
		report, err = s.As(owner).VerifyAudit(ctx)
		return err
	})
	if !report.OK() || report.Lines < 100_000 {
		t.Errorf("%d lines, faults %v", report.Lines, report.Faults)
	}
	for _, c := range []struct {
		what string
		q    AuditQuery
	}{{"newest of the audit trail", AuditQuery{}}, {"of a person in 20,000 lines of it", AuditQuery{About: Person{Number: m.rare()}}}} {
		var l []time.Duration
		for range 20 {
			l = append(l, took(func() {
				if _, err := s.As(owner).Audit(ctx, c.q); err != nil {
					t.Fatal(err)
				}
			}))
		}
		slices.Sort(l)
		t.Logf("page %-39s p50 %v, longest %v", c.what, short(l[10]), short(l[19]))
	}
	mem.note(t, "the audit trail")

	// What the box does by itself, each day and each hour, without its pauses.
	s.keepForever()
	s.wmu.Lock()
	s.keeper.calm = false
	s.wmu.Unlock()
	pieces(t, s, "daily check with nothing due", func(k *keeper) { k.run, k.asked = nil, true }, func(k *keeper) bool { return k.run != nil && k.run.proved })
	pieces(t, s, "looking for persons of whom nothing is left", func(k *keeper) { k.lonely, k.looked, k.toLook = true, time.Time{}, nil },
		func(k *keeper) bool { return !k.lonely && len(k.toLook) == 0 })
	mem.note(t, "the daily check")
	if h := s.Health(); h.Unreadable+h.Lost+h.Failed+uint64(h.Unproven) != 0 {
		t.Errorf("%d unreadable, %d lost, %d failed, %d unproven", h.Unreadable, h.Lost, h.Failed, h.Unproven)
	}
	if most := mem.most.Load(); most > maxAnon {
		t.Errorf("%d MiB of anonymous memory: over %d", most>>20, maxAnon>>20)
	}
}

// background does something while records are written beside it.
func background(w *busy, what string, f func() error) time.Duration {
	w.t.Helper()
	done := make(chan error, 1)
	var d time.Duration
	go func() {
		began := time.Now()
		err := f()
		d = time.Since(began)
		done <- err
	}()
	w.beside(what, func() bool { return len(done) > 0 })
	if err := <-done; err != nil {
		w.t.Fatal(fmt.Errorf("%s: %w", what, err))
	}
	return d
}

// fillTrail writes lines about one person each, a thousand in a transaction.
func fillTrail(t *testing.T, s *Store, m *many, n int) {
	t.Helper()
	s.wmu.Lock()
	defer s.wmu.Unlock()
	for i := 0; i < n; i++ {
		subject, _ := s.ring.Lookup(keyring.User, string(m.plan.Users[i%m.users].ID))
		s.pend(look{viewer: owner, what: "call records", rows: 50, about: []keyring.Subject{subject}})
		if i%1000 == 999 || i == n-1 {
			if err := s.commit(func(*bbolt.Tx) error { return nil }); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func trailBytes(t *testing.T, s *Store) (n int64) {
	t.Helper()
	if err := s.view(func(tx *bbolt.Tx) error {
		st := tx.Bucket(bucketAudit).Stats()
		n = int64(st.BranchAlloc + st.LeafAlloc)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return n
}

// pieces does something of housekeeping to its end, piece by piece, and prints what the pieces
// took, in each of which records wait.
func pieces(t *testing.T, s *Store, what string, ask func(*keeper), done func(*keeper) bool) {
	t.Helper()
	under := func(f func(*keeper)) {
		s.wmu.Lock()
		defer s.wmu.Unlock()
		f(&s.keeper)
	}
	under(ask)
	var all, longest time.Duration
	for n, over := 0, false; ; {
		d := took(func() {
			if _, err := s.housekeep(); err != nil {
				t.Fatal(err)
			}
		})
		n, all, longest = n+1, all+d, max(longest, d)
		if under(func(k *keeper) { over = done(k) }); over || n == math.MaxInt16 {
			t.Logf("%-44s %v in %d pieces, the longest %v", what, short(all), n, short(longest))
			if !over {
				t.Errorf("%s does not end", what)
			}
			return
		}
	}
}
