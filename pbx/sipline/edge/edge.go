// Package edge is the first thing that bytes from the network meet: it turns them into
// SIP messages, or into a short answer, or into nothing.
//
//	UDP datagram ───────────────┐
//	                            ├─► Checker.Message ─► Verdict: Accept | Reply | Pong | Drop
//	TCP/TLS bytes ─► Stream ────┘         ▲
//	                                      └ before it, per packet: Limiter.Allow
//
// The readers of package sipline call it, each with its own [Checker] and, for a
// connection, its own [Stream]; the [Limiter] is shared by all.
//
// A message is read once, by one strict grammar (RFC 3261 section 25, the notes of
// RFC 4475 and RFC 5118), straight into the types of sipgo. The parser of sipgo is not
// run: it reads several of the torture messages otherwise than the RFC, and two readers
// that differ are how forged headers get past a check. TestSipgoAlone lists where they
// differ today.
//
// What the rest of the program may rely on, for a message with [Accept]:
//   - Via, From, To, Call-ID and CSeq are there, once (Via: at least once), well formed;
//     the method of CSeq is that of the request; a response has one Via.
//   - Names of headers are in their long form with the usual capitals ("k:" is
//     "Supported"), folded lines are joined, a list of Via, Contact, Route or
//     Record-Route is one header a value.
//   - Names of parameters that the RFCs define are in lower case. A quoted value keeps its
//     quotes if it has no white space, and has lost them if it has: sipgo writes them again.
//   - The top Via of a request carries received and rport as the flow has them.
//   - Its strings and its body are its own: nothing of it is overwritten by the next one.
//
// The package does no I/O, reads no clock, starts no goroutine, logs nothing and keeps no
// message. It knows nothing of users, dialogs or transactions.
package edge

import (
	"hash/maphash"

	"github.com/emiago/sipgo/sip"

	"sotto/pbx/sipline/wire"
)

// The bounds of a message. What is over them is refused whole, never cut.
const (
	MaxHead     = 8 << 10           // bytes of start line and headers with the empty line
	MaxBody     = 8 << 10           // bytes of body
	MaxMessage  = MaxHead + MaxBody // bytes of a datagram, or of what a Stream holds
	MaxHeaders  = 128               // header lines, after folding
	MaxLine     = 4 << 10           // bytes of one header with its folds, or of the start line
	MaxVias     = 64                // Via values: nothing in an office needs 10
	MaxContacts = 16                // Contact values of a REGISTER
	MaxRoutes   = 16                // Route values, and Record-Route values
	MaxParams   = 32                // parameters of one value, or of one URI
)

// Kind says what is to be done with the bytes.
type Kind uint8

const (
	Drop   Kind = iota // nothing: no answer
	Accept             // Request or Response is set
	Reply              // Reply goes back the way the bytes came; nothing else happens
	Pong               // a keep-alive; Reply goes back unless it is empty (RFC 5626 section 4.4.1)
)

// Verdict is what [Checker.Message] found.
type Verdict struct {
	Kind     Kind
	Request  *sip.Request
	Response *sip.Response
	Reply    []byte // whole bytes to send; valid until the next call of the Checker
	Close    bool   // the connection cannot be read on: close it after the Reply
	Why      Reason // OK for Accept and Pong
}

// Checker reads messages. It keeps scratch memory from one message to the next and is for
// one goroutine; make one for each reader.
type Checker struct {
	seed maphash.Seed
	msg  message
	out  []byte // the last Reply
}

// NewChecker makes a Checker. The seed keys the To tags of replies (a repeated request
// gets the tag it got before, RFC 3261 section 8.2.7) and the hashes of log lines; all
// checkers of a program share one.
func NewChecker(seed maphash.Seed) *Checker { return &Checker{seed: seed} }

// Message judges one datagram (stream false), or one message as [Stream.Next] gives it
// (stream true). An accepted message keeps nothing of data.
func (c *Checker) Message(data []byte, flow wire.Flow, stream bool) Verdict {
	c.msg.reset()
	if v, ok := keepAlive(data, stream); ok {
		return v
	}
	m := &c.msg
	why := m.read(data, stream)
	if why == OK {
		why = m.build()
	}
	if why == OK {
		v := Verdict{Kind: Accept, Request: m.req, Response: m.res}
		if m.req != nil {
			Received(m.req.Via(), flow.Remote)
		}
		m.req, m.res = nil, nil
		return v
	}
	v := Verdict{Why: why, Close: stream && (m.unframed || why.unframes())}
	m.req, m.res = nil, nil
	if reply := c.reply(data, flow, why, stream); reply != nil {
		v.Kind, v.Reply = Reply, reply
	}
	return v
}

// keepAlive finds what phones and NAT keepers send between messages: line ends (a pair is
// answered on a stream), and on UDP also NULs and STUN, none of which are answered.
func keepAlive(data []byte, stream bool) (Verdict, bool) {
	if len(data) > 0 && len(data) <= 4 {
		for _, b := range data {
			if b != '\r' && b != '\n' && (stream || b != 0) {
				return Verdict{}, false
			}
		}
		if stream && string(data) == ping {
			return Verdict{Kind: Pong, Reply: pong}, true
		}
		return Verdict{Kind: Pong}, true
	}
	// STUN: two zero bits and the magic cookie (RFC 8489 section 5).
	if !stream && len(data) >= 20 && data[0]&0xc0 == 0 && string(data[4:8]) == "\x21\x12\xa4\x42" {
		return Verdict{Kind: Pong}, true
	}
	return Verdict{}, false
}

const ping = "\r\n\r\n"

var pong = []byte("\r\n")
