package ua

import (
	"encoding/base32"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/emiago/sipgo/sip"
)

// What the box says of itself, wherever it is asked: every method of [Allow] is answered
// within a dialog.
const (
	Allow     = "INVITE, ACK, CANCEL, BYE, PRACK, UPDATE, INFO, OPTIONS"
	Supported = "100rel, timer"
	Accept    = "application/sdp, application/dtmf-relay, application/dtmf"
)

const maxForwards = 70 // RFC 3261 section 8.1.1.6

// dialog is one of RFC 3261 section 12.
type dialog struct {
	tag     string // of the telephone
	target  sip.Uri
	routes  []sip.Uri
	seq     uint32 // the highest CSeq of the telephone
	seqSeen bool
	updates bool // the telephone takes UPDATE

	// As caller, before the call is up:
	rseq     uint32 // of the last reliable provisional response, RFC 3262 section 4
	answer   []byte // last answer to the INVITE's offer that Media took
	answered bool   // it came reliably: what comes later is no answer
	over     bool   // the fork came too late and got its BYE
}

// dialogOf finds the dialog that a request names.
func (l *Leg) dialogOf(req *sip.Request) *dialog {
	id, from, to := req.CallID(), req.From(), req.To()
	if id == nil || from == nil || to == nil || string(*id) != l.callID || to.Params.GetOr("tag", "") != l.tag {
		return nil
	}
	return l.dialogWith(from.Params.GetOr("tag", ""))
}

func (l *Leg) dialogWith(tag string) *dialog {
	for _, d := range l.dialogs {
		if d.tag == tag {
			return d
		}
	}
	return nil
}

// aim refreshes the remote target from a Contact, if it has a usable one (RFC 3261
// sections 12.2.1.2 and 12.2.2).
func (d *dialog) aim(c *sip.ContactHeader) {
	if c != nil && usable(&c.Address) {
		d.target = bare(c.Address)
	}
}

// usable tells whether requests can be sent to a URI.
func usable(u *sip.Uri) bool {
	return !u.Wildcard && (u.Scheme == "sip" || u.Scheme == "sips" || u.Scheme == "") && u.Host != "" && len(u.String()) <= maxURI
}

// bare copies a URI, out of the message that it stood in and without headers: they are
// never made into headers of a request.
func bare(u sip.Uri) sip.Uri {
	c := *u.Clone()
	c.Headers = nil
	c.Scheme, c.User, c.Password, c.Host = strings.Clone(c.Scheme), strings.Clone(c.User), strings.Clone(c.Password), strings.Clone(c.Host)
	for i, p := range c.UriParams {
		c.UriParams[i] = sip.HeaderKV{K: strings.Clone(p.K), V: strings.Clone(p.V)}
	}
	return c
}

// recordedRoutes gives the Record-Route of a message, from the top. It is false if there
// are too many, or one to which nothing can be sent.
func recordedRoutes(m sip.Message) (routes []sip.Uri, ok bool) {
	for _, h := range m.GetHeaders("record-route") {
		r, is := h.(*sip.RecordRouteHeader)
		if !is || !usable(&r.Address) || len(routes) == maxRoutes {
			return nil, false
		}
		routes = append(routes, bare(r.Address))
	}
	return routes, true
}

// newRequest makes a request within d, or, with nil, the INVITE that is to make one:
// complete but for Via and body (RFC 3261 sections 8.1.1 and 12.2.1.1).
func (l *Leg) newRequest(d *dialog, method sip.RequestMethod, seq uint32) *sip.Request {
	tag, target, routes := "", l.target, l.routes
	if d != nil {
		tag, target, routes = d.tag, d.target, d.routes
	}
	if len(routes) > 0 && !routes[0].UriParams.Has("lr") { // a strict router, section 12.2.1.1
		strict := append(append([]sip.Uri{}, routes[1:]...), target)
		target, routes = bare(routes[0]), strict
	}
	req := sip.NewRequest(method, target)
	mf := sip.MaxForwardsHeader(maxForwards)
	req.AppendHeader(&mf)
	from := &sip.FromHeader{DisplayName: l.name, Address: l.local, Params: sip.HeaderParams{{K: "tag", V: l.tag}}}
	to := &sip.ToHeader{Address: l.remote}
	if tag != "" {
		to.Params = sip.HeaderParams{{K: "tag", V: tag}}
	}
	id := sip.CallIDHeader(l.callID)
	req.AppendHeader(from)
	req.AppendHeader(to)
	req.AppendHeader(&id)
	req.AppendHeader(&sip.CSeqHeader{SeqNo: seq, MethodName: method})
	for _, r := range routes {
		req.AppendHeader(&sip.RouteHeader{Address: r})
	}
	if method == sip.INVITE || method == sip.UPDATE {
		l.addContact(req)
		addHeader(req, "Allow", Allow)
	}
	return req
}

// start sends a request in a client transaction of its own.
func (l *Leg) start(now time.Time, d *dialog, req *sip.Request, body []byte) Client {
	setBody(req, body)
	l.clientN++
	l.clients = append(l.clients, client{n: l.clientN, method: req.Method, d: d, since: now})
	l.out = append(l.out, Action{Kind: Start, Client: l.clientN, Request: req})
	return l.clientN
}

// nextSeq is the CSeq of the next request. Forks share the numbers: gaps are no harm.
func (l *Leg) nextSeq() uint32 {
	l.seq++
	return l.seq
}

// ack acknowledges a 2xx to INVITE seq. It never carries a body: the box always offers in
// its INVITE.
func (l *Leg) ack(d *dialog, seq uint32) {
	req := l.newRequest(d, sip.ACK, seq)
	setBody(req, nil)
	l.out = append(l.out, Action{Kind: Ack, Request: req})
}

// newResponse answers req with the headers that every answer has (RFC 3261 section
// 8.2.6.2). Via is as it stands in the request: whoever received it has written received
// and rport there.
func (l *Leg) newResponse(req *sip.Request, status int) *sip.Response {
	res := sip.NewResponse(status, phrase(status))
	sip.CopyHeaders("Via", req, res)
	for _, name := range []string{"From", "To", "Call-ID", "CSeq"} {
		copyHeader(name, req, res)
	}
	if to := res.To(); to != nil && !to.Params.Has("tag") {
		to.Params.Add("tag", l.tag)
	}
	return res
}

// copyHeader copies what the parser has understood, whatever form its name had.
func copyHeader(name string, req *sip.Request, res *sip.Response) {
	var h sip.Header
	switch name {
	case "From":
		if v := req.From(); v != nil {
			h = v
		}
	case "To":
		if v := req.To(); v != nil {
			h = v
		}
	case "Call-ID":
		if v := req.CallID(); v != nil {
			h = v
		}
	case "CSeq":
		if v := req.CSeq(); v != nil {
			h = v
		}
	}
	if h != nil {
		res.AppendHeader(sip.HeaderClone(h))
	}
}

// respond sends an answer.
func (l *Leg) respond(tx Server, res *sip.Response, body []byte) {
	setBody(res, body)
	l.out = append(l.out, Action{Kind: Respond, Server: tx, Response: res})
}

// reply answers a request without a body; extra are names and values of headers.
func (l *Leg) reply(a arg, status int, extra ...string) {
	res := l.newResponse(a.req, status)
	for i := 0; i+1 < len(extra); i += 2 {
		addHeader(res, extra[i], extra[i+1])
	}
	l.respond(a.tx, res, nil)
}

// replyLater answers 500 with a Retry-After of 0 to 10 s (RFC 3261 section 14.2).
func (l *Leg) replyLater(a arg) {
	l.reply(a, 500, "Retry-After", strconv.Itoa(l.below(11)))
}

func (l *Leg) addContact(m sip.Message) {
	m.AppendHeader(&sip.ContactHeader{Address: l.cfg.Contact})
}

func addHeader(m sip.Message, name, value string) { m.AppendHeader(sip.NewHeader(name, value)) }

func setBody(m sip.Message, body []byte) {
	if len(body) > 0 {
		ct := sip.ContentTypeHeader("application/sdp")
		m.AppendHeader(&ct)
	}
	m.SetBody(body)
}

// description gives the SDP that a message carries, nil for none, or the status that
// refuses its body: 400 for one without a type, 415 for one that the box does not read
// (RFC 3261 section 8.2.3). A body that the sender calls optional is left aside.
func description(m sip.Message) (body []byte, status int) {
	body = m.Body()
	if len(body) == 0 {
		return nil, 0
	}
	kind, optional := contentType(m), strings.Contains(strings.ToLower(value(m, "content-disposition", "")), "handling=optional")
	coding := strings.ToLower(value(m, "content-encoding", "e"))
	switch {
	case kind == "application/sdp" && (coding == "" || coding == "identity"):
		return body, 0
	case optional:
		return nil, 0
	case kind == "":
		return nil, 400
	}
	return nil, 415
}

// contentType gives the media type of a body, in small letters and without parameters.
func contentType(m sip.Message) string {
	kind, _, _ := strings.Cut(value(m, "content-type", "c"), ";")
	return strings.ToLower(strings.TrimSpace(kind))
}

// value gives the first header of a name or of its short form.
func value(m sip.Message, name, short string) string {
	for _, n := range []string{name, short} {
		if n == "" {
			continue
		}
		if h := m.GetHeaders(n); len(h) > 0 {
			return strings.TrimSpace(h[0].Value())
		}
	}
	return ""
}

// has tells whether a list of tokens in a header names one of them.
func has(m sip.Message, name, short, token string) bool {
	found := false
	tokens(m, name, short, func(t string) { found = found || strings.EqualFold(t, token) })
	return found
}

// tokens walks the first of the tokens of all headers of a name.
func tokens(m sip.Message, name, short string, each func(string)) {
	n := 0
	for _, name := range []string{name, short} {
		if name == "" {
			continue
		}
		for _, h := range m.GetHeaders(name) {
			for t := range strings.SplitSeq(h.Value(), ",") {
				if t = strings.TrimSpace(t); t != "" {
					if n++; n > maxTokens {
						return
					}
					each(t)
				}
			}
		}
	}
}

// Unsupported lists the option tags that a request requires and the box does not know
// (RFC 3261 section 8.2.2.3), as the value of an Unsupported header for the answer 420;
// empty if there are none.
func Unsupported(req *sip.Request) string {
	var l []string
	tokens(req, "require", "", func(t string) {
		if !strings.EqualFold(t, "100rel") && !strings.EqualFold(t, "timer") && len(t) <= 64 {
			l = append(l, t)
		}
	})
	return strings.Join(l, ", ")
}

var letters = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// random gives n random bytes as letters and digits.
func (l *Leg) random(n int) string {
	b := make([]byte, n)
	l.cfg.Rand(b)
	return letters.EncodeToString(b)
}

// below gives a random number from 0 to n-1; n is small.
func (l *Leg) below(n int) int {
	var b [4]byte
	l.cfg.Rand(b[:])
	return int((uint64(b[0])<<24 | uint64(b[1])<<16 | uint64(b[2])<<8 | uint64(b[3])) * uint64(n) >> 32)
}

// plain makes a display name of a text: at most 64 characters, none that would end the
// quotes around it.
func plain(s string) string {
	n := 0
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if n++; n > 64 {
			return -1
		}
		switch {
		case r == '"':
			return '\''
		case r == '\\':
			return '/'
		case r == unicode.ReplacementChar || !unicode.IsPrint(r):
			return ' '
		}
		return r
	}, s))
}

// EscapeUser makes a text fit to be the user part of a URI (RFC 3261 section 25.1).
func EscapeUser(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := 0; i < len(s) && b.Len() < 128; i++ {
		c := s[i]
		if c < 0x80 && (c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte("-_.!~*'()&=+$,?/", c) >= 0) {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		}
	}
	return b.String()
}
