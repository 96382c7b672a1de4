package pbxtest

import (
	"encoding/binary"
	"maps"
	"math"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sotto/board"
	"sotto/board/sim/ear"
	"sotto/pbx/media/g711"
	"sotto/pbx/plan"
	"sotto/pbx/sipline/siptest"
)

// TestDigits: digits pressed at a telephone on the network, in either way, are heard as
// DTMF by an analog party and arrive whole at one on the network; those of an analog
// telephone are heard in its sound.
func TestDigits(t *testing.T) {
	sipOffice(t, func(t *testing.T, o *Office) {
		a, b := registered(t, o, "201"), registered(t, o, "202", func(p *siptest.Phone) { p.Events = 97 })
		const keys = "159#0*DA"
		ways := map[string]func(*siptest.Call, byte){
			"RFC 4733": func(c *siptest.Call, k byte) { c.Sound.Press(k) },
			"INFO": func(c *siptest.Call, k byte) {
				if s := c.Info(k); s != 200 {
					t.Errorf("INFO: %d", s)
				}
			},
		}
		for name, press := range ways {
			c := connectAnalog(t, o, a, "101")
			o.Do(t, "101 hushes") // its voice is in the way of nothing, but let it be quiet
			ear := listen(o, "101")
			for i := range len(keys) {
				press(c, keys[i])
				time.Sleep(300 * time.Millisecond)
			}
			time.Sleep(second)
			if got, _ := ear.heard(); got != keys {
				t.Errorf("%s: the analog party hears %q", name, got)
			}
			o.Do(t, "101 speaks", "wait 500ms", "101 and sip201 talk")
			c.Hang()
			o.Do(t, "101 hears busy", "101 hangs up", "wait 2s")

			for _, l := range [][2]*siptest.Phone{{a, b}, {b, a}} {
				c, in := connect(t, o, l[0], l[1])
				for i := range len(keys) {
					press(c, keys[i])
					time.Sleep(300 * time.Millisecond)
				}
				time.Sleep(second)
				if got := in.Sound.Digits(); got != keys {
					t.Errorf("%s: the other hears %q", name, got)
				}
				bothHear(t, o, c, in)
				in.Hang()
				c.Ended(2 * second)
			}
		}
		in := callFromAnalog(t, o, "102", b)
		o.Do(t, "102 dials 1590#*", "wait 1s")
		if got := in.Sound.Digits(); got != "1590#*" {
			t.Errorf("of an analog telephone it hears %q", got)
		}
		o.Do(t, "102 hangs up")
		in.Ended(2 * second)
		if n := o.RTP.Counters().DroppedDigits; n > 0 {
			t.Errorf("%d digits dropped", n)
		}
	})
}

// TestAddressTranslation: a telephone behind NAT writes a private address into its
// Contact and SDP. Its calls come, its sound is found where it really comes from, and
// from then on nobody else's is heard.
func TestAddressTranslation(t *testing.T) {
	sipOffice(t, func(t *testing.T, o *Office) {
		public := netip.MustParseAddr("192.0.2.77")
		nat := func(p *siptest.Phone) {
			p.UDP.Close()
			p.UDP = o.Net.Must("192.0.2.77:31234")
			p.Addr = netip.MustParseAddrPort("192.168.7.20:5060")
			p.Audio = func() (siptest.Conn, netip.AddrPort, error) {
				c, err := o.Net.UDP(netip.AddrPortFrom(public, 0))
				return c, netip.MustParseAddrPort("192.168.7.20:4000"), err
			}
		}
		a, b := registered(t, o, "201", nat), registered(t, o, "202")
		c := connectAnalog(t, o, a, "101")
		thief := o.Net.Must("192.0.2.77:4000") // where the SDP points to, behind the same address
		defer thief.Close()
		_, _, from := c.Sound.Stat()
		for i := range 200 {
			o.Net.Send(netip.MustParseAddrPort("192.0.2.77:4000"), from, voicePacket(uint16(i), 7, 15))
			time.Sleep(10 * time.Millisecond)
		}
		o.Do(t, "101 and sip201 talk")
		c.Hang()
		o.Do(t, "101 hears busy", "101 hangs up", "wait 2s")
		in := callFromAnalog(t, o, "102", a)
		o.Do(t, "102 hangs up")
		if !in.Ended(2 * second) {
			t.Error("not ended")
		}
		c, in = connect(t, o, b, a)
		if s := in.Reinvite("sendonly"); s != 200 {
			t.Error(s)
		}
		if !c.HearsTone("hold", 5*second) {
			t.Error("no hold")
		}
		if s := in.Reinvite("sendrecv"); s != 200 {
			t.Error(s)
		}
		bothHear(t, o, c, in)
		c.Hang()
		if !in.Ended(2 * second) {
			t.Error("not ended")
		}
	})
}

// voicePacket makes a packet of RTP that says a marker, as a stranger would.
func voicePacket(seq uint16, ssrc byte, marker int) []byte {
	b := make([]byte, 172)
	b[0], b[1], b[2], b[3], b[11] = 0x80, 8, byte(seq>>8), byte(seq), ssrc
	binary.BigEndian.PutUint32(b[4:], uint32(seq)*160)
	law, _ := g711.ForPayloadType(8)
	for i := range b[12:] {
		b[12+i] = law.Encode(int16(5000 * math.Sin(2*math.Pi*siptest.Markers[marker]*float64(int(seq)*160+i)/8000)))
	}
	return b
}

// TestTheft: a stranger who sprays every RTP port during set-up and call, from an own
// address and from the telephone's with other ports, is never heard and is sent nothing.
func TestTheft(t *testing.T) {
	sipOffice(t, func(t *testing.T, o *Office) {
		a, b := registered(t, o, "201"), registered(t, o, "202")
		const marker = 15
		var caught atomic.Int64
		var froms []netip.AddrPort
		for _, s := range []string{"192.0.2.66:7777", "192.0.2.201:7777", "192.0.2.202:7777"} {
			x := o.Net.Must(s)
			defer x.Close()
			froms = append(froms, netip.MustParseAddrPort(s))
			go func() {
				b := make([]byte, 2048)
				for {
					if _, _, err := x.ReadFromUDPAddrPort(b); err != nil {
						return
					}
					caught.Add(1)
				}
			}()
		}
		stop := make(chan struct{})
		done := make(chan struct{})
		go func() {
			defer close(done)
			for seq := uint16(0); ; { // in sequence and in bursts, so that it would pass for a stream
				select {
				case <-stop:
					return
				case <-time.After(50 * time.Millisecond):
				}
				for range 5 {
					seq++
					data := voicePacket(seq, 7, marker)
					for _, from := range froms {
						for port := uint16(10000); port < 11000; port += 2 {
							o.Net.Send(from, netip.AddrPortFrom(BoxAddr.Addr(), port), data)
						}
					}
				}
			}
		}()
		quiet := sync.OnceFunc(func() { close(stop); <-done })
		defer quiet()
		var stolen []string
		analog := listen(o, "101")
		hears := func(what string, c *siptest.Call) {
			if c.Hears(marker, 0) {
				stolen = append(stolen, what)
			}
		}
		for range 2 {
			c := a.Call("101")
			c.Sound.Stop(true) // slow to begin, which is the stranger's chance
			o.Do(t, "101 rings", "101 lifts", "wait 2s")
			c.Sound.Stop(false)
			for range 20 {
				time.Sleep(100 * time.Millisecond)
				hears("analog call", c)
			}
			o.Do(t, "101 and sip201 talk")
			c.Hang()
			o.Do(t, "101 hears busy", "101 hangs up", "wait 2s")
			c, in := connect(t, o, a, b)
			for range 20 {
				time.Sleep(100 * time.Millisecond)
				hears("caller", c)
				hears("called", in)
			}
			bothHear(t, o, c, in)
			c.Hang()
			if !in.Ended(2 * second) {
				t.Error("not ended")
			}
		}
		quiet()
		if len(stolen) > 0 {
			t.Errorf("the stranger was heard by %v", stolen)
		}
		if _, voices := analog.heard(); voices[marker] > 0 || voices[o.Marker("201")] == 0 {
			t.Error("the stranger was heard by the analog telephone")
		}
		if n := caught.Load(); n > 0 {
			t.Errorf("the stranger was sent %d packets", n)
		}
		if n := o.RTP.Counters().Intruders; n == 0 {
			t.Error("nothing is counted")
		}
		for _, r := range o.Records.List() {
			if r.FromQuality == nil || r.FromQuality.Intruders == 0 {
				t.Errorf("%v -> %v: quality %+v tells of no intruder", r.From.Ext, r.To.Ext, r.FromQuality)
			}
		}
	})
}

// TestRestart: registrations outlive the box: a telephone rings before it registers again.
func TestRestart(t *testing.T) {
	scene := Scene{Country: "DE", Stations: 2, SIP: []plan.Ext{"201", "202"}}
	sipOfficeOf(t, scene, func(t *testing.T, o *Office) {
		registered(t, o, "201")
		registered(t, o, "202", o.OverTCP)
		scene.Saved = o.Saved
	})
	sipOfficeOf(t, scene, func(t *testing.T, o *Office) {
		a := o.Phone(t, "201")
		in := callFromAnalog(t, o, "102", a)
		o.Do(t, "102 hangs up")
		if !in.Ended(2 * second) {
			t.Error("not ended")
		}
		c := a.Call("202") // whose connection is gone with the box
		if !c.Ended(time.Minute) {
			t.Error("it rings for ever")
		}
		if s, _, _ := c.State(); s != 480 {
			t.Errorf("told %d", s)
		}
		tcp := registered(t, o, "202", o.OverTCP)
		c, in = connect(t, o, a, tcp)
		in.Hang()
		if !c.Ended(2 * second) {
			t.Error("not ended")
		}
	})
}

// listener hears what a handset does.
type listener struct {
	mu     sync.Mutex
	digits string
	voices map[int]int // by marker, how often it began
}

// listen begins to hear at an analog telephone.
func listen(o *Office, name string) *listener {
	l := &listener{voices: map[int]int{}}
	e := ear.New(nil, siptest.Markers)
	o.Board.Room.Set(name).Tap(func(at time.Time, _, f *board.Frame) {
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, x := range e.Hear(at, f) {
			switch x.Kind {
			case ear.Digit:
				l.digits += x.Name
			case ear.MarkerOn:
				l.voices[x.Marker]++
			}
		}
	})
	return l
}

// heard gives the digits so far and how often each voice began.
func (l *listener) heard() (string, map[int]int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.digits, maps.Clone(l.voices)
}
