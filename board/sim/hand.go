package sim

import (
	"strings"
	"time"

	"sotto/board"
	"sotto/board/chipsim"
)

// act is something the hand does for a while.
type act struct {
	kind    actKind
	samples int
	digit   byte
	held    bool   // a key until KeyUp: samples is the most
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

// Lift takes the handset off the hook. After it was put down a hand takes a moment:
// longer than every flash.
func (h *Handset) Lift() { h.do(act{kind: actLift, samples: 1}) }

// downTime is the least time on the hook between two calls.
const downTime = 1300 * time.Millisecond

// HangUp puts it down once the hand is free.
func (h *Handset) HangUp() { h.do(act{kind: actOpen, samples: 1}) }

// Flash opens the loop for d; 0 is what the R key sends.
func (h *Handset) Flash(d time.Duration) {
	if d == 0 {
		d = h.flash
	}
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

// Pulse dials digits with a rotary dial of the country: ten pulses a second, 60 ms open,
// 40 ms closed.
func (h *Handset) Pulse(digits string) {
	var l []act
	for i := range len(digits) {
		for range 1 + strings.IndexByte(h.dial, digits[i]) {
			l = append(l, act{kind: actOpen, samples: 480}, act{kind: actClose, samples: 320})
		}
		l = append(l, act{kind: actPause, samples: 700 * 8})
	}
	h.do(l...)
}

// Wait lets the hand rest before what it does next.
func (h *Handset) Wait(d time.Duration) { h.do(act{kind: actPause, samples: int(d / sample)}) }

// then does f when the hand comes to it.
func (h *Handset) then(f func()) { h.do(act{kind: actThen, samples: 1, do: f}) }

// maxActs bounds what a hand has ahead of it: forty digits of ten pulses, twice.
const maxActs = 2000

func (h *Handset) do(l ...act) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.acts)+len(l) > maxActs {
		h.refused++
		return
	}
	h.acts = append(h.acts, l...)
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
		if a.samples -= n; a.samples <= 0 {
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
	h.out(Event{At: start.Add(at), Who: h.name, What: moved})
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
