package formattest

import (
	"encoding/binary"
	"fmt"
	"sort"
)

// entryRow is an entry of a journal. far is nil if the other end is nobody known, or was not to
// be kept.
type entryRow struct {
	owner id
	n     uint64
	day   uint32
	facts entryFacts
	far   *party
}

type entryFacts struct {
	Began     int64  `json:"b"`
	Rang      int64  `json:"r"`
	Talked    int64  `json:"t"`
	Outcome   int    `json:"o"`
	Cause     int    `json:"c"`
	Held      int    `json:"h"`
	Emergency int    `json:"e"`
	In        int    `json:"i"`
	Line      string `json:"l"`
	NoLine    int    `json:"x"`
	Private   int    `json:"p"`
	Code      string `json:"a"`
}

// readJournals reads all entries whose owner's part opens.
func (f *folder) readJournals() error {
	for _, e := range f.rows("byFar") {
		if len(e.key) != 40 || len(e.value) != 0 {
			return fmt.Errorf("%w: key of %d bytes in byFar", errFormat, len(e.key))
		}
		f.byFar[string(e.key)] = true
	}
	for _, e := range f.rows("journal") {
		if len(e.key) != 24 {
			return fmt.Errorf("%w: key of %d bytes in journal", errFormat, len(e.key))
		}
		j := entryRow{owner: id(e.key), n: binary.BigEndian.Uint64(e.key[16:])}
		if b := f.buckets["journal"]; j.n == 0 || j.n > b.sequence {
			return fmt.Errorf("%w: entry %d, the sequence says %d", errFormat, j.n, b.sequence)
		}
		j.day = uint32(sort.Search(len(f.days), func(i int) bool { return f.days[i].Entry > j.n }) - 1)
		if err := f.readEntry(&j, e); err != nil {
			return fmt.Errorf("entry %d of day %d: %w", j.n, j.day, err)
		}
		f.entries = append(f.entries, j)
	}
	sort.Slice(f.entries, func(a, b int) bool { return f.entries[a].n < f.entries[b].n })
	return nil
}

func (f *folder) readEntry(j *entryRow, e element) error {
	r, err := parseRowOf(j.owner, e.value)
	if err != nil {
		return err
	}
	if r.parts[0].class != journal || len(r.parts) > 3 {
		return fmt.Errorf("%w: %d parts, the first of class %d", errFormat, len(r.parts), r.parts[0].class)
	}
	b, err := f.partOf(r, 0, "journal", e.key, j.day)
	if err == nil {
		err = strict(b, &j.facts)
	}
	if err != nil || len(r.parts) == 1 {
		return err
	}
	p := &party{who: r.parts[1].who}
	p.known, j.far = f.ring.all[p.who], p
	if r.parts[1].class != journal || len(r.parts) == 3 && (r.parts[2].class != digits || r.parts[2].who != p.who) {
		return fmt.Errorf("%w: the other end's parts", errFormat)
	}
	if b, err = f.partOf(r, 1, "journal", e.key, j.day); err == nil {
		err = strict(b, p)
	}
	if p.err = err; err != nil && err != errErased && err != errAged {
		return err
	}
	if len(r.parts) == 3 {
		p.hasDigits = true
		b, err = f.partOf(r, 2, "journal", e.key, j.day)
		p.last = string(b)
		if p.lastErr = err; err != nil && err != errErased && err != errAged {
			return err
		}
	}
	return nil
}

// readCounts reads the counts of all days.
func (f *folder) readCounts() error {
	for _, e := range f.rows("counts") {
		var v struct {
			Counts [][5]int64 `json:"c"`
		}
		day := binary.BigEndian.Uint32(e.key)
		b, err := f.single("counts", e, day, e.value, counts)
		if err == nil {
			err = strict(b, &v)
		}
		if err != nil {
			return fmt.Errorf("counts of day %d: %w", day, err)
		}
		f.counts[day] = v.Counts
	}
	return nil
}

// single opens a row that has one part, the box's.
func (f *folder) single(bucket string, e element, day uint32, value []byte, class byte) ([]byte, error) {
	r, err := parseRow(value)
	if err != nil {
		return nil, err
	}
	if len(r.parts) != 1 || r.parts[0].class != class {
		return nil, fmt.Errorf("%w: %d parts, the first of class %d", errFormat, len(r.parts), r.parts[0].class)
	}
	return f.partOf(r, 0, bucket, e.key, day)
}
