package seal

import (
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
// away: the [Key.Tag] of "sotto key id 1".
func (k *Key) ID() [8]byte { return k.Tag("sotto key id 1") }

// Derive makes another key: HKDF-Expand (RFC 5869 §2.3) with SHA-256, 32 bytes. Nothing
// leads from it back to k, nor to the key of another info.
func (k *Key) Derive(info string) Key { return k.expand([]byte(info)) }

// Tag makes 8 bytes that stand for info and that only who has k can tell: HKDF-Expand
// (RFC 5869 §2.3) with SHA-256, 8 bytes, which are the first of the key of the same info.
func (k *Key) Tag(info string) [8]byte {
	t := k.expand([]byte(info))
	return [8]byte(t[:])
}

// Format implements [fmt.Formatter]; it hides the key from every verb.
func (k Key) Format(f fmt.State, _ rune) { io.WriteString(f, "(key)") }

// LogValue implements [slog.LogValuer].
func (k Key) LogValue() slog.Value { return slog.StringValue("(key)") }

// MarshalText hides the key from the encoders.
func (k Key) MarshalText() ([]byte, error) { return []byte("(key)"), nil }

// expand is HKDF-Expand-SHA256 for the first 32 bytes: HMAC(k, info 0x01). The key is
// uniformly random already, so the extract step is left out (RFC 5869 §3.3). HMAC (RFC
// 2104) is written out, as a record takes four of them: see BenchmarkExpand.
func (k *Key) expand(info []byte) Key {
	var inner [sha256.BlockSize + 64]byte
	var outer [sha256.BlockSize + sha256.Size]byte
	for i := range sha256.BlockSize {
		inner[i], outer[i] = 0x36, 0x5c
	}
	for i, b := range k {
		inner[i] ^= b
		outer[i] ^= b
	}
	sum := sha256.Sum256(append(append(inner[:sha256.BlockSize], info...), 1))
	copy(outer[sha256.BlockSize:], sum[:])
	return sha256.Sum256(outer[:])
}
