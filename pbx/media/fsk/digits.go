package fsk

import (
	"fmt"
	"strings"
	"time"

	"sotto/board"
	"sotto/pbx/media/dtmf"
)

// Digits is how a number is framed when it is sent as DTMF (EN 300 659-1, and what
// operators made of it). The zero value is none.
type Digits uint8

const (
	// AC is A number C, with B10C for withheld and B00C for unavailable: Sweden, and most
	// countries with DTMF caller ID.
	AC Digits = iota + 1
	// DC is D number C, with the same codes: the Netherlands, Taiwan, Kuwait.
	DC
	// AHash is A number #, with D1# for withheld and D3# for unavailable: Denmark.
	AHash
)

var framing = [...]struct{ start, stop, withheld, unavailable string }{
	AC:    {"A", "C", "B10C", "B00C"},
	DC:    {"D", "C", "B10C", "B00C"},
	AHash: {"A", "#", "D1#", "D3#"},
}

// maxDigits is the longest number sent as DTMF; receivers are made for 15 (E.164).
const maxDigits = 15

// pressed is how the digits are sent. Sweden sends 70 ms and 70 ms; receivers take 50.
var pressed = dtmf.Key{Low: -11, High: -9, On: 70 * time.Millisecond, Off: 70 * time.Millisecond}

// digits gives the keys that announce from.
func (s Style) digits(from Caller) (string, error) {
	if s.Digits < AC || s.Digits > AHash {
		return "", fmt.Errorf("digits %d: %w", s.Digits, ErrStyle)
	}
	f := &framing[s.Digits]
	d, _, reason := from.shown(s)
	switch {
	case reason == Withheld:
		return f.withheld, nil
	case reason == Unavailable, len(d) > maxDigits, strings.Trim(d, "0123456789") != "":
		return f.unavailable, nil
	}
	return f.start + d + f.stop, nil
}

// press gives the samples of keys.
func press(keys string) ([]int16, error) {
	var g dtmf.Generator
	if err := g.Send(keys, pressed); err != nil {
		return nil, fmt.Errorf("caller ID: %w", err)
	}
	each := int((pressed.On + pressed.Off) * board.SampleRate / time.Second)
	out := make([]int16, 0, whole(len(keys)*each))
	for g.Busy() {
		var f board.Frame
		g.Add(&f)
		out = append(out, f[:]...)
	}
	return out, nil
}
