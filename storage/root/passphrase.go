package root

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"

	"sotto/storage/durable"
	"sotto/storage/keyring"
	"sotto/storage/seal"
)

// Bounds of a passphrase in characters. It is taken as the bytes that were typed: no
// Unicode normal form is made, and a byte that is no text counts as a character. Who has
// the file can guess without end, so it is longer than a password of the page.
const (
	MinLen = 12
	MaxLen = 256
)

var (
	// ErrPassphrase says that a passphrase is not the one that the file was made with.
	ErrPassphrase = errors.New("the passphrase is wrong: type it again")

	// ErrLocked says that a key was asked for before [Passphrase.Unlock].
	ErrLocked = errors.New("the passphrase was not given")

	// ErrLength says that a new passphrase is too short or too long.
	ErrLength = errors.New("a passphrase has 12 to 256 characters: five words that come to mind by chance are a good one")

	// ErrChanged says that the passphrase was changed, or the file exchanged, since Unlock.
	ErrChanged = errors.New("the passphrase was changed meanwhile: start Sotto again")
)

const (
	passMagic = "sottopp1"
	saltLen   = 16
	headLen   = len(passMagic) + 4 + 4 + 1 + saltLen // magic, memory, passes, lanes, salt
	idLen     = 8
	slotLen   = 1 + seal.KeyLen // filled (0 or 1), key
	slotsLen  = 2 * slotLen
	sumLen    = 8
	passLen   = headLen + idLen + slotsLen + seal.Overhead + sumLen
	bucket    = "root"
)

// cost is what argon2id costs (RFC 9106 section 3.1).
type cost struct {
	memory uint32 // KiB
	passes uint32
	lanes  uint8
}

// passphraseCost is that of new files: half of the box's memory limit, and as many passes
// as make up for it beside the 64 MiB and three that RFC 9106 section 4 names for little
// memory.
var passphraseCost = cost{memory: 32 << 10, passes: 4, lanes: 1}

// What a file may ask for at most, so that a wrong one takes neither memory nor hours.
const (
	maxMemory = 64 << 10 // KiB
	maxPasses = 16
	maxLanes  = 4
)

// Passphrase is a [keyring.Root] in a file whose two slots are sealed under a key that
// argon2id makes of a passphrase. The key of the passphrase stays in memory, because a
// rotation needs it; the passphrase does not.
//
// Its methods may be called by several goroutines. Errors of all of them wrap
// [keyring.ErrNoKey] if the file is missing and [keyring.ErrRootDamaged] if it was changed
// or cut.
type Passphrase struct {
	path string
	cost cost // of new files

	mu   sync.Mutex
	open bool
	key  seal.Key // of the passphrase, while open
}

// NewPassphrase gives the root in the file path, locked. It reads nothing yet.
func NewPassphrase(path string) *Passphrase {
	return &Passphrase{path: path, cost: passphraseCost}
}

// CheckLength gives [ErrLength], or nil for a new passphrase that may be used.
func CheckLength(passphrase []byte) error {
	if n := utf8.RuneCount(passphrase); n < MinLen || n > MaxLen {
		return ErrLength
	}
	return nil
}

// Kind implements [keyring.Root].
func (p *Passphrase) Kind() string { return "passphrase" }

// Check tells whether the file is there and whole, without a passphrase.
func (p *Passphrase) Check() error {
	_, err := p.read()
	return err
}

// Make makes the file with two empty slots, under a new passphrase, and leaves it open.
// There must be none: the error wraps [fs.ErrExist] then. It wipes the passphrase.
func (p *Passphrase) Make(passphrase []byte) error {
	defer clear(passphrase)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := CheckLength(passphrase); err != nil {
		return err
	}
	if _, err := os.Lstat(p.path); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("make passphrase file %s: %w", p.path, fs.ErrExist)
	}
	return p.wrap(passphrase, make([]byte, slotsLen))
}

// Unlock opens the file with its passphrase; the error is [ErrPassphrase] if it is another
// one. It takes the memory that the file asks for, 64 MiB at most, for a moment, and wipes
// the passphrase.
func (p *Passphrase) Unlock(passphrase []byte) error {
	defer clear(passphrase)
	p.mu.Lock()
	defer p.mu.Unlock()
	b, err := p.read()
	if err != nil {
		return err
	}
	k := derive(passphrase, b[:headLen])
	if id := k.ID(); !bytes.Equal(id[:], b[headLen:headLen+idLen]) {
		return ErrPassphrase
	}
	slots, err := p.slots(&k, b)
	if err != nil {
		return err
	}
	clear(slots)
	p.key, p.open = k, true
	return nil
}

// Change puts another passphrase in the place of the one that opened the file. A power cut
// leaves the old one or the new one. It wipes the passphrase. Who has an old copy of the
// file opens that with the old passphrase, and with it what the data folder was until its
// next rotation.
func (p *Passphrase) Change(passphrase []byte) error {
	defer clear(passphrase)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := CheckLength(passphrase); err != nil {
		return err
	}
	slots, _, err := p.unlocked()
	if err != nil {
		return err
	}
	defer clear(slots)
	return p.wrap(passphrase, slots)
}

// Key implements [keyring.Root]. It gives [ErrLocked] before Unlock.
func (p *Passphrase) Key(slot int) (seal.Key, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	slots, _, err := p.unlocked()
	if err != nil {
		return seal.Key{}, err
	}
	defer clear(slots)
	s := slotIn(slots, slot)
	if s[0] == 0 {
		return seal.Key{}, fmt.Errorf("passphrase file %s, slot %d: %w", p.path, slot, keyring.ErrNoKey)
	}
	return seal.Key(s[1:]), nil
}

// Fill implements [keyring.Root].
func (p *Passphrase) Fill(slot int) (seal.Key, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	slots, head, err := p.unlocked()
	if err != nil {
		return seal.Key{}, err
	}
	defer clear(slots)
	s := slotIn(slots, slot)
	if s[0] != 0 {
		return seal.Key{}, fmt.Errorf("passphrase file %s, slot %d: %w", p.path, slot, keyring.ErrFilled)
	}
	k := seal.NewKey()
	s[0] = 1
	copy(s[1:], k[:])
	if err := p.write(&p.key, head, slots); err != nil {
		return seal.Key{}, err
	}
	return k, nil
}

// Destroy implements [keyring.Root]. The file without the key takes the place of the file
// with it, which is overwritten; a flash medium may keep it all the same. It opens for the
// passphrase only.
func (p *Passphrase) Destroy(slot int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	slots, head, err := p.unlocked()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer clear(slots)
	s := slotIn(slots, slot)
	if s[0] == 0 {
		return durable.SyncDir(filepath.Dir(p.path))
	}
	clear(s)
	return p.write(&p.key, head, slots)
}

// unlocked gives the slots of the file as it is now, and the header they are sealed with.
func (p *Passphrase) unlocked() (slots, head []byte, err error) {
	b, err := p.read()
	if err != nil {
		return nil, nil, err
	}
	if !p.open {
		return nil, nil, ErrLocked
	}
	if id := p.key.ID(); !bytes.Equal(id[:], b[headLen:headLen+idLen]) {
		return nil, nil, ErrChanged
	}
	slots, err = p.slots(&p.key, b)
	return slots, b[:headLen], err
}

// wrap writes the slots under the key of a passphrase, with a new salt, and keeps that key.
func (p *Passphrase) wrap(passphrase, slots []byte) error {
	head := append([]byte(passMagic), make([]byte, headLen-len(passMagic))...)
	binary.BigEndian.PutUint32(head[8:], p.cost.memory)
	binary.BigEndian.PutUint32(head[12:], p.cost.passes)
	head[16] = p.cost.lanes
	rand.Read(head[headLen-saltLen:])
	k := derive(passphrase, head)
	if err := p.write(&k, head, slots); err != nil {
		return err
	}
	p.key, p.open = k, true
	return nil
}

// write puts the slots in the file, and then zeros in the place of the old file.
func (p *Passphrase) write(k *seal.Key, head, slots []byte) error {
	id := k.ID()
	b := append(bytes.Clone(head), id[:]...)
	b = append(b, seal.Seal(k, seal.Place{Bucket: bucket, ID: b}, slots)...)
	sum := sha256.Sum256(b)
	old, oldErr := os.OpenFile(p.path, os.O_WRONLY, 0) // no error matters: it is sealed anyhow
	if oldErr == nil {
		defer old.Close()
	}
	if err := durable.Write(p.path, append(b, sum[:sumLen]...)); err != nil {
		return fmt.Errorf("write passphrase file: %w", err)
	}
	if oldErr == nil {
		old.WriteAt(make([]byte, passLen), 0)
		old.Sync()
	}
	return nil
}

// read gives the whole file, checked as far as can be without the passphrase. A missing
// file is both ErrNoKey and fs.ErrNotExist.
func (p *Passphrase) read() ([]byte, error) {
	st, err := os.Stat(p.path)
	if err == nil && (!st.Mode().IsRegular() || st.Size() != int64(passLen)) {
		return nil, p.damaged()
	}
	var b []byte
	if err == nil {
		b, err = os.ReadFile(p.path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %w", keyring.ErrNoKey, err)
	}
	if err != nil {
		return nil, fmt.Errorf("read passphrase file: %w", err)
	}
	if len(b) != passLen || string(b[:len(passMagic)]) != passMagic {
		return nil, p.damaged()
	}
	if sum := sha256.Sum256(b[:passLen-sumLen]); !bytes.Equal(sum[:sumLen], b[passLen-sumLen:]) {
		return nil, p.damaged()
	}
	if c := costIn(b); c.passes == 0 || c.passes > maxPasses || c.lanes == 0 || c.lanes > maxLanes ||
		c.memory < 8*uint32(c.lanes) || c.memory > maxMemory {
		return nil, p.damaged()
	}
	return b, nil
}

func (p *Passphrase) slots(k *seal.Key, b []byte) ([]byte, error) {
	slots, err := seal.Open(k, seal.Place{Bucket: bucket, ID: b[:headLen+idLen]}, b[headLen+idLen:passLen-sumLen])
	if err != nil || len(slots) != slotsLen || slots[0] > 1 || slots[slotLen] > 1 {
		return nil, p.damaged()
	}
	return slots, nil
}

func (p *Passphrase) damaged() error {
	return fmt.Errorf("passphrase file %s: %w", p.path, keyring.ErrRootDamaged)
}

func costIn(head []byte) cost {
	return cost{binary.BigEndian.Uint32(head[8:]), binary.BigEndian.Uint32(head[12:]), head[16]}
}

// derive makes the key of a passphrase, and gives the memory that took back to the system:
// the box has none to spare. What argon2 has worked with is not wiped; the library gives no
// way to.
func derive(passphrase, head []byte) seal.Key {
	c := costIn(head)
	sum := argon2.IDKey(passphrase, head[headLen-saltLen:headLen], c.passes, c.memory, c.lanes, seal.KeyLen)
	k := seal.Key(sum)
	clear(sum)
	debug.FreeOSMemory()
	return k
}

func slotIn(slots []byte, slot int) []byte { return slots[slot*slotLen:][:slotLen] }
