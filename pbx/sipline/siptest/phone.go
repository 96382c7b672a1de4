package siptest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"sotto/board/sim/ear"
)

// Phone is a SIP telephone. Set its fields before Start.
type Phone struct {
	User, Secret string
	Box          netip.AddrPort                       // where its messages go
	Addr         netip.AddrPort                       // its own, as it stands in Contact and Via
	UDP          Conn                                 // or
	TCP          net.Conn                             //
	Audio        func() (Conn, netip.AddrPort, error) // opens a socket for RTP and tells its address for the SDP
	Heard        func(marker int, on bool)            // called when a marker begins and ends
	Marker       int                                  // what it says; -1 nothing
	Codecs       []byte                               // payload types offered, in order; nil: 8 0
	MD5          bool                                 // answers the MD5 challenge although there is a better one
	Answers      time.Duration                        // answers an incoming call by itself after it; negative: not at all
	Refuses      int                                  // answers an incoming call with this status at once
	Silent       bool                                 // rings not: no 180
	Agent        string
	Extra        []string // headers of its INVITEs
	Late         bool     // its INVITEs have no SDP: the offer comes with the answer
	NoAck        bool     // it never acknowledges a 2xx

	Reliable bool          // its INVITEs require 100rel, and its 180 is sent so to who supports it (RFC 3262)
	Timer    string        // Session-Expires of its INVITEs and answers, "" for none (RFC 4028)
	PTime    time.Duration // sound in a packet, and what its SDP asks for; 0 for 20 ms
	Events   byte          // payload type of its telephone-events; 0 for 101
	Drift    float64       // by what share its clock is fast; 100 ppm is 1e-4
	Tones    []ear.Spec    // sounds that it can name, beside markers and digits

	mu      sync.Mutex
	moved   chan struct{}
	pending map[string]*pending // by branch
	calls   map[string]*Call    // by Call-ID
	order   []*Call
	Log     []string // first lines of all messages, < in, > out
	cseq    int
	callID  string
	nc      int
	closed  bool
}

type pending struct {
	method string
	res    []*Message
	done   bool // final
}

// Start begins to read.
func (p *Phone) Start() {
	p.moved, p.pending, p.calls = make(chan struct{}), map[string]*pending{}, map[string]*Call{}
	p.callID = fmt.Sprintf("reg-%s-%08x", p.User, rand.Uint32())
	if p.Codecs == nil {
		p.Codecs = []byte{8, 0}
	}
	if p.PTime == 0 {
		p.PTime = 20 * time.Millisecond
	}
	if p.Events == 0 {
		p.Events = 101
	}
	if p.TCP != nil {
		go p.readStream()
		return
	}
	go p.readPackets()
}

// Close takes the telephone off the network, like a power cut.
func (p *Phone) Close() {
	p.mu.Lock()
	p.closed = true
	for _, c := range p.order {
		c.mute()
	}
	p.mu.Unlock()
	if p.UDP != nil {
		p.UDP.Close()
	}
	if p.TCP != nil {
		p.TCP.Close()
	}
	p.changed()
}

func (p *Phone) readPackets() {
	b := make([]byte, 65536)
	for {
		n, _, err := p.UDP.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		if n > 4 {
			p.take(ParseMessage(b[:n]))
		}
	}
}

func (p *Phone) readStream() {
	r := bufio.NewReaderSize(p.TCP, 65536)
	for {
		var head strings.Builder
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			if line == "\r\n" {
				if head.Len() == 0 {
					continue // keep-alive
				}
				break
			}
			head.WriteString(line)
		}
		m := ParseMessage([]byte(head.String() + "\r\n"))
		n, _ := strconv.Atoi(m.Get("Content-Length"))
		body := make([]byte, n)
		if _, err := io.ReadFull(r, body); err != nil {
			return
		}
		m = ParseMessage([]byte(strings.TrimSuffix(head.String(), "\r\n") + "\r\n\r\n" + string(body)))
		p.take(m)
	}
}

// send sends a message as it is.
func (p *Phone) send(m *Message) {
	p.mu.Lock()
	p.Log = append(p.Log, "> "+m.Start)
	p.mu.Unlock()
	p.Raw([]byte(m.String()))
}

// Raw sends bytes.
func (p *Phone) Raw(b []byte) {
	if p.TCP != nil {
		p.TCP.Write(b)
		return
	}
	p.UDP.WriteToUDPAddrPort(b, p.Box)
}

func (p *Phone) take(m *Message) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return
	}
	p.Log = append(p.Log, "< "+m.Start)
	p.mu.Unlock()
	if m.Status() > 0 {
		_, branch, _ := strings.Cut(m.Get("Via"), "branch=")
		branch, _, _ = strings.Cut(branch, ";")
		p.mu.Lock()
		if t := p.pending[branch]; t != nil && t.method == m.Method() { // a CANCEL has its INVITE's branch
			t.res = append(t.res, m)
			t.done = t.done || m.Status() >= 200
		}
		c := p.calls[m.Get("Call-ID")]
		p.mu.Unlock()
		if c != nil {
			c.response(m)
		}
		p.changed()
		return
	}
	p.request(m)
	p.changed()
}

// gone tells whether it is off the network.
func (p *Phone) gone() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}

// changed wakes who waits.
func (p *Phone) changed() {
	p.mu.Lock()
	close(p.moved)
	p.moved = make(chan struct{})
	p.mu.Unlock()
}

// Wait waits until cond holds, at most d and not after Close; it tells whether it does.
func (p *Phone) Wait(d time.Duration, cond func() bool) bool {
	limit := time.NewTimer(d)
	defer limit.Stop()
	for {
		p.mu.Lock()
		moved, closed := p.moved, p.closed
		p.mu.Unlock()
		if ok := cond(); ok || closed {
			return ok
		}
		select {
		case <-moved:
		case <-time.After(20 * time.Millisecond):
		case <-limit.C:
			return cond()
		}
	}
}

func (p *Phone) proto() string {
	if p.TCP != nil {
		return "TCP"
	}
	return "UDP"
}

func (p *Phone) via() (header, branch string) {
	branch = fmt.Sprintf("z9hG4bK%016x", rand.Uint64())
	return fmt.Sprintf("Via: SIP/2.0/%s %s;branch=%s;rport", p.proto(), p.Addr, branch), branch
}

func (p *Phone) contact() string {
	t := ""
	if p.TCP != nil {
		t = ";transport=tcp"
	}
	return fmt.Sprintf("<sip:%s@%s%s>", p.User, p.Addr, t)
}

// Do sends a request with the headers given (no Via) and gives its final response, nil
// for none within 32 s. It repeats the request over UDP.
func (p *Phone) Do(method, uri string, headers []string, body string) *Message {
	v, branch := p.via()
	m := &Message{Start: method + " " + uri + " SIP/2.0", Headers: append([]string{v, "Max-Forwards: 70"}, headers...), Body: body}
	if p.Agent != "" {
		m.Headers = append(m.Headers, "User-Agent: "+p.Agent)
	}
	m.Headers = append(m.Headers, "Content-Length: "+strconv.Itoa(len(body)))
	t := &pending{method: method}
	p.mu.Lock()
	p.pending[branch] = t
	c := p.calls[m.Get("Call-ID")]
	p.mu.Unlock()
	if c != nil && method == "INVITE" {
		c.mu.Lock()
		c.via, c.sentTo, c.sentAs = v, uri, m.Get("To")
		c.mu.Unlock()
	}
	answered := func() bool { p.mu.Lock(); defer p.mu.Unlock(); return len(t.res) > 0 }
	final := func() bool { p.mu.Lock(); defer p.mu.Unlock(); return t.done }
	pause := 500 * time.Millisecond
	for end := time.Now().Add(32 * time.Second); time.Now().Before(end); pause = min(2*pause, 4*time.Second) {
		p.send(m)
		if p.Wait(pause, answered) || p.TCP != nil || p.gone() {
			break
		}
	}
	limit := 32 * time.Second
	if method == "INVITE" {
		limit = 10 * time.Minute
	}
	p.Wait(limit, final)
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.pending, branch)
	if !t.done {
		return nil
	}
	return t.res[len(t.res)-1]
}

// authorized does a request, and again with credentials when it is challenged.
func (p *Phone) authorized(method, uri string, headers func() []string, body string) *Message {
	res := p.Do(method, uri, headers(), body)
	if res == nil || res.Status() != 401 {
		return res
	}
	if method == "INVITE" {
		p.ackFailure(uri, res)
	}
	challenge := ""
	for _, c := range res.All("WWW-Authenticate") {
		if md5 := !strings.Contains(c, "SHA-256"); challenge == "" || md5 == p.MD5 {
			challenge = c
		}
	}
	p.mu.Lock()
	p.nc++
	p.mu.Unlock()
	return p.Do(method, uri, append(headers(), "Authorization: "+credentials(challenge, method, uri, p.User, p.Secret, 1)), body)
}

func (p *Phone) ackFailure(uri string, res *Message) {
	n := strconv.Itoa(res.CSeq())
	p.send(&Message{Start: "ACK " + uri + " SIP/2.0", Headers: []string{"Via: " + res.Get("Via"), "Max-Forwards: 70", "From: " + res.Get("From"), "To: " + res.Get("To"),
		"Call-ID: " + res.Get("Call-ID"), "CSeq: " + n + " ACK", "Content-Length: 0"}})
}

// ErrRefused is a status that is not wanted.
var ErrRefused = errors.New("refused")

// Register registers for so many seconds; 0 takes the registration back.
func (p *Phone) Register(expires int) error {
	uri := fmt.Sprintf("sip:%s", p.Box)
	from := fmt.Sprintf("<sip:%s@%s>", p.User, p.Box)
	res := p.authorized("REGISTER", uri, func() []string {
		p.mu.Lock()
		p.cseq++
		n := p.cseq
		p.mu.Unlock()
		return []string{"From: " + from + ";tag=" + strconv.FormatUint(uint64(rand.Uint32()), 16), "To: " + from, "Call-ID: " + p.callID,
			"CSeq: " + strconv.Itoa(n) + " REGISTER", "Contact: " + p.contact() + ";expires=" + strconv.Itoa(expires)}
	}, "")
	if res == nil {
		return errors.New("no answer")
	}
	if res.Status() != 200 {
		return fmt.Errorf("%w: %s", ErrRefused, res.Start)
	}
	return nil
}

// Calls gives its calls, the newest last.
func (p *Phone) Calls() []*Call {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]*Call(nil), p.order...)
}

// Incoming waits for a call that came in after the first n calls, and gives it, or nil.
func (p *Phone) Incoming(n int, d time.Duration) *Call {
	p.Wait(d, func() bool { return len(p.Calls()) > n })
	if l := p.Calls(); len(l) > n {
		return l[n]
	}
	return nil
}

// Traffic gives the log of messages as one text.
func (p *Phone) Traffic() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.Log, "\n")
}

// Ask sends a request, and again with credentials when it is challenged. headers is called
// for each, and is to give each a CSeq of its own.
func (p *Phone) Ask(method, uri string, headers func() []string, body string) *Message {
	return p.authorized(method, uri, headers, body)
}
