package main

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

type hdr struct{ k, v string } // k is lower case, long form

// msg is a request or a response.
type msg struct {
	method, ruri string // requests
	status       int    // responses (0 for a request)
	hdrs         []hdr
	body         []byte
	at           time.Time
	src          netip.AddrPort
}

var compact = map[string]string{
	"v": "via", "f": "from", "t": "to", "i": "call-id", "m": "contact",
	"c": "content-type", "l": "content-length", "k": "supported",
}

var errBad = errors.New("not a SIP message")

func parseMsg(b []byte) (*msg, error) {
	head, body, _ := bytes.Cut(b, []byte("\r\n\r\n"))
	lines := strings.Split(string(head), "\r\n")
	m := &msg{body: body}
	p := strings.SplitN(lines[0], " ", 3)
	if len(p) < 3 {
		return nil, errBad
	}
	if p[0] == "SIP/2.0" {
		n, err := strconv.Atoi(p[1])
		if err != nil {
			return nil, errBad
		}
		m.status = n
	} else {
		m.method, m.ruri = p[0], p[1]
	}
	for _, l := range lines[1:] {
		if l == "" {
			continue
		}
		if (l[0] == ' ' || l[0] == '\t') && len(m.hdrs) > 0 { // folded line
			m.hdrs[len(m.hdrs)-1].v += " " + strings.TrimSpace(l)
			continue
		}
		k, v, ok := strings.Cut(l, ":")
		if !ok {
			continue
		}
		k = strings.ToLower(strings.TrimSpace(k))
		if long, ok := compact[k]; ok {
			k = long
		}
		m.hdrs = append(m.hdrs, hdr{k, strings.TrimSpace(v)})
	}
	return m, nil
}

func (m *msg) get(k string) string {
	for _, h := range m.hdrs {
		if h.k == k {
			return h.v
		}
	}
	return ""
}

func (m *msg) all(k string) (out []string) {
	for _, h := range m.hdrs {
		if h.k == k {
			out = append(out, h.v)
		}
	}
	return
}

func (m *msg) cseq() (int, string) {
	n, meth, _ := strings.Cut(m.get("cseq"), " ")
	i, _ := strconv.Atoi(n)
	return i, strings.TrimSpace(meth)
}

func (m *msg) branch() string {
	via, _, _ := strings.Cut(m.get("via"), ",")
	return param(via, "branch")
}

// param finds ;name=value outside angle brackets.
func param(v, name string) string {
	if i := strings.LastIndexByte(v, '>'); i >= 0 {
		v = v[i+1:]
	}
	for _, p := range strings.Split(v, ";") {
		k, val, _ := strings.Cut(strings.TrimSpace(p), "=")
		if strings.EqualFold(k, name) {
			return val
		}
	}
	return ""
}

// uriOf takes the URI out of a name-addr or addr-spec.
func uriOf(v string) string {
	if i := strings.IndexByte(v, '<'); i >= 0 {
		if j := strings.IndexByte(v[i:], '>'); j > 0 {
			return v[i+1 : i+j]
		}
	}
	u, _, _ := strings.Cut(v, ";")
	return strings.TrimSpace(u)
}

// splitList splits a comma separated header, minding quotes and brackets.
func splitList(v string) (out []string) {
	depth, quoted, start := 0, false, 0
	for i := 0; i < len(v); i++ {
		switch c := v[i]; {
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '<':
			depth++
		case c == '>':
			depth--
		case c == ',' && depth == 0:
			out = append(out, strings.TrimSpace(v[start:i]))
			start = i + 1
		}
	}
	return append(out, strings.TrimSpace(v[start:]))
}

func token(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return hex.EncodeToString(b)
}
