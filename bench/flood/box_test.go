package flood

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// box is the program, with its office of SIP telephones 201 to 230 and an analog one, 101.
type box struct {
	cmd     *exec.Cmd
	words   io.WriteCloser // of the simulator
	log     string         // file
	secrets map[string]string
}

const rtpFrom, rtpTo = 20000, 20999

// startBox builds the program and starts it there.
func startBox(t *testing.T, n *namespace) *box {
	t.Helper()
	dir := t.TempDir()
	program := *programFlag
	if program == "" {
		program = filepath.Join(dir, "sotto")
		if out, err := exec.Command("go", "build", "-buildvcs=false", "-o", program, "sotto/cmd/sotto").CombinedOutput(); err != nil {
			t.Fatalf("build: %v\n%s", err, out)
		}
	}
	type user struct {
		Name  string   `json:"name"`
		Ext   string   `json:"ext"`
		Ports []string `json:"ports,omitempty"`
		SIP   bool     `json:"sip,omitempty"`
	}
	users := []user{{Name: "Reception", Ext: "101", Ports: []string{"FXS 1"}}}
	for i := range 30 {
		users = append(users, user{Name: fmt.Sprint("Telephone ", i), Ext: ext(i), SIP: true})
	}
	plan, err := json.Marshal(map[string]any{"office": "Flood", "country": "DE", "outside_prefix": "0", "users": users})
	if err != nil {
		t.Fatal(err)
	}
	planFile, secrets := filepath.Join(dir, "plan.json"), filepath.Join(dir, "secrets")
	if err := os.WriteFile(planFile, plan, 0o600); err != nil {
		t.Fatal(err)
	}
	b := &box{log: filepath.Join(dir, "log"), secrets: map[string]string{}}
	log, err := os.Create(b.log)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	b.cmd = exec.Command(program, "-board", "sim", "-page", "127.0.0.1:0", "-data", filepath.Join(dir, "data"), "-plan", planFile, "-sip", boxSIP.String(),
		"-rtp", fmt.Sprintf("%d-%d", rtpFrom, rtpTo), "-sip-secrets", secrets)
	b.cmd.Stderr = log
	b.words, _ = b.cmd.StdinPipe()
	out, _ := b.cmd.StdoutPipe()
	// It ends with its input, which ends with this process.
	if err := n.do(b.cmd.Start); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.stop(t) })
	sc := bufio.NewScanner(out)
	ready := false
	for !ready && sc.Scan() {
		ready = strings.HasPrefix(sc.Text(), "ready")
	}
	if !ready {
		t.Fatalf("the box did not start:\n%s", tail(b.log))
	}
	go io.Copy(io.Discard, out)
	text, err := os.ReadFile(secrets)
	if err != nil {
		t.Fatal(err)
	}
	for l := range strings.Lines(string(text)) {
		user, secret, _ := strings.Cut(strings.TrimSpace(l), " ")
		b.secrets[user] = secret
	}
	return b
}

// stop ends the box; it has to end by itself.
func (b *box) stop(t *testing.T) {
	b.cmd.Process.Signal(syscall.SIGTERM)
	kill := time.AfterFunc(20*time.Second, func() { b.cmd.Process.Kill() })
	defer kill.Stop()
	if err := b.cmd.Wait(); err != nil {
		t.Errorf("the box ended with %v:\n%s", err, tail(b.log))
	}
}

// ext is the extension of a SIP telephone.
func ext(i int) string { return strconv.Itoa(201 + i) }

func tail(file string) []byte {
	b, _ := os.ReadFile(file)
	return b[max(0, len(b)-2000):]
}

// rss gives the resident memory in KiB.
func (b *box) rss() int {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", b.cmd.Process.Pid))
	_, rest, _ := bytes.Cut(text, []byte("VmRSS:"))
	n, _ := strconv.Atoi(strings.Fields(string(rest) + " 0")[0])
	return n
}

// cpu gives the processor time used since the start.
func (b *box) cpu() time.Duration {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", b.cmd.Process.Pid))
	f := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(f) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// fds gives how many files and sockets it has open.
func (b *box) fds() int {
	l, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", b.cmd.Process.Pid))
	return len(l)
}

// logged gives how many bytes it has logged.
func (b *box) logged() int64 {
	i, err := os.Stat(b.log)
	if err != nil {
		return 0
	}
	return i.Size()
}

// others gives the processor time that all programs but the box and this one have used.
func (b *box) others() time.Duration {
	text, _ := os.ReadFile("/proc/stat")
	first, _, _ := strings.Cut(string(text), "\n")
	f := strings.Fields(first) // cpu user nice system idle ...
	busy := 0
	for i := 1; i < 4 && i < len(f); i++ {
		n, _ := strconv.Atoi(f[i])
		busy += n
	}
	var self syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &self)
	return time.Duration(busy)*10*time.Millisecond - b.cpu() - time.Duration(self.Utime.Nano()+self.Stime.Nano())
}
