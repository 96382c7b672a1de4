package siptest

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Target gives where its requests in the dialog go.
func (c *Call) Target() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.target
}

// SDP gives its session description.
func (c *Call) SDP(direction string) string {
	var pts, maps strings.Builder
	for _, pt := range c.p.Codecs {
		fmt.Fprintf(&pts, " %d", pt)
		fmt.Fprintf(&maps, "a=rtpmap:%d %s/8000\r\n", pt, map[byte]string{0: "PCMU", 8: "PCMA"}[pt])
	}
	return fmt.Sprintf("v=0\r\no=- 7 %d IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\nm=audio %d RTP/AVP%s %d\r\n%sa=rtpmap:%[6]d telephone-event/8000\r\na=fmtp:%[6]d 0-16\r\na=ptime:%[8]d\r\na=%[9]s\r\n",
		c.version, c.addr.Addr(), c.addr.Addr(), c.addr.Port(), pts.String(), c.p.Events, maps.String(), c.p.PTime.Milliseconds(), direction)
}

// hear takes the far side's SDP.
func (c *Call) hear(sdp string) {
	if sdp == "" || c.Sound == nil {
		return
	}
	c.mu.Lock()
	c.Far, c.Direction = sdp, "sendrecv"
	var host string
	var port, pt, events int
	pt = -1
	for _, l := range strings.Split(sdp, "\r\n") {
		switch {
		case strings.HasPrefix(l, "c=IN IP"):
			host = l[9:]
		case strings.HasPrefix(l, "m=audio "):
			f := strings.Fields(l[8:])
			port, _ = strconv.Atoi(f[0])
			pt, _ = strconv.Atoi(f[2])
		case strings.HasPrefix(l, "a=rtpmap:") && strings.Contains(l, "telephone-event"):
			events, _ = strconv.Atoi(strings.Fields(l[9:])[0])
		case l == "a=sendonly" || l == "a=recvonly" || l == "a=inactive":
			c.Direction = l[2:]
		}
	}
	c.mu.Unlock()
	if a, err := netip.ParseAddr(host); err == nil && pt >= 0 && port > 0 {
		c.Sound.start(netip.AddrPortFrom(a, uint16(port)), byte(pt), byte(events))
	}
}
