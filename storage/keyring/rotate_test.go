package keyring

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sotto/storage/seal"
)

// scene is a ring with something of everything, and what is true about it.
type scene struct {
	base         string
	r            *Ring
	victim, stay Subject
	late         Subject // made and not committed
	keys         map[Subject]seal.Key
	days         map[Subject]seal.Key // of day 40
	both, other  Item                 // about victim and stay; about stay
	dropped      Item
	itemKeys     map[Item]seal.Key
}

const sceneDay = 40

func newScene(t *testing.T) *scene {
	t.Helper()
	s := &scene{base: t.TempDir(), keys: map[Subject]seal.Key{}, days: map[Subject]seal.Key{}, itemKeys: map[Item]seal.Key{}}
	os.Mkdir(filepath.Join(s.base, "data"), 0o700)
	s.r = s.open(t, s.base, nil)
	person := func(kind Kind, text string) Subject {
		p := subject(t, s.r, kind, text)
		s.know(t, p)
		return p
	}
	item := func(about ...Subject) Item {
		i, k, err := s.r.NewItem(about...)
		if err != nil {
			t.Fatal(err)
		}
		s.itemKeys[i] = k
		return i
	}
	s.know(t, Subject{})
	s.stay, s.victim = person(User, "anna"), person(Outside, "+49305550123")
	s.both, s.other = item(s.victim, s.stay), item(s.stay)
	commit(t, s.r)
	s.dropped = item(s.stay)
	commit(t, s.r)
	s.r.DropItem(s.dropped)
	commit(t, s.r)
	s.late = person(Admin, "late")
	return s
}

func (s *scene) know(t *testing.T, p Subject) {
	t.Helper()
	s.keys[p], _ = s.r.Key(p)
	k, err := s.r.SealKey(p, Calls, sceneDay)
	if err != nil {
		t.Fatal(err)
	}
	s.days[p] = k
}

func (s *scene) open(t *testing.T, base string, hook func(string) error) *Ring {
	t.Helper()
	r, err := openWith(filepath.Join(base, "data"), NewFileRoot(filepath.Join(base, "root.key")), false, hook)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// check makes sure that the ring is the old one or the new one, wholly, and tells which.
func (s *scene) check(t *testing.T, r *Ring) (erased bool) {
	t.Helper()
	has := func(p Subject, want bool) {
		t.Helper()
		k, ok := r.Key(p)
		d, err := r.DayKey(p, Calls, sceneDay)
		if want && (!ok || k != s.keys[p] || err != nil || d != s.days[p]) {
			t.Fatalf("%v: own key %v, day key %v", p, ok, err)
		}
		if !want && (ok || !errors.Is(err, ErrErased) || len(r.ItemsOf(p)) > 0) {
			t.Fatalf("%v is half there: own key %v, day key %v, %d items", p, ok, err, len(r.ItemsOf(p)))
		}
	}
	item := func(i Item, want bool) {
		t.Helper()
		if k, ok := r.ItemKey(i); ok != want || want && k != s.itemKeys[i] {
			t.Fatalf("item: there %v, want %v", ok, want)
		}
	}
	_, there := r.Lookup(Outside, "+49305550123")
	has(Subject{}, true)
	has(s.stay, true)
	has(s.victim, there)
	item(s.both, there)
	item(s.other, true)
	item(s.dropped, false)
	if p, ok := r.Lookup(User, "anna"); !ok || p != s.stay {
		t.Fatal("who stays is not found")
	}
	if _, ok := r.Key(s.late); ok {
		has(s.late, true)
	} else if !there {
		t.Fatal("erased, and a person made before it is lost")
	}
	return !there
}

// clean makes sure that nothing is left over on the medium and in the root.
func clean(t *testing.T, r *Ring) {
	t.Helper()
	if err := r.OldEpoch(); err != nil {
		t.Fatalf("old epoch: %v", err)
	}
	if _, err := r.root.Key(1 - r.slot); !errors.Is(err, ErrNoKey) {
		t.Fatalf("the spare slot is filled: %v", err)
	}
	if err := r.Verify(); err != nil {
		t.Fatal(err)
	}
	var names []string
	files, _ := os.ReadDir(r.dir)
	for _, f := range files {
		names = append(names, f.Name())
	}
	if want := []string{"keyring", filepath.Base(r.tailPath(r.gen))}; !slices.Equal(names, want) {
		t.Fatalf("files %v, want %v", names, want)
	}
}

// stiffRoot is a root that cannot be written while stiff is set.
type stiffRoot struct {
	Root
	stiff bool
}

var errStiff = errors.New("read-only")

func (r *stiffRoot) Fill(slot int) (seal.Key, error) {
	if r.stiff {
		return seal.Key{}, errStiff
	}
	return r.Root.Fill(slot)
}

func (r *stiffRoot) Destroy(slot int) error {
	if r.stiff {
		return errStiff
	}
	return r.Root.Destroy(slot)
}

// TestRootCannotBeWritten: everything but destruction goes on, and it is reported.
func TestRootCannotBeWritten(t *testing.T) {
	dir, root := t.TempDir(), &stiffRoot{Root: newRoot(t)}
	r := open(t, dir, root)
	s := subject(t, r, Outside, "+491")
	commit(t, r)
	root.stiff = true
	if _, err := r.Erase(s); !errors.Is(err, errStiff) || errors.Is(err, ErrOldEpoch) {
		t.Fatalf("no room for a new key: %v", err)
	}
	if r.OldEpoch() != nil || r.Waiting() {
		t.Fatal("nothing has happened")
	}
	root.stiff = false
	r.hook = func(step string) error {
		root.stiff = root.stiff || step == "rename"
		return nil
	}
	if _, err := r.Erase(s); !errors.Is(err, ErrOldEpoch) || !errors.Is(err, errStiff) {
		t.Fatalf("old key not destroyed: %v", err)
	}
	if err := r.Verify(s); !errors.Is(err, ErrOldEpoch) {
		t.Errorf("verified with the old key there: %v", err)
	}
	for range 2 { // and after a restart
		if _, ok := r.Key(s); ok || !errors.Is(r.OldEpoch(), errStiff) || !r.Waiting() {
			t.Fatalf("there %v, %v", ok, r.OldEpoch())
		}
		if _, err := r.Rotate(); !errors.Is(err, errStiff) || errors.Is(err, ErrOldEpoch) {
			t.Fatalf("rotation without a free slot: %v", err)
		}
		subject(t, r, User, fmt.Sprint(r.tailLen))
		commit(t, r)
		r = reopen(t, r)
	}
	root.stiff = false
	rot, err := r.Rotate()
	if err != nil || r.Waiting() || rot.Gen != 3 || len(r.names) != 2 {
		t.Fatalf("%v, %+v, %d names", err, rot, len(r.names))
	}
	clean(t, r)
	// A root that is read-only from the first with nothing to destroy is nobody's trouble.
	root.stiff = true
	if r = reopen(t, r); r.OldEpoch() != nil || r.Waiting() {
		t.Error(r.OldEpoch())
	}
}

// TestRootIsAway: the partition of the key file is not there any more. No new key file is
// made in its place.
func TestRootIsAway(t *testing.T) {
	dir, root := t.TempDir(), newRoot(t)
	r := open(t, dir, root)
	s := subject(t, r, User, "one")
	commit(t, r)
	os.Rename(root.path, root.path+".away")
	if _, err := r.Erase(s); !errors.Is(err, ErrNoKey) {
		t.Fatal(err)
	}
	if _, err := os.Stat(root.path); err == nil {
		t.Fatal("a new key file was made")
	}
	os.Rename(root.path+".away", root.path)
	if _, err := r.Erase(s); err != nil {
		t.Fatal(err)
	}
	clean(t, r)
}

// TestOtherKeyringPutInPlace while the box runs: the slot that it needs is not destroyed.
func TestOtherKeyringPutInPlace(t *testing.T) {
	dir, root := t.TempDir(), newRoot(t)
	r := open(t, dir, root)
	old, _ := os.ReadFile(r.path())
	r.hook = func(step string) error {
		if step == "sync folder" {
			os.WriteFile(r.path(), old, 0o600)
		}
		return nil
	}
	_, err := r.Rotate()
	if !errors.Is(err, ErrOldEpoch) || !errors.Is(err, ErrDamaged) {
		t.Fatal(err)
	}
	if _, err := root.Key(0); err != nil {
		t.Errorf("the slot that the keyring names was destroyed: %v", err)
	}
}

// TestOldFilesPutBack puts keyring and tail from before a rotation back, and the key file,
// one without the other. Nothing of the old bytes opens under the new keys.
func TestOldFilesPutBack(t *testing.T) {
	s := newScene(t)
	commit(t, s.r)
	old := copyTree(t, s.base)
	oldTail := s.r.tailPath(s.r.gen)
	for rotations := 1; rotations <= 3; rotations++ {
		if _, err := s.r.Rotate(); err != nil {
			t.Fatal(err)
		}
		put := copyTree(t, old)
		os.Remove(filepath.Join(put, "root.key"))
		b, _ := os.ReadFile(filepath.Join(s.base, "root.key"))
		os.WriteFile(filepath.Join(put, "root.key"), b, 0o600)
		root := NewFileRoot(filepath.Join(put, "root.key"))
		_, err := Open(filepath.Join(put, "data"), root, true)
		if !errors.Is(err, ErrWrongRoot) || !strings.Contains(err.Error(), "put back the newest") {
			t.Fatalf("old keyring after %d rotations: %v", rotations, err)
		}
		if after, _ := os.ReadFile(filepath.Join(put, "root.key")); !bytes.Equal(after, b) {
			t.Fatal("a start that failed changed the root")
		}
		main, _ := os.ReadFile(filepath.Join(put, "data", "keyring"))
		tail, _ := os.ReadFile(filepath.Join(put, "data", filepath.Base(oldTail)))
		for slot := range 2 {
			k, err := root.Key(slot)
			if errors.Is(err, ErrNoKey) {
				continue
			}
			visit := func(entry) { t.Fatal("an old entry opens under the new root") }
			if _, err := openMain(main, &k); err == nil {
				t.Fatal("the old keyring opens under the new root")
			}
			for gen := range uint64(6) {
				if good, _, _ := readTail(tail, &k, gen, visit); good > 0 {
					t.Fatal("the old tail opens under the new root")
				}
			}
		}

		put = copyTree(t, s.base) // the old key file beside the new keyring
		b, _ = os.ReadFile(filepath.Join(old, "root.key"))
		os.WriteFile(filepath.Join(put, "root.key"), b, 0o600)
		if _, err := Open(filepath.Join(put, "data"), NewFileRoot(filepath.Join(put, "root.key")), true); !errors.Is(err, ErrWrongRoot) {
			t.Fatalf("old key file after %d rotations: %v", rotations, err)
		}
	}
	// All of it put back together opens: nothing shows it, as FORMAT.md says.
	s.check(t, s.open(t, old, nil))
}

// TestOldBytesAreOverwritten looks at the old files through descriptors that were open.
func TestOldBytesAreOverwritten(t *testing.T) {
	s := newScene(t)
	commit(t, s.r)
	var files []*os.File
	for _, path := range []string{s.r.path(), s.r.tailPath(s.r.gen), filepath.Join(s.base, "root.key")} {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		files = append(files, f)
	}
	if _, err := s.r.Rotate(); err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := io.ReadAll(f)
		if err != nil || len(b) < 80 || len(bytes.Trim(b, "\x00")) > 0 {
			t.Errorf("%s: %d bytes, not zeros: %v", filepath.Base(f.Name()), len(b), err)
		}
	}
}

func TestManyRotations(t *testing.T) {
	inMemory(t)
	const n = 1000
	s := newScene(t)
	seen := map[[8]byte]bool{}
	for i := range n {
		p := subject(t, s.r, Outside, fmt.Sprint("+", i))
		commit(t, s.r)
		rot, err := s.r.Erase(p)
		if err != nil || seen[rot.New] {
			t.Fatal(err)
		}
		seen[rot.New] = true
	}
	s.check(t, s.r)
	clean(t, s.r)
	r := reopen(t, s.r)
	s.check(t, r)
	clean(t, r)
	root, _ := os.ReadDir(s.base)
	if len(root) != 2 { // data and root.key
		t.Errorf("%d files beside the data folder", len(root)-1)
	}
}

func TestErase(t *testing.T) {
	s := newScene(t)
	commit(t, s.r)
	for what, list := range map[string][]Subject{"unknown": {{1}}, "box": {{}}, "one of two": {s.victim, {1}}} {
		if _, err := s.r.Erase(list...); !errors.Is(err, ErrErased) {
			t.Errorf("%s: %v", what, err)
		}
		if s.check(t, s.r) || s.r.gen != 1 {
			t.Fatalf("%s: something was erased", what)
		}
	}
	if err := s.r.Verify(s.victim); err == nil || strings.Contains(err.Error(), "5550123") {
		t.Errorf("verified before the erasure: %v", err)
	}
	if _, err := s.r.Erase(s.victim, s.late, s.victim); err != nil || s.r.gen != 2 {
		t.Fatalf("two at once: %v, rewrite %d", err, s.r.gen)
	}
	if err := s.r.Verify(s.victim, s.late); err != nil {
		t.Error(err)
	}
	if err := s.r.Verify(s.stay); err == nil {
		t.Error("verified that who stays is gone")
	}
	if _, err := s.r.Erase(s.victim); !errors.Is(err, ErrErased) {
		t.Errorf("twice: %v", err)
	}
	if _, _, ok := s.r.Name(s.victim); ok {
		t.Error("the name is still there")
	}
	again := subject(t, s.r, Outside, "+49305550123")
	if again == s.victim {
		t.Error("who calls again is not a new subject")
	}
	if k, _ := s.r.Key(again); k == s.keys[s.victim] {
		t.Error("who calls again has the old key")
	}
	if b := memory(s.r); bytes.Contains(b, s.victim[:]) || bytes.Contains(b, bytesOf(s.keys[s.victim])) {
		t.Error("the erased is still in memory")
	}
	if err := s.r.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.r.Rotate(); err == nil {
		t.Error("rotated after Close")
	}
	if err := s.r.Verify(); err == nil {
		t.Error("verified after Close")
	}
}

// TestErasedIsWiped looks at the memory of a person and of a message that were erased.
func TestErasedIsWiped(t *testing.T) {
	s := newScene(t)
	commit(t, s.r)
	if _, err := s.r.Rotate(); err != nil {
		t.Fatal(err)
	}
	r := reopen(t, s.r)
	p, it := r.people[s.victim], r.items[s.both]
	chains := p.chains
	if p.name.text == "" || len(chains) != 1 {
		t.Fatal("nothing to wipe")
	}
	if _, err := r.Erase(s.victim); err != nil {
		t.Fatal(err)
	}
	if p.name.text != "" || p.key != (seal.Key{}) || p.chains != nil || chains[0].link != (seal.Key{}) || chains[0].rung != (seal.Key{}) {
		t.Error("something of the person is still in memory")
	}
	if it.key != (seal.Key{}) || it.about[0] == s.victim {
		t.Error("something of the message is still in memory")
	}
	s.check(t, r)
}

func bytesOf(k seal.Key) []byte { return k[:] }

// TestVerifySees damages what Verify reads.
func TestVerifySees(t *testing.T) {
	inMemory(t)
	s := newScene(t)
	commit(t, s.r)
	for _, path := range []string{s.r.path(), s.r.tailPath(1)} {
		b, _ := os.ReadFile(path)
		for i := range b {
			c := bytes.Clone(b)
			c[i] ^= 1
			os.WriteFile(path, c, 0o600)
			if err := s.r.Verify(); err == nil {
				t.Fatalf("%s byte %d", filepath.Base(path), i)
			}
		}
		os.WriteFile(path, b, 0o600)
	}
	if err := s.r.Verify(); err != nil {
		t.Error(err)
	}
	s.r.root.Fill(1)
	if err := s.r.Verify(); !errors.Is(err, ErrOldEpoch) {
		t.Errorf("other slot filled: %v", err)
	}
}

// TestSpareSlotFilled: a rotation that failed left a key where the next one wants to go.
func TestSpareSlotFilled(t *testing.T) {
	s := newScene(t)
	left, _ := s.r.root.Fill(1)
	if _, err := s.r.Rotate(); err != nil || s.r.slot != 1 || s.r.epoch == left {
		t.Fatalf("slot %d: %v", s.r.slot, err)
	}
	clean(t, s.r)
}
