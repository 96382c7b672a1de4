package txn

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"sotto/pbx/sipline/wire"
)

// pool holds what the random tests throw at a layer: few enough that things meet.
type pool struct {
	in  []*sip.Request // INVITE, BYE and OPTIONS of other sides, with their ACKs and CANCELs
	out []*sip.Request
}

func newPool(t testing.TB) *pool {
	p := &pool{}
	for i, via := range []string{"192.0.2.9;branch=z9hG4bK1;rport", "192.0.2.9;branch=z9hG4bK2", "192.0.2.9:5066"} {
		for _, method := range []string{"INVITE", "BYE", "OPTIONS"} {
			for _, more := range []string{"", ";tag=local"} {
				r := incoming(t, method, via, more)
				r.CSeq().SeqNo = uint32(i / 2) // the first two merge
				p.in = append(p.in, r, as(t, r, sip.ACK, "local"), as(t, r, sip.CANCEL, ""))
			}
		}
	}
	for _, method := range []string{"INVITE", "INVITE", "OPTIONS"} {
		p.out = append(p.out, outgoing(t, method))
	}
	return p
}

var statuses = [...]int{100, 180, 183, 200, 200, 302, 404, 408, 487, 603, 99, 700}

// world is a layer with what its users and neighbours remember, and what must hold.
type world struct {
	t       testing.TB
	pool    *pool
	cfg     Config
	l       *Layer
	now     time.Time
	asked   map[Server]*sip.Request
	sent    map[Client]*sip.Request
	flows   map[Client]wire.Flow
	final   map[Client]int // that went up: 0 none
	servers []Server       // lately
	clients []Client
}

func newWorld(t testing.TB, p *pool) *world {
	cfg := Config{MaxServer: 12, MaxClient: 6, MaxCompleted: 2 * overhead, TimerC: 4 * time.Minute}
	n := 0
	cfg.Random = func() string { n++; return fmt.Sprint("r", n) }
	return &world{t: t, pool: p, cfg: cfg, l: New(cfg), now: epoch, asked: map[Server]*sip.Request{}, sent: map[Client]*sip.Request{},
		flows: map[Client]wire.Flow{}, final: map[Client]int{}}
}

func pick[T any](list []T, n byte) (v T) {
	if len(list) > 0 {
		v = list[int(n)%len(list)]
	}
	return v
}

// step does one thing that a, b and c choose.
func (w *world) step(a, b, c byte) {
	flow := []wire.Flow{udp, tcp, {Proto: wire.TCP, Remote: tcp.Remote}}[int(c)%3]
	switch a % 12 {
	case 0, 1, 2:
		req := pick(w.pool.in, b)
		id, fate, of := w.l.Request(w.now, req, flow)
		if (id != 0) != (fate == Opened || fate == Cancel) || fate == Cancel && (of == 0 || of == id) || fate == Unusable || w.asked[id] != nil {
			w.t.Fatalf("%v is %v: %d of %d", req.Method, fate, id, of)
		}
		if id != 0 {
			w.asked[id] = req
			w.servers = append(w.servers, id)[max(0, len(w.servers)-8):]
		}
	case 3, 4, 5:
		id := pick(w.servers, b)
		if req := w.asked[id]; req != nil {
			w.l.Respond(w.now, id, response(req, pick(statuses[:], c), "local"))
		} else {
			w.l.Respond(w.now, id, response(w.pool.in[0], 200, "local"))
		}
	case 6, 7:
		req := pick(w.pool.out, b).Clone()
		if id := w.l.Start(w.now, req, flow); id != 0 {
			if w.sent[id] != nil {
				w.t.Fatalf("handle %d again", id)
			}
			w.sent[id], w.flows[id] = req, flow
			w.clients = append(w.clients, id)[max(0, len(w.clients)-8):]
		}
	case 8, 9:
		id := pick(w.clients, b)
		req := w.sent[id]
		if req == nil {
			return
		}
		status := pick(statuses[:], c)
		res := response(req, status, "remote")
		if b&64 != 0 {
			res.CSeq().MethodName = sip.CANCEL
		}
		got, up := w.l.Response(w.now, res, w.flows[id])
		if up != (got != 0) || up && got != id {
			w.t.Fatalf("response to %d goes to %d", id, got)
		}
		if up && status >= 200 {
			if was := w.final[id]; was != 0 && (was >= 300 || status >= 300 || req.Method != sip.INVITE) {
				w.t.Fatalf("%d goes up after %d", status, was)
			}
			w.final[id] = status
		}
	case 10:
		w.l.Cancel(w.now, pick(w.clients, b), "")
		if c%8 == 0 {
			w.l.Limit(w.now, pick(w.clients, b), time.Duration(int(c)-64)*time.Second)
		}
		if c%16 == 1 {
			w.l.Lost(w.now, flow)
		}
	case 11:
		w.now = w.now.Add(time.Duration(b) * time.Duration(c) * time.Millisecond)
		w.l.Expire(w.now)
	}
	w.check()
}

// check holds after every step.
func (w *world) check() {
	l := w.l
	for _, e := range l.Events() {
		if (e.Server != 0) == (e.Client != 0) || e.Server != 0 && w.asked[e.Server] == nil || e.Client != 0 && w.sent[e.Client] == nil {
			w.t.Fatalf("event %v of %+v", e.Kind, e)
		}
		if e.Kind == Timeout && w.final[e.Client] != 0 {
			w.t.Fatal("timeout after a final response")
		}
		if e.Kind == Over {
			delete(w.asked, e.Server)
			delete(w.sent, e.Client)
			delete(w.final, e.Client)
		}
	}
	for _, s := range l.Take() {
		if len(s.Data) == 0 || s.Flow.Remote.Addr() != udp.Remote.Addr() {
			w.t.Fatalf("sent %d bytes to %v", len(s.Data), s.Flow)
		}
	}
	s, c := l.Len()
	if s > w.cfg.MaxServer+l.serverExtra || c > w.cfg.MaxClient+l.clientExtra || s+c != len(l.handles) || len(l.queue) != s+c ||
		s != len(w.asked) || c != len(w.sent)+l.clientExtra || l.doneSize > w.cfg.MaxCompleted || l.count.Faults != 0 {
		w.t.Fatalf("%d (%d) and %d (%d) transactions, handles %d, queue %d, known %d and %d, %d bytes, %+v", s, l.serverExtra, c, l.clientExtra,
			len(l.handles), len(l.queue), len(w.asked), len(w.sent), l.doneSize, l.count)
	}
	for i, e := range l.queue {
		if int(e.t.pos) != i || i > 0 && l.queue[(i-1)/2].at > e.at || e.at != min(e.t.end, e.t.retry) {
			w.t.Fatalf("queue out of order at %d", i)
		}
	}
}

// finish lets time pass until nothing is left, and holds how long that may take.
func (w *world) finish() {
	longest := w.cfg.TimerC + 64*DefaultT1 + 64*DefaultT1 + DefaultT4 // ringing, its CANCEL, and what absorbs
	for end := w.now.Add(longest); ; {
		next := w.l.Deadline()
		if next.IsZero() {
			break
		}
		if next.After(end) {
			w.t.Fatalf("still there %v after the last input", next.Sub(end)+longest)
		}
		w.now = next
		w.l.Expire(next)
		if !w.l.Deadline().IsZero() && !w.l.Deadline().After(next) {
			w.t.Fatal("due again at once")
		}
		w.check()
	}
	s := script{t: w.t, l: w.l}
	s.empty()
	if len(w.asked)+len(w.sent) != 0 {
		w.t.Errorf("%d and %d handles never ended", len(w.asked), len(w.sent))
	}
}

func TestRandom(t *testing.T) {
	p := newPool(t)
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		w := newWorld(t, p)
		for range 5000 {
			n := r.Uint32()
			w.step(byte(n), byte(n>>8), byte(n>>16))
		}
		w.finish()
		c := w.l.Counters()
		for what, n := range map[string]uint64{"requests": c.Requests, "repeated": c.Repeated, "ACKs": c.Acks, "merged": c.Merged, "full": c.Full,
			"evicted": c.Evicted, "late": c.Late, "timeouts": c.Timeouts, "no ACKs": c.NoAcks, "unanswered": c.Unanswered, "lost": c.Lost, "responses": c.Responses} {
			if n == 0 {
				t.Errorf("seed %d: no %s: the test does not reach them", seed, what)
			}
		}
	}
}

func FuzzLayer(f *testing.F) {
	p := newPool(f)
	f.Add([]byte{0, 0, 0, 3, 0, 3, 11, 255, 255})
	f.Add([]byte{6, 0, 0, 8, 0, 1, 10, 0, 2, 8, 0, 3, 11, 200, 200})
	f.Add([]byte{0, 0, 0, 0, 2, 0, 3, 0, 8, 3, 1, 3, 0, 1, 0, 11, 1, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		w := newWorld(t, p)
		for data = data[:min(len(data), 3000)]; len(data) >= 3; data = data[3:] {
			w.step(data[0], data[1], data[2])
		}
		w.finish()
	})
}

// TestTwoLayers joins a client and a server by a wire that loses, doubles, delays and so
// reorders, and lets calls and other requests go over it.
func TestTwoLayers(t *testing.T) {
	for _, loss := range []float64{0, 0.2, 0.5} {
		r := rand.New(rand.NewPCG(7, uint64(loss*10)))
		type packet struct {
			at   time.Time
			to   int
			data []byte
		}
		var flying []packet
		now, sides := epoch, [2]*Layer{New(Config{}), New(Config{})}
		back := wire.Flow{Proto: wire.UDP, Local: udp.Remote, Remote: udp.Local}
		finals, over := map[Client]int{}, 0
		var started int
		move := func() {
			for i, l := range sides {
				for _, o := range l.Take() {
					for range 1 + r.IntN(2) {
						if r.Float64() >= loss {
							flying = append(flying, packet{now.Add(time.Duration(r.IntN(300)) * time.Millisecond), 1 - i, o.Data})
						}
					}
				}
			}
			for _, e := range sides[0].Events() {
				if e.Kind == Over {
					over++
				} else if e.Kind == Timeout {
					finals[e.Client] = max(finals[e.Client], 408)
				}
			}
			sides[1].Events()
		}
		arrive := func(p packet) {
			m, err := sip.ParseMessage(p.data)
			if err != nil {
				t.Fatal(err)
			}
			switch m := m.(type) {
			case *sip.Response:
				if id, up := sides[p.to].Response(now, m, udp); up && m.StatusCode >= 200 {
					if finals[id] != 0 && m.StatusCode >= 300 {
						t.Errorf("%d after %d", m.StatusCode, finals[id])
					}
					finals[id] = m.StatusCode
				}
			case *sip.Request:
				id, fate, invite := sides[p.to].Request(now, m, back)
				switch {
				case fate == Opened && m.Method == sip.INVITE:
					sides[p.to].Respond(now, id, response(m, 180, "remote"))
					if r.IntN(2) == 0 {
						sides[p.to].Respond(now, id, response(m, 486, "remote"))
					}
				case fate == Opened:
					sides[p.to].Respond(now, id, response(m, 200, "remote"))
				case fate == Cancel:
					sides[p.to].Respond(now, id, response(m, 200, "remote"))
					q := m.Clone()
					q.CSeq().MethodName = sip.INVITE
					sides[p.to].Respond(now, invite, response(q, 487, "remote"))
				}
			}
		}
		for i := 0; i < 200 || len(flying) > 0 || !sides[0].Deadline().IsZero() || !sides[1].Deadline().IsZero(); i++ {
			if i < 200 {
				req := outgoing(t, []string{"INVITE", "OPTIONS"}[i%2])
				call := sip.CallIDHeader(fmt.Sprint(i))
				req.ReplaceHeader(&call)
				id := sides[0].Start(now, req, udp)
				started++
				if i%2 == 0 {
					sides[0].Cancel(now, id, "")
				}
			}
			move()
			next := now.Add(time.Hour)
			for _, p := range flying {
				if p.at.Before(next) {
					next = p.at
				}
			}
			for _, l := range sides {
				if d := l.Deadline(); !d.IsZero() && d.Before(next) {
					next = d
				}
			}
			now = next
			rest := flying[:0:0]
			for _, p := range flying {
				if p.at.After(now) {
					rest = append(rest, p)
				} else {
					arrive(p)
				}
			}
			flying = rest
			for _, l := range sides {
				l.Expire(now)
			}
		}
		move()
		got := map[int]int{}
		for _, status := range finals {
			got[status]++
		}
		if len(finals) != started || over != started {
			t.Errorf("loss %v: %d started, %d answered, %d over", loss, started, len(finals), over)
		}
		if loss < 0.5 && got[408] > 0 || got[200] < 90 || got[487]+got[486] < 80 {
			t.Errorf("loss %v: %v", loss, got)
		}
		for _, l := range sides {
			s := script{t: t, l: l}
			s.empty()
		}
	}
}
