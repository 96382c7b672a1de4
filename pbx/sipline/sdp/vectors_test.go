package sdp

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// us is this end in the tests.
func us() *Local {
	return &Local{Addr: netip.MustParseAddrPort("192.0.2.1:4000"), ID: 5, Version: 1, Codecs: []Codec{PCMA, PCMU, TelephoneEvent, ComfortNoise}}
}

func parse(t testing.TB, text string) *Session {
	t.Helper()
	s, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// vectors gives the bodies in testdata and what is said of each.
func vectors(t testing.TB) map[string][2]string {
	names, err := filepath.Glob("testdata/*.sdp")
	if err != nil || len(names) < 20 {
		t.Fatalf("%d vectors, %v", len(names), err)
	}
	all := map[string][2]string{}
	for _, n := range names {
		text, err := os.ReadFile(n)
		if err != nil {
			t.Fatal(err)
		}
		said, body, ok := strings.Cut(string(text), "\n\n")
		_, said, told := strings.Cut(said, "\n") // what it is about
		if !ok || !told {
			t.Fatalf("%s: no head", n)
		}
		all[filepath.Base(n)] = [2]string{said + "\n", body}
	}
	return all
}

func showPlace(of, a netip.AddrPort) string {
	switch {
	case !a.IsValid():
		return "none"
	case a.Addr() == of.Addr():
		return fmt.Sprint(a.Port())
	}
	return a.String()
}

func showRemote(r *Remote) string {
	var w strings.Builder
	fmt.Fprintf(&w, "%s %s %s ptime %d", showPlace(netip.AddrPort{}, r.RTP), showPlace(r.RTP, r.RTCP), r.Dir, r.PTime)
	if r.MaxPTime != 0 {
		fmt.Fprintf(&w, " max %d", r.MaxPTime)
	}
	for _, c := range r.Codecs {
		fmt.Fprintf(&w, " %s/%d", c.Name, c.Payload)
		if c.Channels != 0 {
			fmt.Fprintf(&w, "x%d", c.Channels)
		}
	}
	return w.String()
}

func showChosen(c *Chosen) string {
	return fmt.Sprintf("%s send %d receive %d events %d %d comfort %v %s %d ms", c.Codec.Name, c.Codec.Payload, c.PayloadIn, c.Events, c.EventsIn, c.Comfort, c.Dir, c.PTime)
}

// mediaLines gives the media lines of a description, without their m=.
func mediaLines(text []byte) string {
	var l []string
	for row := range strings.SplitSeq(string(text), "\r\n") {
		if m, ok := strings.CutPrefix(row, "m="); ok {
			l = append(l, m)
		}
	}
	return strings.Join(l, " | ")
}

// TestVectors walks the bodies in testdata, with both ends of line.
func TestVectors(t *testing.T) {
	for name, v := range vectors(t) {
		want, body := v[0], v[1]
		for _, text := range []string{body, strings.ReplaceAll(body, "\n", "\r\n"), strings.ReplaceAll(body, "\n", " \r\n") + "\r\n\r\n"} {
			s, err := Parse([]byte(text))
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			got := "audio: none\n"
			if r, ok := s.Audio(); ok {
				got = "audio: " + showRemote(r) + "\n"
			}
			answer, c, err := us().Answer(s)
			if err != nil {
				got += "answer: " + err.Error() + "\n"
			} else {
				got += "answer: " + showChosen(&c) + "\nlines: " + mediaLines(answer) + "\n"
			}
			if got != want {
				t.Errorf("%s:\ngot  %swant %s", name, got, want)
			}
		}
	}
}
