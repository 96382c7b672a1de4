package ua

import (
	"time"

	"github.com/emiago/sipgo/sip"

	"sotto/pbx"
	"sotto/pbx/table"
)

// State is where a leg is in its life.
type State uint8

const (
	Incoming   State = iota + 1 // as called: the INVITE has no answer yet
	Ringing                     // as called: 180 was sent
	Promised                    // as called: is answered once the 180 is acknowledged
	Accepted                    // as called: 2xx was sent, its ACK has not come
	Leaving                     // as called: hung up, but the ACK must come before the BYE
	Calling                     // as caller: the INVITE was sent
	Proceeding                  // as caller: something between 101 and 199 came
	Cancelling                  // as caller: hung up, the INVITE has no final answer yet
	Up                          // both ends are in the call
	Closing                     // BYE was sent
	Lingering                   // as caller: over, but 2xx of the INVITE may still come from other forks
	Gone
	numStates
)

var stateNames = [numStates]string{Incoming: "incoming", Ringing: "ringing", Promised: "promised", Accepted: "accepted",
	Leaving: "leaving", Calling: "calling", Proceeding: "proceeding", Cancelling: "cancelling", Up: "up",
	Closing: "closing", Lingering: "lingering", Gone: "gone"}

func (s State) String() string { return stateNames[s] }

// Input is what happens to a leg: a command, a message, or the passing of time.
type Input uint8

const (
	DoRing Input = iota + 1
	DoAnswer
	DoReject
	DoHangup
	DoReoffer
	GotInvite // within the dialog, as all requests but CANCEL
	GotAck
	GotBye
	GotUpdate
	GotPrack
	GotInfo
	GotOptions
	GotOther
	GotCancel   // of the first INVITE
	GotProgress // 1xx to the first INVITE
	GotSuccess  // first 2xx to the first INVITE
	GotFailure  // 3xx to 6xx to the first INVITE, or nothing
	GotReply    // final answer to another request, or nothing
	TimeResend
	TimeGiveUp
	TimeRinging
	TimeRefresh
	TimeExpire
	TimeRetry
	TimePatience
	TimeClear
	numInputs

	firstTimer = TimeResend
	numTimers  = int(numInputs - firstTimer)
)

var inputNames = [numInputs]string{DoRing: "ring", DoAnswer: "answer", DoReject: "reject", DoHangup: "hang up", DoReoffer: "re-offer",
	GotInvite: "INVITE", GotAck: "ACK", GotBye: "BYE", GotUpdate: "UPDATE", GotPrack: "PRACK", GotInfo: "INFO",
	GotOptions: "OPTIONS", GotOther: "other request", GotCancel: "CANCEL", GotProgress: "1xx to INVITE", GotSuccess: "2xx to INVITE",
	GotFailure: "no to INVITE", GotReply: "final answer", TimeResend: "repeat", TimeGiveUp: "64·T1 over",
	TimeRinging: "a minute's ringing", TimeRefresh: "refresh due", TimeExpire: "session expires", TimeRetry: "offer again",
	TimePatience: "no answer yet", TimeClear: "all clear"}

func (i Input) String() string { return inputNames[i] }

// arg is what an input brings with it.
type arg struct {
	now    time.Time
	req    *sip.Request
	tx     Server
	d      *dialog       // of the request or the response
	res    *sip.Response // nil: none came
	status int           // of res, or what stands for its absence; DoReject
	retry  time.Duration // DoReject
	cause  pbx.Cause     // DoHangup
	c      client        // GotReply: to which request
}

type do = func(l *Leg, a arg)
type moves = []table.Move[State, Input, do]

// LegTable is the life of a leg. A request that a state does not allow is answered 481.
var LegTable *table.Table[State, Input, do]

func init() {
	move := func(on Input, f do, note string, next ...State) table.Move[State, Input, do] {
		return table.Move[State, Input, do]{On: on, Do: f, Next: next, Note: note}
	}
	stay := func(on Input, note string) table.Move[State, Input, do] {
		return move(on, func(*Leg, arg) {}, note)
	}
	early := moves{ // as called, before the answer
		move(DoReject, (*Leg).reject, "", Gone),
		move(DoHangup, (*Leg).refuse, "with the status of the cause", Gone),
		move(DoReoffer, (*Leg).wantOffer, "kept for later if the offer has been made already"),
		move(GotCancel, (*Leg).cancelled, "487", Gone),
		move(GotInvite, (*Leg).inviteTooEarly, "500, Retry-After"),
		move(GotAck, (*Leg).strayAck, ""),
		move(GotBye, (*Leg).byeEarly, "487 to the INVITE", Gone),
	}
	within := moves{ // wherever a dialog is
		move(GotUpdate, (*Leg).update, ""),
		move(GotInfo, (*Leg).info, ""),
		move(GotOptions, (*Leg).options, ""),
		move(GotOther, (*Leg).other, "405 or 501"),
	}
	up := moves{ // once the session is
		move(DoReoffer, (*Leg).wantOffer, ""),
		move(GotPrack, (*Leg).prack, ""),
		move(TimeResend, (*Leg).resend, "2xx, until its ACK"),
		move(TimeGiveUp, (*Leg).noAck, "BYE", Closing),
		move(TimeRefresh, (*Leg).refreshDue, ""),
		move(TimeExpire, (*Leg).expired, "BYE", Closing),
	}
	join := func(l ...moves) (all moves) {
		for _, m := range l {
			all = append(all, m...)
		}
		return all
	}
	type row = table.Row[State, Input, do]
	LegTable = table.New("one leg of SIP",
		row{State: Incoming, Limit: "the switch's", Moves: join(moves{
			move(DoRing, (*Leg).ring, "180", Ringing),
			move(DoAnswer, (*Leg).answer, "Gone, when the offer cannot be answered", Accepted, Gone),
			move(GotPrack, (*Leg).prack, "481"),
		}, early, within)},
		row{State: Ringing, Limit: "the switch's; 64·T1 for the PRACK", Moves: join(moves{
			stay(DoRing, "rings already"),
			move(DoAnswer, (*Leg).answer, "Promised, when an offer went with the 180", Promised, Accepted, Gone),
			move(GotPrack, (*Leg).prack, ""),
			move(TimeResend, (*Leg).resendRinging, "180, until its PRACK"),
			move(TimeGiveUp, (*Leg).noPrack, "504", Gone),
			move(TimeRinging, (*Leg).ringAgain, "180"),
		}, early, within)},
		row{State: Promised, Limit: "64·T1 for the PRACK", Moves: join(moves{
			stay(DoAnswer, "will be"),
			move(GotPrack, (*Leg).prack, "", Accepted, Gone),
			move(TimeResend, (*Leg).resendRinging, "180, until its PRACK"),
			move(TimeGiveUp, (*Leg).noPrack, "504", Gone),
			stay(TimeRinging, "no more"),
		}, early, within)},
		row{State: Accepted, Limit: "64·T1 for the ACK", Moves: join(moves{
			move(DoHangup, (*Leg).leave, "BYE must wait for the ACK", Leaving),
			move(GotAck, (*Leg).acked, "Closing, when the answer in it is of no use", Up, Closing),
			move(GotInvite, (*Leg).reinvite, "tells that the 2xx came; 491 while its answer is awaited", Up),
			move(GotBye, (*Leg).byeTaken, "", Gone),
		}, within, up)},
		row{State: Leaving, Limit: "64·T1 for the ACK", Moves: moves{
			stay(DoHangup, "has"),
			move(GotAck, (*Leg).acked, "BYE", Closing),
			move(GotBye, (*Leg).byeTaken, "", Gone),
			move(TimeResend, (*Leg).resend, "2xx, until its ACK"),
			move(TimeGiveUp, (*Leg).noAck, "BYE", Closing),
			stay(TimeRefresh, "no more"),
			stay(TimeExpire, "no more"),
		}},
		row{State: Calling, Limit: "the transaction's", Moves: moves{
			move(DoHangup, (*Leg).cancel, "", Cancelling),
			move(DoReoffer, (*Leg).wantOffer, "once it is up"),
			move(GotProgress, (*Leg).progress, "Cancelling, when the answer in it is of no use", Proceeding, Cancelling),
			move(GotSuccess, (*Leg).success, "Closing, when the answer in it is of no use", Up, Closing),
			move(GotFailure, (*Leg).failure, "422: again with a longer interval", Gone),
			move(GotReply, (*Leg).replied, "late, of a PRACK"),
		}},
		row{State: Proceeding, Limit: "the switch's", Moves: join(moves{
			move(DoHangup, (*Leg).cancel, "", Cancelling),
			move(DoReoffer, (*Leg).wantOffer, "once it is up"),
			move(GotProgress, (*Leg).progress, "Cancelling, when the answer in it is of no use", Cancelling),
			move(GotSuccess, (*Leg).success, "Closing, when the answer in it is of no use", Up, Closing),
			move(GotFailure, (*Leg).failure, "422: again with a longer interval", Calling, Gone),
			move(GotReply, (*Leg).replied, "to a PRACK"),
			move(GotInvite, (*Leg).glare, "491"),
			move(GotBye, (*Leg).byeEarlyOut, "its 2xx was lost", Cancelling),
		}, within)},
		row{State: Cancelling, Limit: "128·T1", Moves: moves{
			stay(DoHangup, "has"),
			stay(GotProgress, "too late"),
			move(GotSuccess, (*Leg).successTooLate, "BYE", Closing),
			move(GotFailure, func(l *Leg, a arg) { l.end(a.now) }, "", Gone),
			move(GotReply, (*Leg).replied, "to a PRACK"),
			move(GotBye, (*Leg).byeAgain, ""),
			move(TimeClear, func(l *Leg, a arg) { l.end(a.now) }, "the transaction never ended", Gone),
		}},
		row{State: Up, Limit: "the session's interval, once agreed", Moves: join(moves{
			move(DoHangup, (*Leg).hangup, "BYE", Closing),
			move(GotAck, (*Leg).acked, "Closing, when the answer in it is of no use", Closing),
			move(GotInvite, (*Leg).reinvite, ""),
			move(GotBye, (*Leg).byeTaken, "", Lingering, Gone),
			move(GotReply, (*Leg).replied, "Closing, on 408 and 481 and when no answer came", Closing),
			stay(TimeRetry, "what waited is sent"),
			move(TimePatience, (*Leg).patience, "CANCEL of the own re-INVITE"),
		}, within, up)},
		row{State: Closing, Limit: "64·T1 for the answer", Moves: moves{
			stay(DoHangup, "has"),
			move(GotAck, (*Leg).strayAck, ""),
			move(GotBye, (*Leg).byeAgain, "theirs crossed ours"),
			move(GotReply, (*Leg).replied, "to the BYE; others are waited for no more", Lingering, Gone),
			move(TimeClear, func(l *Leg, a arg) { l.end(a.now) }, "the transaction never ended", Lingering, Gone),
		}},
		row{State: Lingering, Limit: "64·T1 after the first 2xx", Moves: moves{
			stay(DoHangup, "has"),
			move(GotBye, (*Leg).byeAgain, ""),
			move(GotReply, (*Leg).replied, "late, or to the BYE of a fork"),
			move(TimeClear, func(l *Leg, a arg) { l.state = Gone }, "", Gone),
		}},
		row{State: Gone},
	)
}
