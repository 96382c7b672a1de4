package rtpport

import (
	"net/netip"
	"time"

	"sotto/board"
	"sotto/pbx/media/g711"
	"sotto/pbx/media/jitter"
)

const pumpLag = 100 * time.Millisecond // of keys' sound made up for at once

// packet takes what came on the RTP socket.
func (s *Session) packet(b []byte, from netip.AddrPort, now time.Duration) {
	var p packet
	if len(b) >= maxPacket || !p.parse(b) {
		s.ports.count.bad.Add(1)
		return
	}
	to := s.partner.Load()
	s.mu.Lock()
	k, law, ok := s.accept(&p, from, now, to)
	run := s.run
	s.mu.Unlock()
	if !ok || to == nil {
		return
	}
	to.out.mu.Lock()
	to.out.relay(&p, k, law, s, run, now)
	to.out.mu.Unlock()
}

// classify tells what a packet of the agreed payload types carries, false for others and
// for what none of them can be.
func (s *Session) classify(p *packet) (kind, g711.Law, bool) {
	law, static := g711.ForPayloadType(p.pt)
	switch {
	case static || p.pt == s.remote.Payload:
		if !static {
			law = s.remote.Law
		}
		return sound, law, p.n <= maxSound
	case s.remote.EventsIn != 0 && p.pt == s.remote.EventsIn:
		return event, 0, p.n >= 4
	case p.pt == comfortType:
		return comfort, 0, true
	}
	return 0, 0, false
}

// accept looks at who sent a packet, keeps the figures, and puts it where it is heard. If
// ok it remains to be sent on, if there is a partner.
func (s *Session) accept(p *packet, from netip.AddrPort, now time.Duration, to *Session) (k kind, law g711.Law, ok bool) {
	count := &s.ports.count
	if !s.src.exact.IsValid() { // nothing is agreed yet: its sound overtook the telephone's answer, or it is nobody's
		count.held.Add(1)
		return 0, 0, false
	}
	if !s.src.admits(from) {
		count.intruders.Add(1)
		s.quality.Intruders++
		if !s.reported {
			s.reported = true
			s.ports.cfg.Log.Warn("sound from an address that is not the telephone's is dropped", "port", s.LocalPort())
		}
		return 0, 0, false
	}
	k, law, ok = s.classify(p)
	if !ok {
		count.payload.Add(1)
		return 0, 0, false
	}
	switch s.src.judge(from, p) {
	case stranger, unproven:
		count.held.Add(1)
		return 0, 0, false
	case first:
		s.rec.start(p.seq)
		s.begin()
		s.found(from)
	case heard:
		switch s.rec.packet(p.seq) {
		case duplicate:
			count.duplicates.Add(1)
			return 0, 0, false
		case stray:
			count.held.Add(1)
			return 0, 0, false
		case restarts:
			s.begin()
		}
	}
	s.last.Store(int64(now))
	if k == sound {
		s.rec.arrived(now, p.ts)
	}
	if !s.remote.Receive {
		count.held.Add(1)
		return 0, 0, false
	}
	switch k {
	case sound:
		s.law = law
		if s.keys.covers(p.ts) { // the key as sound, too
			b := p.payload()
			for i := range b {
				b[i] = law.Silence()
			}
		}
	case event:
		onward := to != nil && to.events.Load() // as it is, keys that are none to us too
		play := !onward && (to != nil || s.wanted && now-s.read <= unheeded)
		if !s.keys.event(p.ts, p.marker, p.payload(), play) && !onward {
			count.payload.Add(1)
			return 0, 0, false
		}
		if onward {
			s.keys.unplayed = 0
		}
		s.tell()
	}
	if to != nil {
		s.relayed, s.stale = true, true
		s.pump(to, now)
		return k, law, !s.pumping && (k != event || to.events.Load())
	}
	s.pumping = false
	s.store(p, k, law, now)
	return k, law, true
}

// begin tells all who count on numbers that they begin anew.
func (s *Session) begin() {
	s.run++
	s.stale = true
	s.keys.newStream()
}

// found sends to where the telephone was found to be.
func (s *Session) found(from netip.AddrPort) {
	if from == s.remote.RTP {
		return
	}
	s.rtcpTo = netip.AddrPort{} // until it shows where that is
	s.out.mu.Lock()
	s.out.to = from
	s.out.open = s.remote.Send && sendable(from) && !s.closing.Load()
	s.out.mu.Unlock()
}

// store puts a packet where Read finds it.
func (s *Session) store(p *packet, k kind, law g711.Law, now time.Duration) {
	if !s.wanted {
		return
	}
	if s.buf == nil {
		s.buf = jitter.New()
		s.stale = false
	}
	if s.stale {
		s.buf.Restart()
		s.stale = false
	}
	s.catchUp(now)
	switch k {
	case sound:
		s.buf.Put(now, p.seq, p.ts, p.marker, law, p.payload())
	case event:
		s.buf.Event(now, p.seq, p.ts)
	case comfort:
		s.buf.Comfort(now, p.seq, p.ts, p.payload()[0]&0x7F)
	}
}

// pump makes keys into the partner's sound, or into telephone-events if it takes them, in
// place of what the telephone sends. Who reads the sockets is its clock.
func (s *Session) pump(to *Session, now time.Duration) {
	if to == nil || !s.keys.sounding() {
		s.pumping = false
		return
	}
	if !s.pumping {
		s.pumping, s.pumped = true, now-board.FrameTime
		s.wake(now)
	}
	s.pumped = max(s.pumped, now-pumpLag)
	for ; s.pumped+board.FrameTime <= now; s.pumped += board.FrameTime {
		var f board.Frame
		code := s.keys.queue[0].code
		if !s.keys.next(&f) {
			break
		}
		to.out.mu.Lock()
		switch k := &s.keys; {
		case !to.events.Load():
			to.out.frame(&f, now)
		case k.playing:
			to.out.key(code, k.played, false, now)
		case k.tail: // it has just ended
			to.out.key(code, k.played, true, now)
		}
		to.out.mu.Unlock()
	}
	if !s.keys.sounding() {
		s.pumping = false
		s.wake(now)
	}
}
