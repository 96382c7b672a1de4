package rtpport

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"sotto/pbx/media"
)

// Socket is a UDP socket that is none of the kernel's, for tests with a network in memory.
// WriteToUDPAddrPort must not wait. Reading fails with os.ErrDeadlineExceeded and
// net.ErrClosed as that of a [net.Conn] does.
type Socket interface {
	ReadFromUDPAddrPort([]byte) (int, netip.AddrPort, error)
	WriteToUDPAddrPort([]byte, netip.AddrPort) (int, error)
	SetReadDeadline(time.Time) error
	Close() error
}

// Engine is where sessions are heard and hear: a media.Engine.
type Engine interface {
	Attach(media.Stream) (media.Port, bool) // false when there is no room
	Detach(media.Port)                      // neither method of the stream is called from then on
}

// Config says where sessions live.
type Config struct {
	From, To uint16 // ports, both included: RTP on even ones, RTCP on the odd one above (RFC 3550 section 11)
	Engine   Engine
	Listen   func(netip.AddrPort) (Socket, error) // nil for UDP sockets of the kernel
	Log      *slog.Logger                         // nil for none
}

var (
	// ErrNoPorts says that all ports of the range are in use.
	ErrNoPorts = errors.New("no free rtp ports")
	// ErrNoStreams says that the engine attaches no more streams.
	ErrNoStreams = errors.New("no free streams")
)

// Ports opens sessions on a range of ports. All its methods may be called by any goroutine.
type Ports struct {
	cfg   Config
	base  time.Time // time is told from here; its wall time makes the RTCP timestamps
	count counters

	mu      sync.Mutex
	poll    *poller // of the sockets of the kernel, from the first session on
	used    []bool  // by pair of ports
	byPort  map[media.Port]*Session
	relays  []*Session // sources whose packets go straight through
	patches uint64     // applied
	closed  bool
}

type counters struct {
	bad, intruders, payload, held, duplicates, unsent, undelivered, rtcpBad, rtcpIntruders, relayed, digitsLost, noPorts atomic.Uint64
}

// Counters of all sessions since the start.
type Counters struct {
	Open          int    // sessions now
	Bad           uint64 // packets that are no RTP, or longer than any telephone sends
	Intruders     uint64 // packets from where nothing was to come from
	Payload       uint64 // packets of a payload type that was not agreed
	Unheard       uint64 // packets while the telephone was not to send, or before it had shown who it is
	Duplicates    uint64 // packets that came twice
	Unsent        uint64 // packets that the kernel did not take at once
	Undelivered   uint64 // packets that could not be sent on: too old, or nobody to take their kind
	BadRTCP       uint64 // RTCP packets that are none
	IntruderRTCP  uint64 // RTCP from where none was to come from
	Relayed       uint64 // packets sent straight through
	DroppedDigits uint64 // digits that came faster than they can be played, or while nobody listened
	NoPorts       uint64 // sessions refused for want of ports
}

// New gives the sessions' home. It opens nothing. It fails when the range does not hold an
// even port and the odd one above it, or there is no engine.
func New(cfg Config) (*Ports, error) {
	if cfg.Engine == nil {
		return nil, errors.New("rtp ports: no engine")
	}
	from := (int(cfg.From) + 1) &^ 1
	pairs := (int(cfg.To) - from + 1) / 2
	if cfg.From == 0 || pairs < 1 {
		return nil, fmt.Errorf("rtp ports %d to %d: no pair of an even and an odd port", cfg.From, cfg.To)
	}
	cfg.From = uint16(from)
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Ports{cfg: cfg, base: time.Now(), used: make([]bool, pairs), byPort: map[media.Port]*Session{}}, nil
}

// now is the time since New.
func (p *Ports) now() time.Duration { return time.Since(p.base) }

// Open opens a session on a random pair of ports of an address of the box and attaches it
// to the engine. Nothing is sent or heard before [Session.Set]. It gives ErrNoPorts when
// the range is used up, ErrNoStreams when the engine is, net.ErrClosed after Close, and
// what Listen gave if no port at all could be opened.
func (p *Ports) Open(local netip.Addr) (*Session, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, fmt.Errorf("open rtp session: %w", net.ErrClosed)
	}
	var seed [4]byte
	rand.Read(seed[:])
	start := int(binary.BigEndian.Uint32(seed[:]) % uint32(len(p.used)))
	var first error
	for i := range p.used {
		pair := (start + i) % len(p.used)
		if p.used[pair] {
			continue
		}
		s := newSession(p, pair, local)
		err := s.open()
		switch {
		case err == nil:
		case inUse(err):
			first = err
			continue
		default: // no other port is going to fare better
			return nil, fmt.Errorf("open rtp session: %w", err)
		}
		port, ok := p.cfg.Engine.Attach(s)
		if !ok {
			s.shut()
			return nil, fmt.Errorf("open rtp session: %w", ErrNoStreams)
		}
		s.port = port
		if err := s.start(); err != nil {
			p.cfg.Engine.Detach(port)
			s.shut()
			return nil, fmt.Errorf("open rtp session: %w", err)
		}
		p.used[pair] = true
		p.byPort[port] = s
		return s, nil
	}
	p.count.noPorts.Add(1)
	if first != nil {
		return nil, fmt.Errorf("open rtp session: %w: %w", ErrNoPorts, first)
	}
	return nil, fmt.Errorf("open rtp session: %w", ErrNoPorts)
}

// Apply makes sessions send on to each other what a patch says: an ear with Relay set and
// one source hears that source's packets. The switch calls it with each patch before the
// engine gets it. A source feeds one ear; of two the first counts. What names no session
// is passed over: the engine counts it. It costs a look at each ear and allocates nothing
// unless more sessions relay than ever before. A session is to be closed only once a patch without it was applied, or
// its number might come to name another.
func (p *Ports) Apply(patch *media.Patch) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.patches++
	if patch != nil {
		for i := range patch.Ears {
			ear := &patch.Ears[i]
			if !ear.Relay || ear.N != 1 {
				continue
			}
			from, to := p.byPort[ear.From[0]], p.byPort[ear.Port]
			if from == nil || to == nil || from == to || from.named == p.patches {
				continue
			}
			from.named = p.patches
			if old := from.partner.Load(); old != to {
				if old == nil {
					p.relays = append(p.relays, from)
				} else {
					old.feed(-1)
				}
				to.feed(+1)
				from.partner.Store(to)
			}
		}
	}
	keep := p.relays[:0]
	for _, s := range p.relays {
		if s.named == p.patches {
			keep = append(keep, s)
			continue
		}
		s.partner.Swap(nil).feed(-1)
	}
	clear(p.relays[len(keep):])
	p.relays = keep
}

// free gives back the ports of a session, whose sockets are closed.
func (p *Ports) free(s *Session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.used[s.pair] = false
}

// cut forgets a session, and ends the relays from and to it.
func (p *Ports) cut(s *Session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.byPort, s.port)
	keep := p.relays[:0]
	for _, from := range p.relays {
		if to := from.partner.Load(); from == s || to == s {
			from.partner.Store(nil)
			to.feed(-1)
			continue
		}
		keep = append(keep, from)
	}
	clear(p.relays[len(keep):])
	p.relays = keep
}

// own tells whether an address is that of a session that is open. It goes by the port and
// by what the machine calls its own.
func (p *Ports) own(a netip.AddrPort) bool {
	if a.Port() < p.cfg.From || a.Port() > p.cfg.To {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	pair := int(a.Port()-p.cfg.From) / 2
	if pair >= len(p.used) || !p.used[pair] {
		return false
	}
	for _, s := range p.byPort {
		if s.pair == pair {
			return s.local.WithZone("") == a.Addr() || s.local.IsUnspecified() && isLocal(a.Addr())
		}
	}
	return false
}

// isLocal tells whether an address is one of this machine's.
func isLocal(a netip.Addr) bool {
	if a.IsLoopback() {
		return true
	}
	list, _ := net.InterfaceAddrs()
	for _, l := range list {
		if n, ok := l.(*net.IPNet); ok {
			if own, ok := netip.AddrFromSlice(n.IP); ok && own.Unmap() == a {
				return true
			}
		}
	}
	return false
}

// Close closes all sessions; Open fails from then on.
func (p *Ports) Close() {
	p.mu.Lock()
	p.closed = true
	l := make([]*Session, 0, len(p.byPort))
	for _, s := range p.byPort {
		l = append(l, s)
	}
	p.mu.Unlock()
	for _, s := range l {
		s.Close()
	}
	p.mu.Lock()
	poll := p.poll
	p.poll = nil
	p.mu.Unlock()
	if poll != nil {
		poll.close()
	}
}

// Counters reads the counters.
func (p *Ports) Counters() Counters {
	p.mu.Lock()
	open := len(p.byPort)
	p.mu.Unlock()
	c := &p.count
	return Counters{Open: open, Bad: c.bad.Load(), Intruders: c.intruders.Load(), Payload: c.payload.Load(), Unheard: c.held.Load(), Duplicates: c.duplicates.Load(),
		Unsent: c.unsent.Load(), Undelivered: c.undelivered.Load(), BadRTCP: c.rtcpBad.Load(), IntruderRTCP: c.rtcpIntruders.Load(),
		Relayed: c.relayed.Load(), DroppedDigits: c.digitsLost.Load(), NoPorts: c.noPorts.Load()}
}
