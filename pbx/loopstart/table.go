package loopstart

import (
	"slices"
	"time"

	"sotto/pbx/table"
)

type do = func(l *Line, now, at time.Time, out *Output)
type move = table.Move[State, Input, do]
type row = table.Row[State, Input, do]
type moves = []move

// Table is the machine. testdata/line.golden shows it as a diagram.
var Table *table.Table[State, Input, do]

func init() {
	release := move{On: Release, Do: (*Line).release, Next: []State{Resting}}
	dead := move{On: Failed, Do: (*Line).failed, Next: []State{OutOfService}, Note: "dead"}
	noCurrent := moves{{On: Lost, Do: (*Line).currentLost, Note: "dead, unless it is back soon"}, {On: Back, Do: (*Line).currentBack}}
	Table = table.New("one exchange line",
		row{State: Free, Moves: join(moves{
			{On: RingOn, Do: (*Line).ring, Next: []State{Ringing}, Note: "rang"},
			{On: Seize, Do: (*Line).seize, Next: []State{Seizing}},
			{On: Failed, Do: (*Line).failed, Next: []State{OutOfService}},
			{On: Timeout, Do: (*Line).timeout, Note: "others have been on it for hours"},
			stay(Release, "it is"), stay(Key, "nobody listens"),
		}, notes(), late(RingOff, Reversed, Lost, Back), tones())},
		row{State: Ringing, Limit: "the country's time without a ring", Moves: join(moves{
			{On: RingOn, Do: (*Line).burst, Note: "rang again"},
			{On: RingOff, Do: (*Line).pause},
			{On: Timeout, Do: (*Line).timeout, Next: []State{Free}, Note: "ring lost"},
			{On: Taken, Do: (*Line).takenElsewhere, Next: []State{Free}, Note: "ring lost: another set answered"},
			{On: Missing, Do: (*Line).unplugged, Next: []State{Free}, Note: "ring lost"},
			{On: Answer, Do: (*Line).answer, Next: []State{Talking}},
			{On: Seize, Do: (*Line).clear, Next: []State{Clearing}, Note: "for help alone"},
			{On: Failed, Do: (*Line).failed, Next: []State{OutOfService}, Note: "ring lost"},
			stay(Release, "let it ring out"), stay(Key, "nobody listens"),
		}, some(notes(), Present, Left), late(Reversed, Lost, Back), tones())},
		row{State: Resting, Limit: "2 s", Moves: join(moves{
			{On: Timeout, Do: (*Line).timeout, Next: []State{Free}},
			{On: RingOn, Do: (*Line).ring, Next: []State{Ringing}, Note: "rang"},
			{On: Seize, Do: (*Line).wait, Next: []State{Waiting}},
			{On: Failed, Do: (*Line).failed, Next: []State{OutOfService}},
			stay(Release, "it is"), stay(Key, "nobody listens"),
		}, notes(), late(RingOff, Reversed, Lost, Back), tones())},
		row{State: Waiting, Limit: "what is left of the rest", Moves: join(moves{
			{On: Timeout, Do: (*Line).timeout, Next: []State{Seizing}},
			{On: RingOn, Do: (*Line).ring, Next: []State{Ringing}, Note: "collided"},
			{On: Release, Do: (*Line).waitNoMore, Next: []State{Resting}},
			dead, stay(Key, "nobody listens"),
		}, notes(), late(RingOff, Reversed, Lost, Back), tones())},
		row{State: Clearing, Limit: "700 ms", Moves: join(moves{
			{On: Timeout, Do: (*Line).timeout, Next: []State{Waiting}},
			release, dead, stay(Key, "nobody listens"),
		}, notes(), late(RingOn, RingOff, Reversed, Lost, Back), tones())},
		row{State: Seizing, Limit: "410 ms: the chip is deaf and mute", Moves: join(moves{
			{On: Timeout, Do: (*Line).timeout, Next: []State{Listening}},
			{On: RingOn, Do: (*Line).collide, Next: []State{Talking}, Note: "collided: we took a call"},
			release, dead, stay(Key, "nobody listens"),
		}, noCurrent, notes(), late(RingOff, Reversed), tones())},
		row{State: Listening, Limit: "for help 1.5 s from seizure, then blind; else 5 s", Moves: join(moves{
			{On: HeardDial, Do: (*Line).dial, Next: []State{Sending, Talking}},
			{On: Timeout, Do: (*Line).timeout, Next: []State{Sending, Talking}, Note: "no dial tone, or dials blind"},
			{On: RingOn, Do: (*Line).collide, Next: []State{Talking}, Note: "collided: we took a call"},
			release, dead, stay(Key, "nobody listens"),
		}, noCurrent, notes(), late(RingOff, Reversed, HeardRing, HeardBusy, HeardCongestion, HeardUnobtainable, HeardSilence))},
		row{State: Sending, Limit: "length of the number, or of a pulse digit and its pause", Moves: join(moves{
			{On: Timeout, Do: (*Line).timeout, Next: []State{Talking}, Note: "next digit, or dialled"},
			{On: Reversed, Do: (*Line).answeredEarly, Note: "the called party was that quick"},
			release, dead, stay(Key, "nobody listens"),
		}, noCurrent, notes(), late(RingOn, RingOff), tones())},
		row{State: Talking, Moves: join(inCall(release), moves{
			{On: Timeout, Do: (*Line).timeout, Next: []State{Keying}, Note: "cleared, when the loop current is gone for long; or the chip is mute no more"},
			{On: Key, Do: (*Line).key, Next: []State{Keying}},
			{On: Answer, Do: nothing, Note: "taken by collision"},
			{On: Seize, Do: (*Line).clear, Next: []State{Clearing}, Note: "for help, after a collision"},
		}, notes())},
		row{State: Keying, Limit: "length of the digit", Moves: join(inCall(release), moves{
			{On: Timeout, Do: (*Line).timeout, Next: []State{Talking}, Note: "next digit; cleared, when the loop current is gone for long"},
			stay(Key, "waits for its turn"),
		}, notes())},
		row{State: OutOfService, Moves: join(moves{
			{On: Restored, Do: (*Line).restored, Next: []State{Resting}},
			stay(Timeout, ""), stay(Failed, "again"), stay(Release, ""), stay(Key, "nobody listens"),
			stay(Missing, "not to be trusted"), stay(Present, "not to be trusted"), stay(Taken, "not to be trusted"), stay(Left, "not to be trusted"),
		}, late(RingOn, RingOff, Reversed, Lost, Back), tones())},
	)
}

func nothing(*Line, time.Time, time.Time, *Output) {}

func stay(on Input, note string) move { return move{On: on, Do: nothing, Note: note} }

func join(lists ...moves) moves { return slices.Concat(lists...) }

// some gives those of list that are on one of the inputs.
func some(list moves, on ...Input) moves {
	return slices.DeleteFunc(list, func(m move) bool { return !slices.Contains(on, m.On) })
}

// notes are what a released line tells of itself; it may come a moment after its seizure.
func notes() moves {
	return moves{
		{On: Missing, Do: (*Line).noteMissing, Note: "noted"},
		{On: Present, Do: (*Line).notePresent, Note: "noted"},
		{On: Taken, Do: (*Line).noteTaken, Note: "noted"},
		{On: Left, Do: (*Line).noteLeft, Note: "noted"},
	}
}

// late gives moves for what means nothing in a state, or not any more.
func late(on ...Input) (l moves) {
	for _, in := range on {
		l = append(l, stay(in, "means nothing here"))
	}
	return l
}

// tones gives moves for a state in which nobody listens: they are of the use before.
func tones() moves {
	return late(HeardDial, HeardRing, HeardBusy, HeardCongestion, HeardUnobtainable, HeardSilence)
}

// inCall gives the moves of a state in which the exchange may end the call.
func inCall(release move) moves {
	return moves{
		{On: Lost, Do: (*Line).currentLost},
		{On: Back, Do: (*Line).breakOver, Note: "cleared, if the break was long enough"},
		{On: Reversed, Do: (*Line).reversed, Note: "answered, or cleared"},
		{On: HeardRing, Do: (*Line).heardRing},
		{On: HeardBusy, Do: tone(ByBusy), Note: "cleared"},
		{On: HeardCongestion, Do: tone(ByCongestion), Note: "cleared"},
		{On: HeardUnobtainable, Do: tone(ByUnobtainable), Note: "cleared"},
		{On: HeardSilence, Do: (*Line).heardSilence, Note: "cleared: stuck"},
		{On: Failed, Do: (*Line).failed, Next: []State{OutOfService}, Note: "cleared"},
		release, stay(HeardDial, "late"), stay(RingOn, "late"), stay(RingOff, "late"),
	}
}
