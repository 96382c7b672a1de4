package pbxtest

import (
	"slices"
	"sync"
	"testing"
	"time"

	"sotto/board"
	"sotto/board/sim"
	"sotto/pbx/sipline/siptest"
)

// figure is a time that was measured often, and what it may be.
type figure struct {
	name  string
	l     []time.Duration
	worst time.Duration
}

func (f *figure) add(d time.Duration) { f.l = append(f.l, d) }

func (f *figure) print(t *testing.T) {
	slices.Sort(f.l)
	p50, p95, worst := f.l[len(f.l)/2], f.l[len(f.l)*95/100], f.l[len(f.l)-1]
	t.Logf("%s: median %v, 95th percentile %v, worst %v", f.name, p50.Round(100*time.Microsecond), p95.Round(100*time.Microsecond), worst.Round(100*time.Microsecond))
	if worst > f.worst || f.l[0] < -board.FrameTime { // the board works frame by frame
		t.Errorf("%s: %v to %v, at most %v is wanted", f.name, f.l[0], worst, f.worst)
	}
}

// TestDelaysOfTheNetwork measures what people at telephones on the network wait for. The
// time that the processor needs is not in it: the bubble's clock stands meanwhile.
func TestDelaysOfTheNetwork(t *testing.T) {
	rounds := 40
	if testing.Short() {
		rounds = 5
	}
	sipOffice(t, func(t *testing.T, o *Office) {
		a := registered(t, o, "201")
		var mu sync.Mutex
		var rang, heard time.Time
		o.Board.Room.Follow(func(e sim.Event) {
			mu.Lock()
			defer mu.Unlock()
			if e.What == sim.Rings && rang.IsZero() {
				rang = e.At
			}
			if e.What == sim.HearsVoice && e.Who == "101" && heard.IsZero() {
				heard = e.At
			}
		})
		ringing := figure{name: "INVITE to 180", worst: 100 * time.Millisecond}
		bell := figure{name: "INVITE to ringing of the analog telephone", worst: 300 * time.Millisecond}
		talk := figure{name: "answer to both-way voice", worst: 200 * time.Millisecond}
		out := figure{name: "mouth of the analog telephone to the network", worst: 40 * time.Millisecond}
		in := figure{name: "network to ear of the analog telephone", worst: 60 * time.Millisecond}
		for i := range rounds {
			time.Sleep(time.Duration(i) * 1370 * time.Microsecond)
			mu.Lock()
			rang, heard = time.Time{}, time.Time{}
			mu.Unlock()
			began := time.Now()
			c := a.Call("101")
			if !c.Rings(second) {
				t.Fatal(c.Statuses())
			}
			ringing.add(c.FirstAt(180).Sub(began))
			o.Do(t, "101 rings")
			mu.Lock()
			bell.add(rang.Sub(began))
			mu.Unlock()
			o.Do(t, "101 lifts")
			lifted := o.Board.Room.Set("101").Moved()
			o.Do(t, "101 and sip201 talk")
			far := c.Sound.VoiceAt(o.Marker("101"))
			mu.Lock()
			talk.add(max(heard.Sub(lifted), far.Sub(lifted)))
			mu.Unlock()

			c.Sound.Mute()
			o.Do(t, "101 hushes", "wait 1s")
			at, wire, ear := click(o, c)
			out.add(wire.Sub(at))
			c.Sound.Click()
			time.Sleep(300 * time.Millisecond)
			in.add(ear().Sub(c.Sound.Clicked()))
			c.Hang()
			o.Do(t, "101 speaks", "101 hears busy", "101 hangs up", "wait 2s")
		}
		for _, f := range []*figure{&ringing, &bell, &talk, &out, &in} {
			f.print(t)
		}
	})
}

// click lets 101 click once. It gives when it did, when the packet with the click came to
// the telephone of c, and a way to learn when 101 hears a click.
func click(o *Office, c *siptest.Call) (said, wire time.Time, ear func() time.Time) {
	var mu sync.Mutex
	var mouth, net, heard time.Time
	find := func(into *time.Time, start time.Time, f *board.Frame) {
		mu.Lock()
		defer mu.Unlock()
		for i, v := range f {
			if v > 3000 && into.IsZero() {
				*into = start.Add(time.Duration(i) * time.Second / board.SampleRate)
			}
		}
	}
	o.Board.Room.Set("101").Tap(func(start time.Time, m, e *board.Frame) {
		find(&mouth, start, m)
		find(&heard, start, e)
	})
	c.Sound.Follow(func(at time.Time, f *board.Frame) {
		mu.Lock()
		defer mu.Unlock()
		if net.IsZero() && peak(f) > 3000 {
			net = at
		}
	})
	noise := make([]int16, 123)
	noise[37] = 20000
	o.Board.Room.Set("101").Say(noise)
	time.Sleep(300 * time.Millisecond)
	mu.Lock()
	defer mu.Unlock()
	heard = time.Time{} // its own sidetone
	return mouth, net, func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return heard
	}
}
