package chipsim

import "time"

// Bits of the Si321x that the model acts on; numbers are the data sheet's.
const (
	slicPCME     = 0x20 // 1: PCM enable
	slicPCMMask  = 0x1f // 1: format, width, clock mode
	slicLinear16 = 0x1c // 1: 16-bit linear, 1 PCLK per bit
	slicDLM      = 0x02 // 8: digital loopback
	slicDCOF     = 0x10 // 14: converter off
	slicRTIP     = 0x01 // 19: ring trip
	slicLCIP     = 0x02 // 19: loop closure
	slicINDP     = 0x02 // 20: indirect access done
	slicRVO      = 0x02 // 34: ringing with a DC offset
	slicROE      = 0x04 // 34: ringing oscillator runs
	slicTrack    = 0x01 // 66: the battery follows the loop
	slicAOPN     = 0x01 // 67: open the line on a power alarm
	slicAOLD     = 0x02 // 67: talk on a loop closure
	slicAORD     = 0x04 // 67: talk on a ring trip
	slicDCCAL    = 0x80 // 93: calibrate the converter
	slicDCPOL    = 0x20 // 93: MOSFET converter
	slicCAL      = 0x40 // 96: calibrate
)

func slicDefaults(p SLICPart) (r [128]byte) {
	r[0], r[1] = 5, 0x08 // revision E
	if p.is3215() {
		r[0], r[1] = 4, 0x88 // revision D
	}
	r[8], r[10], r[11], r[14] = 0x02, 0x08, 0x33, 0x10
	r[63], r[65], r[66], r[67], r[69], r[70] = 0x54, 0x61, 0x03, 0x1f, 0x0a, 0x0a
	r[72], r[73], r[74], r[75] = 0x20, 0x02, 0x32, 0x10
	r[92], r[93] = 0xff, 0x14
	r[96], r[97] = 0x1f, 0x1f
	r[98], r[99], r[100], r[101], r[102], r[103] = 0x10, 0x10, 0x11, 0x11, 0x08, 0x88
	r[106], r[107] = 0x20, 0x08
	if p.mosfet() {
		r[93] = 0x34
	}
	if p == Si3215M {
		r[6] = 0x60
	}
	return r
}

// slicWritable tells which direct registers may be written.
func slicWritable(p SLICPart, reg byte) bool {
	switch {
	case reg <= 5, reg >= 8 && reg <= 11, reg == 14, reg == 15, reg >= 18 && reg <= 23,
		reg >= 28 && reg <= 30, reg >= 32 && reg <= 34, reg >= 36 && reg <= 43,
		reg >= 48 && reg <= 52, reg >= 63 && reg <= 67, reg >= 69 && reg <= 76,
		reg == 92, reg == 93, reg >= 96 && reg <= 108:
		return true
	case reg == 6, reg == 35, reg >= 44 && reg <= 47: // pins and pulse metering
		return !p.is3215()
	}
	return false
}

// slicIndirect tells which indirect registers exist, and which of those are undefined
// until the driver has written them.
func slicIndirect(p SLICPart, a byte) (exists, must bool) {
	if p.is3215() {
		must = a <= 9 || a >= 13 && a <= 27 || a == 64 || a == 66 || a >= 69 && a <= 74
		return must || a >= 88 && a <= 97 || a >= 193 && a <= 211, must
	}
	must = a <= 43 || a >= 99 && a <= 104
	return must || a >= 88 && a <= 97, must
}

// Indirect registers that the model acts on, by their Si3210 address.
const (
	slicROFF = 19
	slicRCO  = 20
	slicRNGX = 21
	slicDACG = 26
	slicADCG = 27
	slicLCRT = 28
)

// indirect gives the content of the register that a Si3210 has at address a (13–40).
func (s *SLIC) indirect(a byte) uint16 {
	if s.part.is3215() {
		a -= 13
	}
	return s.ind[a]
}

func (s *SLIC) serviceTime() time.Duration {
	if s.part.is3215() {
		return 62500 * time.Nanosecond
	}
	return 125 * time.Microsecond
}

func (s *SLIC) busy() bool { return s.faults.IndirectHangs || s.now.Before(s.indBusy) }

func (s *SLIC) readRegister(reg byte) byte {
	switch {
	case reg == 28 || reg == 29:
		if s.busy() {
			s.violation("register %d read while the indirect access is under way", reg)
		}
		return s.reg[reg]
	case reg == 31:
		if s.busy() {
			return 1
		}
		return 0
	case reg == 34 && s.lfs == lfRinging:
		return s.reg[34] | slicROE
	case reg == 64:
		return s.lfs<<4 | s.lf
	case reg == 68 || reg >= 77 && reg <= 89:
		return s.sense(reg)
	case reg == 93:
		v := s.reg[93] &^ slicDCCAL
		if !s.dcEnd.IsZero() {
			v |= slicDCCAL
		}
		return v
	case reg == 94 && s.converterOn():
		return 0x40
	case reg >= 98 && reg <= 107:
		if !s.calEnd.IsZero() || reg == 107 && !s.dcEnd.IsZero() {
			s.violation("register %d read before the calibration ended", reg)
		}
	}
	return s.reg[reg]
}

func (s *SLIC) writeRegister(reg, v byte) {
	if !slicWritable(s.part, reg) {
		s.violation("register %d written: reserved or read-only", reg)
		return
	}
	s.written[reg] = true
	old := s.reg[reg]
	switch reg {
	case 0:
		if v&0xc0 != 0 {
			s.violation("daisy chain: not modelled")
		}
	case 1:
		s.writePCMMode(v)
	case 14:
		s.reg[14] = v
		if old&slicDCOF != 0 && v&slicDCOF == 0 {
			s.converterUp()
		} else if old&slicDCOF == 0 && v&slicDCOF != 0 {
			s.offAt = s.now
		}
	case 18, 19, 20:
		s.reg[reg] &^= v
		s.interrupt(s.now)
	case 21, 22, 23:
		s.reg[reg] = v
		s.interrupt(s.now)
	case 28, 29:
		if s.busy() {
			s.violation("register %d written while the indirect access is under way", reg)
			return
		}
		s.reg[reg], s.ida = v, true
	case 30:
		s.reg[30] = v
		s.startIndirect(v)
	case 34:
		if v&0x19 != 0 {
			s.violation("hardware cadence or trapezoid ringing: not modelled")
		}
		s.reg[34] = v &^ slicROE
	case 64:
		s.writeLinefeed(v & 7)
	case 93:
		s.reg[93] = v&^(slicDCPOL|slicDCCAL) | old&slicDCPOL
		if v&slicDCCAL != 0 {
			if !s.batteryUp() {
				s.violation("converter calibrated before it is up")
			}
			s.dcEnd = s.now.Add(100 * time.Millisecond)
		}
	case 96:
		s.reg[96] = v
		if v&slicCAL != 0 {
			s.startCalibration()
		}
	default:
		s.reg[reg] = v
	}
}

func (s *SLIC) writePCMMode(v byte) {
	const family = 0x80
	s.reg[1] = v&^family | s.reg[1]&family
	if v&slicPCME == 0 {
		return
	}
	for r := 2; r <= 5; r++ {
		if !s.written[r] {
			s.violation("PCM enabled before slot register %d was written", r)
		}
	}
	if v&slicPCMMask != slicLinear16 {
		s.violation("PCM mode %#02x: only 16-bit linear at one PCLK a bit is modelled", v)
	}
}

func (s *SLIC) startIndirect(addr byte) {
	if s.busy() {
		s.violation("indirect register %d used while the access before it is under way", addr)
		return
	}
	write := s.ida
	s.ida = false
	if exists, _ := slicIndirect(s.part, addr); !exists {
		s.violation("indirect register %d: reserved", addr)
		return
	}
	s.indBusy = s.now.Add(s.serviceTime())
	s.reg[20] |= slicINDP
	if write {
		s.ind[addr], s.indWr[addr] = uint16(s.reg[29])<<8|uint16(s.reg[28]), true
		return
	}
	v := s.ind[addr]
	if s.faults.ReadIndirect != nil {
		v = s.faults.ReadIndirect(addr, v)
	}
	s.reg[28], s.reg[29] = byte(v), byte(v>>8)
}

func (s *SLIC) indirectWritten() (missing byte, ok bool) {
	for a := range s.indWr {
		if _, must := slicIndirect(s.part, byte(a)); must && !s.indWr[a] {
			return byte(a), false
		}
	}
	return 0, true
}

func (s *SLIC) startCalibration() {
	if a, ok := s.indirectWritten(); !ok {
		s.violation("calibrated before indirect register %d was written", a)
	}
	if !s.batteryUp() {
		s.violation("calibrated with the converter down")
	}
	if s.lfs != lfOpen {
		s.violation("calibrated with the line fed")
	}
	if s.closed {
		s.violation("calibrated with the telephone off the hook")
	}
	d := time.Duration(0)
	for flags := uint(s.reg[96]&0x3f)<<5 | uint(s.reg[97]&0x1f); flags != 0; flags &= flags - 1 {
		d += 32 * time.Millisecond
	}
	s.calEnd = s.now.Add(d)
}

func (s *SLIC) finishCalibration() {
	s.calEnd, s.calDone = time.Time{}, true
	s.reg[96], s.reg[97] = 0, 0
	// Results like a real line's, so that a saved set can be told from the reset values.
	for i, v := range [...]byte{0x12, 0x0d, 0x14, 0x0f, 0x0a, 0x86, 0x03, 0x11, 0x1c} {
		s.reg[98+i] = v
	}
}
