package rtpport

import (
	"encoding/binary"
	"net/netip"
	"sync"
	"time"

	"sotto/board"
	"sotto/pbx/media/g711"
)

const (
	maxFill   = 480                   // samples in a packet of ours: 60 ms
	pause     = 70 * time.Millisecond // without a frame, after which another talkspurt begins
	maxStride = 8000                  // samples: a relayed timestamp further from the clock's is moved
)

// outgoing is the stream that a telephone hears: one SSRC, sequence numbers and timestamps
// without a break, whatever feeds it. The media loop and who reads the packets that
// are relayed to it take turns by its lock, which is held for one send at most.
type outgoing struct {
	count *counters

	mu       sync.Mutex
	link     link
	to       netip.AddrPort
	open     bool // the box may send, and knows where to
	fed      int  // relays that feed it in place of the media loop
	law      g711.Law
	payload  uint8
	events   uint8
	comfort  bool
	ptime    int // samples
	ssrc     uint32
	seq      uint16        // next
	ts       uint32        // of the first sample after what was sent
	at       time.Duration // when that sample was due
	marker   bool          // on the next packet
	fill     int           // samples collected
	filled   time.Duration // when the last were
	buf      [headerLen + maxFill]byte
	packets  uint32 // for the sender report
	octets   uint32
	reported uint32 // packets when the last report was sent

	// What a relayed packet's numbers are moved by, as long as the feeder is the same.
	feeder *Session
	run    uint32 // of the feeder's stream
	dseq   uint16
	dts    uint32
	first  uint16 // sequence number of the run's first: what is older comes too late
}

// clock is the timestamp at now.
func (o *outgoing) clock(now time.Duration) uint32 { return o.ts + samples(max(now-o.at, 0)) }

// frame sends the next 10 ms, once ptime has come together.
func (o *outgoing) frame(f *board.Frame, now time.Duration) {
	if !o.open {
		o.fill = 0
		return
	}
	if o.feeder != nil || now-o.filled > pause { // another talkspurt
		o.feeder, o.fill, o.marker = nil, 0, true
		o.ts = o.clock(now - board.FrameTime)
	}
	o.filled = now
	o.fill += o.law.EncodeAll(o.buf[headerLen+o.fill:], f[:])
	if o.fill < o.ptime {
		return
	}
	n := o.fill
	putHeader(o.buf[:], o.marker, o.payload, o.seq, o.ts, o.ssrc)
	o.fill, o.marker = 0, false
	o.seq++
	o.ts, o.at = o.ts+uint32(n), now
	o.send(o.buf[:headerLen+n])
}

// key sends a key as a telephone-event in place of sound (RFC 4733 section 2.5.1). It is
// called each frame with the samples so far; every second one is told, the end thrice.
func (o *outgoing) key(code uint8, dur int, end bool, now time.Duration) {
	if !o.open {
		return
	}
	if dur == board.FrameLen {
		o.ts, o.at = o.clock(now-board.FrameTime), now-board.FrameTime
	}
	o.feeder, o.fill = nil, 0
	times := 1
	if end {
		times = 3
	} else if dur%160 != 0 {
		return
	}
	b := o.buf[:headerLen+4]
	b[headerLen], b[headerLen+1] = code, 10 // -10 dBm0
	if end {
		b[headerLen+1] |= 0x80
	}
	binary.BigEndian.PutUint16(b[headerLen+2:], uint16(dur))
	for range times {
		putHeader(b, dur == 160, o.events, o.seq, o.ts, o.ssrc)
		o.seq++
		o.send(b)
	}
	if end {
		o.ts, o.at = o.ts+uint32(dur), now
	}
}

// send sends a packet, or counts that it could not.
func (o *outgoing) send(b []byte) {
	o.packets++
	o.octets += uint32(len(b) - headerLen)
	if o.link.send(b, o.to) != nil {
		o.count.unsent.Add(1)
	}
}

// kind is what a packet carries.
type kind uint8

const (
	sound kind = iota
	event      // telephone-event
	comfort
)

// relay sends a feeder's packet on, with the stream's own numbers. The header is written
// in place. run changes when the feeder's numbers begin anew.
func (o *outgoing) relay(p *packet, k kind, law g711.Law, feeder *Session, run uint32, now time.Duration) {
	if !o.open {
		o.feeder = nil // what is not sent is not to be missed
		return
	}
	pt, length := o.payload, uint32(p.n)
	switch k {
	case event:
		pt, length = o.events, uint32(binary.BigEndian.Uint16(p.payload()[2:]))
	case comfort:
		pt, length = comfortType, 0
	}
	seq, ts := p.seq+o.dseq, p.ts+o.dts
	off := int32(ts - o.clock(now))
	if o.feeder != feeder || o.run != run || k == sound && (off > maxStride || off < -maxStride) {
		o.feeder, o.run, o.fill = feeder, run, 0
		o.marker = k != event
		ts = max32(o.ts, o.clock(now)-length)
		seq = o.seq
		o.dseq, o.dts, o.first = seq-p.seq, ts-p.ts, seq
	} else if int16(seq-o.first) < 0 {
		o.count.undelivered.Add(1)
		return
	}
	if k == comfort && !o.comfort {
		// The far telephone does not miss the packet: its number goes to the next.
		o.count.undelivered.Add(1)
		if seq == o.seq {
			o.dseq--
			o.first = o.seq
		}
		return
	}
	if k == sound && law != o.law {
		recode(p.payload(), law)
	}
	b := p.buf[p.at-headerLen : p.at+p.n]
	putHeader(b, p.marker || o.marker, pt, seq, ts, o.ssrc)
	o.marker = o.marker && k == event
	if int16(seq-o.seq) >= 0 {
		o.seq = seq + 1
		if o.seq-o.first > 2*maxDropout { // keeps it within half the circle
			o.first = o.seq - maxDropout
		}
		o.ts, o.at = max32(o.ts, ts+length), now
	}
	o.count.relayed.Add(1)
	o.send(b)
}

// max32 is the later of two timestamps.
func max32(a, b uint32) uint32 {
	if int32(b-a) > 0 {
		return b
	}
	return a
}

var toMu, toA = func() (mu, a [256]byte) {
	for c := range 256 {
		mu[c] = g711.MuLaw.Encode(g711.ALaw.Decode(byte(c)))
		a[c] = g711.ALaw.Encode(g711.MuLaw.Decode(byte(c)))
	}
	return
}()

// recode turns codes of a law into those of the other.
func recode(b []byte, from g711.Law) {
	t := &toMu
	if from == g711.MuLaw {
		t = &toA
	}
	for i, c := range b {
		b[i] = t[c]
	}
}
