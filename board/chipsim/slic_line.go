package chipsim

import (
	"math"
	"time"
)

// Linefeed states, register 64.
const (
	lfOpen          = 0
	lfForwardActive = 1
	lfForwardOHT    = 2
	lfRinging       = 4
	lfReverseActive = 5
	lfReverseOHT    = 6
)

// Electrical figures of the model.
const (
	slicPhoneR = 0.25 // kΩ of an off-hook telephone and its line
	slicRise   = 600  // converter up: volts per second
	slicFall   = 2000 // converter down to a lower target: volts per second
)

func (s *SLIC) converterOn() bool {
	return s.reg[14]&slicDCOF == 0 && s.clock && !s.faults.NoSupply && s.periodFits()
}

// periodFits tells whether the PWM period suits the kind of converter.
func (s *SLIC) periodFits() bool {
	if s.part.mosfet() {
		return s.reg[92] >= 0x40 && s.reg[92] <= 0x7f
	}
	return s.reg[92] >= 0xc0
}

func (s *SLIC) converterUp() {
	if a, ok := s.indirectWritten(); !ok {
		s.violation("converter raised before indirect register %d was written", a)
	}
	if !s.periodFits() {
		s.violation("converter raised with PWM period %#02x, which its switch cannot take", s.reg[92])
	}
}

// batteryTarget is where the converter regulates to.
func (s *SLIC) batteryTarget() float64 {
	if s.lcr && s.reg[66]&slicTrack != 0 {
		return 1.5 * float64(s.reg[75]&0x3f)
	}
	return 1.5 * float64(s.reg[74]&0x3f)
}

func (s *SLIC) batteryUp() bool { return s.converterOn() && s.vbat > s.batteryTarget()-7 }

func (s *SLIC) advanceBattery(dt time.Duration) {
	if dt == 0 {
		return
	}
	if s.converterOn() {
		t := s.batteryTarget()
		if s.vbat < t {
			s.vbat = min(t, s.vbat+slicRise*dt.Seconds())
		} else if s.vbat > t {
			s.vbat = max(t, s.vbat-slicFall*dt.Seconds())
		}
		return
	}
	if s.vbat < 0.01 {
		s.vbat = 0
		return
	}
	tau := 0.8 // seconds, into the chip alone
	if s.faults.Leak {
		tau = 0.08
	}
	s.vbat *= math.Exp(-dt.Seconds() / tau)
}

func (s *SLIC) writeLinefeed(lf byte) {
	if !s.calEnd.IsZero() {
		s.violation("linefeed changed while the calibration is under way")
	}
	if lf != lfOpen && s.vbat < 20 {
		s.violation("line fed with the converter down")
	}
	if lf == lfRinging {
		if !s.calDone && !s.written[98] {
			s.violation("ringing before calibration")
		}
		if s.reg[33]&slicROE != 0 {
			s.violation("ringing with tone oscillator 2 running")
		}
	}
	s.lf = lf
	s.setState(lf, s.now)
}

// setState takes the linefeed to a state, whoever asked for it.
func (s *SLIC) setState(lfs byte, at time.Time) {
	if lfs == lfRinging && s.lfs != lfRinging {
		s.tone.n = 0
	}
	s.lfs = lfs
	if lfs == lfOpen || s.faults.Overload == 0 {
		s.alarmAt = time.Time{}
	} else if s.alarmAt.IsZero() {
		s.alarmAt = at.Add(20 * time.Millisecond)
	}
	s.loopChanged(at)
}

func (s *SLIC) active() bool { return s.lfs == lfForwardActive || s.lfs == lfReverseActive }
func (s *SLIC) onHookTransmit() bool {
	return s.lfs == lfForwardOHT || s.lfs == lfReverseOHT
}

// loopMilliamps is the current in the loop, or 0 when it is below the threshold of
// closure: it flows if the telephone is off the hook and the line is fed.
func (s *SLIC) loopMilliamps() float64 {
	if !s.closed || !s.active() && !s.onHookTransmit() || s.vbat < 10 {
		return 0
	}
	limit := 20 + 3*float64(s.reg[71]&7)
	if limit < 1.27*float64(s.indirect(slicLCRT)>>9&0x3f) {
		return 0
	}
	return limit
}

// loopChanged starts or stops the debounce of loop closure and ring trip after the
// hook or the linefeed changed at time at.
func (s *SLIC) loopChanged(at time.Time) {
	const step = 1250 * time.Microsecond
	switch raw := s.loopMilliamps() > 0; {
	case raw == s.lcr:
		s.lcAt = time.Time{}
	case s.lcAt.IsZero():
		s.lcAt = at.Add(step * time.Duration(s.reg[69]&0x7f))
	}
	switch {
	case s.lfs != lfRinging || !s.closed || s.vbat < 10:
		s.rtAt = time.Time{}
		if !s.closed {
			s.rtp = false
		}
	case s.rtAt.IsZero() && !s.rtp:
		s.rtAt = at.Add(step * time.Duration(s.reg[70]&0x7f))
	}
}

// advanceLine lets debounce timers that end by t end.
func (s *SLIC) advanceLine(t time.Time) {
	for {
		switch {
		case !s.rtAt.IsZero() && !s.rtAt.After(t):
			at := s.rtAt
			s.rtAt, s.rtp = time.Time{}, true
			s.reg[19] |= slicRTIP
			if s.reg[67]&slicAORD != 0 {
				s.setState(lfForwardActive, at)
			}
			s.interrupt(at)
		case !s.lcAt.IsZero() && !s.lcAt.After(t):
			at := s.lcAt
			s.lcAt, s.lcr = time.Time{}, !s.lcr
			s.reg[19] |= slicLCIP
			if s.lcr && s.reg[67]&slicAOLD != 0 && s.onHookTransmit() {
				s.setState(s.lfs-1, at)
			}
			s.interrupt(at)
		default:
			return
		}
	}
}

// setHook is a movement of the hook switch.
func (s *SLIC) setHook(closed bool, at time.Time) {
	s.advanceLine(at)
	if closed != s.closed {
		s.closed = closed
		s.loopChanged(at)
	}
}

func (s *SLIC) powerAlarm(transistors byte, at time.Time) {
	s.alarmAt = time.Time{}
	s.reg[19] |= transistors << 2
	if s.reg[67]&slicAOPN != 0 {
		s.lf = lfOpen
		s.setState(lfOpen, at)
	}
	s.interrupt(at)
}

// feedVolts is the voltage tip to ring.
func (s *SLIC) feedVolts() float64 {
	var v float64
	switch {
	case s.lfs == lfRinging && s.reg[34]&slicRVO != 0:
		return float64(int16(s.indirect(slicROFF))) / 32768 * 96
	case !s.active() && !s.onHookTransmit():
		return 0
	case s.loopMilliamps() > 0:
		v = s.loopMilliamps() * slicPhoneR
	default:
		v = max(0, min(1.5*float64(s.reg[72]&0x3f), s.vbat-1.5*float64(s.reg[73]&0x3f)))
	}
	if s.lfs >= lfReverseActive {
		v = -v
	}
	return v
}

// sense reads the line status and the voltage and current monitors.
func (s *SLIC) sense(reg byte) (v byte) {
	quantum := func(x, lsb float64) byte { return byte(min(255, math.Abs(x)/lsb+0.5)) }
	volts, amps := s.feedVolts(), s.loopMilliamps()
	tip := 1.5 * float64(s.reg[73]&0x3f)
	ring := tip + math.Abs(volts)
	if volts < 0 {
		tip, ring = ring, tip
	}
	if s.lfs == lfOpen {
		tip, ring = math.Abs(s.faults.ForeignVolts), math.Abs(s.faults.ForeignVolts)
	}
	switch reg {
	case 68:
		if s.lcr {
			v |= 1
		}
		if s.rtp {
			v |= 2
		}
		if amps == 0 {
			v |= 4
		}
	case 78, 79:
		if v = quantum(volts, 1.5); reg == 79 {
			v = quantum(amps, 1.25)
		}
		if volts < 0 {
			v |= 0x40
		}
	case 80:
		v = quantum(tip, 0.376)
	case 81:
		v = quantum(ring, 0.376)
	case 82, 83:
		// The monitor needs some samples after the converter went off.
		if s.reg[14]&slicDCOF == 0 || s.now.Sub(s.offAt) > 10*time.Millisecond {
			v = quantum(s.vbat, 0.376)
		}
	case 84, 85, 86, 87, 88, 89:
		v = 0
	}
	return v
}

// LineVolts gives the voltage that the chip feeds, tip to ring, without ringing.
func (s *SLIC) LineVolts() float64 {
	s.lock()
	defer s.unlock()
	if !s.ready() {
		return 0
	}
	return s.feedVolts()
}
