// Package pty gives tests a terminal with somebody at the keyboard: a pseudo-terminal of
// Linux (pty(7)). The tests of storage/root and of cmd/sotto call it.
package pty

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// Open gives both ends of a new terminal: what is written to keyboard is typed, and what is
// read from it is on the screen; terminal is for the program. Both end with the test.
func Open(t testing.TB) (keyboard, terminal *os.File) {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo-terminals here: %v", err)
	}
	t.Cleanup(func() { keyboard.Close() })
	n := 0
	if err = unix.IoctlSetPointerInt(int(keyboard.Fd()), unix.TIOCSPTLCK, 0); err == nil {
		n, err = unix.IoctlGetInt(int(keyboard.Fd()), unix.TIOCGPTN)
	}
	if err == nil {
		terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { terminal.Close() })
	return keyboard, terminal
}

// Shows tells whether the terminal shows what is typed.
func Shows(t testing.TB, terminal *os.File) bool {
	t.Helper()
	m, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return m.Lflag&unix.ECHO != 0
}

// PathOf is a path under which this process finds an open file again.
func PathOf(f *os.File) string { return fmt.Sprintf("/dev/fd/%d", f.Fd()) }
