package ua

import (
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"sotto/pbx"
)

func TestRefreshedByThem(t *testing.T) {
	s := called(t, "Supported: timer\nSession-Expires: 600;refresher=uac\n"+sdp("x"))
	s.pass(567 * time.Second)
	s.expect("")
	s.status(s.gets("UPDATE", "Supported: timer\nSession-Expires: 90;refresher=uac\n\n"), 200)
	res := s.response()
	if v := res.GetHeader("Session-Expires").Value(); v != "90;refresher=uac" || res.GetHeader("Require").Value() != "timer" {
		t.Error(res)
	}
	s.pass(60*time.Second - 1)
	s.expect("")
	s.pass(1) // 90 s less a third
	s.expect("hangs up, start BYE")
	if s.did[0].Event.Cause != pbx.RecoveryOnTimer || s.cfg.Counters.Expired != 1 {
		t.Error(s.did[0].Event)
	}
}

func TestRefreshing(t *testing.T) {
	s := called(t, "Supported: timer\nSession-Expires: 600;refresher=uas\n"+sdp("x"))
	s.pass(300*time.Second - 1)
	s.expect("")
	s.pass(1)
	s.expect("start UPDATE")
	req, c := s.started(sip.UPDATE)
	if v := req.GetHeader("Session-Expires").Value(); v != "600;refresher=uac" || len(req.Body()) != 0 {
		t.Error(req)
	}
	s.answers(req, c, 200, theirTag, "Session-Expires: 600;refresher=uac\n\n")
	s.pass(300 * time.Second)
	req, c = s.started(sip.UPDATE)
	s.answers(req, c, 501, theirTag, "\n") // then by re-INVITE
	req, c = s.started(sip.INVITE)
	s.answers(req, c, 422, theirTag, "Min-SE: 1000\n\n")
	req, c = s.started(sip.INVITE)
	if req.GetHeader("Session-Expires").Value() != "1000;refresher=uac" || req.GetHeader("Min-SE").Value() != "1000" {
		t.Error(req)
	}
	s.answers(req, c, 200, theirTag, "Session-Expires: 1000;refresher=uac\n"+sdp("x"))
	s.expect("ack ACK")
	s.pass(500 * time.Second)
	_, c = s.started(sip.INVITE)
	s.cmd(func() { s.leg.Timeout(s.now, c) })
	s.expect("hangs up, start BYE")
}

// A refresh that is refused is tried again until the end of the session is near.
func TestRefreshRefused(t *testing.T) {
	s := called(t, "Supported: timer\nSession-Expires: 600;refresher=uas\n"+sdp("x"))
	tries := 0
	for s.leg.State() == Up {
		s.now = s.leg.Deadline()
		s.leg.Expire(s.now)
		if s.take(); s.leg.State() == Up {
			req, c := s.started(sip.UPDATE)
			tries++
			s.answers(req, c, 503, theirTag, "\n")
		}
	}
	if got := s.now.Sub(epoch); got != 568*time.Second || tries < 3 || tries > 10 {
		t.Errorf("after %v and %d tries", got, tries)
	}
}

// A telephone without session timers is asked all the same, and any answer will do.
func TestNoSessionTimer(t *testing.T) {
	s := calling(t, "Allow: INVITE\n"+sdp("x"))
	for range 3 {
		s.pass(900 * time.Second)
		s.expect("start INVITE")
		req, c := s.started(sip.INVITE)
		s.answers(req, c, 488, theirTag, "\n")
	}
	s.pass(900 * time.Second)
	_, c := s.started(sip.INVITE)
	s.cmd(func() { s.leg.Timeout(s.now, c) })
	s.expect("hangs up, start BYE")
}

func TestSessionTimerAsCaller(t *testing.T) {
	s := outgoing(t)
	req, c := s.started(sip.INVITE)
	if req.GetHeader("Session-Expires").Value() != "1800" {
		t.Error(req)
	}
	s.answers(req, c, 422, theirTag, "Min-SE: 4000\n\n")
	req, c = s.started(sip.INVITE)
	if req.GetHeader("Session-Expires").Value() != "4000" || req.GetHeader("Min-SE").Value() != "4000" || req.CSeq().SeqNo != 2 {
		t.Error(req)
	}
	s.answers(req, c, 200, theirTag, "Session-Expires: 4000;refresher=uas\n"+sdp("x"))
	s.pass(3968*time.Second - 1)
	s.expect("")
	s.pass(1)
	s.expect("hangs up, start BYE")

	s = outgoing(t)
	req, c = s.started(sip.INVITE)
	s.answers(req, c, 422, theirTag, "Min-SE: 90\n\n") // no more than was asked for
	s.expect("refuses, over")
}

func TestPatience(t *testing.T) {
	s := called(t, sdp("x"))
	s.cmd(func() { s.leg.Reoffer(s.now) })
	req, c := s.started(sip.INVITE)
	s.answers(req, c, 183, theirTag, "\n")
	s.status(s.gets("INVITE", sdp("x")), 491)
	s.pass(32 * time.Second)
	s.expect("cancel")
	s.answers(req, c, 487, theirTag, "\n")
	if s.expect(""); s.leg.State() != Up {
		t.Error(s.leg.State())
	}
	s.cmd(func() { s.leg.Reoffer(s.now) })
	req, c = s.started(sip.INVITE)
	s.answers(req, c, 481, theirTag, "\n")
	s.expect("hangs up, start BYE")
}

// An own re-INVITE that came at a bad moment is sent again, but not for ever.
func TestReofferAgain(t *testing.T) {
	s := called(t, sdp("x"))
	s.cmd(func() { s.leg.Reoffer(s.now) })
	for range maxTries {
		req, c := s.started(sip.INVITE)
		s.answers(req, c, 500, theirTag, "Retry-After: 7\n\n")
		s.expect("")
		s.pass(7*time.Second - 1)
		s.expect("")
		s.pass(1)
	}
	req, c := s.started(sip.INVITE)
	s.answers(req, c, 500, theirTag, "Retry-After: 7\n\n")
	s.pass(time.Minute)
	if s.expect(""); s.cfg.Counters.GaveUp != 1 || s.leg.State() != Up {
		t.Errorf("%+v", s.cfg.Counters)
	}
}

// How long an own offer waits after 491 (RFC 3261 section 14.1).
func TestGlareWait(t *testing.T) {
	for _, caller := range []bool{true, false} {
		s := called(t, sdp("x"))
		low, high := 0*time.Millisecond, 2*time.Second
		if caller {
			s = calling(t, sdp("x"))
			low, high = 2100*time.Millisecond, 4*time.Second
		}
		seen := map[time.Duration]bool{}
		for range 500 {
			s.cmd(func() { s.leg.Reoffer(s.now) })
			req, c := s.started(sip.INVITE)
			s.answers(req, c, 491, theirTag, "\n")
			at := s.now
			if s.what() == "" { // else it waited no time at all
				s.leg.wantOffer(arg{})
				s.now = s.leg.timers[TimeRetry-firstTimer]
				s.leg.Expire(s.now)
				s.take()
			}
			wait := s.now.Sub(at)
			if seen[wait] = true; wait < low || wait > high || wait%(10*time.Millisecond) != 0 {
				t.Fatalf("caller %v waits %v", caller, wait)
			}
			req, c = s.started(sip.INVITE)
			s.answers(req, c, 200, theirTag, sdp("x"))
		}
		if len(seen) < 100 {
			t.Errorf("%d different waits", len(seen))
		}
	}
}
