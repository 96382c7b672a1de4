package rtpport

import (
	"errors"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sotto/board"
	"sotto/pbx/media"
	"sotto/pbx/media/g711"
)

// TestBothWays: a tone is heard from the telephone, another by it.
func TestBothWays(t *testing.T) {
	for _, law := range []g711.Law{g711.ALaw, g711.MuLaw} {
		oneTalks(t, func(t *testing.T, l *lan, p *Ports, s *Session, ph *phone) {
			ph.law = law
			s.Set(ph.sdp())
			go ph.says(75, 1000)
			other := &phone{law: g711.ALaw}
			var heard []int16
			for range 150 {
				var f board.Frame
				b := other.sound(500)
				g711.ALaw.DecodeAll(f[:], b[headerLen:])
				other.at -= 80
				s.Write(&f)
				s.Read(&f)
				heard = append(heard, f[:]...)
				time.Sleep(board.FrameTime)
			}
			if x := share(heard[8000:], 1000); x < 0.99 {
				t.Errorf("%v: %.3f of what the box hears is the tone", law, x)
			}
			got := ph.hears()
			if x := share(pcm(got, law), 500); len(got) != 75 || x < 0.99 {
				t.Errorf("%v: %d packets, %.3f is the tone", law, len(got), x)
			}
			for i, q := range got {
				if q.n != 160 || q.seq != got[0].seq+uint16(i) || q.ts != got[0].ts+uint32(160*i) || q.ssrc != got[0].ssrc || q.marker != (i == 0) || q.pt != law.PayloadType() {
					t.Fatalf("%v: packet %d: %+v", law, i, q)
				}
			}
			if q := s.Quality(); q.Codec != law.String() || q.Packets < 74 || q.Lost != 0 || q.Late != 0 || q.MOS < 4 || q.Jitter > ms || q.Relayed {
				t.Errorf("%v: %+v", law, q)
			}
			if c := p.Counters(); c != (Counters{Open: 1}) {
				t.Errorf("%v: %+v", law, c)
			}
		})
	}
}

// TestPause: after frames that nobody wrote, the timestamp has gone on and the marker says so.
func TestPause(t *testing.T) {
	oneTalks(t, func(t *testing.T, l *lan, p *Ports, s *Session, ph *phone) {
		r := ph.sdp()
		r.PTime = 30 * ms
		s.Set(r)
		write := func(n int) {
			for range n {
				var f board.Frame
				s.Write(&f)
				time.Sleep(board.FrameTime)
			}
		}
		write(7) // the last begins a packet that is never sent
		time.Sleep(time.Second)
		write(6)
		got := ph.hears()
		if len(got) != 4 || got[0].n != 240 {
			t.Fatalf("%d packets of %d samples", len(got), got[0].n)
		}
		if !got[2].marker || got[2].seq != got[1].seq+1 || got[2].ts-got[1].ts != 8000+240+80 {
			t.Errorf("after the pause %+v, before %+v", got[2], got[1])
		}
		r.Send = false
		s.Set(r)
		write(6)
		if n := len(ph.hears()); n != 0 {
			t.Errorf("%d packets while the box is not to send", n)
		}
	})
}

// TestIntruders: from the first moment to the last, whoever is not named by the SDP hears
// and is heard nothing, from whatever port, with whatever numbers.
func TestIntruders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, p := office(t)
		defer p.Close()
		s := open(t, p)
		ph := l.phone(t, "192.0.2.50:4000", s)
		thieves := []*phone{l.phone(t, "192.0.2.66:4000", s), l.phone(t, "192.0.2.50:5000", s)}
		sent := uint64(0)
		spray := func() {
			for _, th := range thieves {
				for range 2500 {
					th.ssrc, th.seq, th.ts = ph.ssrc, ph.seq, ph.ts // it knows all but the address
					th.sends(th.sound(1000))
					sent++
					if sent%500 == 0 {
						synctest.Wait()
					}
				}
			}
			synctest.Wait()
		}
		var heard []int16
		hear := func() {
			var f board.Frame
			s.Write(&f)
			s.Read(&f)
			heard = append(heard, f[:]...)
		}
		hear()
		spray() // before anything is agreed
		s.Set(ph.sdp())
		hear()
		spray() // before the first packet
		for range 50 {
			ph.sends(ph.sound(0))
			time.Sleep(10 * ms)
			hear()
			time.Sleep(10 * ms)
			hear()
		}
		spray()
		for range 50 {
			hear()
			time.Sleep(10 * ms)
		}
		for i, v := range heard {
			if v > 16 || v < -16 { // comfort noise and a silent code are allowed
				t.Fatalf("sample %d is %d", i, v)
			}
		}
		for _, th := range thieves {
			if got := th.hears(); len(got) != 0 {
				t.Errorf("%v hears %d packets", th.rtp.addr, len(got))
			}
		}
		c, q := p.Counters(), s.Quality()
		// Before anything is agreed nobody is an intruder: the telephone's own sound may
		// overtake its answer.
		if before := sent / 3; c.Unheard != before || c.Intruders != sent-before || q.Intruders != sent-before || q.Packets != 50 {
			t.Errorf("%d packets sprayed: %+v, %+v", sent, c, q)
		}
		if len(ph.hears()) == 0 {
			t.Error("the telephone hears nothing")
		}
	})
}

// TestBadPackets: ten thousand packets of no sense from the right address change nothing.
func TestBadPackets(t *testing.T) {
	oneTalks(t, func(t *testing.T, l *lan, p *Ports, s *Session, ph *phone) {
		ph.says(10, 500)
		seq, ts := ph.seq, ph.ts
		for i := range 10000 {
			b := ph.sound(500)
			switch i % 10 {
			case 0:
				b[0] = 1 << 6 // version
			case 1:
				b = b[:12]
			case 2:
				b[0] |= 0x0F
				b = b[:40] // sources that are not there
			case 3:
				b[0] |= 0x10
				b[14], b[15] = 0xFF, 0xFF // an extension that is not there
			case 4:
				b[0] |= 0x20
				b[len(b)-1] = 0
			case 5:
				b[0] |= 0x20
				b[len(b)-1] = 255
			case 6:
				b[1] = 77 // payload type
			case 7:
				b[8] ^= byte(i) | 1 // another SSRC, each time another
			case 8:
				b = append(b, make([]byte, 2000)...)
			case 9:
				b[2] ^= 0x40 // far away
			}
			ph.sends(b)
			ph.seq, ph.ts = seq+uint16(i%100*20), ts
			if i%500 == 0 {
				synctest.Wait()
			}
		}
		synctest.Wait()
		ph.seq, ph.ts = seq, ts
		ph.says(10, 500)
		if q := s.Quality(); q.Packets != 20 || q.Lost != 0 {
			t.Errorf("%+v", q)
		}
		c := p.Counters()
		if n := c.Bad + c.Payload + c.Unheard; n != 10000 || c.Payload != 1000 {
			t.Errorf("%d counted: %+v", n, c)
		}
	})
}

// TestLearn: behind address translation the first to show four packets in sequence from
// the signalling's address has the session; nobody after it.
func TestLearn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, p := office(t)
		defer p.Close()
		s := open(t, p)
		ph := l.phone(t, "198.51.100.7:31000", s)
		neighbour := l.phone(t, "198.51.100.7:32000", s)
		stranger := l.phone(t, "203.0.113.9:31000", s)
		r := ph.sdp()
		r.RTP = netip.MustParseAddrPort("10.0.0.5:4000") // as it sees itself
		r.Learn = netip.MustParseAddr("198.51.100.7")
		s.Set(r)
		say := func(ph *phone, n int) {
			for range n {
				ph.sends(ph.sound(500))
				synctest.Wait()
			}
		}
		say(stranger, 100)
		say(neighbour, 3)
		ph.seq += 5
		say(ph, 3)
		if q := s.Quality(); q.Packets != 0 {
			t.Fatalf("%d packets heard before four came in sequence", q.Packets)
		}
		say(ph, 1)
		say(neighbour, 100)
		say(stranger, 100)
		say(ph, 10)
		if q := s.Quality(); q.Packets != 11 || q.Lost != 0 || q.Intruders != 300 {
			t.Errorf("%+v", q)
		}
		for range 10 {
			var f board.Frame
			s.Write(&f)
		}
		if n := len(ph.hears()); n != 5 {
			t.Errorf("%d packets to where it was found", n)
		}
		if l.sent[r.RTP] != 0 || len(neighbour.hears())+len(stranger.hears()) != 0 {
			t.Error("packets to others")
		}
		s.Set(r) // the same again: still locked
		say(neighbour, 10)
		if q := s.Quality(); q.Packets != 11 {
			t.Errorf("after the same SDP again: %+v", q)
		}
		r.RTP = netip.MustParseAddrPort("10.0.0.5:4002")
		s.Set(r) // another: learns anew
		say(neighbour, 6)
		if q := s.Quality(); q.Packets != 14 {
			t.Errorf("after another SDP: %+v", q)
		}
	})
}

// TestMove: a re-INVITE to another address takes the session there, at once and for good.
func TestMove(t *testing.T) {
	oneTalks(t, func(t *testing.T, l *lan, p *Ports, s *Session, old *phone) {
		now := l.phone(t, "192.0.2.51:4000", s)
		old.says(5, 500)
		s.Set(now.sdp())
		old.says(5, 500)
		now.says(5, 500)
		var f board.Frame
		s.Write(&f)
		s.Write(&f)
		if q := s.Quality(); q.Packets != 10 || q.Intruders != 5 || q.Lost != 0 {
			t.Errorf("%+v", q)
		}
		if len(old.hears()) != 0 || len(now.hears()) != 1 {
			t.Error("sent to the old address")
		}
	})
}

// TestNewSSRC: a telephone may begin another stream from its own address, once the old one
// is silent; one packet of another SSRC between the old ones changes nothing.
func TestNewSSRC(t *testing.T) {
	oneTalks(t, func(t *testing.T, l *lan, p *Ports, s *Session, ph *phone) {
		ph.says(5, 500)
		for range 20 {
			b := ph.sound(500)
			ph.sends(b)
			forged := append([]byte(nil), b...)
			forged[8] ^= 1
			ph.sends(forged)
			time.Sleep(20 * ms)
		}
		if q := s.Quality(); q.Packets != 25 {
			t.Errorf("two streams at once: %+v", q)
		}
		ph.ssrc, ph.seq, ph.ts = 77, 1000, 5
		ph.says(5, 500)
		if q := s.Quality(); q.Packets != 29 || q.Lost != 0 {
			t.Errorf("after the change: %+v", q)
		}
		var f board.Frame
		s.Read(&f)
		ph.key(5, 100*ms, nil)
		ph.ssrc, ph.seq, ph.ts = 78, 1000, ph.ts-8000 // earlier, but of another timeline
		ph.says(2, 500)
		ph.key(6, 100*ms, nil)
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.keys.n != 2 {
			t.Errorf("%d keys", s.keys.n)
		}
	})
}

func TestPorts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN()
		d := &desk{}
		p, err := New(Config{From: 16385, To: 16396, Engine: d, Listen: l.listen})
		if err != nil {
			t.Fatal(err)
		}
		other, err := l.listen(netip.AddrPortFrom(box, 16389)) // a pair is spoilt
		if err != nil {
			t.Fatal(err)
		}
		rounds := 10000 / 4
		if testing.Short() {
			rounds = 100
		}
		for range rounds {
			var open []*Session
			for range 4 {
				s, err := p.Open(box)
				if err != nil {
					t.Fatal(err)
				}
				if n := s.LocalPort(); n < 16386 || n > 16394 || n%2 != 0 || n == 16388 {
					t.Fatalf("port %d", n)
				}
				open = append(open, s)
			}
			if _, err := p.Open(box); !errors.Is(err, ErrNoPorts) {
				t.Fatalf("the fifth: %v", err)
			}
			for _, s := range open {
				s.Close()
				s.Close()
			}
		}
		if len(l.socks) != 1 || d.n != 0 || p.Counters().Open != 0 {
			t.Errorf("%d sockets, %d streams, %+v", len(l.socks), d.n, p.Counters())
		}
		other.Close()
		for range 5 {
			open(t, p)
		}
		p.Close()
		if _, err := p.Open(box); err == nil || len(l.socks) != 0 {
			t.Errorf("after Close: %v, %d sockets", err, len(l.socks))
		}
	})
	for _, c := range []Config{{From: 1, To: 2}, {From: 4, To: 4, Engine: &desk{}}, {From: 5, To: 6, Engine: &desk{}}, {From: 0, To: 9, Engine: &desk{}}, {From: 9, To: 5, Engine: &desk{}}, {From: 65535, To: 65535, Engine: &desk{}}} {
		if _, err := New(c); err == nil {
			t.Errorf("%d to %d is taken", c.From, c.To)
		}
	}
}

// TestAtOnce does everything at the same time, for the race detector, and closes in the
// middle of it.
func TestAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, p := office(t)
		a, b := open(t, p), open(t, p)
		pa, pb := l.phone(t, "192.0.2.50:4000", a), l.phone(t, "192.0.2.51:4000", b)
		rb := pb.sdp()
		rb.Events = 0
		a.Set(pa.sdp())
		b.Set(rb)
		var all sync.WaitGroup
		all.Go(func() { pa.says(200, 400) })
		all.Go(func() { pb.says(200, 400) })
		for _, s := range []*Session{a, b} {
			all.Go(func() {
				for range 400 {
					var f board.Frame
					s.Read(&f)
					s.Write(&f)
					time.Sleep(10 * ms)
				}
			})
		}
		all.Go(func() {
			for i := range 40 {
				time.Sleep(100 * ms)
				patch := relayed(a, b)
				if i%3 == 0 {
					patch = nil
				}
				p.Apply(patch)
				a.Set(pa.sdp())
				a.Digit('5', 100*ms)
				b.Quality()
				p.Counters()
				if i == 30 {
					b.Close()
				}
			}
		})
		all.Wait()
		p.Close()
		if len(l.socks) != 4 {
			t.Errorf("%d sockets are left beside the telephones'", len(l.socks)-4)
		}
	})
}

func TestSilent(t *testing.T) {
	oneTalks(t, func(t *testing.T, l *lan, p *Ports, s *Session, ph *phone) {
		thief := l.phone(t, "192.0.2.66:4000", s)
		time.Sleep(3 * time.Second)
		if d := s.Silent(); d != 3*time.Second {
			t.Errorf("silent for %v", d)
		}
		ph.says(1, 500)
		thief.says(100, 500)
		if d := s.Silent(); d != 2*time.Second+20*ms {
			t.Errorf("silent for %v", d)
		}
	})
}

// TestHoldByNoAddress: a telephone that holds by the address 0.0.0.0 and goes on sending
// is no intruder; it is sent nothing meanwhile, and heard from the same place afterwards.
func TestHoldByNoAddress(t *testing.T) {
	oneTalks(t, func(t *testing.T, l *lan, p *Ports, s *Session, ph *phone) {
		thief := l.phone(t, "192.0.2.66:4000", s)
		r := ph.sdp()
		ph.says(5, 400)
		for _, nowhere := range []netip.AddrPort{{}, netip.MustParseAddrPort("0.0.0.0:4000")} {
			held := r
			held.RTP, held.RTCP, held.Send = nowhere, netip.AddrPort{}, nowhere.IsValid()
			s.Set(held)
			before := s.Quality()
			ph.says(10, 400)
			if q := s.Quality(); q.Intruders != before.Intruders || q.Packets != before.Packets+10 {
				t.Errorf("%v: %d intruders, %d packets", nowhere, q.Intruders, q.Packets-before.Packets)
			}
			if s.out.open {
				t.Errorf("%v: it is sent to", nowhere)
			}
			thief.says(10, 400)
			if q := s.Quality(); q.Intruders != before.Intruders+10 {
				t.Errorf("%v: the thief is let in: %d", nowhere, q.Intruders)
			}
			s.Set(r)
			if !s.out.open || s.out.to != r.RTP {
				t.Errorf("afterwards it is sent to %v", s.out.to)
			}
		}
	})
}

var _ media.Stream = (*Session)(nil)
