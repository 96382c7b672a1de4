package flood

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sotto/pbx/sipline/siptest"
)

// In place of sound, telephones in calls with each other say marks: the part of the test
// that is on, and when it was said. The box relays payloads of equal codecs as they are, so
// who hears one knows how long it took. The time it came is the kernel's.
const (
	mark      = 0x736f74746f2d6f6b
	foreign   = 0x736f74746f2d6e6f // said by strangers
	markBytes = 8 + 8 + 8
	maxParts  = 64
)

// meter counts the marks of all telephones, by part of the test.
type meter struct {
	part atomic.Int32
	sent [maxParts]atomic.Int64

	mu      sync.Mutex
	got     [maxParts]int
	transit [maxParts][]time.Duration
	strange [maxParts]int             // packets that strangers said
	gap     [maxParts][]time.Duration // between packets of the box's own sound
}

// metered is the RTP socket of a call. To who reads it nothing comes.
type metered struct {
	*net.UDPConn
	m     *meter
	marks bool // it says marks: its call lasts as long as the test
	own   bool // the box's own sound comes
}

func (c *metered) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	if c.marks && len(b) >= 12+markBytes {
		part := c.m.part.Load()
		c.m.sent[part].Add(1)
		binary.BigEndian.PutUint64(b[12:], mark)
		binary.BigEndian.PutUint64(b[20:], uint64(part))
		binary.BigEndian.PutUint64(b[28:], uint64(time.Now().UnixNano()))
	}
	return c.UDPConn.WriteToUDPAddrPort(b, to)
}

func (c *metered) ReadFromUDPAddrPort([]byte) (int, netip.AddrPort, error) {
	var buf [2048]byte
	var oob [128]byte
	var last int64
	for {
		n, k, _, from, err := c.ReadMsgUDPAddrPort(buf[:], oob[:])
		if err != nil {
			return 0, from, err
		}
		if n >= 12+markBytes {
			at := arrival(oob[:k])
			c.m.take(buf[12:n], at, last, c.own)
			last = at
		}
	}
}

func (m *meter) take(payload []byte, at, last int64, own bool) {
	now := m.part.Load()
	m.mu.Lock()
	defer m.mu.Unlock()
	switch binary.BigEndian.Uint64(payload) {
	case mark:
		if part := binary.BigEndian.Uint64(payload[8:]); part < maxParts {
			m.got[part]++
			m.transit[part] = append(m.transit[part], time.Duration(at-int64(binary.BigEndian.Uint64(payload[16:]))))
		}
	case foreign:
		m.strange[now]++
	default:
		if own && last > 0 {
			m.gap[now] = append(m.gap[now], time.Duration(at-last))
		}
	}
}

// arrival gives the kernel's time of a datagram's arrival, since 1970.
func arrival(oob []byte) int64 {
	l, err := unix.ParseSocketControlMessage(oob)
	if err == nil && len(l) == 1 && l[0].Header.Type == unix.SO_TIMESTAMPNS && len(l[0].Data) >= 16 {
		return int64(binary.NativeEndian.Uint64(l[0].Data))*1e9 + int64(binary.NativeEndian.Uint64(l[0].Data[8:]))
	}
	return time.Now().UnixNano()
}

// quantile of durations, which are put in order.
func quantile(l []time.Duration, q float64) time.Duration {
	if len(l) == 0 {
		return 0
	}
	slices.Sort(l)
	return l[min(len(l)-1, int(q*float64(len(l))))]
}

// newPhone gives telephone i, not yet registered. Each has an address of its own.
func newPhone(t *testing.T, lan *namespace, b *box, m *meter, i, port int, tcp bool) *siptest.Phone {
	t.Helper()
	host := fmt.Sprint("10.66.1.", 1+i)
	addr := netip.AddrPortFrom(netip.MustParseAddr(host), uint16(port))
	p := &siptest.Phone{User: ext(i), Secret: b.secrets[ext(i)], Box: boxSIP, Addr: addr, Marker: -1,
		Audio: func() (siptest.Conn, netip.AddrPort, error) {
			c, err := lan.udp(host + ":0")
			if err != nil {
				return nil, netip.AddrPort{}, err
			}
			sockopt(c, unix.SO_TIMESTAMPNS, 1)
			return &metered{UDPConn: c, m: m, marks: i < talkers, own: i == ownPhone}, c.LocalAddr().(*net.UDPAddr).AddrPort(), nil
		}}
	var err error
	if tcp {
		p.TCP, err = lan.tcp(addr.String())
	} else {
		p.UDP, err = lan.udp(addr.String())
	}
	if err != nil {
		t.Fatal(err)
	}
	p.Start()
	t.Cleanup(p.Close)
	return p
}

// Who is who among the telephones.
const (
	talkers   = 16 // the first eight call the next eight
	ownPhone  = 16 // calls 101, and hears the box's own sound
	newCaller = 17 // places new calls during the test, by UDP
	tcpCaller = 18 // and by TCP
	newCalled = 19
	rebooted  = 20 // registers anew during the test
	infected  = 21 // floods although it is registered
	regFirst  = 22 // register over and over
	regLast   = 29
)

// up makes a call that is answered.
func up(t *testing.T, p *siptest.Phone, number string) *siptest.Call {
	t.Helper()
	c := p.Call(number)
	if !c.Answered(10 * time.Second) {
		t.Fatalf("telephone %s was not answered:\n%s", p.User, p.Traffic())
	}
	return c
}
