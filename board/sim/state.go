package sim

import (
	"fmt"
	"slices"
	"strings"
)

// TelephoneState is what there is to be seen and heard of a telephone now.
type TelephoneState struct {
	Name     string // as in the words, usually the extension
	Label    string // of its port: "FXS 1"
	OffHook  bool
	Ringing  bool     // it is called: also between bursts
	Bell     bool     // the bell sounds: within a burst
	Cadence  string   // of the ringing and its frequency once they are known: "1.0/4.0 at 25 Hz"
	Tone     string   // in the ear: "dial", or ""
	Voices   []string // in the ear, by the names of those who speak
	Display  string   // what it shows, or ""
	Speaking []string // with whom it talks: both hear each other
}

// LineState is what there is to be seen and heard of an exchange line now.
type LineState struct {
	Name       string   // as in the words: "line 1"
	Label      string   // of its port: "FXO 1"
	Call       string   // where the call stands: "idle", "ringing", "dial tone", "alerting", "talking", …
	Seized     bool     // by the box
	Ringing    bool     // it rings in: also between bursts
	Bell       bool     // within a burst
	Cadence    string   // of the ringing once it is known
	Number     string   // dialled by the box in this call so far
	Tone       string   // in the ear of the far party
	Voices     []string // in the ear of the far party
	Speaking   []string // with whom the far party talks
	Cut        bool     // the wires
	OtherSet   bool     // off the hook
	NoDialTone bool
}

// Telephones tells of all telephones on the board, in the order of their ports. The
// channel of [Room.Changed] tells when to ask again.
func (b *Board) Telephones() []TelephoneState {
	l := make([]TelephoneState, len(b.Room.order))
	for i, name := range b.Room.order {
		h, n := b.Room.Set(name), b.Room.look(name)
		s := TelephoneState{Name: name, Label: fmt.Sprintf("FXS %d", i+1), Ringing: n.rings, Cadence: n.cadence, Tone: n.tone, Voices: n.voices, Display: n.display, Speaking: n.talks}
		h.mu.Lock()
		s.OffHook, s.Bell = h.closed, h.bell
		h.mu.Unlock()
		l[i] = s
	}
	return l
}

// LineStates tells of all exchange lines, in the order of their ports.
func (b *Board) LineStates() []LineState {
	l := make([]LineState, len(b.outside))
	for i, x := range b.outside {
		n := b.Room.look(x.name)
		s := LineState{Name: x.name, Label: x.label, Call: x.Exchange.State().String(), Ringing: n.rings, Cadence: n.cadence,
			Tone: n.tone, Voices: n.voices, Speaking: n.talks, Seized: n.held, NoDialTone: x.Exchange.Silenced()}
		if s.Seized {
			s.Number = x.Exchange.Digits()
		}
		s.Cut, s.OtherSet = x.Exchange.Wires()
		x.mu.Lock()
		s.Bell = x.rings
		x.mu.Unlock()
		l[i] = s
	}
	return l
}

// noticed is what the room knows of a telephone or line now.
type noticed struct {
	rings, held            bool
	cadence, tone, display string
	voices, talks          []string
}

func (r *Room) look(name string) (n noticed) {
	r.mu.Lock()
	defer r.mu.Unlock()
	bell := r.bells[name]
	n.rings, n.held, n.tone = bell != "", r.held[name], r.tones[name]
	_, n.cadence, _ = strings.Cut(bell, name+" rings ")
	_, n.display, _ = strings.Cut(r.displays[name], name+" shows ")
	for other, s := range r.sets {
		if _, on := r.voices[name][s.marker]; on && other != name {
			n.voices = append(n.voices, other)
		}
		if _, on := r.talking[[2]string{min(name, other), max(name, other)}]; on {
			n.talks = append(n.talks, other)
		}
	}
	slices.Sort(n.voices)
	slices.Sort(n.talks)
	return n
}
