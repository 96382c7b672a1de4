package sipline

import (
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"

	"sotto/pbx"
	"sotto/pbx/media"
	"sotto/pbx/media/g711"
	"sotto/pbx/media/rtpport"
	"sotto/pbx/plan"
	"sotto/pbx/sipline/txn"
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
		q := pbx.Quality(s.Quality())
		d.end.Store(&q)
		s.Close()
	}
}

// branch is one telephone of a call: a leg of package ua with the way to it.
type branch struct {
	call    *call
	leg     *ua.Leg
	flow    wire.Flow
	talk    talk
	clients map[ua.Client]txn.Client
	over    bool

	due   time.Time // in the due list
	place int
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
		q := pbx.Quality(s.Quality())
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
				b.leg.Reject(c.s.now, statusOf(why), 0)
			} else {
				b.leg.Hangup(c.s.now, why)
			}
			c.s.act(b)
		}
		c.s.finish(c)
	})
}

// statusOf says why there is no call, for the telephone to show and sound.
func statusOf(c pbx.Cause) int {
	switch c {
	case pbx.NoAnswerFromUser, pbx.NoUserResponding, pbx.NormalClearing:
		return 480
	case pbx.OutOfOrder:
		return 480
	}
	return ua.StatusOf(c)
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
	local := flow.Local.Addr()
	if !local.IsValid() || local.IsUnspecified() {
		local = s.local(flow.Remote.Addr())
	}
	session, err := s.cfg.Sound.Open(local)
	if err != nil {
		return nil, err
	}
	c.sound.open(session)
	s.ports[session.Port()] = c
	return c, nil
}

// legConfig is what a leg of b is given.
func (s *Server) legConfig(b *branch) ua.Config {
	return ua.Config{Media: &b.talk, Contact: s.contact(b.flow), T1: s.cfg.T1, Counters: &s.uaCount}
}

// contact is where a telephone reaches the box.
func (s *Server) contact(flow wire.Flow) sip.Uri {
	local := s.sentBy(flow)
	u := sip.Uri{Scheme: "sip", Host: hostOf(local.Addr()), Port: int(local.Port())}
	if flow.Proto != wire.UDP {
		u.UriParams = sip.HeaderParams{{K: "transport", V: flow.Proto.String()}}
	}
	return u
}

// sentBy is the address of the box towards a telephone, with the port that it listens on.
func (s *Server) sentBy(flow wire.Flow) netip.AddrPort {
	a := flow.Local.Addr()
	if !a.IsValid() || a.IsUnspecified() {
		a = s.local(flow.Remote.Addr())
	}
	port := uint16(5060)
	switch {
	case flow.Proto == wire.TCP && s.cfg.TCP != nil:
		port = addrOf(s.cfg.TCP.Addr()).Port()
	case s.cfg.UDP != nil:
		port = addrOf(s.cfg.UDP.LocalAddr()).Port()
	}
	return netip.AddrPortFrom(a, port)
}

func hostOf(a netip.Addr) string {
	if a.Is6() {
		return "[" + a.String() + "]"
	}
	return a.String()
}

// adopt makes a leg known to the loop.
func (s *Server) adopt(b *branch) {
	s.legs[b.leg.LocalTag()] = b
	s.known.add(knownKey{b.flow.Proto, b.flow.Remote}, 1)
}

// forget is the reverse, once a leg is over.
func (s *Server) forget(b *branch) {
	b.over = true
	if s.legs[b.leg.LocalTag()] == b {
		delete(s.legs, b.leg.LocalTag())
		s.known.add(knownKey{b.flow.Proto, b.flow.Remote}, -1)
	}
	s.due.set(b, time.Time{})
	for _, id := range b.clients {
		delete(s.clients, id)
	}
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

// Ring rings the telephones of a user. It implements [pbx.Phones].
func (s *Server) Ring(i pbx.Invite) pbx.Remote {
	c := &call{s: s, user: i.User}
	s.order(func() { s.ring(c, i) })
	return c
}

func (s *Server) ring(c *call, i pbx.Invite) {
	if c.released {
		return
	}
	n := s.numbers.Load()
	u := n.User(i.User)
	targets := s.reg.Contacts(s.now, i.User)
	if u == nil || len(targets) == 0 {
		s.tell(c, pbx.PhoneEvent{Kind: pbx.PhoneRefuses, Cause: pbx.NoUserResponding})
		return
	}
	if len(s.ports) >= s.cfg.MaxCalls {
		s.tell(c, pbx.PhoneEvent{Kind: pbx.PhoneRefuses, Cause: pbx.Congestion})
		return
	}
	if peer := s.ports[i.Peer]; peer != nil {
		c.offered = peer.offered
	}
	made, err := s.newCall(i.User, targets[0].Flow)
	if err != nil {
		s.log.Warn("no sound for a call", "why", err)
		s.tell(c, pbx.PhoneEvent{Kind: pbx.PhoneRefuses, Cause: pbx.Congestion})
		return
	}
	c.sound.open(made.sound.session.Load())
	s.ports[c.Port()] = c
	for _, t := range targets {
		b := &branch{call: c, flow: t.Flow}
		b.talk.init(c, b)
		local := s.sentBy(b.flow)
		host, port := hostOf(local.Addr()), int(local.Port())
		to := ua.Call{Target: t.URI, Name: i.Name,
			To:   sip.Uri{Scheme: "sip", User: ua.EscapeUser(string(u.Ext)), Host: host, Port: port},
			From: sip.Uri{Scheme: "sip", User: ua.EscapeUser(callerOf(i.From)), Host: host, Port: port}}
		b.leg = ua.NewClient(s.now, s.legConfig(b), to)
		c.branches = append(c.branches, b)
		s.adopt(b)
	}
	for _, b := range c.branches {
		s.act(b)
	}
}

// callerOf is what a telephone shows and may call back.
func callerOf(p pbx.Party) string {
	if p.Ext != "" {
		return string(p.Ext)
	}
	return "anonymous"
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

// act does what a leg wants done.
func (s *Server) act(b *branch) {
	for _, a := range b.leg.Take() {
		switch a.Kind {
		case ua.Start:
			s.start(b, a)
		case ua.Ack:
			s.via(a.Request, b.flow, newBranch())
			s.send(b.flow, []byte(a.Request.String()))
		case ua.Cancel:
			s.txn.Cancel(s.now, b.clients[a.Client], a.Reason)
		case ua.Respond, ua.Resend:
			s.txn.Respond(s.now, txn.Server(a.Server), a.Response)
		case ua.Tell:
			s.legEvent(b, a.Event)
		}
	}
	if !b.over {
		s.due.set(b, b.leg.Deadline())
	}
}

// start begins a client transaction of a leg.
func (s *Server) start(b *branch, a ua.Action) {
	s.via(a.Request, b.flow, "")
	id := s.txn.Start(s.now, a.Request, b.flow)
	if id == 0 {
		b.leg.Lost(s.now, a.Client)
		s.act(b)
		return
	}
	if b.clients == nil {
		b.clients = map[ua.Client]txn.Client{}
	}
	b.clients[a.Client] = id
	s.clients[id] = clientOf{b, a.Client}
}

// via puts the box's Via on top of a request.
func (s *Server) via(req *sip.Request, flow wire.Flow, branchID string) {
	local := s.sentBy(flow)
	v := &sip.ViaHeader{ProtocolName: "SIP", ProtocolVersion: "2.0", Transport: flow.Proto.Via(), Host: hostOf(local.Addr()), Port: int(local.Port())}
	v.Params = sip.HeaderParams{{K: "rport"}}
	if branchID != "" {
		v.Params = append(v.Params, sip.HeaderKV{K: "branch", V: branchID})
	}
	req.PrependHeader(v)
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

// refused: a telephone does not take the call. The others ring on, unless it spoke for
// all (6xx).
func (s *Server) refused(b *branch, e ua.Event) {
	c := b.call
	if c.winner != nil {
		return
	}
	if c.refused == 0 || worth(e.Cause) > worth(c.refused) {
		c.refused = e.Cause
	}
	all := e.Status >= 600
	for _, o := range c.branches {
		if o == b || o.over || o.leg.State() == ua.Gone || o.talk.refused {
			continue
		}
		if !all {
			b.talk.refused = true
			return
		}
		o.leg.Hangup(s.now, ua.Elsewhere)
		s.act(o)
	}
	cause := c.refused
	if all {
		cause = pbx.Rejected
	}
	s.tell(c, pbx.PhoneEvent{Kind: pbx.PhoneRefuses, Cause: cause, All: all})
}

// worth orders reasons: what says most of the person counts.
func worth(c pbx.Cause) int {
	switch c {
	case pbx.Rejected:
		return 3
	case pbx.UserBusy:
		return 2
	case pbx.NoAnswerFromUser, pbx.NoUserResponding:
		return 1
	}
	return 0
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

// newBranch makes a branch for a request without a transaction.
func newBranch() string { return sip.RFC3261BranchMagicCookie + strings.ToLower(randomText()) }
