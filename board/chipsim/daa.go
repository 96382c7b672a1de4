package chipsim

import (
	"math"
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
	d.advance(time.Now())
	return d.value(n & 63)
}

// OffHook tells whether the hook switch is closed, or will be as soon as it has moved.
func (d *DAA) OffHook() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.reg[5]&regOH != 0
}

// Clock implements [Chip].
func (d *DAA) Clock(running bool) {
	now := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	if running && !d.clock {
		d.clockSince = now
	}
	if !running && d.clock && !d.resetPin {
		d.clockLost = true
		d.lineSideOn = false
		d.hook(now, false)
	}
	d.clock = running
}

// Reset implements [Chip].
func (d *DAA) Reset(asserted bool) {
	now := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case asserted && !d.resetPin:
		d.resetSince = now
		d.watchdog = false
		d.defaults()
	case !asserted && d.resetPin:
		if !d.clock || now.Sub(d.clockSince) < resetTime {
			d.violations.Add("Si3050: RESET released before PCLK had run for ten cycles")
		}
		if !d.resetSince.IsZero() && now.Sub(d.resetSince) < resetTime {
			d.violations.Add("Si3050: RESET pulse of %v is too short", now.Sub(d.resetSince))
		}
		d.clockLost = !d.clock
		d.readyAt = now.Add(pllTime)
		d.lastAccess = now
	}
	d.resetPin = asserted
}

// defaults is what a reset does to the registers.
func (d *DAA) defaults() {
	if d.closed || d.nEdges > 0 {
		d.hook(time.Now(), false)
	}
	d.reg = [64]byte{2: 0x03, 6: 0x10, 22: 0x96, 23: 0x2D, 24: 0x19, 25: 0x05, 31: 0x20, 32: 0x03}
	if d.watchdog { // only the RESET pin clears it
		d.reg[2] |= 0x10
	}
	d.written = 0
	d.phase = 0
	d.lineSideOn = false
	d.ring = ringDetector{}
	d.intLevel = false
}

// locked tells whether the isolation link has frame lock.
func (d *DAA) locked(now time.Time) bool {
	return d.lineSideOn && !d.faults.NoFrameLock && !now.Before(d.lockAt)
}

// advance moves the model on to now by what does not need the line.
func (d *DAA) advance(now time.Time) {
	if d.watchdog && d.reg[5]&regOH != 0 && now.Sub(d.lastAccess) >= watchdogTime {
		d.reg[5] &^= regOH
		d.hook(d.lastAccess.Add(watchdogTime), false)
	}
}

// hook moves the hook switch at now.
func (d *DAA) hook(now time.Time, closed bool) {
	at := now.Add(hookLatency)
	if closed {
		count := [4]time.Duration{512, 128, 64, 8}[d.reg[31]>>5&3] * time.Millisecond
		d.voiceAt = at.Add(count + offHookRest)
		if d.reg[25]&0x20 == 0 {
			d.voiceAt = d.voiceAt.Add(resistorCal)
		}
		if d.reg[17]&0x20 == 0 {
			d.voiceAt = d.voiceAt.Add(adcCal)
		}
		d.ring = ringDetector{}
	} else {
		switch {
		case d.reg[16]&0x40 != 0:
			at = now.Add(26 * time.Millisecond)
		case d.reg[31]&0x08 != 0:
			at = now.Add(3 * time.Millisecond)
		}
	}
	if d.nEdges == len(d.edges) { // nobody runs the line: only the last state matters
		d.nEdges = 0
	}
	if d.nEdges > 0 && at.Before(d.edges[d.nEdges-1].at) {
		at = d.edges[d.nEdges-1].at
	}
	d.edges[d.nEdges] = hookEdge{at, closed}
	d.nEdges++
}

// raise sets bits of the interrupt source register.
func (d *DAA) raise(bits byte) { d.reg[4] |= bits }

// interrupt works out the level of the INT pin and gives the function to call, if the
// pin became active, when the lock is released.
func (d *DAA) interrupt() func(time.Time) {
	was := d.intLevel
	d.intLevel = d.reg[2]&0x80 != 0 && d.reg[3]&d.reg[4] != 0
	if d.intLevel && !was {
		return d.onInt
	}
	return nil
}

// gain gives the gain of a path in tenths of a decibel from its coarse and fine register.
func gain(coarse, fine byte) int {
	g := int(coarse&0x0F) * 10
	if coarse&0x10 != 0 {
		g = -g
	} else {
		g = min(g, 120)
	}
	f := int(fine & 0x0F)
	if fine&0x10 != 0 {
		f = -f
	}
	return g + f
}

// fullScale gives how much hotter than with FULL a path to the host is, in tenths of a
// decibel: digital full scale is 0 dBm on the line without FULL and +3.2 dBm with it,
// which is the level plan of the box.
func (d *DAA) fullScale() int {
	switch {
	case d.reg[30]&0x10 != 0:
		return -28
	case d.reg[31]&0x80 != 0:
		return 0
	}
	return 32
}

func amplify(f *board.Frame, tenths int) {
	if tenths == 0 {
		return
	}
	k := math.Pow(10, float64(tenths)/200)
	for i, v := range f {
		f[i] = int16(max(-32768, min(32767, math.Round(float64(v)*k))))
	}
}
