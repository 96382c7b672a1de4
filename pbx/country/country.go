// Package country holds what the telephones and exchanges of a nation do and expect, as
// data: tones, ringing, line impedance, hook timing, caller ID, emergency numbers. A
// nation is one file in data/; a new one needs no code. The switch, the analog ports,
// the media engine and the set-up page read it by [Lookup].
//
// A file carries a "notes" list: where its sources disagree, what was chosen and why.
// Values that no source gives follow the generic European entry, "ETSI".
//
// The package is pure. Its data is embedded, read once and checked whole; everything
// that is returned is shared and must not be changed. It knows nothing of calls or
// chips, and logs nothing.
package country

import (
	"embed"
	"slices"
	"strings"
	"sync"
	"time"

	"sotto/board"
	"sotto/pbx/media/tone"
)

// Country is one nation's telephony. All of it is shared and immutable.
type Country struct {
	Code  string   // ISO 3166 alpha-2 in capitals: "DE"; "ETSI" for the generic entry
	Name  string   // in English
	Notes []string // conflicts of the sources and the choices made

	Law  Law
	Ring []time.Duration // cadence of ringing: on, off, on, off …

	Station  board.Line // of a station port; DC is unused
	Exchange board.Line // of an exchange-line port; Ringing is unused

	Flash    Flash
	Pulse    Pulse
	CPC      CPC
	CallerID CallerID
	DTMF     DTMF
	Timers   Timers
	Dialling Dialling

	// Emergency lists the nation's emergency numbers. Each is put through whatever
	// the plan says, as soon as it is dialled in full.
	Emergency []string
	// Tolerated lists the emergency numbers of elsewhere that visitors and mobile
	// telephones know, 112 and 911 where the nation has not got them. They are put
	// through as emergency calls, unless the plan gives an extension that number.
	Tolerated []string

	tones [NumTones]*tone.Tone
	same  [NumTones]ToneKind // the tone that this one is a copy of, or itself
}

// ToneKind names a call-progress tone after what it means (ITU-T E.180, E.182).
type ToneKind uint8

const (
	Dial         ToneKind = iota // dial now
	Stutter                      // dial now; a message waits or a service is on (special dial tone)
	Ringback                     // the called telephone rings
	Busy                         // the called party is busy
	Congestion                   // no line or no way there; also the end of a dead call (reorder)
	Unobtainable                 // nobody has this number
	CallWaiting                  // another call knocks
	Confirmation                 // done; played once
	Howler                       // put the receiver back
	Hold                         // the other party has put the call on hold
	NumTones
)

var toneNames = [NumTones]string{"dial", "stutter", "ringback", "busy", "congestion",
	"unobtainable", "call waiting", "confirmation", "howler", "hold"}

// String gives the name of the tone as the data files and the scenarios write it.
func (k ToneKind) String() string {
	if k < NumTones {
		return toneNames[k]
	}
	return "unknown tone"
}

// Tone gives a tone, never nil.
func (c *Country) Tone(k ToneKind) *tone.Tone { return c.tones[k] }

// Same gives the tone under which a listener knows k: k itself, or the one that sounds
// the same where the nation has one tone for both (busy, for congestion in Japan).
func (c *Country) Same(k ToneKind) ToneKind { return c.same[k] }

// Law is the companding law of ITU-T G.711 towards the network.
type Law uint8

const (
	ALaw  Law = iota + 1
	MuLaw     // North America, Japan
)

func (l Law) String() string {
	switch l {
	case ALaw:
		return "A"
	case MuLaw:
		return "mu"
	}
	return "unknown law"
}

// Flash is the timed break that calls the exchange during a call (recall, register
// recall, R key). A break of Min to Max is a flash, both included; a longer one is the
// end of the call.
type Flash struct {
	Min, Max time.Duration
	Send     time.Duration // length of the break sent on an exchange line
}

// Pulse is loop-disconnect dialling.
type Pulse struct {
	// A break of BreakMin or more and less than BreakMax is a pulse. BreakMax is never
	// above Flash.Min; a break between the two is neither.
	BreakMin, BreakMax time.Duration
	// InterDigit is the shortest closed loop that ends a digit.
	InterDigit time.Duration
	// SendBreak and SendMake are the halves of a pulse sent on an exchange line.
	SendBreak, SendMake time.Duration
	// Digits holds the digit of one pulse, of two, … of ten.
	Digits string
}

// CPC is the calling-party-control break: the open loop by which an exchange tells
// that the other party is gone.
type CPC struct {
	Send   time.Duration // towards a telephone
	Detect time.Duration // shortest on an exchange line
}

// CallerIDModem is how the caller's number travels to the telephone.
type CallerIDModem string

const (
	Bell202 CallerIDModem = "bell202" // FSK 1200/2200 Hz (GR-30)
	V23     CallerIDModem = "v23"     // FSK 1300/2100 Hz (EN 300 659, SIN 227)
	DTMFID  CallerIDModem = "dtmf"    // DTMF digits
	NTT     CallerIDModem = "ntt"     // FSK V.23, framed and with CRC-16
)

// CallerIDAlert is what tells the telephone that the caller's number comes.
type CallerIDAlert string

const (
	AfterFirstRing   CallerIDAlert = "after first ring"
	ReversalAndDTAS  CallerIDAlert = "reversal and dt-as" // before ringing: line reversal, then the dual tone
	Reversal         CallerIDAlert = "reversal"           // before ringing: line reversal
	CarAndAutoAnswer CallerIDAlert = "car"                // before ringing: 0.5/0.5 s bursts until the telephone answers
)

// CallerID is how calls are announced to a telephone.
type CallerID struct {
	Modem CallerIDModem
	Alert CallerIDAlert
}

// DTMF is how digits are sent.
type DTMF struct {
	Low, High float64 // level of either group, dBm0
	On, Off   time.Duration
}

// Timers are the patience of the exchange.
type Timers struct {
	Lift       time.Duration // a loop closed for less is a glitch, not an off-hook
	FirstDigit time.Duration // from dial tone to the first digit
	InterDigit time.Duration // between digits, while the number is not complete
	Match      time.Duration // between digits, when the number may already be complete
	Reorder    time.Duration // from the far party's end to congestion tone
	Howler     time.Duration // of congestion tone, before the howler
	RingLost   time.Duration // without a ring on an exchange line: the caller gave up
}

// Dialling is how numbers are dialled on an exchange line (ITU-T E.164; ITU Operational
// Bulletin 994, dialling procedures).
type Dialling struct {
	CountryCode   string // behind the +: "49"; empty in the generic entry
	International string // dialled before the code of another country: "00"
	National      string // dialled before an area code, and no part of the number behind the country code: "0"; empty where there is none
}

// HangUp gives the length of a break from which on it ends the call.
func (c *Country) HangUp() time.Duration { return c.Flash.Max }

//go:embed data/*.json
var data embed.FS

// all gives every country by code. The files are embedded: a test loads them, so an
// error cannot come up in the field.
var all = sync.OnceValue(func() map[string]*Country {
	m, err := load(data, "data")
	if err != nil {
		panic("country: " + err.Error())
	}
	return m
})

// Lookup gives the country of a code, in capitals or not.
func Lookup(code string) (*Country, bool) {
	c, ok := all()[strings.ToUpper(code)]
	return c, ok
}

// Codes gives the codes of all countries, sorted. The slice is the caller's.
func Codes() []string {
	var codes []string
	for code := range all() {
		codes = append(codes, code)
	}
	slices.Sort(codes)
	return codes
}
