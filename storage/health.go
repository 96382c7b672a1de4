package storage

import "os"

// Health is what the health page shows of the store. The counts are since [Open].
type Health struct {
	Written    uint64 // records made durable
	Lost       uint64 // records that were not stored: queue full, store down or not encodable
	Failed     uint64 // attempts to write that failed
	Commits    uint64 // transactions
	Unreadable uint64 // rows or parties that were met and that do not open or are missing
	Queued     int    // records that wait to be written

	BindingsLost   uint64 // lists of bindings that were not stored, see [Store.SaveBindings]
	BindingsQueued int    // users whose bindings wait to be written

	Newest    RecordID
	FileBytes int64 // size of the database; it must stay well below the address space of 32 bits
	TailCut   int64 // bytes of a torn keyring that Open cut off
	Down      error // why nothing is written any more; nil while all is well
	Lifeline  error // why lifeline.json is not up to date; nil while it is
}

// Health gives the state of the store at this moment.
func (s *Store) Health() Health {
	h := Health{
		Written: s.written.Load(), Lost: s.lost.Load(), Failed: s.failed.Load(), Commits: s.commits.Load(),
		Unreadable: s.unreadable.Load(), TailCut: s.ring.TailCut(), BindingsLost: s.bindingsLost.Load(),
	}
	if err := s.lifelineErr.Load(); err != nil {
		h.Lifeline = *err
	}
	if fi, err := os.Stat(s.dir + "/" + fileName); err == nil {
		h.FileBytes = fi.Size()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	h.Queued, h.Newest, h.Down = len(s.records)+s.waiting, s.durable, s.down
	h.BindingsQueued = len(s.bindings)
	return h
}
