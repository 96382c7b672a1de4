// Package siptest is for tests of everything that speaks SIP and RTP: a network in
// memory, which works in a synctest bubble, and a telephone written without any code
// that it judges: it reads and writes messages as text. A telephone also works on real
// sockets. No program imports this package.
package siptest

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
)

// Conn is a UDP socket; *net.UDPConn is one.
type Conn interface {
	ReadFromUDPAddrPort([]byte) (int, netip.AddrPort, error)
	WriteToUDPAddrPort([]byte, netip.AddrPort) (int, error)
	SetReadDeadline(time.Time) error
	LocalAddr() net.Addr
	Close() error
}

// Net is a network in memory. Packets arrive in order and at once, unless a [Fate] says
// otherwise; to nobody, or to a full queue, they are lost, as on a real one.
type Net struct {
	mu       sync.Mutex
	fate     Fate
	socks    map[netip.AddrPort]*sock
	lists    map[netip.AddrPort]*listener
	nextPort uint16
	Lost     int // packets to nobody
}

// Fate decides about a packet: how often it arrives, and how late.
type Fate func(from, to netip.AddrPort, data []byte) (copies int, delay time.Duration)

// Let sets what becomes of the packets from now on (nil: each arrives once, at once) and
// returns what it was before.
func (n *Net) Let(f Fate) (before Fate) {
	n.mu.Lock()
	defer n.mu.Unlock()
	before, n.fate = n.fate, f
	return before
}

// NewNet makes an empty network.
func NewNet() *Net {
	return &Net{socks: map[netip.AddrPort]*sock{}, lists: map[netip.AddrPort]*listener{}, nextPort: 40000}
}

type packet struct {
	from netip.AddrPort
	data []byte
}

type sock struct {
	net      *Net
	addr     netip.AddrPort
	in       chan packet
	done     chan struct{}
	once     sync.Once
	mu       sync.Mutex
	deadline time.Time
	moved    chan struct{} // closed when the deadline changes
}

var errInUse = errors.New("address in use")

// UDP opens a socket. Port 0 stands for any.
func (n *Net) UDP(addr netip.AddrPort) (Conn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if addr.Port() == 0 {
		n.nextPort++
		addr = netip.AddrPortFrom(addr.Addr(), n.nextPort)
	}
	if n.socks[addr] != nil {
		return nil, errInUse
	}
	s := &sock{net: n, addr: addr, in: make(chan packet, 512), done: make(chan struct{}), moved: make(chan struct{})}
	n.socks[addr] = s
	return s, nil
}

// Must is UDP for tests; it panics.
func (n *Net) Must(addr string) Conn {
	c, err := n.UDP(netip.MustParseAddrPort(addr))
	if err != nil {
		panic(err)
	}
	return c
}

// Sockets gives how many sockets are open.
func (n *Net) Sockets() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.socks)
}

func (s *sock) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(s.addr) }

func (s *sock) Close() error {
	s.once.Do(func() {
		s.net.mu.Lock()
		delete(s.net.socks, s.addr)
		s.net.mu.Unlock()
		close(s.done)
	})
	return nil
}

func (s *sock) SetReadDeadline(t time.Time) error {
	s.mu.Lock()
	s.deadline = t
	close(s.moved)
	s.moved = make(chan struct{})
	s.mu.Unlock()
	return nil
}

func (s *sock) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	for {
		s.mu.Lock()
		deadline, moved := s.deadline, s.moved
		s.mu.Unlock()
		var late <-chan time.Time
		if !deadline.IsZero() {
			d := time.Until(deadline)
			if d <= 0 {
				select {
				case p := <-s.in:
					return copy(b, p.data), p.from, nil
				default:
				}
				return 0, netip.AddrPort{}, os.ErrDeadlineExceeded
			}
			t := time.NewTimer(d)
			defer t.Stop()
			late = t.C
		}
		select {
		case p := <-s.in:
			return copy(b, p.data), p.from, nil
		case <-s.done:
			return 0, netip.AddrPort{}, net.ErrClosed
		case <-late:
			return 0, netip.AddrPort{}, os.ErrDeadlineExceeded
		case <-moved:
		}
	}
}

func (s *sock) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	select {
	case <-s.done:
		return 0, net.ErrClosed
	default:
	}
	s.net.Send(s.addr, to, b)
	return len(b), nil
}

// Send puts a packet on the network, whoever from may be.
func (n *Net) Send(from, to netip.AddrPort, b []byte) {
	copies, delay := 1, time.Duration(0)
	n.mu.Lock()
	fate := n.fate
	n.mu.Unlock()
	if fate != nil {
		copies, delay = fate(from, to, b)
	}
	p := packet{from, append([]byte(nil), b...)}
	deliver := func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		s := n.socks[to]
		if s == nil {
			n.Lost++
			return
		}
		select {
		case s.in <- p:
		default:
			n.Lost++
		}
	}
	for range copies {
		if delay > 0 {
			time.AfterFunc(delay, deliver)
		} else {
			deliver()
		}
	}
}

type listener struct {
	net  *Net
	addr netip.AddrPort
	in   chan net.Conn
	done chan struct{}
	once sync.Once
}

// Listen opens a listener for streams.
func (n *Net) Listen(addr string) net.Listener {
	a := netip.MustParseAddrPort(addr)
	l := &listener{net: n, addr: a, in: make(chan net.Conn, 64), done: make(chan struct{})}
	n.mu.Lock()
	n.lists[a] = l
	n.mu.Unlock()
	return l
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.in:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() {
		l.net.mu.Lock()
		delete(l.net.lists, l.addr)
		l.net.mu.Unlock()
		close(l.done)
	})
	return nil
}

func (l *listener) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.addr) }

// Dial connects a stream.
func (n *Net) Dial(from, to netip.AddrPort) (net.Conn, error) {
	n.mu.Lock()
	l := n.lists[to]
	if from.Port() == 0 {
		n.nextPort++
		from = netip.AddrPortFrom(from.Addr(), n.nextPort)
	}
	n.mu.Unlock()
	if l == nil {
		return nil, errors.New("connection refused")
	}
	a, b := net.Pipe()
	here := &stream{a, net.TCPAddrFromAddrPort(from), net.TCPAddrFromAddrPort(to)}
	there := &stream{b, net.TCPAddrFromAddrPort(to), net.TCPAddrFromAddrPort(from)}
	select {
	case l.in <- there:
		return here, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

type stream struct {
	net.Conn
	local, remote net.Addr
}

func (s *stream) LocalAddr() net.Addr  { return s.local }
func (s *stream) RemoteAddr() net.Addr { return s.remote }

// DialFrom is Dial in the form that a server wants.
func (n *Net) DialFrom(_ context.Context, local netip.Addr, to netip.AddrPort) (net.Conn, error) {
	return n.Dial(netip.AddrPortFrom(local, 0), to)
}
