package pbxtest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"sotto/pbx"
	"sotto/pbx/plan"
)

// TestCodesFromTheNetwork: a telephone on the network sends an accounting code with the
// number, in one. The code is in the record by its name and nowhere by its digits.
func TestCodesFromTheNetwork(t *testing.T) {
	for _, country := range []string{"DE", "US"} {
		scene := Scene{Country: country, Stations: 2, Lines: 1, SIP: []plan.Ext{"201", "202"}, Private: "*67", Prefix: "*71", Codes: []plan.Code{{Name: "Client", Digits: "98765"}, {Name: "Matter", Digits: "5"}, {Name: "Other", Digits: "51"}}}
		sipOfficeOf(t, scene, func(t *testing.T, o *Office) {
			a, b := registered(t, o, "201"), registered(t, o, "202")
			count := 0
			is := func(dialled, line, code string) {
				t.Helper()
				time.Sleep(3 * second)
				r := lastRecord(t, o)
				r.Talked = 0
				if count++; Line(r) != line || r.Code != code || len(o.Records.List()) != count {
					t.Errorf("%s, %s: %s, code %q, %d records", country, dialled, Line(r), r.Code, len(o.Records.List()))
				}
			}
			for _, x := range []struct{ dialled, line, code string }{
				{"*7198765*202", "record 201 -> 202 answered", "Client"},
				{"*71-98765*(202)", "record 201 -> 202 answered", "Client"},
				{"*7151202", "record 201 -> 202 answered", "Other"},
				{"*67*715*202", "record 201 -> private answered", "Matter"},
				{"*715**67202", "record 201 -> private answered", "Matter"},
			} {
				n := len(b.Calls())
				c := a.Call(x.dialled)
				in := b.Incoming(n, 2*second)
				if in == nil {
					t.Fatalf("%s: no call came, %v", x.dialled, c.Statuses())
				}
				if _, shown := in.From(); shown != "201" {
					t.Errorf("the telephone shows %q", shown)
				}
				in.Answer()
				bothHear(t, o, c, in)
				c.Hang()
				is(x.dialled, x.line, x.code)
			}
			for _, x := range []struct {
				dialled    string
				status     int
				line, code string
			}{
				{"*7198766*202", 404, "record 201 -> nobody unobtainable", ""},
				{"*71987660301234", 404, "record 201 -> nobody unobtainable", ""},
				{"*7198765", 484, "record 201 -> nobody unobtainable", "Client"},
				{"*7198", 484, "record 201 -> nobody unobtainable", ""},
				{"*7198765*hello", 404, "record 201 -> nobody unobtainable", "Client"},
			} {
				c := a.Call(x.dialled)
				if !c.Ended(10 * second) {
					t.Fatalf("%s: the caller waits", x.dialled)
				}
				if s, _, _ := c.State(); s != x.status {
					t.Errorf("%s: told %d, want %d", x.dialled, s, x.status)
				}
				is(x.dialled, x.line, x.code)
			}
			for _, x := range []struct{ dialled, line string }{{"*7198765*05550123", "record 201 -> 5550123 answer not known"}, {"*67*71987650-555-0123", "record 201 -> line 1 answer not known"}} {
				c := a.Call(x.dialled)
				o.Do(t, "line 1 hears 5550123", "wait 4s")
				c.Hang()
				is(x.dialled, x.line, "Client")
			}
			if log := o.Text(); strings.Contains(log, "98765") || strings.Contains(log, "Client") {
				t.Errorf("the log holds a code:\n%s", log)
			}
			if in := b.Traffic(); strings.Contains(in, "98765") || strings.Contains(in, "*71") || strings.Contains(in, "Client") {
				t.Error("who is called is told the code")
			}
		})
	}
}

// TestCodeAndHelp: no code keeps a call for help from going out, not even one that nobody has.
func TestCodeAndHelp(t *testing.T) {
	for dial, code := range map[string]string{"*7142*112": "Client", "*71420112": "Client", "*67*7142*112": "Client", "*7199*112": "", "*71112": ""} {
		scene := Scene{Country: "DE", Stations: 1, Lines: 1, SIP: []plan.Ext{"201"}, Private: "*67", Prefix: "*71", Codes: []plan.Code{{Name: "Client", Digits: "42"}}}
		sipOfficeOf(t, scene, func(t *testing.T, o *Office) {
			a := registered(t, o, "201")
			expectCentre(o)
			emergency(t, o, a, dial, 0).Hang()
			time.Sleep(2 * second)
			r := lastRecord(t, o)
			if r.Talked = 0; !r.Emergency || r.Code != code || Line(r) != "record 201 -> 112 answer not known" {
				t.Errorf("%s: %s, emergency %v, code %q", dial, Line(r), r.Emergency, r.Code)
			}
		})
	}
}

// TestMissedOnTheNetwork: a user with an analog telephone and two on the network has missed a
// call once; who was busy or refused has missed it, too, and who had none registered has not.
func TestMissedOnTheNetwork(t *testing.T) {
	scene := Scene{Country: "DE", Stations: 2, Lines: 1, SIP: []plan.Ext{"101", "201", "202", "203"}, Ring: 20, Protect: []plan.Ext{"202"}}
	sipOfficeOf(t, scene, func(t *testing.T, o *Office) {
		a, one, two, c := registered(t, o, "201"), registered(t, o, "101"), registered(t, o, "101"), registered(t, o, "202")
		is := func(what string, want ...plan.UserID) {
			t.Helper()
			time.Sleep(3 * second)
			r := lastRecord(t, o)
			if got := slices.Sorted(slices.Values(r.Missed)); !slices.Equal(got, want) {
				t.Errorf("%s: missed by %q, want %q", what, got, want)
			}
		}
		x := a.Call("101")
		o.Do(t, "101 rings", "wait 5s")
		x.Hang()
		is("all ring", "u1")
		x = a.Call("101")
		o.Do(t, "101 rings", "101 lifts", "101 and sip201 talk", "101 hangs up")
		is("answered")
		x = a.Call("101")
		o.Do(t, "101 rings")
		one.Incoming(len(one.Calls())-1, second).Answer()
		time.Sleep(2 * second)
		x.Hang()
		is("answered on the network")
		one.Refuses, two.Refuses = 486, 603
		o.Do(t, "101 lifts", "101 hears dial")
		if s := outcome(a.Call("101")); s != 603 {
			t.Errorf("told %d", s)
		}
		is("busy and declined", "u1")
		o.Do(t, "101 hangs up", "wait 2s")
		if s := outcome(a.Call("203")); s != 480 {
			t.Errorf("told %d", s)
		}
		is("none registered")

		c.Call("201").Ended(30 * second)
		is("by protected")
		if r := lastRecord(t, o); r.Outcome != pbx.NoAnswer || r.From.Ext != "202" {
			t.Errorf("%s", Line(r))
		}
		a.Call("202").Ended(30 * second)
		is("to protected", "s202")
		one.Refuses, two.Refuses = 0, 0
		o.Do(t, "line 1 calls", "101 rings", "102 rings", "wait 6s", "line 1 abandons", "101 stops ringing within 12s")
		is("comes in", "s201", "s202", "u1", "u2")
	})
}
