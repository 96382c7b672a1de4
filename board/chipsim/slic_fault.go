package chipsim

import "time"

// SLICFaults is what may be broken in a chip, on its board or on its line. The
// functions are called with the model locked and must not call back into it.
type SLICFaults struct {
	Dead bool  // the chip answers nothing: SDO reads 0xFF, the line is not fed
	SPI  error // what the SPI port returns instead of working

	Read         func(reg, value byte) byte           // what a register reads instead of value
	Write        func(reg, value byte) bool           // false: the write is lost
	ReadIndirect func(addr byte, value uint16) uint16 // what an indirect register reads instead

	NoSupply         bool // the 12 V that the converter works from is missing
	CalibrationHangs bool
	IndirectHangs    bool

	Leak         bool    // tip or ring leaks to ground
	ForeignVolts float64 // on both wires, from outside
	Overload     byte    // transistors, bit 0 = Q1 … bit 5 = Q6, that overheat 20 ms after the line is fed
}

// SetFaults lets f change what is broken, at any time.
func (s *SLIC) SetFaults(f func(*SLICFaults)) {
	s.lock()
	defer s.unlock()
	f(&s.faults)
	if !s.inReset {
		s.setState(s.lfs, s.now)
	}
}

// LoseWrites gives a Write fault that loses the next n writes to a register.
func LoseWrites(reg byte, n int) func(reg, value byte) bool {
	return func(r, _ byte) bool {
		if r != reg || n <= 0 {
			return true
		}
		n--
		return false
	}
}

// PowerAlarm makes the chip see too much power in transistors, once: bit 0 is Q1, bit
// 5 is Q6.
func (s *SLIC) PowerAlarm(transistors byte) {
	s.lock()
	defer s.unlock()
	if s.ready() {
		s.powerAlarm(transistors&0x3f, s.now)
	}
}

// BrownOut makes the supply dip: the chip resets itself and starts anew.
func (s *SLIC) BrownOut() {
	s.lock()
	defer s.unlock()
	s.resetRegisters()
	s.released = s.now
	s.vbat, s.offAt = 0, time.Time{}
}
