package policy

import (
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestPresetsAreValid(t *testing.T) {
	for _, code := range append(Countries(), "", "XX") {
		s := Preset(code)
		if err := s.Validate(); err != nil {
			t.Errorf("%q: %v", code, err)
		}
		if s.Country != code || len(s.Keep) != len(Kinds()) {
			t.Errorf("%q: country %q, %d terms", code, s.Country, len(s.Keep))
		}
	}
	Preset("DE").Keep[Records] = 9999
	if got := Preset("DE").Keep[Records]; got != 30 {
		t.Errorf("a preset was changed by who had it: %d", got)
	}
}

// TestPresetFigures holds what the office is promised without setting anything.
func TestPresetFigures(t *testing.T) {
	want := map[Kind]int{Digits: 7, Records: 30, Journal: 30, Counts: 365, Messages: 30, Recordings: 30, Removed: 60, Traces: 2, Audit: 365}
	if got := Preset("XX"); !reflect.DeepEqual(got.Keep, want) || got.Cut != 4 || !got.Unmask.Second || got.Unmask.Minutes != 10 {
		t.Errorf("general preset: %+v", got)
	}
	for code, cut := range map[string]int{"AT": 3, "DE": 3, "IT": 3, "FR": 4, "GB": 4, "US": 4} {
		if got := Preset(code).Cut; got != cut {
			t.Errorf("%s: %d digits, want %d", code, got, cut)
		}
	}
	if got := Preset("GB").Keep; got[Messages] != 14 || got[Records] != 30 {
		t.Errorf("GB: %v", got)
	}
}

// TestPresetsAreInStepWithCountries holds the list of countries against that of package
// country, which this package does not see.
func TestPresetsAreInStepWithCountries(t *testing.T) {
	files, err := os.ReadDir("../../pbx/country/data")
	if err != nil {
		t.Fatal(err)
	}
	var codes []string
	for _, f := range files {
		codes = append(codes, strings.ToUpper(strings.TrimSuffix(f.Name(), ".json")))
	}
	slices.Sort(codes)
	if got := Countries(); !slices.Equal(got, codes) {
		t.Errorf("presets of %v, countries are %v", got, codes)
	}
}

func TestEveryFigureHasAReason(t *testing.T) {
	var fields []string
	for _, k := range Kinds() {
		fields = append(fields, "keep."+string(k))
	}
	fields = append(fields, "cut", "record", "unmask.minutes", "unmask.second")
	for _, code := range append(Countries(), "") {
		p := presets.Countries[code]
		got := map[string]Reason{}
		for _, r := range Reasons(code) {
			if r.Why == "" {
				t.Errorf("%q: %s without a reason", code, r.Field)
			}
			got[r.Field] = r
		}
		for _, f := range fields {
			if _, ok := got[f]; !ok {
				t.Errorf("%q: no reason for %s", code, f)
			}
		}
		if len(got) != len(fields) {
			t.Errorf("%q: reasons for %d fields, want %d", code, len(got), len(fields))
		}
		own := func(field string) bool {
			return slices.ContainsFunc(p.Why, func(r Reason) bool { return r.Field == field })
		}
		for k := range p.Keep {
			if !own("keep." + string(k)) {
				t.Errorf("%s differs in %s and does not say why", code, k)
			}
		}
		if p.Cut != 0 && !own("cut") {
			t.Errorf("%s differs in digits and does not say why", code)
		}
		for _, r := range p.Why {
			if !slices.Contains(fields, r.Field) {
				t.Errorf("%s: reason for %q, which is no field", code, r.Field)
			}
		}
	}
	if !slices.ContainsFunc(Reasons("AT"), func(r Reason) bool { return r.Field == "cut" && r.Confirmed }) {
		t.Error("AT: the digits are confirmed by a source")
	}
}

func TestValidate(t *testing.T) {
	ok := func() Settings { return Preset("DE") }
	for _, c := range []struct {
		name   string
		change func(*Settings)
		want   []string // fields, in order
	}{
		{"preset", func(s *Settings) {}, nil},
		{"zero", func(s *Settings) { *s = Settings{} }, []string{"keep.digits", "keep.records", "keep.journal", "keep.counts",
			"keep.messages", "keep.recordings", "keep.removed", "keep.traces", "keep.audit", "cut", "unmask.minutes"}},
		{"country", func(s *Settings) { s.Country = "<b>" }, []string{"country"}},
		{"records 0", func(s *Settings) { s.Keep[Records] = 0 }, []string{"keep.records"}},
		{"counts 10000", func(s *Settings) { s.Keep[Counts] = 10000 }, []string{"keep.counts"}},
		{"longest", func(s *Settings) {
			for _, k := range Kinds() {
				_, s.Keep[k] = Bounds(k)
			}
		}, nil},
		{"shortest", func(s *Settings) {
			for _, k := range Kinds() {
				s.Keep[k], _ = Bounds(k)
			}
		}, nil},
		{"removed 2", func(s *Settings) { s.Keep[Removed] = 2 }, []string{"keep.removed"}},
		{"traces 15", func(s *Settings) { s.Keep[Traces] = 15 }, []string{"keep.traces"}},
		{"audit 89", func(s *Settings) { s.Keep[Audit] = 89 }, []string{"keep.audit"}},
		{"no audit", func(s *Settings) { delete(s.Keep, Audit) }, []string{"keep.audit"}},
		{"unknown kinds", func(s *Settings) { s.Keep["a"], s.Keep["b"] = 1, 2 }, []string{"keep"}},
		{"digits above records", func(s *Settings) { s.Keep[Records], s.Keep[Digits] = 5, 6 }, []string{"keep.digits"}},
		{"digits above journal", func(s *Settings) { s.Keep[Journal], s.Keep[Digits] = 5, 6 }, []string{"keep.digits"}},
		{"records above counts", func(s *Settings) { s.Keep[Counts] = 29 }, []string{"keep.records"}},
		{"all the same", func(s *Settings) {
			s.Keep[Digits], s.Keep[Records], s.Keep[Journal], s.Keep[Counts] = 9, 9, 9, 9
		}, nil},
		{"journal above records", func(s *Settings) { s.Keep[Journal] = 400 }, nil},
		{"a bad term says nothing of the ladder", func(s *Settings) { s.Keep[Records] = -1 }, []string{"keep.records"}},
		{"cut 2", func(s *Settings) { s.Cut = 2 }, []string{"cut"}},
		{"cut 5", func(s *Settings) { s.Cut = 5 }, []string{"cut"}},
		{"minutes 0", func(s *Settings) { s.Unmask.Minutes = 0 }, []string{"unmask.minutes"}},
		{"minutes 61", func(s *Settings) { s.Unmask.Minutes = 61 }, []string{"unmask.minutes"}},
		{"narrower", func(s *Settings) { s.Numbers = Sights{Owner: Masked, Admin: None} }, nil},
		{"as the profile", func(s *Settings) { s.Numbers = Sights{Owner: Whole, Installer: None} }, nil},
		{"wider", func(s *Settings) { s.Numbers = Sights{Admin: Whole, Installer: Masked, Staff: Whole} },
			[]string{"numbers.admin", "numbers.installer", "numbers.staff"}},
		{"no sight", func(s *Settings) { s.Numbers = Sights{Owner: 9} }, []string{"numbers.owner"}},
		{"no role", func(s *Settings) { s.Numbers = Sights{0: None, 77: None} }, []string{"numbers"}},
	} {
		s := ok()
		c.change(&s)
		err := s.Validate()
		var fields []string
		if l, is := errors.AsType[Problems](err); is {
			for _, p := range l {
				fields = append(fields, p.Field)
			}
		} else if err != nil {
			t.Errorf("%s: %T, want Problems", c.name, err)
		}
		if !slices.Equal(fields, c.want) {
			t.Errorf("%s: %v (%v), want %v", c.name, fields, err, c.want)
		}
	}
}

func TestProblemsSaySoInWords(t *testing.T) {
	s := Preset("DE")
	s.Keep[Audit], s.Keep[Records], s.Keep[Digits] = 3, 5, 6
	const want = "keep.audit must be 90 to 9999 days; " +
		"keep.digits must not be longer than call records are kept: they are part of them"
	if err := s.Validate(); err == nil || err.Error() != want {
		t.Errorf("%v\nwant %s", err, want)
	}
}

func TestBoundsOfNoKind(t *testing.T) {
	if a, b := Bounds("x"); a != 0 || b != 0 {
		t.Error(a, b)
	}
}

func TestDecode(t *testing.T) {
	s, err := Decode([]byte(`{"country":"DE","keep":{"records":21},"record":{"failed":false},"numbers":{"admin":"none"}}`))
	if err != nil {
		t.Fatal(err)
	}
	want := Preset("DE")
	want.Keep[Records], want.Record.Failed, want.Numbers = 21, false, Sights{Admin: None}
	if !reflect.DeepEqual(s, want) {
		t.Errorf("%+v\nwant %+v", s, want)
	}
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := Decode(b); err != nil || !reflect.DeepEqual(again, s) {
		t.Errorf("%s: %+v, %v", b, again, err)
	}
	if s, err := Decode([]byte(`{"keep":null}`)); err != nil || !reflect.DeepEqual(s, Preset("")) {
		t.Errorf("keep null: %+v, %v", s, err)
	}
	for _, bad := range []string{
		``, `null`, ` null `, `[]`, `3`, `{`, `{}{}`, `{} x`,
		`{"kep":{}}`, `{"keep":{"records":"30"}}`, `{"keep":{"records":1e99}}`, `{"keep":{"records":1.5}}`,
		`{"keep":{"records":null}}`, `{"keep":{"calls":3}}`, `{"unmask":{"third":true}}`, `{"cut":-3}`,
		`{"numbers":{"boss":"none"}}`, `{"numbers":{"admin":"all"}}`, `{"numbers":{"2":"none"}}`, `{"numbers":{"admin":1}}`,
		`{"numbers":{"admin":"whole"}}`, `{"country":"` + strings.Repeat("A", 9) + `"}`,
	} {
		if s, err := Decode([]byte(bad)); err == nil {
			t.Errorf("%s: taken as %+v", bad, s)
		}
	}
	if _, err := Decode([]byte(`{}` + strings.Repeat(" ", MaxSize-2))); err != nil {
		t.Errorf("%d bytes: %v", MaxSize, err)
	}
	if _, err := Decode([]byte(`{}` + strings.Repeat(" ", MaxSize-1))); !errors.Is(err, ErrSize) {
		t.Errorf("too long: %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, s := range []string{`{}`, `{"country":"DE","keep":{"records":21},"numbers":{"admin":"none"}}`, `{"cut":3}`, `null`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := Decode(b)
		if err != nil {
			return
		}
		if err := s.Validate(); err != nil {
			t.Fatalf("%s: taken, and %v", b, err)
		}
		out, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := Decode(out); err != nil || len(Compare(s, again)) > 0 {
			t.Fatalf("%s became %s: %v, %v", b, out, Compare(s, again), err)
		}
	})
}

func TestCloneSharesNothing(t *testing.T) {
	s := Preset("DE")
	s.Numbers = Sights{Admin: None}
	c := s.Clone()
	c.Keep[Records], c.Numbers[Admin] = 1, Masked
	if s.Keep[Records] != 30 || s.Numbers[Admin] != None {
		t.Error("the copy shares with the original")
	}
}

// TestRoleStaysANumber: accounts on disk have it so.
func TestRoleStaysANumber(t *testing.T) {
	b, err := json.Marshal(map[string]Role{"role": Admin})
	if err != nil || string(b) != `{"role":2}` {
		t.Errorf("%s, %v", b, err)
	}
}
