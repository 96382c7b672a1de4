package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"go.etcd.io/bbolt"

	"sotto/storage/keyring"
)

// A canary is a row without meaning, planted on each of the box's days, with a part under each
// class of the box's chains. What was planted on a day whose term is over must not open, and
// what was planted since must: so it shows when forgetting does not work, or works too well.

const canaryText = "canary"

// dayOfKey gives the day of a key; one that is none of ours is of no day there can be.
func dayOfKey(key []byte) keyring.Day {
	if len(key) != 4 {
		return 1<<32 - 1
	}
	return keyring.Day(binary.BigEndian.Uint32(key))
}

// plantCanary begins a new day if it is time for one, and plants the canary of the newest if
// that has none. It is under wmu.
func (s *Store) plantCanary() error {
	newest := len(s.nextTable(s.last+1)) - 1
	key := dayKey(newest)
	planted := false
	if err := s.view(func(tx *bbolt.Tx) error {
		planted = tx.Bucket(bucketCanary).Get(key) != nil
		return nil
	}); err != nil || planted {
		return err
	}
	var list []part
	for class := keyring.Calls; class <= keyring.Audit; class++ {
		list = append(list, part{class: class, data: []byte(canaryText)})
	}
	value, err := s.sealRow(bucketCanary, key, keyring.Day(newest), list)
	if errors.Is(err, keyring.ErrAged) {
		return nil // the database is older than the keyring; a record, or tomorrow, begins another day
	}
	if err == nil {
		err = s.putState(func(tx *bbolt.Tx, _ []day) error {
			b := tx.Bucket(bucketCanary)
			if err := b.Put(key, value); err != nil {
				return err
			}
			return b.SetSequence(b.Sequence() + 1)
		})
	}
	if err != nil {
		return fmt.Errorf("plant canary: %w", err)
	}
	return nil
}

// dropCanaries removes canaries of which every part is past its term. The sequence number of
// the bucket is how many there are.
func (s *Store) dropCanaries(r *sweepRun) (more bool, err error) {
	first := slices.Min(r.first[keyring.Calls:])
	n, err := s.dropBefore("canaries", first, oldestCanary, func(tx *bbolt.Tx) (int, error) {
		b := tx.Bucket(bucketCanary)
		n, err := dropDays(b, first)
		if err == nil {
			err = b.SetSequence(max(b.Sequence(), uint64(n)) - uint64(n))
		}
		return n, err
	})
	return n > 0, err
}

// canaries tells of each class whether the canaries are as they must be: those before its first
// day are dead, and the oldest and the newest since live. What is since then and was forgotten
// under a shorter term than that of today may be either. One that is missing is wrong for all.
func (s *Store) canaries(tx *bbolt.Tx, r *sweepRun) (right [keyring.Audit + 1]bool) {
	b := tx.Bucket(bucketCanary)
	last, _ := b.Cursor().Last()
	newest, n := dayOfKey(last), uint64(0)
	var wrong, seen [keyring.Audit + 1]bool
	c := b.Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		n++
		day := dayOfKey(k)
		p, err := splitRow(bucketCanary, k, day, v)
		for class := keyring.Calls; class <= keyring.Audit; class++ {
			switch past, lives := day < r.first[class], day >= s.keeper.forgot[class]; {
			case err != nil || len(p.list) != int(keyring.Audit):
				wrong[class] = true
			case past:
				_, err := s.openPart(&p, int(class)-1)
				wrong[class] = wrong[class] || !errors.Is(err, errAged)
			case lives && (!seen[class] || day == newest):
				plain, err := s.openPart(&p, int(class)-1)
				wrong[class] = wrong[class] || err != nil || string(plain) != canaryText
				seen[class] = true
			}
		}
	}
	for class := range right {
		right[class] = !wrong[class] && n == b.Sequence()
	}
	return right
}

// The oldest of each kind.

func oldestDay(b *bbolt.Bucket) (keyring.Day, bool) {
	k, _ := b.Cursor().First()
	return dayOfKey(k), len(k) == 4
}

func oldestCanary(_ *Store, tx *bbolt.Tx) (keyring.Day, bool) {
	return oldestDay(tx.Bucket(bucketCanary))
}

func oldestCounts(_ *Store, tx *bbolt.Tx) (keyring.Day, bool) {
	return oldestDay(tx.Bucket(bucketCounts))
}

func oldestRecord(s *Store, tx *bbolt.Tx) (keyring.Day, bool) {
	k, _ := tx.Bucket(bucketRecords).Cursor().First()
	if k == nil {
		return 0, false
	}
	return s.dayOf(idOf(k))
}

// oldestDigits gives the day of the oldest record whose digits are not forgotten.
func oldestDigits(s *Store, tx *bbolt.Tx) (keyring.Day, bool) {
	day, any := oldestRecord(s, tx)
	chain, some := s.ring.Oldest(keyring.Digits)
	return max(day, chain), any && some
}

// oldestEntry goes from user to user: the entries of each are in the order of their ids.
func oldestEntry(s *Store, tx *bbolt.Tx) (keyring.Day, bool) {
	oldest := RecordID(0)
	c := tx.Bucket(bucketJournal).Cursor()
	for k, _ := c.First(); k != nil; {
		own, id := splitEntryKey(k)
		if id == 0 {
			k, _ = c.Next()
			continue
		}
		if oldest == 0 || id < oldest {
			oldest = id
		}
		k = nextOwner(c, own)
	}
	if oldest == 0 {
		return 0, false
	}
	return s.dayOfEntry(oldest)
}

// oldestLine leaves out the newest line if that has aged: it stays for its link, and opens no
// more.
func oldestLine(s *Store, tx *bbolt.Tx) (_ keyring.Day, any bool) {
	c := tx.Bucket(bucketAudit).Cursor()
	k, v := c.First()
	_, day, _, err := splitLine(v)
	if k == nil || err != nil {
		return 0, false
	}
	any = true
	if next, _ := c.Next(); next == nil {
		key, err := s.ring.DayKey(keyring.Subject{}, keyring.Audit, day)
		clear(key[:])
		any = !errors.Is(err, keyring.ErrAged)
	}
	return day, any
}
