package keyring

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"sotto/storage/seal"
)

// The keyring file: magic(8) slot(1) generation(8) key id(8), then the sealed entries.
// The tail: frames of length(4) complement of length(4) and sealed entries. Numbers are
// big-endian. An entry: kind(1) subject(16) key(32) length(1) name.

const (
	ringMagic  = "sottokr1"
	headerLen  = len(ringMagic) + 1 + 8 + 8
	frameHead  = 8
	entryFixed = 1 + 16 + seal.KeyLen + 1
)

type entry struct {
	kind    Kind
	subject Subject
	key     seal.Key
	text    string
}

func (e entry) append(b []byte) []byte {
	b = append(b, byte(e.kind))
	b = append(b, e.subject[:]...)
	b = append(b, e.key[:]...)
	b = append(b, byte(len(e.text)))
	return append(b, e.text...)
}

// entries reads a run of entries; false if it does not come out even.
func entries(b []byte) ([]entry, bool) {
	var all []entry
	for len(b) > 0 {
		if len(b) < entryFixed || len(b) < entryFixed+int(b[entryFixed-1]) {
			return nil, false
		}
		end := entryFixed + int(b[entryFixed-1])
		all = append(all, entry{
			kind:    Kind(b[0]),
			subject: Subject(b[1:17]),
			key:     seal.Key(b[17 : 17+seal.KeyLen]),
			text:    string(b[entryFixed:end]),
		})
		b = b[end:]
	}
	return all, true
}

type header struct {
	slot  int
	gen   uint64
	keyID [8]byte
}

func parseHeader(b []byte) (header, error) {
	if len(b) < headerLen || string(b[:len(ringMagic)]) != ringMagic || b[8] > 1 {
		return header{}, ErrDamaged
	}
	return header{int(b[8]), binary.BigEndian.Uint64(b[9:]), [8]byte(b[17:headerLen])}, nil
}

// sealMain gives the keyring file of a generation. The header is bound to the sealed
// part as its id.
func (r *Ring) sealMain(gen uint64) []byte {
	id := r.epoch.ID()
	b := append([]byte(ringMagic), byte(r.slot))
	b = binary.BigEndian.AppendUint64(b, gen)
	b = append(b, id[:]...)
	plain := make([]byte, 0, (1+len(r.names))*(entryFixed+16))
	plain = entry{kind: box, key: r.box}.append(plain)
	for n, s := range r.names {
		plain = entry{n.kind, s, r.keys[s], n.text}.append(plain)
	}
	b = append(b, seal.Seal(&r.epoch, seal.Place{Bucket: bucketRing, ID: b}, plain)...)
	clear(plain)
	return b
}

func (r *Ring) readMain(h header, b []byte) error {
	plain, err := seal.Open(&r.epoch, seal.Place{Bucket: bucketRing, ID: b[:headerLen]}, b[headerLen:])
	if err != nil {
		return ErrDamaged
	}
	all, ok := entries(plain)
	if !ok || len(all) == 0 || all[0].kind != box {
		return ErrDamaged
	}
	for _, e := range all {
		r.add(e)
	}
	clear(plain)
	return nil
}

func (r *Ring) framePlace(n uint64) seal.Place {
	id := binary.BigEndian.AppendUint64(nil, r.gen)
	return seal.Place{Bucket: bucketFrame, ID: binary.BigEndian.AppendUint64(id, n)}
}

func (r *Ring) sealFrame(n uint64, es []entry) []byte {
	var plain []byte
	for _, e := range es {
		plain = e.append(plain)
	}
	sealed := seal.Seal(&r.epoch, r.framePlace(n), plain)
	clear(plain)
	b := binary.BigEndian.AppendUint32(nil, uint32(len(sealed)))
	b = binary.BigEndian.AppendUint32(b, ^uint32(len(sealed)))
	return append(b, sealed...)
}

// readTail reads the tail and leaves it open for appending, a torn end cut off.
func (r *Ring) readTail() error {
	path := r.tailPath(r.gen)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("tail is missing: %w", ErrDamaged)
	}
	if err != nil {
		return fmt.Errorf("read keyring: %w", err)
	}
	good := 0
	for good < len(b) {
		n := r.readFrame(b[good:])
		if n == 0 {
			if r.wholeFrameIn(b[good:]) {
				return fmt.Errorf("frame %d of the tail: %w", r.frames, ErrDamaged)
			}
			break
		}
		good += n
		r.frames++
	}
	r.tailLen, r.tailCuts = int64(good), int64(len(b)-good)
	if r.tail, err = os.OpenFile(path, os.O_RDWR, 0o600); err != nil {
		return fmt.Errorf("open keyring: %w", err)
	}
	if good == len(b) {
		return nil
	}
	if err = r.tail.Truncate(r.tailLen); err == nil {
		err = r.tail.Sync()
	}
	if err != nil {
		r.Close()
		return fmt.Errorf("cut torn keyring: %w", err)
	}
	return nil
}

// readFrame takes the first frame of b into the ring and gives its length, or 0 if it
// is not whole.
//
// A frame is written by one append and synced before anything relies on it. So only the
// last can be torn: it is short, or some of its blocks hold zeros or something else. If
// a whole one comes after it, it was whole once and was changed.
func (r *Ring) readFrame(b []byte) int {
	plain, end := r.openFrame(b, r.frames)
	if end == 0 {
		return 0
	}
	all, ok := entries(plain)
	if !ok {
		return 0
	}
	for _, e := range all {
		r.add(e)
	}
	return end
}

// openFrame opens the frame number n at the start of b; end is 0 if it is not there.
func (r *Ring) openFrame(b []byte, n uint64) (plain []byte, end int) {
	if len(b) < frameHead {
		return nil, 0
	}
	size := binary.BigEndian.Uint32(b)
	if size != ^binary.BigEndian.Uint32(b[4:]) || uint64(size) > uint64(len(b)-frameHead) {
		return nil, 0
	}
	end = frameHead + int(size)
	plain, err := seal.Open(&r.epoch, r.framePlace(n), b[frameHead:end])
	if err != nil {
		return nil, 0
	}
	return plain, end
}

// wholeFrameIn tells whether a frame of a later number than the next is anywhere in b.
func (r *Ring) wholeFrameIn(b []byte) bool {
	most := uint64(len(b) / (frameHead + seal.Overhead))
	for off := 1; off+frameHead <= len(b); off++ {
		if binary.BigEndian.Uint32(b[off:]) != ^binary.BigEndian.Uint32(b[off+4:]) {
			continue
		}
		for n := uint64(1); n <= most; n++ {
			if _, end := r.openFrame(b[off:], r.frames+n); end > 0 {
				return true
			}
		}
	}
	return false
}
