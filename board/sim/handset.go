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
	mu     sync.Mutex
	name   string
	marker int
	guest  bool // not on the board
	closed bool
	acts   []act
	key    [2]osc // of the key that is pressed
	voice  osc
	hushed bool
	voices int     // other voices in the ear
	words  []int16 // to say instead of the marker
	rang   bool    // lifted while it rang
	lifted time.Time
	keyAt  time.Time // last key released
	handAt time.Time // last movement of the hand ended
	downAt time.Time // put down, or flashed
	toneAt time.Time // last frame with a tone in the ear
	low    [8]int32  // state of the filter that parts tones from voices

	ear    *ear.Ear
	newEar func() *ear.Ear
	hears  string                                         // tone in the ear, "" for none
	audio  func(start time.Time, mouth, ear *board.Frame) // tap, may be nil
	ringer ringer
	turned bool // the feed, off the hook: ring to tip

	display  *display.Display
	watching int           // frames for which the display listens
	shows    bool          // something
	flash    time.Duration // what the R key sends
	out      func(Event)
}

// act is something the hand does for a while.
type act struct {
	kind    actKind
	samples int
	digit   byte
	do      func() // of actThen; the handset is locked
}

// edge gives the samples of an act that only make room for its edge.
func (a *act) edge() int {
	if a.kind == actKey {
		return 0
	}
	return 1
}

type actKind uint8

const (
	actOpen  actKind = iota // loop open
	actClose                // loop closed
	actLift                 // loop closed once it was open for downTime
	actKey                  // a key pressed
	actPause                // as it is
	actThen                 // something that takes no time
)

func newHandset(name string, marker int, newEar func() *ear.Ear, out func(Event)) *Handset {
	return &Handset{name: name, marker: marker, ear: newEar(), newEar: newEar, out: out, display: display.New(),
		voice: newOsc(MarkerHz(marker%MaxMarkers), board.Amplitude(markerLevel)), ringer: ringer{name: name, out: out}}
}

// Lift takes the handset off the hook. After it was put down a hand takes a moment:
// longer than every flash.
func (h *Handset) Lift() { h.do(act{kind: actLift, samples: 1}) }

// downTime is the least time on the hook between two calls.
const downTime = 1300 * time.Millisecond

// HangUp puts it down once the hand is free.
func (h *Handset) HangUp() { h.do(act{kind: actOpen, samples: 1}) }

// Flash opens the loop for d.
func (h *Handset) Flash(d time.Duration) {
	h.do(act{kind: actOpen, samples: int(d / sample)}, act{kind: actClose, samples: 1})
}

// Press presses keys, each for on, with off between.
func (h *Handset) Press(keys string, on, off time.Duration) {
	var l []act
	for i := range len(keys) {
		l = append(l, act{kind: actKey, samples: int(on / sample), digit: keys[i]}, act{kind: actPause, samples: int(off / sample)})
	}
	h.do(l...)
}

// Pulse dials digits with a rotary dial: ten pulses a second, 60 ms open, 40 ms closed.
func (h *Handset) Pulse(digits string) {
	var l []act
	for i := range len(digits) {
		n := int(digits[i] - '0')
		if n == 0 {
			n = 10
		}
		for range n {
			l = append(l, act{kind: actOpen, samples: 480}, act{kind: actClose, samples: 320})
		}
		l = append(l, act{kind: actPause, samples: 700 * 8})
	}
	h.do(l...)
}

// Wait lets the hand rest before what it does next.
func (h *Handset) Wait(d time.Duration) { h.do(act{kind: actPause, samples: int(d / sample)}) }

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

// then does f when the hand comes to it.
func (h *Handset) then(f func()) { h.do(act{kind: actThen, samples: 1, do: f}) }

func (h *Handset) do(l ...act) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.acts = append(h.acts, l...)
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
	if h.audio != nil {
		h.audio(start, &draw.Mouth, &feed.Audio)
	}
}

// hand does a frame of what the hand was told.
func (h *Handset) hand(start time.Time, draw *chipsim.Draw) {
	for pos := 0; pos < board.FrameLen && len(h.acts) > 0; {
		a := &h.acts[0]
		if a.kind == actLift {
			a.kind = actClose
			at := start.Add(time.Duration(pos) * sample)
			if rest := downTime - at.Sub(h.downAt); rest > 0 && !h.closed {
				h.acts = append([]act{{kind: actPause, samples: int(rest / sample)}}, h.acts...)
				continue
			}
		}
		switch a.kind {
		case actOpen, actClose:
			h.hook(a.kind == actClose, start, pos, draw)
		case actThen:
			if a.do != nil {
				a.do()
				a.do = nil
			}
		case actKey:
			if a.digit != 0 && h.closed {
				h.press(a.digit)
			}
			a.digit = 0
		}
		n := min(a.samples, board.FrameLen-pos)
		if a.kind == actKey && h.closed {
			for i := pos; i < pos+n; i++ {
				draw.Mouth[i] = int16(h.key[0].next() + h.key[1].next())
			}
			h.keyAt = start.Add(time.Duration(pos+n) * sample)
		}
		pos += n
		if a.samples -= n; a.samples == 0 {
			if a.kind != actPause {
				h.handAt = start.Add(time.Duration(pos-a.edge()) * sample)
			}
			h.acts = h.acts[1:]
		}
	}
	if len(h.acts) == 0 {
		h.acts = nil
	}
}

// hook moves the hook switch at sample pos of the frame.
func (h *Handset) hook(closed bool, start time.Time, pos int, draw *chipsim.Draw) {
	if closed == h.closed {
		return
	}
	h.closed = closed
	at := time.Duration(pos) * sample
	draw.Edges = append(draw.Edges, chipsim.Edge{After: at, Closed: closed})
	if !closed {
		h.downAt = start.Add(at)
	} else {
		h.rang = h.ringer.rings()
		h.ringer.lifted(start.Add(at))
		h.dark(start.Add(at))
		h.lifted = start.Add(at)
		h.keyAt = time.Time{}
	}
}

// listen gives the ear a frame and tells of what it makes out.
func (h *Handset) listen(start time.Time, feed *chipsim.Feed) {
	if !feed.Talk {
		feed.Audio = board.Frame{}
	}
	if h.tone(&feed.Audio) {
		h.toneAt = start
	}
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
