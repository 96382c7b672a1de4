package txn

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"sotto/pbx/sipline/wire"
)

func TestInviteServerTimers(t *testing.T) {
	invite := incoming(t, "INVITE", viaA, "")
	for _, c := range []struct {
		name string
		flow wire.Flow
		do   func(*script, Server)
		want string
	}{
		{"G and H over UDP", udp, func(s *script, id Server) { s.respond(id, invite, 486) },
			"0 100 Trying, 0 486 Reason, 0.5 486 Reason, 1.5 486 Reason, 3.5 486 Reason, 7.5 486 Reason, 11.5 486 Reason, " +
				"15.5 486 Reason, 19.5 486 Reason, 23.5 486 Reason, 27.5 486 Reason, 31.5 486 Reason, 32 server no ACK, 32 server over"},
		{"H over TCP", tcp, func(s *script, id Server) { s.respond(id, invite, 486) },
			"0 100 Trying, 0 486 Reason, 32 server no ACK, 32 server over"},
		{"I over UDP", udp, func(s *script, id Server) {
			s.until(2 * time.Second)
			s.respond(id, invite, 603)
			s.until(3 * time.Second)
			s.fate(as(t, invite, sip.ACK, "local"), udp, Ack)
			s.until(4 * time.Second)
			s.fate(as(t, invite, sip.ACK, "local"), udp, Ack) // again: T4 does not begin anew
			s.fate(invite, udp, Repeated)                     // late: silence
		}, "0 100 Trying, 2 603 Reason, 2.5 603 Reason, 8 server over"},
		{"I over TCP", tcp, func(s *script, id Server) {
			s.respond(id, invite, 603)
			s.until(time.Second)
			s.fate(as(t, invite, sip.ACK, "local"), tcp, Ack)
		}, "0 100 Trying, 0 603 Reason, 1 server over"},
		{"L over UDP", udp, func(s *script, id Server) { s.respond(id, invite, 200) }, "0 100 Trying, 0 200 Reason, 32 server over"},
		{"L over TCP", tcp, func(s *script, id Server) { s.respond(id, invite, 200) }, "0 100 Trying, 0 200 Reason, 32 server over"},
		{"C", udp, func(s *script, id Server) {
			s.until(100 * time.Second)
			s.respond(id, invite, 180)
		}, "0 100 Trying, 100 180 Reason, 400 server unanswered, 400 server over"},
		{"repetitions", udp, func(s *script, id Server) {
			s.until(500 * time.Millisecond)
			s.fate(invite, udp, Repeated)
			s.respond(id, invite, 183)
			s.until(1500 * time.Millisecond)
			s.fate(invite, udp, Repeated)
			s.respond(id, invite, 404)
			s.fate(invite, udp, Repeated)
			s.note()
			s.fate(as(t, invite, sip.ACK, "local"), udp, Ack)
		}, "0 100 Trying, 0.5 100 Trying, 0.5 183 Reason, 1.5 183 Reason, 1.5 404 Reason, 1.5 404 Reason, 6.5 server over"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScript(t, Config{})
			c.do(s, s.opened(invite, c.flow))
			s.until(time.Hour)
			s.want(c.want)
			s.empty()
		})
	}
}

// TestAcceptedServer: RFC 6026 section 7.1.
func TestAcceptedServer(t *testing.T) {
	invite := incoming(t, "INVITE", viaA, "")
	s := newScript(t, Config{})
	id := s.opened(invite, udp)
	s.respond(id, invite, 200)
	s.want("0 100 Trying, 0 200 Reason")
	if kept := s.l.handles[uint64(id)]; kept.data != nil || kept.req != nil {
		t.Error("keeps what nobody will ask for")
	}
	s.until(500 * time.Millisecond)
	s.fate(invite, udp, Repeated)
	s.want("") // absorbed in silence
	s.respond(id, invite, 200)
	s.want("0.5 200 Reason") // the user's own repetition
	s.respond(id, invite, 486)
	s.respond(id, invite, 180)
	s.want("")
	if s.l.Counters().Late != 2 {
		t.Errorf("%d late", s.l.Counters().Late)
	}
	_, fate, of := s.request(as(t, invite, sip.ACK, "local"), udp) // with the branch of the INVITE, as some do
	if fate != Ack2xx || of != id {
		t.Errorf("ACK is %v of %d", fate, of)
	}
	own := as(t, invite, sip.ACK, "local")
	own.Via().Params.Add("branch", "z9hG4bKother")
	if id, fate, of := s.request(own, udp); fate != Ack2xx || of != 0 || id != 0 {
		t.Errorf("ACK with a branch of its own is %v of %d", fate, of)
	}
	s.fate(invite, udp, Repeated) // even after the ACK, until L
	s.until(time.Hour)
	s.want("32 server over")
	s.empty()
}

func TestOtherServerTimers(t *testing.T) {
	options := incoming(t, "OPTIONS", viaA, "")
	for _, c := range []struct {
		name string
		flow wire.Flow
		do   func(*script, Server)
		want string
	}{
		{"J over UDP", udp, func(s *script, id Server) {
			s.fate(options, udp, Repeated) // not answered yet: silence
			s.respond(id, options, 200)
			s.until(31 * time.Second)
			s.fate(options, udp, Repeated)
		}, "0 200 Reason, 31 200 Reason, 32 server over"},
		{"J over TCP", tcp, func(s *script, id Server) { s.respond(id, options, 200) }, "0 200 Reason, 0 server over"},
		{"unanswered over UDP", udp, func(s *script, id Server) {
			s.until(4 * time.Second)
			s.fate(options, udp, Repeated)
		}, "3.5 100 Trying, 4 100 Trying, 32 server unanswered, 32 server over"},
		{"unanswered over TCP", tcp, func(*script, Server) {}, "3.5 100 Trying, 32 server unanswered, 32 server over"},
		{"late", udp, func(s *script, id Server) {
			s.until(10 * time.Second)
			s.respond(id, options, 404)
		}, "3.5 100 Trying, 10 404 Reason, 42 server over"},
		{"no 408", udp, func(s *script, id Server) { // RFC 4320 section 4.2
			s.respond(id, options, 408)
			s.fate(options, udp, Repeated)
		}, "32 server over"},
		{"no 408 after 100", udp, func(s *script, id Server) {
			s.until(5 * time.Second)
			s.respond(id, options, 408)
			s.fate(options, udp, Repeated)
		}, "3.5 100 Trying, 37 server over"},
		{"no 183, no early 100", udp, func(s *script, id Server) { // RFC 4320 section 4.1
			s.respond(id, options, 183)
			s.respond(id, options, 100)
			s.until(4 * time.Second)
			s.respond(id, options, 100)
			s.respond(id, options, 183)
			s.respond(id, options, 200)
		}, "3.5 100 Trying, 4 100 Reason, 4 200 Reason, 36 server over"},
		{"100 at any time over TCP", tcp, func(s *script, id Server) {
			s.until(time.Second)
			s.respond(id, options, 100)
			s.until(9 * time.Second)
			s.respond(id, options, 200)
		}, "1 100 Reason, 9 200 Reason, 9 server over"},
		{"a second final", udp, func(s *script, id Server) {
			s.respond(id, options, 200)
			s.respond(id, options, 500)
			s.fate(options, udp, Repeated)
		}, "0 200 Reason, 0 200 Reason, 32 server over"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScript(t, Config{})
			c.do(s, s.opened(options, c.flow))
			s.until(time.Hour)
			s.want(c.want)
			s.empty()
		})
	}
}

func TestTrying(t *testing.T) {
	s := newScript(t, Config{})
	invite := parse(t, `
INVITE sip:200@192.0.2.1 SIP/2.0
v: SIP/2.0/UDP 192.0.2.9:5066;branch=z9hG4bKabc;rport=40000;received=192.0.2.9, SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKfar
f: <sip:201@192.0.2.1>;tag=remote
t: <sip:200@192.0.2.1>
i: call-1
CSeq: 1 INVITE
Timestamp: 54
Contact: <sip:201@192.0.2.9>
Content-Length: 0

`).(*sip.Request)
	s.opened(invite, udp)
	s.note()
	want := strings.ReplaceAll(`SIP/2.0 100 Trying
Via: SIP/2.0/UDP 192.0.2.9:5066;branch=z9hG4bKabc;rport=40000;received=192.0.2.9
Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKfar
From: <sip:201@192.0.2.1>;tag=remote
To: <sip:200@192.0.2.1>
Call-ID: call-1
CSeq: 1 INVITE
Timestamp: 54
Content-Length: 0

`, "\n", "\r\n")
	if got := string(s.last[0].Data); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// TestWhereAnswersGo: only ever to the address that the request came from.
func TestWhereAnswersGo(t *testing.T) {
	for _, c := range []struct {
		via  string
		flow wire.Flow
		want string
	}{
		{"192.0.2.9:5066;branch=z9hG4bK1;rport", udp, "192.0.2.9:40000"},
		{"192.0.2.9:5066;branch=z9hG4bK1;RPORT=40000", udp, "192.0.2.9:40000"},
		{"10.0.0.1:5066;branch=z9hG4bK1;received=192.0.2.9;rport=40000", udp, "192.0.2.9:40000"},
		{"192.0.2.9:5066;branch=z9hG4bK1", udp, "192.0.2.9:5066"},
		{"192.0.2.9;branch=z9hG4bK1", udp, "192.0.2.9:5060"},
		{"198.51.100.1:53;branch=z9hG4bK1", udp, "192.0.2.9:53"},
		{"victim.example:5066;branch=z9hG4bK1;maddr=198.51.100.1", udp, "192.0.2.9:5066"},
		{"192.0.2.9;branch=z9hG4bK1;received=198.51.100.1;rport=53", udp, "192.0.2.9:40000"},
		{"192.0.2.9:70000;branch=z9hG4bK1", udp, "192.0.2.9:40000"},
		{"198.51.100.1:53;branch=z9hG4bK1", tcp, "192.0.2.9:40001"},
	} {
		s := newScript(t, Config{})
		s.opened(incoming(t, "INVITE", c.via, ""), c.flow)
		s.note()
		if got := s.last[0].Flow; got.Remote.String() != c.want || got.Conn != c.flow.Conn || got.Local != c.flow.Local || got.Proto != c.flow.Proto {
			t.Errorf("%s: to %+v, want %s", c.via, got, c.want)
		}
	}
}

func TestCancelServer(t *testing.T) {
	invite := incoming(t, "INVITE", viaA, "")
	s := newScript(t, Config{})
	id := s.opened(invite, udp)
	own, fate, of := s.request(as(t, invite, sip.CANCEL, ""), udp)
	if own == 0 || fate != Cancel || of != id {
		t.Fatalf("CANCEL is %v of %d", fate, of)
	}
	s.fate(as(t, invite, sip.CANCEL, ""), udp, Repeated)
	s.respond(own, as(t, invite, sip.CANCEL, ""), 200)
	s.respond(id, invite, 487)
	s.fate(as(t, invite, sip.CANCEL, ""), udp, Repeated)
	s.fate(as(t, invite, sip.ACK, "local"), udp, Ack)
	s.until(time.Hour)
	s.want("0 100 Trying, 0 200 Reason, 0 487 Reason, 0 200 Reason, 5 server over, 32 server over")
	s.empty()

	// Of what was answered: still its CANCEL; the user answers 200 and leaves it at that.
	id = s.opened(invite, udp)
	s.respond(id, invite, 200)
	if _, fate, of := s.request(as(t, invite, sip.CANCEL, ""), udp); fate != Cancel || of != id {
		t.Errorf("CANCEL after 2xx is %v of %d", fate, of)
	}

	// Of nothing known, and by a stranger.
	s = newScript(t, Config{})
	s.opened(invite, udp)
	s.note()
	elsewhere := udp
	elsewhere.Remote = netip.MustParseAddrPort("192.0.2.10:40000")
	s.fate(as(t, invite, sip.CANCEL, ""), elsewhere, CancelUnknown)
	s.note()
	first := string(s.last[0].Data)
	s.fate(as(t, invite, sip.CANCEL, ""), elsewhere, CancelUnknown)
	s.note()
	if again := string(s.last[0].Data); again != first || !strings.Contains(first, "<sip:200@192.0.2.1>;tag=") {
		t.Errorf("answered differently, or without tag:\n%s\n%s", first, again)
	}
	s.want("0 100 Trying, 0 481 Call/Transaction Does Not Exist, 0 481 Call/Transaction Does Not Exist")
	other := as(t, invite, sip.CANCEL, "")
	other.Via().Host = "192.0.2.8" // same branch, other sent-by
	s.fate(other, udp, CancelUnknown)
}

// TestMerged: RFC 3261 section 8.2.2.2.
func TestMerged(t *testing.T) {
	for _, method := range []string{"INVITE", "OPTIONS"} {
		req := incoming(t, method, viaA, "")
		s := newScript(t, Config{})
		s.opened(req, udp)
		s.note()
		s.log = s.log[:0]
		other := req.Clone()
		other.Via().Params.Add("branch", "z9hG4bKfork")
		from := udp
		from.Remote = netip.MustParseAddrPort("192.0.2.77:5060")
		s.fate(other, from, Merged)
		s.fate(other, from, Merged)
		s.want("0 482 Loop Detected, 0 482 Loop Detected")

		within := other.Clone()
		within.Via().Params.Add("branch", "z9hG4bKwithin")
		within.To().Params.Add("tag", "local")
		s.opened(within, udp)
		next := other.Clone()
		next.Via().Params.Add("branch", "z9hG4bKnext")
		next.CSeq().SeqNo++
		s.opened(next, udp)
		stranger := other.Clone()
		stranger.Via().Params.Add("branch", "z9hG4bKstranger")
		stranger.From().Params.Add("tag", "stranger")
		s.opened(stranger, udp)
		s.until(time.Hour)
		s.empty()
		s.opened(other, from) // the first is long over
	}
}

// TestRFC2543 matches what has no branch that is unique (RFC 3261 section 17.2.3).
func TestRFC2543(t *testing.T) {
	for _, via := range []string{"192.0.2.9:5066", "192.0.2.9:5066;branch=1", "192.0.2.9:5066;branch=z9hG4bK"} {
		invite := incoming(t, "INVITE", via, "")
		s := newScript(t, Config{})
		id := s.opened(invite, udp)
		s.fate(invite, udp, Repeated)
		received := invite.Clone()
		received.Via().Params.Add("received", "192.0.2.9") // filled in on receipt
		s.fate(received, udp, Repeated)
		for what, change := range map[string]func(*sip.Request){
			"URI": func(r *sip.Request) { r.Recipient.User = "999" }, "From tag": func(r *sip.Request) { r.From().Params.Add("tag", "x") },
			"Call-ID": func(r *sip.Request) { c := sip.CallIDHeader("x"); r.ReplaceHeader(&c) }, "CSeq": func(r *sip.Request) { r.CSeq().SeqNo = 9 },
			"Via": func(r *sip.Request) { r.Via().Params.Add("hidden", "x") }, "sent-by": func(r *sip.Request) { r.Via().Host = "192.0.2.8" },
		} {
			r := invite.Clone()
			change(r)
			if k, _ := identify(r); s.l.servers[s.l.serverKey(r, &k, r.Method, udp)] != nil {
				t.Errorf("%s: another %s matches", via, what)
			}
		}
		own, fate, of := s.request(as(t, invite, sip.CANCEL, ""), udp)
		if fate != Cancel || of != id {
			t.Fatalf("%s: CANCEL is %v of %d", via, fate, of)
		}
		s.respond(own, as(t, invite, sip.CANCEL, ""), 200)
		s.respond(id, invite, 487)
		s.fate(as(t, invite, sip.ACK, "forged"), udp, Ack2xx) // the To tag must be that of the response
		s.fate(as(t, invite, sip.ACK, "local"), udp, Ack)
		s.until(time.Hour)
		s.want("0 100 Trying, 0 100 Trying, 0 100 Trying, 0 200 Reason, 0 487 Reason, 5 server over, 32 server over")
		s.empty()
	}
}

// TestOtherWay: the same branch by another protocol is another request.
func TestOtherWay(t *testing.T) {
	s := newScript(t, Config{})
	bye := incoming(t, "BYE", viaA, ";tag=local")
	s.opened(bye, udp)
	s.opened(bye, tcp)
	s.fate(bye, udp, Repeated)
	s.fate(bye, tcp, Repeated)
}

func TestKnown(t *testing.T) {
	s := newScript(t, Config{})
	bye := incoming(t, "BYE", viaA, ";tag=local")
	if s.l.Known(bye, udp) || s.l.Known(nil, udp) {
		t.Error("known before it came")
	}
	id := s.opened(bye, udp)
	if before := s.l.Counters(); !s.l.Known(bye, udp) || s.l.Known(bye, tcp) || s.l.Known(as(t, bye, sip.CANCEL, ""), udp) || s.l.Counters() != before {
		t.Error("not known, or more than that")
	}
	s.respond(id, bye, 200)
	s.until(31 * time.Second)
	if !s.l.Known(bye, udp) {
		t.Error("not known any more")
	}
	s.until(33 * time.Second)
	if s.l.Known(bye, udp) {
		t.Error("still known")
	}
}

func TestUnusable(t *testing.T) {
	s := newScript(t, Config{})
	for _, h := range []string{"Via", "From", "To", "Call-ID", "CSeq"} {
		req := incoming(t, "INVITE", viaA, "")
		req.RemoveHeader(h)
		s.fate(req, udp, Unusable)
	}
	s.fate(nil, udp, Unusable)
	s.want("")
	s.empty()
}

func TestRefusedOrders(t *testing.T) {
	s := newScript(t, Config{})
	req := incoming(t, "OPTIONS", viaA, "")
	id := s.opened(req, udp)
	c := s.l.Start(s.now, outgoing(t, "OPTIONS"), udp)
	s.l.Respond(s.now, 0, response(req, 200, "x"))
	s.l.Respond(s.now, 99, response(req, 200, "x"))
	s.l.Respond(s.now, Server(c), response(req, 200, "x"))
	s.l.Respond(s.now, id, nil)
	s.l.Respond(s.now, id, response(req, 700, "x"))
	s.l.Respond(s.now, id, response(req, 99, "x"))
	s.l.Cancel(s.now, Client(id), "")
	s.l.Cancel(s.now, 99, "")
	s.l.Cancel(s.now, c, "") // no INVITE
	s.l.Limit(s.now, c, time.Second)
	if n := s.l.Counters().Refused; n != 10 {
		t.Errorf("%d refused", n)
	}
	s.want("0 OPTIONS")
}

func TestServerRoom(t *testing.T) {
	s := newScript(t, Config{MaxServer: 16})
	n := 0
	invite := func(more string) *sip.Request {
		n++
		return incoming(t, "INVITE", fmt.Sprintf("192.0.2.9;branch=z9hG4bK%d", n), more)
	}
	next := func(more string) *sip.Request {
		r := invite(more)
		r.CSeq().SeqNo = uint32(n)
		return r
	}
	first := next("")
	s.opened(first, udp)
	for range 13 {
		s.opened(next(""), udp)
	}
	s.note()
	s.log = s.log[:0]
	s.fate(next(""), udp, Full)
	s.note()
	if d := string(s.last[0].Data); !strings.Contains(d, "\r\nRetry-After: 5\r\n") {
		t.Errorf("503 is\n%s", d)
	}
	s.want("0 503 Service Unavailable")
	for range 2 {
		s.opened(next(";tag=local"), udp) // within a dialog
	}
	s.note()
	s.fate(next(";tag=local"), udp, Full)
	s.note()
	if d := string(s.last[0].Data); !strings.Contains(d, "To: <sip:200@192.0.2.1>;tag=local\r\n") {
		t.Errorf("503 is\n%s", d)
	}
	if _, fate, _ := s.request(as(t, first, sip.CANCEL, ""), udp); fate != Cancel {
		t.Errorf("CANCEL is %v in a full layer", fate)
	}
	s.fate(as(t, invite(""), sip.CANCEL, ""), udp, CancelUnknown)
	if c := s.l.Counters(); c.Full != 2 || c.Evicted != 0 {
		t.Errorf("%+v", c)
	}
	s.until(time.Hour)
	s.empty()

	// Finished ones give way.
	for i := range 14 {
		r := next("")
		r.Method, r.CSeq().MethodName = sip.OPTIONS, sip.OPTIONS
		id := s.opened(r, udp)
		if i < 3 {
			s.respond(id, r, 200)
		}
	}
	for range 3 {
		s.opened(next(""), udp)
	}
	s.fate(next(""), udp, Full)
	if c := s.l.Counters(); c.Evicted != 3 {
		t.Errorf("%+v", c)
	}
}

// TestServerRoomForHelp: a call for help is taken when nothing else is.
func TestServerRoomForHelp(t *testing.T) {
	s := newScript(t, Config{MaxServer: 16, Urgent: func(r *sip.Request) bool { return r.Recipient.User == "112" }})
	n := 0
	next := func(user, more string) *sip.Request {
		n++
		r := incoming(t, "INVITE", fmt.Sprintf("192.0.2.9;branch=z9hG4bK%d", n), more)
		r.CSeq().SeqNo = uint32(n)
		r.Recipient.User = user
		return r
	}
	for range 14 {
		s.opened(next("200", ""), udp)
	}
	for range 2 {
		s.opened(next("200", ";tag=local"), udp)
	}
	s.fate(next("200", ""), udp, Full)
	s.opened(next("112", ""), udp)
	s.fate(next("112", ""), udp, Full)
}

func TestCompletedBytes(t *testing.T) {
	const most = 20000
	s := newScript(t, Config{MaxCompleted: most})
	var reqs []*sip.Request
	for i := range 100 {
		r := incoming(t, "REGISTER", fmt.Sprintf("192.0.2.9;branch=z9hG4bK%d", i), "")
		r.CSeq().SeqNo = uint32(i)
		reqs = append(reqs, r)
		s.respond(s.opened(r, udp), r, 200)
		if s.l.doneSize > most {
			t.Fatalf("%d bytes kept", s.l.doneSize)
		}
	}
	s.fate(reqs[99], udp, Repeated)
	kept, _ := s.l.Len()
	if kept < 20 || uint64(kept)+s.l.Counters().Evicted != 100 {
		t.Errorf("%d kept, %d evicted", kept, s.l.Counters().Evicted)
	}
	s.fate(reqs[100-kept], udp, Repeated)
	s.fate(reqs[99-kept], udp, Opened) // the oldest went first
	s.until(time.Hour)
	s.empty()
}

func TestServerLost(t *testing.T) {
	s := newScript(t, Config{})
	var ids []Server
	for i, method := range []string{"INVITE", "INVITE", "INVITE", "OPTIONS", "OPTIONS", "INVITE"} {
		r := incoming(t, method, fmt.Sprintf("192.0.2.9;branch=z9hG4bK%d", i), "")
		r.CSeq().SeqNo = uint32(i + 1)
		flow := tcp
		if i == 5 {
			flow.Conn++
		}
		id := s.opened(r, flow)
		ids = append(ids, id)
		switch i {
		case 1:
			s.respond(id, r, 200)
		case 2:
			s.respond(id, r, 486)
		case 4:
			s.respond(id, r, 200) // over at once
		}
	}
	s.want("0 100 Trying, 0 100 Trying, 0 200 Reason, 0 100 Trying, 0 486 Reason, 0 200 Reason, 0 100 Trying, 0 server over")
	s.l.Lost(s.now, tcp)
	s.want("0 server transport lost, 0 server over, 0 server transport lost, 0 server over, 0 server transport lost, 0 server over, 0 server transport lost, 0 server over")
	if n, _ := s.l.Len(); n != 1 || s.l.handles[uint64(ids[5])] == nil {
		t.Errorf("%d left", n)
	}
	s.l.Lost(s.now, tcp)
	s.l.Lost(s.now, wire.Flow{})
	s.want("")
	s.opened(incoming(t, "OPTIONS", viaA, ""), udp)
	s.l.Lost(s.now, udp) // there is no connection to lose
	s.want("")
	s.until(time.Hour)
	s.empty()
}
