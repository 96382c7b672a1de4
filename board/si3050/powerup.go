package si3050

import (
	"context"
	"fmt"
	"time"
)

// Registers and bits (§6).
const (
	regControl1   = 1
	regControl2   = 2
	regInterrupts = 4
	regHook       = 5
	regPower      = 6
	regIdent      = 11
	regStatus     = 12
	regLineIdent  = 13
	regDC1        = 16
	regCal        = 17
	regRingMode   = 18
	regOverload   = 19
	regRing1      = 22
	regRing2      = 23
	regRing3      = 24
	regResistor   = 25
	regDC2        = 26
	regCurrent    = 28
	regVolts      = 29
	regAC         = 30
	regDAA        = 31
	regPCM        = 33
	regTXStart    = 34
	regRXStart    = 36
	regGainTX     = 38 // towards the line
	regGainRX     = 39 // from the line
	regFineTX     = 40
	regFineRX     = 41
	regSpark      = 59

	bitReset    = 0x80 // register 1
	bitWatchdog = 0x10 // register 2
	regONHM     = 0x08 // register 5
	regOH       = 0x01
	bitsRing    = 0x60 // RDTN, RDTP
	bitRDT      = 0x04
	badHook     = 0x92 // bits of register 5 that are always 0
	bitPDL      = 0x10 // register 6
	bitFDT      = 0x40 // register 12
	badStatus   = 0xA0
	bitOPE      = 0x08 // register 17
	pcmLinear   = 0x39 // register 33: enabled, 16-bit linear, release early
)

const (
	chipLimit  = 50 * time.Millisecond // until register 2 has its reset value
	resetTime  = 100 * time.Millisecond
	lockLimit  = 2 * time.Second // lock takes under 10 ms; drivers in the field give it 2 s
	lockPeriod = 2 * time.Millisecond

	ringConfirm = 256 * time.Millisecond // RCC as set below
	ringTimeout = 512 * time.Millisecond
)

// Identify reads what the chip is. The revision of the line side needs the isolation
// link, so a line side that is powered down is powered up for as long. A chip that
// does not answer gives ErrNoChip with what was read, a dead link ErrFrameLock with
// the part of Ident that is known.
func (c *Chip) Identify(ctx context.Context) (Ident, error) {
	if err := c.findChip(ctx, "identify"); err != nil {
		return Ident{}, err
	}
	power, err := c.read(regPower)
	if err != nil {
		return Ident{}, err
	}
	if power&bitPDL != 0 {
		if err := c.write(regPower, 0); err != nil {
			return Ident{}, err
		}
	}
	err = c.readIdent(ctx)
	if power&bitPDL != 0 {
		if e := c.write(regPower, bitPDL); err == nil {
			err = e
		}
	}
	return c.ident, err
}

// findChip waits for register 2 to be what it is after a reset. The watchdog bit may
// be left from before.
func (c *Chip) findChip(ctx context.Context, step string) error {
	if err := c.flush(); err != nil {
		return err
	}
	var v byte
	for t := time.Duration(0); t <= chipLimit; t += 5 * time.Millisecond {
		if t > 0 {
			if err := wait(ctx, 5*time.Millisecond); err != nil {
				return err
			}
		}
		var err error
		if v, err = c.read(regControl2); err != nil {
			return err
		}
		if v&^bitWatchdog == 0x03 {
			return nil
		}
	}
	return fmt.Errorf("si3050: %s: register 2 reads %#02x, want 0x03: %w", step, v, ErrNoChip)
}

// readIdent waits for frame lock and reads the identification.
func (c *Chip) readIdent(ctx context.Context) error {
	v, err := c.read(regIdent)
	if err != nil {
		return err
	}
	c.ident = Ident{Revision: v & 0x0F}
	for t := time.Duration(0); ; t += lockPeriod {
		if v, err = c.read(regStatus); err != nil {
			return err
		}
		if v&bitFDT != 0 && v&badStatus == 0 {
			break
		}
		if t >= lockLimit {
			return fmt.Errorf("si3050: register 12 reads %#02x: %w", v, ErrFrameLock)
		}
		if err := wait(ctx, lockPeriod); err != nil {
			return err
		}
	}
	if v, err = c.read(regIdent); err != nil {
		return err
	}
	side := v >> 4
	if v, err = c.read(regLineIdent); err != nil {
		return err
	}
	if side != si3018 && side != si3019 && side != si3011 || v&0x40 == 0 {
		return fmt.Errorf("si3050: register 11 reads %#02x, register 13 %#02x: %w", side<<4|c.ident.Revision, v, ErrLineSide)
	}
	c.ident.LineSide, c.ident.LineRevision = side, v>>2&0x0F
	return nil
}

// PowerUp resets the chip by software and brings it into service: on hook, its slot
// on the highway, ring detection running, the line parameters of the last Apply (those
// of North America before the first). It takes about 120 ms. On an error the chip is
// down and may be tried again.
func (c *Chip) PowerUp(ctx context.Context) error {
	c.up = false
	if err := c.findChip(ctx, "power up"); err != nil {
		return err
	}
	if err := c.write(regControl1, bitReset); err != nil {
		return err
	}
	if err := wait(ctx, resetTime); err != nil {
		return err
	}
	if err := c.findChip(ctx, "software reset"); err != nil {
		return err
	}
	if err := c.configure(); err != nil {
		return err
	}
	if err := c.write(regPower, 0); err != nil {
		return err
	}
	if err := c.readIdent(ctx); err != nil {
		return err
	}
	// Power-up leaves ring and drop-out interrupts that have no cause.
	if err := c.write(regInterrupts, 0); err != nil {
		return err
	}
	if err := c.applyLine(&c.line); err != nil {
		return err
	}
	if err := c.setHook(regONHM); err != nil {
		return err
	}
	c.seized, c.guarded, c.watching, c.misses = false, false, false, 0
	c.quick, c.pulses = false, pulses{}
	c.fault = nil
	c.hookAt = time.Now()
	c.senses.restart(c.hookAt)
	c.senses.sign = 0 // it may have turned unseen
	c.up = true
	return nil
}

// configure sets what does not depend on the line: a scratch test of the bus, the slot
// (before PCM is enabled), and ring detection validated by hardware.
//
// The ring detector takes 10 to 83 Hz (RAS 25, RMX 22) for 256 ms (RCC 3) as a ring.
// RDLY is 0: a delay of the report beyond the ring timeout would hide short rings.
func (c *Chip) configure() error {
	start := c.cfg.Start
	if start < 0 || start > 1023 {
		return fmt.Errorf("si3050: slot start %d: %w", start, ErrLine)
	}
	timeout := byte(max(1, min(15, (c.ringTimeout()+64*time.Millisecond)/(128*time.Millisecond))))
	lo, hi := byte(start), byte(start>>8)
	for _, s := range [...]struct{ reg, v, mask byte }{
		{regRXStart, 0x5A, 0xFF},
		{regRXStart, 0xA5, 0xFF},
		{regTXStart, lo, 0xFF}, {regTXStart + 1, hi, 0x03},
		{regRXStart, lo, 0xFF}, {regRXStart + 1, hi, 0x03},
		{regPCM, pcmLinear, 0xFF},
		{regRingMode, 0, 0x02},
		{regRing1, 22, 0xFF},
		{regRing2, timeout<<3 | 3, 0xFF},
		{regRing3, 0x80 | 25, 0xFF},
	} {
		if err := c.set(s.reg, s.v, s.mask); err != nil {
			return err
		}
	}
	return nil
}

func (c *Chip) ringTimeout() time.Duration {
	if c.cfg.RingTimeout == 0 {
		return ringTimeout
	}
	return c.cfg.RingTimeout
}

// Recover brings a chip back after a fault, into the state last asked of it with Apply
// and Set. After ErrOverload that is on hook.
func (c *Chip) Recover(ctx context.Context) error {
	seize := c.seized
	if err := c.PowerUp(ctx); err != nil {
		c.seized = seize
		return err
	}
	if seize {
		return c.seize()
	}
	return nil
}

// Close puts the line on hook, powers the line side down and takes the chip off the
// highway. It tries each step even when one before it fails, and gives the first error.
func (c *Chip) Close() error {
	c.up, c.seized, c.pulses = false, false, pulses{}
	err := c.setHook(0)
	if e := c.write(regPower, bitPDL); err == nil {
		err = e
	}
	if e := c.write(regPCM, 0); err == nil {
		err = e
	}
	return err
}
