package storage

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"go.etcd.io/bbolt"

	"sotto/pbx"
	"sotto/pbx/plan"
)

// secretOf gives a secret whose every byte is n.
func secretOf(x plan.Ext, n byte) (s pbx.Secret) {
	s.Ext = x
	copy(s.MD5[:], bytes.Repeat([]byte{n}, 16))
	copy(s.SHA256[:], bytes.Repeat([]byte{n}, 32))
	return s
}

func nextSecret(x plan.Ext, n byte) func() (string, pbx.Secret) {
	return func() (string, pbx.Secret) { return fmt.Sprint("plain ", n), secretOf(x, n) }
}

// markedSecret is the one whose every part is a marker.
func markedSecret() (string, pbx.Secret) {
	return markers[8], pbx.Secret{Ext: "84062", MD5: [16]byte([]byte(markers[9])), SHA256: [32]byte([]byte(markers[10]))}
}

// sipPlan is the test plan with SIP for both.
func sipPlan() plan.Plan {
	p := testPlan()
	p.Users[0].SIP = true
	return p
}

func setPlan(t *testing.T, s *Store, p plan.Plan) {
	t.Helper()
	_, rev := s.CurrentPlan()
	if _, err := s.SetPlan(t.Context(), owner, rev, p); err != nil {
		t.Fatal(err)
	}
}

// rowsIn counts the rows of a bucket.
func rowsIn(s *Store, bucket []byte) (n uint64) {
	s.db.View(func(tx *bbolt.Tx) error {
		b := tx.Bucket(bucket)
		if err := b.ForEach(func(_, _ []byte) error { n++; return nil }); err != nil || n != b.Sequence() {
			n = 1e9
		}
		return nil
	})
	return n
}

func TestSecret(t *testing.T) {
	b := newBox(t)
	s := b.open()
	if list := s.Secretless(); list != nil {
		t.Errorf("without a plan: %v", list)
	}
	want := func(when string, a, bo byte) {
		t.Helper()
		var less []plan.UserID
		for _, c := range []struct {
			user plan.UserID
			ext  plan.Ext
			n    byte
		}{{anna, "73911", a}, {boris, "84062", bo}} {
			got, ok := s.Secret(c.user)
			if ok != (c.n > 0 && c.n < 255) || ok && got != secretOf(c.ext, c.n) {
				t.Errorf("%s: %s has another secret: %v", when, c.user, ok)
			}
			if c.n == 0 { // 255: not one that needs one
				less = append(less, c.user)
			}
		}
		if got := s.Secretless(); !slices.Equal(got, less) {
			t.Errorf("%s: without a secret are %v, want %v", when, got, less)
		}
	}
	setPlan(t, s, testPlan())
	want("without SIP", 255, 0)
	setPlan(t, s, sipPlan())
	want("at first", 0, 0)
	made := func(v Viewer, user plan.UserID, next func() (string, pbx.Secret)) error {
		plain, err := s.MakeSecret(t.Context(), v, user, next)
		if (err == nil) != (plain != "") {
			t.Errorf("plain secret %q, %v", plain, err)
		}
		return err
	}
	never := func() (string, pbx.Secret) { t.Error("a secret was made for nothing"); return "", pbx.Secret{} }
	for _, v := range []Viewer{{}, {Role: Installer}, {Role: PrivacyOfficer}, {Role: Staff, User: boris}} {
		if err := made(v, boris, never); !errors.Is(err, ErrNotAllowed) {
			t.Errorf("%+v: %v", v, err)
		}
	}
	if err := made(owner, "nobody", never); !errors.Is(err, ErrNoTelephone) {
		t.Errorf("nobody: %v", err)
	}
	if err := made(owner, boris, nextSecret("73911", 9)); !errors.Is(err, ErrConflict) {
		t.Errorf("of another extension: %v", err)
	}
	want("after refusals", 0, 0)
	if err := errors.Join(made(owner, boris, nextSecret("84062", 1)), made(Viewer{Role: Admin}, anna, nextSecret("73911", 2)), made(owner, boris, nextSecret("84062", 3))); err != nil {
		t.Fatal(err)
	}
	reopened := func(when string, a, bo byte) {
		t.Helper()
		want(when, a, bo)
		s.Close()
		s = b.open()
		want(when+", opened again", a, bo)
		if h := s.Health(); h.Unreadable != 0 {
			t.Errorf("%s: %d unreadable", when, h.Unreadable)
		}
	}
	reopened("made", 2, 3)
	p := sipPlan()
	p.Users[0].Ext, p.Users[1].Ext = "84062", "73911"
	setPlan(t, s, p)
	if got := s.Secretless(); len(got) != 2 {
		t.Errorf("extensions exchanged: without a secret are %v", got)
	}
	s.Close()
	s = b.open()
	setPlan(t, s, sipPlan())
	reopened("exchanged back", 2, 3)
	setPlan(t, s, testPlan())
	reopened("SIP taken from one", 255, 3)
	if err := made(owner, anna, never); !errors.Is(err, ErrNoTelephone) {
		t.Errorf("without SIP: %v", err)
	}
	setPlan(t, s, sipPlan())
	reopened("and given back", 2, 3)
	p = sipPlan()
	p.Users = p.Users[:1]
	setPlan(t, s, p)
	if n := rowsIn(s, bucketSecrets); n != 1 {
		t.Errorf("%d rows after one user has gone", n)
	}
	setPlan(t, s, sipPlan())
	reopened("gone and come again", 2, 0)
}

// TestSecretNotStored: what is not durable is not given out.
func TestSecretNotStored(t *testing.T) {
	s := newBox(t).open()
	setPlan(t, s, sipPlan())
	must(s.MakeSecret(t.Context(), owner, anna, nextSecret("73911", 1)))
	s.db.Close()
	for i := range 2 { // the second time the store knows that it is down
		if plain, err := s.MakeSecret(t.Context(), owner, anna, nextSecret("73911", 2)); err == nil || plain != "" || i > 0 && !errors.Is(err, ErrDown) {
			t.Errorf("secret %q, %v", plain, err)
		}
	}
	if got, ok := s.Secret(anna); !ok || got != secretOf("73911", 1) {
		t.Error("the secret before does not count any more")
	}
}

// TestSecretRace reads while secrets and plans change: every secret that is seen is one
// that was made, whole, and of the extension that it was made for.
func TestSecretRace(t *testing.T) {
	s := newBox(t).open()
	setPlan(t, s, sipPlan())
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if got, ok := s.Secret(boris); ok && got != secretOf(got.Ext, got.MD5[0]) {
					t.Error("half a secret")
					return
				}
				s.Secretless()
			}
		})
	}
	for i := range 20 {
		must(s.MakeSecret(t.Context(), owner, boris, nextSecret("84062", byte(i+1))))
		p := sipPlan()
		p.Users[0].SIP = i%2 == 0
		setPlan(t, s, p)
	}
	close(done)
	wg.Wait()
}

func TestSecretAllocs(t *testing.T) {
	s := newBox(t).open()
	setPlan(t, s, sipPlan())
	must(s.MakeSecret(t.Context(), owner, boris, nextSecret("84062", 1)))
	if n := testing.AllocsPerRun(1000, func() { s.Secret(boris); s.Secret(anna) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
