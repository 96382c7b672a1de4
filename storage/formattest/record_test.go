package formattest

import (
	"encoding/binary"
	"fmt"
	"sort"
)

// record is one call. A party that is nil is nobody known, or was not to be kept.
type record struct {
	id    uint64
	day   uint32
	err   error // errAged: its facts are gone
	facts facts
	row   row
	sides [2]*party // who called, who was called
}

type facts struct {
	Began     int64  `json:"b"`
	Rang      int64  `json:"r"`
	Talked    int64  `json:"t"`
	Outcome   int    `json:"o"`
	Cause     int    `json:"c"`
	Held      int    `json:"h"`
	Emergency int    `json:"e"`
	FromLine  string `json:"fl"`
	ToLine    string `json:"tl"`
	From      int    `json:"f"`
	To        int    `json:"g"`
	NoLine    int    `json:"x"`
	Private   int    `json:"p"`
	Code      string `json:"a"`
	FromSound []any  `json:"fq"`
	ToSound   []any  `json:"tq"`
}

// party is a person in a record.
type party struct {
	who       id
	err       error // of the part of class 1: errErased or errAged
	known     *entry
	Ext       string `json:"e"`
	Number    string `json:"n"`
	Place     string `json:"p"`
	last      string // digits: of class 2
	lastErr   error
	hasDigits bool
}

// dayOf gives the day that was the newest when a record was written.
func (f *folder) dayOf(record uint64) uint32 {
	return uint32(sort.Search(len(f.days), func(i int) bool { return f.days[i].First > record }) - 1)
}

func (f *folder) readRecords() error {
	for _, e := range f.rows("records") {
		r := record{id: binary.BigEndian.Uint64(e.key)}
		r.day = f.dayOf(r.id)
		if err := f.readRecord(&r, e); err != nil {
			return fmt.Errorf("record %d of day %d: %w", r.id, r.day, err)
		}
		if want := f.oldest + uint64(len(f.records)); r.id != want {
			return fmt.Errorf("%w: record %d stands where %d should", errFormat, r.id, want)
		}
		f.records = append(f.records, r)
	}
	if b := f.buckets["records"]; b != nil && b.sequence+1 != f.oldest+uint64(len(f.records)) {
		return fmt.Errorf("%w: %d records from %d on, the sequence says %d", errFormat, len(f.records), f.oldest, b.sequence)
	}
	return nil
}

// partOf opens part n of a row. What has no key, and what was removed, is errErased or errAged.
func (f *folder) partOf(r row, n int, bucket string, name []byte, day uint32) ([]byte, error) {
	k, err := f.ring.key(r.parts[n].who, r.parts[n].class, day)
	switch {
	case err != nil:
		return nil, err
	case r.parts[n].sealed == nil:
		return nil, fmt.Errorf("%w: part %d was removed and its key is there", errFormat, n)
	}
	b, err := r.open(k, n, bucket, name)
	if err != nil {
		return nil, fmt.Errorf("part %d: %w", n, err)
	}
	return b, nil
}

func (f *folder) readRecord(r *record, e element) (err error) {
	if r.row, err = parseRow(e.value); err != nil {
		return err
	}
	b, err := f.partOf(r.row, 0, "records", e.key, r.day)
	if err == errAged {
		r.err = err
		return nil
	}
	if err == nil {
		err = strict(b, &r.facts)
	}
	if err != nil {
		return err
	}
	for i, n := range []int{r.facts.From, r.facts.To} {
		if n == 0 {
			continue
		}
		if n >= len(r.row.parts) || r.row.parts[n].class != calls {
			return fmt.Errorf("%w: part %d is no person's", errFormat, n)
		}
		p := &party{who: r.row.parts[n].who}
		p.known = f.ring.all[p.who]
		r.sides[i] = p
		if b, err = f.partOf(r.row, n, "records", e.key, r.day); err == nil {
			err = strict(b, p)
		}
		if p.err = err; err != nil && err != errErased && err != errAged {
			return err
		}
		if n+1 < len(r.row.parts) && r.row.parts[n+1].class == digits && r.row.parts[n+1].who == p.who {
			p.hasDigits = true
			b, err = f.partOf(r.row, n+1, "records", e.key, r.day)
			p.last = string(b)
			if p.lastErr = err; err != nil && err != errErased && err != errAged {
				return err
			}
		}
	}
	return nil
}
