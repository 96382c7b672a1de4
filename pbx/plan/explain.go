package plan

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// MaxExplained bounds what [Numbering.Explain] looks at, in characters as typed.
const MaxExplained = 64

// Explanation is what becomes of a number, in sentences and as a value. It is for the
// person who typed the number. The sentences hold the digits that were typed and what is
// made of them, extensions, labels of ports, names of lines and rules, and no name of a
// user: whoever shows User adds that by what the viewer may see.
type Explanation struct {
	// Route is what the switch makes of it at the end; Wait is how long it waits for more
	// before that. All of it is shared, not to be changed.
	Route

	Dialled string // what counted: without what is only for the eye, and without what came too late
	Steps   []Step // in the order in which things are decided, at least one
}

// Step is one step of an explanation.
type Step struct {
	Text string // whole plain sentences
	Hint bool   // what else could be dialled or done; not part of what happens
}

// Explain tells what happens if from dials a number: what [Numbering.Route] decides, and
// why. Spaces, dots, dashes, slashes and brackets are dropped from it; it may end with #
// and begin with +. A user with ports dials digit by digit, so that what is complete sooner
// counts; one with telephones on the network alone sends it whole, and so does who sends a
// plus. from may be nil: somebody at a telephone with keys. It is pure, and takes any text.
func (n *Numbering) Explain(from *User, dialled string) Explanation {
	x := &explainer{n: n, from: from}
	x.Kind = Unobtainable
	if bad := n.badDialled(dialled); bad != "" {
		x.say("%s", bad)
		return x.Explanation
	}
	d := Digits(dialled)
	behind, _ := n.cut(d)
	plus := strings.HasPrefix(behind, "+")
	x.whole = plus || from != nil && from.SIP && len(from.Ports) == 0
	x.dial(d)
	x.digits, x.ended = strings.CutSuffix(x.Behind, "#")
	if plus && from != nil && !from.SIP {
		x.hint("Only a telephone on the network can send a +; this user has none.")
	}
	if x.cut = len(x.Dialled) < len(d); x.cut && x.Kind != Unobtainable {
		x.say("All is decided with %s: what is dialled after it does not count.", x.Dialled)
	}
	x.code()
	x.private()
	switch x.Kind {
	case ToEmergency:
		x.emergency()
	case ToUser:
		x.user()
	case ToOutside, Forbidden:
		x.outside()
	case Incomplete:
		x.incomplete()
	case Unobtainable:
		x.unobtainable(behind)
	}
	return x.Explanation
}

// badDialled tells what makes dialled no number at all, or "".
func (n *Numbering) badDialled(dialled string) string {
	at, signs := 0, 0
	for i, c := range dialled {
		if at++; at > MaxExplained {
			return fmt.Sprintf("This is longer than %d characters, which no telephone number is.", MaxExplained)
		}
		switch {
		case strings.ContainsRune("0123456789*#ABCD", c), c == '+' && n.nothingYet(Digits(dialled[:i])):
			signs++
		case !strings.ContainsRune(forTheEye, c):
			return fmt.Sprintf("Character %d cannot be dialled: a number has the digits 0 to 9, perhaps a + in front or a # at the end.", at)
		}
	}
	if signs == 0 {
		return "Nothing is dialled."
	}
	return ""
}

// explainer puts one explanation together.
type explainer struct {
	Explanation
	n      *Numbering
	from   *User
	whole  bool   // the telephone sends all at once
	digits string // what counted, without private-call prefix, accounting code and a # at its end
	ended  bool   // there was one
	cut    bool   // more was dialled than counted
}

func (x *explainer) say(format string, args ...any) {
	x.Steps = append(x.Steps, Step{Text: fmt.Sprintf(format, args...)})
}

func (x *explainer) hint(format string, args ...any) {
	x.Steps = append(x.Steps, Step{Text: fmt.Sprintf(format, args...), Hint: true})
}

// dial does what the telephone and the switch do.
func (x *explainer) dial(d string) {
	if x.whole {
		x.Route, x.Dialled = x.n.Route(d), d
		x.More, x.Wait = false, 0
		return
	}
	for i := range len(d) {
		x.Route, x.Dialled = x.n.Route(d[:i+1]), d[:i+1]
		if x.Wait == 0 {
			return
		}
	}
}

// when tells when a number counts that has a meaning as it is.
func (x *explainer) when(what string) {
	switch {
	case x.whole:
		x.say("The telephone sends the number whole, so %s at once.", what)
	case x.ended:
		x.say("The # ends the number, so %s at once.", what)
	case x.Wait > 0:
		x.say("As the number may still go on, %s when no digit follows for %s, or at once with #.", what, seconds(x.Wait))
	default:
		x.say("The number is complete, so %s at once.", what)
	}
}

func (x *explainer) emergency() {
	x.say("This is an emergency number. Emergency numbers are looked at before everything else, and no rule can change or forbid them.")
	x.say("The exchange is sent %s, on any exchange line that works.", x.Dial)
	x.when("the call is put through")
}

func (x *explainer) user() {
	x.say("It is no emergency number. %s is an extension.", x.User.Ext)
	rings := slices.Clone(x.User.Ports)
	if x.User.SIP {
		rings = append(rings, "telephones on the network")
	}
	if len(rings) == 0 {
		x.say("No telephone belongs to it, so the call fails.")
	} else {
		x.say("What rings: %s.", strings.Join(rings, ", "))
	}
	if x.from != nil && x.User.Ext == x.from.Ext {
		x.say("It is the caller's own extension: the telephone that dials does not ring itself.")
	}
	x.when("it rings")
}

func (x *explainer) outside() {
	prefix, abroad := x.n.Plan.OutsidePrefix, x.n.Country.Dialling.International
	x.say("It is neither an emergency number nor an extension.")
	switch {
	case strings.HasPrefix(x.digits, "+"):
		x.say("A number with + is an outside number. From here it is dialled as %s.", x.Number)
		if x.from == nil || len(x.from.Ports) > 0 {
			x.hint("At a telephone with keys one dials %s.", x.front()+prefix+x.Number)
		}
	case x.cut:
		x.say("The %s in front asks for an outside call. The outside number begins with %s.", prefix, x.Number)
	case prefix != "":
		x.say("The %s in front asks for an outside call. The outside number is %s.", prefix, x.Number)
	default:
		x.say("No extension begins like this, so it is an outside number.")
	}
	switch {
	case !strings.HasPrefix(x.digits, "+") && x.digits != prefix+x.Number:
		x.say("It is dialled by way of abroad but is a number of this country, and is taken for that.")
	case strings.HasPrefix(x.Number, abroad):
		x.say("It begins with %s: it goes to another country.", abroad)
	case prefix != "" && strings.HasPrefix(x.digits, abroad) && (x.Rule == nil || x.Rule.Prefix == ""):
		x.hint("If a number of another country is meant, %s is dialled before it, too: %s.", prefix, x.front()+prefix+x.digits)
	}
	x.rule()
	if x.Kind == Forbidden && x.Wait == 0 && !x.whole && !x.ended {
		x.say("No further digit can change that, so the caller is told at once.")
		return
	} else if x.Kind == Forbidden {
		x.when("the caller is told")
		return
	}
	names := make([]string, len(x.Lines))
	for i, l := range x.Lines {
		names[i] = l.Name
	}
	if len(names) == 1 {
		x.say("It goes out on one line alone: %s.", names[0])
	} else {
		x.say("The first line that is free is taken, in this order: %s.", strings.Join(names, ", "))
	}
	x.when("the exchange is called")
}

// rule tells which rule decides, which others fit, and what is made of the number.
func (x *explainer) rule() {
	switch {
	case x.Rule == nil && len(x.n.rules) == 0:
		x.say("There are no rules: every outside number may be called on every line.")
	case x.Rule == nil:
		x.say("No rule fits the number, so it may be called on every line.")
	case x.Rule.Prefix == "":
		x.say("Rule “%s” decides: it is for all numbers, and none with a prefix fits.", x.Rule.Name)
	default:
		x.say("Rule “%s” decides: of those that fit its prefix %s is the longest.", x.Rule.Name, x.Rule.Prefix)
	}
	var over []string
	for i := range x.n.rules {
		if r := x.n.rules[i].Rule; r != x.Rule && strings.HasPrefix(x.Number, r.Prefix) {
			over = append(over, "“"+r.Name+"”")
		}
	}
	if len(over) > 0 {
		x.say("Passed over, because they fit less closely: %s.", strings.Join(over, ", "))
	}
	switch r := x.Rule; {
	case x.Kind == Forbidden:
		x.say("The rule forbids such numbers: the call is not made.")
	case r == nil || r.Strip == 0 && r.Prepend == "":
		x.say("The exchange is sent %s.", x.Dial)
	case r.Prepend == "":
		x.say("The rule takes away %s in front. The exchange is sent %s.", x.Number[:r.Strip], x.Dial)
	case r.Strip == 0:
		x.say("The rule puts %s in front. The exchange is sent %s.", r.Prepend, x.Dial)
	default:
		x.say("The rule puts %s in the place of %s in front. The exchange is sent %s.", r.Prepend, x.Number[:r.Strip], x.Dial)
	}
}

func (x *explainer) incomplete() {
	if _, f := x.n.cut(x.Dialled); f.open {
		x.say("The %s asks for an accounting code, which is not over. A * ends it, and the number is to follow.", x.n.Plan.CodePrefix)
	} else if x.DialTone && x.digits == "" {
		x.say("The number is to follow.")
	} else if x.DialTone {
		x.say("The %s asks for an outside call. The number is to follow.", x.digits)
	} else {
		x.say("More digits are needed: this is only the beginning of a number.")
	}
	if x.whole {
		x.say("The telephone sends all digits at once, so the call fails.")
		return
	}
	x.say("When none follows for %s, the call fails.", seconds(x.Wait))
}

// unobtainable tells why nothing begins with all of d.
func (x *explainer) unobtainable(d string) {
	n, prefix := x.n, x.n.Plan.OutsidePrefix
	number, _ := strings.CutSuffix(d, "#")
	_, f := n.cut(x.Dialled)
	switch {
	case f.open || f.unknown:
		x.say("No accounting code is dialled like this.")
		return
	case number == "" && (x.Private || x.Code != nil):
		x.say("No number follows it.")
		return
	case !digits(strings.TrimPrefix(number, "+")):
		x.say("The signs * and # and the letters A to D mean nothing here; # may only end a number.")
		if p := n.Plan.PrivatePrefix; p != "" && !x.Private {
			x.hint("For a private call %s is dialled before the number.", p)
		}
		return
	case len(n.lines) == 0 && (prefix == "" || strings.HasPrefix(number, prefix) || strings.HasPrefix(number, "+")):
		x.say("It is neither an emergency number nor an extension, and there are no outside calls: the plan has no exchange line.")
		return
	case x.begunBefore(number):
		x.say("A shorter emergency number or extension begins it, so it can be no other number.")
		return
	case prefix == "" || strings.HasPrefix(number, prefix) || strings.HasPrefix(number, "+"):
		if len(number) > maxDial/2 {
			x.say("The exchange would be sent more than %d digits, which no number has.", maxDial)
		} else {
			x.say("No digit remains that the exchange could be sent.")
		}
		return
	}
	x.say("No emergency number and no extension begins with %s, and it does not begin with %s for an outside call.", x.digits, prefix)
	if r := n.Route(prefix + number + "#"); r.Kind == ToOutside {
		x.hint("If an outside number is meant, %s is dialled first: %s.", prefix, x.front()+prefix+number)
	}
}

// begunBefore tells whether what is complete sooner is the beginning of number.
func (x *explainer) begunBefore(number string) bool {
	for i := 1; i < len(number); i++ {
		if e, is := x.n.emergency[number[:i]]; is && !e.weak || x.n.byExt[Ext(number[:i])] != nil {
			return true
		}
	}
	return false
}

// seconds gives a wait in words: "5 s", "1.5 s".
func seconds(d time.Duration) string {
	return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + " s"
}
