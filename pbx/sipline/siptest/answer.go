package siptest

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// reply makes the response to a request.
func (p *Phone) reply(req *Message, status int, reason, to string, headers []string, body string) *Message {
	m := &Message{Start: fmt.Sprintf("SIP/2.0 %d %s", status, reason), Body: body}
	for _, v := range req.All("Via") {
		m.Headers = append(m.Headers, "Via: "+v)
	}
	for _, v := range req.All("Record-Route") {
		m.Headers = append(m.Headers, "Record-Route: "+v)
	}
	if to == "" {
		to = req.Get("To")
	}
	m.Headers = append(m.Headers, "From: "+req.Get("From"), "To: "+to, "Call-ID: "+req.Get("Call-ID"), "CSeq: "+req.Get("CSeq"))
	m.Headers = append(m.Headers, headers...)
	m.Headers = append(m.Headers, "Content-Length: "+strconv.Itoa(len(body)))
	return m
}

// request is what a telephone does with a request that comes.
func (p *Phone) request(m *Message) {
	p.mu.Lock()
	c := p.calls[m.Get("Call-ID")]
	p.mu.Unlock()
	method := m.Method()
	switch {
	case method == "INVITE" && c == nil:
		p.invited(m)
	case method == "ACK":
		if c != nil {
			c.mu.Lock()
			c.acks++
			c.mu.Unlock()
			c.hear(m.Body)
		}
	case c == nil:
		status, reason := 481, "Call/Transaction Does Not Exist"
		if method == "OPTIONS" || method == "NOTIFY" {
			status, reason = 200, "OK"
		}
		p.send(p.reply(m, status, reason, "", nil, ""))
	case method == "INVITE" && c.Incoming && m.CSeq() == c.Invite.CSeq(): // repeated
		c.mu.Lock()
		a := c.answer
		c.mu.Unlock()
		if a != nil {
			p.send(a)
		}
	case method == "INVITE", method == "UPDATE":
		c.hear(m.Body)
		body := ""
		var h []string
		if m.Body != "" || method == "INVITE" {
			body, h = c.SDP("sendrecv"), []string{"Content-Type: application/sdp"}
		}
		c.mu.Lock()
		c.refreshed++
		c.mu.Unlock()
		if se := m.Get("Session-Expires"); se != "" {
			h = append(h, "Session-Expires: "+se, "Require: timer")
		}
		p.send(p.reply(m, 200, "OK", "", append(h, "Contact: "+p.contact()), body))
	case method == "CANCEL":
		p.send(p.reply(m, 200, "OK", "", nil, ""))
		_, answered, ended := c.State()
		if !answered && !ended {
			c.mu.Lock()
			c.reason = m.Get("Reason")
			c.mu.Unlock()
			c.Reply(487, "Request Terminated", nil, "")
			c.end()
		}
	case method == "BYE":
		p.send(p.reply(m, 200, "OK", "", nil, ""))
		c.mu.Lock()
		c.reason = m.Get("Reason")
		c.mu.Unlock()
		c.end()
	default:
		p.send(p.reply(m, 200, "OK", "", nil, ""))
	}
}

// invited is a call that comes in.
func (p *Phone) invited(m *Message) {
	c := p.newCall(m.Get("Call-ID"), true)
	c.mu.Lock()
	c.Invite = m
	c.local = m.Get("To") + fmt.Sprintf(";tag=%08x", rand.Uint32())
	c.remote = m.Get("From")
	c.target = angle(m.Get("Contact"))
	c.mu.Unlock()
	if p.Refuses > 0 {
		c.Reply(p.Refuses, "No", nil, "")
		c.end()
		return
	}
	if !p.Silent {
		h := []string{"Contact: " + p.contact()}
		if p.Reliable && strings.Contains(m.Get("Supported"), "100rel") {
			h = append(h, "Require: 100rel", "RSeq: 1")
		}
		c.Reply(180, "Ringing", h, "")
	}
	if after := p.Answers; after >= 0 {
		go func() {
			time.Sleep(after)
			if _, answered, ended := c.State(); !answered && !ended {
				c.Answer()
			}
		}()
	}
}

// Refreshed gives how many re-INVITEs and UPDATEs came.
func (c *Call) Refreshed() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.refreshed
}

// Acks gives how many ACKs came.
func (c *Call) Acks() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.acks
}

// From gives the display name and user of the caller of a call that came in.
func (c *Call) From() (name, user string) {
	f := c.Invite.Get("From")
	if strings.HasPrefix(f, `"`) { // there may be anything between quotes
		name, f, _ = strings.Cut(f[1:], `"`)
	} else {
		name, _, _ = strings.Cut(f, "<")
	}
	user, _, _ = strings.Cut(strings.TrimPrefix(angle(f), "sip:"), "@")
	return strings.TrimSpace(name), user
}
