package storage

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"

	"sotto/pbx"
	"sotto/pbx/number"
	"sotto/storage/keyring"
	"sotto/storage/policy"
)

const aReason = "Quittenkompott: he says that nobody called back" // with one of the markers

// desk is an office with one call from Anna to the outside, one between colleagues and one from
// nobody known; an admin, two privacy officers, and Anna at her page.
type desk struct {
	t                           *testing.T
	b                           *box
	s                           *Store
	admin, officer, other, anna Viewer
}

const (
	outward RecordID = iota + 1
	inside
	unknown
)

func newDesk(t *testing.T, change func(*policy.Settings)) *desk {
	t.Helper()
	d := &desk{t: t, b: newBox(t)}
	d.s = d.b.open()
	d.s.withPolicy(change)
	d.s.claim(t)
	setPlan(t, d.s, testPlan())
	account := func(name string, role Role) Viewer {
		a, err := d.s.AddAccount(t.Context(), owner, name, ownerPassword, role, "")
		if err != nil {
			t.Fatal(err)
		}
		return a.Viewer()
	}
	d.admin, d.officer, d.other = account("Apfelmus-Gehilfin", Admin), account("Beauftragte", PrivacyOfficer), account("Vertretung", PrivacyOfficer)
	d.anna = Viewer{Role: Staff, User: anna}
	a := pbx.Party{User: anna, Ext: "73911"}
	for _, r := range []pbx.Record{
		{From: a, To: pbx.Party{Number: number.Must("+4930901820"), Line: "FXO 1"}, Outcome: pbx.Answered, Began: time.Now()},
		{From: a, To: pbx.Party{User: boris, Ext: "84062"}, Outcome: pbx.Answered, Began: time.Now()},
		{From: pbx.Party{Line: "FXO 1"}, To: a, Outcome: pbx.Answered, Began: time.Now()},
	} {
		d.s.Append(r)
	}
	if err := d.s.flush(); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *desk) again(change func(*policy.Settings)) {
	d.t.Helper()
	if err := d.s.Close(); err != nil {
		d.t.Fatal(err)
	}
	d.s = d.b.open()
	d.s.withPolicy(change)
}

func (d *desk) ask(v Viewer) Grant {
	d.t.Helper()
	g, err := d.s.As(v).AskUnmask(d.t.Context(), outward, Called, aReason)
	if err != nil {
		d.t.Fatal(err)
	}
	return g
}

// shown gives what somebody sees of the number of a call.
func (d *desk) shown(v Viewer, id RecordID) string {
	d.t.Helper()
	view, err := d.s.As(v).recordView(id)
	if err != nil {
		d.t.Fatal(err)
	}
	return view.To.Number
}

func (d *desk) wants(when string, v Viewer, number string) {
	d.t.Helper()
	if got := d.shown(v, outward); got != number {
		d.t.Errorf("%s: the number shows as %q, want %q", when, got, number)
	}
}

func (d *desk) state(when string, v Viewer, want GrantState) {
	d.t.Helper()
	list, err := d.s.As(v).Grants(d.t.Context())
	if err != nil || len(list) == 0 || list[0].State != want {
		d.t.Errorf("%s: %v, %v, want %v", when, list, err, want)
	}
}

func alone(p *policy.Settings)    { p.Unmask = policy.Unmask{Minutes: 10} }
func together(p *policy.Settings) { p.Unmask = policy.Unmask{Minutes: 10, Second: true} }

const (
	whole  = "+4930901820"
	masked = "+493090…"
)

// TestUnmaskAlone: without a second person a number is shown at once, to who asked and for its
// time, and masked again after it.
func TestUnmaskAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, alone)
		d.wants("before", d.admin, masked)
		g := d.ask(d.admin)
		if g.ID != 1 || g.State != Lasting || g.Record != outward || g.End != Called || g.Until.Sub(g.Asked) != 10*time.Minute {
			t.Errorf("%+v", g)
		}
		d.wants("granted", d.admin, whole)
		d.wants("another account", d.officer, masked)
		far := pbx.Party{Number: number.Must(whole), Line: "FXO 1"}
		d.s.Append(pbx.Record{From: pbx.Party{User: anna, Ext: "73911"}, To: far})
		d.s.Append(pbx.Record{From: far, To: far})
		d.s.flush()
		if got := d.shown(d.admin, unknown+1); got != masked {
			t.Errorf("the same number of another call shows as %q", got)
		}
		if _, err := d.s.As(d.admin).AskUnmask(t.Context(), unknown+2, Called, aReason); err != nil {
			t.Error(err)
		}
		if view := must(d.s.As(d.admin).recordView(unknown + 2)); view.From.Number != masked || view.To.Number != whole {
			t.Errorf("one end was asked for, seen are %q and %q", view.From.Number, view.To.Number)
		}
		d.wants("the same role without the account", Viewer{Role: Admin}, masked)
		d.wants("an account that is nobody", Viewer{Account: d.admin.Account}, "")
		if again := d.ask(d.admin); again != g {
			t.Errorf("asked twice: %+v", again)
		}
		views, err := d.s.As(d.admin).Records(t.Context(), Query{})
		if err != nil || len(views) != 5 || views[4].To.Number != whole || views[4].To.State != Shown {
			t.Errorf("records: %v, %v", views, err)
		}
		d.s.clock = func() time.Time { return time.Now().Add(-48 * time.Hour) } // the clock is set back
		time.Sleep(10*time.Minute - 1)
		d.wants("at the end", d.admin, whole)
		d.state("at the end", d.admin, Lasting)
		time.Sleep(1)
		d.wants("after it", d.admin, masked)
		d.state("after it", d.admin, Over)
		d.s.clock = time.Now
		d.ask(d.admin)
		d.wants("granted again", d.admin, whole)
		d.again(alone)
		d.wants("after a restart", d.admin, masked)
		d.state("after a restart", d.admin, Over)
		d.s.Close()
	})
}

// TestUnmaskTogether: a request waits for somebody else, who sees why, and no whole number.
func TestUnmaskTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, together)
		officer := func() *Reader { return d.s.As(d.officer) }
		g := d.ask(d.admin)
		if g.State != Waiting || !g.Until.IsZero() {
			t.Errorf("%+v", g)
		}
		d.wants("asked", d.admin, masked)
		check := func(when string, v Viewer, n int) {
			t.Helper()
			list, err := d.s.As(v).Requests(t.Context())
			if err != nil || len(list) != n {
				t.Errorf("%s: %d requests, %v", when, len(list), err)
			}
			for _, q := range list {
				if q.ID != 1 || q.Reason != aReason || q.Account != d.admin.Account || q.Name != "Apfelmus-Gehilfin" || q.Role != Admin ||
					q.Call.ID != outward || q.Call.To.Number != masked || q.Call.From.User != anna {
					t.Errorf("%s: another request", when)
				}
				if text := fmt.Sprintf("%v %+v %#v", q, q, q); strings.Contains(text, "Gehilfin") || strings.Contains(text, "Quitten") {
					t.Errorf("a request prints what it shows: %s", text)
				}
			}
		}
		for range 2 {
			for i, v := range []Viewer{d.officer, d.other, d.admin, d.anna, owner, {}, {Role: PrivacyOfficer}, {Role: Admin, Account: d.other.Account}} {
				lines := len(trailOf(t, d.s, 1))
				if n, want := d.s.As(v).WaitingRequests(), map[int]int{0: 1, 1: 1}[i]; n != want {
					t.Errorf("%v is told of %d requests, want %d", v.Role, n, want)
				}
				if len(trailOf(t, d.s, 1)) != lines {
					t.Error("a count is a line of the trail")
				}
			}
			check("an officer", d.officer, 1)
			check("the other", d.other, 1)
			d.again(together) // it waits on
		}
		if _, err := d.s.As(d.admin).AgreeUnmask(t.Context(), 1, true); !errors.Is(err, ErrNotAllowed) {
			t.Errorf("who asked agrees: %v", err)
		}
		if _, err := d.s.As(owner).AgreeUnmask(t.Context(), 1, true); !errors.Is(err, ErrNotAllowed) {
			t.Errorf("the terminal agrees: %v", err)
		}
		if _, err := officer().AgreeUnmask(t.Context(), 7, true); !errors.Is(err, ErrNoRequest) {
			t.Errorf("no request: %v", err)
		}
		d.wants("still", d.admin, masked)
		if g, err := officer().AgreeUnmask(t.Context(), 1, true); err != nil || g.State != Lasting || g.Until.Sub(time.Now()) != 10*time.Minute {
			t.Errorf("%+v, %v", g, err)
		}
		d.wants("agreed", d.admin, whole)
		d.wants("who agreed", d.officer, masked)
		if _, err := d.s.As(d.other).AgreeUnmask(t.Context(), 1, false); !errors.Is(err, ErrNoRequest) {
			t.Errorf("answered twice: %v", err)
		}
		check("answered", d.other, 0)
		time.Sleep(10 * time.Minute)
		d.wants("after it", d.admin, masked)

		d.ask(d.admin)
		if g, err := officer().AgreeUnmask(t.Context(), 2, false); err != nil || g.State != Refused {
			t.Errorf("%+v, %v", g, err)
		}
		d.wants("refused", d.admin, masked)
		d.ask(d.officer)
		check("the own request", d.officer, 0)
		if _, err := officer().AgreeUnmask(t.Context(), 3, true); !errors.Is(err, ErrSamePerson) {
			t.Errorf("who asked agrees: %v", err)
		}
		if _, err := d.s.As(d.admin).AgreeUnmask(t.Context(), 3, false); !errors.Is(err, ErrNoRequest) {
			t.Errorf("somebody takes back what another asked: %v", err)
		}
		if g, err := officer().AgreeUnmask(t.Context(), 3, false); err != nil || g.State != Refused {
			t.Errorf("taken back: %+v, %v", g, err)
		}

		for _, wait := range []func(){
			func() { time.Sleep(24 * time.Hour) },
			func() { d.s.clock = func() time.Time { return time.Now().Add(24 * time.Hour) } },
			func() {
				d.s.clock = func() time.Time { return time.Now().Add(-48 * time.Hour) }
				time.Sleep(24 * time.Hour)
			},
		} {
			d.s.clock = time.Now
			g := d.ask(d.admin)
			wait()
			d.state("after a day", d.admin, Unanswered)
			if _, err := officer().AgreeUnmask(t.Context(), g.ID, true); !errors.Is(err, ErrNoRequest) {
				t.Errorf("answered after a day: %v", err)
			}
		}
		d.s.Close()
	})
}

// TestUnmaskRefused: who may not ask, and what cannot be shown.
func TestUnmaskRefused(t *testing.T) {
	d := newDesk(t, alone)
	ctx := t.Context()
	ended, cancel := context.WithCancel(ctx)
	cancel()
	for _, c := range []struct {
		what   string
		v      Viewer
		id     RecordID
		end    End
		reason string
		want   error
	}{
		{"the terminal", owner, outward, Called, aReason, ErrNotAllowed},
		{"an admin without an account", Viewer{Role: Admin}, outward, Called, aReason, ErrNotAllowed},
		{"an account that is gone", Viewer{Role: Admin, Account: "gone"}, outward, Called, aReason, ErrNotAllowed},
		{"an installer", Viewer{Role: Installer, Account: d.admin.Account}, outward, Called, aReason, ErrNotAllowed},
		{"staff", Viewer{Role: Staff, User: anna, Account: d.admin.Account}, outward, Called, aReason, ErrNotAllowed},
		{"nobody", Viewer{Account: d.admin.Account}, outward, Called, aReason, ErrNotAllowed},
		{"an owner, who sees it", Viewer{Role: Owner, Account: d.admin.Account}, outward, Called, aReason, ErrNothingMasked},
		{"no reason", d.admin, outward, Called, "", ErrReason},
		{"a short one", d.admin, outward, Called, "123456789 ", ErrReason},
		{"a long one", d.admin, outward, Called, strings.Repeat("ä", 501), ErrReason},
		{"two lines", d.admin, outward, Called, aReason + "\n" + aReason, ErrReason},
		{"no text", d.admin, outward, Called, aReason + "\xff", ErrReason},
		{"no record", d.admin, 99, Called, aReason, ErrNoRecord},
		{"record 0", d.admin, 0, Called, aReason, ErrNoRecord},
		{"no end", d.admin, outward, 0, aReason, ErrNothingMasked},
		{"a third end", d.admin, outward, 3, aReason, ErrNothingMasked},
		{"a user", d.admin, outward, Caller, aReason, ErrNothingMasked},
		{"a colleague", d.admin, inside, Called, aReason, ErrNothingMasked},
		{"nobody known", d.admin, unknown, Caller, aReason, ErrNothingMasked},
	} {
		if g, err := d.s.As(c.v).AskUnmask(ctx, c.id, c.end, c.reason); !errors.Is(err, c.want) || g != (Grant{}) {
			t.Errorf("%s: %v, want %v", c.what, err, c.want)
		}
	}
	if _, err := d.s.As(d.admin).AskUnmask(ended, outward, Called, aReason); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that has ended: %v", err)
	}
	if n := len(d.s.grants.load().list); n != 0 {
		t.Errorf("%d requests are kept", n)
	}
	// 501 runes are too many, 500 are not; ten are enough.
	for i, reason := range []string{strings.Repeat("ä", 500), "1234567890"} {
		if _, err := d.s.As([]Viewer{d.admin, d.officer}[i]).AskUnmask(ctx, outward, Called, reason); err != nil {
			t.Error(err)
		}
	}

	d.s.withPolicy(func(p *policy.Settings) { alone(p); p.Numbers = map[Role]policy.Sight{Admin: policy.None} })
	d.wants("a role that sees no number, with a grant of before", d.admin, "")
	if _, err := d.s.As(d.admin).AskUnmask(ctx, outward, Called, aReason); !errors.Is(err, ErrNotAllowed) {
		t.Errorf("a role that sees no number: %v", err)
	}
	d.s.withPolicy(alone)
	d.wants("as before", d.admin, whole)
	if _, err := d.s.SetRole(ctx, owner, d.admin.Account, Installer, ""); err != nil {
		t.Fatal(err)
	}
	d.wants("an installer who was an admin", must2(d.s.Account(d.admin.Account)).Viewer(), "")

	d.s.ring.Forget(keyring.Digits, d.s.today()+1)
	d.wants("aged under a grant", d.officer, masked)
	if _, err := d.s.As(d.other).AskUnmask(ctx, outward, Called, aReason); !errors.Is(err, ErrDigitsGone) {
		t.Errorf("aged digits: %v", err)
	}
	d.s.ring.Forget(keyring.Calls, d.s.today()+1)
	if _, err := d.s.As(d.other).AskUnmask(ctx, outward, Called, aReason); !errors.Is(err, ErrNoRecord) {
		t.Errorf("an aged record: %v", err)
	}
	d.s.Close()
	if _, err := d.s.As(d.other).AskUnmask(ctx, outward, Called, aReason); !errors.Is(err, ErrDown) {
		t.Errorf("a closed store: %v", err)
	}
}

func must2[T any](v T, _ bool) T { return v }

// TestUnmaskErased: with a person the reason goes, and nothing is granted any more.
func TestUnmaskErased(t *testing.T) {
	d := newDesk(t, together)
	d.ask(d.admin)
	d.ask(d.officer)
	if _, err := d.s.As(d.officer).AgreeUnmask(t.Context(), 1, true); err != nil {
		t.Fatal(err)
	}
	if n := must(d.s.As(d.anna).Notices(t.Context())); len(n) != 1 || n[0].Reason != aReason {
		t.Fatal(n)
	}
	if _, err := d.s.Erase(t.Context(), owner, Person{Number: number.Must(whole)}); err != nil {
		t.Fatal(err)
	}
	for len(d.s.keeper.left) > 0 {
		d.s.wmu.Lock()
		err := d.s.sweep()
		d.s.wmu.Unlock()
		if err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		d.wants("erased", d.admin, "")
		if _, err := d.s.As(d.other).AskUnmask(t.Context(), outward, Called, aReason); !errors.Is(err, ErrPersonGone) {
			t.Errorf("asked: %v", err)
		}
		if _, err := d.s.As(d.other).AgreeUnmask(t.Context(), 2, true); !errors.Is(err, ErrPersonGone) {
			t.Errorf("agreed: %v", err)
		}
		list, err := d.s.As(d.other).Requests(t.Context())
		if err != nil || len(list) != 1 || list[0].Reason != "" || list[0].Call.To.State != Erased {
			t.Errorf("requests: %v, %v", list, err)
		}
		n, err := d.s.As(d.anna).Notices(t.Context())
		if err != nil || len(n) != 1 || n[0].Reason != "" || n[0].Role != Admin {
			t.Errorf("notices: %v, %v", n, err)
		}
		d.again(together)
	}
	d.s.db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket(bucketGrants).ForEach(func(k, v []byte) error {
			if p, err := splitGrant(k, v); err != nil || len(p.list) != 2 || len(p.list[1].data) != 0 {
				t.Errorf("what the reason was is still in row %d: %v", idOf(k), err)
			}
			return nil
		})
	})
	if g, err := d.s.As(d.other).AgreeUnmask(t.Context(), 2, false); err != nil || g.State != Refused {
		t.Errorf("refused: %v", err)
	}
	if err := d.s.As(d.anna).ReadNotices(t.Context(), 9); err != nil {
		t.Error(err)
	}
	d.again(together)
	if h := d.s.Health(); h.Unreadable != 0 || len(d.s.grants.load().list) != 2 || d.s.As(d.anna).UnreadNotices() != 0 {
		t.Errorf("%+v", h)
	}
}

// TestNotices: a user learns who was shown a number of an own call, when and why; nobody else
// learns of it, and of requests that came to nothing nobody does.
func TestNotices(t *testing.T) {
	d := newDesk(t, together)
	reader := func() *Reader { return d.s.As(d.anna) }
	d.ask(d.admin)
	if n := must(reader().Notices(t.Context())); len(n) != 0 || reader().UnreadNotices() != 0 {
		t.Errorf("of a request that waits: %v", n)
	}
	if _, err := d.s.As(d.officer).AgreeUnmask(t.Context(), 1, true); err != nil {
		t.Fatal(err)
	}
	d.ask(d.other)
	if _, err := d.s.As(d.officer).AgreeUnmask(t.Context(), 2, false); err != nil {
		t.Fatal(err)
	}
	d.s.withPolicy(alone)
	d.ask(d.officer)
	for range 2 {
		n, err := reader().Notices(t.Context())
		if err != nil || len(n) != 2 || reader().UnreadNotices() != 2 {
			t.Fatal(n, err)
		}
		if x := n[1]; x.ID != 1 || x.Role != Admin || x.Agreed != PrivacyOfficer || x.Reason != aReason || !x.Unread || x.Record != outward || x.End != Called ||
			x.For != 10*time.Minute || x.At.IsZero() || x.CallAt.IsZero() || !x.Outward {
			t.Errorf("%+v", x)
		}
		if x := n[0]; x.ID != 3 || x.Role != PrivacyOfficer || x.Agreed != 0 {
			t.Errorf("%+v", x)
		}
		if text := fmt.Sprintf("%v %+v %#v", n[0], n[0], n[0]); strings.Contains(text, "Quitten") {
			t.Errorf("a notice prints what it shows: %s", text)
		}
		d.again(alone)
	}
	if err := reader().ReadNotices(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if n := must(reader().Notices(t.Context())); reader().UnreadNotices() != 1 || n[1].Unread || !n[0].Unread || n[1].Reason != aReason {
			t.Errorf("read up to the first: %v", n)
		}
		d.again(alone)
	}
	if n, err := d.s.As(Viewer{Role: Staff, User: boris}).Notices(t.Context()); err != nil || len(n) != 0 {
		t.Errorf("a colleague has notices: %v, %v", n, err)
	}
	d.s.ring.Forget(keyring.Calls, d.s.today()+1)
	if n := must(reader().Notices(t.Context())); len(n) != 2 || !n[0].CallAt.IsZero() || n[0].Reason != aReason {
		t.Errorf("of a call that is no longer kept: %v", n)
	}
	d.s.ring.Forget(keyring.Audit, d.s.today()+1)
	d.s.wmu.Lock()
	n, err := d.s.dropAgedGrants()
	more, err2 := d.s.dropAgedGrants()
	d.s.wmu.Unlock()
	if n != 3 || more != 0 || err != nil || err2 != nil || len(must(reader().Notices(t.Context()))) != 0 {
		t.Errorf("%d and %d dropped, %v, %v", n, more, err, err2)
	}
	d.again(alone)
	if g := d.s.grants.load(); len(g.list) != 0 || g.newest != 3 || d.s.Health().Unreadable != 0 {
		t.Errorf("%d requests are left, the newest was %d", len(g.list), g.newest)
	}
}

// TestRequestBounds: nobody has more than so many requests open.
func TestRequestBounds(t *testing.T) {
	d := newDesk(t, together)
	for range maxRequests {
		d.s.Append(pbx.Record{From: pbx.Party{User: anna, Ext: "73911"}, To: pbx.Party{Number: number.Must(whole), Line: "FXO 1"}})
	}
	d.s.flush()
	for i := range maxRequests {
		if _, err := d.s.As(d.admin).AskUnmask(t.Context(), unknown+1+RecordID(i), Called, aReason); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.s.As(d.admin).AskUnmask(t.Context(), outward, Called, aReason); !errors.Is(err, ErrTooManyRequests) {
		t.Errorf("one more: %v", err)
	}
	d.ask(d.officer) // is somebody else
	if _, err := d.s.As(d.admin).AgreeUnmask(t.Context(), 1, false); err != nil {
		t.Fatal(err)
	}
	d.ask(d.admin)
	full := make([]*grant, maxGrants)
	for i := range full {
		full[i] = &grant{id: GrantID(i + 1), grantJSON: grantJSON{State: Refused}}
	}
	d.s.grants.publish(full, maxGrants, time.Now())
	if _, err := d.s.As(d.other).AskUnmask(t.Context(), outward, Called, aReason); !errors.Is(err, ErrTooManyRequests) {
		t.Errorf("of a box that keeps as many as it may: %v", err)
	}
}

// TestGrantDamaged: a row that was changed or moved grants nothing and is counted; the others
// stay.
func TestGrantDamaged(t *testing.T) {
	d := newDesk(t, together)
	d.ask(d.admin)
	d.ask(d.officer)
	d.s.Close()
	db, err := bbolt.Open(d.b.dir+"/"+fileName, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket(bucketGrants)
		return errors.Join(b.Put(keyOf(1), b.Get(keyOf(2))), b.Put(keyOf(3), []byte{0, 0}), b.Put([]byte("odd"), b.Get(keyOf(2))))
	}); err != nil {
		t.Fatal(err)
	}
	db.Close()
	d.s = d.b.open()
	d.s.withPolicy(together)
	if h := d.s.Health(); h.Unreadable != 3 {
		t.Errorf("%d unreadable", h.Unreadable)
	}
	list := must(d.s.As(d.other).Requests(t.Context()))
	if len(list) != 1 || list[0].ID != 2 || list[0].Reason != aReason {
		t.Errorf("%v", list)
	}
	if g, err := d.s.As(d.admin).AskUnmask(t.Context(), outward, Called, aReason); err != nil || g.ID != 3 {
		t.Errorf("%v, %v", g, err)
	}
}
