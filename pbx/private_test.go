package pbx

import (
	"slices"
	"testing"
	"time"

	"sotto/board"
	"sotto/pbx/number"
	"sotto/pbx/plan"
)

// sides gives what a record says of its parties, one after the other: caller's user,
// extension, number and line, then those of the called party.
func (r *Record) sides() (l []string) {
	for _, p := range []Party{r.From, r.To} {
		l = append(l, string(p.User), string(p.Ext), p.Number.Reveal(), p.Line)
	}
	if !r.Sent.IsZero() {
		l = append(l, "sent", r.Sent.Reveal())
	}
	return l
}

// private101 is a plan in which 101 is protected and *67 makes a call private.
func private101(p *plan.Plan) { p.Users[0].Protected, p.PrivatePrefix = true, "*67" }

// TestNotKept: what the plan or the caller does not want kept is in the snapshot, marked, and in
// no record: that and nothing else is marked. Ports: 0 is 101 (a), 1 and 3 are 102 (b), 2 is 103 (c); 104 (d) is on
// the network alone.
func TestNotKept(t *testing.T) {
	talk := func(from int, keys string, to int) func(b *bench) {
		return func(b *bench) {
			b.lifts(from)
			b.digits(from, keys)
			b.lifts(to)
			b.pass(time.Second)
		}
	}
	sent := func(b *bench) { // an ordinary call gets a dial tone
		if len(b.calls) == 1 && lineOf(b.calls[0]) != nil && !b.calls[0].emergency {
			b.dialTone(t, 0)
		}
		b.pass(20 * time.Second)
	}
	dial := func(from int, keys string) func(b *bench) {
		return func(b *bench) {
			b.lifts(from)
			b.digits(from, keys)
			sent(b)
		}
	}
	net := func(dialled string) func(b *bench) {
		return func(b *bench) {
			b.dials(dialled)
			sent(b)
		}
	}
	comesIn := func(b *bench) {
		b.event(fxo1, board.RingOn)
		b.calls[0].from.Number = number.Must("0301234567")
		b.do(Event{})
	}
	answered := func(p int) func(b *bench) {
		return func(b *bench) {
			comesIn(b)
			b.lifts(p)
			b.pass(5 * time.Second)
		}
	}
	rings := func(l ...plan.Ext) func(p *plan.Plan) {
		return func(p *plan.Plan) {
			private101(p)
			p.Users[2].ShowOnly = true
			p.Lines[0].Rings = l
		}
	}
	lineShows := func(p *plan.Plan) { p.Lines[0].ShowOnly = true }
	userShows := func(p *plan.Plan) { p.Users[2].ShowOnly = true }
	const caller, callee = 0, 4 // where each side begins
	user := func(at int, id, ext string) []string {
		l := make([]string, 8)
		l[at], l[at+1] = id, ext
		return l
	}
	outside := func(at int, num, line string) []string {
		l := make([]string, 8)
		l[at+2], l[at+3] = num, line
		return l
	}
	both := func(a, b []string) []string {
		l := slices.Clone(a)
		for i := range b {
			l[i] += b[i]
		}
		return l
	}
	none := make([]string, 8)
	a, c, d := user(caller, "a", "101"), user(caller, "c", "103"), user(caller, "d", "104")
	toA, toC := user(callee, "a", "101"), user(callee, "c", "103")
	for _, x := range []struct {
		name    string
		plan    func(*plan.Plan)
		do      func(*bench)
		want    []string
		private bool
	}{
		{"nothing special", nil, talk(0, "103", 2), both(a, toC), false},
		{"protected is called", private101, talk(2, "101", 0), toA, true},
		{"protected calls", private101, talk(0, "103", 2), a, true},
		{"both protected", func(p *plan.Plan) { private101(p); p.Users[2].Protected = true }, talk(0, "103", 2), none, true},
		{"protected is called from the network", private101, net("101"), toA, true},
		{"protected on the network calls", func(p *plan.Plan) { p.Users[3].Protected = true }, net("103"), d, true},
		{"protected on the network is called", func(p *plan.Plan) { p.Users[3].Protected = true }, dial(2, "104"), user(callee, "d", "104"), true},
		{"protected calls out", private101, dial(0, "0301234#"), both(a, outside(callee, "", "Front")), true},
		{"protected calls what is forbidden", func(p *plan.Plan) {
			private101(p)
			p.Rules = []plan.Rule{{Name: "Dear", Prefix: "0900", Forbid: true}}
		}, dial(0, "00900"), a, true},
		{"protected calls what nobody has", private101, dial(0, "555"), a, true},
		{"protected calls for help", private101, dial(0, "112"), both(a, outside(callee, "112", "Front")), false},
		{"protected calls by a carrier", func(p *plan.Plan) {
			private101(p)
			p.Rules = []plan.Rule{{Name: "Carrier", Prefix: "3", Prepend: "01013"}}
		}, dial(0, "0301234#"), both(a, outside(callee, "", "Front")), true},
		{"another calls by a carrier", func(p *plan.Plan) {
			private101(p)
			p.Rules = []plan.Rule{{Name: "Carrier", Prefix: "3", Prepend: "01013"}}
		}, dial(2, "0301234#"), append(both(c, outside(callee, "301234", "Front")), "sent", "01013301234"), false},
		{"comes in for protected", rings("101"), answered(0), both(outside(caller, "", "Front"), toA), true},
		{"comes in for protected, not answered", rings("101"), comesIn, both(outside(caller, "", "Front"), toA), true},
		{"comes in for all, protected answers", rings(), answered(0), both(outside(caller, "", "Front"), toA), true},
		{"comes in for all, another answers", rings(), answered(1), both(outside(caller, "0301234567", "Front"), user(callee, "b", "102")), false},
		{"comes in for all, not answered", rings(), comesIn, outside(caller, "0301234567", "Front"), false},
		{"comes in for those that keep nothing, not answered", rings("101", "103"), comesIn, outside(caller, "", "Front"), true},

		{"private", private101, talk(2, "*67102", 1), c, true},
		{"private, on the network", private101, net("*67102"), d, true},
		{"private, out", private101, dial(2, "*670301234#"), both(c, outside(callee, "", "Front")), true},
		{"private, out from the network", private101, net("*670301234"), both(d, outside(callee, "", "Front")), true},
		{"private, out with +", private101, net("*67+4930 1234"), both(d, outside(callee, "", "Front")), true},
		{"private, nobody there", private101, dial(2, "*67555"), c, true},
		{"private, incomplete", private101, dial(2, "*67"), c, true},
		{"private, nothing follows from the network", private101, net("*67"), d, true},
		{"private, no number", private101, net("*67hello"), d, true},
		{"private to protected", private101, talk(2, "*67101", 0), none, true},
		{"private for help", private101, dial(2, "*67112"), both(c, outside(callee, "112", "Front")), false},
		{"private for help, with 0", private101, dial(2, "*670112"), both(c, outside(callee, "112", "Front")), false},
		{"private for help, from the network", private101, net("*67112"), both(d, outside(callee, "112", "Front")), false},
		{"private dialled twice for help", private101, dial(2, "*67*67112"), both(c, outside(callee, "112", "Front")), false},

		{"line shows only", lineShows, answered(2), both(outside(caller, "", "Front"), toC), true},
		{"line shows only, not answered", lineShows, comesIn, outside(caller, "", "Front"), true},
		{"line shows only, going out", lineShows, dial(2, "0301234#"), both(c, outside(callee, "301234", "Front")), false},
		{"user is only shown", userShows, answered(2), both(outside(caller, "", "Front"), toC), true},
		{"user is only shown, another answers", userShows, answered(0), both(outside(caller, "0301234567", "Front"), toA), false},
		{"user is only shown, called within", userShows, talk(0, "103", 2), both(a, toC), false},
		{"user is only shown, calls", userShows, dial(2, "0301234#"), both(c, outside(callee, "301234", "Front")), false},
	} {
		t.Run(x.name, func(t *testing.T) {
			b := lineBench(t, x.plan)
			x.do(b)
			if s := b.Snapshot(); len(s.Calls) == 1 {
				v := Record{From: s.Calls[0].From, To: s.Calls[0].To}
				for i, want := range x.want[:8] {
					if got := v.sides()[i]; want != "" && got != want {
						t.Errorf("the call is shown as %q", v.sides())
					}
				}
				if x.private && slices.Equal(v.sides(), x.want) {
					t.Error("what is not kept is not even shown")
				}
				if s.Calls[0].FromUnkept {
					v.From = Party{Line: v.From.Line}
				}
				if s.Calls[0].ToUnkept {
					v.To = Party{Line: v.To.Line}
				}
				if !slices.Equal(v.sides(), x.want[:8]) {
					t.Errorf("to others the call is shown as %q, and kept as %q", v.sides(), x.want)
				}
				if (s.Calls[0].FromUnkept || s.Calls[0].ToUnkept) != x.private {
					t.Errorf("marked %+v, private %v", s.Calls[0], x.private)
				}
			}
			b.ok(t)
			for p := range stations {
				if b.stations[p].hook.Up() {
					b.hangsUp(p)
				}
			}
			b.net.allLeave(b)
			b.pass(2 * time.Minute)
			r := b.oneRecord(t)
			if got := r.sides(); !slices.Equal(got, x.want) || r.Private != x.private {
				t.Errorf("the record says %q, private %v; want %q, %v", got, r.Private, x.want, x.private)
			}
			if r.From.User == "" && r.FromQuality != nil || r.To.User == "" && r.ToQuality != nil {
				t.Error("the record says how somebody sounded who is not kept")
			}
		})
	}
}

// TestNotKeptOnHold: a call that was on hold, and one made meanwhile, each by its own.
func TestNotKeptOnHold(t *testing.T) {
	b := lineBench(t, private101)
	b.lifts(2)
	b.digits(2, "101")
	b.lifts(0)
	b.flash(2)
	b.digits(2, "102")
	b.lifts(1)
	b.flash(2)
	b.hangsUp(1)
	b.hangsUp(2)
	b.hangsUp(0)
	want := [][]string{{"c", "103", "", "", "b", "102", "", ""}, {"", "", "", "", "a", "101", "", ""}}
	if len(b.records) != 2 || !slices.Equal(b.records[0].sides(), want[0]) || !slices.Equal(b.records[1].sides(), want[1]) || !b.records[1].Held || b.records[0].Private {
		t.Errorf("%+v", b.records)
	}
}

// TestNotKeptByEitherPlan: protection given or taken away during a call leaves the far
// party out.
func TestNotKeptByEitherPlan(t *testing.T) {
	for _, before := range []bool{true, false} {
		b := lineBench(t, func(p *plan.Plan) { p.Users[0].Protected = before })
		b.lifts(2)
		b.digits(2, "101")
		b.lifts(0)
		b.replan(t, func(p *plan.Plan) { p.Users[0].Protected = !before })
		if v := b.Snapshot().Calls[0]; !v.FromUnkept || v.ToUnkept {
			t.Errorf("protected before %v: marked %+v", before, v)
		}
		b.hangsUp(0)
		if r := b.oneRecord(t); r.From != (Party{}) || !r.Private {
			t.Errorf("protected before %v: %+v", before, r)
		}
	}
}

// TestUnkeptInSnapshot: what is marked follows the call, from its ringing to its answer; the
// parties are whole for who is in it.
func TestUnkeptInSnapshot(t *testing.T) {
	b := lineBench(t, private101)
	marked := func(when string, from, to bool) {
		t.Helper()
		s := b.Snapshot()
		if len(s.Calls) != 1 || s.Calls[0].FromUnkept != from || s.Calls[0].ToUnkept != to {
			t.Errorf("%s: %+v, want %v, %v", when, s.Calls, from, to)
		}
	}
	b.event(fxo1, board.RingOn)
	b.calls[0].from.Number = number.Must("0301234567")
	b.do(Event{})
	marked("rings all", false, false)
	b.lifts(0)
	marked("101 has answered", true, false)
	if v := b.Snapshot().Calls[0]; v.From.Number.Reveal() != "0301234567" || v.To.User != "a" {
		t.Errorf("%+v", v)
	}
}

// TestHelpIsShown: a call for help is marked of nobody, not of who left the plan either.
func TestHelpIsShown(t *testing.T) {
	for keys, marked := range map[string]bool{"112": false, "103": true} {
		b := lineBench(t, private101)
		b.lifts(0)
		b.digits(0, keys)
		b.without(t, "101")
		l := b.Snapshot().Calls
		if len(l) != 1 || l[0].Emergency == marked || l[0].FromUnkept != marked || l[0].ToUnkept != marked || l[0].From.Ext != "101" {
			t.Errorf("%s: %+v", keys, l)
		}
	}
}

// TestSnapshotAllocations: a snapshot allocates itself, its ports and its calls; what is marked
// costs none.
func TestSnapshotAllocations(t *testing.T) {
	b := lineBench(t, func(p *plan.Plan) {
		private101(p)
		p.Users[2].ShowOnly, p.Lines[0].ShowOnly = true, true
		p.Lines[0].Rings = []plan.Ext{"101", "103"}
	})
	b.event(fxo1, board.RingOn)
	b.lifts(1)
	b.digits(1, "*67104")
	if v := b.Snapshot().Calls; len(v) != 2 || !v[0].FromUnkept || !v[1].ToUnkept {
		t.Fatalf("%+v", v)
	}
	if n := testing.AllocsPerRun(100, func() { b.snapshot() }); n != 3 {
		t.Errorf("%v allocations, want 3", n)
	}
}

// replan changes the plan as it is.
func (b *bench) replan(t testing.TB, change func(*plan.Plan)) {
	t.Helper()
	p := b.numbers.Plan.Clone()
	change(&p)
	n, err := plan.Compile(p)
	if err != nil {
		t.Fatal(err)
	}
	b.do(Event{Plan: n})
}
