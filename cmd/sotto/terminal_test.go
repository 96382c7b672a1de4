package main

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sotto/storage/root/pty"
)

// sitting is somebody at a terminal at which the box runs as a process.
type sitting struct {
	t        *testing.T
	cmd      *exec.Cmd
	keyboard *os.File
	terminal *os.File
	seen     strings.Builder
	from     int // of what was seen, what was not looked for yet
}

// sit starts the box, or a sub-command, with these arguments.
func sit(t *testing.T, args ...string) *sitting {
	t.Helper()
	keyboard, terminal := pty.Open(t)
	fd, err := syscall.Dup(int(keyboard.Fd()))
	if err == nil {
		err = syscall.SetNonblock(fd, true) // so that reading has a limit
	}
	if err != nil {
		t.Fatal(err)
	}
	limited := os.NewFile(uintptr(fd), "keyboard")
	t.Cleanup(func() { limited.Close() })
	cmd := process(t)
	cmd.Args = append(cmd.Args[:1], args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = terminal, terminal, terminal
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return &sitting{t: t, cmd: cmd, keyboard: limited, terminal: terminal}
}

// sees waits until the screen shows text, behind what it waited for before, and types an
// answer.
func (s *sitting) sees(text, answer string) {
	s.t.Helper()
	s.keyboard.SetReadDeadline(time.Now().Add(30 * time.Second))
	for !strings.Contains(s.seen.String()[s.from:], text) {
		var b [4096]byte
		n, err := s.keyboard.Read(b[:])
		s.seen.Write(b[:n])
		if err != nil {
			s.cmd.Process.Kill()
			s.t.Fatalf("it never said %q but, %v,\n%s", text, err, s.seen.String()[s.from:])
		}
	}
	s.from += strings.Index(s.seen.String()[s.from:], text) + len(text)
	io.WriteString(s.keyboard, answer)
}

// ends wants the process to end well, and gives what the screen has shown. What was typed
// blind is not on it.
func (s *sitting) ends() string {
	s.t.Helper()
	s.keyboard.SetReadDeadline(time.Time{})
	var rest strings.Builder
	read := make(chan struct{})
	go func() { io.Copy(&rest, s.keyboard); close(read) }()
	err := s.cmd.Wait()
	if !pty.Shows(s.t, s.terminal) {
		s.t.Error("the terminal stays blind")
	}
	s.keyboard.SetReadDeadline(time.Now().Add(100 * time.Millisecond)) // all is there once the process is gone
	<-read
	s.seen.WriteString(rest.String())
	if err != nil {
		s.t.Errorf("%v\n%s", err, s.seen.String())
	}
	if strings.Contains(s.seen.String(), "horse") {
		s.t.Errorf("the screen shows a passphrase:\n%s", s.seen.String())
	}
	return s.seen.String()
}

// TestAtTheTerminal goes through the life of a passphrase as a person does it: chosen at the
// first start, mistyped, forgotten, changed.
func TestAtTheTerminal(t *testing.T) {
	top := t.TempDir()
	args := []string{"-root", "passphrase:" + filepath.Join(top, "p"), "-data", filepath.Join(top, "data"), "-sip", "off", "-page", "off"}
	phone := func(s *sitting) {
		t.Helper()
		io.WriteString(s.keyboard, "101 lifts ; 101 hears dial within 5s ; 101 hangs up ; quit\n")
		s.sees("101 hears dial\r", "") // not the echo: that goes on
	}

	s := sit(t, args...)
	s.sees("New passphrase: ", "too short\n")
	s.sees("12 to 256 characters", "")
	s.sees("New passphrase: ", aPassphrase+"\n")
	s.sees("The same again: ", another+"\n")
	s.sees("not the same", "")
	s.sees("New passphrase: ", aPassphrase+"\n")
	s.sees("The same again: ", aPassphrase+"\n")
	s.sees("ready", "")
	phone(s)
	if all := s.ends(); strings.Contains(all, lifeline) {
		t.Error(all)
	}

	s = sit(t, args...)
	s.sees("ready", "") // telephones first
	s.sees("Passphrase: ", another+"\n")
	s.sees("the passphrase is wrong: type it again", "")
	s.sees("Passphrase: ", aPassphrase+"\n101 lifts\n") // words typed ahead are not lost
	s.sees("The data is open.", "")
	s.sees("101 hears dial\r", "101 hangs up ; quit\n")
	s.ends()

	s = sit(t, args...)
	for range 3 {
		s.sees("Passphrase: ", another+"\n")
	}
	s.sees("wrong three times", "")
	phone(s)
	s.ends()

	for _, putOff := range []string{"\x04", "\n"} { // control D, and an empty line
		s = sit(t, args...)
		s.sees("Passphrase: ", putOff)
		s.sees("nothing is recorded for now", "")
		phone(s)
		s.ends()
	}

	s = sit(t, args...)
	s.sees("Passphrase: ", "")
	s.cmd.Process.Signal(syscall.SIGINT)
	s.ends()

	change := append([]string{"passphrase"}, args[:4]...)
	s = sit(t, change...)
	s.sees("Passphrase: ", aPassphrase+"\n")
	s.sees("New passphrase: ", another+"\n")
	s.sees("The same again: ", another+"\n")
	s.sees("is changed", "")
	s.ends()

	s = sit(t, args...)
	s.sees("Passphrase: ", aPassphrase+"\n")
	s.sees("is wrong", "")
	s.sees("Passphrase: ", another+"\n")
	s.sees("The data is open.", "")
	phone(s)
	s.ends()
}

// TestUnlockedFromElsewhere: the terminal is asking when the page takes the passphrase. It
// is for words then, and shows them.
func TestUnlockedFromElsewhere(t *testing.T) {
	top := t.TempDir()
	args := []string{"-root", "passphrase:" + filepath.Join(top, "p"), "-data", filepath.Join(top, "data"), "-sip", "off", "-page", "127.0.0.1:0"}
	word := mustWrite(t, filepath.Join(top, "word"), aPassphrase)
	starts(t, "wait 1s", append(args, "-passphrase-file", word)...)
	s := sit(t, args...)
	s.sees("locked: telephones work", "")
	s.sees("Passphrase: ", "")
	if pty.Shows(t, s.terminal) {
		t.Error("the terminal shows what is typed")
	}
	browser := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer browser.CloseIdleConnections()
	res, err := browser.PostForm(printed.FindStringSubmatch(strings.ReplaceAll(s.seen.String(), "\r", ""))[1]+"/unlock", url.Values{"passphrase": {aPassphrase}})
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatal(res, err)
	}
	res.Body.Close()
	s.sees("The data is open.", "101 lifts ; 101 hears dial within 5s ; 101 hangs up ; quit\n")
	s.sees("101 lifts ;", "") // the echo
	s.sees("101 hears dial\r", "")
	s.ends()
}
