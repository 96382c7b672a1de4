package storage

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"sotto/pbx/number"
	"sotto/storage/keyring"
)

// TestPieces: however many persons there are, what is forgotten and who is let go of comes in
// pieces, between which records are written; and whoever calls between two of them stays known.
func TestPieces(t *testing.T) {
	p := newPassing(t)
	s := p.s
	numberOf := func(i int) number.Number { return number.Must(fmt.Sprintf("030%07d", 5550000+i)) }
	const n = maxForgot + lonelyPiece + 100
	for i := range n {
		c := callFrom(numberOf(i), anna)
		c.Began = p.now
		s.Append(c)
		if i%maxBatch == 0 || i == n-1 {
			if err := s.flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	subjects, byNumber := s.ring.Subjects(keyring.Outside), map[keyring.Subject]number.Number{}
	for i := range n {
		subject, _ := s.ring.Lookup(keyring.Outside, s.normal(numberOf(i).Reveal()))
		byNumber[subject] = numberOf(i)
	}
	for range 6 {
		p.day(true)
	}
	s.keepFor(3)
	s.keeper.asked, s.keeper.looked = true, time.Time{}
	count := func() (open, known int) {
		for _, subject := range subjects {
			for _, class := range []keyring.Class{keyring.Calls, keyring.Digits, keyring.Journal} {
				if s.ring.Opens(subject, class, 0) {
					open++
				}
			}
			if _, _, ok := s.ring.Name(subject); ok {
				known++
			}
		}
		return open, known
	}
	var again number.Number
	forgot, left := 0, 0 // pieces
	open, known := count()
	if known != n || open == 0 {
		t.Fatalf("%d persons, %d keys", known, open)
	}
	for pieces := 0; ; pieces++ {
		wait, err := s.housekeep()
		if err != nil || pieces == 1000 {
			t.Fatal(pieces, err)
		}
		if wait != sweepPause {
			break
		}
		o, k := count()
		if k == known && o < open {
			forgot++
			if open-o > maxForgot {
				t.Errorf("%d chains in a piece", open-o)
			}
		}
		if k < known {
			left++
			if known-k > lonelyPiece {
				t.Errorf("%d persons in a piece", known-k)
			}
			if again.IsZero() {
				again = byNumber[s.keeper.toLook[0]]
				c := callFrom(again, anna)
				c.Began = p.now
				s.Append(c)
				if err := s.flush(); err != nil {
					t.Fatal(err)
				}
			}
		}
		open, known = o, k
	}
	if forgot < 3 || left < 2 {
		t.Errorf("%d pieces of forgetting, %d of letting go", forgot, left)
	}
	if _, known = count(); known != 1 {
		t.Errorf("%d persons are known", known)
	}
	if l := must(s.As(owner).Records(t.Context(), Query{Person: Person{Number: again}})); len(l) != 1 || l[0].From.State != Shown {
		t.Errorf("the call between two pieces: %+v", l)
	}
}

// TestPiecesPause: between two pieces there is a pause, also while records keep the writer awake.
func TestPiecesPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newBox(t).open()
		setPlan(t, s, testPlan())
		s.keeper.calm = false
		s.keepHouse(t)
		pieces := 0
		s.keeper.run = &sweepRun{date: s.keeper.belief.date(), steps: []func(*sweepRun) (bool, error){func(*sweepRun) (bool, error) {
			pieces++
			return true, nil
		}}}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		for range 100 {
			s.Append(callFrom(callerShown, anna))
			if err := s.Sync(ctx); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Millisecond)
		}
		cancel()
		<-done
		if most := 100*int(time.Millisecond)/int(sweepPause) + 1; pieces < 2 || pieces > most {
			t.Errorf("%d pieces while 100 records were written, want %d at most", pieces, most)
		}
		s.Close()
	})
}
