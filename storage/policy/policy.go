// Package policy holds what an office sets about personal data, as a value: how long each
// kind of thing is kept, how a number fades, which calls are recorded, what each role may
// see and do, and who may ask to see a masked number. It has the presets of each country and
// of each role as data, and tells of two settings which collects more. Package storage keeps the
// value and obeys it, pages and sub-commands show it. It is pure: it reads no clock and no store,
// and sees no number and no name.
//
// Terms are whole days. A call record fades in steps, each with its own term: first the last
// digits of the outside number go (Digits), then the record (Records); what stays is how many
// calls there were on its day (Counts), until that goes, too. A user's journal has the same first
// step and then a term of its own (Journal).
package policy

// Kind is a kind of what is kept, each with a term of its own.
type Kind string

// The kinds there are.
const (
	Digits     Kind = "digits"     // the last digits of outside numbers, in call records and journals
	Records    Kind = "records"    // call records
	Journal    Kind = "journal"    // entries of users' journals
	Counts     Kind = "counts"     // how many calls there were, by day
	Messages   Kind = "messages"   // voicemail
	Recordings Kind = "recordings" // recorded calls
	Removed    Kind = "removed"    // all that is kept of a user who has left the plan
	Traces     Kind = "traces"     // diagnostic traces
	Audit      Kind = "audit"      // who looked and who changed what, and what left the box
)

// Kinds gives all kinds, in the order in which they are shown.
func Kinds() []Kind {
	return []Kind{Digits, Records, Journal, Counts, Messages, Recordings, Removed, Traces, Audit}
}

// Settings is all that an office sets about personal data. The zero value keeps nothing for
// any time and is not valid; begin with [Preset].
type Settings struct {
	Country string       `json:"country"` // whose preset it began with; empty: the general one
	Keep    map[Kind]int `json:"keep"`    // days, whole ones in UTC; each kind has an entry
	Cut     int          `json:"cut"`     // digits that a role which sees numbers masked does not see, and that go first: 3 or 4
	Record  Record       `json:"record"`
	Unmask  Unmask       `json:"unmask"`

	// Numbers is how the roles see outside numbers, where that differs from the preset. It can
	// only be narrower.
	Numbers Sights `json:"numbers,omitempty"`
}

// Record says which calls make a call record. A call to an emergency number always does.
type Record struct {
	Internal bool `json:"internal"`
	Incoming bool `json:"incoming"`
	Outgoing bool `json:"outgoing"`
	Failed   bool `json:"failed"` // without it, calls that nobody answered or that failed make none, in whatever direction
}

// Unmask says how somebody gets to see a masked number.
type Unmask struct {
	Minutes int  `json:"minutes"` // that it is shown for, 1 to 60
	Second  bool `json:"second"`  // a second person must agree
}

// Role is what somebody is for the box. The zero Role may see nothing.
type Role uint8

const (
	Owner          Role = iota + 1 // everything
	Admin                          // users in full, outside numbers masked; not who looked
	PrivacyOfficer                 // as Admin, and who looked; changes nothing but erases numbers
	Installer                      // no party of any call, no name
	Staff                          // own calls, in full
)

func (r Role) String() string {
	if r < Owner || r > Staff {
		return "nobody"
	}
	return [...]string{Owner: "owner", Admin: "admin", PrivacyOfficer: "privacy officer", Installer: "installer", Staff: "staff"}[r]
}

// Sight is how much of the outside numbers of others a role sees.
type Sight uint8

const (
	None   Sight = iota // not even that there is one
	Masked              // without the last digits, until somebody agrees to more
	Whole
)

// Right is something that a role may do.
type Right string

// The rights there are. What concerns the viewer's own data alone needs none.
const (
	SeeRecords     Right = "records"       // call records of all users, and what goes on
	SeePlan        Right = "plan"          // the plan with the names of all users
	SeeAccounts    Right = "accounts"      // who can log in
	SeeAudit       Right = "audit"         // who looked and who changed what
	SeePapers      Right = "papers"        // record of processing, notice, ledger, terms and proof lines
	ChangePlan     Right = "change plan"   // and make secrets of telephones
	ChangePolicy   Right = "change policy" // how long things are kept, and who sees what
	ChangeAccounts Right = "change accounts"
	AskUnmask      Right = "ask to unmask"
	AgreeUnmask    Right = "agree to unmask"
	EraseNumber    Right = "erase number"  // and hand over what is kept of it
	EraseUser      Right = "erase user"    // and hand over what is kept
	EraseAccount   Right = "erase account" // and hand over what is kept
	Export         Right = "export"        // call records, as the role sees them, to a file
)
