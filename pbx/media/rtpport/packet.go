package rtpport

import "encoding/binary"

const (
	headerLen   = 12   // of RTP without contributing sources and extension (RFC 3550 section 5.1)
	maxPacket   = 2048 // longer ones are none of G.711: 200 ms are 1,612 bytes
	maxSound    = 1600 // longest payload taken: 200 ms
	comfortType = 13   // payload type of comfort noise (RFC 3389)
)

// packet is an RTP packet. Its payload is buf[at:at+n].
type packet struct {
	buf    []byte
	at, n  int
	marker bool
	pt     uint8
	seq    uint16
	ts     uint32
	ssrc   uint32
}

func (p *packet) payload() []byte { return p.buf[p.at : p.at+p.n] }

// parse reads the header (RFC 3550 section 5.1) of what b holds, false when it is no RTP
// packet with a payload.
func (p *packet) parse(b []byte) bool {
	if len(b) <= headerLen || b[0]>>6 != 2 {
		return false
	}
	at := headerLen + 4*int(b[0]&0x0F)
	if b[0]&0x10 != 0 {
		if len(b) < at+4 {
			return false
		}
		at += 4 + 4*int(binary.BigEndian.Uint16(b[at+2:]))
	}
	end := len(b)
	if b[0]&0x20 != 0 {
		pad := int(b[end-1])
		if pad == 0 {
			return false
		}
		end -= pad
	}
	if at >= end {
		return false
	}
	*p = packet{buf: b, at: at, n: end - at, marker: b[1]&0x80 != 0, pt: b[1] & 0x7F,
		seq: binary.BigEndian.Uint16(b[2:]), ts: binary.BigEndian.Uint32(b[4:]), ssrc: binary.BigEndian.Uint32(b[8:])}
	return true
}

// putHeader writes a header of twelve bytes.
func putHeader(b []byte, marker bool, pt uint8, seq uint16, ts, ssrc uint32) {
	b[0], b[1] = 2<<6, pt
	if marker {
		b[1] |= 0x80
	}
	binary.BigEndian.PutUint16(b[2:], seq)
	binary.BigEndian.PutUint32(b[4:], ts)
	binary.BigEndian.PutUint32(b[8:], ssrc)
}
