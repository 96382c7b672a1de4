package sipline

import (
	"strings"

	"github.com/emiago/sipgo/sip"

	"sotto/pbx"
	"sotto/pbx/plan"
	"sotto/pbx/sipline/auth"
	"sotto/pbx/sipline/txn"
	"sotto/pbx/sipline/ua"
	"sotto/pbx/sipline/wire"
)

// request takes a request that was let in.
func (s *Server) request(req *sip.Request, flow wire.Flow) {
	switch {
	case req.Method == sip.ACK:
		if _, fate, _ := s.txn.Request(s.now, req, flow); fate == txn.Ack2xx {
			if b := s.dialog(req); b != nil {
				b.leg.Request(s.now, req, 0)
				s.act(b)
			}
		}
	case req.Method == sip.CANCEL:
		s.cancel(req, flow)
	case hasTag(req.To()):
		s.inDialog(req, flow)
	case req.Method == sip.REGISTER:
		s.register(req, flow)
	case s.txn.Known(req, flow):
		s.txn.Request(s.now, req, flow)
	default:
		s.outOfDialog(req, flow)
	}
}

// cancel: RFC 3261 section 9.2.
func (s *Server) cancel(req *sip.Request, flow wire.Flow) {
	id, fate, invite := s.txn.Request(s.now, req, flow)
	if fate != txn.Cancel {
		return
	}
	s.respond(id, req, 200, "OK")
	if b := s.servers[invite]; b != nil {
		b.leg.Canceled(s.now, ua.Server(invite))
		s.act(b)
	}
}

// respond answers by a transaction.
func (s *Server) respond(id txn.Server, req *sip.Request, status int, reason string, headers ...sip.Header) {
	res := sip.NewResponseFromRequest(req, status, reason, nil)
	if to := res.To(); !hasTag(req.To()) {
		to.Params.Add("tag", s.tag(req)) // sipgo has put one there that is another each time
	}
	for _, h := range headers {
		res.AppendHeader(h)
	}
	s.txn.Respond(s.now, id, res)
}

// dialog gives the leg that a request belongs to, or nil.
func (s *Server) dialog(req *sip.Request) *branch {
	tag, _ := req.To().Params.Get("tag")
	if b := s.legs[tag]; b != nil && b.leg.Matches(req) {
		return b
	}
	return nil
}

// inDialog takes a request with a To tag. Whoever sends it from another address than the
// dialog's must show who it is: the tags alone can be overheard.
func (s *Server) inDialog(req *sip.Request, flow wire.Flow) {
	b := s.dialog(req)
	again := s.txn.Known(req, flow)
	switch {
	case again: // also of a leg that is over
		s.txn.Request(s.now, req, flow)
		return
	case b == nil && s.known.has(knownKey{flow.Proto, flow.Remote}), b == nil && s.trusted(flow) != "":
		if id, fate, _ := s.txn.Request(s.now, req, flow); fate == txn.Opened {
			s.respond(id, req, 481, "Call/Transaction Does Not Exist")
		}
		return
	case b == nil:
		if _, ok := s.user(req, flow); ok {
			s.reply(req, flow, "481 Call/Transaction Does Not Exist")
		}
		return
	}
	if flow.Remote.Addr() != b.flow.Remote.Addr() {
		user, ok := s.user(req, flow)
		if !ok {
			return
		}
		if user != b.call.user {
			s.reply(req, flow, "403 Forbidden")
			return
		}
	}
	id, fate, _ := s.txn.Request(s.now, req, flow)
	if fate != txn.Opened {
		return
	}
	b.moved(flow)
	s.servers[id] = b
	b.leg.Request(s.now, req, ua.Server(id))
	s.act(b)
}

// trusted gives the user that a source is taken for, or "".
func (s *Server) trusted(flow wire.Flow) plan.UserID {
	if s.cfg.Trusted == nil {
		return ""
	}
	user, ok := s.cfg.Trusted(flow.Remote)
	if !ok {
		return ""
	}
	return user
}

// user gives who sends a request. If it does not show who it is, that is answered, alike
// for all who exist and who do not.
func (s *Server) user(req *sip.Request, flow wire.Flow) (plan.UserID, bool) {
	user, v := s.admit(req, flow)
	switch v {
	case auth.Good:
		s.conns.befriend(flow.Conn)
		s.met.add(knownKey{flow.Proto, flow.Remote}, s.now, &s.known)
		return user, true
	case auth.Missing, auth.Wrong, auth.Banned: // who is banned is told nothing
		s.challenge(req, flow, s.now, false)
	case auth.Stale, auth.Replayed:
		s.challenge(req, flow, s.now, true)
	default:
		s.reply(req, flow, "400 Bad Request")
	}
	return "", false
}

// admit judges the credentials of a request. With Replayed the user is right, too.
func (s *Server) admit(req *sip.Request, flow wire.Flow) (plan.UserID, auth.Verdict) {
	if u := s.trusted(flow); u != "" {
		return u, auth.Good
	}
	n := s.numbers.Load()
	name, verdict, _ := s.gate.Admit(s.now, s.guard, req, flow.Remote, func(name string) (pbx.Secret, bool) {
		u := n.ByExt(plan.Ext(name))
		if u == nil || !u.SIP {
			return pbx.Secret{}, false
		}
		return s.cfg.Secrets.Secret(u.ID)
	})
	if verdict != auth.Good && verdict != auth.Replayed {
		return "", verdict
	}
	u := n.ByExt(plan.Ext(name))
	if u == nil {
		return "", auth.Wrong
	}
	return u.ID, verdict
}

// standard are the methods that exist and that are not for this box, out of a dialog.
var standard = map[sip.RequestMethod]bool{sip.BYE: true, sip.PRACK: true, sip.UPDATE: true, sip.INFO: true, sip.MESSAGE: true,
	sip.SUBSCRIBE: true, sip.NOTIFY: true, sip.REFER: true, sip.PUBLISH: true}

// outOfDialog takes a request that begins something.
func (s *Server) outOfDialog(req *sip.Request, flow wire.Flow) {
	var user plan.UserID
	known := s.known.has(knownKey{flow.Proto, flow.Remote})
	if req.Method != sip.OPTIONS || !known {
		var ok bool
		if user, ok = s.user(req, flow); !ok {
			return
		}
	}
	id, fate, _ := s.txn.Request(s.now, req, flow)
	if fate != txn.Opened {
		return
	}
	switch scheme := strings.ToLower(req.Recipient.Scheme); {
	case scheme != "sip" && scheme != "sips":
		s.respond(id, req, 416, "Unsupported URI Scheme")
		return
	case req.Method == sip.INVITE:
	case req.Method == sip.OPTIONS:
	case req.Method == sip.BYE, req.Method == sip.PRACK, req.Method == sip.UPDATE, req.Method == sip.INFO:
		s.respond(id, req, 481, "Call/Transaction Does Not Exist")
		return
	case standard[req.Method]:
		s.respond(id, req, 405, "Method Not Allowed", sip.NewHeader("Allow", ua.Allow))
		return
	default:
		s.respond(id, req, 501, "Not Implemented", sip.NewHeader("Allow", ua.Allow))
		return
	}
	if bad := ua.Unsupported(req); bad != "" {
		s.respond(id, req, 420, "Bad Extension", sip.NewHeader("Unsupported", bad))
		return
	}
	if req.Method == sip.OPTIONS {
		s.respond(id, req, 200, "OK", sip.NewHeader("Allow", ua.Allow), sip.NewHeader("Accept", "application/sdp"),
			sip.NewHeader("Supported", ua.Supported+", path, outbound"))
		return
	}
	s.invited(req, flow, id, user)
}

// dialled gives what the Request-URI of an INVITE says: its user part, unescaped once,
// without what a telephone number may carry behind a semicolon.
func dialled(uri *sip.Uri) string {
	u, ok := unescape(uri.User)
	if !ok {
		return "?" // nobody has that
	}
	u, _, _ = strings.Cut(u, ";")
	return u
}

// unescape takes the %HH out of a user part, once.
func unescape(s string) (string, bool) {
	if strings.IndexByte(s, '%') < 0 {
		return s, true
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b.WriteByte(s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", false
		}
		hi, lo := hex(s[i+1]), hex(s[i+2])
		if hi < 0 || lo < 0 {
			return "", false
		}
		b.WriteByte(byte(hi<<4 | lo))
		i += 2
	}
	return b.String(), true
}

func hex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// invited begins a leg for a user who calls.
func (s *Server) invited(req *sip.Request, flow wire.Flow, id txn.Server, user plan.UserID) {
	number := dialled(&req.Recipient)
	n := s.numbers.Load()
	urgent := n.Route(number).Kind == plan.ToEmergency
	if len(s.ports) >= s.cfg.MaxCalls && !urgent {
		s.respond(id, req, 503, "Service Unavailable", sip.NewHeader("Retry-After", "5"))
		return
	}
	c, err := s.newCall(user, flow)
	if err != nil {
		s.log.Warn("no sound for a call", "why", err)
		s.respond(id, req, 503, "Service Unavailable", sip.NewHeader("Retry-After", "5"))
		return
	}
	b := &branch{call: c, flow: flow}
	b.talk.init(c, b)
	s.servers[id] = b
	leg, ok := ua.NewServer(s.now, s.legConfig(b), req, ua.Server(id))
	b.leg = leg
	if !ok { // refused at once
		c.released, c.told = true, true
		s.act(b)
		return
	}
	c.branches = []*branch{b}
	c.winner = b
	s.adopt(b)
	c.offered = b.talk.lawsOf(req.Body())
	s.act(b)
	if !s.cfg.Post(pbx.Event{Phone: &pbx.PhoneEvent{Leg: c, Kind: pbx.PhoneCalls, User: user, Dialled: number, Urgent: urgent}}) {
		leg.Reject(s.now, 503, 5e9)
		c.released = true
		s.act(b)
	}
}

// moved notes that a telephone goes on from somewhere else.
func (b *branch) moved(flow wire.Flow) {
	if b.flow == flow {
		return
	}
	s := b.call.s
	s.known.add(knownKey{b.flow.Proto, b.flow.Remote}, -1)
	b.flow = flow
	s.known.add(knownKey{b.flow.Proto, b.flow.Remote}, 1)
}
