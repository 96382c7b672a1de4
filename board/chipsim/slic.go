package chipsim

import (
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"sotto/board"
)

// SLICPart is a part that [SLIC] models.
type SLICPart uint8

const (
	Si3210  SLICPart = iota // 8 kHz service of the indirect registers, BJT converter
	Si3210M                 // the same with a MOSFET converter
	Si3215                  // 16 kHz service, indirect registers renumbered
	Si3215M
)

func (p SLICPart) is3215() bool { return p >= Si3215 }
func (p SLICPart) mosfet() bool { return p == Si3210M || p == Si3215M }

// slicSettle is the time from the release of RESET to the first access: reads are
// garbage before.
const slicSettle = time.Millisecond

// SLIC is a station chip: the registers of a Si3210 or Si3215, the converter that
// makes the battery, the linefeed, the codec, and a socket for one [Phone].
//
// Its time is the machine's (or the synctest bubble's): everything but the hook moves
// on whenever the chip is looked at, by SPI or by Frame. The hook is known up to the
// end of the last frame only, so a change of it shows then, with the time it had.
//
// SPI and Frame may come from different goroutines.
type SLIC struct {
	mu   sync.Mutex
	part SLICPart
	viol *Violations

	// pins
	clock    bool
	inReset  bool
	noClock  bool // RESET was released without a clock
	released time.Time
	intPin   bool
	intEdge  bool      // the pin rose since the lock was taken,
	intAt    time.Time // at this time
	onInt    func(time.Time)
	faults   SLICFaults

	// SPI byte machine
	dataNext bool // the next byte is the data byte of command
	command  byte

	// registers
	reg     [128]byte
	written [128]bool
	ind     [256]uint16
	indWr   [256]bool
	ida     bool // the data registers were written: the next address starts a write
	indBusy time.Time
	rnd     *rand.Rand

	now     time.Time // up to when the chip has lived
	vbat    float64   // battery, volts below ground
	offAt   time.Time // converter switched off
	calEnd  time.Time // calibration under way; zero if none
	calDone bool
	dcEnd   time.Time // converter calibration under way

	// line
	phone    Phone
	closed   bool // hook switch of the telephone
	lf, lfs  byte // linefeed requested and actual
	lcr, rtp bool
	lcAt     time.Time // loop closure bit will change; zero if not
	rtAt     time.Time // ring trip will be seen
	alarmAt  time.Time // an overloaded transistor will trip
	lineEnd  time.Time // end of the last frame
	echo     float64   // hybrid: what returns of the received voltage
	tone     slicRing
	feed     Feed
	draw     Draw
}

var _ Chip = (*SLIC)(nil)

// NewSLIC returns a chip in reset, without clock, with nothing plugged in, a return
// loss of 20 dB, and nothing broken. Breaches of the data sheet go to viol.
func NewSLIC(part SLICPart, viol *Violations) *SLIC {
	s := &SLIC{part: part, viol: viol, inReset: true, echo: 0.1, rnd: rand.New(rand.NewPCG(1, uint64(part)))}
	s.resetRegisters()
	return s
}

// Plug plugs a telephone in, or with nil takes it out.
func (s *SLIC) Plug(p Phone) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.phone = p
}

// SetReturnLoss sets how much weaker than it was received a signal returns into the
// transmit path, in dB. 20 dB is a good hybrid, infinity one without echo.
func (s *SLIC) SetReturnLoss(dB float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.echo = math.Pow(10, -dB/20)
}

// OnInterrupt sets what is called each time the INT pin goes active, with the time of
// the edge; by the goroutine that found it, which may be the one in Frame. f may talk
// to the chip.
func (s *SLIC) OnInterrupt(f func(at time.Time)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onInt = f
}

// Interrupt tells whether the INT pin is active: open drain, low when active.
func (s *SLIC) Interrupt() bool {
	s.lock()
	defer s.unlock()
	return s.intPin
}

// Clock implements [Chip].
func (s *SLIC) Clock(running bool) {
	s.lock()
	defer s.unlock()
	if s.clock && !running && !s.inReset && s.converterOn() {
		s.violation("clock stopped with the converter running")
	}
	if !s.clock && running {
		s.released = s.now // the PLL locks anew
	}
	s.clock = running
}

// Reset implements [Chip].
func (s *SLIC) Reset(asserted bool) {
	s.lock()
	defer s.unlock()
	if asserted == s.inReset {
		return
	}
	s.inReset = asserted
	s.resetRegisters()
	s.released = s.now
	if s.noClock = !asserted && !s.clock; s.noClock {
		s.violation("reset released without a clock")
	}
}

// resetRegisters is what RESET and a brown-out do: the direct registers get their
// reset values, the indirect ones whatever the RAM happens to hold.
func (s *SLIC) resetRegisters() {
	s.reg = slicDefaults(s.part)
	s.written = [128]bool{}
	for i := range s.ind {
		s.ind[i] = uint16(s.rnd.Uint32())
	}
	s.indWr = [256]bool{}
	s.dataNext, s.ida = false, false
	s.indBusy, s.calEnd, s.dcEnd = time.Time{}, time.Time{}, time.Time{}
	s.calDone = false
	s.lf, s.lfs, s.lcr, s.rtp = 0, 0, false, false
	s.lcAt, s.rtAt, s.alarmAt = time.Time{}, time.Time{}, time.Time{}
	s.intPin = false
}

// ready tells whether registers can be used.
func (s *SLIC) ready() bool {
	return !s.inReset && s.clock && !s.noClock && !s.faults.Dead && s.now.Sub(s.released) >= slicSettle
}

func (s *SLIC) lock() {
	s.mu.Lock()
	s.advance(time.Now())
}

// unlock calls the interrupt handler if the pin rose.
func (s *SLIC) unlock() {
	f, at, edge := s.onInt, s.intAt, s.intEdge
	s.intEdge = false
	s.mu.Unlock()
	if edge && f != nil {
		f(at)
	}
}

// interrupt works out the INT pin after a change of status or enable at time at.
func (s *SLIC) interrupt(at time.Time) {
	level := s.reg[18]&s.reg[21]|s.reg[19]&s.reg[22]|s.reg[20]&s.reg[23] != 0
	if level && !s.intPin {
		s.intEdge, s.intAt = true, at
	}
	s.intPin = level
}

func (s *SLIC) violation(format string, args ...any) {
	s.viol.Add("slic: "+format, args...)
}

// advance lets the chip live up to now.
func (s *SLIC) advance(now time.Time) {
	dt := now.Sub(s.now)
	if s.now.IsZero() {
		dt = 0
	}
	if dt < 0 {
		return
	}
	s.now = now
	s.advanceBattery(dt)
	if !s.calEnd.IsZero() && !now.Before(s.calEnd) && !s.faults.CalibrationHangs {
		s.finishCalibration()
	}
	if !s.dcEnd.IsZero() && !now.Before(s.dcEnd) && !s.faults.CalibrationHangs {
		s.dcEnd = time.Time{}
		s.reg[107] = 7
	}
	if !s.alarmAt.IsZero() && !now.Before(s.alarmAt) {
		s.powerAlarm(s.faults.Overload, s.alarmAt)
	}
	// Without frames (power-up, a stopped stream) the hook stays as it was.
	if now.Sub(s.lineEnd) > 2*board.FrameTime {
		s.advanceLine(now)
	}
}
