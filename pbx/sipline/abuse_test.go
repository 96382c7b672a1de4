package sipline

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"sotto/pbx"
	"sotto/pbx/plan"
	"sotto/pbx/sipline/siptest"
)

// TestForgedAddress: INVITEs of dialogs that there are not, in the name of a registered
// telephone, without its credentials: nothing is kept of them, others get through, and the
// telephone is sent little more than was sent in its name.
func TestForgedAddress(t *testing.T) {
	office(t, func(t *testing.T, b *box) {
		victim, good := b.registered("201"), b.registered("202")
		in, out := 0, 0
		b.tap = func(a netip.AddrPort, d []byte) {
			if a == victim.Addr {
				out += len(d)
			}
		}
		for n := range 20000 {
			m := fmt.Appendf(nil, "INVITE sip:1@192.0.2.1 SIP/2.0\r\nv:SIP/2.0/UDP 192.0.2.201;branch=z9hG4bKx%d;rport\r\nf:<sip:a@b>;tag=1\r\nt:<sip:a@b>;tag=2\r\ni:%d\r\nCSeq:1 INVITE\r\nMax-Forwards:70\r\n\r\n", n, n)
			in += len(m)
			victim.Raw(m)
			if n%200 == 0 {
				time.Sleep(100 * time.Millisecond)
			}
		}
		c := good.Call("203")
		c.Ended(3 * time.Second)
		status, _, _ := c.State()
		b.tap = nil
		if n := ask(b.sip, func() int { n, _ := b.sip.txn.Len(); return n }); n > 10 || status == 503 || out > in+in/2 {
			t.Errorf("%d transactions; another's call: %d; %d bytes for %d", n, status, out, in)
		}
	})
}

// TestGreedyUser: who calls itself sixty times takes not all there is, and nobody else's
// calls; an emergency call passes all the same.
func TestGreedyUser(t *testing.T) {
	office(t, func(t *testing.T, b *box) {
		evil := b.registered("201")
		a := b.registered("202")
		b.registered("203")
		var calls []*siptest.Call
		for range 60 {
			calls = append(calls, evil.Call("201"))
		}
		pause(2 * time.Second)
		if n := b.rtp.Counters().Open; n > 2*userCalls {
			t.Errorf("%d sessions of one user", n)
		}
		c := a.Call("203")
		if !c.Rings(2 * time.Second) {
			t.Errorf("another's call: %v", c.Statuses())
		}
		c.Hang()
		for _, number := range []string{"112", "1-1-2", "1%2D1%2D2"} {
			x := evil.Call(number)
			x.Ended(5 * time.Second)
			if s, _, _ := x.State(); s != 404 { // this exchange has no lines
				t.Errorf("%s of the greedy user: %d", number, s)
			}
		}
		for _, k := range calls {
			k.Hang()
		}
		pause(time.Second)
		for range 200 { // and not more than twenty in a second, in the long run
			evil.Call("999")
		}
		pause(40 * time.Second)
		if n := b.sip.count.greedy.Load(); n < 80 {
			t.Errorf("%d calls refused", n)
		}
	})
}

// TestOtherSchemes: a tel URI is the number it names, the URN of distress the country's.
func TestOtherSchemes(t *testing.T) {
	office(t, func(t *testing.T, b *box) {
		p := b.udp(netip.MustParseAddrPort("192.0.2.201:5060"))
		const sdp = "v=0\r\no=- 1 1 IN IP4 192.0.2.201\r\ns=-\r\nc=IN IP4 192.0.2.201\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n"
		for i, c := range []struct{ uri, want string }{{"tel:112", "404"}, {"tel:112;phone-context=x", "404"}, {"urn:service:sos", "404"}, {"urn:service:sos.fire", "404"}, {"urn:service:counseling", "416"}, {"mailto:a@b", "416"}} {
			l := p.send(fmt.Appendf(nil, "INVITE %s SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.201;branch=z9hG4bKq%d;rport\r\nMax-Forwards: 70\r\nFrom: <sip:201@x>;tag=1%d\r\nTo: <sip:a@x>\r\nCall-ID: aa%d\r\nCSeq: 2 INVITE\r\nContact: <sip:201@192.0.2.201>\r\nContent-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s", c.uri, i, i, i, len(sdp), sdp))
			if got := finals(l); got != c.want {
				t.Errorf("%s: %q, want %s", c.uri, got, c.want)
			}
		}
	}, trust)
}

// TestConnectionsOfOneUser: silent connections of one user who has shown who he is leave
// room for others.
func TestConnectionsOfOneUser(t *testing.T) {
	office(t, func(t *testing.T, b *box) {
		for i := range 200 {
			p := b.phone("201", func(p *siptest.Phone) {
				p.UDP.Close()
				p.Addr = netip.AddrPortFrom(netip.MustParseAddr("192.0.2.201"), uint16(6000+i))
				c, err := b.net.Dial(p.Addr, p.Box)
				if err != nil {
					t.Fatal(err)
				}
				p.UDP, p.TCP = nil, c
			})
			n := 0
			p.Ask("MESSAGE", "sip:192.0.2.1", func() []string {
				n++
				return []string{"From: <sip:201@192.0.2.1>;tag=abcd", "To: <sip:201@192.0.2.1>", fmt.Sprintf("Call-ID: c%d", i), fmt.Sprintf("CSeq: %d MESSAGE", n)}
			}, "")
		}
		pause(time.Minute)
		if n := b.sip.Counters().Connections.Open; n > maxPerUser {
			t.Errorf("%d connections are open", n)
		}
		if err := b.phone("202", b.overTCP).Register(300); err != nil {
			t.Error(err)
		}
	})
}

// TestRestartRemembersWhoIsRight: after a restart a telephone that was registered is not
// taken for a stranger of its network, however others there guess.
func TestRestartRemembersWhoIsRight(t *testing.T) {
	office(t, func(t *testing.T, b *box) {
		at := netip.MustParseAddrPort("192.0.2.201:5060")
		banned := func() bool {
			return ask(b.sip, func() bool { _, is := b.sip.guard.Banned(b.sip.now, at, "201"); return is })
		}
		ask(b.sip, func() int {
			for i := range 100 {
				b.sip.guard.Wrong(b.sip.now, netip.MustParseAddrPort("192.0.2.201:9999"), fmt.Sprint(i))
			}
			return 0
		})
		if !banned() {
			t.Fatal("a stranger there is not banned")
		}
		list := saved{{User: b.sip.numbers.Load().ByExt("201").ID, Contact: "sip:201@192.0.2.201", Proto: "udp", Remote: at.String(), CallID: "a", Expires: time.Now().Add(time.Hour)}}
		ask(b.sip, func() int {
			b.sip.cfg.Bindings = list
			b.sip.restore()
			return 0
		})
		if banned() {
			t.Error("the right telephone is banned")
		}
		ask(b.sip, func() int {
			b.sip.reg.Forget(b.sip.numbers.Load().ByExt("201").ID)
			b.sip.know(b.sip.numbers.Load().ByExt("201").ID)
			return 0
		})
	})
}

type saved []pbx.Binding

func (s saved) Bindings() []pbx.Binding                 { return s }
func (s saved) SaveBindings(plan.UserID, []pbx.Binding) {}
