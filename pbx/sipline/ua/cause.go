package ua

import (
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"

	"sotto/pbx"
)

// CauseOf gives the Q.850 cause of a SIP status from 400 to 699 (RFC 3398 section
// 8.2.6.1); of 3xx, which the box does not follow, it is that of a user who is not there.
func CauseOf(status int) pbx.Cause {
	if c, ok := causes[status]; ok {
		return c
	}
	switch status / 100 {
	case 3:
		return pbx.NoUserResponding
	case 4, 6:
		return pbx.InterworkingOrNone
	case 5:
		return pbx.TemporaryFailure
	}
	return pbx.NormalClearing
}

var causes = map[int]pbx.Cause{
	400: 41, 401: 21, 402: 21, 403: 21, 404: 1, 405: 63, 406: 79, 407: 21, 408: 102, 410: 22,
	413: 127, 414: 127, 415: 79, 416: 127, 420: 127, 421: 127, 423: 127, 480: 18, 481: 41, 482: 25,
	483: 25, 484: 28, 485: 1, 486: 17, 487: 16, 488: 65, 500: 41, 501: 79, 502: 38, 503: 41,
	504: 102, 505: 127, 513: 127, 580: 47, 600: 17, 603: 21, 604: 1, 606: 65,
}

// StatusOf gives the SIP status that refuses a call for a Q.850 cause (RFC 3398 section
// 7.2.4.1; RFC 3326 in the Reason header carries the cause itself). A refusal by the
// called user is 603, as his telephone said it. Otherwise than there, a telephone that is
// not there or broken (18, 27, 41, 102) is 480: 5xx would speak of the box itself.
func StatusOf(c pbx.Cause) int {
	if s, ok := statuses[c]; ok {
		return s
	}
	return 480
}

var statuses = map[pbx.Cause]int{
	1: 404, 2: 404, 3: 404, 16: 480, 17: 486, 18: 480, 19: 480, 20: 480, 21: 603, 22: 410, 25: 483,
	26: 404, 27: 480, 28: 484, 29: 501, 31: 480, 34: 503, 38: 503, 41: 480, 42: 503, 47: 503,
	50: 403, 55: 403, 57: 403, 58: 503, 63: 501, 65: 488, 70: 488, 79: 501, 87: 403, 88: 503, 102: 480,
	111: 500, 127: 500,
}

var phrases = map[int]string{
	100: "Trying", 180: "Ringing", 183: "Session Progress", 200: "OK", 400: "Bad Request", 403: "Forbidden", 404: "Not Found",
	405: "Method Not Allowed", 406: "Not Acceptable", 408: "Request Timeout", 410: "Gone", 415: "Unsupported Media Type",
	416: "Unsupported URI Scheme", 420: "Bad Extension", 422: "Session Interval Too Small", 480: "Temporarily Unavailable",
	481: "Call/Transaction Does Not Exist", 482: "Loop Detected", 483: "Too Many Hops", 484: "Address Incomplete",
	486: "Busy Here", 487: "Request Terminated", 488: "Not Acceptable Here", 491: "Request Pending", 500: "Server Internal Error",
	501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable", 504: "Server Time-out", 600: "Busy Everywhere",
	603: "Decline", 604: "Does Not Exist Anywhere", 606: "Not Acceptable",
}

// phrase is the reason phrase of a status (RFC 3261 section 21); it means nothing.
func phrase(status int) string {
	if p, ok := phrases[status]; ok {
		return p
	}
	return "Refused"
}

// reason is the value of a Reason header (RFC 3326), and empty for none.
func reason(c pbx.Cause) string {
	switch c {
	case 0:
		return "Q.850;cause=16"
	case Elsewhere:
		return `SIP;cause=200;text="Call completed elsewhere"`
	}
	return "Q.850;cause=" + strconv.Itoa(int(c))
}

// causeIn gives the cause that a message's Reason header tells, or else otherwise. A
// Q.850 value from 1 to 127 counts before a SIP status (RFC 3326 section 2).
func causeIn(m sip.Message, otherwise pbx.Cause) pbx.Cause {
	found := otherwise
	q850 := false
	tokens(m, "reason", "", func(v string) {
		proto, params, _ := strings.Cut(v, ";")
		for p := range strings.SplitSeq(params, ";") {
			name, val, _ := strings.Cut(p, "=")
			if !strings.EqualFold(strings.TrimSpace(name), "cause") {
				continue
			}
			n := number(val, 1000)
			switch proto = strings.TrimSpace(proto); {
			case strings.EqualFold(proto, "Q.850") && n >= 1 && n <= 127:
				found, q850 = pbx.Cause(n), true
			case strings.EqualFold(proto, "SIP") && n >= 400 && n <= 699 && !q850:
				found = CauseOf(int(n))
			}
		}
	})
	return found
}
