package keyring

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"sotto/storage/durable"
)

func newRoot(t *testing.T) *FileRoot {
	return NewFileRoot(filepath.Join(t.TempDir(), "root.key"))
}

// inMemory puts the test's folders where a sync costs nothing, if the system has such a
// place: for tests that open hundreds of rings.
func inMemory(t *testing.T) {
	const shm = "/dev/shm"
	if f, err := os.CreateTemp(shm, "sotto"); err == nil {
		f.Close()
		os.Remove(f.Name())
		t.Setenv("TMPDIR", shm)
	}
}

func open(t *testing.T, dir string, root Root) *Ring {
	t.Helper()
	r, err := Open(dir, root, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func subject(t *testing.T, r *Ring, kind Kind, text string) Subject {
	t.Helper()
	s, err := r.Subject(kind, text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func commit(t *testing.T, r *Ring) {
	t.Helper()
	if err := r.Commit(); err != nil {
		t.Fatal(err)
	}
}

func tailOf(t *testing.T, dir string) string {
	t.Helper()
	m, _ := filepath.Glob(filepath.Join(dir, "keyring.tail-*"))
	if len(m) != 1 {
		t.Fatalf("tails: %v", m)
	}
	return m[0]
}

// TestModel makes subjects, commits and opens again at random, against a map.
func TestModel(t *testing.T) {
	dir, root := t.TempDir(), newRoot(t)
	r := open(t, dir, root)
	rnd := rand.New(rand.NewPCG(1, 2))
	model := map[name]Subject{}
	keys := map[Subject]any{}
	box := r.Box()
	for range 400 {
		switch rnd.IntN(12) {
		case 0:
			commit(t, r)
			r.Close()
			r = open(t, dir, root)
			if r.TailCut() != 0 {
				t.Fatal("a whole tail was cut")
			}
		case 1:
			if err := r.rewrite(); err != nil {
				t.Fatal(err)
			}
			if err := r.finish(); err != nil || len(r.pending) > 0 {
				t.Fatal(err, r.pending)
			}
		default:
			n := name{[]Kind{User, Outside}[rnd.IntN(2)], fmt.Sprint(rnd.IntN(90))}
			s := subject(t, r, n.kind, n.text)
			if old, ok := model[n]; ok && old != s {
				t.Fatalf("%v is %v, was %v", n, s, old)
			}
			model[n] = s
			k, _ := r.Key(s)
			if keys[s] == nil {
				keys[s] = k
			}
		}
	}
	if len(keys) != len(model) {
		t.Fatalf("%d names share %d subjects", len(model), len(keys))
	}
	for n, s := range model {
		if got, ok := r.Lookup(n.kind, n.text); !ok || got != s {
			t.Fatalf("%v: %v %v, want %v", n, got, ok, s)
		}
		if k, ok := r.Key(s); !ok || any(k) != keys[s] {
			t.Fatalf("key of %v changed", n)
		}
	}
	if r.Box() != box {
		t.Error("box key changed")
	}
	if _, ok := r.Lookup(User, "nobody"); ok {
		t.Error("found a subject that was never made")
	}
	if k, ok := r.Key(Subject{}); !ok || k != box {
		t.Error("the zero subject is not the box")
	}
}

func TestLongTailIsRewritten(t *testing.T) {
	inMemory(t)
	dir, root := t.TempDir(), newRoot(t)
	r := open(t, dir, root)
	for i := range maxTail + 1 {
		subject(t, r, User, fmt.Sprint(i))
		commit(t, r)
	}
	r.Close()
	for range 2 {
		r = open(t, dir, root)
		if r.frames != 0 || len(r.names) != maxTail+1 {
			t.Fatalf("%d frames, %d names", r.frames, len(r.names))
		}
		tailOf(t, dir) // one only
		r.Close()
	}
}

// TestTornTail cuts the tail at every byte, puts zeros and noise there, and looks for
// all subjects of the frames before, and for new ones after it.
func TestTornTail(t *testing.T) {
	inMemory(t)
	dir, root := t.TempDir(), newRoot(t)
	r := open(t, dir, root)
	var ends []int64
	for i := range 4 {
		for j := range i + 1 {
			subject(t, r, Outside, fmt.Sprint(i, "/", j))
		}
		commit(t, r)
		ends = append(ends, r.tailLen)
	}
	r.Close()
	path := tailOf(t, dir)
	full, _ := os.ReadFile(path)
	noise := make([]byte, 300)
	for i := range noise {
		noise[i] = byte(i*7 + 1)
	}
	for cut := range len(full) + 1 {
		last := ends[len(ends)-1]
		for i := len(ends) - 1; i >= 0 && int64(cut) < ends[i]; i-- {
			last = 0
			if i > 0 {
				last = ends[i-1]
			}
		}
		for kind, after := range map[string][]byte{"cut": nil, "zeros": make([]byte, 70), "noise": noise[:70+cut%200]} {
			b := append(bytes.Clone(full[:cut]), after...)
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			r, err := Open(dir, root, true)
			if err != nil {
				t.Fatalf("%s at %d: %v", kind, cut, err)
			}
			if r.tailLen != last || r.TailCut() != int64(len(b))-last {
				t.Fatalf("%s at %d: kept %d and cut %d bytes, want %d and %d", kind, cut, r.tailLen, r.TailCut(), last, int64(len(b))-last)
			}
			if cut%11 != 0 {
				r.Close()
				continue
			}
			s := subject(t, r, User, "after")
			commit(t, r)
			r.Close()
			r = open(t, dir, root)
			if got, ok := r.Lookup(User, "after"); !ok || got != s {
				t.Fatalf("%s at %d: subject made after it is lost", kind, cut)
			}
			r.Close()
		}
	}
}

// TestTornOutOfOrder leaves the first block of the last frame unwritten and the rest
// written, as a disk may that writes blocks in any order.
func TestTornOutOfOrder(t *testing.T) {
	inMemory(t)
	dir, root := t.TempDir(), newRoot(t)
	r := open(t, dir, root)
	subject(t, r, User, "one")
	commit(t, r)
	first := r.tailLen
	subject(t, r, User, "two")
	commit(t, r)
	r.Close()
	b, _ := os.ReadFile(tailOf(t, dir))
	for n := int64(1); n < 60; n++ {
		c := bytes.Clone(b)
		clear(c[first : first+n])
		os.WriteFile(tailOf(t, dir), c, 0o600)
		r, err := Open(dir, root, true)
		if err != nil {
			t.Fatalf("%d bytes zero: %v", n, err)
		}
		if _, ok := r.Lookup(User, "one"); !ok || r.TailCut() == 0 && c[first] != b[first] {
			t.Fatalf("%d bytes zero: cut %d", n, r.TailCut())
		}
		r.Close()
	}
}

// TestFlips changes each byte of both files. A change in the last frame alone cannot be
// told from a torn one.
func TestFlips(t *testing.T) {
	inMemory(t)
	dir, root := t.TempDir(), newRoot(t)
	r := open(t, dir, root)
	subject(t, r, User, "one")
	commit(t, r)
	first := int(r.tailLen)
	subject(t, r, User, "two")
	commit(t, r)
	r.Close()
	for _, path := range []string{filepath.Join(dir, "keyring"), tailOf(t, dir)} {
		b, _ := os.ReadFile(path)
		for i := range b {
			c := bytes.Clone(b)
			c[i] ^= 0x10
			os.WriteFile(path, c, 0o600)
			r, err := Open(dir, root, true)
			torn := path != filepath.Join(dir, "keyring") && i >= first
			switch {
			case err == nil && !torn:
				t.Errorf("%s byte %d flipped: no error", filepath.Base(path), i)
			case err == nil && r.TailCut() != int64(len(b)-first):
				t.Errorf("%s byte %d flipped: cut %d", filepath.Base(path), i, r.TailCut())
			case err != nil && !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrWrongRoot) && !errors.Is(err, ErrNoKey):
				t.Errorf("%s byte %d flipped: %v", filepath.Base(path), i, err)
			}
			if err == nil {
				r.Close()
			}
			os.WriteFile(path, b, 0o600)
		}
	}
	if err := os.Remove(tailOf(t, dir)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, root, true); !errors.Is(err, ErrDamaged) {
		t.Errorf("tail missing: %v", err)
	}
}

func TestFailsClosed(t *testing.T) {
	dir, root := t.TempDir(), newRoot(t)
	if _, err := Open(dir, root, true); !errors.Is(err, ErrMissing) {
		t.Errorf("data without keyring: %v", err)
	}
	r := open(t, dir, root)
	subject(t, r, User, "one")
	commit(t, r)
	r.Close()
	if _, err := Open(dir, newRoot(t), true); !errors.Is(err, ErrNoKey) {
		t.Errorf("key file missing: %v", err)
	}
	other := newRoot(t)
	other.Fill(0)
	if _, err := Open(dir, other, true); !errors.Is(err, ErrWrongRoot) {
		t.Errorf("other key file: %v", err)
	}
	if err := root.Destroy(0); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, root, true); !errors.Is(err, ErrNoKey) {
		t.Errorf("key destroyed: %v", err)
	}
	os.Remove(filepath.Join(dir, "keyring"))
	if _, err := Open(dir, root, false); !errors.Is(err, ErrMissing) {
		t.Errorf("keyring missing beside its tail: %v", err)
	}
}

// TestFirstStartTakesTheRootsKey: a key that is in the root is used, in whichever slot.
func TestFirstStartTakesTheRootsKey(t *testing.T) {
	for slot := range 2 {
		root := newRoot(t)
		k, err := root.Fill(slot)
		if err != nil {
			t.Fatal(err)
		}
		r := open(t, t.TempDir(), root)
		if r.slot != slot || r.epoch != k {
			t.Errorf("slot %d: took slot %d", slot, r.slot)
		}
		clean(t, r)
		if _, err := r.Rotate(); err != nil || r.slot != 1-slot {
			t.Errorf("slot %d: rotated to %d: %v", slot, r.slot, err)
		}
		clean(t, r)
	}
}

// TestInterruptedRewrite stops a rewrite after each of its steps.
func TestInterruptedRewrite(t *testing.T) {
	dir, root := t.TempDir(), newRoot(t)
	r := open(t, dir, root)
	s := subject(t, r, User, "one")
	commit(t, r)
	check := func(step string) {
		t.Helper()
		q, err := Open(dir, root, true)
		if err != nil {
			t.Fatalf("%s: %v", step, err)
		}
		defer q.Close()
		if got, ok := q.Lookup(User, "one"); !ok || got != s {
			t.Fatalf("%s: subject lost", step)
		}
		tailOf(t, dir)
	}
	next := header{r.slot, r.gen + 1, r.epoch.ID()}.bytes()
	sealed, err := r.sealMain(next, &r.epoch, nil)
	if err != nil {
		t.Fatal(err)
	}
	next = append(next, sealed...)
	os.WriteFile(r.tailPath(r.gen+1), nil, 0o600)
	check("tail made")
	os.WriteFile(r.tailPath(r.gen+1), nil, 0o600)
	os.WriteFile(filepath.Join(dir, "keyring"+durable.Suffix), next[:20], 0o600)
	check("keyring half written")
	os.WriteFile(r.tailPath(r.gen+1), nil, 0o600)
	os.WriteFile(filepath.Join(dir, "keyring"), next, 0o600)
	check("keyring renamed")
}

func TestCommitAfterFailure(t *testing.T) {
	dir, root := t.TempDir(), newRoot(t)
	r := open(t, dir, root)
	good := r.tail
	bad, _ := os.Open(good.Name()) // cannot be written
	r.tail = bad
	s := subject(t, r, User, "one")
	if err := r.Commit(); err == nil {
		t.Fatal("no error")
	}
	r.tail = good
	bad.Close()
	commit(t, r)
	r.Close()
	if got, ok := open(t, dir, root).Lookup(User, "one"); !ok || got != s {
		t.Fatal("subject lost")
	}
}

func TestSubjectName(t *testing.T) {
	r := open(t, t.TempDir(), newRoot(t))
	for _, n := range []int{0, 256} {
		if _, err := r.Subject(User, string(make([]byte, n))); err == nil {
			t.Errorf("name of %d bytes taken", n)
		}
	}
	r.Close()
	if _, err := r.Subject(User, "late"); err != nil {
		t.Fatal(err)
	}
	if err := r.Commit(); err == nil {
		t.Error("commit after close gave no error")
	}
}
