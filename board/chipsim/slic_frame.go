package chipsim

import (
	"time"

	"sotto/board"
)

// Frame implements [Chip]. It allocates nothing, and without voice or ringing it does
// no signal processing.
func (s *SLIC) Frame(start time.Time, drx, dtx *Bus) {
	s.mu.Lock()
	end := start.Add(board.FrameTime)
	s.advance(end)
	s.advanceLine(start)
	s.lineEnd = end
	working := s.ready()

	s.feedLine(start, working, drx)
	s.draw.Edges = s.draw.Edges[:0]
	if s.phone != nil {
		s.phone.Line(start, &s.feed, &s.draw)
	} else {
		s.draw.Closed, s.draw.REN = false, 0
	}
	talk := s.feed.Talk
	if working {
		s.setHook(s.draw.Closed, start)
		for _, e := range s.draw.Edges {
			s.setHook(e.Closed, start.Add(e.After))
		}
		s.advanceLine(end)
		s.transmit(talk, drx, dtx)
	} else {
		s.closed = s.draw.Closed
		if n := len(s.draw.Edges); n > 0 {
			s.closed = s.draw.Edges[n-1].Closed
		}
	}
	s.unlock()
}

// feedLine works out what the line gets in this frame.
func (s *SLIC) feedLine(start time.Time, working bool, drx *Bus) {
	f := &s.feed
	f.Volts = 0
	if working {
		f.Volts = s.feedVolts()
	}
	ringing := working && s.lfs == lfRinging
	if ringing {
		s.ring(start)
	} else if f.Ringing {
		f.Ring = [board.FrameLen]float32{}
	}
	f.Ringing = ringing
	talk := working && (s.active() && s.lcr || s.onHookTransmit()) && s.vbat > 10
	if talk && s.pcmOn() && s.reg[8]&slicDLM == 0 {
		s.receive(drx)
	} else if f.Talk {
		f.Audio = board.Frame{}
	}
	f.Talk = talk
}

func (s *SLIC) pcmOn() bool { return s.reg[1]&(slicPCME|slicPCMMask) == slicPCME|slicLinear16 }

// slot gives the first bit after FSYNC of the slot in two registers from reg on, and
// whether it lies within the frame sync period.
func (s *SLIC) slot(reg int) (bit int, ok bool) {
	bit = int(s.reg[reg+1]&3)<<8 | int(s.reg[reg])
	return bit, bit+16 <= 8*BytesPerSync
}

// analogGain is the coarse gain of two bits of register 9.
func analogGain(bits byte) float32 {
	switch bits & 3 {
	case 1:
		return 0.66834 // −3.5 dB
	case 2:
		return 1.49624 // +3.5 dB
	case 3:
		return 0
	}
	return 1
}

// receive takes the received voice off the highway and through the receive gains.
func (s *SLIC) receive(drx *Bus) {
	gain := float32(s.indirect(slicDACG)) / 0x4000 * analogGain(s.reg[9])
	if s.reg[9]&0x10 != 0 {
		gain = 0
	}
	bit, ok := s.slot(4)
	if !ok {
		gain = 0
	}
	for i := range s.feed.Audio {
		s.feed.Audio[i] = 0
		if gain != 0 {
			s.feed.Audio[i] = scaled(getBits(&drx[i], bit), gain)
		}
	}
}

// transmit puts the voice of the telephone and the echo of the hybrid onto the highway.
func (s *SLIC) transmit(talk bool, drx, dtx *Bus) {
	if !s.pcmOn() {
		return
	}
	bit, ok := s.slot(2)
	if !ok {
		s.violation("transmit slot at bit %d lies outside the frame", bit)
		return
	}
	if s.reg[8]&slicDLM != 0 {
		if from, ok := s.slot(4); ok {
			for i := range dtx {
				putBits(&dtx[i], bit, getBits(&drx[i], from))
			}
		}
		return
	}
	if !talk || s.reg[9]&0x20 != 0 {
		return // the slot is driven with zeros, as the highway is without
	}
	gain := float32(s.indirect(slicADCG)) / 0x4000 * analogGain(s.reg[9]>>2)
	echo := float32(s.echo)
	collided := false
	for i := range dtx {
		v := scaled(s.draw.Mouth[i], 1)
		if echo != 0 {
			v = clip(float32(v) + echo*float32(s.feed.Audio[i]))
		}
		v = scaled(v, gain)
		collided = collided || getBits(&dtx[i], bit) != 0
		putBits(&dtx[i], bit, v)
	}
	if collided {
		s.violation("two chips drive the slot at bit %d", bit)
	}
}

func scaled(v int16, gain float32) int16 {
	if gain == 1 {
		return v
	}
	return clip(float32(v) * gain)
}

func clip(v float32) int16 {
	switch {
	case v >= 32767:
		return 32767
	case v <= -32768:
		return -32768
	case v < 0:
		return int16(v - 0.5)
	}
	return int16(v + 0.5)
}

// getBits takes 16 bits, most significant first, from bit on.
func getBits(b *[BytesPerSync]byte, bit int) int16 {
	n, shift := bit/8, bit%8
	v := uint32(b[n])<<16 | uint32(b[n+1])<<8
	if shift != 0 {
		v |= uint32(b[n+2])
	}
	return int16(v << shift >> 8)
}

// putBits drives 16 bits from bit on.
func putBits(b *[BytesPerSync]byte, bit int, v int16) {
	n, shift := bit/8, bit%8
	w := uint32(uint16(v)) << 8 >> shift
	b[n] |= byte(w >> 16)
	b[n+1] |= byte(w >> 8)
	if shift != 0 {
		b[n+2] |= byte(w)
	}
}
