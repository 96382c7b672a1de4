package chipsim

import (
	"math"
	"time"

	"sotto/board"
)

// Frame implements [Chip].
func (d *DAA) Frame(start time.Time, drx, dtx *Bus) {
	end := start.Add(board.FrameTime)
	d.mu.Lock()
	d.advance(end)
	d.seize(start, end, drx)
	d.supply.Volts, d.supply.Milliamps, d.supply.Ringing, d.supply.InUse = 0, 0, false, false
	if d.co != nil {
		d.co.Line(start, &d.seizure, &d.supply)
	} else {
		d.supply.Audio = board.Frame{}
	}
	d.sense(end)
	d.detectRing(start)
	d.transmit(start, end, drx, dtx)
	call := d.interrupt()
	d.mu.Unlock()
	if call != nil {
		call(end)
	}
}

// seize makes out what the port does to its line in this frame.
func (d *DAA) seize(start, end time.Time, drx *Bus) {
	s := &d.seizure
	s.Closed = d.closed
	s.Edges = d.edgeStore[:0]
	n := 0
	for ; n < d.nEdges && d.edges[n].at.Before(end); n++ {
		e := d.edges[n]
		if e.closed != d.closed {
			s.Edges = append(s.Edges, Edge{After: max(0, e.at.Sub(start)), Closed: e.closed})
			d.closed = e.closed
		}
	}
	if n > 0 {
		d.nEdges = copy(d.edges[:], d.edges[n:d.nEdges])
	}
	was := s.Talk
	s.Talk = d.reg[5]&regOH != 0 && d.voiceAt.Before(end) && d.locked(end)
	if !s.Talk {
		if was {
			s.Mouth = board.Frame{}
		}
		return
	}
	first := d.firstVoice(start)
	from := d.slot(36)
	muted := d.reg[15]&0x80 != 0
	for i := range s.Mouth {
		s.Mouth[i] = 0
		if i >= first && from >= 0 && !muted {
			s.Mouth[i] = int16(uint16(drx[i][from])<<8 | uint16(drx[i][from+1]))
		}
	}
	amplify(&s.Mouth, gain(d.reg[38], d.reg[40])-d.fullScale())
}

// firstVoice gives the first sample of the frame that calibration lets through.
func (d *DAA) firstVoice(start time.Time) int {
	return int((max(0, d.voiceAt.Sub(start)) + samplePeriod - 1) / samplePeriod)
}

// sense works out what the line looks like at the terminals at the frame's end.
func (d *DAA) sense(end time.Time) {
	s := &d.supply
	volts, current := s.Volts, 0.0
	switch {
	case d.closed:
		current = math.Abs(s.Milliamps)
		limit := 160.0
		if d.reg[26]&2 != 0 {
			limit = 60
		}
		if current > limit && d.reg[17]&0x08 != 0 {
			d.reg[19] |= 1 // OPD
		}
		current = min(current, limit)
		// The DC termination: the drop of the current source and bridge, and 50 Ω.
		drop := [4]float64{3.1, 3.2, 3.35, 3.5}[d.reg[26]>>6] + 1.5
		volts = math.Copysign(drop+current*0.05, s.Milliamps)
		if current < 0.5 {
			volts = 0
		}
	case s.InUse:
		volts = math.Copysign(min(inUseVolts, math.Abs(volts)), volts)
	}
	if d.closed && d.mA >= dropOutCurrent && current < dropOutCurrent {
		d.raise(intDOD)
	}
	if d.closed && current > 127 && d.mA <= 127 {
		d.raise(intLCSO)
	}
	if s.Ringing && !d.closed {
		volts += float64(s.Ring[board.FrameLen-1])
	} else if d.lineSide != Si3018 && d.volts*volts < 0 && d.locked(end) {
		d.raise(intPOL)
	}
	d.volts, d.mA = volts, current
}

// transmit puts what comes from the line onto the highway.
func (d *DAA) transmit(start, end time.Time, drx, dtx *Bus) {
	to := d.slot(34)
	if to < 0 || d.resetPin || d.clockLost {
		return
	}
	from := d.slot(36)
	if d.reg[10]&1 != 0 && from >= 0 { // DDL: digital loop
		for i := range drx {
			dtx[i][to], dtx[i][to+1] = drx[i][from], drx[i][from+1]
		}
		return
	}
	if !d.lineSideOn { // PDL: loop through the filters, 0.9 dB down
		if from < 0 {
			return
		}
		var f board.Frame
		for i := range drx {
			f[i] = int16(uint16(drx[i][from])<<8 | uint16(drx[i][from+1]))
		}
		amplify(&f, -9)
		put(dtx, to, &f)
		return
	}
	if !d.locked(end) || d.reg[2]&1 == 0 || d.reg[15]&0x08 != 0 {
		return
	}
	f := &d.supply.Audio
	switch {
	case d.reg[5]&regOH != 0:
		if !d.seizure.Talk {
			return
		}
		for i := range min(d.firstVoice(start), board.FrameLen) {
			f[i] = 0
		}
	case d.reg[5]&regONHM != 0:
		if d.offset != 0 {
			for i, v := range f {
				f[i] = int16(max(-32768, min(32767, int(v)+int(d.offset))))
			}
		}
	default: // the ring detector shows in the sign
		if !d.ring.positive {
			return
		}
		for i := range f {
			f[i] = -32768
		}
		put(dtx, to, f)
		return
	}
	if *f == (board.Frame{}) {
		return
	}
	amplify(f, gain(d.reg[39], d.reg[41])+d.fullScale())
	put(dtx, to, f)
}

func put(bus *Bus, at int, f *board.Frame) {
	for i, v := range f {
		bus[i][at], bus[i][at+1] = byte(uint16(v)>>8), byte(v)
	}
}

// gain gives the gain of a path in tenths of a decibel from its coarse and fine register.
func gain(coarse, fine byte) int {
	g := int(coarse&0x0F) * 10
	if coarse&0x10 != 0 {
		g = -g
	} else {
		g = min(g, 120)
	}
	f := int(fine & 0x0F)
	if fine&0x10 != 0 {
		f = -f
	}
	return g + f
}

// fullScale gives how much hotter than with FULL a path to the host is, in tenths of a
// decibel: digital full scale is 0 dBm on the line without FULL and +3.2 dBm with it,
// which is the level plan of the box.
func (d *DAA) fullScale() int {
	switch {
	case d.reg[30]&0x10 != 0:
		return -28
	case d.reg[31]&0x80 != 0:
		return 0
	}
	return 32
}

func amplify(f *board.Frame, tenths int) {
	if tenths == 0 {
		return
	}
	k := math.Pow(10, float64(tenths)/200)
	for i, v := range f {
		f[i] = int16(max(-32768, min(32767, math.Round(float64(v)*k))))
	}
}
