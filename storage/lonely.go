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

// lonelyPiece is how many persons are looked for at a time, while records wait.
const lonelyPiece = 500

// lonely takes out of the keyring whoever is known and of whom nothing is kept: outside
// numbers whose last record has aged, accounts that went with their user. Their number would
// else stand there for ever. Users stay for as long as a revision of the plan or a record
// names them. It is under wmu, and follows when rows were removed.
//
// It goes through some of the keyring, and leaves in toLook who is to be looked for next.
//
// In a run that has found something missing nobody is let go of: who seems to be named
// nowhere may be in the copy that is put back next.
func (s *Store) lonely() error {
	k := &s.keeper
	if s.doubt {
		k.lonely, k.toLook = false, nil
		return nil
	}
	if len(k.toLook) == 0 {
		k.lonely = false // what is removed from now on is for the next time
		for _, kind := range []keyring.Kind{keyring.Outside, keyring.Admin, keyring.User} {
			k.toLook = append(k.toLook, s.ring.Subjects(kind)...)
		}
	}
	some := k.toLook[:min(lonelyPiece, len(k.toLook))]
	var gone, faded []keyring.Subject
	if err := guard(func() error {
		return s.db.View(func(tx *bbolt.Tx) error {
			gone, faded = s.findLonely(tx, some)
			return nil
		})
	}); err != nil {
		return fmt.Errorf("look for persons of whom nothing is left: %w", err)
	}
	if k.toLook = k.toLook[len(some):]; len(k.toLook) == 0 {
		k.toLook, k.looked = nil, time.Now()
	}
	if len(gone)+len(faded) == 0 {
		return nil
	}
	s.ring.Drop(gone...)
	for _, subject := range faded {
		s.ring.Rename(subject, fadedMark+subject.String())
	}
	s.normals.forget()
	if err := s.ring.Commit(); err != nil {
		return fmt.Errorf("let go of persons of whom nothing is left: %w", err)
	}
	return nil
}

// fadedMark begins what an outside number is known by once its last digits have gone: it is no
// number then, nobody finds it, and a later call from it is somebody new.
const fadedMark = "~"

// findLonely gives those of some subjects of whom nothing is kept, and the outside numbers of
// which no record and no journal has the last digits any more: these are gone for good, so the
// keyring may not know them either.
func (s *Store) findLonely(tx *bbolt.Tx, some []keyring.Subject) (gone, faded []keyring.Subject) {
	index := tx.Bucket(bucketBySubject)
	if index == nil {
		return nil, nil
	}
	c, messages := index.Cursor(), s.ring.About()
	inRecords := func(subject keyring.Subject, class keyring.Class) bool { // that have not aged
		newest, ok := seekBefore(c, subject[:], math.MaxUint64)
		if ok {
			day, _ := s.dayOf(newest)
			ok = s.ring.Opens(subject, class, day)
		}
		return ok
	}
	named := func(subject keyring.Subject) bool {
		return inRecords(subject, keyring.Calls) || messages[subject] || s.inJournals(tx, subject, keyring.Journal)
	}
	accounts, users := s.accounts.Load(), s.plan.Load().users
	for _, subject := range some {
		kind, id, ok := s.ring.Name(subject)
		switch {
		case !ok: // erased in the meantime
			continue
		case kind == keyring.Outside:
			ok = !named(subject)
			if !ok && id[:1] != fadedMark && !messages[subject] && !inRecords(subject, keyring.Digits) && !s.inJournals(tx, subject, keyring.Digits) {
				faded = append(faded, subject)
			}
		case kind == keyring.Admin:
			ok = accounts.byID(AccountID(id)) == nil && tx.Bucket(bucketAccounts).Get(subject[:]) == nil
		case kind == keyring.User:
			ok = users[plan.UserID(id)] == nil && !named(subject) && len(plansOf(tx, subject)) == 0
		default:
			continue
		}
		if ok {
			gone = append(gone, subject)
		}
	}
	return gone, faded
}

// inJournals tells whether somebody has entries of a journal whose keys of a class have not
// aged, or stands in such of others.
func (s *Store) inJournals(tx *bbolt.Tx, subject keyring.Subject, class keyring.Class) bool {
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
		return s.ring.Opens(subject, class, day)
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
		next := binary.BigEndian.AppendUint64(prefix, math.MaxUint64)
		if k, _ = c.Seek(next); k != nil && bytes.Compare(k, next) < 0 {
			return true // damaged: nobody is let go of by that
		}
	}
	return false
}
