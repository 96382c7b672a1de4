package root

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/crypto/argon2"

	"sotto/storage/keyring"
	"sotto/storage/seal"
)

const right, other = "five words by mere chance", "five other words by chance"

// cheap gives a root whose file costs little to open.
func cheap(path string) *Passphrase {
	p := NewPassphrase(path)
	p.cost = cost{memory: 8, passes: 1, lanes: 1}
	return p
}

// made gives a root with a new file.
func made(t *testing.T) *Passphrase {
	t.Helper()
	p := cheap(filepath.Join(t.TempDir(), "root.pass"))
	if err := p.Make([]byte(right)); err != nil {
		t.Fatal(err)
	}
	return p
}

// opened opens the file of p anew.
func opened(t *testing.T, p *Passphrase, passphrase string) *Passphrase {
	t.Helper()
	p = cheap(p.path)
	if err := p.Unlock([]byte(passphrase)); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPassphrase(t *testing.T) {
	p := made(t)
	holds(t, p, func() keyring.Root { return opened(t, p, right) })
	if fi, _ := os.Stat(p.path); fi.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, want 0600", fi.Mode().Perm())
	}
}

// TestWrongPassphrase: it opens nothing, and is another error than a damaged file.
func TestWrongPassphrase(t *testing.T) {
	p := made(t)
	k, err := p.Fill(0)
	if err != nil {
		t.Fatal(err)
	}
	for _, wrong := range []string{"", "x", right + " ", right[:len(right)-1], strings.ToUpper(right)} {
		q := cheap(p.path)
		if err := q.Unlock([]byte(wrong)); err != ErrPassphrase {
			t.Errorf("%v", err)
		}
		if _, err := q.Key(0); !errors.Is(err, ErrLocked) {
			t.Errorf("locked: %v", err)
		}
		if _, err := q.Fill(1); !errors.Is(err, ErrLocked) {
			t.Errorf("locked: fill: %v", err)
		}
		if err := q.Destroy(0); !errors.Is(err, ErrLocked) {
			t.Errorf("locked: destroy: %v", err)
		}
		if err := q.Change([]byte(other)); !errors.Is(err, ErrLocked) {
			t.Errorf("locked: change: %v", err)
		}
	}
	if got, err := opened(t, p, right).Key(0); err != nil || got != k {
		t.Errorf("after all that: %v", err)
	}
}

// TestBytesAsTyped: the two forms of one character are two passphrases.
func TestBytesAsTyped(t *testing.T) {
	p := cheap(filepath.Join(t.TempDir(), "p"))
	if err := p.Make([]byte("caf\u00e9 caf\u00e9 caf\u00e9")); err != nil {
		t.Fatal(err)
	}
	if err := p.Unlock([]byte("cafe\u0301 cafe\u0301 cafe\u0301")); err != ErrPassphrase {
		t.Error(err)
	}
	opened(t, p, "caf\u00e9 caf\u00e9 caf\u00e9")
}

func TestLengthOfPassphrase(t *testing.T) {
	for n, ok := range map[int]bool{0: false, MinLen - 1: false, MinLen: true, MaxLen: true, MaxLen + 1: false} {
		for _, char := range []string{"a", "\u00e9", "\xff"} {
			p := cheap(filepath.Join(t.TempDir(), "p"))
			err := p.Make([]byte(strings.Repeat(char, n)))
			if ok && err != nil || !ok && err != ErrLength {
				t.Errorf("%d times %q: %v", n, char, err)
			}
			if err := p.Check(); (err == nil) != ok || !ok && !errors.Is(err, keyring.ErrNoKey) {
				t.Errorf("%d times %q: the file: %v", n, char, err)
			}
		}
	}
}

// TestPassphraseIsWiped: whoever gives it finds zeros after.
func TestPassphraseIsWiped(t *testing.T) {
	p := cheap(filepath.Join(t.TempDir(), "p"))
	for name, f := range map[string]func([]byte) error{"make": p.Make, "unlock": p.Unlock, "change": p.Change} {
		b := []byte(right)
		f(b)
		if !bytes.Equal(b, make([]byte, len(right))) {
			t.Errorf("%s leaves %q", name, b)
		}
	}
}

// TestOldPassphraseFile: what was written over is zeros, where the medium allows that. A
// second name holds on to the old file.
func TestOldPassphraseFile(t *testing.T) {
	for name, change := range map[string]func(p *Passphrase) error{
		"destroy": func(p *Passphrase) error { return p.Destroy(0) },
		"change":  func(p *Passphrase) error { return p.Change([]byte(other)) },
	} {
		p := made(t)
		if _, err := p.Fill(0); err != nil {
			t.Fatal(err)
		}
		if err := os.Link(p.path, p.path+".old"); err != nil {
			t.Fatal(err)
		}
		if err := change(p); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(readAll(t, p.path+".old"), make([]byte, passLen)) {
			t.Errorf("%s leaves the old file", name)
		}
		before, _ := os.Stat(p.path)
		if err := p.Destroy(1); err != nil {
			t.Fatal(err)
		}
		if after, _ := os.Stat(p.path); !os.SameFile(before, after) {
			t.Errorf("%s: to destroy nothing writes the file", name)
		}
	}
}

func TestMakeReplacesNothing(t *testing.T) {
	p := made(t)
	k, err := p.Fill(0)
	if err != nil {
		t.Fatal(err)
	}
	if err := cheap(p.path).Make([]byte(other)); !errors.Is(err, fs.ErrExist) {
		t.Errorf("%v", err)
	}
	if got, err := opened(t, p, right).Key(0); err != nil || got != k {
		t.Errorf("%v", err)
	}
}

// TestChangePassphrase: the keys stay, the old passphrase opens no more, and a root that was
// opened before the change notices.
func TestChangePassphrase(t *testing.T) {
	p := made(t)
	k, err := p.Fill(1)
	if err != nil {
		t.Fatal(err)
	}
	before, stale := readAll(t, p.path), opened(t, p, right)
	if err := p.Change([]byte("short")); err != ErrLength {
		t.Errorf("short: %v", err)
	}
	if !bytes.Equal(readAll(t, p.path), before) {
		t.Error("a refused change changed the file")
	}
	if err := p.Change([]byte(other)); err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]*Passphrase{"the one that changed it": p, "a new one": opened(t, p, other)} {
		if got, err := r.Key(1); err != nil || got != k {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := cheap(p.path).Unlock([]byte(right)); err != ErrPassphrase {
		t.Errorf("the old passphrase: %v", err)
	}
	if _, err := stale.Key(1); !errors.Is(err, ErrChanged) {
		t.Errorf("opened before: %v", err)
	}
	if _, err := stale.Fill(0); !errors.Is(err, ErrChanged) {
		t.Errorf("opened before: fill: %v", err)
	}
	after := readAll(t, p.path)
	if bytes.Equal(before[headLen-saltLen:headLen], after[headLen-saltLen:headLen]) {
		t.Error("the salt is the same")
	}
	if _, err := p.Fill(0); err != nil {
		t.Errorf("fill after a change: %v", err)
	}
}

// TestPassphraseFileDamaged flips every bit and cuts at every length: that is told without a
// passphrase, and nothing is written.
func TestPassphraseFileDamaged(t *testing.T) {
	p := made(t)
	if _, err := p.Fill(0); err != nil {
		t.Fatal(err)
	}
	whole := readAll(t, p.path)
	bad := func(name string, b []byte) {
		t.Helper()
		os.WriteFile(p.path, b, 0o600)
		_, keyErr := p.Key(0)
		_, fillErr := p.Fill(1)
		for i, err := range []error{p.Check(), cheap(p.path).Unlock([]byte(right)), keyErr, fillErr, p.Destroy(0), p.Change([]byte(other))} {
			if !errors.Is(err, keyring.ErrRootDamaged) {
				t.Fatalf("%s: %d: %v", name, i, err)
			}
		}
		if !bytes.Equal(readAll(t, p.path), b) {
			t.Fatalf("%s: it was written over", name)
		}
	}
	for i := range whole {
		for bit := range 8 {
			b := bytes.Clone(whole)
			b[i] ^= 1 << bit
			bad(fmt.Sprintf("byte %d bit %d", i, bit), b)
		}
		bad(fmt.Sprintf("cut at %d", i), whole[:i])
	}
	bad("longer", append(bytes.Clone(whole), 0))

	// One who can reckon a checksum: the sealed part, the key id and the salt each as they
	// would have to be for another passphrase or another slot.
	for _, i := range []int{headLen + idLen, passLen - sumLen - 1} {
		b := bytes.Clone(whole)
		b[i] ^= 1
		os.WriteFile(p.path, summed(b), 0o600)
		if err := cheap(p.path).Unlock([]byte(right)); !errors.Is(err, keyring.ErrRootDamaged) {
			t.Errorf("byte %d, with its checksum: %v", i, err)
		}
	}
	for _, i := range []int{headLen - 1, headLen} {
		b := bytes.Clone(whole)
		b[i] ^= 1
		os.WriteFile(p.path, summed(b), 0o600)
		if err := cheap(p.path).Unlock([]byte(right)); err != ErrPassphrase {
			t.Errorf("byte %d, with its checksum: %v", i, err)
		}
	}
	os.Remove(p.path)
	os.Mkdir(p.path, 0o700)
	if err := p.Check(); !errors.Is(err, keyring.ErrRootDamaged) {
		t.Errorf("a folder: %v", err)
	}
}

// TestGreedyFile: a file that asks for too much memory or time is damaged, and costs nothing.
func TestGreedyFile(t *testing.T) {
	p := made(t)
	whole := readAll(t, p.path)
	for name, set := range map[string]func(b []byte){
		"memory":    func(b []byte) { binary.BigEndian.PutUint32(b[8:], maxMemory+1) },
		"all of it": func(b []byte) { binary.BigEndian.PutUint32(b[8:], 1<<32-1) },
		"none":      func(b []byte) { binary.BigEndian.PutUint32(b[8:], 7) },
		"passes":    func(b []byte) { binary.BigEndian.PutUint32(b[12:], maxPasses+1) },
		"no pass":   func(b []byte) { binary.BigEndian.PutUint32(b[12:], 0) },
		"lanes":     func(b []byte) { b[16] = maxLanes + 1 },
		"no lane":   func(b []byte) { b[16] = 0 },
	} {
		b := bytes.Clone(whole)
		set(b)
		os.WriteFile(p.path, summed(b), 0o600)
		if err := p.Unlock([]byte(right)); !errors.Is(err, keyring.ErrRootDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestPassphraseFileMissing: nothing is made in its place.
func TestPassphraseFileMissing(t *testing.T) {
	p := made(t)
	if _, err := p.Fill(0); err != nil {
		t.Fatal(err)
	}
	os.Remove(p.path)
	_, keyErr := p.Key(0)
	_, fillErr := p.Fill(1)
	for i, err := range []error{p.Check(), p.Unlock([]byte(right)), keyErr, fillErr, p.Change([]byte(other))} {
		if !errors.Is(err, keyring.ErrNoKey) {
			t.Errorf("%d: %v", i, err)
		}
	}
	if err := p.Destroy(0); err != nil {
		t.Errorf("destroy: %v", err)
	}
	if left, _ := os.ReadDir(filepath.Dir(p.path)); len(left) > 0 {
		t.Errorf("made: %v", left)
	}
}

// TestPassphraseNotWritable: a key that is not durable is not given, and the old file stays.
func TestPassphraseNotWritable(t *testing.T) {
	p := made(t)
	k, err := p.Fill(0)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(p.path+".new", 0o700); err != nil { // root may write everywhere else
		t.Fatal(err)
	}
	if k, err := p.Fill(1); err == nil || k != (seal.Key{}) {
		t.Errorf("fill: %v", err)
	}
	if err := p.Destroy(0); err == nil {
		t.Error("destroy gave no error")
	}
	if err := p.Change([]byte(other)); err == nil {
		t.Error("change gave no error")
	}
	if got, err := p.Key(0); err != nil || got != k {
		t.Errorf("%v", err)
	}
}

// TestPassphraseFileByHand reads a file as FORMAT.md has it.
func TestPassphraseFileByHand(t *testing.T) {
	p := made(t)
	k, err := p.Fill(1)
	if err != nil {
		t.Fatal(err)
	}
	b := readAll(t, p.path)
	if len(b) != 157 || string(b[:8]) != "sottopp1" {
		t.Fatalf("%d bytes", len(b))
	}
	derived := seal.Key(argon2.IDKey([]byte(right), b[17:33], binary.BigEndian.Uint32(b[12:]), binary.BigEndian.Uint32(b[8:]), b[16], 32))
	if id := derived.ID(); !bytes.Equal(id[:], b[33:41]) {
		t.Error("key id")
	}
	slots, err := seal.Open(&derived, seal.Place{Bucket: "root", ID: b[:41]}, b[41:149])
	if err != nil || len(slots) != 66 || slots[0] != 0 || slots[33] != 1 || !bytes.Equal(slots[34:], k[:]) || !bytes.Equal(slots[1:33], make([]byte, 32)) {
		t.Errorf("slots: %v", err)
	}
}

// TestArgon2id is a known answer of the reference implementation of argon2id, version 0x13:
// that of RFC 9106 section 5.3 has a secret, which the library does not take.
func TestArgon2id(t *testing.T) {
	got := argon2.IDKey([]byte("password"), []byte("somesalt"), 2, 64<<10, 1, 32)
	if hex.EncodeToString(got) != "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7" {
		t.Errorf("%x", got)
	}
}

// TestWhatAPassphraseCosts: what new files ask for, and that the memory is given back.
func TestWhatAPassphraseCosts(t *testing.T) {
	p := NewPassphrase(filepath.Join(t.TempDir(), "p"))
	if err := p.Make([]byte(right)); err != nil {
		t.Fatal(err)
	}
	b := readAll(t, p.path)
	if m, passes := binary.BigEndian.Uint32(b[8:]), binary.BigEndian.Uint32(b[12:]); m != 32<<10 || passes != 4 || b[16] != 1 {
		t.Errorf("%d KiB, %d passes, %d lanes", m, passes, b[16])
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	if held := m.HeapSys - m.HeapReleased; held > 24<<20 {
		t.Errorf("%d MiB of heap stay with the process", held>>20)
	}
}

func readAll(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// summed gives b with the checksum that it should have.
func summed(b []byte) []byte {
	sum := sha256.Sum256(b[:passLen-sumLen])
	return append(b[:passLen-sumLen], sum[:sumLen]...)
}
