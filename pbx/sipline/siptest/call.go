package siptest

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strconv"
	"strings"
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
	rseq      int // of the last reliable response
}

// Target gives where its requests in the dialog go.
func (c *Call) Target() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.target
}

// Marker gives the marker that its telephone says.
func (c *Call) Marker() int { return c.p.Marker }

// Described gives the last SDP that came, and its direction.
func (c *Call) Described() (sdp, direction string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.Far, c.Direction
}

func (c *Call) State() (status int, answered, ended bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.status, c.answered, c.ended
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

// SDP gives its session description.
func (c *Call) SDP(direction string) string {
	var pts, maps strings.Builder
	for _, pt := range c.p.Codecs {
		fmt.Fprintf(&pts, " %d", pt)
		fmt.Fprintf(&maps, "a=rtpmap:%d %s/8000\r\n", pt, map[byte]string{0: "PCMU", 8: "PCMA"}[pt])
	}
	return fmt.Sprintf("v=0\r\no=- 7 %d IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\nm=audio %d RTP/AVP%s %d\r\n%sa=rtpmap:%[6]d telephone-event/8000\r\na=fmtp:%[6]d 0-16\r\na=ptime:%[8]d\r\na=%[9]s\r\n",
		c.version, c.addr.Addr(), c.addr.Addr(), c.addr.Port(), pts.String(), c.p.Events, maps.String(), c.p.PTime.Milliseconds(), direction)
}

// hear takes the far side's SDP.
func (c *Call) hear(sdp string) {
	if sdp == "" || c.Sound == nil {
		return
	}
	c.mu.Lock()
	c.Far, c.Direction = sdp, "sendrecv"
	var host string
	var port, pt, events int
	pt = -1
	for _, l := range strings.Split(sdp, "\r\n") {
		switch {
		case strings.HasPrefix(l, "c=IN IP"):
			host = l[9:]
		case strings.HasPrefix(l, "m=audio "):
			f := strings.Fields(l[8:])
			port, _ = strconv.Atoi(f[0])
			pt, _ = strconv.Atoi(f[2])
		case strings.HasPrefix(l, "a=rtpmap:") && strings.Contains(l, "telephone-event"):
			events, _ = strconv.Atoi(strings.Fields(l[9:])[0])
		case l == "a=sendonly" || l == "a=recvonly" || l == "a=inactive":
			c.Direction = l[2:]
		}
	}
	c.mu.Unlock()
	if a, err := netip.ParseAddr(host); err == nil && pt >= 0 && port > 0 {
		c.Sound.start(netip.AddrPortFrom(a, uint16(port)), byte(pt), byte(events))
	}
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
		c.p.mu.Lock()
		closed := c.p.closed
		c.p.mu.Unlock()
		if c.Acks() > 0 || closed {
			return
		}
		c.p.send(m)
	}
}

// Reason gives the Reason header that the call ended with.
func (c *Call) Reason() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reason
}
