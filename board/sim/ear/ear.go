// Package ear is the measuring ear of a simulated telephone or exchange: fed the samples
// that a line brings, it says in words what they are, so that a test reads what a person
// would hear and never what the switch believes.
//
//	samples ─┬─ low pass 2.3 kHz ─┬─ edges: when sound begins and ends
//	         │                    └─ kinds: which frequencies, over 50 ms windows
//	         │                              └─ match: runs of sound against the cadences
//	         └─ what is left ───────── markers: the sines by which handsets "speak"
//
// An [Ear] works as the samples come; [Measure] takes a whole recording apart and gives
// its frequencies, levels and times as figures.
//
// board/sim and the scenario tests call it. The package is pure: no clock, no
// goroutine, and it knows tones only as the [Spec] values it is given.
package ear

import (
	"time"

	"sotto/board"
)

// Unknown names a sound that lasted and fits no Spec.
const Unknown = "unknown tone"

// Burst is one burst of a cadence and the pause after it.
type Burst struct {
	Freqs   []float64     // Hz
	Level   float64       // dBm0 of the whole burst; only its difference to the burst before counts
	On, Off time.Duration // On 0: without end
}

// Spec is a tone that the ear can name: bursts heard once, then bursts heard round and
// round. Two tones that sound the same must be one Spec.
type Spec struct {
	Name        string
	Intro, Loop []Burst
}

// Kind says what an Event tells.
type Kind uint8

const (
	ToneOn    Kind = iota + 1 // a tone was recognised
	ToneOff                   // the tone last named is over
	MarkerOn                  // a marker began
	MarkerOff                 // a marker ended
	Digit                     // a DTMF digit of 80 ms or more was heard
)

func (k Kind) String() string {
	switch k {
	case ToneOn:
		return "tone on"
	case ToneOff:
		return "tone off"
	case MarkerOn:
		return "marker on"
	case MarkerOff:
		return "marker off"
	case Digit:
		return "digit"
	}
	return "unknown event"
}

// Event is one thing heard.
type Event struct {
	Kind   Kind
	Name   string    // of the Spec, Unknown, or the digit
	Marker int       // index of the marker
	At     time.Time // of the sound's beginning or end itself, to about 5 ms; not of its recognition
	Level  float64   // dBm0 of the sound when it was recognised
}

// Ear hears one line. It is used by one goroutine.
type Ear struct {
	specs   []spec
	kinds   []kind
	digits  int // index of the first DTMF kind
	markers []marker

	n      int // number of the first sample of this frame
	start  time.Time
	quiet  int // silent frames in a row
	events []Event

	x [taps - 1 + board.FrameLen]float32 // input, for the filter
	y [window + board.FrameLen]float32   // below 2.3 kHz, delayed by delay
	z [window + board.FrameLen]float32   // the rest, delayed likewise

	edge  edge
	run   run
	match match
	hum   hum
}

const (
	// window is what kinds and markers are judged by: 50 ms.
	window = 400
	// silentPeak is the peak of a sine of -60 dBm0: a frame below it is silence.
	silentPeak = 23
	// flushed is the number of silent frames after which all buffers hold silence.
	flushed = (window + taps + 2*board.FrameLen) / board.FrameLen
)

// New makes an ear that can name the tones of specs and tell markers apart by their
// frequencies in Hz: at least 40 Hz from each other, 2650 to 3700.
func New(specs []Spec, markers []float64) *Ear {
	e := &Ear{n: window} // sample numbers stay positive
	for _, s := range specs {
		e.specs = append(e.specs, e.compile(s))
	}
	e.addDigits()
	for _, hz := range markers {
		e.markers = append(e.markers, newMarker(hz))
	}
	e.match.init(e.specs)
	e.events = make([]Event, 0, 2*len(markers)+8)
	return e
}

// Hear takes ten milliseconds that began at start and tells what they made clear. The
// slice is valid until the next call. It does not allocate; after a few silent frames
// in a row, silence costs one look at the samples.
func (e *Ear) Hear(start time.Time, f *board.Frame) []Event {
	e.events = e.events[:0]
	e.start = start
	if silent(f) {
		e.quiet++
	} else {
		e.quiet = 0
	}
	switch {
	case e.quiet <= flushed:
		e.filter(f)
		e.hearTones()
		e.hearMarkers()
	case e.quiet == flushed+1:
		clear(e.x[:])
		clear(e.y[:])
		clear(e.z[:])
		e.forget()
	}
	if e.run.state != never {
		e.tick()
	}
	e.n += board.FrameLen
	return e.events
}

func silent(f *board.Frame) bool {
	for _, v := range f {
		if v >= silentPeak || v <= -silentPeak {
			return false
		}
	}
	return true
}

// end is the number of the sample after the last one heard through the filter.
func (e *Ear) end() int { return e.n + board.FrameLen - delay }

// at gives the time of a sample.
func (e *Ear) at(sample int) time.Time {
	return e.start.Add(time.Duration(sample-e.n) * time.Second / board.SampleRate)
}

func (e *Ear) tell(k Kind, name string, marker, sample int, level float64) {
	e.events = append(e.events, Event{k, name, marker, e.at(sample), level})
}
