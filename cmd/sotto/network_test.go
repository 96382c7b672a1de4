package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sotto/pbx/sipline/siptest"
)

// boxOnNet is the box as a process, with telephones on the network of this machine.
type boxOnNet struct {
	t    *testing.T
	addr netip.AddrPort
	cmd  *exec.Cmd
	in   io.WriteCloser
	mu   sync.Mutex
	said []string
	log  lockedBuffer
	more chan struct{}
}

// freePort gives a port of 127.0.0.1 that is free over UDP and TCP.
func freePort(t *testing.T) netip.AddrPort {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addr := l.Addr().(*net.TCPAddr).AddrPort()
		c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(addr))
		l.Close()
		if err == nil {
			c.Close()
			return addr
		}
	}
	t.Fatal("no free port")
	return netip.AddrPort{}
}

func startOnNet(t *testing.T, dir string, addr netip.AddrPort, args ...string) *boxOnNet {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	b := &boxOnNet{t: t, addr: addr, more: make(chan struct{}, 1)}
	b.cmd = exec.CommandContext(ctx, os.Args[0], append([]string{"-data", dir, "-sip", addr.String(), "-rtp", rtpPorts(), "-page", "off"}, args...)...)
	b.cmd.Env = append(os.Environ(), "SOTTO_TEST_MAIN=1")
	b.cmd.Stderr = &b.log
	out, err := b.cmd.StdoutPipe()
	if err == nil {
		b.in, err = b.cmd.StdinPipe()
	}
	if err == nil {
		err = b.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for sc := bufio.NewScanner(out); sc.Scan(); {
			b.mu.Lock()
			b.said = append(b.said, sc.Text())
			b.mu.Unlock()
			select {
			case b.more <- struct{}{}:
			default:
			}
		}
	}()
	b.waits("ready")
	return b
}

// rtpPorts gives a hundred ports that no other run of the tests uses, as far as one can
// tell.
func rtpPorts() string {
	from := 20000 + os.Getpid()%100*100
	return fmt.Sprintf("%d-%d", from, from+99)
}

// text gives what it printed.
func (b *boxOnNet) text() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Join(b.said, "\n")
}

// waits waits until it has printed want.
func (b *boxOnNet) waits(want string) {
	b.t.Helper()
	limit := time.After(30 * time.Second)
	for !strings.Contains(b.text(), want) {
		select {
		case <-b.more:
		case <-limit:
			b.t.Fatalf("it never said %q:\n%s\n%s", want, b.text(), b.log.String())
		}
	}
}

func (b *boxOnNet) stop() {
	b.t.Helper()
	b.cmd.Process.Signal(syscall.SIGTERM)
	if err := b.cmd.Wait(); err != nil {
		b.t.Errorf("%v\n%s", err, b.log.String())
	}
}

// phone makes a telephone on a socket of this machine, at a port of its own (0: any).
func (b *boxOnNet) phone(user, secret string, port int, marker int) *siptest.Phone {
	b.t.Helper()
	open := func(port int) (*net.UDPConn, netip.AddrPort) {
		c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
		if err != nil {
			b.t.Fatal(err)
		}
		return c, c.LocalAddr().(*net.UDPAddr).AddrPort()
	}
	c, addr := open(port)
	p := &siptest.Phone{User: user, Secret: secret, Box: b.addr, Addr: addr, UDP: c, Marker: marker, Answers: -1,
		Audio: func() (siptest.Conn, netip.AddrPort, error) { c, a := open(0); return c, a, nil }}
	p.Start()
	b.t.Cleanup(p.Close)
	return p
}

// TestTelephonesOnTheNetwork: the demo office shows each secret once; a telephone
// registers with it, is heard and hears, and is rung after a restart without having
// registered again.
func TestTelephonesOnTheNetwork(t *testing.T) {
	dir, addr := filepath.Join(t.TempDir(), "data"), freePort(t)
	b := startOnNet(t, dir, addr)
	shown := regexp.MustCompile(`(?m)^SIP telephone of (20\d): server \S+, user 20\d, password (\S{20,}) `).FindAllStringSubmatch(b.text(), -1)
	if len(shown) != 4 || shown[0][1] != "201" || shown[0][2] == shown[1][2] {
		t.Fatalf("secrets shown: %q", b.text())
	}
	secret := shown[0][2]
	p := b.phone("201", secret, 0, 3)
	if err := b.phone("201", shown[1][2], 0, 3).Register(300); err == nil {
		t.Error("registered with the secret of another")
	}
	if err := p.Register(300); err != nil {
		t.Fatalf("%v\n%s", err, b.log.String())
	}
	c := p.Call("101")
	b.waits("101 rings")
	fmt.Fprintln(b.in, "101 lifts")
	if !c.Answered(5*time.Second) || !c.Hears(0, 5*time.Second) {
		t.Fatalf("no sound: %v\n%s\n%s", c.Statuses(), b.text(), b.log.String())
	}
	c.Hang()
	b.waits("101 hears busy")
	fmt.Fprintln(b.in, "101 hangs up")
	b.waits("record 201 -> 101 answered")
	b.stop()

	b2 := startOnNet(t, dir, addr)
	if strings.Contains(b2.text(), "password") {
		t.Errorf("secrets are shown again:\n%s", b2.text())
	}
	fmt.Fprintln(b2.in, "101 lifts ; 101 hears dial ; 101 dials 201 ; 101 hears ringback")
	in := p.Incoming(1, 10*time.Second)
	if in == nil {
		t.Fatalf("no call after the restart\n%s\n%s", b2.text(), b2.log.String())
	}
	in.Answer()
	if !in.Hears(0, 5*time.Second) {
		t.Error("no sound")
	}
	in.Hang()
	b2.waits("record 101 -> 201 answered")
	b2.stop()
	for _, log := range []string{b.log.String(), b2.log.String()} {
		for _, s := range []string{"201", "101", secret} {
			if strings.Contains(log, s) {
				t.Errorf("the log holds %q:\n%s", s, log)
			}
		}
	}
}

// TestNetworkInTheWay: with the port taken, telephones of the board go on; secrets go to
// the file that is named, for its owner alone.
func TestNetworkInTheWay(t *testing.T) {
	addr := freePort(t)
	taken, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(addr))
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	dir := filepath.Join(t.TempDir(), "data")
	b := startOnNet(t, dir, addr)
	fmt.Fprintln(b.in, "101 lifts ; 101 hears dial")
	b.waits("101 hears dial")
	b.stop()
	if !strings.Contains(b.log.String(), "telephones on the network cannot register") {
		t.Errorf("not told:\n%s", b.log.String())
	}
	if strings.Contains(b.text(), "password") {
		t.Errorf("secrets for a server that there is not:\n%s", b.text())
	}
	taken.Close()
	file := filepath.Join(t.TempDir(), "secrets")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	startOnNet(t, dir, addr, "-sip-secrets", file).stop()
	made, _ := os.ReadFile(file)
	if st, err := os.Stat(file); err != nil || st.Mode().Perm() != 0o600 || strings.Count(string(made), "\n") != 4 {
		t.Errorf("%v %v\n%s", st, err, made)
	}
	b = startOnNet(t, dir, addr, "-sip-new-secret", "202")
	if l := regexp.MustCompile(`(?m)^SIP telephone of (\d+): .* password (\S+) `).FindAllStringSubmatch(b.text(), -1); len(l) != 1 || l[0][1] != "202" || strings.Contains(string(made), l[0][2]) {
		t.Errorf("a new secret: %q", l)
	}
	b.stop()
}

func TestSIPFlags(t *testing.T) {
	for _, args := range [][]string{{"-sip", "5060"}, {"-sip", "127.0.0.1:0"}, {"-sip", "nowhere:5060"}, {"-rtp", "1"}, {"-rtp", "2000-1000"}, {"-rtp", "80-90"}, {"-rtp", "1-99999"}, {"-rtp", "10001-10032"}, {"-sip", "224.0.0.1:5060"}} {
		if _, err := parse(args, io.Discard); err == nil || !strings.HasPrefix(err.Error(), args[0]) {
			t.Errorf("%q: %v", args, err)
		}
	}
	o, err := parse([]string{"-sip", "[::1]:5070", "-rtp", "20000-20031"}, io.Discard)
	if err != nil || o.sip.addr != netip.MustParseAddrPort("[::1]:5070") || o.sip.from != 20000 || o.sip.to != 20031 {
		t.Errorf("%+v, %v", o.sip, err)
	}
}
