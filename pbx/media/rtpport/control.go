package rtpport

import (
	"net/netip"
	"time"
)

const maxRTCP = 1024 // bytes; a longer datagram is cut and taken for none

// control takes what came on the RTCP socket.
func (s *Session) control(b []byte, from netip.AddrPort, now time.Duration) {
	r, ok := parseRTCP(b, s.out.ssrc)
	if !ok {
		s.ports.count.rtcpBad.Add(1)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	// A telephone found elsewhere than its SDP says shows its port by its SSRC.
	moved := s.src.from.IsValid() && s.src.from != s.remote.RTP
	if !s.rtcpTo.IsValid() && moved && from.Addr() == s.src.from.Addr() && r.ssrc == s.src.ssrc {
		s.rtcpTo = from
	}
	if !s.rtcpTo.IsValid() || from != s.rtcpTo {
		s.ports.count.rtcpIntruders.Add(1)
		return
	}
	s.last.Store(int64(now))
	if r.sends {
		s.lsr, s.lsrAt = r.ntp, now
	}
	if !r.about {
		return
	}
	if t, ok := roundTrip(uint32(ntp(s.ports.base, now)>>16), &r.block); ok {
		s.quality.RoundTrip = t
	}
	s.quality.FarJitter = span(min(r.block.jitter, 8*8000))
	wanted := r.block.highest - uint32(s.seq0) + 1
	if lost := int32(r.block.lost<<8) >> 8; wanted > 0 && wanted < 1<<31 {
		s.quality.FarLost = min(max(float64(lost)/float64(wanted), 0), 1)
	}
}

// report sends a report, and a goodbye if bye.
func (s *Session) report(now time.Duration, bye bool) {
	var info *senderInfo
	var about *block
	s.mu.Lock()
	to, send := s.rtcpTo, s.remote.Send || s.remote.Receive || bye
	if s.rec.running {
		fraction, lost := s.rec.report()
		about = &block{ssrc: s.src.ssrc, fraction: fraction, lost: lost, highest: s.rec.highest(), jitter: s.rec.jitter16 >> 4, lsr: s.lsr}
		if s.lsr != 0 {
			about.dlsr = uint32((now - s.lsrAt) << 16 / time.Second)
		}
	}
	s.mu.Unlock()
	if !send || !sendable(to) {
		return
	}
	o := &s.out
	o.mu.Lock()
	if o.packets != o.reported {
		o.reported = o.packets
		info = &senderInfo{ntp: ntp(s.ports.base, now), ts: o.clock(now), packets: o.packets, octets: o.octets}
	}
	o.mu.Unlock()
	var b [128]byte
	if s.rtcp.send(b[:compound(b[:], o.ssrc, &s.cname, info, about, bye)], to) != nil {
		s.ports.count.unsent.Add(1)
	}
}
