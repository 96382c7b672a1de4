package formattest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sotto/pbx"
	"sotto/pbx/number"
	"sotto/pbx/plan"
	"sotto/storage"
	"sotto/storage/keyring"
)

// TestReaderIsIndependent holds the reader to the standard library and one cipher.
func TestReaderIsIndependent(t *testing.T) {
	for _, name := range []string{"bolt_test.go", "keys_test.go", "sealed_test.go", "folder_test.go"} {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range f.Imports {
			if p := strings.Trim(i.Path.Value, `"`); strings.HasPrefix(p, "sotto/") || strings.Contains(strings.Split(p, "/")[0], ".") && p != "golang.org/x/crypto/chacha20poly1305" {
				t.Errorf("%s imports %s", name, p)
			}
		}
	}
}

// TestRead fills a store through its API, for 40 days with erasures, ageing, rotations
// and restarts, and reads it with the independent reader.
func TestRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t)
		must := o.must
		ctx := t.Context()
		must(o.store.Claim(ctx, "Chefin", "ein gutes Passwort"))
		o.setPlan(firstPlan)
		o.setPlan(func(p *plan.Plan) { p.Users[1].Name = "Björn Strauß-Öz" })
		_, err := o.store.AddAccount(ctx, owner, "zoë", "noch ein Passwort", storage.Staff, o.user("103").User)
		must(err)
		secret := o.secret("103")
		o.secret("47110")
		o.binding("103")
		page := []byte("-----BEGIN PRIVATE KEY-----\n")
		_, err = o.store.PageIdentity(func() ([]byte, error) { return page, nil })
		must(err)

		doomed, kept := "03023125042", "00442079460987"
		sound := &pbx.Quality{Codec: "PCMA", Packets: 3001, Lost: 12, Late: 3, Jitter: 4300 * time.Microsecond, RoundTrip: 21 * time.Millisecond, MOS: 4.18}
		day := func() {
			o.call(
				pbx.Record{From: outside(doomed, "Amt 1"), To: o.user("47110")},
				pbx.Record{From: o.user("103"), To: outside(kept, "Amt 2"), Held: true, FromQuality: sound},
				pbx.Record{From: o.user("102"), To: o.user("103"), ToQuality: sound},
				pbx.Record{From: o.user("104"), To: outside("112", "Amt 1"), Emergency: true},
				pbx.Record{From: pbx.Party{Line: "Amt 2"}, Outcome: pbx.Abandoned, Rang: 7 * time.Second, Cause: pbx.NormalClearing},
				pbx.Record{From: pbx.Party{Line: "Amt 1"}, To: o.user("104"), Private: true},
				pbx.Record{From: o.user("102"), To: pbx.Party{Number: number.Must("999")}, Outcome: pbx.Unobtainable, Cause: pbx.Unallocated},
			)
		}
		rnd := rand.New(rand.NewPCG(1, 2))
		for i := range 40 {
			day()
			o.call(pbx.Record{From: outside(fmt.Sprintf("0302312%04d", rnd.IntN(10000)), "Amt 1"), To: o.user("102")})
			if i == 20 {
				o.again()
			}
			o.nextDay()
		}
		voice := noise(3*chunk+77, 7)
		items := map[keyring.Item][]byte{
			o.audio(voice, true, o.user("103"), outside(kept, "Amt 2")): voice,
			o.audio(voice[:2*chunk], true, o.user("103")):               voice[:2*chunk],
			o.audio(nil, true, o.user("103")):                           nil,
			o.audio(voice, false, o.user("103")):                        voice[:3*chunk],
		}
		dropped := o.audio(voice, true, o.user("103"))
		must(o.store.DropAudio(dropped))

		// Who is erased, when: after this many records.
		erase := func(p storage.Person) storage.Proof {
			t.Helper()
			proof, err := o.store.Erase(ctx, owner, p)
			must(err)
			if !proof.Verified {
				t.Error("an erasure was not verified")
			}
			return proof
		}
		doomedUser := o.user("102")
		byNumber := len(o.calls)
		proofs := []storage.Proof{erase(storage.Person{Number: number.Must("+49 30 23125042")})}
		day() // a call from the same number is of somebody new
		proofs = append(proofs, erase(storage.Person{User: doomedUser.User}))
		o.plan, _ = o.store.CurrentPlan()
		o.plans = append(o.plans, o.plan.Clone())
		byUser := len(o.calls)
		const agedDigits, agedCalls = 35, 3
		start := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
		for class, n := range map[keyring.Class]int{keyring.Digits: agedDigits, keyring.Calls: agedCalls} {
			_, err := o.store.Forget(ctx, class, start.AddDate(0, 0, n))
			must(err)
		}
		time.Sleep(2 * time.Hour) // the sweep and a rotation
		if _, err := os.Stat(filepath.Join(o.dir, "keyring.tail-0")); err == nil {
			t.Error("nothing was rotated")
		}
		bound := o.binding("103")
		o.call(pbx.Record{From: outside("03023125777", "Amt 1"), To: o.user("104")}) // someone new, for the tail
		o.stop()

		f, err := readFolder(o.dir, o.root)
		must(err)
		if f.ring.frames == 0 {
			t.Error("the tail is empty")
		}
		gone := map[id]bool{}
		for _, p := range proofs {
			for _, s := range p.Subjects {
				gone[id(s)] = true
			}
		}

		// Records, each with what must and must not open.
		if n := len(o.calls); len(f.records) == 0 || f.records[len(f.records)-1].id != uint64(n) {
			t.Fatalf("%d records were read to the end, %d given", len(f.records), n)
		}
		lines, persons := map[[8]byte][]uint64{}, map[id][]uint64{}
		first := -1
		for _, r := range f.records {
			given := o.calls[r.id-1]
			if r.day != given.day {
				t.Errorf("record %d is of day %d, was given on %d", r.id, r.day, given.day)
			}
			if r.err != nil {
				t.Errorf("record %d: %v: aged rows are swept", r.id, r.err)
				continue
			}
			if first < 0 {
				first = int(given.day)
			}
			for i, line := range []string{given.From.Line, given.To.Line} {
				if line != "" && (i == 0 || line != given.From.Line) {
					lines[f.lineTag(line)] = append(lines[f.lineTag(line)], r.id)
				}
			}
			for i, p := range []pbx.Party{given.From, given.To} {
				erased := p.User != "" && p.User == doomedUser.User && int(r.id) <= byUser || strings.HasPrefix(doomed, p.Number.Reveal()) && len(p.Number.Reveal()) > 3 && int(r.id) <= byNumber
				compareParty(t, f, r, i, p, erased, given.day < agedDigits)
				if s := r.sides[i]; s != nil && s.err == nil {
					persons[s.who] = append(persons[s.who], r.id)
				} else if s != nil && s.err == errErased && !gone[s.who] {
					t.Errorf("record %d: erased, and no proof names it", r.id)
				}
			}
			compareFacts(t, r, given.Record)
		}
		if first != agedCalls {
			t.Errorf("the oldest record is of day %d, want %d", first, agedCalls)
		}
		for _, l := range persons {
			slices.Sort(l)
		}
		for who, l := range persons {
			if l = slices.Compact(l); !slices.Equal(f.index[who], l) {
				t.Errorf("bySubject has %d records of a subject, the rows %d", len(f.index[who]), len(l))
			}
		}
		if len(f.index) != len(persons) {
			t.Errorf("bySubject has %d subjects, the rows %d", len(f.index), len(persons))
		}
		if !reflect.DeepEqual(lines, f.lines) {
			t.Errorf("byLine and the rows differ")
		}

		// Days: those with a record, by date.
		if len(f.days) != int(o.day)+1 {
			t.Errorf("%d days, want %d", len(f.days), o.day+1)
		}
		for i, d := range f.days {
			if at := time.Unix(d.Date*86400, 0).UTC(); i < 40 && !at.Equal(start.AddDate(0, 0, i)) {
				t.Errorf("day %d is dated %v", i, at)
			}
		}

		// Plans: newest last, users as they were, less the erased.
		if len(f.plans) != len(o.plans) {
			t.Fatalf("%d plans, want %d", len(f.plans), len(o.plans))
		}
		for i, v := range f.plans {
			if int(v.n) != i+1 {
				t.Errorf("plan %d is number %d", i, v.n)
			}
			comparePlan(t, f, v, o.plans[i], doomedUser.User)
		}

		// What is of persons.
		who, ok := f.ring.find('U', string(bound.User))
		if s := f.secrets[who]; !ok || len(f.secrets) != 2 || s.Ext != "103" || !bytes.Equal(s.MD5, secret.MD5[:]) || !bytes.Equal(s.SHA256, secret.SHA256[:]) {
			t.Errorf("%d secrets, or a wrong one", len(f.secrets))
		}
		if l := f.bindings[who]; len(f.bindings) != 1 || !reflect.DeepEqual(l, []binding{{string(bound.User), bound.Contact, bound.Proto, bound.Remote, bound.Local,
			bound.Instance, bound.RegID, bound.CallID, int64(bound.CSeq), bound.Expires.Format(time.RFC3339), bound.Agent, bound.Path}}) {
			t.Errorf("bindings %+v", f.bindings)
		}
		names := map[string]string{}
		for who, a := range f.accounts {
			names[a.Name] = a.User
			if e := f.ring.all[who]; e == nil || e.kind != 'A' || e.name != a.ID || a.Hash.M == 0 || len(a.Hash.Salt) != 16 || len(a.Hash.Sum) != 32 {
				t.Errorf("an account is not as FORMAT.md has it: %+v", a.Hash)
			}
		}
		if want := map[string]string{"Chefin": "", "zoë": string(bound.User)}; !reflect.DeepEqual(names, want) || !f.claimed {
			t.Errorf("accounts %v, claimed %v", names, f.claimed)
		}
		if !bytes.Equal(f.page, page) {
			t.Error("the page's identity is another")
		}
		for item, want := range items {
			if got, ok := f.audio[id(item)]; !ok || !bytes.Equal(got, want) {
				t.Errorf("audio of %d bytes, want %d (there: %v)", len(got), len(want), ok)
			}
			if f.cut[id(item)] != (len(want) == 3*chunk) {
				t.Errorf("audio of %d bytes: cut %v", len(want), f.cut[id(item)])
			}
		}
		if len(f.audio) != len(items) || f.ring.all[id(dropped)] != nil {
			t.Errorf("%d files of audio, want %d", len(f.audio), len(items))
		}

		// Erasures and rotations.
		for _, p := range proofs {
			for i, s := range p.Subjects {
				v, ok := f.erased[id(s)]
				if !ok || v.Done != 1 || v.Left != 0 || v.At != p.At.Unix() || i == 0 && (v.Rows != p.Records || v.Plans != p.Plans || v.Items != p.Items || v.Kind != string(rune(p.Kind)) ||
					v.Old != fmt.Sprintf("%x", p.OldEpoch) || v.New != fmt.Sprintf("%x", p.NewEpoch) || v.Gen != p.Rewrite) {
					t.Errorf("erasure %+v, the proof %+v", v, p)
				}
				if f.ring.all[id(s)] != nil {
					t.Error("the keyring knows an erased subject")
				}
			}
		}
		if f.ring.mark > f.count {
			t.Errorf("the mark %d is above the count %d", f.ring.mark, f.count)
		}
		b, err := os.ReadFile(filepath.Join(o.dir, "lifeline.json"))
		must(err)
		var life struct {
			Format int
			Plan   plan.Plan
		}
		must(json.Unmarshal(b, &life))
		if want := o.plan.Lifeline(); life.Format != 1 || !reflect.DeepEqual(life.Plan, want) {
			t.Errorf("lifeline.json is not the plan's")
		}
	})
}

func compareFacts(t *testing.T, r record, g pbx.Record) {
	t.Helper()
	bit := func(b bool) int {
		if b {
			return 1
		}
		return 0
	}
	got := r.facts
	got.From, got.To, got.FromSound, got.ToSound = 0, 0, nil, nil
	want := facts{Began: g.Began.UnixMilli(), Rang: g.Rang.Milliseconds(), Talked: g.Talked.Milliseconds(), Outcome: int(g.Outcome), Cause: int(g.Cause),
		Held: bit(g.Held), Emergency: bit(g.Emergency), FromLine: g.From.Line, ToLine: g.To.Line, Private: bit(g.Private)}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("record %d: %+v, want %+v", r.id, got, want)
	}
	for i, q := range []*pbx.Quality{g.FromQuality, g.ToQuality} {
		l := [][]any{r.facts.FromSound, r.facts.ToSound}[i]
		if (q != nil) != (l != nil) || q != nil && !slices.Equal(l, []any{"PCMA", 3001., 12., 43., 210., 418., 0., 0., 0., 3.}) {
			t.Errorf("record %d: sound %v", r.id, l)
		}
	}
}

// compareParty tells whether side i of a record is the party that was given.
func compareParty(t *testing.T, f *folder, r record, i int, g pbx.Party, erased, aged bool) {
	t.Helper()
	s, digits := r.sides[i], g.Number.Reveal()
	if g.User == "" && digits == "" {
		if s != nil {
			t.Errorf("record %d side %d: a party where none was given", r.id, i)
		}
		return
	}
	if s == nil {
		t.Errorf("record %d side %d: no party", r.id, i)
		return
	}
	if erased {
		if !errors.Is(s.err, errErased) || s.Ext+s.Number+s.last != "" {
			t.Errorf("record %d side %d: not erased: %v", r.id, i, s.err)
		}
		return
	}
	n := 4
	if len(digits) <= 6 {
		n = len(digits)
	}
	last := digits[len(digits)-n:]
	if s.err != nil || s.known == nil || s.Ext != string(g.Ext) || s.Number != digits[:len(digits)-n] || s.hasDigits != (digits != "") {
		t.Errorf("record %d side %d: another party (%v)", r.id, i, s.err)
		return
	}
	if digits != "" && aged && (s.lastErr != errAged || s.last != "") || digits != "" && !aged && (s.lastErr != nil || s.last != last) {
		t.Errorf("record %d side %d: last digits: %v", r.id, i, s.lastErr)
	}
	switch k := s.known; {
	case g.User != "" && (k.kind != 'U' || k.name != string(g.User)):
		t.Errorf("record %d side %d: another user", r.id, i)
	case g.User == "" && (k.kind != 'N' || k.name != international(digits)):
		t.Errorf("record %d side %d: another number %q", r.id, i, k.name)
	}
}

// international is what the numbers of these tests are in the form of E.164.
func international(digits string) string {
	switch {
	case strings.HasPrefix(digits, "00"):
		return "+" + digits[2:]
	case strings.HasPrefix(digits, "0"):
		return "+49" + digits[1:]
	}
	return digits
}

func comparePlan(t *testing.T, f *folder, v revision, given plan.Plan, erased plan.UserID) {
	t.Helper()
	users := given.Users
	given.Users = nil
	flat := func(p any) (m map[string]any) {
		b, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, &m); err != nil {
			t.Fatal(err)
		}
		return m
	}
	delete(v.plan, "users")
	if !reflect.DeepEqual(v.plan, flat(given)) {
		t.Errorf("plan %d: %v", v.n, v.plan)
	}
	n := 0
	for _, u := range users {
		if u.ID == erased {
			n++
			continue
		}
		who, _ := f.ring.find('U', string(u.ID))
		if !reflect.DeepEqual(v.users[who], flat(u)) {
			t.Errorf("plan %d: user %v, want %v", v.n, v.users[who], flat(u))
		}
	}
	if len(v.gone) != n || len(v.users) != len(users)-n {
		t.Errorf("plan %d: %d users and %d erased of %d", v.n, len(v.users), len(v.gone), len(users))
	}
}

// noise is sound that no other is like.
func noise(n int, seed uint64) []byte {
	rnd := rand.New(rand.NewPCG(seed, seed))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rnd.Uint32())
	}
	return b
}
