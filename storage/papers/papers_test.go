package papers

import (
	"bytes"
	"errors"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"sotto/storage/policy"
)

var update = flag.Bool("update", false, "write the golden files anew")

// full is an office with everything on and everything filled in.
func full() Input {
	return Input{
		Office: "Harbour Street office", Date: time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC),
		Settings: policy.Preset("GB"),
		Facts: policy.Facts{Fields: []string{"place", "department", "email", "mobile"}, Users: 9, SIP: 3, Protected: 1, ShowOnlyUsers: 1,
			NoJournal: 1, Lines: 2, ShowOnlyLines: 1, Codes: 4, PrivatePrefix: true, Voicemail: true, Recording: true, Traces: true},
		Root: TPM, Backups: 3,
		Recipients: []Recipient{
			{Kind: "feed", Name: "accounts.example", Times: 30, Last: time.Date(2026, 11, 21, 23, 0, 0, 0, time.UTC)},
			{Kind: "export", Role: policy.Admin, Times: 1, Last: time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)},
		},
		Controller:     Contact{"Harbour Street Ltd", "1 Harbour Street", "office@harbour.example", "in the directory"},
		Representative: Contact{Name: "none"}, Officer: Contact{Name: "A. Officer", Email: "dpo@harbour.example"},
		Authority: "Information Commissioner",
	}
}

// plain is an office as it comes out of the carton.
func plain() Input {
	return Input{Office: "Office", Country: "DE", Date: time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC), Settings: policy.Preset("DE"),
		Facts: policy.Facts{Users: 2, Lines: 1}, Root: KeyFile}
}

func text(t *testing.T, k Kind, lang string, in Input) string {
	t.Helper()
	var b bytes.Buffer
	if err := Text(&b, k, lang, in); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// flat is the text of both papers on one line, in small letters.
func flat(t *testing.T, lang string, in Input) string {
	t.Helper()
	return strings.ToLower(strings.Join(strings.Fields(text(t, Record, lang, in)+text(t, Notice, lang, in)), " "))
}

func TestGolden(t *testing.T) {
	for _, k := range []Kind{Record, Notice} {
		for _, lang := range Languages() {
			for _, f := range []struct {
				name  string
				in    Input
				write func(*bytes.Buffer, Input) error
			}{
				{"full.txt", full(), func(b *bytes.Buffer, in Input) error { return Text(b, k, lang, in) }},
				{"plain.txt", plain(), func(b *bytes.Buffer, in Input) error { return Text(b, k, lang, in) }},
				{"full.html", full(), func(b *bytes.Buffer, in Input) error { return HTML(b, k, lang, in) }},
			} {
				var b bytes.Buffer
				if err := f.write(&b, f.in); err != nil {
					t.Fatal(err)
				}
				file := filepath.Join("testdata", string(k)+"."+lang+"."+f.name)
				if *update {
					if err := os.WriteFile(file, b.Bytes(), 0o666); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(b.Bytes(), want) {
					t.Errorf("%s is another paper; -update writes it anew", file)
				}
			}
		}
	}
}

// TestEverySettingShows changes one thing after the other, found by reflection, and sees it in
// the papers.
func TestEverySettingShows(t *testing.T) {
	// what one of the papers, or both, need not tell
	recordOnly := []string{"Root", "Backups", "Facts.Users", "Secure"}
	noticeOnly := []string{"Authority"}
	n := 0
	in := full()
	base := map[Kind]string{Record: text(t, Record, "en", in), Notice: text(t, Notice, "en", in)}
	try := func(path string) {
		n++
		for k, before := range base {
			changed := text(t, k, "en", in) != before
			need := !(k == Notice && slices.Contains(recordOnly, path) || k == Record && slices.Contains(noticeOnly, path))
			if changed != need {
				t.Errorf("%s: the %s changed: %v, want %v", path, k, changed, need)
			}
		}
	}
	var walk func(v reflect.Value, path string)
	walk = func(v reflect.Value, path string) {
		was := reflect.New(v.Type()).Elem()
		was.Set(v)
		switch x := v.Addr().Interface().(type) {
		case *time.Time:
			*x = x.Add(24 * time.Hour)
			try(path)
		case *policy.Sights:
			for _, r := range []policy.Role{policy.Owner, policy.Admin, policy.PrivacyOfficer} {
				*x = policy.Sights{r: policy.None}
				try(path)
			}
		case *map[policy.Kind]int:
			for _, k := range policy.Kinds() {
				(*x)[k]--
				try(path + "." + string(k))
				(*x)[k]++
			}
		case *[]Recipient:
			*x = (*x)[:1]
			try(path)
		case *[]string:
			*x = (*x)[1:]
			try(path)
		default:
			switch v.Kind() {
			case reflect.Struct:
				for i := range v.NumField() {
					walk(v.Field(i), strings.TrimPrefix(path+"."+v.Type().Field(i).Name, "."))
				}
				return
			case reflect.Bool:
				v.SetBool(!v.Bool())
			case reflect.String:
				v.SetString(v.String() + "X")
			case reflect.Int:
				if strings.HasPrefix(path, "Settings.") || path == "Facts.Users" { // of no users nobody has a journal
					v.SetInt(v.Int() - 1)
				} else {
					v.SetInt(0)
				}
			default:
				t.Fatalf("%s: a kind of field that this test does not know", path)
			}
			try(path)
		}
		v.Set(was)
	}
	walk(reflect.ValueOf(&in).Elem(), "")
	if n < 50 {
		t.Errorf("only %d things were tried", n)
	}
}

// TestWhatIsOffIsNotInThem holds that no paper says that the box keeps what it does not.
func TestWhatIsOffIsNotInThem(t *testing.T) {
	without := func(field string) func(*Input) {
		return func(in *Input) {
			in.Facts.Fields = slices.DeleteFunc(in.Facts.Fields, func(f string) bool { return f == field })
		}
	}
	for _, c := range []struct {
		name   string
		off    func(*Input)
		en, de []string // in small letters; each is there when it is on and not when it is off
	}{
		{"voicemail", func(in *Input) { in.Facts.Voicemail = false }, []string{"voice message", "voicemail"}, []string{"sprachnachricht", "anrufbeantworter"}},
		{"recording", func(in *Input) { in.Facts.Recording = false }, []string{"recordings of calls"}, []string{"gesprächsaufzeichnung"}},
		{"traces", func(in *Input) { in.Facts.Traces = false }, []string{"diagnostic"}, []string{"diagnose"}},
		{"SIP", func(in *Input) { in.Facts.SIP = 0 }, []string{"on the network", "network address"}, []string{"im netzwerk", "netzwerkadresse"}},
		{"codes", func(in *Input) { in.Facts.Codes = 0 }, []string{"accounting code"}, []string{"projektnummer"}},
		{"journals", func(in *Input) { in.Facts.NoJournal = in.Facts.Users },
			[]string{"a user's own calls", "shown to its user", "missed ones", "- journals kept for", "users see their journal"},
			[]string{"eigenen anrufe eines nutzers", "nur ihrem nutzer gezeigt", "verpasste", "- anruflisten aufbewahrt", "nutzer sehen ihre anrufliste"}},
		{"protected", func(in *Input) { in.Facts.Protected = 0 }, []string{"protected"}, []string{"geschützt"}},
		{"show only, users", func(in *Input) { in.Facts.ShowOnlyUsers = 0 }, []string{"to some users"}, []string{"einigen nutzern"}},
		{"show only, lines", func(in *Input) { in.Facts.ShowOnlyLines = 0 }, []string{"on some exchange lines"}, []string{"auf einigen amtsleitungen"}},
		{"private prefix", func(in *Input) { in.Facts.PrivatePrefix = false }, []string{"dial a prefix"}, []string{"kennziffer wählen"}},
		{"no journals", func(in *Input) { in.Facts.NoJournal = 0 }, []string{"some users have no journal"}, []string{"einige nutzer haben keine anrufliste"}},
		{"place", without("place"), []string{"place of the telephone"}, []string{"standort"}},
		{"department", without("department"), []string{"department"}, []string{"abteilung"}},
		{"email", without("email"), []string{"e-mail address"}, []string{"e-mail-adresse"}},
		{"mobile", without("mobile"), []string{"mobile number"}, []string{"mobilnummer"}},
		{"backups", func(in *Input) { in.Backups = 0 }, []string{"on a stick"}, []string{"usb-stick"}},
		{"recipients", func(in *Input) { in.Recipients = nil }, []string{"accounts.example", "recipients named above"}, []string{"accounts.example", "oben genannte empfänger"}},
		{"second", func(in *Input) { in.Settings.Unmask.Second = false }, []string{"second person must agree"}, []string{"zweiter muss zustimmen"}},
		{"masked numbers", func(in *Input) {
			in.Settings.Numbers = policy.Sights{policy.Admin: policy.None, policy.PrivacyOfficer: policy.None}
		}, []string{"a masked number is shown", "numbers without the last"}, []string{"gekürzte nummer wird ganz", "außerhalb ohne die letzten"}},
		{"every call", func(in *Input) { in.Settings.Record.Failed = false }, []string{"every call makes"}, []string{"zu jedem anruf"}},
		{"digits as long as calls", func(in *Input) {
			keep := in.Settings.Keep
			in.Settings.Keep = maps.Clone(keep)
			in.Settings.Keep[policy.Digits] = max(keep[policy.Records], keep[policy.Journal])
			in.Settings.Keep[policy.Records] = in.Settings.Keep[policy.Digits]
		}, []string{"no longer find these calls by the number"}, []string{"findet die anlage diese anrufe über die nummer nicht mehr"}},
		{"lines", func(in *Input) { in.Facts.Lines = 0 }, []string{"people outside who call", "telephone company", "withhold"},
			[]string{"menschen außerhalb, die", "telefongesellschaft", "unterdrücken"}},
	} {
		for lang, words := range map[string][]string{"en": c.en, "de": c.de} {
			off := full()
			c.off(&off)
			on, gone := flat(t, lang, full()), flat(t, lang, off)
			for _, w := range words {
				if !strings.Contains(on, w) {
					t.Errorf("%s, %s: no %q when it is on", c.name, lang, w)
				}
				if strings.Contains(gone, w) {
					t.Errorf("%s, %s: %q when it is off", c.name, lang, w)
				}
			}
		}
	}
}

func TestWhichCallsAreRecorded(t *testing.T) {
	for _, c := range []struct {
		r    policy.Record
		want string
		not  []string
	}{
		{policy.Record{Internal: true, Incoming: true, Outgoing: true, Failed: true}, "every call makes a call record.", []string{"failed make"}},
		{policy.Record{Internal: true, Incoming: true, Outgoing: true}, "made of calls between users, calls that come in and calls that go out. calls that nobody answered or that failed make no call record.", []string{"every call"}},
		{policy.Record{Outgoing: true, Failed: true}, "call records are made of calls that go out.", []string{"calls between users", "calls that come in", "failed make"}},
		{policy.Record{Failed: true}, "calls make no call record.", []string{"made of", "call records: checking", "failed make"}},
		{policy.Record{}, "calls make no call record.", []string{"made of", "call records: checking", "failed make"}},
	} {
		in := full()
		in.Settings.Record = c.r
		got := strings.ReplaceAll(flat(t, "en", in), " - ", " ")
		if !strings.Contains(got, c.want) || !strings.Contains(got, "calls to emergency numbers always make one") {
			t.Errorf("%+v: no %q", c.r, c.want)
		}
		for _, not := range c.not {
			if strings.Contains(got, not) {
				t.Errorf("%+v: %q", c.r, not)
			}
		}
	}
}

// TestBlanks: what the box cannot know is marked, and what was given is not.
func TestBlanks(t *testing.T) {
	blanks := func(k Kind, in Input) []string {
		var l []string
		s := strings.Join(strings.Fields(text(t, k, "en", in)), " ")
		for _, m := range regexp.MustCompile(`\[to be filled in: ([^\]]*)\]`).FindAllStringSubmatch(s, -1) {
			l = append(l, m[1])
		}
		slices.Sort(l)
		return slices.Compact(l)
	}
	const basis = "legal basis; where it is legitimate interests, which"
	const none, recorded, transfers = "name and contact, or that there is none", "what calls are recorded for", "which, or that there is none"
	nothing := plain()
	nothing.Office, nothing.Country, nothing.Root = "", "US", ""
	for _, c := range []struct {
		name string
		in   Input
		k    Kind
		want []string
	}{
		{"full", full(), Record, []string{"measures", recorded, transfers}},
		{"full", full(), Notice, []string{basis, recorded, transfers}},
		{"plain", plain(), Record, []string{"address", "e-mail address", "measures", none, "telephone number"}},
		{"plain", plain(), Notice, []string{"address", "e-mail address", basis, none, "supervisory authority", "telephone number"}},
		{"nothing", nothing, Record, []string{"address", "data protection law of the country", "e-mail address", "key file, passphrase or security chip",
			"measures", "name", none, "telephone number"}},
	} {
		if got := blanks(c.k, c.in); !slices.Equal(got, c.want) {
			t.Errorf("%s, %s: %q\nwant %q", c.name, c.k, got, c.want)
		}
	}
}

func TestLaw(t *testing.T) {
	for country, want := range map[string]string{"DE": "of regulation (eu) 2016/679 (gdpr).", "GB": "of the uk gdpr.", "US": "law that the office is under: [to be filled in"} {
		in := full()
		in.Country = country
		if !strings.Contains(flat(t, "en", in), want) {
			t.Errorf("%s: no %q", country, want)
		}
	}
}

type noPaper struct{}

func (noPaper) Write([]byte) (int, error) { return 0, errNoPaper }

var errNoPaper = errors.New("out of paper")

func TestErrors(t *testing.T) {
	var b bytes.Buffer
	if err := HTML(&b, "receipt", "en", full()); !errors.Is(err, ErrKind) {
		t.Error(err)
	}
	if err := Text(&b, Record, "tlh", full()); !errors.Is(err, ErrLanguage) {
		t.Error(err)
	}
	in := full()
	in.Settings.Keep[policy.Audit] = 1
	err := HTML(&b, Record, "en", in)
	if _, ok := errors.AsType[policy.Problems](err); !ok {
		t.Error(err)
	}
	if b.Len() > 0 {
		t.Errorf("an error came with %d bytes", b.Len())
	}
	if err := HTML(noPaper{}, Record, "en", full()); !errors.Is(err, errNoPaper) {
		t.Error(err)
	}
}
