package si3050

import (
	"errors"
	"fmt"
	"time"

	"sotto/board"
)

// muteTime is from the write of the hook switch to audio both ways: latency, off-hook
// counter of 128 ms, resistor and converter calibration (§5.25, figure 26: 402.75 ms).
const muteTime = 403 * time.Millisecond

// guardTime is when the overload protection may be switched on after going off hook (§5.12).
const guardTime = 25 * time.Millisecond

// Set releases or seizes the line, and ends pulses that are under way. A repeated signal
// does nothing more. A chip that is down
// or faulty gives ErrDown or its fault, and Recover carries the signal out. Signals of
// other kinds are not for an exchange line.
func (c *Chip) Set(kind board.SignalKind) error {
	if kind != board.Seize && kind != board.Release {
		return fmt.Errorf("si3050: signal %v is not for an exchange line", kind)
	}
	c.seized = kind == board.Seize
	closed := c.hook&regOH != 0
	pulsed := c.stopPulses()
	switch {
	case c.fault != nil:
		return c.fault
	case !c.up:
		return errDown
	case c.seized == closed && !pulsed:
		return nil
	case c.seized && pulsed: // the break that is under way ends
		if closed {
			return nil
		}
		now := time.Now()
		c.hookAt, c.voiceAt = now, now.Add(quickMute)
		c.senses.pulsed(now)
		return c.move(regONHM | regOH)
	case c.seized:
		return c.seize()
	}
	return c.release()
}

func (c *Chip) seize() error {
	c.seized = true
	if err := c.protect(false); err != nil { // OPE must be 0 when going off hook
		return err
	}
	if err := c.quicken(false); err != nil {
		return err
	}
	c.glance(time.Now()) // a ring that the chip could not confirm yet ends here
	if err := c.setHook(regONHM | regOH); err != nil {
		return err
	}
	c.closed(time.Now())
	return nil
}

// closed notes that the hook switch closed at now.
func (c *Chip) closed(now time.Time) {
	c.hookAt = now
	c.voiceAt = now.Add(muteTime)
	c.senses.seize(now)
}

func (c *Chip) release() error {
	c.seized = false
	c.stopPulses()
	if err := c.setHook(regONHM); err != nil {
		return err
	}
	c.hookAt = time.Now()
	c.senses.restart(c.hookAt)
	return c.protect(false)
}

// setHook writes register 5 and reads it back.
func (c *Chip) setHook(v byte) error {
	c.hook = v
	err := c.set(regHook, v, regOH|regONHM|badHook)
	if errors.Is(err, ErrVerify) {
		return fmt.Errorf("%w: %w", ErrHook, err)
	}
	return err
}

// protect switches the overload protection of the line side.
func (c *Chip) protect(on bool) error {
	if on == c.guarded {
		return nil
	}
	v, err := c.read(regCal)
	if err != nil {
		return err
	}
	v &^= bitOPE
	if on {
		v |= bitOPE
	}
	if err := c.set(regCal, v, bitOPE); err != nil {
		return err
	}
	c.guarded = on
	return nil
}

// VoiceReady tells whether the line is seized and the mute after off hook is over:
// before that neither tones are heard nor digits sent.
func (c *Chip) VoiceReady(now time.Time) bool {
	return c.up && c.seized && !now.Before(c.voiceAt)
}
