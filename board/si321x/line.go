package si321x

import (
	"context"
	"fmt"
	"math"

	"sotto/board"
)

// Limits of a line.
const (
	MinRingHz   = 15
	MaxRingHz   = 68
	MinGain     = -24  // dB
	MaxGain     = 6    // dB
	headroom    = 7.5  // volts from the ringing peak to the battery (data sheet, 2.5)
	maxVBATH    = 63   // steps
	minVBATH    = 40   // steps: 60 V, for 48 V on hook with its common mode
	onHookSteps = 32   // 48 V
	oscRate     = 1000 // Hz, of the ringing oscillator
	ringScale   = 96   // volts, of its full scale
)

// RingVoltageError tells that a line is set up but rings with less than it should.
type RingVoltageError struct {
	Want, Got float64 // V rms
}

func (e *RingVoltageError) Error() string {
	return fmt.Sprintf("ringing at %.1f V rms instead of %.1f V: the battery goes to %.1f V", e.Got, e.Want, maxVBATH*stepVolts)
}

// lineSettings is a board.Line in registers.
type lineSettings struct {
	dacg, adcg, rco, rngx, rptp, nrtp   uint16
	impedance, tripDebounce, voc, vbath byte
}

// impedanceCodes are the TISS codes. The parts lack those of the United Kingdom and of
// New Zealand's exchange lines: the nearest of theirs stands in.
var impedanceCodes = [board.NumImpedances]int8{
	board.Z600: 0, board.Z900: 1, board.Z600C: 2, board.Z900C: 3, board.ZCTR21: 4, board.ZAU: 5, board.ZDE: 6, board.ZCN: 7,
	board.ZUK:     4, // 270 Ω + 750 Ω ∥ 150 nF
	board.ZNZ:     5, // 220 Ω + 820 Ω ∥ 120 nF
	board.ZGlobal: -1,
}

// ringTrips holds the settings of ring trip by ringing frequency: each is for its
// frequency and up to the next (data sheet, 2.5).
var ringTrips = [...]struct {
	hz       float64
	nrtp     uint16
	debounce byte
}{
	{0, 0x0200, 0x0f}, {19, 0x0320, 0x0b}, {30, 0x0380, 0x09}, {40, 0x0400, 0x07}, {50, 0x06a8, 0x05}, {60, 0x0800, 0x05},
}

const ringTripThreshold = 0x3600 // 34 mA

// settingsOf computes the registers of a line. A *RingVoltageError comes with settings
// that can be used.
func settingsOf(l board.Line) (s lineSettings, err error) {
	if l.Impedance >= board.NumImpedances || impedanceCodes[l.Impedance] < 0 {
		return s, fmt.Errorf("impedance %v: %w", l.Impedance, ErrUnsupported)
	}
	s.impedance = impedanceOn | byte(impedanceCodes[l.Impedance])
	if s.adcg, err = gain(l.TransmitGain); err != nil {
		return s, fmt.Errorf("transmit gain: %w", err)
	}
	if s.dacg, err = gain(l.ReceiveGain); err != nil {
		return s, fmt.Errorf("receive gain: %w", err)
	}
	r := l.Ringing
	if !(r.Hz >= MinRingHz && r.Hz <= MaxRingHz) {
		return s, fmt.Errorf("ringing frequency %g Hz: %w", r.Hz, ErrUnsupported)
	}
	if !(r.Vrms >= 10 && r.Vrms <= 150) {
		return s, fmt.Errorf("ringing voltage %g V rms: %w", r.Vrms, ErrUnsupported)
	}
	peak := r.Vrms * math.Sqrt2
	if most := maxVBATH*stepVolts - headroom; peak > most {
		err = &RingVoltageError{Want: r.Vrms, Got: most / math.Sqrt2}
		peak = most
	}
	c := math.Cos(2 * math.Pi * r.Hz / oscRate)
	s.rco = uint16(math.Round(c * 32768))
	s.rngx = uint16(math.Round(math.Sqrt((1-c)/(1+c)) / 4 * 32768 * peak / ringScale))
	s.vbath = byte(max(minVBATH, min(maxVBATH, math.Ceil((peak+headroom)/stepVolts-1e-9))))
	s.voc = byte(min(onHookSteps, math.Floor(peak/stepVolts)-1)) // stays below the ringing peak
	s.rptp = ringTripThreshold
	for _, t := range ringTrips {
		if r.Hz >= t.hz {
			s.nrtp, s.tripDebounce = t.nrtp, t.debounce
		}
	}
	return s, err
}

// gain turns dB into the linear scale of the digital gains.
func gain(dB float64) (uint16, error) {
	if !(dB >= MinGain && dB <= MaxGain) {
		return 0, fmt.Errorf("%g dB: %w", dB, ErrUnsupported)
	}
	return uint16(min(math.MaxInt16, math.Round(unityGain*math.Pow(10, dB/20)))), nil
}

// value gives what an indirect register is to hold on this line.
func (s *lineSettings) value(i indirect) uint16 {
	switch i.addr {
	case indRCO:
		return s.rco
	case indRNGX:
		return s.rngx
	case indDACG:
		return s.dacg
	case indADCG:
		return s.adcg
	case indRPTP:
		return s.rptp
	case indNRTP:
		return s.nrtp
	}
	return i.value
}

func (s *lineSettings) registers() []setting {
	return []setting{
		{regImpedance, s.impedance}, {regTripDebounce, s.tripDebounce}, {regVOC, s.voc}, {regVBATH, s.vbath},
	}
}

// Apply gives the line other parameters, at any time: before PowerUp it keeps them for
// it, during a call the impedance and the gains change at once. It takes some
// milliseconds. A *RingVoltageError says that all is set but that the ringing is as
// strong as the converter can make it and no stronger; with any other error nothing or
// a part is set, and ErrUnsupported says that nothing was tried.
func (c *Chip) Apply(l board.Line) error {
	s, clamped := settingsOf(l)
	if clamped != nil {
		if _, ok := clamped.(*RingVoltageError); !ok {
			return fmt.Errorf("apply line: %w", clamped)
		}
	}
	c.line = s
	if !c.up() {
		return clamped
	}
	ctx := context.Background()
	if err := c.bus.setAll(s.registers()); err != nil {
		return fmt.Errorf("apply line: %w", err)
	}
	for _, i := range indirects {
		if !i.line {
			continue
		}
		addr := c.address(i.addr)
		err := c.bus.writeIndirect(ctx, addr, s.value(i))
		if err == nil {
			err = c.bus.verifyIndirect(ctx, addr, s.value(i))
		}
		if err != nil {
			return fmt.Errorf("apply line: %w", err)
		}
	}
	return clamped
}
