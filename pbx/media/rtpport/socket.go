package rtpport

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"unsafe"
)

// listenUDP opens a UDP socket.
func listenUDP(a netip.AddrPort) (Socket, error) {
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(a))
	if err != nil {
		return nil, err // not c: a nil *UDPConn is no nil Socket
	}
	raw, err := c.SyscallConn()
	if err != nil {
		c.Close()
		return nil, err
	}
	k := &kernelSocket{UDPConn: c, raw: raw}
	k.recvfrom = k.receive
	return k, nil
}

// kernelSocket reads as net.UDPConn does, for a third less: a call that cannot wait need
// not be announced to the scheduler, which wakes a thread of its own on each when the
// program is else idle. One goroutine reads at a time.
type kernelSocket struct {
	*net.UDPConn
	raw      syscall.RawConn
	recvfrom func(fd uintptr) bool // receive; made once
	buf      []byte
	n        int
	err      syscall.Errno
	from     syscall.RawSockaddrAny
}

// receive takes a packet if one is there; false: wait for the next.
func (k *kernelSocket) receive(fd uintptr) bool {
	for {
		size := uint32(syscall.SizeofSockaddrAny)
		n, _, err := syscall.RawSyscall6(syscall.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(unsafe.SliceData(k.buf))), uintptr(len(k.buf)),
			syscall.MSG_DONTWAIT, uintptr(unsafe.Pointer(&k.from)), uintptr(unsafe.Pointer(&size)))
		switch err {
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
			return false
		}
		k.n, k.err = int(n), err
		return true
	}
}

// ReadFromUDPAddrPort is that of [net.UDPConn].
func (k *kernelSocket) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	k.buf = b
	err := k.raw.Read(k.recvfrom)
	k.buf = nil
	switch {
	case err != nil:
		return 0, netip.AddrPort{}, err
	case k.err != 0:
		return 0, netip.AddrPort{}, k.err
	}
	switch k.from.Addr.Family {
	case syscall.AF_INET:
		a := (*syscall.RawSockaddrInet4)(unsafe.Pointer(&k.from))
		return k.n, netip.AddrPortFrom(netip.AddrFrom4(a.Addr), netPort(a.Port)), nil
	case syscall.AF_INET6:
		a := (*syscall.RawSockaddrInet6)(unsafe.Pointer(&k.from))
		return k.n, netip.AddrPortFrom(netip.AddrFrom16(a.Addr), netPort(a.Port)), nil
	}
	return 0, netip.AddrPort{}, syscall.EAFNOSUPPORT
}

// netPort reads a port in network order, and writes one.
func netPort(p uint16) uint16 {
	b := (*[2]byte)(unsafe.Pointer(&p))
	return binary.BigEndian.Uint16(b[:])
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
	sa4    syscall.RawSockaddrInet4
	sa6    syscall.RawSockaddrInet6
	sa     unsafe.Pointer // one of the two
	size   uintptr
	buf    []byte
	err    syscall.Errno
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
	l.sa4.Family, l.sa6.Family = syscall.AF_INET, syscall.AF_INET6
	l.sendto = func(fd uintptr) bool {
		_, _, l.err = syscall.RawSyscall6(syscall.SYS_SENDTO, fd, uintptr(unsafe.Pointer(unsafe.SliceData(l.buf))), uintptr(len(l.buf)),
			syscall.MSG_DONTWAIT|syscall.MSG_NOSIGNAL, uintptr(l.sa), l.size)
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
		l.sa6.Port, l.sa6.Addr = netPort(to.Port()), to.Addr().As16()
		l.sa, l.size = unsafe.Pointer(&l.sa6), syscall.SizeofSockaddrInet6
	case to.Addr().Is4():
		l.sa4.Port, l.sa4.Addr = netPort(to.Port()), to.Addr().As4()
		l.sa, l.size = unsafe.Pointer(&l.sa4), syscall.SizeofSockaddrInet4
	default:
		return syscall.EAFNOSUPPORT
	}
	l.buf = b
	err := l.raw.Write(l.sendto)
	l.buf = nil
	if err == nil && l.err != 0 {
		err = l.err
	}
	return err
}

// plain gives an address as the SDP has it: IPv4 not mapped to IPv6, without a zone.
func plain(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}
