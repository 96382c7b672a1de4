package neighbours

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long is waited for anything that is to happen.
const patience = 15 * time.Second

// program is where the box was built.
var program string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "neighbours")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		program = filepath.Join(dir, "sotto")
		return m.Run()
	}())
}

var build = sync.OnceValue(func() error {
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-o", program, "sotto/cmd/sotto").CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
})

// need leaves a test out with -short, and fails it without the programs.
func need(t *testing.T, programs ...string) {
	t.Helper()
	if testing.Short() {
		t.Skip("real programs in real time")
	}
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Fatalf("%v; say: make packages", err)
		}
	}
	if err := build(); err != nil {
		t.Fatal(err)
	}
}

// transcript collects lines that a program prints.
type transcript struct {
	mu      sync.Mutex
	lines   []string
	changed chan struct{}
}

func newTranscript() *transcript { return &transcript{changed: make(chan struct{})} }

func (x *transcript) add(line string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.lines = append(x.lines, line)
	close(x.changed)
	x.changed = make(chan struct{})
}

func (x *transcript) read(r io.Reader) {
	for sc := bufio.NewScanner(r); sc.Scan(); {
		x.add(sc.Text())
	}
}

func (x *transcript) count() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.lines)
}

// since gives the lines after the first n.
func (x *transcript) since(n int) []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Clone(x.lines[n:])
}

// wait waits until f holds for a line after the first n, and gives the number of lines up
// to and with that one; -1 if it never comes.
func (x *transcript) wait(n int, limit time.Duration, f func(line string) bool) int {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		x.mu.Lock()
		changed, lines := x.changed, x.lines
		x.mu.Unlock()
		for ; n < len(lines); n++ {
			if f(lines[n]) {
				return n + 1
			}
		}
		select {
		case <-changed:
		case <-timer.C:
			return -1
		}
	}
}

// box is the box as a process.
type box struct {
	t       *testing.T
	cmd     *exec.Cmd
	in      io.WriteCloser
	printed *transcript
	log     bytes.Buffer
	ended   bool
	addr    string // of SIP
	secrets map[string]string
}

// startBox starts the demo office, and waits until it is ready.
func startBox(t *testing.T) *box {
	t.Helper()
	dir := t.TempDir()
	b := &box{t: t, printed: newTranscript(), addr: fmt.Sprintf("127.0.0.1:%d", freePort(t)), secrets: map[string]string{}}
	secrets := filepath.Join(dir, "secrets")
	rtp := 12000 + 400*rand.IntN(48) // below those that the system gives out
	b.cmd = exec.CommandContext(t.Context(), program, "-board", "sim", "-data", filepath.Join(dir, "data"),
		"-page", "127.0.0.1:0", "-sip", b.addr, "-rtp", fmt.Sprintf("%d-%d", rtp, rtp+399), "-sip-secrets", secrets)
	b.cmd.Stderr = &b.log
	var err error
	if b.in, err = b.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := b.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := b.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { b.printed.read(out); close(done) }()
	t.Cleanup(func() {
		b.cmd.Process.Kill()
		<-done
		if !b.ended {
			b.cmd.Wait()
		}
		if t.Failed() {
			t.Logf("the box printed:\n%s\nand logged:\n%s", strings.Join(b.printed.since(0), "\n"), b.log.String())
		}
	})
	if b.printed.wait(0, patience, func(l string) bool { return strings.HasPrefix(l, "ready") }) < 0 {
		t.Fatal("the box is not ready")
	}
	text, err := os.ReadFile(secrets)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		user, secret, _ := strings.Cut(strings.TrimSpace(line), " ")
		b.secrets[user] = secret
	}
	return b
}

// port gives the port of SIP.
func (b *box) port() string { _, p, _ := strings.Cut(b.addr, ":"); return p }

// do says words to the simulator, and fails the test if one does not come true.
func (b *box) do(words ...string) {
	b.t.Helper()
	n := b.printed.count()
	fmt.Fprintf(b.in, "%s ; help\n", strings.Join(words, " ; ")) // help comes last, and is told
	end := b.printed.wait(n, time.Duration(len(words))*patience, func(l string) bool { return strings.HasPrefix(l, "port 101 fails") || strings.HasPrefix(l, "? ") })
	for _, l := range b.printed.since(n) {
		if strings.HasPrefix(l, "? ") {
			b.t.Fatal(l)
		}
	}
	if end < 0 {
		b.t.Fatalf("it does not come to an end with %v", words)
	}
}

// hears waits until handset 101 has heard these digits since the line n.
func (b *box) hears(n int, digits string) {
	b.t.Helper()
	got := ""
	b.printed.wait(n, patience, func(l string) bool {
		if d, ok := strings.CutPrefix(l, "101 hears digit "); ok {
			got += d
		}
		return len(got) >= len(digits)
	})
	if got != digits {
		b.t.Errorf("101 heard the digits %q, want %q", got, digits)
	}
}

// quit ends the box, which must be well.
func (b *box) quit() {
	b.t.Helper()
	io.WriteString(b.in, "quit\n")
	b.ended = true
	if err := b.cmd.Wait(); err != nil {
		b.t.Errorf("the box ended with %v", err)
	}
}

// sockets counts those of UDP that the box has open.
func (b *box) sockets() int {
	inodes := map[string]bool{}
	table, err := os.ReadFile("/proc/net/udp")
	if err != nil {
		b.t.Fatal(err)
	}
	for line := range strings.Lines(string(table)) {
		if f := strings.Fields(line); len(f) > 9 {
			inodes["socket:["+f[9]+"]"] = true
		}
	}
	dir := fmt.Sprintf("/proc/%d/fd", b.cmd.Process.Pid)
	list, err := os.ReadDir(dir)
	if err != nil {
		b.t.Fatal(err)
	}
	n := 0
	for _, e := range list {
		if link, _ := os.Readlink(filepath.Join(dir, e.Name())); inodes[link] {
			n++
		}
	}
	return n
}

// goroutines ends the box by the signal on which a Go program prints its goroutines, and
// gives those that text is found in.
func (b *box) goroutines(text string) (found []string) {
	b.t.Helper()
	b.ended = true
	b.cmd.Process.Signal(syscall.SIGQUIT)
	b.cmd.Wait()
	all := strings.Split(b.log.String(), "\n\n")
	if len(all) < 5 {
		b.t.Error("the goroutines were not printed")
	}
	for _, g := range all {
		if strings.Contains(g, text) {
			found = append(found, g)
		}
	}
	return found
}

// freePort gives a port of 127.0.0.1 that neither UDP nor TCP uses.
func freePort(t *testing.T) int {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := l.Addr().(*net.TCPAddr).Port
		u, err := net.ListenPacket("udp", l.Addr().String())
		l.Close()
		if err == nil {
			u.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}

// start starts a program that is killed at the end of the test if it still runs, and
// gives where it is told when it ended.
func start(t *testing.T, cmd *exec.Cmd) <-chan error {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait(); close(done) }()
	t.Cleanup(func() { cmd.Process.Kill(); <-done })
	return ended
}
