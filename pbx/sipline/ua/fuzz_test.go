package ua

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"sotto/pbx"
)

// judge looks at everything that a leg does.
type judge struct {
	t        *testing.T
	leg      *Leg
	count    *Counters
	open     map[Server]bool // waits for its final answer
	clients  map[Client]*sip.Request
	started  []Client
	hungUp   bool // nothing may be told but Over
	over     bool
	accepted bool // a 2xx went out
}

func (j *judge) look() {
	actions := j.leg.Take()
	if len(actions) > 12 {
		j.t.Fatalf("%d actions at once", len(actions))
	}
	for _, a := range actions {
		switch a.Kind {
		case Start:
			j.clients[a.Client] = a.Request
			j.started = append(j.started, a.Client)
		case Cancel:
			if r := j.clients[a.Client]; r == nil || r.Method != sip.INVITE {
				j.t.Fatal("cancels what is no INVITE")
			}
		case Respond:
			open, known := j.open[a.Server]
			if !known || !open {
				j.t.Fatalf("answers %d to %d, which has its answer", a.Response.StatusCode, a.Server)
			}
			j.open[a.Server] = a.Response.StatusCode < 200
			if a.Server == 1 && a.Response.StatusCode/100 == 2 {
				j.accepted = true
			}
		case Tell:
			if j.over || j.hungUp && a.Event.Kind != Over {
				j.t.Fatalf("tells %v of a leg that is over", a.Event.Kind)
			}
			j.over = a.Event.Kind == Over
			j.hungUp = j.hungUp || a.Event.Kind == HangsUp || a.Event.Kind == Refuses
		}
	}
	if j.over != (j.leg.State() == Gone) || j.over && !j.leg.Deadline().IsZero() {
		j.t.Fatalf("over %v in state %v with deadline %v", j.over, j.leg.State(), j.leg.Deadline())
	}
	if j.count.Astray != 0 {
		j.t.Fatal("moved astray")
	}
	for s, open := range j.open {
		if open && s != 1 {
			j.t.Fatal("a request within the dialog has no answer")
		}
	}
}

var bodies = []string{"\n", "\n", sdp("x"), sdp("sendonly"), "Content-Type: application/sdp\n\nnonsense", "Content-Type: text/x\n\nx",
	"Content-Type: application/dtmf-relay\n\nSignal=4"}

var extras = []string{"", "", "", "Require: 100rel\nRSeq: 5\n", "Require: 100rel\nRSeq: 6\n", "Supported: timer\nSession-Expires: 100;refresher=uac\n",
	"Supported: timer\nSession-Expires: 40\n", "Min-SE: 3000\n", "Require: frob\n", "Retry-After: 3\n", "RAck: 5 10 INVITE\n", "Session-Expires: 200;refresher=uas\n",
	"Contact: <sip:other@192.0.2.8>\n", "Allow: INVITE\n", "Reason: Q.850;cause=300, SIP;cause=600\n"}

// play drives a leg by a script of bytes.
func play(t *testing.T, script []byte) {
	script = script[:min(len(script), 600)] // what is longer tells no more
	pick := func(n int) int {
		if len(script) == 0 {
			return 0
		}
		b := script[0]
		script = script[1:]
		return int(b) % n
	}
	now, cfg := epoch, config(uint64(len(script)), "192.0.2.1")
	m := cfg.Media.(*media)
	j := &judge{t: t, count: cfg.Counters, open: map[Server]bool{}, clients: map[Client]*sip.Request{}}
	tags := []string{theirTag, theirTag, theirTag, "one", "two", ""}
	methods := []string{"INVITE", "ACK", "BYE", "UPDATE", "PRACK", "INFO", "OPTIONS", "MESSAGE", "FROB"}
	tx, seq := Server(1), uint32(10)
	if pick(2) == 0 {
		j.open[1] = true
		req := parse(t, fmt.Sprintf("INVITE sip:102@office SIP/2.0\nVia: SIP/2.0/UDP h;branch=z9hG4bKi\nFrom: <sip:101@office>;tag=%s\nTo: <sip:102@office>\nCall-ID: c1\nCSeq: 10 INVITE\nContact: <sip:101@192.0.2.9>\n%s%s", theirTag, extras[pick(len(extras))], bodies[pick(len(bodies))])).(*sip.Request)
		leg, ok := NewServer(now, cfg, req, 1)
		if !ok {
			if a := leg.Take(); len(a) != 1 || a[0].Kind != Respond || a[0].Response.StatusCode < 400 {
				t.Fatalf("refuses by %v", a)
			}
			return
		}
		j.leg = leg
	} else {
		j.leg = NewClient(now, cfg, Call{Target: sip.Uri{Host: "192.0.2.9"}, To: sip.Uri{Host: "office"}, From: sip.Uri{Host: "office"}})
	}
	j.look()
	for len(script) > 0 {
		switch pick(14) {
		case 0:
			j.leg.Ring(now)
		case 1:
			j.leg.Answer(now)
		case 2:
			if pick(4) == 0 {
				j.leg.Reject(now, 480+pick(10), time.Duration(pick(3))*time.Second)
				j.hungUp = true
				if st := j.leg.State(); st != Gone {
					j.hungUp = st == Leaving || st == Closing || st == Cancelling || st == Lingering
				}
			}
		case 3:
			if pick(8) == 0 {
				j.leg.Hangup(now, pbx.Cause(pick(128)))
				j.hungUp = true
			}
		case 4:
			j.leg.Reoffer(now)
		case 5, 6, 7, 8:
			method := methods[pick(len(methods))]
			tx++
			if method == "ACK" {
				seq -= uint32(pick(2))
			} else {
				seq += uint32(pick(3))
				j.open[tx] = true
			}
			req := parse(t, fmt.Sprintf("%s sip:box SIP/2.0\nVia: SIP/2.0/UDP h;branch=z9hG4bK%d\nFrom: <sip:101@office>;tag=%s\nTo: <sip:102@office>;tag=%s\nCall-ID: %s\nCSeq: %d %s\n%s%s", method, tx, tags[pick(len(tags))], j.leg.LocalTag(), j.leg.CallID(), seq, method, extras[pick(len(extras))], bodies[pick(len(bodies))])).(*sip.Request)
			if method == "ACK" {
				j.leg.Request(now, req, 0)
			} else {
				j.leg.Request(now, req, tx)
			}
		case 9, 10, 11:
			if len(j.started) == 0 {
				continue
			}
			c := j.started[len(j.started)-1-pick(min(3, len(j.started)))]
			r := j.clients[c]
			status := []int{100, 180, 183, 200, 200, 200, 302, 408, 422, 481, 486, 491, 500, 501}[pick(14)]
			res := parse(t, fmt.Sprintf("SIP/2.0 %d x\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\nFrom: <sip:101@office>;tag=%s\nTo: <sip:102@office>;tag=%s\nCall-ID: %s\nCSeq: %d %s\n%s%s", status, j.leg.LocalTag(), tags[pick(len(tags))], j.leg.CallID(), r.CSeq().SeqNo, r.Method, extras[pick(len(extras))], bodies[pick(len(bodies))])).(*sip.Response)
			j.leg.Response(now, res, c)
		case 12:
			switch pick(4) {
			case 0:
				j.leg.Canceled(now, Server(pick(3)))
			case 1:
				j.leg.Timeout(now, Client(pick(5)))
			case 2:
				j.leg.Lost(now, Client(pick(5)))
			case 3:
				m.badReply, m.refuse = pick(2) == 0, nil
				if pick(3) == 0 {
					m.refuse = ErrMalformed
				}
			}
		case 13:
			now = now.Add(time.Duration(pick(256)) * 100 * time.Millisecond)
			j.leg.Expire(now)
		}
		j.look()
	}
	// Released, every leg comes to its end, whatever the other end does or does not.
	j.leg.Hangup(now, pbx.NormalClearing)
	j.hungUp = true
	j.look()
	end := now.Add(64*t1 + 64*t1 + 64*t1 + 10*time.Second)
	for j.leg.State() != Gone {
		at := j.leg.Deadline()
		if at.IsZero() || at.After(end) {
			t.Fatalf("%v hangs, deadline %v", j.leg.State(), at.Sub(now))
		}
		j.leg.Expire(at)
		j.look()
	}
	if j.open[1] {
		t.Fatal("the INVITE has no answer")
	}
}

func FuzzLeg(f *testing.F) {
	f.Add([]byte{0, 0, 2, 0, 1, 5, 1, 0, 0, 0, 2})
	f.Add([]byte{1, 9, 0, 1, 0, 0, 0, 9, 0, 3, 0, 0, 2})
	f.Fuzz(play)
}

// TestRandom plays scripts by chance.
func TestRandom(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	n := 4000
	if testing.Short() {
		n = 400
	}
	for range n {
		script := make([]byte, 20+r.IntN(200))
		for i := range script {
			script[i] = byte(r.Uint32())
		}
		play(t, script)
	}
}
