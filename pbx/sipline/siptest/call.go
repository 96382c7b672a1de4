package siptest

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strconv"
	"sync"
	"time"
)

// Call is one call of a telephone.
type Call struct {
	p        *Phone
	ID       string
	Incoming bool
	Invite   *Message // what came or went

	mu        sync.Mutex
	local     string // From of our requests
	remote    string // To of our requests
	target    string
	via       string // of the last INVITE sent
	sentTo    string // its Request-URI and To
	sentAs    string
	cseq      int
	status    int // last of the INVITE
	statuses  []int
	answered  bool
	ended     bool
	canceled  bool
	version   int
	answer    *Message // our last response, for repeats
	Sound     *Sound
	addr      netip.AddrPort
	Far       string // the last SDP that came
	Direction string // of the last SDP that came: sendrecv, sendonly, recvonly, inactive
	acks      int
	reason    string
	agreed    bool // offer and answer went over before the 2xx
	ackBody   bool // the ACK of the INVITE has the answer
	refreshed int
	times     []time.Time // of statuses
	rseq      int         // of the last reliable response
}

// Marker gives the marker that its telephone says.
func (c *Call) Marker() int { return c.p.Marker }

// Described gives the last SDP that came, and its direction.
func (c *Call) Described() (sdp, direction string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.Far, c.Direction
}

// State gives the last status of its INVITE, whether it was answered, and whether it is over.
func (c *Call) State() (status int, answered, ended bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.status, c.answered, c.ended
}

// FirstAt gives when the first response with a status came to its INVITE.
func (c *Call) FirstAt(status int) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, s := range c.statuses {
		if s == status {
			return c.times[i]
		}
	}
	return time.Time{}
}

// Statuses gives all responses that came to its INVITE.
func (c *Call) Statuses() []int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]int(nil), c.statuses...)
}

// Answered waits until the call is up.
func (c *Call) Answered(d time.Duration) bool {
	return c.p.Wait(d, func() bool { _, a, _ := c.State(); return a })
}

// Ended waits until the call is over.
func (c *Call) Ended(d time.Duration) bool {
	return c.p.Wait(d, func() bool { _, _, e := c.State(); return e })
}

// Rings waits for a 18x.
func (c *Call) Rings(d time.Duration) bool {
	return c.p.Wait(d, func() bool {
		for _, s := range c.Statuses() {
			if s >= 180 && s < 190 {
				return true
			}
		}
		return false
	})
}

// HearsTone waits until it hears a tone of [Phone.Tones], or nothing for "".
func (c *Call) HearsTone(name string, d time.Duration) bool {
	return c.p.Wait(d, func() bool { return c.Sound != nil && c.Sound.Tone() == name })
}

// HearsNot waits until it does not hear a marker any more.
func (c *Call) HearsNot(marker int, d time.Duration) bool {
	return c.p.Wait(d, func() bool { return c.Sound != nil && !c.Sound.Hears(marker) })
}

// Hears waits until it hears a marker.
func (c *Call) Hears(marker int, d time.Duration) bool {
	return c.p.Wait(d, func() bool { return c.Sound != nil && c.Sound.Hears(marker) })
}

func (c *Call) mute() {
	if c.Sound != nil {
		c.Sound.Close()
	}
}

func (p *Phone) newCall(id string, incoming bool) *Call {
	c := &Call{p: p, ID: id, Incoming: incoming, version: 1}
	if p.Audio != nil {
		conn, addr, err := p.Audio()
		if err == nil {
			c.Sound, c.addr = newSound(p, conn, rand.Uint32()), addr
		}
	}
	p.mu.Lock()
	p.calls[id] = c
	p.order = append(p.order, c)
	p.mu.Unlock()
	return c
}

// Call dials a number and returns at once; the call goes on by itself until its first
// final response.
func (p *Phone) Call(number string) *Call {
	id := fmt.Sprintf("call-%s-%016x", p.User, rand.Uint64())
	c := p.newCall(id, false)
	c.local = fmt.Sprintf("<sip:%s@%s>;tag=%08x", p.User, p.Box, rand.Uint32())
	c.remote = fmt.Sprintf("<sip:%s@%s>", number, p.Box)
	uri := fmt.Sprintf("sip:%s@%s", number, p.Box)
	c.target = uri
	body := ""
	if !p.Late {
		body = c.SDP("sendrecv")
	}
	go func() {
		res := p.authorized("INVITE", uri, func() []string {
			c.mu.Lock()
			c.cseq++
			n := c.cseq
			c.mu.Unlock()
			h := []string{"From: " + c.local, "To: " + c.remote, "Call-ID: " + id, "CSeq: " + strconv.Itoa(n) + " INVITE", "Contact: " + p.contact()}
			if body != "" {
				h = append(h, "Content-Type: application/sdp")
			}
			if p.Timer != "" {
				h = append(h, "Supported: timer", "Session-Expires: "+p.Timer)
			}
			if p.Reliable {
				h = append(h, "Require: 100rel")
			}
			return append(h, p.Extra...)
		}, body)
		if res == nil {
			c.end()
		} else if res.Status() >= 300 {
			p.ackFailure(uri, res)
			c.end()
		}
	}()
	return c
}

func (c *Call) end() {
	c.mu.Lock()
	c.ended = true
	c.mu.Unlock()
	c.mute()
	c.p.changed()
}

// response is any response with the call's Call-ID.
func (c *Call) response(m *Message) {
	if m.Method() != "INVITE" || m.Status() == 401 {
		return
	}
	c.mu.Lock()
	c.status = m.Status()
	c.statuses = append(c.statuses, m.Status())
	c.times = append(c.times, time.Now())
	if rseq, _ := strconv.Atoi(m.Get("RSeq")); m.Status() < 200 && rseq > 0 {
		again := rseq <= c.rseq
		c.rseq = rseq
		if tag(m.Get("To")) != "" {
			c.remote, c.target = m.Get("To"), angle(m.Get("Contact"))
		}
		c.mu.Unlock()
		if !again {
			c.hear(m.Body)
			go c.prack(m)
		}
		return
	}
	if m.Status() < 200 || m.Status() >= 300 {
		c.mu.Unlock()
		return
	}
	c.remote, c.target = m.Get("To"), angle(m.Get("Contact"))
	late := c.p.Late && !c.Incoming && !c.agreed && !c.answered || c.answered && c.ackBody
	c.answered = true
	c.ackBody = late
	cseq := m.CSeq()
	c.mu.Unlock()
	c.hear(m.Body)
	if c.p.NoAck {
		return
	}
	body := ""
	h := []string{"CSeq: " + strconv.Itoa(cseq) + " ACK"}
	if late {
		body = c.SDP("sendrecv")
		h = append(h, "Content-Type: application/sdp")
	}
	c.raw("ACK", h, body)
	if c.crossed() {
		go c.Hang()
	}
}

// crossed tells, once, that a CANCEL met the 2xx.
func (c *Call) crossed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	was := c.canceled
	c.canceled = false
	return was
}

// raw sends a request of the dialog that gets no answer.
func (c *Call) raw(method string, headers []string, body string) {
	v, _ := c.p.via()
	c.mu.Lock()
	m := &Message{Start: method + " " + c.target + " SIP/2.0", Headers: append([]string{v, "Max-Forwards: 70", "From: " + c.local, "To: " + c.remote, "Call-ID: " + c.ID}, headers...), Body: body}
	c.mu.Unlock()
	m.Headers = append(m.Headers, "Content-Length: "+strconv.Itoa(len(body)))
	c.p.send(m)
}

// Request sends a request in the dialog and gives its final response.
func (c *Call) Request(method string, headers []string, body string) *Message {
	c.mu.Lock()
	c.cseq++
	h := append([]string{"From: " + c.local, "To: " + c.remote, "Call-ID: " + c.ID, fmt.Sprintf("CSeq: %d %s", c.cseq, method), "Contact: " + c.p.contact()}, headers...)
	target := c.target
	c.mu.Unlock()
	return c.p.Do(method, target, h, body)
}

// Hang hangs up: CANCEL, an error status or BYE, as the call stands.
func (c *Call) Hang() int {
	c.mu.Lock()
	answered, ended := c.answered, c.ended
	c.mu.Unlock()
	switch {
	case ended:
		return 0
	case answered:
		res := c.Request("BYE", nil, "")
		c.end()
		if res == nil {
			return 0
		}
		return res.Status()
	case c.Incoming:
		c.Reply(486, "Busy Here", nil, "")
		c.end()
		return 486
	}
	return c.Cancel()
}

// Cancel cancels its own INVITE and gives the answer to the CANCEL.
func (c *Call) Cancel() int {
	c.mu.Lock()
	c.canceled = true
	via, target, n := c.via, c.sentTo, c.cseq
	h := []string{via, "Max-Forwards: 70", "From: " + c.local, "To: " + c.sentAs, "Call-ID: " + c.ID, fmt.Sprintf("CSeq: %d CANCEL", n), "Content-Length: 0"}
	c.mu.Unlock()
	c.p.send(&Message{Start: "CANCEL " + target + " SIP/2.0", Headers: h})
	return 0
}

// Reply answers the INVITE that came.
func (c *Call) Reply(status int, reason string, headers []string, body string) {
	c.mu.Lock()
	m := c.p.reply(c.Invite, status, reason, c.local, headers, body)
	if status >= 200 && status < 300 {
		c.answered = true
	}
	c.answer = m
	c.mu.Unlock()
	c.p.send(m)
	if status >= 200 && c.p.TCP == nil {
		go c.repeat(m)
	}
}

// Answer answers it with a session.
func (c *Call) Answer() {
	h := []string{"Contact: " + c.p.contact(), "Content-Type: application/sdp"}
	if c.p.Timer != "" {
		h = append(h, "Session-Expires: "+c.p.Timer, "Require: timer")
	}
	c.Reply(200, "OK", h, c.SDP("sendrecv"))
	c.hear(c.Invite.Body)
	c.p.changed()
}

// repeat sends a final response until its ACK comes (RFC 3261 sections 13.3.1.4, 17.2.1).
func (c *Call) repeat(m *Message) {
	pause := 500 * time.Millisecond
	for end := time.Now().Add(32 * time.Second); time.Now().Before(end); pause = min(2*pause, 4*time.Second) {
		time.Sleep(pause)
		if c.Acks() > 0 || c.p.gone() {
			return
		}
		c.p.send(m)
	}
}
