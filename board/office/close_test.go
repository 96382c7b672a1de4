package office

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"sotto/board"
)

// closes closes the board and wants it done soon, and all inert.
func (r *rig) closes() {
	r.Helper()
	began := time.Now()
	if err := r.brd.Close(); err != nil {
		r.Errorf("close: %v", err)
	}
	if took := time.Since(began); took > 100*time.Millisecond {
		r.Errorf("close took %v", took)
	}
	r.inert()
}

func (r *rig) inert() {
	r.Helper()
	r.media.Wait()
	for _, s := range r.slics {
		if s.LineVolts() != 0 {
			r.Errorf("a line is fed with %.1f V", s.LineVolts())
		}
	}
	for _, d := range r.daas {
		if d.OffHook() {
			r.Error("an exchange line is seized")
		}
	}
}

// TestCloseWhileHealing: at every moment of a recovery, of each chip.
func TestCloseWhileHealing(t *testing.T) {
	for p := range board.Port(2) {
		for at := 1200 * time.Millisecond; at < 1900*time.Millisecond; at += 11 * time.Millisecond {
			bubble(t, 1, 1, func(r *rig) {
				r.start()
				r.kill(p, true)
				time.Sleep(400 * time.Millisecond)
				r.expect(board.PortFailed)
				r.kill(p, false)
				time.Sleep(at - 400*time.Millisecond)
				r.closes()
			})
		}
	}
}

// TestCloseWithEventsNotTaken: nobody reads the events; the board waits, and closes.
func TestCloseWithEventsNotTaken(t *testing.T) {
	bubble(t, 2, 0, func(r *rig) {
		r.start()
		r.kill(1, true)
		for range cap(r.brd.events) {
			for _, off := range []bool{true, false} {
				r.phones[0].hook(off)
				time.Sleep(30 * time.Millisecond)
			}
		}
		r.kill(1, false) // one recovery is under way or done, and cannot be told
		time.Sleep(5 * time.Minute)
		if n := len(r.brd.events); n != cap(r.brd.events) {
			r.Fatalf("%d events wait, want %d", n, cap(r.brd.events))
		}
		for range 100 {
			r.signal(0, board.Ring) // does not block
		}
		ctx, cancel := context.WithTimeout(r.Context(), time.Second)
		defer cancel()
		if _, err := r.brd.Test(ctx, 0); !errors.Is(err, context.DeadlineExceeded) {
			r.Errorf("test gives %v", err)
		}
		r.closes()
	})
}

// TestEventsTakenLate: what waited comes in order, nothing is lost, and the board goes on.
func TestEventsTakenLate(t *testing.T) {
	bubble(t, 1, 0, func(r *rig) {
		r.start()
		for range cap(r.brd.events) {
			for _, off := range []bool{true, false} {
				r.phones[0].hook(off)
				time.Sleep(50 * time.Millisecond)
			}
		}
		for i, e := range r.take() {
			if e.Seq != uint32(i+1) || (e.Kind == board.LoopClosed) != (i%2 == 0) {
				r.Fatalf("event %d is number %d: %v", i, e.Seq, e.Kind)
			}
		}
		time.Sleep(time.Second)
		r.take()
		r.works(0)
	})
}

// TestCloseAtOnce: many close while others exchange, signal and test.
func TestCloseAtOnce(t *testing.T) {
	bubble(t, 2, 1, func(r *rig) {
		const slow = 5 * time.Millisecond
		reset := r.parts.Reset
		r.parts.Reset = func(on bool) error { time.Sleep(slow); return reset(on) }
		r.start()
		var all sync.WaitGroup
		for i := range 4 {
			all.Go(func() {
				for n := range 100 {
					time.Sleep(time.Millisecond)
					r.signal(board.Port(n%3), board.Idle+board.SignalKind(n%2))
					if _, err := r.brd.Test(r.Context(), board.Port(n%3)); n == 99 && !errors.Is(err, board.ErrClosed) {
						r.Errorf("test gives %v after close", err)
					}
				}
			})
			all.Go(func() {
				time.Sleep(50*time.Millisecond + time.Duration(i/2)*time.Microsecond)
				began := time.Now()
				if r.brd.Close(); time.Since(began) < slow-time.Millisecond {
					r.Error("close came back before the board was closed")
				}
			})
		}
		all.Wait()
		r.closes()
	})
}

// TestCloseWhileClockStands: the wait of Exchange for its pace ends with the board.
func TestCloseWhileClockStands(t *testing.T) {
	for d := range 20 {
		bubble(t, 1, 0, func(r *rig) {
			r.start()
			r.highway.Stall(true)
			time.Sleep(500*time.Millisecond + time.Duration(d)*3*time.Millisecond)
			r.closes()
		})
	}
}

// TestCloseWithDeadChip: a chip that died this moment is reset with the others; that it
// did not answer is an error, and no reason to leave the others fed.
func TestCloseWithDeadChip(t *testing.T) {
	bubble(t, 2, 1, func(r *rig) {
		r.start()
		r.signal(2, board.Seize)
		time.Sleep(time.Second)
		r.wires[0].disturb(1 << 30)
		if err := r.brd.Close(); !errors.Is(err, errBus) {
			r.Errorf("close gives %v", err)
		}
		r.wires[0].disturb(0)
		r.inert()
	})
}
