package ua

import (
	"time"

	"github.com/emiago/sipgo/sip"

	"sotto/pbx"
)

// reoffer is what the box itself wants to change in a session, or to refresh.
type reoffer struct {
	want    bool   // offer anew
	refresh bool   // the session's time is half over
	n       Client // the re-INVITE or UPDATE under way
	invite  bool   // it is a re-INVITE
	tries   int
}

// maySend is what pump holds back for: RFC 3261 section 14.1, RFC 3311 section 5.1.
func (l *Leg) maySend() bool {
	return l.state == Up && l.reoffer.n == 0 && l.ok.res == nil && l.timers[TimeRetry-firstTimer].IsZero()
}

// pump sends an own offer or refresh that waits, if it may be sent now.
func (l *Leg) pump(now time.Time) {
	r := &l.reoffer
	if !r.want && !r.refresh || !l.maySend() {
		return
	}
	r.invite = r.want || !l.d.updates
	r.want, r.refresh = false, false
	method, body := sip.UPDATE, []byte(nil)
	if r.invite {
		method, body = sip.INVITE, l.cfg.Media.Offer()
		l.set(TimePatience, now.Add(64*l.cfg.T1))
	}
	req := l.newRequest(l.d, method, l.nextSeq())
	addHeader(req, "Supported", "timer") // no 100rel: nobody rings
	l.askTimer(req, l.refresherHere())
	r.n = l.start(now, l.d, req, body)
}

func (l *Leg) wantOffer(arg) {
	l.reoffer.want = l.reoffer.want || l.caller || l.state == Up || l.state == Accepted || l.rel.offered
	l.reoffer.tries = 0
}

func (l *Leg) refreshDue(arg) { l.reoffer.refresh = true }

// patience is over with an own re-INVITE that got provisional responses only.
func (l *Leg) patience(arg) {
	if l.reoffer.n != 0 && l.reoffer.invite {
		l.out = append(l.out, Action{Kind: Cancel, Client: l.reoffer.n})
	}
}

// offers tells whose offer waits for an answer (RFC 3261 section 14.2, RFC 3311 section
// 5.2).
func (l *Leg) offers(d *dialog) (ours, theirs bool) {
	switch l.state {
	case Incoming, Ringing, Promised:
		return l.rel.offered && !l.invite.agreed, l.invite.offer != nil
	case Calling, Proceeding:
		return !d.answered, false
	}
	return l.ok.awaits || l.reoffer.n != 0 && l.reoffer.invite, false
}

func (l *Leg) glare(a arg) {
	l.count.Glare++
	l.reply(a, 491)
}

// reinvite answers a re-INVITE at once. What was agreed stays in force if it is refused
// (RFC 6141 section 3).
func (l *Leg) reinvite(a arg) {
	if l.ok.awaits || l.reoffer.n != 0 && l.reoffer.invite {
		l.glare(a)
		return
	}
	if l.ok.res != nil { // who re-invites has got the 2xx, RFC 5407 section 3.1.4
		l.confirmed()
	}
	if l.state == Accepted {
		l.state = Up
	}
	offer, status := description(a.req)
	if status != 0 {
		l.reply(a, status, "Accept", Accept)
		return
	}
	if l.tooShort(a) {
		return
	}
	var body []byte
	if offer == nil {
		body = l.cfg.Media.Offer()
	} else {
		var err error
		if body, err = l.cfg.Media.Answer(offer); err != nil {
			l.count.BadBody++
			l.reply(a, statusOf(err))
			return
		}
	}
	a.d.aim(a.req.Contact())
	l.confirm(a, body, offer == nil)
	if offer != nil {
		l.heed()
	}
}

// update answers an UPDATE (RFC 3311 section 5.2).
func (l *Leg) update(a arg) {
	offer, status := description(a.req)
	if status != 0 {
		l.reply(a, status, "Accept", Accept)
		return
	}
	if l.tooShort(a) {
		return
	}
	var body []byte
	if offer != nil {
		ours, theirs := l.offers(a.d)
		if ours {
			l.glare(a)
			return
		}
		if theirs {
			l.replyLater(a)
			return
		}
		var err error
		if body, err = l.cfg.Media.Answer(offer); err != nil {
			l.count.BadBody++
			l.reply(a, statusOf(err))
			return
		}
	}
	a.d.aim(a.req.Contact())
	res := l.newResponse(a.req, 200)
	l.addContact(res)
	addHeader(res, "Allow", Allow)
	if l.state == Up || l.state == Accepted {
		l.grant(a, res)
	}
	l.respond(a.tx, res, body)
	if l.state == Up || l.state == Accepted {
		l.heed()
	}
}

// heed tells when the telephone's user has put the box on hold, or took it back.
func (l *Leg) heed() {
	if held := l.cfg.Media.Held(); held != l.held {
		l.held = held
		kind := Retrieves
		if held {
			kind = Holds
		}
		l.tell(Event{Kind: kind})
	}
}

// reoffered takes the final answer to an own re-INVITE or UPDATE.
func (l *Leg) reoffered(a arg) {
	r := &l.reoffer
	invite := r.invite
	r.n, r.invite = 0, false
	l.stop(TimePatience)
	switch {
	case a.status < 300 && invite:
		body, status := description(a.res)
		if status != 0 || body == nil || l.cfg.Media.Accept(body) != nil {
			l.count.BadBody++
			l.fail(a.now, CauseOf(488))
			return
		}
		r.tries = 0
		l.granted(a)
		l.heed()
	case a.status < 300:
		r.tries = 0
		l.granted(a)
	case a.status == 408 || a.status == 481: // RFC 5057 section 5.1
		l.count.NoReply++
		l.fail(a.now, pbx.RecoveryOnTimer)
	default:
		l.refused(a, invite)
	}
}

// refused decides when an offer or a refresh that was refused is tried again; the session
// stays as it was.
func (l *Leg) refused(a arg, invite bool) {
	r := &l.reoffer
	again := time.Duration(-1)
	switch {
	case a.status == 491: // RFC 3261 section 14.1, in steps of 10 ms
		l.count.Glare++
		if again = time.Duration(l.below(201)) * 10 * time.Millisecond; l.caller {
			again = 2100*time.Millisecond + time.Duration(l.below(191))*10*time.Millisecond
		}
	case a.status == 500 && a.res != nil && value(a.res, "retry-after", "") != "":
		again = max(l.cfg.T1, time.Duration(number(value(a.res, "retry-after", ""), 10))*time.Second)
	case a.status == 422 && l.longer(a.res):
		again = 0
	case (a.status == 405 || a.status == 501) && !invite:
		l.d.updates = false
		again = 0
	}
	if again < 0 || r.tries == maxTries {
		l.count.GaveUp++
		r.tries = 0
		l.refreshLater(a.now)
		return
	}
	r.tries++
	if invite {
		r.want = true
	} else {
		r.refresh = true
	}
	if again > 0 {
		l.set(TimeRetry, a.now.Add(again))
	}
}
