package plan

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

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
		if r, _ := dial(n, e); r.Kind != ToEmergency || r.Dial != e {
			t.Fatalf("%+v: emergency number %s is %s", p, e, show(r))
		}
	}
	for i := range len(digits) + 1 {
		if got, want := show(n.Route(digits[:i])), show(slowRoute(n, digits[:i])); got != want {
			t.Fatalf("%+v: %q is %s, want %s", p, digits[:i], got, want)
		}
	}
}

// slowRoute is the model: it looks at everything in turn.
func slowRoute(n *Numbering, digits string) Route {
	ended := len(digits) > 0 && digits[len(digits)-1] == '#'
	if ended {
		digits = digits[:len(digits)-1]
	}
	sent := slowEmergency(n)
	var r Route
	longer := false
	for i := range n.Plan.Users {
		u := &n.Plan.Users[i]
		if string(u.Ext) == digits {
			r.User = u
		}
		longer = longer || len(u.Ext) > len(digits) && string(u.Ext[:len(digits)]) == digits
	}
	for d := range sent {
		longer = longer || len(d) > len(digits) && d[:len(digits)] == digits
	}
	switch e := sent[digits]; {
	case e != "":
		return Route{Kind: ToEmergency, Dial: e}
	case r.User != nil:
		r.Kind, r.More = ToUser, longer && !ended
	case longer && !ended:
		r.Kind = Incomplete
	default:
		r.Kind = Unobtainable
	}
	return r
}

// slowEmergency gives what goes to the exchange for each number of an emergency as it
// may be dialled: the country's and the office's own; these after the digit for outside
// calls, where that hides none of the first; then those of elsewhere, either way, where
// they are not the beginning of an extension or of one of these.
func slowEmergency(n *Numbering) map[string]string {
	sent := map[string]string{}
	own := append(append([]string{}, n.Country.Emergency...), n.Plan.Emergency...)
	for _, e := range own {
		sent[e] = e
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
		sent[d] = e
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
		sent[d] = e
	}
	if n.Plan.OutsidePrefix != "" {
		return sent
	}
	inTheWay := func(d string) bool {
		for i := 1; i < len(d); i++ {
			if n.byExt[Ext(d[:i])] != nil || sent[d[:i]] != "" {
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
		sent[d] = e
	}
	return sent
}

func TestRouteAgainstModel(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		p := randomPlan(r)
		digits := make([]byte, 6)
		for i := range digits {
			digits[i] = "0129012901290129*#A"[r.IntN(19)]
		}
		checkPlan(t, p, string(digits))
	}
}

func FuzzRoute(f *testing.F) {
	f.Add(uint64(1), "911")
	f.Add(uint64(7), "0112#")
	f.Fuzz(func(t *testing.T, seed uint64, digits string) {
		checkPlan(t, randomPlan(rand.New(rand.NewPCG(seed, 0))), digits[:min(len(digits), 40)])
	})
}
