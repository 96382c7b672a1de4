package sipline

import (
	"hash/maphash"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"sotto/pbx/sipline/wire"
)

// Requests are answered without a transaction where an answer made twice does no harm:
// challenges, refusals of strangers, REGISTER.

// answer gives the bytes of a response with these header lines ("Name: value\r\n").
// The To tag of a request that has none is the same each time (RFC 3261 section 8.2.7).
func (s *Server) answer(req *sip.Request, status string, lines ...string) []byte {
	var b strings.Builder
	b.Grow(768)
	b.WriteString("SIP/2.0 ")
	b.WriteString(status)
	b.WriteString("\r\n")
	for _, h := range req.Headers() {
		if v, ok := h.(*sip.ViaHeader); ok {
			v.StringWrite(&b)
			b.WriteString("\r\n")
		}
	}
	req.From().StringWrite(&b)
	b.WriteString("\r\n")
	to := req.To()
	to.StringWrite(&b)
	if !hasTag(to) {
		b.WriteString(";tag=")
		b.WriteString(s.tag(req))
	}
	b.WriteString("\r\n")
	req.CallID().StringWrite(&b)
	b.WriteString("\r\n")
	req.CSeq().StringWrite(&b)
	b.WriteString("\r\n")
	for _, l := range lines {
		b.WriteString(l)
	}
	b.WriteString("Content-Length: 0\r\n\r\n")
	return []byte(b.String())
}

// tag makes a To tag from what is the same in each repetition of a request.
func (s *Server) tag(req *sip.Request) string {
	var h maphash.Hash
	h.SetSeed(s.seed)
	h.WriteString(string(*req.CallID()))
	h.WriteByte(0)
	v, _ := req.Via().Params.Get("branch")
	h.WriteString(v)
	h.WriteByte(0)
	t, _ := req.From().Params.Get("tag")
	h.WriteString(t)
	tag := strconv.FormatUint(h.Sum64(), 36)
	return strings.Repeat("0", max(0, 13-len(tag))) + tag // always as long
}

func hasTag(to *sip.ToHeader) bool {
	t, ok := to.Params.Get("tag")
	return ok && t != ""
}

// reply sends a response to the request being looked at without a transaction. Like a
// challenge it is bounded by what came.
func (s *Server) reply(req *sip.Request, flow wire.Flow, status string, lines ...string) {
	if req.Method == sip.ACK {
		return
	}
	answer := s.answer(req, status, lines...)
	if most := s.size + s.size/2; flow.Proto == wire.UDP && len(answer) > most {
		if answer = shortForms(answer); len(answer) > most {
			s.count.unanswered.Add(1)
			return
		}
	}
	s.send(replyFlow(req.Via(), flow), answer)
}

// replyFlow gives where a response goes: back by its connection; over UDP to the source,
// at the port that it sent from if the Via has rport, else at that of its sent-by (RFC 3261
// section 18.2.2, RFC 3581 section 4). Nothing else in a Via is gone by.
func replyFlow(via *sip.ViaHeader, flow wire.Flow) wire.Flow {
	if flow.Proto == wire.UDP && !via.Params.Has("rport") {
		port := via.Port
		if port <= 0 || port > 65535 {
			port = 5060
		}
		flow.Remote = netip.AddrPortFrom(flow.Remote.Addr(), uint16(port))
	}
	return flow
}

// challenge asks for credentials. It is called by readers, too. size is the length of the
// request: over UDP its source may be forged, and nobody is to be sent more than half as
// much again as was sent in his name. Who writes so briefly that the answer does not fit
// is asked by MD5 alone, which every telephone knows, then in the short forms of headers
// too, and else not at all. A telephone that knows nothing but MD5 is so asked as well: see
// older.
func (s *Server) challenge(req *sip.Request, flow wire.Flow, now time.Time, stale bool, size int) {
	if req.Method == sip.ACK {
		return
	}
	const status, name, end = "401 Unauthorized", "WWW-Authenticate: ", "\r\n"
	sha, md5 := s.gate.Challenge(now, flow.Remote.Addr(), stale)
	var answer []byte
	most := size + size/2
	fits := func() bool { return flow.Proto != wire.UDP || len(answer) <= most }
	if !s.older.alone(now, s.seed, req, flow.Remote.Addr()) {
		answer = s.answer(req, status, name, sha, end, name, md5, end)
	}
	if answer == nil || !fits() {
		answer = s.answer(req, status, name, md5, end)
		if !fits() {
			answer = shortForms(answer)
		}
		if !fits() {
			s.count.unanswered.Add(1)
			return
		}
	}
	s.send(replyFlow(req.Via(), flow), answer)
}

var shortForm = strings.NewReplacer("\r\nVia: ", "\r\nv: ", "\r\nFrom: ", "\r\nf: ", "\r\nTo: ", "\r\nt: ", "\r\nCall-ID: ", "\r\ni: ", "\r\nContent-Length: 0", "")

// shortForms writes the headers of an answer that is a datagram in their short forms (RFC
// 3261 section 7.3.3), and leaves out what a datagram need not have.
func shortForms(answer []byte) []byte { return []byte(shortForm.Replace(string(answer))) }
