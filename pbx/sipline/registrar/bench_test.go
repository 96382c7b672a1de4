package registrar

import (
	"fmt"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"sotto/pbx/plan"
)

// refreshes makes the requests of n users, each to be sent again and again: CSeq is
// counted up by the caller.
func refreshes(t testing.TB, n int) []*sip.Request {
	list := make([]*sip.Request, n)
	for i := range list {
		list[i] = register(t, fmt.Sprintf("call-%d@192.0.2.10", i), 1, "Contact: <sip:201@192.0.2.10:5060;ob>;+sip.instance=\"<urn:uuid:1>\"",
			"Expires: 3600", "User-Agent: Acme 1.2.3", "Supported: path, outbound", "Max-Forwards: 70")
	}
	return list
}

func TestRefreshAllocates(t *testing.T) {
	r := New(Config{})
	req := refreshes(t, 1)[0]
	at := noon
	got := testing.AllocsPerRun(100, func() {
		req.CSeq().SeqNo++
		at = at.Add(time.Minute)
		if res := r.Register(at, ann, req, home); res.Status != 200 {
			t.Fatal(res.Reason)
		}
	})
	// Binding, list of bindings, text of the URI and its parameters, four headers with
	// their list, two texts among them.
	if got > 14 {
		t.Errorf("%v allocations", got)
	}
	if got := testing.AllocsPerRun(100, func() { r.Known(home.Remote, home.Proto) }); got > 0 {
		t.Errorf("Known: %v allocations", got)
	}
}

func BenchmarkRefresh(b *testing.B) {
	const users = 1000
	r := New(Config{})
	list := refreshes(b, users)
	ids := make([]plan.UserID, users)
	for i := range ids {
		ids[i] = plan.UserID(fmt.Sprint("user-", i))
	}
	at := noon
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		req := list[i%users]
		req.CSeq().SeqNo++
		at = at.Add(50 * time.Microsecond)
		r.Expire(at)
		if res := r.Register(at, ids[i%users], req, home); res.Status != 200 {
			b.Fatal(res.Status, res.Reason)
		}
	}
}
