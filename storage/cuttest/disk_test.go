package cuttest

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
)

// mount mounts d for the length of the test. Without FUSE the test is skipped.
func mount(t *testing.T, d *Disk) string {
	t.Helper()
	dir := t.TempDir()
	m, err := NewMount(d, dir)
	if err != nil {
		t.Skipf("NO POWER CUTS ARE TRIED: there is no FUSE here: %v", err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// must1 fails the test at an error that none was expected of.
func must1(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func syncDir(t *testing.T, dir string) {
	t.Helper()
	f, err := os.Open(dir)
	must1(t, err)
	must1(t, f.Sync())
	f.Close()
}

// outcomes gives what a process may read in the file name after a cut, and how often it is
// not there, of n outcomes.
func outcomes(d *Disk, n int, name string) (contents map[string]int, missing int) {
	rnd := rand.New(rand.NewPCG(1, 2))
	contents = map[string]int{}
	for range n {
		s := d.Survivor(rnd)
		if ino := s.inodes[rootIno].names[name]; ino != 0 {
			n := s.inodes[ino]
			contents[string(extended(n.data, n.size))]++
		} else {
			missing++
		}
	}
	return contents, missing
}

func TestUnsyncedNameAndBytes(t *testing.T) {
	d := NewDisk()
	dir := mount(t, d)
	path := filepath.Join(dir, "a")
	f, err := os.Create(path)
	must1(t, err)
	defer f.Close()
	old, young := bytes.Repeat([]byte("o"), 2*sectorLen), bytes.Repeat([]byte("y"), 2*sectorLen)
	_, err = f.Write(old)
	must1(t, err)
	must1(t, f.Sync())
	if _, missing := outcomes(d, 50, "a"); missing == 0 || missing == 50 {
		t.Errorf("name without a sync of the folder: missing %d times of 50", missing)
	}
	syncDir(t, dir)
	if got, _ := outcomes(d, 50, "a"); got[string(old)] != 50 {
		t.Errorf("synced bytes survive %d times of 50", got[string(old)])
	}
	_, err = f.WriteAt(young, 0)
	must1(t, err)
	if b, err := os.ReadFile(path); err != nil || !bytes.Equal(b, young) {
		t.Errorf("read of what was written: %v", err)
	}
	got, missing := outcomes(d, 200, "a")
	mixed := string(old[:sectorLen]) + string(young[:sectorLen])
	if missing != 0 || got[string(old)] == 0 || got[string(young)] == 0 || got[mixed] == 0 || len(got) < 5 {
		t.Errorf("unsynced bytes: %d old, %d new, %d half, %d kinds", got[string(old)], got[string(young)], got[mixed], len(got))
	}
	must1(t, f.Sync())
	if got, _ := outcomes(d, 50, "a"); got[string(young)] != 50 {
		t.Errorf("synced again: %d times of 50", got[string(young)])
	}
	must1(t, f.Truncate(100))
	if got, _ := outcomes(d, 50, "a"); got[string(young)] == 0 || got[string(young[:100])] == 0 {
		t.Errorf("truncate without a sync: %d long, %d short", got[string(young)], got[string(young[:100])])
	}
}

func TestUnsyncedRename(t *testing.T) {
	d := NewDisk()
	dir := mount(t, d)
	write := func(name, text string) {
		t.Helper()
		f, err := os.Create(filepath.Join(dir, name))
		must1(t, err)
		_, err = f.WriteString(text)
		must1(t, err)
		must1(t, f.Sync())
		must1(t, f.Close())
	}
	write("a", "old")
	syncDir(t, dir)
	write("b", "new")
	must1(t, os.Rename(filepath.Join(dir, "b"), filepath.Join(dir, "a")))
	if got, missing := outcomes(d, 100, "a"); got["old"] == 0 || got["new"] == 0 || got["old"]+got["new"] != 100 || missing != 0 {
		t.Errorf("rename without a sync: %v, %d missing", got, missing)
	}
	syncDir(t, dir)
	if got, _ := outcomes(d, 50, "a"); got["new"] != 50 {
		t.Errorf("rename with a sync: %v", got)
	}
	must1(t, os.Remove(filepath.Join(dir, "a")))
	if _, err := os.Stat(filepath.Join(dir, "a")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("removed: %v", err)
	}
	if _, missing := outcomes(d, 50, "a"); missing == 0 || missing == 50 {
		t.Errorf("remove without a sync: missing %d times of 50", missing)
	}
}

func TestFailedSyncForgets(t *testing.T) {
	d := NewDisk()
	dir := mount(t, d)
	f, err := os.Create(filepath.Join(dir, "a"))
	must1(t, err)
	defer f.Close()
	must1(t, f.Truncate(3))
	must1(t, f.Sync())
	syncDir(t, dir)
	d.SetFault(func(o Op) syscall.Errno {
		if o.Kind == Sync {
			return syscall.EIO
		}
		return 0
	})
	_, err = f.WriteAt([]byte("new"), 0)
	must1(t, err)
	if err := f.Sync(); !errors.Is(err, syscall.EIO) {
		t.Errorf("failed sync: %v", err)
	}
	d.SetFault(nil)
	must1(t, f.Sync())
	if got, _ := outcomes(d, 50, "a"); got["new"] == 50 || got["\x00\x00\x00"] == 0 {
		t.Errorf("after a failed sync and a good one: %v", got)
	}
	_, err = f.WriteAt([]byte("new"), 0)
	must1(t, err)
	must1(t, f.Sync())
	if got, _ := outcomes(d, 50, "a"); got["new"] != 50 {
		t.Errorf("written again and synced: %v", got)
	}
}

func TestCutAfter(t *testing.T) {
	d := NewDisk()
	dir := mount(t, d)
	f, err := os.Create(filepath.Join(dir, "a"))
	must1(t, err)
	defer f.Close()
	var cut atomic.Int32
	d.CutAfter(2, func() { cut.Add(1) })
	_, err = f.Write([]byte("one"))
	must1(t, err)
	if _, err := f.Write([]byte("two")); err == nil || cut.Load() != 1 {
		t.Errorf("second change: %v, cut %d times", err, cut.Load())
	}
	if err := f.Sync(); err == nil || cut.Load() != 1 || !d.Off() {
		t.Errorf("after the cut: %v, cut %d times", err, cut.Load())
	}
}
