package storage

import (
	"encoding/binary"
	"encoding/json"
	"slices"
	"sort"
	"time"

	"go.etcd.io/bbolt"

	"sotto/storage/keyring"
)

// The box counts days of its own, because its clock may be wrong and keys must not suffer
// from that: a new day begins when the clock's date (UTC) is another than before, forwards
// or backwards. The table of the days is small and in memory; each row is written with the
// first record of its day.

// dayPause is what passes at least, of running, between two new days.
const dayPause = 10 * time.Minute

// day is one of the box's days; its number is its place in the table.
type day struct {
	date  int32    // days since 1970
	first RecordID // the first record of this day or later
	most  int32    // minutes that its longest call lasted, rounded up to a power of two
}

// dayJSON is a row of the bucket of days.
type dayJSON struct {
	Date  int32    `json:"d"`
	First RecordID `json:"f"`
	Most  int32    `json:"l,omitempty"`
}

// table gives the days there are, from day 0. It never changes.
func (s *Store) table() []day {
	if t := s.days.Load(); t != nil {
		return *t
	}
	return nil
}

// today gives the newest day, 0 if there was none yet: the day of what is written now.
func (s *Store) today() keyring.Day { return keyring.Day(max(len(s.table()), 1) - 1) }

// dayOf gives the day of a record; false if that is not known, because there is none.
func (s *Store) dayOf(id RecordID) (keyring.Day, bool) {
	t := s.table()
	i := sort.Search(len(t), func(i int) bool { return t[i].first > id })
	return keyring.Day(max(i-1, 0)), i > 0
}

// dateOf gives the date of a time as days since 1970.
func dateOf(t time.Time) int32 {
	return int32(min(max(t.Unix()/86400, 0), 1<<31-1))
}

// stretches gives where each stretch of records begins within which the box's date only went
// forwards, newest first; without a wish for time all records are one.
func (s *Store) stretches(timed bool) []RecordID {
	list := []RecordID{s.oldestID()}
	if !timed {
		return list
	}
	t := s.table()
	for i := 1; i < len(t); i++ {
		if t[i].date < t[i-1].date && t[i].first > list[len(list)-1] {
			list = append(list, t[i].first)
		}
	}
	slices.Reverse(list)
	return list
}

// nextTable gives the table with which a record is written whose id is next: with a new day
// if the date has changed. It is under wmu.
func (s *Store) nextTable(next RecordID) []day {
	t := s.table()
	date := dateOf(s.clock())
	if len(t) == 0 || len(t) < maxDays && t[len(t)-1].date != date && (s.dayBegan.IsZero() || time.Since(s.dayBegan) >= dayPause) {
		t = append(slices.Clip(t), day{date: date, first: next})
	}
	return t
}

// withCall gives the table t with a call of its newest day that lasted as long as d.
func withCall(t []day, d time.Duration) []day {
	n, most := len(t)-1, int32(1)
	for ; time.Duration(most)*time.Minute < min(d, longest); most *= 2 {
	}
	if n < 0 || t[n].most >= most {
		return t
	}
	t = slices.Clone(t)
	t[n].most = most
	return t
}

// longestCall gives what no call in the store has lasted longer than. It is of all days,
// because those of a call and of its record need not be the same: clocks are set, and a full
// disk keeps records waiting.
func (s *Store) longestCall() time.Duration {
	most := int32(0)
	for _, d := range s.table() {
		most = max(most, d.most)
	}
	return min(time.Duration(most)*time.Minute, longest)
}

// putDays writes the rows of the days of a table that the box has not, or not so.
func (s *Store) putDays(tx *bbolt.Tx, t []day) error {
	b := tx.Bucket(bucketDays)
	if b == nil {
		return ErrDamaged
	}
	old := s.table()
	from := len(old)
	if from > 0 && t[from-1] != old[from-1] {
		from--
	}
	for i := from; i < len(t); i++ {
		plain, err := json.Marshal(dayJSON{t[i].date, t[i].first, t[i].most})
		if err != nil {
			return err
		}
		key := dayKey(i)
		if err := b.Put(key, s.sealBox(bucketDays, key, plain)); err != nil {
			return err
		}
	}
	return b.SetSequence(uint64(len(t)))
}

// tookDays makes t the table once it is durable.
func (s *Store) tookDays(t []day) {
	old := s.table()
	if len(t) > len(old) {
		s.dayBegan = time.Now()
	}
	if n := len(t); n > len(old) || n > 0 && t[n-1] != old[n-1] {
		s.days.Store(&t)
	}
}

func dayKey(n int) []byte { return binary.BigEndian.AppendUint32(nil, uint32(n)) }

// maxDays is more days than a box has in twenty years of a clock that is never right.
const maxDays = 1 << 20

// loadDays reads the table. A day whose row is damaged or missing keeps its number, so that
// no chain is asked for a day that it has forgotten; its records are taken for those of the
// day before and show as damaged.
func (s *Store) loadDays(b *bbolt.Bucket, last RecordID) error {
	n := b.Sequence()
	if k, _ := b.Cursor().Last(); len(k) == 4 {
		n = max(n, uint64(binary.BigEndian.Uint32(k))+1)
	}
	if n > maxDays {
		return ErrDamaged
	}
	t := make([]day, n)
	var bad uint64
	next := day{first: last + 1}
	for i := len(t) - 1; i >= 0; i-- {
		key := dayKey(i)
		var j dayJSON
		plain, err := s.openBox(bucketDays, key, b.Get(key))
		if err != nil || json.Unmarshal(plain, &j) != nil || j.First == 0 || j.First > next.first {
			bad++
			next.most = int32(longest / time.Minute)
		} else {
			next = day{j.Date, j.First, j.Most}
		}
		t[i] = next
	}
	if bad > 0 {
		s.doubt = true
		s.unreadable.Add(bad)
		s.log.Error("days of the box are damaged or missing; their call records cannot be read", "count", bad)
	}
	if n > 0 {
		s.days.Store(&t)
	}
	return nil
}
