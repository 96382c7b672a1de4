package pbx

import (
	"time"

	"sotto/pbx/number"
	"sotto/pbx/plan"
)

// Party is one end of a call as a record names it: a user of the plan, or an outside
// number on an exchange line or trunk. An outside caller of whom nothing is known has a Line
// alone. A call that rang several users and that nobody answered is to nobody.
//
// The number of who calls is as the exchange shows it. That of who is called is what was
// dialled, without the private-call prefix and the digit for outside calls, and before a
// rule took digits away or put some in front: [plan.Route.Number]. What the exchange was
// sent in its place is [Record.Sent]. The two ways and the many forms of a number meet in
// package e164 of storage. An emergency number is as the exchange was sent it. What nobody
// has is as it was dialled, the digit for outside calls included; it is no outside number,
// and has no Line.
type Party struct {
	User   plan.UserID   // empty for an outside party
	Ext    plan.Ext      // of the user
	Number number.Number // of an outside party; for a user who dialled what nobody has, what was dialled
	Line   string        // name of the exchange line or trunk used, if any
	Place  string        // where the user's telephone stands, by the plan of the call: [plan.User.Place]
}

// Record is one ended call. It is made once, when the call is over, and never changed.
type Record struct {
	From, To  Party
	Sent      number.Number // what the exchange is sent for To.Number by a rule that changes it, else none
	Began     time.Time     // the caller had dialled
	Rang      time.Duration // from Began to answer, or to the end when unanswered
	Talked    time.Duration // from answer to the end; 0 when unanswered; with AnswerUnknown from when the number was sent
	Outcome   Outcome
	Cause     Cause
	Held      bool // it was on hold for some time
	Emergency bool

	// Private: by the plan or the private-call prefix a party was not to be kept, known or
	// not. What would tell who it was is not in From or To; the line it was on may be.
	Private bool

	// Code is the accounting code that was dialled with the call, by its name: [plan.Code];
	// empty: none. It is there also where the number behind it is not kept: who dials a code
	// wants the call accounted for.
	Code string

	// Missed is who missed the call, if nobody answered: whose telephone rang, was in use or
	// refused; each once, none for a call to the exchange, and not who called. Who is not
	// reached by it is not in it: with no telephone in service or registered nothing rang. It
	// is empty where who is called is not kept, and of several who were rung it leaves out
	// those of whom nobody is to learn who calls them, if From says it. The switch gives the
	// list away and keeps none.
	Missed []plan.UserID

	FromQuality, ToQuality *Quality // of the sound of telephones on the network, else nil
}

// Outcome says in one word how a call went.
type Outcome uint8

const (
	Answered      Outcome = iota + 1
	Busy                  // the called party was busy
	NoAnswer              // it rang until the limit
	Abandoned             // the caller hung up before an answer
	Unobtainable          // nobody has this number
	Failed                // no line, out of service, congestion
	AnswerUnknown         // it went out on a line that does not tell of an answer
	numOutcomes
)

var outcomeNames = [numOutcomes]string{Answered: "answered", Busy: "busy", NoAnswer: "no answer",
	Abandoned: "abandoned", Unobtainable: "unobtainable", Failed: "failed",
	AnswerUnknown: "answer not known"}

func (o Outcome) String() string {
	if o > 0 && o < numOutcomes {
		return outcomeNames[o]
	}
	return "unknown"
}
