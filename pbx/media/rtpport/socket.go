package rtpport

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"unsafe"
)

// openUDP opens a UDP socket of the kernel, which the runtime's own poller knows nothing
// of. An IPv6 socket without an address takes IPv4 too.
func openUDP(a netip.AddrPort) (fd int, err error) {
	ip := a.Addr().Unmap()
	family, sa := syscall.AF_INET, syscall.Sockaddr(nil)
	if ip.Is4() {
		sa = &syscall.SockaddrInet4{Port: int(a.Port()), Addr: ip.As4()}
	} else {
		family, sa = syscall.AF_INET6, &syscall.SockaddrInet6{Port: int(a.Port()), ZoneId: zone(ip.Zone()), Addr: ip.As16()}
	}
	fd, err = syscall.Socket(family, syscall.SOCK_DGRAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	if family == syscall.AF_INET6 {
		err = os.NewSyscallError("setsockopt", syscall.SetsockoptInt(fd, syscall.IPPROTO_IPV6, syscall.IPV6_V6ONLY, 0))
	}
	if err == nil {
		err = os.NewSyscallError("bind", syscall.Bind(fd, sa))
	}
	if err != nil {
		syscall.Close(fd)
		return -1, err
	}
	return fd, nil
}

// zone gives the number of a network interface, 0 for none.
func zone(name string) uint32 {
	if name == "" {
		return 0
	}
	if i, err := net.InterfaceByName(name); err == nil {
		return uint32(i.Index)
	}
	n, _ := strconv.ParseUint(name, 10, 32)
	return uint32(n)
}

// receive takes a packet from a socket of the kernel if one is there, else it gives
// EAGAIN. What cannot wait need not be announced to the scheduler, which wakes a thread of
// its own on each call that is when the program is else idle. sa is for its use.
func receive(fd int, b []byte, sa *syscall.RawSockaddrAny) (n int, from netip.AddrPort, err syscall.Errno) {
	size := uint32(syscall.SizeofSockaddrAny)
	got, _, err := syscall.RawSyscall6(syscall.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)),
		syscall.MSG_DONTWAIT, uintptr(unsafe.Pointer(sa)), uintptr(unsafe.Pointer(&size)))
	if err != 0 {
		return 0, from, err
	}
	switch sa.Addr.Family {
	case syscall.AF_INET:
		a := (*syscall.RawSockaddrInet4)(unsafe.Pointer(sa))
		from = netip.AddrPortFrom(netip.AddrFrom4(a.Addr), netPort(a.Port))
	case syscall.AF_INET6:
		a := (*syscall.RawSockaddrInet6)(unsafe.Pointer(sa))
		from = netip.AddrPortFrom(netip.AddrFrom16(a.Addr).Unmap(), netPort(a.Port))
	default:
		return 0, from, syscall.EAFNOSUPPORT
	}
	return int(got), from, 0
}

// netPort reads a port in network order, and writes one.
func netPort(p uint16) uint16 {
	b := (*[2]byte)(unsafe.Pointer(&p))
	return binary.BigEndian.Uint16(b[:])
}

// inUse tells whether another has the port.
func inUse(err error) bool { return errors.Is(err, syscall.EADDRINUSE) }

// link sends on a socket without ever waiting: the media loop sends, and a full socket
// buffer must not park it. Sends must not overlap, nor a send and close.
type link struct {
	sock Socket // nil: the kernel's fd
	fd   int    // -1 once it is closed, since the number may name another then
	v6   bool   // of family AF_INET6, which knows IPv4 addresses only as mapped
	sa4  syscall.RawSockaddrInet4
	sa6  syscall.RawSockaddrInet6
}

// send sends b, or fails at once.
func (l *link) send(b []byte, to netip.AddrPort) error {
	if l.sock != nil {
		_, err := l.sock.WriteToUDPAddrPort(b, to)
		return err
	}
	if l.fd < 0 {
		return net.ErrClosed
	}
	var sa unsafe.Pointer
	var size uintptr
	switch {
	case l.v6:
		l.sa6.Family, l.sa6.Port, l.sa6.Addr = syscall.AF_INET6, netPort(to.Port()), to.Addr().As16()
		sa, size = unsafe.Pointer(&l.sa6), syscall.SizeofSockaddrInet6
	case to.Addr().Is4():
		l.sa4.Family, l.sa4.Port, l.sa4.Addr = syscall.AF_INET, netPort(to.Port()), to.Addr().As4()
		sa, size = unsafe.Pointer(&l.sa4), syscall.SizeofSockaddrInet4
	default:
		return syscall.EAFNOSUPPORT
	}
	return l.write(b, sa, size)
}

// write is sendto(2).
func (l *link) write(b []byte, sa unsafe.Pointer, size uintptr) error {
	_, _, err := syscall.RawSyscall6(syscall.SYS_SENDTO, uintptr(l.fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)),
		syscall.MSG_DONTWAIT|syscall.MSG_NOSIGNAL, uintptr(sa), size)
	if err != 0 {
		return err
	}
	return nil
}

// open opens the socket: the kernel's if listen is nil.
func (l *link) open(a netip.AddrPort, listen func(netip.AddrPort) (Socket, error)) (err error) {
	if listen != nil {
		l.sock, err = listen(a)
		return err
	}
	l.v6 = !a.Addr().Unmap().Is4()
	l.fd, err = openUDP(a)
	return err
}

// close closes it, also twice.
func (l *link) close() {
	switch {
	case l.sock != nil:
		l.sock.Close()
	case l.fd >= 0:
		syscall.Close(l.fd)
		l.fd = -1
	}
}

// plain gives an address as the SDP has it: IPv4 not mapped to IPv6, without a zone.
func plain(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}
