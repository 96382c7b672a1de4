package sim

import (
	"math"
	"time"

	"sotto/board"
	"sotto/board/chipsim"
	"sotto/board/sim/display"
)

const (
	// displayRests is the number of frames after which a line without voice has nothing
	// more for the display: longer than it waits for the next digit.
	displayRests = 70
	// feedSettles is how long after the loop closed the polarity of the feed is taken as
	// it is: the turn that went before a caller's number ends as the telephone is lifted.
	feedSettles = 200 * time.Millisecond
	// noFeed is what is left, in volts, of a loop that is not fed.
	noFeed = 1.0
)

// stillness is what a line without voice brings.
var stillness board.Frame

// watch lets the display of a telephone on the hook see what the line brings. Without
// voice on the line it costs nothing.
func (h *Handset) watch(start time.Time, feed *chipsim.Feed) {
	heard := &feed.Audio
	switch {
	case feed.Talk:
		h.watching = displayRests
	case h.watching > 0:
		h.watching--
		heard = &stillness
	default:
		if h.shows && !h.ringer.on && !h.ringer.rings() { // called no more
			h.dark(start)
		}
		return
	}
	if m, ok := h.display.Hear(start, heard); ok {
		h.shows = true
		h.out(Event{At: m.At, Who: h.name, What: Shows, Name: shown(&m)})
	}
	if h.watching == 0 {
		h.display = display.New()
	}
}

// dark clears the display. What it was in the middle of is lost, and nobody sees it.
func (h *Handset) dark(at time.Time) {
	if h.watching > 0 {
		h.watching, h.display = 0, display.New()
	}
	if h.shows {
		h.shows = false
		h.out(Event{At: at, Who: h.name, What: ShowsNot})
	}
}

// shown gives the words of a message on a display.
func shown(m *display.Message) string {
	switch {
	case m.Bad != "":
		return "a broken message (" + m.Bad + ")"
	case m.Waiting != nil && *m.Waiting:
		return "lamp on"
	case m.Waiting != nil:
		return "lamp off"
	}
	s := m.Number
	if s == "" {
		s = m.Reason
	}
	if s == "" {
		s = display.Unavailable
	}
	if m.Name != "" {
		s += " " + m.Name
	}
	return s
}

// polarity tells when the feed of a telephone off the hook turns.
func (h *Handset) polarity(start time.Time, feed *chipsim.Feed) {
	turned := feed.Volts < 0
	if turned == h.turned || math.Abs(feed.Volts) < noFeed {
		return
	}
	h.turned = turned
	if start.Sub(h.lifted) >= feedSettles {
		h.out(Event{At: start, Who: h.name, What: Sees, Name: reversal})
	}
}

// reversal is what can be seen of the feed.
const reversal = "reversal"
