// Package storage keeps what the box must remember: the plan, the record of each call, the
// journals of users, what SIP telephones log in with and where they registered, who may log in to the
// page, and who looked at what. It knows whose each field is. Fields about a person are sealed under that
// person's key, all else under the box's own; so destroying one key erases one person,
// and a stolen disk without the root shows nothing. Call records are sealed under keys of
// their day, so that days can be forgotten; indexes lead to those of a person or a line.
//
//	pbx ──Append───────► queue ──► writer ──► keyring (new persons' keys, synced)
//	SIP ──SaveBindings─► (bounded)   │
//	                                 └──────► sotto.db (all that is due, one transaction, synced)
//	                                             │
//	ui ◄── views ◄── masks, audit ◄── As(viewer) ◄──── what is durable, and the live
//	                                                   state of the switch, nothing else
//
// [Store.Append] and [Store.SaveBindings] never block and never fail: a store that is
// full, slow or broken costs records or registrations, which are counted and shown, and
// never a call. [Store.As] is the only way to read about persons; each look and each change
// has its line in the audit trail, or is not answered. What a viewer may see and do, and how
// long each kind is kept, package policy says and the office sets ([Store.SetSettings]); once a
// day [Store.Run] forgets what is past its term and writes a proof. What leaves the box
// ([Reader.Export], [Reader.Access]) is in a ledger. [Store.CurrentPlan] is
// for the switch and for who changes it, [Store.Secret] and [Store.Bindings] for what serves its SIP
// telephones.
//
// With the root locked or the database broken [Open] gives an error, and the box runs
// from [ReadLifeline], which needs neither.
//
// The writer is one goroutine, the one that calls [Store.Run]. The package never logs
// a name or a digit of a number, never writes one unsealed (extensions in
// lifeline.json excepted), and knows nothing of pages or telephones. FORMAT.md
// describes every byte on disk and says what is promised and what is not.
package storage

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"go.etcd.io/bbolt"

	"sotto/storage/durable"
	"sotto/storage/keyring"
	"sotto/storage/password"
	"sotto/storage/policy"
)

var (
	// ErrLocked says that another run holds the data folder.
	ErrLocked = errors.New("another Sotto runs on this data folder: stop it first")

	// ErrNotWritable says that files cannot be made in the data folder.
	ErrNotWritable = errors.New("the data folder cannot be written: check that it is there, that it belongs to this user and that its medium is not read-only")

	// ErrDamaged says that the database cannot be read.
	ErrDamaged = errors.New("the database is damaged: restore a backup")

	// ErrNewer says that the database was written by a newer version.
	ErrNewer = errors.New("the database was written by a newer version of Sotto: install that version again")

	// ErrOlder says that the database was written by a version whose format is not read any
	// more.
	ErrOlder = errors.New("the database was made by a version before the first release: wipe the box")

	// ErrStranger says that the database does not belong to the keyring beside it.
	ErrStranger = errors.New("the database and the keyring do not belong together: put back both from one backup")

	// ErrDown says that the store has stopped writing.
	ErrDown = errors.New("the store is down")
)

// Store is the open data folder. Its methods may be called by several goroutines.
type Store struct {
	dir  string
	log  *slog.Logger
	lock *os.File // the folder, locked
	file *os.File // the database's, to let go of it when bbolt cannot
	db   *bbolt.DB
	ring *keyring.Ring

	trail trail // see audit.go

	queue  // filled by Append
	wmu    sync.Mutex
	writer // under wmu

	keeper keeper // see housekeep.go

	grants   grants // see grantrow.go
	plan     atomic.Pointer[planAt]
	settings atomic.Pointer[policy.Settings] // nil: none were saved
	normals  normals
	days     atomic.Pointer[[]day]
	oldest   atomic.Uint64 // id of the oldest record that there should be
	accounts atomic.Pointer[accounts]

	gate   gate
	cost   password.Cost // of new passwords
	nobody password.Hash // of nobody's password, for names that nobody has

	clock   func() time.Time // for the date
	limit   int64            // of what is in use of the database
	used    atomic.Int64
	setBack uint64 // transactions that the database lacked at Open

	keysLost bool // the keyring lacked what the database relies on at Open
	doubt    bool // something of the database or the keyring was missing or damaged at Open

	written, pruned, aged, lost, nameless, failed, unreadable, commits, bindingsLost, logInsFailed, logInsBusy atomic.Uint64

	auditLines, auditEarly atomic.Uint64 // lines that are kept, and that were removed before their term

	lifelineErr atomic.Pointer[error]
}

// Open opens the data folder dir, and makes it and what belongs in it on first use. It
// starts nothing. An error wraps one of the errors of this package or of package
// keyring, and says what to do; nothing is left open or locked then.
func Open(dir string, root keyring.Root, log *slog.Logger) (*Store, error) {
	s := &Store{dir: dir, log: log, cost: password.Default, clock: time.Now}
	s.oldest.Store(1)
	s.queue.init()
	s.writer.init()
	s.gate.init()
	s.nobody = password.Nobody(s.cost)
	if err := s.open(root); err != nil {
		s.release()
		return nil, fmt.Errorf("open data folder %s: %w", dir, err)
	}
	return s, nil
}

func (s *Store) open(root keyring.Root) error {
	if err := s.lockFolder(); err != nil {
		return err
	}
	path := filepath.Join(s.dir, fileName)
	_, err := os.Stat(path)
	first := errors.Is(err, fs.ErrNotExist)
	if err != nil && !first {
		return err
	}
	if s.ring, err = keyring.Open(s.dir, root, !first); err != nil {
		return err
	}
	if n := s.ring.TailCut(); n > 0 {
		s.log.Warn("cut the torn end of the keyring, as a power cut leaves it", "bytes", n)
	}
	if first {
		if err := s.create(path); err != nil {
			return fmt.Errorf("make database: %w", err)
		}
	}
	if s.db, err = s.openDB(path); err != nil {
		return err
	}
	if err := guard(s.load); err != nil {
		return err
	}
	s.saveLifeline(s.plan.Load())
	return s.resume()
}

// lockFolder makes the folder, takes the lock on it and makes sure that it can be
// written. The lock is on the folder itself: it guards the keyring too, and goes with
// the process.
func (s *Store) lockFolder() error {
	if err := durable.MakeDir(s.dir); err != nil {
		return fmt.Errorf("%w (%w)", ErrNotWritable, err)
	}
	d, err := os.Open(s.dir)
	if err != nil {
		return fmt.Errorf("%w (%w)", ErrNotWritable, err)
	}
	s.lock = d
	if err := syscall.Flock(int(d.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err == syscall.EWOULDBLOCK {
		return ErrLocked
	} else if err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	probe := filepath.Join(s.dir, "probe"+durable.Suffix)
	f, err := os.OpenFile(probe, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("%w (%w)", ErrNotWritable, err)
	}
	f.Close()
	return os.Remove(probe)
}

// Close writes what is still queued, once, and lets go of the folder. Run must have
// returned. A second Close does nothing.
func (s *Store) Close() error {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	if s.closed {
		return nil
	}
	err := s.writeLast()
	if err == nil && !s.broken {
		_, err = s.settleAudit(true)
	}
	if err == nil && !s.broken {
		err = s.ring.Mark()
	}
	s.closed = true
	s.giveUp(ErrDown)
	if rerr := s.release(); err == nil {
		err = rerr
	}
	if err != nil {
		return fmt.Errorf("close data folder %s: %w", s.dir, err)
	}
	return nil
}

// release closes all that is open, in the reverse order of open.
func (s *Store) release() (err error) {
	switch {
	case s.db != nil && !s.broken:
		err = s.db.Close()
	case s.file != nil:
		// A broken bbolt may hold its own lock for ever. Its mapping stays until the
		// process ends, and would keep the file locked with it.
		syscall.Flock(int(s.file.Fd()), syscall.LOCK_UN)
		s.file.Close()
	}
	if s.ring != nil {
		err = errors.Join(err, s.ring.Close())
	}
	if s.lock != nil {
		err = errors.Join(err, s.lock.Close())
	}
	return err
}
