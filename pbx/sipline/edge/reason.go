package edge

// Reason says why a message was not accepted. It is an index for counters: an array of
// [Reasons] holds them all.
type Reason uint8

const (
	OK          Reason = iota
	NotSIP             // no start line of a request or a response
	TooLarge           // over MaxMessage, MaxHead or MaxBody
	TooMany            // over MaxHeaders, MaxVias, MaxContacts, MaxRoutes or MaxParams
	BadLine            // a line does not end in CRLF, is too long, or has control characters
	NoEnd              // no empty line after the headers
	BadStart           // request line: spaces, method or URI
	BadVersion         // not SIP/2.0
	BadStatus          // status code not of 100 to 699
	BadName            // header without a colon, or whose name is no token
	Missing            // no From, To, Call-ID, CSeq or Via
	Twice              // a header that may stand once stands twice
	BadVia             // Via
	BadAddress         // From, To, Contact, Route, Record-Route, Refer-To or Referred-By
	BadCallID          // Call-ID
	BadCSeq            // CSeq: number, or method other than the request's
	BadHops            // Max-Forwards not of 0 to 255
	BadLength          // Content-Length: no number, missing on a stream, more than there is
	BadMismatch        // CSeq has another method, and the request's is not known
	ManyVias           // a response for somebody behind us: we have nobody there

	// Reasons is the number of reasons.
	Reasons
)

var reasonTexts = [Reasons]string{
	OK: "ok", NotSIP: "not sip", TooLarge: "too large", TooMany: "too many values",
	BadLine: "bad line", NoEnd: "no end of headers", BadStart: "bad request line",
	BadVersion: "sip version", BadStatus: "status code", BadName: "bad header name",
	Missing: "mandatory header missing", Twice: "header twice", BadVia: "bad via",
	BadAddress: "bad address", BadCallID: "bad call-id", BadCSeq: "bad cseq",
	BadHops: "bad max-forwards", BadLength: "bad content-length",
	BadMismatch: "cseq of another method", ManyVias: "response with many vias",
}

// String gives a short constant text.
func (r Reason) String() string {
	if r < Reasons {
		return reasonTexts[r]
	}
	return "unknown"
}

// status gives the first line of the answer to a request.
func (r Reason) status() string {
	switch r {
	case TooLarge, TooMany:
		return "SIP/2.0 513 Message Too Large\r\n"
	case BadVersion:
		return "SIP/2.0 505 Version Not Supported\r\n"
	case BadMismatch:
		return "SIP/2.0 501 Not Implemented\r\n"
	}
	return "SIP/2.0 400 Bad Request\r\n"
}

// unframes tells whether on a stream the place of the next message is lost.
func (r Reason) unframes() bool {
	switch r {
	case NotSIP, TooLarge, BadLine, NoEnd, BadLength:
		return true
	}
	return false
}
