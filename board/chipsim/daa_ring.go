package chipsim

import (
	"math"
	"time"

	"sotto/board"
)

// ringDetector is the ring detector with its validation circuit (Si3050 data sheet
// §5.18 and registers 22 to 24). A TIP/RING event is the moment at which the line
// goes beyond the threshold in one polarity after the other; there are two a cycle.
type ringDetector struct {
	lastDC   float64 // of the frame before
	known    bool
	step     float64              // what is left of the last step of the DC voltage
	positive bool                 // RDTP
	negative bool                 // RDTN
	side     int8                 // polarity of the last event
	bits     [board.FrameLen]byte // RDTP and RDTN in the last frame
	end      time.Time            // of that frame

	event     time.Time // last event; zero when the line has been quiet
	goodSince time.Time // first event of the run with a good frequency
	crossing  time.Time // last time beyond the threshold
	valid     time.Time // when the ring was confirmed; zero when there is none
	shown     bool      // RDT
}

// detectRing runs the ring detector over one frame.
func (d *DAA) detectRing(start time.Time) {
	r, s := &d.ring, &d.supply
	if d.reg[5]&regOH != 0 || d.closed || !d.locked(start) {
		if r.known {
			*r = ringDetector{}
			d.reg[5] &^= regRDT | regRDTP | regRDTN
		}
		return
	}
	dc := s.Volts
	if s.InUse {
		dc = math.Copysign(min(inUseVolts, math.Abs(dc)), dc)
	}
	if r.known && dc != r.lastDC {
		r.step += dc - r.lastDC
	}
	r.lastDC, r.known = dc, true
	if !s.Ringing && r.step == 0 && r.crossing.IsZero() {
		return // an idle line
	}
	r.bits, r.end = [board.FrameLen]byte{}, start.Add(board.FrameTime)
	if s.Ringing || r.step != 0 || r.positive || r.negative {
		d.cross(start)
	}
	d.validate(start.Add(board.FrameTime))
	d.reg[5] &^= regRDT | regRDTP | regRDTN
	if r.positive {
		d.reg[5] |= regRDTP
	}
	if r.negative {
		d.reg[5] |= regRDTN
	}
	if r.shown {
		d.reg[5] |= regRDT
	}
}

// now gives RDTP and RDTN as they are read at t: those of a frame before, since what the
// line does is known when its frame is over.
func (r *ringDetector) now(t time.Time) byte {
	return r.bits[max(0, min(board.FrameLen-1, int(t.Sub(r.end)/samplePeriod)))]
}

// threshold gives the ring threshold as a peak in volts.
func (d *DAA) threshold() float64 {
	rms := 15.0
	if d.lineSide != Si3011 && d.reg[16]&1 != 0 {
		rms = 21
		if d.reg[17]&0x10 != 0 {
			rms = 45
		}
	}
	return rms * math.Sqrt2
}

// cross looks for crossings of the threshold, sample by sample.
func (d *DAA) cross(start time.Time) {
	r, s := &d.ring, &d.supply
	threshold := d.threshold()
	decay := 1 - float64(samplePeriod)/float64(stepDecay)
	for i := range board.FrameLen {
		v := r.step
		if s.Ringing {
			v += float64(s.Ring[i])
		}
		r.step *= decay
		r.positive, r.negative = v >= threshold, v <= -threshold
		switch {
		case r.positive:
			r.bits[i] = regRDTP
		case r.negative:
			r.bits[i] = regRDTN
		default:
			continue
		}
		at := start.Add(time.Duration(i) * samplePeriod)
		r.crossing = at
		side := int8(1)
		if r.negative {
			side = -1
		}
		if side != r.side || at.Sub(r.event) > d.assertion() {
			d.ringEvent(at, side)
		}
	}
	if math.Abs(r.step) < 1 {
		r.step = 0
	}
}

// assertion gives the longest time between two events of a valid ring.
func (d *DAA) assertion() time.Duration {
	return time.Duration(d.reg[24]&0x3F) * 2 * time.Millisecond
}

// ringEvent is one TIP/RING event.
func (d *DAA) ringEvent(at time.Time, side int8) {
	r := &d.ring
	if d.reg[24]&0x80 == 0 { // no validation: a one-shot from each (positive) crossing
		r.event, r.side = at, side
		if (side > 0 || d.reg[18]&2 != 0) && !r.shown {
			r.shown = true
			d.raise(intRDT)
		}
		return
	}
	gap := at.Sub(r.event)
	units := int(d.reg[24]&0x3F) - int(gap/(2*time.Millisecond)) // what is left of the RAS timer
	tooFast := units > int(d.reg[22]&0x3F)
	if r.event.IsZero() || gap > d.assertion() || tooFast || side == r.side {
		r.goodSince = at
	}
	r.event, r.side = at, side
	confirm := [8]time.Duration{100, 150, 200, 256, 384, 512, 640, 1024}[d.reg[23]&7] * time.Millisecond
	if r.valid.IsZero() && at.Sub(r.goodSince) >= confirm {
		r.valid = at
	}
}

// validate moves the timers of the detector on to now.
func (d *DAA) validate(now time.Time) {
	r := &d.ring
	if d.reg[24]&0x80 == 0 {
		if now.Sub(r.crossing) >= oneShotTime && r.step == 0 {
			d.endRing()
		}
		return
	}
	delay := time.Duration(d.reg[22]>>6|d.reg[23]>>7<<2) * 256 * time.Millisecond
	timeout := time.Duration(d.reg[23]>>3&0x0F) * 128 * time.Millisecond
	if now.Sub(r.crossing) >= timeout {
		d.endRing()
		return
	}
	if !r.valid.IsZero() && !r.shown && now.Sub(r.valid) >= delay {
		r.shown = true
		d.raise(intRDT)
	}
}

// endRing is the end of a ring, shown or not: one that the delay RDLY still held back
// is never seen.
func (d *DAA) endRing() {
	r := &d.ring
	if r.shown && d.reg[2]&0x04 != 0 { // RDI: an interrupt at the end too
		d.raise(intRDT)
	}
	*r = ringDetector{lastDC: r.lastDC, known: true, step: r.step, positive: r.positive, negative: r.negative}
}
