package chipsim

import (
	"fmt"

	"periph.io/x/conn/v3"
	"periph.io/x/conn/v3/spi"
)

// Conn gives the chip's SPI port, for a driver that raises CS between the two bytes of
// an access. Words of less than eight bits are the dummy pulses that bring the byte
// machine back to its beginning.
func (s *SLIC) Conn() spi.Conn { return slicConn{s} }

type slicConn struct{ s *SLIC }

func (c slicConn) String() string      { return "chipsim.SLIC" }
func (c slicConn) Duplex() conn.Duplex { return conn.Full }

func (c slicConn) Tx(w, r []byte) error {
	return c.TxPackets([]spi.Packet{{W: w, R: r}})
}

func (c slicConn) TxPackets(packets []spi.Packet) error {
	for i := range packets {
		if w, r := len(packets[i].W), len(packets[i].R); w != r && w != 0 && r != 0 {
			return fmt.Errorf("chipsim: spi packet of %d bytes out, %d in", w, r)
		}
	}
	s := c.s
	s.lock()
	defer s.unlock()
	if s.faults.SPI != nil {
		return s.faults.SPI
	}
	for i := range packets {
		p := &packets[i]
		if p.BitsPerWord != 0 && p.BitsPerWord < 8 {
			s.dataNext = false
			continue
		}
		for j := range max(len(p.W), len(p.R)) {
			var in byte
			if len(p.W) > 0 {
				in = p.W[j]
			}
			out := s.exchange(in)
			if len(p.R) > 0 {
				p.R[j] = out
			}
		}
	}
	return nil
}

// exchange is one byte on the bus.
func (s *SLIC) exchange(in byte) byte {
	if s.faults.Dead {
		return 0xff
	}
	if !s.dataNext {
		s.command, s.dataNext = in, true
		return 0xff // SDO floats
	}
	s.dataNext = false
	reg, read := s.command&0x7f, s.command&0x80 != 0
	if !s.ready() {
		s.violation("register %d used before reset, clock and PLL have settled", reg)
		if s.clock {
			return 0xff
		}
		return 0
	}
	if read {
		v := s.readRegister(reg)
		if s.faults.Read != nil {
			v = s.faults.Read(reg, v)
		}
		return v
	}
	if s.faults.Write == nil || s.faults.Write(reg, in) {
		s.writeRegister(reg, in)
	}
	return 0xff
}
