package sipline

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"net"
	"net/netip"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"

	"sotto/pbx"
	"sotto/pbx/media"
	"sotto/pbx/media/rtpport"
	"sotto/pbx/plan"
	"sotto/pbx/sipline/auth"
	"sotto/pbx/sipline/edge"
	"sotto/pbx/sipline/registrar"
	"sotto/pbx/sipline/txn"
	"sotto/pbx/sipline/ua"
	"sotto/pbx/sipline/wire"
)

// PacketConn is a UDP socket; [net.UDPConn] is one. Writing must not wait.
type PacketConn interface {
	ReadFromUDPAddrPort([]byte) (int, netip.AddrPort, error)
	WriteToUDPAddrPort([]byte, netip.AddrPort) (int, error)
	LocalAddr() net.Addr
	Close() error
}

// Sound opens RTP sessions: a [rtpport.Ports].
type Sound interface {
	Open(local netip.Addr) (*rtpport.Session, error)
}

// Config is what a server is joined to. Run closes UDP and TCP.
type Config struct {
	UDP      PacketConn   // nil for none
	TCP      net.Listener // nil for none
	Dial     func(ctx context.Context, local netip.Addr, remote netip.AddrPort) (net.Conn, error)
	Local    func(remote netip.Addr) netip.Addr // address of the box that remote reaches it by; nil: what the system says
	Sound    Sound
	Secrets  pbx.Secrets
	Bindings pbx.Bindings // nil: registrations do not outlive the program
	Post     func(pbx.Event) bool
	Limits   edge.Config // zero: the defaults
	MaxCalls int         // legs with telephones that have sound, at a time; 0 for 2000
	Log      *slog.Logger

	// Trusted gives the user that a source is taken for without credentials. It is for
	// tests; nil trusts nobody.
	Trusted func(netip.AddrPort) (plan.UserID, bool)

	T1 time.Duration // for tests; 0 for 500 ms
}

// Server is the box's side of SIP. Run runs it; other methods may be called by any
// goroutine.
type Server struct {
	cfg     Config
	log     *slog.Logger
	seed    maphash.Seed
	numbers atomic.Pointer[plan.Numbering]
	gate    *auth.Gate
	limiter *edge.Limiter
	known   knownSet
	conns   connTable
	notes   notes
	count   counters

	inbox  chan arrival // messages that were let in
	urgent chan arrival // of known telephones: never behind those of strangers
	wake   chan struct{}
	mu     sync.Mutex
	todo   []order

	// All below belongs to the loop.
	now     time.Time
	guard   *auth.Guard
	reg     *registrar.Registrar
	txn     *txn.Layer
	legs    map[string]*branch // by the tag of the box
	servers map[txn.Server]*branch
	clients map[txn.Client]clientOf
	ports   map[media.Port]*call
	due     dueList
	sources map[plan.UserID][]knownKey
	met     acquaintances
	uaCount ua.Counters
	nlegs   int
	locals  map[netip.Addr]netip.Addr
	probed  time.Time
}

type clientOf struct {
	b *branch
	c ua.Client
}

// arrival is a message that was let in.
type arrival struct {
	req  *sip.Request
	res  *sip.Response
	flow wire.Flow
}

// order is something that the loop is to do, in order with all others.
type order func()

// defaultCalls is for when Config does not say.
const defaultCalls = 2000

// inboxSize bounds the messages of strangers that wait for the loop.
const inboxSize = 512

// New gives a server that obeys n. It starts nothing.
func New(cfg Config, n *plan.Numbering) *Server {
	now := time.Now()
	if cfg.MaxCalls == 0 {
		cfg.MaxCalls = defaultCalls
	}
	if cfg.Limits == (edge.Config{}) {
		cfg.Limits = edge.DefaultConfig
	}
	s := &Server{cfg: cfg, log: cfg.Log, seed: maphash.MakeSeed(), gate: auth.NewGate(now), limiter: edge.NewLimiter(cfg.Limits),
		inbox: make(chan arrival, inboxSize), urgent: make(chan arrival, inboxSize), wake: make(chan struct{}, 1),
		guard: auth.NewGuard(now), reg: registrar.New(registrar.Config{}),
		txn:  txn.New(txn.Config{T1: cfg.T1}),
		legs: map[string]*branch{}, servers: map[txn.Server]*branch{}, clients: map[txn.Client]clientOf{}, ports: map[media.Port]*call{},
		locals: map[netip.Addr]netip.Addr{}, sources: map[plan.UserID][]knownKey{}}
	s.known.init()
	s.conns.init(s)
	s.notes.log = cfg.Log
	s.numbers.Store(n)
	return s
}

// SetPlan makes n the plan from now on. Calls under way go on; users that are gone, or
// have no telephones on the network any more, cannot be rung.
func (s *Server) SetPlan(n *plan.Numbering) {
	s.numbers.Store(n)
	s.order(func() {
		for user := range s.sources {
			if u := n.User(user); (u == nil || !u.SIP) && s.reg.Forget(user) {
				s.bindingsChanged(user)
			}
		}
	})
}

// order hands the loop something to do.
func (s *Server) order(f order) {
	s.mu.Lock()
	s.todo = append(s.todo, f)
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Run is the SIP loop with its readers. It ends with ctx: calls under way are ended as
// far as telephones can still be told.
func (s *Server) Run(ctx context.Context) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("sip loop broke: %v", r)
			s.log.Error("sip loop broke", "why", fmt.Sprint(r), "stack", string(debug.Stack()))
		}
	}()
	var readers sync.WaitGroup
	inner, stop := context.WithCancel(ctx)
	defer readers.Wait()
	defer s.conns.closeAll()
	defer s.closeSockets()
	defer stop()
	s.conns.ctx = inner
	s.now = time.Now()
	s.restore()
	if s.cfg.UDP != nil {
		readers.Go(func() { s.readPackets(inner) })
	}
	if s.cfg.TCP != nil {
		readers.Go(func() { s.accept(inner) })
	}
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		var late <-chan time.Time
		if d := s.deadline(); !d.IsZero() {
			timer.Reset(time.Until(d))
			late = timer.C
		}
		strange := s.inbox
		if len(s.urgent) > 0 { // known telephones first
			strange = nil
		}
		select {
		case <-ctx.Done():
			s.goodbye()
			return nil
		case a := <-s.urgent:
			s.arrive(a)
		case a := <-strange:
			s.arrive(a)
		case <-s.wake:
			s.mu.Lock()
			list := s.todo
			s.todo = nil
			s.mu.Unlock()
			s.now = time.Now()
			for _, f := range list {
				f()
			}
		case <-late:
			s.now = time.Now()
		}
		s.expire()
		s.flush()
	}
}

func (s *Server) closeSockets() {
	if s.cfg.UDP != nil {
		s.cfg.UDP.Close()
	}
	if s.cfg.TCP != nil {
		s.cfg.TCP.Close()
	}
}

// arrive takes one message.
func (s *Server) arrive(a arrival) {
	s.now = time.Now()
	if a.req != nil {
		s.request(a.req, a.flow)
	} else if id, ok := s.txn.Response(s.now, a.res, a.flow); ok {
		if c, ok := s.clients[id]; ok {
			c.b.leg.Response(s.now, a.res, c.c)
			s.act(c.b)
		}
	}
	s.flush()
}

// flush sends what the transactions want sent, and tells their fate.
func (s *Server) flush() {
	for {
		for _, o := range s.txn.Take() {
			s.send(o.Flow, o.Data)
		}
		events := s.txn.Events()
		if len(events) == 0 {
			return
		}
		for _, e := range events {
			s.transactionEvent(e)
		}
	}
}

func (s *Server) transactionEvent(e txn.Event) {
	if e.Server != 0 {
		b := s.servers[e.Server]
		switch e.Kind {
		case txn.Over:
			delete(s.servers, e.Server)
		case txn.TransportLost, txn.Unanswered: // who called has gone: as good as a CANCEL
			if b != nil {
				b.leg.Canceled(s.now, ua.Server(e.Server))
				s.act(b)
			}
		}
		return
	}
	c, ok := s.clients[e.Client]
	if !ok {
		return
	}
	switch e.Kind {
	case txn.Timeout:
		c.b.leg.Timeout(s.now, c.c)
	case txn.TransportLost:
		c.b.leg.Lost(s.now, c.c)
	case txn.Over:
		delete(s.clients, e.Client)
		delete(c.b.clients, c.c)
	}
	s.act(c.b)
}

// deadline gives when the loop must come by again.
func (s *Server) deadline() time.Time {
	d := s.txn.Deadline()
	for _, t := range [...]time.Time{s.reg.Deadline(), s.due.first(), s.probeDue()} {
		if !t.IsZero() && (d.IsZero() || t.Before(d)) {
			d = t
		}
	}
	return d
}

// expire does what is due.
func (s *Server) expire() {
	s.txn.Expire(s.now)
	for {
		b := s.due.next(s.now)
		if b == nil {
			break
		}
		b.leg.Expire(s.now)
		s.act(b)
	}
	if d := s.reg.Deadline(); !d.IsZero() && !d.After(s.now) {
		for _, user := range s.reg.Expire(s.now) {
			s.bindingsChanged(user)
		}
	}
	s.probe()
}

// goodbye ends all calls: each telephone is told once.
func (s *Server) goodbye() {
	s.now = time.Now()
	for _, b := range s.legs {
		b.leg.Hangup(s.now, pbx.TemporaryFailure)
		s.act(b)
	}
	s.flush()
	for _, c := range s.ports {
		c.sound.close()
	}
}

// local gives the address of the box that a neighbour reaches it by.
func (s *Server) local(remote netip.Addr) netip.Addr {
	if s.cfg.UDP != nil {
		if a := addrOf(s.cfg.UDP.LocalAddr()); a.IsValid() && !a.Addr().IsUnspecified() {
			return a.Addr()
		}
	}
	if a, ok := s.locals[remote]; ok {
		return a
	}
	f := s.cfg.Local
	if f == nil {
		f = systemLocal
	}
	a := f(remote)
	if len(s.locals) >= 1024 { // an address of the box may change, too
		clear(s.locals)
	}
	s.locals[remote] = a
	return a
}

// systemLocal asks the system which of its addresses leads to remote. Nothing is sent.
func systemLocal(remote netip.Addr) netip.Addr {
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(remote, 5060)))
	if err != nil {
		return netip.IPv4Unspecified()
	}
	defer c.Close()
	return addrOf(c.LocalAddr()).Addr()
}

// addrOf gives the address of a socket, unmapped.
func addrOf(a net.Addr) netip.AddrPort {
	var p netip.AddrPort
	switch a := a.(type) {
	case *net.UDPAddr:
		p = a.AddrPort()
	case *net.TCPAddr:
		p = a.AddrPort()
	}
	return unmap(p)
}

func unmap(p netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(p.Addr().Unmap().WithZone(""), p.Port())
}

// errClosed tells whether an error is the end of a socket that was closed.
func errClosed(err error) bool { return errors.Is(err, net.ErrClosed) }

// Legs gives how many legs with telephones there are. Any goroutine; it asks the loop,
// and gives -1 when the loop does not run.
func (s *Server) Legs() int {
	n := make(chan int, 1)
	s.order(func() { n <- len(s.legs) })
	select {
	case k := <-n:
		return k
	case <-time.After(time.Second):
		return -1
	}
}
