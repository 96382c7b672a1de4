package sipline

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"time"

	"sotto/pbx/sipline/edge"
	"sotto/pbx/sipline/wire"
)

// Bounds of connections (a stranger is one who has not yet registered or called).
const (
	maxStrangers   = 64               // connections of strangers in all
	maxPerStranger = 4                // of them from one address
	maxConns       = 2048             // connections in all
	firstMessage   = 10 * time.Second // a stranger's connection that has said nothing whole is closed
	halfMessage    = 10 * time.Second // a message that has begun must be whole by then
	strangerLife   = 35 * time.Second // a stranger's connection ends when it has not become known: longer than a transaction
	writeLimit     = 10 * time.Second // a connection that takes nothing is closed
	dialLimit      = 4 * time.Second
	maxQueue       = 64 // messages that wait for a connection; over it the connection is closed
	maxDials       = 64 // connections being opened
)

// conn is one connection. Its reader and its writer are goroutines.
type conn struct {
	id    uint64
	c     net.Conn
	flow  wire.Flow
	queue chan []byte
	done  chan struct{}
	once  sync.Once
	known bool // of connTable.mu
}

func (c *conn) close() {
	c.once.Do(func() { close(c.done); c.c.Close() })
}

// connTable is all connections. Any goroutine.
type connTable struct {
	s   *Server
	ctx context.Context

	mu        sync.Mutex
	last      uint64
	byID      map[uint64]*conn
	byRemote  map[netip.AddrPort]*conn
	strangers map[netip.Addr]int
	nstranger int
	dialing   map[netip.AddrPort][][]byte
	closed    bool
	wait      sync.WaitGroup

	refused uint64
}

func (t *connTable) init(s *Server) {
	t.s = s
	t.byID, t.byRemote, t.strangers, t.dialing = map[uint64]*conn{}, map[netip.AddrPort]*conn{}, map[netip.Addr]int{}, map[netip.AddrPort][][]byte{}
}

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

// add takes a connection in and starts its goroutines; nil when there is no room for it.
func (t *connTable) add(nc net.Conn, known bool) *conn {
	local, remote := addrOf(nc.LocalAddr()), addrOf(nc.RemoteAddr())
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || len(t.byID) >= maxConns || !known && (t.nstranger >= maxStrangers || t.strangers[remote.Addr()] >= maxPerStranger) {
		t.refused++
		return nil
	}
	t.last++
	c := &conn{id: t.last, c: nc, queue: make(chan []byte, maxQueue), done: make(chan struct{}), known: known,
		flow: wire.Flow{Proto: wire.TCP, Local: local, Remote: remote, Conn: t.last}}
	t.byID[c.id], t.byRemote[remote] = c, c
	if !known {
		t.strangers[remote.Addr()]++
		t.nstranger++
	}
	t.wait.Go(func() { t.s.readStream(c); t.drop(c) })
	t.wait.Go(func() { c.write() })
	return c
}

// befriend notes that a connection is of a telephone that has shown who it is.
func (t *connTable) befriend(id uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c := t.byID[id]; c != nil && !c.known {
		c.known = true
		t.leaveStrangers(c)
	}
}

func (t *connTable) leaveStrangers(c *conn) {
	a := c.flow.Remote.Addr()
	t.nstranger--
	if t.strangers[a]--; t.strangers[a] <= 0 {
		delete(t.strangers, a)
	}
}

func (t *connTable) isKnown(c *conn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return c.known
}

// drop forgets a connection that has ended.
func (t *connTable) drop(c *conn) {
	c.close()
	t.mu.Lock()
	delete(t.byID, c.id)
	if t.byRemote[c.flow.Remote] == c {
		delete(t.byRemote, c.flow.Remote)
	}
	if !c.known {
		t.leaveStrangers(c)
		c.known = true
	}
	closed := t.closed
	t.mu.Unlock()
	if !closed {
		t.s.order(func() {
			t.s.txn.Lost(t.s.now, c.flow)
			t.s.reg.Closed(c.id)
		})
	}
}

func (t *connTable) closeAll() {
	t.mu.Lock()
	t.closed = true
	for _, c := range t.byID {
		c.close()
	}
	t.mu.Unlock()
	t.wait.Wait()
}

// write sends what is queued.
func (c *conn) write() {
	for {
		select {
		case b := <-c.queue:
			c.c.SetWriteDeadline(time.Now().Add(writeLimit))
			if _, err := c.c.Write(b); err != nil {
				c.close()
				return
			}
		case <-c.done:
			return
		}
	}
}

// closeAfter closes a connection once what is queued was sent.
func (c *conn) closeAfter() {
	select {
	case <-c.done:
	case <-time.After(100 * time.Millisecond):
		c.close()
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
			heard = true
			known := s.conns.isKnown(c) || s.known.has(knownKey{wire.TCP, c.flow.Remote})
			if !s.limiter.Allow(time.Now(), c.flow.Remote, known) {
				s.count.limited.Add(1)
				if ferr != nil {
					return
				}
				continue
			}
			if s.take(check, msg, c.flow, known) || ferr != nil {
				c.closeAfter()
				return
			}
		}
		if err != nil {
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
	list, under := t.dialing[flow.Remote]
	if flow.Conn != 0 || t.closed || t.s.cfg.Dial == nil || len(list) >= maxQueue || !under && len(t.dialing) >= maxDials {
		return // its transaction ends by time
	}
	t.dialing[flow.Remote] = append(list, data)
	if under {
		return
	}
	t.wait.Go(func() {
		ctx, stop := context.WithTimeout(t.ctx, dialLimit)
		defer stop()
		nc, err := t.s.cfg.Dial(ctx, flow.Local.Addr(), flow.Remote)
		var c *conn
		if err == nil {
			if c = t.add(nc, true); c == nil {
				nc.Close()
			}
		}
		t.mu.Lock()
		list := t.dialing[flow.Remote]
		delete(t.dialing, flow.Remote)
		t.mu.Unlock()
		if c == nil {
			t.s.order(func() { t.s.txn.Lost(t.s.now, flow) })
			return
		}
		for _, b := range list {
			select {
			case c.queue <- b:
			default:
			}
		}
	})
}
