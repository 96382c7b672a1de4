package storage

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"go.etcd.io/bbolt"

	"sotto/pbx/plan"
	"sotto/storage/keyring"
)

// lonelyEvery is how often the keyring is gone through for persons of whom nothing is left;
// a rotation destroys their keys, and comes no more often.
const lonelyEvery = rotateAfter

// lonely takes out of the keyring whoever is known and of whom nothing is kept: outside
// numbers whose last record has aged, accounts that went with their user. Their number would
// else stand there for ever. Users stay for as long as a revision of the plan or a record
// names them. It is under wmu, and follows when rows were removed.
//
// In a run that has found something missing nobody is let go of: who seems to be named
// nowhere may be in the copy that is put back next.
func (s *Store) lonely() error {
	if s.doubt {
		s.keeper.lonely = false
		return nil
	}
	var gone []keyring.Subject
	if err := guard(func() error {
		return s.db.View(func(tx *bbolt.Tx) error {
			gone = s.findLonely(tx)
			return nil
		})
	}); err != nil {
		return fmt.Errorf("look for persons of whom nothing is left: %w", err)
	}
	s.keeper.lonely, s.keeper.looked = false, time.Now()
	if len(gone) == 0 {
		return nil
	}
	s.ring.Drop(gone...)
	s.normals.forget()
	if err := s.ring.Commit(); err != nil {
		return fmt.Errorf("let go of persons of whom nothing is left: %w", err)
	}
	return nil
}

func (s *Store) findLonely(tx *bbolt.Tx) (gone []keyring.Subject) {
	index := tx.Bucket(bucketBySubject)
	if index == nil {
		return nil
	}
	c, messages := index.Cursor(), s.ring.About()
	named := func(subject keyring.Subject) bool { // by a record or an entry of a journal that has not aged, or a message
		newest, ok := seekBefore(c, subject[:], math.MaxUint64)
		if ok {
			day, _ := s.dayOf(newest)
			_, err := s.ring.DayKey(subject, keyring.Calls, day)
			ok = err == nil
		}
		return ok || messages[subject] || s.inJournals(tx, subject)
	}
	for _, subject := range s.ring.Subjects(keyring.Outside) {
		if !named(subject) {
			gone = append(gone, subject)
		}
	}
	accounts := s.accounts.Load()
	for _, subject := range s.ring.Subjects(keyring.Admin) {
		if _, id, ok := s.ring.Name(subject); ok && accounts.byID(AccountID(id)) == nil && tx.Bucket(bucketAccounts).Get(subject[:]) == nil {
			gone = append(gone, subject)
		}
	}
	users := s.plan.Load().users
	for _, subject := range s.ring.Subjects(keyring.User) {
		if _, id, ok := s.ring.Name(subject); ok && users[plan.UserID(id)] == nil && !named(subject) && len(plansOf(tx, subject)) == 0 {
			gone = append(gone, subject)
		}
	}
	return gone
}

// inJournals tells whether somebody has entries of a journal that have not aged, or stands in
// such of others.
func (s *Store) inJournals(tx *bbolt.Tx, subject keyring.Subject) bool {
	journal, index := tx.Bucket(bucketJournal), tx.Bucket(bucketByFar)
	if journal == nil || index == nil {
		return true
	}
	opens := func(c *bbolt.Cursor, prefix []byte) bool {
		newest, ok := seekBefore(c, prefix, math.MaxUint64)
		if !ok {
			return false
		}
		day, _ := s.dayOfEntry(newest)
		key, err := s.ring.DayKey(subject, keyring.Journal, day)
		clear(key[:])
		return err == nil
	}
	if opens(journal.Cursor(), subject[:]) {
		return true
	}
	c := index.Cursor()
	for k, _ := c.Seek(subject[:]); bytes.HasPrefix(k, subject[:]) && len(k) == len(subject)+entryKeyLen; { // one owner after the other
		prefix := bytes.Clone(k[:2*len(subject)])
		if opens(c, prefix) {
			return true
		}
		k, _ = c.Seek(binary.BigEndian.AppendUint64(prefix, math.MaxUint64))
	}
	return false
}
