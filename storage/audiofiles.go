package storage

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"sotto/storage/durable"
	"sotto/storage/keyring"
)

// DropAudio deletes messages or recordings. Their keys are durably marked as gone when it
// returns, and destroyed by the next rotation, within the hour; who plays or records them
// gets [ErrNoAudio]. One that is not there is no error.
func (s *Store) DropAudio(items ...keyring.Item) error {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	if s.closed || s.broken {
		return fmt.Errorf("delete audio: %w", ErrDown)
	}
	for _, item := range items {
		s.ring.DropItem(item)
	}
	if err := s.ring.Commit(); err != nil {
		return fmt.Errorf("delete audio: %w", err)
	}
	s.nudge() // for the rotation
	if err := s.removeAudio(items); err != nil {
		return fmt.Errorf("delete audio: %w", err)
	}
	return nil
}

// removeAudio removes the files of items whose keys are gone. What fails is tried again at
// the next start.
func (s *Store) removeAudio(items []keyring.Item) (err error) {
	if len(items) == 0 {
		return nil
	}
	for _, item := range items {
		s.keeper.audio.end(item)
		if rerr := os.Remove(s.audioPath(item)); rerr != nil && !errors.Is(rerr, fs.ErrNotExist) {
			err = errors.Join(err, rerr)
		}
	}
	if serr := durable.SyncDir(filepath.Join(s.dir, audioFolder)); !errors.Is(serr, fs.ErrNotExist) {
		err = errors.Join(err, serr)
	}
	return err
}

// cleanAudio removes files without an item, and items without a file or with one that has
// not even a header: a power cut leaves the one when it comes between key and file of what
// is deleted, the other when it does of what is begun. With no folder at all nothing is
// concluded.
func (s *Store) cleanAudio() {
	files, err := os.ReadDir(filepath.Join(s.dir, audioFolder))
	if err != nil {
		if n := len(s.ring.Items()); n > 0 || !errors.Is(err, fs.ErrNotExist) {
			s.log.Error("messages and recordings cannot be read", "count", n, "err", err)
		}
		return
	}
	found := make(map[keyring.Item]bool, len(files))
	var strays []keyring.Item
	for _, f := range files {
		id, err := hex.DecodeString(f.Name())
		if err != nil || len(id) != len(keyring.Item{}) {
			continue // none of ours
		}
		item := keyring.Item(id)
		fi, err := f.Info()
		if found[item] = err != nil || fi.Size() >= audioHead; !found[item] || !s.hasItem(item) {
			strays = append(strays, item)
		}
	}
	lost := 0
	for _, item := range s.ring.Items() {
		if !found[item] {
			s.ring.DropItem(item)
			lost++
		}
	}
	if err := s.removeAudio(strays); err != nil {
		s.log.Error("files of deleted audio cannot be removed", "err", err)
	}
	if len(strays)+lost > 0 {
		s.log.Info("cleaned up audio that was begun or deleted when the power was cut", "files", len(strays), "keys", lost)
	}
}

func (s *Store) hasItem(item keyring.Item) bool {
	key, ok := s.ring.ItemKey(item)
	clear(key[:])
	return ok
}

func (s *Store) audioPath(item keyring.Item) string {
	return filepath.Join(s.dir, audioFolder, item.String())
}

// openAudio knows who records and plays, so that erasing ends that.
type openAudio struct {
	mu sync.Mutex
	of map[keyring.Item][]ender
}

type ender interface{ end(why error) }

func (o *openAudio) add(item keyring.Item, e ender) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.of == nil {
		o.of = map[keyring.Item][]ender{}
	}
	o.of[item] = append(o.of[item], e)
}

func (o *openAudio) remove(item keyring.Item, e ender) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.of[item] = slices.DeleteFunc(o.of[item], func(other ender) bool { return other == e })
	if len(o.of[item]) == 0 {
		delete(o.of, item)
	}
}

// end ends all that is open of an item whose key is gone. Who opens it adds itself first
// and asks for the key then: so nobody is missed.
func (o *openAudio) end(item keyring.Item) {
	o.mu.Lock()
	list := o.of[item]
	delete(o.of, item)
	o.mu.Unlock()
	for _, e := range list {
		e.end(ErrNoAudio)
	}
}
