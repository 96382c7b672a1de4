package edge

import (
	"strings"

	"github.com/emiago/sipgo/sip"
)

// uri reads a URI (RFC 3261 section 19.1). One that is neither sip nor sips is kept as it
// is, see [sip.Uri.Raw]. An IPv6 host keeps its brackets.
func uri(s string) (u sip.Uri, ok bool) {
	scheme, rest, ok := strings.Cut(s, ":")
	if !ok || rest == "" || scheme == "" || class[scheme[0]]&isToken == 0 || class[scheme[0]]&isDigit != 0 {
		return u, false
	}
	for _, c := range []byte(scheme) {
		if class[c]&isToken == 0 || strings.IndexByte("!%*_`'~", c) >= 0 {
			return u, false
		}
	}
	switch {
	case strings.EqualFold(scheme, "sip"):
		u.Scheme = "sip"
	case strings.EqualFold(scheme, "sips"):
		u.Scheme = "sips"
	default:
		return otherURI(scheme, rest)
	}
	if user, after, has := strings.Cut(rest, "@"); has {
		if u.User, u.Password, has = strings.Cut(user, ":"); has && !escaped(u.Password, isUser) || !escaped(u.User, isUser) {
			return u, false
		}
		if strings.Contains(u.Password, ":") {
			return u, false
		}
		rest = after
	}
	i := 0
	if u.Host, i = host(rest, 0); i < 0 {
		return u, false
	}
	rest = rest[i:]
	if rest != "" && rest[0] == ':' {
		i = span(rest, 1, isDigit)
		if u.Port, ok = port(rest[1:i]); !ok {
			return u, false
		}
		rest = rest[i:]
	}
	if rest != "" && rest[0] == ';' {
		text, headers, has := strings.Cut(rest[1:], "?")
		if u.UriParams, ok = uriParams(text, ";", true); !ok {
			return u, false
		}
		rest = ""
		if has {
			rest = "?" + headers
		}
	}
	if rest != "" {
		if rest[0] != '?' {
			return u, false
		}
		u.Headers, ok = uriParams(rest[1:], "&", false)
		return u, ok
	}
	return u, true
}

// uriParams reads the parameters or the headers of a URI.
func uriParams(s, sep string, lower bool) (p sip.HeaderParams, ok bool) {
	p = make(sip.HeaderParams, 0, 2)
	for more := true; more; {
		var kv sip.HeaderKV
		kv.K, s, more = strings.Cut(s, sep)
		kv.K, kv.V, _ = strings.Cut(kv.K, "=")
		if lower {
			kv.K = knownParam(kv.K)
		}
		if !escaped(kv.K, isParam) || kv.V != "" && !escaped(kv.V, isParam|isUser) || p.Has(kv.K) || len(p) == MaxParams {
			return nil, false
		}
		p = append(p, kv)
	}
	return p, true
}

// otherURI reads a URI of a scheme that is not ours to understand (tel, urn, http).
func otherURI(scheme, rest string) (u sip.Uri, ok bool) {
	for _, c := range []byte(rest) {
		if class[c]&isVisible == 0 || c == '<' || c == '>' || c == '"' {
			return u, false
		}
	}
	// sipgo refuses schemes with digits or dots, and alone can fill what Raw gives.
	if sip.ParseUri("x:"+rest, &u) != nil {
		return sip.Uri{}, false
	}
	u.Scheme = strings.ToLower(scheme)
	return u, true
}
