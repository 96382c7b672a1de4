package plan

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"sotto/pbx/country"
)

// DefaultRing is how long a telephone rings when the plan does not say.
const DefaultRing = 60 * time.Second

// Numbering is a validated plan made ready for the switch: what the digits mean. It
// is immutable, shares nothing with the plan it was compiled of, and may be used by any
// goroutine.
type Numbering struct {
	Plan    Plan
	Country *country.Country
	Ring    time.Duration // an unanswered call ends after it

	byExt     map[Ext]*User
	byID      map[UserID]*User
	emergency map[string]string // as dialled, to what goes to the exchange
	all       []string          // everything that can be dialled, sorted
}

// Compile validates p and makes its numbering. The error is Problems.
func Compile(p Plan) (*Numbering, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	land, _ := country.Lookup(p.Country)
	n := &Numbering{Plan: p.Clone(), Country: land, Ring: DefaultRing,
		byExt: map[Ext]*User{}, byID: map[UserID]*User{}, emergency: map[string]string{}}
	if p.RingSeconds > 0 {
		n.Ring = time.Duration(p.RingSeconds) * time.Second
	}
	for i := range n.Plan.Users {
		u := &n.Plan.Users[i]
		n.byExt[u.Ext] = u
		if u.ID != "" {
			n.byID[u.ID] = u
		}
		n.all = append(n.all, string(u.Ext))
	}
	n.addEmergency()
	for e := range n.emergency {
		n.all = append(n.all, e)
	}
	slices.Sort(n.all)
	return n, nil
}

// habits are the digits that people dial before an outside number elsewhere. In an
// office without such a digit an emergency number counts with them, too, where they are
// in no other number's way.
var habits = [...]string{"0", "9"}

// Urgent tells whether an emergency number begins with digits: whoever dials it gets
// more time.
func (n *Numbering) Urgent(digits string) bool {
	for e := range n.emergency {
		if strings.HasPrefix(e, digits) {
			return true
		}
	}
	return false
}

// addEmergency fills n.emergency; n.all holds the extensions. A person in distress dials
// as on every other day, so each number counts with the digit for outside calls, too,
// unless a number without it begins so. Those of elsewhere are tolerated where they
// are in nobody's way: with 9 for outside calls, 911 would cut 9 112 short.
func (n *Numbering) addEmergency() {
	own := slices.Concat(n.Country.Emergency, n.Plan.Emergency)
	begins := func(s string, list []string) bool {
		return slices.ContainsFunc(list, func(by string) bool { return strings.HasPrefix(s, by) })
	}
	begun := func(by string, list []string) bool {
		return slices.ContainsFunc(list, func(s string) bool { return strings.HasPrefix(s, by) })
	}
	for _, e := range own {
		n.emergency[e] = e
		if d := n.Plan.OutsidePrefix + e; !begun(d, own) {
			n.emergency[d] = e
		}
	}
	taken := slices.Concat(n.all, slices.Collect(maps.Keys(n.emergency)))
	for _, e := range n.Country.Tolerated {
		for _, d := range []string{e, n.Plan.OutsidePrefix + e} {
			if !begun(d, taken) {
				n.emergency[d] = e
			}
		}
	}
	if n.Plan.OutsidePrefix == "" {
		taken = slices.Concat(n.all, slices.Collect(maps.Keys(n.emergency)))
		for _, e := range own {
			for _, p := range habits {
				if d := p + e; !begun(d, taken) && !begins(d, taken) {
					n.emergency[d] = e
				}
			}
		}
	}
}

// User gives the user with this id, or nil.
func (n *Numbering) User(id UserID) *User { return n.byID[id] }

// ByExt gives the user with this extension, or nil. Unlike [Numbering.Route] it knows
// nothing of emergency numbers: it is for who names an extension, not for who dials.
func (n *Numbering) ByExt(x Ext) *User { return n.byExt[x] }

// Digits takes out of a number what is only for the eye: spaces, dots, dashes, slashes and
// brackets, as telephones with a book send them.
func Digits(number string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(" .-/()", r) {
			return -1
		}
		return r
	}, number)
}

// Emergency tells whether a whole number, also one written with signs for the eye, is an
// emergency number.
func (n *Numbering) Emergency(number string) bool { return n.Route(Digits(number)).Kind == ToEmergency }

// Kind is what dialled digits mean so far.
type Kind uint8

const (
	Incomplete   Kind = iota // more digits are needed
	ToUser                   // an extension
	ToEmergency              // an emergency number
	ToOutside                // an outside number
	Forbidden                // an outside number that a rule forbids
	Unobtainable             // nothing begins like this
)

// Route is the meaning of dialled digits.
type Route struct {
	Kind Kind
	More bool   // ToUser: something longer begins with these digits, so wait a little
	User *User  // ToUser
	Dial string // ToEmergency, ToOutside: what goes to the exchange, without the digit for outside calls

	// ToOutside: Number is what was dialled without the digit for outside calls: what
	// records show. Lines are the lines to try, in this order. Forbidden: Number, and Rule.
	Number string
	Lines  []*Line
	Rule   *Rule // the rule that decided, nil for none
}

// Route tells what digits mean, and is asked anew with each that is dialled. Emergency
// numbers are looked at before everything else and are complete at once. A trailing #
// ends the number.
func (n *Numbering) Route(digits string) Route {
	digits, ended := strings.CutSuffix(digits, "#")
	if e, ok := n.emergency[digits]; ok {
		return Route{Kind: ToEmergency, Dial: e}
	}
	more := !ended && n.more(digits)
	switch u := n.byExt[Ext(digits)]; {
	case u != nil:
		return Route{Kind: ToUser, User: u, More: more}
	case more:
		return Route{Kind: Incomplete}
	}
	return Route{Kind: Unobtainable}
}

// more tells whether something that can be dialled begins with digits and is longer.
func (n *Numbering) more(digits string) bool {
	i, exact := slices.BinarySearch(n.all, digits)
	if exact {
		i++ // nothing stands twice, and what is longer comes next
	}
	return i < len(n.all) && strings.HasPrefix(n.all[i], digits)
}

// Lifeline gives what of the plan is needed to make calls: ports, extensions, country
// and emergency numbers, and nothing that names a person: users have made-up ids and
// their extension for a name, lines the label of their port. Telephones on the network
// are no part of it, because what they log in with is a secret; their users stay, with no
// telephone, so that all digits mean what they always did. It is built up and not cut down:
// a field that is added to a plan is left out until someone thinks of it.
func (p *Plan) Lifeline() Plan {
	c := p.Clone()
	l := Plan{Office: "Sotto", Country: c.Country, Emergency: c.Emergency, OutsidePrefix: c.OutsidePrefix, RingSeconds: c.RingSeconds}
	for i, u := range c.Users {
		l.Users = append(l.Users, User{ID: UserID("lifeline-" + strconv.Itoa(i+1)), Name: string(u.Ext), Ext: u.Ext, Ports: u.Ports, ReverseOnAnswer: u.ReverseOnAnswer})
	}
	for _, x := range c.Lines {
		l.Lines = append(l.Lines, Line{Name: x.Port, Port: x.Port})
	}
	return l
}
