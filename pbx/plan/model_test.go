package plan

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"sotto/pbx/country"
)

// randomPlan makes a plan of few digits, so that numbers get in each other's way.
func randomPlan(r *rand.Rand) Plan {
	codes := country.Codes()
	number := func(low, high int) string {
		var b strings.Builder
		for range low + r.IntN(high-low+1) {
			b.WriteByte("0129"[r.IntN(4)])
		}
		return b.String()
	}
	p := Plan{Office: "Office", Country: codes[r.IntN(len(codes))]}
	if r.IntN(2) == 0 {
		p.OutsidePrefix = number(1, 1)
	}
	for range r.IntN(3) {
		p.Emergency = append(p.Emergency, number(2, 4))
		if p.Validate() != nil {
			p.Emergency = p.Emergency[:len(p.Emergency)-1]
		}
	}
	for range r.IntN(12) {
		p.Users = append(p.Users, User{Name: "Person", Ext: Ext(number(1, 4))})
		if p.Validate() != nil {
			p.Users = p.Users[:len(p.Users)-1]
		}
	}
	if r.IntN(2) == 0 {
		p.PrivatePrefix = []string{"*1", "*12", "2*", "99", "**0"}[r.IntN(5)]
		if p.Validate() != nil {
			p.PrivatePrefix = ""
		}
	}
	if r.IntN(2) == 0 {
		p.CodePrefix = []string{"*1", "*2", "2**", "99", "91", "**0"}[r.IntN(6)]
		if p.Validate() != nil {
			p.CodePrefix = ""
		}
		for i := range r.IntN(6) {
			p.Codes = append(p.Codes, Code{Name: fmt.Sprint("C", i), Digits: number(1, 3)})
			if p.Validate() != nil {
				p.Codes = p.Codes[:i]
				break
			}
		}
	}
	for i := range r.IntN(3) {
		p.Lines = append(p.Lines, Line{Name: fmt.Sprint("L", i), Port: fmt.Sprint("FXO ", i+1)})
	}
	for i := range r.IntN(6) {
		x := Rule{Name: fmt.Sprint("R", i), Prefix: number(0, 4), Forbid: r.IntN(4) == 0}
		if !x.Forbid {
			x.Digits, x.Strip, x.Prepend = r.IntN(8), r.IntN(3), number(0, 2)
			for j := range p.Lines {
				if r.IntN(2) == 0 {
					x.Lines = append(x.Lines, fmt.Sprint("L", j))
				}
			}
		}
		p.Rules = append(p.Rules, x)
		if p.Validate() != nil {
			p.Rules = p.Rules[:len(p.Rules)-1]
		}
	}
	return p
}

// checkPlan holds a valid plan against the rules, told anew: no extension is out of reach
// or shadowed, no emergency number is, and every string of digits means what a model
// that looks at every number in turn says.
func checkPlan(t *testing.T, p Plan, digits string) {
	n := compile(t, p)
	for i := range p.Users {
		x := string(p.Users[i].Ext)
		if r, at := dial(n, x); r.Kind != ToUser || r.User.Ext != p.Users[i].Ext || at != x {
			t.Fatalf("%+v: extension %s is %s after %s", p, x, show(r), at)
		}
		if r := n.Route(x + "#"); r.Kind != ToUser || r.More || string(r.User.Ext) != x {
			t.Fatalf("%+v: extension %s# is %s", p, x, show(r))
		}
	}
	for _, e := range slices.Concat(n.Country.Emergency, p.Emergency) {
		fronts := []string{"", p.PrivatePrefix, p.PrivatePrefix + p.PrivatePrefix}
		if len(p.Codes) > 0 {
			code := p.CodePrefix + p.Codes[0].Digits + "*"
			fronts = append(fronts, code, code+p.PrivatePrefix, p.PrivatePrefix+code, code+code)
		}
		if p.CodePrefix != "" && !slices.ContainsFunc(p.Codes, func(c Code) bool { return strings.HasPrefix(e, c.Digits) || strings.HasPrefix(c.Digits, e) }) {
			fronts = append(fronts, p.CodePrefix, p.PrivatePrefix+p.CodePrefix)
		}
		for _, f := range fronts {
			d := f + e
			if r, at := dial(n, d); r.Kind != ToEmergency || r.Dial != e || at != d {
				t.Fatalf("%+v: emergency number %s is %s after %s", p, d, show(r), at)
			}
		}
	}
	plain := n
	if p.PrivatePrefix != "" || p.CodePrefix != "" {
		without := p
		without.PrivatePrefix, without.CodePrefix, without.Codes = "", "", nil
		plain = compile(t, without)
	}
	for e := range plain.emergency { // tolerated ones and those of habit, too
		r, at := dial(n, e)
		if want, wantAt := dial(plain, e); show(r) != show(want) || at != wantAt {
			t.Fatalf("%+v: %s is %s after %s, and without prefixes %s after %s", p, e, show(r), at, show(want), wantAt)
		}
	}
	for i := range len(digits) + 1 {
		if got, want := show(n.Route(digits[:i])), show(slowRoute(n, digits[:i])); got != want {
			t.Fatalf("%+v: %q is %s, want %s", p, digits[:i], got, want)
		}
		if r := n.Route(digits[:i]); !strings.HasSuffix(digits[:i], r.Behind) {
			t.Fatalf("%+v: behind all in %q stands %q", p, digits[:i], r.Behind)
		} else if (r.Wait > 0) != (r.More || r.Kind == Incomplete) {
			t.Fatalf("%+v: %q: waits %v, %s", p, digits[:i], r.Wait, show(r))
		}
	}
	checkExplained(t, n, digits)
}

// checkExplained holds an explanation against what a telephone that dials so meets.
func checkExplained(t *testing.T, n *Numbering, typed string) {
	keys, net := &User{Ext: "k", Ports: []string{"FXS 1"}}, &User{Ext: "n", SIP: true}
	for _, from := range []*User{nil, keys, net} {
		x := n.Explain(from, typed)
		if len(x.Steps) == 0 {
			t.Fatalf("%+v: %q is explained without a word", n.Plan, typed)
		}
		for _, s := range x.Steps {
			if !strings.HasSuffix(s.Text, ".") || strings.Contains(s.Text, "%!") || !utf8.ValidString(s.Text) {
				t.Fatalf("%+v: %q: step %q", n.Plan, typed, s.Text)
			}
		}
		want := Route{Kind: Unobtainable}
		if d := Digits(typed); n.badDialled(typed) != "" {
		} else if behind, _ := n.cut(d); strings.HasPrefix(behind, "+") || from == net {
			want = n.Route(d)
			want.More = false
		} else {
			want, _ = dial(n, d)
		}
		if got, want := show(x.Route), show(want); got != want {
			t.Fatalf("%+v: %q is explained as %s, want %s", n.Plan, typed, got, want)
		}
	}
}

var upTo32 = regexp.MustCompile(`^[0-9]{0,32}$`)

// slowRoute is the model: it looks at everything in turn.
func slowRoute(n *Numbering, digits string) Route {
	var seen []*Code // in front; nil for what is nobody's
	private := false
	for {
		if p := n.Plan.PrivatePrefix; p != "" && strings.Index(digits, p) == 0 {
			private, digits = true, strings.Replace(digits, p, "", 1)
			continue
		}
		p := n.Plan.CodePrefix
		if p == "" || strings.Index(digits, p) != 0 {
			break
		}
		digits = strings.Replace(digits, p, "", 1)
		c, rest, over := slowCode(n, digits)
		if !over {
			return Route{Kind: slowOpen(n, digits), Private: private, Dial: slowPlain(n, digits).Dial, More: slowPlain(n, digits).More}.onlyHelp()
		}
		seen, digits = append(seen, c), rest
	}
	r := Route{Kind: Incomplete}
	if begins := func(p string) bool { return digits != "" && p != digits && strings.Index(p, digits) == 0 }; !begins(n.Plan.PrivatePrefix) && !begins(n.Plan.CodePrefix) {
		r = slowPlain(n, digits)
	}
	if len(seen) > 0 {
		if r.Code = seen[len(seen)-1]; r.Code == nil && r.Kind != ToEmergency {
			r = Route{Kind: Unobtainable}
		}
	}
	r.Private = private
	return r
}

// onlyHelp leaves of r what counts before a code is over.
func (r Route) onlyHelp() Route {
	if r.Kind != ToEmergency {
		r.Dial, r.More = "", false
	}
	return r
}

// slowCode gives the code that digits begin with, nil for nobody's, and what follows it.
func slowCode(n *Numbering, digits string) (c *Code, rest string, over bool) {
	for i := range n.Plan.Codes {
		x := &n.Plan.Codes[i]
		alone := !slices.ContainsFunc(n.Plan.Codes, func(o Code) bool { return o != *x && strings.Index(o.Digits, x.Digits) == 0 })
		if strings.Index(digits, x.Digits+"*") == 0 {
			return x, strings.Replace(digits, x.Digits+"*", "", 1), true
		}
		if strings.Index(digits, x.Digits) == 0 && alone {
			return x, strings.Replace(digits, x.Digits, "", 1), true
		}
	}
	if m := endedCode.FindString(digits); m != "" {
		return nil, digits[len(m):], true
	}
	return nil, "", false
}

var endedCode = regexp.MustCompile(`^[0-9]*[*]`)

// slowOpen gives the meaning of the digits of a code that is not over.
func slowOpen(n *Numbering, d string) Kind {
	help := false
	for e := range slowEmergency(n) {
		help = help || strings.Index(e, d) == 0
	}
	switch {
	case slices.ContainsFunc(n.Plan.Codes, func(c Code) bool { return strings.Index(c.Digits, d) == 0 }), d == "":
		return Incomplete
	case slowPlain(n, d).Kind == ToEmergency:
		return ToEmergency
	case help:
		return Incomplete
	}
	return Unobtainable
}

// slowPlain is the model for what has nothing in front.
func slowPlain(n *Numbering, digits string) Route {
	ended := len(digits) > 0 && digits[len(digits)-1] == '#'
	if ended {
		digits = digits[:len(digits)-1]
	}
	sent := slowEmergency(n)
	if strings.Index(digits, "+") == 0 {
		return slowPlus(n, digits[1:], sent)
	}
	var r Route
	longer, begun := false, false // by something that is complete before
	for i := range n.Plan.Users {
		u := &n.Plan.Users[i]
		x := string(u.Ext)
		if x == digits {
			r.User = u
		}
		longer = longer || strings.Index(x, digits) == 0 && x != digits
		begun = begun || strings.Index(digits, x) == 0 && x != digits
	}
	for d, e := range sent {
		longer = longer || strings.Index(d, digits) == 0 && d != digits
		begun = begun || !e.weak && strings.Index(digits, d) == 0 && d != digits
	}
	number := strings.TrimPrefix(digits, n.Plan.OutsidePrefix)
	outside := len(n.Plan.Lines) > 0 && !begun && digits != "" && upTo32.MatchString(number) &&
		n.Plan.OutsidePrefix+number == digits
	switch e := sent[digits]; {
	case e.dial != "":
		return Route{Kind: ToEmergency, Dial: e.dial, More: e.weak && outside && !ended}
	case r.User != nil:
		r.Kind, r.More = ToUser, longer && !ended
	case longer && !ended:
		r.Kind = Incomplete
	case outside:
		return slowOutside(n, number, ended)
	default:
		r.Kind = Unobtainable
	}
	return r
}

// slowPlus is the model for what stands behind a +.
func slowPlus(n *Numbering, d string, sent map[string]urgent) Route {
	land := n.Country.Dialling
	own, home := strings.CutPrefix(d, land.CountryCode)
	if land.CountryCode == "" {
		home = false
	}
	if e := sent[d]; e.dial != "" {
		return Route{Kind: ToEmergency, Dial: e.dial}
	}
	if e := sent[own]; home && e.dial != "" {
		return Route{Kind: ToEmergency, Dial: e.dial}
	}
	if len(n.Plan.Lines) == 0 || d == "" || !upTo32.MatchString(d) || home && own == "" {
		return Route{Kind: Unobtainable}
	}
	return slowOutside(n, land.International+d, true)
}

// slowOutside is the model for an outside number.
func slowOutside(n *Numbering, number string, ended bool) Route {
	land := n.Country.Dialling
	if abroad := land.International + land.CountryCode; land.CountryCode != "" && strings.Index(number, abroad) == 0 && number != abroad {
		number = land.National + strings.TrimPrefix(number[len(abroad):], land.National)
	}
	rules := slices.Clone(n.Plan.Rules)
	slices.SortStableFunc(rules, func(a, b Rule) int { return len(b.Prefix) - len(a.Prefix) })
	longer := false
	r := Route{Kind: ToOutside, Dial: number}
	digits := 0
	lines := []string{}
	for _, l := range n.Plan.Lines {
		lines = append(lines, l.Name)
	}
	for i := range rules {
		x := &rules[i]
		if len(x.Prefix) > len(number) && x.Prefix[:len(number)] == number {
			longer = true
		}
		if r.Rule != nil || strings.Index(number, x.Prefix) != 0 {
			continue
		}
		r.Rule, digits = x, x.Digits
		if x.Forbid {
			r.Kind, r.Dial, lines = Forbidden, "", nil
		} else if r.Dial = x.Prepend + number[x.Strip:]; x.Lines != nil {
			lines = x.Lines
		}
	}
	complete := len(number) >= 32 || digits > 0 && len(number) >= digits || r.Kind == Forbidden
	r.More = !ended && (!complete || longer && len(number) < 32)
	for _, name := range lines {
		r.Lines = append(r.Lines, &Line{Name: name})
	}
	switch {
	case number == "", r.Kind == ToOutside && r.Dial == "":
		if r.More || number == "" && !ended {
			return Route{Kind: Incomplete}
		}
		return Route{Kind: Unobtainable}
	case len(r.Dial) > 32:
		return Route{Kind: Unobtainable}
	}
	return r
}

// slowEmergency gives what goes to the exchange for each number of an emergency as it
// may be dialled: the country's and the office's own; these after the digit for outside
// calls, where that hides none of the first; then those of elsewhere, either way, where
// they are not the beginning of an extension or of one of these.
func slowEmergency(n *Numbering) map[string]urgent {
	sent := map[string]urgent{}
	own := append(append([]string{}, n.Country.Emergency...), n.Plan.Emergency...)
	abroad := n.Plan.OutsidePrefix + n.Country.Dialling.International
	for _, e := range own {
		sent[e] = urgent{e, strings.Index(abroad, e) == 0}
	}
	starts := func(short string) bool {
		for d := range sent {
			if strings.Index(d, short) == 0 {
				return true
			}
		}
		for _, u := range n.Plan.Users {
			if strings.Index(string(u.Ext), short) == 0 {
				return true
			}
		}
		return false
	}
	after := map[string]string{}
	for _, e := range own {
		if d := n.Plan.OutsidePrefix + e; !starts(d) {
			after[d] = e
		}
	}
	for d, e := range after {
		sent[d] = urgent{e, strings.Index(abroad, d) == 0}
	}
	tolerated := map[string]string{}
	for _, e := range n.Country.Tolerated {
		for _, d := range []string{e, n.Plan.OutsidePrefix + e} {
			if !starts(d) {
				tolerated[d] = e
			}
		}
	}
	for d, e := range tolerated {
		sent[d] = urgent{e, true}
	}
	if n.Plan.OutsidePrefix != "" {
		return sent
	}
	inTheWay := func(d string) bool {
		for i := 1; i < len(d); i++ {
			if n.byExt[Ext(d[:i])] != nil || sent[d[:i]].dial != "" {
				return true
			}
		}
		return starts(d)
	}
	habit := map[string]string{}
	for _, e := range own {
		for _, d := range []string{"0" + e, "9" + e} {
			if !inTheWay(d) {
				habit[d] = e
			}
		}
	}
	for d, e := range habit {
		sent[d] = urgent{e, true}
	}
	return sent
}

func TestRouteAgainstModel(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		p := randomPlan(r)
		digits := make([]byte, 8)
		for i := range digits {
			digits[i] = "01290129012901290129*#A+"[r.IntN(24)]
		}
		if r.IntN(3) == 0 && p.CodePrefix != "" {
			digits = append([]byte(p.CodePrefix), digits...)
			if r.IntN(2) == 0 && len(p.Codes) > 0 {
				digits = append([]byte(p.CodePrefix+p.Codes[0].Digits+[]string{"", "*"}[r.IntN(2)]), digits[r.IntN(len(digits)):]...)
			}
		}
		if r.IntN(3) == 0 && p.PrivatePrefix != "" {
			digits = append([]byte(p.PrivatePrefix), digits...)
		}
		if r.IntN(4) == 0 {
			digits[0] = '+'
		}
		checkPlan(t, p, string(digits))
	}
}

func FuzzRoute(f *testing.F) {
	f.Add(uint64(1), "911")
	f.Add(uint64(7), "0112#")
	f.Add(uint64(9), "+49112")
	f.Add(uint64(11), "9 00 12")
	f.Add(uint64(13), "*12*0112")
	f.Add(uint64(14), "99012*")
	f.Fuzz(func(t *testing.T, seed uint64, digits string) {
		checkPlan(t, randomPlan(rand.New(rand.NewPCG(seed, 0))), digits[:min(len(digits), MaxExplained)])
	})
}
