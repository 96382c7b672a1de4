package sipline

import (
	"fmt"
	"hash/maphash"
	"net/netip"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
)

// TestOlder: who is asked by MD5 alone.
func TestOlder(t *testing.T) {
	seed := maphash.MakeSeed()
	here, there := netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("192.0.2.8")
	request := func(user string, cseq int, authorization string) *sip.Request {
		text := fmt.Sprintf("REGISTER sip:192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK%d\r\nFrom: <sip:%s@192.0.2.1>;tag=a\r\nTo: <sip:%s@192.0.2.1>\r\nCall-ID: c\r\nCSeq: %d REGISTER\r\n", cseq, user, user, cseq)
		if authorization != "" {
			text += "Authorization: Digest realm=\"x\", algorithm=" + authorization + "\r\n"
		}
		m, err := sip.ParseMessage([]byte(text + "Content-Length: 0\r\n\r\n"))
		if err != nil {
			t.Fatal(err)
		}
		return m.(*sip.Request)
	}
	start := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	after := func(d time.Duration) time.Time { return start.Add(d) }
	asked := func(o *older) { o.alone(start, seed, request("201", 4, ""), here) }
	for _, c := range []struct {
		name  string
		steps func(o *older)
		at    time.Duration
		alone bool
	}{
		{"for the first time", func(o *older) {}, 0, false},
		{"a repetition", asked, 3500 * time.Millisecond, false},
		{"came again without an answer", asked, 5 * time.Second, true},
		{"came again much later", asked, time.Hour, false},
		{"another did", func(o *older) { o.alone(start, seed, request("201", 4, ""), there) }, 5 * time.Second, false},
		{"answered, and came again", func(o *older) {
			asked(o)
			o.answered(seed, request("201", 5, "SHA-256"), here, true)
		}, 5 * time.Second, false},
		{"proved itself by MD5", func(o *older) { o.answered(seed, request("201", 4, "MD5"), here, true) }, time.Hour, true},
		{"by MD5, then by SHA-256", func(o *older) {
			o.answered(seed, request("201", 4, "MD5"), here, true)
			o.answered(seed, request("201", 5, "sha-256"), here, true)
		}, time.Second, false},
		{"wrong by MD5", func(o *older) { o.answered(seed, request("201", 4, "MD5"), here, false) }, time.Second, false},
		{"another user", func(o *older) { o.answered(seed, request("202", 4, "MD5"), here, true) }, time.Second, false},
	} {
		o := new(older)
		c.steps(o)
		if got := o.alone(after(c.at), seed, request("201", 6, ""), here); got != c.alone {
			t.Errorf("%s: %v", c.name, got)
		}
	}
	o := new(older)
	if !o.alone(start, seed, request("201", 5, "MD5"), here) || o.alone(start, seed, request("201", 5, "SHA-256"), here) {
		t.Error("the choice of who shows credentials is not kept to")
	}
}
