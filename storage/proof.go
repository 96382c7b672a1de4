package storage

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"sotto/storage/keyring"
	"sotto/storage/policy"
)

// Proof is what an erasure did. It holds pseudonyms and counts, no name and no number.
type Proof struct {
	Subjects []keyring.Subject // the person's ids; no key of theirs exists any more
	Kind     keyring.Kind      // what the person was known by
	At       time.Time         // when it was asked for, in UTC, to the second

	Records int // call records that named the person; they show an erased party
	Entries int // of journals: the person's own, which are gone, and of others that named the person
	Plans   int // revisions of the plan that did
	Items   int // messages and recordings destroyed

	// OldEpoch and NewEpoch are the ids of the key that sealed the keyring before and of
	// the one that sealed it then, and Rewrite is the number of that keyring. They are zero
	// if the power was cut after the keys had gone and before this was noted.
	OldEpoch, NewEpoch [8]byte
	Rewrite            uint64

	// Verified tells that the root was asked and has no key in the old slot any more, and
	// that the keyring was read again from its files, opened with the new key and knows
	// neither the subjects nor an item about one of them.
	Verified bool

	// Swept tells that what the keys had sealed is out of the rows and the index, too.
	// Until then it is there and opens with no key. bbolt's free pages, flash cells and
	// backups may hold it longer: see FORMAT.md.
	Swept bool
}

// Erasures gives the proofs of all erasures, oldest first, those too that are not finished
// yet. It needs the right policy.SeePapers, else [ErrNotAllowed]. Those that do not
// open are left out and counted in [Health].
func (r *Reader) Erasures(ctx context.Context) ([]Proof, error) {
	if !r.s.may(r.v, policy.SeePapers) {
		return nil, ErrNotAllowed
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if r.s.isDown() {
		return nil, fmt.Errorf("read erasures: %w", ErrDown)
	}
	list, err := r.s.tombstones()
	if err != nil {
		return nil, fmt.Errorf("read erasures: %w", err)
	}
	all := proofs(list)
	slices.SortFunc(all, func(a, b Proof) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Rewrite, b.Rewrite), bytes.Compare(a.Subjects[0][:], b.Subjects[0][:]))
	})
	return all, nil
}

// tombstone is a row of the bucket of erasures: what is left of a person. Its key is the
// person's id. It is never removed, because backups have to know it.
//
// It is written before the keys go. One that is not Done is an erasure that was interrupted,
// or a root that could not be written; one with Left waits for the sweep.
type tombstone struct {
	subject keyring.Subject
	was     int // Left, as it stands in the database

	At      int64  `json:"at"`   // s since 1970
	Kind    string `json:"kind"` // of a [keyring.Kind]
	Rows    int    `json:"rows"`
	Left    int    `json:"left,omitempty"` // 1: parts and index keys are still there
	Done    int    `json:"done,omitempty"` // 1: keys gone, and verified
	Plans   int    `json:"plans,omitempty"`
	Items   int    `json:"items,omitempty"`
	Entries int    `json:"entries,omitempty"`

	Of string `json:"of,omitempty"` // the subject that this one was erased with, as an account with its user

	Old string `json:"old,omitempty"` // key ids of the epochs, and number of the rewrite; Old is there from the beginning
	New string `json:"new,omitempty"`
	Gen uint64 `json:"gen,omitempty"`
}

func (t *tombstone) note(rot keyring.Rotation) {
	if t.New == "" && rot.New != rot.Old {
		t.Old, t.New, t.Gen = hex.EncodeToString(rot.Old[:]), hex.EncodeToString(rot.New[:]), rot.Gen
	}
}

// noteFound notes a rotation that happened and was not noted, as the power was cut in between.
func (t *tombstone) noteFound(id [8]byte, gen uint64) {
	if now := hex.EncodeToString(id[:]); t.New == "" && t.Old != "" && t.Old != now {
		t.New, t.Gen = now, gen
	}
}

// putTombstones writes rows. The sequence number of the bucket is how many have Left.
func (s *Store) putTombstones(tx *bbolt.Tx, list []tombstone) error {
	b := tx.Bucket(bucketErased)
	if b == nil {
		return ErrDamaged
	}
	left := int64(b.Sequence())
	for i := range list {
		t := &list[i]
		plain, err := json.Marshal(t)
		if err != nil {
			return err
		}
		if err := b.Put(t.subject[:], s.sealBox(bucketErased, t.subject[:], plain)); err != nil {
			return err
		}
		left += int64(t.Left - t.was)
	}
	return b.SetSequence(uint64(max(left, 0)))
}

// openTombstone opens a row; false if it does not open, which is counted.
func (s *Store) openTombstone(key, value []byte) (t tombstone, ok bool) {
	if len(key) == len(t.subject) && len(value) <= maxOwn {
		t.subject = keyring.Subject(key)
		plain, err := s.openBox(bucketErased, key, value)
		ok = err == nil && json.Unmarshal(plain, &t) == nil && len(t.Kind) == 1
		t.was = t.Left
	}
	if !ok {
		s.unreadable.Add(1)
	}
	return t, ok
}

// tombstones gives those of some subjects, or all that there are if none is named.
func (s *Store) tombstones(of ...keyring.Subject) (list []tombstone, err error) {
	err = guard(func() error {
		return s.db.View(func(tx *bbolt.Tx) error {
			b := tx.Bucket(bucketErased)
			if b == nil {
				return ErrDamaged
			}
			add := func(key, value []byte) error {
				if t, ok := s.openTombstone(key, value); ok {
					list = append(list, t)
				}
				return nil
			}
			if len(of) == 0 {
				return b.ForEach(add)
			}
			for _, subject := range of {
				if value := b.Get(subject[:]); value != nil {
					add(subject[:], value)
				}
			}
			return nil
		})
	})
	return list, err
}

// proofs puts those that were erased together together.
func proofs(list []tombstone) []Proof {
	all := make([]Proof, 0, len(list))
	at := map[string]int{}
	for i := range list {
		if t := &list[i]; t.Of == "" {
			at[t.subject.String()] = len(all)
			p := Proof{
				Subjects: []keyring.Subject{t.subject}, Kind: keyring.Kind(t.Kind[0]), At: time.Unix(t.At, 0).UTC(),
				Records: t.Rows, Entries: t.Entries, Plans: t.Plans, Items: t.Items, Rewrite: t.Gen, Verified: t.Done == 1, Swept: t.Left == 0,
			}
			hex.Decode(p.OldEpoch[:], []byte(t.Old[:min(len(t.Old), 16)]))
			hex.Decode(p.NewEpoch[:], []byte(t.New[:min(len(t.New), 16)]))
			all = append(all, p)
		}
	}
	for i := range list {
		t := &list[i]
		if n, ok := at[t.Of]; ok && t.Of != "" {
			p := &all[n]
			p.Subjects = append(p.Subjects, t.subject)
			p.Records += t.Rows
			p.Entries += t.Entries
			p.Verified, p.Swept = p.Verified && t.Done == 1, p.Swept && t.Left == 0
		}
	}
	return all
}

// wasErased tells whether somebody who is not known any more was erased, by request.
func (s *Store) wasErased(subject keyring.Subject) (was bool) {
	guard(func() error {
		return s.db.View(func(tx *bbolt.Tx) error {
			b := tx.Bucket(bucketErased)
			was = b != nil && b.Get(subject[:]) != nil
			return nil
		})
	})
	return was
}
