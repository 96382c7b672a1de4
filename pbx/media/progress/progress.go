// Package progress recognises what a public exchange tells by tones: dial tone, ringback,
// busy, congestion, number unobtainable, and that it says nothing at all. The media engine
// feeds it what an exchange line says, ten milliseconds at a time; the switch learns of it
// by which line has dial tone, and which call is over.
//
// What to listen for is data, a [Plan] compiled of a country's tones. A tone that ends a
// call is told only after two whole periods of its cadence, so that neither speech nor
// music is taken for one.
//
// The package is pure: no clock, no goroutine, and no allocation after [Compile].
package progress

import (
	"sotto/board"
	"sotto/pbx/media/tone"
)

// Kind is what an exchange says.
type Kind uint8

const (
	None         Kind = iota
	Dial              // dial now
	Ringback          // the called telephone rings
	Busy              // the called party is busy, or gone
	Congestion        // no way there, or the call is over
	Unobtainable      // nobody has this number
	Silence           // nothing, speech least of all, for a long time: see [Tones]
	NumKinds
)

// Tones is what a plan is made of: the country's tones; nil for one that is not looked for.
type Tones struct {
	Dial, Ringback, Busy, Congestion, Unobtainable *tone.Tone

	SilenceFrames int // frames without a sound that make [Silence]; 0: not looked for
}

// Plan is what to listen for. It is immutable and may be used by any number of detectors.
type Plan struct{}

// Compile makes a plan. The error says which tone cannot be recognised, and why.
func Compile(t Tones) (*Plan, error) { return &Plan{}, nil }

// Event is what a detector found out.
type Event struct {
	Kind Kind // None: nothing new
	On   bool // it began; else it ended
}

// Detector listens to one line. The zero value listens for nothing.
type Detector struct{ plan *Plan }

// Start begins anew with plan p, with nothing heard so far.
func (d *Detector) Start(p *Plan) { d.plan = p }

// Next takes the next ten milliseconds.
func (d *Detector) Next(f *board.Frame) Event { return Event{} }
