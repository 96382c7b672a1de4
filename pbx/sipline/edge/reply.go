package edge

import (
	"hash/maphash"
	"strconv"
	"strings"

	"sotto/pbx/sipline/wire"
)

// reply makes the stateless answer to a request that is not accepted, of the headers that
// a response must repeat (RFC 3261 section 8.2.6.2) as far as they can be read, and of
// nothing else. It is nil for a response, for an ACK, for what is no SIP, without a Via to
// answer to, and if it would be longer than the request: nobody uses us to send more
// than he sends.
func (c *Checker) reply(data []byte, flow wire.Flow, why Reason, stream bool) []byte {
	m := &c.msg
	if m.ack || m.method == "" { // a response has no method
		return nil
	}
	for _, compact := range [...]bool{false, true} {
		if !c.appendReply(data, flow, why, stream, compact) {
			return nil
		}
		if len(c.out) <= len(data) {
			return c.out
		}
	}
	return nil
}

var (
	longForms    = [hIDs]string{hVia: "Via: ", hFrom: "From: ", hTo: "To: ", hCallID: "Call-ID: ", hCSeq: "CSeq: "}
	compactForms = [hIDs]string{hVia: "v:", hFrom: "f:", hTo: "t:", hCallID: "i:", hCSeq: "CSeq:"}
)

// appendReply writes the answer to c.out, and tells whether there is one.
func (c *Checker) appendReply(data []byte, flow wire.Flow, why Reason, stream, compact bool) bool {
	forms := &longForms
	if compact {
		forms = &compactForms
	}
	out := append(c.out[:0], why.status()...)
	var seen [hIDs]bool
	for i := range c.msg.headers {
		h := &c.msg.headers[i]
		id := h.known.id
		if forms[id] == "" || h.control || seen[id] && id != hVia {
			continue
		}
		s := h.unfold()
		switch {
		case id == hVia:
			if s = c.vias(s, !seen[hVia], flow); s == "" && !seen[hVia] {
				return false
			}
		case id == hTo && s != "":
			s = c.tagged(s, data)
		case id == hCSeq && strings.HasSuffix(strings.ToUpper(s), "ACK"):
			return false
		}
		if s == "" {
			continue
		}
		seen[id] = true
		out = append(out, forms[id]...)
		out = append(out, s...)
		out = append(out, "\r\n"...)
	}
	if !seen[hVia] {
		return false
	}
	switch {
	case !compact:
		out = append(out, "Content-Length: 0\r\n"...)
	case stream: // a datagram needs none
		out = append(out, "l:0\r\n"...)
	}
	c.out = append(out, "\r\n"...)
	return true
}

// vias gives what can be read of a Via header: whole values, and of the top one at least
// the sent-by; to that one it adds where the request came from.
func (c *Checker) vias(s string, top bool, flow wire.Flow) string {
	v, end, good := via(s, 0)
	if good == 0 || end < 0 && !top {
		return ""
	}
	first := s[:max(end, 0)]
	if top {
		Received(v, flow.Remote)
		first = v.Value()
	}
	if end < 0 {
		return first
	}
	from := end
	for end < len(s) {
		_, next, _ := via(s, end+1)
		if next < 0 {
			break
		}
		end = next
	}
	return first + s[from:end]
}

// tagged gives a To with a tag. It depends on the request alone, so that a repetition gets
// the same one.
func (c *Checker) tagged(s string, data []byte) string {
	if _, _, p, end := address(s, 0); end >= 0 && p.Has("tag") || end < 0 && strings.Contains(strings.ToLower(s), "tag") {
		return s
	}
	return s + ";tag=" + strconv.FormatUint(maphash.Bytes(c.seed, data), 36)
}

// AppendLog appends what may be logged of the message last judged to line: the verdict, the method if it
// is a known one, the length and a keyed hash to tell repetitions by. It has nothing of
// the content and is far under 512 bytes long.
func (c *Checker) AppendLog(line, data []byte, v Verdict) []byte {
	line = append(line, kindTexts[v.Kind]...)
	line = append(line, " reason=\""...)
	line = append(line, v.Why.String()...)
	line = append(line, "\" method="...)
	switch m := &c.msg; {
	case m.response:
		line = append(line, "response"...)
	case known(m.method):
		line = append(line, m.method...)
	default:
		line = append(line, "other"...)
	}
	line = append(line, " bytes="...)
	line = strconv.AppendInt(line, int64(len(data)), 10)
	line = append(line, " hash="...)
	return strconv.AppendUint(line, maphash.Bytes(c.seed, data)&0xffffffff, 16)
}

var kindTexts = [...]string{Drop: "drop", Accept: "accept", Reply: "reply", Pong: "pong"}
