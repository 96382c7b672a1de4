package cuttest

import (
	"bytes"
	"context"
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
		must1(t, dumpFile(path, file.data, file.used))
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

// TestTwoProcesses holds the store in one process and opens it in another; when the first
// is killed the second gets it.
func TestTwoProcesses(t *testing.T) {
	top := scratch(t)
	tr := newTruth()
	someOffice(t, top, tr)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"=hold 1", childEnv+"_TOP="+top)
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

// TestClockAt1970 takes a box whose clock has lost its time: the calls of 1970 and those of
// a clock set back are kept and shown like others. The bubble's clock begins in 2000.
func TestClockAt1970(t *testing.T) {
	top := scratch(t)
	tr := newTruth()
	someOffice(t, top, tr)
	newest := tr.records
	epoch := func(i int) pbx.Record {
		r := recordOf(newest+1+i, 2)
		r.Began = time.Unix(int64(i), 0).UTC()
		return r
	}
	synctest.Test(t, func(t *testing.T) {
		s, err := storage.Open(filepath.Join(top, "data"), rootAt(top), quiet())
		must1(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		for i := range 3 {
			s.Append(epoch(i))
			must1(t, s.Sync(ctx))
			time.Sleep(36 * time.Hour)
		}
		if _, err := s.Erase(ctx, owner, person(caller(3))); err != nil && !errors.Is(err, storage.ErrUnknownPerson) {
			t.Error(err)
		}
		cancel()
		must1(t, errors.Join(<-done, s.Close()))
	})
	s, err := storage.Open(filepath.Join(top, "data"), rootAt(top), quiet())
	must1(t, err)
	defer s.Close()
	page, err := s.As(owner).Records(t.Context(), storage.Query{Limit: 500})
	must1(t, err)
	if len(page) != newest+3 {
		t.Fatalf("%d records, want %d", len(page), newest+3)
	}
	for i := range 3 {
		v, want := page[2-i], epoch(i)
		from, _ := partyOf(v.From)
		if !v.Began.Equal(want.Began) || v.From.State == storage.Shown && from != want.From {
			t.Errorf("record %d of 1970 began %v", i, v.Began)
		}
	}
	if page, err := s.As(owner).Records(t.Context(), storage.Query{Until: time.Unix(100, 0)}); err != nil || len(page) != 3 {
		t.Errorf("%d records before 100 s past 1970, want 3: %v", len(page), err)
	}
	if h := s.Health(); h.Unreadable+h.Lost > 0 {
		t.Errorf("%d unreadable, %d lost", h.Unreadable, h.Lost)
	}
}
