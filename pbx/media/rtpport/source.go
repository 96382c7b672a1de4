package rtpport

import "net/netip"

const (
	learnPackets = 4 // in sequence, before an address other than the SDP's is locked
	takePackets  = 2 // in sequence, before a new SSRC is (RFC 3550 appendix A.1, MIN_SEQUENTIAL)
	maxSuitors   = 4 // addresses watched while learning
)

// source decides who is heard.
type source struct {
	exact  netip.AddrPort // of the SDP
	learn  netip.Addr
	from   netip.AddrPort // who is heard; invalid before the first
	ssrc   uint32
	suitor [maxSuitors]suitor // while learning; afterwards the first is a new SSRC
	next   int
}

// suitor is an address, or an SSRC, that may come to be heard.
type suitor struct {
	from netip.AddrPort
	ssrc uint32
	seq  uint16 // expected next
	n    int    // in sequence so far
}

// verdict on a packet.
type verdict uint8

const (
	stranger verdict = iota // from where nothing is to come from
	unproven                // from where it may, but not yet heard
	heard
	first // heard, and the first of a stream
)

// set makes source expect packets from the SDP's address or from learn, and tells whether
// that forgets who was heard.
func (s *source) set(exact netip.AddrPort, learn netip.Addr) bool {
	if exact == s.exact && learn == s.learn {
		return false
	}
	*s = source{exact: exact, learn: learn}
	return true
}

// admits tells whether anything from an address may be heard.
func (s *source) admits(from netip.AddrPort) bool {
	if s.from.IsValid() {
		return from == s.from
	}
	return from.IsValid() && (from == s.exact || from.Addr() == s.learn)
}

// judge looks at where a packet came from.
func (s *source) judge(from netip.AddrPort, p *packet) verdict {
	if !s.admits(from) {
		return stranger
	}
	if s.from.IsValid() {
		if p.ssrc == s.ssrc {
			s.suitor[0].n = 0 // not silent: no other takes its place
			return heard
		}
		if s.suitor[0].prove(from, p) < takePackets {
			return unproven
		}
		s.lock(from, p)
		return first
	}
	if from == s.exact {
		s.lock(from, p)
		return first
	}
	for i := range s.suitor {
		if s.suitor[i].from != from {
			continue
		}
		if s.suitor[i].prove(from, p) < learnPackets {
			return unproven
		}
		s.lock(from, p)
		return first
	}
	s.suitor[s.next].n = 0
	s.suitor[s.next].prove(from, p)
	s.next = (s.next + 1) % maxSuitors
	return unproven
}

// prove counts packets in sequence; one that comes twice is no reason to begin anew.
func (s *suitor) prove(from netip.AddrPort, p *packet) int {
	switch {
	case s.n == 0 || p.ssrc != s.ssrc || p.seq != s.seq && p.seq != s.seq-1:
		*s = suitor{from, p.ssrc, p.seq + 1, 1}
	case p.seq == s.seq:
		s.seq++
		s.n++
	}
	return s.n
}

func (s *source) lock(from netip.AddrPort, p *packet) {
	s.from, s.ssrc, s.suitor, s.next = from, p.ssrc, [maxSuitors]suitor{}, 0
}
