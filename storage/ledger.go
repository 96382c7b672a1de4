package storage

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"sotto/storage/keyring"
)

// The ledger tells what left the box: what, when, to whom, how much. A line is there before
// the first byte leaves, in one transaction with its line of the audit trail, and is completed
// in its place when the last has. It holds a pseudonym of who asked, and nothing personal.

// LedgerKind is a way in which personal data leaves the box.
type LedgerKind string

// The ways there are.
const (
	LeftExport LedgerKind = "export" // call records or a journal, to a file
	LeftAccess LedgerKind = "access" // the archive of one person
	LeftBackup LedgerKind = "backup" // a stick
	LeftMail   LedgerKind = "mail"
	LeftFeed   LedgerKind = "feed" // call accounting
	LeftSyslog LedgerKind = "syslog"
)

// leaving is what is about to leave the box. Nothing of it is personal data.
type leaving struct {
	kind LedgerKind
	to   string // name of a device or server as the setting gives it; empty: who asked takes it
	what string // in words: "call records as CSV", "archive of a user"
}

// ledgerJSON is a line as it is kept.
type ledgerJSON struct {
	At    int64      `json:"t"` // ms since 1970
	Kind  LedgerKind `json:"k"`
	Role  Role       `json:"r,omitempty"`
	By    string     `json:"b,omitempty"` // subject of the account, in hexadecimal
	To    string     `json:"to,omitempty"`
	What  string     `json:"w"`
	Rows  int        `json:"n,omitempty"`
	Bytes int64      `json:"y,omitempty"`
	End   ledgerEnd  `json:"e,omitempty"`
}

// ledgerEnd says how it ended.
type ledgerEnd uint8

const (
	notEnded ledgerEnd = iota
	endedWhole
	brokenOff
)

const (
	maxLedger     = 100_000 // lines; the oldest give way
	maxLedgerLine = 4 << 10 // bytes of one, sealed
	maxLedgerText = 200     // bytes of to and of what
)

// left is a line of the ledger that is to be completed.
type left struct {
	s    *Store
	key  []byte
	day  keyring.Day
	line ledgerJSON

	audited uint64 // number of its line of the audit trail
}

// letOut notes in the ledger what is about to leave the box, and in the audit trail the look l
// that it is, in one transaction that is durable on return. An error is the answer then, and
// nothing may leave. The line is to be completed by [left.done]. It does not need Run and must
// not be called under wmu.
func (s *Store) letOut(ctx context.Context, l look, what leaving) (left, error) {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	if err := ctx.Err(); err != nil {
		return left{}, err
	}
	if s.closed || s.broken {
		return left{}, fmt.Errorf("note what leaves the box: %w", ErrDown)
	}
	out := left{s: s, line: ledgerJSON{
		At: s.clock().UnixMilli(), Kind: what.kind, Role: l.viewer.Role, To: cutText(what.to, maxLedgerText), What: cutText(what.what, maxLedgerText),
	}}
	if id := l.viewer.Account; id != "" {
		if subject, ok := s.ring.Lookup(keyring.Admin, string(id)); ok {
			out.line.By = subject.String()
		}
	}
	days, err := s.dayToWrite(keyring.Audit)
	if err != nil {
		return left{}, fmt.Errorf("note what leaves the box: %w", err)
	}
	s.putting, out.day = days, keyring.Day(len(days)-1)
	s.pend(l)
	if err := s.commit(func(tx *bbolt.Tx) error {
		b := tx.Bucket(bucketLedger)
		if b == nil {
			return ErrDamaged
		}
		n, err := b.NextSequence()
		if err != nil {
			return err
		}
		out.key = keyOf(n)
		if n > maxLedger {
			if err := dropOldest(b, n-maxLedger); err != nil {
				return err
			}
		}
		b.FillPercent = 0.9
		return out.put(b)
	}); err != nil {
		return left{}, fmt.Errorf("note what leaves the box: %w", err)
	}
	if idOf(out.key) == maxLedger+1 {
		s.log.Warn("the ledger of what left the box is full: from now on its oldest lines give way", "lines", maxLedger)
	}
	out.audited = s.trail.newest
	return out, nil
}

// done completes the line: how many rows and bytes have left, and whether that was all of it.
// It returns once that is durable. A line without it is one of which the end is not known, as
// after a power cut.
func (l *left) done(rows int, bytes int64, whole bool) error {
	s := l.s
	s.wmu.Lock()
	defer s.wmu.Unlock()
	l.line.Rows, l.line.Bytes, l.line.End = rows, bytes, brokenOff
	if whole {
		l.line.End = endedWhole
	}
	if err := s.commit(func(tx *bbolt.Tx) error {
		b := tx.Bucket(bucketLedger)
		if b == nil {
			return ErrDamaged
		}
		if b.Get(l.key) == nil {
			return nil // its term is over
		}
		return l.put(b)
	}); err != nil {
		return fmt.Errorf("note what has left the box: %w", err)
	}
	return nil
}

// put writes the row: the day, then a row in parts.
func (l *left) put(b *bbolt.Bucket) error {
	plain, err := json.Marshal(&l.line)
	if err != nil {
		return err
	}
	value, err := l.s.sealRow(bucketLedger, l.key, l.day, []part{{class: keyring.Audit, data: plain}})
	if err != nil {
		return err
	}
	return b.Put(l.key, append(binary.BigEndian.AppendUint32(nil, uint32(l.day)), value...))
}

// openLedger opens a line; errAged if its time is over.
func (s *Store) openLedger(r row) (line ledgerJSON, err error) {
	if len(r.value) < 4 || len(r.value) > maxLedgerLine {
		return line, errRow
	}
	day := keyring.Day(binary.BigEndian.Uint32(r.value))
	parts, err := splitRow(bucketLedger, r.key, day, r.value[4:])
	if err != nil || parts.list[0].class != keyring.Audit {
		return line, errRow
	}
	return line, s.openJSON(&parts, 0, &line)
}

// eachLedger calls f with each line that opens, newest first, with numbers below before, 0 for
// all, until f returns false. No transaction is open while f runs.
func (s *Store) eachLedger(ctx context.Context, before uint64, f func(n uint64, line *ledgerJSON) bool) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		var rows []row
		if err := guard(func() error {
			return s.db.View(func(tx *bbolt.Tx) error {
				b := tx.Bucket(bucketLedger)
				if b == nil {
					return ErrDamaged
				}
				rows = rows[:0]
				c := b.Cursor()
				k, v := c.Last()
				if before > 0 {
					if k, v = c.Seek(keyOf(before)); k == nil {
						k, v = c.Last()
					}
				}
				for ; k != nil && len(rows) < chunk; k, v = c.Prev() {
					if n := uint64(idOf(k)); n == 0 || before > 0 && n >= before {
						continue
					}
					if len(v) > maxLedgerLine {
						v = nil
					}
					rows = append(rows, row{bytes.Clone(k), bytes.Clone(v)})
				}
				return nil
			})
		}); err != nil || len(rows) == 0 {
			return err
		}
		for _, r := range rows {
			before = uint64(idOf(r.key))
			line, err := s.openLedger(r)
			switch {
			case errors.Is(err, errAged):
			case err != nil:
				s.unreadable.Add(1)
			case !f(before, &line):
				return nil
			}
		}
	}
}

// dropAgedLedger removes the oldest lines that have aged, 500 at most, in one transaction, and
// tells how many. Call it again, with a pause, until it has dropped none. It is under wmu.
func (s *Store) dropAgedLedger() (dropped int, err error) {
	var upTo uint64
	if err := guard(func() error {
		return s.db.View(func(tx *bbolt.Tx) error {
			b := tx.Bucket(bucketLedger)
			if b == nil {
				return ErrDamaged
			}
			c := b.Cursor()
			for k, v := c.First(); k != nil && dropped < maxDrop; k, v = c.Next() {
				if _, err := s.openLedger(row{k, v}); !errors.Is(err, errAged) {
					break
				}
				upTo, dropped = uint64(idOf(k)), dropped+1
			}
			return nil
		})
	}); err != nil || dropped == 0 {
		return 0, err
	}
	if err := s.commit(func(tx *bbolt.Tx) error { return dropOldest(tx.Bucket(bucketLedger), upTo) }); err != nil {
		return 0, fmt.Errorf("remove aged lines of the ledger: %w", err)
	}
	return dropped, nil
}

// dropOldest removes the rows up to a number, 500 at most.
func dropOldest(b *bbolt.Bucket, upTo uint64) error {
	if b == nil {
		return ErrDamaged
	}
	var keys [][]byte
	c := b.Cursor()
	for k, _ := c.First(); k != nil && len(keys) < maxDrop && bytes.Compare(k, keyOf(upTo)) <= 0; k, _ = c.Next() {
		keys = append(keys, k)
	}
	for _, k := range keys {
		if err := b.Delete(k); err != nil {
			return err
		}
	}
	return nil
}
