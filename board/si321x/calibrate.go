package si321x

import (
	"context"
	"fmt"
	"time"

	"sotto/board"
)

const (
	leakSettle    = 20 * time.Millisecond // the monitor may read 0 before
	leakTime      = 500 * time.Millisecond
	leakLevel     = 0x06                   // of regVBAT: an unloaded battery stays above it
	hookTime      = 200 * time.Millisecond // line fed, to see the hook and settle the balance
	calibrateTime = 2 * time.Second        // data sheet: 600 ms
	calibratePoll = 10 * time.Millisecond
)

// testLeak lets the battery drain: into the chip alone that takes its time.
func (c *Chip) testLeak(ctx context.Context) error {
	if err := c.off(); err != nil {
		return err
	}
	end := time.Now().Add(leakTime)
	for wait := leakSettle; time.Now().Before(end); wait = converterPoll {
		if err := board.Wait(ctx, wait); err != nil {
			return err
		}
		v, err := c.bus.read(regVBAT)
		if err != nil {
			return err
		}
		if v < leakLevel {
			c.found.Leak = true
			return nil
		}
	}
	return nil
}

// lookAtHook feeds the line for a moment: a calibration into a closed loop is worse
// than none, and that of the balance wants a line that has been fed.
func (c *Chip) lookAtHook(ctx context.Context) error {
	if err := c.writeFeed(feedActive); err != nil {
		return err
	}
	if err := board.Wait(ctx, hookTime); err != nil {
		return err
	}
	v, err := c.bus.read(regLoopStatus)
	if err != nil {
		return err
	}
	if v&loopStatusZero != 0 {
		return &NoChipError{regLoopStatus, v, "bits 7:3 zero"}
	}
	c.found.OffHook = v&loopClosed != 0
	return c.writeFeed(feedOpen)
}

func (c *Chip) calibrate(ctx context.Context) error {
	if c.found.OffHook {
		return nil
	}
	if err := c.bus.write(regStatus3, calBalanceFailed); err != nil {
		return err
	}
	for try := 0; ; try++ {
		if err := c.bus.write(regCalibrate2, calibrateAll2); err != nil {
			return err
		}
		if err := c.bus.write(regCalibrate1, calibrateAll1); err != nil {
			return err
		}
		v, err := c.await(ctx, regCalibrate1, 0xff)
		if err != nil {
			return err
		}
		if v == 0 {
			break
		}
		if c.found.SecondTry = true; try == 1 {
			return fmt.Errorf("register %d reads %#02x after %v, twice: %w", regCalibrate1, v, calibrateTime, ErrCalibration)
		}
	}
	v, err := c.bus.read(regStatus3)
	c.found.Unbalanced = v&calBalanceFailed != 0
	return err
}

func (c *Chip) calibrateConverter(ctx context.Context) error {
	_, delay := c.converter()
	if err := c.bus.write(regPWMDelay, delay|delayCalibrate); err != nil {
		return err
	}
	v, err := c.await(ctx, regPWMDelay, delayCalibrate)
	if err != nil {
		return err
	}
	if v != 0 {
		return fmt.Errorf("register %d reads %#02x after %v: %w", regPWMDelay, v, calibrateTime, ErrCalibration)
	}
	if v, err = c.bus.read(regPeakCurrent); err != nil {
		return err
	}
	if v < peakLow || v > peakHigh {
		c.found.CurrentMonitor = true
		return c.bus.set(regPeakCurrent, peakDefault)
	}
	return nil
}

// await polls a register until the bits of mask are zero, or gives what they read when
// the time of a calibration is over.
func (c *Chip) await(ctx context.Context, reg, mask byte) (byte, error) {
	for end := time.Now().Add(calibrateTime); ; {
		v, err := c.bus.read(reg)
		if v &= mask; err != nil || v == 0 || !time.Now().Before(end) {
			return v, err
		}
		if err := board.Wait(ctx, calibratePoll); err != nil {
			return v, err
		}
	}
}

func (c *Chip) saveCalibration(context.Context) (err error) {
	if c.found.OffHook {
		return nil
	}
	for i := range c.results {
		if c.results[i], err = c.bus.read(regCalFirst + byte(i)); err != nil {
			return err
		}
	}
	c.calibrated = true
	return nil
}

func (c *Chip) restoreCalibration(context.Context) error {
	c.found.ReusedCalibration = true
	for i, v := range c.results {
		if err := c.bus.set(regCalFirst+byte(i), v); err != nil {
			return err
		}
	}
	return nil
}
