package rtpport

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"sotto/board"
	"sotto/pbx/media/g711"
)

// FuzzRTP gives a session what came from the right address, mixed and relayed: nothing
// panics, what is sent on is a packet within bounds, and every packet is accounted for.
func FuzzRTP(f *testing.F) {
	ph := &phone{law: g711.ALaw}
	f.Add(ph.sound(400), uint16(1), uint32(160), false)
	f.Add(ph.packet(true, 101, keyPacket(5, true, 800)), uint16(1), uint32(0), true)
	f.Add(append([]byte{0xB1, 8, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 9, 9, 9, 9, 0, 0, 0, 1, 7, 7, 7, 7}, 1, 2, 3, 1), uint16(9), uint32(1), true)
	f.Add(ph.packet(false, 13, []byte{50}), uint16(1), uint32(0), false)
	f.Fuzz(func(t *testing.T, raw []byte, dseq uint16, dts uint32, relay bool) {
		p, a, b, from := still(t)
		defer p.Close()
		if relay {
			p.Apply(relayed(a, b))
		}
		var fr board.Frame
		raw = append([]byte(nil), raw...)
		const n = 20
		for i := range n {
			a.Read(&fr)
			own := append([]byte(nil), raw...)
			a.packet(own, from[0], p.now()+time.Duration(i)*20*time.Millisecond)
			if len(raw) >= headerLen {
				binary.BigEndian.PutUint16(raw[2:], binary.BigEndian.Uint16(raw[2:])+dseq)
				binary.BigEndian.PutUint32(raw[4:], binary.BigEndian.Uint32(raw[4:])+dts)
			}
		}
		c, q := p.Counters(), a.Quality()
		if got := c.Bad + c.Payload + c.Unheard + c.Duplicates + q.Packets; got < n {
			t.Errorf("%d of %d packets accounted for: %+v %+v", got, n, c, q)
		}
		if a.keys.n > maxKeys || c.Relayed > n || q.MOS < 0 || q.MOS > 4.5 {
			t.Errorf("%+v %+v", c, q)
		}
	})
}

// FuzzRTCP: any bytes from the right address: nothing panics, figures stay within reason.
func FuzzRTCP(f *testing.F) {
	var cname [cnameLen]byte
	var b [128]byte
	n := compound(b[:], 1, &cname, &senderInfo{ntp: 1 << 40}, &block{ssrc: 9, lost: 5, highest: 7, lsr: 10}, true)
	f.Add(b[:n], uint32(9))
	n = compound(b[:], 1, &cname, nil, nil, false)
	f.Add(b[:n], uint32(1))
	p, a, _, from := still(f)
	f.Cleanup(p.Close)
	at := netip.AddrPortFrom(from[0].Addr(), from[0].Port()+1)
	f.Fuzz(func(t *testing.T, b []byte, ssrc uint32) {
		a.out.ssrc = ssrc
		a.control(b, at, time.Minute)
		if q := a.Quality(); q.RoundTrip < 0 || q.RoundTrip > maxRoundTrip || q.FarLost < 0 || q.FarLost > 1 || q.FarJitter < 0 || q.FarJitter > 8*time.Second {
			t.Errorf("%+v", q)
		}
	})
}

// FuzzKeys: any telephone-events, interleaved with frames: the queue stays within bounds,
// no more keys are played than events began, and all comes to an end.
func FuzzKeys(f *testing.F) {
	f.Add([]byte{0, 1, 5, 0x0A, 0, 160, 0, 0, 5, 0x8A, 1, 64, 3, 1, 6, 0x8A, 1, 64})
	f.Fuzz(func(t *testing.T, b []byte) {
		var k keys
		var fr board.Frame
		ts, begun := uint32(0), 0
		b = b[:min(len(b), 1200)]
		for ; len(b) >= 6; b = b[6:] {
			ts += uint32(int8(b[0])) * 400
			before, was := k.n, k.seg
			k.event(ts, b[1]&1 != 0, b[2:6], true)
			if k.n > before {
				begun++
				if k.n != before+1 || before > 0 && k.seg == was && k.queue[before-1].code == k.queue[before].code {
					t.Fatal("one event, two keys")
				}
			}
			k.covers(ts)
			for range b[1] >> 6 {
				k.next(&fr)
			}
			if k.n < 0 || k.n > maxKeys {
				t.Fatalf("%d keys wait", k.n)
			}
		}
		frames := 0
		for ; k.next(&fr) || k.gap > 0; frames++ {
			if frames > begun*7000+20 { // 65,535 samples and more segments: a minute each
				t.Fatal("sounds for ever")
			}
		}
	})
}
