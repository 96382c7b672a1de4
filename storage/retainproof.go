package storage

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"sotto/storage/keyring"
	"sotto/storage/policy"
)

// ProofState says how the check of a kind came out.
type ProofState string

// The states there are.
const (
	ProofPass ProofState = "pass"    // all that is past its term is gone, and its keys are off the medium
	ProofWait ProofState = "waiting" // it opens no more, and its keys go from the medium within the hour
	ProofFail ProofState = "fail"    // something past its term is left, or something within it is gone
)

// DayProof is the proof of one kind for one day: what the box found when it went through what
// it keeps. It holds dates and counts alone.
type DayProof struct {
	Date    time.Time // midnight in UTC, by the date that terms count from
	Kind    policy.Kind
	State   ProofState
	Oldest  time.Time // date of the oldest that is left; zero if there is none
	Limit   time.Time // nothing from before this date may be left
	Due     int       // how many were past their term on this day: Deleted and Left
	Deleted int       // how many went: call records whose digits went, rows removed, users erased
	Left    int       // how many past their term are left; of rows and chains it is told that there are some
	Canary  bool      // what was planted and is past its term opens no more, and what is within it does
}

// Proofs gives the proofs of the days from from on and before until, both by date and without a
// bound if zero, oldest first, each day's in the order of [policy.Kinds]: of digits, call records,
// journals, counts, users who have left, and the audit trail. Those of a year are kept. It needs the
// right [policy.SeePapers], else it is [ErrNotAllowed]. It holds no personal data, so no look is noted.
func (r *Reader) Proofs(ctx context.Context, from, until time.Time) ([]DayProof, error) {
	s := r.s
	if !s.may(r.v, policy.SeePapers) {
		return nil, ErrNotAllowed
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if s.isDown() {
		return nil, fmt.Errorf("read proofs: %w", ErrDown)
	}
	var list []DayProof
	if err := s.view(func(tx *bbolt.Tx) error {
		c := tx.Bucket(bucketProofs).Cursor()
		for k, v := c.First(); k != nil; k, v = c.Next() {
			date, lines, ok := s.openProof(k, v)
			if at := dateTime(date); !ok || at.Before(from) || !until.IsZero() && !at.Before(until) {
				continue
			}
			for _, l := range lines {
				list = append(list, l.view(date))
			}
		}
		return nil
	}); err != nil {
		return nil, fmt.Errorf("read proofs: %w", err)
	}
	return list, nil
}

// proofDays is for how many days proofs are kept.
const proofDays = 366

// proofJSON is a line of the proofs of a day. Dates are days since 1970.
type proofJSON struct {
	Kind    policy.Kind `json:"k"`
	State   ProofState  `json:"s"`
	Oldest  int32       `json:"o,omitempty"` // 0: there is none
	Limit   int32       `json:"l"`
	Deleted int         `json:"d,omitempty"`
	Left    int         `json:"left,omitempty"`
	Canary  bit         `json:"c,omitempty"`
}

func (j *proofJSON) view(date int32) DayProof {
	p := DayProof{Date: dateTime(date), Kind: j.Kind, State: j.State, Limit: dateTime(j.Limit),
		Due: j.Deleted + j.Left, Deleted: j.Deleted, Left: j.Left, Canary: j.Canary != 0}
	if j.Oldest != 0 {
		p.Oldest = dateTime(j.Oldest)
	}
	return p
}

// openProof opens a row; false if it does not open, which is counted.
func (s *Store) openProof(key, value []byte) (date int32, lines []proofJSON, ok bool) {
	if len(key) == 4 && len(value) <= maxOwn {
		date = int32(binary.BigEndian.Uint32(key))
		plain, err := s.openBox(bucketProofs, key, value)
		ok = err == nil && json.Unmarshal(plain, &lines) == nil
	}
	if !ok {
		s.unreadable.Add(1)
	}
	return date, lines, ok
}

// deletedOn tells what runs before have deleted on a date.
func (s *Store) deletedOn(date int32) (deleted map[policy.Kind]int, err error) {
	deleted = map[policy.Kind]int{}
	key := dayKey(int(date))
	err = s.view(func(tx *bbolt.Tx) error {
		if v := tx.Bucket(bucketProofs).Get(key); v != nil {
			_, lines, _ := s.openProof(key, v)
			for _, l := range lines {
				deleted[l.Kind] = l.Deleted
			}
		}
		return nil
	})
	return deleted, err
}

// prove looks through what is left after a run and writes its proof. It is under wmu.
func (s *Store) prove(r *sweepRun) error {
	var lines []proofJSON
	if err := s.view(func(tx *bbolt.Tx) error {
		lines = s.proofOf(tx, r)
		return nil
	}); err != nil {
		return fmt.Errorf("prove that terms are kept: %w", err)
	}
	plain, err := json.Marshal(lines)
	if err != nil {
		return err
	}
	key, old := dayKey(int(r.date)), dayKey(int(max(r.date-proofDays, 0)))
	if err := s.commit(func(tx *bbolt.Tx) error {
		b := tx.Bucket(bucketProofs)
		if _, err := dropDays(b, dayOfKey(old)); err != nil {
			return err
		}
		return b.Put(key, s.sealBox(bucketProofs, key, plain))
	}); err != nil {
		return fmt.Errorf("write proof: %w", err)
	}
	failed := uint64(0)
	for _, l := range lines {
		if l.State == ProofFail {
			failed++
			s.log.Error("something is not kept for its term, or for longer", "kind", l.Kind, "left", l.Left, "canary", l.Canary == 1)
		}
	}
	s.keeper.unproven.Store(failed)
	return nil
}

// proofOf makes the lines of a run.
func (s *Store) proofOf(tx *bbolt.Tx, r *sweepRun) (lines []proofJSON) {
	t, canaries := s.table(), s.canaries(tx, r)
	state := func(l *proofJSON, class keyring.Class) ProofState {
		switch {
		case l.Left > 0 || l.Canary == 0:
			return ProofFail
		case r.waits[class]:
			return ProofWait
		}
		return ProofPass
	}
	for _, kind := range policy.Kinds() {
		l := proofJSON{Kind: kind, Limit: r.date - int32(r.settings.Keep[kind]), Canary: 1, Deleted: r.late[kind] + r.deleted[kind]}
		if kind == policy.Removed {
			s.proveRemoved(&l, r)
			l.State = state(&l, 0)
			lines = append(lines, l)
			continue
		}
		i := slices.IndexFunc(allKept, func(k kept) bool { return k.kind == kind })
		if i < 0 {
			continue
		}
		k := &allKept[i]
		l.Canary = bitOf(canaries[k.class])
		if chain, any := s.ring.Oldest(k.class); any && chain < r.first[k.class] {
			l.Left++
		}
		if day, any := k.oldest(s, tx); any && int(day) < len(t) {
			l.Oldest = t[day].term
			if day < r.first[k.class] {
				l.Left++
			}
		}
		l.State = state(&l, k.class)
		lines = append(lines, l)
	}
	return lines
}

// proveRemoved makes the line of users who have left the plan.
func (s *Store) proveRemoved(l *proofJSON, r *sweepRun) {
	t := s.table()
	for _, day := range s.keeper.former() {
		if int(day) < len(t) && (l.Oldest == 0 || t[day].term < l.Oldest) {
			l.Oldest = t[day].term
		}
	}
	l.Left = len(s.dueUsers(r.settings.Keep[policy.Removed], r.date))
}
