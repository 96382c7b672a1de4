package cuttest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"
)

// checkPages has bbolt go through all pages of a closed database: each is in use once, or free.
func checkPages(path string) error {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, Timeout: time.Second, PreLoadFreelist: true})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("check pages: %w", err)
	}
	defer db.Close()
	return db.View(func(tx *bbolt.Tx) error {
		for bad := range tx.Check() {
			err = errors.Join(err, bad)
		}
		return err
	})
}

// TestLostPageIsSeen is the control of checkPages: a page that is neither in use nor free
// harms no reader, so nothing else sees it.
func TestLostPageIsSeen(t *testing.T) {
	top := scratch(t)
	tr := newTruth()
	someOffice(t, top, tr)
	_, err := tr.look(t, top)
	must1(t, err)
	path := filepath.Join(top, "data", "sotto.db")
	b, err := os.ReadFile(path)
	must1(t, err)
	const freelist = 0x10 // of a page: number (8), flags (2), how many it lists (2), in the processor's order
	for page := b; len(page) >= os.Getpagesize(); page = page[os.Getpagesize():] {
		if n := binary.NativeEndian.Uint16(page[10:]); binary.NativeEndian.Uint16(page[8:]) == freelist && n > 0 {
			binary.NativeEndian.PutUint16(page[10:], n-1)
		}
	}
	must1(t, os.WriteFile(path, b, 0o600))
	if _, err := tr.look(t, top); err == nil || !strings.Contains(err.Error(), "unreachable") {
		t.Errorf("a page less in the list of free ones: %v", err)
	}
}
