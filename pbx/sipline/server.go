package sipline

import (
	"context"
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
	MaxCalls int         // legs with telephones that have sound, at a time; 0 for 4000
	Log      *slog.Logger

	Unlimited bool // no bound on what one user may have: for measurements

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
	older   older
	conns   connTable
	notes   notes
	count   counters

	inbox  chan arrival // messages that were let in
	urgent chan arrival // of known telephones: never behind those of strangers
	wake   chan struct{}
	dead   atomic.Bool // the loop broke
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
	faults  int                       // panics that were caught
	invites map[plan.UserID]time.Time // when the allowance of a user is whole again
	locals  map[netip.Addr]netip.Addr
	asked   time.Time // locals
	probed  time.Time
	size    int // of the message being looked at
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
	size int // bytes
}

// order is something that the loop is to do, in order with all others.
type order func()

// defaultCalls is for when Config does not say.
const defaultCalls = 4000

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
		legs: map[string]*branch{}, servers: map[txn.Server]*branch{}, clients: map[txn.Client]clientOf{}, ports: map[media.Port]*call{},
		locals: map[netip.Addr]netip.Addr{}, sources: map[plan.UserID][]knownKey{}, invites: map[plan.UserID]time.Time{}}
	s.txn = txn.New(txn.Config{T1: cfg.T1, Urgent: s.forHelp})
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

// Forget ends the registrations of a user, whose secret is another now. Calls go on.
func (s *Server) Forget(user plan.UserID) {
	s.order(func() {
		if s.reg.Forget(user) {
			s.bindingsChanged(user)
		}
	})
}

// order hands the loop something to do. A loop that is dead takes no more.
func (s *Server) order(f order) {
	if s.dead.Load() {
		return
	}
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
			s.abandon()
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
			s.turn(func() { s.arrive(a) })
		case a := <-strange:
			s.turn(func() { s.arrive(a) })
		case <-s.wake:
			s.mu.Lock()
			list := s.todo
			s.todo = nil
			s.mu.Unlock()
			s.now = time.Now()
			for _, f := range list {
				s.turn(f)
			}
		case <-late:
			s.now = time.Now()
		}
		s.turn(func() {
			s.expire()
			s.flush()
		})
	}
}

// maxFaults is how many faults the loop outlives.
const maxFaults = 20

// turn does one thing. A fault in it is told and costs that thing, not all telephones.
func (s *Server) turn(f func()) {
	defer func() {
		if r := recover(); r != nil {
			s.log.Error("sip loop stumbled", "why", fmt.Sprint(r), "stack", string(debug.Stack()))
			if s.faults++; s.faults >= maxFaults {
				panic(r)
			}
		}
	}()
	f()
}

// abandon ends all calls with the loop, as far as the switch is concerned: those who talk
// to telephones on the network must not wait for what cannot come.
func (s *Server) abandon() {
	s.dead.Store(true)
	for _, c := range s.ports {
		s.cfg.Post(pbx.Event{Phone: &pbx.PhoneEvent{Leg: c, Kind: pbx.PhoneHangsUp, Cause: pbx.TemporaryFailure}})
		c.sound.close()
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
