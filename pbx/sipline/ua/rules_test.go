package ua

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"sotto/pbx"
)

func TestRefusedInvites(t *testing.T) {
	for _, c := range []struct {
		more string
		want int
	}{
		{"Require: 100rel, frob\n" + sdp("x"), 420},
		{"Content-Type: application/x\n\nhello", 415},
		{"Content-Type: application/sdp\nContent-Encoding: gzip\n\nsdp", 415},
		{"\nsdp without a type", 400},
		{"Content-Type: application/sdp\n\nnonsense", 400},
		{"Session-Expires: 60\nSupported: timer\n" + sdp("x"), 422},
		{"Contact: <tel:1>\n" + sdp("x"), 400},
		{strings.Repeat("Record-Route: <sip:p;lr>\n", 17) + sdp("x"), 400},
	} {
		s := invite(t, c.more)
		if s.leg.State() != Gone || s.response().StatusCode != c.want || len(s.did) != 1 {
			t.Errorf("%.40q: %s", c.more, s.what())
		}
	}
	s := invite(t, "Content-Type: application/x\nContent-Disposition: session;handling=optional\n\nhello")
	if s.leg.State() != Incoming {
		t.Error("an optional body is refused")
	}
	if s := invite(t, "Session-Expires: 60\nSupported: timer\n"+sdp("x")); s.response().GetHeader("Min-SE").Value() != "90" {
		t.Error("no Min-SE in the 422")
	}
}

func TestDialog(t *testing.T) {
	s := called(t, sdp("x"))
	s.cmd(func() { s.leg.Hangup(s.now, pbx.UserBusy) })
	bye, _ := s.started(sip.BYE)
	for _, line := range []string{"BYE sip:101@192.0.2.9 SIP/2.0", "From: <sip:102@office>;tag=" + s.leg.LocalTag(), "To: <sip:101@office>;tag=theirs", "Call-ID: c1", "CSeq: 1 BYE", "Route: <sip:p1;lr>\r\nRoute: <sip:p2;lr>", "Reason: Q.850;cause=17", "Max-Forwards: 70", "Content-Length: 0"} {
		if !strings.Contains(bye.String(), line+"\r\n") {
			t.Errorf("no %q in\n%s", line, bye)
		}
	}
	if len(s.leg.LocalTag()) != 26 {
		t.Error(s.leg.LocalTag())
	}
	s = calling(t, "Record-Route: <sip:p1;lr>, <sip:p2>\n"+sdp("x"))
	s.cmd(func() { s.leg.Hangup(s.now, pbx.NormalClearing) })
	bye, _ = s.started(sip.BYE)
	for _, line := range []string{"BYE sip:p2 SIP/2.0", "Route: <sip:p1;lr>\r\nRoute: <sip:102@192.0.2.9>", `From: "Anna '/" <sip:101@office>;tag=` + s.leg.LocalTag()} {
		if !strings.Contains(bye.String(), line+"\r\n") {
			t.Errorf("no %q in\n%s", line, bye)
		}
	}
}

func TestForgedAndReplayed(t *testing.T) {
	s := called(t, sdp("x"))
	s.status(s.getsAs("other", 50, "BYE", "\n"), 481)
	s.status(s.getsAs("", 50, "BYE", "\n"), 481)
	s.status(s.getsAs("THEIRS", 50, "BYE", "\n"), 481)
	s.status(s.getsAs(theirTag, 10, "BYE", "\n"), 500)
	s.status(s.getsAs(theirTag, 9, "INFO", "\n"), 500)
	s.status(s.getsAs(theirTag, 4000, "OPTIONS", "\n"), 200)
	s.status(s.getsAs(theirTag, 12, "BYE", "\n"), 500)
	for _, other := range []string{"To: <sip:102@office>;tag=no\nCall-ID: c1", "To: <sip:102@office>\nCall-ID: c1", "To: <sip:102@office>;tag=" + s.leg.LocalTag() + "\nCall-ID: C1"} {
		req := parse(t, "BYE sip:box SIP/2.0\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\nFrom: <sip:101@office>;tag=theirs\n"+other+"\nCSeq: 5000 BYE\n\n").(*sip.Request)
		if s.leg.Matches(req) {
			t.Errorf("%s matches", other)
		}
	}
	if s.leg.State() != Up || s.cfg.Counters.Unmatched != 3 || s.cfg.Counters.StaleCSeq != 3 {
		t.Errorf("%v %+v", s.leg.State(), s.cfg.Counters)
	}
	s.status(s.getsAs(theirTag, 4001, "BYE", "Reason: SIP;cause=486, Q.850;cause=34;text=\"x\"\n\n"), 200)
	s.expect("respond 200, hangs up, over")
	if s.did[1].Event.Cause != pbx.NoCircuit {
		t.Error(s.did[1].Event)
	}
}

func TestHold(t *testing.T) {
	for _, method := range []string{"INVITE", "UPDATE"} {
		for _, hold := range []string{"sendonly", "inactive", "c=0.0.0.0"} {
			s := called(t, sdp("x"))
			s.status(s.gets(method, sdp(hold)), 200)
			if s.expect("respond 200, holds"); method == "INVITE" {
				s.gets("ACK", "\n")
			}
			s.status(s.gets(method, sdp(hold)), 200)
			if s.expect("respond 200"); method == "INVITE" {
				s.gets("ACK", "\n")
			}
			s.m.refuse = ErrMalformed
			s.status(s.gets(method, sdp("sendrecv")), 400)
			s.expect("respond 400")
			s.m.refuse = nil
			s.status(s.gets(method, "Contact: <sip:new@192.0.2.10?Evil=1>\n"+sdp("sendrecv")), 200)
			s.expect("respond 200, retrieves")
			if target := s.leg.Target(); target.User != "new" || len(target.Headers) != 0 {
				t.Error(target)
			}
		}
	}
}

func TestLateOffer(t *testing.T) {
	s := invite(t, "\n")
	s.cmd(func() { s.leg.Answer(s.now) })
	if s.expect("respond 200"); len(s.response().Body()) == 0 {
		t.Error("no offer")
	}
	s.status(s.gets("INVITE", sdp("x")), 491)
	s.status(s.gets("UPDATE", sdp("x")), 491)
	s.seq = 10
	s.gets("ACK", sdp("sendonly"))
	if s.expect("holds"); s.leg.State() != Up || s.m.accepts != 1 {
		t.Error(s.leg.State())
	}
	for _, body := range []string{"\n", sdp("x"), "Content-Type: application/sdp\n\nnonsense"} {
		s := invite(t, "\n")
		s.m.badReply = true
		s.leg.Answer(s.now)
		s.take()
		s.gets("ACK", body)
		s.expect("hangs up, start BYE")
	}
	s = called(t, sdp("x")) // a re-INVITE without offer
	s.status(s.gets("INVITE", "\n"), 200)
	s.gets("ACK", sdp("inactive"))
	s.expect("holds")
}

func TestStrayAck(t *testing.T) {
	s := in(t, Accepted)
	s.seq = 9
	s.gets("ACK", "\n")
	if s.leg.State() != Accepted || s.cfg.Counters.Stray != 1 {
		t.Error(s.leg.State())
	}
	s.cmd(func() { s.leg.Canceled(s.now, 1) }) // too late
	if s.leg.State() != Accepted || s.cfg.Counters.Stray != 2 {
		t.Error(s.leg.State())
	}
}

func TestTooEarlyInvite(t *testing.T) {
	s := in(t, Ringing)
	s.status(s.gets("INVITE", sdp("x")), 500)
	if v := s.response().GetHeader("Retry-After").Value(); number(v, 99) > 10 {
		t.Error(v)
	}
	s.status(s.gets("UPDATE", sdp("x")), 500)
	s.cmd(func() { s.leg.Canceled(s.now, 1) })
	s.expect("respond 487, hangs up, over")
}

func TestReliableRinging(t *testing.T) {
	s := invite(t, "Require: 100rel\n\n")
	s.cmd(func() { s.leg.Ring(s.now) })
	res := s.response()
	rseq := res.GetHeader("RSeq").Value()
	if len(res.Body()) == 0 || res.GetHeader("Require").Value() != "100rel" {
		t.Error(res)
	}
	s.pass(20 * time.Second) // 0.5, 1.5, 3.5, 7.5, 15.5
	s.expect("respond 180, respond 180, respond 180, respond 180, respond 180")
	s.cmd(func() { s.leg.Answer(s.now) })
	s.expect("")
	s.status(s.gets("PRACK", "RAck: 1 2 INVITE\n"+sdp("y")), 481)
	s.status(s.gets("PRACK", "RAck: "+rseq+" 10 INVITE\n\n"), 400) // the answer is missing
	s.status(s.gets("PRACK", "RAck: "+rseq+" 10 INVITE\n"+sdp("y")), 200)
	s.expect("respond 200, respond 200")
	if s.leg.State() != Accepted || len(s.response().Body()) != 0 {
		t.Error(s.leg.State())
	}
	s.status(s.gets("PRACK", "RAck: "+rseq+" 10 INVITE\n"+sdp("y")), 481)

	s = invite(t, "Require: 100rel\n"+sdp("x")) // lost PRACKs
	s.cmd(func() { s.leg.Ring(s.now) })
	s.pass(40 * time.Second)
	s.expect(strings.Repeat("respond 180, ", 6) + "respond 504, hangs up, over")
	if got := s.now.Sub(epoch); got != 40*time.Second || s.cfg.Counters.NoPrack != 1 {
		t.Error(got)
	}

	s = invite(t, "Require: 100rel\n"+sdp("x")) // answered before its PRACK, which may come later
	s.cmd(func() { s.leg.Ring(s.now) })
	rseq = s.response().GetHeader("RSeq").Value()
	s.cmd(func() { s.leg.Answer(s.now) })
	s.expect("respond 200")
	s.status(s.gets("PRACK", "RAck: "+rseq+" 10 INVITE\n\n"), 200)
	s.pass(time.Second)
	s.expect("resend 200")

	s = invite(t, sdp("x")) // every minute
	s.cmd(func() { s.leg.Ring(s.now) })
	s.pass(150 * time.Second)
	s.expect("respond 180, respond 180")
}

func TestReliableProgress(t *testing.T) {
	s := outgoing(t)
	inv, c := s.started(sip.INVITE)
	s.answers(inv, c, 183, theirTag, "Require: 100rel\nRSeq: 7\n"+sdp("x"))
	s.expect("start PRACK, rings")
	if !s.did[1].Event.Early {
		t.Error("not early")
	}
	prack, pc := s.started(sip.PRACK)
	if v := prack.GetHeader("RAck").Value(); v != "7 1 INVITE" {
		t.Error(v)
	}
	s.answers(inv, c, 183, theirTag, "Require: 100rel\nRSeq: 7\n"+sdp("x"))
	s.expect("")
	s.answers(inv, c, 180, theirTag, "Require: 100rel\nRSeq: 9\n\n")
	s.expect("")
	s.answers(inv, c, 180, theirTag, "Require: 100rel\nRSeq: 8\n\n")
	s.expect("start PRACK")
	s.answers(prack, pc, 200, theirTag, "\n")
	s.status(s.gets("UPDATE", sdp("y")), 200) // offer and answer are over: a new one may come
	s.answers(inv, c, 200, theirTag, "\n")
	if s.expect("ack ACK, answers"); s.leg.State() != Up {
		t.Error(s.leg.State())
	}
}

func TestUselessAnswers(t *testing.T) {
	for _, body := range []string{"\n", "Content-Type: application/sdp\n\nnonsense", "Content-Type: text/plain\n\nsdp"} {
		s := outgoing(t)
		inv, c := s.started(sip.INVITE)
		s.answers(inv, c, 200, theirTag, body)
		s.expect("ack ACK, refuses, start BYE")
		if s.did[1].Event.Status != 488 {
			t.Error(s.did[1].Event)
		}
	}
	s := outgoing(t)
	inv, c := s.started(sip.INVITE)
	s.m.badReply = true
	s.answers(inv, c, 183, theirTag, "Require: 100rel\nRSeq: 7\n"+sdp("x"))
	s.expect("start PRACK, refuses, cancel")
}

func TestRefusals(t *testing.T) {
	s := outgoing(t)
	inv, c := s.started(sip.INVITE)
	s.answers(inv, c, 486, theirTag, "Reason: Q.850;cause=19\nRetry-After: 20 (x)\n\n")
	s.expect("refuses, over")
	if e := s.did[0].Event; e.Status != 486 || e.Cause != pbx.NoAnswerFromUser || e.RetryAfter != 20*time.Second {
		t.Error(e)
	}
	s = outgoing(t)
	s.cmd(func() { s.leg.Timeout(s.now, 1) })
	s.expect("refuses, over")
	if e := s.did[0].Event; e.Status != 408 {
		t.Error(e)
	}
}

func TestForks(t *testing.T) {
	s := outgoing(t)
	inv, c := s.started(sip.INVITE)
	s.answers(inv, c, 180, "one", "\n")
	s.answers(inv, c, 183, "two", sdp("early two"))
	s.answers(inv, c, 200, "one", sdp("one"))
	s.expect("ack ACK, answers")
	if s.m.remote != "sdp one" {
		t.Error(s.m.remote)
	}
	s.answers(inv, c, 200, "two", sdp("two"))
	s.expect("ack ACK, start BYE")
	s.answers(inv, c, 200, "two", sdp("two"))
	s.expect("ack ACK")
	s.answers(inv, c, 200, "one", sdp("one"))
	s.expect("ack ACK")
	s.status(s.getsAs("two", 1, "INVITE", sdp("x")), 481)
	s.status(s.getsAs("two", 2, "BYE", "\n"), 200)
	s.status(s.getsAs("one", 1, "BYE", "\n"), 200)
	if s.expect("respond 200, hangs up"); s.leg.State() != Lingering || s.m.remote != "sdp one" {
		t.Error(s.leg.State(), s.m.remote)
	}
	s.answers(inv, c, 200, "three", sdp("three"))
	s.expect("ack ACK, start BYE")
	for _, tag := range strings.Split("abcdefghij", "") {
		s.answers(inv, c, 200, tag, sdp("x"))
	}
	if s.cfg.Counters.TooMany != 5 || s.cfg.Counters.Forks != 7 {
		t.Errorf("%+v", s.cfg.Counters)
	}
	s.pass(33 * time.Second)
	s.expect("over")
}

func TestCancelledAnswer(t *testing.T) {
	s := in(t, Proceeding)
	s.cmd(func() { s.leg.Hangup(s.now, Elsewhere) })
	if s.expect("cancel"); s.did[0].Reason != `SIP;cause=200;text="Call completed elsewhere"` {
		t.Error(s.did[0].Reason)
	}
	inv := s.leg.newRequest(nil, sip.INVITE, 1)
	s.answers(inv, 1, 200, theirTag, sdp("x"))
	s.expect("ack ACK, start BYE")
	s.cmd(func() { s.leg.Timeout(s.now, 2) })
	s.pass(33 * time.Second)
	s.expect("over")
}

// A PRACK may bring an offer once the first exchange is over (RFC 3262 section 5).
func TestOfferInPrack(t *testing.T) {
	s := invite(t, "Require: 100rel\n\n")
	s.cmd(func() { s.leg.Ring(s.now) })
	s.status(s.gets("PRACK", "RAck: "+s.response().GetHeader("RSeq").Value()+" 10 INVITE\n"+sdp("one")), 200)
	s.pass(time.Minute)
	rseq := s.response().GetHeader("RSeq").Value()
	s.status(s.gets("PRACK", "RAck: "+rseq+" 10 INVITE\nContent-Type: text/x\n\nx"), 415)
	s.status(s.gets("PRACK", "RAck: "+rseq+" 10 INVITE\nContent-Type: application/sdp\n\nnonsense"), 400)
	s.status(s.gets("PRACK", "RAck: x 10 INVITE\n\n"), 481)
	s.status(s.gets("PRACK", "RAck: "+rseq+" 10 INVITE\n"+sdp("two")), 200)
	if s.m.remote != "sdp two" || len(s.response().Body()) == 0 {
		t.Error(s.m.remote)
	}

	s = invite(t, "Require: 100rel\n"+sdp("x")) // but not while the INVITE's waits
	s.cmd(func() { s.leg.Ring(s.now) })
	s.status(s.gets("PRACK", "RAck: "+s.response().GetHeader("RSeq").Value()+" 10 INVITE\n"+sdp("y")), 500)
}

func TestReject(t *testing.T) {
	for _, c := range []struct {
		status, want int
		retry        time.Duration
	}{{486, 486, 0}, {503, 503, 20 * time.Second}, {200, 500, 0}, {700, 500, 0}} {
		s := in(t, Ringing)
		s.cmd(func() { s.leg.Reject(s.now, c.status, c.retry) })
		s.status(s.response().StatusCode, c.want)
		if h := s.response().GetHeader("Retry-After"); (h != nil) != (c.retry > 0) {
			t.Error(h)
		}
		s.expect("respond " + strings.Fields(s.response().StartLine())[1] + ", over")
	}
	s := in(t, Ringing)
	s.cmd(func() { s.leg.Hangup(s.now, pbx.NoAnswerFromUser) })
	s.status(s.response().StatusCode, 480)
}

func TestAnswerThatCannotBeMade(t *testing.T) {
	s := in(t, Ringing)
	s.m.refuse = errors.New("no common codec")
	s.cmd(func() { s.leg.Answer(s.now) })
	s.expect("respond 488, hangs up, over")
}

// A telephone cannot have the box keep more than so many PRACKs.
func TestFloodOfProgress(t *testing.T) {
	s := outgoing(t)
	inv, c := s.started(sip.INVITE)
	for i := range 100 {
		s.answers(inv, c, 183, theirTag, fmt.Sprintf("Require: 100rel\nRSeq: %d\n\n", i+1))
	}
	if len(s.leg.clients) != maxWaits || s.cfg.Counters.TooMany == 0 {
		t.Errorf("%d %+v", len(s.leg.clients), s.cfg.Counters)
	}
}

func TestRoutes(t *testing.T) {
	s := outgoing(t)
	if u := s.leg.Target(); u.Host != "192.0.2.9" || len(s.leg.Routes()) != 0 {
		t.Error(u, s.leg.Routes())
	}
	s = called(t, sdp("x"))
	if r := s.leg.Routes(); len(r) != 2 || r[0].Host != "p1" {
		t.Error(r)
	}
	l := NewClient(epoch, config(1, "192.0.2.1"), Call{Target: sip.Uri{User: "x", Host: "h", Headers: sip.HeaderParams{{K: "Evil", V: "1"}}}, Route: []sip.Uri{{Host: "edge", UriParams: sip.HeaderParams{{K: "lr"}}}}})
	if text := l.Take()[0].Request.String(); !strings.HasPrefix(text, "INVITE sip:x@h SIP/2.0\r\n") || !strings.Contains(text, "\r\nRoute: <sip:edge;lr>\r\n") {
		t.Error(text)
	}
}

func TestEscapeUser(t *testing.T) {
	if got := EscapeUser("+49 #1@x:\r\nä"); got != "+49%20%231%40x%3A%0D%0A%C3%A4" {
		t.Error(got)
	}
	if got := EscapeUser(strings.Repeat("%", 1000)); len(got) > 130 {
		t.Error(len(got))
	}
}
