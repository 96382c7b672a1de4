package sipline

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"sotto/pbx/plan"
	"sotto/pbx/sipline/wire"
)

// Bounds of connections (a stranger is one who has not yet registered or called).
const (
	maxStrangers   = 64               // connections of strangers in all
	maxPerStranger = 4                // of them from one address
	maxPerUser     = 16               // of telephones of one user
	maxConns       = 2048             // connections in all
	firstMessage   = 10 * time.Second // a stranger's connection that has said nothing whole is closed
	halfMessage    = 10 * time.Second // a message that has begun must be whole by then
	strangerLife   = 35 * time.Second // a stranger's connection ends when it has not become known: longer than a transaction
	writeLimit     = 10 * time.Second // a connection that takes nothing is closed
	lastAnswer     = 100 * time.Millisecond
	lastWrite      = time.Second // for what is still to be sent by one that is closed
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
	known bool        // of connTable.mu
	user  plan.UserID // whose it is, if known
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

	refused, evicted, undialled atomic.Uint64
}

func (t *connTable) init(s *Server) {
	t.s = s
	t.byID, t.byRemote, t.strangers, t.dialing = map[uint64]*conn{}, map[netip.AddrPort]*conn{}, map[netip.Addr]int{}, map[netip.AddrPort][][]byte{}
}

// add takes a connection in and starts its goroutines; nil when there is no room for it.
func (t *connTable) add(nc net.Conn, known bool) *conn {
	local, remote := addrOf(nc.LocalAddr()), addrOf(nc.RemoteAddr())
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || len(t.byID) >= maxConns || !known && t.strangers[remote.Addr()] >= maxPerStranger {
		t.refused.Add(1)
		return nil
	}
	if !known && t.nstranger >= maxStrangers {
		t.evict()
	}
	t.last++
	c := &conn{id: t.last, c: nc, queue: make(chan []byte, maxQueue), done: make(chan struct{}), known: known,
		flow: wire.Flow{Proto: wire.TCP, Local: local, Remote: remote, Conn: t.last}}
	t.byID[c.id], t.byRemote[remote] = c, c
	for _, b := range t.dialing[remote] { // no more than the queue holds
		c.queue <- b
	}
	delete(t.dialing, remote)
	if !known {
		t.strangers[remote.Addr()]++
		t.nstranger++
	}
	t.wait.Go(func() { t.s.readStream(c); t.drop(c) })
	t.wait.Go(func() { c.write() })
	return c
}

// evict closes the stranger that has been here longest, under mu: who opens connections
// and leaves them must not keep out a telephone that comes.
func (t *connTable) evict() {
	var oldest *conn
	for _, c := range t.byID {
		if !c.known && (oldest == nil || c.id < oldest.id) {
			oldest = c
		}
	}
	t.evicted.Add(1)
	t.forget(oldest)
	oldest.close()
}

// forget takes a connection out of the tables, under mu.
func (t *connTable) forget(c *conn) {
	delete(t.byID, c.id)
	if t.byRemote[c.flow.Remote] == c {
		delete(t.byRemote, c.flow.Remote)
	}
	if !c.known {
		t.leaveStrangers(c)
		c.known = true
	}
}

// befriend notes that a connection is of a telephone of a user who has shown who he is.
// One user has maxPerUser of them; the oldest makes room.
func (t *connTable) befriend(id uint64, user plan.UserID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.byID[id]
	if c == nil || c.known {
		return
	}
	c.known, c.user = true, user
	t.leaveStrangers(c)
	var oldest *conn
	n := 0
	for _, o := range t.byID {
		if o.known && o.user == user {
			if n++; oldest == nil || o.id < oldest.id {
				oldest = o
			}
		}
	}
	if n > maxPerUser {
		t.evicted.Add(1)
		oldest.user = "" // it is on its way out
		oldest.close()
	}
}

func (t *connTable) leaveStrangers(c *conn) {
	a := c.flow.Remote.Addr()
	t.nstranger--
	if t.strangers[a]--; t.strangers[a] <= 0 {
		delete(t.strangers, a)
	}
}

// stands tells whether there is a connection of that number.
func (t *connTable) stands(id uint64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.byID[id] != nil
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
	t.forget(c)
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
		c.finish()
	}
	t.mu.Unlock()
	t.wait.Wait()
}

// write sends what is queued.
func (c *conn) write() {
	for {
		select {
		case b := <-c.queue:
			if b == nil {
				c.close()
				return
			}
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

// finish closes a connection once what is queued was sent, and soon in any case.
func (c *conn) finish() {
	select {
	case c.queue <- nil:
		time.AfterFunc(lastWrite, c.close)
	default:
		c.close()
	}
}
