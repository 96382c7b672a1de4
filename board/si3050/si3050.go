// Package si3050 drives one exchange-line port: a Skyworks Si3050 with its line side
// Si3018, Si3019 or Si3011 across the isolation link. It turns the words of package
// board into registers and what the registers say into events of package board.
// board/office (or a test, with the model of board/chipsim) calls it; it owns neither
// the bus nor the RESET line nor the PCM stream, and needs both clocks running and
// RESET released before its first call.
//
//	New ─► PowerUp ─► Apply, Set, Pulse, Measure        Close
//	          ▲          Poll each 10 to 20 ms, Step when it is due
//	          └─ Recover ◄─ error of Poll
//
// A [Chip] is for one goroutine at a time. Poll, Step and Set do a few register accesses and
// do not wait or allocate; PowerUp, Identify, Recover and Close wait for the chip,
// each time with a limit, and give up when their context ends.
//
// The package never decides what an event means: how long the loop current must be
// gone before a call is over, or which ring is whose, is for package pbx. It starts no
// goroutine. Section numbers are those of the Si3050+Si3018/19 data sheet, rev. 1.5.
package si3050

import (
	"context"
	"errors"
	"fmt"
	"time"

	"periph.io/x/conn/v3/spi"

	"sotto/board"
)

// What can be wrong with a chip. Errors of this package wrap one of these, or the
// error of the bus, or that of the context.
var (
	// ErrNoChip: what answers on the bus is not a Si3050.
	ErrNoChip = errors.New("no chip answers")
	// ErrVerify: a register does not keep what is written to it.
	ErrVerify = errors.New("register does not keep its value")
	// ErrFrameLock: the line side does not answer over the isolation link. It says
	// nothing about the telephone line.
	ErrFrameLock = errors.New("no frame lock with the line side")
	// ErrLineSide: the line side is of a kind that the driver does not know.
	ErrLineSide = errors.New("unknown line side")
	// ErrHook: the hook switch register does not keep its value.
	ErrHook = errors.New("hook switch does not obey")
	// ErrReset: the chip lost its settings, as after a dip of its supply.
	ErrReset = errors.New("chip was reset")
	// ErrOverload: the loop current was too high and the line was released: a digital
	// extension line, or foreign voltage.
	ErrOverload = errors.New("loop current overload")
	// ErrDown: the chip is not powered up.
	ErrDown = errors.New("chip is not powered up")
	// ErrLine: the line parameters are not among those that the chip has.
	ErrLine = errors.New("line parameter out of range")
)

// Config is what a board knows about a chip.
type Config struct {
	// Start is where the chip's 16-bit slot begins on the highway, in PCLK cycles after
	// the rising frame sync: 16 times the slot number, plus 1 on a highway with a bit
	// of delay (dsp_a). At most 1023.
	Start int
	// RingTimeout is the silence that ends a ring, in steps of 128 ms up to 1920 ms. It
	// bridges the short gap of a double ring. 0 means 512 ms.
	RingTimeout time.Duration
	// Watchdog makes the chip go on hook by itself when it has not been polled for 4 s.
	Watchdog bool
}

// Ident is what a chip says of itself.
type Ident struct {
	Revision     byte // of the Si3050: 5 is E
	LineSide     byte // LSID of register 11: 1 Si3018, 3 Si3019, 4 Si3011
	LineRevision byte
}

// The values of Ident.LineSide.
const (
	si3018 = 1
	si3019 = 3
	si3011 = 4
)

// String gives part names and revisions: "Si3050 rev E + Si3019 rev F".
func (i Ident) String() string {
	s := fmt.Sprintf("Si3050 rev %c", 'A'+rune(i.Revision)-1)
	switch i.LineSide {
	case 0:
		return s
	case si3018, si3019:
		s += fmt.Sprintf(" + Si30%d", 17+int(i.LineSide+1)/2)
	case si3011:
		s += " + Si3011"
	default:
		return s + fmt.Sprintf(" + line side %d", i.LineSide)
	}
	return s + fmt.Sprintf(" rev %c", 'A'+rune(i.LineRevision)-1)
}

// Stats counts what a chip had to be helped with.
type Stats struct {
	Repairs    uint64 // lost writes of the hook switch register, written again
	BadReads   uint64 // register values that cannot be, read again
	TrainsLost uint64 // trains of pulses that were too many
}

// Chip is one Si3050.
type Chip struct {
	conn spi.Conn
	cfg  Config

	w, r [3]byte
	pkt  [3]spi.Packet

	up     bool
	fault  error // of Poll, until Recover
	ident  Ident
	line   board.Line
	stats  Stats
	senses senses

	seized   bool      // wanted
	hook     byte      // register 5 as wanted
	misses   int       // polls in a row that found register 5 otherwise
	hookAt   time.Time // of the last change of the hook switch
	voiceAt  time.Time
	quick    bool // no calibration at off hook
	pulses   pulses
	guarded  bool // OPE is set
	watching bool // WDTEN is set
	events   [8]board.Event
}

// New returns a chip on conn: mode 3, eight bits, at most 16 MHz. It does not touch it.
func New(conn spi.Conn, cfg Config) *Chip {
	c := &Chip{conn: conn, cfg: cfg, hook: regONHM}
	for i := range c.pkt { // one chip select pulse a byte
		c.pkt[i] = spi.Packet{W: c.w[i : i+1], R: c.r[i : i+1]}
	}
	return c
}

// Ident gives what PowerUp or Identify found.
func (c *Chip) Ident() Ident { return c.ident }

// Stats gives the counters since New.
func (c *Chip) Stats() Stats { return c.stats }

// Control bytes of a chip that is alone on its chip select (§5.35).
const (
	ctlWrite = 0x20
	ctlRead  = 0x60
)

// write writes a register.
func (c *Chip) write(reg, v byte) error {
	c.w = [3]byte{ctlWrite, reg, v}
	if err := c.conn.TxPackets(c.pkt[:]); err != nil {
		return fmt.Errorf("si3050: write register %d: %w", reg, err)
	}
	return nil
}

// read reads a register.
func (c *Chip) read(reg byte) (byte, error) {
	c.w = [3]byte{ctlRead, reg, 0}
	if err := c.conn.TxPackets(c.pkt[:]); err != nil {
		return 0, fmt.Errorf("si3050: read register %d: %w", reg, err)
	}
	return c.r[2], nil
}

// flush brings the chip's byte machine back to its first byte: 0 is no control byte,
// and neither a register that exists nor, after a reset, a value that stays.
func (c *Chip) flush() error {
	c.w = [3]byte{}
	if err := c.conn.TxPackets(c.pkt[:]); err != nil {
		return fmt.Errorf("si3050: flush: %w", err)
	}
	return nil
}

// tries bounds the repeats of a verified write.
const tries = 3

// set writes a register and reads it back, the bits of mask having to agree.
func (c *Chip) set(reg, v, mask byte) error {
	var got byte
	for range tries {
		if err := c.write(reg, v); err != nil {
			return err
		}
		var err error
		if got, err = c.read(reg); err != nil {
			return err
		}
		if (got^v)&mask == 0 {
			return nil
		}
	}
	return fmt.Errorf("si3050: register %d reads %#02x after %#02x was written: %w", reg, got, v, ErrVerify)
}

// wait waits for d or the end of ctx.
func wait(ctx context.Context, d time.Duration) error {
	if board.Wait(ctx, d) != nil {
		return fmt.Errorf("si3050: %w", context.Cause(ctx))
	}
	return nil
}
