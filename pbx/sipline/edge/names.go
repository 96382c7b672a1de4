package edge

import "strings"

// headerID is a header that the edge reads itself; the rest travel as text.
type headerID uint8

const (
	hOther headerID = iota
	hVia
	hFrom
	hTo
	hCallID
	hCSeq
	hMaxForwards
	hContentLength
	hContentType
	hContact
	hRoute
	hRecordRoute
	hReferTo
	hReferredBy
	hExpires
	hIDs
)

// headerName is what is known of a header by its name.
type headerName struct {
	id   headerID
	name string // long form, with the usual capitals
	once bool   // it may stand once (RFC 3261 section 7.3.1 and the RFC of each)
}

// byName has every header that this program or its neighbours give a meaning, by its name
// in lower case and by its compact form (RFC 3261 section 20, IANA registry of SIP).
var byName = func() map[string]headerName {
	t := map[string]headerName{}
	for _, h := range []struct {
		headerName
		compact string
	}{
		{headerName{hVia, "Via", false}, "v"},
		{headerName{hFrom, "From", true}, "f"},
		{headerName{hTo, "To", true}, "t"},
		{headerName{hCallID, "Call-ID", true}, "i"},
		{headerName{hCSeq, "CSeq", true}, ""},
		{headerName{hMaxForwards, "Max-Forwards", true}, ""},
		{headerName{hContentLength, "Content-Length", true}, "l"},
		{headerName{hContentType, "Content-Type", true}, "c"},
		{headerName{hContact, "Contact", false}, "m"},
		{headerName{hRoute, "Route", false}, ""},
		{headerName{hRecordRoute, "Record-Route", false}, ""},
		{headerName{hReferTo, "Refer-To", true}, "r"},
		{headerName{hReferredBy, "Referred-By", true}, "b"},
		{headerName{hExpires, "Expires", true}, ""},
		{headerName{hOther, "Accept", false}, ""},
		{headerName{hOther, "Accept-Contact", false}, "a"},
		{headerName{hOther, "Allow", false}, ""},
		{headerName{hOther, "Allow-Events", false}, "u"},
		{headerName{hOther, "Authorization", false}, ""},
		{headerName{hOther, "Content-Disposition", true}, ""},
		{headerName{hOther, "Content-Encoding", false}, "e"},
		{headerName{hOther, "Date", true}, ""},
		{headerName{hOther, "Event", true}, "o"},
		{headerName{hOther, "Identity", false}, "y"},
		{headerName{hOther, "Min-Expires", true}, ""},
		{headerName{hOther, "Min-SE", true}, ""},
		{headerName{hOther, "P-Asserted-Identity", false}, ""},
		{headerName{hOther, "Path", false}, ""},
		{headerName{hOther, "Proxy-Authorization", false}, ""},
		{headerName{hOther, "Proxy-Require", false}, ""},
		{headerName{hOther, "RAck", true}, ""},
		{headerName{hOther, "RSeq", true}, ""},
		{headerName{hOther, "Reason", false}, ""},
		{headerName{hOther, "Reject-Contact", false}, "j"},
		{headerName{hOther, "Replaces", true}, ""},
		{headerName{hOther, "Request-Disposition", false}, "d"},
		{headerName{hOther, "Require", false}, ""},
		{headerName{hOther, "Retry-After", true}, ""},
		{headerName{hOther, "Session-Expires", true}, "x"},
		{headerName{hOther, "SIP-If-Match", true}, ""},
		{headerName{hOther, "Subject", true}, "s"},
		{headerName{hOther, "Subscription-State", true}, ""},
		{headerName{hOther, "Supported", false}, "k"},
		{headerName{hOther, "Unsupported", false}, ""},
		{headerName{hOther, "User-Agent", true}, ""},
		{headerName{hOther, "WWW-Authenticate", false}, ""},
	} {
		t[strings.ToLower(h.name)] = h.headerName
		if h.compact != "" {
			t[h.compact] = h.headerName
		}
	}
	return t
}()

// longestName bounds the names of byName.
const longestName = 20

// lookUp finds a header by its name as sent.
func lookUp(name []byte) (headerName, bool) {
	var low [longestName]byte
	if len(name) > len(low) {
		return headerName{}, false
	}
	for i, c := range name {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		low[i] = c
	}
	h, ok := byName[string(low[:len(name)])]
	return h, ok
}

// known tells whether a method is of those that RFCs define. Only their names go to the
// log, and only they are told from typing errors.
func known(method string) bool {
	switch method {
	case "INVITE", "ACK", "BYE", "CANCEL", "REGISTER", "OPTIONS", "PRACK", "SUBSCRIBE", "NOTIFY",
		"PUBLISH", "INFO", "REFER", "MESSAGE", "UPDATE":
		return true
	}
	return false
}
