package seal

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
)

// KeyLen is the length of a [Key] in bytes.
const KeyLen = 32

// Key is a 256-bit secret under which values are sealed. Every verb of fmt, slog and
// the encoders show it as "(key)".
type Key [KeyLen]byte

// NewKey makes a key from crypto/rand.
func NewKey() Key {
	var k Key
	rand.Read(k[:]) // never fails: the program ends if the system has no randomness
	return k
}

// ID is a short fingerprint that tells two keys apart and gives nothing of the key
// away: 8 bytes of HKDF-Expand (RFC 5869 §2.3) with SHA-256.
func (k *Key) ID() [8]byte {
	return [8]byte(expand(k, "sotto key id 1", 8))
}

// Format implements [fmt.Formatter]; it hides the key from every verb.
func (k Key) Format(f fmt.State, _ rune) { io.WriteString(f, "(key)") }

// LogValue implements [slog.LogValuer].
func (k Key) LogValue() slog.Value { return slog.StringValue("(key)") }

// MarshalText hides the key from the encoders.
func (k Key) MarshalText() ([]byte, error) { return []byte("(key)"), nil }

// expand derives n bytes from a key that is already uniformly random, so the extract
// step may be left out (RFC 5869 §3.3).
func expand(k *Key, info string, n int) []byte {
	b, err := hkdf.Expand(sha256.New, k[:], info, n)
	if err != nil {
		panic(err) // only for n > 255*32
	}
	return b
}
