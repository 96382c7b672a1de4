package main

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sotto/storage"
	"sotto/storage/keyring"
)

// runningBox starts the box as a process on a data folder, and ends it with the test.
func runningBox(t *testing.T, dir string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], append([]string{"-data", dir, "-sip", "off", "-page", "off"}, args...)...) // outlives the test's context
	cmd.Env = append(os.Environ(), "SOTTO_TEST_MAIN=1")
	var log lockedBuffer
	cmd.Stderr = &log
	in, out, _ := pipes(t, cmd)
	sc := waitFor(t, out, "ready: ")
	drained := make(chan struct{})
	go func() {
		for sc.Scan() {
		}
		close(drained)
	}()
	for start := time.Now(); ; time.Sleep(5 * time.Millisecond) { // the socket comes right after
		if _, err := os.Stat(filepath.Join(dir, controlName)); err == nil {
			break
		} else if time.Since(start) > 20*time.Second {
			t.Fatalf("no socket\n%s", log.String())
		}
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		in.Close()
		limit := time.AfterFunc(20*time.Second, func() { cmd.Process.Kill() })
		defer limit.Stop()
		<-drained
		if err := cmd.Wait(); err != nil || strings.Contains(log.String(), "level=ERROR") {
			t.Errorf("the box: %v\n%s", err, log.String())
		}
		if _, err := os.Stat(filepath.Join(dir, controlName)); err == nil {
			t.Error("the socket is left")
		}
		for _, no := range toldOf {
			if strings.Contains(log.String(), no) {
				t.Errorf("%q is in\n%s", no, log.String())
			}
		}
	})
	return cmd
}

// ask runs a sub-command as a process of its own, beside the box or without one.
func ask(t *testing.T, stdin string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := process(t)
	cmd.Args = append(cmd.Args[:1], args...)
	var out, log bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &log
	cmd.Run()
	return out.String(), log.String(), cmd.ProcessState.ExitCode()
}

// TestEraseRunning: somebody is erased from a box that runs, by the same words as from one
// that is stopped.
func TestEraseRunning(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	starts(t, callOutside, "-data", dir)
	runningBox(t, dir)
	on := func(args ...string) []string { return append([]string{"erase", "-data", dir}, args...) }
	if out, log, code := ask(t, "030 123 76 54\nno\n", on("-number", "-")...); code != 1 || !strings.Contains(out, "call records: 1,") || !strings.HasSuffix(log, "erase: nothing was erased: that was not the word\n") {
		t.Fatalf("%d %s%s", code, out, log)
	}
	if out, log, code := ask(t, "", on("-number", "0301237654")...); code != 1 || !strings.Contains(log, "nothing was erased: nothing was typed") {
		t.Fatalf("%d %s%s", code, out, log)
	}
	if out, _, code := ask(t, "", on("-list")...); code != 0 || out != "Nobody was erased yet.\n" {
		t.Fatalf("%d %s", code, out)
	}
	out, log, code := ask(t, "+49 (30) 123 76-54\nerase\n", on("-number", "-")...)
	if code != 0 || log != "" {
		t.Fatalf("%d %s%s", code, out, log)
	}
	holds(t, out, "The person is erased.\n", "was known as           number\n", "the old key is gone")
	if _, log, code := ask(t, "", on("-number", "0301237654", "-yes")...); code != exitUnknown || !strings.Contains(log, "keeps nothing of this person") {
		t.Errorf("again: %d %s", code, log)
	}
	out, log, code = ask(t, "", on("-user", "102", "-yes", "-json")...)
	var p struct {
		Kind     string
		Verified bool
	}
	if err := json.Unmarshal([]byte(out), &p); err != nil || code != 0 || p.Kind != "user" || !p.Verified {
		t.Errorf("%v %d %s%s", err, code, out, log)
	}
	holds(t, log, "a user of the plan")
	for _, no := range toldOf {
		if strings.Contains(out+log, no) {
			t.Errorf("%q is in\n%s%s", no, out, log)
		}
	}
	if out, log, code := ask(t, "", on("-root", "passphrase:/nowhere", "-list")...); code != 0 {
		t.Errorf("the box is open already: %d %s%s", code, out, log)
	}
}

// TestRunningAtTheTerminal: a box behind a passphrase says so until it has it, and then asks
// at the terminal of the sub-command, blind, without a passphrase. Ctrl-C there ends nothing
// but the sub-command, and the terminal shows again what is typed.
func TestRunningAtTheTerminal(t *testing.T) {
	top := t.TempDir()
	dir, word := filepath.Join(top, "data"), mustWrite(t, filepath.Join(top, "word"), aPassphrase+"\n")
	root := "passphrase:" + filepath.Join(top, "p")
	starts(t, callOutside, "-data", dir, "-root", root, "-passphrase-file", word)
	args := []string{"erase", "-data", dir, "-number", "-"}
	t.Run("locked", func(t *testing.T) {
		box := process(t)
		box.Args = append(box.Args[:1], "-data", dir, "-root", root, "-sip", "off", "-page", "off")
		in, out, _ := pipes(t, box)
		waitFor(t, out, "ready: ")
		for start := time.Now(); ; time.Sleep(10 * time.Millisecond) {
			_, log, code := ask(t, "", "erase", "-data", dir, "-list")
			if code == 1 && strings.Contains(log, errControlShut.Error()) {
				break
			} else if time.Since(start) > 20*time.Second {
				t.Fatalf("%d %s", code, log)
			}
		}
		box.Process.Signal(syscall.SIGTERM)
		in.Close()
		io.Copy(io.Discard, out)
		if err := box.Wait(); err != nil {
			t.Error(err)
		}
	})
	runningBox(t, dir, "-root", root, "-passphrase-file", word)
	s := sit(t, args...)
	s.sees("Number, which does not show: ", "")
	s.cmd.Process.Signal(syscall.SIGINT)
	if err := s.cmd.Wait(); err == nil || s.cmd.ProcessState.ExitCode() != 1 {
		t.Error(err)
	}
	s = sit(t, args...)
	s.sees("Number, which does not show: ", "030 1237654\n")
	s.sees("Type the word erase to go on: ", "")
	s.cmd.Process.Signal(syscall.SIGINT)
	if err := s.cmd.Wait(); err == nil || s.cmd.ProcessState.ExitCode() != 1 {
		t.Error(err)
	}
	s = sit(t, args...)
	s.sees("Number, which does not show: ", "030 1237654\n")
	s.sees("Type the word erase to go on: ", "erase\n")
	s.sees("The person is erased.", "")
	screen := s.ends()
	for _, no := range toldOf {
		if strings.Contains(screen, no) {
			t.Errorf("the screen shows %q", no)
		}
	}
}

// TestRunningReaderGone: a full pipe stops neither the box nor the next sub-command, and a
// reader that has gone ends the sub-command alone.
func TestRunningReaderGone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	starts(t, "wait 1s", "-data", dir)
	runningBox(t, dir)
	stuck := process(t)
	stuck.Args = append(stuck.Args[:1], "erase", "-data", dir, "-list")
	stuck.Stdout = fullPipe(t)
	if err := stuck.Start(); err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	gone := process(t)
	gone.Args = append(gone.Args[:1], "erase", "-data", dir, "-list")
	gone.Stdout = w
	gone.Run()
	if gone.ProcessState.ExitCode() != 1 {
		t.Error(gone.ProcessState)
	}
	w.Close()
	if out, log, code := ask(t, "", "erase", "-data", dir, "-list"); code != 0 {
		t.Errorf("%d %s%s", code, out, log)
	}
	stuck.Process.Kill()
	stuck.Wait()
}

// TestFolderHeld: the folder is another's who takes no sub-commands.
func TestFolderHeld(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	starts(t, "wait 1s", "-data", dir)
	store, err := storage.Open(dir, keyring.NewFileRoot(dir+".key"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	for _, c := range commands() {
		args := map[string][]string{"erase": {"-list"}, "access": {"-user", "102", "-o", filepath.Join(dir, "x")}, "account": {"list"}, "export": {"-format", "csv"}, "papers": {"-record"},
			"users": {"import", mustWrite(t, filepath.Join(t.TempDir(), "u.csv"), "")}}[c.name]
		out, log, code := ask(t, "", append([]string{c.name, "-data", dir}, args...)...)
		if code != 1 || out != "" || log != "sotto: "+c.name+": "+errNoControl.Error()+"\n" {
			t.Errorf("%s: %d %s%s", c.name, code, out, log)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "x")); err == nil {
		t.Error("a file is left")
	}
}
