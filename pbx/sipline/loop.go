package sipline

import (
	"time"

	"sotto/pbx"
	"sotto/pbx/sipline/txn"
	"sotto/pbx/sipline/ua"
)

// arrive takes one message.
func (s *Server) arrive(a arrival) {
	s.now, s.size = time.Now(), a.size
	if a.req != nil {
		s.request(a.req, a.flow)
	} else if id, ok := s.txn.Response(s.now, a.res, a.flow); ok {
		if c, ok := s.clients[id]; ok {
			c.b.giveUp = time.Time{} // it is there
			c.b.leg.Response(s.now, a.res, c.c)
			s.act(c.b)
		}
	}
	s.flush()
}

// flush sends what the transactions want sent, and tells their fate.
func (s *Server) flush() {
	for {
		for _, o := range s.txn.Take() {
			s.send(o.Flow, o.Data)
		}
		events := s.txn.Events()
		if len(events) == 0 {
			return
		}
		for _, e := range events {
			s.transactionEvent(e)
		}
	}
}

func (s *Server) transactionEvent(e txn.Event) {
	if e.Server != 0 {
		b := s.servers[e.Server]
		switch e.Kind {
		case txn.Over:
			if b != nil {
				b.open--
			}
			delete(s.servers, e.Server)
		case txn.TransportLost, txn.Unanswered: // who called has gone: as good as a CANCEL
			if b != nil {
				b.leg.Canceled(s.now, ua.Server(e.Server))
				s.act(b)
			}
		}
		return
	}
	c, ok := s.clients[e.Client]
	if !ok {
		return
	}
	switch e.Kind {
	case txn.Timeout:
		c.b.leg.Timeout(s.now, c.c)
	case txn.TransportLost:
		if d := c.b.call.sound.session.Load(); d != nil && d.Silent() >= probeSilent { // neither heard nor reached: gone
			c.b.leg.Timeout(s.now, c.c)
		} else {
			c.b.leg.Lost(s.now, c.c)
		}
	case txn.Over:
		delete(s.clients, e.Client)
		delete(c.b.clients, c.c)
	}
	s.act(c.b)
}

// deadline gives when the loop must come by again.
func (s *Server) deadline() time.Time {
	d := s.txn.Deadline()
	for _, t := range [...]time.Time{s.reg.Deadline(), s.due.first(), s.probeDue()} {
		if !t.IsZero() && (d.IsZero() || t.Before(d)) {
			d = t
		}
	}
	return d
}

// expire does what is due.
func (s *Server) expire() {
	s.txn.Expire(s.now)
	for {
		b := s.due.next(s.now)
		if b == nil {
			break
		}
		if !b.giveUp.IsZero() && !b.giveUp.After(s.now) {
			s.away(b)
		}
		b.leg.Expire(s.now)
		s.act(b)
	}
	if d := s.reg.Deadline(); !d.IsZero() && !d.After(s.now) {
		for _, user := range s.reg.Expire(s.now) {
			s.bindingsChanged(user)
		}
	}
	s.met.expire(s.now, &s.known)
	s.probe()
}

// goodbye ends all calls: each telephone is told once.
func (s *Server) goodbye() {
	s.now = time.Now()
	for _, b := range s.legs {
		b.leg.Hangup(s.now, pbx.TemporaryFailure)
		s.act(b)
	}
	s.flush()
	for _, c := range s.ports {
		c.sound.close()
	}
}
