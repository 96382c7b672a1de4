package sdp

import (
	"errors"
	"net/netip"
	"strings"
)

// What a description may hold. More is an error of [Parse].
const (
	MaxSize       = 8 << 10 // bytes
	MaxLines      = 8       // media lines
	MaxFormats    = 32      // of a media line
	MaxAttributes = 64      // of a media line, and as many before the first
)

// ErrNothing is returned when two ends have no audio in common: no usable line or no
// codec. SIP says 488 to it (RFC 3261 section 13.3.1.3).
var ErrNothing = errors.New("no audio in common")

// Codec is a format of sound and the number it has in a stream (RFC 3551).
type Codec struct {
	Payload  uint8  // 0 to 127
	Name     string // encoding name, as registered: "PCMA"
	Rate     int    // of the RTP clock, in Hz
	Channels int    // 0 for one
}

// What the box itself speaks. A dynamic number is the one that it offers.
var (
	PCMU           = Codec{Payload: 0, Name: "PCMU", Rate: 8000}
	PCMA           = Codec{Payload: 8, Name: "PCMA", Rate: 8000}
	ComfortNoise   = Codec{Payload: 13, Name: "CN", Rate: 8000}               // RFC 3389
	TelephoneEvent = Codec{Payload: 101, Name: "telephone-event", Rate: 8000} // RFC 4733
)

// Same tells whether two codecs are the same format, whatever their numbers.
func (c Codec) Same(o Codec) bool {
	return c.Rate == o.Rate && c.Channels == o.Channels && strings.EqualFold(c.Name, o.Name)
}

// voice tells whether c carries speech by itself.
func (c Codec) voice() bool {
	return !strings.EqualFold(c.Name, TelephoneEvent.Name) && !strings.EqualFold(c.Name, ComfortNoise.Name)
}

// static are the numbers that need no a=rtpmap (RFC 3551 section 6), as far as telephones
// use them.
var static = [...]Codec{PCMU, {Payload: 3, Name: "GSM", Rate: 8000}, {Payload: 4, Name: "G723", Rate: 8000}, PCMA,
	{Payload: 9, Name: "G722", Rate: 8000}, ComfortNoise, {Payload: 18, Name: "G729", Rate: 8000}}

// Direction says which way sound goes, seen from the end that says so (RFC 8866 section
// 6.7). The zero value is both ways.
type Direction uint8

const (
	SendRecv Direction = 0
	SendOnly Direction = noRecv
	RecvOnly Direction = noSend
	Inactive Direction = noSend | noRecv

	noRecv, noSend = 1, 2
)

var directions = [...]string{SendRecv: "sendrecv", SendOnly: "sendonly", RecvOnly: "recvonly", Inactive: "inactive"}

// String gives the name of the attribute: "sendonly".
func (d Direction) String() string { return directions[d&Inactive] }

// Sends tells whether the end that says d sends.
func (d Direction) Sends() bool { return d&noSend == 0 }

// Receives tells whether the end that says d receives.
func (d Direction) Receives() bool { return d&noRecv == 0 }

// Mirror gives what d is for the other end.
func (d Direction) Mirror() Direction { return d&noRecv<<1 | d&noSend>>1 }

// And gives what both d and o allow.
func (d Direction) And(o Direction) Direction { return d | o }

// Remote is an audio line as the other end described it.
type Remote struct {
	RTP      netip.AddrPort // where it wants its sound; zero if it wants none (0.0.0.0, the hold of RFC 2543)
	RTCP     netip.AddrPort // a=rtcp (RFC 3605) or the port after RTP; zero if there is none
	Codecs   []Codec        // in its order; what cannot be told is left out
	Dir      Direction      // as it said it; with RTP zero it receives nothing
	PTime    int            // ms of sound in a packet that it wants, 0 if it does not say
	MaxPTime int            // ms that it stands, 0 if it does not say
	line     int
}

// find gives the remote's own number for the format of c.
func (r *Remote) find(c Codec) (Codec, bool) { return find(r.Codecs, c) }

func find(l []Codec, c Codec) (Codec, bool) {
	for _, o := range l {
		if o.Same(c) {
			return o, true
		}
	}
	return Codec{}, false
}

// Chosen is what two ends agreed on.
type Chosen struct {
	Remote    Remote
	Codec     Codec     // of the sound, with the number that it is sent with
	PayloadIn uint8     // the number that it comes in with
	Events    uint8     // number to send telephone events with, 0: do not
	EventsIn  uint8     // number that they come in with, 0: none are to come
	Comfort   bool      // both take comfort noise, number 13
	Dir       Direction // of this end: whether it may send and is to receive
	PTime     int       // ms of sound in each packet to send, 10 to 60 in tens
	Lines     Lines     // for the next offer of this end: [Local.Lines]
}

// Lines are the media lines that a session has by now. Offers keep their number and order
// (RFC 3264 section 8). The zero value is a session that has yet to begin: its offer has
// one audio line.
type Lines struct {
	lines []mediaLine
	audio int // the one that is used
}

// mediaLine is what names a line when it is refused.
type mediaLine struct{ media, proto, format string }
