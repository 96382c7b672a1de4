package plan

import (
	"maps"
	"slices"
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
	emergency map[string]urgent // as dialled
	all       []string          // extensions, emergency numbers as dialled and the two prefixes, sorted
	byCode    map[string]*Code
	codes     []string // digits of accounting codes, sorted
	rules     []rule   // as the plan has them
	lines     []*Line  // as the plan has them
}

// urgent is an emergency number as somebody may dial it.
type urgent struct {
	dial string // what goes to the exchange
	weak bool   // an outside number may begin so
}

// Compile validates p and makes its numbering. The error is Problems.
func Compile(p Plan) (*Numbering, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	land, _ := country.Lookup(p.Country)
	n := &Numbering{Plan: p.Clone(), Country: land, Ring: DefaultRing,
		byExt: map[Ext]*User{}, byID: map[UserID]*User{}, emergency: map[string]urgent{}, byCode: map[string]*Code{}}
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
	n.all = slices.AppendSeq(n.all, maps.Keys(n.emergency))
	for _, x := range []string{p.PrivatePrefix, p.CodePrefix} {
		if x != "" {
			n.all = append(n.all, x)
		}
	}
	slices.Sort(n.all)
	n.addCodes()
	n.addRules()
	return n, nil
}

// habits are the digits that people dial before an outside number elsewhere. In an
// office without such a digit an emergency number counts with them, too, where they are
// in no other number's way.
var habits = [...]string{"0", "9"}

// beginsEmergency tells whether an emergency number begins with digits: whoever dials it
// gets more time.
func (n *Numbering) beginsEmergency(digits string) bool {
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
// are in nobody's way: with 9 for outside calls, 911 would cut 9 112 short. Outside
// numbers may begin like those of elsewhere and of habit, in Paris with 0 15: see
// [Numbering.Route].
func (n *Numbering) addEmergency() {
	own := slices.Concat(n.Country.Emergency, n.Plan.Emergency)
	begins := func(s string, list []string) bool {
		return slices.ContainsFunc(list, func(by string) bool { return strings.HasPrefix(s, by) })
	}
	begun := func(by string, list []string) bool {
		return slices.ContainsFunc(list, func(s string) bool { return strings.HasPrefix(s, by) })
	}
	for _, e := range own {
		n.emergency[e] = urgent{e, n.beginsAbroad(e)}
		if d := n.Plan.OutsidePrefix + e; !begun(d, own) {
			n.emergency[d] = urgent{e, n.beginsAbroad(d)}
		}
	}
	taken := slices.Concat(n.all, slices.Collect(maps.Keys(n.emergency)))
	for _, e := range n.Country.Tolerated {
		for _, d := range []string{e, n.Plan.OutsidePrefix + e} {
			if !begun(d, taken) {
				n.emergency[d] = urgent{e, true}
			}
		}
	}
	if n.Plan.OutsidePrefix == "" {
		taken = slices.Concat(n.all, slices.Collect(maps.Keys(n.emergency)))
		for _, e := range own {
			for _, p := range habits {
				if d := p + e; !begun(d, taken) && !begins(d, taken) {
					n.emergency[d] = urgent{e, true}
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

// forTheEye is what stands between digits for the eye alone.
const forTheEye = " .-/()"

// Digits takes out of a number what is only for the eye: spaces, dots, dashes, slashes and
// brackets, as telephones with a book send them.
func Digits(number string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(forTheEye, r) {
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

var kinds = [...]string{"incomplete", "extension", "emergency call", "outside call", "forbidden", "unobtainable"}

// String gives the kind as people call it.
func (k Kind) String() string {
	if int(k) < len(kinds) {
		return kinds[k]
	}
	return "unknown kind"
}

// Route is the meaning of dialled digits.
type Route struct {
	Kind Kind

	// More: the digits mean something as they are, and would mean something else with a
	// further one, so wait for it a little. At the end of the wait Kind holds.
	More bool
	// Wait is how long to wait for a further digit, longer where an emergency number
	// begins so; 0: act on Kind at once. It is not 0 just when Kind is Incomplete or More
	// is set. A telephone that sends the whole number at once waits for nothing.
	Wait time.Duration
	// DialTone: just the digit for outside calls, the private-call prefix or an accounting
	// code has been dialled and Kind is Incomplete: dial tone may sound again.
	DialTone bool

	// Private: the private-call prefix stood in front, and who is called is not to be kept.
	// An emergency call is kept all the same.
	Private bool
	// Code is the accounting code that stood in front, nil for none. Of several the last
	// counts. It is shared, not to be changed.
	Code *Code
	// Behind is what stands behind the private-call prefix and the accounting code: the
	// number itself, as it was dialled. It is empty while such a code is not over, and behind
	// one that nobody has.
	Behind string

	User *User  // ToUser
	Dial string // ToEmergency, ToOutside: what goes to the exchange, 1 to 32 digits, without the digit for outside calls

	// ToOutside, Forbidden: Number is what was dialled without the digit for outside calls,
	// 1 to 32 digits: what records show, and what rules look at. It is the number as it is
	// dialled from here: +44… in Germany is 0044…, and +49 30… or 0049 30… is 030….
	Number string
	Lines  []*Line // ToOutside: the lines to try, in this order, at least one; shared, not to be changed
	Rule   *Rule   // ToOutside, Forbidden: the rule that decided, nil for none; shared, not to be changed
}

// Route tells what digits mean, and is asked anew with each that is dialled. The private-call
// prefix in front only sets Private, and an accounting code only Code, in either order; what
// follows means what it does without. A code that nobody has is Unobtainable, with whatever
// follows but an emergency number. Route looks at
//
//  1. emergency numbers: they are complete at once, and no rule is asked. Those with which
//     an outside number may begin have More set, so that it can be dialled on; at the end
//     of the wait it is an emergency. That is what only visitors or habit dial, as 911 in
//     Germany, and 000 in Australia with 0 for outside calls, where 0 0011 is abroad;
//  2. extensions;
//  3. outside numbers, if the plan has lines: what stands behind the digit for outside
//     calls, or, in an office without one, whatever begins with no extension and is the
//     beginning of none. The rule with the longest prefix counts. More is set until the
//     number is complete: it has the digits that its rule says, or 32, or # ends it.
//     Forbidden is told as soon as no other digit can change it, with More before that.
//     What is the beginning of an emergency number is Incomplete, and not sent out.
//
// A trailing # ends the number: then nothing is waited for. A number that begins with +
// (ITU-T E.164) comes from a telephone that sends it whole; it is an outside number
// whatever the digit for outside calls. Whoever has the whole number places what Route
// gives, also with More set. Anything but digits is Unobtainable. Route never fails, takes
// text of any length, and allocates only for a rule that puts digits before the number and
// for a number written with a country code.
func (n *Numbering) Route(digits string) Route {
	rest, f := n.cut(digits)
	var r Route
	if f.open {
		r = n.routeCode(rest)
	} else {
		r = n.route(rest)
		r.DialTone = r.DialTone || rest == "" && rest != digits
	}
	switch {
	case r.Kind == ToEmergency, !f.open && !f.unknown:
		r.Behind = rest
	case f.unknown:
		r = Route{Kind: Unobtainable}
	}
	r.Private, r.Code = f.private, f.code
	return r
}

// route is Route for what stands behind the private-call prefix and an accounting code.
func (n *Numbering) route(digits string) Route {
	digits, ended := strings.CutSuffix(digits, "#")
	if whole, ok := strings.CutPrefix(digits, "+"); ok {
		return n.routePlus(whole)
	}
	t := &n.Country.Timers
	if e, ok := n.emergency[digits]; ok {
		r := Route{Kind: ToEmergency, Dial: e.dial}
		if _, outside := n.outside(digits); outside && e.weak && !ended {
			r.More, r.Wait = true, t.Match
		}
		return r
	}
	more := !ended && n.more(digits)
	number, outside := n.outside(digits)
	switch u := n.byExt[Ext(digits)]; {
	case u != nil && more:
		return Route{Kind: ToUser, User: u, More: true, Wait: t.Match}
	case u != nil:
		return Route{Kind: ToUser, User: u}
	case more && n.beginsEmergency(digits): // nobody is hurried who may be calling for help
		return Route{Kind: Incomplete, Wait: t.FirstDigit, DialTone: outside && number == ""}
	case more:
		return Route{Kind: Incomplete, Wait: t.InterDigit}
	case outside:
		return n.routeOutside(number, ended)
	}
	return Route{Kind: Unobtainable}
}

// MaxDialled gives how many signs of a number count at most, with all that may stand in
// front of it: who dials more has no number.
func (n *Numbering) MaxDialled() int {
	p := &n.Plan
	return maxDial + len(p.OutsidePrefix) + len(p.PrivatePrefix) + len(p.CodePrefix) + MaxCode + len("*")
}

// more tells whether something that can be dialled begins with digits and is longer.
func (n *Numbering) more(digits string) bool { return longer(n.all, digits) }
