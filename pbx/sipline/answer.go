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
	return strconv.FormatUint(h.Sum64(), 36)
}

func hasTag(to *sip.ToHeader) bool {
	t, ok := to.Params.Get("tag")
	return ok && t != ""
}

// reply sends a response without a transaction.
func (s *Server) reply(req *sip.Request, flow wire.Flow, status string, lines ...string) {
	if req.Method == sip.ACK {
		return
	}
	s.send(replyFlow(req.Via(), flow), s.answer(req, status, lines...))
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

// challenge asks for credentials. It is called by readers, too.
func (s *Server) challenge(req *sip.Request, flow wire.Flow, now time.Time, stale bool) {
	sha, md5 := s.gate.Challenge(now, flow.Remote.Addr(), stale)
	s.reply(req, flow, "401 Unauthorized", "WWW-Authenticate: ", sha, "\r\n", "WWW-Authenticate: ", md5, "\r\n")
}
