package storage

import (
	"context"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"sotto/pbx"
	"sotto/pbx/plan"
	"sotto/storage/keyring"
	"sotto/storage/policy"
)

// ErrNoTelephone says that the plan has no such user, or none with telephones on the
// network.
var ErrNoTelephone = errors.New("this user has no telephones on the network")

// Secret gives what the SIP telephones of a user log in with (RFC 7616 section 3.4.2). It
// is false for a user who is not in the plan, or there without SIP; who has no secret
// yet; or whose extension is another than when it was made: the digests are of the
// extension too, so a new secret is needed then. It reads memory only, and implements
// [pbx.Secrets].
func (s *Store) Secret(user plan.UserID) (pbx.Secret, bool) {
	secret, ok := s.plan.Load().secrets[user]
	return secret, ok
}

// Secretless gives the users of the plan who have SIP and no secret that counts, in the
// order of the plan: those for whom one is to be made.
func (s *Store) Secretless() []plan.UserID {
	var list []plan.UserID
	at := s.plan.Load()
	for i := range at.plan.Users {
		u := &at.plan.Users[i]
		if _, ok := at.secrets[u.ID]; u.SIP && !ok {
			list = append(list, u.ID)
		}
	}
	return list
}

// MakeSecret takes a new secret for the user from next, stores its digests in place of
// those that there were, and gives the plain secret once they are durable. The plain one
// is kept nowhere: who loses it has another made. From then on no telephone logs in with
// the old one. next is called once at most, and must not write to the store.
//
// The viewer needs the right policy.ChangePlan, else [ErrNotAllowed]; the user must be in the plan
// with SIP, else [ErrNoTelephone]; the digests must be of the user's extension, else the
// plan was changed in the meantime and the error is [ErrConflict]. It does not need Run.
func (s *Store) MakeSecret(ctx context.Context, v Viewer, user plan.UserID, next func() (plain string, secret pbx.Secret)) (string, error) {
	if !s.may(v, policy.ChangePlan) {
		return "", ErrNotAllowed
	}
	s.wmu.Lock()
	defer s.wmu.Unlock()
	if err := ctx.Err(); err != nil {
		return "", err
	}
	at := s.plan.Load()
	u := at.users[user]
	if u == nil || !u.SIP {
		return "", ErrNoTelephone
	}
	plain, secret := next()
	if secret.Ext != u.Ext {
		return "", ErrConflict
	}
	r, err := s.sealOwn(bucketSecrets, user, secretJSON{secret.Ext, secret.MD5[:], secret.SHA256[:]})
	if err != nil {
		return "", fmt.Errorf("save secret: %w", err)
	}
	s.pend(look{viewer: v, what: "make secret", rows: 1, about: []keyring.Subject{keyring.Subject(r.key)}})
	if err := s.commit(func(tx *bbolt.Tx) error {
		b := tx.Bucket(bucketSecrets)
		if b == nil {
			return ErrDamaged
		}
		if err := b.Put(r.key, r.value); err != nil {
			return err
		}
		return countOwn(b)
	}); err != nil {
		return "", fmt.Errorf("save secret: %w", err)
	}
	s.secrets[user] = secret
	s.plan.Store(newPlanAt(at.rev, at.plan, s.secrets))
	return plain, nil
}

// secretJSON is a row of the bucket of secrets.
type secretJSON struct {
	Ext    plan.Ext `json:"ext"`
	MD5    []byte   `json:"md5"`
	SHA256 []byte   `json:"sha256"`
}

// loadSecrets reads the secrets of the users of the plan. A row that does not open or is
// missing is counted, and its user is one without a secret: making a new one mends that.
func (s *Store) loadSecrets(b *bbolt.Bucket) {
	at := s.plan.Load()
	var rows, bad uint64
	for user := range at.users {
		var j secretJSON
		found, err := s.openOwn(b, bucketSecrets, user, &j)
		if !found {
			continue
		}
		rows++
		if err != nil || len(j.MD5) != 16 || len(j.SHA256) != 32 {
			bad++
			continue
		}
		s.secrets[user] = pbx.Secret{Ext: j.Ext, MD5: [16]byte(j.MD5), SHA256: [32]byte(j.SHA256)}
	}
	bad += missingRows(b, rows)
	if bad > 0 {
		s.unreadable.Add(bad)
		s.log.Error("secrets of telephones are damaged or missing: make new ones", "count", bad)
	}
	s.plan.Store(newPlanAt(at.rev, at.plan, s.secrets))
}
