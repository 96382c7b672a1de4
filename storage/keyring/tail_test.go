package keyring

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"sotto/storage/seal"
)

// TestLatestWins writes many states of the same subject; the last is what a start finds.
func TestLatestWins(t *testing.T) {
	r := open(t, t.TempDir(), newRoot(t))
	s := subject(t, r, User, "one")
	keys := map[Class]seal.Key{}
	for c := Calls; c < 40; c++ { // each one is an entry of the whole subject
		keys[c] = sealKey(t, r, s, c, Day(c))
		sealKey(t, r, Subject{}, c, 0)
		commit(t, r)
		commit(t, r) // nothing to write
	}
	if r.frames != 39 {
		t.Fatalf("%d frames", r.frames)
	}
	for range 2 {
		if r = reopen(t, r); r.Waiting() || len(r.people) != 2 {
			t.Fatalf("waiting %v, %d people", r.Waiting(), len(r.people))
		}
		for c, k := range keys {
			if got, err := r.DayKey(s, c, Day(c)); err != nil || got != k {
				t.Fatalf("class %d: %v", c, err)
			}
			if _, err := r.DayKey(Subject{}, c, 0); err != nil {
				t.Fatalf("class %d of the box: %v", c, err)
			}
		}
		if _, err := r.Rotate(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestMark(t *testing.T) {
	r := open(t, t.TempDir(), newRoot(t))
	r.SetCount(7)
	if r = reopen(t, r); r.Count() != 0 {
		t.Fatal("the mark made a frame")
	}
	for i, write := range []func(){
		func() { subject(t, r, User, "one"); commit(t, r) },
		func() { r.Rotate() },
		func() { r.rewrite() },
	} {
		r.SetCount(uint64(100 + i))
		write()
		if r.Count() != max(uint64(100+i), 100)-1 && i > 0 {
			t.Errorf("%d: the mark of Open changed to %d", i, r.Count())
		}
		if r = reopen(t, r); r.Count() != uint64(100+i) {
			t.Errorf("%d: mark %d", i, r.Count())
		}
	}
	if _, err := r.Rotate(); err != nil { // not told anew: it stays
		t.Fatal(err)
	}
	if r = reopen(t, r); r.Count() != 102 {
		t.Errorf("mark %d", r.Count())
	}
}

// TestLongTailWithDropped: a start that makes a long tail short destroys what waits, or
// leaves the tail; it must not forget that something waits.
func TestLongTailWithDropped(t *testing.T) {
	inMemory(t)
	root := &stiffRoot{Root: newRoot(t)}
	r := open(t, t.TempDir(), root)
	i, k, _ := r.NewItem()
	commit(t, r)
	r.DropItem(i)
	for i := range maxTail + 1 {
		subject(t, r, User, fmt.Sprint(i))
		commit(t, r)
	}
	root.stiff = true
	if r = reopen(t, r); r.frames <= maxTail || !r.Waiting() {
		t.Fatalf("%d frames, waiting %v", r.frames, r.Waiting())
	}
	root.stiff = false
	if r = reopen(t, r); r.frames != 0 || r.Waiting() || bytes.Contains(medium(t, r), k[:]) || r.epoch.ID() == [8]byte{} {
		t.Fatalf("%d frames, waiting %v", r.frames, r.Waiting())
	}
	clean(t, r)
}

// TestTailWhileRunning: a box that is never started again keeps its tail short, too.
func TestTailWhileRunning(t *testing.T) {
	inMemory(t)
	r := open(t, t.TempDir(), newRoot(t))
	r.frames = maxLive - 1
	r.hook = func(step string) error {
		if step == "rename" {
			return errors.New("no luck")
		}
		return nil
	}
	r.frames = maxLive
	one := subject(t, r, User, "one")
	if err := r.Commit(); err != nil || r.gen != 1 || r.frames != maxLive+1 {
		t.Fatalf("no rewrite, and so a frame: %v, rewrite %d, %d frames", err, r.gen, r.frames)
	}
	r.hook = nil
	two := subject(t, r, User, "two")
	commit(t, r)
	if r.gen != 2 || r.frames != 0 {
		t.Fatalf("rewrite %d, %d frames", r.gen, r.frames)
	}
	clean(t, r)
	r = reopen(t, r)
	for text, want := range map[string]Subject{"one": one, "two": two} {
		if s, ok := r.Lookup(User, text); !ok || s != want {
			t.Errorf("%s is lost", text)
		}
	}
}

// TestUnsyncedFolder: while a power cut could still bring the old keyring back, nothing
// counts as durable, not even what the new one holds.
func TestUnsyncedFolder(t *testing.T) {
	r := open(t, t.TempDir(), newRoot(t))
	subject(t, r, User, "one")
	syncs, bad := 0, errors.New("no luck")
	r.hook = func(step string) error {
		if step == "sync folder" {
			if syncs++; syncs > 1 { // the first is for the name of the tail
				return bad
			}
		}
		return nil
	}
	if _, err := r.Rotate(); !errors.Is(err, ErrOldEpoch) {
		t.Fatal(err)
	}
	for range 3 {
		if err := r.Commit(); !errors.Is(err, bad) {
			t.Fatalf("commit: %v", err)
		}
	}
	if _, err := r.root.Key(0); err != nil {
		t.Error("the old key is gone before the folder was synced")
	}
	r.hook = nil
	commit(t, r)
	if !r.Waiting() {
		t.Error("the old key is there and nothing waits")
	}
	if _, err := r.Rotate(); err != nil {
		t.Fatal(err)
	}
	clean(t, r)
}

// TestCommitFails at each of its steps: what was made stays pending, and the next does it.
func TestCommitFails(t *testing.T) {
	for n := range 2 {
		r := open(t, t.TempDir(), newRoot(t))
		var steps []string
		r.hook = func(step string) error {
			if steps = append(steps, step); len(steps)-1 == n {
				return errors.New("no luck")
			}
			return nil
		}
		s := subject(t, r, User, "one")
		if err := r.Commit(); err == nil || r.frames != 0 {
			t.Fatalf("%v: no error", steps)
		}
		steps = make([]string, 0, 9)
		r.hook = func(step string) error { steps = append(steps, step); return nil }
		commit(t, r)
		if want := []string{"append", "sync frame"}; !slices.Equal(steps, want) {
			t.Errorf("steps %v, want %v", steps, want)
		}
		if got, ok := reopen(t, r).Lookup(User, "one"); !ok || got != s {
			t.Error("lost")
		}
	}
}

// TestRandomFlips changes up to 8 bytes of keyring and tail, 10,000 times: each is an error
// or a cut end, never another key.
func TestRandomFlips(t *testing.T) {
	s := newScene(t)
	commit(t, s.r)
	r := s.r
	main, _ := os.ReadFile(r.path())
	tail, _ := os.ReadFile(r.tailPath(r.gen))
	truth := map[string]bool{}
	note := func(e entry) string {
		return fmt.Sprintf("%c%x%x%x%x%x%d", e.kind, e.id, e.key, e.name, e.chains, e.about, e.count)
	}
	visit := func(e entry) {
		if !truth[note(e)] {
			t.Fatal("an entry that was never written")
		}
	}
	all := func(e entry) { truth[note(e)] = true }
	if b, err := openMain(main, &r.epoch); err != nil || !eachEntry(b, all) {
		t.Fatal(err)
	}
	whole, frames, err := readTail(tail, &r.epoch, r.gen, all)
	if err != nil || whole != len(tail) {
		t.Fatal(err)
	}
	last := len(tail)
	for n := range tail { // where the last frame begins
		if good, f, err := readTail(tail[:n], &r.epoch, r.gen, func(entry) {}); err == nil && f == frames-1 {
			last = good
			break
		}
	}
	rnd := rand.New(rand.NewPCG(3, 4))
	cuts := 0
	for range 10_000 {
		b := bytes.Clone(main)
		for range 1 + rnd.IntN(8) {
			b[rnd.IntN(len(b))] ^= byte(1 << rnd.IntN(8))
		}
		if bytes.Equal(b, main) {
			continue
		}
		if h, err := parseHeader(b); err == nil && h == (header{r.slot, r.gen, r.epoch.ID()}) {
			if _, err := openMain(b, &r.epoch); !errors.Is(err, ErrDamaged) {
				t.Fatalf("changed keyring: %v", err)
			}
		}
		b, first := bytes.Clone(tail), len(tail)
		for range 1 + rnd.IntN(8) {
			i := rnd.IntN(len(b))
			b[i] ^= byte(1 << rnd.IntN(8))
		}
		for i := range b {
			if b[i] != tail[i] {
				first = i
				break
			}
		}
		good, _, err := readTail(b, &r.epoch, r.gen, visit)
		if err == nil && good > first {
			t.Fatalf("byte %d changed, and %d bytes opened", first, good)
		}
		if err == nil && first < len(tail) {
			cuts++
			if rest := b[last:]; first < last && bytes.Equal(rest, tail[last:]) {
				t.Fatal("a frame in the middle was cut and the whole one after it, too")
			}
		}
	}
	t.Logf("%d of 10,000 tails were cut, the others refused", cuts)
	if cuts == 0 {
		t.Error("no tail was cut")
	}
}

// TestSwapped exchanges frames, files of two rewrites and files of two boxes.
func TestSwapped(t *testing.T) {
	dir, root := t.TempDir(), newRoot(t)
	r := open(t, dir, root)
	var ends []int64
	for i := range 3 {
		subject(t, r, User, fmt.Sprint("number ", i)) // frames of one length
		commit(t, r)
		ends = append(ends, r.tailLen)
	}
	tail, _ := os.ReadFile(r.tailPath(1))
	n := ends[0]
	if ends[1] != 2*n || ends[2] != 3*n {
		t.Fatal("frames differ in length")
	}
	swap := bytes.Clone(tail)
	copy(swap, tail[n:2*n])
	copy(swap[n:], tail[:n])
	twice := append(bytes.Clone(tail[:n]), tail...)
	for what, b := range map[string][]byte{"two frames exchanged": swap, "first frame twice": twice, "first frame missing": tail[n:]} {
		if _, _, err := readTail(b, &r.epoch, 1, func(entry) {}); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if good, _, err := readTail(tail, &r.epoch, 2, func(entry) {}); err != nil || good != 0 {
		t.Errorf("tail of another rewrite: %d bytes, %v", good, err)
	}
	main, _ := os.ReadFile(r.path())
	r.rewrite()
	os.WriteFile(r.path(), main, 0o600) // the same epoch key, an older rewrite: its tail is gone
	r.Close()
	if _, err := Open(dir, root, true); !errors.Is(err, ErrDamaged) {
		t.Errorf("older rewrite: %v", err)
	}
	other := open(t, t.TempDir(), newRoot(t))
	b, _ := os.ReadFile(other.path())
	os.WriteFile(filepath.Join(dir, fileName), b, 0o600)
	if _, err := Open(dir, root, true); !errors.Is(err, ErrWrongRoot) {
		t.Errorf("keyring of another box: %v", err)
	}
	copy(b, oldMagic)
	os.WriteFile(filepath.Join(dir, fileName), b, 0o600)
	if _, err := Open(dir, root, true); !errors.Is(err, ErrOlder) {
		t.Errorf("keyring of format version 1: %v", err)
	}
	if err := os.Truncate(filepath.Join(dir, fileName), maxFile+1); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, root, true); !errors.Is(err, ErrDamaged) {
		t.Errorf("keyring of more bytes than a box can have: %v", err)
	}
}

// TestHostileTail: an end that is full of heads of frames must not cost a start its time.
func TestHostileTail(t *testing.T) {
	r := open(t, t.TempDir(), newRoot(t))
	b := make([]byte, 4<<20)
	for i := 0; i+8 <= len(b); i += 8 {
		size := uint32(len(b) - i - 8)
		binary.BigEndian.PutUint32(b[i:], size)
		binary.BigEndian.PutUint32(b[i+4:], ^size)
	}
	if _, _, err := readTail(b, &r.epoch, r.gen, func(entry) {}); !errors.Is(err, ErrDamaged) {
		t.Error(err)
	}
}

// TestTogether uses a ring from many goroutines; the race detector does the rest.
func TestTogether(t *testing.T) {
	inMemory(t)
	r := open(t, t.TempDir(), newRoot(t))
	s := subject(t, r, User, "stays")
	k0 := sealKey(t, r, s, Digits, 50)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 40 {
				text := fmt.Sprint(i % 10)
				p, err := r.Subject(Outside, text)
				if err != nil {
					t.Error(err)
				}
				if _, err := r.SealKey(p, Calls, Day(i)+100); err != nil && !errors.Is(err, ErrErased) && !errors.Is(err, ErrAged) {
					t.Error(err)
				}
				it, _, err := r.NewItem(p, s)
				if err != nil && !errors.Is(err, ErrErased) {
					t.Error(err)
				}
				r.SetCount(uint64(i))
				if err := r.Commit(); err != nil {
					t.Error(err)
				}
				switch (g + i) % 7 {
				case 0:
					if _, err := r.Erase(p); err != nil && !errors.Is(err, ErrErased) {
						t.Error(err)
					}
				case 1:
					r.Forget(Calls, Day(i)+100)
				case 2:
					r.DropItem(it)
				case 3:
					if _, err := r.Rotate(); err != nil {
						t.Error(err)
					}
				case 4:
					if err := r.Verify(Subject{1}); err != nil {
						t.Error(err)
					}
				}
			}
		})
		wg.Go(func() {
			for i := range 2000 {
				if k, err := r.DayKey(s, Digits, 50); err != nil || k != k0 {
					t.Error("day key changed")
				}
				if p, ok := r.Lookup(Outside, fmt.Sprint(i%10)); ok {
					r.Key(p)
					r.Name(p)
					r.DayKey(p, Calls, Day(i%200))
					for _, it := range r.ItemsOf(p) {
						r.ItemKey(it)
					}
				}
				r.Waiting()
			}
		})
	}
	wg.Wait()
	commit(t, r)
	if _, err := r.Rotate(); err != nil {
		t.Fatal(err)
	}
	clean(t, r)
	people, items := len(r.people), len(r.items)
	if r = reopen(t, r); len(r.people) != people || len(r.items) != items {
		t.Errorf("%d people and %d items, were %d and %d", len(r.people), len(r.items), people, items)
	}
}
