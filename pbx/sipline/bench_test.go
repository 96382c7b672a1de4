package sipline

import (
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"sotto/pbx/media"
	"sotto/pbx/media/rtpport"
	"sotto/pbx/plan"
	"sotto/pbx/sipline/siptest"
)

// deaf is an RTP socket that nothing comes to.
type deaf struct {
	addr netip.AddrPort
	end  chan struct{}
	once sync.Once
}

func (d *deaf) ReadFromUDPAddrPort([]byte) (int, netip.AddrPort, error) {
	<-d.end
	return 0, netip.AddrPort{}, net.ErrClosed
}
func (d *deaf) WriteToUDPAddrPort(b []byte, _ netip.AddrPort) (int, error) { return len(b), nil }
func (d *deaf) SetReadDeadline(at time.Time) error {
	if !at.IsZero() && time.Until(at) <= 0 {
		d.Close()
	}
	return nil
}
func (d *deaf) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(d.addr) }
func (d *deaf) Close() error        { d.once.Do(func() { close(d.end) }); return nil }

// silent gives a box RTP without a network, and takes who sends for a user by its address.
func silent(b *box, c *Config) {
	unlimited(b, c)
	b.rtp, _ = rtpport.New(rtpport.Config{From: 10000, To: 19999, Engine: &ports{used: map[media.Port]bool{}},
		Listen: func(a netip.AddrPort) (rtpport.Socket, error) { return &deaf{addr: a, end: make(chan struct{})}, nil }})
	c.Sound = b.rtp
	c.Trusted = func(a netip.AddrPort) (plan.UserID, bool) { return plan.UserID(fmt.Sprintf("u%d", a.Port())), true }
}

// BenchmarkRegister measures a REGISTER of a telephone over UDP, with its challenge and
// the digest by SHA-256, the telephone included.
func BenchmarkRegister(b *testing.B) {
	x := start(b, unlimited)
	defer x.shutdown()
	p := x.phone("201")
	b.ReportAllocs()
	for b.Loop() {
		if err := p.Register(3600); err != nil {
			b.Fatal(err)
		}
	}
}

// wireEnd is one end that sends and takes messages as bytes, with as little of its own
// as can be.
type wireEnd struct {
	b    *testing.B
	conn siptest.Conn
	buf  [4096]byte
}

func (w *wireEnd) send(s string) { w.conn.WriteToUDPAddrPort([]byte(s), boxAddr) }

// next gives the next message that begins so.
func (w *wireEnd) next(start string) string {
	for {
		n, _, err := w.conn.ReadFromUDPAddrPort(w.buf[:])
		if err != nil {
			w.b.Fatal(err)
		}
		if s := string(w.buf[:n]); strings.HasPrefix(s, start) {
			return s
		}
	}
}

// header gives a header's line.
func header(msg, name string) string {
	_, rest, _ := strings.Cut(msg, "\r\n"+name+": ")
	rest, _, _ = strings.Cut(rest, "\r\n")
	return rest
}

func (w *wireEnd) reply(req, status, tag, more, body string) {
	w.send("SIP/2.0 " + status + "\r\nVia: " + header(req, "Via") + "\r\nFrom: " + header(req, "From") + "\r\nTo: " + header(req, "To") + tag +
		"\r\nCall-ID: " + header(req, "Call-ID") + "\r\nCSeq: " + header(req, "CSeq") + "\r\n" + more + fmt.Sprintf("Content-Length: %d\r\n\r\n", len(body)) + body)
}

func ends(b *testing.B) (x *box, caller, called *wireEnd) {
	x = start(b, silent)
	open := func(addr string) *wireEnd {
		c := x.net.Must(addr)
		b.Cleanup(func() { c.Close() })
		return &wireEnd{b: b, conn: c}
	}
	caller, called = open("192.0.2.250:201"), open("192.0.2.251:202")
	for i, w := range []*wireEnd{caller, called} {
		w.send(fmt.Sprintf("REGISTER sip:192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP %s;rport;branch=z9hG4bKr\r\nFrom: <sip:20%d@x>;tag=1\r\nTo: <sip:20%[2]d@x>\r\nCall-ID: r%[2]d\r\nCSeq: 1 REGISTER\r\nContact: <sip:20%[2]d@%[1]s>\r\nContent-Length: 0\r\n\r\n", w.conn.LocalAddr(), i+1))
		w.next("SIP/2.0 200")
	}
	return x, caller, called
}

// setUp sets a call up, and gives the caller's 200 and the called one's INVITE.
func setUp(a, z *wireEnd, i int) (ok, invite string) {
	const offer = "v=0\r\no=- 7 1 IN IP4 192.0.2.250\r\ns=-\r\nc=IN IP4 192.0.2.250\r\nt=0 0\r\nm=audio 40000 RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n"
	a.send(fmt.Sprintf("INVITE sip:202@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.250:201;rport;branch=z9hG4bKi%d\r\nMax-Forwards: 70\r\nFrom: <sip:201@x>;tag=%[1]d\r\nTo: <sip:202@x>\r\nCall-ID: call%[1]d\r\nCSeq: 1 INVITE\r\nContact: <sip:201@192.0.2.250:201>\r\nContent-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s", i, len(offer), offer))
	invite = z.next("INVITE")
	z.reply(invite, "180 Ringing", ";tag=z", "Contact: <sip:202@192.0.2.251:202>\r\n", "")
	z.reply(invite, "200 OK", ";tag=z", "Contact: <sip:202@192.0.2.251:202>\r\nContent-Type: application/sdp\r\n", strings.ReplaceAll(offer, "250", "251"))
	z.next("ACK")
	ok = a.next("SIP/2.0 200")
	a.send(within1(ok, "ACK", i, 1))
	return ok, invite
}

func within1(ok, method string, i, cseq int) string {
	return fmt.Sprintf("%s sip:202@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.250:201;rport;branch=z9hG4bK%[1]s%d\r\nMax-Forwards: 70\r\nFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %d %[1]s\r\nContent-Length: 0\r\n\r\n",
		method, i, header(ok, "From"), header(ok, "To"), header(ok, "Call-ID"), cseq)
}

// BenchmarkInviteToBye measures a call from the INVITE to the answer to the BYE, both legs,
// with the RTP sessions but without RTP; the two ends are included.
func BenchmarkInviteToBye(b *testing.B) {
	x, a, z := ends(b)
	defer x.shutdown()
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		ok, _ := setUp(a, z, i)
		a.send(within1(ok, "BYE", i, 2))
		z.reply(z.next("BYE"), "200 OK", "", "", "")
		a.next("SIP/2.0 200")
	}
}

// BenchmarkMemory tells what is kept of a telephone that is registered and of a call that is
// up, both legs, a minute after its set-up.
func BenchmarkMemory(b *testing.B) {
	used := func() float64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return float64(m.HeapAlloc + m.StackInuse)
	}
	const calls = 500
	for b.Loop() {
		x, a, z := ends(b)
		before := used()
		for i := range calls {
			setUp(a, z, i)
		}
		b.ReportMetric((used()-before)/calls, "B/call")
		x.shutdown()
		a.conn.Close()
		z.conn.Close()
	}
}
