package plan

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"sotto/pbx/country"
)

func compile(t testing.TB, p Plan) *Numbering {
	t.Helper()
	n, err := Compile(p)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// show gives a route in words.
func show(r Route) string {
	s := [...]string{"incomplete", "user", "emergency", "outside", "forbidden", "unobtainable"}[r.Kind]
	if r.Private {
		s = "private " + s
	}
	if r.Code != nil {
		s = r.Code.Name + ": " + s
	}
	if r.User != nil {
		s += " " + string(r.User.Ext)
	}
	if r.More {
		s += " or more"
	}
	s = strings.TrimSpace(s + " " + r.Dial)
	if r.Rule != nil {
		s += " by " + r.Rule.Name
	}
	for i, x := range r.Lines {
		s += [...]string{" on ", ", "}[min(i, 1)] + x.Name
	}
	return s
}

func TestRoute(t *testing.T) {
	p := Plan{Office: "Office", Country: "DE", OutsidePrefix: "0", Emergency: []string{"19222"}}
	for i, x := range []Ext{"10", "101", "1015", "102", "20", "9", "12345678", "911"} {
		p.Users = append(p.Users, User{ID: UserID(rune('a' + i)), Name: "Person", Ext: x})
	}
	n := compile(t, p)
	for digits, want := range map[string]string{
		"": "incomplete", "1": "incomplete", "#": "unobtainable", "1#": "unobtainable",
		"10": "user 10 or more", "10#": "user 10", "101": "user 101 or more", "101#": "user 101", "1015": "user 1015", "102": "user 102",
		"10##": "unobtainable", "10#1": "unobtainable", "103": "unobtainable", "1016": "unobtainable", "10155": "unobtainable",
		"2": "incomplete", "20": "user 20", "21": "unobtainable", "3": "unobtainable",
		"1234567": "incomplete", "12345678": "user 12345678", "1234568": "unobtainable",
		"11": "incomplete", "110": "emergency 110", "112": "emergency 112", "112#": "emergency 112", "113": "unobtainable", "11#": "unobtainable",
		"0": "incomplete", "01": "incomplete", "011": "incomplete", "0112": "emergency 112", "0110": "emergency 110", "02": "unobtainable", "00112": "unobtainable",
		"1922": "incomplete", "19222": "emergency 19222", "019222": "emergency 19222",
		"9": "user 9 or more", "91": "incomplete", "911": "user 911", "0911": "emergency 911",
		"*": "unobtainable", "*1": "unobtainable", "A": "unobtainable", "1A": "unobtainable", "10*": "unobtainable", "+49": "unobtainable", "\x00": "unobtainable",
		strings.Repeat("1", 100): "unobtainable",
	} {
		if got := show(n.Route(digits)); got != want {
			t.Errorf("%q is %s, want %s", digits, got, want)
		}
	}
}

// dial dials as the switch does: digit by digit until the route is final.
func dial(n *Numbering, digits string) (Route, string) {
	var r Route
	for i := range len(digits) {
		r = n.Route(digits[:i+1])
		if r.Wait == 0 {
			return r, digits[:i+1]
		}
	}
	return r, digits
}

// TestEmergencyOfEveryCountry dials every number of an emergency in every country, with
// every digit for outside calls: it gets through, whatever else the plan holds. After
// that digit another may be complete sooner (1 122 in Austria, where 112 is one): it is
// an emergency call still.
func TestEmergencyOfEveryCountry(t *testing.T) {
	for _, code := range country.Codes() {
		land, _ := country.Lookup(code)
		for _, prefix := range []string{"", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9"} {
			p := Plan{Office: "Office", Country: code, OutsidePrefix: prefix, Emergency: []string{"700"}}
			for _, x := range []Ext{"2", "20", "9", "91", "80", "81", "8100", "300", "0", "1", "10", "12", "61"} { // where they may be
				alone := p
				if alone.Users = []User{{Name: "Person", Ext: x}}; alone.Validate() == nil {
					p.Users = append(p.Users, alone.Users[0])
				}
			}
			n := compile(t, p)
			for _, e := range append(slices.Clone(land.Emergency), "700") {
				if r, _ := dial(n, e); r.Kind != ToEmergency || r.Dial != e {
					t.Errorf("%s, %s for outside calls: %s is %s, want emergency", code, prefix, e, show(r))
				}
				r, at := dial(n, prefix+e)
				if r.Kind != ToEmergency || r.Dial != e && r.Dial != at {
					t.Errorf("%s: %s %s is %s, want emergency %s", code, prefix, e, show(r), e)
				}
			}
			for _, e := range land.Tolerated {
				if r, _ := dial(n, e); r.Kind != ToEmergency || r.Dial != e {
					// In the way of a number of the country: 9 112, where 9 is for outside calls.
					if prefix == "" || !strings.HasPrefix(e, prefix) || !slices.ContainsFunc(append(land.Emergency, "700"), func(s string) bool { return strings.HasPrefix(prefix+s, e) }) {
						t.Errorf("%s, %s for outside calls: %s is %s, want emergency", code, prefix, e, show(r))
					}
				}
			}
		}
	}
}

func TestToleratedGivesWay(t *testing.T) {
	for _, c := range []struct {
		country, prefix string
		ext             Ext
		own             string
		dial, want      string
	}{
		{"DE", "", "201", "", "911", "emergency 911"},
		{"DE", "", "911", "", "911", "user 911"},
		{"DE", "", "9110", "", "911", "incomplete"},
		{"DE", "", "91", "", "91", "user 91 or more"},
		{"DE", "", "91", "", "911", "emergency 911"},
		{"DE", "", "201", "9111", "911", "incomplete"},
		{"DE", "", "201", "91", "91", "emergency 91"},
		{"DE", "9", "201", "", "911", "incomplete"}, // or 9 112 would be cut short
		{"DE", "9", "201", "", "9112", "emergency 112"},
		{"DE", "9", "201", "", "9911", "emergency 911"},
		{"US", "9", "201", "", "911", "emergency 911"}, // its own number is never in the way
		{"US", "9", "201", "", "9911", "emergency 911"},
		{"US", "9", "201", "", "9112", "emergency 911"},
		{"JP", "1", "201", "10", "110", "emergency 110"}, // not 10 after the digit for outside calls
	} {
		p := Plan{Office: "Office", Country: c.country, OutsidePrefix: c.prefix, Users: []User{{Name: "Person", Ext: c.ext}}}
		if c.own != "" {
			p.Emergency = []string{c.own}
		}
		r, dialled := dial(compile(t, p), c.dial)
		if got := show(r); got != c.want {
			t.Errorf("%+v: %s is %s", c, dialled, got)
		}
	}
}

func TestCompile(t *testing.T) {
	p := office()
	p.Users = append(p.Users, User{Name: "Carla", Ext: "203"}, User{Name: "Dora", Ext: "204"})
	n := compile(t, p)
	if n.Ring != DefaultRing || n.Country.Code != "DE" {
		t.Errorf("ring %v, country %s", n.Ring, n.Country.Code)
	}
	if u := n.User("b"); u == nil || u.Ext != "202" || u != n.Route("202").User {
		t.Errorf("user b is %v", u)
	}
	if u := n.ByExt("203"); u == nil || u.Name != "Carla" || u != n.Route("203").User {
		t.Errorf("extension 203 is %v", u)
	}
	for _, x := range []Ext{"", "2", "2011", "112", "203#"} {
		if u := n.ByExt(x); u != nil {
			t.Errorf("extension %s is %v", x, u)
		}
	}
	if n.User("") != nil || n.User("x") != nil {
		t.Error("there is a user without id, or one too many")
	}
	p.Users[1].Name, p.Users[1].Ext, p.Users[0].Ports[0], p.Lines[0].Port = "Other", "299", "FXS 9", "FXO 9"
	if u := n.Route("202").User; u == nil || u.Name != "Boris" || n.Plan.Users[0].Ports[0] != "FXS 1" || n.Plan.Lines[0].Port != "FXO 1" {
		t.Error("a change of the plan changes the numbering")
	}
	p = office()
	p.RingSeconds = 12
	if n := compile(t, p); n.Ring != 12*time.Second {
		t.Errorf("ring %v, want 12 s", n.Ring)
	}
	if n, err := Compile(Plan{}); n != nil || err == nil {
		t.Errorf("an empty plan compiles: %v", err)
	}
}

// TestPrivatePrefix: what is dialled behind it means what it does without; dial tone sounds
// again before it.
func TestPrivatePrefix(t *testing.T) {
	p := ruled()
	p.PrivatePrefix = "*67"
	n := compile(t, p)
	for digits, want := range map[string]string{
		"*": "incomplete", "*6": "incomplete", "*6#": "unobtainable", "*68": "unobtainable", "*67": "private incomplete", "*67#": "private unobtainable",
		"*67201": "private user 201", "*67112": "private emergency 112", "*670112": "private emergency 112", "*67*67112": "private emergency 112",
		"*670": "private incomplete", "*6799": "private unobtainable", "*67+49112": "private emergency 112", "+*67112": "unobtainable", "0*67112": "unobtainable",
		"*67*": "private incomplete", "67112": "unobtainable",
	} {
		if got := show(n.Route(digits)); got != want {
			t.Errorf("%s is %s, want %s", digits, got, want)
		}
	}
	for _, d := range []string{"0900", "00044 20", "020123456#", "+4420"} {
		a, b := n.Route(Digits(d)), n.Route("*67"+Digits(d))
		if a.Private = true; !reflect.DeepEqual(a, b) {
			t.Errorf("%s is %s, behind the prefix %s", d, show(a), show(b))
		}
	}
	if r := n.Route("*67"); !r.DialTone || r.Wait != n.Country.Timers.FirstDigit {
		t.Errorf("after the prefix: %+v", r)
	}
	if r := n.Route("*6"); r.DialTone || r.Wait != n.Country.Timers.InterDigit {
		t.Errorf("within the prefix: %+v", r)
	}
	if !n.Emergency("*67 112") || n.Emergency("*68112") {
		t.Error("a call for help behind the prefix is none")
	}
	if a := testing.AllocsPerRun(100, func() { n.Route("*67"); n.Route("*67201"); n.Route("*67112") }); a != 0 {
		t.Errorf("%v allocations", a)
	}
	p.PrivatePrefix = ""
	if got := show(compile(t, p).Route("*67201")); got != "unobtainable" {
		t.Errorf("without a prefix it is %s", got)
	}
}

func TestFillIDs(t *testing.T) {
	p := office()
	p.Users[0].ID = ""
	p.FillIDs(func() UserID { return "new" })
	if p.Users[0].ID != "new" || p.Users[1].ID != "b" {
		t.Errorf("ids %q and %q", p.Users[0].ID, p.Users[1].ID)
	}
}

// TestLifelineHoldsNoName searches the lifeline for what names people and places, and
// holds that it routes like the plan, to a user without a telephone too.
func TestLifelineHoldsNoName(t *testing.T) {
	p := office()
	p.Emergency = []string{"19222"}
	p.Users[0].SIP, p.Users[1].SIP = true, true // the second has no port
	p.Office, p.Users[0].Name, p.Users[1].Name, p.Lines[0].Name = "Praxis Secret", "Anna Secret", "Boris Secret", "Amt Secret"
	p.Lines[0].Rings, p.Lines[0].Reversal, p.Lines[1].Pulse, p.Lines[1].Break = []Ext{"202"}, true, true, 300
	p.PrivatePrefix, p.AreaCode, p.Users[0].Protected, p.Users[1].ShowOnly, p.Lines[0].ShowOnly = "*67", "30", true, true, true
	p.CodePrefix, p.Codes, p.Fields = "*71", []Code{{"Secret client", "42"}, {"Secret matter", "4"}}, Fields()
	for _, f := range Fields() {
		p.Users[0].SetField(f, "Secret")
	}
	p.Users[0].Email, p.Users[0].Mobile = "Secret@example.org", "+49 170 1234567"
	p.Rules = []Rule{
		{Name: "Secret rule", Prefix: "00", Lines: []string{"Amt 2", "Amt Secret"}},
		{Name: "Secret town", Prefix: "3", Digits: 5, Strip: 1, Prepend: "030"}, {Name: "Secret forbidden", Prefix: "09", Forbid: true},
	}
	l := p.Lifeline()
	if l.Users[0].Name != "201" || !reflect.DeepEqual(l.Lines, []Line{{Name: "FXO 1", Port: "FXO 1", Rings: []Ext{"202"}, Reversal: true}, {Name: "FXO 2", Port: "FXO 2", Pulse: true, Break: 300}}) {
		t.Errorf("lines %+v", l.Lines)
	}
	if !reflect.DeepEqual(l.Rules, []Rule{{Name: "rule 1", Prefix: "00", Lines: []string{"FXO 2", "FXO 1"}}, {Name: "rule 2", Prefix: "3", Digits: 5, Strip: 1, Prepend: "030"}, {Name: "rule 3", Prefix: "09", Forbid: true}}) {
		t.Errorf("rules %+v", l.Rules)
	}
	b, err := json.Marshal(l)
	if err != nil || strings.Contains(string(b), "Secret") || strings.Contains(string(b), "protected") || strings.Contains(string(b), "show_only") || strings.Contains(string(b), "1234567") || strings.Contains(string(b), "fields") {
		t.Errorf("%s, %v", b, err)
	}
	if err := l.Validate(); err != nil {
		t.Errorf("not a valid plan: %v", err)
	}
	if again := l.Lifeline(); !reflect.DeepEqual(again, l) {
		t.Errorf("the lifeline of a lifeline is %+v", again)
	}
	want, got := compile(t, p), compile(t, l)
	for _, digits := range []string{"201", "202", "112", "0112", "19222", "203", "00044", "03123", "031234", "009", "05", "*", "*6", "*67", "*67201", "*67112", "*6700044", "*7", "*71", "*714", "*7142", "*7142*201", "*714*201", "*715", "*71112"} {
		a, b := want.Route(digits), got.Route(digits)
		ports := func(r Route) (s []string) {
			for _, x := range r.Lines {
				s = append(s, x.Port)
			}
			return s
		}
		if a.Kind != b.Kind || a.Dial != b.Dial || a.Wait != b.Wait || !slices.Equal(ports(a), ports(b)) {
			t.Errorf("%s is %s, by the lifeline %s", digits, show(a), show(b))
		} else if a.Private != b.Private || (a.Code == nil) != (b.Code == nil) {
			t.Errorf("%s is private %v, by the lifeline %v", digits, a.Private, b.Private)
		}
	}
	if u := got.ByExt("202"); u == nil || len(u.Ports) != 0 || u.SIP || got.ByExt("201").SIP {
		t.Errorf("202 is %+v", u)
	}
	if got.Plan.Users[0].ID == "a" || got.Plan.Users[0].ID == "" || got.Plan.Users[0].Ports[1] != "FXS 2" || got.Plan.Lines[1].Port != "FXO 2" {
		t.Error("an id is that of the plan, or a port is lost")
	}
	l.Users[0].Ports[0], l.Lines[0].Rings[0], l.Rules[0].Lines[0] = "x", "x", "x"
	if p.Users[0].Ports[0] == "x" || p.Lines[0].Rings[0] == "x" || p.Rules[0].Lines[0] != "Amt 2" {
		t.Error("the lifeline shares lists with the plan")
	}
}

func bigPlan(t testing.TB) *Numbering {
	return compile(t, Plan{Office: "Office", Country: "ES", OutsidePrefix: "9", Users: users(MaxUsers)})
}

func TestRouteOfManyUsers(t *testing.T) {
	n := bigPlan(t)
	for i := range MaxUsers {
		x := fmt.Sprint(20000 + i)
		if r, at := dial(n, x); at != x || r.User == nil || string(r.User.Ext) != x {
			t.Fatalf("%s is %s after %s", x, show(r), at)
		}
	}
	if r, at := dial(n, "21000"); r.Kind != Unobtainable || at != "21" {
		t.Errorf("21000 is %s after %s, want unobtainable after 21", show(r), at)
	}
	if a := testing.AllocsPerRun(100, func() {
		for _, d := range []string{"2", "20", "209", "2099", "20999", "20999#", "112", "9112", "3"} {
			n.Route(d)
		}
	}); a != 0 {
		t.Errorf("%v allocations", a)
	}
}

func BenchmarkRoute(b *testing.B) {
	n := bigPlan(b)
	digits := "20999"
	for b.Loop() { // an extension, digit by digit
		for i := range len(digits) {
			n.Route(digits[:i+1])
		}
	}
}

func BenchmarkCompile(b *testing.B) {
	p := bigPlan(b).Plan
	for b.Loop() {
		if _, err := Compile(p); err != nil {
			b.Fatal(err)
		}
	}
}
