package si321x

import (
	"fmt"
	"strings"
	"time"

	"sotto/board"
)

// Condition is where a port is in its life.
type Condition uint8

const (
	Down          Condition = iota // before PowerUp, after Close
	InService                      // works
	Cooling                        // open after a power alarm; comes back by itself
	NeedsRecovery                  // Recover brings it back
	OutOfService                   // too many power alarms; Recover tries anew
)

var conditionNames = [...]string{"down", "in service", "cooling", "needs recovery", "out of service"}

func (c Condition) String() string { return conditionNames[c] }

// Transistors is a set of the line's transistors: bit 0 is Q1, bit 5 is Q6.
type Transistors uint8

// String lists them: "Q1 Q3".
func (t Transistors) String() string {
	var names []string
	for i := range 6 {
		if t>>i&1 != 0 {
			names = append(names, fmt.Sprintf("Q%d", i+1))
		}
	}
	return strings.Join(names, " ")
}

// Report is what Service found.
type Report struct {
	Condition Condition
	Cause     error // why Condition is not InService
	Changed   bool  // this Service changed Condition

	OffHook  bool      // the telephone, as last known
	Hook     bool      // OffHook changed, at At
	RingTrip bool      // it changed while the line rang: ringing has ended, the state is Idle or Reverse
	At       time.Time // of the hook itself: the interrupt's edge less the debounce
	Missed   bool      // the hook changed and changed back since the last Service

	Alarm        Transistors // overheated, when a power alarm opened the line; none if the chip does not say
	LinefeedLost bool        // the chip had lost the state of the line; it has been written again
	Recalibrate  bool        // PowerUp could not calibrate and the line is quiet now: a good time for Recover
}

// The policy of power alarms: the line is opened, and fed again after a pause that
// doubles with each alarm. Each ten seconds in service without an alarm forgive one.
const (
	alarmPause    = time.Second
	alarmPauseMax = 30 * time.Second
	alarmsMax     = 10
	alarmForgive  = 10 * time.Second
)

const (
	// feedSettle is how long an open loop is not believed after the line was fed anew:
	// the chip needs its debounce to see a telephone that is off the hook.
	feedSettle = 50 * time.Millisecond
	// badLimit is the number of services in a row without an answer that make the port
	// NeedsRecovery; one alone may be a disturbance.
	badLimit = 3
	// openedLimit is the number of services in a row that must find the line open against
	// our request, when no status bit tells of a power alarm.
	openedLimit = 2
	// quietTime on hook makes a line free for a calibration that was left out.
	quietTime = 10 * time.Second
)

var errBadStatus = fmt.Errorf("loop status unreadable: %w", ErrNoChip)

// Service looks after the port: on every interrupt, and as a poll every 10 to 100 ms,
// which also ends waiting times and finds what raised no interrupt. now is the time;
// edge is the time of the interrupt's edge, or zero in a poll. It takes a few accesses
// to the chip, waits for nothing, and when nothing happened allocates nothing.
//
// An error is one of the SPI port, or wraps ErrNoChip when the chip's answer makes no
// sense; the last state stays then, and after the third time in a row Report tells of
// the change of Condition.
func (c *Chip) Service(now, edge time.Time) (Report, error) {
	before := c.condition
	rep, err := c.service(now, edge)
	rep.Condition, rep.Cause, rep.OffHook = c.condition, c.cause, c.offHook
	rep.Changed = c.condition != before
	return rep, err
}

func (c *Chip) service(now, edge time.Time) (rep Report, err error) {
	switch c.condition {
	case InService:
	case Cooling:
		if now.Before(c.retryAt) {
			return rep, nil
		}
		return rep, c.feedAgain(now)
	default:
		return rep, nil
	}

	loop, status, err := c.bus.read2(regLoopStatus, regStatus2)
	if err == nil && loop&loopStatusZero != 0 {
		err = errBadStatus
	}
	if err == nil && status != 0 {
		// Only what was read is cleared; what comes after raises the interrupt anew. The
		// loop is read after that, so that no change is lost.
		if err = c.bus.write(regStatus2, status); err == nil {
			loop, err = c.bus.read(regLoopStatus)
		}
		if err == nil && loop&loopStatusZero != 0 {
			err = errBadStatus
		}
	}
	var feed, loopback byte
	if err == nil {
		feed, loopback, err = c.bus.read2(regLinefeed, regLoopback)
	}
	if err != nil {
		if c.bad++; c.bad >= badLimit {
			c.fail(NeedsRecovery, err)
		}
		return rep, err
	}
	c.bad = 0

	if loopback != 0 {
		c.fail(NeedsRecovery, ErrChipReset)
		return rep, nil
	}
	requested, actual := feed&feedRequestedMask, feed>>feedActualShift&feedRequestedMask
	rep.Alarm = Transistors(status >> statusPower)
	// The actual state may lag a moment behind the request: it counts when it stays.
	if c.feed == feedOpen || actual != feedOpen {
		c.opened = 0
	} else {
		c.opened++
	}
	if rep.Alarm != 0 || c.feed != feedOpen && requested == feedOpen || c.opened >= openedLimit {
		c.opened = 0
		c.alarm(now)
		return rep, nil
	}
	// The chip's own step to talking, which parts show in either field, is not a loss.
	talking := actual&^feedReverse == feedActive || requested&^feedReverse == feedActive
	tripped := c.feed == feedRinging && (status&statusRingTrip != 0 || talking && loop&(loopClosed|loopTripped) != 0)
	lifted := c.want == board.OnHookTransmit && talking && loop&loopClosed != 0
	if requested != c.feed && !tripped && !lifted {
		rep.LinefeedLost = true
		if err := c.writeFeed(c.feed); err != nil {
			return rep, fmt.Errorf("repair linefeed: %w", err)
		}
	}
	c.hook(&rep, now, edge, loop&loopClosed != 0, tripped, status)
	if err := c.leaveOnHookStates(tripped); err != nil {
		return rep, err
	}
	c.forgive(now)
	rep.Recalibrate = !c.calibrated && !c.offHook && c.want == board.Idle && now.Sub(c.quiet) >= quietTime
	return rep, nil
}

// hook finds changes of the hook.
func (c *Chip) hook(rep *Report, now, edge time.Time, closed, tripped bool, status byte) {
	if c.refed {
		c.refed, c.trust = false, now.Add(feedSettle)
	}
	if c.quiet.IsZero() {
		c.quiet = now
	}
	debounce := HookDebounce
	switch {
	case c.feed == feedOpen, c.feed == feedRinging && !tripped:
		return // no current, no news
	case tripped:
		rep.RingTrip, closed = true, true
		debounce = debounceStep * time.Duration(c.line.tripDebounce)
		c.trust = now.Add(feedSettle)
	}
	if closed == c.offHook {
		rep.Missed = status&statusLoop != 0 && !now.Before(c.trust)
		return
	}
	if !closed && now.Before(c.trust) {
		return
	}
	c.offHook, c.quiet = closed, now
	rep.Hook, rep.At = true, now
	if status&(statusLoop|statusRingTrip) != 0 && !edge.IsZero() {
		rep.At = edge.Add(-debounce)
	}
}

// leaveOnHookStates makes the chip's own step to talking lasting.
func (c *Chip) leaveOnHookStates(tripped bool) error {
	if !tripped && (c.want != board.OnHookTransmit || !c.offHook) {
		return nil
	}
	if err := c.writeFeed(c.feedOf(c.idle())); err != nil {
		return fmt.Errorf("end ringing: %w", err)
	}
	c.want = c.idle()
	return nil
}

// alarm opens the line after a power alarm.
func (c *Chip) alarm(now time.Time) {
	if c.want == board.Ring {
		c.want = c.idle()
	}
	if c.alarms++; c.alarms > alarmsMax {
		c.off()
		c.fail(OutOfService, ErrPowerAlarms)
		return
	}
	if err := c.writeFeed(feedOpen); err != nil {
		c.off()
		c.fail(NeedsRecovery, err)
		return
	}
	c.condition, c.cause = Cooling, ErrPowerAlarm
	c.retryAt = now.Add(min(alarmPause<<(c.alarms-1), alarmPauseMax))
}

// feedAgain ends the pause after a power alarm.
func (c *Chip) feedAgain(now time.Time) error {
	if v, err := c.bus.read(regLoopback); err != nil || v != 0 {
		if err == nil {
			err = ErrChipReset
		}
		c.fail(NeedsRecovery, err)
		return nil
	}
	err := c.bus.write(regStatus2, 0xff)
	if err == nil {
		if c.want == board.Ring {
			c.want = c.idle()
		}
		err = c.writeFeed(c.feedOf(c.want))
	}
	if err != nil {
		c.fail(NeedsRecovery, err)
		return err
	}
	c.condition, c.cause = InService, nil
	c.refed, c.forgiveAt = true, now.Add(alarmForgive)
	return nil
}

// forgive forgets alarms that were long ago.
func (c *Chip) forgive(now time.Time) {
	if c.alarms > 0 && !now.Before(c.forgiveAt) {
		c.alarms--
		c.forgiveAt = now.Add(alarmForgive)
	}
}
