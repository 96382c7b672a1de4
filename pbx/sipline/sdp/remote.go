package sdp

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

const (
	protoAVP  = "RTP/AVP"
	protoAVPF = "RTP/AVPF"
)

// Audio gives the first audio line that can be used: over RTP/AVP, or over RTP/AVPF if
// there is none, with a port and an address that sound can be sent to. It may have no
// codec that anyone knows.
func (s *Session) Audio() (*Remote, bool) {
	if l := s.usable(); len(l) > 0 {
		return s.remote(l[0]), true
	}
	return nil, false
}

// usable gives the numbers of the audio lines that may be taken, best first.
func (s *Session) usable() (l []int) {
	for _, proto := range [...]string{protoAVP, protoAVPF} {
		for i := range s.lines {
			if m := &s.lines[i]; m.media == "audio" && m.proto == proto && m.port != 0 && s.conn(m).IsValid() {
				l = append(l, i)
			}
		}
	}
	return l
}

// conn gives the address of a line: its own, or that of the session.
func (s *Session) conn(m *line) netip.Addr {
	if m.connSet {
		return m.conn
	}
	return s.level.conn
}

// remote says what a usable line means.
func (s *Session) remote(i int) *Remote {
	m := &s.lines[i]
	r := &Remote{Dir: s.level.dir, PTime: m.ptime, MaxPTime: m.maxPTime, line: i}
	if m.dirSet {
		r.Dir = m.dir
	}
	if conn := s.conn(m); conn.IsUnspecified() {
		r.Dir = r.Dir.And(SendOnly)
	} else {
		r.RTP = netip.AddrPortFrom(conn, m.port)
		r.RTCP = m.control(conn)
	}
	for _, f := range m.formats {
		if c, ok := m.codec(f); ok {
			r.Codecs = append(r.Codecs, c)
		}
	}
	return r
}

// control gives where RTCP goes.
func (l *line) control(conn netip.Addr) netip.AddrPort {
	to := l.rtcp
	switch {
	case !l.rtcpSet:
		to = netip.AddrPortFrom(conn, l.port+1) // 0 when there is none after it
	case l.rtcpSet && !to.Addr().IsValid():
		to = netip.AddrPortFrom(conn, to.Port())
	}
	if to.Port() == 0 || !to.IsValid() || to.Addr().IsUnspecified() {
		return netip.AddrPort{}
	}
	return to
}

// codec says what a format of the line is: what its a=rtpmap says, or else RFC 3551.
func (l *line) codec(format string) (Codec, bool) {
	p, err := strconv.ParseUint(format, 10, 7)
	if err != nil || format != strconv.Itoa(int(p)) { // 08 would be 8 again
		return Codec{}, false
	}
	for _, table := range [...][]Codec{l.maps, static[:]} {
		if i := slices.IndexFunc(table, func(c Codec) bool { return c.Payload == uint8(p) }); i >= 0 {
			c := table[i]
			c.Name = spelling(c.Name)
			return c, true
		}
	}
	return Codec{}, false
}

// spelling gives a name as the standards write it, if the box knows it: telephones write
// "pcma" too.
func spelling(name string) string {
	for _, c := range static {
		if strings.EqualFold(c.Name, name) {
			return c.Name
		}
	}
	if strings.EqualFold(TelephoneEvent.Name, name) {
		return TelephoneEvent.Name
	}
	return strings.Clone(name) // not a part of the whole text, which need not be kept
}
