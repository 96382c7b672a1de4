package siptest

import (
	"encoding/binary"
	"maps"
	"net/netip"
	"time"

	"sotto/board"
	"sotto/board/sim/ear"
	"sotto/pbx/media/g711"
)

// stopped is how long no sound may come until nothing is heard.
const stopped = 200 * time.Millisecond

// Tone gives the name of the tone that is heard now, or "".
func (s *Sound) Tone() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.last) > stopped {
		return ""
	}
	return s.tone
}

// Follow calls f with each frame heard from now on, in order; nil ends that.
func (s *Sound) Follow(f func(at time.Time, frame *board.Frame)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.follow = f
}

// Gapped gives how many sequence numbers were missing or out of order, and how many
// streams came.
func (s *Sound) Gapped() (gaps, streams int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Gaps, len(s.SSRCs)
}

// VoiceAt gives when a marker last began to be heard.
func (s *Sound) VoiceAt(marker int) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.since[marker]
}

// Began gives how often each marker began: once, if its sound never broke off.
func (s *Sound) Began() map[int]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.Voices)
}

// Hears tells whether the marker is heard now.
func (s *Sound) Hears(marker int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.on[marker] && time.Since(s.last) <= stopped
}

// Digits gives the digits heard in the sound so far.
func (s *Sound) Digits() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.digits
}

// Stat gives the packets received and their payload types.
func (s *Sound) Stat() (received int, payloads map[byte]int, from netip.AddrPort) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := map[byte]int{}
	for k, v := range s.Payloads {
		m[k] = v
	}
	return s.Received, m, s.From
}

func (s *Sound) receive() {
	var b [2048]byte
	for {
		n, from, err := s.conn.ReadFromUDPAddrPort(b[:])
		if err != nil {
			return
		}
		if n < 12 {
			continue
		}
		s.mu.Lock()
		pt := b[1] & 0x7f
		seq := binary.BigEndian.Uint16(b[2:])
		if s.Received > 0 && seq != s.lastSeq+1 {
			s.Gaps++
		}
		s.lastSeq = seq
		s.Received++
		s.From = from
		s.Payloads[pt]++
		s.SSRCs[binary.BigEndian.Uint32(b[8:])]++
		if len(s.Times) < 1000 {
			s.Times = append(s.Times, time.Since(s.began))
		}
		if law, ok := g711.ForPayloadType(pt); ok {
			s.last = time.Now()
			for _, c := range b[12:n] {
				s.frame[s.fill] = law.Decode(c)
				if s.fill++; s.fill == len(s.frame) {
					s.fill = 0
					if s.follow != nil {
						s.follow(time.Now(), &s.frame)
					}
					for _, e := range s.ear.Hear(time.Now(), &s.frame) {
						switch e.Kind {
						case ear.MarkerOn, ear.MarkerOff:
							if s.on[e.Marker] = e.Kind == ear.MarkerOn; s.on[e.Marker] {
								s.since[e.Marker] = e.At
								s.Voices[e.Marker]++
							}
							if s.heard != nil {
								s.heard(e.Marker, e.Kind == ear.MarkerOn)
							}
						case ear.Digit:
							s.digits += e.Name
						case ear.ToneOn:
							s.tones, s.tone = append(s.tones, e.Name), e.Name
						case ear.ToneOff:
							s.tone = ""
						}
					}
				}
			}
		} else if n >= 16 && pt == s.eventsIn && b[13]&0x80 != 0 {
			ts := binary.BigEndian.Uint32(b[4:])
			if ts != s.heardAt || s.Events == 0 {
				s.digits += string("0123456789*#ABCD"[b[12]&15])
				s.heardAt = ts
				s.Events++
			}
		}
		s.mu.Unlock()
	}
}
