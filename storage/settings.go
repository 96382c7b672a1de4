package storage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"go.etcd.io/bbolt"

	"sotto/storage/policy"
)

// ErrSettingsConflict says that somebody else has saved the settings since they were read.
var ErrSettingsConflict = errors.New("the privacy settings were changed by somebody else in the meantime: read them again")

var keyPrivacy = []byte("privacy")

// policy gives the settings of now: those that were saved, else the preset of the plan's
// country. They are not changed.
func (s *Store) policy() *policy.Settings {
	if p := s.settings.Load(); p != nil {
		return p
	}
	return &s.plan.Load().preset
}

// may tells whether a viewer's role has a right.
func (s *Store) may(v Viewer, right policy.Right) bool { return s.policy().May(v.Role, right) }

// Settings gives what the office has set about personal data, and its revision; with
// revision 0 nothing was saved yet, and it is the preset of the plan's country. It needs the
// right [policy.SeePapers], else it is [ErrNotAllowed]. The caller owns what it gets. It holds no
// personal data, so no look is noted.
func (r *Reader) Settings(ctx context.Context) (policy.Settings, Rev, error) {
	if !r.s.may(r.v, policy.SeePapers) {
		return policy.Settings{}, 0, ErrNotAllowed
	}
	if err := ctx.Err(); err != nil {
		return policy.Settings{}, 0, err
	}
	r.s.wmu.Lock()
	defer r.s.wmu.Unlock()
	return r.s.policy().Clone(), r.s.keeper.settingsRev, nil
}

// SetSettings makes next the settings if rev is still the current revision, and gives the new
// one and what has changed once that is durable; [ErrSettingsConflict] otherwise. Settings that do not
// validate are refused with an error that wraps [policy.Problems]. It needs the right
// [policy.ChangePolicy], else it is [ErrNotAllowed]. What a shorter term lets go of goes soon
// after, when Run runs; a longer one brings nothing back. It does not need Run itself.
func (s *Store) SetSettings(ctx context.Context, v Viewer, rev Rev, next policy.Settings) (Rev, policy.Diff, error) {
	if !s.may(v, policy.ChangePolicy) {
		return 0, nil, ErrNotAllowed
	}
	if err := next.Validate(); err != nil {
		return 0, nil, fmt.Errorf("save privacy settings: %w", err)
	}
	s.wmu.Lock()
	defer s.wmu.Unlock()
	if err := ctx.Err(); err != nil {
		return 0, nil, err
	}
	if rev != s.keeper.settingsRev {
		return 0, nil, ErrSettingsConflict
	}
	next = next.Clone()
	diff := policy.Compare(*s.policy(), next)
	plain, err := json.Marshal(&next)
	if err == nil && len(plain) > policy.MaxSize {
		err = errTooLong
	}
	if err != nil {
		return 0, nil, fmt.Errorf("save privacy settings: %w", err)
	}
	before, after := diffTexts(diff)
	s.pend(look{viewer: v, what: "change privacy settings", rows: len(diff), before: before, after: after})
	s.pendDrift(v, diff)
	if err := s.commit(func(tx *bbolt.Tx) error {
		b := tx.Bucket(bucketSettings)
		if b == nil {
			return ErrDamaged
		}
		return errors.Join(b.Put(keyPrivacy, s.sealBox(bucketSettings, keyPrivacy, plain)), b.SetSequence(uint64(rev+1)),
			tx.Bucket(bucketBox).Put(keyPrivacy, s.sealBox(bucketBox, keyPrivacy, plain)))
	}); err != nil {
		return 0, nil, fmt.Errorf("save privacy settings: %w", err)
	}
	s.settings.Store(&next)
	s.keeper.settingsRev, s.keeper.asked = rev+1, true
	s.keeper.settingsLost.Store(false)
	s.nudge() // for the sweep
	return rev + 1, diff, nil
}

// diffTexts gives what has changed as the audit trail has it: field and value, before and after.
func diffTexts(diff policy.Diff) (before, after string) {
	var old, now []string
	for _, c := range diff {
		old, now = append(old, c.Field+" "+c.Old), append(now, c.Field+" "+c.New)
	}
	return strings.Join(old, ", "), strings.Join(now, ", ")
}

// loadSettings reads what was saved. The sequence number of the bucket is the revision, so that
// a missing row shows. Of one that is damaged or missing there is a copy, far from it, because a
// wrong term deletes for good. Without either the preset of the plan's country counts until
// somebody saves new settings, and the health of the store tells: its terms may be others than
// those that were lost.
func (s *Store) loadSettings(b, spare *bbolt.Bucket) {
	k := &s.keeper
	k.settingsRev = Rev(b.Sequence())
	value := b.Get(keyPrivacy)
	if value == nil && k.settingsRev == 0 {
		return
	}
	plain, err := s.openBox(bucketSettings, keyPrivacy, value)
	var p policy.Settings
	if err == nil {
		p, err = policy.Decode(plain)
	}
	if err != nil {
		s.unreadable.Add(1)
		if plain, err = s.openBox(bucketBox, keyPrivacy, spare.Get(keyPrivacy)); err == nil {
			p, err = policy.Decode(plain)
		}
		if err == nil {
			s.log.Warn("the privacy settings are damaged; their copy is used")
		}
	}
	if err != nil {
		k.settingsLost.Store(true)
		s.log.Error("the privacy settings are damaged; the preset of the country counts until new ones are saved")
		return
	}
	s.settings.Store(&p)
}
