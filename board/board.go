// Package board says what telephone hardware can do, in the words of a telephone
// exchange rather than of a chip: ports, frames of voice, events from the line,
// signals to it. Every board (the shipping one in board/office, the simulator in
// board/sim) speaks these words and no others, so nothing above this package knows
// which chip is below it.
//
// A board is also the clock of the media plane: [Board.Exchange] blocks until ten
// milliseconds of voice have passed both ways.
//
// The package holds vocabulary only. It uses the standard library alone, starts no
// goroutine and touches no hardware; boardtest holds the behaviour that an
// implementation must show.
package board

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"
)

const (
	// SampleRate is the rate of every voice path in the box, in samples per second.
	SampleRate = 8000
	// FrameLen is the number of samples in one Frame.
	FrameLen = 80
	// FrameTime is the length of one Frame: the period of the media clock.
	FrameTime = 10 * time.Millisecond
	// MaxPorts bounds the number of ports of a board.
	MaxPorts = 64
)

// FullScale is the level of a full-scale sine of linear 16-bit samples, in dBm0.
// ITU-T G.711 puts the A-law virtual decision value at +3.14 dBm0; the box keeps
// that for its linear samples, so that 0 dBm0 is a sine of about 0.697 of full scale.
const FullScale = 3.14

// Amplitude gives the peak of a sine of level dBm0 in 16-bit sample units.
func Amplitude(dBm0 float64) float64 {
	return 32767 * math.Pow(10, (dBm0-FullScale)/20)
}

// Level gives the level in dBm0 of a signal whose root mean square is rms, in sample
// units; silence gives minus infinity.
func Level(rms float64) float64 {
	return FullScale + 20*math.Log10(rms*math.Sqrt2/32767)
}

// Frame is ten milliseconds of one voice path: linear PCM, 16 bit, 8 kHz.
type Frame [FrameLen]int16

// Port numbers the ports of one board from 0. It indexes the frames of Exchange.
type Port int

// Kind tells the two sorts of two-wire port apart.
type Kind uint8

const (
	// Station is a port that a telephone plugs into (FXS): it feeds the line and rings.
	Station Kind = iota + 1
	// ExchangeLine is a port that plugs into a line of the public exchange (FXO): it
	// is fed and rung by it.
	ExchangeLine
)

func (k Kind) String() string {
	switch k {
	case Station:
		return "station"
	case ExchangeLine:
		return "exchange line"
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// PortInfo describes a port as it was found at start.
type PortInfo struct {
	Port  Port
	Kind  Kind
	Label string // as printed beside the socket: "FXS 1"
	Chip  string // part and revision: "Si3215 rev D"; empty when none answered
	Err   error  // why the port is out of service; nil when it works
}

// EventKind says what happened on a line. Kinds carry no interpretation: whether an
// open loop is a digit, a flash or the end of a call is for pbx/analog to say.
type EventKind uint8

const (
	// LoopClosed: the telephone on a station port drew loop current (went off hook),
	// also while ringing (ring trip).
	LoopClosed EventKind = iota + 1
	// LoopOpen: the loop current of a station port ended.
	LoopOpen
	// PortFailed: the port is out of service; Event.Err says why. Its voice path is
	// silent and its signals are kept until PortRestored.
	PortFailed
	// PortRestored: the port works again, in the state last signalled.
	PortRestored
	// RingOn: the exchange began to ring this line. A polarity reversal alone is not one. Of
	// ringing that began some 60 ms or more before the line was seized, and was not told yet,
	// RingOn and RingOff are told after it, with At before it: the box took a call that came.
	RingOn
	// RingOff: the ringing that RingOn told of paused or ended.
	RingOff
	// PolarityReversed: the exchange turned the polarity of tip and ring.
	PolarityReversed
	// CurrentLost: the loop current of a seized exchange line ended (CPC, or the line was cut).
	CurrentLost
	// CurrentBack: the loop current of a seized exchange line flows again.
	CurrentBack
	// LineMissing: no exchange feeds this released line.
	LineMissing
	// LinePresent: an exchange feeds this released line.
	LinePresent
	// LineInUse: another set on the same exchange line is off hook.
	LineInUse
	// LineFree: the other set hung up.
	LineFree
	numEventKinds
)

var eventNames = [numEventKinds]string{
	LoopClosed: "loop closed", LoopOpen: "loop open", PortFailed: "port failed", PortRestored: "port restored",
	RingOn: "ring on", RingOff: "ring off", PolarityReversed: "polarity reversed", CurrentLost: "current lost",
	CurrentBack: "current back", LineMissing: "line missing", LinePresent: "line present", LineInUse: "line in use", LineFree: "line free",
}

func (k EventKind) String() string {
	if k > 0 && k < numEventKinds {
		return eventNames[k]
	}
	return fmt.Sprintf("event %d", uint8(k))
}

// Event is one thing that happened on a line: debounced, not interpreted.
type Event struct {
	Port Port
	Kind EventKind
	At   time.Time // of the edge itself, not of its reading
	Seq  uint32    // rises by one an event of this board; a step of more is a loss
	Err  error     // with PortFailed
}

// SignalKind is what a board is asked to do to a line. Each names a state that lasts
// until the next signal, so a repeated one does nothing.
type SignalKind uint8

const (
	// Idle feeds a station line normally: on hook it waits, off hook it talks.
	Idle SignalKind = iota + 1
	// Reverse is Idle with tip and ring turned.
	Reverse
	// Ring puts ringing on a station line until the next signal. Cadence is above: one
	// Ring is one burst. Ring trip ends it in the chip at once.
	Ring
	// OnHookTransmit is the pause between bursts: no ringing, but voice reaches the
	// on-hook telephone (caller ID).
	OnHookTransmit
	// OpenLoop takes the feed off a station line (CPC towards the telephone). While it
	// lasts the hook cannot be seen and no event tells of it; a change is told afterwards.
	OpenLoop
	// Release puts an exchange line on hook.
	Release
	// Seize puts an exchange line off hook. The voice path opens when the chip has
	// calibrated itself, up to 410 ms later.
	Seize
	// Configure hands the port new line parameters, Signal.Line, without a change of state.
	Configure
	// Pulses opens the loop of a seized exchange line for a number of timed breaks,
	// Signal.Train, and leaves it seized: a digit by loop disconnection, or, one long
	// break, a hook flash. The breaks cause no event, and none is told while they last; a
	// train that comes before the voice path is open waits for that. It is the one signal
	// that is no lasting state: a train that comes while another runs follows it, and
	// Release or Seize ends what is left of both. A train that there cannot be does nothing.
	Pulses
	numSignalKinds
)

var signalNames = [numSignalKinds]string{
	Idle: "idle", Reverse: "reverse", Ring: "ring", OnHookTransmit: "on-hook transmit", OpenLoop: "open loop",
	Release: "release", Seize: "seize", Configure: "configure", Pulses: "pulses",
}

func (k SignalKind) String() string {
	if k > 0 && k < numSignalKinds {
		return signalNames[k]
	}
	return fmt.Sprintf("signal %d", uint8(k))
}

// Signal is one request to a line.
type Signal struct {
	Kind  SignalKind
	Line  Line  // with Configure
	Train Train // with Pulses
}

// Train is a train of breaks of the loop of an exchange line.
type Train struct {
	Count uint8         // of breaks, 1 to 10
	Break time.Duration // loop open, 10 ms to 1 s
	Make  time.Duration // loop closed after each break, 10 ms to 1 s; after one break alone, also 0
}

// LineReport is the result of a test of an idle line.
type LineReport struct {
	OffHook    bool    // a telephone is off the hook
	Volts      float64 // between tip and ring, signed
	Milliamps  float64 // loop current, signed
	TipVolts   float64 // to ground; stations only
	RingVolts  float64 // to ground; stations only
	FeedVolts  float64 // of the battery that feeds the line; stations only
	Registered bool    // exchange line: the line side of the chip answers
}

// ErrClosed is returned by Exchange and Test once the board is closed.
var ErrClosed = errors.New("board: closed")

// ErrBusy is returned by Test for a line that rings, is fed for data or not at all, or
// is seized: a measurement would be one of the signal.
var ErrBusy = errors.New("board: line is not idle")

// Board is one set of telephone hardware. Package boardtest holds the behaviour that
// every implementation shows.
type Board interface {
	// Ports lists the ports in order of their number. The list does not change: Err is
	// what was found at start. A port that did not work then has no PortFailed event, and
	// PortRestored if it comes to life.
	Ports() []PortInfo
	// Exchange puts one frame a port onto the lines and takes one from each; both
	// slices have one element a port. It blocks until the frames have passed: this is
	// the media clock. If the hardware clock stops it returns within 50 ms, with silence
	// and an error, and from then on keeps the pace by itself until the clock is back.
	// After Close, and when Close comes meanwhile, it returns ErrClosed. Called by one
	// goroutine.
	Exchange(out, in []Frame) error
	// Events gives what happens on the lines, in order. They must be taken: a board
	// whose events pile up may stop serving its lines until they are. Closed by Close.
	Events() <-chan Event
	// Signal asks something of a line. It queues and never blocks; any goroutine. What
	// is not for this kind of port, or for no port, does nothing.
	Signal(Port, Signal)
	// Test measures an idle line. ErrBusy if it is not; a telephone off the hook is a
	// finding and no error. The error of a port that is out of service says why.
	Test(context.Context, Port) (LineReport, error)
	// Close puts every port into its inert state: no ringing, no feed, on hook. More
	// than once does nothing more.
	Close() error
}
