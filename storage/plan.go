package storage

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"sotto/pbx/plan"
	"sotto/storage/keyring"
)

// Rev counts the plans that were saved: 1 is the first; 0 means that there is none yet.
type Rev uint64

// keepPlans is how many revisions of the plan stay, the newest included.
const keepPlans = 20

// ErrConflict says that somebody else has saved the plan since it was read.
var ErrConflict = errors.New("the plan was changed by somebody else in the meantime: read it again")

// planAt is a plan and its revision; it never changes once published.
type planAt struct {
	rev  Rev
	plan plan.Plan
}

// CurrentPlan gives the whole plan and its revision, names included. It is for the
// switch alone; pages read [Reader.Plan]. The caller owns what it gets.
func (s *Store) CurrentPlan() (plan.Plan, Rev) {
	at := s.plan.Load()
	return at.plan.Clone(), at.rev
}

// SetPlan makes p the plan if rev is still the current revision, and gives the new one
// once it is durable; [ErrConflict] otherwise. A user without an id gets one. Whether a
// plan makes sense is for package plan to say; SetPlan asks only that user ids differ.
// The viewer must be owner or admin, else [ErrNotAllowed]. It does not need Run.
func (s *Store) SetPlan(ctx context.Context, v Viewer, rev Rev, p plan.Plan) (Rev, error) {
	if v.Role != Owner && v.Role != Admin {
		return 0, ErrNotAllowed
	}
	if err := s.audit(ctx, look{v, "change plan", 1}); err != nil {
		return 0, err
	}
	s.wmu.Lock()
	defer s.wmu.Unlock()
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	old := s.plan.Load()
	if rev != old.rev {
		return 0, ErrConflict
	}
	next := &planAt{old.rev + 1, p.Clone()}
	next.plan.FillIDs(func() plan.UserID { return plan.UserID(rand.Text()) })
	seen := map[plan.UserID]bool{}
	for _, u := range next.plan.Users {
		if seen[u.ID] {
			return 0, errors.New("save plan: two users have the same id")
		}
		seen[u.ID] = true
	}
	r, err := s.sealPlan(next)
	if err != nil {
		return 0, fmt.Errorf("save plan: %w", err)
	}
	if err := s.commit(bucketPlans, []row{r}, func(b *bbolt.Bucket) error {
		if err := b.SetSequence(uint64(next.rev)); err != nil {
			return err
		}
		return dropOldPlans(b)
	}); err != nil {
		return 0, fmt.Errorf("save plan: %w", err)
	}
	s.plan.Store(next)
	s.saveLifeline(next)
	return next.rev, nil
}

func dropOldPlans(b *bbolt.Bucket) error {
	c := b.Cursor()
	n := 0
	for k, _ := c.Last(); k != nil; k, _ = c.Prev() {
		if n++; n > keepPlans {
			if err := c.Delete(); err != nil {
				return err
			}
		}
	}
	return nil
}

// sealPlan makes the row of a plan: each user a section under the user's own key, all
// else in the box's.
func (s *Store) sealPlan(at *planAt) (row, error) {
	rest := at.plan
	rest.Users = nil
	sections := make([]section, 1, 1+len(at.plan.Users))
	for _, u := range at.plan.Users {
		subject, err := s.ring.Subject(keyring.User, string(u.ID))
		if err != nil {
			return row{}, err
		}
		data, err := json.Marshal(u)
		if err != nil {
			return row{}, errors.New("a user cannot be encoded")
		}
		sections = append(sections, section{subject, data})
	}
	var err error
	if sections[0].data, err = json.Marshal(rest); err != nil {
		return row{}, err
	}
	key := keyOf(uint64(at.rev))
	value, err := s.sealRow(bucketPlans, key, sections)
	return row{key, value}, err
}

// loadPlan takes the newest revision. A user whose key is gone is left out; a revision
// that does not open is an error, because an older plan in its stead would be wrong.
func (s *Store) loadPlan(b *bbolt.Bucket) error {
	key, value := b.Cursor().Last()
	at := &planAt{}
	if key != nil {
		if at.rev = Rev(idOf(key)); at.rev == 0 {
			return fmt.Errorf("plan: %w", ErrDamaged)
		}
		sections, err := splitRow(value)
		if err == nil {
			err = s.openSection(bucketPlans, key, 0, sections, &at.plan)
		}
		if err != nil {
			return fmt.Errorf("plan revision %d: %w", at.rev, ErrDamaged)
		}
		for i := 1; i < len(sections); i++ {
			var u plan.User
			switch err := s.openSection(bucketPlans, key, i, sections, &u); {
			case err == nil:
				at.plan.Users = append(at.plan.Users, u)
			case !errors.Is(err, errErased):
				return fmt.Errorf("plan revision %d: %w", at.rev, ErrDamaged)
			}
		}
	}
	if uint64(at.rev) != b.Sequence() {
		return fmt.Errorf("plan revision %d is missing: %w", b.Sequence(), ErrDamaged)
	}
	s.plan.Store(at)
	return nil
}
