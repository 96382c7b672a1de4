package sipline

import (
	"time"

	"sotto/pbx/sipline/auth"
	"sotto/pbx/sipline/edge"
	"sotto/pbx/sipline/registrar"
	"sotto/pbx/sipline/txn"
	"sotto/pbx/sipline/ua"
)

// ask lets the loop answer. It gives the zero value when the loop does not run.
func ask[T any](s *Server, f func() T) (v T) {
	got := make(chan T, 1)
	s.order(func() { got <- f() })
	select {
	case v = <-got:
	case <-time.After(time.Second):
	}
	return v
}

// Legs gives how many legs with telephones there are, those that are over but still wait
// for what may come late among them. Any goroutine.
func (s *Server) Legs() int { return ask(s, func() int { return len(s.legs) }) }

// Phones gives the inventory of telephones that are registered: what they are, not whose
// number they have. Any goroutine.
func (s *Server) Phones() []registrar.Phone { return ask(s, s.reg.Inventory) }

// Bans gives the sources that are not listened to, with the reason. Any goroutine.
func (s *Server) Bans() []auth.Ban {
	return ask(s, func() []auth.Ban { return s.guard.List(s.now) })
}

// Unban forgives everybody: the button. Any goroutine.
func (s *Server) Unban() { s.order(s.guard.Clear) }

// Counters of what should not happen, or seldom, and of the traffic.
type Counters struct {
	In, Refused, Dropped, Limited, Challenged, Late uint64
	Unanswered                                      uint64 // strangers whose message is too short for a challenge
	StrayAcks                                       uint64 // of no dialog, or not from where it is
	Connections                                     Connections
	Reasons                                         [edge.Reasons]uint64 // of messages refused or dropped
	Limits                                          edge.Counts
	Transactions                                    txn.Counters
	Legs                                            ua.Counters
	Gate                                            auth.GateStats
	Guard                                           auth.GuardStats
	Registrar                                       registrar.Stats
}

// Counters reads the counters. Any goroutine.
func (s *Server) Counters() Counters {
	c := ask(s, func() Counters {
		return Counters{Transactions: s.txn.Counters(), Legs: s.uaCount, Gate: s.gate.Stats(), Guard: s.guard.Stats(), Registrar: s.reg.Stats()}
	})
	n := &s.count
	c.In, c.Refused, c.Dropped, c.Limited, c.Challenged, c.Late = n.in.Load(), n.refused.Load(), n.dropped.Load(), n.limited.Load(), n.challenged.Load(), n.late.Load()
	c.Unanswered, c.StrayAcks = n.unanswered.Load(), n.strayAcks.Load()
	for i := range c.Reasons {
		c.Reasons[i] = n.reasons[i].Load()
	}
	c.Limits = s.limiter.Counts()
	c.Connections = s.conns.counts()
	return c
}

// Connections counts streams.
type Connections struct {
	Open, Strangers             int    // now
	Refused, Evicted, Undialled uint64 // since the start: for want of room; strangers that made room; not to be opened
}

func (t *connTable) counts() Connections {
	t.mu.Lock()
	defer t.mu.Unlock()
	return Connections{len(t.byID), t.nstranger, t.refused.Load(), t.evicted.Load(), t.undialled.Load()}
}
