package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime/debug"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"sotto/storage/durable"
	"sotto/storage/keyring"
)

// The database's file name, its buckets and the keys in the bucket of the format.
const (
	fileName      = "sotto.db"
	formatVersion = 2
)

var (
	bucketFormat   = []byte("format")
	bucketRecords  = []byte("records")
	bucketPlans    = []byte("plans")
	bucketSecrets  = []byte("secrets")
	bucketBindings = []byte("bindings")
	bucketAccounts = []byte("accounts")
	bucketBox      = []byte("box")

	bucketDays      = []byte("days")
	bucketBySubject = []byte("bySubject")
	bucketByLine    = []byte("byLine")
	bucketErased    = []byte("erased")

	bucketJournal  = []byte("journal")
	bucketByFar    = []byte("byFar")
	bucketCounts   = []byte("counts")
	bucketAudit    = []byte("audit")
	bucketSettings = []byte("settings")
	bucketPeople   = []byte("people")
	bucketGrants   = []byte("grants")
	bucketCanary   = []byte("canary")
	bucketProofs   = []byte("proofs")
	bucketLedger   = []byte("ledger")

	keyVersion = []byte("version")
	keyCheck   = []byte("check")
	keyCount   = []byte("count")
)

// buckets are all there are.
var buckets = [][]byte{bucketFormat, bucketRecords, bucketDays, bucketBySubject, bucketByLine, bucketErased, bucketPlans,
	bucketSecrets, bucketBindings, bucketAccounts, bucketBox, bucketJournal, bucketByFar, bucketCounts, bucketAudit, bucketSettings,
	bucketPeople, bucketGrants, bucketCanary, bucketProofs, bucketLedger}

// create makes the database under another name and renames it when it is whole: bbolt
// writes its first pages in place, and a power cut there would leave a file that
// nothing opens.
func (s *Store) create(path string) error {
	tmp := path + durable.Suffix
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	db, err := s.openDB(tmp)
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, name := range buckets {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		f := tx.Bucket(bucketFormat)
		return errors.Join(f.Put(keyVersion, []byte{formatVersion}), f.Put(keyCheck, s.sealCheck(checkFree)),
			s.putCount(tx, 0, &auditRows{}))
	})
	if cerr := db.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		return err
	}
	return durable.SyncDir(s.dir)
}

// The size of the database. The mapping is larger from the start than the file may become,
// because an open read stalls the writer when the map has to grow; it costs address space,
// not memory. Of the mapping so much is kept free that a transaction always has room.
const (
	mapping = 1 << 30
	reserve = 48 << 20
)

// openDB opens a bbolt file, with half the mapping where the address space of a 32-bit
// process has no room for the whole.
//
// The file is synced before anything is read from it. A run that was killed may have written a
// transaction and not synced it; the next one, which bbolt would let build on it, reuses the
// pages of the one before, and a power cut then leaves neither.
func (s *Store) openDB(path string) (db *bbolt.DB, err error) {
	size := mapping
	if db, err = s.openMapped(path, size); errors.Is(err, syscall.ENOMEM) {
		size /= 2
		db, err = s.openMapped(path, size)
	}
	s.limit = int64(size - reserve)
	if err == nil {
		if err = errors.Join(s.file.Sync(), durable.SyncDir(s.dir)); err != nil {
			db.Close()
		}
	}
	var pathErr *fs.PathError
	switch {
	case err == nil:
		return db, nil
	case errors.Is(err, berrors.ErrTimeout):
		return nil, ErrLocked
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return nil, fmt.Errorf("%w (%w)", ErrNotWritable, err)
	case errors.As(err, &pathErr), errors.Is(err, ErrDamaged), errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.ENOMEM):
		return nil, err
	}
	return nil, fmt.Errorf("%w (%w)", ErrDamaged, err)
}

// load checks format and keyring, and reads the newest id, the days, plan, secrets and
// accounts.
func (s *Store) load() error {
	if err := s.db.View(func(tx *bbolt.Tx) error {
		f := tx.Bucket(bucketFormat)
		if f == nil {
			return ErrDamaged
		}
		switch v := f.Get(keyVersion); {
		case len(v) != 1 || v[0] == 0:
			return ErrDamaged
		case v[0] > formatVersion:
			return ErrNewer
		case v[0] < formatVersion:
			return ErrOlder
		}
		for _, name := range buckets {
			if tx.Bucket(name) == nil {
				return ErrDamaged
			}
		}
		check, ok := s.openCheck(f.Get(keyCheck))
		if !ok {
			return ErrStranger
		}
		s.loadRecords(tx)
		s.loadCount(tx)
		if err := s.loadDays(tx.Bucket(bucketDays), s.last); err != nil {
			return err
		}
		if err := s.loadPlan(tx.Bucket(bucketPlans)); err != nil {
			return err
		}
		s.loadSecrets(tx.Bucket(bucketSecrets))
		s.loadPeople(tx.Bucket(bucketPeople))
		s.loadAccounts(tx.Bucket(bucketAccounts), check == checkClaimed)
		s.loadGrants(tx.Bucket(bucketGrants))
		s.loadSettings(tx.Bucket(bucketSettings), tx.Bucket(bucketBox))
		s.loadState(tx.Bucket(bucketSettings))
		return nil
	}); err != nil {
		return err
	}
	return s.measureFirst()
}

// loadRecords reads the newest ids.
func (s *Store) loadRecords(tx *bbolt.Tx) {
	records := tx.Bucket(bucketRecords)
	k, _ := records.Cursor().Last()
	last := max(idOf(k), RecordID(records.Sequence()))
	s.last, s.durable = last, last
	s.lastEntry = RecordID(tx.Bucket(bucketJournal).Sequence())
	s.newestEntry.Store(uint64(s.lastEntry))
}

// The count is how many transactions the database has had, the id of the oldest record
// that it should have, how far the keyring was written, and the number of the newest line of
// the audit trail: 8 bytes each; then that line's link. The keyring keeps a mark of the first, so
// that a database that was put back, or that has lost transactions, shows; and so does a
// keyring by the third, and a trail by the rest.
const countSize = 4*8 + len(link{})

func (s *Store) putCount(tx *bbolt.Tx, n uint64, a *auditRows) error {
	plain := binary.BigEndian.AppendUint64(nil, n)
	plain = binary.BigEndian.AppendUint64(plain, uint64(s.oldestID()))
	plain = binary.BigEndian.AppendUint64(plain, uint64(s.ring.Position()))
	plain = binary.BigEndian.AppendUint64(plain, a.newest)
	plain = append(plain, a.link[:]...)
	return tx.Bucket(bucketFormat).Put(keyCount, s.sealBox(bucketFormat, keyCount, plain))
}

// loadCount reads the count and compares it with the mark.
func (s *Store) loadCount(tx *bbolt.Tx) {
	mark := s.ring.Count()
	plain, err := s.openBox(bucketFormat, keyCount, tx.Bucket(bucketFormat).Get(keyCount))
	if err != nil || len(plain) != countSize {
		s.loadAudit(tx, nil)
		k, _ := tx.Bucket(bucketRecords).Cursor().First()
		s.count = mark
		s.oldest.Store(uint64(max(idOf(k), 1)))
		s.unreadable.Add(1)
		s.doubt = true
		s.log.Error("the count of transactions is damaged; whether some are missing cannot be told")
		return
	}
	s.count = binary.BigEndian.Uint64(plain)
	s.oldest.Store(max(binary.BigEndian.Uint64(plain[8:]), 1))
	s.loadAudit(tx, plain[24:])
	if k, _ := tx.Bucket(bucketRecords).Cursor().Last(); idOf(k) < s.last && s.oldestID() <= s.last {
		s.log.Warn("the newest call records are missing from the database", "missing", uint64(s.last-max(idOf(k), s.oldestID()-1)))
	}
	if s.ring.Found() < keyring.Position(binary.BigEndian.Uint64(plain[16:])) {
		s.keysLost, s.doubt = true, true
		s.owe("older keyring in use")
		s.log.Error("an older copy of the keyring was put back, or its newest keys were lost: what they opened counts as no longer kept")
	}
	if s.count < mark {
		s.setBack, s.doubt = mark-s.count, true
		s.owe("older database in use")
		s.log.Error("an older copy of the database was put back, or its newest transactions were lost: what was stored since is gone",
			"transactions", s.setBack)
		s.count = mark // so that this is told once, and the next time as well
	}
	s.ring.SetCount(s.count)
}

// openMapped opens a bbolt file with so much of it mapped that it cannot become larger.
func (s *Store) openMapped(path string, size int) (db *bbolt.DB, err error) {
	err = guard(func() (err error) {
		db, err = bbolt.Open(path, 0o600, &bbolt.Options{
			Timeout:         500 * time.Millisecond, // only a tool can hold it: the folder is ours
			InitialMmapSize: size,
			MaxSize:         size,
			FreelistType:    bbolt.FreelistMapType,
			OpenFile: func(name string, flag int, mode fs.FileMode) (f *os.File, err error) {
				f, err = os.OpenFile(name, flag, mode)
				s.file = f
				return f, err
			},
		})
		return err
	})
	return db, err
}

// row is one key and value of a bucket.
type row struct{ key, value []byte }

// putNext writes rows of a bucket whose keys only grow, and notes the last as the newest.
func putNext(tx *bbolt.Tx, bucket []byte, rows []row) error {
	if len(rows) == 0 {
		return nil
	}
	b := tx.Bucket(bucket)
	if b == nil {
		return ErrDamaged
	}
	b.FillPercent = 0.9
	for _, r := range rows {
		if err := b.Put(r.key, r.value); err != nil {
			return err
		}
	}
	return b.SetSequence(uint64(idOf(rows[len(rows)-1].key)))
}

// The keyring marks how many transactions there were with all new keys, every markEvery
// transactions, and markAfter after one that was not marked: an older copy of the database
// is told by that.
const (
	markEvery = 64
	markAfter = time.Minute
)

// commit makes the new persons' keys durable, then what write puts into the database, in
// one transaction, under wmu. The lines of the audit trail that are pending are of it; if it
// fails, nothing has happened and they are gone.
func (s *Store) commit(write func(*bbolt.Tx) error) error {
	pending := s.trail.pending
	s.trail.pending = nil
	if s.closed || s.broken {
		return ErrDown
	}
	defer func() { s.putting = nil }()
	lines, err := s.sealLines(append(s.trail.owed[:len(s.trail.owed):len(s.trail.owed)], pending...))
	if err != nil {
		s.failed.Add(1)
		return fmt.Errorf("write audit trail: %w", err)
	}
	keys := s.ring.Commit
	if s.count%markEvery == 0 {
		keys = s.ring.Mark
	}
	if err := keys(); err != nil {
		s.failed.Add(1)
		return err
	}
	oldest := s.oldest.Load()
	days := s.putting
	err = guard(func() error {
		if err := s.db.Update(func(tx *bbolt.Tx) error {
			if err := write(tx); err != nil {
				return err
			}
			if days != nil {
				if err := s.putDays(tx, days); err != nil {
					return err
				}
			}
			if err := s.putLines(tx, &lines); err != nil {
				return err
			}
			return s.putCount(tx, s.count+1, &lines)
		}); err != nil {
			return err
		}
		s.measure()
		return nil
	})
	if err == nil {
		s.count++
		s.ring.SetCount(s.count)
		s.commits.Add(1)
		if days != nil {
			s.tookDays(days)
		}
		s.tookLines(&lines)
		return nil
	}
	s.oldest.Store(oldest)
	s.failed.Add(1)
	if large := errors.Is(err, berrors.ErrMaxSizeReached) || errors.Is(err, syscall.EFBIG); large && s.used.Load() < int64(s.db.MaxSize)/2 {
		err = fmt.Errorf("%w (%w)", ErrDamaged, err) // it is far from full: the list of free pages is wrong
	}
	err = fmt.Errorf("write database: %w", err)
	if errors.Is(err, ErrDamaged) || errors.Is(err, berrors.ErrDatabaseNotOpen) {
		s.broken = true
		s.log.Error("the store is down; calls go on without records", "err", err)
		s.giveUp(fmt.Errorf("%w: %w", ErrDown, err))
	}
	return err
}

// guard runs f on the database. bbolt panics on pages that contradict each other, and a
// wrong length in a page leads outside the mapping; both become ErrDamaged.
func guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w (%v)", ErrDamaged, r)
		}
	}()
	return f()
}
