package txn

import (
	"strconv"

	"github.com/emiago/sipgo/sip"
)

// buffer gathers a message before it is cut to size.
type buffer []byte

// WriteString implements [io.StringWriter].
func (b *buffer) WriteString(s string) (int, error) {
	*b = append(*b, s...)
	return len(s), nil
}

// done gives what was gathered and begins anew.
func (b *buffer) done() []byte {
	data := append(make([]byte, 0, len(*b)), *b...)
	*b = (*b)[:0]
	return data
}

// encode gives the bytes of a message. One without Content-Length gets it: a stream
// cannot do without (RFC 3261 section 18.3).
func (l *Layer) encode(m sip.Message) []byte {
	if m.ContentLength() == nil {
		m.SetBody(m.Body())
	}
	m.StringWrite(&l.buf)
	return l.buf.done()
}

const (
	crlf = "\r\n"
	none = "Content-Length: 0\r\n\r\n"
)

// line writes a header as it is.
func (b *buffer) line(h sip.Header) {
	h.StringWrite(b)
	b.WriteString(crlf)
}

// all writes the headers of a message that have the type of one.
func all[H sip.Header](b *buffer, from []sip.Header) {
	for _, h := range from {
		if h, ok := h.(H); ok {
			b.line(h)
		}
	}
}

// answer gives the bytes of a response that the layer itself makes (RFC 3261 section
// 8.2.6). A To without tag gets tag, if there is one; extra are whole header lines.
func (l *Layer) answer(req *sip.Request, status, tag, extra string) []byte {
	b := &l.buf
	b.WriteString("SIP/2.0 ")
	b.WriteString(status)
	b.WriteString(crlf)
	all[*sip.ViaHeader](b, req.Headers())
	b.line(req.From())
	to := req.To()
	to.StringWrite(b)
	if _, has := param(to.Params, "tag"); !has && tag != "" {
		b.WriteString(";tag=")
		b.WriteString(tag)
	}
	b.WriteString(crlf)
	b.line(req.CallID())
	b.line(req.CSeq())
	b.WriteString(extra)
	b.WriteString(none)
	return b.done()
}

// trying gives the bytes of a 100 (RFC 3261 section 8.2.6.1: with the Timestamp).
func (l *Layer) trying(req *sip.Request) []byte {
	var extra string
	if h := req.GetHeader("timestamp"); h != nil {
		extra = "Timestamp: " + h.Value() + crlf
	}
	return l.answer(req, "100 Trying", "", extra)
}

// follow gives the bytes of the ACK or CANCEL to an INVITE that was sent: same URI, top
// Via, Route, From, Call-ID and number (RFC 3261 sections 9.1 and 17.1.1.3). to is the
// request's for CANCEL, the response's for ACK.
func (l *Layer) follow(req *sip.Request, method sip.RequestMethod, to *sip.ToHeader, extra string) []byte {
	b := &l.buf
	b.WriteString(string(method))
	b.WriteString(" ")
	req.Recipient.StringWrite(b)
	b.WriteString(" SIP/2.0\r\n")
	b.line(req.Via())
	all[*sip.RouteHeader](b, req.Headers())
	b.WriteString("Max-Forwards: 70\r\n")
	b.line(req.From())
	b.line(to)
	b.line(req.CallID())
	b.WriteString("CSeq: ")
	b.WriteString(strconv.FormatUint(uint64(req.CSeq().SeqNo), 10))
	b.WriteString(" ")
	b.WriteString(string(method))
	b.WriteString(crlf)
	b.WriteString(extra)
	b.WriteString(none)
	return b.done()
}
