package pbxtest

import (
	"log/slog"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"sotto/pbx"
	"sotto/pbx/media"
	"sotto/pbx/media/rtpport"
	"sotto/pbx/plan"
	"sotto/pbx/scene"
	"sotto/pbx/sipline"
	"sotto/pbx/sipline/auth"
	"sotto/pbx/sipline/siptest"
)

// BoxAddr is where the box of an [Office] speaks SIP, over UDP and TCP.
var BoxAddr = netip.MustParseAddrPort("192.0.2.1:5060")

// guests names the voices of the telephones on the network.
func guests(list []plan.Ext) (l []string) {
	for _, x := range list {
		l = append(l, "sip"+string(x))
	}
	return l
}

// SecretOf is the secret of a user with telephones on the network.
func SecretOf(x plan.Ext) string { return "secret-of-" + string(x) }

// Registrations keeps bindings, as the store does.
type Registrations struct {
	mu    sync.Mutex
	m     map[plan.UserID][]pbx.Binding
	Saves int
}

// Bindings implements [pbx.Bindings].
func (r *Registrations) Bindings() (l []pbx.Binding) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range r.m {
		l = append(l, b...)
	}
	return l
}

// SaveBindings implements [pbx.Bindings].
func (r *Registrations) SaveBindings(u plan.UserID, l []pbx.Binding) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Saves++
	r.m[u] = slices.Clone(l)
}

// secrets implements [pbx.Secrets].
type secrets struct{ n *plan.Numbering }

func (s secrets) Secret(id plan.UserID) (pbx.Secret, bool) {
	u := s.n.User(id)
	if u == nil {
		return pbx.Secret{}, false
	}
	return auth.NewSecret(u.Ext, auth.Realm, SecretOf(u.Ext)), true
}

// network joins an exchange to a network in memory.
func (o *Office) network(t testing.TB, cfg *pbx.Config, n *plan.Numbering, saved *Registrations, log *slog.Logger) {
	o.Net = siptest.NewNet()
	var err error
	o.RTP, err = rtpport.New(rtpport.Config{From: 10000, To: 10999, Engine: o.Engine, Log: log,
		Listen: func(a netip.AddrPort) (rtpport.Socket, error) { return o.Net.UDP(a) }})
	if err != nil {
		t.Fatal(err)
	}
	if o.Saved = saved; saved == nil {
		o.Saved = &Registrations{m: map[plan.UserID][]pbx.Binding{}}
	}
	o.SIP = sipline.New(sipline.Config{UDP: o.Net.Must(BoxAddr.String()), TCP: o.Net.Listen(BoxAddr.String()), Dial: o.Net.DialFrom,
		Sound: o.RTP, Secrets: secrets{n}, Bindings: o.Saved, Post: func(e pbx.Event) bool { return o.Switch.Post(e) }, Log: log}, n)
	cfg.Phones = o.SIP
	cfg.Publish = func(p *media.Patch) {
		o.RTP.Apply(p)
		o.Engine.Publish(p)
	}
}

// Phone plugs a telephone of a user into the network; it is not registered. The first of
// a user has the address 192.0.2.x for extension x, further ones the ports above 5060.
func (o *Office) Phone(t testing.TB, x plan.Ext, opts ...func(*siptest.Phone)) *siptest.Phone {
	t.Helper()
	last, _ := strconv.Atoi(string(x))
	host := netip.AddrFrom4([4]byte{192, 0, 2, byte(last)})
	p := &siptest.Phone{User: string(x), Secret: SecretOf(x), Box: BoxAddr, Marker: o.Marker(x), Answers: -1, Tones: scene.Tones(o.numbers.Country)}
	for port := uint16(5060); p.UDP == nil; port++ {
		p.Addr = netip.AddrPortFrom(host, port)
		if c, err := o.Net.UDP(p.Addr); err == nil {
			p.UDP = c
		}
	}
	p.Audio = func() (siptest.Conn, netip.AddrPort, error) {
		c, err := o.Net.UDP(netip.AddrPortFrom(host, 0))
		if err != nil {
			return nil, netip.AddrPort{}, err
		}
		return c, netip.MustParseAddrPort(c.LocalAddr().String()), nil
	}
	p.Heard = func(m int, on bool) { o.Board.Room.Guest(time.Now(), "sip"+string(x), m, on) }
	for _, f := range opts {
		f(p)
	}
	p.Start()
	o.phones = append(o.phones, p)
	return p
}

// OverTCP makes a telephone speak SIP over TCP.
func (o *Office) OverTCP(p *siptest.Phone) {
	p.UDP.Close()
	c, err := o.Net.Dial(p.Addr, p.Box)
	if err != nil {
		panic(err)
	}
	p.UDP, p.TCP = nil, c
}

// Marker gives the number of the voice of a telephone, on the board or on the network.
func (o *Office) Marker(x plan.Ext) int {
	if h := o.Board.Room.Set("sip" + string(x)); h != nil {
		return h.Marker()
	}
	if h := o.Board.Room.Set(string(x)); h != nil {
		return h.Marker()
	}
	return -1
}
