package sim

import (
	"sync"
	"time"
)

// Room is where the telephones stand: it collects what is noticed there, and knows who
// hears what. All of it is measured at the telephones; the switch is never asked.
type Room struct {
	mu       sync.Mutex
	sets     map[string]*Handset // the far telephones of exchange lines too
	lines    map[string]*Line
	order    []string
	log      []Event
	gone     int           // events that are no longer in the log
	changed  chan struct{} // closed and replaced with each event
	tones    map[string]string
	bells    map[string]string // "rings", and with the cadence once it is known
	displays map[string]string // "102 shows 101 Reception"
	numbers  map[string]Event  // what an exchange line heard dialled in this call
	held     map[string]bool   // exchange lines that the box holds
	voices   map[string]map[int]time.Time
	talking  map[[2]string]time.Time
	follower func(Event)
	known    []string // tones that the ears can name
}

// maxLog bounds the events kept; the oldest half goes when it is reached.
const maxLog = 20000

func newRoom() *Room {
	return &Room{sets: map[string]*Handset{}, lines: map[string]*Line{}, numbers: map[string]Event{}, held: map[string]bool{}, changed: make(chan struct{}), tones: map[string]string{}, bells: map[string]string{}, displays: map[string]string{},
		voices: map[string]map[int]time.Time{}, talking: map[[2]string]time.Time{}}
}

// Set gives a handset by its name, or nil.
func (r *Room) Set(name string) *Handset {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sets[name]
}

// Names lists the handsets.
func (r *Room) Names() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.order...)
}

// Line gives an exchange line by its name, "line 1", or nil.
func (r *Room) Line(name string) *Line {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lines[name]
}

// Changed gives a channel that is closed when anything that [Board.Telephones] and
// [Board.LineStates] tell may have changed. Take it before the states are read, so that
// no change is missed.
func (r *Room) Changed() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.changed
}

// Follow calls f with every event from now on, in order; f must not block and must not
// call the room.
func (r *Room) Follow(f func(Event)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.follower = f
}

// Note adds a line that comes from elsewhere, such as a record.
func (r *Room) Note(at time.Time, line string) { r.add(Event{At: at, What: Said, Name: line}) }

// Guest notes that a guest began or ceased to hear the voice numbered marker (that of
// the handset with this place in Config.Telephones, or of a guest after them).
func (r *Room) Guest(at time.Time, name string, marker int, hears bool) {
	what := HearsNoVoice
	if hears {
		what = HearsVoice
	}
	r.add(Event{At: at, Who: name, What: what, Voice: marker})
}

func (r *Room) add(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.What != moved {
		r.keep(e)
	}
	switch e.What {
	case IsSeized:
		r.held[e.Who] = true
		delete(r.numbers, e.Who)
	case IsIdle:
		delete(r.held, e.Who)
		delete(r.numbers, e.Who)
	case HearsNumber, HearsPulses:
		r.numbers[e.Who] = e
	case Hears:
		r.tones[e.Who] = e.Name
	case HearsNot:
		if r.tones[e.Who] == e.Name {
			delete(r.tones, e.Who)
		}
	case Rings:
		r.bells[e.Who] = e.String()
	case RingsAs:
		r.bells[e.Who] = e.String()
	case RingsNot:
		delete(r.bells, e.Who)
	case Shows:
		r.displays[e.Who] = e.String()
	case ShowsNot:
		delete(r.displays, e.Who)
	case HearsVoice:
		if r.voices[e.Who] == nil {
			r.voices[e.Who] = map[int]time.Time{}
		}
		r.voices[e.Who][e.Voice] = e.At
		r.talk(e)
	case HearsNoVoice:
		delete(r.voices[e.Who], e.Voice)
		r.hush(e.Who)
	case PutDown:
		delete(r.tones, e.Who)
		delete(r.voices, e.Who)
		r.hush(e.Who)
	}
	close(r.changed)
	r.changed = make(chan struct{})
}

func (r *Room) keep(e Event) {
	if len(r.log) == maxLog {
		r.log = append(r.log[:0], r.log[maxLog/2:]...)
		r.gone += maxLog / 2
	}
	r.log = append(r.log, e)
	if r.follower != nil {
		r.follower(e)
	}
}

// count gives the number of events ever: the mark from which [Room.since] goes on.
func (r *Room) count() int { return r.gone + len(r.log) }

// since gives the events kept of those after a mark.
func (r *Room) since(mark int) []Event { return r.log[max(0, mark-r.gone):] }

// talk tells when two hear each other.
func (r *Room) talk(e Event) {
	for name, s := range r.sets {
		if s.marker != e.Voice || name == e.Who {
			continue
		}
		if _, back := r.voices[name][r.sets[e.Who].marker]; !back {
			continue
		}
		pair := [2]string{min(e.Who, name), max(e.Who, name)}
		if _, on := r.talking[pair]; !on {
			r.talking[pair] = e.At
			r.keep(Event{At: e.At, What: Talks, Who: pair[0], Name: pair[1]})
		}
	}
}

// hush ends the talks of who in which one does not hear the other any more.
func (r *Room) hush(who string) {
	for pair := range r.talking {
		if pair[0] != who && pair[1] != who {
			continue
		}
		_, a := r.voices[pair[0]][r.sets[pair[1]].marker]
		_, b := r.voices[pair[1]][r.sets[pair[0]].marker]
		if !a || !b {
			delete(r.talking, pair)
		}
	}
}

// holds tells whether what is expected is so now: a tone or a voice heard, a bell that rings, a
// talk, a number on the display.
func (r *Room) holds(x *expectation) bool {
	switch x.what {
	case Hears:
		return r.tones[x.who] == x.name
	case HearsNot:
		return r.tones[x.who] == "" && len(r.voices[x.who]) == 0
	case HearsVoice:
		_, on := r.voices[x.who][x.voice]
		return on
	case Rings:
		return r.bells[x.who] != ""
	case RingsAs:
		return r.bells[x.who] == x.line
	case Shows:
		return x.begins(r.displays[x.who])
	case IsSeized:
		return r.held[x.who]
	case IsIdle:
		return !r.held[x.who]
	case HearsNumber, HearsPulses:
		e, ok := r.numbers[x.who]
		return ok && x.is(&e)
	case Talks:
		_, on := r.talking[[2]string{x.who, x.name}]
		return on
	}
	return false
}
