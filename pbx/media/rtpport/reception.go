package rtpport

import "time"

const (
	maxDropout  = 3000 // RFC 3550 appendix A.1: a larger gap must be shown by two packets
	maxMisorder = 100
)

// order is where a packet stands in its stream.
type order uint8

const (
	inOrder   order = iota
	misplaced       // older than the newest, and not seen yet
	duplicate
	stray    // far from all before
	restarts // far from all before, but in sequence with a stray: the stream begins anew
)

// reception keeps the figures of a received stream (RFC 3550 appendix A), through changes
// of SSRC too.
type reception struct {
	running  bool
	max      uint16 // highest sequence number
	seen     uint64 // bit i: max-i came
	cycles   uint32 // of the sequence number, in its upper half
	base     uint32 // first of the stream
	got      uint32 // of the stream
	stray    uint16 // that would begin anew
	strayed  bool
	packets  uint64 // of all streams
	lostOnce uint64 // of streams before this one

	transit    int32
	transits   bool
	jitter16   uint32 // in sixteenths of a sample
	lastWanted uint32 // expected when the last report was made
	lastGot    uint32
}

// start begins a stream at seq.
func (r *reception) start(seq uint16) {
	lost, packets, jitter := r.lost(), r.packets, r.jitter16
	*r = reception{running: true, max: seq, seen: 1, base: uint32(seq), got: 1, packets: packets + 1, lostOnce: lost, jitter16: jitter}
}

// packet takes in a sequence number.
func (r *reception) packet(seq uint16) order {
	switch d := seq - r.max; {
	case d == 0:
		return duplicate
	case d < maxDropout:
		if seq < r.max {
			r.cycles += 1 << 16
		}
		r.max = seq
		r.seen = r.seen<<d | 1
		r.got++
		r.packets++
		r.strayed = false
		return inOrder
	case -d <= maxMisorder:
		back := -d
		if back >= 64 || r.seen&(1<<back) != 0 {
			return duplicate // what is that old is of no use either way
		}
		r.seen |= 1 << back
		if seq := r.highest() - uint32(back); int32(seq-r.base) < 0 {
			r.base = seq // the stream began earlier than was seen
		}
		r.got++
		r.packets++
		return misplaced
	}
	if r.strayed && seq == r.stray {
		r.start(seq)
		return restarts
	}
	r.stray, r.strayed = seq+1, true
	return stray
}

// arrived takes in the arrival of sound, for the jitter (appendix A.8).
func (r *reception) arrived(at time.Duration, ts uint32) {
	t := int32(samples(at) - ts)
	if r.transits {
		d := int64(t) - int64(r.transit)
		if d < 0 {
			d = -d
		}
		if d < maxDropout*8 { // more is another timeline
			r.jitter16 += uint32(d) - (r.jitter16+8)>>4
		}
	}
	r.transit, r.transits = t, true
}

func (r *reception) highest() uint32 { return r.cycles + uint32(r.max) }

func (r *reception) wanted() uint32 {
	if !r.running {
		return 0
	}
	return r.highest() - r.base + 1
}

// lost gives the packets of all streams that never came.
func (r *reception) lost() uint64 {
	return r.lostOnce + uint64(max(int64(r.wanted())-int64(r.got), 0))
}

// report gives what a report block says of the time since the last one, in 256ths, and
// of the stream as a whole (section 6.4.1).
func (r *reception) report() (fraction uint8, lost uint32) {
	wanted, got := r.wanted()-r.lastWanted, r.got-r.lastGot
	r.lastWanted, r.lastGot = r.wanted(), r.got
	if missing := int64(wanted) - int64(got); missing > 0 && wanted > 0 {
		fraction = uint8(min(missing<<8/int64(wanted), 255))
	}
	return fraction, uint32(min(max(int64(r.wanted())-int64(r.got), 0), 0x7FFFFF))
}

// samples is a time in samples of the voice path; it wraps as a timestamp does.
func samples(d time.Duration) uint32 {
	return uint32(uint64(d/time.Second)*8000 + uint64(d%time.Second)*8000/uint64(time.Second))
}

// span is the time of n samples.
func span(n uint32) time.Duration { return time.Duration(n) * time.Second / 8000 }
