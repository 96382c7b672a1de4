package ua

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"sotto/pbx"
)

// script drives one leg by hand: the other end is the test.
type script struct {
	t   *testing.T
	now time.Time
	leg *Leg
	m   *media
	cfg Config
	seq uint32 // of the other end
	tx  Server
	did []Action // by the last input
}

const theirTag = "theirs"

// parse makes a message of lines, as if it had come from the network.
func parse(t testing.TB, text string) sip.Message {
	t.Helper()
	head, body, _ := strings.Cut(strings.ReplaceAll(text, "\n", "\r\n"), "\r\n\r\n")
	m, err := sip.ParseMessage([]byte(fmt.Sprintf("%s\r\nContent-Length: %d\r\n\r\n%s", head, len(body), body)))
	if err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return m
}

func sdp(what string) string { return "Content-Type: application/sdp\n\nsdp " + what }

// invite starts a leg that is called; more are further headers and perhaps a body.
func invite(t *testing.T, more string) *script {
	s := &script{t: t, now: epoch, cfg: config(1, "192.0.2.1"), seq: 10, tx: 1}
	s.m = s.cfg.Media.(*media)
	req := parse(t, fmt.Sprintf("INVITE sip:102@office SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKi\nFrom: <sip:101@office>;tag=%s\nTo: <sip:102@office>\nCall-ID: c1\nCSeq: 10 INVITE\nContact: <sip:101@192.0.2.9>\nRecord-Route: <sip:p1;lr>, <sip:p2;lr>\nAllow: UPDATE\n%s", theirTag, more)).(*sip.Request)
	s.leg, _ = NewServer(s.now, s.cfg, req, 1)
	s.take()
	return s
}

// outgoing starts a leg that calls.
func outgoing(t *testing.T) *script {
	s := &script{t: t, now: epoch, cfg: config(1, "192.0.2.1"), seq: 0, tx: 1}
	s.m = s.cfg.Media.(*media)
	s.leg = NewClient(s.now, s.cfg, Call{Target: sip.Uri{Scheme: "sip", User: "102", Host: "192.0.2.9"}, To: sip.Uri{User: "102", Host: "office"}, From: sip.Uri{User: "101", Host: "office"}, Name: "Anna \"\\\r\n"})
	s.take()
	return s
}

func (s *script) take() {
	s.did = append([]Action(nil), s.leg.Take()...)
	if s.cfg.Counters.Astray != 0 {
		s.t.Fatal("astray")
	}
}

// gets has the leg take a request; the answer's status comes back, 0 for none.
func (s *script) gets(method, more string) int {
	s.t.Helper()
	if method != "ACK" {
		s.seq++
	}
	return s.getsAs(theirTag, s.seq, method, more)
}

func (s *script) getsAs(tag string, seq uint32, method, more string) int {
	s.t.Helper()
	s.tx++
	tx := s.tx
	if method == "ACK" {
		tx = 0
	}
	req := parse(s.t, fmt.Sprintf("%s sip:box@192.0.2.1 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK%d\nFrom: <sip:101@office>;tag=%s\nTo: <sip:102@office>;tag=%s\nCall-ID: %s\nCSeq: %d %s\n%s", method, s.tx, tag, s.leg.LocalTag(), s.leg.CallID(), seq, method, more)).(*sip.Request)
	s.leg.Request(s.now, req, tx)
	s.take()
	status := 0
	for _, a := range s.did {
		if a.Kind == Respond && a.Server == s.tx {
			if status != 0 {
				s.t.Errorf("%s has two answers", method)
			}
			status = a.Response.StatusCode
		}
	}
	return status
}

// answers gives the leg a response to its last request of a method.
func (s *script) answers(req *sip.Request, c Client, status int, tag, more string) {
	s.t.Helper()
	res := parse(s.t, fmt.Sprintf("SIP/2.0 %d x\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx\nFrom: <sip:101@office>;tag=%s\nTo: <sip:102@office>;tag=%s\nCall-ID: %s\nCSeq: %d %s\nContact: <sip:102@192.0.2.9>\n%s", status, s.leg.LocalTag(), tag, s.leg.CallID(), req.CSeq().SeqNo, req.Method, more)).(*sip.Response)
	s.leg.Response(s.now, res, c)
	s.take()
}

// started is the request that the last input began.
func (s *script) started(method sip.RequestMethod) (*sip.Request, Client) {
	s.t.Helper()
	for _, a := range s.did {
		if a.Kind == Start && a.Request.Method == method {
			return a.Request, a.Client
		}
	}
	s.t.Fatalf("no %s was sent: %s", method, s.what())
	return nil, 0
}

// pass lets time go by.
func (s *script) pass(d time.Duration) {
	end := s.now.Add(d)
	var all []Action
	for {
		at := s.leg.Deadline()
		if at.IsZero() || at.After(end) {
			break
		}
		s.now = at
		s.leg.Expire(at)
		s.take()
		all = append(all, s.did...)
	}
	s.now, s.did = end, all
}

func (s *script) cmd(f func()) {
	f()
	s.take()
}

// what tells in a line what the last input did.
func (s *script) what() string {
	var l []string
	for _, a := range s.did {
		switch a.Kind {
		case Start, Ack:
			l = append(l, fmt.Sprint(a.Kind, " ", a.Request.Method))
		case Respond, Resend:
			l = append(l, fmt.Sprint(a.Kind, " ", a.Response.StatusCode))
		case Cancel:
			l = append(l, "cancel")
		case Tell:
			l = append(l, a.Event.Kind.String())
		}
	}
	return strings.Join(l, ", ")
}

func (s *script) expect(what string) {
	s.t.Helper()
	if got := s.what(); got != what {
		s.t.Errorf("did %q, want %q", got, what)
	}
}

func (s *script) response() *sip.Response {
	s.t.Helper()
	for i := len(s.did) - 1; i >= 0; i-- {
		if s.did[i].Kind == Respond {
			return s.did[i].Response
		}
	}
	s.t.Fatal("no response")
	return nil
}

func (s *script) status(got, want int) {
	s.t.Helper()
	if got != want {
		s.t.Errorf("answered %d, want %d", got, want)
	}
}

// called brings a leg that is called up.
func called(t *testing.T, more string) *script {
	t.Helper()
	s := invite(t, more)
	s.cmd(func() { s.leg.Ring(s.now) })
	s.cmd(func() { s.leg.Answer(s.now) })
	s.gets("ACK", "")
	if s.leg.State() != Up {
		t.Fatal(s.leg.State())
	}
	return s
}

// calling brings a leg that calls up.
func calling(t *testing.T, more string) *script {
	t.Helper()
	s := outgoing(t)
	req, c := s.started(sip.INVITE)
	s.answers(req, c, 200, theirTag, more)
	if s.leg.State() != Up {
		t.Fatal(s.leg.State(), s.what())
	}
	return s
}

// in brings a leg into a state.
func in(t *testing.T, st State) *script {
	t.Helper()
	var s *script
	switch st {
	case Incoming:
		s = invite(t, sdp("x"))
	case Ringing:
		s = invite(t, sdp("x"))
		s.leg.Ring(s.now)
	case Promised:
		s = invite(t, "Require: 100rel\n\n")
		s.leg.Ring(s.now)
		s.leg.Answer(s.now)
	case Accepted:
		s = invite(t, sdp("x"))
		s.leg.Answer(s.now)
	case Leaving:
		s = invite(t, sdp("x"))
		s.leg.Answer(s.now)
		s.leg.Hangup(s.now, pbx.NormalClearing)
	case Proceeding, Cancelling:
		s = outgoing(t)
		req, c := s.started(sip.INVITE)
		s.answers(req, c, 180, theirTag, "\n")
		if st == Cancelling {
			s.leg.Hangup(s.now, pbx.NormalClearing)
		}
	case Up:
		s = called(t, sdp("x"))
	case Closing:
		s = calling(t, sdp("x"))
		s.leg.Hangup(s.now, pbx.NormalClearing)
	case Lingering:
		s = calling(t, sdp("x"))
		s.gets("BYE", "\n")
	case Gone:
		s = called(t, sdp("x"))
		s.gets("BYE", "\n")
	}
	s.take()
	if s.leg.State() != st {
		t.Fatalf("is %v, want %v", s.leg.State(), st)
	}
	return s
}

// TestMethodsInStates holds what every method does in every state.
func TestMethodsInStates(t *testing.T) {
	var b strings.Builder
	for st := Incoming; st < numStates; st++ {
		if st == Calling { // has no dialog yet
			continue
		}
		fmt.Fprintf(&b, "%v\n", st)
		for _, m := range []string{"INVITE", "INVITE sdp", "ACK", "BYE", "UPDATE", "UPDATE sdp", "PRACK", "INFO", "OPTIONS", "MESSAGE", "REFER", "NOTIFY", "SUBSCRIBE", "FROB"} {
			s := in(t, st)
			method, body, _ := strings.Cut(m, " ")
			if body != "" {
				body = sdp("y")
			} else {
				body = "\n"
			}
			if method == "ACK" && st == Accepted {
				s.seq = 10
			}
			status := s.gets(method, body)
			if method != "ACK" && status == 0 {
				t.Errorf("%s in %v has no answer", m, st)
			}
			fmt.Fprintf(&b, "    %-11s %s", m, s.what())
			if now := s.leg.State(); now != st {
				fmt.Fprintf(&b, " → %v", now)
			}
			b.WriteByte('\n')
		}
	}
	golden(t, "methods", b.String())
}

// BenchmarkCall is one leg that is called, from INVITE to BYE, without parsing.
func BenchmarkCall(b *testing.B) {
	cfg := config(1, "192.0.2.1")
	head := "Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKi\nFrom: <sip:101@office>;tag=f\n"
	inv := parse(b, "INVITE sip:102@office SIP/2.0\n"+head+"To: <sip:102@office>\nCall-ID: c1\nCSeq: 10 INVITE\nContact: <sip:101@192.0.2.9>\n"+sdp("x")).(*sip.Request)
	ack := parse(b, "ACK sip:102@office SIP/2.0\n"+head+"To: <sip:102@office>;tag=t\nCall-ID: c1\nCSeq: 10 ACK\n\n").(*sip.Request)
	bye := parse(b, "BYE sip:102@office SIP/2.0\n"+head+"To: <sip:102@office>;tag=t\nCall-ID: c1\nCSeq: 11 BYE\n\n").(*sip.Request)
	b.ReportAllocs()
	for b.Loop() {
		l, _ := NewServer(epoch, cfg, inv, 1)
		l.tag = "t"
		l.Ring(epoch)
		l.Answer(epoch)
		l.Request(epoch, ack, 0)
		l.Request(epoch, bye, 2)
		if l.Take(); l.State() != Gone {
			b.Fatal(l.State())
		}
	}
}

// What a message costs that changes nothing must stay small: it may be one of many.
func TestForgedRequestsAreCheap(t *testing.T) {
	s := called(t, sdp("x"))
	req := parse(t, "BYE sip:box SIP/2.0\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\nFrom: <sip:101@office>;tag=x\nTo: <sip:102@office>;tag=y\nCall-ID: c1\nCSeq: 99 BYE\n\n").(*sip.Request)
	if n := testing.AllocsPerRun(100, func() {
		if s.leg.Matches(req) {
			t.Error("matches")
		}
		s.leg.Deadline()
		s.leg.Expire(s.now)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
