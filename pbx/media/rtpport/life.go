package rtpport

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"time"

	"sotto/board"
)

// open opens the sockets.
func (s *Session) open() error {
	rtp := netip.AddrPortFrom(s.local, s.LocalPort())
	rtcp := netip.AddrPortFrom(s.local, s.LocalPort()+1)
	if err := s.out.link.open(rtp, s.ports.cfg.Listen); err != nil {
		return err
	}
	if err := s.rtcp.open(rtcp, s.ports.cfg.Listen); err != nil {
		s.out.link.close()
		return err
	}
	return nil
}

// shut closes the sockets, which nobody reads.
func (s *Session) shut() {
	s.out.mu.Lock()
	s.out.link.close()
	s.out.mu.Unlock()
	s.rtcp.close()
}

// start has the sockets read from now on. It is called by Open.
func (s *Session) start() (err error) {
	p := s.ports
	if p.cfg.Listen != nil {
		s.readers.Go(s.listen)
		s.readers.Go(s.confer)
		return nil
	}
	if p.poll == nil {
		if p.poll, err = newPoller(&p.count, p.base); err != nil {
			return err
		}
	}
	s.poll = p.poll
	return s.poll.add(s)
}

// Close says goodbye by RTCP, ends the session and frees its ports. It waits for a packet
// that is being handled at most. A second Close does nothing.
func (s *Session) Close() {
	if s.closing.Swap(true) {
		return
	}
	s.ports.cut(s)
	s.ports.cfg.Engine.Detach(s.port)
	s.out.mu.Lock()
	s.out.open = false
	s.out.mu.Unlock()
	if s.poll != nil {
		s.poll.remove(s)
	} else {
		s.out.link.sock.Close()
		s.rtcp.sock.SetReadDeadline(s.ports.base)
		s.readers.Wait()
	}
	s.report(s.ports.now(), true)
	s.shut()
	s.ports.free(s)
}

// look makes who reads the sockets look at the session at once.
func (s *Session) look() {
	if s.poll != nil {
		s.poll.ring()
		return
	}
	s.out.link.sock.SetReadDeadline(s.ports.base)
}

// wake makes who reads the sockets look at the session in a frame, if keys are made into
// its partner's sound. It is called by that goroutine, and by mu: so a wish to be looked
// at, by Digit, is not overwritten by an older one.
func (s *Session) wake(now time.Duration) {
	if s.poll != nil {
		if s.pumping {
			s.poll.soon(now + board.FrameTime)
		}
		return
	}
	var at time.Time
	if s.pumping {
		at = s.ports.base.Add(now + board.FrameTime)
	}
	s.out.link.sock.SetReadDeadline(at)
}

// late goes on with keys while no packet comes.
func (s *Session) late(now time.Duration) {
	s.mu.Lock()
	s.pump(s.partner.Load(), now)
	s.wake(now)
	s.mu.Unlock()
}

// listen reads an RTP socket that is none of the kernel's, until it is closed.
func (s *Session) listen() {
	buf := make([]byte, maxPacket)
	for errs := 0; ; {
		n, from, err := s.out.link.sock.ReadFromUDPAddrPort(buf)
		now := s.ports.now()
		switch {
		case err == nil:
			errs = 0
			s.packet(buf[:n], plain(from), now)
		case errors.Is(err, net.ErrClosed):
			return
		case errors.Is(err, os.ErrDeadlineExceeded):
			s.late(now)
		default:
			s.ports.count.bad.Add(1)
			if errs++; errs > maxErrors {
				time.Sleep(board.FrameTime)
			}
		}
	}
}

// confer reads an RTCP socket that is none of the kernel's, and sends reports in time,
// until Close.
func (s *Session) confer() {
	buf := make([]byte, maxRTCP)
	next := s.ports.now() + interval(true)
	for errs := 0; ; {
		s.rtcp.sock.SetReadDeadline(s.ports.base.Add(next))
		if s.closing.Load() { // looked at after the deadline is set: Close does it the other way round
			return
		}
		n, from, err := s.rtcp.sock.ReadFromUDPAddrPort(buf)
		now := s.ports.now()
		switch {
		case err == nil:
			errs = 0
			s.control(buf[:n], plain(from), now)
		case !errors.Is(err, os.ErrDeadlineExceeded):
			s.ports.count.rtcpBad.Add(1)
			if errs++; errs > maxErrors {
				time.Sleep(board.FrameTime)
			}
		}
		if now >= next && !s.closing.Load() {
			next = now + interval(false)
			s.report(now, false)
		}
	}
}
