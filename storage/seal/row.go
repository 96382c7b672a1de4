package seal

import (
	"crypto/rand"
	"encoding/binary"
)

// MaxParts is the most parts that a row has.
const MaxParts = 1024

// PartOverhead is how much longer a sealed part is than the plain one, in bytes.
const PartOverhead = tagLen

const (
	format2    = 2
	rowSaltLen = 16
)

// RowHeader begins a row in parts: format (1 byte), algorithm (1), salt (16, random).
// A row written anew gets a new header, for each of its parts' keys seals once.
type RowHeader [2 + rowSaltLen]byte

// Part says which part of which row a value is. It is authenticated with the value and
// not stored in it.
type Part struct {
	Bucket  string   // at most 65535 bytes
	ID      []byte   // key of the row in the bucket, at most 65535 bytes
	N       int      // number of the part, from 0, less than [MaxParts]
	Class   byte     // class of the key, below 0x80
	Subject [16]byte // whose part it is; zeros for the box
	List    []byte   // for N == 0: class (1) and subject (16) of every part after it; else nil
}

// NewRow makes the header of a row that is about to be sealed.
func NewRow() RowHeader { return newRow(preferred) }

func newRow(a algorithm) RowHeader {
	h := RowHeader{format2, byte(a)}
	rand.Read(h[2:])
	return h
}

// ParseRow takes the header from the beginning of a row. It returns [ErrFormat] for
// what is too short, or of another format or algorithm.
func ParseRow(b []byte) (RowHeader, error) {
	if len(b) < len(RowHeader{}) || b[0] != format2 || !algorithm(b[1]).known() {
		return RowHeader{}, ErrFormat
	}
	return RowHeader(b), nil
}

// Seal appends the sealed part to dst: ciphertext, as long as plain, and tag (16). A
// part may be sealed once under a header; a changed one needs [NewRow]. It panics for
// a part that is out of the bounds that [Part] names.
func (h *RowHeader) Seal(dst []byte, k *Key, p Part, plain []byte) []byte {
	if !p.valid() {
		panic("seal: part of a row out of bounds")
	}
	return h.aead(k, p.N).Seal(dst, zeroNonce[:], plain, h.additional(&p))
}

// Open appends the plain part to dst. With [ErrSealed], for a part that does not open,
// or [ErrFormat], for a header or a part out of bounds, it returns dst as it was.
func (h *RowHeader) Open(dst []byte, k *Key, p Part, sealed []byte) ([]byte, error) {
	if h[0] != format2 || !algorithm(h[1]).known() || !p.valid() {
		return dst, ErrFormat
	}
	plain, err := h.aead(k, p.N).Open(dst, zeroNonce[:], sealed, h.additional(&p))
	if err != nil {
		return dst, ErrSealed
	}
	return plain, nil
}

// zeroNonce is the nonce of every part: no key of a part seals twice.
var zeroNonce [nonceLen]byte

func (p *Part) valid() bool {
	return p.N >= 0 && p.N < MaxParts && p.Class < 0x80 &&
		len(p.Bucket) <= 0xffff && len(p.ID) <= 0xffff &&
		len(p.List)%(1+16) == 0 && len(p.List) < MaxParts*(1+16) && (p.N == 0 || len(p.List) == 0)
}

// aead gives the cipher for part n under the key derived for it alone.
func (h *RowHeader) aead(k *Key, n int) aead {
	const label = "sotto part 1"
	var info [len(label) + 1 + rowSaltLen + 2]byte
	copy(info[:], label)
	copy(info[len(label):], h[1:])
	binary.BigEndian.PutUint16(info[len(info)-2:], uint16(n))
	derived := k.expand(info[:])
	return newAEAD(algorithm(h[1]), &derived)
}

// additional is the authenticated data: header; bucket and id, each after its length
// in two bytes; number (2), class (1), subject (16), list.
func (h *RowHeader) additional(p *Part) []byte {
	b := make([]byte, 0, len(h)+2+len(p.Bucket)+2+len(p.ID)+2+1+16+len(p.List))
	b = append(b, h[:]...)
	b = binary.BigEndian.AppendUint16(b, uint16(len(p.Bucket)))
	b = append(b, p.Bucket...)
	b = binary.BigEndian.AppendUint16(b, uint16(len(p.ID)))
	b = append(b, p.ID...)
	b = binary.BigEndian.AppendUint16(b, uint16(p.N))
	b = append(b, p.Class)
	b = append(b, p.Subject[:]...)
	return append(b, p.List...)
}
