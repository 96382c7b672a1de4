package rtpport

import (
	"net"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"time"

	"sotto/pbx/media/g711"
)

// onKernel gives n sessions on sockets of the kernel, each agreed with a telephone whose
// RTP and RTCP sockets are given, too.
func onKernel(t testing.TB, n int) (p *Ports, l []*Session, rtp, rtcp []*net.UDPConn) {
	t.Helper()
	local := loopback(t)
	p, err := New(Config{From: 30200, To: 30399, Engine: &desk{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	for range n {
		s, err := p.Open(local)
		if err != nil {
			t.Fatal(err)
		}
		c, at := ring(t, local)
		d, ctl := ring(t, local)
		s.Set(Remote{RTP: at, RTCP: ctl, Law: g711.ALaw, Payload: 8, Events: 101, Send: true, Receive: true})
		l, rtp, rtcp = append(l, s), append(rtp, c), append(rtcp, d)
	}
	return p, l, rtp, rtcp
}

// next gives what comes to a telephone, nil if nothing does.
func next(c *net.UDPConn) []byte {
	b := make([]byte, 2048)
	c.SetReadDeadline(time.Now().Add(5 * time.Second))
	n, _, err := c.ReadFromUDPAddrPort(b)
	if err != nil {
		return nil
	}
	return b[:n]
}

// to sends to a session's socket: 0 for RTP, 1 for RTCP.
func to(c *net.UDPConn, s *Session, which uint16, b []byte) {
	c.WriteToUDPAddrPort(b, netip.AddrPortFrom(s.local, s.LocalPort()+which))
}

// TestPollerTimes: a report goes out when it is due, though nothing comes; a key is heard
// by the partner, though nothing comes; Close says goodbye.
func TestPollerTimes(t *testing.T) {
	p, l, rtp, rtcp := onKernel(t, 2)
	p.poll.mu.Lock()
	p.poll.places[l[0].place].report = p.now()
	p.poll.soon(p.now())
	p.poll.mu.Unlock()
	if r, ok := parseRTCP(next(rtcp[0]), 0); !ok || r.ssrc != l[0].out.ssrc {
		t.Errorf("the report: %+v", r)
	}
	p.poll.mu.Lock() // the poller has looked at all places, and knows when it is to again
	if due := min(p.poll.places[0].report, p.poll.places[1].report); p.poll.next != due {
		t.Errorf("the next look is at %v, a report is due at %v", p.poll.next, due)
	}
	p.poll.mu.Unlock()
	p.Apply(relayed(l[0], l[1]))
	l[0].Digit('5', 100*ms)
	ends := 0
	for i := 0; ends < 3; i++ {
		var q packet
		if !q.parse(next(rtp[1])) || q.pt != 101 || i > 10 {
			t.Fatalf("packet %d of the key: %+v", i, q)
		}
		ends += int(q.payload()[1] >> 7)
	}
	l[0].Close()
	if b := next(rtcp[0]); len(b) < 8 || b[len(b)-7] != typeBYE {
		t.Errorf("on Close % x", b)
	}
	if l[0].out.link.fd != -1 || l[0].rtcp.fd != -1 {
		t.Error("a socket is open")
	}
}

// TestPollerQueue: packets that wait behind each other in one socket are all read, and
// those of RTCP are told from those of RTP.
func TestPollerQueue(t *testing.T) {
	p, l, rtp, rtcp := onKernel(t, 2)
	p.Apply(relayed(l[0], l[1]))
	x := &phone{law: g711.ALaw}
	const n = 100
	p.poll.mu.Lock() // nothing is read meanwhile
	for range n {
		to(rtp[0], l[0], 0, x.sound(400))
	}
	to(rtcp[0], l[0], 1, []byte{1, 2, 3})
	p.poll.mu.Unlock()
	for i := range n {
		if next(rtp[1]) == nil {
			t.Fatalf("packet %d does not come", i)
		}
	}
	to(rtcp[1], l[1], 1, []byte{1, 2, 3})
	for limit := time.Now().Add(5 * time.Second); p.Counters().BadRTCP < 2 && time.Now().Before(limit); {
		time.Sleep(ms)
	}
	if c := p.Counters(); c.Relayed != n || c.BadRTCP != 2 || c.Bad != 0 {
		t.Errorf("%+v", c)
	}
}

// TestPollerTurn: what was told of a session that has ended reaches no other in its place.
func TestPollerTurn(t *testing.T) {
	p, l, rtp, _ := onKernel(t, 1)
	old := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: l[0].place << 1, Pad: p.poll.places[l[0].place].turn}
	l[0].Close()
	p.poll.read(&old, p.now()) // nobody is there
	s, err := p.Open(l[0].local)
	if err != nil {
		t.Fatal(err)
	}
	if s.place != old.Fd>>1 {
		t.Fatalf("place %d after %d", s.place, old.Fd>>1)
	}
	p.poll.mu.Lock()
	fd, err := syscall.Dup(p.poll.places[s.place].sock[0].fd)
	syscall.EpollCtl(p.poll.set, syscall.EPOLL_CTL_DEL, p.poll.places[s.place].sock[0].fd, nil)
	p.poll.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	to(rtp[0], s, 0, []byte{0})
	p.poll.read(&old, p.now())
	var from syscall.RawSockaddrAny
	if _, _, err := receive(fd, make([]byte, 9), &from); err != 0 {
		t.Errorf("the new session's packet was taken: %v", err)
	}
}

// TestPollerBadSocket: a socket that cannot be read takes no time from others, and is read
// again once it can be.
func TestPollerBadSocket(t *testing.T) {
	p, l, rtp, _ := onKernel(t, 2)
	var pipe [2]int
	if err := syscall.Pipe(pipe[:]); err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(pipe[1])
	syscall.Write(pipe[1], []byte{1}) // ready for ever, and none to receive from
	p.poll.mu.Lock()
	k := &p.poll.places[l[0].place].sock[0]
	good := k.fd
	syscall.EpollCtl(p.poll.set, syscall.EPOLL_CTL_DEL, good, nil)
	k.fd = pipe[0]
	p.poll.watch(l[0].place, 0)
	p.poll.mu.Unlock()
	for limit := time.Now().Add(5 * time.Second); time.Now().Before(limit); time.Sleep(ms) {
		p.poll.mu.Lock()
		rests := k.rest
		if rests {
			k.fd = good
		}
		p.poll.mu.Unlock()
		if rests {
			break
		}
	}
	syscall.Close(pipe[0])
	if n := p.Counters().Bad; n < maxErrors || n > 50*maxErrors {
		t.Errorf("%d errors", n)
	}
	p.Apply(relayed(l[0], l[1]))
	x := &phone{law: g711.ALaw}
	to(rtp[0], l[0], 0, x.sound(400))
	if next(rtp[1]) == nil {
		t.Error("it is not read again")
	}
}

// TestPollerAtOnce opens and closes sessions while packets come, for the race detector.
func TestPollerAtOnce(t *testing.T) {
	p, l, rtp, rtcp := onKernel(t, 2)
	p.Apply(relayed(l[0], l[1]))
	x := &phone{law: g711.ALaw}
	raw := x.sound(400)
	var all sync.WaitGroup
	all.Go(func() {
		for i := range 2000 {
			to(rtp[0], l[0], uint16(i%2), raw)
			to(rtcp[1], l[1], 1, raw)
		}
	})
	for range 2 {
		all.Go(func() {
			for range 50 {
				s, err := p.Open(l[0].local)
				if err != nil {
					t.Error(err)
					return
				}
				for range 10 {
					to(rtp[1], s, 0, raw)
				}
				s.Digit('1', 0)
				s.Close()
				s.Close()
			}
		})
	}
	all.Wait()
	all.Go(l[0].Close)
	all.Go(p.Close)
	all.Wait()
	if c := p.Counters(); c.Open != 0 {
		t.Errorf("%+v", c)
	}
	if _, err := p.Open(l[0].local); err == nil {
		t.Error("opened after Close")
	}
}

// TestPollerNoAllocation: a packet from the kernel to the kernel allocates nothing.
func TestPollerNoAllocation(t *testing.T) {
	p, l, rtp, _ := onKernel(t, 2)
	p.Apply(relayed(l[0], l[1]))
	p.poll.mu.Lock()
	syscall.EpollCtl(p.poll.set, syscall.EPOLL_CTL_DEL, l[0].out.link.fd, nil) // the test reads it
	e := syscall.EpollEvent{Fd: l[0].place << 1, Pad: p.poll.places[l[0].place].turn}
	p.poll.mu.Unlock()
	x := &phone{law: g711.ALaw}
	raw := x.sound(400)
	at := netip.AddrPortFrom(l[0].local, l[0].LocalPort())
	if n := testing.AllocsPerRun(200, func() {
		x.seq, x.ts = x.seq+1, x.ts+160
		putHeader(raw, false, 8, x.seq, x.ts, 1)
		rtp[0].WriteToUDPAddrPort(raw, at)
		p.poll.read(&e, p.now())
	}); n != 0 {
		t.Errorf("%v times", n)
	}
	if c := p.Counters(); c.Relayed < 200 {
		t.Errorf("%+v", c)
	}
}
