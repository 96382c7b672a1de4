package storage

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"sotto/pbx"
	"sotto/pbx/number"
	"sotto/pbx/plan"
	"sotto/storage/keyring"
	"sotto/storage/policy"
)

func staff(user plan.UserID) Viewer { return Viewer{Role: Staff, User: user} }

// set changes the settings without asking whether they are valid.
func (s *Store) set(change func(*policy.Settings)) {
	p := *s.policy()
	change(&p)
	s.settings.Store(&p)
}

// journalOf gives a user's journal in words, newest first: "anna>+493090".
func journalOf(t *testing.T, s *Store, v Viewer, q Query) (list []string) {
	t.Helper()
	views, err := s.As(v).Records(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	say := func(p PartyView) string {
		switch {
		case p.User != "":
			return strings.TrimPrefix(string(p.User), "user-")
		case p.State == Shown || p.State == Cut:
			return p.Number
		}
		return p.State.String()
	}
	for _, v := range views {
		list = append(list, say(v.From)+">"+say(v.To))
	}
	return list
}

// someCalls are calls of all kinds with their journals, oldest first.
func someCalls() []pbx.Record {
	a, b := pbx.Party{User: anna, Ext: "73911", Place: "desk"}, pbx.Party{User: boris, Ext: "84062"}
	out := pbx.Party{Number: callerShown, Line: "FXO 1"}
	at := time.Date(2026, 3, 1, 9, 30, 0, 0, time.UTC)
	call := func(from, to pbx.Party, o pbx.Outcome) pbx.Record {
		r := pbx.Record{From: from, To: to, Began: at, Rang: 2 * time.Second, Outcome: o, Cause: pbx.NormalClearing}
		if o == pbx.Answered {
			r.Talked = 61 * time.Second
		}
		return r
	}
	list := []pbx.Record{
		call(out, a, pbx.Answered),
		call(a, out, pbx.Answered),
		call(a, b, pbx.Answered),
		call(out, pbx.Party{}, pbx.NoAnswer),                                 // rang both
		call(pbx.Party{Line: "FXO 1"}, b, pbx.Answered),                      // of whom nothing is to be kept
		call(b, pbx.Party{Number: number.Must("112")}, pbx.Answered),         // help
		call(b, pbx.Party{Number: otherCaller}, pbx.Failed),                  // got no line
		call(pbx.Party{Number: otherCaller, Line: "FXO 1"}, a, pbx.Answered), // of another
	}
	list[1].Code, list[2].Code = "Mandant 7", "Mandant 8"
	list[3].Missed = []plan.UserID{anna, boris, anna, "stranger", ""}
	list[4].Private = true
	list[5].Emergency = true
	return list
}

var (
	annasCalls = []string{"0203947715" + "1>anna", "030901820>anna", "anna>boris", "anna>030901820", "030901820>anna"}
	borisCalls = []string{"boris>02039477151", "boris>112", "not kept>boris", "030901820>boris", "anna>boris"}
)

// TestJournal: who was in a call has it in the own journal and nobody else has, whatever
// the office records.
func TestJournal(t *testing.T) {
	b := newBox(t)
	s := b.open()
	setPlan(t, s, testPlan())
	s.set(func(p *policy.Settings) { p.Record = policy.Record{} })
	for _, r := range someCalls() {
		s.Append(r)
	}
	s.flush()
	check := func(when string) {
		t.Helper()
		same(t, when+" anna", journalOf(t, s, staff(anna), Query{}), annasCalls...)
		same(t, when+" boris", journalOf(t, s, staff(boris), Query{}), borisCalls...)
		same(t, when+" the number", journalOf(t, s, staff(anna), Query{Person: Person{Number: callerLetter}}), annasCalls[1], annasCalls[3], annasCalls[4])
		same(t, when+" the colleague", journalOf(t, s, staff(boris), Query{Person: Person{User: anna}}), "anna>boris")
		same(t, when+" outgoing", journalOf(t, s, staff(boris), Query{Direction: Outgoing}), borisCalls[0], borisCalls[1])
		same(t, when+" missed", journalOf(t, s, staff(boris), Query{Outcomes: []pbx.Outcome{pbx.NoAnswer}}), borisCalls[3])
		same(t, when+" the line", journalOf(t, s, staff(boris), Query{Line: "FXO 1"}), borisCalls[2], borisCalls[3])
		same(t, when+" nobody", journalOf(t, s, staff("nobody"), Query{}))
		same(t, when+" the office", journalOf(t, s, owner, Query{}), "boris>112")
		if n := s.Health().Unreadable; n != 0 {
			t.Errorf("%s: %d unreadable", when, n)
		}
	}
	check("at once:")
	views := must(s.As(staff(anna)).Records(t.Context(), Query{}))
	if v := views[3]; v.Code != "Mandant 7" || v.Talked != 61*time.Second || v.Rang != 2*time.Second || v.Direction != Outgoing || v.To.Line != "FXO 1" ||
		v.From.Name != "Anna Zwetschgenbaum" || v.From.Ext != "73911" || v.ID != 2 {
		t.Errorf("%+v %+v", v, v.From)
	}
	if v := views[2]; v.Code != "Mandant 8" || v.To.User != boris {
		t.Errorf("%+v %+v", v, v.To)
	}
	for _, v := range must(s.As(staff(boris)).Records(t.Context(), Query{})) {
		if v.Code != "" {
			t.Errorf("who is called reads the code %q", v.Code)
		}
	}
	if v := must(s.As(staff(boris)).Records(t.Context(), Query{}))[4]; v.From.Place != "" || v.From.Ext != "73911" {
		t.Errorf("a colleague without extension or with a place")
	}
	for _, v := range []Viewer{{}, {Role: Installer}, {Role: 99}} {
		if _, err := s.As(v).Page(t.Context(), Query{}); !errors.Is(err, ErrNotAllowed) {
			t.Errorf("%v: %v", v.Role, err)
		}
	}
	if _, err := s.As(staff(anna)).Page(t.Context(), Query{Person: Person{Account: "a"}}); !errors.Is(err, ErrPerson) {
		t.Errorf("an account: %v", err)
	}
	s.Close()
	s = b.open()
	check("opened again:")
	s.Append(someCalls()[0])
	s.flush()
	if got := journalOf(t, s, staff(anna), Query{}); len(got) != len(annasCalls)+1 {
		t.Errorf("%d after another call", len(got))
	}
}

// TestJournalPages: pages of any size give each entry once, and a page looks at no more than
// it may.
func TestJournalPages(t *testing.T) {
	s := newBox(t).open()
	setPlan(t, s, testPlan())
	const n = maxLooked + 700
	for i := range n {
		r := callFrom(callerShown, anna)
		r.Began = day0.Add(time.Duration(i) * time.Minute)
		if i%1000 == 7 {
			r.Outcome = pbx.Busy
		}
		if s.Append(r); i%maxQueue == maxQueue-1 {
			s.flush()
		}
	}
	s.flush()
	read := func(q Query) (ids []RecordID, pages int) {
		t.Helper()
		for {
			p := must(s.As(staff(anna)).Page(t.Context(), q))
			if len(p.Views) > max(q.Limit, defaultLimit) {
				t.Fatalf("%d of %d", len(p.Views), q.Limit)
			}
			for _, v := range p.Views {
				ids = append(ids, v.ID)
			}
			pages++
			if !p.More {
				return ids, pages
			}
			if p.Next == 0 || q.Before != 0 && p.Next >= q.Before {
				t.Fatalf("after %d comes %d", q.Before, p.Next)
			}
			q.Before = p.Next
		}
	}
	ids, _ := read(Query{Limit: 471})
	if len(ids) != n || ids[0] != n || !slices.IsSortedFunc(ids, func(a, b RecordID) int { return int(b) - int(a) }) {
		t.Errorf("%d entries from %d on", len(ids), ids[0])
	}
	if ids, pages := read(Query{Outcomes: []pbx.Outcome{pbx.Busy}}); len(ids) != 6 || pages != 2 {
		t.Errorf("%d found on %d pages", len(ids), pages)
	}
	if ids, _ := read(Query{From: day0.Add(10 * time.Minute), Until: day0.Add(20 * time.Minute)}); len(ids) != 10 || ids[0] != 20 {
		t.Errorf("of ten minutes %v", ids)
	}
}

// TestRecordChoice: what the office does not want recorded makes no record, help does always.
func TestRecordChoice(t *testing.T) {
	s := newBox(t).open()
	setPlan(t, s, testPlan())
	all := policy.Record{Internal: true, Incoming: true, Outgoing: true, Failed: true}
	ids := func(change func(*policy.Record)) (list []int) {
		t.Helper()
		choice := all
		change(&choice)
		for i, r := range someCalls() {
			if isRecorded(&choice, &r) {
				list = append(list, i)
			}
		}
		before, _ := s.Follow()
		s.set(func(p *policy.Settings) { p.Record = choice })
		for _, r := range someCalls() {
			s.Append(r)
		}
		s.flush()
		if after, _ := s.Follow(); int(after-before) != len(list) {
			t.Errorf("%d records of %d", after-before, len(list))
		}
		return list
	}
	for _, c := range []struct {
		change func(*policy.Record)
		want   []int
	}{
		{func(*policy.Record) {}, []int{0, 1, 2, 3, 4, 5, 6, 7}},
		{func(r *policy.Record) { r.Internal = false }, []int{0, 1, 3, 4, 5, 6, 7}},
		{func(r *policy.Record) { r.Incoming = false }, []int{1, 2, 5, 6}},
		{func(r *policy.Record) { r.Outgoing = false }, []int{0, 2, 3, 4, 5, 7}},
		{func(r *policy.Record) { r.Failed = false }, []int{0, 1, 2, 4, 5, 7}},
		{func(r *policy.Record) { *r = policy.Record{} }, []int{5}},
	} {
		if got := ids(c.change); !slices.Equal(got, c.want) {
			t.Errorf("recorded %v, want %v", got, c.want)
		}
	}
	if got := journalOf(t, s, staff(anna), Query{Limit: 500}); len(got) != 6*len(annasCalls) {
		t.Errorf("%d entries", len(got))
	}
}

// TestCutDigits: as many digits go first as the settings say, in records and journals.
func TestCutDigits(t *testing.T) {
	s := newBox(t).open()
	setPlan(t, s, testPlan())
	for _, cut := range []int{3, 4} {
		s.set(func(p *policy.Settings) { p.Cut = cut })
		s.Append(callFrom(callerShown, anna))
		s.flush()
		forgetToday(t, s, keyring.Digits)
		want := "030901820"[:9-cut] + "…>anna"
		same(t, "office", journalOf(t, s, owner, Query{Limit: 1}), want)
		same(t, "journal", journalOf(t, s, staff(anna), Query{Limit: 1}), want)
	}
}

// forgetToday has all chains of a class go past the newest day.
func forgetToday(t *testing.T, s *Store, class keyring.Class) {
	t.Helper()
	if s.ring.Forget(class, s.today()+1) == 0 {
		t.Error("nothing to forget")
	}
}

// TestJournalAges: what is about the other end may go before the rest, and all of it goes
// with the day.
func TestJournalAges(t *testing.T) {
	b := newBox(t)
	s := b.open()
	setPlan(t, s, testPlan())
	list := someCalls()
	for _, r := range list {
		s.Append(r)
	}
	s.flush()
	far, _ := s.ring.Lookup(keyring.Outside, s.normal(callerShown.Reveal()))
	s.ring.ForgetOf(far, keyring.Journal, s.today()+1)
	same(t, "one person aged", journalOf(t, s, staff(anna), Query{}), annasCalls[0], "aged>anna", "anna>boris", "anna>aged", "aged>anna")
	old := s.today()
	first := s.lastEntry
	s.Append(list[7]) // begins no day: that person's chain has not aged
	s.Append(list[0]) // begins a day
	s.flush()
	if s.today() != old+1 {
		t.Fatalf("day %d", s.today())
	}
	c := must(s.countJournal(t.Context(), old+1))
	if want := (journalCount{All: int(s.lastEntry), Before: int(first), Oldest: c.Oldest}); c != want || c.Oldest.IsZero() {
		t.Errorf("%+v, want %+v", c, want)
	}
	records := len(states(t, s))
	s.ring.Forget(keyring.Journal, old+1)
	same(t, "all aged", journalOf(t, s, staff(anna), Query{}), annasCalls[1], annasCalls[0])
	same(t, "all aged", journalOf(t, s, staff(boris), Query{}))
	dropped := 0
	if err := s.commit(func(tx *bbolt.Tx) (err error) {
		dropped, err = s.dropAgedJournal(tx, old+1)
		return err
	}); err != nil || dropped != int(first) {
		t.Errorf("dropped %d of %d: %v", dropped, first, err)
	}
	same(t, "removed", journalOf(t, s, staff(anna), Query{}), annasCalls[1], annasCalls[0])
	if n := len(states(t, s)); n != records {
		t.Errorf("%d records of %d", n, records)
	}
	checkJournals(t, s)
	if c := must(s.countJournal(t.Context(), old+1)); c.All != 2 || c.Before != 0 {
		t.Errorf("%+v", c)
	}
}

// checkJournals holds rows and index to each other.
func checkJournals(t *testing.T, s *Store) {
	t.Helper()
	want, got := map[string]bool{}, 0
	s.db.View(func(tx *bbolt.Tx) error {
		tx.Bucket(bucketJournal).ForEach(func(k, v []byte) error {
			p := must(s.splitEntry(row{k, v}))
			if len(p.list) > 1 && (len(p.list[1].data) > 0 || !s.wasErased(p.list[1].subject)) {
				want[string(farKey(p.list[1].subject, k))] = true
			}
			return nil
		})
		return tx.Bucket(bucketByFar).ForEach(func(k, _ []byte) error {
			if got++; !want[string(k)] {
				t.Error("the index leads to nothing")
			}
			return nil
		})
	})
	if got != len(want) {
		t.Errorf("%d in the index, want %d", got, len(want))
	}
}

// TestJournalDropPieces: 500 at most, of all users.
func TestJournalDropPieces(t *testing.T) {
	s := newBox(t).open()
	setPlan(t, s, testPlan())
	for i := range 1201 {
		s.Append(callFrom(callerShown, []plan.UserID{anna, boris}[i%2]))
	}
	s.flush()
	var got []int
	for range 4 {
		if err := s.commit(func(tx *bbolt.Tx) error {
			n, err := s.dropAgedJournal(tx, s.today()+1)
			got = append(got, n)
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(got, []int{500, 500, 201, 0}) {
		t.Errorf("%v", got)
	}
	checkJournals(t, s)
}

// TestJournalErased: who is erased is out of everybody's journals, and takes the own along.
func TestJournalErased(t *testing.T) {
	b := newBox(t)
	s := b.open()
	setPlan(t, s, testPlan())
	list := someCalls()
	for range 150 {
		for _, r := range list {
			s.Append(r)
		}
	}
	s.flush()
	p := Person{Number: callerLetter}
	if f := must(s.As(owner).Find(t.Context(), p)); f.Entries != 4*150 {
		t.Errorf("%+v", f)
	}
	far, _ := s.ring.Lookup(keyring.Outside, s.normal(callerShown.Reveal()))
	proof := must(s.Erase(t.Context(), owner, p))
	if proof.Entries != 4*150 || proof.Records != 3*150 {
		t.Errorf("%+v", proof)
	}
	gone := []string{annasCalls[0], "erased>anna", "anna>boris", "anna>erased", "erased>anna"}
	check := func(when string) {
		t.Helper()
		same(t, when, journalOf(t, s, staff(anna), Query{Limit: 5}), gone...)
		v := must(s.As(staff(anna)).Records(t.Context(), Query{Limit: 2}))[1]
		if v.From.Pseudonym != far.String()[:8] || v.From.Line != "FXO 1" {
			t.Errorf("%s: %+v", when, v.From)
		}
	}
	check("erased")
	pieces := 0
	for ; len(s.keeper.left) > 0; pieces++ {
		if err := s.sweep(); err != nil {
			t.Fatal(err)
		}
	}
	if pieces != 3 { // 450 records and 600 entries
		t.Errorf("swept in %d pieces", pieces)
	}
	check("swept")
	checkJournals(t, s)
	s.db.View(func(tx *bbolt.Tx) error {
		if n := entriesOf(tx, far); n != 0 {
			t.Errorf("%d entries are left in the index", n)
		}
		return tx.Bucket(bucketJournal).ForEach(func(k, v []byte) error {
			r := must(s.splitEntry(row{k, v}))
			for _, p := range r.list[1:] {
				if p.subject == far && len(p.data) > 0 {
					t.Fatal("a part is left")
				}
			}
			return nil
		})
	})
	own, _ := s.ring.Lookup(keyring.User, string(anna))
	proof = must(s.Erase(t.Context(), owner, Person{User: anna}))
	if want := len(annasCalls)*150 + 150; proof.Entries != want { // her own, and her in another's
		t.Errorf("%d entries, want %d", proof.Entries, want)
	}
	same(t, "erased user", journalOf(t, s, staff(anna), Query{}))
	same(t, "another's", journalOf(t, s, staff(boris), Query{Limit: 5}), borisCalls[0], borisCalls[1], borisCalls[2], "erased>boris", "erased>boris")
	s.Append(list[0]) // a call that has ended since: an afterglow
	s.keepHouse(t)
	s.Close()
	s = b.open()
	s.keepHouse(t)
	s.db.View(func(tx *bbolt.Tx) error {
		if n := entriesOf(tx, own); n != 0 {
			t.Errorf("%d entries are left of the user", n)
		}
		return nil
	})
	checkJournals(t, s)
	for _, p := range must(s.As(owner).Erasures(t.Context())) {
		if !p.Swept || p.Kind == keyring.Outside && p.Entries != 600 {
			t.Errorf("%+v", p)
		}
	}
}

// TestJournalKeepsPerson: somebody who stands in a journal alone is known for as long as that
// is.
func TestJournalKeepsPerson(t *testing.T) {
	s := newBox(t).open()
	setPlan(t, s, testPlan())
	s.set(func(p *policy.Settings) { p.Record = policy.Record{} })
	s.Append(callFrom(callerShown, anna))
	s.flush()
	look := func() bool {
		t.Helper()
		if err := s.lonely(); err != nil {
			t.Fatal(err)
		}
		_, known := s.ring.Lookup(keyring.Outside, s.normal(callerShown.Reveal()))
		return known
	}
	if !look() {
		t.Fatal("a person of a journal was let go of")
	}
	forgetToday(t, s, keyring.Journal)
	if look() {
		t.Error("a person of whom all has aged is still known")
	}
	setPlan(t, s, plan.Plan{Office: "x", Country: "DE"})
	for i := range keepPlans {
		setPlan(t, s, plan.Plan{Office: fmt.Sprint(i), Country: "DE"})
	}
	look()
	if _, known := s.ring.Lookup(keyring.User, string(anna)); known {
		t.Error("a user of whom all has aged is still known")
	}
}

// TestJournalDamage: a row that does not open is counted and left out, and an index that
// leads astray shows nothing.
func TestJournalDamage(t *testing.T) {
	s := newBox(t).open()
	setPlan(t, s, testPlan())
	for _, r := range someCalls() {
		s.Append(r)
	}
	s.flush()
	a, _ := s.ring.Lookup(keyring.User, string(anna))
	b, _ := s.ring.Lookup(keyring.User, string(boris))
	other, _ := s.ring.Lookup(keyring.Outside, s.normal(otherCaller.Reveal()))
	var keys [][]byte
	if err := s.db.Update(func(tx *bbolt.Tx) error {
		j, x := tx.Bucket(bucketJournal), tx.Bucket(bucketByFar)
		j.ForEach(func(k, _ []byte) error {
			if own, _ := splitEntryKey(k); own == a {
				keys = append(keys, slices.Clone(k))
			}
			return nil
		})
		moved := slices.Clone(j.Get(keys[1]))
		flipped := slices.Clone(j.Get(keys[2]))
		flipped[len(flipped)-1] ^= 1
		return errors.Join(
			j.Put(append(b[:], keys[1][16:]...), moved), // another's journal
			j.Put(keys[0], []byte("x")), j.Put(keys[2], flipped), j.Put(keys[3], nil),
			j.Put([]byte("short"), []byte("x")), j.Put(append(slices.Clone(keys[0]), 1), nil),
			x.Put(farKey(other, keys[1]), nil), x.Put(farKey(other, indexKey(a[:], 9000)), nil),
		)
	}); err != nil {
		t.Fatal(err)
	}
	same(t, "anna", journalOf(t, s, staff(anna), Query{}), annasCalls[0], "anna>damaged", annasCalls[3])
	same(t, "boris", journalOf(t, s, staff(boris), Query{}), borisCalls...)
	same(t, "by number", journalOf(t, s, staff(anna), Query{Person: Person{Number: otherCaller}}), annasCalls[0])
	if n := s.Health().Unreadable; n == 0 {
		t.Error("none counted")
	}
	must(s.countJournal(t.Context(), 5))
	if err := s.eachJournal(t.Context(), anna, func(*RecordView) error { return nil }); err != nil {
		t.Error(err)
	}
	must(s.Erase(t.Context(), owner, Person{Number: callerLetter}))
	must(s.Erase(t.Context(), owner, Person{User: anna}))
	s.keepHouse(t)
	same(t, "after an erasure", journalOf(t, s, staff(boris), Query{Limit: 2}), borisCalls[0], borisCalls[1])
}

// TestJournalReaders: a user's own data, and what journals have of somebody, without whose.
func TestJournalReaders(t *testing.T) {
	s := newBox(t).open()
	setPlan(t, s, testPlan())
	const n = chunk + 50
	for range n {
		for _, r := range someCalls() {
			s.Append(r)
		}
	}
	s.flush()
	got := 0
	if err := s.eachJournal(t.Context(), anna, func(v *RecordView) error { got++; return nil }); err != nil || got != n*len(annasCalls) {
		t.Errorf("%d entries, %v", got, err)
	}
	stop := errors.New("enough")
	if err := s.eachJournal(t.Context(), anna, func(v *RecordView) error { return stop }); !errors.Is(err, stop) {
		t.Error(err)
	}
	far, _ := s.ring.Lookup(keyring.Outside, s.normal(callerShown.Reveal()))
	user, _ := s.ring.Lookup(keyring.User, string(boris))
	for _, c := range []struct {
		of   keyring.Subject
		want map[string]int
	}{
		{far, map[string]int{"030901820>hidden": 3 * n, "hidden>030901820": n}},
		{user, map[string]int{"hidden>boris": n}},
	} {
		found := map[string]int{}
		if err := s.eachFar(t.Context(), []keyring.Subject{c.of}, func(v *RecordView) error {
			from, to := v.From.Number, v.To.Number
			for _, p := range []struct {
				s *string
				v PartyView
			}{{&from, v.From}, {&to, v.To}} {
				switch {
				case p.v.State == Hidden:
					if p.v != (PartyView{State: Hidden}) {
						t.Fatalf("more than hidden: %+v", p.v)
					}
					*p.s = "hidden"
				case p.v.User != "":
					*p.s = strings.TrimPrefix(string(p.v.User), "user-")
				}
			}
			found[from+">"+to]++
			if v.ID != 0 {
				t.Fatal("an id tells whose journal it is")
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(found) != fmt.Sprint(c.want) {
			t.Errorf("%v, want %v", found, c.want)
		}
	}
	if err := s.eachFar(t.Context(), []keyring.Subject{far}, func(v *RecordView) error { return stop }); !errors.Is(err, stop) {
		t.Error(err)
	}
}

// TestBatch: calls that rang many make transactions of fewer.
func TestBatch(t *testing.T) {
	s := newBox(t).open()
	r := callFrom(callerShown, anna)
	for range 600 {
		s.Append(r)
	}
	if n := s.batch(); n != maxBatch {
		t.Errorf("%d", n)
	}
	s.records = nil
	r.Missed = make([]plan.UserID, 200)
	for range 600 {
		s.Append(r)
	}
	if n := s.batch(); n != 3*maxBatch/203 {
		t.Errorf("%d", n)
	}
	s.records[0].Missed = make([]plan.UserID, 5000)
	if n := s.batch(); n != 1 {
		t.Errorf("%d", n)
	}
}
