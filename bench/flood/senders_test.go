package flood

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// strangers is the wild side: one socket with all addresses of its network.
type strangers struct {
	sock   *net.UDPConn
	source [][]byte // control messages: from which address to send
	other  *net.UDPConn

	mu       sync.Mutex
	messages int
	bytes    int
	statuses map[string]int // first characters of what came: "SIP/2.0 401"
}

const sources = 10000

func newStrangers(t *testing.T, wild, lan *namespace) *strangers {
	t.Helper()
	s := &strangers{statuses: map[string]int{}}
	var err error
	if s.sock, err = wild.udp("0.0.0.0:5060"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.sock.Close() })
	if s.other, err = lan.udp("10.66.0.2:5060"); err != nil { // a stranger in the telephones' own network
		t.Fatal(err)
	}
	t.Cleanup(func() { s.other.Close() })
	for i := range sources {
		info := &unix.Inet4Pktinfo{}
		info.Spec_dst = stranger(i).As4()
		s.source = append(s.source, unix.PktInfo4(info))
	}
	go s.read(s.sock)
	go s.read(s.other)
	return s
}

// stranger gives the address of stranger i.
func stranger(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, 67, byte(i / 250), byte(1 + i%250)})
}

func (s *strangers) read(c *net.UDPConn) {
	buf := make([]byte, 65536)
	for {
		n, _, err := c.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		s.mu.Lock()
		s.messages++
		s.bytes += n
		s.statuses[string(buf[:min(n, len("SIP/2.0 401"))])]++
		s.mu.Unlock()
	}
}

// take gives what came since the last time.
func (s *strangers) take() (messages, size int, statuses map[string]int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	messages, size, statuses = s.messages, s.bytes, s.statuses
	s.messages, s.bytes, s.statuses = 0, 0, map[string]int{}
	return
}

// template is a message in which each run of eight # is another number each time.
type template struct {
	text   []byte
	places []int
}

const place = "########"

func newTemplate(text string) *template {
	t := &template{text: []byte(strings.ReplaceAll(text, "\n", "\r\n"))}
	for at := 0; ; {
		i := bytes.Index(t.text[at:], []byte(place))
		if i < 0 {
			return t
		}
		t.places = append(t.places, at+i)
		at += i + len(place)
	}
}

// next writes n into all places.
func (t *template) next(n uint32) []byte {
	const digits = "0123456789abcdef"
	var hex [8]byte
	for i := range hex {
		hex[i] = digits[n>>(28-4*i)&15]
	}
	for _, p := range t.places {
		copy(t.text[p:], hex[:])
	}
	return t.text
}

const head = " sip:%s@10.66.0.1 SIP/2.0\nVia: SIP/2.0/UDP 10.67.0.9:5060;branch=z9hG4bK########;rport\nMax-Forwards: 70\n" +
	"From: \"Somebody\" <sip:201@10.66.0.1>;tag=########\nTo: <sip:%s@10.66.0.1>\nCall-ID: ########@10.67.0.9\nCSeq: 1 %s\n" +
	"Contact: <sip:201@10.67.0.9:5060>\nUser-Agent: a telephone\n"

const bogus = `Authorization: Digest username="201", realm="sotto", nonce="AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", uri="sip:%s@10.66.0.1", ` +
	`response="00000000000000000000000000000000########00000000000000000000000000", algorithm=SHA-256, qop=auth, nc=00000001, cnonce="########"` + "\n"

const offer = "v=0\no=- 1 1 IN IP4 10.67.0.9\ns=-\nc=IN IP4 10.67.0.9\nt=0 0\nm=audio 4000 RTP/AVP 8 0 101\na=rtpmap:8 PCMA/8000\na=rtpmap:0 PCMU/8000\n" +
	"a=rtpmap:101 telephone-event/8000\na=fmtp:101 0-16\na=sendrecv\n"

func request(method, number, more, body string) *template {
	if body != "" {
		more += "Content-Type: application/sdp\n"
	}
	length := len(strings.ReplaceAll(body, "\n", "\r\n"))
	return newTemplate(method + fmt.Sprintf(head, number, number, method) + strings.ReplaceAll(more, "%s", number) + fmt.Sprintf("Content-Length: %d\n\n", length) + body)
}

// garbage gives messages that are none: cut, turned about, of chance.
func garbage() func(uint32) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	good := request("INVITE", "202", "", offer)
	buf := make([]byte, 1400)
	return func(n uint32) []byte {
		b := append(buf[:0], good.next(n)...)
		switch n % 4 {
		case 0:
			return b[:r.IntN(len(b))]
		case 1:
			for range 8 {
				b[r.IntN(len(b))] = byte(r.Uint32())
			}
			return b
		case 2:
			b = buf[:1+r.IntN(1400)]
			for i := range b {
				b[i] = byte(r.Uint32())
			}
			return b
		}
		return append(b, b[:600]...)[:1400-r.IntN(300)]
	}
}

// Each port of the box for RTP and RTCP hears so many packets in sequence before it is the
// next one's turn: enough to be taken for a telephone that began anew.
const inSequence = 8

// eachPort gives the ports in turn.
func eachPort(n uint32) int { return rtpFrom + int(n/inSequence)%(rtpTo-rtpFrom+1) }

// rtp gives packets that say the strangers' mark, a stream for each port.
func rtp() func(uint32) []byte {
	b := make([]byte, 12+160)
	b[0], b[1], b[11] = 0x80, 8, 7
	binary.BigEndian.PutUint64(b[12:], foreign)
	return func(n uint32) []byte {
		round := n / inSequence / (rtpTo - rtpFrom + 1)
		n = round*inSequence + n%inSequence
		binary.BigEndian.PutUint16(b[2:], uint16(n))
		binary.BigEndian.PutUint32(b[4:], 160*n)
		return b
	}
}

// sent is what a sender has sent.
type sent struct {
	messages, bytes int
	lasted          time.Duration
}

func (s sent) rate() int { return int(float64(s.messages) / max(s.lasted.Seconds(), 1e-3)) }

// pace calls send so many times a second, evenly, on a thread of its own, until the time
// is over. What it is late by is made up for, up to 20 ms.
func pace(rate int, d time.Duration, send func(n uint32) int) (s sent) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	start := time.Now()
	last := start
	due := 0.0
	for {
		now := time.Now()
		s.lasted = now.Sub(start)
		if s.lasted >= d {
			return s
		}
		due = min(due+float64(rate)*now.Sub(last).Seconds(), max(1, float64(rate)/50))
		for last = now; due >= 1; due-- {
			s.bytes += send(uint32(s.messages))
			s.messages++
		}
		ts := unix.NsecToTimespec(int64(200 * time.Microsecond))
		unix.Nanosleep(&ts, nil)
	}
}

// flood sends from so many addresses, to the box's port of SIP or to the one that port says.
func (s *strangers) flood(rate, from int, d time.Duration, message func(uint32) []byte, port func(uint32) int) sent {
	to := &syscall.SockaddrInet4{Addr: boxSIP.Addr().As4(), Port: int(boxSIP.Port())}
	raw, err := s.sock.SyscallConn()
	if err != nil {
		return sent{}
	}
	var b, oob []byte
	write := func(fd uintptr) bool {
		syscall.SendmsgN(int(fd), b, oob, to, syscall.MSG_DONTWAIT)
		return true
	}
	return pace(rate, d, func(n uint32) int {
		b, oob = message(n), s.source[int(n)%from]
		if port != nil {
			to.Port = port(n)
		}
		raw.Write(write)
		return len(b)
	})
}

// connections opens so many and leaves them, with half a message in each.
func connections(wild *namespace, count int) (open []net.Conn, err error) {
	err = wild.do(func() error {
		for i := range count {
			d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(stranger(i%sources), 0)), Timeout: 2 * time.Second}
			c, err := d.Dial("tcp4", boxSIP.String())
			if err != nil {
				continue // the box need not take it
			}
			c.Write([]byte("INVITE sip:201@10.66.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP"))
			open = append(open, c)
		}
		return nil
	})
	return open, err
}
