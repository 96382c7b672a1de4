package sim

import (
	"sync"
	"time"

	"sotto/board"
	"sotto/board/chipsim"
	"sotto/board/sim/display"
	"sotto/board/sim/ear"
)

// sample is the length of one sample.
const sample = time.Second / board.SampleRate

// Handset is a telephone on a station port: hook, keypad, ringer, display, an ear that
// is measured and a mouth. It lives by the frames of the highway; its methods may be
// called by any goroutine and take effect with the next frame.
//
// The mouth behaves like a person: off the hook, with no tone in the ear and no key
// pressed lately, it speaks, which is a sine of its own frequency by which the other
// end's ear knows it. [Handset.Say] gives it other words, [Handset.Hush] none.
type Handset struct {
	mu      sync.Mutex
	name    string
	marker  int
	guest   bool // not on the board
	closed  bool
	acts    []act
	refused int    // of do: too much ahead
	key     [2]osc // of the key that is pressed
	voice   osc
	hushed  bool
	voices  int     // other voices in the ear
	words   []int16 // to say instead of the marker
	rang    bool    // lifted while it rang
	lifted  time.Time
	keyAt   time.Time // last key released
	handAt  time.Time // last movement of the hand ended
	downAt  time.Time // put down, or flashed
	toneAt  time.Time // last frame with a tone in the ear
	toned   bool      // something of a tone was in the frame before: a voice that begins clicks in one
	low     [8]int32  // state of the filter that parts tones from voices

	ear         *ear.Ear
	newEar      func() *ear.Ear
	hears       string                                         // tone in the ear, "" for none
	audio       func(start time.Time, mouth, ear *board.Frame) // may be nil
	taps        []*tap
	room, heard board.Frame // for one tap
	ringer      ringer
	bell        bool // within a burst, as was told
	turned      bool // the feed, off the hook: ring to tip

	display  *display.Display
	watching int           // frames for which the display listens
	shows    bool          // something
	flash    time.Duration // what the R key sends
	dial     string        // the digit of one pulse, of two …
	out      func(Event)
}

func newHandset(name string, marker int, newEar func() *ear.Ear, out func(Event)) *Handset {
	return &Handset{name: name, marker: marker, ear: newEar(), newEar: newEar, out: out, display: display.New(), dial: "1234567890",
		voice: newOsc(MarkerHz(marker%MaxMarkers), board.Amplitude(markerLevel)), ringer: ringer{name: name, out: out}}
}

// Moved gives when the hand last did something: the end of a key, the edge of the hook.
func (h *Handset) Moved() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.handAt
}

// Busy tells whether hand or mouth are still doing what they were told.
func (h *Handset) Busy() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.acts) > 0 || h.closed && len(h.words) > 0
}

// OffHook tells where the handset is once the hand did what it was told.
func (h *Handset) OffHook() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	off := h.closed
	for _, a := range h.acts {
		switch a.kind {
		case actOpen:
			off = false
		case actClose, actLift:
			off = true
		}
	}
	return off
}

// Tap calls f with each frame of the mouth and the ear while the handset is off the
// hook, in the highway's goroutine; f must not call back.
func (h *Handset) Tap(f func(start time.Time, mouth, ear *board.Frame)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.audio = f
}

// Line implements [chipsim.Phone].
func (h *Handset) Line(start time.Time, feed *chipsim.Feed, draw *chipsim.Draw) {
	h.mu.Lock()
	defer h.mu.Unlock()
	draw.Closed, draw.Edges, draw.REN, draw.Mouth = h.closed, draw.Edges[:0], 1, board.Frame{}
	if !h.closed {
		h.ringer.frame(start, feed)
		h.watch(start, feed)
	}
	if h.bell != h.ringer.on {
		h.bell = h.ringer.on
		h.out(Event{At: start, Who: h.name, What: moved})
	}
	if !h.closed && len(h.acts) == 0 {
		return // on the hook, the ear is away from the receiver
	}
	was := h.closed
	h.hand(start, draw)
	if !h.closed {
		if was {
			h.silence(start)
		}
		return
	}
	h.polarity(start, feed)
	h.listen(start, feed)
	h.speak(start, draw)
	h.exchangeTaps(draw, &feed.Audio)
	if h.audio != nil {
		h.audio(start, &draw.Mouth, &feed.Audio)
	}
}

// connect lifts the far telephone of an exchange line with its call, and puts it down.
func (h *Handset) connect(start time.Time, through bool, draw *chipsim.Draw) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if through == h.closed {
		return
	}
	h.hook(through, start, 0, draw)
	if !through {
		h.letGo()
		h.silence(start)
	}
}

// listen gives the ear a frame and tells of what it makes out.
func (h *Handset) listen(start time.Time, feed *chipsim.Feed) {
	if !feed.Talk {
		feed.Audio = board.Frame{}
	}
	tone := h.tone(&feed.Audio)
	if tone && h.toned {
		h.toneAt = start
	}
	h.toned = tone
	for _, e := range h.ear.Hear(start, &feed.Audio) {
		switch e.Kind {
		case ear.ToneOn:
			h.hears = e.Name
			h.out(Event{At: e.At, Who: h.name, What: Hears, Name: e.Name})
		case ear.ToneOff:
			if h.hears == e.Name {
				h.hears = ""
			}
			h.out(Event{At: e.At, Who: h.name, What: HearsNot, Name: e.Name})
		case ear.MarkerOn:
			if e.Marker != h.marker { // one's own comes back as an echo
				h.voices++
				h.out(Event{At: e.At, Who: h.name, What: HearsVoice, Voice: e.Marker})
			}
		case ear.MarkerOff:
			if e.Marker != h.marker {
				h.voices--
				h.out(Event{At: e.At, Who: h.name, What: HearsNoVoice, Voice: e.Marker})
			}
		case ear.Digit:
			if e.At.After(h.keyAt) { // one's own comes back as an echo
				h.out(Event{At: e.At, Who: h.name, What: HearsDigit, Name: e.Name})
			}
		}
	}
}

// silence tells that nothing is heard any more: the handset was put down.
func (h *Handset) silence(start time.Time) {
	h.ear = h.newEar()
	h.hears, h.voices = "", 0
	h.words = nil
	h.out(Event{At: start, Who: h.name, What: PutDown})
}

// Marker gives the number of the voice that it speaks with.
func (h *Handset) Marker() int { return h.marker }
