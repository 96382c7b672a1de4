package storage

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"sotto/pbx"
)

// maxQueue bounds the records that wait for the writer, to about 1 MiB.
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
	waiting  int    // in the writer's hands, not yet settled
	accepted uint64 // records taken since Open
	settled  uint64 // of these, durable or given up
	durable  RecordID
	down     error         // why nothing is taken any more
	changed  chan struct{} // closed and made anew when settled, durable or down change
	wake     chan struct{} // holds a token when there is something to write
}

func (q *queue) init() {
	q.changed, q.wake = make(chan struct{}), make(chan struct{}, 1)
}

// writer is the state of the one that writes, under Store.wmu.
type writer struct {
	last     RecordID     // newest id given
	inflight []pbx.Record // taken from the queue, not yet settled
	spare    []pbx.Record // the other of two buffers
	broken   bool         // bbolt has panicked; it is not touched again
	closed   bool
	reported uint64 // lost records that the log knows of
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
	select {
	case s.wake <- struct{}{}:
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

// Run writes what is appended until ctx ends: each time all that is queued, in one
// transaction. Before it returns it writes the rest, once. When the medium fails it
// tries again; when the database is damaged it counts what is lost and goes on doing
// so until ctx ends, and returns the cause.
func (s *Store) Run(ctx context.Context) error {
	retry := time.NewTimer(0)
	retry.Stop()
	defer retry.Stop()
	pause := firstRetry
	wake := s.wake
	for {
		select {
		case <-ctx.Done():
			return s.flush()
		case <-wake:
		case <-retry.C:
		}
		err := s.flush()
		s.reportLost()
		switch {
		case err == nil:
			wake, pause = s.wake, firstRetry
		case s.isDown():
		default:
			s.log.Error("call records are not written; trying again", "err", err, "after", pause)
			wake = nil // not before the pause
			retry.Reset(pause)
			pause = min(2*pause, lastRetry)
		}
	}
}

func (s *Store) flush() error {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	return s.writeQueued()
}

func (s *Store) isDown() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.down != nil
}

// writeQueued makes all that is queued durable, under wmu. On an error that may pass,
// the records stay in flight and keep their ids: what a failed commit may have left on
// the medium is written over, not doubled.
func (s *Store) writeQueued() error {
	if s.closed || s.broken {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.down
	}
	for s.take() {
		if err := s.writeInflight(); err != nil {
			return err
		}
	}
	return nil
}

// take gets the queued records in flight, if none are; false if there is nothing.
func (s *Store) take() bool {
	if len(s.inflight) > 0 {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inflight, s.records = s.records, s.spare[:0]
	s.spare, s.waiting = s.inflight, len(s.inflight)
	return s.waiting > 0
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
	if err := s.commit(bucketRecords, rows, func(b *bbolt.Bucket) error { return b.SetSequence(uint64(id)) }); err != nil {
		return err
	}
	s.last = id
	s.written.Add(uint64(len(rows)))
	s.mu.Lock()
	s.settled += uint64(len(s.inflight))
	s.waiting, s.durable = 0, id
	s.tell()
	s.mu.Unlock()
	clear(s.inflight) // names and numbers do not linger in the buffer
	s.inflight = nil
	return nil
}

// row is one key and value of a bucket.
type row struct{ key, value []byte }

// commit makes the new persons' keys durable, then the rows, under wmu.
func (s *Store) commit(bucket []byte, rows []row, also func(*bbolt.Bucket) error) error {
	if s.closed || s.broken {
		return ErrDown
	}
	if err := s.ring.Commit(); err != nil {
		s.failed.Add(1)
		return err
	}
	err := guard(func() error {
		return s.db.Update(func(tx *bbolt.Tx) error {
			b := tx.Bucket(bucket)
			if b == nil {
				return ErrDamaged
			}
			b.FillPercent = 0.9 // keys only grow
			for _, r := range rows {
				if err := b.Put(r.key, r.value); err != nil {
					return err
				}
			}
			if also == nil {
				return nil
			}
			return also(b)
		})
	})
	if err == nil {
		s.commits.Add(1)
		return nil
	}
	s.failed.Add(1)
	err = fmt.Errorf("write database: %w", err)
	if errors.Is(err, ErrDamaged) || errors.Is(err, berrors.ErrDatabaseNotOpen) {
		s.broken = true
		s.log.Error("the store is down; calls go on without records", "err", err)
		s.giveUp(fmt.Errorf("%w: %w", ErrDown, err))
	}
	return err
}

// giveUp ends the taking of records: what waits is lost, and whoever waits is told.
func (s *Store) giveUp(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := uint64(len(s.records) + s.waiting)
	s.lost.Add(n)
	s.settled += n
	clear(s.records)
	clear(s.inflight)
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
