package storage

import (
	"context"
	"os"
)

// Health is what the health page shows of the store. The counts are since [Open].
type Health struct {
	Written    uint64 // records made durable
	Lost       uint64 // records that were not stored: queue full, store down or not encodable
	Nameless   uint64 // parties left out of their records because the keyring is full
	Failed     uint64 // attempts to write that failed
	Commits    uint64 // transactions
	Unreadable uint64 // rows or parties that were met and that do not open or are missing
	Aged       uint64 // records that were met whose time is over, and that are not yet removed
	Queued     int    // records that wait to be written

	AuditLines uint64 // lines that the audit trail has
	AuditEarly uint64 // of all time: lines removed before their term, because there were too many

	LogInsFailed uint64 // log-ins with a wrong name or password
	LogInsBusy   uint64 // passwords that were not checked, because too many waited

	BindingsLost   uint64 // lists of bindings that were not stored, see [Store.SaveBindings]
	BindingsQueued int    // users whose bindings wait to be written

	Newest    RecordID
	FileBytes int64  // size of the database
	FileUsed  int64  // of these, in use: the rest is taken again before the file grows
	FileLimit int64  // of FileUsed: at the limit the oldest records give way to new ones
	NearLimit bool   // FileUsed is at 90 % of FileLimit or more
	Pruned    uint64 // oldest records that were removed because the database was at its limit
	KeysLost  bool   // the keyring was an older copy at Open, or its newest keys were cut off
	SetBack   uint64 // transactions that the database had and lacks: an older copy was put back, or it lost them
	TailCut   int64  // bytes of a torn keyring that Open cut off
	Unproven  int    // kinds of data of which the last proof says that a term is not kept
	TermsLost bool   // the privacy settings are damaged; the preset of the country counts until new ones are saved
	Down      error  // why nothing is written any more; nil while all is well
	Lifeline  error  // why lifeline.json is not up to date; nil while it is
}

// Health gives the state of the store at this moment.
func (s *Store) Health() Health {
	h := Health{
		Written: s.written.Load(), Lost: s.lost.Load(), Nameless: s.nameless.Load(), Failed: s.failed.Load(), Commits: s.commits.Load(),
		Unreadable: s.unreadable.Load(), TailCut: s.ring.TailCut(), BindingsLost: s.bindingsLost.Load(),
		LogInsFailed: s.logInsFailed.Load(), LogInsBusy: s.logInsBusy.Load(), AuditLines: s.auditLines.Load(), AuditEarly: s.auditEarly.Load(),
		FileUsed: s.used.Load(), FileLimit: s.limit, NearLimit: s.nearLimit(), Pruned: s.pruned.Load(), SetBack: s.setBack, KeysLost: s.keysLost, Aged: s.aged.Load(),
	}
	if err := s.lifelineErr.Load(); err != nil {
		h.Lifeline = *err
	}
	if fi, err := os.Stat(s.dir + "/" + fileName); err == nil {
		h.FileBytes = fi.Size()
	}
	h.Unproven, h.TermsLost = int(s.keeper.unproven.Load()), s.keeper.settingsLost.Load()
	s.mu.Lock()
	defer s.mu.Unlock()
	h.Queued, h.Newest, h.Down = len(s.records)+s.waiting, s.durable, s.down
	h.BindingsQueued = len(s.bindings)
	return h
}

// HealthView is [Health] for the page: without the texts of errors, which name folders. It
// holds no personal data, so no look is noted.
type HealthView struct {
	Written, Lost, Nameless, Failed, Commits, Unreadable uint64 // as in Health
	BindingsLost, LogInsFailed, LogInsBusy               uint64
	AuditLines, AuditEarly                               uint64
	Queued, BindingsQueued                               int
	Newest                                               RecordID
	FileBytes, FileUsed, FileLimit, TailCut              int64
	Pruned, SetBack                                      uint64
	KeysLost                                             bool

	Accounts      int  // that can log in
	Unproven      int  // as in Health
	TermsLost     bool // as in Health
	Down          bool // nothing is written any more
	LifelineStale bool // lifeline.json is not up to date
	NearLimit     bool // the database is nearly as large as it may become
}

// Health gives the health of the store to owner, admin, privacy officer and installer,
// and [ErrNotAllowed] to others.
func (r *Reader) Health(ctx context.Context) (HealthView, error) {
	if !r.v.known() || r.v.Role == Staff {
		return HealthView{}, ErrNotAllowed
	}
	if err := ctx.Err(); err != nil {
		return HealthView{}, err
	}
	h := r.s.Health()
	return HealthView{
		Written: h.Written, Lost: h.Lost, Nameless: h.Nameless, Failed: h.Failed, Commits: h.Commits, Unreadable: h.Unreadable,
		BindingsLost: h.BindingsLost, LogInsFailed: h.LogInsFailed, LogInsBusy: h.LogInsBusy, AuditLines: h.AuditLines, AuditEarly: h.AuditEarly,
		Queued: h.Queued, BindingsQueued: h.BindingsQueued, Newest: h.Newest, FileBytes: h.FileBytes, TailCut: h.TailCut,
		FileUsed: h.FileUsed, FileLimit: h.FileLimit, NearLimit: h.NearLimit, Pruned: h.Pruned, SetBack: h.SetBack, KeysLost: h.KeysLost,
		Accounts: len(r.s.accounts.Load().list), Unproven: h.Unproven, TermsLost: h.TermsLost, Down: h.Down != nil, LifelineStale: h.Lifeline != nil,
	}, nil
}
