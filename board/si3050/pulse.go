package si3050

import (
	"time"

	"sotto/board"
)

// Pulse dialling. The loop is opened and closed with the hook switch bit. The chip must
// not calibrate itself anew at each make (§5.21: RCALD, CALD), and the line has its voice
// back at once, so a hook flash is done the same way.
const (
	bitCALD  = 0x20 // register 17: no converter calibration
	bitRCALD = 0x20 // register 25: no resistor calibration
	fohShort = 0x60 // register 31: off-hook counter of 8 ms

	// quickMute is from a make to audio both ways without calibration.
	quickMute = 10 * time.Millisecond
	// maxTrains bounds the trains that wait for each other: a long number.
	maxTrains = 32
	// standstill is how late an edge may be before those after it move with it: a break
	// that was squeezed would be another digit.
	standstill = 5 * time.Millisecond
)

// Limits of a [board.Train].
const (
	minInterval = 10 * time.Millisecond
	maxInterval = time.Second
	maxPulses   = 10
)

// pulses is the trains under way.
type pulses struct {
	queue [maxTrains]board.Train
	n     int       // trains; the first is under way
	left  uint8     // its breaks to come
	begun bool      // its first break was made
	open  bool      // within a break
	from  time.Time // the break began, or will
	due   time.Time // of the next edge
}

// Pulse adds a train of breaks to those that are under way; a line that is not seized is
// left alone, and so it is by a train that there cannot be. The first break comes when the
// line has its voice, or now. [Chip.Step] does the work. More than 32 trains ahead are
// dropped, and counted.
func (c *Chip) Pulse(t board.Train, now time.Time) error {
	switch {
	case c.fault != nil:
		return c.fault
	case !c.up:
		return errDown
	case !c.seized, t.Count < 1, t.Count > maxPulses, t.Break < minInterval, t.Break > maxInterval, t.Make < 0, t.Make > maxInterval, t.Count > 1 && t.Make < minInterval:
		return nil
	}
	p := &c.pulses
	if p.n == len(p.queue) {
		c.stats.TrainsLost++
		return nil
	}
	if p.queue[p.n] = t; p.n == 0 {
		p.left, p.begun = t.Count, false
		p.due = later(now, c.voiceAt)
	}
	p.n++
	return nil
}

// Step makes the breaks and makes of pulses that are due at now and gives the time of
// the next one, zero if there is none. Each edge has its time from the beginning of the
// train, so that delays of the caller do not add up. An error is a fault of the chip, as
// that of Poll is, and ends all trains.
//
// On a released line it glances at the ring bits: one register. Called between two polls,
// and not in the middle, it lets the chip see ringing that has just begun, whatever its
// phase, before Set ends it.
func (c *Chip) Step(now time.Time) (next time.Time, err error) {
	p := &c.pulses
	if c.up && c.fault == nil && !c.seized {
		c.glance(now)
		return time.Time{}, nil
	}
	for p.n > 0 && !p.due.After(now) {
		if err := c.edge(now); err != nil {
			c.pulses, c.fault = pulses{}, err
			return time.Time{}, err
		}
	}
	if p.n == 0 {
		return time.Time{}, nil
	}
	return p.due, nil
}

// glance notes the ring bits. What is wrong with the register is for Poll to find out.
func (c *Chip) glance(now time.Time) {
	v, err := c.read(regHook)
	if err == nil && v&badHook == 0 {
		c.senses.stir(now, v&bitsRing)
	}
}

// edge does what is due.
func (c *Chip) edge(now time.Time) error {
	p := &c.pulses
	t := &p.queue[0]
	if now.Sub(p.due) > standstill {
		p.from = p.from.Add(now.Sub(p.due))
		p.due = now
	}
	switch {
	case p.open:
		if err := c.move(regONHM | regOH); err != nil {
			return err
		}
		p.open = false
		c.hookAt, c.voiceAt = now, now.Add(quickMute)
		c.senses.pulsed(now)
		p.left--
		p.due = later(p.from.Add(t.Break+t.Make), p.due)
	case p.left == 0: // the last make is over
		due := p.due
		p.n--
		copy(p.queue[:], p.queue[1:p.n+1])
		p.left, p.begun, p.due = p.queue[0].Count, false, due
	default:
		if !p.begun {
			if err := c.quicken(true); err != nil {
				return err
			}
			if err := c.protect(false); err != nil { // OPE must be 0 when going off hook
				return err
			}
			p.begun = true
		}
		if err := c.move(regONHM); err != nil {
			return err
		}
		p.open, p.from = true, p.due
		p.due = p.due.Add(t.Break + c.openLag())
	}
	return nil
}

// move writes the hook switch within a train. One disturbance of the bus is forgiven.
func (c *Chip) move(v byte) error {
	err := c.setHook(v)
	if err != nil && c.flush() == nil {
		c.stats.BadReads++
		err = c.setHook(v)
	}
	return err
}

// openLag is how much longer the hook switch takes to open than to close (OHS, OHS2).
func (c *Chip) openLag() time.Duration {
	switch c.line.DC.Hook {
	case board.HookETSI:
		return 3 * time.Millisecond
	case board.HookSlow:
		return 26 * time.Millisecond
	}
	return 0
}

// stopPulses ends all trains and gives whether one was under way. A break that is under
// way goes on.
func (c *Chip) stopPulses() bool {
	on := c.pulses.n > 0
	c.pulses = pulses{}
	return on
}

// quicken keeps the chip from calibrating itself when the hook switch closes, or lets it.
func (c *Chip) quicken(on bool) error {
	if on == c.quick {
		return nil
	}
	for _, s := range [...]struct{ reg, bits byte }{{regCal, bitCALD}, {regResistor, bitRCALD}, {regDAA, fohShort}} {
		v, err := c.read(s.reg)
		if err != nil {
			return err
		}
		mask := s.bits
		switch {
		case on:
			v |= s.bits
		case s.reg == regDAA:
			v = v&^fohShort | foh128
		default:
			v &^= s.bits
		}
		if err := c.set(s.reg, v, mask); err != nil {
			return err
		}
	}
	c.quick = on
	return nil
}
