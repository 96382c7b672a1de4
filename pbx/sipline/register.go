package sipline

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"

	"sotto/pbx"
	"sotto/pbx/plan"
	"sotto/pbx/sipline/auth"
	"sotto/pbx/sipline/registrar"
	"sotto/pbx/sipline/ua"
	"sotto/pbx/sipline/wire"
)

// register takes a REGISTER. It has no transaction: thousands of them would each be kept
// for half a minute. A repetition shows credentials that are used up, and gets the answer
// of the first time from the registrar.
func (s *Server) register(req *sip.Request, flow wire.Flow) {
	user, v := s.admit(req, flow)
	var r registrar.Result
	if v == auth.Replayed {
		again, ok := s.reg.Again(s.now, user, req)
		if !ok {
			s.challenge(req, flow, s.now, true, s.size)
			return
		}
		r = again
	} else {
		if v != auth.Good {
			s.deny(req, flow, v)
			return
		}
		s.conns.befriend(flow.Conn, user)
		if !s.mayRegister(req, flow, user) {
			return
		}
		r = s.reg.Register(s.now, user, req, flow)
	}
	// What the answer says is so before it goes: a telephone may call in the same moment,
	// and is no stranger then.
	if r.Save && s.cfg.Bindings != nil {
		s.cfg.Bindings.SaveBindings(user, slices.Clone(s.reg.Bindings(user)))
	}
	if r.Changed {
		s.know(user)
		s.notes.note("sip telephones of a user changed", "registered "+strconv.Itoa(len(s.reg.Bindings(user)))+" by "+flow.Proto.String())
	}
	lines := make([]string, 0, 2*len(r.Headers))
	for _, h := range r.Headers {
		lines = append(lines, h.String(), "\r\n")
	}
	s.reply(req, flow, strconv.Itoa(r.Status)+" "+r.Reason, lines...)
}

// mayRegister checks what the registrar leaves to its caller, and answers what is wrong.
func (s *Server) mayRegister(req *sip.Request, flow wire.Flow, user plan.UserID) bool {
	u := s.numbers.Load().User(user)
	name, ok := registrar.AddressOfRecord(req)
	bad := unsupportedHere(req)
	switch {
	case !ok:
		s.reply(req, flow, "400 Bad Request")
	case !sipURI(req):
		s.reply(req, flow, "416 Unsupported URI Scheme")
	case bad != "":
		s.reply(req, flow, "420 Bad Extension", "Unsupported: ", bad, "\r\n")
	case u == nil, s.cfg.Trusted == nil && plan.Ext(name) != u.Ext: // RFC 3261 section 10.3 step 4
		s.reply(req, flow, "403 Forbidden")
	default:
		return true
	}
	return false
}

// unsupportedHere gives what a REGISTER requires and the box does not have, as the value
// of an Unsupported header.
func unsupportedHere(req *sip.Request) string {
	var bad []string
	for o := range strings.SplitSeq(ua.Unsupported(req), ", ") {
		if o != "" && !strings.EqualFold(o, "path") && !strings.EqualFold(o, "outbound") {
			bad = append(bad, o)
		}
	}
	return strings.Join(bad, ", ")
}

// bindingsChanged saves the registrations of a user, and notes where it sends from.
func (s *Server) bindingsChanged(user plan.UserID) {
	if s.cfg.Bindings != nil {
		s.cfg.Bindings.SaveBindings(user, slices.Clone(s.reg.Bindings(user)))
	}
	s.know(user)
}

// know keeps the set of known sources, and the inventory, true.
func (s *Server) know(user plan.UserID) {
	list := s.reg.Bindings(user)
	var keys []knownKey
	for i := range list {
		if proto, ok := wire.ParseProto(list[i].Proto); ok {
			if a, err := netip.ParseAddrPort(list[i].Remote); err == nil {
				keys = append(keys, knownKey{proto, a})
			}
		}
	}
	for _, k := range keys { // before those that go: one that stays is never unknown
		s.known.add(k, 1)
	}
	for _, k := range s.sources[user] {
		s.known.add(k, -1)
	}
	if len(keys) == 0 {
		delete(s.sources, user)
	} else {
		s.sources[user] = keys
	}
}

// restore takes over the registrations of before the start.
func (s *Server) restore() {
	if s.cfg.Bindings == nil {
		return
	}
	n := s.numbers.Load()
	var list []pbx.Binding
	users := map[plan.UserID]bool{}
	for _, b := range s.cfg.Bindings.Bindings() {
		if u := n.User(b.User); u != nil && u.SIP {
			list = append(list, b)
			users[b.User] = true
			if a, err := netip.ParseAddrPort(b.Remote); err == nil { // it has proved itself there before the restart
				s.guard.Right(s.now, a, string(u.Ext))
			}
		}
	}
	s.reg.Restore(list, s.now)
	for u := range users {
		s.know(u)
	}
}
