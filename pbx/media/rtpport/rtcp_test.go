package rtpport

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"sotto/board"
)

// reports gives the RTCP that came to the phone.
func (p *phone) reports() (l [][]byte) {
	for {
		select {
		case d := <-p.rtcp.q:
			l = append(l, d.b)
		default:
			return l
		}
	}
}

func (p *phone) control(b []byte) {
	p.rtcp.WriteToUDPAddrPort(b, netip.AddrPortFrom(p.to.Addr(), p.to.Port()+1))
}

// TestReports: the box reports each 2.5 to 7.5 s what it sent and received, takes the
// telephone's reports, and knows the way there and back from them; strangers' and a
// goodbye change nothing.
func TestReports(t *testing.T) {
	oneTalks(t, func(t *testing.T, l *lan, p *Ports, s *Session, ph *phone) {
		thief := l.phone(t, "192.0.2.66:4000", s)
		cname := [cnameLen]byte{}
		start, sent := time.Now(), 0
		var times []time.Duration
		answered := time.Duration(0)
		for i := range 50 * 60 {
			if i%10 != 3 { // a tenth is lost
				ph.sends(ph.sound(500))
			} else {
				ph.sound(500)
			}
			for range 2 {
				var f board.Frame
				s.Write(&f)
				time.Sleep(board.FrameTime)
			}
			sent++
			for _, b := range ph.reports() {
				times = append(times, time.Since(start))
				r, ok := parseRTCP(b, ph.ssrc)
				if !ok || !r.sends || !r.about || r.ssrc != s.out.ssrc {
					t.Fatalf("% x", b)
				}
				if n := int(binary.BigEndian.Uint32(b[20:])); n < sent-60 || n > sent || binary.BigEndian.Uint32(b[24:]) != uint32(n*160) {
					t.Errorf("%d packets sent, reports %d", sent, n)
				}
				if r.block.fraction < 256/10-6 || r.block.fraction > 256/10+6 || int(r.block.lost) < sent/10-1 || int(r.block.lost) > sent/10+1 {
					t.Errorf("%d packets lost, reports %+v", sent/10, r.block)
				}
				if answered > 0 { // the report may be 20 ms old
					held := time.Duration(r.block.dlsr) * time.Second >> 16
					if d := time.Since(start) - answered - held; r.block.lsr != 5<<16 || d < -ms || d > 21*ms {
						t.Errorf("answered %v ago, reports %+v", time.Since(start)-answered, r.block)
					}
				}
				// The telephone answers half a second after it got the report, which took 30 ms;
				// so does the answer.
				about := block{s.out.ssrc, 0, uint32(sent / 20), uint32(s.seq0) + uint32(sent) - 1, 80, r.ntp, 1 << 15}
				var answer, forged [128]byte
				n := compound(answer[:], ph.ssrc, &cname, &senderInfo{ntp: 5 << 32}, &about, true)
				about.lost = 1 << 22
				m := compound(forged[:], ph.ssrc, &cname, nil, &about, true)
				answered = time.Since(start) + 560*ms
				time.AfterFunc(560*ms, func() { ph.control(answer[:n]); thief.control(forged[:m]) })
			}
		}
		if len(times) < 8 || len(times) > 24 {
			t.Errorf("%d reports in a minute", len(times))
		}
		for i := 1; i < len(times); i++ {
			if d := times[i] - times[i-1]; d < 2500*ms || d > 8600*ms {
				t.Errorf("report %d after %v", i, d)
			}
		}
		q := s.Quality()
		if q.RoundTrip < 60*ms-time.Millisecond || q.RoundTrip > 81*ms || q.FarLost < 0.04 || q.FarLost > 0.06 || q.FarJitter != 10*ms {
			t.Errorf("%+v", q)
		}
		if c := p.Counters(); c.IntruderRTCP == 0 || c.BadRTCP != 0 {
			t.Errorf("%+v", c)
		}
		ph.reports()
		s.Close()
		bye := ph.reports()
		if len(bye) != 1 || bye[0][len(bye[0])-7] != typeBYE {
			t.Errorf("on Close % x", bye)
		}
	})
}

func TestCNAME(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, p := office(t)
		defer p.Close()
		a, b := open(t, p), open(t, p)
		if a.cname == b.cname || a.cname[0] == 0 || a.out.ssrc == b.out.ssrc {
			t.Error("two sessions alike")
		}
	})
}

func TestParseRTCP(t *testing.T) {
	var cname [cnameLen]byte
	var b [128]byte
	n := compound(b[:], 1, &cname, &senderInfo{ntp: 0x1122334455667788}, &block{ssrc: 9, fraction: 3, lost: 0xFFFFFE, highest: 7, jitter: 8, lsr: 10, dlsr: 11}, true)
	r, ok := parseRTCP(b[:n], 9)
	if want := (report{ssrc: 1, ntp: 0x33445566, sends: true, about: true, block: block{9, 3, 0xFFFFFE, 7, 8, 10, 11}}); !ok || r != want {
		t.Errorf("%+v", r)
	}
	if r, ok := parseRTCP(b[:n], 8); !ok || r.about {
		t.Errorf("of another: %+v", r)
	}
	for i := range n { // any cut but one between two packets
		if _, ok := parseRTCP(b[:i], 9); ok != (i == 52 || i == 80) {
			t.Errorf("cut to %d bytes: %v", i, ok)
		}
	}
	for _, c := range []struct {
		name string
		at   int
		to   byte
	}{{"version", 0, 0x41}, {"first is no report", 1, typeSDES}, {"more blocks than there are", 0, 0x82}, {"length", 3, 200}, {"padding on the first", 0, 0xA1}} {
		x := b
		x[c.at] = c.to
		if _, ok := parseRTCP(x[:n], 9); ok {
			t.Errorf("%s: taken", c.name)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	for _, c := range []struct {
		now, lsr, dlsr uint32
		want           time.Duration
		ok             bool
	}{
		{0xB7108000, 0xB7052000, 0x00054000, 6125 * ms, true}, // RFC 3550 figure 2
		{0x00008000, 0xFFFF8000, 0x00008000, 500 * ms, true},  // across the wrap
		{0xB7108000, 0, 0, 0, false},
		{5, 6, 0, 0, false},
		{1 << 24, 5, 0, 0, false},
	} {
		if d, ok := roundTrip(c.now, &block{lsr: c.lsr, dlsr: c.dlsr}); ok != c.ok || ok && d != c.want {
			t.Errorf("%+v: %v %v", c, d, ok)
		}
	}
}
