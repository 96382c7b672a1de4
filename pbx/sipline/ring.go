package sipline

import (
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"sotto/pbx"
	"sotto/pbx/sipline/ua"
)

// Ring rings the telephones of a user. It implements [pbx.Phones].
func (s *Server) Ring(i pbx.Invite) pbx.Remote {
	c := &call{s: s, user: i.User}
	if s.dead.Load() {
		s.cfg.Post(pbx.Event{Phone: &pbx.PhoneEvent{Leg: c, Kind: pbx.PhoneRefuses, Cause: pbx.OutOfOrder}})
		return c
	}
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
		s.tell(c, pbx.PhoneEvent{Kind: pbx.PhoneRefuses, Cause: pbx.OutOfOrder}) // not reachable
		return
	}
	if len(s.ports) >= s.cfg.MaxCalls {
		s.tell(c, pbx.PhoneEvent{Kind: pbx.PhoneRefuses, Cause: pbx.Congestion})
		return
	}
	if peer := s.ports[i.Peer]; peer != nil {
		c.offered = peer.offered
	}
	if err := c.open(targets[0].Flow); err != nil {
		s.notes.note("no sound for a call", err.Error())
		s.tell(c, pbx.PhoneEvent{Kind: pbx.PhoneRefuses, Cause: pbx.Congestion})
		return
	}
	for _, t := range targets {
		b := &branch{call: c, flow: t.Flow, giveUp: s.now.Add(awayAfter)}
		b.talk.init(c, b)
		local := s.sentBy(b.flow)
		host, port := hostOf(local.Addr()), int(local.Port())
		to := ua.Call{Target: t.URI, Route: routeOf(t.Binding.Path), Name: i.Name,
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

// awayAfter is how long a telephone may take to say anything at all to an INVITE. One that
// is there answers within milliseconds; one that lost its power stays registered for up to
// an hour, and who calls must not listen to nothing until timer B ends. The INVITE has by
// then been sent five times (RFC 3261 section 17.1.1.2).
const awayAfter = 8 * time.Second

// away: a telephone that is to ring says nothing.
func (s *Server) away(b *branch) {
	b.giveUp = time.Time{}
	if b.call.winner == nil && !b.call.released {
		s.refused(b, ua.Event{Status: 408, Cause: pbx.OutOfOrder})
	}
	b.leg.Hangup(s.now, pbx.NoUserResponding)
	b.refused = true
}

// refused: a telephone does not take the call. The others ring on, unless it spoke for
// all (6xx).
func (s *Server) refused(b *branch, e ua.Event) {
	c := b.call
	if c.winner != nil {
		return
	}
	if c.refused == 0 || e.Cause.Telling() > c.refused.Telling() {
		c.refused = e.Cause
	}
	all := e.Status >= 600
	for _, o := range c.branches {
		if o == b || o.over || o.leg.State() == ua.Gone || o.refused {
			continue
		}
		if !all {
			b.refused = true
			return
		}
		o.leg.Hangup(s.now, ua.Elsewhere)
		s.act(o)
	}
	cause := c.refused
	if all {
		cause = e.Cause
	}
	s.tell(c, pbx.PhoneEvent{Kind: pbx.PhoneRefuses, Cause: cause, All: all})
}

// routeOf gives the route set that a registration's Path makes (RFC 3327 section 5.3).
func routeOf(path []string) (l []sip.Uri) {
	for _, p := range path {
		if _, rest, ok := strings.Cut(p, "<"); ok {
			p, _, _ = strings.Cut(rest, ">")
		}
		var u sip.Uri
		if sip.ParseUri(p, &u) == nil {
			l = append(l, u)
		}
	}
	return l
}
