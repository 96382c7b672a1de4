package sipline

import (
	"crypto/rand"
	"encoding/binary"
	"net/netip"
	"time"

	"sotto/pbx/country"
	"sotto/pbx/media/g711"
	"sotto/pbx/media/rtpport"
	"sotto/pbx/sipline/sdp"
	"sotto/pbx/sipline/ua"
)

// talk is the session of one telephone: what was offered and agreed. It implements
// [ua.Media].
type talk struct {
	call    *call
	b       *branch
	local   sdp.Local
	offered sdp.Local // as the latest offer was written
	chosen  sdp.Chosen
	agreed  bool
	held    bool
	law     g711.Law
	sent    string // the latest description without its version
}

func (t *talk) init(c *call, b *branch) {
	t.call, t.b = c, b
	var r [8]byte
	rand.Read(r[:])
	t.local.ID = binary.BigEndian.Uint64(r[:]) >> 3
	t.local.Version = 1
}

// refresh makes local true: the address towards this telephone, and the codecs in the
// order that spares the other end a change.
func (t *talk) refresh() {
	c := t.call
	d := c.sound.session.Load()
	if d == nil {
		return
	}
	t.local.Addr = netip.AddrPortFrom(c.s.sentBy(t.b.flow).Addr(), d.LocalPort())
	laws := c.offered
	if t.agreed {
		laws = []g711.Law{t.law}
	}
	t.local.Codecs = t.local.Codecs[:0:0]
	for _, l := range lawOrder(c.s.officeLaw(), laws) {
		t.local.Codecs = append(t.local.Codecs, codecOf(l))
	}
	t.local.Codecs = append(t.local.Codecs, sdp.TelephoneEvent, sdp.ComfortNoise)
	t.local.Lines = t.chosen.Lines
}

// lawOrder gives both laws, those of first before the office's.
func lawOrder(office g711.Law, first []g711.Law) (l []g711.Law) {
	add := func(x g711.Law) {
		for _, y := range l {
			if x == y {
				return
			}
		}
		l = append(l, x)
	}
	for _, x := range first {
		add(x)
	}
	add(office)
	add(g711.ALaw)
	add(g711.MuLaw)
	return l
}

func (s *Server) officeLaw() g711.Law {
	if s.numbers.Load().Country.Law == country.MuLaw {
		return g711.MuLaw
	}
	return g711.ALaw
}

func codecOf(l g711.Law) sdp.Codec {
	if l == g711.MuLaw {
		return sdp.PCMU
	}
	return sdp.PCMA
}

func lawOfCodec(c sdp.Codec) g711.Law {
	if c.Same(sdp.PCMU) {
		return g711.MuLaw
	}
	return g711.ALaw
}

// lawsOf gives the laws of an offer, in its order.
func (t *talk) lawsOf(offer []byte) (l []g711.Law) {
	d, err := sdp.Parse(offer)
	if err != nil {
		return nil
	}
	r, ok := d.Audio()
	if !ok {
		return nil
	}
	for _, c := range r.Codecs {
		if c.Same(sdp.PCMA) || c.Same(sdp.PCMU) {
			l = append(l, lawOfCodec(c))
		}
	}
	return l
}

// Offer implements [ua.Media].
func (t *talk) Offer() []byte {
	t.refresh()
	l := t.local
	l.Version = 0
	l.Version = t.version(string(l.Offer()))
	t.offered = l
	return l.Offer()
}

// version gives the version of a description, which rises if text, the description
// without it, is not that of before.
func (t *talk) version(text string) uint64 {
	if t.sent != "" && text != t.sent {
		t.local.Version++
	}
	t.sent = text
	return t.local.Version
}

func parse(body []byte) (*sdp.Session, error) {
	d, err := sdp.Parse(body)
	if err != nil {
		return nil, ua.ErrMalformed
	}
	return d, nil
}

// Check implements [ua.Media].
func (t *talk) Check(offer []byte) error {
	d, err := parse(offer)
	if err != nil {
		return err
	}
	t.refresh()
	l := t.local
	_, _, err = l.Answer(d)
	return err
}

// Answer implements [ua.Media].
func (t *talk) Answer(offer []byte) ([]byte, error) {
	d, err := parse(offer)
	if err != nil {
		return nil, err
	}
	t.refresh()
	l := t.local
	l.Dir = sdp.SendRecv
	if c := t.call; !t.agreed && c.peerSet { // the other end's codec, so that packets go straight through
		l.Prefer = true
		l.Codecs = nil
		for _, law := range lawOrder(c.s.officeLaw(), []g711.Law{c.peerLaw}) {
			l.Codecs = append(l.Codecs, codecOf(law))
		}
		l.Codecs = append(l.Codecs, sdp.TelephoneEvent, sdp.ComfortNoise)
	}
	l.Version = 0
	plain, chosen, err := l.Answer(d)
	if err != nil {
		return nil, err
	}
	l.Version = t.version(string(plain))
	answer, _, err := l.Answer(d)
	if err == nil {
		t.adopt(chosen)
	}
	return answer, err
}

// Accept implements [ua.Media].
func (t *talk) Accept(answer []byte) error {
	d, err := parse(answer)
	if err != nil {
		return err
	}
	chosen, err := sdp.Accept(&t.offered, d)
	if err != nil {
		return err
	}
	t.adopt(chosen)
	return nil
}

// Held implements [ua.Media].
func (t *talk) Held() bool { return t.held }

// adopt makes what was agreed true for the sound, if this telephone has the call.
func (t *talk) adopt(c sdp.Chosen) {
	t.chosen, t.agreed = c, true
	t.law = lawOfCodec(c.Codec)
	t.held = !c.Remote.Dir.Receives() || !c.Remote.RTP.IsValid()
	if w := t.call.winner; w == nil && len(t.call.branches) <= 1 || w == t.b {
		t.apply()
	}
}

// apply sets the RTP session.
func (t *talk) apply() {
	d := t.call.sound.session.Load()
	if d == nil || !t.agreed {
		return
	}
	c := &t.chosen
	r := rtpport.Remote{RTP: c.Remote.RTP, RTCP: c.Remote.RTCP, Law: t.law, Payload: c.Codec.Payload, Events: c.Events, EventsIn: c.EventsIn,
		Comfort: c.Comfort, PTime: time.Duration(c.PTime) * time.Millisecond, Send: c.Dir.Sends() && c.Remote.RTP.IsValid(), Receive: c.Dir.Receives()}
	if r.RTCP.Addr() != r.RTP.Addr() { // reports go where the sound goes, to nobody else
		r.RTCP = netip.AddrPort{}
	}
	// Behind a router that translates addresses a telephone does not know its own: its
	// sound comes from where its signalling does.
	if from := t.b.flow.Remote.Addr(); r.RTP.IsValid() && from.IsValid() && r.RTP.Addr() != from && hidden(r.RTP.Addr(), t.local.Addr.Addr()) {
		r.Learn = from
		r.RTP = netip.AddrPortFrom(from, r.RTP.Port())
		if r.RTCP.IsValid() {
			r.RTCP = netip.AddrPortFrom(from, r.RTCP.Port())
		}
	}
	d.Set(r)
}

// hidden tells whether an address in a description cannot be the one to send to, seen
// that the telephone's messages come from another. One on the box's own network can: its
// messages come by way of a proxy.
func hidden(said, own netip.Addr) bool {
	bits := 24
	if said.Is6() {
		bits = 64
	}
	if near, err := own.Prefix(bits); err == nil && near.Contains(said) {
		return false
	}
	return said.IsPrivate() || said.IsLoopback() || said.IsLinkLocalUnicast() || isShared(said)
}

// isShared: the shared address space of providers (RFC 6598).
func isShared(a netip.Addr) bool {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{100, 64, 0, 0}), 10).Contains(a)
}

func randomText() string { return rand.Text() }
