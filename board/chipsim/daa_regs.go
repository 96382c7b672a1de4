package chipsim

import "time"

// reservedBits has a bit set where a register must be written with 0 (Si3050 data sheet §6).
var reservedBits = [64]byte{
	5: 0x92, 24: 0x40, 26: 0x0C, 31: 0x14, 42: 0xFF, 59: 0xA9,
}

// read gives what the bus sees of register n.
func (d *DAA) read(now time.Time, n byte) byte {
	if n == d.faults.StuckRegister {
		return d.faults.StuckValue
	}
	if (n == 28 || n == 29) && d.lineSide == Si3018 {
		d.violations.Add("Si3018: register %d does not exist", n)
	}
	return d.value(now, n)
}

// value gives the content of register n. Without frame lock all that comes from the
// line side reads as 0 (Si3050 data sheet §5.8: invalid).
func (d *DAA) value(now time.Time, n byte) byte {
	locked := d.locked(now)
	v := d.reg[n]
	switch n {
	case 5:
		if !locked {
			v &^= regRDT | regRDTP | regRDTN
		} else if v&regOH == 0 && !d.closed {
			v = v&^(regRDTP|regRDTN) | d.ring.now(now)
		}
	case 11:
		v = 0x05 // Si3050 revision E
		if locked {
			v |= byte(d.lineSide) << 4
		}
	case 12:
		v = 0
		if locked {
			v = 0x40
			if d.closed && d.mA >= d.minimum() {
				v |= byte(min(31, d.mA/3.3))
			}
		}
	case 13:
		v = 0x40
		if locked {
			v |= 6 << 2 // line side revision F
		}
	case 19:
		v = 0
		if locked {
			v = d.reg[19] & 1
			if !d.closed || d.mA < dropOutCurrent {
				v |= 2
			}
		}
	case 28:
		v = 0
		if locked && d.lineSide != Si3018 && d.closed {
			v = byte(min(255, d.mA/1.1))
		}
	case 29:
		v = 0
		if locked && d.lineSide != Si3018 {
			volts := max(-128, min(127, d.volts))
			if volts <= -3 || volts >= 3 || d.reg[31]&1 != 0 {
				v = byte(int8(volts))
			}
		}
	}
	return v
}

// minimum gives the loop current below which the line side does not work well, in mA.
func (d *DAA) minimum() float64 { return 10 + 2*float64(d.reg[26]>>4&3) }

// write is a write of register n over the bus.
func (d *DAA) write(now time.Time, n, v byte) {
	if bad := v & reservedBits[n]; bad != 0 {
		d.violations.Add("Si3050: reserved bits %#02x of register %d set", bad, n)
		v &^= bad
	}
	switch n {
	case 8, 9, 27, 53, 54, 55, 56, 57, 58:
		d.violations.Add("Si3050: reserved register %d written", n)
		return
	case 11, 12, 13, 28, 29:
		d.violations.Add("Si3050: read-only register %d written", n)
		return
	}
	if n == 5 && d.faults.LostHookWrites > 0 {
		d.faults.LostHookWrites--
		return
	}
	if n == d.faults.StuckRegister {
		return
	}
	d.written |= 1 << n
	old := d.reg[n]
	switch n {
	case 1:
		if v&0x80 != 0 {
			d.defaults()
			d.readyAt = now.Add(softResetTime)
			return
		}
	case 2:
		d.watchdog = d.watchdog || v&0x10 != 0
		if d.watchdog {
			v |= 0x10
		}
	case 4:
		v &= old // a 0 clears, a 1 keeps
	case 5:
		v = v&(regOH|regONHM) | old&(regRDT|regRDTP|regRDTN)
		d.writeHook(now, old, v)
		if v&regOH != 0 {
			v &^= regRDT | regRDTP | regRDTN
		}
	case 6:
		d.writePower(now, old, v)
	case 19:
		v = old & v & 1
	case 25:
		if v&0x0F != old&0x0F {
			d.violations.Add("Si3050: RCAL changed from %#x to %#x", old&0x0F, v&0x0F)
		}
		v &= 0x7F
	case 23:
		if v&0x78 == 0 {
			d.violations.Add("Si3050: RTO of 0")
		}
	case 33:
		d.checkPCM(v)
	}
	d.reg[n] = v
	if n == 26 || n == 31 {
		d.checkFullScale()
	}
}

func (d *DAA) writeHook(now time.Time, old, v byte) {
	if (old^v)&regOH == 0 {
		return
	}
	if v&regOH != 0 {
		if d.reg[17]&0x08 != 0 {
			d.violations.Add("Si3050: off hook with OPE set")
		}
		if !d.locked(now) {
			d.violations.Add("Si3050: off hook without frame lock")
			return
		}
	}
	d.hook(now, v&regOH != 0)
}

func (d *DAA) writePower(now time.Time, old, v byte) {
	if v&0x08 != 0 { // PDN: nothing but the RESET pin brings the chip back
		d.clockLost = true
		d.lineSideOn = false
		return
	}
	on := v&0x10 == 0
	if on && !d.lineSideOn {
		d.lockAt = now.Add(lockTime)
		d.raise(intRDT | intDOD) // set by power-up without a cause
	}
	if !on && d.reg[5]&regOH != 0 {
		d.violations.Add("Si3050: line side powered down off hook")
		d.hook(now, false)
	}
	d.lineSideOn = on
}

func (d *DAA) checkPCM(v byte) {
	if v&0x20 == 0 {
		return
	}
	const slots = 1<<34 | 1<<35 | 1<<36 | 1<<37
	if d.written&slots != slots {
		d.violations.Add("Si3050: PCM enabled before the slot registers were written")
	}
	if v&0x18 != 0x18 {
		d.violations.Add("Si3050: PCM format %d is not modelled", v>>3&3)
	}
	for _, n := range []int{34, 36} {
		if d.reg[n]&7 != 0 {
			d.violations.Add("Si3050: start count %d is not on a byte", int(d.reg[n])|int(d.reg[n+1]&3)<<8)
		}
	}
}

// checkFullScale holds the rule that FULL needs DCV = 11 and MINI = 00 and a line side
// that has it.
func (d *DAA) checkFullScale() {
	if d.reg[31]&0x80 == 0 {
		return
	}
	if d.reg[26]&0xF0 != 0xC0 {
		d.violations.Add("Si3050: FULL with register 26 = %#02x", d.reg[26])
	}
	if d.lineSide == Si3011 {
		d.violations.Add("Si3011: FULL does not exist")
	}
}

// slot gives the first byte of a transfer on the highway, or -1 where there is none.
func (d *DAA) slot(n int) int {
	bits := int(d.reg[n]) | int(d.reg[n+1]&3)<<8
	if d.reg[33]&0x38 != 0x38 || bits&7 != 0 || bits/8+1 >= BytesPerSync {
		return -1
	}
	return bits / 8
}
