package sipline

import (
	"sync/atomic"
	"time"

	"sotto/pbx"
	"sotto/pbx/media"
	"sotto/pbx/media/g711"
	"sotto/pbx/media/rtpport"
	"sotto/pbx/plan"
	"sotto/pbx/sipline/ua"
	"sotto/pbx/sipline/wire"
)

// call is one leg of the switch: a telephone that calls, or all telephones of a user that
// ring as one. It is the switch's [pbx.Remote]. Its fields are the loop's but for sound.
type call struct {
	s        *Server
	user     plan.UserID
	sound    sound
	branches []*branch
	winner   *branch // who has the call
	offered  []g711.Law
	peerLaw  g711.Law // of the other end, 0 if not known
	peerSet  bool
	ringing  bool
	refused  pbx.Cause // the best reason of branches that refused
	told     bool      // the switch knows that it is over
	released bool      // the switch has released it
	probedAt time.Time
}

// sound is the RTP session of a call; other goroutines look at it.
type sound struct {
	session atomic.Pointer[rtpport.Session]
	port    atomic.Int32 // media port + 1
	end     atomic.Pointer[pbx.Quality]
}

func (d *sound) open(s *rtpport.Session) {
	d.session.Store(s)
	d.port.Store(int32(s.Port()) + 1)
}

// close ends it, and keeps how it was.
func (d *sound) close() {
	if s := d.session.Swap(nil); s != nil {
		q := s.Quality()
		d.end.Store(&q)
		s.Close()
	}
}

// Port gives where its sound is. Any goroutine.
func (c *call) Port() media.Port {
	if p := c.sound.port.Load(); p > 0 {
		return media.Port(p - 1)
	}
	return pbx.NoPort
}

// Quality gives how its sound is. Any goroutine.
func (c *call) Quality() *pbx.Quality {
	if s := c.sound.session.Load(); s != nil {
		q := s.Quality()
		if q.Packets == 0 && q.Codec == "" {
			return nil
		}
		return &q
	}
	return c.sound.end.Load()
}

// Ring, Answer and Release are called by the switch.
func (c *call) Ring() { c.s.order(func() { c.do(func(b *branch) { b.leg.Ring(c.s.now) }) }) }

func (c *call) Answer(peer media.Port) {
	c.s.order(func() {
		c.peerLaw, c.peerSet = c.s.lawOf(peer)
		c.do(func(b *branch) { b.leg.Answer(c.s.now) })
	})
}

func (c *call) Release(why pbx.Cause) {
	c.s.order(func() {
		if c.released {
			return
		}
		c.released, c.told = true, true
		for _, b := range c.branches {
			if b.over {
				continue
			}
			if b.leg.State() == ua.Incoming || b.leg.State() == ua.Ringing {
				b.leg.Reject(c.s.now, ua.StatusOf(why), 0)
			} else {
				b.leg.Hangup(c.s.now, why)
			}
			c.s.act(b)
		}
		c.s.finish(c)
	})
}

// do does something to the telephone that has the call.
func (c *call) do(f func(*branch)) {
	if b := c.winner; b != nil && !b.over && !c.released {
		f(b)
		c.s.act(b)
	}
}

// newCall opens the sound of a leg with a telephone at the other end of flow.
func (s *Server) newCall(user plan.UserID, flow wire.Flow) (*call, error) {
	c := &call{s: s, user: user}
	return c, c.open(flow)
}

// open opens its sound.
func (c *call) open(flow wire.Flow) error {
	local := c.s.sentBy(flow).Addr()
	if a := c.s.anyAddress(); a.IsValid() { // each telephone is told the address that leads to it
		local = a
	}
	session, err := c.s.cfg.Sound.Open(local)
	if err != nil {
		return err
	}
	c.sound.open(session)
	c.s.ports[session.Port()] = c
	return nil
}

// finish closes the sound once both the switch and the telephones are done with it.
func (s *Server) finish(c *call) {
	if !c.released {
		return
	}
	if p := c.Port(); p != pbx.NoPort && s.ports[p] == c {
		delete(s.ports, p) // the switch has published a patch without it: nobody hears it any more
		c.sound.close()
	}
}

// tell tells the switch.
func (s *Server) tell(c *call, e pbx.PhoneEvent) {
	if c.told {
		return
	}
	c.told = e.Kind == pbx.PhoneHangsUp || e.Kind == pbx.PhoneRefuses
	e.Leg = c
	s.cfg.Post(pbx.Event{Phone: &e})
}

// legEvent is what became of a leg, or what its telephone did.
func (s *Server) legEvent(b *branch, e ua.Event) {
	c := b.call
	switch e.Kind {
	case ua.Rings:
		if !c.ringing {
			c.ringing = true
			s.tell(c, pbx.PhoneEvent{Kind: pbx.PhoneRings})
		}
	case ua.Answers:
		if c.winner != nil || c.released {
			b.leg.Hangup(s.now, ua.Elsewhere)
			s.act(b)
			return
		}
		c.winner = b
		b.talk.apply()
		s.tell(c, pbx.PhoneEvent{Kind: pbx.PhoneAnswers})
		for _, o := range c.branches {
			if o != b && !o.over {
				o.leg.Hangup(s.now, ua.Elsewhere)
				s.act(o)
			}
		}
	case ua.Refuses:
		s.refused(b, e)
	case ua.HangsUp:
		if c.winner == b {
			s.tell(c, pbx.PhoneEvent{Kind: pbx.PhoneHangsUp, Cause: e.Cause})
		}
	case ua.Holds:
		s.tell(c, pbx.PhoneEvent{Kind: pbx.PhoneHolds})
	case ua.Retrieves:
		s.tell(c, pbx.PhoneEvent{Kind: pbx.PhoneRetrieves})
	case ua.Dials:
		if d := c.sound.session.Load(); d != nil {
			d.Digit(e.Digit, e.Duration)
		}
	case ua.Over:
		s.forget(b)
		s.finish(c)
	}
}

// lawOf gives the law of the sound at a port, if a telephone on the network is there.
func (s *Server) lawOf(p media.Port) (g711.Law, bool) {
	if c := s.ports[p]; c != nil && c.winner != nil && c.winner.talk.agreed {
		return c.winner.talk.law, true
	}
	return 0, false
}

// A telephone that has vanished is noticed by its silence: it is then asked whether it is
// still there, by offering the session anew. One that mutes itself answers.
const (
	probeEvery  = 15 * time.Second
	probeSilent = 90 * time.Second
)

func (s *Server) probeDue() time.Time {
	if len(s.ports) == 0 {
		return time.Time{}
	}
	return s.probed.Add(probeEvery)
}

func (s *Server) probe() {
	if len(s.ports) == 0 || s.now.Before(s.probed.Add(probeEvery)) {
		return
	}
	s.probed = s.now
	for _, c := range s.ports {
		d, b := c.sound.session.Load(), c.winner
		if d == nil || b == nil || b.over || !b.talk.agreed || d.Silent() < probeSilent || s.now.Sub(c.probedAt) < probeSilent {
			continue
		}
		c.probedAt = s.now
		b.leg.Reoffer(s.now)
		s.act(b)
	}
}
