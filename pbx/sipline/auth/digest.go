package auth

import (
	"crypto/md5"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"strconv"
	"strings"

	"sotto/pbx"
)

// What of a header is read; more is refused.
const (
	maxHeader = 2048 // bytes of one Authorization header
	maxParams = 24   // parameters in it
	maxName   = 64   // bytes of a username
	maxCnonce = 256
	maxURI    = 1024
)

type algorithm uint8

const (
	algMD5 algorithm = iota // the default of a header that names none (RFC 7616 section 3.3)
	algSHA256
)

// credentials are the parameters of an Authorization header that count (RFC 3261 section
// 25.1, digest-response). The strings are without quotes and escapes, and may share the
// memory of the header.
type credentials struct {
	username, realm, nonce, uri, cnonce string

	alg      algorithm
	nc       uint32
	ncText   string // as it stood: it is hashed
	qop      string
	response [sha256.Size]byte // its first size() bytes
}

func (a algorithm) size() int {
	if a == algSHA256 {
		return sha256.Size
	}
	return md5.Size
}

// found is what parse makes of a header.
type found uint8

const (
	foundOther found = iota // another scheme, or another realm
	foundBad                // not as the grammar wants it
	foundOurs
)

// parse reads the value of an Authorization header. What it is strict about: quotes
// where the grammar has them, each parameter once, escapes, lengths, no control
// characters; qop must be "auth", the algorithm one that was offered. Lenient, as
// telephones are in the field: quotes around algorithm, qop and nc.
func (c *credentials) parse(value, realm string) found {
	*c = credentials{}
	if len(value) > maxHeader {
		return foundBad
	}
	scheme, rest, _ := strings.Cut(value, " ")
	if !strings.EqualFold(scheme, "Digest") {
		return foundOther
	}
	var seen, bad uint16
	var response, algorithm string
	for n := 0; ; n++ {
		name, val, quoted, more, ok := param(rest)
		if !ok || n == maxParams {
			return foundBad
		}
		rest = more
		var to *string
		var must bool // be quoted
		var bit uint16
		switch {
		case strings.EqualFold(name, "username"):
			to, must, bit = &c.username, true, 1<<0
		case strings.EqualFold(name, "realm"):
			to, must, bit = &c.realm, true, 1<<1
		case strings.EqualFold(name, "nonce"):
			to, must, bit = &c.nonce, true, 1<<2
		case strings.EqualFold(name, "uri"):
			to, must, bit = &c.uri, true, 1<<3
		case strings.EqualFold(name, "response"):
			to, must, bit = &response, true, 1<<4
		case strings.EqualFold(name, "cnonce"):
			to, must, bit = &c.cnonce, true, 1<<5
		case strings.EqualFold(name, "algorithm"):
			to, bit = &algorithm, 1<<6
		case strings.EqualFold(name, "qop"):
			to, bit = &c.qop, 1<<7
		case strings.EqualFold(name, "nc"):
			to, bit = &c.ncText, 1<<8
		case strings.EqualFold(name, "opaque"):
			bit = 1 << 9 // none is offered
		case strings.EqualFold(name, "userhash"):
			bit = 1 << 10
			if strings.EqualFold(val, "true") {
				bad |= bit
			}
		}
		if seen&bit != 0 {
			return foundBad // which of the two would count?
		}
		seen |= bit
		if must && !quoted {
			bad |= bit
		}
		if to != nil {
			*to = val
		}
		if rest == "" {
			break
		}
	}
	if seen&(1<<1) == 0 || bad&(1<<1) != 0 {
		return foundBad
	}
	if c.realm != realm {
		return foundOther
	}
	const all = 1<<0 | 1<<1 | 1<<2 | 1<<3 | 1<<4 | 1<<5 | 1<<7 | 1<<8
	if bad != 0 || seen&all != all || !c.finish(algorithm, response) {
		return foundBad
	}
	return foundOurs
}

// finish reads the parameters that are no plain text.
func (c *credentials) finish(algorithm, response string) bool {
	switch {
	case algorithm == "", strings.EqualFold(algorithm, "MD5"):
	case strings.EqualFold(algorithm, "SHA-256"):
		c.alg = algSHA256
	default:
		return false // not offered
	}
	if c.qop != "auth" || c.username == "" || len(c.username) > maxName ||
		c.cnonce == "" || len(c.cnonce) > maxCnonce || c.uri == "" || len(c.uri) > maxURI {
		return false
	}
	// nc-value is eight hexadecimal digits; counting begins at 1.
	if len(c.ncText) != 8 {
		return false
	}
	nc, err := strconv.ParseUint(c.ncText, 16, 32)
	if err != nil || nc == 0 || len(response) != 2*c.alg.size() {
		return false
	}
	c.nc = uint32(nc)
	var text [2 * sha256.Size]byte
	_, err = hex.Decode(c.response[:], text[:copy(text[:], response)])
	return err == nil
}

// param takes one "name = value" and the comma behind it, if more follows. ok is false
// for anything else, and for a comma with nothing behind it.
func param(s string) (name, value string, quoted bool, rest string, ok bool) {
	s = trimLWS(s)
	n := tokenLen(s)
	if n == 0 {
		return
	}
	name, s = s[:n], trimLWS(s[n:])
	if s == "" || s[0] != '=' {
		return
	}
	s = trimLWS(s[1:])
	if s != "" && s[0] == '"' {
		quoted = true
		if value, s, ok = quotedString(s[1:]); !ok {
			return
		}
	} else {
		if n = tokenLen(s); n == 0 {
			return
		}
		value, s = s[:n], s[n:]
	}
	s = trimLWS(s)
	if s == "" {
		return name, value, quoted, "", true
	}
	if s[0] != ',' {
		return name, value, quoted, "", false
	}
	rest = trimLWS(s[1:])
	return name, value, quoted, rest, rest != ""
}

// quotedString takes a quoted-string (RFC 3261 section 25.1) whose opening quote is gone
// already, and gives what it stands for.
func quotedString(s string) (value, rest string, ok bool) {
	escaped := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			value, rest = s[:i], s[i+1:]
			if escaped {
				value = unescape(value)
			}
			return value, rest, true
		case c == '\\':
			if i++; i == len(s) || s[i] >= 0x80 || s[i] == '\r' || s[i] == '\n' || s[i] == 0 {
				return "", "", false
			}
			escaped = true
		case c < ' ' && c != '\t', c == 0x7f:
			return "", "", false
		}
	}
	return "", "", false // never closed
}

func unescape(s string) string {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' {
			i++
		}
		b = append(b, s[i])
	}
	return string(b)
}

func trimLWS(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	return s
}

// tokenLen counts the characters of a token (RFC 3261 section 25.1) that s begins with.
func tokenLen(s string) int {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9',
			strings.IndexByte("-.!%*_+`'~", c) >= 0:
		default:
			return i
		}
	}
	return len(s)
}

// right tells in constant time whether c holds what the owner of secret answers to a
// request of method (RFC 7616 section 3.4.1). buf is memory to work in; what is
// returned is the same, perhaps grown.
func (c *credentials) right(secret *pbx.Secret, method string, buf []byte) (bool, []byte) {
	var ha1, ha2, want [sha256.Size]byte
	n := c.alg.size()
	if c.alg == algSHA256 {
		ha1 = secret.SHA256
	} else {
		copy(ha1[:], secret.MD5[:])
	}
	buf = append(append(append(buf[:0], method...), ':'), c.uri...)
	c.alg.sum(&ha2, buf)
	buf = hex.AppendEncode(buf[:0], ha1[:n])
	for _, part := range [...]string{c.nonce, c.ncText, c.cnonce, c.qop} {
		buf = append(append(buf, ':'), part...)
	}
	buf = hex.AppendEncode(append(buf, ':'), ha2[:n])
	c.alg.sum(&want, buf)
	return subtle.ConstantTimeCompare(c.response[:n], want[:n]) == 1, buf
}

func (a algorithm) sum(to *[sha256.Size]byte, b []byte) {
	if a == algSHA256 {
		*to = sha256.Sum256(b)
		return
	}
	sum := md5.Sum(b)
	copy(to[:], sum[:])
}
