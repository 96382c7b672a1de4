// Package si321x drives one station port (FXS) made of a Si3210 or Si3215 ProSLIC:
// power-up with calibration, ringing, hook, polarity, on-hook transmission, line
// measurement, and what to do when the chip raises a power alarm or loses its supply.
//
// board/office calls it, one [Chip] a port, over periph's [spi.Conn]. The port must be
// connected with [SPIMode], eight bits and at most [MaxClock], and have a chip select of
// its own: each access is two bytes, with chip select raised after each.
//
// Before PowerUp PCLK and FSYNC must run and RESET be released for a millisecond; both
// clocks go on without a break until after Close.
//
// A Chip does no voice and no cadence: samples go over the PCM highway straight to the
// codec, and one Ring is one burst. It starts no goroutine and is used by one at a
// time. It never waits without a limit. The life of a port:
//
//	New ── PowerUp ──► InService ◄── 1 s … 30 s ── Cooling
//	                     │  │  └── power alarm ─────►┘ │
//	 chip reset, no chip │  └── Close ──► Down         │ the eleventh
//	                     ▼                             ▼
//	              NeedsRecovery ◄── Recover ──► OutOfService
//
// Registers and sequences follow the Si3215 data sheet 0.92 and, for the converter,
// Silicon Labs AN35.
package si321x

import (
	"context"
	"errors"
	"fmt"
	"time"

	"periph.io/x/conn/v3/physic"
	"periph.io/x/conn/v3/spi"

	"sotto/board"
)

// What to connect the SPI port with (data sheet, table 10).
const (
	SPIMode  = spi.Mode3
	MaxClock = 16 * physic.MegaHertz
)

// Errors of the chip; what a method returns wraps one of them, the port's own error,
// or that of its context.
var (
	ErrNoChip         = errors.New("no chip answers")
	ErrIndirectBusy   = errors.New("indirect access does not end")
	ErrVerify         = errors.New("register does not hold its value")
	ErrConverter      = errors.New("converter does not come up")
	ErrCalibration    = errors.New("calibration does not end")
	ErrForeignVoltage = errors.New("foreign voltage on the line")
	ErrChipReset      = errors.New("chip lost its supply and reset itself")
	ErrPowerAlarm     = errors.New("power alarm: line opened")
	ErrPowerAlarms    = errors.New("too many power alarms: line left open")
	ErrOffHook        = errors.New("telephone is off the hook")
	ErrUnsupported    = errors.New("not possible with this chip")
	ErrDown           = errors.New("chip is not powered up")
)

// NoChipError tells by which register a chip was found missing.
type NoChipError struct {
	Register, Got byte
	Want          string // what a chip reads there
}

func (e *NoChipError) Error() string {
	return fmt.Sprintf("%v: register %d reads 0x%02X, not %s", ErrNoChip, e.Register, e.Got, e.Want)
}

func (e *NoChipError) Unwrap() error { return ErrNoChip }

// Config is how the chip sits on its board. The zero value of each field but Slot is a
// default.
type Config struct {
	Slot int // 16-bit slot on the PCM highway, from 0
	// TXOffset and RXOffset are the PCLK periods from FSYNC to the first bit of slot 0
	// in each direction: 0 with long frame sync (dsp_b), 1 with short (dsp_a).
	TXOffset, RXOffset int
	// PWMPeriod and PWMDelay make the converter fit its inductor: registers 92 and 93,
	// bits 4:0. Default 0xFF and 0x19 with a bipolar switch, 0x60 and 0x18 with a MOSFET.
	PWMPeriod, PWMDelay byte
	// LoopMilliamps limits the loop current: 20 to 41, in steps of 3. Default 20.
	LoopMilliamps int
}

// defaultLine is what a chip has until Apply.
var defaultLine = board.Line{Ringing: board.Ringing{Hz: 25, Vrms: 45}}

// Findings are what PowerUp saw without failing for it.
type Findings struct {
	Leak              bool // the battery drains into the line: wet cable or a short
	OffHook           bool // telephone was off the hook, so nothing is calibrated yet: Report.Recalibrate will say when
	SecondTry         bool // the first calibration did not end
	Unbalanced        bool // the longitudinal balance could not be calibrated
	CurrentMonitor    bool // the converter's current monitor could not be calibrated: default value
	ReusedCalibration bool // after a reset: the calibration of the last power-up
}

// Chip is one port. Its methods are called by one goroutine at a time.
type Chip struct {
	bus   bus
	cfg   Config
	ident Ident
	known bool // ident is
	line  lineSettings

	found      Findings
	results    [regCalLast - regCalFirst + 1]byte
	calibrated bool // results are

	condition Condition
	cause     error // why not in service

	want    board.SignalKind // last signal
	feed    byte             // linefeed requested from the chip
	reverse bool             // polarity of the last Idle or Reverse

	offHook   bool
	refed     bool      // the line was fed anew, or ringing ended: the loop may read open for a moment
	trust     time.Time // until then an open loop is not believed
	quiet     time.Time // of the last change of hook
	bad       int       // services in a row in which the chip did not answer
	opened    int       // services in a row that found the line open against our request
	alarms    int
	forgiveAt time.Time
	retryAt   time.Time
}

// New returns the chip behind a port. It talks to nothing yet.
func New(conn spi.Conn, cfg Config) *Chip {
	c := &Chip{cfg: cfg, want: board.Idle}
	c.bus.init(conn)
	c.line, _ = settingsOf(defaultLine)
	return c
}

// Part is a member of the family.
type Part uint8

const (
	Si3210 Part = iota
	Si3215
	Si3216
)

var partNames = [...]string{"Si3210", "Si3215", "Si3216"}

// Ident is what a chip says it is.
type Ident struct {
	Part     Part
	MOSFET   bool // its converter drives a MOSFET: suffix M
	Revision int  // 1 is A
}

// String gives part and revision: "Si3215M rev D".
func (i Ident) String() string {
	m := ""
	if i.MOSFET {
		m = "M"
	}
	return fmt.Sprintf("%s%s rev %c", partNames[i.Part], m, 'A'+i.Revision-1)
}

// Identify finds out what chip there is. It must be fresh from reset. The error is a
// *NoChipError, or that of the port.
func (c *Chip) Identify(ctx context.Context) (Ident, error) {
	ident, err := c.identify(ctx)
	if err != nil {
		return Ident{}, fmt.Errorf("identify: %w", err)
	}
	for _, t := range []struct {
		reg, want byte
	}{{regLoopback, freshLoopback}, {regLinefeed, freshLinefeed}, {regHybrid, freshHybrid}} {
		v, err := c.bus.read(t.reg)
		if err != nil {
			return Ident{}, fmt.Errorf("identify: %w", err)
		}
		if v != t.want {
			return Ident{}, fmt.Errorf("identify: %w", &NoChipError{t.reg, v, fmt.Sprintf("0x%02X as after reset", t.want)})
		}
	}
	c.ident, c.known = ident, true
	return ident, nil
}

// identify reads the registers that hold part and revision.
func (c *Chip) identify(ctx context.Context) (i Ident, err error) {
	if err := ctx.Err(); err != nil {
		return i, err
	}
	id, mode, err := c.bus.read2(regID, regPCMMode)
	if err != nil {
		return i, err
	}
	// An empty socket reads 0 or 0xFF; revision A needs work-arounds that nobody needs.
	if i.Revision = int(id & 0x0f); i.Revision < 2 || i.Revision == 0x0f {
		return i, &NoChipError{regID, id, "revision B or later"}
	}
	if mode&familyBit != 0 {
		pni, err := c.bus.read(regPNI)
		if err != nil {
			return i, err
		}
		switch pni >> 5 {
		case 0, 3:
			i.Part = Si3215
		case 4, 7:
			i.Part = Si3216
		default:
			return i, &NoChipError{regPNI, pni, "a known part number"}
		}
	}
	delay, err := c.bus.read(regPWMDelay)
	i.MOSFET = delay&delayMOSFET != 0
	// A half-begun indirect access, if any, ends here.
	if err == nil {
		err = c.bus.write(regIAA, 0)
	}
	return i, err
}

// Ident gives what the last Identify, PowerUp or Recover found, false before.
func (c *Chip) Ident() (Ident, bool) { return c.ident, c.known }

// up tells whether the registers are as we wrote them.
func (c *Chip) up() bool { return c.condition == InService || c.condition == Cooling }

// Findings gives what the last PowerUp or Recover saw.
func (c *Chip) Findings() Findings { return c.found }

// address translates the Si3210's address of an indirect register to the part's.
func (c *Chip) address(a byte) byte {
	if c.ident.Part == Si3210 {
		return a
	}
	return address3215(a)
}
