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
			// It cannot be challenged, so it counts only from where its dialog is.
			if b := s.dialog(req); b != nil && flow.Remote.Addr() == b.flow.Remote.Addr() {
				b.leg.Request(s.now, req, 0)
				s.act(b)
			} else {
				s.count.strayAcks.Add(1)
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
	b := s.servers[invite]
	if b == nil {
		s.respond(id, req, 200, "OK")
		return
	}
	res := sip.NewResponseFromRequest(req, 200, "OK", nil)
	res.To().Params.Add("tag", b.leg.LocalTag()) // as in the answer to the INVITE
	s.txn.Respond(s.now, id, res)
	b.leg.Canceled(s.now, ua.Server(invite))
	s.act(b)
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

// maxOpen bounds the requests within one leg whose transactions are kept: for each key that
// is pressed in half a minute one, and some.
const maxOpen = 128

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
		// Without a transaction: the address of a telephone can be forged, and a 481 that
		// is repeated until its ACK comes would be sent to it tenfold.
		s.reply(req, flow, "481 Call/Transaction Does Not Exist")
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
	if b.open >= maxOpen { // no telephone needs so many; the room is everybody's
		s.reply(req, flow, "503 Service Unavailable", "Retry-After: 5\r\n")
		return
	}
	id, fate, _ := s.txn.Request(s.now, req, flow)
	if fate != txn.Opened {
		return
	}
	b.moved(flow)
	b.open++
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
	if v != auth.Good {
		s.deny(req, flow, v)
		return "", false
	}
	s.conns.befriend(flow.Conn, user)
	s.met.add(knownKey{flow.Proto, flow.Remote}, s.now, &s.known)
	return user, true
}

// deny answers a request that does not show who sends it.
func (s *Server) deny(req *sip.Request, flow wire.Flow, v auth.Verdict) {
	switch v {
	case auth.Wrong, auth.Banned:
		s.notes.note("sip login refused", v.String()+" by "+flow.Proto.String())
		fallthrough // who is banned is told nothing
	case auth.Missing:
		s.challenge(req, flow, s.now, false, s.size)
	case auth.Stale, auth.Replayed:
		s.challenge(req, flow, s.now, true, s.size)
	default:
		s.reply(req, flow, "400 Bad Request")
	}
}

// admit judges the credentials of a request. With Replayed the user is right, too.
func (s *Server) admit(req *sip.Request, flow wire.Flow) (plan.UserID, auth.Verdict) {
	if u := s.trusted(flow); u != "" && req.GetHeader("Authorization") == nil {
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
	s.older.answered(s.seed, req, flow.Remote.Addr(), verdict == auth.Good)
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
	if req.Method == sip.INVITE && !s.mayInvite(req, user) {
		s.reply(req, flow, "503 Service Unavailable", "Retry-After: 5\r\n")
		return
	}
	id, fate, _ := s.txn.Request(s.now, req, flow)
	if fate != txn.Opened {
		return
	}
	// The order is that of RFC 3261 section 8.2; the body is looked at by the leg.
	switch {
	case req.Method == sip.INVITE, req.Method == sip.OPTIONS:
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
	if !sipURI(req) && (req.Method != sip.INVITE || dialled(&req.Recipient, s.numbers.Load()) == "") {
		s.respond(id, req, 416, "Unsupported URI Scheme")
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
	if !acceptsSDP(req) {
		s.respond(id, req, 406, "Not Acceptable", sip.NewHeader("Accept", ua.Accept))
		return
	}
	s.invited(req, flow, id, user)
}

func sipURI(req *sip.Request) bool {
	return strings.EqualFold(req.Recipient.Scheme, "sip") || strings.EqualFold(req.Recipient.Scheme, "sips")
}
