package edge

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// What a byte may be part of (RFC 3261 section 25.1), with what telephones really send:
// "#" in a user part, "_" in a host name, and in values of parameters all that separates
// nothing there.
const (
	isToken   = 1 << iota // token
	isUser                // user part or password, but for escapes
	isHost                // hostname or IPv4 address
	isParam               // name or value of a URI parameter or URI header, but for escapes
	isValue               // unquoted value of a header parameter
	isDigit               // DIGIT
	isVisible             // 0x21 to 0x7e
)

var class = func() (t [256]uint8) {
	set := func(bit uint8, chars string) {
		for _, c := range []byte(chars) {
			t[c] |= bit
		}
	}
	for c := byte('!'); c <= '~'; c++ {
		t[c] |= isVisible
		if !strings.ContainsRune("\",;<>\\", rune(c)) {
			t[c] |= isValue
		}
	}
	const alnum = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	set(isToken|isUser|isHost|isParam, alnum)
	set(isToken, "-.!%*_+`'~")
	set(isUser, "-_.!~*'()&=+$,;?/#:")
	set(isHost, "-._")
	set(isParam, "-_.!~*'()[]/:&+$=")
	set(isDigit, "0123456789")
	return t
}()

// span gives the end of the run of bytes of a class that begins at i.
func span[T string | []byte](s T, i int, bit uint8) int {
	for i < len(s) && class[s[i]]&bit != 0 {
		i++
	}
	return i
}

// all tells whether s is not empty and all of a class.
func all[T string | []byte](s T, bit uint8) bool {
	return len(s) > 0 && span(s, 0, bit) == len(s)
}

// escaped is all, but "%" and two hexadecimal digits may stand between.
func escaped(s string, bit uint8) bool {
	for i := 0; i < len(s); i++ {
		if s[i] == '%' {
			if i+2 >= len(s) || !isHex(s[i+1]) || !isHex(s[i+2]) {
				return false
			}
			i += 2
		} else if class[s[i]]&bit == 0 {
			return false
		}
	}
	return s != ""
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

// lws gives the end of the white space that begins at i. Folds are joined before.
func lws(s string, i int) int {
	for i < len(s) && (s[i] == ' ' || s[i] == '\t') {
		i++
	}
	return i
}

// quoted gives the end of the quoted string that begins at i; -1 if it does not end, or
// holds a control character that is not escaped.
func quoted(s string, i int) int {
	for i++; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return i + 1
		case c == '\\':
			if i++; i < len(s) && s[i] == '\r' {
				return -1
			}
		case c < ' ' && c != '\t' || c == 0x7f:
			return -1
		}
	}
	return -1
}

// number reads 1 to 10 digits and more leading zeros; ok tells whether s is digits, and a
// number over max is given as max+1.
func number(s string, max uint64) (n uint64, ok bool) {
	if !all(s, isDigit) {
		return 0, false
	}
	for _, c := range []byte(s) {
		if n = n*10 + uint64(c-'0'); n > max {
			return max + 1, true
		}
	}
	return n, true
}

// port reads a port of 1 to 65535.
func port(s string) (int, bool) {
	n, ok := number(s, 65535)
	return int(n), ok && n > 0 && n <= 65535
}

// host gives the end of the host that begins at i, or -1. An IPv6 address stands in
// brackets, has no zone, and may have the third colon that the grammar of RFC 3261 once
// asked for (RFC 5118 section 4.10); the address is then given mended.
func host(s string, i int) (h string, end int) {
	if i >= len(s) || s[i] != '[' {
		end = span(s, i, isHost)
		if end == i {
			return "", -1
		}
		return s[i:end], end
	}
	end = strings.IndexByte(s[i:], ']')
	if end < 0 || end > 48 {
		return "", -1
	}
	end += i + 1
	h = s[i:end]
	if strings.Contains(h, ":::") {
		h = strings.Replace(h, ":::", "::", 1)
	}
	if a, err := netip.ParseAddr(h[1 : len(h)-1]); err != nil || !a.Is6() || a.Zone() != "" {
		return "", -1
	}
	return h, end
}

// params reads *( SEMI name [ EQUAL value ] ) from i on, to where something else begins.
// good is the end of the last parameter that could be read; end is -1 after an error.
func params(s string, i int) (p sip.HeaderParams, end, good int) {
	for {
		good = i
		i = lws(s, i)
		if i >= len(s) || s[i] != ';' {
			return p, i, good
		}
		from := lws(s, i+1)
		i = span(s, from, isToken)
		kv := sip.HeaderKV{K: knownParam(s[from:i])}
		if kv.K == "" || p.Has(kv.K) || len(p) == MaxParams {
			return p, -1, good
		}
		after := i
		if i = lws(s, i); i < len(s) && s[i] == '=' {
			from = lws(s, i+1)
			if from < len(s) && s[from] == '"' {
				if i = quoted(s, from); i < 0 {
					return p, -1, good
				}
				kv.V = s[from:i]
				if strings.ContainsAny(kv.V, " \t") {
					kv.V = kv.V[1 : len(kv.V)-1] // sipgo puts the quotes back
				}
			} else if i = span(s, from, isValue); i > from {
				kv.V = s[from:i]
			} else {
				return p, -1, good
			}
			after = i
		}
		if p == nil {
			p = make(sip.HeaderParams, 0, 4)
		}
		p = append(p, kv)
		i = after
	}
}

// knownParam gives the name in lower case if it is one that a standard defines (they are
// case-free, RFC 3261 section 7.3.1; sipgo's Get is not), else as it is.
func knownParam(name string) string {
	for _, k := range [...]string{
		"branch", "tag", "rport", "received", "expires", "q", "lr", "transport", "user", "maddr", "ttl",
		"method", "+sip.instance", "reg-id", "ob", "keep", "gr", "comp", "alias", "pub-gruu", "temp-gruu",
	} {
		if len(k) == len(name) && strings.EqualFold(k, name) {
			return k
		}
	}
	return name
}

// delta mends a number of seconds: no number is 3600, too large a one is 2^32-1 (RFC 3261
// section 20.19, RFC 4475 section 3.1.2.4).
func delta(s string) string {
	switch n, ok := number(s, 1<<32-1); {
	case !ok:
		return "3600"
	case n > 1<<32-1:
		return strconv.FormatUint(1<<32-1, 10)
	}
	return s
}
