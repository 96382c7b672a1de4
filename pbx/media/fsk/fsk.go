// Package fsk makes what a telephone on the hook is sent so that its display shows who
// calls, or its lamp that a message waits. The switch builds the whole clip once a call
// with [Clip] and plays it at the moment that the country's alerting wants: before the
// first ring after a polarity reversal, or between the first and the second. What the
// style of a country is, [StyleFor] says.
//
//	FSK    [DT-AS · pause] seizure 0101… · mark 111… · message · checksum · marks
//	DTMF   start digit · the number's digits · stop digit
//
// The messages are those of Telcordia GR-30 (SDMF, MDMF) and ETSI EN 300 659-3, the
// modems Bell 202 and ITU-T V.23, the dual-tone alerting signal that of EN 300 659-1.
//
// A caller who withholds the number is announced as such, whatever else is known of
// him: neither number nor name is ever put into the samples.
//
// NTT's caller ID (Japan) is not made: there the telephone answers a special ringing
// first and takes the data off the hook, which is a state machine and not a clip.
//
// The package is pure: no clock, no state between calls. It logs nothing, and its
// errors hold no digits.
package fsk

import (
	"errors"
	"fmt"
	"time"

	"sotto/board"
	"sotto/pbx/number"
)

// Reason says why a display shows no number.
type Reason uint8

const (
	Given       Reason = iota // there is a number; without one it is Unavailable
	Withheld                  // the caller does not want it shown ("P", private)
	Unavailable               // it is not known ("O", out of area)
)

// Caller is what a display may show of a caller.
type Caller struct {
	Number number.Number
	Name   string // any text; what displays cannot show is replaced
	Reason Reason
}

// shown gives what of c a display in style s may show, and why there is no number.
func (c Caller) shown(s Style) (digits, name string, r Reason) {
	switch c.Reason {
	case Given:
		if digits = s.display(c.Number); digits == "" {
			return "", cleanName(c.Name), Unavailable
		}
		return digits, cleanName(c.Name), Given
	case Unavailable:
		return "", cleanName(c.Name), Unavailable
	}
	return "", "", Withheld
}

// Style is how a telephone is told of a caller. The zero value is none; [StyleFor] gives
// that of a country. It is either FSK (Modem set) or DTMF (Digits set).
type Style struct {
	Modem   Modem
	Format  Format
	DTAS    bool // the dual-tone alerting signal comes first
	Seizure int  // alternating bits before the message, 1 to 600
	Mark    int  // mark bits after them, 1 to 600

	Digits Digits

	dial dialling
}

// Format is the form of a message.
type Format uint8

const (
	MDMF Format = iota // multiple data message format: time, number, name
	SDMF               // single data message format: time and number
)

// ErrStyle is returned for a Style that is no caller ID, or has not what was asked for.
var ErrStyle = errors.New("fsk: not a style of caller ID")

// Clip gives the samples that announce a caller in style s, padded with silence to whole
// frames: at most 1.1 s by FSK with a style of [StyleFor], 2.4 s by DTMF. The message
// holds the wall-clock time of at in its own location; MDMF leaves it out if at is zero,
// so that a box without the time does not set the clock of its telephones. A number that
// the style cannot carry is announced as unavailable, a name is cut to 15 characters;
// both are no errors. The error is ErrStyle.
func Clip(s Style, from Caller, at time.Time) ([]int16, error) {
	if s.Digits != 0 && s.Modem == 0 {
		d, err := s.digits(from)
		if err != nil {
			return nil, err
		}
		return press(d)
	}
	return s.send(s.setUp(from, at), s.DTAS)
}

// Waiting gives the samples that light (on) or put out the message lamp of a telephone
// that is not being rung: the visual message waiting indicator. A style with V.23 sends
// the DT-AS first, since no ringing tells of the data (EN 300 659-1). DTMF has no such
// message: ErrStyle.
func Waiting(s Style, on bool) ([]int16, error) {
	return s.send(s.waiting(on), s.DTAS || s.Modem == V23)
}

// send gives the samples of a message and what comes before it.
func (s Style) send(msg []byte, dtas bool) ([]int16, error) {
	switch {
	case s.Modem != Bell202 && s.Modem != V23, s.Digits != 0, s.Format > SDMF:
		return nil, fmt.Errorf("modem %d, format %d: %w", s.Modem, s.Format, ErrStyle)
	case s.Seizure < 1 || s.Seizure > maxLead, s.Mark < 1 || s.Mark > maxLead:
		return nil, fmt.Errorf("seizure of %d bits, mark of %d: %w", s.Seizure, s.Mark, ErrStyle)
	}
	n := samplesOf(s.Seizure + s.Mark + 10*len(msg) + trailer)
	if dtas {
		n += len(alert)
	}
	out := make([]int16, 0, whole(n))
	if dtas {
		out = append(out, alert...)
	}
	m := modulator{out: out, inc: s.Modem.steps()}
	for i := range s.Seizure {
		m.bit(i&1 == 1) // the first is a space, as is the start bit of a byte 0x55
	}
	for range s.Mark {
		m.bit(true)
	}
	for _, b := range msg {
		m.byte(b)
	}
	for range trailer {
		m.bit(true)
	}
	return m.out[:whole(len(m.out))], nil
}

const (
	maxLead = 600 // bits: half a second
	trailer = 10  // mark bits after the message; receivers want 5
)

// whole rounds a number of samples up to whole frames.
func whole(n int) int { return (n + board.FrameLen - 1) / board.FrameLen * board.FrameLen }
