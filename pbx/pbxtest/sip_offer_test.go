package pbxtest

import (
	"strings"
	"testing"
	"time"

	"sotto/pbx/sipline/siptest"
)

// TestOffers: whatever a telephone offers, early or late, it hears and is heard: by an
// analog telephone, and by another one on the network that speaks another law.
func TestOffers(t *testing.T) {
	sipOffice(t, func(t *testing.T, o *Office) {
		for _, k := range []struct {
			name string
			set  func(*siptest.Phone)
		}{
			{"both laws", func(*siptest.Phone) {}},
			{"late", func(p *siptest.Phone) { p.Late = true }},
			{"µ-law", func(p *siptest.Phone) { p.Codecs = []byte{0} }},
			{"late µ-law", func(p *siptest.Phone) { p.Codecs, p.Late = []byte{0}, true }},
			{"µ-law first", func(p *siptest.Phone) { p.Codecs = []byte{0, 8} }},
			{"10 ms", func(p *siptest.Phone) { p.PTime = 10 * time.Millisecond }},
			{"30 ms", func(p *siptest.Phone) { p.PTime = 30 * time.Millisecond }},
			{"40 ms", func(p *siptest.Phone) { p.PTime = 40 * time.Millisecond }},
			{"other event number", func(p *siptest.Phone) { p.Events = 96 }},
			{"100rel", func(p *siptest.Phone) { p.Reliable = true }},
			{"100rel and late", func(p *siptest.Phone) { p.Reliable, p.Late = true, true }},
			{"TCP", o.OverTCP},
		} {
			a, b := registered(t, o, "201", k.set), registered(t, o, "202")
			c := connectAnalog(t, o, a, "101")
			time.Sleep(3 * second)
			o.Do(t, "101 and sip201 talk")
			if gaps, streams := c.Sound.Gapped(); gaps > 0 || streams != 1 {
				t.Errorf("%s: %d gaps, %d streams", k.name, gaps, streams)
			}
			if _, payloads, _ := c.Sound.Stat(); len(payloads) != 1 {
				t.Errorf("%s: payload types %v", k.name, payloads)
			}
			if k.name == "100rel" && (!strings.Contains(a.Traffic(), "PRACK") || c.Acks() > 0) {
				t.Errorf("%s: no PRACK\n%s", k.name, a.Traffic())
			}
			c.Hang()
			o.Do(t, "101 hears busy", "101 hangs up", "wait 2s")
			in := callFromAnalog(t, o, "102", a)
			if k.name == "100rel" && !strings.Contains(a.Traffic(), "< PRACK") {
				t.Errorf("%s: its own 180 is not acknowledged", k.name)
			}
			o.Do(t, "102 hangs up")
			if !in.Ended(2 * second) {
				t.Errorf("%s: not ended", k.name)
			}
			for i, l := range [][2]*siptest.Phone{{a, b}, {b, a}} {
				c, in := connect(t, o, l[0], l[1])
				time.Sleep(3 * second)
				bothHear(t, o, c, in)
				for j, x := range []*siptest.Call{c, in} {
					x.Sound.Press("5#"[j])
				}
				time.Sleep(second)
				if d := c.Sound.Digits() + in.Sound.Digits(); d != "#5" {
					t.Errorf("%s, %d: digits %q", k.name, i, d)
				}
				c.Hang()
				if !in.Ended(2 * second) {
					t.Errorf("%s: not ended", k.name)
				}
			}
			for _, r := range o.Records.List() {
				if r.FromQuality != nil && r.ToQuality != nil && !r.FromQuality.Relayed {
					t.Errorf("%s: not relayed", k.name)
				}
			}
			a.Register(0)
			a.Close()
			b.Close()
			time.Sleep(5 * time.Minute)
		}
	})
}

// TestNoCommonCodec: a telephone that speaks none of the box's codecs is told so, and
// nobody is rung in vain.
func TestNoCommonCodec(t *testing.T) {
	sipOffice(t, func(t *testing.T, o *Office) {
		a := registered(t, o, "201", func(p *siptest.Phone) { p.Codecs = []byte{18} })
		c := a.Call("101")
		if !c.Ended(5 * second) {
			t.Fatal("it goes on")
		}
		if s, _, _ := c.State(); s != 488 {
			t.Errorf("told %d", s)
		}
		o.Do(t, "never 101 rings")
		b := registered(t, o, "202")
		in := func() *siptest.Call {
			c = b.Call("201")
			return a.Incoming(1, second)
		}()
		if in == nil {
			t.Fatal("no call came")
		}
		in.Answer() // with a codec that was not offered
		if !in.Ended(5*second) || !c.Ended(5*second) {
			t.Error("a call without a common codec goes on")
		}
	})
}
