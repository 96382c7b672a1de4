package sipline

import (
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sotto/pbx"
	"sotto/pbx/sipline/siptest"
)

// up sets up a call from 201 to 202 and gives the ACK of the caller: what an eavesdropper
// knows of the dialog.
func (b *box) up() (caller, called *siptest.Call, ack *siptest.Message) {
	b.Helper()
	b.ear = func(_ netip.AddrPort, d []byte) {
		if m := siptest.ParseMessage(d); m.Method() == "ACK" && strings.Contains(m.Get("To"), "tag") && m.Get("Call-ID") != "" {
			ack = m
		}
	}
	p, q := b.registered("201"), b.registered("202", func(p *siptest.Phone) { p.Answers = time.Second })
	caller = p.Call("202")
	if !caller.Answered(5 * time.Second) {
		b.Fatalf("no answer:\n%s", p.Traffic())
	}
	synctest.Wait()
	return caller, q.Calls()[0], ack
}

// within makes a request in the dialog of ack.
func within(ack *siptest.Message, method, via string, cseq int, extra ...string) []byte {
	m := &siptest.Message{Start: method + " sip:202@192.0.2.1 SIP/2.0", Headers: append([]string{"Via: SIP/2.0/UDP " + via + fmt.Sprintf(";rport;branch=z9hG4bK%d%s%d", time.Now().UnixNano(), method, cseq),
		"From: " + ack.Get("From"), "To: " + ack.Get("To"), "Call-ID: " + ack.Get("Call-ID"), fmt.Sprintf("CSeq: %d %s", cseq, method), "Max-Forwards: 70"}, extra...)}
	m.Headers = append(m.Headers, "Content-Length: 0")
	return []byte(m.String())
}

func alive(b *box, calls ...*siptest.Call) {
	b.Helper()
	for _, c := range calls {
		if _, answered, ended := c.State(); !answered || ended {
			b.Error("a call has ended")
		}
	}
}

// TestForged: nobody gets into a dialog by its tags alone.
func TestForged(t *testing.T) {
	office(t, func(t *testing.T, b *box) {
		caller, called, ack := b.up()
		thief := b.udp(stranger)
		for _, method := range []string{"BYE", "INVITE", "UPDATE", "INFO", "OPTIONS", "REFER", "PRACK", "NOSUCH"} {
			if got := finals(thief.send(within(ack, method, stranger.String(), 50))); got != "401" {
				t.Errorf("%s with the right tags from elsewhere: %q", method, got)
			}
			wrong := strings.Replace(string(within(ack, method, stranger.String(), 51)), "tag=", "tag=x", 2)
			if got := finals(thief.send([]byte(wrong))); got != "401" {
				t.Errorf("%s with wrong tags from elsewhere: %q", method, got)
			}
		}
		before := b.sip.Counters().StrayAcks
		if got := thief.send(within(ack, "ACK", stranger.String(), 2)); len(got) != 0 {
			t.Error("an ACK is answered")
		}
		if n := b.sip.Counters().StrayAcks - before; n != 1 {
			t.Errorf("%d stray ACKs", n)
		}
		if got := finals(thief.send(within(ack, "CANCEL", stranger.String(), 2))); got != "401" && got != "481" {
			t.Errorf("CANCEL: %q", got)
		}

		// From where the telephone is, but not of its dialog.
		own := netip.MustParseAddrPort("192.0.2.201:7000")
		near := b.udp(own)
		for _, part := range []string{"From", "To", "Call-ID"} {
			m := siptest.ParseMessage(within(ack, "BYE", own.String(), 52))
			for i, h := range m.Headers {
				if strings.HasPrefix(h, part+":") {
					m.Headers[i] += "x"
				}
			}
			if got := finals(near.send([]byte(m.String()))); got != "401" && got != "481" {
				t.Errorf("BYE with another %s: %q", part, got)
			}
		}
		alive(b, caller, called)

		// Another user, who has shown who he is, is told no.
		other := b.phone("203")
		n := 60
		headers := func() []string {
			n++
			return []string{"From: " + ack.Get("From"), "To: " + ack.Get("To"), "Call-ID: " + ack.Get("Call-ID"), fmt.Sprintf("CSeq: %d BYE", n)}
		}
		if res := other.Ask("BYE", "sip:202@192.0.2.1", headers, ""); res == nil || res.Status() != 403 {
			t.Errorf("BYE of another user: %v", res)
		}
		alive(b, caller, called)

		// The user itself from elsewhere goes on.
		moved := b.phone("203", func(p *siptest.Phone) { p.User, p.Secret = "201", secretOf("201") })
		if res := moved.Ask("BYE", "sip:202@192.0.2.1", headers, ""); res == nil || res.Status() != 200 {
			t.Errorf("BYE of the user from elsewhere: %v", res)
		}
		if !called.Ended(time.Second) {
			t.Error("the call goes on")
		}
		caller.Hang()
	})
}

// TestForgedAck: an ACK from elsewhere does not end the repetition of a 2xx.
func TestForgedAck(t *testing.T) {
	office(t, func(t *testing.T, b *box) {
		b.registered("202", func(p *siptest.Phone) { p.Answers = time.Second })
		p := b.registered("201", func(p *siptest.Phone) { p.NoAck = true })
		var last atomic.Pointer[siptest.Message]
		var oks atomic.Int32
		b.tap = func(to netip.AddrPort, d []byte) {
			if m := siptest.ParseMessage(d); to == p.Addr && m.Status() == 200 && m.Method() == "INVITE" {
				last.Store(m)
				oks.Add(1)
			}
		}
		c := p.Call("202")
		if !c.Answered(5 * time.Second) {
			t.Fatal("no answer")
		}
		synctest.Wait()
		ok := last.Load()
		b.udp(stranger).send(within(ok, "ACK", stranger.String(), ok.CSeq()))
		before := oks.Load()
		pause(10 * time.Second)
		if oks.Load() == before {
			t.Error("the 2xx is not repeated")
		}
		if !c.Ended(40 * time.Second) { // 64·T1 without ACK
			t.Error("not ended without an ACK")
		}
	})
}

// TestReplayedCSeq: what is not above the last is refused and changes nothing.
func TestReplayedCSeq(t *testing.T) {
	office(t, func(t *testing.T, b *box) {
		caller, called, ack := b.up()
		own := b.udp(netip.MustParseAddrPort("192.0.2.201:7000"))
		for cseq := range ack.CSeq() + 1 {
			if got := finals(own.send(within(ack, "BYE", "192.0.2.201:7000", cseq))); got != "500" {
				t.Errorf("CSeq %d: %q", cseq, got)
			}
		}
		alive(b, caller, called)
		if n := b.sip.Counters().Legs.StaleCSeq; int(n) != ack.CSeq()+1 {
			t.Errorf("%d counted", n)
		}
		caller.Hang()
	})
}

// TestMerged: the same request by another way is a loop (RFC 3261 section 8.2.2.2).
func TestMerged(t *testing.T) {
	office(t, func(t *testing.T, b *box) {
		p := b.udp(stranger)
		data := torture(t, "esc01")
		for _, c := range []struct{ branch, want string }{{"", "404"}, {"x", "482"}, {"y", "482"}} {
			got := p.sendOn(strings.Replace(string(data), "branch=z9hG4bK", "branch=z9hG4bK"+c.branch, 1))
			if s := finals(got); s != c.want {
				t.Errorf("branch %q: %q, want %q", c.branch, s, c.want)
			}
		}
		if n := len(b.posted); n != 1 {
			t.Errorf("%d calls", n)
		}
	}, trust)
	// With used credentials, too, no second call begins.
	office(t, func(t *testing.T, b *box) {
		b.registered("202")
		p := b.registered("201")
		var invite string
		b.ear = func(_ netip.AddrPort, d []byte) {
			if m := siptest.ParseMessage(d); m.Method() == "INVITE" && m.Get("Authorization") != "" {
				invite = string(d)
			}
		}
		c := p.Call("202")
		if !c.Rings(time.Second) {
			t.Fatal("no ringing")
		}
		p.Raw([]byte(strings.Replace(invite, "branch=", "branch=z9hG4bKother", 1)))
		pause(time.Second)
		calls := 0
		for _, e := range b.posted {
			if e.Kind == pbx.PhoneCalls {
				calls++
			}
		}
		if calls != 1 {
			t.Errorf("%d calls", calls)
		}
		c.Hang()
	})
}

// sendOn sends a message with rport, so that the answer comes back to the peer.
func (p *peer) sendOn(msg string) []*siptest.Message {
	head, rest, _ := strings.Cut(msg, ";branch=")
	return p.send([]byte(head + ";rport;branch=" + rest))
}

// TestCancelRace lets CANCEL race the answer at 1,000 moments: on the way to the box, in
// it, and on the way to the telephone that answers.
func TestCancelRace(t *testing.T) {
	const (
		lag    = 10 * time.Millisecond
		answer = 200 * time.Millisecond // from the INVITE's arrival
		step   = 100 * time.Microsecond
	)
	office(t, func(t *testing.T, b *box) {
		p, q := b.registered("201"), b.registered("202", func(p *siptest.Phone) { p.Answers = answer })
		fate := b.net.Let(nil)
		b.net.Let(func(from, to netip.AddrPort, d []byte) (int, time.Duration) {
			n, _ := fate(from, to, d)
			return n, lag
		})
		crossed, canceled, talked := 0, 0, 0
		for i := range 1000 {
			c := p.Call("202")
			in := q.Incoming(i, 10*time.Second)
			if in == nil {
				t.Fatalf("%d: not rung", i)
			}
			pause(answer - 50*time.Millisecond + time.Duration(i)*step)
			if _, answered, _ := c.State(); answered {
				c.Hang()
				talked++
			} else {
				c.Cancel()
			}
			if !c.Ended(40*time.Second) || !in.Ended(40*time.Second) {
				t.Fatalf("%d: half open:\n%s\n\n%s", i, p.Traffic(), q.Traffic())
			}
			switch s := c.Statuses(); {
			case s[len(s)-1] == 487:
				canceled++
			case s[len(s)-1] != 200:
				t.Fatalf("%d: told %v", i, s)
			case time.Duration(i)*step < 50*time.Millisecond-2*lag: // it reached the box before the answer left the telephone
				t.Fatalf("%d: answered all the same", i)
			default:
				crossed++
			}
			if i%100 == 99 {
				pause(80 * time.Second)
				b.empty()
			}
		}
		crossed -= talked
		t.Logf("%d canceled, %d crossed, %d answered", canceled, crossed, talked)
		if canceled == 0 || crossed == 0 || talked == 0 {
			t.Error("not all sides of the race were seen")
		}
	})
}
