package simui

import (
	"sync/atomic"

	"sotto/board"
	"sotto/board/sim"
	"sotto/board/sim/exchange"
)

// Of gives the simulator's board to the page.
func Of(b *sim.Board) World {
	w := &simWorld{b: b, ports: b.Ports(), ways: make([]atomic.Uint32, len(b.LineStates()))}
	for i := range w.ways {
		w.Far(i).Answers(AnswersSelf)
	}
	return w
}

type simWorld struct {
	b     *sim.Board
	ports []board.PortInfo
	ways  []atomic.Uint32 // an Answering a line
}

func (w *simWorld) Changed() <-chan struct{} { return w.b.Room.Changed() }

func (w *simWorld) Telephones() []Telephone {
	states := w.b.Telephones()
	l := make([]Telephone, len(states))
	for i, s := range states {
		l[i] = Telephone{Name: s.Name, Label: s.Label, Fault: w.fault(s.Label), OffHook: s.OffHook, Ringing: s.Ringing, Bell: s.Bell,
			Cadence: s.Cadence, Tone: s.Tone, Voices: s.Voices, Talks: s.Speaking, Display: s.Display}
	}
	return l
}

func (w *simWorld) Lines() []Line {
	states := w.b.LineStates()
	l := make([]Line, len(states))
	for i, s := range states {
		l[i] = Line{Name: s.Name, Label: s.Label, State: lineStates[s.Call], Digits: s.Number, Voices: s.Voices, Talks: s.Speaking,
			Cut: s.Cut, OtherSet: s.OtherSet, NoDialTone: s.NoDialTone, Answering: Answering(w.ways[i].Load())}
	}
	return l
}

// fault tells whether a port did not work at the start.
func (w *simWorld) fault(label string) bool {
	for _, p := range w.ports {
		if p.Label == label {
			return p.Err != nil
		}
	}
	return false
}

// lineStates has the states of an exchange line by their names.
var lineStates = map[string]LineState{
	exchange.Idle.String(): LineIdle, exchange.RingingIn.String(): LineRings,
	exchange.Seized.String(): LineSeized, exchange.Dialtone.String(): LineSeized, exchange.Dialling.String(): LineSeized,
	exchange.Proceeding.String(): LineWaits, exchange.Alerting.String(): LineWaits,
	exchange.Talking.String(): LineTalks, exchange.Ended.String(): LineEnded,
}

func (w *simWorld) Set(i int) Set { return simSet{w.b.Room.Set(w.b.Telephones()[i].Name)} }
func (w *simWorld) Far(i int) Far { return simFar{w.b.Line(i), &w.ways[i]} }

// simSet is a hand at a telephone of the simulator.
type simSet struct{ *sim.Handset }

func (h simSet) Flash()              { h.Handset.Flash(0) }
func (h simSet) Pulse(digit byte)    { h.Handset.Pulse(string(digit)) }
func (h simSet) VoiceHz() float64    { return sim.MarkerHz(h.Marker()) }
func (h simSet) Attach(t Tap) func() { return h.Handset.Attach(t) }

// simFar is the far party of a line of the simulator.
type simFar struct {
	*sim.Line
	way *atomic.Uint32
}

func (l simFar) Attach(t Tap) func() { return l.Line.Attach(t) }
func (l simFar) VoiceHz() float64    { return sim.MarkerHz(l.Line.Far().Marker()) }

func (l simFar) HangUp(e Ending) {
	how := map[Ending]exchange.Ending{EndSilent: exchange.EndSilent, EndBreak: exchange.EndBreak, EndReversal: exchange.EndReversal,
		EndBusy: exchange.EndBusy, EndCongestion: exchange.EndCongestion}
	l.Line.HangUp(how[e], 0)
}

func (l simFar) Answers(a Answering) {
	switch a {
	case AnswersSelf:
		l.Line.Answers(1)
	case AnswersWait:
		l.Line.Answers(-1)
	case AnswersBusy:
		l.Refuses(exchange.EndBusy)
	default:
		return
	}
	l.way.Store(uint32(a))
}
