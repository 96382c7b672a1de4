package office

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
	for _, u := range b.units {
		u.tell = func(e board.Event) {
			e.Port = u.port
			b.tell(ctx, e)
		}
	}
	timer := time.NewTicker(tick)
	defer timer.Stop()
	pulse := time.NewTimer(0)
	defer pulse.Stop()
	for n := 1; ; {
		select {
		case <-pulse.C:
		case <-ctx.Done():
			b.waitHealing()
			return
		case <-b.wake:
		case at, ok := <-b.edges:
			if !ok { // the line is lost: poll
				b.edges = nil
				break
			}
			b.interrupt(at)
		case t := <-b.tests:
			t.result <- b.measure(b.units[t.port])
		case h := <-b.healed:
			b.healDone(h)
		case <-timer.C:
			if len(b.edges) > 0 { // its time is better than that of the poll
				b.interrupt(<-b.edges)
			}
			b.poll(ctx, n)
			n++
		}
		for _, u := range b.units {
			if err := u.obey(); err != nil {
				b.fail(u, err)
			}
		}
		if next := b.pulses(); !next.IsZero() {
			pulse.Reset(time.Until(next))
		}
	}
}

// pulses does what is due between the looks at all lines, edges of pulses above all, and
// gives the time when it is to be called again, zero for none.
func (b *Board) pulses() (next time.Time) {
	for _, u := range b.units {
		if u.due.IsZero() {
			continue
		}
		if err := u.step(time.Now()); err != nil {
			b.fail(u, err)
		}
		if !u.due.IsZero() && (next.IsZero() || u.due.Before(next)) {
			next = u.due
		}
	}
	return next
}

// poll does what is due at tick number n.
func (b *Board) poll(ctx context.Context, n int) {
	every := 1
	// A chip that is out of order may hold the common line down, and hide every edge.
	if b.edges != nil && !slices.ContainsFunc(b.units, func(u *unit) bool { return u.kind == board.Station && u.err != nil }) {
		every = int(stationSlow / tick)
	}
	now := time.Now()
	for _, u := range b.units {
		switch u.kind {
		case board.Station:
			if n%every == 0 {
				b.look(u, now, time.Time{})
			}
		case board.ExchangeLine:
			if n%int(linePoll/tick) == 0 {
				b.look(u, now, time.Time{})
				if u.due.IsZero() {
					u.due = now.Add(glance)
				}
			}
		}
		b.tend(ctx, u, now)
		b.pulses() // an edge does not wait for all that a poll does
	}
	if at := b.late; !at.IsZero() {
		b.interrupt(at)
	}
}

// lateEdge gives the time of the interrupt for what a poll found just before it came, or
// the zero time if none comes.
func (b *Board) lateEdge() time.Time {
	if b.edges == nil {
		return time.Time{}
	}
	t := time.NewTimer(edgeLag)
	defer t.Stop()
	select {
	case at, ok := <-b.edges:
		if !ok {
			b.edges = nil
		}
		b.late = at
		return at
	case <-t.C:
		return time.Time{}
	}
}

// interrupt serves the stations until none has anything more to tell: the chips share
// one open-drain line, so a second cause makes no second edge. Edges that wait already
// are served with this one, so that a storm of them costs no more than it must.
func (b *Board) interrupt(at time.Time) {
	b.late = time.Time{}
	for range len(b.edges) {
		<-b.edges
	}
	for range 8 {
		before := b.seq
		for _, u := range b.units {
			if u.kind == board.Station {
				b.look(u, time.Now(), at)
			}
		}
		if b.seq == before {
			return
		}
		at = time.Time{}
	}
}

// look looks after a port that works, or that comes back by itself.
func (b *Board) look(u *unit, now, edge time.Time) {
	if u.healing || u.err != nil && !u.cools {
		return
	}
	err := u.chip.Look(now, edge, u.tell)
	var cools *coolingError
	switch {
	case errors.As(err, &cools):
		if !u.cools {
			b.fail(u, cools.err)
			u.cools = true
		}
	case err != nil:
		b.fail(u, err)
	case u.cools:
		b.restored(u)
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

// fail puts a port out of service, and tells it if it was in service.
func (b *Board) fail(u *unit, err error) {
	now := time.Now()
	was := u.err
	u.err, u.failedAt, u.cools = err, now, false
	if was != nil {
		return
	}
	if u.wait == 0 || now.Sub(u.upSince) > 10*u.wait {
		u.wait = firstWait
	}
	if errors.Is(err, errCalibrating) {
		u.failedAt = now.Add(-u.wait) // nothing to wait for
	}
	u.tell(board.Event{Kind: board.PortFailed, At: now, Err: err})
}

// restored puts a port back into service, in the state last asked of it.
func (b *Board) restored(u *unit) {
	if err := u.restore(); err != nil {
		b.still(u, err)
		return
	}
	now := time.Now()
	u.err, u.cools, u.upSince = nil, false, now
	u.tell(board.Event{Kind: board.PortRestored, At: now})
}

// still notes that a port could not be brought back.
func (b *Board) still(u *unit, err error) {
	if err.Error() != u.err.Error() {
		b.parts.Log.Warn("port still out of service", "port", u.label, "why", err)
	}
	b.fail(u, err)
}

// tend starts to bring a failed port back when its waiting time is over.
func (b *Board) tend(ctx context.Context, u *unit, now time.Time) {
	if u.err == nil || u.cools || u.healing || now.Sub(u.failedAt) < u.wait {
		return
	}
	u.healing = true
	u.wait = min(2*u.wait, lastWait)
	b.done.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, healLimit)
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

func (b *Board) healDone(h heal) {
	h.u.healing = false
	if h.err != nil {
		b.still(h.u, h.err)
		return
	}
	b.restored(h.u)
}

// measure measures an idle line.
func (b *Board) measure(u *unit) testResult {
	switch {
	case u.err != nil:
		return testResult{err: fmt.Errorf("test %s: out of service: %w", u.label, u.err)}
	case u.busy():
		return testResult{err: fmt.Errorf("test %s: %w", u.label, board.ErrBusy)}
	}
	r, err := u.chip.Measure()
	if err != nil {
		err = fmt.Errorf("test %s: %w", u.label, err)
	}
	return testResult{r, err}
}
