package edge

import (
	"strings"

	"github.com/emiago/sipgo/sip"
)

// magicCookie begins the branch of a Via of RFC 3261 (section 8.1.1.7).
const magicCookie = "z9hG4bK"

// maxSeq is the largest number of a CSeq (RFC 3261 section 8.1.1.5: less than 2^31).
const maxSeq = 1<<31 - 1

// appender is what requests and responses have in common here.
type appender interface {
	AppendHeader(sip.Header)
	SetBody([]byte)
}

// build makes the message of what read has found, into req or res.
func (m *message) build() Reason {
	var to appender
	if m.response {
		line := string(m.start)
		code, _ := number(line[8:11], 699)
		m.res = sip.NewResponse(int(code), strings.TrimSpace(line[11:]))
		to = m.res
	} else {
		line := string(m.start)
		u, ok := uri(line[len(m.method)+1 : strings.LastIndexByte(line, ' ')])
		if !ok || u.Headers != nil { // headers in a request URI: RFC 4475 section 3.1.2.11
			return BadStart
		}
		m.req = sip.NewRequest(sip.RequestMethod(m.method), u)
		to = m.req
	}
	var count [hIDs]int
	for i := range m.headers {
		h := &m.headers[i]
		if why := m.add(to, h, h.unfold(), &count); why != OK {
			return why
		}
	}
	if count[hContact] > 1 && m.starContact() {
		return BadAddress
	}
	if m.response && count[hVia] > 1 {
		return ManyVias // RFC 3261 section 8.1.3.3
	}
	if len(m.body) > 0 {
		to.SetBody(append([]byte(nil), m.body...))
	}
	return OK
}

// starContact tells whether one of the contacts is "*".
func (m *message) starContact() bool {
	for i := range m.headers {
		if h := &m.headers[i]; h.known.id == hContact && string(h.text) == "*" {
			return true
		}
	}
	return false
}

// add reads one header and appends it, a list one by one.
func (m *message) add(to appender, h *header, s string, count *[hIDs]int) Reason {
	id := h.known.id
	if h.control && id != hFrom && id != hTo && id != hContact {
		return BadLine
	}
	switch id {
	case hVia:
		return m.addVias(to, s, count)
	case hFrom, hTo, hReferTo, hReferredBy:
		return m.addParty(to, id, s)
	case hContact, hRoute, hRecordRoute:
		return m.addAddresses(to, id, s, count)
	case hCallID:
		if !all(s, isVisible) {
			return BadCallID
		}
		v := sip.CallIDHeader(s)
		to.AppendHeader(&v)
	case hCSeq:
		return m.addCSeq(to, s)
	case hMaxForwards:
		n, ok := number(s, 255)
		if !ok || n > 255 {
			return BadHops
		}
		v := sip.MaxForwardsHeader(n)
		to.AppendHeader(&v)
	case hContentLength:
		v := sip.ContentLengthHeader(len(m.body))
		to.AppendHeader(&v)
	case hContentType:
		v := sip.ContentTypeHeader(s)
		to.AppendHeader(&v)
	case hExpires:
		to.AppendHeader(sip.NewHeader(h.known.name, delta(s)))
	default:
		name := h.known.name
		if name == "" {
			name = string(h.name)
		}
		to.AppendHeader(sip.NewHeader(name, s))
	}
	return OK
}

// addVias reads a list of Via values. The top one must be of a SIP that we speak, and name
// more than the magic cookie as its branch (RFC 4475 section 3.2.1: two requests with
// that branch would be taken for one).
func (m *message) addVias(to appender, s string, count *[hIDs]int) Reason {
	for i := 0; ; i++ {
		v, end, _ := via(s, i)
		if end < 0 {
			return BadVia
		}
		if count[hVia]++; count[hVia] > MaxVias {
			return TooMany
		}
		branch, _ := v.Params.Get("branch")
		if count[hVia] == 1 && (!strings.EqualFold(v.ProtocolName, "SIP") || v.ProtocolVersion != "2.0" || strings.EqualFold(branch, magicCookie)) {
			return BadVia
		}
		to.AppendHeader(v)
		if i = end; i == len(s) {
			return OK
		}
	}
}

// addParty reads a header that has one address.
func (m *message) addParty(to appender, id headerID, s string) Reason {
	display, u, p, end := address(s, 0)
	if end != len(s) {
		return BadAddress
	}
	switch id {
	case hFrom:
		to.AppendHeader(&sip.FromHeader{DisplayName: display, Address: u, Params: p})
	case hTo:
		if m.method == "REGISTER" && u.Scheme != "sip" && u.Scheme != "sips" {
			return BadAddress // RFC 4475 section 3.3.4
		}
		to.AppendHeader(&sip.ToHeader{DisplayName: display, Address: u, Params: p})
	case hReferTo:
		to.AppendHeader(&sip.ReferToHeader{Address: u})
	case hReferredBy:
		to.AppendHeader(&sip.ReferredByHeader{DisplayName: display, Address: u, Params: p})
	}
	return OK
}

// addAddresses reads a list of addresses.
func (m *message) addAddresses(to appender, id headerID, s string, count *[hIDs]int) Reason {
	if id == hContact && s == "*" {
		if count[hContact]++; m.method != "REGISTER" {
			return BadAddress
		}
		to.AppendHeader(&sip.ContactHeader{Address: sip.Uri{Host: "*", Wildcard: true}})
		return OK
	}
	most := MaxRoutes
	if id == hContact {
		most = MaxContacts
	}
	for i := 0; ; i++ {
		display, u, p, end := address(s, i)
		if end < 0 {
			return BadAddress
		}
		if count[id]++; count[id] > most {
			return TooMany
		}
		switch id {
		case hContact:
			for n := range p {
				if p[n].K == "expires" {
					p[n].V = delta(p[n].V)
				}
			}
			to.AppendHeader(&sip.ContactHeader{DisplayName: display, Address: u, Params: p})
		case hRoute:
			to.AppendHeader(&sip.RouteHeader{Address: u})
		case hRecordRoute:
			to.AppendHeader(&sip.RecordRouteHeader{Address: u})
		}
		if i = end; i == len(s) {
			return OK
		}
	}
}

// addCSeq reads a CSeq. A method other than the request's is an error of its own if the
// request's is none that we know (RFC 4475 section 3.1.2.18).
func (m *message) addCSeq(to appender, s string) Reason {
	i := span(s, 0, isDigit)
	n, ok := number(s[:i], maxSeq)
	from := lws(s, i)
	method := s[from:]
	switch {
	case !ok || n > maxSeq || from == i || !all(method, isToken):
		return BadCSeq
	case !m.response && method != m.method && !known(m.method):
		return BadMismatch
	case !m.response && method != m.method:
		return BadCSeq
	}
	to.AppendHeader(&sip.CSeqHeader{SeqNo: uint32(n), MethodName: sip.RequestMethod(method)})
	return OK
}
