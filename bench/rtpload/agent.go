package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const t1 = 500 * time.Millisecond // RFC 3261 section 17.1.1.2

var errTimeout = errors.New("timeout")

// agent is one SIP UDP socket, used by many users at once, as caller and as called.
type agent struct {
	conn    *net.UDPConn
	target  netip.AddrPort
	domain  string // host part of AORs
	local   string // our ip:port
	localIP string

	mu   sync.Mutex
	tx   map[string]chan *msg // branch -> client transaction
	acks map[string][]byte    // INVITE branch -> ACK to repeat
	legs map[string]*leg      // Call-ID -> UAS leg
	uac  map[string]*uacCall  // Call-ID -> UAC call

	// UAS behaviour
	newMedia    func() *rtpEnd // nil: advertise sinkPort and send nothing
	answerDelay time.Duration
	sinkPort    int
	pt          int

	retrans atomic.Int64 // requests we had to send again
	stray   atomic.Int64 // datagrams that made no sense
}

func bigBuffer(c syscall.RawConn, bytes int) {
	c.Control(func(fd uintptr) {
		// SO_RCVBUFFORCE needs privilege; fall back silently to SO_RCVBUF.
		if syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUFFORCE, bytes) != nil {
			syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, bytes)
		}
	})
}

// newAgent opens a socket on port and starts its reader, which goes on until the program
// ends.
func newAgent(target, domain, localIP string, port int, anyAddress bool) (*agent, error) {
	ta, err := netip.ParseAddrPort(target)
	if err != nil {
		return nil, fmt.Errorf("target %q: %w", target, err)
	}
	if !ta.Addr().IsLoopback() && !anyAddress {
		return nil, fmt.Errorf("target %s is not a loopback address; -any-address allows it", target)
	}
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(localIP), Port: port})
	if err != nil {
		return nil, err
	}
	if rc, err := c.SyscallConn(); err == nil {
		bigBuffer(rc, 8<<20)
	}
	if domain == "" {
		domain = ta.String()
	}
	a := &agent{conn: c, target: ta, domain: domain, localIP: localIP,
		local: c.LocalAddr().String(), tx: map[string]chan *msg{}, acks: map[string][]byte{},
		legs: map[string]*leg{}, uac: map[string]*uacCall{}}
	go a.read()
	return a, nil
}

func (a *agent) send(b []byte) { a.conn.WriteToUDPAddrPort(b, a.target) }

func (a *agent) read() {
	buf := make([]byte, 65536)
	for {
		n, src, err := a.conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			continue
		}
		at := time.Now()
		if n < 12 { // keep-alives
			continue
		}
		m, err := parseMsg(append([]byte(nil), buf[:n]...))
		if err != nil {
			a.stray.Add(1)
			continue
		}
		m.at, m.src = at, src
		if m.status != 0 {
			a.response(m)
		} else {
			a.request(m)
		}
	}
}

func (a *agent) response(m *msg) {
	br := m.branch()
	a.mu.Lock()
	ch := a.tx[br]
	ack := a.acks[br]
	a.mu.Unlock()
	if ack != nil && m.status >= 200 {
		if _, meth := m.cseq(); meth == "INVITE" {
			a.send(ack) // our ACK was lost or late
			return
		}
	}
	if ch != nil {
		select {
		case ch <- m:
		default:
		}
	}
}

// transact sends raw, again where the answer is late (RFC 3261 section 17.1), and gives
// the final response. prov sees the others; it may be nil.
func (a *agent) transact(raw []byte, branch string, invite bool, timeout time.Duration, prov func(*msg)) (*msg, error) {
	ch := make(chan *msg, 8)
	a.mu.Lock()
	a.tx[branch] = ch
	a.mu.Unlock()
	defer func() { a.mu.Lock(); delete(a.tx, branch); a.mu.Unlock() }()
	a.send(raw)
	wait := t1
	rt := time.NewTimer(wait)
	end := time.NewTimer(timeout)
	defer rt.Stop()
	defer end.Stop()
	quiet := false
	for {
		select {
		case m := <-ch:
			if m.status < 200 {
				quiet = invite
				if prov != nil {
					prov(m)
				}
				continue
			}
			return m, nil
		case <-rt.C:
			if !quiet {
				a.retrans.Add(1)
				a.send(raw)
			}
			wait *= 2
			if !invite && wait > 4*time.Second {
				wait = 4 * time.Second
			}
			rt.Reset(wait)
		case <-end.C:
			return nil, errTimeout
		}
	}
}

// build writes a request; body, if any, is SDP.
func (a *agent) build(method, ruri, branch, from, to, callID string, cseq int, extra string, body []byte) []byte {
	ct := ""
	if body != nil {
		ct = "Content-Type: application/sdp\r\n"
	}
	return []byte(fmt.Sprintf("%s %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;rport;branch=%s\r\nMax-Forwards: 70\r\n"+
		"From: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %d %s\r\nUser-Agent: rtpload\r\n%s%sContent-Length: %d\r\n\r\n%s",
		method, ruri, a.local, branch, from, to, callID, cseq, method, extra, ct, len(body), body))
}

func newBranch() string { return "z9hG4bK" + token(8) }

// register does one full REGISTER, answering a challenge once, and gives the last status.
func (a *agent) register(user, pass string, expires int, timeout time.Duration) (int, error) {
	ruri := "sip:" + a.domain
	aor := "<sip:" + user + "@" + a.domain + ">"
	id := token(10)
	from := aor + ";tag=" + token(5)
	contact := fmt.Sprintf("Contact: <sip:%s@%s>\r\nExpires: %d\r\n", user, a.local, expires)
	br := newBranch()
	m, err := a.transact(a.build("REGISTER", ruri, br, from, aor, id, 1, contact, nil), br, false, timeout, nil)
	if err != nil {
		return 0, err
	}
	if (m.status == 401 || m.status == 407) && pass != "" {
		k, v, err := digestHeader(m, "REGISTER", ruri, user, pass, token(8))
		if err != nil {
			return m.status, err
		}
		br = newBranch()
		m, err = a.transact(a.build("REGISTER", ruri, br, from, aor, id, 2, contact+k+": "+v+"\r\n", nil), br, false, timeout, nil)
		if err != nil {
			return 0, err
		}
	}
	return m.status, nil
}

// options asks what the target can do and gives the status of the answer.
func (a *agent) options(user string, timeout time.Duration) (int, error) {
	br := newBranch()
	aor := "<sip:" + user + "@" + a.domain + ">"
	ruri := "sip:" + a.domain
	m, err := a.transact(a.build("OPTIONS", ruri, br, aor+";tag="+token(5), "<"+ruri+">", token(10), 1,
		fmt.Sprintf("Contact: <sip:%s@%s>\r\nAccept: application/sdp\r\n", user, a.local), nil), br, false, timeout, nil)
	if err != nil {
		return 0, err
	}
	return m.status, nil
}
