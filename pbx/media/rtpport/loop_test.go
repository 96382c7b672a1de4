package rtpport

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"sotto/board"
)

// TestOwnAddress: two legs whose descriptions name each other's port of the box do not
// feed each other for ever.
func TestOwnAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, p := office(t)
		defer p.Close()
		a, b := open(t, p), open(t, p)
		ph := l.phone(t, "192.0.2.50:4000", a)
		r := ph.sdp()
		r.RTP = netip.AddrPortFrom(box, b.LocalPort())
		a.Set(r)
		r.RTP = netip.AddrPortFrom(box, a.LocalPort())
		b.Set(r)
		for range 100 { // a second of hold tone before both talk
			b.Write(&board.Frame{})
			time.Sleep(board.FrameTime)
		}
		p.Apply(relayed(a, b))
		b.out.mu.Lock()
		for range 4 { // what was on its way when they began to talk
			b.out.frame(&board.Frame{}, p.now())
		}
		b.out.mu.Unlock()
		time.Sleep(time.Second)
		if n := p.Counters().Relayed; n > 0 {
			t.Errorf("%d packets between them", n)
		}
	})
}
