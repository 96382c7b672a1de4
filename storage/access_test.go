package storage

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"math"
	"reflect"
	"runtime"
	"runtime/metrics"
	"slices"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"sotto/pbx"
	"sotto/pbx/number"
	"sotto/pbx/plan"
	"sotto/storage/archive"
	"sotto/storage/keyring"
	"sotto/storage/policy"
)

// carla is a user of whom nothing may stand in anybody's archive but her own.
const carla = plan.UserID("user-carla")

// accessBox is an office in which all have to do with all: Anna's calls, Boris's and Carla's,
// of two outside numbers each; messages; accounts; an older name of Anna's.
func accessBox(t *testing.T) *Store {
	t.Helper()
	s := newBox(t).open()
	s.clock = func() time.Time { return day0.Add(24 * time.Hour) }
	p := testPlan()
	p.Fields = []plan.Field{plan.Place, plan.Department, plan.Email, plan.Mobile}
	p.Users[0].Name = "Anna Rhabarberfürst" // as she was called before
	p.Users[0].Email, p.Users[0].Place = "anna@example.org", "Raum Eins"
	p.Users[1].Email, p.Users[1].Mobile = "boris@example.org", "+4917000001"
	p.Users = append(p.Users, plan.User{ID: carla, Name: "Carla Quittenkompott", Ext: "55555", Email: "carla@example.org"})
	setPlan(t, s, p)
	p.Users[0].Name = "Anna Zwetschgenbaum"
	setPlan(t, s, p)
	call := func(from, to pbx.Party, minutes int) {
		s.Append(pbx.Record{From: from, To: to, Began: day0.Add(time.Duration(minutes) * time.Minute), Rang: 3 * time.Second, Talked: time.Minute, Code: "Kirschkern & 7 Zwerge",
			Outcome: pbx.Answered, Cause: 16})
	}
	a, b, c := pbx.Party{User: anna, Ext: "73911", Place: "Raum Eins"}, pbx.Party{User: boris, Ext: "84062"}, pbx.Party{User: carla, Ext: "55555"}
	first, other := pbx.Party{Number: callerShown, Line: "FXO 1"}, pbx.Party{Number: otherCaller, Line: "FXO 2"}
	call(first, a, 1)                                                        // the first number and Anna
	call(a, first, 2)                                                        //
	call(a, b, 3)                                                            // Anna and Boris
	call(other, b, 4)                                                        // the other number and Boris
	call(b, other, 5)                                                        //
	call(pbx.Party{Number: number.Must("04011223344"), Line: "FXO 3"}, c, 6) // Carla's own
	call(pbx.Party{Number: callerShown, Line: "FXO 1"}, c, 7)                // the first number and Carla
	call(pbx.Party{Number: number.Must("05199887766"), Line: "FXO 3"}, a, 8) // another of Anna's
	if err := s.flush(); err != nil {
		t.Fatal(err)
	}
	for _, m := range []struct {
		about []pbx.Party
		n     int
	}{{[]pbx.Party{a, first}, 8000}, {[]pbx.Party{b, other}, 16_000}, {[]pbx.Party{c}, 24_000}} {
		w := must(s.NewAudio(m.about...))
		must(w.Write(voice(m.n)))
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Claim(t.Context(), "chef", "kaltes wasser am morgen"); err != nil {
		t.Fatal(err)
	}
	for name, user := range map[string]plan.UserID{"anna-log-in": anna, "boris-log-in": boris} {
		must(s.AddAccount(t.Context(), owner, name, "kaltes wasser am abend", Staff, user))
	}
	return s
}

// archiveOf gives the entries of an archive, the page as it is read, and what Access said.
func archiveOf(t *testing.T, s *Store, v Viewer, p Person) (map[string]string, Archive) {
	t.Helper()
	var b bytes.Buffer
	out, err := s.As(v).Access(t.Context(), p, &b, nil)
	if err != nil {
		t.Fatal(err)
	}
	if out.Bytes != int64(b.Len()) {
		t.Errorf("%d bytes told, %d written", out.Bytes, b.Len())
	}
	z, err := zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, f := range z.File {
		r := must(f.Open())
		data := must(io.ReadAll(r))
		files[f.Name] = string(data)
	}
	files["index.html"] = html.UnescapeString(files["index.html"])
	if !json.Valid([]byte(files["data.json"])) {
		t.Error("data.json is none")
	}
	return files, out
}

// holds checks what stands in both forms of an archive, and what in no entry of it.
func holds(t *testing.T, files map[string]string, with, without []string) {
	t.Helper()
	for _, want := range with {
		for _, name := range []string{"index.html", "data.json"} {
			if !strings.Contains(files[name], want) {
				t.Errorf("%s lacks %q", name, want)
			}
		}
	}
	for name, text := range files {
		for _, bad := range without {
			if strings.Contains(text, bad) || strings.Contains(name, bad) {
				t.Errorf("%s holds %q", name, bad)
			}
		}
	}
}

// ofCarla is what stands in Carla's archive alone.
var ofCarla = []string{"Carla", "Quittenkompott", "55555", "carla@", "4011223344", "04011", "chef"}

func TestAccessUser(t *testing.T) {
	s := accessBox(t)
	with := []string{"Anna Zwetschgenbaum", "Anna Rhabarberfürst", "73911", "anna@example.org", "Raum Eins", "anna-log-in", "Boris Ökonomou-Großkreutz", "84062",
		"FXO 1", "audio/0001.wav", "Praxis Zwetschgenbaum"}
	without := append([]string{"Kirschkern", "boris@example.org", "+4917000001", "boris-log-in", "2039477", "FXO 2"}, ofCarla...)

	files, out := archiveOf(t, s, Viewer{Role: Admin}, Person{User: anna})
	holds(t, files, append(with, "030901820"[:5]), append(without, callerShown.Reveal(), "901820", "05199887766"))
	if !out.Known || out.Records != 4 || out.Journal != 4 || out.Others != 1 || out.Items != 1 || out.Lines == 0 || out.Damaged != 0 {
		t.Errorf("%+v", out)
	}
	if n := len(files["audio/0001.wav"]); n != 44+16_000 {
		t.Errorf("the message has %d bytes", n)
	}

	// The person has the own journal whole, and call records masked.
	files, out = archiveOf(t, s, Viewer{Role: Staff, User: anna}, Person{User: anna})
	holds(t, files, append(with, callerShown.Reveal(), "05199887766"), without)
	var d struct{ Calls, Journal []archive.Call }
	if err := json.Unmarshal([]byte(files["data.json"]), &d); err != nil {
		t.Fatal(err)
	}
	if len(d.Calls) != 4 || len(d.Journal) != 4 || out.Records != 4 {
		t.Errorf("%d calls, %d entries", len(d.Calls), len(d.Journal))
	}
	for i, c := range d.Calls {
		if strings.Contains(c.Other.Number, "901820") || c.Other.Name == "" && !strings.HasSuffix(c.Other.Number, ellipsis) {
			t.Errorf("call record %d shows %+v", i, c.Other)
		}
		if c.Own.Ext != "73911" || c.Own.Place != "Raum Eins" {
			t.Errorf("call record %d is of %+v", i, c.Own)
		}
	}
	if came := []bool{d.Calls[0].Came, d.Calls[1].Came, d.Calls[2].Came, d.Calls[3].Came}; !slices.Equal(came, []bool{true, false, false, true}) {
		t.Errorf("who called whom: %v", came)
	}
}

func TestAccessNumber(t *testing.T) {
	s := accessBox(t)
	files, out := archiveOf(t, s, Viewer{Role: PrivacyOfficer}, Person{Number: callerLetter})
	holds(t, files, []string{callerShown.Reveal(), "+4930901820", "FXO 1", "this office"},
		append([]string{"Kirschkern", "Anna", "Boris", "73911", "84062", "@example.org", "log-in", "Raum", "2039477", "05199887766", "FXO 2", "FXO 3"}, ofCarla...))
	if !out.Known || out.Records != 3 || out.Journal != 0 || out.Others != 3 || out.Items != 1 {
		t.Errorf("%+v", out)
	}
	if n := len(files["audio/0001.wav"]); n != 44+16_000 {
		t.Errorf("the message has %d bytes", n)
	}
}

func TestAccessAccount(t *testing.T) {
	s := accessBox(t)
	chief := s.accounts.Load().named("chef")
	boss := chief.public().Viewer()
	if _, err := s.As(boss).Find(t.Context(), Person{User: anna}); err != nil {
		t.Fatal(err)
	}
	files, out := archiveOf(t, s, boss, Person{Account: chief.ID})
	holds(t, files, []string{"chef", "owner", "find person"},
		append([]string{"Anna", "Boris", "73911", "84062", "@example.org", "log-in", "2039477", "FXO"}, ofCarla[:len(ofCarla)-1]...))
	if !out.Known || out.Records+out.Journal+out.Others+out.Items != 0 || out.Lines < 2 {
		t.Errorf("%+v", out)
	}
	// The one who was looked at finds that, with the role.
	files, _ = archiveOf(t, s, owner, Person{User: anna})
	holds(t, files, []string{"find person", "archive of a person"}, []string{"chef"})
}

func TestAccessRights(t *testing.T) {
	s := accessBox(t)
	annas := s.accounts.Load().named("anna-log-in").public()
	chief := s.accounts.Load().named("chef").ID
	user, other, num, acc := Person{User: anna}, Person{User: boris}, Person{Number: callerShown}, Person{Account: chief}
	for _, c := range []struct {
		v    Viewer
		p    Person
		want error
	}{
		{owner, user, nil}, {owner, num, nil}, {owner, acc, nil}, {owner, Person{}, ErrPerson}, {owner, Person{User: anna, Number: callerShown}, ErrPerson},
		{owner, Person{Number: number.Must("112")}, ErrHelp},
		{Viewer{Role: Admin}, user, nil}, {Viewer{Role: Admin}, num, nil}, {Viewer{Role: Admin}, acc, ErrNotAllowed},
		{Viewer{Role: Admin, Account: chief}, acc, nil},
		{Viewer{Role: PrivacyOfficer}, user, ErrNotAllowed}, {Viewer{Role: PrivacyOfficer}, num, nil}, {Viewer{Role: PrivacyOfficer}, acc, ErrNotAllowed},
		{Viewer{Role: Installer}, user, ErrNotAllowed}, {Viewer{Role: Installer}, num, ErrNotAllowed}, {Viewer{Role: Installer}, Person{}, ErrNotAllowed},
		{Viewer{Role: Installer, User: anna}, user, ErrNotAllowed},
		{annas.Viewer(), user, nil}, {annas.Viewer(), Person{Account: annas.ID}, nil},
		{annas.Viewer(), other, ErrNotAllowed}, {annas.Viewer(), num, ErrNotAllowed}, {annas.Viewer(), acc, ErrNotAllowed},
		{annas.Viewer(), Person{User: anna, Account: chief}, ErrNotAllowed}, {Viewer{Role: Staff}, user, ErrNotAllowed},
		{Viewer{User: anna, Account: annas.ID}, user, ErrNotAllowed}, {Viewer{User: anna, Account: annas.ID}, Person{Account: annas.ID}, ErrNotAllowed},
		{Viewer{Role: 77, Account: chief}, acc, ErrNotAllowed},
	} {
		var b bytes.Buffer
		_, err := s.As(c.v).Access(t.Context(), c.p, &b, nil)
		if !errors.Is(err, c.want) || c.want == nil && err != nil {
			t.Errorf("%v asks for %+v: %v, want %v", c.v, c.p, err, c.want)
		}
		if err != nil && b.Len() > 0 {
			t.Errorf("%v is refused and gets %d bytes", c.v, b.Len())
		}
	}
}

func TestAccessUnknown(t *testing.T) {
	s := accessBox(t)
	for _, p := range []Person{{Number: number.Must("030111222")}, {User: "nobody"}, {Account: "nobody"}} {
		files, out := archiveOf(t, s, owner, p)
		if out.Known || len(files) != 2 || !strings.Contains(files["index.html"], "Nothing is kept of this person") {
			t.Errorf("%+v, %d files", out, len(files))
		}
		holds(t, files, nil, append([]string{"Anna", "Boris", "73911", "84062", "901820"}, ofCarla...))
	}
	if lines := must(s.As(owner).Ledger(t.Context(), LedgerQuery{})); len(lines) != 3 || !lines[0].Whole {
		t.Errorf("ledger %+v", lines)
	}
}

// What is no longer whole is told in words.
func TestAccessAged(t *testing.T) {
	s := accessBox(t)
	if _, err := s.Erase(t.Context(), owner, Person{Number: number.Must("05199887766")}); err != nil {
		t.Fatal(err)
	}
	s.clock = func() time.Time { return day0.Add(72 * time.Hour) }
	s.dayBegan = time.Time{}
	s.Append(callFrom(callerShown, anna))
	s.flush()
	s.ring.Forget(keyring.Digits, s.today())
	files, out := archiveOf(t, s, Viewer{Role: Staff, User: anna}, Person{User: anna})
	holds(t, files, []string{noteErased, noteCut}, nil)
	if out.Records != 5 || out.Damaged != 0 {
		t.Errorf("%+v", out)
	}
	files, _ = archiveOf(t, s, owner, Person{Number: callerShown})
	holds(t, files, []string{noteCut, maskNumber(callerShown.Reveal(), s.policy().Cut)}, []string{"Anna"})
	var d struct{ Calls []archive.Call }
	if err := json.Unmarshal([]byte(files["data.json"]), &d); err != nil || d.Calls[0].Own.Note != "" || d.Calls[1].Own.Note != noteCut {
		t.Errorf("%v, %+v", err, d.Calls)
	}
	s.ring.Forget(keyring.Calls, s.today())
	if _, out = archiveOf(t, s, owner, Person{User: anna}); out.Records != 1 || out.Damaged != 0 {
		t.Errorf("after the term: %+v", out)
	}
}

// stopWriter calls a function with each Write before it takes it.
type stopWriter struct {
	bytes.Buffer
	each func(n int) error
}

func (w *stopWriter) Write(p []byte) (int, error) {
	if err := w.each(w.Len()); err != nil {
		return 0, err
	}
	return w.Buffer.Write(p)
}

// What happens while the archive is made does not get into it, and nothing is held up.
func TestAccessMeanwhile(t *testing.T) {
	s := accessBox(t)
	w := &stopWriter{each: func(int) error {
		if n := s.db.Stats().OpenTxN; n != 0 {
			t.Errorf("%d transactions are open while the archive is written", n)
		}
		must(s.As(owner).Find(t.Context(), Person{User: anna}))
		s.Append(callFrom(callerShown, anna))
		return s.flush()
	}}
	out, err := s.As(owner).Access(t.Context(), Person{User: anna}, w, nil)
	if err != nil || out.Records != 4 || out.Journal != 4 || out.Others != 1 {
		t.Fatalf("%+v, %v", out, err)
	}
	z := must(zip.NewReader(bytes.NewReader(w.Bytes()), int64(w.Len())))
	r := must(z.Open("index.html"))
	page := string(must(io.ReadAll(r)))
	if n := strings.Count(page, "<td>incoming</td>"); n != 4 {
		t.Errorf("the page has %d calls that came in", n)
	}
	if strings.Contains(page, "find person") {
		t.Error("the page has a look that came later")
	}
}

func TestAccessBrokenOff(t *testing.T) {
	s := accessBox(t)
	errGone := errors.New("the reader has gone")
	ctx, cancel := context.WithCancel(t.Context())
	erase := func() error {
		_, err := s.Erase(t.Context(), owner, Person{User: anna})
		return err
	}
	for _, c := range []struct {
		what string
		each func(n int) error
		want error
	}{
		{"reader gone", func(n int) error { return errGone }, errGone},
		{"reader gone later", func(n int) error {
			if n > 0 {
				return errGone
			}
			return nil
		}, errGone},
		{"cancelled", func(n int) error {
			if n > 0 {
				cancel()
			}
			return nil
		}, context.Canceled},
		{"erased", func(n int) error {
			if _, known := s.ring.Lookup(keyring.User, string(anna)); known && n > 0 {
				return erase()
			}
			return nil
		}, ErrUnknownPerson},
	} {
		use := t.Context()
		if c.want == context.Canceled {
			use = ctx
		}
		w := &stopWriter{each: c.each}
		if _, err := s.As(owner).Access(use, Person{User: anna}, w, nil); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.what, err, c.want)
		}
		if _, err := zip.NewReader(bytes.NewReader(w.Bytes()), int64(w.Len())); err == nil {
			t.Errorf("%s: it opens as an archive", c.what)
		}
		if lines := must(s.As(owner).Ledger(t.Context(), LedgerQuery{})); len(lines) == 0 || !lines[0].Ended || lines[0].Whole {
			t.Errorf("%s: the ledger does not say that it was broken off", c.what)
		}
	}
	// Who has no calls and is erased is missed at the end.
	silent := number.Must("04099999999")
	m := must(s.NewAudio(pbx.Party{Number: silent}))
	must(m.Write(voice(audioSecond)))
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	erased := false
	w := &stopWriter{each: func(int) error {
		if erased {
			return nil
		}
		erased = true
		_, err := s.Erase(t.Context(), owner, Person{Number: silent})
		return err
	}}
	if _, err := s.As(owner).Access(t.Context(), Person{Number: silent}, w, nil); !errors.Is(err, ErrUnknownPerson) || !erased {
		t.Errorf("erased, without calls: %v", err)
	}
	// Without its line in the trail and in the ledger nothing leaves.
	s.wmu.Lock()
	s.broken = true
	s.wmu.Unlock()
	var b bytes.Buffer
	if _, err := s.As(owner).Access(t.Context(), Person{User: boris}, &b, nil); !errors.Is(err, ErrDown) || b.Len() > 0 {
		t.Errorf("a store that cannot note it gives %d bytes: %v", b.Len(), err)
	}
	s.wmu.Lock()
	s.broken = false
	s.wmu.Unlock()
}

// A number that was kept in another form, before the plan told the area, is the same person.
func TestAccessOtherForm(t *testing.T) {
	s := newBox(t).open()
	setPlan(t, s, testPlan())
	s.Append(callFrom(number.Must("901820"), anna))
	self := callFrom(number.Must("901820"), "")
	self.To = pbx.Party{Number: number.Must("+4930901820"), Line: "FXO 2"} // both forms in one
	s.Append(self)
	s.flush()
	p := testPlan()
	p.AreaCode = "30"
	setPlan(t, s, p)
	s.Append(callFrom(callerShown, anna))
	s.flush()
	files, out := archiveOf(t, s, owner, Person{Number: callerLetter})
	if out.Records != 3 || out.Others != 2 {
		t.Errorf("%+v", out)
	}
	holds(t, files, []string{"901820", callerShown.Reveal()}, []string{"Anna"})
}

func TestAccessProgress(t *testing.T) {
	s := accessBox(t)
	for range 300 {
		s.Append(callFrom(callerShown, anna))
	}
	s.flush()
	last, times := 0, 0
	_, err := s.As(owner).Access(t.Context(), Person{User: anna}, io.Discard, func(done, total int) {
		if times++; done < last || done > total || total < 1200 {
			t.Errorf("%d of %d after %d", done, total, last)
		}
		last = done
	})
	if err != nil || times < 5 || last < 1200 {
		t.Errorf("told %d times, at last %d: %v", times, last, err)
	}
}

// A record that does not open is counted and told.
func TestAccessDamaged(t *testing.T) {
	s := accessBox(t)
	if err := s.db.Update(func(tx *bbolt.Tx) error {
		value := bytes.Clone(tx.Bucket(bucketRecords).Get(keyOf(1)))
		value[len(value)/2]++
		return tx.Bucket(bucketRecords).Put(keyOf(1), value)
	}); err != nil {
		t.Fatal(err)
	}
	files, out := archiveOf(t, s, owner, Person{User: anna})
	if out.Damaged != 1 || out.Records != 3 {
		t.Errorf("%+v", out)
	}
	if !strings.Contains(files["index.html"], "One row is damaged") {
		t.Error("the page does not tell")
	}
}

// Whatever the plan has of a user stands in the archive: a new field needs its words.
func TestUserFactsAreAll(t *testing.T) {
	var u plan.User
	v := reflect.ValueOf(&u).Elem()
	for i := range v.NumField() {
		before := len(userFacts(&u))
		switch f := v.Field(i); f.Kind() {
		case reflect.String:
			f.SetString("x")
		case reflect.Bool:
			f.SetBool(true)
		case reflect.Slice:
			f.Set(reflect.ValueOf([]string{"x"}))
		default:
			t.Fatalf("what is %s", v.Type().Field(i).Name)
		}
		if name := v.Type().Field(i).Name; len(userFacts(&u)) == before && name != "ID" {
			t.Errorf("%s is not in the archive of a user", name)
		}
	}
	for _, k := range policy.Kinds() {
		if termWords[k] == "" {
			t.Errorf("%s has no words", k)
		}
	}
}

// BenchmarkAccess makes the archive of a user with 10,000 records, as many entries of the journal and 100
// messages of a minute, and tells the most memory that it took beside.
func BenchmarkAccess(b *testing.B) {
	s := benchStore(b)
	if _, rev := s.CurrentPlan(); rev == 0 {
		must(s.SetPlan(b.Context(), owner, rev, testPlan()))
	}
	s.clock = func() time.Time { return day0.Add(24 * time.Hour) }
	for i := range 10_000 {
		r := callFrom(number.Must(fmt.Sprint("030", 100_000+i%500)), anna)
		r.Began = day0.Add(time.Duration(i) * time.Second)
		s.Append(r)
		if i%maxQueue == maxQueue-1 {
			s.flush()
		}
	}
	s.flush()
	minute := voice(60 * audioSecond)
	for range 100 {
		w := must(s.NewAudio(pbx.Party{User: anna}, pbx.Party{Number: callerShown}))
		must(w.Write(minute))
		if err := w.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		runtime.GC()
		before, most := heap(), uint64(0)
		out, err := s.As(owner).Access(b.Context(), Person{User: anna}, io.Discard, func(int, int) { most = max(most, heap()) })
		if err != nil || out.Records != 10_000 || out.Items != 100 {
			b.Fatalf("%+v, %v", out, err)
		}
		b.SetBytes(out.Bytes)
		b.ReportMetric(math.Round(float64(most-min(before, most))/(1<<20)*10)/10, "MiB-heap")
	}
}

// heap tells how many bytes of memory objects take, dead ones that were not yet found too.
func heap() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
