package simui

import (
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"sotto/board"
)

// blockLen is the number of samples of a message with sound: 20 ms.
const blockLen = 2 * board.FrameLen

const (
	// mouthFrames bounds what was spoken and is not said yet: 200 ms.
	mouthFrames = 20
	// mouthPrime is how much is waited for before it is said: 60 ms against the jitter
	// of the browser and the network.
	mouthPrime = 6
	// voiceFrames is the length of the test voice: two seconds.
	voiceFrames = 200
	// voiceLevel is its level in dBm0, that of a handset which speaks by itself.
	voiceLevel = -16.0
	// actsBurst and actsRate bound what is done to one telephone or line: so many at
	// once, so many a second. Somebody who types fast needs half of it.
	actsBurst = 60
	actsRate  = 20
)

// block is 20 ms of what a telephone hears.
type block struct {
	channel uint8
	seq     uint16 // rises by one a block; a step of more is sound that was dropped
	pcm     [blockLen]int16
}

// channel is the sound of one telephone, or of the far party of one line, for all pages.
//
//	board's goroutine              pages' goroutines
//	Exchange ── ear ─► listeners' queues ─► page.write
//	         ◄─ mouth ── queue ◄─────────── hear
type channel struct {
	s      *Server
	index  uint8
	attach func(Tap) (detach func())
	hz     float64 // of the test voice

	mu      sync.Mutex // the tap never takes it
	detach  func()     // nil: no tap is attached
	pages   []*page    // that listen
	speaker *page      // the one page that is spoken into
	presser *page      // the one that holds a key
	acts    allowance

	listeners atomic.Pointer[[]*page] // pages, for the tap
	spoken    atomic.Bool             // there is a speaker
	mouth     chan board.Frame
	voice     atomic.Int32 // frames of the test voice to be said

	// the tap's own
	out    block
	half   bool
	primed bool
	phase  float64
}

func newChannel(s *Server, index int, hz float64, attach func(Tap) func()) *channel {
	return &channel{s: s, index: uint8(index), hz: hz, attach: attach, mouth: make(chan board.Frame, mouthFrames), acts: allowance{burst: actsBurst, rate: actsRate}}
}

var _ Tap = (*channel)(nil)

// Exchange implements [Tap]. It is called by the board's goroutine, one frame a time.
func (c *channel) Exchange(mouth, ear *board.Frame) {
	c.speak(mouth)
	if !c.half {
		copy(c.out.pcm[:], ear[:])
		c.half = true
		return
	}
	copy(c.out.pcm[board.FrameLen:], ear[:])
	c.half = false
	c.out.channel = c.index
	c.out.seq++
	if l := c.listeners.Load(); l != nil {
		for _, p := range *l {
			p.offer(&c.out)
		}
	}
}

// speak adds a frame of what a page says to what the telephone itself sends.
func (c *channel) speak(mouth *board.Frame) {
	if c.voice.Load() > 0 {
		c.voice.Add(-1)
		step, amp := 2*math.Pi*c.hz/board.SampleRate, board.Amplitude(voiceLevel)
		for i := range mouth {
			mouth[i] = add(mouth[i], int16(amp*math.Sin(c.phase)))
			c.phase = math.Mod(c.phase+step, 2*math.Pi)
		}
	}
	if !c.primed && len(c.mouth) < mouthPrime {
		return
	}
	select {
	case f := <-c.mouth:
		c.primed = true
		for i, v := range f {
			mouth[i] = add(mouth[i], v)
		}
	default:
		if c.primed = false; c.spoken.Load() {
			c.s.starved.Add(1)
		}
	}
}

func add(a, b int16) int16 { return int16(min(max(int32(a)+int32(b), math.MinInt16), math.MaxInt16)) }

// hear takes 20 ms that p's person said. Only the page that speaks is heard.
func (c *channel) hear(p *page, pcm *[blockLen]int16) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.speaker != p {
		return
	}
	for i := 0; i < blockLen; i += board.FrameLen {
		f := board.Frame(pcm[i : i+board.FrameLen])
		c.s.spoken.Add(push(c.mouth, f))
	}
}

// push queues v without waiting. It gives how many it dropped for that: the oldest.
func push[T any](queue chan T, v T) (dropped uint64) {
	for {
		select {
		case queue <- v:
			return dropped
		default:
		}
		select {
		case <-queue:
			dropped++
		default:
		}
	}
}

// listen lets p hear the channel, or no more.
func (c *channel) listen(p *page, on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if slices.Contains(c.pages, p) == on {
		return
	}
	l := slices.DeleteFunc(slices.Clone(c.pages), func(x *page) bool { return x == p })
	if on {
		l = append(l, p)
	}
	c.pages = l
	c.listeners.Store(&l)
	if !on && c.speaker == p {
		c.hushed()
	}
	switch {
	case len(l) > 0 && c.detach == nil:
		c.detach = c.attach(c)
	case len(l) == 0 && c.detach != nil:
		c.detach()
		c.detach = nil
		c.voice.Store(0)
	}
}

// speaks gives p the mouth of a channel that it listens to, or takes it away. The last
// one to ask has it.
func (c *channel) speaks(p *page, on bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.Contains(c.pages, p) {
		return !on
	}
	if on && c.speaker != p || !on && c.speaker == p {
		c.hushed()
		if on {
			c.speaker = p
			c.spoken.Store(true)
		}
	}
	return true
}

// hushed ends what is being said. The channel is locked.
func (c *channel) hushed() {
	c.speaker = nil
	c.spoken.Store(false)
	for len(c.mouth) > 0 {
		select {
		case <-c.mouth:
		default:
		}
	}
}

// say lets the test voice speak, if p listens.
func (c *channel) say(p *page) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.Contains(c.pages, p) {
		return false
	}
	c.voice.Store(voiceFrames)
	return true
}

// may takes one act from the allowance of the channel.
func (c *channel) may(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.acts.take(now)
}

// presses notes who holds a key: p, or nobody. It tells whether p is the one.
func (c *channel) presses(p *page, on bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	was := c.presser == p
	switch {
	case on:
		c.presser = p
	case was:
		c.presser = nil
	}
	return was
}
