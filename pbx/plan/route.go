package plan

import (
	"sort"
	"strconv"
	"strings"
	"time"

	"sotto/pbx/country"
)

// DefaultRing is how long a telephone rings when the plan does not say.
const DefaultRing = 60 * time.Second

// Numbering is a validated plan made ready for the switch: what the digits mean. It
// is immutable.
type Numbering struct {
	Plan      Plan
	Country   *country.Country
	Ring      time.Duration // an unanswered call ends after it
	byExt     map[Ext]*User
	byID      map[UserID]*User
	exts      []string // sorted
	emergency []string // sorted, with and without the digit for outside calls
}

// Compile validates p and makes its numbering. The error is Problems.
func Compile(p Plan) (*Numbering, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	land, _ := country.Lookup(p.Country)
	n := &Numbering{Plan: p, Country: land, Ring: DefaultRing, byExt: map[Ext]*User{}, byID: map[UserID]*User{}}
	if p.RingSeconds > 0 {
		n.Ring = time.Duration(p.RingSeconds) * time.Second
	}
	for i := range p.Users {
		u := &p.Users[i]
		n.byExt[u.Ext], n.byID[u.ID] = u, u
		n.exts = append(n.exts, string(u.Ext))
	}
	sort.Strings(n.exts)
	emergency := append(append([]string(nil), land.Emergency...), p.Emergency...)
	for _, e := range land.Tolerated { // those of elsewhere, where no extension needs the digits
		if !has(n.exts, e) && !begins(n.exts, e) {
			emergency = append(emergency, e)
		}
	}
	for _, e := range emergency {
		n.emergency = append(n.emergency, e)
		if p.OutsidePrefix != "" { // a person in distress dials as on every other day
			n.emergency = append(n.emergency, p.OutsidePrefix+e)
		}
	}
	sort.Strings(n.emergency)
	return n, nil
}

// User gives the user with this id, or nil.
func (n *Numbering) User(id UserID) *User { return n.byID[id] }

// Kind is what dialled digits mean so far.
type Kind uint8

const (
	Incomplete   Kind = iota // more digits are needed
	ToUser                   // an extension
	ToEmergency              // an emergency number
	Unobtainable             // nothing begins like this
)

// Route is the meaning of dialled digits.
type Route struct {
	Kind Kind
	More bool   // ToUser: a longer extension begins with these digits, so wait a little
	User *User  // ToUser
	Dial string // ToEmergency: what goes to the exchange, without the digit for outside calls
}

// Route tells what digits mean. Emergency numbers are looked at before everything
// else and are complete at once. A trailing # ends the number.
func (n *Numbering) Route(digits string) Route {
	digits, ended := strings.CutSuffix(digits, "#")
	if has(n.emergency, digits) {
		d := digits
		if p := n.Plan.OutsidePrefix; p != "" && strings.HasPrefix(d, p) && has(n.emergency, d[1:]) {
			d = d[1:]
		}
		return Route{Kind: ToEmergency, Dial: d}
	}
	more := !ended && (begins(n.exts, digits) || begins(n.emergency, digits))
	if u := n.byExt[Ext(digits)]; u != nil {
		return Route{Kind: ToUser, User: u, More: more}
	}
	if more {
		return Route{Kind: Incomplete}
	}
	return Route{Kind: Unobtainable}
}

// has tells whether s stands in the sorted list.
func has(list []string, s string) bool {
	i := sort.SearchStrings(list, s)
	return i < len(list) && list[i] == s
}

// begins tells whether something longer in the sorted list begins with s.
func begins(list []string, s string) bool {
	i := sort.SearchStrings(list, s)
	for ; i < len(list) && strings.HasPrefix(list[i], s); i++ {
		if len(list[i]) > len(s) {
			return true
		}
	}
	return false
}

// Lifeline gives what of the plan is needed to make calls: ports, extensions, country
// and emergency numbers, and nothing that names a person.
func (p *Plan) Lifeline() Plan {
	l := Plan{Office: "Sotto", Country: p.Country, OutsidePrefix: p.OutsidePrefix, RingSeconds: p.RingSeconds,
		Emergency: append([]string(nil), p.Emergency...)}
	for _, u := range p.Users {
		l.Users = append(l.Users, User{ID: u.ID, Name: "extension", Ext: u.Ext, Ports: append([]string(nil), u.Ports...)})
	}
	for i, x := range p.Lines {
		l.Lines = append(l.Lines, Line{Name: "line " + strconv.Itoa(i+1), Port: x.Port})
	}
	return l
}

// FillIDs gives an id, made by next, to each user that has none.
func (p *Plan) FillIDs(next func() UserID) {
	for i := range p.Users {
		if p.Users[i].ID == "" {
			p.Users[i].ID = next()
		}
	}
}
