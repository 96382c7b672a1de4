package boardtest

import (
	"math"
	"time"

	"sotto/board"
)

// stationParts hold for ports that telephones plug into.
var stationParts = []part{
	{"Station/Hook", true, hook},
	{"Station/HooksAtOnce", true, hooksAtOnce},
	{"Station/Ring", true, ring},
	{"Station/RingTrip", true, ringTrip},
	{"Station/OnHookTransmit", true, onHookTransmit},
	{"Station/OpenLoop", true, openLoop},
	{"Station/Reverse", true, reverse},
	{"Station/Repeated", true, repeated},
}

// hookSlack is how exact the time of a hook edge must be.
const hookSlack = 3 * time.Millisecond

func hook(r *rig) {
	for _, p := range r.working(board.Station) {
		tel := r.far.Telephone(p)
		for range 3 {
			tel.Hook(true)
			e := r.expect(p, board.LoopClosed, 200*time.Millisecond)
			r.near("lifted", e.At, tel.HookAt(), hookSlack)
			r.nothing(300 * time.Millisecond)
			tel.Hook(false)
			e = r.expect(p, board.LoopOpen, 200*time.Millisecond)
			r.near("hung up", e.At, tel.HookAt(), hookSlack)
			r.nothing(300 * time.Millisecond)
		}
		// A pulse of a rotary dial is told with its true length.
		tel.Hook(true)
		r.expect(p, board.LoopClosed, 200*time.Millisecond)
		r.run(200 * time.Millisecond)
		tel.Hook(false)
		r.run(60 * time.Millisecond)
		tel.Hook(true)
		open, closed := r.expect(p, board.LoopOpen, 0), r.expect(p, board.LoopClosed, 200*time.Millisecond)
		if d := closed.At.Sub(open.At); (d - 60*time.Millisecond).Abs() > hookSlack {
			r.Errorf("a pulse of 60 ms is told as %v", d)
		}
		tel.Hook(false)
		r.expect(p, board.LoopOpen, 200*time.Millisecond)
	}
}

func hooksAtOnce(r *rig) {
	l := r.working(board.Station)
	for _, off := range []bool{true, false, true} {
		for _, p := range l {
			r.far.Telephone(p).Hook(off)
		}
		r.run(300 * time.Millisecond)
		told := map[board.Port]int{}
		for _, e := range r.take() {
			told[e.Port]++
			if off != (e.Kind == board.LoopClosed) {
				r.Errorf("%s: %v", r.ports[e.Port].Label, e.Kind)
			}
		}
		for _, p := range l {
			if told[p] != 1 {
				r.Errorf("%s: told %d times", r.ports[p].Label, told[p])
			}
		}
	}
}

func ring(r *rig) {
	l := r.working(board.Station)
	for _, p := range l {
		tel := r.far.Telephone(p)
		for _, end := range []board.SignalKind{board.Idle, board.OnHookTransmit, board.Reverse, board.OpenLoop} {
			r.brd.Signal(p, board.Signal{Kind: board.Ring})
			r.until("the bell rings", 100*time.Millisecond, tel.Rings)
			for _, q := range l {
				if q != p && r.far.Telephone(q).Rings() {
					r.Errorf("%s rings with %s", r.ports[q].Label, r.ports[p].Label)
				}
			}
			r.run(time.Second)
			if !tel.Rings() {
				r.Errorf("%s: the bell stopped by itself", r.ports[p].Label)
			}
			r.brd.Signal(p, board.Signal{Kind: end})
			r.until("the bell stops with "+end.String(), 100*time.Millisecond, func() bool { return !tel.Rings() })
			r.run(300 * time.Millisecond)
		}
		r.signal(p, board.Idle)
		if got := r.take(); len(got) > 0 {
			r.Errorf("%s: ringing gave the events %v", r.ports[p].Label, names(got))
		}
	}
}

func ringTrip(r *rig) {
	for _, p := range r.working(board.Station) {
		tel := r.far.Telephone(p)
		for _, when := range []time.Duration{200 * time.Millisecond, 730 * time.Millisecond, time.Second} {
			r.brd.Signal(p, board.Signal{Kind: board.Ring})
			r.run(when)
			tel.Hook(true)
			e := r.expect(p, board.LoopClosed, 300*time.Millisecond)
			r.near("lifted while it rang", e.At, tel.HookAt(), 3*hookSlack)
			r.until("the bell stops by itself", 100*time.Millisecond, func() bool { return !tel.Rings() })
			r.brd.Signal(p, board.Signal{Kind: board.Idle})
			r.nothing(500 * time.Millisecond)
			// It is not rung while it is off the hook.
			r.signal(p, board.Ring)
			if tel.Rings() {
				r.Error("a telephone that is off the hook rings")
			}
			r.signal(p, board.Idle)
			tel.Hook(false)
			r.expect(p, board.LoopOpen, 200*time.Millisecond)
		}
		// Lifted in the pause between bursts.
		r.signal(p, board.Ring)
		r.run(300 * time.Millisecond)
		r.signal(p, board.OnHookTransmit)
		tel.Hook(true)
		e := r.expect(p, board.LoopClosed, 300*time.Millisecond)
		r.near("lifted in the pause", e.At, tel.HookAt(), hookSlack)
		r.signal(p, board.Idle)
		r.nothing(300 * time.Millisecond)
	}
}

func onHookTransmit(r *rig) {
	for _, p := range r.working(board.Station) {
		tel := r.far.Telephone(p)
		r.play[p] = sine(1200)
		r.signal(p, board.OnHookTransmit)
		r.run(300 * time.Millisecond)
		_, ear := tel.Record()
		r.hears("on the hook, with on-hook transmit", ear, 1200, true)
		r.signal(p, board.Idle)
		r.run(300 * time.Millisecond)
		_, ear = tel.Record()
		r.hears("on the hook, idle", ear, 1200, false)
		r.play[p] = nil
		r.nothing(100 * time.Millisecond)
	}
}

func openLoop(r *rig) {
	for _, p := range r.working(board.Station) {
		tel := r.far.Telephone(p)
		open := func(what string) {
			r.signal(p, board.OpenLoop)
			if v := tel.Volts(); v != 0 {
				r.Errorf("%s: %.1f V with the loop open", what, v)
			}
		}
		tel.Hook(true)
		r.expect(p, board.LoopClosed, 200*time.Millisecond)
		open("off the hook")
		r.nothing(500 * time.Millisecond)
		r.signal(p, board.Idle)
		r.nothing(500 * time.Millisecond) // it is off the hook as before

		open("to be hung up")
		tel.Hook(false)
		r.nothing(500 * time.Millisecond)
		r.brd.Signal(p, board.Signal{Kind: board.Idle})
		r.expect(p, board.LoopOpen, 300*time.Millisecond)
		r.nothing(500 * time.Millisecond)

		open("on the hook")
		tel.Hook(true)
		r.nothing(500 * time.Millisecond)
		r.brd.Signal(p, board.Signal{Kind: board.Idle})
		r.expect(p, board.LoopClosed, 300*time.Millisecond)
		r.nothing(300 * time.Millisecond)
		tel.Hook(false)
		r.expect(p, board.LoopOpen, 200*time.Millisecond)
	}
}

func reverse(r *rig) {
	for _, p := range r.working(board.Station) {
		tel := r.far.Telephone(p)
		tel.Hook(true)
		r.expect(p, board.LoopClosed, 200*time.Millisecond)
		r.play[p] = sine(900)
		r.run(200 * time.Millisecond)
		normal := tel.Volts()
		for _, k := range []board.SignalKind{board.Reverse, board.Idle, board.Reverse} {
			r.signal(p, k)
			r.run(200 * time.Millisecond)
			if turned := math.Signbit(tel.Volts()) != math.Signbit(normal); turned != (k == board.Reverse) || tel.Volts() == 0 {
				r.Errorf("%v: %.1f V, idle %.1f V", k, tel.Volts(), normal)
			}
			_, ear := tel.Record()
			r.hears(k.String(), ear, 900, true)
		}
		r.play[p] = nil
		r.nothing(100 * time.Millisecond)
		// A call can end on a reversed line.
		tel.Hook(false)
		r.expect(p, board.LoopOpen, 200*time.Millisecond)
		r.signal(p, board.Idle)
		r.nothing(200 * time.Millisecond)
	}
}

// repeated: a signal that the line is in already changes nothing.
func repeated(r *rig) {
	for _, p := range r.working(board.Station) {
		tel := r.far.Telephone(p)
		r.signal(p, board.Ring)
		for range 20 {
			r.brd.Signal(p, board.Signal{Kind: board.Ring})
			r.frame()
			if !tel.Rings() {
				r.Fatal("ringing broke off when it was asked for again")
			}
		}
		r.signal(p, board.Idle)
		tel.Hook(true)
		r.expect(p, board.LoopClosed, 200*time.Millisecond)
		for _, k := range []board.SignalKind{board.Idle, board.Reverse} {
			r.signal(p, k)
			r.play[p] = sine(700)
			r.run(100 * time.Millisecond)
			tel.Record()
			for range 20 {
				r.brd.Signal(p, board.Signal{Kind: k})
				r.frame()
			}
			_, ear := tel.Record()
			for i := 0; i+80 <= len(ear); i += 80 {
				if power(ear[i:i+80]) < voice-6 {
					r.Fatalf("the voice broke off when %v was asked for again", k)
				}
			}
		}
		r.play[p] = nil
		r.nothing(200 * time.Millisecond)
		tel.Hook(false)
		r.expect(p, board.LoopOpen, 200*time.Millisecond)
	}
}
