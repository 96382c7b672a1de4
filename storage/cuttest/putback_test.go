package cuttest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sotto/pbx"
	"sotto/pbx/number"
	"sotto/storage"
	"sotto/storage/keyring"
)

// inside runs a workload in this process, on a folder of a good medium, and has the truth
// hear what it says.
func inside(t *testing.T, top string, tr *truth, work func(*child) error) {
	t.Helper()
	var out bytes.Buffer
	must1(t, os.MkdirAll(filepath.Join(top, "key"), 0o700))
	must1(t, work(&child{out: &out, in: nil, top: top, rnd: rand.New(rand.NewPCG(1, 2))}))
	for line := range strings.Lines(out.String()) {
		must1(t, tr.hear(strings.TrimSpace(line)))
	}
}

// someOffice makes a closed store of everything.
func someOffice(t *testing.T, top string, tr *truth) {
	inside(t, top, tr, func(c *child) error {
		return errors.Join(c.open(), c.plan(1), c.secret(), c.records(40, 1), c.eraseOne(caller(2)), c.plan(2), c.audio(2),
			c.records(20, 2), c.audio(2), c.stop())
	})
}

// folder is a closed store in memory, to write it anew many times.
type folder map[string]file

type file struct {
	data []byte
	used []int
}

func readFolder(t *testing.T, top string) folder {
	t.Helper()
	all := folder{}
	must1(t, filepath.WalkDir(top, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, _ := filepath.Rel(top, path)
		b, err := os.ReadFile(path)
		all[name] = file{b, used(b)}
		return err
	}))
	return all
}

// write writes the folder to top.
func (f folder) write(t *testing.T, top string) {
	t.Helper()
	must1(t, os.RemoveAll(top))
	for n, file := range f {
		path := filepath.Join(top, n)
		must1(t, os.MkdirAll(filepath.Dir(path), 0o700))
		must1(t, dumpFile(path, file.data, len(file.data), file.used))
	}
}

func copyTo(t *testing.T, to, from string) {
	t.Helper()
	must1(t, os.RemoveAll(to))
	must1(t, os.CopyFS(to, os.DirFS(from)))
}

// TestOldFilePutBack puts old copies of single files, or of all, beside the new ones, from
// before and from after an erasure.
func TestOldFilePutBack(t *testing.T) {
	top := scratch(t)
	at := func(name string) string { return filepath.Join(top, name) }
	tr := newTruth()
	someOffice(t, at("now"), tr)
	copyTo(t, at("old"), at("now"))
	inside(t, at("now"), tr, func(c *child) error {
		return errors.Join(c.open(), c.records(20, 2), c.plan(3), c.records(20, 3), c.stop())
	})
	copyTo(t, at("middle"), at("now"))
	inside(t, at("now"), tr, func(c *child) error {
		return errors.Join(c.open(), c.eraseOne(caller(1)), c.records(20, 3), c.stop())
	})
	if tr.erased[caller(1)].sure == 0 {
		t.Fatal("nobody was erased")
	}
	for _, c := range []struct {
		old  string
		what []string
		want error // nil: it opens, and the log says that something is wrong
	}{
		{"old", []string{"data/sotto.db"}, nil},
		{"old", []string{"data/keyring*"}, keyring.ErrWrongRoot},
		{"old", []string{"data"}, keyring.ErrWrongRoot},
		{"middle", []string{"data/sotto.db"}, nil},
		{"middle", []string{"data/keyring*"}, keyring.ErrWrongRoot},
		{"middle", []string{"data"}, keyring.ErrWrongRoot},
		{"old", []string{"key"}, keyring.ErrWrongRoot},
	} {
		name := fmt.Sprint(c.old, " ", c.what)
		copyTo(t, at("try"), at("now"))
		for _, what := range c.what {
			now, _ := filepath.Glob(at("try/" + what))
			for _, f := range now {
				os.RemoveAll(f)
			}
			old, _ := filepath.Glob(at(c.old + "/" + what))
			for _, from := range old {
				to := strings.Replace(from, at(c.old), at("try"), 1)
				if fi, _ := os.Stat(from); fi.IsDir() {
					copyTo(t, to, from)
				} else {
					b, _ := os.ReadFile(from)
					must1(t, os.WriteFile(to, b, 0o600))
				}
			}
		}
		v := tr.judge(t, at("try"))
		if c.want != nil && !errors.Is(v.refused, c.want) {
			t.Errorf("%s: opens or says %v, want %v", name, v.refused, c.want)
		}
		if v.wrong != nil {
			t.Errorf("%s: %v", name, v.wrong)
		}
		if c.want == nil && v.refused == nil && v.noted == 0 {
			t.Errorf("%s: nothing shows it", name)
		}
	}
}

// setBack is a database put back after some calls and a time, and whether that shows.
type setBack struct {
	calls int
	wait  time.Duration
	close bool
	want  bool
}

// TestOldDatabasePutBack puts back the database as it was after one call, beside the keyring
// as it is after more that needed no new key. A box that ended well tells of each of them. A
// kill or a power cut leaves a window: what came after the last mark of the keyring, 64
// transactions of one minute at most, can be taken out and nothing shows it.
func TestOldDatabasePutBack(t *testing.T) {
	const shown, unseen = true, false
	for _, c := range []setBack{
		{1, 0, true, shown},
		{20, 0, true, shown},
		{20, 2 * time.Minute, false, shown},
		{64, 0, false, shown},
		{200, 0, false, shown},
		{0, 0, true, unseen},                 // it is the same
		{0, 30 * time.Minute, false, unseen}, // so is it
		{0, 150 * time.Minute, false, shown}, // the box writes each hour by itself
		{20, 0, false, unseen},               // the window
	} {
		t.Run(fmt.Sprintf("%d calls, %v, closed %v", c.calls, c.wait, c.close), func(t *testing.T) {
			top := scratch(t)
			synctest.Test(t, func(t *testing.T) { c.run(t, top) })
		})
	}
}

func (c setBack) run(t *testing.T, top string) {
	now, old, then := filepath.Join(top, "now"), filepath.Join(top, "old"), filepath.Join(top, "then")
	must1(t, os.MkdirAll(filepath.Join(now, "key"), 0o700))
	b := &child{out: io.Discard, top: now}
	call := func() {
		t.Helper()
		r := recordOf(1, 1)
		r.From, r.To = pbx.Party{Number: number.Must(caller(1)), Line: "Line"}, pbx.Party{User: anna, Ext: "201"}
		b.s.Append(r)
		must1(t, b.s.Sync(t.Context()))
	}
	must1(t, errors.Join(b.open(), b.plan(1)))
	call()
	time.Sleep(time.Minute) // what is done soon after a start
	synctest.Wait()
	copyTo(t, old, now)
	before := b.s.Health().Commits // of all time: it is the first run
	for range c.calls {
		call()
	}
	time.Sleep(c.wait)
	synctest.Wait()
	if !c.close { // what a kill leaves is what the kernel has
		copyTo(t, then, now)
	}
	since := b.s.Health().Commits - before
	must1(t, b.stop())
	switch {
	case c.close:
		copyTo(t, then, now)
		since = b.s.Health().Commits - before
	case c.wait == 0: // those before the last mark
		const every = 64
		since = max((before+since-1)/every*every, before) - before
	}
	if since > 0 != c.want || since > uint64(c.calls) && c.wait < time.Hour {
		t.Errorf("%d transactions, want some: %v", since, c.want)
	}
	db, err := os.ReadFile(filepath.Join(old, "data", "sotto.db"))
	must1(t, err)
	must1(t, os.WriteFile(filepath.Join(then, "data", "sotto.db"), db, 0o600))
	for start := range 2 {
		s, err := storage.Open(filepath.Join(then, "data"), rootAt(then), quiet())
		must1(t, err)
		if n := s.Health().SetBack; n != since {
			t.Errorf("start %d: set back by %d, want %d", start, n, since)
		}
		must1(t, s.Close())
	}
}

// TestTwoProcesses holds the store in one process and opens it in another; when the first
// is killed the second gets it.
func TestTwoProcesses(t *testing.T) {
	top := scratch(t)
	tr := newTruth()
	someOffice(t, top, tr)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"=hold 1 0", childEnv+"_TOP="+top)
	out, err := cmd.StdoutPipe()
	must1(t, err)
	must1(t, cmd.Start())
	if b := make([]byte, 5); true {
		if _, err := io.ReadFull(out, b); err != nil || string(b) != "open\n" {
			t.Fatalf("the child says %q, %v", b, err)
		}
	}
	if _, err := tr.look(t, top); !errors.Is(err, storage.ErrLocked) {
		t.Errorf("the second process: %v", err)
	}
	must1(t, cmd.Process.Kill())
	cmd.Wait()
	if _, err := tr.look(t, top); err != nil {
		t.Errorf("after the first was killed: %v", err)
	}
}
