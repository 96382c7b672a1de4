package storage

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"go.etcd.io/bbolt"

	"sotto/storage/keyring"
)

// linesOf gives what is written in the trail, oldest first.
func linesOf(t testing.TB, s *Store) (list []lineJSON) {
	t.Helper()
	if err := s.db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket(bucketAudit).ForEach(func(k, v []byte) error {
			j, err := s.openLine(k, v)
			if err != nil {
				return fmt.Errorf("line %d: %w", idOf(k), err)
			}
			list = append(list, j)
			return nil
		})
	}); err != nil {
		t.Error(err)
	}
	return list
}

// trailOf gives the lines from a number on, oldest first, as "account admin: plan 2 +3 [before > after]", where
// 2 is how many it shows and 3 how many looks more it stands for.
func trailOf(t testing.TB, s *Store, from int) (list []string) {
	t.Helper()
	lines := linesOf(t, s)
	for _, j := range lines[min(from-1, len(lines)):] {
		text := [...]string{"nobody", "account", "box", "terminal", "stranger"}[j.By]
		if j.Role != 0 {
			text += " " + j.Role.String()
		}
		text += ": " + j.What
		if j.Rows > 0 {
			text += fmt.Sprintf(" %d", j.Rows)
		}
		if j.More > 0 {
			text += fmt.Sprintf(" +%d", j.More)
		}
		if j.Before != "" || j.After != "" {
			text += " [" + j.Before + " > " + j.After + "]"
		}
		list = append(list, text)
	}
	return list
}

// wantTrail compares the trail from a line on with what it should be.
func wantTrail(t testing.TB, s *Store, from int, want ...string) {
	t.Helper()
	if got := trailOf(t, s, from); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("the trail from line %d on is\n%s\nwant\n%s", from, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func fixed(t time.Time) func() time.Time { return func() time.Time { return t } }

// handHMAC and handExpand are RFC 2104 and one block of RFC 5869 section 2.3, with SHA-256.
func handHMAC(key, text []byte) []byte {
	inner, outer := bytes.Repeat([]byte{0x36}, 64), bytes.Repeat([]byte{0x5c}, 64)
	for i, b := range key {
		inner[i] ^= b
		outer[i] ^= b
	}
	in := sha256.Sum256(append(inner, text...))
	out := sha256.Sum256(append(outer, in[:]...))
	return out[:]
}

func handExpand(key []byte, info string) []byte { return handHMAC(key, append([]byte(info), 1)) }

// TestNotesTogether: looks that wait at the same time share a transaction, each has its line,
// and none returns before.
func TestNotesTogether(t *testing.T) {
	b := newBox(t)
	s := b.open()
	before := s.Health().Commits
	var wg sync.WaitGroup
	s.wmu.Lock()
	for i := range 50 {
		wg.Go(func() {
			if err := s.note(t.Context(), look{viewer: owner, what: fmt.Sprint("look ", i)}); err != nil {
				t.Error(err)
			}
		})
	}
	for waiting := 0; waiting < 50; {
		s.trail.mu.Lock()
		waiting = len(s.trail.waiting)
		s.trail.mu.Unlock()
		runtime.Gosched()
	}
	s.wmu.Unlock()
	wg.Wait()
	if n := s.Health().Commits - before; n != 1 || len(linesOf(t, s)) != 50 {
		t.Errorf("%d transactions, %d lines", n, len(linesOf(t, s)))
	}
	if f := faultsOf(t, s); len(f) > 0 {
		t.Errorf("found %+v", f)
	}
}

// TestNotesAndRecords notes, changes, writes records and reads the trail at the same time.
func TestNotesAndRecords(t *testing.T) {
	b := newBox(t)
	s, stop := b.run()
	setPlan(t, s, testPlan())
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			for n := range 30 {
				v := Viewer{Role: Admin, Account: AccountID(fmt.Sprint(i % 3))}
				s.note(t.Context(), look{viewer: v, what: "each"})
				s.note(t.Context(), look{viewer: v, what: "again", merge: again})
				s.note(t.Context(), look{stranger: true, what: "failed"})
				s.Append(aRecord())
				if n%10 == 0 {
					s.As(owner).Audit(t.Context(), AuditQuery{})
					_, rev := s.CurrentPlan()
					s.SetPlan(t.Context(), owner, rev, testPlan())
				}
			}
		})
	}
	wg.Wait()
	count := map[string]int{}
	for _, j := range linesOf(t, s) {
		count[j.What]++
	}
	if count["each"] != 180 || count["again"] != 3 || count["failed"] != 1 {
		t.Errorf("%v", count)
	}
	if f := faultsOf(t, s); len(f) > 0 {
		t.Errorf("found %+v", f)
	}
	stop()
	s = b.open()
	if f := faultsOf(t, s); len(f) > 0 {
		t.Errorf("found %+v", f)
	}
}

// TestNoteFails: what cannot be noted is an error, with and without Run.
func TestNoteFails(t *testing.T) {
	s := newBox(t).open()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.note(gone, look{viewer: owner, what: "x"}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	s.wmu.Lock()
	s.broken = true
	s.wmu.Unlock()
	if err := s.note(t.Context(), look{viewer: owner, what: "x"}); !errors.Is(err, ErrDown) {
		t.Error(err)
	}
	s.wmu.Lock()
	s.broken = false
	s.wmu.Unlock()
	if got := len(linesOf(t, s)); got != 0 {
		t.Errorf("%d lines", got)
	}
	s.Close()
	if err := s.note(t.Context(), look{viewer: owner, what: "x"}); !errors.Is(err, ErrDown) {
		t.Error(err)
	}
}

// TestChangeAndLine: the line of a change is in its transaction. One that fails leaves none, and
// of a box that was cut off in between both are there or neither.
func TestChangeAndLine(t *testing.T) {
	b := newBox(t)
	s := b.open()
	setPlan(t, s, testPlan())
	lines := len(linesOf(t, s))
	bad := testPlan()
	bad.Users[1].Ext = bad.Users[0].Ext
	if _, err := s.SetPlan(t.Context(), owner, 1, bad); err == nil {
		t.Error("a wrong plan was taken")
	}
	if _, err := s.SetPlan(t.Context(), owner, 9, testPlan()); !errors.Is(err, ErrConflict) {
		t.Error(err)
	}
	if _, err := s.Erase(t.Context(), owner, Person{Number: otherCaller}); !errors.Is(err, ErrUnknownPerson) {
		t.Error(err)
	}
	if _, err := s.MakeSecret(t.Context(), owner, anna, markedSecret); !errors.Is(err, ErrNoTelephone) {
		t.Error(err)
	}
	broken := errors.New("the medium says no")
	s.wmu.Lock()
	s.pend(look{what: "a change that fails"})
	if err := s.commit(func(*bbolt.Tx) error { return broken }); !errors.Is(err, broken) {
		t.Error(err)
	}
	if err := s.commit(func(*bbolt.Tx) error { return nil }); err != nil {
		t.Error(err)
	}
	s.wmu.Unlock()
	if got := len(linesOf(t, s)); got != lines {
		t.Errorf("failed changes have left %d lines", got-lines)
	}
	before := copyOf(t, b.dir)
	p := testPlan()
	p.Users[0].Protected = true
	setPlan(t, s, p)
	after := copyOf(t, b.dir)
	s.Close()
	for dir, want := range map[string]int{before: 0, after: 1} {
		b.dir = dir
		s := b.open()
		_, rev := s.CurrentPlan()
		if got := len(linesOf(t, s)) - lines; got != want || rev != Rev(1+want) {
			t.Errorf("revision %d with %d lines", rev, got)
		}
		s.Close()
	}
}

// TestTrailHolds searches every line of a busy day, opened, for what must not be there.
func TestTrailHolds(t *testing.T) {
	b := newBox(t)
	s := b.open()
	s.claim(t)
	a := must(s.LogIn(t.Context(), ownerName, ownerPassword))
	s.LogIn(t.Context(), "Apfelmus-Gehilfin", "Quittenkompott")
	v := a.Viewer()
	_, rev := s.CurrentPlan()
	must(s.SetPlan(t.Context(), v, rev, testPlan()))
	p := testPlan()
	p.Users[0].Name, p.Users[0].Protected, p.Lines[0].Name = "Quittenkompott", true, "Zwiebelfon"
	must(s.SetPlan(t.Context(), v, 1, p))
	must(s.MakeSecret(t.Context(), v, boris, markedSecret))
	must(s.AddAccount(t.Context(), v, "Apfelmus-Gehilfin", ownerPassword, Staff, anna))
	for range 3 {
		s.Append(aRecord())
		s.Append(callFrom(callerShown, anna))
	}
	s.flush()
	r := s.As(v)
	must(r.Records(t.Context(), Query{Person: Person{Number: callerShown}}))
	must(r.Find(t.Context(), Person{Number: callerShown}))
	must(r.Find(t.Context(), Person{User: anna}))
	must(s.Erase(t.Context(), v, Person{Number: callerShown}))
	must(s.Erase(t.Context(), v, Person{User: boris}))
	must(r.Audit(t.Context(), AuditQuery{About: Person{User: anna}}))
	if err := s.ChangePassword(t.Context(), a.ID, "Quittenkompott", "Kirschkern & 8 Zwerge"); err == nil {
		t.Error("a wrong password")
	}
	lines := linesOf(t, s)
	if len(lines) < 14 {
		t.Errorf("%d lines", len(lines))
	}
	digits := regexp.MustCompile(`\d{3}`)
	for n, j := range lines {
		text := string(must(json.Marshal(j)))
		for _, m := range append(markers, string(anna), string(boris), string(a.ID), "Amt") {
			if strings.Contains(text, m) {
				t.Errorf("line %d holds %q: %s", n+1, m, text)
			}
		}
		if said := j.What + j.Before + j.After; digits.MatchString(said) {
			t.Errorf("line %d says %q", n+1, said)
		}
	}
	if j := lines[len(lines)-1]; j.By != ByAccount || len(j.Who) != 32 {
		t.Errorf("%+v", j)
	}
}

// TestLongLine: what is too long is cut, at a character.
func TestLongLine(t *testing.T) {
	s := newBox(t).open()
	about := make([]keyring.Subject, 3000)
	long := strings.Repeat("ö", 10_000)
	if err := s.note(t.Context(), look{viewer: owner, what: "x" + long, before: long, after: "x" + long, about: about}); err != nil {
		t.Fatal(err)
	}
	j := linesOf(t, s)[0]
	if len(j.What) > maxWhat || len(j.Before) != maxText || len(j.After) != maxText-1 || len(j.About) != maxAbout || j.Others != 3000-maxAbout ||
		!utf8.ValidString(j.What+j.Before+j.After) {
		t.Errorf("%d, %d, %d, %d, %d", len(j.What), len(j.Before), len(j.After), len(j.About), j.Others)
	}
}

// BenchmarkLook is a page of 50 records, with the look noted and without. What noting adds is
// one synced transaction: it is of the medium, and here of that of the temporary folder.
func BenchmarkLook(b *testing.B) {
	s := benchStore(b)
	for range 200 {
		s.Append(aRecord())
	}
	s.flush()
	r := s.As(owner)
	q := Query{Limit: 50}
	var with, without time.Duration
	for b.Loop() {
		began := time.Now()
		must(r.find(b.Context(), q, maxLooked))
		between := time.Now()
		must(r.Page(b.Context(), q))
		without += between.Sub(began)
		with += time.Since(between)
	}
	b.ReportMetric(float64(without.Microseconds())/float64(b.N), "µs/page")
	b.ReportMetric(float64((with-without).Microseconds())/float64(b.N), "µs/look")
}

// BenchmarkVerify is a trail of 10,000 lines.
func BenchmarkVerify(b *testing.B) {
	s := benchStore(b)
	s.wmu.Lock()
	for range 100 {
		for range 100 {
			s.pend(look{viewer: owner, what: "call records", rows: 50, about: make([]keyring.Subject, 1)})
		}
		if err := s.commit(func(*bbolt.Tx) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
	s.wmu.Unlock()
	for b.Loop() {
		if r, err := s.As(owner).VerifyAudit(b.Context()); err != nil || !r.OK() {
			b.Fatal(r, err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/10_000, "µs/line")
}
