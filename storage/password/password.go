// Package password keeps passwords so that nobody can read them back: argon2id
// (RFC 9106) with a salt of its own for each. Package storage is its only caller; it says
// who may try how often, where a [Hash] is kept, and that only one is computed at a time.
//
// The package is pure but for random salts. It never logs and never shows a password in
// an error. What argon2 has worked with is not wiped from memory: the library gives no
// way to.
package password

import (
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
)

// Bounds of a password in characters. It is taken as the bytes that were typed: no
// Unicode normal form is made, so one with accents may fail from a keyboard that
// composes them in another way.
const (
	MinLen = 10
	MaxLen = 256
)

// ErrLength says that a password is too short, too long or not text.
var ErrLength = errors.New("a password has 10 to 256 characters")

// ErrHash says that a stored hash is none that [New] has made.
var ErrHash = errors.New("damaged hash of a password")

// Check gives ErrLength, or nil for a password that may be used.
func Check(password string) error {
	if len(password) > MaxLen*utf8.UTFMax || !utf8.ValidString(password) {
		return ErrLength
	}
	if n := utf8.RuneCountInString(password); n < MinLen || n > MaxLen {
		return ErrLength
	}
	return nil
}

// Cost is what one hash costs.
type Cost struct {
	Memory uint32 `json:"m"` // KiB
	Time   uint32 `json:"t"` // passes over it
	Lanes  uint8  `json:"p"` // passed at the same time
}

// Default is the cost of new hashes: 19 MiB, two passes, one lane, the least that the
// OWASP Password Storage Cheat Sheet names. A Cortex-A7 with 512 MB can pay it. It may
// be raised at any time: each hash says what it cost.
var Default = Cost{Memory: 19 << 10, Time: 2, Lanes: 1}

// What a stored hash may ask for at most, so that a wrong one takes neither memory nor
// hours.
const (
	maxMemory = 128 << 10 // KiB
	maxTime   = 16
	saltLen   = 16
	sumLen    = 32
)

// Hash is a password that only [Hash.Matches] knows again.
type Hash struct {
	Cost
	Salt []byte `json:"salt"` // 16 bytes, random
	Sum  []byte `json:"sum"`  // 32 bytes
}

// New makes the hash of a password. It takes c.Memory for a moment.
func New(password string, c Cost) Hash {
	h := Hash{Cost: c, Salt: make([]byte, saltLen)}
	rand.Read(h.Salt)
	h.Sum = h.sum(password)
	return h
}

// Nobody gives a hash that no password matches and that costs c to find out.
func Nobody(c Cost) Hash {
	h := Hash{Cost: c, Salt: make([]byte, saltLen), Sum: make([]byte, sumLen)}
	rand.Read(h.Salt)
	rand.Read(h.Sum)
	return h
}

// Valid gives ErrHash for what New cannot have made.
func (h *Hash) Valid() error {
	switch {
	case len(h.Salt) != saltLen, len(h.Sum) != sumLen,
		h.Time == 0, h.Time > maxTime, h.Lanes != 1, h.Memory < 8, h.Memory > maxMemory:
		return ErrHash
	}
	return nil
}

// Matches tells whether password is the one that h was made of. It takes as long and as
// much memory when it is not. h is valid.
func (h *Hash) Matches(password string) bool {
	return subtle.ConstantTimeCompare(h.sum(password), h.Sum) == 1
}

func (h *Hash) sum(password string) []byte {
	return argon2.IDKey([]byte(password), h.Salt, h.Time, h.Memory, h.Lanes, sumLen)
}

// String hides the hash.
func (h Hash) String() string { return "(hash of a password)" }

// GoString is String, so that %#v shows no more than %v.
func (h Hash) GoString() string { return h.String() }
