// Package display is the display of a simulated telephone: fed what an on-hook line
// brings, it tells what the display would show of a caller, and whether the message
// lamp is lit.
//
//	frames ─┬─ discriminator 1700 Hz ── bits ── seizure, mark, bytes ── checksum ─┐
//	        │                                                                     ├─ Message
//	        └─ ten tones over 20 ms ─┬─ DTMF digits ── A … C, D … C, … # ─────────┘
//	                                 └─ DT-AS (2130 + 2750 Hz)
//
// It is an independent judge: written from the standards (GR-30, EN 300 659, SIN 227),
// it shares no code with what sends, and it measures what it hears, modem, seizure, mark,
// alert, for a test to compare. It takes both modems, ±1 % of speed, -8 to -36 dBm0.
//
// board/sim and tests call it. The package is pure: no clock, no goroutine, a fixed
// amount of memory whatever it hears, and no allocation but for the text of a message.
package display

import (
	"time"

	"sotto/board"
)

// Reasons why a message shows no number.
const (
	Withheld    = "withheld"
	Unavailable = "unavailable"
)

// Message is what a display was told. Text is as sent, never cut.
type Message struct {
	Number  string
	Name    string
	Reason  string // Withheld or Unavailable, of the number
	NoName  string // Withheld or Unavailable, of the name
	Time    string // MMDDHHMM
	Waiting *bool  // the message lamp; nil if the message is not about it
	Bad     string // what is wrong with the message, of which nothing else is known then; empty: nothing

	Modem   string        // "Bell 202", "V.23", "DTMF"
	Type    byte          // message type; 0 with DTMF
	Seizure int           // alternating bits before the message, to about 3
	Mark    int           // mark bits after them, to about 2
	Alert   time.Duration // length of the DT-AS before, to about 10 ms; 0: there was none
	Gap     time.Duration // from its end to the carrier, to about 10 ms
	At      time.Time     // when the message was complete
}

const (
	// silentPeak is the peak of a sine of -46 dBm0: a frame below it is silence, which
	// is what receivers may take for silence (-48 must be).
	silentPeak = 114
	// flushed is the number of silent frames after which all filters hold silence.
	flushed = 3
)

// Display listens to one line. The zero value is not ready: use [New]. One goroutine.
type Display struct {
	n     int64 // samples heard before this frame
	quiet int   // silent frames in a row
	demod demod
	fsk   receiver
	tones tones
	keys  keys
	alert alert
}

// New gives a display that has heard nothing.
func New() *Display { return &Display{quiet: flushed} }

// Hear takes ten milliseconds that began at start, and tells whether they completed a
// message, a bad one included. Silence costs one look at the samples.
func (d *Display) Hear(start time.Time, f *board.Frame) (m Message, ok bool) {
	if silent(f) {
		d.quiet++
	} else {
		d.quiet = 0
	}
	if d.quiet <= flushed {
		m, ok = d.listen(f)
	}
	if d.quiet == flushed {
		if bad, is := d.fsk.lost(); is && !ok {
			m, ok = bad, true
		}
		d.demod, d.fsk, d.tones = demod{}, receiver{}, tones{}
	}
	if bad, is := d.keys.tick(); is && !ok {
		m, ok = bad, true
	}
	d.n += board.FrameLen
	if ok {
		m.At = start.Add(board.FrameTime)
		m.Alert, m.Gap = d.alert.before(m.Seizure, d.fsk.first, d.keys.first)
		d.alert = alert{}
	}
	return m, ok
}

func (d *Display) listen(f *board.Frame) (m Message, ok bool) {
	heard := d.tones.hear(f)
	d.alert.hear(heard, d.n)
	if m, ok = d.keys.hear(heard, d.n); ok {
		return m, true
	}
	for i, v := range d.demod.frame(f) {
		if got, is := d.fsk.sample(d.n+int64(i), v); is && !ok {
			m, ok = got, true
		}
	}
	return m, ok
}

func silent(f *board.Frame) bool {
	for _, v := range f {
		if v >= silentPeak || v <= -silentPeak {
			return false
		}
	}
	return true
}
