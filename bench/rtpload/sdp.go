package main

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// buildSDP offers or answers one G.711 stream of 20 ms packets.
func buildSDP(ip string, port, pt int) []byte {
	codec := "PCMU"
	if pt == 8 {
		codec = "PCMA"
	}
	return []byte(fmt.Sprintf("v=0\r\no=- %d 1 IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\n"+
		"m=audio %d RTP/AVP %d 101\r\na=rtpmap:%d %s/8000\r\na=rtpmap:101 telephone-event/8000\r\n"+
		"a=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n", time.Now().Unix(), ip, ip, port, pt, pt, codec))
}

// mediaAddr finds where the first audio stream is to be sent.
func mediaAddr(body []byte) (netip.AddrPort, error) {
	var ip string
	port, inMedia := 0, false
	for _, l := range strings.Split(string(body), "\n") {
		l = strings.TrimSpace(l)
		f := strings.Fields(l)
		switch {
		case strings.HasPrefix(l, "c=") && len(f) >= 3 && (port == 0 || inMedia):
			ip = f[2]
		case strings.HasPrefix(l, "m="):
			inMedia = strings.HasPrefix(l, "m=audio") && port == 0
			if inMedia && len(f) >= 2 {
				port, _ = strconv.Atoi(f[1])
			}
		}
	}
	a, err := netip.ParseAddr(ip)
	if err != nil || port == 0 {
		return netip.AddrPort{}, errors.New("no audio address in SDP")
	}
	return netip.AddrPortFrom(a, uint16(port)), nil
}
