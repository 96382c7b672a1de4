package si321x

import (
	"errors"
	"fmt"

	"sotto/board"
)

// feedTries bounds the writes of one state of the linefeed: now and then one is lost.
const feedTries = 5

// Set puts the line into the state that a signal names: Idle, Reverse, Ring,
// OnHookTransmit (with the polarity of the last Idle or Reverse) or OpenLoop. The chip's
// answer is checked. In the state that the line is in, it does nothing; when the port is
// not in service the state is kept for later. ErrOffHook: a Ring while the telephone is
// off the hook; the line stays as it is. ErrVerify or ErrNoChip: the chip does not take
// the state. ErrUnsupported: not a signal of a station.
func (c *Chip) Set(k board.SignalKind) error {
	switch k {
	case board.Idle, board.Reverse, board.Ring, board.OnHookTransmit, board.OpenLoop:
	default:
		return fmt.Errorf("signal %v: %w", k, ErrUnsupported)
	}
	if k == c.want {
		return nil
	}
	if k == board.Ring && c.offHook {
		return ErrOffHook
	}
	was := c.reverse
	switch k {
	case board.Idle:
		c.reverse = false
	case board.Reverse:
		c.reverse = true
	}
	if c.condition == InService {
		open := c.feed == feedOpen || c.feed == feedRinging
		if err := c.writeFeed(c.feedOf(k)); err != nil {
			c.reverse = was
			return fmt.Errorf("signal %v: %w", k, err)
		}
		if open {
			c.refed = true
		}
	}
	c.want = k
	return nil
}

// idle is the signal of a fed line with the polarity it has.
func (c *Chip) idle() board.SignalKind {
	if c.reverse {
		return board.Reverse
	}
	return board.Idle
}

// feedOf gives the linefeed state of a signal.
func (c *Chip) feedOf(k board.SignalKind) (feed byte) {
	switch k {
	case board.Ring:
		return feedRinging
	case board.OnHookTransmit:
		feed = feedTransmit
	case board.OpenLoop:
		return feedOpen
	default:
		feed = feedActive
	}
	if c.reverse {
		feed |= feedReverse
	}
	return feed
}

// writeFeed requests a linefeed state until the register shows the request.
func (c *Chip) writeFeed(feed byte) error {
	var v byte
	for range feedTries {
		var err error
		if v, err = c.bus.writeRead(regLinefeed, feed); err != nil {
			return err
		}
		if v == 0xff {
			return &NoChipError{regLinefeed, v, "a linefeed state"}
		}
		if v&feedRequestedMask == feed {
			c.feed = feed
			return nil
		}
	}
	return fmt.Errorf("linefeed reads %#02x after %d writes of %d: %w", v, feedTries, feed, ErrVerify)
}

// Measure reads the voltages and the current of the line as the chip sees them.
// TipVolts and RingVolts are against ground and so negative; FeedVolts is the size of
// the battery. Volts is positive in normal polarity. ErrDown: not powered up.
func (c *Chip) Measure() (r board.LineReport, err error) {
	if !c.up() {
		return r, fmt.Errorf("measure: %w", ErrDown)
	}
	var v [6]byte
	for i, reg := range [...]byte{regLoopStatus, regLoopVoltage, regLoopSense, regTip, regRing, regVBAT} {
		if v[i], err = c.bus.read(reg); err != nil {
			return r, fmt.Errorf("measure: %w", err)
		}
	}
	if v[0]&loopStatusZero != 0 {
		return r, fmt.Errorf("measure: %w", &NoChipError{regLoopStatus, v[0], "bits 7:3 zero"})
	}
	signed := func(v byte, step float64) float64 {
		x := float64(v&^signBit) * step
		if v&signBit != 0 {
			return -x
		}
		return x
	}
	return board.LineReport{
		OffHook: v[0]&loopClosed != 0, Volts: signed(v[1], stepVolts), Milliamps: signed(v[2], stepMilliamps),
		TipVolts: -monitorVolts * float64(v[3]), RingVolts: -monitorVolts * float64(v[4]), FeedVolts: monitorVolts * float64(v[5]),
	}, nil
}

// Close opens the line and switches codec, interrupts and converter off. The Chip can
// be powered up again after a reset.
func (c *Chip) Close() error {
	if c.condition == Down {
		return nil
	}
	err := errors.Join(
		c.writeFeed(feedOpen),
		c.off(),
		c.bus.write(regEnable2, 0),
		c.bus.write(regPCMMode, 0),
	)
	c.fail(Down, ErrDown)
	c.want, c.reverse, c.offHook = board.Idle, false, false
	if err != nil {
		return fmt.Errorf("close: %w", err)
	}
	return nil
}
