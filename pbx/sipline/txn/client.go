package txn

import (
	"time"

	"github.com/emiago/sipgo/sip"

	"sotto/pbx/sipline/wire"
	"sotto/pbx/table"
)

// minTimerD is the least that a refused INVITE is kept over UDP (RFC 3261 section
// 17.1.1.2): it must outlast the server's timer H, whose T1 is not known.
const minTimerD = 32 * time.Second

// Start sends a request by flow and gives the transaction that awaits its responses. The
// request is complete but for the branch of its top Via, which the layer sets, and for
// Content-Length. It is the layer's from then on: it may be read, and copied, but not
// changed. 0: there is no room, or it is ACK or CANCEL ([Layer.Cancel]), or lacks a
// header that it must have; nothing was sent.
func (l *Layer) Start(now time.Time, req *sip.Request, flow wire.Flow) Client {
	l.tick(now)
	if _, ok := identify(req); !ok || req.Method == sip.ACK || req.Method == sip.CANCEL {
		l.count.Refused++
		return 0
	}
	if len(l.clients)-l.clientExtra >= l.cfg.MaxClient {
		l.count.Full++
		return 0
	}
	branch := cookie + l.cfg.Random()
	req.Via().Params.Add("branch", branch)
	t := &transaction{key: l.clientKey(branch, req.Method), machine: otherClient, flow: flow}
	if req.Method == sip.INVITE {
		t.machine, t.req = inviteClient, req
	}
	l.launch(t, l.encode(req))
	return Client(t.id)
}

// launch sends a request and begins to wait.
func (l *Layer) launch(t *transaction, data []byte) {
	l.count.Started++
	first := trying
	if t.invite() {
		first = calling
	}
	t.data = data
	l.send(t.flow, data)
	l.enter(t, first, 64*l.cfg.T1)
	l.repeat(t)
	l.add(t)
	l.queue.schedule(t)
}

// Cancel cancels an INVITE (RFC 3261 section 9.1): CANCEL goes out at once if a
// provisional response came, else with the first that comes; after a final one it does
// nothing. The transaction lasts until its final response, which may still be a 2xx, and
// ends with [Timeout] when none comes within 64·T1 of the CANCEL. Responses to the CANCEL
// are the layer's own. reason, if not empty, is the value of a Reason header (RFC 3326).
func (l *Layer) Cancel(now time.Time, id Client, reason string) {
	l.tick(now)
	t := l.handles[uint64(id)]
	if t == nil || t.server() {
		l.count.Refused++
		return
	}
	if t.cancel == notCancelled && reason != "" {
		t.reason = "Reason: " + reason + crlf
	}
	l.tell(t, cancel, arg{})
}

// Limit sets when the INVITE id is given up, d from now, if it has got a provisional
// response and then nothing more, in the place of timer C; the next provisional response
// sets timer C again. When it ends the layer sends CANCEL, and 64·T1 later [Timeout]
// comes.
func (l *Layer) Limit(now time.Time, id Client, d time.Duration) {
	l.tick(now)
	t := l.handles[uint64(id)]
	if t == nil || t.machine != inviteClient || t.state != proceeding || t.cancel == cancelSent {
		l.count.Refused++
		return
	}
	t.end = l.now + max(d, 0)
	l.queue.schedule(t)
}

// Response takes a response that came by flow; true: it is for the user, of the
// transaction given. That is each provisional one, the first final one, and every 2xx to
// an INVITE while repetitions and those of other branches of a fork may come (RFC 6026
// section 7.2).
//
// It must have our Via alone, with the branch of a transaction, the method in CSeq, and
// come by the same protocol from the address that the request went to. The branch cannot
// be guessed; the address keeps out who has seen it go by. The port, and on a stream the
// connection, may be another: a server may answer from another port without rport, and
// over a new connection when the old one broke (RFC 3261 section 18.2.2).
func (l *Layer) Response(now time.Time, res *sip.Response, flow wire.Flow) (Client, bool) {
	l.tick(now)
	t := l.match(res, flow)
	if t == nil {
		l.count.Stray++
		return 0, false
	}
	l.count.Responses++
	if !l.tell(t, kindOf(res), arg{res: res}) || t.silent {
		return 0, false
	}
	return Client(t.id), true
}

func (l *Layer) match(res *sip.Response, flow wire.Flow) *transaction {
	if res == nil || res.StatusCode < 100 || res.StatusCode > 699 {
		return nil
	}
	via, cseq := res.Via(), res.CSeq()
	if via == nil || cseq == nil || res.To() == nil {
		return nil
	}
	vias := 0
	for _, h := range res.Headers() {
		if _, ok := h.(*sip.ViaHeader); ok {
			vias++
		}
	}
	branch, _ := param(via.Params, "branch")
	if vias != 1 || branch == "" {
		return nil // RFC 3261 section 8.1.3.3: not for us, but corrupted or sent astray
	}
	t := l.clients[l.clientKey(branch, cseq.MethodName)]
	if t == nil || t.flow.Proto != flow.Proto || t.flow.Remote.Addr() != flow.Remote.Addr() {
		return nil
	}
	return t
}

var inviteClient, otherClient *machine

func init() {
	inviteClient = table.New("INVITE client transaction",
		row{State: calling, Limit: "timer B, 64·T1", Moves: moves{
			{On: retry, Do: (*Layer).timerA, Note: "timer A, over UDP: T1, doubled each time"},
			{On: provisional, Do: (*Layer).progress, Next: []state{proceeding}, Note: "to the user; CANCEL, if wanted"},
			{On: success, Do: (*Layer).accepted, Next: []state{accepted}, Note: "to the user"},
			{On: failure, Do: (*Layer).refused, Next: []state{completed, terminated}, Note: "ACK; to the user; terminated on a stream"},
			{On: cancel, Do: (*Layer).wantCancel, Note: "waits for 1xx"},
			{On: limit, Do: (*Layer).timeout, Next: []state{terminated}, Note: "the user is told"},
			{On: lost, Do: (*Layer).loseNews, Next: []state{terminated}, Note: "the user is told"},
		}},
		row{State: proceeding, Limit: "timer C, anew with each 1xx; 64·T1 after CANCEL", Moves: moves{
			{On: provisional, Do: (*Layer).progress, Note: "to the user"},
			{On: success, Do: (*Layer).accepted, Next: []state{accepted}, Note: "to the user"},
			{On: failure, Do: (*Layer).refused, Next: []state{completed, terminated}, Note: "ACK; to the user; terminated on a stream"},
			{On: cancel, Do: (*Layer).sendCancel, Note: "CANCEL, once"},
			{On: limit, Do: (*Layer).timerC, Next: []state{terminated}, Note: "CANCEL; after it, the user is told"},
			{On: lost, Do: (*Layer).loseNews, Next: []state{terminated}, Note: "the user is told"},
		}},
		row{State: accepted, Limit: "timer M, 64·T1", Moves: moves{
			{On: success, Do: (*Layer).pass, Note: "to the user: again, or of another branch"},
			{On: provisional, Do: (*Layer).ignore, Note: "settled"},
			{On: failure, Do: (*Layer).ignore, Note: "settled"},
			{On: cancel, Do: (*Layer).ignore, Note: "too late: ACK and BYE are the user's"},
			{On: limit, Do: (*Layer).over, Next: []state{terminated}},
			{On: lost, Do: (*Layer).over, Next: []state{terminated}},
		}},
		row{State: completed, Limit: "timer D, 64·T1, at least 32 s", Moves: moves{
			{On: failure, Do: (*Layer).sayAgain, Note: "ACK again"},
			{On: provisional, Do: (*Layer).ignore, Note: "settled"},
			{On: success, Do: (*Layer).ignore, Note: "settled"},
			{On: cancel, Do: (*Layer).ignore, Note: "too late"},
			{On: limit, Do: (*Layer).over, Next: []state{terminated}},
		}},
		row{State: terminated},
	)
	otherClient = table.New("client transaction that is no INVITE",
		row{State: trying, Limit: "timer F, 64·T1", Moves: moves{
			{On: retry, Do: (*Layer).timerE, Note: "timer E, over UDP: T1, doubled up to T2"},
			{On: provisional, Do: (*Layer).underWay, Next: []state{proceeding}, Note: "to the user"},
			{On: success, Do: (*Layer).answered, Next: []state{completed, terminated}, Note: "to the user; terminated on a stream"},
			{On: failure, Do: (*Layer).answered, Next: []state{completed, terminated}, Note: "to the user; terminated on a stream"},
			{On: limit, Do: (*Layer).timeout, Next: []state{terminated}, Note: "the user is told"},
			{On: lost, Do: (*Layer).loseNews, Next: []state{terminated}, Note: "the user is told"},
		}},
		row{State: proceeding, Limit: "timer F goes on", Moves: moves{
			{On: retry, Do: (*Layer).timerE, Note: "timer E, over UDP: T2"},
			{On: provisional, Do: (*Layer).pass, Note: "to the user"},
			{On: success, Do: (*Layer).answered, Next: []state{completed, terminated}, Note: "to the user; terminated on a stream"},
			{On: failure, Do: (*Layer).answered, Next: []state{completed, terminated}, Note: "to the user; terminated on a stream"},
			{On: limit, Do: (*Layer).timeout, Next: []state{terminated}, Note: "the user is told"},
			{On: lost, Do: (*Layer).loseNews, Next: []state{terminated}, Note: "the user is told"},
		}},
		row{State: completed, Limit: "timer K, T4", Moves: moves{
			{On: provisional, Do: (*Layer).ignore, Note: "settled"},
			{On: success, Do: (*Layer).absorb, Note: "again"},
			{On: failure, Do: (*Layer).absorb, Note: "again"},
			{On: limit, Do: (*Layer).over, Next: []state{terminated}},
		}},
		row{State: terminated},
	)
}

func (l *Layer) timerA(t *transaction, _ arg) bool {
	l.resend(t)
	l.double(t, never/2)
	return false
}

func (l *Layer) timerE(t *transaction, _ arg) bool {
	l.resend(t)
	l.double(t, l.cfg.T2)
	return false
}

func (l *Layer) progress(t *transaction, a arg) bool {
	t.data = nil // it arrived: no repetition any more
	if t.cancel == cancelSent {
		t.state = proceeding // and the time that the CANCEL set stands
		return true
	}
	l.enter(t, proceeding, l.cfg.TimerC)
	if t.cancel == cancelWanted {
		l.sendCancel(t, a)
	}
	return true
}

func (l *Layer) wantCancel(t *transaction, _ arg) bool {
	t.cancel = cancelWanted
	return false
}

// sendCancel sends CANCEL as a transaction of its own, with the branch of the INVITE.
func (l *Layer) sendCancel(t *transaction, _ arg) bool {
	if t.cancel == cancelSent {
		return false
	}
	t.cancel = cancelSent
	l.enter(t, proceeding, 64*l.cfg.T1)
	branch, _ := param(t.req.Via().Params, "branch")
	l.clientExtra++
	l.launch(&transaction{key: l.clientKey(branch, sip.CANCEL), machine: otherClient, flow: t.flow, silent: true, extra: true},
		l.follow(t.req, sip.CANCEL, t.req.To(), t.reason))
	return false
}

// timerC gives up an INVITE that got nothing more after a provisional response.
func (l *Layer) timerC(t *transaction, a arg) bool {
	if t.cancel == cancelSent {
		return l.timeout(t, a)
	}
	return l.sendCancel(t, a)
}

func (l *Layer) timeout(t *transaction, _ arg) bool {
	if !t.silent {
		l.count.Timeouts++
	}
	l.event(t, Timeout)
	t.state = terminated
	return false
}

func (l *Layer) accepted(t *transaction, _ arg) bool {
	t.data, t.req = nil, nil
	l.enter(t, accepted, 64*l.cfg.T1)
	return true
}

func (l *Layer) refused(t *transaction, a arg) bool {
	t.data = l.follow(t.req, sip.ACK, a.res.To(), "")
	t.req = nil
	l.send(t.flow, t.data)
	l.linger(t, completed, max(64*l.cfg.T1, minTimerD))
	return true
}

func (l *Layer) underWay(t *transaction, _ arg) bool {
	t.state = proceeding
	if !t.reliable() { // the running timer E fires once more as it was set, then at T2 (section 17.1.2.2)
		t.interval = l.cfg.T2
	}
	return true
}

func (l *Layer) answered(t *transaction, _ arg) bool {
	t.data = nil
	l.linger(t, completed, l.cfg.T4)
	return true
}
