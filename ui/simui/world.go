package simui

import "sotto/board"

// Tap is what sits in place of a person at a telephone, or of the far party of a line.
// Exchange is called once a frame from the board's goroutine while the telephone is off
// the hook: ear is what is heard, and mouth is filled with what is said. It must not
// wait and must not allocate.
type Tap interface {
	Exchange(mouth, ear *board.Frame)
}

// World is the simulator as the page sees it. [Of] gives that of a simulated board. All
// methods are called by any goroutine.
type World interface {
	// Telephones gives how each telephone stands now, always the same ones in the same order.
	Telephones() []Telephone
	// Lines gives how each exchange line stands now, likewise.
	Lines() []Line
	// Changed gives a channel that is closed with the next thing that happens.
	Changed() <-chan struct{}
	// Set gives the hand at telephone i, from 0, and Far the far party of line i.
	Set(i int) Set
	Far(i int) Far
}

// Telephone is how a telephone stands: what a person beside it would notice.
type Telephone struct {
	Name    string // its extension, usually
	Label   string // of its port: "FXS 1"
	Fault   bool   // its port is out of service
	OffHook bool
	Ringing bool     // in a cadence
	Bell    bool     // it sounds right now
	Cadence string   // "1.0/4.0 at 25 Hz", once it is known
	Tone    string   // in the ear: "dial", or ""
	Voices  []string // in the ear: names of telephones and lines
	Talks   []string // those of them who hear this one, too
	Display string   // personal data; "" is dark
}

// Line is how an exchange line stands, seen from the exchange.
type Line struct {
	Name       string // "line 1"
	Label      string // of its port: "FXO 1"
	State      LineState
	Digits     string   // personal data: what was dialled since the line was seized
	Voices     []string // that the far party hears
	Talks      []string // those of them who hear the far party, too
	Answering  Answering
	Cut        bool // its wire
	OtherSet   bool // another set on it is lifted
	NoDialTone bool
}

// LineState is where a call on a line stands.
type LineState uint8

const (
	LineIdle   LineState = iota
	LineRings            // a call comes in
	LineSeized           // the box holds it and dials, or may
	LineWaits            // the number is complete: the called party is being reached or rings
	LineTalks            // answered
	LineEnded            // the far party is gone, the box still holds the line
)

// Set is the hand at a telephone.
type Set interface {
	Lift()
	HangUp()
	// KeyDown presses a key, 0 to 9, * or #, until KeyUp: DTMF for at least 50 ms.
	KeyDown(sign byte)
	KeyUp()
	Flash()
	// Pulse dials a digit, 0 to 9, as a rotary dial does.
	Pulse(digit byte)
	// VoiceHz is the frequency that its test voice is known by.
	VoiceHz() float64
	Attach(Tap) (detach func())
}

// Ending is a way in which the far party of a line ends a call.
type Ending uint8

const (
	EndSilent     Ending = iota // nothing is told
	EndBreak                    // the loop is broken for a time
	EndReversal                 // the polarity turns
	EndBusy                     // busy tone
	EndCongestion               // congestion tone
)

// Answering is what becomes of a call that the box makes on a line.
type Answering uint8

const (
	AnswersSelf Answering = iota // after one burst of ringback
	AnswersWait                  // when Answer is called
	AnswersBusy                  // it is refused with busy tone
)

// Far is the far party of a line, and the hand at the line's wire.
type Far interface {
	Call() bool // false: the line is not free
	Abandon()
	Answer()
	Answers(Answering) // from the next call on
	HangUp(Ending)
	Cut(bool)
	OtherSet(lifted bool)
	NoDialTone(bool)
	VoiceHz() float64
	Attach(Tap) (detach func())
}
