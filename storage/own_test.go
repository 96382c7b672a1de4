package storage

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"sotto/pbx"
	"sotto/pbx/plan"
)

// edit changes the closed database behind the store's back.
func (b *box) edit(f func(tx *bbolt.Tx) error) {
	b.t.Helper()
	db, err := bbolt.Open(filepath.Join(b.dir, fileName), 0o600, &bbolt.Options{Timeout: time.Second})
	if err != nil {
		b.t.Fatal(err)
	}
	defer db.Close()
	if err := db.Update(f); err != nil {
		b.t.Fatal(err)
	}
}

// TestOwnRowsDamaged changes rows of users behind the store's back: what was changed
// counts and is none, what was not stays.
func TestOwnRowsDamaged(t *testing.T) {
	b := newBox(t)
	s := b.open()
	setPlan(t, s, sipPlan())
	must(s.MakeSecret(t.Context(), owner, anna, nextSecret("73911", 1)))
	must(s.MakeSecret(t.Context(), owner, boris, nextSecret("84062", 2)))
	s.SaveBindings(anna, []pbx.Binding{aBinding(1)})
	s.SaveBindings(boris, []pbx.Binding{aBinding(2)})
	s.flush()
	a, _, _ := s.keyOfUser(anna)
	bo, _, _ := s.keyOfUser(boris)
	s.Close()
	good := map[string][2][]byte{}
	b.edit(func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{bucketSecrets, bucketBindings} {
			good[string(name)] = [2][]byte{bytes.Clone(tx.Bucket(name).Get(a[:])), bytes.Clone(tx.Bucket(name).Get(bo[:]))}
		}
		return nil
	})
	none := []byte(nil)
	for _, c := range []struct {
		name    string
		damage  func(mine, other [2][]byte) (a, b []byte) // what is put in place of each row; nil: removed
		left    int
		counted uint64
	}{
		{"nothing", func(m, _ [2][]byte) (_, _ []byte) { return m[0], m[1] }, 2, 0},
		{"exchanged", func(m, _ [2][]byte) (_, _ []byte) { return m[1], m[0] }, 0, 2},
		{"of the other kind", func(m, o [2][]byte) (_, _ []byte) { return o[0], m[1] }, 1, 1},
		{"cut", func(m, _ [2][]byte) (_, _ []byte) { return m[0][:len(m[0])-1], m[1] }, 1, 1},
		{"empty", func(m, _ [2][]byte) (_, _ []byte) { return []byte{}, m[1] }, 1, 1},
		{"longer than any is", func(m, _ [2][]byte) (_, _ []byte) { return append(m[0], make([]byte, maxOwn)...), m[1] }, 1, 1},
		{"missing", func(m, _ [2][]byte) (_, _ []byte) { return none, m[1] }, 1, 1},
		{"all missing", func(m, _ [2][]byte) (_, _ []byte) { return none, none }, 0, 2},
	} {
		b.edit(func(tx *bbolt.Tx) error {
			for _, kinds := range [][2][]byte{{bucketSecrets, bucketBindings}, {bucketBindings, bucketSecrets}} {
				x, y := c.damage(good[string(kinds[0])], good[string(kinds[1])])
				b := tx.Bucket(kinds[0])
				for _, r := range []row{{a[:], x}, {bo[:], y}} {
					if r.value == nil {
						b.Delete(r.key)
					} else {
						b.Put(r.key, r.value)
					}
				}
			}
			return nil
		})
		s := b.open()
		if h := s.Health(); 2-len(s.Secretless()) != c.left || h.Unreadable != c.counted {
			t.Errorf("%s: without a secret are %v, %d counted", c.name, s.Secretless(), h.Unreadable)
		}
		if list := s.Bindings(); len(list) != c.left || s.Health().Unreadable != 2*c.counted {
			t.Errorf("%s: %d bindings, %d counted", c.name, len(list), s.Health().Unreadable)
		}
		for user, x := range map[plan.UserID]plan.Ext{anna: "73911", boris: "84062"} {
			if got, ok := s.Secret(user); ok && got != secretOf(x, got.MD5[0]) {
				t.Errorf("%s: another secret", c.name)
			}
		}
		s.Close()
	}
	s = b.open() // all rows are missing now: made anew they are whole
	must(s.MakeSecret(t.Context(), owner, boris, nextSecret("84062", 4)))
	s.SaveBindings(anna, []pbx.Binding{aBinding(1)})
	s.Close()
	s = b.open()
	if h := s.Health(); len(s.Bindings()) != 1 || len(s.Secretless()) != 1 || h.Unreadable != 0 {
		t.Errorf("mended: %d bindings, %v, %d unreadable", len(s.Bindings()), s.Secretless(), h.Unreadable)
	}
}

// TestBucketMissing takes one bucket after the other away.
func TestBucketMissing(t *testing.T) {
	b := newBox(t)
	b.open().Close()
	whole := must(os.ReadFile(filepath.Join(b.dir, fileName)))
	for _, name := range buckets {
		b.edit(func(tx *bbolt.Tx) error { return tx.DeleteBucket(name) })
		if _, err := b.tryOpen(); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s is missing: %v", name, err)
		}
		os.WriteFile(filepath.Join(b.dir, fileName), whole, 0o600)
	}
	b.open()
}

// TestFlippedBitsOfOwnRows flips bits of a database of little but secrets and bindings. Each
// ends in an error of Open, in what is missing and counted, or in nothing, never in a
// wrong secret or binding.
func TestFlippedBitsOfOwnRows(t *testing.T) {
	b := newBox(t)
	s := b.open()
	p := testPlan()
	p.Users = bigOffice(20)
	setPlan(t, s, p)
	want := map[plan.UserID]pbx.Binding{}
	for i, u := range p.Users {
		must(s.MakeSecret(t.Context(), owner, u.ID, nextSecret(u.Ext, byte(i+1))))
		x := aBinding(i)
		x.User = u.ID
		want[u.ID] = x
		s.SaveBindings(u.ID, []pbx.Binding{x})
	}
	s.flush()
	s.Append(aRecord()) // a flip in the newest head of the file costs no more than this
	s.Close()
	refused, counted, harmless := 0, 0, 0
	for at := range b.flips(rand.New(rand.NewPCG(2, 3)), *flips) {
		s, err := b.tryOpen()
		if err != nil {
			refused++
			if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrStranger) && !errors.Is(err, ErrNewer) {
				t.Errorf("byte %d: %v", at, err)
			}
			continue
		}
		secrets := 0
		for i, u := range p.Users {
			if got, ok := s.Secret(u.ID); ok && got != secretOf(u.Ext, byte(i+1)) {
				t.Errorf("byte %d: another secret", at)
			} else if ok {
				secrets++
			}
		}
		before := s.Health().Unreadable
		list := s.Bindings()
		for _, x := range list {
			if !reflect.DeepEqual(x, want[x.User]) {
				t.Errorf("byte %d: another binding", at)
			}
		}
		switch h := s.Health(); {
		case secrets < len(p.Users) && before == 0, len(list) < len(p.Users) && h.Unreadable == before:
			t.Errorf("byte %d: %d secrets, %d bindings, %d and %d counted", at, secrets, len(list), before, h.Unreadable)
		case h.Unreadable > 0:
			counted++
		default:
			harmless++
		}
		s.Close()
	}
	t.Logf("refused %d, counted %d, harmless %d", refused, counted, harmless)
	if refused == 0 || counted == 0 || harmless == 0 {
		t.Error("the flips did not reach every case")
	}
}

// TestOwnPlace: a row opens in its own bucket and nowhere else, whatever stands in it.
func TestOwnPlace(t *testing.T) {
	s := newBox(t).open()
	setPlan(t, s, testPlan())
	r := must(s.sealOwn(bucketSecrets, boris, "x"))
	s.db.Update(func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{bucketSecrets, bucketBindings} {
			var got string
			b := tx.Bucket(name)
			b.Put(r.key, r.value)
			if found, err := s.openOwn(b, name, boris, &got); !found || (err == nil) != bytes.Equal(name, bucketSecrets) {
				t.Errorf("%s: %v, %v", name, found, err)
			}
			if found, err := s.openOwn(b, name, anna, &got); found || err != nil {
				t.Errorf("%s: of another user: %v, %v", name, found, err)
			}
		}
		return nil
	})
}
