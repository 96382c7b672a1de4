// Package seal turns a small value into a sealed one, and back: authenticated
// encryption bound to the place where the value is kept. Package storage calls it for
// every value in the database, package keyring for the keys themselves.
//
// A sealed value is
//
//	format(1) algorithm(1) salt(12) nonce(12) ciphertext tag(16)
//
// The algorithm is AES-256-GCM (NIST SP 800-38D) where the processor has instructions
// for it and ChaCha20-Poly1305 (RFC 8439) elsewhere; the header says which, and every
// box opens both.
//
// # Nonce rule
//
// Salt and nonce are random. No value is encrypted under the [Key] itself, but under
//
//	HKDF-Expand-SHA256(key, "sotto seal 1" algorithm salt, 32)
//
// (RFC 5869 §2.3), so that two values share a key and a nonce only if 192 random bits
// collide. There is no counter that a power cut or an old backup could set back, and
// no practical limit to the number of values under one key.
//
// # What a value is bound to
//
// A [Place] is authenticated with the value and not stored in it: the bucket, the id
// in the bucket, and whose the value is. A value moved to another place does not open.
//
// The package keeps no state, reads no file and no clock, and never tells why a value
// does not open. What it takes from outside is randomness, in [Seal] and [NewKey].
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"runtime"

	"golang.org/x/crypto/chacha20poly1305"
	"golang.org/x/sys/cpu"
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

type algorithm byte

const (
	aesGCM     algorithm = 1 // AES-256-GCM
	chaChaPoly algorithm = 2 // ChaCha20-Poly1305
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

// preferred is the algorithm that Seal uses on this machine. Go has assembly for AES
// and its GCM multiplication on these two architectures only.
var preferred = func() algorithm {
	switch {
	case runtime.GOARCH == "amd64" && cpu.X86.HasAES && cpu.X86.HasPCLMULQDQ,
		runtime.GOARCH == "arm64" && cpu.ARM64.HasAES && cpu.ARM64.HasPMULL:
		return aesGCM
	}
	return chaChaPoly
}()

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
	return aead(out, k).Seal(out, out[2+saltLen:headerLen], plain, additional(out, p))
}

// Open gives the plain value back. It returns [ErrFormat] or [ErrSealed], and then
// never a part of the value.
func Open(k *Key, p Place, sealed []byte) ([]byte, error) {
	if len(sealed) < Overhead || sealed[0] != format1 {
		return nil, ErrFormat
	}
	if a := algorithm(sealed[1]); a != aesGCM && a != chaChaPoly {
		return nil, ErrFormat
	}
	header, body := sealed[:headerLen], sealed[headerLen:]
	plain, err := aead(header, k).Open(nil, header[2+saltLen:], body, additional(header, p))
	if err != nil {
		return nil, ErrSealed
	}
	return plain, nil
}

// aead gives the cipher for the header's algorithm under the key derived for its salt.
func aead(header []byte, k *Key) cipher.AEAD {
	derived := expand(k, "sotto seal 1"+string(header[1:2+saltLen]), KeyLen)
	var a cipher.AEAD
	var err error
	if algorithm(header[1]) == aesGCM {
		var block cipher.Block
		if block, err = aes.NewCipher(derived); err == nil {
			a, err = cipher.NewGCM(block)
		}
	} else {
		a, err = chacha20poly1305.New(derived)
	}
	if err != nil {
		panic(err) // only for a key of a wrong length
	}
	return a
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
