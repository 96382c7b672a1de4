package storage

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sotto/pbx"
	"sotto/storage/keyring"
	"sotto/storage/seal"
)

func voice(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8)
	}
	return b
}

func play(t *testing.T, s *Store, item keyring.Item) (audio []byte, cut bool) {
	t.Helper()
	r, err := s.OpenAudio(item)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	audio, err = io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
	if err != nil {
		t.Fatal(err)
	}
	return audio, r.Cut()
}

func TestAudio(t *testing.T) {
	b := newBox(t)
	s := b.open()
	setPlan(t, s, testPlan())
	want := map[keyring.Item][]byte{}
	for _, n := range []int{0, 1, 4095, 4096, 4097, 30_000} {
		w := must(s.NewAudio(pbx.Party{User: anna}, pbx.Party{}, pbx.Party{Number: callerShown}, pbx.Party{Number: callerLetter}))
		for rest := voice(n); len(rest) > 0; rest = rest[min(len(rest), 160):] {
			must(w.Write(rest[:min(len(rest), 160)]))
		}
		for range 2 {
			if err := w.Close(); err != nil {
				t.Error(err)
			}
		}
		if _, err := w.Write([]byte{1}); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("written after the end: %v", err)
		}
		want[w.Item()] = voice(n)
	}
	for range 2 {
		for item, audio := range want {
			if got, cut := play(t, s, item); !bytes.Equal(got, audio) || cut {
				t.Errorf("%d bytes of %d, cut %v", len(got), len(audio), cut)
			}
		}
		s.Close()
		s = b.open()
	}
	subject, _ := s.ring.Lookup(keyring.Outside, s.normal(callerShown.Reveal()))
	if n := len(s.ring.ItemsOf(subject)); n != len(want) {
		t.Errorf("%d items are about the caller, want %d", n, len(want))
	}
	for item := range want {
		fi := must(os.Stat(s.audioPath(item)))
		if fi.Mode().Perm() != 0o600 {
			t.Errorf("mode %v", fi.Mode())
		}
		if data := must(os.ReadFile(s.audioPath(item))); bytes.Contains(data, voice(30_000)[200:240]) {
			t.Error("the file holds audio")
		}
	}
	if fi := must(os.Stat(filepath.Join(b.dir, audioFolder))); fi.Mode().Perm() != 0o700 {
		t.Errorf("mode %v", fi.Mode())
	}
	if _, err := s.OpenAudio(keyring.Item{1}); !errors.Is(err, ErrNoAudio) {
		t.Errorf("unknown: %v", err)
	}
}

// TestAudioCut: without its end a file is kept up to the last whole chunk, and what was
// synced is there after a power cut.
func TestAudioCut(t *testing.T) {
	b := newBox(t)
	s := b.open()
	w := must(s.NewAudio(pbx.Party{Number: callerShown}))
	must(w.Write(voice(20_000)))
	dir := copyFolder(t, filepath.Dir(b.dir))
	w.Close()
	fi := must(os.Stat(filepath.Join(dir, "data", audioFolder, w.Item().String())))
	c := &box{t: t, dir: filepath.Join(dir, "data"), log: b.log, root: b.root}
	s.Close()
	s = c.open()
	got, cut := play(t, s, w.Item())
	if !cut || !bytes.Equal(got, voice(20_000)[:4*4096]) {
		t.Errorf("%d bytes, cut %v, file of %d", len(got), cut, fi.Size())
	}
	path := s.audioPath(w.Item())
	if err := os.Truncate(path, 18+4096+16+100); err != nil {
		t.Fatal(err)
	}
	if got, cut := play(t, s, w.Item()); !cut || !bytes.Equal(got, voice(4096)) {
		t.Errorf("%d bytes, cut %v", len(got), cut)
	}
	os.Truncate(path, 3)
	if _, err := s.OpenAudio(w.Item()); !errors.Is(err, seal.ErrFormat) {
		t.Errorf("no header: %v", err)
	}
}

// TestAudioGoes: whoever records or plays what is deleted or erased gets an error and not
// a byte more.
func TestAudioGoes(t *testing.T) {
	b := newBox(t)
	s := b.open()
	setPlan(t, s, testPlan())
	for name, goes := range map[string]func(keyring.Item) error{
		"deleted": func(i keyring.Item) error { return s.DropAudio(i, i, keyring.Item{9}) },
		"erased": func(keyring.Item) error {
			_, err := s.Erase(t.Context(), owner, Person{Number: callerLetter})
			return err
		},
	} {
		w := must(s.NewAudio(pbx.Party{User: anna}, pbx.Party{Number: callerShown}))
		must(w.Write(voice(9000)))
		r := must(s.OpenAudio(w.Item()))
		must(r.ReadAt(make([]byte, 10), 100))
		if err := goes(w.Item()); err != nil {
			t.Fatal(err)
		}
		if n, err := w.Write(voice(9000)); !errors.Is(err, ErrNoAudio) || n != 0 {
			t.Errorf("%s: wrote %d, %v", name, n, err)
		}
		if n, err := r.ReadAt(make([]byte, 10), 100); !errors.Is(err, ErrNoAudio) || n != 0 {
			t.Errorf("%s: read %d, %v", name, n, err)
		}
		if err := w.Close(); !errors.Is(err, ErrNoAudio) {
			t.Errorf("%s: closed: %v", name, err)
		}
		if r.Size() != 0 || r.Cut() || r.Close() != nil {
			t.Errorf("%s: the reader still has something", name)
		}
		if _, err := s.OpenAudio(w.Item()); !errors.Is(err, ErrNoAudio) {
			t.Errorf("%s: opened: %v", name, err)
		}
		if _, err := os.Stat(s.audioPath(w.Item())); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: the file: %v", name, err)
		}
	}
	if n := len(s.keeper.audio.of); n != 0 {
		t.Errorf("%d are held as open", n)
	}
}

// TestAudioStrays: at a start a file without an item and an item without a file go; what is
// none of ours stays, and without the folder nothing is concluded.
func TestAudioStrays(t *testing.T) {
	b := newBox(t)
	s := b.open()
	var items []keyring.Item
	for range 4 {
		w := must(s.NewAudio(pbx.Party{Number: callerShown}))
		must(w.Write(voice(100)))
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		items = append(items, w.Item())
	}
	stray, foreign := s.audioPath(keyring.Item{7}), filepath.Join(b.dir, audioFolder, "README")
	os.WriteFile(stray, voice(100), 0o600)
	os.WriteFile(foreign, voice(100), 0o600)
	os.Remove(s.audioPath(items[0]))
	os.Truncate(s.audioPath(items[3]), 17)
	s.Close()
	away := filepath.Join(b.dir, audioFolder+".away")
	os.Rename(filepath.Join(b.dir, audioFolder), away)
	s = b.open()
	if n := len(s.ring.Items()); n != 4 {
		t.Errorf("without the folder %d items, want 4", n)
	}
	s.Close()
	os.Rename(away, filepath.Join(b.dir, audioFolder))
	s = b.open()
	if _, err := os.Stat(stray); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a file without an item stays")
	}
	if _, err := os.Stat(foreign); err != nil {
		t.Error("a file that is none of ours is gone")
	}
	if s.hasItem(items[0]) || !s.hasItem(items[1]) || !s.hasItem(items[2]) || s.hasItem(items[3]) {
		t.Error("the wrong items are gone")
	}
}

// TestAudioFails: a medium that takes no file leaves no item behind.
func TestAudioFails(t *testing.T) {
	b := newBox(t)
	s := b.open()
	os.WriteFile(filepath.Join(b.dir, audioFolder), nil, 0o600)
	if _, err := s.NewAudio(pbx.Party{Number: callerShown}); err == nil || strings.Contains(err.Error(), "9018") {
		t.Errorf("%v", err)
	}
	if n := len(s.ring.Items()); n != 0 {
		t.Errorf("%d items", n)
	}
	s.Close()
	if _, err := s.NewAudio(); !errors.Is(err, ErrDown) {
		t.Errorf("closed: %v", err)
	}
	if err := s.DropAudio(); !errors.Is(err, ErrDown) {
		t.Errorf("closed: %v", err)
	}
}

// TestRotation: deleted keys are destroyed together, an hour after the first was deleted; at
// once what waited in a run before.
func TestRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t)
		s, stop := b.run()
		drop := func() {
			t.Helper()
			w := must(s.NewAudio(pbx.Party{Number: callerShown}))
			w.Close()
			if err := s.DropAudio(w.Item()); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		waits := func(when string, want bool) {
			t.Helper()
			synctest.Wait()
			if got := s.ring.Waiting(); got != want {
				t.Errorf("%s: waiting %v", when, got)
			}
		}
		time.Sleep(time.Minute)
		for range 3 {
			drop()
			time.Sleep(19 * time.Minute)
			waits("within the hour", true)
		}
		time.Sleep(4 * time.Minute)
		waits("after the hour", false)
		drop()
		time.Sleep(59 * time.Minute)
		waits("within the next hour", true)
		time.Sleep(time.Minute)
		waits("after the next hour", false)
		drop()
		waits("the last", true)
		stop()
		s, stop = b.run()
		defer stop()
		waits("a new run", false)
	})
}
