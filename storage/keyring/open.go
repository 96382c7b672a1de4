package keyring

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"sotto/storage/seal"
)

// Open reads the keyring in the folder dir, sealed under root. If there is none it
// makes one, unless mustExist says that there is data which only an older one can
// open: then the error is [ErrMissing]. The other errors wrap [ErrNoKey],
// [ErrRootDamaged], [ErrWrongRoot], [ErrOlder] or [ErrDamaged], or come from the root or the file
// system.
//
// It finishes a rotation that was cut off. If it cannot, because the root cannot be
// written, that is no error: [Ring.OldEpoch] tells.
//
// The root belongs to this folder alone. The caller makes sure that no other run uses them.
func Open(dir string, root Root, mustExist bool) (*Ring, error) {
	return openWith(dir, root, mustExist, nil)
}

func openWith(dir string, root Root, mustExist bool, hook func(string) error) (*Ring, error) {
	r := &Ring{dir: dir, root: root, hook: hook, book: newBook()}
	err := r.open(mustExist)
	if err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

func (r *Ring) open(mustExist bool) error {
	b, err := readFile(r.path())
	if errors.Is(err, fs.ErrNotExist) {
		if mustExist || r.anyTail() {
			return ErrMissing
		}
		if err := r.create(); err != nil {
			return fmt.Errorf("make keyring: %w", err)
		}
		r.foundAt = position(r.gen, r.frames)
		return nil
	}
	if err != nil {
		return fmt.Errorf("read keyring: %w", err)
	}
	h, err := parseHeader(b)
	if err != nil {
		return err
	}
	if err := r.unlock(h); err != nil {
		return err
	}
	plain, err := openMain(b, &r.epoch)
	if err != nil {
		return err
	}
	ok := r.load(plain)
	clear(plain)
	if !ok {
		return ErrDamaged
	}
	if err := r.openTail(); err != nil {
		return err
	}
	r.settle()
	r.found, r.foundAt, r.waiting = r.mark, position(r.gen, r.frames), r.stale
	r.count.Store(r.mark)
	r.marked.Store(r.mark)
	r.left = &leftover{slot: -1}
	if _, err := r.root.Key(1 - r.slot); !errors.Is(err, ErrNoKey) {
		r.left.slot = 1 - r.slot
	} else {
		// It may be empty since a run that did not get to see that durable.
		r.do("destroy slot", func() error { return r.root.Destroy(1 - r.slot) })
	}
	r.finish() // what fails is tried again, and OldEpoch tells
	r.shorten()
	return nil
}

// unlock fetches the epoch key that the header names.
func (r *Ring) unlock(h header) (err error) {
	r.slot, r.gen = h.slot, h.gen
	r.epoch, err = r.root.Key(h.slot)
	if errors.Is(err, ErrNoKey) {
		if _, other := r.root.Key(1 - h.slot); other == nil {
			return ErrWrongRoot // there was a rotation since
		}
		return fmt.Errorf("the data cannot be opened without the root key it was written with; put that back, or wipe the box to begin anew: %w", err)
	}
	if err != nil {
		return fmt.Errorf("read the root key: %w", err)
	}
	if r.epoch.ID() != h.keyID {
		return ErrWrongRoot
	}
	return nil
}

// shorten writes the keyring anew if the tail has become long. If that fails the ring is as
// good as before, and the next Open tries again.
func (r *Ring) shorten() {
	switch {
	case r.frames <= maxTail || r.left != nil:
	case r.waiting: // a rewrite under the same epoch key would forget that there is something to destroy
		r.rotate(nil)
	default:
		r.rewrite()
	}
}

// create makes the first keyring. A key that the root already holds is used, never
// replaced: what it sealed may be put back one day.
func (r *Ring) create() (err error) {
	for r.slot = range 2 {
		if r.epoch, err = r.root.Key(r.slot); !errors.Is(err, ErrNoKey) {
			break
		}
	}
	if errors.Is(err, ErrNoKey) {
		r.slot = 0
		err = r.do("fill slot", func() (err error) { r.epoch, err = r.root.Fill(r.slot); return err })
	}
	if err != nil {
		return err
	}
	r.put(&person{name: name{kind: box}, key: seal.NewKey()})
	if err := r.replace(r.epoch, r.slot, nil); err != nil {
		return err
	}
	return r.finish()
}

// Close forgets the keys and closes the files. What was not committed is lost.
func (r *Ring) Close() error {
	r.w.Lock()
	defer r.w.Unlock()
	r.mu.Lock()
	r.wipe()
	r.cache.wipe()
	r.mu.Unlock()
	clear(r.epoch[:])
	r.pending = nil
	if r.left != nil {
		r.left.ring.Close() // nil gives an error, no more
	}
	r.left = nil
	if r.tail == nil {
		return nil
	}
	err := r.tail.Close()
	r.tail = nil
	return err
}

// anyTail tells whether a tail with something in it is there.
func (r *Ring) anyTail() bool {
	for _, t := range r.tails() {
		if fi, err := os.Stat(t); err == nil && fi.Size() > 0 {
			return true
		}
	}
	return false
}
