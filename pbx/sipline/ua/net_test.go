package ua

import (
	"container/heap"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"sotto/pbx"
)

// media is a description of one word: a version and a direction.
type media struct {
	version  int
	dir      string // of the box's own offers; empty: sendrecv
	local    string // what it said last
	remote   string // what the other said last
	refuse   error  // of Check and Answer
	accepts  int
	badReply bool // Accept fails
}

func (m *media) Offer() []byte {
	dir := m.dir
	if dir == "" {
		dir = "sendrecv"
	}
	m.local = fmt.Sprintf("sdp %p %d %s", m, m.version, dir)
	return []byte(m.local)
}

func (m *media) Check(offer []byte) error {
	if !strings.HasPrefix(string(offer), "sdp ") {
		return ErrMalformed
	}
	return m.refuse
}

func (m *media) Answer(offer []byte) ([]byte, error) {
	if err := m.Check(offer); err != nil {
		return nil, err
	}
	m.remote = string(offer)
	return m.Offer(), nil
}

func (m *media) Accept(answer []byte) error {
	if m.badReply || !strings.HasPrefix(string(answer), "sdp ") {
		return errors.New("no common codec")
	}
	m.accepts++
	m.remote = string(answer)
	return nil
}

func (m *media) Held() bool {
	return strings.Contains(m.remote, "sendonly") || strings.Contains(m.remote, "inactive") || strings.Contains(m.remote, "0.0.0.0")
}

// dice fills with random bytes that are the same each time.
func dice(seed uint64) func([]byte) {
	r := rand.New(rand.NewPCG(seed, 1))
	return func(p []byte) {
		var b [8]byte
		for i := range p {
			binary.LittleEndian.PutUint64(b[:], r.Uint64())
			p[i] = b[0]
		}
	}
}

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

const t1 = 500 * time.Millisecond

// world is virtual time and a bad wire between two ends.
type world struct {
	t     *testing.T
	now   time.Time
	queue eventQueue
	n     int
	r     *rand.Rand
	loss  float64
	delay func() time.Duration
	drop  func(from *end, m sip.Message) bool // scripted loss
	seen  []string                            // what went over the wire, when asked for
	trace bool
	a, b  *end // a calls b
}

type event struct {
	at time.Time
	n  int
	do func()
}
type eventQueue []event

func (q eventQueue) Len() int { return len(q) }
func (q eventQueue) Less(i, j int) bool {
	return q[i].at.Before(q[j].at) || q[i].at.Equal(q[j].at) && q[i].n < q[j].n
}
func (q eventQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *eventQueue) Push(x any)   { *q = append(*q, x.(event)) }
func (q *eventQueue) Pop() any     { o := *q; x := o[len(o)-1]; *q = o[:len(o)-1]; return x }

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{t: t, now: epoch, r: rand.New(rand.NewPCG(seed, 2))}
	w.delay = func() time.Duration { return 20 * time.Millisecond }
	w.a, w.b = &end{w: w, name: "a", cfg: config(seed, "192.0.2.1")}, &end{w: w, name: "b", cfg: config(seed+1, "192.0.2.2")}
	w.a.peer, w.b.peer = w.b, w.a
	for _, e := range []*end{w.a, w.b} {
		e.media = e.cfg.Media.(*media)
		e.servers, e.clients, e.branches = map[string]*serverTx{}, map[Client]*clientTx{}, map[string]*clientTx{}
	}
	return w
}

func config(seed uint64, host string) Config {
	return Config{Media: &media{}, Contact: sip.Uri{Scheme: "sip", User: "box", Host: host, Port: 5060}, Rand: dice(seed), Counters: &Counters{}}
}

func (w *world) after(d time.Duration, f func()) {
	w.n++
	heap.Push(&w.queue, event{w.now.Add(d), w.n, f})
}

// run lets time pass, up to a moment after the start.
func (w *world) run(until time.Duration) {
	w.t.Helper()
	limit := epoch.Add(until)
	for steps := 0; ; steps++ {
		if steps > 200000 {
			w.t.Fatal("the world does not come to rest")
		}
		next, who := time.Time{}, (*end)(nil)
		for _, e := range []*end{w.a, w.b} {
			if e.leg != nil {
				if d := e.leg.Deadline(); !d.IsZero() && (next.IsZero() || d.Before(next)) {
					next, who = d, e
				}
			}
		}
		if len(w.queue) > 0 && (who == nil || !next.Before(w.queue[0].at)) {
			next, who = w.queue[0].at, nil
		}
		if next.IsZero() || next.After(limit) {
			w.now = limit
			return
		}
		if next.After(w.now) {
			w.now = next
		}
		if who != nil {
			who.leg.Expire(w.now)
			who.do()
			continue
		}
		heap.Pop(&w.queue).(event).do()
	}
}

// send carries a message, or loses it.
func (w *world) send(from *end, m sip.Message) {
	text := m.String()
	lost := w.loss > 0 && w.r.Float64() < w.loss || w.drop != nil && w.drop(from, m)
	if w.trace {
		line, _, _ := strings.Cut(text, "\r\n")
		line = strings.Replace(line, " SIP/2.0", "", 1)
		if _, ok := m.(*sip.Request); ok {
			line, _, _ = strings.Cut(line, " ")
		}
		if lost {
			line += " (lost)"
		}
		w.seen = append(w.seen, fmt.Sprintf("%7.3f %s %s", w.now.Sub(epoch).Seconds(), from.name, line))
	}
	if lost {
		return
	}
	w.after(w.delay(), func() {
		parsed, err := sip.ParseMessage([]byte(text))
		if err != nil {
			w.t.Fatalf("%v in\n%s", err, text)
		}
		switch m := parsed.(type) {
		case *sip.Request:
			from.peer.request(m)
		case *sip.Response:
			from.peer.response(m)
		}
	})
}

// end is one end of the wire: a leg on a small transaction layer (RFC 3261 section 17,
// RFC 6026).
type end struct {
	w        *world
	name     string
	peer     *end
	cfg      Config
	media    *media
	leg      *Leg
	events   []Event
	servers  map[string]*serverTx
	clients  map[Client]*clientTx
	branches map[string]*clientTx
	tx       Server
	acks     int
	finals   int
	auto     bool // rings and answers what calls
}

type serverTx struct {
	id    Server
	req   *sip.Request
	last  *sip.Response
	final bool
	acked bool
}

type clientTx struct {
	n       Client
	req     *sip.Request
	prov    bool
	final   int
	cancel  bool
	stopped bool // the final answer to other than INVITE, or the timeout, came
	reason  string
}

func branchOf(m sip.Message) string { return m.Via().Params.GetOr("branch", "") }

func (e *end) via(branch string) *sip.ViaHeader {
	return &sip.ViaHeader{ProtocolName: "SIP", ProtocolVersion: "2.0", Transport: "UDP", Host: e.cfg.Contact.Host, Port: 5060,
		Params: sip.HeaderParams{{K: "branch", V: branch}}}
}

func (e *end) do() {
	if e.leg == nil {
		return
	}
	for _, a := range append([]Action(nil), e.leg.Take()...) {
		switch a.Kind {
		case Start:
			e.start(a)
		case Ack:
			e.w.n++
			a.Request.PrependHeader(e.via(fmt.Sprintf("z9hG4bK%s%d", e.name, e.w.n)))
			e.acks++
			e.w.send(e, a.Request)
		case Cancel:
			c := e.clients[a.Client]
			if c == nil || c.req.Method != sip.INVITE {
				e.w.t.Fatal("cancels what is no INVITE")
			}
			c.cancel, c.reason = true, a.Reason
			e.sendCancel(c)
		case Respond:
			e.respond(a)
		case Resend:
			if a.Response.StatusCode/100 != 2 {
				e.w.t.Fatal("resends other than 2xx")
			}
			e.w.send(e, a.Response)
		case Tell:
			e.events = append(e.events, a.Event)
		}
	}
	if e.leg.State() == Gone {
		if n := len(e.events); n == 0 || e.events[n-1].Kind != Over {
			e.w.t.Fatalf("%s is gone without having said so: %v", e.name, e.events)
		}
		if !e.leg.Deadline().IsZero() {
			e.w.t.Fatal("a leg that is gone has a deadline")
		}
	}
	if e.cfg.Counters.Astray != 0 {
		e.w.t.Fatalf("%s moved astray", e.name)
	}
}

func (e *end) start(a Action) {
	branch := fmt.Sprintf("z9hG4bK%s-%d", e.name, a.Client)
	a.Request.PrependHeader(e.via(branch))
	c := &clientTx{n: a.Client, req: a.Request}
	e.clients[a.Client], e.branches[branch] = c, c
	e.w.send(e, c.req)
	var again func(wait time.Duration)
	again = func(wait time.Duration) {
		e.w.after(wait, func() {
			if c.final != 0 || c.stopped || c.prov && c.req.Method == sip.INVITE {
				return
			}
			e.w.send(e, c.req)
			wait *= 2
			if c.req.Method != sip.INVITE {
				wait = min(wait, 4*time.Second)
			}
			again(wait)
		})
	}
	again(t1)
	e.w.after(64*t1, func() {
		if c.final == 0 && !(c.prov && c.req.Method == sip.INVITE) {
			e.timeout(c)
		}
	})
}

func (e *end) timeout(c *clientTx) {
	if !c.stopped {
		c.stopped = true
		e.leg.Timeout(e.w.now, c.n)
		e.do()
	}
}

func (e *end) sendCancel(c *clientTx) {
	if !c.prov || c.final != 0 {
		return
	}
	req := sip.NewRequest(sip.CANCEL, c.req.Recipient)
	req.AppendHeader(c.req.Via().Clone())
	for _, h := range []sip.Header{c.req.From(), c.req.To(), c.req.CallID()} {
		req.AppendHeader(sip.HeaderClone(h))
	}
	req.AppendHeader(&sip.CSeqHeader{SeqNo: c.req.CSeq().SeqNo, MethodName: sip.CANCEL})
	req.SetBody(nil)
	var again func(wait, sum time.Duration)
	again = func(wait, sum time.Duration) {
		if c.final != 0 {
			return
		}
		if sum >= 64*t1 {
			e.timeout(c)
			return
		}
		e.w.send(e, req)
		e.w.after(wait, func() { again(min(2*wait, 4*time.Second), sum+wait) })
	}
	again(t1, 0)
}

func (e *end) respond(a Action) {
	if a.Server == 0 {
		e.w.t.Fatalf("answers %d to no transaction", a.Response.StatusCode)
	}
	for _, s := range e.servers {
		if s.id != a.Server {
			continue
		}
		if s.final {
			e.w.t.Fatalf("%s answers %s twice: %d after %d", e.name, s.req.Method, a.Response.StatusCode, s.last.StatusCode)
		}
		s.last, s.final = a.Response, a.Response.StatusCode >= 200
		e.w.send(e, a.Response)
		if s.final {
			e.finals++
		}
		if s.final && s.req.Method == sip.INVITE && a.Response.StatusCode >= 300 {
			var again func(wait, sum time.Duration)
			again = func(wait, sum time.Duration) {
				e.w.after(wait, func() {
					if !s.acked && sum < 64*t1 {
						e.w.send(e, s.last)
						again(min(2*wait, 4*time.Second), sum+wait)
					}
				})
			}
			again(t1, t1)
		}
		return
	}
	e.w.t.Fatal("answers an unknown transaction")
}

func (e *end) request(req *sip.Request) {
	key := branchOf(req)
	if req.Method == sip.ACK {
		if s := e.servers[key+"INVITE"]; s != nil {
			s.acked = true
			return
		}
		if e.leg != nil && e.leg.Matches(req) {
			e.leg.Request(e.w.now, req, 0)
			e.do()
		}
		return
	}
	if req.Method == sip.CANCEL {
		s := e.servers[key+"INVITE"]
		res := sip.NewResponse(200, "OK")
		if s == nil {
			res = sip.NewResponse(481, "No")
		}
		for _, n := range []string{"Via", "From", "To", "Call-ID", "CSeq"} {
			sip.CopyHeaders(n, req, res)
		}
		res.SetBody(nil)
		e.w.send(e, res)
		if s != nil && !s.final {
			e.leg.Canceled(e.w.now, s.id)
			e.do()
		}
		return
	}
	key += string(req.Method)
	if s := e.servers[key]; s != nil {
		if s.last != nil && s.last.StatusCode/100 != 2 || s.last != nil && req.Method != sip.INVITE {
			e.w.send(e, s.last)
		}
		return
	}
	e.tx++
	s := &serverTx{id: e.tx, req: req}
	e.servers[key] = s
	switch {
	case e.leg != nil && e.leg.Matches(req):
		e.leg.Request(e.w.now, req, s.id)
		if req.Method == sip.INVITE || req.Method == sip.BYE {
			defer func() {
				if !s.final {
					e.w.t.Fatalf("%s has no answer", req.Method)
				}
			}()
		}
		e.do()
	case req.Method == sip.INVITE && req.To().Params.GetOr("tag", "") == "" && e.leg == nil:
		leg, ok := NewServer(e.w.now, e.cfg, req, s.id)
		if e.leg = leg; !ok {
			e.w.t.Fatal("the INVITE is refused")
		}
		if e.auto {
			e.w.after(50*time.Millisecond, func() { leg.Ring(e.w.now); e.do() })
			e.w.after(time.Second, func() {
				if leg.State() != Gone {
					leg.Answer(e.w.now)
					e.do()
				}
			})
		}
		e.do()
	default:
		res := sip.NewResponse(481, "No")
		for _, n := range []string{"Via", "From", "To", "Call-ID", "CSeq"} {
			sip.CopyHeaders(n, req, res)
		}
		res.SetBody(nil)
		s.last, s.final = res, true
		e.w.send(e, res)
	}
}

func (e *end) response(res *sip.Response) {
	c := e.branches[branchOf(res)]
	if c == nil || res.CSeq().MethodName != c.req.Method || c.stopped {
		return
	}
	switch {
	case c.req.Method != sip.INVITE:
		if c.final != 0 {
			return
		}
	case c.final >= 300:
		e.ackFailure(c, res)
		return
	case c.final >= 200 && res.StatusCode/100 != 2:
		return
	}
	if res.StatusCode < 200 {
		first := !c.prov
		c.prov = true
		if c.cancel && first {
			e.sendCancel(c)
		}
	} else {
		c.final = res.StatusCode
		if c.req.Method == sip.INVITE && res.StatusCode >= 300 {
			e.ackFailure(c, res)
		}
	}
	e.leg.Response(e.w.now, res, c.n)
	e.do()
}

func (e *end) ackFailure(c *clientTx, res *sip.Response) {
	req := sip.NewRequest(sip.ACK, c.req.Recipient)
	req.AppendHeader(c.req.Via().Clone())
	for _, h := range []sip.Header{c.req.From(), res.To(), c.req.CallID()} {
		req.AppendHeader(sip.HeaderClone(h))
	}
	req.AppendHeader(&sip.CSeqHeader{SeqNo: c.req.CSeq().SeqNo, MethodName: sip.ACK})
	req.SetBody(nil)
	e.w.send(e, req)
}

// call has a call b.
func (w *world) call() {
	w.a.leg = NewClient(w.now, w.a.cfg, Call{Target: w.b.cfg.Contact, To: sip.Uri{User: "102", Host: "office"}, From: sip.Uri{User: "101", Host: "office"}, Name: "Anna"})
	w.a.do()
}

func (e *end) hangup(c pbx.Cause) { e.leg.Hangup(e.w.now, c); e.do() }

func (e *end) kinds() string {
	var l []string
	for _, ev := range e.events {
		l = append(l, ev.Kind.String())
	}
	return strings.Join(l, ", ")
}
