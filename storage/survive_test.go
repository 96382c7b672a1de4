package storage

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"

	"sotto/pbx"
	"sotto/pbx/number"
	"sotto/storage/keyring"
)

// TestEraseAllForms: a number that was met before the plan told the area is the same person
// as the one met after, in whatever form it is asked for.
func TestEraseAllForms(t *testing.T) {
	b := newBox(t)
	s := b.open()
	p := testPlan()
	setPlan(t, s, p)
	s.Append(callFrom(number.Must("901820"), anna))
	s.Append(callFrom(number.Must("901821"), anna)) // somebody else
	s.flush()
	p.AreaCode = "30"
	setPlan(t, s, p)
	s.Append(callFrom(callerShown, anna))
	s.flush()
	if f, err := s.As(owner).Find(t.Context(), Person{Number: callerLetter}); err != nil || f.Records != 2 {
		t.Errorf("found %+v, %v", f, err)
	}
	proof, err := s.Erase(t.Context(), owner, Person{Number: callerLetter})
	if err != nil || len(proof.Subjects) != 2 || proof.Records != 2 {
		t.Errorf("%+v, %v", proof, err)
	}
	same(t, "after the erasure", states(t, s), "erased>shown", "shown>shown", "erased>shown")
}

// TestEraseUnobtainable: a number that was dialled in an office without a line is known
// without the digit for outside calls: else it is nobody's, or somebody's in another country.
func TestEraseUnobtainable(t *testing.T) {
	b := newBox(t)
	s := b.open()
	p := testPlan()
	p.Lines, p.OutsidePrefix = nil, "0"
	setPlan(t, s, p)
	r := aRecord()
	r.From, r.Outcome = pbx.Party{User: anna, Ext: "73911"}, pbx.Unobtainable
	dial := func(list ...string) {
		for _, dialled := range list {
			r.To = pbx.Party{Number: number.Must(dialled)}
			s.Append(r)
		}
	}
	dial("00431880012", "00431880012#", "00049431880012", "0901820", "00", "#")
	s.flush()
	if f := must(s.As(owner).Find(t.Context(), Person{Number: number.Must("0043 1 880012")})); f.Records != 0 {
		t.Errorf("%d calls of somebody in Vienna", f.Records)
	}
	if _, err := s.Erase(t.Context(), owner, Person{Number: number.Must("+49 431 880012")}); err != nil {
		t.Fatal(err)
	}
	p.AreaCode = "30"
	setPlan(t, s, p)
	if _, err := s.Erase(t.Context(), owner, Person{Number: callerLetter}); err != nil {
		t.Error(err)
	}
	same(t, "after the erasure", states(t, s), "shown>shown", "shown>shown", "shown>erased", "shown>erased", "shown>erased", "shown>erased")
}

// TestEraseAtTheEnd: a user who was erased is not known again by a call that ends when the
// box is switched off.
func TestEraseAtTheEnd(t *testing.T) {
	b := newBox(t)
	s := b.open()
	setPlan(t, s, testPlan())
	if _, err := s.Erase(t.Context(), owner, Person{User: anna}); err != nil {
		t.Fatal(err)
	}
	s.Append(callFrom(otherCaller, anna))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = b.open()
	if _, known := s.ring.Lookup(keyring.User, string(anna)); known {
		t.Error("the user is known again")
	}
	same(t, "after the erasure", states(t, s), "shown>erased")
	for _, p := range must(s.As(owner).Erasures(t.Context())) {
		if !p.Verified {
			t.Errorf("%+v", p)
		}
	}
}

// TestRingFull: a keyring full of strangers costs a record the stranger, and no more; users
// still find room.
func TestRingFull(t *testing.T) {
	b := newBox(t)
	s := b.open()
	setPlan(t, s, testPlan())
	var err error
	for n := 0; err == nil && n < 200_000; n++ {
		_, err = s.ring.Subject(keyring.Outside, fmt.Sprintf("+4989%07d", n))
	}
	s.Append(callFrom(callerShown, anna))
	s.flush()
	same(t, "full", states(t, s), "nobody>shown")
	if h := s.Health(); h.Lost != 0 || h.Nameless != 1 {
		t.Errorf("%d lost, %d nameless", h.Lost, h.Nameless)
	}
	p := testPlan()
	p.Users = append(p.Users, p.Users[0])
	p.Users[2].ID, p.Users[2].Ext, p.Users[2].Ports = "", "555", nil
	setPlan(t, s, p)
}

// TestNothingLeftInDoubt: while something of the database is missing nobody counts as one of
// whom nothing is left.
func TestNothingLeftInDoubt(t *testing.T) {
	known := func(s *Store, n number.Number) bool {
		_, ok := s.ring.Lookup(keyring.Outside, s.normal(n.Reveal()))
		return ok
	}
	t.Run("old database", func(t *testing.T) {
		b := newBox(t)
		s := b.open()
		setPlan(t, s, testPlan())
		s.Append(callFrom(otherCaller, anna))
		s.flush()
		s.Close()
		path := filepath.Join(b.dir, fileName)
		old := must(os.ReadFile(path))
		s = b.open()
		s.Append(callFrom(callerShown, anna))
		s.flush()
		must(s.NewAudio()).Close() // makes the mark
		s.Close()
		newest := must(os.ReadFile(path))
		os.WriteFile(path, old, 0o600)
		s = b.open()
		if s.Health().SetBack == 0 {
			t.Fatal("the old copy is not told")
		}
		s.keepHouse(t)
		s.Close()
		os.WriteFile(path, newest, 0o600)
		s = b.open()
		same(t, "the right one put back", states(t, s), "shown>shown", "shown>shown")
	})
	t.Run("damaged day", func(t *testing.T) {
		b := newBox(t)
		s := b.open()
		now := daysOfCalls(t, s)
		late := number.Must("02079460999") // calls on the newest day only
		s.Append(callFrom(late, anna))
		s.flush()
		n := len(s.table()) - 1
		s.Close()
		b.edit(func(tx *bbolt.Tx) error { return tx.Bucket(bucketDays).Put(dayKey(n), []byte("damaged")) })
		s = b.open()
		s.keepHouse(t)
		if !known(s, late) {
			t.Errorf("let go of on %v", now)
		}
	})
}
