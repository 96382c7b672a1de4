package sim_test

import (
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sotto/board"
	"sotto/board/chipsim"
	"sotto/board/sim"
	"sotto/board/sim/exchange"
)

// person is a tap that says a sine and keeps what it hears.
type person struct {
	hz     float64
	n      int
	calls  atomic.Int64
	silent atomic.Bool

	mu    sync.Mutex
	heard [board.SampleRate]int16 // the last second
	at    int
}

func (p *person) Exchange(mouth, ear *board.Frame) {
	p.calls.Add(1)
	p.mu.Lock()
	p.at += copy(p.heard[p.at:], ear[:])
	p.at %= len(p.heard)
	p.mu.Unlock()
	if p.silent.Load() {
		return
	}
	for i := range mouth {
		mouth[i] = int16(board.Amplitude(-16) * math.Sin(2*math.Pi*p.hz*float64(p.n)/board.SampleRate))
		p.n++
	}
}

// last gives the last d of what was heard, at most a second.
func (p *person) last(d time.Duration) []int16 {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := int(d * board.SampleRate / time.Second)
	l := append(append([]int16(nil), p.heard[p.at:]...), p.heard[:p.at]...)
	return l[len(l)-n:]
}

func (p *person) level(hz float64) float64 { return exchange.Level(p.last(time.Second), hz) }

// TestTap: a person hears and speaks through a tap, at the telephone and at the far end
// of a line, and the marker voices are hushed meanwhile.
func TestTap(t *testing.T) {
	onDesk(t, func(d *desk) {
		a, b := &person{hz: 500}, &person{hz: 900}
		leave := d.brd.Room.Set("101").Attach(a)
		hang := d.brd.Line(0).Attach(b)
		d.do("wait 1s")
		if a.calls.Load() != 0 || b.calls.Load() != 0 {
			t.Error("a telephone on the hook has a person")
		}
		d.do("line 1 calls", "line 1 rings", "101 lifts")
		d.signal(line1, board.Seize)
		d.join(0, line1)
		d.do("line 1 is seized", "wait 3s")
		if x, y := a.level(900), b.level(500); x < -20 || y < -20 {
			t.Errorf("they hear each other at %.1f and %.1f dBm0", x, y)
		}
		d.not("101 hears voice line 1 within 1s", "line 1 hears voice 101 within 1s")
		before := a.calls.Load()
		d.do("wait 1s")
		if n := a.calls.Load() - before; n < 99 || n > 101 {
			t.Errorf("%d frames in a second", n)
		}
		a.silent.Store(true)
		b.silent.Store(true)
		d.do("wait 2s")
		if x, y := a.level(sim.MarkerHz(2)), b.level(sim.MarkerHz(0)); x > -50 || y > -50 {
			t.Errorf("silent persons, and marker voices at %.1f and %.1f dBm0", x, y)
		}
		leave()
		leave()
		hang()
		n := a.calls.Load()
		d.do("101 and line 1 talk")
		if a.calls.Load() != n {
			t.Error("a person who left is called")
		}
		// Too many at once.
		for range 20 {
			d.brd.Room.Set("101").Attach(&person{})
		}
	})
}

// TestTapsAdd: two persons at one telephone are heard both.
func TestTapsAdd(t *testing.T) {
	onDesk(t, func(d *desk) {
		a, b, c := &person{hz: 500}, &person{hz: 900}, &person{hz: 700}
		d.brd.Room.Set("101").Attach(a)
		d.brd.Room.Set("101").Attach(b)
		d.brd.Room.Set("102").Attach(c)
		d.do("101 lifts & 102 lifts")
		d.join(0, 1)
		d.do("wait 2s")
		if x, y := c.level(500), c.level(900); x < -20 || y < -20 {
			t.Errorf("two are heard at %.1f and %.1f dBm0", x, y)
		}
	})
}

// TestKeys: a key that is held sounds until it is let go, 50 ms at the least and ten
// seconds at the most.
func TestKeys(t *testing.T) {
	onDesk(t, func(d *desk) {
		h := d.brd.Room.Set("101")
		c := &person{}
		c.silent.Store(true)
		d.brd.Room.Set("102").Attach(c)
		d.do("101 lifts & 102 lifts", "101 hushes")
		d.join(0, 1)
		held := func(hold, listen time.Duration, low, high float64, sounds bool) {
			t.Helper()
			if hold >= 0 {
				h.KeyUp()
			}
			time.Sleep(listen)
			l := c.last(50 * time.Millisecond)
			x, y := exchange.Level(l, low), exchange.Level(l, high)
			if on := x > -16 && y > -16; on != sounds {
				t.Errorf("%g and %g Hz at %.1f and %.1f dBm0, want sound %t", low, high, x, y, sounds)
			}
		}
		h.KeyDown('5')
		held(-1, 2*time.Second, 770, 1336, true)
		held(0, 200*time.Millisecond, 770, 1336, false)
		h.KeyDown('1')
		h.KeyDown('9') // lets 1 go
		held(-1, 300*time.Millisecond, 852, 1477, true)
		time.Sleep(11 * time.Second)
		held(-1, 0, 852, 1477, false)
		h.KeyUp()
		h.KeyDown('x')
		h.KeyUp()
		time.Sleep(2 * time.Second)
		h.KeyDown('#')
		h.KeyUp()
		time.Sleep(500 * time.Millisecond)
		loud := 0
		for _, v := range c.last(time.Second) {
			if v > 1000 || v < -1000 {
				loud++
			}
		}
		if loud < 200 || loud > 400 { // of 400 samples, without the zero crossings
			t.Errorf("a key that is tapped sounds for %d samples", loud)
		}
		d.do("102 hears digit 5") // of all that was heard since the last action
		for range 3000 {
			h.KeyDown('1')
		}
		h.HangUp()
	})
}

// TestStates: what is drawn follows what happens, and each change is told.
func TestStates(t *testing.T) {
	onDesk(t, func(d *desk) {
		until := func(what string, f func() bool) {
			t.Helper()
			limit := time.NewTimer(10 * time.Second)
			defer limit.Stop()
			for {
				changed := d.brd.Room.Changed()
				if f() {
					return
				}
				select {
				case <-changed:
				case <-limit.C:
					t.Fatalf("not so: %s\n%+v\n%+v", what, d.brd.Telephones(), d.brd.LineStates())
				}
			}
		}
		tel := func(i int) sim.TelephoneState { return d.brd.Telephones()[i] }
		line := func(i int) sim.LineState { return d.brd.LineStates()[i] }
		if s := tel(1); s.Name != "102" || s.Label != "FXS 2" || s.OffHook || s.Ringing || s.Bell {
			t.Errorf("%+v", s)
		}
		if s := line(1); s.Name != "line 2" || s.Label != "FXO 2" || s.Call != "idle" || s.Seized || s.Ringing || s.Cut || s.OtherSet || s.NoDialTone {
			t.Errorf("%+v", s)
		}
		l := d.brd.Line(0)
		l.Call()
		until("it rings in", func() bool { return line(0).Ringing && line(0).Bell && line(0).Call == "ringing" })
		until("a pause", func() bool { return line(0).Ringing && !line(0).Bell })
		until("cadence", func() bool { return line(0).Cadence == "2.0/4.0 at 20 Hz" })
		d.signal(0, board.Ring)
		until("a telephone rings", func() bool { return tel(0).Ringing && tel(0).Bell })
		d.signal(0, board.Idle)
		until("its bell rests", func() bool { return tel(0).Ringing && !tel(0).Bell })
		d.brd.Room.Set("101").Lift()
		until("lifted", func() bool { return tel(0).OffHook && !tel(0).Ringing })
		d.join(0, line1)
		d.signal(line1, board.Seize)
		until("seized", func() bool { return line(0).Seized && !line(0).Ringing && !line(0).Bell })
		until("they talk", func() bool {
			a, b := tel(0), line(0)
			return len(a.Voices) == 1 && a.Voices[0] == "line 1" && len(a.Speaking) == 1 && len(b.Voices) == 1 && b.Voices[0] == "101" && b.Speaking[0] == "101" && b.Call == "talking"
		})
		l.HangUp(exchange.EndBusy, 0)
		until("busy tone", func() bool { return tel(0).Tone == "busy" && len(tel(0).Speaking) == 0 && line(0).Call == "ended" })
		d.signal(line1, board.Release)
		until("released", func() bool { return !line(0).Seized && line(0).Call == "idle" })
		l.NoDialTone(true)
		l.OtherSet(true)
		l.Cut(true)
		if s := line(0); !s.NoDialTone || !s.OtherSet || !s.Cut {
			t.Errorf("%+v", s)
		}
		l.NoDialTone(false)
		l.OtherSet(false)
		l.Cut(false)
		d.signal(line1, board.Seize)
		until("dial tone", func() bool { return tel(0).Tone == "dial" })
		d.brd.Room.Set("101").Press("42", 70*time.Millisecond, 70*time.Millisecond)
		until("a number", func() bool { return line(0).Number == "42" })
	})
}

// TestTapsDoNotAllocate: a line and a telephone with persons at them live without garbage.
func TestTapsDoNotAllocate(t *testing.T) {
	onDesk(t, func(d *desk) {
		l := d.brd.Line(1)
		l.Attach(&person{hz: 700})
		h := d.brd.Room.Set("102")
		h.Attach(&person{hz: 800})
		h.Lift()
		l.Call()
		time.Sleep(time.Second)
		d.signal(line2, board.Seize)
		d.join(1, line2)
		time.Sleep(2 * time.Second)
		d.brd.LineChip(1).Plug(nil) // from here on the test is the port
		d.brd.Chip("102").Plug(nil)
		time.Sleep(50 * time.Millisecond)
		seizure, supply := chipsim.Seizure{Closed: true, Talk: true}, chipsim.Supply{}
		feed, draw := chipsim.Feed{Volts: -20, Talk: true}, chipsim.Draw{}
		at := time.Now()
		if n := testing.AllocsPerRun(500, func() {
			l.Line(at, &seizure, &supply)
			h.Line(at, &feed, &draw)
			seizure.Mouth, feed.Audio = draw.Mouth, supply.Audio
			at = at.Add(board.FrameTime)
		}); n != 0 {
			t.Errorf("%v allocations a frame", n)
		}
	})
}
