package edge

import (
	"net/netip"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// via reads one Via value from i on. good is the end of what could be read of it, 0 if
// not even the sent-by; end is -1 after an error, else at the comma or the end of s.
func via(s string, i int) (v *sip.ViaHeader, end, good int) {
	v = &sip.ViaHeader{}
	for n, part := range [...]*string{&v.ProtocolName, &v.ProtocolVersion, &v.Transport} {
		if n > 0 {
			if i = lws(s, i); i >= len(s) || s[i] != '/' {
				return v, -1, 0
			}
			i++
		}
		from := lws(s, i)
		if i = span(s, from, isToken); i == from {
			return v, -1, 0
		}
		*part = s[from:i]
	}
	from := lws(s, i)
	if from == i {
		return v, -1, 0
	}
	if v.Host, i = host(s, from); i < 0 {
		return v, -1, 0
	}
	if inner := strings.Trim(v.Host, "[]"); len(inner) < len(v.Host) {
		// sipgo keeps the address of a Via without brackets and writes them again, but
		// not around an IPv4-mapped one: that keeps its own.
		if a, _ := netip.ParseAddr(inner); !a.Is4In6() {
			v.Host = inner
		}
	}
	good = i
	if c := lws(s, i); c < len(s) && s[c] == ':' {
		from = lws(s, c+1)
		i = span(s, from, isDigit)
		var ok bool
		if v.Port, ok = port(s[from:i]); !ok {
			v.Port = 0
			return v, -1, good
		}
	}
	if v.Params, end, good = params(s, i); end >= 0 && end < len(s) && s[end] != ',' {
		end = -1
	}
	return v, end, good
}

// address reads a name-addr or an addr-spec with its parameters from i on (RFC 3261
// section 20.10); end is -1 after an error, else at the comma or the end of s.
func address(s string, i int) (display string, u sip.Uri, p sip.HeaderParams, end int) {
	i = lws(s, i)
	from, ok := i, false
	if i < len(s) && s[i] == '"' {
		if i = quoted(s, i); i < 0 {
			return "", u, nil, -1
		}
		display = s[from+1 : i-1]
		i = lws(s, i)
	} else {
		// Words, and bytes of UTF-8 that should have been in quotes.
		for i < len(s) && (class[s[i]]&isToken != 0 || s[i] == ' ' || s[i] == '\t' || s[i] >= 0x80) {
			i++
		}
		if i < len(s) && s[i] == '<' {
			display = strings.TrimRight(s[from:i], " \t")
		}
	}
	switch {
	case i < len(s) && s[i] == '<':
		n := strings.IndexByte(s[i:], '>')
		if n < 0 {
			return "", u, nil, -1
		}
		u, ok = uri(s[i+1 : i+n])
		i += n + 1
	case display == "":
		// Without brackets what follows a semicolon belongs to the header, and there is
		// no comma and no question mark.
		i = from
		for i < len(s) && class[s[i]]&isVisible != 0 && s[i] != ';' && s[i] != ',' {
			i++
		}
		u, ok = uri(s[from:i])
		ok = ok && u.Headers == nil && !strings.Contains(s[from:i], "?")
	}
	if !ok {
		return "", u, nil, -1
	}
	if p, end, _ = params(s, i); end >= 0 && end < len(s) && s[end] != ',' {
		end = -1
	}
	return display, u, p, end
}
