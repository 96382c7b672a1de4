package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"sotto/storage/keyring"
	"sotto/storage/root"
	"sotto/storage/root/swtpm"
)

const (
	aPassphrase = "horse battery staples"
	another     = "horse battery stables"
	dialTone    = "101 lifts ; 101 hears dial ; 101 hangs up ; wait 1s"
	lifeline    = "the store cannot be opened: telephones work, nothing is recorded"
)

func TestParseRoot(t *testing.T) {
	for spec, want := range map[string]rootFlag{
		"k":                  {kind: "file", path: "k"},
		"/a:b/k":             {kind: "file", path: "/a:b/k"},
		"./a:b":              {kind: "file", path: "./a:b"},
		"file:a:b":           {kind: "file", path: "a:b"},
		"file:tpm":           {kind: "file", path: "tpm"},
		"passphrase:/k":      {kind: "passphrase", path: "/k"},
		"tpm":                {kind: "tpm"},
		"tpm:/dev/tpm0":      {kind: "tpm", path: "/dev/tpm0"},
		"passphrase":         {kind: "file", path: "passphrase"},
		"passphrase:a:tpm:b": {kind: "passphrase", path: "a:tpm:b"},
	} {
		if got, err := parseRoot(spec, ""); err != nil || got != want {
			t.Errorf("%s: %+v, %v", spec, got, err)
		}
	}
	for _, spec := range []string{"tpm:", "file:", "passphrase:", "passphrse:/k", "TPM:/dev/tpm0", ":k"} {
		if got, err := parseRoot(spec, ""); err == nil {
			t.Errorf("%s: %+v", spec, got)
		}
	}
	if _, err := parseRoot("passphrase:k", "f"); err != nil {
		t.Error(err)
	}
	for _, spec := range []string{"k", "file:k", "tpm"} {
		if _, err := parse([]string{"-root", spec, "-passphrase-file", "f"}, nil); err == nil {
			t.Errorf("%s takes a passphrase", spec)
		}
	}
}

// TestEachRoot starts the box twice on each kind of root, the second time after a power cut,
// and a third time without what the root needs: telephones work then, the log says what to
// do, and nothing is made anew.
func TestEachRoot(t *testing.T) {
	for name, c := range map[string]struct {
		args func(t *testing.T, top string) (args []string, cut, spoil func())
		want string // in the log of the third start
	}{
		"file": {func(t *testing.T, top string) ([]string, func(), func()) {
			file := filepath.Join(top, "k")
			return []string{"-root", "file:" + file}, func() {}, func() { os.Remove(file) }
		}, "put that back, or wipe the box"},
		"passphrase": {func(t *testing.T, top string) ([]string, func(), func()) {
			word := mustWrite(t, filepath.Join(top, "word"), aPassphrase+"\n")
			return []string{"-root", "passphrase:" + filepath.Join(top, "p"), "-passphrase-file", word},
				func() {}, func() { mustWrite(t, word, another) }
		}, "is wrong: put the right one in"},
		"passphrase not given": {func(t *testing.T, top string) ([]string, func(), func()) {
			word := mustWrite(t, filepath.Join(top, "word"), aPassphrase+"\n")
			return []string{"-root", "passphrase:" + filepath.Join(top, "p"), "-passphrase-file", word},
				func() {}, func() { os.Remove(word) }
		}, "no such file"},
		"passphrase file gone": {func(t *testing.T, top string) ([]string, func(), func()) {
			word := mustWrite(t, filepath.Join(top, "word"), aPassphrase+"\n")
			return []string{"-root", "passphrase:" + filepath.Join(top, "p"), "-passphrase-file", word},
				func() {}, func() { os.Remove(filepath.Join(top, "p")) }
		}, "the passphrase file is missing: put back a copy of it"},
		"passphrase file damaged": {func(t *testing.T, top string) ([]string, func(), func()) {
			word := mustWrite(t, filepath.Join(top, "word"), aPassphrase+"\n")
			return []string{"-root", "passphrase:" + filepath.Join(top, "p"), "-passphrase-file", word},
				func() {}, func() { mustWrite(t, filepath.Join(top, "p"), "rubbish") }
		}, "is damaged: put back a copy of it"},
		"tpm": {func(t *testing.T, top string) ([]string, func(), func()) {
			chip := swtpm.New(t)
			return []string{"-root", "tpm:" + chip.Path}, chip.Restart, chip.Kill
		}, "there is no TPM here"},
		"tpm exchanged": {func(t *testing.T, top string) ([]string, func(), func()) {
			chip, stranger := swtpm.New(t), swtpm.New(t)
			return []string{"-root", "tpm:" + chip.Path}, chip.Restart, func() {
				chip.Kill()
				if err := os.Symlink(stranger.Path, chip.Path); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() {
					for slot := range 2 {
						if _, err := root.NewTPM(stranger.Path).Key(slot); !errors.Is(err, keyring.ErrNoKey) {
							t.Errorf("slot %d of the other chip: %v", slot, err)
						}
					}
				})
			}
		}, "put that back, or wipe the box"},
	} {
		t.Run(name, func(t *testing.T) {
			top := t.TempDir()
			args, cut, spoil := c.args(t, top)
			args = append(args, "-data", filepath.Join(top, "data"))
			for range 2 {
				if out, log := starts(t, plainCall, args...); strings.Contains(log, lifeline) || strings.Contains(out+log, "horse") {
					t.Fatal(log)
				}
				cut()
			}
			spoil()
			before := listing(t, top)
			_, log := starts(t, dialTone, args...)
			if !strings.Contains(log, lifeline) || !strings.Contains(log, c.want) || strings.Contains(log, "horse") {
				t.Error(log)
			}
			if after := listing(t, top); after != before {
				t.Errorf("the files were\n%sand are\n%s", before, after)
			}
		})
	}
}

// listing gives the names of all files below dir, and what they hold as a checksum.
func listing(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	if err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		var sum [32]byte
		if err == nil && d.Type().IsRegular() {
			var data []byte
			data, err = os.ReadFile(path)
			sum = sha256.Sum256(data)
		}
		fmt.Fprintf(&b, "%s %x\n", path, sum[:4])
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestFirstStartWithoutAPassphrase: nobody can give it, or it is too short. It is told, and
// nothing is left behind.
func TestFirstStartWithoutAPassphrase(t *testing.T) {
	for name, c := range map[string]struct{ word, want string }{
		"no terminal": {"", "this is the first start: start Sotto at a terminal and choose one, or name a file"},
		"too short":   {"short", root.ErrLength.Error()},
		"empty":       {"\n", root.ErrLength.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			top := t.TempDir()
			args := []string{"-root", "passphrase:" + filepath.Join(top, "p"), "-data", filepath.Join(top, "data")}
			if c.word != "" {
				args = append(args, "-passphrase-file", mustWrite(t, filepath.Join(t.TempDir(), "word"), c.word))
			}
			synctest.Test(t, func(t *testing.T) {
				if _, _, _, err := box(t, dialTone, args...); err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("%v", err)
				}
			})
			if left, _ := os.ReadDir(top); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// TestKeyringWithoutARoot: the database is not there yet, or no more. The keyring's root is
// not made anew all the same.
func TestKeyringWithoutARoot(t *testing.T) {
	top := t.TempDir()
	data := filepath.Join(top, "data")
	args := []string{"-root", "passphrase:" + filepath.Join(top, "p"), "-data", data,
		"-passphrase-file", mustWrite(t, filepath.Join(top, "word"), aPassphrase)}
	starts(t, "wait 1s", args...)
	for _, f := range []string{filepath.Join(top, "p"), filepath.Join(data, "sotto.db"), filepath.Join(data, "lifeline.json")} {
		if err := os.Remove(f); err != nil {
			t.Fatal(err)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		if _, _, _, err := box(t, "", args...); err == nil || !strings.Contains(err.Error(), "put back a copy of it") {
			t.Errorf("%v", err)
		}
	})
	if _, err := os.Stat(filepath.Join(top, "p")); err == nil {
		t.Error("a passphrase file was made")
	}
}

// TestWhatIfOnEachRoot: the sub-command opens the data as the box does.
func TestWhatIfOnEachRoot(t *testing.T) {
	top := t.TempDir()
	data := filepath.Join(top, "data")
	args := []string{"-root", "passphrase:" + filepath.Join(top, "p"), "-data", data,
		"-passphrase-file", mustWrite(t, filepath.Join(top, "word"), aPassphrase)}
	starts(t, "wait 1s", args...)
	ask := func(args ...string) string {
		t.Helper()
		var out, log strings.Builder
		if err := run(t.Context(), append(append([]string{"what-if"}, args...), "101", "102"), strings.NewReader(""), &out, &log); err != nil {
			t.Error(err)
		}
		return out.String() + log.String()
	}
	if said := ask(args...); !strings.Contains(said, "By the stored plan.") {
		t.Error(said)
	}
	if said := ask(args[:4]...); !strings.Contains(said, "by the lifeline") || !strings.Contains(said, "the passphrase was not given") {
		t.Error(said)
	}
	if err := run(t.Context(), []string{"what-if", "-root", "tmp:x", "101", "102"}, nil, io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), "-root") {
		t.Errorf("%v", err)
	}
}

// TestChangeRefused: each is one line that says what is wrong, and the file stays as it was.
func TestChangeRefused(t *testing.T) {
	top := t.TempDir()
	file, data := filepath.Join(top, "p"), filepath.Join(top, "data")
	word := mustWrite(t, filepath.Join(top, "word"), aPassphrase)
	starts(t, "wait 1s", "-root", "passphrase:"+file, "-passphrase-file", word, "-data", data)
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	refused := func(want string, args ...string) {
		t.Helper()
		err := run(t.Context(), append([]string{"passphrase"}, args...), strings.NewReader(aPassphrase+"\n"), io.Discard, io.Discard)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v: %v", args, err)
		}
	}
	refused("say -root passphrase:PATH")
	refused("say -root passphrase:PATH", "-root", file)
	refused("say -root passphrase:PATH", "-root", "tpm")
	refused("say -root passphrase:PATH", "-root", "passphrase:"+file, "more")
	refused("flag provided but not defined", "-rot", "x")
	refused("holds no key", "-root", "passphrase:"+file+"x", "-data", data)
	refused("is damaged", "-root", "passphrase:"+word, "-data", data)
	refused("a person at a terminal", "-root", "passphrase:"+file, "-data", data)
	refused("a person at a terminal", "-root", "passphrase:"+file, "-data", filepath.Join(top, "none"))

	p := root.NewPassphrase(file)
	if err := p.Unlock([]byte(aPassphrase)); err != nil {
		t.Fatal(err)
	}
	lock, err := lockFolder(data)
	if err != nil {
		t.Fatal(err)
	}
	refused("another Sotto runs", "-root", "passphrase:"+file, "-data", data)
	lock()
	if after, _ := os.ReadFile(file); string(after) != string(before) {
		t.Error("the file was changed")
	}
	var out strings.Builder
	if err := run(t.Context(), []string{"passphrase", "-h"}, nil, &out, io.Discard); err != nil || !strings.Contains(out.String(), "must not be running") {
		t.Errorf("%v: %s", err, out.String())
	}
}
