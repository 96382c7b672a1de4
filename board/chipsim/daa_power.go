package chipsim

import "time"

// Clock implements [Chip].
func (d *DAA) Clock(running bool) {
	now := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	if running && !d.clock {
		d.clockSince = now
	}
	if !running && d.clock && !d.resetPin {
		d.clockLost = true
		d.lineSideOn = false
		d.hook(now, false)
	}
	d.clock = running
}

// Reset implements [Chip].
func (d *DAA) Reset(asserted bool) {
	now := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case asserted && !d.resetPin:
		d.resetSince = now
		d.watchdog = false
		d.defaults()
	case !asserted && d.resetPin:
		if !d.clock || now.Sub(d.clockSince) < resetTime {
			d.violations.Add("Si3050: RESET released before PCLK had run for ten cycles")
		}
		if !d.resetSince.IsZero() && now.Sub(d.resetSince) < resetTime {
			d.violations.Add("Si3050: RESET pulse of %v is too short", now.Sub(d.resetSince))
		}
		d.clockLost = !d.clock
		d.readyAt = now.Add(pllTime)
		d.lastAccess = now
	}
	d.resetPin = asserted
}

// defaults is what a reset does to the registers.
func (d *DAA) defaults() {
	if d.closed || d.nEdges > 0 {
		d.hook(time.Now(), false)
	}
	d.reg = [64]byte{2: 0x03, 6: 0x10, 22: 0x96, 23: 0x2D, 24: 0x19, 25: 0x05, 31: 0x20, 32: 0x03}
	if d.watchdog { // only the RESET pin clears it
		d.reg[2] |= 0x10
	}
	d.written = 0
	d.phase = 0
	d.lineSideOn = false
	d.ring = ringDetector{}
	d.intLevel = false
}

// locked tells whether the isolation link has frame lock.
func (d *DAA) locked(now time.Time) bool {
	return d.lineSideOn && !d.faults.NoFrameLock && !now.Before(d.lockAt)
}

// advance moves the model on to now by what does not need the line.
func (d *DAA) advance(now time.Time) {
	if d.watchdog && d.reg[5]&regOH != 0 && now.Sub(d.lastAccess) >= watchdogTime {
		d.reg[5] &^= regOH
		d.hook(d.lastAccess.Add(watchdogTime), false)
	}
}

// hook moves the hook switch at now.
func (d *DAA) hook(now time.Time, closed bool) {
	at := now.Add(hookLatency)
	if closed {
		count := [4]time.Duration{512, 128, 64, 8}[d.reg[31]>>5&3] * time.Millisecond
		d.voiceAt = at.Add(count + offHookRest)
		if d.reg[25]&0x20 == 0 {
			d.voiceAt = d.voiceAt.Add(resistorCal)
		}
		if d.reg[17]&0x20 == 0 {
			d.voiceAt = d.voiceAt.Add(adcCal)
		}
		d.ring = ringDetector{}
	} else {
		switch {
		case d.reg[16]&0x40 != 0:
			at = now.Add(26 * time.Millisecond)
		case d.reg[31]&0x08 != 0:
			at = now.Add(3 * time.Millisecond)
		}
	}
	if d.nEdges == len(d.edges) { // nobody runs the line: only the last state matters
		d.nEdges = 0
	}
	if d.nEdges > 0 && at.Before(d.edges[d.nEdges-1].at) {
		at = d.edges[d.nEdges-1].at
	}
	d.edges[d.nEdges] = hookEdge{at, closed}
	d.nEdges++
}

// raise sets bits of the interrupt source register.
func (d *DAA) raise(bits byte) { d.reg[4] |= bits }

// interrupt works out the level of the INT pin and gives the function to call, if the
// pin became active, when the lock is released.
func (d *DAA) interrupt() func(time.Time) {
	was := d.intLevel
	d.intLevel = d.reg[2]&0x80 != 0 && d.reg[3]&d.reg[4] != 0
	if d.intLevel && !was {
		return d.onInt
	}
	return nil
}
