package chipsim

import (
	"fmt"
	"sync"
	"time"

	"sotto/board"
)

// Edge is a change of a hook switch within a frame.
type Edge struct {
	After  time.Duration // since the frame's start, less than board.FrameTime
	Closed bool
}

// Feed is what a station port gives its line in one frame, at the terminals.
type Feed struct {
	Volts   float64                 // DC, tip to ring, signed; 0 with the line open
	Ringing bool                    // Ring holds ringing
	Ring    [board.FrameLen]float32 // instantaneous ringing voltage
	Talk    bool                    // voice passes: Audio is what the telephone gets
	Audio   board.Frame
}

// Draw is what the telephone does to its line in one frame.
type Draw struct {
	Closed bool        // hook at the frame's start
	Edges  []Edge      // in order of time
	REN    float64     // ringer load on the line; 0 when nothing is plugged in
	Mouth  board.Frame // what the telephone sends
}

// Phone is what is plugged into a station port.
type Phone interface {
	// Line lives through ten milliseconds from start on: it is told what the line
	// gives and says what it does. It must reset all of draw but may reuse the
	// storage of draw.Edges. It must not call back into the model.
	Line(start time.Time, feed *Feed, draw *Draw)
}

// Seizure is what an exchange-line port does to its line in one frame.
type Seizure struct {
	Closed bool // loop at the frame's start
	Edges  []Edge
	Talk   bool // the port's voice path is open
	Mouth  board.Frame
}

// Supply is what the exchange gives a line in one frame.
type Supply struct {
	Volts     float64 // DC, open circuit, tip to ring, signed; 0 when no exchange is there
	Milliamps float64 // what flows into a closed loop, signed; falls when another set is off hook too
	InUse     bool    // another set on the line is off hook: on-hook voltage falls to about 8 V
	Ringing   bool
	Ring      [board.FrameLen]float32 // instantaneous ringing voltage
	Audio     board.Frame
}

// CO is the central office (with its line) that an exchange-line port is plugged into.
type CO interface {
	// Line lives through ten milliseconds from start on. It must reset all of supply
	// and must not call back into the model.
	Line(start time.Time, seizure *Seizure, supply *Supply)
}

// Violations collects what a driver did that the data sheet forbids. The zero value
// is ready; any goroutine.
type Violations struct {
	mu   sync.Mutex
	list []string
	n    int
}

// maxViolations bounds the texts kept; Count goes on.
const maxViolations = 100

// Add notes one breach.
func (v *Violations) Add(format string, args ...any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.n++
	if len(v.list) < maxViolations {
		v.list = append(v.list, fmt.Sprintf(format, args...))
	}
}

// List gives the breaches noted, at most the first hundred.
func (v *Violations) List() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return append([]string(nil), v.list...)
}

// Count gives the number of breaches.
func (v *Violations) Count() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.n
}
