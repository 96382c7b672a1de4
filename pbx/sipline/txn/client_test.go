package txn

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"sotto/pbx/sipline/wire"
)

func TestInviteClientTimers(t *testing.T) {
	for _, c := range []struct {
		name string
		flow wire.Flow
		do   func(*script, Client, *sip.Request)
		want string
	}{
		{"A and B over UDP", udp, func(*script, Client, *sip.Request) {},
			"0 INVITE, 0.5 INVITE, 1.5 INVITE, 3.5 INVITE, 7.5 INVITE, 15.5 INVITE, 31.5 INVITE, 32 client timeout, 32 client over"},
		{"B over TCP", tcp, func(*script, Client, *sip.Request) {}, "0 INVITE, 32 client timeout, 32 client over"},
		{"D over UDP", udp, func(s *script, _ Client, invite *sip.Request) {
			s.until(time.Second)
			up := s.response(invite, 486, udp)
			s.until(9 * time.Second)
			if again := s.response(invite, 486, udp); !up || again {
				s.t.Errorf("486 goes up: %v, again %v", up, again)
			}
		}, "0 INVITE, 0.5 INVITE, 1 ACK, 9 ACK, 33 client over"},
		{"D over TCP", tcp, func(s *script, _ Client, invite *sip.Request) {
			s.until(time.Second)
			s.response(invite, 486, tcp)
		}, "0 INVITE, 1 ACK, 1 client over"},
		{"M over UDP", udp, func(s *script, _ Client, invite *sip.Request) {
			s.until(time.Second)
			s.response(invite, 180, udp)
			s.until(4 * time.Second)
			s.response(invite, 200, udp)
		}, "0 INVITE, 0.5 INVITE, 36 client over"},
		{"M over TCP", tcp, func(s *script, _ Client, invite *sip.Request) { s.response(invite, 200, tcp) }, "0 INVITE, 32 client over"},
		{"C, anew with each 1xx", udp, func(s *script, _ Client, invite *sip.Request) {
			s.response(invite, 100, udp)
			s.until(200 * time.Second)
			s.response(invite, 180, udp)
		}, "0 INVITE, 500 CANCEL, 500.5 CANCEL, 501.5 CANCEL, 503.5 CANCEL, 507.5 CANCEL, 511.5 CANCEL, 515.5 CANCEL, 519.5 CANCEL, " +
			"523.5 CANCEL, 527.5 CANCEL, 531.5 CANCEL, 532 client timeout, 532 client over"},
		{"C as the user wants it", tcp, func(s *script, id Client, invite *sip.Request) {
			s.response(invite, 180, tcp)
			s.l.Limit(s.now, id, 20*time.Second)
		}, "0 INVITE, 20 CANCEL, 52 client timeout, 52 client over"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScript(t, Config{})
			invite := outgoing(t, "INVITE")
			c.do(s, s.l.Start(s.now, invite, c.flow), invite)
			s.until(time.Hour)
			s.want(c.want)
			s.empty()
		})
	}
}

func TestOtherClientTimers(t *testing.T) {
	for _, c := range []struct {
		name string
		flow wire.Flow
		do   func(*script, *sip.Request)
		want string
	}{
		{"E and F over UDP", udp, func(*script, *sip.Request) {},
			"0 BYE, 0.5 BYE, 1.5 BYE, 3.5 BYE, 7.5 BYE, 11.5 BYE, 15.5 BYE, 19.5 BYE, 23.5 BYE, 27.5 BYE, 31.5 BYE, 32 client timeout, 32 client over"},
		{"F over TCP", tcp, func(*script, *sip.Request) {}, "0 BYE, 32 client timeout, 32 client over"},
		{"E after 100", udp, func(s *script, bye *sip.Request) {
			s.until(700 * time.Millisecond)
			s.response(bye, 100, udp)
		}, "0 BYE, 0.5 BYE, 1.5 BYE, 5.5 BYE, 9.5 BYE, 13.5 BYE, 17.5 BYE, 21.5 BYE, 25.5 BYE, 29.5 BYE, 32 client timeout, 32 client over"},
		{"F after 100 over TCP", tcp, func(s *script, bye *sip.Request) { s.response(bye, 100, tcp) }, "0 BYE, 32 client timeout, 32 client over"},
		{"K over UDP", udp, func(s *script, bye *sip.Request) {
			s.until(time.Second)
			up := s.response(bye, 200, udp)
			if again := s.response(bye, 200, udp); !up || again {
				s.t.Errorf("200 goes up: %v, again %v", up, again)
			}
		}, "0 BYE, 0.5 BYE, 6 client over"},
		{"K over TCP", tcp, func(s *script, bye *sip.Request) { s.response(bye, 481, tcp) }, "0 BYE, 0 client over"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScript(t, Config{})
			bye := outgoing(t, "BYE")
			s.l.Start(s.now, bye, c.flow)
			c.do(s, bye)
			s.until(time.Hour)
			s.want(c.want)
			s.empty()
		})
	}
}

// TestTimesOfConfig: all times follow T1, T2 and T4.
func TestTimesOfConfig(t *testing.T) {
	s := newScript(t, Config{T1: time.Second, T2: 2 * time.Second, T4: 3 * time.Second})
	bye := outgoing(t, "BYE")
	s.l.Start(s.now, bye, udp)
	s.until(6 * time.Second)
	s.response(bye, 200, udp)
	s.until(time.Hour)
	s.want("0 BYE, 1 BYE, 3 BYE, 5 BYE, 9 client over")
	s.opened(incoming(t, "OPTIONS", viaA, ""), udp)
	s.until(2 * time.Hour)
	s.want("3601 100 Trying, 3664 server unanswered, 3664 server over")
}

// TestExpireLate: a box that stalled does not make up for what it missed.
func TestExpireLate(t *testing.T) {
	s := newScript(t, Config{})
	s.l.Start(s.now, outgoing(t, "BYE"), udp)
	s.want("0 BYE")
	s.now = epoch.Add(10 * time.Second)
	s.l.Expire(s.now)
	s.until(15 * time.Second)
	s.want("10 BYE, 11 BYE, 13 BYE")
}

func TestBranch(t *testing.T) {
	l := New(Config{})
	seen := map[string]bool{}
	for range 1000 {
		req := outgoing(t, "OPTIONS")
		l.Start(epoch, req, udp)
		b, _ := req.Via().Params.Get("branch")
		if !strings.HasPrefix(b, cookie) || len(b) < len(cookie)+26 || seen[b] {
			t.Fatalf("branch %q", b)
		}
		seen[b] = true
	}
}

// TestFollowers: what is sent after an INVITE (RFC 3261 sections 9.1 and 17.1.1.3).
func TestFollowers(t *testing.T) {
	s := newScript(t, Config{})
	invite := outgoing(t, "INVITE")
	id := s.l.Start(s.now, invite, tcp)
	s.response(invite, 180, tcp)
	s.note()
	if got := string(s.last[0].Data); !strings.Contains(got, "Via: SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bKours1\r\n") {
		t.Errorf("INVITE is\n%s", got)
	}
	s.l.Cancel(s.now, id, "")
	s.note()
	const head = `%s sip:201@192.0.2.9:40000 SIP/2.0
Via: SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bKours1
Route: <sip:192.0.2.7;lr>
Route: <sip:192.0.2.8;lr>
Max-Forwards: 70
From: "Bob" <sip:200@192.0.2.1>;tag=ours
To: <sip:201@192.0.2.9>TAG
Call-ID: call-2
CSeq: 17 %s
Content-Length: 0

`
	want := func(method, tag string) {
		t.Helper()
		w := strings.ReplaceAll(strings.ReplaceAll(strings.ReplaceAll(head, "%s", method), "TAG", tag), "\n", "\r\n")
		if len(s.last) != 1 || string(s.last[0].Data) != w || s.last[0].Flow != tcp {
			t.Errorf("got %d:\n%s\nwant:\n%s", len(s.last), s.last[0].Data, w)
		}
	}
	want("CANCEL", "")
	s.response(invite, 487, tcp)
	s.note()
	want("ACK", ";tag=remote")
}

func TestContentLengthIsThere(t *testing.T) {
	s := newScript(t, Config{})
	req := outgoing(t, "OPTIONS")
	req.RemoveHeader("Content-Length")
	s.l.Start(s.now, req, tcp)
	s.note()
	if got := string(s.last[0].Data); !strings.Contains(got, "\r\nContent-Length: 0\r\n") {
		t.Errorf("sent:\n%s", got)
	}
}

func TestCancelClient(t *testing.T) {
	s := newScript(t, Config{})
	cancelled := func(req *sip.Request) *sip.Request { return as(t, req, sip.CANCEL, "") }

	// Before a provisional: it waits.
	invite := outgoing(t, "INVITE")
	id := s.l.Start(s.now, invite, udp)
	s.l.Cancel(s.now, id, "")
	s.l.Cancel(s.now, id, "")
	s.until(600 * time.Millisecond)
	s.want("0 INVITE, 0.5 INVITE")
	if !s.response(invite, 100, udp) {
		t.Error("100 does not go up")
	}
	s.want("0.6 CANCEL")
	s.l.Cancel(s.now, id, "")
	s.until(time.Second)
	if s.response(cancelled(invite), 200, udp) {
		t.Error("the answer to the CANCEL goes up")
	}
	if !s.response(invite, 487, udp) {
		t.Error("487 does not go up")
	}
	s.l.Cancel(s.now, id, "")
	s.until(time.Hour)
	s.want("1 ACK, 33 client over")
	s.empty()

	// No final response after it.
	base := s.now.Sub(epoch)
	invite = outgoing(t, "INVITE")
	id = s.l.Start(s.now, invite, tcp)
	s.response(invite, 180, tcp)
	s.l.Cancel(s.now, id, "")
	s.response(cancelled(invite), 200, tcp)
	s.until(base + 10*time.Second)
	s.response(invite, 180, tcp) // does not make it longer
	s.until(base + time.Hour)
	s.want("3600 INVITE, 3600 CANCEL, 3632 client timeout, 3632 client over")
	s.empty()

	// After the end, and when there never was a provisional.
	base = s.now.Sub(epoch)
	invite = outgoing(t, "INVITE")
	id = s.l.Start(s.now, invite, udp)
	s.l.Cancel(s.now, id, "")
	if !s.response(invite, 200, udp) {
		t.Error("200 does not go up")
	}
	s.l.Cancel(s.now, id, "")
	s.until(base + time.Hour)
	s.want("7200 INVITE, 7232 client over")
	s.empty()
}

// TestCancelCrosses200 lets both cross at 1,000 offsets. Whatever the order, the user gets
// the 200 if it was sent, to acknowledge and end the call, and everything ends.
func TestCancelCrosses200(t *testing.T) {
	const trip = 50 * time.Millisecond // one way
	for _, flow := range []wire.Flow{udp, tcp} {
		for i := range 1000 {
			hangup := time.Duration(i) * time.Millisecond / 5 // 0 to 200 ms; the answer leaves at 100 ms
			s := newScript(t, Config{})
			invite := outgoing(t, "INVITE")
			id := s.l.Start(s.now, invite, flow)
			s.response(invite, 180, flow)
			var got []int
			up := func(status int) {
				if s.response(invite, status, flow) {
					got = append(got, status)
				}
			}
			answer, arrives := 100*time.Millisecond, hangup+trip
			answered := answer < arrives // else the CANCEL was there first
			if !answered {
				answer = arrives
			}
			final := 200
			if !answered {
				final = 487
			}
			if at := answer + trip; at < hangup {
				s.until(at)
				up(final)
				s.until(hangup)
				s.l.Cancel(s.now, id, "")
			} else {
				s.until(hangup)
				s.l.Cancel(s.now, id, "")
				s.until(at)
				up(final)
			}
			s.response(as(t, invite, sip.CANCEL, ""), 200, flow)
			up(final) // once more
			s.until(time.Hour)
			text := strings.Join(s.log, ", ")
			if strings.Contains(text, "timeout") || strings.Count(text, "client over") != 1 {
				t.Fatalf("offset %v: %s", hangup, text)
			}
			switch {
			case answered && (len(got) != 2 || strings.Contains(text, "ACK")):
				t.Fatalf("offset %v: %v goes up; %s", hangup, got, text)
			case !answered && (len(got) != 1 || !strings.Contains(text, "ACK")):
				t.Fatalf("offset %v: %v goes up; %s", hangup, got, text)
			}
			if sent, late := strings.Contains(text, "CANCEL"), answer+trip < hangup; sent == late {
				t.Fatalf("offset %v: CANCEL sent: %v", hangup, sent)
			}
			s.empty()
		}
	}
}

// TestAcceptedClient: RFC 6026 section 7.2.
func TestAcceptedClient(t *testing.T) {
	s := newScript(t, Config{})
	invite := outgoing(t, "INVITE")
	id := s.l.Start(s.now, invite, udp)
	for _, tag := range []string{"a", "b", "a", "c"} {
		s.until(s.now.Sub(epoch) + time.Second)
		got, up := s.l.Response(s.now, response(invite, 200, tag), udp)
		if !up || got != id {
			t.Errorf("200 of %s goes up: %v", tag, up)
		}
	}
	for _, status := range []int{180, 486} {
		if s.response(invite, status, udp) {
			t.Errorf("%d goes up after 200", status)
		}
	}
	if n := s.l.Counters().Late; n != 2 {
		t.Errorf("%d late", n)
	}
	s.until(time.Hour)
	s.want("0 INVITE, 0.5 INVITE, 33 client over")
	s.empty()
	if s.response(invite, 200, udp) {
		t.Error("200 goes up after timer M")
	}

	// 200 after a refusal is nobody's.
	invite = outgoing(t, "INVITE")
	s.l.Start(s.now, invite, udp)
	s.response(invite, 486, udp)
	if s.response(invite, 200, udp) {
		t.Error("200 goes up after 486")
	}
}

func TestStray(t *testing.T) {
	s := newScript(t, Config{})
	req := outgoing(t, "OPTIONS")
	s.l.Start(s.now, req, udp)
	good := func() *sip.Response { return response(req, 200, "x") }
	change := func(f func(*sip.Response)) *sip.Response { r := good(); f(r); return r }
	elsewhere := udp
	elsewhere.Remote = netip.MustParseAddrPort("192.0.2.10:40000")
	second := good()
	second.AppendHeader(req.Via().Clone())
	for i, c := range []struct {
		res  *sip.Response
		flow wire.Flow
	}{
		{nil, udp}, {good(), elsewhere}, {good(), tcp}, {second, udp},
		{change(func(r *sip.Response) { r.Via().Params.Add("branch", "z9hG4bKours2") }), udp},
		{change(func(r *sip.Response) { r.Via().Params.Remove("branch") }), udp},
		{change(func(r *sip.Response) { r.CSeq().MethodName = sip.INVITE }), udp},
		{change(func(r *sip.Response) { r.StatusCode = 99 }), udp},
		{change(func(r *sip.Response) { r.StatusCode = 700 }), udp},
		{change(func(r *sip.Response) { r.RemoveHeader("Via") }), udp},
		{change(func(r *sip.Response) { r.RemoveHeader("CSeq") }), udp},
		{change(func(r *sip.Response) { r.RemoveHeader("To") }), udp},
	} {
		if _, up := s.l.Response(s.now, c.res, c.flow); up {
			t.Errorf("%d goes up", i)
		}
	}
	if n := s.l.Counters().Stray; n != 12 {
		t.Errorf("%d stray", n)
	}
	port := udp
	port.Remote = netip.AddrPortFrom(udp.Remote.Addr(), 1)
	if _, up := s.l.Response(s.now, good(), port); !up {
		t.Error("a response from another port of the same address is dropped")
	}
}

func TestStartRefuses(t *testing.T) {
	s := newScript(t, Config{MaxClient: 2})
	for _, method := range []string{"ACK", "CANCEL"} {
		if s.l.Start(s.now, outgoing(t, method), udp) != 0 {
			t.Errorf("%s is taken", method)
		}
	}
	bare := outgoing(t, "INVITE")
	bare.RemoveHeader("Via")
	if s.l.Start(s.now, bare, udp) != 0 || s.l.Start(s.now, nil, udp) != 0 {
		t.Error("a request without Via is taken")
	}
	invite := outgoing(t, "INVITE")
	id := s.l.Start(s.now, invite, tcp)
	options := outgoing(t, "OPTIONS")
	s.l.Start(s.now, options, tcp)
	if s.l.Start(s.now, outgoing(t, "OPTIONS"), tcp) != 0 {
		t.Error("one too many")
	}
	s.response(invite, 180, tcp)
	s.l.Cancel(s.now, id, "")
	s.want("0 INVITE, 0 OPTIONS, 0 CANCEL") // the limit does not keep the CANCEL back
	if c := s.l.Counters(); c.Full != 1 || c.Refused != 4 {
		t.Errorf("%+v", c)
	}
	s.response(options, 200, tcp)
	if s.l.Start(s.now, outgoing(t, "OPTIONS"), tcp) == 0 {
		t.Error("no room beside the CANCEL")
	}
	s.until(time.Hour)
	s.empty()
}

func TestClientLost(t *testing.T) {
	s := newScript(t, Config{})
	opening := tcp
	opening.Conn = 0
	ringing, answered := outgoing(t, "INVITE"), outgoing(t, "INVITE")
	s.l.Start(s.now, outgoing(t, "INVITE"), opening)
	id := s.l.Start(s.now, ringing, tcp)
	s.response(ringing, 180, tcp)
	s.l.Cancel(s.now, id, "")
	s.l.Start(s.now, answered, tcp)
	s.response(answered, 200, tcp)
	s.l.Start(s.now, outgoing(t, "BYE"), tcp)
	s.want("0 INVITE, 0 INVITE, 0 CANCEL, 0 INVITE, 0 BYE")
	s.l.Lost(s.now, opening) // could not be opened
	s.want("0 client transport lost, 0 client over")
	s.l.Start(s.now, outgoing(t, "INVITE"), opening) // rides on the one that was opened meanwhile
	s.l.Lost(s.now, tcp)
	s.want("0 INVITE, 0 client transport lost, 0 client over, 0 client over, 0 client transport lost, 0 client over, 0 client transport lost, 0 client over")
	s.empty()
	if n := s.l.Counters().Lost; n != 6 {
		t.Errorf("%d lost", n)
	}
}

// TestTimeGoesBack: a clock that is set back delays nothing.
func TestTimeGoesBack(t *testing.T) {
	s := newScript(t, Config{})
	s.now = epoch.Add(time.Hour)
	s.l.Expire(s.now)
	s.l.Start(s.now.Add(-time.Minute), outgoing(t, "BYE"), udp)
	if want := s.now.Add(DefaultT1); !s.l.Deadline().Equal(want) {
		t.Errorf("deadline %v, want %v", s.l.Deadline(), want)
	}
}
