package durable

import (
	"os"
	"path/filepath"
	"testing"
)

func TestWriteReplacesWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	for _, text := range []string{"a long first text", "short"} {
		if err := Write(path, []byte(text)); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != text {
			t.Fatalf("read %q, %v; want %q", got, err, text)
		}
	}
	if fi, _ := os.Stat(path); fi.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, want 0600", fi.Mode().Perm())
	}
	if _, err := os.Stat(path + Suffix); !os.IsNotExist(err) {
		t.Errorf("the temporary file is still there: %v", err)
	}
}

func TestWriteErrorKeepsOld(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	if err := os.MkdirAll(filepath.Join(path, "child"), 0o700); err != nil { // rename over it must fail
		t.Fatal(err)
	}
	if err := Write(path, []byte("x")); err == nil {
		t.Fatal("write over a folder gave no error")
	}
	if _, err := os.Stat(path + Suffix); !os.IsNotExist(err) {
		t.Errorf("the temporary file is still there: %v", err)
	}
	if err := Write(filepath.Join(dir, "none", "f"), nil); err == nil {
		t.Fatal("write in a folder that is not there gave no error")
	}
}

func TestMakeDir(t *testing.T) {
	top := t.TempDir()
	dir := filepath.Join(top, "a", "b", "c")
	for range 2 { // the second time it is there
		if err := MakeDir(dir); err != nil {
			t.Fatal(err)
		}
	}
	if fi, err := os.Stat(filepath.Join(top, "a")); err != nil || fi.Mode().Perm() != 0o700 {
		t.Error(fi, err)
	}
	file := filepath.Join(top, "file")
	if err := Write(file, []byte("x")); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{file, filepath.Join(file, "data")} {
		if err := MakeDir(d); err == nil {
			t.Errorf("made %s", d)
		}
	}
}
