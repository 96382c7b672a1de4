package cuttest

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sotto/pbx/plan"
	"sotto/storage"
	"sotto/storage/keyring"
	"sotto/storage/seal"
)

func itemOf(id string) (item keyring.Item) {
	hex.Decode(item[:], []byte(id))
	return item
}

func (tr *truth) audioOf(person string, f func(*audio)) {
	for _, a := range tr.audio {
		if a.person == person {
			f(a)
		}
	}
}

// lookAtErasures compares the proofs and what can be found of the erased.
func (tr *truth) lookAtErasures(t *testing.T, s *storage.Store, f *found) error {
	proofs, err := s.As(owner).Erasures(t.Context())
	if err != nil {
		return err
	}
	for _, p := range proofs {
		if len(p.Subjects) == 0 || !p.Verified {
			return errors.New("a proof proves nothing")
		}
		if none := [8]byte{}; p.OldEpoch == none || p.NewEpoch == none || p.OldEpoch == p.NewEpoch {
			return fmt.Errorf("a proof of the epochs %x and %x", p.OldEpoch, p.NewEpoch)
		}
	}
	if f.proofs = len(proofs); f.proofs < tr.proofs {
		return fmt.Errorf("%d proofs of %d erasures", f.proofs, tr.proofs)
	}
	for name := range tr.erased {
		if got, err := s.As(owner).Find(t.Context(), person(name)); err != nil || got.Records < f.shown[name] || got.Records > f.shown[name]+f.aged[name] {
			return fmt.Errorf("of an erased person %d records are found, %d shown and %d aged: %w", got.Records, f.shown[name], f.aged[name], err)
		}
	}
	return nil
}

func (tr *truth) lookAtAudio(s *storage.Store, f *found) error {
	for id, a := range tr.audio {
		item := itemOf(id)
		r, err := s.OpenAudio(item)
		if errors.Is(err, storage.ErrNoAudio) && (a.gone.maybe == 1 || tr.former(plan.UserID(a.person))) {
			f.noAudio = append(f.noAudio, id)
			continue
		}
		if errors.Is(err, seal.ErrSealed) && !a.whole && a.sure == 0 {
			continue // not even its first chunk was synced
		}
		if err != nil || a.gone.sure == 1 {
			return fmt.Errorf("audio that is gone or not, %v: %w", a.gone, cmp.Or(err, errors.New("is there")))
		}
		defer r.Close()
		size := int(r.Size())
		if size > a.n {
			return fmt.Errorf("audio of %d bytes has %d", a.n, size)
		}
		got := make([]byte, size)
		n, err := r.ReadAt(got, 0)
		if n < size && errors.Is(err, seal.ErrSealed) && !a.whole {
			err = nil // a chunk that was not synced is missing, and one after it is not
		}
		if err != nil && err != io.EOF || !bytes.Equal(got[:n], audioOf(item, n)) {
			return fmt.Errorf("audio of %d bytes, of %d: %w", n, a.n, cmp.Or(err, errors.New("is another one")))
		}
		if n < a.sure || a.whole && (n < a.n || r.Cut()) {
			return fmt.Errorf("audio of %d bytes has %d, want %d at least; cut off: %v", a.n, n, a.sure, r.Cut())
		}
		if !a.whole {
			f.audio[id] = n
		}
	}
	return nil
}

// lookAtLifeline reads what the box runs from when the store does not open, before a start
// puts it right.
func (tr *truth) lookAtLifeline(dir string) error {
	l, err := storage.ReadLifeline(dir)
	if err != nil && (tr.plan.sure > 0 || !errors.Is(err, fs.ErrNotExist)) {
		return fmt.Errorf("before a start: %w", err)
	}
	if err == nil && tr.plan.sure > 0 && len(l.Users) == 0 {
		return errors.New("the lifeline has nobody")
	}
	return nil
}

// lookAtFiles finds what has piled up.
func (tr *truth) lookAtFiles(top string) error {
	tails := 0
	items, _ := os.ReadDir(filepath.Join(top, "data", "messages"))
	if len(items) > len(tr.audio)+tr.cuts+1 { // a child may die before it says what it has begun
		return fmt.Errorf("%d files of %d messages", len(items), len(tr.audio))
	}
	return filepath.WalkDir(top, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, _ := filepath.Rel(top, path)
		name = strings.TrimSuffix(name, ".new")
		switch {
		case name == "data/sotto.db", name == "data/keyring", name == "data/lifeline.json", name == "key/root.key":
		case strings.HasPrefix(name, "data/keyring.tail-") && tails == 0:
			tails++
		case strings.HasPrefix(name, "data/messages/"):
		default:
			return fmt.Errorf("a file is left over: %s", name)
		}
		return nil
	})
}
