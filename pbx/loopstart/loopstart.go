// Package loopstart is the state machine of one line of the public exchange, a loop-start
// line: it turns what the line does into what it means (a call comes in, the exchange is
// ready for digits, the call is over), and what the switch wants (seize, dial, answer,
// release) into signals for the board, with the times of the country and of the line.
//
// [Line.Step] is called by the switch loop with the time; it reads no clock, does no input
// or output and starts nothing. Times of edges come from the board ([board.Event].At). It
// hears nothing itself: the media engine does, and the switch hands it the finding. It sends
// no DTMF itself either: [Line.Sends] says what is to be played while the state is Sending
// or Keying. It never signals a ring, and never a pulse while the line is on hook.
//
// What a call for help needs differs from all others ([Call].Urgent): it is dialled whether
// there is dial tone or not, and no tone, reversal or short break ends it.
//
// What it cannot see: a ring that began less than some 60 ms before the seizure, since the
// chip has not told of it by then. That caller is answered by silence for the time of
// [Patience], and let go as a line without dial tone is.
package loopstart

import (
	"strings"
	"time"

	"sotto/board"
)

// Times that are the same everywhere. Those of a country or a line are in [Timing].
const (
	Mute       = 410 * time.Millisecond  // from off hook to voice both ways: the chip calibrates itself (Si3050 data sheet, figure 26)
	Blind      = 1500 * time.Millisecond // from seizure to the first digit of a call for help: Mute and the exchange's dial tone
	Deaf       = 3 * time.Second         // the same of other calls where the country's dial tone cannot be recognised
	Patience   = 5 * time.Second         // from seizure, for dial tone
	Rest       = 2 * time.Second         // on hook between two uses, so that the exchange sees it
	ClearTime  = 700 * time.Millisecond  // off hook, to take a ringing call and end it
	NoCurrent  = 300 * time.Millisecond  // no loop current for as long before the number is sent: the line is dead
	LongBreak  = 500 * time.Millisecond  // a break longer than the line's by this much ends a call before it is over
	UrgentLost = 600 * time.Millisecond  // no loop current for as long: the exchange cleared a call for help
	SafeZone   = 650 * time.Millisecond  // after a call is taken: exchanges switch, and breaks and reversals are theirs
	TurnApart  = 600 * time.Millisecond  // two reversals nearer to each other are one
	EarlyTone  = 20 * time.Second        // a tone that comes sooner, before anything else, says that the call never got through
	HeldLong   = 4 * time.Hour           // another set on the line for as long: somebody should look
	MaxKeys    = 32                      // digits that wait to be passed on
)

// Timing is what a country's exchanges expect, and one line of them.
type Timing struct {
	RingLost   time.Duration // without a ring: the caller gave up
	Break      time.Duration // set length of the loop break that ends a call; half of it counts
	On, Off    time.Duration // of a DTMF digit
	Pulse      bool          // dial by pulses
	PulseBreak time.Duration // of a pulse
	PulseMake  time.Duration
	PulsePause time.Duration // after a digit by pulses
	Digits     string        // the digit of one pulse, of two …
	Reversal   bool          // the exchange turns the polarity on answer and at the end
	Deaf       bool          // the dial tone cannot be recognised
}

// State of a line.
type State uint8

const (
	Free         State = iota + 1
	Ringing            // a call from the exchange rings: a burst, or the pause after one
	Resting            // released, not to be used yet
	Waiting            // will be seized when its rest is over
	Clearing           // off hook to be rid of the call that rang, before it is seized
	Seizing            // off hook; nothing is heard or sent yet
	Listening          // for dial tone, or blind for a while
	Sending            // the number
	Talking            // the caller and the exchange hear each other
	Keying             // sends a digit within a call
	OutOfService       // the port failed
	numStates
)

var stateNames = [numStates]string{Free: "free", Ringing: "ringing", Resting: "resting", Waiting: "waiting for rest", Clearing: "clearing",
	Seizing: "seizing", Listening: "waiting for dial tone", Sending: "dialling", Talking: "talking", Keying: "sending a digit", OutOfService: "out of service"}

func (s State) String() string { return stateNames[s] }

// Input is what happens to a line.
type Input uint8

const (
	RingOn    Input = iota + 1
	RingOff         // the burst is over
	Reversed        // the polarity turned
	Lost            // the loop current
	Back            // the loop current
	Missing         // no exchange feeds the released line
	Present         // it does again
	Taken           // another set is on the released line
	Left            // and no longer
	Failed          // the board lost the port
	Restored        // the board has it again
	HeardDial       // the exchange says: dial now
	HeardRing       // the called telephone rings
	HeardBusy
	HeardCongestion
	HeardUnobtainable
	HeardSilence // nothing at all, for very long
	Timeout      // a deadline is over
	Seize        // the switch wants to call: see [Line.Prepare]
	Answer       // the switch takes the call that rings
	Release      // the switch is done with the line
	Key          // the switch has a digit to pass on: see [Line.Queue]
	numInputs
)

var inputNames = [numInputs]string{RingOn: "ring on", RingOff: "ring off", Reversed: "reversed", Lost: "current lost", Back: "current back",
	Missing: "line missing", Present: "line present", Taken: "other set lifted", Left: "other set hung up", Failed: "port failed", Restored: "port restored",
	HeardDial: "dial tone", HeardRing: "ringback", HeardBusy: "busy tone", HeardCongestion: "congestion tone", HeardUnobtainable: "unobtainable tone",
	HeardSilence: "long silence", Timeout: "timeout", Seize: "seize", Answer: "answer", Release: "release", Key: "key"}

func (i Input) String() string { return inputNames[i] }

// Act is what a line did, as the switch sees it.
type Act uint8

const (
	Rang       Act = iota + 1 // a call comes in
	RangAgain                 // another burst of the same call
	RingLost                  // it is over: the caller gave up, or another set took it, and so did not reach us
	Collided                  // a call came in as the line was seized for another. [Line.Up]: we took it by that
	NoDialTone                // the exchange does not want to be dialled to; the line is still off hook
	Dead                      // no loop current, or the port failed, before the number was sent
	Dialled                   // the number is sent. [Line.Answered]: and the called party has answered
	Answered                  // the called party did, as a reversal told
	Cleared                   // the exchange ended the call, for Output.Why, at Output.At
	HeldLongBy                // others have been on the line for [HeldLong]
)

// Why says how the exchange ended a call.
type Why uint8

const (
	ByBreak        Why = iota + 1 // the loop was open for a while
	ByReversal                    // the polarity turned back
	ByTone                        // busy or the like, after a conversation
	ByFailure                     // the port failed
	BySilence                     // nothing was heard for so long that the line must be stuck
	ByBusy                        // the call never got through: the called party is busy
	ByCongestion                  // the call never got through: no way there
	ByUnobtainable                // the call never got through: nobody has the number
	numWhys
)

var whyNames = [numWhys]string{ByBreak: "loop break", ByReversal: "reversal", ByTone: "tone", ByFailure: "port failed", BySilence: "silence",
	ByBusy: "busy", ByCongestion: "congestion", ByUnobtainable: "unobtainable"}

func (w Why) String() string { return whyNames[w] }

// Early tells whether the call never got through: nobody has answered.
func (w Why) Early() bool { return w == ByBusy || w == ByCongestion || w == ByUnobtainable }

// Output is what a step led to. Signals go to the board in order, before the act is told.
type Output struct {
	Signals [2]board.Signal // a zero Kind ends the list
	Act     Act             // 0 for none
	Why     Why             // Cleared
	At      time.Time       // when it happened: the edge, not its decision
}

func (o *Output) act(a Act, at time.Time) { o.Act, o.At = a, at }

func (o *Output) cleared(w Why, at time.Time) { o.Act, o.Why, o.At = Cleared, w, at }

func (o *Output) signal(s board.Signal) {
	for i := range o.Signals {
		if o.Signals[i].Kind == 0 {
			o.Signals[i] = s
			return
		}
	}
}

// Call is what a line is seized for.
type Call struct {
	Digits string // 0-9 * #; pulses leave out what they cannot send
	Urgent bool   // a call for help
}

// Line is the machine of one line. The zero value is not ready: use [New].
type Line struct {
	state    State
	timing   Timing
	use      Timing // of the use under way
	call     Call
	incoming bool      // the use began with a ring
	since    time.Time // of the state
	deadline time.Time // end of the state, zero for none
	seized   time.Time // Seizing and after
	lost     time.Time // since when the loop current is missing
	cut      time.Time // when that is decided
	turned   time.Time // last reversal that counted
	answered bool      // a reversal told so
	rang     bool      // ringback was heard
	sent     int       // Sending by pulses: digits whose train has begun
	keys     []byte    // that wait to be passed on
	dialled  time.Time // the number was sent
	sends    string    // what is to be played
	nth      uint32    // of sends: rises whenever something new is to be played

	missing, others bool // notes of the released line
	alarm           time.Time
}

// New gives a line that is free.
func New(t Timing) *Line { return &Line{state: Free, timing: t} }

// State gives the present state.
func (l *Line) State() State { return l.state }

// Up tells whether the line is off hook by us.
func (l *Line) Up() bool {
	switch l.state {
	case Clearing, Seizing, Listening, Sending, Talking, Keying:
		return true
	}
	return false
}

// Heard tells whether what the exchange says is that of the call under way.
func (l *Line) Heard() bool { return l.Up() && l.state != Clearing }

// Missing tells whether no exchange feeds the line, as far as was noted.
func (l *Line) Missing() bool { return l.missing }

// Others tells whether another set is on the line, as far as was noted.
func (l *Line) Others() bool { return l.others }

// Answered tells whether a reversal told that the called party has answered.
func (l *Line) Answered() bool { return l.answered }

// Tells tells whether the exchange says when the called party answers.
func (l *Line) Tells() bool { return l.use.Reversal && !l.call.Urgent }

// Sends gives the digits that are to be played to the exchange as DTMF, each once; empty
// for none. n is another one for each that is new.
func (l *Line) Sends() (digits string, n uint32) { return l.sends, l.nth }

// Deadline gives when Step wants a Timeout, or the zero time.
func (l *Line) Deadline() time.Time {
	d := l.deadline
	for _, t := range [...]time.Time{l.cut, l.alarm} {
		if !t.IsZero() && (d.IsZero() || t.Before(d)) {
			d = t
		}
	}
	return d
}

// SetTiming changes the timing from the next use on.
func (l *Line) SetTiming(t Timing) { l.timing = t }

// Prepare says what the next Seize is for.
func (l *Line) Prepare(c Call) { l.call = c }

// Queue takes a digit for the next Key. More than [MaxKeys] are refused, and what the line
// cannot send.
func (l *Line) Queue(digit byte) bool {
	if len(l.keys) == MaxKeys || !strings.ContainsRune("0123456789*#", rune(digit)) || l.use.Pulse && l.pulses(digit) == 0 {
		return false
	}
	l.keys = append(l.keys, digit)
	return true
}

// Step takes one input. at is the time of the edge for what the board tells, else the
// present; now is the present. It reports false if the state does not allow the input.
func (l *Line) Step(now, at time.Time, in Input) (Output, bool) {
	var out Output
	if in == Timeout {
		if d := l.Deadline(); d.IsZero() || now.Before(d) {
			return out, true // an old timer: its state is gone
		}
	}
	m, ok := Table.Find(l.state, in)
	if !ok {
		return out, false
	}
	m.Do(l, now, at, &out)
	return out, true
}

// enter moves to s, which began at since; after limit a Timeout is due (0: never).
func (l *Line) enter(s State, since time.Time, limit time.Duration) {
	l.state, l.since, l.sends = s, since, ""
	l.deadline = time.Time{}
	if limit > 0 {
		l.deadline = since.Add(limit)
	}
}

// pulses gives the number of pulses of a digit, 0 if it has none.
func (l *Line) pulses(digit byte) uint8 {
	return uint8(min(strings.IndexByte(l.use.Digits, digit)+1, 10))
}
