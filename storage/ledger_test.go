package storage

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"sotto/storage/keyring"
)

// letOne lets something out that is complete.
func letOne(t *testing.T, s *Store, v Viewer, what leaving, rows int, n int64) {
	t.Helper()
	line := must(s.letOut(t.Context(), look{viewer: v, what: what.what}, what))
	if err := line.done(rows, n, true); err != nil {
		t.Fatal(err)
	}
}

func TestLedger(t *testing.T) {
	b := newBox(t)
	s := b.open()
	setPlan(t, s, testPlan())
	now := day0
	s.clock = func() time.Time { return now }
	if err := s.Claim(t.Context(), "Rhabarberfürst", "kaltes wasser am morgen"); err != nil {
		t.Fatal(err)
	}
	boss := s.accounts.Load().list[0].public().Viewer()
	letOne(t, s, boss, leaving{LeftExport, "", "call records as CSV"}, 12, 345)
	now = now.Add(time.Hour)
	letOne(t, s, Viewer{Role: Admin}, leaving{LeftExport, "", "call records as JSON"}, 1, 2)
	letOne(t, s, Viewer{}, leaving{LeftBackup, "stick of Monday", "backup"}, 0, 1<<40)
	letOne(t, s, owner, leaving{LeftBackup, "stick of Monday", "backup"}, 0, 1)
	open := must(s.letOut(t.Context(), look{viewer: owner, what: "call records"}, leaving{LeftExport, "", strings.Repeat("ä", 300)}))
	s.Close()
	s = b.open()
	for range 2 {
		lines := must(s.As(owner).Ledger(t.Context(), LedgerQuery{}))
		if len(lines) != 5 || lines[0].Ended || !lines[1].Ended || lines[0].What != strings.Repeat("ä", maxLedgerText/2) {
			t.Fatalf("%d lines: %+v", len(lines), lines)
		}
		last := lines[4]
		if last.Number != 1 || !last.At.Equal(day0) || last.Kind != LeftExport || last.To != "" || last.Role != Owner || last.Account != "Rhabarberfürst" ||
			len(last.By) != 32 || last.Rows != 12 || last.Bytes != 345 || !last.Whole {
			t.Errorf("%+v", last)
		}
		if by := must(s.As(Viewer{Role: PrivacyOfficer}).Ledger(t.Context(), LedgerQuery{}))[4]; by.Account != "" || by.By != last.By {
			t.Errorf("a privacy officer is told the name of an account: %+v", by)
		}
		if l := must(s.As(owner).Ledger(t.Context(), LedgerQuery{Before: 3, Limit: 1})); len(l) != 1 || l[0].Number != 2 {
			t.Errorf("before 3: %+v", l)
		}
		if l := must(s.As(owner).Ledger(t.Context(), LedgerQuery{From: day0.Add(time.Minute), Until: day0.Add(time.Hour)})); len(l) != 0 {
			t.Errorf("by time: %+v", l)
		}
		list := must(s.As(owner).Recipients(t.Context()))
		var got []string
		for _, r := range list {
			got = append(got, fmt.Sprintf("%s/%s/%v %d %d %d", r.Kind, r.To, r.Role, r.Times, r.Rows, r.Bytes))
		}
		same(t, "recipients", got, "backup/stick of Monday/nobody 2 0 1099511627777", "export//owner 2 12 345", "export//admin 1 1 2")
	}
	_ = open
	for _, v := range []Viewer{{Role: Installer}, {Role: Staff, User: anna}, {}} {
		if _, err := s.As(v).Ledger(t.Context(), LedgerQuery{}); !errors.Is(err, ErrNotAllowed) {
			t.Errorf("%v: %v", v.Role, err)
		}
		if _, err := s.As(v).Recipients(t.Context()); !errors.Is(err, ErrNotAllowed) {
			t.Errorf("%v: %v", v.Role, err)
		}
	}
}

// A line of the ledger and its line of the trail are there both or not at all.
func TestLedgerAndTrailAreOne(t *testing.T) {
	s := newBox(t).open()
	setPlan(t, s, testPlan())
	before := len(linesOf(t, s))
	letOne(t, s, owner, leaving{LeftExport, "", "call records as CSV"}, 1, 1)
	if n := len(linesOf(t, s)); n != before+1 {
		t.Errorf("%d lines of the trail more, want 1", n-before)
	}
	if err := s.db.Update(func(tx *bbolt.Tx) error { return tx.DeleteBucket(bucketLedger) }); err != nil {
		t.Fatal(err)
	}
	if _, err := s.letOut(t.Context(), look{viewer: owner, what: "call records as CSV"}, leaving{LeftExport, "", "call records as CSV"}); err == nil {
		t.Error("something leaves without its line")
	}
	if n := len(linesOf(t, s)); n != before+1 {
		t.Errorf("%d lines of the trail more, want 1", n-before)
	}
}

// A line that was changed, or put in the place of another, is counted and not shown.
func TestLedgerTampered(t *testing.T) {
	s := newBox(t).open()
	setPlan(t, s, testPlan())
	for i := range 5 {
		letOne(t, s, owner, leaving{LeftExport, "", fmt.Sprint("number ", i+1)}, i, 1)
	}
	if err := s.db.Update(func(tx *bbolt.Tx) error {
		l := tx.Bucket(bucketLedger)
		one, two, four := bytes.Clone(l.Get(keyOf(1))), bytes.Clone(l.Get(keyOf(2))), bytes.Clone(l.Get(keyOf(4)))
		four[len(four)-1]++
		return errors.Join(l.Put(keyOf(1), two), l.Put(keyOf(2), one), l.Put(keyOf(4), four), l.Put(keyOf(6), nil), l.Put(keyOf(7), make([]byte, maxLedgerLine+1)))
	}); err != nil {
		t.Fatal(err)
	}
	lines := must(s.As(owner).Ledger(t.Context(), LedgerQuery{}))
	if len(lines) != 2 || lines[0].Number != 5 || lines[1].Number != 3 {
		t.Errorf("%+v", lines)
	}
	if n := s.Health().Unreadable; n != 5 {
		t.Errorf("%d are counted, want 5", n)
	}
}

// A ledger that is full loses its oldest lines, and goes on.
func TestLedgerFull(t *testing.T) {
	s := newBox(t).open()
	setPlan(t, s, testPlan())
	for i := range 3 {
		letOne(t, s, owner, leaving{LeftExport, "", fmt.Sprint("number ", i+1)}, i, 1)
	}
	if err := s.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(bucketLedger).SetSequence(maxLedger + 1) }); err != nil {
		t.Fatal(err)
	}
	letOne(t, s, owner, leaving{LeftExport, "", "one more"}, 1, 1)
	lines := must(s.As(owner).Ledger(t.Context(), LedgerQuery{}))
	if len(lines) != 2 || lines[0].Number != maxLedger+2 || lines[1].Number != 3 {
		t.Errorf("%+v", lines)
	}
}

func TestLedgerAges(t *testing.T) {
	s := newBox(t).open()
	setPlan(t, s, testPlan())
	now := day0
	s.clock = func() time.Time { return now }
	const old = maxDrop + 20
	for range old {
		letOne(t, s, owner, leaving{LeftExport, "", "old"}, 1, 1)
	}
	long := must(s.letOut(t.Context(), look{viewer: owner, what: "call records"}, leaving{LeftExport, "", "long"}))
	now = now.Add(48 * time.Hour)
	s.dayBegan = time.Time{}
	letOne(t, s, owner, leaving{LeftExport, "", "new"}, 1, 1)
	if n, err := s.dropLedger(); err != nil || n != 0 {
		t.Errorf("%d dropped before their time: %v", n, err)
	}
	s.ring.Forget(keyring.Audit, s.today())
	if lines := must(s.As(owner).Ledger(t.Context(), LedgerQuery{Limit: 500})); len(lines) != 1 || lines[0].What != "new" {
		t.Errorf("%d lines", len(lines))
	}
	for _, want := range []int{maxDrop, old + 1 - maxDrop, 0} {
		if n, err := s.dropLedger(); err != nil || n != want {
			t.Errorf("%d dropped, want %d: %v", n, want, err)
		}
	}
	if err := long.done(1, 1, true); err != nil {
		t.Error(err)
	}
	if n := s.Health().Unreadable; n != 0 {
		t.Errorf("%d count as damaged", n)
	}
	letOne(t, s, owner, leaving{LeftExport, "", "newest"}, 1, 1)
	if lines := must(s.As(owner).Ledger(t.Context(), LedgerQuery{})); len(lines) != 2 || lines[0].Number != old+3 {
		t.Errorf("%d lines", len(lines))
	}
}

// dropLedger is dropAgedLedger as housekeeping calls it.
func (s *Store) dropLedger() (int, error) {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	return s.dropAgedLedger()
}
