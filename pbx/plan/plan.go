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
	Emergency []string `json:"emergency,omitempty"` // emergency numbers beside the country's

	OutsidePrefix string `json:"outside_prefix,omitempty"` // digit dialled before an outside number; none when empty
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

	ReverseOnAnswer bool `json:"reverse_on_answer,omitempty"` // the line's polarity turns when the called party answers: pay telephones, charge meters
}

// Line is one line of the public exchange.
type Line struct {
	Name string `json:"name"`
	Port string `json:"port"` // label of the exchange-line port: "FXO 1"
}

// Clone gives a copy that shares nothing with p.
func (p *Plan) Clone() Plan {
	c := *p
	c.Users, c.Lines, c.Emergency = slices.Clone(p.Users), slices.Clone(p.Lines), slices.Clone(p.Emergency)
	for i := range c.Users {
		c.Users[i].Ports = slices.Clone(c.Users[i].Ports)
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
