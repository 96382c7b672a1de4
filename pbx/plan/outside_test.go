package plan

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"sotto/pbx/country"
	"sotto/pbx/number"
)

func TestMaxDialIsThatOfNumbers(t *testing.T) {
	if maxDial != number.MaxDigits {
		t.Errorf("%d digits, a number has %d", maxDial, number.MaxDigits)
	}
}

// ruled gives the office with rules of every kind.
func ruled() Plan {
	p := office()
	p.Rules = []Rule{
		{Name: "All"},
		{Name: "Premium", Prefix: "0900", Forbid: true},
		{Name: "Abroad", Prefix: "00", Lines: []string{"Amt 2"}},
		{Name: "Britain", Prefix: "0044", Strip: 2, Prepend: "010033", Lines: []string{"Amt 2", "Amt 1"}},
		{Name: "Town", Prefix: "3", Digits: 7},
		{Name: "Short", Prefix: "34", Digits: 5},
		{Name: "Short dial", Prefix: "7", Digits: 1, Strip: 1, Prepend: "03012345"},
		{Name: "Own net", Prefix: "5", Digits: 4, Strip: 1},
		{Name: "Own", Prefix: "55", Digits: 4},
		{Name: "Long", Prefix: "8", Prepend: "12345678"},
		{Name: "Gap", Prefix: "6", Forbid: true},
		{Name: "In the gap", Prefix: "6123"},
	}
	return p
}

func TestRouteOutside(t *testing.T) {
	n := compile(t, ruled())
	const a, b = " on Amt 1, Amt 2", " on Amt 2"
	for dialled, want := range map[string]string{
		"0":     "incomplete",
		"0#":    "unobtainable",
		"02":    "outside or more 2 by All" + a,
		"02#":   "outside 2 by All" + a,
		"0 2":   "unobtainable", // Digits takes spaces out before
		"02*":   "unobtainable",
		"02#3":  "unobtainable",
		"02A":   "unobtainable",
		"2":     "incomplete",
		"3":     "unobtainable", // not without the digit for outside calls
		"00":    "outside or more 0 by All" + a,
		"0090":  "outside or more 090 by All" + a,
		"00900": "forbidden by Premium", "009001": "forbidden by Premium", "00900#": "forbidden by Premium",
		"000": "outside or more 00 by Abroad" + b,
		// One digit more is another rule's.
		"00044": "outside or more 01003344 by Britain on Amt 2, Amt 1",
		"03":    "outside or more 3 by Town" + a,
		// Complete with seven digits, and with more.
		"0312345": "outside or more 312345 by Town" + a, "03123456": "outside 3123456 by Town" + a, "031234567": "outside 31234567 by Town" + a,
		"03456": "outside or more 3456 by Short" + a, "034567": "outside 34567 by Short" + a, "0345678": "outside 345678 by Short" + a,
		"07": "outside 03012345 by Short dial" + a,
		"05": "incomplete", "05#": "unobtainable", "054": "outside or more 4 by Own net" + a, "055": "outside or more 55 by Own" + a,
		"0543": "outside or more 43 by Own net" + a, "05432": "outside 432 by Own net" + a, "054321": "outside 4321 by Own net" + a,
		"06": "forbidden or more by Gap", "06#": "forbidden by Gap", "0612": "forbidden or more by Gap", "062": "forbidden by Gap", "06123": "outside or more 6123 by In the gap" + a,
		"0" + strings.Repeat("2", 32): "outside " + strings.Repeat("2", 32) + " by All" + a,
		"0" + strings.Repeat("2", 33): "unobtainable",
		"0" + strings.Repeat("8", 24): "outside or more 12345678" + strings.Repeat("8", 24) + " by Long" + a,
		"0" + strings.Repeat("8", 25): "unobtainable", // 33 digits would be sent
		"01":                          "incomplete", "011": "incomplete", "0112": "emergency 112", "0113": "outside or more 113 by All" + a,
		"01125": "unobtainable", // 0112 was put through before
		"11#":   "unobtainable", "112": "emergency 112", "0110": "emergency 110",
		"0911": "emergency or more 911", "0911#": "emergency 911", "09112": "outside or more 9112 by All" + a, "911": "emergency 911",
		// By way of abroad, which no rule is got round with.
		"0004930123": "outside or more 030123 by All" + a, "00049": "outside or more 0049 by Abroad" + b, "00049900": "forbidden by Premium", "000490900": "forbidden by Premium", "00048900": "outside or more 0048900 by Abroad" + b,
		// With a plus, as telephones on the network send it.
		"+4930123": "outside 030123 by All" + a, "+49030123": "outside 030123 by All" + a, "+49#": "unobtainable", "+": "unobtainable", "++49301": "unobtainable",
		"+4420123": "outside 0100334420123 by Britain on Amt 2, Amt 1", "+33123": "outside 0033123 by Abroad" + b,
		"+49900123": "forbidden by Premium", "+49112": "emergency 112", "+112": "emergency 112", "+49911": "emergency 911", "+1911": "outside 001911 by Abroad" + b,
		"+4": "outside 004 by Abroad" + b, "+49": "unobtainable", "+" + strings.Repeat("1", 33): "unobtainable", "+" + strings.Repeat("1", 31): "unobtainable", "+" + strings.Repeat("1", 30): "outside 00" + strings.Repeat("1", 30) + " by Abroad" + b,
	} {
		r := n.Route(dialled)
		if got := show(r); got != want {
			t.Errorf("%q is %s, want %s", dialled, got, want)
		}
		if (r.Kind == ToOutside || r.Kind == Forbidden) && !strings.HasPrefix(dialled, "+") && !strings.HasPrefix(dialled, "00049") && "0"+r.Number != strings.TrimSuffix(dialled, "#") {
			t.Errorf("%q: number %s", dialled, r.Number)
		}
	}
}

// TestRouteWithoutPrefix: in an office without a digit for outside calls an extension always
// wins, and what begins like none goes out.
func TestRouteWithoutPrefix(t *testing.T) {
	p := Plan{Office: "Office", Country: "FR", Lines: lines(1)}
	for _, x := range []Ext{"20", "301", "30155", "91"} {
		p.Users = append(p.Users, User{Name: "Person", Ext: x})
	}
	n := compile(t, p)
	const on = " on line 0"
	for dialled, want := range map[string]string{
		"2": "incomplete", "20": "user 20", "2015": "unobtainable", "21": "outside or more 21" + on, "3": "incomplete", "30": "incomplete", "31": "outside or more 31" + on,
		"301": "user 301 or more", "3015": "incomplete", "3016": "unobtainable", "30155": "user 30155", "302": "outside or more 302" + on,
		"112": "emergency 112", "15": "emergency 15", "155": "unobtainable",
		// Habit's 0 15 is the beginning of numbers in Paris.
		"0": "incomplete", "01": "incomplete", "015": "emergency or more 15", "0153": "outside or more 0153" + on, "015#": "emergency 15",
		"0153000000#": "outside 0153000000" + on,
		"911":         "emergency 911", "9115": "unobtainable", // nothing longer, as 91 is an extension
		"#": "unobtainable", "": "incomplete", "4": "outside or more 4" + on, "4#": "outside 4" + on,
		"+20": "outside 0020" + on, "+3320": "outside 020" + on, "+3315": "emergency 15", "+331": "outside 01" + on,
	} {
		if got := show(n.Route(dialled)); got != want {
			t.Errorf("%q is %s, want %s", dialled, got, want)
		}
	}
}

// TestNoLines: without exchange lines there is nothing outside but help.
func TestNoLines(t *testing.T) {
	p := ruled()
	p.Lines = nil
	for i := range p.Rules {
		p.Rules[i].Lines = nil
	}
	n := compile(t, p)
	for dialled, want := range map[string]string{"0": "incomplete", "02": "unobtainable", "00900": "unobtainable", "+49301": "unobtainable", "0112": "emergency 112", "0911": "emergency 911", "+49112": "emergency 112"} {
		r := n.Route(dialled)
		if got := show(r); got != want || r.DialTone {
			t.Errorf("%q is %s, want %s; dial tone %v", dialled, got, want, r.DialTone)
		}
	}
}

// TestBegunBefore: a telephone that sends the whole number gets no further than keys would.
func TestBegunBefore(t *testing.T) {
	p := office()
	p.Emergency = []string{"70000001"}
	n := compile(t, p)
	for dialled, want := range map[string]string{"0700000019": "unobtainable", "070000001": "emergency 70000001", "0700000029": "outside or more 700000029 on Amt 1, Amt 2"} {
		if got := show(n.Route(dialled)); got != want {
			t.Errorf("%s is %s, want %s", dialled, got, want)
		}
	}
	n = compile(t, Plan{Office: "Office", Country: "US", OutsidePrefix: "9", Lines: lines(1)})
	for dialled, want := range map[string]string{"+112": "emergency 112", "+1911": "emergency 911", "+911": "emergency 911", "+12122": "outside 12122 on line 0"} {
		if got := show(n.Route(dialled)); got != want {
			t.Errorf("%s is %s, want %s", dialled, got, want)
		}
	}
}

// TestWait: how long the switch waits for the next digit.
func TestWait(t *testing.T) {
	p := ruled()
	p.Users = append(p.Users, User{Name: "Person", Ext: "2015"})
	n := compile(t, p)
	s := &n.Country.Timers
	for dialled, want := range map[string]time.Duration{
		"": s.FirstDigit, "1": s.FirstDigit, "01": s.FirstDigit, "0": s.FirstDigit, "2": s.InterDigit, "201": s.Match, "2015": 0, "202": 0,
		"02": s.InterDigit, "02#": 0, "03123456": 0, "07": 0, "05": s.InterDigit, "06": s.Match, "062": 0, "00900": 0, "0911": s.Match, "0112": 0, "4": 0, "+49301": 0,
		// Complete with four digits, if they are not the beginning of what another rule is for.
		"0345": s.InterDigit, "034567": 0,
	} {
		r := n.Route(dialled)
		if r.Wait != want || (want > 0) != (r.More || r.Kind == Incomplete) {
			t.Errorf("%q waits %v, want %v: %s", dialled, r.Wait, want, show(r))
		}
		if r.DialTone != (dialled == "0") {
			t.Errorf("%q: dial tone %v", dialled, r.DialTone)
		}
	}
	p.Rules = []Rule{{Name: "Four", Prefix: "3", Digits: 4}, {Name: "Six", Prefix: "345678"}}
	n = compile(t, p)
	for dialled, want := range map[string]time.Duration{"0344": s.InterDigit, "03444": 0, "03456": s.Match, "034567": s.Match, "034568": 0, "0345678": s.InterDigit} {
		if r := n.Route(dialled); r.Wait != want {
			t.Errorf("%q waits %v, want %v: %s", dialled, r.Wait, want, show(r))
		}
	}
}

// TestPlusOfCountries writes one number as telephones on the network do: it is dialled as
// the country dials it.
func TestPlusOfCountries(t *testing.T) {
	for _, c := range []struct{ country, dialled, want string }{
		{"DE", "+49301234567", "0301234567"}, {"DE", "+442079460000", "00442079460000"},
		{"GB", "+442079460000", "02079460000"}, {"GB", "+4402079460000", "02079460000"}, {"GB", "+49301234567", "0049301234567"},
		{"US", "+12125550100", "12125550100"}, {"US", "+442079460000", "011442079460000"}, {"CA", "+12125550100", "12125550100"},
		{"SE", "+468123456", "08123456"}, {"JP", "+81312345678", "0312345678"}, {"JP", "+12125550100", "01012125550100"},
		{"AU", "+61291234567", "0291234567"}, {"AU", "+49301234567", "001149301234567"},
		{"IT", "+390612345678", "0612345678"}, {"IT", "+393331234567", "3331234567"}, {"ES", "+34911234567", "911234567"},
		{"FR", "+33153000000", "0153000000"}, {"CH", "+41441234567", "0441234567"}, {"AT", "+4311234567", "011234567"},
		{"US", "01112125550100", "12125550100"}, {"JP", "01081312345678", "0312345678"}, {"ETSI", "0049301234567", "0049301234567"},
		{"NL", "+31201234567", "0201234567"}, {"NZ", "+6491234567", "091234567"}, {"ETSI", "+49301234567", "0049301234567"},
	} {
		for _, prefix := range []string{"", "0", "9"} {
			n := compile(t, Plan{Office: "Office", Country: c.country, OutsidePrefix: prefix, Lines: lines(1)})
			dialled := c.dialled
			if dialled[0] != '+' {
				dialled = prefix + dialled
			}
			if r := n.Route(dialled); r.Kind != ToOutside || r.Dial != c.want || r.Number != c.want {
				t.Errorf("%s, %q for outside calls: %s is %s, number %s", c.country, prefix, c.dialled, show(r), r.Number)
			}
		}
	}
}

// TestAustraliaAbroad: with 0 for outside calls every number abroad begins with 000.
func TestAustraliaAbroad(t *testing.T) {
	p := Plan{Office: "Office", Country: "AU", OutsidePrefix: "0", Lines: lines(1), Rules: []Rule{{Name: "Abroad", Prefix: "0011"}}}
	n := compile(t, p)
	for dialled, want := range map[string]string{
		"000": "emergency or more 000", "000#": "emergency 000", "0000": "emergency 000",
		"0001": "outside or more 001 on line 0", "00011": "outside or more 0011 by Abroad on line 0", "0106": "emergency 106", "106": "emergency 106",
	} {
		if got := show(n.Route(dialled)); got != want {
			t.Errorf("%q is %s, want %s", dialled, got, want)
		}
	}
	p.OutsidePrefix = ""
	if got := show(compile(t, p).Route("000")); got != "emergency 000" {
		t.Errorf("without a digit for outside calls 000 is %s", got)
	}
}

// TestNoRuleStopsHelp dials every emergency number of every country under rules that would
// forbid, cut short or change it.
func TestNoRuleStopsHelp(t *testing.T) {
	for _, code := range country.Codes() {
		land, _ := country.Lookup(code)
		for _, prefix := range []string{"", "0", "9", "1"} {
			p := Plan{Office: "Office", Country: code, OutsidePrefix: prefix, Emergency: []string{"700"}, Lines: lines(2), Users: []User{{Name: "Person", Ext: "81"}}}
			own := append(slices.Clone(land.Emergency), "700")
			add := func(r Rule) {
				r.Name = fmt.Sprint("Rule ", len(p.Rules))
				p.Rules = append(p.Rules, r)
				if p.Validate() != nil {
					p.Rules = p.Rules[:len(p.Rules)-1]
				}
			}
			add(Rule{Forbid: true})
			for _, e := range slices.Concat(own, land.Tolerated) {
				for i := 1; i <= len(e); i++ {
					add(Rule{Prefix: e[:i], Forbid: i%2 == 0})
					add(Rule{Prefix: "0" + e[:i], Digits: i + 1})
					add(Rule{Prefix: e[:i] + "5", Prepend: "5", Forbid: true})
				}
			}
			n := compile(t, p)
			for _, e := range own {
				for _, dialled := range []string{e, prefix + e, "+" + e, "+" + land.Dialling.CountryCode + e} {
					r, at := dial(n, dialled)
					if strings.HasPrefix(dialled, "+") {
						r, at = n.Route(dialled), dialled
					}
					if r.Kind != ToEmergency || r.Dial != e && r.Dial != at {
						t.Errorf("%s, %q for outside calls: %s is %s after %s", code, prefix, dialled, show(r), at)
					}
					if r.More && !(code == "AU" && prefix == "0" && e == "000") {
						t.Errorf("%s, %q for outside calls: %s waits", code, prefix, dialled)
					}
				}
			}
			for _, e := range land.Tolerated {
				if r, _ := dial(n, e); r.Kind != ToEmergency && !strings.HasPrefix(e, prefix) {
					t.Errorf("%s, %q for outside calls: %s is %s", code, prefix, e, show(r))
				}
			}
		}
	}
}

func TestRouteOutsideAllocs(t *testing.T) {
	p := ruled()
	for i := len(p.Rules); i < MaxRules; i++ {
		p.Rules = append(p.Rules, Rule{Name: fmt.Sprint("Rule ", i), Prefix: fmt.Sprint(9000 + i)})
	}
	n := compile(t, p)
	if a := testing.AllocsPerRun(100, func() {
		for _, d := range []string{"0", "02", "0312345", "00900", "054321", "0911", "0222222222222#"} {
			n.Route(d)
		}
	}); a != 0 {
		t.Errorf("%v allocations", a)
	}
}
