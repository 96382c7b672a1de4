package root

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sotto/storage/root/pty"
)

func TestReadTyped(t *testing.T) {
	keyboard, terminal := pty.Open(t)
	if !Terminal(terminal) {
		t.Fatal("a terminal is none")
	}
	screen := make(chan string)
	go func() {
		var all []byte
		b := make([]byte, 100)
		for !strings.Contains(string(all), "the end") {
			n, err := keyboard.Read(b)
			if err != nil {
				break
			}
			all = append(all, b[:n]...)
		}
		screen <- string(all)
	}()
	type read struct {
		line []byte
		err  error
	}
	got := make(chan read)
	prompt, asked := io.Pipe()
	go func() {
		line, err := ReadTyped(t.Context(), terminal, asked, "Word: ", time.Minute)
		got <- read{line, err}
	}()
	io.ReadFull(prompt, make([]byte, len("Word: ")))
	io.WriteString(keyboard, "swordfi\x7f\x7ffish \u00e9\n101 lifts\n") // with corrections
	if r := <-got; r.err != nil || string(r.line) != "swordfish \u00e9" {
		t.Errorf("%q, %v", r.line, r.err)
	}
	b := make([]byte, 100)
	if n, _ := terminal.Read(b); string(b[:n]) != "101 lifts\n" {
		t.Errorf("what follows: %q", b[:n])
	}
	if !pty.Shows(t, terminal) {
		t.Error("the terminal stays blind")
	}
	io.WriteString(terminal, "the end")
	if s := <-screen; strings.Contains(s, "sword") || strings.Contains(s, "fish") || !strings.Contains(s, "\n") {
		t.Errorf("the screen shows %q", s)
	}
}

// TestNobodyTypes: it waits no longer than it is told to, and ends with the context, too.
func TestNobodyTypes(t *testing.T) {
	_, terminal := pty.Open(t)
	if _, err := ReadTyped(t.Context(), terminal, io.Discard, "", 3*waitSlice); !errors.Is(err, ErrNobody) {
		t.Errorf("nobody: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ReadTyped(ctx, terminal, io.Discard, "", time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("ended: %v", err)
	}
	if !pty.Shows(t, terminal) {
		t.Error("the terminal stays blind")
	}
}

func TestTypedEnd(t *testing.T) {
	keyboard, terminal := pty.Open(t)
	io.WriteString(keyboard, "\x04") // control D
	if _, err := ReadTyped(t.Context(), terminal, io.Discard, "", time.Minute); !errors.Is(err, ErrNobody) {
		t.Errorf("the end: %v", err)
	}
	io.WriteString(keyboard, strings.Repeat("x", maxLine+1)+"\n71 lifts\n")
	if _, err := ReadTyped(t.Context(), terminal, io.Discard, "", time.Minute); !errors.Is(err, ErrLength) {
		t.Errorf("too long: %v", err)
	}
	b := make([]byte, 100)
	if n, _ := terminal.Read(b); string(b[:n]) != "71 lifts\n" {
		t.Errorf("what follows: %q", b[:n])
	}
	keyboard.Close()
	if line, err := ReadTyped(t.Context(), terminal, io.Discard, "", time.Minute); err == nil {
		t.Errorf("hung up: %q", line)
	}
}

func TestReadFile(t *testing.T) {
	dir := t.TempDir()
	for text, want := range map[string]string{
		"word":                              "word",
		"word\n":                            "word",
		"word\r\n":                          "word",
		"two words \nmore\n":                "two words ",
		"\nword":                            "",
		"\u00e9\xff\x00x":                   "\u00e9\xff\x00x",
		strings.Repeat("\u20ac", MaxLen):    strings.Repeat("\u20ac", MaxLen),
		strings.Repeat("y", maxLine) + "\n": strings.Repeat("y", maxLine),
	} {
		file := filepath.Join(dir, "word")
		os.WriteFile(file, []byte(text), 0o600)
		if got, err := ReadFile(t.Context(), file, time.Minute); err != nil || string(got) != want {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	fifo, long, empty := filepath.Join(dir, "fifo"), filepath.Join(dir, "long"), filepath.Join(dir, "empty")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	os.WriteFile(long, make([]byte, 1<<20), 0o600)
	os.WriteFile(empty, nil, 0o600)
	for path, want := range map[string]error{
		filepath.Join(dir, "none"): fs.ErrNotExist, fifo: ErrNobody, long: ErrLength, empty: ErrNobody, dir: unix.EISDIR, "/dev/zero": ErrLength,
	} {
		if got, err := ReadFile(t.Context(), path, 2*waitSlice); !errors.Is(err, want) || got != nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %q, %v", path, got, err)
		}
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close() // stays open: one line is enough
	io.WriteString(w, "from a pipe\n")
	if got, err := ReadFile(t.Context(), pty.PathOf(r), time.Minute); err != nil || string(got) != "from a pipe" {
		t.Errorf("a pipe: %q, %v", got, err)
	}
	if Terminal(r) {
		t.Error("a pipe is a terminal")
	}
}
