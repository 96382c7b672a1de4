package storage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"

	"sotto/pbx"
	"sotto/pbx/number"
	"sotto/pbx/plan"
	"sotto/storage/keyring"
	"sotto/storage/seal"
)

// watchedRoot calls at before and after each step of a root; an error of before is the step's.
type watchedRoot struct {
	keyring.Root
	at func(step string, before bool) error
}

func (r *watchedRoot) step(name string, f func() error) error {
	err := r.at(name, true)
	if err == nil {
		err = f()
	}
	return errors.Join(err, r.at(name, false))
}

func (r *watchedRoot) Key(slot int) (k seal.Key, err error) {
	var kerr error
	err = r.step(fmt.Sprint("key ", slot), func() error { k, kerr = r.Root.Key(slot); return nil })
	if err == nil {
		err = kerr
	}
	return k, err
}

func (r *watchedRoot) Fill(slot int) (k seal.Key, err error) {
	err = r.step(fmt.Sprint("fill ", slot), func() error { k, err = r.Root.Fill(slot); return err })
	return k, err
}

func (r *watchedRoot) Destroy(slot int) error {
	return r.step(fmt.Sprint("destroy ", slot), func() error { return r.Root.Destroy(slot) })
}

// office is a box with a user, an outside number and a message to erase.
func office(t *testing.T, at func(string, bool) error) (b *box, s *Store) {
	t.Helper()
	b = newBox(t)
	b.root = &watchedRoot{keyring.NewFileRoot(filepath.Join(filepath.Dir(b.dir), "root.key")), at}
	s = b.open()
	s.hurry()
	s.claim(t)
	setPlan(t, s, testPlan())
	must(s.AddAccount(t.Context(), owner, markers[15], markers[14], Staff, boris))
	for range 5 {
		s.Append(callFrom(callerShown, boris))
		s.Append(callFrom(otherCaller, anna))
	}
	s.flush()
	w := must(s.NewAudio(pbx.Party{User: boris}, pbx.Party{Number: callerShown}))
	must(w.Write([]byte("the voice")))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b, s
}

func copyFolder(t *testing.T, from string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return to
}

// TestEraseCut stops the power at every step of the root while a person is erased, and opens
// what is on the medium then. Before the tombstone nothing has happened; after it, the
// erasure is finished by opening.
func TestEraseCut(t *testing.T) {
	for name, p := range map[string]Person{"user": {User: boris}, "number": {Number: callerLetter}} {
		t.Run(name, func(t *testing.T) {
			var dir string
			var cuts, steps []string
			b, s := office(t, func(step string, before bool) error {
				if dir != "" {
					cuts = append(cuts, copyFolder(t, dir))
					steps = append(steps, fmt.Sprint(step, before))
				}
				return nil
			})
			dir = filepath.Dir(b.dir)
			proof, err := s.Erase(t.Context(), owner, p)
			if err != nil {
				t.Fatal(err)
			}
			cuts, steps = append(cuts, copyFolder(t, dir)), append(steps, "acknowledged")
			for range 3 {
				if again, err := s.housekeep(); err != nil || again == 0 {
					break
				}
				cuts, steps = append(cuts, copyFolder(t, dir)), append(steps, "sweep")
			}
			dir = ""
			destroyed := 0
			for i, cut := range cuts {
				c := &box{t: t, dir: filepath.Join(cut, "data"), root: keyring.NewFileRoot(filepath.Join(cut, "root.key")), log: b.log}
				s, err := c.tryOpen()
				if err != nil {
					t.Fatalf("%d %s: %v", i, steps[i], err)
				}
				list := must(s.As(owner).Erasures(t.Context()))
				if len(list) != 1 || !list[0].Verified || list[0].Records != proof.Records || list[0].Plans != proof.Plans || list[0].Entries != 5 || list[0].Items != 1 {
					t.Errorf("%d %s: %+v", i, steps[i], list)
				}
				for _, subject := range proof.Subjects {
					if _, _, ok := s.ring.Name(subject); ok {
						t.Errorf("%d %s: the person is still there", i, steps[i])
					}
				}
				root := c.root.(*keyring.FileRoot)
				for slot := range 2 {
					if _, err := root.Key(slot); errors.Is(err, keyring.ErrNoKey) {
						destroyed++
					}
				}
				if f := must(s.As(owner).Find(t.Context(), p)); f != (Found{}) {
					t.Errorf("%d %s: found %+v", i, steps[i], f)
				}
				if files, _ := os.ReadDir(filepath.Join(c.dir, audioFolder)); len(files) > 0 {
					t.Errorf("%d %s: the message is left", i, steps[i])
				}
				got := strings.Join(states(t, s), " ")
				if want := strings.TrimSpace(strings.Repeat(map[string]string{"user": "shown>shown shown>erased ", "number": "shown>shown erased>shown "}[name], 5)); got != want {
					t.Errorf("%d %s: %s", i, steps[i], got)
				}
				s.keepHouse(t)
				s.db.View(func(tx *bbolt.Tx) error {
					for _, subject := range proof.Subjects {
						if n := entriesOf(tx, subject); n != 0 {
							t.Errorf("%d %s: %d entries of journals are left", i, steps[i], n)
						}
					}
					return nil
				})
				checkJournals(t, s)
				s.Close()
				if s, err = c.tryOpen(); err != nil || !must(s.As(owner).Erasures(t.Context()))[0].Swept {
					t.Errorf("%d %s: not swept, %v", i, steps[i], err)
				}
				s.Close()
			}
			t.Logf("%d cuts: %v", len(cuts), steps)
			if destroyed != len(cuts) {
				t.Errorf("of %d roots %d have one slot empty", len(cuts), destroyed)
			}
		})
	}
}

// TestEraseFails lets each step of the root fail in turn: an error that is none of those of
// the person, nothing acknowledged, and the next try is the end of it.
func TestEraseFails(t *testing.T) {
	broken := errors.New("the root is on fire")
	for n := 0; ; n++ {
		count, failed, on := 0, false, false
		_, s := office(t, func(step string, before bool) error {
			if on && before {
				if count++; count == n+1 {
					failed = true
					return broken
				}
			}
			return nil
		})
		on = true
		proof, err := s.Erase(t.Context(), owner, Person{Number: callerLetter})
		on = false
		if !failed {
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%d steps", n)
			return
		}
		if err == nil {
			continue // a step that may fail
		}
		if !errors.Is(err, broken) || len(proof.Subjects) != 0 {
			t.Errorf("step %d: %v, %v", n, proof, err)
		}
		if list := must(s.As(owner).Erasures(t.Context())); len(list) != 1 || list[0].Verified {
			t.Errorf("step %d: acknowledged: %+v", n, list)
		}
		if n%2 == 0 {
			proof, err = s.Erase(t.Context(), owner, Person{Number: callerLetter})
			if err != nil || !proof.Verified || proof.Records != 5 || proof.Items != 1 {
				t.Errorf("step %d, second try: %+v, %v", n, proof, err)
			}
		}
		s.keepHouse(t) // by itself
		if list := must(s.As(owner).Erasures(t.Context())); len(list) != 1 || !list[0].Verified || !list[0].Swept || list[0].OldEpoch == list[0].NewEpoch {
			t.Errorf("step %d: %+v", n, list)
		}
		if _, err := s.Erase(t.Context(), owner, Person{Number: callerShown}); !errors.Is(err, ErrUnknownPerson) {
			t.Errorf("step %d: %v", n, err)
		}
		if n > 100 {
			t.Fatal("no end")
		}
	}
}

// TestEraseRootGone: with a root that cannot be written the store opens, takes records and
// goes on trying.
func TestEraseRootGone(t *testing.T) {
	on := false
	b, s := office(t, func(step string, before bool) error {
		if on && !strings.HasPrefix(step, "key") {
			return errors.New("read-only medium")
		}
		return nil
	})
	on = true
	if _, err := s.Erase(t.Context(), owner, Person{User: boris}); err == nil {
		t.Fatal("erased without a root")
	}
	s.Close()
	s = b.open()
	if _, err := s.housekeep(); err == nil {
		t.Error("housekeeping says nothing")
	}
	if _, err := s.Erase(t.Context(), owner, Person{Number: callerShown}); err == nil {
		t.Error("erased without a root")
	}
	s.Append(callFrom(otherCaller, anna))
	if err := s.flush(); err != nil {
		t.Error(err)
	}
	on = false
	s.keepHouse(t)
	if list := must(s.As(owner).Erasures(t.Context())); len(list) != 1 || !list[0].Verified || !list[0].Swept || list[0].Records != 5 {
		t.Errorf("%+v", list)
	}
}

// TestEraseVerifies: what comes between and puts something else in the keyring's place is
// seen before anything is acknowledged.
func TestEraseVerifies(t *testing.T) {
	var path string
	var old, written []byte
	b, s := office(t, func(step string, before bool) error {
		switch {
		case path == "":
		case strings.HasPrefix(step, "fill") && before:
			old = must(os.ReadFile(path))
		case strings.HasPrefix(step, "destroy") && !before:
			written = must(os.ReadFile(path))
			os.WriteFile(path, old, 0o600)
		}
		return nil
	})
	path = filepath.Join(b.dir, "keyring")
	proof, err := s.Erase(t.Context(), owner, Person{Number: callerLetter})
	if err == nil {
		t.Errorf("acknowledged: %+v", proof)
	}
	if list := must(s.As(owner).Erasures(t.Context())); len(list) != 1 || list[0].Verified {
		t.Errorf("%+v", list)
	}
	os.WriteFile(path, written, 0o600)
	path = ""
	if proof, err := s.Erase(t.Context(), owner, Person{Number: callerLetter}); err != nil || !proof.Verified || proof.NewEpoch == [8]byte{} {
		t.Errorf("%+v, %v", proof, err)
	}
}

// TestEraseDiskFails: a keyring that takes nothing stops it before anything has happened; a
// database that takes nothing after the tombstone leaves it to the next start.
func TestEraseDiskFails(t *testing.T) {
	var s *Store
	fail := false
	b, s := office(t, func(step string, before bool) error {
		if fail && strings.HasPrefix(step, "fill") && !before {
			s.file.Close()
		}
		return nil
	})
	s.Append(callFrom(must(parseNumber(4930222222)), boris)) // somebody new
	mend := breakTail(t, b, s)
	if _, err := s.Erase(t.Context(), owner, Person{User: boris}); err == nil || errors.Is(err, ErrUnknownPerson) {
		t.Errorf("%v", err)
	}
	if p, rev := s.CurrentPlan(); rev != 1 || len(p.Users) != 2 || len(must(s.As(owner).Erasures(t.Context()))) != 0 {
		t.Error("something has happened")
	}
	mend()
	fail = true
	proof, err := s.Erase(t.Context(), owner, Person{User: boris})
	if err == nil {
		t.Fatalf("acknowledged: %+v", proof)
	}
	fail = false
	s.Close()
	s = b.open()
	list := must(s.As(owner).Erasures(t.Context()))
	if len(list) != 1 || !list[0].Verified || len(list[0].Subjects) != 2 || list[0].Records != 6 {
		t.Errorf("%+v", list)
	}
	if p, rev := s.CurrentPlan(); rev != 2 || len(p.Users) != 1 {
		t.Errorf("revision %d", rev)
	}
	if _, err := s.Erase(t.Context(), owner, Person{User: boris}); !errors.Is(err, ErrUnknownPerson) {
		t.Errorf("%v", err)
	}
}

// TestEraseNotNoted: when the keys have gone and that cannot be noted, the proof of the next
// try still names the rotation.
func TestEraseNotNoted(t *testing.T) {
	var s *Store
	fail := false
	_, s = office(t, func(step string, before bool) error {
		if fail && strings.HasPrefix(step, "destroy") && !before {
			s.broken = true // as a damaged page makes it
		}
		return nil
	})
	fail = true
	if proof, err := s.Erase(t.Context(), owner, Person{User: anna}); !errors.Is(err, ErrDown) {
		t.Fatalf("acknowledged: %+v, %v", proof, err)
	}
	s.broken, fail = false, false
	proof, err := s.Erase(t.Context(), owner, Person{User: anna})
	if err != nil || !proof.Verified || proof.Rewrite == 0 || proof.OldEpoch == proof.NewEpoch {
		t.Errorf("%+v, %v", proof, err)
	}
}

// TestErasePlanNeeds: a plan that would not be valid without the user stops it before
// anything has happened.
func TestErasePlanNeeds(t *testing.T) {
	b := newBox(t)
	s := b.open()
	setPlan(t, s, testPlan())
	at := s.plan.Load()
	wrong := at.plan.Clone()
	wrong.Country = "XX" // as a later version may find it
	s.plan.Store(newPlanAt(at.rev, wrong, nil))
	_, err := s.Erase(t.Context(), owner, Person{User: boris})
	if !errors.Is(err, ErrPlanNeeds) || !errors.As(err, new(plan.Problems)) {
		t.Errorf("%v", err)
	}
	for _, m := range append(markers, string(boris)) {
		if strings.Contains(err.Error(), m) {
			t.Errorf("the error tells who: %v", err)
		}
	}
	if list := must(s.As(owner).Erasures(t.Context())); len(list) != 0 {
		t.Errorf("%v", list)
	}
}

// TestEraseMeanwhile appends, reads, plays and records while persons are erased.
func TestEraseMeanwhile(t *testing.T) {
	b := newBox(t)
	s, stop := b.run()
	setPlan(t, s, testPlan())
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	caller := func(i int) number.Number { return must(parseNumber(4930901000 + int64(i%7))) }
	wg.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			s.Append(callFrom(caller(i), anna))
			s.Sync(ctx)
		}
	})
	wg.Go(func() {
		for ctx.Err() == nil {
			if _, err := s.As(owner).Page(ctx, Query{Limit: 20}); err != nil && ctx.Err() == nil {
				t.Error(err)
			}
		}
	})
	wg.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			w, err := s.NewAudio(pbx.Party{User: anna}, pbx.Party{Number: caller(i)})
			if err != nil {
				t.Error(err)
				return
			}
			for range 3 {
				if _, err := w.Write(make([]byte, 5000)); err != nil && !errors.Is(err, ErrNoAudio) {
					t.Error(err)
				}
			}
			if err := w.Close(); err != nil && !errors.Is(err, ErrNoAudio) {
				t.Error(err)
			}
			r, err := s.OpenAudio(w.Item())
			if err == nil {
				if _, err := r.ReadAt(make([]byte, 100), 14000); err != nil && !errors.Is(err, ErrNoAudio) {
					t.Error(err)
				}
				r.Close()
			} else if !errors.Is(err, ErrNoAudio) {
				t.Error(err)
			}
			if i%2 == 0 {
				if err := s.DropAudio(w.Item()); err != nil {
					t.Error(err)
				}
			}
		}
	})
	const erased = 20
	for i := range erased {
		s.Append(callFrom(caller(i), anna)) // so that there is something
		if proof, err := s.Erase(t.Context(), owner, Person{Number: caller(i)}); err != nil || !proof.Verified {
			t.Errorf("%+v, %v", proof, err)
		}
	}
	cancel()
	wg.Wait()
	sync1(t, s)
	s.keepHouse(t)
	if h := s.Health(); h.Unreadable > 0 || h.Lost > 0 || h.Failed > 0 {
		t.Errorf("%+v", h)
	}
	stop()
	s = b.open()
	if n := len(must(s.As(owner).Erasures(t.Context()))); n != erased {
		t.Errorf("%d erasures, want %d", n, erased)
	}
}

// TestSweep: at most 500 rows a transaction, going on after a restart, and nothing of the
// person in the rows at the end but the id.
func TestSweep(t *testing.T) {
	b := newBox(t)
	s := b.open()
	setPlan(t, s, testPlan())
	for range 1200 {
		s.Append(callFrom(callerShown, anna))
	}
	s.Append(callFrom(otherCaller, anna))
	s.flush()
	proof := must(s.Erase(t.Context(), owner, Person{Number: callerLetter}))
	count := func() (full, empty, index int) {
		s.db.View(func(tx *bbolt.Tx) error {
			tx.Bucket(bucketRecords).ForEach(func(k, v []byte) error {
				r := must(s.splitRecord(row{k, v}))
				for i := range r.list {
					if r.list[i].subject == proof.Subjects[0] {
						if len(r.list[i].data) > 0 {
							full++
						} else {
							empty++
						}
					}
				}
				return nil
			})
			index = countOf(tx, proof.Subjects[0])
			return nil
		})
		return full, empty, index
	}
	for i, want := range []int{1200, 700, 200, 0, 0, 0} { // then as many entries of a journal
		full, empty, index := count()
		if index != want || full+empty != 2400 || full != 2*want {
			t.Errorf("after %d pieces: %d full, %d empty, %d in the index", i, full, empty, index)
		}
		if swept := must(s.As(owner).Erasures(t.Context()))[0].Swept; swept != (i == 5) {
			t.Errorf("after %d pieces: swept %v", i, swept)
		}
		s.Close()
		s = b.open()
		if _, err := s.housekeep(); err != nil {
			t.Fatal(err)
		}
	}
	for _, state := range states(t, s)[1:] {
		if state != "erased>shown" {
			t.Fatal(state)
		}
	}
}

// TestSweepByItself: while Run runs, nobody has to ask.
func TestSweepByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t)
		s, stop := b.run()
		defer stop()
		setPlan(t, s, testPlan())
		for range 1100 {
			s.Append(callFrom(callerShown, anna))
		}
		must(s.Erase(t.Context(), owner, Person{Number: callerLetter}))
		time.Sleep(4 * sweepPause)
		synctest.Wait()
		if list := must(s.As(owner).Erasures(t.Context())); len(list) != 1 || !list[0].Swept {
			t.Errorf("%+v", list)
		}
	})
}

func BenchmarkErase(b *testing.B) {
	s := benchStore(b)
	if _, err := s.SetPlan(b.Context(), owner, 0, testPlan()); err != nil {
		b.Fatal(err)
	}
	for i := range 20_000 {
		s.Append(callFrom(must(parseNumber(4930100000+int64(i))), anna))
		if i%4000 == 0 {
			s.flush()
		}
	}
	for b.Loop() {
		b.StopTimer()
		for i := range 10_000 {
			s.Append(callFrom(callerShown, anna))
			if i%4000 == 0 {
				s.flush()
			}
		}
		s.flush()
		b.StartTimer()
		proof, err := s.Erase(b.Context(), owner, Person{Number: callerLetter})
		if err != nil || proof.Records != 10_000 {
			b.Fatal(proof.Records, err)
		}
	}
}
