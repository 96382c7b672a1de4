package main

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain lets this program be the box itself, for what only a process of its own can
// show: signals and pipes.
func TestMain(m *testing.M) {
	if os.Getenv("SOTTO_TEST_MAIN") != "" {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// process starts the box as a process. It logs a line once its board is open, and is
// killed if it does not end within a minute.
func process(t *testing.T) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	plan := mustWrite(t, filepath.Join(t.TempDir(), "plan.json"), strings.Replace(oneUser, `"FXS 1"`, `"FXS 1", "FXS 99"`, 1))
	cmd := exec.CommandContext(ctx, os.Args[0], "-data", filepath.Join(t.TempDir(), "data"), "-plan", plan, "-sip", "off", "-page", "off")
	cmd.Env = append(os.Environ(), "SOTTO_TEST_MAIN=1")
	return cmd
}

// waitFor reads until a line that holds text, and gives the reader for more.
func waitFor(t *testing.T, r io.Reader, text string) *bufio.Scanner {
	t.Helper()
	sc := bufio.NewScanner(r)
	for sc.Scan() {
		if strings.Contains(sc.Text(), text) {
			return sc
		}
	}
	t.Fatalf("it never said %q", text)
	return nil
}

// fullPipe gives the writing end of a pipe that is full and that nobody reads.
func fullPipe(t *testing.T) *os.File {
	t.Helper()
	var p [2]int
	if err := syscall.Pipe2(p[:], syscall.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(p[0]) })
	syscall.SetNonblock(p[1], true)
	for _, n := range []int{4096, 1} {
		for chunk := make([]byte, n); ; {
			if _, err := syscall.Write(p[1], chunk); err != nil {
				break
			}
		}
	}
	syscall.SetNonblock(p[1], false)
	f := os.NewFile(uintptr(p[1]), "full pipe")
	t.Cleanup(func() { f.Close() })
	return f
}

// pipes starts cmd with pipes where it has nothing yet.
func pipes(t *testing.T, cmd *exec.Cmd) (in io.WriteCloser, out, log io.ReadCloser) {
	t.Helper()
	var err error
	if in, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if cmd.Stdout == nil {
		if out, err = cmd.StdoutPipe(); err != nil {
			t.Fatal(err)
		}
	}
	if cmd.Stderr == nil {
		if log, err = cmd.StderrPipe(); err != nil {
			t.Fatal(err)
		}
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return in, out, log
}

// TestReaderGone: sotto | head -1. The words go on, and end it well.
func TestReaderGone(t *testing.T) {
	cmd := process(t)
	in, out, log := pipes(t, cmd)
	waitFor(t, out, "ready")
	out.Close()
	io.WriteString(in, "71 lifts ; 71 hears dial ; 71 hangs up\n")
	in.Close()
	text, _ := io.ReadAll(log)
	if err := cmd.Wait(); err != nil || !strings.Contains(string(text), "lines of what happened were lost") {
		t.Errorf("%v\n%s", err, text)
	}
}

// TestFullLog: nobody takes the log. Telephones work, and one signal ends the box.
func TestFullLog(t *testing.T) {
	cmd := process(t)
	cmd.Stderr = fullPipe(t)
	in, out, _ := pipes(t, cmd)
	io.WriteString(in, "port FXS 3 fails ; wait 300ms ; 71 lifts ; 71 hears dial\n")
	waitFor(t, out, "71 hears dial")
	cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// TestSecondSignal: nobody takes what is printed, which the end waits for; not so the
// second signal.
func TestSecondSignal(t *testing.T) {
	cmd := process(t)
	cmd.Stdout = fullPipe(t)
	_, _, log := pipes(t, cmd)
	waitFor(t, log, "has not got")
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		select {
		case <-again.C:
			cmd.Process.Signal(os.Interrupt)
			continue
		case <-ended:
		}
		break
	}
	if ws := cmd.ProcessState.Sys().(syscall.WaitStatus); !ws.Signaled() || ws.Signal() != syscall.SIGINT {
		t.Errorf("it ended with %v", cmd.ProcessState)
	}
}

// TestRefusalIsOneLine: what the person sees is one line and a status that is not 0.
func TestRefusalIsOneLine(t *testing.T) {
	cmd := process(t)
	cmd.Args = append(cmd.Args[:1], "-board", "sim:dead=FXS 1,FXS 2,FXS 3,FXS 4,FXO 1,FXO 2", "-data", filepath.Join(t.TempDir(), "data"), "-sip", "off", "-page", "off")
	var out, log strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &log
	err := cmd.Run()
	if err == nil || cmd.ProcessState.ExitCode() != 1 {
		t.Errorf("it ended with %v", err)
	}
	if l := log.String(); strings.Count(l, "\n") != 1 || !strings.HasPrefix(l, "sotto: no port of the board works: FXS 1: ") || out.Len() > 0 {
		t.Errorf("printed %q, told:\n%s", out.String(), l)
	}
}
