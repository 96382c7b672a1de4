package si321x

import (
	"context"
	"fmt"
	"time"

	"sotto/board"
)

const (
	converterTime   = 500 * time.Millisecond
	converterPoll   = 10 * time.Millisecond
	converterMargin = 6.0  // volts that the battery may be below its target
	foreignVolts    = 10.0 // on the open line, from which on they are not ours
	foreignTime     = 300 * time.Millisecond
)

// Registers that are the same on every line.
const (
	commonModeSteps = 4    // 6 V
	lowBatterySteps = 0x10 // 24 V off hook
	minMilliamps    = 20
	maxMilliamps    = 41
	milliampsStep   = 3
	hookSteps       = 8 // of 1.25 ms
)

// HookDebounce is how long the loop must be closed or open until the chip says so.
const HookDebounce = hookSteps * debounceStep

const debounceStep = 1250 * time.Microsecond

// step is a stage of power-up; its name is in the error when it fails.
type step struct {
	name string
	run  func(*Chip, context.Context) error
}

// The order is the data sheet's: the indirect registers hold noise after reset, and
// a converter that ran on them could put any voltage on the line.
var (
	beforeCalibration = []step{
		{"switch converter off", (*Chip).switchOff},
		{"write indirect registers", (*Chip).writeIndirects},
		{"write registers", (*Chip).writeRegisters},
		{"look for foreign voltage", (*Chip).lookForForeign},
		{"raise converter", (*Chip).raise},
	}
	calibration = []step{
		{"test for leaks", (*Chip).testLeak},
		{"raise converter again", (*Chip).raise},
		{"look at the hook", (*Chip).lookAtHook},
		{"calibrate", (*Chip).calibrate},
		{"calibrate converter", (*Chip).calibrateConverter},
		{"save calibration", (*Chip).saveCalibration},
	}
	restoration      = []step{{"restore calibration", (*Chip).restoreCalibration}}
	afterCalibration = []step{
		{"restore filters", (*Chip).restoreFilters},
		{"verify indirect registers", (*Chip).verifyIndirects},
		{"program slots", (*Chip).programSlots},
		{"enable interrupts", (*Chip).enableInterrupts},
		{"feed the line", (*Chip).feedLine},
	}
)

// PowerUp takes a chip from reset to the state last signalled (Idle at first), with
// everything calibrated; about a second and a half. The telephone should be on hook;
// if it is not, the port works uncalibrated until Service asks for Recover. An error
// names the step that failed; converter and line are then off.
func (c *Chip) PowerUp(ctx context.Context) error {
	if _, err := c.Identify(ctx); err != nil {
		c.fail(NeedsRecovery, err)
		return err
	}
	c.calibrated = false
	return c.bringUp(ctx)
}

// Recover brings a chip back that reset itself or that was given up, into the state
// last signalled; a ringing line becomes Idle. It reuses the calibration if there is
// one and then takes some 200 ms. Errors are those of PowerUp.
func (c *Chip) Recover(ctx context.Context) error {
	ident, err := c.identify(ctx)
	if err == nil && c.known && ident != c.ident {
		err = fmt.Errorf("%v answers instead of %v: %w", ident, c.ident, ErrNoChip)
	}
	if err != nil {
		err = fmt.Errorf("recover: %w", err)
		c.fail(NeedsRecovery, err)
		return err
	}
	c.ident, c.known = ident, true
	return c.bringUp(ctx)
}

func (c *Chip) bringUp(ctx context.Context) error {
	c.condition, c.cause, c.found = Down, ErrDown, Findings{}
	middle := calibration
	if c.calibrated {
		middle = restoration
	}
	for _, steps := range [][]step{beforeCalibration, middle, afterCalibration} {
		for _, s := range steps {
			if err := s.run(c, ctx); err != nil {
				err = fmt.Errorf("%s: %w", s.name, err)
				c.off() // the first error counts
				c.fail(NeedsRecovery, err)
				return err
			}
		}
	}
	c.condition, c.cause = InService, nil
	c.alarms, c.bad = 0, 0
	return nil
}

func (c *Chip) fail(to Condition, cause error) {
	c.condition, c.cause = to, cause
}

func (c *Chip) switchOff(context.Context) error { return c.off() }

// off takes feed and battery off the line.
func (c *Chip) off() error {
	c.feed = feedOpen
	err := c.bus.write(regLinefeed, feedOpen)
	if e := c.bus.write(regPowerDown, converterOff); err == nil {
		err = e
	}
	return err
}

// flushed tells whether an indirect register is a filter that power-up empties.
func flushed(a byte) bool { return a >= indNCLR && a <= indNQ56 }

func (c *Chip) writeIndirects(ctx context.Context) error {
	for _, i := range indirects {
		addr, v := c.address(i.addr), c.line.value(i)
		if addr == notOnThe3215 {
			continue
		}
		if flushed(i.addr) {
			v = filterFlush
		}
		if err := c.bus.writeIndirect(ctx, addr, v); err != nil {
			return err
		}
		// Checked before the converter relies on it.
		if err := c.bus.verifyIndirect(ctx, addr, v); err != nil {
			return err
		}
	}
	return nil
}

func (c *Chip) writeRegisters(context.Context) error {
	mA := c.cfg.LoopMilliamps
	if mA == 0 {
		mA = minMilliamps
	}
	if mA < minMilliamps || mA > maxMilliamps {
		return fmt.Errorf("loop current %d mA: %w", mA, ErrUnsupported)
	}
	period, delay := c.converter()
	if err := c.bus.setAll([]setting{
		{regLoopback, 0}, {regAutomatic, automatic}, {regBattery, trackBattery},
		{regAudioGain, 0}, {regOsc1, 0}, {regOsc2, 0}, {regRingOsc, 0},
		{regLoopCurrent, byte((mA - minMilliamps) / milliampsStep)},
		{regVCM, commonModeSteps}, {regVBATL, lowBatterySteps}, {regHookDebounce, hookSteps},
		{regEnable1, 0}, {regEnable2, 0}, {regEnable3, 0},
		{regPWMPeriod, period},
	}); err != nil {
		return err
	}
	if err := c.bus.setAll(c.line.registers()); err != nil {
		return err
	}
	// Not read back: bits of the chip's own.
	if err := c.bus.write(regPWMDelay, delay); err != nil {
		return err
	}
	return c.bus.write(regEnhancements, enhancements)
}

func (c *Chip) converter() (period, delay byte) {
	period, delay = 0xff, 0x19
	if c.ident.MOSFET {
		period, delay = 0x60, 0x18
	}
	if c.cfg.PWMPeriod != 0 {
		period = c.cfg.PWMPeriod
	}
	if c.cfg.PWMDelay != 0 {
		delay = c.cfg.PWMDelay & delayMask
	}
	return period, delay
}

// lookForForeign wants the open line without voltage; what the line holds of the chip's
// own feed drains meanwhile.
func (c *Chip) lookForForeign(ctx context.Context) error {
	for end := time.Now().Add(foreignTime); ; {
		tip, ring, err := c.bus.read2(regTip, regRing)
		volts := monitorVolts * float64(max(tip, ring))
		if err != nil || volts <= foreignVolts {
			return err
		}
		if !time.Now().Before(end) {
			return fmt.Errorf("%.1f V with the line open: %w", volts, ErrForeignVoltage)
		}
		if err := board.Wait(ctx, converterPoll); err != nil {
			return err
		}
	}
}

func (c *Chip) raise(ctx context.Context) error {
	if err := c.bus.write(regPowerDown, 0); err != nil {
		return err
	}
	target := stepVolts*float64(c.line.vbath) - converterMargin
	for end := time.Now().Add(converterTime); ; {
		v, err := c.bus.read(regVBAT)
		if err != nil {
			return err
		}
		volts := monitorVolts * float64(v)
		if volts >= target {
			return nil
		}
		if !time.Now().Before(end) {
			return fmt.Errorf("battery reads %.1f V after %v: %w", volts, converterTime, ErrConverter)
		}
		if err := board.Wait(ctx, converterPoll); err != nil {
			return err
		}
	}
}

// restoreFilters ends the flush, and zeroes the RAM that the filters work in.
func (c *Chip) restoreFilters(ctx context.Context) error {
	for _, i := range indirects {
		if !flushed(i.addr) {
			continue
		}
		if err := c.bus.writeIndirect(ctx, c.address(i.addr), c.line.value(i)); err != nil {
			return err
		}
	}
	first, last := byte(88), byte(95)
	if c.ident.Part != Si3210 {
		first, last = 193, 211
	}
	for a := first; a <= last; a++ {
		if err := c.bus.writeIndirect(ctx, a, 0); err != nil {
			return err
		}
	}
	return nil
}

func (c *Chip) verifyIndirects(ctx context.Context) error {
	for _, i := range indirects {
		addr := c.address(i.addr)
		if addr == notOnThe3215 {
			continue
		}
		if err := c.bus.verifyIndirect(ctx, addr, c.line.value(i)); err != nil {
			return err
		}
	}
	return nil
}

func (c *Chip) programSlots(context.Context) error {
	const bits = 16
	tx, rx := c.cfg.Slot*bits+c.cfg.TXOffset, c.cfg.Slot*bits+c.cfg.RXOffset
	const most = 1<<10 - 1
	if min(tx, rx) < 0 || max(tx, rx) > most {
		return fmt.Errorf("slot %d: %w", c.cfg.Slot, ErrUnsupported)
	}
	if err := c.bus.setAll([]setting{
		{regTXSLow, byte(tx)}, {regTXSHigh, byte(tx >> 8)}, {regRXSLow, byte(rx)}, {regRXSHigh, byte(rx >> 8)},
	}); err != nil {
		return err
	}
	mode := byte(pcmLinear16)
	if c.ident.Part != Si3210 {
		mode |= familyBit
	}
	return c.bus.set(regPCMMode, mode)
}

func (c *Chip) enableInterrupts(context.Context) error {
	for reg := byte(regStatus1); reg <= regStatus3; reg++ {
		if err := c.bus.write(reg, 0xff); err != nil {
			return err
		}
	}
	return c.bus.set(regEnable2, 0xff) // hook, ring trip, power alarms
}

// feedLine puts the line into the state last signalled.
func (c *Chip) feedLine(context.Context) error {
	if c.want == board.Ring {
		c.want = c.idle()
	}
	c.refed = true
	return c.writeFeed(c.feedOf(c.want))
}
