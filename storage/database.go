package storage

import (
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
)

// The database's file name, its buckets and the keys in the bucket of the format.
const (
	fileName      = "sotto.db"
	formatVersion = 1
)

var (
	bucketFormat   = []byte("format")
	bucketRecords  = []byte("records")
	bucketPlans    = []byte("plans")
	bucketSecrets  = []byte("secrets")
	bucketBindings = []byte("bindings")
	bucketAccounts = []byte("accounts")
	bucketBox      = []byte("box")
	keyVersion     = []byte("version")
	keyCheck       = []byte("check")
)

// ages are the buckets by when they came to be. A database of an earlier age has none of
// those of a later one.
var ages = [][][]byte{
	{bucketFormat, bucketRecords, bucketPlans},
	{bucketSecrets, bucketBindings},
	{bucketAccounts, bucketBox},
}

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
		if err := addBuckets(tx, 0); err != nil {
			return err
		}
		f := tx.Bucket(bucketFormat)
		if err := f.Put(keyVersion, []byte{formatVersion}); err != nil {
			return err
		}
		return f.Put(keyCheck, s.sealCheck(checkFree))
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

// openDB opens a bbolt file. The mapping is large from the start, because an open read
// stalls the writer when the map has to grow; it costs address space, not memory.
func (s *Store) openDB(path string) (db *bbolt.DB, err error) {
	mapping := 1 << 30
	if ^uint(0)>>32 == 0 {
		mapping = 512 << 20 // of the 2 or 3 GiB of a 32-bit process
	}
	err = guard(func() (err error) {
		db, err = bbolt.Open(path, 0o600, &bbolt.Options{
			Timeout:         500 * time.Millisecond, // only a tool can hold it: the folder is ours
			InitialMmapSize: mapping,
			FreelistType:    bbolt.FreelistMapType,
			OpenFile: func(name string, flag int, mode fs.FileMode) (f *os.File, err error) {
				f, err = os.OpenFile(name, flag, mode)
				s.file = f
				return f, err
			},
		})
		return err
	})
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

// addBuckets makes the buckets of all ages from the one on that is given.
func addBuckets(tx *bbolt.Tx, from int) error {
	for _, names := range ages[from:] {
		for _, name := range names {
			if _, err := tx.CreateBucket(name); err != nil {
				return fmt.Errorf("%w (%w)", ErrDamaged, err) // something else has its name
			}
		}
	}
	return nil
}

// ageOf tells how many ages a database has: each whole, and none after one that it lacks.
func ageOf(tx *bbolt.Tx) (int, error) {
	age := 0
	for i, names := range ages {
		n := 0
		for _, name := range names {
			if tx.Bucket(name) != nil {
				n++
			}
		}
		switch {
		case n == 0:
		case n < len(names), i > age:
			return 0, ErrDamaged
		default:
			age = i + 1
		}
	}
	if age == 0 {
		return 0, ErrDamaged
	}
	return age, nil
}

// load checks format and keyring, and reads the newest id, plan, secrets and accounts.
func (s *Store) load() error {
	var age int
	if err := s.db.View(func(tx *bbolt.Tx) (err error) {
		if age, err = ageOf(tx); err != nil {
			return err
		}
		f := tx.Bucket(bucketFormat)
		v := f.Get(keyVersion)
		if len(v) != 1 || v[0] == 0 {
			return ErrDamaged
		}
		if v[0] > formatVersion {
			return ErrNewer
		}
		check, ok := s.openCheck(f.Get(keyCheck))
		if !ok {
			return ErrStranger
		}
		claimed := check == checkClaimed
		if claimed && tx.Bucket(bucketAccounts) == nil {
			return ErrDamaged
		}
		records := tx.Bucket(bucketRecords)
		k, _ := records.Cursor().Last()
		last := max(idOf(k), RecordID(records.Sequence()))
		if last != idOf(k) {
			s.log.Warn("the newest call records are missing from the database", "missing", uint64(last-idOf(k)))
		}
		s.last, s.durable = last, last
		if err := s.loadPlan(tx.Bucket(bucketPlans)); err != nil {
			return err
		}
		if b := tx.Bucket(bucketSecrets); b != nil {
			s.loadSecrets(b)
		}
		s.loadAccounts(tx.Bucket(bucketAccounts), claimed)
		return nil
	}); err != nil {
		return err
	}
	if age == len(ages) {
		return nil
	}
	return s.db.Update(func(tx *bbolt.Tx) error { return addBuckets(tx, age) })
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

// commit makes the new persons' keys durable, then what write puts into the database, in
// one transaction, under wmu.
func (s *Store) commit(write func(*bbolt.Tx) error) error {
	if s.closed || s.broken {
		return ErrDown
	}
	if err := s.ring.Commit(); err != nil {
		s.failed.Add(1)
		return err
	}
	err := guard(func() error { return s.db.Update(write) })
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
