package sdp

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// What a packet holds if nobody says, and the least and most that is agreed to, in ms.
const (
	usualPTime = 20
	minPTime   = 10
	maxPTime   = 60
)

// Local is this end of a session. It is a value: its methods change nothing.
type Local struct {
	Addr    netip.AddrPort // where sound is to come; must be valid
	RTCP    uint16         // port; 0 is the one after Addr's
	ID      uint64         // of the session, the same for as long as it lasts; below 2^62
	Version uint64         // one more than before when anything else has changed (RFC 3264 section 8); below 2^62
	Codecs  []Codec        // in order of preference; telephone events and comfort noise among them if wanted
	Prefer  bool           // Answer goes by this order and not by that of the offer
	Dir     Direction      // what this end wants; an answer gives no more than the offer allows
	PTime   int            // ms of sound in a packet; 0 is 20
	Lines   Lines          // of what was agreed on before in this session
}

// Offer writes a description that offers all of l (RFC 3264 section 5). No host, user or
// program is named in it.
func (l *Local) Offer() []byte {
	w := l.begin("0 0")
	lines := l.Lines.lines
	if lines == nil {
		lines = []mediaLine{{proto: protoAVP}}
	}
	for i, m := range lines {
		if i == l.Lines.audio {
			w = l.audio(w, m.proto, l.Codecs, l.Dir)
		} else {
			w = m.refuse(w)
		}
	}
	return w
}

// Answer writes the answer to an offer (RFC 3264 section 6) and says what it means. One
// line is taken, with one codec and the numbers of the offer; all others are refused. The
// error is [ErrNothing].
func (l *Local) Answer(offer *Session) (answer []byte, c Chosen, err error) {
	for _, i := range offer.usable() {
		r := offer.remote(i)
		codec, ok := l.choose(r)
		if !ok {
			continue
		}
		c = l.chosen(r, codec, codec)
		c.Lines = offer.outline(i)
		w := l.begin(offer.time)
		for k, m := range c.Lines.lines {
			if k == i {
				w = l.audio(w, m.proto, c.agreed(), c.Dir)
			} else {
				w = m.refuse(w)
			}
		}
		return w, c, nil
	}
	return nil, Chosen{}, ErrNothing
}

// Accept says what the answer to an offer of this end means: offer is as it was when
// [Local.Offer] wrote it. If the answer names several codecs, the first that was offered
// counts. The error is [ErrNothing].
func Accept(offer *Local, answer *Session) (Chosen, error) {
	i := offer.Lines.audio
	if !slices.Contains(answer.usable(), i) {
		return Chosen{}, ErrNothing
	}
	r := answer.remote(i)
	for _, theirs := range r.Codecs {
		if ours, ok := find(offer.Codecs, theirs); ok && ours.voice() {
			c := offer.chosen(r, theirs, ours)
			c.Lines = offer.Lines
			if c.EventsIn != 0 {
				e, _ := find(offer.Codecs, TelephoneEvent)
				c.EventsIn = e.Payload
			}
			return c, nil
		}
	}
	return Chosen{}, ErrNothing
}

// choose picks the codec of an answer, by the order of the offer or by that of l.
func (l *Local) choose(r *Remote) (Codec, bool) {
	first, second := r.Codecs, l.Codecs
	if l.Prefer {
		first, second = second, first
	}
	for _, c := range first {
		if _, ok := find(second, c); ok && c.voice() {
			return r.find(c)
		}
	}
	return Codec{}, false
}

// chosen says what a codec means that both ends have: theirs is as the remote numbers it,
// ours as this end does.
func (l *Local) chosen(r *Remote, theirs, ours Codec) Chosen {
	c := Chosen{Remote: *r, Codec: theirs, PayloadIn: ours.Payload, Dir: l.Dir.And(r.Dir.Mirror()), PTime: l.packet(r)}
	if _, ok := find(l.Codecs, TelephoneEvent); ok {
		e, _ := r.find(TelephoneEvent)
		c.Events, c.EventsIn = e.Payload, e.Payload
	}
	_, us := find(l.Codecs, ComfortNoise)
	n, them := r.find(ComfortNoise)
	c.Comfort = us && them && n.Payload == ComfortNoise.Payload
	return c
}

// packet gives how many ms of sound each packet to r is to hold.
func (l *Local) packet(r *Remote) int {
	n := cmp.Or(r.PTime, l.PTime, usualPTime)
	if r.MaxPTime > 0 {
		n = min(n, r.MaxPTime)
	}
	return max(minPTime, min(maxPTime, n-n%10))
}

// agreed gives the formats of an answer.
func (c *Chosen) agreed() []Codec {
	l := []Codec{c.Codec}
	if c.Events != 0 {
		e := TelephoneEvent
		e.Payload = c.Events
		l = append(l, e)
	}
	if c.Comfort {
		l = append(l, ComfortNoise)
	}
	return l
}

// outline gives the lines of a session of which line i is taken.
func (s *Session) outline(i int) Lines {
	l := Lines{make([]mediaLine, len(s.lines)), i}
	for k, m := range s.lines {
		l.lines[k] = mediaLine{strings.Clone(m.media), strings.Clone(m.proto), strings.Clone(m.formats[0])}
	}
	return l
}

// begin writes what stands before the media lines.
func (l *Local) begin(time string) []byte {
	addr, family := l.Addr.Addr().Unmap().WithZone(""), "IP6"
	if addr.Is4() {
		family = "IP4"
	}
	w := append(make([]byte, 0, 512), "v=0\r\no=- "...)
	w = append(strconv.AppendUint(w, l.ID, 10), ' ')
	w = append(strconv.AppendUint(w, l.Version, 10), ' ')
	conn := "IN " + family + " " + addr.String() + "\r\n"
	return append(w, conn+"s=-\r\nc="+conn+"t="+time+"\r\n"...)
}

// audio writes the line that is used.
func (l *Local) audio(w []byte, proto string, codecs []Codec, d Direction) []byte {
	w = strconv.AppendUint(append(w, "m=audio "...), uint64(l.Addr.Port()), 10)
	w = append(append(w, ' '), proto...)
	for _, c := range codecs {
		w = strconv.AppendUint(append(w, ' '), uint64(c.Payload), 10)
	}
	for _, c := range codecs {
		w = strconv.AppendUint(append(w, "\r\na=rtpmap:"...), uint64(c.Payload), 10)
		w = append(append(append(w, ' '), c.Name...), '/')
		w = strconv.AppendInt(w, int64(c.Rate), 10)
		if c.Channels > 1 {
			w = strconv.AppendInt(append(w, '/'), int64(c.Channels), 10)
		}
		if c.Same(TelephoneEvent) { // the keys and flash (RFC 4733 section 2.4.1)
			w = strconv.AppendUint(append(w, "\r\na=fmtp:"...), uint64(c.Payload), 10)
			w = append(w, " 0-16"...)
		}
	}
	if l.RTCP != 0 && l.RTCP != l.Addr.Port()+1 {
		w = strconv.AppendUint(append(w, "\r\na=rtcp:"...), uint64(l.RTCP), 10)
	}
	w = strconv.AppendInt(append(w, "\r\na=ptime:"...), int64(cmp.Or(l.PTime, usualPTime)), 10)
	return append(w, "\r\na="+d.String()+"\r\n"...)
}

// refuse writes a line that is not used (RFC 3264 section 6).
func (m *mediaLine) refuse(w []byte) []byte {
	return append(w, "m="+m.media+" 0 "+m.proto+" "+m.format+"\r\n"...)
}
