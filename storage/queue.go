package storage

import (
	"context"
	"sync"
	"time"

	"sotto/pbx"
	"sotto/pbx/plan"
)

// maxQueue bounds the records that wait for the writer, to about 1 MiB. The bindings that
// wait are bounded by the users of the plan.
const maxQueue = 4096

// queue is between Append and the writer. Its lock is never held during I/O.
type queue struct {
	mu       sync.Mutex
	records  []pbx.Record
	bindings map[plan.UserID][]pbx.Binding // the newest list of each user that is to be written
	waiting  int                           // records in the writer's hands, not yet settled
	accepted uint64                        // records taken since Open
	settled  uint64                        // of these, durable or given up
	syncing  int                           // callers of Sync that wait
	pause    time.Time                     // before it, records stay in the queue
	durable  RecordID
	down     error         // why nothing is taken any more
	changed  chan struct{} // closed and made anew when settled, durable or down change
	wake     chan struct{} // holds a token when there is something to write
}

func (q *queue) init() {
	q.changed, q.wake = make(chan struct{}), make(chan struct{}, 1)
	q.bindings = map[plan.UserID][]pbx.Binding{}
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
	defer s.mu.Unlock()
	upTo := s.accepted
	s.syncing++
	defer func() { s.syncing-- }()
	if s.settled < upTo {
		s.nudge()
	}
	for s.settled < upTo && s.down == nil {
		changed := s.changed
		s.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			s.mu.Lock()
			return ctx.Err()
		}
		s.mu.Lock()
	}
	return s.down
}

// tell wakes all that wait for a change, under mu.
func (q *queue) tell() {
	close(q.changed)
	q.changed = make(chan struct{})
}
