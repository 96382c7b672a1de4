package rtpport

import (
	"errors"
	"net"
	"net/netip"
	"syscall"
)

// listenUDP opens a UDP socket.
func listenUDP(a netip.AddrPort) (Socket, error) {
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(a))
	if err != nil {
		return nil, err // not c: a nil *UDPConn is no nil Socket
	}
	return c, nil
}

// inUse tells whether another has the port.
func inUse(err error) bool { return errors.Is(err, syscall.EADDRINUSE) }

// link sends on a socket without ever waiting: the media loop sends, and a full socket
// buffer must not park it. net.UDPConn would; so its descriptor is used, by a function
// that is made once, since making it allocates. Sends must not overlap.
type link struct {
	sock   Socket
	raw    syscall.RawConn // nil when sock is none of the kernel's
	v6     bool            // of family AF_INET6, which knows IPv4 addresses only as mapped
	sa4    syscall.SockaddrInet4
	sa6    syscall.SockaddrInet6
	sa     syscall.Sockaddr
	buf    []byte
	err    error
	sendto func(fd uintptr) bool
}

func (l *link) init(s Socket) {
	l.sock = s
	c, ok := s.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	if err := raw.Control(func(fd uintptr) {
		sa, err := syscall.Getsockname(int(fd))
		if _, v6 := sa.(*syscall.SockaddrInet6); err == nil {
			l.v6 = v6
		}
	}); err != nil {
		return
	}
	l.raw = raw
	l.sendto = func(fd uintptr) bool {
		l.err = syscall.Sendto(int(fd), l.buf, syscall.MSG_DONTWAIT|syscall.MSG_NOSIGNAL, l.sa)
		return true // done, whatever came of it
	}
}

// send sends b, or fails at once.
func (l *link) send(b []byte, to netip.AddrPort) error {
	if l.raw == nil {
		_, err := l.sock.WriteToUDPAddrPort(b, to)
		return err
	}
	switch {
	case l.v6:
		l.sa6.Port, l.sa6.Addr = int(to.Port()), to.Addr().As16()
		l.sa = &l.sa6
	case to.Addr().Is4():
		l.sa4.Port, l.sa4.Addr = int(to.Port()), to.Addr().As4()
		l.sa = &l.sa4
	default:
		return syscall.EAFNOSUPPORT
	}
	l.buf = b
	err := l.raw.Write(l.sendto)
	l.buf = nil
	if err == nil {
		err = l.err
	}
	return err
}

// plain gives an address as the SDP has it: IPv4 not mapped to IPv6, without a zone.
func plain(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}
