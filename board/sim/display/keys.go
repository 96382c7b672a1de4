package display

import "strings"

const (
	// maxKeys is the longest string of digits: three numbers of 20, codes and signs.
	maxKeys = 72
	// patience is the pause in frames after which a string is given up: 500 ms, and the
	// longest digit.
	patience = 60
)

// keys collects the digits of DTMF caller ID: A number, D redirecting number, B code,
// ended by C or #.
type keys struct {
	sign   byte // heard in the last window
	run    int  // windows in a row
	digits [maxKeys]byte
	n      int
	idle   int   // frames since the last digit
	first  int64 // sample at which the first began
}

// hear takes the sign of the window that ends with the frame at sample n. A digit is
// one that two windows hold: 40 ms always do, 24 ms never.
func (k *keys) hear(sign byte, n int64) (Message, bool) {
	if sign != k.sign {
		k.sign, k.run = sign, 0
	}
	if k.run++; k.run != 2 || sign == 0 || sign == dualTone {
		return Message{}, false
	}
	if k.n == 0 {
		if sign != 'A' && sign != 'B' && sign != 'D' {
			return Message{}, false // somebody dials
		}
		k.first = n - window
	}
	k.idle = 0
	k.digits[k.n] = sign
	k.n++
	if sign != 'C' && sign != '#' && k.n < maxKeys {
		return Message{}, false
	}
	m := spell(string(k.digits[:k.n]))
	k.n = 0
	return m, true
}

// tick takes the time: a string that stopped is bad, unless it is too short for one.
func (k *keys) tick() (Message, bool) {
	if k.n == 0 {
		return Message{}, false
	}
	if k.idle++; k.idle < patience {
		return Message{}, false
	}
	n := k.n
	k.n = 0
	return Message{Bad: "cut short", Modem: "DTMF"}, n > 2
}

// spell reads a string of digits with its signs.
func spell(s string) Message {
	m := Message{Modem: "DTMF"}
	body, end := s[:len(s)-1], s[len(s)-1]
	switch {
	case end == '#' && body[0] == 'D':
		m.Reason = map[string]string{"1": Withheld, "2": Unavailable, "3": Unavailable}[body[1:]]
	case end != 'C' && (end != '#' || body[0] != 'A'):
	default:
		// Fields begin with a letter. A D that is not the first is of a redirecting party.
		for i := 0; i < len(body); {
			j := i + 1
			for j < len(body) && body[j] >= '0' && body[j] <= '9' {
				j++
			}
			switch v := body[i+1 : j]; {
			case body[i] == 'A', body[i] == 'D' && i == 0:
				if m.Number = v; v != "" && strings.Trim(v, "0") == "" && len(v) == 10 {
					m.Number, m.Reason = "", Unavailable
				}
			case body[i] == 'B':
				m.Reason = map[string]string{"10": Withheld, "01": Withheld, "00": Unavailable}[v]
			case body[i] != 'D':
				return Message{Modem: "DTMF", Bad: "digits"}
			}
			i = j
		}
	}
	if m.Number == "" && m.Reason == "" {
		m.Bad = "digits"
	}
	return m
}
