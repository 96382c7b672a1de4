package main

import (
	"cmp"
	"encoding/binary"
	"math"
	"math/rand"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Every 20 ms G.711 packet carries, in its 160 payload bytes, a mark, the id of
// the stream, its own number and the sender's clock. A relay that copies the
// payload (no transcoding) delivers them as they were, and the receiver
// compares the clock with the kernel's receive time stamp of the datagram, so
// the receiver's own scheduling is not part of the figure.

const (
	frame    = 20 * time.Millisecond
	payload  = 160
	markWord = 0x5254504c4f414431 // "RTPLOAD1"
)

// rtpEnd is one end of a stream each way: its sockets, and what it sends.
type rtpEnd struct {
	m       *media
	conn    *net.UDPConn
	rtcp    *net.UDPConn
	port    int
	remote  atomic.Pointer[netip.AddrPort]
	id      uint32
	st      *stream
	seq     uint16
	n       uint32
	ssrc    uint32
	phase   time.Duration
	running atomic.Bool
	pkt     [12 + payload]byte
	got     atomic.Int64
	altered atomic.Int64
}

// media owns all the streams of a run, and the one pacing thread.
type media struct {
	ip       string
	pt       int
	mu       sync.Mutex
	nextPort int
	ends     []*rtpEnd
	streams  []*stream
	active   []*rtpEnd // sorted by phase
	w0, w1   atomic.Int64
	late     []int64 // pacing lateness, ns (pacer thread only, read after the window)
	lateMu   sync.Mutex
	rng      *rand.Rand
	quit     atomic.Bool
	done     chan struct{}
	noTS     atomic.Int64
}

func newMedia(ip string, pt, basePort int, seed int64) *media {
	m := &media{ip: ip, pt: pt, nextPort: basePort, rng: rand.New(rand.NewSource(seed)), done: make(chan struct{})}
	m.w0.Store(math.MaxInt64)
	m.w1.Store(math.MaxInt64)
	go m.pace()
	return m
}

// newEnd opens the next free pair of ports; nil if none is free.
func (m *media) newEnd() *rtpEnd {
	m.mu.Lock()
	defer m.mu.Unlock()
	for range 2000 {
		p := m.nextPort
		m.nextPort += 2
		if m.nextPort > 64000 {
			m.nextPort = 20000
		}
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(m.ip), Port: p})
		if err != nil {
			continue
		}
		rc, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(m.ip), Port: p + 1})
		if err != nil {
			c.Close()
			continue
		}
		e := &rtpEnd{m: m, conn: c, rtcp: rc, port: p, id: uint32(len(m.streams)), ssrc: m.rng.Uint32(),
			seq: uint16(m.rng.Uint32()), phase: time.Duration(m.rng.Int63n(int64(frame))), st: &stream{}}
		m.streams = append(m.streams, e.st)
		m.ends = append(m.ends, e)
		raw, _ := c.SyscallConn()
		bigBuffer(raw, 1<<20)
		raw.Control(func(fd uintptr) {
			syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_TIMESTAMPNS, 1)
		})
		for i := range e.pkt {
			e.pkt[i] = 0xd5 // near silence in both laws
		}
		e.pkt[0], e.pkt[1] = 0x80, byte(m.pt)
		binary.BigEndian.PutUint32(e.pkt[8:], e.ssrc)
		binary.BigEndian.PutUint64(e.pkt[12:], markWord)
		binary.BigEndian.PutUint32(e.pkt[20:], e.id)
		go e.recv()
		return e
	}
	return nil
}

func (e *rtpEnd) setRemote(ap netip.AddrPort) { e.remote.Store(&ap) }

// start lets the pacing thread send from this end, once it knows where to.
func (e *rtpEnd) start() {
	if !e.running.CompareAndSwap(false, true) {
		return
	}
	m := e.m
	m.mu.Lock()
	next := make([]*rtpEnd, 0, len(m.active)+1)
	next = append(next, m.active...)
	next = append(next, e)
	slices.SortFunc(next, func(a, b *rtpEnd) int { return cmp.Compare(a.phase, b.phase) })
	m.active = next
	m.mu.Unlock()
}

func (e *rtpEnd) stop() {
	if !e.running.CompareAndSwap(true, false) {
		return
	}
	m := e.m
	m.mu.Lock()
	next := make([]*rtpEnd, 0, len(m.active))
	for _, x := range m.active {
		if x != e {
			next = append(next, x)
		}
	}
	m.active = next
	m.mu.Unlock()
	time.AfterFunc(time.Second, func() { e.conn.Close(); e.rtcp.Close() })
}

// pace sends the packets of all streams, each at its phase within the 20 ms.
func (m *media) pace() {
	runtime.LockOSThread() // sleep with the kernel's precision, not the runtime's
	defer close(m.done)
	t0 := time.Now()
	for k := int64(0); !m.quit.Load(); k++ {
		m.mu.Lock()
		act := m.active
		m.mu.Unlock()
		base := t0.Add(time.Duration(k) * frame)
		for _, e := range act {
			due := base.Add(e.phase)
			if d := time.Until(due); d > 30*time.Microsecond {
				ts := syscall.NsecToTimespec(int64(d - 20*time.Microsecond))
				syscall.Nanosleep(&ts, nil)
			}
			if e.running.Load() {
				e.sendOne(due)
			}
		}
		if d := time.Until(base.Add(frame)); d > 0 {
			ts := syscall.NsecToTimespec(int64(d))
			syscall.Nanosleep(&ts, nil)
		}
	}
}

func (e *rtpEnd) sendOne(due time.Time) {
	r := e.remote.Load()
	if r == nil {
		return
	}
	binary.BigEndian.PutUint16(e.pkt[2:], e.seq)
	binary.BigEndian.PutUint32(e.pkt[4:], e.n*payload)
	binary.BigEndian.PutUint32(e.pkt[24:], e.n)
	if e.n == 0 {
		e.pkt[1] = byte(e.m.pt) | 0x80 // marker on the first
	} else {
		e.pkt[1] = byte(e.m.pt)
	}
	e.seq++
	e.n++
	now := time.Now()
	ns := now.UnixNano()
	binary.BigEndian.PutUint64(e.pkt[28:], uint64(ns))
	if _, err := e.conn.WriteToUDPAddrPort(e.pkt[:], *r); err != nil {
		return
	}
	if ns >= e.m.w0.Load() && ns < e.m.w1.Load() {
		e.st.sent.Add(1)
		e.m.lateMu.Lock()
		e.m.late = append(e.m.late, int64(now.Sub(due)))
		e.m.lateMu.Unlock()
	}
}

func (e *rtpEnd) recv() {
	buf := make([]byte, 2048)
	oob := make([]byte, 128)
	for {
		n, on, _, _, err := e.conn.ReadMsgUDPAddrPort(buf, oob)
		if err != nil {
			return
		}
		at := kernelTime(oob[:on])
		if at == 0 {
			at = time.Now().UnixNano()
			e.m.noTS.Add(1)
		}
		if n < 36 || buf[0]>>6 != 2 {
			continue
		}
		if pt := int(buf[1] & 0x7f); pt != e.m.pt {
			continue
		}
		e.got.Add(1)
		off := 12 + 4*int(buf[0]&0x0f)
		if buf[0]&0x10 != 0 && n >= off+4 {
			off += 4 + 4*int(binary.BigEndian.Uint16(buf[off+2:]))
		}
		if n < off+24 || binary.BigEndian.Uint64(buf[off:]) != markWord {
			e.altered.Add(1)
			continue
		}
		id := binary.BigEndian.Uint32(buf[off+8:])
		num := binary.BigEndian.Uint32(buf[off+12:])
		sent := int64(binary.BigEndian.Uint64(buf[off+16:]))
		if sent < e.m.w0.Load() || sent >= e.m.w1.Load() {
			continue
		}
		e.m.mu.Lock()
		var s *stream
		if int(id) < len(e.m.streams) {
			s = e.m.streams[id]
		}
		e.m.mu.Unlock()
		if s != nil {
			s.take(num, at-sent)
		}
	}
}

// kernelTime finds the receive time stamp, nanoseconds since 1970; 0 if there is none.
func kernelTime(oob []byte) int64 {
	// One control message: header (len, level, type), then a timespec.
	for len(oob) >= 32 {
		l := binary.LittleEndian.Uint64(oob)
		level := binary.LittleEndian.Uint32(oob[8:])
		typ := binary.LittleEndian.Uint32(oob[12:])
		if level == syscall.SOL_SOCKET && typ == syscall.SO_TIMESTAMPNS {
			return int64(binary.LittleEndian.Uint64(oob[16:]))*1e9 + int64(binary.LittleEndian.Uint64(oob[24:]))
		}
		l = (l + 7) &^ 7
		if l == 0 || l > uint64(len(oob)) {
			return 0
		}
		oob = oob[l:]
	}
	return 0
}
