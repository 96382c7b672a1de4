package storage

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.etcd.io/bbolt"

	"sotto/pbx"
	"sotto/pbx/number"
	"sotto/pbx/plan"
	"sotto/storage/keyring"
)

// caller is an outside number as it stands on a letter, and as the exchange gives it.
var (
	callerLetter = number.Must("+49 30 90 18 20")
	callerShown  = number.Must("030901820")
	otherCaller  = number.Must("02039477151")
)

func callFrom(n number.Number, to plan.UserID) pbx.Record {
	r := aRecord()
	r.From, r.To = pbx.Party{Number: n, Line: "FXO 1"}, pbx.Party{User: to, Ext: "73911"}
	return r
}

// states gives what the owner sees of the parties, newest first: "shown>erased".
func states(t *testing.T, s *Store) (list []string) {
	t.Helper()
	views, err := s.As(owner).Records(t.Context(), Query{Limit: 500})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range views {
		list = append(list, v.From.State.String()+">"+v.To.State.String())
	}
	if n := s.Health().Unreadable; n > 0 {
		t.Errorf("%d unreadable", n)
	}
	return list
}

func same(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func ids(subjects []keyring.Subject) (list []string) {
	for _, s := range subjects {
		list = append(list, s.String())
	}
	return list
}

// keep does all that is left to do.
func (s *Store) keepHouse(t *testing.T) (pieces int) {
	t.Helper()
	for {
		again, err := s.housekeep()
		if err != nil {
			t.Fatal(err)
		}
		if again != sweepPause {
			return pieces
		}
		pieces++
	}
}

func TestEraseNumber(t *testing.T) {
	b := newBox(t)
	s := b.open()
	setPlan(t, s, testPlan())
	for range 3 {
		s.Append(callFrom(callerShown, anna))
	}
	s.Append(callFrom(otherCaller, anna))
	s.flush()
	w := must(s.NewAudio(pbx.Party{User: anna}, pbx.Party{Number: callerShown}))
	must(w.Write([]byte("the caller's voice")))
	kept := must(s.NewAudio(pbx.Party{User: anna}, pbx.Party{Number: otherCaller}))
	must(kept.Write([]byte("another's voice")))
	if err := errors.Join(w.Close(), kept.Close()); err != nil {
		t.Fatal(err)
	}
	s.Append(callFrom(callerShown, anna)) // waits in the queue
	p := Person{Number: callerLetter}
	if f, err := s.As(owner).Find(t.Context(), p); err != nil || f != (Found{Known: true, Records: 3, Entries: 3, Items: 1}) {
		t.Errorf("found %+v, %v", f, err)
	}
	subject, _ := s.ring.Lookup(keyring.Outside, s.normal(callerShown.Reveal()))
	_, rev := s.CurrentPlan()
	proof, err := s.Erase(t.Context(), Viewer{Role: PrivacyOfficer}, p)
	if err != nil {
		t.Fatal(err)
	}
	if len(proof.Subjects) != 1 || proof.Subjects[0] != subject || proof.Kind != keyring.Outside || proof.Records != 4 || proof.Plans != 0 || proof.Items != 1 ||
		!proof.Verified || proof.Swept || proof.OldEpoch == proof.NewEpoch || proof.NewEpoch == [8]byte{} || proof.Rewrite == 0 {
		t.Errorf("%+v", proof)
	}
	if out := fmt.Sprintf("%+v %v", proof, p); strings.Contains(out, "9018") {
		t.Errorf("the proof or the person shows digits: %s", out)
	}
	gone := []string{"erased>shown", "shown>shown", "erased>shown", "erased>shown", "erased>shown"}
	same(t, "after the erasure", states(t, s), gone...)
	if _, now := s.CurrentPlan(); now != rev {
		t.Error("the plan has changed")
	}
	if f, err := s.As(owner).Find(t.Context(), p); err != nil || f != (Found{}) {
		t.Errorf("found %+v, %v", f, err)
	}
	if _, err := s.Erase(t.Context(), owner, p); !errors.Is(err, ErrUnknownPerson) {
		t.Errorf("erased again: %v", err)
	}
	if _, err := s.OpenAudio(w.Item()); !errors.Is(err, ErrNoAudio) {
		t.Errorf("the message is still there: %v", err)
	}
	if r, err := s.OpenAudio(kept.Item()); err != nil || r.Size() != 15 {
		t.Errorf("another's message: %v", err)
	} else {
		r.Close()
	}
	if files := must(os.ReadDir(filepath.Join(b.dir, audioFolder))); len(files) != 1 {
		t.Errorf("%d files of audio", len(files))
	}
	s.Append(callFrom(callerLetter, anna))
	s.flush()
	same(t, "a later call", states(t, s), append([]string{"shown>shown"}, gone...)...)
	if later, _ := s.ring.Lookup(keyring.Outside, s.normal(callerShown.Reveal())); later == subject {
		t.Error("a later call has the subject of the erased")
	}
	if n := s.keepHouse(t); n != 1 {
		t.Errorf("swept in %d pieces", n)
	}
	s.Close()
	s = b.open()
	same(t, "opened again", states(t, s), append([]string{"shown>shown"}, gone...)...)
	list, err := s.As(Viewer{Role: Admin}).Erasures(t.Context())
	proof.Swept = true
	if err != nil || len(list) != 1 || fmt.Sprint(list[0]) != fmt.Sprint(proof) {
		t.Errorf("erasures: %v, %v", list, err)
	}
	if len(s.keeper.left)+len(s.keeper.unfinished) != 0 {
		t.Error("work is left")
	}
	proof, err = s.Erase(t.Context(), owner, p) // the later call
	if err != nil || proof.Records != 1 {
		t.Errorf("%+v, %v", proof, err)
	}
}

func TestEraseUser(t *testing.T) {
	b := newBox(t)
	s := b.open()
	s.hurry()
	s.claim(t)
	p := sipPlan()
	p.Lines = []plan.Line{{Name: "Amt", Port: "FXO 1", Rings: []plan.Ext{"84062"}}, {Name: "Amt 2", Port: "FXO 2", Rings: []plan.Ext{"73911", "84062"}}}
	setPlan(t, s, p)
	p.Office = "Praxis"
	setPlan(t, s, p)
	must(s.MakeSecret(t.Context(), owner, boris, markedSecret))
	staff := must(s.AddAccount(t.Context(), owner, markers[15], markers[14], Staff, boris))
	s.SaveBindings(boris, []pbx.Binding{aBinding(1)})
	s.Append(callFrom(callerShown, boris))
	s.flush()
	var told []Rev
	s.OnPlan(func(p plan.Plan, rev Rev) {
		told = append(told, rev)
		for _, u := range p.Users {
			if u.ID == boris {
				t.Error("the user is in the plan that is told")
			}
		}
		if _, ok := s.Secret(boris); ok {
			t.Error("the secret is still there")
		}
	})
	f, err := s.As(owner).Find(t.Context(), Person{User: boris})
	if err != nil || f != (Found{Known: true, Records: 1, Entries: 1, Plans: 2, InPlan: true, Account: true}) {
		t.Errorf("found %+v, %v", f, err)
	}
	s.SaveBindings(boris, []pbx.Binding{aBinding(2)}) // waits
	_, rev := s.CurrentPlan()
	proof, err := s.Erase(t.Context(), Viewer{Role: Admin}, Person{User: boris})
	if err != nil {
		t.Fatal(err)
	}
	if len(proof.Subjects) != 2 || proof.Kind != keyring.User || proof.Records != 1 || proof.Plans != 2 || !proof.Verified {
		t.Errorf("%+v", proof)
	}
	if len(told) != 1 || told[0] != rev+1 {
		t.Errorf("told of %v after %d", told, rev)
	}
	check := func(when string) {
		t.Helper()
		got, now := s.CurrentPlan()
		if now != rev+1 || len(got.Users) != len(p.Users)-1 || len(got.Lines[0].Rings) != 0 || len(got.Lines[1].Rings) != 1 {
			t.Errorf("%s: %v, revision %d", when, got.Lines, now)
		}
		if _, ok := s.Account(staff.ID); ok || len(s.Bindings()) != 0 || rowsIn(s, bucketSecrets)+rowsIn(s, bucketBindings) != 0 || rowsIn(s, bucketAccounts) != 1 {
			t.Errorf("%s: something of the user's own is left", when)
		}
		if _, ok := s.Secret(boris); ok {
			t.Errorf("%s: the secret is left", when)
		}
		if len(s.secrets) != 0 {
			t.Errorf("%s: the secret is left in memory", when)
		}
		same(t, when, states(t, s), "shown>erased")
		for _, subject := range proof.Subjects {
			if _, _, ok := s.ring.Name(subject); ok {
				t.Errorf("%s: the keyring knows the subject", when)
			}
		}
		if l, err := ReadLifeline(b.dir); err != nil || len(l.Users) != len(p.Users)-1 {
			t.Errorf("%s: the lifeline has %d users, %v", when, len(l.Users), err)
		}
	}
	check("erased")
	s.Append(callFrom(callerShown, boris)) // it went on meanwhile
	s.flush()
	s.keepHouse(t)
	same(t, "a call that went on", states(t, s), "shown>erased", "shown>erased")
	if list := must(s.As(owner).Erasures(t.Context())); len(list) != 2 {
		t.Errorf("%d erasures", len(list))
	}
	if err := s.db.View(func(tx *bbolt.Tx) error {
		for _, subject := range proof.Subjects {
			if len(plansOf(tx, subject))+countOf(tx, subject) > 0 {
				t.Error("not swept")
			}
		}
		if n := tx.Bucket(bucketErased).Sequence(); n != 0 {
			t.Errorf("%d are left by the count", n)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	s.Close()
	s = b.open()
	if again, err := s.Erase(t.Context(), owner, Person{User: boris}); !errors.Is(err, ErrUnknownPerson) {
		t.Errorf("%v, %v", again, err)
	}
	if list := must(s.As(owner).Erasures(t.Context())); len(list) != 2 || !list[0].Swept || !list[1].Swept {
		t.Errorf("%+v", list)
	}
}

func TestEraseAccount(t *testing.T) {
	b := newBox(t)
	s := b.open()
	s.hurry()
	s.claim(t)
	first := s.accounts.Load().list[0].ID
	if _, err := s.Erase(t.Context(), owner, Person{Account: first}); !errors.Is(err, ErrLastOwner) {
		t.Errorf("the last owner: %v", err)
	}
	must(s.AddAccount(t.Context(), owner, markers[15], markers[14], Owner, ""))
	proof, err := s.Erase(t.Context(), owner, Person{Account: first})
	if err != nil || proof.Kind != keyring.Admin || proof.Records != 0 || !proof.Verified {
		t.Fatal(proof, err)
	}
	for range 2 {
		if _, ok := s.Account(first); ok || len(s.accounts.Load().list) != 1 || !s.Claimed() {
			t.Error("the account is there")
		}
		if n := s.Health().Unreadable; n != 0 {
			t.Errorf("%d unreadable", n)
		}
		s.Close()
		s = b.open()
	}
}

func TestEraseWho(t *testing.T) {
	b := newBox(t)
	s := b.open()
	s.hurry()
	s.claim(t)
	may := map[string][]Role{
		"user":    {Owner, Admin},
		"number":  {Owner, Admin, PrivacyOfficer},
		"account": {Owner},
	}
	setPlan(t, s, testPlan())
	s.Append(callFrom(callerShown, anna))
	s.flush()
	people := map[string]Person{"user": {User: "nobody"}, "number": {Number: otherCaller}, "account": {Account: "none"}}
	for name, p := range people {
		for role := Role(0); role < Staff+2; role++ {
			want := ErrNotAllowed
			for _, r := range may[name] {
				if r == role {
					want = ErrUnknownPerson
				}
			}
			if _, err := s.Erase(t.Context(), Viewer{Role: role, User: anna}, p); !errors.Is(err, want) {
				t.Errorf("%s by %v: %v", name, role, err)
			}
			if f, err := s.As(Viewer{Role: role}).Find(t.Context(), p); f != (Found{}) || (err == nil) != (want == ErrUnknownPerson) {
				t.Errorf("find %s by %v: %v", name, role, err)
			}
		}
	}
	for _, p := range []Person{{}, {User: anna, Number: otherCaller}, {User: anna, Account: "x"}, {Number: otherCaller, Account: "x"}} {
		if _, err := s.Erase(t.Context(), owner, p); !errors.Is(err, ErrPerson) {
			t.Errorf("%v", err)
		}
	}
	for role := Role(0); role < Staff+2; role++ {
		if _, err := s.As(Viewer{Role: role}).Erasures(t.Context()); (err == nil) != (role >= Owner && role <= PrivacyOfficer) {
			t.Errorf("erasures by %v: %v", role, err)
		}
	}
	for _, line := range trailOf(t, s, 1) {
		if strings.Contains(line, "erase") {
			t.Errorf("noted %q", line)
		}
	}
	if h := s.Health(); h.Commits != 3+6 { // and each Find is a look
		t.Errorf("%d transactions", h.Commits)
	}
	s.Close()
	if _, err := s.Erase(t.Context(), owner, Person{Number: callerShown}); !errors.Is(err, ErrDown) {
		t.Errorf("closed: %v", err)
	}
}

// TestFindForms: a number on a letter is the same person in every form.
func TestFindForms(t *testing.T) {
	b := newBox(t)
	s := b.open()
	p := testPlan()
	p.AreaCode = "30"
	setPlan(t, s, p)
	s.Append(callFrom(callerShown, anna))
	r := aRecord()
	r.To = pbx.Party{Ext: "555"} // dialled, and nobody's
	s.Append(r)
	s.flush()
	for _, form := range []string{"030 901820", "+49 30 901820", "0049 (30) 90-18-20", "901820", "555"} {
		if f := must(s.As(Viewer{Role: Admin}).Find(t.Context(), Person{Number: number.Must(form)})); f != (Found{Known: true, Records: 1, Entries: 1}) {
			t.Errorf("a form of %d characters: %+v", len(form), f)
		}
	}
	for _, form := range []string{"040 901820", "+43 30 901820", "90182", "1", "*#", "+999999999999999"} {
		if f := must(s.As(Viewer{Role: Admin}).Find(t.Context(), Person{Number: number.Must(form)})); f != (Found{}) {
			t.Errorf("somebody else: %+v", f)
		}
	}
	if _, err := s.Erase(t.Context(), owner, Person{Number: number.Must("901820")}); err != nil {
		t.Error(err)
	}
	if f := must(s.As(owner).Find(t.Context(), Person{Number: callerShown})); f.Known {
		t.Error("still known")
	}
}

func TestOnPlan(t *testing.T) {
	b := newBox(t)
	s := b.open()
	setPlan(t, s, testPlan())
	var told []Rev
	s.OnPlan(func(p plan.Plan, rev Rev) {
		told = append(told, rev)
		p.Users[0].Name = "changed" // it is f's own
	})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 10 {
				p, rev := s.CurrentPlan()
				p.Office += "."
				if _, err := s.SetPlan(t.Context(), owner, rev, p); err != nil && !errors.Is(err, ErrConflict) {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	p, rev := s.CurrentPlan()
	if len(told) == 0 || told[0] < 2 || told[len(told)-1] != rev || !slices.IsSorted(told) || len(slices.Compact(told)) != len(told) || p.Users[0].Name == "changed" {
		t.Errorf("told of %v, now %d", told, rev)
	}
	n := len(told)
	s.Append(callFrom(callerShown, anna))
	must(s.Erase(t.Context(), owner, Person{Number: callerLetter}))
	must(s.Erase(t.Context(), owner, Person{User: boris}))
	if len(told) != n+1 || told[n] != rev+1 {
		t.Errorf("told of %v after %d", told[n:], rev)
	}
}

// TestFormerUsers: who has left the plan is found by those who may erase users, and is not
// once erased.
func TestFormerUsers(t *testing.T) {
	s := newBox(t).open()
	setPlan(t, s, testPlan())
	p, rev := s.CurrentPlan()
	gone := p.Users[0]
	dropUser(&p, gone.ID)
	must(s.SetPlan(t.Context(), owner, rev, p))
	list := must(s.As(owner).FormerUsers(t.Context()))
	if len(list) != 1 || list[0].ID != gone.ID || list[0].Name != gone.Name {
		t.Fatalf("%v", list)
	}
	for _, r := range []Role{PrivacyOfficer, Installer, Staff, 0} {
		if _, err := s.As(Viewer{Role: r}).FormerUsers(t.Context()); !errors.Is(err, ErrNotAllowed) {
			t.Errorf("%v: %v", r, err)
		}
	}
	if proof := must(s.Erase(t.Context(), owner, Person{User: gone.ID})); proof.Plans != 1 {
		t.Errorf("%d revisions", proof.Plans)
	}
	if list := must(s.As(owner).FormerUsers(t.Context())); len(list) != 0 {
		t.Errorf("%v", list)
	}
}
