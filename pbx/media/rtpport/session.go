package rtpport

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"sotto/board"
	"sotto/pbx/media"
	"sotto/pbx/media/g711"
	"sotto/pbx/media/jitter"
)

// Remote is what the last offer and answer agreed for a session, seen from the box.
type Remote struct {
	RTP     netip.AddrPort // where the telephone takes RTP; without address or port, nothing is sent
	RTCP    netip.AddrPort // where it takes RTCP; zero for the port above RTP (RFC 3550 section 11)
	Learn   netip.Addr     // packets may also come from here, on any port: the address that its authenticated signalling comes from, if it may be behind NAT; zero for no
	Law     g711.Law       // to send
	Payload uint8          // the payload type of Law; 0 and 8 are always taken as what they are (RFC 3551)
	Events  uint8          // payload type of telephone-events to send (RFC 4733), 0 if it takes none

	EventsIn uint8         // payload type of telephone-events that it sends; 0 for the same as Events
	Comfort  bool          // it takes comfort noise (RFC 3389, payload type 13)
	PTime    time.Duration // sound in a packet to send: 10 to 60 ms, 0 for 20 ms
	Send     bool          // the box may send
	Receive  bool          // the telephone may send
}

// Quality is how the sound of a session was.
type Quality = media.Quality

const (
	unheard   = 50 * time.Millisecond  // without a Read, after which frames pass unheard
	unheeded  = 500 * time.Millisecond // after which keys are dropped: they are not to be heard later
	skipLimit = 100                    // frames passed over at once: more than any buffer holds
)

// Session is the sound of one leg. Its methods may be called by any goroutine; Read and
// Write are for the media loop.
type Session struct {
	ports   *Ports
	pair    int
	port    media.Port
	named   uint64                  // the last patch that relays its packets; by ports.mu
	partner atomic.Pointer[Session] // who its packets go straight to
	events  atomic.Bool             // the telephone takes telephone-events
	last    atomic.Int64            // time of the last valid packet
	closing atomic.Bool
	local   netip.Addr
	poll    *poller        // who reads the sockets of the kernel; nil for others
	place   int32          // in poll
	readers sync.WaitGroup // of other sockets
	out     outgoing       // with the RTP socket; its lock may be taken under mu, never mu under it
	cname   [cnameLen]byte
	seq0    uint16 // first number sent

	rtcp link // of who sends reports: poll or confer, and at the end Close

	mu       sync.Mutex
	remote   Remote
	src      source
	rec      reception
	run      uint32 // changes when the stream's numbers begin anew
	keys     keys
	law      g711.Law       // of the last sound
	buf      *jitter.Buffer // made when somebody listens
	wanted   bool           // somebody does
	stale    bool           // the next packet is of another stream than what buf had last
	read     time.Duration  // last Read
	passed   time.Duration  // to when frames were read or passed over
	pumping  bool           // keys are made into the partner's sound
	pumped   time.Duration
	relayed  bool
	reported bool // an intruder has been logged
	quality  Quality
	rtcpTo   netip.AddrPort
	lsr      uint32 // middle of the NTP timestamp of the telephone's last sender report
	lsrAt    time.Duration
}

func newSession(p *Ports, pair int, local netip.Addr) *Session {
	s := &Session{ports: p, pair: pair, local: local.Unmap()}
	var seed [10 + cnameLen*3/4]byte
	rand.Read(seed[:])
	s.out.ssrc, s.out.ts = binary.BigEndian.Uint32(seed[:]), binary.BigEndian.Uint32(seed[4:])
	s.seq0 = binary.BigEndian.Uint16(seed[8:])
	base64.RawStdEncoding.Encode(s.cname[:], seed[10:])
	s.out.seq, s.out.count, s.out.ptime = s.seq0, &p.count, 160
	s.out.marker = true
	s.last.Store(int64(p.now()))
	return s
}

// feed counts who feeds the session's outgoing stream in place of the media loop.
func (s *Session) feed(n int) {
	s.out.mu.Lock()
	s.out.fed += n
	s.out.mu.Unlock()
}

// Port is where the session's sound is in a patch.
func (s *Session) Port() media.Port { return s.port }

// LocalPort is the UDP port that the session takes RTP on, for the SDP; RTCP is on the
// next one.
func (s *Session) LocalPort() uint16 { return s.ports.cfg.From + uint16(2*s.pair) }

// Set says what was agreed, after each offer and answer. The lock on who is heard is kept
// unless RTP or Learn names another than before; it is kept, too, while RTP names none.
func (s *Session) Set(r Remote) {
	r.RTP, r.RTCP, r.Learn = plain(r.RTP), plain(r.RTCP), r.Learn.Unmap().WithZone("")
	if s.ports.own(r.RTP) { // sessions that send to each other would never end
		r.RTP, r.RTCP = netip.AddrPort{}, netip.AddrPort{}
	}
	if !r.RTCP.IsValid() && r.RTP.Port() < 65535 {
		r.RTCP = netip.AddrPortFrom(r.RTP.Addr(), r.RTP.Port()+1)
	}
	if r.EventsIn == 0 {
		r.EventsIn = r.Events
	}
	if r.PTime == 0 {
		r.PTime = 20 * time.Millisecond
	}
	ptime := min(max(r.PTime/board.FrameTime, 1), maxFill/board.FrameLen) * board.FrameLen
	s.mu.Lock()
	defer s.mu.Unlock()
	there := sendable(r.RTP)
	switch { // on hold by 0.0.0.0 it is where it was, and may go on sending
	case !there:
	case s.src.set(r.RTP, r.Learn), r.RTCP != s.remote.RTCP:
		s.rtcpTo = r.RTCP
	}
	if s.remote = r; s.rec.packets == 0 {
		s.law = r.Law
	}
	s.events.Store(r.Events != 0)
	o := &s.out
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.to = r.RTP; s.src.from.IsValid() {
		o.to = s.src.from
	}
	o.open = r.Send && there && sendable(o.to) && !s.closing.Load()
	o.law, o.payload, o.events, o.comfort = r.Law, r.Payload&0x7F, r.Events&0x7F, r.Comfort
	if o.ptime != int(ptime) {
		o.ptime, o.fill = int(ptime), 0
	}
}

// sendable tells whether one telephone can be at an address.
func sendable(a netip.AddrPort) bool {
	return a.IsValid() && a.Port() != 0 && !a.Addr().IsUnspecified() && !a.Addr().IsMulticast() && a.Addr() != broadcast
}

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// Digit is a digit that did not come by RTP (a SIP INFO): it is heard in the session's
// sound like one that did. What is no key is passed over. d is bounded to 60 ms to 5 s.
func (s *Session) Digit(sign byte, d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	relays := s.partner.Load() != nil
	if !relays && s.ports.now()-s.read > unheeded {
		s.ports.count.digitsLost.Add(1)
		return
	}
	if s.keys.press(sign, d) && relays {
		s.look()
	}
	s.tell()
}

// tell counts keys that were lost.
func (s *Session) tell() {
	if n := s.keys.unplayed; n > 0 {
		s.ports.count.digitsLost.Add(n)
		s.keys.unplayed = 0
	}
}

// Silent gives the time since the last valid packet, RTP or RTCP, or since Open if none came.
func (s *Session) Silent() time.Duration { return s.ports.now() - time.Duration(s.last.Load()) }

// Quality reads how the sound is, also after Close.
func (s *Session) Quality() Quality {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.quality
	q.Codec, q.Relayed = s.law.String(), s.relayed
	q.Packets, q.Lost = s.rec.packets, s.rec.lost()
	q.Jitter = span(s.rec.jitter16 >> 4)
	delay, burst := q.RoundTrip/2+20*time.Millisecond, 1.0
	if s.buf != nil {
		b := s.buf.Stats()
		q.Late, q.Concealed = b.Late, b.Concealed
		delay += b.Delay
		burst = jitter.Burst(q.Lost+q.Late, b.Gaps, q.Lost+q.Packets)
	}
	if q.Packets > 0 {
		q.MOS = jitter.MOS(float64(q.Lost+q.Late)/float64(q.Lost+q.Packets), burst, delay)
	}
	return q
}

// Read gives the next 10 ms of what the telephone says. It implements [media.Stream].
func (s *Session) Read(f *board.Frame) {
	now := s.ports.now()
	s.mu.Lock()
	if !s.wanted || now-s.read > unheard { // what was pressed before a hold is not heard after it
		s.keys.forget()
		s.tell()
	}
	s.catchUp(now)
	s.wanted, s.read, s.passed = true, now, now
	*f = board.Frame{}
	if s.buf != nil {
		s.buf.Get(f)
	}
	var tone board.Frame
	if s.keys.next(&tone) {
		*f = tone
	}
	s.mu.Unlock()
}

// catchUp lets the frames pass that nobody read.
func (s *Session) catchUp(now time.Duration) {
	if lag := now - s.passed; lag > unheard {
		if s.buf != nil {
			s.buf.Skip(int(min(lag/board.FrameTime, skipLimit)))
		}
		s.passed = now
	}
}

// Write sends the telephone the next 10 ms of what it is to hear. It implements
// [media.Stream].
func (s *Session) Write(f *board.Frame) {
	now := s.ports.now()
	s.out.mu.Lock()
	if s.out.fed == 0 {
		s.out.frame(f, now)
	}
	s.out.mu.Unlock()
}
