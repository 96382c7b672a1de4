package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"sotto/pbx"
	"sotto/pbx/media"
	"sotto/pbx/media/rtpport"
	"sotto/pbx/plan"
	"sotto/pbx/sipline"
	"sotto/pbx/sipline/auth"
	"sotto/pbx/sipline/edge"
	"sotto/storage"
)

// sipFlags say where telephones on the network reach the box.
type sipFlags struct {
	addr      netip.AddrPort // zero: off
	from, to  uint16         // ports of RTP
	unlimited bool
	secrets   string // file
	renew     string // extension that is to have a new secret
}

// parse reads -sip and -rtp.
func (f *sipFlags) parse(addr, ports string) error {
	if addr != "off" {
		a, err := netip.ParseAddrPort(addr)
		if err != nil || a.Port() == 0 || a.Addr().IsMulticast() {
			return errors.New("-sip: say an address of this machine with a port, such as 192.0.2.1:5060, or off")
		}
		f.addr = a
	}
	from, to, ok := strings.Cut(ports, "-")
	a, err1 := strconv.ParseUint(from, 10, 16)
	b, err2 := strconv.ParseUint(to, 10, 16)
	if !ok || err1 != nil || err2 != nil || a < 1024 || b < a || (b+1)/2-(a+1)/2 < 2*reserved {
		return errors.New("-rtp: say the first and the last port, an even one and 31 more at the least, such as 10000-11999")
	}
	f.from, f.to = uint16(a), uint16(b)
	return nil
}

// network is what speaks with telephones on the network. It may be nil: the box has none.
type network struct {
	flags sipFlags
	sip   *sipline.Server // nil: not open; set before the switch has a plan with such telephones
	rtp   atomic.Pointer[rtpport.Ports]
	post  atomic.Pointer[func(pbx.Event) bool]
	stop  func()
}

// openNetwork opens the sockets and lets telephones register. Calls of analog telephones
// do not depend on it: what is wrong is told in the log, and the box goes on without.
func openNetwork(f sipFlags, off *office, log *slog.Logger) *network {
	switch {
	case !f.addr.IsValid():
		return nil
	case off.locked != nil: // opened with the store
		log.Warn("telephones on the network cannot register yet: their secrets are in the store")
		return &network{flags: f}
	case off.store == nil:
		log.Error("telephones on the network cannot register: their secrets are in the store, which cannot be opened")
		return nil
	}
	n := &network{flags: f}
	if err := n.open(off, log); err != nil {
		log.Error("telephones on the network cannot register", "why", err)
		return nil
	}
	return n
}

// reserved is how many pairs of ports ordinary calls leave for those to emergency numbers.
const reserved = 8

// sipBuffer is what the kernel keeps of messages that wait to be read: a burst of a
// thousand.
const sipBuffer = 2 << 20

// open opens the sockets, once there is a store.
func (n *network) open(off *office, log *slog.Logger) error {
	f := &n.flags
	udp, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(f.addr))
	if err != nil {
		return err
	}
	udp.SetReadBuffer(sipBuffer) // as much of it as the system allows
	tcp, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(f.addr))
	if err != nil {
		udp.Close()
		return err
	}
	limits := edge.DefaultConfig
	if f.unlimited {
		limits = edge.Config{Source: 1e6, SourceBurst: 1e6, Strangers: 1e6, StrangersBurst: 1e6, Known: 1e6, KnownBurst: 1e6}
	}
	var dialer net.Dialer
	calls := max(min((int(f.to)+1)/2-(int(f.from)+1)/2, media.MaxStreams)-reserved, 1)
	n.sip = sipline.New(sipline.Config{UDP: udp, TCP: tcp, MaxCalls: calls, Unlimited: f.unlimited, Sound: n, Secrets: off.store, Bindings: off.store, Post: n.tell, Limits: limits, Log: log,
		Dial: func(ctx context.Context, _ netip.Addr, remote netip.AddrPort) (net.Conn, error) {
			return dialer.DialContext(ctx, "tcp", remote.String())
		}}, off.numbers)
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		if err := n.sip.Run(ctx); err != nil {
			log.Error("telephones on the network are out of service", "why", err)
		}
	})
	n.stop = func() {
		cancel()
		done.Wait()
		if p := n.rtp.Load(); p != nil {
			p.Close()
		}
	}
	return nil
}

var errStarting = errors.New("the box is still starting")

// Open opens a session of sound, once there is an engine. It implements [sipline.Sound].
func (n *network) Open(local netip.Addr) (*rtpport.Session, error) {
	if p := n.rtp.Load(); p != nil {
		return p.Open(local)
	}
	return nil, errStarting
}

// tell tells the switch, once there is one.
func (n *network) tell(e pbx.Event) bool {
	f := n.post.Load()
	return f != nil && (*f)(e)
}

// join lets telephones call from now on.
func (n *network) join(engine *media.Engine, post func(pbx.Event) bool, log *slog.Logger) {
	if n == nil {
		return
	}
	n.post.Store(&post)
	if n.sip == nil {
		return
	}
	p, err := rtpport.New(rtpport.Config{From: n.flags.from, To: n.flags.to, Engine: engine, Log: log})
	if err != nil { // the flags were checked
		log.Error("telephones on the network have no sound", "why", err)
		return
	}
	n.rtp.Store(p)
}

// phones gives the switch's side of it.
func (n *network) phones() pbx.Phones {
	switch {
	case n == nil:
		return nil
	case n.sip == nil:
		return n
	}
	return n.sip
}

// Ring implements [pbx.Phones] for a network that is opened later, or could not be opened
// then.
func (n *network) Ring(i pbx.Invite) pbx.Remote {
	if n.sip == nil {
		r := &away{}
		n.tell(pbx.Event{Phone: &pbx.PhoneEvent{Leg: r, Kind: pbx.PhoneRefuses, Cause: pbx.OutOfOrder}})
		return r
	}
	return n.sip.Ring(i)
}

// away is a telephone that cannot be reached.
type away struct{ _ byte } // two are never the same

func (*away) Ring()                 {}
func (*away) Answer(media.Port)     {}
func (*away) Release(pbx.Cause)     {}
func (*away) Port() media.Port      { return pbx.NoPort }
func (*away) Quality() *pbx.Quality { return nil }

// publish hands a patch to those who carry sound.
func (n *network) publish(engine *media.Engine) func(*media.Patch) {
	if n == nil {
		return engine.Publish
	}
	return func(p *media.Patch) {
		if rtp := n.rtp.Load(); rtp != nil {
			rtp.Apply(p)
		}
		engine.Publish(p)
	}
}

// close ends calls as far as telephones can be told, and closes the sockets.
func (n *network) close() {
	if n != nil && n.stop != nil {
		n.stop()
		n.stop = nil
	}
}

// secretsFile opens the file that secrets are to go to, for its owner alone; nil for none.
func (f *sipFlags) secretsFile() (*os.File, error) {
	if f.secrets == "" {
		return nil, nil
	}
	file, err := os.OpenFile(f.secrets, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err == nil {
		if err = file.Chmod(0o600); err != nil {
			file.Close()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("-sip-secrets: %w", err)
	}
	return file, nil
}

// makeSecrets gives each user with telephones on the network who has none yet a secret,
// and one to whom -sip-new-secret names, and shows it, once: printed, or in file if there
// is one. What is registered with an old one is so no longer.
func (n *network) makeSecrets(ctx context.Context, off *office, out io.Writer, file *os.File) error {
	f := &n.flags
	users := off.store.Secretless()
	if f.renew != "" {
		u := off.numbers.ByExt(plan.Ext(f.renew))
		if u == nil || !u.SIP {
			return errors.New("-sip-new-secret: nobody with SIP telephones has this extension")
		}
		if !slices.Contains(users, u.ID) {
			users = append(users, u.ID)
		}
	}
	for _, id := range users {
		u := off.numbers.User(id)
		if u == nil {
			continue
		}
		plain, err := off.store.MakeSecret(ctx, storage.Viewer{Role: storage.Owner}, id, func() (string, pbx.Secret) {
			s := auth.MakeSecret()
			return s, auth.NewSecret(u.Ext, auth.Realm, s)
		})
		if err != nil {
			return fmt.Errorf("make a secret: %w", err)
		}
		n.sip.Forget(id) // what registered with the old one
		if file != nil {
			_, err = fmt.Fprintln(file, u.Ext, plain)
		} else {
			_, err = fmt.Fprintf(out, "SIP telephone of %s: server %s, user %s, password %s (shown this once)\n", u.Ext, f.server(), u.Ext, plain)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// server is what is typed into a telephone.
func (f *sipFlags) server() string {
	if f.addr.Addr().IsUnspecified() {
		return fmt.Sprintf("(this box's address):%d", f.addr.Port())
	}
	return f.addr.String()
}
