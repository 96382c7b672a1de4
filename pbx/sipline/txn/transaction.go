package txn

import (
	"math"
	"net/netip"
	"time"

	"github.com/emiago/sipgo/sip"

	"sotto/pbx/sipline/wire"
	"sotto/pbx/table"
)

// state is where a transaction is in its life; the names are those of the RFC's figures.
type state uint8

const (
	calling state = iota + 1
	trying
	proceeding
	completed
	confirmed
	accepted
	terminated
	numStates
)

var stateNames = [numStates]string{calling: "calling", trying: "trying", proceeding: "proceeding", completed: "completed",
	confirmed: "confirmed", accepted: "accepted", terminated: "terminated"}

func (s state) String() string { return stateNames[s] }

// input is what happens to a transaction. Responses come from the network to a client and
// from the user to a server.
type input uint8

const (
	again       input = iota + 1 // the request came again
	ack                          // an ACK with its key came
	provisional                  // 1xx
	success                      // 2xx
	failure                      // 3xx to 6xx
	cancel                       // the user cancels
	retry                        // time to repeat
	limit                        // the limit of the state is over
	lost                         // the connection is gone
	numInputs
)

var inputNames = [numInputs]string{again: "request again", ack: "ACK", provisional: "1xx", success: "2xx", failure: "3xx–6xx",
	cancel: "cancel", retry: "repeat", limit: "limit", lost: "connection lost"}

func (i input) String() string { return inputNames[i] }

// arg is what an input brings with it.
type arg struct{ res *sip.Response }

// do is what is done on an input. It tells whether the message goes up to the user.
type do = func(l *Layer, t *transaction, a arg) bool

type (
	machine = table.Table[state, input, do]
	row     = table.Row[state, input, do]
	move    = table.Move[state, input, do]
	moves   = []table.Move[state, input, do]
)

// never is no time.
const never = time.Duration(math.MaxInt64)

// transaction is one of either side. Of some 100,000 of them most are finished ones that
// wait out their time: what only the unfinished need is dropped on the way.
type transaction struct {
	id       uint64 // handle
	key      key
	merge    key           // server: under which it stands in Layer.merged; zero: it does not
	flow     wire.Flow     // where its messages go
	data     []byte        // what is sent again: the request, the last response, the ACK
	req      *sip.Request  // server: until it is answered; INVITE client: until it needs no ACK nor CANCEL
	machine  *machine      // one of the four
	end      time.Duration // the limit of the state, or never
	retry    time.Duration // the next repetition, or never
	interval time.Duration // the one before it
	list     *list         // riders of a connection, or Layer.done
	prev     *transaction
	next     *transaction
	reason   string // INVITE client: header line for its CANCEL
	toTag    uint64 // hash of the To tag of the final response, to match an ACK without cookie
	pos      int32  // in the queue; -1: not in it
	state    state
	cancel   cancelling
	silent   bool // the layer's own: no events
	extra    bool // a CANCEL, which the limits do not count
}

// cancelling is how far the cancelling of an INVITE is.
type cancelling uint8

const (
	notCancelled cancelling = iota
	cancelWanted            // goes out with the first provisional response (RFC 3261 section 9.1)
	cancelSent
)

func (t *transaction) server() bool { return t.machine == inviteServer || t.machine == otherServer }

// invite tells of both sides.
func (t *transaction) invite() bool { return t.machine == inviteServer || t.machine == inviteClient }

func (t *transaction) reliable() bool { return t.flow.Proto.Reliable() }

// overhead is what a finished transaction costs beside its bytes: itself, its places in
// the maps and in the queue.
const overhead = 400

func (t *transaction) size() int { return overhead + len(t.data) }

// tell gives an input to t by its table; true: the message goes up to the user.
func (l *Layer) tell(t *transaction, in input, a arg) bool {
	from := t.state
	m, ok := t.machine.Find(from, in)
	if !ok {
		l.count.Refused++
		return false
	}
	up := m.Do(l, t, a)
	if !m.Allows(from, t.state) {
		l.count.Faults++
	}
	if t.state == terminated {
		l.forget(t)
	} else {
		l.queue.schedule(t)
	}
	return up
}

// enter puts t into s, to be left after d at the latest.
func (l *Layer) enter(t *transaction, s state, d time.Duration) {
	t.state = s
	t.end, t.retry = l.now+d, never
}

// linger puts t into s to absorb repetitions for d. A reliable transport repeats nothing:
// then it ends at once (timers D, I, J and K are 0).
func (l *Layer) linger(t *transaction, s state, d time.Duration) {
	if t.reliable() {
		t.state = terminated
		return
	}
	l.enter(t, s, d)
}

// repeat plans the first repetition, which only an unreliable transport needs.
func (l *Layer) repeat(t *transaction) {
	if !t.reliable() {
		t.interval = l.cfg.T1
		t.retry = l.now + t.interval
	}
}

// double plans the next repetition after twice the time, at most most.
func (l *Layer) double(t *transaction, most time.Duration) {
	t.interval = min(2*t.interval, most)
	t.retry = l.now + t.interval
}

func (l *Layer) event(t *transaction, k Kind) {
	if t.silent {
		return
	}
	e := Event{Kind: k}
	if t.server() {
		e.Server = Server(t.id)
	} else {
		e.Client = Client(t.id)
	}
	l.events = append(l.events, e)
}

// add takes a new transaction in; its machine, key and flow are set.
func (l *Layer) add(t *transaction) {
	l.last++
	t.id, t.pos = l.last, -1
	l.handles[t.id] = t
	if t.server() {
		l.servers[t.key] = t
	} else {
		l.clients[t.key] = t
	}
	if t.merge != (key{}) {
		l.merged[t.merge] = t
	}
	if k, ok := rides(t.flow); ok {
		c := l.conns[k]
		if c == nil {
			c = &list{}
			l.conns[k] = c
		}
		c.push(t)
	}
}

// forget drops all that is known of t.
func (l *Layer) forget(t *transaction) {
	l.queue.remove(t)
	delete(l.handles, t.id)
	if t.server() {
		delete(l.servers, t.key)
	} else {
		delete(l.clients, t.key)
	}
	if t.extra && t.server() {
		l.serverExtra--
	} else if t.extra {
		l.clientExtra--
	}
	if t.merge != (key{}) {
		delete(l.merged, t.merge)
	}
	if t.list == &l.done {
		l.doneSize -= t.size()
	}
	if t.list != nil {
		t.list.drop(t)
	}
	if k, ok := rides(t.flow); ok && l.conns[k] != nil && l.conns[k].head == nil {
		delete(l.conns, k)
	}
	t.state = terminated
	t.data, t.req = nil, nil
	l.event(t, Over)
}

// connKey names a connection, or one that is to be opened.
type connKey struct {
	conn   uint64
	proto  wire.Proto
	remote netip.AddrPort
}

// rides tells which connection a flow is of.
func rides(f wire.Flow) (connKey, bool) {
	switch {
	case !f.Proto.Reliable():
		return connKey{}, false
	case f.Conn != 0:
		return connKey{conn: f.Conn}, true
	}
	return connKey{proto: f.Proto, remote: f.Remote}, true
}
