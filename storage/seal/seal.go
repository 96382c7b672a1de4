// Package seal turns plain bytes into sealed ones, and back: authenticated encryption
// bound to the place where they are kept. Package storage calls it for every value in
// the database and for audio, package keyring for the keys themselves. All keys that
// come from other keys come from [Key.Derive]. The bytes are those of ../FORMAT.md.
//
// Three forms, each told by its first byte:
//
//	value  format(1)=1 algorithm(1) salt(12) nonce(12) ciphertext tag(16)      Seal, Open
//	row    format(1)=2 algorithm(1) salt(16), parts: ciphertext tag(16) each   RowHeader
//	audio  format(1)=3 algorithm(1) salt(16), chunks: ciphertext tag(16) each  NewAudio, OpenAudio
//
// A row is of several persons, each part of it under a key of its own. Audio is read
// at any place, and what is missing at its end is seen.
//
// The algorithm is AES-256-GCM (NIST SP 800-38D) where the processor has instructions
// for it and ChaCha20-Poly1305 (RFC 8439) elsewhere; the header says which, and every
// box opens both.
//
// # Nonce rule
//
// Nothing is encrypted under the [Key] itself, but under
//
//	HKDF-Expand-SHA256(key, "sotto seal 1" algorithm salt, 32)          of a value
//	HKDF-Expand-SHA256(key, "sotto part 1" algorithm salt number, 32)   of a part
//	HKDF-Expand-SHA256(key, "sotto audio 1" algorithm salt, 32)         of a file of audio
//
// (RFC 5869 §2.3) with a random salt. The nonce of a value is random, so that two share
// key and nonce only if 192 random bits repeat. The key of a part seals once, so its
// nonce is zero. The nonce of a chunk is its number and whether it is the last, the
// STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár, 2015). No counter outlives a
// file or a row, so none can be set back by a power cut or an old backup, and there is
// no practical limit to how much is sealed under one key.
//
// # What it is bound to
//
// A [Place], a [Part] and the id of an item are authenticated and not stored: which
// bucket, which row, which part of it, whose. What is moved to another place does not open.
//
// The package keeps no state, reads no clock, opens no file, and never tells why
// something does not open. What it takes from outside is randomness.
package seal

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
)

// Overhead is how much longer a sealed value is than the plain one, in bytes.
const Overhead = headerLen + tagLen

const (
	format1   = 1
	saltLen   = 12
	nonceLen  = 12
	tagLen    = 16
	headerLen = 2 + saltLen + nonceLen
)

var (
	// ErrFormat says that the bytes are no sealed value that this version knows: too
	// short, or of another format or algorithm.
	ErrFormat = errors.New("not a sealed value of a known format")

	// ErrSealed says that a sealed value does not open: another key, another place,
	// or a changed byte. Which of them cannot be told.
	ErrSealed = errors.New("sealed value does not open: wrong key, wrong place or changed")
)

// Place is where a value is kept and whose it is.
type Place struct {
	Bucket  string // kind of value
	ID      []byte // key in the bucket
	Subject []byte // whose key seals it; empty for the box itself
}

// Seal seals plain under k for the place p.
func Seal(k *Key, p Place, plain []byte) []byte {
	var random [saltLen + nonceLen]byte
	rand.Read(random[:])
	return sealWith(preferred, k, p, random, plain)
}

func sealWith(alg algorithm, k *Key, p Place, random [saltLen + nonceLen]byte, plain []byte) []byte {
	out := make([]byte, headerLen, len(plain)+Overhead)
	out[0], out[1] = format1, byte(alg)
	copy(out[2:], random[:])
	return sealAEAD(out, k).Seal(out, out[2+saltLen:headerLen], plain, additional(out, p))
}

// Open gives the plain value back. It returns [ErrFormat] or [ErrSealed], and then
// never a part of the value.
func Open(k *Key, p Place, sealed []byte) ([]byte, error) {
	if len(sealed) < Overhead || sealed[0] != format1 || !algorithm(sealed[1]).known() {
		return nil, ErrFormat
	}
	header, body := sealed[:headerLen], sealed[headerLen:]
	plain, err := sealAEAD(header, k).Open(nil, header[2+saltLen:], body, additional(header, p))
	if err != nil {
		return nil, ErrSealed
	}
	return plain, nil
}

// sealAEAD gives the cipher for the header's algorithm under the key derived for its salt.
func sealAEAD(header []byte, k *Key) aead {
	derived := k.Derive("sotto seal 1" + string(header[1:2+saltLen]))
	return newAEAD(algorithm(header[1]), &derived)
}

// additional is the authenticated data: the two header bytes, then bucket, id and
// subject, each after its length in two bytes, big-endian.
func additional(header []byte, p Place) []byte {
	b := make([]byte, 0, 8+len(p.Bucket)+len(p.ID)+len(p.Subject))
	b = append(b, header[:2]...)
	b = binary.BigEndian.AppendUint16(b, length(len(p.Bucket)))
	b = append(b, p.Bucket...)
	b = binary.BigEndian.AppendUint16(b, length(len(p.ID)))
	b = append(b, p.ID...)
	b = binary.BigEndian.AppendUint16(b, length(len(p.Subject)))
	return append(b, p.Subject...)
}

func length(n int) uint16 {
	if n > 0xffff {
		panic("seal: part of a place longer than 65535 bytes")
	}
	return uint16(n)
}
