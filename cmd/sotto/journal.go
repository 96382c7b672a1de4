package main

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"sotto/pbx"
	"sotto/storage"
)

// journal takes the records of ended calls to the store, once there is one, and counts
// those that are not kept.
type journal struct {
	kept atomic.Pointer[kept]
	none noJournal
	end  func() // of what runs for the store; nil: nothing does
}

// kept is a store, and since when calls are for it. Of one that began before, nothing is
// kept: nobody knew yet whose calls are to be kept.
type kept struct {
	store *storage.Store
	since time.Time // zero: always
}

// Append implements [pbx.Journal].
func (j *journal) Append(r pbx.Record) {
	if k := j.kept.Load(); k != nil && !r.Began.Before(k.since) {
		k.store.Append(r)
		return
	}
	j.none.Append(r)
}

// close ends what runs for the store, when no more records come.
func (j *journal) close() {
	if j.end != nil {
		j.end()
	}
	j.none.tell()
}

// runStore runs the store, if there is one, and tells in the simulator's room of what it keeps.
func (m *machine) runStore() {
	store := m.off.store
	if store == nil {
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	var records sync.WaitGroup
	records.Go(func() {
		if err := store.Run(ctx); err != nil {
			m.log.Error("the store stopped", "why", err)
		}
	})
	told, _ := store.Follow()
	records.Go(func() { tellRecords(ctx, store, told, m.brd.Room, m.log) })
	m.journal.end = func() {
		limit, done := context.WithTimeout(context.Background(), 5*time.Second)
		defer done()
		if err := store.Sync(limit); err != nil {
			m.log.Error("call records are not stored yet", "why", err)
		}
		stop()
		records.Wait()
	}
}

// noJournal takes records when there is no store, and counts them. The log is told each
// time that they are twice as many.
type noJournal struct {
	log         *slog.Logger
	count, told uint64 // of the switch loop; others once it has ended
}

func (j *noJournal) Append(pbx.Record) {
	j.count++
	if j.count&(j.count-1) == 0 {
		j.tell()
	}
}

func (j *noJournal) tell() {
	if j.count > j.told {
		j.told = j.count
		j.log.Error("calls were not recorded: there is no store", "count", j.count)
	}
}
