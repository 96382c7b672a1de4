package boardtest

import (
	"time"

	"sotto/board"
)

// lineParts hold for ports that plug into a line of the public exchange.
var lineParts = []part{
	{"Line/Seize", true, seize},
	{"Line/Ring", true, lineRing},
	{"Line/Missing", true, missing},
	{"Line/InUse", true, inUse},
	{"Line/Current", true, current},
	{"Line/Polarity", true, polarity},
}

// voiceLimit is how long after Seize the voice path may take (see board.Seize).
const voiceLimit = 410 * time.Millisecond

func seize(r *rig) {
	for _, p := range r.working(board.ExchangeLine) {
		x := r.far.Exchange(p)
		for range 2 {
			r.brd.Signal(p, board.Signal{Kind: board.Seize})
			r.until("the line is seized", 100*time.Millisecond, x.Seized)
			r.run(voiceLimit)
			r.listen()
			r.play[p] = sine(600)
			x.Speak(speech(1000, 300*time.Millisecond))
			r.run(200 * time.Millisecond)
			r.hears("the exchange", r.heard[p], 1000, true)
			r.hears("at the exchange", x.Hear(), 600, true)
			r.brd.Signal(p, board.Signal{Kind: board.Seize}) // does nothing
			r.run(100 * time.Millisecond)
			r.hears("at the exchange, seized again", x.Hear(), 600, true)
			r.brd.Signal(p, board.Signal{Kind: board.Release})
			r.until("the line is released", 100*time.Millisecond, func() bool { return !x.Seized() })
			r.run(200 * time.Millisecond)
			r.hears("at the exchange, released", x.Hear(), 600, false)
			r.play[p] = nil
			r.nothing(500 * time.Millisecond)
		}
	}
}

func lineRing(r *rig) {
	for _, p := range r.working(board.ExchangeLine) {
		x := r.far.Exchange(p)
		for range 2 {
			x.Ring(true)
			began := time.Now()
			on := r.expect(p, board.RingOn, time.Second)
			r.near("ringing", on.At, began, 150*time.Millisecond)
			r.nothing(time.Second)
			x.Ring(false)
			ended := time.Now()
			off := r.expect(p, board.RingOff, 2*time.Second)
			r.near("end of ringing", off.At, ended, 150*time.Millisecond)
			r.nothing(500 * time.Millisecond)
		}
		// Answered.
		x.Ring(true)
		r.expect(p, board.RingOn, time.Second)
		r.brd.Signal(p, board.Signal{Kind: board.Seize})
		r.until("the line is seized", 100*time.Millisecond, x.Seized)
		r.expect(p, board.RingOff, time.Second)
		r.nothing(time.Second)
	}
}

func missing(r *rig) {
	for _, p := range r.working(board.ExchangeLine) {
		x := r.far.Exchange(p)
		x.Feed(false)
		cut := time.Now()
		r.near("cut", r.expect(p, board.LineMissing, 3*time.Second).At, cut, 100*time.Millisecond)
		r.nothing(2 * time.Second)
		x.Feed(true)
		r.expect(p, board.LinePresent, time.Second)
		r.nothing(time.Second)
	}
}

func inUse(r *rig) {
	for _, p := range r.working(board.ExchangeLine) {
		x := r.far.Exchange(p)
		x.OtherSet(true)
		r.expect(p, board.LineInUse, time.Second)
		r.nothing(2 * time.Second)
		x.OtherSet(false)
		r.expect(p, board.LineFree, time.Second)
		r.nothing(time.Second)
	}
}

func current(r *rig) {
	for _, p := range r.working(board.ExchangeLine) {
		x := r.far.Exchange(p)
		r.signal(p, board.Seize)
		r.nothing(time.Second)
		x.Feed(false)
		cut := time.Now()
		r.near("cut", r.expect(p, board.CurrentLost, time.Second).At, cut, 50*time.Millisecond)
		r.nothing(300 * time.Millisecond)
		x.Feed(true)
		back := time.Now()
		r.near("back", r.expect(p, board.CurrentBack, time.Second).At, back, 50*time.Millisecond)
		r.nothing(time.Second)
		r.signal(p, board.Release)
		r.nothing(2 * time.Second)
	}
}

func polarity(r *rig) {
	for _, p := range r.working(board.ExchangeLine) {
		x := r.far.Exchange(p)
		for _, k := range []board.SignalKind{board.Release, board.Seize} {
			r.signal(p, k)
			r.run(time.Second)
			for range 2 {
				x.Reverse()
				turned := time.Now()
				r.near("turned", r.expect(p, board.PolarityReversed, time.Second).At, turned, 50*time.Millisecond)
				r.nothing(500 * time.Millisecond)
			}
		}
		r.signal(p, board.Release)
		r.nothing(500 * time.Millisecond)
	}
}
