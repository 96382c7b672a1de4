package policy

import (
	"reflect"
	"strings"
	"testing"
)

func TestCompare(t *testing.T) {
	base := func() Settings { return Preset("GB") }
	term := func(k Kind, n int) func(*Settings) { return func(s *Settings) { s.Keep[k] = n } }
	for _, c := range []struct {
		change       func(*Settings)
		field        string
		way          Way
		old, new     string
		there, again string // in words, there and back
	}{
		{func(s *Settings) { s.Country = "" }, "country", Neither, "GB", "",
			"The settings go by the preset of no country instead of GB", "The settings go by the preset of GB instead of no country"},
		{term(Digits, 8), "keep.digits", More, "7", "8",
			"The last digits of outside numbers are kept 8 days instead of 7", "The last digits of outside numbers are kept 7 days instead of 8"},
		{term(Records, 60), "keep.records", More, "30", "60", "Call records are kept 60 days instead of 30", "Call records are kept 30 days instead of 60"},
		{term(Journal, 20), "keep.journal", Less, "30", "20", "Entries of journals are kept 20 days instead of 30", ""},
		{term(Counts, 100), "keep.counts", Less, "365", "100", "Counts of calls are kept 100 days instead of 365", ""},
		{term(Messages, 1), "keep.messages", Less, "14", "1", "Voice messages are kept 1 day instead of 14", ""},
		{term(Recordings, 31), "keep.recordings", More, "30", "31", "Recordings of calls are kept 31 days instead of 30", ""},
		{term(Removed, 90), "keep.removed", More, "60", "90", "The data of deleted users is kept 90 days instead of 60", ""},
		{term(Traces, 1), "keep.traces", Less, "2", "1", "Diagnostic traces are kept 1 day instead of 2", ""},
		{term(Audit, 90), "keep.audit", Less, "365", "90", "The audit trail is kept 90 days instead of 365", ""},
		{func(s *Settings) { s.Cut = 3 }, "cut", More, "4", "3",
			"Masked numbers are without their last 3 digits instead of 4", "Masked numbers are without their last 4 digits instead of 3"},
		{func(s *Settings) { s.Record.Internal = false }, "record.internal", Less, "yes", "no",
			"Calls between users no longer make a call record", "Calls between users make a call record"},
		{func(s *Settings) { s.Record.Incoming = false }, "record.incoming", Less, "yes", "no", "Calls that come in no longer make a call record", ""},
		{func(s *Settings) { s.Record.Outgoing = false }, "record.outgoing", Less, "yes", "no", "Calls that go out no longer make a call record", ""},
		{func(s *Settings) { s.Record.Failed = false }, "record.failed", Less, "yes", "no",
			"Calls that nobody answered or that failed no longer make a call record", ""},
		{func(s *Settings) { s.Unmask.Minutes = 1 }, "unmask.minutes", Less, "10", "1",
			"An unmasked number is shown 1 minute instead of 10", "An unmasked number is shown 10 minutes instead of 1"},
		{func(s *Settings) { s.Unmask.Second = false }, "unmask.second", More, "yes", "no",
			"To unmask a number nobody else needs to agree", "To unmask a number a second person must agree"},
		{func(s *Settings) { s.Numbers = Sights{Owner: Masked} }, "numbers.owner", Less, "whole", "masked",
			"The role owner sees outside numbers of others masked instead of whole", "The role owner sees outside numbers of others whole instead of masked"},
		{func(s *Settings) { s.Numbers = Sights{Admin: None} }, "numbers.admin", Less, "masked", "none",
			"The role admin sees outside numbers of others not at all instead of masked", ""},
	} {
		old, now := base(), base()
		c.change(&now)
		check := func(d Diff, way Way, old, new, text string) {
			t.Helper()
			want := Change{c.field, way, old, new, text}
			if text == "" && len(d) == 1 {
				want.Text = d[0].Text
			}
			if len(d) != 1 || d[0] != want || d[0].String() == "" {
				t.Errorf("%+v\nwant %+v", d, want)
			}
			if more, less := len(d.More()), len(d.Less()); more != b2i(way == More) || less != b2i(way == Less) {
				t.Errorf("%s: %d more, %d less", c.field, more, less)
			}
		}
		check(Compare(old, now), c.way, c.old, c.new, c.there)
		check(Compare(now, old), c.way.back(), c.new, c.old, c.again)
	}
	if d := Compare(base(), base()); d != nil {
		t.Errorf("the same differs: %v", d)
	}
	same := base()
	same.Numbers = Sights{Admin: Masked, Owner: Whole} // as the profiles have it
	if d := Compare(base(), same); d != nil {
		t.Errorf("what changes nothing differs: %v", d)
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// TestCompareMissesNothing changes every field that there is, found by reflection.
func TestCompareMissesNothing(t *testing.T) {
	n := 0
	var walk func(v reflect.Value, path string, do func(path string))
	walk = func(v reflect.Value, path string, do func(string)) {
		switch v.Kind() {
		case reflect.Struct:
			for i := range v.NumField() {
				walk(v.Field(i), path+"."+v.Type().Field(i).Name, do)
			}
		case reflect.Bool:
			v.SetBool(!v.Bool())
			do(path)
			v.SetBool(!v.Bool())
		case reflect.Int:
			was := v.Int()
			v.SetInt(was + 1)
			do(path)
			v.SetInt(was)
		case reflect.String:
			was := v.String()
			v.SetString(was + "X")
			do(path)
			v.SetString(was)
		case reflect.Slice:
			v.Set(reflect.Append(v, reflect.ValueOf("email")))
			do(path)
			v.SetZero()
		case reflect.Map: // Keep, Numbers: the tables of the other tests
		default:
			t.Fatalf("%s: a kind of field that this test does not know", path)
		}
	}
	s := Preset("GB")
	walk(reflect.ValueOf(&s).Elem(), "Settings", func(path string) {
		n++
		if len(Compare(Preset("GB"), s)) != 1 {
			t.Errorf("%s: %v", path, Compare(Preset("GB"), s))
		}
	})
	var f Facts
	walk(reflect.ValueOf(&f).Elem(), "Facts", func(path string) {
		n++
		if d := CompareFacts(Facts{}, f); len(d) != b2i(path != "Facts.Users" && path != "Facts.Lines") {
			t.Errorf("%s: %v", path, d)
		}
	})
	if n < 20 {
		t.Errorf("only %d fields were tried", n)
	}
}

func TestCompareFacts(t *testing.T) {
	old := Facts{Fields: []string{"place"}, Users: 9, Protected: 2, NoJournal: 3, Lines: 2, ShowOnlyLines: 1, PrivatePrefix: true}
	now := Facts{Fields: []string{"email", "place", "mobile"}, Users: 12, SIP: 4, Protected: 1, ShowOnlyUsers: 1, Lines: 2, Codes: 5}
	d := CompareFacts(old, now)
	for _, want := range []struct {
		list []Change
		text string
	}{
		{d.More(), "The e-mail address of users can be kept\nThe mobile number of users can be kept\n" +
			"Telephones on the network can register, and their addresses are kept\nUsers no longer protected: 1\n" +
			"Lines on which callers' numbers are kept again: 1\nUsers whose journal is on again: 3\n" +
			"Calls can be dialled with accounting codes, which call records keep\n" +
			"No caller can dial a prefix any more so that who is called is not kept"},
		{d.Less(), "Users to whom numbers are now shown and not kept: 1"},
	} {
		var l []string
		for _, c := range want.list {
			l = append(l, c.String())
		}
		if got := strings.Join(l, "\n"); got != want.text {
			t.Errorf("%s\nwant\n%s", got, want.text)
		}
	}
	back := CompareFacts(now, old)
	if len(back.More()) != len(d.Less()) || len(back.Less()) != len(d.More()) {
		t.Errorf("back: %v", back)
	}
	if d := CompareFacts(now, now); d != nil {
		t.Errorf("the same differs: %v", d)
	}
	if d := CompareFacts(Facts{}, Facts{Fields: []string{"evil <b>"}}); len(d) != 1 || strings.Contains(d[0].Field+d[0].Text, "evil") {
		t.Errorf("made up field: %+v", d)
	}
}
