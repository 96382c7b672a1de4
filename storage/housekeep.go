package storage

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"sotto/pbx/plan"
	"sotto/storage/keyring"
)

const (
	// rotateAfter is how long a deleted or forgotten key waits for others, so that all share
	// one rotation.
	rotateAfter = time.Hour

	// sweepPause is between two transactions of the sweep. Together with their size it bounds
	// what records wait for.
	sweepPause = 20 * time.Millisecond
)

// keeper is the state of what is not urgent: finishing erasures, sweeping, rotating.
type keeper struct {
	tell  teller
	audio openAudio

	retainer // see retain.go

	// All else is under Store.wmu.
	unfinished []keyring.Subject            // whose erasure has begun, and is not noted as done
	rotation   keyring.Rotation             // that took their keys out, if that has happened
	tried      map[Person][]keyring.Subject // erasures that failed on the way, by who was asked for
	gone       map[plan.UserID]bool         // users erased in this run: a call of theirs may still end
	left       []keyring.Subject            // erased and not swept
	aged       RecordID                     // records before it have aged, and are to be removed
	lonely     bool                         // rows were removed: of somebody nothing may be left
	looked     time.Time                    // for such persons, last
	toLook     []keyring.Subject            // who is still to be looked for, this time
	mark       time.Time                    // when the keyring is to be marked; zero: it is
	due        time.Time                    // of the next rotation; zero: nothing waits for one
}

// resume finishes at a start what a power cut interrupted. It is the last step of Open. An
// erasure that cannot be finished now, because the root or the medium cannot be written, is
// no reason not to open: it is logged, and housekeep tries again.
func (s *Store) resume() error {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	k := &s.keeper
	k.tried, k.gone = map[Person][]keyring.Subject{}, map[plan.UserID]bool{}
	if err := s.loadErasures(); err != nil {
		return err
	}
	if len(k.unfinished) > 0 {
		if err := s.finishErasures(); err != nil {
			s.log.Error("an erasure was interrupted and cannot be finished yet; trying again", "err", err)
		} else {
			s.log.Info("finished an erasure that was interrupted")
		}
	}
	k.aged, k.lonely = s.agedBefore(), true
	s.cleanAudio()
	if s.ring.Waiting() {
		k.due = time.Now()
	}
	return nil
}

// housekeep does a bounded piece of what is not urgent: one transaction of the sweep, or
// one rotation of the keyring. Run calls it, not under wmu, after what was due is written.
// again is after what time there is more to do, 0 if nothing is left.
//
// Keys that were deleted or forgotten wait an hour for others before they are destroyed, as
// each rotation writes the whole keyring. What waited in a run before is destroyed at once,
// so that a box which is switched off daily does not put it off for ever.
func (s *Store) housekeep() (again time.Duration, err error) {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	k := &s.keeper
	switch {
	case s.closed || s.broken:
		return 0, nil
	case len(k.left) > 0:
		return sweepPause, s.sweep()
	case k.aged > s.oldestID():
		return sweepPause, s.dropAged()
	}
	look, did, kept := s.retain()
	if did && kept == nil {
		return sweepPause, nil
	}
	again, err = s.finish() // neither waits for the other, should that fail
	if s.toProve() {
		look = sweepPause
	}
	return sooner(again, look), errors.Join(kept, err)
}

// finish does what follows from what was erased, removed and forgotten, as housekeep does.
func (s *Store) finish() (again time.Duration, err error) {
	k := &s.keeper
	if len(k.unfinished) == 0 {
		if err := s.eraseAfterglow(); err != nil {
			return 0, err
		}
	}
	if len(k.unfinished) > 0 {
		if err := s.finishErasures(); err != nil {
			return 0, fmt.Errorf("finish erasure: %w", err)
		}
		return sweepPause, nil
	}
	var look time.Duration
	if k.lonely || len(k.toLook) > 0 {
		if look = time.Until(k.looked.Add(lonelyEvery)); look <= 0 {
			if look, err = 0, s.lonely(); err != nil {
				return 0, err
			}
			if len(k.toLook) > 0 {
				look = sweepPause
			}
		}
	}
	mark, err := s.markWhenDue()
	if err != nil {
		return 0, err
	}
	count, err := s.settleAudit(false)
	if err != nil {
		return 0, err
	}
	again, err = s.rotateWhenDue()
	return sooner(sooner(sooner(again, look), mark), count), err
}

// markWhenDue notes in the keyring how many transactions there were, if it is time to, and
// tells how long it is till then.
func (s *Store) markWhenDue() (again time.Duration, err error) {
	k := &s.keeper
	switch {
	case !s.ring.Unmarked():
		k.mark = time.Time{}
		return 0, nil
	case k.mark.IsZero():
		k.mark = time.Now().Add(markAfter)
	}
	if wait := time.Until(k.mark); wait > 0 {
		return wait, nil
	}
	k.mark = time.Time{}
	if err := s.ring.Mark(); err != nil {
		return 0, fmt.Errorf("mark the keyring: %w", err)
	}
	return 0, nil
}

// rotateWhenDue rotates if it is time to, and tells how long it is till then.
func (s *Store) rotateWhenDue() (again time.Duration, err error) {
	k := &s.keeper
	switch {
	case !s.ring.Waiting():
		k.due = time.Time{}
		return 0, nil
	case k.due.IsZero():
		k.due = time.Now().Add(rotateAfter)
	}
	if wait := time.Until(k.due); wait > 0 {
		return wait, nil
	}
	if _, err := s.ring.Rotate(); err != nil {
		return 0, fmt.Errorf("destroy deleted keys: %w", err)
	}
	k.due = time.Time{}
	return 0, nil
}

// teller tells the one who asked for it of new plans, one at a time and in their order.
type teller struct {
	mu   sync.Mutex
	f    func(plan.Plan, Rev)
	told Rev
}

// OnPlan has f called with the plan after each change of it, by [Store.SetPlan] or
// [Store.Erase], before they return; of changes at the same moment with the last at least.
// f owns the plan and must not change the store's. It is set once, before Run.
func (s *Store) OnPlan(f func(plan.Plan, Rev)) {
	t := &s.keeper.tell
	t.mu.Lock()
	defer t.mu.Unlock()
	t.f, t.told = f, s.plan.Load().rev
}

// tellPlan tells of the plan of now, if that was not told yet. It is not under wmu.
func (s *Store) tellPlan() {
	t := &s.keeper.tell
	t.mu.Lock()
	defer t.mu.Unlock()
	if p, rev := s.CurrentPlan(); t.f != nil && rev != t.told {
		t.told = rev
		t.f(p, rev)
	}
}
