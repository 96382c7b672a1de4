package storage

import (
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"sotto/pbx"
	"sotto/pbx/plan"
)

// MaxBindings bounds the telephones of one user that the store keeps.
const MaxBindings = 64

// bindingPause is how long after a transaction with bindings the next of theirs stays in
// the queue. Telephones register again and again, and only the last time counts: so a
// storm of them costs the medium one transaction a second, and one alone waits for none.
const bindingPause = time.Second

// SaveBindings queues what is registered for a user for the writer: the last list for a
// user counts, and an empty one removes what there was. It may be called by any goroutine,
// never blocks on I/O and never fails. A list is lost, and counted in [Health], when the
// store is down, when its user is not in the plan with SIP, or when it is of more than
// [MaxBindings] or 64 KiB. The Path of an element must not be changed afterwards.
func (s *Store) SaveBindings(user plan.UserID, list []pbx.Binding) {
	u := s.plan.Load().users[user]
	if u == nil && len(list) == 0 {
		return // what there was went with the user
	}
	fit := u != nil && (u.SIP || len(list) == 0) && len(list) <= MaxBindings
	if fit {
		list = slices.Clone(list)
	}
	s.mu.Lock()
	if fit && s.down == nil {
		s.bindings[user] = list
	} else {
		s.bindingsLost.Add(1)
	}
	s.mu.Unlock()
	s.nudge()
}

// Bindings gives the durable bindings of all users who have SIP, in the order of the plan;
// it is for the start. What has expired is left out, and the writer removes it. Rows that
// do not open or are missing are counted in [Health]. Together with [Store.SaveBindings]
// it implements [pbx.Bindings].
func (s *Store) Bindings() []pbx.Binding {
	if s.isDown() {
		return nil
	}
	var all []pbx.Binding
	var rows, bad uint64
	live := map[plan.UserID][]pbx.Binding{} // of users with some that have expired
	now := time.Now()
	users := s.plan.Load().plan.Users
	err := guard(func() error {
		return s.db.View(func(tx *bbolt.Tx) error {
			b := tx.Bucket(bucketBindings)
			if b == nil {
				return ErrDamaged
			}
			for i := range users {
				u := &users[i]
				var list []pbx.Binding
				found, err := s.openOwn(b, bucketBindings, u.ID, &list)
				if found {
					rows++
				}
				if err != nil {
					bad++
					continue
				}
				n := len(list)
				list = slices.DeleteFunc(list, func(b pbx.Binding) bool { return !u.SIP || !b.Expires.After(now) })
				if len(list) < n {
					live[u.ID] = list
				}
				all = append(all, list...)
			}
			bad += missingRows(b, rows)
			return nil
		})
	})
	if err != nil {
		bad++
	}
	if bad > 0 {
		s.unreadable.Add(bad)
		s.log.Error("registrations are damaged or missing; telephones come back when they register again", "count", bad, "err", err)
	}
	s.mu.Lock()
	for user, list := range live {
		if _, newer := s.bindings[user]; !newer && s.down == nil {
			s.bindings[user] = list
		}
	}
	s.mu.Unlock()
	s.nudge()
	return all
}

// sealBindings makes the rows of the lists in flight. One without a value is to be
// removed. What is of nobody in the plan any more is left out, what does not fit is lost.
func (s *Store) sealBindings() []row {
	rows := make([]row, 0, len(s.moved))
	users := s.plan.Load().users
	for user, list := range s.moved {
		u := users[user]
		if u == nil {
			continue // gone in the meantime, and the row with the user
		}
		for i := range list {
			list[i].User, list[i].Expires = user, list[i].Expires.Round(0).UTC()
		}
		r, err := s.sealOwn(bucketBindings, user, list)
		if err != nil {
			s.bindingsLost.Add(1)
			delete(s.moved, user) // so that it is lost once, however often this is tried
			continue
		}
		if len(list) == 0 || !u.SIP {
			r.value = nil
		}
		rows = append(rows, r)
	}
	return rows
}

// putBindings writes rows that sealBindings made.
func putBindings(tx *bbolt.Tx, rows []row) error {
	if len(rows) == 0 {
		return nil
	}
	b := tx.Bucket(bucketBindings)
	if b == nil {
		return ErrDamaged
	}
	for _, r := range rows {
		var err error
		if r.value == nil {
			err = b.Delete(r.key)
		} else {
			err = b.Put(r.key, r.value)
		}
		if err != nil {
			return err
		}
	}
	return countOwn(b)
}
