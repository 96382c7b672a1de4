// Package ua is the life of one INVITE usage, seen from the box's end: a [Leg] makes or
// takes one call with one telephone and owns its dialogs and its session until both ends
// know that it is over. Two legs, joined by the switch, are a back-to-back user agent.
//
// The SIP loop of package sipline calls it. What happens goes in, with the time:
// commands of the switch ([Leg.Ring], [Leg.Answer], [Leg.Reject], [Leg.Hangup],
// [Leg.Reoffer]), messages ([Leg.Request], [Leg.Response], [Leg.Canceled]), the fate of
// client transactions ([Leg.Timeout], [Leg.Lost]) and the passing of time
// ([Leg.Expire]). What is to be done comes out of [Leg.Take] as a list of [Action], in
// order:
//
//	switch ──commands──►┌───────────┐──Tell: Rings, Answers, HangsUp, …──► switch
//	                    │    Leg    │──descriptions──► Media (called at once)
//	messages ──────────►│ LegTable  │──Start, Cancel──► client transactions
//	time ──────────────►└───────────┘──Respond, Resend──► server transactions, Ack ──► wire
//
// # What it does
//
//   - RFC 3261 sections 12 to 15: dialogs with route sets and target refresh, INVITE as
//     caller and as called, 2xx repeated until the ACK, CANCEL racing 2xx, several 2xx of
//     a forked INVITE, re-INVITE with its glare rules, BYE at the right moment.
//   - RFC 3262: reliable provisional responses, sent if the caller requires them, and
//     acknowledged when they come. RFC 3311: UPDATE. RFC 3264 and 6337: who may offer
//     when. RFC 4028: session timers, as refresher and as refreshed. RFC 5057, 5407 and
//     6141: what an error within a dialog ends and what it does not. RFC 3326: reasons.
//   - Digits in INFO (application/dtmf-relay and application/dtmf).
//
// # What it never does
//
// It knows no transport and no transaction's inner life: retransmission of requests, of
// answers other than 2xx to INVITE and provisional ones sent reliably, ACK to other than
// 2xx and the making of CANCEL are below it. It reads no SDP: descriptions are opaque and
// go to [Media]. It never follows a redirection, answers no challenge, and believes no
// header that names the caller: who calls is decided before a leg is made. It is pure:
// no clock, no I/O, no goroutine, no lock.
package ua

import (
	"errors"
	"time"

	"github.com/emiago/sipgo/sip"

	"sotto/pbx"
)

// Server names a server transaction (RFC 3261 section 17.2). Its numbers are the
// caller's; the leg only gives them back. 0 is none.
type Server uint64

// Client names a client transaction of a leg. The leg numbers them from 1, never using a
// number again; together with the leg it is unique. 0 is none.
type Client uint64

// ErrMalformed is what [Media] answers to a description that is no SDP: the offer is
// refused with 400. Every other error refuses it with 488.
var ErrMalformed = errors.New("not a session description")

// Media holds the descriptions of one leg's session. A leg calls it from within its own
// methods; it must not call the leg. Descriptions are at most as long as the message that
// brought them; they are not to be kept without a copy.
type Media interface {
	// Offer gives the box's description as an offer, never empty. Its version is that of
	// the last one unless something has changed since (RFC 3264 section 8), so that a
	// refresh of the session offers the same again.
	Offer() []byte

	// Check tells whether an offer could be answered, without adopting it: it is asked
	// when a call comes in, long before the answer.
	Check(offer []byte) error

	// Answer answers an offer and adopts what was agreed. On an error ([ErrMalformed] or
	// another) what was agreed before stays in force.
	Answer(offer []byte) (answer []byte, err error)

	// Accept adopts the answer to the latest offer. It may come several times for one
	// offer, when an INVITE was forked; the last that was accepted counts. On an error
	// what was agreed before stays in force.
	Accept(answer []byte) error

	// Held tells whether the remote, by its latest description, wants nothing to hear:
	// sendonly, inactive, or the address 0.0.0.0 of RFC 2543.
	Held() bool
}

// Config is what a leg is given for its life. Zero values mean the default.
type Config struct {
	Media   Media
	Contact sip.Uri      // where the box is reached by this telephone; must have a host
	Rand    func([]byte) // fills with random bytes; default crypto/rand

	T1 time.Duration // round-trip estimate, RFC 3261 section 17.1.1.1; default 500 ms
	T2 time.Duration // longest interval between repetitions of a 2xx; default 4 s

	Expires time.Duration // session interval that the box asks for, RFC 4028; default 1800 s
	MinSE   time.Duration // shortest that it grants; default 90 s, and never less

	Counters *Counters // of all legs of one loop; nil: the leg counts for itself
}

// Call says where a leg of [NewClient] goes and how it presents the caller. Texts are cut
// to a bound and stripped of what cannot stand in a header.
type Call struct {
	Target sip.Uri   // request URI: the contact as registered
	Route  []sip.Uri // Path of the registration (RFC 3327), empty on the LAN
	To     sip.Uri   // the user who is called
	From   sip.Uri   // the caller, as the telephone may call back
	Name   string    // of the caller, for the display; may be empty
}

// ActionKind is a thing that a leg wants done.
type ActionKind uint8

const (
	// Start begins client transaction Client with Request. It is complete but for its
	// Via; that apart it must not be changed, nor may any Response.
	Start ActionKind = iota + 1
	// Ack sends Request, an ACK to a 2xx, once and without a transaction. It is complete
	// but for its Via, which needs a branch of its own.
	Ack
	// Cancel cancels client transaction Client, an INVITE. Reason, if not empty, is the
	// value of a Reason header (RFC 3326) for the CANCEL.
	Cancel
	// Respond answers server transaction Server with Response.
	Respond
	// Resend sends Response, a 2xx to INVITE that was given before, again, past the
	// transaction Server, whichever its state.
	Resend
	// Tell passes Event on to the switch.
	Tell
)

var actionNames = [...]string{Start: "start", Ack: "ack", Cancel: "cancel", Respond: "respond", Resend: "resend", Tell: "tell"}

func (k ActionKind) String() string { return actionNames[k] }

// Action is one thing to be done, in the order of [Leg.Take].
type Action struct {
	Kind     ActionKind
	Client   Client
	Server   Server
	Request  *sip.Request
	Response *sip.Response
	Reason   string
	Event    Event
}

// EventKind is what the telephone did, or what became of the leg.
type EventKind uint8

const (
	Rings     EventKind = iota + 1 // outgoing: it is ringing (first 180 to 183)
	Answers                        // outgoing: its user answered; the session is agreed
	Refuses                        // outgoing: the call ends before its answer, for Status and Cause
	HangsUp                        // the call ends, for Cause: outgoing after Answers, incoming at any time
	Holds                          // its user put the box on hold
	Retrieves                      // and took it back
	Dials                          // Digit was sent in an INFO, and lasted Duration if known
	Over                           // the leg has no more to do and may be forgotten; always the last, once
	numEvents
)

var eventNames = [numEvents]string{Rings: "rings", Answers: "answers", Refuses: "refuses", HangsUp: "hangs up",
	Holds: "holds", Retrieves: "retrieves", Dials: "dials", Over: "over"}

func (k EventKind) String() string { return eventNames[k] }

// Event is what the switch gets to know. After [Leg.Hangup] and [Leg.Reject] nothing
// comes but [Over]; after [Refuses] and [HangsUp] too.
type Event struct {
	Kind       EventKind
	Cause      pbx.Cause     // Refuses, HangsUp
	Status     int           // Refuses: the SIP status, 408 when nothing came
	RetryAfter time.Duration // Refuses: as the telephone said, at most an hour; 0 if it did not
	Early      bool          // Rings: sound from the telephone is agreed already
	Digit      byte          // Dials: 0 to 9, *, #, A to D
	Duration   time.Duration // Dials: at most 10 s; 0 if it was not told
}

// Counters of what legs met. They belong to the loop that drives the legs.
type Counters struct {
	Strange   uint64 // events that the state does not allow
	Astray    uint64 // moves that the table does not allow: faults of this package
	Stray     uint64 // answers, ACKs and timeouts of no request or answer of the leg
	StaleCSeq uint64 // requests whose CSeq did not rise
	Unmatched uint64 // requests of no dialog of the leg
	Repeated  uint64 // 2xx to an INVITE that came again
	Forks     uint64 // 2xx to an INVITE of a telephone too late to have the call
	TooMany   uint64 // forks and provisional responses beyond the bound, left alone
	Glare     uint64 // offers that crossed
	NoAck     uint64 // 2xx without ACK for 64·T1
	NoPrack   uint64 // reliable provisional responses without PRACK for 64·T1
	NoReply   uint64 // legs ended since a request within the dialog had no answer
	Expired   uint64 // legs ended since nobody refreshed the session
	BadBody   uint64 // descriptions that could not be used
	BadDigits uint64 // INFO whose digit could not be read
	GaveUp    uint64 // own offers dropped after too many refusals
}

// Bounds on what a leg keeps of what comes from the network.
const (
	maxText   = 512  // of a Call-ID or a tag
	maxURI    = 1024 // of a URI that is kept
	maxRoutes = 16
	maxForks  = 8  // dialogs that one INVITE may make
	maxTokens = 32 // option tags or methods of a message that are looked at
	maxTries  = 5  // of an own offer, when refused for the moment
	maxWaits  = 16 // requests that wait for their answers
)
