package siptest

import (
	"crypto/md5"
	"crypto/sha256"
	"fmt"
	"strconv"
	"strings"
)

// Message is a SIP message as its lines are.
type Message struct {
	Start   string
	Headers []string // "Name: value"
	Body    string
}

// ParseMessage reads a message, without any check.
func ParseMessage(data []byte) *Message {
	head, body, _ := strings.Cut(string(data), "\r\n\r\n")
	lines := strings.Split(head, "\r\n")
	return &Message{Start: lines[0], Headers: lines[1:], Body: body}
}

func (m *Message) String() string {
	return m.Start + "\r\n" + strings.Join(m.Headers, "\r\n") + "\r\n\r\n" + m.Body
}

// Status gives the code of a response, 0 for a request.
func (m *Message) Status() int {
	if !strings.HasPrefix(m.Start, "SIP/2.0 ") {
		return 0
	}
	n, _ := strconv.Atoi(m.Start[8:min(11, len(m.Start))])
	return n
}

// Method gives the method of a request, or that in the CSeq of a response.
func (m *Message) Method() string {
	if m.Status() != 0 {
		_, method, _ := strings.Cut(m.Get("CSeq"), " ")
		return method
	}
	method, _, _ := strings.Cut(m.Start, " ")
	return method
}

// All gives the values of a header.
func (m *Message) All(name string) (l []string) {
	for _, h := range m.Headers {
		if n, v, ok := strings.Cut(h, ":"); ok && strings.EqualFold(strings.TrimSpace(n), name) {
			l = append(l, strings.TrimSpace(v))
		}
	}
	return l
}

// Get gives the first value of a header, or "".
func (m *Message) Get(name string) string {
	if l := m.All(name); len(l) > 0 {
		return l[0]
	}
	return ""
}

// CSeq gives the number.
func (m *Message) CSeq() int {
	n, _, _ := strings.Cut(m.Get("CSeq"), " ")
	v, _ := strconv.Atoi(n)
	return v
}

// tag gives the tag of a From or To.
func tag(v string) string {
	_, t, _ := strings.Cut(v, ";tag=")
	t, _, _ = strings.Cut(t, ";")
	return t
}

// angle gives what stands between angle brackets.
func angle(v string) string {
	if _, r, ok := strings.Cut(v, "<"); ok {
		r, _, _ = strings.Cut(r, ">")
		return r
	}
	v, _, _ = strings.Cut(v, ";")
	return v
}

// param gives a parameter of a challenge.
func param(challenge, name string) string {
	for _, p := range strings.Split(challenge, ",") {
		p = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(p), "Digest "))
		if n, v, ok := strings.Cut(p, "="); ok && strings.EqualFold(n, name) {
			return strings.Trim(v, `"`)
		}
	}
	return ""
}

// credentials answers a challenge (RFC 7616).
func credentials(challenge, method, uri, user, secret string, nc int) string {
	hash := func(s string) string { return fmt.Sprintf("%x", md5.Sum([]byte(s))) }
	algorithm := param(challenge, "algorithm")
	if strings.EqualFold(algorithm, "SHA-256") {
		hash = func(s string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(s))) }
	}
	realm, nonce := param(challenge, "realm"), param(challenge, "nonce")
	cnonce, count := "0a4f113b", fmt.Sprintf("%08x", nc)
	answer := hash(hash(user+":"+realm+":"+secret) + ":" + nonce + ":" + count + ":" + cnonce + ":auth:" + hash(method+":"+uri))
	s := fmt.Sprintf(`Digest username="%s", realm="%s", nonce="%s", uri="%s", response="%s", cnonce="%s", nc=%s, qop=auth`, user, realm, nonce, uri, answer, cnonce, count)
	if algorithm != "" {
		s += ", algorithm=" + algorithm
	}
	if o := param(challenge, "opaque"); o != "" {
		s += `, opaque="` + o + `"`
	}
	return s
}
