package root

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"sotto/storage/keyring"
	"sotto/storage/root/swtpm"
	"sotto/storage/seal"
)

// TestKeyringOnEachRoot makes a keyring, rotates it and opens it again, as after a power
// cut. The old epoch key is gone from the root then, and a copy of the old files no longer
// opens; with a file as root it does if a copy of that was made, too, which is why
// FORMAT.md promises less of it.
func TestKeyringOnEachRoot(t *testing.T) {
	t.Run("passphrase", func(t *testing.T) {
		p := made(t)
		rotates(t, p, func() keyring.Root { return opened(t, p, right) })
	})
	t.Run("tpm", func(t *testing.T) {
		chip := swtpm.New(t)
		old := rotates(t, NewTPM(chip.Path), func() keyring.Root {
			chip.Restart()
			return NewTPM(chip.Path)
		})
		if defined(t, chip) {
			t.Error("the place of the old epoch key is still defined")
		}
		if chip.Contains(old[:]) {
			t.Error("the old epoch key is still in the chip")
		}
	})
}

func rotates(t *testing.T, r keyring.Root, again func() keyring.Root) (old seal.Key) {
	t.Helper()
	dir, copied := t.TempDir(), filepath.Join(t.TempDir(), "copy")
	ring, err := keyring.Open(dir, r, false)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ring.Subject(keyring.User, "u-1")
	if err == nil {
		err = ring.Commit()
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if old, err = r.Key(0); err != nil {
		t.Fatal(err)
	}
	rot, err := ring.Rotate()
	if err != nil || rot.Old != old.ID() {
		t.Fatalf("%+v, %v", rot, err)
	}
	want, _ := ring.Key(s)
	ring.Close()

	r = again()
	if _, err := r.Key(0); !errors.Is(err, keyring.ErrNoKey) {
		t.Errorf("the old epoch key: %v", err)
	}
	if k, err := r.Key(1); err != nil || k.ID() != rot.New {
		t.Errorf("the new epoch key: %v", err)
	}
	if ring, err = keyring.Open(dir, r, true); err != nil {
		t.Fatal(err)
	}
	if k, ok := ring.Key(s); !ok || k != want {
		t.Error("the subject is gone")
	}
	ring.Close()
	if _, err := keyring.Open(copied, r, true); !errors.Is(err, keyring.ErrWrongRoot) {
		t.Errorf("a copy from before the rotation: %v", err)
	}
	for slot := range 2 {
		if err := r.Destroy(slot); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := keyring.Open(dir, r, true); !errors.Is(err, keyring.ErrNoKey) {
		t.Errorf("without any key: %v", err)
	}
	return old
}
