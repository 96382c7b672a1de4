package rtpport

import (
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"sotto/board"
	"sotto/pbx/media/dtmf"
	"sotto/pbx/media/g711"
)

// key sends a telephone-event of a length in time: a packet each 20 ms, the last thrice.
// out sends in place of sends if not nil.
func (p *phone) key(code byte, d time.Duration, out func([]byte)) {
	if out == nil {
		out = p.sends
	}
	n := int(d / (20 * ms))
	for i := 1; i <= n; i++ {
		out(p.packet(i == 1, 101, keyPacket(code, i == n, 160*i)))
		if i == n {
			out(p.packet(false, 101, keyPacket(code, true, 160*i)))
			out(p.packet(false, 101, keyPacket(code, true, 160*i)))
		}
		time.Sleep(20 * ms)
	}
	p.ts += uint32(160 * n)
}

// dialled gives the digits that a detector finds in what the session says, until stop.
func dialled(s *Session, stop *atomic.Bool) (digits []byte) {
	var det dtmf.Detector
	det.Reset()
	for !stop.Load() {
		var f board.Frame
		s.Read(&f)
		if d := det.Next(&f); d.Kind == dtmf.Start {
			digits = append(digits, d.Digit)
		}
		time.Sleep(board.FrameTime)
	}
	return digits
}

// TestDigitMatrix: random digits of 40 to 300 ms with pauses of 40 to 300 ms, of which
// 5 % of the packets are lost and 5 % come up to 60 ms late, with the sound of the key
// beside them or not: none is heard that was not sent, and 99.9 % are. (Asked of the
// exchange; here all are.)
func TestDigitMatrix(t *testing.T) {
	rounds, each := 8, 1250
	if testing.Short() {
		rounds, each = 2, 100
	}
	missed, wrong, all := 0, 0, 0
	for round := range rounds {
		oneTalks(t, func(t *testing.T, l *lan, p *Ports, s *Session, ph *phone) {
			rnd := rand.New(rand.NewPCG(1, uint64(round)))
			send := func(b []byte) {
				switch x := rnd.Float64(); {
				case x < 0.05: // lost
				case x < 0.10:
					b := append([]byte(nil), b...)
					time.AfterFunc(time.Duration(rnd.IntN(60))*ms, func() { ph.sends(b) })
				default:
					ph.sends(b)
				}
			}
			var want []byte
			var stop atomic.Bool
			go func() {
				defer func() { stop.Store(true) }()
				for range 20 {
					ph.says(1, 300)
				}
				for range each {
					code := byte(rnd.IntN(16))
					want = append(want, eventKeys[code])
					ph.key(code, time.Duration(2+rnd.IntN(14))*20*ms, send)
					for range 2 + rnd.IntN(14) {
						send(ph.sound(300))
						time.Sleep(20 * ms)
					}
				}
				time.Sleep(3 * time.Second)
			}()
			got := dialled(s, &stop)
			m, w := differ(want, got)
			missed, wrong, all = missed+m, wrong+w, all+len(want)
			if c := p.Counters(); c.DroppedDigits != 0 {
				t.Errorf("%+v", c)
			}
		})
	}
	t.Logf("%d digits: %d missed, %d false", all, missed, wrong)
	if wrong != 0 || missed*1000 > all {
		t.Errorf("of %d digits %d missed, %d false", all, missed, wrong)
	}
}

// differ counts what is to be taken out of want and what put in to make got.
func differ(want, got []byte) (missed, wrong int) {
	row := make([]int, len(got)+1) // longest common subsequence, row by row
	for _, w := range want {
		diag := 0
		for j, g := range got {
			up := row[j+1]
			if w == g {
				row[j+1] = diag + 1
			} else {
				row[j+1] = max(up, row[j])
			}
			diag = up
		}
	}
	return len(want) - row[len(got)], len(got) - row[len(got)]
}

// TestKeyEdges: each of what telephones and networks do to an event is one key.
func TestKeyEdges(t *testing.T) {
	type ev struct {
		ts     uint32
		marker bool
		code   byte
		end    bool
		dur    int
	}
	for _, c := range []struct {
		name string
		evs  []ev
		keys string
		dur  int // of the last
	}{
		{"all packets", []ev{{0, true, 1, false, 160}, {0, false, 1, false, 320}, {0, false, 1, true, 480}, {0, false, 1, true, 480}}, "1", 480},
		{"only an end", []ev{{0, false, 1, true, 800}}, "1", 800},
		{"only the begin", []ev{{0, true, 1, false, 160}}, "1", 160},
		{"end before begin", []ev{{0, false, 1, true, 800}, {0, true, 1, false, 160}}, "1", 800},
		{"same key twice", []ev{{0, true, 1, false, 160}, {0, false, 1, true, 320}, {1000, true, 1, false, 160}, {1000, false, 1, true, 320}}, "11", 320},
		{"same key twice, no ends", []ev{{0, true, 1, false, 160}, {1000, false, 1, false, 320}}, "11", 320},
		{"late end of the key before", []ev{{0, true, 1, false, 160}, {1000, true, 2, false, 160}, {0, false, 1, true, 480}, {1000, false, 2, true, 320}}, "12", 320},
		{"across the wrap", []ev{{0xFFFFFF00, true, 1, true, 320}, {0x100, true, 1, true, 320}}, "11", 320},
		{"segments of a long key", []ev{{0, true, 3, false, 65000}, {0, false, 3, false, 65535}, {65535, false, 3, false, 160}, {65535, false, 3, true, 1000}}, "3", 66535},
		{"first segment seen once", []ev{{0, true, 3, false, 800}, {65535, false, 3, true, 1000}}, "3", 66535},
		{"timestamp that goes on", []ev{{0, true, 4, false, 160}, {160, false, 4, false, 320}, {320, false, 4, false, 480}, {320, false, 4, true, 480}}, "4", 480},
		{"duration zero", []ev{{0, true, 5, false, 0}, {0, false, 5, false, 0}, {0, false, 5, true, 0}}, "5", 0},
		{"another key at the same time", []ev{{0, true, 1, false, 160}, {0, false, 2, false, 320}}, "1", 160},
		{"no key", []ev{{0, true, 16, true, 160}, {0, true, 255, true, 160}}, "", 0},
	} {
		var k keys
		for _, e := range c.evs {
			k.event(5+e.ts, e.marker, keyPacket(e.code, e.end, e.dur), true)
		}
		got := ""
		for _, p := range k.queue[:k.n] {
			got += eventKeys[p.code : p.code+1]
		}
		if got != c.keys {
			t.Errorf("%s: %q, want %q", c.name, got, c.keys)
		} else if k.n > 0 && k.queue[k.n-1].dur != c.dur {
			t.Errorf("%s: lasts %d samples, want %d", c.name, k.queue[k.n-1].dur, c.dur)
		}
	}
}

// TestKeyLength: a key sounds as long as it was held, 60 ms at least, with 60 ms between
// two, and not for ever when its packets stop.
func TestKeyLength(t *testing.T) {
	for _, c := range []struct {
		held, min, max time.Duration
		noEnd          bool
	}{{held: 20 * ms, min: 60 * ms, max: 70 * ms}, {held: 100 * ms, min: 95 * ms, max: 115 * ms}, {held: 10 * time.Second, min: 9990 * ms, max: 10015 * ms}, {held: 200 * ms, min: 280 * ms, max: 320 * ms, noEnd: true}} {
		var k keys
		var on, off, gap time.Duration
		for now := time.Duration(0); now < c.held+500*ms; now += board.FrameTime {
			if now <= c.held && now%(20*ms) == 0 {
				seg, dur := uint32(0), uint32(now/ms*8)
				if dur > 0xFFFF {
					seg, dur = 0xFFFF, dur-0xFFFF
				}
				end := now == c.held
				if end && !c.noEnd {
					k.event(seg, false, keyPacket(7, true, int(dur)), true)
					k.press('8', 0)
				} else {
					k.event(seg, now == 0, keyPacket(7, false, int(dur)), true)
				}
			}
			var f board.Frame
			k.next(&f)
			for _, v := range f {
				if loud := v > 100 || v < -100; loud && gap < 20*ms {
					on += gap + 125*time.Microsecond
					gap = 0
				} else if loud {
					if off == 0 {
						off = gap
					}
				} else if off == 0 {
					gap += 125 * time.Microsecond
				}
			}
		}
		if on < c.min || on > c.max || !c.noEnd && (off < 60*ms || off > 75*ms) {
			t.Errorf("held %v: sounds %v, then %v of silence", c.held, on, off)
		}
	}
}

// TestKeyTwice: a telephone that sends a key as sound beside its event is heard once.
func TestKeyTwice(t *testing.T) {
	oneTalks(t, func(t *testing.T, l *lan, p *Ports, s *Session, ph *phone) {
		var stop atomic.Bool
		go func() {
			defer func() { stop.Store(true) }()
			ph.says(50, 300)
			for i := range 100 {
				d := 100*ms + time.Duration(i%4)*100*ms
				g, begun, n := sounds[i%16], ph.ts, int(d/(20*ms))
				for j := 1; j <= n; j++ {
					var f [2]board.Frame
					g.Add(&f[0])
					g.Add(&f[1])
					codes := make([]byte, 160)
					g711.ALaw.EncodeAll(codes, f[0][:])
					g711.ALaw.EncodeAll(codes[80:], f[1][:])
					ph.sends(ph.packet(false, 8, codes))
					ph.ts += 160
					now := ph.ts
					ph.ts = begun
					ph.sends(ph.packet(j == 1, 101, keyPacket(byte(i%16), j == n, 160*j)))
					ph.ts = now
					time.Sleep(20 * ms)
				}
				ph.says(10, 300)
			}
			time.Sleep(time.Second)
		}()
		if n := len(dialled(s, &stop)); n != 100 {
			t.Errorf("%d digits of 100", n)
		}
	})
}

// TestSignalledDigit: a digit by signalling is heard, but not later by somebody who did not
// listen when it came.
func TestSignalledDigit(t *testing.T) {
	oneTalks(t, func(t *testing.T, l *lan, p *Ports, s *Session, ph *phone) {
		s.Digit('1', 100*ms)
		var stop atomic.Bool
		go func() {
			time.Sleep(100 * ms)
			s.Digit('2', 100*ms)
			s.Digit('d', time.Hour)
			s.Digit('x', 100*ms)
			time.Sleep(8 * time.Second)
			stop.Store(true)
		}()
		if d := string(dialled(s, &stop)); d != "2D" {
			t.Errorf("%d digits, or not those", len(d))
		}
		if c := p.Counters(); c.DroppedDigits != 1 {
			t.Errorf("%+v", c)
		}
		time.Sleep(time.Second)
		for range 3 {
			s.Digit('3', 0)
		}
		var f board.Frame
		s.Read(&f)
		for range 3 * maxKeys {
			s.Digit('3', 0)
		}
		if c := p.Counters(); c.DroppedDigits != 1+3+2*maxKeys {
			t.Errorf("%+v", c)
		}
	})
}
