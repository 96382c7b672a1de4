package edge

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// Received writes where a request came from into its top Via: received if the sent-by is
// a name or another address (RFC 3261 section 18.2.1), received and the port if the
// sender asked for rport (RFC 3581 section 4). What the sender wrote there itself is
// overwritten or removed. [Checker.Message] has done it for requests that it accepts.
func Received(via *sip.ViaHeader, from netip.AddrPort) {
	from = netip.AddrPortFrom(from.Addr().Unmap().WithZone(""), from.Port())
	rport := via.Params.Has("rport")
	sentBy, err := netip.ParseAddr(strings.Trim(via.Host, "[]"))
	if rport || err != nil || sentBy.Unmap() != from.Addr() {
		via.Params.Add("received", from.Addr().String())
	} else {
		via.Params.Remove("received")
	}
	if rport {
		via.Params.Add("rport", strconv.Itoa(int(from.Port())))
	}
}
