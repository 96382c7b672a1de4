// Package plan is the configuration of the office as a value: users, exchange lines,
// rules. A [Plan] is validated whole, stored whole and handed over whole; a running
// call keeps the plan it began with. The package is pure: it reads no file and no
// clock, and knows nothing of hardware beyond the labels of ports.
package plan

import "slices"

// Ext is an extension: one to eight digits.
type Ext string

// UserID names a user for as long as the user exists. It is made at random and says
// nothing about the person; an extension may change, an id never does.
type UserID string

// Plan is what the office wants.
type Plan struct {
	Office    string   `json:"office"`              // name of the office, shown on pages
	Country   string   `json:"country"`             // a code of package country: "DE"
	Users     []User   `json:"users,omitempty"`     // staff and rooms with a telephone
	Lines     []Line   `json:"lines,omitempty"`     // exchange lines
	Rules     []Rule   `json:"rules,omitempty"`     // what becomes of outside numbers
	Emergency []string `json:"emergency,omitempty"` // emergency numbers beside the country's

	Codes  []Code  `json:"codes,omitempty"`  // accounting codes that calls can be dialled with
	Fields []Field `json:"fields,omitempty"` // what of users is kept beside name and extension; nothing named: no more

	CodePrefix    string `json:"code_prefix,omitempty"`    // dialled before an accounting code, which ends with *: *71 in *71 42 * number; none when empty
	OutsidePrefix string `json:"outside_prefix,omitempty"` // digit dialled before an outside number; none when empty
	PrivatePrefix string `json:"private_prefix,omitempty"` // dialled before any number: who is called is not kept; as *67; none when empty
	AreaCode      string `json:"area_code,omitempty"`      // of the office, without the digit for national calls: "30" in Berlin; Italy's with its 0; may be empty
	RingSeconds   int    `json:"ring_seconds,omitempty"`   // an unanswered call ends after it; 0: DefaultRing
}

// User is a person or a place with an extension. Name and Ext are required, all else
// is optional.
type User struct {
	ID    UserID   `json:"id,omitempty"` // made at import when empty
	Name  string   `json:"name"`
	Ext   Ext      `json:"ext"`
	Ports []string `json:"ports,omitempty"` // labels of the station ports that ring: "FXS 1"

	SIP bool `json:"sip,omitempty"` // telephones on the network may register for this user

	Place      string `json:"place,omitempty"`
	Department string `json:"department,omitempty"`
	Email      string `json:"email,omitempty"`
	Mobile     string `json:"mobile,omitempty"`

	Protected bool `json:"protected,omitempty"` // whom this user calls or is called by is never kept: works council, doctor, counsel
	ShowOnly  bool `json:"show_only,omitempty"` // numbers of outside callers are shown to this user and not kept

	ReverseOnAnswer bool `json:"reverse_on_answer,omitempty"` // the line's polarity turns when the called party answers: pay telephones, charge meters
}

// Field is something about a user that an office may choose to keep: D2 of the catalogue asks
// for name and extension alone, and everything else to be off until it is switched on.
type Field string

// The fields there are. One that the plan does not name is refused when a user has it.
const (
	Place      Field = "place"      // where the telephone stands: for accounting, and for help that is on its way
	Department Field = "department" // for accounting
	Email      Field = "email"      // notices of messages go there
	Mobile     Field = "mobile"     // calls may be forwarded there
)

// Code is an accounting code: a client, a matter, a cost centre. It is dialled before a
// number, between the plan's CodePrefix and a star. The star may be left out if no other code
// begins with this one: telephones with a dial have none.
type Code struct {
	Name   string `json:"name"`   // as records have it
	Digits string `json:"digits"` // as it is dialled, 1 to 12 of 0-9
}

// Line is one line of the public exchange.
type Line struct {
	Name string `json:"name"`
	Port string `json:"port"` // label of the exchange-line port: "FXO 1"

	Rings    []Ext `json:"rings,omitempty"`     // who is rung by a call that comes in on the line; nobody named: every user
	Pulse    bool  `json:"pulse,omitempty"`     // the exchange takes pulses only, no DTMF
	Reversal bool  `json:"reversal,omitempty"`  // the exchange turns the polarity when the called party answers, and back when it leaves
	ShowOnly bool  `json:"show_only,omitempty"` // numbers of callers on the line are shown and not kept
	Break    int   `json:"break,omitempty"`     // shortest loop break that ends a call, in ms, 80 to 600; 0: the country's
}

// Rule says what becomes of outside numbers that begin in a certain way. Of several rules
// that match, the one with the longest Prefix counts; no two have the same. What no rule
// matches goes out as dialled, on any line. Emergency numbers know no rules.
type Rule struct {
	Name    string   `json:"name"`              // for people: "Mobile phones"
	Prefix  string   `json:"prefix,omitempty"`  // digits that the number begins with, after the digit for outside calls; empty: all
	Digits  int      `json:"digits,omitempty"`  // the number is complete with so many, 32 at most; 0: when the caller pauses
	Strip   int      `json:"strip,omitempty"`   // leading digits not sent to the exchange, no more than Prefix has
	Prepend string   `json:"prepend,omitempty"` // digits sent before the rest
	Lines   []string `json:"lines,omitempty"`   // names of the lines to try, in this order; none named: all, as the plan lists them
	Forbid  bool     `json:"forbid,omitempty"`  // such numbers are not called; nothing else but name and prefix is given then
}

// Clone gives a copy that shares nothing with p.
func (p *Plan) Clone() Plan {
	c := *p
	c.Users, c.Lines, c.Emergency = slices.Clone(p.Users), slices.Clone(p.Lines), slices.Clone(p.Emergency)
	c.Codes, c.Fields = slices.Clone(p.Codes), slices.Clone(p.Fields)
	for i := range c.Users {
		c.Users[i].Ports = slices.Clone(c.Users[i].Ports)
	}
	for i := range c.Lines {
		c.Lines[i].Rings = slices.Clone(c.Lines[i].Rings)
	}
	c.Rules = slices.Clone(p.Rules)
	for i := range c.Rules {
		c.Rules[i].Lines = slices.Clone(c.Rules[i].Lines)
	}
	return c
}

// FillIDs gives an id, made by next, to each user that has none.
func (p *Plan) FillIDs(next func() UserID) {
	for i := range p.Users {
		if p.Users[i].ID == "" {
			p.Users[i].ID = next()
		}
	}
}
