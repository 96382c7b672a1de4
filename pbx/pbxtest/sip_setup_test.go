package pbxtest

import (
	"strings"
	"testing"
	"time"

	"sotto/pbx"
	"sotto/pbx/plan"
	"sotto/pbx/sipline/siptest"
)

// TestCancelAtEveryMoment: a caller who gives up is told 487 or, when the answer crossed,
// gets a call that ends at once; the called telephone is quiet soon after.
func TestCancelAtEveryMoment(t *testing.T) {
	sipOffice(t, func(t *testing.T, o *Office) {
		a, b := registered(t, o, "201"), registered(t, o, "202")
		// a network that takes 20 ms each way, so that messages cross
		o.Net.Let(slow(20 * time.Millisecond))
		outcomes := map[int]int{}
		for i := range 60 {
			after := time.Duration(i) * 4 * time.Millisecond
			b.Answers = 60 * time.Millisecond
			n := len(b.Calls())
			c := a.Call("202")
			time.Sleep(50*time.Millisecond + after)
			c.Hang()
			if !c.Ended(5 * second) {
				t.Fatalf("after %v: the caller's call goes on: %v\n%s", after, c.Statuses(), a.Traffic())
			}
			s, _, _ := c.State()
			outcomes[s]++
			if l := b.Calls(); len(l) > n && !l[n].Ended(5*second) {
				t.Fatalf("after %v: the called telephone's call goes on\n%s\n%s", after, b.Traffic(), o.Text())
			}
			time.Sleep(second)
		}
		t.Logf("final responses: %v", outcomes)
		if outcomes[487] < 5 || outcomes[200] < 5 {
			t.Error("the cancel never came before, or never after the answer")
		}
		for i := range 40 { // and an analog one, which is lifted
			after := time.Duration(i) * 5 * time.Millisecond
			c := a.Call("101")
			o.Do(t, "101 rings")
			o.Board.Room.Set("101").Lift()
			time.Sleep(after)
			c.Hang()
			if !c.Ended(5 * second) {
				t.Fatalf("after %v: the caller's call goes on: %v\n%s", after, c.Statuses(), a.Traffic())
			}
			time.Sleep(500 * time.Millisecond)
			o.Do(t, "101 hangs up", "wait 2s")
			if l := o.Switch.Snapshot().Calls; len(l) > 0 {
				t.Fatalf("after %v: %v", after, l)
			}
		}
	})
}

// TestCallerGivesUp: while it rings, at either kind of telephone.
func TestCallerGivesUp(t *testing.T) {
	sipOffice(t, func(t *testing.T, o *Office) {
		a, b := registered(t, o, "201"), registered(t, o, "202")
		c := a.Call("101")
		o.Do(t, "101 rings")
		c.Hang()
		o.Do(t, "101 stops ringing", "record 201 -> 101 abandoned")
		if s, _, _ := c.State(); s != 487 {
			t.Errorf("told %d", s)
		}
		o.Do(t, "101 lifts", "101 hears dial", "101 dials 202", "101 hears ringback")
		in := b.Incoming(0, second)
		o.Do(t, "101 hangs up", "record 101 -> 202 abandoned")
		if !in.Ended(2 * second) {
			t.Error("the telephone rings on")
		}
		b.Silent = true // it says nothing at all: no CANCEL may go before a response
		c = a.Call("202")
		b.Incoming(1, second)
		time.Sleep(3 * second)
		c.Hang()
		if !c.Ended(2 * second) {
			t.Errorf("the caller waits: %v", c.Statuses())
		}
		time.Sleep(40 * second)
	})
}

// TestRefusalsOfTheCalled: what a telephone on the network says reaches an analog caller
// as a tone, and one on the network as the same status; redirections are not followed.
func TestRefusalsOfTheCalled(t *testing.T) {
	sipOffice(t, func(t *testing.T, o *Office) {
		a, b := registered(t, o, "201"), registered(t, o, "202")
		for _, k := range []struct {
			status, want int
			tone         string
		}{{486, 486, "busy"}, {600, 486, "busy"}, {603, 603, "busy"}, {480, 480, "congestion"}, {404, 404, ""}, {302, 480, "congestion"}, {500, 480, "congestion"}, {488, 488, ""}} {
			b.Refuses = k.status
			c := a.Call("202")
			if !c.Ended(10 * second) {
				t.Fatalf("%d: the caller waits", k.status)
			}
			if s, _, _ := c.State(); s != k.want {
				t.Errorf("refused with %d, told %d, want %d", k.status, s, k.want)
			}
			o.Do(t, "102 lifts", "102 hears dial", "102 dials 202")
			if k.tone != "" {
				o.Do(t, "102 hears "+k.tone)
			}
			o.Do(t, "102 hangs up", "wait 2s")
		}
	})
}

// TestNobodyAnswers: the caller is told when the office's ringing time is over.
func TestNobodyAnswers(t *testing.T) {
	sipOffice(t, func(t *testing.T, o *Office) {
		a, b := registered(t, o, "201"), registered(t, o, "202")
		c := a.Call("101")
		o.Do(t, "101 rings")
		if !c.Ended(2 * time.Minute) {
			t.Fatal("it rings for ever")
		}
		if s, _, _ := c.State(); s != 480 {
			t.Errorf("told %d", s)
		}
		o.Do(t, "101 stops ringing", "record 201 -> 101 no answer", "101 lifts", "101 hears dial", "101 dials 202", "101 hears ringback")
		in := b.Incoming(0, second)
		if !in.Ended(2 * time.Minute) {
			t.Error("the telephone rings for ever")
		}
		o.Do(t, "record 101 -> 202 no answer", "101 hangs up")
		b.Close() // off the network, registered still
		c = a.Call("202")
		if !c.Ended(2 * time.Minute) {
			t.Error("it rings for ever")
		}
		if s, _, _ := c.State(); s != 480 {
			t.Errorf("told %d", s)
		}
	})
}

// TestForks: a user with an analog telephone and two on the network: all ring, one
// answers, the others are quiet and tell nothing of a missed call.
func TestForks(t *testing.T) {
	scene := Scene{Country: "DE", Stations: 2, SIP: []plan.Ext{"101", "201", "202"}}
	sipOfficeOf(t, scene, func(t *testing.T, o *Office) {
		a := registered(t, o, "201")
		one, two := registered(t, o, "101"), registered(t, o, "101")
		for _, caller := range []string{"201", "102"} {
			for who := range 3 {
				n, m := len(one.Calls()), len(two.Calls())
				var c *siptest.Call
				if caller == "201" {
					c = a.Call("101")
				} else {
					o.Do(t, "102 lifts", "102 hears dial", "102 dials 101")
				}
				x, y := one.Incoming(n, 2*second), two.Incoming(m, 2*second)
				if x == nil || y == nil {
					t.Fatalf("not all ring\n%s", o.Text())
				}
				o.Do(t, "101 rings")
				l := []*siptest.Call{x, y}
				if who < 2 {
					l[who].Answer()
					o.Do(t, "101 stops ringing")
					if c != nil {
						bothHear(t, o, c, l[who])
					} else if !l[who].Hears(o.Marker("102"), 2*second) {
						t.Error("no sound")
					}
				} else {
					o.Do(t, "101 lifts")
					if c != nil {
						o.Do(t, "101 and sip201 talk")
					} else {
						o.Do(t, "101 and 102 talk")
					}
				}
				for i, z := range l {
					if i != who && !z.Ended(2*second) {
						t.Errorf("telephone %d rings on", i)
					}
					if i != who && !strings.Contains(z.Reason(), "SIP;cause=200") { // answered elsewhere: not missed
						t.Errorf("telephone %d is told the reason %q", i, z.Reason())
					}
				}
				time.Sleep(3 * second)
				switch {
				case who == 2:
					o.Do(t, "101 hangs up")
				default:
					l[who].Hang()
				}
				if c != nil && !c.Ended(3*second) {
					t.Error("not ended")
				}
				if c == nil {
					o.Do(t, "102 hears busy", "102 hangs up")
				}
				o.Do(t, "wait 3s")
				if r := lastRecord(t, o); r.From.Ext != plan.Ext(caller) || r.To.Ext != "101" || r.Outcome != pbx.Answered {
					t.Errorf("recorded %v -> %v %v", r.From.Ext, r.To.Ext, r.Outcome)
				}
			}
		}
		// refusals of some: the others ring on; of one for all: nobody does
		one.Refuses = 486
		c := a.Call("101")
		o.Do(t, "101 rings", "101 lifts", "101 and sip201 talk", "101 hangs up", "wait 3s")
		c.Ended(second)
		two.Refuses = 603
		c = a.Call("101")
		if !c.Ended(5 * second) {
			t.Errorf("refused for all, and rings on: %v", c.Statuses())
		}
		if o.Do(t, "wait 2s"); len(o.Switch.Snapshot().Calls) > 0 {
			t.Error("refused for all, and the call goes on")
		}
		one.Refuses, two.Refuses = 486, 480
		c = a.Call("101")
		o.Do(t, "wait 40s")
		if s, _, _ := c.State(); s != 180 {
			t.Errorf("the analog telephone alone should ring: %v", c.Statuses())
		}
		c.Hang()
		// the analog one is lifted: busy, unless one on the network answers
		o.Do(t, "wait 3s", "101 lifts", "101 hears dial")
		if s := outcome(a.Call("101")); s != 486 {
			t.Errorf("lifted and busy: %d", s)
		}
		two.Refuses = 0
		n := len(two.Calls())
		c = a.Call("101")
		in := two.Incoming(n, second)
		in.Answer()
		bothHear(t, o, c, in)
		c.Hang()
		o.Do(t, "101 hangs up")
	})
}

// outcome waits for the end of a call and gives its last status.
func outcome(c *siptest.Call) int {
	c.Ended(3 * time.Minute)
	s, _, _ := c.State()
	return s
}

// TestAnswerTogether: two telephones of a user answer in the same moment.
func TestAnswerTogether(t *testing.T) {
	scene := Scene{Country: "DE", Stations: 2, SIP: []plan.Ext{"101", "201"}}
	sipOfficeOf(t, scene, func(t *testing.T, o *Office) {
		a := registered(t, o, "201")
		one, two := registered(t, o, "101"), registered(t, o, "101")
		for i := range 10 {
			n, m := len(one.Calls()), len(two.Calls())
			o.Net.Let(slow(10 * time.Millisecond))
			c := a.Call("101")
			x, y := one.Incoming(n, second), two.Incoming(m, second)
			o.Do(t, "101 rings")
			x.Answer()
			if i%2 == 0 {
				time.Sleep(time.Duration(i) * time.Millisecond)
				y.Answer()
			} else {
				o.Board.Room.Set("101").Lift()
			}
			time.Sleep(2 * second)
			_, _, ex := x.State()
			_, _, ey := y.State()
			_, _, ec := c.State()
			if ec || (i%2 == 0 && ex == ey) || (i%2 == 1 && !ey) {
				t.Fatalf("round %d: ended: %v %v, caller %v", i, ex, ey, ec)
			}
			c.Hang()
			time.Sleep(second)
			o.Board.Room.Set("101").HangUp()
			time.Sleep(3 * second)
			if !x.Ended(second) || !y.Ended(second) {
				t.Fatal("a call goes on")
			}
		}
	})
}

// TestOddNumbers: what a telephone on the network may send as a number.
func TestOddNumbers(t *testing.T) {
	sipOffice(t, func(t *testing.T, o *Office) {
		a := registered(t, o, "201")
		hundred := ""
		for range 10 {
			hundred += "1234567890"
		}
		for number, want := range map[string]int{"1": 484, "10": 484, "555": 404, hundred: 404, "bob": 404, "201": 486, "": 400, "+": 404, "%31%30%31": 180, "1-0-1": 180, "(101)": 180,
			"1.0.1": 180, "101;phone-context=x": 180, "%": 400, "%00": 404, "101%00": 404, "%C3%BC": 404, "1%2531": 404} {
			c := a.Call(number)
			if want == 180 {
				if !c.Rings(2 * second) {
					t.Errorf("%q: %v", number, c.Statuses())
				}
				c.Hang()
				c.Ended(2 * second)
				o.Do(t, "wait 2s")
				continue
			}
			if n := len(a.Calls()); number == "201" { // one's own extension: it rings, and one may answer oneself
				if in := a.Incoming(n, second); in != nil {
					in.Hang()
				}
			}
			if !c.Ended(5 * second) {
				t.Errorf("%q: goes on: %v", number, c.Statuses())
				c.Hang()
			}
			if s, _, _ := c.State(); s != want {
				t.Errorf("%q: told %d, want %d", number, s, want)
			}
		}
		for _, r := range o.Records.List() {
			if r.Outcome == pbx.Answered {
				t.Errorf("answered: %v", r.To.Ext)
			}
		}
	})
}

// TestDisplays: what the displays show.
func TestDisplays(t *testing.T) {
	scene := Scene{Country: "DE", Stations: 2, SIP: []plan.Ext{"201", "202"}, Names: map[plan.Ext]string{"102": `Jürgen "J" <Groß>`}}
	sipOfficeOf(t, scene, func(t *testing.T, o *Office) {
		a, b := registered(t, o, "201"), registered(t, o, "202")
		c := a.Call("101")
		o.Do(t, "101 rings", "101 shows 201 Person 201")
		c.Hang()
		o.Do(t, "101 stops ringing", "102 lifts", "102 hears dial", "102 dials 201")
		in := a.Incoming(1, second)
		if name, user := in.From(); user != "102" || name == "" {
			t.Errorf("shown: %q %q", name, user)
		} else {
			t.Logf("shown: %q %q", name, user)
		}
		o.Do(t, "102 hangs up")
		c = b.Call("201")
		in = a.Incoming(2, second)
		if name, user := in.From(); name != "Person 202" || user != "202" {
			t.Errorf("shown: %q %q", name, user)
		}
		c.Hang()
		c.Ended(second)
	})
}
