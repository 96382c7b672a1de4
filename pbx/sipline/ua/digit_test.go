package ua

import (
	"testing"
	"time"

	"sotto/pbx"
)

func TestDigits(t *testing.T) {
	for _, c := range []struct {
		kind, body string
		digit      byte
		d          time.Duration
	}{
		{"application/dtmf-relay", "Signal=5\r\nDuration=160", '5', 160 * time.Millisecond},
		{"application/dtmf-relay", "Signal= #\nDuration= 99999999999999\n", '#', 10 * time.Second},
		{"application/dtmf-relay", "duration=x\r\nsignal=10\r\n", '*', 0},
		{"application/dtmf", "d", 'D', 0},
		{"application/dtmf", "11\r\n", '#', 0},
		{"application/dtmf", "14", 'C', 0},
		{"application/dtmf", "16", 0, 0},
		{"application/dtmf", "", 0, 0},
		{"application/dtmf-relay", "Signal=5\nSignal=6", 0, 0},
		{"application/dtmf-relay", "Duration=5", 0, 0},
	} {
		digit, d, ok := parseDigit(c.kind, []byte(c.body))
		if ok != (c.digit != 0) || ok && (digit != c.digit || d != c.d) {
			t.Errorf("%q: %c %v %v", c.body, digit, d, ok)
		}
	}
	s := called(t, sdp("x"))
	s.status(s.gets("INFO", "Content-Type: application/DTMF-relay;x=y\n\nSignal=7\nDuration=80"), 200)
	if s.expect("respond 200, dials"); s.did[1].Event.Digit != '7' {
		t.Error(s.did[1].Event)
	}
	s.status(s.gets("INFO", "Content-Type: application/dtmf\n\nx"), 400)
	s.status(s.gets("INFO", "Content-Type: text/plain\n\nx"), 415)
	s.status(s.gets("INFO", "\n"), 200)
}

func FuzzDigit(f *testing.F) {
	f.Add(true, []byte("Signal=5\r\nDuration=160"))
	f.Add(false, []byte("11"))
	f.Fuzz(func(t *testing.T, relay bool, body []byte) {
		kind := "application/dtmf"
		if relay {
			kind += "-relay"
		}
		if c, d, ok := parseDigit(kind, body); ok {
			if _, is := sign(string(c)); !is || d < 0 || d > longestDigit {
				t.Errorf("%q %v", c, d)
			}
		}
	})
}

func TestCauses(t *testing.T) {
	for status := 300; status < 700; status++ {
		if c := CauseOf(status); c < 1 || c > 127 {
			t.Errorf("%d gives %d", status, c)
		}
	}
	for c := range 256 {
		if s := StatusOf(pbx.Cause(c)); s < 400 || s > 699 || phrase(s) == "Refused" {
			t.Errorf("%d gives %d", c, s)
		}
	}
	for status, cause := range map[int]pbx.Cause{486: pbx.UserBusy, 404: pbx.Unallocated, 480: pbx.NoUserResponding, 603: pbx.Rejected, 503: pbx.TemporaryFailure, 604: pbx.Unallocated} {
		if CauseOf(status) != cause {
			t.Errorf("%d gives %v", status, CauseOf(status))
		}
	}
}
