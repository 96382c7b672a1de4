package txn

import (
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
)

// live is how many transactions there are while the benchmarks run.
const live = 100_000

// renew makes req another request, as cheaply as it can be done.
func renew(req *sip.Request, n int) {
	req.CSeq().SeqNo = uint32(n)
	req.Via().Params.Add("branch", cookie+strconv.Itoa(n))
}

// BenchmarkServer is a REGISTER that comes, is answered and in the end forgotten, over
// UDP; beside them, INVITEs that ring.
func BenchmarkServer(b *testing.B) {
	l := New(Config{MaxServer: 2 * live, MaxCompleted: 1 << 30})
	invite, req := incoming(b, "INVITE", viaA, ""), incoming(b, "REGISTER", viaA, "")
	res := response(req, 200, "local")
	now, n := epoch, 0
	one := func() {
		n++
		now = now.Add(64 * DefaultT1 / (live / 2))
		renew(req, n)
		id, _, _ := l.Request(now, req, udp)
		l.Respond(now, id, res)
		l.Expire(now)
		l.Take()
		l.Events()
	}
	for range live / 2 {
		n++
		renew(invite, n)
		l.Request(now, invite, udp)
		one()
	}
	l.cfg.TimerC = 1 << 60
	b.ReportAllocs()
	for b.Loop() {
		one()
	}
	s, _ := l.Len()
	b.ReportMetric(float64(s), "live")
}

// BenchmarkRepeated is a request that is answered from memory.
func BenchmarkRepeated(b *testing.B) {
	l := New(Config{MaxServer: 2 * live, MaxCompleted: 1 << 30})
	req := incoming(b, "REGISTER", viaA, "")
	for n := range live {
		renew(req, n)
		id, _, _ := l.Request(epoch, req, udp)
		l.Respond(epoch, id, response(req, 200, "local"))
	}
	b.ReportAllocs()
	for b.Loop() {
		l.Request(epoch, req, udp)
		l.Take()
	}
}

// BenchmarkClient is an OPTIONS that is sent, answered and in the end forgotten.
func BenchmarkClient(b *testing.B) {
	n := 0
	l := New(Config{MaxClient: 2 * live, Random: func() string { n++; return strconv.Itoa(n) }})
	req := outgoing(b, "OPTIONS")
	res := response(req, 200, "remote")
	now := epoch
	one := func() {
		now = now.Add(DefaultT4 / live)
		l.Start(now, req, udp)
		branch, _ := req.Via().Params.Get("branch")
		res.Via().Params.Add("branch", branch)
		l.Response(now, res, udp)
		l.Expire(now)
		l.Take()
		l.Events()
	}
	for range live {
		one()
	}
	b.ReportAllocs()
	for b.Loop() {
		one()
	}
	_, c := l.Len()
	b.ReportMetric(float64(c), "live")
}

// BenchmarkStray is a response to nothing.
func BenchmarkStray(b *testing.B) {
	l := New(Config{})
	req := outgoing(b, "OPTIONS")
	renew(req, 1)
	res := response(req, 200, "remote")
	b.ReportAllocs()
	for b.Loop() {
		l.Response(epoch, res, udp)
	}
}

// BenchmarkMemory tells what a finished REGISTER costs while it waits for timer J, its
// response included.
func BenchmarkMemory(b *testing.B) {
	req := incoming(b, "REGISTER", viaA, "")
	res := response(req, 200, "local")
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	var each, counted float64
	for b.Loop() {
		before := heap()
		l := New(Config{MaxServer: 2 * live, MaxCompleted: 1 << 30})
		for n := range live {
			renew(req, n)
			id, _, _ := l.Request(epoch, req, udp)
			l.Respond(epoch, id, res)
			l.Take()
		}
		each, counted = float64(heap()-before)/live, float64(l.doneSize)/live
		runtime.KeepAlive(l)
	}
	b.ReportMetric(each, "B/transaction")
	b.ReportMetric(counted, "counted-B/transaction")
}

func TestAllocations(t *testing.T) {
	l := New(Config{})
	invite, options := incoming(t, "INVITE", viaA, ""), incoming(t, "OPTIONS", viaA, "")
	id, _, _ := l.Request(epoch, invite, udp)
	done, _, _ := l.Request(epoch, options, udp)
	l.Respond(epoch, done, response(options, 200, "local"))
	l.Respond(epoch, id, response(invite, 486, "local"))
	acked := as(t, invite, sip.ACK, "local")
	stranger := as(t, invite, sip.ACK, "x")
	renew(stranger, 9)
	stray := response(options, 200, "x")
	now := epoch
	fresh := incoming(t, "REGISTER", viaA, "")
	fresh.CSeq().SeqNo = 2
	answer := response(fresh, 200, "local")
	branch := 0
	names := make([]string, 2000)
	for i := range names {
		names[i] = cookie + strconv.Itoa(i)
	}
	for _, c := range []struct {
		what string
		most float64
		do   func()
	}{
		{"a repeated request", 0, func() { l.Request(now, options, udp); l.Take() }},
		{"a repeated INVITE", 0, func() { l.Request(now, invite, udp); l.Take() }},
		{"an ACK", 0, func() { l.Request(now, acked, udp) }},
		{"an ACK for a dialog", 0, func() { l.Request(now, stranger, udp) }},
		{"a stray response", 0, func() { l.Response(now, stray, udp) }},
		{"asking whether a request is known", 0, func() { l.Known(options, udp) }},
		{"waking", 0, func() { l.Expire(now); l.Deadline(); l.Events() }},
		{"a REGISTER and its answer", 10, func() { // itself and its bytes; the rest is in writing headers (sipgo)
			branch++
			fresh.CSeq().SeqNo++
			fresh.Via().Params.Add("branch", names[branch])
			id, _, _ := l.Request(now, fresh, udp)
			l.Respond(now, id, answer)
			now = now.Add(time.Second)
			l.Expire(now)
			l.Take()
			l.Events()
		}},
	} {
		c.do()
		if got := testing.AllocsPerRun(200, c.do); got > c.most {
			t.Errorf("%s: %v allocations, at most %v", c.what, got, c.most)
		}
	}
}
