package sim

import (
	"math"
	"time"

	"sotto/board"
	"sotto/board/chipsim"
)

// osc is a sine as a rotating pointer.
type osc struct{ re, im, cos, sin float64 }

func newOsc(hz, amp float64) osc {
	w := 2 * math.Pi * hz / board.SampleRate
	return osc{0, -amp, math.Cos(w), math.Sin(w)}
}

func (o *osc) next() float64 {
	v := o.re
	o.re, o.im = o.re*o.cos-o.im*o.sin, o.re*o.sin+o.im*o.cos
	return v
}

// Levels of what a handset sends, in dBm0 at the line.
const (
	markerLevel = -16.0
	keyLow      = -11.0
	keyHigh     = -9.0
)

// MarkerHz gives the frequency by which the handset numbered i is known.
func MarkerHz(i int) float64 { return 2700 + 40*float64(i) }

// MaxMarkers bounds the handsets that can be told apart.
const MaxMarkers = 16

// Say speaks these samples, once, instead of the marker.
func (h *Handset) Say(words []int16) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.words = words
}

// Hush silences the mouth, or lets it speak again.
func (h *Handset) Hush(on bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.hushed = on
}

// press begins a key.
func (h *Handset) press(digit byte) {
	const keys = "123A456B789C*0#D"
	low, high := [4]float64{697, 770, 852, 941}, [4]float64{1209, 1336, 1477, 1633}
	for i := range len(keys) {
		if keys[i] == digit {
			h.key = [2]osc{newOsc(low[i/4], board.Amplitude(keyLow)), newOsc(high[i%4], board.Amplitude(keyHigh))}
			return
		}
	}
}

// speak lets the mouth speak for a frame, if a person would.
func (h *Handset) speak(start time.Time, draw *chipsim.Draw) {
	if len(h.words) > 0 {
		n := copy(draw.Mouth[:], h.words)
		h.words = h.words[n:]
		return
	}
	patient := h.rang || start.Sub(h.lifted) > 300*time.Millisecond
	typing := len(h.acts) > 0 || start.Sub(h.keyAt) < time.Second && h.voices == 0
	if h.hushed || len(h.taps) > 0 || typing || !patient || start.Sub(h.toneAt) < 30*time.Millisecond {
		return
	}
	for i := range draw.Mouth {
		draw.Mouth[i] = int16(h.voice.next())
	}
}

// tone tells at once, other than the ear, whether there is something in a frame that is
// no voice: voices are above 2.6 kHz, which eight zeros at 4 kHz take away.
func (h *Handset) tone(f *board.Frame) bool {
	limit := int32(board.Amplitude(-42))
	loud := false
	for _, v := range f {
		x := int32(v)
		for i := range h.low {
			x, h.low[i] = (x+h.low[i])/2, x
		}
		loud = loud || x > limit
	}
	return loud
}
