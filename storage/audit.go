package storage

import (
	"context"
	"sync"
	"time"

	"go.etcd.io/bbolt"

	"sotto/storage/keyring"
	"sotto/storage/seal"
)

// The audit trail tells who looked at what and who changed what. It is a list of lines
// without gaps, each sealed under the box's key of its day, and each with a link: a keyed
// hash over the link before it and what is on the medium of itself. So [Reader.VerifyAudit]
// finds what was cut, changed or moved, also in lines that nobody reads any more. Persons stand
// in it as pseudonyms, the random ids of the keyring. Nobody can take a line out of it; the
// oldest go when their term is over.
//
//	look ───note──► waiting ──┐  whoever comes first writes for all that wait
//	                          ├──► commit: lines and what they tell of, in one transaction
//	change ─pend──────────────┘

// look is one look at personal data, or one change, as the audit trail has it. A look is
// noted before anything is given out, and an error is the answer then: what cannot be noted
// is not shown. A change is noted in the transaction that makes it.
//
// A viewer with neither account nor role is the box itself, one with a role and no account is
// somebody at the terminal.
type look struct {
	viewer   Viewer
	stranger bool   // somebody who is not logged in, whatever the viewer
	what     string // "call records", "live view", "plan", "change plan", "log in", "failed log-in" …
	rows     int    // how many records or users it shows

	about         []keyring.Subject // whom it is about, if that is somebody in particular; stands there as a pseudonym
	before, after string            // of a change: as the viewer may see it, without a digit of a number or a name; else empty

	merge merge // what becomes of more looks like this one
	more  int   // 0; else the line stands for so many looks more
}

// merge tells which looks make no line of their own. Looks are alike if who, what and about
// are.
type merge uint8

const (
	each    merge = iota // each look is a line
	again                // alike looks within ten minutes are one: the view is drawn anew
	ownData              // a viewer's own data: one line a day, and at its end how many more there were
	flood                // of strangers, and of an account after so many lines a day: see auditmerge.go
)

// trail is the state of the audit trail.
type trail struct {
	mu      sync.Mutex
	waiting []*noted           // looks that wait for whoever gets wmu next; no more than callers of note
	merged  map[alike]*merging // looks that have their line, and count more
	busy    map[AccountID]int  // lines of each account on a date, see floodLines
	date    int32              // of busy

	// Under Store.wmu.
	key     seal.Key   // of the links
	newest  uint64     // number of the newest line that is durable
	link    link       // its link
	base    checkpoint // where the trail begins
	pending []look     // of the change that is being made
	owed    []look     // what the box has found at its start, for the next transaction
	lostEnd bool       // where the trail ended could not be told at Open
	most    int64      // lines that are kept, in tests; 0: maxAudit
}

// noted is a look that waits.
type noted struct {
	look look
	done bool  // under wmu
	err  error // under wmu
}

// note makes the line of a look durable, and returns then. All that wait at the same time
// share one transaction. It does not need Run. The error is that of ctx, which is not looked
// at any more once the look waits for its turn, or wraps [ErrDown], or says why the database
// cannot be written; then nothing may be shown. It must not be called under wmu.
func (s *Store) note(ctx context.Context, l look) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.isDown() {
		return ErrDown
	}
	if l.stranger {
		l.merge = flood
	}
	t := &s.trail
	n := &noted{look: l}
	t.mu.Lock()
	if counted, first := t.count(&l, time.Now(), dateOf(s.clock())); counted {
		t.mu.Unlock()
		if first {
			s.nudge() // for settleAudit
		}
		return nil
	}
	t.waiting = append(t.waiting, n)
	t.mu.Unlock()
	s.wmu.Lock()
	defer s.wmu.Unlock()
	if !n.done {
		s.writeLooks()
	}
	return n.err
}

// writeLooks makes all looks that wait durable, with what is due of those that were counted.
// It is under wmu.
func (s *Store) writeLooks() {
	t := &s.trail
	now, date := time.Now(), dateOf(s.clock())
	t.mu.Lock()
	all := t.waiting
	t.waiting = nil
	var lines []look
	var wrote []*noted // whose answer is that of the transaction
	due := t.due(now, date, false)
	begun := map[alike]*merging{}
	for _, n := range all {
		n.done = true
		l := &n.look
		if counted, _ := t.count(l, now, date); counted {
			s.nudge()
			continue // it had to wait for the line of one like it
		}
		if t.slow(l, date); l.merge == flood {
			if counted, _ := t.count(l, now, date); counted {
				s.nudge()
				continue
			}
		}
		wrote = append(wrote, n)
		if l.merge != each {
			k := l.alike()
			m, before := begun[k], t.merged[k]
			if before != nil && before.look.merge != flood {
				before = nil
			}
			if m == nil && l.merge == flood && before != nil && before.more > 0 {
				m = before // it is due, and goes on
			}
			if m != nil {
				m.count(l)
				s.nudge()
				continue
			}
			begun[k] = newMerging(l, before, now, date)
		}
		lines = append(lines, *l)
	}
	t.mu.Unlock()
	if len(wrote) == 0 {
		return
	}
	err := s.prune(len(lines))
	if err == nil {
		err = s.commitLooks(lines, due, now, date)
	}
	if err == nil {
		t.mu.Lock()
		t.remember(begun, now, date)
		t.mu.Unlock()
	}
	for _, n := range wrote {
		n.err = err
	}
}

// commitLooks writes lines and those of due in a transaction of their own.
func (s *Store) commitLooks(lines []look, due []dueLine, now time.Time, date int32) error {
	for _, d := range due {
		lines = append(lines, d.line)
	}
	for _, l := range lines {
		s.pend(l)
	}
	if err := s.commit(func(*bbolt.Tx) error { return nil }); err != nil {
		return err
	}
	s.trail.mu.Lock()
	defer s.trail.mu.Unlock()
	s.trail.settled(due, now, date)
	return nil
}

// pend has the next commit write the line of a change in its transaction; if that fails the
// line goes with it. It is under wmu, and comes right before what commits: nothing that can
// fail may lie between.
func (s *Store) pend(l look) { s.trail.pending = append(s.trail.pending, l) }

// settleAudit writes how many looks there were beside those that have a line, where the time
// for that has come or all is to be written, and tells how long it is till then; 0 if nothing
// is counted. It is under wmu.
func (s *Store) settleAudit(all bool) (again time.Duration, err error) {
	t := &s.trail
	now, date := time.Now(), dateOf(s.clock())
	t.mu.Lock()
	due := t.due(now, date, all)
	t.mu.Unlock()
	if len(due) > 0 {
		if err := s.commitLooks(nil, due, now, date); err != nil {
			return 0, err
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.next(now, s.clock()), nil
}

// often tells what becomes of more looks of a viewer at what staff see of themselves alone.
func (v Viewer) often() merge {
	if v.Role == Staff {
		return ownData
	}
	return again
}
