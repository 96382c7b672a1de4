package si3050

import (
	"fmt"
	"math"

	"sotto/board"
)

// acim gives the code of register 30 for an impedance (§5.17, register 30). ZDE and
// ZAU share a code.
var acim = [board.NumImpedances]byte{
	board.Z600: 0x0, board.Z900: 0x1, board.Z600C: 0xE, board.Z900C: 0xD, board.ZCTR21: 0x2, board.ZAU: 0x3,
	board.ZDE: 0x3, board.ZCN: 0xA, board.ZUK: 0x5, board.ZNZ: 0x4, board.ZGlobal: 0xF,
}

// impedanceCode gives the code for what the line side can do. The Si3018 has 600 Ω, the
// German, the New Zealand and the global complex, and makes 600 Ω of any other code,
// so that the global complex stands in for other complex lines. The Si3011 has 600 Ω
// and TBR 21.
func impedanceCode(z board.Impedance, lineSide byte) byte {
	code := acim[z]
	resistive := z == board.Z600 || z == board.Z900 || z == board.Z600C || z == board.Z900C
	switch {
	case lineSide == si3019:
		return code
	case resistive:
		return 0
	case lineSide == si3011:
		return 2
	case code == 3 || code == 4:
		return code
	}
	return 0xF
}

// registers are the settings of one line.
type registers struct {
	dc1, cal, dc2, ac, daa, spark  byte
	gainTX, fineTX, gainRX, fineRX byte
}

// index finds v in list.
func index[T comparable](list [4]T, v T) (byte, bool) {
	for i, x := range list {
		if x == v {
			return byte(i), true
		}
	}
	return 0, false
}

// foh128 is an off-hook counter of 128 ms in register 31.
const foh128 = 0x20

// translate gives the registers for a line behind a line side. Zero values of line.DC
// mean those of North America: 3.5 V, 10 mA, 15 V.
func translate(line *board.Line, lineSide byte) (registers, error) {
	var r registers
	dc := line.DC
	if dc.DropVolts == 0 {
		dc.DropVolts = 3.5
	}
	if dc.MinMilliamps == 0 {
		dc.MinMilliamps = 10
	}
	drop, ok := index([4]float64{3.1, 3.2, 3.35, 3.5}, dc.DropVolts)
	if !ok {
		return r, fmt.Errorf("si3050: drop of %g V: %w", dc.DropVolts, ErrLine)
	}
	current, ok := index([4]int{10, 12, 14, 16}, dc.MinMilliamps)
	if !ok {
		return r, fmt.Errorf("si3050: minimum current of %d mA: %w", dc.MinMilliamps, ErrLine)
	}
	if line.Impedance >= board.NumImpedances {
		return r, fmt.Errorf("si3050: %v: %w", line.Impedance, ErrLine)
	}
	if lineSide == si3011 { // it has DCV = 10, MINI = 00 only (register 26)
		drop, current = 2, 0
	}
	r.dc2 = drop<<6 | current<<4
	if dc.Limit60 {
		r.dc2 |= 0x02
	}
	r.daa = foh128 | 0x02 // receive high-pass at 200 Hz
	switch dc.Hook {
	case board.HookFast:
	case board.HookETSI:
		r.daa |= 0x08
	case board.HookSlow:
		r.dc1 |= 0x40
		r.spark = 0x50
	default:
		return r, fmt.Errorf("si3050: hook rate %d: %w", dc.Hook, ErrLine)
	}
	switch dc.RingVolts {
	case 0, 15:
	case 21:
		r.dc1 |= 0x01
	case 45:
		r.dc1 |= 0x01
		r.cal |= 0x10
	default:
		return r, fmt.Errorf("si3050: ring threshold of %d V: %w", dc.RingVolts, ErrLine)
	}
	if dc.LowRinger {
		r.dc1 |= 0x02
	}
	r.ac = impedanceCode(line.Impedance, lineSide)

	// The box holds +3.14 dBm0 to be full scale. FULL does too (+3.2 dBm), but is legal
	// with the FCC DC mask only, and Table 25 gives it to the Si3019 alone. Elsewhere
	// full scale is 0 dBm, which the gains make up for.
	tx, rx := line.ReceiveGain, line.TransmitGain
	if lineSide == si3019 && r.dc2&0xF0 == 0xC0 {
		r.daa |= 0x80
	} else {
		tx += 3.2
		rx -= 3.2
	}
	var err error
	if r.gainTX, r.fineTX, err = gain(tx); err == nil {
		r.gainRX, r.fineRX, err = gain(rx)
	}
	return r, err
}

// gain splits a gain into the coarse (1 dB) and fine (0.1 dB) register of a path.
func gain(dB float64) (coarse, fine byte, err error) {
	if !(dB >= -16.5 && dB <= 13.5) {
		return 0, 0, fmt.Errorf("si3050: gain of %.1f dB: %w", dB, ErrLine)
	}
	tenths := int(math.Round(dB * 10))
	whole := max(-15, min(12, tenths/10))
	return signMagnitude(whole), signMagnitude(tenths - 10*whole), nil
}

// signMagnitude: bit 4 attenuates.
func signMagnitude(n int) byte {
	if n < 0 {
		return 0x10 | byte(-n)
	}
	return byte(n)
}

// Apply hands the chip the parameters of its line, at once if it is powered up and at
// the next PowerUp if not. The hook switch stays as it is. Line.Ringing is not for an
// exchange line. Parameters that the chip does not have give ErrLine and change nothing.
func (c *Chip) Apply(line board.Line) error {
	side := c.ident.LineSide
	if side == 0 {
		side = si3019
	}
	if _, err := translate(&line, side); err != nil {
		return err
	}
	c.line = line
	if !c.up {
		return nil
	}
	return c.applyLine(&line)
}

// applyLine writes the registers of a line. FULL goes off first and on last, so that
// it never meets a DC mask with which it is illegal.
func (c *Chip) applyLine(line *board.Line) error {
	r, err := translate(line, c.ident.LineSide)
	if err != nil {
		return err
	}
	if err := c.quicken(false); err != nil {
		return err
	}
	cal, err := c.read(regCal)
	if err != nil {
		return err
	}
	for _, s := range [...]struct{ reg, v byte }{
		{regDAA, r.daa &^ 0x80},
		{regDC1, r.dc1},
		{regCal, cal&bitOPE | r.cal},
		{regDC2, r.dc2},
		{regAC, r.ac},
		{regDAA, r.daa},
		{regSpark, r.spark},
		{regGainTX, r.gainTX}, {regFineTX, r.fineTX},
		{regGainRX, r.gainRX}, {regFineRX, r.fineRX},
	} {
		mask := byte(0xFF)
		if s.reg == regCal {
			mask = 0xB8 // without the bits that the line sets, and MCAL
		}
		if err := c.set(s.reg, s.v, mask); err != nil {
			return err
		}
	}
	return nil
}
