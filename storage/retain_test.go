package storage

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"sotto/pbx/plan"
	"sotto/storage/keyring"
	"sotto/storage/policy"
)

// keepForever keeps all kinds for longer than any test goes on.
func (s *Store) keepForever() { s.keepFor(9999) }

// keepFor keeps all kinds for some days, as if that had been saved.
func (s *Store) keepFor(days int) {
	p := s.policy().Clone()
	for _, kind := range policy.Kinds() {
		p.Keep[kind] = days
	}
	s.settings.Store(&p)
}

// keep keeps one kind for some days.
func (s *Store) keep(kind policy.Kind, days int) {
	p := s.policy().Clone()
	p.Keep[kind] = days
	s.settings.Store(&p)
}

// passing is an office whose clock is moved by a test.
type passing struct {
	t   *testing.T
	b   *box
	s   *Store
	now time.Time
}

var march = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

func newPassing(t *testing.T) *passing {
	p := &passing{t: t, b: newBox(t), now: march}
	p.open()
	setPlan(t, p.s, testPlan())
	p.s.keepForever()
	p.settle()
	return p
}

func (p *passing) open() {
	p.s = p.b.open()
	p.s.keeper.calm = false
	p.s.clock = func() time.Time { return p.now }
}

// settle does all that housekeeping has to do now.
func (p *passing) settle() {
	p.t.Helper()
	p.s.keepHouse(p.t)
}

// day lets a day pass, in which the box runs, with a call of each of two outside numbers.
func (p *passing) day(calls bool) {
	p.t.Helper()
	p.now, p.s.dayBegan = p.now.AddDate(0, 0, 1), time.Time{}
	if calls {
		for _, r := range []struct{ n int }{{0}, {1}} {
			c := callFrom(callerShown, anna)
			if r.n == 1 {
				c = callFrom(otherCaller, boris)
			}
			c.Began = p.now
			p.s.Append(c)
		}
		if err := p.s.flush(); err != nil {
			p.t.Fatal(err)
		}
		must(p.s.As(owner).Records(p.t.Context(), Query{})) // which is noted
	}
	p.settle()
}

// proof gives the proof of a kind of the day of now.
func (p *passing) proof(kind policy.Kind) DayProof {
	p.t.Helper()
	today := p.now.Truncate(24 * time.Hour)
	for _, l := range must(p.s.As(owner).Proofs(p.t.Context(), today, today.AddDate(0, 0, 1))) {
		if l.Kind == kind {
			return l
		}
	}
	p.t.Fatalf("no proof of %s on %v", kind, today)
	return DayProof{}
}

// rotate lets the rotation come, and what follows it.
func (p *passing) rotate() {
	p.t.Helper()
	p.s.wmu.Lock()
	p.s.keeper.due = time.Now()
	p.s.wmu.Unlock()
	p.settle()
}

func rows(t *testing.T, s *Store, bucket []byte) (n int) {
	t.Helper()
	if err := s.view(func(tx *bbolt.Tx) error {
		return tx.Bucket(bucket).ForEach(func(_, _ []byte) error { n++; return nil })
	}); err != nil {
		t.Fatal(err)
	}
	return n
}

// opens tells whether the box's key of a class and a day is there.
func opens(s *Store, class keyring.Class, day keyring.Day) bool {
	_, err := s.ring.DayKey(keyring.Subject{}, class, day)
	return err == nil
}

// TestTerms lets each kind go on its day and on none before: what is of a date D goes when D + n + 1
// begins.
func TestTerms(t *testing.T) {
	const term = 5
	for _, k := range allKept {
		t.Run(string(k.kind), func(t *testing.T) {
			p := newPassing(t)
			p.s.keep(k.kind, term)
			if k.kind == policy.Records { // the ladder holds that by itself elsewhere
				p.s.keep(policy.Digits, term)
			}
			p.day(true) // the day that is looked at
			first := p.s.today()
			stored := p.now
			for range term {
				p.day(true)
				if l := p.proof(k.kind); !opens(p.s, k.class, first) || l.Deleted != 0 && stored.AddDate(0, 0, term).After(p.now) {
					t.Fatalf("%v: gone before the term is over: %+v", p.now, l)
				}
			}
			before := map[string]int{}
			for _, bucket := range [][]byte{bucketRecords, bucketJournal, bucketCounts, bucketAudit} {
				before[string(bucket)] = rows(t, p.s, bucket)
			}
			p.day(false)
			if opens(p.s, k.class, first) {
				t.Error("the key is there when the term is over")
			}
			l := p.proof(k.kind)
			if l.State != ProofWait || l.Left != 0 || !l.Canary || l.Deleted == 0 || l.Due != l.Deleted {
				t.Errorf("before the rotation: %+v", l)
			}
			p.rotate()
			l = p.proof(k.kind)
			want := DayProof{Date: p.now.Truncate(24 * time.Hour), Kind: k.kind, State: ProofPass, Limit: stored.Truncate(24*time.Hour).AddDate(0, 0, 1),
				Oldest: stored.Truncate(24*time.Hour).AddDate(0, 0, 1), Due: l.Due, Deleted: l.Due, Canary: true}
			if l != want || p.s.Health().Unproven != 0 {
				t.Errorf("proof %+v, want %+v", l, want)
			}
			for _, other := range allKept {
				if other.kind != k.kind && !(k.kind == policy.Records && other.kind == policy.Digits) {
					if o := p.proof(other.kind); o.State != ProofPass || o.Deleted != 0 || !opens(p.s, other.class, first) {
						t.Errorf("%s: %+v", other.kind, o)
					}
				}
			}
			gone := map[policy.Kind]int{policy.Records: 2, policy.Journal: 2, policy.Counts: 1}[k.kind]
			if gone > 0 {
				bucket := string(map[policy.Kind][]byte{policy.Records: bucketRecords, policy.Journal: bucketJournal, policy.Counts: bucketCounts}[k.kind])
				if n := before[bucket] - rows(t, p.s, []byte(bucket)); n != gone {
					t.Errorf("%d rows went, want %d", n, gone)
				}
			}
			if h := p.s.Health(); h.Unreadable+h.Lost+h.Failed != 0 {
				t.Errorf("%+v", h)
			}
		})
	}
}

// TestTermsCut: the power is cut after the chains have forgotten and before the rotation. It is
// done again at the next start, and proven only then.
func TestTermsCut(t *testing.T) {
	p := newPassing(t)
	p.day(true)
	first := p.s.today()
	p.s.keep(policy.Digits, 3)
	for range 4 {
		p.day(false)
	}
	if opens(p.s, keyring.Digits, first) || p.proof(policy.Digits).State != ProofWait {
		t.Fatal("not forgotten")
	}
	p.s.ring.Close() // and nothing else: the end
	p.s.db.Close()
	p.s.lock.Close()
	p.open()
	p.s.keepForever()
	p.s.keep(policy.Digits, 3)
	if !opens(p.s, keyring.Digits, first) {
		t.Fatal("a power cut should have undone it")
	}
	p.settle()
	if l := p.proof(policy.Digits); opens(p.s, keyring.Digits, first) || l.State != ProofWait {
		t.Errorf("after the start: %+v", l)
	}
	p.rotate()
	if l := p.proof(policy.Digits); l.State != ProofPass || l.Deleted == 0 {
		t.Errorf("after the rotation: %+v", l)
	}
	p.s.Close()
	p.open()
	if opens(p.s, keyring.Digits, first) {
		t.Error("it is back")
	}
}

// TestTermsCutLonger: the power is cut before the rotation, and the term is made longer before it is
// gone through again. That brings nothing back.
func TestTermsCutLonger(t *testing.T) {
	p := newPassing(t)
	p.day(true)
	first := p.s.today()
	p.s.keep(policy.Journal, 3)
	for range 5 {
		p.day(true)
	}
	if opens(p.s, keyring.Journal, first) || !opens(p.s, keyring.Journal, first+2) {
		t.Fatal("not forgotten, or too much")
	}
	p.s.ring.Close() // and nothing else: the end
	p.s.db.Close()
	p.s.lock.Close()
	p.open()
	p.s.keepForever()
	p.settle()
	p.rotate()
	if l := p.proof(policy.Journal); opens(p.s, keyring.Journal, first) || !opens(p.s, keyring.Journal, first+2) || l.State != ProofPass {
		t.Errorf("it is back, or too much is gone: %+v", l)
	}
	for _, kind := range allKept {
		if kind.kind != policy.Journal && !opens(p.s, kind.class, first) {
			t.Errorf("%s is gone", kind.kind)
		}
	}
}

// TestCanary: a class that does not forget, one that has forgotten too much, and a canary that
// is missing or exchanged are told.
func TestCanary(t *testing.T) {
	prepare := func(t *testing.T) *passing {
		p := newPassing(t)
		p.s.keep(policy.Journal, 3)
		for range 8 {
			p.day(true)
		}
		p.rotate()
		if l := p.proof(policy.Journal); l.State != ProofPass {
			t.Fatalf("%+v", l)
		}
		return p
	}
	check := func(t *testing.T, p *passing, kind policy.Kind) {
		t.Helper()
		p.s.wmu.Lock()
		err := p.s.prove(p.s.keeper.run)
		p.s.wmu.Unlock()
		if l := p.proof(kind); err != nil || l.State != ProofFail || p.s.Health().Unproven == 0 {
			t.Errorf("%+v, %v", l, err)
		}
		if !strings.Contains(p.b.log.String(), "not kept for its term") {
			t.Error("nothing is logged")
		}
	}
	t.Run("nothing forgets", func(t *testing.T) {
		p := prepare(t)
		p.s.keeper.run.first[keyring.Journal]++
		check(t, p, policy.Journal)
	})
	t.Run("too much forgotten", func(t *testing.T) {
		p := prepare(t)
		p.s.ring.Forget(keyring.Calls, p.s.today())
		check(t, p, policy.Records)
	})
	t.Run("missing", func(t *testing.T) {
		p := prepare(t)
		if err := p.s.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(bucketCanary).Delete(dayKey(int(p.s.today()))) }); err != nil {
			t.Fatal(err)
		}
		check(t, p, policy.Counts)
	})
	t.Run("exchanged", func(t *testing.T) {
		p := prepare(t)
		if err := p.s.db.Update(func(tx *bbolt.Tx) error {
			b := tx.Bucket(bucketCanary)
			return b.Put(dayKey(int(p.s.today())), slices.Clone(b.Get(dayKey(int(p.s.today()-1)))))
		}); err != nil {
			t.Fatal(err)
		}
		check(t, p, policy.Audit)
	})
	t.Run("a person's chain", func(t *testing.T) {
		p := prepare(t)
		subject, err := p.s.ring.Subject(keyring.Outside, "+4930999999")
		if err == nil {
			_, err = p.s.ring.SealKey(subject, keyring.Journal, 1)
		}
		if err != nil {
			t.Fatal(err)
		}
		check(t, p, policy.Journal)
	})
	t.Run("a row", func(t *testing.T) {
		p := prepare(t)
		if err := p.s.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(bucketCounts).Put(dayKey(0), []byte{1}) }); err != nil {
			t.Fatal(err)
		}
		p.s.keeper.run.first[keyring.Counts] = 1
		check(t, p, policy.Counts)
	})
}

// TestCanaryLonger: a term that is made longer brings nothing back, and that is no failure.
func TestCanaryLonger(t *testing.T) {
	p := newPassing(t)
	p.s.keep(policy.Journal, 3)
	for range 8 {
		p.day(true)
	}
	p.s.keep(policy.Journal, 30)
	p.s.keeper.asked = true
	p.settle()
	p.rotate()
	p.day(true)
	if l := p.proof(policy.Journal); l.State != ProofPass {
		t.Errorf("%+v", l)
	}
	p.s.Close()
	p.open()
	p.s.keepForever()
	p.settle()
	if l := p.proof(policy.Journal); l.State != ProofPass {
		t.Errorf("opened again: %+v", l)
	}
}

// TestRemoved: a user who leaves the plan is erased when the term is over, with a proof, and one
// who comes back in time is not.
func TestRemoved(t *testing.T) {
	p := newPassing(t)
	p.s.keep(policy.Removed, 4)
	p.day(true)
	full, rev := p.s.CurrentPlan()
	less := full.Clone()
	less.Users = slices.DeleteFunc(less.Users, func(u plan.User) bool { return u.ID == anna || u.ID == boris })
	for i := range less.Lines {
		less.Lines[i].Rings = nil
	}
	rev = must(p.s.SetPlan(t.Context(), owner, rev, less))
	p.settle()
	left := p.now.Truncate(24 * time.Hour)
	for _, id := range []plan.UserID{anna, boris} {
		if on, goes, ok := p.s.removedOn(id); !ok || !on.Equal(left) || !goes.Equal(left.AddDate(0, 0, 5)) {
			t.Errorf("%v, %v, %v", on, goes, ok)
		}
	}
	if _, _, ok := p.s.removedOn("nobody"); ok {
		t.Error("somebody unknown has left")
	}
	p.day(false)
	back := less.Clone()
	for _, u := range full.Users {
		if u.ID == boris {
			back.Users = append(back.Users, u)
		}
	}
	must(p.s.SetPlan(t.Context(), owner, rev, back))
	p.settle()
	if _, _, ok := p.s.removedOn(boris); ok {
		t.Error("who has come back has left")
	}
	known := func(id plan.UserID) bool { _, ok := p.s.ring.Lookup(keyring.User, string(id)); return ok }
	p.s.Close()
	p.open()
	p.s.keepForever()
	p.s.keep(policy.Removed, 4)
	for range 3 {
		p.day(false)
		if !known(anna) {
			t.Fatalf("erased on %v", p.now)
		}
	}
	p.day(false)
	if known(anna) || !known(boris) {
		t.Errorf("on %v: %v, %v", p.now, known(anna), known(boris))
	}
	if l := p.proof(policy.Removed); l.State != ProofPass || l.Deleted != 1 || l.Left != 0 {
		t.Errorf("%+v", l)
	}
	if list := must(p.s.As(owner).Erasures(t.Context())); len(list) != 1 || !list[0].Verified {
		t.Errorf("%+v", list)
	}
	if _, _, ok := p.s.removedOn(anna); ok {
		t.Error("still noted")
	}
}

// TestSettings saves, conflicts, refuses and reads again.
func TestSettings(t *testing.T) {
	p := newPassing(t)
	p.s.settings.Store(nil)
	ctx := t.Context()
	now, rev, err := p.s.As(owner).Settings(ctx)
	if err != nil || rev != 0 || now.Keep[policy.Records] != policy.Preset("DE").Keep[policy.Records] {
		t.Fatal(now, rev, err)
	}
	next := now.Clone()
	next.Keep[policy.Counts] = 500
	if _, _, err := p.s.SetSettings(ctx, Viewer{Role: Staff, User: anna}, 0, next); !errors.Is(err, ErrNotAllowed) {
		t.Errorf("%v", err)
	}
	if _, _, err := p.s.SetSettings(ctx, owner, 3, next); !errors.Is(err, ErrSettingsConflict) {
		t.Errorf("%v", err)
	}
	bad := next.Clone()
	bad.Keep[policy.Records] = 0
	if _, _, err := p.s.SetSettings(ctx, owner, 0, bad); !errors.As(err, new(policy.Problems)) {
		t.Errorf("%v", err)
	}
	rev, diff, err := p.s.SetSettings(ctx, owner, 0, next)
	if err != nil || rev != 1 || len(diff) != 1 || len(diff.More()) != 1 {
		t.Fatal(rev, diff, err)
	}
	next.Keep[policy.Counts] = 1 // what was given stays the caller's
	p.s.Close()
	p.open()
	got, rev, err := p.s.As(owner).Settings(ctx)
	if err != nil || rev != 1 || got.Keep[policy.Counts] != 500 {
		t.Errorf("%v, %d, %v", got, rev, err)
	}
	got.Keep[policy.Counts] = 1
	if p.s.policy().Keep[policy.Counts] != 500 {
		t.Error("a reader changes the settings")
	}
	if _, _, err := p.s.As(Viewer{Role: Installer}).Settings(ctx); !errors.Is(err, ErrNotAllowed) {
		t.Errorf("%v", err)
	}
}

// TestSettingsDamaged: settings that do not open give way to their copy, and without that to the
// preset, which is told, until new ones are saved.
func TestSettingsDamaged(t *testing.T) {
	for name, damage := range map[string]func(b, spare *bbolt.Bucket) error{
		"changed": func(b, _ *bbolt.Bucket) error { return b.Put(keyPrivacy, []byte("x")) },
		"missing": func(b, _ *bbolt.Bucket) error { return b.Delete(keyPrivacy) },
		"both":    func(b, spare *bbolt.Bucket) error { return errors.Join(b.Delete(keyPrivacy), spare.Delete(keyPrivacy)) },
		"state":   func(b, _ *bbolt.Bucket) error { return b.Put(keyState, []byte("x")) },
	} {
		t.Run(name, func(t *testing.T) {
			p := newPassing(t)
			p.s.settings.Store(nil)
			next, _, _ := p.s.As(owner).Settings(t.Context())
			next.Keep[policy.Counts] = 500
			if _, _, err := p.s.SetSettings(t.Context(), owner, 0, next); err != nil {
				t.Fatal(err)
			}
			p.settle()
			if err := p.s.db.Update(func(tx *bbolt.Tx) error { return damage(tx.Bucket(bucketSettings), tx.Bucket(bucketBox)) }); err != nil {
				t.Fatal(err)
			}
			at := p.s.keeper.belief.At
			p.s.Close()
			p.open()
			h := p.s.Health()
			if h.Unreadable != 1 || h.TermsLost != (name == "both") || p.s.keeper.belief.At > at {
				t.Errorf("%+v, %+v", h, p.s.keeper.belief)
			}
			if name == "state" {
				p.now = p.now.Add(time.Hour)
				p.settle()
				if l := p.proof(policy.Records); l.State != ProofPass || !opens(p.s, keyring.Calls, 0) {
					t.Errorf("%+v", l)
				}
				return
			}
			got, rev, err := p.s.As(owner).Settings(t.Context())
			want := 500
			if name == "both" {
				want = policy.Preset("DE").Keep[policy.Counts]
			}
			if err != nil || rev != 1 || got.Keep[policy.Counts] != want {
				t.Errorf("%v, %d, %v", got, rev, err)
			}
			if _, _, err := p.s.SetSettings(t.Context(), owner, rev, next); err != nil || p.s.Health().TermsLost {
				t.Errorf("%v, %+v", err, p.s.Health())
			}
		})
	}
}
