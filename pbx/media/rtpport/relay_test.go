package rtpport

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"sotto/board"
	"sotto/pbx/media"
	"sotto/pbx/media/dtmf"
	"sotto/pbx/media/g711"
)

// TestOneStream: whatever feeds the telephone (mixer, partner, another partner, a partner
// with a new SSRC), it sees one stream: no number left out or used twice, and timestamps
// that keep the time.
func TestOneStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, p := office(t)
		defer p.Close()
		s, a, b := open(t, p), open(t, p), open(t, p)
		ph, pa, pb := l.phone(t, "192.0.2.50:4000", s), l.phone(t, "192.0.2.51:4000", a), l.phone(t, "192.0.2.52:4000", b)
		pb.law, pb.seq, pb.ts = g711.MuLaw, 7, 0x80000000
		s.Set(ph.sdp())
		a.Set(pa.sdp())
		b.Set(pb.sdp())
		mix := func(n int) {
			for range n {
				var f board.Frame
				s.Write(&f)
				time.Sleep(board.FrameTime)
			}
		}
		start := time.Now()
		var got []packet
		var at []time.Duration
		collect := func() {
			synctest.Wait()
			for _, q := range ph.hears() {
				got, at = append(got, q), append(at, time.Since(start))
			}
		}
		say := func(x *phone, n int) {
			for range n {
				x.says(1, 400)
				collect()
			}
		}
		for range 5 {
			mix(2)
			collect()
		}
		p.Apply(relayed(s, a))
		mix(2) // the engine has not seen the patch yet
		say(pa, 10)
		pa.ssrc, pa.seq, pa.ts = 99, 40000, 12
		say(pa, 10)
		p.Apply(relayed(s, b))
		say(pb, 10)
		pb.ts += 1 << 20 // another timeline in the middle of a stream
		say(pb, 10)
		time.Sleep(3 * time.Second)
		p.Apply(&media.Patch{})
		for range 5 {
			mix(2)
			collect()
		}
		p.Apply(relayed(s, a))
		say(pa, 10)
		if want := 5 + 10 + 9 + 10 + 10 + 5 + 10; len(got) != want {
			t.Errorf("%d packets, want %d", len(got), want)
		}
		for i := 1; i < len(got); i++ {
			q, last := got[i], got[i-1]
			if q.seq != last.seq+1 || q.ssrc != last.ssrc || q.pt != 8 {
				t.Fatalf("packet %d: %d after %d", i, q.seq, last.seq)
			}
			if d := span(q.ts-last.ts) - (at[i] - at[i-1]); d > 20*ms || d < -20*ms {
				t.Fatalf("packet %d: the timestamp goes on by %v in %v", i, span(q.ts-last.ts), at[i]-at[i-1])
			}
			if x := share(pcm(got[i:i+1], g711.ALaw), 400); i >= 5 && i < 44 && x < 0.95 {
				t.Fatalf("packet %d: %.3f of it is the tone", i, x)
			}
		}
		if q := a.Quality(); !q.Relayed || q.Packets != 29 || q.Lost != 0 {
			t.Errorf("%+v", q)
		}
	})
}

// TestRelayAsItIs: loss, order and payload pass through; what is older than a change does
// not.
func TestRelayAsItIs(t *testing.T) {
	twoTalk(t, func(t *testing.T, p *Ports, a, b *Session, pa, pb *phone) {
		var sent [][]byte
		for range 10 {
			sent = append(sent, pa.sound(400))
		}
		for _, i := range []int{3, 4, 6, 5, 5, 8, 2, 9, 9} { // 7 is lost, 2 is older than the first, 5 and 9 come twice
			pa.sends(sent[i])
			synctest.Wait()
		}
		got := pb.hears()
		if len(got) != 6 {
			t.Fatalf("%d packets", len(got))
		}
		for i, d := range []uint16{0, 1, 3, 2, 5, 6} {
			if got[i].seq-got[0].seq != d || got[i].ts-got[0].ts != uint32(d)*160 || !bytes.Equal(got[i].payload(), sent[3+d][headerLen:]) {
				t.Errorf("packet %d: %+v", i, got[i])
			}
		}
		if q := a.Quality(); q.Lost != 1 || q.Packets != 7 {
			t.Errorf("%+v", q)
		}
		if c := p.Counters(); c.Relayed != 6 || c.Undelivered != 1 || c.Duplicates != 2 {
			t.Errorf("%+v", c)
		}
	})
}

// TestLongRelay: sequence numbers may go round more than once.
func TestLongRelay(t *testing.T) {
	p, a, b, from := still(t)
	defer p.Close()
	p.Apply(relayed(a, b))
	ph := &phone{law: g711.ALaw}
	raw, buf := ph.sound(400), make([]byte, maxPacket)
	const n = 200000
	for i := range n {
		putHeader(raw, false, 8, uint16(i), uint32(160*i), 1)
		a.packet(buf[:copy(buf, raw)], from[0], time.Duration(i)*20*ms)
	}
	if c, q := p.Counters(), a.Quality(); c.Relayed != n || c.Undelivered != 0 || q.Lost != 0 || q.Packets != n {
		t.Errorf("%+v %+v", c, q)
	}
}

// TestRelayLaw: each code becomes what decoding and encoding make of it, both ways.
func TestRelayLaw(t *testing.T) {
	twoTalk(t, func(t *testing.T, p *Ports, a, b *Session, pa, pb *phone) {
		pb.law = g711.MuLaw
		b.Set(pb.sdp())
		all := make([]byte, 256)
		for i := range all {
			all[i] = byte(i)
		}
		for _, way := range []struct{ from, to *phone }{{pa, pb}, {pb, pa}} {
			way.from.sends(way.from.packet(false, way.from.law.PayloadType(), all))
			synctest.Wait()
			got := way.to.hears()
			if len(got) != 1 || got[0].pt != way.to.law.PayloadType() {
				t.Fatalf("%v: %d packets", way.to.law, len(got))
			}
			for i, c := range got[0].payload() {
				if want := way.to.law.Encode(way.from.law.Decode(byte(i))); c != want {
					t.Fatalf("%v %02x: %02x, want %02x", way.from.law, i, c, want)
				}
			}
		}
	})
}

// TestRelayOthers: comfort noise and telephone-events go to who takes them, in its numbers.
func TestRelayOthers(t *testing.T) {
	twoTalk(t, func(t *testing.T, p *Ports, a, b *Session, pa, pb *phone) {
		rb := pb.sdp()
		rb.Events = 96
		b.Set(rb)
		send := func() []packet {
			pa.says(1, 400)
			pa.sends(pa.packet(false, 13, []byte{60}))
			time.Sleep(200 * ms)
			pa.ts += 1600
			pa.says(1, 400)
			pa.sends(pa.packet(true, 101, keyPacket(16, false, 160))) // flash: no key of ours
			pa.sends(pa.packet(false, 101, keyPacket(16, true, 320)))
			synctest.Wait()
			pa.ts += 320
			return pb.hears()
		}
		check := func(got []packet, pts ...uint8) {
			t.Helper()
			if len(got) != len(pts) {
				t.Fatalf("%d packets, want %d", len(got), len(pts))
			}
			for i, q := range got {
				if q.pt != pts[i] || q.seq != got[0].seq+uint16(i) {
					t.Errorf("packet %d: type %d, number %d after %d", i, q.pt, q.seq, got[0].seq)
				}
			}
		}
		check(send(), 8, 8, 96, 96)
		rb.Comfort = true
		b.Set(rb)
		check(send(), 8, 13, 8, 96, 96)
	})
}

// TestRelayKeys: keys for a telephone that takes no telephone-events are heard as tones,
// once each, and the sound is back afterwards; so are keys told by signalling.
func TestRelayKeys(t *testing.T) {
	twoTalk(t, func(t *testing.T, p *Ports, a, b *Session, pa, pb *phone) {
		rb := pb.sdp()
		rb.Events = 0
		b.Set(rb)
		pa.says(50, 400)
		for _, code := range []byte{5, 5, 11} {
			pa.key(code, 100*ms, nil)
			pa.says(5, 400)
		}
		a.Digit('7', 100*ms)
		time.Sleep(300 * ms) // nothing comes meanwhile
		pa.ts += 2400
		pa.says(50, 400)
		got := pb.hears()
		var det dtmf.Detector
		det.Reset()
		heard := ""
		s := pcm(got, g711.ALaw)
		for len(s) >= board.FrameLen {
			if d := det.Next((*board.Frame)(s)); d.Kind == dtmf.Start {
				heard += string(d.Digit)
			}
			s = s[board.FrameLen:]
		}
		if heard != "55#7" {
			t.Errorf("heard %d digits, not those", len(heard))
		}
		for i := 1; i < len(got); i++ {
			if got[i].seq != got[i-1].seq+1 || int32(got[i].ts-got[i-1].ts) < 0 {
				t.Fatalf("packet %d: %d after %d", i, got[i].seq, got[i-1].seq)
			}
		}
		if x := share(pcm(got[len(got)-40:], g711.ALaw), 400); x < 0.99 {
			t.Errorf("afterwards %.3f is the tone", x)
		}
	})
}

// TestRelaySignalledKey: a key by signalling goes on as telephone-events if they are
// taken, also while nothing comes.
func TestRelaySignalledKey(t *testing.T) {
	twoTalk(t, func(t *testing.T, p *Ports, a, b *Session, pa, pb *phone) {
		pa.says(5, 400)
		a.Digit('5', 100*ms)
		a.Digit('#', 200*ms)
		time.Sleep(time.Second)
		pa.ts += 8000
		pa.says(5, 400)
		var k keys
		last, ends := uint32(0), 0
		got := pb.hears()
		for i, q := range got {
			if i > 0 && (q.seq != got[i-1].seq+1 || int32(q.ts-got[i-1].ts) < 0) {
				t.Errorf("packet %d: %d at %d after %d at %d", i, q.seq, q.ts, got[i-1].seq, got[i-1].ts)
			}
			if q.pt != 101 {
				continue
			}
			if q.marker != (q.ts != last) {
				t.Errorf("packet %d: marker %v", i, q.marker)
			}
			last = q.ts
			if !k.event(q.ts, q.marker, q.payload(), true) {
				t.Errorf("% x", q.payload())
			}
			ends += int(q.payload()[1] >> 7)
		}
		if k.n != 2 || k.queue[0] != (press{5, false, 800}) || k.queue[1] != (press{11, false, 1600}) || ends != 6 {
			t.Errorf("%d keys, %d ends", k.n, ends)
		}
		if n := len(got); n != 5+5+ends+4+9 {
			t.Errorf("%d packets", n)
		}
	})
}

// TestRelayKeyTwice: the sound of a key beside its event is sent on as silence.
func TestRelayKeyTwice(t *testing.T) {
	twoTalk(t, func(t *testing.T, p *Ports, a, b *Session, pa, pb *phone) {
		pa.says(2, 770)
		begun := pa.ts
		for i := 1; i <= 5; i++ {
			pa.ts, begun = begun, pa.ts
			pa.sends(pa.packet(i == 1, 101, keyPacket(5, i == 5, 160*i)))
			pa.ts, begun = begun, pa.ts
			pa.says(1, 770)
		}
		pa.says(2, 770)
		loud, quiet := 0, 0
		for _, q := range pb.hears() {
			switch {
			case q.pt == 101:
			case bytes.Count(q.payload(), []byte{g711.ALaw.Silence()}) == q.n:
				quiet++
			default:
				loud++
			}
		}
		if loud != 4 || quiet != 5 {
			t.Errorf("%d packets of sound, %d of silence", loud, quiet)
		}
	})
}

// TestApply: a closed session, one that no patch names, and nonsense feed nobody.
func TestApply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, p := office(t)
		defer p.Close()
		a, b, c := open(t, p), open(t, p), open(t, p)
		pa, pb := l.phone(t, "192.0.2.51:4000", a), l.phone(t, "192.0.2.52:4000", b)
		a.Set(pa.sdp())
		b.Set(pb.sdp())
		self := media.Ear{Port: a.Port(), Relay: true}
		self.Hear(a.Port())
		nobody := media.Ear{Port: 9999, Relay: true}
		nobody.Hear(a.Port())
		good := relayed(a, b)
		odd := &media.Patch{Ears: []media.Ear{self, nobody, {Port: b.Port(), Relay: true}, good.Ears[1], good.Ears[1], relayed(c, a).Ears[0]}}
		for range 3 {
			p.Apply(odd)
			pa.says(1, 400)
			if n := len(pb.hears()); n != 1 {
				t.Errorf("%d packets", n)
			}
		}
		if n := testing.AllocsPerRun(100, func() { p.Apply(good); p.Apply(odd); p.Apply(nil) }); n != 0 {
			t.Errorf("Apply allocates %v times", n)
		}
		pa.says(1, 400)
		p.Apply(good)
		b.Close()
		pa.says(1, 400)
		if n := len(pb.hears()); n != 0 || a.partner.Load() != nil || len(p.relays) != 0 {
			t.Errorf("after Close %d packets, %d relays", n, len(p.relays))
		}
		p.Apply(good)
		if a.partner.Load() != nil {
			t.Error("relays to a closed session")
		}
		for _, s := range []*Session{a, c} {
			if s.out.fed != 0 {
				t.Errorf("fed %d times", s.out.fed)
			}
		}
	})
}
