package sipline

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sotto/pbx"
	"sotto/pbx/sipline/siptest"
	"sotto/pbx/sipline/wire"
)

// registers sends a REGISTER with these headers beside From, To, Call-ID and CSeq.
func registers(p *siptest.Phone, callID string, cseq *int, headers ...string) *siptest.Message {
	return p.Ask("REGISTER", "sip:192.0.2.1", func() []string {
		*cseq++
		return append([]string{"From: <sip:" + p.User + "@192.0.2.1>;tag=a", "To: <sip:" + p.User + "@192.0.2.1>", "Call-ID: " + callID, fmt.Sprintf("CSeq: %d REGISTER", *cseq)}, headers...)
	}, "")
}

func TestRegister(t *testing.T) {
	office(t, func(t *testing.T, b *box) {
		p := b.phone("201", func(p *siptest.Phone) { p.Agent = "Telephone 1.0 of a make that says who it is" })
		n := 0
		try := func(status int, bindings int, headers ...string) *siptest.Message {
			t.Helper()
			res := registers(p, "one", &n, headers...)
			if res == nil || res.Status() != status {
				t.Fatalf("%q: %v, want %d", headers, res, status)
			}
			if l := b.saved.Bindings(); len(l) != bindings {
				t.Errorf("%q: %d bindings, want %d", headers, len(l), bindings)
			}
			return res
		}
		try(200, 0) // asks
		res := try(200, 2, "Contact: <sip:201@192.0.2.201>;expires=120, <sip:201@192.0.2.201:5070>", "Expires: 900")
		if c := strings.Join(res.All("Contact"), ","); !strings.Contains(c, "expires=120") || !strings.Contains(c, "expires=900") {
			t.Errorf("answered %s", res)
		}
		if res := try(423, 2, "Contact: <sip:201@192.0.2.201>;expires=10"); res.Get("Min-Expires") == "" {
			t.Error("423 without Min-Expires")
		}
		try(400, 2, "Contact: *")
		try(400, 2, "Contact: *", "Contact: <sip:201@192.0.2.201>", "Expires: 0")
		try(420, 2, "Contact: <sip:201@192.0.2.201>", "Require: gruu")
		n -= 10
		if res := registers(p, "one", &n, "Contact: <sip:201@192.0.2.201>"); res.Status() != 500 {
			t.Errorf("an old CSeq: %s", res.Start)
		}
		n += 10
		try(200, 0, "Contact: *", "Expires: 0")

		// For somebody else.
		res = p.Ask("REGISTER", "sip:192.0.2.1", func() []string {
			n++
			return []string{"From: <sip:201@192.0.2.1>;tag=a", "To: <sip:202@192.0.2.1>", "Call-ID: two", fmt.Sprintf("CSeq: %d REGISTER", n), "Contact: <sip:201@192.0.2.201>"}
		}, "")
		if res.Status() != 403 {
			t.Errorf("for another: %s", res.Start)
		}
		if l := b.saved.Bindings(); len(l) != 0 {
			t.Error("bound for another")
		}
	})
}

// TestAnsweredLast: when a REGISTER is answered, what the answer says is stored already, and
// the telephone is known.
func TestAnsweredLast(t *testing.T) {
	office(t, func(t *testing.T, b *box) {
		p := b.phone("201")
		answers := 0
		b.tap = func(to netip.AddrPort, d []byte) { // on the loop
			res := siptest.ParseMessage(d)
			if res.Status() != 200 {
				return
			}
			answers++
			told := len(res.All("Contact"))
			if l := b.saved.Bindings(); len(l) != told {
				t.Errorf("%d bindings answered, %d stored", told, len(l))
			}
			if is := b.sip.known.has(knownKey{wire.UDP, to}); is != (told > 0) {
				t.Errorf("%d bindings answered, known: %v", told, is)
			}
		}
		for _, expires := range []int{300, 0} {
			if err := p.Register(expires); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if answers != 2 {
			t.Errorf("%d answers", answers)
		}
	})
}

// TestLostAnswer: a REGISTER whose answer was lost is answered again, though its
// credentials are used up; the same credentials for anything else are not taken.
func TestLostAnswer(t *testing.T) {
	office(t, func(t *testing.T, b *box) {
		p := b.phone("201")
		var sent []byte
		b.ear = func(_ netip.AddrPort, d []byte) {
			if strings.Contains(string(d), "Authorization") {
				sent = d
			}
		}
		fate, lose := b.net.Let(nil), 3
		b.net.Let(func(from, to netip.AddrPort, d []byte) (int, time.Duration) {
			n, lag := fate(from, to, d)
			if strings.HasPrefix(string(d), "SIP/2.0 200") && lose > 0 {
				lose--
				n = 0
			}
			return n, lag
		})
		if err := p.Register(300); err != nil {
			t.Fatal(err)
		}
		p.Close()
		synctest.Wait()
		again := b.udp(p.Addr)
		if got := finals(again.send(sent)); got != "200" {
			t.Errorf("once more: %q", got)
		}
		other := strings.Replace(string(sent), "sip:201@192.0.2.201", "sip:201@192.0.2.66", 1)
		got := again.send([]byte(other))
		if finals(got) != "401" || !strings.Contains(got[0].Get("WWW-Authenticate"), "stale=true") {
			t.Errorf("another contact by old credentials: %v", got)
		}
		if l := b.saved.Bindings(); len(l) != 1 || strings.Contains(l[0].Contact, "192.0.2.66") {
			t.Errorf("%d bindings", len(l))
		}
	})
}

// TestRestart: registrations outlive the program, but for users who are gone.
func TestRestart(t *testing.T) {
	office(t, func(t *testing.T, b *box) {
		q := b.registered("202", func(p *siptest.Phone) { p.Answers = 0 })
		b.registered("203")
		b.stop()
		b.done.Wait()

		cfg := b.sip.cfg
		cfg.UDP, cfg.TCP = b.net.Must(boxAddr.String()), b.net.Listen(boxAddr.String())
		b.sip = New(cfg, numbering(t, "201", "202", "204"))
		b.run()
		pause(time.Minute)
		b.sip.order(func() {
			if !b.sip.known.has(knownKey{1, q.Addr}) {
				t.Error("the telephone is not known")
			}
		})
		c := b.registered("201").Call("202")
		if !c.Answered(time.Second) {
			t.Errorf("not reached after the restart:\n%s", q.Traffic())
		}
		c.Hang()
		if l := b.sip.Phones(); len(l) != 2 {
			t.Errorf("%d telephones, want 2: 203 is gone", len(l))
		}
	})
}

// TestExpiry: a registration ends with its time, and with it what its telephone may.
func TestExpiry(t *testing.T) {
	office(t, func(t *testing.T, b *box) {
		p := b.phone("202")
		if err := p.Register(60); err != nil {
			t.Fatal(err)
		}
		pause(61 * time.Second)
		if l := b.saved.Bindings(); len(l) != 0 {
			t.Error("still saved")
		}
		if b.sip.known.has(knownKey{1, p.Addr}) {
			t.Error("still known")
		}
		c := b.registered("201").Call("202")
		if !c.Ended(time.Second) || c.Statuses()[len(c.Statuses())-1] != 480 {
			t.Errorf("called: %v", c.Statuses())
		}
	})
}

// TestSetPlan: who is taken out of the plan is not rung any more, and cannot register nor
// call; its call goes on.
func TestSetPlan(t *testing.T) {
	office(t, func(t *testing.T, b *box) {
		caller, called, _ := b.up()
		third := b.registered("203")
		b.sip.SetPlan(numbering(t, "201", "203", "204"))
		pause(time.Minute)
		alive(b, caller, called)
		if l := b.saved.Bindings(); len(l) != 2 {
			t.Errorf("%d bindings, want 2", len(l))
		}
		c := third.Call("202")
		if !c.Ended(time.Second) || c.Statuses()[len(c.Statuses())-1] != 404 {
			t.Errorf("called: %v", c.Statuses())
		}
		p := b.phone("202")
		if err := p.Register(300); err == nil {
			t.Error("registered")
		}
		if c := p.Call("201"); !c.Ended(time.Second) || c.Statuses() != nil {
			t.Errorf("it calls: %v", c.Statuses())
		}
		if status := called.Hang(); status != 200 || !caller.Ended(time.Second) {
			t.Errorf("BYE: %d", status)
		}
	})
}

// TestNewSecret: who has a new secret is registered no longer; its call goes on.
func TestNewSecret(t *testing.T) {
	office(t, func(t *testing.T, b *box) {
		caller, called, _ := b.up()
		b.sip.Forget("u202")
		pause(time.Minute)
		alive(b, caller, called)
		if l := b.saved.Bindings(); len(l) != 1 {
			t.Errorf("%d bindings, want 1", len(l))
		}
		c := b.registered("203").Call("202")
		if !c.Ended(time.Second) || c.Statuses()[len(c.Statuses())-1] != 480 {
			t.Errorf("called: %v", c.Statuses())
		}
		if status := called.Hang(); status != 200 || !caller.Ended(time.Second) {
			t.Errorf("BYE: %d", status)
		}
	})
}

// TestTelephonesOfOne: all telephones of a user ring as one.
func TestTelephonesOfOne(t *testing.T) {
	answers := func(d time.Duration) func(*siptest.Phone) { return func(p *siptest.Phone) { p.Answers = d } }
	refuses := func(n int) func(*siptest.Phone) { return func(p *siptest.Phone) { p.Refuses = n } }
	waits := func(*siptest.Phone) {}
	for _, c := range []struct {
		name   string
		phones []func(*siptest.Phone)
		status int           // that the caller is told
		winner int           // which telephone has the call; -1 none
		cause  pbx.Cause     // told to the exchange, if there is none
		within time.Duration // all is settled
	}{
		{"the first answer wins", []func(*siptest.Phone){answers(2 * time.Second), answers(time.Second), waits}, 200, 1, 0, 3 * time.Second},
		{"one is busy, the other rings", []func(*siptest.Phone){refuses(486), answers(time.Second)}, 200, 1, 0, 2 * time.Second},
		{"one rings, the other is busy", []func(*siptest.Phone){answers(time.Second), refuses(486)}, 200, 0, 0, 2 * time.Second},
		{"both are busy", []func(*siptest.Phone){refuses(486), refuses(486)}, 486, -1, pbx.UserBusy, time.Second},
		{"one is busy, the other does not answer", []func(*siptest.Phone){refuses(486), refuses(480)}, 486, -1, pbx.UserBusy, time.Second},
		{"one declines for all", []func(*siptest.Phone){waits, refuses(603)}, 603, -1, pbx.Rejected, time.Second},
		{"busy everywhere", []func(*siptest.Phone){waits, refuses(600), waits}, 486, -1, pbx.UserBusy, time.Second},
		{"one has moved", []func(*siptest.Phone){refuses(302), answers(time.Second)}, 200, 1, 0, 2 * time.Second},
		{"both answer at once", []func(*siptest.Phone){answers(time.Second), answers(time.Second)}, 200, -2, 0, 3 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			office(t, func(t *testing.T, b *box) {
				var l []*siptest.Phone
				for _, f := range c.phones {
					l = append(l, b.registered("202", f))
				}
				call := b.registered("201").Call("202")
				pause(c.within)
				if s := call.Statuses(); len(s) == 0 || s[len(s)-1] != c.status {
					t.Fatalf("told %v, want %d", s, c.status)
				}
				up := 0
				for i, p := range l {
					if len(p.Calls()) != 1 {
						t.Fatalf("telephone %d was rung %d times", i, len(p.Calls()))
					}
					in := p.Calls()[0]
					_, answered, ended := in.State()
					if has := answered && !ended; has {
						up++
						if c.winner >= 0 && c.winner != i {
							t.Errorf("telephone %d has the call", i)
						}
						continue
					}
					if !ended {
						t.Errorf("telephone %d rings on", i)
					}
					if p.Refuses == 0 && c.winner != -1 && !strings.Contains(in.Reason(), "cause=200") {
						t.Errorf("telephone %d is told %q: it shows a missed call", i, in.Reason())
					}
				}
				if want := min(1, c.winner+1); c.winner != -2 && up != max(want, 0) || c.winner == -2 && up != 1 {
					t.Errorf("%d telephones have the call", up)
				}
				if c.winner == -1 {
					e := b.posted[len(b.posted)-1]
					if e.Kind != pbx.PhoneRefuses || e.Cause != c.cause || e.All != (c.phones != nil && strings.Contains("one declines for all busy everywhere", c.name)) {
						t.Errorf("the exchange is told %+v", e)
					}
				}
				call.Hang()
			})
		})
	}
}

// TestLostConnection: a telephone whose connection breaks in a call is reached by the one
// that it registers by next, or by one that is opened to where its Contact says.
func TestLostConnection(t *testing.T) {
	for _, c := range []struct{ name string }{{"registers anew"}, {"is dialled"}, {"is gone"}} {
		t.Run(c.name, func(t *testing.T) {
			office(t, func(t *testing.T, b *box) {
				p := b.phone("201", b.overTCP)
				if err := p.Register(300); err != nil {
					t.Fatal(err)
				}
				q := b.registered("202", func(p *siptest.Phone) { p.Answers = 0 })
				call := p.Call("202")
				if !call.Answered(time.Second) {
					t.Fatal("no answer")
				}
				pause(time.Minute)
				p.TCP.Close()
				pause(time.Second)
				alive(b, q.Calls()[0])
				var bye func() bool
				switch c.name {
				case "registers anew":
					again := b.phone("201", func(n *siptest.Phone) { n.UDP.Close(); n.Addr = netip.AddrPortFrom(p.Addr.Addr(), 7777) }, b.overTCP)
					if err := again.Register(300); err != nil {
						t.Fatal(err)
					}
					bye = func() bool { return strings.Contains(again.Traffic(), "< BYE") }
				case "is dialled":
					l := b.net.Listen(p.Addr.String())
					defer l.Close()
					got := make([]byte, 4)
					go func() {
						if conn, err := l.Accept(); err == nil {
							conn.Read(got)
							conn.Close()
						}
					}()
					bye = func() bool { return string(got) == "BYE " }
				default:
					bye = func() bool { return true }
				}
				q.Calls()[0].Hang()
				pause(time.Second)
				if !bye() {
					t.Error("no BYE came")
				}
				if c.name == "is gone" {
					if n := b.sip.Legs(); n > 1 {
						t.Errorf("%d legs wait", n)
					}
				}
			})
		})
	}
}

// TestIdleConnection: a registered telephone keeps its connection, however long it says
// nothing; a stranger does not.
func TestIdleConnection(t *testing.T) {
	office(t, func(t *testing.T, b *box) {
		q := b.phone("202", b.overTCP, func(p *siptest.Phone) { p.Answers = 0 })
		if err := q.Register(3600); err != nil {
			t.Fatal(err)
		}
		s := b.tcp(stranger)
		s.send(torture(t, "lwsdisp"))
		pause(50 * time.Minute)
		if !s.ended() {
			t.Error("the stranger is still connected")
		}
		if n := b.sip.Counters().Connections; n.Open != 1 || n.Strangers != 0 {
			t.Errorf("connections: %+v", n)
		}
		c := b.registered("201").Call("202")
		if !c.Answered(time.Second) {
			t.Errorf("not reached:\n%s", q.Traffic())
		}
		c.Hang()
	})
}

// TestGoodbye: when the box stops, telephones are told, over streams as well.
func TestGoodbye(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t)
		p := b.phone("201", b.overTCP)
		if err := p.Register(300); err != nil {
			t.Fatal(err)
		}
		q := b.registered("202", func(p *siptest.Phone) { p.Answers = 0 })
		r := b.registered("203")
		waits := r.Call("204")
		b.registered("204")
		var up []*siptest.Call
		for range 8 {
			up = append(up, p.Call("202"))
			if !up[len(up)-1].Answered(time.Second) {
				t.Fatal("no answer")
			}
		}
		ringing := r.Call("204")
		if !ringing.Rings(time.Second) {
			t.Fatal("no ringing")
		}
		b.shutdown()
		pause(time.Second)
		for i, c := range append(append(up, q.Calls()...), waits, ringing) {
			if _, _, ended := c.State(); !ended {
				t.Errorf("call %d is not ended", i)
			}
		}
		pause(80 * time.Second)
	})
}

// TestFull: over MaxCalls calls are refused, but for emergencies; nothing leaks of what is
// refused at once.
func TestFull(t *testing.T) {
	office(t, func(t *testing.T, b *box) {
		p := b.registered("201", func(p *siptest.Phone) { p.Codecs = []byte{8} })
		c := p.Call("202")
		pause(time.Second)
		if s := c.Statuses(); len(s) == 0 || s[len(s)-1] != 503 {
			t.Errorf("told %v", s)
		}
		c = p.Call("112")
		pause(time.Second)
		if len(b.posted) != 1 || !b.posted[0].Urgent {
			t.Errorf("the emergency call did not go on: %v", c.Statuses())
		}
	}, func(_ *box, c *Config) { c.MaxCalls = -1 })
	office(t, func(t *testing.T, b *box) {
		p := b.udp(stranger)
		for i := range 50 {
			msg := strings.ReplaceAll(string(torture(t, "invut")), "branch=z9hG4bK", fmt.Sprintf("branch=z9hG4bK%d", i))
			msg = strings.Replace(msg, "Call-ID: ", fmt.Sprintf("Call-ID: %d", i), 1)
			if got := finals(p.sendOn(msg)); got != "415" {
				t.Fatalf("%q", got)
			}
		}
		if n := b.rtp.Counters().Open; n != 0 {
			t.Errorf("%d sessions are open", n)
		}
	}, trust)
	// The exchange takes no call.
	office(t, func(t *testing.T, b *box) {
		b.deaf = true
		c := b.registered("201").Call("202")
		pause(time.Second)
		if s := c.Statuses(); len(s) == 0 || s[len(s)-1] != 503 {
			t.Errorf("told %v", s)
		}
	})
}
