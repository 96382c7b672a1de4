package office

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"sotto/board"
	"sotto/board/pcm"
)

// TestLostInterrupt: an edge that is never delivered is found by the poll.
func TestLostInterrupt(t *testing.T) {
	bubble(t, 2, 1, func(r *rig) {
		r.start()
		r.deaf.Store(true)
		for _, off := range []bool{true, false, true} {
			r.phones[0].hook(off)
			time.Sleep(150 * time.Millisecond)
			kind := board.LoopOpen
			if off {
				kind = board.LoopClosed
			}
			e := r.expect(kind)[0]
			if _, _, moved := r.phones[0].state(); e.At.Sub(moved) > 100*time.Millisecond || e.At.Before(moved) {
				r.Errorf("%v told as %v after it was", kind, e.At.Sub(moved))
			}
		}
	})
}

// TestWithoutInterrupts: no interrupt line, or one that is lost, is made up for by polls
// that are quick enough for a rotary dial.
func TestWithoutInterrupts(t *testing.T) {
	for name, lose := range map[string]func(*rig){
		"none":                        func(r *rig) { r.parts.Interrupt = nil },
		"closed":                      func(r *rig) { close(r.edges) },
		"held by a chip out of order": func(r *rig) { r.kill(1, true) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, 2, 0, func(r *rig) {
				r.deaf.Store(true)
				lose(r)
				r.start()
				r.phones[0].hook(true)
				time.Sleep(500 * time.Millisecond)
				r.expect(board.LoopClosed)
				for range 5 {
					r.phones[0].hook(false)
					time.Sleep(60 * time.Millisecond)
					r.phones[0].hook(true)
					time.Sleep(40 * time.Millisecond)
				}
				time.Sleep(100 * time.Millisecond)
				l := r.take()
				if len(l) != 10 {
					r.Fatalf("%d events of 5 pulses", len(l))
				}
				for i, e := range l {
					late := e.At.Sub(r.phones[0].moves[i+1])
					if (e.Kind == board.LoopClosed) != (i%2 == 1) || late < 0 || late > 10*time.Millisecond {
						r.Errorf("edge %d: %v, %v late", i, e.Kind, late)
					}
				}
			})
		})
	}
}

// TestInterruptStorm: edges without end and without cause starve nobody.
func TestInterruptStorm(t *testing.T) {
	bubble(t, 4, 1, func(r *rig) {
		r.start()
		stop := make(chan struct{})
		r.media.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(200 * time.Microsecond):
					select {
					case r.edges <- time.Now():
					default:
					}
				}
			}
		})
		defer close(stop)
		r.works(0)
		r.rings(4)
		r.signal(1, board.Ring)
		time.Sleep(100 * time.Millisecond)
		if ringing, _, _ := r.phones[1].state(); !ringing {
			r.Error("the signal was not obeyed")
		}
		began := time.Now()
		if _, err := r.brd.Test(r.Context(), 2); err != nil || time.Since(began) > 10*time.Millisecond {
			r.Errorf("test took %v: %v", time.Since(began), err)
		}
		r.kill(3, true)
		time.Sleep(200 * time.Millisecond)
		r.expect(board.PortFailed)
		r.kill(3, false)
		time.Sleep(4 * time.Second)
		r.expect(board.PortRestored)
	})
}

// TestClockStands: Exchange returns in time, with silence, keeps the pace, and takes up
// the clock when it is back.
func TestClockStands(t *testing.T) {
	bubble(t, 1, 0, func(r *rig) {
		r.open()
		out, in := make([]board.Frame, 1), make([]board.Frame, 1)
		exchange := func() (error, time.Duration) {
			in[0][0] = 99
			began := time.Now()
			err := r.brd.Exchange(out, in)
			return err, time.Since(began)
		}
		for range 10 {
			if err, _ := exchange(); err != nil {
				r.Fatal(err)
			}
		}
		for range 2 {
			r.highway.Stall(true)
			began := time.Now()
			const n = 300
			for range n {
				err, took := exchange()
				if !errors.Is(err, pcm.ErrClock) || took > 50*time.Millisecond || in[0] != (board.Frame{}) {
					r.Fatalf("exchange gives %v after %v, %v", err, took, in[0])
				}
			}
			if took := time.Since(began); took < n*board.FrameTime || took > n*board.FrameTime+50*time.Millisecond {
				r.Errorf("%d frames took %v", n, took)
			}
			r.highway.Stall(false)
			began = time.Now()
			for err := error(pcm.ErrClock); err != nil; {
				if err, _ = exchange(); time.Since(began) > time.Second {
					r.Fatal("the clock is not taken up again")
				}
			}
			began = time.Now()
			for range 100 {
				if err, _ := exchange(); err != nil {
					r.Fatal(err)
				}
			}
			if took := time.Since(began); took != 100*board.FrameTime {
				r.Errorf("100 frames took %v after the stall", took)
			}
		}
		r.run()
		r.works(0)
	})
}

// TestBrokenStream: a stream that fails at once is no reason to hurry.
func TestBrokenStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &Board{parts: Parts{PCM: &stream{err: errBus}}, slots: []int{0}, tdmOut: make([]int16, board.FrameLen), tdmIn: make([]int16, board.FrameLen)}
		f := make([]board.Frame, 1)
		began := time.Now()
		for range 1000 {
			if err := b.Exchange(f, f); !errors.Is(err, errBus) {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took != 10*time.Second {
			t.Errorf("1000 frames took %v", took)
		}
	})
}

// stream is a PCM stream without a clock.
type stream struct{ err error }

func (s *stream) Slots() int                     { return 1 }
func (s *stream) Start() error                   { return nil }
func (s *stream) Stop() error                    { return nil }
func (s *stream) Exchange(out, in []int16) error { copy(in, out); return s.err }

func TestExchangeAllocatesNothing(t *testing.T) {
	b := &Board{parts: Parts{PCM: &stream{}}, slots: []int{0}, tdmOut: make([]int16, board.FrameLen), tdmIn: make([]int16, board.FrameLen)}
	out, in := make([]board.Frame, 1), make([]board.Frame, 1)
	out[0][7] = 7
	if n := testing.AllocsPerRun(100, func() { b.Exchange(out, in) }); n != 0 {
		t.Errorf("%v allocations a frame", n)
	}
	if in[0] != out[0] {
		t.Error("the frame did not pass")
	}
}

// TestTest: a line in use is not measured, a telephone off the hook is a finding.
func TestTest(t *testing.T) {
	bubble(t, 1, 1, func(r *rig) {
		r.start()
		for _, c := range []struct {
			port board.Port
			kind board.SignalKind
			busy bool
		}{
			{0, board.Ring, true}, {0, board.OnHookTransmit, true}, {0, board.OpenLoop, true}, {0, board.Reverse, false}, {0, board.Idle, false},
			{1, board.Seize, true}, {1, board.Release, false},
		} {
			r.signal(c.port, c.kind)
			time.Sleep(300 * time.Millisecond)
			if _, err := r.brd.Test(r.Context(), c.port); errors.Is(err, board.ErrBusy) != c.busy || !c.busy && err != nil {
				r.Errorf("port %d after %v: %v", c.port, c.kind, err)
			}
		}
		r.kill(0, true)
		time.Sleep(1100 * time.Millisecond) // while it is being brought back, too
		for range 5 {
			if _, err := r.brd.Test(r.Context(), 0); err == nil {
				r.Error("a dead port was measured")
			}
			time.Sleep(time.Second)
		}
	})
}

// TestQueue: what does not fit pushes out the oldest.
func TestQueue(t *testing.T) {
	u := &unit{kind: board.Station}
	for i := range 100 {
		u.queue(board.Signal{Kind: board.Idle})
		u.queue(board.Signal{Kind: board.Configure, Line: testLine(float64(i))})
		u.queue(board.Signal{Kind: board.Reverse})
	}
	u.queue(board.Signal{Kind: board.Ring})
	config, s := u.next()
	if config == nil || config.Ringing.Hz != 99 || s.Kind != 0 {
		t.Errorf("%v, %v, want the newest parameters first", config, s.Kind)
	}
	var last board.SignalKind
	n := 0
	for config, s = u.next(); s.Kind != 0; config, s = u.next() {
		if last, n = s.Kind, n+1; config != nil {
			t.Error("parameters twice")
		}
	}
	if last != board.Ring || n != len(u.signals) {
		t.Errorf("%d signals, the last is %v", n, last)
	}
}
