package rtpport

import (
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"sotto/board"
)

const (
	batch     = 64  // sockets that the kernel tells of at once
	rounds    = 16  // of them, after which others have their turn
	maxErrors = 100 // in a row, after which a socket is left alone for a frame
	never     = time.Duration(math.MaxInt64)

	ofRTP, ofRTCP = 0, 1 // the sockets of a place: the lowest bit of what an event names
)

// poller reads all sockets of the kernel, with one goroutine: a set of epoll(7) of its own
// says which have packets, and each of those is read once a round. A goroutine for each
// socket would cost two turns of the scheduler with each packet, and a call that finds
// nothing. The set is level-triggered: what a round leaves is told by the next.
//
// The goroutine waits for the set in the runtime's poller, in which the set is a file.
// Waiting in the kernel is cheaper only where the runtime has a processor to spare: on a
// machine with one core it takes that away at each wait, which costs twice as much as all
// the rest.
//
// A session has a place, which it leaves under mu, the lock that is held while a packet is
// handled. So whoever closes a session waits for one packet at most, and none is handled
// afterwards. What the kernel told of a place before it was left names another turn.
type poller struct {
	count *counters
	base  time.Time
	file  *os.File // the set
	raw   syscall.RawConn
	rung  atomic.Bool // look at all places at once
	done  chan struct{}

	events [batch]syscall.EpollEvent // of the goroutine, as are the next two
	buf    [maxPacket]byte
	from   syscall.RawSockaddrAny

	mu     sync.Mutex // may be held when a session's is taken, never the other way round
	set    int        // -1 after close
	places []place
	free   []int32
	next   time.Duration // when to look at all places, since base
}

// place is where a session is in the poller.
type place struct {
	s      *Session // nil: free
	turn   int32    // changes with each session
	sock   [2]socket
	report time.Duration // when the next is due
}

// socket is one of the two of a place.
type socket struct {
	fd   int
	errs int  // in a row
	rest bool // out of the set for a frame, since reading it fails
}

// newPoller opens a set and starts the goroutine, which ends with close.
func newPoller(count *counters, base time.Time) (*poller, error) {
	set, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err = syscall.SetNonblock(set, true); err != nil { // else the runtime's poller does not take it
		syscall.Close(set)
		return nil, os.NewSyscallError("fcntl", err)
	}
	p := &poller{count: count, base: base, set: set, file: os.NewFile(uintptr(set), "rtp sockets"), done: make(chan struct{}), next: never}
	if p.raw, err = p.file.SyscallConn(); err == nil {
		err = p.file.SetReadDeadline(time.Time{})
	}
	if err != nil {
		p.file.Close()
		return nil, fmt.Errorf("watch rtp sockets: %w", err)
	}
	go p.run()
	return p, nil
}

// close ends the goroutine.
func (p *poller) close() {
	p.mu.Lock()
	p.set = -1
	p.mu.Unlock()
	p.file.Close()
	<-p.done
}

func (p *poller) now() time.Duration { return time.Since(p.base) }

// ring makes the goroutine look at all places at once. Any goroutine, with any lock.
func (p *poller) ring() {
	p.rung.Store(true)
	p.file.SetReadDeadline(p.base)
}

// soon makes the goroutine look at all places at a time or before. By mu.
func (p *poller) soon(at time.Duration) {
	if at < p.next {
		p.next = at
		p.wait(p.base.Add(at))
	}
}

// wait sets when the goroutine looks if nothing comes; a ring meanwhile is not forgotten.
func (p *poller) wait(t time.Time) {
	p.file.SetReadDeadline(t)
	if p.rung.Load() {
		p.file.SetReadDeadline(p.base)
	}
}

// add gives a session a place: from now on its packets are handled and its reports sent.
func (p *poller) add(s *Session) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.free) == 0 {
		p.places = append(p.places, place{})
		p.free = append(p.free, int32(len(p.places)-1))
	}
	at := p.free[len(p.free)-1]
	pl := &p.places[at]
	*pl = place{s: s, turn: pl.turn + 1, sock: [2]socket{{fd: s.out.link.fd}, {fd: s.rtcp.fd}}, report: p.now() + interval(true)}
	for which := range pl.sock {
		if err := p.watch(at, which); err != nil {
			pl.s = nil // closing the sockets takes them out
			return fmt.Errorf("watch rtp socket: %w", err)
		}
	}
	p.free = p.free[:len(p.free)-1]
	s.place = at
	p.soon(pl.report)
	return nil
}

// watch puts a socket of a place into the set.
func (p *poller) watch(at int32, which int) error {
	pl := &p.places[at]
	return syscall.EpollCtl(p.set, syscall.EPOLL_CTL_ADD, pl.sock[which].fd, &syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: at<<1 | int32(which), Pad: pl.turn})
}

// remove takes a session's place from it: nothing of it is handled from then on.
func (p *poller) remove(s *Session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	pl := &p.places[s.place]
	for i := range pl.sock {
		syscall.EpollCtl(p.set, syscall.EPOLL_CTL_DEL, pl.sock[i].fd, nil) // not there: it rests
	}
	pl.s = nil
	p.free = append(p.free, s.place)
}

// run is the goroutine.
func (p *poller) run() {
	defer close(p.done)
	take := p.take // once: it allocates
	for {
		switch err := p.raw.Read(take); {
		case err == nil:
			runtime.Gosched()
		case errors.Is(err, os.ErrDeadlineExceeded):
			p.look(p.now())
		default:
			return // closed
		}
	}
}

// take reads sockets that have packets; false: wait until others have. That cannot wait,
// so it need not be announced to the scheduler.
func (p *poller) take(set uintptr) bool {
	for range rounds {
		n, _, err := syscall.RawSyscall6(syscall.SYS_EPOLL_PWAIT, set, uintptr(unsafe.Pointer(&p.events)), batch, 0, 0, 0)
		if err == syscall.EINTR {
			continue
		}
		if err != 0 || n == 0 {
			return false
		}
		now := p.now()
		for i := range p.events[:n] {
			p.read(&p.events[i], now)
		}
	}
	return true
}

// read takes one packet from a socket that has some.
func (p *poller) read(e *syscall.EpollEvent, now time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at, which := e.Fd>>1, e.Fd&1
	pl := &p.places[at]
	if pl.s == nil || pl.turn != e.Pad {
		return // it was told before the session ended
	}
	k := &pl.sock[which]
	n, from, err := receive(k.fd, p.buf[:], &p.from)
	switch {
	case err == syscall.EAGAIN || err == syscall.EINTR:
	case err != 0:
		bad := &p.count.bad
		if which == ofRTCP {
			bad = &p.count.rtcpBad
		}
		bad.Add(1)
		if k.errs++; k.errs > maxErrors {
			syscall.EpollCtl(p.set, syscall.EPOLL_CTL_DEL, k.fd, nil)
			k.rest = true
			p.soon(now + board.FrameTime)
		}
	case which == ofRTP:
		k.errs = 0
		pl.s.packet(p.buf[:n], from, now)
	default:
		k.errs = 0
		pl.s.control(p.buf[:min(n, maxRTCP)], from, now)
	}
}

// look does what is due: reports, keys that are made into sound, and sockets that have
// rested.
func (p *poller) look(now time.Duration) {
	p.rung.Store(false)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next = never
	p.wait(time.Time{})
	for i := range p.places {
		if p.places[i].s != nil {
			p.due(int32(i), now)
		}
	}
}

// due does what is due at a place.
func (p *poller) due(at int32, now time.Duration) {
	pl := &p.places[at]
	for i := range pl.sock {
		if k := &pl.sock[i]; k.rest {
			k.rest, k.errs = p.watch(at, i) != nil, 0
			p.soon(now + board.FrameTime)
		}
	}
	if now >= pl.report {
		pl.s.report(now, false)
		pl.report = now + interval(false)
	}
	p.soon(pl.report)
	pl.s.late(now)
}
