package edge

import (
	"errors"
	"strings"
)

var (
	// ErrUnframed says that the end of a message cannot be told, so that nothing behind
	// it can be read. Close the connection.
	ErrUnframed = errors.New("sip stream: lost the frame")
	// ErrFull says that [Stream.Write] was given more than may wait for [Stream.Next].
	ErrFull = errors.New("sip stream: too much unread")
)

// Stream cuts the bytes of one connection into messages (RFC 3261 sections 7.5 and 18.3).
// After each Write the reader calls Next until it has no more; then the Stream holds less
// than [MaxMessage], and while the connection idles next to nothing. The time that a half
// message may take is the reader's to watch, see [Stream.Partial]. The zero Stream is ready.
type Stream struct {
	buf  []byte
	off  int // of the next message in buf
	seen int // bytes behind off in which the head does not end
	need int // bytes of the message at off, 0 while its head has no end
	err  error
}

// Write takes at most [MaxMessage] bytes as they were read from the connection.
func (s *Stream) Write(data []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	if s.off > 0 {
		s.buf = s.buf[:copy(s.buf, s.buf[s.off:])]
		s.off = 0
	}
	if len(s.buf)+len(data) > 2*MaxMessage {
		s.err = ErrFull
		return 0, s.err
	}
	s.buf = append(s.buf, data...)
	return len(data), nil
}

// Next gives the next message for [Checker.Message], valid until the next call of Write: a
// whole one, or a keep-alive, or what there is of one whose end cannot be told, for its
// answer. After such a one, err is set. ok is false if more bytes are needed first.
func (s *Stream) Next() (msg []byte, ok bool, err error) {
	if s.err != nil {
		return nil, false, s.err
	}
	rest := s.buf[s.off:]
	if s.need == 0 {
		for len(rest) >= 2 && rest[0] == '\r' && rest[1] == '\n' {
			switch {
			case len(rest) >= len(ping) && string(rest[:len(ping)]) == ping:
				s.off += len(ping)
				return rest[:len(ping)], true, nil
			case strings.HasPrefix(ping, string(rest[:min(len(rest), len(ping))])):
				return nil, false, nil // perhaps half a ping
			}
			s.off, s.seen, rest = s.off+2, 0, rest[2:]
		}
		end := headEnd(rest[s.seen:])
		switch {
		case end >= 0:
			end += s.seen
		case len(rest) < MaxHead:
			s.seen = max(0, len(rest)-len(ping)+1)
			if len(rest) == 0 {
				s.idle()
			}
			return nil, false, nil
		}
		if end < 0 || end > MaxHead {
			s.err = ErrUnframed
			return rest[:MaxHead], true, nil
		}
		n, ok := contentLength(rest[:end])
		if !ok || n < 0 || n > MaxBody {
			s.err = ErrUnframed
			return rest[:end], true, nil
		}
		s.need = end + n
	}
	if len(rest) < s.need {
		return nil, false, nil
	}
	msg = rest[:s.need]
	s.off += s.need
	s.need, s.seen = 0, 0
	return msg, true, nil
}

// idle lets go of a large buffer when nothing is left in it.
func (s *Stream) idle() {
	if s.off = 0; cap(s.buf) > 2048 {
		s.buf = nil
	}
	s.buf = s.buf[:0]
}

// Partial tells whether a message has begun and has not ended: the reader closes the
// connection if that lasts. Line ends before a message do not count.
func (s *Stream) Partial() bool {
	for _, c := range s.buf[s.off:] {
		if c != '\r' && c != '\n' {
			return true
		}
	}
	return false
}
