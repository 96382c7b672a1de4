package auth

import (
	"strings"

	"github.com/emiago/sipgo/sip"
)

// sameTarget tells whether the uri parameter of a header names what the request is for
// (RFC 3261 section 22.4, RFC 7616 section 3.4.6). Telephones differ there in what has
// no bearing on who is meant, so that is passed over: the case of scheme and host, the
// default port, and the parameters transport, user, lr and ob. The user part must be the
// same to the byte: it is the number dialled, and what the secret vouches for.
func (g *Gate) sameTarget(text string, target *sip.Uri) bool {
	g.uri.Reset()
	target.StringWrite(&g.uri)
	if string(g.uri.Bytes()) == text {
		return true
	}
	var u sip.Uri
	if sip.ParseUri(text, &u) != nil || u.Wildcard {
		return false
	}
	return u.Scheme == scheme(target) && (u.Scheme == "sip" || u.Scheme == "sips") &&
		u.User == target.User && u.Password == target.Password && strings.EqualFold(u.Host, target.Host) &&
		port(&u) == port(target) && len(u.Headers) == 0 && len(target.Headers) == 0 &&
		within(u.UriParams, target.UriParams) && within(target.UriParams, u.UriParams)
}

func scheme(u *sip.Uri) string {
	if u.Scheme == "" {
		return "sip"
	}
	return u.Scheme
}

func port(u *sip.Uri) int {
	switch {
	case u.Port != 0:
		return u.Port
	case u.Scheme == "sips":
		return 5061
	}
	return 5060
}

// within tells whether each parameter of a that has a bearing is in b.
func within(a, b sip.HeaderParams) bool {
next:
	for _, p := range a {
		switch strings.ToLower(p.K) {
		case "transport", "user", "lr", "ob":
			continue
		}
		for _, q := range b {
			if strings.EqualFold(p.K, q.K) && p.V == q.V {
				continue next
			}
		}
		return false
	}
	return true
}
