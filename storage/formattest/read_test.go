package formattest

import (
	"bytes"
	"encoding/hex"
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
	"sotto/storage/root"
)

// TestReaderIsIndependent holds the reader to the standard library and two ciphers that it
// lacks.
func TestReaderIsIndependent(t *testing.T) {
	for _, name := range []string{"bolt_test.go", "keys_test.go", "sealed_test.go", "record_test.go", "folder_test.go", "journal_test.go", "trail_test.go"} {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range f.Imports {
			if p := strings.Trim(i.Path.Value, `"`); strings.HasPrefix(p, "sotto/") || strings.Contains(p, ".") && p != "golang.org/x/crypto/chacha20poly1305" && p != "golang.org/x/crypto/argon2" {
				t.Errorf("%s imports %s", name, p)
			}
		}
	}
}

// TestRead fills a store through its API, for 75 days with erasures, ageing, rotations
// and restarts, and reads it with the independent reader.
func TestRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t)
		must := o.must
		ctx := t.Context()
		must(o.store.Claim(ctx, "Chefin", "ein gutes Passwort"))
		o.setPlan(firstPlan)
		o.keepAll()
		o.setPlan(func(p *plan.Plan) { p.Users[1].Name = "Björn Strauß-Öz" })
		o.setPlan(func(p *plan.Plan) {
			p.Users = append(p.Users, plan.User{Name: "Gast Ñandú", Ext: "105", SIP: true})
		})
		guest := o.user("105").User
		_, err := o.store.AddAccount(ctx, owner, "zoë", "noch ein Passwort", storage.Staff, o.user("103").User)
		must(err)
		helper, err := o.store.AddAccount(ctx, owner, "Gehilfe", "auch ein Passwort", storage.Admin, "")
		must(err)
		all, err := o.store.As(owner).Accounts(ctx)
		must(err)
		chief := storage.Viewer{Role: storage.Owner, Account: all[slices.IndexFunc(all, func(a storage.Account) bool { return a.Role == storage.Owner })].ID}
		admin := storage.Viewer{Role: storage.Admin, Account: helper.ID}
		secret := o.secret("103")
		o.secret("47110")
		o.binding("103")
		page := []byte("-----BEGIN PRIVATE KEY-----\n")
		_, err = o.store.PageIdentity(func() ([]byte, error) { return page, nil })
		must(err)

		var gone fate
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
				pbx.Record{From: outside(kept, "Amt 1"), Outcome: pbx.Abandoned, Rang: 9 * time.Second, Missed: []plan.UserID{o.user("103").User, o.user("104").User}},
			)
		}
		rnd := rand.New(rand.NewPCG(1, 2))
		for i := range 75 {
			day()
			o.call(pbx.Record{From: outside(fmt.Sprintf("0302312%04d", rnd.IntN(10000)), "Amt 1"), To: o.user("102")})
			switch i {
			case 20:
				o.again()
			case 30:
				o.off(o.user("104").User, true)
			case 40:
				o.off(o.user("104").User, false)
				o.off(o.user("102").User, true)
			case 50: // what comes next is of the next day
				gone.journal, gone.byJournal = o.user("103").User, len(o.calls)
				must(o.store.EraseJournal(ctx, storage.Viewer{Role: storage.Staff, User: gone.journal}, gone.journal))
			}
			o.nextDay()
		}

		// What leaves the box, and numbers that are shown.
		var csv, archive bytes.Buffer
		nCSV, err := o.store.As(chief).Export(ctx, storage.Query{}, storage.CSV, &csv)
		must(err)
		handed, err := o.store.As(chief).Access(ctx, storage.Person{User: o.user("103").User}, &archive, nil)
		must(err)
		_, err = o.store.As(chief).Export(ctx, storage.Query{}, storage.JSON, &shut{1000})
		if err == nil {
			t.Error("an export to nowhere")
		}
		newest := o.store.Health().Newest
		day()
		var grants []storage.Grant
		ask := func(at int, end storage.End, why string) {
			t.Helper()
			g, err := o.store.As(admin).AskUnmask(ctx, newest+storage.RecordID(at), end, why)
			must(err)
			grants = append(grants, g)
		}
		answer := func(i int, yes bool) {
			t.Helper()
			g, err := o.store.As(chief).AgreeUnmask(ctx, grants[i].ID, yes)
			must(err)
			grants[i] = g
		}
		ask(1, storage.Caller, "wegen der Öllinger-Sache") // of who is erased
		ask(2, storage.Called, "Rückruf wegen der Lieferung")
		ask(8, storage.Caller, "wer war das nochmal")
		answer(0, true)
		answer(1, true)
		answer(2, false)
		ask(8, storage.Caller, "ich frage noch einmal")
		why := []string{"", "Rückruf wegen der Lieferung", "wer war das nochmal", "ich frage noch einmal"}
		voice := noise(3*chunk+77, 7)
		items := map[keyring.Item][]byte{
			o.audio(voice, true, o.user("103"), outside(kept, "Amt 2")): voice,
			o.audio(voice[:2*chunk], true, o.user("103")):               voice[:2*chunk],
			o.audio(nil, true, o.user("103")):                           nil,
			o.audio(voice, false, o.user("103")):                        voice[:3*chunk],
		}
		dropped := o.audio(voice, true, o.user("103"))
		must(o.store.DropAudio(dropped))

		erase := func(p storage.Person) storage.Proof {
			t.Helper()
			proof, err := o.store.Erase(ctx, owner, p)
			must(err)
			if !proof.Verified {
				t.Error("an erasure was not verified")
			}
			return proof
		}
		gone.number, gone.user, gone.byNumber = doomed, o.user("102").User, len(o.calls)
		gone.proofs = append(gone.proofs, erase(storage.Person{Number: number.Must("+49 30 23125042")}))
		day() // a call from the same number is of somebody new
		gone.proofs = append(gone.proofs, erase(storage.Person{User: gone.user}))
		o.plan, _ = o.store.CurrentPlan()
		o.plans = append(o.plans, o.plan.Clone())
		gone.byUser = len(o.calls)
		gone.agedDigits, gone.agedCalls = 66, 3
		for class, n := range map[keyring.Class]uint32{keyring.Digits: gone.agedDigits, keyring.Calls: gone.agedCalls} {
			_, err := o.store.Forget(ctx, class, firstDay.AddDate(0, 0, int(n)))
			must(err)
		}
		o.setPlan(func(p *plan.Plan) {
			p.Users = slices.DeleteFunc(p.Users, func(u plan.User) bool { return u.ID == guest })
		})
		time.Sleep(2 * time.Hour) // the sweep and a rotation
		if _, err := os.Stat(filepath.Join(o.dir, "keyring.tail-0")); err == nil {
			t.Error("nothing was rotated")
		}
		bound := o.binding("103")
		o.call(pbx.Record{From: outside("03023125777", "Amt 1"), To: o.user("104")}) // someone new, for the tail
		shown := o.trailOf(chief)
		o.stop()

		f, err := readFolder(o.dir, o.root, "")
		must(err)
		if f.ring.frames == 0 {
			t.Error("the tail is empty")
		}
		chiefIs, _ := f.ring.find('A', string(chief.Account))
		adminIs, _ := f.ring.find('A', string(admin.Account))
		compareTrail(t, f, shown)
		compareLedger(t, f, chiefIs,
			ledgerJSON{At: f.ledger[0].At, Kind: "export", Role: 1, What: "call records as CSV", Rows: nCSV, Bytes: int64(csv.Len()), End: 1},
			ledgerJSON{At: f.ledger[1].At, Kind: "access", Role: 1, What: "archive of a user", Rows: handed.Records + handed.Journal + handed.Others + handed.Lines, Bytes: int64(archive.Len()), End: 1},
			ledgerJSON{At: f.ledger[2].At, Kind: "export", Role: 1, What: "call records as JSON", Rows: f.ledger[2].Rows, Bytes: f.ledger[2].Bytes, End: 2})
		compareGrants(t, f, adminIs, chiefIs, grants, why)
		compareTerms(t, f, o.set)
		compareCounts(t, o, f)
		f.plainly(t, doomed[4:], kept[4:], "Öllinger", "Zoë", "zoë", "Gehilfe", "Chefin", "Strauß", "Rückruf", string(guest))
		if who, ok := f.ring.find('U', string(guest)); !ok || len(f.state.Removed) != 1 || f.state.Removed[hex.EncodeToString(who[:])] != o.day {
			t.Errorf("users who have left: %v", f.state.Removed)
		}
		compareRecords(t, o, f, gone)
		compareJournals(t, o, f, gone)
		compareDays(t, o, f)
		comparePlans(t, o, f, gone.user)
		compareErasures(t, f, gone.proofs)

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
		if want := map[string]string{"Chefin": "", "Gehilfe": "", "zoë": string(bound.User)}; !reflect.DeepEqual(names, want) || !f.claimed {
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

// TestReadPassphrase reads a store whose root a passphrase opens, and notices what was
// changed.
func TestReadPassphrase(t *testing.T) {
	const passphrase = "grüne Wiese, später Regen"
	o := &office{t: t, dir: filepath.Join(t.TempDir(), "data"), root: filepath.Join(t.TempDir(), "root")}
	p := root.NewPassphrase(o.root)
	o.must(p.Make([]byte(passphrase)))
	o.keys = p
	o.open()
	o.setPlan(firstPlan)
	o.secret("103")
	o.run()
	o.call(pbx.Record{From: outside("03023125042", "Amt 1"), To: o.user("102")})
	_, err := o.store.Erase(t.Context(), owner, storage.Person{Number: number.Must("03023125042")})
	o.must(err)
	o.stop()
	f, err := readFolder(o.dir, o.root, passphrase)
	if err != nil {
		t.Fatal(err)
	}
	if len(f.records) != 1 || f.records[0].sides[0].err != errErased || f.records[0].sides[1].Ext != "102" {
		t.Fatalf("%d records: %v", len(f.records), err)
	}
	if _, err := readFolder(o.dir, o.root, "grüne Wiese, später Regen."); err == nil {
		t.Error("another passphrase opens")
	}

	// A bit turned anywhere in a value, or in the keyring, is noticed.
	for name, b := range f.buckets {
		for _, e := range b.rows {
			if len(e.value) == 0 {
				continue
			}
			turn(t, filepath.Join(o.dir, "sotto.db"), e.at+len(e.value)/2, func() {
				if _, err := readFolder(o.dir, o.root, passphrase); err == nil {
					t.Errorf("a changed value of bucket %s was read", name)
				}
			})
		}
	}
	for _, file := range []string{filepath.Join(o.dir, "keyring"), o.root} {
		for at := 0; at < 60; at += 7 {
			turn(t, file, at, func() {
				if _, err := readFolder(o.dir, o.root, passphrase); err == nil {
					t.Errorf("a changed %s was read", filepath.Base(file))
				}
			})
		}
	}
}

// turn turns a bit of a file while f runs.
func turn(t *testing.T, file string, at int, f func()) {
	t.Helper()
	was, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	is := bytes.Clone(was)
	is[at] ^= 4
	if err := os.WriteFile(file, is, 0o600); err != nil {
		t.Fatal(err)
	}
	f()
	if err := os.WriteFile(file, was, 0o600); err != nil {
		t.Fatal(err)
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

// shut takes some bytes and then no more.
type shut struct{ left int }

func (w *shut) Write(b []byte) (int, error) {
	if w.left -= len(b); w.left < 0 {
		return 0, errors.New("shut")
	}
	return len(b), nil
}
