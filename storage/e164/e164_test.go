package e164

import (
	"math/rand/v2"
	"strings"
	"testing"

	"sotto/pbx/country"
)

// The numbers are those that the nations set aside for plays and books, where they have
// some; else those that begin their ranges.
var people = []struct {
	country, area string
	known         string   // under which text
	as            []string // how the person may be dialled or shown
}{
	{"AT", "1", "+4315123456", []string{"015123456", "+4315123456", "004315123456", "5123456"}},
	{"AT", "", "+436641234567", []string{"06641234567", "+436641234567", "00436641234567"}},
	{"AU", "2", "+61255501234", []string{"0255501234", "+61255501234", "001161255501234", "55501234", "18310255501234", "18320255501234"}},
	{"AU", "2", "+61491570156", []string{"0491570156", "001161491570156", "+610491570156"}},
	{"AU", "2", "+611800160401", []string{"1800160401", "+611800160401"}},
	{"AU", "2", "+61131163", []string{"131163", "+61131163"}},
	{"AU", "", "+493023125123", []string{"0011493023125123", "+493023125123"}},
	{"CA", "613", "+16135550123", []string{"6135550123", "16135550123", "+16135550123", "5550123", "01116135550123", "101028816135550123"}},
	{"CH", "44", "+41446681800", []string{"0446681800", "+41446681800", "0041446681800"}},
	{"DE", "30", "+493023125123", []string{"03023125123", "+493023125123", "00493023125123", "23125123", "0101303023125123", "01001303023125123", "0101300493023125123"}},
	{"DE", "", "+493023125123", []string{"03023125123", "+4903023125123"}},
	{"DE", "30", "+4915123456789", []string{"015123456789", "004915123456789"}},
	{"DE", "30", "+442079460123", []string{"00442079460123", "+442079460123", "+4402079460123", "0101300442079460123"}},
	{"ES", "", "+34911234567", []string{"911234567", "+34911234567", "0034911234567", "067911234567"}},
	{"FR", "", "+33199001234", []string{"0199001234", "+33199001234", "0033199001234", "36510199001234"}},
	{"GB", "20", "+442079460123", []string{"02079460123", "+442079460123", "00442079460123", "79460123", "14102079460123", "147002079460123"}},
	{"IT", "06", "+390669812345", []string{"0669812345", "+390669812345", "00390669812345"}},
	{"IT", "06", "+393123456789", []string{"3123456789", "00393123456789"}},
	{"JP", "3", "+81312345678", []string{"0312345678", "+81312345678", "01081312345678", "12345678", "1840312345678"}},
	{"NL", "20", "+31201234567", []string{"0201234567", "+31201234567", "0031201234567", "1234567"}},
	{"NL", "20", "+3114020", []string{"14020", "+3114020", "003114020"}},
	{"NZ", "3", "+6433456789", []string{"033456789", "+6433456789", "006433456789", "3456789"}},
	{"SE", "8", "+4684650412", []string{"084650412", "+4684650412", "004684650412", "4650412"}},
	{"US", "212", "+12125550123", []string{"2125550123", "12125550123", "+12125550123", "5550123", "01112125550123", "10102222125550123", "101022212125550123"}},
	{"US", "212", "+442079460123", []string{"011442079460123", "+442079460123"}},
	{"ETSI", "", "+442079460123", []string{"00442079460123", "+442079460123"}},
}

func TestOnePerson(t *testing.T) {
	for _, p := range people {
		for _, as := range p.as {
			if got := Normal(p.country, p.area, as); got != p.known {
				t.Errorf("in %s with area %q %s is %s, want %s", p.country, p.area, as, got, p.known)
			}
		}
	}
}

// TestStays: what is nobody's whole number is known as it was dialled.
func TestStays(t *testing.T) {
	for _, c := range []struct {
		country, area string
		digits        []string
	}{
		{"DE", "30", []string{"", "+", "0", "00", "0049", "101", "110", "112", "115", "116117", "11833", "*21", "*31#03023125123", "+49#", "03023125123#", "A", "030 23125123", "+49(0)30", "++49", "4930231251230000", "493023125123", "0301", "030123456789012345", "03023125\xff", "٣٠٢٣١٢٥"}},
		{"DE", "", []string{"23125123", "3023125123", "354781", "168269332"}}, // numbers of some place, not known which
		{"US", "212", []string{"911", "112", "411", "611", "988", "0", "1", "5550", "15550123", "1212555012"}},
		{"US", "", []string{"5550123"}},
		{"GB", "20", []string{"999", "112", "101", "111", "116123", "442079460123"}},
		{"FR", "", []string{"15", "17", "18", "112", "116000", "3631", "199001234"}},
		{"AU", "2", []string{"000", "106", "112"}},
		{"IT", "06", []string{"112", "113", "118", "12"}},
		{"JP", "3", []string{"110", "119", "117"}},
		{"ETSI", "30", []string{"23125123", "03023125123", "112"}},
		{"XX", "1", []string{"00442079460123x", "5123456"}},
		{"", "", []string{"02079460123"}},
	} {
		for _, d := range c.digits {
			if got := Normal(c.country, c.area, d); got != d {
				t.Errorf("in %s with area %q %q is %q", c.country, c.area, d, got)
			}
		}
	}
	for _, area := range []string{"+49", "x", "00000", strings.Repeat("1", 100)} {
		if got := Normal("DE", area, "23125123"); got != "23125123" {
			t.Errorf("with area %q it is %s", area, got)
		}
	}
}

// TestEmergencyNumbersStay: those of every country, its tolerated ones, in any place.
func TestEmergencyNumbersStay(t *testing.T) {
	for _, code := range country.Codes() {
		c, _ := country.Lookup(code)
		for _, e := range append(append([]string{}, c.Emergency...), c.Tolerated...) {
			for _, area := range []string{"", "1", "2", "20", "30", "212", "613"} {
				if got := Normal(code, area, e); got != e {
					t.Errorf("%s %s in %s", got, e, code)
				}
			}
		}
	}
}

// TestCountries: each country of the box is one whose numbers are known, and dials abroad
// and at home as package country has it.
func TestCountries(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range people {
		c, ok := country.Lookup(p.country)
		if !ok {
			t.Errorf("no country %s", p.country)
			continue
		}
		seen[p.country] = true
		if got := Normal(p.country, p.area, c.Dialling.International+p.known[1:]); got != p.known {
			t.Errorf("from abroad by way of %s in %s: %s, want %s", c.Dialling.International, p.country, got, p.known)
		}
		if own, home := strings.CutPrefix(p.known, "+"+c.Dialling.CountryCode); home && c.Dialling.CountryCode != "" {
			if got := Normal(p.country, "", c.Dialling.National+own); got != p.known {
				t.Errorf("at home in %s: %s, want %s", p.country, got, p.known)
			}
		}
	}
	for _, code := range country.Codes() {
		if !seen[code] {
			t.Errorf("%s is not tried", code)
		}
	}
}

// TestGivenStays: what Normal gave is what it gives for that, in every country.
func TestGivenStays(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	known, tries := 0, 2000
	if testing.Short() {
		tries = 300
	}
	for range tries {
		code := country.Codes()[r.IntN(len(country.Codes()))]
		c, _ := country.Lookup(code)
		d := []string{"", "+", c.Dialling.International, c.Dialling.National, "010", "101"}[r.IntN(6)]
		for range 3 + r.IntN(11) {
			d += string(rune('0' + r.IntN(10)))
		}
		if got := given(t, code, []string{"", "2", "30", "212"}[r.IntN(4)], d); got != d {
			known++
		}
	}
	if known < tries/40 {
		t.Errorf("only %d numbers were known", known)
	}
}

// given calls Normal and holds what it gives against what it promises.
func given(t *testing.T, code, area, digits string) string {
	t.Helper()
	got := Normal(code, area, digits)
	if got != digits && (got[0] != '+' || len(got) < 5 || len(got) > 16 || !plain(got)) {
		t.Errorf("in %q, %q: %q is %q", code, area, digits, got)
	}
	for _, other := range append(country.Codes(), "", "XX") {
		if again := Normal(other, area, got); got != digits && again != got {
			t.Errorf("in %q, %q: %q is %q, and that in %q %q", code, area, digits, got, other, again)
		}
	}
	if again := Normal(code, area, got); again != got {
		t.Errorf("in %q, %q: %q is %q, and then %q", code, area, digits, got, again)
	}
	return got
}

func FuzzNormal(f *testing.F) {
	for _, p := range people {
		f.Add(p.country, p.area, p.as[0])
	}
	f.Add("AR", "11", "01115012345678")
	f.Add("MX", "55", "+5215512345678")
	f.Add("BR", "11", "0151121234567")
	f.Add("RU", "495", "810442079460123")
	f.Add("\xff", "\x00", "+\xff")
	f.Fuzz(func(t *testing.T, code, area, digits string) { given(t, code, area, digits) })
}

func BenchmarkNormal(b *testing.B) {
	for b.Loop() {
		Normal("DE", "30", "03023125123")
	}
}

func BenchmarkNormalLocal(b *testing.B) {
	for b.Loop() {
		Normal("DE", "30", "23125123")
	}
}
