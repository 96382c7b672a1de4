package storage

import (
	"encoding/binary"
	"encoding/json"
	"errors"
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
	entry RecordID // the first entry of a journal of this day or later
	most  int32    // minutes that its longest call lasted, rounded up to a power of two
	term  int32    // the believed date of it, days since 1970: what terms count from; never less than of the day before
}

// dayJSON is a row of the bucket of days.
type dayJSON struct {
	Date  int32    `json:"d"`
	First RecordID `json:"f"`
	Entry RecordID `json:"j"`
	Most  int32    `json:"l,omitempty"`
	Term  int32    `json:"b,omitempty"` // how much later than Date the believed date is
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
// if the clock's date or the believed one has changed. It is under wmu.
func (s *Store) nextTable(next RecordID) []day {
	s.believe()
	t := s.table()
	d := day{date: dateOf(s.clock()), first: next, entry: s.lastEntry + 1, term: s.keeper.belief.date()}
	if n := len(t) - 1; n >= 0 {
		switch d.term = max(d.term, t[n].term); {
		case t[n].date == d.date && t[n].term == d.term, len(t) >= maxDays:
			return t
		case !s.dayBegan.IsZero() && time.Since(s.dayBegan) < dayPause:
			if t[n].term < d.term { // so that nothing goes early; what is of before midnight goes minutes late
				t = slices.Clone(t)
				t[n].term = d.term
			}
			return t
		}
	}
	return append(slices.Clip(t), d)
}

// dayToWrite gives the table of days with one at its end that the box's chain of a class can
// seal. It is under wmu. What is sealed on that day has the table in putting when it is
// committed, so that all of one transaction is of one day, midnight or not.
func (s *Store) dayToWrite(class keyring.Class) ([]day, error) {
	days := s.nextTable(s.last + 1)
	for {
		k, err := s.ring.SealKey(keyring.Subject{}, class, keyring.Day(len(days)-1))
		clear(k[:])
		if !errors.Is(err, keyring.ErrAged) || len(days) >= maxDays {
			return days, err
		}
		days = s.oneMore(days)
	}
}

// oneMore gives the table with another day: a chain has forgotten the newest, because the
// database is older than the keyring. Days that were lost with it have had their numbers.
func (s *Store) oneMore(days []day) []day {
	days = append(slices.Clip(days), days[len(days)-1])
	days[len(days)-1].first, days[len(days)-1].entry = s.last+1, s.lastEntry+1
	return days
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

// putDays writes the rows of the days of a table that the box has not, or not so. It is for
// [Store.commit] alone, which makes it the table once it is durable.
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
	for i := s.keeper.redated[0]; i < min(s.keeper.redated[1], from); i++ {
		if err := s.putDay(b, i, &t[i]); err != nil {
			return err
		}
	}
	for i := from; i < len(t); i++ {
		if err := s.putDay(b, i, &t[i]); err != nil {
			return err
		}
	}
	return b.SetSequence(uint64(len(t)))
}

func (s *Store) putDay(b *bbolt.Bucket, n int, d *day) error {
	plain, err := json.Marshal(dayJSON{d.date, d.first, d.entry, d.most, d.term - d.date})
	if err != nil {
		return err
	}
	key := dayKey(n)
	return b.Put(key, s.sealBox(bucketDays, key, plain))
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
	s.keeper.redated = [2]int{}
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
	next := day{first: last + 1, entry: s.lastEntry + 1, term: lastDate}
	for i := len(t) - 1; i >= 0; i-- {
		key := dayKey(i)
		var j dayJSON
		plain, err := s.openBox(bucketDays, key, b.Get(key))
		if err != nil || json.Unmarshal(plain, &j) != nil || j.First == 0 || j.First > next.first || j.Entry == 0 || j.Entry > next.entry {
			bad++
			next.most = int32(longest / time.Minute)
		} else {
			next = day{j.Date, j.First, j.Entry, j.Most, min(j.Date+j.Term, next.term)}
		}
		t[i] = next
	}
	for i := range t { // a date that is not known is that of the day after, else of the day before
		if t[i].term == lastDate {
			t[i].term = 0
			if i > 0 {
				t[i].term = t[i-1].term
			}
		}
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
