package pbx

import (
	"time"

	"sotto/pbx/number"
	"sotto/pbx/plan"
)

// Party is one end of a call as a record names it: a user of the plan, or an outside
// number on an exchange line or trunk. An outside caller of whom nothing is known has a Line
// alone. A call that rang several users and that nobody answered is to nobody.
type Party struct {
	User   plan.UserID   // empty for an outside party
	Ext    plan.Ext      // of the user
	Number number.Number // of an outside party; for a user who dialled what nobody has, what was dialled
	Line   string        // name of the exchange line or trunk used, if any
}

// Record is one ended call. It is made once, when the call is over, and never changed.
type Record struct {
	From, To  Party
	Began     time.Time     // the caller had dialled
	Rang      time.Duration // from Began to answer, or to the end when unanswered
	Talked    time.Duration // from answer to the end; 0 when unanswered; with AnswerUnknown from when the number was sent
	Outcome   Outcome
	Cause     Cause
	Held      bool // it was on hold for some time
	Emergency bool

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
