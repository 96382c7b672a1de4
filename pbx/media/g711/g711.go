// Package g711 converts between the box's linear samples and the two companding laws
// of ITU-T G.711. RTP ports and WAV messages will call it; inside the box every voice path
// is linear (board.Frame), so nothing else needs to know which law a country uses.
//
// The quantising is that of the reference software of ITU-T G.191: a 16-bit sample is
// the left-justified 13-bit (A-law) or 14-bit (µ-law) number of the standard, negative
// samples go by ones' complement, and a decoder gives the middle of the interval.
// G.711 lets full scale stand for +3.14 dBm0 (A) and +3.17 dBm0 (µ); the box uses
// +3.14 for both (board.FullScale), which puts µ-law 0.06 dB off.
//
// All functions are pure, run in constant time a sample from tables made at start, and
// never allocate.
package g711

import (
	"fmt"
	"math/bits"
)

// Law is one of the companding laws. The zero value is A-law, the law of international
// circuits.
type Law uint8

const (
	ALaw  Law = iota // Europe and most of the world
	MuLaw            // North America, Japan
)

func (l Law) String() string {
	switch l {
	case ALaw:
		return "PCMA"
	case MuLaw:
		return "PCMU"
	}
	return fmt.Sprintf("law %d", uint8(l))
}

// PayloadType gives the static RTP payload type of the law: 0 for µ-law, 8 for A-law
// (RFC 3551, section 6, table 4).
func (l Law) PayloadType() uint8 {
	if l == MuLaw {
		return 0
	}
	return 8
}

// ForPayloadType gives the law of a static RTP payload type, false if it names neither.
func ForPayloadType(pt uint8) (Law, bool) {
	switch pt {
	case 0:
		return MuLaw, true
	case 8:
		return ALaw, true
	}
	return 0, false
}

// Silence is the code of a silent sample: the positive value nearest to zero.
func (l Law) Silence() byte {
	if l == MuLaw {
		return 0xFF
	}
	return 0xD5
}

// Encode compands one sample.
func (l Law) Encode(s int16) byte {
	if l == MuLaw {
		return muEncode[uint16(s)>>2]
	}
	return aEncode[uint16(s)>>4]
}

// Decode expands one code. Any byte is a code.
func (l Law) Decode(c byte) int16 {
	if l == MuLaw {
		return muDecode[c]
	}
	return aDecode[c]
}

// EncodeAll compands samples into dst, as many as both slices hold, and gives their number.
func (l Law) EncodeAll(dst []byte, src []int16) int {
	n := min(len(dst), len(src))
	src = src[:n]
	if l == MuLaw {
		for i, s := range src {
			dst[i] = muEncode[uint16(s)>>2]
		}
		return n
	}
	for i, s := range src {
		dst[i] = aEncode[uint16(s)>>4]
	}
	return n
}

// DecodeAll expands codes into dst, as many as both slices hold, and gives their number.
func (l Law) DecodeAll(dst []int16, src []byte) int {
	n := min(len(dst), len(src))
	t := &aDecode
	if l == MuLaw {
		t = &muDecode
	}
	for i, c := range src[:n] {
		dst[i] = t[c]
	}
	return n
}

// The encoders are indexed by the bits of the sample that the standard looks at: the
// upper 12 for A-law (its 13th bit never decides), the upper 14 for µ-law.
var (
	aDecode, muDecode = decodeTables()
	aEncode           = aEncodeTable()
	muEncode          = muEncodeTable()
)

const (
	aMask  = 0x55   // A-law codes travel with the even bits inverted (G.711)
	muBias = 33     // makes the µ-law segments start at powers of two
	muMax  = 0x1FFF // largest biased magnitude
)

func decodeTables() (a, mu [256]int16) {
	for c := range 256 {
		x := byte(c) ^ aMask
		m, seg := int16(x&0x0F)<<4+8, x>>4&7
		if seg > 0 {
			m = (m + 256) << (seg - 1)
		}
		if x < 0x80 {
			m = -m
		}
		a[c] = m

		x = ^byte(c)
		m, seg = int16(x&0x0F), x>>4&7
		m = ((2*m+muBias)<<seg - muBias) << 2
		if x >= 0x80 {
			m = -m
		}
		mu[c] = m
	}
	return a, mu
}

func aEncodeTable() (t [1 << 12]byte) {
	for i := range t {
		s := int16(i << 4)
		sign := byte(0x80)
		if s < 0 {
			s, sign = ^s, 0
		}
		m := uint(s) >> 4 // 11 bits
		c := byte(m)
		if seg := bits.Len(m >> 4); seg > 1 {
			c = byte(seg<<4) | byte(m>>(seg-1)&0x0F)
		}
		t[i] = (sign | c) ^ aMask
	}
	return t
}

func muEncodeTable() (t [1 << 14]byte) {
	for i := range t {
		s := int16(i << 2)
		sign := byte(0x80)
		if s < 0 {
			s, sign = ^s, 0
		}
		m := min(uint(s)>>2+muBias, muMax)
		seg := bits.Len(m >> 6)
		t[i] = sign | ^(byte(seg<<4)|byte(m>>(seg+1)&0x0F))&0x7F
	}
	return t
}
