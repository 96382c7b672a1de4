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
	{"Line/Glare", true, glare},
	{"Line/Pulses", true, pulses},
	{"Line/PulsesEnd", true, pulsesEnd},
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

// glare: a ring that begins just before the line is seized is told, whenever it began.
func glare(r *rig) {
	for _, p := range r.working(board.ExchangeLine) {
		x := r.far.Exchange(p)
		for lead := 80 * time.Millisecond; lead <= 400*time.Millisecond; lead += 40 * time.Millisecond {
			x.Ring(true)
			began := time.Now()
			r.run(lead)
			r.brd.Signal(p, board.Signal{Kind: board.Seize})
			on := r.expect(p, board.RingOn, time.Second)
			r.near("ringing", on.At, began, 150*time.Millisecond)
			r.expect(p, board.RingOff, time.Second)
			r.nothing(500 * time.Millisecond)
			r.signal(p, board.Release)
			r.nothing(2 * time.Second)
		}
	}
}

// pulseSlack is how exact each break and make of a train must be.
const pulseSlack = 2 * time.Millisecond

// train asks for a train.
func (r *rig) train(p board.Port, n uint8, open, closed time.Duration) {
	r.brd.Signal(p, board.Signal{Kind: board.Pulses, Train: board.Train{Count: n, Break: open, Make: closed}})
}

// loop fails unless the loop was open and closed for these times.
func (r *rig) loop(p board.Port, n int, open, closed time.Duration) {
	r.Helper()
	got := r.far.Exchange(p).Loop()
	ok := len(got) == max(0, 2*n-1)
	for i := 0; ok && i < len(got); i++ {
		want := open
		if i%2 == 1 {
			want = closed
		}
		ok = (got[i] - want).Abs() <= pulseSlack
	}
	if !ok {
		r.Errorf("%s: open and closed for %v, want %d times %v and %v", r.ports[p].Label, got, n, open, closed)
	}
}

// pulses: trains are exact on the wire, on all lines at once; no event tells of them; the
// voice passes again at once.
func pulses(r *rig) {
	l := r.working(board.ExchangeLine)
	for _, p := range l {
		r.signal(p, board.Seize)
	}
	r.nothing(voiceLimit)
	const open, closed = 61 * time.Millisecond, 39 * time.Millisecond
	for _, p := range l {
		r.far.Exchange(p).Loop()
		r.train(p, 10, open, closed)
		r.train(p, 2, open, closed) // follows
	}
	r.nothing(2 * time.Second)
	for _, p := range l {
		x := r.far.Exchange(p)
		r.loop(p, 12, open, closed)
		if !x.Seized() {
			r.Errorf("%s is released after pulses", r.ports[p].Label)
		}
		r.train(p, 1, 120*time.Millisecond, 0) // a flash
		r.nothing(200 * time.Millisecond)
		r.loop(p, 1, 120*time.Millisecond, 0)
		r.listen()
		r.play[p] = sine(600)
		x.Speak(speech(1000, 300*time.Millisecond))
		r.run(200 * time.Millisecond)
		r.hears("the exchange after a flash", r.heard[p], 1000, true)
		r.hears("at the exchange after a flash", x.Hear(), 600, true)
		r.play[p] = nil
		// The loss of the line is told as ever.
		x.Feed(false)
		r.expect(p, board.CurrentLost, time.Second)
		x.Feed(true)
		r.expect(p, board.CurrentBack, time.Second)
		r.signal(p, board.Release)
		r.nothing(time.Second)
	}
}

// pulsesEnd: Seize and Release end trains; a train on a released line does nothing.
func pulsesEnd(r *rig) {
	for _, p := range r.working(board.ExchangeLine) {
		x := r.far.Exchange(p)
		const open, closed = 60 * time.Millisecond, 40 * time.Millisecond
		r.train(p, 3, open, closed)
		r.nothing(500 * time.Millisecond)
		if x.Loop(); x.Seized() {
			r.Errorf("%s is seized by a train", r.ports[p].Label)
		}
		for _, k := range []board.SignalKind{board.Seize, board.Release} {
			for _, after := range []time.Duration{30 * time.Millisecond, 180 * time.Millisecond} {
				r.signal(p, board.Seize)
				r.nothing(voiceLimit)
				x.Loop()
				r.train(p, 9, open, closed)
				r.train(p, 9, open, closed)
				r.run(after)
				r.signal(p, k)
				r.nothing(time.Second)
				if n := len(x.Loop()); n > 4 {
					r.Errorf("%s: %d edges of a train that %v ended after %v", r.ports[p].Label, n+1, k, after)
				}
				if x.Seized() != (k == board.Seize) {
					r.Errorf("%s: seized %t after %v in a train", r.ports[p].Label, x.Seized(), k)
				}
				r.signal(p, board.Release)
				r.nothing(500 * time.Millisecond)
			}
		}
	}
}
