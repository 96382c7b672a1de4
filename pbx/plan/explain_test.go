package plan

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// explained gives the steps of x, a line each; hints begin with a question mark.
func explained(x Explanation) []string {
	var l []string
	for _, s := range x.Steps {
		if s.Hint {
			s.Text = "? " + s.Text
		}
		l = append(l, s.Text)
	}
	return l
}

func TestExplain(t *testing.T) {
	p := ruled()
	p.Users[1].SIP = true // 202 has no port
	p.Users = append(p.Users, User{Name: "Carla", Ext: "2025", Ports: []string{"FXS 3"}, SIP: true}, User{Name: "Dora", Ext: "203"})
	n := compile(t, p)
	const (
		neither   = "It is neither an emergency number nor an extension."
		help      = "This is an emergency number. Emergency numbers are looked at before everything else, and no rule can change or forbid them."
		sent112   = "The exchange is sent 112, on any exchange line that works."
		both      = "The first line that is free is taken, in this order: Amt 1, Amt 2."
		pause     = "As the number may still go on, the exchange is called when no digit follows for 5 s, or at once with #."
		abroad    = "It begins with 00: it goes to another country."
		overAll   = "Passed over, because they fit less closely: “All”."
		signs     = "The signs * and # and the letters A to D mean nothing here; # may only end a number."
		wrong     = "Character %d cannot be dialled: a number has the digits 0 to 9, perhaps a + in front or a # at the end."
		asksFor   = "The 0 in front asks for an outside call. The outside number is "
		fits      = "Rule “%s” decides: of those that fit its prefix %s is the longest."
		ruleIsAll = "Rule “All” decides: it is for all numbers, and none with a prefix fits."
	)
	for _, c := range []struct {
		from    Ext
		dialled string
		kind    Kind
		want    []string
	}{
		{"201", "112", ToEmergency, []string{help, sent112, "The number is complete, so the call is put through at once."}},
		{"201", "1 1 2 2", ToEmergency, []string{"All is decided with 112: what is dialled after it does not count.", help, sent112, "The number is complete, so the call is put through at once."}},
		{"201", "0112#", ToEmergency, []string{"All is decided with 0112: what is dialled after it does not count.", help, sent112, "The number is complete, so the call is put through at once."}},
		{"201", "0911", ToEmergency, []string{help, "The exchange is sent 911, on any exchange line that works.", "As the number may still go on, the call is put through when no digit follows for 3 s, or at once with #."}},
		{"202", "+49112", ToEmergency, []string{help, sent112, "The telephone sends the number whole, so the call is put through at once."}},
		{"201", "203", ToUser, []string{"It is no emergency number. 203 is an extension.", "No telephone belongs to it, so the call fails.", "The number is complete, so it rings at once."}},
		{"201", "202", ToUser, []string{"It is no emergency number. 202 is an extension.", "What rings: telephones on the network.", "As the number may still go on, it rings when no digit follows for 3 s, or at once with #."}},
		{"201", "202#", ToUser, []string{"It is no emergency number. 202 is an extension.", "What rings: telephones on the network.", "The # ends the number, so it rings at once."}},
		{"202", "2025", ToUser, []string{"It is no emergency number. 2025 is an extension.", "What rings: FXS 3, telephones on the network.", "The telephone sends the number whole, so it rings at once."}},
		{"201", "201", ToUser, []string{"It is no emergency number. 201 is an extension.", "What rings: FXS 1, FXS 2.", "It is the caller's own extension: the telephone that dials does not ring itself.", "The number is complete, so it rings at once."}},
		{"", "0", Incomplete, []string{"The 0 asks for an outside call. The number is to follow.", "When none follows for 15 s, the call fails."}},
		{"202", "20", Incomplete, []string{"More digits are needed: this is only the beginning of a number.", "The telephone sends all digits at once, so the call fails."}},
		{"", "020/123 456", ToOutside, []string{neither, asksFor + "20123456.", ruleIsAll, "The exchange is sent 20123456.", both, pause}},
		{"", "000 44-20", ToOutside, []string{neither, asksFor + "004420.", abroad, fmt.Sprintf(fits, "Britain", "0044"), "Passed over, because they fit less closely: “All”, “Abroad”.",
			"The rule puts 010033 in the place of 00 in front. The exchange is sent 0100334420.", "The first line that is free is taken, in this order: Amt 2, Amt 1.", pause}},
		{"", "0044 20", ToOutside, []string{neither, asksFor + "04420.", "? If a number of another country is meant, 0 is dialled before it, too: 0004420.", ruleIsAll, "The exchange is sent 04420.", both, pause}},
		{"", "00033", ToOutside, []string{neither, asksFor + "0033.", abroad, fmt.Sprintf(fits, "Abroad", "00"), overAll, "The exchange is sent 0033.", "It goes out on one line alone: Amt 2.", pause}},
		{"", "0312345678", ToOutside, []string{"All is decided with 03123456: what is dialled after it does not count.", neither, "The 0 in front asks for an outside call. The outside number begins with 3123456.", fmt.Sprintf(fits, "Town", "3"), overAll,
			"The exchange is sent 3123456.", both, "The number is complete, so the exchange is called at once."}},
		{"202", "0312345678", ToOutside, []string{neither, asksFor + "312345678.", fmt.Sprintf(fits, "Town", "3"), overAll, "The exchange is sent 312345678.", both, "The telephone sends the number whole, so the exchange is called at once."}},
		{"", "05432", ToOutside, []string{neither, asksFor + "5432.", fmt.Sprintf(fits, "Own net", "5"), overAll, "The rule takes away 5 in front. The exchange is sent 432.", both, "The number is complete, so the exchange is called at once."}},
		{"", "082#", ToOutside, []string{neither, asksFor + "82.", fmt.Sprintf(fits, "Long", "8"), overAll, "The rule puts 12345678 in front. The exchange is sent 1234567882.", both, "The # ends the number, so the exchange is called at once."}},
		{"202", "+49 (0)20 12", ToOutside, []string{neither, "A number with + is an outside number. From here it is dialled as 02012.", ruleIsAll, "The exchange is sent 02012.", both, "The telephone sends the number whole, so the exchange is called at once."}},
		{"201", "+4920", ToOutside, []string{"? Only a telephone on the network can send a +; this user has none.", neither, "A number with + is an outside number. From here it is dialled as 020.", "? At a telephone with keys one dials 0020.",
			ruleIsAll, "The exchange is sent 020.", both, "The telephone sends the number whole, so the exchange is called at once."}},
		{"", "00900123", Forbidden, []string{"All is decided with 00900: what is dialled after it does not count.", neither, "The 0 in front asks for an outside call. The outside number begins with 0900.", fmt.Sprintf(fits, "Premium", "0900"), overAll,
			"The rule forbids such numbers: the call is not made.", "No further digit can change that, so the caller is told at once."}},
		{"202", "0004920", ToOutside, []string{neither, asksFor + "020.", "It is dialled by way of abroad but is a number of this country, and is taken for that.", ruleIsAll, "The exchange is sent 020.", both, "The telephone sends the number whole, so the exchange is called at once."}},
		{"", "061", Forbidden, []string{neither, asksFor + "61.", fmt.Sprintf(fits, "Gap", "6"), overAll, "The rule forbids such numbers: the call is not made.", "As the number may still go on, the caller is told when no digit follows for 3 s, or at once with #."}},
		{"", "305551234", Unobtainable, []string{"No emergency number and no extension begins with 3, and it does not begin with 0 for an outside call.", "? If an outside number is meant, 0 is dialled first: 0305551234."}},
		{"202", "1121", Unobtainable, []string{"A shorter emergency number or extension begins it, so it can be no other number."}},
		{"", "05#", Unobtainable, []string{"No digit remains that the exchange could be sent."}},
		{"202", "0" + strings.Repeat("8", 25), Unobtainable, []string{"The exchange would be sent more than 32 digits, which no number has."}},
		{"", "*21", Unobtainable, []string{signs}},
		{"", "02#3", ToOutside, []string{"All is decided with 02#: what is dialled after it does not count.", neither, "The 0 in front asks for an outside call. The outside number begins with 2.", ruleIsAll, "The exchange is sent 2.", both, "The # ends the number, so the exchange is called at once."}},
		{"", "", Unobtainable, []string{"Nothing is dialled."}},
		{"", " -./()", Unobtainable, []string{"Nothing is dialled."}},
		{"", "01x", Unobtainable, []string{fmt.Sprintf(wrong, 3)}},
		{"", "0\x00", Unobtainable, []string{fmt.Sprintf(wrong, 2)}},
		{"", "ü1", Unobtainable, []string{fmt.Sprintf(wrong, 1)}},
		{"", "1\xff", Unobtainable, []string{fmt.Sprintf(wrong, 2)}},
		{"", "++49", Unobtainable, []string{fmt.Sprintf(wrong, 2)}},
		{"", "0+49", Unobtainable, []string{fmt.Sprintf(wrong, 2)}},
		{"", strings.Repeat("1", 65), Unobtainable, []string{"This is longer than 64 characters, which no telephone number is."}},
		{"", strings.Repeat("x", 1<<20), Unobtainable, []string{fmt.Sprintf(wrong, 1)}},
	} {
		x := n.Explain(n.ByExt(c.from), c.dialled)
		if got := explained(x); x.Kind != c.kind || !slices.Equal(got, c.want) {
			t.Errorf("%s dials %.50q: %v\n%s\nwant %v\n%s", c.from, c.dialled, x.Kind, strings.Join(got, "\n"), c.kind, strings.Join(c.want, "\n"))
		}
	}
}

func TestExplainWithoutRulesAndLines(t *testing.T) {
	p := office()
	p.OutsidePrefix = ""
	n := compile(t, p)
	const none = "It is neither an emergency number nor an extension, and there are no outside calls: the plan has no exchange line."
	for dialled, want := range map[string]string{
		"3012": "No extension begins like this, so it is an outside number.|There are no rules: every outside number may be called on every line.",
		"2019": "All is decided with 201: what is dialled after it does not count.",
	} {
		if got := strings.Join(explained(n.Explain(nil, dialled)), "|"); !strings.Contains(got, want) {
			t.Errorf("%s: %s", dialled, got)
		}
	}
	p.Rules = []Rule{{Name: "Town", Prefix: "3"}}
	if got := strings.Join(explained(compile(t, p).Explain(nil, "4012")), "|"); !strings.Contains(got, "No rule fits the number, so it may be called on every line.") {
		t.Error(got)
	}
	p.Lines = nil
	for _, prefix := range []string{"", "0"} {
		p.OutsidePrefix = prefix
		for _, dialled := range []string{prefix + "3012", "+4930123"} {
			if x := compile(t, p).Explain(nil, dialled); x.Kind != Unobtainable || x.Steps[len(x.Steps)-1].Text != none {
				t.Errorf("%s: %v", dialled, x)
			}
		}
	}
}

// TestExplanationNamesNobody: what is shown of a user is for the page to say.
func TestExplanationNamesNobody(t *testing.T) {
	p := ruled()
	p.Office, p.Users[0].Name, p.Users[1].Name = "Secret office", "Anna Secret", "Boris Secret"
	n := compile(t, p)
	for _, from := range []*User{nil, &n.Plan.Users[0], &n.Plan.Users[1]} {
		for _, dialled := range []string{"201", "202", "112", "0201", "00900", "2", "9", "+4930"} {
			if s := strings.Join(explained(n.Explain(from, dialled)), "\n"); strings.Contains(s, "Secret") {
				t.Errorf("%s: %s", dialled, s)
			}
		}
	}
}

// TestExplainPrivate: what is not kept of a call is told.
func TestExplainPrivate(t *testing.T) {
	p := ruled()
	p.PrivatePrefix, p.Users[0].Protected, p.Users[1].SIP = "*67", true, true
	n := compile(t, p)
	const (
		front  = "The *67 in front makes this a private call: who is called is not kept."
		caller = "The caller is protected: who is called is not kept."
		called = "Who is called is protected: who calls is not kept."
		help   = "An emergency call is kept with its number all the same."
	)
	for _, c := range []struct {
		from    Ext
		dialled string
		kind    Kind
		dial    string
		want    []string // of these four, and hints
	}{
		{"", "202", ToUser, "", nil},
		{"", "*67 202", ToUser, "", []string{front}},
		{"202", "*67 201", ToUser, "", []string{front, called}},
		{"202", "201", ToUser, "", []string{called}},
		{"201", "202", ToUser, "", []string{caller}},
		{"201", "*67 202", ToUser, "", []string{front, caller}},
		{"202", "112", ToEmergency, "112", nil},
		{"202", "*67112", ToEmergency, "112", []string{help}},
		{"201", "112", ToEmergency, "112", []string{help}},
		{"", "*67 0 20 5555#", ToOutside, "205555", []string{front}},
		{"202", "*67 +49 205555", ToOutside, "0205555", []string{front}},
		{"", "*67 +49 205555", ToOutside, "0205555", []string{front, "? At a telephone with keys one dials *6700205555."}},
		{"", "*67", Incomplete, "", []string{front}},
		{"", "*67#", Unobtainable, "", []string{front}},
		{"", "*67 30", Unobtainable, "", []string{front, "? If an outside number is meant, 0 is dialled first: *67030."}},
		{"", "*21", Unobtainable, "", []string{"? For a private call *67 is dialled before the number."}},
	} {
		x := n.Explain(n.ByExt(c.from), c.dialled)
		var got []string
		for _, s := range explained(x) {
			if slices.Contains([]string{front, caller, called, help}, s) || s[0] == '?' && !strings.Contains(s, "Only a telephone") {
				got = append(got, s)
			}
		}
		if !slices.Equal(got, c.want) || x.Kind != c.kind || x.Dial != c.dial {
			t.Errorf("%s dials %s: %v %q\n%s", c.from, c.dialled, x.Kind, x.Dial, strings.Join(explained(x), "\n"))
		}
	}
}

// FuzzExplain holds it against the switch, and its sentences to what a person reads.
func FuzzExplain(f *testing.F) {
	for _, s := range []string{"112", "0911", "00044 20", "+49 112", "06", "0900", "0#", "*", "*67 +49 112", "*670#", "*7142*0112", "*67*711", "\x00", strings.Repeat("0", 70)} {
		f.Add(s)
	}
	p := ruled()
	p.PrivatePrefix, p.CodePrefix, p.Codes = "*67", "*71", []Code{{"A", "42"}, {"B", "1"}, {"C", "12"}}
	n, err := Compile(p)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		checkExplained(t, n, typed)
		x := n.Explain(nil, typed)
		if len(x.Steps) > 12 || len(x.Dialled) > MaxExplained {
			t.Errorf("%q: %d steps", typed, len(x.Steps))
		}
		if e := n.Emergency(typed); e && n.badDialled(typed) == "" && x.Kind != ToEmergency && !strings.HasPrefix(Digits(typed), "+") {
			t.Errorf("%q is an emergency number, explained as %v", typed, x.Kind)
		}
	})
}
