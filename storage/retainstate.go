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
	redated  int       // how many of the first days have other dates than on the medium
	forgot   forgotten
	planSeen Rev // revision of the plan in which it was looked for users who have left

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
	now, ran := time.Now(), time.Duration(0)
	if !k.saw.IsZero() {
		ran = now.Sub(k.saw)
	}
	k.saw = now
	before := k.belief.date()
	moved := k.belief.look(s.clock(), ran)
	if moved <= 0 || before >= int32(unsetBefore/aDay) {
		return
	}
	// The clock was never set until now: the days until then were later.
	t := slices.Clone(s.table())
	for i := range t {
		if t[i].term >= int32(unsetBefore/aDay) {
			break
		}
		t[i].term = min(int32((int64(t[i].term)*aDay+moved+aDay-1)/aDay), k.belief.date())
		k.redated = max(k.redated, i+1)
	}
	if k.redated > 0 {
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
	j := stateJSON{s.keeper.belief, s.keeper.forgot, map[string]keyring.Day{}}
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
	removed := map[keyring.Subject]keyring.Day{}
	if value := b.Get(keyState); value != nil {
		plain, err := s.openBox(bucketSettings, keyState, value)
		if err != nil || json.Unmarshal(plain, &j) != nil || j.Clock.At < 0 || j.Clock.At > lastDate*aDay {
			j = stateJSON{}
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
	if t := s.table(); len(t) > 0 {
		j.Clock.At = max(j.Clock.At, int64(t[len(t)-1].term)*aDay, 1) // 0 is a clock that nobody has looked at
	}
	k.belief, k.forgot = j.Clock, j.Forgot
	k.removed.Store(&removed)
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
