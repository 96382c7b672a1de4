package main

import (
	"context"
	"fmt"
	"maps"
	"time"

	"sotto/board"
	"sotto/pbx"
)

// settleEvery is how often join looks whether those who dialled by the lifeline are done.
const settleEvery = 200 * time.Millisecond

// join waits until the data is open and joins what needs it to the switch that runs: plan,
// telephones on the network, page, records. Calls that are up go on as they began.
func (m *machine) join(ctx context.Context) {
	off := m.off.locked.await(ctx)
	if off == nil {
		return
	}
	m.off.store, m.off.numbers = off.store, off.numbers // start closes the store
	if ctx.Err() != nil {
		return
	}
	m.log.Info("the store is open")
	checkPorts(off.numbers, m.brd.Ports(), m.log)
	if m.net != nil {
		if err := m.net.open(m.off, m.log); err != nil {
			m.log.Error("telephones on the network cannot register", "why", err)
		}
	}
	m.giveSecrets(ctx)
	m.net.join(m.engine, m.sw.Post, m.log)
	m.off.followPlan(m.sw.Post, m.net, m.log)
	m.runStore()
	m.sw.Post(pbx.Event{Plan: off.numbers}) // a plan is always taken
	m.control.setStore(off.store)
	m.page.close()
	m.page = openPage(m.o, m.brd, m.off, m.net, m.sw, m.out, m.log)
	if !m.settled(ctx) {
		return
	}
	m.journal.kept.Store(&kept{store: off.store, since: time.Now()})
	m.log.Info("calls that begin from now on are recorded")
}

// settled waits until the switch obeys the plan that was posted and nobody dials by an
// older one, which is a minute at most after the last handset was lifted by that; false:
// ctx ended before.
func (m *machine) settled(ctx context.Context) bool {
	tick := time.NewTicker(settleEvery)
	defer tick.Stop()
	next := func(c <-chan time.Time, done <-chan struct{}) bool {
		select {
		case <-c:
		case <-done:
		case <-ctx.Done():
		}
		return ctx.Err() == nil
	}
	taken := make(chan struct{})
	for !m.sw.Post(pbx.Event{Ping: taken}) {
		if !next(tick.C, nil) {
			return false
		}
	}
	if !next(nil, taken) {
		return false
	}
	for old := dialling(m.sw.Snapshot()); len(old) > 0; {
		if !next(tick.C, nil) {
			return false
		}
		still := dialling(m.sw.Snapshot())
		maps.DeleteFunc(old, func(p board.Port, _ bool) bool { return !still[p] })
	}
	return true
}

// dialling gives the stations that are off the hook and in no call.
func dialling(s *pbx.Snapshot) map[board.Port]bool {
	l := map[board.Port]bool{}
	for i := range s.Ports {
		if p := &s.Ports[i]; p.Kind == board.Station && p.Lamp == pbx.LampCall && p.Call == 0 {
			l[p.Port] = true
		}
	}
	return l
}

// giveSecrets tells where telephones on the network register, once they can, and makes
// those secrets that are missing.
func (m *machine) giveSecrets(ctx context.Context) {
	if m.net == nil || m.net.sip == nil {
		return
	}
	fmt.Fprintln(m.out, "SIP telephones register at "+m.o.sip.server())
	if err := m.net.makeSecrets(ctx, m.off, m.out, m.secrets); err != nil {
		m.log.Error("no secrets for SIP telephones", "why", err)
	}
}
