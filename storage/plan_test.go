package storage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"go.etcd.io/bbolt"

	"sotto/pbx"
	"sotto/pbx/number"
	"sotto/pbx/plan"
)

func parseNumber(n int64) (number.Number, error) { return number.Parse(fmt.Sprint(n)) }

var owner = Viewer{Role: Owner}

func TestPlan(t *testing.T) {
	b := newBox(t)
	s := b.open()
	if p, rev := s.CurrentPlan(); rev != 0 || !reflect.DeepEqual(p, plan.Plan{}) {
		t.Fatalf("a new box has plan %d", rev)
	}
	want := testPlan()
	want.OutsidePrefix, want.RingSeconds = "0", 45
	rev, err := s.SetPlan(t.Context(), owner, 0, want)
	if err != nil || rev != 1 {
		t.Fatal(rev, err)
	}
	if _, err := s.SetPlan(t.Context(), owner, 0, want); !errors.Is(err, ErrConflict) {
		t.Fatalf("old revision: %v", err)
	}
	p, _ := s.CurrentPlan()
	p.Users[0].Name, p.Users[0].Ports[0], p.Lines[0].Name = "x", "x", "x" // the caller's own
	for range 2 {
		if p, rev := s.CurrentPlan(); rev != 1 || !reflect.DeepEqual(p, want) {
			t.Fatalf("plan %d is %+v, want %+v", rev, p, want)
		}
		s.Close()
		s = b.open()
	}
	want.Users = append(want.Users, plan.User{Name: "New", Ext: "12"})
	if _, err := s.SetPlan(t.Context(), owner, 1, want); err != nil {
		t.Fatal(err)
	}
	if p, _ := s.CurrentPlan(); p.Users[2].ID == "" || want.Users[2].ID != "" {
		t.Errorf("new user has the id %q", p.Users[2].ID)
	}
	want.Users[2].ID = anna
	if _, err := s.SetPlan(t.Context(), owner, 2, want); err == nil || strings.Contains(err.Error(), string(anna)) {
		t.Errorf("the same id twice: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.SetPlan(ctx, owner, 2, testPlan()); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestPlanIsSplit opens the box's part of a plan and of a record: it holds nothing
// about a person.
func TestPlanIsSplit(t *testing.T) {
	s := newBox(t).open()
	p := testPlan()
	p.Office, p.Lines = "Praxis", nil
	r := aRecord()
	call := must(s.sealAlone(1, 0, &r))
	saved := must(s.sealPlan(newPlanAt(1, p, nil)))
	for _, c := range []struct {
		bucket []byte
		row    row
		parts  int
	}{{bucketRecords, call.row, 4}, {bucketPlans, saved, 3}} {
		parts := must(splitRow(c.bucket, c.row.key, 0, c.row.value))
		rest := must(s.openPart(&parts, 0))
		for _, m := range append(markers, string(anna), string(boris), "FXS") {
			if len(parts.list) != c.parts || strings.Contains(string(rest), m) {
				t.Errorf("%s: %d parts, the box's is %s", c.bucket, len(parts.list), rest)
			}
		}
	}
}

// TestPlanRace lets many save at once: each revision has one winner.
func TestPlanRace(t *testing.T) {
	s := newBox(t).open()
	var wg sync.WaitGroup
	var mu sync.Mutex
	won := map[Rev]int{}
	for range 8 {
		wg.Go(func() {
			for range 6 {
				p, rev := s.CurrentPlan()
				p.Office, p.Country = "O", "DE"
				next, err := s.SetPlan(t.Context(), owner, rev, p)
				if err == nil {
					mu.Lock()
					won[next]++
					mu.Unlock()
				} else if !errors.Is(err, ErrConflict) {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if _, rev := s.CurrentPlan(); int(rev) != len(won) || rev == 0 {
		t.Errorf("revision %d after %d successes", rev, len(won))
	}
	for rev, n := range won {
		if n != 1 {
			t.Errorf("revision %d was given %d times", rev, n)
		}
	}
}

func TestOldPlansAreBounded(t *testing.T) {
	b := newBox(t)
	s := b.open()
	for i := range keepPlans + 5 {
		if _, err := s.SetPlan(t.Context(), owner, Rev(i), testPlan()); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	s.db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket(bucketPlans).ForEach(func(_, _ []byte) error { n++; return nil })
	})
	if n != keepPlans {
		t.Errorf("%d revisions kept", n)
	}
	s.Close()
	if _, rev := b.open().CurrentPlan(); rev != keepPlans+5 {
		t.Errorf("revision %d", rev)
	}
}

// TestPlanOfAnotherVersion stores plans that this version finds wrong, as one that asked
// less may have.
func TestPlanOfAnotherVersion(t *testing.T) {
	wrong := testPlan()
	wrong.Users[0].Ext = "112"
	b := newBox(t)
	s := b.open()
	if _, err := s.SetPlan(t.Context(), owner, 0, wrong); !errors.As(err, new(plan.Problems)) || strings.Contains(err.Error(), "112") {
		t.Errorf("a wrong plan is saved: %v", err)
	}
	want := testPlan()
	if _, err := s.SetPlan(t.Context(), owner, 0, want); err != nil {
		t.Fatal(err)
	}
	store := func(rev Rev) {
		t.Helper()
		r := must(s.sealPlan(newPlanAt(rev, wrong, nil)))
		if err := s.commit(func(tx *bbolt.Tx) error { return putNext(tx, bucketPlans, []row{r}) }); err != nil {
			t.Fatal(err)
		}
	}
	store(2)
	store(3)
	s.Close()
	s = b.open()
	if p, rev := s.CurrentPlan(); rev != 3 || !reflect.DeepEqual(p, want) {
		t.Errorf("revision %d: %+v", rev, p)
	}
	if rev, err := s.SetPlan(t.Context(), owner, 3, want); err != nil || rev != 4 {
		t.Errorf("saved on top: %d, %v", rev, err)
	}
	for rev := Rev(4); rev > 0; rev-- {
		store(rev)
	}
	store(4)
	s.Close()
	if _, err := b.tryOpen(); !errors.Is(err, ErrNoPlan) {
		t.Errorf("no valid plan: %v", err)
	}
	if p, err := ReadLifeline(b.dir); err != nil || len(p.Users) != 2 {
		t.Errorf("the lifeline is gone: %v", err)
	}
}

func TestMade(t *testing.T) {
	b := newBox(t)
	if Made(b.dir) {
		t.Error("made before the first Open")
	}
	b.open().Close()
	if !Made(b.dir) || !Made(filepath.Join(b.dir, fileName, "below")) {
		t.Error("not made")
	}
}

func TestLifeline(t *testing.T) {
	b := newBox(t)
	if _, err := ReadLifeline(b.dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
	s := b.open()
	if _, err := os.Stat(filepath.Join(b.dir, lifelineName)); err == nil {
		t.Error("a lifeline without a plan")
	}
	want := testPlan()
	want.OutsidePrefix, want.RingSeconds = "0", 45
	if _, err := s.SetPlan(t.Context(), owner, 0, want); err != nil {
		t.Fatal(err)
	}
	check := func() {
		t.Helper()
		p, err := ReadLifeline(b.dir)
		if err != nil {
			t.Fatal(err)
		}
		if p.Country != "DE" || !reflect.DeepEqual(p.Emergency, want.Emergency) || p.OutsidePrefix != "0" || p.RingSeconds != 45 ||
			len(p.Users) != 2 || len(p.Lines) != 1 || p.Lines[0].Port != "FXO 1" || p.Lines[0].Name == want.Lines[0].Name {
			t.Errorf("%+v", p)
		}
		for i, u := range p.Users {
			if u.Ext != want.Users[i].Ext || !reflect.DeepEqual(u.Ports, want.Users[i].Ports) ||
				u.ID == want.Users[i].ID || u.ID == "" || u.Name != string(u.Ext) || u.SIP {
				t.Errorf("user %d: %+v", i, u)
			}
		}
	}
	check() // and while the store is open
	s.Close()
	path := filepath.Join(b.dir, lifelineName)
	for _, text := range []string{"", "{", `{"format":2}`} {
		os.WriteFile(path, []byte(text), 0o600)
		if _, err := ReadLifeline(b.dir); err == nil {
			t.Errorf("%q gave no error", text)
		}
	}
	s = b.open() // puts it right
	check()
	os.Remove(path)
	os.Mkdir(path, 0o700) // it cannot be written
	p, rev := s.CurrentPlan()
	if rev, err := s.SetPlan(t.Context(), owner, rev, p); err != nil || rev != 2 {
		t.Errorf("the plan is durable all the same: %v", err)
	}
	if s.Health().Lifeline == nil {
		t.Error("the fault is not shown")
	}
}

// TestRoles looks at one call with every role.
func TestRoles(t *testing.T) {
	b := newBox(t)
	s := b.open()
	if _, err := s.SetPlan(t.Context(), owner, 0, testPlan()); err != nil {
		t.Fatal(err)
	}
	s.Append(aRecord())
	s.Append(pbx.Record{From: pbx.Party{User: boris, Ext: "84062"}, To: pbx.Party{Ext: "73911"}, Outcome: pbx.Failed})
	s.flush()
	user := PartyView{State: Shown, User: anna, Name: "Anna Zwetschgenbaum", Ext: "73911"}
	outside := PartyView{State: Shown, Number: "+4930901820", Line: "FXO 1"}
	masked := func(p PartyView, number string) PartyView {
		p.State, p.Number = Masked, number
		return p
	}
	for _, c := range []struct {
		v        Viewer
		n        int
		from, to PartyView
	}{
		{owner, 2, user, outside},
		{Viewer{Role: Admin}, 2, masked(user, ""), masked(outside, "+4930901…")},
		{Viewer{Role: PrivacyOfficer}, 2, masked(user, ""), masked(outside, "+4930901…")},
		{Viewer{Role: Staff, User: anna}, 1, user, outside},
	} {
		views, err := s.As(c.v).Records(t.Context(), Query{})
		if err != nil || len(views) != c.n {
			t.Errorf("%+v: %d records, %v", c.v, len(views), err)
			continue
		}
		v := views[len(views)-1]
		if v.From != c.from || v.To != c.to || v.ID != 1 || v.Outcome != pbx.Answered {
			t.Errorf("%+v sees another thing", c.v)
		}
		for _, m := range append(markers, "4930901") {
			if text := fmt.Sprintf("%v %+v %#v", v, &v, v); strings.Contains(text, m) {
				t.Errorf("a view prints what it shows: %s", text)
			}
		}
		if c.n == 2 && c.v.Role != Owner && views[0].To.Ext != "" {
			t.Errorf("%+v sees what was dialled", c.v)
		}
	}
	if _, err := s.As(Viewer{Role: Installer}).Records(t.Context(), Query{}); !errors.Is(err, ErrNotAllowed) {
		t.Errorf("installer: %v", err)
	}
	for _, v := range []Viewer{{}, {Role: 99}} {
		if _, err := s.As(v).Records(t.Context(), Query{}); !errors.Is(err, ErrNotAllowed) {
			t.Errorf("%+v: %v", v, err)
		}
		if _, _, err := s.As(v).Plan(t.Context()); !errors.Is(err, ErrNotAllowed) {
			t.Errorf("%+v: %v", v, err)
		}
	}
	if views, err := s.As(Viewer{Role: Staff, User: "nobody"}).Records(t.Context(), Query{}); err != nil || len(views) != 0 {
		t.Errorf("stranger: %d records, %v", len(views), err)
	}
	if views, err := s.As(Viewer{Role: Staff}).Records(t.Context(), Query{}); err != nil || len(views) != 0 {
		t.Errorf("staff without a user: %d records, %v", len(views), err)
	}
	for _, v := range []Viewer{{Role: Installer}, {Role: Staff, User: anna}, {Role: PrivacyOfficer}} {
		if _, err := s.SetPlan(t.Context(), v, 1, testPlan()); !errors.Is(err, ErrNotAllowed) {
			t.Errorf("%+v saves a plan: %v", v, err)
		}
	}
	p, rev, err := s.As(Viewer{Role: Installer}).Plan(t.Context())
	if err != nil || rev != 1 || p.Users[0].Name != "" || p.Users[0].Ports[0] != "FXS 1" {
		t.Errorf("installer's plan: %v", err)
	}
	p, _, err = s.As(Viewer{Role: Staff, User: boris}).Plan(t.Context())
	if err != nil || len(p.Users) != 1 || p.Users[0].ID != boris {
		t.Errorf("staff's plan: %v", err)
	}
}

// TestAudit: what cannot be noted is not shown and not changed.
func TestAudit(t *testing.T) {
	s := newBox(t).open()
	s.Append(aRecord())
	s.flush()
	if v, err := s.As(owner).Records(t.Context(), Query{}); err != nil || len(v) != 1 {
		t.Fatal(err)
	}
	s.SetPlan(t.Context(), owner, 0, testPlan())
	s.As(owner).Plan(t.Context())
	s.MakeSecret(t.Context(), owner, boris, markedSecret)
	wantTrail(t, s, 1, "terminal owner: call records 1",
		"terminal owner: change plan 5 [ > name of the office: none to set; country: none to DE; users added: 2; lines added: 1; emergency numbers added: 1]",
		"terminal owner: plan 2", "terminal owner: make secret 1")
	full := ErrDown
	s.wmu.Lock()
	s.broken, s.trail.merged = true, nil
	s.wmu.Unlock()
	if v, err := s.As(owner).Records(t.Context(), Query{}); !errors.Is(err, full) || v != nil {
		t.Errorf("records: %v", err)
	}
	if p, _, err := s.As(owner).Plan(t.Context()); !errors.Is(err, full) || p.Country != "" {
		t.Errorf("plan: %v", err)
	}
	if _, err := s.SetPlan(t.Context(), owner, 1, testPlan()); !errors.Is(err, full) {
		t.Errorf("set plan: %v", err)
	}
	if _, rev := s.CurrentPlan(); rev != 1 {
		t.Error("the plan was changed all the same")
	}
	before, _ := s.Secret(boris)
	if plain, err := s.MakeSecret(t.Context(), owner, boris, func() (string, pbx.Secret) { return "x", pbx.Secret{Ext: "84062"} }); !errors.Is(err, full) || plain != "" {
		t.Errorf("make secret: %v", err)
	}
	if after, ok := s.Secret(boris); !ok || after != before {
		t.Error("the secret was changed all the same")
	}
}
