package rtpport

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sotto/board"
	"sotto/pbx/media"
	"sotto/pbx/media/g711"
)

// pace is a board without ports that keeps time.
type pace struct{}

func (pace) Exchange(out, in []board.Frame) error {
	time.Sleep(board.FrameTime)
	return nil
}

// TestThroughTheEngine: two telephones whose clocks differ by 200 ppm and whose networks
// lose packets hear each other through the mixer, then directly, then through the mixer
// again; each sees one stream.
func TestThroughTheEngine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN()
		e := media.New(pace{}, 0)
		ctx, stop := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() { e.Run(ctx) })
		p, err := New(Config{From: 16384, To: 16483, Engine: e, Listen: l.listen})
		if err != nil {
			t.Fatal(err)
		}
		a, b := open(t, p), open(t, p)
		pa, pb := l.phone(t, "192.0.2.51:4000", a), l.phone(t, "192.0.2.52:4000", b)
		pb.law = g711.MuLaw
		a.Set(pa.sdp())
		b.Set(pb.sdp())
		mixed := &media.Patch{Ears: []media.Ear{{Port: a.Port()}, {Port: b.Port()}}}
		mixed.Ears[0].Hear(b.Port())
		mixed.Ears[1].Hear(a.Port())
		call := func(ph *phone, hz float64, tick time.Duration) {
			for i := range 50 * 90 {
				if raw := ph.sound(hz); i%50 != 7 { // 2 % are lost
					ph.sends(raw)
				}
				time.Sleep(tick)
			}
		}
		all.Go(func() { call(pa, 400, 20*ms+2*time.Microsecond) })
		all.Go(func() { call(pb, 700, 20*ms-2*time.Microsecond) })
		var heardA, heardB []packet
		for i := range 90 * 4 {
			if i%120 == 0 {
				patch := mixed
				if i == 120 {
					patch = relayed(a, b)
				}
				p.Apply(patch)
				e.Publish(patch)
			}
			time.Sleep(250 * ms)
			heardA, heardB = append(heardA, pa.hears()...), append(heardB, pb.hears()...)
		}
		for _, c := range []struct {
			name string
			l    []packet
			law  g711.Law
			hz   float64
		}{{"a", heardA, g711.ALaw, 700}, {"b", heardB, g711.MuLaw, 400}} {
			if n := len(c.l); n < 50*90-60 || n > 50*90+10 {
				t.Errorf("%s hears %d packets", c.name, n)
			}
			for i := 1; i < len(c.l); i++ {
				q, last := c.l[i], c.l[i-1]
				if d, dt := q.seq-last.seq, q.ts-last.ts; q.ssrc != last.ssrc || d < 1 || d > 2 || dt < 80 || dt > 160*2+160 {
					t.Errorf("%s, packet %d: number on by %d, timestamp by %d", c.name, i, d, dt)
				}
			}
			sum, n := 0.0, 0
			for i := 100; i+5 < len(c.l); i += 5 {
				sum, n = sum+share(pcm(c.l[i:i+5], c.law), c.hz), n+1
			}
			if x := sum / float64(n); x < 0.99 {
				t.Errorf("%s: %.4f of what is heard is the tone", c.name, x)
			} else {
				t.Logf("%s: %.4f of what is heard is the tone", c.name, x)
			}
		}
		q := a.Quality()
		t.Logf("%+v", q)
		if q.Lost < 80 || q.Lost > 92 || q.Late > 5 || q.MOS < 3.5 || !q.Relayed {
			t.Errorf("%+v", q)
		}
		p.Close()
		stop()
		all.Wait()
	})
}
