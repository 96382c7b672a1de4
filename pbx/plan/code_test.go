package plan

import (
	"fmt"
	"strings"
	"testing"
)

// coded gives the office with accounting codes, of which one begins with another.
func coded() Plan {
	p := ruled()
	p.PrivatePrefix, p.CodePrefix = "*67", "*71"
	p.Codes = []Code{{"Client", "42"}, {"Matter", "5"}, {"Other", "51"}, {"Long", "123456789012"}, {"Help", "1105"}}
	return p
}

// TestCode: in front of a number a code sets Code, and the number means what it does without.
func TestCode(t *testing.T) {
	n := compile(t, coded())
	for dialled, want := range map[string]string{
		"*7": "incomplete", "*71": "incomplete", "*71#": "unobtainable", "*71*": "unobtainable", "*71A": "unobtainable", "*714": "incomplete", "*714#": "unobtainable",
		"*7142": "Client: incomplete", "*7142*": "Client: incomplete", "*7142**": "Client: incomplete", "*7142***": "Client: unobtainable", "*7142#": "Client: unobtainable",
		"*7142*202": "Client: user 202", "*7142202": "Client: user 202", "*7142*0": "Client: incomplete", "*7142*00900": "Client: forbidden by Premium", "*7142*05432": "Client: outside 432 by Own net on Amt 1, Amt 2",
		// One that another begins with needs its star.
		"*715": "incomplete", "*715*": "Matter: incomplete", "*715*202": "Matter: user 202", "*7151": "Other: incomplete", "*7151*202": "Other: user 202", "*7152": "unobtainable", "*71520": "unobtainable",
		"*71123456789012": "Long: incomplete", "*71123456789012*202": "Long: user 202", "*711234567890123": "Long: unobtainable", "*7112345678901": "incomplete",
		// Nobody's.
		"*719": "incomplete", "*71912": "unobtainable", "*718": "unobtainable", "*714*": "unobtainable", "*714*202": "unobtainable", "*714*+4930": "unobtainable", "*7151202": "Other: user 202",
		// Both prefixes, in either order, and each more than once; of codes the last counts.
		"*67*7142*202": "Client: private user 202", "*7142*67202": "Client: unobtainable", "*7142**67202": "Client: private user 202", "*7142**67": "Client: private incomplete",
		"*67*71": "private incomplete", "*7142**6": "Client: incomplete", "*7142**67*67202": "Client: private user 202", "*7142**7151*202": "Other: user 202", "*7142**719*": "unobtainable", "*719**7142*202": "Client: user 202",
		// Help, behind a code, behind one that nobody has, and in the place of one.
		"*7142*112": "Client: emergency 112", "*7142112": "Client: emergency 112", "*7142*0112": "Client: emergency 112", "*67*7142*112": "Client: private emergency 112", "*7142**67112": "Client: private emergency 112",
		"*719*112": "emergency 112", "*71*112": "emergency 112", "*71112": "emergency 112", "*71112#": "emergency 112", "*710112": "emergency 112", "*71911": "emergency 911", "*7111": "incomplete", "*71+112": "emergency 112", "*71+49112": "emergency 112", "*71+4930": "unobtainable",
		"*71110": "incomplete", "*71110*": "unobtainable", "*711105": "Help: incomplete", "*71110*110": "emergency 110", // a code begins so
		"*7142*+49112": "Client: emergency 112", "*7142*+4930123": "Client: outside 030123 by All on Amt 1, Amt 2",
		"0*7142*202": "unobtainable", "7142*202": "unobtainable", "+*7142*202": "unobtainable", "": "incomplete", "202": "user 202",
	} {
		r := n.Route(dialled)
		if got := show(r); got != want {
			t.Errorf("%s is %s, want %s", dialled, got, want)
		}
		if r.Code == nil && r.Kind != ToEmergency && strings.HasPrefix(dialled, "*71") && r.Behind != "" {
			t.Errorf("%s: behind a code that nobody has stands %s", dialled, r.Behind)
		}
	}
	for dialled, want := range map[string]string{"*7142*0301234#": "0301234#", "*67*7142202": "202", "*7142**67+4930": "+4930", "*714": "", "*714*202": "", "*71112": "112", "0301": "0301"} {
		if r := n.Route(dialled); r.Behind != want {
			t.Errorf("%s: %q stands behind", dialled, r.Behind)
		}
	}
	s := &n.Country.Timers
	for dialled, want := range map[string]struct {
		wait int64
		tone bool
	}{
		"*71": {int64(s.FirstDigit), false}, "*714": {int64(s.InterDigit), false}, "*7142": {int64(s.FirstDigit), true}, "*7142*": {int64(s.FirstDigit), true}, "*7142*0": {int64(s.FirstDigit), true}, "*7142*02": {int64(s.InterDigit), false},
		"*7111": {int64(s.InterDigit), false}, "*71011": {int64(s.FirstDigit), false}, "*719": {int64(s.FirstDigit), false}, "*71112": {}, "*718": {}, "*7142*202": {}, "*7142**67": {int64(s.FirstDigit), true},
	} {
		if r := n.Route(dialled); int64(r.Wait) != want.wait || r.DialTone != want.tone {
			t.Errorf("%s waits %v, dial tone %v", dialled, r.Wait, r.DialTone)
		}
	}
	if !n.Emergency("*71 42 * 112") || !n.Emergency("*71 9 * 112") || n.Emergency("*71 42 * 202") {
		t.Error("a call for help behind a code is none")
	}
	if a := testing.AllocsPerRun(100, func() {
		n.Route("*71")
		n.Route("*7142")
		n.Route("*7142*202")
		n.Route("*71112")
		n.Route("*719*1")
	}); a != 0 {
		t.Errorf("%v allocations", a)
	}
	p := coded()
	p.CodePrefix, p.Codes = "", nil
	if got := show(compile(t, p).Route("*7142*202")); got != "unobtainable" {
		t.Errorf("without codes it is %s", got)
	}
}

// TestCodeOfADial: telephones without a star dial a prefix of digits, and no star.
func TestCodeOfADial(t *testing.T) {
	p := coded()
	p.CodePrefix, p.PrivatePrefix = "71", "77"
	n := compile(t, p)
	for dialled, want := range map[string]string{"7142202": "Client: user 202", "717": "unobtainable", "714277202": "Client: private user 202", "777142202": "Client: private user 202", "7142112": "Client: emergency 112", "7142*202": "Client: user 202"} {
		if r, _ := dial(n, dialled); show(r) != want {
			t.Errorf("%s is %s, want %s", dialled, show(r), want)
		}
	}
}

// TestMaxDialled: as many signs as may count are looked at, digit by digit.
func TestMaxDialled(t *testing.T) {
	n := compile(t, coded())
	longest := "*67*71123456789012*0" + strings.Repeat("2", maxDial)
	if r, at := dial(n, longest); show(r) != "Long: private outside "+strings.Repeat("2", maxDial)+" by All on Amt 1, Amt 2" || len(at) != n.MaxDialled() {
		t.Errorf("%d of %d signs: %s", len(at), n.MaxDialled(), show(r))
	}
}

// TestExplainCode: a code is told, and not whose it is.
func TestExplainCode(t *testing.T) {
	n := compile(t, coded())
	const (
		front   = "The *71 in front and what follows it is an accounting code. It is kept with the call, by its name."
		private = "The *67 in front makes this a private call: who is called is not kept."
		none    = "No accounting code is dialled like this."
		open    = "The *71 asks for an accounting code, which is not over. A * ends it, and the number is to follow."
	)
	for dialled, want := range map[string][]string{
		"*71 42 * 201":              {front, "It is no emergency number. 201 is an extension."},
		"*67 *71 42 * 0 20 5555#":   {front, private, "The 0 in front asks for an outside call. The outside number is 205555."},
		"*71 42 * +49 20 5555":      {front, "? At a telephone with keys one dials *7142*00205555."},
		"*71 42 *":                  {front, "The number is to follow."},
		"*71 42 #":                  {front, "No number follows it."},
		"*71 4":                     {open, "When none follows for 5 s, the call fails."},
		"*71 8":                     {none},
		"*71 4 * 201":               {none},
		"*71 112":                   {"This is an emergency number."},
		"*71 42 * 35551234":         {front, "? If an outside number is meant, 0 is dialled first: *7142*035551234."},
		"*67 *71 42 * 112":          {front, "An emergency call is kept with its number all the same."},
		"*71 123456789012 * 0 2222": {front, "As the number may still go on"},
	} {
		x := n.Explain(nil, dialled)
		all := strings.Join(explained(x), "\n")
		for _, s := range want {
			if !strings.Contains(all, s) {
				t.Errorf("%s: want %q in\n%s", dialled, s, all)
			}
		}
		if strings.Contains(all, front) != strings.Contains(strings.Join(want, ""), front) || strings.Contains(all, none) != strings.Contains(strings.Join(want, ""), none) {
			t.Errorf("%s:\n%s", dialled, all)
		}
		for _, c := range n.Plan.Codes {
			if strings.Contains(all, c.Name) {
				t.Errorf("%s: names %s\n%s", dialled, c.Name, all)
			}
		}
	}
}

func TestValidateCodes(t *testing.T) {
	many := func(n int) (l []Code) {
		for i := range n {
			l = append(l, Code{fmt.Sprint("Client ", i), fmt.Sprint(i)})
		}
		return l
	}
	const (
		signs  = "must be 1 to 12 digits and nothing else"
		clash  = "is the private-call prefix, begins with it or is its beginning"
		prefix = "code_prefix: "
	)
	for _, c := range []struct {
		prefix, private string
		codes           []Code
		want            string // empty: nothing is wrong
	}{
		{"*71", "*67", []Code{{"A", "1"}, {"B", "12"}, {"C", "123456789012"}, {"D", "112"}, {"E", "201"}, {"F", "0"}}, ""},
		{"*71", "", nil, ""},
		{"71", "", many(1000), ""},
		{"*71", "", many(1001), "codes: has more than 1000 codes"},
		{"*71", "", []Code{{"", "1"}}, "codes[0].name: is missing or empty"},
		{"*71", "", []Code{{"a\x00", "1"}}, "codes[0].name: holds a control character, which cannot be seen"},
		{"*71", "", []Code{{strings.Repeat("x", 65), "1"}}, "codes[0].name: is longer than 64 characters"},
		{"*71", "", []Code{{"A", "1"}, {"A", "2"}}, "codes[1].name: is also the name of codes[0]"},
		{"*71", "", []Code{{"A", "1"}, {"B", "1"}}, "codes[1].digits: are also the digits of codes[0]"},
		{"*71", "", []Code{{"A", ""}}, "codes[0].digits: " + signs},
		{"*71", "", []Code{{"A", "1234567890123"}}, "codes[0].digits: " + signs},
		{"*71", "", []Code{{"A", "4*2"}}, "codes[0].digits: " + signs},
		{"*71", "", []Code{{"A", "４２"}}, "codes[0].digits: " + signs},
		{"", "", []Code{{"A", "1"}}, prefix + "is missing: the codes could not be dialled"},
		{"*71", "*71", nil, prefix + clash},
		{"*71", "*7", nil, prefix + clash},
		{"*7", "*71", nil, prefix + clash},
		{"*", "", nil, prefix + privateSigns},
		{"7", "", nil, prefix + privateSigns},
		{"*7#", "", nil, prefix + privateSigns},
		{"*12345678", "", nil, prefix + privateSigns},
		{"07", "", nil, prefix + "begins with the digit for outside calls"},
		{"112", "", nil, prefix + privateHelp},
		{"11", "", nil, prefix + privateHelp},
		{"20", "", nil, prefix + "is the extension of users[0], begins with it or is its beginning"},
	} {
		p := office()
		p.CodePrefix, p.PrivatePrefix, p.Codes = c.prefix, c.private, c.codes
		if got := strings.Join(told(p.Validate()), "; "); got != c.want {
			t.Errorf("told %q, want %q", got, c.want)
		}
	}
	p := office()
	if p.OutsidePrefix, p.CodePrefix = "", "71"; strings.Join(told(p.Validate()), "") != prefix+"must begin with * in an office without a digit for outside calls" {
		t.Errorf("told %q", told(p.Validate()))
	}
}

func TestCloneSharesNothing(t *testing.T) {
	p := coded()
	p.Fields = []Field{Place}
	c := p.Clone()
	c.Codes[0].Name, c.Fields[0] = "x", Mobile
	if p.Codes[0].Name != "Client" || p.Fields[0] != Place {
		t.Error("a clone shares codes or fields")
	}
}
