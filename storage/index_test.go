package storage

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"go.etcd.io/bbolt"

	"sotto/pbx"
	"sotto/pbx/number"
	"sotto/pbx/plan"
	"sotto/storage/keyring"
)

// TestFind asks for persons and lines, for all roles, against a slice.
func TestFind(t *testing.T) {
	b := newBox(t)
	s := b.open()
	setPlan(t, s, testPlan())
	rnd := rand.New(rand.NewPCG(12, 13))
	// Two forms of each of three numbers: what is written with the first is found by both.
	forms := [][2]string{{"+4930901820", "030901820"}, {"+442079460018", "00442079460018"}, {"02039477150", "+492039477150"}}
	lines := []string{"FXO 1", "Amt Zwetschgenbaum", ""}
	type made struct {
		from, to pbx.Party
		number   int // of forms, -1
	}
	var list []made
	for range 2500 {
		m := made{number: -1}
		outside := pbx.Party{Line: lines[rnd.IntN(3)]}
		if m.number = rnd.IntN(4) - 1; m.number >= 0 {
			outside.Number = number.Must(forms[m.number][rnd.IntN(2)])
		}
		user := pbx.Party{User: anna, Ext: "73911"}
		if rnd.IntN(20) == 0 {
			user = pbx.Party{User: boris, Ext: "84062"}
		}
		if m.from, m.to = user, outside; rnd.IntN(2) == 0 {
			m.from, m.to = outside, user
		}
		if rnd.IntN(10) == 0 {
			m.from, m.to, m.number = user, user, -1
		}
		list = append(list, m)
		s.Append(pbx.Record{From: m.from, To: m.to, Began: day0, Outcome: pbx.Answered})
		if rnd.IntN(40) == 0 {
			s.flush()
		}
	}
	s.flush()
	is := func(m *made, p Person) bool {
		if p.User != "" {
			return m.from.User == p.User || m.to.User == p.User
		}
		return m.number >= 0 && slices.Contains(forms[m.number][:], p.Number.Reveal())
	}
	persons := []Person{{}, {User: anna}, {User: boris}, {User: "nobody"}, {Number: number.Must("0815")}}
	for _, f := range forms {
		persons = append(persons, Person{Number: number.Must(f[0])}, Person{Number: number.Must(f[1])})
	}
	for _, v := range []Viewer{owner, {Role: Admin}, {Role: Staff, User: anna}, {Role: Staff, User: boris}, {Role: Staff, User: "nobody"}} {
		for _, p := range persons {
			for _, line := range append(lines, "FXO 9") {
				var want, got []RecordID
				for i := len(list) - 1; i >= 0; i-- {
					m := &list[i]
					if (p == (Person{}) || is(m, p)) && (line == "" || m.from.Line == line || m.to.Line == line) &&
						(v.Role != Staff || is(m, Person{User: v.User})) {
						want = append(want, RecordID(i+1))
					}
				}
				q := Query{Person: p, Line: line, Limit: 1 + rnd.IntN(500)}
				for {
					page, err := s.As(v).Page(t.Context(), q)
					if err != nil || len(page.Views) > q.Limit {
						t.Fatal(err)
					}
					for _, view := range page.Views {
						got = append(got, view.ID)
					}
					if !page.More {
						break
					}
					if q.Before != 0 && page.Next >= q.Before {
						t.Fatalf("after %d comes %d", q.Before, page.Next)
					}
					q.Before = page.Next
				}
				if !slices.Equal(got, want) {
					t.Errorf("%v of %s, line %s, person %v %v: %d records, want %d", v.Role, v.User, line, p.User, p.Number, len(got), len(want))
				}
			}
		}
	}
	for _, p := range persons[1:] {
		if _, err := s.As(Viewer{Role: Installer}).Page(t.Context(), Query{Person: p}); !errors.Is(err, ErrNotAllowed) {
			t.Errorf("installer asks for a person: %v", err)
		}
	}
	if _, err := s.As(Viewer{Role: Installer}).Page(t.Context(), Query{Line: "FXO 1"}); !errors.Is(err, ErrNotAllowed) {
		t.Errorf("installer asks for a line: %v", err)
	}
	for _, p := range []Person{{Account: "x"}, {User: anna, Number: number.Must("0815")}, {User: anna, Account: "x"}} {
		if _, err := s.As(owner).Page(t.Context(), Query{Person: p}); !errors.Is(err, ErrPerson) {
			t.Errorf("no person: %v", err)
		}
	}
	if h := s.Health(); h.Unreadable != 0 {
		t.Errorf("%d unreadable", h.Unreadable)
	}
	boriss, _ := s.ring.Lookup(keyring.User, string(boris))
	var ids []RecordID
	for before := RecordID(0); ; {
		some, err := s.idsOf(boriss, before, 7)
		if err != nil {
			t.Fatal(err)
		}
		if ids = append(ids, some...); len(some) < 7 {
			break
		}
		before = some[6]
	}
	n := 0
	for i := range list {
		if is(&list[i], Person{User: boris}) {
			n++
		}
	}
	if len(ids) != n || !slices.IsSortedFunc(ids, func(a, b RecordID) int { return int(b) - int(a) }) {
		t.Errorf("%d ids, want %d", len(ids), n)
	}
	if none, err := s.idsOf(keyring.Subject{0xff}, 0, 5); err != nil || len(none) != 0 {
		t.Errorf("of nobody: %v, %v", none, err)
	}
}

// TestIndexProvesNothing lets the index lead to what is another's, missing or damaged: it is
// not shown, and counted.
func TestIndexProvesNothing(t *testing.T) {
	b := newBox(t)
	s := b.open()
	setPlan(t, s, testPlan())
	for i := range 6 {
		r := aRecord()
		if i < 3 {
			r.From = pbx.Party{User: boris, Ext: "84062"}
		}
		s.Append(r)
	}
	s.flush()
	a, _ := s.ring.Lookup(keyring.User, string(anna))
	s.db.Update(func(tx *bbolt.Tx) error {
		i, r := tx.Bucket(bucketBySubject), tx.Bucket(bucketRecords)
		i.Put(indexKey(a[:], 1), nil)  // of boris
		i.Put(indexKey(a[:], 99), nil) // none
		r.Delete(keyOf(5))
		return r.Put(keyOf(6), []byte("x"))
	})
	for _, v := range []struct {
		v Viewer
		q Query
	}{{Viewer{Role: Admin}, Query{Person: Person{User: anna}}}, {owner, Query{Person: Person{User: anna}}}} {
		before := s.Health().Unreadable
		views, err := s.As(v.v).Records(t.Context(), v.q)
		if err != nil || len(views) != 1 || views[0].ID != 4 || s.Health().Unreadable-before != 3 {
			t.Errorf("%d records, %d counted, %v", len(views), s.Health().Unreadable-before, err)
		}
	}
}

// TestIndexKeys: the database shows neither the name of a line nor a user's id in its
// indexes, and each record has one key a person and line.
func TestIndexKeys(t *testing.T) {
	s := newBox(t).open()
	setPlan(t, s, testPlan())
	r := aRecord()
	r.From.Line = r.To.Line
	s.Append(r)
	r.To = r.From
	s.Append(r)
	s.Append(pbx.Record{Outcome: pbx.Abandoned})
	s.flush()
	count := map[string]int{}
	s.db.View(func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{bucketBySubject, bucketByLine} {
			tx.Bucket(name).ForEach(func(k, v []byte) error {
				count[string(name)]++
				if len(v) != 0 {
					t.Errorf("%s: a value", name)
				}
				return nil
			})
		}
		return nil
	})
	if fmt.Sprint(count) != "map[byLine:2 bySubject:3]" {
		t.Error(count)
	}
	if s.lineTag("FXO 1") == s.lineTag("FXO 2") || s.lineTag("") == [8]byte{} {
		t.Error("tags are alike")
	}
}

// TestRemovePart takes a person out of rows: what is left opens as before, and the person is
// damaged while the keys are there and erased when they are not.
func TestRemovePart(t *testing.T) {
	s := newBox(t).open()
	setPlan(t, s, testPlan())
	r := aRecord()
	value := must(s.sealAlone(1, 0, &r)).value
	was := slices.Clone(value)
	subject := must(s.ring.Subject(keyring.Outside, s.normal("+4930901820")))
	without, changed, err := removePart(value, subject)
	if err != nil || !changed || len(without) >= len(value) || !slices.Equal(value, was) {
		t.Fatal(changed, err)
	}
	if again, changed, err := removePart(without, subject); err != nil || changed || !slices.Equal(again, without) {
		t.Error("removed twice", err)
	}
	row := must(splitRow(bucketRecords, keyOf(1), 0, without))
	if len(row.list) != 4 || row.list[2].subject != subject || len(row.list[2].data)+len(row.list[3].data) != 0 {
		t.Errorf("%d parts", len(row.list))
	}
	for i := range 2 {
		must(s.openPart(&row, i))
		if _, err := s.openPart(&row, i+2); err != errRow {
			t.Errorf("part %d: %v", i+2, err)
		}
	}
	if err := s.ring.Commit(); err != nil {
		t.Fatal(err)
	}
	must(s.ring.Erase(subject))
	for i := 2; i < 4; i++ {
		if _, err := s.openPart(&row, i); err != errErased {
			t.Errorf("erased: %v", err)
		}
	}
	for _, odd := range [][]byte{nil, {}, {2}, value[:18], value[:len(value)-1], append(slices.Clone(value), 0x81)} {
		if _, changed, err := removePart(odd, subject); err == nil || changed {
			t.Errorf("%d bytes: %v", len(odd), err)
		}
	}
	if _, changed, _ := removePart(value, keyring.Subject{}); changed {
		t.Error("the box's part was removed")
	}
}

// FuzzSplitRow: whatever a row holds, taking it apart ends in parts or an error, and what
// is put together again is taken apart alike.
func FuzzSplitRow(f *testing.F) {
	head := make([]byte, 18)
	head[0], head[1] = 2, 1
	f.Add(append(slices.Clone(head), append(make([]byte, 17), 3, 1, 2, 3, 0x81, 2, 9, 9)...))
	f.Add(append(slices.Clone(head), append(make([]byte, 17), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1)...))
	f.Fuzz(func(t *testing.T, value []byte) {
		row, err := splitRow(bucketRecords, keyOf(1), 0, value)
		if err != nil {
			return
		}
		again, err := splitRow(bucketRecords, keyOf(1), 0, row.join(row.list...))
		if err != nil || len(again.list) != len(row.list) {
			t.Fatal(err)
		}
		for i := range row.list {
			if again.list[i].subject != row.list[i].subject || again.list[i].class != row.list[i].class || !slices.Equal(again.list[i].data, row.list[i].data) {
				t.Fatalf("part %d is another", i)
			}
		}
		removePart(value, keyring.Subject{1})
	})
}

// TestPlanOfManyUsers: an office of as many users as a plan takes is a row.
func TestPlanOfManyUsers(t *testing.T) {
	b := newBox(t)
	s := b.open()
	p := testPlan()
	p.Users = bigOffice(plan.MaxUsers)
	setPlan(t, s, p)
	s.Close()
	if got, rev := b.open().CurrentPlan(); rev != 1 || len(got.Users) != plan.MaxUsers {
		t.Errorf("%d users", len(got.Users))
	}
}

// TestShortCode: who is called by a short code that a rule makes a number of is who calls from
// that number, and what was dialled is what shows.
func TestShortCode(t *testing.T) {
	s := newBox(t).open()
	setPlan(t, s, testPlan())
	full := number.Must("030901820")
	s.Append(pbx.Record{From: pbx.Party{Number: number.Must("+4930901820"), Line: "FXO 1"}, To: pbx.Party{User: anna, Ext: "73911"}})
	s.Append(pbx.Record{From: pbx.Party{User: anna, Ext: "73911"}, To: pbx.Party{Number: number.Must("777"), Line: "FXO 1"}, Sent: full})
	s.Append(pbx.Record{From: pbx.Party{User: anna, Ext: "73911"}, To: pbx.Party{Number: full, Line: "FXO 1"}, Sent: number.Must("99")})
	s.flush()
	v, err := s.As(owner).Records(t.Context(), Query{Person: Person{Number: full}})
	if err != nil || len(v) != 3 || v[1].To.Number != "777" || v[0].To.Number != "030901820" {
		t.Errorf("%d records, %v", len(v), err)
	}
}
