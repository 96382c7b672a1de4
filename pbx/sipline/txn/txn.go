// Package txn is the transaction layer of SIP: RFC 3261 section 17 with the corrections
// of RFC 6026 (Accepted), RFC 4320 (no 408, no early 100 to what is no INVITE) and
// RFC 3581 (rport). The server in package sipline calls it, on its one loop, with every
// message that was parsed and let in; the legs of package ua and the registrar are its
// users, by way of that server.
//
//	     messages in                     users
//	Request  Response          Respond  Start  Cancel
//	    │        │                │       │      │
//	    ▼        ▼                ▼       ▼      ▼
//	┌──────────────────── Layer ─────────────────────┐
//	│ key → transaction → one of four tables → action │  Expire(now), Deadline
//	└────────┬───────────────────────────────┬────────┘
//	         ▼                               ▼
//	   Take: bytes and where they go    Events: what ended, and how
//
// The layer answers repeated requests from memory, repeats what may get lost over UDP,
// acknowledges what refuses an INVITE, sends CANCEL when it may be sent, and gives up in
// time. It does not repeat a 2xx to an INVITE nor acknowledge one: those go end to end and
// are the user's (RFC 3261 sections 13.2.2.4 and 13.3.1.4).
//
// What a transaction keeps is what a repetition needs: a key, the bytes of the last
// response, where they go. Everything has an end by time, the number of transactions is
// bounded, and so are the bytes of finished ones, of which the oldest go first.
//
// It is pure: it reads no clock, does no I/O, starts no goroutine and takes no lock. It
// never resolves a name, never opens a connection and never sends to an address that
// stands in a message.
package txn

import (
	"crypto/rand"
	"hash/maphash"
	"time"

	"sotto/pbx/sipline/wire"

	"github.com/emiago/sipgo/sip"
)

// Bounds and times that a zero [Config] stands for.
const (
	DefaultT1        = 500 * time.Millisecond // RFC 3261 section 17.1.1.1: estimate of the round trip
	DefaultT2        = 4 * time.Second        // longest interval between repetitions
	DefaultT4        = 5 * time.Second        // how long a message stays in the network
	DefaultTimerC    = 5 * time.Minute        // RFC 3261 section 16.6 wants more than three minutes
	DefaultServer    = 65536                  // 600 calls/s over UDP hold some 40,000
	DefaultClient    = 65536
	DefaultCompleted = 6 << 20 // bytes: the last 7 s of 1,000 REGISTERs a second
)

// Config is what a [Layer] goes by. A zero value of a field stands for its default.
type Config struct {
	T1, T2, T4 time.Duration

	// TimerC ends an INVITE that got a provisional response, or was given one, and then
	// nothing more; each further one begins it anew.
	TimerC time.Duration

	MaxServer int // server transactions at a time; one eighth is kept for requests within dialogs
	MaxClient int // client transactions at a time, CANCELs of the layer not counted

	// Urgent tells of an INVITE, of somebody who showed who he is, whether it calls for
	// help. One sixteenth of MaxServer is there for those beyond the limit. Nil: none does.
	Urgent func(*sip.Request) bool

	// MaxCompleted bounds the bytes kept for finished server transactions that are no
	// INVITE, which only wait for a repetition (timer J). The oldest go first.
	MaxCompleted int

	// Random gives a text of at least 128 random bits for a branch; letters and digits.
	// Nil: [rand.Text].
	Random func() string
}

// Server names a server transaction: a request that came. Numbered from 1, never used
// again; 0 is none.
type Server uint64

// Client names a client transaction: a request that was sent. Numbered from 1, never used
// again; 0 is none.
type Client uint64

// Send is a message to be sent. Data is whole, is not to be changed, and stays as it is
// as long as the receiver holds it.
type Send struct {
	Flow wire.Flow
	Data []byte
}

// Kind is what an [Event] tells.
type Kind uint8

const (
	// Over: the transaction is forgotten. It is the last event of every handle that was
	// given out, and comes once.
	Over Kind = iota + 1
	// Timeout: no final response came in time (timers B and F; for an INVITE also 64·T1
	// after its CANCEL). The user goes on as if 408 had come (RFC 3261 section 8.1.3.1).
	Timeout
	// TransportLost: the connection went before the end. A client goes on as if 503 had
	// come; a server transaction cannot be answered any more.
	TransportLost
	// NoAck: a refused INVITE was never acknowledged (timer H). Nothing is left to do.
	NoAck
	// Unanswered: the user did not answer a request in time: an INVITE by timer C,
	// another by 64·T1, when the client has given up (RFC 4320 section 4.2).
	Unanswered
	numKinds
)

var kindNames = [numKinds]string{Over: "over", Timeout: "timeout", TransportLost: "transport lost", NoAck: "no ACK", Unanswered: "unanswered"}

func (k Kind) String() string {
	if k < numKinds {
		return kindNames[k]
	}
	return ""
}

// Event tells of a transaction what no message tells. One of Server and Client is set.
type Event struct {
	Kind   Kind
	Server Server
	Client Client
}

// Counters count since [New].
type Counters struct {
	Requests   uint64 // new server transactions
	Repeated   uint64 // requests that came again
	Acks       uint64 // ACKs absorbed
	Merged     uint64 // answered 482
	CancelLate uint64 // CANCELs of nothing known, answered 481
	Full       uint64 // requests answered 503, and requests not sent, for want of room
	Evicted    uint64 // finished transactions forgotten before their time
	Unusable   uint64 // requests without what an answer is made of
	Started    uint64 // new client transactions, CANCELs included
	Responses  uint64 // matched to a client transaction
	Stray      uint64 // responses to nothing known, or by another way; dropped
	Late       uint64 // messages and orders after what settled the matter; of no effect
	Refused    uint64 // orders that name no transaction, or that make no sense
	Withheld   uint64 // responses that RFC 4320 forbids; not sent
	Resent     uint64 // messages sent again
	Timeouts   uint64
	NoAcks     uint64
	Unanswered uint64
	Lost       uint64 // transactions that ended with their connection
	Faults     uint64 // moves that a table does not have: a fault of this package, always 0
}

// Layer holds all transactions of the box. It is not for concurrent use.
type Layer struct {
	cfg   Config
	noisy time.Duration // after it a client repeats at T2 only, and 100 is due (RFC 4320 section 4.1)
	seeds [3]maphash.Seed
	base  time.Time // times are kept as distance from it
	now   time.Duration

	last    uint64 // handle given out
	handles map[uint64]*transaction
	servers map[key]*transaction
	clients map[key]*transaction
	merged  map[key]*transaction // server transactions of requests out of dialogs
	conns   map[connKey]*list    // what rides on a connection
	queue   queue                // by deadline

	done        list // finished, oldest first
	doneSize    int  // bytes
	serverExtra int  // CANCELs, one an INVITE at most, which the limits do not count
	clientExtra int

	out, outOld      []Send
	events, eventOld []Event
	buf              buffer
	count            Counters
}

// New makes a layer without transactions.
func New(cfg Config) *Layer {
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	def(&cfg.T1, DefaultT1)
	def(&cfg.T2, DefaultT2)
	def(&cfg.T4, DefaultT4)
	def(&cfg.TimerC, DefaultTimerC)
	num := func(n *int, v int) {
		if *n <= 0 {
			*n = v
		}
	}
	num(&cfg.MaxServer, DefaultServer)
	num(&cfg.MaxClient, DefaultClient)
	num(&cfg.MaxCompleted, DefaultCompleted)
	if cfg.Random == nil {
		cfg.Random = rand.Text
	}
	l := &Layer{cfg: cfg, seeds: [3]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed(), maphash.MakeSeed()},
		handles: map[uint64]*transaction{}, servers: map[key]*transaction{}, clients: map[key]*transaction{},
		merged: map[key]*transaction{}, conns: map[connKey]*list{}}
	for d := cfg.T1; d < cfg.T2; d *= 2 {
		l.noisy += d
	}
	return l
}

// Take gives what is to be sent since the last Take, in order. The slice is the caller's
// until the next call of Take; the bytes that its elements refer to stay.
func (l *Layer) Take() []Send {
	out := l.out
	clear(l.outOld)
	l.out, l.outOld = l.outOld[:0], out
	return out
}

// Events gives what happened since the last call, in order. The slice is the caller's
// until the next call of Events.
func (l *Layer) Events() []Event {
	out := l.events
	l.events, l.eventOld = l.eventOld[:0], out
	return out
}

// Deadline gives when [Layer.Expire] is to be called next; zero when nothing is due ever.
func (l *Layer) Deadline() time.Time {
	if len(l.queue) == 0 {
		return time.Time{}
	}
	return l.base.Add(l.queue[0].at)
}

// Expire does what is due by now. Being called late delays what repeats and never makes
// up for it, so that a stalled box does not burst.
func (l *Layer) Expire(now time.Time) {
	l.tick(now)
	for len(l.queue) > 0 && l.queue[0].at <= l.now {
		t := l.queue[0].t
		if t.end <= l.now {
			t.end = never
			l.tell(t, limit, arg{})
		} else {
			t.retry = never
			l.tell(t, retry, arg{})
		}
	}
}

// Lost ends what rides on a connection that is gone, with [TransportLost] for what was
// not settled. Of a flow without connection to be (Conn 0), it ends what was to go to its
// remote address: call it so when a connection cannot be opened. UDP has no connections
// and nothing is ended: that some host answered unreachable can be forged, and timers
// end it anyway.
func (l *Layer) Lost(now time.Time, flow wire.Flow) {
	l.tick(now)
	if !flow.Proto.Reliable() {
		return
	}
	for _, k := range [2]connKey{{conn: flow.Conn}, {proto: flow.Proto, remote: flow.Remote}} {
		if k == (connKey{}) {
			continue
		}
		for c := l.conns[k]; c != nil && c.head != nil; {
			t := c.head
			l.count.Lost++
			if l.tell(t, lost, arg{}); c.head == t {
				l.count.Faults++
				l.forget(t)
			}
		}
	}
}

// Counters gives the counters as they stand.
func (l *Layer) Counters() Counters { return l.count }

// Len gives the number of transactions that are kept.
func (l *Layer) Len() (server, client int) { return len(l.servers), len(l.clients) }

// tick takes the time over. Time never goes back.
func (l *Layer) tick(now time.Time) {
	if l.base.IsZero() {
		l.base = now
	}
	l.now = max(l.now, now.Sub(l.base))
}

func (l *Layer) send(flow wire.Flow, data []byte) {
	l.out = append(l.out, Send{Flow: flow, Data: data})
}

// resend sends what t keeps once more, if it keeps anything.
func (l *Layer) resend(t *transaction) {
	if t.data != nil {
		l.count.Resent++
		l.send(t.flow, t.data)
	}
}
