package plan

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"sotto/pbx/country"
)

// office gives a valid plan of a German office with two users and two lines.
func office() Plan {
	return Plan{Office: "Office", Country: "DE", OutsidePrefix: "0",
		Users: []User{{ID: "a", Name: "Anna", Ext: "201", Ports: []string{"FXS 1", "FXS 2"}}, {ID: "b", Name: "Boris", Ext: "202"}},
		Lines: []Line{{Name: "Amt 1", Port: "FXO 1"}, {Name: "Amt 2", Port: "FXO 2"}},
	}
}

// TestValidate changes one thing at a time: exactly that is told.
func TestValidate(t *testing.T) {
	const (
		missing    = "is missing or empty"
		space      = "begins or ends with a space"
		control    = "holds a control character, which cannot be seen"
		long       = "is longer than 64 characters"
		ext        = "must be 1 to 8 digits and nothing else"
		emergency  = "is an emergency number or begins with one, so it could never be reached"
		beginning  = "is the beginning of an emergency number: who dials that slowly would reach this extension instead"
		help       = "is an emergency number or begins with one, which no rule can change"
		listed     = "stands in this list already"
		lineBreak  = "must be from 80 to 600, or left out"
		ruleDigits = "must be digits and nothing else, 32 at most"
		useless    = "has no meaning in a rule that forbids: leave it out"
	)
	codes := "must be a country code: one of " + strings.Join(country.Codes(), ", ")
	for _, c := range []struct {
		change     func(p *Plan)
		path, text string // empty: nothing is wrong
	}{
		{func(p *Plan) {}, "", ""},
		{func(p *Plan) { *p = Plan{Office: "Office", Country: "US"} }, "", ""},
		{func(p *Plan) { p.Office = "" }, "office", missing},
		{func(p *Plan) { p.Office = "Büro " }, "office", space},
		{func(p *Plan) { p.Office = "\u00a0Büro" }, "office", space},
		{func(p *Plan) { p.Office = "a\tb" }, "office", control},
		{func(p *Plan) { p.Office = "a\x7fb" }, "office", control},
		{func(p *Plan) { p.Office = "a\u2028b" }, "office", control},
		{func(p *Plan) { p.Office = "a\u202eb" }, "office", control}, // the rest would be shown from right to left
		{func(p *Plan) { p.Office = "a\xffb" }, "office", "is not UTF-8 text"},
		{func(p *Plan) { p.Office = strings.Repeat("ü", 64) }, "", ""},
		{func(p *Plan) { p.Office = strings.Repeat("ü", 65) }, "office", long},
		{func(p *Plan) { p.Country = "" }, "country", codes},
		{func(p *Plan) { p.Country = "Germany" }, "country", codes},
		{func(p *Plan) { p.Country = "de" }, "", ""},
		{func(p *Plan) { p.OutsidePrefix = "" }, "", ""},
		{func(p *Plan) { p.OutsidePrefix = "00" }, "outside_prefix", "must be one digit, or left out"},
		{func(p *Plan) { p.OutsidePrefix = "*" }, "outside_prefix", "must be one digit, or left out"},
		{func(p *Plan) { p.RingSeconds = 10 }, "", ""},
		{func(p *Plan) { p.RingSeconds = 300 }, "", ""},
		{func(p *Plan) { p.RingSeconds = 9 }, "ring_seconds", "must be from 10 to 300, or left out"},
		{func(p *Plan) { p.RingSeconds = 301 }, "ring_seconds", "must be from 10 to 300, or left out"},
		{func(p *Plan) { p.RingSeconds = -60 }, "ring_seconds", "must be from 10 to 300, or left out"},

		{func(p *Plan) { p.Emergency = []string{"19222", "112", "19222"} }, "", ""},
		{func(p *Plan) { p.Emergency = []string{"19222", "1"} }, "emergency[1]", "must be 2 to 8 digits"},
		{func(p *Plan) { p.Emergency = []string{""} }, "emergency[0]", "must be 2 to 8 digits"},
		{func(p *Plan) { p.Emergency = []string{"123456789"} }, "emergency[0]", "must be 2 to 8 digits"},
		{func(p *Plan) { p.Emergency = []string{"+491"} }, "emergency[0]", "must be 2 to 8 digits"},
		{func(p *Plan) { p.Emergency = []string{"1122"} }, "emergency[0]", "begins with another emergency number, so it could never be dialled"},
		{func(p *Plan) { p.Emergency = []string{"11"} }, "emergency[0]", "is the beginning of another emergency number, which could then never be dialled"},
		{func(p *Plan) { p.Emergency = []string{"300", "30"} }, "emergency[1]", "is the beginning of another emergency number, which could then never be dialled"},
		{func(p *Plan) { p.Emergency = slices.Repeat([]string{"300"}, 33) }, "emergency", "has more than 32 numbers"},

		{func(p *Plan) { p.Users[1].Name = "" }, "users[1].name", missing},
		{func(p *Plan) { p.Users[1].Name = "Anna" }, "", ""},
		{func(p *Plan) { p.Users[1].SIP = true }, "", ""}, // it needs no port
		{func(p *Plan) { p.Users[0].SIP = true }, "", ""}, // and may have some
		{func(p *Plan) { p.Users[1].ID = "" }, "", ""},
		{func(p *Plan) { p.Users[0].ID, p.Users[1].ID = "", "" }, "", ""},
		{func(p *Plan) { p.Users[1].ID = "a" }, "users[1].id", "is also the id of users[0]"},
		{func(p *Plan) { p.Users[1].ID = UserID(strings.Repeat("x", 65)) }, "users[1].id", long},
		{func(p *Plan) { p.Users[1].ID = "a\x00" }, "users[1].id", control},
		{func(p *Plan) { p.Users[1].Ext = "" }, "users[1].ext", missing},
		{func(p *Plan) { p.Users[1].Ext = "12345678" }, "", ""},
		{func(p *Plan) { p.Users[1].Ext = "123456789" }, "users[1].ext", ext},
		{func(p *Plan) { p.Users[1].Ext = "20 2" }, "users[1].ext", ext},
		{func(p *Plan) { p.Users[1].Ext = "*2" }, "users[1].ext", ext},
		{func(p *Plan) { p.Users[1].Ext = "２" }, "users[1].ext", ext}, // a wide digit
		{func(p *Plan) { p.Users[1].Ext = "201" }, "users[1].ext", "is also the extension of users[0]"},
		{func(p *Plan) { p.Users[1].Ext = "2" }, "", ""},
		{func(p *Plan) { p.Users[1].Ext = "2012" }, "", ""},
		{func(p *Plan) { p.Users[1].Ext = "112" }, "users[1].ext", emergency},
		{func(p *Plan) { p.Users[1].Ext = "1104" }, "users[1].ext", emergency},
		{func(p *Plan) { p.Users[1].Ext = "1" }, "users[1].ext", beginning},
		{func(p *Plan) { p.Users[1].Ext = "11" }, "users[1].ext", beginning},
		{func(p *Plan) { p.Users[1].Ext = "911" }, "", ""}, // tolerated here: it gives way
		{func(p *Plan) { p.Users[1].Ext = "91" }, "", ""},
		{func(p *Plan) { p.Emergency = []string{"202"} }, "users[1].ext", emergency},
		{func(p *Plan) { p.Emergency = []string{"2025"} }, "users[1].ext", beginning},
		{func(p *Plan) { p.Users[1].Ext = "0" }, "users[1].ext", "begins with the digit for outside calls"},
		{func(p *Plan) { p.Users[1].Ext = "0201" }, "users[1].ext", "begins with the digit for outside calls"},
		{func(p *Plan) { p.Users[1].Ext, p.OutsidePrefix = "0201", "" }, "", ""},
		{func(p *Plan) { p.Users[1].Ports = []string{""} }, "users[1].ports[0]", missing},
		{func(p *Plan) { p.Users[1].Ports = []string{"FXS 3", "FXS 3"} }, "users[1].ports[1]", "this port is also that of users[1].ports[0]"},
		{func(p *Plan) { p.Users[1].Ports = []string{"FXS 2"} }, "users[1].ports[0]", "this port is also that of users[0].ports[1]"},
		{func(p *Plan) { p.Lines[0].Port = "FXS 1" }, "lines[0].port", "this port is also that of users[0].ports[0]"},
		{func(p *Plan) { p.Lines[1].Port = "FXO 1" }, "lines[1].port", "this port is also that of lines[0].port"},
		{func(p *Plan) { p.Lines[1].Port = "" }, "lines[1].port", missing},
		{func(p *Plan) { p.Lines[1].Port = "Anna" }, "lines[1].port", noPort},
		{func(p *Plan) { p.Lines[1].Port = "FXO 02" }, "lines[1].port", noPort},
		{func(p *Plan) { p.Lines[1].Port = "FXO 100" }, "lines[1].port", noPort},
		{func(p *Plan) { p.Users[0].Ports[0] = "FXS" }, "users[0].ports[0]", noPort},
		{func(p *Plan) { p.Lines[1].Name = "" }, "lines[1].name", missing},
		{func(p *Plan) { p.Lines[1].Name = "Amt 1" }, "lines[1].name", "is also the name of lines[0]"},
		{func(p *Plan) { p.Users = users(1000) }, "", ""},
		{func(p *Plan) { p.Users = users(1001) }, "users", "has more than 1000 users"},
		{func(p *Plan) { p.Lines = lines(64) }, "", ""},
		{func(p *Plan) { p.Lines = lines(65) }, "lines", "has more than 64 lines"},
		{func(p *Plan) { p.Lines[0].Rings = []Ext{"201", "202"} }, "", ""},
		{func(p *Plan) { p.Lines[0].Rings = []Ext{"201", "203"} }, "lines[0].rings[1]", "is not the extension of a user"},
		{func(p *Plan) { p.Lines[0].Rings = []Ext{""} }, "lines[0].rings[0]", "is not the extension of a user"},
		{func(p *Plan) { p.Lines[0].Rings = []Ext{"201", "201"} }, "lines[0].rings[1]", listed},
		{func(p *Plan) {
			p.Users, p.Lines[0].Rings = users(1000), append(exts(1000), "1")
		}, "lines[0].rings", "has more than 1000 extensions"},
		{func(p *Plan) { p.Lines[1].Break = 80 }, "", ""},
		{func(p *Plan) { p.Lines[1].Break = 600 }, "", ""},
		{func(p *Plan) { p.Lines[1].Break = 79 }, "lines[1].break", lineBreak},
		{func(p *Plan) { p.Lines[1].Break = 601 }, "lines[1].break", lineBreak},
		{func(p *Plan) { p.Lines[1].Break = -80 }, "lines[1].break", lineBreak},

		{private("*67"), "", ""},
		{private("*31*"), "", ""},
		{private("77"), "", ""},
		{private("*1234567"), "", ""},
		{private("*12345678"), "private_prefix", privateSigns},
		{private("*"), "private_prefix", privateSigns},
		{private("7"), "private_prefix", privateSigns},
		{private("**"), "private_prefix", privateSigns},
		{private("#31#"), "private_prefix", privateSigns},
		{private("*6 7"), "private_prefix", privateSigns},
		{private("*A1"), "private_prefix", privateSigns},
		{private("*\xff1"), "private_prefix", privateSigns},
		{private("067"), "private_prefix", "begins with the digit for outside calls"},
		{private("112"), "private_prefix", privateHelp},
		{private("11"), "private_prefix", privateHelp},
		{private("1125"), "private_prefix", privateHelp},
		{private("91"), "private_prefix", privateHelp}, // 911 is tolerated
		{private("20"), "private_prefix", "is the extension of users[0], begins with it or is its beginning"},
		{private("2020"), "private_prefix", "is the extension of users[1], begins with it or is its beginning"},
		{func(p *Plan) { p.Emergency, p.PrivatePrefix = []string{"19222"}, "192" }, "private_prefix", privateHelp},
		{func(p *Plan) { p.OutsidePrefix, p.PrivatePrefix = "", "*67" }, "", ""},
		{func(p *Plan) { p.OutsidePrefix, p.PrivatePrefix = "", "77" }, "private_prefix", "must begin with * in an office without a digit for outside calls"},

		{func(p *Plan) { p.AreaCode = "30" }, "", ""},
		{func(p *Plan) { p.AreaCode = "39999" }, "", ""},
		{func(p *Plan) { p.AreaCode = "399999" }, "area_code", areaDigits},
		{func(p *Plan) { p.AreaCode = "+30" }, "area_code", areaDigits},
		{func(p *Plan) { p.AreaCode = "030" }, "area_code", "must be without the digit for national calls"},
		{func(p *Plan) { p.Country, p.AreaCode = "IT", "06" }, "", ""},

		{func(p *Plan) { p.Rules = ruled().Rules }, "", ""},
		{func(p *Plan) { p.Rules = manyRules(200) }, "", ""},
		{func(p *Plan) { p.Rules = manyRules(201) }, "rules", "has more than 200 rules"},
		{rules(Rule{}), "rules[0].name", missing},
		{rules(Rule{Name: "a\nb"}), "rules[0].name", control},
		{rules(Rule{Name: "A"}, Rule{Name: "A", Prefix: "1"}), "rules[1].name", "is also the name of rules[0]"},
		{rules(Rule{Name: "A", Prefix: "0x"}), "rules[0].prefix", ruleDigits},
		{rules(Rule{Name: "A", Prefix: "+49"}), "rules[0].prefix", ruleDigits},
		{rules(Rule{Name: "A", Prefix: strings.Repeat("2", 32)}), "", ""},
		{rules(Rule{Name: "A", Prefix: strings.Repeat("2", 33)}), "rules[0].prefix", ruleDigits},
		{rules(Rule{Name: "A"}, Rule{Name: "B"}), "rules[1].prefix", "is also the prefix of rules[0], so this rule could never count"},
		{rules(Rule{Name: "A", Prefix: "5"}, Rule{Name: "B", Prefix: "5", Forbid: true}), "rules[1].prefix", "is also the prefix of rules[0], so this rule could never count"},
		{rules(Rule{Name: "A", Prefix: "112"}), "rules[0].prefix", help},
		{rules(Rule{Name: "A", Prefix: "1105", Forbid: true}), "rules[0].prefix", help},
		{rules(Rule{Name: "A", Prefix: "11"}), "", ""}, // for 113 and on
		{rules(Rule{Name: "A", Prefix: "911"}), "", ""},
		{rules(Rule{Name: "A", Prefix: "201"}), "", ""}, // the digit for outside calls keeps them apart
		{func(p *Plan) { p.OutsidePrefix, p.Rules = "", []Rule{{Name: "A", Prefix: "201"}} }, "rules[0].prefix", "is the extension of users[0] or begins with it, so it could never be dialled"},
		{func(p *Plan) { p.OutsidePrefix, p.Rules = "", []Rule{{Name: "A", Prefix: "2025"}} }, "rules[0].prefix", "is the extension of users[1] or begins with it, so it could never be dialled"},
		{func(p *Plan) { p.OutsidePrefix, p.Rules = "", []Rule{{Name: "A", Prefix: "20"}} }, "", ""},
		{func(p *Plan) { p.Country, p.OutsidePrefix, p.Rules = "US", "9", []Rule{{Name: "A", Prefix: "11"}} }, "rules[0].prefix", help},
		{func(p *Plan) { p.Country, p.OutsidePrefix, p.Rules = "AU", "0", []Rule{{Name: "A", Prefix: "0011"}} }, "", ""},
		{func(p *Plan) { p.Country, p.OutsidePrefix, p.Rules = "AU", "0", []Rule{{Name: "A", Prefix: "0005"}} }, "rules[0].prefix", help},
		{rules(Rule{Name: "A", Digits: 32}), "", ""},
		{rules(Rule{Name: "A", Digits: 33}), "rules[0].digits", "must be from 1 to 32, or left out"},
		{rules(Rule{Name: "A", Digits: -1}), "rules[0].digits", "must be from 1 to 32, or left out"},
		{rules(Rule{Name: "A", Prefix: "123", Digits: 3}), "", ""},
		{rules(Rule{Name: "A", Prefix: "123", Digits: 2}), "rules[0].digits", "is less than the prefix has digits"},
		{rules(Rule{Name: "A", Prefix: "123", Strip: 3}), "", ""},
		{rules(Rule{Name: "A", Prefix: "123", Strip: 4}), "rules[0].strip", "is more than the prefix has digits: a rule takes away nothing else"},
		{rules(Rule{Name: "A", Prefix: "123", Strip: -1}), "rules[0].strip", "must be the number of digits to take away, or left out"},
		{rules(Rule{Name: "A", Prefix: "123", Strip: 3, Digits: 3}), "rules[0].strip", "takes away all digits, so nothing would be dialled"},
		{rules(Rule{Name: "A", Prefix: "123", Strip: 3, Digits: 3, Prepend: "4"}), "", ""},
		{rules(Rule{Name: "A", Prepend: "*31"}), "rules[0].prepend", ruleDigits},
		{rules(Rule{Name: "A", Prepend: strings.Repeat("1", 33)}), "rules[0].prepend", ruleDigits},
		{rules(Rule{Name: "A", Lines: []string{"Amt 2", "Amt 1"}}), "", ""},
		{rules(Rule{Name: "A", Lines: []string{"Amt 1", "amt 2"}}), "rules[0].lines[1]", "is not the name of a line"},
		{rules(Rule{Name: "A", Lines: []string{"Amt 1", "Amt 1"}}), "rules[0].lines[1]", listed},
		{func(p *Plan) { p.Lines = lines(64); p.Rules = []Rule{{Name: "A", Lines: append(lineNames(64), "x")}} }, "rules[0].lines", "has more than 64 lines"},
		{rules(Rule{Name: "A", Forbid: true, Digits: 3}), "rules[0].digits", useless},
		{rules(Rule{Name: "A", Forbid: true, Strip: 3}), "rules[0].strip", useless},
		{rules(Rule{Name: "A", Forbid: true, Prepend: "3"}), "rules[0].prepend", useless},
		{rules(Rule{Name: "A", Forbid: true, Lines: []string{"Amt 1"}}), "rules[0].lines", useless},
	} {
		p := office()
		c.change(&p)
		var want []string
		if c.path != "" {
			want = []string{c.path + ": " + c.text}
		}
		if got := told(p.Validate()); !slices.Equal(got, want) {
			t.Errorf("told %q, want %q", got, want)
		}
		if _, err := Compile(p); !slices.Equal(told(err), want) {
			t.Errorf("Compile tells %q, want %q", told(err), want)
		}
	}
}

const (
	privateSigns = "must be 2 to 8 signs, digits and *, with at least one digit, or left out"
	privateHelp  = "is an emergency number, begins with one or is the beginning of one"
	areaDigits   = "must be at most 5 digits and nothing else, or left out"
)

// private puts a private-call prefix into a plan.
func private(s string) func(p *Plan) { return func(p *Plan) { p.PrivatePrefix = s } }

func users(n int) []User {
	l := make([]User, n)
	for i := range l {
		l[i] = User{ID: UserID(fmt.Sprint("u", i)), Name: "Person", Ext: Ext(fmt.Sprint(20000 + i))}
	}
	return l
}

func exts(n int) []Ext {
	var l []Ext
	for _, u := range users(n) {
		l = append(l, u.Ext)
	}
	return l
}

// rules puts rules into a plan.
func rules(l ...Rule) func(p *Plan) { return func(p *Plan) { p.Rules = l } }

func manyRules(n int) []Rule {
	l := make([]Rule, n)
	for i := range l {
		l[i] = Rule{Name: fmt.Sprint("Rule ", i), Prefix: fmt.Sprint(2000 + i)}
	}
	return l
}

func lineNames(n int) []string {
	var l []string
	for _, x := range lines(n) {
		l = append(l, x.Name)
	}
	return l
}

const noPort = "must be the name of a port as it stands on the box, such as FXS 1 or FXO 1"

func lines(n int) []Line {
	l := make([]Line, n)
	for i := range l {
		l[i] = Line{Name: fmt.Sprint("line ", i), Port: fmt.Sprint("FXO ", i+1)}
	}
	return l
}
