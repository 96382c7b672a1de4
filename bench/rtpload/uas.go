package main

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// leg is a call that came to us.
type leg struct {
	toTag       string
	last        []byte // last response to the INVITE
	acked       chan struct{}
	ackOnce     sync.Once
	media       *rtpEnd
	sdp         []byte
	answered    bool
	inviteCSeq  int
	canceledInv *msg
}

// reply builds a response to m.
func (a *agent) reply(m *msg, status int, reason, toTag, extra string, body []byte) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "SIP/2.0 %d %s\r\n", status, reason)
	for _, v := range m.all("via") {
		b.WriteString("Via: " + v + "\r\n")
	}
	for _, v := range m.all("record-route") {
		b.WriteString("Record-Route: " + v + "\r\n")
	}
	to := m.get("to")
	if toTag != "" && param(to, "tag") == "" {
		to += ";tag=" + toTag
	}
	fmt.Fprintf(&b, "From: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %s\r\n%s",
		m.get("from"), to, m.get("call-id"), m.get("cseq"), extra)
	if body != nil {
		b.WriteString("Content-Type: application/sdp\r\n")
	}
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(body), body)
	return []byte(b.String())
}

// contactFor is our address as the user that m is for.
func (a *agent) contactFor(m *msg) string {
	u := uriOf(m.get("to"))
	user := "load"
	if i := strings.IndexByte(u, ':'); i >= 0 {
		if j := strings.IndexByte(u, '@'); j > i {
			user = u[i+1 : j]
		}
	}
	return fmt.Sprintf("Contact: <sip:%s@%s>\r\nAllow: INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO, NOTIFY\r\n", user, a.local)
}

// request answers what the target asks of us.
func (a *agent) request(m *msg) {
	id := m.get("call-id")
	out := func(b []byte) { a.conn.WriteToUDPAddrPort(b, m.src) }
	a.mu.Lock()
	l, call := a.legs[id], a.uac[id]
	a.mu.Unlock()
	switch m.method {
	case "ACK":
		if l != nil {
			l.ackOnce.Do(func() { close(l.acked) })
		}
	case "INVITE":
		switch {
		case call != nil: // re-INVITE towards our caller
			if call.media != nil {
				if ap, err := mediaAddr(m.body); err == nil {
					call.media.setRemote(ap)
				}
			}
			out(a.reply(m, 200, "OK", "", a.contactFor(m), call.sdp))
		case l != nil && param(m.get("to"), "tag") != "": // re-INVITE towards our callee
			if l.media != nil {
				if ap, err := mediaAddr(m.body); err == nil {
					l.media.setRemote(ap)
				}
			}
			out(a.reply(m, 200, "OK", l.toTag, a.contactFor(m), l.sdp))
		case l != nil: // retransmission
			a.mu.Lock()
			last := l.last
			a.mu.Unlock()
			out(last)
		default:
			a.newLeg(m)
		}
	case "BYE":
		if call != nil {
			call.byed.Store(true)
		}
		if l != nil && l.media != nil {
			l.media.stop()
		}
		out(a.reply(m, 200, "OK", token(4), "", nil))
	case "CANCEL":
		out(a.reply(m, 200, "OK", token(4), "", nil))
		if l != nil && !l.answered {
			inv := l.canceledInv
			b := a.reply(inv, 487, "Request Terminated", l.toTag, "", nil)
			a.mu.Lock()
			l.last = b
			a.mu.Unlock()
			out(b)
		}
	default: // OPTIONS, NOTIFY, INFO, UPDATE, MESSAGE ...
		out(a.reply(m, 200, "OK", token(4), a.contactFor(m), nil))
	}
}

// newLeg rings, and answers at once or after -answer-delay.
func (a *agent) newLeg(m *msg) {
	l := &leg{toTag: token(6), acked: make(chan struct{}), canceledInv: m}
	port := a.sinkPort
	if a.newMedia != nil {
		l.media = a.newMedia()
		if l.media == nil {
			a.conn.WriteToUDPAddrPort(a.reply(m, 486, "Busy Here", l.toTag, "", nil), m.src)
			return
		}
		port = l.media.port
		if ap, err := mediaAddr(m.body); err == nil {
			l.media.setRemote(ap)
		}
	}
	l.sdp = buildSDP(a.localIP, port, a.pt)
	ring := a.reply(m, 180, "Ringing", l.toTag, a.contactFor(m), nil)
	ok := a.reply(m, 200, "OK", l.toTag, a.contactFor(m), l.sdp)
	id := m.get("call-id")
	a.mu.Lock()
	l.last = ring
	a.legs[id] = l
	a.mu.Unlock()
	a.conn.WriteToUDPAddrPort(ring, m.src)
	answer := func() {
		a.mu.Lock()
		l.last, l.answered = ok, true
		a.mu.Unlock()
		a.conn.WriteToUDPAddrPort(ok, m.src)
		if l.media != nil {
			l.media.start()
		}
		a.again(l, ok, m.src, t1)
	}
	if a.answerDelay == 0 {
		answer()
	} else {
		time.AfterFunc(a.answerDelay, answer)
	}
	time.AfterFunc(10*time.Minute, func() { a.mu.Lock(); delete(a.legs, id); a.mu.Unlock() })
}

// again repeats the 200 until the ACK comes.
func (a *agent) again(l *leg, ok []byte, dst netip.AddrPort, d time.Duration) {
	time.AfterFunc(d, func() {
		select {
		case <-l.acked:
			return
		default:
		}
		if d > 16*time.Second {
			return
		}
		a.retrans.Add(1)
		a.conn.WriteToUDPAddrPort(ok, dst)
		a.again(l, ok, dst, 2*d)
	})
}
