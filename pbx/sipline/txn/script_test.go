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

var (
	udp   = wire.Flow{Proto: wire.UDP, Local: netip.MustParseAddrPort("192.0.2.1:5060"), Remote: netip.MustParseAddrPort("192.0.2.9:40000")}
	tcp   = wire.Flow{Proto: wire.TCP, Local: netip.MustParseAddrPort("192.0.2.1:5060"), Remote: netip.MustParseAddrPort("192.0.2.9:40001"), Conn: 7}
	epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
)

// script runs a layer in virtual time and writes down what it does.
type script struct {
	t    testing.TB
	l    *Layer
	now  time.Time
	log  []string
	last []Send // of the last look
}

func newScript(t testing.TB, cfg Config) *script {
	n := 0
	if cfg.Random == nil {
		cfg.Random = func() string { n++; return fmt.Sprintf("ours%d", n) }
	}
	return &script{t: t, l: New(cfg), now: epoch}
}

// note writes down what came out of the layer since the last look.
func (s *script) note() {
	s.t.Helper()
	at := s.now.Sub(epoch).Seconds()
	s.last = append(s.last[:0], s.l.Take()...)
	for _, o := range s.last {
		line, _, _ := strings.Cut(string(o.Data), " SIP/2.0\r\n")
		line, _, _ = strings.Cut(line, "\r\n")
		method, _, _ := strings.Cut(line, " sip:")
		s.log = append(s.log, fmt.Sprintf("%g %s", at, strings.TrimPrefix(method, "SIP/2.0 ")))
	}
	for _, e := range s.l.Events() {
		who := "server"
		if e.Client != 0 {
			who = "client"
		}
		s.log = append(s.log, fmt.Sprintf("%g %s %v", at, who, e.Kind))
	}
}

// until lets time pass, waking the layer exactly when it asked to be.
func (s *script) until(d time.Duration) {
	s.t.Helper()
	end := epoch.Add(d)
	for {
		s.note()
		next := s.l.Deadline()
		if next.IsZero() || next.After(end) {
			break
		}
		if next.Before(s.now) {
			s.t.Fatalf("deadline %v lies before %v", next, s.now)
		}
		s.now = next
		s.l.Expire(s.now)
	}
	s.now = end
}

// want compares what was written down, and begins anew.
func (s *script) want(want string) {
	s.t.Helper()
	s.note()
	if got := strings.Join(s.log, ", "); got != want {
		s.t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	s.log = s.log[:0]
}

// empty demands that nothing is left of anything.
func (s *script) empty() {
	s.t.Helper()
	l := s.l
	if n := len(l.handles) + len(l.servers) + len(l.clients) + len(l.merged) + len(l.conns) + len(l.queue) + l.doneSize + l.serverExtra + l.clientExtra; n != 0 || l.done != (list{}) || !l.Deadline().IsZero() {
		s.t.Errorf("left over: %d, deadline %v", n, l.Deadline())
	}
	if l.count.Faults != 0 {
		s.t.Errorf("%d faults", l.count.Faults)
	}
}

func (s *script) request(req *sip.Request, flow wire.Flow) (Server, Fate, Server) {
	return s.l.Request(s.now, req, flow)
}

// opened takes a request that must be new.
func (s *script) opened(req *sip.Request, flow wire.Flow) Server {
	s.t.Helper()
	id, fate, _ := s.request(req, flow)
	if fate != Opened || id == 0 {
		s.t.Fatalf("%v is %v", req.Method, fate)
	}
	return id
}

// fate takes a request that must end so.
func (s *script) fate(req *sip.Request, flow wire.Flow, want Fate) {
	s.t.Helper()
	if _, fate, _ := s.request(req, flow); fate != want {
		s.t.Errorf("%v is %v, not %v", req.Method, fate, want)
	}
}

func (s *script) respond(id Server, req *sip.Request, status int) {
	s.l.Respond(s.now, id, response(req, status, "local"))
}

// response gives a response of the other side to the client and tells whether it went up.
func (s *script) response(req *sip.Request, status int, flow wire.Flow) bool {
	_, up := s.l.Response(s.now, response(req, status, "remote"), flow)
	return up
}

// parse reads a message, lines ending as in source text.
func parse(t testing.TB, text string) sip.Message {
	t.Helper()
	m, err := sip.ParseMessage([]byte(strings.ReplaceAll(strings.TrimLeft(text, "\n"), "\n", "\r\n")))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return m
}

// incoming makes a request of another side; via is what follows the transport in its Via.
func incoming(t testing.TB, method, via, more string) *sip.Request {
	t.Helper()
	return parse(t, fmt.Sprintf(`
%s sip:200@192.0.2.1 SIP/2.0
Via: SIP/2.0/UDP %s
From: "Ann" <sip:201@192.0.2.1>;tag=remote
To: <sip:200@192.0.2.1>%s
Call-ID: call-1
CSeq: 1 %s
Max-Forwards: 70
Content-Length: 0

`, method, via, more, method)).(*sip.Request)
}

const viaA = "192.0.2.9:5066;branch=z9hG4bKabc;rport"

// outgoing makes a request of ours, its Via without branch.
func outgoing(t testing.TB, method string) *sip.Request {
	t.Helper()
	return parse(t, fmt.Sprintf(`
%s sip:201@192.0.2.9:40000 SIP/2.0
Via: SIP/2.0/UDP 192.0.2.1:5060;rport
Route: <sip:192.0.2.7;lr>
Route: <sip:192.0.2.8;lr>
From: "Bob" <sip:200@192.0.2.1>;tag=ours
To: <sip:201@192.0.2.9>
Call-ID: call-2
CSeq: 17 %s
Max-Forwards: 70
Contact: <sip:200@192.0.2.1>
Content-Length: 0

`, method, method)).(*sip.Request)
}

// response answers req, as the layer's user or as the other side.
func response(req *sip.Request, status int, tag string) *sip.Response {
	res := sip.NewResponse(status, "Reason")
	res.AppendHeader(req.Via().Clone())
	res.AppendHeader(sip.HeaderClone(req.From()))
	to := sip.HeaderClone(req.To()).(*sip.ToHeader)
	if status > 100 {
		to.Params.Add("tag", tag)
	}
	res.AppendHeader(to)
	res.AppendHeader(req.CallID())
	res.AppendHeader(sip.HeaderClone(req.CSeq()))
	res.SetBody(nil)
	return res
}

// as makes the request that follows another with the same Via: ACK, CANCEL.
func as(t testing.TB, req *sip.Request, method sip.RequestMethod, toTag string) *sip.Request {
	t.Helper()
	r := req.Clone()
	r.Method = method
	r.CSeq().MethodName = method
	if toTag != "" {
		r.To().Params.Add("tag", toTag)
	}
	return r
}
