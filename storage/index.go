package storage

import (
	"bytes"
	"encoding/binary"

	"go.etcd.io/bbolt"

	"sotto/storage/keyring"
)

// An index leads to the records of one person or line: a key for each, of the person's
// subject or the line's tag and the record's id, with no value. It proves nothing: what
// is shown is what the record says.

// lineTag is what an exchange line or trunk is known by in the index: nothing that tells
// its name without the box's key.
func (s *Store) lineTag(name string) [8]byte {
	k := s.ring.Box()
	defer clear(k[:])
	return k.Tag("sotto line 1" + name)
}

// indexKey is the key of a record in an index.
func indexKey(prefix []byte, id RecordID) []byte {
	return binary.BigEndian.AppendUint64(bytes.Clone(prefix), uint64(id))
}

// putIndex writes the keys of a record into both indexes.
func (s *Store) putIndex(tx *bbolt.Tx, rows []recordRow) error {
	if len(rows) == 0 {
		return nil
	}
	persons, lines := tx.Bucket(bucketBySubject), tx.Bucket(bucketByLine)
	if persons == nil || lines == nil {
		return ErrDamaged
	}
	persons.FillPercent, lines.FillPercent = 0.75, 0.75 // most keys come at the end of a prefix
	for i := range rows {
		r := &rows[i]
		id := idOf(r.key)
		for _, subject := range r.subjects {
			if err := persons.Put(indexKey(subject[:], id), nil); err != nil {
				return err
			}
		}
		for _, line := range r.lines {
			tag := s.lineTag(line)
			if err := lines.Put(indexKey(tag[:], id), nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// idsOf gives the ids of at most n records that name the subject, newest first, all older
// than before (0: from the newest). They are of the index, so a record may have gone in
// the meantime.
func (s *Store) idsOf(subject keyring.Subject, before RecordID, n int) (ids []RecordID, err error) {
	err = guard(func() error {
		return s.db.View(func(tx *bbolt.Tx) error {
			b := tx.Bucket(bucketBySubject)
			if b == nil {
				return ErrDamaged
			}
			c := b.Cursor()
			for len(ids) < n {
				id, ok := seekBefore(c, subject[:], before)
				if !ok {
					return nil
				}
				ids, before = append(ids, id), id
			}
			return nil
		})
	})
	return ids, err
}

// seekBefore gives the newest record of a prefix that is older than before; 0 means the
// newest of all.
func seekBefore(c *bbolt.Cursor, prefix []byte, before RecordID) (RecordID, bool) {
	var room [16 + 8]byte
	most := binary.BigEndian.AppendUint64(append(room[:0], prefix...), uint64(before-1)) // 0 becomes the highest there is
	k, _ := c.Seek(most)
	if k == nil {
		k, _ = c.Last()
	}
	if k != nil && bytes.Compare(k, most) > 0 {
		k, _ = c.Prev()
	}
	if len(k) != len(most) || !bytes.HasPrefix(k, prefix) || bytes.Compare(k, most) > 0 {
		return 0, false
	}
	return idOf(k[len(prefix):]), true
}

// What goes through a bucket in pieces must come to an end also if damaged keys of branch pages
// lead it back.

// seekOn moves a cursor to a key or the next one; nil if there is none, or one before it was found.
func seekOn(c *bbolt.Cursor, key []byte) []byte {
	k, _ := c.Seek(key)
	if bytes.Compare(k, key) < 0 {
		return nil
	}
	return k
}

// further gives where to go on after a piece that began at from; 0, the end, if that leads back.
func further(from, next uint64) uint64 {
	if next <= from {
		return 0
	}
	return next
}

// path is one way to records: those of a prefix in an index.
type path struct{ bucket, prefix []byte }

// maxSteps bounds what one read transaction looks for in indexes.
const maxSteps = 8 * chunk

// rowsBefore copies at most n rows from lo to before out of the database, newest first, so
// that they are opened with no transaction held: those that all paths lead to, or all if
// there is none. What an index leads to and is not there has no value. next is how far down
// it looked: lo if there are no more.
func (s *Store) rowsBefore(paths []path, before, lo RecordID, n int) (rows []row, next RecordID, err error) {
	err = guard(func() error {
		return s.db.View(func(tx *bbolt.Tx) error {
			b := tx.Bucket(bucketRecords)
			if b == nil {
				return ErrDamaged
			}
			if len(paths) == 0 {
				rows, next = allBefore(b, before, lo, n)
				return nil
			}
			cursors := make([]*bbolt.Cursor, len(paths))
			for i, p := range paths {
				index := tx.Bucket(p.bucket)
				if index == nil {
					return ErrDamaged
				}
				cursors[i] = index.Cursor()
			}
			next = before
			for steps := 0; len(rows) < n && next > lo && steps < maxSteps; {
				id, found := meet(paths, cursors, next, lo, &steps)
				if next = id; !found {
					continue
				}
				v := b.Get(keyOf(uint64(id)))
				if v == nil && id < s.oldestID() {
					continue
				}
				if len(v) > maxRecord {
					v = nil
				}
				rows = append(rows, row{keyOf(uint64(id)), bytes.Clone(v)})
			}
			return nil
		})
	})
	return rows, next, err
}

// meet gives the newest id older than before that all paths lead to. If there is none down
// to lo, or so many steps were taken, it is not found, and the id is how far down it looked.
func meet(paths []path, cursors []*bbolt.Cursor, before, lo RecordID, steps *int) (id RecordID, found bool) {
	id = before - 1
	for i, agreed := 0, 0; agreed < len(paths); i = (i + 1) % len(paths) {
		if *steps++; *steps > maxSteps {
			return id + 1, false
		}
		got, ok := seekBefore(cursors[i], paths[i].prefix, id+1)
		switch {
		case !ok || got < lo:
			return lo, false
		case got == id:
			agreed++
		default:
			id, agreed = got, 1
		}
	}
	return id, true
}

// allBefore is rowsBefore without a path.
func allBefore(b *bbolt.Bucket, before, lo RecordID, n int) (rows []row, next RecordID) {
	c := b.Cursor()
	k, v := c.Seek(keyOf(uint64(before)))
	if k == nil {
		k, v = c.Last()
	}
	for next = before; k != nil; k, v = c.Prev() {
		id := idOf(k)
		if id != 0 && id < lo {
			break
		}
		if id == 0 || id >= next || len(v) > maxRecord {
			continue // not older, or damaged: then its id is missed and counted
		}
		next = id
		if rows = append(rows, row{bytes.Clone(k), bytes.Clone(v)}); len(rows) == n {
			return rows, next
		}
	}
	return rows, lo
}

// maxDrop bounds the records that one transaction removes.
const maxDrop = 500

// dropRecords removes the oldest records up to upTo, at most 500 of them, with what the
// indexes have of them, and tells how many. It is for a transaction of [Store.commit], and
// stands only if that does.
func (s *Store) dropRecords(tx *bbolt.Tx, upTo RecordID) (n int, err error) {
	b, persons, lines := tx.Bucket(bucketRecords), tx.Bucket(bucketBySubject), tx.Bucket(bucketByLine)
	if b == nil || persons == nil || lines == nil {
		return 0, ErrDamaged
	}
	var keys, gone [][]byte
	c := b.Cursor()
	for k, v := c.First(); k != nil && idOf(k) <= upTo && len(keys) < maxDrop; k, v = c.Next() {
		keys = append(keys, k)
		r, err := splitRow(bucketRecords, k, 0, v)
		if err != nil {
			continue // damaged: what the index has of it leads to nothing
		}
		for i := 1; i < len(r.list); i++ {
			if i == 1 || r.list[i].subject != r.list[i-1].subject {
				gone = append(gone, indexKey(r.list[i].subject[:], idOf(k)))
			}
		}
	}
	if len(keys) == 0 {
		return 0, nil
	}
	last := idOf(keys[len(keys)-1])
	for _, k := range gone {
		if err := persons.Delete(k); err != nil {
			return 0, err
		}
	}
	for _, k := range linesUpTo(lines, last) {
		if err := lines.Delete(k); err != nil {
			return 0, err
		}
	}
	for _, k := range keys {
		if err := b.Delete(k); err != nil {
			return 0, err
		}
	}
	s.oldest.Store(uint64(last) + 1)
	return len(keys), nil
}

// linesUpTo gives the keys of records up to an id from the index of lines, at most some
// thousand. A row does not tell its lines once its key has gone, so every line is looked at:
// they are few.
func linesUpTo(b *bbolt.Bucket, last RecordID) (keys [][]byte) {
	c := b.Cursor()
	for k, _ := c.First(); k != nil && len(keys) < 8*maxDrop; {
		if len(k) != 16 {
			k, _ = c.Next()
			continue
		}
		if idOf(k[8:]) <= last {
			keys = append(keys, k)
			k, _ = c.Next()
			continue
		}
		tag := binary.BigEndian.Uint64(k)
		if tag++; tag == 0 {
			break
		}
		k = seekOn(c, keyOf(tag))
	}
	return keys
}

// oldestID gives the id of the oldest record that there should be; those before it were
// removed.
func (s *Store) oldestID() RecordID { return RecordID(s.oldest.Load()) }
