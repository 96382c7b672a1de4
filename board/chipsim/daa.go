package chipsim

import (
	"sync"
	"time"

	"periph.io/x/conn/v3/spi"

	"sotto/board"
)

// LineSide is the chip on the far side of a Si3050's isolation link. The value is the
// LSID that register 11 gives for it.
type LineSide byte

// The line sides that exist (Si3050 data sheet, register 11).
const (
	Si3018 LineSide = 1 // four AC impedances, no line voltage
	Si3019 LineSide = 3 // all AC impedances, line voltage and fine loop current
	Si3011 LineSide = 4 // FCC and TBR 21 only, line voltage and fine loop current
)

// Times of the chip. Those that the data sheet does not give are marked.
const (
	pllTime        = time.Millisecond       // reset to first access: 31 µs on paper, 1 ms seen needed
	resetTime      = 5 * time.Microsecond   // RESET low: ten PCLK cycles of 2.048 MHz
	softResetTime  = 10 * time.Millisecond  // not in the data sheet
	lockTime       = 10 * time.Millisecond  // PDL cleared to frame lock: "less than 10 ms"
	hookLatency    = 250 * time.Microsecond // register write to hook switch
	offHookRest    = 1500 * time.Microsecond
	resistorCal    = 17 * time.Millisecond
	adcCal         = 256 * time.Millisecond
	watchdogTime   = 4 * time.Second
	oneShotTime    = 5 * time.Second // RDT without validation
	stepDecay      = 10 * time.Millisecond
	samplePeriod   = board.FrameTime / board.FrameLen
	inUseVolts     = 8.0 // on a line that another set holds off hook
	dropOutCurrent = 3.0 // mA; below it DOD tells that the line is gone
)

// DAAFaults are what a test can break in a [DAA].
type DAAFaults struct {
	Dead           bool  // nothing answers: every read gives 0xFF
	SPI            error // returned by every transfer
	LostHookWrites int   // so many writes to register 5 from now on are lost
	NoFrameLock    bool  // the isolation link is down
	StuckRegister  byte  // reads of this register give StuckValue and writes are lost; 0 is none
	StuckValue     byte
}

// DAA models a Si3050 with its line side: an exchange-line port. Any goroutine may use
// its methods and its Conn; Frame is called by the highway.
type DAA struct {
	lineSide   LineSide
	violations *Violations

	mu     sync.Mutex
	co     CO
	faults DAAFaults
	onInt  func(time.Time)
	offset int16

	// power and clocks
	clock      bool
	clockSince time.Time
	clockLost  bool // stopped since the last reset: the PLL has no ratio any more
	resetPin   bool
	resetSince time.Time
	readyAt    time.Time // registers answer from here on
	lineSideOn bool
	lockAt     time.Time // frame lock from here on, with the line side on
	lastAccess time.Time
	watchdog   bool
	intLevel   bool

	// SPI byte machine
	phase   int
	control byte
	address byte

	reg     [64]byte
	written uint64 // registers written since reset

	// hook switch
	edges   [64]hookEdge // on their way to the line, in order of time
	nEdges  int
	closed  bool      // at the end of the last frame
	voiceAt time.Time // both voice paths are open from here on, while off hook

	ring ringDetector

	// line as it was at the end of the last frame, at the terminals
	volts float64
	mA    float64

	seizure   Seizure
	edgeStore [64]Edge
	supply    Supply
}

type hookEdge struct {
	at     time.Time
	closed bool
}

// NewDAA returns a chip that is held in reset, with no clock and no line. Breaches of
// the data sheet go to v.
func NewDAA(side LineSide, v *Violations) *DAA {
	d := &DAA{lineSide: side, violations: v, resetPin: true}
	d.defaults()
	return d
}

var _ Chip = (*DAA)(nil)

// Plug connects the line to an exchange; nil unplugs it.
func (d *DAA) Plug(co CO) {
	d.mu.Lock()
	d.co = co
	d.mu.Unlock()
}

// Conn gives the SPI port: mode 3, one byte a chip select.
func (d *DAA) Conn() spi.Conn { return &daaConn{d: d} }

// SetFaults breaks or mends the chip.
func (d *DAA) SetFaults(f DAAFaults) {
	d.mu.Lock()
	if f.NoFrameLock && !d.faults.NoFrameLock && d.lineSideOn {
		d.raise(intFDT)
	}
	if !f.NoFrameLock && d.faults.NoFrameLock {
		d.lockAt = time.Now().Add(lockTime)
	}
	d.faults = f
	d.mu.Unlock()
}

// Brownout puts every register back to its default as a dip of the supply does.
func (d *DAA) Brownout() {
	d.mu.Lock()
	d.defaults()
	d.readyAt = time.Now().Add(softResetTime)
	d.mu.Unlock()
}

// OnInterrupt gives the function that is called when the INT pin becomes active, on
// the goroutine that made it so. It must not call back into the model.
func (d *DAA) OnInterrupt(f func(at time.Time)) {
	d.mu.Lock()
	d.onInt = f
	d.mu.Unlock()
}

// SetOnHookOffset sets the DC offset of the on-hook line monitor in sample units. The
// data sheet allows a tenth of full scale; a new model has none.
func (d *DAA) SetOnHookOffset(units int16) {
	d.mu.Lock()
	d.offset = units
	d.mu.Unlock()
}

// ACIM gives the impedance code that the line side acts on: the one written, or 0 where
// this line side does not have it.
func (d *DAA) ACIM() byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	code := d.reg[30] & 0x0F
	switch d.lineSide {
	case Si3018:
		if code != 0 && code != 3 && code != 4 && code != 0x0F {
			return 0
		}
	case Si3011:
		if code != 2 {
			return 0
		}
	}
	return code
}

// Register gives the content of a register without an access of the bus.
func (d *DAA) Register(n byte) byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	d.advance(now)
	return d.value(now, n&63)
}

// OffHook tells whether the hook switch is closed, or will be as soon as it has moved.
func (d *DAA) OffHook() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.reg[5]&regOH != 0
}
