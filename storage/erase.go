package storage

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"go.etcd.io/bbolt"

	"sotto/pbx/number"
	"sotto/pbx/plan"
	"sotto/storage/keyring"
)

var (
	// ErrLastOwner says that nobody could rule the box any more.
	ErrLastOwner = errors.New("this is the last owner: make another owner first")

	// ErrPlanNeeds says that the plan is not valid without a user. The error that wraps it
	// holds the [plan.Problems].
	ErrPlanNeeds = errors.New("the plan is not valid without this user: change the plan first")
)

// Erase takes a person out of everything and returns once that is final: no key that could
// open what was kept of the person exists any more, in the keyring, its files or the root.
// Rows of others keep a pseudonym; a user's own journal goes whole. What was queued of the person is written before, and
// erased with the rest; a later call from the same number is somebody new.
//
// A number is erased by owner, admin and privacy officer; a user by owner and admin, and
// then leaves the plan, with secret, registrations and accounts, in a revision of its own;
// a line that rang this user alone rings all then. An account is erased by an owner alone.
// Others get [ErrNotAllowed]. Other errors are [ErrUnknownPerson], [ErrPerson],
// [ErrLastOwner], [ErrHelp] and [ErrPlanNeeds], or say what failed: then it may be half done, is
// finished by the next Erase, by itself later or at the next start, and is not acknowledged
// before. It does not need Run.
func (s *Store) Erase(ctx context.Context, v Viewer, p Person) (Proof, error) {
	k, err := s.erasable(v, &p)
	if err != nil {
		return Proof{}, err
	}
	defer s.tellPlan()
	s.wmu.Lock()
	defer s.wmu.Unlock()
	if err := ctx.Err(); err != nil {
		return Proof{}, err
	}
	if s.isHelp(p.Number) {
		return Proof{}, ErrHelp
	}
	proof, err := s.erase(v, &p, k)
	if err != nil {
		return Proof{}, fmt.Errorf("erase person: %w", err)
	}
	s.normals.forget()
	s.nudge() // for the sweep
	return proof, nil
}

// isHelp tells whether a number is an emergency number by the plan of today.
func (s *Store) isHelp(n number.Number) bool {
	at := s.plan.Load()
	if n.IsZero() || at.rev == 0 {
		return false
	}
	numbers, err := plan.Compile(at.plan)
	return err == nil && numbers.Emergency(n.Reveal())
}

// erase is Erase under wmu. What an earlier one left undone comes first: if that was of the
// same person, whose number no longer leads anywhere, its proof is the answer.
func (s *Store) erase(v Viewer, p *Person, k keyring.Kind) (Proof, error) {
	if err := s.writeQueued(true); err != nil {
		return Proof{}, err
	}
	if s.closed || s.broken {
		return Proof{}, ErrDown
	}
	keep := &s.keeper
	if len(keep.unfinished) > 0 {
		if err := s.finishErasures(); err != nil {
			return Proof{}, err
		}
	}
	group, tried := keep.tried[*p]
	delete(keep.tried, *p)
	if subjects := s.subjectsOfPerson(p, k); len(subjects) > 0 {
		if err := s.beginErasure(look{viewer: v, what: "erase person", rows: 1}, p, k, subjects); err != nil {
			return Proof{}, err
		}
		group = subjects
		if err := s.finishErasures(); err != nil {
			keep.tried[*p] = group
			return Proof{}, err
		}
	} else if !tried {
		return Proof{}, ErrUnknownPerson
	}
	list, err := s.tombstones(group...)
	if err != nil {
		return Proof{}, err
	}
	if all := proofs(list); len(all) == 1 {
		return all[0], nil
	}
	return Proof{}, ErrDamaged
}

// beginErasure notes the erasure and takes what is the person's own out of the database and
// the plan, in one transaction with the line l of the audit trail. subjects[0] is what the
// person is known by.
func (s *Store) beginErasure(l look, p *Person, k keyring.Kind, subjects []keyring.Subject) error {
	isOwner := func(a *account) bool { return a.Role == Owner }
	all := s.accounts.Load()
	stay := &accounts{claimed: all.claimed, list: slices.DeleteFunc(slices.Clone(all.list), func(a *account) bool {
		return k == keyring.Admin && a.ID == p.Account || k == keyring.User && a.User == p.User
	})}
	if slices.ContainsFunc(all.list, isOwner) && !slices.ContainsFunc(stay.list, isOwner) {
		return ErrLastOwner
	}
	old := s.plan.Load()
	next := old
	var planRows []row
	if old.users[p.User] != nil {
		without := old.plan.Clone()
		dropUser(&without, p.User)
		if err := without.Validate(); err != nil {
			return fmt.Errorf("%w (%w)", ErrPlanNeeds, err)
		}
		next = newPlanAt(old.rev+1, without, s.secrets)
		r, err := s.sealPlan(next)
		if err != nil {
			return err
		}
		planRows = append(planRows, r)
	}
	list := make([]tombstone, len(subjects))
	epoch, _ := s.ring.Epoch()
	for i, subject := range subjects {
		kind, _, _ := s.ring.Name(subject)
		list[i] = tombstone{subject: subject, At: s.clock().Unix(), Kind: string(rune(kind)), Left: 1, Old: hex.EncodeToString(epoch[:])}
		if i > 0 {
			list[i].Of = subjects[0].String()
		}
	}
	list[0].Items = len(s.itemsOf(subjects))
	l.about = subjects
	s.pend(l)
	if err := s.commit(func(tx *bbolt.Tx) error {
		for i := range list {
			t := &list[i]
			t.Rows = countOf(tx, t.subject)
			t.Entries = entriesOf(tx, t.subject)
			if i == 0 {
				t.Plans = len(plansOf(tx, t.subject))
			}
			for _, bucket := range [][]byte{bucketSecrets, bucketBindings, bucketAccounts, bucketPeople} {
				if err := dropOwn(tx.Bucket(bucket), t.subject); err != nil {
					return err
				}
			}
		}
		if err := s.putTombstones(tx, list); err != nil {
			return err
		}
		if next == old {
			return nil
		}
		return errors.Join(putNext(tx, bucketPlans, planRows), dropOldPlans(tx.Bucket(bucketPlans)))
	}); err != nil {
		return err
	}
	s.keeper.unfinished = append(s.keeper.unfinished, subjects...)
	s.accounts.Store(stay)
	if p.User != "" {
		s.keeper.gone[p.User] = true
		delete(s.secrets, p.User)
	}
	if next != old {
		s.plan.Store(next)
		s.keepPeople(next)
		s.saveLifeline(next)
	}
	return nil
}

// finishErasures destroys the keys of all whose erasure has begun, in one rotation, makes
// sure of it, and notes that. It goes on from wherever it was interrupted.
func (s *Store) finishErasures() error {
	keep := &s.keeper
	if len(keep.unfinished) == 0 {
		return nil
	}
	list, err := s.tombstones(keep.unfinished...)
	if err != nil {
		return err
	}
	var known []keyring.Subject
	for _, subject := range keep.unfinished {
		if _, _, ok := s.ring.Name(subject); ok {
			known = append(known, subject)
		}
	}
	items := s.itemsOf(known)
	var rot keyring.Rotation
	switch {
	case len(known) > 0:
		rot, err = s.ring.Erase(known...)
	case s.ring.OldEpoch() != nil:
		rot, err = s.ring.Rotate()
	}
	if keep.rotation == (keyring.Rotation{}) {
		keep.rotation = rot
	}
	for i := range list {
		list[i].note(keep.rotation)
		if list[i].New == "" && err == nil {
			list[i].noteFound(s.ring.Epoch())
		}
	}
	if err == nil || errors.Is(err, keyring.ErrOldEpoch) {
		if rerr := s.removeAudio(items); rerr != nil {
			s.log.Error("files of erased audio cannot be removed; no key opens them", "err", rerr)
		}
	}
	if err == nil {
		err = s.ring.Verify(keep.unfinished...)
	}
	if err != nil && rot == (keyring.Rotation{}) {
		return err // nothing has happened
	}
	cerr := s.commit(func(tx *bbolt.Tx) error {
		for i := range list {
			t := &list[i]
			t.Rows = max(t.Rows, countOf(tx, t.subject))
			t.Entries = max(t.Entries, entriesOf(tx, t.subject))
			if err == nil {
				t.Done = 1
			}
		}
		return s.putTombstones(tx, list)
	})
	if err = errors.Join(err, cerr); err != nil {
		return err
	}
	keep.left = append(keep.left, keep.unfinished...)
	keep.unfinished, keep.rotation = nil, keyring.Rotation{}
	return nil
}

// dropUser takes a user out of a plan.
func dropUser(p *plan.Plan, id plan.UserID) {
	for _, u := range p.Users {
		if u.ID == id {
			for i := range p.Lines {
				p.Lines[i].Rings = slices.DeleteFunc(p.Lines[i].Rings, func(x plan.Ext) bool { return x == u.Ext })
			}
		}
	}
	p.Users = slices.DeleteFunc(p.Users, func(u plan.User) bool { return u.ID == id })
}

// dropOwn removes the row of a subject from a bucket of [sealOwnRow].
func dropOwn(b *bbolt.Bucket, subject keyring.Subject) error {
	if b == nil {
		return ErrDamaged
	}
	if b.Get(subject[:]) == nil {
		return nil
	}
	if err := b.Delete(subject[:]); err != nil {
		return err
	}
	return countOwn(b)
}

// eraseAfterglow erases once more the users who were erased in this run and of whom a call
// has ended since: its record made them known again. It is under wmu, and begins what
// finishErasures does, or the next start.
func (s *Store) eraseAfterglow() error {
	for id := range s.keeper.gone {
		p := Person{User: id}
		if s.plan.Load().users[id] != nil {
			delete(s.keeper.gone, id) // the same id was brought back, as from a file
			continue
		}
		subjects := slices.DeleteFunc(s.subjectsOfPerson(&p, keyring.User), func(subject keyring.Subject) bool {
			return slices.Contains(s.keeper.unfinished, subject)
		})
		if len(subjects) > 0 {
			if err := s.beginErasure(look{what: "erase person again after a last call", rows: 1}, &p, keyring.User, subjects); err != nil {
				return fmt.Errorf("erase the last call of a person: %w", err)
			}
		}
	}
	return nil
}
