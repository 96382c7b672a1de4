package siptest

import (
	"fmt"
	"strings"
)

// prack acknowledges a provisional response (RFC 3262 section 4).
func (c *Call) prack(m *Message) {
	h := []string{fmt.Sprintf("RAck: %s %s", m.Get("RSeq"), m.Get("CSeq"))}
	body := ""
	if c.p.Late && m.Body != "" {
		body = c.SDP("sendrecv")
		h = append(h, "Content-Type: application/sdp")
		c.mu.Lock()
		c.agreed = true
		c.mu.Unlock()
	}
	c.Request("PRACK", h, body)
}

// Reinvite offers a new session with this direction; "zero" is the hold of old: address
// 0.0.0.0. It gives the status.
func (c *Call) Reinvite(direction string) int {
	c.mu.Lock()
	c.version++
	c.mu.Unlock()
	sdp := c.SDP(direction)
	if direction == "zero" {
		sdp = strings.Replace(c.SDP("sendrecv"), "c=IN IP4 "+c.addr.Addr().String(), "c=IN IP4 0.0.0.0", 1)
	}
	res := c.Request("INVITE", []string{"Content-Type: application/sdp"}, sdp)
	if res == nil {
		return 0
	}
	if res.Status() >= 300 {
		c.p.ackFailure(c.target, res)
	}
	return res.Status()
}

// Update offers by UPDATE (RFC 3311).
func (c *Call) Update(direction string) int {
	c.mu.Lock()
	c.version++
	c.mu.Unlock()
	res := c.Request("UPDATE", []string{"Content-Type: application/sdp"}, c.SDP(direction))
	if res == nil {
		return 0
	}
	c.hear(res.Body)
	return res.Status()
}

// Info sends a digit by INFO.
func (c *Call) Info(digit byte) int {
	res := c.Request("INFO", []string{"Content-Type: application/dtmf-relay"}, fmt.Sprintf("Signal=%c\r\nDuration=160\r\n", digit))
	if res == nil {
		return 0
	}
	return res.Status()
}

// Reason gives the Reason header that the call ended with.
func (c *Call) Reason() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reason
}
