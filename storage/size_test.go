package storage

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"sotto/pbx/number"
)

// TestLimit fills a small database many times over: new records always have room, the oldest
// go with all that the indexes have of them, and nothing counts as damage.
func TestLimit(t *testing.T) {
	b := newBox(t)
	s := b.open()
	setPlan(t, s, testPlan())
	s.limit = 4 << 20
	n, alarmed := 0, false
	for round := range 20 {
		for i := range 1000 {
			r := aRecord()
			r.From.Line = fmt.Sprint("line ", i%7)
			r.To.Number = number.Must(fmt.Sprint("02039477", 10+(n+i)%90))
			s.Append(r)
		}
		n += 1000
		if err := s.flush(); err != nil {
			t.Fatal(err)
		}
		h := s.Health()
		if h.FileUsed > s.limit+512<<10 {
			t.Fatalf("round %d: %d bytes in use", round, h.FileUsed)
		}
		if h.NearLimit && h.Pruned == 0 {
			alarmed = true
		}
		if round == 10 { // what is pruned stays pruned
			s.Close()
			s = b.open()
			s.limit = 4 << 20
			if p, err := s.As(owner).Page(t.Context(), Query{Before: s.oldestID() + 5, Limit: 50}); err != nil || len(p.Views) != 5 || p.More {
				t.Errorf("the oldest: %d, more %v, %v", len(p.Views), p.More, err)
			}
		}
	}
	h := s.Health()
	if !alarmed || !h.NearLimit || h.Pruned == 0 || h.Lost+h.Failed+h.Unreadable != 0 || h.Newest != RecordID(n) {
		t.Errorf("alarm %v, %+v", alarmed, h)
	}
	got := len(all(t, s)) // a look has to have room, too
	left := n + 1 - int(s.oldestID())
	if got < left || left < 1000 {
		t.Errorf("%d records, want %d", got, left)
	}
	count := map[string]int{}
	s.db.View(func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{bucketRecords, bucketBySubject, bucketByLine} {
			tx.Bucket(name).ForEach(func(k, _ []byte) error {
				if count[string(name)]++; idOf(k[len(k)-8:]) < s.oldestID() {
					t.Errorf("%s: of a record that was removed", name)
				}
				return nil
			})
		}
		return nil
	})
	if c := must(s.countJournal(t.Context(), 0)); c.All < left-1 || c.All > left+1 {
		t.Errorf("%d entries beside %d records", c.All, left)
	}
	checkJournals(t, s)
	if count["records"] != left || count["bySubject"] != 2*left || count["byLine"] != 2*left {
		t.Error(count)
	}
	if s.Health().Unreadable != 0 || !strings.Contains(b.log.String(), "database is full") {
		t.Errorf("%+v", s.Health())
	}
	t.Logf("%d records in %d KiB of a file of %d KiB", left, h.FileUsed>>10, h.FileBytes>>10)
	s.Close()
	if h := b.open().Health(); h.FileUsed > s.limit+512<<10 { // measured anew, free pages and all
		t.Errorf("%d bytes in use after a start", h.FileUsed)
	}
}

// TestMappingIsFull runs into the end of the mapping, which the limit is to prevent: an error
// that passes, no panic, and nothing of before is lost.
func TestMappingIsFull(t *testing.T) {
	b := newBox(t)
	s := b.open()
	for range 2000 {
		s.Append(aRecord())
	}
	s.flush()
	s.db.AllocSize = 1 << 20
	s.db.MaxSize = int(s.Health().FileUsed) + 2<<20
	var err error
	for range 100 {
		for range 1000 {
			s.Append(aRecord())
		}
		if err = s.flush(); err != nil {
			break
		}
	}
	h := s.Health()
	if err == nil || h.Failed != 1 || h.Down != nil || h.Lost != 0 {
		t.Fatalf("%v, %+v", err, h)
	}
	s.limit = 1 << 20
	if err := s.flush(); err != nil {
		t.Fatal(err)
	}
	if h := s.Health(); h.Pruned == 0 || h.Queued != 0 || h.Lost != 0 {
		t.Errorf("%+v", h)
	}
}

// TestSetBack puts an older copy of the database back: it is told once, and the box goes on,
// with days that no chain has forgotten.
func TestSetBack(t *testing.T) {
	b := newBox(t)
	s := b.open()
	s.at(day0)
	setPlan(t, s, testPlan())
	s.Append(aRecord())
	s.Close()
	old := must(os.ReadFile(filepath.Join(b.dir, fileName)))
	for range 2 {
		if s = b.open(); s.Health().SetBack != 0 {
			t.Errorf("%d", s.Health().SetBack)
		}
		s.Close()
	}
	s = b.open()
	for i := range 5 {
		s.at(day0.AddDate(0, 0, i))
		s.dayBegan = day0.AddDate(-1, 0, 0)
		r := aRecord()
		r.To.Number = number.Must(fmt.Sprint(20394770 + i)) // a frame of the keyring each
		s.Append(r)
		s.flush()
	}
	s.ring.Forget(1, 3)
	must(s.ring.Rotate())
	s.Close()
	if s = b.open(); s.Health().SetBack != 0 || s.Health().Aged+s.Health().Unreadable != 0 {
		t.Errorf("%+v", s.Health())
	}
	s.Close()
	os.WriteFile(filepath.Join(b.dir, fileName), old, 0o600)
	s = b.open()
	s.at(day0)
	if h := s.Health(); h.SetBack != 5 || h.Newest != 1 || !strings.Contains(b.log.String(), "older copy") {
		t.Errorf("%+v", h)
	}
	s.Append(aRecord())
	if err := s.flush(); err != nil {
		t.Fatal(err)
	}
	if v, err := s.As(owner).Records(t.Context(), Query{}); err != nil || len(v) != 1 || v[0].ID != 2 || v[0].To.State != Shown {
		t.Errorf("%v, %v", v, err)
	}
	if h := s.Health(); h.Lost+h.Unreadable != 0 || s.today() < 3 {
		t.Errorf("today is %d, %+v", s.today(), h)
	}
	s.Close()
	if h := b.open().Health(); h.SetBack != 0 || h.Unreadable != 0 {
		t.Errorf("told twice: %+v", h)
	}
}

// TestCountDamaged: without the count the box goes on, and says so.
func TestCountDamaged(t *testing.T) {
	for _, value := range [][]byte{nil, []byte("x")} {
		b := newBox(t)
		s := b.open()
		s.Append(aRecord())
		s.Close()
		b.edit(func(tx *bbolt.Tx) error {
			if value == nil {
				return tx.Bucket(bucketFormat).Delete(keyCount)
			}
			return tx.Bucket(bucketFormat).Put(keyCount, bytes.Clone(value))
		})
		s = b.open()
		s.Append(aRecord())
		s.flush()
		if h := s.Health(); h.Unreadable != 1 || h.SetBack != 0 || len(all(t, s)) != 2 {
			t.Errorf("%+v", h)
		}
		s.Close()
		if h := b.open().Health(); h.Unreadable != 0 {
			t.Errorf("not mended: %+v", h)
		}
	}
}

// TestOpenReadStallsNobody holds a read open, as a slow backup may, while the file grows to
// many times what it was.
func TestOpenReadStallsNobody(t *testing.T) {
	s := newBox(t).open()
	s.Append(aRecord())
	s.flush()
	s.db.AllocSize = 64 << 10
	before := s.Health().FileBytes
	tx := must(s.db.Begin(false))
	for range 1000 {
		for range 200 {
			s.Append(aRecord())
		}
		if err := s.flush(); err != nil {
			t.Fatal(err)
		}
		if s.Health().FileBytes > 2*before {
			break
		}
	}
	if h := s.Health(); h.FileBytes < 2*before {
		t.Errorf("%d records, from %d to %d bytes", h.Written, before, h.FileBytes)
	}
	if k, _ := tx.Bucket(bucketRecords).Cursor().Last(); idOf(k) != 1 {
		t.Error("the read sees what came later")
	}
	tx.Rollback()
}

// TestReadWhilePruned reads in every way while the oldest records go: none of it counts as
// damage.
func TestReadWhilePruned(t *testing.T) {
	s := newBox(t).open()
	setPlan(t, s, testPlan())
	s.limit = 256 << 10
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for _, q := range []Query{{}, {Person: Person{User: anna}}, {Line: "FXO 1"}, {Until: time.Now()}} {
		wg.Go(func() {
			for ctx.Err() == nil {
				next := q
				for {
					p, err := s.As(owner).Page(t.Context(), next)
					if err != nil {
						t.Error(err)
						return
					}
					if !p.More {
						break
					}
					next.Before = p.Next
				}
			}
		})
	}
	for range 40 {
		for range 100 {
			s.Append(aRecord())
		}
		if err := s.flush(); err != nil {
			t.Error(err)
		}
	}
	cancel()
	wg.Wait()
	if h := s.Health(); h.Pruned == 0 || h.Unreadable+h.Aged != 0 {
		t.Errorf("%+v", h)
	}
}
