package ua

import (
	"time"

	"github.com/emiago/sipgo/sip"

	"sotto/pbx"
)

// methods that the box knows, whether it takes them or not (RFC 3261 section 8.2.1: 405
// for these, 501 for others).
var methods = map[sip.RequestMethod]Input{
	sip.INVITE: GotInvite, sip.ACK: GotAck, sip.BYE: GotBye, sip.UPDATE: GotUpdate, sip.PRACK: GotPrack, sip.INFO: GotInfo,
	sip.OPTIONS: GotOptions, sip.CANCEL: GotOther, sip.REGISTER: GotOther, sip.SUBSCRIBE: GotOther, sip.NOTIFY: GotOther,
	sip.REFER: GotOther, sip.MESSAGE: GotOther, sip.PUBLISH: GotOther,
}

// request takes a request within a dialog (RFC 3261 section 12.2.2).
func (l *Leg) request(a arg) {
	a.d = l.dialogOf(a.req)
	cseq := a.req.CSeq()
	in, known := methods[a.req.Method]
	switch {
	case a.d == nil || cseq == nil:
		l.count.Unmatched++
		if a.req.Method != sip.ACK {
			l.reply(a, 481)
		}
		return
	case a.req.Method == sip.ACK:
		if !l.step(GotAck, a) {
			l.count.Stray++
		}
		return
	case a.d.seqSeen && cseq.SeqNo <= a.d.seq: // one that came again is not seen here
		l.count.StaleCSeq++
		l.reply(a, 500)
		return
	}
	a.d.seq, a.d.seqSeen = cseq.SeqNo, true
	if u := Unsupported(a.req); u != "" {
		l.reply(a, 420, "Unsupported", u)
		return
	}
	if !known {
		in = GotOther
	}
	if l.settled && a.d != l.d { // a fork that came too late
		if in == GotBye {
			a.d.over = true
			l.reply(a, 200)
			return
		}
		l.reply(a, 481)
		return
	}
	if !l.step(in, a) {
		l.reply(a, 481)
	}
}

func (l *Leg) strayAck(arg) { l.count.Stray++ }

func (l *Leg) options(a arg) {
	l.reply(a, 200, "Allow", Allow, "Accept", Accept, "Supported", Supported)
}

func (l *Leg) other(a arg) {
	status := 501
	if _, known := methods[a.req.Method]; known {
		status = 405
	}
	l.reply(a, status, "Allow", Allow)
}

// response takes a response to any request of the leg.
func (l *Leg) response(now time.Time, res *sip.Response, n Client) {
	a := arg{now: now, res: res, status: res.StatusCode}
	cseq := res.CSeq()
	if cseq == nil || a.status < 100 || a.status > 699 || n == 0 || n > l.clientN {
		l.count.Stray++
		return
	}
	if n == l.outgoing && cseq.MethodName == sip.INVITE {
		l.inviteResponse(a)
		return
	}
	i := l.waiting(n)
	success := cseq.MethodName == sip.INVITE && a.status >= 200 && a.status < 300
	if i < 0 && !success || i >= 0 && cseq.MethodName != l.clients[i].method {
		l.count.Stray++
		return
	}
	if success { // to a re-INVITE: every one is acknowledged
		tag, _ := responseTag(res)
		d := l.dialogWith(tag)
		if d == nil {
			l.count.Stray++
			return
		}
		if i < 0 {
			l.count.Repeated++
		} else {
			d.aim(res.Contact())
		}
		l.ack(d, cseq.SeqNo)
	}
	if i >= 0 && a.status >= 200 {
		l.done(i, a)
	}
}

// noResponse ends a request of the leg to which no final answer comes.
func (l *Leg) noResponse(now time.Time, n Client, status int) {
	a := arg{now: now, status: status}
	if n != 0 && n == l.outgoing {
		if !l.settled {
			l.outgoing = 0
			l.step(GotFailure, a)
		}
		return
	}
	if i := l.waiting(n); i >= 0 {
		l.done(i, a)
		return
	}
	l.count.Stray++
}

func (l *Leg) waiting(n Client) int {
	for i := range l.clients {
		if l.clients[i].n == n {
			return i
		}
	}
	return -1
}

func (l *Leg) done(i int, a arg) {
	a.c, a.d = l.clients[i], l.clients[i].d
	l.clients = append(l.clients[:i], l.clients[i+1:]...)
	l.step(GotReply, a)
}

// replied takes the final answer to a request within a dialog.
func (l *Leg) replied(a arg) {
	switch {
	case a.c.method == sip.BYE && a.d == l.d && l.state == Closing:
		l.end(a.now)
	case a.c.n == l.reoffer.n && l.state == Up:
		l.reoffered(a)
	}
}

func (l *Leg) hangup(a arg) { l.close(a.now, a.cause) }

// fail ends a session that cannot go on.
func (l *Leg) fail(now time.Time, cause pbx.Cause) {
	l.tell(Event{Kind: HangsUp, Cause: cause})
	l.close(now, cause)
}

// close sends the BYE.
func (l *Leg) close(now time.Time, cause pbx.Cause) {
	l.state = Closing
	l.confirmed()
	l.stopAll()
	l.set(TimeClear, now.Add(64*l.cfg.T1+l.cfg.T2)) // the transaction's time-out comes first
	l.bye(now, l.d, cause)
}

// bye ends one dialog.
func (l *Leg) bye(now time.Time, d *dialog, cause pbx.Cause) {
	req := l.newRequest(d, sip.BYE, l.nextSeq())
	addHeader(req, "Reason", reason(cause))
	l.start(now, d, req, nil)
}

// byeAgain answers a BYE that changes nothing any more.
func (l *Leg) byeAgain(a arg) { l.reply(a, 200) }

// byeTaken ends the leg by their BYE.
func (l *Leg) byeTaken(a arg) {
	l.reply(a, 200)
	l.confirmed()
	if l.state != Leaving {
		l.tell(Event{Kind: HangsUp, Cause: causeIn(a.req, pbx.NormalClearing)})
	}
	l.end(a.now)
}

// end has the leg gone, or, as caller, waiting for the 2xx of forks that may still come.
func (l *Leg) end(now time.Time) {
	l.stopAll()
	if l.settled && now.Before(l.cleared) {
		l.state = Lingering
		l.set(TimeClear, l.cleared)
		return
	}
	l.state = Gone
}
