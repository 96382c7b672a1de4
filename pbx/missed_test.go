package pbx

import (
	"slices"
	"strings"
	"testing"
	"time"

	"sotto/board"
	"sotto/pbx/number"
	"sotto/pbx/plan"
)

// TestMissed: who is named as having missed a call. Ports: 0 is 101 (a), who is also on the
// network, 1 and 3 are 102 (b), 2 is 103 (c); 104 (d) is on the network alone.
func TestMissed(t *testing.T) {
	type do = func(b *bench)
	steps := func(l ...do) do {
		return func(b *bench) {
			for _, f := range l {
				f(b)
			}
		}
	}
	dial := func(from int, keys string) do { return func(b *bench) { b.lifts(from); b.digits(from, keys) } }
	net := func(keys string) do { return func(b *bench) { b.dials(keys) } }
	lifts := func(p int) do { return func(b *bench) { b.lifts(p) } }
	comesIn := func(b *bench) {
		b.event(fxo1, board.RingOn)
		b.calls[len(b.calls)-1].from.Number = number.Must("0301234567")
	}
	withheld := func(b *bench) { b.event(fxo1, board.RingOn) }
	theNet := func(k PhoneEventKind, c Cause) do { // every telephone that is called
		return func(b *bench) {
			for _, r := range slices.Clone(b.net.all) {
				if !r.gone && r.called && r.released == 0 {
					b.phone(r, k, c)
				}
			}
		}
	}
	replan := func(change func(*plan.Plan)) do {
		return func(b *bench) {
			p := b.numbers.Plan.Clone()
			change(&p)
			n, err := plan.Compile(p)
			if err != nil {
				panic(err)
			}
			b.do(Event{Plan: n})
		}
	}
	rings := func(l ...plan.Ext) func(*plan.Plan) { return func(p *plan.Plan) { p.Lines[0].Rings = l } }
	with := func(l ...func(*plan.Plan)) func(*plan.Plan) {
		return func(p *plan.Plan) {
			for _, f := range l {
				f(p)
			}
		}
	}
	protect := func(i int) func(*plan.Plan) { return func(p *plan.Plan) { p.Users[i].Protected = true } }
	showOnly := func(i int) func(*plan.Plan) { return func(p *plan.Plan) { p.Users[i].ShowOnly = true } }
	lineShows := func(p *plan.Plan) { p.Lines[0].ShowOnly = true }
	prefix := func(p *plan.Plan) { p.PrivatePrefix = "*67" }
	gone := func(i int) func(*plan.Plan) {
		return func(p *plan.Plan) { p.Users, p.Lines[0].Rings = slices.Delete(p.Users, i, i+1), nil }
	}
	for _, x := range []struct {
		name string
		plan func(*plan.Plan)
		do   do
		want string // users, in the order of the alphabet
	}{
		{"one telephone", nil, dial(2, "102"), "b"}, // which are two, and once
		{"answered", nil, steps(dial(2, "102"), lifts(1)), ""},
		{"from the network", nil, net("103"), "c"},
		{"on the network, rings", nil, steps(dial(2, "104"), theNet(PhoneRings, 0)), "d"},
		{"on the network, two telephones ring", nil, steps(dial(2, "104"), theNet(PhoneRings, 0), theNet(PhoneRings, 0)), "d"},
		{"on the network, rings and declines", nil, steps(dial(2, "104"), theNet(PhoneRings, 0), theNet(PhoneRefuses, Rejected)), "d"},
		{"on the network, busy", nil, steps(dial(2, "104"), theNet(PhoneRefuses, UserBusy)), "d"},
		{"on the network, declines for all", nil, steps(dial(2, "101"), theNet(PhoneRefuses, Rejected)), "a"},
		{"on the network, none registered", nil, steps(dial(2, "104"), theNet(PhoneRefuses, NoUserResponding)), ""},
		{"on the network, nothing comes back", nil, dial(2, "104"), ""},
		{"on the network, answered", nil, steps(dial(2, "104"), theNet(PhoneRings, 0), theNet(PhoneAnswers, 0)), ""},
		{"station and network", nil, steps(dial(2, "101"), theNet(PhoneRings, 0)), "a"},
		{"busy", nil, steps(lifts(2), dial(1, "103")), "c"},
		{"one of two is busy, the other answers", nil, steps(lifts(1), dial(2, "102"), lifts(3)), ""},
		{"out of service", nil, steps(func(b *bench) { b.event(2, board.PortFailed) }, dial(1, "103")), ""},
		{"fails as it rings", nil, steps(dial(1, "103"), func(b *bench) { b.event(2, board.PortFailed) }), "c"},
		{"no telephone", func(p *plan.Plan) { p.Users[2].Ports = nil }, dial(1, "103"), ""},
		{"own number", nil, dial(1, "102"), ""}, // the other telephone rings
		{"own number, busy", nil, dial(2, "103"), ""},
		{"nobody has it", nil, dial(2, "555"), ""},
		{"out", nil, dial(2, "0301234#"), ""},
		{"for help", nil, dial(2, "112"), ""},
		{"left since", nil, steps(dial(1, "103"), replan(gone(2))), ""},

		{"comes in for all", nil, comesIn, "a b c"},
		{"comes in for all, the network rings, too", nil, steps(comesIn, theNet(PhoneRings, 0)), "a b c d"},
		{"comes in for some", rings("103", "104"), steps(comesIn, theNet(PhoneRings, 0)), "c d"},
		{"comes in for one", rings("103"), comesIn, "c"},
		{"comes in, answered", nil, steps(comesIn, lifts(2), func(b *bench) { b.pass(5 * time.Second) }), ""},
		{"comes in, one is busy", rings("102", "103"), steps(lifts(2), comesIn), "b c"},
		{"comes in, all are busy", rings("103"), steps(lifts(2), comesIn), "c"},
		{"comes in, becomes free", rings("103"), steps(lifts(2), comesIn, func(b *bench) { b.hangsUp(2); b.event(fxo1, board.RingOff); b.event(fxo1, board.RingOn) }), "c"},
		{"comes in, one has left since", rings("102", "103"), steps(comesIn, replan(gone(2))), "b"},
		{"comes in, taken by another set", nil, steps(comesIn, func(b *bench) { b.event(fxo1, board.LineInUse) }), "a b c"},

		{"to protected", protect(2), dial(1, "103"), "c"}, // that somebody called, and not who
		{"by protected", protect(2), dial(2, "102"), ""},
		{"both protected", with(protect(1), protect(2)), dial(1, "103"), ""},
		{"protected since", nil, steps(dial(2, "102"), replan(protect(2))), ""},
		{"private", prefix, dial(2, "*67102"), ""},
		{"private, from the network", prefix, steps(net("*67103")), ""},
		{"to one who is only shown", showOnly(2), dial(1, "103"), "c"}, // callers from within are kept
		{"comes in for protected", with(protect(2), rings("103")), comesIn, "c"},
		{"comes in for protected and others", with(protect(2), rings("102", "103")), comesIn, "b"},
		{"comes in for protected and others, number withheld", with(protect(2), rings("102", "103")), withheld, "b c"},
		{"comes in for one who is only shown and others", with(showOnly(2), rings("102", "103")), comesIn, "b"},
		{"comes in for those who keep none", with(showOnly(2), protect(1), rings("102", "103")), comesIn, "b c"},
		{"comes in on a line that only shows", with(lineShows, protect(2)), comesIn, "a b c"},
		{"comes in for others, protected since", rings("102", "103"), steps(comesIn, replan(protect(2))), "b"},
		{"comes in for others, protected before", with(protect(2), rings("102", "103")), steps(comesIn, replan(func(p *plan.Plan) { p.Users[2].Protected = false })), "b"},
	} {
		t.Run(x.name, func(t *testing.T) {
			b := lineBench(t, x.plan)
			x.do(b)
			b.pass(20 * time.Second)
			b.ok(t)
			for p := range stations {
				if b.stations[p].hook.Up() {
					b.hangsUp(p)
				}
			}
			b.net.allLeave(b)
			b.event(fxo1, board.RingOff)
			b.pass(2 * time.Minute)
			r := b.records[0]
			for _, o := range b.records {
				if len(o.Missed) > 0 {
					r = o
				}
			}
			if len(b.records) > 2 {
				t.Fatalf("%d records", len(b.records))
			}
			var got []string
			for _, id := range r.Missed {
				got = append(got, string(id))
			}
			slices.Sort(got)
			if s := strings.Join(got, " "); s != x.want {
				t.Errorf("missed by %q, want %q: %+v", s, x.want, r)
			}
			if r.From.User != "" && slices.Contains(r.Missed, r.From.User) {
				t.Error("the caller missed it")
			}
		})
	}
}

// TestMissedIsBounded: a call that rings for hours names everybody once, and the record has
// the list for itself.
func TestMissedIsBounded(t *testing.T) {
	b := lineBench(t, nil)
	b.ringsFor(fxo1, 50*time.Second)
	if got := b.calls[0].missed; len(got) != 3 {
		t.Errorf("missed by %q", got)
	}
	b.pass(time.Minute)
	first := b.oneRecord(t).Missed
	kept := slices.Clone(first)
	b.ringsFor(fxo1, 10*time.Second)
	b.pass(time.Minute)
	if !slices.Equal(first, kept) || len(b.records) != 2 || &b.records[1].Missed[0] == &first[0] {
		t.Errorf("the list of a record has changed to %q, %d records", first, len(b.records))
	}
}
