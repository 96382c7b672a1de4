package storage

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.etcd.io/bbolt"

	"sotto/pbx"
	"sotto/pbx/plan"
)

// maxQueue bounds the records that wait for the writer, to about 1 MiB. The bindings that
// wait are bounded by the users of the plan.
const maxQueue = 4096

// After a failed transaction the writer waits firstRetry, then twice as long each time
// up to lastRetry.
const (
	firstRetry = time.Second
	lastRetry  = 30 * time.Second
)

// queue is between Append and the writer. Its lock is never held during I/O.
type queue struct {
	mu       sync.Mutex
	records  []pbx.Record
	bindings map[plan.UserID][]pbx.Binding // the newest list of each user that is to be written
	waiting  int                           // records in the writer's hands, not yet settled
	accepted uint64                        // records taken since Open
	settled  uint64                        // of these, durable or given up
	durable  RecordID
	down     error         // why nothing is taken any more
	changed  chan struct{} // closed and made anew when settled, durable or down change
	wake     chan struct{} // holds a token when there is something to write
}

func (q *queue) init() {
	q.changed, q.wake = make(chan struct{}), make(chan struct{}, 1)
	q.bindings = map[plan.UserID][]pbx.Binding{}
}

// writer is the state of the one that writes, under Store.wmu.
type writer struct {
	last     RecordID                      // newest id given
	inflight []pbx.Record                  // taken from the queue, not yet settled
	spare    []pbx.Record                  // the other of two buffers
	moved    map[plan.UserID][]pbx.Binding // lists of bindings taken from the queue, not yet settled
	rest     time.Time                     // before it, bindings stay in the queue
	broken   bool                          // bbolt has panicked; it is not touched again
	closed   bool
	reported uint64 // lost records that the log knows of

	secrets map[plan.UserID]pbx.Secret // all there are of the users of the plan, those that do not count too
}

func (w *writer) init() {
	w.moved, w.secrets = map[plan.UserID][]pbx.Binding{}, map[plan.UserID]pbx.Secret{}
}

// Append queues the record of an ended call for the writer. It may be called by any
// goroutine, never blocks on I/O and never fails: when the queue is full or the store
// is down, the record is lost and counted.
func (s *Store) Append(r pbx.Record) {
	s.mu.Lock()
	if s.down == nil && len(s.records)+s.waiting < maxQueue {
		s.records = append(s.records, r)
		s.accepted++
	} else {
		s.lost.Add(1)
	}
	s.mu.Unlock()
	s.nudge()
}

// nudge wakes the writer.
func (q *queue) nudge() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// Follow gives the id of the newest durable record, and a channel that is closed as
// soon as that has changed or the store went down.
func (s *Store) Follow() (newest RecordID, changed <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.durable, s.changed
}

// Sync waits until every record appended before is durable, while Run runs. It returns
// the error of ctx, or one that wraps [ErrDown] if the store stops writing first.
// Records that were lost or failed are in the counts of [Store.Health].
func (s *Store) Sync(ctx context.Context) error {
	s.mu.Lock()
	upTo := s.accepted
	for s.settled < upTo && s.down == nil {
		changed := s.changed
		s.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
		s.mu.Lock()
	}
	defer s.mu.Unlock()
	return s.down
}

// Run writes what is queued until ctx ends: each time all records, and bindings if the
// last are a second ago, in one transaction. Before it returns it writes the rest, once.
// When the medium fails it tries again; when the database is damaged it counts what is
// lost and goes on doing so until ctx ends, and returns the cause.
func (s *Store) Run(ctx context.Context) error {
	again := time.NewTimer(0)
	again.Stop()
	defer again.Stop()
	pause := firstRetry
	wake := s.wake
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
			if rest > 0 {
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

// flush writes all that is queued.
func (s *Store) flush() error {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	return s.writeQueued(true)
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
	return rest, nil
}

func (s *Store) isDown() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.down != nil
}

// writeQueued makes what is queued durable, under wmu: all of it, or bindings only if they
// are due. On an error that may pass, all that was taken stays in flight and records keep
// their ids: what a failed commit may have left on the medium is written over, not doubled.
func (s *Store) writeQueued(all bool) error {
	if s.closed || s.broken {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.down
	}
	for s.take(all) {
		all = false
		if err := s.writeInflight(); err != nil {
			return err
		}
	}
	return nil
}

// take gets in flight what is queued, if nothing of its kind is; false if there is
// nothing. All or not, bindings stay in the queue until their rest is over.
func (s *Store) take(all bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.inflight) == 0 {
		s.inflight, s.records = s.records, s.spare[:0]
		s.spare, s.waiting = s.inflight, len(s.inflight)
	}
	now := time.Now()
	if len(s.moved) == 0 && len(s.bindings) > 0 && (all || !now.Before(s.rest)) {
		s.moved, s.bindings = s.bindings, s.moved
		s.rest = now.Add(bindingPause)
	}
	return len(s.inflight)+len(s.moved) > 0
}

func (s *Store) writeInflight() error {
	rows := make([]row, 0, len(s.inflight))
	id := s.last
	for i := range s.inflight {
		r, err := s.sealRecord(id+1, &s.inflight[i])
		if err != nil {
			s.lost.Add(1)
			s.log.Error("a call record cannot be stored", "err", err)
			continue
		}
		id++
		rows = append(rows, r)
	}
	bindings := s.sealBindings()
	if err := s.commit(func(tx *bbolt.Tx) error {
		return errors.Join(putNext(tx, bucketRecords, rows), putBindings(tx, bindings))
	}); err != nil {
		return err
	}
	s.last = id
	s.written.Add(uint64(len(rows)))
	s.mu.Lock()
	if n := len(s.inflight); n > 0 {
		s.settled += uint64(n)
		s.waiting, s.durable = 0, id
		s.tell()
	}
	s.mu.Unlock()
	clear(s.inflight) // names, numbers and addresses do not linger in the buffers
	clear(s.moved)
	s.inflight = nil
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

// tell wakes all that wait for a change, under mu.
func (q *queue) tell() {
	close(q.changed)
	q.changed = make(chan struct{})
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
