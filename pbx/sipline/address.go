package sipline

import (
	"errors"
	"net"
	"net/netip"
	"time"

	"github.com/emiago/sipgo/sip"

	"sotto/pbx/sipline/wire"
)

// local gives the address of the box that a neighbour reaches it by.
func (s *Server) local(remote netip.Addr) netip.Addr {
	if s.cfg.UDP != nil {
		if a := addrOf(s.cfg.UDP.LocalAddr()); a.IsValid() && !a.Addr().IsUnspecified() {
			return a.Addr()
		}
	}
	if len(s.locals) >= 1024 || s.now.Sub(s.asked) > time.Minute { // an address of the box may change
		clear(s.locals)
		s.asked = s.now
	}
	if a, ok := s.locals[remote]; ok {
		return a
	}
	f := s.cfg.Local
	if f == nil {
		f = systemLocal
	}
	a := f(remote)
	s.locals[remote] = a
	return a
}

// systemLocal asks the system which of its addresses leads to remote. Nothing is sent.
func systemLocal(remote netip.Addr) netip.Addr {
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(remote, 5060)))
	if err != nil {
		return netip.IPv4Unspecified()
	}
	defer c.Close()
	return addrOf(c.LocalAddr()).Addr()
}

// addrOf gives the address of a socket, unmapped.
func addrOf(a net.Addr) netip.AddrPort {
	var p netip.AddrPort
	switch a := a.(type) {
	case *net.UDPAddr:
		p = a.AddrPort()
	case *net.TCPAddr:
		p = a.AddrPort()
	}
	return unmap(p)
}

func unmap(p netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(p.Addr().Unmap().WithZone(""), p.Port())
}

// errClosed tells whether an error is the end of a socket that was closed.
func errClosed(err error) bool { return errors.Is(err, net.ErrClosed) }

// contact is where a telephone reaches the box.
func (s *Server) contact(flow wire.Flow) sip.Uri {
	local := s.sentBy(flow)
	u := sip.Uri{Scheme: "sip", Host: hostOf(local.Addr()), Port: int(local.Port())}
	if flow.Proto != wire.UDP {
		u.UriParams = sip.HeaderParams{{K: "transport", V: flow.Proto.String()}}
	}
	return u
}

// sentBy is the address of the box towards a telephone, with the port that it listens on.
func (s *Server) sentBy(flow wire.Flow) netip.AddrPort {
	a := flow.Local.Addr()
	if !a.IsValid() || a.IsUnspecified() {
		a = s.local(flow.Remote.Addr())
	}
	port := uint16(5060)
	switch {
	case flow.Proto == wire.TCP && s.cfg.TCP != nil:
		port = addrOf(s.cfg.TCP.Addr()).Port()
	case s.cfg.UDP != nil:
		port = addrOf(s.cfg.UDP.LocalAddr()).Port()
	}
	return netip.AddrPortFrom(a, port)
}

func hostOf(a netip.Addr) string {
	if a.Is6() {
		return "[" + a.String() + "]"
	}
	return a.String()
}

// anyAddress gives the unspecified address if that is what the box listens on.
func (s *Server) anyAddress() netip.Addr {
	if s.cfg.UDP != nil {
		if a := addrOf(s.cfg.UDP.LocalAddr()).Addr(); a.IsUnspecified() {
			return a
		}
	}
	return netip.Addr{}
}
