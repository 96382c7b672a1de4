package storage

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"sotto/pbx"
	"sotto/storage/keyring"
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
	// The two parties of one record, then a party of another record.
	sections, _ := splitRow(one)
	join := func(list ...section) (v []byte) {
		for _, sec := range list {
			v = append(v, sec.subject[:]...)
			v = append(v, 0, 0, byte(len(sec.data)>>8), byte(len(sec.data)))
			v = append(v, sec.data...)
		}
		return v
	}
	other, _ := splitRow(two)
	for name, value := range map[string][]byte{
		"parties exchanged": join(sections[0], sections[2], sections[1]),
		"party left out":    join(sections[0], sections[1]),
		"nothing":           nil,
		"cut":               one[:len(one)-1],
	} {
		edit(func(r *bbolt.Bucket) error { r.Put(keyOf(2), two); return r.Put(keyOf(1), value) })
		if v, h := look(); len(v) != 2 || h.Unreadable != 1 {
			t.Errorf("%s: %d shown, %d unreadable", name, len(v), h.Unreadable)
		}
	}
	edit(func(r *bbolt.Bucket) error { return r.Put(keyOf(1), join(sections[0], other[1], sections[2])) })
	if v, h := look(); len(v) != 3 || v[2].From.State != Unsealed || v[2].To.State != Shown || h.Unreadable != 1 {
		t.Errorf("party of another record: %v, %d unreadable", v, h.Unreadable)
	}
	r := aRecord() // both parties are one person, so their sections have one subject
	r.To = pbx.Party{User: anna, Ext: "84062"}
	s = b.open()
	sealed := must(s.sealRecord(1, &r)).value
	s.Close()
	sections, _ = splitRow(sealed)
	edit(func(r *bbolt.Bucket) error { return r.Put(keyOf(1), join(sections[0], sections[2], sections[1])) })
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

// TestKeyGone puts a keyring back that is older than the records: the person whose key
// it lacks is shown as erased, the other party and the rest of the call as ever.
func TestKeyGone(t *testing.T) {
	b := newBox(t)
	s, stop := b.run()
	if _, err := s.SetPlan(t.Context(), owner, 0, testPlan()); err != nil { // makes the users' keys
		t.Fatal(err)
	}
	tails, _ := filepath.Glob(filepath.Join(b.dir, "keyring.tail-*"))
	old := must(os.ReadFile(tails[0]))
	s.Append(aRecord())
	sync1(t, s)
	stop()
	os.WriteFile(tails[0], old, 0o600)
	s = b.open()
	v, err := s.As(owner).Records(t.Context(), Query{})
	if err != nil || len(v) != 1 {
		t.Fatal(len(v), err)
	}
	if v[0].From.User != anna || v[0].To != (PartyView{State: Erased, Line: "FXO 1"}) || v[0].Outcome != pbx.Answered {
		t.Errorf("from %v, to %v", v[0].From, v[0].To)
	}
	s.Append(aRecord()) // a call after it makes a new subject
	s.flush()
	if v, _ = s.As(owner).Records(t.Context(), Query{}); len(v) != 2 || v[0].To.State != Shown || v[1].To.State != Erased {
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
	path := filepath.Join(b.dir, fileName)
	good, _ := os.ReadFile(path)
	var used []int // bytes of pages that hold something; bbolt makes the file larger than it needs
	for page := 0; page < len(good); page += os.Getpagesize() {
		if p := good[page : page+os.Getpagesize()]; len(bytes.Trim(p, "\x00")) > 0 {
			for i := range p {
				used = append(used, page+i)
			}
		}
	}
	flip := func(at int, b byte) {
		f := must(os.OpenFile(path, os.O_WRONLY, 0))
		must(f.WriteAt([]byte{b}, int64(at)))
		f.Close()
	}
	refused, unread, counted, harmless := 0, 0, 0, 0
	last := used[0]
	for n := range 400 {
		flip(last, good[last])
		at := used[rnd.IntN(len(used))]
		if n%4 == 0 { // the heads of pages and lists
			at = at/os.Getpagesize()*os.Getpagesize() + rnd.IntN(160)
		}
		flip(at, good[at]^1<<rnd.IntN(8))
		last = at
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

// TestKilled kills a process that appends and prints what was acknowledged, again and
// again on one folder, and looks for all of it.
func TestKilled(t *testing.T) {
	if dir := os.Getenv("STORAGE_TEST_KILLED"); dir != "" {
		appendForEver(dir)
	}
	b := newBox(t)
	top := t.TempDir()
	b.dir, b.root = filepath.Join(top, "data"), keyring.NewFileRoot(filepath.Join(top, "root.key"))
	rnd := rand.New(rand.NewPCG(9, 9))
	acked, total := 0, 0
	for range 8 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKilled$")
		cmd.Env = append(os.Environ(), "STORAGE_TEST_KILLED="+top)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		stopAfter := rnd.IntN(60)
		for n := 0; lines.Scan(); n++ {
			if acked, err = strconv.Atoi(lines.Text()); err != nil {
				t.Fatalf("child says %q", lines.Text())
			}
			if n == stopAfter {
				cmd.Process.Kill()
			}
		}
		if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
			t.Fatalf("child ended: %v", err)
		}
		s := b.open()
		got := all(t, s)
		h := s.Health()
		s.Close()
		if len(got) < acked || h.Unreadable > 0 {
			t.Fatalf("%d acknowledged, %d found, %d unreadable", acked, len(got), h.Unreadable)
		}
		for i, r := range got { // numbers go up with the id
			if want := fmt.Sprint(1000000 + i); r.To.Number.Reveal() != want {
				t.Fatalf("record %d names another party", i+1)
			}
		}
		acked, total = len(got), len(got)
	}
	t.Logf("%d records survived 8 kills", total)
}

func appendForEver(top string) {
	s, err := Open(filepath.Join(top, "data"), keyring.NewFileRoot(filepath.Join(top, "root.key")), slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	rnd := rand.New(rand.NewPCG(rand.Uint64(), 1))
	for {
		for range 1 + rnd.IntN(4) {
			newest := RecordID(s.Health().Queued) + s.last
			r := aRecord()
			r.To.Number = must(parseNumber(1000000 + int(newest)))
			s.Append(r)
		}
		if err := s.flush(); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(s.last)
	}
}
