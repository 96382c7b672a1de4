package ua

import (
	"strings"
	"time"
)

const longestDigit = 10 * time.Second

// info takes a digit, or nothing (RFC 6086 lets a telephone ask with an empty INFO
// whether the call is alive).
func (l *Leg) info(a arg) {
	body, kind := a.req.Body(), contentType(a.req)
	switch {
	case len(body) == 0:
		l.reply(a, 200)
	case kind != "application/dtmf-relay" && kind != "application/dtmf":
		l.reply(a, 415, "Accept", Accept)
	default:
		digit, d, ok := parseDigit(kind, body)
		if !ok {
			l.count.BadDigits++
			l.reply(a, 400)
			return
		}
		l.reply(a, 200)
		l.tell(Event{Kind: Dials, Digit: digit, Duration: d})
	}
}

// parseDigit reads the body of an INFO: for application/dtmf-relay lines "Signal=5" and
// "Duration=160", in milliseconds; for application/dtmf the digit alone, by sign or, from
// some telephones, by the number of its RFC 4733 event (10 for *, 11 for #).
func parseDigit(kind string, body []byte) (digit byte, d time.Duration, ok bool) {
	if len(body) > 256 {
		return 0, 0, false
	}
	text := string(body)
	if kind == "application/dtmf" {
		digit, ok = sign(text)
		return digit, 0, ok
	}
	for line := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == '\r' || r == '\n' }) {
		name, val, _ := strings.Cut(line, "=")
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "signal":
			if ok {
				return 0, 0, false // two digits in one
			}
			if digit, ok = sign(val); !ok {
				return 0, 0, false
			}
		case "duration":
			d = time.Duration(number(val, uint64(longestDigit/time.Millisecond))) * time.Millisecond
		}
	}
	return digit, d, ok
}

// sign reads one digit.
func sign(s string) (byte, bool) {
	s = strings.TrimSpace(s)
	switch {
	case s == "10":
		return '*', true
	case s == "11":
		return '#', true
	case len(s) == 2 && s >= "12" && s <= "15":
		return 'A' + s[1] - '2', true
	case len(s) != 1:
		return 0, false
	}
	c := s[0]
	if c >= 'a' && c <= 'd' {
		c -= 'a' - 'A'
	}
	return c, c >= '0' && c <= '9' || c == '*' || c == '#' || c >= 'A' && c <= 'D'
}
