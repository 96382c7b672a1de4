package siptest

import (
	"encoding/binary"
	"math"
	"net/netip"
	"sync"
	"time"

	"sotto/board"
	"sotto/board/sim/ear"
	"sotto/pbx/media/g711"
)

// Sound is the RTP side of a call: it says a marker and hears those of others.
type Sound struct {
	conn    Conn
	mu      sync.Mutex
	to      netip.AddrPort
	pt      byte
	events  byte
	say     float64 // Hz, 0 silence
	ear     *ear.Ear
	on      map[int]bool
	digits  string
	tones   []string
	frame   board.Frame
	fill    int
	seq     uint16
	ts      uint32
	ssrc    uint32
	phase   float64
	ptime   time.Duration
	drift   float64
	tone    string // heard now
	last    time.Time
	digit   byte // being sent by RFC 4733
	left    int  // packets of it
	begins  bool // the first of them is to come
	first   uint32
	heardAt uint32 // timestamp of the last digit that came by RFC 4733
	follow  func(time.Time, *board.Frame)
	heard   func(marker int, on bool)
	done    chan struct{}
	once    sync.Once

	Received int            // packets
	From     netip.AddrPort // of the last
	Payloads map[byte]int   // packets by payload type
	Gaps     int            // sequence numbers missing
	Events   int            // digits that came by RFC 4733
	lastSeq  uint16
	SSRCs    map[uint32]int
	Times    []time.Duration // arrival of each of the first packets since the sound began
	began    time.Time
}

// Markers are the frequencies of the sounds that telephones say.
var Markers = func() (l []float64) {
	for i := range 16 {
		l = append(l, 2700+40*float64(i))
	}
	return l
}()

func newSound(p *Phone, conn Conn, ssrc uint32) *Sound {
	s := &Sound{heard: p.Heard, conn: conn, ssrc: ssrc, ptime: p.PTime, drift: p.Drift, ear: ear.New(p.Tones, Markers), on: map[int]bool{}, done: make(chan struct{}),
		Payloads: map[byte]int{}, SSRCs: map[uint32]int{}, began: time.Now()}
	if p.Marker >= 0 {
		s.say = Markers[p.Marker]
	}
	go s.receive()
	return s
}

// start begins to send, or changes where to.
func (s *Sound) start(to netip.AddrPort, pt, events byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := !s.to.IsValid()
	s.to, s.pt, s.events = to, pt, events
	if first {
		go s.send()
	}
}

// Close ends it.
func (s *Sound) Close() {
	s.once.Do(func() {
		close(s.done)
		s.conn.Close()
		s.mu.Lock()
		defer s.mu.Unlock()
		for m, on := range s.on {
			if on && s.heard != nil {
				s.heard(m, false)
			}
		}
		clear(s.on)
	})
}

// stopped is how long no sound may come until nothing is heard.
const stopped = 200 * time.Millisecond

// Tone gives the name of the tone that is heard now, or "".
func (s *Sound) Tone() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.last) > stopped {
		return ""
	}
	return s.tone
}

// Follow calls f with each frame heard from now on, in order; nil ends that.
func (s *Sound) Follow(f func(at time.Time, frame *board.Frame)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.follow = f
}

// Gapped gives how many sequence numbers were missing or out of order, and how many
// streams came.
func (s *Sound) Gapped() (gaps, streams int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Gaps, len(s.SSRCs)
}

// Speak says the marker again after Mute.
func (s *Sound) Speak(marker int) {
	s.mu.Lock()
	s.say = Markers[marker]
	s.mu.Unlock()
}

// Hears tells whether the marker is heard now.
func (s *Sound) Hears(marker int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.on[marker] && time.Since(s.last) <= stopped
}

// Digits gives the digits heard in the sound so far.
func (s *Sound) Digits() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.digits
}

// Stat gives the packets received and their payload types.
func (s *Sound) Stat() (received int, payloads map[byte]int, from netip.AddrPort) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := map[byte]int{}
	for k, v := range s.Payloads {
		m[k] = v
	}
	return s.Received, m, s.From
}

// Press sends a digit by RFC 4733 from the next packet on: 100 ms.
func (s *Sound) Press(digit byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.digit, s.left, s.first, s.begins = digit, int(100*time.Millisecond/s.ptime)+3, s.ts, true
}

// Mute says nothing but silence from now on.
func (s *Sound) Mute() {
	s.mu.Lock()
	s.say = 0
	s.mu.Unlock()
}

func (s *Sound) send() {
	tick := time.NewTicker(time.Duration(float64(s.ptime) / (1 + s.drift)))
	defer tick.Stop()
	for {
		select {
		case <-s.done:
			return
		case <-tick.C:
		}
		s.mu.Lock()
		var b [12 + 60*8]byte
		n := s.packet(b[:])
		to := s.to
		s.mu.Unlock()
		if to.Port() != 0 {
			s.conn.WriteToUDPAddrPort(b[:n], to)
		}
	}
}

func (s *Sound) packet(b []byte) int {
	b[0], b[1] = 0x80, s.pt
	binary.BigEndian.PutUint16(b[2:], s.seq)
	binary.BigEndian.PutUint32(b[4:], s.ts)
	binary.BigEndian.PutUint32(b[8:], s.ssrc)
	samples := int(s.ptime/time.Millisecond) * 8
	s.seq++
	s.ts += uint32(samples)
	if s.left > 0 && s.events != 0 {
		b[1] = s.events
		if s.begins {
			b[1] |= 0x80
			s.begins = false
		}
		binary.BigEndian.PutUint32(b[4:], s.first)
		b[12] = byte(indexByte("0123456789*#ABCD", s.digit))
		b[13] = 10
		if s.left <= 3 {
			b[13] |= 0x80
		}
		s.left--
		binary.BigEndian.PutUint16(b[14:], uint16(min(800, s.ts-s.first)))
		return 16
	}
	law, _ := g711.ForPayloadType(s.pt)
	amp := board.Amplitude(-16)
	for i := range samples {
		v := int16(0)
		if s.say > 0 {
			v = int16(amp * math.Sin(s.phase))
			s.phase = math.Mod(s.phase+2*math.Pi*s.say/8000, 2*math.Pi)
		}
		b[12+i] = law.Encode(v)
	}
	return 12 + samples
}

func indexByte(s string, c byte) int {
	for i := range len(s) {
		if s[i] == c {
			return i
		}
	}
	return -1
}

func (s *Sound) receive() {
	var b [2048]byte
	for {
		n, from, err := s.conn.ReadFromUDPAddrPort(b[:])
		if err != nil {
			return
		}
		if n < 12 {
			continue
		}
		s.mu.Lock()
		pt := b[1] & 0x7f
		seq := binary.BigEndian.Uint16(b[2:])
		if s.Received > 0 && seq != s.lastSeq+1 {
			s.Gaps++
		}
		s.lastSeq = seq
		s.Received++
		s.From = from
		s.Payloads[pt]++
		s.SSRCs[binary.BigEndian.Uint32(b[8:])]++
		if len(s.Times) < 1000 {
			s.Times = append(s.Times, time.Since(s.began))
		}
		if law, ok := g711.ForPayloadType(pt); ok {
			s.last = time.Now()
			for _, c := range b[12:n] {
				s.frame[s.fill] = law.Decode(c)
				if s.fill++; s.fill == len(s.frame) {
					s.fill = 0
					if s.follow != nil {
						s.follow(time.Now(), &s.frame)
					}
					for _, e := range s.ear.Hear(time.Now(), &s.frame) {
						switch e.Kind {
						case ear.MarkerOn, ear.MarkerOff:
							s.on[e.Marker] = e.Kind == ear.MarkerOn
							if s.heard != nil {
								s.heard(e.Marker, e.Kind == ear.MarkerOn)
							}
						case ear.Digit:
							s.digits += e.Name
						case ear.ToneOn:
							s.tones, s.tone = append(s.tones, e.Name), e.Name
						case ear.ToneOff:
							s.tone = ""
						}
					}
				}
			}
		} else if n >= 16 && s.events != 0 && pt == s.events && b[13]&0x80 != 0 {
			ts := binary.BigEndian.Uint32(b[4:])
			if ts != s.heardAt || s.Events == 0 {
				s.digits += string("0123456789*#ABCD"[b[12]&15])
				s.heardAt = ts
				s.Events++
			}
		}
		s.mu.Unlock()
	}
}
