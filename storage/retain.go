package storage

import (
	"fmt"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"sotto/pbx/plan"
	"sotto/storage/keyring"
	"sotto/storage/policy"
)

// Each day, soon after the believed date has changed, after a start and after a change of the
// settings, the box goes through what it keeps:
//
//	forget   every chain of a class steps past the days whose term is over, class by class
//	drop     rows that no key opens any more are removed, 500 at a time
//	erase    users whose term after leaving is over are erased
//	prove    what is left is looked through, and a line for each kind written; once more when
//	         the next rotation has taken the keys off the medium
//
// A term of n days: what was stored on a date D goes when the date D+n+1 begins, so it is kept
// for n whole days at least and n+1 at most. Each step is a bounded piece under wmu, with a
// pause after it in which records are written.

// kept is a kind of what is kept, of the kinds whose time passes with a class of the chains.
type kept struct {
	kind  policy.Kind
	class keyring.Class

	// drop removes some of the rows that have aged, in one transaction of its own, and tells how
	// many. It is under wmu, and called until it tells 0; nil: there are no rows of its own.
	drop func(s *Store, first keyring.Day) (int, error)

	// oldest gives the day of the oldest row that is left; false if there is none.
	oldest func(s *Store, tx *bbolt.Tx) (keyring.Day, bool)
}

// allKept are these kinds, in the order of [policy.Kinds]. Messages, recordings and traces, which
// have a key of their own each and no chain, join in [Store.sweepSteps] when the box keeps them.
var allKept = []kept{
	{policy.Digits, keyring.Digits, nil, oldestDigits},
	{policy.Records, keyring.Calls, (*Store).dropAgedRecords, oldestRecord},
	{policy.Journal, keyring.Journal, (*Store).dropJournal, oldestEntry},
	{policy.Counts, keyring.Counts, (*Store).dropCounts, oldestCounts},
	{policy.Audit, keyring.Audit, (*Store).dropTrail, oldestLine},
}

// maxErased bounds the users that one piece erases.
const maxErased = 20

// sweepRun is one going through.
type sweepRun struct {
	date     int32 // on which, by what is believed
	settings *policy.Settings
	first    [keyring.Audit + 1]keyring.Day // by class, the first of the box's days whose term is not over
	deleted  map[policy.Kind]int
	late     map[policy.Kind]int     // of the runs of the same date before
	epoch    [8]byte                 // the key of the keyring when all was forgotten
	waits    [keyring.Audit + 1]bool // by class, whether keys of it wait for a rotation; class 0: those of users who have left
	steps    []func(*sweepRun) (more bool, err error)
	proved   bool
}

// retain does a piece of what keeps to the terms. did is false if there was nothing to do;
// then again is after what time there is. It is under wmu.
func (s *Store) retain() (again time.Duration, did bool, err error) {
	k := &s.keeper
	if k.calm {
		return 0, false, nil
	}
	s.believe()
	if at := s.plan.Load(); at.rev != k.planSeen {
		return 0, true, s.noteRemoved()
	}
	if r := k.run; r == nil || k.asked || r.date != k.belief.date() {
		began, err := s.beginSweep()
		if began || err != nil {
			return 0, true, err
		}
	}
	if r := k.run; r != nil && len(r.steps) > 0 {
		more, err := r.steps[0](r)
		if err == nil && !more {
			r.steps = r.steps[1:]
		}
		return 0, true, err
	} else if s.toProve() {
		clear(r.waits[:])
		return 0, true, s.prove(r)
	}
	every := stateEvery
	if k.belief.Leap != 0 {
		every = lookEvery
	}
	if since := time.Since(k.saved); k.saved.IsZero() || since >= every {
		return 0, true, s.putState(nil)
	}
	return min(lookEvery, k.belief.midnight()), false, nil
}

// toProve tells whether the keys that the last run took went off the medium after its proof.
func (s *Store) toProve() bool {
	r := s.keeper.run
	return r != nil && r.proved && slices.Contains(r.waits[:], true) && s.rotated(r)
}

// rotated tells whether the keys that a run took are off the medium.
func (s *Store) rotated(r *sweepRun) bool {
	epoch, _ := s.ring.Epoch()
	return epoch != r.epoch && s.ring.OldEpoch() == nil || !s.ring.Waiting()
}

// beginSweep begins to go through; false if the new day cannot begin yet.
func (s *Store) beginSweep() (bool, error) {
	k := &s.keeper
	date := k.belief.date()
	if t := s.nextTable(s.last + 1); !k.asked && k.run != nil && t[len(t)-1].term != date && len(t) < maxDays {
		return false, nil // ten minutes after another
	}
	if err := s.plantCanary(); err != nil {
		return true, err
	}
	if err := s.noteRemoved(); err != nil {
		return true, err
	}
	r := &sweepRun{date: date, settings: s.policy(), deleted: map[policy.Kind]int{}}
	t := s.table()
	for _, kind := range allKept {
		r.first[kind.class] = max(firstDay(t, date-int32(r.settings.Keep[kind.kind])), min(k.begun[kind.class], s.today()))
	}
	var err error
	if r.late, err = s.deletedOn(date); err != nil {
		return true, err
	}
	if k.run != nil && !s.rotated(k.run) {
		r.waits = k.run.waits
	}
	r.steps = s.sweepSteps()
	k.run, k.asked = r, false
	return true, nil
}

// sweepSteps gives the steps of a run in their order.
func (s *Store) sweepSteps() (steps []func(*sweepRun) (bool, error)) {
	for _, kind := range allKept {
		steps = append(steps, func(r *sweepRun) (bool, error) { return s.forgetKind(r, &kind), nil })
	}
	steps = append(steps, s.forgotAll)
	for _, kind := range allKept {
		if kind.drop != nil {
			steps = append(steps, func(r *sweepRun) (bool, error) {
				n, err := kind.drop(s, r.first[kind.class])
				r.deleted[kind.kind] += n
				return n > 0, err
			})
		}
	}
	return append(steps, s.eraseRemoved, s.dropCanaries, func(r *sweepRun) (bool, error) {
		r.proved = true
		return false, s.prove(r)
	})
}

// maxForgot bounds the chains that one piece takes forward.
const maxForgot = 1000

// forgetKind has some chains of a kind forget, and tells whether there are more. A power cut
// before the next rotation undoes it, and the run after the next start does it again.
func (s *Store) forgetKind(r *sweepRun, kind *kept) (more bool) {
	k, first := &s.keeper, r.first[kind.class]
	if n := s.ring.ForgetSome(kind.class, first, maxForgot); n > 0 {
		r.waits[kind.class], k.lonely = true, true
		if n == maxForgot {
			return true
		}
	}
	if t := s.table(); kind.kind == policy.Digits && len(t) > 0 {
		from := max(t[min(int(k.forgot[kind.class]), len(t)-1)].first, s.oldestID())
		r.deleted[kind.kind] += int(max(t[first].first, from) - from)
	}
	s.noteForgot(kind.class, first)
	return false
}

// forgotAll notes what was forgotten, before a rotation makes it final.
func (s *Store) forgotAll(r *sweepRun) (bool, error) {
	r.epoch, _ = s.ring.Epoch()
	return false, s.putState(nil)
}

// dropAgedRecords removes some of the records that have aged.
func (s *Store) dropAgedRecords(keyring.Day) (dropped int, err error) {
	aged := s.agedBefore()
	if aged <= s.oldestID() {
		return 0, nil
	}
	if err := s.commit(func(tx *bbolt.Tx) (err error) {
		dropped, err = s.dropRecords(tx, aged-1)
		return err
	}); err != nil {
		return 0, fmt.Errorf("remove aged records: %w", err)
	}
	s.keeper.lonely = s.keeper.lonely || dropped > 0
	return dropped, nil
}

func (s *Store) dropJournal(first keyring.Day) (int, error) {
	return s.dropBefore("aged entries of journals", first, oldestEntry, func(tx *bbolt.Tx) (int, error) { return s.dropAgedJournal(tx, first) })
}

func (s *Store) dropCounts(first keyring.Day) (int, error) {
	return s.dropBefore("aged counts", first, oldestCounts, func(tx *bbolt.Tx) (int, error) { return dropDays(tx.Bucket(bucketCounts), first) })
}

// dropTrail removes from the audit trail, what left the box and who saw what was masked.
func (s *Store) dropTrail(keyring.Day) (dropped int, err error) {
	for _, drop := range []func() (int, error){s.dropAgedAudit, s.dropAgedLedger, s.dropAgedGrants} {
		if dropped, err = drop(); dropped > 0 || err != nil {
			return dropped, err
		}
	}
	return 0, nil
}

// dropBefore is a transaction that removes rows of days before one, if the oldest is of such a
// day.
func (s *Store) dropBefore(what string, first keyring.Day, oldest func(*Store, *bbolt.Tx) (keyring.Day, bool), drop func(*bbolt.Tx) (int, error)) (dropped int, err error) {
	some := false
	if err := s.view(func(tx *bbolt.Tx) error {
		day, any := oldest(s, tx)
		some = any && day < first
		return nil
	}); err != nil || !some {
		return 0, err
	}
	if err := s.commit(func(tx *bbolt.Tx) (err error) {
		dropped, err = drop(tx)
		return err
	}); err != nil {
		return 0, fmt.Errorf("remove %s: %w", what, err)
	}
	s.keeper.lonely = true
	return dropped, nil
}

// dropDays removes rows of the box's days before one, 500 at most, from a bucket whose keys are
// days.
func dropDays(b *bbolt.Bucket, first keyring.Day) (int, error) {
	if b == nil {
		return 0, ErrDamaged
	}
	var keys [][]byte
	c := b.Cursor()
	for k, _ := c.First(); k != nil && len(keys) < maxDrop && dayOfKey(k) < first; k, _ = c.Next() {
		keys = append(keys, slices.Clone(k))
	}
	for _, k := range keys {
		if err := b.Delete(k); err != nil {
			return 0, err
		}
	}
	return len(keys), nil
}

// eraseRemoved begins to erase some of the users whose term after leaving is over. Housekeeping
// goes on with them, all in one rotation, as with any that was interrupted.
func (s *Store) eraseRemoved(r *sweepRun) (more bool, err error) {
	due := s.dueUsers(r.settings.Keep[policy.Removed], s.keeper.belief.date())
	users := s.plan.Load().users
	for n, subject := range due {
		if n == maxErased {
			return true, nil
		}
		kind, id, ok := s.ring.Name(subject)
		p := Person{User: plan.UserID(id)}
		if ok && kind == keyring.User && users[p.User] == nil && !slices.Contains(s.keeper.unfinished, subject) {
			if subjects := s.subjectsOfPerson(&p, kind); len(subjects) > 0 {
				l := look{what: "erase person whose term is over", rows: 1}
				if err := s.beginErasure(l, &p, kind, subjects); err != nil {
					return true, fmt.Errorf("erase a user who has left the plan: %w", err)
				}
				r.deleted[policy.Removed]++
				r.waits[0] = true // the rotation that destroys the keys comes next
			}
		}
		gone := s.keeper.without([]keyring.Subject{subject})
		s.keeper.removed.Store(&gone)
	}
	if len(due) > 0 {
		return false, s.putState(nil)
	}
	return false, nil
}
