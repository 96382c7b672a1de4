package sim

import (
	"fmt"
	"time"
)

// What is a kind of Event.
type What uint8

const (
	Did          What = iota + 1 // a hand did Name: "lifts", "dials 102"
	Hears                        // a tone, Name, began in the ear
	HearsNot                     // it ended
	Rings                        // the bell began
	RingsAs                      // the bell's cadence, Name, and frequency, Hz, are known
	RingsNot                     // the bell stopped
	HearsVoice                   // the voice of handset number Voice began in the ear
	HearsNoVoice                 // it ended
	PutDown                      // the handset is back on the hook
	Talks                        // Who and Name hear each other
	Said                         // a line from elsewhere, Name: a record, a fault
	Shows                        // the display shows Name: a number and a name, "withheld"
	ShowsNot                     // it went dark: the telephone is not called any more
	HearsDigit                   // a digit, Name, that was pressed at the other end was heard
	Sees                         // off the hook, the feed of the line did Name: "reversal"
	IsSeized                     // an exchange line: the box closed the loop
	IsIdle                       // it opened the loop for good
	HearsNumber                  // an exchange line heard Name dialled, by keys or mixed
	HearsPulses                  // by pulses alone
	moved                        // something that is drawn changed; not kept
)

// Event is something that a person beside the telephones would notice.
type Event struct {
	At    time.Time
	What  What
	Who   string
	Name  string
	Hz    float64
	Voice int
}

// String gives the event in the simulator's words, or "" for what has no word.
func (e Event) String() string {
	switch e.What {
	case Did:
		return e.Who + " " + e.Name
	case Hears:
		return e.Who + " hears " + e.Name
	case HearsDigit:
		return e.Who + " hears digit " + e.Name
	case Rings:
		return e.Who + " rings"
	case RingsAs:
		return fmt.Sprintf("%s rings %s at %g Hz", e.Who, e.Name, e.Hz)
	case RingsNot:
		return e.Who + " stops ringing"
	case Talks:
		return e.Who + " and " + e.Name + " talk"
	case Said:
		return e.Name
	case Shows:
		return e.Who + " shows " + e.Name
	case Sees:
		return e.Who + " sees " + e.Name
	case IsSeized:
		return e.Who + " is seized"
	case IsIdle:
		return e.Who + " is idle"
	case HearsNumber:
		return e.Who + " hears " + e.Name
	case HearsPulses:
		return e.Who + " hears pulses " + e.Name
	}
	return ""
}

// RecordLine gives the record of a call in the simulator's words.
func RecordLine(from, to, outcome string, talked time.Duration, held bool) string {
	s := fmt.Sprintf("record %s -> %s %s", from, to, outcome)
	if talked > 0 {
		s += fmt.Sprintf(" %.0fs", talked.Seconds())
	}
	if held {
		s += " held"
	}
	return s
}
