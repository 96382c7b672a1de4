package storage

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"sotto/pbx"
	"sotto/pbx/number"
	"sotto/pbx/plan"
	"sotto/storage/keyring"
	"sotto/storage/seal"
)

// RecordID names a record: 1, 2, 3 … in the order of writing, never used twice.
type RecordID uint64

// A value of the buckets of records and plans is a list of sections, the first the
// box's, each other one a person's:
//
//	subject(16, zeros for the box) length(4, big-endian) sealed(length)
//
// A section is bound to bucket, key and its place in the list. The first is bound to
// the list of all subjects as well, so that none can be left out or exchanged.

type section struct {
	subject keyring.Subject
	data    []byte // plain when sealing, sealed when opening
}

const sectionHead = 16 + 4

var (
	errRow    = errors.New("damaged row")
	errErased = errors.New("the key of the person was destroyed")
)

// sealRow makes the value for key. sections[0] is the box's.
func (s *Store) sealRow(bucket, key []byte, sections []section) ([]byte, error) {
	var value []byte
	for i, sec := range sections {
		k := s.ring.Box()
		if i > 0 {
			var ok bool
			if k, ok = s.ring.Key(sec.subject); !ok {
				return nil, errErased
			}
		}
		sealed := seal.Seal(&k, place(bucket, key, i, sections), sec.data)
		value = append(value, sec.subject[:]...)
		value = binary.BigEndian.AppendUint32(value, uint32(len(sealed)))
		value = append(value, sealed...)
	}
	return value, nil
}

// splitRow gives the sections of a value, still sealed.
func splitRow(value []byte) ([]section, error) {
	var all []section
	for len(value) > 0 {
		if len(value) < sectionHead {
			return nil, errRow
		}
		n := binary.BigEndian.Uint32(value[16:])
		if uint64(n) > uint64(len(value)-sectionHead) {
			return nil, errRow
		}
		end := sectionHead + int(n)
		all = append(all, section{keyring.Subject(value[:16]), value[sectionHead:end]})
		value = value[end:]
	}
	if len(all) == 0 || all[0].subject != (keyring.Subject{}) {
		return nil, errRow
	}
	return all, nil
}

// openSection opens sections[i] into the JSON value v. The error is errErased if there
// is no key for it any more, errRow if it does not open.
func (s *Store) openSection(bucket, key []byte, i int, sections []section, v any) error {
	k := s.ring.Box()
	if i > 0 {
		var ok bool
		if k, ok = s.ring.Key(sections[i].subject); !ok {
			return errErased
		}
	}
	plain, err := seal.Open(&k, place(bucket, key, i, sections), sections[i].data)
	if err != nil || json.Unmarshal(plain, v) != nil {
		return errRow
	}
	return nil
}

func place(bucket, key []byte, i int, sections []section) seal.Place {
	p := seal.Place{
		Bucket:  string(bucket),
		ID:      binary.BigEndian.AppendUint16(append([]byte(nil), key...), uint16(i)),
		Subject: sections[i].subject[:],
	}
	if i == 0 {
		p.Subject = nil
		for _, sec := range sections[1:] {
			p.Subject = append(p.Subject, sec.subject[:]...)
		}
	}
	return p
}

// What the check says, beside that database and keyring belong together.
const (
	checkFree    = "sotto.db"         // nobody owns the box yet
	checkClaimed = "sotto.db claimed" // it has an owner
)

func (s *Store) sealCheck(text string) []byte {
	k := s.ring.Box()
	return seal.Seal(&k, seal.Place{Bucket: string(bucketFormat), ID: keyCheck}, []byte(text))
}

// openCheck gives what the check says; false if it is none of this box.
func (s *Store) openCheck(sealed []byte) (text string, ok bool) {
	k := s.ring.Box()
	plain, err := seal.Open(&k, seal.Place{Bucket: string(bucketFormat), ID: keyCheck}, sealed)
	return string(plain), err == nil
}

// callJSON is the box's section of a call record: what is about nobody.
type callJSON struct {
	Began     time.Time     `json:"began"` // UTC
	Rang      time.Duration `json:"rang,omitempty"`
	Talked    time.Duration `json:"talked,omitempty"`
	Outcome   pbx.Outcome   `json:"outcome"`
	Cause     pbx.Cause     `json:"cause"`
	Held      bool          `json:"held,omitempty"`
	Emergency bool          `json:"emergency,omitempty"`
	FromLine  string        `json:"fromLine,omitempty"`
	ToLine    string        `json:"toLine,omitempty"`
	From      int           `json:"from,omitempty"` // number of the caller's section; 0: nobody known
	To        int           `json:"to,omitempty"`   // of the called party's
	Outside   bool          `json:"out,omitempty"`  // it was to go out and got no line

	FromQuality *quality `json:"fromQ,omitempty"`
	ToQuality   *quality `json:"toQ,omitempty"`
}

// partyJSON is a person's section of a call record.
type partyJSON struct {
	User   plan.UserID `json:"user,omitempty"`
	Ext    plan.Ext    `json:"ext,omitempty"`
	Number string      `json:"number,omitempty"`
}

// sealRecord makes the row of a record. Persons met for the first time get a key, which
// the next commit of the ring makes durable.
func (s *Store) sealRecord(id RecordID, r *pbx.Record) (row, error) {
	c := callJSON{
		Began: r.Began.Round(0).UTC(), Rang: r.Rang, Talked: r.Talked, Outcome: r.Outcome, Cause: r.Cause,
		Held: r.Held, Emergency: r.Emergency, FromLine: r.From.Line, ToLine: r.To.Line,
		Outside:     r.To.Line == "" && r.To.User == "" && !r.To.Number.IsZero() && r.Outcome != pbx.Unobtainable,
		FromQuality: (*quality)(r.FromQuality), ToQuality: (*quality)(r.ToQuality),
	}
	sections := make([]section, 1, 3)
	for _, p := range []struct {
		party *pbx.Party
		at    *int
	}{{&r.From, &c.From}, {&r.To, &c.To}} {
		subject, known, err := s.subjectOf(p.party)
		if err != nil {
			return row{}, err
		}
		if !known {
			continue
		}
		data, err := json.Marshal(partyJSON{p.party.User, p.party.Ext, p.party.Number.Reveal()})
		if err != nil {
			return row{}, errors.New("a party cannot be encoded")
		}
		*p.at = len(sections)
		sections = append(sections, section{subject, data})
	}
	var err error
	if sections[0].data, err = json.Marshal(c); err != nil {
		return row{}, fmt.Errorf("encode call record: %w", err)
	}
	key := keyOf(uint64(id))
	value, err := s.sealRow(bucketRecords, key, sections)
	return row{key, value}, err
}

// subjectOf tells whose the fields of a party are: the user's, else the number's. An
// extension without a user is an outside party known by what was dialled.
func (s *Store) subjectOf(p *pbx.Party) (subject keyring.Subject, known bool, err error) {
	switch {
	case p.User != "":
		subject, err = s.ring.Subject(keyring.User, string(p.User))
	case !p.Number.IsZero():
		subject, err = s.ring.Subject(keyring.Outside, p.Number.Reveal())
	case p.Ext != "":
		subject, err = s.ring.Subject(keyring.Outside, string(p.Ext))
	default:
		return subject, false, nil
	}
	return subject, true, err
}

// party opens the fields of one party.
func (s *Store) party(key []byte, i int, sections []section, line string) (pbx.Party, error) {
	var j partyJSON
	if i >= len(sections) {
		return pbx.Party{}, errRow
	}
	if err := s.openSection(bucketRecords, key, i, sections, &j); err != nil {
		return pbx.Party{}, err
	}
	n, err := number.Parse(j.Number)
	if err != nil {
		return pbx.Party{}, errRow
	}
	return pbx.Party{User: j.User, Ext: j.Ext, Number: n, Line: line}, nil
}

func keyOf(id uint64) []byte { return binary.BigEndian.AppendUint64(nil, id) }

// idOf is the reverse of keyOf; 0 for no key and for one that is none of ours.
func idOf(key []byte) RecordID {
	if len(key) != 8 {
		return 0
	}
	return RecordID(binary.BigEndian.Uint64(key))
}
