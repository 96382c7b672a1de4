package keyring

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"sotto/storage/durable"
	"sotto/storage/seal"
)

// Root keeps the epoch key under which the keyring file is sealed. It has two slots,
// so that a new epoch key can be put beside the old one before the old is destroyed.
// Slots are numbered 0 and 1. A Root is used by one goroutine at a time, and for one
// keyring: that destroys the key it does not name.
type Root interface {
	// Kind names the root in a word or two for the page that shows which is in use.
	Kind() string

	// Key gives the key in a slot, or an error that wraps [ErrNoKey] if it is empty.
	Key(slot int) (seal.Key, error)

	// Fill puts a new random key in an empty slot and gives it once it is durable. It
	// never replaces a key: a filled slot is an error that wraps [ErrFilled].
	Fill(slot int) (seal.Key, error)

	// Destroy empties a slot, and returns when that is durable. What its key sealed can no
	// longer be opened, as far as the kind of root can promise that. An empty slot is no
	// error: then it makes sure that the slot stays empty, and writes nothing.
	Destroy(slot int) error
}

var (
	// ErrNoKey says that a slot of the root is empty or that the key file is missing.
	ErrNoKey = errors.New("the root holds no key")

	// ErrFilled says that a slot holds a key already.
	ErrFilled = errors.New("the slot of the root holds a key already")

	// ErrRootDamaged says that the key file was changed or cut.
	ErrRootDamaged = errors.New("the key file is damaged: put back a copy of it")
)

const (
	rootMagic = "sottork1"
	slotLen   = 1 + seal.KeyLen // filled (0 or 1), key
	rootLen   = len(rootMagic) + 2*slotLen + rootSum
	rootSum   = 8 // leading bytes of the SHA-256 of all before
)

// FileRoot is a [Root] in a file, best on a partition of its own. It protects a sold
// disk or a copied database, not a stolen box: the key lies beside the lock. A flash
// medium may keep a copy of a destroyed key, though the old file is overwritten; FORMAT.md
// says more.
type FileRoot struct{ path string }

// NewFileRoot gives the root in the file path. It reads nothing yet.
func NewFileRoot(path string) *FileRoot { return &FileRoot{path} }

// Kind implements [Root].
func (r *FileRoot) Kind() string { return "key file" }

// Key implements [Root].
func (r *FileRoot) Key(slot int) (seal.Key, error) {
	b, err := r.read()
	if err != nil {
		return seal.Key{}, err
	}
	s := slotOf(b, slot)
	if s[0] == 0 {
		return seal.Key{}, fmt.Errorf("key file %s, slot %d: %w", r.path, slot, ErrNoKey)
	}
	k := seal.Key(s[1:])
	clear(b)
	return k, nil
}

// Fill implements [Root]. It makes the file, readable by its owner only, if there is
// none.
func (r *FileRoot) Fill(slot int) (seal.Key, error) {
	b, err := r.read()
	if errors.Is(err, fs.ErrNotExist) {
		b, err = append([]byte(rootMagic), make([]byte, rootLen-len(rootMagic))...), nil
	}
	if err != nil {
		return seal.Key{}, err
	}
	s := slotOf(b, slot)
	if s[0] != 0 {
		return seal.Key{}, fmt.Errorf("key file %s, slot %d: %w", r.path, slot, ErrFilled)
	}
	k := seal.NewKey()
	s[0] = 1
	copy(s[1:], k[:])
	if err := r.write(b); err != nil {
		return seal.Key{}, err
	}
	return k, nil
}

// Destroy implements [Root].
func (r *FileRoot) Destroy(slot int) error {
	b, err := r.read()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	s := slotOf(b, slot)
	if s[0] == 0 {
		clear(b)
		return durable.SyncDir(filepath.Dir(r.path))
	}
	clear(s)
	return r.write(b)
}

// write puts b in the file and then zeros in the place of the old one.
func (r *FileRoot) write(b []byte) error {
	defer clear(b)
	copy(b[rootLen-rootSum:], sumOf(b))
	old, _ := os.OpenFile(r.path, os.O_WRONLY, 0)
	if err := durable.Write(r.path, b); err != nil {
		old.Close() // nil gives an error, no more
		return fmt.Errorf("write key file: %w", err)
	}
	overwrite(old)
	return nil
}

// read gives the whole file, checked. A missing file is both ErrNoKey and
// fs.ErrNotExist.
func (r *FileRoot) read() ([]byte, error) {
	b, err := os.ReadFile(r.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %w", ErrNoKey, err)
	}
	if err != nil {
		return nil, fmt.Errorf("read key file: %w", err)
	}
	if len(b) != rootLen || string(b[:len(rootMagic)]) != rootMagic || !bytes.Equal(b[rootLen-rootSum:], sumOf(b)) {
		return nil, fmt.Errorf("key file %s: %w", r.path, ErrRootDamaged)
	}
	return b, nil
}

func slotOf(b []byte, slot int) []byte {
	return b[len(rootMagic)+slot*slotLen:][:slotLen]
}

func sumOf(b []byte) []byte {
	sum := sha256.Sum256(b[:rootLen-rootSum])
	return sum[:rootSum]
}
