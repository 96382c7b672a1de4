package pbxtest

import (
	"math/rand/v2"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"sotto/pbx"
	"sotto/pbx/sipline/siptest"
)

// slow lets every packet take a while.
func slow(d time.Duration) siptest.Fate {
	return func(netip.AddrPort, netip.AddrPort, []byte) (int, time.Duration) { return 1, d }
}

// lossy loses a share of all packets, by chance that is the same each time.
func lossy(share float64) siptest.Fate {
	var mu sync.Mutex
	r := rand.New(rand.NewPCG(1, 2))
	return func(netip.AddrPort, netip.AddrPort, []byte) (int, time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		if r.Float64() < share {
			return 0, 0
		}
		return 1, 0
	}
}

// without loses the messages that begin so, the first n of them.
func without(n int, begins string) siptest.Fate {
	var mu sync.Mutex
	return func(_, _ netip.AddrPort, data []byte) (int, time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		if n > 0 && strings.HasPrefix(string(data), begins) {
			n--
			return 0, 0
		}
		return 1, 0
	}
}

// TestLostMessages: a message that is lost is sent again, or what hangs on it ends.
func TestLostMessages(t *testing.T) {
	sipOffice(t, func(t *testing.T, o *Office) {
		a, b := registered(t, o, "201"), registered(t, o, "202")
		for _, what := range []string{"INVITE ", "SIP/2.0 100", "SIP/2.0 180", "SIP/2.0 200", "SIP/2.0 401", "ACK ", "BYE "} {
			for _, n := range []int{1, 3} {
				a.Register(300)
				b.Register(300)
				o.Net.Let(without(n, what))
				k := len(b.Calls())
				c := a.Call("202")
				in := b.Incoming(k, 10*second)
				if in == nil {
					t.Fatalf("%d × %s: no call came\n%s", n, what, a.Traffic())
				}
				time.Sleep(second)
				in.Answer()
				if !c.Answered(10 * second) {
					t.Fatalf("%d × %s: not answered\n%s\n%s", n, what, a.Traffic(), b.Traffic())
				}
				time.Sleep(5 * second)
				bothHear(t, o, c, in)
				c.Hang()
				if !in.Ended(10 * second) {
					t.Errorf("%d × %s: not ended", n, what)
				}
				o.Net.Let(nil)
				time.Sleep(40 * second)
				if l := o.SIP.Legs(); l != 0 {
					t.Errorf("%d × %s: %d legs left", n, what, l)
				}
			}
		}
	})
}

// TestNoAck: a call that the telephone never acknowledges is up for 64·T1, and then ends
// for both.
func TestNoAck(t *testing.T) {
	sipOffice(t, func(t *testing.T, o *Office) {
		a := registered(t, o, "201", func(p *siptest.Phone) { p.NoAck = true })
		c := a.Call("101")
		o.Do(t, "101 rings", "101 lifts")
		began := time.Now()
		c.Answered(second)
		if !c.Ended(time.Minute) {
			t.Fatal("the call goes on without ACK")
		}
		if d := time.Since(began); d < 31*second || d > 34*second {
			t.Errorf("ended after %v", d)
		}
		o.Do(t, "record 201 -> 101 answered", "101 hears busy", "101 hangs up")
		if n := strings.Count(a.Traffic(), "< SIP/2.0 200 OK"); n < 8 {
			t.Errorf("%d 200 came", n)
		}
	})
}

// TestBadNetwork: over a network that loses three of ten packets, calls are made and end.
func TestBadNetwork(t *testing.T) {
	sipOffice(t, func(t *testing.T, o *Office) {
		a, b := registered(t, o, "201"), registered(t, o, "202")
		o.Net.Let(lossy(0.3))
		away := 0
		// One in twenty-five calls loses all that goes in eight seconds, so that the telephone
		// counts as away (480); one in a hundred requests all that goes until timer B (0). Of
		// ten calls at the most three may.
		lost := func(c *siptest.Call) bool {
			s, _, _ := c.State()
			away++
			return (s == 480 || s == 0) && away <= 3
		}
		for range 10 {
			k := len(b.Calls())
			c := a.Call("202")
			in := b.Incoming(k, 32*second)
			if in == nil {
				if lost(c) {
					continue
				}
				t.Fatalf("no call came\n%s", a.Traffic())
			}
			time.Sleep(2 * second)
			in.Answer()
			if !c.Answered(32 * second) {
				if lost(c) {
					time.Sleep(40 * second)
					continue
				}
				t.Fatalf("not answered: %v\n%s\n%s", c.Statuses(), a.Traffic(), b.Traffic())
			}
			time.Sleep(10 * second)
			if n, _, _ := c.Sound.Stat(); n < 100 {
				t.Errorf("%d packets", n)
			}
			c.Hang()
			if !in.Ended(35 * second) {
				t.Errorf("not ended\n%s", b.Traffic())
			}
			time.Sleep(second)
		}
		for range 3 { // and with an analog telephone
			c := a.Call("101")
			a.Wait(30*second, func() bool { return len(c.Statuses()) > 0 })
			o.Do(t, "101 rings", "101 lifts")
			if !c.Answered(32 * second) {
				t.Fatalf("not answered: %v", c.Statuses())
			}
			o.Do(t, "wait 10s", "101 hangs up")
			if !c.Ended(35 * second) {
				t.Errorf("not ended")
			}
			if q := lastRecord(t, o).FromQuality; q == nil || q.Lost < 50 || q.MOS > 3 || q.Concealed == 0 {
				t.Errorf("quality %+v", q)
			}
			time.Sleep(2 * second)
		}
		o.Net.Let(nil)
		time.Sleep(40 * second)
	})
}

// TestPhoneVanishes: a telephone that loses its power in a call is noticed, also while it
// is held or holds.
func TestPhoneVanishes(t *testing.T) {
	sipOffice(t, func(t *testing.T, o *Office) {
		for _, k := range []struct {
			name string
			hold func(c *siptest.Call)
		}{
			{"talking", func(*siptest.Call) {}},
			{"over TCP", func(*siptest.Call) {}},
			{"holds", func(c *siptest.Call) { c.Reinvite("sendonly") }},
			{"holds, inactive", func(c *siptest.Call) { c.Reinvite("inactive") }},
			{"held", func(*siptest.Call) { o.Do(t, "101 flashes", "101 hears stutter") }},
		} {
			a := registered(t, o, "201", func(p *siptest.Phone) {
				if k.name == "over TCP" {
					o.OverTCP(p)
				}
			})
			c := connectAnalog(t, o, a, "101")
			k.hold(c)
			time.Sleep(10 * second)
			a.Close()
			began := time.Now()
			for len(o.Switch.Snapshot().Calls) > 0 {
				if time.Sleep(second); time.Since(began) > 5*time.Minute {
					t.Fatalf("%s: nobody notices", k.name)
				}
			}
			t.Logf("%s: noticed after %v", k.name, time.Since(began).Round(second))
			if d := time.Since(began); d > 150*second {
				t.Errorf("%s: noticed after %v", k.name, d)
			}
			if r := lastRecord(t, o); r.Outcome != pbx.Answered {
				t.Errorf("%s: %v", k.name, r.Outcome)
			}
			o.Do(t, "101 hangs up", "wait 5m")
		}
		// one of two on the network; the other is told
		a, b := registered(t, o, "201"), registered(t, o, "202")
		c, in := connect(t, o, a, b)
		time.Sleep(10 * second)
		b.Close()
		if !c.Ended(150 * second) {
			t.Error("the other is not told")
		}
		if _, _, e := in.State(); e {
			t.Error("who has no power is told")
		}
	})
}

// TestCallerVanishes: a caller who loses power while it rings: over TCP that is noticed
// at once, over UDP the ringing time ends it.
func TestCallerVanishes(t *testing.T) {
	sipOffice(t, func(t *testing.T, o *Office) {
		for _, stream := range []bool{false, true} {
			a := registered(t, o, "201", func(p *siptest.Phone) {
				if stream {
					o.OverTCP(p)
				}
			})
			a.Call("101")
			o.Do(t, "101 rings", "wait 1s")
			a.Close()
			began := time.Now()
			for len(o.Switch.Snapshot().Calls) > 0 && time.Since(began) < 5*time.Minute {
				time.Sleep(second)
			}
			t.Logf("over TCP %v: rang on for %v", stream, time.Since(began))
			if d := time.Since(began); d > 90*second || stream && d > 2*second {
				t.Errorf("rang on for %v", d)
			}
			o.Do(t, "101 speaks", "wait 5m")
		}
		// it is lifted just then: nobody is there, and the call ends
		a := registered(t, o, "201")
		a.Call("101")
		o.Do(t, "101 rings")
		a.Close()
		o.Do(t, "101 lifts", "wait 40s", "101 hears busy", "101 hangs up")
	})
}

// TestMutedPhoneStays: a telephone that sends nothing, muted or listening only, but is
// there keeps its call.
func TestMutedPhoneStays(t *testing.T) {
	sipOffice(t, func(t *testing.T, o *Office) {
		a := registered(t, o, "201")
		c := connectAnalog(t, o, a, "101")
		if s := c.Reinvite("recvonly"); s != 200 {
			t.Fatal(s)
		}
		c.Sound.Stop(true)
		time.Sleep(8 * time.Minute)
		if _, _, ended := c.State(); ended {
			t.Fatal("the call was ended")
		}
		if !c.Hears(o.Marker("101"), second) {
			t.Error("it hears nothing any more")
		}
		c.Sound.Stop(false)
		c.Hang()
		o.Do(t, "101 hears busy", "101 hangs up")
	})
}

// TestSessionTimers: for an hour either side refreshes the session; when it does not any
// more, the call ends.
func TestSessionTimers(t *testing.T) {
	if underRace {
		t.Skip("minutes under the race detector; shorter ones do the same")
	}
	length := time.Hour
	if testing.Short() {
		length = 10 * time.Minute
	}
	sipOffice(t, func(t *testing.T, o *Office) {
		timer := func(v string) func(*siptest.Phone) {
			return func(p *siptest.Phone) { p.Timer, p.PTime = v, 60*time.Millisecond }
		}
		a := registered(t, o, "201", timer("120;refresher=uas")) // the box
		b := registered(t, o, "202", timer("120;refresher=uac"))
		box, phone := connectAnalog(t, o, a, "101"), connectAnalog(t, o, b, "102")
		for began := time.Now(); time.Since(began) < length; {
			time.Sleep(55 * second)
			m := phone.Request("UPDATE", []string{"Supported: timer", "Session-Expires: 120;refresher=uac"}, "")
			if m == nil || m.Status() != 200 || m.Get("Session-Expires") != "120;refresher=uac" {
				t.Fatalf("refresh: %v", m)
			}
		}
		if n := phone.Refreshed(); n != 0 {
			t.Errorf("who refreshes was refreshed %d times", n)
		}
		if n := box.Refreshed(); n < int(length/time.Minute)-2 {
			t.Errorf("%d refreshes in %v", n, length)
		}
		o.Do(t, "101 and sip201 talk", "102 and sip202 talk")
		if !phone.Ended(125 * second) { // it refreshes no more
			t.Error("the session is over, the call goes on")
		}
		o.Do(t, "102 hears busy", "102 hangs up", "101 and sip201 talk", "101 hangs up")
		if !box.Ended(2 * second) {
			t.Error("not ended")
		}
	})
}

// TestAway: a telephone that lost its power stays registered for a while. Who calls is not
// left listening to nothing; another of the same user rings and decides.
func TestAway(t *testing.T) {
	sipOffice(t, func(t *testing.T, o *Office) {
		dead := registered(t, o, "201")
		dead.Close()
		o.Do(t, "101 lifts", "101 hears dial", "101 dials 201", "101 hears congestion within 9s", "101 hangs up")
		a := registered(t, o, "202")
		c := a.Call("201")
		if !c.Ended(9 * second) {
			t.Fatalf("not told: %v", c.Statuses())
		}
		if s, _, _ := c.State(); s != 480 {
			t.Errorf("told %d", s)
		}
		b := registered(t, o, "201") // at another port
		n := len(b.Calls())
		c = a.Call("201")
		in := b.Incoming(n, second)
		if in == nil {
			t.Fatal("the other does not ring")
		}
		time.Sleep(20 * second)
		if _, _, ended := c.State(); ended {
			t.Fatal("the one that is away ended the call")
		}
		in.Hang()
		if !c.Ended(second) {
			t.Error("what it said is not told")
		}
		if s, _, _ := c.State(); s != 486 {
			t.Errorf("told %d", s)
		}
	})
}
