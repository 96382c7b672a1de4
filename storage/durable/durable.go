// Package durable writes small files so that a power cut leaves the old one or the new
// one, never half of one, and so that "written" means "on the medium". Packages storage
// and keyring call it. It knows nothing of what the files hold.
package durable

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// Suffix ends the name of a file that is being written. One left behind by a power cut
// is of no use and is overwritten by the next Write.
const Suffix = ".new"

// Write puts data in the file path, readable by its owner only: it writes a file
// beside it, syncs that, renames it over path and syncs the folder. On an error the
// old file is still there, or the new one is but may not outlive a power cut.
func Write(path string, data []byte) error {
	tmp := path + Suffix
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		os.Remove(tmp)
		return err
	}
	return SyncDir(filepath.Dir(path))
}

// SyncDir makes the names in a folder durable: what was created, renamed or removed.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("sync folder %s: %w", dir, err)
	}
	return nil
}

// MakeDir makes a folder, and those above it that are missing, readable by its owner only.
// All their names are durable then, also if a run that ended had made them.
func MakeDir(dir string) error {
	fi, err := os.Stat(dir)
	switch {
	case err == nil && fi.IsDir():
		SyncDir(filepath.Dir(dir)) // may be somebody else's folder, which was durable before
		return nil
	case err == nil:
		return &os.PathError{Op: "mkdir", Path: dir, Err: syscall.ENOTDIR}
	case !errors.Is(err, os.ErrNotExist):
		return err
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := MakeDir(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	return SyncDir(parent)
}
