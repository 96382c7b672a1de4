package sipline

import (
	"context"
	"errors"
	"os"
	"time"

	"sotto/pbx/sipline/edge"
	"sotto/pbx/sipline/wire"
)

// accept takes connections.
func (s *Server) accept(ctx context.Context) {
	for {
		c, err := s.cfg.TCP.Accept()
		if err != nil {
			if ctx.Err() != nil || errClosed(err) {
				return
			}
			s.notes.note("sip listener", err.Error())
			time.Sleep(50 * time.Millisecond)
			continue
		}
		if s.conns.add(c, false) == nil {
			c.Close()
		}
	}
}

// readStream reads one connection to its end.
func (s *Server) readStream(c *conn) {
	check := edge.NewChecker(s.seed)
	var frames edge.Stream
	buf := make([]byte, 4096) // well under edge.MaxMessage
	opened := time.Now()
	var half time.Time // since when a message is incomplete
	heard := false
	for {
		now := time.Now()
		var limit time.Time
		if !s.conns.isKnown(c) {
			limit = opened.Add(strangerLife)
			if !heard {
				limit = opened.Add(firstMessage)
			}
		}
		if frames.Partial() {
			if half.IsZero() {
				half = now
			}
			if l := half.Add(halfMessage); limit.IsZero() || l.Before(limit) {
				limit = l
			}
		} else {
			half = time.Time{}
		}
		c.c.SetReadDeadline(limit)
		n, err := c.c.Read(buf)
		frames.Write(buf[:n])
		for {
			msg, ok, ferr := frames.Next()
			if !ok && ferr == nil {
				break
			}
			heard, half = true, time.Time{}
			who := edge.Near // no address of a connection is invented: it is charged to that alone
			known := s.conns.isKnown(c) || s.known.has(knownKey{wire.TCP, c.flow.Remote})
			if known {
				who = edge.Known
			}
			if !s.limiter.Allow(time.Now(), c.flow.Remote, who) {
				s.count.limited.Add(1)
				if ferr != nil {
					return
				}
				continue
			}
			if s.take(check, msg, c.flow, known) || ferr != nil {
				select { // what came before is perhaps being answered
				case <-c.done:
				case <-time.After(lastAnswer):
				}
				c.finish()
				<-c.done
				return
			}
		}
		switch {
		case err == nil:
		case errors.Is(err, os.ErrDeadlineExceeded) && s.conns.isKnown(c) && !frames.Partial():
			// it has become known while it was read
		default:
			return
		}
	}
}

// send sends a message, and never waits: to a connection it is queued. A connection that
// does not take what is queued is closed; one that is gone is opened anew, to where the
// telephone was.
func (s *Server) send(flow wire.Flow, data []byte) {
	if flow.Proto == wire.UDP {
		if s.cfg.UDP != nil && flow.Remote.IsValid() {
			s.cfg.UDP.WriteToUDPAddrPort(data, flow.Remote)
		}
		return
	}
	t := &s.conns
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.byID[flow.Conn]
	if c == nil {
		c = t.byRemote[flow.Remote]
	}
	if c == nil {
		t.dial(flow, data)
		return
	}
	select {
	case c.queue <- data:
	default:
		c.close()
	}
}

// dial opens a connection for what is to be sent, under mu.
func (t *connTable) dial(flow wire.Flow, data []byte) {
	if flow.Conn != 0 {
		return // a response whose connection is gone
	}
	list, under := t.dialing[flow.Remote]
	if t.closed || t.s.cfg.Dial == nil || len(list) >= maxQueue || !under && len(t.dialing) >= maxDials {
		t.undialled.Add(1)
		t.s.order(func() { t.s.txn.Lost(t.s.now, flow) })
		return
	}
	t.dialing[flow.Remote] = append(list, data)
	if under {
		return
	}
	t.wait.Go(func() {
		ctx, stop := context.WithTimeout(t.ctx, dialLimit)
		defer stop()
		nc, err := t.s.cfg.Dial(ctx, flow.Local.Addr(), flow.Remote)
		if err == nil {
			if t.add(nc, true) != nil {
				return
			}
			nc.Close()
		}
		t.mu.Lock()
		delete(t.dialing, flow.Remote)
		t.mu.Unlock()
		t.undialled.Add(1)
		t.s.order(func() { t.s.txn.Lost(t.s.now, flow) })
	})
}
