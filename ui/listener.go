package ui

import (
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
)

// limitListener bounds the connections that are open at once, in all and of one address.
// What is over is closed at once and counted: it costs the box no more than that. When all
// places are taken, an address that has few gets one of the address that has most: a few
// hosts that hold on to all they can get keep nobody out.
type limitListener struct {
	net.Listener
	refused *atomic.Uint64

	mu     sync.Mutex
	all    int
	byAddr map[netip.Addr][]*limitConn // the oldest first; no more entries than connections
}

// Accept implements [net.Listener].
func (l *limitListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		lc := &limitConn{Conn: c, l: l, addr: source(c.RemoteAddr().String())}
		over := l.enter(lc)
		if over != nil {
			l.refused.Add(1)
			over.Close()
		}
		if over != lc {
			return lc, nil
		}
	}
}

// enter gives c a place, and gives the connection that is to be closed for it: nil if
// none, c itself if there is no place for it.
func (l *limitListener) enter(c *limitConn) (over *limitConn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	own := len(l.byAddr[c.addr])
	if own >= maxAddrConns {
		return c
	}
	if l.all >= maxConns {
		most := []*limitConn(nil)
		for _, list := range l.byAddr {
			if len(list) > len(most) {
				most = list
			}
		}
		if len(most) <= own+1 {
			return c
		}
		over = most[0]
		l.leave(over)
	}
	l.all++
	l.byAddr[c.addr] = append(l.byAddr[c.addr], c)
	return over
}

// leave frees the place of c, if it has one. The listener is locked.
func (l *limitListener) leave(c *limitConn) {
	list := l.byAddr[c.addr]
	i := slices.Index(list, c)
	if i < 0 {
		return
	}
	l.all--
	if list = slices.Delete(list, i, i+1); len(list) > 0 {
		l.byAddr[c.addr] = list
	} else {
		delete(l.byAddr, c.addr)
	}
}

type limitConn struct {
	net.Conn
	l    *limitListener
	addr netip.Addr
}

func (c *limitConn) Close() error {
	c.l.mu.Lock()
	c.l.leave(c)
	c.l.mu.Unlock()
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
