package storage

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sotto/pbx"
	"sotto/pbx/plan"
)

// expires is when the bindings of the tests do: of the times that JSON can hold, a late one.
var expires = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// aBinding is one of boris, marked by n.
func aBinding(n int) pbx.Binding {
	return pbx.Binding{
		User: boris, Contact: fmt.Sprintf("sip:84062@192.0.2.177:%d;ob", n), Proto: "udp", Remote: "192.0.2.177:5062", Local: "192.0.2.1:5060",
		Instance: "<urn:uuid:00000000-0000-1000-8000-000A95A0E128>", RegID: 1, CallID: "c0ffee@192.0.2.177", CSeq: uint32(n), Expires: expires,
		Agent: "Zwiebelfon 7.1", Path: []string{"<sip:p@192.0.2.177>"},
	}
}

func TestBindings(t *testing.T) {
	b := newBox(t)
	s := b.open()
	s.SaveBindings(boris, []pbx.Binding{aBinding(1)}) // no plan yet
	setPlan(t, s, testPlan())
	list := []pbx.Binding{aBinding(1), aBinding(2)}
	s.SaveBindings(boris, list)
	list[0], list[1] = aBinding(8), aBinding(9) // the caller's own
	lost := map[string]func(){
		"unknown user": func() { s.SaveBindings("nobody", []pbx.Binding{aBinding(3)}) },
		"without SIP":  func() { s.SaveBindings(anna, []pbx.Binding{aBinding(3)}) },
		"too many":     func() { s.SaveBindings(boris, slices.Repeat([]pbx.Binding{aBinding(3)}, MaxBindings+1)) },
		"no plan":      func() {}, // above
	}
	for _, f := range lost {
		f()
	}
	s.SaveBindings("nobody", nil) // nothing is lost
	s.SaveBindings(anna, nil)
	if h := s.Health(); h.BindingsLost != uint64(len(lost)) || h.BindingsQueued != 2 {
		t.Errorf("%+v", h)
	}
	check := func(when string, want ...pbx.Binding) {
		t.Helper()
		for range 2 {
			if got := s.Bindings(); !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %d bindings, want %d: %+v", when, len(got), len(want), got)
			}
			s.Close() // writes what is queued
			s = b.open()
		}
	}
	s.flush()
	check("saved", aBinding(1), aBinding(2))
	long := aBinding(3)
	long.Agent = strings.Repeat("x", maxOwn)
	late := aBinding(3)
	late.Expires = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, odd := range []pbx.Binding{long, late} {
		s.SaveBindings(boris, []pbx.Binding{odd})
		s.flush()
	}
	if h := s.Health(); h.BindingsLost != 2 || h.Failed != 0 {
		t.Errorf("%+v", h)
	}
	check("one that does not fit", aBinding(1), aBinding(2))
	s.SaveBindings(boris, []pbx.Binding{aBinding(3)})
	s.SaveBindings(boris, []pbx.Binding{aBinding(4)})
	s.flush()
	check("the newest counts", aBinding(4))
	other := aBinding(5)
	other.User = anna // whose list it is in counts
	s.SaveBindings(boris, []pbx.Binding{other})
	s.flush()
	check("of another name", aBinding(5))
	s.SaveBindings(boris, []pbx.Binding{})
	s.flush()
	check("removed")
	if n := rowsIn(s, bucketBindings); n != 0 {
		t.Errorf("%d rows", n)
	}
}

// TestBindingsExpire opens the data folder after some have expired: they are left out, and
// the writer removes them, unless something newer is queued.
func TestBindingsExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t)
		s, stop := b.run()
		setPlan(t, s, sipPlan())
		in := func(n int, d time.Duration) pbx.Binding {
			x := aBinding(n)
			x.Expires = time.Now().Add(d).UTC()
			return x
		}
		soon, later := in(1, time.Minute), in(2, time.Hour)
		s.SaveBindings(boris, []pbx.Binding{soon, later})
		s.SaveBindings(anna, []pbx.Binding{soon})
		stop()
		time.Sleep(time.Minute)
		s, stop = b.run()
		if got := s.Bindings(); !reflect.DeepEqual(got, []pbx.Binding{later}) {
			t.Errorf("%+v", got)
		}
		synctest.Wait()
		if n := rowsIn(s, bucketBindings); n != 1 {
			t.Errorf("%d rows", n)
		}
		stop()
		time.Sleep(time.Hour)
		s = b.open()
		s.SaveBindings(boris, []pbx.Binding{in(3, time.Hour)})
		s.Bindings()
		s.Close()
		s = b.open()
		if got := s.Bindings(); len(got) != 1 || got[0].CSeq != 3 || rowsIn(s, bucketBindings) != 1 {
			t.Errorf("%+v", got)
		}
	})
}

// TestBindingsOfThePlan: who leaves the plan or loses SIP loses them, also those queued.
func TestBindingsOfThePlan(t *testing.T) {
	b := newBox(t)
	s := b.open()
	setPlan(t, s, sipPlan())
	for _, change := range []func(p *plan.Plan){
		func(p *plan.Plan) { p.Users[0].SIP = false },
		func(p *plan.Plan) { p.Users = p.Users[1:] },
	} {
		s.SaveBindings(anna, []pbx.Binding{aBinding(1)})
		s.SaveBindings(boris, []pbx.Binding{aBinding(2)})
		s.flush()
		s.SaveBindings(anna, []pbx.Binding{aBinding(3)})
		p := sipPlan()
		change(&p)
		setPlan(t, s, p)
		if n := rowsIn(s, bucketBindings); n != 1 {
			t.Errorf("%d rows", n)
		}
		s.flush()
		s.Close()
		s = b.open()
		if got := s.Bindings(); len(got) != 1 || got[0].CSeq != 2 || rowsIn(s, bucketBindings) != 1 {
			t.Errorf("%+v", got)
		}
		setPlan(t, s, sipPlan())
	}
	if h := s.Health(); h.BindingsLost+h.Unreadable != 0 {
		t.Errorf("%+v", h)
	}
}

// TestBindingsModel saves, writes and opens again at random, against a map.
func TestBindingsModel(t *testing.T) {
	b := newBox(t)
	s := b.open()
	p := testPlan()
	p.Users = bigOffice(7)
	setPlan(t, s, p)
	rnd := rand.New(rand.NewPCG(4, 4))
	model := map[plan.UserID][]pbx.Binding{}
	for i := range 600 {
		switch rnd.IntN(30) {
		case 0:
			s.Close()
			s = b.open()
			var want []pbx.Binding
			for _, u := range p.Users {
				want = append(want, model[u.ID]...)
			}
			if got := s.Bindings(); !reflect.DeepEqual(got, want) {
				t.Fatalf("%d bindings, want %d", len(got), len(want))
			}
		case 1, 2:
			s.writeDue()
		case 3:
			s.flush()
		case 4:
			s.Append(aRecord())
		default:
			user := p.Users[rnd.IntN(7)].ID
			var list []pbx.Binding
			for range rnd.IntN(4) {
				x := aBinding(i)
				x.User = user
				list = append(list, x)
			}
			model[user] = list
			s.SaveBindings(user, list)
		}
	}
}

func bigOffice(n int) []plan.User {
	list := make([]plan.User, n)
	for i := range list {
		list[i] = plan.User{ID: plan.UserID(fmt.Sprint("user-", i)), Name: "Person", Ext: plan.Ext(fmt.Sprint(20000 + i)), SIP: true}
	}
	return list
}

func TestSaveBindingsAllocs(t *testing.T) {
	s := newBox(t).open()
	setPlan(t, s, testPlan())
	list := []pbx.Binding{aBinding(1), aBinding(2)}
	if n := testing.AllocsPerRun(1000, func() { s.SaveBindings(boris, list) }); n > 1 { // its own copy
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkSaveBindings is the queueing alone, then the largest transaction: a list of two
// for each of as many users as a plan may have.
func BenchmarkSaveBindings(b *testing.B) {
	s := benchStore(b)
	p := testPlan()
	p.Users = bigOffice(plan.MaxUsers)
	if _, err := s.SetPlan(b.Context(), owner, 0, p); err != nil {
		b.Fatal(err)
	}
	list := []pbx.Binding{aBinding(1), aBinding(2)}
	b.Run("queue", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			s.SaveBindings(p.Users[i%len(p.Users)].ID, list)
		}
	})
	b.Run("write", func(b *testing.B) {
		for b.Loop() {
			for i := range p.Users {
				s.SaveBindings(p.Users[i].ID, list)
			}
			if err := s.flush(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("read", func(b *testing.B) {
		for b.Loop() {
			if got := s.Bindings(); len(got) != 2*len(p.Users) {
				b.Fatal(len(got))
			}
		}
	})
}

func BenchmarkSecret(b *testing.B) {
	s := benchStore(b)
	if _, err := s.SetPlan(b.Context(), owner, 0, testPlan()); err != nil {
		b.Fatal(err)
	}
	must(s.MakeSecret(b.Context(), owner, boris, nextSecret("84062", 1)))
	for b.Loop() {
		if _, ok := s.Secret(boris); !ok {
			b.Fatal("no secret")
		}
	}
}
