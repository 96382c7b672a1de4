package jitter

import (
	"math"
	"time"

	"sotto/board"
	"sotto/pbx/media/g711"
)

// order counts sequence numbers.
type order struct {
	began bool
	top   uint16
	seen  uint64 // of top and the 63 before it; bit 0 is top
}

// A sequence number that jumps farther than this is of a new start (RFC 3550, appendix A.1).
const (
	maxDropout  = 3000
	maxMisorder = 100
)

// note tells whether seq is the one after the youngest, and whether it came before.
func (o *order) note(seq uint16, s *Stats) (next, dup bool) {
	d := int(int16(seq - o.top))
	switch {
	case !o.began || d > maxDropout || d < -maxMisorder:
		*o = order{began: true, top: seq, seen: 1}
		return false, false
	case d > 0:
		s.Lost += uint64(d - 1)
		o.top, o.seen = seq, o.seen<<d|1
		return d == 1, false
	case -d < 64 && o.seen>>-d&1 == 1:
		s.Duplicate++
		return false, true
	}
	s.Reordered++
	if -d < 64 {
		o.seen |= 1 << -d
	}
	s.Lost -= min(s.Lost, 1)
	return false, false
}

// stray is a run of packets whose timestamps do not fit the stream.
type stray struct {
	next  uint16 // number that follows on the last
	late  int64  // lateness of the first that fit together
	n     int    // how many do
	since int64  // when the first came
}

const (
	strayRun  = 4                    // packets of one lateness that make a stream
	straySway = 100                  // samples that it may differ by
	strayWait = board.SampleRate / 2 // samples of nothing else that make one too
)

// accept finds the place of a packet, and learns from it. next tells that it follows on
// the youngest one by its number. It is not ok for duplicates and strays.
func (b *Buffer) accept(at time.Duration, seq uint16, ts uint32, marker bool) (place int64, next, ok bool) {
	place = b.at + int64(int32(ts-b.ts))
	late := b.now - b.path.base - place
	switch astray := late < -early || late > overdue; {
	case !b.anchored:
		place, late = b.anchor()
	case astray && !marker && !b.credible(seq, late):
		b.stats.Discarded++
		return 0, false, false
	case astray:
		b.order.began = false
		place, late = b.anchor()
	default:
		// RFC 3550, section 6.4.1: the difference of two transit times.
		d := math.Abs(float64(at-b.came)/float64(sample) - float64(place-b.at))
		b.jitter += (min(d, board.SampleRate) - b.jitter) / 16
	}
	b.stray.n = 0
	next, dup := b.order.note(seq, &b.stats)
	if dup {
		return 0, false, false
	}
	b.ts, b.at, b.came = ts, place, at
	b.path.learn(b.now, late+b.path.base)
	return place, next, true
}

// credible tells whether a packet that does not fit is one of several that fit each other
// as they come, or all that came for a while. The packets of a burst after a standstill of
// the network grow younger at once and are not.
func (b *Buffer) credible(seq uint16, late int64) bool {
	s := &b.stray
	follows := s.n > 0 && seq == s.next
	switch {
	case s.n == 0:
		*s = stray{late: late, n: 1, since: b.now}
	case follows && max(late-s.late, s.late-late) <= straySway:
		s.n++
	default:
		s.late, s.n = late, 1
	}
	s.next = seq + 1
	return s.n >= strayRun || follows && b.now-s.since > strayWait
}

// anchor begins a stream: its first packet is taken for one of the fastest, and comes
// after what there is.
func (b *Buffer) anchor() (place, late int64) {
	if b.path.n == 0 {
		b.path.base = 0
		b.play = b.now - b.path.target
		b.end, b.done = b.play, b.play
	}
	b.anchored = true
	place = max(b.now-b.path.base, b.end)
	b.spurt = place
	return place, b.now - b.path.base - place
}

// store writes the samples of a packet into the ring.
func (b *Buffer) store(place int64, law g711.Law, payload []byte) {
	for p := max(b.end, place-ringLen); p < place; p++ {
		b.ring[p&(ringLen-1)] = absent
	}
	b.end = max(b.end, place+int64(len(payload)))
	i := int(place & (ringLen - 1))
	n := law.DecodeAll(b.ring[i:], payload)
	law.DecodeAll(b.ring[:], payload[n:])
}

// nextSound is the place of the next sample there is from play on; never: there is none.
func (b *Buffer) nextSound() int64 {
	for p := max(b.play, b.end-ringLen, b.done); p < b.end; p++ {
		if b.ring[p&(ringLen-1)] != absent {
			return p
		}
	}
	return never
}
