package ua

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"sotto/pbx"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := "testdata/" + name + ".golden"
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestDiagram(t *testing.T) { golden(t, "leg", LegTable.Diagram()) }

// both looks whether the ends agree about a call, and about the session in it.
func both(t *testing.T, w *world, s State) {
	t.Helper()
	for _, e := range []*end{w.a, w.b} {
		if e.leg.State() != s {
			t.Errorf("%s is %v, want %v", e.name, e.leg.State(), s)
		}
	}
	if s == Up && (w.a.media.remote != w.b.media.local || w.b.media.remote != w.a.media.local) {
		t.Errorf("they disagree: a has %q and %q, b has %q and %q", w.a.media.local, w.a.media.remote, w.b.media.local, w.b.media.remote)
	}
}

func TestCall(t *testing.T) {
	w := newWorld(t, 1)
	w.b.auto, w.trace = true, true
	w.call()
	w.run(5 * time.Second)
	both(t, w, Up)
	w.b.hangup(pbx.NormalClearing)
	w.run(60 * time.Second)
	both(t, w, Gone)
	if got := w.a.kinds(); got != "rings, answers, hangs up, over" {
		t.Error(got)
	}
	if got := w.b.kinds(); got != "over" {
		t.Error(got)
	}
	golden(t, "call", strings.Join(w.seen, "\n")+"\n")
}

// TestBadWire has calls over a wire that loses, delays and reorders.
func TestBadWire(t *testing.T) {
	up := 0
	for seed := range uint64(300) {
		w := newWorld(t, 10*seed)
		w.loss = float64(seed%5) * 0.1
		w.delay = func() time.Duration { return time.Duration(w.r.IntN(900)) * time.Millisecond }
		w.b.auto = true
		w.call()
		w.run(100 * time.Second)
		if w.a.leg.State() == Up && w.b.leg != nil && w.b.leg.State() == Up {
			up++
			both(t, w, Up)
			w.a.leg.Reoffer(w.now)
			w.a.media.version++
			w.a.do()
			w.b.media.version++
			w.b.leg.Reoffer(w.now)
			w.b.do()
			w.run(200 * time.Second)
			if w.a.leg.State() == Up && w.b.leg.State() == Up {
				both(t, w, Up)
			}
		}
		for _, e := range []*end{w.a, w.b} {
			if e.leg != nil {
				e.hangup(pbx.NormalClearing)
			}
		}
		w.run(500 * time.Second)
		for _, e := range []*end{w.a, w.b} {
			if e.leg != nil && e.leg.State() != Gone {
				t.Errorf("seed %d: %s is %v", seed, e.name, e.leg.State())
			}
		}
	}
	if up < 200 {
		t.Errorf("%d of 300 calls came up", up)
	}
	t.Logf("%d of 300 came up", up)
}

// TestCancelRacesAnswer has the caller hang up at 1,000 offsets around the answer.
func TestCancelRacesAnswer(t *testing.T) {
	outcome := map[string]int{}
	for i := range 1000 {
		w := newWorld(t, uint64(i))
		w.loss = 0.1 * float64(i%3)
		w.delay = func() time.Duration { return time.Duration(10+w.r.IntN(100)) * time.Millisecond }
		w.b.auto = true
		w.call()
		w.after(900*time.Millisecond+time.Duration(i)*400*time.Microsecond, func() { w.a.hangup(pbx.NormalClearing) })
		w.run(300 * time.Second)
		if w.a.leg.State() != Gone || w.b.leg != nil && w.b.leg.State() != Gone {
			t.Fatalf("offset %d: a %v, b %v", i, w.a.leg.State(), w.b.leg.State())
		}
		outcome[fmt.Sprint(slices.ContainsFunc(w.a.events, func(e Event) bool { return e.Kind == Answers }))]++
		if w.b.leg != nil {
			if got := w.b.kinds(); got != "hangs up, over" {
				t.Fatalf("offset %d: %s", i, got)
			}
		}
	}
	t.Log(outcome)
}

// TestHangupRacesAnswer has the called end hang up, or refuse, at 1,000 offsets.
func TestHangupRacesAnswer(t *testing.T) {
	for i := range 1000 {
		w := newWorld(t, uint64(i))
		w.loss = 0.1 * float64(i%3)
		w.delay = func() time.Duration { return time.Duration(10+w.r.IntN(100)) * time.Millisecond }
		w.b.auto = true
		w.call()
		hung := false
		w.after(900*time.Millisecond+time.Duration(i)*400*time.Microsecond, func() {
			if hung = w.b.leg != nil; hung {
				w.b.hangup(pbx.UserBusy)
			}
		})
		w.run(300 * time.Second)
		if !hung { // the INVITE was lost or late
			continue
		}
		if w.b.leg.State() != Gone || w.a.leg.State() == Cancelling || w.a.leg.State() == Closing {
			t.Fatalf("offset %d: a %v, b %v", i, w.a.leg.State(), w.b.leg.State())
		}
		w.a.hangup(pbx.NormalClearing)
		w.run(500 * time.Second)
		both(t, w, Gone)
	}
}

func TestLostAcks(t *testing.T) {
	w := newWorld(t, 1)
	w.drop = func(from *end, m sip.Message) bool {
		r, ok := m.(*sip.Request)
		return ok && r.Method == sip.ACK
	}
	w.call()
	w.run(time.Second)
	w.b.leg.Answer(w.now)
	w.b.do()
	w.trace = true
	w.run(40 * time.Second)
	var got []string
	for _, s := range w.seen {
		if strings.Contains(s, " b ") && strings.Contains(s, "200 OK") || strings.Contains(s, "BYE") {
			got = append(got, strings.TrimSpace(s))
		}
	}
	want := []string{"1.500 b", "2.500 b", "4.500 b", "8.500 b", "12.500 b", "16.500 b", "20.500 b", "24.500 b", "28.500 b", "32.500 b", "33.000 b BYE"}
	if len(got) != len(want) {
		t.Fatalf("%q", got)
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("%q, want %q", got[i], want[i])
		}
	}
	if w.a.cfg.Counters.Repeated != 10 || w.a.acks != 11 {
		t.Errorf("%d repeated, %d ACKs", w.a.cfg.Counters.Repeated, w.a.acks)
	}
	if k := w.b.kinds(); k != "hangs up, over" || w.b.events[0].Cause != pbx.RecoveryOnTimer || w.b.cfg.Counters.NoAck != 1 {
		t.Error(w.b.events)
	}
	w.run(80 * time.Second)
	both(t, w, Gone)
}

// TestLeaving has the called end hang up before the ACK: its BYE waits.
func TestLeaving(t *testing.T) {
	for _, lost := range []int{0, 3, 100} {
		w := newWorld(t, 1)
		n := 0
		w.drop = func(from *end, m sip.Message) bool {
			r, ok := m.(*sip.Request)
			if ok && r.Method == sip.ACK {
				n++
				return n <= lost
			}
			return false
		}
		w.call()
		w.run(time.Second)
		w.b.leg.Answer(w.now)
		w.b.do()
		w.b.hangup(pbx.NormalClearing)
		w.trace = true
		w.run(200 * time.Second)
		both(t, w, Gone)
		at := map[int]string{0: "1.040", 3: "4.540", 100: "33.000"}[lost]
		if !slices.ContainsFunc(w.seen, func(s string) bool { return strings.HasSuffix(s, at+" b BYE") }) {
			t.Errorf("%d lost: %q", lost, w.seen)
		}
	}
}

func TestLostAnswer(t *testing.T) {
	w := newWorld(t, 1)
	n := 0
	w.drop = func(from *end, m sip.Message) bool {
		if r, ok := m.(*sip.Response); ok && r.StatusCode == 200 && r.CSeq().MethodName == sip.INVITE {
			n++
			return n <= 3
		}
		return false
	}
	w.b.auto = true
	w.call()
	w.run(20 * time.Second)
	both(t, w, Up)
}

func TestGlare(t *testing.T) {
	w := newWorld(t, 1)
	w.b.auto = true
	w.call()
	w.run(5 * time.Second)
	w.a.media.version, w.b.media.version = 1, 1
	w.a.leg.Reoffer(w.now)
	w.b.leg.Reoffer(w.now)
	w.trace = true
	w.a.do()
	w.b.do()
	w.run(20 * time.Second)
	both(t, w, Up)
	var at [2][]float64
	for _, s := range w.seen {
		if strings.Contains(s, "INVITE") {
			var sec float64
			fmt.Sscan(s, &sec)
			i := 0
			if strings.Contains(s, " b ") {
				i = 1
			}
			at[i] = append(at[i], sec)
		}
	}
	if len(at[0]) < 2 || len(at[1]) < 2 {
		t.Fatalf("%q", w.seen)
	}
	if d := at[0][1] - at[0][0]; d < 2.1 || d > 4.1 {
		t.Errorf("the owner of the Call-ID waits %.3f s", d)
	}
	if d := at[1][1] - at[1][0]; d < 0 || d > 2.1 {
		t.Errorf("the other waits %.3f s", d)
	}
	if w.a.cfg.Counters.Glare != 2 || w.b.cfg.Counters.Glare != 2 {
		t.Errorf("%+v %+v", w.a.cfg.Counters, w.b.cfg.Counters)
	}
}
