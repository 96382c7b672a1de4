package sipline

import (
	"net/netip"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"sotto/pbx/sipline/txn"
	"sotto/pbx/sipline/ua"
	"sotto/pbx/sipline/wire"
)

// branch is one telephone of a call: a leg of package ua with the way to it.
type branch struct {
	call    *call
	leg     *ua.Leg
	flow    wire.Flow
	talk    talk
	clients map[ua.Client]txn.Client
	over    bool
	refused bool      // it does not take the call
	open    int       // requests from its telephone whose transactions are kept
	giveUp  time.Time // of one that is to ring: when it counts as away; zero once it was heard of

	due   time.Time // in the due list
	place int
}

// legConfig is what a leg of b is given.
func (s *Server) legConfig(b *branch) ua.Config {
	return ua.Config{Media: &b.talk, Contact: s.contact(b.flow), T1: s.cfg.T1, Counters: &s.uaCount}
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

// act does what a leg wants done.
func (s *Server) act(b *branch) {
	for _, a := range b.leg.Take() {
		switch a.Kind {
		case ua.Start:
			s.start(b, a)
		case ua.Ack:
			flow := s.way(b)
			s.via(a.Request, flow, newBranch())
			s.send(flow, []byte(a.Request.String()))
		case ua.Cancel:
			s.txn.Cancel(s.now, b.clients[a.Client], a.Reason)
		case ua.Respond, ua.Resend:
			s.txn.Respond(s.now, txn.Server(a.Server), a.Response)
		case ua.Tell:
			s.legEvent(b, a.Event)
		}
	}
	if !b.over {
		d := b.leg.Deadline()
		if !b.giveUp.IsZero() && (d.IsZero() || b.giveUp.Before(d)) {
			d = b.giveUp
		}
		s.due.set(b, d)
	}
}

// start begins a client transaction of a leg.
func (s *Server) start(b *branch, a ua.Action) {
	flow := s.way(b)
	s.via(a.Request, flow, "")
	id := s.txn.Start(s.now, a.Request, flow)
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

// newBranch makes a branch for a request without a transaction.
func newBranch() string { return sip.RFC3261BranchMagicCookie + strings.ToLower(randomText()) }

// moved notes that a telephone goes on from somewhere else.
func (b *branch) moved(flow wire.Flow) {
	if b.flow == flow {
		return
	}
	s := b.call.s
	s.known.add(knownKey{flow.Proto, flow.Remote}, 1)
	s.known.add(knownKey{b.flow.Proto, b.flow.Remote}, -1)
	b.flow = flow
}

// way gives where a request of the box goes within b's dialogs. Over UDP that is the port
// that the telephone's Contact names, if it names the address that it sends from; else it
// is behind NAT and has the port that it sends from. On a stream it is the connection that
// the dialog came by; if that is gone, the one that the telephone has registered by since,
// or one to be opened to where its Contact says.
func (s *Server) way(b *branch) wire.Flow {
	flow := b.flow
	port := uint16(0)
	if target := b.leg.Target(); len(b.leg.Routes()) == 0 && ownAddress(&target, flow.Remote.Addr()) {
		if port = 5060; target.Port > 0 && target.Port <= 65535 {
			port = uint16(target.Port)
		}
	}
	switch {
	case !flow.Proto.Reliable():
		if port != 0 {
			flow.Remote = netip.AddrPortFrom(flow.Remote.Addr(), port)
		}
		return flow
	case flow.Conn == 0 || s.conns.stands(flow.Conn):
		return flow
	}
	flow.Conn = 0
	if port != 0 {
		flow.Remote = netip.AddrPortFrom(flow.Remote.Addr(), port)
	}
	for _, t := range s.reg.Contacts(s.now, b.call.user) {
		if t.Flow.Proto == flow.Proto && t.Flow.Remote.Addr() == flow.Remote.Addr() && s.conns.stands(t.Flow.Conn) {
			flow = t.Flow
			break
		}
	}
	b.moved(flow)
	return flow
}

// ownAddress tells whether a URI names an address itself, as a telephone that is not
// behind NAT does.
func ownAddress(u *sip.Uri, a netip.Addr) bool {
	host, err := netip.ParseAddr(strings.Trim(u.Host, "[]"))
	return err == nil && host.Unmap() == a
}
