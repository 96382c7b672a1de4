package sdp

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Session is a description that was read.
type Session struct {
	time  string // of the first t=, to be repeated in an answer
	level section
	lines []line
}

// section is what may stand before the first media line and after each.
type section struct {
	attributes int
	conn       netip.Addr // invalid: not one that sound can be sent to
	connSet    bool
	dir        Direction
	dirSet     bool
}

// line is a media line with what follows it.
type line struct {
	section
	media, proto    string
	port            uint16
	formats         []string
	maps            []Codec // a=rtpmap
	ptime, maxPTime int
	rtcp            netip.AddrPort // a=rtcp; without address: that of the line
	rtcpSet         bool
}

// The kinds of error.
var (
	errSize       = errors.New("longer than 8 KiB")
	errVersion    = errors.New("not a session description of version 0")
	errOrigin     = errors.New("no origin")
	errCharacter  = errors.New("control character")
	errType       = errors.New("not a line of a session description")
	errTime       = errors.New("bad time")
	errMedia      = errors.New("bad media line")
	errLines      = errors.New("more than 8 media lines")
	errFormats    = errors.New("more than 32 formats")
	errAttributes = errors.New("more than 64 attributes")
)

// Parse reads a whole description. An error tells the kind and the number of the line
// that is wrong, nothing of what it says. Lines may end with a bare LF (RFC 8866 section
// 5). A name or time that is missing is no error: no call needs one.
func Parse(data []byte) (*Session, error) {
	if len(data) > MaxSize {
		return nil, fmt.Errorf("session description: %w", errSize)
	}
	text := strings.TrimRight(string(data), "\r\n")
	s := &Session{}
	origin, n := false, 0
	for row := range strings.SplitSeq(text, "\n") {
		n++
		row = strings.TrimRight(row, " \t\r")
		if n == 1 && row != "v=0" {
			return nil, fmt.Errorf("session description: %w", errVersion)
		}
		origin = origin || strings.HasPrefix(row, "o=")
		if err := s.row(row, n == 1); err != nil {
			return nil, fmt.Errorf("session description line %d: %w", n, err)
		}
	}
	if !origin {
		return nil, fmt.Errorf("session description: %w", errOrigin)
	}
	s.time = cmp.Or(s.time, "0 0")
	return s, nil
}

// row takes in one line of the text.
func (s *Session) row(row string, first bool) error {
	if len(row) < 2 || row[1] != '=' {
		return errType
	}
	if strings.ContainsAny(row, "\x00\r") {
		return errCharacter
	}
	at := &s.level
	var l *line
	if n := len(s.lines); n > 0 {
		l = &s.lines[n-1]
		at = &l.section
	}
	switch value := row[2:]; row[0] {
	case 'v':
		if !first { // a second description behind this one
			return errVersion
		}
	case 'o', 's', 'i', 'u', 'e', 'p', 'b', 'r', 'z', 'k':
	case 'c':
		if !at.connSet {
			at.conn, at.connSet = connection(value), true
		}
	case 't':
		from, to, _ := strings.Cut(value, " ")
		if !digits(from) || !digits(to) {
			return errTime
		}
		s.time = cmp.Or(s.time, value)
	case 'm':
		if len(s.lines) == MaxLines {
			return errLines
		}
		return s.addLine(value)
	case 'a':
		if at.attributes++; at.attributes > MaxAttributes {
			return errAttributes
		}
		name, value, _ := strings.Cut(value, ":")
		at.attribute(name)
		if l != nil {
			l.attribute(name, strings.TrimSpace(value))
		}
	default: // a type that is not known spoils the whole (RFC 8866 section 5)
		return errType
	}
	return nil
}

// addLine reads a media line (RFC 8866 section 5.14).
func (s *Session) addLine(value string) error {
	var l line
	var port string
	n := 0
	for f := range strings.FieldsSeq(value) {
		if !token(f) {
			return errMedia
		}
		switch n++; {
		case n == 1:
			l.media = f
		case n == 2:
			port = f
		case n == 3:
			l.proto = f
		case n > 3+MaxFormats:
			return errFormats
		case !slices.Contains(l.formats, f):
			l.formats = append(l.formats, f)
		}
	}
	port, count, counted := strings.Cut(port, "/")
	p, err := strconv.ParseUint(port, 10, 16)
	if err != nil || counted && !digits(count) || l.proto == "" {
		return errMedia
	}
	l.port = uint16(p)
	if l.formats == nil {
		if p != 0 { // a refused line is sometimes left without
			return errMedia
		}
		l.formats = []string{"0"}
	}
	s.lines = append(s.lines, l)
	return nil
}

// attribute takes in what may stand anywhere. The last of several counts.
func (s *section) attribute(name string) {
	if d := slices.Index(directions[:], name); d >= 0 {
		s.dir, s.dirSet = Direction(d), true
	}
}

// attribute takes in what belongs to a media line. What cannot be read is as if it were
// not there: a codec's parameters are no reason to refuse a call.
func (l *line) attribute(name, value string) {
	switch name {
	case "rtpmap":
		if c, ok := rtpmap(value); ok {
			l.maps = append(l.maps, c)
		}
	case "ptime":
		l.ptime = milliseconds(value)
	case "maxptime":
		l.maxPTime = milliseconds(value)
	case "rtcp": // RFC 3605 section 2.1
		port, conn, ok := strings.Cut(value, " ")
		p, err := strconv.ParseUint(port, 10, 16)
		if err != nil || p == 0 {
			return
		}
		var a netip.Addr
		if ok {
			if a = connection(conn); !a.IsValid() {
				p = 0 // not where RTP goes, and nowhere else
			}
		}
		l.rtcp, l.rtcpSet = netip.AddrPortFrom(a, uint16(p)), true
	}
}

// rtpmap reads a map of a number to a codec (RFC 8866 section 6.6).
func rtpmap(value string) (Codec, bool) {
	number, format, _ := strings.Cut(value, " ")
	name, clock, _ := strings.Cut(strings.TrimSpace(format), "/")
	clock, channels, stereo := strings.Cut(clock, "/")
	p, err := strconv.ParseUint(number, 10, 7)
	rate, err2 := strconv.ParseUint(clock, 10, 20)
	if err != nil || err2 != nil || rate == 0 || name == "" || !token(name) {
		return Codec{}, false
	}
	c := Codec{Payload: uint8(p), Name: name, Rate: int(rate)}
	if stereo && channels != "1" {
		n, err := strconv.ParseUint(channels, 10, 8)
		if err != nil || n < 2 {
			return Codec{}, false
		}
		c.Channels = int(n)
	}
	return c, true
}

// connection reads network type, address type and address (RFC 8866 section 5.7). Only
// an address of one host is valid: neither a name nor a group, nor everybody.
func connection(value string) netip.Addr {
	text, is4 := strings.CutPrefix(value, "IN IP4 ")
	if !is4 {
		var is6 bool
		if text, is6 = strings.CutPrefix(value, "IN IP6 "); !is6 {
			return netip.Addr{}
		}
	}
	a, err := netip.ParseAddr(text)
	if err != nil || a.Is4() != is4 || a.Zone() != "" {
		return netip.Addr{}
	}
	if a = a.Unmap(); a.IsMulticast() || a == everybody {
		return netip.Addr{}
	}
	return a
}

var everybody = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// milliseconds reads a packet time; 0 is none. Some write "20.0".
func milliseconds(s string) int {
	s, _, _ = strings.Cut(s, ".")
	n, err := strconv.ParseUint(s, 10, 10)
	if err != nil {
		return 0
	}
	return int(n)
}

// digits tells whether s is a decimal number, of no more than 64 bits or so.
func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != "" && len(s) <= 20
}

// token tells whether s is of the characters of a token (RFC 8866 section 9), or the
// slashes between some, and not long. Only such text is repeated in an answer.
func token(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),:;<=>?@[\]`, c) >= 0 {
			return false
		}
	}
	return len(s) <= 64
}
