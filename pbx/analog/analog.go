// Package analog is the state machine of one station port: it turns what the loop
// does into what the person did (lifted, dialled a pulse digit, flashed, hung up), and
// what the exchange wants (ring, stop, clear the line) into signals for the board, with
// the cadence of the country.
//
// [Port.Step] is called by the switch loop with the time; it reads no clock, does no
// input or output and starts nothing. Times of edges come from the board ([board.Event].At),
// so a late delivery does not turn a flash into a hang-up: deadlines that decide about an
// open loop wait [Grace] longer for an edge that may be on its way.
package analog

import (
	"time"

	"sotto/board"
)

// Grace is the longest time from an edge to its delivery that decisions allow for:
// the debounce of the chip, a frame, and the queue.
const Grace = 40 * time.Millisecond

// Timing is what a country's telephones do and expect.
type Timing struct {
	Lift       time.Duration   // a loop closed for less is a glitch
	PulseMin   time.Duration   // shortest break of a dial pulse
	PulseMax   time.Duration   // a break of this length or more is none; 0 switches pulse dialling off
	Digits     string          // the digit of one pulse, of two …
	InterDigit time.Duration   // a loop closed for as long ends a pulse digit
	FlashMin   time.Duration   // shortest break that is a hook flash
	FlashMax   time.Duration   // longest; beyond it the person hung up
	Clear      time.Duration   // length of the open loop that tells the telephone that the far party left (CPC)
	Cadence    []time.Duration // ringing: on, off, on, off …
	Announce   Announce
}

// Announce is how the caller's number reaches a telephone on the hook (ETSI EN 300 659,
// GR-30): before the first ring, after a reversal of the line, or in the first pause.
type Announce struct {
	Before  bool          // before the first ring, else in the first pause that is long enough
	Reverse bool          // the line is reversed first, until the telephone is lifted or the call ends
	Lead    time.Duration // from the reversal, or from the ring's end, to the data
	Guard   time.Duration // least time from the end of the data to the next ring
}

// State of a port.
type State uint8

const (
	OnHook       State = iota + 1
	Lifting            // loop closed, for less than Timing.Lift
	Ringing            // a burst of ringing is on the line
	Pause              // between two bursts
	Announcing         // before the first ring: the line was reversed, data follow
	Sending            // the caller's number is being sent
	OffHook            // loop closed
	Break              // loop opened: a pulse, a flash or the end
	Pulsing            // loop closed again within a pulse digit
	Clearing           // loop opened by us
	OutOfService       // the port failed
	numStates
)

var stateNames = [numStates]string{OnHook: "on hook", Lifting: "lifting", Ringing: "ringing", Pause: "ring pause", Announcing: "announcing", Sending: "sending caller ID",
	OffHook: "off hook", Break: "break", Pulsing: "pulsing", Clearing: "clearing", OutOfService: "out of service"}

func (s State) String() string { return stateNames[s] }

// Input is what happens to a port.
type Input uint8

const (
	LoopClosed Input = iota + 1
	LoopOpen
	Timeout  // the limit of the state is over
	Ring     // the switch wants the telephone to ring
	Quiet    // the switch wants it to stop
	Clear    // the far party left: tell the telephone
	Failed   // the board lost the port
	Restored // the board has it again
	numInputs
)

var inputNames = [numInputs]string{LoopClosed: "loop closed", LoopOpen: "loop open", Timeout: "timeout",
	Ring: "ring", Quiet: "quiet", Clear: "clear", Failed: "port failed", Restored: "port restored"}

func (i Input) String() string { return inputNames[i] }

// Act is what a port did, as the switch sees it.
type Act uint8

const (
	Lifted Act = iota + 1 // off hook; while it rang, this is the answer
	HungUp
	Flashed
	Dialled // Output.Digit by pulses
)

// Output is what a step led to. Signals go to the board in order, before acts are told.
type Output struct {
	Signals [2]board.SignalKind // 0 ends the list
	Act     Act                 // 0 for none
	At      time.Time           // when the person did it: the edge, not its decision
	Digit   byte
}

func (o *Output) act(a Act, at time.Time) { o.Act, o.At = a, at }

func (o *Output) signal(k board.SignalKind) {
	for i := range o.Signals {
		if o.Signals[i] == 0 {
			o.Signals[i] = k
			return
		}
	}
}

// Port is the machine of one station port. The zero value is not ready: use [New].
type Port struct {
	state    State
	timing   Timing
	called   Timing    // of the call that rings
	since    time.Time // edge or moment that the state began with
	deadline time.Time // zero for none
	pulses   int
	data     time.Duration // length of the caller's number for this call, 0 when there is none or it was sent
	next     time.Time     // end of the pause in which it is sent
	phase    int           // index into Timing.Cadence
	broke    time.Time     // Clearing: since when the loop has been open by the telephone
}

// New gives a port that is on hook.
func New(t Timing) *Port { return &Port{state: OnHook, timing: t} }

// State gives the present state.
func (p *Port) State() State { return p.state }

// Up tells whether the telephone is off hook, as far as is decided.
func (p *Port) Up() bool {
	switch p.state {
	case OffHook, Break, Pulsing, Clearing:
		return true
	}
	return false
}

// Deadline gives when Step wants a Timeout, or the zero time.
func (p *Port) Deadline() time.Time { return p.deadline }

// SetData gives the length of what announces the next call; 0 for nothing. It is sent
// while the state is Sending.
func (p *Port) SetData(d time.Duration) { p.data = d }

// Rings tells whether the telephone is being called: it rings, pauses or is announced to.
func (p *Port) Rings() bool {
	switch p.state {
	case Ringing, Pause, Announcing, Sending:
		return true
	}
	return false
}

// SetTiming changes the timing from the next decision on.
func (p *Port) SetTiming(t Timing) { p.timing = t }

// Step takes one input. at is the time of the edge for LoopClosed and LoopOpen, else
// the present; now is the present. It reports false if the state does not allow the input.
func (p *Port) Step(now, at time.Time, in Input) (Output, bool) {
	var out Output
	if in == Timeout && (p.deadline.IsZero() || now.Before(p.deadline)) {
		return out, true // an old timer: its state is gone
	}
	m, ok := Table.Find(p.state, in)
	if !ok {
		return out, false
	}
	m.Do(p, now, at, &out)
	return out, true
}

// enter moves to s, which began at since; after limit a Timeout is due (0: never).
func (p *Port) enter(s State, since time.Time, limit time.Duration) {
	p.state, p.since = s, since
	p.deadline = time.Time{}
	if limit > 0 {
		p.deadline = since.Add(limit)
	}
}
