package pbxtest

import (
	"testing"
	"time"

	"sotto/pbx"
	"sotto/pbx/sipline/siptest"
)

// ways are those in which telephones put a call on hold.
var ways = []struct {
	name   string
	hold   func(*siptest.Call) int
	resume func(*siptest.Call) int
}{
	{"sendonly", reinvite("sendonly"), reinvite("sendrecv")},
	{"inactive", reinvite("inactive"), reinvite("sendrecv")},
	{"0.0.0.0", reinvite("zero"), reinvite("sendrecv")},
	{"UPDATE sendonly", update("sendonly"), update("sendrecv")},
	{"UPDATE inactive", update("inactive"), reinvite("sendrecv")},
}

func reinvite(d string) func(*siptest.Call) int {
	return func(c *siptest.Call) int { return c.Reinvite(d) }
}

func update(d string) func(*siptest.Call) int {
	return func(c *siptest.Call) int { return c.Update(d) }
}

// TestHoldInEveryWay: who is held hears the country's hold tone, who holds hears nothing,
// both hear each other afterwards, and the record tells of it.
func TestHoldInEveryWay(t *testing.T) {
	sipOffice(t, func(t *testing.T, o *Office) {
		a, b := registered(t, o, "201"), registered(t, o, "202")
		for _, w := range ways {
			t.Log(w.name)
			c := connectAnalog(t, o, a, "101")
			for range 2 {
				o.Do(t, "101 speaks")
				if s := w.hold(c); s != 200 {
					t.Fatalf("%s: hold: %d", w.name, s)
				}
				o.Do(t, "101 hears hold")
				if !c.HearsNot(o.Marker("101"), second) {
					t.Errorf("%s: who holds hears the other", w.name)
				}
				time.Sleep(5 * second)
				if s := w.resume(c); s != 200 {
					t.Fatalf("%s: resume: %d", w.name, s)
				}
				o.Do(t, "101 speaks", "wait 1s", "101 and sip201 talk")
			}
			o.Do(t, "101 speaks")
			if s := w.hold(c); s != 200 {
				t.Fatal(s)
			}
			o.Do(t, "101 hears hold", "101 hangs up")
			if !c.Ended(2 * second) {
				t.Errorf("%s: not ended", w.name)
			}
			if r := lastRecord(t, o); !r.Held {
				t.Errorf("%s: the record does not say held", w.name)
			}

			c, in := connect(t, o, a, b)
			for i, hold := range []*siptest.Call{c, in} {
				held := []*siptest.Call{in, c}[i]
				if s := w.hold(hold); s != 200 {
					t.Fatalf("%s: hold: %d", w.name, s)
				}
				if !held.HearsTone("hold", 5*second) {
					t.Errorf("%s: hears %q on hold", w.name, held.Sound.Tone())
				}
				if held.Hears(hold.Marker(), 0) || !hold.HearsNot(held.Marker(), second) {
					t.Errorf("%s: a voice is heard on hold", w.name)
				}
				if s := w.resume(hold); s != 200 {
					t.Fatalf("%s: resume: %d", w.name, s)
				}
				bothHear(t, o, c, in)
				if !held.HearsTone("", 10*second) {
					t.Errorf("%s: hears %q after hold", w.name, held.Sound.Tone())
				}
			}
			in.Hang()
			if !c.Ended(2*second) || !lastRecord(t, o).Held {
				t.Errorf("%s: %v", w.name, lastRecord(t, o))
			}
		}
		for _, r := range o.Records.List() {
			for _, q := range []*pbx.Quality{r.FromQuality, r.ToQuality} {
				if q != nil && q.Intruders > 0 {
					t.Errorf("%d packets of a telephone that holds are taken for a stranger's", q.Intruders)
				}
			}
		}
	})
}

// TestBothHold: the call goes on when both are back, in either order.
func TestBothHold(t *testing.T) {
	sipOffice(t, func(t *testing.T, o *Office) {
		a, b := registered(t, o, "201"), registered(t, o, "202")
		for first := range 2 {
			c, in := connect(t, o, a, b)
			l := []*siptest.Call{c, in}
			for _, x := range l {
				if s := x.Reinvite("sendonly"); s != 200 {
					t.Fatal(s)
				}
				time.Sleep(second)
			}
			if s := l[first].Reinvite("sendrecv"); s != 200 {
				t.Fatal(s)
			}
			time.Sleep(second)
			if !l[first].HearsTone("hold", 5*second) {
				t.Errorf("back first hears %q", l[first].Sound.Tone())
			}
			if s := l[1-first].Reinvite("sendrecv"); s != 200 {
				t.Fatal(s)
			}
			bothHear(t, o, c, in)
			// who holds hangs up, then who is held
			if s := c.Reinvite("inactive"); s != 200 {
				t.Fatal(s)
			}
			l[first].Hang()
			if !l[1-first].Ended(2 * second) {
				t.Error("not ended")
			}
			time.Sleep(second)
		}
		// the analog party holds by hook flash, and is held itself
		c := connectAnalog(t, o, a, "101")
		o.Do(t, "101 flashes", "101 hears stutter")
		if !c.HearsTone("hold", 5*second) {
			t.Errorf("hears %q", c.Sound.Tone())
		}
		if s := c.Reinvite("sendonly"); s != 200 {
			t.Fatal(s)
		}
		o.Do(t, "101 flashes", "101 hears hold")
		if s := c.Reinvite("sendrecv"); s != 200 {
			t.Fatal(s)
		}
		o.Do(t, "101 and sip201 talk", "101 hangs up", "record 201 -> 101 answered")
		if !c.Ended(2 * second) {
			t.Error("not ended")
		}
	})
}

// TestConsultation: the analog party asks back with hook flash: swap, recall, and what
// telephones on the network hear meanwhile.
func TestConsultation(t *testing.T) {
	sipOffice(t, func(t *testing.T, o *Office) {
		a, b := registered(t, o, "201"), registered(t, o, "202")
		c := connectAnalog(t, o, a, "101")
		o.Do(t, "101 flashes", "101 hears stutter", "101 dials 202", "101 hears ringback")
		if !c.HearsTone("hold", 5*second) {
			t.Errorf("on hold it hears %q", c.Sound.Tone())
		}
		in := b.Incoming(0, 2*second)
		if in == nil {
			t.Fatal("no call came")
		}
		in.Answer()
		o.Do(t, "101 and sip202 talk")
		if c.Hears(o.Marker("101"), 0) || c.Hears(o.Marker("202"), 0) {
			t.Error("who is on hold hears a voice")
		}
		for range 3 { // swap there and back
			o.Do(t, "101 flashes", "wait 1s", "101 and sip201 talk")
			if !in.HearsTone("hold", 5*second) || in.Hears(o.Marker("101"), 0) {
				t.Errorf("202 hears %q", in.Sound.Tone())
			}
			o.Do(t, "101 flashes", "wait 1s", "101 and sip202 talk")
			if !c.HearsTone("hold", 5*second) || c.Hears(o.Marker("101"), 0) {
				t.Errorf("201 hears %q", c.Sound.Tone())
			}
		}
		o.Do(t, "101 hangs up", "record 101 -> 202 answered", "101 rings") // the held call rings back
		if !in.Ended(2 * second) {
			t.Error("not ended")
		}
		if !c.HearsTone("hold", 5*second) {
			t.Errorf("in recall 201 hears %q", c.Sound.Tone())
		}
		o.Do(t, "101 lifts", "101 and sip201 talk")
		c.Hang()
		o.Do(t, "record 201 -> 101 answered", "101 hears busy", "101 hangs up", "wait 2s")

		// the held party leaves, the consulted one stays; and a telephone on the network
		// leaves while it holds
		c = connectAnalog(t, o, a, "101")
		o.Do(t, "101 flashes", "101 hears stutter", "101 dials 202", "101 hears ringback")
		c.Hang()
		in = b.Incoming(1, 2*second)
		in.Answer()
		o.Do(t, "record 201 -> 101 answered", "101 and sip202 talk", "101 speaks")
		if s := in.Reinvite("sendonly"); s != 200 {
			t.Fatal(s)
		}
		o.Do(t, "101 hears hold")
		in.Hang()
		o.Do(t, "101 hears busy", "101 hangs up", "wait 2s")

		// recall that nobody takes
		c = connectAnalog(t, o, a, "101")
		o.Do(t, "101 flashes", "101 hears stutter", "101 hangs up", "101 rings")
		if !c.Ended(2 * time.Minute) {
			t.Error("a recall that nobody takes goes on")
		}
		if c.Reason() == "" {
			t.Log("no reason given")
		}
	})
}
