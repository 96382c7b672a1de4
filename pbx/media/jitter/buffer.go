package jitter

import (
	"math"
	"time"

	"sotto/board"
	"sotto/pbx/media/conceal"
	"sotto/pbx/media/g711"
)

const (
	// MinDelay and MaxDelay bound the delay that the buffer aims at and holds.
	MinDelay = 20 * time.Millisecond
	MaxDelay = 200 * time.Millisecond
	// MaxPayload is the longest payload taken, in samples: 200 ms.
	MaxPayload = 1600
)

const (
	sample  = time.Second / board.SampleRate
	frame   = board.FrameLen
	ringLen = 4096
	absent  = math.MinInt16 // no code of G.711 stands for it
	never   = math.MaxInt64

	// A packet more than early ahead of the fastest, or more than overdue behind it, is
	// of another stream or a stray.
	early   = 100 * board.SampleRate / 1000
	overdue = 500 * board.SampleRate / 1000
	// reserve is what may wait beyond MaxDelay and the packet that came last.
	reserve = 2 * frame
)

// Buffer is the jitter buffer of one received stream.
type Buffer struct {
	stats Stats
	order order
	path  path

	// The ring holds the samples of places end-ringLen to end, or absent.
	ring [ringLen]int16
	now  int64 // samples taken since the start: the clock
	play int64 // place of the next sample to feed
	end  int64 // place after the youngest sample
	done int64 // place after the youngest sample fed

	anchored bool   // the next timestamp can be placed
	ts       uint32 // timestamp of the last packet placed,
	at       int64  // its place,
	came     time.Duration
	stray    stray
	jitter   float64 // samples

	quiet int64 // place from which the sender said to be silent; never: it did not
	spurt int64 // place of the youngest talkspurt that followed on a pause of the sender

	line    line
	gap     int64 // samples since sound broke off
	inGap   bool
	mend    int // samples of the fade back to sound still to do, of
	mendAll int
	broken  bool // the sound at play does not follow on the sound fed
	talks   bool // there was sound before the gap
	floor   float32
	rest    int // frames until the next splice
	filler  conceal.Concealer
}

// New gives an empty buffer. All its memory, about 11 KB, is allocated here.
func New() *Buffer {
	b := new(Buffer)
	b.Reset()
	return b
}

// Reset makes the buffer as New gives it, counters too.
func (b *Buffer) Reset() {
	*b = Buffer{inGap: true, quiet: never, spurt: -never}
	b.path.reset()
}

// Restart tells that another stream begins with the next packet: a new SSRC, or a new
// payload description. What is buffered is still played; the counters and what was
// learnt of the network go on.
func (b *Buffer) Restart() { b.anchored, b.order.began, b.stray = false, false, stray{} }

// Put takes the sound of an RTP packet (RFC 3550, section 5.1): its arrival by any steady
// clock, sequence number, timestamp in samples of 8 kHz, marker bit (first packet of a
// talkspurt, RFC 3551 section 4.1: here it only makes a jump of the timestamp credible)
// and G.711 codes, 1 to MaxPayload of them. The payload is not kept.
func (b *Buffer) Put(at time.Duration, seq uint16, ts uint32, marker bool, law g711.Law, payload []byte) {
	b.stats.Received++
	n := int64(len(payload))
	if n == 0 || n > MaxPayload {
		b.stats.Discarded++
		return
	}
	place, next, ok := b.accept(at, seq, ts, marker)
	if !ok {
		return
	}
	last := b.end
	switch {
	case next && place > last:
		b.spurt = place // no packet is missing before it, so the sender paused
	case place < last-ringLen+MaxPayload || place < b.play && place < last && place+n <= b.play:
		b.stats.Late++
		return
	}
	b.store(place, law, payload)
	if place >= last && place < b.play {
		// Too late, but nothing younger is there: play it late, and keep the delay.
		b.play = max(place, b.done)
	}
	if limit := int64(MaxDelay/sample) + n + reserve; b.end-b.play > limit {
		to := b.end - n - b.path.target
		b.stats.Overflowed += time.Duration(to-b.play) * sample
		b.play, b.broken = to, true
	}
}

// Comfort takes a packet of comfort noise (RFC 3389): the sender is silent from ts on, and
// the noise behind it has level, in -dBov, 0 to 127. Noise is never made louder than -30 dBov.
func (b *Buffer) Comfort(at time.Duration, seq uint16, ts uint32, level byte) {
	b.stats.Received++
	place, _, ok := b.accept(at, seq, ts, false)
	if !ok {
		return
	}
	b.hush(place)
	b.floor = conceal.NoisePower(level & 127)
	b.filler.SetNoise(b.floor)
}

// Event takes the place of a packet of the same stream that carries no sound, such as a
// telephone-event (RFC 4733): its number is not missed, and the pause is not concealed.
func (b *Buffer) Event(at time.Duration, seq uint16, ts uint32) {
	b.stats.Received++
	if _, dup := b.order.note(seq, &b.stats); dup || !b.anchored {
		return
	}
	// The packets of one event share a timestamp, so nothing is learnt from it.
	place := b.at + int64(int32(ts-b.ts))
	if place < b.play || place > b.play+ringLen {
		place = b.play
	}
	b.hush(place)
}

// hush notes that the sender is silent from place on.
func (b *Buffer) hush(place int64) { b.quiet = min(b.quiet, max(place, b.done)) }

// Get gives the next 10 ms. It is called once each frame of the media clock.
func (b *Buffer) Get(out *board.Frame) {
	if b.inGap && b.filler.Faded() {
		// A pause is the place to change the delay.
		b.play = max(b.done, min(b.now-b.path.base-b.path.target, b.nextSound()))
	}
	lead := b.delay() - b.path.target
	n := b.line.need(b.steer(lead))
	if b.line.moves() {
		b.stats.Slipped += sample / steps
	}
	b.feed(b.line.shift(n), lead)
	b.line.read(out)
	b.now += frame
}

// steer says which way the fractional delay moves: 1 to lose a sample, -1 to gain one.
func (b *Buffer) steer(lead int64) int {
	switch {
	case b.inGap:
		return 0
	case lead > frame:
		return 1
	case lead < 0:
		return -1
	}
	return 0
}

// Skip lets frames of the media clock pass unheard, as if Get had been called for each: a
// port that is held or that nobody listens to calls it in place of Get, so that its delay
// does not grow and sound is there at once afterwards.
func (b *Buffer) Skip(frames int) {
	n := int64(min(max(frames, 0), 1<<20)) * frame
	if n == 0 {
		return
	}
	b.now += n
	b.play += n
	b.done = max(b.done, min(b.play, b.end))
	if b.quiet < b.play {
		b.quiet = never
	}
	if !b.inGap || b.talks {
		b.line = line{}
		b.filler.Begin(nil)
		b.inGap, b.talks, b.gap, b.mend, b.broken = true, false, 0, 0, false
	}
}

// delay is how long after the fastest packets their samples are fed, in samples.
func (b *Buffer) delay() int64 { return b.now - b.path.base - b.play }

// Stats are the counters since New or Reset, and the state now.
type Stats struct {
	Received  uint64 // packets given to Put, Comfort and Event
	Lost      uint64 // sequence numbers that never came (RFC 3550, appendix A.3)
	Late      uint64 // packets that came after their time and were of no use
	Duplicate uint64 // packets that had come before
	Reordered uint64 // packets that came after a younger one, late ones included
	Discarded uint64 // packets of no use for another reason: length, stray timestamp

	Gaps       uint64        // times that sound broke off by loss or lateness
	Concealed  time.Duration // length of these gaps, as heard, noise included
	Comforted  time.Duration // noise in pauses of the sender
	Slipped    time.Duration // changes of delay made by resampling, either way, summed
	Spliced    time.Duration // changes of delay made at a pitch period, either way, summed
	Overflowed time.Duration // sound dropped because it would have been heard too late

	Delay  time.Duration // from the arrival of the fastest packets to the Get that gives them, to within a frame
	Target time.Duration // what Delay is led to
	Jitter time.Duration // interarrival jitter (RFC 3550, section 6.4.1)
}

// Stats reads the counters. A gap that lasts is counted when it ends.
func (b *Buffer) Stats() Stats {
	s := b.stats
	s.Target = time.Duration(b.path.target) * sample
	s.Jitter = time.Duration(b.jitter * float64(sample))
	if b.anchored {
		s.Delay = time.Duration(b.delay()) * sample
	}
	return s
}
