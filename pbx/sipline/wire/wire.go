// Package wire says where a SIP message came from and where one goes to: a [Flow]. It
// is vocabulary that the parts of package sipline share, and does nothing.
package wire

import "net/netip"

// Proto is a transport of SIP (RFC 3261 section 18).
type Proto uint8

const (
	UDP Proto = iota + 1
	TCP
	TLS
)

var protoNames = [...]string{UDP: "udp", TCP: "tcp", TLS: "tls"}

// String gives the name as it stands in a URI: "udp".
func (p Proto) String() string {
	if int(p) < len(protoNames) && p > 0 {
		return protoNames[p]
	}
	return "none"
}

// Via gives the name as it stands in a Via: "UDP".
func (p Proto) Via() string { return [...]string{"", "UDP", "TCP", "TLS"}[p] }

// ParseProto reads what [Proto.String] gives.
func ParseProto(s string) (Proto, bool) {
	for p, name := range protoNames {
		if name == s && name != "" {
			return Proto(p), true
		}
	}
	return 0, false
}

// Reliable tells whether the transport itself repeats what is lost.
func (p Proto) Reliable() bool { return p == TCP || p == TLS }

// Flow is the way between the box and a neighbour: for UDP two addresses, for a stream
// one connection. Addresses are unmapped (no IPv4 in IPv6) and without zone. It may be
// compared and used as a key.
type Flow struct {
	Proto  Proto
	Local  netip.AddrPort // of the box; may be zero when not known yet
	Remote netip.AddrPort
	Conn   uint64 // of a stream: its connection, numbered from 1; 0: to be opened
}
