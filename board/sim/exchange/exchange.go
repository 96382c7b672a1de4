// Package exchange simulates a line of the public telephone exchange: the battery, the
// tones and the ringing that an exchange-line port sees, the digits that it dials, and
// a called or calling party with a voice. A [Line] is what a [chipsim.DAA] is plugged
// into; board/sim and tests drive it.
//
//	chipsim.DAA ── Line(start, seizure, supply) ──► Line ◄── Call, HangUp, Cut … (any goroutine)
//	                                                  └────► State, Digits, Level, Notes
//
// It is an independent judge of what the box sends: its digit receivers share no code
// with the box. It is pure in time: nothing moves but by the calls of Line, ten
// milliseconds each, and no clock is read. It knows no country: tones and cadences are
// data in a [Config]. It never decodes speech; a voice is a sine or given samples.
package exchange

import (
	"sync"
	"time"

	"sotto/board"
	"sotto/board/chipsim"
)

// Tone is a call-progress tone.
type Tone struct {
	Hz      []float64       // all at the same time
	Level   float64         // of each, in dBm0
	Levels  []float64       // of each, in dBm0, where they differ; else nil
	Cadence []time.Duration // on, off, on, off … and again; none is a steady tone
}

// Ringing is what the exchange rings with.
type Ringing struct {
	Hz      float64
	Vrms    float64
	Cadence []time.Duration // on, off, on, off … and again
}

// Voice is what a far party says.
type Voice struct {
	Hz      float64 // a steady sine as a marker; 0 is silence
	Level   float64 // of the sine, in dBm0
	Samples []int16 // said once instead of the sine
}

// Config is the kind of exchange. Zero values are as told; a tone without frequencies
// is silence.
type Config struct {
	Volts     float64 // open circuit, signed; 0 is -48
	Milliamps float64 // into a closed loop, unsigned; 0 is 25

	DialDelay   time.Duration // from seizure to dial tone
	DialTone    Tone
	Ringback    Tone
	Busy        Tone
	Congestion  Tone
	Ring        Ringing
	NumberPause time.Duration // silence that ends a number; 0 is 3 s
	ReleaseTime time.Duration // open loop that ends a call; 0 is 300 ms
	Pulses      string        // the digit of one dial pulse, of two … of ten; "" is 1234567890

	ReverseOnAnswer bool    // turn the polarity when the called party answers, and back at the end
	EchoLoss        float64 // dB by which the port hears itself; 0 is no echo
}

// Far is how a dialled call goes on.
type Far struct {
	Digits int           // the number is complete with so many; 0 waits for NumberPause
	Delay  time.Duration // from the complete number to ringback or refusal
	Refuse Ending        // EndBusy or EndCongestion: the call gets no further
	Rings  int           // ringback bursts before the answer; negative is no answer, ever
	Voice  Voice         // of the called party
}

// Ending is a way in which the exchange tells that the far party is gone.
type Ending uint8

const (
	EndSilent     Ending = iota // nothing is told
	EndBreak                    // the loop is broken for a time (CPC)
	EndReversal                 // the polarity turns
	EndBusy                     // busy tone
	EndCongestion               // congestion tone
)

// State is where the call on the line stands.
type State uint8

const (
	Idle       State = iota
	RingingIn        // an incoming call rings
	Seized           // waiting for dial tone
	Dialtone         // dial tone, no digit yet
	Dialling         // digits come
	Proceeding       // the number is complete
	Alerting         // the called party rings
	Talking          // answered, incoming or outgoing
	Ended            // the far party is gone, the port still holds the line
)

var stateNames = [...]string{"idle", "ringing", "seized", "dial tone", "dialling", "proceeding", "alerting", "talking", "ended"}

func (s State) String() string { return stateNames[s] }

// NoteKind says what a Note is about.
type NoteKind uint8

const (
	NoteSeized   NoteKind = iota + 1 // the loop closed
	NoteReleased                     // the loop opened for good
	NoteDigit                        // a digit was recognised
	NoteAlerting                     // the called party rings
	NoteAnswered                     // either party answered
	NoteEnded                        // the far party is gone
)

var noteNames = [...]string{"", "seized", "released", "digit", "alerting", "answered", "ended"}

func (k NoteKind) String() string { return noteNames[k] }

// Note is one thing that happened, to the frame or, for the hook, to the edge.
type Note struct {
	At    time.Time
	Kind  NoteKind
	Digit byte // with NoteDigit
	Pulse bool // with NoteDigit: dialled by pulses
}

const (
	maxNotes  = 256
	maxDigits = 64
	heardLen  = board.SampleRate // what is kept of the port's voice: one second
)

// Line is one exchange line. Any goroutine may command and ask it.
type Line struct {
	cfg Config

	mu      sync.Mutex
	now     time.Time // end of the last frame
	state   State
	since   time.Time // of the state
	samples int64     // played in this state: position in tones and ringing

	reversed  bool // by command
	turned    bool // by the call: answer or ending
	cut       bool
	other     bool
	breakTill time.Time

	mute     bool         // no dial tone
	mouth    *board.Frame // what a person at the far end says, where the call has no voice of its own
	far      Far
	voice    Voice
	end      Ending
	digits   []byte
	lastWord time.Time // last digit
	data     []int16

	closed bool
	openAt time.Time
	pulses pulseCounter
	dtmf   receiver

	osc      [8]float64 // phases of the tone under way
	voiceOsc float64
	ringOsc  float64
	voicePos int

	heard [heardLen]int16
	at    int
	notes []Note
	fresh []Note // not yet taken
}

var _ chipsim.CO = (*Line)(nil)

// New returns an idle line of an exchange.
func New(cfg Config) *Line {
	if cfg.Volts == 0 {
		cfg.Volts = -48
	}
	if cfg.Milliamps == 0 {
		cfg.Milliamps = 25
	}
	if cfg.NumberPause == 0 {
		cfg.NumberPause = 3 * time.Second
	}
	if cfg.ReleaseTime == 0 {
		cfg.ReleaseTime = 300 * time.Millisecond
	}
	if cfg.Pulses == "" {
		cfg.Pulses = "1234567890"
	}
	return &Line{
		cfg:    cfg,
		digits: make([]byte, 0, maxDigits),
		notes:  make([]Note, 0, maxNotes),
		fresh:  make([]Note, 0, maxNotes),
	}
}
