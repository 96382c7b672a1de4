package sim

import (
	"time"

	"sotto/board"
	"sotto/board/chipsim"
)

// Tap is a person's own ear and mouth at a telephone, such as those of a browser.
type Tap interface {
	// Exchange is called for each frame that the telephone is off the hook, on the
	// goroutine of [board.Board.Exchange]: ear is what the earpiece sounds, mouth is
	// silence and may be filled with what the person says. It must neither block nor
	// allocate, nor call back into this package, nor keep the frames.
	Exchange(mouth, ear *board.Frame)
}

type tap struct{ t Tap }

// maxTaps bounds the taps of one telephone.
const maxTaps = 16

// Attach lets t hear what the earpiece sounds and speak into the mouthpiece, until
// detach; after detach has come back t is not called any more. With a tap the marker
// voice is hushed; what several taps say is added. The keys and [Handset.Say] go before
// it. More than 16 taps at once are not attached; detach then does nothing.
func (h *Handset) Attach(t Tap) (detach func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.guest || len(h.taps) == maxTaps {
		h.refused++
		return func() {}
	}
	mine := &tap{t}
	h.taps = append(h.taps, mine)
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		for i, x := range h.taps {
			if x == mine {
				h.taps = append(h.taps[:i:i], h.taps[i+1:]...)
			}
		}
	}
}

// exchangeTaps passes a frame between the taps and the telephone.
func (h *Handset) exchangeTaps(draw *chipsim.Draw, heard *board.Frame) {
	if len(h.taps) == 0 {
		return
	}
	busy := len(h.words) > 0 || len(h.acts) > 0
	for _, x := range h.taps {
		h.room, h.heard = board.Frame{}, *heard
		x.t.Exchange(&h.room, &h.heard)
		if busy {
			continue
		}
		for i, v := range h.room {
			draw.Mouth[i] = int16(max(-32768, min(32767, int(draw.Mouth[i])+int(v))))
		}
	}
}

// Times of a key that a person holds down.
const (
	minKey = 50 * time.Millisecond
	maxKey = 10 * time.Second
)

// KeyDown presses a key, one of 0 to 9, *, # and A to D, and holds it until KeyUp, at
// most ten seconds: its two tones sound into the line. A key that is still down is let
// go first.
func (h *Handset) KeyDown(key byte) {
	if !isKey(key) {
		return
	}
	h.KeyUp()
	h.do(act{kind: actKey, samples: int(maxKey / sample), digit: key, held: true}, act{kind: actPause, samples: int(minKey / sample)})
}

// KeyUp lets the key go. It sounds for 50 ms at least, and so does the pause after it.
func (h *Handset) KeyUp() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.letGo()
}

// letGo is KeyUp.
func (h *Handset) letGo() {
	for i := range h.acts {
		a := &h.acts[i]
		if !a.held {
			continue
		}
		a.held = false
		sounded := int(maxKey/sample) - a.samples
		a.samples = max(int(minKey/sample)-sounded, 1)
	}
}

func isKey(key byte) bool {
	for i := range len(keys) {
		if keys[i] == key {
			return true
		}
	}
	return false
}
