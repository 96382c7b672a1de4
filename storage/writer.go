package storage

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"

	"sotto/pbx"
	"sotto/pbx/plan"
	"sotto/storage/keyring"
	"sotto/storage/policy"
)

// recordPause is how long after a transaction with records the next stays in the queue, so
// that under load each is of several: a transaction costs some hundred times what a record
// does. One alone waits for none; nor do any while somebody waits in Sync, or more than
// maxGroup are there.
const (
	recordPause = 100 * time.Millisecond
	maxGroup    = maxBatch - 1
)

// maxBatch bounds the records of a transaction. Each touches pages of the indexes far from
// each other, and bbolt holds all that a transaction touches in memory: some 60 KiB a record.
const maxBatch = 250

// After a failed transaction the writer waits firstRetry, then twice as long each time
// up to lastRetry.
const (
	firstRetry = time.Second
	lastRetry  = 30 * time.Second
)

// writer is the state of the one that writes, under Store.wmu.
type writer struct {
	last      RecordID                      // newest id given
	lastEntry RecordID                      // newest id of a journal's entry given
	inflight  []pbx.Record                  // taken from the queue, not yet settled
	spare     []pbx.Record                  // the buffer of inflight
	moved     map[plan.UserID][]pbx.Binding // lists of bindings taken from the queue, not yet settled
	rest      time.Time                     // before it, bindings stay in the queue
	broken    bool                          // bbolt has panicked; it is not touched again
	closed    bool
	reported  uint64 // lost records that the log knows of

	count    uint64    // transactions that the database has
	dayBegan time.Time // when the newest day began, zero if that was before Open
	putting  []day     // the table of the days as the transaction under way has it; nil: unchanged

	newestEntry atomic.Uint64 // lastEntry, for who reads
	silent      silent        // users without a journal
	tally       tally         // counts of the newest day, as they are durable

	secrets map[plan.UserID]pbx.Secret // all there are of the users of the plan, those that do not count too
}

func (w *writer) init() {
	w.moved, w.secrets = map[plan.UserID][]pbx.Binding{}, map[plan.UserID]pbx.Secret{}
}

// Run writes what is queued until ctx ends: records in as few transactions as may be, after a
// tenth of a second's rest unless somebody waits, with bindings if the last are a second ago.
// Between that it does what is not urgent, a piece at a time. Before it returns it writes the rest,
// once. When the medium fails it tries again; when the database is damaged it counts what is
// lost and goes on doing so until ctx ends, and returns the cause.
func (s *Store) Run(ctx context.Context) error {
	again := time.NewTimer(0)
	defer again.Stop()
	pause := firstRetry
	wake := s.wake
	var notBefore time.Time // of housekeeping
	for {
		select {
		case <-ctx.Done():
			return s.flush()
		case <-wake:
		case <-again.C:
		}
		rest, err := s.writeDue()
		s.reportLost()
		switch {
		case err == nil:
			wake, pause = s.wake, firstRetry
			if now := time.Now(); now.Before(notBefore) {
				rest = sooner(rest, notBefore.Sub(now))
			} else if more, err := s.housekeep(); err != nil {
				s.log.Error("housekeeping of the store failed; trying again", "err", err, "after", lastRetry)
				notBefore = time.Now().Add(lastRetry)
				rest = sooner(rest, lastRetry)
			} else {
				if more == sweepPause { // for records alone, however often they come
					notBefore = time.Now().Add(sweepPause)
				}
				rest = sooner(rest, more)
			}
			if again.Stop(); rest > 0 {
				again.Reset(rest)
			}
		case s.isDown():
		default:
			s.log.Error("call records are not written; trying again", "err", err, "after", pause)
			wake = nil // not before the pause
			again.Reset(pause)
			pause = min(2*pause, lastRetry)
		}
	}
}

// sooner gives the shorter of two waits, where 0 is none.
func sooner(a, b time.Duration) time.Duration {
	if a == 0 || b > 0 && b < a {
		return b
	}
	return a
}

// flush writes all that is queued.
func (s *Store) flush() error {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	return s.writeLast()
}

// writeLast makes all that is queued durable, under wmu, and that a user who was erased is
// not known again by it: the next start does not know who that was.
func (s *Store) writeLast() error {
	if err := s.writeQueued(true); err != nil || s.closed || s.broken {
		return err
	}
	return s.eraseAfterglow()
}

// writeDue writes what is due, and tells after what time more will be, 0 if nothing waits.
func (s *Store) writeDue() (rest time.Duration, err error) {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	if err := s.writeQueued(false); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.bindings) > 0 {
		rest = max(time.Until(s.rest), 1)
	}
	if len(s.records) > 0 {
		rest = sooner(rest, max(time.Until(s.pause), 1))
	}
	return rest, nil
}

func (s *Store) isDown() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.down != nil
}

// writeQueued makes what is queued durable, under wmu: all of it, or only what is due. On an error that may pass, all that was taken stays in flight and records keep
// their ids: what a failed commit may have left on the medium is written over, not doubled.
func (s *Store) writeQueued(all bool) error {
	if s.closed || s.broken {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.down
	}
	for first := true; s.take(all, all && first); first = false {
		if err := s.writeInflight(); err != nil {
			return err
		}
	}
	return nil
}

// take gets in flight what is due of what is queued, a transaction of it, if nothing of its
// kind is in flight; false if there is nothing. Records and bindings may be taken before they
// are due.
func (s *Store) take(records, bindings bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if n := s.batch(); len(s.inflight) == 0 && n > 0 && (records || s.syncing > 0 || len(s.records) > maxGroup || !now.Before(s.pause)) {
		s.inflight = append(s.spare[:0], s.records[:n]...)
		s.spare, s.waiting = s.inflight, n
		left := copy(s.records, s.records[n:])
		clear(s.records[left:]) // names and numbers do not linger in the buffer
		s.records = s.records[:left]
	}
	if len(s.moved) == 0 && len(s.bindings) > 0 && (bindings || !now.Before(s.rest)) {
		s.moved, s.bindings = s.bindings, s.moved
		s.rest = now.Add(bindingPause)
	}
	return len(s.inflight)+len(s.moved) > 0
}

// batch gives how many of the records that wait one transaction takes, under mu: maxBatch, or
// fewer if these make many entries in journals, and one at least.
func (q *queue) batch() (n int) {
	for rows := 0; n < len(q.records) && n < maxBatch; n++ {
		if rows += rowsOf(&q.records[n]); rows > 3*maxBatch && n > 0 {
			break
		}
	}
	return n
}

// rowsOf tells how many rows a call makes at most: the record, and an entry in each journal.
func rowsOf(r *pbx.Record) int { return 1 + 2 + len(r.Missed) }

func (s *Store) writeInflight() error {
	rows := 0
	for i := range s.inflight {
		rows += rowsOf(&s.inflight[i])
	}
	if err := s.prune(rows); err != nil {
		return err
	}
	days, err := s.dayToWrite(keyring.Audit)
	if err != nil {
		return err
	}
	var w sealed
	for {
		w, err = s.sealInflight(keyring.Day(len(days) - 1))
		if err == nil {
			break
		}
		if len(days) >= maxDays || !errors.Is(err, keyring.ErrAged) {
			return err
		}
		days = s.oneMore(days)
	}
	if len(s.inflight) == 0 {
		days = nil // no new day for registrations alone
	}
	for i := range s.inflight {
		days = withCall(days, s.inflight[i].Rang+s.inflight[i].Talked)
	}
	bindings := s.sealBindings()
	s.putting = days
	if err := s.commit(func(tx *bbolt.Tx) error {
		plain := make([]row, len(w.rows))
		for i := range w.rows {
			plain[i] = w.rows[i].row
		}
		return errors.Join(putNext(tx, bucketRecords, plain), s.putIndex(tx, w.rows), putEntries(tx, w.entries),
			putCounts(tx, w.counts), putBindings(tx, bindings))
	}); err != nil {
		return err
	}
	s.last += RecordID(len(w.rows))
	s.lastEntry += RecordID(len(w.entries))
	s.newestEntry.Store(uint64(s.lastEntry))
	if w.tally.of != nil {
		s.tally = w.tally
	}
	s.written.Add(uint64(len(w.rows)))
	if w.lost > 0 {
		s.lost.Add(uint64(w.lost))
		s.log.Error("call records cannot be stored", "count", w.lost)
	}
	s.mu.Lock()
	if n := len(s.inflight); n > 0 {
		s.settled += uint64(n)
		s.waiting, s.durable = 0, s.last
		s.pause = time.Now().Add(recordPause)
		s.tell()
	}
	s.mu.Unlock()
	clear(s.inflight) // names, numbers and addresses do not linger in the buffers
	clear(s.moved)
	s.inflight = nil
	return nil
}

// sealed is what the records in flight become.
type sealed struct {
	rows    []recordRow
	entries []entryRow // of journals
	counts  row        // of the day
	tally   tally      // what that says
	lost    int        // records that cannot be stored
}

// sealInflight makes the rows of the records in flight, of a day. The error wraps
// [keyring.ErrAged], or says that the counts cannot be sealed.
func (s *Store) sealInflight(day keyring.Day) (w sealed, err error) {
	if len(s.inflight) == 0 {
		return w, nil
	}
	w.tally = s.tallyOf(day)
	set := s.policy()
	w.rows = make([]recordRow, 0, len(s.inflight))
	for i := range s.inflight {
		r := &s.inflight[i]
		w.tally.add(r)
		if err := s.sealCall(&w, day, r, set); errors.Is(err, keyring.ErrAged) {
			return w, err
		} else if err != nil {
			w.lost++
		}
	}
	w.counts, err = s.sealCounts(&w.tally)
	return w, err
}

// sealCall makes record and entries of one call: all of them or none.
func (s *Store) sealCall(w *sealed, day keyring.Day, r *pbx.Record, set *policy.Settings) error {
	from, to, err := s.sides(r, set.Cut)
	if err != nil {
		return err
	}
	defer from.wipe()
	defer to.wipe()
	entries, err := s.sealEntries(s.lastEntry+RecordID(len(w.entries))+1, day, r, &from, &to)
	if err != nil {
		return err
	}
	if isRecorded(&set.Record, r) {
		row, err := s.sealRecord(s.last+RecordID(len(w.rows))+1, day, r, &from, &to)
		if err != nil {
			return err
		}
		w.rows = append(w.rows, row)
	}
	w.entries = append(w.entries, entries...)
	return nil
}

// giveUp ends the taking of records: what waits is lost, and whoever waits is told.
func (s *Store) giveUp(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := uint64(len(s.records) + s.waiting)
	s.lost.Add(n)
	s.settled += n
	s.bindingsLost.Add(uint64(len(s.bindings) + len(s.moved)))
	clear(s.records)
	clear(s.inflight)
	clear(s.bindings)
	clear(s.moved)
	s.records, s.inflight, s.spare, s.waiting = nil, nil, nil, 0
	if s.down == nil {
		s.down = why
	}
	s.tell()
}

// reportLost logs lost records, each time twice as many as before at least.
func (s *Store) reportLost() {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	if n := s.lost.Load(); n > 0 && n >= 2*s.reported {
		s.reported = n
		s.log.Warn("call records lost", "count", n)
	}
}
