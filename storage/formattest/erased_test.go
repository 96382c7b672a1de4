package formattest

import (
	"encoding/base64"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"sotto/pbx"
	"sotto/pbx/number"
	"sotto/pbx/plan"
	"sotto/storage"
)

// TestErasedIsNowhere erases an outside number and a user of a store that has been written
// for days, and looks for them in every byte of it with every key that still exists, at
// once and after the sweep. Before the erasure, and with the keys of before, the same
// search finds everything: it is the keys that make the difference.
func TestErasedIsNowhere(t *testing.T) {
	if testing.Short() {
		t.Skip("not under the race detector: minutes of ciphers")
	}
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t)
		ctx, must := t.Context(), o.must
		const dialled, international, abroad = "08999998042", "+498999998042", "00498999998042"
		must(o.store.Claim(ctx, "Chefin", "ein gutes Passwort"))
		o.setPlan(firstPlan)
		o.keepAll()
		a, err := o.store.AddAccount(ctx, owner, "annelore.oellinger", "noch ein Passwort", storage.Staff, o.user("47110").User)
		must(err)
		other, voice := noise(8000, 5), noise(16000, 6)
		calls := func(n int) {
			for i := range n {
				doomed := outside([]string{dialled, international, abroad}[i%3], "Amt 1")
				o.call(
					pbx.Record{From: doomed, To: o.user("47110")},
					pbx.Record{From: o.user("103"), To: outside(fmt.Sprintf("0302312%04d", 5000+i), "Amt 2")},
					pbx.Record{From: o.user("47110"), To: o.user("102")},
					pbx.Record{From: o.user("102"), To: doomed},
				)
			}
		}
		var secret pbx.Secret
		for d := range 4 {
			calls(8)
			secret = o.secret("47110")
			o.secret("103")
			o.binding("47110")
			o.binding("103")
			o.setPlan(func(p *plan.Plan) {
				p.Office = fmt.Sprint("Praxis ", d)
				p.Lines[1].Rings = []plan.Ext{"47110", "103"}
			})
			must(o.store.ChangePassword(ctx, a.ID, []string{"noch ein Passwort", "Passwort Nummer 1", "Passwort Nummer 2", "Passwort Nummer 3"}[d], fmt.Sprint("Passwort Nummer ", d+1)))
			o.nextDay()
		}
		// What leaves the box, why somebody asked for a number, and what a user chose: none of it
		// may keep anybody here.
		helper, err := o.store.AddAccount(ctx, owner, "Gehilfe", "auch ein Passwort", storage.Admin, "")
		must(err)
		calls(1)
		_, err = o.store.As(storage.Viewer{Role: storage.Admin, Account: helper.ID}).AskUnmask(ctx, o.store.Health().Newest-3, storage.Caller, "Rechnung von Malermeister")
		must(err)
		_, err = o.store.As(owner).Export(ctx, storage.Query{Person: storage.Person{Number: number.Must(dialled)}}, storage.CSV, io.Discard)
		must(err)
		_, err = o.store.As(owner).Access(ctx, storage.Person{User: o.user("47110").User}, io.Discard, nil)
		must(err)
		must(o.store.SetJournal(ctx, owner, o.user("47110").User, false))
		byCaller := o.audio(voice[:8000], true, outside(dialled, "Amt 1"), o.user("103"))
		ofOwner := o.audio(voice[8000:], true, o.user("47110"))
		o.audio(other, true, o.user("103"))
		o.binding("47110")

		// What is looked for.
		h := newHunter()
		last := map[string]string{dialled[len(dialled)-4:]: "last digits"}
		h.text("name", "Öllinger-Groß")
		h.text("first name", "Annelore")
		h.text("account", "annelore.oellinger")
		h.text("extension", `"47110"`)
		h.text("contact", "sip:47110@192.0.2.7")
		h.text("reason", "Malermeister")
		h.text("user id", string(o.user("47110").User))
		h.text("secret", base64.StdEncoding.EncodeToString(secret.SHA256[:]))
		h.number("number", international)
		h.number("number", dialled)
		h.number("number", abroad)
		h.text("number less its last digits", dialled[:len(dialled)-4])
		h.voice("voice of caller", voice[:8000])
		h.voice("voice of user", voice[8000:])
		forms := []string{international, international[1:], dialled, abroad, dialled[1:], "47110", string(o.user("47110").User), "annelore.oellinger", string(a.ID)}
		sealed := []string{"account", "contact", "extension", "first name", "last digits", "name", "number", "number less its last digits", "reason", "secret", "user id"}
		keysOfFolder := func(dir, rootFile string) ([]key, *ring) {
			slots, err := readRoot(rootFile, "")
			must(err)
			r, err := readRing(dir, slots)
			must(err)
			return keysOf(r, slots, o.day+2), r
		}
		look := func(when string, keys []key, dir, rootFile string) *scan {
			s := scanFolder(t, h, last, keys, dir, rootFile)
			t.Logf("%s: %d keys, %d values, %d parts, %d places, %d tries: found %v", when, len(keys), s.values, s.parts, s.swept, s.tries, s.found)
			return s
		}

		// Before: all is found.
		o.stop()
		o.open()
		dir, rootFile := o.copyTo(t.TempDir())
		before, ring := keysOfFolder(dir, rootFile)
		if s, want := look("before", before, dir, rootFile), append(slices.Clone(sealed), "voice of caller", "voice of user"); !slices.Equal(s.what(), want) {
			t.Fatalf("before the erasure %q was found, want %q", s.what(), want)
		}
		if _, ok := ring.find('N', international); !ok {
			t.Error("the keyring does not know the number")
		}

		for _, p := range []storage.Person{{Number: number.Must(abroad)}, {User: o.user("47110").User}} {
			_, err := o.store.Erase(ctx, owner, p)
			must(err)
		}
		for _, step := range []string{"at once", "after the sweep", "after the end"} {
			switch step {
			case "after the sweep":
				o.run()
				o.plan, _ = o.store.CurrentPlan()
				o.call(pbx.Record{From: o.user("103"), To: o.user("102")})
				time.Sleep(3 * time.Hour)
			case "after the end":
				o.stop()
			}
			dir, rootFile := o.copyTo(t.TempDir())
			now, ring := keysOfFolder(dir, rootFile)
			h.digests = map[[8]byte]string{}
			h.hashes("number", now, forms...)
			if s := look(step, now, dir, rootFile); len(s.found) != 0 {
				t.Errorf("%s: found %v", step, s.found)
			}
			for _, n := range forms {
				for _, kind := range []byte("UNA") {
					if _, ok := ring.find(kind, n); ok {
						t.Errorf("%s: the keyring leads from a name to a subject", step)
					}
				}
			}
			for _, item := range []id{id(byCaller), id(ofOwner)} {
				if ring.all[item] != nil {
					t.Errorf("%s: the keyring has the key of a message", step)
				}
			}
			if m, _ := filepath.Glob(filepath.Join(dir, "messages", "*")); len(m) != 1 {
				t.Errorf("%s: %d files of audio", step, len(m))
			}
			if step != "at once" {
				continue
			}
			// With the keys of before it is all there, but what had rows of its own: where these
			// were, other pages may stand.
			s := look(step+", keys of before", before, dir, rootFile)
			for _, w := range []string{"extension", "first name", "last digits", "name", "number less its last digits", "reason", "user id"} {
				if !slices.Contains(s.what(), w) {
					t.Errorf("%s: with the keys of before no %s was found", step, w)
				}
			}
		}
		if f, err := readFolder(o.dir, o.root, ""); err != nil {
			t.Error(err)
		} else {
			for who := range f.erased {
				if len(f.index[who]) > 0 || f.ring.all[who] != nil {
					t.Error("something leads to an erased subject")
				}
			}
		}
	})
}
