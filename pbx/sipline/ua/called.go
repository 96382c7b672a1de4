package ua

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"sotto/pbx"
)

// incoming is the first INVITE of a leg that is called.
type incoming struct {
	tx       Server // 0 once it has its final answer
	req      *sip.Request
	seq      uint32
	offer    []byte // nil: the box is to offer
	reliably bool   // provisional responses must be sent reliably
	agreed   bool   // offer and answer went over with the 180 and its PRACK
}

// confirming is a 2xx to INVITE whose ACK has not come (RFC 3261 section 13.3.1.4).
type confirming struct {
	res    *sip.Response // nil: there is none
	tx     Server
	seq    uint32
	wait   time.Duration // before it is sent again
	awaits bool          // the answer to the offer in it
}

// reliable is a provisional response sent reliably (RFC 3262 section 3).
type reliable struct {
	res     *sip.Response // while it is repeated
	seq     uint32        // RSeq
	pending bool          // no PRACK came yet
	offered bool          // the box's offer went with the first
	wait    time.Duration
}

const ringAgain = time.Minute // RFC 3261 section 13.3.1.1

// takeCall looks at the INVITE that a leg begins with.
func (l *Leg) takeCall(now time.Time, req *sip.Request, tx Server) {
	a := arg{now: now, req: req, tx: tx}
	l.tag = l.random(16)
	l.state = Gone // unless it is taken
	from, to, id, cseq := req.From(), req.To(), req.CallID(), req.CSeq()
	if from == nil || to == nil || id == nil || cseq == nil {
		l.reply(a, 400)
		return
	}
	tag := from.Params.GetOr("tag", "")
	routes, ok := recordedRoutes(req)
	target := from.Address // RFC 2543 section 6.13 let a caller do without Contact
	if c := req.Contact(); c != nil {
		target = c.Address
	}
	if !ok || !usable(&target) || len(tag) > maxText || len(*id) > maxText || len(from.Address.String()) > maxURI || len(to.Address.String()) > maxURI {
		l.reply(a, 400)
		return
	}
	if u := Unsupported(req); u != "" {
		l.reply(a, 420, "Unsupported", u)
		return
	}
	if l.tooShort(a) {
		return
	}
	offer, status := description(req)
	if status != 0 {
		l.reply(a, status, "Accept", Accept)
		return
	}
	if offer != nil {
		if err := l.cfg.Media.Check(offer); err != nil {
			l.count.BadBody++
			l.reply(a, statusOf(err))
			return
		}
	}
	l.state = Incoming
	l.callID = strings.Clone(string(*id))
	l.local, l.remote = bare(to.Address), bare(from.Address)
	l.d = &dialog{tag: strings.Clone(tag), target: bare(target), routes: routes, seq: cseq.SeqNo, seqSeen: true, updates: has(req, "allow", "", "UPDATE")}
	l.dialogs = []*dialog{l.d}
	l.invite = incoming{tx: tx, req: req, seq: cseq.SeqNo, offer: offer, reliably: has(req, "require", "", "100rel")}
}

// statusOf gives the answer to an offer that Media does not take.
func statusOf(err error) int {
	if errors.Is(err, ErrMalformed) {
		return 400
	}
	return 488
}

func (l *Leg) ring(a arg) {
	l.state = Ringing
	l.ringAgain(a)
}

// ringAgain sends 180; one that is sent reliably still when a minute is over is left
// alone.
func (l *Leg) ringAgain(a arg) {
	l.set(TimeRinging, a.now.Add(ringAgain))
	if l.rel.pending {
		return
	}
	res := l.newResponse(l.invite.req, 180)
	sip.CopyHeaders("Record-Route", l.invite.req, res)
	l.addContact(res)
	addHeader(res, "Allow", Allow)
	var body []byte
	if l.invite.reliably {
		if l.rel.seq == 0 {
			l.rel.seq = uint32(l.below(1 << 16))
			if l.invite.offer == nil { // RFC 3261 section 13.2.1: the first reliable answer has the offer
				body, l.rel.offered = l.cfg.Media.Offer(), true
			}
		}
		l.rel.seq++
		addHeader(res, "Require", "100rel")
		addHeader(res, "RSeq", strconv.FormatUint(uint64(l.rel.seq), 10))
		l.rel.res, l.rel.pending, l.rel.wait = res, true, l.cfg.T1
		l.set(TimeResend, a.now.Add(l.rel.wait))
		l.set(TimeGiveUp, a.now.Add(64*l.cfg.T1))
	}
	l.respond(l.invite.tx, res, body)
}

func (l *Leg) resendRinging(a arg) {
	if l.rel.res == nil {
		return
	}
	l.rel.wait *= 2
	l.set(TimeResend, a.now.Add(l.rel.wait))
	l.out = append(l.out, Action{Kind: Respond, Server: l.invite.tx, Response: l.rel.res})
}

func (l *Leg) noPrack(a arg) {
	l.count.NoPrack++
	l.final(a, 504)
	l.tell(Event{Kind: HangsUp, Cause: CauseOf(504)})
}

// prack takes the acknowledgement of a reliable 180.
func (l *Leg) prack(a arg) {
	if !l.rel.pending || value(a.req, "rack", "") == "" || !l.rackMatches(a.req) {
		l.reply(a, 481)
		return
	}
	body, status := description(a.req)
	if status != 0 {
		l.reply(a, status, "Accept", Accept)
		return
	}
	var answer []byte
	switch ours, theirs := l.offers(a.d); {
	case l.rel.offered && !l.invite.agreed: // their answer to the offer in the 180
		if body == nil || l.cfg.Media.Accept(body) != nil {
			l.count.BadBody++
			l.reply(a, 400)
			return
		}
		l.invite.agreed = true
	case body == nil:
	case ours:
		l.count.Glare++
		l.reply(a, 491)
		return
	case theirs:
		l.replyLater(a)
		return
	default:
		var err error
		if answer, err = l.cfg.Media.Answer(body); err != nil {
			l.count.BadBody++
			l.reply(a, statusOf(err))
			return
		}
	}
	l.rel.pending = false
	if l.rel.res != nil {
		l.rel.res = nil
		l.stop(TimeResend)
		l.stop(TimeGiveUp)
	}
	l.respond(a.tx, l.newResponse(a.req, 200), answer)
	if l.state == Promised {
		l.accept(a)
	}
}

// rackMatches compares a RAck with the response that waits for it (RFC 3262 section 7.2).
func (l *Leg) rackMatches(req *sip.Request) bool {
	f := strings.Fields(value(req, "rack", ""))
	if len(f) != 3 {
		return false
	}
	rseq, err1 := strconv.ParseUint(f[0], 10, 32)
	cseq, err2 := strconv.ParseUint(f[1], 10, 32)
	return err1 == nil && err2 == nil && uint32(rseq) == l.rel.seq && uint32(cseq) == l.invite.seq && f[2] == "INVITE"
}

func (l *Leg) answer(a arg) {
	if l.rel.pending && l.rel.offered { // RFC 3262 section 3: not before its PRACK
		l.state = Promised
		return
	}
	l.accept(a)
}

// accept sends the 2xx to the first INVITE.
func (l *Leg) accept(a arg) {
	req := l.invite.req
	var body []byte
	awaits := false
	switch {
	case l.invite.agreed:
	case l.invite.offer != nil:
		var err error
		if body, err = l.cfg.Media.Answer(l.invite.offer); err != nil {
			l.count.BadBody++
			l.final(a, statusOf(err))
			l.tell(Event{Kind: HangsUp, Cause: CauseOf(statusOf(err))})
			return
		}
	default:
		body, awaits = l.cfg.Media.Offer(), true
	}
	l.stopAll() // a 180 is repeated no more; its PRACK may still come
	l.rel.res = nil
	l.state = Accepted
	a.req, a.tx, a.d = req, l.invite.tx, l.d
	l.invite = incoming{seq: l.invite.seq, agreed: l.invite.agreed}
	l.confirm(a, body, awaits)
	if !awaits {
		l.heed()
	}
}

// confirm answers an INVITE with 2xx and repeats it until the ACK.
func (l *Leg) confirm(a arg, body []byte, awaits bool) {
	res := l.newResponse(a.req, 200)
	sip.CopyHeaders("Record-Route", a.req, res)
	l.addContact(res)
	addHeader(res, "Allow", Allow)
	addHeader(res, "Supported", Supported)
	l.grant(a, res)
	l.ok = confirming{res: res, tx: a.tx, seq: a.req.CSeq().SeqNo, wait: l.cfg.T1, awaits: awaits}
	l.set(TimeResend, a.now.Add(l.ok.wait))
	l.set(TimeGiveUp, a.now.Add(64*l.cfg.T1))
	l.respond(a.tx, res, body)
}

func (l *Leg) resend(a arg) {
	if l.ok.res == nil {
		return
	}
	l.ok.wait = min(2*l.ok.wait, l.cfg.T2)
	l.set(TimeResend, a.now.Add(l.ok.wait))
	l.out = append(l.out, Action{Kind: Resend, Server: l.ok.tx, Response: l.ok.res})
}

// confirmed ends the repetition of a 2xx.
func (l *Leg) confirmed() {
	l.ok = confirming{}
	l.stop(TimeResend)
	l.stop(TimeGiveUp)
}

// acked takes the ACK of a 2xx.
func (l *Leg) acked(a arg) {
	if l.ok.res == nil || a.req.CSeq().SeqNo != l.ok.seq {
		l.count.Stray++
		return
	}
	awaits := l.ok.awaits
	l.confirmed()
	switch l.state {
	case Leaving:
		l.close(a.now, l.cause)
		return
	case Accepted:
		l.state = Up
	}
	if !awaits {
		return
	}
	body, status := description(a.req)
	if status != 0 || body == nil || l.cfg.Media.Accept(body) != nil {
		l.count.BadBody++
		l.fail(a.now, CauseOf(488))
		return
	}
	l.heed()
}

func (l *Leg) noAck(a arg) {
	l.count.NoAck++
	if l.state == Leaving {
		l.close(a.now, l.cause)
		return
	}
	l.fail(a.now, pbx.RecoveryOnTimer)
}

// final refuses the first INVITE.
func (l *Leg) final(a arg, status int, extra ...string) {
	l.reply(arg{req: l.invite.req, tx: l.invite.tx}, status, extra...)
	l.invite = incoming{}
	l.state = Gone
}

func (l *Leg) reject(a arg) {
	if s := int(a.retry / time.Second); s > 0 {
		l.final(a, a.status, "Retry-After", strconv.Itoa(s))
		return
	}
	l.final(a, a.status)
}

func (l *Leg) refuse(a arg) { l.final(a, StatusOf(a.cause), "Reason", reason(a.cause)) }

func (l *Leg) cancelled(a arg) {
	cause := pbx.NormalClearing
	l.final(a, 487)
	l.tell(Event{Kind: HangsUp, Cause: cause})
}

// byeEarly takes a BYE that a caller may send instead of CANCEL (RFC 3261 section 15).
func (l *Leg) byeEarly(a arg) {
	l.reply(a, 200)
	l.final(a, 487)
	l.tell(Event{Kind: HangsUp, Cause: causeIn(a.req, pbx.NormalClearing)})
}

func (l *Leg) inviteTooEarly(a arg) { l.replyLater(a) }

func (l *Leg) leave(a arg) { l.state, l.cause = Leaving, a.cause }
