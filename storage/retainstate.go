package storage

import (
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"

	"sotto/pbx/plan"
	"sotto/storage/keyring"
	"sotto/storage/policy"
)

// retainer is the state of what keeps to the terms, under Store.wmu but for removed.
type retainer struct {
	belief   belief
	saw      time.Time // when the clock was looked at last
	saved    time.Time // when the belief was last written
	since    int       // the first day that this run can have begun
	unsure   int       // 1 and the first day begun since the clock was not what is believed; 0: it is
	redated  [2]int    // from which day to before which the dates are others than on the medium
	forgot   forgotten
	begun    forgotten // of runs before this: what a power cut may have brought back goes again
	planSeen Rev       // revision of the plan in which it was looked for users who have left

	run   *sweepRun // the sweep under way, or the last; nil: none in this run
	asked bool      // the terms have changed: sweep again
	calm  bool      // nothing is done by itself: for tests that count transactions

	settingsRev  Rev           // how often they were saved
	settingsLost atomic.Bool   // what was saved is damaged
	unproven     atomic.Uint64 // kinds whose last proof failed

	removed atomic.Pointer[map[keyring.Subject]keyring.Day] // users who have left the plan, and the box's day of that
}

// forgotten has for each class the first of the box's days that was not yet to be forgotten.
type forgotten [keyring.Audit + 1]keyring.Day

// stateJSON is the row of the retainer's state.
type stateJSON struct {
	Clock   belief                 `json:"clock"`
	Unsure  int                    `json:"unsure,omitempty"`
	Forgot  forgotten              `json:"forgot"`
	Removed map[string]keyring.Day `json:"removed,omitempty"` // by subject, in hexadecimal
}

var keyState = []byte("state")

const (
	stateEvery = time.Hour        // how often the belief is written
	lookEvery  = 10 * time.Minute // how often the clock is looked at, and the belief written after a leap
)

// believe looks at the clock. It is under wmu.
func (s *Store) believe() {
	k := &s.keeper
	now, ran, first := time.Now(), time.Duration(0), k.saw.IsZero()
	if first {
		k.since = len(s.table())
	} else {
		ran = now.Sub(k.saw)
	}
	k.saw = now
	before := k.belief
	moved := k.belief.look(s.clock(), ran)
	leapt := k.belief.At - before.At - ran.Milliseconds()
	if moved > 0 || before == (belief{}) {
		leapt = 0 // that is told; or it is the first look of all
	}
	if moved > 0 && before.date() < int32(unsetBefore/aDay) {
		s.redate(0, func(_ int, d *day) int32 {
			if d.term >= int32(unsetBefore/aDay) {
				return d.term
			}
			return laterBy(d.term, moved)
		})
	}
	switch doubtful := k.belief.doubts(s.clock()); {
	case doubtful && k.unsure == 0:
		// Days of a run that a power cut ended may be in doubt, too, and the state not say so yet.
		t, from := s.table(), k.since
		for from > 0 && t[from-1].date > t[from-1].term {
			from--
		}
		k.unsure = from + 1
	case !doubtful && !first && (k.unsure > 0 && k.belief.Ahead == 0 || leapt > leapDrift):
		// Within a run the box knows how much time has passed, whatever the clock showed: the days of
		// this run get no older by that it is believed now. How much had passed before it was started is
		// in the clock's dates of the days since it is not sure, or nowhere: then they are of today.
		from := k.since
		if k.unsure > 0 {
			from = min(from, k.unsure-1)
		}
		s.redate(from, func(i int, d *day) int32 {
			later := laterBy(d.term, leapt)
			if i < k.since {
				later = laterBy(d.date, k.belief.Ahead)
			}
			switch {
			case i < k.since && later < d.term:
				return k.belief.date()
			case i >= k.since && d.date == later-1:
				return d.date
			}
			return later
		})
		k.unsure = 0
	}
}

// laterBy gives a date later by some ms, rounded up.
func laterBy(date int32, ms int64) int32 { return int32((int64(date)*aDay + ms + aDay - 1) / aDay) }

// redate makes the believed dates of days from one on later, where they are to be, but not later
// than those of the days after.
func (s *Store) redate(from int, to func(int, *day) int32) {
	k := &s.keeper
	old := s.table()
	t, most := slices.Clone(old), k.belief.date()
	for i := len(t) - 1; i >= from; i-- {
		most = max(min(most, to(i, &t[i])), t[i].term)
		t[i].term = most
	}
	for i := from; i < len(t); i++ {
		if i > 0 {
			t[i].term = max(t[i].term, t[i-1].term)
		}
		if t[i] == old[i] {
			continue
		}
		if k.redated[1] == 0 {
			k.redated[0] = i
		}
		k.redated = [2]int{min(k.redated[0], i), max(k.redated[1], i+1)}
	}
	if k.redated[1] > 0 {
		s.days.Store(&t)
	}
}

// putState writes the state, with a new day if it is time for one, and what more there is. It
// is under wmu.
func (s *Store) putState(more func(*bbolt.Tx, []day) error) error {
	k := &s.keeper
	t := s.nextTable(s.last + 1)
	removed := k.former()
	s.putting = t
	if err := s.commit(func(tx *bbolt.Tx) error {
		if more != nil {
			if err := more(tx, t); err != nil {
				return err
			}
		}
		return s.putStateRow(tx, removed)
	}); err != nil {
		return err
	}
	k.saved = time.Now()
	return nil
}

func (s *Store) putStateRow(tx *bbolt.Tx, removed map[keyring.Subject]keyring.Day) error {
	j := s.keeper.state()
	for subject, day := range removed {
		j.Removed[subject.String()] = day
	}
	plain, err := json.Marshal(&j)
	if err != nil {
		return err
	}
	b := tx.Bucket(bucketSettings)
	if b == nil {
		return ErrDamaged
	}
	return b.Put(keyState, s.sealBox(bucketSettings, keyState, plain))
}

// loadState reads the state. Without it, or with a damaged one, terms go on from the newest day.
func (s *Store) loadState(b *bbolt.Bucket) {
	k := &s.keeper
	var j stateJSON
	lost := false
	removed := map[keyring.Subject]keyring.Day{}
	if value := b.Get(keyState); value != nil {
		plain, err := s.openBox(bucketSettings, keyState, value)
		if err != nil || json.Unmarshal(plain, &j) != nil || j.Clock.At < 0 || j.Clock.At > lastDate*aDay {
			j, lost = stateJSON{}, true
			for c := range j.Forgot {
				j.Forgot[c] = s.today()
			}
			s.unreadable.Add(1)
			s.log.Error("the state of the terms is damaged; users who have left the plan are taken to have left today")
		}
	}
	for text, day := range j.Removed {
		if b, err := hex.DecodeString(text); err == nil && len(b) == len(keyring.Subject{}) {
			removed[keyring.Subject(b)] = min(day, s.today())
		}
	}
	k.restore(&j, s.table())
	if !lost {
		k.begun = j.Forgot
	}
	k.removed.Store(&removed)
}

// state gives what is kept of the retainer, but for the users who have left.
func (k *retainer) state() stateJSON {
	return stateJSON{k.belief, k.unsure, k.forgot, map[string]keyring.Day{}}
}

// restore takes it up again at a start.
func (k *retainer) restore(j *stateJSON, t []day) {
	k.belief, k.unsure, k.forgot = j.Clock, min(max(j.Unsure, 0), len(t)+1), j.Forgot
	if len(t) > 0 {
		k.belief.At = max(k.belief.At, int64(t[len(t)-1].term)*aDay, 1) // 0 is a clock that nobody has looked at
	}
}

// noteForgot notes how far a class was to forget; the state is written soon after.
func (s *Store) noteForgot(class keyring.Class, first keyring.Day) {
	k := &s.keeper
	if int(class) < len(k.forgot) && first > k.forgot[class] {
		k.forgot[class], k.saved = first, time.Time{}
	}
}

// former gives the users who have left the plan, and the day of that. It is not changed.
func (k *retainer) former() map[keyring.Subject]keyring.Day {
	if p := k.removed.Load(); p != nil {
		return *p
	}
	return nil
}

// noteRemoved notes who has left the plan since the last time, and forgets who has come back
// or of whom nothing is left. It is under wmu.
func (s *Store) noteRemoved() error {
	k := &s.keeper
	at := s.plan.Load()
	if at.rev == 0 {
		return nil
	}
	old := k.former()
	now := make(map[keyring.Subject]keyring.Day, len(old))
	var left []keyring.Subject
	for _, subject := range s.ring.Subjects(keyring.User) {
		_, id, ok := s.ring.Name(subject)
		if !ok || at.users[plan.UserID(id)] != nil {
			continue
		}
		day, noted := old[subject]
		if now[subject] = day; !noted {
			left = append(left, subject)
		}
	}
	if len(left) > 0 || len(now) != len(old) {
		t := s.nextTable(s.last + 1)
		for _, subject := range left {
			now[subject] = keyring.Day(len(t) - 1)
		}
		k.removed.Store(&now)
		if err := s.putState(nil); err != nil {
			k.removed.Store(&old)
			return err
		}
	}
	k.planSeen = at.rev
	return nil
}

// removedOn tells of a user who has left the plan on what date that was, and on what date the
// box erases what it keeps of that user, both midnight in UTC; false if it does not know of
// such a one, as in the first minutes after.
func (s *Store) removedOn(user plan.UserID) (removed, goes time.Time, ok bool) {
	subject, known := s.ring.Lookup(keyring.User, string(user))
	day, ok := s.keeper.former()[subject]
	t := s.table()
	if !known || !ok || int(day) >= len(t) {
		return time.Time{}, time.Time{}, false
	}
	return dateTime(t[day].term), dateTime(t[day].term + int32(s.policy().Keep[policy.Removed]) + 1), true
}

// dueUsers gives the users who left the plan so long ago that a term of some days is over on a
// date, longest ago first.
func (s *Store) dueUsers(term int, date int32) (due []keyring.Subject) {
	gone, t := s.keeper.former(), s.table()
	for subject, day := range gone {
		if int(day) < len(t) && t[day].term+int32(term) < date {
			due = append(due, subject)
		}
	}
	slices.SortFunc(due, func(a, b keyring.Subject) int { return int(gone[a]) - int(gone[b]) })
	return due
}

// dateTime gives midnight of a date that is given as days since 1970.
func dateTime(date int32) time.Time { return time.Unix(int64(date)*86400, 0).UTC() }

// without gives a copy of the users who have left, without some.
func (k *retainer) without(some []keyring.Subject) map[keyring.Subject]keyring.Day {
	m := maps.Clone(k.former())
	for _, subject := range some {
		delete(m, subject)
	}
	return m
}

// view reads the database in one transaction, which is not to last long.
func (s *Store) view(f func(*bbolt.Tx) error) error {
	return guard(func() error { return s.db.View(f) })
}
