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
	conn     Conn
	mu       sync.Mutex
	to       netip.AddrPort
	pt       byte
	events   byte
	say      float64 // Hz, 0 silence
	ear      *ear.Ear
	on       map[int]bool
	since    map[int]time.Time // when each began
	digits   string
	tones    []string
	frame    board.Frame
	fill     int
	seq      uint16
	ts       uint32
	ssrc     uint32
	phase    float64
	eventsIn byte
	ptime    time.Duration
	drift    float64
	tone     string // heard now
	last     time.Time
	digit    byte // being sent by RFC 4733
	left     int  // packets of it
	begins   bool // the first of them is to come
	first    uint32
	heardAt  uint32 // timestamp of the last digit that came by RFC 4733
	halted   bool   // sends nothing
	click    bool   // at the head of the next packet
	clicked  time.Time
	follow   func(time.Time, *board.Frame)
	heard    func(marker int, on bool)
	done     chan struct{}
	once     sync.Once

	Received int            // packets
	From     netip.AddrPort // of the last
	Payloads map[byte]int   // packets by payload type
	Gaps     int            // sequence numbers missing
	Voices   map[int]int    // how often each marker began
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
	s := &Sound{heard: p.Heard, conn: conn, ssrc: ssrc, ptime: p.PTime, eventsIn: p.Events, drift: p.Drift, ear: ear.New(p.Tones, Markers), on: map[int]bool{}, since: map[int]time.Time{}, Voices: map[int]int{}, done: make(chan struct{}),
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

// Click puts one loud sample at the head of the next packet.
func (s *Sound) Click() {
	s.mu.Lock()
	s.click, s.clicked = true, time.Time{}
	s.mu.Unlock()
}

// Clicked gives when the packet with the last click went; zero, not yet.
func (s *Sound) Clicked() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.clicked
}

// Stop ceases to send anything, or begins again.
func (s *Sound) Stop(on bool) {
	s.mu.Lock()
	s.halted = on
	s.mu.Unlock()
}

// Speak says the marker again after Mute.
func (s *Sound) Speak(marker int) {
	s.mu.Lock()
	s.say = Markers[marker]
	s.mu.Unlock()
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
		to, halted := s.to, s.halted
		s.mu.Unlock()
		if to.Port() != 0 && !halted {
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
	if s.click {
		b[12] = law.Encode(20000)
		s.click, s.clicked = false, time.Now()
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
