package txn

import (
	"time"

	"github.com/emiago/sipgo/sip"

	"sotto/pbx/sipline/wire"
	"sotto/pbx/table"
)

// Fate is what became of a request.
type Fate uint8

const (
	// Opened: it is new, and the user answers it by [Layer.Respond]. An INVITE was told 100
	// already.
	Opened Fate = iota + 1
	// Repeated: answered from memory, or on the way of being answered. Nothing to do.
	Repeated
	// Ack acknowledges what refused an INVITE, or nothing. Nothing to do.
	Ack
	// Ack2xx is for a dialog of the user, if it has one that fits; else it is to be dropped:
	// what was answered without a transaction is acknowledged too. It has none itself.
	Ack2xx
	// Cancel is the CANCEL of the INVITE that is given with it. The user answers the
	// CANCEL with 200 by its own transaction, and the INVITE, if it has not answered that
	// yet, with 487 (RFC 3261 section 9.2).
	Cancel
	// CancelUnknown: a CANCEL of nothing known, answered 481. Nothing to do.
	CancelUnknown
	// Merged: it came by another way already, answered 482. Nothing to do.
	Merged
	// Full: no room, answered 503. Nothing to do.
	Full
	// Unusable: it lacks what an answer is made of. Dropped.
	Unusable
	numFates
)

var fateNames = [numFates]string{Opened: "opened", Repeated: "repeated", Ack: "ack", Ack2xx: "ack of 2xx", Cancel: "cancel",
	CancelUnknown: "cancel of nothing", Merged: "merged", Full: "full", Unusable: "unusable"}

func (f Fate) String() string {
	if f < numFates {
		return fateNames[f]
	}
	return ""
}

// retryAfter asks who meets a full box to come again later (RFC 3261 section 21.5.4).
const retryAfter = "Retry-After: 5\r\n"

// Request takes a request that came by flow, its top Via with received and rport filled
// in. It tells what became of it ([Fate]), the transaction that it opened for [Opened] and
// [Cancel], and the INVITE that it is about for [Cancel] and, if that is still known, for
// [Ack2xx]. What is answered without a transaction is answered alike each time it comes.
func (l *Layer) Request(now time.Time, req *sip.Request, flow wire.Flow) (id Server, fate Fate, invite Server) {
	l.tick(now)
	who, ok := identify(req)
	if !ok {
		l.count.Unusable++
		return 0, Unusable, 0
	}
	if req.Method == sip.ACK {
		return l.acknowledge(req, &who, flow)
	}
	k := l.serverKey(req, &who, req.Method, flow)
	if t := l.servers[k]; t != nil {
		l.count.Repeated++
		l.tell(t, again, arg{})
		return 0, Repeated, 0
	}
	if req.Method == sip.CANCEL {
		t := l.servers[l.serverKey(req, &who, sip.INVITE, flow)]
		if t == nil {
			l.count.CancelLate++
			l.send(replyFlow(who.via, flow), l.answer(req, "481 Call/Transaction Does Not Exist", l.tagOf(k), ""))
			return 0, CancelUnknown, 0
		}
		// There is one a INVITE at most, so the limit does not count them.
		l.serverExtra++
		return l.open(&transaction{key: k, extra: true}, req, &who, flow), Cancel, Server(t.id)
	}
	var merge key
	if who.toTag == "" {
		merge = l.mergeKey(&who, req.Method)
		if l.merged[merge] != nil {
			l.count.Merged++
			l.send(replyFlow(who.via, flow), l.answer(req, "482 Loop Detected", l.tagOf(k), ""))
			return 0, Merged, 0
		}
	}
	if !l.room(who.toTag != "") && !l.urgent(req) {
		l.count.Full++
		l.send(replyFlow(who.via, flow), l.answer(req, "503 Service Unavailable", l.tagOf(k), retryAfter))
		return 0, Full, 0
	}
	return l.open(&transaction{key: k, merge: merge}, req, &who, flow), Opened, 0
}

// room tells whether there is room for a request, and makes it at the cost of the oldest
// finished. One eighth is for requests within dialogs, so that calls can be ended while
// new ones flood in.
func (l *Layer) room(dialog bool) bool {
	most := l.cfg.MaxServer
	if !dialog {
		most -= most / 8
	}
	for len(l.servers)-l.serverExtra >= most && l.done.head != nil {
		l.evict()
	}
	return len(l.servers)-l.serverExtra < most
}

// urgent tells whether a request for which there is no room is taken all the same: a call
// for help, up to one sixteenth over the limit.
func (l *Layer) urgent(req *sip.Request) bool {
	return req.Method == sip.INVITE && l.cfg.Urgent != nil && len(l.servers)-l.serverExtra < l.cfg.MaxServer+l.cfg.MaxServer/16 && l.cfg.Urgent(req)
}

func (l *Layer) evict() {
	l.count.Evicted++
	l.forget(l.done.head)
}

// open begins the transaction of a request.
func (l *Layer) open(t *transaction, req *sip.Request, who *ident, flow wire.Flow) Server {
	l.count.Requests++
	t.flow = replyFlow(who.via, flow)
	if req.Method == sip.INVITE {
		t.machine = inviteServer
		l.enter(t, proceeding, l.cfg.TimerC)
		t.data = l.trying(req)
		l.send(t.flow, t.data)
	} else {
		t.machine, t.req = otherServer, req
		l.enter(t, trying, 64*l.cfg.T1)
		t.retry = l.now + l.noisy
	}
	l.add(t)
	l.queue.schedule(t)
	return Server(t.id)
}

// acknowledge takes an ACK.
func (l *Layer) acknowledge(req *sip.Request, who *ident, flow wire.Flow) (Server, Fate, Server) {
	t := l.servers[l.serverKey(req, who, sip.INVITE, flow)]
	if t == nil || t.toTag != 0 && who.branch == "" && t.toTag != l.tagHash(who.toTag) {
		return 0, Ack2xx, 0
	}
	if l.tell(t, ack, arg{}) {
		return 0, Ack2xx, Server(t.id)
	}
	l.count.Acks++
	return 0, Ack, 0
}

// Respond sends a response, whole but for its Content-Length, to the request that opened
// id. The first final one settles the matter: what comes after it is counted and not sent,
// but for a 2xx to an INVITE, which the user repeats until its ACK comes (RFC 6026 section
// 7.1). To what is no INVITE, a 1xx other than 100, a 100 over UDP before it may be sent
// (the layer sends it when it must be), and 408 are not sent (RFC 4320 section 4).
func (l *Layer) Respond(now time.Time, id Server, res *sip.Response) {
	l.tick(now)
	t := l.handles[uint64(id)]
	if t == nil || !t.server() || res == nil || res.StatusCode < 100 || res.StatusCode > 699 {
		l.count.Refused++
		return
	}
	in := kindOf(res)
	if !t.invite() {
		switch {
		case in == provisional && (res.StatusCode != 100 || t.state == trying && !t.reliable()):
			l.count.Withheld++
			return
		case res.StatusCode == sip.StatusRequestTimeout && (t.state == trying || t.state == proceeding):
			l.count.Withheld++
			l.tell(t, in, arg{})
			return
		}
	}
	l.tell(t, in, arg{res: res})
}

// kindOf tells what input a response is.
func kindOf(res *sip.Response) input {
	switch {
	case res.StatusCode < 200:
		return provisional
	case res.StatusCode < 300:
		return success
	}
	return failure
}

var inviteServer, otherServer *machine

func init() {
	inviteServer = table.New("INVITE server transaction",
		row{State: proceeding, Limit: "timer C, anew with each 1xx", Moves: moves{
			{On: again, Do: (*Layer).sayAgain, Note: "the last 1xx again"},
			{On: provisional, Do: (*Layer).ring},
			{On: success, Do: (*Layer).accept, Next: []state{accepted}},
			{On: failure, Do: (*Layer).refuse, Next: []state{completed}},
			{On: ack, Do: (*Layer).ignore, Note: "of what was never answered"},
			{On: limit, Do: (*Layer).unanswered, Next: []state{terminated}, Note: "the user is told"},
			{On: lost, Do: (*Layer).loseNews, Next: []state{terminated}, Note: "the user is told"},
		}},
		row{State: accepted, Limit: "timer L, 64·T1", Moves: moves{
			{On: again, Do: (*Layer).absorb, Note: "the user repeats the 2xx by itself"},
			{On: success, Do: (*Layer).acceptAgain, Note: "sent"},
			{On: ack, Do: (*Layer).pass, Note: "to the user"},
			{On: provisional, Do: (*Layer).ignore, Note: "settled"},
			{On: failure, Do: (*Layer).ignore, Note: "settled"},
			{On: limit, Do: (*Layer).over, Next: []state{terminated}},
			{On: lost, Do: (*Layer).loseNews, Next: []state{terminated}, Note: "the user is told"},
		}},
		row{State: completed, Limit: "timer H, 64·T1", Moves: moves{
			{On: again, Do: (*Layer).sayAgain, Note: "the response again"},
			{On: retry, Do: (*Layer).timerG, Note: "timer G, over UDP: T1, doubled up to T2"},
			{On: ack, Do: (*Layer).acked, Next: []state{confirmed, terminated}, Note: "terminated on a stream"},
			{On: provisional, Do: (*Layer).ignore, Note: "settled"},
			{On: success, Do: (*Layer).ignore, Note: "settled"},
			{On: failure, Do: (*Layer).ignore, Note: "settled"},
			{On: limit, Do: (*Layer).noAck, Next: []state{terminated}, Note: "the user is told"},
			{On: lost, Do: (*Layer).loseNews, Next: []state{terminated}, Note: "the user is told"},
		}},
		row{State: confirmed, Limit: "timer I, T4", Moves: moves{
			{On: again, Do: (*Layer).absorb, Note: "late"},
			{On: ack, Do: (*Layer).absorb, Note: "again"},
			{On: provisional, Do: (*Layer).ignore, Note: "settled"},
			{On: success, Do: (*Layer).ignore, Note: "settled"},
			{On: failure, Do: (*Layer).ignore, Note: "settled"},
			{On: limit, Do: (*Layer).over, Next: []state{terminated}},
		}},
		row{State: terminated},
	)
	otherServer = table.New("server transaction that is no INVITE",
		row{State: trying, Limit: "64·T1", Moves: moves{
			{On: again, Do: (*Layer).absorb, Note: "the answer is on its way"},
			{On: provisional, Do: (*Layer).proceed, Next: []state{proceeding}},
			{On: retry, Do: (*Layer).tryingLate, Next: []state{proceeding}, Note: "100, now that the client repeats at T2 only"},
			{On: success, Do: (*Layer).complete, Next: []state{completed, terminated}, Note: "terminated on a stream"},
			{On: failure, Do: (*Layer).complete, Next: []state{completed, terminated}, Note: "terminated on a stream; 408 is not sent"},
			{On: limit, Do: (*Layer).unanswered, Next: []state{terminated}, Note: "the user is told"},
			{On: lost, Do: (*Layer).loseNews, Next: []state{terminated}, Note: "the user is told"},
		}},
		row{State: proceeding, Limit: "64·T1 since the request", Moves: moves{
			{On: again, Do: (*Layer).sayAgain, Note: "the 100 again"},
			{On: provisional, Do: (*Layer).proceed},
			{On: success, Do: (*Layer).complete, Next: []state{completed, terminated}, Note: "terminated on a stream"},
			{On: failure, Do: (*Layer).complete, Next: []state{completed, terminated}, Note: "terminated on a stream; 408 is not sent"},
			{On: limit, Do: (*Layer).unanswered, Next: []state{terminated}, Note: "the user is told"},
			{On: lost, Do: (*Layer).loseNews, Next: []state{terminated}, Note: "the user is told"},
		}},
		row{State: completed, Limit: "timer J, 64·T1", Moves: moves{
			{On: again, Do: (*Layer).sayAgain, Note: "the response again"},
			{On: provisional, Do: (*Layer).ignore, Note: "settled"},
			{On: success, Do: (*Layer).ignore, Note: "settled"},
			{On: failure, Do: (*Layer).ignore, Note: "settled"},
			{On: limit, Do: (*Layer).over, Next: []state{terminated}},
		}},
		row{State: terminated},
	)
}

func (l *Layer) absorb(*transaction, arg) bool { return false }

func (l *Layer) pass(*transaction, arg) bool { return true }

func (l *Layer) ignore(*transaction, arg) bool {
	l.count.Late++
	return false
}

func (l *Layer) over(t *transaction, _ arg) bool {
	t.state = terminated
	return false
}

func (l *Layer) unanswered(t *transaction, _ arg) bool {
	l.count.Unanswered++
	l.event(t, Unanswered)
	t.state = terminated
	return false
}

func (l *Layer) noAck(t *transaction, _ arg) bool {
	l.count.NoAcks++
	l.event(t, NoAck)
	t.state = terminated
	return false
}

func (l *Layer) loseNews(t *transaction, _ arg) bool {
	l.event(t, TransportLost)
	t.state = terminated
	return false
}

func (l *Layer) sayAgain(t *transaction, _ arg) bool {
	l.resend(t)
	return false
}

// say sends a response and keeps it for repetitions.
func (l *Layer) say(t *transaction, res *sip.Response) {
	t.data = l.encode(res)
	l.send(t.flow, t.data)
}

func (l *Layer) ring(t *transaction, a arg) bool {
	l.say(t, a.res)
	l.enter(t, proceeding, l.cfg.TimerC)
	return false
}

func (l *Layer) accept(t *transaction, a arg) bool {
	l.say(t, a.res)
	t.data = nil
	l.enter(t, accepted, 64*l.cfg.T1)
	return false
}

func (l *Layer) acceptAgain(t *transaction, a arg) bool {
	l.count.Resent++
	l.send(t.flow, l.encode(a.res))
	return false
}

func (l *Layer) refuse(t *transaction, a arg) bool {
	l.say(t, a.res)
	if to := a.res.To(); to != nil {
		tag, _ := param(to.Params, "tag")
		t.toTag = l.tagHash(tag)
	}
	l.enter(t, completed, 64*l.cfg.T1)
	l.repeat(t)
	return false
}

func (l *Layer) timerG(t *transaction, _ arg) bool {
	l.resend(t)
	l.double(t, l.cfg.T2)
	return false
}

func (l *Layer) acked(t *transaction, _ arg) bool {
	t.data = nil
	l.linger(t, confirmed, l.cfg.T4)
	return false
}

func (l *Layer) proceed(t *transaction, a arg) bool {
	l.say(t, a.res)
	t.state, t.req, t.retry = proceeding, nil, never
	return false
}

func (l *Layer) tryingLate(t *transaction, _ arg) bool {
	t.data = l.trying(t.req)
	l.send(t.flow, t.data)
	t.state, t.req = proceeding, nil
	return false
}

// complete answers a request that is no INVITE; without a response, in silence.
func (l *Layer) complete(t *transaction, a arg) bool {
	t.data, t.req = nil, nil
	if a.res != nil {
		l.say(t, a.res)
	}
	l.linger(t, completed, 64*l.cfg.T1)
	if t.state == completed {
		l.done.push(t)
		l.doneSize += t.size()
		for l.doneSize > l.cfg.MaxCompleted && l.done.head != t {
			l.evict()
		}
	}
	return false
}
