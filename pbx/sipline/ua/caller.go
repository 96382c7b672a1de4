package ua

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"sotto/pbx"
)

// Elsewhere is the cause (Q.850 number 26, non-selected user clearing) of a hang-up
// since another telephone of the same user has taken the call: its CANCEL says so, and
// telephones then do not show the call as missed (RFC 3326 section 3.1).
const Elsewhere = pbx.NonSelectedUser

// call sends the INVITE.
func (l *Leg) call(now time.Time) {
	l.inviteNo = l.nextSeq()
	req := l.newRequest(nil, sip.INVITE, l.inviteNo)
	addHeader(req, "Supported", Supported)
	l.askTimer(req, "")
	offer := l.cfg.Media.Offer()
	l.clientN++
	l.outgoing = l.clientN
	setBody(req, offer)
	l.out = append(l.out, Action{Kind: Start, Client: l.outgoing, Request: req})
}

// inviteResponse takes a response to the first INVITE.
func (l *Leg) inviteResponse(a arg) {
	switch tag, ok := responseTag(a.res); {
	case a.status == 100:
		l.step(GotProgress, a)
	case a.status >= 300:
		if l.settled {
			l.count.Stray++
			return
		}
		l.outgoing = 0
		l.step(GotFailure, a)
	case !ok || a.status < 200 && l.settled:
		l.count.Stray++
	default:
		if a.d = l.fork(tag, a.res); a.d == nil {
			l.count.TooMany++
			return
		}
		if a.status < 200 {
			l.step(GotProgress, a)
			return
		}
		l.inviteSuccess(a)
	}
}

// responseTag gives the To tag; RFC 2543 knew answers without one.
func responseTag(res *sip.Response) (string, bool) {
	to := res.To()
	if to == nil {
		return "", false
	}
	tag := to.Params.GetOr("tag", "")
	return tag, len(tag) <= maxText
}

// fork finds the dialog of a response to the INVITE, or makes it (RFC 3261 section
// 12.1.2). It is nil if there are too many.
func (l *Leg) fork(tag string, res *sip.Response) *dialog {
	if d := l.dialogWith(tag); d != nil {
		return d
	}
	if len(l.dialogs) == maxForks {
		return nil
	}
	d := &dialog{tag: strings.Clone(tag), target: l.target}
	l.learn(d, res)
	l.dialogs = append(l.dialogs, d)
	return d
}

// learn takes target, route set and methods from a response that makes a dialog, or, as
// the 2xx does, makes it for good.
func (l *Leg) learn(d *dialog, res *sip.Response) {
	d.aim(res.Contact())
	if routes, ok := recordedRoutes(res); ok {
		for i, j := 0, len(routes)-1; i < j; i, j = i+1, j-1 {
			routes[i], routes[j] = routes[j], routes[i]
		}
		d.routes = routes
	}
	if value(res, "allow", "") != "" {
		d.updates = has(res, "allow", "", "UPDATE")
	}
}

// inviteSuccess acknowledges every 2xx to the INVITE. The first has the call, those of
// other forks get a BYE (RFC 3261 section 13.2.2.4).
func (l *Leg) inviteSuccess(a arg) {
	switch {
	case !l.settled:
		l.settled, l.d = true, a.d
		l.cleared = a.now.Add(64 * l.cfg.T1)
		l.learn(a.d, a.res)
		l.ack(a.d, l.inviteNo)
		l.step(GotSuccess, a)
	case a.d == l.d:
		l.count.Repeated++
		l.ack(a.d, l.inviteNo)
	default:
		if !a.d.over {
			l.learn(a.d, a.res)
		}
		l.ack(a.d, l.inviteNo)
		if !a.d.over {
			l.count.Forks++
			a.d.over = true
			l.bye(a.now, a.d, Elsewhere)
		}
	}
}

// progress takes a provisional response.
func (l *Leg) progress(a arg) {
	if a.d == nil {
		return
	}
	l.state = Proceeding
	body, status := description(a.res)
	if has(a.res, "require", "", "100rel") {
		rseq, err := strconv.ParseUint(value(a.res, "rseq", ""), 10, 32)
		if err != nil || rseq == 0 || a.d.rseq != 0 && rseq != uint64(a.d.rseq)+1 {
			return // repeated, or one before it is missing: it will come again
		}
		if len(l.clients) >= maxWaits {
			l.count.TooMany++
			return
		}
		a.d.rseq = uint32(rseq)
		req := l.newRequest(a.d, sip.PRACK, l.nextSeq())
		addHeader(req, "RAck", fmt.Sprintf("%d %d INVITE", rseq, l.inviteNo))
		l.start(a.now, a.d, req, nil)
		if status == 0 && body != nil && !a.d.answered {
			if !l.takeAnswer(a.d, body) {
				l.tell(Event{Kind: Refuses, Status: 488, Cause: CauseOf(488)})
				l.cancel(arg{now: a.now, cause: CauseOf(488)})
				return
			}
			a.d.answered = true
		}
	} else if status == 0 && body != nil && !a.d.answered {
		l.takeAnswer(a.d, body) // a first look: the 2xx counts
	}
	if a.status >= 180 && a.status <= 183 && !l.rang {
		l.rang = true
		l.tell(Event{Kind: Rings, Early: l.agreedBy != nil})
	}
}

// takeAnswer gives an answer to Media, unless it has it already.
func (l *Leg) takeAnswer(d *dialog, answer []byte) bool {
	if l.agreedBy == d && bytes.Equal(d.answer, answer) {
		return true
	}
	if l.cfg.Media.Accept(answer) != nil {
		l.count.BadBody++
		return false
	}
	l.agreedBy, d.answer = d, bytes.Clone(answer)
	return true
}

// success takes the 2xx that has the call.
func (l *Leg) success(a arg) {
	body, status := description(a.res)
	if a.d.answered || body == nil {
		body = a.d.answer // it came before, with a provisional response
	}
	if status != 0 || body == nil || !l.takeAnswer(a.d, body) {
		if body == nil {
			l.count.BadBody++
		}
		l.tell(Event{Kind: Refuses, Status: 488, Cause: CauseOf(488)})
		l.close(a.now, CauseOf(488))
		return
	}
	l.state = Up
	l.granted(a)
	for _, d := range l.dialogs {
		d.answer = nil
	}
	l.tell(Event{Kind: Answers})
	l.heed()
}

func (l *Leg) successTooLate(a arg) { l.close(a.now, l.cause) }

// failure takes the final no.
func (l *Leg) failure(a arg) {
	if a.status == 422 && l.tries < 2 && l.longer(a.res) {
		l.tries++
		l.state = Calling
		l.dialogs, l.agreedBy = nil, nil
		l.call(a.now)
		return
	}
	e := Event{Kind: Refuses, Status: a.status, Cause: CauseOf(a.status)}
	if a.res != nil {
		e.Cause = causeIn(a.res, e.Cause)
		e.RetryAfter = time.Duration(number(value(a.res, "retry-after", ""), 3600)) * time.Second
	}
	l.tell(e)
	l.end(a.now)
}

func (l *Leg) cancel(a arg) {
	l.state, l.cause = Cancelling, a.cause
	l.stopAll()
	l.set(TimeClear, a.now.Add(128*l.cfg.T1+l.cfg.T2))
	l.out = append(l.out, Action{Kind: Cancel, Client: l.outgoing, Reason: reason(a.cause)})
}

// byeEarlyOut takes a BYE of a telephone that has answered, as far as it knows.
func (l *Leg) byeEarlyOut(a arg) {
	l.reply(a, 200)
	l.tell(Event{Kind: Refuses, Status: 480, Cause: causeIn(a.req, pbx.NormalClearing)})
	l.cancel(arg{now: a.now, cause: pbx.NormalClearing})
}
