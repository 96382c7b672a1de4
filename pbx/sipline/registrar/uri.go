package registrar

import (
	"net/netip"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// Equal tells whether two SIP or SIPS URIs are the same by the rules of RFC 3261 section
// 19.1.4. It is not transitive: a parameter that only one of them has is often passed
// over. URIs of other schemes are equal to nothing.
func Equal(a, b *sip.Uri) bool {
	return a.Scheme == b.Scheme && (a.Scheme == "sip" || a.Scheme == "sips") && !a.Wildcard && !b.Wildcard &&
		a.Port == b.Port &&
		same(a.User, b.User, false) && same(a.Password, b.Password, false) &&
		sameHost(a.Host, b.Host) &&
		params(a.UriParams, b.UriParams) && params(b.UriParams, a.UriParams) &&
		len(a.Headers) == len(b.Headers) && headers(a.Headers, b.Headers) && headers(b.Headers, a.Headers)
}

// params tells whether nothing in a speaks against b.
func params(a, b sip.HeaderParams) bool {
next:
	for _, p := range a {
		for _, q := range b {
			if same(p.K, q.K, true) {
				if !same(p.V, q.V, true) {
					return false
				}
				continue next
			}
		}
		// Section 19.1.4 lets these speak by their absence; transport is among its examples.
		switch strings.ToLower(p.K) {
		case "user", "ttl", "method", "maddr", "transport":
			return false
		}
	}
	return true
}

// headers tells whether all headers of a are in b.
func headers(a, b sip.HeaderParams) bool {
next:
	for _, p := range a {
		for _, q := range b {
			if same(p.K, q.K, true) && same(p.V, q.V, false) {
				continue next
			}
		}
		return false
	}
	return true
}

func sameHost(a, b string) bool {
	if strings.EqualFold(a, b) {
		return true
	}
	x, ok := hostAddr(a)
	if !ok || !x.Is6() {
		return false
	}
	y, ok := hostAddr(b)
	return ok && x == y // one IPv6 address has many spellings (RFC 5954)
}

// hostAddr reads a host that is an address, IPv6 in brackets.
func hostAddr(host string) (netip.Addr, bool) {
	if len(host) > 2 && host[0] == '[' && host[len(host)-1] == ']' {
		host = host[1 : len(host)-1]
	} else if strings.IndexByte(host, ':') >= 0 {
		return netip.Addr{}, false
	}
	a, err := netip.ParseAddr(host)
	return a, err == nil
}

// same compares text in which %HH may stand for a character. An escaped character of the
// reserved set is another than the bare one (RFC 3261 section 19.1.4).
func same(a, b string, fold bool) bool {
	if a == b {
		return true
	}
	for a != "" && b != "" {
		var x, y uint16
		x, a = char(a)
		y, b = char(b)
		if fold && x < 0x80 && y < 0x80 {
			x, y = lower(x), lower(y)
		}
		if x != y {
			return false
		}
	}
	return a == "" && b == ""
}

func lower(c uint16) uint16 {
	if c >= 'A' && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

// char takes one character; 0x100 is added to a reserved one that is escaped.
func char(s string) (uint16, string) {
	if s[0] != '%' || len(s) < 3 {
		return uint16(s[0]), s[1:]
	}
	hi, lo := unhex(s[1]), unhex(s[2])
	if hi > 15 || lo > 15 {
		return '%', s[1:]
	}
	c := uint16(hi<<4 | lo)
	if strings.IndexByte(";/?:@&=+$,%", byte(c)) >= 0 {
		c |= 0x100
	}
	return c, s[3:]
}

func unhex(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return 0xff
}

// AddressOfRecord gives the user part of a REGISTER's To, unescaped: for whom it is
// (RFC 3261 section 10.3 step 5). ok is false for what is no SIP URI with a user part.
func AddressOfRecord(req *sip.Request) (user string, ok bool) {
	to := req.To()
	if to == nil || to.Address.Wildcard || to.Address.User == "" || to.Address.Scheme != "sip" && to.Address.Scheme != "sips" {
		return "", false
	}
	s := to.Address.User
	if strings.IndexByte(s, '%') < 0 {
		return s, true
	}
	b := make([]byte, 0, len(s))
	for s != "" {
		var c uint16
		c, s = char(s)
		b = append(b, byte(c))
	}
	return string(b), true
}

// parseURI reads a URI that the box sends requests to.
func parseURI(text string) (u sip.Uri, ok bool) {
	if len(text) > maxURI || !tidy(text) || sip.ParseUri(text, &u) != nil {
		return sip.Uri{}, false
	}
	return u, sane(&u)
}

// sane tells whether a URI has a host and a port that can be one.
func sane(u *sip.Uri) bool {
	if u.Scheme != "sip" && u.Scheme != "sips" || u.Wildcard || u.HierarhicalSlashes || u.Port < 0 || u.Port > 65535 || u.Host == "" {
		return false
	}
	if u.Host[0] == '[' {
		_, ok := hostAddr(u.Host)
		return ok
	}
	for i := 0; i < len(u.Host); i++ {
		switch c := u.Host[i]; {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '.', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}

// tidy tells whether the text of a URI has only what a URI may have: it will stand in
// messages to others.
func tidy(uri string) bool {
	for i := 0; i < len(uri); i++ {
		switch c := uri[i]; {
		case c == '%':
			if i+2 >= len(uri) || unhex(uri[i+1]) > 15 || unhex(uri[i+2]) > 15 {
				return false
			}
		case c <= ' ' || c >= 0x7f, strings.IndexByte("<>\"\\^`{|}", c) >= 0:
			return false
		}
	}
	return true
}
