package pbxtest

import (
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sotto/pbx"
	"sotto/pbx/plan"
	"sotto/pbx/sipline/siptest"
)

const second = time.Second

// sipOffice starts an exchange with users 201 to 204 on the network.
func sipOffice(t *testing.T, f func(t *testing.T, o *Office)) {
	sipOfficeOf(t, Scene{Country: "DE", Stations: 2, Lines: 1, SIP: []plan.Ext{"201", "202", "203", "204"}}, f)
}

// raced are the scenarios that the race detector looks at.
var raced = map[string]bool{"TestRegister": true, "TestCallsInEveryMix": true, "TestHoldInEveryWay": true, "TestForks": true, "TestDigits": true, "TestNetworkCallsOut/GB": true, "TestBadNetwork": true}

// sipOfficeOf plays f in a scene; it must leave nothing behind: no call, leg, session,
// socket or goroutine, and nobody's number in the log.
func sipOfficeOf(t *testing.T, scene Scene, f func(t *testing.T, o *Office)) {
	t.Helper()
	if underRace && !raced[t.Name()] {
		t.Skip("some scenarios are enough for the race detector")
	}
	synctest.Test(t, func(t *testing.T) {
		o := Start(t, scene)
		defer func() {
			if t.Failed() {
				o.Stop(t)
			}
		}()
		f(t, o)
		if t.Failed() {
			return
		}
		time.Sleep(40 * second)
		if c := o.RTP.Counters(); c.Open != 0 {
			t.Errorf("%d sessions are left open", c.Open)
		}
		if n := o.SIP.Legs(); n != 0 {
			t.Errorf("%d legs are left", n)
		}
		if s := o.Switch.Snapshot(); len(s.Calls) > 0 {
			t.Errorf("%d calls are left", len(s.Calls))
		}
		o.Stop(t)
		if n := o.Net.Sockets(); n != 0 {
			t.Errorf("%d sockets are left", n)
		}
		if found := personal.FindString(o.Text()); found != "" {
			t.Errorf("the log holds %q:\n%s", found, o.Text())
		}
	})
}

// personal is what no log may hold: extensions, numbers dialled, secrets and addresses.
var personal = regexp.MustCompile(`\b(20[1-4]|10[12])\b|5550|secret-of|192\.0\.2\.2`)

func registered(t *testing.T, o *Office, x plan.Ext, opts ...func(*siptest.Phone)) *siptest.Phone {
	t.Helper()
	p := o.Phone(t, x, opts...)
	if err := p.Register(300); err != nil {
		t.Fatalf("register: %v\n%s", err, o.Text())
	}
	return p
}

// connect lets a call b, who answers: both hear each other.
func connect(t *testing.T, o *Office, a, b *siptest.Phone) (c, in *siptest.Call) {
	t.Helper()
	n := len(b.Calls())
	c = a.Call(b.User)
	in = b.Incoming(n, 2*second)
	if in == nil || !c.Rings(2*second) {
		t.Fatalf("no call came: %v\n%s\n%s", c.Statuses(), a.Traffic(), o.Text())
	}
	in.Answer()
	if !c.Answered(2 * second) {
		t.Fatalf("not answered: %v\n%s\n%s", c.Statuses(), a.Traffic(), b.Traffic())
	}
	bothHear(t, o, c, in)
	return c, in
}

// bothHear: two telephones on the network hear each other.
func bothHear(t *testing.T, o *Office, c, in *siptest.Call) {
	t.Helper()
	if a, b := c.Hears(in.Marker(), 2*second), in.Hears(c.Marker(), 2*second); !a || !b {
		_, d := c.Described()
		_, e := in.Described()
		t.Fatalf("no sound: %v hears %v, %v hears %v, %+v", d, a, e, b, o.RTP.Counters())
	}
}

// connectAnalog lets a call the analog telephone x, which answers.
func connectAnalog(t *testing.T, o *Office, a *siptest.Phone, x string) *siptest.Call {
	t.Helper()
	c := a.Call(x)
	o.Do(t, x+" rings", x+" lifts", x+" and sip"+a.User+" talk")
	return c
}

// callFromAnalog lets the analog telephone x call a, which answers.
func callFromAnalog(t *testing.T, o *Office, x string, a *siptest.Phone) *siptest.Call {
	t.Helper()
	n := len(a.Calls())
	o.Do(t, x+" lifts", x+" hears dial", x+" dials "+a.User)
	in := a.Incoming(n, 2*second)
	if in == nil {
		t.Fatalf("no call came\n%s\n%s", a.Traffic(), o.Text())
	}
	in.Answer()
	o.Do(t, x+" and sip"+a.User+" talk")
	return in
}

// lastRecord gives the newest record.
func lastRecord(t *testing.T, o *Office) pbx.Record {
	t.Helper()
	l := o.Records.List()
	if len(l) == 0 {
		t.Fatal("no record")
	}
	return l[len(l)-1]
}

func TestRegister(t *testing.T) {
	sipOffice(t, func(t *testing.T, o *Office) {
		for _, md5 := range []bool{false, true} {
			p := o.Phone(t, "201", func(p *siptest.Phone) { p.MD5 = md5 })
			if err := p.Register(300); err != nil {
				t.Fatal(err)
			}
			if l := o.Saved.Bindings(); len(l) == 0 {
				t.Error("not saved")
			}
		}
		p := o.Phone(t, "201", func(p *siptest.Phone) { p.Secret = "wrong" })
		if err := p.Register(300); err == nil || !strings.Contains(err.Error(), "401") {
			t.Errorf("wrong secret: %v", err)
		}
		p = o.Phone(t, "999")
		if err := p.Register(300); err == nil || !strings.Contains(err.Error(), "401") {
			t.Errorf("unknown user: %v", err)
		}
		tcp := o.Phone(t, "202", o.OverTCP)
		if err := tcp.Register(300); err != nil {
			t.Error(err)
		}
	})
}

// TestCallsInEveryMix: analog and network telephones call each other, both hear, either
// hangs up.
func TestCallsInEveryMix(t *testing.T) {
	sipOffice(t, func(t *testing.T, o *Office) {
		tcp := func(on bool) func(*siptest.Phone) {
			return func(p *siptest.Phone) {
				if on {
					o.OverTCP(p)
				}
			}
		}
		for i, stream := range []bool{false, true} {
			a := registered(t, o, "201", tcp(stream))
			b := registered(t, o, "202", tcp(stream))
			for _, callerHangs := range []bool{true, false} {
				// network to analog
				c := a.Call("101")
				if !c.Rings(second) {
					t.Fatalf("no ringing: %v\n%s\n%s", c.Statuses(), a.Traffic(), o.Text())
				}
				o.Do(t, "101 rings", "101 lifts", "101 and sip201 talk")
				if callerHangs {
					c.Hang()
					o.Do(t, "record 201 -> 101 answered", "101 hears busy", "101 hangs up")
				} else {
					o.Do(t, "101 hangs up", "record 201 -> 101 answered")
					if !c.Ended(2 * second) {
						t.Fatal("not ended")
					}
				}
				o.Do(t, "wait 3s")

				// analog to network
				n := len(a.Calls())
				o.Do(t, "102 lifts", "102 hears dial", "102 dials 201", "102 hears ringback")
				in := a.Incoming(n, second)
				if in == nil {
					t.Fatalf("no call came\n%s\n%s", a.Traffic(), o.Text())
				}
				if name, user := in.From(); name != "Person B" || user != "102" {
					t.Errorf("shown as %q %q", name, user)
				}
				in.Answer()
				o.Do(t, "102 and sip201 talk")
				if callerHangs {
					o.Do(t, "102 hangs up", "record 102 -> 201 answered")
					if !in.Ended(2 * second) {
						t.Fatal("not ended")
					}
				} else {
					in.Hang()
					o.Do(t, "record 102 -> 201 answered", "102 hears busy", "102 hangs up")
				}
				o.Do(t, "wait 3s")

				// network to network
				n = len(b.Calls())
				c = a.Call("202")
				in = b.Incoming(n, second)
				if in == nil || !c.Rings(second) {
					t.Fatalf("no call came\n%s\n%s", a.Traffic(), o.Text())
				}
				in.Answer()
				if !c.Answered(second) || !c.Hears(o.Marker("202"), second) || !in.Hears(o.Marker("201"), second) {
					t.Fatalf("%d: no sound %v %v\n%s\n%s\n%s", i, c.Statuses(), o.RTP.Counters(), a.Traffic(), b.Traffic(), o.Text())
				}
				time.Sleep(5 * second)
				if callerHangs {
					c.Hang()
					if !in.Ended(2 * second) {
						t.Fatal("not ended")
					}
				} else {
					in.Hang()
					if !c.Ended(2 * second) {
						t.Fatal("not ended")
					}
				}
				o.Do(t, "wait 2s")
			}
			a.Close()
			b.Close()
			for _, r := range o.Records.List() {
				if (r.From.Ext[0] == '2') != (r.FromQuality != nil) || (r.To.Ext[0] == '2') != (r.ToQuality != nil) {
					t.Errorf("quality of %v -> %v: %v, %v", r.From.Ext, r.To.Ext, r.FromQuality, r.ToQuality)
				}
			}
			time.Sleep(5 * time.Minute) // registrations run out
		}
		if c := o.RTP.Counters(); c.Relayed == 0 {
			t.Error("nothing was relayed")
		}
	})
}

// TestRefusals: what a caller is told, on either kind of telephone.
func TestRefusals(t *testing.T) {
	sipOffice(t, func(t *testing.T, o *Office) {
		a := registered(t, o, "201")
		b := registered(t, o, "202")
		status := func(number string) int {
			c := a.Call(number)
			c.Ended(2 * time.Minute)
			s, _, _ := c.State()
			return s
		}
		for number, want := range map[string]int{"555": 404, "20": 484, "203": 480} {
			if got := status(number); got != want {
				t.Errorf("%s: %d, want %d", number, got, want)
			}
		}
		for refuse, want := range map[int]int{486: 486, 603: 603, 480: 480, 404: 404} {
			b.Refuses = refuse
			if got := status("202"); got != want {
				t.Errorf("refused with %d: %d, want %d", refuse, got, want)
			}
		}
		b.Refuses = 486
		o.Do(t, "101 lifts", "101 hears dial", "101 dials 202", "101 hears busy", "record 101 -> 202 busy", "101 hangs up")
		b.Refuses = 0
		o.Do(t, "102 lifts", "102 hears dial")
		if got := status("102"); got != 486 {
			t.Errorf("a lifted telephone: %d", got)
		}
		o.Do(t, "102 hangs up")
		if got := status("202"); got != 480 {
			t.Errorf("nobody answers: %d", got)
		}
		last := b.Calls()[len(b.Calls())-1]
		if !last.Ended(second) {
			t.Error("the telephone rings on")
		}
		if r := o.Records.List(); r[len(r)-1].Outcome != pbx.NoAnswer {
			t.Errorf("recorded as %v", r[len(r)-1].Outcome)
		}
	})
}
