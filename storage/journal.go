package storage

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"sort"

	"go.etcd.io/bbolt"

	"sotto/pbx"
	"sotto/pbx/plan"
	"sotto/storage/keyring"
)

// A journal is a user's own list of calls: made and received, and those that rang and nobody
// answered. Its entries are rows of their own, sealed for the user, so that they have a term of
// their own, go with the user, and are there whether or not the office keeps a call record.
// What is about the other end is sealed for whoever that is.
//
//	journal  owner(16) id(8)           → row in parts: the owner's, then the other end's
//	byFar    far(16) owner(16) id(8)   → nothing
//
// Entries are written in the transaction of the record, and hold nothing of the call that the
// record would not hold. Ids are one count for all users, in the order of writing.

// entryJSON is the owner's part of an entry. Times are in milliseconds.
type entryJSON struct {
	Began     int64       `json:"b"` // since 1970
	Rang      int64       `json:"r,omitempty"`
	Talked    int64       `json:"t,omitempty"`
	Outcome   pbx.Outcome `json:"o"`
	Cause     pbx.Cause   `json:"c"`
	Held      bit         `json:"h,omitempty"`
	Emergency bit         `json:"e,omitempty"`
	In        bit         `json:"i,omitempty"` // the call came to the owner
	Line      string      `json:"l,omitempty"` // the other end's
	Outside   bit         `json:"x,omitempty"` // it was to go out and got no line
	Private   bit         `json:"p,omitempty"` // a party was not to be kept
	Code      string      `json:"a,omitempty"` // accounting code that the owner dialled, by its name
}

// call gives the entry as the box's part of a record that says the same; the other end is
// part 1, if there is one.
func (e *entryJSON) call(other bool) callJSON {
	c := callJSON{Began: e.Began, Rang: e.Rang, Talked: e.Talked, Outcome: e.Outcome, Cause: e.Cause, Held: e.Held,
		Emergency: e.Emergency, Outside: e.Outside, Private: e.Private, Code: e.Code}
	line, at := &c.ToLine, &c.To
	if e.In != 0 {
		line, at = &c.FromLine, &c.From
	}
	if *line = e.Line; other {
		*at = 1
	}
	return c
}

// holder is one of those in whose journal a call stands.
type holder struct {
	user plan.UserID
	in   bool // the call came to the user
}

// holdersOf gives in whose journals a call stands, each once.
func (s *Store) holdersOf(r *pbx.Record) (list []holder) {
	add := func(user plan.UserID, in bool) {
		if user != "" && s.JournalOn(user) && !slices.ContainsFunc(list, func(o holder) bool { return o.user == user }) {
			list = append(list, holder{user, in})
		}
	}
	add(r.From.User, false)
	add(r.To.User, true)
	for _, user := range r.Missed[:min(len(r.Missed), plan.MaxUsers)] {
		add(user, true)
	}
	return list
}

// entryRow is the row of an entry.
type entryRow struct {
	row
	far   keyring.Subject
	named bool // far is somebody
}

// sealEntries makes the entries of a call, whose ends are from and to, with ids from id on. The
// error wraps [keyring.ErrAged] if a chain has gone past the day.
func (s *Store) sealEntries(id RecordID, day keyring.Day, r *pbx.Record, from, to *side) (rows []entryRow, err error) {
	for _, o := range s.holdersOf(r) {
		own, ok := s.ring.Lookup(keyring.User, string(o.user))
		if !ok {
			continue // cannot be: users of the plan have a key
		}
		far, line := to, r.To.Line
		if o.in {
			far, line = from, r.From.Line
		}
		e := entryJSON{
			Began: r.Began.UnixMilli(), Rang: r.Rang.Milliseconds(), Talked: r.Talked.Milliseconds(), Outcome: r.Outcome, Cause: r.Cause,
			Held: bitOf(r.Held), Emergency: bitOf(r.Emergency), In: bitOf(o.in), Line: line, Outside: bitOf(noLine(r)),
			Private: bitOf(r.Private),
		}
		if !o.in { // who is called need not learn for which client
			e.Code = r.Code
		}
		data, err := json.Marshal(&e)
		if err != nil {
			return nil, fmt.Errorf("encode entry of a journal: %w", err)
		}
		out := entryRow{row: row{key: indexKey(own[:], id)}, far: far.subject, named: far.known}
		out.value, err = s.sealRow(bucketJournal, out.key, day, append([]part{{keyring.Journal, own, data}}, far.parts(keyring.Journal)...))
		clear(data)
		if err == nil && len(out.value) > maxRecord {
			err = errTooLong
		}
		if err != nil {
			return nil, err
		}
		rows = append(rows, out)
		id++
	}
	return rows, nil
}

// putEntries writes entries and their index, and notes the last id as the newest.
func putEntries(tx *bbolt.Tx, rows []entryRow) error {
	if len(rows) == 0 {
		return nil
	}
	journal, index := tx.Bucket(bucketJournal), tx.Bucket(bucketByFar)
	if journal == nil || index == nil {
		return ErrDamaged
	}
	journal.FillPercent = 0.95 // all keys come at the end of a user's, and few share a page with another's
	index.FillPercent = 0.6    // keys come anywhere
	var last RecordID
	for i := range rows {
		r := &rows[i]
		if err := journal.Put(r.key, r.value); err != nil {
			return err
		}
		if r.named {
			if err := index.Put(farKey(r.far, r.key), nil); err != nil {
				return err
			}
		}
		_, last = splitEntryKey(r.key)
	}
	return journal.SetSequence(uint64(last))
}

// farKey is the key of an entry in the index by its other end.
func farKey(far keyring.Subject, key []byte) []byte { return append(far[:], key...) }

const entryKeyLen = 16 + 8

// splitEntryKey is owner and id of the key of an entry; the id is 0 if it is none of ours.
func splitEntryKey(key []byte) (own keyring.Subject, id RecordID) {
	if len(key) != entryKeyLen {
		return own, 0
	}
	return keyring.Subject(key), RecordID(binary.BigEndian.Uint64(key[16:]))
}

// splitEntry takes the row of an entry apart; errRow if its day is not known.
func (s *Store) splitEntry(r row) (parts, error) {
	own, id := splitEntryKey(r.key)
	day, ok := s.dayOfEntry(id)
	if !ok || id == 0 || len(r.value) > maxRecord {
		return parts{}, errRow
	}
	p, err := splitRowOf(own, bucketJournal, r.key, day, r.value)
	if err == nil && p.list[0].class != keyring.Journal {
		err = errRow // of another class it would count as aged
	}
	return p, err
}

// dropEntry removes an entry and what the index has of it.
func dropEntry(journal, index *bbolt.Bucket, key []byte) error {
	if r, err := splitParts(bucketJournal, key, 0, journal.Get(key)); err == nil && len(r.list) > 1 {
		if err := index.Delete(farKey(r.list[1].subject, key)); err != nil {
			return err
		}
	} // of a damaged one the index leads to nothing
	return journal.Delete(key)
}

// dropEntriesOf removes the oldest entries of a user's journal, at most n, and tells how many
// there were.
func dropEntriesOf(tx *bbolt.Tx, own keyring.Subject, n int) (dropped int, err error) {
	return dropEntries(tx, own[:], n, func(RecordID) bool { return true })
}

// dropAgedJournal removes at most 500 entries of journals that were written on the box's days
// before a day, and what the index has of them; it tells how many. It is for a transaction of
// [Store.commit].
func (s *Store) dropAgedJournal(tx *bbolt.Tx, before keyring.Day) (n int, err error) {
	first := s.firstEntry(before)
	return dropEntries(tx, nil, maxDrop, func(id RecordID) bool { return id < first })
}

// dropEntries removes at most n entries whose owner begins with prefix and whose id is old,
// the oldest of each owner first.
func dropEntries(tx *bbolt.Tx, prefix []byte, n int, old func(RecordID) bool) (dropped int, err error) {
	journal, index := tx.Bucket(bucketJournal), tx.Bucket(bucketByFar)
	if journal == nil || index == nil {
		return 0, ErrDamaged
	}
	var keys [][]byte
	c := journal.Cursor()
	for k, _ := c.Seek(prefix); k != nil && slices.Equal(k[:min(len(prefix), len(k))], prefix) && len(keys) < n; {
		own, id := splitEntryKey(k)
		if id != 0 && !old(id) {
			if k = nextOwner(c, own); k == nil {
				break
			}
			continue
		}
		keys = append(keys, slices.Clone(k)) // or none of ours
		k, _ = c.Next()
	}
	for _, k := range keys {
		if err := dropEntry(journal, index, k); err != nil {
			return 0, err
		}
	}
	return len(keys), nil
}

// nextOwner moves on to the first entry of the next owner; nil if there is none.
func nextOwner(c *bbolt.Cursor, own keyring.Subject) []byte {
	return seekOn(c, binary.BigEndian.AppendUint64(own[:], 1<<64-1))
}

// firstEntry gives the id of the first entry of a day or later.
func (s *Store) firstEntry(day keyring.Day) RecordID {
	if t := s.table(); int(day) < len(t) {
		return t[day].entry
	}
	return RecordID(s.newestEntry.Load()) + 1
}

// dayOfEntry gives the day of an entry; false if that is not known.
func (s *Store) dayOfEntry(id RecordID) (keyring.Day, bool) {
	t := s.table()
	i := sort.Search(len(t), func(i int) bool { return t[i].entry > id })
	return keyring.Day(max(i-1, 0)), i > 0
}

// entriesOf tells how many entries of journals are somebody's own or have that person for the
// other end, by the index.
func entriesOf(tx *bbolt.Tx, subject keyring.Subject) (n int) {
	for _, bucket := range [][]byte{bucketJournal, bucketByFar} {
		b := tx.Bucket(bucket)
		if b == nil {
			continue
		}
		c := b.Cursor()
		for k, _ := c.Seek(subject[:]); bytes.HasPrefix(k, subject[:]); k, _ = c.Next() {
			n++
		}
	}
	return n
}

// oldestEntryID gives the id of the oldest entry of all journals, 0 if there is none. It goes
// from user to user: the entries of each are in the order of their ids.
func oldestEntryID(tx *bbolt.Tx) (oldest RecordID) {
	b := tx.Bucket(bucketJournal)
	if b == nil {
		return 0
	}
	c := b.Cursor()
	for k, _ := c.First(); k != nil; {
		own, id := splitEntryKey(k)
		if id == 0 { // none of ours
			k, _ = c.Next()
			continue
		}
		if oldest == 0 || id < oldest {
			oldest = id
		}
		k = nextOwner(c, own)
	}
	return oldest
}
