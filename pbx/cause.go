package pbx

import "fmt"

// Cause is why a call ended: a cause value of ITU-T Q.850.
type Cause uint8

const (
	Unallocated        Cause = 1
	NormalClearing     Cause = 16
	UserBusy           Cause = 17
	NoUserResponding   Cause = 18
	NoAnswerFromUser   Cause = 19
	Rejected           Cause = 21
	NonSelectedUser    Cause = 26 // another telephone answered
	OutOfOrder         Cause = 27
	InvalidFormat      Cause = 28
	NoCircuit          Cause = 34
	TemporaryFailure   Cause = 41
	Congestion         Cause = 42
	NotPermitted       Cause = 50
	RecoveryOnTimer    Cause = 102
	InterworkingOrNone Cause = 127
)

var causeNames = map[Cause]string{
	Unallocated: "unallocated number", NormalClearing: "normal call clearing", UserBusy: "user busy",
	NoUserResponding: "no user responding", NoAnswerFromUser: "no answer from user", Rejected: "call rejected",
	NonSelectedUser: "another telephone answered", OutOfOrder: "destination out of order", InvalidFormat: "invalid number format", NoCircuit: "no circuit available",
	TemporaryFailure: "temporary failure", Congestion: "switching equipment congestion", NotPermitted: "not permitted",
	RecoveryOnTimer: "recovery on timer expiry", InterworkingOrNone: "interworking",
}

func (c Cause) String() string {
	if s, ok := causeNames[c]; ok {
		return s
	}
	return fmt.Sprintf("cause %d", uint8(c))
}

// Telling orders the reasons of several telephones that refuse one call: the one that says
// most of the person counts.
func (c Cause) Telling() int {
	switch c {
	case Rejected:
		return 3
	case UserBusy:
		return 2
	case NoAnswerFromUser, NoUserResponding:
		return 1
	}
	return 0
}
