package pbxtest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"sotto/pbx"
	"sotto/pbx/plan"
)

// TestNotKeptOfTheNetwork: a protected user and the private-call prefix, from and to
// telephones on the network. The other end is shown and in no record.
func TestNotKeptOfTheNetwork(t *testing.T) {
	for _, country := range []string{"DE", "US", "GB"} {
		t.Run(country, func(t *testing.T) {
			scene := Scene{Country: country, Stations: 2, Lines: 1, SIP: []plan.Ext{"201", "202", "203"}, Protect: []plan.Ext{"201"}, Private: "*67"}
			sipOfficeOf(t, scene, func(t *testing.T, o *Office) {
				a, b, c := registered(t, o, "201"), registered(t, o, "202"), registered(t, o, "203")
				var want []string
				is := func(line string) {
					t.Helper()
					time.Sleep(2 * second)
					want = append(want, line)
					r := lastRecord(t, o)
					r.Talked = 0
					if got := Line(r); got != line || len(o.Records.List()) != len(want) || !r.Private {
						t.Errorf("%s, private %v; want %s", got, r.Private, line)
					}
				}
				out, in := connect(t, o, b, a)
				if _, shown := in.From(); shown != "202" {
					t.Errorf("the telephone shows %q", shown)
				}
				out.Hang()
				is("record private -> 201 answered")
				_, in = connect(t, o, a, b)
				in.Hang()
				is("record 201 -> private answered")
				callFromAnalog(t, o, "101", a).Hang()
				o.Do(t, "101 hangs up")
				is("record private -> 201 answered")
				connectAnalog(t, o, a, "102").Hang()
				o.Do(t, "102 hangs up")
				is("record 201 -> private answered")

				behind := b.Call("*67" + c.User)
				in = c.Incoming(0, 2*second)
				if in == nil {
					t.Fatalf("no call came: %v", behind.Statuses())
				}
				if _, shown := in.From(); shown != "202" {
					t.Errorf("the telephone shows %q", shown)
				}
				in.Answer()
				bothHear(t, o, behind, in)
				if s := behind.Reinvite("sendonly"); s != 200 {
					t.Errorf("hold: %d", s)
				}
				behind.Hang()
				is("record 202 -> private answered held")
				for _, dial := range []string{"*67099", "*6799", "*67", "*67hello"} {
					if c := b.Call(dial); !c.Ended(20 * second) {
						c.Hang()
					}
					time.Sleep(8 * second)
					want = append(want, "")
					if r := lastRecord(t, o); !r.Private || r.From.Ext != "202" || !r.To.Number.IsZero() || !r.Sent.IsZero() {
						t.Errorf("%s: %s", dial, Line(r))
					}
				}
				if len(o.Records.List()) != len(want) {
					t.Errorf("%d records, want %d", len(o.Records.List()), len(want))
				}
			})
		})
	}
}

// TestPrivateCallForHelp: behind the private-call prefix a call for help is one, and its
// number is kept.
func TestPrivateCallForHelp(t *testing.T) {
	for _, dial := range []string{"*67112", "*670112", "*67-112"} {
		scene := Scene{Country: "DE", Stations: 1, Lines: 1, SIP: []plan.Ext{"201"}, Protect: []plan.Ext{"201"}, Private: "*67"}
		sipOfficeOf(t, scene, func(t *testing.T, o *Office) {
			a := registered(t, o, "201")
			expectCentre(o)
			emergency(t, o, a, dial, 0).Hang()
			time.Sleep(2 * second)
			r := lastRecord(t, o)
			if r.Talked = 0; !r.Emergency || r.Private || Line(r) != "record 201 -> 112 answer not known" {
				t.Errorf("%s, emergency %v, private %v", Line(r), r.Emergency, r.Private)
			}
		})
	}
}

// TestUserLeavesOffice: a user with telephones on the network is taken out of the plan.
// Calls go on; their records do not name the user; the registrations are gone.
func TestUserLeavesOffice(t *testing.T) {
	sipOfficeOf(t, Scene{Country: "DE", Stations: 2, Lines: 1, SIP: []plan.Ext{"201", "202", "203"}}, func(t *testing.T, o *Office) {
		a, b, c := registered(t, o, "201"), registered(t, o, "202"), registered(t, o, "203")
		talking, _ := connect(t, o, a, b)
		before := len(a.Calls())
		ringing := c.Call("201")
		in := a.Incoming(before, 2*second)
		if in == nil || !ringing.Rings(2*second) {
			t.Fatal("no call came")
		}
		o.Replan(t, func(p *plan.Plan) {
			p.Users = slices.DeleteFunc(p.Users, func(u plan.User) bool { return u.Ext == "201" })
		})
		time.Sleep(second)
		if left := o.Saved.Bindings(); slices.ContainsFunc(left, func(x pbx.Binding) bool { return x.User == "s201" }) || len(left) != 2 {
			t.Errorf("%d registrations are left", len(left))
		}
		in.Answer()
		if !ringing.Answered(2 * second) {
			t.Errorf("the call that rang: %v", ringing.Statuses())
		}
		bothHear(t, o, ringing, in)
		if s := talking.Reinvite("sendonly"); s != 200 {
			t.Errorf("hold: %d", s)
		}
		if s := talking.Reinvite("sendrecv"); s != 200 {
			t.Errorf("retrieve: %d", s)
		}
		ringing.Hang()
		talking.Hang()
		time.Sleep(2 * second)
		for _, r := range o.Records.List() {
			if said := fmt.Sprintf("%+v %+v", r.From, r.To); !r.Private || r.From.User == "s201" || r.To.User == "s201" || r.From.Ext == "201" || r.To.Ext == "201" {
				t.Errorf("%s", said)
			}
		}
		if n := len(o.Records.List()); n != 2 {
			t.Errorf("%d records", n)
		}
		if x := b.Call("201"); !x.Ended(10*second) || !slices.Equal(x.Statuses(), []int{100, 404}) {
			t.Errorf("the caller is told %v", x.Statuses())
		}
		if x := a.Call("202"); !x.Ended(10*second) || x.Statuses() != nil {
			t.Errorf("a telephone of nobody calls: %v", x.Statuses())
		}
		if err := a.Register(300); err == nil {
			t.Error("a telephone of nobody registers")
		}
	})
}
