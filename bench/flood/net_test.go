package flood

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Addresses. The strangers' network is local to the wild namespace as a whole, so that any
// address of it can be sent from and is read by one socket; the box knows the way there by
// a router, as for any stranger, and keeps no table of neighbours for it.
const (
	boxAddr     = "10.66.0.1"
	lanNet      = "10.66.0.0/16"
	wildBox     = "10.68.0.1"
	wildRouter  = "10.68.0.2"
	strangerNet = "10.67.0.0/16"
)

var boxSIP = netip.MustParseAddrPort(boxAddr + ":5060")

// namespace is a network of its own, without a name. It ends with the process.
type namespace struct{ f *os.File }

// do calls f on a thread that is in the namespace: sockets that it opens and programs that
// it starts belong there. The thread ends with f.
func (n *namespace) do(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread is of no further use
		err := unix.Setns(int(n.f.Fd()), unix.CLONE_NEWNET)
		if err == nil {
			err = f()
		}
		done <- err
	}()
	return <-done
}

func newNamespace() (*namespace, error) {
	n := &namespace{}
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			n.f, err = os.Open("/proc/thread-self/ns/net")
		}
		done <- err
	}()
	return n, <-done
}

// ip runs ip(8) there. The namespace peer, if any, is /proc/self/fd/3 to it.
func (n *namespace) ip(t *testing.T, peer *namespace, args ...string) {
	t.Helper()
	err := n.do(func() error {
		cmd := exec.Command("ip", args...)
		if peer != nil {
			cmd.ExtraFiles = []*os.File{peer.f}
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("ip %v: %w: %s", args, err, out)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// networks makes the three namespaces, or skips the test where that is not possible.
func networks(t *testing.T) (box, lan, wild *namespace) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("there is no program ip (package iproute2)")
	}
	for _, n := range []**namespace{&box, &lan, &wild} {
		var err error
		if *n, err = newNamespace(); err != nil {
			t.Skipf("no network namespaces here: %v", err)
		}
		f := (*n).f
		t.Cleanup(func() { f.Close() })
		(*n).ip(t, nil, "link", "set", "lo", "up")
	}
	join := func(dev string, far *namespace, here, there string) {
		box.ip(t, far, "link", "add", "name", dev, "type", "veth", "peer", "name", "box", "netns", "/proc/self/fd/3")
		box.ip(t, nil, "addr", "add", here, "dev", dev)
		box.ip(t, nil, "link", "set", dev, "up")
		far.ip(t, nil, "addr", "add", there, "dev", "box")
		far.ip(t, nil, "link", "set", "box", "up")
	}
	join("lan", lan, boxAddr+"/16", "10.66.0.2/16")
	join("wild", wild, wildBox+"/24", wildRouter+"/24")
	lan.ip(t, nil, "route", "add", "local", "10.66.1.0/24", "dev", "lo") // a telephone has an address each
	wild.ip(t, nil, "route", "add", "local", strangerNet, "dev", "lo")
	wild.ip(t, nil, "route", "add", lanNet, "via", wildBox)
	box.ip(t, nil, "route", "add", strangerNet, "via", wildRouter)
	return box, lan, wild
}

// udp opens a UDP socket there.
func (n *namespace) udp(addr string) (c *net.UDPConn, err error) {
	err = n.do(func() error {
		c, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(addr)))
		return err
	})
	if err == nil {
		sockopt(c, unix.SO_RCVBUFFORCE, 8<<20)
	}
	return c, err
}

func sockopt(c syscall.Conn, opt, value int) {
	if raw, err := c.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) { unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, opt, value) })
	}
}

// tcp opens a connection from there to the box.
func (n *namespace) tcp(from string) (c net.Conn, err error) {
	err = n.do(func() error {
		c, err = (&net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.MustParseAddrPort(from))}).Dial("tcp4", boxSIP.String())
		return err
	})
	return c, err
}
