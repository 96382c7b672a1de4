package storage

import (
	"encoding/binary"
	"encoding/json"
	"errors"

	"sotto/storage/keyring"
	"sotto/storage/seal"
)

// RecordID names a record: 1, 2, 3 … in the order of writing, never used twice.
type RecordID uint64

// A value of the buckets of records and plans is of several persons: a header and a list of
// parts, the first the box's, each other one under a key of its subject. A row of a journal is
// like that, and its first part is of the user whose journal it is.
//
//	header(18) [class(1) subject(16) length(uvarint) sealed(length)] …
//
// A part is bound to bucket, key and its place in the list. The first is bound to class and
// subject of all others as well, so that none can be left out, added or exchanged. A part of
// length 0 was removed. FORMAT.md has every byte.

// part is one part of a row: its data is plain when sealing, sealed when opening.
type part struct {
	class   keyring.Class
	subject keyring.Subject
	data    []byte
}

// parts is a row of a bucket taken apart. Chain keys are those of the day.
type parts struct {
	bucket, key []byte
	day         keyring.Day
	head        seal.RowHeader
	list        []part // still sealed, and of the value it was split from
}

const (
	sameSubject = 0x80    // in the class of a part: its subject is that of the part before
	maxRow      = 1 << 20 // a longer one is not written, and damaged when read
)

var (
	errRow    = errors.New("damaged row")
	errErased = errors.New("the key of the person was destroyed")
	errAged   = errors.New("the key of that day was destroyed")
)

// sealRow makes the value for key. list[0] is the box's, or that of whose row it is. Chain keys are those of the day;
// chains begun here are durable with the next commit of the ring. The error wraps
// [keyring.ErrAged] if a chain has gone past that day.
func (s *Store) sealRow(bucket, key []byte, day keyring.Day, list []part) ([]byte, error) {
	if len(list) > seal.MaxParts {
		return nil, errTooLong
	}
	size := len(seal.RowHeader{})
	for i := range list {
		size += 1 + 16 + binary.MaxVarintLen32 + len(list[i].data) + seal.PartOverhead
	}
	head := seal.NewRow()
	value := append(make([]byte, 0, size), head[:]...)
	for i := range list {
		p := &list[i]
		k, err := s.sealKey(p.subject, p.class, day)
		if err != nil {
			return nil, err
		}
		value = appendHead(value, list, i)
		value = binary.AppendUvarint(value, uint64(len(p.data)+seal.PartOverhead))
		value = head.Seal(value, &k, place(bucket, key, i, list), p.data)
		clear(k[:])
	}
	if len(value) > maxRow {
		return nil, errTooLong
	}
	return value, nil
}

// appendHead appends class and subject of list[i] as they stand before its length.
func appendHead(b []byte, list []part, i int) []byte {
	if i > 0 && list[i].subject == list[i-1].subject {
		return append(b, byte(list[i].class)|sameSubject)
	}
	b = append(b, byte(list[i].class))
	return append(b, list[i].subject[:]...)
}

func (s *Store) sealKey(subject keyring.Subject, class keyring.Class, day keyring.Day) (seal.Key, error) {
	if class != keyring.Own {
		return s.ring.SealKey(subject, class, day)
	}
	k, ok := s.ring.Key(subject)
	if !ok {
		return k, errErased
	}
	return k, nil
}

// splitRow takes the value of a row apart whose first part is the box's, and copies nothing. It
// does not open anything.
func splitRow(bucket, key []byte, day keyring.Day, value []byte) (parts, error) {
	return splitRowOf(keyring.Subject{}, bucket, key, day, value)
}

// splitRowOf is [splitRow] for a row whose first part is the owner's.
func splitRowOf(owner keyring.Subject, bucket, key []byte, day keyring.Day, value []byte) (parts, error) {
	r, err := splitParts(bucket, key, day, value)
	if err == nil && r.list[0].subject != owner {
		err = errRow
	}
	return r, err
}

// splitParts is [splitRow] for a row of whomever. There is a first part if there is no error.
func splitParts(bucket, key []byte, day keyring.Day, value []byte) (parts, error) {
	r := parts{bucket: bucket, key: key, day: day}
	var err error
	if r.head, err = seal.ParseRow(value); err != nil || len(value) > maxRow {
		return r, errRow
	}
	r.list = make([]part, 0, 5) // a record has no more
	for rest := value[len(r.head):]; len(rest) > 0; {
		var p part
		class := rest[0]
		rest = rest[1:]
		switch {
		case len(r.list) == seal.MaxParts:
			return r, errRow
		case class&sameSubject == 0 && len(rest) >= len(p.subject):
			p.subject = keyring.Subject(rest)
			rest = rest[len(p.subject):]
		case class&sameSubject != 0 && len(r.list) > 0:
			p.subject = r.list[len(r.list)-1].subject
		default:
			return r, errRow
		}
		p.class = keyring.Class(class &^ sameSubject)
		n, width := binary.Uvarint(rest)
		if width <= 0 || n > uint64(len(rest)-width) {
			return r, errRow
		}
		p.data = rest[width : width+int(n)]
		rest = rest[width+int(n):]
		r.list = append(r.list, p)
	}
	if len(r.list) == 0 {
		return r, errRow
	}
	return r, nil
}

// names tells whether a part is of the subject.
func (r *parts) names(subject keyring.Subject) bool {
	for i := range r.list {
		if r.list[i].subject == subject {
			return true
		}
	}
	return false
}

// openPart gives a part's plain data. The error is errErased if its subject is none that
// the box knows, errAged if its chain has gone past the day, errRow if it is damaged.
func (s *Store) openPart(r *parts, i int) ([]byte, error) {
	if i < 0 || i >= len(r.list) {
		return nil, errRow
	}
	p := &r.list[i]
	k, err := s.openKey(p.subject, p.class, r.day)
	if err != nil {
		return nil, err
	}
	defer clear(k[:])
	plain, err := r.head.Open(nil, &k, place(r.bucket, r.key, i, r.list), p.data)
	if err != nil {
		return nil, errRow
	}
	return plain, nil
}

func (s *Store) openKey(subject keyring.Subject, class keyring.Class, day keyring.Day) (seal.Key, error) {
	if class == keyring.Own {
		return s.sealKey(subject, class, day)
	}
	k, err := s.ring.DayKey(subject, class, day)
	switch {
	case errors.Is(err, keyring.ErrErased):
		err = errErased
	case errors.Is(err, keyring.ErrAged):
		err = errAged
	case err != nil:
		err = errRow
	}
	return k, err
}

// openJSON opens a part into the JSON value v; errors are those of openPart.
func (s *Store) openJSON(r *parts, i int, v any) error {
	plain, err := s.openPart(r, i)
	if err == nil && json.Unmarshal(plain, v) != nil {
		err = errRow
	}
	clear(plain)
	return err
}

// place is what a part is bound to.
func place(bucket, key []byte, i int, list []part) seal.Part {
	p := seal.Part{Bucket: string(bucket), ID: key, N: i, Class: byte(list[i].class), Subject: list[i].subject}
	if i == 0 && len(list) > 1 {
		p.List = make([]byte, 0, 17*(len(list)-1))
		for _, other := range list[1:] {
			p.List = append(p.List, byte(other.class))
			p.List = append(p.List, other.subject[:]...)
		}
	}
	return p
}

// removePart takes what is of a subject out of a row's value, but for the first part: the
// others have length 0 then, and the subject's id stays. The value that was given is not
// changed. changed is false if there was nothing to take out; the error says that the row is
// damaged.
func removePart(value []byte, subject keyring.Subject) (without []byte, changed bool, err error) {
	r, err := splitParts(nil, nil, 0, value)
	if err != nil || subject == (keyring.Subject{}) {
		return value, false, err
	}
	without = append(make([]byte, 0, len(value)), r.head[:]...)
	for i, p := range r.list {
		if i > 0 && p.subject == subject && len(p.data) > 0 {
			p.data, changed = nil, true
		}
		without = appendHead(without, r.list, i)
		without = binary.AppendUvarint(without, uint64(len(p.data)))
		without = append(without, p.data...)
	}
	return without, changed, nil
}

// What the check says, beside that database and keyring belong together.
const (
	checkFree    = "sotto.db"         // nobody owns the box yet
	checkClaimed = "sotto.db claimed" // it has an owner
)

func (s *Store) sealCheck(text string) []byte { return s.sealBox(bucketFormat, keyCheck, []byte(text)) }

// openCheck gives what the check says; false if it is none of this box.
func (s *Store) openCheck(sealed []byte) (text string, ok bool) {
	plain, err := s.openBox(bucketFormat, keyCheck, sealed)
	return string(plain), err == nil
}

// sealBox seals a value of the box's own under its own key.
func (s *Store) sealBox(bucket, key, plain []byte) []byte {
	k := s.ring.Box()
	defer clear(k[:])
	return seal.Seal(&k, seal.Place{Bucket: string(bucket), ID: key}, plain)
}

// openBox is the reverse of sealBox; the error is errRow.
func (s *Store) openBox(bucket, key, sealed []byte) ([]byte, error) {
	k := s.ring.Box()
	defer clear(k[:])
	plain, err := seal.Open(&k, seal.Place{Bucket: string(bucket), ID: key}, sealed)
	if err != nil {
		return nil, errRow
	}
	return plain, nil
}

func keyOf(id uint64) []byte { return binary.BigEndian.AppendUint64(nil, id) }

// idOf is the reverse of keyOf; 0 for no key and for one that is none of ours.
func idOf(key []byte) RecordID {
	if len(key) != 8 {
		return 0
	}
	return RecordID(binary.BigEndian.Uint64(key))
}
