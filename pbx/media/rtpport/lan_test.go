package rtpport

import (
	"encoding/binary"
	"math"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"sotto/board"
	"sotto/pbx/media"
	"sotto/pbx/media/g711"
)

const ms = time.Millisecond

// lan is a network in memory. Its sockets are for a synctest bubble.
type lan struct {
	mu    sync.Mutex
	socks map[netip.AddrPort]*wire
	sent  map[netip.AddrPort]int // datagrams by destination, whether anybody is there or not
}

func newLAN() *lan {
	return &lan{socks: map[netip.AddrPort]*wire{}, sent: map[netip.AddrPort]int{}}
}

type datagram struct {
	b    []byte
	from netip.AddrPort
}

type wire struct {
	lan  *lan
	addr netip.AddrPort
	q    chan datagram
	gone chan struct{}

	mu       sync.Mutex
	deadline time.Time
	moved    chan struct{}
}

func (l *lan) listen(a netip.AddrPort) (Socket, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.socks[a] != nil {
		return nil, &net.OpError{Op: "listen", Err: syscall.EADDRINUSE}
	}
	w := &wire{lan: l, addr: a, q: make(chan datagram, 1024), gone: make(chan struct{}), moved: make(chan struct{})}
	l.socks[a] = w
	return w, nil
}

func (w *wire) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	for {
		w.mu.Lock()
		deadline, moved := w.deadline, w.moved
		w.mu.Unlock()
		var late <-chan time.Time
		if !deadline.IsZero() {
			late = time.After(time.Until(deadline))
		}
		select {
		case d := <-w.q:
			return copy(b, d.b), d.from, nil
		default:
		}
		select {
		case <-w.gone:
			return 0, netip.AddrPort{}, net.ErrClosed
		case d := <-w.q:
			return copy(b, d.b), d.from, nil
		case <-late:
			return 0, netip.AddrPort{}, os.ErrDeadlineExceeded
		case <-moved:
		}
	}
}

func (w *wire) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	w.lan.mu.Lock()
	defer w.lan.mu.Unlock()
	w.lan.sent[to]++
	select {
	case <-w.gone:
		return 0, net.ErrClosed
	default:
	}
	if d := w.lan.socks[to]; d != nil {
		select {
		case d.q <- datagram{append([]byte(nil), b...), w.addr}:
		default:
		}
	}
	return len(b), nil
}

func (w *wire) SetReadDeadline(t time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.deadline = t
	close(w.moved)
	w.moved = make(chan struct{})
	return nil
}

func (w *wire) Close() error {
	w.lan.mu.Lock()
	defer w.lan.mu.Unlock()
	if w.lan.socks[w.addr] == w {
		delete(w.lan.socks, w.addr)
		close(w.gone)
	}
	return nil
}

// desk is an engine without a loop: tests call Read and Write themselves.
type desk struct {
	mu   sync.Mutex
	next media.Port
	n    int
}

func (d *desk) Attach(media.Stream) (media.Port, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.next++
	d.n++
	return d.next, true
}

func (d *desk) Detach(media.Port) {
	d.mu.Lock()
	d.n--
	d.mu.Unlock()
}

var box = netip.MustParseAddr("192.0.2.1")

// office is a lan with the box's ports on it.
func office(t testing.TB) (*lan, *Ports) {
	t.Helper()
	l := newLAN()
	p, err := New(Config{From: 16384, To: 16483, Engine: &desk{}, Listen: l.listen})
	if err != nil {
		t.Fatal(err)
	}
	return l, p
}

func open(t testing.TB, p *Ports) *Session {
	t.Helper()
	s, err := p.Open(box)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// phone is the far end of a session.
type phone struct {
	t    testing.TB
	rtp  *wire
	rtcp *wire
	to   netip.AddrPort
	law  g711.Law
	ssrc uint32
	seq  uint16
	ts   uint32
	at   int // samples of its tone so far
}

func (l *lan) phone(t testing.TB, addr string, s *Session) *phone {
	t.Helper()
	a := netip.MustParseAddrPort(addr)
	rtp, err := l.listen(a)
	if err != nil {
		t.Fatal(err)
	}
	rtcp, err := l.listen(netip.AddrPortFrom(a.Addr(), a.Port()+1))
	if err != nil {
		t.Fatal(err)
	}
	return &phone{t: t, rtp: rtp.(*wire), rtcp: rtcp.(*wire), to: netip.AddrPortFrom(box, s.LocalPort()), ssrc: uint32(a.Port()), seq: 65530, ts: 0xFFFFFF00}
}

// oneTalks runs a test in a bubble with a session that is agreed with a telephone.
func oneTalks(t *testing.T, f func(t *testing.T, l *lan, p *Ports, s *Session, ph *phone)) {
	synctest.Test(t, func(t *testing.T) {
		l, p := office(t)
		defer p.Close()
		s := open(t, p)
		ph := l.phone(t, "192.0.2.50:4000", s)
		s.Set(ph.sdp())
		f(t, l, p, s, ph)
	})
}

// twoTalk runs a test in a bubble with two telephones that hear each other directly.
func twoTalk(t *testing.T, f func(t *testing.T, p *Ports, a, b *Session, pa, pb *phone)) {
	oneTalks(t, func(t *testing.T, l *lan, p *Ports, a *Session, pa *phone) {
		b := open(t, p)
		pb := l.phone(t, "192.0.2.51:4000", b)
		b.Set(pb.sdp())
		p.Apply(relayed(a, b))
		f(t, p, a, b, pa, pb)
	})
}

// sdp is what the phone's SDP says.
func (p *phone) sdp() Remote {
	return Remote{RTP: p.rtp.addr, Law: p.law, Payload: p.law.PayloadType(), Events: 101, Send: true, Receive: true}
}

// packet makes an RTP packet.
func (p *phone) packet(marker bool, pt uint8, payload []byte) []byte {
	b := make([]byte, headerLen, headerLen+len(payload))
	putHeader(b, marker, pt, p.seq, p.ts, p.ssrc)
	p.seq++
	return append(b, payload...)
}

// says sends n packets of 20 ms of a tone, in time.
func (p *phone) says(n int, hz float64) {
	for range n {
		p.sends(p.sound(hz))
		time.Sleep(20 * ms)
	}
}

// sound makes the next packet of a tone.
func (p *phone) sound(hz float64) []byte {
	var pcm [160]int16
	for i := range pcm {
		pcm[i] = int16(8000 * math.Sin(2*math.Pi*hz*float64(p.at)/8000))
		p.at++
	}
	codes := make([]byte, len(pcm))
	p.law.EncodeAll(codes, pcm[:])
	b := p.packet(false, p.law.PayloadType(), codes)
	p.ts += 160
	return b
}

func (p *phone) sends(b []byte) { p.rtp.WriteToUDPAddrPort(b, p.to) }

// hears gives the RTP packets that came.
func (p *phone) hears() (l []packet) {
	p.t.Helper()
	for {
		select {
		case d := <-p.rtp.q:
			var q packet
			if d.from != p.to || !q.parse(d.b) {
				p.t.Fatalf("%d bytes from %v: no packet of the session", len(d.b), d.from)
			}
			l = append(l, q)
		default:
			return l
		}
	}
}

// pcm decodes packets of sound.
func pcm(l []packet, law g711.Law) (s []int16) {
	for i := range l {
		x := make([]int16, l[i].n)
		law.DecodeAll(x, l[i].payload())
		s = append(s, x...)
	}
	return s
}

// share is how much of the energy of s is at hz.
func share(s []int16, hz float64) float64 {
	var re, im, e float64
	for i, v := range s {
		x := float64(v)
		sin, cos := math.Sincos(2 * math.Pi * hz * float64(i) / 8000)
		re, im, e = re+x*cos, im+x*sin, e+x*x
	}
	if e == 0 {
		return 0
	}
	return 2 * (re*re + im*im) / (e * float64(len(s)))
}

// listen reads n frames, in time.
func listen(s *Session, n int) (l []int16) {
	for range n {
		var f board.Frame
		s.Read(&f)
		l = append(l, f[:]...)
		time.Sleep(board.FrameTime)
	}
	return l
}

// relayed gives a patch in which each hears the other directly.
func relayed(a, b *Session) *media.Patch {
	ear := func(to, from *Session) media.Ear {
		e := media.Ear{Port: to.Port(), Relay: true}
		e.Hear(from.Port())
		return e
	}
	return &media.Patch{Ears: []media.Ear{ear(a, b), ear(b, a)}}
}

// keyPacket is the payload of a telephone-event.
func keyPacket(code byte, end bool, dur int) []byte {
	b := []byte{code, 10, 0, 0}
	if end {
		b[1] |= 0x80
	}
	binary.BigEndian.PutUint16(b[2:], uint16(dur))
	return b
}
