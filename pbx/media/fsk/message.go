package fsk

import "time"

// Message types and parameters of GR-30 and EN 300 659-3.
const (
	typeSDMF        = 0x04 // single data: call set-up
	typeSDMFWaiting = 0x06 // single data: message waiting
	typeSetUp       = 0x80 // multiple data: call set-up
	typeWaiting     = 0x82 // multiple data: message waiting

	paramTime     = 0x01 // MMDDHHMM
	paramNumber   = 0x02
	paramNoNumber = 0x04 // its reason for absence
	paramName     = 0x07
	paramNoName   = 0x08 // its reason for absence
	paramLamp     = 0x0B // visual indicator: 0xFF on, 0 off
)

const (
	maxNumber = 20 // characters of a calling number (EN 300 659-3)
	maxName   = 15 // of a name; later issues allow more, displays need not
	// maxMessage is the longest message: type, length, time, number, name, checksum.
	maxMessage = 2 + 2 + 8 + 2 + maxNumber + 2 + maxName + 1
)

// absence is the reason in a parameter, as both standards write it.
func (r Reason) absence() byte {
	if r == Withheld {
		return 'P'
	}
	return 'O'
}

// setUp is the message that comes with a call. A call with a number and no name has no
// name parameter at all: telephones then look the number up in their own book, where a
// reason for absence would be shown instead.
func (s Style) setUp(from Caller, at time.Time) []byte {
	digits, name, reason := from.shown(s)
	if s.Format == SDMF {
		m := stamp(begin(typeSDMF), at)
		if reason != Given {
			return seal(append(m, reason.absence()))
		}
		return seal(append(m, digits...))
	}
	m := begin(typeSetUp)
	if !at.IsZero() {
		m = stamp(append(m, paramTime, 8), at)
	}
	if reason == Given {
		m = append(append(m, paramNumber, byte(len(digits))), digits...)
	} else {
		m = append(m, paramNoNumber, 1, reason.absence())
	}
	switch {
	case name != "":
		m = append(append(m, paramName, byte(len(name))), name...)
	case reason != Given:
		m = append(m, paramNoName, 1, reason.absence())
	}
	return seal(m)
}

// waiting is the message about the lamp.
func (s Style) waiting(on bool) []byte {
	switch {
	case s.Format == SDMF && on:
		return seal(append(begin(typeSDMFWaiting), 0x42, 0x42, 0x42))
	case s.Format == SDMF:
		return seal(append(begin(typeSDMFWaiting), 0x6F, 0x6F, 0x6F))
	case on:
		return seal(append(begin(typeWaiting), paramLamp, 1, 0xFF))
	}
	return seal(append(begin(typeWaiting), paramLamp, 1, 0))
}

// begin gives a message with its type and room for its length; seal completes it.
func begin(kind byte) []byte { return append(make([]byte, 0, maxMessage), kind, 0) }

// seal sets the length and adds the checksum: the two's complement of the sum of all
// bytes before it, modulo 256.
func seal(m []byte) []byte {
	m[1] = byte(len(m) - 2)
	var sum byte
	for _, b := range m {
		sum += b
	}
	return append(m, -sum)
}

// stamp appends month, day, hour and minute, two digits each.
func stamp(m []byte, at time.Time) []byte {
	_, month, day := at.Date()
	hour, minute, _ := at.Clock()
	for _, v := range [...]int{int(month), day, hour, minute} {
		m = append(m, '0'+byte(v/10), '0'+byte(v%10))
	}
	return m
}
