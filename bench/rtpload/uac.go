package main

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"
)

// uacCall is a call that we placed.
type uacCall struct {
	a          *agent
	callID     string
	from, to   string // From and To header values of the dialog (To with tag)
	remote     string // remote target URI
	routes     []string
	cseq       int
	user, pass string
	media      *rtpEnd
	sdp        []byte
	toPDD      time.Duration // first INVITE sent -> first 18x (or 200)
	toOK       time.Duration // first INVITE sent -> 200
	byed       atomic.Bool   // far end hung up
}

// callErr is why a call was not answered: a status, or err.
type callErr struct {
	status int
	err    error
}

func (e *callErr) Error() string {
	if e.err != nil {
		return e.err.Error()
	}
	return fmt.Sprintf("SIP %d", e.status)
}

// invite places a call and returns it once answered and ACKed.
func (a *agent) invite(dial, user, pass string, media *rtpEnd, timeout time.Duration) (*uacCall, error) {
	c := &uacCall{a: a, callID: token(12), user: user, pass: pass, media: media}
	port := a.sinkPort
	if media != nil {
		port = media.port
	}
	c.sdp = buildSDP(a.localIP, port, a.pt)
	c.from = "<sip:" + user + "@" + a.domain + ">;tag=" + token(5)
	ruri := "sip:" + dial + "@" + a.domain
	to := "<" + ruri + ">"
	base := fmt.Sprintf("Contact: <sip:%s@%s>\r\nAllow: INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO, NOTIFY\r\n", user, a.local)
	a.mu.Lock()
	a.uac[c.callID] = c
	a.mu.Unlock()
	drop := func() { a.mu.Lock(); delete(a.uac, c.callID); a.mu.Unlock() }

	start := time.Now()
	var ringAt time.Time
	prov := func(m *msg) {
		if m.status > 100 && ringAt.IsZero() {
			ringAt = m.at
		}
	}
	auth := ""
	for c.cseq = 1; ; c.cseq++ {
		br := newBranch()
		left := timeout - time.Since(start)
		if left <= 0 {
			drop()
			return nil, &callErr{err: errTimeout}
		}
		m, err := a.transact(a.build("INVITE", ruri, br, c.from, to, c.callID, c.cseq, base+auth, c.sdp), br, true, left, prov)
		if err != nil {
			// Give up on this call: CANCEL it so that the target does not keep it.
			a.send(a.build("CANCEL", ruri, br, c.from, to, c.callID, c.cseq, "", nil))
			drop()
			return nil, &callErr{err: err}
		}
		if m.status >= 300 {
			ack := a.build("ACK", ruri, br, c.from, m.get("to"), c.callID, c.cseq, "", nil)
			a.keepAck(br, ack)
			a.send(ack)
			if (m.status == 401 || m.status == 407) && auth == "" && pass != "" {
				k, v, err := digestHeader(m, "INVITE", ruri, user, pass, token(8))
				if err == nil {
					auth = k + ": " + v + "\r\n"
					continue
				}
			}
			drop()
			return nil, &callErr{status: m.status}
		}
		c.toOK = m.at.Sub(start)
		c.toPDD = c.toOK
		if !ringAt.IsZero() {
			c.toPDD = ringAt.Sub(start)
		}
		c.to = m.get("to")
		c.remote = uriOf(m.get("contact"))
		if c.remote == "" {
			c.remote = ruri
		}
		var rr []string
		for _, v := range m.all("record-route") {
			rr = append(rr, splitList(v)...)
		}
		for i := len(rr) - 1; i >= 0; i-- {
			c.routes = append(c.routes, rr[i])
		}
		ack := a.build("ACK", c.remote, newBranch(), c.from, c.to, c.callID, c.cseq, c.routeHdr(), nil)
		a.keepAck(br, ack)
		a.send(ack)
		if media != nil {
			ap, err := mediaAddr(m.body)
			if err != nil {
				c.bye(timeout)
				return nil, &callErr{err: err}
			}
			media.setRemote(ap)
			media.start()
		}
		return c, nil
	}
}

func (c *uacCall) routeHdr() string {
	if len(c.routes) == 0 {
		return ""
	}
	return "Route: " + strings.Join(c.routes, ", ") + "\r\n"
}

// keepAck has the ACK sent again whenever the final answer comes again.
func (a *agent) keepAck(branch string, ack []byte) {
	a.mu.Lock()
	a.acks[branch] = ack
	a.mu.Unlock()
	time.AfterFunc(32*time.Second, func() { a.mu.Lock(); delete(a.acks, branch); a.mu.Unlock() })
}

// bye ends the call and its media.
func (c *uacCall) bye(timeout time.Duration) error {
	a := c.a
	defer func() {
		if c.media != nil {
			c.media.stop()
		}
		time.AfterFunc(5*time.Second, func() { a.mu.Lock(); delete(a.uac, c.callID); a.mu.Unlock() })
	}()
	if c.byed.Load() {
		return errors.New("far end hung up first")
	}
	extra := c.routeHdr()
	for try := 0; try < 2; try++ {
		c.cseq++
		br := newBranch()
		m, err := a.transact(a.build("BYE", c.remote, br, c.from, c.to, c.callID, c.cseq, extra, nil), br, false, timeout, nil)
		if err != nil {
			return err
		}
		if (m.status == 401 || m.status == 407) && try == 0 {
			k, v, err := digestHeader(m, "BYE", c.remote, c.user, c.pass, token(8))
			if err != nil {
				return err
			}
			extra += k + ": " + v + "\r\n"
			continue
		}
		if m.status >= 300 {
			return &callErr{status: m.status}
		}
		return nil
	}
	return errors.New("BYE refused")
}
