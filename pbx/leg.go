package pbx

import (
	"time"

	"sotto/pbx/media"
	"sotto/pbx/media/tone"
	"sotto/pbx/plan"
	"sotto/pbx/table"
)

// LegID numbers legs from 1, never used again while the box runs.
type LegID uint64

// LegState is where a leg is in its life.
type LegState uint8

const (
	Dialling  LegState = iota + 1 // hears dial tone, dials
	Waiting                       // has dialled; the other end rings
	Alerting                      // is being rung; at an exchange line: until the number is sent
	Talking                       // hears the other end and is heard
	Holding                       // has put the other end on hold
	Held                          // was put on hold by the other end
	Listening                     // hears a tone that says why there is no call
	Warned                        // hears the howler
	Silent                        // was off the hook too long
	Gone
	numLegStates
)

var legStateNames = [numLegStates]string{Dialling: "dialling", Waiting: "waiting", Alerting: "alerting", Talking: "talking",
	Holding: "holding", Held: "held", Listening: "listening", Warned: "warned", Silent: "silent", Gone: "gone"}

func (s LegState) String() string { return legStateNames[s] }

// LegEvent is what happens to a leg.
type LegEvent uint8

const (
	GotDigit     LegEvent = iota + 1 // its party dialled a digit
	GotFlash                         // its party flashed
	GotAnswer                        // its party lifted the handset
	GotHangUp                        // its party hung up, or its port failed
	GotTimeout                       // the limit of the state is over
	FarAnswered                      // the other end answered
	FarLeft                          // the other end is gone
	FarHolds                         // the other end put this one on hold
	FarRetrieves                     // the other end took it back
	Retrieve                         // its party comes back to the held call
	GotNumber                        // its party dialled the whole number at once
	GotRings                         // its telephone, one on the network, rings
	GotRefuse                        // its telephone does not take the call
	GotHold                          // its telephone put the other end on hold
	GotRetrieve                      // and took it back
	numLegEvents
)

var legEventNames = [numLegEvents]string{GotDigit: "digit", GotFlash: "flash", GotAnswer: "answer", GotHangUp: "hang-up",
	GotTimeout: "timeout", FarAnswered: "far answered", FarLeft: "far left", FarHolds: "far holds", FarRetrieves: "far retrieves", Retrieve: "retrieve",
	GotNumber: "number", GotRings: "rings", GotRefuse: "refuse", GotHold: "hold", GotRetrieve: "take back"}

func (e LegEvent) String() string { return legEventNames[e] }

// leg is one end of a call, or of a call to be.
type leg struct {
	id       LegID
	state    LegState
	deadline time.Time // end of the state, zero for none; it dies with the state
	at       end
	call     *call // nil before dialling is complete and after the call ended
	numbers  *plan.Numbering
	user     *plan.User // whose telephone it was when the leg began
	digits   []byte
	tone     *tone.Tone  // Listening: what is heard
	run      uint32      // of the tone: rises whenever a tone begins
	clip     *media.Clip // Alerting: the caller's number for the display
	again    bool        // Dialling: the digit for outside calls alone was dialled
	recall   bool        // Dialling with a held call, or Alerting by one's own held call
	holds    bool        // Held: its own telephone holds, too
}

// call joins a caller's leg with the legs it rings or talks to.
type call struct {
	id        CallID
	caller    *leg
	called    *leg   // who answered
	ringing   []*leg // being rung, until one answers
	numbers   *plan.Numbering
	from, to  Party
	began     time.Time
	answered  time.Time
	lines     []*line      // to try, of an ordinary call to the exchange
	tried     []*line      // of a call to the exchange: used so far
	dial      string       // of a call to the exchange: what is sent there
	rings     []*plan.User // of a call from the exchange: who is rung
	blind     bool         // on a line that does not tell of an answer
	held      bool
	emergency bool
	private   bool          // who is called is not to be kept
	code      string        // the accounting code that was dialled, by its name
	missed    []plan.UserID // whom the call rang or found busy, until somebody answers
	alerts    bool          // somebody is being rung
	refused   Cause         // the best reason of telephones that do not take the call, 0 for none
	ended     bool
	why       Cause // of its end
}

// CallID numbers calls from 1, never used again while the box runs.
type CallID uint64

// other gives the leg at the other end, or nil while there is none.
func (c *call) other(l *leg) *leg {
	if l == c.caller {
		return c.called
	}
	return c.caller
}

// legArg is what an event brings with it.
type legArg struct {
	digit  byte
	pulses bool      // GotDigit: dialled by pulses
	at     time.Time // when the person did it
	cause  Cause     // FarLeft, GotRefuse
	all    bool      // GotRefuse: for every telephone of the user
}

type legDo = func(s *Switch, l *leg, a legArg)
type legRow = table.Row[LegState, LegEvent, legDo]
type legMoves = []table.Move[LegState, LegEvent, legDo]

// LegTable is the life of a leg.
var LegTable *table.Table[LegState, LegEvent, legDo]

func init() {
	gone := table.Move[LegState, LegEvent, legDo]{On: GotHangUp, Do: (*Switch).hangUp, Next: []LegState{Gone}}
	stay := func(on LegEvent, note string) table.Move[LegState, LegEvent, legDo] {
		return table.Move[LegState, LegEvent, legDo]{On: on, Do: func(*Switch, *leg, legArg) {}, Note: note}
	}
	LegTable = table.New("one leg of a call",
		legRow{State: Dialling, Limit: "first digit 15 s, then between digits; shorter when the number may be complete", Moves: legMoves{
			{On: GotDigit, Do: (*Switch).dialDigit, Next: []LegState{Waiting, Listening, Talking}, Note: "Talking, when the called party lifted at the same moment"},
			{On: GotTimeout, Do: (*Switch).dialTimeout, Next: []LegState{Waiting, Listening, Talking}, Note: "goes by what was dialled so far"},
			{On: GotNumber, Do: (*Switch).dialWhole, Next: []LegState{Waiting, Talking, Gone}, Note: "of a telephone on the network"},
			{On: GotFlash, Do: (*Switch).flashBack, Next: []LegState{Gone}, Note: "back to the held call; without one, dial tone anew"},
			gone,
		}},
		legRow{State: Waiting, Limit: "the office's ringing time", Moves: legMoves{
			{On: FarAnswered, Do: (*Switch).farAnswered, Next: []LegState{Talking}},
			{On: FarLeft, Do: (*Switch).notReached, Next: []LegState{Listening, Gone}},
			{On: GotTimeout, Do: (*Switch).noAnswer, Next: []LegState{Listening, Gone}},
			{On: GotFlash, Do: (*Switch).flashBack, Next: []LegState{Gone}, Note: "back to the held call; without one, nothing"},
			stay(GotDigit, "nobody listens"),
			stay(GotHold, "there is nobody yet"),
			stay(GotRetrieve, "there is nobody yet"),
			gone,
		}},
		legRow{State: Alerting, Limit: "the caller's; own recall: the office's ringing time", Moves: legMoves{
			{On: GotAnswer, Do: (*Switch).answer, Next: []LegState{Talking, Held}, Note: "Held, on one's own recall, when the other end holds as well"},
			{On: FarLeft, Do: (*Switch).stopAlerting, Next: []LegState{Gone}},
			{On: GotTimeout, Do: (*Switch).recallOver, Next: []LegState{Gone}, Note: "own recall only"},
			{On: GotHangUp, Do: (*Switch).alertFailed, Next: []LegState{Gone}, Note: "the port failed"},
			{On: GotRings, Do: (*Switch).alerts, Note: "who calls may know"},
			{On: GotRefuse, Do: (*Switch).refused, Next: []LegState{Gone}, Note: "the last to refuse ends the call"},
			stay(GotDigit, "late, of the leg before"),
		}},
		legRow{State: Talking, Moves: legMoves{
			{On: GotFlash, Do: (*Switch).flashHold, Next: []LegState{Holding}, Note: "holds; with another call held, swaps"},
			{On: GotHold, Do: (*Switch).phoneHolds, Next: []LegState{Holding}},
			stay(GotRetrieve, "nothing was held"),
			{On: FarLeft, Do: (*Switch).farGone, Next: []LegState{Listening, Gone}},
			{On: FarHolds, Do: (*Switch).beHeld, Next: []LegState{Held}},
			{On: GotDigit, Do: (*Switch).passDigit, Note: "by pulses: is passed on to an exchange; by keypad: passes as sound"},
			gone,
		}},
		legRow{State: Holding, Moves: legMoves{
			{On: Retrieve, Do: (*Switch).retrieve, Next: []LegState{Talking, Held}, Note: "Held, when the other end holds as well"},
			{On: GotRetrieve, Do: (*Switch).retrieve, Next: []LegState{Talking, Held}},
			stay(GotHold, "it does already"),
			{On: FarLeft, Do: (*Switch).heldGone, Next: []LegState{Gone}},
			{On: GotHangUp, Do: (*Switch).leaveHeld, Next: []LegState{Alerting, Gone}, Note: "an analog telephone rings: someone is waiting"},
		}},
		legRow{State: Held, Moves: legMoves{
			{On: FarRetrieves, Do: (*Switch).farRetrieved, Next: []LegState{Talking, Holding}, Note: "Holding, when its own telephone holds, too"},
			{On: GotHold, Do: (*Switch).holdsToo},
			{On: GotRetrieve, Do: (*Switch).holdsNoMore},
			{On: FarLeft, Do: (*Switch).farGone, Next: []LegState{Listening, Gone}},
			stay(GotFlash, "waits for the other end"),
			stay(GotDigit, "nobody listens"),
			gone,
		}},
		legRow{State: Listening, Limit: "the country's patience before the howler", Moves: legMoves{
			{On: GotTimeout, Do: (*Switch).howl, Next: []LegState{Warned}},
			{On: GotFlash, Do: (*Switch).flashBack, Next: []LegState{Gone, Dialling}, Note: "back to the held call; without one, dial tone"},
			stay(GotDigit, "nobody listens"),
			gone,
		}},
		legRow{State: Warned, Limit: "60 s", Moves: legMoves{
			{On: GotTimeout, Do: (*Switch).silence, Next: []LegState{Silent}},
			{On: GotFlash, Do: (*Switch).flashBack, Next: []LegState{Gone}, Note: "back to the held call; without one, nothing"},
			stay(GotDigit, "nobody listens"),
			gone,
		}},
		legRow{State: Silent, Moves: legMoves{
			{On: GotFlash, Do: (*Switch).flashBack, Next: []LegState{Gone}, Note: "back to the held call; without one, nothing"},
			stay(GotDigit, "nobody listens"),
			gone,
		}},
		legRow{State: Gone},
	)
}
