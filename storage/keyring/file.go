package keyring

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"sotto/storage/durable"
	"sotto/storage/seal"
)

// The keyring file: magic(8) slot(1) N(8) key id(8), then the sealed entries. Numbers are
// big-endian.

const (
	fileName  = "keyring"
	ringMagic = "sottokr2"
	oldMagic  = "sottokr1"
	headerLen = len(ringMagic) + 1 + 8 + 8
	maxFile   = 128 << 20 // bytes of the keyring or its tail: no box has so many persons

	bucketRing  = "keyring"
	bucketFrame = "keyring.tail"
)

type header struct {
	slot  int
	gen   uint64
	keyID [8]byte
}

func parseHeader(b []byte) (header, error) {
	if len(b) >= len(oldMagic) && string(b[:len(oldMagic)]) == oldMagic {
		return header{}, ErrOlder
	}
	if len(b) < headerLen || string(b[:len(ringMagic)]) != ringMagic || b[8] > 1 {
		return header{}, ErrDamaged
	}
	return header{int(b[8]), binary.BigEndian.Uint64(b[9:]), [8]byte(b[17:headerLen])}, nil
}

func (h header) bytes() []byte {
	b := append(make([]byte, 0, headerLen), ringMagic...)
	b = append(b, byte(h.slot))
	b = binary.BigEndian.AppendUint64(b, h.gen)
	return append(b, h.keyID[:]...)
}

// readHeader reads the header of the keyring as it lies on the medium.
func (r *Ring) readHeader() (header, error) {
	f, err := os.Open(r.path())
	if err != nil {
		return header{}, err
	}
	defer f.Close()
	b := make([]byte, headerLen)
	if _, err := io.ReadFull(f, b); err != nil {
		return header{}, ErrDamaged
	}
	return parseHeader(b)
}

// sealMain gives the sealed part of the keyring file: all that the book has, without the
// subjects that go and the items about them. The header is bound to it as its id.
func (r *Ring) sealMain(head []byte, epoch *seal.Key, goes map[Subject]bool) ([]byte, error) {
	size := markLen
	for _, p := range r.people {
		size += p.size()
	}
	for _, it := range r.items {
		size += it.size()
	}
	if size > maxFile-headerLen-seal.Overhead {
		return nil, ErrFull
	}
	plain := r.people[Subject{}].append(make([]byte, 0, size))
	plain = appendMark(plain, r.count.Load())
	for s, p := range r.people {
		if s != (Subject{}) && !goes[s] {
			plain = p.append(plain)
		}
	}
	for i, it := range r.items {
		if !it.aboutAny(goes) {
			plain = it.append(plain, i)
		}
	}
	sealed := seal.Seal(epoch, seal.Place{Bucket: bucketRing, ID: head}, plain)
	clear(plain)
	return sealed, nil
}

// openMain opens the keyring file b under epoch. The caller clears what it gets.
func openMain(b []byte, epoch *seal.Key) (plain []byte, err error) {
	plain, err = seal.Open(epoch, seal.Place{Bucket: bucketRing, ID: b[:headerLen]}, b[headerLen:])
	if err != nil || len(plain) == 0 || Kind(plain[0]) != box {
		return nil, ErrDamaged
	}
	return plain, nil
}

// readFile reads a whole file of a bounded size.
func readFile(path string) ([]byte, error) {
	fi, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if fi.Size() > maxFile {
		return nil, fmt.Errorf("%d bytes: %w", fi.Size(), ErrDamaged)
	}
	return os.ReadFile(path)
}

func (r *Ring) path() string { return filepath.Join(r.dir, fileName) }

func (r *Ring) tailPath(gen uint64) string {
	return filepath.Join(r.dir, fmt.Sprintf("%s.tail-%d", fileName, gen))
}

func (r *Ring) tails() []string {
	t, _ := filepath.Glob(filepath.Join(r.dir, fileName+".tail-*"))
	return t
}

// replace puts all that is known, without the subjects that go, in a new keyring file with
// an empty tail of its own, sealed under epoch, which lies in slot. The tail comes first,
// its name made durable too: a keyring without its tail is damaged, a tail without its
// keyring is swept away.
//
// On an error nothing has changed, in memory or on the medium. Without one it has
// happened, and [Ring.finish] is to be called.
func (r *Ring) replace(epoch seal.Key, slot int, goes map[Subject]bool) error {
	h := header{slot, r.gen + 1, epoch.ID()}
	tail, err := r.newTail(h.gen)
	if err != nil {
		return err
	}
	left := &leftover{slot: -1}
	head := h.bytes()
	sealed, err := r.sealMain(head, &epoch, goes)
	if err == nil {
		err = r.writeNew(head, sealed)
	}
	if err == nil {
		left.ring, _ = os.OpenFile(r.path(), os.O_WRONLY, 0) // to be overwritten; none at the first
		err = r.do("rename", func() error { return os.Rename(r.path()+durable.Suffix, r.path()) })
	}
	if err != nil {
		tail.Close()
		if left.ring != nil {
			left.ring.Close()
		}
		r.do("remove", func() error { return os.Remove(r.path() + durable.Suffix) })
		r.do("remove", func() error { return os.Remove(r.tailPath(h.gen)) })
		return err
	}
	if slot != r.slot {
		left.slot = r.slot
	}
	if r.tail != nil {
		r.tail.Close()
	}
	clear(r.epoch[:])
	r.epoch, r.slot, r.gen, r.left = epoch, slot, h.gen, left
	r.tail, r.tailLen, r.frames = tail, 0, 0
	r.settled()
	return nil
}

func (r *Ring) newTail(gen uint64) (f *os.File, err error) {
	err = r.do("make tail", func() error {
		f, err = os.OpenFile(r.tailPath(gen), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
		return err
	})
	if err != nil {
		return nil, err
	}
	if err = r.do("sync tail", f.Sync); err == nil {
		err = r.syncDir()
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// writeNew writes the file that is to become the keyring, and syncs it.
func (r *Ring) writeNew(head, sealed []byte) error {
	var f *os.File
	err := r.do("write keyring", func() (err error) {
		if f, err = os.OpenFile(r.path()+durable.Suffix, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600); err == nil {
			_, err = f.Write(head)
		}
		if err == nil {
			_, err = f.Write(sealed)
		}
		return err
	})
	if f == nil {
		return err
	}
	if err == nil {
		err = r.do("sync keyring", f.Sync)
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

func (r *Ring) syncDir() error {
	return r.do("sync folder", func() error { return durable.SyncDir(r.dir) })
}

// do takes one step on the medium or the root. Tests fail a step, or stop at it.
func (r *Ring) do(step string, f func() error) error {
	if r.hook != nil {
		if err := r.hook(step); err != nil {
			return err
		}
	}
	return f()
}
