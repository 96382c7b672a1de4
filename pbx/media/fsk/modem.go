package fsk

import (
	"fmt"
	"math"
	"time"

	"sotto/board"
	"sotto/pbx/media/tone"
)

// Modem is a frequency-shift modem of 1200 baud. The zero value is none.
type Modem uint8

const (
	Bell202 Modem = iota + 1 // mark 1200 Hz, space 2200 Hz (GR-30)
	V23                      // mark 1300 Hz, space 2100 Hz (ITU-T V.23, EN 300 659, SIN 227)
)

func (m Modem) String() string {
	switch m {
	case Bell202:
		return "Bell 202"
	case V23:
		return "V.23"
	}
	return fmt.Sprintf("modem %d", uint8(m))
}

// Frequencies gives the frequencies of a 1 (mark) and a 0 (space) in Hz; 0, 0 for what is
// no modem.
func (m Modem) Frequencies() (mark, space float64) {
	switch m {
	case Bell202:
		return 1200, 2200
	case V23:
		return 1300, 2100
	}
	return 0, 0
}

const (
	// Baud is the bit rate of both modems.
	Baud = 1200
	// Level is that of the carrier in dBm0: GR-30 sends -13.5 dBm.
	Level = -13.5
	// AlertLevel is that of either tone of the DT-AS in dBm0, in the middle of what
	// receivers take (-38 to 0 by SIN 227, -32 to -14 by GR-30).
	AlertLevel = -18.0
	// AlertTime and AlertGap are the lengths of the DT-AS and of the pause after it. SIN
	// 227 wants 88 to 110 ms and at least 45 ms.
	AlertTime = 100 * time.Millisecond
	AlertGap  = 60 * time.Millisecond
)

// A bit is 6 2/3 samples. Counted in thirds of a sample both are whole: the modulator
// turns its phase three times a sample, so that the frequency changes where the bit does
// and not at the next sample, and the bit clock never drifts.
const (
	thirds     = 3
	bitThirds  = thirds * board.SampleRate / Baud
	tableBits  = 10
	fracBits   = 32 - tableBits
	fracToUnit = 1.0 / (1 << fracBits)
)

// carrier is one turn of the carrier at its level, and its first value again.
var carrier = func() (t [1<<tableBits + 1]float32) {
	for i := range t {
		t[i] = float32(board.Amplitude(Level) * math.Sin(2*math.Pi*float64(i)/(1<<tableBits)))
	}
	return t
}()

// alert is the DT-AS and the pause after it, 2130 and 2750 Hz (EN 300 659-1).
var alert = func() (out []int16) {
	var p tone.Player
	p.Start(tone.Must([]tone.Step{{
		Sines: []tone.Sine{{Hz: 2130, Level: AlertLevel}, {Hz: 2750, Level: AlertLevel}},
		On:    AlertTime, Off: AlertGap,
	}}, nil))
	for p.Playing() {
		var f board.Frame
		p.Next(&f)
		out = append(out, f[:]...)
	}
	return out[:int((AlertTime+AlertGap)*board.SampleRate/time.Second)]
}()

// modulator turns bits into samples with a continuous phase.
type modulator struct {
	out   []int16
	inc   [2]uint32 // phase of a third of a sample, of space and mark, in 2^-32 turns
	phase uint32
	third int // of the sample begun
}

func (m Modem) steps() [2]uint32 {
	mark, space := m.Frequencies()
	step := func(hz float64) uint32 { return uint32(math.Round(hz / (thirds * board.SampleRate) * (1 << 32))) }
	return [2]uint32{step(space), step(mark)}
}

// samplesOf gives the samples that n bits take, the last one begun included.
func samplesOf(n int) int { return (n*bitThirds + thirds - 1) / thirds }

func (m *modulator) bit(one bool) {
	inc := m.inc[0]
	if one {
		inc = m.inc[1]
	}
	for range bitThirds {
		if m.third == 0 {
			m.sample()
		}
		m.phase += inc
		if m.third++; m.third == thirds {
			m.third = 0
		}
	}
}

func (m *modulator) sample() {
	k := m.phase >> fracBits
	lo, hi := carrier[k], carrier[k+1]
	v := lo + (hi-lo)*(float32(m.phase&(1<<fracBits-1))*fracToUnit)
	if v < 0 {
		m.out = append(m.out, int16(v-0.5))
	} else {
		m.out = append(m.out, int16(v+0.5))
	}
}

// byte sends 8 bits, the lowest first, between a start and a stop bit.
func (m *modulator) byte(b byte) {
	m.bit(false)
	for i := range 8 {
		m.bit(b>>i&1 == 1)
	}
	m.bit(true)
}
