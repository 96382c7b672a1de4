package pbx

import (
	"fmt"
	"io"
	"log/slog"
	"time"

	"sotto/pbx/media"
	"sotto/pbx/plan"
)

// Remote is the far side of a leg that ends at no analog port but at a telephone on the
// network. The switch calls it on its loop: nothing may block, and what becomes of it
// comes back as a [PhoneEvent] that names it.
type Remote interface {
	Ring()                  // the party that it called is being rung
	Answer(peer media.Port) // that party answered; its sound is at peer
	Release(Cause)          // the leg is over, by whosever doing: the last call, once; nothing names Port any more
	Port() media.Port       // where its sound is, [NoPort] before its first event; any goroutine
	Quality() *Quality      // of its sound so far, nil if there was none; also after its end
}

// NoPort is a port that no engine has.
const NoPort = media.Port(1<<16 - 1)

// Invite says who is to be rung and by whom.
type Invite struct {
	User plan.UserID // whose telephones
	From Party
	Name string     // of the caller, for the display; may be empty
	Peer media.Port // where the caller's sound is: its codecs are offered first
}

// Phones reaches the telephones on the network. It is called on the switch loop and must
// not block.
type Phones interface {
	// Ring rings all telephones of a user as one: who answers first has the call. With
	// none registered, [PhoneRefuses] follows at once.
	Ring(Invite) Remote
}

// PhoneEventKind is what a telephone on the network did.
type PhoneEventKind uint8

const (
	PhoneCalls     PhoneEventKind = iota + 1 // a new leg: its user has dialled
	PhoneRings                               // it is ringing
	PhoneAnswers                             // its user answered
	PhoneRefuses                             // it does not take the call, for Cause
	PhoneHangsUp                             // the leg is over, for Cause
	PhoneHolds                               // its user put the other end on hold
	PhoneRetrieves                           // and took it back
	numPhoneEvents
)

var phoneEventNames = [numPhoneEvents]string{PhoneCalls: "calls", PhoneRings: "rings", PhoneAnswers: "answers", PhoneRefuses: "refuses",
	PhoneHangsUp: "hangs up", PhoneHolds: "holds", PhoneRetrieves: "retrieves"}

func (k PhoneEventKind) String() string { return phoneEventNames[k] }

// PhoneEvent is what a telephone on the network did.
type PhoneEvent struct {
	Leg     Remote
	Kind    PhoneEventKind
	User    plan.UserID // PhoneCalls: who has shown who it is
	Dialled string      // PhoneCalls: what was dialled; bounded, but anything may stand in it
	Cause   Cause       // PhoneRefuses, PhoneHangsUp
	All     bool        // PhoneRefuses: for every telephone of the user, analog ones too (SIP 6xx)
	Urgent  bool        // PhoneCalls: to an emergency number, so [Switch.Post] always takes it
}

// Quality is how the sound of one leg was.
type Quality = media.Quality

// Secret is what the box keeps of the secret that a user's SIP telephones log in with:
// the digest of name, realm and secret for each algorithm (RFC 7616 section 3.4.2). It
// shows itself nowhere.
type Secret struct {
	Ext    plan.Ext // the name that the digests are of
	MD5    [16]byte
	SHA256 [32]byte
}

// Format implements [fmt.Formatter]: no verb shows anything.
func (Secret) Format(f fmt.State, _ rune) { io.WriteString(f, "secret") }

// LogValue implements [slog.LogValuer].
func (Secret) LogValue() slog.Value { return slog.StringValue("secret") }

// MarshalJSON refuses: storage has its own way.
func (Secret) MarshalJSON() ([]byte, error) { return nil, fmt.Errorf("a secret is not written") }

// Binding is a telephone that registered: where calls for its user go (RFC 3261 section
// 10). It is personal data of the user.
type Binding struct {
	User     plan.UserID `json:"user"`
	Contact  string      `json:"contact"`            // URI as registered
	Proto    string      `json:"proto"`              // "udp", "tcp"
	Remote   string      `json:"remote"`             // address and port that the REGISTER came from
	Local    string      `json:"local,omitempty"`    // address and port of the box that it came to
	Instance string      `json:"instance,omitempty"` // +sip.instance (RFC 5626), empty if it has none
	RegID    int         `json:"reg_id,omitempty"`
	CallID   string      `json:"call_id"`
	CSeq     uint32      `json:"cseq"`
	Expires  time.Time   `json:"expires"`
	Agent    string      `json:"agent,omitempty"` // its User-Agent, for the inventory; bounded
	Path     []string    `json:"path,omitempty"`  // RFC 3327, empty for telephones on the LAN
}

// Bindings keeps registrations through a restart. Save never blocks; the last for a user
// counts, and an empty list removes what there was.
type Bindings interface {
	Bindings() []Binding // at the start
	SaveBindings(plan.UserID, []Binding)
}

// Secrets gives what telephones log in with. It is asked on the way of a call and must
// not wait for a disk.
type Secrets interface {
	Secret(plan.UserID) (Secret, bool)
}
