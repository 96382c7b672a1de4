package sipline

import (
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"sotto/pbx"
	"sotto/pbx/plan"
	"sotto/pbx/sipline/txn"
	"sotto/pbx/sipline/ua"
	"sotto/pbx/sipline/wire"
)

// acceptsSDP tells whether who calls can read a session description: it says so, or says
// nothing (RFC 3261 section 20.1).
func acceptsSDP(req *sip.Request) bool {
	list := req.GetHeaders("Accept")
	for _, h := range list {
		for kind := range strings.SplitSeq(h.Value(), ",") {
			kind, _, _ = strings.Cut(kind, ";")
			switch strings.ToLower(strings.TrimSpace(kind)) {
			case "application/sdp", "application/*", "*/*":
				return true
			}
		}
	}
	return len(list) == 0
}

// dialled gives what the Request-URI of an INVITE says: its user part, unescaped once,
// without what a telephone number may carry behind a semicolon; the same of a tel URI (RFC
// 3966); and of the service URN for emergencies (RFC 5031) the country's first number. It
// is empty for what names nobody here.
func dialled(uri *sip.Uri, n *plan.Numbering) string {
	text := uri.User
	switch scheme := strings.ToLower(uri.Scheme); {
	case scheme == "tel":
		text = uri.Raw()
	case scheme == "urn":
		if raw := strings.ToLower(uri.Raw()); (raw == "service:sos" || strings.HasPrefix(raw, "service:sos.")) && len(n.Country.Emergency) > 0 {
			return n.Country.Emergency[0]
		}
		return ""
	case scheme != "sip" && scheme != "sips" && scheme != "":
		return ""
	}
	u, ok := unescape(text)
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

// What one user may have of what is everybody's. Emergency calls are not counted.
const (
	userCalls  = 24  // legs with sound at a time
	userBurst  = 100 // INVITEs at once, and then one each userEvery
	userEvery  = 50 * time.Millisecond
	maxInvited = 4096 // users who are remembered
)

// forHelp tells whether an INVITE calls an emergency number.
func (s *Server) forHelp(req *sip.Request) bool {
	n := s.numbers.Load()
	return n.Emergency(dialled(&req.Recipient, n))
}

// mayInvite tells whether a user may begin another call.
func (s *Server) mayInvite(req *sip.Request, user plan.UserID) bool {
	if s.cfg.Unlimited || s.forHelp(req) {
		return true
	}
	calls := 0
	for _, c := range s.ports {
		if c.user == user {
			calls++
		}
	}
	full := s.invites[user] // when the user's allowance is whole again
	if full.Before(s.now) {
		full = s.now
	}
	if calls >= userCalls || full.Sub(s.now) > (userBurst-1)*userEvery {
		s.count.greedy.Add(1)
		return false
	}
	if len(s.invites) >= maxInvited {
		clear(s.invites)
	}
	s.invites[user] = full.Add(userEvery)
	return true
}

// invited begins a leg for a user who calls.
func (s *Server) invited(req *sip.Request, flow wire.Flow, id txn.Server, user plan.UserID) {
	n := s.numbers.Load()
	number := dialled(&req.Recipient, n)
	urgent := n.Emergency(number)
	if len(s.ports) >= s.cfg.MaxCalls && !urgent {
		s.respond(id, req, 503, "Service Unavailable", sip.NewHeader("Retry-After", "5"))
		return
	}
	c, err := s.newCall(user, flow)
	if err != nil {
		s.notes.note("no sound for a call", err.Error())
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
		s.finish(c)
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
