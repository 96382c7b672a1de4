// Package keyring holds all keys of the box: the box's own, those of each person the box
// has met, and one for each message. Package storage is its only caller.
//
// A person is a [Subject]: a user of the office, an outside number or somebody who logs in
// to the page, under an id made at random that says nothing. The lookup from user id or
// number to subject is in the keyring and nowhere else, because a hash of a number is as
// good as the number. The zero Subject is the box itself.
//
//	root (key file, …)            keeps the epoch key
//	└─ epoch key                  seals two files:
//	   ├─ keyring                 all keys at the last rewrite
//	   └─ keyring.tail-N          keys made since, appended and synced
//	      ├─ box, subject         an own key, for what stays as long as they are known,
//	      │  └─ chain             and a key a day for each class of what ages
//	      └─ item                 the key of one message or recording
//
// A key is durable before anything is sealed under it for good: make it with
// [Ring.Subject], [Ring.SealKey] or [Ring.NewItem], call [Ring.Commit], then write the
// record. A torn end of the tail, which a power cut leaves, is recognised and cut: by that
// rule no record needs it.
//
// # Destruction
//
// Destroying a key is destroying whatever it sealed, wherever copies of that are; so the
// keys are never in the database, which keeps deleted bytes. Four things let go of keys:
// [Ring.Erase] of a person, [Ring.Forget] of days, [Ring.DropItem] of a message and
// [Ring.Drop] of a person of whom nothing is left. A
// rotation destroys them: it writes the keyring without them under a new epoch key and
// then destroys the old epoch key in the root, and with it every older copy of the keyring.
// Erase rotates at once; for the others the caller calls [Ring.Rotate] when it sees fit,
// while [Ring.Waiting] says that there is something to destroy.
//
// # Goroutines
//
// Whatever changes the ring waits for its turn, over file operations too. What only reads
// (Key, DayKey, ItemKey, Lookup, …) never waits for a file.
//
// The package never logs, never shows a number in an error, and reads no clock. FORMAT.md
// of package storage describes the files byte by byte.
package keyring

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"sotto/storage/seal"
)

var (
	// ErrMissing says that there is data but no keyring file to open it with.
	ErrMissing = errors.New("the keyring file is missing: put back a copy of it or restore a backup")

	// ErrWrongRoot says that the keyring was sealed under another epoch key than the root
	// holds: another box's, or one of the two is a copy from before a rotation.
	ErrWrongRoot = errors.New("the keyring and the root key do not belong together: put back the newest of each that were in use with this data folder; what was erased since an older copy was made cannot come back")

	// ErrDamaged says that the keyring or its tail was changed or cut.
	ErrDamaged = errors.New("the keyring is damaged: restore a backup")

	// ErrOlder says that the keyring has a format that this version does not read.
	ErrOlder = errors.New("the keyring was made by a version before the first release: wipe the box to begin anew")

	// ErrFull says that the keyring has as many persons or messages as it can hold.
	ErrFull = errors.New("the keyring is full")
)

// Subject is the id of a person: 16 random bytes, a pseudonym that may be logged. The zero
// Subject is the box, which has an own key and chains like everybody.
type Subject [16]byte

// String gives the id in hexadecimal.
func (s Subject) String() string { return hex.EncodeToString(s[:]) }

// Kind says what a subject is known by.
type Kind byte

const (
	User    Kind = 'U' // a user of the plan, known by user id
	Outside Kind = 'N' // an outside party, known by number
	Admin   Kind = 'A' // who logs in to the page, known by account id
)

const (
	maxPeople  = 50_000
	maxOutside = maxPeople - 2_000 // with so many, no outside number is taken: anybody who calls makes those
	maxItems   = 50_000
	maxNameLen = 255
)

// Ring is the keyring in memory. Its methods may be called by several goroutines.
type Ring struct {
	dir     string
	root    Root
	hook    func(step string) error // of tests: asked before each step on medium or root
	tailCut int64
	found   uint64        // the mark at Open
	foundAt Position      // the end at Open
	count   atomic.Uint64 // of the next mark
	marked  atomic.Uint64 // the count in the last

	w       sync.Mutex // held by who changes anything, over file operations too; before mu
	epoch   seal.Key
	slot    int
	gen     uint64        // of the keyring file; names the tail that belongs to it
	pending [][idLen]byte // subjects and items that were made, changed or dropped, not yet in the tail
	tail    *os.File      // nil after Close
	tailLen int64         // good bytes; a failed append may have left more
	frames  uint64        // in the tail
	left    *leftover     // of the last rewrite; nil if it is finished

	mu       sync.RWMutex // never held over a file operation; what follows is changed under w and mu
	book                  // its dirty marks are of w alone
	cache    dayCache
	waiting  bool  // the medium has keys that the book has not
	oldEpoch error // why an old epoch key is still there
}

// Box gives the box's own key.
func (r *Ring) Box() seal.Key {
	k, _ := r.Key(Subject{})
	return k
}

// Key gives the own key of a subject; false if there is none, because it was destroyed or
// never was here.
func (r *Ring) Key(s Subject) (seal.Key, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if p := r.people[s]; p != nil {
		return p.key, true
	}
	return seal.Key{}, false
}

// Name tells what a subject is known by; false if it is not known, or is the box.
func (r *Ring) Name(s Subject) (Kind, string, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if p := r.people[s]; p != nil && p.name.kind != box {
		return p.name.kind, p.name.text, true
	}
	return 0, "", false
}

// Lookup finds the subject known by text; false if the box never met it.
func (r *Ring) Lookup(kind Kind, text string) (Subject, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if p := r.names[name{kind, text}]; p != nil {
		return p.id, true
	}
	return Subject{}, false
}

// Subject finds the subject known by text, and makes it and its own key if there is none.
// A new one is durable after the next [Ring.Commit]. The text is at most 255 bytes. Too
// many subjects are [ErrFull], and somewhat sooner for outside numbers than for others.
func (r *Ring) Subject(kind Kind, text string) (Subject, error) {
	if len(text) == 0 || len(text) > maxNameLen {
		return Subject{}, fmt.Errorf("make subject: name of %d bytes", len(text))
	}
	if s, ok := r.Lookup(kind, text); ok {
		return s, nil
	}
	r.w.Lock()
	defer r.w.Unlock()
	if s, ok := r.Lookup(kind, text); ok { // somebody else made it meanwhile
		return s, nil
	}
	if n := len(r.people); n >= maxPeople || kind == Outside && n >= maxOutside {
		return Subject{}, fmt.Errorf("make subject: %w", ErrFull)
	}
	p := &person{name: name{kind, text}, key: seal.NewKey()}
	rand.Read(p.id[:])
	r.mu.Lock()
	r.put(p)
	r.mu.Unlock()
	r.pend(p.id, &p.dirty)
	return p.id, nil
}

// pend notes that an id is to be in the next frame, as it will be then.
func (r *Ring) pend(id [idLen]byte, dirty *bool) {
	if !*dirty {
		*dirty = true
		r.pending = append(r.pending, id)
	}
}

// SetCount tells how many transactions the database has durable. It goes to the medium with
// the next frame or rewrite, as the mark; it makes none by itself, as [Ring.Mark] does.
func (r *Ring) SetCount(n uint64) { r.count.Store(n) }

// Count gives the mark that Open found, 0 if none: so many transactions the database had
// then, and it has lost some if it has fewer now.
func (r *Ring) Count() uint64 { return r.found }

// Position is how far a keyring has been written. A later one is a higher number.
type Position uint64

func position(gen, frames uint64) Position { return Position(gen<<32 | frames) }

// Position gives the end of what is durable. Whoever writes it beside what relies on it can
// tell, by [Ring.Found], whether keys were lost since.
func (r *Ring) Position() Position {
	r.w.Lock()
	defer r.w.Unlock()
	return position(r.gen, r.frames)
}

// Epoch gives the key id of the epoch key, and the number of the keyring file.
func (r *Ring) Epoch() (id [8]byte, gen uint64) {
	r.w.Lock()
	defer r.w.Unlock()
	return r.epoch.ID(), r.gen
}

// Found gives the position that Open found.
func (r *Ring) Found() Position { return r.foundAt }

// TailCut tells how many bytes of a torn tail Open cut off.
func (r *Ring) TailCut() int64 { return r.tailCut }
