package formattest

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"sotto/pbx"
	"sotto/pbx/plan"
	"sotto/storage"
	"sotto/storage/policy"
)

// TestAgedIsNowhere has terms end, one after the other, by the box alone, and looks in every
// byte with every key that still exists for what should have gone: last digits, then call
// records, then the journals of others, a user who has left the plan, and after a quarter
// the audit trail.
func TestAgedIsNowhere(t *testing.T) {
	if testing.Short() {
		t.Skip("not under the race detector: minutes of ciphers")
	}
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t)
		ctx, must := t.Context(), o.must
		const dialled, international = "08999998042", "+498999998042"
		must(o.store.Claim(ctx, "Chefin", "ein gutes Passwort"))
		helper, err := o.store.AddAccount(ctx, owner, "Gehilfe", "auch ein Passwort", storage.Admin, "")
		must(err)
		o.setPlan(firstPlan)
		o.setSettings(func(set *policy.Settings) {
			set.Cut, set.Unmask.Second = 4, false
			for kind, days := range map[policy.Kind]int{policy.Digits: 1, policy.Records: 2, policy.Journal: 4, policy.Counts: 6, policy.Removed: 3, policy.Audit: 90} {
				set.Keep[kind] = days
			}
		})
		leaves := o.user("47110")
		for range 3 {
			o.call(
				pbx.Record{From: outside(dialled, "Amt 1"), To: o.user("102")},
				pbx.Record{From: o.user("103"), To: outside(dialled, "Amt 2")},
				pbx.Record{From: outside(dialled, "Amt 1"), Outcome: pbx.Abandoned, Rang: time.Second, Missed: []plan.UserID{o.user("103").User, leaves.User}},
				pbx.Record{From: leaves, To: o.user("102")},
				pbx.Record{From: o.user("102"), To: outside("03023125042", "Amt 1")},
			)
		}
		_, err = o.store.As(storage.Viewer{Role: storage.Admin, Account: helper.ID}).AskUnmask(ctx, 1, storage.Caller, "Rechnung von Malermeister")
		must(err)

		h := newHunter()
		last := map[string]string{dialled[len(dialled)-4:]: "last digits"}
		h.text("name", "Öllinger-Groß")
		h.text("extension", `"47110"`)
		h.text("user id", string(leaves.User))
		h.text("reason", "Malermeister")
		h.number("number", international)
		h.number("number", dialled)
		h.text("number less its last digits", `"`+dialled[:len(dialled)-4]+`"`)
		look := func(when string, want ...string) {
			t.Helper()
			dir, rootFile := o.copyTo(t.TempDir())
			slots, err := readRoot(rootFile, "")
			must(err)
			r, err := readRing(dir, slots)
			must(err)
			s := scanFolder(t, h, last, keysOf(r, slots, o.day+2), dir, rootFile)
			t.Logf("%s: %d values, %d parts, %d tries: found %v", when, s.values, s.parts, s.tries, s.found)
			if !slices.Equal(s.what(), want) {
				t.Errorf("%s: found %q, want %q", when, s.what(), want)
			}
			if _, known := r.find('N', international); known != slices.Contains(want, "number") {
				t.Errorf("%s: the keyring knows the number: %v", when, known)
			}
		}
		someone := func() { // a call of a day, of others
			o.call(pbx.Record{From: o.user("103"), To: outside(fmt.Sprintf("0302312%04d", 5000+o.day), "Amt 2")})
		}
		next := func() {
			o.nextDay()
			someone()
			time.Sleep(3 * time.Hour) // what the day has destroyed is off the medium
		}
		look("day 0", "extension", "last digits", "name", "number", "number less its last digits", "reason", "user id")
		next()
		o.setPlan(func(p *plan.Plan) {
			p.Users = slices.DeleteFunc(p.Users, func(u plan.User) bool { return u.ID == leaves.User })
		})
		time.Sleep(time.Hour)
		next()
		look("no digits any more", "extension", "name", "number less its last digits", "reason", "user id")
		next()
		next()
		if o.store.Health().Unproven != 0 {
			t.Error("a term is not kept")
		}
		look("no records any more", "extension", "name", "number less its last digits", "reason", "user id")
		next()
		next()
		look("no journals any more")
		early := o.trailOf(owner)
		for range 90 {
			o.nextDay()
		}
		o.stop()
		f, err := readFolder(o.dir, o.root, "")
		must(err)
		compareTerms(t, f, o.set)
		switch c := f.checkpoint; {
		case c.Last == 0 || c.Last >= f.newestLine || c.Bad != 0 || c.Early != 0:
			t.Errorf("checkpoint %+v of %d lines", c, f.newestLine)
		case len(f.trail) == 0 || f.trail[0].day < f.state.Forgot[audit]:
			t.Error("the oldest lines of the audit trail are past their term")
		case c.Last < early[len(early)-1].Number && f.trail[0].day > 10:
			t.Errorf("%d lines were removed of %d", c.Last, len(early))
		}
		if len(f.grants)+len(f.ledger) != 0 {
			t.Errorf("%d requests and %d lines of the ledger are past their term", len(f.grants), len(f.ledger))
		}
		if n := len(f.canaries); n < 90 || n > 93 {
			t.Errorf("%d canaries", n)
		}
		if l := f.counts; len(l) > 2 || len(f.records) > 1 || len(f.entries) > 1 {
			t.Errorf("%d counts, %d records, %d entries of journals", len(l), len(f.records), len(f.entries))
		}
		if !reflect.DeepEqual(f.state.Removed, map[string]uint32{}) && f.state.Removed != nil {
			t.Errorf("users who have left: %v", f.state.Removed)
		}
	})
}
