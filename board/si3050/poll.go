package si3050

import (
	"errors"
	"fmt"
	"math"
	"time"

	"sotto/board"
)

var errDown = fmt.Errorf("si3050: %w", ErrDown)

// maxMisses is how many polls in a row may find the hook switch register otherwise
// than wanted before that is a fault.
const maxMisses = 5

// Poll looks at the line and gives what happened since the last Poll, in order; the
// slice is good until the next call, Port and Seq are for the caller to fill in. Call
// it each 10 to 20 ms with the time of the call. It reads three or four registers. Behind
// a Si3018, which does not measure the voltage, a reversal shows for some 15 ms only and
// is missed by slower polls than each 10 ms; a line that is missing or in use by another
// set is never seen.
//
// The line is taken to be present and free at first: there is no event to say so.
//
// An error is a fault of the chip, never of the telephone line. It wraps ErrFrameLock,
// ErrReset, ErrNoChip, ErrHook, ErrOverload or the error of the bus, stays until
// Recover, and is the moment to report board.PortFailed.
func (c *Chip) Poll(now time.Time) ([]board.Event, error) {
	switch {
	case c.fault != nil:
		return nil, c.fault
	case !c.up:
		return nil, errDown
	}
	err := c.poll(now)
	if err != nil && !c.named(err) { // the bus: once more
		c.stats.BadReads++
		if err = c.flush(); err == nil {
			err = c.poll(now)
		}
	}
	if err != nil {
		c.fault = err
		return nil, err
	}
	return c.events[:c.senses.n], nil
}

// named tells a finding about the chip from a failure of the bus.
func (c *Chip) named(err error) bool {
	for _, e := range [...]error{ErrFrameLock, ErrReset, ErrNoChip, ErrHook, ErrOverload, ErrVerify} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func (c *Chip) poll(now time.Time) error {
	c.senses.n = 0
	if c.cfg.Watchdog && !c.watching { // only now: polling runs
		if err := c.set(regControl2, 0x03|bitWatchdog, 0xFF); err != nil {
			return err
		}
		c.watching = true
	}
	// Without frame lock nothing else that is read below means anything (§5.8).
	status, err := c.readSane(regStatus, badStatus, bitFDT)
	if err != nil {
		return err
	}
	if status&bitFDT == 0 || status&badStatus != 0 {
		return c.diagnose(status)
	}
	hook, err := c.readSane(regHook, badHook, 0)
	if err != nil {
		return err
	}
	if (hook^c.hook)&(regOH|regONHM|badHook) != 0 {
		return c.repair(now, hook)
	}
	c.misses = 0
	if c.pulses.n > 0 { // what is seen now is of our own making
		return nil
	}
	if closed := c.hook&regOH != 0; closed != c.senses.seized { // a Set that failed got through after all
		if closed {
			c.closed(now)
		} else {
			c.hookAt = now
			c.senses.restart(now)
		}
	}

	x := sample{at: now, rdt: hook&bitRDT != 0, edges: hook & bitsRing, current: status&0x1F != 0}
	if c.seized {
		v, err := c.read(regOverload)
		if err != nil {
			return err
		}
		if v&1 != 0 && c.guarded {
			return c.overload()
		}
		// Below the minimum current the measurement is worth nothing; DOD then tells
		// whether the line is there (§5.12.2).
		x.current = x.current || v&2 == 0
		// Where the chip limits the current itself, too much of it is no fault.
		if !c.guarded && !c.line.DC.Limit60 && now.Sub(c.hookAt) >= guardTime {
			if err := c.protect(true); err != nil {
				return err
			}
		}
	}
	if x.hasVolts = c.ident.LineSide != si3018; x.hasVolts {
		v, err := c.read(regVolts)
		if err != nil {
			return err
		}
		x.volts = int(int8(v))
	}
	c.senses.step(x, c.ringTimeout(), &c.events)
	return nil
}

// readSane reads a register, again when bits that are always 0 are not or wanted ones
// are missing.
func (c *Chip) readSane(reg, never, want byte) (v byte, err error) {
	for range tries {
		if v, err = c.read(reg); err != nil {
			return 0, err
		}
		if v&never == 0 && v&want == want {
			return v, nil
		}
		c.stats.BadReads++
	}
	return v, nil
}

// diagnose finds out why there is no frame lock.
func (c *Chip) diagnose(status byte) error {
	v, err := c.read(regControl2)
	if err != nil {
		return err
	}
	if v&^bitWatchdog != 0x03 {
		return fmt.Errorf("si3050: register 2 reads %#02x, register 12 %#02x: %w", v, status, ErrNoChip)
	}
	if v, err = c.read(regPCM); err != nil {
		return err
	}
	if v != pcmLinear {
		return fmt.Errorf("si3050: register 33 reads %#02x: %w", v, ErrReset)
	}
	return fmt.Errorf("si3050: register 12 reads %#02x: %w", status, ErrFrameLock)
}

// repair writes the hook switch register again: a write was lost, or the chip's
// watchdog released the line.
func (c *Chip) repair(now time.Time, found byte) error {
	if c.misses++; c.misses > maxMisses {
		return fmt.Errorf("si3050: register 5 reads %#02x, want %#02x: %w", found, c.hook, ErrHook)
	}
	c.stats.Repairs++
	if c.hook&regOH != 0 {
		if err := c.protect(false); err != nil {
			return err
		}
	}
	if err := c.write(regHook, c.hook); err != nil {
		return err
	}
	if (found^c.hook)&regOH != 0 && c.pulses.n == 0 {
		if c.seized {
			c.closed(now)
		} else {
			c.hookAt = now
			c.senses.restart(now)
		}
	}
	return nil
}

// overload releases a line that carries too much current.
func (c *Chip) overload() error {
	err := fmt.Errorf("si3050: register 19: %w", ErrOverload)
	return errors.Join(err, c.release())
}

// Measure reads voltage and current of the line; both are 0 where the line side cannot
// tell. OffHook is that the line is seized, here or by another set. Without frame lock
// it gives ErrFrameLock and a report that is not Registered.
func (c *Chip) Measure() (board.LineReport, error) {
	var m board.LineReport
	if !c.up {
		return m, errDown
	}
	status, err := c.readSane(regStatus, badStatus, bitFDT)
	if err != nil {
		return m, err
	}
	if status&bitFDT == 0 || status&badStatus != 0 {
		return m, c.diagnose(status)
	}
	m.Registered = true
	m.Milliamps = float64(status&0x1F) * 3.3
	if c.ident.LineSide != si3018 {
		v, err := c.read(regVolts)
		if err != nil {
			return m, err
		}
		m.Volts = float64(int8(v))
		if v, err = c.read(regCurrent); err != nil {
			return m, err
		}
		m.Milliamps = math.Copysign(float64(v)*1.1, m.Volts)
	}
	m.OffHook = c.seized || c.senses.state == lineInUse
	return m, nil
}
