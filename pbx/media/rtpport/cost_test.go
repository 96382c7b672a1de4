package rtpport

import (
	"errors"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"sotto/board"
	"sotto/pbx/media/g711"
)

// mute is a socket that nothing comes from and that takes anything.
type mute struct {
	gone chan struct{}
	once sync.Once
}

func (m *mute) ReadFromUDPAddrPort([]byte) (int, netip.AddrPort, error) {
	<-m.gone
	return 0, netip.AddrPort{}, net.ErrClosed
}
func (m *mute) WriteToUDPAddrPort(b []byte, _ netip.AddrPort) (int, error) { return len(b), nil }
func (m *mute) SetReadDeadline(t time.Time) error {
	if !t.IsZero() && t.Before(time.Now()) {
		m.Close()
	}
	return nil
}
func (m *mute) Close() error {
	m.once.Do(func() { close(m.gone) })
	return nil
}

// still gives two sessions on sockets that are silent, agreed with telephones at from.
func still(t testing.TB) (p *Ports, a, b *Session, from [2]netip.AddrPort) {
	p, err := New(Config{From: 16384, To: 16483, Engine: &desk{}, Listen: func(netip.AddrPort) (Socket, error) { return &mute{gone: make(chan struct{})}, nil }})
	if err != nil {
		t.Fatal(err)
	}
	a, b = open(t, p), open(t, p)
	from = [2]netip.AddrPort{netip.MustParseAddrPort("192.0.2.50:4000"), netip.MustParseAddrPort("192.0.2.51:4000")}
	r := Remote{RTP: from[0], Law: g711.ALaw, Payload: 8, Events: 101, Send: true, Receive: true}
	a.Set(r)
	r.RTP, r.Law, r.Payload = from[1], g711.MuLaw, 0
	b.Set(r)
	return p, a, b, from
}

// TestNoAllocation: what happens each frame and each packet allocates nothing.
func TestNoAllocation(t *testing.T) {
	p, a, b, from := still(t)
	defer p.Close()
	x := &phone{law: g711.ALaw}
	var f board.Frame
	buf := make([]byte, maxPacket)
	take := func(s *Session, raw []byte) { s.packet(buf[:copy(buf, raw)], from[0], p.now()) }
	now := func(name string, f func()) {
		t.Helper()
		if n := testing.AllocsPerRun(500, f); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
	raw := x.sound(400)
	step := func() { x.seq++; x.ts += 160; putHeader(raw, false, 8, x.seq, x.ts, 1) }
	now("Write", func() { a.Write(&f) })
	a.Read(&f)
	take(a, raw) // makes the buffer
	now("a packet to be mixed", func() { step(); take(a, raw) })
	now("Read", func() { a.Read(&f) })
	now("a key", func() {
		x.seq++
		b := append(raw[:headerLen:headerLen+4], keyPacket(3, false, 160)...)
		putHeader(b, false, 101, x.seq, x.ts, 1)
		take(a, b)
		a.Read(&f)
	})
	a.keys.forget()
	p.Apply(relayed(a, b))
	now("a packet to be sent on", func() { step(); take(a, raw) })
	now("an intruder", func() { a.packet(buf[:len(raw)], from[1], p.now()) })
	if c := p.Counters(); c.Relayed < 500 || c.Intruders < 500 {
		t.Errorf("%+v", c)
	}
}

// loopback gives the address of this machine, or skips.
func loopback(t testing.TB) netip.Addr {
	t.Helper()
	a := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	fd, err := openUDP(netip.AddrPortFrom(a, 0))
	if err != nil {
		t.Skip("no loopback:", err)
	}
	syscall.Close(fd)
	return a
}

// ring is a phone on a real socket.
func ring(t testing.TB, a netip.Addr) (*net.UDPConn, netip.AddrPort) {
	t.Helper()
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, 0)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c, c.LocalAddr().(*net.UDPAddr).AddrPort()
}

// TestLoopback: over sockets of the kernel, of both families, packets go out by the way
// that never waits and are sent on; Close ends it all, and a used port is passed over.
func TestLoopback(t *testing.T) {
	for _, local := range []netip.Addr{loopback(t), netip.IPv6Loopback(), netip.IPv6Unspecified()} {
		p, err := New(Config{From: 30000, To: 30199, Engine: &desk{}})
		if err != nil {
			t.Fatal(err)
		}
		a, err := p.Open(local)
		if err != nil {
			t.Log("skipped:", err)
			continue
		}
		b, err := p.Open(local)
		if err != nil {
			t.Fatal(err)
		}
		near := local
		if local.IsUnspecified() { // takes both families: an IPv4 telephone is sent to as a mapped address
			near = netip.AddrFrom4([4]byte{127, 0, 0, 1})
		}
		ca, fa := ring(t, near)
		cb, fb := ring(t, near)
		r := Remote{RTP: fa, Law: g711.ALaw, Payload: 8, Send: true, Receive: true}
		a.Set(r)
		r.RTP = fb
		b.Set(r)
		buf := make([]byte, 2048)
		hear := func(c *net.UDPConn, from *Session) packet {
			t.Helper()
			c.SetReadDeadline(time.Now().Add(5 * time.Second))
			n, src, err := c.ReadFromUDPAddrPort(buf)
			var q packet
			if err != nil || !q.parse(buf[:n]) || src.Port() != from.LocalPort() {
				t.Fatalf("%v: %d bytes from %v: %v", local, n, src, err)
			}
			return q
		}
		var f board.Frame
		b.Write(&f)
		b.Write(&f)
		q := hear(cb, b)
		p.Apply(relayed(a, b))
		x := &phone{law: g711.ALaw, seq: 7}
		for i := range uint16(3) {
			ca.WriteToUDPAddrPort(x.sound(400), netip.AddrPortFrom(near, a.LocalPort()))
			if on := hear(cb, b); on.seq != q.seq+1+i || on.ssrc != q.ssrc {
				t.Errorf("%v: %d after %d", local, on.seq, q.seq)
			}
		}
		if c := p.Counters(); c.Unsent != 0 || c.Relayed != 3 {
			t.Errorf("%v: %+v", local, c)
		}
		b.Set(Remote{RTP: netip.AddrPortFrom(netip.MustParseAddr("2001:db8::1"), 4000), Send: true})
		if local.Is4() {
			a.Close()
			b.Write(&f)
			b.Write(&f)
			if c := p.Counters(); c.Unsent == 0 {
				t.Error("a packet to another family is not counted")
			}
		}
		p.Close()
		if fd, err := openUDP(netip.AddrPortFrom(local, a.LocalPort())); err != nil {
			t.Errorf("after Close: %v", err)
		} else {
			syscall.Close(fd)
		}
	}
}

// TestFull: a socket whose buffer is full does not hold the sender up, though it be one
// that waits.
func TestFull(t *testing.T) {
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(pair[0])
	defer syscall.Close(pair[1])
	l := link{fd: pair[0]}
	for range 100 << 10 {
		if err = l.write(make([]byte, 1<<10), nil, 0); err != nil {
			break
		}
	}
	if err != syscall.EAGAIN {
		t.Error(err)
	}
	l.fd = -1
	if err := l.send([]byte{1}, netip.MustParseAddrPort("192.0.2.1:9")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("on a closed socket: %v", err)
	}
}

// BenchmarkSession tells the memory of a session, of which a call has two.
func BenchmarkSession(b *testing.B) {
	p, err := New(Config{From: 20000, To: 40001, Engine: &desk{}})
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	const n = 200
	for _, mode := range []string{"relayed", "mixed"} {
		b.Run(mode, func(b *testing.B) {
			for b.Loop() {
				var before, after runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&before)
				var l []*Session
				for range n {
					s, err := p.Open(loopback(b))
					if err != nil {
						b.Fatal(err)
					}
					l = append(l, s)
					x := &phone{law: g711.ALaw}
					from := netip.AddrPortFrom(loopback(b), 9)
					s.Set(Remote{RTP: from, Payload: 8, Receive: true})
					if mode == "mixed" {
						var f board.Frame
						s.Read(&f)
						s.packet(x.sound(400), from, p.now())
						s.Read(&f)
					}
				}
				runtime.GC()
				runtime.ReadMemStats(&after)
				b.ReportMetric(float64(after.HeapAlloc+after.StackInuse-before.HeapAlloc-before.StackInuse)/n, "B/session")
				for _, s := range l {
					s.Close()
				}
			}
		})
	}
}

// cpu is the time that the process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkRelay sends packets through sockets of the kernel and tells the processor time
// of one, of which sending it to the box and taking it from there again are a part: the
// same without the box is told too. A call-minute relayed is 6,000 packets.
func BenchmarkRelay(b *testing.B) {
	p, err := New(Config{From: 20000, To: 40001, Engine: &desk{}})
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	local := loopback(b)
	x, _ := p.Open(local)
	y, _ := p.Open(local)
	cx, fx := ring(b, local)
	cy, fy := ring(b, local)
	x.Set(Remote{RTP: fx, Payload: 8, Send: true, Receive: true})
	y.Set(Remote{RTP: fy, Payload: 8, Send: true, Receive: true})
	p.Apply(relayed(x, y))
	for _, c := range []struct {
		name string
		to   netip.AddrPort
	}{{"direct", fy}, {"relayed", netip.AddrPortFrom(local, x.LocalPort())}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			ph := &phone{law: g711.ALaw}
			raw, buf := ph.sound(400), make([]byte, 2048)
			start, n := cpu(), 0
			for b.Loop() {
				putHeader(raw, false, 8, ph.seq, ph.ts, 1)
				ph.seq, ph.ts, n = ph.seq+1, ph.ts+160, n+1
				if _, err := cx.WriteToUDPAddrPort(raw, c.to); err != nil {
					b.Fatal(err)
				}
				cy.SetReadDeadline(time.Now().Add(time.Second))
				if _, _, err := cy.ReadFromUDPAddrPort(buf); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64((cpu()-start).Microseconds())/float64(n), "cpu-µs/op")
		})
	}
}

// BenchmarkPacket is a relayed packet without the kernel.
func BenchmarkPacket(b *testing.B) {
	p, x, y, from := still(b)
	defer p.Close()
	p.Apply(relayed(x, y))
	ph := &phone{law: g711.ALaw}
	raw := ph.sound(400)
	for b.Loop() {
		putHeader(raw, false, 8, ph.seq, ph.ts, 1)
		ph.seq, ph.ts = ph.seq+1, ph.ts+160
		x.packet(raw, from[0], p.now())
	}
}

// BenchmarkFrame is a frame of a mixed session both ways, with its packets but without the
// kernel.
func BenchmarkFrame(b *testing.B) {
	p, x, _, from := still(b)
	defer p.Close()
	ph := &phone{law: g711.ALaw}
	raw := ph.sound(400)
	var f board.Frame
	for i := 0; b.Loop(); i++ {
		if i%2 == 0 {
			putHeader(raw, false, 8, ph.seq, ph.ts, 1)
			ph.seq, ph.ts = ph.seq+1, ph.ts+160
			x.packet(raw, from[0], p.now())
		}
		x.Read(&f)
		x.Write(&f)
	}
}
