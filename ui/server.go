package ui

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"sotto/board"
	"sotto/pbx"
	"sotto/pbx/sipline"
	"sotto/pbx/sipline/auth"
	"sotto/pbx/sipline/registrar"
	"sotto/storage"
)

// Limits of the server. Whoever is on the office's network may be hostile.
const (
	headerLimit  = 5 * time.Second  // TLS handshake, and the header of a request
	readLimit    = 15 * time.Second // a whole request
	writeLimit   = 30 * time.Second // a whole answer; streams lengthen theirs
	idleLimit    = time.Minute
	maxHeader    = 32 << 10 // of a request, and what net/http adds for its buffers
	maxBody      = 16 << 10 // of a form: nobody who is logged out takes much memory with one
	maxConns     = 256      // in all
	maxAddrConns = 64       // of one address
	closeLimit   = 2 * time.Second
)

// Config is what the pages show. Log and Snapshot are required.
type Config struct {
	Store    *storage.Store                                              // nil: the box runs from its lifeline
	Snapshot func() *pbx.Snapshot                                        // state of the switch; any goroutine
	Ports    []board.PortInfo                                            // as they were found at start
	Network  Network                                                     // nil: no telephones on the network
	Measure  func(context.Context, board.Port) (board.LineReport, error) // of an idle line; nil: not possible
	Sim      http.Handler                                                // pages of the simulator, mounted at /sim/; nil: none
	Hosts    []string                                                    // names of the box beside localhost, sotto.local and any IP address
	Root     Root                                                        // shown on the health page
	Version  string                                                      // shown to those who are logged in
	Log      *slog.Logger
}

// Root tells of what opens the data: what it is, in a few words, and what it protects from
// and what not, in sentences. Both are empty if that is not known.
type Root struct{ Name, Protects string }

// Network is what the health page shows of telephones on the network and asks of them;
// a [sipline.Server] is one. Any goroutine.
type Network interface {
	Phones() []registrar.Phone
	Bans() []auth.Ban
	Unban()
	Counters() sipline.Counters
}

// Server serves the pages. Its methods may be called by several goroutines.
type Server struct {
	cfg       Config
	began     time.Time
	pages     *pages
	sessions  sessions
	guard     guard
	setup     setup
	hub       hub
	downloads downloads
	faults    faults
	handler   http.Handler
	count     struct{ refusedConns, refusedHosts, crossOrigin, panics, failed atomic.Uint64 }
}

// New gives a server. It starts nothing.
func New(cfg Config) *Server {
	s := &Server{cfg: cfg, began: time.Now(), pages: loadPages()}
	s.sessions.init()
	s.guard.init()
	s.setup.init()
	s.hub.init()
	s.handler = s.chain(s.routes())
	return s
}

// Handler gives all pages, with every check but the limits on connections.
func (s *Server) Handler() http.Handler { return s.handler }

// SetupPath gives the address, on this server, at which the owner's account is made:
// "/setup/" and a token. It is new at each start and must be shown to the person at the
// box and to nobody else. It is empty once there is an owner, and without a store.
func (s *Server) SetupPath() string {
	if s.cfg.Store == nil || s.cfg.Store.Claimed() {
		return ""
	}
	return "/setup/" + s.setup.token
}

// Run serves on l, which it closes, over TLS 1.3 with the identity id, until ctx ends.
// It gives an error if it ends before that.
func (s *Server) Run(ctx context.Context, l net.Listener, id tls.Certificate) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var protocols http.Protocols
	protocols.SetHTTP1(true) // one parser, and no streams within streams to bound
	srv := &http.Server{
		Handler:                      s.handler,
		TLSConfig:                    &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{id}},
		Protocols:                    &protocols,
		ReadHeaderTimeout:            headerLimit,
		ReadTimeout:                  readLimit,
		WriteTimeout:                 writeLimit,
		IdleTimeout:                  idleLimit,
		MaxHeaderBytes:               maxHeader,
		DisableGeneralOptionsHandler: true, // "OPTIONS *" passes the checks as all else does
		ErrorLog:                     slog.NewLogLogger(quiet{}, slog.LevelInfo),
		BaseContext:                  func(net.Listener) context.Context { return ctx },
	}
	context.AfterFunc(ctx, func() {
		limit, done := context.WithTimeout(context.Background(), closeLimit)
		defer done()
		if srv.Shutdown(limit) != nil {
			srv.Close()
		}
	})
	go s.sessions.sweepUntil(ctx)
	err := srv.ServeTLS(&limitListener{Listener: l, refused: &s.count.refusedConns, byAddr: map[netip.Addr][]*limitConn{}}, "", "")
	if ctx.Err() != nil && errors.Is(err, http.ErrServerClosed) {
		s.sessions.endAll()
		return nil
	}
	return err
}

// quiet drops what net/http would log of its own: handshakes that strangers broke off.
type quiet struct{ slog.Handler }

func (quiet) Enabled(context.Context, slog.Level) bool { return false }
