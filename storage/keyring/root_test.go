package keyring

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestFileRoot(t *testing.T) {
	path := filepath.Join(t.TempDir(), "root.key")
	r := NewFileRoot(path)
	if _, err := r.Key(0); !errors.Is(err, ErrNoKey) {
		t.Fatalf("no file: %v", err)
	}
	if err := r.Destroy(0); err != nil {
		t.Fatalf("destroy without a file: %v", err)
	}
	k0, err := r.Fill(0)
	if err != nil {
		t.Fatal(err)
	}
	if fi, _ := os.Stat(path); fi.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, want 0600", fi.Mode().Perm())
	}
	if _, err := r.Key(1); !errors.Is(err, ErrNoKey) {
		t.Fatalf("slot 1 empty: %v", err)
	}
	if _, err := r.Fill(0); !errors.Is(err, ErrFilled) {
		t.Fatalf("fill twice: %v", err)
	}
	k1, err := r.Fill(1)
	if err != nil || k1 == k0 {
		t.Fatalf("slot 1: %v", err)
	}
	for slot, want := range []any{k0, k1} {
		if got, err := NewFileRoot(path).Key(slot); err != nil || any(got) != want {
			t.Errorf("slot %d: %v", slot, err)
		}
	}
	if err := r.Destroy(0); err != nil {
		t.Fatal(err)
	}
	b, _ := os.ReadFile(path)
	if _, err := r.Key(0); !errors.Is(err, ErrNoKey) || string(b[9:41]) == string(k0[:]) {
		t.Errorf("destroyed: %v", err)
	}
	if got, err := r.Key(1); err != nil || got != k1 {
		t.Errorf("the other slot: %v", err)
	}
	for i := range b {
		b[i] ^= 4
		os.WriteFile(path, b, 0o600)
		if _, err := r.Key(1); !errors.Is(err, ErrRootDamaged) {
			t.Errorf("byte %d flipped: %v", i, err)
		}
		if _, err := r.Fill(0); !errors.Is(err, ErrRootDamaged) {
			t.Errorf("byte %d flipped: fill: %v", i, err)
		}
		b[i] ^= 4
	}
	os.WriteFile(path, b[:len(b)-1], 0o600)
	if _, err := r.Key(1); !errors.Is(err, ErrRootDamaged) {
		t.Errorf("cut: %v", err)
	}
	if _, err := NewFileRoot(filepath.Join(path, "below")).Fill(0); err == nil {
		t.Error("path through a file gave no error")
	}
}
