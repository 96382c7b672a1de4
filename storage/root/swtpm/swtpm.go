// Package swtpm starts Debian's software TPM 2.0 for tests: in a folder of its own, with a
// state that survives a restart as that of a chip does. The tests of storage/root and of
// cmd/sotto call it. It knows nothing of what is kept in the chip.
package swtpm

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// Chip is a software TPM. It ends with its test.
type Chip struct {
	Path string // of the socket that takes commands

	t    testing.TB
	dir  string
	proc *exec.Cmd
}

// New starts a TPM that nobody has used yet. The test is skipped if swtpm is not installed.
func New(t testing.TB) *Chip {
	t.Helper()
	if _, err := exec.LookPath("swtpm"); err != nil {
		t.Skip("swtpm is not installed: make packages")
	}
	dir, err := os.MkdirTemp("", "swtpm") // short: the path of a socket has 107 bytes at most
	if err != nil {
		t.Fatal(err)
	}
	c := &Chip{Path: filepath.Join(dir, "tpm"), t: t, dir: dir}
	t.Cleanup(func() {
		c.Kill()
		os.RemoveAll(dir)
	})
	if err := os.Mkdir(c.state(), 0o700); err != nil {
		t.Fatal(err)
	}
	c.Start()
	return c
}

// Start switches the TPM on; it must be off.
func (c *Chip) Start() {
	c.t.Helper()
	var said bytes.Buffer
	c.proc = exec.Command("swtpm", "socket", "--tpm2", "--server", "type=unixio,path="+c.Path,
		"--ctrl", "type=unixio,path="+filepath.Join(c.dir, "ctrl"), "--tpmstate", "dir="+c.state(),
		"--flags", "not-need-init,startup-clear")
	c.proc.Stderr = &said
	if err := c.proc.Start(); err != nil {
		c.t.Fatal(err)
	}
	for range 1000 {
		if conn, err := net.Dial("unix", c.Path); err == nil {
			conn.Close()
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	c.Kill()
	c.t.Fatalf("swtpm does not start: %s", said.String())
}

// Kill takes the power away, in the middle of what the TPM does.
func (c *Chip) Kill() {
	if c.proc != nil {
		c.proc.Process.Kill()
		c.proc.Wait()
		c.proc = nil
	}
	os.Remove(c.Path)
}

// Restart is Kill and Start.
func (c *Chip) Restart() {
	c.t.Helper()
	c.Kill()
	c.Start()
}

// Contains tells whether the chip's memory holds these bytes, as a laboratory that opens
// the chip would see. swtpm keeps it unencrypted.
func (c *Chip) Contains(b []byte) bool {
	c.t.Helper()
	files, err := filepath.Glob(filepath.Join(c.state(), "*"))
	if err != nil || len(files) == 0 {
		c.t.Fatalf("swtpm keeps no state: %v", err)
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			c.t.Fatal(err)
		}
		if bytes.Contains(data, b) {
			return true
		}
	}
	return false
}

func (c *Chip) state() string { return filepath.Join(c.dir, "state") }
