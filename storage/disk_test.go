package storage

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"io/fs"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"sotto/pbx"
)

// TestSwapped exchanges values in the database behind the store's back.
func TestSwapped(t *testing.T) {
	b := newBox(t)
	s, stop := b.run()
	for range 3 {
		s.Append(aRecord())
	}
	sync1(t, s)
	stop()
	edit := func(f func(r *bbolt.Bucket) error) {
		t.Helper()
		db, err := bbolt.Open(filepath.Join(b.dir, fileName), 0o600, &bbolt.Options{Timeout: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Update(func(tx *bbolt.Tx) error { return f(tx.Bucket(bucketRecords)) }); err != nil {
			t.Fatal(err)
		}
		db.Close()
	}
	var one, two []byte
	edit(func(r *bbolt.Bucket) error {
		one, two = bytes.Clone(r.Get(keyOf(1))), bytes.Clone(r.Get(keyOf(2)))
		r.Put(keyOf(1), two)
		return r.Put(keyOf(2), one)
	})
	look := func() ([]RecordView, Health) {
		s := b.open()
		defer s.Close()
		v, err := s.As(Viewer{Role: Owner}).Records(t.Context(), Query{})
		if err != nil {
			t.Fatal(err)
		}
		return v, s.Health()
	}
	if v, h := look(); len(v) != 1 || v[0].ID != 3 || h.Unreadable != 2 {
		t.Errorf("swapped records: %d shown, %d unreadable", len(v), h.Unreadable)
	}
	// The two parties of one record, then a part of another record.
	row := must(splitRow(bucketRecords, keyOf(1), 0, one)) // box, caller, called party, its last digits
	other := must(splitRow(bucketRecords, keyOf(2), 0, two))
	p := row.list
	twice := append(slices.Clone(one[:len(row.head)]), two[len(row.head):]...)
	for name, value := range map[string][]byte{
		"parties exchanged":       row.join(p[0], p[2], p[3], p[1]),
		"party left out":          row.join(p[0], p[1]),
		"digits left out":         row.join(p[0], p[1], p[2]),
		"party added":             row.join(p[0], p[1], p[2], p[3], p[1]),
		"box's alone":             row.join(p[0]),
		"no part":                 row.join(),
		"header of another":       twice,
		"box's taken out":         row.join(part{class: p[0].class}, p[1], p[2], p[3]),
		"box's of another record": row.join(other.list[0], p[1], p[2], p[3]),
		"another class":           row.join(p[0], part{p[1].class + 1, p[1].subject, p[1].data}, p[2], p[3]),
		"another subject":         row.join(p[0], part{p[1].class, p[2].subject, p[1].data}, p[2], p[3]),
		"format of single values": append([]byte{1}, one[1:]...),
		"nothing":                 nil,
		"cut":                     one[:len(one)-1],
		"longer than any is":      append(slices.Clone(one), make([]byte, maxRecord)...),
	} {
		edit(func(r *bbolt.Bucket) error { r.Put(keyOf(2), two); return r.Put(keyOf(1), value) })
		if v, h := look(); len(v) != 2 || h.Unreadable != 1 {
			t.Errorf("%s: %d shown, %d unreadable", name, len(v), h.Unreadable)
		}
	}
	for name, c := range map[string]struct {
		value    []byte
		from, to State
	}{
		"caller of another record": {row.join(p[0], other.list[1], p[2], p[3]), Unsealed, Shown},
		"caller taken out":         {row.join(p[0], part{p[1].class, p[1].subject, nil}, p[2], p[3]), Unsealed, Shown},
		"party taken out":          {row.join(p[0], p[1], part{p[2].class, p[2].subject, nil}, p[3]), Shown, Unsealed},
		"digits taken out":         {row.join(p[0], p[1], p[2], part{p[3].class, p[3].subject, nil}), Shown, Unsealed},
		"digits of another record": {row.join(p[0], p[1], p[2], other.list[3]), Shown, Unsealed},
	} {
		edit(func(r *bbolt.Bucket) error { return r.Put(keyOf(1), c.value) })
		if v, h := look(); len(v) != 3 || v[2].From.State != c.from || v[2].To.State != c.to || h.Unreadable != 1 {
			t.Errorf("%s: %v, %d unreadable", name, v, h.Unreadable)
		}
	}
	r := aRecord() // both parties are one person, so their parts have one subject
	r.To = pbx.Party{User: anna, Ext: "84062"}
	s = b.open()
	sealed := must(s.sealAlone(1, 0, &r)).value
	s.Close()
	row = must(splitRow(bucketRecords, keyOf(1), 0, sealed))
	edit(func(r *bbolt.Bucket) error { return r.Put(keyOf(1), row.join(row.list[0], row.list[2], row.list[1])) })
	if v, h := look(); len(v) != 3 || v[2].From.State != Unsealed || v[2].To.State != Unsealed || h.Unreadable != 2 {
		t.Errorf("parties of one person exchanged: %v, %d unreadable", v, h.Unreadable)
	}
	edit(func(r *bbolt.Bucket) error { r.Put(keyOf(1), one); return r.Delete(keyOf(2)) })
	if v, h := look(); len(v) != 2 || h.Unreadable != 1 {
		t.Errorf("deleted record: %d shown, %d unreadable", len(v), h.Unreadable)
	}
	edit(func(r *bbolt.Bucket) error { r.Put(keyOf(2), two); return r.Delete(keyOf(3)) })
	if v, h := look(); len(v) != 2 || h.Unreadable != 1 {
		t.Errorf("newest record deleted: %d shown, %d unreadable", len(v), h.Unreadable)
	}
}

// join makes a value of the row's header and these parts.
func (r *parts) join(list ...part) []byte {
	v := slices.Clone(r.head[:])
	for i, p := range list {
		v = appendHead(v, list, i)
		v = binary.AppendUvarint(v, uint64(len(p.data)))
		v = append(v, p.data...)
	}
	return v
}

// TestKeyGone puts a keyring back that is older than the records: the person whose key
// it lacks is shown as no longer kept, the other party and the rest of the call as ever, and
// that keys were lost is told.
func TestKeyGone(t *testing.T) {
	b := newBox(t)
	s, stop := b.run()
	if _, err := s.SetPlan(t.Context(), owner, 0, testPlan()); err != nil { // makes the users' keys
		t.Fatal(err)
	}
	s.Append(pbx.Record{From: aRecord().From, Outcome: pbx.Abandoned}) // makes the box's chain
	sync1(t, s)
	tails, _ := filepath.Glob(filepath.Join(b.dir, "keyring.tail-*"))
	old := must(os.ReadFile(tails[0]))
	s.Append(aRecord())
	sync1(t, s)
	stop()
	os.WriteFile(tails[0], old, 0o600)
	s = b.open()
	if !s.Health().KeysLost {
		t.Error("nothing tells that keys were lost")
	}
	v, err := s.As(owner).Records(t.Context(), Query{})
	if err != nil || len(v) != 2 {
		t.Fatal(len(v), err)
	}
	if v[0].From.User != anna || v[0].To != (PartyView{State: Aged, Line: "FXO 1"}) || v[0].Outcome != pbx.Answered {
		t.Errorf("from %v, to %v", v[0].From, v[0].To)
	}
	s.Append(aRecord()) // a call after it makes a new subject
	s.flush()
	if v, _ = s.As(owner).Records(t.Context(), Query{}); len(v) != 3 || v[0].To.State != Shown || v[1].To.State != Aged {
		t.Errorf("%v", v)
	}
}

// TestFlippedBits flips bits of the database at random places. Each ends in an error of
// Open, in a read error, in records missing and counted, or in nothing, never in a wrong
// record.
func TestFlippedBits(t *testing.T) {
	b := newBox(t)
	s, stop := b.run()
	rnd := rand.New(rand.NewPCG(7, 8))
	if _, err := s.SetPlan(t.Context(), Viewer{Role: Owner}, 0, testPlan()); err != nil {
		t.Fatal(err)
	}
	want := map[RecordID]pbx.Record{}
	for i := range 300 {
		r := randomRecord(rnd)
		want[RecordID(i+1)] = r
		s.Append(r)
		if i%40 == 0 {
			sync1(t, s)
		}
	}
	sync1(t, s)
	stop()
	refused, unread, counted, harmless := 0, 0, 0, 0
	for at := range b.flips(rnd, *flips) {
		s, err := b.tryOpen()
		if err != nil {
			refused++
			if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrStranger) && !errors.Is(err, ErrNewer) {
				t.Errorf("byte %d: %v", at, err)
			}
			continue
		}
		if p, _ := s.CurrentPlan(); !reflect.DeepEqual(p, testPlan()) {
			t.Errorf("byte %d: another plan", at)
		}
		var before RecordID
		seen, damagedParties := 0, 0
		for {
			var page []RecordView
			if page, err = s.As(Viewer{Role: Owner}).Records(t.Context(), Query{Before: before, Limit: 200}); err != nil || len(page) == 0 {
				break
			}
			for _, v := range page {
				before = v.ID
				seen++
				if v.From.State == Unsealed || v.To.State == Unsealed {
					damagedParties++
				} else if !reflect.DeepEqual(v.record(t), want[v.ID]) {
					t.Errorf("byte %d: record %d is wrong", at, v.ID)
				}
			}
		}
		h := s.Health()
		switch {
		case err != nil && errors.Is(err, ErrDamaged):
			unread++
		case err != nil && b.offTheEnd(err): // of a free page that there is not, where the look would have been noted
			unread++
		case err != nil:
			t.Errorf("byte %d: %v", at, err)
		case seen == len(want) && h.Unreadable == 0:
			harmless++
		case h.Unreadable > 0:
			counted++
		case h.Newest < 300: // one of the two heads of the file: bbolt falls back to the transaction before
			harmless++
		default:
			t.Errorf("byte %d: %d records shown, %d parties, none counted", at, seen, damagedParties)
		}
		s.Close()
	}
	t.Logf("refused %d, unread %d, counted %d, harmless %d", refused, unread, counted, harmless)
	if refused == 0 || counted == 0 || harmless == 0 {
		t.Error("the flips did not reach every case")
	}
}

// offTheEnd tells whether an error is that of a write at a place that no file has.
func (b *box) offTheEnd(err error) bool {
	var p *fs.PathError
	return errors.As(err, &p) && p.Path == filepath.Join(b.dir, fileName) && (errors.Is(err, syscall.EFBIG) || p.Err.Error() == "negative offset")
}

// flips is for how many bits the tests of flipped bits flip.
var flips = flag.Int("flips", 400, "how many bits to flip in each test of flipped bits")

// flips flips one bit after the other of the database, each alone, and tells where. What was
// written to the folder since, as a look does, is undone for the next.
func (b *box) flips(rnd *rand.Rand, n int) iter.Seq[int] {
	path := filepath.Join(b.dir, fileName)
	good := must(os.ReadFile(path))
	before := map[string][]byte{}
	for _, e := range must(os.ReadDir(b.dir)) {
		before[e.Name()] = must(os.ReadFile(filepath.Join(b.dir, e.Name())))
	}
	var used []int // bytes of pages that hold something; bbolt makes the file larger than it needs
	for page := 0; page < len(good); page += os.Getpagesize() {
		if p := good[page : page+os.Getpagesize()]; len(bytes.Trim(p, "\x00")) > 0 {
			for i := range p {
				used = append(used, page+i)
			}
		}
	}
	var format []int // pages that say which format this is, one of them in use
	for page := 0; page < len(good); page += os.Getpagesize() {
		if bytes.Contains(good[page:page+os.Getpagesize()], keyVersion) {
			format = append(format, page)
		}
	}
	put := func(at int, b byte) {
		f := must(os.OpenFile(path, os.O_WRONLY, 0))
		must(f.WriteAt([]byte{b}, int64(at)))
		f.Close()
	}
	return func(yield func(int) bool) {
		for i := range n {
			at := used[rnd.IntN(len(used))]
			if i%8 == 1 {
				at = format[rnd.IntN(len(format))] + rnd.IntN(os.Getpagesize())
			}
			if i%4 == 0 { // the heads of pages and lists
				at = at/os.Getpagesize()*os.Getpagesize() + rnd.IntN(160)
			}
			put(at, good[at]^1<<rnd.IntN(8))
			more := yield(at)
			for name, data := range before {
				if err := os.WriteFile(filepath.Join(b.dir, name), data, 0o600); err != nil {
					panic(err)
				}
			}
			if !more {
				return
			}
		}
	}
}
