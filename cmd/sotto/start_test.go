package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"sotto/storage"
)

const oneUser = `{"office": "O", "country": "SE", "users": [{"name": "A", "ext": "71", "ports": ["FXS 1"]}]}`

func mustWrite(t *testing.T, file, text string) string {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// starts runs the box on words in a bubble of its own and wants it to end well.
func starts(t *testing.T, words string, args ...string) (stdout, stderr string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var err error
		if stdout, stderr, _, err = box(t, words, args...); err != nil {
			t.Errorf("%v\n%s\n%s", err, stdout, stderr)
		}
	})
	return stdout, stderr
}

// TestPlanFileGone: after the first start the file of -plan is not looked at any more.
func TestPlanFileGone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	file := mustWrite(t, filepath.Join(t.TempDir(), "plan.json"), oneUser)
	starts(t, "wait 1s", "-data", dir, "-plan", file)
	mustWrite(t, file, "{")
	starts(t, "71 lifts ; 71 hears dial", "-data", dir, "-plan", file)
	os.Remove(file)
	if _, log := starts(t, "71 lifts ; 71 hears dial", "-data", dir, "-plan", file); strings.Count(log, "there is a plan already") != 1 {
		t.Error(log)
	}
}

// TestWrongFirstPlan: it is told, nothing is waited for, and nothing is left behind.
func TestWrongFirstPlan(t *testing.T) {
	top := t.TempDir()
	fifo := filepath.Join(top, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ file, want string }{
		"wrong":    {mustWrite(t, filepath.Join(top, "plan.json"), strings.Replace(oneUser, "SE", "XX", 1)), "country: must be"},
		"gone":     {filepath.Join(top, "none"), "no such file"},
		"a pipe":   {fifo, "not a regular file"},
		"a device": {"/dev/zero", "not a regular file"},
		"a folder": {top, "not a regular file"},
	} {
		t.Run(name, func(t *testing.T) {
			below := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				_, _, took, err := box(t, "", "-data", filepath.Join(below, "data"), "-plan", c.file)
				if err == nil || !strings.Contains(err.Error(), c.want) || took != 0 {
					t.Errorf("after %v: %v", took, err)
				}
			})
			if left, _ := os.ReadDir(below); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// TestPlanIsKeptWithABoard: a first start that opens no board keeps no plan.
func TestPlanIsKeptWithABoard(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	file := mustWrite(t, filepath.Join(t.TempDir(), "plan.json"), oneUser)
	synctest.Test(t, func(t *testing.T) {
		if _, _, _, err := box(t, "", "-data", dir, "-board", "sim:dead=FXS 77"); err == nil {
			t.Fatal("it started")
		}
	})
	mustWrite(t, file+"x", "{")
	synctest.Test(t, func(t *testing.T) {
		if _, _, _, err := box(t, "", "-data", dir, "-plan", file+"x"); err == nil {
			t.Fatal("it started")
		}
	})
	starts(t, "71 lifts ; 71 hears dial", "-data", dir, "-plan", file)
}

// TestFolderNotWritable: with a lifeline telephones work, and it is said loudly. A
// folder in the place of the file that the store tries its hand at does for a medium that
// is read-only: root may write everywhere else.
func TestFolderNotWritable(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	starts(t, "wait 1s", "-data", dir)
	if err := os.Mkdir(filepath.Join(dir, "probe.new"), 0o700); err != nil {
		t.Fatal(err)
	}
	out, log := starts(t, "101 lifts ; 101 hears dial ; 101 dials 102 ; 102 rings ; 101 hangs up ; wait 1s", "-data", dir)
	for _, want := range []string{"level=ERROR msg=\"the store cannot be opened", "cannot be written", "msg=\"calls were not recorded: there is no store\" count=1\n"} {
		if strings.Count(log, want) != 1 {
			t.Errorf("not once in the log: %s\n%s\n%s", want, log, out)
		}
	}
	os.Remove(filepath.Join(dir, "lifeline.json"))
	synctest.Test(t, func(t *testing.T) {
		if _, _, _, err := box(t, "", "-data", dir); err == nil || !strings.Contains(err.Error(), "cannot be written") {
			t.Errorf("without a lifeline: %v", err)
		}
	})
}

// TestLockedFolder: a lifeline is no reason to run twice.
func TestLockedFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	starts(t, "wait 1s", "-data", dir)
	synctest.Test(t, func(t *testing.T) {
		store := mustOpen(t, dir)
		defer store.Close()
		if _, _, _, err := box(t, "", "-data", dir); err == nil || !strings.Contains(err.Error(), "another Sotto runs") {
			t.Errorf("%v", err)
		}
	})
}

// TestDatabaseGone: the office's own lifeline, not the demo office, takes its place.
func TestDatabaseGone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	file := mustWrite(t, filepath.Join(t.TempDir(), "plan.json"), oneUser)
	starts(t, "wait 1s", "-data", dir, "-plan", file)
	os.Remove(filepath.Join(dir, "sotto.db"))
	if _, log := starts(t, "71 lifts ; 71 hears dial", "-data", dir); !strings.Contains(log, "the database is missing") {
		t.Error(log)
	}
	if storage.Made(dir) {
		t.Error("a database was made anew")
	}
}

// TestLabelsThatDoNotFit: what the board has not got is a warning, at every start.
func TestLabelsThatDoNotFit(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	file := mustWrite(t, filepath.Join(t.TempDir(), "plan.json"), `{"office": "O", "country": "DE", "users": [
		{"name": "A", "ext": "31", "ports": ["FXS 14", "FXS 15", "FXS 64"]},
		{"name": "B", "ext": "32", "ports": ["FXS 99"]}],
		"lines": [{"name": "X", "port": "FXO 2"}, {"name": "Y", "port": "FXO 40"}]}`)
	for range 2 {
		out, log := starts(t, "31 lifts ; 31 hears dial", "-data", dir, "-plan", file)
		for _, want := range []string{`at=users[0].ports[1] port="FXS 15"`, `at=users[0].ports[2] port="FXS 64"`, `at=users[1].ports[0] port="FXS 99"`, `at=lines[1].port port="FXO 40"`} {
			if !strings.Contains(log, want) {
				t.Errorf("not in the log: %s\n%s", want, log)
			}
		}
		if strings.Count(log, "has not got") != 4 || !strings.Contains(out, "FXS 14 Si") {
			t.Errorf("%s\n%s", log, out)
		}
	}
}

func TestFlags(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	if o, err := parse([]string{"-data", "."}, nil); err != nil || o.root != dir+".key" {
		t.Errorf("the key of . is in %s, %v", o.root, err)
	}
	if o, err := parse([]string{"-data", "x/../y/", "-root", "k"}, nil); err != nil || o.root != "k" || o.data != "x/../y/" {
		t.Errorf("%+v, %v", o, err)
	}
	for _, c := range []struct {
		arg, err, out string
	}{
		{"-bord=sim", "flag provided but not defined: -bord", ""},
		{"-data=/", "which the root folder is not", ""},
		{"-data=//tmp/..", "which the root folder is not", ""},
		{"-h", "", "-plan file"},
		{"-version", "", "sotto "},
	} {
		synctest.Test(t, func(t *testing.T) {
			out, log, _, err := box(t, "", c.arg)
			if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.HasSuffix(err.Error(), c.err)) {
				t.Errorf("%s: error %v", c.arg, err)
			}
			if log != "" || (out == "") != (c.out == "") || !strings.Contains(out, c.out) {
				t.Errorf("%s: printed %q, logged %q", c.arg, out, log)
			}
		})
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestNoJournal(t *testing.T) {
	var log lockedBuffer
	j := &noJournal{log: slog.New(slog.NewTextHandler(&log, nil))}
	j.tell()
	for range 5 {
		j.Append(pbxRecord())
	}
	j.tell()
	j.tell()
	for _, n := range []string{"1", "2", "4", "5"} {
		if strings.Count(log.String(), "count="+n+"\n") != 1 {
			t.Errorf("%s:\n%s", n, log.String())
		}
	}
	if n := strings.Count(log.String(), "\n"); n != 4 {
		t.Errorf("%d lines", n)
	}
}
