package rtpport

import (
	"encoding/binary"
	"math/rand/v2"
	"time"
)

// Packet types (RFC 3550 section 12.1).
const (
	typeSR   = 200
	typeRR   = 201
	typeSDES = 202
	typeBYE  = 203
)

const (
	reportEvery  = 5 * time.Second // section 6.2, Tmin
	maxCompound  = 32              // packets looked at in one datagram
	maxRoundTrip = 10 * time.Second
	cnameLen     = 16 // of base 64: 96 random bits (RFC 7022 section 4.2)
)

// interval gives the time to the next report, spread so that telephones and sessions do
// not fall into step (section 6.3.1). The compensation for reconsideration is left out:
// two parties never reconsider.
func interval(initial bool) time.Duration {
	d := reportEvery
	if initial {
		d /= 2
	}
	return d/2 + rand.N(d)
}

// senderInfo is what a sender report says of the sender (section 6.4.1).
type senderInfo struct {
	ntp             uint64
	ts              uint32
	packets, octets uint32
}

// block is a report block: what the reporter received of a source.
type block struct {
	ssrc     uint32
	fraction uint8
	lost     uint32 // 24 bits, signed
	highest  uint32
	jitter   uint32 // samples
	lsr      uint32 // middle of the NTP timestamp of the last sender report
	dlsr     uint32 // since then, in 65,536ths of a second
}

// compound writes a report, the CNAME and, if bye, a goodbye. info and b may be nil. It
// gives the number of bytes; dst holds 128.
func compound(dst []byte, ssrc uint32, cname *[cnameLen]byte, info *senderInfo, b *block, bye bool) int {
	n, count := 8, byte(0)
	dst[1] = typeRR
	if info != nil {
		dst[1] = typeSR
		binary.BigEndian.PutUint64(dst[8:], info.ntp)
		binary.BigEndian.PutUint32(dst[16:], info.ts)
		binary.BigEndian.PutUint32(dst[20:], info.packets)
		binary.BigEndian.PutUint32(dst[24:], info.octets)
		n += 20
	}
	if b != nil {
		count = 1
		binary.BigEndian.PutUint32(dst[n:], b.ssrc)
		binary.BigEndian.PutUint32(dst[n+4:], b.lost&0xFFFFFF|uint32(b.fraction)<<24)
		binary.BigEndian.PutUint32(dst[n+8:], b.highest)
		binary.BigEndian.PutUint32(dst[n+12:], b.jitter)
		binary.BigEndian.PutUint32(dst[n+16:], b.lsr)
		binary.BigEndian.PutUint32(dst[n+20:], b.dlsr)
		n += 24
	}
	dst[0] = 2<<6 | count
	binary.BigEndian.PutUint16(dst[2:], uint16(n/4-1))
	binary.BigEndian.PutUint32(dst[4:], ssrc)

	s := dst[n:] // one chunk: SSRC, CNAME, and the null that ends it, padded (section 6.5)
	const sdes = 8 + 2 + cnameLen + 2
	s[0], s[1], s[2], s[3] = 2<<6|1, typeSDES, 0, sdes/4-1
	binary.BigEndian.PutUint32(s[4:], ssrc)
	s[8], s[9] = 1, cnameLen
	copy(s[10:], cname[:])
	clear(s[10+cnameLen : sdes])
	n += sdes
	if bye {
		s := dst[n:]
		s[0], s[1], s[2], s[3] = 2<<6|1, typeBYE, 0, 1
		binary.BigEndian.PutUint32(s[4:], ssrc)
		n += 8
	}
	return n
}

// report is what a compound packet of a telephone says.
type report struct {
	ssrc  uint32
	ntp   uint32 // middle of its NTP timestamp; only if sends
	sends bool   // it is a sender report
	block block  // of ours; only if about
	about bool
}

// parseRTCP reads a compound packet (section 6.1, validity checks of appendix A.2): false
// if it is none. ours is the SSRC whose block is looked for. What is no report is passed
// over: a BYE ends nothing.
func parseRTCP(b []byte, ours uint32) (r report, ok bool) {
	whole := b
	for i := 0; len(b) > 0; i++ {
		if i == maxCompound || len(b) < 8 || b[0]>>6 != 2 {
			return report{}, false
		}
		n := 4 * (int(binary.BigEndian.Uint16(b[2:])) + 1)
		if n > len(b) || n < 8 {
			return report{}, false
		}
		typ, count, body := b[1], int(b[0]&0x1F), b[4:n]
		if i == 0 && (typ != typeSR && typ != typeRR || b[0]&0x20 != 0) {
			return report{}, false
		}
		b = b[n:]
		if typ != typeSR && typ != typeRR {
			continue
		}
		if i == 0 {
			r.ssrc = binary.BigEndian.Uint32(body)
		}
		blocks := body[4:]
		if typ == typeSR {
			if len(blocks) < 20 {
				return report{}, false
			}
			if i == 0 {
				r.sends, r.ntp = true, uint32(binary.BigEndian.Uint64(blocks)>>16)
			}
			blocks = blocks[20:]
		}
		if len(blocks) < 24*count {
			return report{}, false
		}
		for ; count > 0; count-- {
			if binary.BigEndian.Uint32(blocks) == ours {
				lost := binary.BigEndian.Uint32(blocks[4:])
				r.about = true
				r.block = block{ours, uint8(lost >> 24), lost & 0xFFFFFF, binary.BigEndian.Uint32(blocks[8:]),
					binary.BigEndian.Uint32(blocks[12:]), binary.BigEndian.Uint32(blocks[16:]), binary.BigEndian.Uint32(blocks[20:])}
			}
			blocks = blocks[24:]
		}
	}
	return r, len(whole) > 0
}

// ntp gives an NTP timestamp: seconds since 1900 and their fraction (section 4).
func ntp(base time.Time, now time.Duration) uint64 {
	t := base.Add(now)
	return uint64(t.Unix()+2208988800)<<32 | uint64(t.Nanosecond())<<32/uint64(time.Second)
}

// roundTrip gives the time from our sender report to the telephone's report and back,
// without what it kept it (section 6.4.1); false if it makes no sense.
func roundTrip(now uint32, b *block) (time.Duration, bool) {
	if b.lsr == 0 {
		return 0, false
	}
	d := now - b.lsr - b.dlsr
	t := time.Duration(d) * time.Second >> 16
	return t, t >= 0 && t <= maxRoundTrip
}
