package edge

import (
	"bytes"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// header is one header of a message: where it stands.
type header struct {
	known      headerName
	name, text []byte // text: trimmed, with its folds
	folded     bool
	control    bool // has control characters
}

// message is what read has found, for build and for reply.
type message struct {
	start    []byte // without CRLF
	method   string // of a request, if it is a token
	response bool
	ack      bool
	unframed bool // the Content-Length cannot be believed
	end      int  // of the head in data; len(data) if it has no end
	body     []byte
	headers  []header

	req *sip.Request
	res *sip.Response
}

// headEnd gives the length of the head with its empty line, or -1.
func headEnd(data []byte) int {
	if i := bytes.Index(data, []byte("\r\n\r\n")); i >= 0 {
		return i + 4
	}
	return -1
}

// nextLine cuts the first line off head: text is without its end, ok tells whether that
// was CRLF.
func nextLine(head []byte) (line, rest []byte, ok bool) {
	i := bytes.IndexByte(head, '\n')
	if i < 0 {
		return head, nil, false
	}
	if i > 0 && head[i-1] == '\r' {
		return head[:i-1], head[i+1:], true
	}
	return head[:i], head[i+1:], false
}

// isFold tells whether a line goes on with the header of the line before.
func isFold(line []byte) bool { return len(line) > 0 && (line[0] == ' ' || line[0] == '\t') }

// contentLength finds the Content-Length of a head. n is -1 if there is none; ok is false
// if there are two, or one that is no number. A value over MaxBody is given as MaxBody+1.
// It is the one reading of this header, for streams and for messages.
func contentLength(head []byte) (n int, ok bool) {
	n = -1
	_, rest, _ := nextLine(head)
	for len(rest) > 0 {
		line := rest
		line, rest, _ = nextLine(rest)
		if len(line) == 0 || line[0]|0x20 != 'c' && line[0]|0x20 != 'l' {
			continue
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		if h, _ := lookUp(bytes.TrimRight(name, " \t")); h.id != hContentLength {
			continue
		}
		if n >= 0 {
			return n, false
		}
		for isFold(rest) { // a value in the next line
			var more []byte
			more, rest, _ = nextLine(rest)
			if value = bytes.Trim(value, " \t"); len(value) > 0 && len(bytes.Trim(more, " \t")) > 0 {
				return n, false
			} else if len(value) == 0 {
				value = more
			}
		}
		v, ok := number(string(bytes.Trim(value, " \t")), MaxBody)
		if !ok {
			return n, false
		}
		n = int(v)
	}
	return n, true
}

// reset forgets the message before.
func (m *message) reset() { *m = message{headers: m.headers[:0]} }

// read finds the parts of a message and checks its form. It goes on after an error as far
// as it can, for what can be saved for the reply, and gives the first one.
func (m *message) read(data []byte, stream bool) (why Reason) {
	fail := func(r Reason) {
		if why == OK {
			why = r
		}
	}
	for !stream && len(data) >= 2 && data[0] == '\r' && data[1] == '\n' {
		data = data[2:]
	}
	if len(data) > MaxMessage {
		fail(TooLarge)
	}
	head := data
	if m.end = headEnd(data); m.end < 0 || m.end > MaxHead {
		if m.end > MaxHead || len(data) >= MaxHead {
			fail(TooLarge)
			head = data[:MaxHead]
		} else {
			fail(NoEnd)
		}
		m.end = len(head)
	}
	head = head[:m.end]

	m.start, head, _ = nextLine(head)
	if r := m.readStart(); r == NotSIP {
		return r
	} else if r != OK {
		fail(r)
	}
	if len(m.start) > MaxLine || !clean(m.start) {
		fail(BadLine)
	}
	if r := m.readHeaders(head); r != OK {
		fail(r)
	}
	if r := m.readBody(data, stream); r != OK {
		fail(r)
	}
	return why
}

// readStart tells requests from responses from the rest.
func (m *message) readStart() Reason {
	line := m.start
	if len(line) >= 4 && strings.EqualFold(string(line[:4]), "SIP/") {
		m.response = true
		switch {
		case len(line) < 11 || !strings.EqualFold(string(line[:8]), "SIP/2.0 "):
			return BadVersion
		case line[8] < '1' || line[8] > '6' || !all(line[9:11], isDigit) || len(line) > 11 && line[11] != ' ':
			return BadStatus
		}
		return OK
	}
	method, rest, _ := bytes.Cut(line, []byte(" "))
	version := rest[bytes.LastIndexByte(bytes.TrimRight(rest, " \t"), ' ')+1:]
	if !all(method, isToken) || len(version) < 4 || !strings.EqualFold(string(version[:4]), "SIP/") {
		return NotSIP
	}
	m.method = string(method)
	m.ack = strings.EqualFold(m.method, "ACK")
	target := rest[:len(rest)-len(version)]
	switch {
	case !isVersion(string(version[4:])) || len(target) < 2 || bytes.ContainsAny(target[:len(target)-1], " \t"):
		return BadStart
	case string(version[4:]) != "2.0":
		return BadVersion
	}
	return OK
}

// isVersion tells whether s is a version: digits, dot, digits.
func isVersion(s string) bool {
	major, minor, _ := strings.Cut(s, ".")
	return all(major, isDigit) && all(minor, isDigit)
}

// clean tells whether text has no control characters but tabs.
func clean(text []byte) bool {
	for _, c := range text {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// readHeaders finds the headers, and checks that those that must be there are, and that
// those that may stand once do.
func (m *message) readHeaders(rest []byte) (why Reason) {
	fail := func(r Reason) {
		if why == OK {
			why = r
		}
	}
	var seen [hIDs]bool
	for len(rest) > 0 {
		from := rest
		line, after, ok := nextLine(rest)
		if len(line) == 0 && ok {
			break
		}
		h := header{control: !clean(line)}
		length := len(line)
		for rest = after; isFold(rest); rest = after {
			var whole bool
			line, after, whole = nextLine(rest)
			ok = ok && whole
			h.folded, h.control = true, h.control || !clean(line)
			length = len(from) - len(rest) + len(line)
		}
		line = from[:length]
		colon := bytes.IndexByte(line, ':')
		switch {
		case !ok, length > MaxLine:
			fail(BadLine) // and nothing of it is for the reply: it may be cut
			continue
		case len(m.headers) == MaxHeaders:
			fail(TooMany)
			return why
		case colon < 0:
			fail(BadName)
			continue
		}
		h.name = bytes.TrimRight(line[:colon], " \t")
		h.text = bytes.Trim(line[colon+1:], " \t\r\n")
		if !all(h.name, isToken) {
			fail(BadName)
			continue
		}
		h.known, ok = lookUp(h.name)
		switch id := h.known.id; {
		case !ok:
		case id != hOther:
			if h.known.once && seen[id] {
				fail(Twice)
			}
			seen[id] = true
		case h.known.once && m.has(h.known.name):
			fail(Twice)
		}
		m.headers = append(m.headers, h)
	}
	if !seen[hVia] || !seen[hFrom] || !seen[hTo] || !seen[hCallID] || !seen[hCSeq] {
		fail(Missing)
	}
	return why
}

// has tells whether a header of that long name was found already.
func (m *message) has(name string) bool {
	for i := range m.headers {
		if m.headers[i].known.name == name {
			return true
		}
	}
	return false
}

// readBody finds the body: what Content-Length says, on UDP what there is if it says
// nothing; what is behind it on UDP is cut off (RFC 3261 section 18.3).
func (m *message) readBody(data []byte, stream bool) Reason {
	n, ok := contentLength(data[:m.end])
	rest := data[m.end:]
	switch {
	case !ok, n < 0 && stream:
		m.unframed = true
		return BadLength
	case n > len(rest) && !stream, n > len(rest) && n <= MaxBody:
		m.unframed = true
		return BadLength
	case n > MaxBody, n < 0 && len(rest) > MaxBody:
		m.unframed = true
		return TooLarge
	case n >= 0:
		rest = rest[:n]
	}
	m.body = rest
	return OK
}

// unfold gives the text of a header in one line.
func (h *header) unfold() string {
	if !h.folded {
		return string(h.text)
	}
	var b strings.Builder
	b.Grow(len(h.text))
	for rest := h.text; ; {
		var line []byte
		line, rest, _ = nextLine(rest)
		if line = bytes.Trim(line, " \t"); len(line) > 0 {
			if b.Len() > 0 {
				b.WriteByte(' ')
			}
			b.Write(line)
		}
		if len(rest) == 0 {
			return b.String()
		}
	}
}
