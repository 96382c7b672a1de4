package storage

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync/atomic"

	"go.etcd.io/bbolt"

	"sotto/pbx/plan"
	"sotto/storage/keyring"
	"sotto/storage/policy"
)

// The bucket of people holds what users chose for themselves, see own.go. Who chose nothing
// has no row.

// peopleJSON is a user's row.
type peopleJSON struct {
	NoJournal bit `json:"j,omitempty"`
}

// silent are the users who have no journal. The map is never changed.
type silent struct {
	atomic.Pointer[map[plan.UserID]bool]

	// Under Store.wmu: how often users have turned their own on or off on a date of the clock.
	turned map[plan.UserID]int
	date   int32
}

// maxTurned is how often a day users turn their own journals on or off. Each time is a line of
// the audit trail, and nobody is to push others out of it.
const maxTurned = 20

// ErrTooOften says that a user has turned the own journal on and off too often.
var ErrTooOften = errors.New("the journal was turned on and off too often today: try again tomorrow")

// turns counts that a user turns the own journal on or off; false if that was too often.
func (x *silent) turns(user plan.UserID, date int32) bool {
	if x.turned == nil || x.date != date {
		x.turned, x.date = map[plan.UserID]int{}, date
	}
	x.turned[user]++
	return x.turned[user] <= maxTurned
}

func (x *silent) has(user plan.UserID) bool {
	m := x.Load()
	return m != nil && (*m)[user]
}

// with gives the users with another choice of one.
func (x *silent) with(user plan.UserID, off bool) map[plan.UserID]bool {
	m := map[plan.UserID]bool{}
	if old := x.Load(); old != nil {
		maps.Copy(m, *old)
	}
	if delete(m, user); off {
		m[user] = true
	}
	return m
}

// loadPeople reads what users chose. A choice that does not open counts as no journal: what
// was not to be kept is not kept.
func (s *Store) loadPeople(b *bbolt.Bucket) {
	m := map[plan.UserID]bool{}
	found, bad := uint64(0), uint64(0)
	for id := range s.plan.Load().users {
		var p peopleJSON
		is, err := s.openOwn(b, bucketPeople, id, &p)
		if is {
			found++
		}
		if err != nil {
			bad++
		}
		if err != nil || p.NoJournal != 0 {
			m[id] = true
		}
	}
	if bad += missingRows(b, found); bad > 0 {
		s.unreadable.Add(bad)
		s.log.Error("choices of users are damaged or missing: who has a damaged one has no journal until the choice is made again", "count", bad)
	}
	s.silent.Store(&m)
}

// keepPeople forgets the choices of whoever is not in the plan any more. It is under wmu.
func (s *Store) keepPeople(at *planAt) {
	m := s.silent.with("", false)
	maps.DeleteFunc(m, func(id plan.UserID, _ bool) bool { return at.users[id] == nil })
	s.silent.Store(&m)
}

// JournalOn tells whether calls of a user make entries in a journal of the user's own: of
// users of the plan who have not had it turned off.
func (s *Store) JournalOn(user plan.UserID) bool {
	return s.plan.Load().users[user] != nil && !s.silent.has(user)
}

// SetJournal has the box keep a journal for a user from now on, or keep none; what is in it
// already stays ([Store.EraseJournal] takes it out). Users do that for themselves, and who may
// change the plan does it for all; others get [ErrNotAllowed], and users after 20 times a day [ErrTooOften]. Of a user who is not in the
// plan it is [ErrUnknownPerson]. It returns once that is durable, and does not need Run.
func (s *Store) SetJournal(ctx context.Context, v Viewer, user plan.UserID, on bool) error {
	own := v.Role == Staff && v.User != "" && v.User == user
	if !own && !s.may(v, policy.ChangePlan) {
		return ErrNotAllowed
	}
	s.wmu.Lock()
	defer s.wmu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.plan.Load().users[user] == nil {
		return ErrUnknownPerson
	}
	if s.JournalOn(user) == on {
		return nil
	}
	if own && !s.silent.turns(user, dateOf(s.clock())) {
		return ErrTooOften
	}
	if err := s.writeQueued(true); err != nil { // calls that have ended are of before
		return fmt.Errorf("turn a journal on or off: %w", err)
	}
	subject, _ := s.ring.Lookup(keyring.User, string(user))
	var r row
	if !on {
		var err error
		if r, err = s.sealOwn(bucketPeople, user, peopleJSON{NoJournal: 1}); err != nil {
			return fmt.Errorf("turn a journal off: %w", err)
		}
	}
	words := map[bool]string{true: "journal on", false: "journal off"}
	s.pend(look{viewer: v, what: "turn journal on or off", rows: 1, about: []keyring.Subject{subject}, before: words[!on], after: words[on]})
	if !own { // what users choose for themselves is no drift
		old := s.facts(s.plan.Load(), nil)
		now := old
		if on {
			now.NoJournal--
		} else {
			now.NoJournal++
		}
		s.pendDrift(v, policy.CompareFacts(old, now))
	}
	if err := s.commit(func(tx *bbolt.Tx) error {
		b := tx.Bucket(bucketPeople)
		if b == nil {
			return ErrDamaged
		}
		if on {
			return dropOwn(b, subject)
		}
		if err := b.Put(r.key, r.value); err != nil {
			return err
		}
		return countOwn(b)
	}); err != nil {
		return fmt.Errorf("turn a journal on or off: %w", err)
	}
	m := s.silent.with(user, !on)
	s.silent.Store(&m)
	return nil
}

// EraseJournal takes everything out of a user's journal and returns once that is final: the
// keys of its entries are destroyed and the rows removed. Only the user does that; others
// get [ErrNotAllowed]. The call records of the office stay. It does not need Run.
//
// On an error it may be half done: then nothing of the journal opens in this run, and asking
// again goes on with it.
func (s *Store) EraseJournal(ctx context.Context, v Viewer, user plan.UserID) error {
	if v.Role != Staff || v.User == "" || v.User != user {
		return ErrNotAllowed
	}
	s.wmu.Lock()
	defer s.wmu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.eraseJournal(v, user); err != nil {
		return fmt.Errorf("erase a journal: %w", err)
	}
	return nil
}

func (s *Store) eraseJournal(v Viewer, user plan.UserID) error {
	if err := s.writeQueued(true); err != nil {
		return err
	}
	if s.closed || s.broken {
		return ErrDown
	}
	own, known := s.ring.Lookup(keyring.User, string(user))
	if !known {
		return ErrUnknownPerson
	}
	// What is written next to the journal finds its chain ahead and begins a new day. An empty
	// journal stays as it is, so that nobody makes days at will.
	rows, err := s.entriesBefore(own, nil, 0, 1)
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		return nil
	}
	s.pend(look{viewer: v, what: "erase journal", about: []keyring.Subject{own}})
	if err := s.commit(func(*bbolt.Tx) error { return nil }); err != nil { // before the keys go: a power cut leaves no journal erased that no line tells of
		return err
	}
	s.ring.ForgetOf(own, keyring.Journal, s.today()+1)
	if s.ring.Waiting() {
		if _, err := s.ring.Rotate(); err != nil {
			return err
		}
	}
	last := s.lastEntry
	for n := maxDrop; n == maxDrop; {
		if err := s.commit(func(tx *bbolt.Tx) (err error) {
			n, err = dropEntries(tx, own[:], maxDrop, func(id RecordID) bool { return id <= last })
			return err
		}); err != nil {
			return err
		}
		s.wmu.Unlock() // calls and looks come between
		s.wmu.Lock()
		if s.closed || s.broken {
			return ErrDown
		}
	}
	s.keeper.lonely = true
	s.nudge()
	return nil
}
