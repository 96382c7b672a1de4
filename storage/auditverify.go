package storage

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"sotto/storage/policy"
	"sotto/storage/seal"
)

// Fault is what is wrong with the audit trail at one place.
type Fault string

// What [Reader.VerifyAudit] can find.
const (
	CutBeginning  Fault = "cut at the beginning" // the lines after the checkpoint are missing
	CutMiddle     Fault = "cut"                  // lines between others are missing
	CutEnd        Fault = "cut at the end"       // the newest lines are missing
	Changed       Fault = "changed"              // the line is not the one that was written
	Moved         Fault = "moved"                // another line stands in its place
	Added         Fault = "added"                // a line that the box has not written
	BadCheckpoint Fault = "checkpoint"           // where the trail begins cannot be told: that was changed or removed
	BadEnd        Fault = "end"                  // where the trail ends cannot be told: that was changed or removed
)

// AuditFault is one thing that is wrong.
type AuditFault struct {
	Line  uint64 // number of the line, or of the first that is missing
	Lines uint64 // how many in a row, 1 at least
	Fault Fault
	Of    uint64 // of Moved: the number that the line was written with, if that can be told
}

// AuditReport is what [Reader.VerifyAudit] has found.
type AuditReport struct {
	Link          string       // of the newest line, 64 hexadecimal digits: noted elsewhere, it tells a trail that was put back or written anew
	Lines         uint64       // that are there
	First, Newest uint64       // numbers; 0: there is none
	Dropped       uint64       // lines that were removed before First, because their time was over or there were too many
	DroppedSince  time.Time    // when lines were first removed
	DroppedBad    uint64       // of those, lines that were damaged or missing then
	DroppedEarly  uint64       // of those, lines that were removed before their term, because there were too many
	Faults        []AuditFault // in the order of the lines, the first 100; none: all is well
	Bad           uint64       // lines that are damaged, missing or added
	NotFound      []string     // in sentences: what this cannot find
}

// OK tells whether nothing is wrong with the lines that are there.
func (a *AuditReport) OK() bool { return len(a.Faults) == 0 }

// maxFaults is how many faults a report has, and how many damaged lines are held against each
// other to find those that were moved.
const maxFaults = 100

// maxPrevs is how many links a line behind damaged ones is held against.
const maxPrevs = 16

// notFound says what no look at the trail alone can find.
var notFound = []string{
	"If the whole data folder was put back to an earlier state, its trail fits: compare the number and the link of the newest line with one that was noted elsewhere.",
	"Who has what opens the root can write a new trail that fits from its first line on.",
	"Of lines that were removed because their time was over nothing is left but how many they were.",
	"What the box does not note, as a look at the running program's memory, is not in the trail.",
}

// VerifyAudit goes through the whole trail, in short read transactions, and tells what is
// wrong with it: each line must follow the one before and be what was written there, the first
// must follow the checkpoint, and the last be the one that the box wrote last. It needs no key
// of a day, so lines that have aged are held against their links as well. It needs
// [policy.SeeAudit], else [ErrNotAllowed]; the error is else that of ctx, or wraps [ErrDown] or
// [ErrDamaged]. It is a line of the trail itself.
func (r *Reader) VerifyAudit(ctx context.Context) (AuditReport, error) {
	if !r.s.may(r.v, policy.SeeAudit) {
		return AuditReport{}, ErrNotAllowed
	}
	if err := r.s.note(ctx, look{viewer: r.v, what: "verify audit trail"}); err != nil {
		return AuditReport{}, fmt.Errorf("note the look: %w", err)
	}
	v := verifier{s: r.s, key: r.s.linkKey(), report: AuditReport{NotFound: notFound}}
	defer clear(v.key[:])
	for first := true; first || !v.done; first = false {
		if err := ctx.Err(); err != nil {
			return AuditReport{}, err
		}
		if err := r.s.viewTrail(func(tx *bbolt.Tx) error {
			if first {
				v.begin(tx)
			}
			v.some(tx)
			return nil
		}); err != nil {
			return AuditReport{}, err
		}
	}
	v.moved()
	return v.report, nil
}

// viewTrail reads the database in one transaction.
func (s *Store) viewTrail(f func(*bbolt.Tx) error) error {
	return s.viewAudit(func(b *bbolt.Bucket) error { return f(b.Tx()) })
}

// verifier goes through the trail once.
type verifier struct {
	s      *Store
	key    seal.Key
	report AuditReport
	done   bool

	newest uint64 // by the count at the beginning
	end    link   // its link
	last   uint64 // number of the line before, or of the checkpoint
	link   link   // its link
	prevs  []link // what that may have been when the line was written
	sure   bool   // it is the one in prevs
	seek   []byte
	bad    []row    // lines that are not what was written there
	lost   []uint64 // numbers whose lines are missing or wrong
}

// begin reads where the trail begins and ends.
func (v *verifier) begin(tx *bbolt.Tx) {
	c := v.s.readCheckpoint(tx)
	v.from(&c)
	v.seek = keyOf(0)
	rep := &v.report
	rep.Dropped, rep.DroppedBad, rep.DroppedEarly = c.Last, c.Bad, c.Early
	if c.Since != 0 {
		rep.DroppedSince = time.UnixMilli(c.Since).UTC()
	}
	if c.damaged {
		v.fault(c.Last+1, 0, BadCheckpoint)
	}
	plain, err := v.s.openBox(bucketFormat, keyCount, tx.Bucket(bucketFormat).Get(keyCount))
	if err != nil || len(plain) != countSize {
		k, _ := tx.Bucket(bucketAudit).Cursor().Last()
		v.newest = uint64(idOf(k))
		v.fault(v.newest, 0, BadEnd)
		return
	}
	v.newest = binary.BigEndian.Uint64(plain[24:])
	copy(v.end[:], plain[32:])
	if v.s.trail.lostEnd {
		v.fault(v.newest, 0, BadEnd)
	}
	cur := tx.Bucket(bucketAudit).Cursor()
	k, _ := cur.Last() // as who reads the trail does: a damaged branch may lead a search past it
	for n := 0; uint64(idOf(k)) > v.newest && n < maxFaults; n++ {
		v.fault(uint64(idOf(k)), 1, Added)
		k, _ = cur.Prev()
	}
}

// some goes through some hundred lines, and at the end looks at that.
func (v *verifier) some(tx *bbolt.Tx) {
	if c := v.s.readCheckpoint(tx); c.Last > v.last {
		v.from(&c) // lines were removed in the meantime
	}
	cur := tx.Bucket(bucketAudit).Cursor()
	k, value := cur.Seek(v.seek)
	for n := 0; k != nil && n < dropLines; n++ {
		if v.line(k, value); v.done {
			return
		}
		k, value = cur.Next()
	}
	from := v.seek
	if v.seek = bytes.Clone(k); bytes.Compare(k, from) > 0 {
		return
	}
	v.finish() // or the keys of the pages lead back, as damaged ones can: what follows counts as cut
}

// from goes on behind a checkpoint.
func (v *verifier) from(c *checkpoint) {
	v.last, v.link, v.prevs, v.sure = c.Last, c.link(), v.prevs[:0], !c.damaged
	if v.sure {
		v.prevs = append(v.prevs, v.link)
	}
}

func (v *verifier) finish() {
	v.report.Link = hex.EncodeToString(v.link[:])
	if v.done = true; v.last < v.newest {
		v.fault(v.last+1, v.newest-v.last, CutEnd)
		v.candidates(v.last+1, v.newest)
	}
}

// line looks at one line.
func (v *verifier) line(k, value []byte) {
	n := uint64(idOf(k))
	rep := &v.report
	switch {
	case n > v.newest:
		v.finish() // what follows was written since, or was told at the beginning
		return
	case len(k) != 8, n <= v.last:
		v.fault(n, 1, Added)
		return
	}
	if rep.Lines++; rep.First == 0 {
		rep.First = n
	}
	rep.Newest = n
	if missing := n - v.last - 1; missing > 0 {
		v.fault(v.last+1, missing, v.cut(k, value))
		v.candidates(v.last+1, n-1)
		v.prevs, v.sure = v.prevs[:0], false
	}
	l, _, _, err := splitLine(value)
	fits := err == nil && slices.ContainsFunc(v.prevs, func(prev link) bool { return nextLink(&v.key, prev, n, value) == l })
	if err == nil && !fits && !v.sure {
		// What was the link of the line before is not known. The line opens in its own place
		// alone; one whose time is over is held against by the next.
		_, err := v.s.openLine(k, value)
		fits = err != errRow
	}
	if n == v.newest && v.end != (link{}) && v.end != l {
		fits = false
	}
	v.last, v.link = n, l
	if fits {
		v.prevs, v.sure = append(v.prevs[:0], l), true
		return
	}
	v.changed(k, value)
	if len(v.prevs) >= maxPrevs {
		v.prevs = v.prevs[:copy(v.prevs, v.prevs[2:])]
	}
	if len(v.prevs) > 0 && err == nil {
		v.prevs = append(v.prevs, nextLink(&v.key, v.prevs[0], n, value))
	}
	v.prevs, v.sure = append(v.prevs, l), false
}

// cut tells how lines before one are missing.
func (v *verifier) cut(k, value []byte) Fault {
	if j, err := v.s.openLine(k, value); err == nil && j.By == ByBox && j.What == whatCutEnd {
		return CutEnd // and a start of the box has found it so
	}
	if v.report.Lines == 1 {
		return CutBeginning
	}
	return CutMiddle
}

// changed notes a line that is not what was written there.
func (v *verifier) changed(k, value []byte) {
	n := uint64(idOf(k))
	if len(value) <= maxLine && len(v.bad) < maxFaults {
		v.bad = append(v.bad, row{bytes.Clone(k), bytes.Clone(value)})
	}
	v.fault(n, 1, Changed)
	v.candidates(n, n)
}

// candidates notes numbers whose lines are not where they were.
func (v *verifier) candidates(from, to uint64) {
	for n := from; n <= to && len(v.lost) < 2*maxFaults; n++ {
		v.lost = append(v.lost, n)
	}
}

// moved tells of lines that are not what was written there whether they were written elsewhere:
// each opens in its own place alone. That is tried with where lines are missing or wrong, and
// what is near.
func (v *verifier) moved() {
	for _, r := range v.bad {
		n := uint64(idOf(r.key))
		tries := slices.Clone(v.lost)
		for d := uint64(1); d <= 2*maxFaults; d++ {
			tries = append(tries, n+d, n-min(d, n))
		}
		for _, of := range tries {
			if of == n || of == 0 {
				continue
			}
			if _, err := v.s.openLine(keyOf(of), r.value); err != nil {
				continue
			}
			for i := range v.report.Faults {
				if f := &v.report.Faults[i]; f.Line == n && f.Fault == Changed {
					f.Fault, f.Of = Moved, of
				}
			}
			break
		}
	}
	slices.SortStableFunc(v.report.Faults, func(a, b AuditFault) int { return cmp.Compare(a.Line, b.Line) })
}

// fault adds one to the report.
func (v *verifier) fault(line, lines uint64, kind Fault) {
	rep := &v.report
	rep.Bad += max(lines, 1)
	if len(rep.Faults) < maxFaults {
		rep.Faults = append(rep.Faults, AuditFault{Line: line, Lines: max(lines, 1), Fault: kind})
	}
}
