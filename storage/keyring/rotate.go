package keyring

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"sotto/storage/durable"
	"sotto/storage/seal"
)

// ErrOldEpoch says that a rotation has happened but is not finished: the old epoch key is
// still in the root, or a power cut could bring the old keyring back.
var ErrOldEpoch = errors.New("the old epoch key is not yet destroyed")

// Rotation is what a proof of destruction names. It has no time: the package reads no clock.
type Rotation struct {
	Old, New [8]byte // key ids of the epoch key that was destroyed and of the one in its place
	Gen      uint64  // N of the keyring file that was written
}

// Rotate writes the keyring without what was dropped or forgotten under a new epoch key
// and destroys the old one. What an earlier rotation left undone it does first.
//
// If the error wraps [ErrOldEpoch] this rotation has happened, but the old epoch key is
// still there: the Rotation tells which, and the next Rotate, Erase or Open tries again.
// After any other error nothing has happened.
func (r *Ring) Rotate() (Rotation, error) {
	r.w.Lock()
	defer r.w.Unlock()
	return r.rotate(nil)
}

// Erase takes subjects, their names, all their keys and the items about them out, by one
// rotation, now. The error is one of [Ring.Rotate]; if it wraps [ErrOldEpoch] the subjects
// are gone, and Rotate finishes it. A subject that is not here, or the box, is [ErrErased],
// and then nobody is erased.
func (r *Ring) Erase(s ...Subject) (Rotation, error) {
	r.w.Lock()
	defer r.w.Unlock()
	goes := map[Subject]bool{}
	for _, s := range s {
		if r.people[s] == nil || s == (Subject{}) {
			return Rotation{}, ErrErased
		}
		goes[s] = true
	}
	return r.rotate(goes)
}

func (r *Ring) rotate(goes map[Subject]bool) (Rotation, error) {
	if r.tail == nil {
		return Rotation{}, fmt.Errorf("rotate keyring: %w", fs.ErrClosed)
	}
	if err := r.finish(); err != nil {
		return Rotation{}, fmt.Errorf("finish the last rotation: %w", err)
	}
	rot := Rotation{Old: r.epoch.ID(), Gen: r.gen + 1}
	slot := 1 - r.slot
	if err := r.checkRoot(); err != nil {
		return Rotation{}, err
	}
	epoch, err := r.fill(slot)
	if err != nil {
		return Rotation{}, fmt.Errorf("put a new epoch key in the root: %w", err)
	}
	rot.New = epoch.ID()
	if err := r.replace(epoch, slot, goes); err != nil {
		clear(epoch[:])
		r.destroy(slot) // else the next fill does
		return Rotation{}, fmt.Errorf("rotate keyring: %w", err)
	}
	clear(epoch[:])
	r.mu.Lock()
	r.remove(goes)
	r.cache.wipe()
	r.waiting = false
	r.mu.Unlock()
	if err := r.finish(); err != nil {
		return rot, fmt.Errorf("%w: %w", ErrOldEpoch, err)
	}
	return rot, nil
}

// rewrite is a rotation without a new epoch: it makes the tail short again.
func (r *Ring) rewrite() error {
	if err := r.finish(); err != nil {
		return err
	}
	if err := r.replace(r.epoch, r.slot, nil); err != nil {
		return err
	}
	return r.finish()
}

// fill puts a new epoch key in the slot that the keyring does not name. One that is there
// already was never used: an earlier rotation failed.
func (r *Ring) fill(slot int) (k seal.Key, err error) {
	try := func() error {
		return r.do("fill slot", func() error { k, err = r.root.Fill(slot); return err })
	}
	err = try()
	if errors.Is(err, ErrFilled) {
		if err = r.destroy(slot); err == nil {
			err = try()
		}
	}
	return k, err
}

// checkRoot makes sure that the root still is the one in use: a key file may be on a
// partition that is no longer there.
func (r *Ring) checkRoot() error {
	k, err := r.root.Key(r.slot)
	if err != nil {
		return err
	}
	defer clear(k[:])
	if k.ID() != r.epoch.ID() {
		return ErrWrongRoot
	}
	return nil
}

// destroy empties a slot of the root. First it makes sure that nothing needs it: the keyring
// on the medium names the other slot, and that holds its key.
func (r *Ring) destroy(slot int) error {
	h, err := r.readHeader()
	if err != nil {
		return err
	}
	if h != (header{r.slot, r.gen, r.epoch.ID()}) {
		return fmt.Errorf("the keyring file is not the one that this run has written: %w", ErrDamaged)
	}
	if err := r.checkRoot(); err != nil {
		return err
	}
	return r.do("destroy slot", func() error { return r.root.Destroy(slot) })
}

// leftover is what is still to be done after a new keyring file was put in place.
type leftover struct {
	synced bool     // the folder is: no power cut brings the old file back
	slot   int      // to be emptied; -1: none
	ring   *os.File // the old file, which has no name any more; nil: none
}

func (l *leftover) sync(r *Ring) error {
	if l.synced {
		return nil
	}
	err := r.syncDir()
	l.synced = err == nil
	return err
}

// finish does what is left over, if anything is: first the folder, then the old slot, then
// the old files. Before the folder is synced the old key must not go: a power cut could
// bring the old file back.
func (r *Ring) finish() error {
	l := r.left
	if l == nil {
		return nil
	}
	err := l.sync(r)
	if err == nil && l.slot >= 0 {
		err = r.destroy(l.slot)
	}
	r.mu.Lock()
	r.oldEpoch = err
	r.mu.Unlock()
	if err != nil {
		return err
	}
	r.do("overwrite", func() error { overwrite(l.ring); return nil })
	r.sweep()
	r.left = nil
	return nil
}

// sweep removes what interrupted rewrites left, and the tail before this one. A failure
// does no harm: the next Open tries again.
func (r *Ring) sweep() {
	r.do("remove", func() error { return os.Remove(r.path() + durable.Suffix) })
	for _, t := range r.tails() {
		if t != r.tailPath(r.gen) {
			r.do("remove", func() error {
				f, _ := os.OpenFile(t, os.O_WRONLY, 0)
				overwrite(f)
				return os.Remove(t)
			})
		}
	}
}

// overwrite puts zeros in the place of what a file holds, and closes it. It does what it
// can: a flash medium writes them elsewhere.
func overwrite(f *os.File) {
	if f == nil {
		return
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return
	}
	zeros := make([]byte, 64<<10)
	for off := int64(0); off < fi.Size(); off += int64(len(zeros)) {
		if _, err := f.WriteAt(zeros[:min(int64(len(zeros)), fi.Size()-off)], off); err != nil {
			return
		}
	}
	f.Sync()
}

// Verify reads keyring and tail from the medium anew and makes sure that they open under
// the root as it is now, that none of the subjects and no item about one is in them, and
// that the root's other slot is empty. It is no proof against the medium: that may answer
// from a cache and keep old copies.
func (r *Ring) Verify(gone ...Subject) error {
	r.w.Lock()
	defer r.w.Unlock()
	if r.tail == nil {
		return fmt.Errorf("verify keyring: %w", fs.ErrClosed)
	}
	if err := r.verify(gone); err != nil {
		return fmt.Errorf("verify keyring: %w", err)
	}
	return nil
}

func (r *Ring) verify(gone []Subject) error {
	if _, err := r.root.Key(1 - r.slot); !errors.Is(err, ErrNoKey) {
		return errors.Join(ErrOldEpoch, err)
	}
	epoch, err := r.root.Key(r.slot)
	if err != nil {
		return err
	}
	defer clear(epoch[:])
	b, err := readFile(r.path())
	if err != nil {
		return err
	}
	h, err := parseHeader(b)
	if err != nil {
		return err
	}
	if want := (header{r.slot, r.gen, r.epoch.ID()}); h != want || epoch.ID() != want.keyID {
		return ErrDamaged
	}
	goes := map[[idLen]byte]bool{}
	for _, s := range gone {
		goes[s] = true
	}
	found := 0
	visit := func(e entry) {
		if goes[e.id] && e.kind != dropped {
			found++
		}
		for i := 0; i < len(e.about); i += idLen {
			if goes[[idLen]byte(e.about[i:])] {
				found++
			}
		}
	}
	plain, err := openMain(b, &epoch)
	if err != nil {
		return err
	}
	ok := eachEntry(plain, visit)
	clear(plain)
	if !ok {
		return ErrDamaged
	}
	if b, err = readFile(r.tailPath(h.gen)); err != nil {
		return err
	}
	good, _, err := readTail(b, &epoch, h.gen, visit)
	if err == nil && int64(good) < r.tailLen {
		err = ErrDamaged
	}
	if err == nil && found > 0 {
		err = fmt.Errorf("%d entries of the erased are still there", found)
	}
	return err
}

// Waiting tells whether the medium still holds keys that were dropped or forgotten, or the
// root an old epoch key: a rotation is due.
func (r *Ring) Waiting() bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.waiting || r.oldEpoch != nil
}

// OldEpoch gives the error for which an old epoch key is still in the root, nil if none is.
func (r *Ring) OldEpoch() error {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.oldEpoch
}
