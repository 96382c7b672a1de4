package keyring

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"sotto/storage/seal"
)

// The tail: frames of length(4), complement of length(4) and sealed entries.

const (
	frameHead = 8
	maxTail   = 256  // frames; with more, Open writes the keyring anew
	maxLive   = 4096 // frames; with more, Commit does
	maxTries  = 4096 // frames that are tried in what may be the torn end of a tail
)

// Commit makes all that is pending durable: one frame at the end of the tail, one sync.
// After an error it stays pending, and the next Commit writes over what a failed one may
// have left.
func (r *Ring) Commit() error {
	r.w.Lock()
	defer r.w.Unlock()
	if err := r.commit(false); err != nil {
		return fmt.Errorf("append to keyring: %w", err)
	}
	return nil
}

// Mark is [Ring.Commit], also with nothing pending: the count of transactions becomes durable
// in any case, so that a database that was put back shows.
func (r *Ring) Mark() error {
	r.w.Lock()
	defer r.w.Unlock()
	if err := r.commit(r.Unmarked()); err != nil {
		return fmt.Errorf("append to keyring: %w", err)
	}
	return nil
}

// Unmarked tells whether the database has had transactions since the last mark.
func (r *Ring) Unmarked() bool { return r.count.Load() != r.marked.Load() }

func (r *Ring) commit(mark bool) error {
	// What a power cut could still take back must not get new keys, nor count as durable.
	if r.left != nil {
		if err := r.left.sync(r); err != nil {
			return err
		}
	}
	if len(r.pending) == 0 && !mark {
		return nil
	}
	if r.tail == nil {
		return fs.ErrClosed
	}
	if r.left == nil && (r.frames >= maxLive && !r.waiting || r.tailLen > maxFile/2) {
		if err := r.rewrite(); err == nil || len(r.pending) == 0 {
			return err
		}
	}
	frame := r.sealFrame()
	err := r.do("append", func() error { _, err := r.tail.WriteAt(frame, r.tailLen); return err })
	if err == nil {
		err = r.do("sync frame", r.tail.Sync)
	}
	if err != nil {
		return err
	}
	r.tailLen += int64(len(frame))
	r.frames++
	r.settled()
	return nil
}

// settled empties pending: all of it is on the medium.
func (r *Ring) settled() {
	for _, id := range r.pending {
		if p := r.people[Subject(id)]; p != nil {
			p.dirty = false
		}
		if it := r.items[Item(id)]; it != nil {
			it.dirty = false
		}
	}
	r.pending = nil
	r.marked.Store(r.count.Load())
}

func framePlace(gen, n uint64) seal.Place {
	id := binary.BigEndian.AppendUint64(nil, gen)
	return seal.Place{Bucket: bucketFrame, ID: binary.BigEndian.AppendUint64(id, n)}
}

// sealFrame gives the frame of all that is pending, and the mark.
func (r *Ring) sealFrame() []byte {
	size := markLen
	for _, id := range r.pending {
		if p := r.people[Subject(id)]; p != nil {
			size += p.size()
		} else if it := r.items[Item(id)]; it != nil {
			size += it.size()
		} else {
			size += 1 + idLen
		}
	}
	plain := make([]byte, 0, size)
	for _, id := range r.pending {
		plain = r.appendState(plain, id)
	}
	plain = appendMark(plain, r.count.Load())
	sealed := seal.Seal(&r.epoch, framePlace(r.gen, r.frames), plain)
	clear(plain)
	b := binary.BigEndian.AppendUint32(make([]byte, 0, frameHead+len(sealed)), uint32(len(sealed)))
	b = binary.BigEndian.AppendUint32(b, ^uint32(len(sealed)))
	return append(b, sealed...)
}

// openTail takes the tail into the book and leaves it open for appending, a torn end cut
// off. It is synced: what an ended run wrote and did not sync is relied on from now.
func (r *Ring) openTail() error {
	b, err := readFile(r.tailPath(r.gen))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("tail is missing: %w", ErrDamaged)
	}
	if err != nil {
		return fmt.Errorf("read keyring: %w", err)
	}
	good, frames, err := readTail(b, &r.epoch, r.gen, r.take)
	if err != nil {
		return err
	}
	r.tailLen, r.frames, r.tailCut = int64(good), frames, int64(len(b)-good)
	if r.tail, err = os.OpenFile(r.tailPath(r.gen), os.O_RDWR, 0o600); err != nil {
		return fmt.Errorf("open keyring: %w", err)
	}
	if r.tailCut > 0 {
		err = r.do("cut tail", func() error { return r.tail.Truncate(r.tailLen) })
	}
	if err == nil {
		err = r.do("sync tail", r.tail.Sync)
	}
	if err != nil {
		return fmt.Errorf("cut torn keyring: %w", err)
	}
	return nil
}

// readTail visits the entries of the frames of a tail. It gives the length of the whole
// frames and how many they are.
//
// A frame is written by one append and synced before anything relies on it. So only the
// last can be torn: it is short, or some of its blocks hold zeros or something else. If
// a whole one comes after it, it was whole once and was changed.
func readTail(b []byte, epoch *seal.Key, gen uint64, visit func(entry)) (good int, frames uint64, err error) {
	for good < len(b) {
		plain, end := openFrame(b[good:], epoch, gen, frames)
		if end == 0 {
			if later(b[good:], epoch, gen, frames) {
				return 0, 0, fmt.Errorf("frame %d of the tail: %w", frames, ErrDamaged)
			}
			break
		}
		ok := eachEntry(plain, visit)
		clear(plain)
		if !ok {
			return 0, 0, fmt.Errorf("frame %d of the tail: %w", frames, ErrDamaged)
		}
		good += end
		frames++
	}
	return good, frames, nil
}

// openFrame opens the frame number n at the start of b; end is 0 if it is not there.
func openFrame(b []byte, epoch *seal.Key, gen, n uint64) (plain []byte, end int) {
	size, ok := frameSize(b)
	if !ok {
		return nil, 0
	}
	end = frameHead + size
	plain, err := seal.Open(epoch, framePlace(gen, n), b[frameHead:end])
	if err != nil {
		return nil, 0
	}
	return plain, end
}

// frameSize reads the head of a frame; false if b does not begin with one that fits.
func frameSize(b []byte) (int, bool) {
	if len(b) < frameHead {
		return 0, false
	}
	size := binary.BigEndian.Uint32(b)
	if size != ^binary.BigEndian.Uint32(b[4:]) || uint64(size) > uint64(len(b)-frameHead) {
		return 0, false
	}
	return int(size), true
}

// later tells whether a frame of a later number than n is anywhere in b. A torn end has
// almost nothing in it that looks like the head of a frame. If there is so much that not all
// can be tried, somebody put it there: then it says yes.
func later(b []byte, epoch *seal.Key, gen, n uint64) bool {
	most := uint64(len(b) / (frameHead + seal.Overhead))
	tries := 0
	for off := 1; off < len(b); off++ {
		size, ok := frameSize(b[off:])
		if !ok {
			continue
		}
		for i := uint64(1); i <= most; i++ {
			if tries += 1 + size>>16; tries > maxTries {
				return true
			}
			if _, end := openFrame(b[off:], epoch, gen, n+i); end > 0 {
				return true
			}
		}
	}
	return false
}
