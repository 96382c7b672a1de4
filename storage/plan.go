package storage

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"go.etcd.io/bbolt"

	"sotto/pbx"
	"sotto/pbx/plan"
	"sotto/storage/keyring"
	"sotto/storage/policy"
)

// Rev counts the plans that were saved: 1 is the first; 0 means that there is none yet.
type Rev uint64

// keepPlans is how many revisions of the plan stay, the newest included.
const keepPlans = 20

// ErrConflict says that somebody else has saved the plan since it was read.
var ErrConflict = errors.New("the plan was changed by somebody else in the meantime: read it again")

// ErrNoPlan says that this version finds every stored revision of the plan wrong.
var ErrNoPlan = errors.New("no stored plan is valid in this version of Sotto: install the version that ran before")

// planAt is a plan, its revision and what follows from it; it never changes once published.
type planAt struct {
	rev     Rev
	plan    plan.Plan
	users   map[plan.UserID]*plan.User
	ports   map[string]*plan.User      // by the label of the port
	lines   map[string]string          // name by the label of the port
	secrets map[plan.UserID]pbx.Secret // those that count, see [Store.Secret]
	preset  policy.Settings            // of its country
}

// newPlanAt takes over p, and of all secrets those that go with it.
func newPlanAt(rev Rev, p plan.Plan, secrets map[plan.UserID]pbx.Secret) *planAt {
	at := &planAt{rev, p, map[plan.UserID]*plan.User{}, map[string]*plan.User{}, map[string]string{}, map[plan.UserID]pbx.Secret{}, policy.Preset(p.Country)}
	for i := range at.plan.Users {
		u := &at.plan.Users[i]
		at.users[u.ID] = u
		for _, label := range u.Ports {
			at.ports[label] = u
		}
		if secret, ok := secrets[u.ID]; ok && u.SIP && secret.Ext == u.Ext {
			at.secrets[u.ID] = secret
		}
	}
	for _, l := range at.plan.Lines {
		at.lines[l.Port] = l.Name
	}
	return at
}

// nameOf gives the name of a user in the plan of today, empty for others.
func (at *planAt) nameOf(id plan.UserID) string {
	if u := at.users[id]; u != nil {
		return u.Name
	}
	return ""
}

// Made tells whether the folder dir holds a database, so that [Open] would not make one.
// It takes no lock. What cannot be looked at counts as made: Open says what is wrong.
func Made(dir string) bool {
	_, err := os.Lstat(filepath.Join(dir, fileName))
	return !errors.Is(err, fs.ErrNotExist)
}

// CurrentPlan gives the whole plan and its revision, names included. It is for the
// switch alone; pages read [Reader.Plan]. The caller owns what it gets.
func (s *Store) CurrentPlan() (plan.Plan, Rev) {
	at := s.plan.Load()
	return at.plan.Clone(), at.rev
}

// SetPlan makes p the plan if rev is still the current revision, and gives the new one
// once it is durable; [ErrConflict] otherwise. A user without an id gets one. A plan that
// does not validate is refused with an error that wraps its [plan.Problems]. The viewer
// needs the right policy.ChangePlan, else [ErrNotAllowed]. A user who is not in the plan any more
// loses secret, bindings and account with the same transaction, one without SIP the
// bindings. It does not need Run.
func (s *Store) SetPlan(ctx context.Context, v Viewer, rev Rev, p plan.Plan) (Rev, error) {
	if !s.may(v, policy.ChangePlan) {
		return 0, ErrNotAllowed
	}
	next, err := s.setPlan(ctx, v, rev, p)
	if err == nil {
		s.tellPlan()
	}
	return next, err
}

func (s *Store) setPlan(ctx context.Context, v Viewer, rev Rev, p plan.Plan) (Rev, error) {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	old := s.plan.Load()
	if rev != old.rev {
		return 0, ErrConflict
	}
	p = p.Clone()
	p.FillIDs(func() plan.UserID { return plan.UserID(rand.Text()) })
	if err := p.Validate(); err != nil {
		return 0, fmt.Errorf("save plan: %w", err)
	}
	next := newPlanAt(old.rev+1, p, s.secrets)
	r, err := s.sealPlan(next)
	if err != nil {
		return 0, fmt.Errorf("save plan: %w", err)
	}
	var stay *accounts
	s.pend(s.planChange(v, &old.plan, &next.plan))
	s.pendPlanDrift(v, old, next)
	if err := s.commit(func(tx *bbolt.Tx) (err error) {
		if err := putNext(tx, bucketPlans, []row{r}); err != nil {
			return err
		}
		if stay, err = s.dropStaff(tx, next); err != nil {
			return err
		}
		return errors.Join(dropOldPlans(tx.Bucket(bucketPlans)), s.dropStrangers(tx, next))
	}); err != nil {
		return 0, fmt.Errorf("save plan: %w", err)
	}
	maps.DeleteFunc(s.secrets, func(id plan.UserID, _ pbx.Secret) bool { return next.users[id] == nil })
	s.plan.Store(next)
	s.keepPeople(next)
	s.accounts.Store(stay)
	s.keeper.lonely = true // who has left may be named nowhere any more
	if s.settings.Load() == nil && old.plan.Country != next.plan.Country {
		s.keeper.asked = true // the terms are another country's
	}
	s.nudge() // to note who has left
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

// sealPlan makes the row of a plan: each user a part under the user's own key, all else in
// the box's. There a line tells whom it rings by the numbers of their parts, because an
// extension is its user's and goes when the user is erased.
func (s *Store) sealPlan(at *planAt) (row, error) {
	rest := at.plan
	rest.Users = nil
	list := make([]part, 1, 1+len(at.plan.Users))
	numbers := map[plan.Ext]plan.Ext{}
	for _, u := range at.plan.Users {
		numbers[u.Ext] = partNumber(len(list))
		subject, err := s.ring.Subject(keyring.User, string(u.ID))
		if err != nil {
			return row{}, err
		}
		data, err := json.Marshal(u)
		if err != nil {
			return row{}, errors.New("a user cannot be encoded")
		}
		list = append(list, part{keyring.Own, subject, data})
	}
	var err error
	rest.Lines = renameRings(rest.Lines, numbers)
	if list[0].data, err = json.Marshal(rest); err != nil {
		return row{}, err
	}
	key := keyOf(uint64(at.rev))
	value, err := s.sealRow(bucketPlans, key, 0, list)
	return row{key, value}, err
}

// loadPlan takes the newest revision. One that does not open is an error, because an
// older plan in its stead would be wrong. One that opens and is not valid, because this
// version asks more than the one that stored it, gives way to the newest older one that
// is; the revision stays the newest, so that the next save replaces it. [ErrNoPlan] if
// there is none.
func (s *Store) loadPlan(b *bbolt.Bucket) error {
	c := b.Cursor()
	key, value := c.Last()
	newest := newPlanAt(0, plan.Plan{}, nil)
	if key != nil {
		if newest.rev = Rev(idOf(key)); newest.rev == 0 {
			return fmt.Errorf("plan: %w", ErrDamaged)
		}
	}
	if uint64(newest.rev) != b.Sequence() {
		return fmt.Errorf("plan revision %d is missing: %w", b.Sequence(), ErrDamaged)
	}
	for used := newest.rev; key != nil; used = Rev(idOf(key)) {
		p, err := s.openPlan(key, value)
		if err != nil && used == newest.rev {
			return fmt.Errorf("plan revision %d: %w", used, ErrDamaged)
		}
		if err == nil {
			err = p.Validate()
		}
		if err == nil {
			if used != newest.rev {
				s.log.Error("an older revision of the plan is used", "revision", uint64(used))
			}
			s.plan.Store(newPlanAt(newest.rev, p, nil))
			return nil
		}
		s.log.Error("a stored plan cannot be used in this version", "revision", uint64(used), "why", err)
		key, value = c.Prev()
	}
	if newest.rev > 0 {
		return ErrNoPlan
	}
	s.plan.Store(newest)
	return nil
}

// openPlan opens the row of a plan. A user who was erased is left out; one whose key is gone
// without that is damage.
func (s *Store) openPlan(key, value []byte) (p plan.Plan, err error) {
	r, err := splitRow(bucketPlans, key, 0, value)
	if err == nil && r.list[0].class != keyring.Own {
		err = errRow
	}
	if err == nil {
		err = s.openJSON(&r, 0, &p)
	}
	if err != nil {
		return p, err
	}
	exts := map[plan.Ext]plan.Ext{}
	for i := 1; i < len(r.list); i++ {
		var u plan.User
		switch err := s.openJSON(&r, i, &u); {
		case err == nil:
			p.Users = append(p.Users, u)
			exts[partNumber(i)] = u.Ext
		case !errors.Is(err, errErased):
			return p, err
		case !s.wasErased(r.list[i].subject):
			return p, errRow
		}
	}
	p.Lines = renameRings(p.Lines, exts)
	return p, nil
}

// partNumber is what the row of a plan has for the extension of the user of a part.
func partNumber(n int) plan.Ext { return plan.Ext(strconv.Itoa(n)) }

// renameRings gives lines with other words for whom they ring. Who has none is left out: a
// line that rang such users alone rings all.
func renameRings(lines []plan.Line, words map[plan.Ext]plan.Ext) []plan.Line {
	lines = slices.Clone(lines)
	for i := range lines {
		var rings []plan.Ext
		for _, x := range lines[i].Rings {
			if word, ok := words[x]; ok {
				rings = append(rings, word)
			}
		}
		lines[i].Rings = rings
	}
	return lines
}
