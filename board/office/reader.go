package office

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sotto/board"
)

// test is a line measurement asked for by Test.
type test struct {
	port   board.Port
	result chan testResult
}

type testResult struct {
	report board.LineReport
	err    error
}

// heal is the end of a try to bring a port back.
type heal struct {
	u   *unit
	err error
}

// read is the event reader: it owns the chips until ctx ends.
func (b *Board) read(ctx context.Context) {
	stationEvery, tick := 1, pollFast
	if b.parts.Interrupt != nil {
		stationEvery, tick = int(pollSlow/pollFast), pollFast*lineEvery
		stationEvery /= lineEvery
		if len(b.parts.Lines) == 0 {
			tick, stationEvery = pollSlow, 1
		}
	}
	for _, u := range b.units {
		u.tell = func(e board.Event) {
			e.Port = u.port
			b.tell(ctx, e)
		}
	}
	lines := lineEvery
	if tick >= pollFast*lineEvery {
		lines = 1
	}
	timer := time.NewTicker(tick)
	defer timer.Stop()
	for n := 0; ; {
		select {
		case <-ctx.Done():
			b.waitHealing()
			return
		case <-b.wake:
		case at := <-b.parts.Interrupt:
			b.interrupt(ctx, at)
		case t := <-b.tests:
			t.result <- b.measure(b.units[t.port])
		case h := <-b.healed:
			b.healDone(ctx, h)
		case <-timer.C:
			n++
			now := time.Now()
			for _, u := range b.units {
				every := stationEvery
				if u.kind == board.ExchangeLine {
					every = lines
				}
				if n%every == 0 {
					b.look(ctx, u, now, time.Time{})
				}
				b.tend(ctx, u, now)
			}
		}
		for _, u := range b.units {
			if err := u.obey(); err != nil {
				b.fail(ctx, u, err)
			}
		}
	}
}

// interrupt serves the stations until none has anything more to tell: the chips share
// one open-drain line, so a second cause makes no second edge.
func (b *Board) interrupt(ctx context.Context, at time.Time) {
	for range 8 {
		before := b.seq
		for _, u := range b.units {
			if u.kind == board.Station {
				b.look(ctx, u, time.Now(), at)
			}
		}
		if b.seq == before {
			return
		}
		at = time.Time{}
	}
}

func (b *Board) look(ctx context.Context, u *unit, now, edge time.Time) {
	if u.err != nil || u.healing {
		return
	}
	err := u.chip.Look(now, edge, u.tell)
	var cools *coolingError
	switch {
	case errors.As(err, &cools):
		u.tell(board.Event{Kind: board.PortFailed, At: now, Err: cools.err})
	case err != nil:
		b.fail(ctx, u, err)
	}
}

// tell puts an event out. The switch takes events all the time; if it does not, the
// reader waits, and only Close ends that.
func (b *Board) tell(ctx context.Context, e board.Event) {
	b.seq++
	e.Seq = b.seq
	select {
	case b.events <- e:
	case <-ctx.Done():
	}
}

// fail puts a port out of service.
func (b *Board) fail(ctx context.Context, u *unit, err error) {
	now := time.Now()
	if u.err == nil {
		if u.wait == 0 || now.Sub(u.upSince) > 10*u.wait {
			u.wait = firstWait
		}
		u.tell(board.Event{Kind: board.PortFailed, At: now, Err: err})
	}
	u.err, u.failedAt = err, now
}

// tend starts to bring a failed port back when its waiting time is over.
func (b *Board) tend(ctx context.Context, u *unit, now time.Time) {
	if u.err == nil || u.healing || now.Sub(u.failedAt) < u.wait {
		return
	}
	u.healing = true
	u.wait = min(2*u.wait, lastWait)
	b.done.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
		defer cancel()
		err := u.chip.Recover(ctx)
		b.healed <- heal{u, err} // read takes it, at its end in waitHealing
	})
}

// waitHealing waits for tries under way, whose context has ended.
func (b *Board) waitHealing() {
	for _, u := range b.units {
		for u.healing {
			h := <-b.healed
			h.u.healing, h.u.err = false, h.err
		}
	}
}

func (b *Board) healDone(ctx context.Context, h heal) {
	u := h.u
	u.healing = false
	now := time.Now()
	if h.err == nil {
		h.err = u.restore()
	}
	if h.err != nil {
		u.failedAt = now
		if h.err.Error() != u.err.Error() {
			b.parts.Log.Warn("port still out of service", "port", u.label, "why", h.err)
		}
		u.err = h.err
		return
	}
	u.err, u.upSince = nil, now
	u.tell(board.Event{Kind: board.PortRestored, At: now})
	b.look(ctx, u, now, time.Time{})
}

// measure measures an idle line.
func (b *Board) measure(u *unit) testResult {
	if u.healing || u.err != nil {
		return testResult{err: fmt.Errorf("%s is out of service: %w", u.label, u.err)}
	}
	r, err := u.chip.Measure()
	return testResult{r, err}
}
