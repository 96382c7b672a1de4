package sipline

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sotto/pbx"
	"sotto/pbx/media"
	"sotto/pbx/media/rtpport"
	"sotto/pbx/plan"
	"sotto/pbx/sipline/auth"
	"sotto/pbx/sipline/edge"
	"sotto/pbx/sipline/siptest"
)

var (
	boxAddr  = netip.MustParseAddrPort("192.0.2.1:5060")
	stranger = netip.MustParseAddrPort("198.51.100.7:5062")
)

// box is a server on a network in memory, with a small exchange behind it: users 201 to
// 204 call each other.
type box struct {
	testing.TB
	net    *siptest.Net
	sip    *Server
	rtp    *rtpport.Ports
	saved  *bindings
	log    *lines
	posted []pbx.PhoneEvent // on the loop; read it when the loop is still
	pairs  map[pbx.Remote]pbx.Remote
	over   map[pbx.Remote]bool
	tap    func(to netip.AddrPort, data []byte)   // all that the box sends over UDP
	ear    func(from netip.AddrPort, data []byte) // all that comes to it
	deaf   bool                                   // the exchange takes no calls
	stop   context.CancelFunc
	done   sync.WaitGroup
}

// lines is a log. Each line is short, and there are few in a second.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
	at  map[int64]int
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.at[time.Now().Unix()]++
	return l.buf.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// bindings is a store.
type bindings struct {
	mu sync.Mutex
	m  map[plan.UserID][]pbx.Binding
}

func (r *bindings) Bindings() (l []pbx.Binding) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range r.m {
		l = append(l, b...)
	}
	return l
}

func (r *bindings) SaveBindings(u plan.UserID, l []pbx.Binding) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.m[u] = slices.Clone(l)
}

// users are the secrets.
type users struct{}

func secretOf(x plan.Ext) string { return "secret-of-" + string(x) }

func (users) Secret(id plan.UserID) (pbx.Secret, bool) {
	x := plan.Ext(strings.TrimPrefix(string(id), "u"))
	return auth.NewSecret(x, auth.Realm, secretOf(x)), true
}

// ports is an engine without sound.
type ports struct {
	mu   sync.Mutex
	used map[media.Port]bool
	last media.Port
}

func (e *ports) Attach(media.Stream) (media.Port, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for {
		if e.last = e.last%8000 + 1; !e.used[e.last] {
			e.used[e.last] = true
			return e.last, true
		}
	}
}

func (e *ports) Detach(p media.Port) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.used, p)
}

func numbering(t testing.TB, exts ...plan.Ext) *plan.Numbering {
	p := plan.Plan{Office: "Test", Country: "DE"}
	for _, x := range exts {
		p.Users = append(p.Users, plan.User{ID: plan.UserID("u" + x), Name: "Person " + string(x), Ext: x, SIP: true})
	}
	p.Users = append(p.Users, plan.User{ID: "u101", Name: "Person 101", Ext: "101"})
	n, err := plan.Compile(p)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// start runs a box; opts change its configuration first.
func start(t testing.TB, opts ...func(*box, *Config)) *box {
	b := &box{TB: t, net: siptest.NewNet(), saved: &bindings{m: map[plan.UserID][]pbx.Binding{}}, log: &lines{at: map[int64]int{}},
		pairs: map[pbx.Remote]pbx.Remote{}, over: map[pbx.Remote]bool{}}
	var err error
	b.rtp, err = rtpport.New(rtpport.Config{From: 10000, To: 19999, Engine: &ports{used: map[media.Port]bool{}},
		Listen: func(a netip.AddrPort) (rtpport.Socket, error) { return b.net.UDP(a) }})
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{UDP: b.net.Must(boxAddr.String()), TCP: b.net.Listen(boxAddr.String()), Dial: b.net.DialFrom, Sound: b.rtp,
		Secrets: users{}, Bindings: b.saved, Post: b.post, Log: slog.New(slog.NewTextHandler(b.log, nil))}
	for _, f := range opts {
		f(b, &cfg)
	}
	b.net.Let(func(from, to netip.AddrPort, data []byte) (int, time.Duration) {
		if from == boxAddr {
			checkHeaders(t, data)
			if b.tap != nil {
				b.tap(to, data)
			}
		}
		if to == boxAddr && b.ear != nil {
			b.ear(from, data)
		}
		return 1, 0
	})
	b.sip = New(cfg, numbering(t, "201", "202", "203", "204"))
	b.run()
	return b
}

func (b *box) run() {
	ctx, stop := context.WithCancel(context.Background())
	b.stop = stop
	b.done.Go(func() {
		if err := b.sip.Run(ctx); err != nil {
			b.Error(err)
		}
	})
}

// trust has the box take everybody for a user.
func trust(_ *box, c *Config) {
	c.Trusted = func(netip.AddrPort) (plan.UserID, bool) { return "u201", true }
}

// post is the exchange. It is called on the SIP loop.
func (b *box) post(e pbx.Event) bool {
	p := *e.Phone
	if p.Kind == pbx.PhoneCalls && b.deaf {
		return false
	}
	b.posted = append(b.posted, p)
	far := b.pairs[p.Leg]
	switch p.Kind {
	case pbx.PhoneCalls:
		u := b.sip.numbers.Load().ByExt(plan.Ext(p.Dialled))
		if u == nil || !u.SIP {
			b.release(p.Leg, pbx.Unallocated)
			break
		}
		caller := b.sip.numbers.Load().User(p.User)
		far = b.sip.Ring(pbx.Invite{User: u.ID, From: pbx.Party{User: p.User, Ext: caller.Ext}, Name: caller.Name, Peer: p.Leg.Port()})
		b.pairs[p.Leg], b.pairs[far] = far, p.Leg
	case pbx.PhoneRings:
		if far != nil { // else it is late
			far.Ring()
		}
	case pbx.PhoneAnswers:
		if far != nil {
			far.Answer(p.Leg.Port())
		}
	case pbx.PhoneRefuses, pbx.PhoneHangsUp:
		b.release(p.Leg, p.Cause)
		if far != nil {
			b.release(far, p.Cause)
		}
	}
	return true
}

func (b *box) release(r pbx.Remote, why pbx.Cause) {
	if !b.over[r] {
		b.over[r] = true
		delete(b.pairs, r)
		r.Release(why)
	}
}

// office runs f with a box in a bubble, and checks that nothing is left.
func office(t *testing.T, f func(t *testing.T, b *box), opts ...func(*box, *Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := start(t, opts...)
		defer func() {
			time.Sleep(80 * time.Second) // what is lost in the middle ends by time
			if !t.Failed() {
				b.empty()
			}
			b.shutdown()
		}()
		f(t, b)
	})
}

// empty checks that the box holds no call any more.
func (b *box) empty() {
	b.Helper()
	type held struct{ legs, servers, clients, ports, due, txs, txc, known, sources int }
	got := ask(b.sip, func() held {
		s := b.sip
		txs, txc := s.txn.Len()
		n := 0
		for _, k := range s.sources {
			n += len(k)
		}
		total := 0
		s.known.mu.Lock()
		for _, v := range s.known.m {
			total += v
		}
		s.known.mu.Unlock()
		return held{len(s.legs), len(s.servers), len(s.clients), len(s.ports), len(s.due.l), txs, txc, total - n - len(s.met.m), 0}
	})
	if got != (held{}) {
		b.Errorf("left: %+v", got)
	}
	if c := b.rtp.Counters(); c.Open != 0 {
		b.Errorf("%d sessions are left open", c.Open)
	}
	if c := b.sip.Counters(); c.Transactions.Faults != 0 || c.Legs.Astray != 0 {
		b.Errorf("faults: %+v %+v", c.Transactions, c.Legs)
	}
}

// shutdown stops the box and looks at its log.
func (b *box) shutdown() {
	b.stop()
	b.done.Wait()
	b.rtp.Close()
	b.checkLog()
}

// meaningless are the numbers in a log line that may hold any digits.
var meaningless = regexp.MustCompile(`time=\S+|hash=[0-9a-f]+|bytes=\d+|before=\d+`)

func (b *box) checkLog(forbidden ...string) {
	b.Helper()
	text := meaningless.ReplaceAllString(b.log.String(), "")
	for l := range strings.Lines(text) {
		if len(l) > 512 {
			b.Errorf("log line of %d bytes: %.600s", len(l), l)
		}
	}
	for at, n := range b.log.at {
		if n > 3*notesPerSecond {
			b.Errorf("%d lines in second %d", n, at)
		}
	}
	for _, s := range append(forbidden, "201", "202", "203", "204", "secret-of", "Person", "sip:", "198.51.100", "example", "INVITE sip", "Via:") {
		if strings.Contains(text, s) {
			b.Errorf("the log holds %q:\n%.2000s", s, text)
		}
	}
}

// phone plugs in a telephone: 192.0.2.x for extension x, further ones from port 5061 up.
func (b *box) phone(x plan.Ext, opts ...func(*siptest.Phone)) *siptest.Phone {
	b.Helper()
	host := netip.MustParseAddr("192.0.2." + string(x))
	p := &siptest.Phone{User: string(x), Secret: secretOf(x), Box: boxAddr, Marker: -1, Answers: -1}
	for port := uint16(5060); p.UDP == nil; port++ {
		p.Addr = netip.AddrPortFrom(host, port)
		if c, err := b.net.UDP(p.Addr); err == nil {
			p.UDP = c
		}
	}
	p.Audio = func() (siptest.Conn, netip.AddrPort, error) {
		c, err := b.net.UDP(netip.AddrPortFrom(host, 0))
		if err != nil {
			return nil, netip.AddrPort{}, err
		}
		return c, addrOf(c.LocalAddr()), nil
	}
	for _, f := range opts {
		f(p)
	}
	p.Start()
	b.Cleanup(p.Close)
	return p
}

// registered gives a telephone that is registered.
func (b *box) registered(x plan.Ext, opts ...func(*siptest.Phone)) *siptest.Phone {
	b.Helper()
	p := b.phone(x, opts...)
	if err := p.Register(3600); err != nil {
		b.Fatalf("%v\n%s\n%s", err, p.Traffic(), b.log)
	}
	return p
}

// overTCP has a telephone speak over a connection.
func (b *box) overTCP(p *siptest.Phone) {
	p.UDP.Close()
	c, err := b.net.Dial(p.Addr, p.Box)
	if err != nil {
		b.Fatal(err)
	}
	p.UDP, p.TCP = nil, c
}

// peer is somebody who sends bytes and looks at what comes back.
type peer struct {
	b    *box
	addr netip.AddrPort
	udp  siptest.Conn
	tcp  net.Conn
	mu   sync.Mutex
	got  []byte
	end  bool // the box has closed the connection
}

func (b *box) udp(addr netip.AddrPort) *peer {
	b.Helper()
	c, err := b.net.UDP(addr)
	if err != nil {
		b.Fatal(err)
	}
	return &peer{b: b, addr: addr, udp: c}
}

func (b *box) tcp(addr netip.AddrPort) *peer {
	b.Helper()
	c, err := b.net.Dial(addr, boxAddr)
	if err != nil {
		b.Fatal(err)
	}
	p := &peer{b: b, addr: addr, tcp: c}
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := c.Read(buf)
			p.mu.Lock()
			p.got = append(p.got, buf[:n]...)
			p.end = p.end || err != nil
			p.mu.Unlock()
			if err != nil {
				c.Close()
				return
			}
		}
	}()
	return p
}

func (p *peer) close() {
	if p.udp != nil {
		p.udp.Close()
	} else {
		p.tcp.Close()
	}
}

// ended tells whether the box has closed the connection.
func (p *peer) ended() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.end
}

// send sends and gives what comes back at once.
func (p *peer) send(data ...[]byte) []*siptest.Message {
	for _, d := range data {
		if p.udp != nil {
			p.udp.WriteToUDPAddrPort(d, boxAddr)
		} else {
			p.tcp.Write(d)
		}
	}
	synctest.Wait()
	return p.take()
}

// take gives what has come since.
func (p *peer) take() (l []*siptest.Message) {
	if p.udp != nil {
		buf := make([]byte, 65536)
		p.udp.SetReadDeadline(time.Now())
		for {
			n, _, err := p.udp.ReadFromUDPAddrPort(buf)
			if err != nil {
				return l
			}
			l = append(l, siptest.ParseMessage(buf[:n]))
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.got) > 0 {
		if rest, ok := bytes.CutPrefix(p.got, []byte("\r\n")); ok { // answers a keep-alive
			p.got = rest
			continue
		}
		head, rest, ok := bytes.Cut(p.got, []byte("\r\n\r\n"))
		if !ok {
			break
		}
		if len(head) > 0 {
			checkHeaders(p.b, append(bytes.Clone(head), "\r\n\r\n"...))
			m := siptest.ParseMessage(append(bytes.Clone(head), "\r\n\r\n"...))
			n := 0
			fmt.Sscan(m.Get("Content-Length"), &n)
			m.Body, rest = string(rest[:n]), rest[n:]
			l = append(l, m)
		}
		p.got = rest
	}
	return l
}

// allowed are the names of the headers that the box ever sends. None tells what it is or
// of which version.
var allowed = []string{"Via", "From", "To", "Call-ID", "CSeq", "Contact", "Content-Length", "Content-Type", "Max-Forwards", "Allow", "Supported",
	"Unsupported", "Accept", "WWW-Authenticate", "Retry-After", "Min-Expires", "Date", "Reason", "Require", "RSeq", "RAck", "Session-Expires", "Min-SE",
	"Record-Route", "Route", "Expires", "Path", "Timestamp"}

func checkHeaders(t testing.TB, data []byte) {
	for _, h := range siptest.ParseMessage(data).Headers {
		name, _, _ := strings.Cut(h, ":")
		switch name {
		case "v", "f", "t", "i", "l": // in short answers of the edge
			continue
		}
		if !slices.Contains(allowed, name) {
			t.Errorf("the box sends the header %q:\n%s", name, data)
		}
	}
	if s := strings.ToLower(varying.ReplaceAllString(string(data), "")); strings.Contains(s, "sotto") && !strings.Contains(s, `realm="sotto"`) || strings.Contains(s, "sipgo") || strings.Contains(s, "go1.") {
		t.Errorf("the box tells what it is:\n%s", data)
	}
}

func torture(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("edge/testdata/torture/" + name + ".dat")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// unlimited takes away the limits on rates.
func unlimited(_ *box, c *Config) {
	c.Limits = edge.Config{Source: 1e6, SourceBurst: 1e6, Strangers: 1e6, StrangersBurst: 1e6, Known: 1e6, KnownBurst: 1e6}
}

// pause lets time go by, and all come to rest.
func pause(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}
