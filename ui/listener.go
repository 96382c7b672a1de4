package ui

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
)

// limitListener bounds the connections that are open at once, in all and of one address.
// What is over is closed at once and counted: it costs the box no more than that.
type limitListener struct {
	net.Listener
	refused *atomic.Uint64

	mu     sync.Mutex
	all    int
	byAddr map[netip.Addr]int // no more entries than connections
}

// Accept implements [net.Listener].
func (l *limitListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		addr := source(c.RemoteAddr().String())
		if l.enter(addr) {
			return &limitConn{Conn: c, leave: sync.OnceFunc(func() { l.leave(addr) })}, nil
		}
		l.refused.Add(1)
		c.Close()
	}
}

func (l *limitListener) enter(addr netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all >= maxConns || l.byAddr[addr] >= maxAddrConns {
		return false
	}
	l.all++
	l.byAddr[addr]++
	return true
}

func (l *limitListener) leave(addr netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all--
	if l.byAddr[addr]--; l.byAddr[addr] == 0 {
		delete(l.byAddr, addr)
	}
}

type limitConn struct {
	net.Conn
	leave func()
}

func (c *limitConn) Close() error {
	c.leave()
	return c.Conn.Close()
}

// source gives the address that limits count by, of an address with port: one IPv4
// address, or the /64 that an IPv6 host moves in. The zero Addr stands for what is none.
func source(addrPort string) netip.Addr {
	ap, err := netip.ParseAddrPort(addrPort)
	if err != nil {
		return netip.Addr{}
	}
	a := ap.Addr().Unmap().WithZone("")
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return a
}
