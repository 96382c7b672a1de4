package storage

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"sotto/storage/keyring"
)

// lookTimes notes so many looks, each a line.
func lookTimes(t testing.TB, s *Store, n int) {
	t.Helper()
	for i := range n {
		if err := s.note(t.Context(), look{viewer: owner, what: fmt.Sprintf("look %d", i)}); err != nil {
			t.Fatal(err)
		}
	}
}

func faultsOf(t testing.TB, s *Store) []AuditFault {
	t.Helper()
	r, err := s.As(owner).VerifyAudit(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return r.Faults
}

// TestTamper changes the trail of a closed box in every way and verifies it then.
func TestTamper(t *testing.T) {
	type line = func(n uint64) []byte
	flip := func(b *bbolt.Bucket, n uint64, at int) error {
		v := bytes.Clone(b.Get(keyOf(n)))
		v[(at+len(v))%len(v)] ^= 1
		return b.Put(keyOf(n), v)
	}
	remove := func(b *bbolt.Bucket, from, to uint64) error {
		for n := from; n <= to; n++ {
			if err := b.Delete(keyOf(n)); err != nil {
				return err
			}
		}
		return nil
	}
	type faults = []AuditFault
	for _, c := range []struct {
		name   string
		damage func(b *bbolt.Bucket, get line) error
		want   faults
	}{
		{"nothing", func(b *bbolt.Bucket, get line) error { return nil }, nil},
		{"cut in the middle", func(b *bbolt.Bucket, get line) error { return remove(b, 8, 9) }, faults{{8, 2, CutMiddle, 0}}},
		{"cut twice", func(b *bbolt.Bucket, get line) error { return errors.Join(remove(b, 8, 9), remove(b, 12, 12)) },
			faults{{8, 2, CutMiddle, 0}, {12, 1, CutMiddle, 0}}},
		{"cut at the beginning", func(b *bbolt.Bucket, get line) error { return remove(b, 1, 3) }, faults{{1, 3, CutBeginning, 0}}},
		{"cut at the end", func(b *bbolt.Bucket, get line) error { return remove(b, 19, 20) }, faults{{19, 2, CutEnd, 0}}},
		{"all removed", func(b *bbolt.Bucket, get line) error { return remove(b, 1, 20) }, faults{{1, 20, CutEnd, 0}}},
		{"link changed", func(b *bbolt.Bucket, get line) error { return flip(b, 7, 3) }, faults{{7, 1, Changed, 0}}},
		{"day changed", func(b *bbolt.Bucket, get line) error { return flip(b, 7, 35) }, faults{{7, 1, Changed, 0}}},
		{"header changed", func(b *bbolt.Bucket, get line) error { return flip(b, 7, 37) }, faults{{7, 1, Changed, 0}}},
		{"row changed", func(b *bbolt.Bucket, get line) error { return flip(b, 7, -1) }, faults{{7, 1, Changed, 0}}},
		{"first changed", func(b *bbolt.Bucket, get line) error { return flip(b, 1, -1) }, faults{{1, 1, Changed, 0}}},
		{"newest changed", func(b *bbolt.Bucket, get line) error { return flip(b, 20, -1) }, faults{{20, 1, Changed, 0}}},
		{"link of the newest changed", func(b *bbolt.Bucket, get line) error { return flip(b, 20, 3) }, faults{{20, 1, Changed, 0}}},
		{"two in a row changed", func(b *bbolt.Bucket, get line) error { return errors.Join(flip(b, 7, -1), flip(b, 8, -1)) },
			faults{{7, 1, Changed, 0}, {8, 1, Changed, 0}}},
		{"emptied", func(b *bbolt.Bucket, get line) error { return b.Put(keyOf(7), nil) }, faults{{7, 1, Changed, 0}}},
		{"cut short", func(b *bbolt.Bucket, get line) error { return b.Put(keyOf(7), get(7)[:40]) }, faults{{7, 1, Changed, 0}}},
		{"made longer", func(b *bbolt.Bucket, get line) error { return b.Put(keyOf(7), append(get(7), 0)) }, faults{{7, 1, Changed, 0}}},
		{"very long", func(b *bbolt.Bucket, get line) error { return b.Put(keyOf(7), append(get(7), make([]byte, 1<<20)...)) }, faults{{7, 1, Changed, 0}}},
		{"neighbours swapped", func(b *bbolt.Bucket, get line) error {
			return errors.Join(b.Put(keyOf(7), get(8)), b.Put(keyOf(8), get(7)))
		}, faults{{7, 1, Moved, 8}, {8, 1, Moved, 7}}},
		{"swapped", func(b *bbolt.Bucket, get line) error {
			return errors.Join(b.Put(keyOf(5), get(15)), b.Put(keyOf(15), get(5)))
		}, faults{{5, 1, Moved, 15}, {15, 1, Moved, 5}}},
		{"copied", func(b *bbolt.Bucket, get line) error { return b.Put(keyOf(8), get(7)) }, faults{{8, 1, Moved, 7}}},
		{"moved", func(b *bbolt.Bucket, get line) error {
			return errors.Join(b.Put(keyOf(15), get(7)), remove(b, 7, 7))
		}, faults{{7, 1, CutMiddle, 0}, {15, 1, Moved, 7}}},
		{"closed up", func(b *bbolt.Bucket, get line) error { // line 7 cut out and all behind it moved up
			for n := uint64(7); n < 20; n++ {
				if err := b.Put(keyOf(n), get(n+1)); err != nil {
					return err
				}
			}
			return remove(b, 20, 20)
		}, nil}, // looked at below
		{"moved behind the end", func(b *bbolt.Bucket, get line) error {
			return errors.Join(b.Put(keyOf(40), get(7)), remove(b, 7, 7))
		}, faults{{7, 1, CutMiddle, 0}, {40, 1, Added, 0}}},
		{"a key that is none", func(b *bbolt.Bucket, get line) error { return b.Put([]byte{0, 0, 0, 0, 0, 0, 0, 7, 1}, get(7)) },
			faults{{0, 1, Added, 0}}},
		{"line 0", func(b *bbolt.Bucket, get line) error { return b.Put(keyOf(0), get(7)) }, faults{{0, 1, Added, 0}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBox(t)
			s := b.open()
			lookTimes(t, s, 20)
			s.Close()
			b.edit(func(tx *bbolt.Tx) error {
				all := tx.Bucket(bucketAudit)
				lines := map[uint64][]byte{}
				for n := uint64(1); n <= 20; n++ {
					lines[n] = bytes.Clone(all.Get(keyOf(n)))
				}
				return c.damage(all, func(n uint64) []byte { return bytes.Clone(lines[n]) })
			})
			s = b.open()
			r, err := s.As(owner).VerifyAudit(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if c.name == "closed up" {
				if r.Bad != 14 || r.Faults[0] != (AuditFault{7, 1, Moved, 8}) || r.Faults[13] != (AuditFault{20, 1, CutEnd, 0}) {
					t.Errorf("found %+v", r)
				}
			} else if !reflect.DeepEqual(r.Faults, c.want) || r.OK() != (len(c.want) == 0) {
				t.Errorf("found %+v, want %+v", r.Faults, c.want)
			}
			if len(r.NotFound) == 0 || len(r.Link) != 64 {
				t.Errorf("report %+v", r)
			}
			// What was damaged stops nobody who reads on.
			p, err := s.As(owner).Audit(t.Context(), AuditQuery{Limit: 500})
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range p.Views {
				if v.Number >= 1 && v.Number <= 20 && !v.Damaged && v.What != fmt.Sprintf("look %d", v.Number-1) {
					t.Errorf("line %d shows as %q", v.Number, v.What)
				}
			}
		})
	}
}

// TestEndLost damages what says where the trail ends, so that lines can be cut off there: the
// box says that it was damaged, in this run and in the trail for ever.
func TestEndLost(t *testing.T) {
	b := newBox(t)
	s := b.open()
	lookTimes(t, s, 20)
	s.Close()
	b.edit(func(tx *bbolt.Tx) error {
		f := tx.Bucket(bucketFormat)
		v := bytes.Clone(f.Get(keyCount))
		v[len(v)-1] ^= 1
		return errors.Join(f.Put(keyCount, v), tx.Bucket(bucketAudit).Delete(keyOf(20)))
	})
	s = b.open()
	if f := faultsOf(t, s); len(f) != 1 || f[0].Fault != BadEnd {
		t.Errorf("found %+v", f)
	}
	wantTrail(t, s, 20, "box: end of the audit trail lost", "terminal owner: verify audit trail")
	s.Close()
	s = b.open()
	if f := faultsOf(t, s); len(f) != 0 {
		t.Errorf("found %+v in a run that knows nothing of it", f)
	}
	if got := trailOf(t, s, 20)[0]; got != "box: end of the audit trail lost" {
		t.Errorf("line 20 is %q", got)
	}
}

// TestChangedMeanwhile changes a line and the count under a box that runs.
func TestChangedMeanwhile(t *testing.T) {
	s := newBox(t).open()
	lookTimes(t, s, 5)
	s.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(bucketAudit).Delete(keyOf(5)) })
	if f, want := faultsOf(t, s), []AuditFault{{5, 1, CutMiddle, 0}}; !reflect.DeepEqual(f, want) {
		t.Errorf("found %+v", f)
	}
	v := verifier{s: s, key: s.linkKey()}
	s.db.Update(func(tx *bbolt.Tx) error {
		tx.Bucket(bucketFormat).Put(keyCount, []byte("x"))
		return tx.Bucket(bucketAudit).Delete(keyOf(6))
	})
	s.db.View(func(tx *bbolt.Tx) error { v.begin(tx); v.some(tx); return nil })
	if f := v.report.Faults; len(f) != 1 || f[0].Fault != BadEnd {
		t.Errorf("found %+v", f)
	}
}

// ageAll has all days before the newest forgotten, and a new day begin.
func nextDay(t *testing.T, s *Store) keyring.Day {
	t.Helper()
	s.wmu.Lock()
	defer s.wmu.Unlock()
	now := s.clock().Add(24 * 3600e9)
	s.clock = fixed(now)
	s.dayBegan = s.dayBegan.Add(-2 * dayPause)
	days := s.nextTable(s.last + 1)
	if len(days) == len(s.table()) {
		t.Fatal("no new day")
	}
	return keyring.Day(len(days) - 1)
}

func dropAll(t *testing.T, s *Store) (n int) {
	t.Helper()
	s.wmu.Lock()
	defer s.wmu.Unlock()
	for {
		k, err := s.dropAgedAudit()
		if err != nil {
			t.Fatal(err)
		}
		if k == 0 {
			return n
		}
		n += k
	}
}

// TestDropAged: lines whose day was forgotten are removed, the checkpoint tells where the rest
// begins, and every change of that shows.
func TestDropAged(t *testing.T) {
	b := newBox(t)
	s := b.open()
	lookTimes(t, s, 1200)
	day := nextDay(t, s)
	lookTimes(t, s, 5)
	if n := dropAll(t, s); n != 0 {
		t.Fatalf("dropped %d lines whose time is not over", n)
	}
	all, old, err := s.countAudit(t.Context(), day)
	if err != nil || all != 1205 || old != 1200 {
		t.Errorf("count: %d, %d, %v", all, old, err)
	}
	s.ring.Forget(keyring.Audit, day)
	if f := faultsOf(t, s); len(f) != 0 {
		t.Errorf("aged: %+v", f)
	}
	p, err := s.As(owner).Audit(t.Context(), AuditQuery{Limit: 10})
	if err != nil || len(p.Views) != 10 || !p.Views[9].Aged || p.Views[9].Damaged || p.Views[9].What != "" || p.Views[0].Aged {
		t.Errorf("%+v, %v", p, err)
	}
	if n := dropAll(t, s); n != 1200 {
		t.Errorf("dropped %d", n)
	}
	good := func(s *Store) {
		t.Helper()
		r, err := s.As(owner).VerifyAudit(t.Context())
		if err != nil || !r.OK() || r.First != 1201 || r.Dropped != 1200 || r.DroppedBad != 0 || r.DroppedEarly != 0 || r.DroppedSince.IsZero() {
			t.Errorf("%+v, %v", r, err)
		}
	}
	good(s)
	s.Close()
	s = b.open()
	good(s)
	s.Close()
	var sealed, first []byte
	b.edit(func(tx *bbolt.Tx) error {
		sealed, first = bytes.Clone(tx.Bucket(bucketFormat).Get(keyAudit)), bytes.Clone(tx.Bucket(bucketAudit).Get(keyOf(1201)))
		return nil
	})
	for _, c := range []struct {
		name   string
		damage func(f, a *bbolt.Bucket) error
		want   AuditFault
	}{
		{"removed", func(f, a *bbolt.Bucket) error { return f.Delete(keyAudit) }, AuditFault{1, 1200, CutBeginning, 0}},
		{"changed", func(f, a *bbolt.Bucket) error {
			return f.Put(keyAudit, append(bytes.Clone(sealed[:len(sealed)-1]), sealed[len(sealed)-1]^1))
		}, AuditFault{1201, 1, BadCheckpoint, 0}},
		{"from elsewhere", func(f, a *bbolt.Bucket) error { return f.Put(keyAudit, f.Get(keyCheck)) }, AuditFault{1201, 1, BadCheckpoint, 0}},
		{"cut behind it", func(f, a *bbolt.Bucket) error { return a.Delete(keyOf(1201)) }, AuditFault{1201, 1, CutBeginning, 0}},
		{"changed behind it", func(f, a *bbolt.Bucket) error { return a.Put(keyOf(1201), append(bytes.Clone(first), 1)) }, AuditFault{1201, 1, Changed, 0}},
		{"a removed line put back", func(f, a *bbolt.Bucket) error { return a.Put(keyOf(1200), first) }, AuditFault{1200, 1, Added, 0}},
	} {
		dir := b.dir
		b.dir = copyOf(t, dir)
		b.edit(func(tx *bbolt.Tx) error { return c.damage(tx.Bucket(bucketFormat), tx.Bucket(bucketAudit)) })
		s := b.open()
		if f := faultsOf(t, s); len(f) != 1 || f[0] != c.want {
			t.Errorf("%s: found %+v, want %+v", c.name, f, c.want)
		}
		s.Close()
		b.dir = dir
	}
}

// copyOf copies a data folder that is not open.
func copyOf(t *testing.T, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	filepath.WalkDir(to, func(path string, d fs.DirEntry, err error) error {
		if d.IsDir() {
			return os.Chmod(path, 0o700)
		}
		return os.Chmod(path, 0o600)
	})
	return to
}

// TestDropBad: a damaged or missing line that ages is counted when it goes.
func TestDropBad(t *testing.T) {
	b := newBox(t)
	s := b.open()
	lookTimes(t, s, 20)
	s.db.Update(func(tx *bbolt.Tx) error {
		a := tx.Bucket(bucketAudit)
		v := bytes.Clone(a.Get(keyOf(5)))
		v[len(v)-1] ^= 1
		return errors.Join(a.Put(keyOf(5), v), a.Delete(keyOf(9)), a.Put(keyOf(12), []byte("x")))
	})
	day := nextDay(t, s)
	lookTimes(t, s, 1)
	s.ring.Forget(keyring.Audit, day)
	if n := dropAll(t, s); n != 19 {
		t.Errorf("dropped %d", n)
	}
	if r, err := s.As(owner).VerifyAudit(t.Context()); err != nil || !r.OK() || r.First != 21 || r.Dropped != 20 || r.DroppedBad != 3 {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestFullTrail: at the bound the oldest go, with a checkpoint, and the health tells.
func TestFullTrail(t *testing.T) {
	b := newBox(t)
	s := b.open()
	s.trail.most = 50
	lookTimes(t, s, 50)
	if h := s.Health(); h.AuditLines != 50 || h.AuditEarly != 0 {
		t.Errorf("%d lines, %d early", h.AuditLines, h.AuditEarly)
	}
	lookTimes(t, s, 20)
	if h := s.Health(); h.AuditLines != 50 || h.AuditEarly != 20 || !strings.Contains(b.log.String(), "audit trail is full") {
		t.Errorf("%d lines, %d early", h.AuditLines, h.AuditEarly)
	}
	r, err := s.As(owner).VerifyAudit(t.Context())
	if err != nil || !r.OK() || r.Lines != 50 || r.DroppedEarly != 21 || r.First != 22 {
		t.Errorf("%+v, %v", r, err)
	}
	s.Close()
	if h := b.open().Health(); h.AuditLines != 50 || h.AuditEarly != 21 {
		t.Errorf("after a restart: %d lines, %d early", h.AuditLines, h.AuditEarly)
	}
}

// TestVerifyMeanwhile verifies while lines are written and dropped.
func TestVerifyMeanwhile(t *testing.T) {
	s := newBox(t).open()
	s.trail.most = 600
	lookTimes(t, s, 700)
	done := make(chan bool)
	go func() {
		defer close(done)
		for i := range 300 {
			s.note(t.Context(), look{viewer: Viewer{Role: Admin}, what: fmt.Sprint("more ", i)})
		}
	}()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		if f := faultsOf(t, s); len(f) > 0 {
			t.Fatalf("found %+v", f)
		}
	}
}

// TestOldCopy: an older copy of the database fits, and the trail says that it was put back.
func TestOldCopy(t *testing.T) {
	b := newBox(t)
	s := b.open()
	lookTimes(t, s, 3)
	s.Close()
	path := filepath.Join(b.dir, fileName)
	old := must(os.ReadFile(path))
	s = b.open()
	lookTimes(t, s, 3)
	s.Close()
	if err := os.WriteFile(path, old, 0o600); err != nil {
		t.Fatal(err)
	}
	s = b.open()
	if f := faultsOf(t, s); len(f) != 0 {
		t.Errorf("found %+v", f)
	}
	wantTrail(t, s, 4, "box: older database in use", "terminal owner: verify audit trail")
}

// TestLinkVector holds the link against one made by hand from FORMAT.md.
func TestLinkVector(t *testing.T) {
	s := newBox(t).open()
	lookTimes(t, s, 2)
	var lines [][]byte
	s.db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket(bucketAudit).ForEach(func(k, v []byte) error {
			if len(k) != 8 || binary.BigEndian.Uint64(k) != uint64(len(lines)+1) {
				t.Errorf("key %x", k)
			}
			lines = append(lines, bytes.Clone(v))
			return nil
		})
	})
	box := s.ring.Box()
	prev := make([]byte, 32)
	for i, v := range lines {
		text := slices.Concat(prev, binary.BigEndian.AppendUint64(nil, uint64(i+1)), v[32:])
		if want := handHMAC(handExpand(box[:], "sotto audit 1"), text); !bytes.Equal(want, v[:32]) {
			t.Errorf("line %d has link %x, want %x", i+1, v[:32], want)
		}
		prev = v[:32]
	}
}

// verifyNow verifies without a line of its own: f comes after the first transaction.
func verifyNow(s *Store, f func()) []AuditFault {
	v := verifier{s: s, key: s.linkKey()}
	s.viewTrail(func(tx *bbolt.Tx) error { v.begin(tx); v.some(tx); return nil })
	for f(); !v.done; {
		s.viewTrail(func(tx *bbolt.Tx) error { v.some(tx); return nil })
	}
	return v.report.Faults
}

// TestVerifyEnd: the newest line must be the one that the box wrote last.
func TestVerifyEnd(t *testing.T) {
	s := newBox(t).open()
	lookTimes(t, s, 5)
	if f := verifyNow(s, func() {}); f != nil {
		t.Errorf("found %+v", f)
	}
	s.db.Update(func(tx *bbolt.Tx) error { return s.putCount(tx, s.count, &auditRows{newest: 5, link: link{1}}) })
	if f, want := verifyNow(s, func() {}), []AuditFault{{5, 1, Changed, 0}}; !reflect.DeepEqual(f, want) {
		t.Errorf("another line with that number: found %+v", f)
	}
	s.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(bucketAudit).Delete(keyOf(5)) })
	if f, want := verifyNow(s, func() {}), []AuditFault{{5, 1, CutEnd, 0}}; !reflect.DeepEqual(f, want) {
		t.Errorf("cut: found %+v", f)
	}
}

// TestVerifyOvertaken: lines that are dropped before the verifier comes to them are no fault, nor
// are those that are written behind the end that it began with.
func TestVerifyOvertaken(t *testing.T) {
	s := newBox(t).open()
	lookTimes(t, s, 3*dropLines)
	if f := verifyNow(s, func() {
		day := nextDay(t, s)
		lookTimes(t, s, 10)
		s.ring.Forget(keyring.Audit, day)
		if n := dropAll(t, s); n != 3*dropLines {
			t.Errorf("dropped %d", n)
		}
	}); f != nil {
		t.Errorf("found %+v", f)
	}
}
