// Package keyring holds all keys of the box: the box's own and one for each person the
// box has met. Package storage is its only caller.
//
// A person is a [Subject]: a user of the office, an outside number or somebody who logs in
// to the page, under an id made at random that says nothing. The lookup from user id or number to subject is in the
// keyring and nowhere else, because a hash of a number is as good as the number.
//
//	root (key file, …)            keeps the epoch key
//	└─ epoch key                  seals two files:
//	   ├─ keyring                 all keys at the last rewrite
//	   └─ keyring.tail-N          keys made since, appended and synced
//	      ├─ box key              seals what is about nobody
//	      └─ one key a subject    seals what is about that person
//
// A key is durable before anything is sealed under it for good: make it with
// [Ring.Subject], call [Ring.Commit], then write the record. A torn end of the tail,
// which a power cut leaves, is recognised and cut: by that rule no record needs it.
// Destroying a key is destroying whatever it sealed, wherever copies of that are; so
// the keys are never in the database, which keeps deleted bytes.
//
// The package never logs, never shows a number in an error, and reads no clock.
// FORMAT.md of package storage describes the files byte by byte and what is still to
// come (chain keys for each retention class, erasure by a change of epoch).
package keyring

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"sotto/storage/durable"
	"sotto/storage/seal"
)

var (
	// ErrMissing says that there is data but no keyring file to open it with.
	ErrMissing = errors.New("the keyring file is missing: put back a copy of it or restore a backup")

	// ErrWrongRoot says that the keyring was sealed under another root.
	ErrWrongRoot = errors.New("the keyring belongs to another root key: put back the key file that was in use with this data folder")

	// ErrDamaged says that the keyring or its tail was changed or cut.
	ErrDamaged = errors.New("the keyring is damaged: restore a backup")
)

// Subject is the id of a person: 16 random bytes, a pseudonym that may be logged. The
// zero Subject is nobody.
type Subject [16]byte

// String gives the id in hexadecimal.
func (s Subject) String() string { return hex.EncodeToString(s[:]) }

// Kind says what a subject is known by.
type Kind byte

const (
	User    Kind = 'U' // a user of the plan, known by user id
	Outside Kind = 'N' // an outside party, known by number
	Admin   Kind = 'A' // who logs in to the page, known by account id
	box     Kind = 'B' // the box itself
)

type name struct {
	kind Kind
	text string
}

// Ring is the keyring in memory. Its methods may be called by several goroutines.
type Ring struct {
	dir   string
	epoch seal.Key
	slot  int
	gen   uint64 // of the keyring file; names the tail that belongs to it

	mu       sync.RWMutex
	box      seal.Key
	keys     map[Subject]seal.Key
	names    map[name]Subject
	pending  []entry // made, not yet in the tail
	tail     *os.File
	tailLen  int64  // good bytes; a failed append may have left more
	frames   uint64 // in the tail
	tailCuts int64
}

const (
	fileName    = "keyring"
	maxTail     = 256 // frames; with more, Open writes the keyring anew
	maxNameLen  = 255
	bucketRing  = "keyring"
	bucketFrame = "keyring.tail"
)

// Open reads the keyring in the folder dir, sealed under root. If there is none it
// makes one, unless mustExist says that there is data which only an older one can
// open: then the error is [ErrMissing]. The other errors wrap [ErrNoKey],
// [ErrRootDamaged], [ErrWrongRoot] or [ErrDamaged], or come from the file system.
//
// The caller makes sure that no other run uses the folder.
func Open(dir string, root Root, mustExist bool) (*Ring, error) {
	r := &Ring{dir: dir, keys: map[Subject]seal.Key{}, names: map[name]Subject{}}
	b, err := os.ReadFile(filepath.Join(dir, fileName))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if mustExist || r.anyTail() {
			return nil, ErrMissing
		}
		if err := r.create(root); err != nil {
			return nil, fmt.Errorf("make keyring: %w", err)
		}
		return r, nil
	case err != nil:
		return nil, fmt.Errorf("read keyring: %w", err)
	}
	h, err := parseHeader(b)
	if err != nil {
		return nil, err
	}
	if r.epoch, err = root.Key(h.slot); err != nil {
		return nil, fmt.Errorf("the data cannot be opened without the root key it was written with; put that back, or wipe the box to begin anew: %w", err)
	}
	if r.epoch.ID() != h.keyID {
		return nil, ErrWrongRoot
	}
	r.slot, r.gen = h.slot, h.gen
	if err := r.readMain(h, b); err != nil {
		return nil, err
	}
	if err := r.readTail(); err != nil {
		return nil, err
	}
	r.sweep()
	if r.frames > maxTail {
		if err := r.rewrite(); err != nil {
			r.Close()
			return nil, fmt.Errorf("rewrite keyring: %w", err)
		}
	}
	return r, nil
}

// create makes the first keyring. A key that the root already holds is used, never
// replaced: another data folder may depend on it.
func (r *Ring) create(root Root) error {
	epoch, err := root.Key(0)
	if errors.Is(err, ErrNoKey) {
		epoch, err = root.Fill(0)
	}
	if err != nil {
		return err
	}
	r.epoch, r.box = epoch, seal.NewKey()
	return r.rewrite()
}

// Box gives the box's own key.
func (r *Ring) Box() seal.Key {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.box
}

// Key gives the key of a subject; false if there is none, because it was destroyed or
// never was here.
func (r *Ring) Key(s Subject) (seal.Key, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	k, ok := r.keys[s]
	return k, ok
}

// Lookup finds the subject known by text; false if the box never met it.
func (r *Ring) Lookup(kind Kind, text string) (Subject, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	s, ok := r.names[name{kind, text}]
	return s, ok
}

// Subject finds the subject known by text, and makes it and its key if there is none.
// A new one is durable after the next [Ring.Commit]. The text is at most 255 bytes.
func (r *Ring) Subject(kind Kind, text string) (Subject, error) {
	if len(text) == 0 || len(text) > maxNameLen {
		return Subject{}, fmt.Errorf("make subject: name of %d bytes", len(text))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if s, ok := r.names[name{kind, text}]; ok {
		return s, nil
	}
	e := entry{kind: kind, key: seal.NewKey(), text: text}
	rand.Read(e.subject[:])
	r.add(e)
	r.pending = append(r.pending, e)
	return e.subject, nil
}

// Commit makes all subjects made so far durable: one frame at the end of the tail, one
// sync. After an error they stay pending, and the next Commit writes over what a failed
// one may have left.
func (r *Ring) Commit() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.pending) == 0 {
		return nil
	}
	if r.tail == nil {
		return fmt.Errorf("append to keyring: %w", fs.ErrClosed)
	}
	frame := r.sealFrame(r.frames, r.pending)
	_, err := r.tail.WriteAt(frame, r.tailLen)
	if err == nil {
		err = r.tail.Sync()
	}
	if err != nil {
		return fmt.Errorf("append to keyring: %w", err)
	}
	r.tailLen += int64(len(frame))
	r.frames++
	r.pending = nil
	return nil
}

// TailCut tells how many bytes of a torn tail Open cut off.
func (r *Ring) TailCut() int64 { return r.tailCuts }

// Close forgets the keys and closes the tail. What was not committed is lost.
func (r *Ring) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.epoch[:])
	clear(r.box[:])
	clear(r.keys)
	clear(r.names)
	r.pending = nil
	if r.tail == nil {
		return nil
	}
	err := r.tail.Close()
	r.tail = nil
	return err
}

func (r *Ring) add(e entry) {
	if e.kind == box {
		r.box = e.key
		return
	}
	r.keys[e.subject] = e.key
	r.names[name{e.kind, e.text}] = e.subject
}

// rewrite puts all keys in a new keyring file with an empty tail of its own. The tail is
// made first: a keyring without its tail is damaged, a tail without its keyring is
// swept away.
func (r *Ring) rewrite() error {
	next := r.gen + 1
	tail, err := os.OpenFile(r.tailPath(next), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if err = tail.Sync(); err == nil {
		err = durable.Write(filepath.Join(r.dir, fileName), r.sealMain(next))
	}
	if err != nil {
		tail.Close()
		return err
	}
	if r.tail != nil {
		r.tail.Close()
	}
	r.gen, r.tail, r.tailLen, r.frames = next, tail, 0, 0
	r.sweep()
	return nil
}

// sweep removes what an interrupted rewrite left. A failure does no harm: the next Open
// tries again.
func (r *Ring) sweep() {
	os.Remove(filepath.Join(r.dir, fileName+durable.Suffix))
	tails, _ := filepath.Glob(filepath.Join(r.dir, fileName+".tail-*"))
	for _, t := range tails {
		if t != r.tailPath(r.gen) {
			os.Remove(t)
		}
	}
}

func (r *Ring) tailPath(gen uint64) string {
	return filepath.Join(r.dir, fmt.Sprintf("%s.tail-%d", fileName, gen))
}

// anyTail tells whether a tail with something in it is there.
func (r *Ring) anyTail() bool {
	files, _ := os.ReadDir(r.dir)
	for _, f := range files {
		if fi, err := f.Info(); err == nil && strings.HasPrefix(f.Name(), fileName+".tail-") && fi.Size() > 0 {
			return true
		}
	}
	return false
}
