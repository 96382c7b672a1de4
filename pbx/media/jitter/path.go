package jitter

import (
	"math"
	"time"

	"sotto/board"
)

const (
	binLen       = 40 // samples: 5 ms
	bins         = 48 // 240 ms; the last takes all beyond
	memory       = 2000
	quantile     = 0.995
	minTarget    = int64(MinDelay / sample)
	maxTarget    = int64(MaxDelay / sample)
	unknown      = int64(40 * time.Millisecond / sample) // target at least, until firstPackets came
	firstPackets = 100
	baseSpan     = 5 * board.SampleRate // samples in which a minimum is sought
	baseCount    = 50                   // packets at least
)

// path is what is known of the way that the packets come: how much later than the fastest
// of them they are, as a histogram that forgets.
type path struct {
	target int64 // delay to hold, in samples
	base   int64 // least transit time of the last one or two spans, in samples
	n      int   // packets, to memory at most
	share  [bins]float32

	least, before int64 // minimum of this span and of the one before
	since         int64 // start of this span
	count         int   // packets in it
	tick          int64 // when the last packet was counted
}

func (p *path) reset() { *p = path{target: unknown, before: math.MaxInt64, least: math.MaxInt64} }

// learn takes the transit time of a packet that came at now.
func (p *path) learn(now, transit int64) {
	if now-p.since >= baseSpan && p.count >= baseCount {
		p.before, p.least, p.since, p.count = p.least, math.MaxInt64, now, 0
	}
	p.count++
	p.least = min(p.least, transit)
	if base := min(p.least, p.before); p.n == 0 || base < p.base {
		p.base = base
	} else if up := (base - p.base) / binLen; up > 0 {
		// The fastest way has become slower, and what was late is now less so.
		p.base += up * binLen
		p.lower(int(min(up, bins)))
	}
	if p.n > 0 && now == p.tick {
		return // of a burst the first tells how long the network stood still
	}
	p.tick = now
	p.n = min(p.n+1, memory)
	keep := 1 - 1/float32(p.n)
	for i := range p.share {
		p.share[i] *= keep
	}
	p.share[min((transit-p.base)/binLen, bins-1)] += 1 - keep
	p.aim()
}

// lower moves the histogram down.
func (p *path) lower(by int) {
	for i := range p.share {
		s := p.share[i]
		p.share[i] = 0
		p.share[max(0, i-by)] += s
	}
}

// aim sets the target: the upper end of the bin that the quantile is in, and a frame, as
// the phase of the packets to the frames drifts.
func (p *path) aim() {
	rest, i := float32(1-quantile), bins-1
	for ; i > 0; i-- {
		if rest -= p.share[i]; rest < 0 {
			break
		}
	}
	low := minTarget
	if p.n < firstPackets {
		low = unknown
	}
	p.target = min(max(int64(i+1)*binLen+frame, low), maxTarget)
}
