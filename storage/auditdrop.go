package storage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"sotto/storage/keyring"
)

// maxAudit is how many lines the trail keeps, about 125 MiB of them. Beyond that the oldest go
// before their term, which the health of the store tells.
const maxAudit = 500_000

// dropLines is how many lines a transaction removes at most.
const dropLines = 500

// countedLines is how many lines a read transaction counts at most.
const countedLines = 5000

// keyAudit is the key of the checkpoint in the bucket of the format.
var keyAudit = []byte("audit")

// checkpoint tells where the trail begins. Numbers are from 1, so that Last is also how many
// lines were ever removed.
type checkpoint struct {
	Last  uint64 `json:"n"`           // number of the newest line that was removed
	Link  []byte `json:"l"`           // its link
	Since int64  `json:"f"`           // when the first was removed, ms since 1970
	Early uint64 `json:"p,omitempty"` // removed before their term, because there were too many
	Bad   uint64 `json:"b,omitempty"` // were damaged or missing when they were removed

	damaged bool // it does not open; Link is not known
}

func (c *checkpoint) link() (l link) {
	copy(l[:], c.Link)
	return l
}

// readCheckpoint gives the checkpoint; the zero one if there is none.
func (s *Store) readCheckpoint(tx *bbolt.Tx) (c checkpoint) {
	sealed := tx.Bucket(bucketFormat).Get(keyAudit)
	if sealed == nil {
		return c
	}
	plain, err := s.openBox(bucketFormat, keyAudit, sealed)
	if err == nil && json.Unmarshal(plain, &c) == nil && len(c.Link) == len(link{}) {
		return c
	}
	k, _ := tx.Bucket(bucketAudit).Cursor().First()
	return checkpoint{Last: max(uint64(idOf(k)), 1) - 1, damaged: true}
}

// dropAgedAudit removes the oldest lines that have aged, 500 at most, in one transaction with
// the checkpoint that tells where the trail begins then. Call it again, with a pause, until it
// has dropped none. It is under wmu.
func (s *Store) dropAgedAudit() (dropped int, err error) {
	var next checkpoint
	some := false
	aged := func(d keyring.Day) bool {
		k, err := s.ring.DayKey(keyring.Subject{}, keyring.Audit, d)
		clear(k[:])
		return errors.Is(err, keyring.ErrAged)
	}
	if err := s.viewAudit(func(b *bbolt.Bucket) error {
		k, v := b.Cursor().First()
		if k != nil && uint64(idOf(k)) <= s.trail.newest {
			_, d, _, err := splitLine(v)
			some = err != nil || aged(d)
		}
		return nil
	}); err != nil || !some {
		return 0, err
	}
	if err := s.commit(func(tx *bbolt.Tx) (err error) {
		next, dropped, err = s.dropOldest(tx, s.trail.newest, dropLines, aged)
		if err != nil || dropped == 0 {
			return err
		}
		return s.putCheckpoint(tx, next)
	}); err != nil {
		return 0, fmt.Errorf("remove aged lines of the audit trail: %w", err)
	}
	if next.Last > s.trail.base.Last {
		s.tookBase(next)
	}
	return dropped, nil
}

// tookBase makes c where the trail begins, once it is durable.
func (s *Store) tookBase(c checkpoint) {
	t := &s.trail
	if t.base.Early == 0 && c.Early > 0 {
		s.log.Error("the audit trail is full: its oldest lines are removed before their term")
	}
	t.base = c
	s.auditEarly.Store(c.Early)
	s.auditLines.Store(t.newest - min(c.Last, t.newest))
}

// dropFull removes what is too much, with the transaction of new lines.
func (s *Store) dropFull(tx *bbolt.Tx, a *auditRows) error {
	over := int64(a.newest-a.base.Last) - s.maxLines()
	if over <= 0 {
		return nil
	}
	base, dropped, err := s.dropOldest(tx, a.newest, int(min(over, dropLines)), func(keyring.Day) bool { return true })
	if err != nil || dropped == 0 {
		return err
	}
	base.Early += uint64(dropped)
	a.base = base
	return s.putCheckpoint(tx, base)
}

func (s *Store) maxLines() int64 {
	if s.trail.most > 0 {
		return s.trail.most
	}
	return maxAudit
}

// dropOldest removes lines from the oldest on, as long as their day is one that may go, and
// gives the checkpoint after them, to be written. What is damaged or missing among them is
// counted: a line that cannot be told the day of goes with those around it.
func (s *Store) dropOldest(tx *bbolt.Tx, newest uint64, most int, may func(keyring.Day) bool) (checkpoint, int, error) {
	b, c := tx.Bucket(bucketAudit), s.readCheckpoint(tx)
	prev, known := c.link(), !c.damaged
	c.damaged = false
	if !known {
		c.Bad++
	}
	var gone [][]byte
	cur := b.Cursor()
	for k, v := cur.First(); k != nil && len(gone) < most; k, v = cur.Next() {
		n := uint64(idOf(k))
		if n > newest {
			break // none of the box
		}
		l, d, _, err := splitLine(v)
		if err == nil && !may(d) {
			break
		}
		gone = append(gone, k)
		if n <= c.Last {
			continue // it was removed before, and has been put back
		}
		missing := n - c.Last - 1
		c.Bad += missing
		if err != nil || known && missing == 0 && nextLink(&s.trail.key, prev, n, v) != l {
			c.Bad++
		}
		prev, known, c.Last = l, err == nil, n
	}
	if len(gone) == 0 {
		return c, 0, nil
	}
	for _, k := range gone {
		if err := b.Delete(k); err != nil {
			return c, 0, err
		}
	}
	c.Link = prev[:]
	if c.Since == 0 {
		c.Since = s.clock().UnixMilli()
	}
	return c, len(gone), nil
}

func (s *Store) putCheckpoint(tx *bbolt.Tx, c checkpoint) error {
	plain, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return tx.Bucket(bucketFormat).Put(keyAudit, s.sealBox(bucketFormat, keyAudit, plain))
}

// countAudit tells how many lines there are, and of those how many are of a day before the
// box's day before. It opens none, in short read transactions.
func (s *Store) countAudit(ctx context.Context, before keyring.Day) (all, old int, err error) {
	for from := uint64(1); from > 0; {
		if err := ctx.Err(); err != nil {
			return 0, 0, err
		}
		if err := s.viewAudit(func(b *bbolt.Bucket) error {
			c := b.Cursor()
			k, v := c.Seek(keyOf(from))
			for n := 0; k != nil && n < countedLines; n++ {
				all++
				if _, d, _, err := splitLine(v); err == nil && d < before {
					old++
				}
				k, v = c.Next()
			}
			from = further(from, uint64(idOf(k)))
			return nil
		}); err != nil {
			return 0, 0, err
		}
	}
	return all, old, nil
}
