package rtpport

import (
	"encoding/binary"
	"strings"
	"time"

	"sotto/board"
	"sotto/pbx/media/dtmf"
)

const (
	eventKeys = "0123456789*#ABCD" // by event code (RFC 4733 section 3.2)
	maxKeys   = 16                 // that wait to be played
	minPress  = 480                // samples: 60 ms
	minGap    = 480
	patience  = 800   // samples: a key whose packets stop is let go after this; they come every 50 ms or oftener
	overlap   = 400   // samples after the last known end of a key whose sound is still held for the key's
	ancient   = 80000 // samples: a timestamp further back is of another timeline
)

// sounds are the keys' tones, begun and kept to be copied: Send allocates.
var sounds = func() (g [len(eventKeys)]dtmf.Generator) {
	for i := range g {
		if err := g[i].Send(eventKeys[i:i+1], dtmf.Key{Low: -10, High: -8, On: time.Hour}); err != nil {
			panic(err)
		}
	}
	return g
}()

// press is a key to be played.
type press struct {
	code uint8
	open bool // still held, as far as is known
	dur  int  // samples, so far
}

// keys makes sound of digits that came as data: by RFC 4733 or by signalling. Each is
// played as long as it was held, 60 ms at least, and 60 ms after the one before.
type keys struct {
	queue [maxKeys]press
	n     int

	unplayed uint64 // for want of room or of somebody who listens

	// The event that comes in. What is later than its end belongs to the next.
	known  bool
	ts     uint32 // of its first segment
	seg    uint32 // of this segment (section 2.5.1.3)
	dur    uint32 // so far, all segments
	code   uint8
	ended  bool
	queued bool // it is the last of queue

	sound   dtmf.Generator
	playing bool
	played  int // samples of queue[0]
	tail    bool
	gap     int // samples of silence still to come
}

// sounding tells whether there is anything to play.
func (k *keys) sounding() bool { return k.n > 0 || k.tail }

// push puts a key at the end, false when there is no room.
func (k *keys) push(p press) bool {
	k.release()
	if k.n == maxKeys {
		k.unplayed++
		return false
	}
	k.queue[k.n] = p
	k.n++
	return true
}

// release lets the last key go: no two are held at a time.
func (k *keys) release() {
	if k.queued = false; k.n > 0 {
		k.queue[k.n-1].open = false
	}
}

// press plays a key that was told by signalling.
func (k *keys) press(sign byte, d time.Duration) bool {
	if 'a' <= sign && sign <= 'd' {
		sign -= 'a' - 'A'
	}
	i := strings.IndexByte(eventKeys, sign)
	if i < 0 {
		return false
	}
	d = min(max(d, 60*time.Millisecond), 5*time.Second)
	return k.push(press{code: uint8(i), dur: int(samples(d))})
}

// event takes the payload of a telephone-event (RFC 4733 section 2.3). Any of an event's
// packets begins it, so that none is needed more than another; all carry its timestamp,
// so that none begins it twice. It is false for what is none, or no key. If
// not play, the key is followed but not put in the queue.
func (k *keys) event(ts uint32, marker bool, b []byte, play bool) bool {
	if len(b) < 4 || int(b[0]) >= len(eventKeys) {
		return false
	}
	code, end, dur := b[0], b[1]&0x80 != 0, uint32(binary.BigEndian.Uint16(b[2:]))
	same := k.known && code == k.code
	switch d := int32(ts - k.seg); {
	case k.known && d < 0 && d > -ancient: // of an earlier key, or an earlier segment
		return true
	case k.known && d == 0:
		if code != k.code {
			return false
		}
	case same && !k.ended && !marker && d == 0xFFFF: // the next segment of a long key
		k.seg = ts
	case same && !k.ended && d > 0 && uint32(d) <= k.dur-(k.seg-k.ts):
		// A key cannot begin before the one before has ended: a telephone that counts the
		// timestamp on through an event.
	default:
		k.known, k.ts, k.seg, k.code, k.dur, k.ended = true, ts, ts, code, 0, false
		if k.queued = play && k.push(press{code: code, open: true}); !play {
			k.unplayed++
			k.release()
		}
	}
	k.dur = max(k.dur, k.seg-k.ts+dur)
	k.ended = k.ended || end
	if k.queued {
		p := &k.queue[k.n-1]
		p.dur, p.open = int(k.dur), !k.ended
	}
	return true
}

// covers tells whether the sound at ts is of the key that comes in: a telephone that sends
// keys as sound too.
func (k *keys) covers(ts uint32) bool {
	if !k.known {
		return false
	}
	d, end := int32(ts-k.ts), int32(k.dur)
	if !k.ended {
		end += overlap
	}
	return d >= 0 && d < end
}

// forget drops what is to be played, and what is known of the event that comes in.
func (k *keys) forget() {
	*k = keys{unplayed: k.unplayed + uint64(k.n)}
}

// newStream tells that timestamps mean another timeline.
func (k *keys) newStream() {
	k.known = false
	k.release()
}

// next gives the next frame of the keys' sound, false when there is none.
func (k *keys) next(f *board.Frame) bool {
	if !k.sounding() && k.gap <= 0 {
		return false
	}
	*f = board.Frame{}
	if k.tail { // fades out: the frame before was not known to be the last
		k.tail = false
		k.sound.Add(f)
		for i := range f {
			f[i] = int16(int(f[i]) * max(40-i, 0) / 40)
		}
		k.gap = minGap
		return true
	}
	if k.gap > 0 {
		k.gap -= len(f)
		return k.n > 0 // else others' sound may fill the pause
	}
	p := &k.queue[0]
	if !k.playing {
		k.sound, k.playing, k.played = sounds[p.code], true, 0
	}
	k.sound.Add(f)
	k.played += len(f)
	until := max(p.dur, minPress)
	if p.open {
		until = max(p.dur+patience, minPress)
	}
	if k.played+len(f)/2 > until-len(f)/2 { // the tail is to come
		k.pop()
	}
	return true
}

// pop ends the key that is played.
func (k *keys) pop() {
	copy(k.queue[:], k.queue[1:k.n])
	k.n--
	k.queued = k.queued && k.n > 0
	k.playing, k.tail = false, true
}
