package registrar

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
)

// What of a REGISTER is read; more is refused.
const (
	maxRequest  = 16  // contacts in one request
	maxURI      = 512 // bytes of a contact's URI
	maxParams   = 16  // parameters of a contact
	maxInstance = 128 // bytes of +sip.instance
	maxCallID   = 256
	maxAgent    = 96 // bytes of a User-Agent; a longer one is cut
	maxPath     = 4  // values of Path
	maxPathLen  = 512
)

// contact is one value of a Contact header.
type contact struct {
	uri      *sip.Uri // of the request
	text     string   // of it
	expires  time.Duration
	q        uint16 // 0 to 1000
	instance string // without quotes
	regID    int    // 0: not by RFC 5626
}

// request is what a REGISTER asks for.
type request struct {
	contacts [maxRequest]contact
	n        int
	star     bool
	callID   string
	cseq     uint32
	agent    string
	path     []string
	outbound bool // the telephone knows RFC 5626
}

// bad is why a request is refused, as a reason phrase; empty if it is not.
type bad string

// read takes a REGISTER apart. header is the time asked for where a contact says
// nothing.
func (r *Registrar) read(req *sip.Request, in *request) bad {
	*in = request{}
	if _, ok := AddressOfRecord(req); !ok {
		return "Bad To"
	}
	id, cseq := req.CallID(), req.CSeq()
	if id == nil || len(*id) == 0 || len(*id) > maxCallID || cseq == nil {
		return "Bad Call-ID or CSeq"
	}
	in.callID, in.cseq = string(*id), cseq.SeqNo
	header, seen := r.cfg.DefaultExpires, false
	for _, h := range req.Headers() {
		name := h.Name()
		switch {
		case strings.EqualFold(name, "Expires"):
			if seen {
				return "Two Expires"
			}
			header, seen = r.seconds(h.Value()), true
		case strings.EqualFold(name, "User-Agent"):
			in.agent = h.Value()
		case strings.EqualFold(name, "Path"):
			v := h.Value()
			if len(in.path) == maxPath || len(v) > maxPathLen || !printable(v) {
				return "Bad Path"
			}
			in.path = append(in.path, v)
		case strings.EqualFold(name, "Supported"), strings.EqualFold(name, "k"):
			in.outbound = in.outbound || lists(h.Value(), "outbound")
		}
	}
	for _, h := range req.Headers() {
		c, ok := h.(*sip.ContactHeader)
		switch {
		case !ok:
			if strings.EqualFold(h.Name(), "Contact") || strings.EqualFold(h.Name(), "m") {
				return "Bad Contact"
			}
			continue
		case in.n == maxRequest:
			return "Too Many Contacts"
		case c.Address.Wildcard && c.Address.Scheme == "":
			if in.star || len(c.Params) > 0 {
				return "Bad Contact"
			}
			in.star = true
			continue
		}
		if why := r.contact(c, header, &in.contacts[in.n]); why != "" {
			return why
		}
		in.n++
	}
	// Section 10.3 step 6: "*" stands alone, and removes. Without Expires, header is not 0.
	if in.star && (in.n > 0 || header != 0) {
		return "Bad Contact"
	}
	return ""
}

// contact reads one value.
func (r *Registrar) contact(c *sip.ContactHeader, expires time.Duration, to *contact) bad {
	u := &c.Address
	r.text.Reset()
	u.StringWrite(&r.text)
	if len(c.Params) > maxParams || r.text.Len() > maxURI || !sane(u) {
		return "Bad Contact"
	}
	*to = contact{uri: u, text: r.text.String(), expires: expires, q: 1000}
	if !tidy(to.text) {
		return "Bad Contact"
	}
	var seen uint8
	for _, p := range c.Params {
		var bit uint8
		k, v := strings.TrimSpace(p.K), strings.TrimSpace(p.V)
		ok := true
		switch {
		case strings.EqualFold(k, "expires"):
			to.expires, bit = r.seconds(v), 1
		case strings.EqualFold(k, "q"):
			to.q, ok = qvalue(v)
			bit = 2
		case strings.EqualFold(k, "+sip.instance"):
			to.instance, ok = instance(v)
			bit = 4
		case strings.EqualFold(k, "reg-id"):
			n, err := strconv.ParseUint(v, 10, 31) // 1 to 2^31-1: RFC 5626 section 6
			to.regID, ok = int(n), err == nil && n > 0
			bit = 8
		}
		if !ok || seen&bit != 0 {
			return "Bad Contact"
		}
		seen |= bit
	}
	if to.instance == "" {
		to.regID = 0 // means nothing alone: RFC 5626 section 6
	}
	return ""
}

// seconds reads a time asked for. What is malformed counts as the default, what is too
// much for 32 bits as very much (RFC 3261 sections 10.2.1.1 and 20.19).
func (r *Registrar) seconds(s string) time.Duration {
	s = strings.TrimSpace(s)
	if s == "" {
		return r.cfg.DefaultExpires
	}
	n := uint64(0)
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return r.cfg.DefaultExpires
		}
		n = min(10*n+uint64(s[i]-'0'), 1<<32-1)
	}
	return time.Duration(n) * time.Second
}

// qvalue reads "0.7" as 700 (RFC 3261 section 25.1).
func qvalue(s string) (uint16, bool) {
	whole, part, _ := strings.Cut(s, ".")
	if whole != "0" && whole != "1" || len(part) > 3 {
		return 0, false
	}
	n := uint16(whole[0]-'0') * 1000
	for i, unit := 0, uint16(100); i < len(part); i, unit = i+1, unit/10 {
		if part[i] < '0' || part[i] > '9' {
			return 0, false
		}
		n += uint16(part[i]-'0') * unit
	}
	return n, n <= 1000
}

// instance reads "<urn:uuid:...>" with its quotes (RFC 5626 section 4.1).
func instance(s string) (string, bool) {
	if len(s) < 5 || len(s) > maxInstance || s[0] != '"' || s[1] != '<' || s[len(s)-2] != '>' || s[len(s)-1] != '"' {
		return "", false
	}
	s = s[1 : len(s)-1]
	return s, tidy(s[1 : len(s)-1])
}

// lists tells whether an option tag is in a list.
func lists(list, tag string) bool {
	for list != "" {
		var item string
		item, list, _ = strings.Cut(list, ",")
		if strings.EqualFold(strings.TrimSpace(item), tag) {
			return true
		}
	}
	return false
}

func printable(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return s != ""
}

// agentText makes a User-Agent fit to be kept: ASCII, and not long.
func agentText(s string) string {
	s = s[:min(len(s), maxAgent)]
	if printable(s) {
		return strings.Clone(s)
	}
	b := []byte(s)
	for i, c := range b {
		if c < ' ' || c >= 0x7f {
			b[i] = '?'
		}
	}
	return string(b)
}

// reach gives the port at which a contact that names the source's own address is to be
// reached; 0 if it names another.
func reach(u *sip.Uri, src netip.Addr) uint16 {
	a, ok := hostAddr(u.Host)
	switch {
	case !ok || a.Unmap() != src:
		return 0
	case u.Port != 0:
		return uint16(u.Port)
	case u.Scheme == "sips":
		return 5061
	}
	return 5060
}
